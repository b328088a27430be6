//! The backtest: forecasts of several models from the same origins, each made only from what was known then, with what came true.
//!
//! In come a table and what to walk with; out goes a [`Backtest`], from which the report card is made. Everything learned is learned
//! again in each fold, from rows before the fold alone.

mod fold;
pub mod walk;

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

pub use fold::{FoldForecast, FoldRecord};
pub use walk::{Layout, Walk};

use crate::artifact::Tensor;
use crate::doors::{Machine, mean_move};
use crate::forecast::Predictions;
use crate::metrics::{Evaluator, Scores};
use crate::observe::{Event, Next, Observer, interrupted};
use crate::plan::{LEVELS, Plan};
use crate::rivals;
use crate::table::{Table, Time};
use crate::{Error, Result};

/// The origins of a backtest and what came true after them: the same for every model. Prices are in units of the target.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Truth {
    /// Name of the target column.
    pub target: String,
    /// Milliseconds of a step of the table.
    pub step: i64,
    /// Rows from one origin to the next.
    pub stride: usize,
    /// Steps ahead (H).
    pub horizon: usize,
    /// Row of each origin in the table: (n), rising.
    pub rows: Vec<usize>,
    /// Opening time of each origin's candle, the last known one: (n).
    pub origins: Vec<Time>,
    /// Its close: (n).
    pub last_close: Vec<f64>,
    /// Opening times of the candles ahead: (n, H).
    pub times: Vec<Time>,
    /// Closes that came true: (n, H).
    pub actual: Vec<f64>,
}

impl Truth {
    /// Number of origins.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No origins.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Closes that came true after an origin: (H).
    pub fn actual(&self, origin: usize) -> &[f64] {
        &self.actual[origin * self.horizon..][..self.horizon]
    }
}

/// The forecasts of one model.
#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    /// Name of the model: a row of [`crate::models::MODELS`] or [`crate::rivals::RIVALS`], or whatever a forecast file says.
    pub model: String,
    /// (n, H) points and (n, H, Q) quantiles, in prices.
    pub predictions: Predictions,
}

/// Forecasts of several models from the same origins.
#[derive(Clone, Debug, PartialEq)]
pub struct Backtest {
    /// The origins and what came true.
    pub truth: Truth,
    /// Quantile levels, rising: (Q).
    pub levels: Vec<f64>,
    /// One track a model, on all origins.
    pub tracks: Vec<Track>,
    /// Mean absolute one-step move of the close before the first origin: the unit of MASE and RMSSE.
    pub mean_move: f64,
    /// What the folds of the trained models were, model after model.
    pub folds: Vec<FoldRecord>,
    /// What a reader should know of the walk.
    pub notes: Vec<String>,
}

impl Backtest {
    /// The origins that a fold forecast, as positions in [`Truth::origins`].
    pub fn origins_of(&self, fold: &FoldRecord) -> Range<usize> {
        let origins = &self.truth.origins;
        let first = origins.partition_point(|time| *time < fold.first_origin);
        first..origins.partition_point(|time| *time <= fold.last_origin)
    }

    /// Scores of a model on these origins alone, in units of the target; none of a model that is not here.
    pub fn scores(&self, model: &str, origins: Range<usize>) -> Option<Scores> {
        let track = self.tracks.iter().find(|track| track.model == model)?;
        let mut evaluator = Evaluator::new(self.truth.horizon, &self.levels, self.mean_move);
        for origin in origins {
            evaluator.add(
                self.truth.last_close[origin],
                self.truth.actual(origin),
                track.predictions.point(origin),
                track.predictions.quantiles(origin),
            );
        }
        Some(evaluator.finish())
    }
}

/// Folds of one model that must follow one another: one alone, or a run of them where each starts from the weights of the one before.
struct Chain {
    plan: Plan,
    folds: Vec<usize>,
}

/// What a worker reports.
enum News {
    /// So much of the fold in work is done.
    Share(usize, f64),
    Done(usize, Box<FoldForecast>),
    Failed(Error),
}

