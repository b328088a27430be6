//! The network: recurrent layers and a dense one. Forward, loss, backward, update.
//!
//! The work of a layer is cut by direction and by block of rows, that of the weights' gradients by panel; every sum has one owner
//! and one order, so the number of threads changes no bit.

mod backward;
mod forward;
mod inputs;

use crate::adam::{Adam, Update};
use crate::aligned::Aligned;
use crate::architecture::Architecture;
use crate::batch::{BLOCK_ROWS, Batch};
use crate::initialise::initial_weights;
use crate::lane;
use crate::loss::Loss;
use crate::options::{NotFinite, Options};
use crate::panel::{Layout, PANEL, Shape};
use crate::recurrent::{Direction, Matrix, Trace};
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
    /// One, or two of which the second reads backwards.
    directions: Vec<Direction>,
    /// Where its weights begin.
    start: usize,
    /// For each block of rows every direction.
    traces: Vec<Trace>,
    /// For each direction Uᵀ (4U, U) and, above the first layer, Wᵀ (4U, inputs) of each direction below.
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
        self.transposed.len() / self.directions.len()
    }

    /// What the layer above reads from block `block`.
    fn outputs(&self, block: usize, after_dropout: bool) -> [Matrix<'_>; 2] {
        let n = self.directions.len();
        [0, 1].map(|half| match self.directions.get(half) {
            Some(direction) => self.traces[n * block + half].output(direction, after_dropout),
            None => Matrix::EMPTY,
        })
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
        let n_directions = architecture.n_directions();
        let layers = layout
            .layers
            .iter()
            .enumerate()
            .map(|(layer, &(shape, start))| {
                let is_last = layer + 1 == n_layers;
                let directions: Vec<Direction> = (0..n_directions)
                    .map(|direction| Direction {
                        shape,
                        cell: architecture.cell,
                        steps: architecture.steps,
                        reverse: direction == 1,
                        is_last,
                    })
                    .collect();
                let traces = (0..n_directions * max_batch.div_ceil(BLOCK_ROWS))
                    .map(|trace| Trace::new(&directions[trace % n_directions], block_rows));
                let inputs = if layer == 0 { 0 } else { shape.first_state() };
                let transposed = n_directions * 4 * shape.units * (shape.units + inputs);
                Layer {
                    start,
                    traces: traces.collect(),
                    directions,
                    transposed: Aligned::zeros(transposed),
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
        if self.backward(batch, dropout.is_some()) {
            Ok(value)
        } else {
            Err(self.name_what_is_not_finite())
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

    fn name_what_is_not_finite(&self) -> NotFinite {
        let named = self
            .tensors_of(&self.gradients, true)
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

/// Parameters that one piece of Adam's work updates; a multiple of 16.
const UPDATE: usize = 1 << 14;
