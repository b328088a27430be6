//! The network: forward, loss, backward, update. Plain loops for now; the fast kernels come behind the same API.

use crate::adam::Adam;
use crate::architecture::Architecture;
use crate::batch::Batch;
use crate::initialise::initial_weights;
use crate::loss::Loss;
use crate::random::{Purpose, Stream};
use crate::simd::Simd;
use crate::tensor::{self, Tensor, TensorError};

/// How a network runs; none of it but the seed changes what it computes, except for the last digits between instruction sets.
#[derive(Clone, Debug)]
pub struct Options {
    /// Source of the first weights and of the dropout.
    pub seed: u64,
    /// Threads, at least 1. The numbers are the same for every count.
    pub threads: usize,
    /// Instruction set of the kernels.
    pub simd: Simd,
    /// The most rows a batch will have.
    pub max_batch: usize,
}

/// Training met a number that is infinite or not a number.
#[derive(Clone, PartialEq, Debug)]
pub struct NotFinite {
    /// What it was: `loss`, or `gradient of` a tensor.
    pub what: String,
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} is not finite", self.what)
    }
}

impl std::error::Error for NotFinite {}

/// A network with its weights, gradients and Adam's moments.
pub struct Network {
    architecture: Architecture,
    options: Options,
    weights: Vec<Tensor>,
    gradients: Vec<Vec<f32>>,
    means: Vec<Vec<f32>>,
    squares: Vec<Vec<f32>>,
    iterations: u64,
}

/// What the forward pass of one direction of one layer keeps.
struct Trace {
    /// i, f, c, o after their activations (T, B, 4U).
    gates: Vec<f32>,
    /// (T, B, U)
    cells: Vec<f32>,
    /// (T, B, U)
    states: Vec<f32>,
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

impl Network {
    /// A network with fresh weights.
    ///
    /// # Panics
    /// When a size is zero, or this machine does not have the instruction set.
    pub fn new(architecture: Architecture, options: Options) -> Network {
        architecture.check();
        assert!(
            options.threads > 0 && options.max_batch > 0,
            "a network needs threads and batches: {options:?}"
        );
        assert!(
            options.simd.is_supported(),
            "this machine has no {}",
            options.simd.name()
        );
        let weights = initial_weights(&architecture, options.seed);
        let zeros: Vec<Vec<f32>> = weights
            .iter()
            .map(|tensor| vec![0.0; tensor.values.len()])
            .collect();
        Network {
            architecture,
            options,
            weights,
            gradients: zeros.clone(),
            means: zeros.clone(),
            squares: zeros,
            iterations: 0,
        }
    }

    /// The shape it was made with.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Makes the untrained network answer `bias`: the dense layer's kernel becomes 0, its bias `bias`.
    pub fn set_output_layer(&mut self, bias: &[f32]) {
        let n = self.weights.len();
        assert_eq!(
            bias.len(),
            self.architecture.outputs,
            "values of the output layer's bias"
        );
        self.weights[n - 2].values.fill(0.0);
        self.weights[n - 1].values.copy_from_slice(bias);
    }

    /// Forward, loss and backward; the gradients stay inside. `step` is the number of the batch over all epochs: it is the
    /// key of the dropout. Returns the mean loss of the batch.
    pub fn train_batch(&mut self, batch: &Batch, loss: &Loss, step: u64) -> Result<f64, NotFinite> {
        let masks = self.masks(batch.len(), step);
        let (inputs, traces, outputs) = self.forward(batch, Some(&masks));
        let mut slope = vec![0.0; outputs.len()];
        let value = loss.evaluate(&outputs, batch.targets(), Some(&mut slope));
        if !value.is_finite() {
            return Err(NotFinite {
                what: "loss".to_owned(),
            });
        }
        self.backward(batch.len(), &inputs, &traces, &masks, &slope);
        for (tensor, gradient) in self.weights.iter().zip(&self.gradients) {
            if !gradient.iter().all(|value| value.is_finite()) {
                return Err(NotFinite {
                    what: format!("gradient of `{}`", tensor.name),
                });
            }
        }
        Ok(value)
    }

    /// Euclidean norm of all gradients.
    pub fn gradient_norm(&self) -> f32 {
        self.gradients
            .iter()
            .flatten()
            .map(|&value| f64::from(value) * f64::from(value))
            .sum::<f64>()
            .sqrt() as f32
    }

    /// Scales the gradients down to a norm of at most `max_norm`.
    pub fn clip_gradients(&mut self, max_norm: f32) {
        let norm = self.gradient_norm();
        if norm > max_norm {
            self.gradients
                .iter_mut()
                .flatten()
                .for_each(|value| *value *= max_norm / norm);
        }
    }

