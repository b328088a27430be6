//! The crypto Fear & Greed index of alternative.me: `GET /fng/?limit=0`, all of it at once, newest first, everything as text.
//!
//! A row is `{"value": "40", "value_classification": "Fear", "timestamp": "1551157200"}`. Values are from 0 (fear) to 100 (greed), one a day since
//! 2018-02-01; a few days are missing. The index of a day is computed from the days before it and published early on that day.
//! Shape: <https://alternative.me/crypto/fear-and-greed-index/#api>.

use senti::Result;
use serde_json::Value;

use super::caller::{number, whole};
use super::{Caller, DAY, Known, Offered, Page, Party, Row, Span, date};

pub(super) const PARTY: Party = Party {
    name: "fear_greed",
    title: "alternative.me",
    offers: "the crypto Fear & Greed index, daily since 2018-02-01",
    example: "fear_greed",
    symbols: "",
    intervals: &[],
    page: 0,
    calls_per_second: 1.0,
    limit: "60 calls a minute",
    base: "https://api.alternative.me",
    url_variable: "SENTI_FEAR_GREED_URL",
    key_variable: None,
    attribution: "Crypto Fear & Greed Index by alternative.me; name it beside the data",
    is_whole: true,
    is_spans: false,
    columns: |_| {
        vec![Offered {
            name: "fear_greed".to_owned(),
            // published soon after midnight today, at five in the morning in its documentation
            known: Known::After(DAY / 4),
        }]
    },
    earliest: |_, _| date("2018-02-01"),
    ask,
};

fn ask(caller: &Caller, _: &Span<'_>) -> Result<Page> {
    let said = caller.json("/fng/", &[("limit", "0"), ("format", "json")], &[])?;
    let rows = said.value.get("data").and_then(Value::as_array);
    let rows = rows.ok_or_else(|| caller.odd("it has no `data`"))?;
    let mut page = Page::default();
    for row in rows.iter().rev() {
        let time = row.get("timestamp").and_then(whole);
        let time = time.and_then(|time| time.checked_mul(1000));
        let time = time.ok_or_else(|| caller.odd("a row has no `timestamp`"))?;
        match row.get("value").and_then(number) {
            Some(value) => {
                let day = time.div_euclid(DAY) * DAY;
                page.rows.push(Row::single(day, value));
            }
            None => page.n_empty += 1,
        }
    }
    Ok(page)
}
