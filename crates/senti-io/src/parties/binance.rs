//! Binance, spot market: `GET /api/v3/klines`, up to 1,000 candles an answer, oldest first, times in milliseconds.
//!
//! A row is `[openTime, "open", "high", "low", "close", "volume", closeTime, …]`; the candle of now is among them. Weeks begin on Monday.
//! Shape: <https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints>.

use senti::Result;
use serde_json::Value;

use super::caller::{message, number, whole};
use super::{Caller, Page, Party, Row, Span, candle, date};

pub(super) const PARTY: Party = Party {
    name: "binance",
    title: "Binance",
    offers: "candles of its spot market",
    example: "binance:BTCUSDT:1d",
    symbols: "a pair without a sign between, BTCUSDT",
    intervals: &[
        "1d", "1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "3d",
        "1w", "1M",
    ],
    page: 1000,
    // 6,000 units of weight a minute, 2 a call
    calls_per_second: 10.0,
    limit: "6,000 units of weight a minute, 2 a call",
    base: "https://api.binance.com",
    url_variable: "SENTI_BINANCE_URL",
    key_variable: None,
    attribution: "Binance (binance.com); its terms of use apply",
    is_whole: false,
    is_spans: false,
    columns: candle,
    earliest: |_, _| date("2017-07-14"),
    ask,
};

fn ask(caller: &Caller, span: &Span<'_>) -> Result<Page> {
    let interval = span.series.interval;
    let said = caller.json(
        "/api/v3/klines",
        &[
            ("symbol", &span.series.symbol),
            ("interval", interval.name()),
            ("startTime", &span.from.to_string()),
            ("endTime", &(span.until - 1).to_string()),
            ("limit", &PARTY.page.to_string()),
        ],
        &[],
    )?;
    let Value::Array(rows) = &said.value else {
        let told = message(&said.value).unwrap_or_default();
        return Err(match said.value.get("code").and_then(Value::as_i64) {
            Some(-1121 | -1100) => caller.unknown(span.series, told),
            Some(_) => caller.refused(told),
            None => caller.odd("wanted a list of candles"),
        });
    };
    let read = |row: &Value| {
        let mut values = [0.0; 5];
        for (i, value) in values.iter_mut().enumerate() {
            *value = number(row.get(i + 1)?)?;
        }
        let time = whole(row.get(0)?)?;
        Some(Row { time, values })
    };
    let read = |row| read(row).ok_or_else(|| caller.odd("a candle lacks a time or a number"));
    let rows = rows.iter().map(read).collect::<Result<Vec<_>>>()?;
    let last = rows.iter().map(|row| row.time).max();
    let more = last.filter(|_| rows.len() >= PARTY.page);
    Ok(Page {
        next: more.map(|last| interval.close(last)),
        rows,
        n_empty: 0,
    })
}