    /// One step of Adam along the gradients of the last batch.
    pub fn update(&mut self, adam: &Adam, learning_rate: f32) {
        self.iterations += 1;
        let step = adam.step(learning_rate, self.iterations);
        for (((tensor, gradient), mean), square) in self
            .weights
            .iter_mut()
            .zip(&self.gradients)
            .zip(&mut self.means)
            .zip(&mut self.squares)
        {
            for (((value, &g), m), v) in
                tensor.values.iter_mut().zip(gradient).zip(mean).zip(square)
            {
                *m += (1.0 - step.beta_1) * (g - *m);
                *v += (1.0 - step.beta_2) * (g * g - *v);
                *value -= step.rate * *m / (step.scale * v.sqrt() + step.epsilon);
            }
        }
    }

    /// Mean loss without dropout; no gradients.
    pub fn evaluate_batch(&mut self, batch: &Batch, loss: &Loss) -> f64 {
        let (_, _, outputs) = self.forward(batch, None);
        loss.evaluate(&outputs, batch.targets(), None)
    }

    /// Raw outputs (B, outputs).
    pub fn predict(&mut self, batch: &Batch, out: &mut [f32]) {
        assert_eq!(
            out.len(),
            batch.len() * self.architecture.outputs,
            "room for the outputs of {} rows",
            batch.len()
        );
        out.copy_from_slice(&self.forward(batch, None).2);
    }

    /// All weights, in Keras's names, shapes and layouts (gates i, f, c, o).
    pub fn weights(&self) -> Vec<Tensor> {
        self.weights.clone()
    }

    /// Replaces all weights. Nothing is changed when one of them is refused.
    pub fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), TensorError> {
        for tensor in tensors {
            if !self.weights.iter().any(|own| own.name == tensor.name) {
                return Err(TensorError::Unknown {
                    name: tensor.name.clone(),
                });
            }
        }
        let found: Result<Vec<&[f32]>, _> = self
            .weights
            .iter()
            .map(|own| tensor::find(tensors, &own.name, &own.shape))
            .collect();
        for (own, values) in self.weights.iter_mut().zip(found?) {
            own.values.copy_from_slice(values);
        }
        Ok(())
    }

    /// Everything that is needed to go on training with the same bits: weights, Adam's moments (`adam/m/…`, `adam/v/…`) and
    /// the number of steps taken (`adam/iterations`, as [n / 2²⁴, n mod 2²⁴], so that f32 holds it exactly).
    pub fn state(&self) -> Vec<Tensor> {
        let mut state = self.weights.clone();
        for (kind, moments) in [("m", &self.means), ("v", &self.squares)] {
            for (tensor, values) in self.weights.iter().zip(moments) {
                state.push(Tensor {
                    name: format!("adam/{kind}/{}", tensor.name),
                    shape: tensor.shape.clone(),
                    values: values.clone(),
                });
            }
        }
        let halves = vec![
            (self.iterations >> 24) as f32,
            (self.iterations & 0xFF_FFFF) as f32,
        ];
        state.push(Tensor {
            name: "adam/iterations".to_owned(),
            shape: vec![2],
            values: halves,
        });
        state
    }

    /// Takes up a state. Nothing is changed when a part of it is refused.
    pub fn set_state(&mut self, tensors: &[Tensor]) -> Result<(), TensorError> {
        let (adam, weights): (Vec<Tensor>, Vec<Tensor>) = tensors
            .iter()
            .cloned()
            .partition(|tensor| tensor.name.starts_with("adam/"));
        let moments = |kind: &str| -> Result<Vec<Vec<f32>>, TensorError> {
            self.weights
                .iter()
                .map(|own| {
                    Ok(
                        tensor::find(&adam, &format!("adam/{kind}/{}", own.name), &own.shape)?
                            .to_vec(),
                    )
                })
                .collect()
        };
        let (means, squares) = (moments("m")?, moments("v")?);
        let halves = tensor::find(&adam, "adam/iterations", &[2])?;
        let iterations = (halves[0] as u64) << 24 | halves[1] as u64;
        self.set_weights(&weights)?;
        (self.means, self.squares, self.iterations) = (means, squares, iterations);
        Ok(())
    }

    /// Steps of Adam taken so far.
    pub fn iterations(&self) -> u64 {
        self.iterations
    }

    /// Sets the number of steps taken so far.
    pub fn set_iterations(&mut self, iterations: u64) {
        self.iterations = iterations;
    }

