//! Planted leaks: pipelines that cheat in one known way each, so that an audit shows every time that it would have seen it.
//!
//! In comes the subject of the clean audit; out goes whether a check failed on the pipeline that cheats. Most are flaws of the program that
//! this one replaces; the others are what the field gets wrong most often. No other code is reached by them.

use std::borrow::Cow;

use super::checks::CHECKS;
use super::pipeline::{
    Clean, Label, Pipeline, Run, Setting, Taught, learn, prepared, teach, window,
};
use super::subject::Subject;
use super::{Check, Plant};
use crate::backtest::{Backtest, Walk};
use crate::evaluation::Evaluation;
use crate::features::FeatureSet;
use crate::forecast::{Forecast, Predictions};
use crate::join::{Side, join};
use crate::matrix::Matrix;
use crate::observe::Next;
use crate::plan::{LEVELS, Plan};
use crate::prepare::Preparation;
use crate::quantiles;
use crate::split::Held;
use crate::table::{Column, Role, Table};
use crate::trained::Ground;
use crate::windows::Windows;
use crate::{Result, doors};

/// A row of [`PLANTED`].
pub struct PlantedRow {
    /// Name, as in reports.
    pub name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// Checks of which one must fail, in the order in which they are asked.
    pub by: &'static [&'static str],
    make: fn(Setting) -> Box<dyn Pipeline>,
}

impl PlantedRow {
    /// The pipeline that cheats.
    pub fn pipeline(&self, setting: &Setting) -> Box<dyn Pipeline> {
        (self.make)(setting.clone())
    }

    /// Plants it and runs the checks that must see it.
    pub(super) fn plant(
        &self,
        setting: &Setting,
        clean: &Subject<'_>,
        few: &[Vec<usize>; 2],
    ) -> Result<Plant> {
        let pipeline = self.pipeline(setting);
        let subject = clean.with(&*pipeline, few)?;
        let mut by: Option<Check> = None;
        for name in self.by {
            let rows = CHECKS.iter().filter(|row| row.name == *name);
            for row in rows {
                by = by.or(Some(row.check(&subject)?).filter(|check| !check.passed));
            }
            if by.is_some() {
                break;
            }
        }
        Ok(Plant {
            name: self.name.into(),
            caught: by.is_some(),
            by,
        })
    }
}

macro_rules! planted {
    ($($name:literal $pipeline:ident $by:expr, $help:literal;)*) => {
        &[$(PlantedRow {
            name: $name,
            help: $help,
            by: $by,
            make: |setting| Box::new($pipeline(setting)),
        }),*]
    };
}

/// Every planted leak, in the order of reports.
pub const PLANTED: &[PlantedRow] = planted! {
    "scaler_on_everything" ScalerOnEverything &["preparation"], "scales are learned on all rows, before the split";
    "winsorised_truth" WinsorisedTruth &["labels"], "target and test are drawn in to quantiles of all rows";
    "centred_window" CentredWindow &["features"], "a moving average reaches three rows ahead";
    "same_day_feature" SameDayFeature &["features"], "a feature is of the day that is forecast";
    "label_in_inputs" LabelInInputs &["features"], "a feature is the move to the last step ahead";
    "next_move_in_inputs" NextMoveInInputs &["shuffled", "features"], "a feature is the next move; its skill on shuffled moves gives it away, where windows are enough";
    "window_over_labels" WindowOverLabels &["inputs"], "the window ends where the labels do";
    "close_left_out" CloseLeftOut &["inputs"], "the last known close is no input";
    "scaler_refitted" ScalerRefitted &["prediction"], "scales are learned again on the rows of a prediction";
    "forecast_a_horizon_late" HorizonLate &["dates", "prediction"], "the last window with known labels is forecast, dated as if it were the newest";
    "forecast_from_nowhere" FromNowhere &["prediction"], "a random walk stands in for the forecast";
    "first_step_always_right" FirstStepRight &["direction"], "the direction of step 1 compares signs of prices";
    "naive_in_other_units" NaiveInOtherUnits &["scores"], "naive is scored in scaled units, the model in prices";
    "naive_held" NaiveHeld &["scores"], "naive is the last close of training throughout";
    "no_gap" NoGap &["parts"], "a part begins where the one before ends";
    "learned_from_test" LearnedFromTest &["learning"], "the model learns from the test part, too";
    "learned_once" LearnedOnce &["backtest"], "a walk forward learns once, from all rows";
    "late_published" LatePublished &["joins"], "a joined value stands at the time that it is about, not at its publication";
    "column_a_day_early" ColumnEarly &["publication"], "a column stands in the row before the one it is known in";
};

