//! The calendar of a series: its step and which slots of the week are open (all of them for a coin, five days for a stock).
//!
//! In come the times of the rows; out goes what the next time is and how many candles are missing between two. Also how a time
//! is written and read as text. Nothing here knows what time it is now.

use std::collections::HashMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::table::Time;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;

/// With fewer rows than this nothing is said about weekends.
const FEW: usize = 10;

/// Times a table may hold: the years 1 to 9999.
const YEARS: Range<Time> = -62_135_596_800_000..253_402_300_800_000;

/// Step and open slots of a week, learned from the times of the rows.
///
/// ```
/// use senti::calendar::{Calendar, parse_time};
/// // Two weeks of a stock: Monday to Friday.
/// let days = ["03-04", "03-05", "03-06", "03-07", "03-08", "03-11", "03-12", "03-13", "03-14", "03-15"];
/// let times: Vec<i64> = days.iter().map(|day| parse_time(&format!("2024-{day}")).unwrap()).collect();
/// let calendar = Calendar::detect(&times)?;
/// assert_eq!(calendar.step_name(), "day");
/// assert_eq!(calendar.format(calendar.next(times[9])), "2024-03-18");
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Milliseconds from one slot to the next.
    step: i64,
    /// Time of any slot modulo the step.
    phase: i64,
    /// Runs of open slots of the week, counted from Thursday 1970-01-01 plus phase on; empty where every slot is open.
    open: Vec<Range<u32>>,
}

/// Why no calendar fits; the row lets a caller name the line.
pub(crate) enum Trouble {
    TooFew,
    OutOfRange(usize),
    NotRising(usize),
    Month,
    TooFine(i64),
    OffGrid { row: usize, step: i64, phase: i64 },
}

impl Trouble {
    /// The public error; `place` says where a row is ("line 7").
    pub(crate) fn error(&self, times: &[Time], place: impl Fn(usize) -> String) -> Error {
        match *self {
            Trouble::TooFew => Error::data(format!(
                "{} is too few to know the step between rows",
                rows(times.len())
            ))
            .hint("give at least two rows"),
            Trouble::OutOfRange(row) => Error::data(format!(
                "{}: the time {} lies outside the years 1 to 9999",
                place(row),
                times[row]
            )),
            Trouble::NotRising(row) => Error::data(format!(
                "{}: the time {} does not rise",
                place(row),
                format_time(times[row], 1)
            )),
            Trouble::Month => {
                Error::data("rows are months (or quarters, or years) apart, which is no fixed step")
                    .hint("give rows of a week, a day, an hour or a minute")
            }
            Trouble::TooFine(step) => Error::data(format!(
                "rows are {step} ms apart: these are trades, not candles"
            ))
            .hint("give candles of a second or longer"),
            Trouble::OffGrid { row, step, phase } => Error::data(format!(
                "{}: the time {} is off the grid of one row every {} starting at {}",
                place(row),
                format_time(times[row], 1),
                step_name(step),
                format_time(
                    times[row].saturating_sub((times[row] - phase).rem_euclid(step)),
                    1
                ),
            ))
            .hint("candles need a fixed step; correct or delete the row, or resample the series"),
        }
    }
}

impl Calendar {
    /// Learns step, phase and open slots from strictly rising times.
    pub fn detect(times: &[Time]) -> Result<Self> {
        Self::find(times).map_err(|trouble| trouble.error(times, |row| format!("row {}", row + 1)))
    }

    pub(crate) fn find(times: &[Time]) -> Result<Self, Trouble> {
        if times.len() < 2 {
            return Err(Trouble::TooFew);
        }
        if let Some(row) = times.iter().position(|time| !YEARS.contains(time)) {
            return Err(Trouble::OutOfRange(row));
        }
        if let Some(row) = times.windows(2).position(|pair| pair[1] <= pair[0]) {
            return Err(Trouble::NotRising(row + 1));
        }
        let mut step = modal(times.windows(2).map(|pair| pair[1] - pair[0]));
        if is_month(times, step) {
            return Err(Trouble::Month);
        }
        let mut off = off_grid(times, step);
        if off.is_some() {
            // Sparse candles: the usual difference may be a multiple of the true step, which then must be seen often as well.
            let divisor = times
                .windows(2)
                .fold(0, |divisor, pair| gcd(divisor, pair[1] - pair[0]));
            let n_exact = times
                .windows(2)
                .filter(|pair| pair[1] - pair[0] == divisor)
                .count();
            if n_exact * 10 >= times.len() {
                step = divisor;
                off = None;
            }
        }
        if step < SECOND {
            return Err(Trouble::TooFine(step));
        }
        if let Some((row, phase)) = off {
            return Err(Trouble::OffGrid { row, step, phase });
        }
        let phase = times[0].rem_euclid(step);
        Ok(Self {
            step,
            phase,
            open: learn_open(times, step, phase),
        })
    }

