//! Volatility: how far the price is expected to move by each step ahead, known at the origin.
//!
//! In come candles; out goes a [`Volatility`], and from it the expected absolute log return of every step ahead of a window, its
//! *spread*. What is left of a move in units of its spread hardly depends on the time it is from, so that its distribution can be
//! learned from all of them. Nothing here looks behind the origin.
//!
//! **Regression.** For each step h, ln E|y_h| = ½ ln(Σ season of the h rows ahead) + b · x with regressors x of the origin row: the
//! logarithm of the Garman–Klass (1980) volatility of the candle and its means over 5 and 22 candles (the HAR of Corsi 2009 in
//! logarithms), the ranges of 5, 22 and 66 candles relative to the latter, and the move of 5 candles in units of it (clipped at ±3).
//! The coefficients minimise Σ (η + |y_h| e^−η) / h, η = ln spread, which is the likelihood of a Laplace distribution with that mean
//! absolute value, by Newton steps; divided by h because the moves of neighbouring rows overlap. Small ridge penalties draw them
//! towards 0.3 for the three volatilities and 0 for the rest, so that a short history gives a sane answer.
//!
//! **Season.** Days of the week (hours of the day for shorter steps) have factors of variance: the mean of |r| over its own 21-row
//! mean, over the last 730 rows, shrunk by 20 observations of "no difference". Bitcoin's Sundays are calmer by a third.
//!
//! The recipe was chosen on BTC-USD, Bitstamp and NASDAQ candles before 2023-07; `docs/recipe.md` has the table.

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::features::Inputs;
use crate::table::Time;
use crate::windows::{Window, Windows};

/// Regressors, the constant included.
const K: usize = 8;
/// Where the coefficients are drawn to.
const PRIOR: [f64; K] = [0.0, 0.3, 0.3, 0.3, 0.0, 0.0, 0.0, 0.0];
/// How strongly.
const RIDGE: [f64; K] = [0.0, 10.0, 10.0, 10.0, 100.0, 100.0, 100.0, 100.0];
/// Newton steps at most.
const NEWTON: usize = 12;
/// Rows that the longest regressor looks at.
const REACH: usize = 66;
/// Rows from which on a regressor is trusted in learning.
const FIRST: usize = 70;
/// Garman–Klass variances below this share of the median count as it: a flat candle has no logarithm.
const STILL: f64 = 1.0 / 400.0;
/// Rows from which seasons are learned, the reach of the mean on either side, and the observations of "no difference".
const SEASON: (usize, usize, f64) = (730, 10, 20.0);
/// Matured moves that tell whether spreads are right lately, and the independent ones at which they have half the say.
const LATELY: (usize, f64) = (365, 20.0);
/// Fewest rows to learn from.
pub const LEAST: usize = 150;
/// Most rows that coefficients are learned from; more are thinned out evenly.
const SAMPLE: usize = 20_000;
/// A range over w candles of a random walk is about this many standard deviations of a candle, times the root of w.
const RANGE: f64 = 1.67;

/// Expected absolute moves, learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volatility {
    /// What a season is.
    season: Season,
    /// Factor of variance of each class of rows.
    factors: Vec<f64>,
    /// Least variance of a candle.
    least: f64,
    /// One row of coefficients a step: (H, K).
    coefficients: Vec<[f64; K]>,
    /// Mean of |y| / spread over the rows learned from: (H); near 1.
    typical: Vec<f64>,
}

/// What rows have in common that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Season {
    /// Nothing.
    None,
    /// The day of the week.
    Weekday,
    /// The hour of the day.
    Hour,
}

impl Season {
    fn of(calendar: &Calendar) -> Self {
        const DAY: i64 = 86_400_000;
        match calendar.step() {
            DAY => Self::Weekday,
            step if step < DAY => Self::Hour,
            _ => Self::None,
        }
    }

    fn classes(self) -> usize {
        match self {
            Self::None => 1,
            Self::Weekday => 7,
            Self::Hour => 24,
        }
    }

    fn class(self, time: Time) -> usize {
        const HOUR: i64 = 3_600_000;
        match self {
            Self::None => 0,
            Self::Weekday => time.div_euclid(24 * HOUR).rem_euclid(7) as usize,
            Self::Hour => time.div_euclid(HOUR).rem_euclid(24) as usize,
        }
    }
}

