//! Our engine at work, with a clock.

use std::time::Instant;

use senti_engine::{
    Adam, Batch, Loss, Network, Options, Simd, Team, Tensor, peak::fused_multiply_adds,
};

use crate::work::{BATCH, Work};

/// One network.
pub struct Ours {
    network: Network,
    batches: Vec<Batch>,
    forecasts: [Batch; 2],
    out: Vec<f32>,
    step: u64,
}

fn network(work: &Work, simd: Simd, threads: usize, seed: u64) -> Network {
    let options = Options {
        seed,
        threads,
        simd,
        max_batch: 512,
    };
    Network::new(work.net.clone(), options)
}

fn batches(work: &Work) -> Vec<Batch> {
    let firsts = (0..work.windows).step_by(BATCH);
    firsts.map(|first| work.batch(first, BATCH)).collect()
}

fn train(network: &mut Network, batch: &Batch, step: u64) {
    network
        .train_batch(batch, &Loss::Mse, step)
        .expect("the work does not explode");
    network.update(&Adam::default(), 1e-3);
}

impl Ours {
    pub fn new(work: &Work, simd: Simd, threads: usize) -> Ours {
        Ours {
            network: network(work, simd, threads, 1),
            batches: batches(work),
            forecasts: [work.batch(0, 1), work.batch(0, 512)],
            out: vec![0.0; 512 * work.net.outputs],
            step: 0,
        }
    }

    /// Trains one epoch; seconds.
    pub fn epoch(&mut self) -> f64 {
        let start = Instant::now();
        for batch in &self.batches {
            train(&mut self.network, batch, self.step);
            self.step += 1;
        }
        start.elapsed().as_secs_f64()
    }

    /// Forecasts 1 window (20 times, for one is quick) or 512; seconds for one time.
    pub fn predict(&mut self, windows: usize) -> f64 {
        let (batch, times) = match windows {
            1 => (&self.forecasts[0], 20),
            _ => (&self.forecasts[1], 1),
        };
        let out = &mut self.out[..batch.len() * self.network.architecture().outputs];
        let start = Instant::now();
        for _ in 0..times {
            self.network.predict(batch, out);
        }
        start.elapsed().as_secs_f64() / f64::from(times)
    }

    /// All weights, one tensor behind the other.
    pub fn weights(&self) -> Vec<Tensor> {
        self.network.weights()
    }

    /// Forecasts of the first batch, with the weights as they are.
    pub fn outputs(&mut self, work: &Work) -> Vec<f32> {
        let mut out = vec![0.0; BATCH * work.net.outputs];
        self.network.predict(&work.batch(0, BATCH), &mut out);
        out
    }
}

/// Several networks at once.
pub struct Crowd {
    networks: Vec<Network>,
    batches: Vec<Batch>,
    team: Team,
    step: u64,
}

impl Crowd {
    pub fn new(work: &Work, threads: usize) -> Crowd {
        let seeds = 0..work.seeds as u64;
        Crowd {
            networks: seeds
                .map(|seed| network(work, Simd::detect(), 1, seed))
                .collect(),
            batches: batches(work),
            team: Team::new(threads),
            step: 0,
        }
    }

    /// Trains every network one epoch; seconds for all.
    pub fn epoch(&mut self) -> f64 {
        let start = Instant::now();
        let (batches, step) = (&self.batches, self.step);
        self.team
            .rounds(batches.len(), &mut self.networks, |round, _, network| {
                train(network, &batches[round], step + round as u64);
            });
        self.step += batches.len() as u64;
        start.elapsed().as_secs_f64()
    }
}

/// Floating-point operations a second of `threads` threads that do nothing but multiply and add.
pub fn peak(simd: Simd, threads: usize) -> f64 {
    let team = Team::new(threads);
    let mut operations = vec![0.0; threads];
    // Once to wake up and to be spread over the cores, once to measure.
    let mut spin = |rounds: usize| {
        let start = Instant::now();
        team.each(&mut operations, |_, done| {
            *done = fused_multiply_adds(simd, rounds)
        });
        operations.iter().sum::<f64>() / start.elapsed().as_secs_f64()
    };
    spin(2_000_000);
    spin(5_000_000)
}
