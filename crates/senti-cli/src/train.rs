//! `senti-ai train`: read, learn, score, keep, forecast.
//!
//! In come settings; out go a registered model, the files of the output folder, and the result on stdout. The numbers come from
//! [`senti::doors::fit`]; this file only connects it with the outside.

use std::path::{Path, PathBuf};
use std::time::Instant;

use senti::artifact::{Artifact, State};
use senti::doors::{Machine, Outcome as Learned, Provenance, fit, fit_imported};
use senti::imported::{FLATTERED, Imported};
use senti::memory::Sizes;
use senti::observe::{Event, Next};
use senti::plan::{Draft, Plan};
use senti::{Error, ErrorKind};
use senti_io::mlflow::describe;
use senti_io::registry::{Entry, Registry};
use senti_io::report::{
    Recorder, date, forecast_value, predictions_bytes, scores_value, write_training,
};
use senti_io::sources::Reading;
use serde_json::json;

use crate::every::Every;
use crate::exchange::Registered;
use crate::failure::{Outcome, hinted, usage};
use crate::interrupt::Stage;
use crate::memory::Budget;
use crate::options::find;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::tracking::{Subject, Tracking, Wanted};
use crate::unfinished::Unfinished;
use crate::{
    exchange, import, interrupt, machine, places, remote, say, scores, show_config, source,
};

/// Weights from which on a person should know that the network is large.
const LARGE: usize = 50_000_000;
/// Bytes of a file from which on a person should know before it is written: 1 GiB.
const LARGE_FILE: u64 = 1 << 30;

/// Trains a model.
pub fn run(mut settings: Settings) -> Outcome {
    let Some(file) = settings.path("weights") else {
        let plan = plan(&settings)?;
        return start(&settings, &plan, None);
    };
    let imported = import::open(&file)?.imported;
    let units: Vec<String> = imported.units().iter().map(usize::to_string).collect();
    settings.recall("units", Some(&units.join(",")))?;
    let plan = plan(&settings)?;
    imported.fits_plan(&plan)?;
    start(&settings, &plan, Some(&imported))
}

/// Trains by a plan, from weights that another program trained where there are some, and keeps and shows what came of it.
pub fn start(settings: &Settings, plan: &Plan, imported: Option<&Imported>) -> Outcome {
    let machine = machine::machine(settings)?;
    let mut request = source::request(settings)?;
    let budget = Budget::of(settings, machine.threads);
    request.memory = budget.map(|budget| budget.for_reading());
    let output = settings.path("output").unwrap_or_default();
    let no_plot = settings.switch("no_plot");
    places::spare_input(&request, &output, settings.verb(), no_plot)?;
    let registry = Registry::open(settings.path("registry").unwrap_or_default());
    places::writable(&registry, &plan.model_type)?;
    let server = settings.switch("register");
    let server = server.then(|| remote::registry(settings)).transpose()?;
    let wanted = Wanted::of(settings)?;
    // nothing is trained with weights that stay as they are, so there is nothing to keep or to go on with
    let trains = plan.epochs > 0;
    let every = match trains {
        true => Every::of(settings),
        false => Every::Never,
    };
    let mut unfinished = Unfinished::new(&output, every);
    let resumes = trains && settings.switch("resume");
    if trains {
        unfinished.announce(resumes)?;
    }
    interrupt::listen()?;
    let reading = source::read(&request)?;
    let resume = match resumes {
        true => Some(unfinished.take_up(plan, &reading.digest)?),
        false => None,
    };
    let task = Task {
        plan,
        imported,
        machine,
        provenance: Provenance {
            source: reading.origin.clone(),
            read_with: source::record(settings, &request, &reading),
            digest: reading.digest.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        reading: &reading,
        budget,
    };
    let subject = Subject {
        command: settings.verb().name(),
        what: &plan.model_type,
        horizon: plan.forecast_horizon,
        key: key(plan),
        params: describe::plan(plan),
        reading: &reading,
        read_with: task.provenance.read_with.clone(),
        config: show_config::json(settings),
        simd: machine.simd.name(),
        context: "training",
        resumes,
        history: (resume.as_ref()).map_or(&[], |state| state.manifest.history.as_slice()),
    };
    let mut tracking = Tracking::begin(wanted, &subject);
    let desk = Desk {
        settings,
        registry: &registry,
        output: &output,
    };
    let done = work(
        &task,
        &desk,
        &mut unfinished,
        resume.as_ref(),
        &mut tracking,
    );
    // The result waits for nobody, unless it tells what came of a registration.
    let done = done.and_then(|done| match &server {
        Some(_) => Ok(done),
        None => result(&done, None, settings).map(|()| done),
    });
    tracking.close(&done, unfinished.kept().is_some());
    let done = done?;
    match server {
        // Behind the tracking, so that the model is linked to its run.
        Some(server) => {
            let registered = exchange::register(&done.entry, &server, settings)?;
            result(&done, Some(&registered), settings)
        }
        None => Ok(()),
    }
}

/// Where things go.
struct Desk<'a> {
    settings: &'a Settings,
    registry: &'a Registry,
    output: &'a Path,
}

