//! Files and folders that appear whole or not at all.
//!
//! In come bytes and a place; out goes a file or a folder that a reader sees complete, or an [`Error`] that names the place while what
//! stood there is untouched. Everything is first written under a hidden name in the same folder, then renamed. A file lock tells a
//! writer at work from the leftovers of one that died; leftovers are removed by the next writer. Nothing here knows what the bytes mean.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use senti::{Error, Result};

/// Every hidden name starts so: it is how leftovers are recognised.
const PREFIX: &str = ".senti-";
/// A file being written; the writer holds its lock.
const FILE: &str = ".tmp";
/// A folder being filled.
const FOLDER: &str = ".stage";
/// Stands beside a folder being filled; the writer holds its lock.
const LOCK: &str = ".lock";

/// A sentence that names the path and, for what people meet, the reason and what to do.
pub(crate) fn failed(deed: &str, path: &Path, cause: io::Error) -> Error {
    let what = format!("cannot {deed} `{}`", path.display());
    let known = |error: Error, hint: &str| error.hint(hint);
    match cause.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => known(
            Error::remote(format!("{what}: the disk is full")),
            "free some space or give another folder",
        ),
        ErrorKind::FileTooLarge => known(
            Error::remote(format!("{what}: the file is larger than the system allows")),
            "raise the limit on file sizes or give another folder",
        ),
        ErrorKind::PermissionDenied => known(
            Error::input(format!("{what}: permission denied")),
            "give a place that this user may use",
        ),
        ErrorKind::ReadOnlyFilesystem => known(
            Error::input(format!("{what}: the file system is read-only")),
            "give a folder that can be written",
        ),
        ErrorKind::NotFound => Error::input(format!("{what}: no such file or folder")),
        ErrorKind::IsADirectory => Error::input(format!("{what}: it is a folder, wanted a file")),
        ErrorKind::NotADirectory => Error::input(format!(
            "{what}: a part of the path is a file, wanted a folder"
        )),
        _ => Error::remote(what).because(cause),
    }
}

/// Makes a folder and those above it.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    match fs::create_dir_all(path) {
        Ok(()) => Ok(()),
        // `create_dir_all` says "exists" when a file stands in the way.
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Err(Error::input(format!(
            "cannot make folder `{}`: a file of that name exists",
            path.display()
        ))
        .hint("give another folder")),
        Err(cause) => Err(failed("make folder", path, cause)),
    }
}

/// Waits until names in a folder are on disk. Systems that cannot do it for folders say so; there is nothing better to do then.
fn sync_folder(path: &Path) {
    if let Ok(folder) = File::open(path) {
        let _ = folder.sync_all();
    }
}

/// Waits until everything in a folder is on disk, and the folder.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.file_type()?.is_dir() {
            true => sync_all(&entry.path())?,
            false => File::open(entry.path())?.sync_all()?,
        }
    }
    sync_folder(folder);
    Ok(())
}

/// The folder that a path stands in; `.` where it names none.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// A name nobody else uses: process, and a counter within it.
fn hidden_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{count}", std::process::id())
}

/// Makes a new file `<hidden><ending>` in `folder` and holds its lock. Where a cleaner takes the file for a leftover in the instant
/// between making and locking it, another name is taken.
fn create_locked(folder: &Path, ending: &str) -> io::Result<(File, PathBuf)> {
    loop {
        let path = folder.join(hidden_name() + ending);
        let file = match File::options().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
            opened => opened?,
        };
        // A file system without locks still works; its leftovers are then left for a person to remove.
        let held = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if held && path.exists() {
            return Ok((file, path));
        }
    }
}

/// Removes what writers that died have left in a folder; those at work hold a lock and keep theirs. Returns what was removed.
pub fn remove_leftovers(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut removed = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        if !(name.ends_with(FILE) || name.ends_with(LOCK)) {
            continue;
        }
        let path = entry.path();
        let Ok(file) = File::options().write(true).open(&path) else {
            continue;
        };
        if file.try_lock().is_err() {
            continue;
        }
        if let Some(stem) = name.strip_suffix(LOCK) {
            let stage = folder.join(format!("{stem}{FOLDER}"));
            if stage.exists() {
                if fs::remove_dir_all(&stage).is_err() {
                    continue;
                }
                removed.push(stage);
            }
        }
        if fs::remove_file(&path).is_ok() {
            removed.push(path);
        }
    }
    removed
}

/// A file being written beside its place; it takes its place on [`Pending::commit`] and vanishes when dropped before.
#[derive(Debug)]
pub struct Pending {
    file: File,
    hidden: PathBuf,
    target: PathBuf,
    committed: bool,
}

impl Pending {
    /// Starts a file that will stand at `target`.
    pub fn create(target: &Path) -> Result<Self> {
        let folder = folder_of(target);
        make_folder(&folder)?;
        if target.is_dir() {
            return Err(failed("write", target, ErrorKind::IsADirectory.into()));
        }
        let (file, hidden) =
            create_locked(&folder, FILE).map_err(|cause| failed("write", target, cause))?;
        Ok(Self {
            file,
            hidden,
            target: target.to_path_buf(),
            committed: false,
        })
    }

