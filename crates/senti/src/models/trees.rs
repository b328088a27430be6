//! Gradient-boosted quantile trees: they start as the distribution of past moves in units of volatility, and add what the last row of
//! the window, the step ahead and its weekday say about all quantiles at once.
//!
//! One forest serves all steps. The target of a step is its cumulative log return over `volatility · sqrt(sum of calm² of the candles
//! ahead)`. Volatility is that of the window's own closes (weights 0.94^k), drawn three tenths of the way to the mean of the training
//! windows; the calm of a weekday is the mean absolute move of its candles over that of all (1 where steps are shorter than a day).
//! Growth ends when the validation windows gain nothing more.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use senti_engine::boosting::{Forest, Growth, Rows, Run, grow};

use super::target::empirical;
use super::{Fitted, Job, Learned, find_tensor, read_record};
use crate::artifact::{Manifest, Tensor, Values};
use crate::doors::Machine;
use crate::forecast::Predictions;
use crate::memory::{Sizes, product, wide};
use crate::observe::{Event, Next, Observer, interrupted};
use crate::plan::{self, LEVELS, Plan};
use crate::prepare::Preparation;
use crate::table::Time;
use crate::windows::{Labelled, Window, Windows};
use crate::{Error, Result};

/// Windows that a forest is grown on, at most; more are thinned out evenly.
const TRAIN: usize = 4_000;
/// Windows that it is stopped by, at most.
const VALID: usize = 500;
/// Steps that it is grown on, about: all of a short horizon, else each as much longer than the one before. Neighbouring long steps tell
/// the same, and with all thirty the first would be a thirtieth of what is learned.
const STEPS: usize = 10;

// Chosen by the mean skill of eleven trainings on BTC-USD that end half a year apart, from 2018-07 to 2023-07 (not later). The
// differences are small: with depths of 2 or 3 and a significance of 15 to 60, skill differs by a quarter of a per cent.
const DEPTH: usize = 3;
const LEARNING_RATE: f32 = 0.1;
const MOST_TREES: usize = 200;
const PATIENCE: usize = 15;
/// Share of the rows drawn that a leaf needs.
const LEAST: f64 = 0.05;
/// Sum of three χ² that a split needs: of 2,000 rows and 25 features of noise, the best split reaches 27 in one case of twenty.
const SIGNIFICANCE: f64 = 25.0;
/// Weight of the closes' own variance; the rest is the training windows' mean, so that a quiet month is no certainty.
const OWN: f64 = 0.7;
const DECAY: f64 = 0.94;
/// Candles of the usual size that are added to those of each weekday, so that a few large ones are no calendar.
const USUAL: f64 = 20.0;

/// Inputs beside the features of the last row: volatility, step, weekday of the first and of the last candle ahead.
const EXTRA: usize = 4;

const DAY: Time = 86_400_000;
const WEEK: usize = 7;

/// What is learned beside the forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Units {
    /// Mean variance of a step over the training windows.
    variance: f64,
    /// Quantiles of the scaled moves of each step: (H, Q).
    quantiles: Vec<f64>,
    /// Weekday of each candle ahead, by the weekday of the origin: (7, H); 0 is a Thursday, and so is any candle of shorter steps.
    weekdays: Vec<u8>,
    /// `sqrt(sum of calm²)` up to each candle ahead, by the weekday of the origin: (7, H).
    reach: Vec<f64>,
}

struct Trees {
    units: Units,
    forest: Forest,
    narrow: Vec<f32>,
    row: Vec<f32>,
    quantiles: Vec<f32>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    units: Units,
    depth: usize,
}

fn weekday(time: Time) -> usize {
    time.div_euclid(DAY).rem_euclid(WEEK as i64) as usize
}

/// Weighted mean of the squared log returns of the window's own closes; none of a window of one row.
fn variance(window: Window<'_>) -> Option<f64> {
    let history = window.history();
    let closes = &history[history.len() - window.past().len()..];
    let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
    for pair in closes.windows(2).rev() {
        sum += weight * (pair[1] / pair[0]).ln().powi(2);
        weights += weight;
        weight *= DECAY;
    }
    (weights > 0.0).then(|| sum / weights)
}

