//! Tests and intervals against scipy, statsmodels and arch (`goldens/significance.py`), and by hand.

use senti::statistics::comparison::{
    Kernel, cautious_test, clark_west, diebold_mariano, giacomini_white, lags,
};
use senti::statistics::coverage::{christoffersen, kupiec, uniformity, wilson};
use senti::statistics::direction::pesaran_timmermann;
use senti::statistics::distribution::{chi_squared_above, student_two_sided};
use senti::statistics::many::{StationaryBootstrap, Statistic, holm, model_confidence_set};
use senti::statistics::sharpe::{Moments, minimum_track_record, probabilistic};
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("../goldens/significance.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_f64().unwrap())
        .collect()
}

fn number(value: &Value, key: &str) -> f64 {
    value[key].as_f64().unwrap()
}

fn count(value: &Value, key: &str) -> usize {
    value[key].as_u64().unwrap() as usize
}

/// Sums of some hundred terms in double precision lose few of 16 digits; 1e-10 leaves room for the differences of correlated terms.
#[track_caller]
fn check_near(ours: f64, theirs: f64) {
    assert!(
        (ours - theirs).abs() <= 1e-10 * theirs.abs().max(1e-3),
        "{ours} is not {theirs}"
    );
}

/// Losses of model `model`, one an origin.
fn column(golden: &Value, model: usize) -> Vec<f64> {
    let rows = golden["losses"].as_array().unwrap();
    rows.iter()
        .map(|row| row[model].as_f64().unwrap())
        .collect()
}

#[test]
fn overlap_is_counted_in_origins() {
    let found: Vec<_> = [1, 3, 7, 8, 14, 15, 21, 28, 29, 30]
        .iter()
        .map(|&h| lags(h, 7))
        .collect();
    assert_eq!(found, [0, 0, 0, 1, 1, 2, 2, 3, 4, 4]);
    assert_eq!(lags(30, 1), 29);
}

#[test]
fn diebold_mariano_agrees() {
    let golden = golden();
    let (first, second) = (column(&golden, 2), column(&golden, 0));
    for theirs in golden["diebold_mariano"].as_array().unwrap() {
        let ours = diebold_mariano(&first, &second, count(theirs, "lags")).unwrap();
        check_near(ours.t, number(theirs, "t"));
        check_near(ours.p, number(theirs, "p"));
        assert_eq!(ours.kernel, Some(Kernel::Rectangular));
        check_near(ours.p_second_better(), number(theirs, "p") / 2.0);
        check_near(ours.p_first_better(), 1.0 - number(theirs, "p") / 2.0);
        let mirrored = diebold_mariano(&second, &first, count(theirs, "lags")).unwrap();
        assert_eq!((mirrored.t, mirrored.p), (-ours.t, ours.p));
    }
}

#[test]
fn diebold_mariano_falls_back_to_bartlett() {
    let golden = golden();
    let walk = numbers(&golden["alternating"]);
    let theirs = &golden["diebold_mariano_alternating"];
    assert_eq!(theirs["kernel"], "bartlett", "the case is one");
    let ours = diebold_mariano(&walk, &vec![0.0; walk.len()], 1).unwrap();
    check_near(ours.t, number(theirs, "t"));
    check_near(ours.p, number(theirs, "p"));
    assert_eq!(ours.kernel, Some(Kernel::Bartlett));
}

#[test]
fn diebold_mariano_by_hand() {
    // d = 1 1 2 2 3 3 around 2: autocovariances 4/6 and 2/6, so V = 8/6; k = 2: (6 + 1 - 4 + 2/6) / 6
    let ours = diebold_mariano(&[1.0, 1.0, 2.0, 2.0, 3.0, 3.0], &[0.0; 6], 1).unwrap();
    check_near(
        ours.t,
        2.0 / (8.0f64 / 6.0 / 6.0).sqrt() * ((3.0 + 1.0 / 3.0) / 6.0f64).sqrt(),
    );
}

#[test]
fn differences_that_never_vary_are_certain() {
    let same = diebold_mariano(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 0).unwrap();
    assert_eq!((same.t, same.p, same.kernel), (0.0, 1.0, None));
    let always = diebold_mariano(&[2.0, 3.0, 4.0], &[1.0, 2.0, 3.0], 0).unwrap();
    assert_eq!((always.t, always.p), (f64::INFINITY, 0.0));
    assert_eq!(
        (always.p_second_better(), always.p_first_better()),
        (0.0, 1.0)
    );
    assert_eq!(diebold_mariano(&[1.0, 2.0], &[0.0, 0.0], 0), None);
}

