//! Writing a forecast back, by a load job: free, and whole or not at all.
//!
//! In come columns and rows; out goes a table that has them. A table that is there is looked at first: every column that is written must
//! be there with the same type, and none that must be given may be missing. Other columns are left as they are, empty in the new rows.
//! Only letters of a name that BigQuery knows reach an address; no SQL is made.

use std::time::Duration;

use jiff::Timestamp;
use senti::forecast::Forecast;
use senti::{Error, Result, Time};
use serde_json::{Map, Value, json};

use super::client::{Client, Refusal, failure, whole};
use super::types::canonical;
use super::{Place, Scope, TableName, names};
use crate::http::address::encode;
use crate::watch::Watch;

/// What becomes of rows that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WriteMode {
    /// They stay.
    #[default]
    Append,
    /// They go, in the moment in which the new ones come.
    Replace,
}

impl WriteMode {
    /// Both.
    pub const ALL: [WriteMode; 2] = [WriteMode::Append, WriteMode::Replace];

    /// As users type it.
    pub fn name(self) -> &'static str {
        match self {
            WriteMode::Append => "append",
            WriteMode::Replace => "replace",
        }
    }
}

/// A column to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `FLOAT`
    pub kind: &'static str,
    /// Must every row have it?
    pub required: bool,
    /// What it is, for whoever looks at the table.
    pub description: String,
}

/// Rows to write, and their columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Lines {
    /// Names and types.
    pub columns: Vec<Column>,
    /// A cell for each column.
    pub rows: Vec<Map<String, Value>>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Where.
    pub table: TableName,
    /// How many rows.
    pub rows: usize,
    /// Was the table made for them?
    pub created: bool,
}

/// What a forecast does not say of itself.
pub struct About<'a> {
    /// When the forecast was made.
    pub issued_at: Time,
    /// Type of the model, `lstm`.
    pub model: &'a str,
    /// Its version.
    pub version: u32,
    /// SHA-256 of the rows that it was made from.
    pub data_digest: &'a str,
}

/// A forecast as columns and rows: one row a step.
///
/// | column | type | what it is |
/// | --- | --- | --- |
/// | `issued_at` | `TIMESTAMP` | when the forecast was made |
/// | `origin` | `TIMESTAMP` | opening time of the last known candle |
/// | `time` | `TIMESTAMP` | opening time of the candle whose close is forecast |
/// | `step` | `INTEGER` | 1 is the candle after the origin |
/// | `target` | `STRING` | name of the column that is forecast |
/// | `last_close` | `FLOAT` | its value at the origin |
/// | `point` | `FLOAT` | the forecast |
/// | `q05` … `q95` | `FLOAT` | its quantiles |
/// | `model`, `version` | `STRING`, `INTEGER` | who made it |
/// | `data_digest` | `STRING` | SHA-256 of the rows that it was made from |
pub fn forecast_rows(forecast: &Forecast, about: &About<'_>) -> Result<Lines> {
    let column = |name: &str, kind, description: &str| Column {
        name: name.to_owned(),
        kind,
        required: true,
        description: description.to_owned(),
    };
    let mut columns = vec![
        column("issued_at", "TIMESTAMP", "When the forecast was made"),
        column(
            "origin",
            "TIMESTAMP",
            "Opening time of the last known candle",
        ),
        column(
            "time",
            "TIMESTAMP",
            "Opening time of the candle whose close is forecast",
        ),
        column("step", "INTEGER", "Steps after the origin, from 1"),
        column("target", "STRING", "Name of the column that is forecast"),
        column("last_close", "FLOAT", "Close of the last known candle"),
        column("point", "FLOAT", "Forecast of the close"),
    ];
    let levels: Vec<String> = forecast
        .levels
        .iter()
        .map(|level| level_name(*level))
        .collect();
    for (name, level) in levels.iter().zip(&forecast.levels) {
        let description = format!("Quantile of the close at the level {level}");
        columns.push(column(name, "FLOAT", &description));
    }
    columns.extend([
        column("model", "STRING", "Type of the model"),
        column("version", "INTEGER", "Version of the model"),
        column(
            "data_digest",
            "STRING",
            "SHA-256 of the rows that the forecast was made from",
        ),
    ]);
    let moment = |time: Time| {
        let moment = Timestamp::from_millisecond(time);
        moment
            .map(|moment| json!(moment.to_string()))
            .map_err(|cause| {
                Error::internal("a time of the forecast cannot be written").because(cause)
            })
    };
    let (issued_at, origin) = (moment(about.issued_at)?, moment(forecast.origin)?);
    let mut rows = Vec::with_capacity(forecast.rows.len());
    for row in &forecast.rows {
        let mut cells = Map::new();
        let mut put = |name: &str, value: Value| drop(cells.insert(name.to_owned(), value));
        put("issued_at", issued_at.clone());
        put("origin", origin.clone());
        put("time", moment(row.time)?);
        put("step", json!(row.step));
        put("target", json!(forecast.target));
        put("last_close", json!(forecast.last_close));
        put("point", json!(row.point));
        for (name, price) in levels.iter().zip(&row.quantiles) {
            put(name, json!(price));
        }
        put("model", json!(about.model));
        put("version", json!(about.version));
        put("data_digest", json!(about.data_digest));
        rows.push(cells);
    }
    Ok(Lines { columns, rows })
}

