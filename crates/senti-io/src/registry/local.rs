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
//!                           aliases.json            aliases and stages, see `standing.rs`
//!                           register_3.json         version 3 waits to be registered on a server, see `pending.rs`
//! ```

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use senti::artifact::{Artifact, FORMAT, Manifest, Tensor};
use senti::table::Time;
use senti::{Error, Result};
use sha2::{Digest, Sha256};

use super::reference::{Reference, Which};
use super::standing::Standing;
use super::{
    Backend, Entry, Facts, FileRecord, Files, Listed, Promotion, Row, Shown, check_promotion,
    refuse_named,
};
use crate::atomic::{self, Stage, failed};
use crate::weights;

/// Start of every model's name; the original's name for its basic model.
pub const BASE: &str = "sentiai_model";

pub(super) const ARTIFACT: &str = "artifact.json";
pub(super) const WEIGHTS: &str = "weights.safetensors";
pub(super) const SUMS: &str = "SHA256SUMS";
const CREATED: &str = "created";
/// Keeps the highest number that was deleted.
const DELETED: &str = ".last_deleted";
const LOCK: &str = ".lock";
const EXCHANGE: &str = ".exchange.lock";

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
        self.keep(&Files::of(artifact)?, name, model_type, created)
    }

    /// Writes the files of a model under the next free number.
    fn keep(&self, files: &Files, name: String, model_type: &str, created: Time) -> Result<Entry> {
        let created_text = jiff::Timestamp::from_millisecond(created)
            .map_err(|cause| Error::internal(format!("{created} ms is not a time")).because(cause))?
            .to_string();

        let folder = self.root.join(&name);
        let _lock = self.lock()?;
        let result: Result<u32> = (|| {
            let stage = Stage::create(&folder)?;
            // Errors name the version's place, not the hidden one.
            let mut version = self.next_version(&folder)?;
            let shown = folder.join(version.to_string());
            for (name, bytes) in files.each() {
                stage.write(name, bytes, &shown)?;
            }
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
            aliases: Vec::new(),
            stage: Default::default(),
            uri: None,
        })
    }

    /// Loads a version, the newest by default.
    pub fn load(&self, model_type: &str, version: Option<u32>) -> Result<Artifact> {
        Ok(self.load_entry(model_type, version)?.1)
    }

    /// Loads a version, the newest by default, and says which it was.
    pub fn load_entry(&self, model_type: &str, version: Option<u32>) -> Result<(Entry, Artifact)> {
        let entry = self.find_version(model_type, &version.into())?;
        let artifact = load_folder(&entry.path)?;
        Ok((entry, artifact))
    }

    /// Every registered model, by name and number. One that cannot be read is listed with the reason. Weights are not read.
    pub fn list(&self) -> Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for (name, model_type) in self.names()? {
            let standing = self.standing(&name);
            for version in versions(&self.root.join(&name))? {
                let entry = self.entry(&name, &model_type, version, &standing);
                let manifest =
                    Sums::read(&entry.path).and_then(|sums| read_manifest(&entry.path, &sums));
                listed.push(Listed { entry, manifest });
            }
        }
        Ok(listed)
    }

    /// One model, the newest version by default, every file compared with its checksum.
    pub fn show(&self, model_type: &str, version: Option<u32>) -> Result<Shown> {
        let entry = self.find_version(model_type, &version.into())?;
        let sums = Sums::read(&entry.path)?;
        let manifest = read_manifest(&entry.path, &sums)?;
        let mut files = Vec::new();
        for name in [ARTIFACT, WEIGHTS] {
            let bytes = sums.checked(&entry.path, name)?;
            if name == WEIGHTS {
                weights_of(&bytes, &entry.path.join(WEIGHTS))?;
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
        self.find_version(model_type, &Which::Version(version))?;
        let _lock = self.lock()?;
        self.remove(model_type, version, true)
    }

    /// Takes a version away; the caller holds the lock.
    fn remove(&self, model_type: &str, version: u32, force: bool) -> Result<Entry> {
        let entry = self.find_version(model_type, &Which::Version(version))?;
        let folder = self.root.join(&entry.name);
        let mut standing = Standing::read(&folder)?;
        if !force {
            refuse_named(&entry)?;
        }
        if version > last_deleted(&folder)? {
            atomic::write_file(&folder.join(DELETED), format!("{version}\n").as_bytes())?;
        }
        // The names first: killed in between, there is a version without an alias, and no alias without a version.
        let before = standing.clone();
        standing.forget(version);
        if standing != before {
            standing.write(&folder)?;
        }
        // Out of sight at once; the stage takes it away with itself, or its leftovers go with the next writer.
        let stage = Stage::create(&folder)?;
        fs::rename(&entry.path, stage.path().join("deleted"))
            .map_err(|cause| failed("delete", &entry.path, cause))?;
        self.no_longer_waits(&entry);
        Ok(entry)
    }

    /// Held by whoever brings models to a server or from one: two at once would bring the same one twice. Waits for the other.
    pub fn exchange(&self) -> Result<File> {
        atomic::make_folder(&self.root)?;
        hold(&self.root.join(EXCHANGE))
    }

    /// Serialises writers, other processes included. Readers need no lock: versions appear whole.
    fn lock(&self) -> Result<File> {
        atomic::make_folder(&self.root)?;
        hold(&self.root.join(LOCK))
    }

    fn next_version(&self, folder: &Path) -> Result<u32> {
        let newest = versions(folder)?.last().copied().unwrap_or(0);
        newest
            .max(last_deleted(folder)?)
            .checked_add(1)
            .ok_or_else(|| Error::internal(format!("no number is left in `{}`", folder.display())))
    }

    /// Aliases and stages for whoever looks by number or at everything: a damaged file hides no model. Who asks for an alias is told.
    fn standing(&self, name: &str) -> Standing {
        Standing::read(&self.root.join(name)).unwrap_or_default()
    }

    fn entry(&self, name: &str, model_type: &str, version: u32, standing: &Standing) -> Entry {
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
            aliases: standing.aliases_of(version),
            stage: standing.stage_of(version),
            uri: None,
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

    /// The version that is meant; where it does not exist, what there is instead.
    fn find_version(&self, model_type: &str, which: &Which) -> Result<Entry> {
        let name = self.name(model_type)?;
        let folder = self.root.join(&name);
        let there = versions(&folder)?;
        let Some(newest) = there.last() else {
            return Err(self.nothing_of(&name, model_type)?);
        };
        let numbers = |numbers: &[u32]| {
            let texts: Vec<_> = numbers.iter().map(u32::to_string).collect();
            texts.join(", ")
        };
        let (version, standing) = match which {
            Which::Newest => (*newest, self.standing(&name)),
            Which::Version(version) if there.contains(version) => (*version, self.standing(&name)),
            Which::Version(version) => {
                return Err(Error::input(format!(
                    "`{name}` has no version {version}, there is {}",
                    numbers(&there)
                )));
            }
            Which::Alias(alias) => {
                let standing = Standing::read(&folder)?;
                let version = standing.aliases.get(alias).copied();
                let version = version.filter(|version| there.contains(version));
                let version = version.ok_or_else(|| {
                    let known: Vec<_> = (standing.aliases.iter())
                        .map(|(alias, version)| format!("`{alias}` (version {version})"))
                        .collect();
                    Error::input(format!("`{name}` has no alias `{alias}`")).hint(
                        match known.is_empty() {
                            true => format!(
                                "give it to a version: `senti-ai models promote {model_type}/{newest} --alias {alias}`"
                            ),
                            false => format!("there is {}", known.join(", ")),
                        },
                    )
                })?;
                (version, standing)
            }
            Which::Stage(stage) => {
                let standing = Standing::read(&folder)?;
                let inside = |version: &&u32| standing.stage_of(**version) == *stage;
                let version = there.iter().rev().find(inside).copied();
                let version = version.ok_or_else(|| {
                    Error::input(format!("`{name}` has no version in stage {stage}")).hint(format!(
                        "put one there: `senti-ai models promote {model_type}/{newest} --stage {stage}`"
                    ))
                })?;
                (version, standing)
            }
        };
        Ok(self.entry(&name, model_type, version, &standing))
    }

    /// The error of a name without any version.
    fn nothing_of(&self, name: &str, model_type: &str) -> Result<Error> {
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
        Ok(error.hint(if others.is_empty() {
            format!("train one first: `senti-ai train --model_type {model_type}`")
        } else {
            format!("there is a model of type {}", others.join(", "))
        }))
    }

    /// The model type that a reference names, by itself or as a part of a registered name.
    pub fn type_of<'a>(&self, which: &'a Reference) -> &'a str {
        match which.name.strip_prefix(&self.base) {
            Some("") => "basic",
            Some(rest) if rest.len() > 1 && rest.starts_with('_') => &rest[1..],
            _ => &which.name,
        }
    }
}

