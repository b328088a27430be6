//! The workshop: `cargo xtask test` runs everything that a change must pass, here and in CI alike.
//!
//! In comes the working tree; out go the tools' own messages and, as the last line, `N passed, N failed`. It changes no source file.
//! The one thing it leaves beside `target/` are Python environments with MLflow and BigQuery's emulator (`python.rs`).

mod graph;
mod memory;
mod python;
mod steps;
mod tally;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("test"), None) => steps::test(),
        (Some("graph"), None) => steps::only_graph(),
        (Some("environments"), None) => steps::only_environments(),
        (Some("bench"), Some(part)) if part == "memory" => memory::bench(usize::MAX),
        (Some("bench"), part) => steps::bench(part.into_iter().chain(arguments)),
        _ => {
            eprintln!(
                "cargo xtask test     formatting, lints, Python environments (.venv-mlflow3, .venv-mlflow2, .venv-bigquery), unit, integration and documentation tests, documentation, crate graph, examples\n\
                 cargo xtask graph    the crate graph alone\n\
                 cargo xtask environments    the Python environments alone\n\
                 cargo xtask bench [engine] [shapes] [small] [--rounds N]    the engine beside the machine's limit and its peers\n\
                 cargo xtask bench walk [--rounds N]    refits a minute of the backtest against PyTorch, and 100 refits\n\
                 cargo xtask bench memory    peak memory over the feature matrix, to 5 million rows"
            );
            ExitCode::from(2)
        }
    }
}
