//! The seam between the path and what computes: a network that can be trained, asked and put away, wherever its numbers live.
//!
//! Slices, shapes and a plan of layers ([`Architecture`]) go in, slices and named tensors come out. [`Network`] is the engine that
//! every build has; with the cargo feature `cuda` there is a second one, `CudaNetwork`. Nothing here computes.

use crate::adam::Adam;
use crate::architecture::Architecture;
use crate::batch::Batch;
use crate::loss::Loss;
use crate::network::Network;
use crate::options::NotFinite;
use crate::tensor::{Tensor, TensorError};

/// A network with its weights, gradients and optimiser, on some device.
///
/// Making an engine is its own affair: that is where a missing device, driver or memory is an `Err`. Memory for the largest batch is
/// taken then, and none afterwards.
///
/// ```
/// use senti_engine::{Adam, Architecture, Batch, Cell, Engine, Loss, Network, Options, Simd};
///
/// let shape = Architecture { steps: 4, features: 2, cell: Cell::Lstm, bidirectional: true, units: vec![8], dropout: 0.0, outputs: 1 };
/// let options = Options { seed: 1, threads: 1, simd: Simd::detect(), max_batch: 16 };
/// let mut engine: Box<dyn Engine> = Box::new(Network::new(shape, options));
/// let batch = Batch::new(16, 4, 2, 1);
/// let loss = engine.train_batch(&batch, &Loss::Mse, 0)?;
/// engine.clip_gradients(1.0);
/// engine.update(&Adam::default(), 1e-3);
/// assert!(engine.evaluate_batch(&batch, &Loss::Mse) <= loss);
/// # Ok::<(), senti_engine::NotFinite>(())
/// ```
///
/// # Panics
/// All methods panic when a batch has another shape than the network or more rows than it was made for, and when a device that was
/// there when the engine was made fails (with the words of its driver): no caller could go on.
pub trait Engine: Send {
    /// The shape it was made with.
    fn architecture(&self) -> &Architecture;

    /// Forward, loss and backward; the gradients stay inside. `step` is the number of the batch over all epochs: it is the
    /// key of the dropout. Returns the mean loss of the batch.
    fn train_batch(&mut self, batch: &Batch, loss: &Loss, step: u64) -> Result<f64, NotFinite>;

    /// Mean loss without dropout; no gradients.
    fn evaluate_batch(&mut self, batch: &Batch, loss: &Loss) -> f64;

    /// Raw outputs (B, outputs).
    fn predict(&mut self, batch: &Batch, out: &mut [f32]);

    /// The gradients of the last batch, named and shaped as the weights.
    fn gradients(&self) -> Vec<Tensor>;

    /// Scales the gradients down to a norm of at most `max_norm`.
    fn clip_gradients(&mut self, max_norm: f32);

    /// One step of Adam along the gradients of the last batch.
    fn update(&mut self, adam: &Adam, learning_rate: f32);

    /// All weights, in Keras's names, shapes and layouts (gates i, f, c, o).
    fn weights(&self) -> Vec<Tensor>;

    /// Replaces all weights. Nothing is changed when one of them is refused.
    fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), TensorError>;

    /// Everything that is needed to go on training: weights, Adam's moments and the number of steps taken.
    fn state(&self) -> Vec<Tensor>;

    /// Takes up a state, of this engine or another. Nothing is changed when a part of it is refused.
    fn set_state(&mut self, tensors: &[Tensor]) -> Result<(), TensorError>;

    /// Makes the untrained network answer `bias`: the dense layer's kernel becomes 0, its bias `bias`.
    fn set_output_layer(&mut self, bias: &[f32]);
}

impl Engine for Network {
    fn architecture(&self) -> &Architecture {
        Network::architecture(self)
    }

    fn train_batch(&mut self, batch: &Batch, loss: &Loss, step: u64) -> Result<f64, NotFinite> {
        Network::train_batch(self, batch, loss, step)
    }

    fn evaluate_batch(&mut self, batch: &Batch, loss: &Loss) -> f64 {
        Network::evaluate_batch(self, batch, loss)
    }

    fn predict(&mut self, batch: &Batch, out: &mut [f32]) {
        Network::predict(self, batch, out);
    }

    fn gradients(&self) -> Vec<Tensor> {
        Network::gradients(self)
    }

    fn clip_gradients(&mut self, max_norm: f32) {
        Network::clip_gradients(self, max_norm);
    }

    fn update(&mut self, adam: &Adam, learning_rate: f32) {
        Network::update(self, adam, learning_rate);
    }

    fn weights(&self) -> Vec<Tensor> {
        Network::weights(self)
    }

    fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), TensorError> {
        Network::set_weights(self, tensors)
    }

    fn state(&self) -> Vec<Tensor> {
        Network::state(self)
    }

    fn set_state(&mut self, tensors: &[Tensor]) -> Result<(), TensorError> {
        Network::set_state(self, tensors)
    }

    fn set_output_layer(&mut self, bias: &[f32]) {
        Network::set_output_layer(self, bias);
    }
}
