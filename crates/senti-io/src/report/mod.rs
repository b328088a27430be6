//! What `train --output DIR` and `predict --output DIR` leave behind.
//!
//! In come the outcome of a training or a forecast; out go the files of the table [`OUTPUTS`]. They are made in a hidden folder
//! inside DIR and take their places when all of them are complete: a failure leaves what stood there before, a success leaves nothing
//! of an earlier run of the same kind. Names and columns are a
//! public interface. Nothing is printed here.

mod backtest;
mod documents;
mod figures;
pub mod html;
mod importance;
mod recorder;
mod tables;
mod verdict;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use senti::artifact::Artifact;
use senti::audit::Audit;
use senti::evaluation::Evaluation;
use senti::forecast::Forecast;
use senti::{Error, Outcome, Result, Table};

use crate::atomic::{Stage, failed};
use crate::plots::{self, Scene};
use crate::registry::Entry;

pub use backtest::{BACKTEST_OUTPUTS, Judged, write_backtest};
pub use documents::{forecast_value, scores_value};
pub use figures::{date, number};
pub use importance::{
    IMPORTANCE, ImportanceOutput, MakeImportance, importance_value, write_importance,
};
pub use recorder::Recorder;
pub use tables::predictions_bytes;
pub(crate) use tables::rate;
pub use verdict::{Said, Verdict, verdict};

/// The file of `audit --output DIR`.
pub const AUDIT: &str = "audit.json";

/// What there is to write about.
#[derive(Clone, Copy)]
pub struct Results<'a> {
    /// The forecast from the last candle.
    pub forecast: &'a Forecast,
    /// The rows that it was made from.
    pub table: &'a Table,
    /// The model's scores on its test part, where they are known: the picture tells how far its bands held.
    pub evaluation: Option<&'a Evaluation>,
    /// What a training adds.
    pub training: Option<Training<'a>>,
}

/// What only a training knows.
#[derive(Clone, Copy)]
pub struct Training<'a> {
    /// The trained model.
    pub artifact: &'a Artifact,
    /// What was seen while it ran.
    pub recorder: &'a Recorder,
    /// Where the model was registered, if it was.
    pub entry: Option<&'a Entry>,
}

