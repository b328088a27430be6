//! `senti-ai models`: list, show and delete what the registry holds.
//!
//! In come settings and a word; out go tables or JSON. Only `delete` changes anything.

use senti::artifact::Manifest;
use senti::models::MODELS;
use senti::{Error, ErrorKind};
use senti_io::registry::{Entry, Registry};
use senti_io::report::{date, scores_value};
use serde_json::{Value, json};

use crate::arguments::Shelf;
use crate::failure::{Failure, Outcome, hinted, usage};
use crate::grid::Grid;
use crate::settings::Settings;
use crate::{say, scores, suggestion};

/// For whoever names a model that is not there.
pub const HINT: &str = "`senti-ai models list` shows what is there";

/// Does what was asked.
pub fn run(shelf: &Shelf, settings: &Settings) -> Outcome {
    let registry = Registry::open(settings.path("registry").unwrap_or_default());
    match shelf {
        Shelf::List => list(&registry, settings.json()),
        Shelf::Show(word) => {
            let (model_type, version) = split(word)?;
            show(&registry, model_type, version, settings.json())
        }
        Shelf::Delete(word) => {
            let (model_type, version) = split(word)?;
            let Some(version) = version else {
                let error = Error::input(format!(
                    "`{word}` names no version, wanted one like `{word}/3`"
                ));
                return Err(usage(error.hint(HINT)));
            };
            let entry = registry
                .delete(model_type, version)
                .map_err(|error| absent(error, &registry, model_type, Some(version)))?;
            let text = || {
                format!(
                    "deleted {}/{} ({})\n",
                    entry.model_type,
                    entry.version,
                    entry.path.display()
                )
            };
            say::result(settings.json(), || json!({ "deleted": entry }), text)
        }
    }
}

/// Says in the command line's words that a model is not there; any other error stays, with a hint.
pub fn absent(error: Error, registry: &Registry, model_type: &str, version: Option<u32>) -> Error {
    let Ok(listed) = registry.list() else {
        return hinted(error, HINT);
    };
    let of_type = listed
        .iter()
        .filter(|listed| listed.entry.model_type == model_type);
    let versions: Vec<u32> = of_type.map(|listed| listed.entry.version).collect();
    let root = registry.root().display();
    let hint = error.hint_text().unwrap_or(HINT).to_owned();
    match version {
        _ if error.kind() != ErrorKind::Input => hinted(error, HINT),
        _ if versions.is_empty() => {
            let error = Error::input(format!("no model of type {model_type} in `{root}`"));
            let trained = || {
                let rows = MODELS.iter().filter(|model| model.trains);
                rows.map(|model| model.name)
            };
            match trained().any(|name| name == model_type) {
                true => error.hint(hint),
                false => suggestion::hint(error, model_type, trained()),
            }
        }
        Some(version) if !versions.contains(&version) => {
            let numbers: Vec<String> = versions.iter().map(u32::to_string).collect();
            Error::input(format!(
                "no model {model_type}/{version} in `{root}`, there is {}",
                numbers.join(", ")
            ))
            .hint(HINT)
        }
        _ => hinted(error, HINT),
    }
}

/// `lstm`, `lstm/3`.
pub fn split(word: &str) -> Result<(&str, Option<u32>), Failure> {
    let Some((model_type, version)) = word.split_once('/') else {
        return Ok((word, None));
    };
    // `01` and `+1` may be a slip of the hand: a model is named as it is listed.
    let number = version.parse().ok();
    let number = number.filter(|number: &u32| *number > 0 && number.to_string() == version);
    let number: u32 = number.ok_or_else(|| {
        let sentence =
            format!("`{word}` has the version `{version}`, wanted a whole number from 1");
        usage(Error::input(sentence).hint(HINT))
    })?;
    Ok((model_type, Some(number)))
}

fn list(registry: &Registry, as_json: bool) -> Outcome {
    let listed = registry.list()?;
    if as_json {
        let models = listed.iter().map(|listed| match &listed.manifest {
            Ok(manifest) => {
                let mut document = brief(&listed.entry, manifest);
                // `show` tells them by step.
                for of in ["model", "naive"] {
                    let scores = document["scores"][of].as_object_mut();
                    scores.map(|scores| scores.remove("steps"));
                }
                document
            }
            Err(error) => json!({ "entry": listed.entry, "error": error.to_string() }),
        });
        return say::result(true, || Value::Array(models.collect()), String::new);
    }
    if listed.is_empty() {
        say::note(&format!(
            "no models in `{}`; `senti-ai train` makes one",
            registry.root().display()
        ));
        return Ok(());
    }
    let mut grid = Grid::new(&[
        "model",
        "saved",
        "past",
        "ahead",
        "rows",
        "first",
        "last",
        "mae",
        "naive",
        "trained on",
    ]);
    for listed in &listed {
        let name = format!("{}/{}", listed.entry.model_type, listed.entry.version);
        match &listed.manifest {
            Ok(manifest) => grid.row(row(name, &listed.entry, manifest)),
            Err(error) => grid.row([name, format!("unreadable: {error}")]),
        }
    }
    say::data(&grid.left()).map_err(Failure::from)
}

