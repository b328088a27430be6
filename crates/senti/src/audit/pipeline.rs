//! The pipeline under audit, a step a method.
//!
//! In comes a table; out goes what each step makes of it. The methods as they stand here are the very functions that `doors::fit`,
//! `doors::forecast` and every fold of a backtest call; [`Clean`] changes none of them, and each planted leak changes one.

use std::borrow::Cow;

use serde_json::Value;

use crate::artifact::{Artifact, FORMAT, StateManifest, Tensor};
use crate::backtest::{Backtest, Walk, backtest};
use crate::calibrate::Calibration;
use crate::doors::{self, Machine, Provenance};
use crate::evaluation::Evaluation;
use crate::features::FeatureSet;
use crate::forecast::{Forecast, Predictions};
use crate::join::{Side, join};
use crate::matrix::Matrix;
use crate::metrics::Evaluator;
use crate::models::{self, CHUNK, Start};
use crate::observe::{EpochRecord, Event, Next};
use crate::plan::{Draft, LEVELS, Plan, Target};
use crate::prepare::Preparation;
use crate::split::Held;
use crate::table::{Table, Time};
use crate::trained::{self, Ground, Lesson, Trained};
use crate::windows::{self, Window, Windows};
use crate::{Error, Result};

/// Units of the network that the audit trains: whether a network looks ahead does not depend on its size.
const UNITS: usize = 4;
/// Past steps that it is given, at most; the user's own number is audited without a model.
const STEPS: usize = 16;
/// Inputs of the ridge regression that the audit fits, at most: its cost rises with their cube.
const INPUTS: usize = 240;

/// What is audited with what.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The user's choices: window, horizon, shares, target.
    pub plan: Plan,
    /// The same with a model that learns in a moment.
    pub small: Plan,
    /// Threads and instruction set.
    pub machine: Machine,
}

impl Setting {
    /// With a small model for tables of so many features.
    pub fn new(plan: &Plan, features: usize, machine: Machine) -> Result<Self> {
        let draft = plan.draft();
        let input_seq_length = match plan.model_type.as_str() {
            "basic" => (INPUTS / features.max(1)).clamp(1, plan.input_seq_length),
            _ => plan.input_seq_length.min(STEPS),
        };
        let small = Draft {
            units: vec![UNITS],
            epochs: 1,
            batch_size: draft.batch_size.max(64),
            input_seq_length,
            ..draft
        };
        Ok(Self {
            plan: plan.clone(),
            small: small.check()?,
            machine,
        })
    }

    /// The plan of a ridge regression on returns, which learns more in a moment than a network does.
    pub fn ridge(&self, features: usize) -> Result<Plan> {
        let draft = Draft {
            model_type: "basic".into(),
            target: Target::LogReturn,
            input_seq_length: (INPUTS / features.max(1)).clamp(1, self.plan.input_seq_length),
            ..self.small.draft()
        };
        draft.check()
    }
}

/// The futures that training and scoring are told at an origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Row of the origin.
    pub origin: usize,
    /// Opening times of the candles ahead: (H).
    pub times: Vec<Time>,
    /// Their closes: (H).
    pub prices: Vec<f64>,
}

/// All that was learned from a table, and the forecasts of its test part.
#[derive(Clone, Debug)]
pub struct Taught {
    /// Features and their forms.
    pub features: FeatureSet,
    /// Winsorisation and scaling.
    pub preparation: Preparation,
    /// Place and width.
    pub calibration: Calibration,
    /// What the model keeps beside its weights.
    pub model: Value,
    /// Weights.
    pub tensors: Vec<Tensor>,
    /// Losses by epoch.
    pub history: Vec<EpochRecord>,
    /// Rows of the test origins: (n).
    pub test: Vec<usize>,
    /// Their forecasts.
    pub predictions: Predictions,
}

/// A forecast that the evaluation made of a test window.
#[derive(Clone, Debug)]
pub struct Tested {
    /// Opening time of the origin.
    pub origin: Time,
    /// Opening times of the candles ahead: (H).
    pub times: Vec<Time>,
    /// The last known close.
    pub last_close: f64,
    /// What it was compared with: (H).
    pub actual: Vec<f64>,
    /// Point forecasts: (H).
    pub point: Vec<f64>,
    /// (H, Q)
    pub quantiles: Vec<f64>,
}

/// What the door `fit` leaves behind.
#[derive(Clone, Debug)]
pub struct Run {
    /// The model.
    pub artifact: Artifact,
    /// The forecasts of its evaluation, in order.
    pub tested: Vec<Tested>,
}

