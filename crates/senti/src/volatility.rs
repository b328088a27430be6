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
//! **Level.** A regression flatters itself on the rows it was fitted to. It is fitted again without each of five blocks (and without
//! the h rows on either side, whose moves overlap), and the mean of |y| / spread on the blocks left out, over its mean in the fit, is
//! the factor by which quantiles are widened: cross-conformal calibration (Vovk 2015) of its scale, with volatility-normalised scores.
//!
//! **Season.** Days of the week (and hours of the day for shorter steps) have factors of variance: the mean of |r| over its own mean of
//! one and a half seasons on either side, over the last 104 seasons, drawn together as James and Stein (1961) do, so that they vanish
//! where they are chance. Bitcoin's Sundays are calmer by a third.
//!
//! **Lately.** What matured in the last 365 rows tells whether spreads are right just now; see [`Volatility::lately`].
//!
//! The recipe was chosen on BTC-USD, Bitstamp and NASDAQ candles before 2023-07; `docs/recipe.md` has the table.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::features::Inputs;
use crate::table::Time;
use crate::windows::{Window, Windows};

/// Regressors, the constant included.
pub const K: usize = 8;
/// Where the coefficients are drawn to.
const PRIOR: [f64; K] = [0.0, 0.3, 0.3, 0.3, 0.0, 0.0, 0.0, 0.0];
/// How strongly.
const RIDGE: [f64; K] = [0.0, 10.0, 10.0, 10.0, 100.0, 100.0, 100.0, 100.0];
/// Newton steps at most.
const NEWTON: usize = 25;
/// Rows that the longest regressor looks at, with the mean behind the oldest of them.
pub const REACH: usize = 66 + MONTH;
/// Rows from which on a regressor is trusted in learning.
pub const FIRST: usize = 70;
/// The variance of a candle is at least this share of the mean of the last 22: a flat candle has no logarithm.
pub const STILL: f64 = 0.05;
/// Rows of that mean.
pub const MONTH: usize = 22;
/// Seasons that their factors are learned from.
const SEASONS: usize = 104;
/// Moves beyond this many times the mean around them count as it.
const OUTLIER: f64 = 5.0;
/// Matured moves that tell whether spreads are right lately, and the independent ones at which they have half the say.
pub const LATELY: (usize, f64) = (365, 10.0);
/// Blocks that a regression is fitted without.
const BLOCKS: usize = 5;
/// Fewest windows to learn from, and fewest for each step ahead.
const LEAST: (usize, usize) = (200, 8);
/// Most rows that coefficients are learned from; more are thinned out evenly.
const SAMPLE: usize = 20_000;
/// A range over w candles of a random walk is about this many standard deviations of a candle, times the root of w.
pub const RANGE: f64 = 1.67;

/// Expected absolute moves, learned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Volatility {
    /// What comes back, with a factor of variance for each class of rows.
    seasons: Vec<Seasonal>,
    /// One row of coefficients a step: (H, K).
    coefficients: Vec<[f64; K]>,
    /// Factor by which quantiles are widened: (H).
    level: Vec<f64>,
    /// Mean of |y| / spread that is expected of new rows: (H).
    typical: Vec<f64>,
}

/// A season and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Seasonal {
    season: Season,
    /// Factor of variance of each class.
    factors: Vec<f64>,
}

/// What rows have in common that come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Season {
    /// The day of the week.
    Weekday,
    /// The hour of the day.
    Hour,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

impl Season {
    fn classes(self) -> usize {
        match self {
            Self::Weekday => 7,
            Self::Hour => 24,
        }
    }

    /// Milliseconds of a class.
    fn unit(self) -> i64 {
        match self {
            Self::Weekday => DAY,
            Self::Hour => HOUR,
        }
    }

    fn class(self, time: Time) -> usize {
        time.div_euclid(self.unit())
            .rem_euclid(self.classes() as i64) as usize
    }

    /// The seasons of a calendar, with the rows that each takes.
    fn of(calendar: &Calendar) -> Vec<(Self, usize)> {
        let week = calendar.rows_of_a_week();
        match calendar.step() {
            DAY => vec![(Self::Weekday, week)],
            step if step < DAY => {
                let day = usize::try_from(DAY / step).unwrap_or(1);
                vec![(Self::Hour, day.min(week)), (Self::Weekday, week)]
            }
            _ => Vec::new(),
        }
    }
}