/// Walks forward over a table. Folds in `done` are taken as they are: they must come from the same table, plan and walk.
///
/// Folds are learned side by side, a thread each; the result is the same whatever the number of threads.
pub fn backtest(
    table: &Table,
    plan: &Plan,
    walk: &Walk,
    machine: Machine,
    done: Vec<FoldForecast>,
    observe: &mut Observer<'_>,
) -> Result<Backtest> {
    let layout = Layout::new(table, plan, walk)?;
    let n_folds = layout.folds.len();
    let mut results: Vec<Option<FoldForecast>> = vec![None; n_folds * layout.trained.len()];
    let slot = |model: usize, fold: usize| model * n_folds + fold;
    for forecast in done {
        let model = layout
            .trained
            .iter()
            .position(|name| *name == forecast.record.model);
        if let Some(model) = model.filter(|_| forecast.record.fold < n_folds) {
            let place = slot(model, forecast.record.fold);
            results[place] = Some(forecast);
        }
    }
    let mut chains = Vec::new();
    for (model, name) in layout.trained.iter().enumerate() {
        let plan = crate::plan::Draft {
            model_type: name.clone(),
            ..plan.draft()
        }
        .check()?;
        let missing: Vec<usize> = (0..n_folds)
            .filter(|&fold| results[slot(model, fold)].is_none())
            .collect();
        // a warm fold starts from the one before it, which may be there already
        let runs = missing.chunk_by(|a, b| walk.warm && a + 1 == *b);
        chains.extend(runs.map(|folds| {
            let chain = Chain {
                plan: plan.clone(),
                folds: folds.to_vec(),
            };
            (model, chain)
        }));
    }
    let ride = fold::Ride {
        table,
        layout: &layout,
        warm: walk.warm,
    };
    run_chains(ride, &chains, machine, &mut results, observe)?;

    let mut backtest = Backtest {
        mean_move: mean_move(table, layout.truth.rows.first().map_or(0, |row| row + 1)),
        levels: LEVELS.to_vec(),
        tracks: Vec::new(),
        folds: Vec::new(),
        notes: layout.notes.clone(),
        truth: layout.truth.clone(),
    };
    let setting = rivals::Setting {
        horizon: plan.forecast_horizon,
        season: table.calendar().season(),
    };
    for name in &layout.order {
        if let Some(model) = layout.trained.iter().position(|other| other == name) {
            let mut predictions = Predictions::new(0, plan.forecast_horizon, LEVELS.len());
            for fold in 0..n_folds {
                if let Some(forecast) = results[slot(model, fold)].take() {
                    predictions.append(forecast.predictions);
                    backtest.folds.push(forecast.record);
                }
            }
            backtest.tracks.push(Track {
                model: name.clone(),
                predictions,
            });
        } else if let Some(rival) = layout.rivals.iter().find(|rival| rival.name == name) {
            let working = Event::Working {
                what: rival.name,
                done: 0,
                of: 1,
            };
            if observe(working) == Next::Stop {
                return Err(interrupted("walking with the rivals"));
            }
            let rows = &layout.truth.rows;
            match rivals::walk(table, rival, &setting, &LEVELS, rows) {
                Ok(track) => backtest.tracks.push(track),
                // a yardstick that nobody asked for may have too few candles; the card does without
                Err(error) if !walk.models.contains(name) => backtest
                    .notes
                    .push(format!("no `{name}` to measure against: {error}")),
                Err(error) => return Err(error),
            }
        }
    }
    Ok(backtest)
}

/// Learns the chains side by side; finished folds are told to the observer as they come, and put in their places.
fn run_chains(
    ride: fold::Ride<'_>,
    chains: &[(usize, Chain)],
    machine: Machine,
    results: &mut [Option<FoldForecast>],
    observe: &mut Observer<'_>,
) -> Result<()> {
    let n_folds = ride.layout.folds.len();
    let workers = machine.threads.min(chains.len());
    if workers == 0 {
        return Ok(());
    }
    // few long chains share the threads out among themselves
    let machine = Machine {
        threads: (machine.threads / workers).max(1),
        ..machine
    };
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let mut first_weights: Vec<Option<Vec<Tensor>>> = Vec::new();
    for (model, chain) in chains {
        let before = chain.folds[0]
            .checked_sub(1)
            .map(|fold| model * n_folds + fold);
        let weights = before
            .filter(|_| ride.warm)
            .and_then(|place| results[place].as_ref());
        first_weights.push(weights.map(|forecast| forecast.weights.clone()));
    }
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, next, stop, first_weights) =
                (sender.clone(), &next, &stop, &first_weights);
            scope.spawn(move || {
                loop {
                    let position = next.fetch_add(1, Ordering::Relaxed);
                    let Some((_, chain)) = chains.get(position) else {
                        return;
                    };
                    let before = first_weights[position].clone();
                    run_chain(ride, position, chain, before, machine, stop, &sender);
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let of = results.len();
        let mut folds_done = results.iter().flatten().count();
        let mut shares = vec![0.0; chains.len()];
        let mut failure: Option<Error> = None;
        for news in receiver {
            let told = match news {
                News::Share(position, share) => {
                    shares[position] = share;
                    let done = folds_done as f64 + shares.iter().sum::<f64>();
                    observe(Event::Walking { done, of })
                }
                News::Done(position, forecast) => {
                    (shares[position], folds_done) = (0.0, folds_done + 1);
                    let place = chains[position].0 * n_folds + forecast.record.fold;
                    let told = observe(Event::Fold(&forecast));
                    let done = folds_done as f64 + shares.iter().sum::<f64>();
                    let walked = observe(Event::Walking { done, of });
                    results[place] = Some(*forecast);
                    if told == Next::Stop { told } else { walked }
                }
                News::Failed(error) => {
                    // what is asked to stop fails, too; the first to fail is the reason
                    failure = failure.or(Some(error));
                    Next::Stop
                }
            };
            if told == Next::Stop {
                stop.store(true, Ordering::Relaxed);
            }
        }
        match failure {
            Some(error) => Err(error),
            None if stop.load(Ordering::Relaxed) && folds_done < of => {
                Err(interrupted("walking forward"))
            }
            None => Ok(()),
        }
    })
}

/// Learns the folds of a chain one after the other.
fn run_chain(
    ride: fold::Ride<'_>,
    position: usize,
    chain: &Chain,
    mut before: Option<Vec<Tensor>>,
    machine: Machine,
    stop: &AtomicBool,
    sender: &Sender<News>,
) {
    for &number in &chain.folds {
        let mut watch = |event: Event<'_>| {
            if let Event::Epoch { record, epochs, .. } = event {
                // a receiver that is gone has stopped listening
                let _ = sender.send(News::Share(position, record.epoch as f64 / epochs as f64));
            }
            match stop.load(Ordering::Relaxed) {
                true => Next::Stop,
                false => Next::Continue,
            }
        };
        match fold::run(
            ride,
            &chain.plan,
            number,
            machine,
            before.as_deref(),
            &mut watch,
        ) {
            Ok(forecast) => {
                before = ride.warm.then(|| forecast.weights.clone());
                let _ = sender.send(News::Done(position, Box::new(forecast)));
            }
            Err(error) => {
                let _ = sender.send(News::Failed(error));
                return;
            }
        }
    }
}
