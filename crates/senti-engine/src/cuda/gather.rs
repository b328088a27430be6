//! What is sent to the card for each batch: its inputs, time-major, and the factors of the dropout.
//!
//! In: a batch, or what decides a mask. Out: the same numbers, bit for bit, as the processor's engine uses, in the order in which
//! cuDNN reads them. Pure: no card is needed, and the tests below run without one.

use crate::architecture::Architecture;
use crate::batch::{BLOCK_ROWS, Batch, rows_per_block};
use crate::dropout::Dropout;
use crate::panel::Layout;
use crate::random::{Purpose, Stream};

/// The inputs of all rows (T, B, F).
pub(crate) fn time_major(batch: &Batch, out: &mut Vec<f32>) {
    out.clear();
    for step in 0..batch.steps() {
        for row in 0..batch.len() {
            out.extend_from_slice(batch.input(step, row));
        }
    }
}

/// Which mask: that of the states of layer `layer` in training step `step`, for a batch of `rows` rows.
pub(crate) struct Mask<'a> {
    pub architecture: &'a Architecture,
    pub seed: u64,
    pub step: u64,
    pub layer: usize,
    pub rows: usize,
}

impl Mask<'_> {
    /// Factors 0 and 1 / (1 - rate) of the states (T, B, 2U), forward|backward; of the last layer only of the final ones (B, 2U).
    ///
    /// The processor's engine draws them for each block of rows and each direction, with units padded: so does this.
    pub fn fill(&self, out: &mut Vec<f32>) {
        let Mask {
            architecture,
            seed,
            step,
            layer,
            rows,
        } = *self;
        let units = architecture.units[layer];
        let padded = Layout::new(architecture).layers[layer].0.units;
        let steps_out = if layer + 1 == architecture.units.len() {
            1
        } else {
            architecture.steps
        };
        let per_block = rows_per_block(rows);
        let groups = Dropout::groups(architecture.steps * BLOCK_ROWS * padded);
        out.clear();
        out.resize(steps_out * rows * 2 * units, 0.0);
        let mut drawn = Vec::new();
        for (block, first) in (0..rows).step_by(per_block).enumerate() {
            let block_rows = per_block.min(rows - first);
            for direction in 0..2 {
                let stream = Stream::new(seed, Purpose::Dropout);
                let dropout = Dropout {
                    stream: stream.part((2 * layer + direction) as u16),
                    step,
                    rate: architecture.dropout,
                };
                drawn.clear();
                drawn.resize(steps_out * block_rows * padded, 0.0);
                dropout.fill(&mut drawn, block * groups);
                for (at, drawn) in drawn.chunks_exact(padded).enumerate() {
                    let row = at / block_rows * rows + first + at % block_rows;
                    out[(2 * row + direction) * units..][..units].copy_from_slice(&drawn[..units]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::architecture::Cell;

    #[test]
    fn inputs_are_time_major_whatever_the_blocks() {
        let mut batch = Batch::new(75, 3, 2, 1);
        for row in 0..75 {
            for step in 0..3 {
                let number = (100 * step + row) as f32;
                batch
                    .input_mut(step, row)
                    .copy_from_slice(&[number, -number]);
            }
        }
        let mut out = vec![7.0];
        time_major(&batch, &mut out);
        assert_eq!(out.len(), 3 * 75 * 2);
        for (at, pair) in out.chunks_exact(2).enumerate() {
            let number = (100 * (at / 75) + at % 75) as f32;
            assert_eq!(pair, [number, -number]);
        }
    }

    /// Element by element, the published rule (see `src/dropout.rs`), which the tests of the processor's engine check on their side.
    #[test]
    fn masks_are_those_of_the_processor() {
        let net = Architecture {
            steps: 4,
            features: 1,
            cell: Cell::Lstm,
            bidirectional: true,
            units: vec![5, 20, 3],
            dropout: 0.3,
            outputs: 1,
        };
        let (seed, step) = (9, 1 << 33 | 6);
        let mut out = Vec::new();
        for rows in [1, 32, 75] {
            for layer in 0..3 {
                let mask = Mask {
                    architecture: &net,
                    seed,
                    step,
                    layer,
                    rows,
                };
                mask.fill(&mut out);
                let (units, padded) = (net.units[layer], net.units[layer].div_ceil(16) * 16);
                let steps_out = if layer == 2 { 1 } else { 4 };
                assert_eq!(out.len(), steps_out * rows * 2 * units);
                let blocks = rows.div_ceil(32);
                let per_block = rows.div_ceil(blocks);
                let mut n_dropped = 0;
                for (at, &factor) in out.iter().enumerate() {
                    let (unit, direction) = (at % units, at / units % 2);
                    let (row, time) = (at / (2 * units) % rows, at / (2 * units) / rows);
                    let (block, row) = (row / per_block, row % per_block);
                    let block_rows = per_block.min(rows - block * per_block);
                    let element = (time * block_rows + row) * padded + unit;
                    let group = block * (4 * 32 * padded).div_ceil(128) + element / 128;
                    let half = element % 128 / 16;
                    let stream =
                        Stream::new(seed, Purpose::Dropout).part((2 * layer + direction) as u16);
                    let word = stream.words(step, (16 * group + element % 16) as u32)[half / 2];
                    let is_dropped = (word >> (16 * (half % 2)) & 0xFFFF) < 19_661; // 0.3 · 2¹⁶
                    n_dropped += usize::from(is_dropped);
                    let wanted = if is_dropped { 0.0 } else { 1.0 / (1.0 - 0.3) };
                    assert_eq!(factor, wanted, "{at} of layer {layer} with {rows} rows");
                }
                // Neither nothing nor everything.
                assert!(rows == 1 || (n_dropped > 0 && n_dropped < out.len()));
            }
        }
    }
}
