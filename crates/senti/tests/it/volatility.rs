//! Expected moves: against numpy (`goldens/volatility.py`), in any currency, and blind to what comes after.

use std::collections::BTreeMap;

use senti::matrix::Matrix;
use senti::table::Rows;
use senti::volatility::Volatility;
use senti::windows::{Windows, ending_at};
use senti::{Column, Role, Table, Time};
use serde::Deserialize;
use serde_json::Value;

use crate::market::{rows, table};

/// Past rows of a window: what is expected does not depend on it.
const STEPS: usize = 4;

#[derive(Deserialize)]
struct Golden {
    horizon: usize,
    markets: BTreeMap<String, Market>,
}

#[derive(Deserialize)]
struct Market {
    /// First, and from one to the next.
    time: [Time; 2],
    candles: BTreeMap<String, Vec<f64>>,
    /// Newest row that was learned from.
    last: usize,
    origins: Vec<usize>,
    seasons: Vec<Vec<f64>>,
    coefficients: Vec<Vec<f64>>,
    level: Vec<f64>,
    typical: Vec<f64>,
    spread: Vec<Vec<f64>>,
    lately: Vec<Vec<f64>>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("../goldens/volatility.json")).expect("a golden file")
    }
}

impl Market {
    /// Its candles, every price times `scale`.
    fn table(&self, scale: f64) -> Table {
        let role = |name: &str| match name {
            "open" => Role::Open,
            "high" => Role::High,
            "low" => Role::Low,
            _ => Role::Close,
        };
        let n = self.candles["close"].len() as i64;
        let columns = self.candles.iter().map(|(name, values)| Column {
            name: name.clone(),
            role: role(name),
            values: values.iter().map(|price| price * scale).collect(),
        });
        table(Rows {
            time: (0..n)
                .map(|row| self.time[0] + row * self.time[1])
                .collect(),
            line: Vec::new(),
            columns: columns.collect(),
        })
    }
}

/// A feature that says nothing.
fn blank(table: &Table) -> Matrix {
    let mut matrix = Matrix::unknown(table.n_rows(), 1);
    matrix.set_column(0, &vec![0.0; table.n_rows()]);
    matrix
}

/// Learned from the rows up to `last`.
fn learn(table: &Table, horizon: usize, last: usize) -> Option<Volatility> {
    let matrix = blank(table);
    let all = Windows::new(table, &matrix, STEPS, horizon);
    Volatility::learn(&all.part(all.origins().within(0..last + 1 - horizon)))
}

/// Spreads and factors of today at some rows: (n, H) each.
fn outlook(volatility: &Volatility, table: &Table, rows: &[usize]) -> [Vec<Vec<f64>>; 2] {
    let matrix = blank(table);
    let at = |row: usize, of: fn(&Volatility, &senti::windows::Window<'_>, &mut [f64])| {
        let mut out = vec![0.0; volatility.horizon()];
        let window = ending_at(table, &matrix, STEPS, row).expect("complete rows");
        of(volatility, &window, &mut out);
        out
    };
    let all = |of: fn(&Volatility, &senti::windows::Window<'_>, &mut [f64])| {
        rows.iter().map(|&row| at(row, of)).collect()
    };
    [all(Volatility::spread), all(Volatility::lately)]
}

/// A field of what was learned, as JSON tells it.
fn learned(volatility: &Volatility, field: &str) -> Value {
    serde_json::to_value(volatility).expect("plain numbers")[field].clone()
}

#[track_caller]
fn check_close(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!(
            (found - wanted).abs() <= tolerance * wanted.abs(),
            "{what}: {found} instead of {wanted}"
        );
    }
}

/// Sums of a thousand terms in another order are off by 1e-13; the last Newton step, below 1e-7, leaves its square. 1e-9 is generous.
#[test]
fn what_is_learned_and_expected_agrees_with_numpy() {
    let golden = Golden::read();
    for (name, market) in &golden.markets {
        let table = market.table(1.0);
        let volatility = learn(&table, golden.horizon, market.last).expect("enough rows");
        let numbers =
            |value: Value| -> Vec<f64> { serde_json::from_value(value).expect("numbers") };
        let seasons = learned(&volatility, "seasons");
        assert_eq!(
            seasons.as_array().map(Vec::len),
            Some(market.seasons.len()),
            "{name}"
        );
        for (season, wanted) in market.seasons.iter().enumerate() {
            let found = numbers(seasons[season]["factors"].clone());
            check_close(&found, wanted, 1e-9, &format!("{name}: season {season}"));
        }
        let coefficients = learned(&volatility, "coefficients");
        for (step, wanted) in market.coefficients.iter().enumerate() {
            let found = numbers(coefficients[step].clone());
            for (found, wanted) in found.iter().zip(wanted) {
                // of order 1, some nearly nothing
                assert!(
                    (found - wanted).abs() < 1e-9,
                    "{name}, step {step}: coefficient {found} instead of {wanted}"
                );
            }
        }
        for (field, wanted) in [("level", &market.level), ("typical", &market.typical)] {
            let found = numbers(learned(&volatility, field));
            check_close(&found, wanted, 1e-9, &format!("{name}: {field}"));
        }
        let [spread, lately] = outlook(&volatility, &table, &market.origins);
        for (place, row) in market.origins.iter().enumerate() {
            check_close(
                &spread[place],
                &market.spread[place],
                1e-9,
                &format!("{name}: spread at {row}"),
            );
            check_close(
                &lately[place],
                &market.lately[place],
                1e-9,
                &format!("{name}: lately at {row}"),
            );
        }
    }
}

