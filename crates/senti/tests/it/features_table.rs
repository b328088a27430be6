//! Features of whole tables: which exist, in what form other columns enter, segments, and that nothing looks ahead.

use proptest::prelude::*;
use senti::features::{FeatureOptions, FeatureSet};
use senti::matrix::Matrix;
use senti::table::{Rows, TableOptions};
use senti::{Column, Role, Table};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// Numbers between -1 and 1 without any pattern that a test could lean on (splitmix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64 * 2.0 - 1.0
    }
}

fn column(name: &str, role: Role, values: Vec<f64>) -> Column {
    Column {
        name: name.into(),
        role,
        values,
    }
}

/// Candles of a random walk, with a series that returns (`mood`), one that wanders and rests on two days of seven (`index`), one
/// that wanders through zero (`spread`) and one that starts late (`late`).
fn rows(n: usize, step: i64, seed: u64) -> Rows {
    let mut noise = Noise(seed);
    let mut columns: [Vec<f64>; 9] = Default::default();
    let (mut close, mut mood, mut index, mut spread) = (100.0_f64, 50.0_f64, 4000.0_f64, 0.0_f64);
    for row in 0..n {
        let open = close;
        close *= (0.03 * noise.next()).exp();
        let (high, low) = (open.max(close), open.min(close));
        mood = 50.0 + 0.8 * (mood - 50.0) + 5.0 * noise.next();
        if row % 7 < 5 {
            index *= (0.002 + 0.004 * noise.next()).exp();
        }
        spread += 0.1 + noise.next();
        let candle = [
            open,
            high * (0.01 * noise.next().abs()).exp(),
            low * (-0.01 * noise.next().abs()).exp(),
            close,
            (1000.0 * (1.0 + noise.next())).floor(),
            mood.round(),
            index,
            spread - 20.0,
            if row < n / 10 { f64::NAN } else { noise.next() },
        ];
        for (column, value) in columns.iter_mut().zip(candle) {
            column.push(value);
        }
    }
    let [open, high, low, close, volume, mood, index, spread, late] = columns;
    Rows {
        time: (0..n as i64).map(|row| row * step).collect(),
        line: Vec::new(),
        columns: vec![
            column("open", Role::Open, open),
            column("high", Role::High, high),
            column("low", Role::Low, low),
            column("close", Role::Close, close),
            column("volume", Role::Volume, volume),
            column("mood", Role::Series, mood),
            column("index", Role::Series, index),
            column("spread", Role::Series, spread),
            column("late", Role::Series, late),
        ],
    }
}

fn table(rows: Rows) -> Table {
    Table::from_rows(rows, &TableOptions::default())
        .expect("a valid table")
        .0
}

fn learn(table: &Table) -> FeatureSet {
    let train = 0..table.n_rows() * 3 / 5;
    FeatureSet::learn(table, train, &FeatureOptions::default()).expect("features")
}

#[track_caller]
fn check_same(found: &Matrix, wanted: &Matrix, n_rows: usize) {
    assert_eq!(found.n_columns(), wanted.n_columns());
    for row in 0..n_rows {
        for (column, (a, b)) in found.row(row).iter().zip(wanted.row(row)).enumerate() {
            assert!(
                a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
                "row {row}, column {column}: {a}, wanted {b}"
            );
        }
    }
}

#[test]
fn a_daily_table_has_these() {
    let set = learn(&table(rows(600, DAY, 1)));
    let wanted = [
        "log_return_1",
        "log_return_3",
        "log_return_7",
        "log_return_14",
        "log_return_30",
        "close_location",
        "log_parkinson",
        "log_garman_klass",
        "log_volatility_7",
        "log_volatility_30",
        "log_volatility_ewma",
        "log_atr_14",
        "close_to_ma7",
        "close_to_ma30",
        "macd",
        "macd_histogram",
        "rsi_14",
        "bollinger_position",
        "volume_change",
        "volume_to_ma30",
        "weekday_sin",
        "weekday_cos",
        "mood:level",
        "index:log_change",
        "spread:change",
        "late:level",
    ];
    assert_eq!(set.names(), wanted);
    assert_eq!(set.dropped(), []);
    assert_eq!(set.warm_up(), 33);
    assert_eq!(set.groups().len(), wanted.len());
    assert!(set.help().iter().all(|help| !help.is_empty()));
}

