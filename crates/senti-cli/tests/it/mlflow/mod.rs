//! The command line and real MLflow: servers of both lines of versions, Python's own client as the witness, a proxy that makes trouble.
//!
//! Needs the Python environments that `cargo xtask test` makes; where one is missing its tests say so and pass (`server.rs`).

#![allow(
    dead_code,
    reason = "parts of the harness wait for a test that needs them"
)]

mod export;
mod harness;
mod registry;
pub mod server;
mod tracking;
