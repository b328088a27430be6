//! When a value became known: its frequency, the zone that its dates are written in, and the lag of its publication.
//!
//! In come the time that a row carries and a [`Rule`]; out goes the moment from which on the row was known, in UTC. Lags count on the
//! clock of the zone, so a session that closes at 16:00 does so on both sides of a change of the clock. Zones come from the
//! time zone database that is compiled in, so every machine gives the same moments.

use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Span, Timestamp};

use super::kinds::Kind;
use crate::table::{Time, nearest_name};
use crate::{Error, Result};

const DAY: i64 = 86_400_000;

/// How often a series has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// Several values a day.
    Intraday,
    /// One a day, or one a weekday.
    Day,
    /// One a week.
    Week,
    /// One a month.
    Month,
    /// One a quarter.
    Quarter,
    /// One a year.
    Year,
    /// Whenever something happens.
    Irregular,
}

impl Frequency {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Intraday,
        Self::Day,
        Self::Week,
        Self::Month,
        Self::Quarter,
        Self::Year,
        Self::Irregular,
    ];

    /// Name, as in `frequency=month`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Intraday => "intraday",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::Irregular => "irregular",
        }
    }

    /// Reads a name.
    pub fn parse(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|one| one.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let error = Error::input(format!(
                "the frequency `{text}` is not known, wanted one of {}",
                names.join(", ")
            ));
            match nearest_name(text, &names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error,
            }
        })
    }

    /// The frequency of these times, by the middle one of their distances; they may be in any order, repeated ones count once.
    pub fn detect(times: &[Time]) -> Self {
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut steps: Vec<i64> = sorted.windows(2).map(|pair| pair[1] - pair[0]).collect();
        if steps.is_empty() {
            return Self::Irregular;
        }
        // of two in the middle the shorter one: weekends make steps longer
        let middle = (steps.len() - 1) / 2;
        let (_, &mut step, _) = steps.select_nth_unstable(middle);
        match step {
            step if step < DAY => Self::Intraday,
            DAY => Self::Day,
            step => match step / DAY {
                7 => Self::Week,
                26..=35 => Self::Month,
                84..=98 => Self::Quarter,
                350..=380 => Self::Year,
                _ => Self::Irregular,
            },
        }
    }
}

/// How long after the time that a row carries it was known.
#[derive(Clone, Debug)]
pub enum Lag {
    /// At the end of the day that the row's time falls on.
    EndOfDay,
    /// So much later, on the clock of the zone.
    After(Span),
}

impl PartialEq for Lag {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Lag {
    /// Reads `day_end`, `0`, `16h15m`, `1d`, `1mo18d`.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = |why: &str| {
            Error::input(format!("the lag `{text}` is {why}")).hint(
                "write `day_end`, `0`, or a time as `16h15m`, `1d`, `2w` or `1mo18d`: it counts from the date of a row on the clock of its zone",
            )
        };
        match text {
            "day_end" => return Ok(Self::EndOfDay),
            "0" => return Ok(Self::After(Span::new())),
            _ => {}
        }
        let span: Span = text
            .parse()
            .map_err(|_| wrong("no time that can be counted"))?;
        match span.is_negative() {
            true => Err(wrong(
                "negative: nothing is known before it is about to happen",
            )),
            false => Ok(Self::After(span)),
        }
    }
}

impl std::fmt::Display for Lag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EndOfDay => f.write_str("day_end"),
            Self::After(span) if span.is_zero() => f.write_str("0"),
            Self::After(span) => f.write_str(&format!("{span:#}").replace(' ', "")),
        }
    }
}

/// What a row's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// A date, or a time without a zone, as if it were UTC: it is meant on the clock of the rule's zone.
    Clock(Time),
    /// A moment, written with its zone or as unix time.
    Moment(Time),
}

/// When the values of a column are known.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// How often there is one.
    pub frequency: Frequency,
    /// Name of the zone that dates are written in, and that lags count in.
    pub zone: String,
    /// From the time of a row to its publication.
    pub lag: Lag,
    /// The kind whose lag it is; none where nothing was recognised, or somebody said another lag.
    pub kind: Option<&'static str>,
}

