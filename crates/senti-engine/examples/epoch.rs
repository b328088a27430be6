//! Times the reference work: 2400 windows of 30 × 16, bidirectional LSTM 128 and 64, dropout 0.2, dense 30, batch 32, Adam, MSE.
//!
//! `cargo run --release -p senti-engine --example epoch [-- SIMD EPOCHS T F UNITS,UNITS]`. Prints seconds per epoch (minimum and median)
//! for one and two threads, interleaved, beside the machine's measured peak of fused multiply-adds.
#![allow(clippy::print_stdout)]

use std::time::Instant;

use senti_engine::{Adam, Architecture, Batch, Cell, Loss, Network, Options, Simd};

const WINDOWS: usize = 2400;
const BATCH: usize = 32;

/// Floating-point operations of one epoch: 2 for each weight, step and row, forward once, and backward twice but for
/// the gradient of the data.
fn operations(net: &Architecture) -> f64 {
    let (mut sum, mut width) = (0, net.features);
    for (layer, &units) in net.units.iter().enumerate() {
        let (kernel, recurrent) = (2 * width * 4 * units, 2 * units * 4 * units);
        sum += net.steps * (kernel * if layer == 0 { 2 } else { 3 } + recurrent * 3);
        width = 2 * units;
    }
    2.0 * (sum + 3 * width * net.outputs) as f64 * WINDOWS as f64
}

fn epoch(network: &mut Network, batch: &Batch, epoch: u64) -> f64 {
    let start = Instant::now();
    for step in 0..(WINDOWS / BATCH) as u64 {
        network
            .train_batch(batch, &Loss::Mse, epoch * 75 + step)
            .expect("the reference work does not explode");
        network.update(&Adam::default(), 1e-3);
    }
    start.elapsed().as_secs_f64()
}

fn predict(network: &mut Network, batch: &Batch, out: &mut [f32], times: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        network.predict(batch, out);
    }
    start.elapsed().as_secs_f64() / times as f64
}

/// Floating-point operations a second of `threads` threads that do nothing but multiply and add.
fn peak(simd: Simd, threads: usize) -> f64 {
    let start = Instant::now();
    let operations: f64 = std::thread::scope(|scope| {
        let spin = || senti_engine::peak::fused_multiply_adds(simd, 3_000_000);
        let spins: Vec<_> = (0..threads).map(|_| scope.spawn(spin)).collect();
        spins
            .into_iter()
            .map(|spin| spin.join().expect("spinning does not panic"))
            .sum()
    });
    operations / start.elapsed().as_secs_f64()
}

fn fill(batch: &mut Batch) {
    for row in 0..batch.len() {
        for step in 0..batch.steps() {
            for (feature, value) in batch.input_mut(step, row).iter_mut().enumerate() {
                *value = ((row * 31 + step * 17 + feature * 7) as f32 * 0.37).sin();
            }
        }
        batch.target_mut(row).fill((row as f32 * 0.3).cos());
    }
}

fn summary(times: &mut [f64]) -> (f64, f64) {
    times.sort_by(f64::total_cmp);
    (times[0], times[times.len() / 2])
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let simd = arguments.next().map_or(Simd::detect(), |name| {
        Simd::parse(&name).expect("avx512, avx2, neon or plain")
    });
    let mut number = |default: usize| {
        arguments
            .next()
            .map_or(default, |text| text.parse().expect("a number"))
    };
    let (epochs, steps, features) = (number(7), number(30), number(16));
    let units = arguments.next().map_or(vec![128, 64], |text| {
        text.split(',')
            .map(|units| units.parse().expect("a number"))
            .collect()
    });
    let net = Architecture {
        steps,
        features,
        cell: Cell::Lstm,
        bidirectional: true,
        units,
        dropout: 0.2,
        outputs: 30,
    };
    let mut batch = Batch::new(BATCH, net.steps, net.features, net.outputs);
    fill(&mut batch);
    let mut large = Batch::new(512, net.steps, net.features, net.outputs);
    fill(&mut large);
    let mut one = Batch::new(1, net.steps, net.features, net.outputs);
    fill(&mut one);
    let mut out = vec![0.0; 512 * net.outputs];

    let mut networks = [1, 2].map(|threads| {
        Network::new(
            net.clone(),
            Options {
                seed: 1,
                threads,
                simd,
                max_batch: 512,
            },
        )
    });
    let (mut times, mut peaks) = ([vec![], vec![]], [vec![], vec![]]);
    let (mut singles, mut larges) = ([vec![], vec![]], [vec![], vec![]]);
    for index in 0..=epochs {
        for (which, network) in networks.iter_mut().enumerate() {
            let seconds = epoch(network, &batch, index as u64);
            let single = predict(network, &one, &mut out[..net.outputs], 50);
            let many = predict(network, &large, &mut out, 2);
            // The first epoch touches the memory and is not counted.
            if index > 0 {
                times[which].push(seconds);
                singles[which].push(single);
                larges[which].push(many);
                peaks[which].push(peak(simd, which + 1));
            }
        }
    }
    println!(
        "{} {:?}: {:.1} GFLOP an epoch",
        simd.name(),
        net,
        operations(&net) / 1e9
    );
    for which in [0, 1] {
        let (min, median) = summary(&mut times[which]);
        let peak = peaks[which].iter().copied().fold(0.0, f64::max);
        let rate = |seconds: f64| operations(&net) / seconds;
        println!(
            "{} threads: epoch {min:.3} s min, {median:.3} s median; {:.0} and {:.0} GFLOP/s of a peak of {:.0}: {:.0} % and {:.0} %",
            which + 1,
            rate(min) / 1e9,
            rate(median) / 1e9,
            peak / 1e9,
            100.0 * rate(min) / peak,
            100.0 * rate(median) / peak
        );
        let (min, median) = summary(&mut singles[which]);
        let (min_many, median_many) = summary(&mut larges[which]);
        println!(
            "           one forecast {:.0} µs min, {:.0} µs median; batch 512 {:.0} windows/s best, {:.0} median",
            min * 1e6,
            median * 1e6,
            512.0 / min_many,
            512.0 / median_many
        );
    }
}
