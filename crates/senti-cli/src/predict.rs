//! `senti-ai predict`: a forecast from a saved model and fresh rows.
//!
//! In come settings; out goes the forecast, and files only where a folder is given. Lengths and columns come from the model.

use std::path::PathBuf;

use senti::artifact::Artifact;
use senti::doors::{Machine, forecast};
use senti::forecast::Forecast;
use senti::{Error, Result, Role};
use senti_io::bigquery::{self, About, Memo, WriteMode, Written, forecast_rows};
use senti_io::registry::{Backend, Entry, Reference};
use senti_io::report::{date, forecast_value, write_forecast};
use senti_io::sources::{Reading, Request};
use serde_json::json;

use crate::failure::{Outcome, usage};
use crate::interrupt::Stage;
use crate::options::Verb;
use crate::settings::{Origin, Settings};
use crate::{interrupt, machine, models, places, remote, say, scores, source, train};

/// Forecasts.
pub fn run(settings: &Settings) -> Outcome {
    let simd = machine::simd(settings)?;
    let mut request = source::request(settings)?;
    if let Some(place) = &mut request.bigquery {
        // Names may have to be read again in the model's sense; rows need not.
        place.memo = Some(Memo::default());
    }
    if let Some(folder) = settings.path("output") {
        let no_plot = settings.switch("no_plot");
        places::spare_input(&request, &folder, Verb::Predict, no_plot)?;
    }
    interrupt::listen()?;
    let (entry, artifact) = load(settings)?;
    agrees(settings, &entry, &artifact)?;
    request.joins = source::joins_of_model(settings, request.joins, &artifact.manifest)?;
    let reading = read(request, &artifact)?;
    // One window: a second thread would cost more than it brings.
    let machine = Machine { threads: 1, simd };
    let forecast = forecast(&artifact, &reading.table, machine)?;
    interrupt::stage(Stage::Telling);
    let files = match settings.path("output") {
        Some(folder) => write_forecast(
            &folder,
            &forecast,
            &reading.table,
            Some(&artifact.manifest.evaluation),
            settings.switch("no_plot"),
        )?,
        None => Vec::new(),
    };
    let written = write(settings, &entry, &reading, &forecast)?;
    let manifest = &artifact.manifest;
    let trained = date(manifest.data.last, manifest.data.step);
    let model = format!(
        "model {}, trained on rows to {trained}: {}",
        entry.called(),
        entry.path.display()
    );
    let told = scores::brief(&manifest.evaluation, &manifest.target_column);
    if seen(&artifact, &forecast) {
        say::note(&format!(
            "note: the model was trained and tested on rows to {trained}: this forecast is not of the future for it"
        ));
    }
    if settings.json() {
        say::note(&told);
        let mut document = document(&entry, &artifact, &reading, &forecast, &files);
        if let Some(written) = &written {
            document["written"] = json!({"table": written.table.to_string(), "rows": written.rows, "created": written.created});
        }
        return say::result(true, || document, String::new);
    }
    say::note(&model);
    say::note(&told);
    say::note(&scores::origin(&forecast));
    say::data(&scores::forecast(&forecast))?;
    if !files.is_empty() {
        say::note(train::written(&files).trim_end());
    }
    if let Some(Written {
        table,
        rows,
        created,
    }) = written
    {
        let made = if created { ", a new table" } else { "" };
        say::note(&format!("wrote {rows} rows into BigQuery `{table}`{made}"));
    }
    Ok(())
}

/// The model that is meant: of the folder of saved models, or of an MLflow registry where it is called `models:/…`.
fn load(settings: &Settings) -> Outcome<(Entry, Artifact)> {
    let which = which(settings)?;
    if remote::is_meant(&which, settings) {
        let there = remote::registry(settings)?;
        let loaded = there.load(&which);
        remote::tell(&there);
        return Ok(loaded?);
    }
    let here = models::local(settings);
    let loaded = Backend::load(&here, &which);
    loaded.map_err(|error| models::explained(error, &here, &which).into())
}

/// `--model`, else the version of the model type.
fn which(settings: &Settings) -> Outcome<Reference> {
    let version = settings
        .whole("version")
        .and_then(|n| u32::try_from(n).ok());
    let model_type = settings.text("model_type").unwrap_or_default();
    let flagged = |name: &str| settings.get(name).origin == Origin::Flag;
    let other = ["model_type", "version"]
        .into_iter()
        .find(|name| flagged(name));
    match (settings.text("model"), other) {
        (Some(model), Some(other)) if flagged("model") => {
            let sentence = format!("`--model` is `{model}`, and `--{other}` names a model, too");
            Err(usage(Error::input(sentence).hint("give one of them")))
        }
        (Some(model), None) => models::reference(model),
        // A flag wins over what a file or the environment says.
        _ => Ok(Reference::of(model_type, version)),
    }
}

