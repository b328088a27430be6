//! Rows of a file before anything is made of them, for tables and for what is joined to one.
//!
//! In come what a reader recognised; out goes a [`Reading`], or the parts themselves. Nothing here opens a file.

use senti::table::{Assignment, Dropped, Rows, TableOptions, infer_roles};
use senti::{Result, Role, Table, Time};

use super::csv::find_column;
use super::{Dialect, Reading, Request};

/// What is wanted of a file.
pub(super) struct Ask<'a> {
    /// Roles given by the user, and the memory that reading may take.
    pub request: &'a Request,
    /// All columns are series, none is a candle's.
    pub is_side: bool,
    /// Of a side, the columns to take; all where none is named.
    pub columns: &'a [String],
    /// The column of times, where it is not to be recognised.
    pub time: Option<&'a str>,
    /// A column that says when each row was published.
    pub known: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// For a table of candles.
    pub fn table(request: &'a Request) -> Self {
        Self {
            request,
            is_side: false,
            columns: &[],
            time: None,
            known: None,
        }
    }

    /// What each of these columns of numbers is taken as.
    pub fn roles(&self, names: &[&str]) -> Result<Assignment> {
        if !self.is_side {
            let target = self.request.target_column.as_deref();
            return infer_roles(names, target, &self.request.roles);
        }
        let mut roles = vec![self.columns.is_empty().then_some(Role::Series); names.len()];
        let owned: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        for wanted in self.columns {
            roles[find_column(&owned, wanted)?] = Some(Role::Series);
        }
        Ok(Assignment {
            roles,
            dropped: Vec::new(),
            warnings: Vec::new(),
        })
    }
}

/// When rows were published, as a column of the file has it; none where it is blank.
pub(super) struct Published {
    /// Milliseconds, one a row.
    pub times: Vec<Option<Time>>,
    /// Written with a zone or as unix time; else they are on some clock.
    pub is_moment: bool,
}

/// Rows as they stand in a file.
pub(super) struct Raw {
    pub rows: Rows,
    pub dialect: Dialect,
    pub dropped: Vec<Dropped>,
    pub warnings: Vec<String>,
    /// Times are written with a zone or as unix time; else they are on some clock.
    pub is_moment: bool,
    pub known: Option<Published>,
}

impl Raw {
    /// Makes a table of them.
    pub fn table(self, options: &TableOptions, origin: String) -> Result<Reading> {
        let Self {
            rows,
            dialect,
            mut dropped,
            mut warnings,
            ..
        } = self;
        let (table, mut found) = Table::from_rows(rows, options)?;
        dropped.append(&mut found.dropped);
        found.dropped = dropped;
        warnings.append(&mut found.warnings);
        found.warnings = warnings;
        Ok(Reading::new(table, found, dialect, origin))
    }
}
