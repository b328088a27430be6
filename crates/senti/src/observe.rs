//! What a long job tells while it runs. The job emits events; the observer prints, logs, saves or asks to stop.

use serde::{Deserialize, Serialize};

use crate::artifact::{Artifact, State};
use crate::backtest::FoldForecast;
use crate::forecast::Predictions;
use crate::table::Time;
use crate::{Error, ErrorKind};

/// Called for every event; the answer may stop the job after the current batch.
pub type Observer<'a> = dyn FnMut(Event<'_>) -> Next + 'a;

/// What the observer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Go on.
    Continue,
    /// Stop after this batch or chunk of windows; a training by epochs leaves a state to resume from.
    Stop,
}

/// The error of a job that stopped because the observer wanted it to.
pub(crate) fn interrupted(what: &str) -> Error {
    Error::new(ErrorKind::Interrupted, format!("stopped while {what}"))
}

/// One epoch of the history: `history.csv` without the wall clock, which the observer adds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// 1 is the first.
    pub epoch: usize,
    /// Mean training loss, dropout included.
    pub train_loss: f64,
    /// Mean validation loss.
    pub valid_loss: f64,
    /// Learning rate of this epoch.
    pub learning_rate: f64,
}

/// Sizes of the parts, known once the table is split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// Windows of each part.
    pub train_windows: usize,
    /// Windows for early stopping.
    pub valid_windows: usize,
    /// Windows for the intervals.
    pub calibration_windows: usize,
    /// Windows touched once.
    pub test_windows: usize,
    /// Columns of the feature matrix.
    pub features: usize,
    /// Rows of the feature matrix.
    pub rows: usize,
    /// Bytes of the feature matrix.
    pub matrix_bytes: usize,
}

/// News from a running job.
pub enum Event<'a> {
    /// The features are known and nothing of the matrix's size is made yet: [`crate::memory::needs`] can say what the job will take.
    Sized {
        /// Rows of the feature matrix.
        rows: usize,
        /// Its columns.
        features: usize,
    },
    /// The table is split and prepared; training is about to begin.
    Prepared {
        /// Windows and features.
        sizes: &'a Sizes,
        /// Feature columns dropped, with reasons, and other notes for the reader.
        notes: &'a [String],
    },
    /// The untrained model has been looked at: it is epoch 0, and training must beat it.
    Untrained {
        /// Its mean validation loss.
        valid_loss: f64,
    },
    /// Something without epochs goes on: fitting a ridge, forecasting a part.
    Working {
        /// What, as a person would say it: `calibrating`.
        what: &'static str,
        /// Windows done.
        done: usize,
        /// Windows in all.
        of: usize,
    },
    /// A backtest goes on; time left can be told from it.
    Walking {
        /// Folds done, with the parts of those in work.
        done: f64,
        /// Folds in all, of all models.
        of: usize,
    },
    /// A fold of a backtest is done; kept, it need not be learned again.
    Fold(&'a FoldForecast),
    /// A batch is done.
    Batch {
        /// 1 is the first.
        epoch: usize,
        /// 1 is the first.
        batch: usize,
        /// Batches of an epoch.
        batches: usize,
        /// Windows of an epoch.
        windows: usize,
        /// Mean training loss of the epoch so far.
        loss: f64,
        /// Everything that a resumed run needs; making it changes nothing.
        state: &'a dyn Fn() -> State,
    },
    /// An epoch is done; `state` makes the checkpoint when the observer wants one.
    Epoch {
        /// Losses and rate.
        record: EpochRecord,
        /// Is it the best so far?
        best: bool,
        /// Most epochs that the plan allows.
        epochs: usize,
        /// Training ends with it.
        last: bool,
        /// Everything that a resumed run needs.
        state: &'a dyn Fn() -> State,
    },
    /// The job stops in the middle of an epoch because the observer asked for it.
    Interrupted {
        /// Everything that a resumed run needs.
        state: &'a dyn Fn() -> State,
    },
    /// Some test windows are forecast; emitted in order, a chunk at a time.
    Tested(Chunk<'a>),
    /// Everything is learned; the artifact is complete.
    Finished(&'a Artifact),
}

/// A chunk of forecast test windows with what came true. Rows are windows.
#[derive(Clone, Copy)]
pub struct Chunk<'a> {
    /// Time of each origin: (n).
    pub origins: &'a [Time],
    /// Times of the steps ahead: (n, H).
    pub times: &'a [Time],
    /// Last known close: (n).
    pub last_close: &'a [f64],
    /// Closes that came true: (n, H).
    pub actual: &'a [f64],
    /// Forecasts in prices.
    pub predictions: &'a Predictions,
    /// Levels of the quantiles.
    pub levels: &'a [f64],
    /// Milliseconds of a step.
    pub step: i64,
}
