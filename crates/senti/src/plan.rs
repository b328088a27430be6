//! The plan: every choice that changes a result, checked once.
//!
//! In comes a [`Draft`] (public fields, defaults of the original program); out goes a [`Plan`], which is always valid. Thread count,
//! paths and pictures are no part of it: they change no number.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Quantile levels of every forecast: 0.05, 0.10, … 0.95.
pub const LEVELS: [f64; 19] = [
    0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55, 0.60, 0.65, 0.70, 0.75, 0.80,
    0.85, 0.90, 0.95,
];

/// What the network learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Cumulative log return from the last known close to each step.
    LogReturn,
    /// The price itself, scaled: the original's recipe.
    Price,
}

/// What training minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Mean pinball loss over the 19 levels, with a head that cannot cross.
    Pinball,
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
    /// Huber loss with delta 1.
    Huber,
}

/// A plan not yet checked.
///
/// | name | default | purpose | range |
/// | --- | --- | --- | --- |
/// | `model_type` | `lstm` | row of [`crate::models::MODELS`] | |
/// | `input_seq_length` | 30 | past steps in a window | 1 … 10 000 |
/// | `forecast_horizon` | 30 | steps ahead | 1 … 10 000 |
/// | `target` | `log_return` | what is learned | |
/// | `loss` | `pinball` | what is minimised | |
/// | `units` | 32 | units of each bidirectional layer | 1 … 4096 each, at most 8 layers |
/// | `dropout` | 0.2 | share of values dropped behind each layer | 0 … 0.99 |
/// | `batch_size` | 32 | windows in a batch | 1 … 65 536 |
/// | `learning_rate` | 0.001 | of Adam | 0 < x ≤ 1 |
/// | `epochs` | 100 | at most; 0 trains nothing | 0 … 1 000 000 |
/// | `patience` | 15 | epochs without improvement before stopping | ≥ 1 |
/// | `seed` | 42 | of every random stream | |
/// | `valid_share`, `calibration_share`, `test_share` | 0.10, 0.10, 0.15 | parts of the windows | together below 0.9 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table above is the documentation")]
pub struct Draft {
    pub model_type: String,
    pub input_seq_length: usize,
    pub forecast_horizon: usize,
    pub target: Target,
    pub loss: Loss,
    pub units: Vec<usize>,
    pub dropout: f64,
    pub batch_size: usize,
    pub learning_rate: f64,
    pub epochs: usize,
    pub patience: usize,
    pub seed: u64,
    pub valid_share: f64,
    pub calibration_share: f64,
    pub test_share: f64,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            model_type: "lstm".into(),
            input_seq_length: 30,
            forecast_horizon: 30,
            target: Target::LogReturn,
            loss: Loss::Pinball,
            units: vec![32],
            dropout: 0.2,
            batch_size: 32,
            learning_rate: 1e-3,
            epochs: 100,
            patience: 15,
            seed: 42,
            valid_share: 0.10,
            calibration_share: 0.10,
            test_share: 0.15,
        }
    }
}

/// A valid plan.
///
/// ```
/// use senti::plan::Draft;
/// let plan = Draft { forecast_horizon: 7, ..Draft::default() }.check()?;
/// assert_eq!(plan.forecast_horizon, 7);
/// assert!(Draft { forecast_horizon: 0, ..Draft::default() }.check().is_err());
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan(Draft);

impl<'de> Deserialize<'de> for Plan {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Draft::deserialize(deserializer)?
            .check()
            .map_err(serde::de::Error::custom)
    }
}

impl Deref for Plan {
    type Target = Draft;
    fn deref(&self) -> &Draft {
        &self.0
    }
}

impl Plan {
    /// The loss, as it is typed.
    pub fn loss_name(&self) -> &'static str {
        match self.loss {
            Loss::Pinball => "pinball",
            Loss::Mse => "mse",
            Loss::Mae => "mae",
            Loss::Huber => "huber",
        }
    }

    /// The target, as it is typed.
    pub fn target_name(&self) -> &'static str {
        match self.target {
            Target::LogReturn => "log_return",
            Target::Price => "price",
        }
    }

    /// The choices again, to change some and check anew.
    pub fn draft(&self) -> Draft {
        self.0.clone()
    }
}

impl Draft {
    /// Checks every range and every pair of choices that must agree.
    pub fn check(self) -> Result<Plan> {
        let whole = |name: &str, value: usize, low: usize, high: usize| {
            if (low..=high).contains(&value) {
                return Ok(());
            }
            Err(Error::plan(format!(
                "`{name}` is {value}, wanted {low} to {high}"
            )))
        };
        whole("input_seq_length", self.input_seq_length, 1, 10_000)?;
        whole("forecast_horizon", self.forecast_horizon, 1, 10_000)?;
        whole("batch_size", self.batch_size, 1, 65_536)?;
        whole("epochs", self.epochs, 0, 1_000_000)?;
        whole("patience", self.patience, 1, 1_000_000)?;
        whole("units (number of layers)", self.units.len(), 1, 8)?;
        for &units in &self.units {
            whole("units", units, 1, 4096)?;
        }
        let share = |name: &str, value: f64, fits: bool, wanted: &str| {
            if fits {
                return Ok(());
            }
            Err(Error::plan(format!("`{name}` is {value}, wanted {wanted}")))
        };
        share(
            "dropout",
            self.dropout,
            (0.0..=0.99).contains(&self.dropout),
            "0 to 0.99",
        )?;
        let rate = self.learning_rate;
        share(
            "learning_rate",
            rate,
            rate > 0.0 && rate <= 1.0,
            "more than 0 and at most 1",
        )?;
        for (name, value) in [
            ("valid_share", self.valid_share),
            ("calibration_share", self.calibration_share),
            ("test_share", self.test_share),
        ] {
            share(
                name,
                value,
                value > 0.0 && value < 0.9,
                "more than 0 and less than 0.9",
            )?;
        }
        let held = self.valid_share + self.calibration_share + self.test_share;
        if held >= 0.9 {
            return Err(Error::plan(format!(
                "validation, calibration and test take {:.0} % of the windows, wanted less than 90 %",
                held * 100.0
            )));
        }
        crate::models::find(&self.model_type)?;
        Ok(Plan(self))
    }
}
