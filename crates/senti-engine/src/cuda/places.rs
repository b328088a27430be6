//! Where each number of Keras's tensors lies among the parameters on the card.
//!
//! In: the shape of the network, and where cuDNN says that each gate's matrices and biases begin. Out: a list of [`Part`]s, and with
//! it tensors to parameters and back. Pure: no card is needed, and the tests below run without one.
//!
//! Keras keeps a kernel as (inputs, 4U) with the gates i, f, c, o side by side; cuDNN keeps one row-major matrix (U, inputs) for each
//! gate, in the same order of gates. So each gate is a block of columns of Keras's tensor, transposed.

use crate::architecture::Architecture;
use crate::tensor::{self, Tensor, TensorError};

/// Where cuDNN keeps one direction of a layer, for each of the gates i, f, c, o; counted in floats from the first parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Gates {
    /// Matrices (U, inputs).
    pub inputs: [usize; 4],
    /// Matrices (U, U).
    pub states: [usize; 4],
    /// Vectors (U).
    pub biases: [usize; 4],
}

/// Some columns of one tensor, and where they lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Part {
    /// Which of the architecture's tensors.
    slot: usize,
    first_column: usize,
    /// Sizes of this part; a bias has one row.
    rows: usize,
    columns: usize,
    /// Element (row, first_column + column) lies at start + row · row_stride + column · column_stride.
    start: usize,
    row_stride: usize,
    column_stride: usize,
}

impl Part {
    fn position(&self, row: usize, column: usize) -> usize {
        self.start + row * self.row_stride + column * self.column_stride
    }

    /// Calls `each` with index in the tensor and position among the parameters, for every element.
    fn each(&self, width: usize, mut each: impl FnMut(usize, usize)) {
        for row in 0..self.rows {
            for column in 0..self.columns {
                each(
                    row * width + self.first_column + column,
                    self.position(row, column),
                );
            }
        }
    }
}

/// Floats of the dense layer: its kernel as Keras has it (inputs, outputs), then its bias.
pub(crate) fn dense_len(architecture: &Architecture) -> usize {
    (architecture.width_into_dense() + 1) * architecture.outputs
}

/// All parts: of each layer both directions, then the dense layer, which begins at `dense`.
pub(crate) fn parts(architecture: &Architecture, layers: &[[Gates; 2]], dense: usize) -> Vec<Part> {
    let mut parts = Vec::new();
    for (layer, directions) in layers.iter().enumerate() {
        let units = architecture.units[layer];
        for (direction, gates) in directions.iter().enumerate() {
            let slot = 6 * layer + 3 * direction;
            let tensors = [
                (slot, architecture.width_into(layer), gates.inputs),
                (slot + 1, units, gates.states),
                (slot + 2, 1, gates.biases),
            ];
            for (slot, rows, starts) in tensors {
                parts.extend(starts.into_iter().enumerate().map(|(gate, start)| Part {
                    slot,
                    first_column: gate * units,
                    rows,
                    columns: units,
                    start,
                    row_stride: 1,
                    column_stride: rows,
                }));
            }
        }
    }
    let (slot, outputs) = (6 * layers.len(), architecture.outputs);
    let inputs = architecture.width_into_dense();
    for (slot, rows, start) in [
        (slot, inputs, dense),
        (slot + 1, 1, dense + inputs * outputs),
    ] {
        parts.push(Part {
            slot,
            first_column: 0,
            rows,
            columns: outputs,
            start,
            row_stride: outputs,
            column_stride: 1,
        });
    }
    parts
}

/// Why these parts cannot be right: one lies outside of `len` floats, or two of them lie on each other.
pub(crate) fn fault(parts: &[Part], len: usize) -> Option<String> {
    let mut ranges: Vec<(usize, usize)> = parts
        .iter()
        .map(|part| (part.start, part.start + part.rows * part.columns))
        .collect();
    ranges.sort_unstable();
    if let Some(&(start, end)) = ranges.iter().find(|(_, end)| *end > len) {
        return Some(format!("a matrix at {start}..{end} of {len} numbers"));
    }
    ranges
        .windows(2)
        .find(|pair| pair[0].1 > pair[1].0)
        .map(|pair| {
            format!(
                "matrices at {}..{} and {}..{}",
                pair[0].0, pair[0].1, pair[1].0, pair[1].1
            )
        })
}

/// Parameters as tensors.
pub(crate) fn unpack(architecture: &Architecture, parts: &[Part], values: &[f32]) -> Vec<Tensor> {
    let mut tensors: Vec<Tensor> = architecture
        .slots()
        .into_iter()
        .map(|slot| Tensor {
            values: vec![0.0; slot.shape.iter().product()],
            name: slot.name,
            shape: slot.shape,
        })
        .collect();
    for part in parts {
        let tensor = &mut tensors[part.slot];
        let width = tensor.shape[tensor.shape.len() - 1];
        part.each(width, |index, position| {
            tensor.values[index] = values[position];
        });
    }
    tensors
}

