//! A table or a query in Google BigQuery.
//!
//! In comes a request with a place; out goes a reading. BigQuery keeps no order: rows are sorted by time. Times may be `DATE`,
//! `DATETIME`, `TIMESTAMP`, or whatever the CSV reader understands as text or unix time.

use senti::table::{Dropped, Rows, infer_roles, plain_role};
use senti::{Column, Error, Result, Table};

use super::csv::{Cell, Clock, looks_like_time, number, shortened, time_rank};
use super::{Dialect, Reading, Request, drop_row_numbers, printable};
use crate::bigquery::{Cells, Fetched, Frame};

const DAY: i64 = 86_400_000;

pub(super) fn read(request: &Request) -> Result<Reading> {
    let place = request.bigquery.as_ref().ok_or_else(|| {
        Error::input("the data source is `bigquery`, but nothing says where its rows are")
            .hint("add `--gcp_project NAME` and `--bq_dataset NAME`")
    })?;
    let room = |rows, columns| request.check_memory(rows, columns);
    let Fetched { frame, origin } = place.fetch(&request.watch, &room)?;
    if frame.rows == 0 {
        return Err(Error::data(format!("the {origin} has no rows")).hint("give at least two rows"));
    }
    table(frame, request, origin)
}

fn table(frame: Frame, request: &Request, origin: String) -> Result<Reading> {
    let n_rows = frame.rows;
    let names: Vec<String> = frame
        .fields
        .iter()
        .map(|field| printable(&field.name))
        .collect();
    let (mut warnings, mut dropped) = (Vec::new(), Vec::new());
    let i_time = find_time(&frame, &names)?;
    let (mut time, time_format) = times(&frame, i_time, &names[i_time], &mut warnings)?;
    let with_clock = time.iter().any(|time| time.rem_euclid(DAY) != 0);

    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    let parts = frame
        .columns
        .into_iter()
        .zip(&frame.fields)
        .zip(&frame.rounded);
    for (i, ((cells, field), rounded)) in parts.enumerate() {
        let name = &names[i];
        if i == i_time {
            continue;
        }
        if *rounded > 0 {
            let (kind, of) = (&field.kind, if *rounded == 1 { "value" } else { "values" });
            warnings.push(format!(
                "column `{name}` ({kind}) has {rounded} {of} with more digits than a 64-bit float keeps"
            ));
        }
        let second = || format!("a second column of times, beside `{}`", names[i_time]);
        match cells {
            Cells::LeftOut => {
                dropped.push(Dropped::new(name, format!("of the type {}", field.kind)))
            }
            Cells::Moments(_) => dropped.push(Dropped::new(name, second())),
            Cells::Wholes(_) | Cells::Texts(_) if time_rank(name).is_some() => {
                dropped.push(Dropped::new(name, second()));
            }
            Cells::Numbers(values) => columns.push((name.clone(), values)),
            Cells::Wholes(values) => {
                let values = values
                    .into_iter()
                    .map(|value| value.map_or(f64::NAN, |value| value as f64));
                columns.push((name.clone(), values.collect()));
            }
            Cells::Texts(values) => match numbers(&values, name)? {
                Ok(values) => columns.push((name.clone(), values)),
                Err(example) => {
                    dropped.push(Dropped::new(name, format!("not numbers (`{example}`)")))
                }
            },
        }
    }
    // Stable: rows of equal time stay as they came.
    let mut order: Vec<u32> = (0..n_rows as u32).collect();
    order.sort_by_key(|&row| time[row as usize]);
    time = order.iter().map(|&row| time[row as usize]).collect();
    for (_, values) in &mut columns {
        *values = order.iter().map(|&row| values[row as usize]).collect();
    }

    let of_numbers: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let assignment = infer_roles(
        &of_numbers,
        request.target_column.as_deref(),
        &request.roles,
    )?;
    dropped.extend(assignment.dropped);
    warnings.extend(assignment.warnings);
    let kept = columns.into_iter().zip(assignment.roles);
    let mut columns: Vec<Column> = kept
        .filter_map(|((name, values), role)| role.map(|role| Column { name, role, values }))
        .collect();
    drop_row_numbers(&mut columns, false, &mut dropped);
    let dialect = Dialect {
        format: "bigquery".to_owned(),
        time_column: names[i_time].clone(),
        time_format,
        with_clock,
        order: "oldest first".to_owned(),
        ..Dialect::default()
    };
    let rows = Rows {
        time,
        line: Vec::new(),
        columns,
    };
    let (table, mut found) = Table::from_rows(rows, &request.table)?;
    dropped.append(&mut found.dropped);
    found.dropped = dropped;
    warnings.append(&mut found.warnings);
    found.warnings = warnings;
    Ok(Reading::new(table, found, dialect, origin))
}

