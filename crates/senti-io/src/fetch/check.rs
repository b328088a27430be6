//! What is believed of the rows that a party gives, and what is odd about those that are kept.
//!
//! In come rows; out go those that can be true, in the order of time and once each, and [`Findings`] about the others. A row that cannot be
//! true (its high below its low, a price of nothing) is left out, which leaves a gap, since nothing here invents or corrects a value. A row
//! that is only unlikely stays, and is named.

use senti::calendar::{Calendar, format_time};
use senti::{Error, Result, Time};

use super::Store;
use crate::parties::{Interval, Row};

/// Open and close may leave the range of their candle by this share: parties round. The table reader has the same measure.
const ROUNDING: f64 = 1e-3;
/// A close that many times its neighbour, up or down, is named.
const FACTOR: f64 = 2.0;
/// A move of so many times the usual one, and of 5 % at least, that is taken back by the next candle is named.
const GLITCH: f64 = 25.0;
/// Examples that are kept.
const EXAMPLES: usize = 10;

/// What was odd.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// Candles whose end lies ahead: left out.
    pub unfinished: usize,
    /// Rows without a value: left out.
    pub empty: usize,
    /// Rows that were given twice, alike.
    pub repeated: usize,
    /// Rows of one time with other values: the later one is kept.
    pub contradicted: usize,
    /// Rows that came out of order: put into it.
    pub reordered: usize,
    /// Candles that cannot be: left out. Time and reason of the first ones.
    pub impossible: Vec<(Time, String)>,
    /// How many of them there are.
    pub n_impossible: usize,
    /// Gaps: the last row before, and how many are missing. The longest ones.
    pub gaps: Vec<(Time, usize)>,
    /// How many gaps there are.
    pub n_gaps: usize,
    /// Rows that are missing in all of them.
    pub missing: usize,
    /// Closes that jump: time, close before, close. The first ones.
    pub jumps: Vec<(Time, f64, f64)>,
    /// How many of them there are.
    pub n_jumps: usize,
}

/// The rows of a page that can be true and are finished.
pub(super) fn believed(
    rows: impl Iterator<Item = Row>,
    interval: Interval,
    now: Time,
    findings: &mut Findings,
) -> Vec<Row> {
    let mut good: Vec<Row> = Vec::new();
    for row in rows {
        if interval.close(row.time) > now {
            findings.unfinished += 1;
            continue;
        }
        if let Some(reason) = impossible(&row) {
            findings.n_impossible += 1;
            if findings.impossible.len() < EXAMPLES {
                findings.impossible.push((row.time, reason));
            }
            continue;
        }
        if good.last().is_some_and(|last| last.time > row.time) {
            findings.reordered += 1;
        }
        good.push(row);
    }
    good
}

/// Why a candle cannot be; series of fewer columns have no such rule.
fn impossible(row: &Row) -> Option<String> {
    let [open, high, low, close, volume] = row.values;
    // a series of one or two columns leaves these empty
    if high.is_nan() && low.is_nan() {
        return None;
    }
    let outside = |price: f64| price > high * (1.0 + ROUNDING) || price < low * (1.0 - ROUNDING);
    if let Some(price) = [open, high, low, close].iter().find(|price| **price <= 0.0) {
        return Some(format!("a price of {price}"));
    }
    if high < low {
        return Some(format!("its high {high} is below its low {low}"));
    }
    if outside(open) {
        return Some(format!("its open {open} is not between {low} and {high}"));
    }
    if outside(close) {
        return Some(format!("its close {close} is not between {low} and {high}"));
    }
    (volume < 0.0).then(|| format!("a volume of {volume}"))
}

/// In the order of time and once each; of two rows of one time the later one counts.
pub(super) fn in_order(rows: Vec<Row>, findings: &mut Findings) -> Vec<Row> {
    merged(rows, None, findings)
}

/// The same; up to `known`, a second row of one time is one that was asked for again, and no finding.
pub(super) fn merged(mut rows: Vec<Row>, known: Option<Time>, findings: &mut Findings) -> Vec<Row> {
    // stable: among rows of one time, those that came later stay later
    rows.sort_by_key(|row| row.time);
    let mut out: Vec<Row> = Vec::with_capacity(rows.len());
    for row in rows {
        match out.last_mut().filter(|last| last.time == row.time) {
            Some(last) => {
                let again = known.is_some_and(|known| row.time <= known);
                match last.is_same(&row) {
                    _ if again => {}
                    true => findings.repeated += 1,
                    false => findings.contradicted += 1,
                }
                *last = row;
            }
            None => out.push(row),
        }
    }
    out
}

