//! Registries of trained models: one interface, a folder or an MLflow server behind it.
//!
//! In come artifacts and [`Reference`]s (by model type or registered name; by version, alias or stage); out go [`Entry`]s and the
//! artifacts again, byte for byte. [`Registry`] keeps them in a folder and needs nothing else; [`MlflowRegistry`] keeps them on a
//! server, wrapped into packages that Python loads, and a verified copy of what was fetched in a cache. `push` and `pull` are the same
//! act, [`bring`], in two directions. Loading registers nothing.

mod cache;
mod local;
mod mlflow;
pub(crate) mod package;
mod pending;
mod reference;
mod standing;

use std::path::PathBuf;

use senti::artifact::{Artifact, Manifest};
use senti::table::Time;
use senti::{Error, Result};
use serde::Serialize;

pub use cache::Cache;
pub use local::{BASE, Registry, is_model, load_folder};
pub use mlflow::{Experiment, MlflowRegistry, SHA256};
pub(crate) use mlflow::{about_name, version_tags};
pub use pending::Waiting;
pub use reference::{Reference, SCHEME, Stage, Which, check_alias};

use crate::weights;
use local::{ARTIFACT, SUMS, WEIGHTS};

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Registered name, `sentiai_model_lstm`.
    pub name: String,
    /// Model type, `lstm`.
    pub model_type: String,
    /// Number within the name, from 1.
    pub version: u32,
    /// Folder that holds it; of a model on a server, the folder in the cache that it has or would have.
    pub path: PathBuf,
    /// When it was saved, in milliseconds since 1970; unknown where the small file that says so is gone.
    pub created: Option<Time>,
    /// Aliases that point at it, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// How far it has come.
    #[serde(skip_serializing_if = "Stage::is_none")]
    pub stage: Stage,
    /// Where it is on a server: `models:/sentiai_model_lstm/3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
}

impl Entry {
    /// As it is called on the command line: `lstm/3`, `models:/sentiai_model_lstm/3`.
    pub fn called(&self) -> String {
        (self.uri.clone()).unwrap_or_else(|| format!("{}/{}", self.model_type, self.version))
    }
}

/// A registered model and what its manifest says, or why it cannot be read.
#[derive(Debug)]
pub struct Listed {
    /// The model.
    pub entry: Entry,
    /// Everything but the weights.
    pub manifest: Result<Manifest>,
}

/// A registered model looked at closely: every file was compared with its checksum.
#[derive(Debug)]
pub struct Shown {
    /// The model.
    pub entry: Entry,
    /// Everything but the weights.
    pub manifest: Manifest,
    /// Its files.
    pub files: Vec<FileRecord>,
}

/// A file of a registered model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileRecord {
    /// Name within the folder.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// What a list says of a model: enough to choose one, read from its manifest or from the tags of a server.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Facts {
    /// Past steps that a forecast looks at.
    pub past: usize,
    /// Steps ahead.
    pub ahead: usize,
    /// Rows that it was trained on.
    pub rows: usize,
    /// First of them.
    pub first: Time,
    /// Last of them.
    pub last: Time,
    /// Milliseconds from one to the next.
    pub step: i64,
    /// Mean absolute error on the test part, in units of the target.
    pub mae: Option<f64>,
    /// The same of the naive forecast.
    pub naive_mae: Option<f64>,
    /// What the source called itself.
    pub source: String,
}

impl Facts {
    /// Of a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let mae = |scores: &senti::metrics::Scores| scores.overall.get("mae").copied().flatten();
        let data = &manifest.data;
        Self {
            past: manifest.plan.input_seq_length,
            ahead: manifest.plan.forecast_horizon,
            rows: data.rows,
            first: data.first,
            last: data.last,
            step: data.step,
            mae: mae(&manifest.evaluation.model),
            naive_mae: mae(&manifest.evaluation.naive),
            source: data.source.clone(),
        }
    }
}

