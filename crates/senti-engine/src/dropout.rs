//! Dropout from counter-based random numbers: the mask is a function of seed, layer, direction, step of training and place.

use crate::random::{Stream, philox4x32_10_wide};

/// The dropout of one direction of one layer in one batch.
#[derive(Clone, Copy)]
pub(crate) struct Dropout {
    pub stream: Stream,
    /// Number of the batch over all epochs.
    pub step: u64,
    /// Share that is dropped.
    pub rate: f32,
}

/// Elements that are decided at once: 16 blocks of Philox give 16 bits each for 128.
const GROUP: usize = 128;

impl Dropout {
    /// Fills `factors` with 0 (dropped) and 1 / (1 - rate). `first_group` keeps the blocks of a batch apart.
    ///
    /// Element 128·g + 16·h + lane is dropped when half word h of Philox block 16·g + lane is below rate · 2¹⁶.
    #[inline(always)]
    pub fn fill(&self, factors: &mut [f32], first_group: usize) {
        let threshold = (self.rate * 65_536.0).round() as u32;
        let kept = 1.0 / (1.0 - self.rate);
        for (group, factors) in factors.chunks_mut(GROUP).enumerate() {
            let words =
                philox4x32_10_wide(&self.stream, self.step, 16 * (first_group + group) as u32);
            for (half, factors) in factors.chunks_mut(16).enumerate() {
                for (factor, word) in factors.iter_mut().zip(words[half / 2]) {
                    let bits = word >> (16 * (half % 2)) & 0xFFFF;
                    *factor = if bits < threshold { 0.0 } else { kept };
                }
            }
        }
    }

    /// Groups that a block of a batch may use up.
    pub fn groups(elements: usize) -> usize {
        elements.div_ceil(GROUP)
    }
}
