//! Logging of a command to MLflow while it happens.
//!
//! In come settings, events and results; out go lines of a journal in the registry's folder (`senti_io::mlflow::journal`), which a thread
//! brings to the server. Nothing here waits for the server but [`Tracking::close`], and that not long. Without an address everything here
//! does nothing. Whatever goes wrong with the server or the journal is said in a note and costs no model, no result and no exit code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender as Wire, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use senti::artifact::{Artifact, ColumnRecord, DataRecord};
use senti::backtest::{Backtest, FoldForecast, FoldRecord};
use senti::card::ReportCard;
use senti::observe::{EpochRecord, Event};
use senti::{ErrorKind, Result, Time};
use senti_io::mlflow::courier::{Bell, Courier, Report};
use senti_io::mlflow::journal::{self, Entry, Head, Journal, Line};
use senti_io::mlflow::record::{Experiment, Metric, Pair, Status, metric, run_id, tag};
use senti_io::mlflow::sender::Sender;
use senti_io::mlflow::system::Look;
use senti_io::mlflow::{Api, describe, git};
use senti_io::registry::{Files, SHA256};
use senti_io::sources::Reading;

use crate::failure::{Outcome, usage};
use crate::interrupt::Stage;
use crate::settings::Settings;
use crate::source::now;
use crate::{connect, interrupt, say};

/// Between two looks at the machine.
const LOOK: Duration = Duration::from_secs(10);
/// Most seconds that a command waits that was stopped by Ctrl-C or an error.
const SHORT: f64 = 3.0;

/// What was asked for, checked before anything is read.
pub struct Wanted {
    api: Api,
    experiment: Experiment,
    attach: Option<String>,
    name: Option<String>,
    wait: f64,
    system: bool,
    user: Option<String>,
    root: PathBuf,
}

impl Wanted {
    /// What the settings ask for; nothing without an address.
    pub fn of(settings: &Settings) -> Outcome<Option<Self>> {
        let Some(connection) = connect::tracking(settings)? else {
            return Ok(None);
        };
        let text = |name: &str| settings.text(name).map(str::to_owned);
        // as Python's getpass, and as MLflow: who is known to the server comes first
        let names = ["LOGNAME", "USER", "LNAME", "USERNAME"];
        let user = settings.variable("MLFLOW_TRACKING_USERNAME");
        let user = user.or_else(|| names.iter().find_map(|name| std::env::var(name).ok()));
        Ok(Some(Self {
            api: Api::new(connection).map_err(usage)?,
            experiment: Experiment {
                name: text("experiment_name"),
                id: text("experiment_id"),
            },
            attach: text("run_id"),
            name: text("run_name"),
            wait: settings.number("tracking_wait").unwrap_or(10.0),
            system: settings.switch("log_system_metrics"),
            user,
            root: journal::root(&settings.path("registry").unwrap_or_default()),
        }))
    }
}

/// What a run is about.
pub struct Subject<'a> {
    /// `train`, `backtest`.
    pub command: &'a str,
    /// Start of the run's name: `lstm`.
    pub what: &'a str,
    /// Steps ahead.
    pub horizon: usize,
    /// What tells it from other work, and a resumed run by: the same text for the same work.
    pub key: String,
    /// Parameters.
    pub params: Vec<Pair>,
    /// The data.
    pub reading: &'a Reading,
    /// How they were read.
    pub read_with: BTreeMap<String, String>,
    /// Every setting and where it came from: the run's `config.json`.
    pub config: serde_json::Value,
    /// Instruction set.
    pub simd: &'a str,
    /// What the data are used for, in MLflow's words.
    pub context: &'a str,
    /// It goes on with work that was interrupted.
    pub resumes: bool,
    /// Epochs that were trained before; a run that is made only now gets them with the time of its beginning.
    pub history: &'a [EpochRecord],
}

/// The logging of one command.
pub struct Tracking(Option<Inner>);

