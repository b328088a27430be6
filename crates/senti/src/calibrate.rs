//! Calibration: corrects forecasts by what the calibration part shows, first their place, then their width.
//!
//! In come forecasts of windows that the model did not learn from, with what came true; out goes a [`Calibration`]: for each step one
//! share of the forecast move to believe, and for each pair of levels (q, 1 − q) one factor for the width.
//!
//! **Place.** Regressing what came on the forecast move m from the last close (through the origin: Mincer and Zarnowitz 1969, with a
//! random walk as the null) gives the share λ = Σ m·y / Σ m², cut to 0 … 1. The whole distribution is moved by (λ − 1)·m in log price.
//! Only forecasts of returns are moved; a forecast of the price itself (the original's recipe) is left where it is.
//!
//! **Width.** A quantile is moved away from or towards the median by a factor, in log price, as split conformal prediction does. The
//! score of a window is how far the truth lies from the median in units of the half interval (normalised scores: Lei et al. 2018,
//! "Distribution-free predictive inference for regression"; Romano et al. 2019, CQR); the factor is its ⌈(n + 1)(1 − 2q)⌉-th smallest
//! value, the finite-sample correction.
//!
//! Windows h steps ahead overlap: n of them are worth about n / h. Both are therefore shrunk, the share towards 0 (the last close) and
//! the factor towards 1, with a weight of (n / h) / (n / h + 20) for what was seen; a guarantee that pretends independence would be
//! worth nothing.

use serde::{Deserialize, Serialize};

use crate::forecast::Predictions;
use crate::plan::LEVELS;

/// Independent windows at which the data have as much to say as the prior factor of 1.
const PRIOR: f64 = 20.0;
/// Factors outside are cut: a calibration part never says more than this.
const RANGE: (f64, f64) = (0.2, 5.0);
/// Scores kept of each step and pair; more windows are thinned out evenly.
const SAMPLE: usize = 5_000;

/// Bytes of the scores of so many windows.
pub(crate) fn bytes(horizon: usize, windows: usize) -> u64 {
    let cells = (horizon * (LEVELS.len() / 2)) as u64;
    cells.saturating_mul((windows.min(SAMPLE) * size_of::<f32>()) as u64)
}

/// Weight of what `windows` overlapping windows show of a step, counted from 0.
fn weight(windows: f64, step: usize) -> f64 {
    let independent = windows / (step + 1) as f64;
    independent / (independent + PRIOR)
}

/// Learns how much of a forecast move to believe, a chunk of windows at a time.
pub struct Locator {
    windows: f64,
    /// Σ m·y and Σ m² of each step.
    sums: Vec<(f64, f64)>,
}

impl Locator {
    /// For forecasts of `horizon` steps.
    pub fn new(horizon: usize) -> Self {
        Self {
            windows: 0.0,
            sums: vec![(0.0, 0.0); horizon],
        }
    }

    /// Takes the forecasts of some windows, their last closes (n) and what came true (n, H).
    pub fn add(&mut self, last_close: &[f64], predictions: &Predictions, actual: &[f64]) {
        let horizon = self.sums.len();
        for (window, (&last, actual)) in last_close
            .iter()
            .zip(actual.chunks_exact(horizon))
            .enumerate()
        {
            self.windows += 1.0;
            let forecast = predictions.point(window).iter().zip(actual);
            for ((product, square), (&point, &actual)) in self.sums.iter_mut().zip(forecast) {
                let forecast = (point / last).ln();
                *product += forecast * (actual / last).ln();
                *square += forecast * forecast;
            }
        }
    }

    /// Windows taken so far.
    pub fn n_windows(&self) -> usize {
        self.windows as usize
    }

    /// The calibration of place; widths are as forecast.
    pub fn finish(self, n_levels: usize) -> Calibration {
        let share = |(step, &(product, square)): (usize, &(f64, f64))| {
            let found = if square > 0.0 { product / square } else { 0.0 };
            weight(self.windows, step) * found.clamp(0.0, 1.0)
        };
        Calibration {
            shares: self.sums.iter().enumerate().map(share).collect(),
            ..Calibration::none(self.sums.len(), n_levels)
        }
    }
}

/// Shares of the move and factors of the width.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Share of the forecast move that is believed, one a step: (H).
    shares: Vec<f64>,
    /// Pairs of levels (Q / 2).
    pairs: usize,
    /// (H, Q / 2)
    factors: Vec<f64>,
}

/// Gathers scores of width, a chunk of windows at a time.
pub struct Calibrator {
    /// What is known of the place.
    place: Calibration,
    levels: Vec<f64>,
    horizon: usize,
    stride: usize,
    seen: usize,
    /// (H, Q / 2) lists of scores
    scores: Vec<Vec<f32>>,
}

impl Calibrator {
    /// For `windows` windows whose place is calibrated already; levels are symmetric about the median.
    pub fn new(place: Calibration, levels: &[f64], windows: usize) -> Self {
        let (pairs, horizon) = (levels.len() / 2, place.shares.len());
        Self {
            place,
            levels: levels.to_vec(),
            horizon,
            stride: windows.div_ceil(SAMPLE).max(1),
            seen: 0,
            scores: (0..horizon * pairs)
                .map(|_| Vec::with_capacity(windows.min(SAMPLE)))
                .collect(),
        }
    }

