//! CSV of any dialect, in one pass with bounded buffers.
//!
//! In comes a text; out goes a reading. The head decides the layout, every row is then held to it: a cell that does not fit is
//! refused with its line, its column, its value and the reason.

mod header;
mod layout;
mod moment;
mod number;
mod records;
mod time;

use senti::table::{Dropped, Rows};
use senti::{Column, Error, Result, Role};

use self::layout::Layout;
pub(super) use self::layout::time_rank;
pub(super) use self::number::{Cell, number};
use self::records::{Record, Records};
pub(super) use self::time::Clock;
pub(super) use self::time::looks_like_time;
use super::bytes::Text;
use super::raw::{Ask, Published, Raw};
use super::{Dialect, Reading, Request, drop_row_numbers, printable};

const DAY: i64 = 86_400_000;

/// Rows between two looks at the memory.
const LOOK: usize = 4096;

/// Reads a text.
pub(super) fn read(text: Text, request: &Request, origin: String) -> Result<Reading> {
    raw(text, &Ask::table(request))?.table(&request.table, origin)
}

/// Reads the rows of a text, before anything is made of them.
pub(super) fn raw(text: Text, ask: &Ask<'_>) -> Result<Raw> {
    let mut layout = layout::find(&text.head, text.is_whole)?;
    if let Some(name) = ask.time {
        layout.time = find_column(&layout.names, name)?;
        layout.time_of_day = None;
        let time = layout.time;
        layout.numbers.retain(|&i| i != time);
    }
    let known = match ask.known {
        Some(name) => Some(find_column(&layout.names, name)?),
        None => None,
    };
    if known == Some(layout.time) {
        return Err(Error::input(format!(
            "`{}` is the column of times itself, it cannot be that of publications as well",
            layout.names[layout.time]
        ))
        .hint("name the column of times with `time=COLUMN`"));
    }
    layout.numbers.retain(|&i| Some(i) != known);
    let layout = layout;
    let names: Vec<&str> = layout
        .numbers
        .iter()
        .map(|&i| layout.names[i].as_str())
        .collect();
    let assignment = ask.roles(&names)?;
    let mut body = Body::new(
        &layout,
        &assignment.roles,
        text.expected_lines(),
        ask.request,
    );
    body.known = known.map(|column| Known {
        column,
        clock: Clock::new(layout.decimal == b','),
        times: Vec::new(),
        rows: Vec::new(),
    });
    let mut dialect = Dialect {
        format: "csv".to_owned(),
        compression: text.compression.map(str::to_owned),
        encoding: text.encoding.to_owned(),
        delimiter: Some(layout.delimiter as char),
        decimal: Some(layout.decimal as char),
        header_lines: layout.header_lines,
        ..Dialect::default()
    };
    let mut records = Records::new(text.reader, layout.delimiter);
    let mut record = Record::default();
    while records.next(&mut record)? {
        if record.line >= layout.first_line {
            body.push(&record)?;
        }
    }
    dialect.skipped_lines = layout.skipped_lines + body.n_comments;
    if body.n_headers > 0 {
        body.warnings.push(match body.n_headers {
            1 => "the header is repeated once among the rows; this line was skipped".to_owned(),
            n => {
                format!("the header is repeated {n} times among the rows; these lines were skipped")
            }
        });
    }
    let Body {
        mut time,
        line,
        mut columns,
        clock,
        mut warnings,
        mut dropped,
        known,
        ..
    } = body;
    if time.is_empty() {
        return Err(Error::data("the file has a header and no rows").hint("give at least two rows"));
    }
    drop_row_numbers(&mut columns, ask.is_side, &mut dropped);
    let is_moment = clock.is_moment();
    dialect.with_clock = time.iter().any(|time| time.rem_euclid(DAY) != 0);
    dialect.time_format = clock
        .finish(&mut time, &mut warnings)
        .map_err(|(row, refusal)| {
            let name = &layout.names[layout.time];
            let reason = refusal.reason;
            Error::data(format!(
                "line {}, column `{name}`: the date is {reason}",
                line[row]
            ))
            .hint(refusal.hint)
        })?;
    dialect.time_column = layout.names[layout.time].clone();
    if let Some(i) = layout.time_of_day {
        dialect.time_column = format!("{} {}", dialect.time_column, layout.names[i]);
    }
    dialect.order = order(&time).to_owned();
    dropped.splice(
        0..0,
        layout.dropped.iter().chain(&assignment.dropped).cloned(),
    );
    warnings.splice(
        0..0,
        layout.warnings.iter().chain(&assignment.warnings).cloned(),
    );
    let known = known.map(|known| known.finish(&layout)).transpose()?;
    Ok(Raw {
        rows: Rows {
            time,
            line,
            columns,
        },
        dialect,
        dropped,
        warnings,
        is_moment,
        known,
    })
}

