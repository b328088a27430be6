//! The doors: what every face calls, so that the command line, the service and Python give the same numbers.
//!
//! In come a table and a plan (or an artifact); out go an artifact and a forecast. Nothing here keeps anything between calls.

use std::collections::BTreeMap;
use std::ops::Range;

use senti_engine::Simd;

use crate::artifact::{
    Artifact, ColumnRecord, DataRecord, FORMAT, Manifest, PartRecord, State, StateManifest,
};
use crate::evaluation;
use crate::features::FeatureSet;
use crate::forecast::{Forecast, ForecastRow, Predictions};
use crate::imported::Imported;
use crate::matrix::Matrix;
use crate::models::{self, Fitted, Start};
use crate::observe::{Event, Observer};
use crate::plan::{LEVELS, Plan};
use crate::split::{Held, Split};
use crate::table::{Role, Table};
use crate::trained::{self, Ground, Lesson, Trained};
use crate::windows::{self, Origins, Window};
use crate::{Error, Result};

/// The machine's part: it changes the speed, and (the instruction set only) the last bits.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// Threads to compute with, at least 1.
    pub threads: usize,
    /// Instruction set of the engine.
    pub simd: Simd,
}

/// What the source says of the data; kept in the artifact.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// What the source calls itself.
    pub source: String,
    /// Options that say how to read the same rows again, by name.
    pub read_with: BTreeMap<String, String>,
    /// SHA-256 of the table in hexadecimal.
    pub digest: String,
    /// Version of the program.
    pub code_version: String,
}

/// What [`fit`] gives.
#[derive(Debug)]
pub struct Outcome {
    /// The trained model.
    pub artifact: Artifact,
    /// The forecast from the last closed candle.
    pub forecast: Forecast,
}

/// Rows beyond the window and its warm-up that a forecast looks at: exponential features have faded by then.
pub const FADE: usize = 1_000;

/// Learns a model from a table, evaluates it on windows it never saw and forecasts from the last candle.
///
/// A run resumed from a [`State`] ends with the same bits as an undisturbed one.
pub fn fit(
    table: &Table,
    plan: &Plan,
    provenance: &Provenance,
    machine: Machine,
    resume: Option<&State>,
    observe: &mut Observer<'_>,
) -> Result<Outcome> {
    fit_from(table, plan, None, provenance, machine, resume, observe)
}

/// The same from weights that another program trained. They are the network's epoch 0; with a plan of 0 epochs they stay as they are, and only
/// what surrounds them is learned: features, preparation, calibration and scores.
pub fn fit_imported(
    table: &Table,
    plan: &Plan,
    imported: &Imported,
    provenance: &Provenance,
    machine: Machine,
    resume: Option<&State>,
    observe: &mut Observer<'_>,
) -> Result<Outcome> {
    imported.fits_plan(plan)?;
    let imported = Some(imported);
    fit_from(table, plan, imported, provenance, machine, resume, observe)
}

