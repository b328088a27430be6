//! Axes: ranges that hold the data, ticks on round numbers and dates, and their labels.
//!
//! In comes the range of the data; out goes an [`Axis`] with a place for every value between 0 and 1. Nothing here draws.

use jiff::civil::{Date, DateTime};
use jiff::{Timestamp, tz::Offset};
use senti::table::Time;

/// A tick: where, its label, and a second line below where the label alone would not tell (a year, a day).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub value: f64,
    pub label: String,
    pub below: Option<String>,
}

/// A range with ticks.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    low: f64,
    high: f64,
    log: bool,
    pub ticks: Vec<Tick>,
}

impl Axis {
    /// Where a value stands between the ends, 0 to 1.
    pub fn place(&self, value: f64) -> f64 {
        let form = |x: f64| if self.log { x.ln() } else { x };
        (form(value) - form(self.low)) / (form(self.high) - form(self.low))
    }

    /// A range around the data with `margin` of its length on both sides, about `wanted` ticks and this ending on every label.
    pub fn linear(
        data: impl IntoIterator<Item = f64>,
        margin: f64,
        wanted: usize,
        ending: &str,
    ) -> Self {
        let (mut low, mut high) = ends(data);
        // A constant needs some air, or it has no place: a percent of itself.
        let least = (low.abs().max(high.abs()) * 0.01).max(f64::MIN_POSITIVE * 1e10);
        if high - low < least * 0.1 {
            (low, high) = (low - least, high + least);
        }
        let air = (high - low) * margin;
        Self::between(low - air, high + air, wanted, ending)
    }

    /// A range with these very ends.
    pub fn between(low: f64, high: f64, wanted: usize, ending: &str) -> Self {
        let step = round_step((high - low) / wanted.max(1) as f64);
        let decimals = decimals_of(step);
        let ticks = multiples(low, high, step)
            .map(|value| Tick {
                value,
                label: format!("{}{ending}", grouped(value, decimals)),
                below: None,
            })
            .collect();
        Self {
            low,
            high,
            log: false,
            ticks,
        }
    }

    /// Whole numbers (steps, epochs), with half a one on both sides and ticks at equal distances.
    pub fn counts(low: usize, high: usize, wanted: usize) -> Self {
        let (first, last) = (low as f64, high as f64);
        let air = ((last - first) * 0.02).clamp(0.5, f64::MAX);
        let every = whole_step((last - first) / wanted.max(1) as f64);
        let mut ticks: Vec<_> = multiples(first, last, every)
            .filter(|value| (first..=last).contains(value))
            .map(|value| Tick {
                value,
                label: grouped(value, 0),
                below: None,
            })
            .collect();
        if ticks.is_empty() {
            ticks.push(Tick {
                value: first,
                label: grouped(first, 0),
                below: None,
            });
        }
        Self {
            low: first - air,
            high: last + air,
            log: false,
            ticks,
        }
    }

    /// A logarithmic range around positive data, with ticks at 1, 2 and 5 of each power of ten (at powers alone when there are many).
    pub fn logarithmic(data: impl IntoIterator<Item = f64>, ending: &str) -> Self {
        let (low, high) = ends(data);
        let air = (high / low).powf(0.06).max(1.05);
        let (low, high) = (low / air, high * air);
        let powers = (low.log10().floor() as i32)..=(high.log10().ceil() as i32);
        let every = (powers.clone().count() / 8).max(1);
        let marks: &[f64] = if powers.clone().count() > 6 {
            &[1.0]
        } else {
            &[1.0, 2.0, 5.0]
        };
        let mut ticks = Vec::new();
        for power in powers.step_by(every) {
            for mark in marks {
                let value = mark * 10f64.powi(power);
                if (low..=high).contains(&value) {
                    let decimals = (-power).max(0) as usize;
                    ticks.push(Tick {
                        value,
                        label: format!("{}{ending}", grouped(value, decimals)),
                        below: None,
                    });
                }
            }
        }
        Self {
            low,
            high,
            log: true,
            ticks,
        }
    }

    /// Time from `low` to `high`, in milliseconds, with about `wanted` ticks on round dates in UTC, no closer than candles of this step.
    pub fn time(low: Time, high: Time, wanted: usize, step: i64) -> Self {
        let high = high.max(low + 1);
        let ticks = time_ticks(low, high, wanted, step);
        Self {
            low: low as f64,
            high: high as f64,
            log: false,
            ticks,
        }
    }
}

/// Smallest and largest finite value; 0 and 1 where there is none.
fn ends(data: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let finite = data.into_iter().filter(|value| value.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    });
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// The next of 1, 2, 2.5, 5 times a power of ten.
fn round_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    let mark = [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .find(|mark| mark * power >= rough * 0.9)
        .unwrap_or(10.0);
    mark * power
}

