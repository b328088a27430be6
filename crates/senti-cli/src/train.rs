//! `senti-ai train`: read, learn, score, keep, forecast.
//!
//! In come settings; out go a registered model, the files of the output folder, and the result on stdout. The numbers come from
//! [`senti::doors::fit`]; this file only connects it with the outside.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use senti::artifact::State;
use senti::doors::{Machine, Outcome as Learned, Provenance, fit};
use senti::observe::{Event, Next};
use senti::plan::{Draft, Plan};
use senti::{Error, ErrorKind};
use senti_engine::Simd;
use senti_io::checkpoint;
use senti_io::registry::{Entry, Registry};
use senti_io::report::{Recorder, date, forecast_value, write_training};
use senti_io::sources::Reading;
use serde_json::json;

use crate::failure::{Outcome, hinted, usage};
use crate::options::find;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::{interrupt, say, scores, source};

/// The training in progress, inside the output folder.
const CHECKPOINT: &str = "checkpoint.senti";

/// Between two checkpoints; an epoch of a small model takes less.
const PAUSE: Duration = Duration::from_secs(1);

/// Trains a model.
pub fn run(settings: &Settings) -> Outcome {
    let plan = plan(settings)?;
    let request = source::request(settings)?;
    let output = settings.path("output").unwrap_or_default();
    let registry = Registry::open(settings.path("registry").unwrap_or_default());
    if registry.root().exists() && !registry.root().is_dir() {
        // Told now rather than when the training is done.
        let sentence = format!(
            "the registry `{}` is a file, wanted a folder",
            registry.root().display()
        );
        return Err(Error::input(sentence)
            .hint("give another `--registry DIR`")
            .into());
    }
    let resume = resume(settings, &output)?;
    let reading = source::read(&request)?;
    let learned = learn(settings, &plan, &reading, &output, resume.as_ref());
    let (learned, recorder) = learned?;

    let saved = registry.save(&learned.artifact, &plan.model_type, source::now());
    let entry = saved.map_err(|error| {
        let kept = output.join(CHECKPOINT).exists();
        let error =
            Error::new(error.kind(), "the model is trained, but cannot be saved").because(error);
        match kept {
            true => error
                .hint("the training is kept: make room, and run the same command with `--resume`"),
            false => error,
        }
    })?;
    let no_plot = settings.switch("no_plot");
    let files = write_training(
        &output,
        &learned,
        &reading.table,
        recorder,
        Some(&entry),
        no_plot,
    )?;
    checkpoint::remove(&output.join(CHECKPOINT))?;
    let (json, text) = (
        || document(&learned, &entry, &files),
        || text(&learned, &entry, &files),
    );
    say::result(settings.json(), json, text)
}

/// The plan of the settings. A range is checked when a setting is read, so only contradictions between them are left.
fn plan(settings: &Settings) -> Outcome<Plan> {
    let names = serde_json::to_value(Draft::default()).unwrap_or_default();
    let names = names
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    let values = names.filter(|name| find(name).is_some()).map(|name| {
        let value = settings.get(name).value.as_ref();
        (name.clone(), value.map(crate::options::Value::json))
    });
    let draft: Draft =
        serde_json::from_value(json!(values.collect::<std::collections::BTreeMap<_, _>>()))
            .map_err(|error| Error::internal("the options do not make a plan").because(error))?;
    // Each range was checked with its origin; what is left are choices that contradict each other.
    let hint = "`senti-ai train --show_config` shows where each value came from";
    draft.check().map_err(|error| usage(hinted(error, hint)))
}

/// The state of an interrupted training, where one is wanted.
fn resume(settings: &Settings, output: &Path) -> Outcome<Option<State>> {
    let path = output.join(CHECKPOINT);
    if !settings.switch("resume") {
        if path.exists() {
            say::note(&format!(
                "note: `{}` holds an interrupted training; `--resume` would go on with it",
                output.display()
            ));
        }
        return Ok(None);
    }
    if !path.exists() {
        let error = Error::input(format!(
            "there is no training to resume in `{}`",
            output.display()
        ));
        return Err(error
            .hint("train without `--resume`, or name the folder with `--output`")
            .into());
    }
    let loaded = checkpoint::load(&path)?;
    if let Some(note) = loaded.note {
        say::note(&format!("note: {note}"));
    }
    say::note(&format!(
        "resuming after {} epochs",
        loaded.state.manifest.epochs_done
    ));
    Ok(Some(loaded.state))
}

