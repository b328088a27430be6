//! The registry of an MLflow server: the same verbs, spoken over REST.
//!
//! In come references and the files of models; out go entries, and the files again, byte for byte, from a cache wherever they are the
//! very same. What is registered is a package that Python loads, with our own files inside under `senti/`. On MLflow 3 it is a logged
//! model that is linked to its run and its version, on 2.x an artifact of the run; which of them is told by the server's answers. Every
//! step looks first whether it was done already, so that a push that was interrupted is mended by pushing again. A version is found
//! again by the tag `senti.sha256`. Nothing here reads the clock, and loading registers nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write;
use std::rc::Rc;

use senti::artifact::{Artifact, Manifest};
use senti::table::Time;
use senti::{Error, Result};
use serde_json::{Value, json};

use super::cache::{Cache, Kept, Origin};
use super::local::{self, ARTIFACT, SUMS, WEIGHTS};
use super::reference::{Reference, SCHEME, Stage, Which};
use super::{Backend, Entry, Facts, Files, Promotion, Row, check_promotion, package, refuse_named};
use crate::http::Content;
use crate::mlflow::api::{Answered, Api, BATCH, Refusal, Root, number_of, odd, text_of};
use crate::mlflow::describe;
use crate::mlflow::record::{Pair, TAG_LIMIT, cut};
use crate::onnx::package::OWN;

/// Where a package lies in its run, and what a logged model is called.
const MODEL: &str = "model";
/// Tag of a version, a logged model and a run: [`Files::digest`] of the model.
pub const SHA256: &str = "senti.sha256";
/// Most metrics of a batch that may be sent twice: MLflow 2.22 looks for those that it has in steps of 100, and refuses a larger batch
/// of which it has any (`_log_metrics` of its `sqlalchemy_store.py`).
const REPEATABLE: usize = 100;
/// Bytes of a file whose size the server does not tell, at most.
const MOST_UNTOLD: u64 = 1 << 32;
/// Tag of a run that was made by a push, and is complete only when it is finished.
const PUSHED: &str = "senti.pushed";

/// The registry of a server.
pub struct MlflowRegistry {
    api: Api,
    base: String,
    experiment: Experiment,
    cache: Cache,
    offline: bool,
    seen: RefCell<BTreeMap<(String, u32), Origin>>,
    notes: RefCell<Vec<String>>,
}

/// The experiment that the run of a pushed model is looked for in, and made in where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Experiment {
    /// By name; made where it is missing.
    Named(String),
    /// By number.
    Numbered(String),
}

impl MlflowRegistry {
    /// On this server. `base` is the start of the names (`basic` is called so, `lstm` `<base>_lstm`). Nothing is asked yet.
    pub fn new(api: Api, base: &str, experiment: Experiment, cache: Cache) -> Result<Self> {
        local::check_word("the name of models", base)?;
        Ok(Self {
            api,
            base: base.into(),
            experiment,
            cache,
            offline: false,
            seen: RefCell::default(),
            notes: RefCell::default(),
        })
    }

