//! A model's weights for other frameworks: one safetensors file that says what it is.
//!
//! In comes an [`Artifact`]; out go bytes, the same for the same artifact. Names and layout are those of the registry's `weights.safetensors`
//! (`docs/weights.md`); what is added is metadata: the plan, the features in their order, how they are prepared, and what the outputs mean.

use senti::artifact::Artifact;
use senti::{Error, Result};
use serde_json::{Value, json};

use super::{PLAN, check_finite, to_bytes};

/// What the metadata calls this layout.
const FORMAT: &str = "senti-ai weights 1";

/// Weights of a model as safetensors, with metadata that tells a stranger what they are.
///
/// Every value of the metadata is a text, as the format wants it; `plan`, `features`, `preparation`, `model` and `calibration` are JSON.
pub fn export(artifact: &Artifact) -> Result<Vec<u8>> {
    let manifest = &artifact.manifest;
    check_finite(&artifact.tensors)
        .map_err(|why| Error::data(format!("the weights cannot be exported: {why}")))?;
    let metadata = [
        ("format", json!(FORMAT)),
        ("code_version", json!(manifest.code_version)),
        ("model_type", json!(manifest.plan.model_type)),
        (PLAN, json!(manifest.plan)),
        ("target_column", json!(manifest.target_column)),
        ("features", json!(manifest.features.names())),
        ("preparation", json!(manifest.preparation)),
        ("model", manifest.model.clone()),
        ("calibration", json!(manifest.calibration)),
    ];
    with_metadata(&to_bytes(&artifact.tensors)?, &metadata)
}

/// The same file with more metadata, in alphabetical order: the safetensors library would write it in a random one.
fn with_metadata(file: &[u8], metadata: &[(&str, Value)]) -> Result<Vec<u8>> {
    let broken = || Error::internal("the weights' header cannot be written");
    let (length, rest) = file.split_first_chunk().ok_or_else(broken)?;
    let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| broken())?;
    let (header, data) = rest.split_at_checked(length).ok_or_else(broken)?;
    let mut header: Value =
        serde_json::from_slice(header).map_err(|cause| broken().because(cause))?;
    for (key, value) in metadata {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        header["__metadata__"][*key] = json!(text);
    }
    let mut header = header.to_string().into_bytes();
    // data begin at a multiple of 8
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut out = (header.len() as u64).to_le_bytes().to_vec();
    out.extend_from_slice(&header);
    out.extend_from_slice(data);
    Ok(out)
}
