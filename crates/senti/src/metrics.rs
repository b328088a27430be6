//! Metrics: how far forecasts were from what happened, in original units.
//!
//! In come windows one after the other, each with its last known close, the prices that followed, point forecasts and quantiles; out go
//! [`Scores`], overall and per step. A metric is the mean of what single cells (a window's step) contribute, so nothing but sums is
//! kept: a million windows need no more room than one. Nothing here knows a model.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Scores of one forecaster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Windows scored.
    pub windows: usize,
    /// Over all cells; none where a metric has no value (the direction of forecasts that never move).
    pub overall: BTreeMap<String, Option<f64>>,
    /// One map a step ahead.
    pub steps: Vec<BTreeMap<String, Option<f64>>>,
}

/// What a metric's numbers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Units of the target.
    Price,
    /// Their square.
    PriceSquared,
    /// Percent of the actual price.
    Percent,
    /// A share of cells, 0 to 1.
    Share,
    /// A number of cells.
    Count,
    /// A ratio without a unit.
    Ratio,
}

/// Which values of a metric are good.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The lower, the better.
    Lower,
    /// The higher, the better.
    Higher,
    /// The nearer to this, the better.
    Near(f64),
    /// It describes; it does not judge.
    Neither,
}

/// One step of one window.
#[derive(Clone, Copy, Debug)]
pub struct Cell<'a> {
    /// Last close known at the origin.
    pub last_close: f64,
    /// The close that came.
    pub actual: f64,
    /// The close that was forecast.
    pub point: f64,
    /// One price a level.
    pub quantiles: &'a [f64],
    /// Levels, rising.
    pub levels: &'a [f64],
    /// Lower and upper quantile of the metric's central interval; NaN for a metric that has none.
    pub interval: (f64, f64),
    /// Mean absolute one-step move of the training rows.
    pub naive_scale: f64,
}

/// What the contributions of cells are turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// Their mean.
    Mean,
    /// The root of their mean.
    RootMean,
    /// Their number.
    Count,
}

/// A row of [`METRICS`].
#[derive(Debug)]
pub struct Metric {
    /// Name, as in `metrics.json`.
    pub name: &'static str,
    /// Formula and source.
    pub help: &'static str,
    /// What its numbers are.
    pub unit: Unit,
    /// Which values are good.
    pub better: Better,
    /// Nominal coverage of the central interval that it looks at; it exists only where the levels hold both ends.
    pub interval: Option<f64>,
    /// What a cell contributes; none where it has nothing to say.
    pub cell: fn(&Cell<'_>) -> Option<f64>,
    /// What becomes of the contributions.
    pub finish: Finish,
}

/// Every metric, in the order of reports.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "mae",
        help: "mean |actual - point|",
        unit: Unit::Price,
        better: Better::Lower,
        interval: None,
        cell: |cell| Some(absolute_error(cell.actual, cell.point)),
        finish: Finish::Mean,
    },
    Metric {
        name: "mse",
        help: "mean (actual - point)^2",
        unit: Unit::PriceSquared,
        better: Better::Lower,
        interval: None,
        cell: |cell| Some(squared_error(cell.actual, cell.point)),
        finish: Finish::Mean,
    },
    Metric {
        name: "rmse",
        help: "root of mse",
        unit: Unit::Price,
        better: Better::Lower,
        interval: None,
        cell: |cell| Some(squared_error(cell.actual, cell.point)),
        finish: Finish::RootMean,
    },
    Metric {
        name: "mape",
        help: "mean 100 |actual - point| / actual",
        unit: Unit::Percent,
        better: Better::Lower,
        interval: None,
        cell: |cell| Some(100.0 * relative_error(cell.actual, cell.point)),
        finish: Finish::Mean,
    },
    Metric {
        name: "mase",
        help: "mae / mean absolute one-step move of the training rows (Hyndman and Koehler 2006)",
        unit: Unit::Ratio,
        better: Better::Lower,
        interval: None,
        cell: |cell| {
            let error = absolute_error(cell.actual, cell.point);
            (cell.naive_scale > 0.0).then(|| error / cell.naive_scale)
        },
        finish: Finish::Mean,
    },
    Metric {
        name: "direction_accuracy",
        help: "share of cells whose point lies on that side of the last known close on which the price came to lie; points that do not move are left out, prices that do not move are misses",
        unit: Unit::Share,
        better: Better::Higher,
        interval: None,
        cell: direction_hit,
        finish: Finish::Mean,
    },
    Metric {
        name: "direction_n",
        help: "cells whose point moves from the last known close",
        unit: Unit::Count,
        better: Better::Neither,
        interval: None,
        cell: direction_hit,
        finish: Finish::Count,
    },
    Metric {
        name: "direction_base_rate",
        help: "share of cells whose price came to lie above the last known close: what always saying up would reach",
        unit: Unit::Share,
        better: Better::Neither,
        interval: None,
        cell: |cell| Some(share(cell.actual > cell.last_close)),
        finish: Finish::Mean,
    },
    Metric {
        name: "crps",
        help: "continuous ranked probability score, as twice the mean pinball loss over the levels (Gneiting and Raftery 2007)",
        unit: Unit::Price,
        better: Better::Lower,
        interval: None,
        cell: |cell| crps(cell.actual, cell.quantiles, cell.levels),
        finish: Finish::Mean,
    },
    Metric {
        name: "pinball",
        help: "mean pinball loss over the levels (Koenker and Bassett 1978)",
        unit: Unit::Price,
        better: Better::Lower,
        interval: None,
        cell: |cell| crps(cell.actual, cell.quantiles, cell.levels).map(|score| score / 2.0),
        finish: Finish::Mean,
    },
    coverage(
        "coverage_50",
        0.50,
        "share of prices within the central 50 % interval, ends included",
    ),
    coverage(
        "coverage_80",
        0.80,
        "share of prices within the central 80 % interval, ends included",
    ),
    coverage(
        "coverage_90",
        0.90,
        "share of prices within the central 90 % interval, ends included",
    ),
    coverage(
        "coverage_95",
        0.95,
        "share of prices within the central 95 % interval, ends included",
    ),
    width("width_80", 0.80, "mean width of the central 80 % interval"),
    width("width_90", 0.90, "mean width of the central 90 % interval"),
    Metric {
        name: "winkler_90",
        help: "mean width of the central 90 % interval + 2 / 0.1 times the distance of prices outside it (Winkler 1972)",
        unit: Unit::Price,
        better: Better::Lower,
        interval: Some(0.90),
        cell: |cell| Some(winkler(cell.actual, cell.interval, 0.90)),
        finish: Finish::Mean,
    },
];

