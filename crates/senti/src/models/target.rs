//! What a model learns: closes turned into numbers of order one, and back into prices.
//!
//! The truth itself is never touched: it is shifted and scaled by constants learned on training windows, nothing is clipped.

use serde::{Deserialize, Serialize};

use crate::memory::{Sizes, wide};
use crate::plan;
use crate::quantiles;
use crate::volatility::Volatility;
use crate::windows::{Window, Windows};

/// Most windows of which a distribution is taken; more are thinned out evenly.
pub(crate) const SAMPLE: usize = 20_000;
/// Most encoded closes that are held at once.
const CELLS: usize = 4_000_000;

/// Validation windows whose residuals are kept, about.
pub(crate) fn valid_sample(plan: &plan::Plan, sizes: &Sizes) -> u64 {
    wide(SAMPLE).min((sizes.rows as f64 * plan.valid_share) as u64 + 1)
}

/// Turns a close into a target and back: `encoded = (value - centre) / unit`, where the value is the cumulative log return from the
/// last known close, or the price. The unit of a return is the move that is expected at its window ([`Volatility`]), or where there
/// were too few windows to learn that, a constant; of a price a constant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    kind: plan::Target,
    /// One a step.
    centre: Vec<f64>,
    /// One a step, positive.
    scale: Vec<f64>,
    volatility: Option<Volatility>,
}

impl Target {
    /// Learns from training windows: the volatility, or the root mean square of each step's log return; median and interquartile
    /// range of the price as scikit-learn's RobustScaler.
    pub fn learn(kind: plan::Target, train: &Windows<'_>) -> Self {
        let horizon = train.horizon();
        let mut target = Self {
            kind,
            centre: vec![0.0; horizon],
            scale: vec![1.0; horizon],
            volatility: None,
        };
        if kind == plan::Target::LogReturn {
            target.volatility = Volatility::learn(train);
            if target.volatility.is_some() {
                return target;
            }
        }
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
        finite(&self.centre)
            && finite(&self.scale)
            && self.scale.iter().all(|&scale| scale > 0.0)
            && self
                .volatility
                .as_ref()
                .is_none_or(|volatility| volatility.fits(horizon))
    }

    /// Steps ahead (H).
    pub fn horizon(&self) -> usize {
        self.scale.len()
    }

    /// What is learned of a close.
    pub fn kind(&self) -> plan::Target {
        self.kind
    }

    /// What is taken away from a value before it is scaled: (H).
    pub fn centre(&self) -> &[f64] {
        &self.centre
    }

    /// Unit of a value where no volatility was learned: (H).
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// The expected moves, where they were learned.
    pub fn volatility(&self) -> Option<&Volatility> {
        self.volatility.as_ref()
    }

    /// Units as far as they are the same at every window: (H). With a volatility they are 1, and encoded values are in expected moves.
    pub(crate) fn constant_units(&self) -> Vec<f64> {
        self.scale.clone()
    }

    /// Unit of every step at a window: (H), into `out`.
    pub fn units(&self, window: &Window<'_>, out: &mut [f64]) {
        match &self.volatility {
            Some(volatility) => volatility.spread(window, out),
            None => out.copy_from_slice(&self.scale),
        }
    }

    /// Close at a step (counted from 0) as the model sees it.
    pub fn encode(&self, step: usize, unit: f64, last_close: f64, close: f64) -> f64 {
        (self.kind.value(last_close, close) - self.centre[step]) / unit
    }

    /// Price behind an encoded value: always positive.
    pub fn decode(&self, step: usize, unit: f64, last_close: f64, encoded: f64) -> f64 {
        let value = encoded * unit + self.centre[step];
        match self.kind {
            plan::Target::LogReturn => last_close * value.exp(),
            // a straight line knows no zero; prices do
            plan::Target::Price => value.max(last_close * 1e-6),
        }
    }

    /// Encoded closes of every step, of windows evenly thinned out: (H) lists.
    pub fn encoded(&self, windows: &Windows<'_>) -> Vec<Vec<f64>> {
        let horizon = self.horizon();
        let most = SAMPLE.min(CELLS / horizon).max(1_000);
        let stride = windows.len().div_ceil(most).max(1);
        let mut units = vec![0.0; horizon];
        let mut lists = vec![Vec::with_capacity(windows.len() / stride + 1); horizon];
        for position in (0..windows.len()).step_by(stride) {
            let labelled = windows.get(position);
            let window = labelled.window();
            self.units(&window, &mut units);
            for (step, &close) in labelled.future().iter().enumerate() {
                lists[step].push(self.encode(step, units[step], window.last_close(), close));
            }
        }
        lists
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

/// Draws quantiles towards their own mirror image by a share: in samples of returns, which side is longer is mostly chance.
pub(crate) fn symmetrise(quantiles: &mut [f64], levels: usize, share: f64) {
    for step in quantiles.chunks_exact_mut(levels) {
        for low in 0..levels / 2 {
            let high = levels - 1 - low;
            let half = 0.5 * (step[high] - step[low]);
            let middle = 0.5 * (step[high] + step[low]) * (1.0 - share);
            (step[low], step[high]) = (middle - half, middle + half);
        }
        step[levels / 2] *= 1.0 - share;
    }
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
