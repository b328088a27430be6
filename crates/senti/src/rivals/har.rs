//! Quantiles of past moves in units of the volatility that a heterogeneous autoregression (HAR) foresaw for them, times the one it
//! foresees now; alone, and averaged with the quantiles of the latest 730 moves.
//!
//! Corsi (2009) on daily ranges: the log of the mean variance of the next h candles is regressed, for each h, on means of log
//! variances over 1, 5 and 22 candles, by ordinary least squares over all finished pairs, anew every 20 candles. The variance of a
//! candle is Garman and Klass's (1980). A scale is always the one that was issued at the origin of its move.

use std::collections::VecDeque;

use super::empirical::enough;
use super::least_squares::solve;
use super::past::{Issued, Past, START};
use super::sample::Sample;
use super::{Candle, Outlook, Rival, Setting};
use crate::table::Time;

/// First row with inputs (22 candles, and some to spare).
const FIRST_INPUT: usize = 30;
/// First row at which the regressions are estimated.
const FIRST_FIT: usize = 400;
/// Rows between estimations.
const REFIT: usize = 20;
/// Candles of the longest mean.
const LONG: usize = 22;
const MIDDLE: usize = 5;
/// Coefficients: a constant and three means.
const INPUTS: usize = 4;
/// Least variance of a day's candle: a flat one would have a log of minus infinity. Shorter candles have their share of it.
const LEAST: f64 = 1e-6;
const DAY: f64 = 86_400_000.0;

/// Variance of a candle by its four prices: `0.5 ln(high/low)^2 - (2 ln 2 - 1) ln(close/open)^2`.
fn garman_klass(candle: &Candle) -> f64 {
    let range = (candle.high / candle.low).ln();
    let body = (candle.close / candle.open).ln();
    0.5 * range * range - (2.0 * std::f64::consts::LN_2 - 1.0) * body * body
}

/// The regression of one step ahead.
#[derive(Clone)]
struct Regression {
    /// Sums of products of inputs: (INPUTS, INPUTS).
    squares: [f64; INPUTS * INPUTS],
    /// Sums of inputs times label.
    products: [f64; INPUTS],
    coefficients: Option<[f64; INPUTS]>,
}

struct Har {
    past: Past,
    /// Times of the latest candle and the shortest way from one to the next.
    last_time: Option<Time>,
    step_days: f64,
    /// Logs of the latest variances, at most [`LONG`].
    logs: VecDeque<f64>,
    /// Sum of all variances up to each recent candle.
    sums: Issued<f64>,
    sum: f64,
    /// Inputs at each recent candle.
    inputs: Issued<Option<[f64; INPUTS]>>,
    /// Volatility of the move to each step as issued at each recent candle: (H), NaN while unknown.
    issued: Issued<Vec<f64>>,
    regressions: Vec<Regression>,
    scaled: Vec<Sample>,
    /// The latest 730 moves, where they have half a say.
    moves: Option<Vec<Sample>>,
}

fn with(setting: &Setting, moves: Option<usize>) -> Box<dyn Rival> {
    let horizon = setting.horizon;
    let fresh = Regression {
        squares: [0.0; INPUTS * INPUTS],
        products: [0.0; INPUTS],
        coefficients: None,
    };
    Box::new(Har {
        past: Past::new(horizon),
        last_time: None,
        step_days: 1.0,
        logs: VecDeque::with_capacity(LONG + 1),
        sums: Issued::default(),
        sum: 0.0,
        inputs: Issued::default(),
        issued: Issued::default(),
        regressions: vec![fresh; horizon],
        scaled: vec![Sample::new(None); horizon],
        moves: moves.map(|window| vec![Sample::new(Some(window)); horizon]),
    })
}

/// HAR alone.
pub(super) fn har(setting: &Setting) -> Box<dyn Rival> {
    with(setting, None)
}

/// Half HAR, half the latest 730 moves.
pub(super) fn har_730(setting: &Setting) -> Box<dyn Rival> {
    with(setting, Some(730))
}

