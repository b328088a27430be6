//! Zeroed floats that start on a cache line.

use std::ops::{Deref, DerefMut};

/// A fixed number of floats, the first of them at a multiple of 64 bytes. Pages that are never touched cost no memory.
pub(crate) struct Aligned {
    values: Vec<f32>,
    start: usize,
    len: usize,
}

impl Aligned {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Aligned {
        // The allocator zeroes lazily only for the usual alignment, so a line more is asked for and the start moved.
        let values = vec![0.0; len + 16];
        let start = values.as_ptr().align_offset(64).min(16);
        Aligned { values, start, len }
    }
}

impl Deref for Aligned {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values[self.start..self.start + self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.len]
    }
}
