//! Bringing a series from its party into a file: only what is missing, page by page, looked at before it is believed.
//!
//! In come a [`Series`], somebody who may ask ([`Caller`]) and a file; out go the file, which holds the series up to its last finished
//! candle, and a [`Fetched`] that says what was found. A file only ever grows or is revised: the newest rows that it has are asked for again,
//! and where they have changed, that is said. Whatever stops a fetch, the rows that had come are kept, and the same call goes on from there.
//! The time now is given; nothing here asks the clock or prints.

pub mod check;
mod store;

use senti::calendar::format_time;
use senti::{Error, ErrorKind, Result, Time};

pub use self::check::{Agreement, Findings, compare};
pub use self::store::Store;
use crate::parties::{Caller, DAY, Interval, Row, Series, Span};

/// Rows at the end of a file that are asked for again.
pub const LOOK_BACK: usize = 5;
/// Rows that may be lost when the program is killed, at least; more only where the file is four times as long.
const UNSAVED: usize = 20_000;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Which series.
    pub series: Series,
    /// The first row; none: what the file begins with, else all that there is.
    pub from: Option<Time>,
    /// The first time that is no longer wanted; none: now.
    pub until: Option<Time>,
    /// Candles that end later than this are not finished.
    pub now: Time,
}

/// How far a fetch is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Rows that have come in this run.
    pub rows: usize,
    /// Calls that were answered.
    pub calls: usize,
    /// Where the first page began.
    pub from: Time,
    /// Up to where rows have been asked for.
    pub at: Time,
    /// Where it ends.
    pub until: Time,
}

/// A row that the party gives otherwise than before.
#[derive(Clone, Debug, PartialEq)]
pub struct Revision {
    /// Its time.
    pub time: Time,
    /// The column.
    pub column: String,
    /// What the file had.
    pub before: f64,
    /// What it has now.
    pub now: f64,
}

/// What a fetch has done and found.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// All rows of the file, in the order of time.
    pub rows: Vec<Row>,
    /// Rows that the file did not have.
    pub added: usize,
    /// Values that have changed.
    pub revised: Vec<Revision>,
    /// What is odd.
    pub findings: Findings,
    /// Calls that were answered.
    pub calls: usize,
    /// The earliest row that the party gives, where more was wanted.
    pub begins: Option<Time>,
}

/// Brings a file up to date.
pub fn fetch(
    caller: &Caller,
    wish: &Wish,
    store: &Store,
    observe: &mut dyn FnMut(&Progress),
) -> Result<Fetched> {
    let mut job = Job::new(caller, wish, store)?;
    let done = job.backwards(observe).and_then(|()| job.forwards(observe));
    // whatever stopped it: what has come is kept
    let kept = job.keep();
    match (done, kept) {
        (Ok(()), Ok(())) => {}
        (Ok(()), Err(error)) | (Err(error), Err(_)) => return Err(error),
        (Err(error), Ok(())) => return Err(job.stopped(error)),
    }
    if job.rows.is_empty() {
        let series = &wish.series;
        return Err(Error::data(format!(
            "{} has no finished row of {series} in the span that is wanted",
            series.party.title
        ))
        .hint("give an earlier `--from`, a later `--until`, or look at the symbol"));
    }
    Ok(job.finish())
}

struct Job<'a> {
    caller: &'a Caller,
    wish: &'a Wish,
    store: &'a Store,
    names: Vec<String>,
    /// What the file had.
    old: Vec<Row>,
    /// What has come since it was last written.
    new: Vec<Row>,
    /// Old and new, as written.
    rows: Vec<Row>,
    until: Time,
    begins: Option<Time>,
    findings: Findings,
    calls: usize,
    came: usize,
    unsaved: usize,
}

impl<'a> Job<'a> {
    fn new(caller: &'a Caller, wish: &'a Wish, store: &'a Store) -> Result<Self> {
        let columns = wish.series.columns();
        let names: Vec<String> = columns.into_iter().map(|column| column.name).collect();
        let old = store.read(&wish.series, &names)?;
        check::fits(&old, wish.series.interval, store)?;
        Ok(Self {
            caller,
            wish,
            store,
            names,
            rows: old.clone(),
            old,
            new: Vec::new(),
            until: wish.until.unwrap_or(wish.now).min(wish.now),
            begins: None,
            findings: Findings::default(),
            calls: 0,
            came: 0,
            unsaved: 0,
        })
    }

