//! The backtest: forecasts of several models from the same origins, each made only from what was known then, with what came true.
//!
//! In come a table and what to walk with; out goes a [`Backtest`], from which the report card is made. Everything learned is learned
//! again in each fold, from rows before the fold alone.

use crate::forecast::Predictions;
use crate::table::Time;

/// The origins of a backtest and what came true after them: the same for every model. Prices are in units of the target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Name of the target column.
    pub target: String,
    /// Milliseconds of a step of the table.
    pub step: i64,
    /// Rows from one origin to the next.
    pub stride: usize,
    /// Steps ahead (H).
    pub horizon: usize,
    /// Row of each origin in the table: (n), rising.
    pub rows: Vec<usize>,
    /// Opening time of each origin's candle, the last known one: (n).
    pub origins: Vec<Time>,
    /// Its close: (n).
    pub last_close: Vec<f64>,
    /// Opening times of the candles ahead: (n, H).
    pub times: Vec<Time>,
    /// Closes that came true: (n, H).
    pub actual: Vec<f64>,
}

impl Truth {
    /// Number of origins.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No origins.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Closes that came true after an origin: (H).
    pub fn actual(&self, origin: usize) -> &[f64] {
        &self.actual[origin * self.horizon..][..self.horizon]
    }
}

/// The forecasts of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Name of the model: a row of [`crate::models::MODELS`] or [`crate::rivals::RIVALS`], or whatever a forecast file says.
    pub model: String,
    /// (n, H) points and (n, H, Q) quantiles, in prices.
    pub predictions: Predictions,
}

/// Forecasts of several models from the same origins.
#[derive(Clone, Debug, PartialEq)]
pub struct Backtest {
    /// The origins and what came true.
    pub truth: Truth,
    /// Quantile levels, rising: (Q).
    pub levels: Vec<f64>,
    /// One track a model, on all origins.
    pub tracks: Vec<Track>,
    /// Mean absolute one-step move of the close before the first origin: the unit of MASE and RMSSE.
    pub mean_move: f64,
}