/// A pipeline that holds its setting and changes the steps that follow.
macro_rules! pipeline {
    ($name:ident { $($step:item)* }) => {
        struct $name(Setting);
        impl Pipeline for $name {
            fn setting(&self) -> &Setting {
                &self.0
            }
            $($step)*
        }
    };
}

/// One that writes its own values into the first feature.
macro_rules! leaky_feature {
    ($name:ident, $value:expr) => {
        pipeline!($name {
            fn ground(&self, table: &Table, plan: &Plan) -> Result<Ground> {
                let mut ground = Clean(self.0.clone()).ground(table, plan)?;
                write_first(&mut ground.matrix, table, self.0.plan.forecast_horizon, $value);
                Ok(ground)
            }

            fn matrix(&self, features: &FeatureSet, table: &Table) -> Result<Matrix> {
                let mut matrix = features.compute(table)?;
                write_first(&mut matrix, table, self.0.plan.forecast_horizon, $value);
                Ok(matrix)
            }
        });
    };
}

/// Writes `value(table, row, horizon)` wherever the first feature is known.
fn write_first(
    matrix: &mut Matrix,
    table: &Table,
    horizon: usize,
    value: fn(&Table, usize, usize) -> f64,
) {
    let column: Vec<f64> = (0..matrix.n_rows())
        .map(|row| match matrix.value(row, 0) {
            known if known.is_nan() => known,
            _ => value(table, row, horizon),
        })
        .collect();
    matrix.set_column(0, &column);
}

/// The close so many rows ahead, or the last one there is.
fn ahead(table: &Table, row: usize, steps: usize) -> f64 {
    table.close()[(row + steps).min(table.n_rows() - 1)]
}

pipeline!(ScalerOnEverything {
    fn preparation(&self, ground: &Ground, _plan: &Plan) -> Result<Preparation> {
        on_everything(&ground.matrix)
    }
});

#[allow(clippy::single_range_in_vec_init, reason = "a single run is a run")]
fn on_everything(matrix: &Matrix) -> Result<Preparation> {
    Preparation::fit(matrix, [0..matrix.n_rows()])
}

pipeline!(WinsorisedTruth {
    fn labels(&self, table: &Table, windows: &Windows<'_>) -> Vec<Label> {
        let mut sorted = table.close().to_vec();
        sorted.sort_by(f64::total_cmp);
        let bounds = [0.05, 0.95].map(|level| quantiles::linear(&sorted, level));
        let mut labels = Clean(self.0.clone()).labels(table, windows);
        for price in labels.iter_mut().flat_map(|label| &mut label.prices) {
            *price = price.clamp(bounds[0], bounds[1]);
        }
        labels
    }
});

leaky_feature!(CentredWindow, |table, row, _| {
    let rows = row.saturating_sub(3)..(row + 4).min(table.n_rows());
    let n = rows.len() as f64;
    (table.close()[row] / (table.close()[rows].iter().sum::<f64>() / n)).ln()
});

leaky_feature!(SameDayFeature, |table, row, _| {
    let column = table.role(Role::High).or_else(|| table.role(Role::Open));
    let values = column.map_or(table.close(), |column| &column.values);
    let target_day = (row + 1).min(table.n_rows() - 1);
    (values[target_day] / table.close()[row]).ln()
});

leaky_feature!(LabelInInputs, |table, row, horizon| {
    (ahead(table, row, horizon) / table.close()[row]).ln()
});

leaky_feature!(NextMoveInInputs, |table, row, _| {
    (ahead(table, row, 1) / table.close()[row]).ln()
});

