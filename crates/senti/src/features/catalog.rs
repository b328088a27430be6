//! The features made from the candles of the asset itself: a table, a row each.
//!
//! In comes an unbroken run of candles ([`Inputs`]); out goes one value a row. All are free of units and of the price level (a price
//! 1024 times as high gives the same bits), so that what was learned at 10,000 holds at 100,000. The path of past closes is in them
//! twice: as log returns over 1 to 30 steps, and as the distance of the close from its own 7- and 30-step mean, an anchor that is
//! causal and does not depend on where a window starts.
//!
//! Volatilities are taken in logarithms, which are close to normal where the plain ones have a long tail that winsorisation would
//! cut; a flat candle counts as [`STILL`].

use std::f64::consts::TAU;

use super::indicators::{
    atr, bollinger_position, garman_klass, log_change, macd, parkinson, rolling_mean, rolling_std,
    rsi, weighted_mean,
};
use crate::table::{Role, Time};

/// Volatilities below this share of the price count as this, so that their logarithm exists where nothing moved. A tenth of a basis
/// point is about one tick; less would set quiet minutes far apart from all others.
pub const STILL: f64 = 1e-5;

/// An unbroken run of candles. Prices are finite and positive, volumes finite and not negative; a slice is empty where the table has
/// no such column, and a feature that needs it is not asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inputs<'a> {
    /// Opening times of the candles.
    pub time: &'a [Time],
    /// First prices.
    pub open: &'a [f64],
    /// Highest prices.
    pub high: &'a [f64],
    /// Lowest prices.
    pub low: &'a [f64],
    /// Last prices.
    pub close: &'a [f64],
    /// Volumes.
    pub volume: &'a [f64],
}

