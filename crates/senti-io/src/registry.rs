//! The local registry: trained models in numbered folders.
//!
//! In comes an [`Artifact`] and its model type; out goes an [`Entry`], and the artifact again. A version is written whole or not at
//! all, never overwritten, and its number is never given again, not even after it was deleted. Everything read is compared with the
//! checksums written beside it. Reading changes nothing on disk.
//!
//! ```text
//! <root>/sentiai_model_lstm/3/artifact.json         everything but the weights
//!                             weights.safetensors   the weights
//!                             SHA256SUMS            of the two files above, for `sha256sum -c`
//!                             created               when it was saved
//! ```
//!
//! Another backend (MLflow) gets a file of its own beside this one, with the same four verbs over the same types.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use senti::artifact::{Artifact, FORMAT, Manifest, Tensor};
use senti::table::Time;
use senti::{Error, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::atomic::{self, Stage, failed};
use crate::weights;

/// Start of every model's name; the original's name for its basic model.
pub const BASE: &str = "sentiai_model";

const ARTIFACT: &str = "artifact.json";
const WEIGHTS: &str = "weights.safetensors";
const SUMS: &str = "SHA256SUMS";
const CREATED: &str = "created";
/// Keeps the highest number that was deleted.
const DELETED: &str = ".last_deleted";
const LOCK: &str = ".lock";

/// A registered model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Registered name, `sentiai_model_lstm`.
    pub name: String,
    /// Model type, `lstm`.
    pub model_type: String,
    /// Number within the name, from 1.
    pub version: u32,
    /// Folder that holds it.
    pub path: PathBuf,
    /// When it was saved, in milliseconds since 1970; unknown where the small file that says so is gone.
    pub created: Option<Time>,
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

/// A registry in a folder.
///
/// ```no_run
/// use senti_io::registry::Registry;
/// # fn example(artifact: &senti::artifact::Artifact) -> senti::Result<()> {
/// let registry = Registry::open("senti-models");
/// let entry = registry.save(artifact, "lstm", 1_700_000_000_000)?;
/// let newest = registry.load("lstm", None)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Registry {
    root: PathBuf,
    base: String,
}

