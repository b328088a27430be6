//! The ledger of a track: sums of what its cells (an origin's step) contribute, and the losses that tests compare.
//!
//! In come a track and what came true; out go sums a step, which add up to those of all steps, and one loss a cell. Nothing here tests
//! or judges.

use crate::backtest::{Backtest, Track};
use crate::metrics::{pinball, winkler};
use crate::{Error, Result};

use super::{DistributionScores, IntervalScores, LevelScores, PointScores, StepCard};

/// Log price relative to the last close; what lies at or below a billionth of it counts as that.
pub(super) fn log_ratio(price: f64, last_close: f64) -> f64 {
    (price / last_close).max(1e-9).ln()
}

/// A central interval: nominal coverage and places of its ends among the levels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Interval {
    pub nominal: f64,
    pub low: usize,
    pub high: usize,
}

/// Central intervals of 50, 80, 90 and 95 % whose ends are among the levels.
pub(super) fn intervals(levels: &[f64]) -> Vec<Interval> {
    let place = |level: f64| levels.iter().position(|other| (other - level).abs() < 1e-9);
    [0.50, 0.80, 0.90, 0.95]
        .iter()
        .filter_map(|&nominal| {
            let tail = (1.0 - nominal) / 2.0;
            let (low, high) = (place(tail)?, place(1.0 - tail)?);
            Some(Interval { nominal, low, high })
        })
        .collect()
}

/// Sums over cells.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    pub cells: usize,
    absolute: f64,
    square: f64,
    relative: f64,
    absolute_log: f64,
    square_log: f64,
    // the last close's
    still_absolute: f64,
    still_absolute_log: f64,
    still_square_log: f64,
    /// Cells whose point moves from the last close.
    pub moved: usize,
    pub right: usize,
    pub up: usize,
    crps_log: f64,
    crps_price: f64,
    // (Q)
    pinball_log: Vec<f64>,
    pinball_price: Vec<f64>,
    /// Outcomes above as many quantiles: (Q + 1).
    pub bins: Vec<usize>,
    // one an interval
    pub inside: Vec<usize>,
    width_log: Vec<f64>,
    width_price: Vec<f64>,
    winkler_log: Vec<f64>,
    winkler_price: Vec<f64>,
}

fn add(into: &mut [f64], other: &[f64]) {
    into.iter_mut()
        .zip(other)
        .for_each(|(sum, value)| *sum += value);
}

impl Sums {
    fn new(n_levels: usize, n_intervals: usize) -> Self {
        Self {
            pinball_log: vec![0.0; n_levels],
            pinball_price: vec![0.0; n_levels],
            bins: vec![0; n_levels + 1],
            inside: vec![0; n_intervals],
            width_log: vec![0.0; n_intervals],
            width_price: vec![0.0; n_intervals],
            winkler_log: vec![0.0; n_intervals],
            winkler_price: vec![0.0; n_intervals],
            ..Self::default()
        }
    }

    fn join(&mut self, other: &Self) {
        self.cells += other.cells;
        self.moved += other.moved;
        self.right += other.right;
        self.up += other.up;
        for (sum, value) in [
            (&mut self.absolute, other.absolute),
            (&mut self.square, other.square),
            (&mut self.relative, other.relative),
            (&mut self.absolute_log, other.absolute_log),
            (&mut self.square_log, other.square_log),
            (&mut self.still_absolute, other.still_absolute),
            (&mut self.still_absolute_log, other.still_absolute_log),
            (&mut self.still_square_log, other.still_square_log),
            (&mut self.crps_log, other.crps_log),
            (&mut self.crps_price, other.crps_price),
        ] {
            *sum += value;
        }
        add(&mut self.pinball_log, &other.pinball_log);
        add(&mut self.pinball_price, &other.pinball_price);
        add(&mut self.width_log, &other.width_log);
        add(&mut self.width_price, &other.width_price);
        add(&mut self.winkler_log, &other.winkler_log);
        add(&mut self.winkler_price, &other.winkler_price);
        self.bins
            .iter_mut()
            .zip(&other.bins)
            .for_each(|(sum, value)| *sum += value);
        self.inside
            .iter_mut()
            .zip(&other.inside)
            .for_each(|(sum, value)| *sum += value);
    }

    fn mean(&self, sum: f64) -> f64 {
        sum / self.cells as f64
    }

