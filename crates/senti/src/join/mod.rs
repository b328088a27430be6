//! Joins: other series beside the candles, as of the time at which each value became known.
//!
//! In come a table and [`Side`]s, whose values carry the moment of their publication; out goes the table with a column for each of theirs
//! and their age. A row gets what was known when its candle closed and nothing later: a stock market's close enters after its session,
//! a month's consumer prices on their release, and on days without anything new the last known value stays, and ages. Nothing here
//! interpolates, and nothing is moved to the time that a value is about.

pub mod kinds;
pub mod rule;

pub use kinds::{KINDS, Kind};
pub use rule::{Frequency, Lag, Rule, Stamp};

use crate::table::{Column, Role, Time};
use crate::{Error, Result, Table};

const DAY: f64 = 86_400_000.0;

/// A series of its own: rows with the time that they are about, and the time from which on they were known.
///
/// ```
/// use senti::join::{Side, join};
/// use senti::table::{Column, Role, Rows, Table, TableOptions};
/// const DAY: i64 = 86_400_000;
/// let close = Column { name: "close".into(), role: Role::Close, values: vec![1.0, 2.0, 3.0, 4.0] };
/// let rows = Rows { time: vec![0, DAY, 2 * DAY, 3 * DAY], line: vec![], columns: vec![close] };
/// let (table, _) = Table::from_rows(rows, &TableOptions::default())?;
/// // About day 0, published two days later; revised a day after that.
/// let side = Side::new("cpi_age", vec![0, 0], vec![2 * DAY, 4 * DAY], vec![("cpi".into(), vec![7.0, 7.5])])?;
/// let joined = join(&table, &[side])?;
/// assert!(joined.column("cpi").unwrap().values[0].is_nan(), "the first candle closes before the release");
/// assert_eq!(joined.column("cpi").unwrap().values[1..], [7.0, 7.0, 7.5]);
/// assert_eq!(joined.column("cpi_age").unwrap().values[1..], [0.0, 1.0, 0.0]);
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Side {
    /// File and rule, in words.
    told: String,
    /// Name of the column of ages; empty for none.
    age: String,
    /// What each row is about, and since when it is known; in the order of publication.
    time: Vec<Time>,
    known: Vec<Time>,
    /// Name and one value a row; NaN where a row says nothing.
    columns: Vec<(String, Vec<f64>)>,
}

impl Side {
    /// Orders rows by publication, and within one moment by what they are about. Rows that say nothing at all are left out.
    ///
    /// Several rows about the same time are revisions: the one published last counts, from its own publication on. Two that were
    /// published together must say the same.
    pub fn new(
        age: impl Into<String>,
        time: Vec<Time>,
        known: Vec<Time>,
        columns: Vec<(String, Vec<f64>)>,
    ) -> Result<Self> {
        let n_rows = time.len();
        let uneven = |(_, values): &(String, Vec<f64>)| values.len() != n_rows;
        if known.len() != n_rows || columns.iter().any(uneven) {
            return Err(Error::internal(format!(
                "a joined series of {n_rows} rows has columns of other lengths"
            )));
        }
        let says = |row: usize| columns.iter().any(|(_, values)| !values[row].is_nan());
        let mut order: Vec<usize> = (0..n_rows).filter(|&row| says(row)).collect();
        order.sort_by_key(|&row| (known[row], time[row]));
        for pair in order.windows(2) {
            let (a, b) = (pair[0], pair[1]);
            if (known[a], time[a]) != (known[b], time[b]) {
                continue;
            }
            for (name, values) in &columns {
                let (x, y) = (values[a], values[b]);
                if x != y && !x.is_nan() && !y.is_nan() {
                    return Err(Error::data(format!(
                        "`{name}` is {x} and {y} for the same time {}, known at the same time",
                        crate::calendar::format_time(time[a], crate::features::catalog::DAY)
                    ))
                    .hint("keep one of the two rows, or name the column that says when each was published with `known=COLUMN`"));
                }
            }
        }
        let taken = |values: &[Time]| order.iter().map(|&row| values[row]).collect();
        Ok(Self {
            told: String::new(),
            age: age.into(),
            time: taken(&time),
            known: taken(&known),
            columns: columns
                .iter()
                .map(|(name, values)| {
                    (name.clone(), order.iter().map(|&row| values[row]).collect())
                })
                .collect(),
        })
    }