impl Units {
    fn learn(train: &Windows<'_>) -> Self {
        let thinned = thinned(train, TRAIN).windows;
        let variances = thinned.iter().filter_map(|at| variance(at.window()));
        let (sum, n) = variances.fold((0.0, 0), |(sum, n), v| (sum + v, n + 1));
        let mut units = Self {
            variance: if sum > 0.0 { sum / f64::from(n) } else { 1.0 },
            quantiles: Vec::new(),
            weekdays: vec![0; WEEK * train.horizon()],
            reach: Vec::new(),
        };
        for at in &thinned {
            let (origin, times) = (at.window().time(), at.future_times());
            if times[0] - origin >= DAY {
                let first = weekday(origin) * times.len();
                for (step, &time) in times.iter().enumerate() {
                    units.weekdays[first + step] = weekday(time) as u8;
                }
            }
        }
        units.reach = units.learn_reach(&thinned, train.horizon());
        let volatility: Vec<f64> = thinned
            .iter()
            .map(|at| units.volatility(at.window()))
            .collect();
        let scaled = |step: usize| {
            let one = |(at, volatility): (&Labelled<'_>, &f64)| {
                let log_return = (at.future()[step] / at.window().last_close()).ln();
                log_return / (volatility * units.reach(at.window())[step])
            };
            thinned.iter().zip(&volatility).map(one).collect::<Vec<_>>()
        };
        units.quantiles = empirical((0..train.horizon()).map(scaled), &LEVELS);
        units
    }

    fn learn_reach(&self, windows: &[Labelled<'_>], horizon: usize) -> Vec<f64> {
        let mut moves = [(0.0, 0.0); WEEK];
        for at in windows {
            let window = at.window();
            let size = (at.future()[0] / window.last_close()).ln().abs();
            let day = self.weekdays[weekday(window.time()) * horizon];
            let (sum, n) = &mut moves[day as usize];
            *sum += size / self.volatility(window);
            *n += 1.0;
        }
        let (sum, n) = (moves.iter()).fold((0.0, 0.0), |(a, b), (sum, n)| (a + sum, b + n));
        let usual = sum / n;
        // a price that hardly ever moves has no usual move, and no calm days
        let calm = moves.map(|(sum, n)| match usual > 0.0 {
            true => (sum + USUAL * usual) / (n + USUAL) / usual,
            false => 1.0,
        });
        let ahead = self.weekdays.chunks_exact(horizon);
        ahead
            .flat_map(|days| {
                days.iter().scan(0.0, |sum: &mut f64, &day| {
                    *sum += calm[day as usize].powi(2);
                    Some(sum.sqrt())
                })
            })
            .collect()
    }

    /// Standard deviation of a step at this window.
    fn volatility(&self, window: Window<'_>) -> f64 {
        let own = variance(window).unwrap_or(self.variance);
        (OWN * own + (1.0 - OWN) * self.variance).sqrt()
    }

    /// What volatility is multiplied with for the unit of the move to each step: (H).
    fn reach(&self, window: Window<'_>) -> &[f64] {
        &self.reach[weekday(window.time()) * self.horizon()..][..self.horizon()]
    }

    fn horizon(&self) -> usize {
        self.weekdays.len() / WEEK
    }

    /// What the trees see of a window of this volatility, but for the step: (F + EXTRA), the last three still to be filled in.
    fn look(
        &self,
        window: Window<'_>,
        volatility: f64,
        preparation: &Preparation,
        narrow: &mut Vec<f32>,
        row: &mut Vec<f32>,
    ) {
        row.clear();
        if let Some(features) = window.past().last() {
            narrow.resize(features.len(), 0.0);
            preparation.apply(features, narrow);
            row.extend_from_slice(narrow);
        }
        let relative = volatility / self.variance.sqrt();
        row.extend([relative.ln() as f32, 0.0, 0.0, 0.0]);
    }

    /// Fills in the step.
    fn place(&self, window: Window<'_>, step: usize, row: &mut [f32]) {
        let days = &self.weekdays[weekday(window.time()) * self.horizon()..][..self.horizon()];
        let n = row.len();
        row[n - 3..].copy_from_slice(&[step as f32, f32::from(days[0]), f32::from(days[step])]);
    }

    /// Rows for a forest, a step's windows side by side. Moves of h steps from neighbouring origins overlap, so every h-th is news.
    fn rows(&self, windows: &Thinned<'_>, steps: &[usize], preparation: &Preparation) -> Rows {
        let mut rows = Rows::default();
        let (mut narrow, mut row) = (Vec::new(), Vec::new());
        let looks: Vec<(Vec<f32>, f64)> = windows
            .windows
            .iter()
            .map(|at| {
                let volatility = self.volatility(at.window());
                self.look(at.window(), volatility, preparation, &mut narrow, &mut row);
                (row.clone(), volatility)
            })
            .collect();
        for &step in steps {
            for (at, (look, volatility)) in windows.windows.iter().zip(&looks) {
                let window = at.window();
                row.clone_from(look);
                self.place(window, step, &mut row);
                rows.features.extend_from_slice(&row);
                let log_return = (at.future()[step] / window.last_close()).ln();
                let scale = volatility * self.reach(window)[step];
                rows.target.push((log_return / scale) as f32);
                let begin = &self.quantiles[step * LEVELS.len()..][..LEVELS.len()];
                rows.begin.extend(begin.iter().map(|&q| q as f32));
            }
            rows.runs.push(Run {
                len: windows.windows.len(),
                spacing: (step + 1).div_ceil(windows.stride),
            });
        }
        rows
    }
}

/// Windows, evenly spread.
struct Thinned<'a> {
    windows: Vec<Labelled<'a>>,
    /// Origins from one to the next.
    stride: usize,
}

