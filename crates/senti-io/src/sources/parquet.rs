//! Parquet.
use super::{Reading, Request};
use senti::{Error, Result};
use std::fs::File;
pub(super) fn read(_: File, _: &Request, _: String) -> Result<Reading> {
    Err(Error::unsupported("reading Parquet is not there yet"))
}