/// `q05` for 0.05, `q02_5` for 0.025.
fn level_name(level: f64) -> String {
    // to a millionth of a percent: 0.29 * 100 is not 29
    let percent = (level * 1e8).round() / 1e6;
    let text = format!("{percent}");
    match text.split_once('.') {
        None => format!("q{text:0>2}"),
        Some((whole, rest)) => format!("q{whole:0>2}_{rest}"),
    }
}

/// Writes rows into a table, which is made where it is missing. `target` is `dataset.table` or `project.dataset.table`.
pub fn write(
    place: &Place,
    target: &str,
    mode: WriteMode,
    Lines { columns, rows }: &Lines,
    watch: &Watch,
) -> Result<Written> {
    let table = TableName::parse(target, place.project.as_deref(), place.dataset.as_deref())?;
    let project = place.project.as_deref().unwrap_or(&table.project);
    names::check_project(project)?;
    let client = Client::open(project, place.emulator.as_deref(), Scope::Jobs, watch)?;
    let what = format!("write the forecast into `{table}`");
    let explain = |refusal| client.explain(refusal, &what);
    let existing = match client.get(&table.path(), &[]) {
        Ok(about) => Some(about),
        Err(refusal) if refusal.is_absent() => {
            // a job would say only at its end that there is no place for it
            let dataset = format!(
                "{}/datasets/{}",
                encode(&table.project),
                encode(&table.dataset)
            );
            let what = format!("find the data set `{}.{}`", table.project, table.dataset);
            let there = client.get(&dataset, &[]);
            there.map_err(|refusal| client.explain(refusal, &what))?;
            None
        }
        Err(refusal) => return Err(explain(refusal)),
    };
    let schema = match &existing {
        Some(about) => {
            check(about, columns, &table)?;
            // as it is: nothing of it may change
            json!({"fields": about["schema"]["fields"]})
        }
        None => {
            let field = |column: &Column| {
                json!({
                    "name": column.name,
                    "type": column.kind,
                    "mode": if column.required { "REQUIRED" } else { "NULLABLE" },
                    "description": column.description,
                })
            };
            json!({"fields": columns.iter().map(field).collect::<Vec<_>>()})
        }
    };
    let mut reference = json!({"projectId": project, "jobId": client.new_job()});
    let location = place.location.clone().or_else(|| {
        let found = existing.as_ref()?["location"].as_str()?;
        Some(found.to_owned())
    });
    if let Some(location) = &location {
        reference["location"] = json!(location);
    }
    let job = json!({
        "jobReference": reference,
        "configuration": {
            "labels": {"tool": "senti-ai"},
            "load": {
                "destinationTable": {"projectId": table.project, "datasetId": table.dataset, "tableId": table.table},
                "sourceFormat": "NEWLINE_DELIMITED_JSON",
                "writeDisposition": match mode { WriteMode::Append => "WRITE_APPEND", WriteMode::Replace => "WRITE_TRUNCATE" },
                "createDisposition": "CREATE_IF_NEEDED",
                "schema": schema,
            },
        },
    });
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, row)
            .map_err(|cause| Error::internal("a row cannot be written as JSON").because(cause))?;
        lines.push(b'\n');
    }
    let answer = match client.upload(&job, &lines) {
        // an earlier try has arrived, its answer has not
        Err(refusal) if refusal.is_there_already() => Ok(job.clone()),
        answer => answer,
    };
    let done = wait(&client, answer.map_err(explain)?).map_err(explain)?;
    // an emulator counts the rows that were there as well
    let loaded = whole(&done["statistics"]["load"]["outputRows"]);
    if let Some(loaded) = loaded.filter(|loaded| *loaded < rows.len() as u64) {
        let (whom, wanted) = (&client.whom, rows.len());
        return Err(Error::remote(format!(
            "{whom} has loaded {loaded} rows of {wanted} into `{table}`"
        )));
    }
    Ok(Written {
        table,
        rows: rows.len(),
        created: existing.is_none(),
    })
}