    /// Every slot is open; `time` is the time of one of them.
    pub fn continuous(step: i64, time: Time) -> Self {
        Self {
            step,
            phase: time.rem_euclid(step),
            open: Vec::new(),
        }
    }

    /// How far times stand from the beginning of their slot, where they stand in its last second: they are closing times then.
    pub(crate) fn closing_time(&self) -> Option<i64> {
        (self.step >= MINUTE && self.step <= DAY && self.step - self.phase <= SECOND)
            .then_some(self.phase)
    }

    /// Milliseconds from one slot to the next.
    pub fn step(&self) -> i64 {
        self.step
    }

    /// Time of any slot modulo the step.
    pub fn phase(&self) -> i64 {
        self.phase
    }

    /// Runs of open slots of the week, counted from Thursday 1970-01-01 plus phase on; empty where every slot is open.
    pub fn open(&self) -> &[Range<u32>] {
        &self.open
    }

    /// The step as people say it: `day`, `hour`, `15 minutes`.
    pub fn step_name(&self) -> String {
        step_name(self.step)
    }

    /// Open slots of a week; 0 where a step is longer.
    pub fn rows_of_a_week(&self) -> usize {
        if self.open.is_empty() {
            return usize::try_from(WEEK / self.step).unwrap_or(0);
        }
        self.open.iter().map(|run| run.len()).sum()
    }

    /// Rows of a season: a week of daily rows, a day of shorter ones; 1, no season, of longer ones.
    pub fn season(&self) -> usize {
        match self.step {
            DAY => self.rows_of_a_week(),
            step if step < DAY => usize::try_from(DAY / step).unwrap_or(1),
            _ => 1,
        }
    }

    /// Whether every slot is open, as for a coin.
    pub fn is_continuous(&self) -> bool {
        self.open.is_empty()
    }

    /// Which part of the week is open, as people say it: `weekdays only`; empty where every slot is.
    pub fn week_name(&self) -> &'static str {
        if self.open.is_empty() {
            return "";
        }
        let other = "not every slot of the week is open";
        if self.step > DAY || DAY % self.step != 0 {
            return other;
        }
        let per_day = (DAY / self.step) as u32;
        // Day 0 is a Thursday.
        let n_open = |day: u32| -> u32 {
            let (start, end) = (day * per_day, (day + 1) * per_day);
            self.open
                .iter()
                .map(|run| run.end.clamp(start, end) - run.start.clamp(start, end))
                .sum()
        };
        let is_weekend_closed = n_open(2) + n_open(3) == 0;
        let weekdays = [0, 1, 4, 5, 6].map(n_open);
        match () {
            () if !is_weekend_closed || weekdays.contains(&0) => other,
            () if weekdays == [per_day; 5] => "weekdays only",
            () => "part of each weekday only",
        }
    }

    /// The opening time of the first open slot after `time`.
    pub fn next(&self, time: Time) -> Time {
        self.after(time, 1)
    }

    /// The opening time of the `k`-th open slot after `time`; `time` itself for 0.
    pub fn after(&self, time: Time, k: usize) -> Time {
        if k == 0 {
            return time;
        }
        let slot = self.slot(time);
        let slot = if self.open.is_empty() {
            slot + k as i64
        } else {
            self.open_slot(self.open_before(slot + 1) + k as i64 - 1)
        };
        self.phase + slot * self.step
    }

    /// Open slots strictly between two times.
    pub fn missing_between(&self, a: Time, b: Time) -> usize {
        let after = self.slot(a) + 1;
        let end = -(self.phase - b).div_euclid(self.step); // rounded up: a `b` off the grid has its own slot in between
        usize::try_from(self.open_before(end) - self.open_before(after)).unwrap_or(0)
    }

    /// A time as text, in the precision of this calendar.
    pub fn format(&self, time: Time) -> String {
        format_time(time, self.step)
    }

    fn slot(&self, time: Time) -> i64 {
        (time - self.phase).div_euclid(self.step)
    }

    /// Open slots from slot 0 up to, without, this one; negative before slot 0.
    fn open_before(&self, slot: i64) -> i64 {
        if self.open.is_empty() {
            return slot;
        }
        let slots = WEEK / self.step;
        let rest = slot.rem_euclid(slots) as u32;
        let part: u32 = self
            .open
            .iter()
            .map(|run| rest.clamp(run.start, run.end) - run.start)
            .sum();
        slot.div_euclid(slots) * self.open_in_week() + i64::from(part)
    }

    /// The slot that has `n` open slots before it (the inverse of `open_before`).
    fn open_slot(&self, n: i64) -> i64 {
        let mut rest = n.rem_euclid(self.open_in_week());
        let week = n.div_euclid(self.open_in_week()) * (WEEK / self.step);
        for run in &self.open {
            let len = i64::from(run.end - run.start);
            if rest < len {
                return week + i64::from(run.start) + rest;
            }
            rest -= len;
        }
        unreachable!("the rest is smaller than the open slots of a week")
    }

    fn open_in_week(&self) -> i64 {
        self.open
            .iter()
            .map(|run| i64::from(run.end - run.start))
            .sum()
    }
}