pipeline!(WindowOverLabels {
    fn inputs(
        &self,
        table: &Table,
        matrix: &Matrix,
        preparation: &Preparation,
        origin: usize,
    ) -> Result<Vec<f32>> {
        let clean = Clean(self.0.clone());
        let late = origin + self.0.plan.forecast_horizon;
        let found = clean.inputs(table, matrix, preparation, late.min(table.n_rows() - 1));
        // where the rows behind have no features, there is no window that ends there
        found.or_else(|_| clean.inputs(table, matrix, preparation, origin))
    }
});

/// The table as one without the close of a row sees it: the close of the row before in its place.
fn without_close(table: &Table) -> Table {
    table.altered(|columns| {
        for column in columns.iter_mut().filter(|c| c.role == Role::Close) {
            let n = column.values.len();
            column.values.copy_within(..n - 1, 1);
        }
    })
}

pipeline!(CloseLeftOut {
    fn ground(&self, table: &Table, plan: &Plan) -> Result<Ground> {
        Clean(self.0.clone()).ground(&without_close(table), plan)
    }

    fn matrix(&self, features: &FeatureSet, table: &Table) -> Result<Matrix> {
        features.compute(&without_close(table))
    }
});

pipeline!(ScalerRefitted {
    fn inputs_ahead(&self, run: &Run, table: &Table) -> Result<Vec<f32>> {
        let manifest = &run.artifact.manifest;
        let matrix = manifest.features.compute(table)?;
        let window = window(&manifest.plan, table, &matrix, table.n_rows() - 1)?;
        Ok(prepared(window, &on_everything(&matrix)?))
    }

    fn forecast(&self, run: &Run, table: &Table) -> Result<Forecast> {
        let mut artifact = run.artifact.clone();
        let matrix = artifact.manifest.features.compute(table)?;
        artifact.manifest.preparation = on_everything(&matrix)?;
        doors::forecast(&artifact, table, self.0.machine)
    }
});

/// Without the last rows. Close behind a long gap nothing can be forecast from there, and one row must do.
fn without(table: &Table, rows: usize) -> Table {
    table.until(table.n_rows().saturating_sub(rows))
}

pipeline!(HorizonLate {
    fn inputs_ahead(&self, run: &Run, table: &Table) -> Result<Vec<f32>> {
        let clean = Clean(self.0.clone());
        let found = clean.inputs_ahead(run, &without(table, self.0.plan.forecast_horizon));
        found.or_else(|_| clean.inputs_ahead(run, &without(table, 1)))
    }

    fn forecast(&self, run: &Run, table: &Table) -> Result<Forecast> {
        let clean = Clean(self.0.clone());
        let late = clean.forecast(run, &without(table, self.0.plan.forecast_horizon));
        let mut forecast = late.or_else(|_| clean.forecast(run, &without(table, 1)))?;
        let last = table.n_rows() - 1;
        let origin = table.time()[last];
        for row in &mut forecast.rows {
            row.time = table.calendar().after(origin, row.step);
        }
        // as if it were the newest: only what was forecast from gives it away
        forecast.origin = origin;
        forecast.last_close = table.close()[last];
        Ok(forecast)
    }
});

pipeline!(FromNowhere {
    fn forecast(&self, run: &Run, table: &Table) -> Result<Forecast> {
        let mut forecast = Clean(self.0.clone()).forecast(run, table)?;
        let mut price = 68_000.0;
        for row in &mut forecast.rows {
            price *= if row.step % 3 == 0 { 0.99 } else { 1.008 };
            row.point = price;
            row.quantiles.fill(price);
        }
        Ok(forecast)
    }
});

pipeline!(FirstStepRight {
    fn direction(&self, last: &[f64], actual: &[f64], point: &[f64]) -> Vec<Option<f64>> {
        let mut found = Clean(self.0.clone()).direction(last, actual, point);
        let horizon = found.len().max(1);
        let pairs = actual.iter().zip(point).step_by(horizon);
        let right = pairs.clone().filter(|(a, b)| a.signum() == b.signum());
        if let Some(first) = found.first_mut() {
            *first = Some(right.count() as f64 / pairs.count().max(1) as f64);
        }
        found
    }
});

/// Sets the mean absolute error of naive, overall and at step 1.
fn with_naive(
    mut evaluation: Evaluation,
    change: impl Fn(Option<usize>, f64) -> f64,
) -> Evaluation {
    let naive = &mut evaluation.naive;
    let first = naive.steps.first_mut().map(|step| (Some(0), step));
    for (step, scores) in first.into_iter().chain([(None, &mut naive.overall)]) {
        if let Some(Some(mae)) = scores.get_mut("mae") {
            *mae = change(step, *mae);
        }
    }
    evaluation
}