/// Candles with what the regressors are made of, row by row.
struct Rows {
    /// ½ ln of the variance, without its season.
    log_volatility: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
}

impl Rows {
    /// Of an unbroken run of candles. Without open, high and low a candle reaches from the last close to its own.
    fn new(candles: &Inputs<'_>, season: Season, factors: &[f64], least: f64) -> Self {
        let n = candles.close.len();
        let mut rows = Self {
            log_volatility: Vec::with_capacity(n),
            high: Vec::with_capacity(n),
            low: Vec::with_capacity(n),
            close: candles.close.iter().map(|close| close.ln()).collect(),
        };
        for row in 0..n {
            let (variance, high, low) = candle(candles, row);
            let factor = factors[season.class(candles.time[row])];
            rows.log_volatility
                .push(0.5 * (variance.max(least) / factor).ln());
            // a gap between two candles belongs to the range
            let before = rows.close[row.saturating_sub(1)];
            rows.high.push(high.ln().max(before));
            rows.low.push(low.ln().min(before));
        }
        rows
    }

    /// The regressors of a row.
    fn regressors(&self, row: usize) -> [f64; K] {
        let mean = |w: usize| {
            let rows = &self.log_volatility[(row + 1).saturating_sub(w)..=row];
            rows.iter().sum::<f64>() / rows.len() as f64
        };
        let month = mean(22);
        let mut range = [0.0; 3];
        let (mut high, mut low) = (f64::NEG_INFINITY, f64::INFINITY);
        for back in 0..REACH {
            if let Some(row) = row.checked_sub(back) {
                high = high.max(self.high[row]);
                low = low.min(self.low[row]);
            }
            let width = || {
                let w = (back + 1) as f64;
                ((high - low).max(1e-9) / (RANGE * w.sqrt())).ln() - month
            };
            match back + 1 {
                5 => range[0] = width(),
                22 => range[1] = width(),
                66 => range[2] = width(),
                _ => {}
            }
        }
        let week = row.checked_sub(5).map_or(0.0, |before| {
            (self.close[row] - self.close[before]) / (5.0_f64.sqrt() * month.exp())
        });
        [
            1.0,
            self.log_volatility[row],
            mean(5),
            month,
            range[0].clamp(-3.0, 3.0),
            range[1].clamp(-3.0, 3.0),
            range[2].clamp(-3.0, 3.0),
            week.clamp(-3.0, 3.0),
        ]
    }
}

/// Variance of a candle by Garman and Klass, its high and its low.
fn candle(candles: &Inputs<'_>, row: usize) -> (f64, f64, f64) {
    let close = candles.close[row];
    let before = candles.close[row.saturating_sub(1)];
    let at = |prices: &[f64], otherwise: f64| prices.get(row).copied().unwrap_or(otherwise);
    let open = at(candles.open, before);
    let high = at(candles.high, close.max(open));
    let low = at(candles.low, close.min(open));
    let (range, body) = ((high / low).ln(), (close / open).ln());
    let variance = 0.5 * range * range - (2.0 * 2.0_f64.ln() - 1.0) * body * body;
    (variance, high, low)
}

/// Factors of variance of each class, their logarithms centred.
fn seasons(candles: &Inputs<'_>, season: Season) -> Vec<f64> {
    let classes = season.classes();
    let (window, half, shrink) = SEASON;
    let n = candles.close.len();
    if classes == 1 || n < 2 * half + 2 {
        return vec![1.0; classes];
    }
    let moves: Vec<f64> = (0..n)
        .map(|row| {
            (candles.close[row] / candles.close[row.saturating_sub(1)])
                .ln()
                .abs()
        })
        .collect();
    let (mut sums, mut counts) = (vec![0.0; classes], vec![0.0; classes]);
    for row in half.max((n - half).saturating_sub(window))..n - half {
        let around = &moves[row - half..=row + half];
        let mean = around.iter().sum::<f64>() / around.len() as f64;
        if mean > 0.0 {
            let class = season.class(candles.time[row]);
            sums[class] += moves[row] / mean;
            counts[class] += 1.0;
        }
    }
    let logs: Vec<f64> = sums
        .iter()
        .zip(&counts)
        .map(|(sum, count)| 2.0 * ((sum + shrink) / (count + shrink)).ln())
        .collect();
    let total: f64 = counts.iter().sum();
    let centre = match total > 0.0 {
        true => {
            logs.iter()
                .zip(&counts)
                .map(|(log, count)| log * count)
                .sum::<f64>()
                / total
        }
        false => 0.0,
    };
    logs.iter().map(|log| (log - centre).exp()).collect()
}

