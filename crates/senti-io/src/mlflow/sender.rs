//! Sends a journal to a server, from where it was left.
//!
//! In comes a journal's folder; out go requests, and after each that was answered the cursor moves on (`sent.json`). Sending anything
//! twice does no harm: a run is looked for by its tag `senti.run_id` before it is made a second time, a server keeps one of two equal
//! points of a metric, parameters are written with the same value, tags and files are replaced by themselves. What a server refuses for
//! good (a name, a value, a file) is left out and told; what may pass (nobody there, busy, failing) ends the pass, and the next one goes
//! on there.

use std::path::{Path, PathBuf};

use senti::Error;
use senti::table::Time;
use serde_json::{Value, json};

use super::api::{Answered, Api, Refusal, Root, odd, text_of};
use super::batch::{Batch, Deed, Step, steps};
use super::journal::{Entry, Head, RemoteRun, Sent, keep_sent, lines, sent};
use super::record::{ArtifactFile, Dataset, Pair, Status, tag};
use crate::http::Content;

/// Tag that a run is found again by.
const RUN_ID: &str = "senti.run_id";
/// Most refusals that are remembered word for word.
const TOLD: usize = 20;

/// Why a pass ended before everything was sent.
#[derive(Debug)]
pub enum Halt {
    /// It may go on later: nobody there, busy, failing.
    Later(Error),
    /// It will not, unless something is changed: not allowed, the run is gone.
    Never(Error),
}

impl Halt {
    /// What happened.
    pub fn error(&self) -> &Error {
        match self {
            Halt::Later(error) | Halt::Never(error) => error,
        }
    }
}

impl From<Refusal> for Halt {
    fn from(refusal: Refusal) -> Self {
        match refusal.passes() {
            true => Halt::Later(refusal.into()),
            false => Halt::Never(refusal.into()),
        }
    }
}

/// Sends one journal.
pub struct Sender {
    api: Api,
    folder: PathBuf,
    head: Head,
    sent: Sent,
    /// Runs may be there already: an earlier process, or a lost answer.
    careful: bool,
}

impl Sender {
    /// Of this journal to this server. `fresh`: nobody can have sent anything of it yet.
    pub fn new(api: Api, folder: &Path, head: Head, fresh: bool) -> Self {
        let sent = sent(folder, api.base());
        Self {
            api,
            folder: folder.to_path_buf(),
            head,
            sent,
            careful: !fresh,
        }
    }

    /// Talks through this one from now on: with another patience.
    pub fn through(&mut self, api: Api) {
        self.api = api;
    }

    /// How far the server has it.
    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    /// Page of the command's run on the server, once it is there.
    pub fn place(&self) -> Option<String> {
        let run = self.sent.runs.get(&self.head.id)?;
        let experiment = self.sent.experiment_id.as_deref().unwrap_or("0");
        let base = self.api.base();
        Some(format!(
            "{base}/#/experiments/{experiment}/runs/{}",
            run.run_id
        ))
    }

    /// Sends everything that is there and not sent.
    pub fn pass(&mut self) -> Result<(), Halt> {
        loop {
            let (placed, _) = lines(&self.folder, self.sent.offset).map_err(Halt::Never)?;
            // the head is no entry: a journal without any has nothing to send
            let Some(last) = placed.last().map(|placed| placed.end) else {
                return Ok(());
            };
            for Step { run, deed, end } in steps(&placed) {
                self.take(&run, deed)?;
                if let Some(end) = end {
                    self.sent.offset = end;
                    keep_sent(&self.folder, &self.sent).map_err(Halt::Never)?;
                }
            }
            debug_assert_eq!(self.sent.offset, last);
        }
    }

    /// Tells the server how a run ended that was killed and could not say so itself. It is no line of the journal: the command may still be
    /// taken up again, and then goes on with the same run.
    pub fn bury(&mut self, last: Time) -> Result<(), Halt> {
        if self.sent.buried == Some(self.sent.offset) {
            return Ok(());
        }
        let mut runs: Vec<String> = Vec::new();
        let (placed, _) = lines(&self.folder, 0).map_err(Halt::Never)?;
        for placed in placed {
            match placed.line.entry {
                Entry::Begin { .. } | Entry::Resume => runs.push(placed.line.run),
                Entry::End { .. } => runs.retain(|run| *run != placed.line.run),
                _ => {}
            }
        }
        runs.sort();
        runs.dedup();
        for run in runs {
            self.take(&run, Deed::End(Status::Killed, last))?;
        }
        self.sent.buried = Some(self.sent.offset);
        keep_sent(&self.folder, &self.sent).map_err(Halt::Never)
    }

    fn take(&mut self, run: &str, deed: Deed) -> Result<(), Halt> {
        match deed {
            Deed::Begin {
                name,
                parent,
                attach,
                tags,
                start,
            } => self.begin(
                run,
                &name,
                parent.as_deref(),
                attach.as_deref(),
                tags,
                start,
            ),
            Deed::Log(batch) => self.log(run, &batch),
            Deed::Input(input) => self.input(run, &input),
            Deed::Upload(file, bytes) => self.upload(run, &file, bytes),
            Deed::Resume => self.update(run, json!({ "status": Status::Running.name() })),
            Deed::End(status, time) => {
                self.update(run, json!({ "status": status.name(), "end_time": time }))
            }
        }
    }