/// Everything from the first batch to the last file.
fn work(
    task: &Task<'_>,
    desk: &Desk<'_>,
    unfinished: &mut Unfinished,
    resume: Option<&State>,
    tracking: &mut Tracking,
) -> Outcome<Done> {
    let Task { plan, reading, .. } = task;
    let Desk {
        settings,
        registry,
        output,
    } = desk;
    let recorder = Recorder::new(output)?;
    let (learned, recorder) = learn(task, recorder, unfinished, resume, tracking)?;
    tracking.trained(&learned.artifact);

    // A resumed run may only have to write its files: its model is saved once.
    let there = resume.and_then(|_| saved_before(registry, plan, &learned.artifact));
    let entry = match there {
        Some(entry) => {
            say::note(&format!("the model is saved already, as {}", name(&entry)));
            entry
        }
        None => {
            let saved = registry.save(&learned.artifact, &plan.model_type, source::now());
            saved.map_err(|error| not_saved(error, unfinished))?
        }
    };
    tracking.saved(&learned.artifact, &name(&entry));
    interrupt::stage(Stage::Writing);
    let files = write_training(
        output,
        &learned,
        &reading.table,
        recorder,
        Some(&entry),
        settings.switch("no_plot"),
    );
    let files = files.map_err(|error| not_written(error, &entry, unfinished))?;
    unfinished.done()?;
    tracking.files(&files);
    Ok(Done {
        learned,
        entry,
        files,
    })
}

/// A training whose model and files are saved.
struct Done {
    learned: Learned,
    entry: Entry,
    files: Vec<PathBuf>,
}

/// Says what came of it.
fn result(done: &Done, registered: Option<&Registered>, settings: &Settings) -> Outcome {
    let Done {
        learned,
        entry,
        files,
    } = done;
    let json = || {
        let mut document = document(learned, entry, files);
        if let Some(registered) = registered {
            document["registered"] = registered.json();
        }
        document
    };
    let text = || {
        let told = registered.map(Registered::text);
        text(learned, entry, files) + &told.unwrap_or_default()
    };
    say::result(settings.json(), json, text)
}

/// The same for every run of a training that may be resumed: the plan without what may be raised on the way.
fn key(plan: &Plan) -> String {
    let mut plan = serde_json::to_value(plan).unwrap_or_default();
    plan.as_object_mut().map(|plan| plan.remove("epochs"));
    plan.to_string()
}

/// As it is called on the command line: `lstm/3`.
pub fn name(entry: &Entry) -> String {
    entry.called()
}

/// The very same model in the registry: of these data, weight for weight.
fn saved_before(registry: &Registry, plan: &Plan, artifact: &Artifact) -> Option<Entry> {
    let listed = registry.list().ok()?;
    let alike = listed.into_iter().rev().filter(|listed| {
        let manifest = listed.manifest.as_ref();
        listed.entry.model_type == plan.model_type
            && manifest.is_ok_and(|manifest| {
                manifest.data.digest == artifact.manifest.data.digest
                    && manifest.best_epoch == artifact.manifest.best_epoch
                    && manifest.history == artifact.manifest.history
            })
    });
    alike.map(|listed| listed.entry).find(|entry| {
        let loaded = registry.load(&entry.model_type, Some(entry.version));
        loaded.is_ok_and(|loaded| loaded.tensors == artifact.tensors)
    })
}