/// The next of 1, 2, 5 times a power of ten that is a whole number.
fn whole_step(rough: f64) -> f64 {
    let power = 10f64.powf(rough.max(1.0).log10().floor());
    let mark = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|mark| mark * power >= rough * 0.9)
        .unwrap_or(10.0);
    mark * power
}

/// Decimals that write multiples of this step in full.
fn decimals_of(step: f64) -> usize {
    (0..12)
        .find(|decimals| {
            let scaled = step * 10f64.powi(*decimals);
            (scaled - scaled.round()).abs() < 1e-6 * scaled
        })
        .unwrap_or(12) as usize
}

fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step - 1e-9).ceil();
    let last = (high / step + 1e-9).floor();
    let count = (last - first).clamp(-1.0, 1000.0) as i64;
    (0..=count).map(move |index| {
        let value = (first + index as f64) * step;
        // -0 would be written with its sign.
        if value == 0.0 { 0.0 } else { value }
    })
}

/// A number with commas between thousands; a true minus sign.
pub(crate) fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text.as_str(), None),
    };
    let mut out = String::new();
    if value < 0.0 && text.bytes().any(|digit| (b'1'..=b'9').contains(&digit)) {
        out.push('−');
    }
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A price with five digits that count, as prices about `size` have them: `67,123`, `1.2346`, `0.0000012346`.
pub(crate) fn price(value: f64, size: f64) -> String {
    let decimals = if size == 0.0 || !size.is_finite() {
        2.0
    } else {
        4.0 - size.abs().log10().floor()
    };
    let cents = if size.abs() >= 1000.0 { 0.0 } else { decimals };
    grouped(value, cents.clamp(0.0, 14.0) as usize)
}

const MINUTE: i64 = 60_000;
const DAY: i64 = 86_400_000;

/// Steps between time ticks.
#[derive(Clone, Copy)]
enum Every {
    /// Milliseconds, counted from midnight.
    Millis(i64),
    /// Days, counted from a Monday.
    Days(i64),
    Months(i64),
}

fn time_ticks(low: Time, high: Time, wanted: usize, step: i64) -> Vec<Tick> {
    let rough = ((high - low) / wanted.max(1) as i64).max(step.min(DAY));
    let fixed = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720]
        .map(|minutes| (minutes * MINUTE, Every::Millis(minutes * MINUTE)));
    let days = [1, 2, 7, 14].map(|days| (days * DAY, Every::Days(days)));
    let months = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 12_000]
        .map(|months| (months * 30 * DAY, Every::Months(months)));
    let every = fixed
        .into_iter()
        .chain(days)
        .chain(months)
        .find(|(length, _)| *length >= rough)
        .map_or(Every::Months(12_000), |(_, every)| every);

    let mut ticks: Vec<Tick> = Vec::new();
    let mut before: Option<DateTime> = None;
    for time in tick_times(low, high, every) {
        let Ok(stamp) = Timestamp::from_millisecond(time) else {
            continue;
        };
        let at = Offset::UTC.to_datetime(stamp);
        let new_year = before.is_none_or(|before| before.year() != at.year());
        let new_day = before.is_none_or(|before| before.date() != at.date());
        let (label, below) = match every {
            Every::Millis(_) => (
                at.strftime("%H:%M").to_string(),
                new_day.then(|| at.strftime("%-d %b %Y").to_string()),
            ),
            Every::Days(_) => (
                at.strftime("%-d %b").to_string(),
                new_year.then(|| at.strftime("%Y").to_string()),
            ),
            Every::Months(months) if months < 12 => (
                at.strftime("%b").to_string(),
                new_year.then(|| at.strftime("%Y").to_string()),
            ),
            Every::Months(_) => (at.strftime("%Y").to_string(), None),
        };
        ticks.push(Tick {
            value: time as f64,
            label,
            below,
        });
        before = Some(at);
    }
    ticks
}

