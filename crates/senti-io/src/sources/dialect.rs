//! What was recognised in a source, for people and for JSON.

use std::fmt;

use senti::Role;
use serde::Serialize;

/// How a source writes its table. Field names are a public interface (`senti-ai inspect --format json`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dialect {
    /// `csv` or `parquet`.
    pub format: String,
    /// `gzip` or `zstd`.
    pub compression: Option<String>,
    /// `utf-8`, `utf-8 with byte-order mark`, `utf-16le` …; empty for Parquet.
    pub encoding: String,
    /// Between cells.
    pub delimiter: Option<char>,
    /// Before the fraction of a number.
    pub decimal: Option<char>,
    /// Lines of the header; 0 where columns are known by their shape.
    pub header_lines: usize,
    /// Lines before the header or between rows that hold no data (comments, an address).
    pub skipped_lines: usize,
    /// Name of the column of times (two for a date and a time of day).
    pub time_column: String,
    /// How times are written: `unix milliseconds`, `year-month-day`, `day/month/year`.
    pub time_format: String,
    /// Whether times have a time of day; only for the sentence.
    #[serde(skip)]
    pub with_clock: bool,
    /// `oldest first`, `newest first`, `unsorted`.
    pub order: String,
    /// The columns of the table, and what they mean.
    pub columns: Vec<ColumnRole>,
}

/// A column and its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnRole {
    /// Its name in the source.
    pub name: String,
    /// What it means.
    pub role: Role,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(compression) = &self.compression {
            write!(f, "{compression} ")?;
        }
        if self.format != "csv" {
            write!(f, "{}", self.format)?;
        } else {
            let delimiter = match self.delimiter {
                Some(',') => "comma",
                Some(';') => "semicolon",
                Some('\t') => "tab",
                Some('|') => "bar",
                _ => "plain",
            };
            write!(f, "{delimiter} CSV")?;
            if self.decimal == Some(',') {
                write!(f, " with decimal comma")?;
            }
            if self.header_lines == 0 {
                write!(f, " without header")?;
            }
        }
        let format = match self.time_format.as_str() {
            "year-month-day" if self.with_clock => "ISO 8601",
            format => format,
        };
        write!(f, ", {format} times in `{}`", self.time_column)?;
        if self.order != "oldest first" {
            write!(f, ", {}", self.order)?;
        }
        Ok(())
    }
}
