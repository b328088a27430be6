//! The steps of `cargo xtask test`, in order of how fast they fail.
//!
//! In comes the working tree; out goes a [`Tally`]. A failed step does not keep the next ones from running: one run shows everything.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use serde_json::Value;

use crate::graph;
use crate::python;
use crate::tally::Tally;

/// Everything.
pub fn test() -> ExitCode {
    let mut tally = Tally::default();
    components();
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ];
    step(
        &mut tally,
        "formatting",
        cargo(&["fmt", "--all", "--check"]),
    );
    step(&mut tally, "lints", cargo(&lints));
    python_environments(&mut tally);
    tests(&mut tally);
    let mut documentation = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    documentation.env("RUSTDOCFLAGS", "-D warnings");
    step(&mut tally, "documentation", documentation);
    crate_graph(&mut tally);
    examples(&mut tally);
    println!("\n{tally}");
    tally.code()
}

/// The crate graph alone.
pub fn only_graph() -> ExitCode {
    let mut tally = Tally::default();
    crate_graph(&mut tally);
    println!("{tally}");
    tally.code()
}

/// The Python environments alone.
pub fn only_environments() -> ExitCode {
    let mut tally = Tally::default();
    python_environments(&mut tally);
    println!("{tally}");
    tally.code()
}

/// The benchmark of the engine, with its own arguments.
pub fn bench(arguments: impl Iterator<Item = String>) -> ExitCode {
    let mut command = cargo(&[
        "run",
        "--release",
        "--quiet",
        "--package",
        "senti-bench",
        "--",
    ]);
    match command.args(arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The repository, wherever this is called from.
pub(crate) fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or(here.clone(), PathBuf::from)
}

/// The same cargo that runs us.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    command
}

/// `rustfmt` and `clippy` come with most toolchains; where they are missing, rustup brings them.
fn components() {
    for (tool, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let there = cargo(&[tool, "--version"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if !there.is_ok_and(|status| status.success()) {
            println!("== installing {component}");
            let added = Command::new("rustup")
                .args(["component", "add", component])
                .status();
            if !added.is_ok_and(|status| status.success()) {
                println!("{component} is missing and rustup could not install it");
            }
        }
    }
}

fn step(tally: &mut Tally, name: &str, mut command: Command) {
    println!("== {name}");
    match command.status() {
        Ok(status) => tally.check(name, status.success()),
        Err(error) => {
            println!("{name} did not start: {error}");
            tally.check(name, false);
        }
    }
}

/// Python with real MLflow and an emulator of BigQuery. Missing, it is a failure where it is required; elsewhere the tests that want it skip.
fn python_environments(tally: &mut Tally) {
    println!("== python environments");
    for environment in python::ENVIRONMENTS {
        let name = format!("python environment of {}", environment.name);
        match python::make(environment) {
            Ok(()) => tally.check(&name, true),
            Err(why) if python::required(environment) => {
                println!("{}: {why}", environment.name);
                tally.check(&name, false);
            }
            Err(why) => tally.skip(format!("tests with {}: {why}", environment.name)),
        }
    }
}

/// All tests of all crates; counts what the test binaries report about themselves.
fn tests(tally: &mut Tally) {
    println!("== tests");
    let mut command = cargo(&["test", "--workspace", "--no-fail-fast"]);
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            println!("tests did not start: {error}");
            return tally.check("tests", false);
        }
    };
    let before = tally.failed();
    let out = child
        .stdout
        .take()
        .expect("stdout was piped one line above");
    for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        tally.read(&line);
        println!("{line}");
    }
    let good = child.wait().is_ok_and(|status| status.success());
    // A crate that does not compile, or a test binary that crashes, reports no failed test of its own.
    if !good && tally.failed() == before {
        tally.check("tests", false);
    }
}

fn metadata() -> Result<Value, String> {
    let output = cargo(&["metadata", "--no-deps", "--format-version", "1"])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn crate_graph(tally: &mut Tally) {
    println!("== crate graph");
    let faults = match metadata() {
        Ok(metadata) => graph::faults(&metadata, &root()),
        Err(error) => vec![format!("cargo metadata: {error}")],
    };
    for fault in &faults {
        println!("{fault}");
    }
    tally.check("crate graph", faults.is_empty());
}

/// Examples are programs people would run: each is run, but for those that need a feature, and with it a machine of its own.
fn examples(tally: &mut Tally) {
    let metadata = metadata().unwrap_or_default();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let kinds = target["kind"].as_array();
            if !kinds.is_some_and(|kinds| kinds.iter().any(|kind| kind == "example")) {
                continue;
            }
            if target["required-features"].is_array() {
                continue;
            }
            let name = target["name"].as_str().unwrap_or_default();
            let package = package["name"].as_str().unwrap_or_default();
            let run = cargo(&["run", "--quiet", "--package", package, "--example", name]);
            step(tally, &format!("example {name}"), run);
        }
    }
}
