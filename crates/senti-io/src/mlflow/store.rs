//! A new MLflow store in a file, for people without a server: `mlflow ui --backend-store-uri sqlite:///FILE.db` opens it.
//!
//! In come runs and registered versions as plain data, and the bytes of their files; out go a SQLite file and, beside it, the folder
//! `FILE.db.artifacts`, both whole or none. The tables are those of MLflow 2.22 (`store/schema.sql`, made by `store/schema.py` beside it):
//! 2.22 opens them as they are, 3.x brings them up to date when it opens them. Nothing that exists is ever written to: MLflow's tables change
//! with its versions, and a store that MLflow owns is no place for another program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, MAIN_DB, params};
use senti::table::Time;
use senti::{Error, Result};

use super::record::{self, Metric, Pair, RunRecord, cut};
use crate::atomic::{Pending, Stage, failed, folder_of, make_folder};

/// Tables of an empty store.
const SCHEMA: &str = include_str!("store/schema.sql");
/// Follows the file's name: the folder of the artifacts.
const ARTIFACTS: &str = ".artifacts";
/// Number of the experiment that every store has.
const DEFAULT: i64 = 0;
/// What is said of every experiment: MLflow 3's pages show trainings then, not conversations, and both lines know the score to look at.
const EXPERIMENT_TAGS: [(&str, &str); 3] = [
    ("mlflow.experimentKind", "custom_model_development"),
    ("mlflow.experiment.primaryMetric.name", "mae"),
    ("mlflow.experiment.primaryMetric.greaterIsBetter", "False"),
];
/// Most characters of a description, of the tags of models, and of those of experiments: the width of their columns.
const TEXT_LIMIT: usize = 5_000;
/// What MLflow keeps of an infinite number (`mlflow/store/tracking/sqlalchemy_store.py`, `sanitize_metric_value`).
const LARGEST: f64 = 1.797_693_134_862_315_7e308;

/// A registered version of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Registered name, `sentiai_model_lstm`.
    pub name: String,
    /// Number within the name.
    pub version: u32,
    /// Number of the run that it comes from, which was added before.
    pub run: String,
    /// Folder of its files within the run.
    pub folder: String,
    /// When it was saved.
    pub created: Time,
    /// Markdown.
    pub description: String,
    /// `None`, `Staging`, `Production`, `Archived`.
    pub stage: String,
    /// Names that point at it.
    pub aliases: Vec<String>,
    /// Its tags.
    pub tags: Vec<Pair>,
}

/// A store being filled. Dropped before [`Store::finish`], it leaves nothing.
///
/// ```no_run
/// use senti_io::mlflow::store::Store;
/// # fn example(record: &senti_io::mlflow::record::RunRecord, files: &[(String, Vec<u8>)]) -> senti::Result<()> {
/// let mut store = Store::create("models.db".as_ref(), 1_700_000_000_000)?;
/// store.run(record, files)?;
/// store.finish()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Store {
    target: PathBuf,
    artifacts: PathBuf,
    /// Address of the folder of artifacts, `file:///…`, without a slash behind.
    uri: String,
    now: Time,
    stage: Stage,
    connection: Connection,
    /// Numbers of the experiments by their names.
    experiments: BTreeMap<String, i64>,
    /// Experiment of each run.
    runs: BTreeMap<String, i64>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub file: PathBuf,
    /// The folder of the artifacts, which the file names by its absolute path.
    pub artifacts: PathBuf,
}

