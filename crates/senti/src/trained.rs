//! Training: a history becomes features, preparation, a fitted model and its calibration.
//!
//! In comes a table whose rows are all history, but for a test part where one is held back; out goes a [`Trained`], learned on the
//! training, validation and calibration parts alone. `fit` and every fold of a backtest train here, and nowhere else.

use std::ops::Range;

use crate::artifact::{State, StateManifest};
use crate::calibrate::{Calibration, Calibrator, Locator};
use crate::doors::{Machine, target_name};
use crate::evaluation;
use crate::features::{FEATURES, FeatureOptions, FeatureSet};
use crate::forecast::Predictions;
use crate::matrix::Matrix;
use crate::models::{self, Fitted, Job, Learned, Start};
use crate::observe::{EpochRecord, Event, Next, Observer, Sizes, interrupted};
use crate::plan::{LEVELS, Plan, Target};
use crate::prepare::Preparation;
use crate::split::{Held, Split, least_windows, split};
use crate::table::Table;
use crate::windows::{Window, Windows};
use crate::{Error, Result};

/// A history made ready: which features there are, their values, and the parts.
pub struct Ground {
    /// Features, their forms learned on rows before the end of training.
    pub features: FeatureSet,
    /// Their values in every row of the table.
    pub matrix: Matrix,
    /// Origins of each part.
    pub parts: Split,
}

impl Ground {
    /// Learns which features there are, on rows that are certainly training rows, and computes them for all rows.
    ///
    /// Where training ends is known only once the windows are, and they depend on the features. So the forms are learned on rows that
    /// should lie before the end of training, and again on fewer if they turn out not to.
    pub fn prepare(
        table: &Table,
        plan: &Plan,
        held: Held,
        observe: &mut Observer<'_>,
    ) -> Result<Self> {
        let (past, ahead) = (plan.input_seq_length, plan.forecast_horizon);
        let rows = table.n_rows();
        let more = |warm_up: usize| {
            format!(
                "give at least {} rows without a long gap, or lower `--input_seq_length` or `--forecast_horizon`",
                least_windows(plan, held) + past + ahead - 1 + warm_up
            )
        };
        let longest_warm_up = FEATURES.iter().map(|feature| feature.warm_up).max();
        if rows < past + ahead {
            return Err(Error::data(format!(
                "{rows} rows cannot make a window of {past} past and {ahead} ahead"
            ))
            .hint(more(longest_warm_up.unwrap_or(0))));
        }
        if table.close().iter().all(|close| *close == table.close()[0]) {
            return Err(Error::data(format!(
                "`{}` is {} in every row, so there is nothing to learn",
                target_name(table),
                table.close()[0]
            ))
            .hint("give a price that moves, or name another column with `--target_column`"));
        }
        let test_share = match held {
            Held::Test => plan.test_share,
            Held::Nothing => 0.0,
        };
        let share = 1.0 - plan.valid_share - plan.calibration_share - test_share;
        let options = FeatureOptions {
            levels: plan.target == Target::Price,
        };
        let mut end = ((share * rows.saturating_sub(4 * ahead) as f64) as usize).max(2);
        loop {
            let features = FeatureSet::learn(table, 0..end, &options)?;
            let sized = Event::Sized {
                rows,
                features: features.len(),
            };
            if observe(sized) == Next::Stop {
                return Err(interrupted("preparing the features"));
            }
            let matrix = features.compute(table)?;
            let origins = Windows::new(table, &matrix, past, ahead).origins().clone();
            let warm_up = features.warm_up();
            if origins.is_empty() {
                let longest = table.segments().iter().map(Range::len).max().unwrap_or(0);
                return Err(Error::data(format!(
                "{longest} rows without a long gap cannot make a window of {past} past and {ahead} ahead behind {warm_up} rows of warm-up"
            ))
            .hint(more(warm_up)));
            }
            let parts = split(&origins, plan, held).map_err(|error| error.hint(more(warm_up)))?;
            let train_end = parts.train.last().map_or(0, |row| row + 1);
            if end <= train_end {
                return Ok(Self {
                    features,
                    matrix,
                    parts,
                });
            }
            end = train_end;
        }
    }

    /// Every labelled window of the table.
    pub fn windows<'a>(&'a self, table: &'a Table, plan: &Plan) -> Windows<'a> {
        Windows::new(
            table,
            &self.matrix,
            plan.input_seq_length,
            plan.forecast_horizon,
        )
    }

    /// Winsorisation and scaling, learned on the rows that the training windows look at.
    pub fn preparation(&self, plan: &Plan) -> Result<Preparation> {
        let rows = self.parts.train.past_rows(plan.input_seq_length);
        let mut preparation = Preparation::fit(&self.matrix, rows)?;
        for (column, group) in self.features.groups().iter().enumerate() {
            // a level that trends leaves the training bounds for good: winsorised, every later row would look the same
            if *group == "level" {
                preparation.unbind(column);
            }
        }
        Ok(preparation)
    }

