//! Where tables come from: one row of [`SOURCES`] a party.
//!
//! In comes a [`Request`]; out goes a [`Reading`]: a valid table, what was found in it, what was recognised, and a digest of it.
//! No source prints or asks the clock; the time now is part of the request.

mod bigquery;
mod bytes;
mod csv;
mod dialect;
mod join;
mod live;
mod local;
mod news;
#[cfg(feature = "parquet")]
mod parquet;
mod raw;
mod sample;

use std::path::PathBuf;

use senti::join::Side;
use senti::table::{Dropped, Found, TableOptions, nearest_name};
use senti::{Error, Result, Role, Table};
use sha2::{Digest, Sha256};

use crate::bigquery::Place;
use crate::watch::Watch;

pub use dialect::{ColumnRole, Dialect};
pub use join::{Join, Joined};
pub use news::{Item, News, NewsRequest, read_news};

/// What to read, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// A name of [`SOURCES`], or a series of a party ([`crate::parties::Series`]); `None` takes `local` where there is a path, else `sample`.
    pub source: Option<String>,
    /// The file, for `local` and for a series.
    pub path: Option<PathBuf>,
    /// The column to forecast; `None` infers it from the names.
    pub target_column: Option<String>,
    /// Roles given by the user, on top of the inferred ones.
    pub roles: Vec<(Role, String)>,
    /// Other files whose series are joined to the table, as they were known.
    pub joins: Vec<Join>,
    /// How rows become a table.
    pub table: TableOptions,
    /// Bytes that reading may take; more are refused as soon as it is known.
    pub memory: Option<u64>,
    /// Where the rows are, for `bigquery`.
    pub bigquery: Option<Place>,
    /// Whoever waits for the rows.
    pub watch: Watch,
}

impl Request {
    /// Refuses a table of so many rows that reading it would take more than it may.
    fn check_memory(&self, rows: usize, columns: usize) -> Result<()> {
        let wanted = senti::memory::reading(rows, columns);
        match self.memory.filter(|&memory| wanted > memory) {
            None => Ok(()),
            Some(memory) => Err(Error::plan(format!(
                "{rows} rows of {columns} columns take {}, `--memory` leaves {} for them",
                senti::memory::size(wanted),
                senti::memory::size(memory),
            ))
            .hint("raise `--memory`, or give a file with fewer rows or columns")),
        }
    }
}

/// A table and where it came from.
#[derive(Clone, Debug)]
pub struct Reading {
    /// The table.
    pub table: Table,
    /// Counts, gaps, dropped columns, warnings.
    pub found: Found,
    /// What was recognised in the source.
    pub dialect: Dialect,
    /// The source in words: a path, or the sample's name.
    pub origin: String,
    /// SHA-256 of times, names and values: the same data in another dialect have the same digest.
    pub digest: String,
    /// What was joined to it, one entry for each rule of publication.
    pub joined: Vec<Joined>,
    /// The joined series themselves, for an audit.
    pub sides: Vec<Side>,
}

/// A party that tables come from.
pub struct Source {
    /// Name as in `--data_source`.
    pub name: &'static str,
    /// One line for `--help`.
    pub help: &'static str,
    /// Reads a table.
    pub read: fn(&Request) -> Result<Reading>,
}

/// Every source there is.
pub const SOURCES: &[Source] = &[
    Source {
        name: "local",
        help: "a CSV or Parquet file given with --data_path",
        read: local::read,
    },
    Source {
        name: "sample",
        help: "the embedded sample: daily BTC/USD candles of 2014 to 2020",
        read: sample::read,
    },
    Source {
        name: "bigquery",
        help: "a table or a query in Google BigQuery",
        read: bigquery::read,
    },
];

/// Reads a table from the source of the request.
///
/// ```
/// use senti_io::sources::{Request, read};
/// let reading = read(&Request { source: Some("sample".into()), ..Request::default() })?;
/// assert_eq!((reading.found.rows, reading.found.step.as_str()), (1865, "day"));
/// # Ok::<(), senti::Error>(())
/// ```
pub fn read(request: &Request) -> Result<Reading> {
    let name = match (&request.source, &request.path) {
        (Some(name), _) => name.as_str(),
        (None, Some(_)) => "local",
        (None, None) => "sample",
    };
    match SOURCES.iter().find(|source| source.name == name) {
        Some(source) => join::all((source.read)(request)?, request),
        None if crate::parties::Series::is_meant(name) => join::all(live::read(request)?, request),
        None => {
            let names: Vec<&str> = SOURCES.iter().map(|source| source.name).collect();
            let error = Error::input(format!("there is no data source `{}`", printable(name)));
            Err(match nearest_name(name, &names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("choose one of {}", names.join(", "))),
            })
        }
    }
}

