//! `senti-ai fetch SERIES`: candles or another series from the network, in a file of the user's.
//!
//! In come the name of a series and settings; out goes a file that is up to date, and what was found in it. With `--check`, a second series is
//! compared; where the two differ, the file is kept and the command fails, since one of them is wrong.

use std::path::{Path, PathBuf};

use senti::calendar::format_time;
use senti::{Error, Result, Time};
use senti_io::fetch::{Agreement, Fetched, Store, Wish, compare};
use senti_io::parties::Series;
use serde_json::{Value, json};

use crate::failure::{Outcome, usage};
use crate::grid::Grid;
use crate::interrupt::Stage;
use crate::settings::Settings;
use crate::{interrupt, live, say, source};

/// Two exchanges differ by less, but for a flash crash.
const ALLOWED: f64 = 0.05;

/// Fetches.
pub fn run(word: &str, settings: &Settings) -> Outcome {
    let series = Series::parse(word).map_err(usage)?;
    let check = settings.text("check").map(Series::parse).transpose();
    let check = check.map_err(usage)?;
    let (from, until) = (live::date(settings, "from"), live::date(settings, "until"));
    if let (Some(from), Some(until)) = (from, until)
        && from >= until
    {
        return Err(usage(
            Error::input("`--from` is not before `--until`").hint("give an earlier `--from`"),
        ));
    }
    if let Some(check) = check
        .as_ref()
        .filter(|check| check.interval != series.interval)
    {
        return Err(usage(
            Error::input(format!(
                "`--check` is {check}, which has another interval than {series}"
            ))
            .hint("give a second series of the same interval"),
        ));
    }
    let output = settings.path("output").unwrap_or_default();
    let store = Store::new(place(&series, &output).map_err(usage)?);
    interrupt::listen()?;
    interrupt::stage(Stage::Working);
    let wish = Wish {
        series: series.clone(),
        from,
        until,
        now: source::now(),
    };
    let fetched = live::bring(&live::caller(&series)?, &wish, &store)?;
    let agreement = match &check {
        None => None,
        Some(check) => Some(agreement(&fetched, &series, check, until)?),
    };
    interrupt::stage(Stage::Starting);
    let document = document(
        &fetched,
        &series,
        &store,
        check.as_ref(),
        agreement.as_ref(),
    );
    say::result(
        settings.json(),
        || document,
        || {
            text(
                &fetched,
                &series,
                &store,
                check.as_ref(),
                agreement.as_ref(),
            )
        },
    )?;
    match (&check, &agreement) {
        (Some(check), Some(agreement)) => Ok(verdict(&series, check, agreement)?),
        _ => Ok(()),
    }
}

/// A file that is named, or one in the folder that is.
fn place(series: &Series, output: &Path) -> Result<PathBuf> {
    let ending = output.extension().and_then(|ending| ending.to_str());
    let is_known = ending.is_some_and(|ending| {
        ["csv", "parquet"]
            .iter()
            .any(|known| ending.eq_ignore_ascii_case(known))
    });
    let is_folder = output.is_dir() || output.to_string_lossy().ends_with('/');
    match ending {
        Some(_) if is_known && !is_folder => Ok(output.to_path_buf()),
        Some(_) if !is_folder => Err(Error::input(format!(
            "`--output` is `{}`, wanted FILE.csv, FILE.parquet or a folder",
            output.display()
        ))
        .hint("a folder that is not there yet ends with `/`")),
        _ => Ok(output.join(series.file_stem() + ".csv")),
    }
}

fn agreement(
    fetched: &Fetched,
    series: &Series,
    check: &Series,
    until: Option<Time>,
) -> Result<Agreement> {
    let ours = live::closes(&fetched.rows, series);
    let from = ours.first().map_or(0, |(time, _)| *time);
    let theirs = live::second(check, from, until)?;
    Ok(compare(&ours, &theirs, ALLOWED))
}

