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

/// Multiplies and adds as fast as one thread can, `rounds` times 24 · lanes operations. Returns how many operations that were; the
/// caller holds the clock.
pub fn fused_multiply_adds(simd: Simd, rounds: usize) -> f64 {
    std::hint::black_box(lane::run(simd, Spin { rounds })).0
}
