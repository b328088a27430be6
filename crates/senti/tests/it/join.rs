//! Joins: hand-made calendars around changes of the clock, weekends, holidays and revisions, and what later publications may not move.
//!
//! Moments are counted by hand: New York is five hours behind UTC in winter and four in summer; its clock went forward on 2024-03-10 and
//! back on 2024-11-03.

use proptest::prelude::*;
use senti::calendar::{format_time, parse_time};
use senti::join::{Frequency, Lag, Rule, Side, Stamp, join, kinds};
use senti::table::{Column, Role, Rows, TableOptions};
use senti::{Table, Time};

const HOUR: Time = 3_600_000;
const DAY: Time = 24 * HOUR;

fn time(text: &str) -> Time {
    parse_time(text).unwrap()
}

/// A table of candles from `first` on, all of close 1, 2, 3 …
fn candles(first: &str, step: Time, n_rows: usize) -> Table {
    let first = time(first);
    let rows = Rows {
        time: (0..n_rows as i64).map(|row| first + row * step).collect(),
        line: Vec::new(),
        columns: vec![Column {
            name: "close".into(),
            role: Role::Close,
            values: (1..=n_rows).map(|row| row as f64).collect(),
        }],
    };
    Table::from_rows(rows, &TableOptions::default()).unwrap().0
}

fn rule(zone: &str, lag: &str) -> Rule {
    Rule {
        frequency: Frequency::Day,
        zone: zone.into(),
        lag: Lag::parse(lag).unwrap(),
        kind: None,
    }
}

#[track_caller]
fn check_known(zone: &str, lag: &str, date: &str, wanted: &str) {
    let known = rule(zone, lag).known(Stamp::Clock(time(date))).unwrap();
    assert_eq!(format_time(known, 1), wanted, "{date} + {lag} in {zone}");
}

#[test]
fn lags_count_on_the_clock_of_the_zone() {
    // sessions before and after both changes of the clock
    check_known(
        "America/New_York",
        "16h",
        "2024-03-08",
        "2024-03-08T21:00:00Z",
    );
    check_known(
        "America/New_York",
        "16h",
        "2024-03-11",
        "2024-03-11T20:00:00Z",
    );
    check_known(
        "America/New_York",
        "16h",
        "2024-11-01",
        "2024-11-01T20:00:00Z",
    );
    check_known(
        "America/New_York",
        "16h",
        "2024-11-04",
        "2024-11-04T21:00:00Z",
    );
    // days of 23 and 25 hours
    check_known(
        "America/New_York",
        "1d",
        "2024-03-09",
        "2024-03-10T05:00:00Z",
    );
    check_known(
        "America/New_York",
        "1d",
        "2024-03-10",
        "2024-03-11T04:00:00Z",
    );
    check_known(
        "America/New_York",
        "day_end",
        "2024-11-03",
        "2024-11-04T05:00:00Z",
    );
    // 02:30 does not exist on the one day and 01:30 comes twice on the other: the later moment counts
    check_known(
        "America/New_York",
        "2h30m",
        "2024-03-10",
        "2024-03-10T07:30:00Z",
    );
    check_known(
        "America/New_York",
        "1h30m",
        "2024-11-03",
        "2024-11-03T06:30:00Z",
    );
    // months are months, and the end of one is kept
    check_known("UTC", "1mo18d", "2024-01-01", "2024-02-19T00:00:00Z");
    check_known("UTC", "1mo", "2024-01-31", "2024-02-29T00:00:00Z");
    check_known("Asia/Tokyo", "15h", "2024-01-04", "2024-01-04T06:00:00Z");
    check_known("UTC", "0", "2024-01-04", "2024-01-04T00:00:00Z");
}

#[test]
fn a_moment_is_counted_from_on_its_own_day() {
    let new_york = |lag: &str, moment: &str| {
        let known = rule("America/New_York", lag).known(Stamp::Moment(time(moment)));
        format_time(known.unwrap(), 1)
    };
    // 02:00 UTC is the evening before in New York
    assert_eq!(
        new_york("day_end", "2024-01-04T02:00:00Z"),
        "2024-01-04T05:00:00Z"
    );
    assert_eq!(
        new_york("15m", "2024-01-04T02:00:00Z"),
        "2024-01-04T02:15:00Z"
    );
    // within the hour that comes twice a moment is not known before itself
    assert_eq!(
        new_york("0", "2024-11-03T05:30:00Z"),
        "2024-11-03T06:30:00Z"
    );
    assert_eq!(
        new_york("0", "2024-11-03T06:30:00Z"),
        "2024-11-03T06:30:00Z"
    );
}

