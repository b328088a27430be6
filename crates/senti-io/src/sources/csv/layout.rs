//! How a file lays out its table: separator, header, which column holds times, which hold numbers, the decimal sign.
//!
//! In come the first bytes of a text; out goes a [`Layout`]. Decided once, from the head; the rows are then held to it.

use std::collections::HashSet;
use std::io::Cursor;

use senti::table::{Dropped, plain_role};
use senti::{Error, Result, Role};

use super::header::{join_header, names_by_shape, unique};
use super::number::{Cell, Hint, hint, number};
use super::records::{Record, Records};
use super::shortened;
use super::time::{looks_like_date, looks_like_time, looks_like_time_of_day};

/// Records of the head that are looked at.
const SAMPLE: usize = 2_000;

/// The layout of a file.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub delimiter: u8,
    pub decimal: u8,
    pub header_lines: usize,
    /// Records before the header that hold nothing.
    pub skipped_lines: usize,
    /// Line of the first record of data.
    pub first_line: u32,
    /// A header that comes once more between rows is skipped.
    pub header: Vec<String>,
    /// One name a column.
    pub names: Vec<String>,
    /// The column of times.
    pub time: usize,
    /// A column of times of day beside it.
    pub time_of_day: Option<usize>,
    /// Columns of numbers.
    pub numbers: Vec<usize>,
    /// Columns left out.
    pub dropped: Vec<Dropped>,
    pub warnings: Vec<String>,
}

/// Looks at the head of a text.
pub(super) fn find(head: &[u8], is_whole: bool) -> Result<Layout> {
    if !is_whole && memchr::memchr2(b'\n', b'\r', head).is_none() {
        return Err(Error::data(format!(
            "the first line is longer than {} bytes, which is all that is looked at to find the columns",
            head.len()
        ))
        .hint("leave out columns that are not needed, or check that the file is a table with lines"));
    }
    let delimiter = delimiter(head, is_whole)?;
    let mut records = sample(head, is_whole, delimiter)?;
    let n_before = records.len();
    let comments: Vec<Record> = records
        .extract_if(.., |record| is_comment(record))
        .collect();
    let n = width(&records);
    let first = records
        .iter()
        .position(|record| record.len() == n && (is_data(record) || !is_words(record)));
    let (mut header, mut data) = match first {
        Some(first) => {
            let data = records.split_off(first);
            (records, data)
        }
        None => (records, Vec::new()),
    };
    // pandas and R leave out the name of the index; a line of dashes is drawn below a header.
    let is_drawn = |record: &Record| {
        record
            .cells()
            .all(|cell| !cell.contains(char::is_alphanumeric))
            && !record.is_blank()
    };
    header.retain(|record| {
        !is_drawn(record)
            && (record.len() == n || record.len() + 1 == n || record.len_trimmed() == n)
    });
    let mut skipped_lines = n_before - comments.len() - data.len() - header.len();
    if data.is_empty() {
        let what = match header.len() {
            0 => "the file holds no table",
            _ if !is_whole => {
                return Err(Error::data(format!(
                    "the header and the first row are longer than {} bytes together, which is all that is looked at for them",
                    head.len()
                ))
                .hint("leave out columns that are not needed"));
            }
            1 => "the file has a header and no rows",
            // Nothing in it looks like a time or a number: let the first row say what is wrong.
            _ => {
                data = header.split_off(1);
                ""
            }
        };
        if data.is_empty() {
            return Err(Error::data(what).hint(
                "give a table with a column of times and one of prices, and at least two rows",
            ));
        }
    }
    if header.is_empty()
        && let Some(comment) = comments
            .iter()
            .rev()
            .find(|comment| comment.len() == n && comment.line < data[0].line)
    {
        // `# date,open,high` as NumPy writes it.
        header.push(comment.clone());
    } else {
        skipped_lines += comments
            .iter()
            .filter(|comment| comment.line < data[0].line)
            .count();
    }
    let mut warnings = Vec::new();
    let names = if header.is_empty() {
        names_by_shape(&data, n)?
    } else {
        join_header(&header, n, &data)
    };
    let names = unique(names, &mut warnings);
    let mut layout = Layout {
        delimiter,
        decimal: decimal(&data, delimiter),
        header_lines: header.len(),
        skipped_lines,
        first_line: data[0].line,
        header: header
            .last()
            .map(|record| record.cells().map(str::to_owned).collect())
            .unwrap_or_default(),
        names,
        time: 0,
        time_of_day: None,
        numbers: Vec::new(),
        dropped: Vec::new(),
        warnings,
    };
    times(&mut layout, &data)?;
    // A header that names its times, over rows of one cell more, leaves out no index: the rows have a comma too many.
    let is_short = header.last().is_some_and(|record| record.len() + 1 == n);
    let names_time = |name: &String| {
        matches!(
            name.to_lowercase().as_str(),
            "date" | "datetime" | "time" | "timestamp"
        )
    };
    if is_short
        && layout.time == 0
        && layout.names[0] == "column 1"
        && layout.names.get(1).is_some_and(names_time)
    {
        return Err(Error::data(format!(
            "line {}: {n} cells, but the header names {} columns, of which `{}` is the first",
            data[0].line,
            n - 1,
            layout.names[1]
        ))
        .hint(
            "a number with a comma in it must be quoted, or the cells separated by something else",
        ));
    }
    numbers(&mut layout, &data);
    thousands_or_fraction(&mut layout, &data);
    Ok(layout)
}