impl Backend for Registry {
    fn says(&self) -> String {
        format!("registry `{}`", self.root.display())
    }

    fn name_of(&self, model_type: &str) -> Result<String> {
        self.name(model_type)
    }

    fn find(&self, which: &Reference) -> Result<Entry> {
        self.find_version(self.type_of(which), &which.which)
    }

    fn files(&self, entry: &Entry) -> Result<Files> {
        let read = |name: &str| {
            let path = entry.path.join(name);
            fs::read(&path).map_err(|cause| failed("read", &path, cause))
        };
        let place = entry.path.display().to_string();
        let sums = fs::read(entry.path.join(SUMS))
            .map_err(|cause| failed("read checksums", &entry.path.join(SUMS), cause))?;
        Files::checked(read(ARTIFACT)?, read(WEIGHTS)?, sums, &place)
    }

    fn add(&self, files: &Files, now: Time) -> Result<(Entry, bool)> {
        // Nothing is taken in that could not be loaded.
        let artifact = files.artifact("the model")?;
        let model_type = artifact.manifest.plan.model_type.clone();
        let name = self.name(&model_type)?;
        let folder = self.root.join(&name);
        for version in versions(&folder)?.into_iter().rev() {
            let entry = self.entry(&name, &model_type, version, &self.standing(&name));
            // Damaged files are not the same, whatever their checksums say.
            if Backend::files(self, &entry).is_ok_and(|there| there == *files) {
                return Ok((entry, true));
            }
        }
        Ok((self.keep(files, name, &model_type, now)?, false))
    }

