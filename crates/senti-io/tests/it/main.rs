//! Integration tests of everything that meets the outside world, one module a noun.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says why")]

mod atomic;
mod browser;
mod checkpoint;
mod chromium;
mod folds;
mod importance;
#[cfg(feature = "mlflow_export")]
mod joins;
mod mlflow_store;
mod news;
mod onnx;
mod page;
mod pages;
mod parties;
mod plots;
mod registry;
mod replay;
mod report;
mod sources;
#[cfg(feature = "parquet")]
mod sources_parquet;
mod sources_properties;
mod sources_refused;
mod standing;
mod trained;
mod weights;
