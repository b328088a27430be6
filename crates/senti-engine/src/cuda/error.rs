//! Why a network cannot be made on an NVIDIA card.

use crate::tensor::TensorError;

/// Why there is no network on a card. The processor's engine is always there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CudaError {
    /// A library is not installed on this machine.
    Missing {
        /// What it is, with the name of its file.
        library: &'static str,
        /// How to get it.
        advice: &'static str,
    },
    /// cuDNN is older than the calls that are made to it.
    Version {
        /// Version that was found, as cuDNN counts (90000 is 9.0.0).
        found: usize,
        /// Oldest version that will do.
        wanted: usize,
    },
    /// The driver or a library refused: no card, no memory, a fault.
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The words of the driver or library.
        words: String,
    },
    /// cuDNN keeps its weights in another way than this engine knows.
    Layout {
        /// What differs.
        words: String,
    },
    /// Only bidirectional LSTMs run on a card.
    Unsupported,
    /// The weights that were given do not fit the network.
    Tensor(TensorError),
}

impl std::fmt::Display for CudaError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CudaError::Missing { library, advice } => {
                write!(f, "no {library} on this machine; {advice}")
            }
            CudaError::Version { found, wanted } => write!(
                f,
                "cuDNN is version {found}, {wanted} or newer is wanted; install a newer cuDNN"
            ),
            CudaError::Refused { what, words } => write!(f, "the card did not {what}: {words}"),
            CudaError::Layout { words } => {
                write!(f, "cuDNN keeps its weights in an unknown way: {words}")
            }
            CudaError::Unsupported => write!(
                f,
                "only bidirectional LSTM layers run on a card; train other layers on the processor"
            ),
            CudaError::Tensor(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for CudaError {}

impl From<TensorError> for CudaError {
    fn from(error: TensorError) -> CudaError {
        CudaError::Tensor(error)
    }
}

/// Turns the errors of driver and libraries into ours.
pub(crate) trait Refusal<T> {
    /// `what` completes "the card did not …".
    fn or_refused(self, what: &'static str) -> Result<T, CudaError>;
}

impl<T, E: std::fmt::Display> Refusal<T> for Result<T, E> {
    fn or_refused(self, what: &'static str) -> Result<T, CudaError> {
        self.map_err(|error| CudaError::Refused {
            what,
            words: error.to_string(),
        })
    }
}
