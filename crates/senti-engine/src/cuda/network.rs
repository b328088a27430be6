//! A network on the card: layers of cuDNN, in the order of the equations. Forward, loss, backward, update.
//!
//! All memory is taken when the network is made, for the largest batch.

use cudarc::driver::CudaSlice;

use crate::architecture::{Architecture, Cell};
use crate::batch::Batch;
use crate::cuda::dense::Dense;
use crate::cuda::device::Device;
use crate::cuda::error::CudaError;
use crate::cuda::gather::{Mask, time_major};
use crate::cuda::kernels::States;
use crate::cuda::parameters::Parameters;
use crate::cuda::places::{self, Part};
use crate::cuda::rnn::{Pass, Rnn};
use crate::cuda::state::{State, read_weights};
use crate::initialise::initial_weights;
use crate::loss::Loss;
use crate::options::{NotFinite, Options};
use crate::tensor::Tensor;

/// A network with its weights, gradients and Adam's moments on an NVIDIA card. Of the options, `threads` is not used.
pub struct CudaNetwork {
    pub(super) architecture: Architecture,
    pub(super) options: Options,
    pub(super) parts: Vec<Part>,
    pub(super) parameters: Parameters,
    layers: Vec<Layer>,
    top: Top,
    /// x of the first layer (T, B, F); and its gradient, which cuDNN writes and nobody reads.
    inputs: CudaSlice<f32>,
    d_inputs: CudaSlice<f32>,
    workspace: CudaSlice<u8>,
    pub(super) host: Host,
    /// Last, so that it goes after all that lies on it.
    pub(super) device: Device,
}

struct Layer {
    rnn: Rnn,
    /// Where its weights are.
    weights: std::ops::Range<usize>,
    units: usize,
    /// y (T, B, 2U) and its gradient.
    outputs: CudaSlice<f32>,
    d_outputs: CudaSlice<f32>,
    /// The dropout's factors and y after it, (T, B, 2U); of the last layer only the final states (B, 2U), with or without dropout.
    factors: CudaSlice<f32>,
    dropped: CudaSlice<f32>,
    reserve: CudaSlice<u8>,
}

/// The memory of the dense layer.
struct Top {
    weights: std::ops::Range<usize>,
    /// (B, outputs) and its gradient, and the gradient of its inputs (B, 2U).
    outputs: CudaSlice<f32>,
    d_outputs: CudaSlice<f32>,
    d_inputs: CudaSlice<f32>,
}

/// What is sent to the card and fetched from it.
#[derive(Default)]
pub(super) struct Host {
    inputs: Vec<f32>,
    factors: Vec<f32>,
    pub(super) outputs: Vec<f32>,
    d_outputs: Vec<f32>,
}

/// Parameters of a layer begin at a multiple of this: 256 bytes, as memory of the card does.
const ALIGNMENT: usize = 64;

impl CudaNetwork {
    /// A network with fresh weights, the same as [`crate::Network::new`] draws.
    pub fn new(architecture: Architecture, options: Options) -> Result<CudaNetwork, CudaError> {
        check(&architecture)?;
        let device = Device::new()?;
        let weights = initial_weights(&architecture, options.seed);
        CudaNetwork::on(device, architecture, options, &weights)
    }

    /// A network with these weights, without the work of drawing fresh ones first.
    pub fn with_weights(
        architecture: Architecture,
        options: Options,
        weights: &[Tensor],
    ) -> Result<CudaNetwork, CudaError> {
        check(&architecture)?;
        CudaNetwork::on(Device::new()?, architecture, options, weights)
    }

    fn on(
        device: Device,
        architecture: Architecture,
        options: Options,
        weights: &[Tensor],
    ) -> Result<CudaNetwork, CudaError> {
        let (steps, max_batch) = (architecture.steps, options.max_batch);
        assert!(max_batch > 0, "a network needs batches, not {max_batch}");
        let (mut layers, mut len) = (Vec::new(), 0);
        for (layer, &units) in architecture.units.iter().enumerate() {
            let rnn = Rnn::new(&device, steps, architecture.width_into(layer), units)?;
            let states = steps * max_batch * 2 * units;
            let is_last = layer + 1 == architecture.units.len();
            let states_out = if is_last { states / steps } else { states };
            layers.push(Layer {
                weights: len..len + rnn.weights_len(),
                units,
                outputs: device.zeros(states)?,
                d_outputs: device.zeros(states)?,
                factors: device.zeros(states_out)?,
                dropped: device.zeros(states_out)?,
                reserve: device.zeros(1)?,
                rnn,
            });
            len = layers[layer].weights.end.next_multiple_of(ALIGNMENT);
        }
        let (dense, outputs) = (len, max_batch * architecture.outputs);
        len += places::dense_len(&architecture);
        let top = Top {
            weights: dense..len,
            outputs: device.zeros(outputs)?,
            d_outputs: device.zeros(outputs)?,
            d_inputs: device.zeros(max_batch * architecture.width_into_dense())?,
        };
        let mut parameters = Parameters::new(&device, len)?;

        let gates = layers.iter().map(|Layer { rnn, weights, .. }| {
            let view = parameters.weights.slice(weights.clone());
            rnn.gates(&device, &view, weights.start)
        });
        let gates = gates.collect::<Result<Vec<_>, CudaError>>()?;
        let parts = places::parts(&architecture, &gates, dense);
        if let Some(words) = places::fault(&parts, len) {
            return Err(CudaError::Layout { words });
        }
        let values = read_weights(&architecture, &parts, len, weights)?;
        device.send(&values, &mut parameters.weights)?;

        let cells = steps * max_batch * architecture.features;
        let mut network = CudaNetwork {
            parts,
            parameters,
            layers,
            top,
            inputs: device.zeros(cells)?,
            d_inputs: device.zeros(cells)?,
            workspace: device.zeros(1)?,
            host: Host::default(),
            architecture,
            options,
            device,
        };
        network.set_rows(max_batch)?;
        Ok(network)
    }