impl Seasonal {
    /// Learns the factors of a season that takes `period` rows.
    fn learn(candles: &Inputs<'_>, season: Season, period: usize) -> Self {
        let classes = season.classes();
        let n = candles.close.len();
        let mut learned = Self {
            season,
            factors: vec![1.0; classes],
        };
        let half = (3 * period).div_ceil(2);
        if n < (6 * period).max(2 * half + 2) {
            return learned;
        }
        let moves: Vec<f64> = (0..n)
            .map(|row| log_move(candles.close, row).abs())
            .collect();
        let (mut counts, mut sums, mut squares) = (vec![0.0; classes], vec![0.0; classes], 0.0);
        let first = half.max((n - half).saturating_sub(SEASONS * period));
        let mut around: f64 = moves[first - half..first + half].iter().sum();
        for row in first..n - half {
            around += moves[row + half];
            let mean = around / (2 * half + 1) as f64;
            around -= moves[row - half];
            let deviation = (moves[row] / mean.max(1e-12)).min(OUTLIER);
            let class = season.class(candles.time[row]);
            counts[class] += 1.0;
            sums[class] += deviation;
            squares += deviation * deviation;
        }
        let total: f64 = counts.iter().sum();
        let mean = sums.iter().sum::<f64>() / total;
        let cells = || counts.iter().zip(&sums).filter(|(count, _)| **count > 0.0);
        let used = cells().count() as f64;
        // between and within classes, as in an analysis of variance
        let between: f64 = cells()
            .map(|(count, sum)| count * (sum / count - mean).powi(2))
            .sum();
        let explained: f64 = cells().map(|(count, sum)| sum * sum / count).sum();
        let within = (squares - explained) / (total - used).max(1.0);
        let share = (1.0 - (used - 1.0) * within / between.max(1e-12)).max(0.0);
        let log = |count: f64, sum: f64| match count > 0.0 && mean > 0.0 {
            true => 2.0 * (1.0 + share * (sum / count / mean - 1.0)).max(0.1).ln(),
            false => 0.0,
        };
        let logs: Vec<f64> = counts
            .iter()
            .zip(&sums)
            .map(|(&count, &sum)| log(count, sum))
            .collect();
        let centre = logs
            .iter()
            .zip(&counts)
            .map(|(log, count)| log * count)
            .sum::<f64>()
            / total;
        for (factor, log) in learned.factors.iter_mut().zip(logs) {
            *factor = (log - centre).exp();
        }
        learned
    }
}

/// Factor of variance of a row at this time.
fn factor(seasons: &[Seasonal], time: Time) -> f64 {
    seasons
        .iter()
        .map(|seasonal| seasonal.factors[seasonal.season.class(time)])
        .product()
}

/// Log return of a row; 0 of the first.
fn log_move(close: &[f64], row: usize) -> f64 {
    (close[row] / close[row.saturating_sub(1)]).ln()
}

/// Candles with what the regressors are made of, row by row. Prices only ever appear as ratios: what is learned knows no currency.
struct Rows<'a> {
    /// ½ ln of the variance, without its season.
    log_volatility: Vec<f64>,
    /// A gap between two candles belongs to the range.
    high: Vec<f64>,
    low: Vec<f64>,
    close: &'a [f64],
}

