//! Loss, outputs and gradients against the textbook's, for every instruction set, odd shapes, all losses, with dropout.

use senti_engine::{Architecture, Cell, Loss, Pinball, Simd};

use crate::cases::{architecture, batch, network, shake, supported};
use crate::reference::{self, Masks};

/// Gradients of f32 sums of up to some thousand products: errors of a few 1e-7 of the largest gradient of the tensor.
const TOLERANCE: f64 = 2e-6;

#[track_caller]
fn check(net: &Architecture, rows: usize, loss: &Loss) {
    let batch = batch(net, rows, net.outputs / loss.outputs_per_target());
    let masks = Masks {
        seed: 5,
        step: 1 << 33 | 77,
    };
    let dropped = (net.dropout > 0.0).then_some(&masks);

    let mut plain = network(net, 1, Simd::Plain, rows);
    shake(&mut plain);
    let tensors = plain.weights();
    let mut weights = reference::widen(&tensors);
    let outputs = reference::forward(net, &weights, &batch, None);
    let value = reference::loss(loss, &outputs, &batch);
    let training = reference::forward(net, &weights, &batch, dropped);
    let training_value = reference::loss(loss, &training, &batch);
    // Tensor, element and slope of a few elements of every tensor.
    let mut slopes = Vec::new();
    for (index, tensor) in tensors.iter().enumerate() {
        let n = tensor.values.len();
        for sample in 0..n.min(10) {
            let element = if n <= 10 {
                sample
            } else {
                (sample * 7919 + 13) % n
            };
            let slope = reference::slope(net, &mut weights, &batch, loss, dropped, index, element);
            slopes.push((index, element, slope));
        }
    }

    for simd in supported() {
        for threads in [1, 3] {
            let name = simd.name();
            let mut network = network(net, threads, simd, rows);
            network.set_weights(&tensors).unwrap();

            let mut found = vec![0.0; rows * net.outputs];
            network.predict(&batch, &mut found);
            for (found, wanted) in found.iter().zip(outputs.iter().flatten()) {
                let error = (f64::from(*found) - wanted).abs();
                assert!(
                    error < 1e-5 * wanted.abs().max(1.0),
                    "{name}: output {found}, wanted {wanted}"
                );
            }
            let found = network.evaluate_batch(&batch, loss);
            assert!(
                (found - value).abs() < 1e-5 * value,
                "{name}: loss {found}, wanted {value}"
            );
            let (found, wanted) = (
                network.train_batch(&batch, loss, masks.step).unwrap(),
                training_value,
            );
            assert!(
                (found - wanted).abs() < 1e-5 * wanted,
                "{name}: training loss {found}, wanted {wanted}"
            );

            let gradients = network.gradients();
            for (gradient, tensor) in gradients.iter().zip(&tensors) {
                assert_eq!(
                    (&gradient.name, &gradient.shape),
                    (&tensor.name, &tensor.shape)
                );
            }
            for &(index, element, wanted) in &slopes {
                let gradient = &gradients[index];
                let largest = gradient
                    .values
                    .iter()
                    .fold(0.0f32, |largest, value| largest.max(value.abs()));
                // With one step there is no state before it.
                let has_none = net.steps == 1 && gradient.name.ends_with("recurrent_kernel");
                assert_eq!(
                    largest == 0.0,
                    has_none,
                    "{} has a gradient of up to {largest}",
                    gradient.name
                );
                let found = gradient.values[element];
                let error = (f64::from(found) - wanted).abs();
                let limit = if has_none {
                    1e-9
                } else {
                    TOLERANCE * f64::from(largest)
                };
                assert!(
                    error < limit,
                    "{name} {rows} rows: {}[{element}] is {found}, wanted {wanted}",
                    gradient.name
                );
            }
        }
    }
}

#[test]
fn one_layer_of_one_unit_and_one_row() {
    check(&architecture(1, 1, &[1], 0.0, 1), 1, &Loss::Mse);
}

#[test]
fn two_layers_with_dropout() {
    check(&architecture(5, 3, &[20, 7], 0.2, 2), 7, &Loss::Mse);
}

#[test]
fn three_layers_mean_absolute_error() {
    check(&architecture(4, 40, &[16, 33, 5], 0.5, 3), 13, &Loss::Mae);
}

#[test]
fn wide_first_layer_narrow_second() {
    check(
        &architecture(6, 16, &[80, 16], 0.0, 5),
        6,
        &Loss::Huber { delta: 0.7 },
    );
}

#[test]
fn two_blocks_of_rows() {
    check(&architecture(3, 2, &[17, 32], 0.3, 4), 33, &Loss::Mse);
}

#[test]
fn three_blocks_of_rows_and_many_steps() {
    check(&architecture(9, 1, &[4], 0.1, 1), 70, &Loss::Mae);
}

#[test]
fn quantiles_wider_than_a_panel() {
    let levels: Vec<f32> = (1..20).map(|k| k as f32 / 20.0).collect();
    check(
        &architecture(4, 5, &[18, 9], 0.2, 19 * 4),
        5,
        &Loss::Pinball(Pinball::new(&levels)),
    );
}

#[test]
fn a_median_that_learns_slowly() {
    check(
        &architecture(3, 4, &[6], 0.0, 3 * 2),
        7,
        &Loss::Pinball(Pinball::new(&[0.1, 0.5, 0.9]).with_location_rate(0.25)),
    );
}

#[test]
fn one_quantile_is_half_the_absolute_error() {
    check(
        &architecture(2, 2, &[3], 0.0, 2),
        4,
        &Loss::Pinball(Pinball::new(&[0.5])),
    );
}

#[test]
fn every_number_of_rows() {
    for rows in 1..=12 {
        check(&architecture(3, 2, &[5, 3], 0.0, 1), rows, &Loss::Mse);
    }
}

#[test]
fn students_t() {
    check(&architecture(3, 4, &[6], 0.0, 3 * 2), 7, &Loss::StudentT);
}

/// One direction, layers of every width that the tiles cut differently.
#[test]
fn one_direction() {
    let net = Architecture {
        bidirectional: false,
        ..architecture(5, 3, &[20, 7, 33], 0.2, 2)
    };
    check(&net, 13, &Loss::Mse);
}

#[test]
fn gated_recurrent_units() {
    for (units, bidirectional, rows) in [
        (vec![1], false, 1),
        (vec![20, 7], true, 7),
        (vec![17, 32], true, 34),
        (vec![5, 40, 3], false, 6),
    ] {
        let net = Architecture {
            cell: Cell::Gru,
            bidirectional,
            ..architecture(5, 3, &units, 0.2, 2)
        };
        check(&net, rows, &Loss::Mse);
    }
}
