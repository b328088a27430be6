//! Forecasts: prices with quantiles, dated from the step after the last closed candle.

use serde::{Deserialize, Serialize};

use crate::table::Time;

/// A forecast from one origin. Prices are in units of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Name of the target column.
    pub target: String,
    /// Opening time of the last closed candle.
    pub origin: Time,
    /// Its close.
    pub last_close: f64,
    /// Milliseconds of a step: tells whether times are dates or instants.
    pub step: i64,
    /// Quantile levels of every row.
    pub levels: Vec<f64>,
    /// One row a step ahead, exactly `forecast_horizon` of them.
    pub rows: Vec<ForecastRow>,
}

/// One step of a forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastRow {
    /// 1 is the candle after the origin.
    pub step: usize,
    /// Opening time of the candle whose close is forecast.
    pub time: Time,
    /// Point forecast: the median, or what a point loss gives.
    pub point: f64,
    /// One price a level, never decreasing.
    pub quantiles: Vec<f64>,
}

/// Forecasts of many windows side by side, in prices: `point` is (n, H), `quantiles` is (n, H, Q).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// Steps ahead (H).
    pub horizon: usize,
    /// Levels (Q).
    pub n_levels: usize,
    /// (n, H)
    pub point: Vec<f64>,
    /// (n, H, Q)
    pub quantiles: Vec<f64>,
}

impl Predictions {
    /// Room for `n` windows.
    pub fn new(n: usize, horizon: usize, n_levels: usize) -> Self {
        Self {
            horizon,
            n_levels,
            point: vec![0.0; n * horizon],
            quantiles: vec![0.0; n * horizon * n_levels],
        }
    }

    /// Takes the forecasts of more windows, of the same shape.
    pub fn append(&mut self, mut more: Self) {
        debug_assert_eq!((self.horizon, self.n_levels), (more.horizon, more.n_levels));
        self.point.append(&mut more.point);
        self.quantiles.append(&mut more.quantiles);
    }

    /// Number of windows.
    pub fn len(&self) -> usize {
        self.point.len() / self.horizon.max(1)
    }

    /// No windows.
    pub fn is_empty(&self) -> bool {
        self.point.is_empty()
    }

    /// Point forecasts of a window: (H).
    pub fn point(&self, window: usize) -> &[f64] {
        &self.point[window * self.horizon..][..self.horizon]
    }

    /// Quantiles of a window: (H, Q).
    pub fn quantiles(&self, window: usize) -> &[f64] {
        let width = self.horizon * self.n_levels;
        &self.quantiles[window * width..][..width]
    }
}
