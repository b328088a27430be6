//! The engine on a card against the engine of the processor: outputs, losses, gradients, three steps of Adam, states.
//!
//! `cargo test -p senti-engine --features cuda --test cuda -- --nocapture`. Where a library is missing, the tests say so and pass: they
//! prove something on a machine with an NVIDIA card only.

// A test may fail by panicking, in its helpers too.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[allow(dead_code)]
#[path = "it/cases.rs"]
mod cases;

use senti_engine::{
    Adam, Architecture, Batch, Convention, CudaError, CudaNetwork, Engine, Loss, Network, Options,
    Pinball, Simd, Tensor,
};

/// The engines add up in different orders: some 1e-6 of the largest number of a tensor. A wrong place or gate is wrong by 1e-1.
const TOLERANCE: f64 = 1e-4;

fn options(max_batch: usize) -> Options {
    Options {
        seed: 5,
        threads: 2,
        simd: Simd::detect(),
        max_batch,
    }
}

/// Both engines with the same weights, or `None` where there is nothing to run on.
fn pair(net: &Architecture, max_batch: usize) -> Option<[Box<dyn Engine>; 2]> {
    let mut processor = Network::new(net.clone(), options(max_batch));
    cases::shake(&mut processor);
    match CudaNetwork::with_weights(net.clone(), options(max_batch), &processor.weights()) {
        Ok(card) => Some([Box::new(processor), Box::new(card)]),
        Err(error @ CudaError::Missing { .. }) => {
            let missing_driver = error.to_string().contains("NVIDIA driver");
            let what = if missing_driver {
                "no CUDA driver"
            } else {
                "no CUDA library"
            };
            println!("skipped: {what} ({error})");
            None
        }
        Err(error) => panic!("there is a driver, but {error}"),
    }
}

#[track_caller]
fn check_close(what: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    let largest = wanted
        .iter()
        .fold(0.0f32, |most, value| most.max(value.abs()));
    for (at, (&found, &wanted)) in found.iter().zip(wanted).enumerate() {
        let error = (f64::from(found) - f64::from(wanted)).abs();
        assert!(
            error <= TOLERANCE * f64::from(largest),
            "{what}[{at}] is {found} on the card, {wanted} on the processor"
        );
    }
}

#[track_caller]
fn check_tensors(what: &str, found: &[Tensor], wanted: &[Tensor]) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let what = format!("{what} {}", wanted.name);
        assert_eq!(
            (&found.name, &found.shape),
            (&wanted.name, &wanted.shape),
            "{what}"
        );
        check_close(&what, &found.values, &wanted.values);
    }
}

fn outputs(engine: &mut dyn Engine, batch: &Batch) -> Vec<f32> {
    let mut out = vec![0.0; batch.len() * engine.architecture().outputs];
    engine.predict(batch, &mut out);
    out
}

/// `rows` of each batch in turn; the largest decides the memory.
fn check(net: &Architecture, rows: &[usize], loss: &Loss, adam: Adam) {
    let largest = rows.iter().copied().max().unwrap();
    let Some([mut processor, mut card]) = pair(net, largest) else {
        return;
    };
    check_tensors("weights", &card.weights(), &processor.weights());
    let targets = net.outputs / loss.outputs_per_target();
    for (step, &rows) in rows.iter().enumerate() {
        let batch = cases::batch(net, rows, targets);
        let what = format!("{net:?}, {rows} rows, step {step}:");
        let [on_processor, on_card] =
            [&mut processor, &mut card].map(|engine| outputs(engine.as_mut(), &batch));
        check_close(&format!("{what} outputs"), &on_card, &on_processor);
        let [wanted, found] =
            [&mut processor, &mut card].map(|engine| engine.evaluate_batch(&batch, loss) as f32);
        check_close(&format!("{what} loss"), &[found], &[wanted]);
        // With dropout: the masks are the same, or the losses are not.
        let [wanted, found] = [&mut processor, &mut card]
            .map(|engine| engine.train_batch(&batch, loss, step as u64).unwrap() as f32);
        check_close(&format!("{what} loss in training"), &[found], &[wanted]);
        let gradients = (card.gradients(), processor.gradients());
        check_tensors(&format!("{what} gradient of"), &gradients.0, &gradients.1);
        for engine in [&mut processor, &mut card] {
            engine.clip_gradients(0.1);
        }
        let gradients = (card.gradients(), processor.gradients());
        check_tensors(
            &format!("{what} clipped gradient of"),
            &gradients.0,
            &gradients.1,
        );
        for engine in [&mut processor, &mut card] {
            engine.update(&adam, 1e-3);
        }
        check_tensors(
            &format!("{what} after it,"),
            &card.weights(),
            &processor.weights(),
        );
    }
    // A state goes from the one to the other and back.
    let state = card.state();
    processor.set_state(&state).unwrap();
    assert_eq!(processor.state(), state);
    card.set_state(&processor.state()).unwrap();
    assert_eq!(card.state(), state);
}

fn quantiles() -> Loss {
    Loss::Pinball(Pinball::new(&[0.1, 0.5, 0.9]))
}

#[test]
fn one_layer_without_dropout() {
    let net = cases::architecture(4, 3, &[5], 0.0, 2);
    check(&net, &[3, 3, 3], &Loss::Mse, Adam::default());
}

#[test]
fn one_unit_one_step_one_row() {
    let net = cases::architecture(1, 1, &[1], 0.0, 1);
    check(&net, &[1, 1, 1], &Loss::Mse, Adam::default());
}

#[test]
fn odd_shapes_and_batches_of_several_sizes() {
    let net = cases::architecture(7, 11, &[40, 21, 3], 0.0, 6);
    check(&net, &[75, 1, 33], &quantiles(), Adam::default());
}

#[test]
fn dropout_draws_the_same_masks() {
    let net = cases::architecture(6, 5, &[5, 20], 0.3, 6);
    let adam = Adam {
        convention: Convention::PyTorch,
        ..Adam::default()
    };
    check(&net, &[75, 32, 3], &Loss::Huber { delta: 0.4 }, adam);
}

#[test]
fn the_reference_work() {
    let net = cases::architecture(30, 16, &[128, 64], 0.2, 30);
    check(&net, &[32, 32, 32], &Loss::Mse, Adam::default());
}

#[test]
fn what_is_not_finite_is_named() {
    let net = cases::architecture(3, 2, &[4], 0.0, 1);
    let Some([_, mut card]) = pair(&net, 2) else {
        return;
    };
    let mut batch = cases::batch(&net, 2, 1);
    batch.target_mut(0)[0] = f32::INFINITY;
    let error = card.train_batch(&batch, &Loss::Mse, 0).unwrap_err();
    assert_eq!(error.what, "loss");
}

#[test]
fn the_first_answer_is_the_bias_that_was_set() {
    let net = cases::architecture(3, 2, &[4], 0.0, 2);
    let Some([_, mut card]) = pair(&net, 2) else {
        return;
    };
    card.set_output_layer(&[0.25, -4.0]);
    let answers = outputs(card.as_mut(), &cases::batch(&net, 2, 2));
    assert_eq!(answers, [0.25, -4.0, 0.25, -4.0]);
}

#[test]
fn a_network_of_a_card_that_is_not_there_is_an_error_that_helps() {
    let net = cases::architecture(3, 2, &[4], 0.0, 2);
    if let Err(error) = CudaNetwork::new(net, options(2)) {
        let error = error.to_string();
        let helps = ["install", "the card did not"];
        assert!(helps.iter().any(|words| error.contains(words)), "{error}");
    }
}