    /// The same, with its file and its rule in words, for reports.
    #[must_use]
    pub fn told(mut self, text: impl Into<String>) -> Self {
        self.told = text.into();
        self
    }

    /// File and rule in words; empty where nobody said them.
    pub fn words(&self) -> &str {
        &self.told
    }

    /// Rows that say something.
    pub fn n_rows(&self) -> usize {
        self.time.len()
    }

    /// What each row is about.
    pub fn time(&self) -> &[Time] {
        &self.time
    }

    /// Since when each row is known; never falling.
    pub fn known(&self) -> &[Time] {
        &self.known
    }

    /// Names of the columns that a join adds, the age last.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let age = Some(self.age.as_str()).filter(|age| !age.is_empty());
        self.columns
            .iter()
            .map(|(name, _)| name.as_str())
            .chain(age)
    }

    /// The same rows with other moments of publication or other values: `change` is given what a row is about, since when it is known
    /// and its values. For audits.
    #[must_use]
    pub(crate) fn altered(&self, change: impl Fn(Time, Time, &mut [f64]) -> Time) -> Self {
        let mut other = self.clone();
        let mut values = vec![0.0; self.columns.len()];
        for row in 0..self.n_rows() {
            for (value, (_, column)) in values.iter_mut().zip(&self.columns) {
                *value = column[row];
            }
            other.known[row] = change(self.time[row], self.known[row], &mut values);
            for (value, (_, column)) in values.iter().zip(&mut other.columns) {
                column[row] = *value;
            }
        }
        let mut order: Vec<usize> = (0..self.n_rows()).collect();
        order.sort_by_key(|&row| (other.known[row], other.time[row]));
        let sorted = |times: &[Time]| order.iter().map(|&row| times[row]).collect();
        (other.time, other.known) = (sorted(&other.time), sorted(&other.known));
        for (_, column) in &mut other.columns {
            *column = order.iter().map(|&row| column[row]).collect();
        }
        other
    }
}

/// The table with the columns of the sides: in every row what was known when its candle closed.
///
/// Of the known values of a column the one that is about the latest time counts, and of its revisions the last. The age is the number of
/// days since the newest row of a side became known. Where nothing was known yet, both are NaN.
pub fn join(table: &Table, sides: &[Side]) -> Result<Table> {
    let mut names: Vec<&str> = (table.columns().iter())
        .map(|column| column.name.as_str())
        .collect();
    for name in sides.iter().flat_map(Side::names) {
        if names.contains(&name) {
            return Err(Error::input(format!(
                "there are two columns `{name}`, one of them from a joined file"
            ))
            .hint("give the joined file another name for its columns: `--join FILE,name=NAME`"));
        }
        names.push(name);
    }
    let step = table.calendar().step();
    let closes: Vec<Time> = (table.time().iter())
        .map(|time| time.saturating_add(step))
        .collect();
    let mut joined = Vec::new();
    for side in sides {
        for (name, values) in &side.columns {
            let rows = side.as_of(&closes, |row| !values[row].is_nan());
            let value = |row: Option<usize>| row.map_or(f64::NAN, |row| values[row]);
            joined.push(series(name, rows.into_iter().map(value)));
        }
        if !side.age.is_empty() {
            let rows = side.as_of(&closes, |_| true);
            let age = |(row, close): (Option<usize>, &Time)| {
                row.map_or(f64::NAN, |row| (close - side.known[row]) as f64 / DAY)
            };
            joined.push(series(&side.age, rows.into_iter().zip(&closes).map(age)));
        }
    }
    Ok(table.altered(|columns| columns.extend(joined)))
}

fn series(name: &str, values: impl Iterator<Item = f64>) -> Column {
    Column {
        name: name.to_owned(),
        role: Role::Series,
        values: values.collect(),
    }
}

impl Side {
    /// For each of these rising times the row that counts: of those known by then, the one about the latest time, published last.
    fn as_of(&self, times: &[Time], says: impl Fn(usize) -> bool) -> Vec<Option<usize>> {
        let mut next = 0;
        let mut best: Option<usize> = None;
        let mut rows = Vec::with_capacity(times.len());
        for &now in times {
            while next < self.n_rows() && self.known[next] <= now {
                // not before: a revision of the newest row takes its place, one of an older row does not
                if says(next) && best.is_none_or(|best| self.time[next] >= self.time[best]) {
                    best = Some(next);
                }
                next += 1;
            }
            rows.push(best);
        }
        rows
    }
}
