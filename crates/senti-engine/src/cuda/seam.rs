//! The network on the card as an [`Engine`]. What goes wrong on a card that was there before is a panic with the driver's words.

use crate::adam::Adam;
use crate::architecture::Architecture;
use crate::batch::Batch;
use crate::cuda::error::CudaError;
use crate::cuda::network::CudaNetwork;
use crate::cuda::state::{State, read_weights};
use crate::engine::Engine;
use crate::loss::Loss;
use crate::options::NotFinite;
use crate::tensor::{Tensor, TensorError};

#[track_caller]
fn must<T>(result: Result<T, CudaError>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

impl Engine for CudaNetwork {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn train_batch(&mut self, batch: &Batch, loss: &Loss, step: u64) -> Result<f64, NotFinite> {
        must(self.try_train(batch, loss, step))
    }

    fn evaluate_batch(&mut self, batch: &Batch, loss: &Loss) -> f64 {
        must(self.forward(batch, None));
        loss.evaluate_with(self.options.simd, &self.host.outputs, batch.targets(), None)
    }

    fn predict(&mut self, batch: &Batch, out: &mut [f32]) {
        assert_eq!(
            out.len(),
            batch.len() * self.architecture.outputs,
            "room for the outputs of {} rows",
            batch.len()
        );
        must(self.forward(batch, None));
        out.copy_from_slice(&self.host.outputs);
    }

    fn gradients(&self) -> Vec<Tensor> {
        must(self.tensors_of(&self.parameters.gradients))
    }

    fn clip_gradients(&mut self, max_norm: f32) {
        must(self.parameters.clip(&self.device, max_norm));
    }

    fn update(&mut self, adam: &Adam, learning_rate: f32) {
        must(self.parameters.update(&self.device, adam, learning_rate));
    }

    fn weights(&self) -> Vec<Tensor> {
        must(self.tensors_of(&self.parameters.weights))
    }

    fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), TensorError> {
        let len = self.parameters.weights.len();
        let values = read_weights(&self.architecture, &self.parts, len, tensors)?;
        must(self.device.send(&values, &mut self.parameters.weights));
        Ok(())
    }

    fn state(&self) -> Vec<Tensor> {
        must(self.try_state())
    }

    fn set_state(&mut self, tensors: &[Tensor]) -> Result<(), TensorError> {
        let len = self.parameters.weights.len();
        let state = State::read(&self.architecture, &self.parts, len, tensors)?;
        let parameters = &mut self.parameters;
        let [means, squares] = &state.moments;
        for (values, to) in [
            (&state.weights, &mut parameters.weights),
            (means, &mut parameters.means),
            (squares, &mut parameters.squares),
        ] {
            must(self.device.send(values, to));
        }
        parameters.iterations = state.iterations;
        Ok(())
    }

    fn set_output_layer(&mut self, bias: &[f32]) {
        assert_eq!(
            bias.len(),
            self.architecture.outputs,
            "values of the output layer's bias"
        );
        let mut weights = self.weights();
        let first = weights.len() - 2;
        weights[first].values.fill(0.0);
        weights[first + 1].values.copy_from_slice(bias);
        self.set_weights(&weights)
            .expect("these are the network's own tensors");
    }
}

impl Drop for CudaNetwork {
    fn drop(&mut self) {
        // The memory and handles that go now belong to the card's context; without it they cannot be given back, nor need be.
        let _ = self.device.enter();
    }
}
