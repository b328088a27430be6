//! Outputs of a batch: layer by layer, each direction of each block of rows by one thread.

use super::{Layer, Network, Top};
use crate::batch::{BLOCK_ROWS, Batch, rows_per_block};
use crate::dense;
use crate::dropout::Dropout;
use crate::lane;
use crate::panel::PANEL;
use crate::random::{Purpose, Stream};
use crate::recurrent::{self, Matrix};

impl Network {
    /// Outputs of all rows; with `keep`, everything that backward needs stays in the traces.
    pub(super) fn forward(&mut self, batch: &Batch, keep: bool, dropout: Option<u64>) {
        let (simd, team, per_block) = (self.simd, &self.team, rows_per_block(batch.len()));
        let n_blocks = batch.len().div_ceil(per_block);
        for layer in 0..self.layers.len() {
            let (below, rest) = self.layers.split_at_mut(layer);
            let (
                below,
                Layer {
                    directions,
                    start,
                    traces,
                    ..
                },
            ) = (below.last(), &mut rest[0]);
            let (directions, weights) = (&*directions, &self.weights[*start..]);
            let n = directions.len();
            team.each(&mut traces[..n * n_blocks], |index, trace| {
                let (block, index) = (index / n, index % n);
                let direction = directions[index];
                let shape = direction.shape;
                let rows = per_block.min(batch.len() - block * per_block);
                let dropout = dropout.map(|step| {
                    let stream =
                        Stream::new(self.seed, Purpose::Dropout).part((2 * layer + index) as u16);
                    let groups = Dropout::groups(direction.steps * BLOCK_ROWS * shape.units);
                    (
                        Dropout {
                            stream,
                            step,
                            rate: self.architecture.dropout,
                        },
                        block * groups,
                    )
                });
                let weights = &weights[index * shape.len()..][..shape.len()];
                let inputs = inputs_of(below, batch, block, per_block, dropout.is_some());
                lane::run(
                    simd,
                    recurrent::Forward {
                        direction,
                        weights,
                        inputs,
                        trace,
                        rows,
                        keep,
                        dropout,
                    },
                );
            });
        }

        let Top {
            shape,
            start,
            wide_outputs,
            outputs,
            ..
        } = &mut self.top;
        let (shape, wide, top) = (
            *shape,
            shape.panels * PANEL,
            &self.layers[self.layers.len() - 1],
        );
        let weights = &self.weights[*start..][..shape.len()];
        team.each_chunk(
            &mut wide_outputs[..batch.len() * wide],
            per_block * wide,
            |block, outputs| {
                let inputs = top.outputs(block, dropout.is_some());
                lane::run(
                    simd,
                    dense::Forward {
                        shape,
                        weights,
                        inputs,
                        rows: outputs.len() / wide,
                        outputs,
                    },
                );
            },
        );
        let width = self.architecture.outputs;
        for (outputs, wide) in outputs
            .chunks_exact_mut(width)
            .zip(wide_outputs.chunks_exact(wide))
            .take(batch.len())
        {
            outputs.copy_from_slice(&wide[..width]);
        }
    }
}

/// What a layer reads from block `block`: the states of the layer below, or the batch.
pub(super) fn inputs_of<'a>(
    below: Option<&'a Layer>,
    batch: &'a Batch,
    block: usize,
    per_block: usize,
    after_dropout: bool,
) -> [Matrix<'a>; 2] {
    match below {
        Some(below) => below.outputs(block, after_dropout),
        None => [
            Matrix {
                values: batch.block(block * per_block),
                stride: batch.features(),
            },
            Matrix::EMPTY,
        ],
    }
}
