//! The doors: what every face calls, so that the command line, the service and Python give the same numbers.

use crate::artifact::{Artifact, State};
use crate::forecast::Forecast;
use crate::observe::Observer;
use crate::plan::Plan;
use crate::{Result, Table};

/// The machine's part: it changes the speed, and (the instruction set only) the last bits.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Threads to compute with.
    pub threads: usize,
}

/// What the source says of the data; kept in the artifact.
#[derive(Clone, Debug)]
pub struct Provenance {
    /// What the source calls itself.
    pub source: String,
    /// SHA-256 of the table in hexadecimal.
    pub digest: String,
    /// Version of the program.
    pub code_version: String,
}

/// What [`fit`] gives.
pub struct Outcome {
    /// The trained model.
    pub artifact: Artifact,
    /// The forecast from the last closed candle.
    pub forecast: Forecast,
}

/// Learns a model from a table, evaluates it on windows it never saw and forecasts from the last candle.
pub fn fit(
    _table: &Table,
    _plan: &Plan,
    _provenance: &Provenance,
    _machine: Machine,
    _resume: Option<&State>,
    _observe: &mut Observer<'_>,
) -> Result<Outcome> {
    Err(crate::Error::unsupported("stub"))
}

/// Forecasts from the last candle of a table with a trained model alone.
pub fn forecast(_artifact: &Artifact, _table: &Table, _machine: Machine) -> Result<Forecast> {
    Err(crate::Error::unsupported("stub"))
}