struct Inner {
    journal: Arc<Mutex<Journal>>,
    courier: Courier,
    id: String,
    name: String,
    wait: f64,
    /// It goes on with a run that was interrupted.
    resumed: bool,
    /// The highest step of each metric that was logged before.
    logged: BTreeMap<String, i64>,
    /// Runs below this one that are logged already.
    children: BTreeSet<String>,
    /// When the last of them ended.
    last: Time,
    /// The journal cannot be written.
    trouble: Option<String>,
    /// The server's trouble was told.
    warned: bool,
    watch: Option<Watch>,
}

impl Tracking {
    /// Begins to log: a run of its own, or the one of the work that is resumed.
    pub fn begin(wanted: Option<Wanted>, subject: &Subject<'_>) -> Self {
        let Some(wanted) = wanted else {
            return Self(None);
        };
        match Inner::begin(wanted, subject) {
            Ok(inner) => Self(Some(inner)),
            Err(error) => {
                say::always(&format!(
                    "note: nothing is logged to MLflow, the journal cannot be written: {error}"
                ));
                Self(None)
            }
        }
    }

    /// Takes note of an event of a training.
    pub fn see(&mut self, event: &Event<'_>) {
        let Some(inner) = &mut self.0 else { return };
        match event {
            Event::Prepared { sizes, .. } => {
                if !inner.resumed {
                    inner.params(describe::sizes(sizes));
                }
                inner.warn();
            }
            Event::Untrained { valid_loss } => {
                inner.new_metrics(describe::untrained(*valid_loss, now()));
            }
            Event::Epoch { record, .. } => inner.new_metrics(describe::epoch(record, now())),
            _ => {}
        }
    }

    /// A model is trained and scored.
    pub fn trained(&mut self, artifact: &Artifact) {
        let Some(inner) = &mut self.0 else { return };
        let (manifest, time) = (&artifact.manifest, now());
        inner.metrics(describe::evaluation(&manifest.evaluation, time));
        inner.tags(describe::trained(manifest, None));
    }

    /// It is saved under this name.
    pub fn saved(&mut self, artifact: &Artifact, name: &str) {
        if let Some(inner) = &mut self.0 {
            let mut tags = describe::trained(&artifact.manifest, Some(name));
            // By it a registered model finds its run.
            tags.extend(Files::of(artifact).map(|files| tag(SHA256, files.digest())));
            inner.tags(tags);
        }
    }

    /// Files were written.
    pub fn files(&mut self, files: &[PathBuf]) {
        let Some(inner) = &mut self.0 else { return };
        for file in files {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            inner.file(&place(&name), file);
        }
    }

    /// A fold of a backtest is learned.
    pub fn fold(&mut self, forecast: &FoldForecast, step: i64) {
        let Some(inner) = &mut self.0 else { return };
        inner.child(&forecast.record, step);
        let done = inner.children.len();
        inner.new_metrics(vec![metric("folds_done", done as f64, now(), done)]);
        inner.warn();
    }

    /// A backtest is judged.
    pub fn judged(&mut self, backtest: &Backtest, card: &ReportCard) {
        let Some(inner) = &mut self.0 else { return };
        let (step, time) = (backtest.truth.step, now());
        for fold in &backtest.folds {
            // one that was taken up from before anything was logged
            inner.child(fold, step);
            let id = inner.child_id(fold);
            let origins = backtest.origins_of(fold);
            let mut metrics = Vec::new();
            for (model, prefix) in [(fold.model.as_str(), ""), (senti::card::NAIVE, "naive_")] {
                if let Some(scores) = backtest.scores(model, origins.clone()) {
                    metrics.extend(describe::scores(&scores, prefix, time));
                }
            }
            inner.append(&id, time, Entry::Metrics { metrics });
        }
        inner.metrics(describe::card(card, time));
        inner.tags(describe::judged(card));
    }

