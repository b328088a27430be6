//! Integration tests of everything that meets the outside world, one module a noun.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says why")]

mod atomic;
mod browser;
mod checkpoint;
mod chromium;
mod folds;
mod importance;
mod joins;
mod news;
mod page;
mod pages;
mod plots;
mod registry;
mod report;
mod sources;
#[cfg(feature = "parquet")]
mod sources_parquet;
mod sources_properties;
mod sources_refused;
mod trained;
