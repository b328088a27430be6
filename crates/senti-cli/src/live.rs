//! Series from the network: who asks, where their rows are kept, and how it is told.
//!
//! In come a series and settings; out goes a file that is up to date. Addresses and keys come from the environment and `.env`, and are
//! shown nowhere. Files are kept in the user's cache folder; what `senti-ai fetch` writes is the user's own.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use senti::calendar::{format_time, parse_time};
use senti::{Error, ErrorKind, Result, Time};
use senti_io::fetch::{Fetched, Progress, Store, Wish, fetch};
use senti_io::http::Limits;
use senti_io::http::address::encode;
use senti_io::parties::{Caller, PARTIES, Row, Series};

use crate::settings::Settings;
use crate::{env_file, interrupt, places, say, source};

/// Calls between two lines about a long fetch, where there is no bar.
const CALLS: usize = 25;

/// Names of the variables that are read here.
pub fn variables() -> impl Iterator<Item = &'static str> {
    let of = |party: &&'static senti_io::parties::Party| {
        std::iter::once(party.url_variable).chain(party.key_variable)
    };
    PARTIES.iter().flat_map(of)
}

/// Somebody who may ask the party of this series, and stops when Ctrl-C is pressed.
pub fn caller(series: &Series) -> Result<Caller> {
    let (dotenv, _) = env_file::read(Path::new(".env"), variables)?;
    let variable = |name: &str| variable(name, &dotenv);
    // a page of rows is small: who takes longer than this does not answer
    let limits = Limits {
        answer: Duration::from_secs(30),
        ..Limits::default()
    };
    let caller = Caller::new(series.party, limits, &variable)?;
    Ok(caller.stopping(interrupt::wanted))
}

fn variable(name: &str, dotenv: &BTreeMap<String, String>) -> Option<String> {
    let own = std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
    own.filter(|text| !text.trim().is_empty())
        .or_else(|| dotenv.get(name).cloned())
}

/// A date of an option that has been looked at.
pub fn date(settings: &Settings, name: &str) -> Option<Time> {
    settings.text(name).and_then(|text| parse_time(text).ok())
}

/// The file in the cache: another one for another beginning, and for another server.
fn kept(series: &Series, caller: &Caller, from: Option<Time>) -> Result<Store> {
    let mut name = series.file_stem();
    if let Some(from) = from {
        name += &format!("_from_{}", encode(&format_time(from, 86_400_000)));
    }
    if caller.base() != series.party.base {
        name += &format!("_at_{}", encode(caller.base()));
    }
    Ok(Store::new(folder()?.join(name + ".csv")))
}

/// The folder of fetched rows.
fn folder() -> Result<PathBuf> {
    let cache = places::cache().map(|cache| cache.join("data"));
    cache.ok_or_else(|| {
        Error::input("there is no folder to keep fetched rows in").hint(
            "set `XDG_CACHE_HOME`, or `senti-ai fetch` into a file and give it with `--data_path`",
        )
    })
}

/// The file in the cache that holds the series, brought up to date unless `--offline` is given.
pub fn refresh(series: &Series, settings: &Settings) -> Result<PathBuf> {
    let caller = caller(series)?;
    let from = date(settings, "from");
    let store = kept(series, &caller, from)?;
    if settings.switch("offline") {
        if store.exists() {
            say::note(&format!("{series}: as it was fetched last (`--offline`)"));
            return Ok(store.path().to_path_buf());
        }
        return Err(
            Error::input(format!("there are no rows of {series} on this machine"))
                .hint("leave `--offline` out once, so that they can be fetched"),
        );
    }
    let wish = Wish {
        series: series.clone(),
        from,
        until: None,
        now: source::now(),
    };
    match bring(&caller, &wish, &store) {
        Ok(fetched) => {
            say::note(&format!("{series}: {}", sentence(&fetched, series)));
            Ok(store.path().to_path_buf())
        }
        Err(error) if store.exists() && error.kind() == ErrorKind::Remote => Err(error
            .within(format!("cannot bring {series} up to date"))
            .hint("`--offline` takes what was fetched before")),
        Err(error) => Err(error),
    }
}