/// A line of a list.
#[derive(Debug)]
pub struct Row {
    /// The model.
    pub entry: Entry,
    /// What is said of it, or why nothing can be.
    pub facts: Result<Facts>,
}

/// What a version shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Promotion {
    /// The one that this alias points at, from now on.
    Alias(String),
    /// In this stage; with `archive`, those that were in it before are archived.
    Stage {
        /// The stage.
        stage: Stage,
        /// Archive the others?
        archive: bool,
    },
}

/// The files of a model, byte for byte, in line with their checksums.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    artifact: Vec<u8>,
    weights: Vec<u8>,
    sums: Vec<u8>,
}

impl Files {
    /// Names of the files, in the order in which they are written.
    pub const NAMES: [&str; 3] = [ARTIFACT, WEIGHTS, SUMS];

    /// Of an artifact.
    pub fn of(artifact: &Artifact) -> Result<Self> {
        let manifest = local::manifest_bytes(&artifact.manifest)?;
        weights::check_finite(&artifact.tensors).map_err(|why| {
            Error::data(format!("the model cannot be kept: {why}"))
                .hint("lower `--learning_rate`, or look for absurd values in the data")
        })?;
        let tensors = weights::to_bytes(&artifact.tensors)?;
        let sums = format!(
            "{}  {ARTIFACT}\n{}  {WEIGHTS}\n",
            local::sha256(&manifest),
            local::sha256(&tensors)
        );
        Ok(Self {
            artifact: manifest,
            weights: tensors,
            sums: sums.into_bytes(),
        })
    }

    /// As they were read, compared with their checksums; an error names `place`.
    pub fn checked(
        artifact: Vec<u8>,
        weights: Vec<u8>,
        sums: Vec<u8>,
        place: &str,
    ) -> Result<Self> {
        let wanted = local::Sums::parse(&String::from_utf8_lossy(&sums), place)?;
        for (name, bytes) in [(ARTIFACT, &artifact), (WEIGHTS, &weights)] {
            wanted.check(name, bytes, &format!("{place}/{name}"))?;
        }
        Ok(Self {
            artifact,
            weights,
            sums,
        })
    }

