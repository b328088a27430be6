//! Integration tests of the path, one module a noun.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod calendar;
mod doors;
mod market;
mod models;
mod table;
