//! The textbook: LSTM and GRU layers and the losses in f64, one number at a time, straight from the equations.
//!
//! Only a forward pass; gradients come from it by central differences. Nothing here is shared with the engine but the names of the
//! tensors and the published rule by which dropout draws its bits.

use senti_engine::random::{Purpose, Stream};
use senti_engine::{Architecture, Batch, Cell, Loss, Tensor};

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
        let n_directions = if net.bidirectional { 2 } else { 1 };
        let mut out = vec![vec![0.0; n_directions * units]; net.steps];
        for direction in 0..n_directions {
            let [kernel, recurrent, bias] = &weights[3 * (n_directions * layer + direction)..][..3]
            else {
                unreachable!()
            };
            let columns = recurrent.len() / units;
            let (mut h, mut c) = (vec![0.0; units], vec![0.0; units]);
            for turn in 0..net.steps {
                let t = if direction == 0 {
                    turn
                } else {
                    net.steps - 1 - turn
                };
                let from_x = product(&x[t], kernel, columns);
                let from_h = product(&h, recurrent, columns);
                match net.cell {
                    Cell::Lstm => {
                        let z = |gate: usize, u: usize| {
                            let at = gate * units + u;
                            from_x[at] + from_h[at] + bias[at]
                        };
                        for u in 0..units {
                            c[u] = sigmoid(z(1, u)) * c[u] + sigmoid(z(0, u)) * z(2, u).tanh();
                            h[u] = sigmoid(z(3, u)) * c[u].tanh();
                        }
                    }
                    // reset_after: the reset gate multiplies what comes from the states, their bias included.
                    Cell::Gru => {
                        let x = |gate: usize, u: usize| {
                            from_x[gate * units + u] + bias[gate * units + u]
                        };
                        let s = |gate: usize, u: usize| {
                            from_h[gate * units + u] + bias[columns + gate * units + u]
                        };
                        for (u, h) in h.iter_mut().enumerate() {
                            let (z, r) = (sigmoid(x(0, u) + s(0, u)), sigmoid(x(1, u) + s(1, u)));
                            let candidate = (x(2, u) + r * s(2, u)).tanh();
                            *h = z * *h + (1.0 - z) * candidate;
                        }
                    }
                }
                for u in 0..units {
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

/// Row vector times matrix.
fn product(x: &[f64], matrix: &[f64], columns: usize) -> Vec<f64> {
    let column = |column: usize| {
        x.iter()
            .enumerate()
            .map(|(k, x)| x * matrix[k * columns + column])
            .sum()
    };
    (0..columns).map(column).collect()
}

/// ln Γ by Lanczos's approximation (g = 5, six terms; Press et al., Numerical Recipes, 6.1), error 2e-10.
fn ln_gamma(x: f64) -> f64 {
    let terms = [
        76.180_091_729_471_46,
        -86.505_320_329_416_77,
        24.014_098_240_830_91,
        -1.231_739_572_450_155,
        0.120_865_097_386_617_9e-2,
        -0.539_523_938_495_3e-5,
    ];
    let series = terms
        .iter()
        .enumerate()
        .fold(1.000_000_000_190_015, |sum, (k, term)| {
            sum + term / (x + 1.0 + k as f64)
        });
    let t = x + 5.5;
    (x + 0.5) * t.ln() - t + (2.506_628_274_631_000_5 * series / x).ln()
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
                Loss::StudentT => {
                    let (scale, df) = (softplus(z[1]), 2.0 + softplus(z[2]));
                    let e = (target - z[0]) / scale;
                    let density = ln_gamma((df + 1.0) / 2.0)
                        - ln_gamma(df / 2.0)
                        - 0.5 * (std::f64::consts::PI * df).ln()
                        - scale.ln()
                        - 0.5 * (df + 1.0) * (1.0 + e * e / df).ln();
                    losses.push(-density);
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

fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Rising quantiles from the raw outputs of one target.
pub fn quantiles(z: &[f64]) -> Vec<f64> {
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