    /// Moves the forecasts of some windows to their place and takes how far what came true lies from them: (n, H).
    pub fn add(&mut self, last_close: &[f64], predictions: &mut Predictions, actual: &[f64]) {
        self.place.apply(last_close, predictions);
        let (pairs, levels) = (self.levels.len() / 2, self.levels.len());
        for (window, actual) in actual.chunks_exact(self.horizon).enumerate() {
            self.seen += 1;
            if !(self.seen - 1).is_multiple_of(self.stride) {
                continue;
            }
            let quantiles = predictions.quantiles(window);
            for (step, &actual) in actual.iter().enumerate() {
                let quantiles = &quantiles[step * levels..][..levels];
                let median = quantiles[pairs].ln();
                let miss = actual.ln() - median;
                for pair in 0..pairs {
                    let edge = if miss < 0.0 {
                        quantiles[pair]
                    } else {
                        quantiles[levels - 1 - pair]
                    };
                    let half = (edge.ln() - median).abs().max(f64::MIN_POSITIVE);
                    self.scores[step * pairs + pair].push((miss.abs() / half) as f32);
                }
            }
        }
    }

    /// Windows taken so far.
    pub fn n_windows(&self) -> usize {
        self.seen
    }

    /// The factors.
    pub fn finish(mut self) -> Calibration {
        let pairs = self.levels.len() / 2;
        let seen = self.seen as f64;
        let mut factors = Vec::with_capacity(self.scores.len());
        for (cell, scores) in self.scores.iter_mut().enumerate() {
            let (step, pair) = (cell / pairs, cell % pairs);
            if scores.is_empty() {
                factors.push(1.0);
                continue;
            }
            scores.sort_by(f32::total_cmp);
            let coverage = 1.0 - 2.0 * self.levels[pair];
            let rank = ((scores.len() + 1) as f64 * coverage).ceil() as usize;
            let found = f64::from(scores[rank.clamp(1, scores.len()) - 1]).clamp(RANGE.0, RANGE.1);
            factors.push((weight(seen, step) * found.ln()).exp());
        }
        Calibration {
            factors,
            ..self.place
        }
    }
}

impl Calibration {
    /// Leaves forecasts of `horizon` steps as they are.
    pub fn none(horizon: usize, n_levels: usize) -> Self {
        let pairs = n_levels / 2;
        Self {
            shares: vec![1.0; horizon],
            pairs,
            factors: vec![1.0; horizon * pairs],
        }
    }

    /// Does it fit forecasts of this shape, with shares and factors that a calibration can have?
    pub fn fits(&self, horizon: usize, n_levels: usize) -> bool {
        let pairs = n_levels / 2;
        let factors = self.factors.iter();
        self.pairs == pairs
            && self.shares.len() == horizon
            && self.factors.len() == horizon * pairs
            && self.shares.iter().all(|share| (0.0..=1.0).contains(share))
            && factors
                .into_iter()
                .all(|factor| (RANGE.0..=RANGE.1).contains(factor))
    }

    /// Does it leave forecasts as they are?
    pub fn is_none(&self) -> bool {
        let mut numbers = self.shares.iter().chain(&self.factors);
        numbers.all(|number| *number == 1.0)
    }

    /// Share of the forecast move that is believed at a step (from 0).
    pub fn share(&self, step: usize) -> f64 {
        self.shares[step]
    }

    /// Factor of a step (from 0) and pair (0 is the outermost).
    pub fn factor(&self, step: usize, pair: usize) -> f64 {
        self.factors[step * self.pairs + pair]
    }

