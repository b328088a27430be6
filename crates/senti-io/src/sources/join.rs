//! Files whose series are joined to a table: what was said of each, what was recognised in it, and when its values are known.
//!
//! In come a reading and the [`Join`]s of its request; out goes the reading with their columns, and a [`Joined`] for every rule of
//! publication, whose `join` says everything that was recognised, so that the same file is read alike another day. What a value
//! is known from is decided in `senti::join`.

use std::fmt;
use std::path::{Path, PathBuf};

use senti::calendar::format_time;
use senti::join::{Frequency, Kind, Lag, Rule, Side, Stamp, join, kinds, rule};
use senti::table::nearest_name;
use senti::{Column, Error, Result, Time};
use serde::Serialize;

use super::raw::{Ask, Published, Raw};
use super::{ColumnRole, Reading, Request, digest, local, printable};

const DAY: Time = 86_400_000;

/// What may be said of a joined file, behind its path.
const KEYS: &[&str] = &[
    "name",
    "columns",
    "lag",
    "zone",
    "frequency",
    "time",
    "known",
    "age",
];

/// A file to join, and what was said of it: `nasdaq.csv,lag=16h15m,zone=America/New_York`.
///
/// | key | default | meaning |
/// | --- | --- | --- |
/// | `name` | the file's | what its columns are called by: `name_column` |
/// | `columns` | all of numbers | the columns to take, separated by `+` |
/// | `lag` | its kind's, or `day_end` | from the time of a row to its publication, on the clock of the zone: `0`, `16h15m`, `1d`, `1mo18d`, `day_end` |
/// | `zone` | its kind's, or UTC | the zone of its dates |
/// | `frequency` | recognised | `intraday`, `day`, `week`, `month`, `quarter`, `year`, `irregular` |
/// | `time` | recognised | the column of times |
/// | `known` | none | a column that says when each row was published |
/// | `age` | `name_age` | the column for the days since the last publication; `no` for none |
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Join {
    /// The file.
    pub path: PathBuf,
    /// What its columns are called by.
    pub name: Option<String>,
    /// The columns to take; all where none is named.
    pub columns: Vec<String>,
    /// From a row's time to its publication.
    pub lag: Option<String>,
    /// Zone of its dates.
    pub zone: Option<String>,
    /// How often there is a row.
    pub frequency: Option<String>,
    /// The column of times.
    pub time: Option<String>,
    /// The column of publications.
    pub known: Option<String>,
    /// The column of ages.
    pub age: Option<String>,
}

impl Join {
    /// Reads `FILE,key=value,…`. A file's name may hold commas, as long as none is followed by `key=`.
    pub fn parse(text: &str) -> Result<Self> {
        let parts: Vec<&str> = text.split(',').collect();
        let key = |part: &str| {
            let (key, _) = part.split_once('=')?;
            let key = key.trim();
            let is_word = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
            (!key.is_empty() && key.chars().all(is_word)).then(|| key.to_owned())
        };
        let n_path = (1..parts.len())
            .find(|&i| key(parts[i]).is_some())
            .unwrap_or(parts.len());
        let path = parts[..n_path].join(",").trim().to_owned();
        if path.is_empty() {
            return Err(
                Error::input(format!("`{}` names no file to join", printable(text)))
                    .hint("write `--join FILE` or `--join FILE,lag=16h15m,zone=America/New_York`"),
            );
        }
        let mut join = Self {
            path: PathBuf::from(path),
            ..Self::default()
        };
        for part in &parts[n_path..] {
            let (key, value) = match (key(part), part.split_once('=')) {
                (Some(key), Some((_, value))) => (key, value.trim().to_owned()),
                _ => {
                    return Err(Error::input(format!(
                        "`{}` is no `key=value` of the joined file `{}`",
                        printable(part.trim()),
                        join.path.display()
                    ))
                    .hint("columns are separated by `+`, files by `;`"));
                }
            };
            if value.is_empty() {
                return Err(Error::input(format!(
                    "`{key}=` of the joined file `{}` has no value",
                    join.path.display()
                ))
                .hint("give it one, or leave it out"));
            }
            let slot = match key.as_str() {
                "name" => &mut join.name,
                "lag" => &mut join.lag,
                "zone" => &mut join.zone,
                "frequency" => &mut join.frequency,
                "time" => &mut join.time,
                "known" => &mut join.known,
                "age" => &mut join.age,
                "columns" if join.columns.is_empty() => {
                    let names = value.split('+').map(|name| name.trim().to_owned());
                    join.columns = names.filter(|name| !name.is_empty()).collect();
                    continue;
                }
                "columns" => return Err(twice(&key, &join.path)),
                other => {
                    let error = Error::input(format!(
                        "the joined file `{}` has the unknown key `{other}`",
                        join.path.display()
                    ));
                    return Err(match nearest_name(other, KEYS) {
                        Some(near) => error.hint(format!("did you mean `{near}`?")),
                        None => error.hint(format!("the keys are {}", KEYS.join(", "))),
                    });
                }
            };
            if slot.replace(value).is_some() {
                return Err(twice(&key, &join.path));
            }
        }
        if let Some(lag) = &join.lag {
            Lag::parse(lag)?;
        }
        if let Some(zone) = &join.zone {
            rule::zone(zone)?;
        }
        if let Some(frequency) = &join.frequency {
            Frequency::parse(frequency)?;
        }
        Ok(join)
    }