    fn save(&self, artifact: &Artifact, now: Time) -> Result<Entry> {
        Self::save(self, artifact, &artifact.manifest.plan.model_type, now)
    }

    fn list(&self) -> Result<Vec<Row>> {
        let rows = Self::list(self)?.into_iter().map(|listed| Row {
            entry: listed.entry,
            facts: listed.manifest.map(|manifest| Facts::of(&manifest)),
        });
        Ok(rows.collect())
    }

    fn promote(&self, which: &Reference, to: &Promotion) -> Result<Entry> {
        check_promotion(to)?;
        // A model that is not there leaves no folder behind, not even that of the lock.
        Backend::find(self, which)?;
        let _lock = self.lock()?;
        // Looked up again: others may have promoted or deleted meanwhile.
        let entry = Backend::find(self, which)?;
        let folder = self.root.join(&entry.name);
        let mut standing = Standing::read(&folder)?;
        match to {
            Promotion::Alias(alias) => drop(standing.aliases.insert(alias.clone(), entry.version)),
            Promotion::Stage { stage, archive } => standing.stage(entry.version, *stage, *archive),
        }
        standing.write(&folder)?;
        Ok(self.entry(&entry.name, &entry.model_type, entry.version, &standing))
    }

    fn delete(&self, which: &Reference, force: bool) -> Result<Entry> {
        Backend::find(self, which)?;
        let _lock = self.lock()?;
        let entry = Backend::find(self, which)?;
        self.remove(&entry.model_type, entry.version, force)
    }
}

