//! From raw rows to a table: order, blanks, duplicates, prices, gaps, roles.

use senti::table::{Column, Found, Role, Rows, Table, TableOptions, infer_roles, plain_role};
use senti::{Error, Result};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const NAN: f64 = f64::NAN;

fn column(name: &str, role: Role, values: &[f64]) -> Column {
    Column {
        name: name.to_owned(),
        role,
        values: values.to_vec(),
    }
}

/// Rows of a closing price alone; lines begin at 2, behind a header.
fn closes(rows: &[(i64, f64)]) -> Rows {
    let (time, values): (Vec<i64>, Vec<f64>) = rows.iter().copied().unzip();
    let line = (2..).take(rows.len()).collect();
    Rows {
        time,
        line,
        columns: vec![column("close", Role::Close, &values)],
    }
}

fn days(rows: &[(i64, f64)]) -> Result<(Table, Found)> {
    let rows: Vec<(i64, f64)> = rows
        .iter()
        .map(|(day, value)| (day * DAY, *value))
        .collect();
    Table::from_rows(closes(&rows), &TableOptions::default())
}

#[track_caller]
fn check_refused(result: Result<(Table, Found)>, part: &str) -> Error {
    let error = result.unwrap_err();
    assert!(error.to_string().contains(part), "{error}");
    error
}

/// Equal, NaN included.
#[track_caller]
fn assert_same(values: &[f64], wanted: &[f64]) {
    let bits = |values: &[f64]| {
        values
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(values), bits(wanted), "{values:?} is not {wanted:?}");
}

#[test]
fn newest_first_is_turned_round_without_a_warning() {
    let (table, found) = days(&[(4, 4.0), (3, 3.0), (2, 2.0), (1, 1.0)]).unwrap();
    assert_eq!(table.close(), [1.0, 2.0, 3.0, 4.0]);
    assert!(found.warnings.is_empty());
}