/// Waits for the end of a job.
fn wait(client: &Client, mut job: Value) -> std::result::Result<Value, Refusal> {
    let reference = &job["jobReference"];
    let id = reference["jobId"].as_str().unwrap_or_default().to_owned();
    let location = reference["location"].as_str().map(str::to_owned);
    let path = format!("{}/jobs/{}", encode(&client.project), encode(&id));
    let mut pause = 100;
    loop {
        if job["status"]["state"].as_str() == Some("DONE") {
            return match failure(&job) {
                Some(refusal) => Err(refusal),
                None => Ok(job),
            };
        }
        client.sleep(Duration::from_millis(pause));
        pause = (2 * pause).min(2000);
        let location = location.as_deref().map(|location| ("location", location));
        job = client.get(&path, &location.into_iter().collect::<Vec<_>>())?;
    }
}

/// May these columns be written into this table?
fn check(about: &Value, columns: &[Column], table: &TableName) -> Result<()> {
    let kind = about["type"].as_str().unwrap_or("TABLE");
    if kind != "TABLE" {
        return Err(Error::input(format!(
            "`{table}` is a {kind}, wanted a table to write into"
        ))
        .hint("give another name"));
    }
    let fields = about["schema"]["fields"].as_array();
    let fields: &[Value] = fields.map(Vec::as_slice).unwrap_or_default();
    let name = |field: &Value| field["name"].as_str().unwrap_or_default().to_owned();
    let hint = "the columns of a forecast are in `docs/bigquery.md`; give another table, or one that is not there yet";
    for column in columns {
        // names are the same in any case
        let found = fields
            .iter()
            .find(|field| name(field).eq_ignore_ascii_case(&column.name));
        let Some(field) = found else {
            return Err(Error::data(format!(
                "`{table}` has no column `{}`, which the forecast writes",
                column.name
            ))
            .hint(hint));
        };
        let found = canonical(field["type"].as_str().unwrap_or_default());
        let repeated = field["mode"].as_str() == Some("REPEATED");
        if found != column.kind || repeated {
            let found = if repeated { "REPEATED" } else { &found };
            return Err(Error::data(format!(
                "column `{}` of `{table}` is {found}, the forecast writes {}",
                column.name, column.kind
            ))
            .hint(hint));
        }
    }
    let needed = fields.iter().find(|field| {
        let known = columns
            .iter()
            .any(|column| name(field).eq_ignore_ascii_case(&column.name));
        !known
            && field["mode"].as_str() == Some("REQUIRED")
            && field["defaultValueExpression"].is_null()
    });
    match needed {
        Some(field) => Err(Error::data(format!(
            "`{table}` wants a value for `{}` in every row, which no forecast has",
            name(field)
        ))
        .hint(hint)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_have_names() {
        let names = [0.05, 0.5, 0.95, 0.29, 0.025, 0.005, 0.999].map(level_name);
        assert_eq!(
            names,
            ["q05", "q50", "q95", "q29", "q02_5", "q00_5", "q99_9"]
        );
    }

    #[test]
    fn a_table_is_held_to_the_columns() {
        let column = |name: &str, kind| Column {
            name: name.into(),
            kind,
            required: true,
            description: String::new(),
        };
        let columns = [column("a", "FLOAT"), column("b", "STRING")];
        let table = TableName::parse("p-1.d.t", None, None).expect("a name");
        let about = |fields: Value| json!({"type": "TABLE", "schema": {"fields": fields}});
        let said = |about: Value| {
            check(&about, &columns, &table)
                .err()
                .map(|error| error.to_string())
        };
        let a = json!({"name": "A", "type": "FLOAT64"});
        let b = json!({"name": "b", "type": "STRING", "mode": "REQUIRED"});
        assert_eq!(
            said(about(json!([b, a, {"name": "more", "type": "DATE"}]))),
            None
        );
        for (fields, words) in [
            (json!([a]), "no column `b`"),
            (
                json!([a, {"name": "b", "type": "INT64"}]),
                "`b` of `p-1.d.t` is INTEGER, the forecast writes STRING",
            ),
            (
                json!([a, {"name": "b", "type": "STRING", "mode": "REPEATED"}]),
                "REPEATED",
            ),
            (
                json!([a, b, {"name": "c", "type": "DATE", "mode": "REQUIRED"}]),
                "wants a value for `c`",
            ),
        ] {
            let found = said(about(fields)).expect(words);
            assert!(found.contains(words), "{found}");
        }
        let view = json!({"type": "VIEW", "schema": {"fields": [a, b]}});
        assert!(said(view).expect("a view").contains("VIEW"));
    }
}
