//! Google BigQuery, spoken from Rust by REST.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `names.rs` | names of tables: taken apart, checked, quoted |
//! | `credentials.rs` | who asks |
//! | `client.rs` | the calls, and what a refusal means |
//! | `types.rs` | cells of BigQuery as columns of ours |
//! | `rows.rs` | a whole table, page by page |
//! | `query.rs` | a query: what it costs, its job, its pages |
//! | `copies.rs` | local copies of what was read |
//! | `load.rs` | writing a forecast back |
//!
//! In comes a [`Place`]; out goes a [`Frame`], or a table in BigQuery has more rows. Nothing here prints or asks the clock. Tables are
//! read by `tabledata.list`, which costs nothing; queries are priced by a dry run first and may bill no more than is allowed. Rows are
//! written by a load job, which is free and happens whole or not at all.

mod client;
mod copies;
mod credentials;
mod load;
mod names;
mod query;
mod rows;
mod types;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use senti::{Error, Result};

pub use self::client::Client;
pub use self::copies::{Copies, Mode};
pub use self::credentials::{Credentials, Scope};
pub use self::load::{About, Column, Lines, WriteMode, Written, forecast_rows, write};
pub use self::names::TableName;
pub use self::types::{Cells, Field, Frame};
use crate::watch::Watch;

/// Most bytes that a query may bill where nobody says otherwise: 10 GiB.
pub const MOST_BILLED: u64 = 10 << 30;

/// Rows of a page where nobody says otherwise.
pub const PAGE_ROWS: u64 = 50_000;

/// Where rows are, who pays for them, and what is allowed.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// The project that jobs run in, and that names without one mean.
    pub project: Option<String>,
    /// The data set that names without one mean.
    pub dataset: Option<String>,
    /// `table`, `dataset.table` or `project.dataset.table`.
    pub table: Option<String>,
    /// A query (GoogleSQL) instead of a table.
    pub query: Option<String>,
    /// Where the data are, `EU`; found out where it is not given.
    pub location: Option<String>,
    /// Most bytes that a query may bill.
    pub max_bytes_billed: Option<u64>,
    /// Rows of a page.
    pub page_rows: Option<u64>,
    /// Address of an emulator, asked without credentials, instead of Google's.
    pub emulator: Option<String>,
    /// Local copies.
    pub copies: Mode,
    /// Their folder; without it there are none.
    pub folder: Option<PathBuf>,
    /// Keeps what was read, for whoever reads the same place again in this run.
    pub memo: Option<Memo>,
}

/// What was read, kept for a second reading in the same run.
#[derive(Clone, Default)]
pub struct Memo(Arc<Mutex<Option<Fetched>>>);

impl std::fmt::Debug for Memo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memo")
    }
}

/// Rows, and where they came from in words.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The rows.
    pub frame: Frame,
    /// `bigquery table p.d.t`
    pub origin: String,
}

/// What is to be read.
enum Subject {
    Table(TableName),
    Query(String),
}

impl Place {
    /// The project that jobs run in.
    pub fn project(&self) -> Result<&str> {
        let project = self.project.as_deref().ok_or_else(|| {
            Error::input("the data source is `bigquery`, but no project is given")
                .hint("add `--gcp_project NAME`, or set `GCP_PROJECT` or `GOOGLE_CLOUD_PROJECT`")
        })?;
        names::check_project(project)?;
        Ok(project)
    }

    fn subject(&self) -> Result<Subject> {
        if let Some(query) = &self.query {
            return match query.trim() {
                "" => Err(Error::input("the query is empty").hint("give a SELECT")),
                text => Ok(Subject::Query(text.to_owned())),
            };
        }
        let table = self.table.as_deref().unwrap_or_default();
        let name = TableName::parse(table, self.project.as_deref(), self.dataset.as_deref())?;
        Ok(Subject::Table(name))
    }

    /// Reads the rows, from BigQuery or from a copy that is as new. `room` is asked with rows and columns before they are held.
    pub fn fetch(
        &self,
        watch: &Watch,
        room: &dyn Fn(usize, usize) -> Result<()>,
    ) -> Result<Fetched> {
        if let Some(Memo(memo)) = &self.memo
            && let Some(fetched) = memo.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            return Ok(fetched);
        }
        let subject = self.subject()?;
        let fetched = match (&subject, self.copies) {
            (_, Mode::Only) => self.last_copy(&subject),
            (Subject::Table(name), _) => rows::read(self, name, watch, room),
            (Subject::Query(text), _) => query::read(self, text, None, watch, room),
        }?;
        if let Some(Memo(memo)) = &self.memo {
            *memo.lock().unwrap_or_else(PoisonError::into_inner) = Some(fetched.clone());
        }
        Ok(fetched)
    }

    fn copies(&self) -> Option<Copies> {
        let folder = self.folder.clone().filter(|_| self.copies != Mode::Off)?;
        Some(Copies::at(folder))
    }

    /// What was read the last time, whatever has happened since.
    fn last_copy(&self, subject: &Subject) -> Result<Fetched> {
        let copies = self.copies().ok_or_else(|| {
            Error::input("there is no folder for copies of BigQuery's rows")
                .hint("set `XDG_CACHE_HOME` or `HOME`")
        })?;
        let (key, origin) = match subject {
            Subject::Table(name) => (rows::key(name), rows::origin(name)),
            Subject::Query(text) => (
                query::key(self.project()?, text, self.location.as_deref()),
                query::origin(text),
            ),
        };
        match copies.read(&key)? {
            Some((_, frame)) => Ok(Fetched { frame, origin }),
            None => Err(
                Error::input(format!("there is no copy of the {origin} here"))
                    .hint("read it once with `--bq_cache auto`"),
            ),
        }
    }

    fn page_rows(&self) -> u64 {
        self.page_rows.unwrap_or(PAGE_ROWS).max(1)
    }
}