impl Store {
    /// Starts a store that will stand at `target`. Neither it nor the folder of its artifacts may exist.
    pub fn create(target: &Path, now: Time) -> Result<Self> {
        let name = target.file_name().filter(|name| !name.is_empty());
        let Some(name) = name else {
            let sentence = format!(
                "`{}` names no file, wanted one like `models.db`",
                target.display()
            );
            return Err(Error::input(sentence));
        };
        let mut folder_name = name.to_owned();
        folder_name.push(ARTIFACTS);
        let artifacts = target.with_file_name(folder_name);
        for place in [target, &artifacts] {
            // A link that leads nowhere is something, too.
            if place.symlink_metadata().is_ok() {
                return Err(taken(place));
            }
        }
        let parent = folder_of(target);
        make_folder(&parent)?;
        // Artifacts are found by their absolute place.
        let absolute = parent
            .canonicalize()
            .map_err(|cause| failed("read", &parent, cause))?;
        let uri = file_uri(&absolute.join(artifacts.file_name().unwrap_or_default()))?;
        let stage = Stage::create(&parent)?;
        let connection = Connection::open_in_memory().map_err(wrong)?;
        connection.execute_batch(SCHEMA).map_err(wrong)?;
        connection.execute_batch("BEGIN").map_err(wrong)?;
        let mut store = Self {
            target: target.to_path_buf(),
            artifacts,
            uri,
            now,
            stage,
            connection,
            experiments: BTreeMap::new(),
            runs: BTreeMap::new(),
        };
        // MLflow looks for the experiment 0 whenever none is named.
        store.make_experiment(DEFAULT, "Default")?;
        Ok(store)
    }

    /// Adds a run and its files, each a path within the run and its bytes. What the record itself names on disk is copied, too.
    /// The run's number in the store is [`RunRecord::id`]; a parent is added before its children.
    pub fn run(&mut self, record: &RunRecord, files: &[(String, Vec<u8>)]) -> Result<()> {
        let experiment = match &record.experiment.name {
            Some(name) => self.experiment(name)?,
            None => DEFAULT,
        };
        let run = record.id.as_str();
        let place = format!("{experiment}/{run}/artifacts");
        let of = |key: &str| {
            record
                .tags
                .iter()
                .find(|tag| tag.key == key)
                .map(|tag| tag.value.as_str())
        };
        let name = cut(record.name.clone(), 250);
        self.execute(
            "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version, \
             lifecycle_stage, artifact_uri, experiment_id) VALUES (?1, ?2, 'LOCAL', ?3, '', ?4, ?5, ?6, ?7, '', 'active', ?8, ?9)",
            params![
                run,
                name,
                cut(of("mlflow.source.name").unwrap_or_default().to_owned(), 500),
                cut(of("mlflow.user").unwrap_or_default().to_owned(), 256),
                record.status.name(),
                record.start,
                record.end,
                format!("{}/{place}", self.uri),
                experiment,
            ],
        )?;
        let tags = record
            .tags
            .iter()
            .map(|tag| (tag.key.as_str(), tag.value.as_str()));
        let parent = record
            .parent
            .as_deref()
            .map(|parent| ("mlflow.parentRunId", parent));
        for (key, value) in tags
            .chain([("mlflow.runName", name.as_str())])
            .chain(parent)
        {
            self.execute(
                "INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3)",
                params![key, value, run],
            )?;
        }
        for pair in &record.params {
            self.execute(
                "INSERT INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3)",
                params![pair.key, pair.value, run],
            )?;
        }
        self.metrics(run, &record.metrics)?;
        for data in &record.inputs {
            self.input(experiment, run, data)?;
        }
        for (path, bytes) in files {
            self.put(&format!("{place}/{path}"), bytes)?;
        }
        for artifact in &record.artifacts {
            let bytes =
                fs::read(&artifact.file).map_err(|cause| failed("read", &artifact.file, cause))?;
            self.put(&format!("{place}/{}", artifact.path), &bytes)?;
        }
        self.runs.insert(run.to_owned(), experiment);
        Ok(())
    }

