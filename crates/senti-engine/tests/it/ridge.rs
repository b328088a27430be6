//! Ridge regression against scikit-learn (`goldens/ridge.py`), for every instruction set.

use senti_engine::ridge::Gram;
use serde_json::Value;

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect()
}

#[test]
fn scikit_learn() {
    let golden: Value = serde_json::from_str(include_str!("../goldens/ridge.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let (p, h) = (
            case["p"].as_u64().unwrap() as usize,
            case["h"].as_u64().unwrap() as usize,
        );
        let (x, y) = (floats(&case["x"]), floats(&case["y"]));
        for simd in crate::cases::supported() {
            let mut gram = Gram::with_simd(p, h, simd);
            gram.add_rows(&x, &y);
            let fit = gram.solve(case["alpha"].as_f64().unwrap()).unwrap();
            for (found, wanted) in [
                (&fit.coefficients, floats(&case["coefficients"])),
                (&fit.intercept, floats(&case["intercept"])),
            ] {
                let largest = wanted
                    .iter()
                    .fold(0.0f64, |largest, value| largest.max(value.abs()));
                for (found, wanted) in found.iter().zip(&wanted) {
                    assert!(
                        (found - wanted).abs() < 1e-9 * largest,
                        "{found}, wanted {wanted}"
                    );
                }
            }
            let mut first = vec![0.0; h];
            fit.predict(&x[..p], &mut first);
            let by_hand =
                fit.intercept[0] + (0..p).map(|k| x[k] * fit.coefficients[k * h]).sum::<f64>();
            assert!((first[0] - by_hand).abs() < 1e-9 * by_hand.abs().max(1.0));
        }
    }
}

#[test]
fn rows_one_by_one_or_together_are_the_same_bits() {
    let mut generator = crate::cases::generator(9);
    let (p, h, n) = (37, 3, 201);
    let x: Vec<f64> = (0..n * p).map(|_| generator.normal()).collect();
    let y: Vec<f64> = (0..n * h).map(|_| generator.normal()).collect();
    let (mut together, mut single) = (Gram::new(p, h), Gram::new(p, h));
    together.add_rows(&x, &y);
    for row in 0..n {
        single.add_row(&x[row * p..][..p], &y[row * h..][..h]);
    }
    assert_eq!(together.n_rows(), n as u64);
    assert_eq!(together.solve(1.0), single.solve(1.0));
}

#[test]
fn dependent_regressors_without_penalty_are_an_error() {
    let mut gram = Gram::new(2, 1);
    for row in 0..10 {
        gram.add_row(&[f64::from(row), 2.0 * f64::from(row)], &[1.0]);
    }
    assert_eq!(gram.solve(0.0).unwrap_err().column, 1);
    assert!(gram.solve(0.1).is_ok());
    gram.add_row(&[f64::NAN, 1.0], &[1.0]);
    assert_eq!(gram.solve(0.1).unwrap_err().column, 0);
}
