//! Scores of a model on windows it never saw, always beside the naive forecast on the same windows.
//!
//! Windows are walked a chunk at a time and only sums are kept: a million rows cost no more memory than a thousand.

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::calibrate::Calibration;
use crate::forecast::Predictions;
use crate::metrics::{Evaluator, Scores};
use crate::models::{CHUNK, Fitted};
use crate::observe::{Chunk, Event, Next, Observer, interrupted};
use crate::plan::LEVELS;
use crate::prepare::Preparation;
use crate::table::Time;
use crate::windows::{Window, Windows};

/// Model and naive on the test part, in original units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The model.
    pub model: Scores,
    /// Last close, with quantiles from the moves that ended before the test part.
    pub naive: Scores,
}

/// Some windows, forecast, with what came true.
pub struct Case<'c, 'a> {
    /// The windows: (n).
    pub windows: &'c [Window<'a>],
    /// Their last known closes: (n).
    pub last_close: &'c [f64],
    /// Times of the steps ahead: (n, H).
    pub times: &'c [Time],
    /// Closes that came true: (n, H).
    pub actual: &'c [f64],
    /// The forecasts.
    pub predictions: &'c mut Predictions,
}

/// Forecasts all windows in order, [`CHUNK`] at a time, until `take` wants to stop.
pub fn walk<'a>(
    windows: &Windows<'a>,
    fitted: &mut dyn Fitted,
    preparation: &Preparation,
    take: &mut dyn FnMut(Case<'_, 'a>) -> Result<Next>,
) -> Result<()> {
    let horizon = windows.horizon();
    for start in (0..windows.len()).step_by(CHUNK) {
        let labelled: Vec<_> = (start..windows.len().min(start + CHUNK))
            .map(|position| windows.get(position))
            .collect();
        let past: Vec<_> = labelled.iter().map(|labelled| labelled.window()).collect();
        let times: Vec<_> = labelled
            .iter()
            .flat_map(|labelled| labelled.future_times())
            .copied()
            .collect();
        let actual: Vec<_> = labelled
            .iter()
            .flat_map(|labelled| labelled.future())
            .copied()
            .collect();
        let mut predictions = Predictions::new(past.len(), horizon, LEVELS.len());
        fitted.predict(&past, preparation, &mut predictions)?;
        let next = take(Case {
            windows: &past,
            last_close: &past.iter().map(Window::last_close).collect::<Vec<_>>(),
            times: &times,
            actual: &actual,
            predictions: &mut predictions,
        })?;
        if next == Next::Stop {
            return Err(interrupted("forecasting the held-out windows"));
        }
    }
    Ok(())
}

/// Scores model and naive on the test windows and tells the observer every forecast.
#[allow(
    clippy::too_many_arguments,
    reason = "each is one thing, and there is one caller"
)]
pub(crate) fn evaluate(
    test: &Windows<'_>,
    fitted: &mut dyn Fitted,
    naive: &mut dyn Fitted,
    preparation: &Preparation,
    calibration: &Calibration,
    mean_move: f64,
    step: i64,
    observe: &mut Observer<'_>,
) -> Result<Evaluation> {
    let horizon = test.horizon();
    let mut model_scores = Evaluator::new(horizon, &LEVELS, mean_move);
    let mut naive_scores = Evaluator::new(horizon, &LEVELS, mean_move);
    walk(test, fitted, preparation, &mut |case| {
        calibration.apply(case.last_close, case.predictions);
        let mut rival = Predictions::new(case.windows.len(), horizon, LEVELS.len());
        naive.predict(case.windows, preparation, &mut rival)?;
        for (row, (&last_close, actual)) in case
            .last_close
            .iter()
            .zip(case.actual.chunks_exact(horizon))
            .enumerate()
        {
            for (scores, predictions) in [
                (&mut model_scores, &*case.predictions),
                (&mut naive_scores, &rival),
            ] {
                scores.add(
                    last_close,
                    actual,
                    predictions.point(row),
                    predictions.quantiles(row),
                );
            }
        }
        let origins: Vec<_> = case.windows.iter().map(Window::time).collect();
        Ok(observe(Event::Tested(Chunk {
            origins: &origins,
            times: case.times,
            last_close: case.last_close,
            actual: case.actual,
            predictions: case.predictions,
            levels: &LEVELS,
            step,
        })))
    })?;
    Ok(Evaluation {
        model: model_scores.finish(),
        naive: naive_scores.finish(),
    })
}