impl<'a> Rows<'a> {
    /// Of a run of candles.
    fn new(candles: &Inputs<'a>, seasons: &[Seasonal]) -> Self {
        let n = candles.close.len();
        let variances: Vec<f64> = (0..n).map(|row| variance(candles, row)).collect();
        let mut rows = Self {
            log_volatility: Vec::with_capacity(n),
            high: Vec::with_capacity(n),
            low: Vec::with_capacity(n),
            close: candles.close,
        };
        for row in 0..n {
            let month = &variances[(row + 1).saturating_sub(MONTH)..=row];
            let least = STILL * month.iter().sum::<f64>() / month.len() as f64 + 1e-12;
            let season = factor(seasons, candles.time[row]);
            rows.log_volatility
                .push(0.5 * (variances[row].max(least) / season).ln());
            let (close, before) = (candles.close[row], candles.close[row.saturating_sub(1)]);
            let at = |prices: &[f64]| prices.get(row).copied().unwrap_or(close);
            rows.high.push(at(candles.high).max(before));
            rows.low.push(at(candles.low).min(before));
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
        let unit = month.exp();
        let mut high = f64::NEG_INFINITY;
        let mut low = f64::INFINITY;
        let mut done = 0;
        let mut range = |w: usize| {
            for row in (0..=row).rev().skip(done).take(w - done) {
                high = high.max(self.high[row]);
                low = low.min(self.low[row]);
            }
            done = w;
            let root = (w as f64).sqrt();
            ((high / low).ln().max(STILL * unit * root) / (RANGE * root)).ln() - month
        };
        let week = row.checked_sub(5).map_or(0.0, |before| {
            (self.close[row] / self.close[before]).ln() / (5.0_f64.sqrt() * unit)
        });
        [
            1.0,
            self.log_volatility[row],
            mean(5),
            month,
            range(5),
            range(22),
            range(66),
            week.clamp(-3.0, 3.0),
        ]
    }
}

/// Rows of a table's candles, run by run: see [`Volatility::over`].
pub struct Spreads<'a> {
    runs: Vec<(usize, Rows<'a>)>,
}

/// Variance of a candle by Garman and Klass; without open, high and low the squared log return.
fn variance(candles: &Inputs<'_>, row: usize) -> f64 {
    if [candles.open, candles.high, candles.low]
        .iter()
        .any(|prices| prices.is_empty())
    {
        return log_move(candles.close, row).powi(2);
    }
    let range = (candles.high[row] / candles.low[row]).ln();
    let body = (candles.close[row] / candles.open[row]).ln();
    (0.5 * range * range - (2.0 * 2.0_f64.ln() - 1.0) * body * body).max(0.0)
}

/// What a step's regression is fitted to.
struct Fit<'a> {
    /// (n, K)
    design: &'a [[f64; K]],
    /// |y| over the root of the seasons ahead: (n).
    sizes: &'a [f64],
    /// Steps ahead.
    step: usize,
}

impl Volatility {
    /// Learns from the candles up to the last label of these windows; none where there are too few.
    pub fn learn(known: &Windows<'_>) -> Option<Self> {
        let (least, a_step) = LEAST;
        if known.len() < least.max(a_step * known.horizon()) {
            return None;
        }
        let candles = known.candles();
        let seasons: Vec<Seasonal> = Season::of(known.calendar())
            .into_iter()
            .map(|(season, period)| Seasonal::learn(&candles, season, period))
            .collect();
        let rows = Rows::new(&candles, &seasons);
        let stride = known.len().div_ceil(SAMPLE).max(1);
        let origins: Vec<_> = (0..known.len())
            .step_by(stride)
            .map(|position| known.get(position))
            .filter(|labelled| labelled.window().origin() >= FIRST)
            .collect();
        if origins.len() < BLOCKS {
            return None;
        }
        let design: Vec<[f64; K]> = origins
            .iter()
            .map(|labelled| rows.regressors(labelled.window().origin()))
            .collect();
        let mut volatility = Self {
            seasons,
            coefficients: Vec::with_capacity(known.horizon()),
            level: Vec::with_capacity(known.horizon()),
            typical: Vec::with_capacity(known.horizon()),
        };
        let mut ahead = vec![0.0; origins.len()];
        let mut sizes = vec![0.0; origins.len()];
        for step in 0..known.horizon() {
            for (row, labelled) in origins.iter().enumerate() {
                ahead[row] += factor(&volatility.seasons, labelled.future_times()[step]);
                let last = labelled.window().last_close();
                sizes[row] = (labelled.future()[step] / last).ln().abs() / ahead[row].sqrt();
            }
            let fit = Fit {
                design: &design,
                sizes: &sizes,
                step: step + 1,
            };
            let beta = fit.all(volatility.coefficients.last());
            let mean = fit.sum(&beta, 0..origins.len()) / origins.len() as f64;
            // where nothing ever moved there is nothing to widen
            let level = match mean > 0.0 {
                true => fit.left_out(&beta, stride) / mean,
                false => 1.0,
            };
            volatility.coefficients.push(beta);
            volatility.level.push(level);
            volatility
                .typical
                .push(if mean > 0.0 { mean * level } else { 1.0 });
        }
        volatility.fits(known.horizon()).then_some(volatility)
    }

