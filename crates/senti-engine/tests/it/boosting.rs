//! Boosted trees: by hand, and beside scikit-learn and LightGBM (`goldens/boosting.py`).

use senti_engine::boosting::{Forest, Growth, Rows, Run, grow, pinball};

fn growth(levels: &[f64]) -> Growth {
    Growth {
        levels: levels.to_vec(),
        depth: 3,
        learning_rate: 0.1,
        trees: 300,
        patience: 30,
        least: 0.05,
        significance: 5.0,
        seed: 1,
    }
}

#[test]
fn one_tree_by_hand() {
    // the first feature says nothing; the second parts targets 0..=10 from 100..=110
    let rows = Rows {
        features: (0..22)
            .flat_map(|i| [(i % 2) as f32, if i < 11 { -1.5 } else { 2.5 }])
            .collect(),
        target: (0..22)
            .map(|i| (if i < 11 { i } else { 89 + i }) as f32)
            .collect(),
        begin: [1.0, 2.0, 3.0].repeat(22),
        runs: vec![Run {
            len: 22,
            spacing: 1,
        }],
    };
    let growth = Growth {
        depth: 2,
        learning_rate: 1.0,
        trees: 1,
        least: 0.5,
        ..growth(&[0.1, 0.5, 0.9])
    };
    let forest = grow(&rows, &rows, 2, &growth, |_| true).unwrap();
    // a leaf needs half of the rows, so there is one split; the ranks 1, 5 and 9 of eleven, less what it began with
    let wanted = Forest {
        n_features: 2,
        n_levels: 3,
        depth: 2,
        split: vec![1, 0, 0],
        threshold: vec![-1.5, f32::MAX, f32::MAX],
        leaf: [[0.0, 3.0, 6.0], [0.0; 3], [100.0, 103.0, 106.0], [0.0; 3]].concat(),
    };
    assert_eq!(forest, wanted);
    assert!(forest.is_sound());
    let mut quantiles = [1.0, 2.0, 3.0];
    forest.predict(&[7.0, -1.0], &mut quantiles);
    assert_eq!(quantiles, [101.0, 105.0, 109.0]);
    // 0.1·4, 0.5·5 and 0.9·6 for a target of 5 above, below and at them
    assert_eq!(
        pinball(&[5.0], &[1.0, 5.0, 9.0], &[0.1, 0.5, 0.9]),
        (0.4 + 0.4) / 3.0
    );
}

fn golden() -> serde_json::Value {
    serde_json::from_str(include_str!("../goldens/boosting.json")).unwrap()
}

fn numbers(value: &serde_json::Value) -> Vec<f64> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|x| x.as_f64().unwrap()).collect()
}

fn rows(golden: &serde_json::Value, part: std::ops::Range<usize>, begin: &[f32]) -> Rows {
    let (features, target) = (numbers(&golden["features"]), numbers(&golden["target"]));
    let narrow = |values: &[f64]| values.iter().map(|&x| x as f32).collect();
    Rows {
        features: narrow(&features[4 * part.start..4 * part.end]),
        target: narrow(&target[part.clone()]),
        begin: begin.repeat(part.len()),
        // half of the rows for each tree, as theirs
        runs: vec![Run {
            len: part.len(),
            spacing: 2,
        }],
    }
}

/// Quantiles of the training targets.
fn begin(golden: &serde_json::Value, levels: &[f64]) -> Vec<f32> {
    let mut sorted = numbers(&golden["target"])[..900].to_vec();
    sorted.sort_by(f64::total_cmp);
    levels
        .iter()
        .map(|level| sorted[(level * 899.0) as usize] as f32)
        .collect()
}

#[test]
fn losses_are_those_of_scikit_learn_and_lightgbm() {
    let golden = golden();
    let levels = numbers(&golden["levels"]);
    let begin = begin(&golden, &levels);
    let part = |part| rows(&golden, part, &begin);
    let (train, valid, test) = (part(0..900), part(900..1200), part(1200..1800));
    let forest = grow(&train, &valid, 4, &growth(&levels), |_| true).unwrap();
    let mut quantiles = test.begin.clone();
    for (row, quantiles) in test
        .features
        .chunks_exact(4)
        .zip(quantiles.chunks_exact_mut(5))
    {
        forest.predict(row, quantiles);
        assert!(quantiles.is_sorted());
    }
    let mean = |name: &str| numbers(&golden[name]).iter().sum::<f64>() / 5.0;
    // a constant is 0.247, the truth 0.187, theirs 0.199; theirs are five models, ours is one
    let loss = pinball(&test.target, &quantiles, &levels);
    assert!(loss < 1.02 * mean("scikit_learn"), "{loss}");
    assert!(loss < 1.02 * mean("lightgbm"), "{loss}");
    assert!(loss > mean("truth"), "{loss}");
    let constant = pinball(&test.target, &test.begin, &levels);
    assert!((constant - mean("constant")).abs() < 1e-3, "{constant}");
}

#[test]
fn noise_grows_nothing_and_a_stop_is_heard() {
    let golden = golden();
    let levels = numbers(&golden["levels"]);
    let begin = begin(&golden, &levels);
    let shuffled = |part: std::ops::Range<usize>| {
        let mut rows = rows(&golden, part, &begin);
        // targets of other rows
        rows.target.rotate_left(37);
        rows
    };
    let (train, valid) = (shuffled(0..900), shuffled(900..1200));
    let strict = Growth {
        significance: 25.0,
        ..growth(&levels)
    };
    let forest = grow(&train, &valid, 4, &strict, |_| true).unwrap();
    let splits = forest.threshold.iter().filter(|t| **t < f32::MAX).count();
    assert_eq!(splits, 0);
    let mut asked = 0;
    let stop = |trees| {
        asked += 1;
        trees < 2
    };
    assert_eq!(grow(&train, &valid, 4, &strict, stop), None);
    assert_eq!(asked, 3);
}

#[test]
fn only_sound_forests_are_sound() {
    let one = Forest {
        n_features: 2,
        n_levels: 1,
        depth: 1,
        split: vec![1],
        threshold: vec![0.5],
        leaf: vec![1.0, 2.0],
    };
    assert!(one.is_sound());
    assert!(
        !Forest {
            split: vec![2],
            ..one.clone()
        }
        .is_sound()
    );
    assert!(
        !Forest {
            threshold: vec![f32::NAN],
            ..one.clone()
        }
        .is_sound()
    );
    assert!(
        !Forest {
            leaf: vec![1.0],
            ..one.clone()
        }
        .is_sound()
    );
    assert!(
        !Forest {
            leaf: vec![1.0, f32::INFINITY],
            ..one.clone()
        }
        .is_sound()
    );
    assert!(!Forest { depth: 0, ..one }.is_sound());
}
