//! The numbers of Senti AI: recurrent networks (bidirectional LSTM first of all), their training, ridge regression, and boosted trees.
//!
//! Slices and shapes come in, slices go out. This crate opens no file, prints nothing, and reads neither the environment nor
//! the clock; threads, seed and instruction set are arguments. The same arguments give the same bits, whatever the number of
//! threads. It is the only crate with `unsafe` code.
//!
//! Shapes: `B` rows of a batch, `T` steps of a window, `F` features of a step, `U` units of one direction of a layer,
//! `H` targets of a row, `Q` quantile levels.
//!
//! ```
//! use senti_engine::{Adam, Architecture, Batch, Cell, Loss, Network, Options, Simd};
//!
//! let shape = Architecture { steps: 4, features: 2, cell: Cell::Lstm, bidirectional: true, units: vec![8, 4], dropout: 0.0, outputs: 1 };
//! let options = Options { seed: 1, threads: 1, simd: Simd::detect(), max_batch: 16 };
//! let mut network = Network::new(shape, options);
//! let mut batch = Batch::new(16, 4, 2, 1);
//! for row in 0..16 {
//!     for step in 0..4 {
//!         batch.input_mut(step, row).copy_from_slice(&[row as f32 / 16.0, step as f32]);
//!     }
//!     batch.target_mut(row)[0] = 1.0 - row as f32 / 16.0;
//! }
//! let before = network.evaluate_batch(&batch, &Loss::Mse);
//! for step in 0..200 {
//!     network.train_batch(&batch, &Loss::Mse, step)?;
//!     network.update(&Adam::default(), 0.01);
//! }
//! assert!(network.evaluate_batch(&batch, &Loss::Mse) < 0.1 * before);
//! # Ok::<(), senti_engine::NotFinite>(())
//! ```

mod adam;
mod aligned;
mod architecture;
mod batch;
pub mod boosting;
mod cell;
#[cfg(any(test, feature = "cuda"))]
mod cuda;
mod dense;
mod dropout;
mod ema;
mod engine;
mod gradient;
mod initialise;
mod lane;
mod loss;
mod math;
mod network;
mod options;
mod panel;
pub mod peak;
pub mod random;
mod recurrent;
pub mod ridge;
pub mod schedule;
mod simd;
mod state;
mod team;
mod tensor;
mod tile;

pub use adam::{Adam, Convention};
pub use architecture::{Architecture, Cell};
pub use batch::Batch;
#[cfg(feature = "cuda")]
pub use cuda::{CudaError, CudaNetwork};
pub use ema::Ema;
pub use engine::Engine;
pub use loss::{Loss, Pinball};
pub use network::Network;
pub use options::{NotFinite, Options};
pub use simd::Simd;
pub use team::Team;
pub use tensor::{Tensor, TensorError};