/// The value of column `x` in the candle that opens at this time.
fn at(table: &Table, name: &str, opens: &str) -> f64 {
    let row = table.time().binary_search(&time(opens)).unwrap();
    table.column(name).unwrap().values[row]
}

/// A side of one column `x` with these dates and values.
fn side(rule: &Rule, rows: &[(&str, f64)]) -> Side {
    let stamps: Vec<Time> = rows.iter().map(|(date, _)| time(date)).collect();
    let known = rule.known_all(stamps.iter().map(|&time| Stamp::Clock(time)));
    let values = rows.iter().map(|(_, value)| *value).collect();
    Side::new("x_age", stamps, known.unwrap(), vec![("x".into(), values)]).unwrap()
}

#[test]
fn a_session_enters_the_candle_in_which_it_closes_in_winter_and_summer() {
    let table = candles("2024-03-07", HOUR, 24 * 6);
    let sessions = [
        ("2024-03-07", 7.0),
        ("2024-03-08", 8.0),
        ("2024-03-11", 11.0),
    ];
    let joined = join(&table, &[side(&rule("America/New_York", "16h"), &sessions)]).unwrap();
    // closes at 21:00 UTC before the change: the candle of 20:00 is the first that knows it when it closes
    assert_eq!(at(&joined, "x", "2024-03-08T19:00:00Z"), 7.0);
    assert_eq!(at(&joined, "x", "2024-03-08T20:00:00Z"), 8.0);
    // and at 20:00 UTC after it
    assert_eq!(at(&joined, "x", "2024-03-11T18:00:00Z"), 8.0);
    assert_eq!(at(&joined, "x", "2024-03-11T19:00:00Z"), 11.0);
    // before the first session nothing is known, its age neither
    assert!(at(&joined, "x", "2024-03-07T19:00:00Z").is_nan());
    assert!(at(&joined, "x_age", "2024-03-07T19:00:00Z").is_nan());
}

#[test]
fn weekends_and_holidays_keep_the_last_value_and_its_age() {
    // 2024-01-15 was a holiday: Friday's close stands for four days
    let table = candles("2024-01-12", DAY, 5);
    let sessions = [("2024-01-12", 12.0), ("2024-01-16", 16.0)];
    let joined = join(&table, &[side(&rule("America/New_York", "16h"), &sessions)]).unwrap();
    assert_eq!(
        joined.column("x").unwrap().values,
        [12.0, 12.0, 12.0, 12.0, 16.0]
    );
    // known at 21:00, three hours before the candle closes
    let age = 3.0 / 24.0;
    let wanted = [age, 1.0 + age, 2.0 + age, 3.0 + age, age];
    assert_eq!(joined.column("x_age").unwrap().values, wanted);
    assert!(
        joined
            .columns()
            .iter()
            .all(|column| column.role != Role::Series || column.name.starts_with('x'))
    );
}

#[test]
fn what_is_known_at_the_end_of_a_day_enters_with_the_candle_that_ends_then() {
    let table = candles("2024-01-12", DAY, 3);
    let rows = [("2024-01-12", 12.0), ("2024-01-13", 13.0)];
    let joined = join(&table, &[side(&rule("UTC", "day_end"), &rows)]).unwrap();
    assert_eq!(joined.column("x").unwrap().values, [12.0, 13.0, 13.0]);
    // the same dates in New York end five hours too late for that
    let joined = join(&table, &[side(&rule("America/New_York", "day_end"), &rows)]).unwrap();
    let values = &joined.column("x").unwrap().values;
    assert!(values[0].is_nan());
    assert_eq!(values[1..], [12.0, 13.0]);
}

