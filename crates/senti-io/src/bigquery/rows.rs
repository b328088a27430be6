//! A whole table, page by page.
//!
//! In comes the name of a table; out go its rows, in whatever order BigQuery keeps them. `tabledata.list` costs nothing. Views and
//! external tables cannot be listed: they are read by a query. What was read is kept as a copy, and read from there while the table's
//! `lastModifiedTime` and `etag` stay the same.

use senti::{Error, Result};
use serde_json::Value;

use super::client::{Client, Refusal, whole};
use super::copies::Meta;
use super::types::{Field, Frame};
use super::{Fetched, Mode, Place, TableName, query};
use crate::bigquery::Scope;
use crate::watch::Watch;

/// What copies of a table are kept under.
pub(super) fn key(name: &TableName) -> String {
    format!("table\n{name}")
}

/// A table in words.
pub(super) fn origin(name: &TableName) -> String {
    format!("BigQuery table {name}")
}

/// Reads a table.
pub(super) fn read(
    place: &Place,
    name: &TableName,
    watch: &Watch,
    room: &dyn Fn(usize, usize) -> Result<()>,
) -> Result<Fetched> {
    let project = place.project.as_deref().unwrap_or(&name.project);
    super::names::check_project(project)?;
    let client = Client::open(project, place.emulator.as_deref(), Scope::Read, watch)?;
    let what = format!("read the table `{name}`");
    let about = client.get(&name.path(), &[]);
    let about = about.map_err(|refusal| client.explain(refusal, &what))?;
    let kind = about["type"].as_str().unwrap_or("TABLE");
    if !matches!(kind, "TABLE" | "SNAPSHOT") {
        watch.tell(&format!(
            "`{name}` is a {kind}, which only a query can read"
        ));
        let text = format!("SELECT * FROM {}", name.quoted());
        return query::read(place, &text, Some(name), watch, room);
    }
    let version = version(&about);
    let (key, origin) = (key(name), origin(name));
    if let Some(frame) = from_copy(place, &key, version.as_deref(), watch) {
        return Ok(Fetched { frame, origin });
    }
    let fields = Field::read_all(&about["schema"], &format!("table `{name}`"))?;
    let most = place.page_rows().to_string();
    let path = format!("{}/data", name.path());
    let fetch = |token: Option<&str>| {
        let mut pairs = vec![("maxResults", most.as_str()), FORM];
        pairs.extend(token.map(|token| ("pageToken", token)));
        client.get(&path, &pairs)
    };
    let meta = Meta::new(&key, version.as_deref(), &fields);
    let still = || {
        let about = client.get(&name.path(), &[]).ok()?;
        self::version(&about)
    };
    let reading = Reading {
        client: &client,
        what: &what,
        place,
        room,
    };
    let frame = reading.all(fields, None, fetch, meta, &still)?;
    Ok(Fetched { frame, origin })
}

/// Timestamps as whole microseconds instead of floats, which would lose some.
pub(super) const FORM: (&str, &str) = ("formatOptions.useInt64Timestamp", "true");

/// What changes when the table does; `None` where that cannot be told.
pub(super) fn version(about: &Value) -> Option<String> {
    let is_table = about["type"]
        .as_str()
        .is_some_and(|kind| matches!(kind, "TABLE" | "SNAPSHOT"));
    // rows that stream in do not touch the time at once
    if !is_table || about["streamingBuffer"].is_object() {
        return None;
    }
    let modified = whole(&about["lastModifiedTime"])?;
    let tag = about["etag"].as_str()?;
    Some(format!("{modified} {tag}"))
}

/// The rows of a copy that is as new as this version.
pub(super) fn from_copy(
    place: &Place,
    key: &str,
    version: Option<&str>,
    watch: &Watch,
) -> Option<Frame> {
    if place.copies != Mode::Auto {
        return None;
    }
    match place.copies()?.read(key) {
        Ok(Some((meta, frame))) if version.is_some() && meta.version.as_deref() == version => {
            watch.tell(&format!(
                "unchanged in BigQuery: {} rows are read from the local copy (`--bq_cache renew` reads them anew)",
                frame.rows
            ));
            Some(frame)
        }
        Ok(_) => None,
        Err(error) => {
            watch.tell(&format!("note: {error}; it is not used"));
            None
        }
    }
}

/// A reading of pages.
pub(super) struct Reading<'a> {
    pub client: &'a Client,
    pub what: &'a str,
    pub place: &'a Place,
    pub room: &'a dyn Fn(usize, usize) -> Result<()>,
}

impl Reading<'_> {
    /// All pages, the first of which may be there already, into a frame and a copy. `still` says the version after the last page: a
    /// copy is kept only if it is the one before the first.
    pub(super) fn all(
        &self,
        fields: Vec<Field>,
        first: Option<Value>,
        fetch: impl Fn(Option<&str>) -> std::result::Result<Value, Refusal>,
        mut meta: Meta,
        still: &dyn Fn() -> Option<String>,
    ) -> Result<Frame> {
        let what = self.what;
        let explain = |refusal| self.client.explain(refusal, what);
        let strange =
            |why: String| Error::remote(format!("cannot {what}: {why}")).hint("try again");
        let mut page = match first {
            Some(page) => page,
            None => fetch(None).map_err(explain)?,
        };
        let total = |page: &Value| {
            let total = whole(&page["totalRows"]);
            total.ok_or_else(|| strange("a page says no number of rows".into()))
        };
        let rows = total(&page)?;
        (self.room)(
            usize::try_from(rows).unwrap_or(usize::MAX),
            fields.len().saturating_sub(1),
        )?;
        meta.rows = rows;
        let watch = &self.client.watch;
        let told = |error: &Error| watch.tell(&format!("note: no local copy is kept: {error}"));
        let mut copy = match self.place.copies() {
            Some(copies) => copies.begin(&meta).map_err(|error| told(&error)).ok(),
            None => None,
        };
        let mut frame = Frame::new(fields);
        let mut last_token: Option<String> = None;
        loop {
            if total(&page)? != rows {
                return Err(strange(
                    "its number of rows changes from page to page".into(),
                ));
            }
            if let Some(rows) = page["rows"].as_array() {
                let pushed = frame.push_page(rows, |cells| {
                    if let Some(writer) = &mut copy
                        && let Err(error) = writer.push(cells)
                    {
                        told(&error);
                        copy = None;
                    }
                    Ok(())
                });
                pushed.map_err(|error| error.within(format!("cannot {what}")))?;
            }
            let token = page["pageToken"].as_str().filter(|token| !token.is_empty());
            let Some(token) = token.map(str::to_owned) else {
                break;
            };
            if last_token.as_ref() == Some(&token) || frame.rows as u64 >= rows {
                return Err(strange("the pages do not end".into()));
            }
            page = fetch(Some(&token)).map_err(explain)?;
            last_token = Some(token);
        }
        if frame.rows as u64 != rows {
            let found = frame.rows;
            return Err(strange(format!("{found} rows came, {rows} were announced")));
        }
        if let Some(writer) = copy
            && still() == meta.version
            && let Err(error) = writer.commit()
        {
            told(&error);
        }
        Ok(frame)
    }
}