    /// Steps ahead (H).
    pub fn horizon(&self) -> usize {
        self.coefficients.len()
    }

    /// Coefficients of each step ahead, one of each regressor: (H, K).
    pub fn coefficients(&self) -> &[[f64; K]] {
        &self.coefficients
    }

    /// Factor that quantiles of each step are widened by: (H).
    pub fn level(&self) -> &[f64] {
        &self.level
    }

    /// Mean of |y| / spread that is expected of new rows: (H).
    pub fn typical(&self) -> &[f64] {
        &self.typical
    }

    /// Each season as milliseconds of a class and the factors of variance of its classes: a row's class is its time in units of those
    /// milliseconds, rounded down, modulo the number of classes.
    pub fn seasons(&self) -> impl Iterator<Item = (i64, &[f64])> {
        self.seasons
            .iter()
            .map(|seasonal| (seasonal.season.unit(), &seasonal.factors[..]))
    }

    /// Can it have been learned for forecasts of `horizon` steps?
    pub fn fits(&self, horizon: usize) -> bool {
        let positive = |values: &[f64]| values.iter().all(|x| *x > 0.0 && x.is_finite());
        self.coefficients.len() == horizon
            && self.level.len() == horizon
            && self.typical.len() == horizon
            && positive(&self.level)
            && positive(&self.typical)
            && self.seasons.iter().all(|seasonal| {
                seasonal.factors.len() == seasonal.season.classes() && positive(&seasonal.factors)
            })
            && self.coefficients.iter().flatten().all(|b| b.is_finite())
    }

    /// Expected absolute log return of every step ahead of a window: (H), into `out`.
    pub fn spread(&self, window: &Window<'_>, out: &mut [f64]) {
        let candles = window.recent(REACH + 1);
        let rows = Rows::new(&candles, &self.seasons);
        let x = rows.regressors(candles.close.len() - 1);
        let calendar = window.calendar();
        self.spread_of(&x, |step| calendar.after(window.time(), step), out);
    }

    /// The rows of all candles of these windows, made once, for [`Volatility::spread_at`]: 24 bytes a candle.
    pub fn over<'a>(&self, windows: &Windows<'a>) -> Spreads<'a> {
        let runs = windows.runs().into_iter();
        Spreads {
            runs: runs
                .map(|(start, candles)| (start, Rows::new(&candles, &self.seasons)))
                .collect(),
        }
    }

    /// The same as [`Volatility::spread`], to the last bit, of one of many windows.
    pub fn spread_at(&self, spreads: &Spreads<'_>, window: &Window<'_>, out: &mut [f64]) {
        let origin = window.origin();
        let run = spreads.runs.partition_point(|(start, _)| *start <= origin);
        let (start, rows) = &spreads.runs[run - 1];
        let x = rows.regressors(origin - start);
        let calendar = window.calendar();
        self.spread_of(&x, |step| calendar.after(window.time(), step), out);
    }

    fn spread_of(&self, x: &[f64; K], time: impl Fn(usize) -> Time, out: &mut [f64]) {
        let mut ahead = 0.0;
        for (step, (out, beta)) in out.iter_mut().zip(&self.coefficients).enumerate() {
            ahead += factor(&self.seasons, time(step + 1));
            *out = ahead.sqrt() * dot(beta, x).clamp(-30.0, 5.0).exp();
        }
    }

    /// The factor that a window's quantiles are widened by, for every step: (H), into `out`. It is the level times by how much the moves
    /// that matured in the last rows before the window were larger than expected.
    ///
    /// A forecast h steps ahead is known to be right or wrong only h rows later, so what is taken are the origins from h rows before
    /// the window back to 365 rows before that, as far as the window's run of candles reaches: f = (mean |y| / spread ÷ its mean in
    /// learning) ^ (n / (n + 10)) with n = origins / h, the ones that do not overlap. With no rows to look at it is 1.
    ///
    /// This is adaptive conformal calibration (Gibbs and Candès 2021) of one scale a step, whose feedback arrives h rows late: a window
    /// of matured scores in place of a step size, so that it needs no memory beside the candles.
    pub fn lately(&self, window: &Window<'_>, out: &mut [f64]) {
        let horizon = self.horizon();
        let candles = window.recent(LATELY.0 + horizon + REACH + 1);
        let (n, calendar) = (candles.close.len(), window.calendar());
        let rows = Rows::new(&candles, &self.seasons);
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
                    sums[step] += (rows.close[origin + step + 1] / rows.close[origin])
                        .ln()
                        .abs()
                        / spread[step];
                    counts[step] += 1;
                }
            }
        }
        for (step, out) in out.iter_mut().enumerate() {
            let independent = counts[step] as f64 / (step + 1) as f64;
            let mean = sums[step] / counts[step] as f64 / self.typical[step];
            *out = match counts[step] > 0 && mean > 0.0 {
                true => self.level[step] * mean.powf(independent / (independent + LATELY.1)),
                false => self.level[step],
            };
        }
    }
}

