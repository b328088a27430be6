//! The same bits: for any number of threads, any cut of the rows, AVX-512 and AVX2, and after taking up a state.

use senti_engine::{
    Adam, Architecture, Cell, Loss, Network, Options, Pinball, Simd, Team, Tensor, TensorError,
};

use crate::cases::{architecture, batch, fill, network, shake, supported};

fn bits(tensors: &[Tensor]) -> Vec<(&str, Vec<u32>)> {
    tensors
        .iter()
        .map(|tensor| {
            (
                tensor.name.as_str(),
                tensor.values.iter().map(|value| value.to_bits()).collect(),
            )
        })
        .collect()
}

fn train(
    network: &mut Network,
    batch: &senti_engine::Batch,
    loss: &Loss,
    steps: std::ops::Range<u64>,
) {
    for step in steps {
        network.train_batch(batch, loss, step).unwrap();
        network.clip_gradients(0.5);
        network.update(&Adam::default(), 0.01);
    }
}

#[test]
fn threads_change_nothing() {
    for (units, rows, loss) in [
        (vec![40, 24], 32, Loss::Mse),
        (vec![16], 75, Loss::Huber { delta: 0.4 }),
        (
            vec![5, 20, 3],
            3,
            Loss::Pinball(Pinball::new(&[0.1, 0.5, 0.9])),
        ),
    ] {
        let net = architecture(6, 5, &units, 0.3, 6);
        let batch = batch(&net, rows, 6 / loss.outputs_per_target());
        for simd in supported() {
            let states = [1, 2, 3, 4].map(|threads| {
                let mut network = network(&net, threads, simd, rows);
                train(&mut network, &batch, &loss, 0..5);
                network.state()
            });
            assert!(
                states.iter().all(|state| bits(state) == bits(&states[0])),
                "{}",
                simd.name()
            );
        }
    }
}

#[test]
fn fused_instruction_sets_agree_and_plain_is_close() {
    let net = architecture(7, 11, &[40, 21], 0.2, 6);
    let batch = batch(&net, 40, 6);
    let states: Vec<(Simd, Vec<Tensor>)> = supported()
        .map(|simd| {
            let mut network = network(&net, 2, simd, 40);
            train(&mut network, &batch, &Loss::Mse, 0..5);
            (simd, network.state())
        })
        .collect();
    for (simd, state) in &states {
        if *simd != Simd::Plain {
            assert_eq!(bits(state), bits(&states[0].1), "{}", simd.name());
        }
    }
    let (plain, first) = (&states[states.len() - 1].1, &states[0].1);
    for (found, wanted) in plain
        .iter()
        .zip(first)
        .filter(|(tensor, _)| !tensor.name.starts_with("adam"))
    {
        for (found, wanted) in found.values.iter().zip(&wanted.values) {
            assert!((found - wanted).abs() < 1e-4, "{found}, wanted {wanted}");
        }
    }
}

/// Every cell in both ways: weights that are absent from a GRU stay absent, a state comes back with the same bits.
#[test]
fn every_kind_of_layer_gives_the_same_bits() {
    for cell in [Cell::Lstm, Cell::Gru] {
        for bidirectional in [false, true] {
            let net = Architecture {
                cell,
                bidirectional,
                ..architecture(6, 5, &[20, 9], 0.3, 3)
            };
            let batch = batch(&net, 40, 3);
            let states: Vec<Vec<Tensor>> = supported()
                .filter(|simd| *simd != Simd::Plain)
                .flat_map(|simd| [1, 3].map(|threads| (simd, threads)))
                .map(|(simd, threads)| {
                    let mut whole = network(&net, threads, simd, 40);
                    train(&mut whole, &batch, &Loss::Mse, 0..4);
                    let mut halves = network(&net, 1, simd, 40);
                    train(&mut halves, &batch, &Loss::Mse, 0..2);
                    let state = halves.state();
                    halves.set_state(&state).unwrap();
                    train(&mut halves, &batch, &Loss::Mse, 2..4);
                    assert_eq!(bits(&halves.state()), bits(&whole.state()));
                    whole.state()
                })
                .collect();
            assert!(states.iter().all(|state| bits(state) == bits(&states[0])));
        }
    }
}

/// Several networks at once train as each alone.
#[test]
fn networks_side_by_side_change_nothing() {
    let net = architecture(5, 4, &[12], 0.2, 2);
    let batch = batch(&net, 9, 2);
    let alone = |seed: u64| {
        let options = Options {
            seed,
            threads: 1,
            simd: Simd::detect(),
            max_batch: 9,
        };
        Network::new(net.clone(), options)
    };
    let mut networks: Vec<Network> = (0..5).map(alone).collect();
    Team::new(3).rounds(6, &mut networks, |round, _, network| {
        let step = round as u64;
        train(network, &batch, &Loss::Mse, step..step + 1);
    });
    for (seed, together) in networks.iter().enumerate() {
        let mut network = alone(seed as u64);
        train(&mut network, &batch, &Loss::Mse, 0..6);
        assert_eq!(bits(&together.state()), bits(&network.state()));
    }
}

