//! `senti-ai models`: list, show, promote and delete what a registry holds, the local one or that of an MLflow server.
//!
//! In come settings and a word; out go tables or JSON. Only `promote` and `delete` change anything; `push` and `pull` are in `exchange.rs`.

use senti::artifact::Manifest;
use senti::models::MODELS;
use senti::{Error, ErrorKind};
use senti_io::registry::{
    Backend, Entry, Facts, Promotion, Reference, Registry, Row, Shown, Stage, Which,
};
use senti_io::report::{date, scores_value};
use serde_json::{Value, json};

use crate::arguments::Shelf;
use crate::failure::{Failure, Outcome, hinted, usage};
use crate::grid::Grid;
use crate::settings::Settings;
use crate::{exchange, export_mlflow, push, remote, say, scores, suggestion};

/// For whoever names a model that is not there.
pub const HINT: &str = "`senti-ai models list` shows what is there";

/// Does what was asked.
pub fn run(shelf: &Shelf, settings: &Settings) -> Outcome {
    match shelf {
        Shelf::List if settings.switch("remote") => list_remote(settings),
        Shelf::List => list(&local(settings), settings.json()),
        Shelf::Show(word) => show(&reference(word)?, settings),
        Shelf::Promote(word) => promote(&reference(word)?, settings),
        Shelf::Delete(word) => delete(word, settings),
        Shelf::ExportMlflow(file) => export_mlflow::run(file, &local(settings), settings),
        Shelf::Push(None) => push::run(local(settings).root(), None, settings),
        Shelf::Push(Some(word)) if push::is_run(local(settings).root(), word) => {
            push::run(local(settings).root(), Some(word), settings)
        }
        Shelf::Push(Some(word)) => exchange::push(word, settings),
        Shelf::Pull(word) => exchange::pull(word, settings),
    }
}

/// The folder of saved models.
pub fn local(settings: &Settings) -> Registry {
    Registry::open(settings.path("registry").unwrap_or_default())
}

/// A model as it is called: `lstm`, `lstm/3`, `lstm@champion`, `models:/…`.
pub fn reference(word: &str) -> Outcome<Reference> {
    Reference::parse(word).map_err(|error| usage(hinted(error, HINT)))
}

/// Does something with the registry that holds the model, and says what it says of itself.
fn with_registry<T>(
    which: &Reference,
    settings: &Settings,
    act: impl FnOnce(&dyn Backend) -> senti::Result<T>,
) -> Outcome<T> {
    if remote::is_meant(which, settings) {
        let there = remote::registry(settings)?;
        let done = act(&there);
        remote::tell(&there);
        return Ok(done?);
    }
    let here = local(settings);
    act(&here).map_err(|error| explained(error, &here, which).into())
}

/// An error of the local registry in the command line's words.
pub fn explained(error: Error, registry: &Registry, which: &Reference) -> Error {
    let version = match which.which {
        Which::Version(version) => Some(version),
        _ => None,
    };
    absent(error, registry, registry.type_of(which), version)
}

fn promote(which: &Reference, settings: &Settings) -> Outcome {
    let archive = settings.switch("archive_existing_versions");
    let stage = settings.text("stage").and_then(Stage::parse);
    let alias = settings.text("alias");
    if archive && stage.is_none() {
        let error = Error::input("`--archive_existing_versions` is given, but no stage");
        return Err(usage(error.hint("add `--stage Production`")));
    }
    let mut promotions = Vec::new();
    promotions.extend(stage.map(|stage| Promotion::Stage { stage, archive }));
    if let Some(alias) = alias.or(stage.is_none().then_some("champion")) {
        promotions.push(Promotion::Alias(alias.into()));
    }
    let entry = with_registry(which, settings, |registry| {
        // Found once: the second promotion is of the same version, whatever the first has moved.
        let mut entry = registry.find(which)?;
        let same = Reference {
            name: entry.name.clone(),
            which: Which::Version(entry.version),
            in_mlflow: which.in_mlflow,
        };
        for promotion in &promotions {
            entry = registry.promote(&same, promotion)?;
        }
        Ok(entry)
    })?;
    let text = || {
        let line = |promotion: &Promotion| match promotion {
            Promotion::Alias(alias) => format!("`{alias}` is {} now\n", entry.called()),
            Promotion::Stage { stage, .. } => {
                format!("{} is in stage {stage} now\n", entry.called())
            }
        };
        promotions.iter().map(line).collect()
    };
    say::result(settings.json(), || json!({ "promoted": entry }), text)
}

