//! Which source is read, and why; and the reading of it, today and when a model is verified.
//!
//! In come settings; out goes a [`Reading`], with lines on stderr that say what was taken and what was recognised in it. What was said
//! of the data goes into the model's record ([`record`]) and comes back from there ([`recall`]).

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use senti::artifact::Manifest;
use senti::table::TableOptions;
use senti::{Error, ErrorKind, Result, Role, Time};
use senti_io::bigquery::{self, Place};
use senti_io::parties::Series;
use senti_io::sources::{self, Join, Reading, Request};
use senti_io::watch::Watch;

use crate::failure::{Outcome, hinted, usage};
use crate::interrupt::{self, Stage};
use crate::options::{DATA, OPTIONS};
use crate::settings::{Origin, Settings};
use crate::{live, memory, places, say};

/// Options that name the column of a role.
const ROLES: &[(&str, Role)] = &[
    ("open_column", Role::Open),
    ("high_column", Role::High),
    ("low_column", Role::Low),
    ("close_column", Role::Close),
    ("volume_column", Role::Volume),
];

/// Options that say where the rows are, and the source that looks at them.
const PLACES: &[(&str, &str)] = &[
    ("data_path", "local"),
    ("gcp_project", "bigquery"),
    ("bq_dataset", "bigquery"),
    ("from", SERIES),
    ("table", "bigquery"),
    ("query", "bigquery"),
    ("bq_location", "bigquery"),
];

/// What stands for all series of all parties where sources are compared by name.
const SERIES: &str = "a series";

/// How the digest's source is called in models that are older than the record of their reading.
const SAMPLE: &str = "embedded sample";

/// A chosen source.
#[derive(Debug, PartialEq)]
pub struct Choice {
    /// `local`, `sample`, `bigquery`, or a series.
    pub name: String,
    /// The line for the user.
    pub why: String,
}

/// The source that was asked for; else `local` with a path, `bigquery` with a table or a query, or a project and a data set, else the
/// sample.
pub fn choose(settings: &Settings) -> Result<Choice> {
    let told = |name| match &settings.get(name).origin {
        Origin::Flag => format!("`--{name}`"),
        origin => format!("`{name}` ({origin})"),
    };
    let path = settings.text("data_path");
    let configured = ["gcp_project", "bq_dataset"]
        .iter()
        .all(|name| settings.text(name).is_some());
    // A table has a default: only one that somebody named asks for BigQuery.
    let named = |name: &str| settings.get(name).origin != Origin::Default;
    let asked = ["query", "table"].into_iter().find(|name| named(name));
    let (name, why) = match settings.text("data_source") {
        Some(name) => (name, format!("asked for by {}", told("data_source"))),
        None if path.is_some() => (
            "local",
            format!("a path was given by {}", told("data_path")),
        ),
        None if asked.is_some() => {
            let what = asked.unwrap_or_default();
            ("bigquery", format!("a {what} was given by {}", told(what)))
        }
        None if configured => (
            "bigquery",
            "`gcp_project` and `bq_dataset` are configured".to_owned(),
        ),
        None => (
            "sample",
            "no `data_path` and no BigQuery data set are given".to_owned(),
        ),
    };
    if name == "local" && path.is_none() {
        return Err(
            Error::input("the data source is `local`, but no data path is given")
                .hint("add `--data_path FILE`"),
        );
    }
    if name != "local" && settings.get("data_path").origin == Origin::Flag {
        let origin = &settings.get("data_source").origin;
        let sentence = format!("`--data_path` is given, but `data_source` is `{name}` ({origin})");
        return Err(
            Error::input(sentence).hint("leave `--data_path` out, or use `--data_source local`")
        );
    }
    let by_flag = |name: &str| settings.get(name).origin == Origin::Flag;
    let place = ["query", "table"].into_iter().find(|name| by_flag(name));
    if let Some(place) = place.filter(|_| name != "bigquery") {
        return Err(Error::input(format!(
            "`--{place}` is given, but the data source is `{name}` ({why})"
        ))
        .hint(format!(
            "leave `--{place}` out, or use `--data_source bigquery`"
        )));
    }
    if by_flag("query") && by_flag("table") {
        return Err(Error::input("`--query` and `--table` are both given")
            .hint("leave one of them out; a query names its tables itself"));
    }
    let is_series = Series::is_meant(name) || name.contains(':');
    if settings.get("from").origin == Origin::Flag && !is_series {
        let sentence = format!("`--from` is given, but the data source is `{name}`");
        return Err(Error::input(sentence)
            .hint("leave it out; it belongs to series as `--data_source binance:BTCUSDT:1d`"));
    }
    let name = match is_series {
        true => Series::parse(name)?.to_string(),
        false => name.to_owned(),
    };
    Ok(Choice { name, why })
}