    fn begin(
        &mut self,
        run: &str,
        name: &str,
        parent: Option<&str>,
        attach: Option<&str>,
        mut tags: Vec<Pair>,
        start: Time,
    ) -> Result<(), Halt> {
        if self.sent.runs.contains_key(run) {
            return Ok(());
        }
        if !tags.iter().any(|tag| tag.key == RUN_ID) {
            tags.push(tag(RUN_ID, run));
        }
        if let Some(attach) = attach {
            let found = self.api.get("runs/get", &[("run_id", attach)])?;
            self.sent.experiment_id = text_of(&found, "/run/info/experiment_id");
            self.found(run, &found)?;
            self.update(run, json!({ "status": Status::Running.name() }))?;
            tags.retain(|tag| tag.key != "mlflow.runName");
            return self.log(
                run,
                &Batch {
                    tags,
                    ..Batch::default()
                },
            );
        }
        let experiment = self.experiment()?;
        if let Some(parent) = parent {
            let above = self.run_id(parent)?;
            tags.push(tag("mlflow.parentRunId", above));
        }
        if self.careful
            && let Some(there) = self.search(&experiment, run)?
        {
            return self.found(run, &json!({ "run": there }));
        }
        let request = json!({
            "experiment_id": experiment,
            "run_name": name,
            "start_time": start,
            "tags": tags,
        });
        // whatever comes instead of an answer: the run may have been made
        let made = self.api.post_once("runs/create", &request);
        let made = made.inspect_err(|_| self.careful = true)?;
        self.found(run, &made)
    }

    /// Number of the experiment, which is made where it is missing.
    fn experiment(&mut self) -> Result<String, Halt> {
        if let Some(id) = &self.sent.experiment_id {
            return Ok(id.clone());
        }
        let wanted = &self.head.experiment;
        let id = match (&wanted.id, &wanted.name) {
            (Some(id), _) => id.clone(),
            // the experiment `Default` is there from the beginning
            (None, None) => "0".to_owned(),
            (None, Some(name)) => self.named(name)?,
        };
        self.sent.experiment_id = Some(id.clone());
        Ok(id)
    }

    /// As [`Api::experiment`], but what may pass stays recognisable.
    fn named(&self, name: &str) -> Result<String, Halt> {
        let find = || {
            self.api
                .get("experiments/get-by-name", &[("experiment_name", name)])
        };
        let is_unknown = |refusal: &Refusal| matches!(refusal, Refusal::Said { status: 404, code, .. } if !code.is_empty());
        let found = match find() {
            Err(refusal) if is_unknown(&refusal) => {
                match self
                    .api
                    .post("experiments/create", &json!({ "name": name }))
                {
                    Ok(made) => {
                        let id = text_of(&made, "/experiment_id");
                        return id.ok_or_else(|| Halt::Later(odd("experiments/create")));
                    }
                    // somebody was faster, or the answer to our own request was lost
                    Err(refusal) if refusal.is_there_already() => find()?,
                    Err(refusal) => return Err(refusal.into()),
                }
            }
            answer => answer?,
        };
        if text_of(&found, "/experiment/lifecycle_stage").as_deref() == Some("deleted") {
            let error = Error::input(format!(
                "experiment `{name}` of `{}` is deleted",
                self.api.base()
            ));
            return Err(Halt::Never(error.hint(
                "restore it in MLflow (`mlflow experiments restore`), then `senti-ai models push`",
            )));
        }
        let id = text_of(&found, "/experiment/experiment_id");
        id.ok_or_else(|| Halt::Later(odd("experiments/get-by-name")))
    }

    fn search(&self, experiment: &str, run: &str) -> Answered<Option<Value>> {
        let request = json!({
            "experiment_ids": [experiment],
            "filter": format!("tags.`{RUN_ID}` = '{run}'"),
            "max_results": 1,
        });
        let found = self.api.post("runs/search", &request)?;
        Ok(found.pointer("/runs/0").cloned())
    }

    /// Keeps where a run is on the server.
    fn found(&mut self, run: &str, answer: &Value) -> Result<(), Halt> {
        let text = |pointer: &str| text_of(answer, pointer);
        let run_id = text("/run/info/run_id").or_else(|| text("/run/info/run_uuid"));
        let run_id = run_id.ok_or_else(|| Halt::Later(odd("runs/create")))?;
        let artifact_uri = text("/run/info/artifact_uri").unwrap_or_default();
        self.sent.runs.insert(
            run.to_owned(),
            RemoteRun {
                run_id,
                artifact_uri,
            },
        );
        keep_sent(&self.folder, &self.sent).map_err(Halt::Never)
    }

