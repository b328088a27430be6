//! The engine on an NVIDIA card beside that of the processor: seconds per training step, and how far the numbers are apart.
//!
//! `cargo run --release -p senti-engine --features cuda --example cuda`. First the reference work (30 × 16, units 128 and 64, dropout 0.2,
//! batch 32), then units 2048 and 1024. Both engines start from the same weights; what is printed as apart is relative to the largest
//! number of a tensor.
#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::time::Instant;

use senti_engine::random::{Purpose, Stream};
use senti_engine::{
    Adam, Architecture, Batch, Cell, CudaError, CudaNetwork, Engine, Loss, Network, Options, Simd,
    Tensor,
};

const BATCH: usize = 32;

/// Work to be done: units of the layers, and steps that are compared and timed on each engine.
struct Work {
    units: [usize; 2],
    compared: u64,
    timed: u64,
}

const WORKS: [Work; 2] = [
    Work {
        units: [128, 64],
        compared: 20,
        timed: 750,
    },
    Work {
        units: [2048, 1024],
        compared: 2,
        timed: 50,
    },
];

/// Uniform weights: orthogonal ones would take minutes for the large network.
fn drawn(net: &Architecture) -> Vec<Tensor> {
    let mut shapes = Vec::new();
    let mut width = net.features;
    for (layer, &units) in net.units.iter().enumerate() {
        let number = if layer == 0 {
            String::new()
        } else {
            format!("_{layer}")
        };
        for direction in ["forward", "backward"] {
            let name = format!("bidirectional{number}/{direction}");
            shapes.push((format!("{name}/kernel"), vec![width, 4 * units]));
            shapes.push((format!("{name}/recurrent_kernel"), vec![units, 4 * units]));
            shapes.push((format!("{name}/bias"), vec![4 * units]));
        }
        width = 2 * units;
    }
    shapes.push(("dense/kernel".to_owned(), vec![width, net.outputs]));
    shapes.push(("dense/bias".to_owned(), vec![net.outputs]));
    let tensors = shapes
        .into_iter()
        .enumerate()
        .map(|(index, (name, shape))| {
            let mut generator = Stream::new(1, Purpose::Initialisation).at(index as u64);
            let limit = 1.0 / (shape[0] as f64).sqrt();
            let values = (0..shape.iter().product::<usize>())
                .map(|_| (limit * (2.0 * generator.uniform() - 1.0)) as f32)
                .collect();
            Tensor {
                name,
                shape,
                values,
            }
        });
    tensors.collect()
}

fn batch(net: &Architecture) -> Batch {
    let mut batch = Batch::new(BATCH, net.steps, net.features, net.outputs);
    for row in 0..BATCH {
        for step in 0..net.steps {
            for (feature, value) in batch.input_mut(step, row).iter_mut().enumerate() {
                *value = ((row * 31 + step * 17 + feature * 7) as f32 * 0.37).sin();
            }
        }
        batch.target_mut(row).fill((row as f32 * 0.3).cos());
    }
    batch
}

/// Seconds of a training step.
fn train(engine: &mut dyn Engine, batch: &Batch, steps: std::ops::Range<u64>) -> f64 {
    let (start, n) = (Instant::now(), (steps.end - steps.start) as f64);
    for step in steps {
        engine
            .train_batch(batch, &Loss::Mse, step)
            .expect("this work does not explode");
        engine.update(&Adam::default(), 1e-4);
    }
    // Asking for numbers waits for the card.
    engine.evaluate_batch(batch, &Loss::Mse);
    start.elapsed().as_secs_f64() / n
}

/// The largest difference, relative to the largest number of its tensor, and that tensor.
fn apart(found: &[Tensor], wanted: &[Tensor]) -> (f32, String) {
    let mut worst = (0.0, String::new());
    for (found, wanted) in found.iter().zip(wanted) {
        let largest = |values: &mut dyn Iterator<Item = f32>| values.fold(0.0, f32::max);
        let differences = found.values.iter().zip(&wanted.values);
        let difference = largest(&mut differences.map(|(found, wanted)| (found - wanted).abs()));
        let relative = difference / largest(&mut wanted.values.iter().map(|value| value.abs()));
        if relative > worst.0 || relative.is_nan() {
            worst = (relative, wanted.name.clone());
        }
    }
    worst
}

fn run(work: &Work) -> Result<(), CudaError> {
    let net = Architecture {
        steps: 30,
        features: 16,
        cell: Cell::Lstm,
        bidirectional: true,
        units: work.units.to_vec(),
        dropout: 0.2,
        outputs: 30,
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let options = Options {
        seed: 1,
        threads,
        simd: Simd::detect(),
        max_batch: BATCH,
    };
    let (weights, batch) = (drawn(&net), batch(&net));
    // The card first: where there is none, nobody waits for the processor.
    let mut card = CudaNetwork::with_weights(net.clone(), options.clone(), &weights)?;
    let mut processor = Network::with_weights(net.clone(), options, &weights)?;
    println!("units {:?}, {} parameters", net.units, net.n_parameters());

    let mut losses = (0.0, 0.0);
    for step in 0..work.compared {
        losses = (
            card.train_batch(&batch, &Loss::Mse, step)
                .expect("this work does not explode"),
            processor
                .train_batch(&batch, &Loss::Mse, step)
                .expect("this work does not explode"),
        );
        if step == 0 {
            let (worst, tensor) = apart(&card.gradients(), &processor.gradients());
            println!("  first gradients {worst:.1e} apart, at worst in {tensor}");
        }
        card.update(&Adam::default(), 1e-4);
        Engine::update(&mut processor, &Adam::default(), 1e-4);
    }
    let (worst, tensor) = apart(&card.weights(), &processor.weights());
    println!(
        "  after {} steps: losses {} and {}, weights {worst:.1e} apart, at worst in {tensor}",
        work.compared, losses.0, losses.1
    );
    let on_processor = train(&mut processor, &batch, 100..100 + work.compared);
    let on_card = train(&mut card, &batch, 100..100 + work.timed);
    println!(
        "  a step takes {:.3} ms on the card, {:.1} ms on {threads} threads of the processor",
        1e3 * on_card,
        1e3 * on_processor
    );
    Ok(())
}

fn main() -> ExitCode {
    for work in &WORKS {
        if let Err(error) = run(work) {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