#[test]
fn a_forecast_does_not_depend_on_its_neighbours() {
    let net = architecture(5, 3, &[24, 16], 0.2, 4);
    for simd in supported() {
        let mut network = network(&net, 2, simd, 100);
        shake(&mut network);
        let mut all = vec![0.0; 100 * 4];
        let full = batch(&net, 100, 4);
        network.predict(&full, &mut all);
        for rows in [1, 2, 5, 6, 7, 33] {
            let mut part = senti_engine::Batch::new(rows, 5, 3, 4);
            for row in 0..rows {
                for step in 0..5 {
                    part.input_mut(step, row)
                        .copy_from_slice(full.input(step, row));
                }
            }
            let mut out = vec![0.0; rows * 4];
            network.predict(&part, &mut out);
            assert_eq!(out, all[..rows * 4], "{rows} rows with {}", simd.name());
        }
    }
}

#[test]
fn a_state_goes_on_with_the_same_bits() {
    let net = architecture(4, 3, &[20, 7], 0.4, 2);
    let batch = batch(&net, 9, 2);
    let mut whole = network(&net, 2, Simd::detect(), 9);
    train(&mut whole, &batch, &Loss::Mae, 0..6);
    let mut first = network(&net, 1, Simd::detect(), 9);
    train(&mut first, &batch, &Loss::Mae, 0..3);
    let mut second = network(&net, 1, Simd::detect(), 9);
    shake(&mut second);
    train(&mut second, &batch, &Loss::Mse, 90..92);
    second.set_state(&first.state()).unwrap();
    assert_eq!((second.iterations(), second.state()), (3, first.state()));
    train(&mut second, &batch, &Loss::Mae, 3..6);
    assert_eq!(bits(&second.state()), bits(&whole.state()));
    second.set_iterations(1 << 40 | 5);
    first.set_state(&second.state()).unwrap();
    assert_eq!(first.iterations(), 1 << 40 | 5);
}

#[test]
fn dropout_depends_on_the_step_and_the_seed_only() {
    let net = architecture(4, 3, &[20, 7], 0.4, 2);
    let batch = batch(&net, 9, 2);
    let mut network = network(&net, 1, Simd::detect(), 9);
    let first = network.train_batch(&batch, &Loss::Mse, 0).unwrap();
    let second = network.train_batch(&batch, &Loss::Mse, 1).unwrap();
    assert_ne!(first, second);
    assert_eq!(first, network.train_batch(&batch, &Loss::Mse, 0).unwrap());
}

#[test]
fn smaller_batches_after_larger_ones_see_nothing_of_them() {
    let net = architecture(4, 3, &[20, 7], 0.4, 2);
    let mut small = senti_engine::Batch::new(70, 4, 3, 2);
    let mut used = network(&net, 1, Simd::detect(), 70);
    fill(&mut small, 8);
    train(&mut used, &small, &Loss::Mse, 0..1);
    let mut fresh = network(&net, 1, Simd::detect(), 70);
    fresh.set_state(&used.state()).unwrap();
    small.resize(3);
    fill(&mut small, 9);
    train(&mut used, &small, &Loss::Mse, 1..3);
    train(&mut fresh, &small, &Loss::Mse, 1..3);
    assert_eq!(bits(&used.state()), bits(&fresh.state()));
}

#[test]
fn refused_tensors_change_nothing() {
    let net = architecture(4, 3, &[5], 0.0, 2);
    let mut network = network(&net, 1, Simd::Plain, 9);
    let before = network.state();
    let mut check = |state: &[Tensor], wanted: &str| {
        assert_eq!(network.set_state(state).unwrap_err().to_string(), wanted);
        assert_eq!(network.state(), before);
    };
    let altered = |name: &str, alter: &dyn Fn(&mut Tensor)| {
        let mut state = before.clone();
        state
            .iter_mut()
            .filter(|tensor| tensor.name == name)
            .for_each(alter);
        state
    };
    check(
        &before[1..],
        "tensor `bidirectional/forward/kernel` is missing",
    );
    check(
        &altered("dense/kernel", &|tensor| tensor.shape = vec![2, 10]),
        "tensor `dense/kernel` has shape [2, 10], the network wants [10, 2]",
    );
    check(
        &altered("adam/v/dense/bias", &|tensor| tensor.values.push(0.0)),
        "tensor `adam/v/dense/bias` has 3 values, its shape wants 2",
    );
    check(
        &altered("dense/bias", &|tensor| tensor.name.push('s')),
        "the network has no tensor `dense/biass`",
    );
    let error: TensorError = network.set_weights(&[]).unwrap_err();
    assert_eq!(
        error,
        TensorError::Missing {
            name: "bidirectional/forward/kernel".to_owned()
        }
    );
}
