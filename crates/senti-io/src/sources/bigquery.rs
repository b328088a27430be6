//! Google BigQuery: not there yet, and says so.

use senti::{Error, Result};

use super::{Reading, Request};

pub(super) fn read(_: &Request) -> Result<Reading> {
    Err(Error::unsupported("reading from BigQuery is not there yet")
        .hint("export the table to CSV or Parquet and give it with `--data_path`, or use `--data_source sample`"))
}
