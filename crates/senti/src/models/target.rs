//! What a model learns: closes turned into numbers of order one, and back into prices.
//!
//! The truth itself is never touched: it is shifted and scaled by constants learned on training windows, nothing is clipped.

use serde::{Deserialize, Serialize};

use crate::memory::{Sizes, wide};
use crate::plan;
use crate::quantiles;
use crate::windows::Windows;

/// Most windows of which a distribution is taken; more are thinned out evenly.
pub(crate) const SAMPLE: usize = 20_000;

/// Validation windows whose residuals are kept, about.
pub(crate) fn valid_sample(plan: &plan::Plan, sizes: &Sizes) -> u64 {
    wide(SAMPLE).min((sizes.rows as f64 * plan.valid_share) as u64 + 1)
}

/// Turns a close into a target and back: `encoded = (value - centre) / scale`, where the value is the cumulative log return from
/// the last known close, or the price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    kind: plan::Target,
    /// One a step.
    centre: Vec<f64>,
    /// One a step, positive.
    scale: Vec<f64>,
}

impl Target {
    /// Learns the constants from training windows: standard deviation of each step's log return, or median and interquartile
    /// range of the price as scikit-learn's RobustScaler.
    pub fn learn(kind: plan::Target, train: &Windows<'_>) -> Self {
        let horizon = train.horizon();
        let mut target = Self {
            kind,
            centre: vec![0.0; horizon],
            scale: vec![1.0; horizon],
        };
        let value = |_, last: f64, close: f64| kind.value(last, close);
        for (step, mut values) in sample(train, value).enumerate() {
            match kind {
                plan::Target::LogReturn => {
                    // about zero, not about the mean: the last close is the prior
                    let square =
                        values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
                    target.scale[step] = positive(square.sqrt());
                }
                plan::Target::Price => {
                    values.sort_by(f64::total_cmp);
                    target.centre[step] = quantiles::linear(&values, 0.5);
                    target.scale[step] = positive(
                        quantiles::linear(&values, 0.75) - quantiles::linear(&values, 0.25),
                    );
                }
            }
        }
        target
    }

    /// Does it fit forecasts of `horizon` steps, with scales that a target can have?
    pub fn fits(&self, horizon: usize) -> bool {
        let finite =
            |values: &[f64]| values.len() == horizon && values.iter().all(|x| x.is_finite());
        finite(&self.centre) && finite(&self.scale) && self.scale.iter().all(|&scale| scale > 0.0)
    }

    /// Steps ahead (H).
    pub fn horizon(&self) -> usize {
        self.scale.len()
    }

    /// What an encoded value of each step is multiplied by: (H).
    pub(crate) fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Close at a step (counted from 0) as the model sees it.
    pub fn encode(&self, step: usize, last_close: f64, close: f64) -> f64 {
        (self.kind.value(last_close, close) - self.centre[step]) / self.scale[step]
    }

    /// Price behind an encoded value: always positive.
    pub fn decode(&self, step: usize, last_close: f64, encoded: f64) -> f64 {
        let value = encoded * self.scale[step] + self.centre[step];
        match self.kind {
            plan::Target::LogReturn => last_close * value.exp(),
            // a straight line knows no zero; prices do
            plan::Target::Price => value.max(last_close * 1e-6),
        }
    }
}

impl plan::Target {
    /// What is learned of a close, before it is centred and scaled.
    fn value(self, last_close: f64, close: f64) -> f64 {
        match self {
            Self::LogReturn => (close / last_close).ln(),
            Self::Price => close,
        }
    }
}

fn positive(scale: f64) -> f64 {
    if scale > 0.0 { scale } else { 1.0 }
}

/// For every step, `of(step, last_close, close)` of the windows, evenly thinned out to [`SAMPLE`]. One step at a time, so that a long
/// horizon needs no more memory than a short one.
pub(crate) fn sample<'a>(
    windows: &'a Windows<'_>,
    of: impl Fn(usize, f64, f64) -> f64 + 'a,
) -> impl Iterator<Item = Vec<f64>> + 'a {
    let stride = windows.len().div_ceil(SAMPLE).max(1);
    (0..windows.horizon()).map(move |step| {
        let positions = (0..windows.len()).step_by(stride);
        let value = |position| {
            let labelled = windows.get(position);
            of(
                step,
                labelled.window().last_close(),
                labelled.future()[step],
            )
        };
        positions.map(value).collect()
    })
}

/// Quantiles of what a point forecast leaves over, about their median: (H, Q). The point stays the median of the forecast.
pub(crate) fn spread(residuals: Vec<Vec<f64>>, levels: &[f64]) -> Vec<f64> {
    let mut quantiles = empirical(residuals, levels);
    for step in quantiles.chunks_exact_mut(levels.len()) {
        let median = step[levels.len() / 2];
        step.iter_mut().for_each(|quantile| *quantile -= median);
    }
    quantiles
}

/// Empirical quantiles of each step: (H, Q).
pub(crate) fn empirical(values: impl IntoIterator<Item = Vec<f64>>, levels: &[f64]) -> Vec<f64> {
    values
        .into_iter()
        .flat_map(|mut values| {
            values.sort_by(f64::total_cmp);
            levels
                .iter()
                .map(|&level| quantiles::linear(&values, level))
                .collect::<Vec<_>>()
        })
        .collect()
}
