//! From raw rows to a table: order, duplicates, blanks, prices, step, unfinished candle, gaps.
//!
//! In come the columns as a source read them; out goes the table and what was found. Every step works on one column at a time and
//! in place, so a million rows need no second copy.

use super::found::{Dropped, Found, Gap};
use super::{Column, Role, Table, Time, prices};
use crate::calendar::{Calendar, format_time};
use crate::error::{Error, Result};

/// Rows as a source read them, in any order.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Opening time of each candle.
    pub time: Vec<Time>,
    /// Line in the source, for error texts; empty where a source has no lines.
    pub line: Vec<u32>,
    /// Values with their roles; NaN is a blank cell.
    pub columns: Vec<Column>,
}

/// How raw rows become a table.
#[derive(Clone, Debug, Default)]
pub struct TableOptions {
    /// The time now; a candle that closes later is left out. `None` keeps every row.
    pub now: Option<Time>,
    /// Gaps of up to this many steps are filled. `None`: 3 for steps of a day or longer, else an hour's worth and at least 3.
    pub max_fill: Option<usize>,
}

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Longest gap that is filled where nothing else is asked for, in rows of this step.
pub fn default_fill(step: i64) -> usize {
    if step >= DAY {
        3
    } else {
        (HOUR / step).max(3) as usize
    }
}

impl Rows {
    /// Where a row is: its line, or its number.
    fn place(&self, row: usize) -> String {
        match self.line.get(row) {
            Some(line) => format!("line {line}"),
            None => format!("row {}", row + 1),
        }
    }

    /// Moves every column through the same change.
    fn each(
        &mut self,
        mut time: impl FnMut(&mut Vec<Time>),
        mut line: impl FnMut(&mut Vec<u32>),
        mut values: impl FnMut(&mut Vec<f64>),
    ) {
        time(&mut self.time);
        if !self.line.is_empty() {
            line(&mut self.line);
        }
        for column in &mut self.columns {
            values(&mut column.values);
        }
    }

    fn keep(&mut self, keep: &[bool]) {
        self.each(
            |time| retain(time, keep),
            |line| retain(line, keep),
            |values| retain(values, keep),
        );
    }
}

pub(super) fn build(mut rows: Rows, options: &TableOptions) -> Result<(Table, Found)> {
    let mut found = Found::default();
    shape(&rows)?;
    sort(&mut rows, &mut found);
    drop_blank(&mut rows, &mut found)?;
    drop_duplicates(&mut rows, &mut found)?;
    let place = |row: usize| rows.place(row);
    // Signs first: a zero price would make nonsense of every later sentence.
    prices::signs(&rows.columns, &place)?;
    let mut calendar =
        Calendar::find(&rows.time).map_err(|trouble| trouble.error(&rows.time, place))?;
    if let Some(late) = calendar.closing_time() {
        // 23:59:59 is where a day ends; a row carries the time at which its candle opens.
        rows.time.iter_mut().for_each(|time| *time -= late);
        calendar = Calendar::find(&rows.time)
            .map_err(|trouble| trouble.error(&rows.time, |row| rows.place(row)))?;
        let warning = "times are the end of their candle and were set to its beginning";
        found.warnings.push(warning.to_owned());
    }
    drop_unfinished(&mut rows, &calendar, options.now, &mut found)?;
    fill_prices(&mut rows, &mut found);
    let warnings = prices::check(&rows.time, &rows.columns, &calendar, |row| rows.place(row))?;
    // One odd move is worth a line, a hundred are not.
    let n_more = warnings.len().saturating_sub(5);
    found.warnings.extend(warnings.into_iter().take(5));
    if n_more > 0 {
        found.warnings.push(match n_more {
            1 => "1 more move like these".to_owned(),
            n => format!("{n} more moves like these"),
        });
    }
    let close = rows
        .columns
        .iter()
        .find(|column| column.role == Role::Close);
    if close.is_some_and(|close| close.values.iter().all(|value| *value == close.values[0])) {
        found
            .warnings
            .push("the closing price never changes".to_owned());
    }

    found.rows = rows.time.len();
    found.first = calendar.format(rows.time[0]);
    found.last = calendar.format(rows.time[found.rows - 1]);
    found.step = calendar.step_name();
    found.step_ms = calendar.step();
    found.continuous = calendar.is_continuous();
    found.week = calendar.week_name().to_owned();
    let segments = fill_gaps(
        &mut rows,
        &calendar,
        options
            .max_fill
            .unwrap_or_else(|| default_fill(calendar.step())),
        &mut found,
    );
    found.segments = segments.len();
    let Rows { time, columns, .. } = rows;
    Ok((
        Table {
            time,
            columns,
            segments,
            calendar,
        },
        found,
    ))
}

