//! The table: time and named columns of one asset, valid once it exists.
//!
//! In come raw rows as a source read them ([`Rows`]); out goes a [`Table`] whose time is UTC, strictly rising and on a detected
//! [`Calendar`], whose prices are positive and consistent, whose short gaps are filled and counted and whose long gaps split it into
//! segments. Nothing here opens a file.

mod found;
mod prices;
mod roles;
mod rows;

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::calendar::Calendar;
use crate::error::{Error, Result};

pub use found::{Dropped, Found, Gap};
pub use roles::{Assignment, infer_roles, nearest_name, plain_role};
pub use rows::{Rows, TableOptions, default_fill};

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

impl Role {
    /// Name as in JSON and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Role::Open => "open",
            Role::High => "high",
            Role::Low => "low",
            Role::Close => "close",
            Role::Volume => "volume",
            Role::Series => "series",
        }
    }

    /// Whether values are prices of the target.
    pub fn is_price(self) -> bool {
        matches!(self, Role::Open | Role::High | Role::Low | Role::Close)
    }
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
///
/// ```
/// use senti::table::{Column, Role, Rows, Table, TableOptions};
/// const DAY: i64 = 86_400_000;
/// let close = Column { name: "close".into(), role: Role::Close, values: vec![10.0, 11.0, 12.0, 13.0] };
/// // The third day is missing.
/// let rows = Rows { time: vec![0, DAY, 3 * DAY, 4 * DAY], line: vec![], columns: vec![close] };
/// let (table, found) = Table::from_rows(rows, &TableOptions::default())?;
/// assert_eq!(table.close(), [10.0, 11.0, 11.0, 12.0, 13.0]);
/// assert_eq!((found.rows, found.filled, found.step.as_str()), (4, 1, "day"));
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    time: Vec<Time>,
    columns: Vec<Column>,
    segments: Vec<Range<usize>>,
    calendar: Calendar,
}

impl Table {
    /// Checks, orders and fills raw rows, and tells what it found. Values are moved, not copied.
    pub fn from_rows(rows: Rows, options: &TableOptions) -> Result<(Self, Found)> {
        rows::build(rows, options)
    }

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

    /// The first `row` rows (all of them where there are fewer), with the same calendar: what was known before that row.
    #[must_use]
    pub fn until(&self, row: usize) -> Self {
        self.cut(0..row.min(self.n_rows()))
    }

    /// The rows from `row` on, with the same calendar: the recent past.
    #[must_use]
    pub fn since(&self, row: usize) -> Self {
        self.cut(row.min(self.n_rows())..self.n_rows())
    }

    /// The same rows with other values, which are not checked again: what an audit compares the pipeline's answers on.
    pub(crate) fn altered(&self, alter: impl FnOnce(&mut Vec<Column>)) -> Self {
        let mut other = self.clone();
        alter(&mut other.columns);
        let n_rows = other.n_rows();
        assert!(
            other
                .columns
                .iter()
                .all(|column| column.values.len() == n_rows),
            "one value a row"
        );
        other
    }

    fn cut(&self, rows: Range<usize>) -> Self {
        let part = |column: &Column| Column {
            name: column.name.clone(),
            role: column.role,
            values: column.values[rows.clone()].to_vec(),
        };
        let shifted = |segment: &Range<usize>| {
            let (start, end) = (segment.start.max(rows.start), segment.end.min(rows.end));
            (start < end).then(|| start - rows.start..end - rows.start)
        };
        Self {
            time: self.time[rows.clone()].to_vec(),
            columns: self.columns.iter().map(part).collect(),
            segments: self.segments.iter().filter_map(shifted).collect(),
            calendar: self.calendar.clone(),
        }
    }

    /// The same table with another target: its column becomes the close, columns named like it become open, high, low and volume,
    /// and the former ones become series.
    pub fn with_target(mut self, target: &str) -> Result<Self> {
        let names: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        let roles = infer_roles(&names, Some(target), &[])?.roles;
        for (column, role) in self.columns.iter_mut().zip(roles) {
            column.role = role.unwrap_or(Role::Series);
        }
        let close = self.close();
        if let Some(row) = close.iter().position(|value| value.is_nan()) {
            let time = self.calendar.format(self.time[row]);
            return Err(Error::data(format!(
                "`{target}` cannot be the target: it has no value at {time}"
            )));
        }
        prices::check(&self.time, &self.columns, &self.calendar, |row| {
            format!("row {}", row + 1)
        })?;
        Ok(self)
    }
}