    pub fn point(&self, mean_move: f64) -> PointScores {
        let (mae, rmse) = (self.mean(self.absolute), self.mean(self.square).sqrt());
        let scaled = |value: f64| (mean_move > 0.0).then(|| value / mean_move);
        let ratio = |value: f64, of: f64| (of > 0.0).then(|| value / of);
        PointScores {
            mae_price: mae,
            rmse_price: rmse,
            mape: 100.0 * self.mean(self.relative),
            mase: scaled(mae),
            rmsse: scaled(rmse),
            mae_log: self.mean(self.absolute_log),
            rmse_log: self.mean(self.square_log).sqrt(),
            relative_mae: ratio(self.absolute_log, self.still_absolute_log),
            relative_mae_price: ratio(self.absolute, self.still_absolute),
            r2_out_of_sample: ratio(self.square_log, self.still_square_log)
                .map(|share| 1.0 - share),
            against_last_close: super::build::no_test(),
            clark_west: None,
        }
    }

    /// Scores of quantiles whose tests are still to come.
    pub fn distribution(&self, levels: &[f64], intervals: &[Interval]) -> DistributionScores {
        let mut below = 0;
        let levels = levels
            .iter()
            .enumerate()
            .map(|(place, &level)| {
                below += self.bins[place];
                LevelScores {
                    level,
                    pinball_log: self.mean(self.pinball_log[place]),
                    pinball_price: self.mean(self.pinball_price[place]),
                    share_below: self.mean(below as f64),
                }
            })
            .collect();
        let intervals = intervals
            .iter()
            .enumerate()
            .map(|(place, interval)| IntervalScores {
                nominal: interval.nominal,
                coverage: self.mean(self.inside[place] as f64),
                coverage_low: 0.0,
                coverage_high: 1.0,
                width_log: self.mean(self.width_log[place]),
                width_price: self.mean(self.width_price[place]),
                winkler_log: self.mean(self.winkler_log[place]),
                winkler_price: self.mean(self.winkler_price[place]),
                kupiec_p: None,
                christoffersen_p: None,
            })
            .collect();
        DistributionScores {
            crps_log: self.mean(self.crps_log),
            crps_price: self.mean(self.crps_price),
            levels,
            intervals,
            pit: super::Pit {
                edges: vec![],
                shares: vec![],
                p: None,
            },
        }
    }

    pub fn step(
        &self,
        step: usize,
        quantiles: bool,
        intervals: &[Interval],
        naive_crps: Option<f64>,
    ) -> StepCard {
        let coverage = |nominal: f64| {
            let place = intervals
                .iter()
                .position(|interval| interval.nominal == nominal)?;
            quantiles.then(|| self.mean(self.inside[place] as f64))
        };
        let crps_log = quantiles.then(|| self.mean(self.crps_log));
        StepCard {
            step,
            mae_price: self.mean(self.absolute),
            mae_log: self.mean(self.absolute_log),
            relative_mae: (self.still_absolute_log > 0.0)
                .then(|| self.absolute_log / self.still_absolute_log),
            crps_log,
            skill: crps_log
                .zip(naive_crps.filter(|&crps| crps > 0.0))
                .map(|(mine, naive)| 1.0 - mine / naive),
            coverage_50: coverage(0.50),
            coverage_80: coverage(0.80),
            coverage_90: coverage(0.90),
            direction: (self.moved > 0).then(|| self.right as f64 / self.moved as f64),
        }
    }

    pub fn crps(&self) -> f64 {
        self.mean(self.crps_log)
    }
}

/// A track, summed up.
pub(super) struct Ledger<'a> {
    pub track: &'a Track,
    /// One a step: (H).
    pub steps: Vec<Sums>,
    /// Over all steps.
    pub all: Sums,
    /// `|ln(point / actual)|`: (n, H).
    pub absolute_log: Vec<f64>,
    /// Twice the mean pinball loss in log prices: (n, H); empty without quantiles.
    pub crps_log: Vec<f64>,
    /// Quantiles at or below zero.
    pub without_logarithm: usize,
}