/// How an output comes about.
#[derive(Clone, Copy)]
pub enum Make {
    /// A file written in one go; `None` where there is nothing to say.
    File(fn(&Results<'_>) -> Result<Option<Vec<u8>>>),
    /// Written by the [`Recorder`] while the test windows come in.
    Streamed,
    /// A picture, as `<name>.svg` and `<name>.png`; `None` where there is nothing to draw.
    Plot(fn(&Results<'_>) -> Option<Scene>),
}

/// A row of [`OUTPUTS`].
#[derive(Clone, Copy)]
pub struct Output {
    /// File name; without ending for a picture.
    pub name: &'static str,
    /// `predict` writes it, too.
    pub predict: bool,
    /// What it tells.
    pub about: &'static str,
    /// How it is made.
    pub make: Make,
}

impl Output {
    /// Names of its files.
    pub fn files(&self) -> Vec<String> {
        match self.make {
            Make::File(_) | Make::Streamed => vec![self.name.into()],
            Make::Plot(_) => ["svg", "png"]
                .map(|ending| format!("{}.{ending}", self.name))
                .into(),
        }
    }
}

/// Everything that is written. `train` writes all rows.
pub const OUTPUTS: &[Output] = &[
    Output {
        name: "report.html",
        predict: false,
        about: "everything on one page, the verdict first: opens from disk, without network",
        make: Make::File(page),
    },
    Output {
        name: "forecast.csv",
        predict: true,
        about: "the forecast: one line a step, with point and 19 quantiles",
        make: Make::File(tables::forecast),
    },
    Output {
        name: "forecast.json",
        predict: true,
        about: "the same, with the last close and unrounded",
        make: Make::File(documents::forecast),
    },
    Output {
        name: "metrics.json",
        predict: false,
        about: "scores of model and naive on the test part, overall and by step, and what they were measured on",
        make: Make::File(documents::metrics),
    },
    Output {
        name: "predictions.csv",
        predict: false,
        about: "every test window: what was forecast and what came true",
        make: Make::Streamed,
    },
    Output {
        name: "history.csv",
        predict: false,
        about: "losses, learning rate and seconds of every epoch",
        make: Make::File(tables::history),
    },
    Output {
        name: "forecast",
        predict: true,
        about: "recent prices and the forecast fan",
        make: Make::Plot(plots::forecast),
    },
    Output {
        name: "predictions",
        predict: false,
        about: "forecast moves against actual moves, and the error beside the naive forecast's over time",
        make: Make::Plot(plots::predictions),
    },
    Output {
        name: "error_by_step",
        predict: false,
        about: "error relative to the naive forecast and coverage of the intervals, by step",
        make: Make::Plot(plots::error_by_step),
    },
    Output {
        name: "history",
        predict: false,
        about: "training and validation loss by epoch",
        make: Make::Plot(plots::history),
    },
];

fn page(results: &Results<'_>) -> Result<Option<Vec<u8>>> {
    Ok(html::of_training(results).map(|page| html::render(&page).into_bytes()))
}

/// Writes everything that a training leaves in `dir` and returns the paths, sorted.
///
/// `recorder` was made for the same folder with [`Recorder::new`] and has seen every event.
pub fn write_training(
    dir: &Path,
    outcome: &Outcome,
    table: &Table,
    mut recorder: Recorder,
    entry: Option<&Entry>,
    no_plot: bool,
) -> Result<Vec<PathBuf>> {
    let streamed = recorder.finish()?;
    let stage = match streamed {
        Some(stage) => stage,
        None => Stage::create(dir)?,
    };
    let results = Results {
        forecast: &outcome.forecast,
        table,
        evaluation: Some(&outcome.artifact.manifest.evaluation),
        training: Some(Training {
            artifact: &outcome.artifact,
            recorder: &recorder,
            entry,
        }),
    };
    write(dir, stage, &results, no_plot)
}

/// Writes everything that a forecast leaves in `dir` and returns the paths, sorted. With the scores that the model reached on its test
/// part (`artifact.manifest.evaluation`) the picture says how many prices its bands held there.
pub fn write_forecast(
    dir: &Path,
    forecast: &Forecast,
    table: &Table,
    evaluation: Option<&Evaluation>,
    no_plot: bool,
) -> Result<Vec<PathBuf>> {
    let results = Results {
        forecast,
        table,
        evaluation,
        training: None,
    };
    write(dir, Stage::create(dir)?, &results, no_plot)
}

/// Writes an audit as `audit.json` into `dir` and returns the path.
pub fn write_audit(dir: &Path, audit: &Audit) -> Result<Vec<PathBuf>> {
    let stage = Stage::create(dir)?;
    let document = serde_json::to_value(audit)
        .map_err(|error| Error::internal("an audit cannot be written as JSON").because(error))?;
    stage.write(AUDIT, format!("{document:#}\n").as_bytes(), dir)?;
    stage.spread(dir)
}

fn write(dir: &Path, stage: Stage, results: &Results<'_>, no_plot: bool) -> Result<Vec<PathBuf>> {
    for output in OUTPUTS {
        if results.training.is_none() && !output.predict {
            continue;
        }
        match output.make {
            Make::Streamed => {}
            Make::File(make) => {
                if let Some(bytes) = make(results)? {
                    stage.write(output.name, &bytes, dir)?;
                }
            }
            Make::Plot(_) if no_plot => {}
            Make::Plot(make) => {
                if let Some(scene) = make(results) {
                    let name = output.name;
                    stage.write(&format!("{name}.svg"), scene.to_svg().as_bytes(), dir)?;
                    stage.write(&format!("{name}.png"), &scene.to_png()?, dir)?;
                }
            }
        }
    }
    let written = stage.spread(dir)?;
    remove_stale(dir, results.training.is_some(), &written)?;
    Ok(written)
}

/// Removes what an earlier run of this kind left under our names and this one did not write: a folder tells of one run. A forecast
/// touches no file that only a training writes.
fn remove_stale(dir: &Path, training: bool, written: &[PathBuf]) -> Result<()> {
    let ours = OUTPUTS.iter().filter(|output| training || output.predict);
    remove_files(dir, ours.flat_map(Output::files), written)
}

/// Removes files of these names that were not written now.
fn remove_files(
    dir: &Path,
    names: impl Iterator<Item = String>,
    written: &[PathBuf],
) -> Result<()> {
    for path in names.map(|name| dir.join(name)) {
        // A folder of that name is not ours.
        if written.contains(&path) || path.is_dir() {
            continue;
        }
        match fs::remove_file(&path) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(failed("remove the earlier run's", &path, cause));
            }
            _ => {}
        }
    }
    Ok(())
}
