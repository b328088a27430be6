//! Which source is read, and why.
//!
//! In come settings; out go the name of a source and the sentence that says how it was chosen. Nothing is opened here.

use senti::{Error, Result};

use crate::settings::{Origin, Settings};

/// A chosen source.
#[derive(Debug, PartialEq)]
pub struct Choice {
    /// `local`, `sample` or `bigquery`.
    pub name: String,
    /// The line for the user.
    pub why: String,
}

/// The source that was asked for; else `local` with a path, `bigquery` with a project and a data set, else the sample.
pub fn choose(settings: &Settings) -> Result<Choice> {
    let told = |name| match &settings.get(name).origin {
        Origin::Flag => format!("--{name}"),
        origin => format!("{name}, {origin}"),
    };
    let path = settings.text("data_path");
    let (name, why) = match settings.text("data_source") {
        Some(name) => (name, format!("asked for by {}", told("data_source"))),
        None if path.is_some() => (
            "local",
            format!("a path was given by {}", told("data_path")),
        ),
        None if settings.text("gcp_project").is_some() && settings.text("bq_dataset").is_some() => {
            (
                "bigquery",
                "a Google Cloud project and a data set are configured".to_owned(),
            )
        }
        None => (
            "sample",
            "no data path and no BigQuery project are given".to_owned(),
        ),
    };
    if name == "local" && path.is_none() {
        return Err(
            Error::input("`data_source` is `local`, but no data path is given")
                .hint("add `--data_path FILE`"),
        );
    }
    if name != "local" && settings.get("data_path").origin == Origin::Flag {
        return Err(Error::input(format!(
            "`--data_path` is given, but `data_source` is `{name}` ({})",
            settings.get("data_source").origin
        ))
        .hint("leave `--data_path` out, or use `--data_source local`"));
    }
    let name = name.to_owned();
    Ok(Choice { name, why })
}