fn dot(a: &[f64; K], b: &[f64; K]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl Fit<'_> {
    /// Sum of |y| / spread over these rows.
    fn sum(&self, beta: &[f64; K], rows: Range<usize>) -> f64 {
        let cells = self.design[rows.clone()].iter().zip(&self.sizes[rows]);
        cells.map(|(x, size)| size * (-dot(beta, x)).exp()).sum()
    }

    /// Coefficients from all rows; the search begins at those of the step `before`, which are near.
    fn all(&self, before: Option<&[f64; K]>) -> [f64; K] {
        let n = self.design.len() as f64;
        let rows = [0..self.design.len(), 0..0];
        if let Some(before) = before {
            return self.newton(&rows, *before);
        }
        let mean = self.sizes.iter().sum::<f64>() / n;
        let expected = self.design.iter().map(|x| dot(&PRIOR, x)).sum::<f64>() / n;
        let mut start = PRIOR;
        start[0] = mean.max(1e-12).ln() - expected;
        self.newton(&rows, start)
    }

    /// Mean of |y| / spread on rows that the regression was not fitted to; `stride` rows of the table lie between two.
    fn left_out(&self, beta: &[f64; K], stride: usize) -> f64 {
        let n = self.design.len();
        let overlap = self.step.div_ceil(stride);
        let edge = |block: usize| block * n / BLOCKS;
        let total: f64 = (0..BLOCKS)
            .map(|block| {
                let held = edge(block)..edge(block + 1);
                let kept = [
                    0..held.start.saturating_sub(overlap),
                    (held.end + overlap).min(n)..n,
                ];
                self.sum(&self.newton(&kept, *beta), held)
            })
            .sum();
        total / n as f64
    }

    /// Minimises Σ (x·b + size · e^(−x·b)) / h + ½ Σ ridge (b − prior)² over these rows, which is convex, from `beta`.
    fn newton(&self, rows: &[Range<usize>; 2], mut beta: [f64; K]) -> [f64; K] {
        let weight = 1.0 / self.step as f64;
        let cells = || {
            let rows = rows.iter().cloned().flatten();
            rows.map(|row| (&self.design[row], self.sizes[row]))
        };
        for _ in 0..NEWTON {
            let mut gradient = [0.0; K];
            let mut hessian = [[0.0; K]; K];
            for k in 0..K {
                gradient[k] = RIDGE[k] * (beta[k] - PRIOR[k]);
                hessian[k][k] = RIDGE[k] + 1e-9;
            }
            for (x, size) in cells() {
                let unit = size * (-dot(&beta, x).clamp(-50.0, 50.0)).exp();
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
            // no fitted spread changes by more than a factor of e at once
            let largest = cells()
                .map(|(x, _)| dot(&step, x).abs())
                .fold(0.0, f64::max);
            let share = if largest > 1.0 { 1.0 / largest } else { 1.0 };
            for (b, step) in beta.iter_mut().zip(&step) {
                *b -= share * step;
            }
            if largest < 1e-7 {
                break;
            }
        }
        beta
    }
}

/// Solves a symmetric positive definite system, given by its lower half, by Cholesky; none where it is not.
fn solve(mut a: [[f64; K]; K], mut y: [f64; K]) -> Option<[f64; K]> {
    for j in 0..K {
        for k in 0..j {
            a[j][j] -= a[j][k] * a[j][k];
        }
        if a[j][j] <= 0.0 || a[j][j].is_nan() {
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