fn fit_from(
    table: &Table,
    plan: &Plan,
    imported: Option<&Imported>,
    provenance: &Provenance,
    machine: Machine,
    resume: Option<&State>,
    observe: &mut Observer<'_>,
) -> Result<Outcome> {
    let state = StateManifest {
        format: FORMAT,
        code_version: provenance.code_version.clone(),
        simd: machine.simd.name().into(),
        plan: plan.clone(),
        digest: provenance.digest.clone(),
        imported: imported.map(|imported| imported.origin().sha256.clone()),
        epochs_done: 0,
        progress: serde_json::Value::Null,
        history: Vec::new(),
    };
    if let Some(resume) = resume {
        agrees(&resume.manifest, &state)?;
    }

    let ground = Ground::prepare(table, plan, Held::Test, observe)?;
    if let Some(imported) = imported {
        imported.fits_features(&ground.features)?;
    }
    // found out now, not after the training
    last_window(plan, &ground.features, table, &ground.matrix)?;
    let Trained {
        mut fitted,
        preparation,
        calibration,
        history,
        best_epoch,
        untrained_loss,
    } = trained::train(
        &Lesson {
            table,
            plan,
            ground: &ground,
            machine,
            resume,
            start: imported.map_or(Start::Fresh, |imported| Start::Given(imported.tensors())),
            state: &state,
        },
        observe,
    )?;
    let (all, parts) = (ground.windows(table, plan), &ground.parts);

    // the naive forecast may know every move that ended before the test part
    let known = all
        .origins()
        .within(0..before(&parts.test, plan.forecast_horizon));
    let mut naive = models::naive(&all.part(known));
    let evaluation = evaluation::evaluate(
        &all.part(parts.test.clone()),
        fitted.as_mut(),
        naive.as_mut(),
        &preparation,
        &calibration,
        mean_move(table, parts.train.last().map_or(0, |row| row + 1)),
        table.calendar().step(),
        observe,
    )?;

    let manifest = Manifest {
        format: FORMAT,
        code_version: provenance.code_version.clone(),
        simd: machine.simd.name().into(),
        plan: plan.clone(),
        data: DataRecord {
            source: provenance.source.clone(),
            read_with: provenance.read_with.clone(),
            digest: provenance.digest.clone(),
            rows: table.n_rows(),
            first: table.time()[0],
            last: table.time()[table.n_rows() - 1],
            step: table.calendar().step(),
            calendar: Some(table.calendar().clone()),
            columns: table
                .columns()
                .iter()
                .map(|c| ColumnRecord {
                    name: c.name.clone(),
                    role: c.role,
                })
                .collect(),
        },
        target_column: target_name(table).to_owned(),
        split: records(table, parts),
        sizes: ground.sizes(),
        features: ground.features,
        preparation,
        model: fitted.record(),
        calibration,
        evaluation,
        history,
        best_epoch,
        untrained_loss,
        imported: imported.map(|imported| imported.origin().clone()),
    };
    let artifact = Artifact {
        manifest,
        tensors: fitted.tensors(),
    };
    let forecast = forecast_with(&artifact.manifest, fitted.as_mut(), table)?;
    observe(Event::Finished(&artifact));
    Ok(Outcome { artifact, forecast })
}

/// Forecasts from the last candle of a table with a trained model alone.
pub fn forecast(artifact: &Artifact, table: &Table, machine: Machine) -> Result<Forecast> {
    let manifest = &artifact.manifest;
    manifest.check()?;
    let mut fitted =
        (models::find(&manifest.plan.model_type)?.load)(manifest, &artifact.tensors, machine)?;
    forecast_with(manifest, fitted.as_mut(), table)
}

fn forecast_with(manifest: &Manifest, fitted: &mut dyn Fitted, table: &Table) -> Result<Forecast> {
    let plan = &manifest.plan;
    let found = same_step(manifest, table)?;
    let needed = plan.input_seq_length + manifest.features.warm_up();
    let recent = table.since(table.n_rows().saturating_sub(needed + FADE));
    let matrix = manifest.features.compute(&recent)?;
    let window = last_window(plan, &manifest.features, &recent, &matrix)?;

    let mut predictions = Predictions::new(1, plan.forecast_horizon, LEVELS.len());
    fitted.predict(&[window], &manifest.preparation, &mut predictions)?;
    let last_close = window.last_close();
    manifest.calibration.apply(&[last_close], &mut predictions);
    let prices = predictions.point.iter().chain(&predictions.quantiles);
    if !prices
        .into_iter()
        .all(|price| price.is_finite() && *price > 0.0)
    {
        return Err(
            Error::data("the model forecasts prices that are not finite and positive")
                .hint("train again, or take another version"),
        );
    }
    let rows = (0..plan.forecast_horizon).map(|step| ForecastRow {
        step: step + 1,
        time: table.calendar().after(window.time(), step + 1),
        point: predictions.point[step],
        quantiles: predictions.quantiles[step * LEVELS.len()..][..LEVELS.len()].to_vec(),
    });
    Ok(Forecast {
        target: target_name(table).to_owned(),
        origin: window.time(),
        last_close,
        step: found,
        levels: LEVELS.to_vec(),
        rows: rows.collect(),
    })
}

