//! Kraken: `GET /0/public/OHLC`, the newest 720 candles whatever is asked for, oldest first, times in seconds.
//!
//! The answer is `{"error": [], "result": {"XXBTZUSD": [[time, "open", "high", "low", "close", "vwap", "volume", count], …], "last": …}}`:
//! its key is Kraken's own name of the pair, errors come with status 200, and the last row is the candle of now.
//! Shape: <https://docs.kraken.com/api/docs/rest-api/get-ohlc-data>.

use senti::{Error, Result};
use serde_json::Value;

use super::caller::{number, whole};
use super::{Caller, Page, Party, Row, Span, candle};

pub(super) const PARTY: Party = Party {
    name: "kraken",
    title: "Kraken",
    offers: "the newest 720 candles of its spot market",
    example: "kraken:XBTUSD:1d",
    symbols: "a pair, XBTUSD",
    intervals: &["1d", "1m", "5m", "15m", "30m", "1h", "4h", "1w"],
    page: 720,
    calls_per_second: 0.8,
    limit: "about 1 call a second",
    base: "https://api.kraken.com",
    url_variable: "SENTI_KRAKEN_URL",
    key_variable: None,
    attribution: "Kraken (kraken.com); its terms of service apply",
    is_whole: false,
    is_spans: false,
    columns: candle,
    // the one of now is among the 720
    earliest: |series, now| {
        let length = series.interval.usual();
        now.div_euclid(length) * length - 719 * length
    },
    ask,
};

fn ask(caller: &Caller, span: &Span<'_>) -> Result<Page> {
    let minutes = span.series.interval.usual() / 60_000;
    let said = caller.json(
        "/0/public/OHLC",
        &[
            ("pair", &span.series.symbol),
            ("interval", &minutes.to_string()),
            // rows after this moment: one second earlier, so that the first one is among them
            ("since", &(span.from.div_euclid(1000) - 1).to_string()),
        ],
        &[],
    )?;
    let errors = said.value.get("error").and_then(Value::as_array);
    if let Some(error) = errors.and_then(|errors| errors.first()) {
        let told = error.as_str().unwrap_or_default();
        return Err(match told {
            _ if told.starts_with("EQuery:Unknown asset pair") => caller.unknown(span.series, told),
            _ if told.contains("Rate limit") || told.contains("Too many requests") => {
                Error::remote(format!(
                    "Kraken was asked too often: `{told}`; it allows {}",
                    PARTY.limit
                ))
                .hint("try again in some minutes")
            }
            _ => caller.refused(told),
        });
    }
    let result = said.value.get("result").and_then(Value::as_object);
    let result = result.ok_or_else(|| caller.odd("it has no `result`"))?;
    let rows = result.iter().find(|(name, _)| *name != "last");
    let rows = rows.and_then(|(_, rows)| rows.as_array());
    let rows = rows.ok_or_else(|| caller.odd("`result` has no candles"))?;
    let read = |row: &Value| {
        let at = |i: usize| number(row.get(i)?);
        Some(Row {
            time: whole(row.get(0)?)?.checked_mul(1000)?,
            values: [at(1)?, at(2)?, at(3)?, at(4)?, at(6)?],
        })
    };
    let read = |row| read(row).ok_or_else(|| caller.odd("a candle lacks a time or a number"));
    Ok(Page {
        rows: rows.iter().map(read).collect::<Result<Vec<_>>>()?,
        next: None,
        n_empty: 0,
    })
}
