//! Weights and optimiser state in and out of a network, as Keras's tensors.

use crate::architecture::Slot;
use crate::network::Network;
use crate::panel::Place;
use crate::tensor::{self, Tensor, TensorError};

/// Prefixes of Adam's moments.
const MOMENTS: [&str; 2] = ["adam/m/", "adam/v/"];

/// Name of the number of steps taken.
const ITERATIONS: &str = "adam/iterations";

impl Network {
    /// Makes the untrained network answer `bias`: the dense layer's kernel becomes 0, its bias `bias`.
    pub fn set_output_layer(&mut self, bias: &[f32]) {
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

    /// All weights, in Keras's names, shapes and layouts (gates i, f, c, o of an LSTM; z, r, h of a GRU, whose second biases of z and r are given as 0
    /// and added to the first when taken: only their sum counts).
    pub fn weights(&self) -> Vec<Tensor> {
        self.tensors_of(&self.weights, false)
    }

    /// The gradients of the last batch, named and shaped as the weights.
    pub fn gradients(&self) -> Vec<Tensor> {
        self.tensors_of(&self.gradients, true)
    }

    /// Replaces all weights. Nothing is changed when one of them is refused.
    pub fn set_weights(&mut self, tensors: &[Tensor]) -> Result<(), TensorError> {
        let slots = self.architecture.slots();
        for tensor in tensors {
            if !slots.iter().any(|slot| slot.name == tensor.name) {
                return Err(TensorError::Unknown {
                    name: tensor.name.clone(),
                });
            }
        }
        let values = self.laid_out(tensors, "")?;
        self.is_transposed = false;
        self.weights.copy_from_slice(&values);
        Ok(())
    }

    /// Everything that is needed to go on training with the same bits: weights, Adam's moments (`adam/m/…`, `adam/v/…`) and
    /// the number of steps taken (`adam/iterations`, as [n / 2²⁴, n mod 2²⁴], so that f32 holds it exactly).
    pub fn state(&self) -> Vec<Tensor> {
        let mut state = self.weights();
        for (prefix, moments) in MOMENTS.into_iter().zip([&self.means, &self.squares]) {
            let tensors = self.tensors_of(moments, false).into_iter();
            state.extend(tensors.map(|tensor| Tensor {
                name: format!("{prefix}{}", tensor.name),
                ..tensor
            }));
        }
        let halves = vec![
            (self.iterations >> 24) as f32,
            (self.iterations & 0xFF_FFFF) as f32,
        ];
        state.push(Tensor {
            name: ITERATIONS.to_owned(),
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
        let [means, squares] = MOMENTS.map(|prefix| self.laid_out(&adam, prefix));
        let (means, squares) = (means?, squares?);
        let halves = tensor::find(&adam, ITERATIONS, &[2])?;
        self.set_weights(&weights)?;
        self.means.copy_from_slice(&means);
        self.squares.copy_from_slice(&squares);
        self.iterations = (halves[0] as u64) << 24 | halves[1] as u64;
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

    /// Values in the layout of the panels as tensors; a shared place counts for its first owner, or (a gradient) for both.
    pub(crate) fn tensors_of(&self, values: &[f32], for_both: bool) -> Vec<Tensor> {
        let slots = self.architecture.slots().into_iter();
        slots
            .map(|slot| {
                let places = self.places(&slot);
                let values = places.map(|place| match place {
                    Place::Own(at) => values[at],
                    Place::Shared(at) if for_both => values[at],
                    Place::Shared(_) => 0.0,
                });
                let values = values.collect();
                Tensor {
                    name: slot.name,
                    shape: slot.shape,
                    values,
                }
            })
            .collect()
    }

    /// The tensors whose names begin with `prefix` in the layout of the panels, with zeros as padding.
    pub(crate) fn laid_out(
        &self,
        tensors: &[Tensor],
        prefix: &str,
    ) -> Result<Vec<f32>, TensorError> {
        let mut out = vec![0.0; self.layout.len];
        for slot in self.architecture.slots() {
            let values = tensor::find(tensors, &format!("{prefix}{}", slot.name), &slot.shape)?;
            for (place, &value) in self.places(&slot).zip(values) {
                match place {
                    Place::Own(at) => out[at] = value,
                    Place::Shared(at) => out[at] += value,
                }
            }
        }
        Ok(out)
    }

    /// Where the values of a tensor lie, in its order.
    fn places(&self, slot: &Slot) -> impl Iterator<Item = Place> {
        let columns = slot.shape[slot.shape.len() - 1];
        let rows = if slot.shape.len() == 2 {
            slot.shape[0]
        } else {
            1
        };
        (0..rows * columns).map(move |index| {
            self.layout
                .place(&self.architecture, slot, index / columns, index % columns)
        })
    }
}