#[test]
fn disorder_is_sorted_and_said() {
    let (table, found) = days(&[(1, 1.0), (3, 3.0), (2, 2.0), (4, 4.0)]).unwrap();
    assert_eq!(table.close(), [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(
        found.warnings,
        ["rows were out of order (first at line 4) and were sorted by time"]
    );
}

#[test]
fn exact_duplicates_are_dropped_and_others_refused() {
    let (table, found) = days(&[(1, 1.0), (2, 2.0), (2, 2.0), (2, 2.0), (3, 3.0)]).unwrap();
    assert_eq!(
        (table.n_rows(), found.rows, found.duplicates_dropped),
        (3, 3, 2)
    );
    check_refused(
        days(&[(1, 1.0), (2, 2.0), (2, 2.5), (3, 3.0)]),
        "line 3 and line 4 have the same time 1970-01-03, but `close` is 2 and 2.5",
    );
    // The lines are those of the source, also when rows had to be turned or sorted.
    check_refused(
        days(&[(3, 3.0), (2, 2.0), (2, 2.5), (1, 1.0)]),
        "line 4 and line 3",
    );
    check_refused(
        days(&[(1, 1.0), (2, 2.0), (3, 3.0), (2, 2.5)]),
        "line 3 and line 5",
    );
}

#[test]
fn short_gaps_are_filled_with_flat_candles() {
    let rows = Rows {
        time: vec![0, DAY, 4 * DAY, 5 * DAY],
        line: vec![],
        columns: vec![
            column("open", Role::Open, &[10.0, 11.0, 12.0, 13.0]),
            column("high", Role::High, &[11.0, 12.0, 13.0, 14.0]),
            column("low", Role::Low, &[9.0, 10.0, 11.0, 12.0]),
            column("close", Role::Close, &[10.5, 11.5, 12.5, 13.5]),
            column("volume", Role::Volume, &[1.0, 2.0, 3.0, 4.0]),
            column("score", Role::Series, &[NAN, 5.0, NAN, 6.0]),
        ],
    };
    let (table, found) = Table::from_rows(rows, &TableOptions::default()).unwrap();
    assert_eq!(table.time(), [0, DAY, 2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY]);
    let values = |name: &str| table.column(name).unwrap().values.clone();
    assert_eq!(values("open"), [10.0, 11.0, 11.5, 11.5, 12.0, 13.0]);
    assert_eq!(values("high"), [11.0, 12.0, 11.5, 11.5, 13.0, 14.0]);
    assert_eq!(values("low"), [9.0, 10.0, 11.5, 11.5, 11.0, 12.0]);
    assert_eq!(values("close"), [10.5, 11.5, 11.5, 11.5, 12.5, 13.5]);
    assert_eq!(values("volume"), [1.0, 2.0, 0.0, 0.0, 3.0, 4.0]);
    assert_same(&values("score"), &[NAN, 5.0, 5.0, 5.0, 5.0, 6.0]);
    assert_eq!((found.rows, found.filled, found.segments), (4, 2, 1));
    assert_eq!(
        (
            found.gaps[0].after.as_str(),
            found.gaps[0].before.as_str(),
            found.gaps[0].missing
        ),
        ("1970-01-02", "1970-01-05", 2)
    );
    assert_eq!(table.segments().to_vec(), vec![0..6]);
}

#[test]
fn long_gaps_split() {
    // One day missing behind the second row (filled), five behind the fourth (too long), one behind the sixth.
    let (table, found) = days(&[
        (0, 1.0),
        (1, 2.0),
        (3, 3.0),
        (4, 4.0),
        (10, 5.0),
        (11, 6.0),
        (13, 7.0),
    ])
    .unwrap();
    assert_eq!(table.segments().to_vec(), vec![0..5, 5..9]);
    assert_eq!(table.close(), [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.0, 7.0]);
    assert_eq!(
        found
            .gaps
            .iter()
            .map(|gap| (gap.missing, gap.filled))
            .collect::<Vec<_>>(),
        [(1, true), (5, false), (1, true)]
    );
    let options = TableOptions {
        max_fill: Some(0),
        ..TableOptions::default()
    };
    let rows: Vec<(i64, f64)> = [0, 1, 3, 4].iter().map(|day| (day * DAY, 1.5)).collect();
    let (table, found) = Table::from_rows(closes(&rows), &options).unwrap();
    assert_eq!(
        (table.segments().to_vec(), found.filled),
        (vec![0..2, 2..4], 0)
    );
}

#[test]
fn an_hour_of_minutes_is_filled_and_more_is_not() {
    let rows = |missing: i64| -> Vec<(i64, f64)> {
        (0..400)
            .map(|i| {
                (
                    (i + if i < 200 { 0 } else { missing }) * 60_000,
                    5.0 + i as f64 / 100.0,
                )
            })
            .collect()
    };
    let found = |missing| {
        Table::from_rows(closes(&rows(missing)), &TableOptions::default())
            .unwrap()
            .1
    };
    assert_eq!((found(60).filled, found(60).segments), (60, 1));
    assert_eq!((found(61).filled, found(61).segments), (0, 2));
}

#[test]
fn a_blank_close_is_a_missing_row() {
    let (table, found) = days(&[(0, 1.0), (1, NAN), (2, 3.0), (3, 4.0)]).unwrap();
    assert_eq!(table.close(), [1.0, 1.0, 3.0, 4.0]);
    assert_eq!((found.rows, found.blank_dropped, found.filled), (3, 1, 1));
    check_refused(
        days(&[(0, NAN), (1, NAN)]),
        "column `close` has no value in any row",
    );
}

#[test]
fn blank_columns_are_dropped_and_blank_prices_take_the_close() {
    let mut rows = closes(&[(0, 10.0), (DAY, 11.0), (2 * DAY, 12.0)]);
    rows.columns.push(column("empty", Role::Series, &[NAN; 3]));
    rows.columns
        .push(column("open", Role::Open, &[10.0, NAN, 12.0]));
    let (table, found) = Table::from_rows(rows, &TableOptions::default()).unwrap();
    assert_eq!(table.role(Role::Open).unwrap().values, [10.0, 11.0, 12.0]);
    assert_eq!(
        (
            found.dropped[0].column.as_str(),
            found.dropped[0].reason.as_str()
        ),
        ("empty", "no value in any row")
    );
    assert!(table.column("empty").is_none());
}

#[test]
fn unfinished_candles_and_the_future() {
    let rows = || closes(&[(0, 1.0), (DAY, 2.0), (2 * DAY, 3.0), (3 * DAY, 4.0)]);
    let until = |now: i64| {
        Table::from_rows(
            rows(),
            &TableOptions {
                now: Some(now),
                ..TableOptions::default()
            },
        )
    };
    assert_eq!(until(4 * DAY).unwrap().1.unfinished_dropped, 0);
    let (table, found) = until(4 * DAY - 1).unwrap();
    assert_eq!(
        (
            table.n_rows(),
            found.unfinished_dropped,
            found.last.as_str()
        ),
        (3, 1, "1970-01-03")
    );
    // Two candles may be open at once, the later beginning at most one step from now; a third lies in the future.
    let (_, found) = until(2 * DAY).unwrap();
    assert_eq!(
        found.warnings,
        ["the candles of 1970-01-03 and 1970-01-04 are not closed yet and were left out"]
    );
    check_refused(
        until(2 * DAY - 1),
        "line 5: the time 1970-01-04 lies in the future; it is now 1970-01-02T23:59:59Z",
    );
    check_refused(
        until(DAY - 1),
        "line 4: the time 1970-01-03 lies in the future, as does 1 more row",
    );
    let far = Table::from_rows(
        closes(&[(0, 1.0), (DAY, 2.0), (2 * DAY, 3.0), (1000 * DAY, 4.0)]),
        &TableOptions {
            now: Some(3 * DAY),
            ..TableOptions::default()
        },
    );
    check_refused(far, "line 5: the time 1972-09-27 lies in the future");
    let today = Table::from_rows(
        closes(&[(2 * DAY, 1.0), (3 * DAY, 2.0)]),
        &TableOptions {
            now: Some(2 * DAY + 1),
            ..TableOptions::default()
        },
    );
    check_refused(
        today,
        "no candle is closed yet: the first one, of 1970-01-03,",
    );
}

#[test]
fn absurd_prices() {
    let rows = |value: f64| -> Vec<(i64, f64)> { (0..5).map(|day| (day, value)).collect() };
    check_refused(
        days(&rows(1e300)),
        "line 2, column `close`: 1e300 is absurd",
    );
    check_refused(days(&rows(1e-300)), "1e-300 is absurd as a price");
    assert!(days(&rows(1e-8)).is_ok());
    assert!(days(&rows(1e14)).is_ok());
}

#[test]
fn a_run_of_slips() {
    let rows = |n: i64, factor: f64| -> Vec<(i64, f64)> {
        let price = |day: i64| 100.0 + day as f64;
        (0..40)
            .map(|day| match day {
                day if (10..10 + n).contains(&day) => (day, price(day) * factor),
                day => (day, price(day)),
            })
            .collect()
    };
    check_refused(
        days(&rows(3, 0.1)),
        "line 12 to line 14, column `close`: 11 and the rows up to there are about 0.1009 times",
    );
    check_refused(days(&rows(10, 10.0)), "line 12 to line 21");
    assert_eq!(days(&rows(20, 10.0)).unwrap().1.warnings.len(), 2);
}

#[test]
fn slips_of_a_decimal_point() {
    let mut rows: Vec<(i64, f64)> = (0..10).map(|day| (day, 8000.0 + day as f64)).collect();
    rows[5].1 = 80_050.0;
    check_refused(days(&rows), "line 7, column `close`: 80050 is 10.0");
    rows[5].1 = 800.5;
    check_refused(days(&rows), "line 7, column `close`: 800.5 is 0.1");
    rows[5].1 = 8005.0;
    rows[9].1 = 80_090.0;
    check_refused(days(&rows), "line 11");
    // A crash to a third that recovers is real life.
    rows[9].1 = 8009.0;
    rows[5].1 = 2700.0;
    assert!(days(&rows).is_ok());
}

#[test]
fn a_lasting_jump_is_another_unit() {
    let rows = |factor: f64| -> Vec<(i64, f64)> {
        (0..10)
            .map(|day| {
                (
                    day,
                    (100.0 + day as f64) * if day < 5 { 1.0 } else { factor },
                )
            })
            .collect()
    };
    let error = check_refused(
        days(&rows(100.0)),
        "line 7, column `close`: the price moves from 104 to 10500",
    );
    assert!(error.hint_text().unwrap().contains("split"));
    check_refused(days(&rows(0.01)), "line 7");
    let (_, found) = days(&rows(10.0)).unwrap();
    assert_eq!(
        found.warnings,
        ["line 7: `close` moves from 104 to 1050 in one step"]
    );
}

#[test]
fn candles_must_hold_their_prices() {
    let candle = |open: f64, high: f64, low: f64, close: f64| {
        let pair = |value: f64, usual: f64| [usual - 0.5, value, usual];
        Table::from_rows(
            Rows {
                time: vec![0, DAY, 2 * DAY],
                line: vec![2, 3, 4],
                columns: vec![
                    column("o", Role::Open, &pair(open, 100.0)),
                    column("h", Role::High, &pair(high, 102.0)),
                    column("l", Role::Low, &pair(low, 98.0)),
                    column("c", Role::Close, &pair(close, 101.0)),
                ],
            },
            &TableOptions::default(),
        )
    };
    assert!(
        candle(100.0, 102.0, 98.0, 101.0)
            .unwrap()
            .1
            .warnings
            .is_empty()
    );
    check_refused(
        candle(100.0, 98.0, 102.0, 101.0),
        "line 3: `h` is 98, below `l`, which is 102",
    );
    check_refused(
        candle(100.0, 102.0, 98.0, 103.0),
        "line 3: `c` is 103, above `h`, which is 102",
    );
    check_refused(
        candle(97.0, 102.0, 98.0, 101.0),
        "line 3: `o` is 97, below `l`, which is 98",
    );
    // Publishers round: 0.05 % outside is counted, not refused.
    let (_, found) = candle(100.0, 102.0, 98.0, 102.05).unwrap();
    assert!(
        found.warnings[0].starts_with("1 opening or closing price lies outside"),
        "{:?}",
        found.warnings
    );
    check_refused(
        candle(100.0, 102.0, 5.0, 101.0),
        "line 3, column `l`: 5 is 0.0495 times",
    );
}

#[test]
fn volumes_and_prices_have_a_sign() {
    let mut rows = closes(&[(0, 10.0), (DAY, 11.0)]);
    rows.columns.push(column("v", Role::Volume, &[0.0, -1.0]));
    check_refused(
        Table::from_rows(rows, &TableOptions::default()),
        "line 3, column `v`: -1 is not a volume of zero or more",
    );
    check_refused(
        days(&[(0, 1.0), (1, 0.0)]),
        "line 3, column `close`: 0 is not a price above zero",
    );
    check_refused(
        days(&[(0, 1.0), (1, f64::INFINITY)]),
        "line 3, column `close`: inf is not a finite number",
    );
}

#[test]
fn holidays_of_a_stock_are_filled_and_weekends_are_not() {
    // 2024-01-01 is a Monday, 2024-01-15 a holiday.
    let first = senti::calendar::parse_time("2024-01-01").unwrap();
    let open = |day: &i64| !matches!(day % 7, 5 | 6) && *day != 14;
    let rows: Vec<(i64, f64)> = (0..60)
        .filter(open)
        .map(|day| (first + day * DAY, 100.0 + day as f64))
        .collect();
    let n_rows = rows.len();
    let (table, found) = Table::from_rows(closes(&rows), &TableOptions::default()).unwrap();
    assert!(!found.continuous);
    assert_eq!(found.week, "weekdays only");
    assert_eq!(
        (found.rows, found.filled, table.n_rows()),
        (n_rows, 1, n_rows + 1)
    );
    assert_eq!(
        (found.gaps[0].after.as_str(), found.gaps[0].before.as_str()),
        ("2024-01-12", "2024-01-16")
    );
}

#[test]
fn times_of_closing_become_times_of_opening() {
    for end in [DAY - 1000, DAY - 1] {
        let rows: Vec<(i64, f64)> = (0..5)
            .map(|day| (day * DAY + end, 10.0 + day as f64))
            .collect();
        let (table, found) = Table::from_rows(closes(&rows), &TableOptions::default()).unwrap();
        assert_eq!(table.time()[..2], [0, DAY]);
        assert_eq!(
            (table.calendar().next(table.time()[4]), found.first.as_str()),
            (5 * DAY, "1970-01-01")
        );
        assert!(
            found.warnings[0].contains("end of their candle"),
            "{:?}",
            found.warnings
        );
    }
}

#[test]
fn until_is_the_past() {
    let (table, _) = days(&[(0, 1.0), (1, 2.0), (3, 3.0), (4, 4.0), (10, 5.0), (11, 6.0)]).unwrap();
    let past = table.until(6);
    assert_eq!(
        (past.close(), past.segments().to_vec()),
        (&[1.0, 2.0, 2.0, 3.0, 4.0, 5.0][..], vec![0..5, 5..6])
    );
    assert_eq!(table.until(5).segments().to_vec(), vec![0..5]);
    assert_eq!(table.until(99).n_rows(), table.n_rows());
    assert_eq!(table.until(0).n_rows(), 0);
}

#[test]
fn another_target() {
    let mut rows = closes(&[(0, 10.0), (DAY, 11.0)]);
    rows.columns[0].name = "BTC_Close".to_owned();
    rows.columns
        .push(column("NASDAQ_Close", Role::Series, &[5.0, 6.0]));
    rows.columns
        .push(column("NASDAQ_High", Role::Series, &[5.5, 6.5]));
    rows.columns.push(column("late", Role::Series, &[NAN, 6.5]));
    let (table, _) = Table::from_rows(rows, &TableOptions::default()).unwrap();
    let other = table.clone().with_target("NASDAQ_Close").unwrap();
    assert_eq!(
        (other.close(), &other.role(Role::High).unwrap().name[..]),
        (&[5.0, 6.0][..], "NASDAQ_High")
    );
    assert_eq!(other.column("BTC_Close").unwrap().role, Role::Series);
    assert!(
        table
            .clone()
            .with_target("late")
            .unwrap_err()
            .to_string()
            .contains("no value at 1970-01-01")
    );
    assert!(table.with_target("LATER").is_err());
}

/// Roles by their first letter, `-` for a dropped column.
#[track_caller]
fn check_roles(names: &[&str], wanted: &str) {
    let found = infer_roles(names, None, &[]).unwrap();
    let letter = |role: &Option<Role>| role.map_or('-', |role| role.name().chars().next().unwrap());
    let letters: String = found.roles.iter().map(letter).collect();
    assert_eq!(letters, wanted, "{names:?}");
}

#[test]
fn roles_from_names() {
    check_roles(&["open", "high", "low", "close", "volume"], "ohlcv");
    check_roles(&["O", "H", "L", "C", "V"], "ohlcv");
    check_roles(
        &[
            "<OPEN>",
            "<HIGH>",
            "<LOW>",
            "<CLOSE>",
            "<TICKVOL>",
            "<VOL>",
            "<SPREAD>",
        ],
        "ohlcvss",
    );
    check_roles(
        &["Open", "High", "Low", "Close", "Adj Close", "Volume"],
        "ohlc-v",
    );
    check_roles(
        &["Price", "Open", "High", "Low", "Vol.", "Change %"],
        "cohlvs",
    );
    check_roles(&["price", "market_cap", "total_volume"], "csv");
    check_roles(
        &[
            "Open",
            "High",
            "Low",
            "Close",
            "Volume_(BTC)",
            "Volume_(Currency)",
            "Weighted_Price",
        ],
        "ohlcvss",
    );
    check_roles(
        &[
            "open",
            "high",
            "low",
            "close",
            "Volume BTC",
            "Volume USDT",
            "tradecount",
        ],
        "ohlcvss",
    );
    check_roles(
        &["open", "high", "low", "close", "Volume USDT", "Volume BTC"],
        "ohlcsv",
    );
    check_roles(
        &["high", "low", "open", "volumefrom", "volumeto", "close"],
        "hlovsc",
    );
    check_roles(
        &["1. open", "2. high", "3. low", "4. close", "5. volume"],
        "ohlcv",
    );
    check_roles(
        &[
            "openPrice",
            "highPrice",
            "lowPrice",
            "closePrice",
            "quoteVolume",
            "baseVolume",
        ],
        "ohlcsv",
    );
    check_roles(
        &[
            "Closing Price (USD)",
            "24h Open (USD)",
            "24h High (USD)",
            "24h Low (USD)",
        ],
        "cohl",
    );
    check_roles(
        &[
            "BTC:open",
            "BTC:high",
            "BTC:low",
            "BTC:close",
            "BTC:volume",
            "ETH:open",
            "ETH:high",
            "ETH:low",
            "ETH:close",
            "ETH:volume",
        ],
        "ohlcvsssss",
    );
    check_roles(&["BTC_Close_MA30", "BTC_Close", "BTC_Volatility"], "scs");
    check_roles(&["prev_close", "close", "close_change"], "scs");
    check_roles(
        &[
            "Close_BTC-USD",
            "High_BTC-USD",
            "Close_ETH-USD",
            "High_ETH-USD",
        ],
        "chss",
    );
    check_roles(&["weighted_price", "sentiment"], "cs");
    check_roles(&["Adj Close", "Volume"], "cv");
    check_roles(
        &["Zuletzt", "Eröffn.", "Hoch", "Tief", "Vol.", "+/- %"],
        "cohlvs",
    );
    check_roles(
        &[
            "open (EUR)",
            "close (EUR)",
            "open (USD)",
            "close (USD)",
            "volume",
        ],
        "ocssv",
    );
    check_roles(&["value"], "c");
    assert_eq!(
        (plain_role("Close"), plain_role("BTC_Close")),
        (Some(Role::Close), None)
    );
    assert!(infer_roles(&["apples", "pears"], None, &[]).is_err());
    let in_usd = infer_roles(
        &["open (EUR)", "close (EUR)", "open (USD)", "close (USD)"],
        Some("close (USD)"),
        &[],
    )
    .unwrap();
    assert_eq!(
        in_usd.roles,
        [Role::Series, Role::Series, Role::Open, Role::Close].map(Some)
    );
    let of_nasdaq = infer_roles(
        &["BTC_Close", "BTC_Volume", "NASDAQ_Close", "NASDAQ_Volume"],
        Some("nasdaq_close"),
        &[],
    )
    .unwrap();
    assert_eq!(
        of_nasdaq.roles,
        [Role::Series, Role::Series, Role::Close, Role::Volume].map(Some)
    );
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever is missing: time rises on the calendar inside segments, gaps between them are long, and known rows keep their values.
        #[test]
        fn tables_are_valid(keep in prop::collection::vec(prop::bool::weighted(0.7), 20..200), max_fill in 0_usize..6, newest_first in any::<bool>()) {
            let mut rows: Vec<(i64, f64)> = keep.iter().enumerate().filter(|(_, keep)| **keep).map(|(i, _)| (i as i64 * HOUR, 100.0 + i as f64)).collect();
            if rows.len() < 2 || !rows.windows(2).any(|pair| pair[1].0 - pair[0].0 == HOUR) {
                return Ok(());
            }
            let known = rows.clone();
            if newest_first {
                rows.reverse();
            }
            let options = TableOptions { max_fill: Some(max_fill), now: None };
            let Ok((table, found)) = Table::from_rows(closes(&rows), &options) else { return Ok(()) };
            prop_assert_eq!(table.n_rows(), found.rows + found.filled);
            prop_assert_eq!(found.rows, known.len());
            let mut end = 0;
            for segment in table.segments() {
                prop_assert_eq!(segment.start, end);
                end = segment.end;
                for pair in table.time()[segment.clone()].windows(2) {
                    prop_assert!(pair[0] < pair[1]);
                    prop_assert_eq!(table.calendar().missing_between(pair[0], pair[1]), 0);
                }
            }
            prop_assert_eq!(end, table.n_rows());
            for (time, value) in known {
                let row = table.time().binary_search(&time);
                prop_assert_eq!(row.map(|row| table.close()[row]), Ok(value));
            }
        }

        /// The table of the first rows is the first rows of the table, where nothing later decided about them.
        #[test]
        fn until_agrees_with_reading_less(n in 30_usize..100, cut in 25_usize..30) {
            let rows: Vec<(i64, f64)> = (0..n as i64).filter(|i| i % 9 != 4).map(|i| (i * DAY, 100.0 + i as f64)).collect();
            let whole = Table::from_rows(closes(&rows), &TableOptions::default()).unwrap().0;
            let n_known = rows.iter().filter(|(time, _)| *time <= whole.time()[cut - 1]).count();
            let less = Table::from_rows(closes(&rows[..n_known]), &TableOptions::default()).unwrap().0;
            let past = whole.until(less.n_rows());
            prop_assert_eq!((past.time(), past.close(), past.segments()), (less.time(), less.close(), less.segments()));
        }
    }
}