/// Where every price is one to three digits, a separator and three digits, and nothing else tells what the separator is: thousands,
/// unless it is the point of a file separated by commas. Prices with just three decimals are rare; either way it is said.
fn thousands_or_fraction(layout: &mut Layout, data: &[Record]) {
    let is_price = |i: &usize| plain_role(&layout.names[*i]).is_some_and(Role::is_price);
    let mut prices: Vec<usize> = layout.numbers.iter().copied().filter(is_price).collect();
    if prices.is_empty() {
        prices.clone_from(&layout.numbers);
    }
    let mut found: Option<(char, &str)> = None;
    for record in data {
        for cell in record.cells() {
            // Another separator, or a cell of another shape, has told which sign it is.
            let is_told = match hint(cell) {
                _ if looks_like_time(cell) => false,
                Hint::Point | Hint::Comma => true,
                Hint::EitherComma => found.is_some_and(|(sign, _)| sign != ','),
                Hint::EitherPoint => found.is_some_and(|(sign, _)| sign != '.'),
                Hint::Nothing => false,
            };
            if is_told && !matches!(number(cell, layout.decimal), Cell::Bad(_)) {
                return;
            }
        }
        for &i in &prices {
            let cell = record.get(i);
            match grouped(cell) {
                Some(sign) if found.is_none_or(|(other, _)| other == sign) => {
                    found.get_or_insert((sign, cell));
                }
                None if cell.is_empty() => {}
                _ => return,
            }
        }
    }
    let Some((sign, example)) = found else { return };
    let is_fraction = sign == '.' && layout.delimiter == b',';
    let value = if is_fraction {
        layout.decimal = b'.';
        example.to_owned()
    } else {
        layout.decimal = if sign == '.' { b',' } else { b'.' };
        example.replace(sign, "")
    };
    let (given, other) = if is_fraction {
        ("a decimal sign", "a sign of thousands")
    } else {
        ("a sign of thousands", "a decimal sign")
    };
    layout.warnings.push(format!(
        "nothing in the file tells whether the `{sign}` of prices such as `{example}` is {given} or {other}; it was read as {given}: {value}"
    ));
}

/// The separator of a number such as `10,000` or `9.562`.
fn grouped(cell: &str) -> Option<char> {
    let at = cell.find([',', '.'])?;
    let (whole, rest) = (&cell[..at], &cell[at + 1..]);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fits = (1..=3).contains(&whole.len())
        && !whole.starts_with('0')
        && rest.len() == 3
        && is_digits(whole)
        && is_digits(rest);
    fits.then(|| cell[at..].chars().next()).flatten()
}

/// A line that is a comment: it begins with `#`, but is no `#####` or `#REF!`.
pub(super) fn is_comment(record: &Record) -> bool {
    let cell = record.get(0);
    let is_damage = cell.len() > 1
        && (cell.bytes().all(|byte| byte == b'#') || cell.ends_with(['!', '?']) || cell == "#N/A");
    cell.starts_with("//") || (cell.starts_with('#') && !(is_damage && record.len() > 1))
}

fn sample(head: &[u8], is_whole: bool, delimiter: u8) -> Result<Vec<Record>> {
    let mut reader = Records::new(Cursor::new(head), delimiter);
    let mut records = Vec::new();
    let mut record = Record::default();
    loop {
        match reader.next(&mut record) {
            Ok(true) if records.len() < SAMPLE => records.push(record.clone()),
            Ok(true) => return Ok(records),
            Ok(false) => break,
            // The cut may go through a quote or a letter; a true error comes again when the rows are read.
            Err(_) if records.len() > 1 => return Ok(records),
            Err(error) => return Err(error),
        }
    }
    if !is_whole && records.len() > 1 {
        records.pop();
    }
    Ok(records)
}

