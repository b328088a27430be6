//! Everything of Senti AI that opens a file or a socket, or draws: sources, registry, checkpoints, pictures, reports.

pub mod atomic;
pub mod bigquery;
pub mod checkpoint;
pub mod fetch;
pub mod folds;
pub mod http;
pub mod mlflow;
pub mod onnx;
pub mod parties;
pub mod plots;
pub mod registry;
pub mod report;
mod sealed;
pub mod sources;
pub mod watch;
pub mod weights;
