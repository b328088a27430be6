//! `senti-ai`: the command line.
//!
//! Arguments, environment and files come in and become settings; the doors of `senti` and the rooms of `senti-io` do the work; tables,
//! JSON and files go out. No number is computed here.

mod arguments;
mod audit;
mod backtest;
mod card;
mod connect;
mod env_file;
mod every;
mod exchange;
mod export;
mod export_mlflow;
mod failure;
mod fetch;
mod grid;
mod import;
mod importance;
mod inspect;
mod interrupt;
mod live;
mod machine;
mod memory;
mod models;
mod options;
mod places;
mod predict;
mod progress;
mod push;
mod remote;
mod say;
mod scores;
mod sentiment;
mod settings;
mod show_config;
mod source;
mod suggestion;
mod tracking;
mod train;
mod unfinished;
mod verify;

use std::path::Path;
use std::process::ExitCode;

use arguments::{Task, Typed};
use failure::{Outcome, guard, tame_panics, usage};
use settings::{Settings, Surroundings};

fn main() -> ExitCode {
    tame_panics();
    guard(|| match arguments::read(std::env::args_os())? {
        Some(typed) => run(&typed),
        None => Ok(()),
    })
}

fn run(typed: &Typed) -> Outcome {
    let around = Surroundings {
        flags: &typed.flags,
        // What is no text cannot be a value, and says so when it is read.
        environment: &|name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()),
        folder: Path::new("."),
    };
    let settings = Settings::gather(typed.task.verb(), &around).map_err(usage)?;
    if settings.switch("quiet") {
        say::be_quiet();
    }
    for note in &settings.notes {
        say::note(&format!("note: {note}"));
    }
    match &typed.task {
        Task::Train | Task::Predict | Task::Backtest | Task::Audit
            if settings.switch("show_config") =>
        {
            say::result(
                settings.json(),
                || show_config::json(&settings),
                || show_config::text(&settings),
            )
        }
        Task::Train => train::run(settings),
        Task::Predict => predict::run(&settings),
        Task::Backtest => backtest::run(&settings),
        Task::Inspect(file) => inspect::run(file, &settings),
        Task::Models(shelf) => models::run(shelf, &settings),
        Task::Verify(word) => verify::run(word, settings),
        Task::Audit => audit::run(&settings),
        Task::Import(file) => import::run(file, settings),
        Task::Fetch(word) => fetch::run(word, &settings),
        Task::Sentiment(file) => sentiment::run(file, &settings),
        Task::Importance(word) => importance::run(word.as_deref(), settings),
        Task::Export {
            model,
            format,
            output,
        } => export::run(model, format, Path::new(output), &settings),
    }
}
