//! Named arrays, as weights leave and enter a network, and what can be wrong with them.

/// A named array in Keras's layout.
#[derive(Clone, PartialEq, Debug)]
pub struct Tensor {
    /// For instance `bidirectional_1/forward/kernel`.
    pub name: String,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// Why tensors were refused.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TensorError {
    /// A tensor of the network was not given.
    Missing {
        /// Its name.
        name: String,
    },
    /// A tensor has another shape than the network's.
    Shape {
        /// Its name.
        name: String,
        /// Shape that was given.
        found: Vec<usize>,
        /// Shape of the network.
        wanted: Vec<usize>,
    },
    /// A tensor's shape does not agree with its number of values.
    Values {
        /// Its name.
        name: String,
        /// Values that were given.
        found: usize,
        /// Values that its shape asks for.
        wanted: usize,
    },
    /// The network has no tensor of this name.
    Unknown {
        /// The name.
        name: String,
    },
}

impl std::fmt::Display for TensorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            TensorError::Missing { name } => write!(f, "tensor `{name}` is missing"),
            TensorError::Shape {
                name,
                found,
                wanted,
            } => write!(
                f,
                "tensor `{name}` has shape {found:?}, the network wants {wanted:?}"
            ),
            TensorError::Values {
                name,
                found,
                wanted,
            } => write!(
                f,
                "tensor `{name}` has {found} values, its shape wants {wanted}"
            ),
            TensorError::Unknown { name } => write!(f, "the network has no tensor `{name}`"),
        }
    }
}

impl std::error::Error for TensorError {}

/// Finds a tensor by name and checks its shape.
pub(crate) fn find<'a>(
    tensors: &'a [Tensor],
    name: &str,
    wanted: &[usize],
) -> Result<&'a [f32], TensorError> {
    let tensor = tensors
        .iter()
        .find(|tensor| tensor.name == name)
        .ok_or_else(|| TensorError::Missing {
            name: name.to_owned(),
        })?;
    if tensor.shape != wanted {
        return Err(TensorError::Shape {
            name: name.to_owned(),
            found: tensor.shape.clone(),
            wanted: wanted.to_vec(),
        });
    }
    let count = wanted.iter().product();
    if tensor.values.len() != count {
        return Err(TensorError::Values {
            name: name.to_owned(),
            found: tensor.values.len(),
            wanted: count,
        });
    }
    Ok(&tensor.values)
}