fn learn(
    settings: &Settings,
    plan: &Plan,
    reading: &Reading,
    output: &Path,
    resume: Option<&State>,
) -> Outcome<(Learned, Recorder)> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = settings
        .whole("threads")
        .and_then(|n| usize::try_from(n).ok());
    let machine = Machine {
        threads: threads.unwrap_or(cores),
        simd: Simd::detect(),
    };
    let provenance = Provenance {
        source: reading.origin.clone(),
        digest: reading.digest.clone(),
        code_version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let mut recorder = Recorder::new(output)?;
    interrupt::listen()?;
    let start = Instant::now();
    let mut progress = Progress::new(plan.epochs);
    let mut kept: Option<Instant> = None;
    let mut epochs_done = 0;
    let mut trouble: Option<Error> = None;
    let mut observe = |event: Event<'_>| {
        progress.see(&event, start.elapsed());
        if let Event::Prepared { sizes, notes } = &event {
            say::note(&format!(
                "{} features of {} rows; windows: {} to train, {} to validate, {} to calibrate, {} to test",
                sizes.features,
                sizes.rows,
                sizes.train_windows,
                sizes.valid_windows,
                sizes.calibration_windows,
                sizes.test_windows
            ));
            notes
                .iter()
                .for_each(|note| say::note(&format!("note: {note}")));
        }
        let mut done = recorder.see(&event, start.elapsed().as_secs_f64());
        if let Event::Epoch { record, .. } = &event {
            epochs_done = record.epoch;
        }
        let due = kept.is_none_or(|kept| kept.elapsed() >= PAUSE);
        match &event {
            Event::Epoch { state, .. } if due => {
                done = done.and_then(|()| checkpoint::save(&output.join(CHECKPOINT), &state()));
                kept = Some(Instant::now());
            }
            Event::Interrupted { state } => {
                done = done.and_then(|()| checkpoint::save(&output.join(CHECKPOINT), &state()));
            }
            _ => {}
        }
        if let Err(error) = done {
            trouble.get_or_insert(error);
        }
        match trouble.is_some() || interrupt::wanted() {
            true => Next::Stop,
            false => Next::Continue,
        }
    };
    let learned = fit(
        &reading.table,
        plan,
        &provenance,
        machine,
        resume,
        &mut observe,
    );
    progress.clear();
    if let Some(error) = trouble {
        return Err(error.into());
    }
    match learned {
        Ok(learned) => Ok((learned, recorder)),
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            let resumed = resume.map_or(0, |state| state.manifest.epochs_done);
            let sentence = format!(
                "after {} whole epochs; the best weights so far are kept",
                epochs_done.max(resumed)
            );
            let hint = "run the same command with `--resume` to go on";
            Err(Error::new(ErrorKind::Interrupted, sentence)
                .hint(hint)
                .into())
        }
        Err(error) => Err(error.into()),
    }
}

fn text(learned: &Learned, entry: &Entry, files: &[PathBuf]) -> String {
    let manifest = &learned.artifact.manifest;
    let evaluation = &manifest.evaluation;
    let step = manifest.data.step;
    let test = manifest.split.iter().find(|part| part.part == "test");
    let test = test.map_or(String::new(), |part| {
        let (first, last) = (date(part.first_origin, step), date(part.last_origin, step));
        format!("{} windows from {first} to {last}", part.windows)
    });
    let epochs = match (manifest.history.len(), manifest.best_epoch) {
        (0, _) => String::new(),
        (n, 0) => format!(
            "{n} epochs, none better on the validation part than the untrained model (the moves of the past), which is kept\n"
        ),
        (n, best) => format!("{n} epochs, weights of epoch {best} kept\n"),
    };
    let mut text = format!(
        "{epochs}scores on the test part: {test}, in units of `{}`\n\n{}\n{}\n\n{}\n\n{}\n",
        manifest.target_column,
        scores::table(evaluation),
        scores::verdict(evaluation),
        scores::origin(&learned.forecast),
        scores::forecast(&learned.forecast),
    );
    text += &format!(
        "model {}/{}: {}\n",
        entry.model_type,
        entry.version,
        entry.path.display()
    );
    text + &written(files)
}

/// Where files went, in a line.
pub fn written(files: &[PathBuf]) -> String {
    let Some(folder) = files.first().and_then(|file| file.parent()) else {
        return String::new();
    };
    let names = files.iter().filter_map(|file| file.file_name());
    let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
    format!("files in {}: {}\n", folder.display(), names.join(", "))
}

fn document(learned: &Learned, entry: &Entry, files: &[PathBuf]) -> serde_json::Value {
    let manifest = &learned.artifact.manifest;
    json!({
        "model": {
            "model_type": entry.model_type,
            "version": entry.version,
            "path": entry.path,
            "target_column": manifest.target_column,
            "epochs": manifest.history.len(),
            "best_epoch": manifest.best_epoch,
        },
        "data": {
            "source": manifest.data.source,
            "digest": manifest.data.digest,
            "rows": manifest.data.rows,
            "first": date(manifest.data.first, manifest.data.step),
            "last": date(manifest.data.last, manifest.data.step),
        },
        "plan": manifest.plan,
        "sizes": manifest.sizes,
        "scores": {
            "measured_on": "test",
            "unit": format!("units of `{}`", manifest.target_column),
            "model": manifest.evaluation.model,
            "naive": manifest.evaluation.naive,
        },
        "verdict": scores::verdict(&manifest.evaluation),
        "forecast": forecast_value(&learned.forecast),
        "files": files,
    })
}