impl<'a> Ledger<'a> {
    pub fn of(backtest: &Backtest, track: &'a Track, intervals: &[Interval]) -> Result<Self> {
        let (truth, predictions) = (&backtest.truth, &track.predictions);
        let (n, horizon, n_levels) = (truth.len(), truth.horizon, predictions.n_levels);
        if predictions.horizon != horizon || predictions.point.len() != n * horizon {
            return Err(Error::internal(format!(
                "the track of `{}` has {} forecasts of {} steps, the backtest has {n} origins of {horizon}",
                track.model,
                predictions.len(),
                predictions.horizon
            )));
        }
        let wanted = [0, backtest.levels.len()].contains(&n_levels);
        if !wanted || predictions.quantiles.len() != n * horizon * n_levels {
            return Err(Error::internal(format!(
                "the track of `{}` has {n_levels} quantiles a step, the backtest has {}",
                track.model,
                backtest.levels.len()
            )));
        }
        let levels = &backtest.levels[..n_levels];
        let intervals = if n_levels == 0 { &[] } else { intervals };
        let mut ledger = Self {
            track,
            steps: vec![Sums::new(n_levels, intervals.len()); horizon],
            all: Sums::new(n_levels, intervals.len()),
            absolute_log: Vec::with_capacity(n * horizon),
            crps_log: Vec::with_capacity(if n_levels == 0 { 0 } else { n * horizon }),
            without_logarithm: 0,
        };
        let mut logs = vec![0.0; n_levels];
        for origin in 0..n {
            let last = truth.last_close[origin];
            let rows = truth.actual(origin).iter().zip(predictions.point(origin));
            for (step, (&actual, &point)) in rows.enumerate() {
                let quantiles = &predictions.quantiles(origin)[step * n_levels..][..n_levels];
                if let Some(bad) = quantiles
                    .iter()
                    .chain([&point])
                    .find(|price| !price.is_finite())
                {
                    return Err(Error::data(format!(
                        "`{}` forecasts {bad} from origin {} at step {}, wanted a number",
                        track.model,
                        origin + 1,
                        step + 1
                    )));
                }
                let sums = &mut ledger.steps[step];
                sums.cells += 1;
                let error = (actual - point).abs();
                sums.absolute += error;
                sums.square += error * error;
                sums.relative += error / actual;
                let came = log_ratio(actual, last);
                let error_log = (log_ratio(point, last) - came).abs();
                sums.absolute_log += error_log;
                sums.square_log += error_log * error_log;
                ledger.absolute_log.push(error_log);
                sums.still_absolute += (actual - last).abs();
                sums.still_absolute_log += came.abs();
                sums.still_square_log += came * came;
                // A price written with seven digits equals the last close if it agrees to a millionth.
                if (point / last - 1.0).abs() > 1e-6 {
                    sums.moved += 1;
                    sums.right += usize::from((point > last) == (actual > last));
                }
                sums.up += usize::from(actual > last);
                if n_levels == 0 {
                    continue;
                }
                let mut above = 0;
                let (mut crps_log, mut crps_price) = (0.0, 0.0);
                for (place, (&quantile, &level)) in quantiles.iter().zip(levels).enumerate() {
                    ledger.without_logarithm += usize::from(quantile <= 0.0);
                    logs[place] = log_ratio(quantile, last);
                    let (loss_log, loss_price) = (
                        pinball(came, logs[place], level),
                        pinball(actual, quantile, level),
                    );
                    sums.pinball_log[place] += loss_log;
                    sums.pinball_price[place] += loss_price;
                    crps_log += loss_log;
                    crps_price += loss_price;
                    above += usize::from(quantile < actual);
                }
                crps_log *= 2.0 / n_levels as f64;
                sums.crps_log += crps_log;
                sums.crps_price += crps_price * 2.0 / n_levels as f64;
                ledger.crps_log.push(crps_log);
                sums.bins[above] += 1;
                for (place, interval) in intervals.iter().enumerate() {
                    let (low, high) = (quantiles[interval.low], quantiles[interval.high]);
                    let (low_log, high_log) = (logs[interval.low], logs[interval.high]);
                    sums.inside[place] += usize::from(low <= actual && actual <= high);
                    sums.width_log[place] += high_log - low_log;
                    sums.width_price[place] += high - low;
                    sums.winkler_log[place] += winkler(came, (low_log, high_log), interval.nominal);
                    sums.winkler_price[place] += winkler(actual, (low, high), interval.nominal);
                }
            }
        }
        for sums in &ledger.steps {
            ledger.all.join(sums);
        }
        Ok(ledger)
    }

    /// Sums at a step, or of all.
    pub fn sums(&self, step: Option<usize>) -> &Sums {
        step.map_or(&self.all, |step| &self.steps[step - 1])
    }

    pub fn has_quantiles(&self) -> bool {
        !self.crps_log.is_empty()
    }
}

/// One value an origin of a (n, H) matrix: that of the step, or the mean over the steps.
pub(super) fn by_origin(cells: &[f64], horizon: usize, step: Option<usize>) -> Vec<f64> {
    let rows = cells.chunks_exact(horizon);
    match step {
        Some(step) => rows.map(|row| row[step - 1]).collect(),
        None => rows
            .map(|row| row.iter().sum::<f64>() / horizon as f64)
            .collect(),
    }
}
