//! Sealed files: a manifest and tensors in one file that says itself whether it is whole.
//!
//! In come a manifest, tensors and eight bytes that tell one kind of file from another; out goes a file still under its hidden name, or
//! what a file holds, or why it cannot be trusted.
//!
//! ```text
//! 8 bytes   the kind: "SENTICKP" for a checkpoint, "SENTIFLD" for a fold
//! 4 bytes   format, little endian
//! 8 bytes   length of the manifest, little endian
//!           the manifest, JSON
//!           the tensors, safetensors
//! 32 bytes  SHA-256 of everything above
//! ```

use std::fs;
use std::io::Write;
use std::path::Path;

use senti::artifact::{FORMAT, Tensor};
use senti::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::atomic::{Pending, failed};
use crate::weights;

const HEAD: usize = 20;
const SUM: usize = 32;

/// Why a file cannot be trusted.
pub(crate) enum Fault {
    /// It cannot be read at all.
    Unread(Error),
    /// Another kind of file.
    Foreign,
    /// Another format.
    Format(u32),
    /// Cut off or altered.
    Torn(String),
}

/// Manifest and tensors on disk, still under a hidden name: when the disk is full no older file has been touched.
pub(crate) fn pending<M: Serialize + DeserializeOwned>(
    path: &Path,
    kind: &[u8; 8],
    manifest: &M,
    tensors: &[Tensor],
) -> Result<Pending> {
    let wrong = |cause| Error::internal("the state cannot be written as JSON").because(cause);
    let manifest = serde_json::to_vec(manifest).map_err(wrong)?;
    // JSON has no NaN: what could not be read back is not written.
    serde_json::from_slice::<M>(&manifest).map_err(wrong)?;
    let tensors = weights::to_bytes(tensors)?;
    let (format, length) = (FORMAT.to_le_bytes(), (manifest.len() as u64).to_le_bytes());
    let mut sum = Sha256::new();
    let mut pending = Pending::create(path)?;
    let mut write = |bytes: &[u8]| {
        pending
            .write_all(bytes)
            .map_err(|cause| failed("write", path, cause))
    };
    for bytes in [&kind[..], &format, &length, &manifest, &tensors] {
        sum.update(bytes);
        write(bytes)?;
    }
    write(&sum.finalize())?;
    pending.sync()?;
    Ok(pending)
}

/// What a file of this kind holds.
pub(crate) fn read<M: DeserializeOwned>(
    path: &Path,
    kind: &[u8; 8],
) -> Result<(M, Vec<Tensor>), Fault> {
    let bytes =
        fs::read(path).map_err(|cause| Fault::Unread(failed("read checkpoint", path, cause)))?;
    let torn = |why: &str| Fault::Torn(why.into());
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
        return Err(torn(&format!("it ends after {} bytes", bytes.len())));
    };
    if magic != kind {
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
    Ok((manifest, tensors))
}
