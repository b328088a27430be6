//! The network: layers of LSTM kernels, in the order of the equations. Forward, loss, backward, update.
//!
//! The work of a layer is cut by direction and by block of rows, that of the weights' gradients by panel; every sum has one owner
//! and one order, so the number of threads changes no bit.

use crate::adam::{Adam, Update};
use crate::aligned::Aligned;
use crate::architecture::Architecture;
use crate::batch::{BLOCK_ROWS, Batch, rows_per_block};
use crate::dense;
use crate::dropout::Dropout;
use crate::gradient;
use crate::initialise::initial_weights;
use crate::lane;
use crate::loss::Loss;
use crate::lstm::{self, Direction, Matrix, Trace};
use crate::options::{NotFinite, Options};
use crate::panel::{Layout, PANEL, Shape, Transpose};
use crate::random::{Purpose, Stream};
use crate::simd::Simd;
use crate::team::Team;
use crate::tensor::{Tensor, TensorError};

/// A network with its weights, gradients and Adam's moments.
pub struct Network {
    pub(crate) architecture: Architecture,
    pub(crate) layout: Layout,
    /// All weights, as `layout` says; gradients and moments lie alike.
    pub(crate) weights: Aligned,
    pub(crate) gradients: Aligned,
    /// Adam's means of the gradients, and of their squares.
    pub(crate) means: Aligned,
    pub(crate) squares: Aligned,
    pub(crate) iterations: u64,
    layers: Vec<Layer>,
    top: Top,
    /// Whether the transposed copies of the weights are those of the present weights.
    pub(crate) is_transposed: bool,
    simd: Simd,
    seed: u64,
    max_batch: usize,
    team: Team,
}

/// The working memory of one layer.
struct Layer {
    directions: [Direction; 2],
    /// Where its weights begin.
    start: usize,
    /// For each block of rows both directions.
    traces: Vec<Trace>,
    /// For each direction Uᵀ (4U, U) and, above the first layer, both halves of Wᵀ (4U, inputs).
    transposed: Aligned,
}

/// The working memory of the dense layer.
struct Top {
    shape: Shape,
    start: usize,
    /// Both halves of the kernel's transpose (64 · panels, U).
    transposed: Aligned,
    /// (B, 64 · panels), and without the padding (B, outputs); likewise their gradients.
    wide_outputs: Aligned,
    outputs: Aligned,
    d_wide_outputs: Aligned,
    d_outputs: Aligned,
}

impl Layer {
    fn shape(&self) -> Shape {
        self.directions[0].shape
    }

    /// Floats of one direction's transposed copies.
    fn transposed_len(&self) -> usize {
        self.transposed.len() / 2
    }

    /// What the layer above reads from block `block`.
    fn outputs(&self, block: usize, after_dropout: bool) -> [Matrix<'_>; 2] {
        [0, 1]
            .map(|half| self.traces[2 * block + half].output(&self.directions[half], after_dropout))
    }
}

impl Network {
    /// A network with fresh weights.
    ///
    /// # Panics
    /// When a size is zero, or this machine does not have the instruction set.
    pub fn new(architecture: Architecture, options: Options) -> Network {
        architecture.check();
        let weights = initial_weights(&architecture, options.seed);
        Network::with_weights(architecture, options, &weights)
            .expect("the initialiser makes the tensors of this architecture")
    }

