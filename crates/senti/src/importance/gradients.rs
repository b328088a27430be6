//! Integrated gradients: what a forecast is made of, by feature and by day of the window.
//!
//! In comes a network laid open and windows; out go attributions. For a number f of the forecast, a window x and the window x₀ whose
//! every feature is at its training median (zeros, as the network sees it), the attribution of an input i is
//! (xᵢ - x₀ᵢ) ∫₀¹ ∂f/∂xᵢ(x₀ + α (x - x₀)) dα (Sundararajan, Taly and Yan 2017), the integral by Gauss and Legendre, as Captum does.
//! The attributions of a window add up to f(x) - f(x₀): how nearly they do is [`Completeness`].
//!
//! Explained is the network as it is trained, before calibration. No feature is moved to where it could not be in the world: the straight
//! line from the median to a window crosses windows that never were, which is what the method asks for.

use senti_engine::{Batch, Network, Pinball};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::models::Opened;
use crate::observe::{Event, Next, Observer, interrupted};
use crate::prepare::Preparation;
use crate::windows::Labelled;

/// Places on the way from the median window at which the gradient is taken.
pub const NODES: usize = 64;

/// Windows that are explained at once.
const ROWS: usize = 32;

/// A number of the forecast, in units of the target, as the mean over all steps ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Number {
    /// The median (the point, for a loss of points).
    Median,
    /// The distance of the outermost quantiles: the central 90 % interval.
    Width,
}

impl Number {
    /// In words, for headings.
    pub fn name(self) -> &'static str {
        match self {
            Number::Median => "median",
            Number::Width => "width",
        }
    }
}

/// What the forecasts are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gradients {
    /// Places on the way.
    pub nodes: usize,
    /// Unit of all attributions: `expected moves` (by volatility), `log return` or `price`.
    pub unit: String,
    /// One a number of the forecast.
    pub numbers: Vec<Attributed>,
}

/// What one number of the forecasts is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attributed {
    /// Which.
    pub number: Number,
    /// Mean |attribution| over the windows: (T, F), oldest day first.
    pub days: Vec<Vec<f64>>,
    /// Mean attribution with its sign: (T, F).
    pub signed: Vec<Vec<f64>>,
    /// Sums of `days` over the days: (F).
    pub features: Vec<f64>,
    /// The number at the median window.
    pub baseline: f64,
    /// Mean |number - baseline| over the windows.
    pub mean_move: f64,
    /// Do the attributions add up?
    pub completeness: Completeness,
}

/// By how much the attributions of a window miss what they should add up to, as a share of the mean |f(x) - f(x₀)|.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completeness {
    /// Mean over the windows.
    pub mean: f64,
    /// The window that misses it most.
    pub largest: f64,
}

/// Nodes and weights on 0 to 1 of the quadrature that is exact for polynomials up to degree 2n - 1 (Gauss 1814; roots of Legendre's
/// polynomial by Newton's iteration, Press et al., Numerical Recipes, 4.5).
pub fn gauss_legendre(n: usize) -> Vec<(f64, f64)> {
    (1..=n)
        .map(|k| {
            let mut x = -(std::f64::consts::PI * (k as f64 - 0.25) / (n as f64 + 0.5)).cos();
            let mut slope = 1.0;
            for _ in 0..100 {
                let (mut value, mut before) = (1.0, 0.0);
                for degree in 1..=n {
                    let d = degree as f64;
                    (value, before) = (
                        ((2.0 * d - 1.0) * x * value - (d - 1.0) * before) / d,
                        value,
                    );
                }
                slope = n as f64 * (x * value - before) / (x * x - 1.0);
                let step = value / slope;
                x -= step;
                if step.abs() < 1e-15 {
                    break;
                }
            }
            ((1.0 + x) / 2.0, 1.0 / ((1.0 - x * x) * slope * slope))
        })
        .collect()
}

/// Attributions of a few windows: (B, T, F), and the number at each window and at the median window: (B), (B).
#[derive(Clone, Debug, Default)]
pub struct Explained {
    /// (B, T, F)
    pub attributions: Vec<f64>,
    /// The number at each window: (B).
    pub at_input: Vec<f64>,
    /// At the median window.
    pub at_baseline: f64,
}

/// Explains a number of the forecasts of a batch; `head` and `scale` are those of [`Opened`]. `go_on` is asked before every node.
pub fn explain(
    opened: &mut Opened,
    number: Number,
    batch: &Batch,
    nodes: &[(f64, f64)],
    go_on: &mut dyn FnMut() -> Result<()>,
) -> Result<Explained> {
    let Opened {
        network,
        head,
        scale,
        ..
    } = opened;
    let (steps, features, rows) = (batch.steps(), batch.features(), batch.len());
    let width = steps * features;
    let mut along = Batch::new(rows, steps, features, batch.targets_per_row());
    let mut gradients = vec![0.0_f32; rows * width];
    let mut sums = vec![0.0_f64; rows * width];
    for &(at, weight) in nodes {
        go_on()?;
        place(batch, at, &mut along);
        let mut slopes = |raw: &[f32], out: &mut [f32]| {
            number.slopes(head.as_ref(), scale, raw, out);
        };
        network.input_gradients(&along, &mut slopes, &mut gradients);
        for (sum, &gradient) in sums.iter_mut().zip(&gradients) {
            *sum += weight * f64::from(gradient);
        }
    }
    for (row, sums) in sums.chunks_exact_mut(width).enumerate() {
        for (step, sums) in sums.chunks_exact_mut(features).enumerate() {
            for (sum, &value) in sums.iter_mut().zip(batch.input(step, row)) {
                *sum *= f64::from(value);
            }
        }
    }
    let at_input = number.values(network, head.as_ref(), scale, batch);
    place(batch, 0.0, &mut along);
    let at_baseline = number.values(network, head.as_ref(), scale, &along)[0];
    Ok(Explained {
        attributions: sums,
        at_input,
        at_baseline,
    })
}