impl Reading {
    fn new(table: Table, found: Found, mut dialect: Dialect, origin: String) -> Self {
        let of = |column: &senti::Column| ColumnRole {
            name: column.name.clone(),
            role: column.role,
        };
        dialect.columns = table.columns().iter().map(of).collect();
        let digest = digest(&table);
        Self {
            table,
            found,
            dialect,
            origin,
            digest,
            joined: Vec::new(),
            sides: Vec::new(),
        }
    }

    /// The rows up to this time, with their own digest: what a reader saw before the source grew.
    #[must_use]
    pub fn until(mut self, last: senti::Time) -> Self {
        let rows = self.table.time().partition_point(|time| *time <= last);
        if rows < self.table.n_rows() {
            self.table = self.table.until(rows);
            self.digest = digest(&self.table);
        }
        self
    }

    /// What was read, in one line.
    pub fn summary(&self) -> String {
        let Found {
            rows,
            first,
            last,
            step,
            week,
            ..
        } = &self.found;
        let week = if week.is_empty() {
            String::new()
        } else {
            format!(" ({week})")
        };
        let mut parts = vec![
            format!("read {rows} rows {first} … {last}, step {step}{week}"),
            self.dialect.to_string(),
        ];
        let roles = self
            .table
            .columns()
            .iter()
            .filter(|column| column.role != Role::Series);
        let roles: Vec<String> = roles
            .map(|column| format!("{}=`{}`", column.role.name(), column.name))
            .collect();
        parts.push(roles.join(" "));
        let count = |n: usize, one: &str, many: &str| match n {
            0 => None,
            1 => Some(format!("1 {one}")),
            n => Some(format!("{n} {many}")),
        };
        let n_long = self.found.gaps.iter().filter(|gap| !gap.filled).count();
        let n_series = self
            .table
            .columns()
            .iter()
            .filter(|column| column.role == Role::Series)
            .count();
        parts.extend(
            [
                count(
                    n_series,
                    "more column as extra input",
                    "more columns as extra inputs",
                ),
                count(
                    self.found.filled,
                    "missing row filled",
                    "missing rows filled",
                ),
                count(n_long, "long gap", "long gaps"),
                count(
                    self.found.duplicates_dropped,
                    "duplicate dropped",
                    "duplicates dropped",
                ),
                count(
                    self.found.unfinished_dropped,
                    "unfinished candle left out",
                    "unfinished candles left out",
                ),
            ]
            .into_iter()
            .flatten(),
        );
        parts.join(", ")
    }
}

/// A name or a cell for a sentence: control characters, which a terminal would obey, are written out (`\n`, `\u{1b}`).
pub(crate) fn printable(text: &str) -> String {
    if !text.contains(is_unprintable) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if is_unprintable(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Control characters, line separators, and marks that turn the direction of writing.
fn is_unprintable(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Drops series that only count the rows, as an index written with the table does. A side of few rows may rise by one in earnest:
/// there the name must say that it is an index.
fn drop_row_numbers(columns: &mut Vec<senti::Column>, is_side: bool, dropped: &mut Vec<Dropped>) {
    let names_index = |name: &str| {
        let name = name.to_lowercase();
        name.starts_with("unnamed")
            || ["", "#", "index", "idx", "id", "no", "row", "column 1"].contains(&name.as_str())
    };
    columns.retain(|column| {
        let steps = || column.values.windows(2).map(|pair| pair[1] - pair[0]);
        let counts =
            column.values.len() > 2 && (steps().all(|s| s == 1.0) || steps().all(|s| s == -1.0));
        let is_index =
            column.role == Role::Series && counts && (!is_side || names_index(&column.name));
        if is_index {
            dropped.push(Dropped::new(&column.name, "it only numbers the rows"));
        }
        !is_index
    });
}

/// SHA-256 over names, times and values. Blank cells and zeros have one form each.
fn digest(table: &Table) -> String {
    let mut hash = Sha256::new();
    let mut block = Vec::with_capacity(1 << 16);
    let mut feed = |bytes: &[u8], last: bool| {
        block.extend_from_slice(bytes);
        if last || block.len() >= 1 << 16 {
            hash.update(&block);
            block.clear();
        }
    };
    feed(&(table.n_rows() as u64).to_le_bytes(), false);
    for time in table.time() {
        feed(&time.to_le_bytes(), false);
    }
    for column in table.columns() {
        feed(&(column.name.len() as u64).to_le_bytes(), false);
        feed(column.name.as_bytes(), false);
        for value in &column.values {
            let value = if value.is_nan() {
                f64::NAN
            } else {
                value + 0.0
            };
            feed(&value.to_bits().to_le_bytes(), false);
        }
    }
    feed(&[], true);
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
