//! The column of times: what one cell cannot tell, the column does.
//!
//! In come its cells, row by row; out go milliseconds. What only later rows decide (the order of day and month, zones that change)
//! is settled in [`Clock::finish`]. Times without a zone are UTC.

use std::collections::HashMap;

use super::moment::{
    Kind, Refusal, civil, clock_time, days, digits_of_day, moment, refuse, tokens,
};

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// Reads the times of one column.
#[derive(Default)]
pub(in crate::sources) struct Clock {
    kind: Option<Kind>,
    /// The line that decided the order of day and month.
    decided: Option<u32>,
    is_ambiguous: bool,
    prefers_day_first: bool,
    /// Minutes east of UTC of the first row, and of every row once they differ.
    zone: i32,
    zones: Vec<i16>,
    has_zone: bool,
    first_line: u32,
}

impl Clock {
    pub fn new(prefers_day_first: bool) -> Self {
        Self {
            prefers_day_first,
            ..Self::default()
        }
    }

    /// Reads one cell into the clock time of its zone. `times` are the rows before, which may have to change.
    pub fn read(&mut self, text: &str, line: u32, times: &mut Vec<i64>) -> Result<(), Refusal> {
        let day_first = match self.kind {
            Some(kind) => kind == Kind::DayFirst,
            None => self.prefers_day_first,
        };
        let moment = moment(text, day_first)?;
        match self.kind {
            None => {
                self.kind = Some(moment.kind);
                self.zone = moment.zone.unwrap_or(0);
                self.has_zone = moment.zone.is_some();
                self.first_line = line;
            }
            Some(kind) if kind == moment.kind => {}
            Some(kind) => match (kind, moment.kind) {
                (Kind::DayFirst | Kind::MonthFirst, Kind::DayFirst | Kind::MonthFirst)
                    if moment.is_ambiguous => {}
                (Kind::DayFirst | Kind::MonthFirst, Kind::DayFirst | Kind::MonthFirst) => {
                    if let Some(decided) = self.decided {
                        let reason = format!(
                            "in the order {}, but line {decided} has {}",
                            moment.kind.name(),
                            kind.name()
                        );
                        return refuse(
                            reason,
                            "a spreadsheet may have turned some dates round; export the file again",
                        );
                    }
                    // Every row so far fits both orders, so all of them can be turned.
                    times.iter_mut().for_each(|time| *time = turned(*time));
                    self.kind = Some(moment.kind);
                }
                _ => {
                    let reason = format!(
                        "{}, but line {} has {}",
                        moment.kind.name(),
                        self.first_line,
                        kind.name()
                    );
                    let hint = if kind.is_unix() && moment.kind.is_unix() {
                        "the file mixes units of time (some exchanges changed theirs); bring all rows to one"
                    } else {
                        "write all times in one way"
                    };
                    return refuse(reason, hint);
                }
            },
        }
        if matches!(moment.kind, Kind::DayFirst | Kind::MonthFirst) {
            self.is_ambiguous |= moment.is_ambiguous;
            if !moment.is_ambiguous && self.decided.is_none() {
                self.decided = Some(line);
            }
        }
        let zone = moment.zone.unwrap_or(0);
        self.has_zone |= moment.zone.is_some();
        if zone != self.zone && self.zones.is_empty() {
            self.zones = vec![self.zone as i16; times.len()];
        }
        if zone != self.zone || !self.zones.is_empty() {
            self.zones.push(zone as i16);
        }
        times.push(moment.local);
        Ok(())
    }

    /// Are times moments, written with a zone or as unix time, rather than what some clock shows?
    pub fn is_moment(&self) -> bool {
        self.has_zone || self.kind.is_some_and(Kind::is_unix)
    }

