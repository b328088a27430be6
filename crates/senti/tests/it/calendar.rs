//! The calendar learns steps and open slots from times alone.

use senti::calendar::{Calendar, format_time, parse_time, step_name};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn time(text: &str) -> i64 {
    parse_time(text).unwrap()
}

/// `n` weekdays from this date on, without the given dates.
fn weekdays(from: &str, n: usize, holidays: &[&str]) -> Vec<i64> {
    let holidays: Vec<i64> = holidays.iter().map(|day| time(day)).collect();
    let start = time(from);
    // Day 0 is a Thursday.
    let open = |t: &i64| !matches!((t / DAY).rem_euclid(7), 2 | 3) && !holidays.contains(t);
    (0..)
        .map(|i| start + i * DAY)
        .filter(open)
        .take(n)
        .collect()
}

#[test]
fn a_coin_is_open_every_day() {
    let times: Vec<i64> = (0..100).map(|i| time("2024-01-01") + i * DAY).collect();
    let calendar = Calendar::detect(&times).unwrap();
    assert!(calendar.is_continuous());
    assert_eq!(calendar.week_name(), "");
    assert_eq!(calendar.next(time("2024-03-08")), time("2024-03-09"));
    assert_eq!(
        calendar.missing_between(time("2024-03-01"), time("2024-03-05")),
        3
    );
}

#[test]
fn a_stock_is_closed_at_weekends_and_holidays_count_as_missing() {
    let times = weekdays("2024-01-01", 200, &["2024-01-15", "2024-02-19"]);
    let calendar = Calendar::detect(&times).unwrap();
    assert!(!calendar.is_continuous());
    assert_eq!(calendar.week_name(), "weekdays only");
    // 2024-03-08 is a Friday.
    assert_eq!(
        calendar.format(calendar.next(time("2024-03-08"))),
        "2024-03-11"
    );
    assert_eq!(
        calendar.format(calendar.after(time("2024-03-08"), 5)),
        "2024-03-15"
    );
    assert_eq!(
        calendar.format(calendar.after(time("2024-03-08"), 6)),
        "2024-03-18"
    );
    assert_eq!(calendar.after(time("2024-03-08"), 0), time("2024-03-08"));
    assert_eq!(
        calendar.missing_between(time("2024-03-08"), time("2024-03-11")),
        0
    );
    assert_eq!(
        calendar.missing_between(time("2024-01-12"), time("2024-01-16")),
        1
    );
    // From a Saturday the next day is a Monday as well.
    assert_eq!(calendar.next(time("2024-03-09")), time("2024-03-11"));
}

#[test]
fn two_weeks_of_a_stock_are_enough_for_its_weekend_and_three_days_of_a_coin_are_not_closed() {
    assert!(
        !Calendar::detect(&weekdays("2024-03-04", 10, &[]))
            .unwrap()
            .is_continuous()
    );
    assert!(
        Calendar::detect(&weekdays("2024-03-04", 3, &[]))
            .unwrap()
            .is_continuous()
    );
}

#[test]
fn an_hourly_session_opens_at_its_own_minute() {
    // 13:30 to 19:30 UTC, as New York in summer.
    let days = weekdays("2024-04-01", 60, &[]);
    let times: Vec<i64> = days
        .iter()
        .flat_map(|day| (0..7).map(move |h| day + 13 * HOUR + HOUR / 2 + h * HOUR))
        .collect();
    for n in [times.len(), 49] {
        let calendar = Calendar::detect(&times[..n]).unwrap();
        assert_eq!(calendar.step_name(), "hour");
        assert_eq!(
            calendar.next(time("2024-04-12T19:30:00Z")),
            time("2024-04-15T13:30:00Z"),
            "with {n} rows"
        );
        assert_eq!(
            calendar.missing_between(time("2024-04-12T17:30:00Z"), time("2024-04-15T14:30:00Z")),
            3
        );
    }
}