pipeline!(NaiveInOtherUnits {
    fn scores(&self, run: &Run, table: &Table) -> Evaluation {
        let mut sorted = table.close().to_vec();
        sorted.sort_by(f64::total_cmp);
        let spread = quantiles::linear(&sorted, 0.75) - quantiles::linear(&sorted, 0.25);
        with_naive(run.artifact.manifest.evaluation.clone(), |_, mae| {
            mae / spread
        })
    }
});

pipeline!(NaiveHeld {
    fn scores(&self, run: &Run, table: &Table) -> Evaluation {
        let first = run.tested.first().map(|tested| tested.origin);
        let row = first.and_then(|first| table.time().binary_search(&first).ok());
        let held = table.close()[row.unwrap_or(0)];
        with_naive(run.artifact.manifest.evaluation.clone(), |step, _| {
            let cells = run.tested.iter().flat_map(|tested| match step {
                Some(step) => &tested.actual[step..=step],
                None => &tested.actual[..],
            });
            let n = cells.clone().count().max(1) as f64;
            cells.map(|price| (price - held).abs()).sum::<f64>() / n
        })
    }
});

pipeline!(NoGap {
    fn ground(&self, table: &Table, plan: &Plan) -> Result<Ground> {
        let mut ground = Clean(self.0.clone()).ground(table, plan)?;
        let all = ground.windows(table, plan).origins().clone();
        let end = ground.parts.valid.first().unwrap_or(0);
        ground.parts.train = all.within(0..end);
        Ok(ground)
    }
});

pipeline!(LearnedFromTest {
    fn teach(&self, table: &Table, plan: &Plan) -> Result<Taught> {
        let mut ground = Clean(self.0.clone()).ground(table, plan)?;
        ground.parts.train = ground.windows(table, plan).origins().clone();
        teach(&ground, table, plan, &self.0)
    }
});

pipeline!(LearnedOnce {
    fn walk(&self, table: &Table, walk: &Walk) -> Result<Backtest> {
        let plan = &self.0.small;
        let once = Walk {
            refit_every: table.n_rows(),
            ..walk.clone()
        };
        let mut walked = Clean(self.0.clone()).walk(table, &once)?;
        let ground = Ground::prepare(table, plan, Held::Nothing, &mut |_| Next::Continue)?;
        let mut learned = learn(&ground, table, plan, &self.0)?;
        let mut predictions = Predictions::new(0, plan.forecast_horizon, LEVELS.len());
        for &row in &walked.truth.rows {
            let mut one = Predictions::new(1, plan.forecast_horizon, LEVELS.len());
            learned.predict(&[window(plan, table, &ground.matrix, row)?], &mut one)?;
            predictions.append(one);
        }
        if let Some(track) = walked.tracks.first_mut() {
            track.predictions = predictions;
        }
        Ok(walked)
    }
});

pipeline!(LatePublished {
    fn join(&self, table: &Table, sides: &[Side]) -> Result<Table> {
        let early = |side: &Side| side.altered(|about, _, _| about);
        join(table, &sides.iter().map(early).collect::<Vec<_>>())
    }
});

pipeline!(ColumnEarly {
    fn table<'t>(&self, table: &'t Table) -> Result<Cow<'t, Table>> {
        let early = |columns: &mut Vec<Column>| {
            let closes = columns.iter().find(|column| column.role == Role::Close);
            let Some(close) = closes.map(|column| column.values.clone()) else {
                return;
            };
            // half of it is the next move, the other half of another row
            let n = close.len();
            let step = |row: usize| (close[(row + 1) % n] / close[row % n]).ln();
            let values = (0..n).map(|row| match row + 1 < n {
                true => step(row) + step((row * 7919 + n / 2) % (n - 1)),
                false => 0.0,
            });
            columns.push(Column {
                name: "planted".into(),
                role: Role::Series,
                values: values.collect(),
            });
        };
        Ok(Cow::Owned(table.altered(early)))
    }
});