impl Volatility {
    /// Learns from the candles up to the last label of these windows; none where there are too few.
    pub fn learn(known: &Windows<'_>) -> Option<Self> {
        if known.len() < LEAST {
            return None;
        }
        let candles = known.candles();
        let season = Season::of(known.calendar());
        let factors = seasons(&candles, season);
        let mut variances: Vec<f64> = (0..candles.close.len())
            .map(|row| candle(&candles, row).0)
            .filter(|variance| *variance > 0.0)
            .collect();
        if variances.is_empty() {
            return None;
        }
        variances.sort_by(f64::total_cmp);
        let least = variances[variances.len() / 2] * STILL;
        let rows = Rows::new(&candles, season, &factors, least);
        let mut volatility = Self {
            season,
            factors,
            least,
            coefficients: Vec::with_capacity(known.horizon()),
            typical: Vec::with_capacity(known.horizon()),
        };

        let stride = known.len().div_ceil(SAMPLE).max(1);
        let origins: Vec<_> = (0..known.len())
            .step_by(stride)
            .map(|position| known.get(position))
            .filter(|labelled| labelled.window().origin() >= FIRST)
            .collect();
        let design: Vec<[f64; K]> = origins
            .iter()
            .map(|labelled| rows.regressors(labelled.window().origin()))
            .collect();
        // running sum of the seasons of the rows ahead
        let mut ahead = vec![0.0; origins.len()];
        let mut scaled = vec![0.0; origins.len()];
        let mut beta = PRIOR;
        for step in 0..known.horizon() {
            for (row, labelled) in origins.iter().enumerate() {
                let time = labelled.future_times()[step];
                ahead[row] += volatility.factors[season.class(time)];
                let last = labelled.window().last_close();
                let size = (labelled.future()[step] / last).ln().abs();
                scaled[row] = size / ahead[row].sqrt();
            }
            beta = newton(&design, &scaled, 1.0 / (step + 1) as f64, beta);
            let units = design
                .iter()
                .zip(&scaled)
                .map(|(x, size)| size * (-dot(&beta, x)).exp());
            let mean = units.sum::<f64>() / origins.len().max(1) as f64;
            volatility.coefficients.push(beta);
            volatility.typical.push(if mean > 0.0 { mean } else { 1.0 });
        }
        let sane = volatility
            .coefficients
            .iter()
            .flatten()
            .all(|b| b.is_finite());
        sane.then_some(volatility)
    }

    /// Steps ahead (H).
    pub fn horizon(&self) -> usize {
        self.coefficients.len()
    }

    /// Can it have been learned for forecasts of `horizon` steps?
    pub fn fits(&self, horizon: usize) -> bool {
        self.coefficients.len() == horizon
            && self.typical.len() == horizon
            && self.factors.len() == self.season.classes()
            && self.least > 0.0
            && self
                .factors
                .iter()
                .chain(&self.typical)
                .all(|x| *x > 0.0 && x.is_finite())
            && self.coefficients.iter().flatten().all(|b| b.is_finite())
    }

    /// Expected absolute log return of every step ahead of a window: (H), into `out`.
    pub fn spread(&self, window: &Window<'_>, out: &mut [f64]) {
        let candles = window.recent(REACH + 1);
        let rows = Rows::new(&candles, self.season, &self.factors, self.least);
        let x = rows.regressors(candles.close.len() - 1);
        let calendar = window.calendar();
        self.spread_of(&x, |step| calendar.after(window.time(), step), out);
    }

    fn spread_of(&self, x: &[f64; K], time: impl Fn(usize) -> Time, out: &mut [f64]) {
        let mut ahead = 0.0;
        for (step, (out, beta)) in out.iter_mut().zip(&self.coefficients).enumerate() {
            ahead += match self.season {
                Season::None => 1.0,
                season => self.factors[season.class(time(step + 1))],
            };
            *out = ahead.sqrt() * dot(beta, x).clamp(-30.0, 5.0).exp();
        }
    }

