//! Weights that other programs trained: Keras's, PyTorch's, and our own exported ones.
//!
//! In comes a file; out goes an [`Import`], or a sentence that says what the file is instead. What it is is told by its content, not by its name.
//! A file is data from a stranger: nothing in it is run, and memory is bounded by its size.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};
use senti::artifact::Values;
use senti::imported::{Imported, Origin};
use senti::plan::Plan;
use senti::{Error, Result};
use sha2::{Digest, Sha256};

use super::archive::Archive;
use super::hdf5::{self, Hdf5};
use super::network::{Array, Parsed};
use super::{PLAN, from_bytes, keras, torch};
use crate::atomic::failed;

/// Most bytes of a file: a network of the largest size that a plan allows.
const LARGEST: u64 = 8 << 30;

/// Bytes that tell what a file is.
const HEAD: u64 = 32;

const WANTED: &str = "give a Keras file (`.keras`, `.h5`, `.weights.h5`), a PyTorch state dict (`.pt`, `.pth`) or `.safetensors`";

/// What a file of weights gives.
#[derive(Debug)]
pub struct Import {
    /// The network.
    pub imported: Imported,
    /// Past steps that it was trained on, where the file says.
    pub steps: Option<usize>,
    /// The plan that it was trained by, in a file that `senti-ai export` wrote.
    pub plan: Option<Plan>,
    /// What the file does not say and was assumed, for people.
    pub notes: Vec<String>,
}

/// Reads a file of weights.
pub fn read(path: &Path) -> Result<Import> {
    let shown = path.display();
    let bytes = content(path)?;
    let of_file = |error: Error| {
        let error = match error.hint_text() {
            Some(_) => error,
            None => {
                error.hint("`docs/weights.md` tells which files and networks can be taken over")
            }
        };
        error.within(format!("the weights in `{shown}` cannot be taken over"))
    };
    let digest = Sha256::digest(&bytes);
    let sha256: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let parsed = parse(bytes).map_err(of_file)?;
    let origin = Origin {
        format: parsed.format,
        file: shown.to_string(),
        sha256,
    };
    Ok(Import {
        imported: Imported::new(origin, parsed.tensors).map_err(of_file)?,
        steps: parsed.steps,
        plan: parsed.plan,
        notes: parsed.notes,
    })
}

fn content(path: &Path) -> Result<Vec<u8>> {
    let unread = |cause| failed("read", path, cause);
    if path.is_dir() {
        let error = Error::input(format!(
            "`{}` is a folder, wanted a file of weights",
            path.display()
        ));
        return Err(match path.join("saved_model.pb").exists() {
            true => error.hint(
                "a SavedModel is no file of weights: load it in Keras and save it as `model.keras`",
            ),
            false => error.hint(WANTED),
        });
    }
    let mut file = File::open(path).map_err(unread)?;
    let length = file.metadata().map_err(unread)?.len();
    if length > LARGEST {
        return Err(Error::input(format!(
            "`{}` has {} GiB, wanted a file of weights of at most {}",
            path.display(),
            length >> 30,
            LARGEST >> 30
        )));
    }
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>, most| {
        let read = file.by_ref().take(most).read_to_end(bytes);
        read.map_err(|cause| failed("read", path, cause))
    };
    more(&mut bytes, HEAD)?;
    // what is none of the files is refused by its beginning, however long it is
    if may_hold_weights(&bytes) {
        more(&mut bytes, LARGEST)?;
    }
    Ok(bytes)
}

const ZIP: &[u8] = b"PK\x03\x04";

fn is_safetensors(bytes: &[u8]) -> bool {
    // the length of a header, and the header
    bytes.get(8) == Some(&b'{')
}

fn may_hold_weights(head: &[u8]) -> bool {
    head.starts_with(hdf5::MAGIC) || head.starts_with(ZIP) || is_safetensors(head)
}

fn parse(bytes: Vec<u8>) -> Result<Parsed> {
    if bytes.starts_with(hdf5::MAGIC) {
        return keras::hdf5(&Hdf5::open(bytes)?);
    }
    if bytes.starts_with(ZIP) {
        let archive = Archive::open(&bytes)?;
        let names = archive.names();
        return match (keras::is_archive(&names), torch::is_archive(&names)) {
            (true, _) => keras::archive(archive),
            (_, true) => torch::archive(archive),
            _ => Err(Error::input(
                "it is a zip archive, but neither Keras's (with `config.json` and `model.weights.h5`) nor PyTorch's (with `data.pkl`)",
            )
            .hint(WANTED)),
        };
    }
    if bytes.starts_with(torch::OLD) {
        return Err(Error::unsupported("it is written as before PyTorch 1.6")
            .hint("write it anew: `torch.save(torch.load(FILE, map_location='cpu'), OTHER)`"));
    }
    if is_safetensors(&bytes) {
        return safetensors(&bytes);
    }
    Err(Error::input(match bytes.is_empty() {
        true => "it is empty",
        false => "it is none of the files that hold weights",
    })
    .hint(WANTED))
}

/// Ours by our names, PyTorch's by PyTorch's.
fn safetensors(bytes: &[u8]) -> Result<Parsed> {
    let damaged = |cause: String| {
        Error::data("the safetensors file is damaged or cut off")
            .hint("fetch or save the file again")
            .because(cause)
    };
    let (_, header) =
        SafeTensors::read_metadata(bytes).map_err(|cause| damaged(cause.to_string()))?;
    let file = SafeTensors::deserialize(bytes).map_err(|cause| damaged(cause.to_string()))?;
    for (name, view) in file.iter() {
        if !matches!(view.dtype(), Dtype::F32 | Dtype::F64) {
            return Err(Error::unsupported(format!(
                "tensor `{name}` is {:?}, wanted single or double precision",
                view.dtype()
            ))
            .hint("save it in single precision"));
        }
    }
    let is_ours = file
        .iter()
        .any(|(name, _)| name.starts_with("bidirectional/"));
    let tensors = from_bytes(bytes).map_err(damaged)?;
    if is_ours {
        let metadata = header.metadata().as_ref();
        let plan = metadata.and_then(|map| map.get(PLAN));
        let plan = plan.map(|text| serde_json::from_str(text)).transpose();
        let plan: Option<Plan> =
            plan.map_err(|cause| Error::data("the file's plan cannot be read").because(cause))?;
        return Ok(Parsed {
            format: "Senti AI (safetensors)".into(),
            tensors,
            plan,
            ..Parsed::default()
        });
    }
    let arrays = tensors.into_iter().map(|tensor| {
        let values = match tensor.values {
            Values::F32(values) => values,
            Values::F64(values) => values.into_iter().map(|value| value as f32).collect(),
        };
        let shape = tensor.shape;
        (tensor.name, Array { shape, values })
    });
    torch::safetensors(arrays.collect())
}