/// The steps of the path. Each default is the product's own.
pub trait Pipeline: Sync {
    /// Plans and machine.
    fn setting(&self) -> &Setting;

    /// The table as the steps see it.
    fn table<'t>(&self, table: &'t Table) -> Result<Cow<'t, Table>> {
        Ok(Cow::Borrowed(table))
    }

    /// The table with other series beside its candles.
    fn join(&self, table: &Table, sides: &[Side]) -> Result<Table> {
        join(table, sides)
    }

    /// Learns which features there are, computes them, and splits.
    fn ground(&self, table: &Table, plan: &Plan) -> Result<Ground> {
        Ground::prepare(table, plan, Held::Test, &mut |_| Next::Continue)
    }

    /// Learned features of another table.
    fn matrix(&self, features: &FeatureSet, table: &Table) -> Result<Matrix> {
        features.compute(table)
    }

    /// Learns winsorisation and scaling.
    fn preparation(&self, ground: &Ground, plan: &Plan) -> Result<Preparation> {
        ground.preparation(plan)
    }

    /// What a model is given at an origin: prepared features, oldest row first: (T, F).
    fn inputs(
        &self,
        table: &Table,
        matrix: &Matrix,
        preparation: &Preparation,
        origin: usize,
    ) -> Result<Vec<f32>> {
        let window = window(&self.setting().plan, table, matrix, origin)?;
        Ok(prepared(window, preparation))
    }

    /// The futures of these windows.
    fn labels(&self, _table: &Table, windows: &Windows<'_>) -> Vec<Label> {
        let label = |labelled: windows::Labelled<'_>| Label {
            origin: labelled.window().origin(),
            times: labelled.future_times().to_vec(),
            prices: labelled.future().to_vec(),
        };
        windows.iter().map(label).collect()
    }

    /// Learns a model and forecasts the test part.
    fn teach(&self, table: &Table, plan: &Plan) -> Result<Taught> {
        teach(&self.ground(table, plan)?, table, plan, self.setting())
    }

    /// Trains and evaluates through the door.
    fn run(&self, table: &Table) -> Result<Run> {
        let setting = self.setting();
        let mut tested = Vec::new();
        let mut observe = |event: Event<'_>| {
            if let Event::Tested(chunk) = event {
                let horizon = chunk.predictions.horizon;
                for (row, &origin) in chunk.origins.iter().enumerate() {
                    tested.push(Tested {
                        origin,
                        times: chunk.times[row * horizon..][..horizon].to_vec(),
                        last_close: chunk.last_close[row],
                        actual: chunk.actual[row * horizon..][..horizon].to_vec(),
                        point: chunk.predictions.point(row).to_vec(),
                        quantiles: chunk.predictions.quantiles(row).to_vec(),
                    });
                }
            }
            Next::Continue
        };
        let outcome = doors::fit(
            table,
            &setting.small,
            &Provenance::default(),
            single(setting.machine),
            None,
            &mut observe,
        )?;
        Ok(Run {
            artifact: outcome.artifact,
            tested,
        })
    }

    /// Forecasts from an origin within a table, as evaluation and backtest do.
    fn predict(&self, run: &Run, table: &Table, origin: usize) -> Result<Predictions> {
        let manifest = &run.artifact.manifest;
        let matrix = self.matrix(&manifest.features, table)?;
        let window = window(&manifest.plan, table, &matrix, origin)?;
        let load = models::find(&manifest.plan.model_type)?.load;
        let machine = single(self.setting().machine);
        let mut fitted = load(manifest, &run.artifact.tensors, machine)?;
        let mut out = Predictions::new(1, manifest.plan.forecast_horizon, LEVELS.len());
        fitted.predict(&[window], &manifest.preparation, &mut out)?;
        manifest.calibration.apply(&[window.last_close()], &mut out);
        Ok(out)
    }

    /// Forecasts from the last row of a table through the door.
    fn forecast(&self, run: &Run, table: &Table) -> Result<Forecast> {
        doors::forecast(&run.artifact, table, single(self.setting().machine))
    }

    /// What the model is given when it forecasts from the last row of a table.
    fn inputs_ahead(&self, run: &Run, table: &Table) -> Result<Vec<f32>> {
        let manifest = &run.artifact.manifest;
        let matrix = manifest.features.compute(table)?;
        let last = windows::last(table, &matrix, manifest.plan.input_seq_length);
        let window = last.ok_or_else(|| Error::data("the last rows have blank cells"))?;
        Ok(prepared(window, &manifest.preparation))
    }

    /// Walks forward: everything is learned anew in each fold.
    fn walk(&self, table: &Table, walk: &Walk) -> Result<Backtest> {
        let setting = self.setting();
        let mut observe = |_: Event<'_>| Next::Continue;
        let machine = single(setting.machine);
        backtest(
            table,
            &setting.small,
            walk,
            machine,
            Vec::new(),
            &mut observe,
        )
    }

    /// Scores of model and naive on the test part.
    fn scores(&self, run: &Run, _table: &Table) -> Evaluation {
        run.artifact.manifest.evaluation.clone()
    }

    /// Direction accuracy of each step, for last closes (n), what came true (n, H) and point forecasts (n, H).
    fn direction(&self, last_close: &[f64], actual: &[f64], point: &[f64]) -> Vec<Option<f64>> {
        let horizon = actual.len() / last_close.len().max(1);
        let mut scores = Evaluator::new(horizon, &[0.5], 1.0);
        for (n, &last) in last_close.iter().enumerate() {
            let of = |values: &[f64]| values[n * horizon..][..horizon].to_vec();
            scores.add(last, &of(actual), &of(point), &of(point));
        }
        let steps = scores.finish().steps;
        steps
            .iter()
            .map(|step| step.get("direction_accuracy").copied().flatten())
            .collect()
    }
}

