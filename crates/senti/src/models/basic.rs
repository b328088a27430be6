//! Ridge regression on the flattened window, one direct equation for each step ahead. The penalty is the one with the smallest
//! squared error on the validation windows; the quantiles are those of the validation residuals.

use senti_engine::ridge::{Gram, Ridge};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::target::{SAMPLE, Target, spread, valid_sample};
use super::{CHUNK, Fitted, Job, Learned, find_tensor, read_record};
use crate::artifact::{Manifest, Tensor, Values};
use crate::doors::Machine;
use crate::forecast::Predictions;
use crate::memory::{Sizes, product, wide};
use crate::observe::{Event, Next, Observer, interrupted};
use crate::plan::{LEVELS, Plan};
use crate::prepare::Preparation;
use crate::windows::{Window, Windows};
use crate::{Error, Result};

/// Penalties tried, in units of the number of training windows: from hardly any to "the mean move".
const PENALTIES: [f64; 9] = [1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3, 1e4, 1e5];

struct Basic {
    target: Target,
    ridge: Ridge,
    /// Penalty chosen.
    alpha: f64,
    /// Quantiles of the encoded residuals: (H, Q).
    residuals: Vec<f64>,
    row: Vec<f64>,
    narrow: Vec<f32>,
    encoded: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    target: Target,
    alpha: f64,
    residuals: Vec<f64>,
}

impl Basic {
    fn new(target: Target, ridge: Ridge, alpha: f64, residuals: Vec<f64>) -> Self {
        let horizon = target.horizon();
        Self {
            target,
            ridge,
            alpha,
            residuals,
            row: Vec::new(),
            narrow: Vec::new(),
            encoded: vec![0.0; horizon],
        }
    }

    /// Encoded point forecast of one window, left in `encoded`.
    fn encode(&mut self, window: Window<'_>, preparation: &Preparation) {
        flatten(window, preparation, &mut self.narrow, &mut self.row);
        self.ridge.predict(&self.row, &mut self.encoded);
    }
}

/// Prepared features of a window, oldest row first: (T, F) as one row.
fn flatten(
    window: Window<'_>,
    preparation: &Preparation,
    narrow: &mut Vec<f32>,
    row: &mut Vec<f64>,
) {
    row.clear();
    for features in window.past() {
        narrow.resize(features.len(), 0.0);
        preparation.apply(features, narrow);
        row.extend(narrow.iter().map(|&value| f64::from(value)));
    }
}

/// Every `stride`-th window, so that at most [`SAMPLE`] are looked at.
fn thinned<'a>(windows: &'a Windows<'_>) -> impl Iterator<Item = usize> + use<'a> {
    (0..windows.len()).step_by(windows.len().div_ceil(SAMPLE).max(1))
}

pub(super) fn fit(job: &Job<'_>, observe: &mut Observer<'_>) -> Result<Learned> {
    let horizon = job.train.horizon();
    let target = Target::learn(job.plan.target, &job.train);
    let width = job.train.steps() * job.train.n_features();
    let mut gram = Gram::with_simd(width, horizon, job.machine.simd);
    let (mut narrow, mut row, mut encoded) = (Vec::new(), Vec::new(), vec![0.0; horizon]);
    let mut units = vec![0.0; horizon];
    for (done, labelled) in job.train.iter().enumerate() {
        if done.is_multiple_of(CHUNK) {
            go_on(job, done, observe)?;
        }
        let window = labelled.window();
        flatten(window, job.preparation, &mut narrow, &mut row);
        target.units(&window, &mut units);
        for (step, (encoded, &close)) in encoded.iter_mut().zip(labelled.future()).enumerate() {
            *encoded = target.encode(step, units[step], window.last_close(), close);
        }
        gram.add_row(&row, &encoded);
    }

    let mut best: Option<(f64, Basic)> = None;
    for penalty in PENALTIES {
        go_on(job, job.train.len(), observe)?;
        let alpha = penalty * job.train.len() as f64;
        let Ok(ridge) = gram.solve(alpha) else {
            continue;
        };
        let mut candidate = Basic::new(target.clone(), ridge, alpha, Vec::new());
        let mut squares = 0.0;
        for position in thinned(&job.valid) {
            let labelled = job.valid.get(position);
            let window = labelled.window();
            candidate.encode(window, job.preparation);
            target.units(&window, &mut units);
            for (step, &close) in labelled.future().iter().enumerate() {
                let encoded = target.encode(step, units[step], window.last_close(), close);
                squares += (encoded - candidate.encoded[step]).powi(2);
            }
        }
        if squares.is_finite() && best.as_ref().is_none_or(|(least, _)| squares < *least) {
            best = Some((squares, candidate));
        }
    }
    let Some((_, mut fitted)) = best else {
        return Err(Error::data("no penalty gives a finite ridge regression")
            .hint("look for absurd values in the columns"));
    };

    let mut residuals = vec![Vec::new(); horizon];
    for position in thinned(&job.valid) {
        let labelled = job.valid.get(position);
        let window = labelled.window();
        fitted.encode(window, job.preparation);
        target.units(&window, &mut units);
        for (step, &close) in labelled.future().iter().enumerate() {
            let encoded = target.encode(step, units[step], window.last_close(), close);
            residuals[step].push(encoded - fitted.encoded[step]);
        }
    }
    fitted.residuals = spread(residuals, &LEVELS);
    Ok(Learned {
        fitted: Box::new(fitted),
        history: Vec::new(),
        best_epoch: 0,
        untrained_loss: None,
    })
}