    /// Adds a registered version, and its name where it is the first.
    pub fn version(&mut self, version: &Version) -> Result<()> {
        let Some(experiment) = self.runs.get(&version.run).copied() else {
            return Err(Error::internal(format!(
                "the run {} was not added",
                version.run
            )));
        };
        let (name, number) = (version.name.as_str(), version.version);
        let description = cut(version.description.clone(), TEXT_LIMIT);
        let source = format!(
            "{}/{experiment}/{}/artifacts/{}",
            self.uri,
            version.run,
            encoded(&version.folder)
        );
        self.execute(
            "INSERT INTO registered_models (name, creation_time, last_updated_time, description) VALUES (?1, ?2, ?2, '') \
             ON CONFLICT (name) DO UPDATE SET last_updated_time = max(last_updated_time, excluded.last_updated_time), \
             creation_time = min(creation_time, excluded.creation_time)",
            params![name, version.created],
        )?;
        self.execute(
            "INSERT INTO model_versions (name, version, creation_time, last_updated_time, description, user_id, current_stage, source, run_id, \
             status, storage_location) VALUES (?1, ?2, ?3, ?3, ?4, '', ?5, ?6, ?7, 'READY', ?6)",
            params![name, number, version.created, description, version.stage, source, version.run],
        )?;
        for tag in &version.tags {
            self.execute(
                "INSERT OR REPLACE INTO model_version_tags (key, value, name, version) VALUES (?1, ?2, ?3, ?4)",
                params![tag.key, cut(tag.value.clone(), TEXT_LIMIT), name, number],
            )?;
        }
        for alias in &version.aliases {
            self.execute(
                "INSERT INTO registered_model_aliases (alias, version, name) VALUES (?1, ?2, ?3)",
                params![alias, number, name],
            )?;
        }
        Ok(())
    }

    /// Describes a registered name that has a version.
    pub fn describe(&mut self, name: &str, description: &str, tags: &[Pair]) -> Result<()> {
        let description = cut(description.to_owned(), TEXT_LIMIT);
        self.execute(
            "UPDATE registered_models SET description = ?2 WHERE name = ?1",
            params![name, description],
        )?;
        for tag in tags {
            self.execute(
                "INSERT OR REPLACE INTO registered_model_tags (key, value, name) VALUES (?1, ?2, ?3)",
                params![tag.key, cut(tag.value.clone(), TEXT_LIMIT), name],
            )?;
        }
        Ok(())
    }

    /// Puts everything in its place. Where somebody was faster, theirs stays and nothing of this is left.
    pub fn finish(mut self) -> Result<Written> {
        self.connection.execute_batch("COMMIT").map_err(wrong)?;
        let bytes = self.connection.serialize(MAIN_DB).map_err(wrong)?;
        let mut file = Pending::create(&self.target)?;
        file.write_all(&bytes)
            .map_err(|cause| failed("write", &self.target, cause))?;
        file.sync()?;
        // Folder first: a file whose artifacts are missing would look whole.
        if !self.stage.publish(&self.artifacts)? {
            return Err(taken(&self.artifacts));
        }
        let done = file.commit_new();
        if !matches!(done, Ok(true)) {
            let _ = fs::remove_dir_all(&self.artifacts);
        }
        match done? {
            true => Ok(Written {
                file: self.target,
                artifacts: self.artifacts,
            }),
            false => Err(taken(&self.target)),
        }
    }

    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<()> {
        self.connection.execute(sql, values).map_err(wrong)?;
        Ok(())
    }

    /// Number of the experiment of this name, which is made when missing.
    fn experiment(&mut self, name: &str) -> Result<i64> {
        let name = cut(name.to_owned(), 256);
        if let Some(number) = self.experiments.get(&name) {
            return Ok(*number);
        }
        let number = self.experiments.len() as i64;
        self.make_experiment(number, &name)?;
        Ok(number)
    }