    /// Several, separated by `;`.
    pub fn parse_all(text: &str) -> Result<Vec<Self>> {
        let texts = text.split(';').map(str::trim);
        texts
            .filter(|text| !text.is_empty())
            .map(Self::parse)
            .collect()
    }

    /// What its columns are called by: what was said, or the file's name without its endings, in letters, digits and `_`.
    pub fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        let file = self.path.file_name().unwrap_or_default();
        let file = file.to_string_lossy();
        let stem = file.split('.').find(|part| !part.is_empty());
        let stem = stem.unwrap_or("joined").trim();
        let plain = |letter: char| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '_'
            }
        };
        stem.chars().map(plain).collect()
    }

    /// Was nothing said but the file and a name?
    pub fn is_bare(&self) -> bool {
        let bare = Self {
            path: self.path.clone(),
            name: self.name.clone(),
            ..Self::default()
        };
        *self == bare
    }
}

fn twice(key: &str, path: &Path) -> Error {
    Error::input(format!(
        "`{key}` of the joined file `{}` is given twice",
        path.display()
    ))
    .hint("give it once")
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        let columns = (!self.columns.is_empty()).then(|| self.columns.join("+"));
        let said = [
            ("name", &self.name),
            ("columns", &columns),
            ("lag", &self.lag),
            ("zone", &self.zone),
            ("frequency", &self.frequency),
            ("time", &self.time),
            ("known", &self.known),
            ("age", &self.age),
        ];
        for (key, value) in said {
            if let Some(value) = value {
                write!(f, ",{key}={value}")?;
            }
        }
        Ok(())
    }
}

/// What was joined by one rule of publication. Field names are a public interface (`senti-ai inspect --format json`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Joined {
    /// The file and everything that was recognised in it, as it can be given to `--join`.
    pub join: String,
    /// The same name for the same file and rule another day.
    pub name: String,
    /// The kind whose lag it is; none where nothing was recognised, or another lag was given.
    pub kind: Option<String>,
    /// How often there is a value.
    pub frequency: String,
    /// Zone of its dates.
    pub zone: String,
    /// From a row's time to its publication.
    pub lag: String,
    /// A column that says when rows were published.
    pub known: Option<String>,
    /// Rows that say something.
    pub rows: usize,
    /// Columns of the table that came from it.
    pub columns: Vec<String>,
    /// Since when its first row is known.
    pub first_known: String,
    /// Since when its last row is known.
    pub last_known: String,
    /// What a careful reader should know.
    pub warnings: Vec<String>,
}

impl Joined {
    /// One line: what was joined, and when its values are known.
    pub fn summary(&self) -> String {
        let kind = match &self.kind {
            Some(kind) => format!(", {kind}"),
            None => String::new(),
        };
        let when = match (&self.known, self.lag.as_str()) {
            (Some(column), _) => format!("known as `{column}` says"),
            (None, "day_end") => format!("known at the end of their day in {}{kind}", self.zone),
            (None, "0") => format!("known from their time on in {}{kind}", self.zone),
            (None, lag) => format!("known {lag} after their time in {}{kind}", self.zone),
        };
        let columns: Vec<String> = (self.columns.iter())
            .map(|name| format!("`{name}`"))
            .collect();
        format!(
            "joined {}: {} rows ({}), {when}",
            columns.join(" "),
            self.rows,
            self.frequency
        )
    }
}

/// Joins every file of the request.
pub(super) fn all(mut reading: Reading, request: &Request) -> Result<Reading> {
    if request.joins.is_empty() {
        return Ok(reading);
    }
    for join in &request.joins {
        let named = |error| local::named(&join.path, error);
        let raw = raw(join, request)?;
        let parts = parts(join, raw, &reading).map_err(named)?;
        for (side, joined) in parts {
            reading.sides.push(side);
            reading.joined.push(joined);
        }
    }
    reading.table = join(&reading.table, &reading.sides)?;
    let of = |column: &Column| ColumnRole {
        name: column.name.clone(),
        role: column.role,
    };
    reading.dialect.columns = reading.table.columns().iter().map(of).collect();
    reading.digest = digest(&reading.table);
    Ok(reading)
}