/// Brings a file up to date, and tells how far it is.
pub fn bring(caller: &Caller, wish: &Wish, store: &Store) -> Result<Fetched> {
    let bar = (std::io::stderr().is_terminal() && !say::quiet()).then(|| {
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let style = ProgressStyle::with_template("{prefix} [{bar:30}] {msg}")
            .expect("the template is a constant");
        ProgressBar::with_draw_target(Some(1000), target)
            .with_style(style.progress_chars("=> "))
            .with_prefix(wish.series.to_string())
    });
    let step = wish.series.interval.usual();
    let mut observe = |progress: &Progress| {
        let told = format!(
            "{}, asked up to {}",
            say::count(progress.rows, "row"),
            format_time(progress.at, step)
        );
        match &bar {
            Some(bar) => {
                let whole = (progress.until - progress.from).max(1) as f64;
                let share = (progress.at - progress.from) as f64 / whole;
                bar.set_position((share * 1000.0) as u64);
                bar.set_message(told);
            }
            None if progress.calls.is_multiple_of(CALLS) => {
                say::note(&format!("{}: {told}", wish.series));
            }
            None => {}
        }
    };
    let fetched = fetch(caller, wish, store, &mut observe);
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let fetched = fetched?;
    for line in notes(&fetched, &wish.series) {
        say::note(&format!("note: {line}"));
    }
    Ok(fetched)
}

/// `3 new rows, 1200 up to 2024-03-01`.
pub fn sentence(fetched: &Fetched, series: &Series) -> String {
    let last = fetched.rows.last().map(|row| row.time);
    let last = last.map_or(String::new(), |last| {
        format!(" up to {}", format_time(last, series.interval.usual()))
    });
    format!(
        "{}, {}{last}",
        say::count(fetched.added, "new row"),
        fetched.rows.len()
    )
}

/// What a careful reader should know of a fetch.
fn notes(fetched: &Fetched, series: &Series) -> Vec<String> {
    let found = &fetched.findings;
    let title = series.party.title;
    let time = |time: Time| format_time(time, series.interval.usual());
    let mut lines = Vec::new();
    if let Some(begins) = fetched.begins {
        lines.push(format!("{title} gives nothing before {}", time(begins)));
    }
    if let Some(first) = fetched.revised.first() {
        lines.push(format!(
            "{title} has revised {} that the file had, the first on {}: `{}` from {} to {}",
            say::count(fetched.revised.len(), "value"),
            time(first.time),
            first.column,
            first.before,
            first.now
        ));
    }
    let mut count = |n: usize, one: &str, many: &str| match n {
        0 => {}
        1 => lines.push(format!("1 {one}")),
        n => lines.push(format!("{n} {many}")),
    };
    count(
        found.unfinished,
        "candle is not finished yet and is left out",
        "candles are not finished yet and are left out",
    );
    count(
        found.empty,
        "row came without a value and is left out",
        "rows came without a value and are left out",
    );
    count(found.repeated, "row came twice", "rows came twice");
    count(
        found.contradicted,
        "row came twice with different values; the later one is kept",
        "rows came twice with different values; the later ones are kept",
    );
    count(
        found.reordered,
        "row came out of order",
        "rows came out of order",
    );
    if let Some((when, reason)) = found.impossible.first() {
        lines.push(format!(
            "{} left out because it cannot be, the first on {}: {reason}",
            say::count(found.n_impossible, "candle"),
            time(*when)
        ));
    }
    if let Some((when, missing)) = found.gaps.first() {
        lines.push(format!(
            "{} missing in {}, the longest of {} after {}",
            say::count(found.missing, "row"),
            say::count(found.n_gaps, "gap"),
            missing,
            time(*when)
        ));
    }
    if let Some((when, before, now)) = found.jumps.first() {
        lines.push(format!(
            "{} of the close to twice or half, or there and back; the first on {}: from {before} to {now}",
            say::count(found.n_jumps, "jump"),
            time(*when)
        ));
    }
    lines
}

/// Times and closes, or the only values, for a comparison.
pub fn closes(rows: &[Row], series: &Series) -> Vec<(Time, f64)> {
    let columns = series.columns();
    let close = columns.iter().position(|column| column.name == "close");
    let close = close.unwrap_or(0);
    rows.iter()
        .map(|row| (row.time, row.values[close]))
        .collect()
}

/// Brings a second series up to date in the cache, from this time on.
pub fn second(series: &Series, from: Time, until: Option<Time>) -> Result<Vec<(Time, f64)>> {
    let caller = caller(series)?;
    let store = kept(series, &caller, Some(from))?;
    let wish = Wish {
        series: series.clone(),
        from: Some(from),
        until,
        now: source::now(),
    };
    let fetched = bring(&caller, &wish, &store)?;
    Ok(closes(&fetched.rows, series))
}