/// Shows every record of a text with its line, whatever its cells are.
pub(super) fn each_record(
    text: Text,
    mut see: impl FnMut(u32, &[&str]) -> Result<()>,
) -> Result<()> {
    let delimiter = layout::delimiter(&text.head, text.is_whole)?;
    let mut records = Records::new(text.reader, delimiter);
    let mut record = Record::default();
    while records.next(&mut record)? {
        let cells: Vec<&str> = record.cells().collect();
        see(record.line, &cells)?;
    }
    Ok(())
}

/// The column of this name; letters may be small or large.
pub(super) fn find_column(names: &[String], name: &str) -> Result<usize> {
    let exact = names.iter().position(|other| other == name);
    let like = || {
        names
            .iter()
            .position(|other| other.eq_ignore_ascii_case(name))
    };
    exact.or_else(like).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let error = Error::input(format!("there is no column `{}`", printable(name)));
        match senti::table::nearest_name(name, &names) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("the columns are {}", names.join(", "))),
        }
    })
}

/// A column that says when each row was published.
struct Known {
    column: usize,
    clock: Clock,
    times: Vec<i64>,
    /// For each row its place in `times`; none where the cell is blank.
    rows: Vec<Option<usize>>,
}

impl Known {
    fn push(&mut self, record: &Record, layout: &Layout) -> Result<()> {
        let cell = record.get(self.column);
        if number(cell, layout.decimal) == Cell::Blank {
            self.rows.push(None);
            return Ok(());
        }
        let read = self.clock.read(cell, record.line, &mut self.times);
        read.map_err(|refusal| {
            let error = Error::data(format!(
                "line {}, column `{}`: `{}` is {}",
                record.line,
                layout.names[self.column],
                shortened(cell),
                refusal.reason
            ));
            match refusal.hint {
                "" => error,
                hint => error.hint(hint),
            }
        })?;
        self.rows.push(Some(self.times.len() - 1));
        Ok(())
    }

    fn finish(mut self, layout: &Layout) -> Result<Published> {
        let is_moment = self.clock.is_moment();
        let finished = self.clock.finish(&mut self.times, &mut Vec::new());
        finished.map_err(|(_, refusal)| {
            Error::data(format!(
                "column `{}`: a date is {}",
                layout.names[self.column], refusal.reason
            ))
            .hint(refusal.hint)
        })?;
        let times = &self.times;
        let time = |place: &Option<usize>| place.map(|place| times[place]);
        Ok(Published {
            times: self.rows.iter().map(time).collect(),
            is_moment,
        })
    }
}

/// An empty column with room; a guess that is too large for this machine is no room.
fn with_room<T>(rows: usize) -> Vec<T> {
    let mut values = Vec::new();
    let _ = values.try_reserve_exact(rows);
    values
}

/// In which order rows come.
pub(super) fn order(time: &[i64]) -> &'static str {
    let rises = time.windows(2).any(|pair| pair[1] > pair[0]);
    let falls = time.windows(2).any(|pair| pair[1] < pair[0]);
    match (rises, falls) {
        (true, true) => "unsorted",
        (false, true) => "newest first",
        _ => "oldest first",
    }
}

/// The rows, as they come in.
struct Body<'a> {
    layout: &'a Layout,
    request: &'a Request,
    /// Column of the file, and whether a number was seen in it, for each of `columns`.
    sources: Vec<(usize, bool)>,
    time: Vec<i64>,
    line: Vec<u32>,
    columns: Vec<Column>,
    clock: Clock,
    n_comments: usize,
    n_headers: usize,
    warnings: Vec<String>,
    dropped: Vec<Dropped>,
    /// Date and time of day, joined.
    joined: String,
    known: Option<Known>,
}

impl<'a> Body<'a> {
    /// With room for `expected` rows: columns that grow by copying leave holes behind.
    fn new(
        layout: &'a Layout,
        roles: &[Option<Role>],
        expected: usize,
        request: &'a Request,
    ) -> Self {
        let kept = layout
            .numbers
            .iter()
            .zip(roles)
            .filter_map(|(i, role)| role.map(|role| (*i, role)));
        let columns = kept.clone().map(|(i, role)| Column {
            name: layout.names[i].clone(),
            role,
            values: with_room(expected),
        });
        Self {
            layout,
            request,
            sources: kept.clone().map(|(i, _)| (i, false)).collect(),
            time: with_room(expected),
            line: with_room(expected),
            columns: columns.collect(),
            // Where the comma is a decimal sign, the day comes first as well.
            clock: Clock::new(layout.decimal == b','),
            n_comments: 0,
            n_headers: 0,
            warnings: Vec::new(),
            dropped: Vec::new(),
            joined: String::new(),
            known: None,
        }
    }