    /// Ends the run, gives the server a bounded time for what it does not have yet, and says what became of it. `kept`: it can be resumed.
    pub fn close<T>(self, outcome: &Outcome<T>, kept: bool) {
        let Some(inner) = self.0 else { return };
        let (status, wait) = match outcome {
            Ok(_) => (Status::Finished, inner.wait),
            Err(failure) if failure.kind() == ErrorKind::Interrupted => {
                (Status::Killed, inner.wait.min(SHORT))
            }
            Err(_) => (Status::Failed, inner.wait.min(SHORT)),
        };
        inner.close(status, wait, kept && status == Status::Killed);
    }
}

/// Where a file of the output folder stands within a run.
fn place(name: &str) -> String {
    match Path::new(name)
        .extension()
        .and_then(|ending| ending.to_str())
    {
        Some("svg" | "png") => format!("plots/{name}"),
        _ => name.to_owned(),
    }
}

impl Inner {
    fn begin(wanted: Wanted, subject: &Subject<'_>) -> Result<Self> {
        let (reading, time) = (subject.reading, now());
        let base = wanted.api.base().to_owned();
        let key = run_id(&[subject.command, &reading.digest, &subject.key]);
        let found = match subject.resumes {
            true => Journal::resumable(&wanted.root, &key, &base),
            false => None,
        };
        if let Some((journal, summary)) = found {
            let (folder, head) = (journal.folder().to_path_buf(), journal.head().clone());
            say::note(&format!("MLflow: going on with run `{}`", summary.name));
            let mut inner = Self::with(wanted, journal, &folder, head, summary.name, false)?;
            inner.resumed = true;
            inner.logged = summary.steps;
            inner.children = summary.children.into_keys().collect();
            let id = inner.id.clone();
            inner.append(&id, time, Entry::Resume);
            // a parameter is written once; what may be raised on the way is told beside it
            let epochs = subject.params.iter().find(|pair| pair.key == "epochs");
            let epochs = epochs.map(|pair| tag("senti.epochs", pair.value.clone()));
            inner.tags(
                epochs
                    .into_iter()
                    .chain([tag("senti.resumed", "true")])
                    .collect(),
            );
            return Ok(inner);
        }
        let id = run_id(&[&key, &time.to_string(), &std::process::id().to_string()]);
        let head = Head {
            format: 0,
            id: id.clone(),
            key,
            command: subject.command.to_owned(),
            tracking_uri: base,
            experiment: wanted.experiment.clone(),
        };
        let name = wanted.name.clone();
        let name = name.unwrap_or_else(|| describe::run_name(subject.what, subject.horizon, &id));
        let journal = Journal::create(&wanted.root, head.clone())?;
        let folder = journal.folder().to_path_buf();
        let (attach, user) = (wanted.attach.clone(), wanted.user.clone());
        let mut inner = Self::with(wanted, journal, &folder, head, name.clone(), true)?;

        let data = data_of(reading, &subject.read_with);
        let version = env!("CARGO_PKG_VERSION");
        let mut tags = describe::tags(&id, subject.command, version, subject.simd, &data);
        tags.extend(user.map(|user| tag("mlflow.user", user)));
        tags.extend(git::tags(Path::new(".")));
        let begin = Entry::Begin {
            name,
            parent: None,
            attach,
            tags,
        };
        inner.append(&id, time, begin);
        inner.params(subject.params.clone());
        let input = describe::dataset(&data, subject.context);
        inner.append(&id, time, Entry::Input { input });
        for record in subject.history {
            inner.new_metrics(describe::epoch(record, time));
        }
        let config = format!("{:#}\n", subject.config);
        let mut journal = inner.journal.lock().unwrap_or_else(PoisonError::into_inner);
        journal.keep_bytes(&id, time, "config.json", config.as_bytes())?;
        drop(journal);
        Ok(inner)
    }