/// Bytes of a fit: the products of all pairs of inputs and outputs and their sums, the factor of one penalty, the coefficients of some.
pub(super) fn memory(plan: &Plan, sizes: &Sizes) -> u64 {
    let horizon = wide(plan.forecast_horizon);
    let inputs = product(&[wide(plan.input_seq_length), wide(sizes.features)]);
    let width = inputs.saturating_add(horizon);
    // Rows wait in blocks of 64 until they are multiplied.
    let numbers = [
        product(&[2, width, width]),
        product(&[inputs, inputs]),
        product(&[width, 64]),
        product(&[inputs, horizon, 8]),
        product(&[horizon, valid_sample(plan, sizes), 2]),
    ];
    product(&[numbers.into_iter().fold(0, u64::saturating_add), 8])
}

/// Tells how far the fit is, and stops it when that is wanted.
fn go_on(job: &Job<'_>, done: usize, observe: &mut Observer<'_>) -> Result<()> {
    let (what, of) = ("fitting", job.train.len());
    match observe(Event::Working { what, done, of }) {
        Next::Continue => Ok(()),
        Next::Stop => Err(interrupted("fitting")),
    }
}

/// What a ridge regression computes a forecast with.
pub struct BasicParts {
    /// Turns encoded values into prices.
    pub target: Target,
    /// One row an input, the prepared features of the oldest row first: (T · F, H).
    pub coefficients: Vec<f64>,
    /// (H)
    pub intercept: Vec<f64>,
    /// What is added to the encoded point for each quantile: (H, Q).
    pub residuals: Vec<f64>,
}

pub(super) fn take_apart(manifest: &Manifest, tensors: &[Tensor]) -> Result<BasicParts> {
    let Basic {
        target,
        ridge,
        residuals,
        ..
    } = read(manifest, tensors)?;
    Ok(BasicParts {
        target,
        coefficients: ridge.coefficients,
        intercept: ridge.intercept,
        residuals,
    })
}

pub(super) fn load(
    manifest: &Manifest,
    tensors: &[Tensor],
    _machine: Machine,
) -> Result<Box<dyn Fitted>> {
    Ok(Box::new(read(manifest, tensors)?))
}

fn read(manifest: &Manifest, tensors: &[Tensor]) -> Result<Basic> {
    let record: Record = read_record(manifest, "basic")?;
    let values = |name: &str, wanted: usize| match &find_tensor(tensors, name)?.values {
        Values::F64(values) if values.len() == wanted => Ok(values.clone()),
        _ => Err(Error::data(format!(
            "the artifact's tensor `{name}` does not hold {wanted} double precision numbers"
        ))),
    };
    let horizon = manifest.plan.forecast_horizon;
    if !record.target.fits(horizon) {
        return Err(Error::data("the artifact's ridge does not fit its plan"));
    }
    let width = manifest.plan.input_seq_length * manifest.features.len();
    let ridge = Ridge {
        coefficients: values("coefficients", width * horizon)?,
        intercept: values("intercept", horizon)?,
    };
    if record.residuals.len() != horizon * LEVELS.len() {
        return Err(Error::data(format!(
            "the artifact's record holds {} residual quantiles, wanted {}",
            record.residuals.len(),
            horizon * LEVELS.len()
        )));
    }
    Ok(Basic::new(
        record.target,
        ridge,
        record.alpha,
        record.residuals,
    ))
}

impl Fitted for Basic {
    fn predict(
        &mut self,
        windows: &[Window<'_>],
        preparation: &Preparation,
        out: &mut Predictions,
    ) -> Result<()> {
        let levels = out.n_levels;
        let mut units = vec![0.0; out.horizon];
        for (n, &window) in windows.iter().enumerate() {
            let last_close = window.last_close();
            self.encode(window, preparation);
            self.target.units(&window, &mut units);
            for (step, (&point, &unit)) in self.encoded.iter().zip(&units).enumerate() {
                let cell = n * out.horizon + step;
                out.point[cell] = self.target.decode(step, unit, last_close, point);
                for level in 0..levels {
                    let residual = self.residuals[step * levels + level];
                    out.quantiles[cell * levels + level] =
                        self.target.decode(step, unit, last_close, point + residual);
                }
            }
        }
        Ok(())
    }

    fn record(&self) -> Value {
        let record = Record {
            target: self.target.clone(),
            alpha: self.alpha,
            residuals: self.residuals.clone(),
        };
        serde_json::to_value(record).unwrap_or(Value::Null)
    }

    fn tensors(&self) -> Vec<Tensor> {
        let horizon = self.target.horizon();
        vec![
            Tensor {
                name: "coefficients".into(),
                shape: vec![self.ridge.coefficients.len() / horizon, horizon],
                values: Values::F64(self.ridge.coefficients.clone()),
            },
            Tensor {
                name: "intercept".into(),
                shape: vec![horizon],
                values: Values::F64(self.ridge.intercept.clone()),
            },
        ]
    }
}