    fn push(&mut self, record: &Record) -> Result<()> {
        let n = self.layout.names.len();
        if layout::is_comment(record) {
            self.n_comments += 1;
            return Ok(());
        }
        if record.is_blank() {
            return Ok(());
        }
        if record.len() != n && record.len_trimmed() > n || record.len() < n {
            return self.ragged(record);
        }
        let cell = record.get(self.layout.time);
        let moment = match self.layout.time_of_day {
            None => cell,
            Some(i) => {
                self.joined.clear();
                self.joined.push_str(cell);
                self.joined.push(' ');
                self.joined.push_str(record.get(i));
                &self.joined
            }
        };
        if let Err(refusal) = self.clock.read(moment, record.line, &mut self.time) {
            if record
                .cells()
                .eq(self.layout.header.iter().map(String::as_str))
            {
                self.n_headers += 1;
                return Ok(());
            }
            let name = &self.layout.names[self.layout.time];
            let error = Error::data(format!(
                "line {}, column `{name}`: `{}` is {}",
                record.line,
                shortened(moment),
                refusal.reason
            ));
            return Err(if refusal.hint.is_empty() {
                error
            } else {
                error.hint(refusal.hint)
            });
        }
        let mut not_numbers = Vec::new();
        for (k, ((i, is_seen), column)) in
            self.sources.iter_mut().zip(&mut self.columns).enumerate()
        {
            let text = record.get(*i);
            let value = match number(text, self.layout.decimal) {
                Cell::Number(_) if column.role.is_price() && number::is_rounded(text) => {
                    return Err(Error::data(format!(
                        "line {}, column `{}`: `{}` has lost its last digits",
                        record.line,
                        column.name,
                        shortened(text)
                    ))
                    .hint(
                        "a spreadsheet shortened the price; export the file again from its source",
                    ));
                }
                Cell::Number(value) => {
                    *is_seen = true;
                    value
                }
                Cell::Blank => f64::NAN,
                Cell::Bad(_) if !*is_seen && column.role == Role::Series => {
                    not_numbers.push((k, shortened(text)));
                    f64::NAN
                }
                Cell::Bad(reason) => {
                    let hint = if self.layout.decimal == b',' {
                        "the file's other numbers have a decimal comma; correct the cell, or empty it"
                    } else {
                        "correct the cell, or empty it where the value is not known"
                    };
                    return Err(Error::data(format!(
                        "line {}, column `{}`: `{}` is {reason}",
                        record.line,
                        column.name,
                        shortened(text)
                    ))
                    .hint(hint));
                }
            };
            column.values.push(value);
        }
        if let Some(known) = &mut self.known {
            known.push(record, self.layout)?;
        }
        self.line.push(record.line);
        if self.line.len().is_multiple_of(LOOK) {
            let rows = self.line.len();
            self.request.check_memory(rows, self.columns.len())?;
        }
        for (k, example) in not_numbers.into_iter().rev() {
            // Blank as far as the head goes, and text at last.
            let column = self.columns.remove(k);
            self.sources.remove(k);
            self.dropped.push(Dropped::new(
                column.name,
                format!("not numbers (`{example}`)"),
            ));
        }
        Ok(())
    }

    fn ragged(&self, record: &Record) -> Result<()> {
        let n = self.layout.names.len();
        let what = if record.len() == 1 {
            "1 cell".to_owned()
        } else {
            format!("{} cells", record.len())
        };
        let first = shortened(record.get(0));
        Err(Error::data(format!(
            "line {}: {what} where {n} are wanted (it begins with `{first}`)",
            record.line
        ))
        .hint(if record.len() < n {
            "the file may be truncated, or a separator is missing"
        } else {
            "a cell that holds the separator must be quoted"
        }))
    }
}

/// A cell for a sentence: not too long, and nothing in it that a terminal obeys.
pub(super) fn shortened(text: &str) -> String {
    let text = printable(text);
    if text.chars().count() <= 40 {
        return text;
    }
    text.chars().take(37).chain("...".chars()).collect()
}
