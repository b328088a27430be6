//! From one row of a series to the next.
//!
//! In comes a name as in `binance:BTCUSDT:1d`; out goes an [`Interval`], which knows when a candle ends. The names are Binance's; each
//! party turns them into its own.

use senti::Time;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
/// A day in milliseconds.
pub(crate) const DAY: i64 = 24 * HOUR;

/// The length of a candle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interval {
    /// Of a fixed length: name and milliseconds.
    Step(&'static str, i64),
    /// A month of the calendar, `1M`.
    Month,
    /// No candle: a value for a date, final when it is published.
    AsPublished,
}

/// Every length that some party has.
const STEPS: &[(&str, i64)] = &[
    ("1s", SECOND),
    ("1m", MINUTE),
    ("2m", 2 * MINUTE),
    ("3m", 3 * MINUTE),
    ("5m", 5 * MINUTE),
    ("15m", 15 * MINUTE),
    ("30m", 30 * MINUTE),
    ("1h", HOUR),
    ("2h", 2 * HOUR),
    ("4h", 4 * HOUR),
    ("6h", 6 * HOUR),
    ("8h", 8 * HOUR),
    ("12h", 12 * HOUR),
    ("1d", DAY),
    ("3d", 3 * DAY),
    ("1w", 7 * DAY),
];

impl Interval {
    /// The one of this name; none for [`Interval::AsPublished`], which has no name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "1M" => Some(Self::Month),
            _ => STEPS
                .iter()
                .find(|(step, _)| *step == name)
                .map(|(name, length)| Self::Step(name, *length)),
        }
    }

    /// `1d`; empty for values that are no candles.
    pub fn name(self) -> &'static str {
        match self {
            Self::Step(name, _) => name,
            Self::Month => "1M",
            Self::AsPublished => "",
        }
    }

    /// When the candle that opens at this time is over.
    pub fn close(self, open: Time) -> Time {
        match self {
            Self::Step(_, length) => open.saturating_add(length),
            Self::Month => month_later(open),
            Self::AsPublished => open,
        }
    }

    /// A step that is usual in such a series, in milliseconds: for room and progress, not for arithmetic with dates.
    pub fn usual(self) -> i64 {
        match self {
            Self::Step(_, length) => length,
            Self::Month => 30 * DAY,
            Self::AsPublished => DAY,
        }
    }

    /// Are rows named by their date alone?
    pub fn is_dated(self) -> bool {
        self.usual() >= DAY
    }
}

fn month_later(time: Time) -> Time {
    let later = jiff::Timestamp::from_millisecond(time)
        .ok()
        .and_then(|stamp| {
            let civil = jiff::tz::TimeZone::UTC.to_datetime(stamp);
            let later = civil.checked_add(jiff::Span::new().months(1)).ok()?;
            jiff::tz::TimeZone::UTC.to_timestamp(later).ok()
        });
    later.map_or(Time::MAX, jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use senti::calendar::parse_time;

    #[test]
    fn candles_end_where_the_next_one_begins() {
        for (name, open, close) in [
            ("1d", "2024-02-29", "2024-03-01"),
            ("1h", "2024-02-29T23:00:00Z", "2024-03-01T00:00:00Z"),
            ("1w", "2024-02-26", "2024-03-04"),
            ("1M", "2024-02-01", "2024-03-01"),
            ("1M", "2023-12-01", "2024-01-01"),
        ] {
            let time = |text| parse_time(text).expect(text);
            let interval = Interval::parse(name).expect(name);
            assert_eq!(interval.name(), name);
            assert_eq!(interval.close(time(open)), time(close), "{name} {open}");
        }
        assert_eq!(Interval::parse("1D"), None);
    }
}