    fn make_experiment(&mut self, number: i64, name: &str) -> Result<()> {
        self.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage, creation_time, last_update_time) \
             VALUES (?1, ?2, ?3, 'active', ?4, ?4)",
            params![number, name, format!("{}/{number}", self.uri), self.now],
        )?;
        for (key, value) in EXPERIMENT_TAGS {
            self.execute(
                "INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?1, ?2, ?3)",
                params![key, value, number],
            )?;
        }
        self.experiments.insert(name.to_owned(), number);
        Ok(())
    }

    /// Metrics as MLflow keeps them: what is no number as 0 with a mark, infinity as the largest number; the newest value of each apart.
    fn metrics(&self, run: &str, metrics: &[Metric]) -> Result<()> {
        let mut latest: BTreeMap<&str, (i64, Time, f64, bool)> = BTreeMap::new();
        for metric in metrics {
            let is_nan = metric.value.is_nan();
            let value = match is_nan {
                true => 0.0,
                false => metric.value.clamp(-LARGEST, LARGEST),
            };
            // The same point twice is one point, for MLflow, too.
            self.execute(
                "INSERT OR IGNORE INTO metrics (key, value, timestamp, run_uuid, step, is_nan) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![metric.key, value, metric.timestamp, run, metric.step, is_nan],
            )?;
            let point = (metric.step, metric.timestamp, value, is_nan);
            let known = latest.entry(&metric.key).or_insert(point);
            if (point.0, point.1, point.2) > (known.0, known.1, known.2) {
                *known = point;
            }
        }
        for (key, (step, time, value, is_nan)) in latest {
            self.execute(
                "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![key, value, time, step, is_nan, run],
            )?;
        }
        Ok(())
    }

    /// Data that a run looked at; several runs may have looked at the same.
    fn input(&self, experiment: i64, run: &str, data: &record::Dataset) -> Result<()> {
        let number =
            record::run_id(&["dataset", &experiment.to_string(), &data.name, &data.digest]);
        self.execute(
            "INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source, dataset_schema, \
             dataset_profile) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                number,
                experiment,
                data.name,
                data.digest,
                cut(data.source_type.clone(), 36),
                data.source,
                data.schema,
                data.profile,
            ],
        )?;
        let link = record::run_id(&["input", &number, run]);
        self.execute(
            "INSERT OR IGNORE INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id) \
             VALUES (?1, 'DATASET', ?2, 'RUN', ?3)",
            params![link, number, run],
        )?;
        self.execute(
            "INSERT OR IGNORE INTO input_tags (input_uuid, name, value) VALUES (?1, 'mlflow.data.context', ?2)",
            params![link, data.context],
        )
    }

    /// Writes a file of the folder of artifacts. An error names the place where it will stand.
    fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let shown = self.artifacts.join(path);
        let write = || -> std::io::Result<()> {
            let place = self.stage.path().join(path);
            if let Some(folder) = place.parent() {
                fs::create_dir_all(folder)?;
            }
            let mut file = File::create_new(&place)?;
            file.write_all(bytes)
        };
        write().map_err(|cause| failed("write", &shown, cause))
    }
}

fn wrong(cause: rusqlite::Error) -> Error {
    Error::internal("the MLflow store cannot be made").because(cause)
}

fn taken(place: &Path) -> Error {
    Error::input(format!(
        "`{}` exists, wanted the name of a new file",
        place.display()
    ))
    .hint("an export never changes what is there: give another name, or move it away")
}

/// The address of a path (RFC 8089).
fn file_uri(path: &Path) -> Result<String> {
    let Some(text) = path.to_str() else {
        let sentence = format!(
            "`{}` is not UTF-8, and MLflow keeps the place of artifacts as text",
            path.display()
        );
        return Err(Error::input(sentence).hint("give a place whose name is UTF-8"));
    };
    // Windows: `\\?\C:\folder` becomes `/C:/folder`.
    let text = text.strip_prefix(r"\\?\").unwrap_or(text);
    let text = if cfg!(windows) {
        format!("/{}", text.replace('\\', "/"))
    } else {
        text.to_owned()
    };
    Ok(format!("file://{}", encoded(&text)))
}

/// A path within an address: all but letters, digits, `-._~`, `/` and the colon of a drive as the bytes of its UTF-8 (RFC 3986, section 2.1).
fn encoded(path: &str) -> String {
    let mut text = String::new();
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' => {
                text.push(char::from(byte))
            }
            _ => {
                let _ = write!(text, "%{byte:02X}");
            }
        }
    }
    text
}