    /// A network with these weights, without the work of drawing fresh ones first.
    ///
    /// # Panics
    /// When a size is zero, or this machine does not have the instruction set.
    pub fn with_weights(
        architecture: Architecture,
        options: Options,
        weights: &[Tensor],
    ) -> Result<Network, TensorError> {
        architecture.check();
        let Options {
            seed,
            threads,
            simd,
            max_batch,
        } = options;
        assert!(
            threads > 0 && max_batch > 0,
            "a network needs threads and batches, not {threads} and {max_batch}"
        );
        assert!(simd.is_supported(), "this machine has no {}", simd.name());
        let layout = Layout::new(&architecture);
        let (n_layers, block_rows) = (layout.layers.len(), max_batch.min(BLOCK_ROWS));
        let layers = layout
            .layers
            .iter()
            .enumerate()
            .map(|(layer, &(shape, start))| {
                let is_last = layer + 1 == n_layers;
                let directions = [false, true].map(|reverse| Direction {
                    shape,
                    steps: architecture.steps,
                    reverse,
                    is_last,
                });
                let traces = (0..2 * max_batch.div_ceil(BLOCK_ROWS))
                    .map(|trace| Trace::new(&directions[trace % 2], block_rows));
                let inputs = if layer == 0 { 0 } else { shape.first_state() };
                Layer {
                    directions,
                    start,
                    traces: traces.collect(),
                    transposed: Aligned::zeros(2 * 4 * shape.units * (shape.units + inputs)),
                }
            });
        let (shape, start) = layout.dense;
        let wide = shape.panels * PANEL;
        let top = Top {
            shape,
            start,
            transposed: Aligned::zeros(wide * shape.first_state()),
            wide_outputs: Aligned::zeros(max_batch * wide),
            outputs: Aligned::zeros(max_batch * architecture.outputs),
            d_wide_outputs: Aligned::zeros(max_batch * wide),
            d_outputs: Aligned::zeros(max_batch * architecture.outputs),
        };
        let zeros = || Aligned::zeros(layout.len);
        let mut network = Network {
            layers: layers.collect(),
            weights: zeros(),
            gradients: zeros(),
            means: zeros(),
            squares: zeros(),
            iterations: 0,
            top,
            is_transposed: false,
            team: Team::new(threads),
            architecture,
            layout,
            simd,
            seed,
            max_batch,
        };
        network.set_weights(weights)?;
        Ok(network)
    }

    /// The shape it was made with.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// Forward, loss and backward; the gradients stay inside. `step` is the number of the batch over all epochs: it is the
    /// key of the dropout. Returns the mean loss of the batch.
    pub fn train_batch(&mut self, batch: &Batch, loss: &Loss, step: u64) -> Result<f64, NotFinite> {
        self.check_batch(batch);
        let dropout = (self.architecture.dropout > 0.0).then_some(step);
        {
            self.forward(batch, true, dropout);
            let Top {
                outputs, d_outputs, ..
            } = &mut self.top;
            let n = batch.len() * self.architecture.outputs;
            let value = loss.evaluate_with(
                self.simd,
                &outputs[..n],
                batch.targets(),
                Some(&mut d_outputs[..n]),
            );
            if !value.is_finite() {
                return Err(NotFinite {
                    what: "loss".to_owned(),
                });
            }
            self.backward(batch, dropout.is_some());
            if self.gradients_are_finite() {
                Ok(value)
            } else {
                Err(self.name_what_is_not_finite())
            }
        }
    }

    /// Mean loss without dropout; no gradients.
    pub fn evaluate_batch(&mut self, batch: &Batch, loss: &Loss) -> f64 {
        self.check_batch(batch);
        self.forward(batch, false, None);
        loss.evaluate_with(
            self.simd,
            &self.top.outputs[..batch.len() * self.architecture.outputs],
            batch.targets(),
            None,
        )
    }

    /// Raw outputs (B, outputs).
    pub fn predict(&mut self, batch: &Batch, out: &mut [f32]) {
        self.check_batch(batch);
        assert_eq!(
            out.len(),
            batch.len() * self.architecture.outputs,
            "room for the outputs of {} rows",
            batch.len()
        );
        self.forward(batch, false, None);
        out.copy_from_slice(&self.top.outputs[..out.len()]);
    }

    fn check_batch(&self, batch: &Batch) {
        let wanted = (self.architecture.steps, self.architecture.features);
        assert_eq!(
            (batch.steps(), batch.features()),
            wanted,
            "steps and features of the batch"
        );
        assert!(
            !batch.is_empty() && batch.len() <= self.max_batch,
            "{} rows in a batch of 1 to {}",
            batch.len(),
            self.max_batch
        );
    }