/// The windows of `batch`, moved towards the median window: `at` times themselves.
fn place(batch: &Batch, at: f64, out: &mut Batch) {
    for row in 0..batch.len() {
        for step in 0..batch.steps() {
            let inputs = batch.input(step, row).iter();
            for (out, &value) in out.input_mut(step, row).iter_mut().zip(inputs) {
                *out = (at * f64::from(value)) as f32;
            }
        }
    }
}

impl Number {
    /// The number of each row, from the network's outputs.
    fn values(
        self,
        network: &mut Network,
        head: Option<&Pinball>,
        scale: &[f64],
        batch: &Batch,
    ) -> Vec<f64> {
        let outputs = network.architecture().outputs;
        let mut raw = vec![0.0; batch.len() * outputs];
        network.predict(batch, &mut raw);
        let mut values = raw.clone();
        if let Some(head) = head {
            head.quantiles(&raw, &mut values);
        }
        let horizon = scale.len() as f64;
        let of_row = |row: &[f32]| -> f64 {
            let steps = row.chunks_exact(outputs / scale.len()).zip(scale);
            let numbers = steps.map(|(quantiles, scale)| {
                let last = quantiles.len() - 1;
                scale
                    * match self {
                        Number::Median => f64::from(quantiles[last / 2]),
                        Number::Width => f64::from(quantiles[last]) - f64::from(quantiles[0]),
                    }
            });
            numbers.sum::<f64>() / horizon
        };
        values.chunks_exact(outputs).map(of_row).collect()
    }

    /// Its derivative with respect to the raw outputs: (B, outputs).
    fn slopes(self, head: Option<&Pinball>, scale: &[f64], raw: &[f32], out: &mut [f32]) {
        let levels = head.map_or(1, |head| head.levels().len());
        let by_quantile: Vec<f32> = (0..raw.len())
            .map(|k| {
                let (step, level) = (k / levels % scale.len(), k % levels);
                let slope = match self {
                    Number::Median if level == levels / 2 => 1.0,
                    Number::Width if level == 0 => -1.0,
                    Number::Width if level == levels - 1 => 1.0,
                    _ => 0.0,
                };
                (slope * scale[step] / scale.len() as f64) as f32
            })
            .collect();
        match head {
            Some(head) => head.raw_slopes(raw, &by_quantile, out),
            None => out.copy_from_slice(&by_quantile),
        }
    }
}

/// Explains the forecasts of the windows.
pub(super) fn measure(
    mut opened: Opened,
    held: &[Labelled<'_>],
    preparation: &Preparation,
    observe: &mut Observer<'_>,
) -> Result<Gradients> {
    // A loss of points has a width that no input moves.
    let numbers = match opened.head {
        Some(_) => vec![Number::Median, Number::Width],
        None => vec![Number::Median],
    };
    let nodes = gauss_legendre(NODES);
    let architecture = opened.network.architecture();
    let (steps, features) = (architecture.steps, architecture.features);
    let mut batch = Batch::new(ROWS, steps, features, 1);
    let n = held.len() as f64;
    let mut passes = 0;
    let all = numbers.len() * held.len();
    let mut attributed = Vec::new();
    for &number in &numbers {
        let mut days = vec![0.0; steps * features];
        let mut signed = vec![0.0; steps * features];
        let (mut moves, mut misses, mut baseline) = (0.0, Vec::new(), 0.0);
        for windows in held.chunks(ROWS) {
            batch.resize(windows.len());
            for (row, labelled) in windows.iter().enumerate() {
                for (step, values) in labelled.window().past().enumerate() {
                    preparation.apply(values, batch.input_mut(step, row));
                }
            }
            let mut go_on = || {
                passes += windows.len();
                let news = Event::Working {
                    what: "explaining",
                    done: passes / NODES,
                    of: all,
                };
                match observe(news) {
                    Next::Stop => Err(interrupted("explaining the forecasts")),
                    Next::Continue => Ok(()),
                }
            };
            let explained = explain(&mut opened, number, &batch, &nodes, &mut go_on)?;
            baseline = explained.at_baseline;
            for (row, &value) in explained.at_input.iter().enumerate() {
                let attributions = &explained.attributions[row * days.len()..][..days.len()];
                for (cell, attribution) in attributions.iter().enumerate() {
                    days[cell] += attribution.abs() / n;
                    signed[cell] += attribution / n;
                }
                let moved = value - baseline;
                moves += moved.abs() / n;
                misses.push((attributions.iter().sum::<f64>() - moved).abs());
            }
        }
        // Where no forecast ever differs from the median window's there is nothing to miss.
        let share = |miss: f64| if moves > 0.0 { miss / moves } else { miss };
        let by_day = |cells: &[f64]| cells.chunks_exact(features).map(<[f64]>::to_vec).collect();
        attributed.push(Attributed {
            number,
            features: (0..features)
                .map(|feature| days.iter().skip(feature).step_by(features).sum())
                .collect(),
            days: by_day(&days),
            signed: by_day(&signed),
            baseline,
            mean_move: moves,
            completeness: Completeness {
                mean: share(misses.iter().sum::<f64>() / n),
                largest: share(misses.iter().copied().fold(0.0, f64::max)),
            },
        });
    }
    Ok(Gradients {
        nodes: NODES,
        unit: opened.unit.into(),
        numbers: attributed,
    })
}