    /// Puts what was written on disk, still under its hidden name. Some disks say only now that they are full.
    pub fn sync(&self) -> Result<()> {
        let synced = self.file.sync_all();
        synced.map_err(|cause| failed("write", &self.target, cause))
    }

    /// Puts the file on disk and in its place. In this order, or a name could outlive a power cut and its bytes not.
    pub fn commit(mut self) -> Result<()> {
        self.sync()?;
        let target = &self.target;
        fs::rename(&self.hidden, target).map_err(|cause| failed("write", target, cause))?;
        self.committed = true;
        sync_folder(&folder_of(target));
        Ok(())
    }

    /// The same for a place where nothing may stand: `false` when something does, which is left as it is.
    pub fn commit_new(self) -> Result<bool> {
        self.sync()?;
        let target = &self.target;
        // A second name for the file fails where the name is taken, which a rename does not. The first one goes with `self`.
        match fs::hard_link(&self.hidden, target) {
            Ok(()) => {
                sync_folder(&folder_of(target));
                Ok(true)
            }
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Ok(false),
            // No second names here (FAT, some network disks): between looking and renaming there is a moment.
            Err(_) if target.symlink_metadata().is_err() => self.commit().map(|()| true),
            Err(_) => Ok(false),
        }
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.committed {
            let _ = fs::remove_file(&self.hidden);
        }
    }
}

/// Writes a file whole or not at all.
pub fn write_file(target: &Path, bytes: &[u8]) -> Result<()> {
    let mut pending = Pending::create(target)?;
    pending
        .write_all(bytes)
        .map_err(|cause| failed("write", target, cause))?;
    pending.commit()
}

/// A hidden folder being filled. It becomes a folder of its own ([`Stage::publish`]) or its files take their places one after the
/// other ([`Stage::spread`]); dropped before, it vanishes.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    lock_path: PathBuf,
    /// Held, never read.
    _lock: File,
}

impl Stage {
    /// Starts a folder inside `parent`, which is made when missing. Leftovers of earlier writers are removed.
    pub fn create(parent: &Path) -> Result<Self> {
        make_folder(parent)?;
        remove_leftovers(parent);
        let (lock, lock_path) =
            create_locked(parent, LOCK).map_err(|cause| failed("write to", parent, cause))?;
        let folder = lock_path.with_extension(&FOLDER[1..]);
        let stage = Self {
            folder,
            lock_path,
            _lock: lock,
        };
        fs::create_dir(&stage.folder).map_err(|cause| failed("write to", parent, cause))?;
        Ok(stage)
    }

    /// Where to write until then.
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes a file of this name into the folder; folders that the name begins with are made. An error names `shown`, the place where
    /// it will stand.
    pub fn write(&self, name: &str, bytes: &[u8], shown: &Path) -> Result<()> {
        let path = self.folder.join(name);
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, bytes))
            .map_err(|cause| failed("write", &shown.join(name), cause))
    }

    fn names(&self) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(&self.folder)?
            .map(|entry| Ok(entry?.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    /// Waits until files and folder are on disk.
    fn sync(&self) -> io::Result<()> {
        sync_all(&self.folder)
    }

    /// Becomes `target`, which must not exist: `false` when it does (somebody was faster). Its files are on disk before.
    pub fn publish(&self, target: &Path) -> Result<bool> {
        self.sync()
            .map_err(|cause| failed("write", target, cause))?;
        if target.exists() {
            return Ok(false);
        }
        match fs::rename(&self.folder, target) {
            Ok(()) => {
                sync_folder(&folder_of(target));
                Ok(true)
            }
            Err(cause)
                if matches!(
                    cause.kind(),
                    ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty
                ) =>
            {
                Ok(false)
            }
            Err(cause) => Err(failed("write", target, cause)),
        }
    }

    /// Moves its files into `target`, replacing those of the same names, and returns their places, sorted. Everything is complete
    /// before the first file moves; results can be made again, so they are left to the system to put on disk in its own time.
    pub fn spread(self, target: &Path) -> Result<Vec<PathBuf>> {
        let names = self
            .names()
            .map_err(|cause| failed("read", &self.folder, cause))?;
        let places: Vec<_> = names.iter().map(|name| target.join(name)).collect();
        // The only thing that can stand in the way of a rename is a folder of that name: look before the first one moves.
        if let Some(place) = places.iter().find(|place| place.is_dir()) {
            return Err(failed("write", place, ErrorKind::IsADirectory.into()));
        }
        for (name, place) in names.iter().zip(&places) {
            fs::rename(self.folder.join(name), place)
                .map_err(|cause| failed("write", place, cause))?;
        }
        Ok(places)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.folder.exists() {
            let _ = fs::remove_dir_all(&self.folder);
        }
        let _ = fs::remove_file(&self.lock_path);
    }
}