fn raw(join: &Join, request: &Request) -> Result<Raw> {
    let ask = Ask {
        request,
        is_side: true,
        columns: &join.columns,
        time: join.time.as_deref(),
        known: join.known.as_deref(),
    };
    local::raw(&join.path, &ask)
}

/// Columns that are known by one rule.
struct Part {
    rule: Rule,
    columns: Vec<Column>,
    /// Name of their column of ages; empty for none.
    age: String,
    /// They are all that was taken of the file.
    is_whole: bool,
}

/// The sides of a file: one for each rule of publication among its columns.
fn parts(join: &Join, raw: Raw, reading: &Reading) -> Result<Vec<(Side, Joined)>> {
    let Raw {
        rows,
        known,
        is_moment,
        ..
    } = raw;
    let times = &rows.time;
    // Dates are dates whatever wrote them: midnight UTC of a series of days or longer.
    let is_dates = times.iter().all(|time| time.rem_euclid(DAY) == 0);
    let stamps = times.iter().map(|&time| match is_moment && !is_dates {
        true => Stamp::Moment(time),
        false => Stamp::Clock(time),
    });
    let stamps: Vec<Stamp> = stamps.collect();
    let name = join.name();
    let mut parts: Vec<Part> = Vec::new();
    for column in rows.columns {
        if column.values.iter().all(|value| value.is_nan()) {
            continue;
        }
        let rule = rule_of(join, &name, &column, times)?;
        let same = |part: &&mut Part| part.rule.zone == rule.zone && part.rule.lag == rule.lag;
        match parts.iter_mut().find(same) {
            Some(part) => part.columns.push(column),
            None => parts.push(Part {
                rule,
                columns: vec![column],
                age: String::new(),
                is_whole: false,
            }),
        }
    }
    if parts.is_empty() {
        return Err(Error::data("the file to join has no numbers")
            .hint("give a table with a column of times and at least one of numbers"));
    }
    let n_parts = parts.len();
    let mut ages: Vec<String> = Vec::new();
    parts
        .into_iter()
        .map(|mut part| {
            part.age = age(join, &name, &part.rule, n_parts, &ages);
            part.is_whole = n_parts == 1;
            ages.push(part.age.clone());
            let published = published(&part.rule, &stamps, known.as_ref())?;
            side(join, &name, part, times, published, reading)
        })
        .collect()
}

/// Frequency, zone and lag of a column: what was said, else what its kind has.
fn rule_of(join: &Join, name: &str, column: &Column, times: &[Time]) -> Result<Rule> {
    let frequency = match &join.frequency {
        Some(text) => Frequency::parse(text)?,
        None => {
            let said = times.iter().zip(&column.values);
            let said = said.filter(|(_, value)| !value.is_nan());
            Frequency::detect(&said.map(|(time, _)| *time).collect::<Vec<_>>())
        }
    };
    let mut rule = Rule::usual(kind_of(join, name, column), frequency);
    if let Some(zone) = &join.zone {
        rule.zone.clone_from(zone);
    }
    if let Some(lag) = &join.lag {
        rule.lag = Lag::parse(lag)?;
        rule.kind = None;
    }
    Ok(rule)
}

fn kind_of(join: &Join, name: &str, column: &Column) -> Option<&'static Kind> {
    let file = join.path.file_name().unwrap_or_default().to_string_lossy();
    let stem = file.split('.').next().unwrap_or_default();
    kinds::find(stem, &column.name).or_else(|| kinds::find(name, ""))
}

/// The name of the column of ages; empty for none.
fn age(join: &Join, name: &str, rule: &Rule, n_parts: usize, taken: &[String]) -> String {
    match join.age.as_deref() {
        Some("no") => return String::new(),
        Some(age) if n_parts == 1 => return age.to_owned(),
        _ => {}
    }
    let first = join.age.clone();
    let first = first.unwrap_or_else(|| match (n_parts, rule.kind) {
        (1, _) | (_, None) => format!("{name}_age"),
        (_, Some(kind)) => format!("{name}_{kind}_age"),
    });
    let more = (2..).map(|n| format!("{first}_{n}"));
    let mut names = std::iter::once(first.clone()).chain(more);
    let free = names.find(|name| !taken.contains(name));
    free.unwrap_or(first)
}

/// Since when each row is known: what the file says, else the rule.
fn published(rule: &Rule, stamps: &[Stamp], said: Option<&Published>) -> Result<Vec<Time>> {
    let mut known = rule.known_all(stamps.iter().copied())?;
    let Some(said) = said else {
        return Ok(known);
    };
    let zone = rule::zone(&rule.zone)?;
    let is_dates = (said.times.iter().flatten()).all(|time| time.rem_euclid(DAY) == 0);
    // A date says no hour: it may have been any of that day.
    let of_day = Rule {
        lag: Lag::EndOfDay,
        ..rule.clone()
    };
    for (known, said_time) in known.iter_mut().zip(&said.times) {
        let Some(time) = *said_time else { continue };
        *known = match (is_dates, said.is_moment) {
            (true, _) => of_day.known(Stamp::Clock(time))?,
            (false, true) => time,
            (false, false) => rule::moment(time, &zone)?,
        };
    }
    Ok(known)
}

