//! How much memory the network takes while it learns: parameters, the traces of a batch, the batch, and states on their way to disk.
//!
//! In come a plan and sizes; out go bytes. Units are counted as the engine pads them: in groups of 16, outputs in groups of 64.

use super::{LEVELS, Loss, Plan, ROWS};
use crate::memory::{Sizes, product, wide};
use crate::models::target::valid_sample;
use crate::plan::Target;

const SINGLE: u64 = size_of::<f32>() as u64;

/// Times the parameters: weights, gradients, two moments, the transposed weights, and the best weights so far.
const NETWORK: u64 = 6;
/// Times the parameters: a state of weights, moments and best weights, and the bytes of its file.
const CHECKPOINT: u64 = 8;
/// Times the parameters: a state that stays, and its copies while the network takes it up.
const RESUMED: u64 = 4 + 6;

/// Numbers of single size of the regressors and moves that the volatility is learned from.
const SAMPLED: u64 = 20_000 * 12 * 2;

/// Bytes of a training.
pub(in crate::models) fn bytes(plan: &Plan, sizes: &Sizes) -> u64 {
    let [steps, horizon, features] =
        [plan.input_seq_length, plan.forecast_horizon, sizes.features].map(wide);
    let rows = wide(plan.batch_size.max(ROWS));
    let outputs = match plan.loss {
        Loss::Pinball => product(&[horizon, wide(LEVELS.len())]),
        Loss::Mse | Loss::Mae | Loss::Huber => horizon,
    };
    let (mut parameters, mut traces, mut inputs) = (0_u64, 0_u64, features);
    for (layer, &units) in plan.units.iter().enumerate() {
        let units = wide(units).next_multiple_of(16);
        let direction = product(&[4 * units, inputs + units + 1]);
        parameters = parameters.saturating_add(direction.saturating_mul(2));
        // Four gates, the cell, its tanh and the padded state of every step; above, what is handed on after dropout, and its slopes.
        let kept = 4 * units + units + units + (units + 16);
        let handed = match layer + 1 < plan.units.len() {
            true => (units + 16) + units,
            false => 0,
        };
        traces = traces.saturating_add(product(&[2, steps, rows, kept + handed]));
        inputs = 2 * units;
    }
    let wide_outputs = outputs.next_multiple_of(64);
    parameters = parameters.saturating_add(product(&[inputs + 1, wide_outputs]));
    let copies = NETWORK + if sizes.resumes { RESUMED } else { 0 } + CHECKPOINT;
    let batch = product(&[rows, steps, features]).saturating_add(product(&[rows, horizon]));
    // Outputs and their gradients, as the network has them, padded, and decoded.
    let told = product(&[rows, 3 * wide_outputs + 3 * outputs]);
    let residuals = match plan.loss {
        Loss::Pinball => 0,
        // Kept in double precision, in lists that double.
        _ => product(&[horizon, valid_sample(plan, sizes), 4]),
    };
    // Log volatility, high and low of every candle, in double precision, and the regressors of a sample of them.
    let spreads = match plan.target {
        Target::LogReturn => product(&[wide(sizes.rows), 3, 2]).saturating_add(SAMPLED),
        Target::Price => 0,
    };
    [
        spreads,
        product(&[parameters, copies]),
        traces,
        batch,
        told,
        residuals,
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
    .saturating_mul(SINGLE)
}
