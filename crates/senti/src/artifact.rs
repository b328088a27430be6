//! The artifact: everything that a forecast needs and everything that tells where a model came from.
//!
//! It holds the weights and all that was learned from data. No flag and no training data are needed beside it. Files are written by
//! `senti-io`: tensors as safetensors, the rest as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::observe::{EpochRecord, Sizes};
use crate::plan::{LEVELS, Plan};
use crate::table::{Role, Time};
use crate::{Error, Result};

/// Version of the artifact's layout; raised when an older reader could misread it.
pub const FORMAT: u32 = 2;

/// Numbers of a tensor.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Single precision: neural weights.
    F32(Vec<f32>),
    /// Double precision: classical coefficients.
    F64(Vec<f64>),
}

/// A named array, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Name by the convention of the framework it is borrowed from.
    pub name: String,
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// The numbers.
    pub values: Values,
}

/// A column that the model was trained with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnRecord {
    /// Name in the source.
    pub name: String,
    /// What it means.
    pub role: Role,
}

/// Where and when the training data were.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    /// What the source called itself (a path, "embedded sample").
    pub source: String,
    /// Options that say how to read the same rows again, by name; empty in artifacts that are older than this record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub read_with: BTreeMap<String, String>,
    /// SHA-256 of the table in hexadecimal.
    pub digest: String,
    /// Rows after filling.
    pub rows: usize,
    /// First row.
    pub first: Time,
    /// Last row.
    pub last: Time,
    /// Milliseconds of a step.
    pub step: i64,
    /// Step and open slots of the week; none in artifacts that are older than this record. See [`DataRecord::calendar()`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calendar: Option<Calendar>,
    /// Columns and their roles.
    pub columns: Vec<ColumnRecord>,
}

impl DataRecord {
    /// The calendar of the rows: the recorded one, or, where none was recorded, the one that the rows prove. Rows on every slot from the
    /// first to the last leave no slot that could be closed, if they cover a week.
    ///
    /// # Errors
    /// Where nothing was recorded and rows are missing: closed slots and gaps cannot be told apart.
    pub fn calendar(&self) -> Result<Calendar> {
        if let Some(calendar) = &self.calendar {
            return Ok(calendar.clone());
        }
        let slots = (self.last - self.first) / self.step + 1;
        if usize::try_from(slots) == Ok(self.rows) && self.last - self.first >= WEEK {
            return Ok(Calendar::continuous(self.step, self.first));
        }
        Err(Error::data(format!(
            "the model was trained by a version that did not record which slots of the week are open, and its {} rows leave some of {slots} out",
            self.rows
        ))
        .hint("train it again"))
    }
}

/// Milliseconds of a week.
const WEEK: i64 = 7 * 86_400_000;

/// First and last origin of a part of the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartRecord {
    /// `train`, `valid`, `calibration` or `test`.
    pub part: String,
    /// Windows.
    pub windows: usize,
    /// First origin.
    pub first_origin: Time,
    /// Last origin.
    pub last_origin: Time,
}

/// Everything but the weights.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Manifest {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Version of the program.
    pub code_version: String,
    /// Instruction set that trained it: the same set gives the same bits.
    pub simd: String,
    /// The plan.
    pub plan: Plan,
    /// The training data.
    pub data: DataRecord,
    /// Name of the target column.
    pub target_column: String,
    /// The parts.
    pub split: Vec<PartRecord>,
    /// Sizes of parts and matrix.
    pub sizes: Sizes,
    /// Features and their learned forms.
    pub features: crate::features::FeatureSet,
    /// Winsorisation and scaling, learned on training rows.
    pub preparation: crate::prepare::Preparation,
    /// What the model keeps beside its tensors (scales of the target and the like).
    pub model: serde_json::Value,
    /// Interval calibration, learned on the calibration part.
    pub calibration: crate::calibrate::Calibration,
    /// Scores on the test part, model and naive.
    pub evaluation: crate::evaluation::Evaluation,
    /// Training history.
    pub history: Vec<EpochRecord>,
    /// Epoch whose weights were kept; 0 is the untrained model, and where nothing is trained by epochs.
    pub best_epoch: usize,
    /// Validation loss of the untrained model; none where nothing is trained by epochs.
    pub untrained_loss: Option<f64>,
}

impl Manifest {
    /// Do the parts fit each other? A file that was written by hand, or by another program, need not.
    pub fn check(&self) -> Result<()> {
        let refuse = |what: &str| {
            Err(Error::data(format!("the artifact's {what}"))
                .hint("take another version, or train again"))
        };
        let n_features = self.features.len();
        if self.preparation.columns().len() != n_features {
            return refuse("preparation and features are not of the same number");
        }
        if n_features == 0 || n_features != self.sizes.features {
            return refuse("number of features is not the one it records");
        }
        if !self
            .calibration
            .fits(self.plan.forecast_horizon, LEVELS.len())
        {
            return refuse("calibration does not fit its plan");
        }
        if self.data.step <= 0 {
            return refuse("step is not positive");
        }
        Ok(())
    }
}

/// A trained model, complete in itself.
#[derive(Clone, Debug)]
pub struct Artifact {
    /// Everything but the weights.
    pub manifest: Manifest,
    /// The weights.
    pub tensors: Vec<Tensor>,
}

/// A training interrupted or in progress: enough to end with the same bytes as an undisturbed run.
#[derive(Clone, Debug)]
pub struct State {
    /// Everything but the tensors.
    pub manifest: StateManifest,
    /// Weights, optimiser moments, best weights.
    pub tensors: Vec<Tensor>,
}

/// The small part of a [`State`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StateManifest {
    /// [`FORMAT`] when it was written.
    pub format: u32,
    /// Version of the program.
    pub code_version: String,
    /// Instruction set.
    pub simd: String,
    /// The plan.
    pub plan: Plan,
    /// SHA-256 of the table.
    pub digest: String,
    /// Epochs completed.
    pub epochs_done: usize,
    /// What the loop keeps between batches and epochs: schedules, position, running sums.
    pub progress: serde_json::Value,
    /// History so far.
    pub history: Vec<EpochRecord>,
}