    fn with(
        wanted: Wanted,
        journal: Journal,
        folder: &Path,
        head: Head,
        name: String,
        fresh: bool,
    ) -> Result<Self> {
        let (id, folder) = (head.id.clone(), folder.to_path_buf());
        let send = move |api| Sender::new(api, &folder, head, fresh);
        let courier = Courier::start(&wanted.api, send)?;
        let journal = Arc::new(Mutex::new(journal));
        let watch = wanted
            .system
            .then(|| Watch::start(&journal, &id, courier.bell()));
        Ok(Self {
            watch: watch.flatten(),
            journal,
            courier,
            id,
            name,
            wait: wanted.wait,
            resumed: false,
            logged: BTreeMap::new(),
            children: BTreeSet::new(),
            last: now(),
            trouble: None,
            warned: false,
        })
    }

    /// Adds a line and rings. A disk that takes no line is told at the end; nothing stops for it.
    fn append(&mut self, run: &str, time: Time, entry: Entry) {
        if self.trouble.is_some() {
            return;
        }
        let line = Line {
            run: run.to_owned(),
            time,
            entry,
        };
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = journal.append(&line) {
            self.trouble = Some(error.to_string());
        }
        drop(journal);
        self.courier.ring();
    }

    fn own(&mut self, entry: Entry) {
        let id = self.id.clone();
        self.append(&id, now(), entry);
    }

    fn params(&mut self, params: Vec<Pair>) {
        self.own(Entry::Params { params });
    }

    fn tags(&mut self, tags: Vec<Pair>) {
        self.own(Entry::Tags { tags });
    }

    fn metrics(&mut self, metrics: Vec<Metric>) {
        if !metrics.is_empty() {
            self.own(Entry::Metrics { metrics });
        }
    }

    /// Metrics of steps that were not logged before: a resumed training goes over its last epochs again, with the same bits.
    fn new_metrics(&mut self, mut metrics: Vec<Metric>) {
        metrics.retain(|metric| {
            let logged = self.logged.get(&metric.key);
            logged.is_none_or(|step| metric.step > *step)
        });
        for metric in &metrics {
            self.logged.insert(metric.key.clone(), metric.step);
        }
        self.metrics(metrics);
    }

    fn file(&mut self, path: &str, file: &Path) {
        if self.trouble.is_some() {
            return;
        }
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = journal.keep(&self.id, now(), path, file) {
            self.trouble = Some(error.to_string());
        }
        drop(journal);
        self.courier.ring();
    }

    fn child_id(&self, fold: &FoldRecord) -> String {
        run_id(&[&self.id, &fold.model, &fold.fold.to_string()])
    }

    /// The run of a fold, once. It is told when the fold is done: it began when the one before it was done.
    fn child(&mut self, fold: &FoldRecord, step: i64) {
        let id = self.child_id(fold);
        if !self.children.insert(id.clone()) {
            return;
        }
        let (start, end) = (self.last, now());
        self.last = end;
        let begin = Entry::Begin {
            name: format!("{} fold {}", fold.model, fold.fold),
            parent: Some(self.id.clone()),
            attach: None,
            tags: vec![
                tag("senti.run_id", id.clone()),
                tag("senti.command", "backtest"),
                tag("mlflow.source.name", "senti-ai backtest"),
                tag("mlflow.source.type", "LOCAL"),
            ],
        };
        self.append(&id, start, begin);
        let params = describe::fold_params(fold, step);
        self.append(&id, end, Entry::Params { params });
        let metrics = describe::fold_metrics(fold, end);
        if !metrics.is_empty() {
            self.append(&id, end, Entry::Metrics { metrics });
        }
        let status = Status::Finished;
        self.append(&id, end, Entry::End { status });
    }

    /// Says once, early, that the server is in trouble: whoever waits for the run to appear should know.
    fn warn(&mut self) {
        if self.warned {
            return;
        }
        if let Some(trouble) = self.courier.trouble() {
            self.warned = true;
            say::note(&format!(
                "note: {trouble}; what is to be logged is kept, and nothing waits for it"
            ));
        }
    }