    /// Sizes of parts and matrix.
    pub fn sizes(&self) -> Sizes {
        let (parts, matrix) = (&self.parts, &self.matrix);
        Sizes {
            train_windows: parts.train.len(),
            valid_windows: parts.valid.len(),
            calibration_windows: parts.calibration.len(),
            test_windows: parts.test.len(),
            features: matrix.n_columns(),
            rows: matrix.n_rows(),
            matrix_bytes: matrix.n_rows() * matrix.n_columns() * size_of::<f64>(),
        }
    }
}

/// What to train, on what, and where to begin.
#[derive(Clone, Copy)]
pub struct Lesson<'a> {
    /// The history.
    pub table: &'a Table,
    /// The choices.
    pub plan: &'a Plan,
    /// Features and parts of the history.
    pub ground: &'a Ground,
    /// Threads and instruction set.
    pub machine: Machine,
    /// Where to go on, for a training that was interrupted.
    pub resume: Option<&'a State>,
    /// Weights to start from.
    pub start: Start<'a>,
    /// What a checkpoint says of itself.
    pub state: &'a StateManifest,
}

/// All that was learned beside the features.
pub struct Trained {
    /// The model.
    pub fitted: Box<dyn Fitted>,
    /// Winsorisation and scaling.
    pub preparation: Preparation,
    /// Place and width of its forecasts.
    pub calibration: Calibration,
    /// One record an epoch; empty for a model without epochs.
    pub history: Vec<EpochRecord>,
    /// Epoch whose weights were kept; 0 is the untrained model.
    pub best_epoch: usize,
    /// Validation loss of the untrained model; none for a model without epochs.
    pub untrained_loss: Option<f64>,
}

impl Trained {
    /// Calibrated forecasts of windows, at most [`models::CHUNK`] of them.
    pub fn predict(&mut self, windows: &[Window<'_>], out: &mut Predictions) -> Result<()> {
        self.fitted.predict(windows, &self.preparation, out)?;
        let last_close: Vec<f64> = windows.iter().map(Window::last_close).collect();
        self.calibration.apply(&last_close, out);
        Ok(())
    }
}

/// Trains on the parts of the ground; its test part is not looked at.
pub fn train(lesson: &Lesson<'_>, observe: &mut Observer<'_>) -> Result<Trained> {
    let Lesson {
        table,
        plan,
        ground,
        ..
    } = *lesson;
    let (all, parts) = (ground.windows(table, plan), &ground.parts);
    let preparation = ground.preparation(plan)?;
    let notes: Vec<String> = ground
        .features
        .dropped()
        .iter()
        .map(|dropped| format!("`{}` is no feature: {}", dropped.name, dropped.reason))
        .collect();
    observe(Event::Prepared {
        sizes: &ground.sizes(),
        notes: &notes,
    });

    let job = Job {
        plan,
        machine: lesson.machine,
        preparation: &preparation,
        train: all.part(parts.train.clone()),
        valid: all.part(parts.valid.clone()),
        resume: lesson.resume,
        start: lesson.start,
        state: lesson.state,
    };
    let Learned {
        mut fitted,
        history,
        best_epoch,
        untrained_loss,
    } = (models::find(&plan.model_type)?.fit)(&job, observe)?;

    let held = all.part(parts.calibration.clone());
    let calibrating = |done| Event::Working {
        what: "calibrating",
        done,
        of: held.len(),
    };
    let known = all.part(
        all.origins()
            .within(0..parts.calibration.last().map_or(0, |row| row + 1)),
    );
    if fitted.settle(&held, &known, &preparation, observe)? {
        return Ok(Trained {
            fitted,
            preparation,
            calibration: Calibration::none(plan.forecast_horizon, LEVELS.len()),
            history,
            best_epoch,
            untrained_loss,
        });
    }
    let mut locator = Locator::new(plan.forecast_horizon);
    evaluation::walk(&held, fitted.as_mut(), &preparation, &mut |case| {
        locator.add(case.last_close, case.predictions, case.actual);
        Ok(observe(calibrating(locator.n_windows())))
    })?;
    let place = match plan.target {
        Target::LogReturn => locator.finish(LEVELS.len()),
        Target::Price => Calibration::none(plan.forecast_horizon, LEVELS.len()),
    };
    let mut calibrator = Calibrator::new(place, &LEVELS, held.len());
    evaluation::walk(&held, fitted.as_mut(), &preparation, &mut |case| {
        calibrator.add(case.last_close, case.predictions, case.actual);
        Ok(observe(calibrating(calibrator.n_windows())))
    })?;
    Ok(Trained {
        fitted,
        preparation,
        calibration: calibrator.finish(),
        history,
        best_epoch,
        untrained_loss,
    })
}