    /// Names and bytes, in the order of [`Files::NAMES`].
    pub fn each(&self) -> [(&'static str, &[u8]); 3] {
        [
            (ARTIFACT, self.artifact.as_slice()),
            (WEIGHTS, &self.weights),
            (SUMS, &self.sums),
        ]
    }

    /// SHA-256 of the file of checksums, and so of all of the model: two models with the same one are the very same.
    pub fn digest(&self) -> String {
        local::sha256(&self.sums)
    }

    /// What is in them.
    pub fn artifact(&self, place: &str) -> Result<Artifact> {
        let place = std::path::Path::new(place);
        Ok(Artifact {
            manifest: local::manifest_of(&self.artifact, &place.join(ARTIFACT))?,
            tensors: local::weights_of(&self.weights, &place.join(WEIGHTS))?,
        })
    }

    /// Everything but the weights.
    pub fn manifest(&self, place: &str) -> Result<Manifest> {
        local::manifest_of(&self.artifact, &std::path::Path::new(place).join(ARTIFACT))
    }
}

/// The files of a model with their names, as they are saved: [`load_folder`] reads a folder that holds them.
pub fn files(artifact: &Artifact) -> Result<[(&'static str, Vec<u8>); 3]> {
    let files = Files::of(artifact)?;
    Ok([
        (ARTIFACT, files.artifact),
        (WEIGHTS, files.weights),
        (SUMS, files.sums),
    ])
}

/// A registry, wherever it keeps its models.
///
/// [`Registry`] has methods of its own with the names `load`, `show` and `delete` that take a model type and a number; these here take
/// a [`Reference`].
pub trait Backend {
    /// What it is, for sentences: "registry `senti-models`".
    fn says(&self) -> String;

    /// The registered name of a model type.
    fn name_of(&self, model_type: &str) -> Result<String>;

    /// Which version is meant. An alias or a stage is looked up now.
    fn find(&self, which: &Reference) -> Result<Entry>;

    /// The files of a version, byte for byte.
    fn files(&self, entry: &Entry) -> Result<Files>;

    /// Takes these files as a version of the model type that they say, at the present time `now`. Where they are a version already,
    /// that is the one, and `true` comes back.
    fn add(&self, files: &Files, now: Time) -> Result<(Entry, bool)>;

    /// Saves an artifact as a new version.
    fn save(&self, artifact: &Artifact, now: Time) -> Result<Entry>;

    /// Every version, by name and number.
    fn list(&self) -> Result<Vec<Row>>;

    /// Gives a version an alias or a stage.
    fn promote(&self, which: &Reference, to: &Promotion) -> Result<Entry>;

    /// Deletes one version for good. One that an alias points at wants `force`.
    fn delete(&self, which: &Reference, force: bool) -> Result<Entry>;

    /// Loads a version and says which it was.
    fn load(&self, which: &Reference) -> Result<(Entry, Artifact)> {
        let entry = self.find(which)?;
        let files = self.files(&entry)?;
        let artifact = files.artifact(&entry.path.display().to_string())?;
        Ok((entry, artifact))
    }

    /// One version, every file compared with its checksum.
    fn show(&self, which: &Reference) -> Result<Shown> {
        let entry = self.find(which)?;
        let files = self.files(&entry)?;
        let place = entry.path.display().to_string();
        let manifest = files.artifact(&place)?.manifest;
        let records = files.each().into_iter().filter(|(name, _)| *name != SUMS);
        let records = records.map(|(name, bytes)| FileRecord {
            name: name.into(),
            bytes: bytes.len() as u64,
            sha256: local::sha256(bytes),
        });
        Ok(Shown {
            files: records.collect(),
            entry,
            manifest,
        })
    }

    /// What a person should know beside the results, once: a cached copy was used, a damaged one fetched again.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A model that was brought from one registry into another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Brought {
    /// Where it came from.
    pub from: Entry,
    /// What it is there.
    pub to: Entry,
    /// Was the very same model there before?
    pub was_there: bool,
}

/// Brings a model from one registry into another, byte for byte: `push` to a server, `pull` from one. The very same model is not
/// registered twice.
pub fn bring(
    from: &dyn Backend,
    which: &Reference,
    to: &dyn Backend,
    now: Time,
) -> Result<Brought> {
    let entry = from.find(which)?;
    let files = from.files(&entry)?;
    let (there, was_there) = to.add(&files, now)?;
    Ok(Brought {
        from: entry,
        to: there,
        was_there,
    })
}

/// Deleting what an alias points at is refused: somebody forecasts with it.
fn refuse_named(entry: &Entry) -> Result<()> {
    let called: Vec<String> = (entry.aliases.iter())
        .map(|alias| format!("`{alias}`"))
        .collect();
    if called.is_empty() {
        return Ok(());
    }
    let points = if called.len() == 1 { "points" } else { "point" };
    Err(Error::input(format!(
        "{} {points} at {}",
        called.join(", "),
        entry.called()
    ))
    .hint("promote another version first, or delete it all the same with `--force`"))
}

/// `--archive_existing_versions` belongs to the stages that are used, as in MLflow.
fn check_promotion(to: &Promotion) -> Result<()> {
    match to {
        Promotion::Alias(alias) => check_alias(alias),
        Promotion::Stage {
            stage: stage @ (Stage::None | Stage::Archived),
            archive: true,
        } => Err(Error::input(format!(
            "versions in stage {stage} cannot be archived, only those in Staging or Production"
        ))
        .hint("leave `--archive_existing_versions` out")),
        Promotion::Stage { .. } => Ok(()),
    }
}
