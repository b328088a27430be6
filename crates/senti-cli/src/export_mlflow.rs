//! `senti-ai models export-mlflow FILE.db`: the registry as a store that MLflow opens, for people without a server.
//!
//! In come settings and the name of a new file; out go the file, the folder of its artifacts, and how to look at them. Nothing that exists
//! is changed.

use std::error::Error as _;
use std::path::Path;

use senti::Error;
use senti_io::mlflow::export::{Names, export};
use senti_io::registry::{BASE, Entry, Registry};
use serde_json::{Value, json};

use crate::failure::{Outcome, usage};
use crate::say;
use crate::settings::Settings;
use crate::source::now;

/// Exports everything.
pub fn run(file: &str, registry: &Registry, settings: &Settings) -> Outcome {
    // `mlflow` itself takes addresses, so hands are used to typing them.
    if let Some(path) = file.strip_prefix("sqlite:///") {
        let error = Error::input(format!(
            "`{file}` is an address, wanted the name of a new file"
        ));
        return Err(usage(error.hint(format!("give the path alone: `{path}`"))));
    }
    let names = Names {
        base: settings.text("model_name").unwrap_or(BASE),
        experiment: settings.text("experiment_name"),
    };
    let done = export(registry, Path::new(file), &names, now())?;
    for (entry, error) in &done.left_out {
        say::always(&format!(
            "warning: {} is left out: {}",
            entry.called(),
            chain(error)
        ));
    }
    for (entry, error) in &done.unpacked {
        say::always(&format!(
            "warning: {} has no package that Python loads, only its own files: {}",
            entry.called(),
            chain(error)
        ));
    }
    let uri = format!("sqlite:///{}", done.file.display());
    let look = format!("mlflow ui --backend-store-uri {}", quoted(&uri));
    let as_json = || {
        let told = |models: &[(Entry, Error)]| -> Vec<Value> {
            let told = models
                .iter()
                .map(|(entry, error)| json!({ "entry": entry, "error": chain(error) }));
            told.collect()
        };
        json!({
            "file": done.file,
            "artifacts": done.artifacts,
            "tracking_uri": uri,
            "models": done.models,
            "unpacked": told(&done.unpacked),
            "left_out": told(&done.left_out),
        })
    };
    let as_text = || {
        format!(
            "exported {} to {}, their files to {}\nlook at them: {look}\n",
            say::count(done.models.len(), "model"),
            done.file.display(),
            done.artifacts.display(),
        )
    };
    say::result(settings.json(), as_json, as_text)
}

/// An error with all its causes on a line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