    /// For each layer, what its outputs are multiplied with: 0 or 1 / (1 - dropout).
    fn masks(&self, rows: usize, step: u64) -> Vec<Vec<f32>> {
        let dropout = self.architecture.dropout;
        let n_layers = self.architecture.units.len();
        (0..n_layers)
            .map(|layer| {
                let mut generator = Stream::new(self.options.seed, Purpose::Dropout)
                    .part(layer as u16)
                    .at(step);
                let steps = if layer + 1 == n_layers {
                    1
                } else {
                    self.architecture.steps
                };
                let n = steps * rows * 2 * self.architecture.units[layer];
                (0..n)
                    .map(|_| {
                        if (generator.uniform() as f32) < dropout {
                            0.0
                        } else {
                            1.0 / (1.0 - dropout)
                        }
                    })
                    .collect()
            })
            .collect()
    }

    /// Inputs of every layer and of the dense layer, traces of every layer's directions, outputs.
    fn forward(
        &self,
        batch: &Batch,
        masks: Option<&[Vec<f32>]>,
    ) -> (Vec<Vec<f32>>, Vec<[Trace; 2]>, Vec<f32>) {
        let (rows, steps) = (batch.len(), self.architecture.steps);
        assert_eq!(
            (batch.steps(), batch.features()),
            (steps, self.architecture.features),
            "steps and features of the batch"
        );
        let (mut inputs, mut traces) = (vec![batch.inputs().to_vec()], Vec::new());
        for (layer, &units) in self.architecture.units.iter().enumerate() {
            let input = &inputs[layer];
            let pair =
                [0, 1].map(|direction| self.forward_direction(layer, direction, rows, input));
            let is_last = layer + 1 == self.architecture.units.len();
            let mut out = vec![0.0; if is_last { 1 } else { steps } * rows * 2 * units];
            for (at, out) in out.chunks_exact_mut(2 * units).enumerate() {
                for (direction, out) in out.chunks_exact_mut(units).enumerate() {
                    let at = if is_last && direction == 0 {
                        at + (steps - 1) * rows
                    } else {
                        at
                    };
                    out.copy_from_slice(&pair[direction].states[at * units..][..units]);
                }
            }
            if let Some(masks) = masks {
                out.iter_mut()
                    .zip(&masks[layer])
                    .for_each(|(value, mask)| *value *= mask);
            }
            traces.push(pair);
            inputs.push(out);
        }
        let [kernel, bias] = &self.weights[self.weights.len() - 2..] else {
            unreachable!("the dense layer has two tensors")
        };
        let width = self.architecture.outputs;
        let mut outputs = Vec::with_capacity(rows * width);
        for x in inputs[inputs.len() - 1].chunks_exact(self.architecture.width_into_dense()) {
            outputs.extend((0..width).map(|column| {
                bias.values[column]
                    + x.iter()
                        .enumerate()
                        .map(|(k, x)| x * kernel.values[k * width + column])
                        .sum::<f32>()
            }));
        }
        (inputs, traces, outputs)
    }

    fn forward_direction(
        &self,
        layer: usize,
        direction: usize,
        rows: usize,
        input: &[f32],
    ) -> Trace {
        let (units, width, steps) = (
            self.architecture.units[layer],
            self.architecture.width_into(layer),
            self.architecture.steps,
        );
        let [kernel, recurrent, bias] = &self.weights[6 * layer + 3 * direction..][..3] else {
            unreachable!("a direction has three tensors")
        };
        let mut trace = Trace {
            gates: vec![0.0; steps * rows * 4 * units],
            cells: vec![0.0; steps * rows * units],
            states: vec![0.0; steps * rows * units],
        };
        for turn in 0..steps {
            let t = if direction == 0 {
                turn
            } else {
                steps - 1 - turn
            };
            let before = (turn > 0).then(|| if direction == 0 { t - 1 } else { t + 1 });
            for row in 0..rows {
                let at = t * rows + row;
                let mut z = bias.values.clone();
                let mut add = |x: f32, weights: &[f32]| {
                    z.iter_mut().zip(weights).for_each(|(z, w)| *z += x * w)
                };
                for k in 0..width {
                    add(
                        input[at * width + k],
                        &kernel.values[k * 4 * units..][..4 * units],
                    );
                }
                if let Some(before) = before {
                    for k in 0..units {
                        add(
                            trace.states[(before * rows + row) * units + k],
                            &recurrent.values[k * 4 * units..][..4 * units],
                        );
                    }
                }
                for u in 0..units {
                    let [i, f, c, o] = [
                        sigmoid(z[u]),
                        sigmoid(z[units + u]),
                        z[2 * units + u].tanh(),
                        sigmoid(z[3 * units + u]),
                    ];
                    let cell_before =
                        before.map_or(0.0, |before| trace.cells[(before * rows + row) * units + u]);
                    let cell = f * cell_before + i * c;
                    for (gate, value) in [i, f, c, o].into_iter().enumerate() {
                        trace.gates[at * 4 * units + gate * units + u] = value;
                    }
                    trace.cells[at * units + u] = cell;
                    trace.states[at * units + u] = o * cell.tanh();
                }
            }
        }
        trace
    }