#[test]
fn the_cautious_test_agrees() {
    let golden = golden();
    let (first, second) = (column(&golden, 2), column(&golden, 0));
    let long = numbers(&golden["long"]);
    let none = vec![0.0; long.len()];
    let short = golden["cautious"]
        .as_array()
        .unwrap()
        .iter()
        .map(|theirs| (&first, &second, theirs));
    let long = golden["cautious_long"]
        .as_array()
        .unwrap()
        .iter()
        .map(|theirs| (&long, &none, theirs));
    for (first, second, theirs) in short.chain(long) {
        let ours = cautious_test(first, second, count(theirs, "lags")).unwrap();
        assert_eq!(ours.cosines, count(theirs, "cosines"));
        check_near(ours.t, number(theirs, "t"));
        check_near(ours.skewness, number(theirs, "skewness"));
        check_near(ours.p_second_better, number(theirs, "p_second_better"));
        check_near(ours.p_first_better, number(theirs, "p_first_better"));
        let mirrored = cautious_test(second, first, count(theirs, "lags")).unwrap();
        check_near(mirrored.p_first_better, ours.p_second_better);
        check_near(mirrored.p_second_better, ours.p_first_better);
    }
    assert_eq!(
        cautious_test(&first, &second, 40),
        None,
        "90 origins that overlap by 40 are two"
    );
    let always = cautious_test(&[3.0; 60], &[1.0; 60], 0).unwrap();
    assert_eq!((always.p_second_better, always.p_first_better), (0.0, 1.0));
}

#[test]
fn giacomini_white_agrees() {
    let golden = golden();
    let (first, second) = (column(&golden, 2), column(&golden, 0));
    for theirs in golden["giacomini_white"].as_array().unwrap() {
        let ours = giacomini_white(&first, &second, count(theirs, "lags")).unwrap();
        check_near(ours.statistic, number(theirs, "statistic"));
        check_near(ours.p, number(theirs, "p"));
    }
    assert_eq!(
        giacomini_white(&first, &first, 0),
        None,
        "no difference, no direction"
    );
}

#[test]
fn clark_west_agrees() {
    let golden = golden();
    let (y, small, large) = (
        numbers(&golden["y"]),
        numbers(&golden["small"]),
        numbers(&golden["large"]),
    );
    for theirs in golden["clark_west"].as_array().unwrap() {
        let (t, p) = clark_west(&y, &small, &large, count(theirs, "lags")).unwrap();
        check_near(t, number(theirs, "t"));
        check_near(p, number(theirs, "p"));
    }
    assert_eq!(clark_west(&y, &small, &small, 0), None);
}

#[test]
fn coverage_tests_agree() {
    let golden = golden();
    for theirs in golden["kupiec"].as_array().unwrap() {
        let ours = kupiec(
            count(theirs, "misses"),
            count(theirs, "n"),
            number(theirs, "rate"),
        )
        .unwrap();
        check_near(ours.statistic, number(theirs, "statistic"));
        check_near(ours.p, number(theirs, "p"));
    }
    assert_eq!(kupiec(0, 0, 0.1), None);
    let missed: Vec<bool> = numbers(&golden["missed"])
        .iter()
        .map(|&m| m == 1.0)
        .collect();
    let ours = christoffersen(&missed).unwrap();
    check_near(
        ours.statistic,
        number(&golden["christoffersen"], "statistic"),
    );
    check_near(ours.p, number(&golden["christoffersen"], "p"));
    assert_eq!(
        christoffersen(&[false; 9]),
        None,
        "never missed: no neighbours to compare"
    );
    for theirs in golden["wilson"].as_array().unwrap() {
        let (low, high) = wilson(number(theirs, "share"), number(theirs, "n"), 0.95);
        let interval = numbers(&theirs["interval"]);
        check_near(low, interval[0]);
        check_near(high, interval[1]);
    }
}

#[test]
fn uniformity_agrees_and_joins_bins() {
    let golden = golden();
    let shares = numbers(&golden["shares"]);
    for n in [150.0, 26.0] {
        let theirs = &golden[format!("uniformity_{n}")];
        let ours = uniformity(&shares, &[0.05; 20], n).unwrap();
        check_near(ours.statistic, number(theirs, "statistic"));
        check_near(ours.p, number(theirs, "p"));
    }
    assert_eq!(
        uniformity(&shares, &[0.05; 20], 12.0),
        None,
        "two bins tell nothing"
    );
}

#[test]
fn pesaran_timmermann_agrees() {
    let golden = golden();
    let truth = |key: &str| -> Vec<bool> {
        golden[key]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_bool().unwrap())
            .collect()
    };
    let (said, came) = (truth("said"), truth("came"));
    let (statistic, p) = pesaran_timmermann(&said, &came).unwrap();
    check_near(
        statistic,
        number(&golden["pesaran_timmermann"], "statistic"),
    );
    check_near(p, number(&golden["pesaran_timmermann"], "p"));
    assert_eq!(
        pesaran_timmermann(&[true; 60], &came),
        None,
        "always up knows nothing"
    );
    assert_eq!(pesaran_timmermann(&[], &[]), None);
}

