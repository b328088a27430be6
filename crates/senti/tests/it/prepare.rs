//! Preparation against NumPy and scikit-learn (`goldens/prepare.py`), and its own promises.

use std::collections::BTreeMap;
use std::iter::once;

use proptest::prelude::*;
use senti::matrix::Matrix;
use senti::prepare::Preparation;
use senti::quantiles;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    columns: BTreeMap<String, Column>,
    quantiles: Quantiles,
}

#[derive(Deserialize)]
struct Column {
    training: Vec<f64>,
    low: f64,
    high: f64,
    centre: f64,
    scale: f64,
    fresh: Vec<f64>,
    scaled: Vec<f64>,
}

#[derive(Deserialize)]
struct Quantiles {
    sample: Vec<f64>,
    levels: Vec<f64>,
    values: Vec<f64>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../goldens/prepare.json")).expect("a golden file")
}

fn matrix(columns: &[&[f64]]) -> Matrix {
    let mut matrix = Matrix::unknown(columns[0].len(), columns.len());
    for (index, column) in columns.iter().enumerate() {
        matrix.set_column(index, column);
    }
    matrix
}

fn fit(values: &[f64]) -> Preparation {
    Preparation::fit(&matrix(&[values]), once(0..values.len())).expect("values")
}

fn apply(preparation: &Preparation, value: f64) -> f32 {
    let mut out = [0.0];
    preparation.apply(&[value], &mut out);
    out[0]
}

#[track_caller]
fn check_near(found: f64, wanted: f64, what: &str) {
    let near = (found - wanted).abs() <= 1e-12 * wanted.abs().max(1e-6);
    assert!(near, "{what}: {found}, wanted {wanted}");
}

#[test]
fn agrees_with_scikit_learn() {
    let golden = golden();
    let columns: Vec<&[f64]> = golden
        .columns
        .values()
        .map(|c| c.training.as_slice())
        .collect();
    let preparation = Preparation::fit(&matrix(&columns), [0..40, 40..101]).expect("values");
    for ((name, wanted), found) in golden.columns.iter().zip(preparation.columns()) {
        check_near(found.bounds().0, wanted.low, name);
        check_near(found.bounds().1, wanted.high, name);
        check_near(found.centre(), wanted.centre, name);
        check_near(found.scale(), wanted.scale, name);
        let alone = fit(&wanted.training);
        for (&value, &scaled) in wanted.fresh.iter().zip(&wanted.scaled) {
            // One rounding to f32.
            let found = f64::from(apply(&alone, value));
            let near = (found - scaled).abs() <= 6e-8 * scaled.abs() + 1e-12;
            assert!(near, "{name}: {value} gives {found}, wanted {scaled}");
        }
    }
}

#[test]
fn quantiles_agree_with_numpy() {
    let Quantiles {
        sample,
        levels,
        values,
    } = golden().quantiles;
    for (level, wanted) in levels.into_iter().zip(values) {
        // To the last bit: the same two products.
        assert_eq!(quantiles::linear(&sample, level), wanted, "{level}");
    }
}

#[test]
fn quantile_of_one_value_is_that_value() {
    assert_eq!(quantiles::linear(&[7.5], 0.3), 7.5);
}

#[test]
fn only_training_rows_count() {
    let mut values: Vec<f64> = (0..50).map(f64::from).collect();
    let preparation = Preparation::fit(&matrix(&[&values]), [0..10, 20..30]).expect("values");
    values[10..20].fill(1e9);
    values[30..].fill(-1e9);
    let again = Preparation::fit(&matrix(&[&values]), [0..10, 20..30]).expect("values");
    assert_eq!(preparation, again);
}

#[test]
fn rows_with_an_unknown_feature_are_skipped_whole() {
    let whole = matrix(&[&[1.0, 2.0, 3.0, 5.0], &[4.0, 3.0, 9.0, 1.0]]);
    let holed = matrix(&[
        &[f64::NAN, 1.0, 77.0, 2.0, 3.0, 5.0],
        &[1e6, 4.0, f64::NAN, 3.0, 9.0, 1.0],
    ]);
    let wanted = Preparation::fit(&whole, once(0..4)).expect("values");
    let found = Preparation::fit(&holed, once(0..6)).expect("values");
    assert_eq!(found, wanted);
}

#[test]
fn no_known_row_is_an_error() {
    let empty = matrix(&[&[f64::NAN, f64::NAN]]);
    let error = Preparation::fit(&empty, once(0..2)).expect_err("nothing known");
    assert!(error.to_string().contains("no training row"), "{error}");
}

#[test]
fn unknown_stays_unknown() {
    assert!(apply(&fit(&[1.0, 2.0, 3.0]), f64::NAN).is_nan());
}

#[test]
fn a_feature_that_is_mostly_one_value_is_not_flattened() {
    // Nine zeros out of twelve: both quartiles are 0.
    let mut values = vec![0.0; 9];
    values.extend([0.002, 0.004, -0.003]);
    let preparation = fit(&values);
    assert_eq!(apply(&preparation, 0.0), 0.0);
    let (up, more, down) = (
        apply(&preparation, 0.002),
        apply(&preparation, 0.004),
        apply(&preparation, -0.003),
    );
    assert!(down < -0.1 && 0.1 < up && up < more, "{down} {up} {more}");
    assert!(apply(&preparation, 1e6) <= 1.0);
}

#[test]
fn a_level_can_be_left_unbound() {
    let values: Vec<f64> = (0..101).map(f64::from).collect();
    let mut preparation = fit(&values);
    // Quartiles 25 and 75, so the upper bound is 150.
    assert_eq!(apply(&preparation, 1000.0), 2.0);
    preparation.unbind(0);
    assert_eq!(apply(&preparation, 1000.0), 19.0);
}

#[test]
fn survives_json_to_the_last_bit() {
    let golden = golden();
    let mut preparation = fit(&golden.columns["heavy_tails"].training);
    for _ in 0..2 {
        let text = serde_json::to_string(&preparation).expect("writable");
        let again: Preparation = serde_json::from_str(&text).expect("readable");
        assert_eq!(again, preparation);
        preparation.unbind(0);
    }
}

#[track_caller]
fn check_refused(text: &str) {
    let error = serde_json::from_str::<Preparation>(text).expect_err("nonsense");
    assert!(error.to_string().contains("positive scale"), "{error}");
}

#[test]
fn a_stored_scale_of_zero_is_refused() {
    check_refused(r#"{"columns":[{"low":0.0,"high":1.0,"centre":0.0,"scale":0.0}]}"#);
}

#[test]
fn stored_bounds_the_wrong_way_round_are_refused() {
    check_refused(r#"{"columns":[{"low":2.0,"high":1.0,"centre":0.0,"scale":1.0}]}"#);
}

proptest! {
    #[test]
    fn keeps_order_and_stays_finite(values in prop::collection::vec(-1e9_f64..1e9, 1..60), a in -1e12_f64..1e12, b in -1e12_f64..1e12) {
        let preparation = fit(&values);
        let (low, high) = (apply(&preparation, a.min(b)), apply(&preparation, a.max(b)));
        prop_assert!(low <= high && low.is_finite() && high.is_finite());
    }

    #[test]
    fn units_do_not_matter(values in prop::collection::vec(-1e3_f64..1e3, 8..60), a in -1e3_f64..1e3) {
        // 1024 is a power of two: every product is exact, so the bits agree, unless the scale is the fixed 1 of a constant.
        let scaled: Vec<f64> = values.iter().map(|x| x * 1024.0).collect();
        prop_assert_eq!(apply(&fit(&values), a), apply(&fit(&scaled), a * 1024.0));
    }
}