    fn forward(&mut self, batch: &Batch, keep: bool, dropout: Option<u64>) {
        let (simd, team, per_block) = (self.simd, &self.team, rows_per_block(batch.len()));
        let n_blocks = batch.len().div_ceil(per_block);
        for layer in 0..self.layers.len() {
            let (below, rest) = self.layers.split_at_mut(layer);
            let (
                below,
                Layer {
                    directions,
                    start,
                    traces,
                    ..
                },
            ) = (below.last(), &mut rest[0]);
            let (directions, weights) = (&*directions, &self.weights[*start..]);
            team.each(&mut traces[..2 * n_blocks], |index, trace| {
                let (block, direction) = (index / 2, directions[index % 2]);
                let shape = direction.shape;
                let rows = per_block.min(batch.len() - block * per_block);
                let dropout = dropout.map(|step| {
                    let stream = Stream::new(self.seed, Purpose::Dropout)
                        .part((2 * layer + index % 2) as u16);
                    let groups = Dropout::groups(direction.steps * BLOCK_ROWS * shape.units);
                    (
                        Dropout {
                            stream,
                            step,
                            rate: self.architecture.dropout,
                        },
                        block * groups,
                    )
                });
                let weights = &weights[index % 2 * shape.len()..][..shape.len()];
                let inputs = inputs_of(below, batch, block, per_block, dropout.is_some());
                lane::run(
                    simd,
                    lstm::Forward {
                        direction,
                        weights,
                        inputs,
                        trace,
                        rows,
                        keep,
                        dropout,
                    },
                );
            });
        }

        let Top {
            shape,
            start,
            wide_outputs,
            outputs,
            ..
        } = &mut self.top;
        let (shape, wide, top) = (
            *shape,
            shape.panels * PANEL,
            &self.layers[self.layers.len() - 1],
        );
        let weights = &self.weights[*start..][..shape.len()];
        team.each_chunk(
            &mut wide_outputs[..batch.len() * wide],
            per_block * wide,
            |block, outputs| {
                let inputs = top.outputs(block, dropout.is_some());
                lane::run(
                    simd,
                    dense::Forward {
                        shape,
                        weights,
                        inputs,
                        rows: outputs.len() / wide,
                        outputs,
                    },
                );
            },
        );
        let width = self.architecture.outputs;
        for (outputs, wide) in outputs
            .chunks_exact_mut(width)
            .zip(wide_outputs.chunks_exact(wide))
            .take(batch.len())
        {
            outputs.copy_from_slice(&wide[..width]);
        }
    }