/// A time as text: an ISO date for steps of a day or more at midnight, else RFC 3339 in UTC.
pub fn format_time(time: Time, step: i64) -> String {
    let Ok(stamp) = jiff::Timestamp::from_millisecond(time) else {
        return format!("{time} ms");
    };
    let text = stamp.to_string();
    match text.strip_suffix("T00:00:00Z") {
        Some(date) if step >= DAY => date.to_owned(),
        _ => text,
    }
}

/// Reads an ISO date, or an RFC 3339 time; without a zone it is UTC.
pub fn parse_time(text: &str) -> Result<Time> {
    let text = text.trim();
    let time = if let Ok(stamp) = text.parse::<jiff::Timestamp>() {
        stamp
    } else {
        let civil: jiff::civil::DateTime = text.parse().map_err(|cause: jiff::Error| {
            Error::input(format!("`{text}` is not a time"))
                .because(cause)
                .hint("write 2024-04-21 or 2024-04-21T14:00:00Z")
        })?;
        let stamp = jiff::tz::TimeZone::UTC.to_timestamp(civil);
        stamp.map_err(|cause| Error::input(format!("`{text}` is not a time")).because(cause))?
    };
    Ok(time.as_millisecond())
}

/// A step as people say it.
pub fn step_name(step: i64) -> String {
    let units = [
        (WEEK, "week"),
        (DAY, "day"),
        (HOUR, "hour"),
        (MINUTE, "minute"),
        (SECOND, "second"),
    ];
    match units
        .iter()
        .find(|(unit, _)| step >= *unit && step % unit == 0)
    {
        Some((unit, name)) if step == *unit => (*name).to_owned(),
        Some((unit, name)) => format!("{} {name}s", step / unit),
        None => format!("{step} ms"),
    }
}

fn rows(n: usize) -> String {
    if n == 1 {
        "1 row".to_owned()
    } else {
        format!("{n} rows")
    }
}

/// The most frequent value, the smallest of several.
fn modal(values: impl Iterator<Item = i64>) -> i64 {
    let mut counts: HashMap<i64, usize> = HashMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|&(value, count)| (count, -value))
        .map_or(0, |(value, _)| value)
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Months, quarters and years: long steps on the same day of the month (or its end) that are not always equal.
fn is_month(times: &[Time], step: i64) -> bool {
    let utc = jiff::tz::TimeZone::UTC;
    let day_of_month = |time: Time| {
        jiff::Timestamp::from_millisecond(time)
            .map_or(0, |stamp| utc.to_datetime(stamp).date().day())
    };
    if !(28 * DAY..=366 * DAY).contains(&step) {
        return false;
    }
    let first = day_of_month(times[0]);
    let same_day = times.iter().all(|&time| day_of_month(time) == first);
    let month_end = times
        .iter()
        .all(|&time| day_of_month(time) >= 28 || day_of_month(time + DAY) == 1);
    // Business month ends move by a few days and leave no grid of days either.
    let near_month = times
        .windows(2)
        .filter(|pair| (26 * DAY..=35 * DAY).contains(&(pair[1] - pair[0])))
        .count();
    let unequal = times.windows(2).any(|pair| pair[1] - pair[0] != step);
    same_day || month_end || (unequal && near_month * 10 >= (times.len() - 1) * 9)
}

/// The first row that is off the usual phase, and that phase.
fn off_grid(times: &[Time], step: i64) -> Option<(usize, i64)> {
    let first = times[0].rem_euclid(step);
    if times.iter().all(|time| time.rem_euclid(step) == first) {
        return None;
    }
    let phase = modal(times.iter().map(|time| time.rem_euclid(step)));
    times
        .iter()
        .position(|time| time.rem_euclid(step) != phase)
        .map(|row| (row, phase))
}