/// Sources that contradict each other are nothing to go on with.
fn verdict(series: &Series, check: &Series, agreement: &Agreement) -> Result<()> {
    if agreement.common == 0 {
        return Err(
            Error::data(format!("{check} has no row at a time of {series}"))
                .hint("give a second series of the same span and the same interval"),
        );
    }
    let Some((time, ours, theirs)) = agreement.differing.first() else {
        return Ok(());
    };
    Err(Error::data(format!(
        "{} of {} rows of {series} differ from {check} by more than 5 %, the first on {}: {ours} against {theirs}",
        agreement.differing.len(),
        agreement.common,
        format_time(*time, series.interval.usual()),
    ))
    .hint("the file is kept; look at these rows (`--format json` lists them), one of the two is wrong"))
}

fn text(
    fetched: &Fetched,
    series: &Series,
    store: &Store,
    check: Option<&Series>,
    agreement: Option<&Agreement>,
) -> String {
    let time = |time: Time| format_time(time, series.interval.usual());
    let mut grid = Grid::new(&["series", &series.to_string()]);
    let mut fact = |name: &str, text: String| grid.row([name.to_owned(), text]);
    fact("file", store.path().display().to_string());
    fact("rows", fetched.rows.len().to_string());
    fact("new", fetched.added.to_string());
    if let (Some(first), Some(last)) = (fetched.rows.first(), fetched.rows.last()) {
        fact("first", time(first.time));
        fact("last", time(last.time));
    }
    fact("revised", fetched.revised.len().to_string());
    fact("missing", fetched.findings.missing.to_string());
    for column in series.columns() {
        fact(
            "column",
            format!("`{}`, known {}", column.name, column.known),
        );
    }
    if let (Some(check), Some(agreement)) = (check, agreement) {
        fact(
            "check",
            format!(
                "{} of {check}, median difference {:.2} %, {} above 5 %",
                say::count(agreement.common, "row"),
                100.0 * agreement.median,
                agreement.differing.len()
            ),
        );
    }
    fact("from", series.party.attribution.to_owned());
    grid.left()
}

fn document(
    fetched: &Fetched,
    series: &Series,
    store: &Store,
    check: Option<&Series>,
    agreement: Option<&Agreement>,
) -> Value {
    let time = |time: Time| format_time(time, series.interval.usual());
    let found = &fetched.findings;
    let revised = fetched.revised.iter().map(|revision| {
        json!({
            "time": time(revision.time),
            "column": revision.column,
            "before": number(revision.before),
            "now": number(revision.now),
        })
    });
    let columns = series.columns();
    let columns = columns
        .iter()
        .map(|column| json!({ "name": column.name, "known": column.known.to_string() }));
    let gaps = (found.gaps.iter())
        .map(|(after, missing)| json!({ "after": time(*after), "missing": missing }));
    let jumps = (found.jumps.iter())
        .map(|(at, before, now)| json!({ "time": time(*at), "before": before, "now": now }));
    let impossible = (found.impossible.iter())
        .map(|(at, reason)| json!({ "time": time(*at), "reason": reason }));
    let checked = agreement.zip(check).map(|(agreement, check)| {
        let differing = (agreement.differing.iter())
            .map(|(at, ours, theirs)| json!({ "time": time(*at), "value": ours, "other": theirs }));
        json!({
            "series": check.to_string(),
            "common": agreement.common,
            "median_difference": number(agreement.median),
            "differing": differing.collect::<Vec<_>>(),
        })
    });
    json!({
        "series": series.to_string(),
        "file": store.path(),
        "rows": fetched.rows.len(),
        "new": fetched.added,
        "first": fetched.rows.first().map(|row| time(row.time)),
        "last": fetched.rows.last().map(|row| time(row.time)),
        "calls": fetched.calls,
        "columns": columns.collect::<Vec<_>>(),
        "revised": revised.collect::<Vec<_>>(),
        "left_out": {
            "unfinished": found.unfinished,
            "without_value": found.empty,
            "impossible": found.n_impossible,
        },
        "repeated": found.repeated,
        "contradicted": found.contradicted,
        "reordered": found.reordered,
        "impossible": impossible.collect::<Vec<_>>(),
        "missing": found.missing,
        "gaps": { "count": found.n_gaps, "longest": gaps.collect::<Vec<_>>() },
        "jumps": { "count": found.n_jumps, "first": jumps.collect::<Vec<_>>() },
        "check": checked,
        "attribution": series.party.attribution,
    })
}

/// A number that JSON has a word for.
fn number(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