    /// Sets everything up for batches of this many rows. A smaller batch needs no more memory than the largest, as far as is known;
    /// should cuDNN want more, it gets it.
    fn set_rows(&mut self, rows: usize) -> Result<(), CudaError> {
        for layer in &mut self.layers {
            layer.rnn.set_rows(&self.device, rows)?;
            self.device
                .grow(&mut self.workspace, layer.rnn.workspace_bytes)?;
            self.device
                .grow(&mut layer.reserve, layer.rnn.reserve_bytes)?;
        }
        Ok(())
    }

    fn check_batch(&self, batch: &Batch) {
        let wanted = (self.architecture.steps, self.architecture.features);
        assert_eq!(
            (batch.steps(), batch.features()),
            wanted,
            "steps and features of the batch"
        );
        let max_batch = self.options.max_batch;
        assert!(
            !batch.is_empty() && batch.len() <= max_batch,
            "{} rows in a batch of 1 to {max_batch}",
            batch.len(),
        );
    }

    fn dense(&self, rows: usize) -> Dense {
        Dense {
            rows,
            inputs: self.architecture.width_into_dense(),
            outputs: self.architecture.outputs,
        }
    }

    /// Leaves the outputs of `batch` in `host.outputs`.
    pub(super) fn forward(&mut self, batch: &Batch, dropout: Option<u64>) -> Result<(), CudaError> {
        self.check_batch(batch);
        self.device.enter()?;
        let (rows, steps) = (batch.len(), self.architecture.steps);
        self.set_rows(rows)?;
        time_major(batch, &mut self.host.inputs);
        self.device.send(&self.host.inputs, &mut self.inputs)?;

        let (dense, n_layers) = (self.dense(rows), self.layers.len());
        let (device, weights) = (&self.device, &self.parameters.weights);
        for layer in 0..n_layers {
            let (below, rest) = self.layers.split_at_mut(layer);
            let this = &mut rest[0];
            let width = self.architecture.width_into(layer);
            let mut pass = Pass {
                inputs: inputs_of(below.last(), &self.inputs, dropout.is_some())
                    .slice(..steps * rows * width),
                weights: weights.slice(this.weights.clone()),
                workspace: &mut self.workspace,
                reserve: &mut this.reserve,
            };
            let states = steps * rows * 2 * this.units;
            let mut outputs = this.outputs.slice_mut(..states);
            this.rnn.forward(device, &mut pass, &mut outputs)?;

            let (outputs, is_last) = (outputs.as_view(), layer + 1 == n_layers);
            let states_out = if is_last { states / steps } else { states };
            let mut dropped = this.dropped.slice_mut(..states_out);
            if is_last {
                let shape = States {
                    steps,
                    rows,
                    units: this.units,
                };
                device.kernels.take_final(&mut dropped, &outputs, shape)?;
            }
            if let Some(step) = dropout {
                let mask = Mask {
                    architecture: &self.architecture,
                    seed: self.options.seed,
                    step,
                    layer,
                    rows,
                };
                mask.fill(&mut self.host.factors);
                device.send(&self.host.factors, &mut this.factors)?;
                let factors = this.factors.slice(..states_out);
                if is_last {
                    device.kernels.multiply(&mut dropped, &factors)?;
                } else {
                    device.kernels.product(&mut dropped, &outputs, &factors)?;
                }
            }
        }

        let n_outputs = rows * dense.outputs;
        dense.forward(
            device,
            &weights.slice(self.top.weights.clone()),
            &self.layers[n_layers - 1]
                .dropped
                .slice(..rows * dense.inputs),
            &mut self.top.outputs.slice_mut(..n_outputs),
        )?;
        self.host.outputs.resize(n_outputs, 0.0);
        device.fetch(&self.top.outputs, &mut self.host.outputs)
    }

