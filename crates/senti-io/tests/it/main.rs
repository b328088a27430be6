//! Integration tests of everything that meets the outside world, one module a noun.

// A helper that fails fails the test that called it.
#![allow(clippy::unwrap_used)]

mod sources;
#[cfg(feature = "parquet")]
mod sources_parquet;
mod sources_properties;
mod sources_refused;