fn tick_times(low: Time, high: Time, every: Every) -> Vec<Time> {
    let regular = |step: i64, phase: i64| -> Vec<Time> {
        let first = (low - phase).div_euclid(step) * step + phase;
        (0..)
            .map(|index| first + index * step)
            .skip_while(|time| *time < low)
            .take_while(|time| *time <= high)
            .take(1000)
            .collect()
    };
    match every {
        Every::Millis(step) => regular(step, 0),
        // 1970-01-05 was a Monday.
        Every::Days(days) => regular(days * DAY, 4 * DAY),
        Every::Months(months) => {
            let Ok(start) = Timestamp::from_millisecond(low) else {
                return Vec::new();
            };
            let start = Offset::UTC.to_datetime(start).date();
            let month = i64::from(start.year()) * 12 + i64::from(start.month()) - 1;
            let first = month.div_euclid(months) * months;
            (0..1000)
                .map_while(|index| {
                    let month = first + index * months;
                    let year = i16::try_from(month.div_euclid(12)).ok()?;
                    let date = Date::new(year, (month.rem_euclid(12) + 1) as i8, 1).ok()?;
                    let midnight = date.at(0, 0, 0, 0);
                    let stamp = Offset::UTC.to_timestamp(midnight).ok()?;
                    Some(stamp.as_millisecond())
                })
                .skip_while(|time| *time < low)
                .take_while(|time| *time <= high)
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|tick| tick.label.as_str()).collect()
    }

    fn stamp(text: &str) -> Time {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn round_numbers() {
        let axis = Axis::linear([60_100.0, 69_800.0], 0.0, 5, "");
        assert_eq!(labels(&axis), ["62,000", "64,000", "66,000", "68,000"]);
        let axis = Axis::linear([-0.12, 0.1], 0.0, 4, " %");
        assert_eq!(
            labels(&axis),
            ["−0.10 %", "−0.05 %", "0.00 %", "0.05 %", "0.10 %"]
        );
        let axis = Axis::linear([1.1e-6, 1.9e-6], 0.0, 4, "");
        assert_eq!(
            labels(&axis),
            ["0.0000012", "0.0000014", "0.0000016", "0.0000018"]
        );
    }

    #[test]
    fn a_constant_stands_in_the_middle() {
        for value in [0.0, 1e-6, 5.0, 1e6, -3.0] {
            let axis = Axis::linear([value, value], 0.05, 5, "");
            assert!((axis.place(value) - 0.5).abs() < 1e-6, "{value}");
            assert!(!axis.ticks.is_empty() && axis.ticks.len() < 12, "{value}");
        }
        assert_eq!(Axis::linear([f64::NAN], 0.0, 5, "").place(0.5), 0.5);
    }

    #[test]
    fn logarithms() {
        let axis = Axis::logarithmic([0.01, 1.0], "");
        assert_eq!(
            labels(&axis),
            ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"]
        );
        assert!((axis.place(0.1) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn counts_are_regular() {
        let check = |low, high, wanted, ticks: &[&str]| {
            assert_eq!(labels(&Axis::counts(low, high, wanted)), ticks);
        };
        check(1, 30, 6, &["5", "10", "15", "20", "25", "30"]);
        check(0, 12, 10, &["0", "2", "4", "6", "8", "10", "12"]);
        check(1, 1, 6, &["1"]);
        check(1, 4, 6, &["1", "2", "3", "4"]);
        check(1, 5, 2, &["2", "4"]);
        check(1, 12, 5, &["2", "4", "6", "8", "10", "12"]);
        check(
            1,
            10_000,
            6,
            &["2,000", "4,000", "6,000", "8,000", "10,000"],
        );
        for high in 1..200 {
            for wanted in [5, 7, 10] {
                let ticks = Axis::counts(1, high, wanted).ticks;
                assert!(ticks.len() <= wanted + 3, "{high} {wanted}");
                assert!(ticks.len() > 1 || high == 1, "{high} {wanted}");
                assert!(ticks.iter().all(|tick| tick.value.fract() == 0.0));
                let gap = |pair: &[Tick]| pair[1].value - pair[0].value;
                assert!(ticks.windows(2).all(|pair| gap(pair) == gap(&ticks[..2])));
            }
        }
    }

    #[test]
    fn dates() {
        let axis = Axis::time(
            stamp("2023-10-24T00:00:00Z"),
            stamp("2024-03-01T00:00:00Z"),
            6,
            MINUTE,
        );
        assert_eq!(labels(&axis), ["Nov", "Dec", "Jan", "Feb", "Mar"]);
        let below: Vec<_> = axis
            .ticks
            .iter()
            .map(|tick| tick.below.as_deref())
            .collect();
        assert_eq!(below, [Some("2023"), None, Some("2024"), None, None]);

        let axis = Axis::time(
            stamp("2024-02-27T22:10:00Z"),
            stamp("2024-02-28T04:00:00Z"),
            3,
            MINUTE,
        );
        assert_eq!(labels(&axis), ["00:00", "02:00", "04:00"]);
        assert_eq!(axis.ticks[0].below.as_deref(), Some("28 Feb 2024"));

        let axis = Axis::time(
            stamp("2014-09-17T00:00:00Z"),
            stamp("2026-02-20T00:00:00Z"),
            7,
            MINUTE,
        );
        assert_eq!(
            labels(&axis),
            ["2016", "2018", "2020", "2022", "2024", "2026"]
        );
    }

    #[test]
    fn figures() {
        assert_eq!(grouped(1_234_567.891, 1), "1,234,567.9");
        assert_eq!(grouped(-0.04, 1), "0.0");
        assert_eq!(grouped(-1000.0, 0), "−1,000");
        assert_eq!(price(67_123.4, 60_000.0), "67,123");
        assert_eq!(price(1.234_56, 2.0), "1.2346");
        assert_eq!(price(0.000_001_234_56, 1e-6), "0.0000012346");
        assert_eq!(price(0.0, 0.0), "0.00");
    }
}
