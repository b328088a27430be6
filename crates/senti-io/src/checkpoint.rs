//! Checkpoints: one file that holds a training in progress, for `--resume`.
//!
//! In comes a [`State`]; out goes a file that replaces the one before at once, and the state again. The one before is kept as
//! `<name>.previous`; it is used when the newest is torn or altered, and the reader is told. Never touches the registry. The bytes are
//! those of a sealed file.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use senti::artifact::{FORMAT, State, StateManifest};
use senti::{Error, Result};

use crate::atomic::{Pending, failed};
use crate::sealed::{self, Fault};

const MAGIC: &[u8; 8] = b"SENTICKP";

/// A state read from disk.
#[derive(Debug)]
pub struct Loaded {
    /// The training in progress.
    pub state: State,
    /// Why the previous checkpoint was taken instead of the newest, where it was.
    pub note: Option<String>,
}

/// Where the checkpoint before this one is kept.
pub fn previous(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".previous");
    PathBuf::from(name)
}

/// Is there a checkpoint, or at least the one before it?
pub fn exists(path: &Path) -> bool {
    path.exists() || previous(path).exists()
}

/// Writes a state; the file that stood there becomes the previous one.
pub fn save(path: &Path, state: &State) -> Result<()> {
    let pending = write(path, state)?;
    // A second name for the old file, so that there is no moment without a checkpoint at `path`.
    let previous = previous(path);
    if path.exists() {
        let _ = fs::remove_file(&previous);
        if fs::hard_link(path, &previous).is_err() {
            fs::copy(path, &previous).map_err(|cause| failed("write", &previous, cause))?;
        }
    }
    pending.commit()
}

/// Writes a state in the place of a damaged one; the one before it stays the previous one, for it is all there is until then.
pub fn replace_damaged(path: &Path, state: &State) -> Result<()> {
    write(path, state)?.commit()
}

/// A state on disk, still under a hidden name: when the disk is full no older one has been touched.
fn write(path: &Path, state: &State) -> Result<Pending> {
    sealed::pending(path, MAGIC, &state.manifest, &state.tensors)
}

/// Reads the newest state that is whole.
pub fn load(path: &Path) -> Result<Loaded> {
    let newest = match read(path) {
        Ok(state) => return Ok(Loaded { state, note: None }),
        Err(error) => error,
    };
    let previous = previous(path);
    if !previous.exists() {
        return Err(newest);
    }
    match read(&previous) {
        Ok(state) => Ok(Loaded {
            state,
            note: Some(format!(
                "{newest}; the checkpoint before it is used instead"
            )),
        }),
        Err(older) => {
            let sentence = format!("{newest}, and the checkpoint before it is of no use either");
            let error = Error::new(newest.kind(), sentence).because(older);
            Err(match newest.hint_text() {
                Some(hint) => error.hint(hint.to_owned()),
                None => error,
            })
        }
    }
}

/// Removes a checkpoint and the one before it; none is fine. For a training that is done.
pub fn remove(path: &Path) -> Result<()> {
    // The newest goes last: whoever dies in between leaves what can be resumed.
    for path in [previous(path), path.to_path_buf()] {
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(failed("delete", &path, cause));
            }
            _ => {}
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<State> {
    let (manifest, tensors) = sealed::read::<StateManifest>(path, MAGIC).map_err(|fault| {
        let shown = path.display();
        match fault {
            Fault::Unread(error) => error,
            Fault::Foreign => Error::input(format!("`{shown}` is not a checkpoint of senti-ai"))
                .hint("train anew without `--resume`"),
            Fault::Format(found) => Error::unsupported(format!(
                "checkpoint `{shown}` has format {found}, wanted {FORMAT}"
            ))
            .hint("use the version of senti-ai that wrote it, or train anew without `--resume`"),
            Fault::Torn(why) => Error::data(format!("checkpoint `{shown}` is damaged: {why}"))
                .hint("train anew without `--resume`"),
        }
    })?;
    Ok(State { manifest, tensors })
}