fn shape(rows: &Rows) -> Result<()> {
    let n_rows = rows.time.len();
    if let Some(column) = rows
        .columns
        .iter()
        .find(|column| column.values.len() != n_rows)
    {
        return Err(Error::internal(format!(
            "column `{}` has {} values for {n_rows} rows",
            column.name,
            column.values.len()
        )));
    }
    if !rows.line.is_empty() && rows.line.len() != n_rows {
        return Err(Error::internal(format!(
            "{} line numbers for {n_rows} rows",
            rows.line.len()
        )));
    }
    for role in [Role::Open, Role::High, Role::Low, Role::Close, Role::Volume] {
        let named: Vec<&str> = rows
            .columns
            .iter()
            .filter(|column| column.role == role)
            .map(|column| column.name.as_str())
            .collect();
        if named.len() > 1 {
            return Err(Error::input(format!(
                "`{}` and `{}` cannot both be the {}",
                named[0],
                named[1],
                role.name()
            )));
        }
        if role == Role::Close && named.is_empty() {
            return Err(Error::data("no column is the closing price")
                .hint("name it with `--target_column`"));
        }
    }
    if n_rows == 0 {
        return Err(Error::data("there are no rows").hint("give at least two rows"));
    }
    Ok(())
}

/// Newest first is turned round, any other disorder is sorted (rows of equal time stay in the source's order).
fn sort(rows: &mut Rows, found: &mut Found) {
    let n_falls = rows
        .time
        .windows(2)
        .filter(|pair| pair[1] < pair[0])
        .count();
    let n_rises = rows
        .time
        .windows(2)
        .filter(|pair| pair[1] > pair[0])
        .count();
    if n_falls == 0 {
        return;
    }
    rows.each(
        |time| time.reverse(),
        |line| line.reverse(),
        |values| values.reverse(),
    );
    if n_rises == 0 {
        return;
    }
    rows.each(
        |time| time.reverse(),
        |line| line.reverse(),
        |values| values.reverse(),
    );
    let fall = rows
        .time
        .windows(2)
        .position(|pair| pair[1] < pair[0])
        .unwrap_or(0);
    found.warnings.push(format!(
        "rows were out of order (first at {}) and were sorted by time",
        rows.place(fall + 1)
    ));
    let mut order: Vec<u32> = (0..rows.time.len() as u32).collect();
    order.sort_by_key(|&row| rows.time[row as usize]);
    fn apply<T: Copy>(values: &mut Vec<T>, order: &[u32]) {
        *values = order.iter().map(|&row| values[row as usize]).collect();
    }
    rows.each(
        |time| apply(time, &order),
        |line| apply(line, &order),
        |values| apply(values, &order),
    );
}

/// Columns without any value are named and left out; so are rows without a close, which then count as missing.
fn drop_blank(rows: &mut Rows, found: &mut Found) -> Result<()> {
    rows.columns.retain(|column| {
        let blank = column.role != Role::Close && column.values.iter().all(|value| value.is_nan());
        if blank {
            found
                .dropped
                .push(Dropped::new(&column.name, "no value in any row"));
        }
        !blank
    });
    let close = rows
        .columns
        .iter()
        .find(|column| column.role == Role::Close)
        .expect("checked by `shape`");
    let keep: Vec<bool> = close.values.iter().map(|value| !value.is_nan()).collect();
    found.blank_dropped = keep.iter().filter(|keep| !**keep).count();
    if found.blank_dropped == keep.len() {
        return Err(
            Error::data(format!("column `{}` has no value in any row", close.name))
                .hint("choose another `--target_column`"),
        );
    }
    if found.blank_dropped > 0 {
        let (n, name) = (found.blank_dropped, &close.name);
        found.warnings.push(match n {
            1 => format!("1 row has no `{name}` and counts as missing"),
            n => format!("{n} rows have no `{name}` and count as missing"),
        });
        rows.keep(&keep);
    }
    Ok(())
}