    fn backward(&mut self, batch: &Batch, after_dropout: bool) {
        self.transpose();
        let (simd, team, per_block) = (self.simd, &self.team, rows_per_block(batch.len()));
        let n_blocks = batch.len().div_ceil(per_block);
        let rows_of = |block: usize| per_block.min(batch.len() - block * per_block);

        let Top {
            shape,
            start,
            transposed,
            d_wide_outputs,
            d_outputs,
            ..
        } = &mut self.top;
        let (shape, wide, width) = (*shape, shape.panels * PANEL, self.architecture.outputs);
        for (wide, d_outputs) in d_wide_outputs
            .chunks_exact_mut(wide)
            .zip(d_outputs.chunks_exact(width))
            .take(batch.len())
        {
            wide[..width].copy_from_slice(d_outputs);
        }
        let d_outputs = |block: usize| Matrix {
            values: &d_wide_outputs[block * per_block * wide..],
            stride: wide,
        };
        let top = self.layers.len() - 1;
        let Layer {
            directions, traces, ..
        } = &mut self.layers[top];
        team.each(&mut traces[..2 * n_blocks], |index, trace| {
            let (columns, half) = (shape.inputs[0], index % 2);
            let (weights, slopes) = (
                &transposed[half * wide * columns..][..wide * columns],
                trace.slopes_mut(&directions[half]),
            );
            lane::run(
                simd,
                dense::InputGradient {
                    d_outputs: d_outputs(index / 2),
                    weights,
                    rows: rows_of(index / 2),
                    columns,
                    slopes,
                },
            );
        });

        for layer in (0..=top).rev() {
            let (below, rest) = self.layers.split_at_mut(layer);
            let this = &mut rest[0];
            let (directions, shape, per_direction) =
                (this.directions, this.shape(), this.transposed_len());
            let recurrent_len = 4 * shape.units * shape.units;
            let transposed = &this.transposed;
            team.each(&mut this.traces[..2 * n_blocks], |index, trace| {
                let recurrent = &transposed[index % 2 * per_direction..][..recurrent_len];
                lane::run(
                    simd,
                    lstm::Backward {
                        direction: directions[index % 2],
                        recurrent,
                        trace,
                    },
                );
            });
            let Some(below) = below.last_mut() else {
                continue;
            };
            let (lower, traces) = (below.directions, &this.traces);
            team.each(&mut below.traces[..2 * n_blocks], |index, trace| {
                let (block, half, columns) = (index / 2, index % 2, shape.inputs[index % 2]);
                let kernel = recurrent_len + half * 4 * shape.units * shape.inputs[0];
                let weights = [0, 1].map(|direction| {
                    &transposed[direction * per_direction + kernel..][..4 * shape.units * columns]
                });
                let traces = [&traces[2 * block], &traces[2 * block + 1]];
                let slopes = trace.slopes_mut(&lower[half]);
                lane::run(
                    simd,
                    lstm::InputGradient {
                        directions,
                        traces,
                        weights,
                        columns,
                        slopes,
                    },
                );
            });
        }

        for layer in 0..=top {
            let Layer {
                directions,
                start,
                traces,
                ..
            } = &self.layers[layer];
            let shape = directions[0].shape;
            let below = layer.checked_sub(1).map(|below| &self.layers[below]);
            team.each_chunk(
                &mut self.gradients[*start..][..2 * shape.len()],
                shape.panel_len(),
                |index, gradient| {
                    let (direction, panel) = (index / shape.panels, index % shape.panels);
                    gradient.fill(0.0);
                    for block in 0..n_blocks {
                        let inputs = inputs_of(below, batch, block, per_block, after_dropout);
                        let (trace, direction) =
                            (&traces[2 * block + direction], directions[direction]);
                        lane::run(
                            simd,
                            gradient::WeightGradient {
                                direction,
                                panel,
                                inputs,
                                trace,
                                gradient,
                            },
                        );
                    }
                },
            );
        }
        team.each_chunk(
            &mut self.gradients[*start..][..shape.len()],
            shape.panel_len(),
            |panel, gradient| {
                gradient.fill(0.0);
                for block in 0..n_blocks {
                    let d_outputs = Matrix {
                        values: &d_wide_outputs[block * per_block * wide + panel * PANEL..],
                        stride: wide,
                    };
                    let inputs = self.layers[top].outputs(block, after_dropout);
                    lane::run(
                        simd,
                        dense::WeightGradient {
                            shape,
                            inputs,
                            d_outputs,
                            rows: rows_of(block),
                            gradient,
                        },
                    );
                }
            },
        );
    }