/// The step of these rows in milliseconds, which must be the model's.
pub(crate) fn same_step(manifest: &Manifest, table: &Table) -> Result<i64> {
    let (found, wanted) = (table.calendar().step(), manifest.data.step);
    if found != wanted {
        return Err(Error::data(format!(
            "a step of these rows is `{}`, of the model `{}`",
            crate::calendar::step_name(found),
            crate::calendar::step_name(wanted)
        ))
        .hint("give rows of the model's step, take another model (`senti-ai models list`, `--version N`), or train one on these"));
    }
    Ok(found)
}

/// A checkpoint may only be taken up by the same code, data and plan; the number of epochs may differ.
fn agrees(found: &StateManifest, wanted: &StateManifest) -> Result<()> {
    let refuse = |what: &str, found: &str, wanted: &str| {
        Err(Error::plan(format!(
            "the checkpoint's {what} is {found}, now it is {wanted}"
        ))
        .hint("give the same data and options as before, or train without `--resume`"))
    };
    if found.digest != wanted.digest {
        return Err(
            Error::plan("the data are not those of the interrupted training")
                .hint("give the same data as before, or train without `--resume`"),
        );
    }
    if found.imported != wanted.imported {
        return Err(Error::plan(
            "the weights to start from are not those of the interrupted training",
        )
        .hint("give the same file of weights as before, or train without `--resume`"));
    }
    if found.code_version != wanted.code_version {
        return refuse("program version", &found.code_version, &wanted.code_version);
    }
    if found.simd != wanted.simd {
        return refuse("instruction set", &found.simd, &wanted.simd);
    }
    let as_map = |plan: &Plan| serde_json::to_value(plan.draft()).unwrap_or_default();
    let (found, wanted) = (as_map(&found.plan), as_map(&wanted.plan));
    for (name, wanted) in wanted.as_object().into_iter().flatten() {
        if name != "epochs" && found.get(name) != Some(wanted) {
            let found = found
                .get(name)
                .map_or("missing".to_owned(), ToString::to_string);
            return refuse(&format!("`{name}`"), &found, &wanted.to_string());
        }
    }
    Ok(())
}

/// The window to forecast from: the one that ends at the last row of `matrix`, which holds the last rows of `table`.
fn last_window<'a>(
    plan: &Plan,
    features: &FeatureSet,
    table: &'a Table,
    matrix: &'a Matrix,
) -> Result<Window<'a>> {
    let past = plan.input_seq_length;
    windows::last(table, matrix, past).ok_or_else(|| {
        let needed = past + features.warm_up();
        let segment = table.segments().last().map_or(0, Range::len);
        if segment >= needed {
            return Error::data(format!("the last {past} rows have blank cells")).hint(
                "fill the columns that the model was trained with, or leave the last rows out",
            );
        }
        Error::data(format!(
            "{segment} rows without a long gap are too few to forecast from, wanted {needed}"
        ))
        .hint("give more rows, or leave out those behind the last long gap")
    })
}

/// Row before which a window must lie so that its last label is known at the first origin of `part`.
fn before(part: &Origins, horizon: usize) -> usize {
    part.first().unwrap_or(0).saturating_sub(horizon)
}

/// Mean absolute move of one step on the rows before `end`: the unit of MASE.
pub(crate) fn mean_move(table: &Table, end: usize) -> f64 {
    let (mut sum, mut moves) = (0.0, 0);
    for segment in table.segments() {
        let close = &table.close()[segment.start.min(end)..segment.end.min(end)];
        for pair in close.windows(2) {
            sum += (pair[1] - pair[0]).abs();
            moves += 1;
        }
    }
    if moves == 0 {
        0.0
    } else {
        sum / f64::from(moves)
    }
}

pub(crate) fn target_name(table: &Table) -> &str {
    table
        .role(Role::Close)
        .map_or("close", |column| &column.name)
}

fn records(table: &Table, parts: &Split) -> Vec<PartRecord> {
    [
        ("train", &parts.train),
        ("valid", &parts.valid),
        ("calibration", &parts.calibration),
        ("test", &parts.test),
    ]
    .into_iter()
    .map(|(part, origins)| PartRecord {
        part: part.into(),
        windows: origins.len(),
        first_origin: table.time()[origins.first().unwrap_or(0)],
        last_origin: table.time()[origins.last().unwrap_or(0)],
    })
    .collect()
}