/// What to do about a place that cannot be written, and how the training goes on then.
fn then_resume(error: &Error, unfinished: &Unfinished, then: &str) -> Option<String> {
    let hint = error.hint_text().map(str::to_owned);
    match (hint, unfinished.kept()) {
        (hint, None) => hint,
        (None, Some(_)) => Some(format!("then {then}")),
        (Some(hint), Some(_)) => Some(format!("{hint}; then {then}")),
    }
}

/// A training that its own files have stopped.
fn cut_short(error: Error, unfinished: &Unfinished) -> Error {
    let then =
        "run the same command with `--resume`: the training up to its last checkpoint is kept";
    match then_resume(&error, unfinished, then) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn not_saved(error: Error, unfinished: &Unfinished) -> Error {
    let then = "run the same command with `--resume`: the training is kept";
    let hint = then_resume(&error, unfinished, then);
    let error =
        Error::new(error.kind(), "the model is trained, but cannot be saved").because(error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn not_written(error: Error, entry: &Entry, unfinished: &Unfinished) -> Error {
    let then = "run the same command with `--resume`: the model is not saved twice";
    let hint = then_resume(&error, unfinished, then);
    let sentence = format!(
        "the model is saved as {}, but its files cannot be written",
        name(entry)
    );
    let error = Error::new(error.kind(), sentence).because(error);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// The plan of the settings. A range is checked when a setting is read, so only contradictions between them are left.
pub fn plan(settings: &Settings) -> Outcome<Plan> {
    // Each range was checked with its origin; what is left are choices that contradict each other.
    let hint = "`senti-ai train --show_config` shows where each value came from";
    let checked = draft(settings)?.check();
    checked.map_err(|error| usage(hinted(error, hint)))
}

/// The choices of the settings, not checked against each other.
pub fn draft(settings: &Settings) -> Outcome<Draft> {
    let mut draft = serde_json::to_value(Draft::default()).unwrap_or_default();
    let verb = settings.verb();
    for (name, value) in draft.as_object_mut().into_iter().flatten() {
        // what this command has no option for keeps its default
        if find(name).is_some_and(|option| option.serves(verb)) {
            let said = settings.get(name).value.as_ref();
            *value = json!(said.map(crate::options::Value::json));
        }
    }
    let draft = serde_json::from_value(draft);
    let draft =
        draft.map_err(|error| Error::internal("the options do not make a plan").because(error));
    Ok(draft?)
}

/// What is learned from what, on what.
struct Task<'a> {
    plan: &'a Plan,
    imported: Option<&'a Imported>,
    machine: Machine,
    provenance: Provenance,
    reading: &'a Reading,
    budget: Option<Budget>,
}

fn learn(
    task: &Task<'_>,
    mut recorder: Recorder,
    unfinished: &mut Unfinished,
    resume: Option<&State>,
    tracking: &mut Tracking,
) -> Outcome<(Learned, Recorder)> {
    let Task {
        plan,
        reading,
        budget,
        ..
    } = task;
    let start = Instant::now();
    let mut progress = Progress::new(plan.epochs);
    if task.imported.is_some() {
        progress = progress.given();
    }
    let mut epochs_done = resume.map_or(0, |state| state.manifest.epochs_done);
    let mut trouble: Option<Error> = None;
    let mut observe = |event: Event<'_>| {
        interrupt::stage(match &event {
            Event::Batch { .. } => Stage::Batches,
            _ => Stage::Working,
        });
        // kept before it is told: a process that is killed has logged what it said
        tracking.see(&event);
        progress.see(&event, start.elapsed());
        if let Event::Prepared { sizes, notes } = &event {
            say::note(&format!(
                "{} of {}; windows: {} to train, {} to validate, {} to calibrate, {} to test",
                say::count(sizes.features, "feature"),
                say::count(sizes.rows, "row"),
                sizes.train_windows,
                sizes.valid_windows,
                sizes.calibration_windows,
                sizes.test_windows
            ));
            notes
                .iter()
                .for_each(|note| say::note(&format!("note: {note}")));
            let bytes = predictions_bytes(sizes.test_windows, plan.forecast_horizon);
            if bytes > LARGE_FILE {
                say::note(&format!(
                    "note: `predictions.csv` will take about {} GiB",
                    bytes.div_ceil(1 << 30)
                ));
            }
            let weights = weights(plan, sizes.features);
            if weights > LARGE {
                say::note(&format!(
                    "note: the network has about {} million parameters: a training takes long and much memory; lower `--units` for a smaller one",
                    weights / 1_000_000
                ));
            }
        }
        let mut done = recorder.see(&event, start.elapsed().as_secs_f64());
        if let Event::Epoch { record, .. } = &event {
            epochs_done = record.epoch;
        }
        done = done.and_then(|()| match &event {
            Event::Sized { rows, features } => budget.map_or(Ok(()), |budget| {
                let sizes = Sizes {
                    rows: *rows,
                    columns: reading.table.columns().len(),
                    features: *features,
                    resumes: resume.is_some(),
                };
                budget.check(&sizes, plan)
            }),
            Event::Untrained { .. } if plan.epochs > 0 => unfinished.begin(),
            Event::Batch { state, .. } => unfinished.keep_batch(state),
            Event::Epoch {
                record,
                last,
                state,
                ..
            } => unfinished.keep_epoch(record.epoch, *last, state),
            Event::Interrupted { state } => unfinished.save(state),
            _ => Ok(()),
        });
        if let Err(error) = done {
            trouble.get_or_insert(error);
        }
        match trouble.is_some() || interrupt::wanted() {
            true => Next::Stop,
            false => Next::Continue,
        }
    };
    let (table, about, machine) = (&reading.table, &task.provenance, task.machine);
    let learned = match task.imported {
        None => fit(table, plan, about, machine, resume, &mut observe),
        Some(from) => fit_imported(table, plan, from, about, machine, resume, &mut observe),
    };
    progress.clear();
    if let Some(error) = trouble {
        return Err(cut_short(error, unfinished).into());
    }
    // From here on Ctrl-C ends at once; one that came before is heard, whoever did not look.
    interrupt::stage(Stage::Saving);
    match learned {
        Ok(learned) if !interrupt::wanted() => Ok((learned, recorder)),
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(error.into()),
        _ => Err(stopped(epochs_done, unfinished.kept()).into()),
    }
}

/// What is left of a training that was told to stop.
fn stopped(epochs: usize, kept: Option<&Path>) -> Error {
    let after = match epochs {
        0 => String::new(),
        1 => "after 1 whole epoch; ".to_owned(),
        n => format!("after {n} whole epochs; "),
    };
    let Some(kept) = kept else {
        let sentence = format!("{after}no model was saved");
        return Error::new(ErrorKind::Interrupted, sentence);
    };
    let best = match epochs {
        0 => "",
        _ => " with its best weights so far",
    };
    let sentence = format!(
        "{after}no model was saved, the training{best} is kept in `{}`",
        kept.display()
    );
    Error::new(ErrorKind::Interrupted, sentence)
        .hint("run the same command with `--resume` to go on")
}

/// Parameters of the network, roughly; none where there is no network.
fn weights(plan: &Plan, features: usize) -> usize {
    if plan.model_type != "lstm" {
        return 0;
    }
    let mut inputs = features;
    let mut sum = 0usize;
    for units in &plan.units {
        // Two directions of four gates.
        sum = sum.saturating_add(8 * units * (inputs + units + 1));
        inputs = 2 * units;
    }
    sum
}

fn text(learned: &Learned, entry: &Entry, files: &[PathBuf]) -> String {
    let manifest = &learned.artifact.manifest;
    let evaluation = &manifest.evaluation;
    let step = manifest.data.step;
    let test = manifest.split.iter().find(|part| part.part == "test");
    let test = test.map_or(String::new(), |part| {
        let (first, last) = (date(part.first_origin, step), date(part.last_origin, step));
        format!(
            "{} from {first} to {last}",
            say::count(part.windows, "window")
        )
    });
    let from = manifest.imported.as_ref();
    let epochs = match (manifest.history.len(), manifest.best_epoch) {
        (0, _) => from.map_or(String::new(), |from| {
            format!(
                "weights of `{}` ({}), nothing trained\n",
                from.file, from.format
            )
        }),
        (n, 0) if from.is_some() => format!(
            "{}, none better on the validation part than the imported weights, which are kept\n",
            say::count(n, "epoch")
        ),
        (n, 0) => format!(
            "{}, none better on the validation part than the untrained model (the moves of the past), which is kept\n",
            say::count(n, "epoch")
        ),
        (n, best) => format!("{}, weights of epoch {best} kept\n", say::count(n, "epoch")),
    };
    let epochs = epochs + &believed(manifest.model.pointer("/base/shares"));
    let mut text = format!(
        "{epochs}scores on the test part: {test}, in units of `{}`\n\n{}\n{}{}\n\n{}\n\n{}\n",
        manifest.target_column,
        scores::table(evaluation),
        scores::verdict(evaluation),
        from.map_or(String::new(), |_| format!("\n{FLATTERED}")),
        scores::origin(&learned.forecast),
        scores::forecast(&learned.forecast),
    );
    text += &format!("model {}: {}\n", name(entry), entry.path.display());
    text + &written(files)
}

/// How much of what training added to the distribution that it started from is believed, by the model's record.
fn believed(shares: Option<&serde_json::Value>) -> String {
    let shares = shares.and_then(serde_json::Value::as_array);
    let shares: Vec<f64> = shares
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_f64)
        .collect();
    let (Some(first), Some(last)) = (shares.first(), shares.last()) else {
        return String::new();
    };
    match shares.iter().all(|share| *share == 0.0) {
        true => "of what it learned beyond the moves of the past nothing is believed: the calibration part does not bear it out\n".to_owned(),
        false => format!(
            "of what it learned beyond the moves of the past {:.0} % is believed 1 step ahead, {:.0} % {} ahead\n",
            100.0 * first,
            100.0 * last,
            say::count(shares.len(), "step")
        ),
    }
}

/// Where files went, in a line.
pub fn written(files: &[PathBuf]) -> String {
    let Some(folder) = files.first().and_then(|file| file.parent()) else {
        return String::new();
    };
    let names = files.iter().filter_map(|file| file.file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
    format!("files in {}: {}\n", folder.display(), names.join(", "))
}

fn document(learned: &Learned, entry: &Entry, files: &[PathBuf]) -> serde_json::Value {
    let manifest = &learned.artifact.manifest;
    let mut document = json!({
        "model": {
            "model_type": entry.model_type,
            "version": entry.version,
            "path": entry.path,
            "target_column": manifest.target_column,
            "epochs": manifest.history.len(),
            "best_epoch": manifest.best_epoch,
        },
        "data": {
            "source": manifest.data.source,
            "digest": manifest.data.digest,
            "rows": manifest.data.rows,
            "first": date(manifest.data.first, manifest.data.step),
            "last": date(manifest.data.last, manifest.data.step),
        },
        "plan": manifest.plan,
        "sizes": manifest.sizes,
        "scores": {
            "measured_on": "test",
            "unit": format!("units of `{}`", manifest.target_column),
            "model": scores_value(&manifest.evaluation.model),
            "naive": scores_value(&manifest.evaluation.naive),
        },
        "verdict": scores::verdict(&manifest.evaluation),
        "forecast": forecast_value(&learned.forecast),
        "files": files,
    });
    if let Some(from) = &manifest.imported {
        document["model"]["imported"] = json!(from);
        document["caution"] = json!(FLATTERED);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, for 10 features: 8 · 128 · (10 + 128 + 1) + 8 · 64 · (256 + 64 + 1).
    #[test]
    fn parameters_are_counted() {
        let draft = Draft {
            units: vec![128, 64],
            ..Draft::default()
        };
        let plan = draft.check().unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(weights(&plan, 10), 306_688);
    }

    #[test]
    fn a_stop_says_what_is_left() {
        let kept = Some(Path::new("out/checkpoint.senti"));
        for (epochs, kept, wanted) in [
            (0, None, "no model was saved"),
            (
                0,
                kept,
                "no model was saved, the training is kept in `out/checkpoint.senti`",
            ),
            (
                1,
                kept,
                "after 1 whole epoch; no model was saved, the training with its best weights so far is kept in `out/checkpoint.senti`",
            ),
        ] {
            assert_eq!(stopped(epochs, kept).to_string(), wanted);
        }
    }
}