    /// The same, which asks nobody: what is in the cache is taken, and aliases mean what they meant when they were last asked for.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.offline = offline;
        self
    }

    /// The server's address, without secrets.
    pub fn server(&self) -> &str {
        self.api.base()
    }

    /// The registered name that a reference means.
    fn registered(&self, which: &Reference) -> Result<String> {
        let base = which.name.strip_prefix(&self.base);
        match base {
            _ if which.in_mlflow => Ok(which.name.clone()),
            Some(rest) if rest.is_empty() || rest.starts_with('_') => Ok(which.name.clone()),
            _ => self.name_of(&which.name),
        }
    }

    /// The model type that a registered name stands for; the name itself where it is not one of ours.
    fn type_of(&self, name: &str) -> String {
        match name.strip_prefix(&self.base) {
            Some("") => "basic".into(),
            Some(rest) if rest.len() > 1 && rest.starts_with('_') => rest[1..].into(),
            _ => name.into(),
        }
    }

    fn note(&self, text: String) {
        self.notes.borrow_mut().push(text);
    }

    /// Every version of a name, by number. None where there is no such name.
    fn versions(&self, name: &str) -> Answered<Vec<Value>> {
        let quote = if name.contains('\'') { '"' } else { '\'' };
        let filter = format!("name = {quote}{name}{quote}");
        let pairs = [("filter", filter.as_str()), ("max_results", "1000")];
        let mut found = self
            .api
            .all_of("model-versions/search", &pairs, "model_versions")?;
        found.retain(|version| text_of(version, "/name").as_deref() == Some(name));
        found.sort_by_key(number);
        Ok(found)
    }

    /// The version that is meant, as the server describes it; `None` where there is none.
    fn ask(&self, name: &str, which: &Which) -> Answered<Option<Value>> {
        let found = |answer: Answered<Value>| match answer {
            Ok(mut answer) => Ok(answer.get_mut("model_version").map(Value::take)),
            Err(refusal) if is_missing(&refusal) => Ok(None),
            Err(refusal) => Err(refusal),
        };
        // an answer about another model is no answer
        let meant = |answer: Option<Value>, wanted: Option<u32>| {
            let fits = answer.as_ref().is_none_or(|version| {
                version["name"] == name && wanted.is_none_or(|wanted| number(version) == wanted)
            });
            match fits {
                true => Ok(answer),
                false => Err(self.api.odd_answer(
                    "model-versions/get",
                    format!("asked for `{name}`, it tells of another model"),
                )),
            }
        };
        match which {
            Which::Version(number) => {
                let version = ("version", &*number.to_string());
                let answer = self
                    .api
                    .get("model-versions/get", &[("name", name), version]);
                meant(found(answer)?, Some(*number))
            }
            Which::Alias(alias) => {
                let pairs = [("name", name), ("alias", alias)];
                meant(
                    found(self.api.get("registered-models/alias", &pairs))?,
                    None,
                )
            }
            Which::Newest => Ok(self.versions(name)?.pop()),
            Which::Stage(stage) => {
                let mut versions = self.versions(name)?;
                versions.retain(|version| stage_of(version) == *stage);
                Ok(versions.pop())
            }
        }
    }

    /// The error of a version that is not there: what is there instead.
    fn absent(&self, name: &str, which: &Which) -> Result<Error> {
        let hint = "`senti-ai models list --remote` shows what is there, `senti-ai models push MODEL` registers a model";
        let nothing = || Error::input(format!("no model `{name}` in {}", self.says())).hint(hint);
        let known = match self.api.get("registered-models/get", &[("name", name)]) {
            Err(refusal) if is_missing(&refusal) => return Ok(nothing()),
            known => known?,
        };
        let versions = self.versions(name)?;
        if versions.is_empty() {
            return Ok(nothing());
        }
        let there = || {
            let numbers: Vec<_> = versions.iter().map(|v| number(v).to_string()).collect();
            numbers.join(", ")
        };
        Ok(match which {
            Which::Alias(alias) => {
                let known: Vec<_> = (aliases_of(&known).into_iter())
                    .map(|(alias, version)| format!("`{alias}` (version {version})"))
                    .collect();
                let error = Error::input(format!(
                    "`{name}` has no alias `{alias}` in {}",
                    self.says()
                ));
                error.hint(match known.is_empty() {
                    true => format!(
                        "give it to one of the versions {}: `senti-ai models promote {SCHEME}{name}/N --alias {alias}`",
                        there()
                    ),
                    false => format!("there is {}", known.join(", ")),
                })
            }
            Which::Stage(stage) => Error::input(format!(
                "`{name}` has no version in stage {stage} in {}",
                self.says()
            ))
            .hint(hint),
            Which::Version(version) => Error::input(format!(
                "`{name}` has no version {version} in {}, there is {}",
                self.says(),
                there()
            ))
            .hint(hint),
            Which::Newest => nothing(),
        })
    }

    /// An entry of what the server says of a version.
    fn entry(&self, version: &Value) -> Result<Entry> {
        let what = "model-versions";
        let name = text_of(version, "/name").ok_or_else(|| odd(what))?;
        let number = number(version);
        if number == 0 {
            return Err(odd(what));
        }
        let tag = |key: &str| tag_of(version, key);
        let origin = Origin {
            server: self.server().into(),
            name: name.clone(),
            version: number,
            created: version
                .get("creation_timestamp")
                .and_then(number_of)
                .and_then(|n| n.try_into().ok()),
            source: text_of(version, "/source").unwrap_or_default(),
            model_type: tag("senti.model_type").unwrap_or_else(|| self.type_of(&name)),
            sha256: tag(SHA256),
        };
        let mut aliases: Vec<String> = version
            .get("aliases")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|alias| alias.as_str().map(str::to_owned))
            .collect();
        aliases.sort();
        Ok(self.entry_of(origin, aliases, stage_of(version)))
    }

    fn entry_of(&self, origin: Origin, aliases: Vec<String>, stage: Stage) -> Entry {
        let entry = Entry {
            name: origin.name.clone(),
            model_type: origin.model_type.clone(),
            version: origin.version,
            path: self
                .cache
                .folder(&origin.server, &origin.name, origin.version),
            created: origin.created,
            aliases,
            stage,
            uri: Some(format!("{SCHEME}{}/{}", origin.name, origin.version)),
        };
        let key = (origin.name.clone(), origin.version);
        self.seen.borrow_mut().insert(key, origin);
        entry
    }

    /// A version of the cache, nobody being asked.
    fn kept(&self, name: &str, version: u32) -> Option<Entry> {
        let origin = self.cache.origin(self.server(), name, version)?;
        Some(self.entry_of(origin, Vec::new(), Stage::None))
    }

    /// What can be had where nobody answers.
    fn find_kept(&self, name: &str, which: &Reference, cause: Option<Error>) -> Result<Entry> {
        let word = word_of(&which.which);
        let known = match &which.which {
            Which::Version(version) => Some(*version),
            _ => self.cache.last_known(self.server(), name, &word),
        };
        let kept = known.and_then(|version| self.kept(name, version));
        let called = format!("{SCHEME}{name}{word}");
        match (cause, kept, &which.which) {
            (None, Some(entry), Which::Version(_)) => Ok(entry),
            (None, Some(entry), _) => {
                self.note(format!(
                    "note: nobody was asked: when `{called}` was last asked for, it was version {}",
                    entry.version
                ));
                Ok(entry)
            }
            (None, None, _) => Err(Error::input(format!(
                "there is no copy of `{called}` of {} in the cache",
                self.says()
            ))
            .hint("leave `--offline` out: it is fetched once, and a copy is kept")),
            (Some(cause), Some(entry), Which::Version(_)) => {
                self.note(format!(
                    "note: {cause}; the copy of `{called}` in the cache is used"
                ));
                Ok(entry)
            }
            (Some(cause), Some(entry), _) => {
                let hint = format!(
                    "when it was last asked for, it was version {0}: `{SCHEME}{name}/{0}` or `--offline` takes the copy in the cache",
                    entry.version
                );
                Err(Error::remote(format!("`{called}` cannot be looked up"))
                    .hint(hint)
                    .because(cause))
            }
            (Some(cause), None, _) => Err(cause.within(format!("`{called}` cannot be looked up"))),
        }
    }

    /// Fetches the files of a version.
    fn fetch(&self, origin: &Origin) -> Result<Files> {
        let called = format!("{SCHEME}{}/{}", origin.name, origin.version);
        let version = origin.version.to_string();
        let answer = self.api.get(
            "model-versions/get-download-uri",
            &[("name", &origin.name), ("version", &version)],
        )?;
        let uri = text_of(&answer, "/artifact_uri").ok_or_else(|| odd("get-download-uri"))?;
        let root = self.api.root(&uri);
        let listed = self.api.files(&root, OWN)?;
        let size = |name: &str| {
            let path = format!("{OWN}/{name}");
            let found = listed.iter().find(|(listed, _)| *listed == path);
            found.map(|(_, bytes)| *bytes)
        };
        if let Some(missing) = Files::NAMES.into_iter().find(|name| size(name).is_none()) {
            let ours = origin.sha256.is_some();
            let what = match (ours, listed.is_empty()) {
                (false, true) => format!("its package has no folder `{OWN}/`"),
                _ => format!("its package lacks `{OWN}/{missing}`"),
            };
            if ours {
                return Err(Error::data(format!("`{called}` has lost files: {what}"))
                    .hint("take another version, or delete this one and push the model again"));
            }
            let sentence = format!("`{called}` is no model of senti-ai: {what}");
            return Err(Error::data(sentence).hint(
                "it was registered by another program; `senti-ai models push` registers ours",
            ));
        }
        let get = |name: &str| -> Result<Vec<u8>> {
            let wanted = size(name).flatten();
            let bytes = Rc::new(RefCell::new(Vec::new()));
            let fresh = || {
                bytes.borrow_mut().clear();
                Ok(Shared(Rc::clone(&bytes)))
            };
            let path = format!("{OWN}/{name}");
            (self
                .api
                .download(&root, &path, wanted.unwrap_or(MOST_UNTOLD), fresh))
            .map_err(|error| error.within(format!("`{called}` cannot be fetched")))?;
            let bytes = bytes.take();
            match wanted {
                // a size of zero is left out of an answer
                Some(wanted) if wanted != bytes.len() as u64 => Err(Error::remote(format!(
                    "`{path}` of `{called}` came with {} bytes, wanted {wanted}",
                    bytes.len()
                ))
                .hint("try again; where it stays so, the server's copy is damaged")),
                _ => Ok(bytes),
            }
        };
        let (artifact, weights, sums) = (get(ARTIFACT)?, get(WEIGHTS)?, get(SUMS)?);
        let damaged = |error: Error| {
            Error::data(format!("what came as `{called}` is damaged"))
                .because(error)
                .hint("try again; where it stays so, the server's copy is damaged: push the model again, or take another version")
        };
        let files = Files::checked(artifact, weights, sums, &called).map_err(damaged)?;
        if let Some(wanted) = &origin.sha256
            && *wanted != files.digest()
        {
            let sentence = format!(
                "`{called}/{SUMS}` is not what was registered: its SHA-256 is {}, wanted {wanted}",
                files.digest()
            );
            return Err(damaged(Error::data(sentence)));
        }
        Ok(files)
    }

    /// The version of a name that has these files.
    fn same(&self, name: &str, digest: &str) -> Result<Option<Value>> {
        let versions = self.versions(name)?;
        let same = |version: &Value| {
            tag_of(version, SHA256).as_deref() == Some(digest)
                && text_of(version, "/status").is_none_or(|status| status == "READY")
        };
        Ok(versions.into_iter().rev().find(same))
    }

    /// Makes the registered name where it is missing.
    fn make_name(&self, name: &str, manifest: &Manifest) -> Result<()> {
        let description = about_name(&manifest.plan.model_type);
        let tags = tags(&[("senti.model_type", manifest.plan.model_type.clone())]);
        let body = json!({ "name": name, "description": description, "tags": tags });
        match self.api.post("registered-models/create", &body) {
            Err(refusal) if refusal.is_there_already() => Ok(()),
            answer => {
                answer?;
                Ok(())
            }
        }
    }

    fn experiment_id(&self) -> Result<String> {
        match &self.experiment {
            Experiment::Named(name) => self.api.experiment(name),
            Experiment::Numbered(id) => Ok(id.clone()),
        }
    }

    /// The run that the model came from: the one that tracking made, else one of an earlier push, else a new one that tells the same.
    fn run(&self, model: &Model<'_>, now: Time) -> Result<Value> {
        let filter = format!("tags.`{SHA256}` = '{}'", model.digest);
        let every = self.api.all(
            "experiments/search",
            &json!({ "max_results": 1000 }),
            "experiments",
        )?;
        let every: Vec<String> = (every.iter())
            .filter_map(|experiment| text_of(experiment, "/experiment_id"))
            .collect();
        let mut found = Vec::new();
        for some in every.chunks(100) {
            let body = json!({ "experiment_ids": some, "filter": filter, "max_results": 100 });
            found.extend(self.api.all("runs/search", &body, "runs")?);
        }
        // A run of the training itself tells more than one that was made by a push.
        found.sort_by_key(|run| run_tag(run, PUSHED).is_some());
        let run = match found.into_iter().next() {
            Some(run) if run_tag(&run, PUSHED).is_none() => return Ok(run),
            Some(run) if text_of(&run, "/info/status").as_deref() == Some("FINISHED") => {
                return Ok(run);
            }
            Some(run) => run,
            None => {
                let title = format!("{}-{}", model.manifest.plan.model_type, &model.digest[..8]);
                let own = tags(&[(SHA256, model.digest.clone()), (PUSHED, "true".into())]);
                let experiment = self.experiment_id()?;
                let body = json!({
                    "experiment_id": experiment, "start_time": now, "run_name": title, "tags": own,
                });
                let mut made = self.api.post_once("runs/create", &body)?;
                made.get_mut("run")
                    .map(Value::take)
                    .ok_or_else(|| odd("runs/create"))?
            }
        };
        self.tell(&run, model, now)?;
        Ok(run)
    }

    /// Tells a run of a push everything about the training, and ends it. Doing it twice changes nothing.
    fn tell(&self, run: &Value, model: &Model<'_>, now: Time) -> Result<()> {
        let id = text_of(run, "/info/run_id").ok_or_else(|| odd("runs"))?;
        // The times of a run that was begun earlier stay.
        let start = run.pointer("/info/start_time").and_then(number_of);
        let time = start.and_then(|start| start.try_into().ok()).unwrap_or(now);
        let record = describe::of_model(model.manifest, &model.manifest.plan.model_type, time);
        let mine = |pair: &&Pair| !matches!(pair.key.as_str(), "senti.run_id" | "senti.model");
        let tags: Vec<_> = record.tags.iter().filter(mine).collect();
        let batches = (tags.chunks(BATCH.tags))
            .map(|tags| json!({ "run_id": id, "tags": tags }))
            .chain(
                (record.params.chunks(BATCH.params))
                    .map(|params| json!({ "run_id": id, "params": params })),
            )
            .chain(
                (record.metrics.chunks(REPEATABLE))
                    .map(|metrics| json!({ "run_id": id, "metrics": metrics })),
            );
        for batch in batches {
            self.api.post("runs/log-batch", &batch)?;
        }
        let inputs = record.inputs.iter().map(|data| {
            json!({
                "tags": [{ "key": "mlflow.data.context", "value": data.context }],
                "dataset": {
                    "name": data.name, "digest": data.digest, "source_type": data.source_type,
                    "source": data.source, "schema": data.schema, "profile": data.profile,
                },
            })
        });
        let inputs: Vec<_> = inputs.collect();
        self.api.post(
            "runs/log-inputs",
            &json!({ "run_id": id, "datasets": inputs }),
        )?;
        let end = json!({ "run_id": id, "status": "FINISHED", "end_time": time });
        self.api.post("runs/update", &end)?;
        Ok(())
    }

    /// Brings the package onto the server; where it is then.
    fn upload(&self, run: &Value, model: &Model<'_>, now: Time) -> Result<Uploaded> {
        let run_id = text_of(run, "/info/run_id").ok_or_else(|| odd("runs"))?;
        let experiment = text_of(run, "/info/experiment_id").ok_or_else(|| odd("runs"))?;
        match self.logged_model(&experiment, &run_id, model) {
            Ok(logged) => {
                let id = text_of(&logged, "/info/model_id").ok_or_else(|| odd("logged-models"))?;
                let uri =
                    text_of(&logged, "/info/artifact_uri").ok_or_else(|| odd("logged-models"))?;
                self.link_output(&run_id, &id)?;
                let about = package::Wrapping {
                    artifact_path: &uri,
                    run_id: &run_id,
                    model_id: Some(&id),
                    created: now,
                };
                self.put(
                    &self.api.root(&uri),
                    "",
                    &package::files(model.files, model.artifact, &about)?,
                )?;
                let ready = json!({ "model_id": id, "status": "LOGGED_MODEL_READY" });
                if text_of(&logged, "/info/status").as_deref() != Some("LOGGED_MODEL_READY") {
                    self.api.patch(&format!("logged-models/{id}"), &ready)?;
                }
                self.tell_logged(&run_id, &id, model)?;
                Ok(Uploaded {
                    source: format!("{SCHEME}{id}"),
                    run_id,
                    model_id: Some(id),
                })
            }
            // A server that does not know logged models at all: 2.x.
            Err(refusal) if is_unknown(&refusal) => {
                let uri = text_of(run, "/info/artifact_uri").ok_or_else(|| odd("runs"))?;
                let about = package::Wrapping {
                    artifact_path: MODEL,
                    run_id: &run_id,
                    model_id: None,
                    created: now,
                };
                self.put(
                    &self.api.root(&uri),
                    MODEL,
                    &package::files(model.files, model.artifact, &about)?,
                )?;
                let history = run_tag(run, "mlflow.log-model.history").unwrap_or_default();
                if !history.contains("\"artifact_path\"") {
                    let created = package::python_time(now)?;
                    let flavors = json!({
                        "onnx": { "data": "model.onnx" },
                        "python_function": { "loader_module": "mlflow.onnx", "data": "model.onnx" },
                    });
                    let told = json!({
                        "run_id": run_id, "artifact_path": MODEL, "utc_time_created": created,
                        "model_uuid": &model.digest[..32], "flavors": flavors,
                    });
                    let body = json!({ "run_id": run_id, "model_json": told.to_string() });
                    self.api.post("runs/log-model", &body)?;
                }
                Ok(Uploaded {
                    source: format!("{}/{MODEL}", uri.trim_end_matches('/')),
                    run_id,
                    model_id: None,
                })
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The logged model of these files: one of an earlier push, else a new one.
    fn logged_model(&self, experiment: &str, run_id: &str, model: &Model<'_>) -> Answered<Value> {
        let filter = format!("tags.`{SHA256}` = '{}'", model.digest);
        let body = json!({ "experiment_ids": [experiment], "filter": filter });
        let found = self.api.all("logged-models/search", &body, "models")?;
        let usable = |logged: &Value| {
            let status = text_of(logged, "/info/status").unwrap_or_default();
            let run = text_of(logged, "/info/source_run_id");
            matches!(
                status.as_str(),
                "LOGGED_MODEL_PENDING" | "LOGGED_MODEL_READY"
            ) && run.as_deref() == Some(run_id)
        };
        if let Some(logged) = found.into_iter().find(usable) {
            return Ok(logged);
        }
        let own = tags(&[
            (SHA256, model.digest.clone()),
            ("senti.code_version", model.manifest.code_version.clone()),
            ("senti.data.sha256", model.manifest.data.digest.clone()),
        ]);
        let body = json!({
            "experiment_id": experiment, "name": MODEL, "model_type": model.manifest.plan.model_type,
            "source_run_id": run_id, "params": describe::plan(&model.manifest.plan), "tags": own,
        });
        let mut made = self.api.post_once("logged-models", &body)?;
        Ok(made.get_mut("model").map(Value::take).unwrap_or_default())
    }

    /// Makes a logged model an output of its run; a second time would be refused.
    fn link_output(&self, run_id: &str, model_id: &str) -> Result<()> {
        let linked = || -> Result<bool> {
            let run = self.api.get("runs/get", &[("run_id", run_id)])?;
            let outputs = run.pointer("/run/outputs/model_outputs");
            let outputs = outputs.and_then(Value::as_array);
            let same = |output: &Value| text_of(output, "/model_id").as_deref() == Some(model_id);
            Ok(outputs.is_some_and(|outputs| outputs.iter().any(same)))
        };
        if linked()? {
            return Ok(());
        }
        let body = json!({ "run_id": run_id, "models": [{ "model_id": model_id, "step": 0 }] });
        match self.api.post("runs/outputs", &body) {
            // It was done, and the answer was lost.
            Err(refusal) if !refusal.passes() && linked()? => Ok(()),
            answer => {
                answer?;
                Ok(())
            }
        }
    }

    /// The scores of the run, said of the logged model, too: the very same points.
    fn tell_logged(&self, run_id: &str, model_id: &str, model: &Model<'_>) -> Result<()> {
        let run = self.api.get("runs/get", &[("run_id", run_id)])?;
        let data = describe::dataset(&model.manifest.data, "training");
        let scores = model.manifest.evaluation.model.overall.keys();
        let names: Vec<String> = scores
            .flat_map(|name| [(*name).to_string(), format!("naive_{name}")])
            .collect();
        let metrics = run.pointer("/run/data/metrics").and_then(Value::as_array);
        let of_run = metrics.into_iter().flatten().filter_map(|metric| {
            let mut metric = metric.clone();
            metric["model_id"] = json!(model_id);
            metric["dataset_name"] = json!(data.name);
            metric["dataset_digest"] = json!(data.digest);
            names.contains(&text_of(&metric, "/key")?).then_some(metric)
        });
        let of_run: Vec<Value> = of_run.collect();
        // A point that is said of a logged model twice is refused, and all beside it.
        let unsaid = || -> Result<Vec<&Value>> {
            let logged = self.api.get(&format!("logged-models/{model_id}"), &[])?;
            let said = logged.pointer("/model/data/metrics");
            let said = said.and_then(Value::as_array).into_iter().flatten();
            let said: Vec<_> = said.filter_map(|metric| text_of(metric, "/key")).collect();
            let new =
                |metric: &&Value| !text_of(metric, "/key").is_some_and(|key| said.contains(&key));
            Ok(of_run.iter().filter(new).collect())
        };
        let new = unsaid()?;
        if new.is_empty() {
            return Ok(());
        }
        let body = json!({ "run_id": run_id, "metrics": new });
        match self.api.post("runs/log-batch", &body) {
            // It was said, and the answer was lost.
            Err(refusal) if !refusal.passes() && unsaid()?.is_empty() => Ok(()),
            answer => {
                answer?;
                Ok(())
            }
        }
    }

    /// Uploads what is not there in full, and looks whether it arrived.
    fn put(&self, root: &Root, folder: &str, files: &[(String, Vec<u8>)]) -> Result<()> {
        let place = |name: &str| match folder.is_empty() {
            true => name.to_owned(),
            false => format!("{folder}/{name}"),
        };
        for (name, bytes) in files {
            (self.api.upload(root, &place(name), Content::Bytes(bytes)))
                .map_err(|error| error.within("the model cannot be uploaded"))?;
        }
        let there = self.api.files(root, folder)?;
        for (name, bytes) in files {
            let found = there.iter().find(|(path, _)| *path == place(name));
            // a size of zero is left out of an answer
            let size = found.map(|(_, size)| size.unwrap_or(0));
            if size != Some(bytes.len() as u64) {
                return Err(Error::remote(format!(
                    "`{name}` was uploaded with {} bytes, and the server has {}",
                    bytes.len(),
                    size.map_or("nothing".to_owned(), |size| format!("{size} bytes"))
                ))
                .hint("push it again"));
            }
        }
        Ok(())
    }

    /// Tells a logged model which version it is, as Python's client does: that is what links the two.
    fn link_version(&self, version: &Value) -> Result<()> {
        let source = text_of(version, "/source").unwrap_or_default();
        let Some(id) = source
            .strip_prefix(SCHEME)
            .filter(|id| id.starts_with("m-"))
        else {
            return Ok(());
        };
        const LINKS: &str = "mlflow.modelVersions";
        let logged = match self.api.get(&format!("logged-models/{id}"), &[]) {
            // A logged model that is gone cannot be told.
            Err(refusal) if is_missing(&refusal) => return Ok(()),
            logged => logged?,
        };
        let told = tag_of(logged.pointer("/model/info").unwrap_or(&Value::Null), LINKS);
        let told = told.and_then(|text| serde_json::from_str(&text).ok());
        let mut links: Vec<Value> = told.unwrap_or_default();
        let link = json!({ "name": text_of(version, "/name"), "version": number(version) });
        if !links.contains(&link) {
            links.push(link);
            let tags = tags(&[(LINKS, Value::from(links).to_string())]);
            self.api.patch(
                &format!("logged-models/{id}/tags"),
                &json!({ "tags": tags }),
            )?;
        }
        Ok(())
    }
}

/// A model on its way to a server.
struct Model<'a> {
    files: &'a Files,
    artifact: &'a Artifact,
    manifest: &'a Manifest,
    digest: String,
}

/// Where a package is on the server.
struct Uploaded {
    source: String,
    run_id: String,
    model_id: Option<String>,
}

impl Backend for MlflowRegistry {
    fn says(&self) -> String {
        format!("the MLflow registry `{}`", self.server())
    }

    fn name_of(&self, model_type: &str) -> Result<String> {
        local::check_word("model_type", model_type)?;
        Ok(match model_type {
            "basic" => self.base.clone(),
            other => format!("{}_{other}", self.base),
        })
    }

    fn find(&self, which: &Reference) -> Result<Entry> {
        let name = self.registered(which)?;
        if self.offline {
            return self.find_kept(&name, which, None);
        }
        match self.ask(&name, &which.which) {
            Ok(Some(version)) => {
                let entry = self.entry(&version)?;
                if !matches!(which.which, Which::Version(_)) {
                    let word = word_of(&which.which);
                    self.cache
                        .remember(self.server(), &name, &word, entry.version);
                }
                Ok(entry)
            }
            Ok(None) => Err(self.absent(&name, &which.which)?),
            Err(refusal) if refusal.passes() && !refusal.is_stopped() => {
                self.find_kept(&name, which, Some(refusal.into()))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn files(&self, entry: &Entry) -> Result<Files> {
        let key = (entry.name.clone(), entry.version);
        let origin = self.seen.borrow().get(&key).cloned();
        let origin = match origin {
            Some(origin) => origin,
            None => {
                let which = Reference {
                    name: entry.name.clone(),
                    which: Which::Version(entry.version),
                    in_mlflow: true,
                };
                self.find(&which)?;
                let found = self.seen.borrow().get(&key).cloned();
                found.ok_or_else(|| Error::internal("an entry without an origin"))?
            }
        };
        match self.cache.get(&origin) {
            Kept::Whole(files) => return Ok(files),
            Kept::No => {}
            Kept::Damaged(error) if self.offline => {
                return Err(error
                    .within("the copy in the cache is damaged")
                    .hint("leave `--offline` out: it is fetched again"));
            }
            Kept::Damaged(error) => {
                self.note(format!(
                    "note: the copy of `{}` in the cache is damaged ({error}); it is fetched again",
                    entry.called()
                ));
            }
        }
        if self.offline {
            return Err(Error::input(format!(
                "there is no copy of `{}` in the cache",
                entry.called()
            ))
            .hint("leave `--offline` out: it is fetched once, and a copy is kept"));
        }
        let files = self.fetch(&origin)?;
        // A cache that cannot be written costs a second download, no forecast.
        if let Err(error) = self.cache.put(&origin, &files) {
            self.note(format!(
                "note: `{}` cannot be kept in the cache: {error}",
                entry.called()
            ));
        }
        Ok(files)
    }

    fn add(&self, files: &Files, now: Time) -> Result<(Entry, bool)> {
        let artifact = files.artifact("the model")?;
        let manifest = &artifact.manifest;
        let name = self.name_of(&manifest.plan.model_type)?;
        let model = Model {
            files,
            artifact: &artifact,
            manifest,
            digest: files.digest(),
        };
        self.make_name(&name, manifest)?;
        if let Some(version) = self.same(&name, &model.digest)? {
            self.link_version(&version)?;
            // A search does not tell aliases.
            let number = number(&version);
            let version = self.ask(&name, &Which::Version(number))?.unwrap_or(version);
            return Ok((self.entry(&version)?, true));
        }
        let run = self.run(&model, now)?;
        let uploaded = self.upload(&run, &model, now)?;
        let mut body = json!({
            "name": name, "source": uploaded.source, "run_id": uploaded.run_id,
            "description": describe::training_note(manifest, None),
            "tags": tags(&version_tags(manifest, &model.digest)),
        });
        if let Some(id) = &uploaded.model_id {
            body["model_id"] = json!(id);
        }
        let mut made = self.api.post_once("model-versions/create", &body)?;
        let version = made.get_mut("model_version").map(Value::take);
        let version = version.ok_or_else(|| odd("model-versions/create"))?;
        self.link_version(&version)?;
        Ok((self.entry(&version)?, false))
    }

    fn save(&self, artifact: &Artifact, now: Time) -> Result<Entry> {
        Ok(self.add(&Files::of(artifact)?, now)?.0)
    }

    fn list(&self) -> Result<Vec<Row>> {
        if self.offline {
            return Err(
                Error::input(format!("{} cannot be listed offline", self.says()))
                    .hint("leave `--offline` out"),
            );
        }
        let filter = format!("name LIKE '{}%'", self.base);
        let pairs = [("filter", filter.as_str()), ("max_results", "100")];
        let models = self
            .api
            .all_of("registered-models/search", &pairs, "registered_models")?;
        let mut rows = Vec::new();
        for model in &models {
            let name = text_of(model, "/name").unwrap_or_default();
            // `_` and `%` mean anything in the filter.
            let rest = name.strip_prefix(&self.base);
            if !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_')) {
                continue;
            }
            let aliases = aliases_of(model);
            for version in self.versions(&name)? {
                let mut entry = self.entry(&version)?;
                let of = aliases.iter().filter(|(_, at)| *at == entry.version);
                entry.aliases = of.map(|(alias, _)| alias.clone()).collect();
                entry.aliases.sort();
                let facts = facts_of(&version).ok_or_else(|| {
                    Error::data("it was registered by another program, or its tags are gone")
                });
                rows.push(Row { entry, facts });
            }
        }
        rows.sort_by(|a, b| {
            (&a.entry.name, a.entry.version).cmp(&(&b.entry.name, b.entry.version))
        });
        Ok(rows)
    }

    fn promote(&self, which: &Reference, to: &Promotion) -> Result<Entry> {
        check_promotion(to)?;
        let entry = self.find(which)?;
        let version = entry.version.to_string();
        match to {
            Promotion::Alias(alias) => {
                let body = json!({ "name": entry.name, "alias": alias, "version": version });
                self.api.post("registered-models/alias", &body)?;
            }
            Promotion::Stage { stage, archive } => {
                let body = json!({
                    "name": entry.name, "version": version, "stage": stage.name(),
                    "archive_existing_versions": archive,
                });
                self.api.post("model-versions/transition-stage", &body)?;
            }
        }
        self.find(&Reference {
            name: entry.name,
            which: Which::Version(entry.version),
            in_mlflow: true,
        })
    }

    fn delete(&self, which: &Reference, force: bool) -> Result<Entry> {
        let entry = self.find(which)?;
        if !force {
            refuse_named(&entry)?;
        }
        let body = json!({ "name": entry.name, "version": entry.version.to_string() });
        match self.api.delete("model-versions/delete", &body) {
            // Somebody was faster.
            Err(refusal) if is_missing(&refusal) => {}
            answer => {
                answer?;
            }
        }
        self.cache
            .forget(self.server(), &entry.name, entry.version)?;
        Ok(entry)
    }

    fn notes(&self) -> Vec<String> {
        self.notes.take()
    }
}

/// Bytes of a download, begun anew by each try.
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How a selection is written behind a name.
fn word_of(which: &Which) -> String {
    match which {
        Which::Newest => "/latest".into(),
        Which::Version(version) => format!("/{version}"),
        Which::Alias(alias) => format!("@{alias}"),
        Which::Stage(stage) => format!("/{stage}"),
    }
}

/// MLflow says that it is not there. A missing alias is 400 in 3.x and in 2.x.
fn is_missing(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Said {
            status: 404, code, ..
        } => !code.is_empty(),
        Refusal::Said {
            status: 400,
            message,
            ..
        } => message.contains("alias") && message.contains("not found"),
        _ => false,
    }
}

/// The server does not know the call at all; where something is missing, MLflow has a word for it.
fn is_unknown(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Said {
            status: 404 | 405,
            code,
            ..
        } => code.is_empty() || code == "ENDPOINT_NOT_FOUND",
        _ => false,
    }
}

/// Number of a version; 0 where it has none.
fn number(version: &Value) -> u32 {
    let number = version.get("version").and_then(number_of);
    number.and_then(|n| n.try_into().ok()).unwrap_or(0)
}

fn stage_of(version: &Value) -> Stage {
    let stage = text_of(version, "/current_stage");
    stage
        .and_then(|stage| Stage::parse(&stage))
        .unwrap_or_default()
}

/// Aliases of a registered model: name and version.
fn aliases_of(model: &Value) -> Vec<(String, u32)> {
    let model = model.get("registered_model").unwrap_or(model);
    let list = model.get("aliases").and_then(Value::as_array);
    let pair = |alias: &Value| Some((text_of(alias, "/alias")?, number(alias)));
    list.into_iter().flatten().filter_map(pair).collect()
}

/// A tag of a version or of the facts of a logged model.
fn tag_of(of: &Value, key: &str) -> Option<String> {
    let list = of.get("tags")?.as_array()?;
    let tag = list
        .iter()
        .find(|tag| text_of(tag, "/key").as_deref() == Some(key))?;
    text_of(tag, "/value")
}

fn run_tag(run: &Value, key: &str) -> Option<String> {
    tag_of(run.get("data")?, key)
}

fn tags(pairs: &[(&str, String)]) -> Value {
    let tag = |(key, value): &(&str, String)| json!({ "key": key, "value": value });
    pairs.iter().map(tag).collect()
}

/// What is said of a registered name.
pub(crate) fn about_name(model_type: &str) -> String {
    format!(
        "Forecasts by senti-ai of model type `{model_type}`. Every version tells its data, its scores and its verdict."
    )
}

/// What is said of a version: enough for a list, and to find it again.
pub(crate) fn version_tags(manifest: &Manifest, digest: &str) -> Vec<(&'static str, String)> {
    let facts = Facts::of(manifest);
    let time = |time: Time| {
        let time = jiff::Timestamp::from_millisecond(time);
        time.map_or(String::new(), |time| time.to_string())
    };
    let mut pairs = vec![
        (SHA256, digest.to_owned()),
        ("senti.model_type", manifest.plan.model_type.clone()),
        ("senti.code_version", manifest.code_version.clone()),
        ("senti.data.sha256", manifest.data.digest.clone()),
        ("senti.data.source", cut(facts.source, TAG_LIMIT)),
        ("senti.data.rows", facts.rows.to_string()),
        ("senti.data.first", time(facts.first)),
        ("senti.data.last", time(facts.last)),
        ("senti.data.step_ms", facts.step.to_string()),
        ("senti.input_seq_length", facts.past.to_string()),
        ("senti.forecast_horizon", facts.ahead.to_string()),
        ("senti.target_column", manifest.target_column.clone()),
    ];
    let scores = [
        ("senti.mae", facts.mae),
        ("senti.naive_mae", facts.naive_mae),
    ];
    pairs.extend(
        scores
            .into_iter()
            .filter_map(|(key, score)| Some((key, score?.to_string()))),
    );
    pairs
}

/// The same, read.
fn facts_of(version: &Value) -> Option<Facts> {
    let tag = |key: &str| tag_of(version, key);
    let time = |key: &str| {
        let time: jiff::Timestamp = tag(key)?.parse().ok()?;
        Some(time.as_millisecond())
    };
    Some(Facts {
        past: tag("senti.input_seq_length")?.parse().ok()?,
        ahead: tag("senti.forecast_horizon")?.parse().ok()?,
        rows: tag("senti.data.rows")?.parse().ok()?,
        first: time("senti.data.first")?,
        last: time("senti.data.last")?,
        step: tag("senti.data.step_ms")?.parse().ok()?,
        mae: tag("senti.mae").and_then(|text| text.parse().ok()),
        naive_mae: tag("senti.naive_mae").and_then(|text| text.parse().ok()),
        source: tag("senti.data.source")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers as MLflow 3.17 and 2.22 gave them.
    #[test]
    fn what_is_missing_and_what_is_unknown_are_told_apart() {
        let said = |status, code: &str, message: &str| Refusal::Said {
            what: String::new(),
            whom: String::new(),
            status,
            code: code.into(),
            message: message.into(),
        };
        let absent = said(
            404,
            "RESOURCE_DOES_NOT_EXIST",
            "Registered Model with name=nix not found",
        );
        let alias = said(
            400,
            "INVALID_PARAMETER_VALUE",
            "Registered model alias nix not found.",
        );
        let page = said(404, "", "an HTML page");
        assert!(is_missing(&absent) && is_missing(&alias) && !is_missing(&page));
        assert!(is_unknown(&page) && !is_unknown(&absent) && !is_unknown(&alias));
        assert!(!is_missing(&said(
            400,
            "INVALID_PARAMETER_VALUE",
            "Parameter 'version' must be an integer"
        )));
    }
}