/// The product's own path, nothing changed.
pub struct Clean(pub Setting);

impl Pipeline for Clean {
    fn setting(&self) -> &Setting {
        &self.0
    }
}

/// Several trainings run side by side, one thread each.
pub(super) fn single(machine: Machine) -> Machine {
    Machine {
        threads: 1,
        ..machine
    }
}

/// The window of an origin: as training and scoring find it, or as a forecast does where it is the last row.
pub(super) fn window<'a>(
    plan: &Plan,
    table: &'a Table,
    matrix: &'a Matrix,
    origin: usize,
) -> Result<Window<'a>> {
    let (past, ahead) = (plan.input_seq_length, plan.forecast_horizon);
    let found = if origin + 1 == table.n_rows() {
        windows::last(table, matrix, past)
    } else {
        let all = Windows::new(table, matrix, past, ahead);
        let only = all.part(all.origins().within(origin..origin + 1));
        (!only.is_empty()).then(|| only.get(0).window())
    };
    found.ok_or_else(|| Error::internal(format!("row {origin} is no origin of a window")))
}

/// Prepared features of a window, oldest row first.
pub(super) fn prepared(window: Window<'_>, preparation: &Preparation) -> Vec<f32> {
    let mut inputs = Vec::new();
    for row in window.past() {
        let start = inputs.len();
        inputs.resize(start + row.len(), 0.0);
        preparation.apply(row, &mut inputs[start..]);
    }
    inputs
}

/// Trains on the parts of a ground.
pub(super) fn learn(
    ground: &Ground,
    table: &Table,
    plan: &Plan,
    setting: &Setting,
) -> Result<Trained> {
    let machine = single(setting.machine);
    let state = StateManifest {
        format: FORMAT,
        code_version: String::new(),
        simd: machine.simd.name().into(),
        plan: plan.clone(),
        digest: String::new(),
        imported: None,
        epochs_done: 0,
        progress: Value::Null,
        history: Vec::new(),
    };
    let lesson = Lesson {
        table,
        plan,
        ground,
        machine,
        resume: None,
        start: Start::Fresh,
        state: &state,
    };
    trained::train(&lesson, &mut |_| Next::Continue)
}

/// Trains on the parts of a ground and forecasts its test part.
pub(super) fn teach(
    ground: &Ground,
    table: &Table,
    plan: &Plan,
    setting: &Setting,
) -> Result<Taught> {
    let mut learned = learn(ground, table, plan, setting)?;
    let windows = ground.windows(table, plan).part(ground.parts.test.clone());
    let test: Vec<Window<'_>> = windows.iter().map(|labelled| labelled.window()).collect();
    let mut predictions = Predictions::new(0, plan.forecast_horizon, LEVELS.len());
    for chunk in test.chunks(CHUNK) {
        let mut part = Predictions::new(chunk.len(), plan.forecast_horizon, LEVELS.len());
        learned.predict(chunk, &mut part)?;
        predictions.point.append(&mut part.point);
        predictions.quantiles.append(&mut part.quantiles);
    }
    Ok(Taught {
        features: ground.features.clone(),
        preparation: learned.preparation.clone(),
        calibration: learned.calibration.clone(),
        model: learned.fitted.record(),
        tensors: learned.fitted.tensors(),
        history: learned.history.clone(),
        test: test.iter().map(Window::origin).collect(),
        predictions,
    })
}