    fn remote(&self, run: &str) -> Result<&RemoteRun, Halt> {
        self.sent.runs.get(run).ok_or_else(|| {
            let what = format!(
                "the journal `{}` does not begin run {run}",
                self.folder.display()
            );
            let hint = format!("remove `{}` to forget the run", self.folder.display());
            Halt::Never(Error::data(what).hint(hint))
        })
    }

    fn run_id(&self, run: &str) -> Result<String, Halt> {
        Ok(self.remote(run)?.run_id.clone())
    }

    fn update(&self, run: &str, mut request: Value) -> Result<(), Halt> {
        request["run_id"] = json!(self.run_id(run)?);
        self.api
            .post("runs/update", &request)
            .map_err(|refusal| self.gone(refusal))?;
        Ok(())
    }

    /// A refusal of a call about a run: where the run is gone, what can be done about it.
    fn gone(&self, refusal: Refusal) -> Halt {
        let gone =
            matches!(&refusal, Refusal::Said { code, .. } if code == "RESOURCE_DOES_NOT_EXIST");
        match (gone, Halt::from(refusal)) {
            (true, Halt::Never(error)) => Halt::Never(error.hint(format!(
                "was the run deleted? remove `{}` to forget it",
                self.folder.display()
            ))),
            (_, halt) => halt,
        }
    }

    fn log(&mut self, run: &str, batch: &Batch) -> Result<(), Halt> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut request = json!(batch);
        request["run_id"] = json!(self.run_id(run)?);
        let refusal = match self.api.post("runs/log-batch", &request) {
            Ok(_) => return Ok(()),
            Err(refusal) => refusal,
        };
        // one name or value that a server does not take stops the others with it: it is looked for
        let at_fault = matches!(
            &refusal,
            Refusal::Said {
                status: 400 | 413 | 422,
                ..
            }
        );
        match (at_fault, batch.only()) {
            (true, Some(only)) => {
                let why = match refusal {
                    Refusal::Said { message, .. } => message,
                    Refusal::Silent(_) => String::new(),
                };
                self.refuse(format!("{only} is refused: {why}"));
                Ok(())
            }
            (true, None) => {
                let [first, second] = batch.halves();
                self.log(run, &first)?;
                self.log(run, &second)
            }
            (false, _) => Err(self.gone(refusal)),
        }
    }

    fn input(&mut self, run: &str, input: &Dataset) -> Result<(), Halt> {
        let Dataset {
            name,
            digest,
            source_type,
            source,
            schema,
            profile,
            context,
        } = input;
        let request = json!({
            "run_id": self.run_id(run)?,
            "datasets": [{
                "tags": [{ "key": "mlflow.data.context", "value": context }],
                "dataset": {
                    "name": name, "digest": digest, "source_type": source_type,
                    "source": source, "schema": schema, "profile": profile,
                },
            }],
        });
        match self.api.post("runs/log-inputs", &request) {
            Ok(_) => Ok(()),
            Err(Refusal::Said {
                status: 400,
                message,
                ..
            }) => {
                self.refuse(format!("data set `{name}` is refused: {message}"));
                Ok(())
            }
            // servers before 2.4 know no data sets
            Err(Refusal::Said {
                status: 404, code, ..
            }) if code != "RESOURCE_DOES_NOT_EXIST" => {
                self.refuse(format!(
                    "data set `{name}` is not logged: the server knows none"
                ));
                Ok(())
            }
            Err(refusal) => Err(self.gone(refusal)),
        }
    }

    fn upload(&mut self, run: &str, file: &ArtifactFile, bytes: u64) -> Result<(), Halt> {
        let place = self.folder.join(&file.file);
        let there = std::fs::metadata(&place).map(|about| about.len()).ok();
        if there != Some(bytes) {
            self.refuse(format!("file `{}` is no longer what it was", file.path));
            return Ok(());
        }
        let uri = self.remote(run)?.artifact_uri.clone();
        let root = self.api.root(&uri);
        let content = Content::File(&place);
        let trouble = match &root {
            Root::Proxied(prefix) => match self.api.put(prefix, &file.path, content) {
                Ok(()) => return Ok(()),
                Err(refusal) if refusal.passes() || refusal.is_forbidden() => {
                    return Err(refusal.into());
                }
                Err(refusal) => Error::from(refusal).to_string(),
            },
            Root::Here(_) => match self.api.upload(&root, &file.path, content) {
                Ok(()) => return Ok(()),
                Err(error) => error.to_string(),
            },
            Root::Elsewhere(_) => {
                let shown = crate::http::address::without_secrets(&uri);
                self.refuse(format!(
                    "files are not logged: the experiment keeps them at `{shown}`, which this program cannot write to; parameters, metrics and tags are. A server started with `--serve-artifacts` and an experiment made there take them"
                ));
                return Ok(());
            }
        };
        self.refuse(format!("file `{}` is not logged: {trouble}", file.path));
        Ok(())
    }

    /// Remembers what was left out; once each, and not more than anybody reads.
    fn refuse(&mut self, what: String) {
        let refused = &mut self.sent.refused;
        if !refused.contains(&what) && refused.len() < TOLD {
            refused.push(what);
        }
    }
}
