//! The engine on an NVIDIA card, behind the cargo feature `cuda`: LSTM layers by cuDNN, the dense layer by cuBLAS, the rest by a few
//! kernels of our own. Compiled and tested as far as that goes without a card; **never run on one**.
//!
//! In and out go the same slices and tensors as with [`crate::Network`]: batches, masks of the dropout, losses, names and layouts are
//! the same; the numbers agree but for the order of sums. A missing library, card or memory is a [`CudaError`] when a network is made.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `network.rs`, `seam.rs` | forward, loss, backward, update; the twin of `src/network.rs` |
//! | `parameters.rs` | weights, gradients and moments: norm, clipping, Adam |
//! | `rnn.rs`, `descriptor.rs` | cuDNN |
//! | `dense.rs` | cuBLAS |
//! | `kernels.cu`, `kernels.rs` | our kernels |
//! | `device.rs`, `error.rs` | driver and libraries, and what can be wrong with them |
//! | `places.rs`, `state.rs`, `gather.rs` | what can be said without a card: layouts, states, masks. Part of every test build |

#[cfg(feature = "cuda")]
mod dense;
#[cfg(feature = "cuda")]
mod descriptor;
#[cfg(feature = "cuda")]
mod device;
#[cfg(feature = "cuda")]
mod error;
#[cfg(feature = "cuda")]
mod kernels;
#[cfg(feature = "cuda")]
mod network;
#[cfg(feature = "cuda")]
mod parameters;
#[cfg(feature = "cuda")]
mod rnn;
#[cfg(feature = "cuda")]
mod seam;

// Without the feature only their tests use these.
#[cfg_attr(not(feature = "cuda"), allow(dead_code))]
mod gather;
#[cfg_attr(not(feature = "cuda"), allow(dead_code))]
mod places;
#[cfg_attr(not(feature = "cuda"), allow(dead_code))]
mod state;

#[cfg(feature = "cuda")]
pub use error::CudaError;
#[cfg(feature = "cuda")]
pub use network::CudaNetwork;