#[test]
fn a_month_enters_on_its_release_and_not_in_itself() {
    let kind = kinds::find("CPIAUCSL", "CPIAUCSL");
    let rule = Rule::usual(kind, Frequency::Month);
    let table = candles("2024-01-01", DAY, 90);
    let joined = join(
        &table,
        &[side(&rule, &[("2024-01-01", 1.0), ("2024-02-01", 2.0)])],
    )
    .unwrap();
    // released on 2024-02-13; the usual calendar reaches to the 18th, midnight of the 19th in New York is 05:00 UTC
    assert!(at(&joined, "x", "2024-01-31").is_nan());
    assert!(at(&joined, "x", "2024-02-12").is_nan());
    assert_eq!(at(&joined, "x", "2024-02-19"), 1.0);
    assert_eq!(at(&joined, "x", "2024-03-17"), 1.0);
    assert_eq!(at(&joined, "x", "2024-03-19"), 2.0);
}

#[test]
fn revisions_count_from_their_own_publication() {
    let table = candles("2024-02-13", DAY, 5);
    let about = |date: &str| time(date);
    // January is published on the 13th and revised on the 16th; February, published early on the 15th, stays the newest
    let side = Side::new(
        "",
        vec![
            about("2024-01-01"),
            about("2024-01-01"),
            about("2024-02-01"),
            about("2024-02-01"),
        ],
        vec![
            about("2024-02-13"),
            about("2024-02-16"),
            about("2024-02-15"),
            about("2024-02-17T12:00:00Z"),
        ],
        vec![("x".into(), vec![1.0, 1.5, 2.0, 2.5])],
    );
    let joined = join(&table, &[side.unwrap()]).unwrap();
    assert_eq!(
        joined.column("x").unwrap().values,
        [1.0, 2.0, 2.0, 2.0, 2.5]
    );
    assert!(joined.column("x_age").is_none(), "no age was asked for");
}

#[test]
fn blank_cells_are_not_values() {
    let table = candles("2024-01-01", DAY, 4);
    let known: Vec<Time> = (1..4).map(|day| time("2024-01-01") + day * DAY).collect();
    let columns = vec![
        ("x".to_owned(), vec![1.0, f64::NAN, f64::NAN]),
        ("y".to_owned(), vec![10.0, 20.0, f64::NAN]),
    ];
    let side = Side::new("age", known.clone(), known, columns).unwrap();
    assert_eq!(side.n_rows(), 2, "a row that says nothing is none");
    let joined = join(&table, &[side]).unwrap();
    assert_eq!(joined.column("x").unwrap().values, [1.0, 1.0, 1.0, 1.0]);
    assert_eq!(joined.column("y").unwrap().values, [10.0, 20.0, 20.0, 20.0]);
    assert_eq!(joined.column("age").unwrap().values, [0.0, 0.0, 1.0, 2.0]);
}

#[test]
fn rows_that_contradict_each_other_and_names_that_come_twice_are_refused() {
    let twice = Side::new(
        "",
        vec![0, 0],
        vec![5, 5],
        vec![("x".into(), vec![1.0, 2.0])],
    );
    let error = twice.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`x` is 1 and 2 for the same time 1970-01-01, known at the same time"
    );
    assert!(error.hint_text().unwrap().contains("known=COLUMN"));
    let same = Side::new(
        "",
        vec![0, 0],
        vec![5, 5],
        vec![("x".into(), vec![2.0, 2.0])],
    );
    assert_eq!(same.unwrap().n_rows(), 2);
    let close = Side::new("", vec![0], vec![0], vec![("close".into(), vec![1.0])]).unwrap();
    let error = join(&candles("2024-01-01", DAY, 4), &[close]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "there are two columns `close`, one of them from a joined file"
    );
}

