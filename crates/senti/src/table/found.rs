//! What was found while a table was made: counts, gaps, dropped columns and warnings, for people and for JSON.

use serde::Serialize;

/// What [`Table::from_rows`](super::Table::from_rows) found. Field names are a public interface (`senti-ai inspect --format json`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Found {
    /// Rows of the source that were kept; the table has these and the filled ones.
    pub rows: usize,
    /// Time of the first row.
    pub first: String,
    /// Time of the last row.
    pub last: String,
    /// The step as people say it: `day`, `15 minutes`.
    pub step: String,
    /// The step in milliseconds.
    pub step_ms: i64,
    /// Whether every slot of the week is open, as for a coin.
    pub continuous: bool,
    /// Which part of the week is open, as people say it (`weekdays only`); empty where every slot is.
    pub week: String,
    /// Runs of missing rows.
    pub gaps: Vec<Gap>,
    /// Rows filled forward, all together.
    pub filled: usize,
    /// Runs of rows between gaps that were too long to fill.
    pub segments: usize,
    /// Rows that repeated another one exactly.
    pub duplicates_dropped: usize,
    /// Rows whose candle was not closed yet.
    pub unfinished_dropped: usize,
    /// Rows without a closing price, which count as missing.
    pub blank_dropped: usize,
    /// Columns left out, and why.
    pub dropped: Vec<Dropped>,
    /// Anything a careful reader should know.
    pub warnings: Vec<String>,
}

/// A run of missing rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The last row before it.
    pub after: String,
    /// The first row behind it.
    pub before: String,
    /// Missing steps.
    pub missing: usize,
    /// Whether it was short enough to be filled; otherwise it splits the series.
    pub filled: bool,
}

/// A column that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Its name in the source.
    pub column: String,
    /// Why.
    pub reason: String,
}

impl Dropped {
    /// This column, for this reason.
    pub fn new(column: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            column: column.into(),
            reason: reason.into(),
        }
    }
}
