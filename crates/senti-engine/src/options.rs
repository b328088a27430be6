//! How a network is run, and the one way in which running it can fail.

use crate::simd::Simd;

/// How a network runs; none of it but the seed changes what it computes, except for the last digits between `plain` and the
/// instruction sets that fuse multiplication and addition.
#[derive(Clone, Debug)]
pub struct Options {
    /// Source of the first weights and of the dropout.
    pub seed: u64,
    /// Threads, at least 1. The numbers are the same for every count.
    pub threads: usize,
    /// Instruction set of the kernels.
    pub simd: Simd,
    /// The most rows a batch will have.
    pub max_batch: usize,
}

/// Training met a number that is infinite or not a number.
#[derive(Clone, PartialEq, Debug)]
pub struct NotFinite {
    /// What it was: `loss`, or `gradient of` a tensor.
    pub what: String,
}

impl std::fmt::Display for NotFinite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the {} is not finite", self.what)
    }
}

impl std::error::Error for NotFinite {}