#[test]
fn an_hourly_table_has_the_hour() {
    let set = learn(&table(rows(600, HOUR, 1)));
    assert!(set.names().contains(&"hour_sin"));
}

#[test]
fn a_close_alone_is_enough() {
    let mut rows = rows(300, DAY, 2);
    rows.columns.retain(|column| column.role == Role::Close);
    let set = learn(&table(rows));
    assert!(set.names().contains(&"rsi_14"));
    assert!(!set.names().contains(&"log_atr_14"));
    assert!(!set.names().contains(&"volume_change"));
}

#[test]
fn levels_are_the_columns_as_they_are() {
    let table = table(rows(300, DAY, 3));
    let options = FeatureOptions { levels: true };
    let set = FeatureSet::learn(&table, 0..200, &options).expect("features");
    let matrix = set.compute(&table).expect("columns");
    for source in table.columns() {
        let name = format!("{}:level", source.name);
        let places: Vec<usize> = (0..set.len()).filter(|&c| set.names()[c] == name).collect();
        let [place] = places[..] else {
            panic!("{name} at {places:?}, wanted once");
        };
        for (row, wanted) in source.values.iter().enumerate() {
            assert_eq!(matrix.value(row, place).to_bits(), wanted.to_bits());
        }
    }
}

#[test]
fn noise_does_not_hide_a_wandering_level() {
    let (mut noise, mut level) = (Noise(12), 0.0);
    let mut rows = rows(1500, DAY, 12);
    let noisy = (0..1500).map(|_| {
        level += 0.002 + 0.1 * noise.next();
        (level + 0.3 * noise.next()).exp()
    });
    rows.columns
        .push(column("turnover", Role::Series, noisy.collect()));
    let set = learn(&table(rows));
    let last = set.len() - 1;
    let found = (set.names()[last], &set.help()[last]);
    assert_eq!(found.0, "turnover:log_change", "{found:?}");
}

#[track_caller]
fn check_dropped(values: impl Fn(usize) -> f64, name: &str, reason: &str) {
    let mut rows = rows(400, DAY, 4);
    let values = (0..400).map(values).collect();
    rows.columns.push(column("extra", Role::Series, values));
    let set = learn(&table(rows));
    let dropped = set.dropped();
    assert_eq!(dropped.len(), 1, "{dropped:?}");
    assert_eq!(
        (dropped[0].name.as_str(), dropped[0].reason.as_str()),
        (name, reason)
    );
    assert!(!set.names().contains(&name));
}

#[test]
fn constant_in_training_is_dropped_and_named() {
    check_dropped(
        |row| if row < 240 { 7.0 } else { row as f64 },
        "extra:level",
        "constant on the training rows (7)",
    );
}

#[test]
fn empty_in_training_is_dropped_and_named() {
    check_dropped(
        |row| if row < 300 { f64::NAN } else { row as f64 },
        "extra:level",
        "empty on the training rows",
    );
}

#[test]
fn too_late_in_training_is_dropped_and_named() {
    check_dropped(
        |row| {
            if row < 150 {
                f64::NAN
            } else {
                (row * row % 17) as f64
            }
        },
        "extra:level",
        "known on 90 of 240 training rows only",
    );
}

#[test]
fn a_copy_of_the_close_is_dropped_and_named() {
    let close = rows(400, DAY, 4).columns[3].values.clone();
    check_dropped(
        |row| close[row],
        "extra:log_change",
        "the same as `log_return_1` on the training rows",
    );
}

#[test]
fn a_constant_price_is_one_clear_sentence() {
    let mut rows = rows(300, DAY, 5);
    rows.columns.truncate(4);
    for column in &mut rows.columns {
        column.values.fill(0.1);
    }
    let table = table(rows);
    let error = FeatureSet::learn(&table, 0..200, &FeatureOptions::default()).expect_err("still");
    assert!(error.to_string().contains("nothing moves"), "{error}");
}