/// The tensors whose names begin with `prefix` as `len` parameters; what lies between the parts is zero.
pub(crate) fn pack(
    architecture: &Architecture,
    parts: &[Part],
    len: usize,
    tensors: &[Tensor],
    prefix: &str,
) -> Result<Vec<f32>, TensorError> {
    let slots = architecture.slots();
    let given = slots
        .iter()
        .map(|slot| tensor::find(tensors, &format!("{prefix}{}", slot.name), &slot.shape))
        .collect::<Result<Vec<&[f32]>, TensorError>>()?;
    let mut values = vec![0.0; len];
    for part in parts {
        let shape = &slots[part.slot].shape;
        part.each(shape[shape.len() - 1], |index, position| {
            values[position] = given[part.slot][index];
        });
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Cell;
    use crate::initialise::initial_weights;

    fn architecture() -> Architecture {
        Architecture {
            steps: 3,
            features: 5,
            cell: Cell::Lstm,
            bidirectional: true,
            units: vec![4, 3],
            dropout: 0.0,
            outputs: 7,
        }
    }

    /// Places in an order that cuDNN might choose, with gaps of 2 between everything; and the floats they take.
    fn scattered(architecture: &Architecture) -> (Vec<[Gates; 2]>, usize) {
        let mut next = 0;
        let mut take = |len: usize| {
            next += len + 2;
            next - len
        };
        let layers = architecture
            .units
            .iter()
            .enumerate()
            .map(|(layer, &units)| {
                [0, 1].map(|_| {
                    let states = [0; 4].map(|_| take(units * units));
                    let inputs = [0; 4].map(|_| take(units * architecture.width_into(layer)));
                    let biases = [0; 4].map(|_| take(units));
                    Gates {
                        inputs,
                        states,
                        biases,
                    }
                })
            });
        (layers.collect(), next)
    }

    /// The network's tensors with numbers that are all different: a count in the order of the tensors.
    fn counted(architecture: &Architecture) -> Vec<Tensor> {
        let mut tensors = initial_weights(architecture, 1);
        for (number, value) in tensors
            .iter_mut()
            .flat_map(|tensor| &mut tensor.values)
            .enumerate()
        {
            *value = (number + 1) as f32;
        }
        tensors
    }

    #[test]
    fn every_number_lies_where_cudnn_reads_it() {
        let net = architecture();
        let (layers, dense) = scattered(&net);
        let len = dense + dense_len(&net);
        let parts = parts(&net, &layers, dense);
        assert_eq!(fault(&parts, len), None);
        let tensors = counted(&net);
        let values = pack(&net, &parts, len, &tensors, "").unwrap();

        // cuDNN: z[unit] = Σ matrix[unit][k] · x[k]. Keras: z[gate · U + unit] = Σ x[k] · kernel[k][gate · U + unit].
        let mut seen = 0;
        for (layer, &units) in net.units.iter().enumerate() {
            for (direction, name) in crate::architecture::DIRECTIONS.into_iter().enumerate() {
                let of = |part: &str| {
                    let layer = ["bidirectional", "bidirectional_1"][layer];
                    let wanted = format!("{layer}/{name}/{part}");
                    tensors.iter().find(|tensor| tensor.name == wanted).unwrap()
                };
                let places = layers[layer][direction];
                for gate in 0..4 {
                    for unit in 0..units {
                        let column = gate * units + unit;
                        for (tensor, start, width) in [
                            (of("kernel"), places.inputs[gate], net.width_into(layer)),
                            (of("recurrent_kernel"), places.states[gate], units),
                            (of("bias"), places.biases[gate], 1),
                        ] {
                            for k in 0..width {
                                let wanted = tensor.values[k * 4 * units + column];
                                assert_eq!(values[start + unit * width + k], wanted);
                                seen += 1;
                            }
                        }
                    }
                }
            }
        }
        let (kernel, bias) = (&tensors[12].values, &tensors[13].values);
        assert_eq!(values[dense..][..kernel.len()], kernel[..]);
        assert_eq!(values[dense + kernel.len()..], bias[..]);
        seen += kernel.len() + bias.len();
        assert_eq!(seen, net.n_parameters());
        // Everything else is padding.
        let filled = values.iter().filter(|value| **value != 0.0).count();
        assert_eq!(filled, net.n_parameters());
    }

    #[test]
    fn tensors_come_back_as_they_went() {
        let net = architecture();
        let (layers, dense) = scattered(&net);
        let len = dense + dense_len(&net);
        let parts = parts(&net, &layers, dense);
        let tensors = counted(&net);
        let values = pack(&net, &parts, len, &tensors, "").unwrap();
        assert_eq!(unpack(&net, &parts, &values), tensors);
    }

    #[test]
    fn prefixes_choose_and_missing_tensors_are_named() {
        let net = architecture();
        let (layers, dense) = scattered(&net);
        let len = dense + dense_len(&net);
        let parts = parts(&net, &layers, dense);
        let mut tensors = counted(&net);
        for tensor in &mut tensors {
            tensor.name.insert_str(0, "adam/m/");
        }
        let values = pack(&net, &parts, len, &tensors, "adam/m/").unwrap();
        assert_eq!(unpack(&net, &parts, &values), counted(&net));
        let error = pack(&net, &parts, len, &tensors, "").unwrap_err();
        assert_eq!(
            error.to_string(),
            "tensor `bidirectional/forward/kernel` is missing"
        );
    }

    #[test]
    fn places_that_cannot_be_right_are_found() {
        let net = architecture();
        let (mut layers, dense) = scattered(&net);
        let len = dense + dense_len(&net);
        assert!(fault(&parts(&net, &layers, dense), len - 1).is_some());
        layers[1][0].states[2] = layers[1][0].states[1] + 1;
        assert!(fault(&parts(&net, &layers, dense), len).is_some());
    }
}
