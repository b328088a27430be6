//! One fold: everything is learned anew from its history, then its origins are forecast.
//!
//! In come a table, the fold and a model's plan; out goes a [`FoldForecast`]. The history is cut from the table before anything is
//! learned, so that a label behind it does not exist, and forecasts are made from a table that ends at the fold's last origin.

use serde::{Deserialize, Serialize};

use super::walk::{Fold, Layout};
use crate::artifact::{FORMAT, StateManifest, Tensor, Values};
use crate::doors::{FADE, Machine};
use crate::forecast::Predictions;
use crate::models::{CHUNK, Start};
use crate::observe::{EpochRecord, Observer, Sizes};
use crate::plan::{LEVELS, Plan};
use crate::split::Held;
use crate::table::{Table, Time};
use crate::trained::{self, Ground, Lesson};
use crate::windows;
use crate::{Error, Result};

/// What a fold tells of itself beside its forecasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoldRecord {
    /// The model.
    pub model: String,
    /// 0 is the first.
    pub fold: usize,
    /// Time of the first origin.
    pub first_origin: Time,
    /// Time of the last origin.
    pub last_origin: Time,
    /// Origins forecast.
    pub origins: usize,
    /// Time of the newest row that was learned from.
    pub known_until: Time,
    /// Windows of each part, features.
    pub sizes: Sizes,
    /// Epochs trained; 0 for a model without epochs.
    pub epochs: usize,
    /// Epoch whose weights were kept; 0 is the untrained model.
    pub best_epoch: usize,
    /// Validation loss of the untrained model.
    pub untrained_loss: Option<f64>,
    /// Validation loss of the kept epoch.
    pub valid_loss: Option<f64>,
}

/// A fold that is done: what an interrupted backtest resumes from.
#[derive(Clone, Debug, PartialEq)]
pub struct FoldForecast {
    /// What it was.
    pub record: FoldRecord,
    /// Forecasts of its origins, in prices.
    pub predictions: Predictions,
    /// Weights, for a walk whose next fold starts from them; else empty.
    pub weights: Vec<Tensor>,
}

/// Names of the tensors of the forecasts in [`FoldForecast::tensors`].
const POINT: &str = "forecast/point";
const QUANTILES: &str = "forecast/quantiles";

impl FoldForecast {
    /// Forecasts and weights as tensors, to be written down beside the record.
    pub fn tensors(&self) -> Vec<Tensor> {
        let Predictions {
            horizon,
            n_levels,
            point,
            quantiles,
        } = &self.predictions;
        let n = self.predictions.len();
        let mut tensors = vec![
            Tensor {
                name: POINT.into(),
                shape: vec![n, *horizon],
                values: Values::F64(point.clone()),
            },
            Tensor {
                name: QUANTILES.into(),
                shape: vec![n, *horizon, *n_levels],
                values: Values::F64(quantiles.clone()),
            },
        ];
        tensors.extend(self.weights.iter().cloned());
        tensors
    }

    /// The way back.
    pub fn from_tensors(record: FoldRecord, tensors: Vec<Tensor>) -> Result<Self> {
        let mut found = tensors.into_iter();
        let wrong = || Error::data("a fold on disk does not hold forecasts");
        let (point, quantiles) = (
            found.next().ok_or_else(wrong)?,
            found.next().ok_or_else(wrong)?,
        );
        let (Values::F64(points), Values::F64(prices)) = (point.values, quantiles.values) else {
            return Err(wrong());
        };
        let &[n, horizon, n_levels] = &quantiles.shape[..] else {
            return Err(wrong());
        };
        if point.name != POINT
            || quantiles.name != QUANTILES
            || point.shape != [n, horizon]
            || n != record.origins
        {
            return Err(wrong());
        }
        Ok(Self {
            record,
            predictions: Predictions {
                horizon,
                n_levels,
                point: points,
                quantiles: prices,
            },
            weights: found.collect(),
        })
    }
}

/// What all folds of a run share.
#[derive(Clone, Copy)]
pub(super) struct Ride<'a> {
    pub table: &'a Table,
    pub layout: &'a Layout,
    /// Keep the weights of each fold: the next starts from them.
    pub warm: bool,
}

/// Learns from the fold's history and forecasts its origins.
pub(super) fn run(
    ride: Ride<'_>,
    plan: &Plan,
    number: usize,
    machine: Machine,
    before: Option<&[Tensor]>,
    observe: &mut Observer<'_>,
) -> Result<FoldForecast> {
    let (table, truth) = (ride.table, &ride.layout.truth);
    let Fold { history, origins } = ride.layout.folds[number].clone();
    let rows = &truth.rows[origins.clone()];
    let (first, last) = (rows[0], rows[rows.len() - 1]);
    let name = |row: usize| table.calendar().format(table.time()[row]);
    let of_fold = |error: Error| {
        error.within(format!(
            "{} cannot learn for the origins from {} on",
            plan.model_type,
            name(first)
        ))
    };

    let past = table.until(history.end).since(history.start);
    let ground = Ground::prepare(&past, plan, Held::Nothing, observe).map_err(of_fold)?;
    let state = StateManifest {
        format: FORMAT,
        code_version: String::new(),
        simd: machine.simd.name().into(),
        plan: plan.clone(),
        digest: String::new(),
        imported: None,
        epochs_done: 0,
        progress: serde_json::Value::Null,
        history: Vec::new(),
    };
    let lesson = Lesson {
        table: &past,
        plan,
        ground: &ground,
        machine,
        resume: None,
        start: before.map_or(Start::Fresh, Start::Warm),
        state: &state,
    };
    let mut trained = trained::train(&lesson, observe).map_err(of_fold)?;

    let needed = plan.input_seq_length + ground.features.warm_up() + FADE;
    let from = (first + 1).saturating_sub(needed);
    let seen = table.until(last + 1).since(from);
    let matrix = ground.features.compute(&seen)?;
    let mut predictions = Predictions::new(0, plan.forecast_horizon, LEVELS.len());
    for rows in rows.chunks(CHUNK) {
        let windows = rows.iter().map(|&row| {
            windows::ending_at(&seen, &matrix, plan.input_seq_length, row - from).ok_or_else(|| {
                Error::data(format!(
                    "{} has blank cells in the {} rows up to the origin {}",
                    plan.model_type,
                    plan.input_seq_length,
                    name(row)
                ))
                .hint("fill the columns, leave them out, or move `--start`")
            })
        });
        let windows = windows.collect::<Result<Vec<_>>>()?;
        let mut chunk = Predictions::new(rows.len(), plan.forecast_horizon, LEVELS.len());
        trained.predict(&windows, &mut chunk)?;
        predictions.append(chunk);
    }
    let best: Option<&EpochRecord> = trained
        .history
        .iter()
        .find(|epoch| epoch.epoch == trained.best_epoch);
    Ok(FoldForecast {
        record: FoldRecord {
            model: plan.model_type.clone(),
            fold: number,
            first_origin: table.time()[first],
            last_origin: table.time()[last],
            origins: rows.len(),
            known_until: table.time()[history.end - 1],
            sizes: ground.sizes(),
            epochs: trained.history.len(),
            best_epoch: trained.best_epoch,
            untrained_loss: trained.untrained_loss,
            valid_loss: best.map_or(trained.untrained_loss, |epoch| Some(epoch.valid_loss)),
        },
        predictions,
        weights: if ride.warm {
            trained.fitted.tensors()
        } else {
            Vec::new()
        },
    })
}
