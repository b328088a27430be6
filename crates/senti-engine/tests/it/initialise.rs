//! Fresh weights: Keras's distributions, and the untrained answer.

use senti_engine::Simd;
use serde_json::Value;

use crate::cases::{architecture, batch, network};

#[test]
fn as_keras_does() {
    // What Keras's own fresh layer looked like: the facts that the checks below repeat for ours.
    let golden: Value = serde_json::from_str(include_str!("../goldens/keras_steps.json")).unwrap();
    let facts = &golden["initialisers"];
    assert_eq!(
        (
            facts["recurrent_rows_are_orthonormal"].as_bool(),
            facts["recurrent_blocks_are_orthonormal"].as_bool()
        ),
        (Some(true), Some(false))
    );
    let bias: Vec<f64> = facts["bias"]
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect();
    assert_eq!(bias, [[0.0; 8], [1.0; 8], [0.0; 8], [0.0; 8]].concat());

    let net = architecture(3, 16, &[40, 12], 0.0, 5);
    let network = network(&net, 1, Simd::Plain, 1);
    for tensor in network.weights() {
        let units = tensor.shape[tensor.shape.len() - 1] / 4;
        let values: Vec<f64> = tensor
            .values
            .iter()
            .map(|&value| f64::from(value))
            .collect();
        if tensor.name.ends_with("recurrent_kernel") {
            for a in 0..units {
                for b in 0..=a {
                    let product: f64 = (0..4 * units)
                        .map(|k| values[a * 4 * units + k] * values[b * 4 * units + k])
                        .sum();
                    assert!(
                        (product - f64::from(u8::from(a == b))).abs() < 1e-6,
                        "{}: rows {a} and {b}: {product}",
                        tensor.name
                    );
                }
            }
        } else if tensor.name.ends_with("kernel") {
            let limit = (6.0 / (tensor.shape[0] + tensor.shape[1]) as f64).sqrt();
            let n = values.len() as f64;
            let (mean, square) = (
                values.iter().sum::<f64>() / n,
                values.iter().map(|value| value * value).sum::<f64>() / n,
            );
            let largest = values
                .iter()
                .fold(0.0f64, |largest, value| largest.max(value.abs()));
            assert!(
                largest <= limit && largest > 0.95 * limit,
                "{}: largest {largest} of {limit}",
                tensor.name
            );
            // Five standard errors of a uniform distribution's mean and mean square.
            assert!(
                mean.abs() < 5.0 * limit / (3.0 * n).sqrt(),
                "{}: mean {mean}",
                tensor.name
            );
            assert!(
                (square / (limit * limit / 3.0) - 1.0).abs() < 5.0 * 0.9 / n.sqrt(),
                "{}: square {square}",
                tensor.name
            );
        } else if tensor.name == "dense/bias" {
            assert!(values.iter().all(|&value| value == 0.0));
        } else {
            let wanted: Vec<f64> = (0..4 * units)
                .map(|k| f64::from(u8::from(k / units == 1)))
                .collect();
            assert_eq!(values, wanted, "{}", tensor.name);
        }
    }
}

#[test]
fn tensors_have_keras_names_and_shapes() {
    let net = architecture(3, 16, &[128, 64], 0.0, 30);
    let network = network(&net, 1, Simd::Plain, 1);
    let found: Vec<String> = network
        .weights()
        .iter()
        .map(|tensor| format!("{} {:?}", tensor.name, tensor.shape))
        .collect();
    assert_eq!(
        found,
        [
            "bidirectional/forward/kernel [16, 512]",
            "bidirectional/forward/recurrent_kernel [128, 512]",
            "bidirectional/forward/bias [512]",
            "bidirectional/backward/kernel [16, 512]",
            "bidirectional/backward/recurrent_kernel [128, 512]",
            "bidirectional/backward/bias [512]",
            "bidirectional_1/forward/kernel [256, 256]",
            "bidirectional_1/forward/recurrent_kernel [64, 256]",
            "bidirectional_1/forward/bias [256]",
            "bidirectional_1/backward/kernel [256, 256]",
            "bidirectional_1/backward/recurrent_kernel [64, 256]",
            "bidirectional_1/backward/bias [256]",
            "dense/kernel [128, 30]",
            "dense/bias [30]",
        ]
    );
    assert_eq!(
        net.n_parameters(),
        network
            .weights()
            .iter()
            .map(|tensor| tensor.values.len())
            .sum::<usize>()
    );
}

#[test]
fn output_layer_is_the_untrained_answer() {
    let net = architecture(3, 2, &[20], 0.0, 70);
    let mut network = network(&net, 1, Simd::detect(), 4);
    let bias: Vec<f32> = (0..70).map(|k| k as f32 - 3.5).collect();
    network.set_output_layer(&bias);
    let mut out = vec![0.0; 4 * 70];
    network.predict(&batch(&net, 4, 70), &mut out);
    assert!(out.chunks(70).all(|out| out == bias));
}
