//! Checkpoints: one file that holds a training in progress, for `--resume`.
//!
//! In comes a [`State`]; out goes a file that replaces the one before at once, and the state again. The one before is kept as
//! `<name>.previous`; it is used when the newest is torn or altered, and the reader is told. Never touches the registry.
//!
//! ```text
//! 8 bytes   "SENTICKP"
//! 4 bytes   format, little endian
//! 8 bytes   length of the manifest, little endian
//!           the manifest, JSON
//!           the tensors, safetensors
//! 32 bytes  SHA-256 of everything above
//! ```

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use senti::artifact::{FORMAT, State, StateManifest};
use senti::{Error, Result};
use sha2::{Digest, Sha256};

use crate::atomic::{Pending, failed};
use crate::weights;

const MAGIC: &[u8; 8] = b"SENTICKP";
const HEAD: usize = 20;
const SUM: usize = 32;

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
    let wrong = |cause| Error::internal("the state cannot be written as JSON").because(cause);
    let manifest = serde_json::to_vec(&state.manifest).map_err(wrong)?;
    // JSON has no NaN: what could not be read back is not written.
    serde_json::from_slice::<StateManifest>(&manifest).map_err(wrong)?;
    let tensors = weights::to_bytes(&state.tensors)?;
    let (format, length) = (FORMAT.to_le_bytes(), (manifest.len() as u64).to_le_bytes());
    let mut sum = Sha256::new();
    let mut pending = Pending::create(path)?;
    let mut write = |bytes: &[u8]| {
        pending
            .write_all(bytes)
            .map_err(|cause| failed("write", path, cause))
    };
    for bytes in [&MAGIC[..], &format, &length, &manifest, &tensors] {
        sum.update(bytes);
        write(bytes)?;
    }
    write(&sum.finalize())?;
    pending.sync()?;
    Ok(pending)
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
    let bytes = fs::read(path).map_err(|cause| failed("read checkpoint", path, cause))?;
    parse(&bytes).map_err(|fault| {
        let shown = path.display();
        match fault {
            Fault::Foreign => Error::input(format!("`{shown}` is not a checkpoint of senti-ai"))
                .hint("train anew without `--resume`"),
            Fault::Format(found) => Error::unsupported(format!(
                "checkpoint `{shown}` has format {found}, wanted {FORMAT}"
            ))
            .hint("use the version of senti-ai that wrote it, or train anew without `--resume`"),
            Fault::Torn(why) => Error::data(format!("checkpoint `{shown}` is damaged: {why}"))
                .hint("train anew without `--resume`"),
        }
    })
}

enum Fault {
    Foreign,
    Format(u32),
    Torn(String),
}

fn parse(bytes: &[u8]) -> Result<State, Fault> {
    let torn = |why: &str| Fault::Torn(why.into());
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(torn(&format!("it ends after {} bytes", bytes.len())));
    };
    if magic != MAGIC {
        return Err(Fault::Foreign);
    }
    let Some((format, _)) = rest.split_first_chunk::<4>() else {
        return Err(torn(&format!("it ends after {} bytes", bytes.len())));
    };
    // The format before the sum: a later format may sum differently.
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(Fault::Format(format));
    }
    let Some((body, sum)) = bytes.split_last_chunk::<SUM>() else {
        return Err(torn(&format!("it ends after {} bytes", bytes.len())));
    };
    if Sha256::digest(body).as_slice() != sum {
        return Err(torn("its checksum does not fit, it was cut off or altered"));
    }
    let length = body
        .get(12..HEAD)
        .and_then(|length| length.try_into().ok())
        .map(u64::from_le_bytes)
        .and_then(|length| usize::try_from(length).ok())
        .and_then(|length| length.checked_add(HEAD))
        .filter(|end| *end <= body.len())
        .ok_or_else(|| torn("the length of its manifest is wrong"))?;
    let manifest = serde_json::from_slice(&body[HEAD..length])
        .map_err(|cause| Fault::Torn(cause.to_string()))?;
    let tensors = weights::from_bytes(&body[length..]).map_err(Fault::Torn)?;
    Ok(State { manifest, tensors })
}
