//! Outputs, losses, gradients and three steps of Adam against PyTorch and Keras (`goldens/torch_steps.py`, `keras_steps.py`).

use senti_engine::{
    Adam, Architecture, Batch, Cell, Convention, Ema, Loss, Network, Pinball, Tensor,
};
use serde_json::Value;

use crate::cases::{network, supported};

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect()
}

fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// Relative to the largest of the tensor, so that numbers near zero do not ask for more digits than f32 has.
#[track_caller]
fn check_close(what: &str, found: &[f32], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let largest = wanted
        .iter()
        .fold(0.0f64, |largest, value| largest.max(value.abs()));
    for (at, (&found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (f64::from(found) - wanted).abs() <= tolerance * largest,
            "{what}[{at}] is {found}, wanted {wanted}"
        );
    }
}

fn check_tensors(what: &str, found: &[Tensor], wanted: &Value, tolerance: f64) {
    assert_eq!(found.len(), wanted.as_object().unwrap().len(), "{what}");
    for tensor in found {
        check_close(
            &format!("{what} {}", tensor.name),
            &tensor.values,
            &floats(&wanted[&tensor.name]),
            tolerance,
        );
    }
}

fn with_weights(network: &mut Network, values: &Value) {
    let mut weights = network.weights();
    for tensor in &mut weights {
        tensor.values = floats(&values[&tensor.name])
            .into_iter()
            .map(|value| value as f32)
            .collect();
    }
    network.set_weights(&weights).unwrap();
}

fn check(text: &str, convention: Convention) {
    let golden: Value = serde_json::from_str(text).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let levels: Vec<f32> = floats(&case["levels"])
            .into_iter()
            .map(|level| level as f32)
            .collect();
        let loss = match case["loss"].as_str().unwrap() {
            "mse" => Loss::Mse,
            "mae" => Loss::Mae,
            "huber" => Loss::Huber { delta: 0.5 },
            "student_t" => Loss::StudentT,
            _ => Loss::Pinball(Pinball::new(&levels)),
        };
        let net = Architecture {
            steps: count(&case["steps"]),
            features: count(&case["features"]),
            cell: match case["cell"].as_str().unwrap() {
                "gru" => Cell::Gru,
                _ => Cell::Lstm,
            },
            bidirectional: case["bidirectional"].as_bool().unwrap(),
            units: case["units"]
                .as_array()
                .unwrap()
                .iter()
                .map(count)
                .collect(),
            dropout: 0.0,
            outputs: count(&case["outputs"]),
        };
        let rows = count(&case["rows"]);
        let mut batch = Batch::new(
            rows,
            net.steps,
            net.features,
            net.outputs / loss.outputs_per_target(),
        );
        let (x, y) = (floats(&case["x"]), floats(&case["y"]));
        for row in 0..rows {
            for step in 0..net.steps {
                let values = &x[(row * net.steps + step) * net.features..];
                batch
                    .input_mut(step, row)
                    .iter_mut()
                    .zip(values)
                    .for_each(|(to, &value)| *to = value as f32);
            }
            let values = &y[row * batch.targets_per_row()..];
            batch
                .target_mut(row)
                .iter_mut()
                .zip(values)
                .for_each(|(to, &value)| *to = value as f32);
        }
        let adam = Adam {
            epsilon: case["epsilon"].as_f64().unwrap() as f32,
            convention,
            weight_decay: case["weight_decay"].as_f64().unwrap() as f32,
            ..Adam::default()
        };
        let learning_rate = case["learning_rate"].as_f64().unwrap() as f32;

        for simd in supported() {
            let what = format!("{} with {}:", case["name"], simd.name());
            let mut network = network(&net, 1, simd, rows);
            with_weights(&mut network, &case["weights"]);
            let mut answers = vec![0.0; rows * net.outputs];
            network.predict(&batch, &mut answers);
            check_close(
                &format!("{what} answers"),
                &answers,
                &floats(&case["answers"]),
                1e-5,
            );
            let mut ema = Ema::new(case["ema_momentum"].as_f64().unwrap_or(0.0) as f32);
            for step in 0..3 {
                let loss = network.train_batch(&batch, &loss, step).unwrap();
                if step == 0 {
                    check_close(
                        &format!("{what} loss"),
                        &[loss as f32],
                        &[case["loss_value"].as_f64().unwrap()],
                        1e-5,
                    );
                    check_tensors(
                        &format!("{what} gradient of"),
                        &network.gradients(),
                        &case["gradients"],
                        1e-5,
                    );
                }
                network.update(&adam, learning_rate);
                ema.observe(&network);
            }
            if case.get("weights_after").is_none() {
                continue;
            }
            check_tensors(
                &format!("{what} after three steps,"),
                &network.weights(),
                &case["weights_after"],
                1e-5,
            );
            if let Some(wanted) = case.get("ema_after") {
                let what = format!("{what} average of");
                check_tensors(&what, &ema.weights(&network), wanted, 1e-5);
                ema.swap(&mut network);
                check_tensors(&what, &network.weights(), wanted, 1e-5);
            }
        }
    }
}

#[test]
fn pytorch() {
    check(
        include_str!("../goldens/torch_steps.json"),
        Convention::PyTorch,
    );
}

#[test]
fn keras() {
    check(
        include_str!("../goldens/keras_steps.json"),
        Convention::Keras,
    );
}

/// The two conventions differ, so the tests above tell them apart.
#[test]
fn conventions_of_epsilon_differ() {
    let net = crate::cases::architecture(2, 1, &[2], 0.0, 1);
    let batch = crate::cases::batch(&net, 2, 1);
    let after = [Convention::Keras, Convention::PyTorch].map(|convention| {
        let mut network = network(&net, 1, senti_engine::Simd::Plain, 2);
        network.train_batch(&batch, &Loss::Mse, 0).unwrap();
        network.update(
            &Adam {
                epsilon: 1e-3,
                convention,
                ..Adam::default()
            },
            0.01,
        );
        network.weights()
    });
    assert_ne!(after[0], after[1]);
}