const fn coverage(name: &'static str, nominal: f64, help: &'static str) -> Metric {
    Metric {
        name,
        help,
        unit: Unit::Share,
        better: Better::Near(nominal),
        interval: Some(nominal),
        cell: |cell| {
            let (low, high) = cell.interval;
            Some(share(low <= cell.actual && cell.actual <= high))
        },
        finish: Finish::Mean,
    }
}

const fn width(name: &'static str, nominal: f64, help: &'static str) -> Metric {
    Metric {
        name,
        help,
        unit: Unit::Price,
        better: Better::Neither,
        interval: Some(nominal),
        cell: |cell| Some(cell.interval.1 - cell.interval.0),
        finish: Finish::Mean,
    }
}

fn share(yes: bool) -> f64 {
    if yes { 1.0 } else { 0.0 }
}

/// `|actual - forecast|`.
pub fn absolute_error(actual: f64, forecast: f64) -> f64 {
    (actual - forecast).abs()
}

/// `(actual - forecast)^2`.
pub fn squared_error(actual: f64, forecast: f64) -> f64 {
    (actual - forecast).powi(2)
}

/// `|actual - forecast| / |actual|`.
pub fn relative_error(actual: f64, forecast: f64) -> f64 {
    (actual - forecast).abs() / actual.abs()
}

/// Pinball loss of a quantile forecast: `level (a - f)` where the actual lies above, `(1 - level) (f - a)` below.
pub fn pinball(actual: f64, forecast: f64, level: f64) -> f64 {
    let above = actual - forecast;
    if above >= 0.0 {
        level * above
    } else {
        (level - 1.0) * above
    }
}

/// Twice the mean pinball loss over the levels, which approaches the CRPS as the grid gets finer; none without levels.
pub fn crps(actual: f64, quantiles: &[f64], levels: &[f64]) -> Option<f64> {
    let losses = quantiles.iter().zip(levels);
    let total: f64 = losses.map(|(&f, &level)| pinball(actual, f, level)).sum();
    (!levels.is_empty()).then(|| 2.0 * total / levels.len() as f64)
}

/// Interval score of a central interval with this nominal coverage: its width, and `2 / (1 - coverage)` times the distance outside.
pub fn winkler(actual: f64, (low, high): (f64, f64), coverage: f64) -> f64 {
    let outside = (low - actual).max(0.0) + (actual - high).max(0.0);
    (high - low) + 2.0 / (1.0 - coverage) * outside
}

/// Whether the point lies on the side of the last close on which the price came to lie; none where the point does not move.
fn direction_hit(cell: &Cell<'_>) -> Option<f64> {
    let said = cell.point - cell.last_close;
    let came = cell.actual - cell.last_close;
    (said != 0.0).then(|| share(said > 0.0 && came > 0.0 || said < 0.0 && came < 0.0))
}