#[test]
fn holes_of_a_coin_stay_holes() {
    // 40 % of the minutes of three weeks are absent, at random.
    let mut state = 7_u64;
    let mut keep = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 10 < 6
    };
    let times: Vec<i64> = (0..30_240)
        .filter(|_| keep())
        .map(|i| time("2024-01-01") + i * 60_000)
        .collect();
    let calendar = Calendar::detect(&times).unwrap();
    assert!(calendar.is_continuous());
    assert_eq!(calendar.step_name(), "minute");
}

#[test]
fn twelve_missing_days_close_no_slot() {
    let times: Vec<i64> = (0..60)
        .filter(|i| !(20..32).contains(i))
        .map(|i| time("2024-01-01") + i * DAY)
        .collect();
    assert!(Calendar::detect(&times).unwrap().is_continuous());
}

#[track_caller]
fn check_refused(times: &[&str], part: &str) {
    let times: Vec<i64> = times.iter().map(|t| time(t)).collect();
    let error = Calendar::detect(&times).unwrap_err();
    assert!(error.to_string().contains(part), "{error}");
}

#[test]
fn months_are_no_fixed_step() {
    check_refused(
        &["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"],
        "months",
    );
    check_refused(
        &["2024-01-31", "2024-02-29", "2024-03-31", "2024-04-30"],
        "months",
    );
    check_refused(
        &["2024-01-01", "2024-04-01", "2024-07-01", "2024-10-01"],
        "months",
    );
}

#[test]
fn a_time_off_the_grid_is_named() {
    check_refused(
        &[
            "2024-01-01",
            "2024-01-02",
            "2024-01-03",
            "2024-01-04T07:00:00Z",
            "2024-01-05",
        ],
        "row 4: the time 2024-01-04T07:00:00Z is off the grid",
    );
    check_refused(&["2024-01-01"], "1 row is too few");
    check_refused(&["2024-01-02", "2024-01-01"], "row 2");
}

#[test]
fn a_common_phase_is_kept() {
    let times: Vec<i64> = (0..10)
        .map(|i| time("2024-01-01T16:00:00Z") + i * DAY)
        .collect();
    let calendar = Calendar::detect(&times).unwrap();
    assert_eq!(
        calendar.format(calendar.next(times[9])),
        "2024-01-11T16:00:00Z"
    );
}

#[test]
fn times_as_text() {
    assert_eq!(
        format_time(time("2024-04-21T14:00:00Z"), HOUR),
        "2024-04-21T14:00:00Z"
    );
    assert_eq!(format_time(time("2024-04-21"), DAY), "2024-04-21");
    assert_eq!(
        format_time(time("2024-04-21"), HOUR),
        "2024-04-21T00:00:00Z"
    );
    assert_eq!(time("2024-04-21T16:00:00+02:00"), time("2024-04-21 14:00"));
    assert!(parse_time("yesterday").is_err());
    for (step, name) in [
        (60_000, "minute"),
        (15 * 60_000, "15 minutes"),
        (HOUR, "hour"),
        (4 * HOUR, "4 hours"),
        (DAY, "day"),
        (7 * DAY, "week"),
    ] {
        assert_eq!(step_name(step), name);
    }
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// `after` lands on open slots only, and `missing_between` counts exactly the slots it skips.
        #[test]
        fn after_and_missing_agree(closed in 0_u8..3, start in 0_i64..2000, k in 1_usize..300) {
            let times: Vec<i64> = match closed {
                0 => (0..50).map(|i| (start + i) * DAY).collect(),
                1 => weekdays("2024-01-01", 50, &[]),
                _ => weekdays("2024-01-01", 20, &[]).iter().flat_map(|day| (9..17).map(move |h| day + h * HOUR)).collect(),
            };
            let calendar = Calendar::detect(&times).unwrap();
            let from = times[times.len() / 2];
            let to = calendar.after(from, k);
            prop_assert_eq!(calendar.missing_between(from, to), k - 1);
            prop_assert_eq!(calendar.next(calendar.after(from, k)), calendar.after(from, k + 1));
        }

        #[test]
        fn text_round_trip(time in -62_135_596_800_i64..253_402_300_799) {
            prop_assert_eq!(parse_time(&format_time(time * 1000, 1)).unwrap(), time * 1000);
        }
    }
}