impl Har {
    /// The variance of a candle, never so small that its log says nothing.
    fn variance(&mut self, candle: &Candle) -> f64 {
        if let Some(last) = self.last_time.replace(candle.time) {
            let days = (candle.time - last) as f64 / DAY;
            // a weekend is not a long candle: the shortest way is the step
            self.step_days = if self.past.rows() == 1 {
                days
            } else {
                self.step_days.min(days)
            };
        }
        garman_klass(candle).max(LEAST * self.step_days)
    }

    fn means(&self) -> Option<[f64; INPUTS]> {
        let n = self.logs.len();
        if self.past.rows() <= FIRST_INPUT || n < LONG {
            return None;
        }
        let mean = |k: usize| self.logs.range(n - k..).sum::<f64>() / k as f64;
        Some([1.0, self.logs[n - 1], mean(MIDDLE), mean(LONG)])
    }
}

impl Rival for Har {
    fn see(&mut self, candle: &Candle) {
        let horizon = self.regressions.len();
        let variance = self.variance(candle);
        self.past.see(candle);
        self.logs.push_back(variance.ln());
        if self.logs.len() > LONG {
            self.logs.pop_front();
        }
        self.sum += variance;
        self.sums.push(self.sum, candle.after_gap, horizon);
        let inputs = self.means();
        self.inputs.push(inputs, candle.after_gap, horizon);

        // pairs that have come true with this candle
        for finished in self.past.finished(FIRST_INPUT) {
            let ago = finished.step + 1;
            let (Some(Some(x)), Some(before)) = (self.inputs.ago(ago), self.sums.ago(ago)) else {
                continue;
            };
            let label = ((self.sum - before) / ago as f64).ln();
            let regression = &mut self.regressions[finished.step];
            for a in 0..INPUTS {
                regression.products[a] += x[a] * label;
                for b in 0..INPUTS {
                    regression.squares[a * INPUTS + b] += x[a] * x[b];
                }
            }
        }
        let row = self.past.rows() - 1;
        if row >= FIRST_FIT && (row - FIRST_FIT).is_multiple_of(REFIT) {
            for regression in &mut self.regressions {
                let mut coefficients = regression.products;
                let mut squares = regression.squares;
                if solve(&mut squares, &mut coefficients) {
                    regression.coefficients = Some(coefficients);
                }
            }
        }
        let foreseen = |(step, regression): (usize, &Regression)| -> f64 {
            let (Some(beta), Some(x)) = (&regression.coefficients, &inputs) else {
                return f64::NAN;
            };
            let log: f64 = beta.iter().zip(x).map(|(beta, x)| beta * x).sum();
            (log.exp() * (step + 1) as f64).sqrt()
        };
        let issued = self.regressions.iter().enumerate().map(foreseen).collect();
        self.issued.push(issued, candle.after_gap, horizon);
        for finished in self.past.finished(START) {
            if let Some(issued) = self.issued.ago(finished.step + 1) {
                self.scaled[finished.step].push(finished.log_return / issued[finished.step]);
            }
            if let Some(moves) = &mut self.moves {
                moves[finished.step].push(finished.log_return);
            }
        }
    }

    fn forecast(&mut self, outlook: &mut Outlook<'_>) -> bool {
        let Some(issued) = self.issued.ago(0) else {
            return false;
        };
        if !issued.iter().all(|volatility| volatility.is_finite()) || !enough(&self.scaled) {
            return false;
        }
        let half = if self.moves.is_some() { 0.5 } else { 1.0 };
        for (step, (scaled, volatility)) in self.scaled.iter().zip(issued).enumerate() {
            let quantiles = &mut outlook.quantiles[step * outlook.levels.len()..];
            scaled.quantiles(outlook.levels, |level, value| {
                quantiles[level] = half * value * volatility;
            });
            outlook.point[step] = half * scaled.median() * volatility;
            if let Some(moves) = &self.moves {
                moves[step].quantiles(outlook.levels, |level, value| {
                    quantiles[level] += half * value;
                });
                outlook.point[step] += half * moves[step].median();
            }
        }
        true
    }
}
