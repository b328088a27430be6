//! Metrics against scikit-learn and scoringrules (`goldens/metrics.py`), and by hand.

use std::collections::BTreeMap;

use senti::metrics::{Evaluator, METRICS, Scores, pinball, winkler};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    levels: Vec<f64>,
    naive_scale: f64,
    last_close: Vec<f64>,
    actual: Vec<Vec<f64>>,
    point: Vec<Vec<f64>>,
    quantiles: Vec<Vec<f64>>,
    overall: BTreeMap<String, f64>,
    steps: Vec<BTreeMap<String, f64>>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../goldens/metrics.json")).expect("a golden file")
}

fn score(golden: &Golden, windows: impl Iterator<Item = usize>) -> Scores {
    let mut evaluator = Evaluator::new(3, &golden.levels, golden.naive_scale);
    for w in windows {
        evaluator.add(
            golden.last_close[w],
            &golden.actual[w],
            &golden.point[w],
            &golden.quantiles[w],
        );
    }
    evaluator.finish()
}

#[track_caller]
fn check_scores(ours: &BTreeMap<String, Option<f64>>, theirs: &BTreeMap<String, f64>) {
    assert_eq!(
        ours.keys().collect::<Vec<_>>(),
        theirs.keys().collect::<Vec<_>>()
    );
    for (name, wanted) in theirs {
        let found = ours[name].expect("defined");
        // Sums of a few dozen numbers of one sign: some 1e-15 apart at most.
        assert!(
            (found - wanted).abs() <= 1e-12 * wanted.abs(),
            "{name}: {found}, wanted {wanted}"
        );
    }
}

#[test]
fn agrees_with_scikit_learn_and_scoringrules() {
    let golden = golden();
    let scores = score(&golden, 0..6);
    assert_eq!(scores.windows, 6);
    check_scores(&scores.overall, &golden.overall);
    assert_eq!(scores.steps.len(), 3);
    for (ours, theirs) in scores.steps.iter().zip(&golden.steps) {
        check_scores(ours, theirs);
    }
}

#[test]
fn every_metric_is_scored_where_the_levels_hold_its_interval() {
    let golden = golden();
    let scores = score(&golden, 0..6);
    for metric in METRICS {
        assert!(scores.overall.contains_key(metric.name), "{}", metric.name);
    }
    let nineteen = Evaluator::new(1, &senti::plan::LEVELS, 1.0).finish();
    assert!(!nineteen.overall.contains_key("coverage_95"));
    assert_eq!(nineteen.overall.len(), METRICS.len() - 1);
}

#[test]
fn order_of_windows_does_not_matter() {
    let golden = golden();
    assert_eq!(score(&golden, 0..6), score(&golden, (0..6).rev()));
}

#[test]
fn small_errors_survive_beside_huge_ones() {
    // 2^53 + 1 is no double: a plain sum would lose every one of the small errors.
    let mut evaluator = Evaluator::new(1, &[], 1.0);
    evaluator.add(1.0, &[9_007_199_254_740_992.0], &[0.0], &[]);
    for _ in 0..1023 {
        evaluator.add(1.0, &[2.0], &[1.0], &[]);
    }
    let wanted = (9_007_199_254_740_992_u64 + 1023) as f64 / 1024.0;
    assert_eq!(evaluator.finish().overall["mae"], Some(wanted));
}

#[test]
fn worked_example() {
    // One window of one step: last close 100, actual 110, point 106, quantiles 95 / 105 / 108.
    let mut evaluator = Evaluator::new(1, &[0.05, 0.5, 0.95], 2.0);
    evaluator.add(100.0, &[110.0], &[106.0], &[95.0, 105.0, 108.0]);
    let scores = evaluator.finish().overall;
    for (name, wanted) in [
        ("mae", 4.0),
        ("mse", 16.0),
        ("rmse", 4.0),
        ("mape", 100.0 * 4.0 / 110.0),
        ("mase", 2.0),
        ("direction_accuracy", 1.0),
        ("direction_n", 1.0),
        ("direction_base_rate", 1.0),
        // (0.05 * 15 + 0.5 * 5 + 0.95 * 2) / 3
        ("pinball", 5.15 / 3.0),
        ("crps", 10.3 / 3.0),
        ("coverage_90", 0.0),
        ("width_90", 13.0),
        // 13 + 20 * 2
        ("winkler_90", 53.0),
    ] {
        let found = scores[name].expect("defined");
        assert!((found - wanted).abs() < 1e-12, "{name}: {found}");
    }
    assert_eq!(scores.len(), 13);
}

#[track_caller]
fn check_direction(point: f64, actual: f64, wanted: Option<f64>) {
    let mut evaluator = Evaluator::new(1, &[], 1.0);
    evaluator.add(100.0, &[actual], &[point], &[]);
    let scores = evaluator.finish().overall;
    assert_eq!(scores["direction_accuracy"], wanted);
    assert_eq!(
        scores["direction_n"],
        Some(f64::from(u8::from(wanted.is_some())))
    );
}

#[test]
fn direction_up_and_up() {
    check_direction(101.0, 120.0, Some(1.0));
}

#[test]
fn direction_down_and_down() {
    check_direction(99.0, 80.0, Some(1.0));
}

#[test]
fn direction_up_and_down() {
    check_direction(101.0, 80.0, Some(0.0));
}

#[test]
fn a_price_that_does_not_move_is_a_miss() {
    check_direction(101.0, 100.0, Some(0.0));
}

#[test]
fn a_point_that_does_not_move_has_no_direction() {
    check_direction(100.0, 120.0, None);
}

#[test]
fn nothing_scored_is_nothing_not_zero() {
    let scores = Evaluator::new(2, &[0.5], 1.0).finish();
    assert_eq!((scores.windows, scores.steps.len()), (0, 2));
    assert_eq!(scores.overall["mae"], None);
    assert_eq!(scores.overall["direction_n"], Some(0.0));
}

#[test]
fn mase_needs_a_price_that_moved_in_training() {
    let mut evaluator = Evaluator::new(1, &[], 0.0);
    evaluator.add(1.0, &[2.0], &[1.0], &[]);
    assert_eq!(evaluator.finish().overall["mase"], None);
}

#[test]
fn scores_survive_json() {
    let scores = score(&golden(), 0..6);
    let text = serde_json::to_string(&scores).expect("writable");
    assert_eq!(
        serde_json::from_str::<Scores>(&text).expect("readable"),
        scores
    );
}

#[test]
fn arguments_are_actual_then_forecast() {
    // Too low by 10 at a high level costs much, too high little.
    assert!((pinball(110.0, 100.0, 0.9) - 9.0).abs() < 1e-12);
    assert!((pinball(100.0, 110.0, 0.9) - 1.0).abs() < 1e-12);
    assert!((winkler(90.0, (95.0, 105.0), 0.8) - 60.0).abs() < 1e-9);
}