impl Registry {
    /// A registry in this folder. Nothing is read or made before it is needed.
    pub fn open(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            base: BASE.into(),
        }
    }

    /// The same with another start of the names.
    pub fn named(root: impl Into<PathBuf>, base: &str) -> Result<Self> {
        check_word("base name", base)?;
        Ok(Self {
            root: root.into(),
            base: base.into(),
        })
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The registered name of a model type: the base alone for `basic`, with the type behind it for any other.
    pub fn name(&self, model_type: &str) -> Result<String> {
        check_word("model_type", model_type)?;
        Ok(match model_type {
            "basic" => self.base.clone(),
            other => format!("{}_{other}", self.base),
        })
    }

    /// Saves under the next free number. `created` is the present time: the same artifact gives the same files but for `created`.
    pub fn save(&self, artifact: &Artifact, model_type: &str, created: Time) -> Result<Entry> {
        let name = self.name(model_type)?;
        let manifest = manifest_bytes(&artifact.manifest)?;
        weights::check_finite(&artifact.tensors).map_err(|why| {
            Error::data(format!("the model cannot be kept: {why}"))
                .hint("lower `--learning_rate`, or look for absurd values in the data")
        })?;
        let tensors = weights::to_bytes(&artifact.tensors)?;
        let sums = format!(
            "{}  {ARTIFACT}\n{}  {WEIGHTS}\n",
            sha256(&manifest),
            sha256(&tensors)
        );
        let created_text = jiff::Timestamp::from_millisecond(created)
            .map_err(|cause| Error::internal(format!("{created} ms is not a time")).because(cause))?
            .to_string();

        let folder = self.root.join(&name);
        let _lock = self.lock()?;
        let result = (|| {
            let stage = Stage::create(&folder)?;
            // Errors name the version's place, not the hidden one.
            let mut version = self.next_version(&folder)?;
            let shown = folder.join(version.to_string());
            stage.write(ARTIFACT, &manifest, &shown)?;
            stage.write(WEIGHTS, &tensors, &shown)?;
            stage.write(SUMS, sums.as_bytes(), &shown)?;
            stage.write(CREATED, format!("{created_text}\n").as_bytes(), &shown)?;
            // The lock makes this turn once; where a file system has no locks, the rename still overwrites nothing.
            while !stage.publish(&folder.join(version.to_string()))? {
                version += 1;
            }
            Ok(version)
        })();
        if result.is_err() {
            // Leaves no empty name behind; a folder that holds anything stays.
            let _ = fs::remove_dir(&folder);
        }
        let version = result?;
        Ok(Entry {
            path: folder.join(version.to_string()),
            name,
            model_type: model_type.into(),
            version,
            created: Some(created),
        })
    }

    /// Loads a version, the newest by default.
    pub fn load(&self, model_type: &str, version: Option<u32>) -> Result<Artifact> {
        Ok(self.load_entry(model_type, version)?.1)
    }

    /// Loads a version, the newest by default, and says which it was.
    pub fn load_entry(&self, model_type: &str, version: Option<u32>) -> Result<(Entry, Artifact)> {
        let entry = self.find(model_type, version)?;
        let artifact = load_folder(&entry.path)?;
        Ok((entry, artifact))
    }

    /// Every registered model, by name and number. One that cannot be read is listed with the reason. Weights are not read.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for (name, model_type) in self.names()? {
            for version in versions(&self.root.join(&name))? {
                let entry = self.entry(&name, &model_type, version);
                let manifest =
                    Sums::read(&entry.path).and_then(|sums| read_manifest(&entry.path, &sums));
                listed.push(Listed { entry, manifest });
            }
        }
        Ok(listed)
    }

    /// One model, the newest version by default, every file compared with its checksum.
    pub fn show(&self, model_type: &str, version: Option<u32>) -> Result<Shown> {
        let entry = self.find(model_type, version)?;
        let sums = Sums::read(&entry.path)?;
        let manifest = read_manifest(&entry.path, &sums)?;
        let mut files = Vec::new();
        for name in [ARTIFACT, WEIGHTS] {
            let bytes = sums.checked(&entry.path, name)?;
            if name == WEIGHTS {
                read_weights(&entry.path, &bytes)?;
            }
            files.push(FileRecord {
                name: name.into(),
                bytes: bytes.len() as u64,
                sha256: sums.of(name).unwrap_or_default().into(),
            });
        }
        Ok(Shown {
            entry,
            manifest,
            files,
        })
    }

    /// Deletes one version for good. Its number is not given again.
    pub fn delete(&self, model_type: &str, version: u32) -> Result<Entry> {
        let entry = self.find(model_type, Some(version))?;
        let _lock = self.lock()?;
        let folder = self.root.join(&entry.name);
        if version > last_deleted(&folder)? {
            atomic::write_file(&folder.join(DELETED), format!("{version}\n").as_bytes())?;
        }
        // Out of sight at once; the stage takes it away with itself, or its leftovers go with the next writer.
        let stage = Stage::create(&folder)?;
        fs::rename(&entry.path, stage.path().join("deleted"))
            .map_err(|cause| failed("delete", &entry.path, cause))?;
        Ok(entry)
    }

    /// Serialises writers, other processes included. Readers need no lock: versions appear whole.
    fn lock(&self) -> Result<File> {
        atomic::make_folder(&self.root)?;
        let path = self.root.join(LOCK);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|cause| failed("write", &path, cause))?;
        match file.lock() {
            Ok(()) => Ok(file),
            // No locks here (some network disks): the rename is the last line of defence.
            Err(cause) if cause.kind() == ErrorKind::Unsupported => Ok(file),
            Err(cause) => Err(failed("lock", &path, cause)),
        }
    }

    fn next_version(&self, folder: &Path) -> Result<u32> {
        let newest = versions(folder)?.last().copied().unwrap_or(0);
        newest
            .max(last_deleted(folder)?)
            .checked_add(1)
            .ok_or_else(|| Error::internal(format!("no number is left in `{}`", folder.display())))
    }

    fn entry(&self, name: &str, model_type: &str, version: u32) -> Entry {
        let path = self.root.join(name).join(version.to_string());
        let created = fs::read_to_string(path.join(CREATED))
            .ok()
            .and_then(|text| text.trim().parse::<jiff::Timestamp>().ok())
            .map(|time| time.as_millisecond());
        Entry {
            name: name.into(),
            model_type: model_type.into(),
            version,
            path,
            created,
        }
    }

    /// Registered names with their model types, sorted.
    fn names(&self) -> Result<Vec<(String, String)>> {
        let entries = match fs::read_dir(&self.root) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|cause| failed("read", &self.root, cause))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|cause| failed("read", &self.root, cause))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let model_type = match name.strip_prefix(&self.base) {
                Some("") => "basic",
                Some(rest) if rest.starts_with('_') => &rest[1..],
                _ => continue,
            };
            if entry.path().is_dir() {
                names.push((name.clone(), model_type.to_string()));
            }
        }
        names.sort();
        Ok(names)
    }

    fn find(&self, model_type: &str, version: Option<u32>) -> Result<Entry> {
        let name = self.name(model_type)?;
        let there = versions(&self.root.join(&name))?;
        let wanted = match version {
            Some(version) => there.iter().find(|number| **number == version),
            None => there.last(),
        };
        if let Some(version) = wanted {
            return Ok(self.entry(&name, model_type, *version));
        }
        if let (Some(version), false) = (version, there.is_empty()) {
            let numbers: Vec<_> = there.iter().map(u32::to_string).collect();
            return Err(Error::input(format!(
                "`{name}` has no version {version}, there is {}",
                numbers.join(", ")
            )));
        }
        let error = Error::input(format!(
            "no model `{name}` in registry `{}`",
            self.root.display()
        ));
        let others: Vec<_> = self
            .names()?
            .into_iter()
            .filter(|(name, _)| versions(&self.root.join(name)).is_ok_and(|v| !v.is_empty()))
            .map(|(_, model_type)| model_type)
            .collect();
        Err(error.hint(if others.is_empty() {
            format!("train one first: `senti-ai train --model_type {model_type}`")
        } else {
            format!("there is a model of type {}", others.join(", "))
        }))
    }
}