/// Are the rows of a file on the grid of this interval?
pub(super) fn fits(rows: &[Row], interval: Interval, store: &Store) -> Result<()> {
    let Interval::Step(name, length) = interval else {
        return Ok(());
    };
    let newest = &rows[rows.len().saturating_sub(100)..];
    let off = newest
        .windows(2)
        .find(|pair| (pair[1].time - pair[0].time) % length != 0);
    match off {
        None => Ok(()),
        Some(pair) => {
            let time = |row: &Row| format_time(row.time, length);
            Err(Error::data(format!(
                "`{}` has rows at {} and {}, which are not whole steps of `{name}` apart",
                store.path().display(),
                time(&pair[0]),
                time(&pair[1])
            ))
            .hint("the file is of another interval; fetch into another one"))
        }
    }
}

/// Gaps and jumps of rows in order. `close`: the column that must not jump.
pub(super) fn look(
    rows: &[Row],
    interval: Interval,
    close: Option<usize>,
    findings: &mut Findings,
) {
    let time: Vec<Time> = rows.iter().map(|row| row.time).collect();
    gaps(&time, interval, findings);
    if let Some(close) = close {
        let values: Vec<f64> = rows.iter().map(|row| row.values[close]).collect();
        jumps(&time, &values, findings);
    }
}

fn gaps(time: &[Time], interval: Interval, findings: &mut Findings) {
    // exchanges with nights and weekends: the calendar learns when they are closed
    let calendar = Calendar::detect(time).ok();
    let calendar = calendar.filter(|calendar| match interval {
        Interval::Step(_, length) => calendar.step() == length,
        // values of working days have holidays that nobody here knows
        Interval::AsPublished => calendar.is_continuous(),
        Interval::Month => false,
    });
    let mut gaps = Vec::new();
    for pair in time.windows(2) {
        let missing = match (&calendar, interval) {
            (Some(calendar), _) => calendar.missing_between(pair[0], pair[1]),
            (None, Interval::Step(_, length)) => ((pair[1] - pair[0]) / length - 1).max(0) as usize,
            (None, Interval::Month) => {
                let mut month = interval.close(pair[0]);
                let mut n = 0;
                while month < pair[1] {
                    n += 1;
                    month = interval.close(month);
                }
                n
            }
            (None, Interval::AsPublished) => 0,
        };
        if missing > 0 {
            gaps.push((pair[0], missing));
        }
    }
    findings.n_gaps = gaps.len();
    findings.missing = gaps.iter().map(|(_, missing)| missing).sum();
    gaps.sort_by_key(|(time, missing)| (std::cmp::Reverse(*missing), *time));
    gaps.truncate(EXAMPLES);
    findings.gaps = gaps;
}

fn jumps(time: &[Time], close: &[f64], findings: &mut Findings) {
    let moves: Vec<f64> = close
        .windows(2)
        .map(|pair| (pair[1] / pair[0]).ln())
        .collect();
    let mut sizes: Vec<f64> = moves.iter().map(|step| step.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let usual = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
    for (i, step) in moves.iter().enumerate() {
        let back = moves.get(i + 1).is_some_and(|next| {
            // four fifths of it are taken back
            (step + next).abs() < 0.2 * step.abs()
        });
        let glitch = back && step.abs() > GLITCH * usual && step.abs() > 0.05;
        if step.abs() >= FACTOR.ln() || glitch {
            findings.n_jumps += 1;
            if findings.jumps.len() < EXAMPLES {
                findings.jumps.push((time[i + 1], close[i], close[i + 1]));
            }
        }
    }
}

/// Two sources of one price, side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Times that both have.
    pub common: usize,
    /// Median of the differences, as a share.
    pub median: f64,
    /// Times at which they differ by more than was allowed: time, ours, theirs.
    pub differing: Vec<(Time, f64, f64)>,
}

