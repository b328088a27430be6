//! What Keras's and PyTorch's files have in common: bidirectional LSTM layers and a dense one, in Keras's layout.
//!
//! In come arrays that a reader has found; out go tensors under the engine's names. Whether their shapes fit each other is told by
//! [`senti::imported::Imported`].

use senti::artifact::{Tensor, Values};
use senti::imported::layer_name;
use senti::plan::Plan;
use senti::{Error, Result};

/// Numbers of a shape, row-major.
#[derive(Clone, Debug)]
pub(super) struct Array {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Array {
    /// Rows as columns, of a matrix.
    pub fn transposed(&self) -> Self {
        let [rows, columns] = self.shape[..] else {
            return self.clone();
        };
        let mut values = Vec::with_capacity(self.values.len());
        for column in 0..columns {
            values.extend((0..rows).map(|row| self.values[row * columns + column]));
        }
        Self {
            shape: vec![columns, rows],
            values,
        }
    }
}

/// One direction of a layer: kernel (F, 4U), recurrent kernel (U, 4U), bias (4U), gates in the order input, forget, cell, output.
pub(super) struct Direction {
    pub kernel: Array,
    pub recurrent: Array,
    /// Zeros where there is none.
    pub bias: Option<Array>,
}

/// The dense layer: kernel (inputs, outputs), bias (outputs).
pub(super) struct Dense {
    pub kernel: Array,
    pub bias: Option<Array>,
}

/// What a file says.
#[derive(Default)]
pub(super) struct Parsed {
    /// What wrote it.
    pub format: String,
    /// The weights under the engine's names.
    pub tensors: Vec<Tensor>,
    /// Steps of a window, where the file says.
    pub steps: Option<usize>,
    /// The plan, in a file of ours.
    pub plan: Option<Plan>,
    /// What a person should know: what the file does not say and was assumed.
    pub notes: Vec<String>,
}

/// Names and layout of the engine.
pub(super) fn tensors(layers: Vec<[Direction; 2]>, dense: Dense) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    let mut add = |name: String, array: Array| {
        tensors.push(Tensor {
            name,
            shape: array.shape,
            values: Values::F32(array.values),
        })
    };
    for (layer, directions) in layers.into_iter().enumerate() {
        for (direction, parts) in ["forward", "backward"].into_iter().zip(directions) {
            let name = |part: &str| format!("{}/{direction}/{part}", layer_name(layer));
            let width = parts.recurrent.shape.last().copied().unwrap_or(0);
            add(name("kernel"), parts.kernel);
            add(name("recurrent_kernel"), parts.recurrent);
            add(name("bias"), parts.bias.unwrap_or_else(|| zeros(width)));
        }
    }
    let width = dense.kernel.shape.last().copied().unwrap_or(0);
    add("dense/kernel".into(), dense.kernel);
    add(
        "dense/bias".into(),
        dense.bias.unwrap_or_else(|| zeros(width)),
    );
    tensors
}

fn zeros(length: usize) -> Array {
    Array {
        shape: vec![length],
        values: vec![0.0; length],
    }
}

/// Is this recurrent kernel, of `units` units and `width` gates in all, an LSTM's?
pub(super) fn is_lstm(name: &str, units: usize, width: usize) -> Result<()> {
    let refuse = |what: &str| {
        Err(
            Error::unsupported(format!("`{name}` is {what}, wanted an LSTM")).hint(
                "only bidirectional LSTM layers with a dense layer behind them can be taken over",
            ),
        )
    };
    match (units, width) {
        (units, width) if units > 0 && Some(width) == units.checked_mul(4) => Ok(()),
        (units, width) if units > 0 && Some(width) == units.checked_mul(3) => refuse("a GRU"),
        (units, width) if units > 0 && units == width => refuse("a simple recurrent layer"),
        _ => refuse(&format!("a layer of {units} units and {width} gates")),
    }
}

/// One layer reads in one direction only.
pub(super) fn one_way(name: &str) -> Error {
    Error::unsupported(format!(
        "layer `{name}` reads in one direction, wanted a bidirectional LSTM"
    ))
    .hint("wrap it: `Bidirectional(LSTM(…))` in Keras, `bidirectional=True` in PyTorch, and train again")
}