/// A lock, once nobody else has it.
fn hold(path: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|cause| failed("write", path, cause))?;
    match file.lock() {
        Ok(()) => Ok(file),
        // No locks here (some network disks): the rename is the last line of defence.
        Err(cause) if cause.kind() == ErrorKind::Unsupported => Ok(file),
        Err(cause) => Err(failed("lock", path, cause)),
    }
}

/// Loads a model from its folder, wherever that is.
pub fn load_folder(folder: &Path) -> Result<Artifact> {
    let sums = Sums::read(folder)?;
    let manifest = read_manifest(folder, &sums)?;
    let tensors = weights_of(&sums.checked(folder, WEIGHTS)?, &folder.join(WEIGHTS))?;
    Ok(Artifact { manifest, tensors })
}

/// Does this folder look like a model's?
pub fn is_model(folder: &Path) -> bool {
    folder.join(ARTIFACT).is_file()
}

/// Checksums of a version.
pub(super) struct Sums(Vec<(String, String)>);

impl Sums {
    fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(SUMS);
        let text =
            fs::read_to_string(&path).map_err(|cause| failed("read checksums", &path, cause))?;
        Self::parse(&text, &folder.display().to_string())
    }

    /// Reads the text of the file of checksums in `place`.
    pub(super) fn parse(text: &str, place: &str) -> Result<Self> {
        let sums: Vec<_> = text
            .lines()
            .filter_map(|line| line.split_once("  "))
            .map(|(sum, name)| (name.to_string(), sum.to_string()))
            .collect();
        for name in [ARTIFACT, WEIGHTS] {
            if !sums.iter().any(|(known, _)| known == name) {
                let path = Path::new(place).join(SUMS);
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
        self.check(name, &bytes, &path.display().to_string())?;
        Ok(bytes)
    }

    /// Are these the bytes of this file? An error names `place`.
    pub(super) fn check(&self, name: &str, bytes: &[u8], place: &str) -> Result<()> {
        let found = sha256(bytes);
        let wanted = self.of(name).unwrap_or_default();
        if found == wanted {
            return Ok(());
        }
        Err(damaged(
            Path::new(place),
            &format!("was altered: its SHA-256 is {found}, wanted {wanted}"),
        ))
    }
}

fn damaged(path: &Path, what: &str) -> Error {
    Error::data(format!("`{}` {what}", path.display()))
        .hint("take another version or train again; this one is left as it is")
}

fn read_manifest(folder: &Path, sums: &Sums) -> Result<Manifest> {
    manifest_of(&sums.checked(folder, ARTIFACT)?, &folder.join(ARTIFACT))
}

/// What the bytes of a manifest say; `path` is where they stand.
pub(super) fn manifest_of(bytes: &[u8], path: &Path) -> Result<Manifest> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
        code_version: String,
    }
    let head: Head = serde_json::from_slice(bytes)
        .map_err(|cause| damaged(path, "is not an artifact").because(cause))?;
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
    serde_json::from_slice(bytes)
        .map_err(|cause| damaged(path, "is not an artifact").because(cause))
}

/// A checksum tells that nothing was altered since, not that the values make sense: that is looked at here.
pub(super) fn weights_of(bytes: &[u8], path: &Path) -> Result<Vec<Tensor>> {
    weights::from_bytes(bytes)
        .and_then(|tensors| weights::check_finite(&tensors).map(|()| tensors))
        .map_err(|why| damaged(path, &format!("cannot be used: {why}")))
}

/// The manifest as it is kept. It is read back once, so that nothing is registered that could not be loaded (JSON has no NaN).
pub(super) fn manifest_bytes(manifest: &Manifest) -> Result<Vec<u8>> {
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
pub(super) fn check_word(what: &str, word: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if !word.is_empty() && word.len() <= 100 && !word.starts_with('.') && word.chars().all(fits) {
        return Ok(());
    }
    Err(Error::input(format!(
        "{what} is `{word}`, wanted up to 100 letters, digits, `_`, `-` or `.`"
    )))
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
