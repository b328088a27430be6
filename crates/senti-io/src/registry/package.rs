//! What is uploaded of a model: a package that Python loads, with our own files inside.
//!
//! In come a model's files and where the package will be; out go paths within the package and bytes. Ours lie under `senti/` as they are
//! in the local registry, byte for byte, so that whoever pulls the model has the very same.

use senti::artifact::Artifact;
use senti::table::Time;
use senti::{Error, Result};

use super::Files;

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
    _artifact: &Artifact,
    _wrapping: &Wrapping<'_>,
) -> Result<Vec<(String, Vec<u8>)>> {
    let ours = files.each();
    let ours = ours.map(|(name, bytes)| (format!("senti/{name}"), bytes.to_vec()));
    Ok(ours.into())
}

/// A time as Python's `str(datetime)` has it, in UTC.
pub fn python_time(time: Time) -> Result<String> {
    let time = jiff::Timestamp::from_millisecond(time)
        .map_err(|cause| Error::internal(format!("{time} ms is not a time")).because(cause))?;
    Ok(time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
}