/// Open runs of the week; empty where every slot is open, or where too little was seen to say otherwise.
fn learn_open(times: &[Time], step: i64, phase: i64) -> Vec<Range<u32>> {
    if step >= WEEK || WEEK % step != 0 {
        return Vec::new();
    }
    let slots = (WEEK / step) as usize;
    let slot = |time: Time| (time - phase).div_euclid(step);
    let (first, last) = (slot(times[0]), slot(times[times.len() - 1]));
    let n_passed = (last - first + 1) as usize;
    // Days need more weeks than hours do: a coin with holes may well lack a weekday for three weeks.
    let enough = if step >= DAY { 6 } else { 3 };
    let open = if n_passed >= enough * slots {
        // How often each slot of the week passed, and how often it had a row.
        let mut shares = vec![0.0; slots];
        for &time in times {
            shares[slot(time).rem_euclid(slots as i64) as usize] += 1.0;
        }
        for (i, share) in shares.iter_mut().enumerate() {
            let ahead = (i as i64 - first).rem_euclid(slots as i64) as usize;
            *share /= (n_passed / slots + usize::from(ahead < n_passed % slots)) as f64;
        }
        well_separated(&shares)
    } else if times.len() >= FEW {
        open_from_days(times, step, phase)
    } else {
        None
    };
    open.map_or_else(Vec::new, |open| runs(&open))
}

/// Which slots are open, where shares fall clearly into often and hardly ever. Sparse candles of a coin (random holes) do not.
fn well_separated(shares: &[f64]) -> Option<Vec<bool>> {
    let mut sorted = shares.to_vec();
    sorted.sort_by(f64::total_cmp);
    let usual = sorted[(sorted.len() - 1) * 9 / 10];
    let open: Vec<bool> = shares.iter().map(|&share| share >= 0.5 * usual).collect();
    let mean = |wanted: bool| {
        let of: Vec<f64> = shares
            .iter()
            .zip(&open)
            .filter(|(_, open)| **open == wanted)
            .map(|(share, _)| *share)
            .collect();
        (of.len(), of.iter().sum::<f64>() / of.len().max(1) as f64)
    };
    let ((n_closed, closed), (_, opened)) = (mean(false), mean(true));
    // A market is closed for more than a tenth of the week (weekends alone are 28 %).
    (n_closed * 10 >= shares.len() && opened >= 0.6 && closed <= 0.15).then_some(open)
}

/// For a few weeks: weekends that passed without a row are closed, and so are hours that most days lack.
fn open_from_days(times: &[Time], step: i64, phase: i64) -> Option<Vec<bool>> {
    if DAY % step != 0 {
        return None;
    }
    let per_day = (DAY / step) as usize;
    // Day 0 is Thursday 1970-01-01, so 2 and 3 are the weekend.
    let day = |time: Time| (time - phase).div_euclid(DAY);
    let is_weekend = |day: i64| matches!(day.rem_euclid(7), 2 | 3);
    let (first, last) = (day(times[0]), day(times[times.len() - 1]));
    let weekend_passed = (first + 1..last).any(|d| d.rem_euclid(7) == 2 && d + 1 < last);
    let weekend_closed = weekend_passed && !times.iter().any(|&time| is_weekend(day(time)));
    let mut hours = vec![true; per_day];
    let n_days = (first..=last)
        .filter(|&d| !(weekend_closed && is_weekend(d)))
        .count();
    if per_day > 1 && n_days >= 5 {
        let mut shares = vec![0.0; per_day];
        for &time in times {
            shares[((time - phase).rem_euclid(DAY) / step) as usize] += 1.0 / n_days as f64;
        }
        hours = well_separated(&shares).unwrap_or(hours);
    }
    let open: Vec<bool> = (0..7 * per_day)
        .map(|slot| {
            hours[slot % per_day] && !(weekend_closed && is_weekend((slot / per_day) as i64))
        })
        .collect();
    open.contains(&false).then_some(open)
}

fn runs(open: &[bool]) -> Vec<Range<u32>> {
    let mut runs: Vec<Range<u32>> = Vec::new();
    for (slot, _) in open.iter().enumerate().filter(|(_, open)| **open) {
        let slot = slot as u32;
        match runs.last_mut() {
            Some(run) if run.end == slot => run.end = slot + 1,
            _ => runs.push(slot..slot + 1),
        }
    }
    runs
}
