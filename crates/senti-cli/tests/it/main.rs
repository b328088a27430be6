//! The command line from the outside: the real binary, in a folder of its own, without the environment of whoever runs the tests.
//!
//! `SENTI_BLESS=1 cargo test -p senti-cli` rewrites the texts in `golden/`; they are read before they are committed.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot lay its desk should fail"
)]

mod audit;
mod backtest;
mod bad_input;
mod bigquery;
mod care;
mod damaged;
mod end_to_end;
mod fetch;
mod full_disk;
mod import;
mod importance;
mod joins;
mod killed;
mod memory;
mod mlflow;
mod onnx;
mod proxy;
mod python;
#[path = "../../../senti-io/tests/it/replay.rs"]
mod replay;
mod run;
mod sentiment;
mod settings;
mod signals;
mod training;
mod verify;
mod words;