fn delete(word: &str, settings: &Settings) -> Outcome {
    let which = reference(word)?;
    if !matches!(which.which, Which::Version(_)) {
        // What an alias means may have changed since somebody looked: deleting wants the number.
        let name = word.split(['@', '/']).next().unwrap_or_default();
        let like = match which.in_mlflow {
            true => format!("models:/{}/3", which.name),
            false => format!("{name}/3"),
        };
        let error = Error::input(format!(
            "`{word}` names no version, wanted one like `{like}`"
        ));
        return Err(usage(error.hint(HINT)));
    }
    let force = settings.switch("force");
    let entry = with_registry(&which, settings, |registry| registry.delete(&which, force))?;
    let text = || match &entry.uri {
        Some(uri) => format!("deleted {uri}; its files stay with its run on the server\n"),
        None => format!("deleted {} ({})\n", entry.called(), entry.path.display()),
    };
    say::result(settings.json(), || json!({ "deleted": entry }), text)
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

/// `champion, Production`.
fn names(entry: &Entry) -> String {
    let stage = (!entry.stage.is_none()).then(|| entry.stage.to_string());
    let names: Vec<String> = entry.aliases.iter().cloned().chain(stage).collect();
    names.join(", ")
}

fn list_remote(settings: &Settings) -> Outcome {
    let there = remote::registry(settings)?;
    let rows = there.list()?;
    remote::tell(&there);
    if settings.json() {
        let models = rows.iter().map(|row| match &row.facts {
            Ok(facts) => json!({ "entry": row.entry, "facts": facts }),
            Err(error) => json!({ "entry": row.entry, "error": error.to_string() }),
        });
        return say::result(true, || Value::Array(models.collect()), String::new);
    }
    if rows.is_empty() {
        say::note(&format!(
            "no models in {}; `senti-ai models push lstm` registers one",
            there.says()
        ));
        return Ok(());
    }
    table(&rows)
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
    let rows: Vec<Row> = listed
        .into_iter()
        .map(|listed| Row {
            entry: listed.entry,
            facts: listed.manifest.map(|manifest| Facts::of(&manifest)),
        })
        .collect();
    table(&rows)
}

/// A line a model; the column of aliases and stages only where there are any.
fn table(rows: &[Row]) -> Outcome {
    let named = rows.iter().any(|row| !names(&row.entry).is_empty());
    let mut head = vec!["model"];
    head.extend(named.then_some("names"));
    head.extend([
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
    let mut grid = Grid::new(&head);
    for Row { entry, facts } in rows {
        let mut cells = vec![entry.called()];
        cells.extend(named.then(|| match names(entry) {
            names if names.is_empty() => "-".to_owned(),
            names => names,
        }));
        match facts {
            Ok(facts) => cells.extend([
                saved(entry),
                facts.past.to_string(),
                facts.ahead.to_string(),
                facts.rows.to_string(),
                date(facts.first, facts.step),
                date(facts.last, facts.step),
                facts.mae.map_or("-".to_owned(), scores::price),
                facts.naive_mae.map_or("-".to_owned(), scores::price),
                facts.source.clone(),
            ]),
            Err(error) => cells.push(format!("unreadable: {error}")),
        }
        grid.row(cells);
    }
    say::data(&grid.left()).map_err(Failure::from)
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

fn show(which: &Reference, settings: &Settings) -> Outcome {
    let shown: Shown = with_registry(which, settings, |registry| registry.show(which))?;
    let manifest = &shown.manifest;
    if settings.json() {
        let mut document = brief(&shown.entry, manifest);
        document["files"] = json!(shown.files);
        document["split"] = json!(manifest.split);
        document["features"] = json!(manifest.features.names());
        return say::result(true, || document, String::new);
    }
    let (plan, data) = (&manifest.plan, &manifest.data);
    let columns = data.columns.iter().map(|column| column.name.as_str());
    let mut grid = Grid::new(&["model", &shown.entry.called()]);
    let mut fact = |name: &str, text: String| grid.row([name.to_owned(), text]);
    let called = names(&shown.entry);
    if !called.is_empty() {
        fact("names", called);
    }
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