/// Compares the closes (or the only values) of two series that differ by more than `allowed`, as a share of the second.
pub fn compare(ours: &[(Time, f64)], theirs: &[(Time, f64)], allowed: f64) -> Agreement {
    let theirs: std::collections::HashMap<Time, f64> = theirs.iter().copied().collect();
    let (mut shares, mut differing) = (Vec::new(), Vec::new());
    for (time, ours) in ours {
        let Some(other) = theirs.get(time) else {
            continue;
        };
        let share = (ours / other - 1.0).abs();
        if !share.is_finite() {
            continue;
        }
        shares.push(share);
        if share > allowed {
            differing.push((*time, *ours, *other));
        }
    }
    shares.sort_by(f64::total_cmp);
    Agreement {
        common: shares.len(),
        median: shares.get(shares.len() / 2).copied().unwrap_or(f64::NAN),
        differing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parties::DAY;

    fn candle(day: i64, values: [f64; 5]) -> Row {
        Row {
            time: day * DAY,
            values,
        }
    }

    const STEP: Interval = Interval::Step("1d", DAY);

    #[test]
    fn a_candle_that_cannot_be_is_left_out_and_named() {
        for (values, reason) in [
            (
                [10.0, 9.0, 11.0, 10.0, 1.0],
                "its high 9 is below its low 11",
            ),
            (
                [10.0, 11.0, 9.0, 12.0, 1.0],
                "its close 12 is not between 9 and 11",
            ),
            (
                [8.0, 11.0, 9.0, 10.0, 1.0],
                "its open 8 is not between 9 and 11",
            ),
            ([10.0, 11.0, 0.0, 10.0, 1.0], "a price of 0"),
            ([10.0, 11.0, 9.0, 10.0, -1.0], "a volume of -1"),
        ] {
            let mut findings = Findings::default();
            let rows = [candle(3, values), candle(4, [10.0, 11.0, 9.0, 10.0, 0.0])];
            let good = believed(rows.into_iter(), STEP, 5 * DAY, &mut findings);
            assert_eq!(good.len(), 1);
            assert_eq!(findings.impossible, [(3 * DAY, reason.to_owned())]);
        }
        // rounded by the party: 0.05 % above the high
        let rounded = candle(3, [10.0, 11.0, 9.0, 11.005, 1.0]);
        let mut findings = Findings::default();
        assert_eq!(
            believed([rounded].into_iter(), STEP, 5 * DAY, &mut findings).len(),
            1
        );
    }

    #[test]
    fn a_candle_is_finished_at_its_end_and_not_before() {
        let row = candle(3, [10.0, 11.0, 9.0, 10.0, 1.0]);
        for (now, n) in [(4 * DAY - 1, 0), (4 * DAY, 1)] {
            let mut findings = Findings::default();
            let good = believed([row].into_iter(), STEP, now, &mut findings);
            assert_eq!((good.len(), findings.unfinished), (n, 1 - n));
        }
    }

    #[test]
    fn rows_are_put_in_order_once_each() {
        let row = |day, close| candle(day, [10.0, 11.0, 9.0, close, 1.0]);
        let mut findings = Findings::default();
        let rows = vec![
            row(2, 10.0),
            row(1, 10.0),
            row(2, 10.0),
            row(3, 9.5),
            row(3, 9.6),
        ];
        let rows = in_order(rows, &mut findings);
        let found: Vec<_> = rows
            .iter()
            .map(|row| (row.time / DAY, row.values[3]))
            .collect();
        assert_eq!(found, [(1, 10.0), (2, 10.0), (3, 9.6)]);
        assert_eq!((findings.repeated, findings.contradicted), (1, 1));
    }

    #[test]
    fn gaps_and_jumps_are_named() {
        // days 0 to 39 without 20 to 22; a slip on day 30, and a lasting fall to a third on day 35
        let days: Vec<i64> = (0..40).filter(|day| !(20..23).contains(day)).collect();
        let close = |day: i64| match day {
            30 => 190.0,
            35.. => 33.0,
            day => 100.0 + (day % 3) as f64,
        };
        let rows: Vec<Row> = days
            .iter()
            .map(|&day| candle(day, [0.0, 0.0, 0.0, close(day), 0.0]))
            .collect();
        let mut findings = Findings::default();
        look(&rows, STEP, Some(3), &mut findings);
        assert_eq!((findings.n_gaps, findings.missing), (1, 3));
        assert_eq!(findings.gaps, [(19 * DAY, 3)]);
        let days: Vec<i64> = findings.jumps.iter().map(|jump| jump.0 / DAY).collect();
        assert_eq!(days, [30, 35]);
    }

    #[test]
    fn months_have_gaps_too() {
        let time = |text| senti::calendar::parse_time(text).expect(text);
        let times = [time("2024-01-01"), time("2024-02-01"), time("2024-05-01")];
        let mut findings = Findings::default();
        gaps(&times, Interval::Month, &mut findings);
        assert_eq!((findings.n_gaps, findings.missing), (1, 2));
    }

    #[test]
    fn sources_are_compared_where_both_have_a_row() {
        let ours = [(1, 100.0), (2, 101.0), (3, 150.0), (4, 103.0)];
        let theirs = [(2, 100.0), (3, 102.0), (4, 103.0), (5, 1.0)];
        let agreement = compare(&ours, &theirs, 0.05);
        assert_eq!(agreement.common, 3);
        assert_eq!(agreement.differing, [(3, 150.0, 102.0)]);
        assert!((agreement.median - 0.01).abs() < 1e-12);
    }
}