/// Loads a model from its folder, wherever that is.
pub fn load_folder(folder: &Path) -> Result<Artifact> {
    let sums = Sums::read(folder)?;
    let manifest = read_manifest(folder, &sums)?;
    let tensors = read_weights(folder, &sums.checked(folder, WEIGHTS)?)?;
    Ok(Artifact { manifest, tensors })
}

/// The files of a model with their names, as they are saved: [`load_folder`] reads a folder that holds them.
pub fn files(artifact: &Artifact) -> Result<[(&'static str, Vec<u8>); 3]> {
    let manifest = manifest_bytes(&artifact.manifest)?;
    let tensors = weights::to_bytes(&artifact.tensors)?;
    let [of_manifest, of_tensors] = [sha256(&manifest), sha256(&tensors)];
    let sums = format!("{of_manifest}  {ARTIFACT}\n{of_tensors}  {WEIGHTS}\n");
    Ok([
        (ARTIFACT, manifest),
        (WEIGHTS, tensors),
        (SUMS, sums.into_bytes()),
    ])
}

/// Does this folder look like a model's?
pub fn is_model(folder: &Path) -> bool {
    folder.join(ARTIFACT).is_file()
}

/// Checksums of a version.
struct Sums(Vec<(String, String)>);

impl Sums {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SUMS);
        let text =
            fs::read_to_string(&path).map_err(|cause| failed("read checksums", &path, cause))?;
        let sums: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(sum, name)| (name.to_string(), sum.to_string()))
            .collect();
        for name in [ARTIFACT, WEIGHTS] {
            if !sums.iter().any(|(known, _)| known == name) {
                return Err(damaged(&path, &format!("has no checksum of `{name}`")));
            }
        }
        Ok(Self(sums))
    }

    fn of(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, sum)| sum.as_str())
    }

    /// The bytes of a file, compared with its checksum.
    fn checked(&self, folder: &Path, name: &str) -> Result<Vec<u8>> {
        let path = folder.join(name);
        let bytes = fs::read(&path).map_err(|cause| failed("read", &path, cause))?;
        let found = sha256(&bytes);
        let wanted = self.of(name).unwrap_or_default();
        if found != wanted {
            return Err(damaged(
                &path,
                &format!("was altered: its SHA-256 is {found}, wanted {wanted}"),
            ));
        }
        Ok(bytes)
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::data(format!("`{}` {what}", path.display()))
        .hint("take another version or train again; this one is left as it is")
}