    /// From `host.d_outputs` all gradients.
    fn backward(&mut self, rows: usize, after_dropout: bool) -> Result<(), CudaError> {
        let (dense, steps, n_layers) =
            (self.dense(rows), self.architecture.steps, self.layers.len());
        let device = &self.device;
        device.send(&self.host.d_outputs, &mut self.top.d_outputs)?;
        // cuDNN adds to what is there.
        device.clear(&mut self.parameters.gradients)?;
        let (weights, gradients) = (&self.parameters.weights, &mut self.parameters.gradients);

        let last = &mut self.layers[n_layers - 1];
        let mut d_final = self.top.d_inputs.slice_mut(..rows * dense.inputs);
        dense.backward(
            device,
            &weights.slice(self.top.weights.clone()),
            [
                &last.dropped.slice(..rows * dense.inputs),
                &self.top.d_outputs.slice(..rows * dense.outputs),
            ],
            &mut d_final,
            &mut gradients.slice_mut(self.top.weights.clone()),
        )?;
        if after_dropout {
            let factors = last.factors.slice(..rows * dense.inputs);
            device.kernels.multiply(&mut d_final, &factors)?;
        }
        let shape = States {
            steps,
            rows,
            units: last.units,
        };
        let mut d_states = last.d_outputs.slice_mut(..steps * rows * dense.inputs);
        device
            .kernels
            .give_final(&mut d_states, &d_final.as_view(), shape)?;

        for layer in (0..n_layers).rev() {
            let (below, rest) = self.layers.split_at_mut(layer);
            let this = &mut rest[0];
            let cells = steps * rows * self.architecture.width_into(layer);
            let states = steps * rows * 2 * this.units;
            // What this layer read came out of the one below, where its gradient is wanted; of the data nobody wants it.
            let (inputs, d_inputs, factors) = match below.last_mut() {
                None => (&self.inputs, &mut self.d_inputs, None),
                Some(below) if after_dropout => {
                    (&below.dropped, &mut below.d_outputs, Some(&below.factors))
                }
                Some(below) => (&below.outputs, &mut below.d_outputs, None),
            };
            let mut pass = Pass {
                inputs: inputs.slice(..cells),
                weights: weights.slice(this.weights.clone()),
                workspace: &mut self.workspace,
                reserve: &mut this.reserve,
            };
            let mut d_inputs = d_inputs.slice_mut(..cells);
            this.rnn.backward(
                device,
                &mut pass,
                [this.outputs.slice(..states), this.d_outputs.slice(..states)],
                &mut d_inputs,
                &mut gradients.slice_mut(this.weights.clone()),
            )?;
            if let Some(factors) = factors {
                device
                    .kernels
                    .multiply(&mut d_inputs, &factors.slice(..cells))?;
            }
        }
        Ok(())
    }

    pub(super) fn try_train(
        &mut self,
        batch: &Batch,
        loss: &Loss,
        step: u64,
    ) -> Result<Result<f64, NotFinite>, CudaError> {
        let dropout = (self.architecture.dropout > 0.0).then_some(step);
        self.forward(batch, dropout)?;
        let Host {
            outputs, d_outputs, ..
        } = &mut self.host;
        d_outputs.resize(outputs.len(), 0.0);
        let value = loss.evaluate_with(
            self.options.simd,
            outputs,
            batch.targets(),
            Some(&mut d_outputs[..]),
        );
        if !value.is_finite() {
            return Ok(Err(NotFinite {
                what: "loss".to_owned(),
            }));
        }
        self.backward(batch.len(), dropout.is_some())?;
        // A square of an f32 is far from the end of f64, so the norm is finite exactly when all gradients are.
        if self.parameters.gradient_norm(&self.device)?.is_finite() {
            return Ok(Ok(value));
        }
        let named = self
            .tensors_of(&self.parameters.gradients)?
            .into_iter()
            .find(|tensor| !tensor.values.iter().all(|value| value.is_finite()));
        Ok(Err(NotFinite {
            what: named.map_or("gradient".to_owned(), |tensor| {
                format!("gradient of `{}`", tensor.name)
            }),
        }))
    }

    pub(super) fn tensors_of(&self, values: &CudaSlice<f32>) -> Result<Vec<Tensor>, CudaError> {
        let values = self.device.fetch_all(values)?;
        Ok(places::unpack(&self.architecture, &self.parts, &values))
    }

    pub(super) fn try_state(&self) -> Result<Vec<Tensor>, CudaError> {
        let Parameters {
            weights,
            means,
            squares,
            iterations,
            ..
        } = &self.parameters;
        let state = State {
            weights: self.device.fetch_all(weights)?,
            moments: [
                self.device.fetch_all(means)?,
                self.device.fetch_all(squares)?,
            ],
            iterations: *iterations,
        };
        Ok(state.write(&self.architecture, &self.parts))
    }
}

/// What a layer reads: the states of the layer below, or the batch.
fn inputs_of<'a>(
    below: Option<&'a Layer>,
    batch: &'a CudaSlice<f32>,
    after_dropout: bool,
) -> &'a CudaSlice<f32> {
    match below {
        None => batch,
        Some(below) if after_dropout => &below.dropped,
        Some(below) => &below.outputs,
    }
}

/// # Panics
/// When a size is zero or the dropout is no share.
fn check(architecture: &Architecture) -> Result<(), CudaError> {
    architecture.check();
    match architecture.cell == Cell::Lstm && architecture.bidirectional {
        true => Ok(()),
        false => Err(CudaError::Unsupported),
    }
}
