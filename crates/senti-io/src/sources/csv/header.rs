//! The names of the columns: from one header line, from several, or from the shape of the rows.
//!
//! In come the header lines and some rows; out comes one name a column, no two alike.

use std::collections::{HashMap, HashSet};

use senti::{Error, Result};

use super::layout::decimal;
use super::number::{Cell, number};
use super::records::Record;
use super::time::{looks_like_date, looks_like_time, looks_like_time_of_day};
use crate::sources::printable;

/// Repeated names that are told one by one.
const TOLD: usize = 5;

/// One name a column out of one or several header lines; lines that say the same for every column say nothing.
pub(super) fn join_header(header: &[Record], n: usize, data: &[Record]) -> Vec<String> {
    // A header that is one short: the index has no name, unless the last column is only a separator at the line's end.
    let is_open_ended = data.iter().all(|record| record.get(n - 1).is_empty());
    let cell = |record: &Record, i: usize| match (record.len() < n && !is_open_ended, i) {
        (true, 0) => String::new(),
        (true, i) => clean(record.get(i - 1)),
        (false, i) => clean(record.get(i)),
    };
    let says_something = |record: &&Record| {
        let first = cell(record, 1);
        (2..n).any(|i| cell(record, i) != first)
    };
    let telling: Vec<&Record> = header
        .iter()
        .filter(|record| n <= 2 || says_something(record))
        .collect();
    let telling = if telling.is_empty() {
        header.iter().collect()
    } else {
        telling
    };
    let name = |i: usize| {
        if i == 0 && header.len() > 1 {
            return header
                .iter()
                .rev()
                .map(|record| cell(record, 0))
                .find(|name| !name.is_empty())
                .unwrap_or_default();
        }
        let parts: Vec<String> = telling
            .iter()
            .map(|record| cell(record, i))
            .filter(|name| !name.is_empty())
            .collect();
        parts.join("_")
    };
    (0..n).map(name).collect()
}

fn clean(name: &str) -> String {
    let name = name.trim().trim_start_matches('#').trim();
    printable(name.trim_matches('"'))
}

/// Names for files without a header, by the number of cells and by which one is the highest.
pub(super) fn names_by_shape(data: &[Record], n: usize) -> Result<Vec<String>> {
    let decimal = decimal(data, b',');
    let value = |record: &Record, i: usize| match number(record.get(i), decimal) {
        Cell::Number(value) => value,
        _ => f64::NAN,
    };
    let has_time_of_day = n > 2
        && data
            .iter()
            .all(|record| looks_like_time_of_day(record.get(1)) && looks_like_date(record.get(0)));
    let from = 1 + usize::from(has_time_of_day);
    // Whether column `high` is the highest and `low` the lowest of the four prices, in every row.
    let fits = |high: usize, low: usize, rounding: f64| {
        data.iter().all(|record| {
            (from..from + 4).all(|i| {
                let price = value(record, i);
                let (high, low) = (value(record, from + high), value(record, from + low));
                price.is_nan()
                    || (price <= high * (1.0 + rounding) && price >= low * (1.0 - rounding))
            })
        })
    };
    // The usual order, Bitfinex's, Coinbase's.
    let orders: [(&[&str], usize, usize); 3] = [
        (&["open", "high", "low", "close"], 1, 2),
        (&["open", "close", "high", "low"], 2, 3),
        (&["low", "high", "open", "close"], 1, 0),
    ];
    let rest: &[&str] = match n - from {
        11 => &[
            "volume",
            "close_time",
            "quote_volume",
            "trades",
            "taker_buy_base_volume",
            "taker_buy_quote_volume",
            "ignore",
        ],
        7 => &["vwap", "volume", "trades"],
        6 => &["volume", "trades"],
        5 => &["volume"],
        4 => &[],
        1 => &[],
        _ => &["?"],
    };
    let is_known = n > from + 3 && rest != ["?"] && looks_like_time(data[0].get(0));
    let order = |rounding: f64| {
        let found = orders
            .iter()
            .find(|(_, high, low)| fits(*high, *low, rounding));
        found.map(|(names, ..)| *names)
    };
    let prices: &[&str] = if n == from + 1 {
        &["close"]
    } else if let Some(names) = is_known
        .then(|| order(0.0).or_else(|| order(1e-3)))
        .flatten()
    {
        names
    } else {
        return Err(Error::data(format!(
            "the file has no header, and its {n} columns are of no known order"
        ))
        .hint("add a header line such as `date,open,high,low,close,volume`"));
    };
    let first: &[&str] = if has_time_of_day {
        &["date", "time"]
    } else {
        &["time"]
    };
    Ok([first, prices, rest]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect())
}

/// Blank names are numbered, repeated ones told apart as pandas does.
pub(super) fn unique(names: Vec<String>, warnings: &mut Vec<String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::with_capacity(names.len());
    let mut taken = HashSet::new();
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut n_repeated = 0;
    for (i, name) in names.into_iter().enumerate() {
        let name = if name.is_empty() {
            format!("column {}", i + 1)
        } else {
            name
        };
        let mut free = name.clone();
        if taken.contains(&free) {
            let n = counts.entry(name.clone()).or_default();
            while taken.contains(&free) {
                *n += 1;
                free = format!("{name}.{n}");
            }
            n_repeated += 1;
            if n_repeated <= TOLD {
                warnings.push(format!(
                    "column {} is named `{name}` as one before it is, and was named `{free}`",
                    i + 1
                ));
            }
        }
        taken.insert(free.clone());
        out.push(free);
    }
    if n_repeated > TOLD {
        let n = n_repeated - TOLD;
        warnings.push(format!(
            "{n} more repeated column {} numbered in the same way",
            if n == 1 { "name was" } else { "names were" }
        ));
    }
    out
}
