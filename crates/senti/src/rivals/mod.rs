//! Rivals: classical forecasters that learn from one candle after the other, to be beaten on the same origins.
//!
//! In come candles in order; out go, at any moment, the quantiles of the cumulative log return to each step ahead. A rival has never
//! been shown a candle after the origin, so it cannot look ahead. It decides itself how often it estimates anew.

use crate::table::Time;

/// A closed candle. Prices are finite and positive; open, high and low are NaN where the table has no such column.
#[derive(Clone, Copy, Debug)]
pub struct Candle {
    /// Opening time.
    pub time: Time,
    /// First price.
    pub open: f64,
    /// Highest price.
    pub high: f64,
    /// Lowest price.
    pub low: f64,
    /// Last price.
    pub close: f64,
    /// Does it follow a long gap? No move across it is ever counted.
    pub after_gap: bool,
}

/// What a rival says at an origin, in cumulative log returns from the last close.
#[derive(Debug)]
pub struct Outlook<'a> {
    /// Opening times of the candles ahead: (H).
    pub ahead: &'a [Time],
    /// Quantile levels, rising: (Q).
    pub levels: &'a [f64],
    /// Point forecasts: (H).
    pub point: &'a mut [f64],
    /// Quantiles, never decreasing in a step: (H, Q).
    pub quantiles: &'a mut [f64],
}

/// What all rivals of a run are told.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Steps ahead (H).
    pub horizon: usize,
    /// Steps of a season: 7 of daily candles on seven days a week, 5 on five, a day's worth of shorter ones.
    pub season: usize,
}

/// A forecaster that learns candle by candle.
pub trait Rival {
    /// A candle has closed.
    fn see(&mut self, candle: &Candle);

    /// Forecasts from the last candle seen; `false`, and nothing written, where it has seen too few.
    fn forecast(&mut self, outlook: &mut Outlook<'_>) -> bool;
}

/// A row of [`RIVALS`].
pub struct RivalRow {
    /// Name as the user types it.
    pub name: &'static str,
    /// One line for the help: formula and source.
    pub help: &'static str,
    /// Does it need open, high and low?
    pub needs_range: bool,
    /// A fresh one.
    pub make: fn(&Setting) -> Box<dyn Rival>,
}

/// Every rival.
pub const RIVALS: &[RivalRow] = &[];