/// What to read, before anything is read. A series is brought up to date first.
pub fn request(settings: &Settings) -> Outcome<Request> {
    let choice = choose(settings).map_err(usage)?;
    let at = match choice.name.as_str() {
        "local" => format!(" `{}`", settings.text("data_path").unwrap_or_default()),
        _ => String::new(),
    };
    say::note(&format!("data: {}{at}, {}", choice.name, choice.why));
    let path = match Series::is_meant(&choice.name) {
        true => Some(live::refresh(&Series::parse(&choice.name)?, settings)?),
        false => settings.path("data_path"),
    };
    let place = (choice.name == "bigquery").then(|| place(settings));
    Ok(Request {
        bigquery: place,
        watch: watch(),
        source: Some(choice.name),
        path,
        target_column: settings.text("target_column").map(str::to_owned),
        joins: joins(settings)?,
        ..columns(settings)
    })
}

/// The files to join, before any is read.
pub fn joins(settings: &Settings) -> Outcome<Vec<Join>> {
    let text = settings.text("join").unwrap_or_default();
    Join::parse_all(text).map_err(usage)
}

/// The joins of a forecast: those that were asked for; where none was, those that the model was trained with. A file that is given
/// under a name of the model's takes the place of the model's file, and is read as that was.
pub fn joins_of_model(
    settings: &Settings,
    asked: Vec<Join>,
    manifest: &Manifest,
) -> Result<Vec<Join>> {
    let recorded = manifest.data.read_with.get("join");
    let recorded = Join::parse_all(recorded.map_or("", String::as_str))?;
    if settings.text("join").is_none() {
        if !recorded.is_empty() {
            say::note("joined is what the model was trained with; `--join` gives other files");
        }
        return Ok(recorded);
    }
    let read_as = |join: Join| -> Vec<Join> {
        let name = join.name();
        let alike = recorded.iter().filter(|other| other.name() == name);
        let alike: Vec<Join> = alike
            .map(|other| Join {
                path: join.path.clone(),
                ..other.clone()
            })
            .collect();
        match join.is_bare() && !alike.is_empty() {
            true => alike,
            false => vec![join],
        }
    };
    Ok(asked.into_iter().flat_map(read_as).collect())
}

/// Where BigQuery's rows are, and what reading them may cost.
pub fn place(settings: &Settings) -> Place {
    let text = |name: &str| settings.text(name).map(str::to_owned);
    // A flag for the table wins over a query that was configured.
    let by_flag = |name: &str| settings.get(name).origin == Origin::Flag;
    let table_wins = by_flag("table") && !by_flag("query");
    let named = settings.text("bq_cache");
    let mode = (bigquery::Mode::ALL.into_iter()).find(|mode| Some(mode.name()) == named);
    Place {
        project: text("gcp_project").or_else(project_of_key_file),
        dataset: text("bq_dataset"),
        table: text("table"),
        query: text("query").filter(|_| !table_wins),
        location: text("bq_location"),
        max_bytes_billed: settings.text("max_bytes_billed").and_then(memory::parse),
        page_rows: settings.whole("bq_page_rows"),
        emulator: text("bq_emulator"),
        copies: mode.unwrap_or_default(),
        folder: places::cache().map(|cache| cache.join("bigquery")),
        memo: None,
    }
}

/// The project that a service account's key file belongs to.
fn project_of_key_file() -> Option<String> {
    let path = std::env::var_os("GOOGLE_APPLICATION_CREDENTIALS")?;
    let text = std::fs::read(path).ok()?;
    let key: serde_json::Value = serde_json::from_slice(&text).ok()?;
    key["project_id"].as_str().map(str::to_owned)
}

/// Lines of a long reading go to stderr; Ctrl-C ends it.
pub fn watch() -> Watch {
    Watch::new(say::note, interrupt::wanted)
}

/// The part of a request that has nothing to do with the place.
pub fn columns(settings: &Settings) -> Request {
    let roles = ROLES.iter().filter_map(|(option, role)| {
        let name = settings.text(option)?;
        Some((*role, name.to_owned()))
    });
    Request {
        roles: roles.collect(),
        target_column: settings.text("target_column").map(str::to_owned),
        table: TableOptions {
            now: Some(now()),
            max_fill: settings
                .whole("max_fill")
                .and_then(|n| usize::try_from(n).ok()),
        },
        ..Request::default()
    }
}

