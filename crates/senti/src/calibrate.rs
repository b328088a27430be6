//! Calibration: widens or narrows the intervals by what the calibration part shows, as split conformal prediction does.
//!
//! In come forecast quantiles of windows that the model did not learn from, with what came true; out goes one factor for each step
//! and pair of levels (q, 1 − q). A forecast's quantiles are moved away from or towards its median by that factor, in log price.
//! The score of a window is how far the truth lies from the median in units of the half interval (normalised scores: Lei et al.
//! 2018, "Distribution-free predictive inference for regression"; Romano et al. 2019, CQR); the factor is its
//! ⌈(n + 1)(1 − 2q)⌉-th smallest value, the finite-sample correction.
//!
//! Windows h steps ahead overlap: n of them are worth about n / h. The factor is therefore shrunk towards 1 with a weight of
//! (n / h) / (n / h + 20); a guarantee that pretends independence would be worth nothing.

use serde::{Deserialize, Serialize};

use crate::forecast::Predictions;

/// Independent windows at which the data have as much to say as the prior factor of 1.
const PRIOR: f64 = 20.0;
/// Factors outside are cut: a calibration part never says more than this.
const RANGE: (f64, f64) = (0.2, 5.0);
/// Scores kept of each step and pair; more windows are thinned out evenly.
const SAMPLE: usize = 5_000;

/// One factor for each step and pair of levels, outermost pair first: (H, Q / 2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Pairs of levels (Q / 2).
    pairs: usize,
    /// (H, Q / 2)
    factors: Vec<f64>,
}

/// Gathers scores, a chunk of windows at a time.
pub struct Calibrator {
    levels: Vec<f64>,
    horizon: usize,
    stride: usize,
    seen: usize,
    /// (H, Q / 2) lists of scores
    scores: Vec<Vec<f32>>,
}

impl Calibrator {
    /// For `windows` windows of `horizon` steps; levels are symmetric about the median.
    pub fn new(levels: &[f64], horizon: usize, windows: usize) -> Self {
        let pairs = levels.len() / 2;
        Self {
            levels: levels.to_vec(),
            horizon,
            stride: windows.div_ceil(SAMPLE).max(1),
            seen: 0,
            scores: vec![Vec::new(); horizon * pairs],
        }
    }

    /// Takes the forecasts of some windows and what came true: `actual` is (n, H).
    pub fn add(&mut self, predictions: &Predictions, actual: &[f64]) {
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
            let independent = seen / (step + 1) as f64;
            let weight = independent / (independent + PRIOR);
            factors.push((weight * found.ln()).exp());
        }
        Calibration { pairs, factors }
    }
}

impl Calibration {
    /// Factor of a step (from 0) and pair (0 is the outermost).
    pub fn factor(&self, step: usize, pair: usize) -> f64 {
        self.factors[step * self.pairs + pair]
    }

    /// Moves the quantiles of all windows; medians and points stay, and no quantile crosses another.
    pub fn apply(&self, predictions: &mut Predictions) {
        let levels = predictions.n_levels;
        for (cell, quantiles) in predictions.quantiles.chunks_exact_mut(levels).enumerate() {
            let step = cell % predictions.horizon;
            let middle = self.pairs;
            let median = quantiles[middle];
            let (mut below, mut above) = (median, median);
            for pair in (0..self.pairs).rev() {
                let factor = self.factor(step, pair);
                let moved = |price: f64| median * (factor * (price / median).ln()).exp();
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

    #[test]
    fn intervals_half_as_wide_as_the_truth_are_doubled_where_there_are_many_windows() {
        let n = 4000;
        let predictions = forecast(n, (-0.5_f64).exp(), 1.0, 0.5_f64.exp());
        // |log actual| is uniform on 0..1.25, so 80 % of it lies below 1 = twice the half width
        let actual: Vec<f64> = (0..n)
            .map(|row| {
                (1.25 * (row as f64 + 0.5) / n as f64 * if row % 2 == 0 { 1.0 } else { -1.0 }).exp()
            })
            .collect();
        let mut calibrator = Calibrator::new(&LEVELS, 1, n);
        calibrator.add(&predictions, &actual);
        let calibration = calibrator.finish();
        // shrunk: 2^(4000 / 4020)
        let wanted = 2.0_f64.powf(4000.0 / 4020.0);
        assert!(
            (calibration.factor(0, 0) / wanted - 1.0).abs() < 1e-3,
            "{}",
            calibration.factor(0, 0)
        );
        let mut moved = forecast(1, (-0.5_f64).exp(), 1.0, 0.5_f64.exp());
        calibration.apply(&mut moved);
        assert_eq!(moved.quantiles[1], 1.0);
        assert!((moved.quantiles[2].ln() - 0.5 * calibration.factor(0, 0)).abs() < 1e-12);
    }

    #[test]
    fn the_finite_sample_rank_is_the_papers() {
        // n = 9, coverage 0.8: ⌈10 · 0.8⌉ = 8th smallest of the scores 1..=9
        let predictions = forecast(9, (-1.0_f64).exp(), 1.0, 1.0_f64.exp());
        let actual: Vec<f64> = (1..=9).map(|k| (f64::from(k) / 4.0).exp()).collect();
        let mut calibrator = Calibrator::new(&LEVELS, 1, 9);
        calibrator.add(&predictions, &actual);
        let wanted = 2.0_f64.powf(9.0 / 29.0);
        assert!((calibrator.finish().factor(0, 0) - wanted).abs() < 1e-6);
    }

    #[test]
    fn quantiles_never_cross_whatever_the_factors() {
        let mut predictions = Predictions::new(1, 1, 5);
        predictions
            .quantiles
            .copy_from_slice(&[0.8, 0.9, 1.0, 1.1, 1.2]);
        Calibration {
            pairs: 2,
            factors: vec![0.2, 5.0],
        }
        .apply(&mut predictions);
        assert!(
            predictions.quantiles.is_sorted(),
            "{:?}",
            predictions.quantiles
        );
    }
}