    fn backward(
        &mut self,
        rows: usize,
        inputs: &[Vec<f32>],
        traces: &[[Trace; 2]],
        masks: &[Vec<f32>],
        slope: &[f32],
    ) {
        self.gradients
            .iter_mut()
            .for_each(|gradient| gradient.fill(0.0));
        let (n, n_layers, outputs) = (
            self.weights.len(),
            self.architecture.units.len(),
            self.architecture.outputs,
        );
        let width = self.architecture.width_into_dense();
        let mut d_out = vec![0.0; rows * width];
        for row in 0..rows {
            for column in 0..outputs {
                let d = slope[row * outputs + column];
                self.gradients[n - 1][column] += d;
                for k in 0..width {
                    self.gradients[n - 2][k * outputs + column] +=
                        d * inputs[n_layers][row * width + k];
                    d_out[row * width + k] += d * self.weights[n - 2].values[k * outputs + column];
                }
            }
        }
        for layer in (0..n_layers).rev() {
            d_out
                .iter_mut()
                .zip(&masks[layer])
                .for_each(|(value, mask)| *value *= mask);
            let mut d_input = vec![0.0; inputs[layer].len()];
            for direction in [0, 1] {
                self.backward_direction(
                    layer,
                    direction,
                    rows,
                    &inputs[layer],
                    &traces[layer][direction],
                    &d_out,
                    &mut d_input,
                );
            }
            d_out = d_input;
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn backward_direction(
        &mut self,
        layer: usize,
        direction: usize,
        rows: usize,
        input: &[f32],
        trace: &Trace,
        d_out: &[f32],
        d_input: &mut [f32],
    ) {
        let (units, width, steps) = (
            self.architecture.units[layer],
            self.architecture.width_into(layer),
            self.architecture.steps,
        );
        let is_last = layer + 1 == self.architecture.units.len();
        let first = 6 * layer + 3 * direction;
        let (mut d_state, mut d_cell) = (vec![0.0; rows * units], vec![0.0; rows * units]);
        for turn in (0..steps).rev() {
            let t = if direction == 0 {
                turn
            } else {
                steps - 1 - turn
            };
            let before = (turn > 0).then(|| if direction == 0 { t - 1 } else { t + 1 });
            for row in 0..rows {
                let at = t * rows + row;
                let mut d_z = vec![0.0; 4 * units];
                for u in 0..units {
                    let [i, f, c, o] =
                        [0, 1, 2, 3].map(|gate| trace.gates[at * 4 * units + gate * units + u]);
                    let cell_before =
                        before.map_or(0.0, |before| trace.cells[(before * rows + row) * units + u]);
                    let tanh_cell = trace.cells[at * units + u].tanh();
                    let mut d_h = d_state[row * units + u];
                    if !is_last || turn + 1 == steps {
                        d_h += d_out
                            [if is_last { row } else { at } * 2 * units + direction * units + u];
                    }
                    let d_c = d_cell[row * units + u] + d_h * o * (1.0 - tanh_cell * tanh_cell);
                    d_z[u] = d_c * c * i * (1.0 - i);
                    d_z[units + u] = d_c * cell_before * f * (1.0 - f);
                    d_z[2 * units + u] = d_c * i * (1.0 - c * c);
                    d_z[3 * units + u] = d_h * tanh_cell * o * (1.0 - o);
                    d_cell[row * units + u] = d_c * f;
                }
                let dot =
                    |weights: &[f32]| -> f32 { weights.iter().zip(&d_z).map(|(w, d)| w * d).sum() };
                for k in 0..width {
                    d_input[at * width + k] +=
                        dot(&self.weights[first].values[k * 4 * units..][..4 * units]);
                }
                for k in 0..units {
                    d_state[row * units + k] =
                        dot(&self.weights[first + 1].values[k * 4 * units..][..4 * units]);
                }
                let add = |gradient: &mut [f32], x: f32| {
                    gradient
                        .iter_mut()
                        .zip(&d_z)
                        .for_each(|(gradient, d)| *gradient += x * d)
                };
                for k in 0..width {
                    add(
                        &mut self.gradients[first][k * 4 * units..][..4 * units],
                        input[at * width + k],
                    );
                }
                if let Some(before) = before {
                    for k in 0..units {
                        add(
                            &mut self.gradients[first + 1][k * 4 * units..][..4 * units],
                            trace.states[(before * rows + row) * units + k],
                        );
                    }
                }
                add(&mut self.gradients[first + 2], 1.0);
            }
        }
    }
}
