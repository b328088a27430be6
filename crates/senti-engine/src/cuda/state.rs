//! Weights and optimiser state of a network on the card, as the tensors that the processor's engine writes and reads.
//!
//! Pure: parameters and tensors in memory of the host; the tests below run without a card.

use crate::architecture::Architecture;
use crate::cuda::places::{Part, pack, unpack};
use crate::tensor::{self, Tensor, TensorError};

/// Prefixes of Adam's moments, and name of the number of steps taken, as in `src/state.rs`.
const MOMENTS: [&str; 2] = ["adam/m/", "adam/v/"];
const ITERATIONS: &str = "adam/iterations";

/// Everything that is needed to go on training, as it lies on the card.
pub(crate) struct State {
    pub weights: Vec<f32>,
    /// Adam's means of the gradients, and of their squares.
    pub moments: [Vec<f32>; 2],
    pub iterations: u64,
}

/// The weights of these tensors, and no others.
pub(crate) fn read_weights(
    architecture: &Architecture,
    parts: &[Part],
    len: usize,
    tensors: &[Tensor],
) -> Result<Vec<f32>, TensorError> {
    let slots = architecture.slots();
    let unknown = tensors
        .iter()
        .find(|tensor| !slots.iter().any(|slot| slot.name == tensor.name));
    if let Some(tensor) = unknown {
        return Err(TensorError::Unknown {
            name: tensor.name.clone(),
        });
    }
    pack(architecture, parts, len, tensors, "")
}

impl State {
    pub fn read(
        architecture: &Architecture,
        parts: &[Part],
        len: usize,
        tensors: &[Tensor],
    ) -> Result<State, TensorError> {
        let (adam, weights): (Vec<Tensor>, Vec<Tensor>) = tensors
            .iter()
            .cloned()
            .partition(|tensor| tensor.name.starts_with("adam/"));
        let [means, squares] = MOMENTS.map(|prefix| pack(architecture, parts, len, &adam, prefix));
        let moments = [means?, squares?];
        let halves = tensor::find(&adam, ITERATIONS, &[2])?;
        Ok(State {
            weights: read_weights(architecture, parts, len, &weights)?,
            moments,
            iterations: (halves[0] as u64) << 24 | halves[1] as u64,
        })
    }

    pub fn write(&self, architecture: &Architecture, parts: &[Part]) -> Vec<Tensor> {
        let mut tensors = unpack(architecture, parts, &self.weights);
        for (prefix, moments) in MOMENTS.into_iter().zip(&self.moments) {
            let named = unpack(architecture, parts, moments).into_iter();
            tensors.extend(named.map(|tensor| Tensor {
                name: format!("{prefix}{}", tensor.name),
                ..tensor
            }));
        }
        tensors.push(Tensor {
            name: ITERATIONS.to_owned(),
            shape: vec![2],
            values: vec![
                (self.iterations >> 24) as f32,
                (self.iterations & 0xFF_FFFF) as f32,
            ],
        });
        tensors
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Cell;
    use crate::cuda::places::{Gates, dense_len, parts};
    use crate::{Adam, Batch, Loss, Network, Options, Simd};

    /// A trained network of the processor, and places for it without gaps.
    fn trained() -> (Network, Vec<Part>, usize) {
        let net = Architecture {
            steps: 2,
            features: 3,
            cell: Cell::Lstm,
            bidirectional: true,
            units: vec![4],
            dropout: 0.0,
            outputs: 2,
        };
        let mut next = 0;
        let mut take = |len: usize| {
            next += len;
            next - len
        };
        let layer = [0, 1].map(|_| Gates {
            inputs: [0; 4].map(|_| take(12)),
            states: [0; 4].map(|_| take(16)),
            biases: [0; 4].map(|_| take(4)),
        });
        let len = next + dense_len(&net);
        let parts = parts(&net, &[layer], next);
        let options = Options {
            seed: 3,
            threads: 1,
            simd: Simd::Plain,
            max_batch: 5,
        };
        let mut network = Network::new(net, options);
        let mut batch = Batch::new(5, 2, 3, 2);
        for row in 0..5 {
            batch.input_mut(1, row).fill(row as f32);
            batch.target_mut(row).fill(1.0 - row as f32);
        }
        for step in 0..3 {
            network.train_batch(&batch, &Loss::Mse, step).unwrap();
            network.update(&Adam::default(), 0.01);
        }
        network.set_iterations(1 << 30 | 77);
        (network, parts, len)
    }

    #[test]
    fn the_engines_read_each_others_states() {
        let (network, parts, len) = trained();
        let (net, tensors) = (network.architecture(), network.state());
        let state = State::read(net, &parts, len, &tensors).unwrap();
        assert_eq!(state.iterations, 1 << 30 | 77);
        assert_eq!(state.write(net, &parts), tensors);
    }

    #[test]
    fn tensors_are_refused_with_the_words_of_the_processors_engine() {
        let (mut network, parts, len) = trained();
        let net = network.architecture().clone();
        let state = network.state();
        let mut renamed = state.clone();
        renamed[0].name.push('s');
        let mut reshaped = state.clone();
        reshaped[1].shape = vec![16, 4];
        for tensors in [&state[1..], &state[..state.len() - 1], &renamed, &reshaped] {
            let found = State::read(&net, &parts, len, tensors).err().unwrap();
            assert_eq!(found, network.set_state(tensors).unwrap_err());
        }
    }
}