#[test]
fn frequencies_are_seen_in_times() {
    let days = |days: &[i64]| -> Frequency {
        Frequency::detect(&days.iter().map(|day| day * DAY).collect::<Vec<_>>())
    };
    assert_eq!(days(&[0, 1, 2, 3, 6, 7, 8]), Frequency::Day, "weekdays");
    assert_eq!(
        days(&[3, 4, 7]),
        Frequency::Day,
        "one weekend in three days"
    );
    assert_eq!(days(&[3, 2, 1, 0]), Frequency::Day, "newest first");
    assert_eq!(days(&[0, 31, 59, 90, 120]), Frequency::Month);
    assert_eq!(days(&[0, 90, 181, 273, 365]), Frequency::Quarter);
    assert_eq!(days(&[0, 366, 731]), Frequency::Year);
    assert_eq!(days(&[0, 7, 14, 28]), Frequency::Week);
    assert_eq!(days(&[0, 3, 14, 20]), Frequency::Irregular);
    assert_eq!(days(&[5]), Frequency::Irregular);
    assert_eq!(
        Frequency::detect(&[0, HOUR, 2 * HOUR, DAY]),
        Frequency::Intraday
    );
}

#[test]
fn what_nobody_said_anything_about_is_known_late() {
    let usual = |frequency| Rule::usual(None, frequency).lag.to_string();
    assert_eq!(usual(Frequency::Day), "day_end");
    assert_eq!(usual(Frequency::Intraday), "day_end");
    assert_eq!(usual(Frequency::Irregular), "day_end");
    assert_eq!(usual(Frequency::Month), "2mo");
    assert!(rule("UTC", "0").is_sooner(&rule("UTC", "day_end")));
    assert!(!rule("UTC", "1mo").is_sooner(&rule("UTC", "1mo")));
}

#[test]
fn lags_that_cannot_be_are_refused() {
    for text in ["", "soon", "-1d", "1", "d", "1d ago"] {
        assert!(Lag::parse(text).is_err(), "{text}");
    }
    assert_eq!(
        Lag::parse("1mo 18d 8h30m").unwrap().to_string(),
        "1mo18d8h30m"
    );
    assert!(rule("Mars/Olympus", "0").known(Stamp::Clock(0)).is_err());
}

/// What each candle should know, said once more in the plainest way: look at everything that was published by its close.
fn plainly(closes: &[Time], rows: &[(Time, Time, f64)]) -> Vec<f64> {
    let newest = |close: &Time| {
        let known = rows
            .iter()
            .filter(|(_, known, value)| known <= close && !value.is_nan());
        known
            .max_by_key(|(about, known, _)| (*about, *known))
            .map_or(f64::NAN, |(_, _, value)| *value)
    };
    closes.iter().map(newest).collect()
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.iter()
        .map(|x| x.to_bits())
        .eq(b.iter().map(|x| x.to_bits()))
}

proptest! {
    #[test]
    fn a_join_is_what_looking_through_everything_gives(
        rows in prop::collection::vec((0_i64..60, 0_i64..40, 0_i64..100, prop::bool::weighted(0.2)), 1..40),
        cut in 0_i64..100,
    ) {
        // distinct publications: what is published together must agree, which another test asks
        let mut rows: Vec<(Time, Time, f64)> = rows.into_iter().enumerate().map(|(n, (about, lag, value, blank))| {
            let known = (about + lag) * DAY + n as i64;
            (about * DAY, known, if blank { f64::NAN } else { value as f64 })
        }).collect();
        let table = candles("1970-01-01", DAY, 100);
        let closes: Vec<Time> = table.time().iter().map(|time| time + DAY).collect();
        let joined = |rows: &[(Time, Time, f64)]| {
            let (time, known) = (rows.iter().map(|row| row.0).collect(), rows.iter().map(|row| row.1).collect());
            let values = rows.iter().map(|row| row.2).collect();
            let side = Side::new("", time, known, vec![("x".into(), values)]).unwrap();
            join(&table, &[side]).unwrap().column("x").unwrap().values.clone()
        };
        let before = joined(&rows);
        prop_assert!(same(&before, &plainly(&closes, &rows)));
        // another value of everything published behind an origin moves nothing at it or before
        let origin = closes[cut as usize];
        for row in &mut rows {
            if row.1 > origin {
                row.2 = -1.0 - row.2;
            }
        }
        let after = joined(&rows);
        prop_assert!(same(&before[..=cut as usize], &after[..=cut as usize]));
        // and neither does its absence
        rows.retain(|row| row.1 <= origin);
        let after = joined(&rows);
        prop_assert!(same(&before[..=cut as usize], &after[..=cut as usize]));
    }
}
