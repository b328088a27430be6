//! The textbook: a bidirectional LSTM and its losses in f64, one number at a time, straight from the equations.
//!
//! Only a forward pass; gradients come from it by central differences. Nothing here is shared with the engine but the names of the
//! tensors and the published rule by which dropout draws its bits.

use senti_engine::random::{Purpose, Stream};
use senti_engine::{Architecture, Batch, Loss, Tensor};

/// A weight in f64: values and number of columns.
pub type Weights = Vec<Vec<f64>>;

pub fn widen(tensors: &[Tensor]) -> Weights {
    tensors
        .iter()
        .map(|tensor| {
            tensor
                .values
                .iter()
                .map(|&value| f64::from(value))
                .collect()
        })
        .collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Dropout of one training step.
pub struct Masks {
    pub seed: u64,
    pub step: u64,
}

impl Masks {
    /// Factor of one unit: 0 or 1 / (1 - rate). The rule of `src/dropout.rs`, element by element.
    #[allow(clippy::too_many_arguments)]
    fn factor(
        &self,
        net: &Architecture,
        layer: usize,
        direction: usize,
        rows: usize,
        row: usize,
        step: usize,
        unit: usize,
    ) -> f64 {
        let padded = net.units[layer].div_ceil(16) * 16;
        let per_block = rows.div_ceil(rows.div_ceil(32));
        let (block, row_in_block) = (row / per_block, row % per_block);
        let block_rows = per_block.min(rows - block * per_block);
        let element = (step * block_rows + row_in_block) * padded + unit;
        let group = block * (net.steps * 32 * padded).div_ceil(128) + element / 128;
        let (half, lane) = (element % 128 / 16, element % 16);
        let stream = Stream::new(self.seed, Purpose::Dropout).part((2 * layer + direction) as u16);
        let word = stream.words(self.step, (16 * group + lane) as u32)[half / 2];
        let bits = if half % 2 == 0 {
            word & 0xFFFF
        } else {
            word >> 16
        };
        if f64::from(bits) < (f64::from(net.dropout) * 65536.0).round() {
            0.0
        } else {
            1.0 / (1.0 - f64::from(net.dropout))
        }
    }
}

/// Raw outputs (B, outputs).
pub fn forward(
    net: &Architecture,
    weights: &Weights,
    batch: &Batch,
    masks: Option<&Masks>,
) -> Vec<Vec<f64>> {
    (0..batch.len())
        .map(|row| forward_row(net, weights, batch, row, masks))
        .collect()
}

fn forward_row(
    net: &Architecture,
    weights: &Weights,
    batch: &Batch,
    row: usize,
    masks: Option<&Masks>,
) -> Vec<f64> {
    let mut x: Vec<Vec<f64>> = (0..net.steps)
        .map(|t| batch.input(t, row).iter().map(|&v| f64::from(v)).collect())
        .collect();
    for (layer, &units) in net.units.iter().enumerate() {
        let is_last = layer + 1 == net.units.len();
        let mut out = vec![vec![0.0; 2 * units]; net.steps];
        for direction in 0..2 {
            let [kernel, recurrent, bias] = &weights[6 * layer + 3 * direction..][..3] else {
                unreachable!()
            };
            let (mut h, mut c) = (vec![0.0; units], vec![0.0; units]);
            for turn in 0..net.steps {
                let t = if direction == 0 {
                    turn
                } else {
                    net.steps - 1 - turn
                };
                let z: Vec<f64> = (0..4 * units)
                    .map(|column| {
                        let from_x: f64 = x[t]
                            .iter()
                            .enumerate()
                            .map(|(k, x)| x * kernel[k * 4 * units + column])
                            .sum();
                        let from_h: f64 = h
                            .iter()
                            .enumerate()
                            .map(|(k, h)| h * recurrent[k * 4 * units + column])
                            .sum();
                        from_x + from_h + bias[column]
                    })
                    .collect();
                for u in 0..units {
                    c[u] = sigmoid(z[units + u]) * c[u] + sigmoid(z[u]) * z[2 * units + u].tanh();
                    h[u] = sigmoid(z[3 * units + u]) * c[u].tanh();
                    // The last layer hands on its final states only, as step 0.
                    let to = if is_last { 0 } else { t };
                    let factor = masks.map_or(1.0, |masks| {
                        masks.factor(net, layer, direction, batch.len(), row, to, u)
                    });
                    out[to][direction * units + u] = h[u] * factor;
                }
            }
        }
        x = out;
    }
    let [kernel, bias] = &weights[weights.len() - 2..] else {
        unreachable!()
    };
    (0..net.outputs)
        .map(|column| {
            bias[column]
                + x[0]
                    .iter()
                    .enumerate()
                    .map(|(k, x)| x * kernel[k * net.outputs + column])
                    .sum::<f64>()
        })
        .collect()
}

/// Mean loss, by definition.
pub fn loss(loss: &Loss, outputs: &[Vec<f64>], batch: &Batch) -> f64 {
    let mut losses = Vec::new();
    for (row, outputs) in outputs.iter().enumerate() {
        let q = outputs.len() / batch.targets_per_row();
        for (&target, z) in batch.target(row).iter().zip(outputs.chunks(q)) {
            let target = f64::from(target);
            match loss {
                Loss::Mse => losses.push((target - z[0]).powi(2)),
                Loss::Mae => losses.push((target - z[0]).abs()),
                Loss::Huber { delta } => {
                    let (error, delta) = ((target - z[0]).abs(), f64::from(*delta));
                    losses.push(if error <= delta {
                        0.5 * error * error
                    } else {
                        delta * (error - 0.5 * delta)
                    });
                }
                Loss::Pinball(pinball) => {
                    let mut z = z.to_vec();
                    z[pinball.levels().len() / 2] *= f64::from(pinball.location_rate());
                    for (quantile, &level) in quantiles(&z).iter().zip(pinball.levels()) {
                        let (e, level) = (target - quantile, f64::from(level));
                        losses.push((level * e).max((level - 1.0) * e));
                    }
                }
            }
        }
    }
    losses.iter().sum::<f64>() / losses.len() as f64
}

/// Rising quantiles from the raw outputs of one target.
pub fn quantiles(z: &[f64]) -> Vec<f64> {
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let middle = z.len() / 2;
    (0..z.len())
        .map(|k| {
            if k >= middle {
                z[middle]
                    + z[middle + 1..=k.max(middle)]
                        .iter()
                        .map(|&z| softplus(z))
                        .sum::<f64>()
            } else {
                z[middle] - z[k..middle].iter().map(|&z| softplus(z)).sum::<f64>()
            }
        })
        .collect()
}

/// d loss / d weight by central differences.
pub fn slope(
    net: &Architecture,
    weights: &mut Weights,
    batch: &Batch,
    kind: &Loss,
    masks: Option<&Masks>,
    tensor: usize,
    element: usize,
) -> f64 {
    let step = 1e-5;
    let value = weights[tensor][element];
    let mut at = |value: f64| {
        weights[tensor][element] = value;
        loss(kind, &forward(net, weights, batch, masks), batch)
    };
    let slope = (at(value + step) - at(value - step)) / (2.0 * step);
    weights[tensor][element] = value;
    slope
}