#[test]
fn a_rate_that_crosses_zero_after_training_stays_finite() {
    let mut rows = rows(400, DAY, 6);
    let rate = |row: usize| 3.0 - 0.01 * row as f64;
    rows.columns.truncate(5);
    rows.columns.push(column(
        "rate",
        Role::Series,
        (0..400).map(rate).collect::<Vec<_>>(),
    ));
    let table = table(rows);
    let set = learn(&table);
    assert_eq!(set.names().last(), Some(&"rate:log_change"));
    let matrix = set.compute(&table).expect("columns");
    assert!((33..400).all(|row| matrix.row(row).iter().all(|value| value.is_finite())));
}

#[track_caller]
fn check_missing(kept: impl Fn(&Column) -> bool, wanted: &str) {
    let set = learn(&table(rows(300, DAY, 7)));
    let mut other = rows(300, DAY, 7);
    other.columns.retain(kept);
    let error = set.compute(&table(other)).expect_err("a column is missing");
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn a_missing_series_is_named() {
    check_missing(
        |column| column.name != "index",
        "the table has no column `index`, which the model's feature `index:log_change` is made from",
    );
}

#[test]
fn a_missing_role_is_named() {
    check_missing(
        |column| column.role != Role::High,
        "the table has no column `high`, which the model's feature `close_location` is made from",
    );
}

#[test]
fn another_name_of_the_close_does_not_matter() {
    let set = learn(&table(rows(300, DAY, 8)));
    let wanted = set.compute(&table(rows(300, DAY, 8))).expect("columns");
    let mut other = rows(300, DAY, 8);
    other.columns[3].name = "Price".into();
    let found = set.compute(&table(other)).expect("columns");
    check_same(&found, &wanted, 300);
}

#[test]
fn survives_json() {
    let table = table(rows(300, DAY, 9));
    let set = FeatureSet::learn(&table, 0..200, &FeatureOptions { levels: true }).expect("set");
    let text = serde_json::to_string(&set).expect("writable");
    let again: FeatureSet = serde_json::from_str(&text).expect("readable");
    assert_eq!(again, set);
    check_same(
        &again.compute(&table).expect("columns"),
        &set.compute(&table).expect("columns"),
        300,
    );
}

#[test]
fn an_unknown_feature_is_unsupported() {
    let text = r#"{"made":[{"candles":{"feature":"moon_phase"}}],"dropped":[]}"#;
    let set: FeatureSet = serde_json::from_str(text).expect("readable");
    let error = set.compute(&table(rows(40, DAY, 1))).expect_err("unknown");
    assert_eq!(error.kind(), senti::ErrorKind::Unsupported);
    assert!(error.to_string().contains("moon_phase"), "{error}");
}

#[test]
fn a_segment_starts_anew() {
    let whole = rows(400, DAY, 10);
    let set = learn(&table(whole.clone()));
    let mut gapped = whole;
    for time in &mut gapped.time[200..] {
        *time += 70 * DAY;
    }
    let table = table(gapped.clone());
    assert_eq!(table.segments(), [0..200, 200..400]);
    let matrix = set.compute(&table).expect("columns");
    assert!((200..233).all(|row| !matrix.is_known(row)));
    assert!((233..400).all(|row| matrix.is_known(row)));
    // The second segment alone gives the same: nothing came over the gap.
    gapped.time.drain(..200);
    for column in &mut gapped.columns {
        column.values.drain(..200);
    }
    let alone = set.compute(&self::table(gapped)).expect("columns");
    for row in 0..200 {
        let (a, b) = (matrix.row(row + 200), alone.row(row));
        assert!(
            a.iter()
                .zip(b)
                .all(|(a, b)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan())
        );
    }
}

#[test]
fn what_lies_long_ago_has_faded() {
    let long = rows(1000, DAY, 11);
    let set = learn(&table(long.clone()));
    let wanted = set.compute(&table(long.clone())).expect("columns");
    let mut short = long;
    // A multiple of seven, so that the resting days of `index` fall alike; the times stay.
    short.time.drain(..700);
    for column in &mut short.columns {
        column.values.drain(..700);
    }
    let found = set.compute(&table(short)).expect("columns");
    for (a, b) in found.row(299).iter().zip(wanted.row(999)) {
        // 2 000 times the weight of the start after 250 rows would still be small.
        assert!((a - b).abs() <= 1e-6 * b.abs().max(1e-3), "{a}, wanted {b}");
    }
}

/// What may be done to the rows after a row.
#[derive(Clone, Copy, Debug)]
enum Change {
    Delete,
    Replace,
    Scramble,
    Blank,
}

fn changed(mut rows: Rows, from: usize, step: i64, change: Change, seed: u64) -> Option<Rows> {
    let n = rows.time.len();
    match change {
        Change::Delete => {
            rows.time.truncate(from);
            for column in &mut rows.columns {
                column.values.truncate(from);
            }
        }
        Change::Replace => {
            // Another walk, brought to where this one ended, so that it is no slip of the source.
            let other = self::rows(n, step, seed ^ 0xabcd);
            let factor = rows.columns[3].values[from - 1] / other.columns[3].values[from - 1];
            for (column, other) in rows.columns.iter_mut().zip(&other.columns) {
                let price = !matches!(column.role, Role::Volume | Role::Series);
                let factor = if price { factor } else { 1.0 };
                for row in from..n {
                    column.values[row] = other.values[row] * factor;
                }
            }
        }
        Change::Scramble => {
            for column in &mut rows.columns {
                column.values[from..].reverse();
            }
        }
        Change::Blank => {
            for column in &mut rows.columns {
                if column.role != Role::Close {
                    column.values[from..].fill(f64::NAN);
                }
            }
        }
    }
    (rows.time.len() >= 2).then_some(rows)
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Delete),
        Just(Change::Replace),
        Just(Change::Scramble),
        Just(Change::Blank),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn nothing_looks_ahead(
        seed in any::<u64>(),
        n in 60_usize..160,
        at in 0.1_f64..0.95,
        hourly in any::<bool>(),
        levels in any::<bool>(),
        gap in prop::option::of((0.2_f64..0.8, 80_i64..200)),
        change in any_change(),
    ) {
        let step = if hourly { HOUR } else { DAY };
        let mut before = rows(n, step, seed);
        let from = ((n as f64 * at) as usize).max(2);
        if let Some((place, length)) = gap {
            for time in &mut before.time[(n as f64 * place) as usize..] {
                *time += length * step;
            }
        }
        let whole = table(before.clone());
        prop_assert_eq!(whole.n_rows(), n);
        let options = FeatureOptions { levels };
        let set = FeatureSet::learn(&whole, 0..n / 2, &options).expect("features");
        let wanted = set.compute(&whole).expect("columns");
        let after = changed(before, from, step, change, seed).expect("rows");
        let after = table(after);
        // Blanking or deleting all that is known of a column makes the table leave it out, which is an error, not a leak.
        if let Ok(found) = set.compute(&after) {
            check_same(&found, &wanted, from);
        } else {
            prop_assert!(matches!(change, Change::Blank | Change::Delete));
        }
        // The same through the table's own eyes.
        check_same(&set.compute(&whole.until(from)).expect("columns"), &wanted, from);
    }

    #[test]
    fn learning_sees_training_rows_alone(seed in any::<u64>(), change in any_change()) {
        let before = rows(300, DAY, seed);
        let wanted = FeatureSet::learn(&table(before.clone()), 0..180, &FeatureOptions::default());
        let after = table(changed(before, 180, DAY, change, seed).expect("rows"));
        let found = FeatureSet::learn(&after, 0..180, &FeatureOptions::default());
        prop_assert_eq!(found.expect("features"), wanted.expect("features"));
    }

    #[test]
    fn every_row_after_the_warm_up_is_finite(seed in any::<u64>(), scale in -40_i32..40) {
        let mut rows = rows(120, DAY, seed);
        for column in &mut rows.columns[..4] {
            column.values.iter_mut().for_each(|price| *price *= 2.0_f64.powi(scale));
        }
        let table = table(rows);
        let set = FeatureSet::learn(&table, 0..90, &FeatureOptions { levels: true }).expect("features");
        let matrix = set.compute(&table).expect("columns");
        for row in set.warm_up()..120 {
            prop_assert!(matrix.row(row).iter().all(|value| value.is_finite()), "{row}: {:?}", matrix.row(row));
        }
    }
}
