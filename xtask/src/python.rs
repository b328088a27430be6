//! Python environments for the tests: real MLflow, one for each line of versions that people run, and an emulator of BigQuery.
//!
//! In come the requirement files beside the tests; out go `.venv-mlflow3`, `.venv-mlflow2` and `.venv-bigquery` at the root, made when missing or when a requirement
//! file has changed. An environment counts as whole when the stamp inside says so: it is written last and holds the requirements that were
//! installed. Where Python or the package index is missing this says so and the tests skip, unless they are required (CI). Nothing outside the
//! three folders is changed, and a folder that is a link is somebody else's: it is taken as it is.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::steps::root;

/// Name of the file in an environment that makes it whole. The tests look for it, too.
const STAMP: &str = "senti-requirements.txt";

/// Oldest Python that both lines of MLflow and what they need still take.
const OLDEST: (u32, u32) = (3, 10);

/// Interpreters to try, in this order: the one the requirements were tried with, then whatever there is.
const INTERPRETERS: &[&str] = &["python3.11", "python3", "python"];

/// A Python environment that the tests use.
pub struct Environment {
    /// What it is for.
    pub name: &'static str,
    folder: &'static str,
    requirements: &'static str,
    /// A folder given here is taken instead, as it is.
    variable: &'static str,
    /// Set, it makes the environment's absence a failure.
    require: &'static str,
    /// Python that is run last, with a home inside the folder: it finishes the environment and prints its versions.
    last: &'static str,
}

const MLFLOW: &str =
    "import mlflow, sys; print('mlflow', mlflow.__version__, 'on Python', sys.version.split()[0])";

/// The emulator would fetch DuckDB's extension from the internet at its start; the package index has it as well.
const BIGQUERY: &str = "import bqemulator, sys, duckdb_extensions; duckdb_extensions.import_extension('spatial'); \
     print('bqemulator', bqemulator.__version__, 'on Python', sys.version.split()[0])";

/// All of them.
pub const ENVIRONMENTS: &[Environment] = &[
    Environment {
        name: "MLflow 3",
        folder: ".venv-mlflow3",
        requirements: "crates/senti-cli/tests/it/mlflow/mlflow3.txt",
        variable: "SENTI_MLFLOW3",
        require: "SENTI_REQUIRE_MLFLOW",
        last: MLFLOW,
    },
    Environment {
        name: "MLflow 2",
        folder: ".venv-mlflow2",
        requirements: "crates/senti-cli/tests/it/mlflow/mlflow2.txt",
        variable: "SENTI_MLFLOW2",
        require: "SENTI_REQUIRE_MLFLOW",
        last: MLFLOW,
    },
    Environment {
        name: "BigQuery's emulator",
        folder: ".venv-bigquery",
        requirements: "crates/senti-cli/tests/it/bigquery/bigquery.txt",
        variable: "SENTI_BIGQUERY",
        require: "SENTI_REQUIRE_BIGQUERY",
        last: BIGQUERY,
    },
];

/// Must the environment be there? On CI, and where its variable asks for it.
pub fn required(environment: &Environment) -> bool {
    let says = |name: &str| {
        std::env::var(name).is_ok_and(|text| !matches!(text.as_str(), "" | "0" | "false"))
    };
    says("CI") || says(environment.require)
}

/// Makes an environment where it is missing or out of date; says why where that cannot be done.
pub fn make(environment: &Environment) -> Result<(), String> {
    let name = environment.name;
    if let Some(given) = std::env::var_os(environment.variable) {
        println!(
            "{name}: {} from {}",
            Path::new(&given).display(),
            environment.variable
        );
        return there(Path::new(&given));
    }
    let folder = root().join(environment.folder);
    if folder.is_symlink() {
        println!("{name}: {} is a link, taken as it is", environment.folder);
        return there(&folder);
    }
    let requirements = root().join(environment.requirements);
    let text = std::fs::read_to_string(&requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let stamp = folder.join(STAMP);
    let known = std::fs::read_to_string(&stamp).unwrap_or_default();
    if known == text && there(&folder).is_ok() {
        println!("{name}: {} is up to date", environment.folder);
        return Ok(());
    }
    let interpreter = interpreter()?;
    let start = Instant::now();
    println!(
        "{name}: installing into {} with {interpreter}, a minute or two",
        environment.folder
    );
    // From here to the last line the folder has no stamp: whatever interrupts this leaves an environment that nobody uses.
    if folder.exists() {
        let _ = std::fs::remove_file(&stamp);
        std::fs::remove_dir_all(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let venv = [OsStr::new("-m"), OsStr::new("venv"), folder.as_os_str()];
    run(Command::new(&interpreter).args(venv), "python -m venv")?;
    let mut pip = Command::new(python(&folder));
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar",
        "off",
    ]);
    run(pip.arg("--requirement").arg(&requirements), "pip install")?;
    let home = folder.join("home");
    std::fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let mut last = Command::new(python(&folder));
    last.args(["-c", environment.last]).env("HOME", &home);
    run(&mut last, "its last step")?;
    std::fs::write(&stamp, text).map_err(|error| format!("{}: {error}", stamp.display()))?;
    println!("{name}: installed in {} s", start.elapsed().as_secs());
    Ok(())
}

fn python(folder: &Path) -> PathBuf {
    match cfg!(windows) {
        true => folder.join("Scripts").join("python.exe"),
        false => folder.join("bin").join("python"),
    }
}

fn there(folder: &Path) -> Result<(), String> {
    let python = python(folder);
    match python.exists() {
        true => Ok(()),
        false => Err(format!("{} is missing", python.display())),
    }
}

/// The first interpreter that is new enough and can make environments.
fn interpreter() -> Result<String, String> {
    let asks = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
    let mut why = Vec::new();
    for name in INTERPRETERS {
        let output = match Command::new(name).args(["-c", asks]).output() {
            Ok(output) => output,
            Err(error) => {
                why.push(format!("{name}: {error}"));
                continue;
            }
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.trim().split_once('.');
        let version =
            version.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        match version {
            Some(version) if output.status.success() && version >= OLDEST => {
                return Ok((*name).to_owned());
            }
            Some(_) if output.status.success() => why.push(format!("{name} is {}", said.trim())),
            _ => {
                let said = String::from_utf8_lossy(&output.stderr);
                why.push(format!(
                    "{name}: {}",
                    said.lines().last().unwrap_or("does not run")
                ));
            }
        }
    }
    Err(format!(
        "no Python from {}.{} on with `venv` ({})",
        OLDEST.0,
        OLDEST.1,
        why.join("; ")
    ))
}

/// Runs a command, its lines that show how far it is indented; its last words are the reason where it fails.
fn run(command: &mut Command, name: &str) -> Result<(), String> {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("{name} does not start: {error}"))?;
    let out = child
        .stdout
        .take()
        .expect("stdout was piped two lines above");
    for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let tells = [
            "Collecting ",
            "Installing ",
            "Successfully ",
            "mlflow ",
            "bqemulator ",
        ];
        if tells.iter().any(|start| line.starts_with(start)) {
            let short: String = line.chars().take(100).collect();
            println!("   {short}");
        }
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed ({status}); its messages are above")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
