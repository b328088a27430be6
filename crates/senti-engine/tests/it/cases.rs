//! Small networks and batches that the tests share.

use senti_engine::random::{Generator, Purpose, Stream};
use senti_engine::{Architecture, Batch, Cell, Network, Options, Simd};

pub fn generator(index: u64) -> Generator {
    Stream::new(42, Purpose::Search).at(index)
}

/// Every instruction set of this machine.
pub fn supported() -> impl Iterator<Item = Simd> {
    Simd::ALL.into_iter().filter(Simd::is_supported)
}

pub fn architecture(
    steps: usize,
    features: usize,
    units: &[usize],
    dropout: f32,
    outputs: usize,
) -> Architecture {
    Architecture {
        steps,
        features,
        cell: Cell::Lstm,
        bidirectional: true,
        units: units.to_vec(),
        dropout,
        outputs,
    }
}

pub fn network(net: &Architecture, threads: usize, simd: Simd, max_batch: usize) -> Network {
    Network::new(
        net.clone(),
        Options {
            seed: 5,
            threads,
            simd,
            max_batch,
        },
    )
}

/// Weights with more spread than fresh ones, so that gates leave their linear part and every bias counts.
pub fn shake(network: &mut Network) {
    let mut generator = generator(1);
    let mut weights = network.weights();
    for value in weights.iter_mut().flat_map(|tensor| &mut tensor.values) {
        *value += 0.3 * generator.normal() as f32;
    }
    network.set_weights(&weights).unwrap();
}

/// Normal inputs and targets.
pub fn batch(net: &Architecture, rows: usize, targets: usize) -> Batch {
    let mut batch = Batch::new(rows, net.steps, net.features, targets);
    fill(&mut batch, 2);
    batch
}

pub fn fill(batch: &mut Batch, index: u64) {
    let mut generator = generator(index);
    for row in 0..batch.len() {
        for step in 0..batch.steps() {
            batch
                .input_mut(step, row)
                .fill_with(|| generator.normal() as f32);
        }
        batch
            .target_mut(row)
            .fill_with(|| generator.normal() as f32);
    }
}