impl Rule {
    /// The rule for a column of this kind, or for one of which nothing but its frequency is known.
    ///
    /// What is known of no kind is known at the end of its day. Months and longer are published nobody knows when: they are taken as known
    /// when another period has passed after their own.
    pub fn usual(kind: Option<&'static Kind>, frequency: Frequency) -> Self {
        if let Some(kind) = kind {
            return Self {
                frequency,
                zone: kind.zone.to_owned(),
                lag: Lag::parse(kind.lag).unwrap_or(Lag::EndOfDay),
                kind: Some(kind.name),
            };
        }
        let lag = match frequency {
            Frequency::Intraday | Frequency::Day | Frequency::Irregular => Lag::EndOfDay,
            Frequency::Week => Lag::After(Span::new().weeks(2)),
            Frequency::Month => Lag::After(Span::new().months(2)),
            Frequency::Quarter => Lag::After(Span::new().months(6)),
            Frequency::Year => Lag::After(Span::new().years(2)),
        };
        Self {
            frequency,
            zone: "UTC".to_owned(),
            lag,
            kind: None,
        }
    }

    /// Since when a row with this time is known.
    pub fn known(&self, stamp: Stamp) -> Result<Time> {
        let zone = zone(&self.zone)?;
        Ok(known(stamp, &zone, &self.lag)?.as_millisecond())
    }

    /// The same for many rows.
    pub fn known_all(&self, stamps: impl Iterator<Item = Stamp>) -> Result<Vec<Time>> {
        let zone = zone(&self.zone)?;
        stamps
            .map(|stamp| Ok(known(stamp, &zone, &self.lag)?.as_millisecond()))
            .collect()
    }

    /// Is a value known earlier by this rule than by the other one? Judged at an ordinary date.
    pub fn is_sooner(&self, than: &Self) -> bool {
        // a Tuesday, 2024-01-09, without a change of the clock near
        let day = Stamp::Clock(1_704_758_400_000);
        match (self.known(day), than.known(day)) {
            (Ok(this), Ok(other)) => this < other,
            _ => false,
        }
    }
}

/// The moment of a time on the clock of a zone. One that comes twice in a night is the later; one that is skipped is after the gap.
pub fn moment(time: Time, zone: &TimeZone) -> Result<Time> {
    Ok(at(civil(time)?, zone)?.as_millisecond())
}

/// A zone by its name in the time zone database.
pub fn zone(name: &str) -> Result<TimeZone> {
    TimeZoneDatabase::bundled().get(name).map_err(|cause| {
        Error::input(format!("there is no time zone `{name}`"))
            .because(cause)
            .hint("zones are called `UTC`, `America/New_York`, `Europe/Berlin`, `Asia/Tokyo`")
    })
}

fn known(stamp: Stamp, zone: &TimeZone, lag: &Lag) -> Result<Timestamp> {
    let local = match stamp {
        Stamp::Clock(time) => civil(time)?,
        Stamp::Moment(time) => zone.to_datetime(timestamp(time)?),
    };
    let later = match lag {
        Lag::EndOfDay => local
            .date()
            .to_datetime(jiff::civil::Time::midnight())
            .checked_add(Span::new().days(1)),
        Lag::After(span) => local.checked_add(*span),
    };
    let later = later.map_err(|cause| out_of_range(&local.to_string(), cause))?;
    let known = at(later, zone)?;
    // A moment inside the hour that comes twice is not known before itself.
    Ok(match stamp {
        Stamp::Moment(time) => known.max(timestamp(time)?),
        Stamp::Clock(_) => known,
    })
}

fn at(local: DateTime, zone: &TimeZone) -> Result<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    ambiguous
        .later()
        .map_err(|cause| out_of_range(&local.to_string(), cause))
}

fn civil(time: Time) -> Result<DateTime> {
    Ok(TimeZone::UTC.to_datetime(timestamp(time)?))
}

fn timestamp(time: Time) -> Result<Timestamp> {
    Timestamp::from_millisecond(time)
        .map_err(|cause| out_of_range(&format!("{time} milliseconds since 1970"), cause))
}

fn out_of_range(what: &str, cause: jiff::Error) -> Error {
    Error::data(format!("the time {what} cannot be counted on from")).because(cause)
}