/// Writes the forecast into BigQuery, where that is wanted.
fn write(
    settings: &Settings,
    entry: &Entry,
    reading: &Reading,
    forecast: &Forecast,
) -> Result<Option<Written>> {
    let target = settings
        .text("write")
        .and_then(|text| text.strip_prefix("bigquery:"));
    let Some(target) = target else {
        return Ok(None);
    };
    let about = About {
        issued_at: source::now(),
        model: &entry.model_type,
        version: entry.version,
        data_digest: &reading.digest,
    };
    let rows = forecast_rows(forecast, &about)?;
    let named = settings.text("write_mode");
    let mode = (WriteMode::ALL.into_iter()).find(|mode| Some(mode.name()) == named);
    let (place, watch) = (source::place(settings), source::watch());
    bigquery::write(&place, target, mode.unwrap_or_default(), &rows, &watch).map(Some)
}

/// Does the forecast start inside the rows that the model was made from?
fn seen(artifact: &Artifact, forecast: &Forecast) -> bool {
    forecast.origin < artifact.manifest.data.last
}

/// Lengths and a target that contradict the model are refused; the model cannot change them.
fn agrees(settings: &Settings, entry: &Entry, artifact: &Artifact) -> Outcome {
    let plan = &artifact.manifest.plan;
    let model = entry.called();
    let said_by = |name: &str| match &settings.get(name).origin {
        Origin::Flag => ("--", "flag".to_owned()),
        origin => ("", origin.to_string()),
    };
    let target = artifact.manifest.target_column.as_str();
    for name in ["target_column", "close_column"] {
        let Some(asked) = settings.text(name).filter(|asked| *asked != target) else {
            continue;
        };
        let (dashes, origin) = said_by(name);
        let error = Error::input(format!(
            "`{dashes}{name}` is `{asked}` ({origin}), but the model {model} forecasts `{target}`"
        ));
        return Err(usage(error.hint(format!(
            "leave `{name}` out, or train a model of it; `senti-ai models show {model}` tells its columns"
        ))));
    }
    for (name, of_model) in [
        ("input_seq_length", plan.input_seq_length),
        ("forecast_horizon", plan.forecast_horizon),
    ] {
        let Some(asked) = settings
            .whole(name)
            .filter(|asked| *asked != of_model as u64)
        else {
            continue;
        };
        let (dashes, origin) = said_by(name);
        let error = Error::input(format!(
            "`{dashes}{name}` is {asked} ({origin}), but the model {model} was trained with {of_model}"
        ));
        return Err(usage(
            error.hint(format!("leave `{name}` out, or train a model with it")),
        ));
    }
    Ok(())
}

/// Reads the rows; where their names say something else than they did when the model was trained, the model's word counts.
fn read(request: Request, artifact: &Artifact) -> Result<Reading> {
    let reading = source::open(&request)?;
    let told = request.target_column.is_some() || !request.roles.is_empty();
    let other = |name: &str, role: Role| {
        let column = reading.table.column(name);
        column.is_some_and(|column| column.role != role)
    };
    let columns = artifact.manifest.data.columns.iter();
    let columns: Vec<_> = columns
        .filter(|column| column.role != Role::Series)
        .collect();
    if told
        || !columns
            .iter()
            .any(|column| other(&column.name, column.role))
    {
        source::describe(&reading, &request);
        return Ok(reading);
    }
    let roles = columns
        .iter()
        .filter(|column| reading.table.column(&column.name).is_some());
    let roles = roles
        .map(|column| (column.role, column.name.clone()))
        .collect();
    source::read(&Request {
        roles,
        target_column: Some(artifact.manifest.target_column.clone()),
        ..request
    })
}

fn document(
    entry: &Entry,
    artifact: &Artifact,
    reading: &Reading,
    forecast: &Forecast,
    files: &[PathBuf],
) -> serde_json::Value {
    let mut document = json!({
        "model": {
            "model_type": entry.model_type,
            "version": entry.version,
            "path": entry.path,
            "trained_to": date(artifact.manifest.data.last, artifact.manifest.data.step),
            "target_column": artifact.manifest.target_column,
            "scores": scores::brief_json(&artifact.manifest.evaluation),
            "has_seen_the_future": seen(artifact, forecast),
        },
        "data": {
            "source": reading.origin,
            "digest": reading.digest,
            "rows": reading.table.n_rows(),
            "first": reading.found.first,
            "last": reading.found.last,
        },
        "forecast": forecast_value(forecast),
        "files": files,
    });
    if let Some(uri) = &entry.uri {
        document["model"]["uri"] = json!(uri);
    }
    document
}