/// At most `most` windows.
fn thinned<'a>(windows: &Windows<'a>, most: usize) -> Thinned<'a> {
    let stride = windows.len().div_ceil(most).max(1);
    let positions = (0..windows.len()).step_by(stride);
    Thinned {
        windows: positions.map(|position| windows.get(position)).collect(),
        stride,
    }
}
/// Steps to grow on: all of them, or some of a long horizon, each about as much longer than the one before.
fn steps(horizon: usize) -> Vec<usize> {
    if horizon <= STEPS {
        return (0..horizon).collect();
    }
    let ratio = (horizon as f64).powf(1.0 / (STEPS - 1) as f64);
    let mut steps: Vec<usize> = (0..STEPS)
        .map(|k| (ratio.powi(k as i32).round() as usize).clamp(1, horizon) - 1)
        .collect();
    steps.dedup();
    steps
}

pub(super) fn fit(job: &Job<'_>, observe: &mut Observer<'_>) -> Result<Learned> {
    if job.plan.target != plan::Target::LogReturn {
        return Err(
            Error::plan("`trees` learns log returns only, and `target` is `price`")
                .hint("give `--target log_return`, or take another model"),
        );
    }
    let units = Units::learn(&job.train);
    let steps = steps(job.train.horizon());
    let rows = |windows: &Thinned<'_>| units.rows(windows, &steps, job.preparation);
    let train = rows(&thinned(&job.train, TRAIN));
    let valid = rows(&thinned(&job.valid, VALID));
    let growth = Growth {
        levels: LEVELS.to_vec(),
        depth: DEPTH,
        learning_rate: LEARNING_RATE,
        trees: MOST_TREES,
        patience: PATIENCE,
        least: LEAST,
        significance: SIGNIFICANCE,
        seed: job.plan.seed,
    };
    let go_on = |done| {
        let (what, of) = ("fitting", MOST_TREES);
        observe(Event::Working { what, done, of }) == Next::Continue
    };
    let n_features = job.train.n_features() + EXTRA;
    let Some(forest) = grow(&train, &valid, n_features, &growth, go_on) else {
        return Err(interrupted("fitting"));
    };
    Ok(Learned {
        fitted: Box::new(Trees::new(units, forest)),
        history: Vec::new(),
        best_epoch: 0,
        untrained_loss: None,
    })
}

/// Bytes of a fit: features, bins and quantiles (before and so far) of every row, and those of the rows that it is stopped by.
pub(super) fn memory(plan: &Plan, sizes: &Sizes) -> u64 {
    let steps = wide(plan.forecast_horizon.min(STEPS));
    let windows = wide(sizes.rows.min(TRAIN)) + wide(sizes.rows.min(VALID));
    let width = wide(sizes.features) + wide(EXTRA);
    let row = 5 * width + 12 * wide(LEVELS.len()) + 64;
    let own = wide(plan.forecast_horizon) * (8 * wide(LEVELS.len()) + 9 * wide(WEEK));
    product(&[windows, steps, row]).saturating_add(own)
}

/// What a forest computes a forecast with.
pub struct TreesParts {
    /// The trees. A row is the prepared features of the last row of the window, the logarithm of the window's volatility over the usual
    /// one, the step from 0, and the weekdays of the first and of this candle ahead.
    pub forest: Forest,
    /// Mean variance of a step over the training windows: the usual one.
    pub variance: f64,
    /// Weight of the window's own variance beside the usual one.
    pub own: f64,
    /// Weight of a squared log return of the window over that of the next newer one.
    pub decay: f64,
    /// Quantiles that the trees correct: (H, Q).
    pub quantiles: Vec<f64>,
    /// Weekday of each candle ahead, by the weekday of the origin, 0 is a Thursday: (7, H).
    pub weekdays: Vec<u8>,
    /// What volatility is multiplied with for the unit of each step, by the weekday of the origin: (7, H).
    pub reach: Vec<f64>,
}

