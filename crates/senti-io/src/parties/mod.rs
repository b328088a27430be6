//! Parties on the network that give candles or other series: one file each, one row of [`PARTIES`].
//!
//! In comes the name of a series, `binance:BTCUSDT:1d`, and a span of time; out go pages of rows as the party gives them. A party only
//! translates: what is asked for, in which pieces, what is believed of an answer and where it is kept is decided in [`crate::fetch`].
//! Nothing here keeps rows, asks the clock or reads the environment.

mod binance;
mod caller;
mod cnn;
mod coinbase;
mod coingecko;
mod fear_greed;
mod fred;
mod interval;
mod known;
mod kraken;
mod yahoo;

use senti::table::nearest_name;
use senti::{Error, Result, Time};

pub use self::caller::Caller;
pub(crate) use self::interval::DAY;
pub use self::interval::Interval;
pub use self::known::Known;

/// A party.
pub struct Party {
    /// As in `binance:BTCUSDT:1d`.
    pub name: &'static str,
    /// As people call it.
    pub title: &'static str,
    /// What it gives, in a few words.
    pub offers: &'static str,
    /// A series of it.
    pub example: &'static str,
    /// What a symbol looks like; empty where there is only one series.
    pub symbols: &'static str,
    /// Names of the intervals, the usual one first; empty where values are no candles.
    pub intervals: &'static [&'static str],
    /// Rows that come in one answer at most; 0 for all of them.
    pub page: usize,
    /// Calls a second that we allow ourselves: fewer than the party does.
    pub calls_per_second: f64,
    /// What the party allows, in words.
    pub limit: &'static str,
    /// Address of the server.
    pub base: &'static str,
    /// Environment variable with another address.
    pub url_variable: &'static str,
    /// Environment variable with a key, where the party has keys.
    pub key_variable: Option<&'static str>,
    /// Whom the data are from, and on which terms.
    pub attribution: &'static str,
    /// Every answer holds the whole history: it is compared with all that was kept.
    pub is_whole: bool,
    /// Pages are spans of time rather than so many rows: an empty one does not mean the end.
    pub is_spans: bool,
    /// The columns of a series, and when their values are known.
    pub columns: fn(&Series) -> Vec<Offered>,
    /// The earliest row that can be had at this time.
    pub earliest: fn(&Series, Time) -> Time,
    /// Asks for the page at the beginning of a span.
    pub(crate) ask: fn(&Caller, &Span<'_>) -> Result<Page>,
}

/// A column that a party gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Its name in files.
    pub name: String,
    /// When a value of it is known: the default for joins.
    pub known: Known,
}

/// Most columns that a series has.
pub const MOST_COLUMNS: usize = 5;

/// Every party there is.
pub const PARTIES: &[&Party] = &[
    &binance::PARTY,
    &coinbase::PARTY,
    &kraken::PARTY,
    &yahoo::PARTY,
    &coingecko::PARTY,
    &fear_greed::PARTY,
    &cnn::PARTY,
    &fred::PARTY,
];

/// What the five columns of a candle are called.
fn candle(_: &Series) -> Vec<Offered> {
    let column = |name: &str| Offered {
        name: name.to_owned(),
        known: Known::AtClose,
    };
    ["open", "high", "low", "close", "volume"]
        .map(column)
        .into()
}

/// A row: time of its opening (or its date) in milliseconds since 1970, and as many values as there are columns, the rest NaN.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// When the candle opens.
    pub time: Time,
    /// In the order of the columns; NaN where nothing is known.
    pub values: [f64; MOST_COLUMNS],
}

impl Row {
    /// With one value.
    fn single(time: Time, value: f64) -> Self {
        let mut values = [f64::NAN; MOST_COLUMNS];
        values[0] = value;
        Self { time, values }
    }

    /// Time and values, bit for bit, all NaN alike.
    pub fn is_same(&self, other: &Self) -> bool {
        let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
        self.time == other.time && self.values.iter().zip(&other.values).all(same)
    }
}

/// What is asked for: rows with `from <= time < until`.
#[derive(Clone, Copy, Debug)]
pub struct Span<'a> {
    /// Which series.
    pub series: &'a Series,
    /// The first time that is wanted.
    pub from: Time,
    /// The first time that is no longer wanted.
    pub until: Time,
}

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// In the order of time, as far as the party keeps its own rule.
    pub rows: Vec<Row>,
    /// Where to go on; none at the end.
    pub next: Option<Time>,
    /// Rows that the party gave without a value.
    pub n_empty: usize,
}

