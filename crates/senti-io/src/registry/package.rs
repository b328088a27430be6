//! What is uploaded of a model: a package that Python loads, with our own files inside.
//!
//! In come a model's files and where the package will be; out go paths within the package and bytes. Ours lie under `senti/` as they are
//! in the local registry, byte for byte, so that whoever pulls the model has the very same.

use senti::artifact::Artifact;
use senti::table::Time;
use senti::{Error, Result};

use super::Files;
use crate::onnx::package::{self, About, OWN};

/// Where a package will be.
pub struct Wrapping<'a> {
    /// Place within the run, or the address of the logged model's artifacts.
    pub artifact_path: &'a str,
    /// Run that the model came from.
    pub run_id: &'a str,
    /// Logged model; none before MLflow 3.
    pub model_id: Option<&'a str>,
    /// When it is made.
    pub created: Time,
}

/// The files of the package.
pub fn files(
    files: &Files,
    artifact: &Artifact,
    wrapping: &Wrapping<'_>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let about = About {
        artifact_path: wrapping.artifact_path.into(),
        run_id: Some(wrapping.run_id.into()),
        model_id: wrapping.model_id.map(str::to_owned),
        // Of the model itself: packing it again gives the same.
        model_uuid: files.digest()[..32].into(),
        created: wrapping.created,
    };
    let packed = package::files(artifact, &about)
        .map_err(|error| error.within("the model cannot be packed for MLflow"))?;
    // A model that an older version saved has other bytes than it would be given now.
    let ours = format!("{OWN}/");
    let mut packed: Vec<_> = packed
        .into_iter()
        .filter(|(path, _)| !path.starts_with(&ours))
        .collect();
    let each = files.each();
    packed.extend(each.map(|(name, bytes)| (format!("{ours}{name}"), bytes.to_vec())));
    Ok(packed)
}

/// A time as Python's `str(datetime)` has it, in UTC.
pub fn python_time(time: Time) -> Result<String> {
    let time = jiff::Timestamp::from_millisecond(time)
        .map_err(|cause| Error::internal(format!("{time} ms is not a time")).because(cause))?;
    Ok(time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
}