    /// Corrects the forecasts of windows with these last closes; no quantile crosses another.
    pub fn apply(&self, last_close: &[f64], predictions: &mut Predictions) {
        let (horizon, levels, middle) = (predictions.horizon, predictions.n_levels, self.pairs);
        let quantiles = predictions.quantiles.chunks_exact_mut(levels);
        for (cell, (point, quantiles)) in predictions.point.iter_mut().zip(quantiles).enumerate() {
            let (window, step) = (cell / horizon, cell % horizon);
            // a share of 0 is the last close itself, a share of 1 the forecast itself, to the last bit
            let (last, was) = (last_close[window], *point);
            if self.shares[step] < 1.0 {
                *point = last * (was / last).powf(self.shares[step]);
            }
            let shift = *point / was;
            if quantiles[middle] == was {
                quantiles[middle] = *point;
            } else {
                quantiles[middle] *= shift;
            }
            let median = quantiles[middle];
            let (mut below, mut above) = (median, median);
            for pair in (0..self.pairs).rev() {
                let factor = self.factor(step, pair);
                let moved = |price: f64| median * (shift * price / median).powf(factor);
                below = moved(quantiles[pair]).min(below);
                above = moved(quantiles[levels - 1 - pair]).max(above);
                (quantiles[pair], quantiles[levels - 1 - pair]) = (below, above);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVELS: [f64; 3] = [0.1, 0.5, 0.9];

    fn forecast(n: usize, low: f64, median: f64, high: f64) -> Predictions {
        let mut predictions = Predictions::new(n, 1, 3);
        for row in 0..n {
            predictions.quantiles[row * 3..][..3].copy_from_slice(&[low, median, high]);
            predictions.point[row] = median;
        }
        predictions
    }

    /// Calibration of width alone.
    fn widths(mut predictions: Predictions, actual: &[f64]) -> Calibration {
        let n = actual.len();
        let mut calibrator = Calibrator::new(Calibration::none(1, 3), &LEVELS, n);
        calibrator.add(&vec![1.0; n], &mut predictions, actual);
        calibrator.finish()
    }

    #[test]
    fn intervals_half_as_wide_as_the_truth_are_doubled_where_there_are_many_windows() {
        let n = 4000;
        let (low, high) = ((-0.5_f64).exp(), 0.5_f64.exp());
        // |log actual| is uniform on 0..1.25, so 80 % of it lies below 1 = twice the half width
        let sign = |row: usize| if row.is_multiple_of(2) { 1.0_f64 } else { -1.0 };
        let actual: Vec<f64> = (0..n)
            .map(|row| (1.25 * (row as f64 + 0.5) / n as f64 * sign(row)).exp())
            .collect();
        let calibration = widths(forecast(n, low, 1.0, high), &actual);
        // shrunk: 2^(4000 / 4020)
        let wanted = 2.0_f64.powf(4000.0 / 4020.0);
        assert!((calibration.factor(0, 0) / wanted - 1.0).abs() < 1e-3);
        let mut moved = forecast(1, low, 1.0, high);
        calibration.apply(&[1.0], &mut moved);
        assert_eq!(moved.quantiles[1], 1.0);
        assert!((moved.quantiles[2].ln() - 0.5 * calibration.factor(0, 0)).abs() < 1e-12);
    }

    #[test]
    fn the_finite_sample_rank_is_the_papers() {
        // n = 9, coverage 0.8: ⌈10 · 0.8⌉ = 8th smallest of the scores 0.25, 0.5, … 2.25
        let actual: Vec<f64> = (1..=9).map(|k| (f64::from(k) / 4.0).exp()).collect();
        let calibration = widths(forecast(9, (-1.0_f64).exp(), 1.0, 1.0_f64.exp()), &actual);
        let wanted = 2.0_f64.powf(9.0 / 29.0);
        assert!((calibration.factor(0, 0) - wanted).abs() < 1e-6);
    }

    #[test]
    fn quantiles_never_cross_whatever_the_factors() {
        let mut predictions = Predictions::new(1, 1, 5);
        predictions.point[0] = 1.0;
        let quantiles = [0.8, 0.9, 1.0, 1.1, 1.2];
        predictions.quantiles.copy_from_slice(&quantiles);
        let calibration = Calibration {
            factors: vec![0.2, 5.0],
            ..Calibration::none(1, 5)
        };
        calibration.apply(&[1.0], &mut predictions);
        assert!(predictions.quantiles.is_sorted(), "{predictions:?}");
    }

    #[test]
    fn a_forecast_is_moved_towards_the_last_close_by_what_came_of_its_moves() {
        // moves of ±2 % are forecast, ±1 % come: half of each is to be believed, and 980 independent windows weigh 0.98
        let n = 980;
        let sign = |row: usize| if row.is_multiple_of(2) { 1.0_f64 } else { -1.0 };
        let mut predictions = Predictions::new(n, 1, 3);
        for row in 0..n {
            let point = 100.0 * (0.02 * sign(row)).exp();
            predictions.point[row] = point;
            predictions.quantiles[row * 3..][..3].copy_from_slice(&[
                point * 0.9,
                point,
                point * 1.1,
            ]);
        }
        let actual: Vec<f64> = (0..n).map(|row| 100.0 * (0.01 * sign(row)).exp()).collect();
        let last_close = vec![100.0; n];
        let mut locator = Locator::new(1);
        locator.add(&last_close, &predictions, &actual);
        let calibration = locator.finish(3);
        assert!((calibration.share(0) - 0.49).abs() < 1e-12);
        calibration.apply(&last_close, &mut predictions);
        let point = 100.0 * (0.49 * 0.02_f64).exp();
        assert!((predictions.point[0] / point - 1.0).abs() < 1e-12);
        for (found, wanted) in predictions.quantiles(0).iter().zip([0.9, 1.0, 1.1]) {
            assert!((found / (wanted * point) - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn moves_that_never_come_are_not_believed_and_nothing_is_turned_round() {
        let mut predictions = forecast(50, 0.9, 1.0, 1.3);
        predictions.point.fill(1.05);
        let mut locator = Locator::new(1);
        locator.add(&[1.0; 50], &predictions, &[0.97; 50]);
        assert_eq!(locator.finish(3).share(0), 0.0);
    }
}