/// Rows that repeat another exactly are dropped; rows that contradict another are refused.
fn drop_duplicates(rows: &mut Rows, found: &mut Found) -> Result<()> {
    let mut keep = Vec::new();
    for row in 1..rows.time.len() {
        if rows.time[row] != rows.time[row - 1] {
            continue;
        }
        for column in &rows.columns {
            let (a, b) = (column.values[row - 1], column.values[row]);
            if a != b && !(a.is_nan() && b.is_nan()) {
                let text = |value: f64| {
                    if value.is_nan() {
                        "blank".to_owned()
                    } else {
                        prices::plain(value)
                    }
                };
                let (first, second) = (rows.place(row - 1), rows.place(row));
                return Err(Error::data(format!(
                    "{first} and {second} have the same time {}, but `{}` is {} and {}",
                    format_time(rows.time[row], DAY),
                    column.name,
                    text(a),
                    text(b)
                ))
                .hint(
                    "keep one of the two lines; several assets in one file must be separated first, and local times need their zone",
                ));
            }
        }
        if keep.is_empty() {
            keep = vec![true; rows.time.len()];
        }
        keep[row] = false;
        found.duplicates_dropped += 1;
    }
    if found.duplicates_dropped > 0 {
        rows.keep(&keep);
    }
    Ok(())
}

/// The candle that is still open is left out. A calendar ahead of UTC may have two of them, so that one begins up to one step after
/// now; anything later is an error of the dates.
fn drop_unfinished(
    rows: &mut Rows,
    calendar: &Calendar,
    now: Option<Time>,
    found: &mut Found,
) -> Result<()> {
    let Some(now) = now else { return Ok(()) };
    let n_closed = rows
        .time
        .partition_point(|time| time.saturating_add(calendar.step()) <= now);
    found.unfinished_dropped = rows.time.len() - n_closed;
    let n_possible = rows
        .time
        .partition_point(|time| *time <= now.saturating_add(calendar.step()));
    if n_possible < rows.time.len() {
        let others = match rows.time.len() - n_possible - 1 {
            0 => String::new(),
            1 => ", as does 1 more row".to_owned(),
            n => format!(", as do {n} more rows"),
        };
        return Err(Error::data(format!(
            "{}: the time {} lies in the future{others}; it is now {}",
            rows.place(n_possible),
            calendar.format(rows.time[n_possible]),
            format_time(now - now.rem_euclid(1000), 1),
        ))
        .hint("check the order of day and month, and this machine's clock"));
    }
    if n_closed == 0 {
        return Err(Error::data(format!(
            "no candle is closed yet: the first one, of {}, ends later than now",
            calendar.format(rows.time[0])
        ))
        .hint("give at least two closed candles"));
    }
    if found.unfinished_dropped > 0 {
        let names: Vec<String> = rows.time[n_closed..]
            .iter()
            .map(|time| calendar.format(*time))
            .collect();
        found.warnings.push(match &names[..] {
            [only] => format!("the candle of {only} is not closed yet and was left out"),
            names => format!(
                "the candles of {} are not closed yet and were left out",
                names.join(" and ")
            ),
        });
        rows.each(
            |time| time.truncate(n_closed),
            |line| line.truncate(n_closed),
            |values| values.truncate(n_closed),
        );
    }
    if n_closed < 2 {
        return Err(
            Error::data("1 row is too few to know the step between rows")
                .hint("give at least two closed candles"),
        );
    }
    Ok(())
}