#[test]
fn distributions_agree() {
    let golden = golden();
    for theirs in golden["student"].as_array().unwrap() {
        check_near(
            student_two_sided(number(theirs, "t"), number(theirs, "df")) + 1.0,
            number(theirs, "p") + 1.0,
        );
        // tails, too: as a share of the probability itself
        let (ours, theirs) = (
            student_two_sided(number(theirs, "t"), number(theirs, "df")),
            number(theirs, "p"),
        );
        assert!((ours / theirs - 1.0).abs() < 1e-9, "{ours} is not {theirs}");
    }
    for theirs in golden["chi_squared"].as_array().unwrap() {
        let (ours, theirs) = (
            chi_squared_above(number(theirs, "x"), number(theirs, "df")),
            number(theirs, "p"),
        );
        assert!((ours / theirs - 1.0).abs() < 1e-9, "{ours} is not {theirs}");
    }
}

#[test]
fn holm_leaves_out_what_has_no_value() {
    let adjusted = holm(&[0.04, f64::NAN, 0.01, 0.9]);
    check_near(adjusted[0], 0.08);
    assert!(adjusted[1].is_nan());
    check_near(adjusted[2], 0.03);
    check_near(adjusted[3], 0.9);
}

#[test]
fn the_confidence_set_is_archs() {
    let golden = golden();
    let rows = golden["losses"].as_array().unwrap();
    let losses: Vec<f64> = rows.iter().flat_map(numbers).collect();
    let positions = golden["positions"].as_array().unwrap();
    let mut again = |sample: usize, into: &mut [u32]| {
        for (place, value) in into.iter_mut().zip(numbers(&positions[sample])) {
            *place = value as u32;
        }
    };
    for theirs in golden["sets"].as_array().unwrap() {
        let statistic = if theirs["method"] == "R" {
            Statistic::Range
        } else {
            Statistic::Max
        };
        let ours = model_confidence_set(&losses, 5, statistic, positions.len(), &mut again);
        let models: Vec<_> = ours.iter().map(|left| left.model as f64).collect();
        assert_eq!(models, numbers(&theirs["model"]), "{statistic:?}");
        for (ours, theirs) in ours.iter().zip(numbers(&theirs["p"])) {
            check_near(ours.p, theirs);
        }
    }
}

#[test]
fn models_that_are_the_same_stay_together() {
    let losses: Vec<f64> = (0..50)
        .flat_map(|i| [f64::from(i % 7), f64::from(i % 7)])
        .collect();
    let bootstrap = StationaryBootstrap::new(3, 4.0);
    for statistic in [Statistic::Max, Statistic::Range] {
        let set = model_confidence_set(&losses, 2, statistic, 100, &mut |i, into| {
            bootstrap.fill(i, into)
        });
        assert_eq!(set.len(), 2);
        assert!(set.iter().all(|left| left.p == 1.0), "{set:?}");
    }
}

#[test]
fn blocks_have_their_mean_length() {
    let bootstrap = StationaryBootstrap::new(9, 8.0);
    let mut positions = vec![0; 20_000];
    bootstrap.fill(0, &mut positions);
    let breaks = positions
        .windows(2)
        .filter(|pair| pair[1] != (pair[0] + 1) % 20_000)
        .count();
    // Binomial(19 999, 1/8): mean 2500, standard deviation 47
    assert!((2500.0 - breaks as f64).abs() < 5.0 * 47.0, "{breaks}");
    let mut again = vec![0; 20_000];
    bootstrap.fill(0, &mut again);
    assert_eq!(positions, again);
    bootstrap.fill(1, &mut again);
    assert_ne!(positions, again);
}

#[test]
fn sharpe_ratios_agree() {
    let golden = golden();
    let theirs = &golden["sharpe"];
    let ours = Moments::of(&numbers(&theirs["returns"])).unwrap();
    check_near(ours.sharpe, number(theirs, "sharpe"));
    check_near(ours.skewness, number(theirs, "skewness"));
    check_near(ours.kurtosis, number(theirs, "kurtosis"));
    assert_eq!(Moments::of(&[0.01; 20]), None);
    // As many periods as it takes are just enough.
    let found = Moments {
        n: 0,
        sharpe: 0.1,
        skewness: -0.5,
        kurtosis: 5.0,
    };
    let needed = minimum_track_record(&found, 0.0, 0.95).unwrap();
    let then = |n: f64| {
        probabilistic(
            &Moments {
                n: n as usize,
                ..found
            },
            0.0,
        )
    };
    assert!(then(needed.floor()) < 0.95 && then(needed.ceil()) >= 0.95);
    assert_eq!(minimum_track_record(&found, 0.2, 0.95), None);
}
