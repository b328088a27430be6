//! Integration tests of everything that meets the outside world, one module a noun.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod atomic;
mod checkpoint;
mod plots;
mod registry;
mod report;
mod sources;
mod trained;
