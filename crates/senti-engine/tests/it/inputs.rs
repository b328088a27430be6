//! Gradients with respect to the data, against central differences of the textbook's forward pass.

use senti_engine::{Architecture, Batch, Cell, Loss, Pinball, Simd};

use crate::cases::{architecture, batch, network, shake, supported};
use crate::reference;

/// Weight of output `k` in the number that is explained: another one for each.
fn weight(k: usize) -> f32 {
    1.0 - 0.25 * (k % 7) as f32
}

/// The number of a row, by the textbook.
fn number(
    net: &Architecture,
    weights: &reference::Weights,
    head: Option<&Pinball>,
    batch: &Batch,
    row: usize,
) -> f64 {
    let outputs = &reference::forward(net, weights, batch, None)[row];
    let values: Vec<f64> = match head {
        None => outputs.clone(),
        Some(head) => outputs
            .chunks(head.levels().len())
            .flat_map(|z| {
                let mut z = z.to_vec();
                z[head.levels().len() / 2] *= f64::from(head.location_rate());
                reference::quantiles(&z)
            })
            .collect(),
    };
    let terms = values.iter().enumerate();
    terms.map(|(k, value)| f64::from(weight(k)) * value).sum()
}

/// Central differences in steps that single precision can take, once extrapolated (Richardson): the error left is O(h⁴).
fn slope(
    batch: &mut Batch,
    (step, row, feature): (usize, usize, usize),
    of: impl Fn(&Batch) -> f64,
) -> f64 {
    let value = batch.input(step, row)[feature];
    let mut central = |h: f32| {
        let (high, low) = (value + h, value - h);
        batch.input_mut(step, row)[feature] = high;
        let above = of(batch);
        batch.input_mut(step, row)[feature] = low;
        let below = of(batch);
        batch.input_mut(step, row)[feature] = value;
        (above - below) / (f64::from(high) - f64::from(low))
    };
    let (wide, narrow) = (central(1.0 / 128.0), central(1.0 / 256.0));
    (4.0 * narrow - wide) / 3.0
}

#[track_caller]
fn check(net: &Architecture, rows: usize, head: Option<&Pinball>) {
    let mut batch = batch(net, rows, 1);
    let mut plain = network(net, 1, Simd::Plain, rows);
    shake(&mut plain);
    let tensors = plain.weights();
    let weights = reference::widen(&tensors);
    let mut wanted = Vec::new();
    for sample in 0..12 {
        let at = (
            (sample * 5 + 1) % net.steps,
            (sample * 7) % rows,
            (sample * 3 + 2) % net.features,
        );
        let of = |batch: &Batch| number(net, &weights, head, batch, at.1);
        wanted.push((at, slope(&mut batch, at, of)));
    }
    for simd in supported() {
        for threads in [1, 3] {
            let mut network = network(net, threads, simd, rows);
            network.set_weights(&tensors).unwrap();
            let mut found = vec![0.0; rows * net.steps * net.features];
            network.input_gradients(
                &batch,
                &mut |raw, slopes| match head {
                    None => {
                        let slopes = slopes.chunks_exact_mut(net.outputs);
                        slopes.for_each(|row| {
                            row.iter_mut()
                                .enumerate()
                                .for_each(|(k, slope)| *slope = weight(k));
                        });
                    }
                    Some(head) => {
                        let by_quantile: Vec<f32> =
                            (0..raw.len()).map(|k| weight(k % net.outputs)).collect();
                        head.raw_slopes(raw, &by_quantile, slopes);
                    }
                },
                &mut found,
            );
            let largest = found.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            assert!(largest > 1e-3, "no gradient at all");
            for ((step, row, feature), wanted) in &wanted {
                let found = found[(row * net.steps + step) * net.features + feature];
                let error = (f64::from(found) - wanted).abs();
                // As the gradients of the weights: f32 sums of up to some thousand products.
                assert!(
                    error < 5e-6 * f64::from(largest),
                    "{} {threads}: step {step} row {row} feature {feature} is {found}, wanted {wanted}, largest {largest}",
                    simd.name()
                );
            }
        }
    }
}

#[test]
fn one_layer_and_one_row() {
    check(&architecture(1, 1, &[1], 0.0, 1), 1, None);
}

#[test]
fn two_layers_and_fewer_features_than_a_register() {
    check(&architecture(5, 3, &[20, 7], 0.0, 2), 7, None);
}

#[test]
fn more_features_than_a_panel_and_two_blocks_of_rows() {
    check(&architecture(4, 70, &[17, 32], 0.0, 3), 37, None);
}

#[test]
fn dropout_is_for_training_only() {
    check(&architecture(5, 16, &[16, 8], 0.5, 2), 6, None);
}

#[test]
fn one_direction_and_gated_units() {
    let net = Architecture {
        bidirectional: false,
        cell: Cell::Gru,
        ..architecture(6, 5, &[9, 4], 0.0, 2)
    };
    check(&net, 8, None);
}

#[test]
fn through_quantiles_that_cannot_cross() {
    let head = Pinball::new(&[0.1, 0.3, 0.5, 0.7, 0.9]).with_location_rate(0.25);
    check(&architecture(4, 6, &[12], 0.0, 10), 9, Some(&head));
}

/// An explanation between two batches of a training leaves no trace.
#[test]
fn gradients_of_the_weights_and_the_training_stay_as_they_are() {
    let net = architecture(4, 3, &[8, 4], 0.2, 2);
    let batch = batch(&net, 5, 2);
    let train = |explain: bool| {
        let mut network = network(&net, 1, Simd::detect(), 5);
        for step in 0..3 {
            network.train_batch(&batch, &Loss::Mse, step).unwrap();
            if explain {
                let before = network.gradients();
                let mut out = vec![0.0; 5 * 4 * 3];
                network.input_gradients(&batch, &mut |_, slopes| slopes.fill(1.0), &mut out);
                assert_eq!(network.gradients(), before);
            }
            network.update(&senti_engine::Adam::default(), 0.01);
        }
        network.weights()
    };
    assert_eq!(train(false), train(true));
}