/// A sum in twice the precision (Knuth's two-sum), so that its rounded value does not depend on the order of windows in practice.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    total: f64,
    rest: f64,
    count: usize,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let total = self.total + value;
        let seen = total - self.total;
        self.rest += (self.total - (total - seen)) + (value - seen);
        self.total = total;
        self.count += 1;
    }

    fn join(&mut self, other: &Self) {
        let count = self.count + other.count;
        self.add(other.total);
        self.rest += other.rest;
        self.count = count;
    }

    fn finish(&self, finish: Finish) -> Option<f64> {
        let mean = (self.total + self.rest) / self.count as f64;
        let value = match finish {
            Finish::Count => self.count as f64,
            Finish::Mean => mean,
            Finish::RootMean => mean.sqrt(),
        };
        // Nothing to average, or a sum beyond what a number can hold.
        value.is_finite().then_some(value)
    }
}

/// Adds up what cells contribute, window after window.
///
/// ```
/// use senti::metrics::Evaluator;
/// let mut evaluator = Evaluator::new(2, &[0.5], 1.0);
/// evaluator.add(100.0, &[101.0, 104.0], &[101.0, 102.0], &[101.0, 102.0]);
/// let scores = evaluator.finish();
/// assert_eq!(scores.overall["mae"], Some(1.0));
/// assert_eq!(scores.steps[1]["mae"], Some(2.0));
/// assert_eq!(scores.overall["direction_accuracy"], Some(1.0));
/// ```
#[derive(Clone, Debug)]
pub struct Evaluator {
    levels: Vec<f64>,
    naive_scale: f64,
    windows: usize,
    /// Metrics that these levels allow, with the places of their interval's ends.
    metrics: Vec<(&'static Metric, Option<(usize, usize)>)>,
    /// (horizon, metrics)
    sums: Vec<Sum>,
    horizon: usize,
}

impl Evaluator {
    /// Nothing seen yet.
    ///
    /// `levels` rise; `naive_scale` is the mean absolute one-step move of the close on the training rows, which MASE divides by.
    pub fn new(horizon: usize, levels: &[f64], naive_scale: f64) -> Self {
        let place = |level: f64| levels.iter().position(|other| (other - level).abs() < 1e-9);
        let ends = |coverage: f64| {
            let tail = (1.0 - coverage) / 2.0;
            Some((place(tail)?, place(1.0 - tail)?))
        };
        let metrics: Vec<_> = METRICS
            .iter()
            .filter_map(|metric| match metric.interval {
                None => Some((metric, None)),
                Some(coverage) => ends(coverage).map(|ends| (metric, Some(ends))),
            })
            .collect();
        Self {
            levels: levels.to_vec(),
            naive_scale,
            windows: 0,
            sums: vec![Sum::default(); horizon * metrics.len()],
            metrics,
            horizon,
        }
    }

    /// Adds a window: `actual` and `point` are (H), `quantiles` is (H, Q), all of them prices.
    ///
    /// # Panics
    /// Where a slice has another length.
    pub fn add(&mut self, last_close: f64, actual: &[f64], point: &[f64], quantiles: &[f64]) {
        let n_levels = self.levels.len();
        assert_eq!(actual.len(), self.horizon, "one price a step");
        assert_eq!(point.len(), self.horizon, "one point a step");
        assert_eq!(quantiles.len(), self.horizon * n_levels, "(H, Q)");
        self.windows += 1;
        for step in 0..self.horizon {
            let mut cell = Cell {
                last_close,
                actual: actual[step],
                point: point[step],
                quantiles: &quantiles[step * n_levels..][..n_levels],
                levels: &self.levels,
                interval: (f64::NAN, f64::NAN),
                naive_scale: self.naive_scale,
            };
            let sums = &mut self.sums[step * self.metrics.len()..];
            for ((metric, ends), sum) in self.metrics.iter().zip(sums) {
                if let Some((low, high)) = *ends {
                    cell.interval = (cell.quantiles[low], cell.quantiles[high]);
                }
                if let Some(value) = (metric.cell)(&cell) {
                    sum.add(value);
                }
            }
        }
    }

    /// The scores so far.
    pub fn finish(&self) -> Scores {
        let n = self.metrics.len();
        let scores = |sums: &[Sum]| -> BTreeMap<String, Option<f64>> {
            let metrics = self.metrics.iter().zip(sums);
            metrics
                .map(|((metric, _), sum)| (metric.name.to_owned(), sum.finish(metric.finish)))
                .collect()
        };
        let mut overall = vec![Sum::default(); n];
        for step in self.sums.chunks_exact(n) {
            for (all, sum) in overall.iter_mut().zip(step) {
                all.join(sum);
            }
        }
        Scores {
            windows: self.windows,
            overall: scores(&overall),
            steps: self.sums.chunks_exact(n).map(scores).collect(),
        }
    }
}
