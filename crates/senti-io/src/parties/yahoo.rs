//! Yahoo Finance: `GET /v8/finance/chart/{symbol}`, unofficial, oldest first, times in seconds.
//!
//! The answer is `{"chart": {"result": [{"meta": …, "timestamp": […], "indicators": {"quote": [{"open": […], …}]}}], "error": null}}`, with
//! nulls inside. Rows of a day or more are named by the date at the exchange, which is the opening time plus `meta.gmtoffset`; that is the
//! offset of today, so two hours are added before the date is taken: daylight saving cannot move an opening across midnight then.
//! The newest row is the candle of now, at the time of its last trade. Shape: known from common use, there is no documentation.

use senti::{Result, Time};
use serde_json::Value;

use super::caller::{number, whole};
use super::{Caller, DAY, Page, Party, Row, Series, Span, candle};
use crate::http::address::encode;

pub(super) const PARTY: Party = Party {
    name: "yahoo",
    title: "Yahoo",
    offers: "candles of shares, indices, currencies, futures and coins",
    example: "yahoo:^IXIC:1d",
    symbols: "a ticker, ^IXIC or BTC-USD",
    intervals: &["1d", "1m", "2m", "5m", "15m", "30m", "1h", "1w", "1M"],
    page: 0,
    calls_per_second: 1.0,
    limit: "an unknown number of calls",
    base: "https://query1.finance.yahoo.com",
    url_variable: "SENTI_YAHOO_URL",
    key_variable: None,
    attribution: "Yahoo Finance (finance.yahoo.com), for personal use",
    is_whole: false,
    is_spans: true,
    columns: candle,
    earliest,
    ask,
};

/// An honest name that begins as a browser's does: Yahoo refuses others.
const AGENT: &str = concat!(
    "Mozilla/5.0 (compatible; senti-ai/",
    env!("CARGO_PKG_VERSION"),
    ")"
);

/// Longest span of an answer, and how far back there is anything, in days.
fn reach(series: &Series) -> Option<(i64, i64)> {
    match series.interval.name() {
        "1m" => Some((7, 29)),
        "2m" | "5m" | "15m" | "30m" => Some((59, 59)),
        "1h" => Some((729, 729)),
        _ => None,
    }
}

fn earliest(series: &Series, now: Time) -> Time {
    match reach(series) {
        Some((_, days)) => (now - days * DAY).div_euclid(DAY) * DAY + DAY,
        None => 0,
    }
}

fn ask(caller: &Caller, span: &Span<'_>) -> Result<Page> {
    let series = span.series;
    let dated = series.interval.is_dated();
    let end = match reach(series) {
        Some((days, _)) => (span.from + days * DAY).min(span.until),
        None => span.until,
    };
    // an opening may lie a day away from the midnight that its row is named by
    let slack = if dated { DAY } else { 0 };
    let name = match series.interval.name() {
        "1w" => "1wk",
        "1M" => "1mo",
        name => name,
    };
    let said = caller.json(
        &format!("/v8/finance/chart/{}", encode(&series.symbol)),
        &[
            ("period1", &((span.from - slack).max(0) / 1000).to_string()),
            ("period2", &((end + slack) / 1000).to_string()),
            ("interval", name),
            ("events", "history"),
        ],
        &[("user-agent", AGENT)],
    )?;
    let chart = said.value.get("chart");
    let chart = chart.ok_or_else(|| caller.odd("it has no `chart`"))?;
    if let Some(error) = chart.get("error").filter(|error| !error.is_null()) {
        let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
        return Err(match text("code") {
            "Not Found" => caller.unknown(series, text("description")),
            _ => caller.refused(text("description")),
        });
    }
    let result = chart.get("result").and_then(|result| result.get(0));
    let result = result.ok_or_else(|| caller.odd("`chart` has no `result`"))?;
    let next = Some(end).filter(|end| *end < span.until);
    let Some(times) = result.get("timestamp").and_then(Value::as_array) else {
        // no trade in this span
        let rows = Vec::new();
        return Ok(Page {
            rows,
            next,
            n_empty: 0,
        });
    };
    let offset = (result.get("meta")).and_then(|meta| whole(meta.get("gmtoffset")?));
    let offset = offset.unwrap_or(0).saturating_mul(1000);
    let quote = (result.get("indicators"))
        .and_then(|indicators| indicators.get("quote")?.get(0))
        .ok_or_else(|| caller.odd("it has no `quote`"))?;
    let list = |name: &str| {
        let list = quote.get(name).and_then(Value::as_array);
        let list = list.filter(|list| list.len() == times.len());
        list.ok_or_else(|| caller.odd(&format!("`{name}` is not as long as `timestamp`")))
    };
    let lists = [
        list("open")?,
        list("high")?,
        list("low")?,
        list("close")?,
        list("volume")?,
    ];
    let mut page = Page {
        next,
        ..Page::default()
    };
    for (i, time) in times.iter().enumerate() {
        let time = whole(time).and_then(|time| time.checked_mul(1000));
        let time = time.ok_or_else(|| caller.odd("a time is no number"))?;
        let time = match dated {
            true => (time + offset + DAY / 12).div_euclid(DAY) * DAY,
            false => time.div_euclid(series.interval.usual()) * series.interval.usual(),
        };
        let values = lists.map(|list| number(&list[i]).unwrap_or(f64::NAN));
        // nulls: no trade was made, or Yahoo has lost it
        if values[..4].iter().any(|value| value.is_nan()) {
            page.n_empty += 1;
        } else {
            page.rows.push(Row { time, values });
        }
    }
    Ok(page)
}