fn row(name: String, entry: &Entry, manifest: &Manifest) -> [String; 10] {
    let data = &manifest.data;
    let mae = |scores: &senti::metrics::Scores| {
        let value = scores.overall.get("mae").copied().flatten();
        value.map_or("-".to_owned(), scores::price)
    };
    [
        name,
        saved(entry),
        manifest.plan.input_seq_length.to_string(),
        manifest.plan.forecast_horizon.to_string(),
        data.rows.to_string(),
        date(data.first, data.step),
        date(data.last, data.step),
        mae(&manifest.evaluation.model),
        mae(&manifest.evaluation.naive),
        data.source.clone(),
    ]
}

fn saved(entry: &Entry) -> String {
    entry.created.map_or("-".to_owned(), |time| {
        date(time - time.rem_euclid(1000), 1000)
    })
}

/// The facts of a model that a program may want.
fn brief(entry: &Entry, manifest: &Manifest) -> Value {
    let mut document = json!({
        "entry": entry,
        "target_column": manifest.target_column,
        "plan": manifest.plan,
        "data": manifest.data,
        "sizes": manifest.sizes,
        "scores": {
            "measured_on": "test",
            "model": scores_value(&manifest.evaluation.model),
            "naive": scores_value(&manifest.evaluation.naive),
        },
        "epochs": manifest.history.len(),
        "best_epoch": manifest.best_epoch,
        "code_version": manifest.code_version,
    });
    if let Some(from) = &manifest.imported {
        document["imported"] = json!(from);
    }
    document
}

fn show(registry: &Registry, model_type: &str, version: Option<u32>, as_json: bool) -> Outcome {
    let shown = registry
        .show(model_type, version)
        .map_err(|error| absent(error, registry, model_type, version))?;
    let manifest = &shown.manifest;
    if as_json {
        let mut document = brief(&shown.entry, manifest);
        document["files"] = json!(shown.files);
        document["split"] = json!(manifest.split);
        document["features"] = json!(manifest.features.names());
        return say::result(true, || document, String::new);
    }
    let (plan, data) = (&manifest.plan, &manifest.data);
    let columns = data.columns.iter().map(|column| column.name.as_str());
    let mut grid = Grid::new(&[
        "model",
        &format!("{}/{}", shown.entry.model_type, shown.entry.version),
    ]);
    let mut fact = |name: &str, text: String| grid.row([name.to_owned(), text]);
    fact("path", shown.entry.path.display().to_string());
    fact(
        "saved",
        format!(
            "{} by senti-ai {}",
            saved(&shown.entry),
            manifest.code_version
        ),
    );
    fact("trained on", data.source.clone());
    fact(
        "rows",
        format!(
            "{} from {} to {}",
            data.rows,
            date(data.first, data.step),
            date(data.last, data.step)
        ),
    );
    fact("columns", columns.collect::<Vec<_>>().join(", "));
    fact(
        "forecasts",
        format!(
            "`{}`, {} ahead from {} past",
            manifest.target_column,
            say::count(plan.forecast_horizon, "step"),
            plan.input_seq_length
        ),
    );
    // The whole plan, under the names of its options; without what only a network looks at, where there is none.
    let network = [
        "batch_size",
        "dropout",
        "epochs",
        "learning_rate",
        "loss",
        "patience",
        "units",
    ];
    let network = network
        .iter()
        .filter(|_| manifest.history.is_empty() && manifest.imported.is_none())
        .copied()
        .collect::<Vec<_>>();
    let names = serde_json::to_value(plan).unwrap_or_default();
    for (name, value) in names.as_object().into_iter().flatten() {
        if name != "model_type" && !network.contains(&name.as_str()) {
            fact(name, value.to_string().replace(['"', '[', ']'], ""));
        }
    }
    if let Some(from) = &manifest.imported {
        fact("weights from", format!("{} ({})", from.file, from.format));
        fact("their SHA-256", from.sha256.clone());
    }
    if !manifest.history.is_empty() {
        fact("epochs_done", manifest.history.len().to_string());
        fact(
            "best_epoch",
            match manifest.best_epoch {
                0 if manifest.imported.is_some() => "0, the imported weights".to_owned(),
                0 => "0, the untrained model".to_owned(),
                best => best.to_string(),
            },
        );
    }
    for file in &shown.files {
        fact(
            &file.name,
            format!("{} bytes, SHA-256 {}", file.bytes, file.sha256),
        );
    }
    for part in &manifest.split {
        let (first, last) = (
            date(part.first_origin, data.step),
            date(part.last_origin, data.step),
        );
        fact(
            &part.part,
            format!(
                "{}, origins {first} to {last}",
                say::count(part.windows, "window")
            ),
        );
    }
    let text = format!(
        "{}\nscores on the test part, in units of `{}`\n{}",
        grid.left(),
        manifest.target_column,
        scores::table(&manifest.evaluation)
    );
    say::data(&text).map_err(Failure::from)
}
