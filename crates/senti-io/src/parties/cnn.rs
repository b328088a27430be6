//! CNN's Fear & Greed index of the American stock market: `GET /index/fearandgreed/graphdata/{first day}`, unofficial, oldest first.
//!
//! The answer has `{"fear_and_greed_historical": {"data": [{"x": 1600646400000.0, "y": 61.5, "rating": "greed"}, …]}}` among other indices. The newest
//! point is the index of now and moves until its day is over. Days before 2020-09-21 are refused, and so are programs that do not name
//! themselves like a browser (418). Shape: known from common use, there is no documentation.

use senti::Result;

use super::caller::{number, whole};
use super::{Caller, DAY, Known, Offered, Page, Party, Row, Span, date};

pub(super) const PARTY: Party = Party {
    name: "cnn_fear_greed",
    title: "CNN",
    offers: "the Fear & Greed index of the American stock market, daily since 2020-09-21",
    example: "cnn_fear_greed",
    symbols: "",
    intervals: &["1d"],
    page: 0,
    calls_per_second: 1.0,
    limit: "an unknown number of calls",
    base: "https://production.dataviz.cnn.io",
    url_variable: "SENTI_CNN_URL",
    key_variable: None,
    attribution: "Fear & Greed Index by CNN Business (cnn.com), for personal use",
    is_whole: true,
    is_spans: false,
    columns: |_| {
        vec![Offered {
            name: "cnn_fear_greed".to_owned(),
            known: Known::AtClose,
        }]
    },
    earliest: |_, _| date(FIRST),
    ask,
};

const FIRST: &str = "2020-09-21";
const AGENT: &str = concat!(
    "Mozilla/5.0 (compatible; senti-ai/",
    env!("CARGO_PKG_VERSION"),
    ")"
);

fn ask(caller: &Caller, _: &Span<'_>) -> Result<Page> {
    let path = format!("/index/fearandgreed/graphdata/{FIRST}");
    let said = caller.json(&path, &[], &[("user-agent", AGENT)])?;
    let rows = (said.value.get("fear_and_greed_historical"))
        .and_then(|history| history.get("data")?.as_array())
        .ok_or_else(|| caller.odd("it has no `fear_and_greed_historical.data`"))?;
    let mut page = Page::default();
    for row in rows {
        let time = row.get("x").and_then(whole);
        let time = time.ok_or_else(|| caller.odd("a point has no time `x`"))?;
        match row.get("y").and_then(number) {
            Some(value) => {
                let day = time.div_euclid(DAY) * DAY;
                page.rows.push(Row::single(day, value));
            }
            None => page.n_empty += 1,
        }
    }
    Ok(page)
}
