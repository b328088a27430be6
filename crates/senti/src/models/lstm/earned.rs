//! What training has earned: how the network's distribution differs from the one it started from, and how much of that is believed.
//!
//! In come the network's quantiles in units of the spread; out go quantiles of the same shape, `now + share · (network − start)`. `start`
//! is the distribution of the training moves, `now` that of every known move, and the share of each step is learned on windows that
//! training did not see: the one with the smallest CRPS, drawn towards 0 where few of them are independent.

use serde::{Deserialize, Serialize};

use super::{Lstm, ROWS};
use crate::metrics::crps;
use crate::plan::LEVELS;
use crate::prepare::Preparation;
use crate::windows::Windows;

/// Shares tried.
const SHARES: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Independent windows at which the calibration part has as much to say as "nothing was earned".
const PRIOR: f64 = 20.0;

/// The distribution that forecasts start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Base {
    /// Quantiles that training started from: (H, Q).
    start: Vec<f64>,
    /// Quantiles of every known move: (H, Q).
    pub now: Vec<f64>,
    /// Share of the difference that is believed: (H).
    pub shares: Vec<f64>,
    /// Are the last two learned?
    pub settled: bool,
}

impl Base {
    /// Before and while training: everything is believed.
    pub fn new(start: Vec<f64>) -> Self {
        let horizon = start.len() / LEVELS.len();
        Self {
            now: start.clone(),
            start,
            shares: vec![1.0; horizon],
            settled: false,
        }
    }

    /// Start (H, Q), now (H, Q) and shares (H).
    pub fn into_numbers(self) -> [Vec<f64>; 3] {
        [self.start, self.now, self.shares]
    }

    /// Does it fit forecasts of this shape?
    pub fn fits(&self, horizon: usize, levels: usize) -> bool {
        let finite = |values: &[f64]| values.iter().all(|value| value.is_finite());
        self.start.len() == horizon * levels
            && self.now.len() == horizon * levels
            && self.shares.len() == horizon
            && finite(&self.start)
            && finite(&self.now)
            && self.shares.iter().all(|share| (0.0..=1.0).contains(share))
    }

    /// Turns the network's quantiles (H, Q) into the forecast's; they never decrease.
    pub fn blend(&self, quantiles: &mut [f64]) {
        if !self.settled {
            return;
        }
        let levels = LEVELS.len();
        for (step, quantiles) in quantiles.chunks_exact_mut(levels).enumerate() {
            mix(
                quantiles,
                &self.start[step * levels..],
                &self.now[step * levels..],
                self.shares[step],
            );
        }
    }
}

fn mix(quantiles: &mut [f64], start: &[f64], now: &[f64], share: f64) {
    for ((quantile, start), now) in quantiles.iter_mut().zip(start).zip(now) {
        *quantile = now + share * (*quantile - start);
    }
    quantiles.sort_by(f64::total_cmp);
}

impl Lstm {
    /// The share of each step that is believed, by windows that training did not see: (H).
    pub(super) fn earned(
        &mut self,
        base: &Base,
        held: &Windows<'_>,
        preparation: &Preparation,
    ) -> Vec<f64> {
        let (horizon, levels) = (held.horizon(), LEVELS.len());
        let mut losses = vec![[0.0; SHARES.len()]; horizon];
        let mut mixed = vec![0.0; levels];
        let positions: Vec<usize> = (0..held.len()).collect();
        for chunk in positions.chunks(ROWS) {
            self.gather_labelled(
                chunk.iter().map(|&position| held.get(position)),
                preparation,
                None,
            );
            self.quantiles(chunk.len());
            for row in 0..chunk.len() {
                for (step, &actual) in self.batch.target(row).iter().enumerate() {
                    let cell = step * levels;
                    let found = &self.encoded[row * horizon * levels + cell..][..levels];
                    for (loss, share) in losses[step].iter_mut().zip(SHARES) {
                        mixed.copy_from_slice(found);
                        mix(&mut mixed, &base.start[cell..], &base.start[cell..], share);
                        *loss += crps(f64::from(actual), &mixed, &LEVELS).unwrap_or(0.0);
                    }
                }
            }
        }
        let share = |(step, losses): (usize, &[f64; SHARES.len()])| {
            let best = (0..SHARES.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b]));
            let independent = held.len() as f64 / (step + 1) as f64;
            best.map_or(0.0, |best| SHARES[best]) * independent / (independent + PRIOR)
        };
        losses.iter().enumerate().map(share).collect()
    }
}
