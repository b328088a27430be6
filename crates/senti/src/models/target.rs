//! What a model learns: closes turned into numbers of order one, and back into prices.
//!
//! The truth itself is never touched: it is shifted and scaled by constants learned on training windows, nothing is clipped.

use serde::{Deserialize, Serialize};

use crate::plan;
use crate::quantiles;
use crate::windows::Windows;

/// Most windows of which a distribution is taken; more are thinned out evenly.
pub(crate) const SAMPLE: usize = 20_000;

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
        for (step, mut values) in sample(train, |step, last, close| target.value(step, last, close))
            .into_iter()
            .enumerate()
        {
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

    fn value(&self, _step: usize, last_close: f64, close: f64) -> f64 {
        match self.kind {
            plan::Target::LogReturn => (close / last_close).ln(),
            plan::Target::Price => close,
        }
    }

    /// Close at a step (counted from 0) as the model sees it.
    pub fn encode(&self, step: usize, last_close: f64, close: f64) -> f64 {
        (self.value(step, last_close, close) - self.centre[step]) / self.scale[step]
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

fn positive(scale: f64) -> f64 {
    if scale > 0.0 { scale } else { 1.0 }
}

/// For every step, `of(step, last_close, close)` of the windows, evenly thinned out to [`SAMPLE`].
pub(crate) fn sample(windows: &Windows<'_>, of: impl Fn(usize, f64, f64) -> f64) -> Vec<Vec<f64>> {
    let stride = windows.len().div_ceil(SAMPLE).max(1);
    let mut values = vec![Vec::with_capacity(windows.len() / stride + 1); windows.horizon()];
    for position in (0..windows.len()).step_by(stride) {
        let labelled = windows.get(position);
        let last_close = labelled.window().last_close();
        for (step, (values, &close)) in values.iter_mut().zip(labelled.future()).enumerate() {
            values.push(of(step, last_close, close));
        }
    }
    values
}

/// Quantiles of what a point forecast leaves over, about their median: (H, Q). The point stays the median of the forecast.
pub(crate) fn spread(residuals: &mut [Vec<f64>], levels: &[f64]) -> Vec<f64> {
    let mut quantiles = empirical(residuals, levels);
    for step in quantiles.chunks_exact_mut(levels.len()) {
        let median = step[levels.len() / 2];
        step.iter_mut().for_each(|quantile| *quantile -= median);
    }
    quantiles
}

/// Empirical quantiles of each step: (H, Q).
pub(crate) fn empirical(values: &mut [Vec<f64>], levels: &[f64]) -> Vec<f64> {
    values
        .iter_mut()
        .flat_map(|values| {
            values.sort_by(f64::total_cmp);
            levels
                .iter()
                .map(|&level| quantiles::linear(values, level))
                .collect::<Vec<_>>()
        })
        .collect()
}