/// The column of times: typed as one, else named and written like one.
fn find_time(frame: &Frame, names: &[String]) -> Result<usize> {
    let typed = |i: usize| matches!(frame.columns[i], Cells::Moments(_));
    let best = |typed_ones: bool| {
        (0..names.len())
            .filter(|&i| typed(i) == typed_ones && !matches!(frame.columns[i], Cells::LeftOut))
            .filter_map(|i| time_rank(&names[i]).map(|rank| (rank, i)))
            .min()
            .map(|(_, i)| i)
    };
    let first = || (0..names.len()).find(|&i| typed(i));
    let written = || {
        (0..names.len()).find(|&i| match &frame.columns[i] {
            Cells::Texts(values) => values
                .iter()
                .flatten()
                .next()
                .is_some_and(|text| looks_like_time(text)),
            _ => false,
        })
    };
    best(true)
        .or_else(first)
        .or_else(|| best(false))
        .or_else(written)
        .ok_or_else(|| {
            let names: Vec<String> = names
                .iter()
                .take(20)
                .map(|name| format!("`{name}`"))
                .collect();
            Error::data(format!(
                "none of the columns {} holds times",
                names.join(", ")
            ))
            .hint("select a column of the type DATE, DATETIME or TIMESTAMP")
        })
}

/// Times in milliseconds, and how they are written.
fn times(
    frame: &Frame,
    i_time: usize,
    name: &str,
    warnings: &mut Vec<String>,
) -> Result<(Vec<i64>, String)> {
    let null = |row: usize| {
        Error::data(format!(
            "row {row}, column `{name}`: the time is NULL, wanted one in every row"
        ))
        .hint(format!(
            "leave such rows out: `--query \"SELECT … WHERE {name} IS NOT NULL\"`"
        ))
    };
    let text = |row: usize| match &frame.columns[i_time] {
        Cells::Wholes(values) => values[row].map(|value| value.to_string()),
        Cells::Texts(values) => values[row].clone(),
        Cells::Numbers(values) => Some(values[row].to_string()).filter(|_| !values[row].is_nan()),
        _ => None,
    };
    if let Cells::Moments(values) = &frame.columns[i_time] {
        let times = values
            .iter()
            .enumerate()
            .map(|(row, value)| value.ok_or_else(|| null(row + 1)));
        return Ok((
            times.collect::<Result<_>>()?,
            frame.fields[i_time].kind.clone(),
        ));
    }
    let (mut time, mut clock) = (Vec::with_capacity(frame.rows), Clock::new(false));
    for row in 0..frame.rows {
        let cell = text(row).ok_or_else(|| null(row + 1))?;
        clock
            .read(&cell, row as u32 + 1, &mut time)
            .map_err(|refusal| {
                let place = format!("row {}, column `{name}`", row + 1);
                let error = Error::data(format!(
                    "{place}: `{}` is {}",
                    shortened(&cell),
                    refusal.reason
                ));
                match refusal.hint.is_empty() {
                    true => error,
                    false => error.hint(refusal.hint),
                }
            })?;
    }
    let written = clock
        .finish(&mut time, warnings)
        .map_err(|(row, refusal)| {
            let place = format!("row {}, column `{name}`", row + 1);
            Error::data(format!("{place}: the date is {}", refusal.reason)).hint(refusal.hint)
        })?;
    Ok((time, written))
}

/// Texts as numbers, or an example of why they are none.
fn numbers(values: &[Option<String>], name: &str) -> Result<Result<Vec<f64>, String>> {
    let mut out = Vec::with_capacity(values.len());
    let mut n_seen = 0;
    for (row, text) in values.iter().enumerate() {
        let text = text.as_deref().unwrap_or_default();
        out.push(match number(text, b'.') {
            Cell::Number(value) => {
                n_seen += 1;
                value
            }
            Cell::Blank => f64::NAN,
            Cell::Bad(_) if n_seen == 0 && plain_role(name).is_none() => {
                return Ok(Err(shortened(text)));
            }
            Cell::Bad(reason) => {
                let place = format!("row {}, column `{name}`", row + 1);
                return Err(
                    Error::data(format!("{place}: `{}` is {reason}", shortened(text)))
                        .hint("correct the value, or make it NULL where it is not known"),
                );
            }
        });
    }
    Ok(Ok(out))
}