/// Binary prices times 1024 are the same digits with another exponent, and only ratios of prices matter.
#[test]
fn no_currency_is_known() {
    let golden = Golden::read();
    for (name, market) in &golden.markets {
        let (one, other) = (market.table(1.0), market.table(1024.0));
        let first = learn(&one, golden.horizon, market.last).expect("enough rows");
        let second = learn(&other, golden.horizon, market.last).expect("enough rows");
        assert_eq!(first, second, "{name}");
        assert_eq!(
            outlook(&first, &one, &market.origins),
            outlook(&second, &other, &market.origins),
            "{name}"
        );
    }
}

#[test]
fn what_comes_after_changes_nothing() {
    let (row, n) = (400, 460);
    let (known, mut other) = (rows(n, 3), rows(n, 3));
    let later = rows(n, 4);
    for (column, later) in other.columns.iter_mut().zip(&later.columns) {
        // both wander from 10 000 on; close enough not to be taken for a slip
        column.values[row + 1..].copy_from_slice(&later.values[row + 1..]);
    }
    let (known, other) = (table(known), table(other));
    assert_ne!(known.close()[row + 1], other.close()[row + 1]);
    let learned = |table: &Table, last: usize| learn(table, 5, last).expect("enough rows");
    let first = learned(&known, row);
    assert_eq!(first, learned(&other, row), "labels up to the row");
    assert_eq!(
        outlook(&first, &known, &[90, 399, row]),
        outlook(&first, &other, &[90, 399, row])
    );
    // and what may be seen is seen
    assert_ne!(learned(&known, row + 1), learned(&other, row + 1));
    assert_ne!(
        outlook(&first, &known, &[row + 1]),
        outlook(&first, &other, &[row + 1])
    );
}

/// A spread at an origin needs no more than the candles that a forecast is given.
#[test]
fn a_cut_table_expects_the_same() {
    let (row, horizon) = (900, 5);
    let whole = table(rows(1000, 5));
    let volatility = learn(&whole, horizon, 800).expect("enough rows");
    let cut = whole.until(row + 1).since(row - 500);
    assert_eq!(
        outlook(&volatility, &whole, &[row]),
        outlook(&volatility, &cut, &[500])
    );
}

#[test]
fn too_few_windows_teach_nothing() {
    let market = table(rows(300, 6));
    // origins from row 3 on
    assert_eq!(learn(&market, 5, 206), None, "199 windows");
    assert!(learn(&market, 5, 207).is_some(), "200 windows");
    assert_eq!(learn(&market, 30, 271), None, "239 windows for 30 steps");
    assert!(
        learn(&market, 30, 272).is_some(),
        "240 windows for 30 steps"
    );
}

/// Rows made once for a whole table give the spreads of single windows to the last bit, behind a long gap as well.
#[test]
fn many_windows_at_once_expect_the_same() {
    let mut broken = rows(500, 8);
    for time in &mut broken.time[260..] {
        *time += 40 * 86_400_000;
    }
    let market = table(broken);
    assert_eq!(market.segments().len(), 2);
    let matrix = blank(&market);
    let all = Windows::new(&market, &matrix, STEPS, 5);
    let volatility = Volatility::learn(&all).expect("enough rows");
    let spreads = volatility.over(&all);
    let (mut one, mut other) = (vec![0.0; 5], vec![0.0; 5]);
    for labelled in all.iter() {
        volatility.spread(&labelled.window(), &mut one);
        volatility.spread_at(&spreads, &labelled.window(), &mut other);
        assert_eq!(one, other, "row {}", labelled.window().origin());
    }
}

/// Weekdays of one distribution get factors near 1, and where their differences are smaller than chance alone makes them, exactly 1.
#[test]
fn seasons_of_chance_vanish() {
    let seasons = |seed: u64| -> Vec<f64> {
        let market = table(rows(700, seed));
        let volatility = learn(&market, 1, 690).expect("enough rows");
        serde_json::from_value(learned(&volatility, "seasons")[0]["factors"].clone())
            .expect("numbers")
    };
    // the share that is kept is 1 - 6 / χ², and χ² of 6 degrees is below 6 in 58 % of samples; a hundred moves a weekday have a mean that is
    // known to 8 %, a variance to 16 %
    for seed in 0..6 {
        for factor in seasons(seed) {
            assert!((0.7..1.4).contains(&factor), "{factor}");
        }
    }
    let vanished = (0..6).filter(|&seed| seasons(seed).iter().all(|factor| *factor == 1.0));
    assert!(vanished.count() >= 2);
}

/// Origins of windows with a label in the last rows are the last to learn from; the helper above relies on it.
#[test]
fn the_last_label_is_the_last_row() {
    let market = table(rows(50, 7));
    let matrix = blank(&market);
    let all = Windows::new(&market, &matrix, STEPS, 5);
    let part = all.part(all.origins().within(10..21));
    assert_eq!(part.candles().close.len(), 26, "20 and five rows after it");
}