    /// Settles what single rows cannot, and moves times to UTC. A refusal comes with the first row it is about.
    pub fn finish(
        self,
        times: &mut [i64],
        warnings: &mut Vec<String>,
    ) -> Result<String, (usize, Refusal)> {
        let Some(mut kind) = self.kind else {
            return Ok(String::new());
        };
        if matches!(kind, Kind::DayFirst | Kind::MonthFirst) && self.decided.is_some() {
            not_turned_in_part(kind, times)?;
        }
        if matches!(kind, Kind::DayFirst | Kind::MonthFirst)
            && self.decided.is_none()
            && self.is_ambiguous
        {
            let (given, other) = (
                regularity(times.iter().copied()),
                regularity(times.iter().map(|&time| turned(time))),
            );
            if other > given {
                times.iter_mut().for_each(|time| *time = turned(*time));
                kind = if kind == Kind::DayFirst {
                    Kind::MonthFirst
                } else {
                    Kind::DayFirst
                };
            }
            let why = if other == given {
                "nothing in the file decides it"
            } else {
                "which gives the steadier step"
            };
            warnings.push(format!(
                "no date tells day from month; read as {}, {why}",
                kind.name()
            ));
        }
        if self.zones.is_empty() {
            times
                .iter_mut()
                .for_each(|time| *time -= i64::from(self.zone) * MINUTE);
        } else if times.iter().all(|time| time.rem_euclid(DAY) == 0) {
            // Days that begin at local midnight, across a change of the clock: their dates are what counts.
            warnings.push(
                "every time is midnight of its own zone, which changes; rows were read as dates"
                    .to_owned(),
            );
        } else {
            times
                .iter_mut()
                .zip(&self.zones)
                .for_each(|(time, zone)| *time -= i64::from(*zone) * MINUTE);
        }
        Ok(kind.name().to_owned())
    }
}

/// Refuses dates that a spreadsheet turned where it could: those up to the 12th are in the other order than the rest, which shows
/// in rows that jump to and fro and no longer do when just these dates are turned back.
fn not_turned_in_part(kind: Kind, times: &[i64]) -> Result<(), (usize, Refusal)> {
    let back = || times.iter().map(|&time| turned(time));
    let (n_given, n_back) = (n_disordered(times.iter().copied()), n_disordered(back()));
    if n_given == 0
        || n_back * 4 > n_given
        || regularity(back()) <= regularity(times.iter().copied())
    {
        return Ok(());
    }
    let row = times
        .iter()
        .position(|&time| turned(time) != time)
        .unwrap_or(0);
    let other = if kind == Kind::DayFirst {
        Kind::MonthFirst
    } else {
        Kind::DayFirst
    };
    let reason = format!(
        "in the order {}, but later dates are {}: as written {n_given} dates are out of order, with the days up to 12 turned {}",
        other.name(),
        kind.name(),
        if n_back == 0 {
            "none".to_owned()
        } else {
            n_back.to_string()
        },
    );
    let hint = "a spreadsheet turned day and month of the dates it could; export the file again from its source, with year-month-day dates";
    refuse(reason, hint).map_err(|refusal| (row, refusal))
}

/// Steps against the usual direction.
fn n_disordered(times: impl Iterator<Item = i64>) -> usize {
    let (mut n_rises, mut n_falls) = (0, 0);
    let mut before = None;
    for time in times {
        if let Some(before) = before.replace(time) {
            n_rises += usize::from(time > before);
            n_falls += usize::from(time < before);
        }
    }
    n_rises.min(n_falls)
}

/// Whether a cell reads as a time at all, for choosing the time column; a unix time must lie between 2000 and 2100 to look like one.
pub(in crate::sources) fn looks_like_time(text: &str) -> bool {
    const SINCE_2000: std::ops::Range<i64> = 946_684_800_000..4_102_444_800_000;
    matches!(moment(text, false), Ok(moment) if !moment.kind.is_unix() || SINCE_2000.contains(&moment.local))
}

/// Whether a cell is a time of day alone, as in a column beside a date.
pub(super) fn looks_like_time_of_day(text: &str) -> bool {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit())
        && matches!(text.len(), 4 | 6)
        && digits_of_day(text).is_some();
    digits
        || (text.contains(':')
            && text.len() <= 15
            && text.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && clock_time(&tokens(text)).is_some())
}

/// Whether a cell is a date without a time of day.
pub(super) fn looks_like_date(text: &str) -> bool {
    !text.contains(':')
        && matches!(moment(text, false), Ok(moment) if !moment.kind.is_unix() && moment.local.rem_euclid(DAY) == 0)
}

/// The same time with day and month changed over; unchanged where that is no date.
fn turned(time: i64) -> i64 {
    let (year, month, day) = civil(time.div_euclid(DAY));
    days(year, i64::from(day), i64::from(month))
        .map_or(time, |days| days * DAY + time.rem_euclid(DAY))
}

/// Share of the most frequent step.
fn regularity(times: impl Iterator<Item = i64>) -> usize {
    let mut counts: HashMap<i64, usize> = HashMap::new();
    let mut before = None;
    for time in times {
        if let Some(before) = before.replace(time) {
            *counts.entry(i64::abs(time - before)).or_default() += 1;
        }
    }
    counts.into_values().max().unwrap_or(0)
}