/// A blank open, high or low beside a known close becomes that close; series and volume carry their last known value.
fn fill_prices(rows: &mut Rows, found: &mut Found) {
    let Some(i_close) = rows
        .columns
        .iter()
        .position(|column| column.role == Role::Close)
    else {
        return;
    };
    for i in 0..rows.columns.len() {
        if i == i_close {
            continue;
        }
        let mut values = std::mem::take(&mut rows.columns[i].values);
        let mut n_blank = 0;
        if rows.columns[i].role.is_price() {
            for (value, close) in values.iter_mut().zip(&rows.columns[i_close].values) {
                if value.is_nan() {
                    n_blank += 1;
                    *value = *close;
                }
            }
        } else {
            let mut known = f64::NAN;
            for value in &mut values {
                if value.is_nan() {
                    *value = known;
                } else {
                    known = *value;
                }
            }
        }
        rows.columns[i].values = values;
        if n_blank > 0 {
            let name = &rows.columns[i].name;
            found.warnings.push(match n_blank {
                1 => format!("1 blank cell of `{name}` was set to the close of its row"),
                n => format!("{n} blank cells of `{name}` were set to the close of their row"),
            });
        }
    }
}

/// Fills short gaps forward and returns the segments between long ones.
fn fill_gaps(
    rows: &mut Rows,
    calendar: &Calendar,
    max_fill: usize,
    found: &mut Found,
) -> Vec<std::ops::Range<usize>> {
    let mut segments = Vec::new();
    let mut start = 0;
    // (row before the gap, rows to insert behind it)
    let mut inserts: Vec<(usize, usize)> = Vec::new();
    for row in 1..rows.time.len() {
        let missing = calendar.missing_between(rows.time[row - 1], rows.time[row]);
        if missing == 0 {
            continue;
        }
        let filled = missing <= max_fill;
        found.gaps.push(Gap {
            after: calendar.format(rows.time[row - 1]),
            before: calendar.format(rows.time[row]),
            missing,
            filled,
        });
        if filled {
            inserts.push((row - 1, missing));
            found.filled += missing;
        } else {
            let end = row + found.filled;
            segments.push(start..end);
            start = end;
        }
    }
    segments.push(start..rows.time.len() + found.filled);
    if inserts.is_empty() {
        return segments;
    }
    expand(&mut rows.time, &inserts, found.filled, |last, k| {
        calendar.after(last, k)
    });
    rows.line = Vec::new();
    let mut close = std::mem::take(
        &mut rows
            .columns
            .iter_mut()
            .find(|column| column.role == Role::Close)
            .expect("checked by `shape`")
            .values,
    );
    expand(&mut close, &inserts, found.filled, |last, _| last);
    for column in &mut rows.columns {
        match column.role {
            Role::Close => column.values = std::mem::take(&mut close),
            Role::Volume => expand(&mut column.values, &inserts, found.filled, |_, _| 0.0),
            _ => expand(&mut column.values, &inserts, found.filled, |last, _| last),
        }
    }
    // A filled candle is flat: open, high and low are the last close.
    let i_close = rows
        .columns
        .iter()
        .position(|column| column.role == Role::Close)
        .expect("checked by `shape`");
    let close = std::mem::take(&mut rows.columns[i_close].values);
    for column in rows
        .columns
        .iter_mut()
        .filter(|column| column.role.is_price())
        .filter(|column| !column.values.is_empty())
    {
        let mut inserted = 0;
        for &(row, missing) in &inserts {
            let from = row + inserted + 1;
            column.values[from..from + missing].copy_from_slice(&close[from..from + missing]);
            inserted += missing;
        }
    }
    rows.columns[i_close].values = close;
    segments
}

/// Opens room behind the given rows, from the back so that it happens in place, and fills it from the row before.
fn expand<T: Copy>(
    values: &mut Vec<T>,
    inserts: &[(usize, usize)],
    total: usize,
    fill: impl Fn(T, usize) -> T,
) {
    let Some(&last) = values.last() else { return };
    let mut end = values.len();
    values.reserve_exact(total);
    values.resize(end + total, last);
    let mut shift = total;
    for &(row, missing) in inserts.iter().rev() {
        values.copy_within(row + 1..end, row + 1 + shift);
        shift -= missing;
        let before = values[row];
        for k in 1..=missing {
            values[row + shift + k] = fill(before, k);
        }
        end = row + 1;
    }
}

fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut row = 0;
    values.retain(|_| {
        row += 1;
        keep[row - 1]
    });
}