    /// What lies before the first row of the file. It is kept beside it until nothing is missing between the two: a file has no hole
    /// that its party does not have.
    fn backwards(&mut self, observe: &mut dyn FnMut(&Progress)) -> Result<()> {
        let Some(first) = self.old.first().map(|row| row.time) else {
            return Ok(());
        };
        let from = match self.wish.from {
            Some(from) if from < first && !self.wish.series.party.is_whole => self.reachable(from),
            _ => return Ok(()),
        };
        if from >= first {
            return Ok(());
        }
        let aside = self.store.aside();
        let before = aside.read(&self.wish.series, &self.names)?;
        let before = match before.first() {
            Some(row) if row.time <= from + self.wish.series.interval.usual() => before,
            _ => Vec::new(),
        };
        let start = before.last().map_or(from, |row| row.time);
        let walked = self.walk(start, first, observe);
        let mut rows = before;
        rows.append(&mut self.new);
        let rows = check::in_order(rows, &mut Findings::default());
        self.unsaved = 0;
        match walked {
            Ok(()) => {
                self.rows = rows.into_iter().chain(self.rows.drain(..)).collect();
                self.rows = check::in_order(std::mem::take(&mut self.rows), &mut self.findings);
                self.store
                    .write(&self.wish.series, &self.names, &self.rows)?;
                self.unsaved = 0;
                aside.remove();
                Ok(())
            }
            Err(error) if rows.is_empty() => Err(error),
            Err(error) => {
                aside.write(&self.wish.series, &self.names, &rows)?;
                Err(error.within(format!(
                    "stopped between {} and the first row of `{}`; what has come is kept, and the same command goes on",
                    self.time(from),
                    self.store.path().display()
                )))
            }
        }
    }

    /// What lies behind the last rows of the file, and those once more; everything, where there is no file.
    fn forwards(&mut self, observe: &mut dyn FnMut(&Progress)) -> Result<()> {
        let party = self.wish.series.party;
        let known = self.old.len().checked_sub(LOOK_BACK.min(self.old.len()));
        let known = known.and_then(|row| self.old.get(row)).map(|row| row.time);
        let from = match known {
            Some(time) if !party.is_whole => self.reachable(time),
            _ => {
                let wanted = self.wish.from.unwrap_or(Time::MIN);
                let start = self.reachable(wanted);
                match self.wish.from {
                    None if party.is_spans && party.page > 0 => self.first_day(start)?,
                    _ => start,
                }
            }
        };
        self.walk(from, self.until, observe)?;
        self.is_same_series()
    }

    /// The wanted time, or the earliest that can be had.
    fn reachable(&mut self, wanted: Time) -> Time {
        let series = &self.wish.series;
        let earliest = (series.party.earliest)(series, self.wish.now);
        if wanted < earliest && wanted != Time::MIN {
            self.begins = Some(earliest);
        }
        wanted.max(earliest)
    }

    /// Where pages are spans of time, fine candles would be asked for through years in which there were none: days find the beginning.
    fn first_day(&mut self, start: Time) -> Result<Time> {
        let series = &self.wish.series;
        let Interval::Step(_, length) = series.interval else {
            return Ok(start);
        };
        if length >= DAY || self.until - start < 100 * DAY {
            return Ok(start);
        }
        let days = Series {
            interval: Interval::Step("1d", DAY),
            ..series.clone()
        };
        let mut at = start;
        while at < self.until {
            let page = (series.party.ask)(self.caller, &self.span(&days, at, self.until))?;
            self.calls += 1;
            if let Some(first) = page.rows.iter().map(|row| row.time).min() {
                return Ok(first.max(start));
            }
            match page.next.filter(|next| *next > at) {
                Some(next) => at = next,
                None => break,
            }
        }
        Ok(start)
    }