fn read_manifest(folder: &Path, sums: &Sums) -> Result<Manifest> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
        code_version: String,
    }
    let bytes = sums.checked(folder, ARTIFACT)?;
    let path = folder.join(ARTIFACT);
    let head: Head = serde_json::from_slice(&bytes)
        .map_err(|cause| damaged(&path, "is not an artifact").because(cause))?;
    if head.format != FORMAT {
        return Err(Error::unsupported(format!(
            "`{}` has format {}, wanted {FORMAT}",
            path.display(),
            head.format
        ))
        .hint(format!(
            "it was written by senti-ai {}: use that version or train again",
            head.code_version
        )));
    }
    serde_json::from_slice(&bytes)
        .map_err(|cause| damaged(&path, "is not an artifact").because(cause))
}

/// A checksum tells that nothing was altered since, not that the values make sense: that is looked at here.
fn read_weights(folder: &Path, bytes: &[u8]) -> Result<Vec<Tensor>> {
    weights::from_bytes(bytes)
        .and_then(|tensors| weights::check_finite(&tensors).map(|()| tensors))
        .map_err(|why| damaged(&folder.join(WEIGHTS), &format!("cannot be used: {why}")))
}

/// The manifest as it is kept. It is read back once, so that nothing is registered that could not be loaded (JSON has no NaN).
fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>> {
    let wrong = |cause| Error::internal("the artifact cannot be written as JSON").because(cause);
    let mut bytes = serde_json::to_vec_pretty(manifest).map_err(wrong)?;
    serde_json::from_slice::<Manifest>(&bytes).map_err(wrong)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Numbers of the versions in a folder, rising; none where it does not exist.
fn versions(folder: &Path) -> Result<Vec<u32>> {
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|cause| failed("read", folder, cause))?,
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|cause| failed("read", folder, cause))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.parse::<u32>().ok());
        // "007" and "+7" are no versions of ours.
        if let Some(number) = number.filter(|n| name.to_str() == Some(&n.to_string())) {
            numbers.push(number);
        }
    }
    numbers.sort_unstable();
    Ok(numbers)
}

fn last_deleted(folder: &Path) -> Result<u32> {
    let path = folder.join(DELETED);
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| {
            Error::data(format!(
                "`{}` is `{}`, wanted the number of a version",
                path.display(),
                text.trim()
            ))
            .hint("write the highest number that was ever deleted into it")
        }),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(0),
        Err(cause) => Err(failed("read", &path, cause)),
    }
}

/// A word that is safe as a part of a folder's name.
fn check_word(what: &str, word: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !word.is_empty() && word.len() <= 100 && !word.starts_with('.') && word.chars().all(fits) {
        return Ok(());
    }
    Err(Error::input(format!(
        "{what} is `{word}`, wanted up to 100 letters, digits, `_`, `-` or `.`"
    )))
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
