//! `senti-ai inspect FILE`: what the reader recognises in a file, or in a series from the network.
//!
//! In come a path, or the name of a series, and settings; out goes a description, as text or JSON. Nothing is written and nothing is learned.

use std::path::PathBuf;

use senti::Error;
use senti_io::parties::Series;
use senti_io::sources::{Reading, Request};
use serde_json::{Value, json};

use crate::failure::{Outcome, usage};
use crate::grid::Grid;
use crate::settings::Settings;
use crate::{live, say, source};

/// Gaps that are listed in a text; minutes without a trade can be thousands.
const GAPS: usize = 10;

/// Looks at a file.
pub fn run(file: &str, settings: &Settings) -> Outcome {
    let path = PathBuf::from(file);
    let (source, path) = match Series::is_meant(file) && !path.exists() {
        true => {
            let series = Series::parse(file).map_err(usage)?;
            (series.to_string(), live::refresh(&series, settings)?)
        }
        false => ("local".to_owned(), path),
    };
    let request = Request {
        source: Some(source),
        path: Some(path),
        joins: source::joins(settings)?,
        ..source::columns(settings)
    };
    let reading = source::open(&request)?;
    let document = document(&reading)?;
    say::result(settings.json(), || document, || text(&reading))
}

/// Dialect and counts side by side: these names are a public interface.
fn document(reading: &Reading) -> Result<Value, Error> {
    let value = |value: Result<Value, serde_json::Error>| {
        value.map_err(|error| {
            Error::internal("what was found cannot be written as JSON").because(error)
        })
    };
    let mut dialect = value(serde_json::to_value(&reading.dialect))?;
    let mut document = value(serde_json::to_value(&reading.found))?;
    document["columns"] = dialect
        .as_object_mut()
        .and_then(|dialect| dialect.remove("columns"))
        .unwrap_or_default();
    document["dialect"] = dialect;
    document["source"] = json!(reading.origin);
    document["digest"] = json!(reading.digest);
    document["joined"] = value(serde_json::to_value(&reading.joined))?;
    Ok(document)
}

fn text(reading: &Reading) -> String {
    let found = &reading.found;
    let mut grid = Grid::new(&["source", &reading.origin]);
    let mut fact = |name: &str, text: String| grid.row([name.to_owned(), text]);
    fact("dialect", reading.dialect.to_string());
    fact("rows", found.rows.to_string());
    fact("first", found.first.clone());
    fact("last", found.last.clone());
    let week = match found.week.as_str() {
        "" => String::new(),
        week => format!(", {week}"),
    };
    fact("step", format!("{}{week}", found.step));
    fact("filled", found.filled.to_string());
    fact("duplicates_dropped", found.duplicates_dropped.to_string());
    for gap in found.gaps.iter().take(GAPS) {
        let fate = if gap.filled {
            "filled"
        } else {
            "splits the series"
        };
        fact(
            "gap",
            format!(
                "{} between {} and {}, {fate}",
                say::count(gap.missing, "row"),
                gap.after,
                gap.before
            ),
        );
    }
    if found.gaps.len() > GAPS {
        let split = found.gaps.iter().filter(|gap| !gap.filled).count();
        let more = found.gaps.len() - GAPS;
        fact(
            "more gaps",
            format!("{more}; of all {split} split the series (`--format json` lists them)"),
        );
    }
    for column in &reading.dialect.columns {
        fact(column.role.name(), format!("`{}`", column.name));
    }
    for dropped in &found.dropped {
        fact(
            "left out",
            format!("`{}`: {}", dropped.column, dropped.reason),
        );
    }
    for joined in &reading.joined {
        fact("joined", joined.summary());
        fact("", format!("as `--join {}`", joined.join));
    }
    let joined = reading.joined.iter().flat_map(|joined| &joined.warnings);
    for warning in found.warnings.iter().chain(joined) {
        fact("warning", warning.clone());
    }
    grid.left()
}