pub(super) fn take_apart(manifest: &Manifest, tensors: &[Tensor]) -> Result<TreesParts> {
    let Trees { units, forest, .. } = read(manifest, tensors)?;
    Ok(TreesParts {
        forest,
        variance: units.variance,
        own: OWN,
        decay: DECAY,
        quantiles: units.quantiles,
        weekdays: units.weekdays,
        reach: units.reach,
    })
}

pub(super) fn load(
    manifest: &Manifest,
    tensors: &[Tensor],
    _machine: Machine,
) -> Result<Box<dyn Fitted>> {
    Ok(Box::new(read(manifest, tensors)?))
}

fn read(manifest: &Manifest, tensors: &[Tensor]) -> Result<Trees> {
    let record: Record = read_record(manifest, "trees")?;
    let values = |name: &str| match &find_tensor(tensors, name)?.values {
        Values::F32(values) => Ok(values.clone()),
        Values::F64(_) => Err(Error::data(format!(
            "the artifact's tensor `{name}` does not hold single precision numbers"
        ))),
    };
    let forest = Forest {
        n_features: manifest.features.len() + EXTRA,
        n_levels: LEVELS.len(),
        depth: record.depth,
        split: values("split")?.iter().map(|&x| x as u32).collect(),
        threshold: values("threshold")?,
        leaf: values("leaf")?,
    };
    let (horizon, units) = (manifest.plan.forecast_horizon, &record.units);
    let is_sound = forest.is_sound()
        && units.variance > 0.0
        && units.variance.is_finite()
        && units.quantiles.len() == horizon * LEVELS.len()
        && units.quantiles.iter().all(|q| q.is_finite())
        && units.weekdays.len() == WEEK * horizon
        && units.reach.len() == WEEK * horizon
        && units.reach.iter().all(|reach| reach.is_finite());
    if !is_sound {
        return Err(Error::data("the artifact's trees do not fit its plan"));
    }
    Ok(Trees::new(record.units, forest))
}

impl Trees {
    fn new(units: Units, forest: Forest) -> Self {
        Self {
            units,
            forest,
            narrow: Vec::new(),
            row: Vec::new(),
            quantiles: vec![0.0; LEVELS.len()],
        }
    }
}

impl Fitted for Trees {
    fn predict(
        &mut self,
        windows: &[Window<'_>],
        preparation: &Preparation,
        out: &mut Predictions,
    ) -> Result<()> {
        let levels = out.n_levels;
        for (n, &window) in windows.iter().enumerate() {
            let last_close = window.last_close();
            let volatility = self.units.volatility(window);
            let (narrow, row) = (&mut self.narrow, &mut self.row);
            self.units
                .look(window, volatility, preparation, narrow, row);
            for step in 0..out.horizon {
                self.units.place(window, step, &mut self.row);
                let begin = &self.units.quantiles[step * levels..][..levels];
                for (quantile, &begin) in self.quantiles.iter_mut().zip(begin) {
                    *quantile = begin as f32;
                }
                self.forest.predict(&self.row, &mut self.quantiles);
                let scale = volatility * self.units.reach(window)[step];
                let cell = n * out.horizon + step;
                let prices = &mut out.quantiles[cell * levels..][..levels];
                for (price, &quantile) in prices.iter_mut().zip(&self.quantiles) {
                    *price = last_close * (f64::from(quantile) * scale).exp();
                }
                out.point[cell] = prices[levels / 2];
            }
        }
        Ok(())
    }

    fn record(&self) -> Value {
        let record = Record {
            units: self.units.clone(),
            depth: self.forest.depth,
        };
        serde_json::to_value(record).unwrap_or(Value::Null)
    }

    fn tensors(&self) -> Vec<Tensor> {
        let (trees, leaves) = (self.forest.len(), 1 << self.forest.depth);
        let tensor = |name: &str, shape: &[usize], values: Vec<f32>| Tensor {
            name: name.into(),
            shape: shape.to_vec(),
            values: Values::F32(values),
        };
        let split = self.forest.split.iter().map(|&x| x as f32).collect();
        vec![
            tensor("split", &[trees, leaves - 1], split),
            tensor(
                "threshold",
                &[trees, leaves - 1],
                self.forest.threshold.clone(),
            ),
            tensor(
                "leaf",
                &[trees, leaves, self.forest.n_levels],
                self.forest.leaf.clone(),
            ),
        ]
    }
}