/// A feature that any table with the needed columns can have.
#[derive(Debug)]
pub struct Feature {
    /// Name, as in the artifact and in reports.
    pub name: &'static str,
    /// What it speaks of: `returns`, `volatility`, `trend`, `momentum`, `volume` or `calendar`.
    pub group: &'static str,
    /// Formula and source.
    pub help: &'static str,
    /// Rows at the start of a run on which it is not known.
    pub warm_up: usize,
    /// Columns it is made from.
    pub needs: &'static [Role],
    /// Only for steps shorter than a day.
    pub intraday: bool,
    /// Fills one value a row, NaN during the warm-up.
    pub fill: fn(&Inputs<'_>, &mut [f64]),
}

const CLOSE: &[Role] = &[Role::Close];
const RANGE: &[Role] = &[Role::High, Role::Low];
const HLC: &[Role] = &[Role::High, Role::Low, Role::Close];
const OHLC: &[Role] = &[Role::Open, Role::High, Role::Low, Role::Close];
const VOLUME: &[Role] = &[Role::Volume];

macro_rules! features {
    ($($name:literal $group:ident $warm_up:literal $needs:expr, $intraday:literal, $help:literal, $fill:expr;)*) => {
        &[$(Feature {
            name: $name,
            group: stringify!($group),
            help: $help,
            warm_up: $warm_up,
            needs: $needs,
            intraday: $intraday,
            fill: $fill,
        }),*]
    };
}

/// Every feature from candles, in the order of the matrix's columns.
pub const FEATURES: &[Feature] = features! {
    "log_return_1" returns 1 CLOSE, false, "ln(C[t] / C[t-1])", |x, out| log_change(x.close, 1, out);
    "log_return_3" returns 3 CLOSE, false, "ln(C[t] / C[t-3])", |x, out| log_change(x.close, 3, out);
    "log_return_7" returns 7 CLOSE, false, "ln(C[t] / C[t-7])", |x, out| log_change(x.close, 7, out);
    "log_return_14" returns 14 CLOSE, false, "ln(C[t] / C[t-14])", |x, out| log_change(x.close, 14, out);
    "log_return_30" returns 30 CLOSE, false, "ln(C[t] / C[t-30])", |x, out| log_change(x.close, 30, out);
    "close_location" returns 0 HLC, false, "(C - L) / (H - L), place of the close in the candle; 0.5 for a flat one", close_location;
    "log_parkinson" volatility 0 RANGE, false, "ln of ln(H/L) / sqrt(4 ln 2), range volatility of the candle (Parkinson 1980)", |x, out| {
        parkinson(x.high, x.low, out);
        logarithm(out);
    };
    "log_garman_klass" volatility 0 OHLC, false, "ln of sqrt(ln(H/L)^2 / 2 - (2 ln 2 - 1) ln(C/O)^2) (Garman and Klass 1980)", |x, out| {
        garman_klass(x.open, x.high, x.low, x.close, out);
        logarithm(out);
    };
    "log_volatility_7" volatility 7 CLOSE, false, "ln of the standard deviation (n - 1) of the last 7 log returns", |x, out| return_std(x.close, 7, out);
    "log_volatility_30" volatility 30 CLOSE, false, "ln of the standard deviation (n - 1) of the last 30 log returns", |x, out| return_std(x.close, 30, out);
    "log_volatility_ewma" volatility 30 CLOSE, false, "ln of the root of the mean squared log return with weights 0.94^k (RiskMetrics 1996; normalised weights)", return_ewma;
    "log_atr_14" volatility 14 HLC, false, "ln of ATR(14) / C (Wilder 1978, as TA-Lib)", |x, out| {
        atr(x.high, x.low, x.close, 14, out);
        per_close(x.close, out);
        logarithm(out);
    };
    "close_to_ma7" trend 6 CLOSE, false, "ln(C / mean of the last 7 closes)", |x, out| to_mean(x.close, 7, out);
    "close_to_ma30" trend 29 CLOSE, false, "ln(C / mean of the last 30 closes)", |x, out| to_mean(x.close, 30, out);
    "macd" trend 25 CLOSE, false, "(EMA12 - EMA26) / C (Appel; as TA-Lib)", |x, out| {
        let mut signal = vec![0.0; out.len()];
        macd(x.close, (12, 26, 9), out, &mut signal);
        per_close(x.close, out);
    };
    "macd_histogram" trend 33 CLOSE, false, "(MACD - EMA9 of MACD) / C (Appel; as TA-Lib)", |x, out| {
        let mut signal = vec![0.0; out.len()];
        macd(x.close, (12, 26, 9), out, &mut signal);
        for (line, signal) in out.iter_mut().zip(&signal) {
            *line -= signal;
        }
        per_close(x.close, out);
    };
    "rsi_14" momentum 14 CLOSE, false, "relative strength index (Wilder 1978, as TA-Lib); 50 where nothing ever moved", |x, out| rsi(x.close, 14, out);
    "bollinger_position" momentum 19 CLOSE, false, "(C - lower) / (upper - lower), bands of 20 closes and 2 standard deviations (as TA-Lib); 0.5 where flat", |x, out| bollinger_position(x.close, 20, 2.0, out);
    "volume_change" volume 1 VOLUME, false, "ln(V[t] / V[t-1]); 0 where either is 0", volume_change;
    "volume_to_ma30" volume 29 VOLUME, false, "ln(1 + V / mean of the last 30 volumes); ln 2 (as usual) where all are 0", volume_to_mean;
    "weekday_sin" calendar 0 &[], false, "sin of the day of the week of the candle's opening, UTC, Monday first", |x, out| phase(x.time, weekday, f64::sin, out);
    "weekday_cos" calendar 0 &[], false, "cos of the day of the week of the candle's opening, UTC, Monday first", |x, out| phase(x.time, weekday, f64::cos, out);
    "hour_sin" calendar 0 &[], true, "sin of the time of the day of the candle's opening, UTC", |x, out| phase(x.time, time_of_day, f64::sin, out);
    "hour_cos" calendar 0 &[], true, "cos of the time of the day of the candle's opening, UTC", |x, out| phase(x.time, time_of_day, f64::cos, out);
};

/// Milliseconds of a day.
pub(crate) const DAY: i64 = 86_400_000;

fn logarithm(volatility: &mut [f64]) {
    for value in volatility {
        // `max` would turn the NaN of a warm-up into a number.
        if !value.is_nan() {
            *value = value.max(STILL).ln();
        }
    }
}

fn per_close(close: &[f64], out: &mut [f64]) {
    for (value, close) in out.iter_mut().zip(close) {
        *value /= close;
    }
}

fn close_location(x: &Inputs<'_>, out: &mut [f64]) {
    for (t, out) in out.iter_mut().enumerate() {
        let range = x.high[t] - x.low[t];
        *out = if range > 0.0 {
            (x.close[t] - x.low[t]) / range
        } else {
            0.5
        };
    }
}

fn return_std(close: &[f64], window: usize, out: &mut [f64]) {
    let mut returns = vec![0.0; close.len()];
    log_change(close, 1, &mut returns);
    rolling_std(&returns, window, 1, out);
    logarithm(out);
}

fn return_ewma(x: &Inputs<'_>, out: &mut [f64]) {
    out.fill(f64::NAN);
    let mut squares = vec![0.0; x.close.len()];
    log_change(x.close, 1, &mut squares);
    for value in &mut squares {
        *value *= *value;
    }
    if let (Some(squares), Some(out)) = (squares.get(1..), out.get_mut(1..)) {
        weighted_mean(squares, 0.94, 30, out);
    }
    for value in out.iter_mut() {
        *value = value.sqrt();
    }
    logarithm(out);
}

fn to_mean(close: &[f64], window: usize, out: &mut [f64]) {
    rolling_mean(close, window, out);
    for (out, close) in out.iter_mut().zip(close) {
        *out = (close / *out).ln();
    }
}

fn volume_change(x: &Inputs<'_>, out: &mut [f64]) {
    log_change(x.volume, 1, out);
    for value in out.iter_mut().skip(1) {
        // 0/0 or x/0 or 0/x: a candle without trades (an outage, a filled row) says nothing of how trading changed.
        if !value.is_finite() {
            *value = 0.0;
        }
    }
}

fn volume_to_mean(x: &Inputs<'_>, out: &mut [f64]) {
    rolling_mean(x.volume, 30, out);
    for (out, volume) in out.iter_mut().zip(x.volume) {
        let ratio = if *out == 0.0 { 1.0 } else { volume / *out };
        *out = ratio.ln_1p();
    }
}

fn weekday(time: Time) -> f64 {
    // 1970-01-01 was a Thursday, three days after a Monday.
    (time.div_euclid(DAY) + 3).rem_euclid(7) as f64 / 7.0
}

fn time_of_day(time: Time) -> f64 {
    time.rem_euclid(DAY) as f64 / DAY as f64
}

fn phase(time: &[Time], turn: fn(Time) -> f64, wave: fn(f64) -> f64, out: &mut [f64]) {
    for (out, &time) in out.iter_mut().zip(time) {
        *out = wave(TAU * turn(time));
    }
}
