//! CoinGecko: `GET /coins/{id}/market_chart/range`, prices and volumes, oldest first, times in milliseconds.
//!
//! The answer is `{"prices": [[time, price], …], "market_caps": …, "total_volumes": [[time, volume], …]}` in steps that CoinGecko chooses by
//! the length of the span: five minutes up to a day, hours up to 90 days, then days. A price is a moment's, so the one at the beginning of a day
//! is the close of the day before, and it is kept under the day that it closes, as exchanges date their candles; `volume` is that of the
//! 24 hours up to it. Without a paid plan the last 365 days can be had. Shape: <https://docs.coingecko.com/reference/coins-id-market-chart-range>.

use senti::{Result, Time};
use serde_json::Value;

use super::caller::{message, number, whole};
use super::{Caller, DAY, Known, Offered, Page, Party, Row, Series, Span};
use crate::http::address::encode;

pub(super) const PARTY: Party = Party {
    name: "coingecko",
    title: "CoinGecko",
    offers: "closing prices and volumes of coins over all exchanges, of the last 365 days",
    example: "coingecko:bitcoin:1d",
    symbols: "CoinGecko's name of a coin, with a currency where it is not usd: bitcoin or bitcoin/eur",
    intervals: &["1d", "1h"],
    page: 0,
    calls_per_second: 0.4,
    limit: "about 30 calls a minute with a free key, fewer without",
    base: "https://api.coingecko.com/api/v3",
    url_variable: "SENTI_COINGECKO_URL",
    key_variable: Some("COINGECKO_API_KEY"),
    attribution: "Data provided by CoinGecko (coingecko.com)",
    is_whole: false,
    is_spans: true,
    columns,
    earliest: |_, now| (now - 364 * DAY).div_euclid(DAY) * DAY,
    ask,
};

fn columns(_: &Series) -> Vec<Offered> {
    let column = |name: &str| Offered {
        name: name.to_owned(),
        known: Known::AtClose,
    };
    ["close", "volume"].map(column).into()
}

/// Longest span that is answered in hours.
const HOURLY: i64 = 89 * DAY;
/// A price that is further away from the end of its candle is not its close.
const LATE: i64 = DAY / 96;

fn ask(caller: &Caller, span: &Span<'_>) -> Result<Page> {
    let length = span.series.interval.usual();
    let end = match length < DAY {
        true => (span.from + HOURLY).min(span.until),
        false => span.until,
    };
    let (coin, currency) = span
        .series
        .symbol
        .split_once('/')
        .unwrap_or((&span.series.symbol, "usd"));
    let header = match caller.base().contains("pro-api") {
        true => "x-cg-pro-api-key",
        false => "x-cg-demo-api-key",
    };
    let headers: Vec<(&str, &str)> = caller.key().map(|key| (header, key)).into_iter().collect();
    let said = caller.json(
        &format!("/coins/{}/market_chart/range", encode(coin)),
        &[
            ("vs_currency", currency),
            // the close of the first candle lies at its end
            ("from", &((span.from + length) / 1000).to_string()),
            ("to", &((end + length - 1) / 1000).to_string()),
        ],
        &headers,
    )?;
    let list = |name: &str| said.value.get(name).and_then(Value::as_array);
    let (Some(prices), Some(volumes)) = (list("prices"), list("total_volumes")) else {
        let told = message(&said.value).unwrap_or_default();
        return Err(match said.status {
            404 => caller.unknown(span.series, told),
            400 | 422 if !told.is_empty() => caller.refused(told),
            _ => caller.odd("it has no `prices` and `total_volumes`"),
        });
    };
    let pair = |pair: &Value| -> Option<(Time, f64)> {
        let time = whole(pair.get(0)?)?;
        Some((time, number(pair.get(1)?).unwrap_or(f64::NAN)))
    };
    let read = |list: &Vec<Value>| {
        let pairs: Option<Vec<_>> = list.iter().map(pair).collect();
        pairs.ok_or_else(|| caller.odd("a point is no pair of a time and a number"))
    };
    let (prices, volumes) = (read(prices)?, read(volumes)?);
    let mut page = Page {
        next: Some(end).filter(|end| *end < span.until),
        ..Page::default()
    };
    for (i, (time, price)) in prices.iter().enumerate() {
        let end = time.div_euclid(length) * length;
        let (late, open) = (time - end, end - length);
        let taken = page.rows.last().is_some_and(|row| row.time == open);
        if late > LATE || taken {
            continue;
        }
        if price.is_nan() {
            page.n_empty += 1;
            continue;
        }
        let volume = volumes.get(i).filter(|(other, _)| other == time);
        let mut row = Row::single(open, *price);
        row.values[1] = volume.map_or(f64::NAN, |(_, volume)| *volume);
        page.rows.push(row);
    }
    Ok(page)
}
