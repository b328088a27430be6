//! `senti-ai models export-mlflow FILE.db`: the registry as a store that MLflow opens, for people without a server.
//!
//! In come settings and the name of a new file; out go the file, the folder of its artifacts, and how to look at them. Nothing that exists
//! is changed.

use std::path::Path;

use senti::Error;
use senti_io::mlflow::export::export;
use senti_io::registry::{Entry, Registry};
use serde_json::json;

use crate::failure::{Outcome, usage};
use crate::say;
use crate::settings::Settings;
use crate::source::now;

/// Exports everything.
pub fn run(file: &str, settings: &Settings) -> Outcome {
    // `mlflow` itself takes addresses, so hands are used to typing them.
    if let Some(path) = file.strip_prefix("sqlite:///") {
        let error = Error::input(format!(
            "`{file}` is an address, wanted the name of a new file"
        ));
        return Err(usage(error.hint(format!("give the path alone: `{path}`"))));
    }
    let registry = Registry::open(settings.path("registry").unwrap_or_default());
    let done = export(&registry, Path::new(file), None, now())?;
    for (entry, error) in &done.left_out {
        say::always(&format!("warning: {} is left out: {error}", called(entry)));
    }
    let uri = format!("sqlite:///{}", done.file.display());
    let look = format!("mlflow ui --backend-store-uri {}", quoted(&uri));
    let as_json = || {
        let left_out = done
            .left_out
            .iter()
            .map(|(entry, error)| json!({ "entry": entry, "error": error.to_string() }));
        json!({
            "file": done.file,
            "artifacts": done.artifacts,
            "tracking_uri": uri,
            "models": done.models,
            "left_out": left_out.collect::<Vec<_>>(),
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

fn called(entry: &Entry) -> String {
    format!("{}/{}", entry.model_type, entry.version)
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:,+@%".contains(c);
    match text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
