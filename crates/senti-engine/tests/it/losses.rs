//! The quantile head, and what happens to numbers that are not finite.

use senti_engine::{Adam, Loss, Pinball};

use crate::cases::{architecture, batch, network, supported};
use crate::reference;

#[test]
fn quantiles_are_those_of_the_definition_and_never_cross() {
    let levels: Vec<f32> = (1..20).map(|k| k as f32 / 20.0).collect();
    let pinball = Pinball::new(&levels);
    let mut generator = crate::cases::generator(4);
    let mut out = [0.0; 19];
    for spread in [0.1, 1.0, 10.0, 100.0] {
        let raw: Vec<f32> = (0..19)
            .map(|_| (spread * generator.normal()) as f32)
            .collect();
        pinball.quantiles(&raw, &mut out);
        assert!(out.is_sorted(), "{out:?}");
        let wanted = reference::quantiles(&raw.iter().map(|&z| f64::from(z)).collect::<Vec<f64>>());
        for (found, wanted) in out.iter().zip(&wanted) {
            assert!(
                (f64::from(*found) - wanted).abs() < 1e-6 * spread * 20.0,
                "{found}, wanted {wanted}"
            );
        }
    }
}

#[test]
fn raw_for_is_the_inverse_and_widens_tiny_gaps() {
    let pinball = Pinball::new(&[0.1, 0.3, 0.5, 0.7, 0.9]);
    let wanted = [-3.0, -2.9999, 0.25, 0.25, 90.0, 1.0, 2.0, 3.0, 4.0, 5.0];
    let mut out = [0.0; 10];
    pinball.quantiles(&pinball.raw_for(&wanted), &mut out);
    for (found, wanted) in out.iter().zip(wanted) {
        assert!(
            (f64::from(*found) - wanted).abs() < 2.0 * Pinball::MIN_GAP + 1e-6 * f64::abs(wanted),
            "{found}, wanted {wanted}"
        );
    }
}

/// By hand: levels ¼, ½, ¾; z = (0, 1, 0) has quantiles 1 - ln 2, 1, 1 + ln 2; target 1.
#[test]
fn pinball_by_hand() {
    let loss = Loss::Pinball(Pinball::new(&[0.25, 0.5, 0.75]));
    let mut slope = [0.0; 3];
    let found = loss.evaluate(&[0.0, 1.0, 0.0], &[1.0], Some(&mut slope));
    // e = ln 2, 0, -ln 2: losses ¼·ln 2, 0, ¼·ln 2.
    assert!((found - 2f64.ln() / 6.0).abs() < 1e-7, "{found}");
    // Slopes of the quantiles: -¼, -½, ¼; softplus'(0) = ½; the lower quantile falls with its z.
    for (found, wanted) in slope.iter().zip([0.125 / 3.0, -0.5 / 3.0, 0.125 / 3.0]) {
        assert!((found - wanted).abs() < 1e-7, "{slope:?}");
    }
}

#[test]
fn what_is_not_finite_is_named() {
    let net = architecture(3, 2, &[20, 5], 0.2, 2);
    for simd in supported() {
        for value in [f32::NAN, f32::INFINITY] {
            let mut network = network(&net, 1, simd, 3);
            let mut batch = batch(&net, 3, 2);
            batch.input_mut(1, 2)[0] = value;
            let error = network
                .train_batch(&batch, &Loss::Mse, 0)
                .unwrap_err()
                .to_string();
            assert_eq!(error, "the loss is not finite", "{}", simd.name());
            let mut out = [0.0; 6];
            network.predict(&batch, &mut out);
            assert!(
                out[4].is_nan() && out[0].is_finite(),
                "{value} in row 2 must show there, and only there: {out:?}"
            );
            assert!(network.evaluate_batch(&batch, &Loss::Mse).is_nan());
        }
    }
}

#[test]
fn exploding_training_is_an_error_and_saturated_training_is_not() {
    let net = architecture(3, 2, &[8], 0.0, 1);
    for simd in supported() {
        let mut network = network(&net, 1, simd, 4);
        let mut batch = batch(&net, 4, 1);
        for row in 0..4 {
            batch.input_mut(0, row).fill(1e30);
        }
        for step in 0..5 {
            network.train_batch(&batch, &Loss::Mse, step).unwrap();
            network.update(&Adam::default(), 0.01);
        }
        batch.target_mut(0)[0] = 1e30;
        let error = network.train_batch(&batch, &Loss::Mse, 5).unwrap_err();
        assert_eq!(error.what, "loss");
    }
}

#[test]
fn clipping_keeps_the_direction() {
    let net = architecture(3, 2, &[8], 0.0, 1);
    let batch = batch(&net, 4, 1);
    let mut network = network(&net, 1, senti_engine::Simd::detect(), 4);
    network.train_batch(&batch, &Loss::Mse, 0).unwrap();
    let by_hand = |network: &senti_engine::Network| -> f64 {
        network
            .gradients()
            .iter()
            .flat_map(|tensor| &tensor.values)
            .map(|&g| f64::from(g).powi(2))
            .sum::<f64>()
            .sqrt()
    };
    let (norm, before) = (by_hand(&network), network.gradients());
    assert!((f64::from(network.gradient_norm()) / norm - 1.0).abs() < 1e-6);
    network.clip_gradients(2.0 * norm as f32);
    assert_eq!(network.gradients(), before);
    network.clip_gradients(0.25 * norm as f32);
    assert!((by_hand(&network) / (0.25 * norm) - 1.0).abs() < 1e-6);
    assert!((network.gradients()[0].values[3] / before[0].values[3] - 0.25).abs() < 1e-6);
}
