//! Rivals: classical forecasters that learn from one candle after the other, to be beaten on the same origins.
//!
//! In come candles in order; out go, at any moment, the quantiles of the cumulative log return to each step ahead. A rival has never
//! been shown a candle after the origin, so it cannot look ahead. It decides itself how often it estimates anew.

use crate::table::Time;

mod autoregression;
mod empirical;
mod estimation;
mod ewma;
mod garch;
#[cfg(test)]
mod golden;
mod har;
mod least_squares;
mod past;
mod residuals;
mod sample;
mod simple;
mod smoothing;
mod walk;

pub use walk::walk;

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
pub const RIVALS: &[RivalRow] = &[
    RivalRow {
        name: "naive",
        help: "the last close; quantiles of all past h-step log returns",
        needs_range: false,
        make: empirical::naive,
    },
    RivalRow {
        name: "naive_365",
        help: "quantiles of the latest 365 h-step log returns",
        needs_range: false,
        make: empirical::naive_365,
    },
    RivalRow {
        name: "naive_730",
        help: "quantiles of the latest 730 h-step log returns",
        needs_range: false,
        make: empirical::naive_730,
    },
    RivalRow {
        name: "ewma",
        help: "quantiles of past h-step log returns over volatility, times today's: variance = 0.94 of the last + 0.06 r^2 (RiskMetrics 1996), times h",
        needs_range: false,
        make: ewma::make,
    },
    RivalRow {
        name: "har_730",
        help: "mean of `har` and `naive_730`, quantile by quantile",
        needs_range: true,
        make: har::har_730,
    },
    RivalRow {
        name: "har",
        help: "quantiles of past h-step log returns over volatility, times today's: HAR of log Garman-Klass variance on 1, 5, 22 candles (Corsi 2009)",
        needs_range: true,
        make: har::har,
    },
    RivalRow {
        name: "garch",
        help: "quantiles of past h-step log returns over volatility, times today's: GARCH(1,1) with t errors (Bollerslev 1987), re-estimated every 91 candles",
        needs_range: false,
        make: garch::garch,
    },
    RivalRow {
        name: "drift",
        help: "last close times exp(h times the mean log return so far); quantiles of its past errors",
        needs_range: false,
        make: simple::drift,
    },
    RivalRow {
        name: "seasonal_naive",
        help: "close of the same place in the last season (a week of days, a day of shorter candles); quantiles of its past errors",
        needs_range: false,
        make: simple::seasonal_naive,
    },
    RivalRow {
        name: "moving_average",
        help: "mean of the latest 7 closes; quantiles of its past errors",
        needs_range: false,
        make: simple::moving_average,
    },
    RivalRow {
        name: "ets",
        help: "exponential smoothing of the log price, without, with linear or damped trend by AICc (Hyndman et al. 2008); quantiles of its past errors",
        needs_range: false,
        make: smoothing::ets,
    },
    RivalRow {
        name: "theta",
        help: "theta method on the log price: simple smoothing and half the trend (Hyndman and Billah 2003); quantiles of its past errors",
        needs_range: false,
        make: smoothing::theta,
    },
    RivalRow {
        name: "ar",
        help: "autoregression of the log price by least squares, order 1 to 8 by AIC; quantiles of its past errors",
        needs_range: false,
        make: autoregression::ar,
    },
];

/// The rival of this name.
pub fn find(name: &str) -> Option<&'static RivalRow> {
    RIVALS.iter().find(|row| row.name == name)
}