fn side(
    join: &Join,
    name: &str,
    part: Part,
    times: &[Time],
    known: Vec<Time>,
    reading: &Reading,
) -> Result<(Side, Joined)> {
    let Part {
        rule,
        columns,
        age,
        is_whole,
    } = part;
    let sources: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
    // What stands between columns cannot stand in their names; where all are taken, none needs to be named.
    let odd = (sources.iter()).find(|name| name.contains([',', ';', '+']));
    let sources = match odd {
        None => sources,
        Some(_) if is_whole => join.columns.clone(),
        Some(name) => {
            return Err(Error::data(format!(
                "the column `{name}` has a `,`, `;` or `+` in its name, and columns of the file have different lags"
            ))
            .hint("rename it, or say one `lag=` for all columns"));
        }
    };
    let kind = columns
        .first()
        .and_then(|column| kind_of(join, name, column));
    let columns = columns.into_iter().map(|column| {
        let of = match column.name.eq_ignore_ascii_case(name) {
            true => name.to_owned(),
            false => format!("{name}_{}", column.name),
        };
        (of, column.values)
    });
    let side = Side::new(age.clone(), times.to_vec(), known, columns.collect())?;
    let resolved = Join {
        name: Some(name.to_owned()),
        columns: sources,
        lag: Some(rule.lag.to_string()),
        zone: Some(rule.zone.clone()),
        frequency: Some(rule.frequency.name().to_owned()),
        age: Some(match age.is_empty() {
            true => "no".to_owned(),
            false => age,
        }),
        ..join.clone()
    };
    let (Some(&first), Some(&last)) = (side.known().first(), side.known().last()) else {
        return Err(Error::data("the file to join has no rows").hint("give at least one"));
    };
    let mut joined = Joined {
        join: resolved.to_string(),
        name: name.to_owned(),
        kind: rule.kind.map(str::to_owned),
        frequency: rule.frequency.name().to_owned(),
        zone: rule.zone.clone(),
        lag: rule.lag.to_string(),
        known: join.known.clone(),
        rows: side.n_rows(),
        columns: side.names().map(str::to_owned).collect(),
        first_known: format_time(first, 1),
        last_known: format_time(last, 1),
        warnings: Vec::new(),
    };
    joined.warnings = warnings(&joined, kind, &rule, (first, last), reading)?;
    let side = side.told(joined.summary());
    Ok((side, joined))
}

/// What a careful reader should know of a joined file.
fn warnings(
    joined: &Joined,
    kind: Option<&'static Kind>,
    rule: &Rule,
    (first, last): (Time, Time),
    reading: &Reading,
) -> Result<Vec<String>> {
    let name = &joined.name;
    let table = &reading.table;
    let (Some(&opens), Some(&ends)) = (table.time().first(), table.time().last()) else {
        return Ok(Vec::new());
    };
    let step = table.calendar().step();
    let closes = ends.saturating_add(step);
    if first > closes {
        return Err(Error::data(format!(
            "nothing of it was known before the last row closed: its first value is known from {} on",
            joined.first_known
        ))
        .hint("check its dates and its lag, or give a file that begins earlier"));
    }
    let mut warnings = Vec::new();
    let usual = Rule::usual(kind, rule.frequency);
    if kind.is_some() && joined.known.is_none() && rule.is_sooner(&usual) {
        let kind = kind.map_or("", |kind| kind.help);
        let after = |rule: &Rule| match rule.lag.to_string().as_str() {
            "0" => format!("from its time on in {}", rule.zone),
            "day_end" => format!("at the end of its day in {}", rule.zone),
            lag => format!("{lag} after its time in {}", rule.zone),
        };
        warnings.push(format!(
            "`{name}` is taken as known {}, usual is {} ({kind}): what is told too early makes a forecast look better than it is",
            after(rule),
            after(&usual)
        ));
    }
    if first > opens.saturating_add(step) {
        warnings.push(format!(
            "`{name}` is known from {} on: earlier rows cannot be learned from",
            joined.first_known
        ));
    }
    let period = match rule.frequency {
        Frequency::Intraday | Frequency::Day => 7,
        Frequency::Week => 21,
        Frequency::Month => 62,
        Frequency::Quarter => 184,
        Frequency::Year => 732,
        Frequency::Irregular => 31,
    };
    let age = closes.saturating_sub(last) / DAY;
    if age > period {
        warnings.push(format!(
            "nothing of `{name}` became known after {}: the last {age} days carry its last value",
            joined.last_known
        ));
    }
    Ok(warnings)
}