/// A series of a party: `binance:BTCUSDT:1d`, `yahoo:^IXIC`, `fear_greed`.
#[derive(Clone)]
pub struct Series {
    /// Whose.
    pub party: &'static Party,
    /// The party's name for it; empty where it has only one.
    pub symbol: String,
    /// From row to row.
    pub interval: Interval,
}

impl std::fmt::Display for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.party.name)?;
        let named = !self.party.symbols.is_empty();
        let rest = [
            named.then_some(self.symbol.as_str()),
            (self.interval != Interval::AsPublished && named).then(|| self.interval.name()),
        ];
        rest.into_iter()
            .flatten()
            .try_for_each(|part| write!(f, ":{part}"))
    }
}

impl std::fmt::Debug for Series {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Series({self})")
    }
}

impl Series {
    /// Does the text begin like a series? `binance:` does; a file name does not.
    pub fn is_meant(text: &str) -> bool {
        let name = text.split(':').next().unwrap_or_default();
        let party = PARTIES.iter().find(|party| party.name == name);
        party.is_some_and(|party| text.contains(':') || party.symbols.is_empty())
    }

    /// Reads `party:SYMBOL:interval`. The interval may be left out.
    ///
    /// ```
    /// use senti_io::parties::Series;
    /// assert_eq!(Series::parse("yahoo:^IXIC")?.to_string(), "yahoo:^IXIC:1d");
    /// assert!(Series::parse("binance:BTCUSDT:1y").is_err());
    /// # Ok::<(), senti::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let shown = crate::sources::printable(text);
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default();
        let (symbol, interval, more) = (parts.next(), parts.next(), parts.next());
        let Some(party) = PARTIES.iter().find(|party| party.name == name) else {
            let names: Vec<&str> = PARTIES.iter().map(|party| party.name).collect();
            let error = Error::input(format!(
                "`{shown}` names no party that is known: `{}`",
                crate::sources::printable(name)
            ));
            return Err(match nearest_name(name, &names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("choose one of {}", names.join(", "))),
            });
        };
        let example = |error: Error| error.hint(format!("write it like `{}`", party.example));
        let refuse = |why: &str| example(Error::input(format!("`{shown}` is no series: {why}")));
        if more.is_some() {
            return Err(refuse("it has too many parts"));
        }
        let symbol = symbol.unwrap_or_default();
        if party.symbols.is_empty() {
            if !symbol.is_empty() || interval.is_some() {
                return Err(refuse(&format!("{} has only one", party.title)));
            }
        } else if symbol.is_empty() {
            return Err(refuse(&format!("wanted {}", party.symbols)));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.^=/&".contains(c);
        if symbol.len() > 64 || !symbol.chars().all(fits) {
            return Err(refuse(
                "a symbol has up to 64 letters, digits and `-_.^=/&`",
            ));
        }
        let names = party.intervals;
        let interval = match interval {
            None => names.first().map_or(Interval::AsPublished, |name| {
                Interval::parse(name).unwrap_or(Interval::AsPublished)
            }),
            Some(name) => {
                let known = names.contains(&name);
                let found = Interval::parse(name).filter(|_| known);
                found.ok_or_else(|| {
                    let name = crate::sources::printable(name);
                    match names.is_empty() {
                        true => refuse(&format!("{} has no intervals", party.title)),
                        false => Error::input(format!(
                            "{} has no interval `{name}`, in `{shown}`",
                            party.title
                        ))
                        .hint(format!("choose one of {}", names.join(", "))),
                    }
                })?
            }
        };
        Ok(Self {
            party,
            symbol: symbol.to_owned(),
            interval,
        })
    }

    /// Its columns.
    pub fn columns(&self) -> Vec<Offered> {
        (self.party.columns)(self)
    }

    /// The name of a file for it, without ending: `binance_BTCUSDT_1d`.
    pub fn file_stem(&self) -> String {
        // where names of files have no case, `1m` and `1M` would be one
        let interval = match self.interval {
            Interval::Month => "1mo",
            interval => interval.name(),
        };
        let parts = match self.party.symbols.is_empty() {
            true => vec![self.party.name],
            false => vec![self.party.name, &self.symbol, interval],
        };
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join("_").replace('/', "%2F")
    }
}

/// A time of the calendar that is written in our own source.
fn date(text: &str) -> Time {
    senti::calendar::parse_time(text).expect("the date is a constant")
}
