//! `senti-ai export MODEL`: a saved model in a form that other programs read.
//!
//! In come a model, a form and a place; out goes a file or a folder, whole or not at all, and a few lines on how to use it. `--format` and
//! `--output` mean something else here than elsewhere, so they are no settings: neither environment nor file may say them.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Arg, Command};
use senti::artifact::Artifact;
use senti::{Error, Result};
use senti_io::atomic;
use senti_io::onnx::package::{self, About};
use senti_io::onnx::{self, Described};

use crate::failure::{Failure, Outcome, usage};
use crate::settings::Settings;
use crate::{say, suggestion, verify};

/// A form in which a model can be written.
pub struct Format {
    /// As it is typed.
    pub name: &'static str,
    /// For help.
    pub help: &'static str,
    /// Writes it and says how to use it.
    pub write: fn(&Artifact, &Path) -> Result<String>,
}

/// Every form; the first is the default.
pub const FORMATS: &[Format] = &[
    Format {
        name: "onnx",
        help: "one file for ONNX Runtime: raw rows in, prices out",
        write: write_onnx,
    },
    Format {
        name: "mlflow",
        help: "the folder that MLflow keeps a model in, with that file",
        write: write_package,
    },
    Format {
        name: "safetensors",
        help: "the weights alone, for PyTorch and Keras (docs/weights.md)",
        write: write_weights,
    },
];

/// The words behind the command.
pub fn arguments(command: Command) -> Command {
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    let helps: Vec<String> = FORMATS
        .iter()
        .map(|format| format!("{} is {}", format.name, format.help))
        .collect();
    let format = Arg::new("format")
        .long("format")
        .value_name(names.join("|"))
        .default_value(FORMATS[0].name)
        .hide_default_value(true)
        .help_heading("Output")
        .help(format!(
            "Form to write: {} [default: {}]",
            helps.join("; "),
            FORMATS[0].name
        ));
    let output = Arg::new("output")
        .long("output")
        .value_name("PATH")
        .required(true)
        .help_heading("Output")
        .help("File or folder to write; a file of that name is replaced, a folder must not be there yet");
    command.arg(format).arg(output)
}

/// Writes.
pub fn run(word: &str, format: &str, output: &Path, settings: &Settings) -> Outcome {
    let names = || FORMATS.iter().map(|format| format.name);
    let Some(format) = FORMATS.iter().find(|known| known.name == format) else {
        let wanted = names().collect::<Vec<_>>().join(" or ");
        let error = Error::input(format!("`--format` is `{format}`, wanted {wanted}"));
        return Err(usage(suggestion::hint(error, format, names())));
    };
    let saved = verify::find(word, settings)?;
    let told = (format.write)(&saved.artifact, output)?;
    let place = output.display();
    let text = format!("{} as {}: {place}\n{told}", saved.name, format.name);
    say::data(&text).map_err(Failure::from)
}

/// The weights alone.
fn write_weights(artifact: &Artifact, place: &Path) -> Result<String> {
    atomic::write_file(place, &senti_io::weights::export(artifact)?)?;
    Ok("names, layout and how to load them: docs/weights.md\n".to_owned())
}

fn write_onnx(artifact: &Artifact, path: &Path) -> Result<String> {
    let bytes = onnx::export(artifact)?;
    atomic::write_file(path, &bytes)?;
    Ok(usage_of(&onnx::describe(artifact)?))
}

fn write_package(artifact: &Artifact, folder: &Path) -> Result<String> {
    let files = package::files(artifact, &about(artifact))?;
    package::write(folder, &files)?;
    Ok(usage_of(&onnx::describe(artifact)?))
}

/// A package that lies in no run.
fn about(artifact: &Artifact) -> About {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_millis());
    About {
        artifact_path: "model".into(),
        run_id: None,
        model_id: None,
        model_uuid: package::uuid(artifact, now),
        created: i64::try_from(now).unwrap_or_default(),
    }
}

/// What goes in and what comes out.
fn usage_of(described: &Described) -> String {
    let columns: Vec<&str> = described
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    format!(
        "window    (windows, {}, {}): the last {} rows, oldest first: time in ms since 1970 UTC, {}\npoint     (windows, {}), quantiles (windows, {}, {}), time (windows, {})\n",
        described.rows,
        1 + columns.len(),
        described.rows,
        columns.join(", "),
        described.horizon,
        described.horizon,
        senti::plan::LEVELS.len(),
        described.horizon,
    )
}