    /// Brings the transposed copies of the weights up to date.
    fn transpose(&mut self) {
        if std::mem::replace(&mut self.is_transposed, true) {
            return;
        }
        let simd = self.simd;
        for layer in &mut self.layers {
            let (shape, start, len) = (layer.shape(), layer.start, layer.transposed_len());
            self.team
                .each_chunk(&mut layer.transposed, len, |direction, out| {
                    let weights = &self.weights[start + direction * shape.len()..][..shape.len()];
                    let (recurrent, mut out) = out.split_at_mut(4 * shape.units * shape.units);
                    lane::run(
                        simd,
                        Transpose {
                            shape,
                            weights,
                            first: shape.first_state(),
                            columns: shape.units,
                            out: recurrent,
                        },
                    );
                    let mut first = 0;
                    for columns in shape.inputs {
                        // Nothing is left for the first layer: nobody asks for the gradient of the data.
                        let (kernel, rest) =
                            out.split_at_mut(out.len().min(4 * shape.units * columns));
                        lane::run(
                            simd,
                            Transpose {
                                shape,
                                weights,
                                first,
                                columns,
                                out: kernel,
                            },
                        );
                        (out, first) = (rest, first + columns);
                    }
                });
        }
        let Top {
            shape,
            start,
            transposed,
            ..
        } = &mut self.top;
        let (shape, weights, half_len) = (
            *shape,
            &self.weights[*start..][..shape.len()],
            transposed.len() / 2,
        );
        for (half, out) in transposed.chunks_exact_mut(half_len).enumerate() {
            lane::run(
                simd,
                Transpose {
                    shape,
                    weights,
                    first: half * shape.inputs[0],
                    columns: shape.inputs[0],
                    out,
                },
            );
        }
    }

    /// Whether every gradient is finite: a number times 0 is 0 unless it is not.
    fn gradients_are_finite(&self) -> bool {
        let mut sums = [0.0f32; 16];
        for values in self.gradients.chunks_exact(16) {
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, value)| *sum += value * 0.0);
        }
        sums == [0.0; 16]
    }

    fn name_what_is_not_finite(&self) -> NotFinite {
        let named = self
            .tensors_of(&self.gradients)
            .into_iter()
            .find(|tensor| !tensor.values.iter().all(|value| value.is_finite()));
        NotFinite {
            what: named.map_or("gradient".to_owned(), |tensor| {
                format!("gradient of `{}`", tensor.name)
            }),
        }
    }

    /// Euclidean norm of all gradients.
    pub fn gradient_norm(&self) -> f32 {
        // Sixteen sums side by side, so that the order is the same for every instruction set.
        let mut sums = [0.0f64; 16];
        for values in self.gradients.chunks_exact(16) {
            for (sum, &value) in sums.iter_mut().zip(values) {
                *sum += f64::from(value) * f64::from(value);
            }
        }
        sums.iter().sum::<f64>().sqrt() as f32
    }

    /// Scales the gradients down to a norm of at most `max_norm`.
    pub fn clip_gradients(&mut self, max_norm: f32) {
        let norm = self.gradient_norm();
        if norm > max_norm {
            let factor = max_norm / norm;
            self.gradients.iter_mut().for_each(|value| *value *= factor);
        }
    }

    /// One step of Adam along the gradients of the last batch.
    pub fn update(&mut self, adam: &Adam, learning_rate: f32) {
        self.iterations += 1;
        self.is_transposed = false;
        let (step, simd) = (adam.step(learning_rate, self.iterations), self.simd);
        let (team, gradients) = (&self.team, &self.gradients);
        let values = [
            &mut self.weights[..],
            &mut self.means[..],
            &mut self.squares[..],
        ];
        {
            team.each_chunk_of_three(values, UPDATE, |index, [weights, means, squares]| {
                let gradients = &gradients[index * UPDATE..][..weights.len()];
                lane::run(
                    simd,
                    Update {
                        step,
                        weights,
                        gradients,
                        means,
                        squares,
                    },
                );
            });
        }
    }
}

/// Parameters that one piece of Adam's work updates; a multiple of 16.
const UPDATE: usize = 1 << 14;

/// What a layer reads from block `block`: the states of the layer below, or the batch.
fn inputs_of<'a>(
    below: Option<&'a Layer>,
    batch: &'a Batch,
    block: usize,
    per_block: usize,
    after_dropout: bool,
) -> [Matrix<'a>; 2] {
    match below {
        Some(below) => below.outputs(block, after_dropout),
        None => [
            Matrix {
                values: batch.block(block * per_block),
                stride: batch.features(),
            },
            Matrix::EMPTY,
        ],
    }
}