    /// By how much the moves that matured in the last rows before a window were larger than expected, for every step: (H), into `out`.
    ///
    /// A forecast h steps ahead is known to be right or wrong only h rows later, so what is taken are the origins from h rows before
    /// the window back to 365 rows before that, as far as the window's run of candles reaches: f = (mean |y| / spread ÷ its mean in
    /// learning) ^ (n / (n + 20)) with n = origins / h, the ones that do not overlap. With no rows to look at it is 1.
    pub fn lately(&self, window: &Window<'_>, out: &mut [f64]) {
        let horizon = self.horizon();
        let candles = window.recent(LATELY.0 + horizon + REACH + 1);
        let (n, calendar) = (candles.close.len(), window.calendar());
        let rows = Rows::new(&candles, self.season, &self.factors, self.least);
        let first = FIRST.min(n);
        let (mut sums, mut counts) = (vec![0.0; horizon], vec![0usize; horizon]);
        let mut spread = vec![0.0; horizon];
        for origin in first..n.saturating_sub(1) {
            // times of the rows ahead that have happened need no calendar
            let time = |step: usize| {
                let row = origin + step;
                candles
                    .time
                    .get(row)
                    .copied()
                    .unwrap_or_else(|| calendar.after(candles.time[n - 1], row + 1 - n))
            };
            let matured = (n - 1 - origin).min(horizon);
            self.spread_of(&rows.regressors(origin), time, &mut spread[..matured]);
            for step in 0..matured {
                // 365 of them for every step, the newest
                if origin + step + 2 + LATELY.0 > n {
                    sums[step] +=
                        (rows.close[origin + step + 1] - rows.close[origin]).abs() / spread[step];
                    counts[step] += 1;
                }
            }
        }
        for (step, out) in out.iter_mut().enumerate() {
            let independent = counts[step] as f64 / (step + 1) as f64;
            let mean = sums[step] / counts[step] as f64 / self.typical[step];
            *out = match counts[step] > 0 && mean > 0.0 {
                true => mean.powf(independent / (independent + LATELY.1)),
                false => 1.0,
            };
        }
    }
}

fn dot(a: &[f64; K], b: &[f64; K]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Minimises Σ weight · (x·b + size · e^(−x·b)) + ½ Σ ridge (b − prior)², which is convex, from `beta`.
fn newton(design: &[[f64; K]], sizes: &[f64], weight: f64, mut beta: [f64; K]) -> [f64; K] {
    for _ in 0..NEWTON {
        let mut gradient = [0.0; K];
        let mut hessian = [[0.0; K]; K];
        for k in 0..K {
            gradient[k] = RIDGE[k] * (beta[k] - PRIOR[k]);
            hessian[k][k] = RIDGE[k] + 1e-9;
        }
        for (x, size) in design.iter().zip(sizes) {
            let unit = size * (-dot(&beta, x).clamp(-30.0, 30.0)).exp();
            for a in 0..K {
                gradient[a] += weight * (1.0 - unit) * x[a];
                for b in 0..=a {
                    hessian[a][b] += weight * unit * x[a] * x[b];
                }
            }
        }
        let Some(step) = solve(hessian, gradient) else {
            return beta;
        };
        // no fitted spread changes by more than e at once
        let largest = design
            .iter()
            .map(|x| dot(&step, x).abs())
            .fold(0.0, f64::max);
        let share = if largest > 1.0 { 1.0 / largest } else { 1.0 };
        for (b, step) in beta.iter_mut().zip(&step) {
            *b -= share * step;
        }
        if largest < 1e-6 {
            break;
        }
    }
    beta
}

/// Solves a symmetric positive definite system, given by its lower half, by Cholesky; none where it is not.
fn solve(mut a: [[f64; K]; K], mut y: [f64; K]) -> Option<[f64; K]> {
    for j in 0..K {
        for k in 0..j {
            a[j][j] -= a[j][k] * a[j][k];
        }
        if !(a[j][j] > 0.0) {
            return None;
        }
        a[j][j] = a[j][j].sqrt();
        for i in j + 1..K {
            for k in 0..j {
                a[i][j] -= a[i][k] * a[j][k];
            }
            a[i][j] /= a[j][j];
        }
    }
    for i in 0..K {
        for k in 0..i {
            y[i] -= a[i][k] * y[k];
        }
        y[i] /= a[i][i];
    }
    for i in (0..K).rev() {
        for k in i + 1..K {
            y[i] -= a[k][i] * y[k];
        }
        y[i] /= a[i][i];
    }
    Some(y)
}