    fn close(mut self, status: Status, wait: f64, kept: bool) {
        drop(self.watch.take());
        self.own(Entry::End { status });
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = journal.sync() {
            self.trouble.get_or_insert(error.to_string());
        }
        drop(journal);
        // one Ctrl-C more ends a command that was interrupted at once; any other stops waiting
        let interrupted = interrupt::wanted();
        if !interrupted {
            interrupt::stage(Stage::Sending);
        }
        let stop = || !interrupted && interrupt::wanted();
        let report = self.courier.finish(Duration::from_secs_f64(wait), &stop);
        say_report(&self.name, &report, self.trouble.as_deref());
        if report.complete && !kept {
            let journal = Arc::into_inner(self.journal);
            let journal =
                journal.map(|journal| journal.into_inner().unwrap_or_else(PoisonError::into_inner));
            if let Some(Err(error)) = journal.map(Journal::remove) {
                say::note(&format!("note: {error}"));
            }
        }
    }
}

/// What became of a run, in lines for the person at the terminal.
fn say_report(name: &str, report: &Report, journal: Option<&str>) {
    for refused in &report.refused {
        say::always(&format!("note: MLflow, run `{name}`: {refused}"));
    }
    if let Some(trouble) = journal {
        say::always(&format!(
            "note: run `{name}` is not logged whole, its journal could not be written: {trouble}"
        ));
    }
    match (&report.trouble, report.complete) {
        (None, true) => {
            if let Some(place) = &report.place {
                say::note(&format!("MLflow: run `{name}` at {place}"));
            }
        }
        (trouble, _) => {
            let why = trouble
                .as_ref()
                .map_or("no more time".to_owned(), ToString::to_string);
            let hint = trouble.as_ref().and_then(|error| error.hint_text());
            let hint = hint.map_or(String::new(), |hint| format!(" ({hint})"));
            say::always(&format!(
                "note: MLflow does not have all of run `{name}`: {why}{hint}; it is kept, `senti-ai models push` sends it"
            ));
        }
    }
}

/// What a model will keep of these data.
fn data_of(reading: &Reading, read_with: &BTreeMap<String, String>) -> DataRecord {
    let table = &reading.table;
    let column = |column: &senti::Column| ColumnRecord {
        name: column.name.clone(),
        role: column.role,
    };
    DataRecord {
        source: reading.origin.clone(),
        read_with: read_with.clone(),
        digest: reading.digest.clone(),
        rows: table.n_rows(),
        first: table.time().first().copied().unwrap_or_default(),
        last: table.time().last().copied().unwrap_or_default(),
        step: table.calendar().step(),
        calendar: Some(table.calendar().clone()),
        columns: table.columns().iter().map(column).collect(),
    }
}

/// Parameters of a plan without those that a command has no option for.
pub fn params_of(pairs: Vec<Pair>, settings: &Settings) -> Vec<Pair> {
    let verb = settings.verb();
    let serves =
        |pair: &Pair| crate::options::find(&pair.key).is_none_or(|option| option.serves(verb));
    pairs.into_iter().filter(serves).collect()
}

/// The machine, looked at every now and then by a thread of its own.
struct Watch {
    wire: Option<Wire<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Nothing where the system tells nothing.
    fn start(journal: &Arc<Mutex<Journal>>, id: &str, bell: Bell) -> Option<Self> {
        let Some(first) = Look::now() else {
            say::note("note: system metrics are known on Linux alone, none are logged");
            return None;
        };
        let (journal, id) = (Arc::clone(journal), id.to_owned());
        let (wire, end) = channel::<()>();
        let thread = std::thread::Builder::new().name("system metrics".into());
        let thread = thread.spawn(move || {
            let mut before = first;
            for step in 0.. {
                let ended = !matches!(end.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout));
                if let Some(look) = Look::now() {
                    let metrics = look.metrics(&before, &first, now(), step);
                    let line = Line {
                        run: id.clone(),
                        time: now(),
                        entry: Entry::Metrics { metrics },
                    };
                    let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
                    // whoever writes the other lines tells of a disk that takes none
                    let _ = journal.append(&line);
                    drop(journal);
                    bell.ring();
                    before = look;
                }
                if ended {
                    return;
                }
            }
        });
        Some(Self {
            wire: Some(wire),
            thread: thread.ok(),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.wire.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