/// What was said of the data, under the names of the options: with it the same rows are read again.
///
/// Of joined files everything that was recognised is kept: when a value is known must not depend on the day of the reading.
pub fn record(
    settings: &Settings,
    request: &Request,
    reading: &Reading,
) -> BTreeMap<String, String> {
    let joins: Vec<&str> = (reading.joined.iter())
        .map(|joined| joined.join.as_str())
        .collect();
    let source = request.source.as_deref().unwrap_or_default();
    let looks = match Series::is_meant(source) {
        true => SERIES,
        false => source,
    };
    let elsewhere = |name: &str| {
        let place = PLACES.iter().find(|(place, _)| *place == name);
        place.is_some_and(|(_, of)| *of != looks)
    };
    let verb = settings.verb();
    let said = OPTIONS
        .iter()
        .filter(|option| option.group == DATA && option.serves(verb));
    let said = said.filter_map(|option| {
        let text = match option.name {
            "data_source" => source.to_owned(),
            "join" if joins.is_empty() => return None,
            "join" => joins.join(";"),
            name => settings.get(name).value.as_ref()?.to_string(),
        };
        (!elsewhere(option.name)).then(|| (option.name.to_owned(), text))
    });
    said.collect()
}

/// Takes from a model's record how its rows were read. Flags win; environment and files are not asked.
pub fn recall(settings: &mut Settings, manifest: &Manifest) -> Result<()> {
    let data = &manifest.data;
    let mut said = data.read_with.clone();
    if said.is_empty() {
        // An older model: its source in words, and what its columns meant.
        match data.source.starts_with(SAMPLE) {
            true => drop(said.insert("data_source".into(), "sample".into())),
            false => {
                said.insert("data_source".into(), "local".into());
                said.insert("data_path".into(), data.source.clone());
            }
        }
        said.insert("target_column".into(), manifest.target_column.clone());
        for (option, role) in ROLES.iter().filter(|(_, role)| *role != Role::Close) {
            if let Some(column) = data.columns.iter().find(|column| column.role == *role) {
                said.insert((*option).to_owned(), column.name.clone());
            }
        }
    }
    let is_place =
        |name: &str| name == "data_source" || PLACES.iter().any(|(place, _)| *place == name);
    let verb = settings.verb();
    let rows = || {
        OPTIONS
            .iter()
            .filter(move |option| option.group == DATA && option.serves(verb))
    };
    // Another place is another place as a whole: a file that is given is not looked for in the sample.
    let moved = rows()
        .any(|option| is_place(option.name) && settings.get(option.name).origin == Origin::Flag);
    for option in rows() {
        let text = said.get(option.name).map(String::as_str);
        let text = text.filter(|_| !(moved && is_place(option.name)));
        settings.recall(option.name, text)?;
    }
    Ok(())
}

/// Reads, and says what was recognised.
pub fn read(request: &Request) -> Result<Reading> {
    let reading = open(request)?;
    describe(&reading, request);
    Ok(reading)
}

/// Reads, and says nothing.
pub fn open(request: &Request) -> Result<Reading> {
    let hint =
        "paths are taken from the working directory; `senti-ai inspect FILE` looks at a file alone";
    if request.bigquery.is_none() {
        return sources::read(request).map_err(|error| hinted(error, hint));
    }
    // A query goes on in the cloud until it is told to stop: reading ends in order.
    interrupt::stage(Stage::Working);
    let reading = sources::read(request);
    interrupt::stage(Stage::Starting);
    match interrupt::wanted() {
        true => Err(Error::new(
            ErrorKind::Interrupted,
            "stopped: nothing was written",
        )),
        false => reading,
    }
}

/// The line about a reading, and what a careful reader should know of it.
pub fn describe(reading: &Reading, request: &Request) {
    say::note(&reading.summary());
    for dropped in &reading.found.dropped {
        say::note(&format!(
            "note: column `{}` is left out: {}",
            dropped.column, dropped.reason
        ));
    }
    for warning in &reading.found.warnings {
        say::note(&format!("note: {warning}"));
    }
    for joined in &reading.joined {
        say::note(&joined.summary());
        for warning in &joined.warnings {
            say::note(&format!("note: {warning}"));
        }
    }
    // The sample says so itself.
    let calendar = reading.table.calendar();
    let last = reading.table.time().last().copied();
    if request.source.as_deref() != Some("sample")
        && last.is_some_and(|last| old(last, calendar.step(), now()))
    {
        say::note(&format!(
            "note: the last row is of {}: a forecast starts there, not today",
            reading.found.last
        ));
    }
}

/// More than two steps and two days ago: a reader who expects the present must know.
fn old(last: Time, step: i64, now: Time) -> bool {
    const DAY: i64 = 86_400_000;
    now.saturating_sub(last) > (2 * step).max(2 * DAY)
}

/// Milliseconds since 1970: the only look at the clock that can change what is read (an unfinished candle).
pub fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_old_after_two_days_and_two_steps() {
        const HOUR: i64 = 3_600_000;
        for (step, age, wanted) in [
            (HOUR, 47 * HOUR, false),
            (HOUR, 49 * HOUR, true),
            (7 * 24 * HOUR, 13 * 24 * HOUR, false),
            (7 * 24 * HOUR, 15 * 24 * HOUR, true),
        ] {
            assert_eq!(old(1_000, step, 1_000 + age), wanted, "{step} {age}");
        }
    }
}