/// The separator that gives nearly all lines the same number of cells, times among them. A comma counts last: it may be a
/// decimal comma.
pub(super) fn delimiter(head: &[u8], is_whole: bool) -> Result<u8> {
    let mut best: Option<((f64, f64), u8)> = None;
    let mut trouble: Option<(usize, Error)> = None;
    for delimiter in *b"\t;|," {
        let records = match sample(head, is_whole, delimiter) {
            Ok(records) => records,
            Err(error) => {
                let n_seen = memchr::memchr_iter(delimiter, head).count();
                if trouble.as_ref().is_none_or(|(n, _)| n_seen >= *n) {
                    trouble = Some((n_seen, error));
                }
                continue;
            }
        };
        let records: Vec<&Record> = records
            .iter()
            .filter(|record| !is_comment(record))
            .collect();
        let wide = records.iter().map(|record| record.len()).filter(|n| *n > 1);
        let usual = most_frequent(wide);
        let of_usual = |test: fn(&Record) -> bool| {
            let n = records
                .iter()
                .filter(|record| record.len() == usual && test(record))
                .count();
            n as f64 / records.len().max(1) as f64
        };
        let share = (of_usual(is_data), of_usual(|_| true));
        let is_better = |other: (f64, f64)| {
            share.0 > other.0 + 0.1 || ((share.0 - other.0).abs() <= 0.1 && share.1 > other.1 + 0.1)
        };
        if usual > 1 && best.is_none_or(|(other, _)| is_better(other)) {
            best = Some((share, delimiter));
        }
    }
    match (best, trouble) {
        (Some((_, delimiter)), _) => Ok(delimiter),
        (None, Some((_, error))) => Err(error),
        (None, None) => {
            let line = head
                .split(|byte| matches!(byte, b'\n' | b'\r'))
                .next()
                .unwrap_or_default();
            let start = shortened(&String::from_utf8_lossy(line));
            Err(
                Error::data(format!("the file has one column; it begins with `{start}`")).hint(
                    "a table needs times and prices, separated by a comma, semicolon, tab or bar",
                ),
            )
        }
    }
}

fn most_frequent(values: impl Iterator<Item = usize>) -> usize {
    let mut counts = std::collections::BTreeMap::new();
    for value in values {
        *counts.entry(value).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .max_by_key(|&(_, count)| count)
        .map_or(0, |(value, _): (usize, i32)| value)
}

/// Cells of a row of data.
fn width(records: &[Record]) -> usize {
    let data = most_frequent(
        records
            .iter()
            .filter(|record| is_data(record))
            .map(Record::len),
    );
    if data > 0 {
        data
    } else {
        most_frequent(records.iter().map(Record::len))
    }
}

/// Whether a record has a time, and beside it nothing but numbers, blanks and a few words.
fn is_data(record: &Record) -> bool {
    record.len() > 1 && record.cells().any(looks_like_time)
}

/// Whether a record could be a header: hardly any numbers.
fn is_words(record: &Record) -> bool {
    let is_number = |cell: &str| {
        matches!(number(cell, b'.'), Cell::Number(_))
            || matches!(number(cell, b','), Cell::Number(_))
    };
    let n_numbers = record.cells().filter(|cell| is_number(cell)).count();
    n_numbers * 2
        < record
            .cells()
            .filter(|cell| !cell.is_empty())
            .count()
            .max(1)
}

/// The decimal sign that the cells of the head speak for.
pub(super) fn decimal(data: &[Record], delimiter: u8) -> u8 {
    let (mut point, mut comma, mut either_comma, mut either_point) = (0, 0, 0, 0);
    for record in data {
        for cell in record.cells() {
            let is_numeric = matches!(number(cell, b'.'), Cell::Number(_))
                || matches!(number(cell, b','), Cell::Number(_));
            if !is_numeric || looks_like_time(cell) {
                continue;
            }
            match hint(cell) {
                Hint::Point => point += 1,
                Hint::Comma => comma += 1,
                Hint::EitherComma => either_comma += 1,
                Hint::EitherPoint => either_point += 1,
                Hint::Nothing => {}
            }
        }
    }
    match (point, comma) {
        // Where nothing speaks for either, files that need no comma as separator use it for fractions.
        (0, 0) if either_comma > 0 && either_point == 0 && delimiter != b',' => b',',
        (point, comma) if comma > point => b',',
        _ => b'.',
    }
}

/// How well a name fits a column of times; lower is better.
pub(in crate::sources) fn time_rank(name: &str) -> Option<usize> {
    let name: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_alphanumeric())
        .collect();
    const NAMES: &[&[&str]] = &[
        &[
            "opentime",
            "timeopen",
            "timeperiodstart",
            "candletime",
            "starttime",
            "periodstart",
            "start",
        ],
        &[
            "unix",
            "unixtime",
            "unixtimestamp",
            "epoch",
            "timestampms",
            "timestamps",
            "timestamp",
            "ts",
            "time",
            "timestamputc",
            "dtyyyymmdd",
            "timems",
        ],
        &[
            "datetime",
            "dateutc",
            "dateandtime",
            "snappedat",
            "date",
            "datetimeutc",
            "observationdate",
            "asof",
            "datum",
            "fecha",
            "data",
            "day",
            "timestampunix",
            "dt",
        ],
        &[
            "index", "column1", "unnamed0", "month", "week", "period", "zeit", "hora", "heure",
        ],
        &[
            "closetime",
            "timeclose",
            "timeperiodend",
            "endtime",
            "periodend",
            "end",
        ],
    ];
    NAMES
        .iter()
        .position(|names| names.contains(&name.as_str()))
}

