//! Coinbase Exchange: `GET /products/{pair}/candles`, up to 300 candles an answer, newest first, times in seconds.
//!
//! A row is `[time, low, high, open, close, volume]`: low and high come before open and close. Both ends must be given, or both are
//! ignored; candles without a trade are missing; an answer may hold candles before its start.
//! Shape: <https://docs.cdp.coinbase.com/exchange/reference/exchangerestapi_getproductcandles>.

use senti::calendar::format_time;
use senti::{Result, Time};
use serde_json::Value;

use super::caller::{message, number, whole};
use super::{Caller, Page, Party, Row, Span, candle, date};
use crate::http::address::encode;

pub(super) const PARTY: Party = Party {
    name: "coinbase",
    title: "Coinbase",
    offers: "candles of Coinbase Exchange",
    example: "coinbase:BTC-USD:1d",
    symbols: "a pair with a hyphen, BTC-USD",
    intervals: &["1d", "1m", "5m", "15m", "1h", "6h"],
    page: 300,
    calls_per_second: 5.0,
    limit: "10 calls a second",
    base: "https://api.exchange.coinbase.com",
    url_variable: "SENTI_COINBASE_URL",
    key_variable: None,
    attribution: "Coinbase Exchange (exchange.coinbase.com); its market data terms apply",
    is_whole: false,
    is_spans: true,
    columns: candle,
    // the first day of BTC-USD
    earliest: |_, _| date("2015-07-20"),
    ask,
};

fn ask(caller: &Caller, span: &Span<'_>) -> Result<Page> {
    let length = span.series.interval.usual();
    // both ends are inclusive: 300 candles lie between them
    let last = span.from + (PARTY.page as i64 - 1) * length;
    let iso = |time: Time| format_time(time.div_euclid(1000) * 1000, 1);
    let said = caller.json(
        &format!("/products/{}/candles", encode(&span.series.symbol)),
        &[
            ("granularity", &(length / 1000).to_string()),
            ("start", &iso(span.from)),
            ("end", &iso(last.min(span.until - 1))),
        ],
        &[],
    )?;
    let Value::Array(rows) = &said.value else {
        let told = message(&said.value).unwrap_or_default();
        return Err(match said.status {
            404 => caller.unknown(span.series, told),
            400 | 422 => caller.refused(told),
            _ => caller.odd("wanted a list of candles"),
        });
    };
    let read = |row: &Value| {
        let at = |i: usize| number(row.get(i)?);
        let (low, high, open, close, volume) = (at(1)?, at(2)?, at(3)?, at(4)?, at(5)?);
        Some(Row {
            time: whole(row.get(0)?)?.checked_mul(1000)?,
            values: [open, high, low, close, volume],
        })
    };
    let read = |row| read(row).ok_or_else(|| caller.odd("a candle lacks a time or a number"));
    let rows = rows.iter().rev().map(read).collect::<Result<Vec<_>>>()?;
    Ok(Page {
        rows,
        next: Some(last + length).filter(|next| *next < span.until),
        n_empty: 0,
    })
}