    fn span<'s>(&self, series: &'s Series, from: Time, until: Time) -> Span<'s> {
        Span {
            series,
            from,
            until,
        }
    }

    /// Page after page; what may be believed is put to `new`.
    fn walk(&mut self, from: Time, until: Time, observe: &mut dyn FnMut(&Progress)) -> Result<()> {
        let series = &self.wish.series;
        let mut at = from;
        while at < until {
            let page = (series.party.ask)(self.caller, &self.span(series, at, until))?;
            self.calls += 1;
            self.findings.empty += page.n_empty;
            let n = page.rows.len();
            let interval = series.interval;
            let inside = page.rows.into_iter();
            // some give more than was asked for
            let inside = inside.filter(|row| (at..until).contains(&row.time));
            let good = check::believed(inside, interval, self.wish.now, &mut self.findings);
            self.came += good.len();
            self.unsaved += good.len();
            self.new.extend(good);
            let next = page.next.filter(|next| *next > at);
            observe(&Progress {
                rows: self.came,
                calls: self.calls,
                from,
                at: next.unwrap_or(until),
                until,
            });
            match next {
                // by numbers, not by spans: an empty page is the end
                Some(_) if n == 0 && !series.party.is_spans => break,
                Some(next) => at = next,
                None => break,
            }
            if self.unsaved >= UNSAVED.max(self.rows.len() / 4) && until == self.until {
                self.keep()?;
            }
        }
        Ok(())
    }

    /// Puts what has come into the file, if anything has, unless it is of another series.
    fn keep(&mut self) -> Result<()> {
        if self.new.is_empty() {
            return Ok(());
        }
        self.is_same_series()?;
        let mut rows = std::mem::take(&mut self.rows);
        rows.append(&mut self.new);
        // the later of two rows of one time counts, and the new ones come later
        self.rows = check::merged(
            rows,
            self.old.last().map(|row| row.time),
            &mut self.findings,
        );
        self.unsaved = 0;
        let same = |(a, b): (&Row, &Row)| a.is_same(b);
        let unchanged = self.rows.len() == self.old.len()
            && self.rows.iter().zip(&self.old).all(same)
            && self.store.exists();
        match unchanged {
            true => Ok(()),
            false => self.store.write(&self.wish.series, &self.names, &self.rows),
        }
    }

    /// Where every row that is looked at again is another one, the file is not of this series, or the party has restated its history.
    fn is_same_series(&self) -> Result<()> {
        let series = &self.wish.series;
        if series.party.is_whole || self.new.is_empty() {
            return Ok(());
        }
        let (mut common, mut other, mut example) = (0, 0, None);
        for row in &self.old[self.old.len().saturating_sub(LOOK_BACK)..] {
            let Some(again) = self.new.iter().rfind(|new| new.time == row.time) else {
                continue;
            };
            common += 1;
            if !row.is_same(again) {
                other += 1;
                example.get_or_insert((row.time, row.values, again.values));
            }
        }
        let Some((time, before, now)) = example.filter(|_| common >= 3 && other == common) else {
            return Ok(());
        };
        let last = self
            .names
            .iter()
            .position(|name| name == "close")
            .unwrap_or(0);
        let place = self.store.path().display();
        Err(Error::data(format!(
            "the last {common} rows of `{place}` are not those of {series}: on {} it has {}, {} gives {}",
            self.time(time),
            before[last],
            series.party.title,
            now[last],
        ))
        .hint("the file may be of another series, or the history was restated (a split of a share); fetch into another file, or delete this one"))
    }

    fn time(&self, time: Time) -> String {
        format_time(time, self.wish.series.interval.usual())
    }

    /// Why it stopped, and what is kept.
    fn stopped(&self, error: Error) -> Error {
        let added = self.rows.len() - self.old.len();
        if added == 0 {
            return error;
        }
        let rows = match added {
            1 => "1 new row".to_owned(),
            n => format!("{n} new rows"),
        };
        let last = self
            .rows
            .last()
            .map_or(String::new(), |row| self.time(row.time));
        let place = self.store.path().display();
        let sentence = format!("stopped after {rows}, which are kept in `{place}` (up to {last})");
        let error = error.within(sentence);
        match error.kind() {
            ErrorKind::Interrupted => error.hint("the same command goes on from there"),
            _ => error,
        }
    }

    fn finish(mut self) -> Fetched {
        let mut revised = Vec::new();
        // both are in the order of time, and every old time is still there
        let mut old = self.old.iter().peekable();
        for row in &self.rows {
            let Some(old) = old.next_if(|old| old.time == row.time) else {
                continue;
            };
            if old.is_same(row) {
                continue;
            }
            for (i, column) in self.names.iter().enumerate() {
                let (before, now) = (old.values[i], row.values[i]);
                if before != now && !(before.is_nan() && now.is_nan()) {
                    let (time, column) = (row.time, column.clone());
                    revised.push(Revision {
                        time,
                        column,
                        before,
                        now,
                    });
                }
            }
        }
        let close = self.names.iter().position(|name| name == "close");
        check::look(
            &self.rows,
            self.wish.series.interval,
            close,
            &mut self.findings,
        );
        Fetched {
            added: self.rows.len() - self.old.len(),
            rows: self.rows,
            revised,
            findings: self.findings,
            calls: self.calls,
            begins: self.begins,
        }
    }
}
