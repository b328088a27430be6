//! A series of a party on the network, out of the file that [`crate::fetch`] keeps it in.
//!
//! In comes a request whose source is the series and whose path is that file; out goes a reading named after the series. Nothing is
//! fetched here: bringing the file up to date comes first, and is somebody else's decision.

use senti::{Error, Result};

use super::{Reading, Request, local};
use crate::parties::Series;

pub(super) fn read(request: &Request) -> Result<Reading> {
    let series = Series::parse(request.source.as_deref().unwrap_or_default())?;
    if request.path.is_none() {
        return Err(
            Error::input(format!("there are no rows of {series} on this machine"))
                .hint(format!("`senti-ai fetch {series}` brings them")),
        );
    }
    let columns = series.columns();
    // a single series is its own target
    let target = (columns.iter().all(|column| column.name != "close"))
        .then(|| columns.first().map(|column| column.name.clone()))
        .flatten();
    let mut reading = local::read(&Request {
        target_column: request.target_column.clone().or(target),
        ..request.clone()
    })?;
    reading.origin = series.to_string();
    Ok(reading)
}
