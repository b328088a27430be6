//! First values of the weights, as Keras chooses them.
//!
//! Each tensor has its own position in the stream, so that one never moves another.

use crate::architecture::{Architecture, Cell, Part};
use crate::random::{Generator, Purpose, Stream};
use crate::tensor::Tensor;

/// Glorot-uniform kernels, orthogonal recurrent kernels, zero biases except for an LSTM's forget gates, which start at 1.
pub(crate) fn initial_weights(architecture: &Architecture, seed: u64) -> Vec<Tensor> {
    let stream = Stream::new(seed, Purpose::Initialisation);
    let n_layers = architecture.units.len();
    let slots = architecture.slots().into_iter().enumerate();
    slots
        .map(|(index, slot)| {
            let mut values = vec![0.0; slot.shape.iter().product()];
            let generator = stream.at(index as u64);
            match slot.part {
                Part::Recurrent => orthogonal(generator, slot.shape[0], &mut values),
                Part::Kernel => {
                    glorot_uniform(generator, slot.shape[0] + slot.shape[1], &mut values)
                }
                Part::Bias if architecture.cell == Cell::Lstm && slot.layer < n_layers => {
                    let units = values.len() / 4;
                    values[units..2 * units].fill(1.0);
                }
                Part::Bias => {}
            }
            Tensor {
                name: slot.name,
                shape: slot.shape,
                values,
            }
        })
        .collect()
}

/// Uniform within ±√(6 / (inputs + outputs)) (Glorot & Bengio, 2010).
fn glorot_uniform(mut generator: Generator, inputs_and_outputs: usize, values: &mut [f32]) {
    let limit = (6.0 / inputs_and_outputs as f64).sqrt();
    values.fill_with(|| (limit * (2.0 * generator.uniform() - 1.0)) as f32);
}

/// `rows` orthonormal rows: Gram–Schmidt on normal numbers, twice each, because once loses digits. The result is what
/// Keras gets from a QR decomposition with the signs of R's diagonal made positive.
fn orthogonal(mut generator: Generator, rows: usize, values: &mut [f32]) {
    let columns = values.len() / rows;
    let mut basis: Vec<f64> = (0..values.len()).map(|_| generator.normal()).collect();
    for row in 0..rows {
        let (done, rest) = basis.split_at_mut(row * columns);
        let current = &mut rest[..columns];
        for _ in 0..2 {
            for other in done.chunks_exact(columns) {
                let along: f64 = other.iter().zip(current.iter()).map(|(a, b)| a * b).sum();
                current
                    .iter_mut()
                    .zip(other)
                    .for_each(|(value, other)| *value -= along * other);
            }
        }
        let norm = current
            .iter()
            .map(|value| value * value)
            .sum::<f64>()
            .sqrt();
        current.iter_mut().for_each(|value| *value /= norm);
    }
    values
        .iter_mut()
        .zip(basis)
        .for_each(|(value, basis)| *value = basis as f32);
}
