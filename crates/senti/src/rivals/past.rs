//! The recent past of a price, as far as finished moves need it.
//!
//! In come candles; out go the cumulative log returns that have just come true, one a step ahead. No move across a long gap is ever
//! among them.

use std::collections::VecDeque;

use super::Candle;

/// Candles before the first origin whose moves are counted: sixty returns are what the first volatility is taken from.
pub(super) const START: usize = 60;

/// Finished moves, at the longest step, below which nobody forecasts: fewer have no 5 % quantile.
pub(super) const FEWEST: usize = 20;

/// A move that has come true with the latest candle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Move {
    /// Steps ahead, counted from 0: the move took one more.
    pub(super) step: usize,
    /// Cumulative log return.
    pub(super) log_return: f64,
}

/// Log closes of the latest horizon + 1 candles since the last long gap.
#[derive(Clone, Debug)]
pub(super) struct Past {
    horizon: usize,
    /// Candles seen, in all segments.
    rows: usize,
    logs: VecDeque<f64>,
}

impl Past {
    pub(super) fn new(horizon: usize) -> Self {
        Self {
            horizon,
            rows: 0,
            logs: VecDeque::with_capacity(horizon + 2),
        }
    }

    /// Takes a candle in.
    pub(super) fn see(&mut self, candle: &Candle) {
        if candle.after_gap {
            self.logs.clear();
        }
        self.logs.push_back(candle.close.ln());
        if self.logs.len() > self.horizon + 1 {
            self.logs.pop_front();
        }
        self.rows += 1;
    }

    /// Candles seen.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Log return of the latest candle; none for the first one and behind a long gap.
    pub(super) fn log_return(&self) -> Option<f64> {
        let n = self.logs.len();
        (n > 1).then(|| self.logs[n - 1] - self.logs[n - 2])
    }

    /// Moves that end with the latest candle and began at row `first` or later, the shortest first.
    pub(super) fn finished(&self, first: usize) -> impl Iterator<Item = Move> + '_ {
        let now = self.logs.len().saturating_sub(1);
        let old_enough = self.rows.saturating_sub(1).saturating_sub(first);
        (0..now.min(old_enough)).map(move |step| Move {
            step,
            log_return: self.logs[now] - self.logs[now - step - 1],
        })
    }
}

/// One number for each recent candle, so that what was issued at an origin is known when its move has come true.
#[derive(Clone, Debug, Default)]
pub(super) struct Issued<T>(VecDeque<T>);

impl<T> Issued<T> {
    /// Takes in what is issued at the latest candle; `after_gap` forgets what was issued before, `horizon` is how long it is wanted.
    pub(super) fn push(&mut self, value: T, after_gap: bool, horizon: usize) {
        if after_gap {
            self.0.clear();
        }
        self.0.push_back(value);
        if self.0.len() > horizon + 1 {
            self.0.pop_front();
        }
    }

    /// What was issued `ago` candles before the latest one.
    pub(super) fn ago(&self, ago: usize) -> Option<&T> {
        self.0.len().checked_sub(ago + 1).map(|at| &self.0[at])
    }
}
