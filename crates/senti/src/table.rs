//! The table: time and named columns of one asset, valid once it exists.
//!
//! In come raw rows as a source read them ([`Rows`]); out goes a [`Table`] whose time is UTC, strictly rising and on a detected
//! [`Calendar`], whose prices are positive and consistent, whose short gaps are filled and counted and whose long gaps split it into
//! segments. Nothing here opens a file.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;

/// Milliseconds since 1970-01-01T00:00:00Z. The time of a row is the opening time of its candle.
pub type Time = i64;

/// What a column means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// First price of the candle.
    Open,
    /// Highest price of the candle.
    High,
    /// Lowest price of the candle.
    Low,
    /// Last price of the candle: the target.
    Close,
    /// Traded volume.
    Volume,
    /// Any other numeric series (sentiment, another asset, an index).
    Series,
}

/// A named column of numbers in original units; NaN where a series has no value yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name as in the source.
    pub name: String,
    /// What it means.
    pub role: Role,
    /// One value a row.
    pub values: Vec<f64>,
}

/// A valid table.
#[derive(Clone, Debug)]
pub struct Table {
    time: Vec<Time>,
    columns: Vec<Column>,
    segments: Vec<Range<usize>>,
    calendar: Calendar,
}

impl Table {
    /// Rows, filled ones included.
    pub fn n_rows(&self) -> usize {
        self.time.len()
    }

    /// Opening time of every row.
    pub fn time(&self) -> &[Time] {
        &self.time
    }

    /// All columns in the source's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The column with this role; for [`Role::Series`] the first one.
    pub fn role(&self, role: Role) -> Option<&Column> {
        self.columns.iter().find(|column| column.role == role)
    }

    /// The column with this name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Closing prices: every table has them.
    pub fn close(&self) -> &[f64] {
        &self
            .role(Role::Close)
            .expect("a table is only made with a close column")
            .values
    }

    /// Runs of rows without a long gap; no window may cross from one to the next.
    pub fn segments(&self) -> &[Range<usize>] {
        &self.segments
    }

    /// The step and the open slots of the week.
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }
}
