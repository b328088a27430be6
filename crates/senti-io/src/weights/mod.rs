//! Weights: tensors as safetensors, the format that Python's `safetensors` reads, and the files of other frameworks.
//!
//! In come tensors; out go bytes, the same for the same tensors; and back. The order of the tensors survives: it stands in the
//! file's metadata. Of what follows only [`import`] opens a file: one that Keras, PyTorch or [`export()`] wrote.

mod archive;
mod export;
mod hdf5;
pub mod import;
mod keras;
mod network;
mod pickle;
mod torch;

use std::borrow::Cow;
use std::collections::HashMap;

use safetensors::tensor::{Dtype, SafeTensors, View, serialize};
use senti::artifact::{Tensor, Values};
use senti::{Error, Result};

pub use export::export;

/// Metadata key that holds the names in order, as a JSON list. One key only: the format keeps several in random order.
const ORDER: &str = "tensors";
/// Metadata key of the plan, in an exported file.
const PLAN: &str = "plan";

/// Tensors to bytes.
pub fn to_bytes(tensors: &[Tensor]) -> Result<Vec<u8>> {
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(twice) = names.iter().find(|name| !seen.insert(**name)) {
        return Err(Error::internal(format!("two tensors are named `{twice}`")));
    }
    for tensor in tensors {
        let wanted: usize = tensor.shape.iter().product();
        let found = match &tensor.values {
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
        };
        if found != wanted {
            return Err(Error::internal(format!(
                "tensor `{}` has {found} values, its shape wants {wanted}",
                tensor.name
            )));
        }
    }
    let order = serde_json::to_string(&names)
        .map_err(|cause| Error::internal("names cannot be written").because(cause))?;
    let views = tensors.iter().map(|tensor| (&tensor.name, Little(tensor)));
    serialize(views, Some(HashMap::from([(ORDER.to_string(), order)])))
        .map_err(|cause| Error::internal("weights cannot be written").because(cause))
}

/// A tensor as safetensors wants it: its bytes exist one tensor at a time.
struct Little<'a>(&'a Tensor);

impl View for Little<'_> {
    fn dtype(&self) -> Dtype {
        match self.0.values {
            Values::F32(_) => Dtype::F32,
            Values::F64(_) => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match &self.0.values {
            Values::F32(values) => little_endian(values, f32::to_le_bytes).into(),
            Values::F64(values) => little_endian(values, f64::to_le_bytes).into(),
        }
    }

    fn data_len(&self) -> usize {
        match &self.0.values {
            Values::F32(values) => size_of_val(&values[..]),
            Values::F64(values) => size_of_val(&values[..]),
        }
    }
}

fn little_endian<T: Copy, const N: usize>(values: &[T], bytes: fn(T) -> [u8; N]) -> Vec<u8> {
    let mut out = Vec::with_capacity(values.len() * N);
    for value in values {
        out.extend_from_slice(&bytes(*value));
    }
    out
}

/// Bytes to tensors; the error says what is wrong, the caller adds which file.
pub fn from_bytes(bytes: &[u8]) -> Result<Vec<Tensor>, String> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(|cause| cause.to_string())?;
    let file = SafeTensors::deserialize(bytes).map_err(|cause| cause.to_string())?;
    let names: Vec<String> = match header.metadata().as_ref().and_then(|map| map.get(ORDER)) {
        Some(order) => serde_json::from_str(order).map_err(|cause| cause.to_string())?,
        None => {
            let mut names: Vec<_> = file.names().into_iter().map(str::to_string).collect();
            names.sort();
            names
        }
    };
    if names.len() != file.len() {
        return Err(format!(
            "it names {} tensors and holds {}",
            names.len(),
            file.len()
        ));
    }
    names
        .into_iter()
        .map(|name| {
            let view = file.tensor(&name).map_err(|cause| cause.to_string())?;
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => Values::F32(
                    data.as_chunks()
                        .0
                        .iter()
                        .map(|b| f32::from_le_bytes(*b))
                        .collect(),
                ),
                Dtype::F64 => Values::F64(
                    data.as_chunks()
                        .0
                        .iter()
                        .map(|b| f64::from_le_bytes(*b))
                        .collect(),
                ),
                other => return Err(format!("tensor `{name}` is {other:?}, wanted F32 or F64")),
            };
            Ok(Tensor {
                shape: view.shape().to_vec(),
                name,
                values,
            })
        })
        .collect()
}

/// Refuses tensors with numbers that are infinite or none at all, by name. For models; a checkpoint keeps whatever a training had.
pub fn check_finite(tensors: &[Tensor]) -> Result<(), String> {
    for tensor in tensors {
        let found = match &tensor.values {
            Values::F32(values) => values
                .iter()
                .position(|value| !value.is_finite())
                .map(|at| (at, f64::from(values[at]))),
            Values::F64(values) => values
                .iter()
                .position(|value| !value.is_finite())
                .map(|at| (at, values[at])),
        };
        if let Some((at, value)) = found {
            return Err(format!(
                "value {at} of tensor `{}` is {value}, wanted a finite number",
                tensor.name
            ));
        }
    }
    Ok(())
}
