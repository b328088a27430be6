//! FRED of the Federal Reserve Bank of St. Louis: any of its series, the whole history at once, oldest first.
//!
//! Without a key: `GET /graph/fredgraph.csv?id=DGS10`, lines of `observation_date,DGS10` where nothing or `.` stands for no value. With
//! `FRED_API_KEY`: `GET /fred/series/observations` at api.stlouisfed.org, `{"observations": [{"date": "2024-01-02", "value": "3.95"}, …]}`, likewise.
//! Values are as they are known today: they are revised, and published after the date they stand for ([`SERIES`]).
//! Shape: <https://fred.stlouisfed.org/docs/api/fred/series_observations.html>.

use senti::calendar::parse_time;
use senti::{Result, Time};
use serde_json::Value;

use super::caller::message;
use super::{Caller, DAY, Known, Offered, Page, Party, Row, Series, Span, date};

pub(super) const PARTY: Party = Party {
    name: "fred",
    title: "FRED",
    offers: "series of the American economy: prices, rates, yields, the dollar",
    example: "fred:CPIAUCSL",
    symbols: "the name of a series, DGS10",
    intervals: &[],
    page: 0,
    calls_per_second: 1.5,
    limit: "120 calls a minute",
    base: "https://fred.stlouisfed.org",
    url_variable: "SENTI_FRED_URL",
    key_variable: Some("FRED_API_KEY"),
    attribution: "FRED, Federal Reserve Bank of St. Louis (fred.stlouisfed.org), and the source that it names",
    is_whole: true,
    is_spans: false,
    columns,
    earliest: |_, _| date("1776-07-04"),
    ask,
};

/// Where keys are welcome.
const WITH_KEY: &str = "https://api.stlouisfed.org";

/// Series whose publication is known, and when a value is out at the latest, counted from the date that it stands under.
///
/// | series | stands under | comes out |
/// | --- | --- | --- |
/// | CPIAUCSL, CPIAUCNS, CPILFESL | first day of the month | around the 12th of the next month, the 16th at the latest: 47 days |
/// | FEDFUNDS, UNRATE | first day of the month | in the first days of the next month, the 10th at the latest: 40 days |
/// | DGS10, DGS2, DFF, VIXCLS | its day | the next working day; one more for holidays |
/// | DTWEXBGS | its day | with the week's table on the next Monday, on Tuesday after a holiday: 9 days |
const SERIES: &[(&str, Known)] = &[
    ("CPIAUCSL", Known::After(48 * DAY)),
    ("CPIAUCNS", Known::After(48 * DAY)),
    ("CPILFESL", Known::After(48 * DAY)),
    ("FEDFUNDS", Known::After(40 * DAY)),
    ("UNRATE", Known::After(40 * DAY)),
    ("DGS10", Known::WorkingDays(2)),
    ("DGS2", Known::WorkingDays(2)),
    ("DFF", Known::WorkingDays(2)),
    ("VIXCLS", Known::WorkingDays(2)),
    ("DTWEXBGS", Known::After(9 * DAY)),
];

/// Any other: late enough for the value of a quarter, which stands under its first day and comes out in the month after its last.
const OTHERWISE: Known = Known::After(125 * DAY);

fn columns(series: &Series) -> Vec<Offered> {
    let row = SERIES.iter().find(|(name, _)| *name == series.symbol);
    vec![Offered {
        name: series.symbol.to_lowercase(),
        known: row.map_or(OTHERWISE, |(_, known)| *known),
    }]
}

fn ask(caller: &Caller, span: &Span<'_>) -> Result<Page> {
    match caller.key() {
        Some(key) => documents(&caller.clone().at(WITH_KEY), span.series, key),
        None => lines(caller, span.series),
    }
}

fn push(page: &mut Page, date: Option<Time>, value: &str) -> Option<()> {
    match value.trim() {
        "" | "." => page.n_empty += 1,
        value => {
            let value: f64 = value.parse().ok().filter(|value: &f64| value.is_finite())?;
            page.rows.push(Row::single(date?, value));
        }
    }
    Some(())
}

fn lines(caller: &Caller, series: &Series) -> Result<Page> {
    let (status, text) = caller.text("/graph/fredgraph.csv", &[("id", &series.symbol)])?;
    if status != 200 {
        return Err(caller.unknown(series, ""));
    }
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header = lines.next().unwrap_or_default();
    let (first, name) = header.split_once(',').unwrap_or_default();
    if !first.to_ascii_lowercase().contains("date") || name.trim() != series.symbol {
        return Err(caller.odd("wanted lines of a date and a value"));
    }
    let mut page = Page::default();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let read = line.split_once(',');
        let read = read.and_then(|(day, value)| push(&mut page, parse_time(day).ok(), value));
        read.ok_or_else(|| caller.odd("a line is no date and value"))?;
    }
    Ok(page)
}

/// Most rows that an answer holds.
const LIMIT: usize = 100_000;

fn documents(caller: &Caller, series: &Series, key: &str) -> Result<Page> {
    let mut page = Page::default();
    for offset in (0..).step_by(LIMIT) {
        let said = caller.json(
            "/fred/series/observations",
            &[
                ("series_id", &series.symbol),
                ("api_key", key),
                ("file_type", "json"),
                ("limit", &LIMIT.to_string()),
                ("offset", &offset.to_string()),
            ],
            &[],
        )?;
        let Some(rows) = said.value.get("observations").and_then(Value::as_array) else {
            let told = message(&said.value).unwrap_or_default();
            return Err(match said.status {
                400 if told.contains("does not exist") => caller.unknown(series, told),
                400 | 404 | 422 => caller
                    .refused(told)
                    .hint("look at the key in `FRED_API_KEY`, and at the series"),
                _ => caller.odd("it has no `observations`"),
            });
        };
        for row in rows {
            let text = |name: &str| row.get(name).and_then(Value::as_str);
            let day = text("date").and_then(|day| parse_time(day).ok());
            let read = text("value").and_then(|value| push(&mut page, day, value));
            read.ok_or_else(|| caller.odd("an observation is no date and value"))?;
        }
        if rows.len() < LIMIT {
            break;
        }
    }
    Ok(page)
}
