//! How many fused multiply-adds a second this machine can do at most: what a benchmark compares the engine with.

use crate::lane::{self, Kernel, Lane};
use crate::simd::Simd;

/// Independent sums, enough to hide the latency, few enough for the registers.
const SUMS: usize = 12;

struct Spin {
    rounds: usize,
}

impl Kernel for Spin {
    /// Floating-point operations, and a number that depends on all of them.
    type Output = (f64, f32);
    #[inline(always)]
    fn run<L: Lane>(self) -> (f64, f32) {
        let (a, b) = (L::splat(0.999_999), L::splat(1e-7));
        let mut sums = [b; SUMS];
        for _ in 0..self.rounds {
            // Indices, not an iterator: with one, the sums were kept in memory.
            for sum in &mut sums {
                *sum = sum.mul_add(a, b);
            }
        }
        let mut all = [0.0; 16];
        sums.into_iter()
            .fold(b, |all, sum| all + sum)
            .store(&mut all);
        (
            2.0 * (self.rounds * SUMS * L::LANES) as f64,
            all.iter().sum(),
        )
    }
}

/// Floating-point operations a second of `threads` threads that do nothing else. The clock is read here only, and only
/// for benchmarks.
pub fn fused_multiply_adds(simd: Simd, threads: usize) -> f64 {
    let rounds = 3_000_000;
    let start = std::time::Instant::now();
    let operations: f64 = std::thread::scope(|scope| {
        let spins: Vec<_> = (0..threads)
            .map(|_| scope.spawn(move || lane::run(simd, Spin { rounds })))
            .collect();
        spins
            .into_iter()
            .map(|spin| std::hint::black_box(spin.join().expect("spinning does not panic")).0)
            .sum()
    });
    operations / start.elapsed().as_secs_f64()
}
