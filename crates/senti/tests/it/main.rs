//! Integration tests of the path, one module a noun.

// A helper that fails fails the test that called it.
#![allow(clippy::unwrap_used)]

mod calendar;
mod table;