/// Finds the column of times, and one of times of day beside it.
fn times(layout: &mut Layout, data: &[Record]) -> Result<()> {
    let share = |i: usize, test: fn(&str) -> bool| {
        let filled: Vec<&str> = data
            .iter()
            .map(|record| record.get(i))
            .filter(|cell| !cell.is_empty())
            .collect();
        filled.iter().filter(|cell| test(cell)).count() as f64 / filled.len().max(1) as f64
    };
    let n = layout.names.len();
    let named: Vec<(usize, usize)> = (0..n)
        .filter_map(|i| time_rank(&layout.names[i]).map(|rank| (rank, i)))
        .collect();
    let by_name = named
        .iter()
        .filter(|(_, i)| share(*i, looks_like_time) >= 0.5)
        .min();
    let text_date = |cell: &str| {
        looks_like_time(cell)
            && !cell
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let by_content = || {
        (0..n)
            .find(|&i| share(i, text_date) >= 0.9)
            .or_else(|| (0..1).find(|&i| share(i, looks_like_time) >= 0.9))
    };
    layout.time = match by_name {
        Some((_, i)) => *i,
        None => match by_content().or(named.iter().min().map(|(_, i)| *i)) {
            Some(i) => i,
            None => {
                let names: Vec<String> = layout
                    .names
                    .iter()
                    .take(20)
                    .map(|name| format!("`{name}`"))
                    .collect();
                return Err(Error::data(format!("none of the columns {} holds times", names.join(", ")))
                    .hint("a table needs a column such as `date`, with dates, RFC 3339 times or unix seconds"));
            }
        },
    };
    if share(layout.time, looks_like_date) >= 0.9 {
        let beside = |i: &usize| *i != layout.time && share(*i, looks_like_time_of_day) >= 0.9;
        let is_named = |i: &usize| {
            let name = layout.names[*i].to_lowercase();
            ["time", "hour", "uhrzeit", "zeit", "hora", "heure"]
                .iter()
                .any(|word| name.contains(word))
        };
        layout.time_of_day = (0..n).filter(beside).find(is_named);
    }
    for (_, i) in named {
        if i != layout.time && Some(i) != layout.time_of_day && share(i, looks_like_time) >= 0.9 {
            layout.dropped.push(Dropped::new(
                &layout.names[i],
                format!(
                    "a second column of times, beside `{}`",
                    layout.names[layout.time]
                ),
            ));
        }
    }
    Ok(())
}

/// Finds the columns of numbers; the others are named.
fn numbers(layout: &mut Layout, data: &[Record]) {
    let of_times: HashSet<String> = layout
        .dropped
        .iter()
        .map(|dropped| dropped.column.clone())
        .collect();
    for i in 0..layout.names.len() {
        let name = &layout.names[i];
        if i == layout.time || Some(i) == layout.time_of_day || of_times.contains(name) {
            continue;
        }
        let (mut n_numbers, mut n_filled) = (0, 0);
        let mut example = "";
        for record in data {
            match number(record.get(i), layout.decimal) {
                Cell::Blank => {}
                Cell::Number(_) => (n_numbers, n_filled) = (n_numbers + 1, n_filled + 1),
                Cell::Bad(_) => {
                    n_filled += 1;
                    if example.is_empty() {
                        example = record.get(i);
                    }
                }
            }
        }
        if n_filled > 0 && n_numbers * 2 < n_filled && plain_role(name).is_none() {
            let example = shortened(example);
            layout
                .dropped
                .push(Dropped::new(name, format!("not numbers (`{example}`)")));
        } else if layout.header_lines == 0 && name == "ignore" {
            layout
                .dropped
                .push(Dropped::new(name, "the exchange says to ignore it"));
        } else if name.starts_with("column ") && n_filled == 0 {
            layout
                .dropped
                .push(Dropped::new(name, "no name and no value"));
        } else {
            layout.numbers.push(i);
        }
    }
}
