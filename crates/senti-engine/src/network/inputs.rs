//! Gradients with respect to the data: what training never asks for, and explanations do.
//!
//! In come a batch and, for its outputs, the derivative of some number of each row; out goes that number's derivative with respect to
//! every input. Weights, their gradients and Adam's moments stay as they are. Nothing here is on the way of a training.

use super::Network;
use crate::aligned::Aligned;
use crate::batch::{Batch, rows_per_block};
use crate::lane;
use crate::panel::{GROUP, Transpose};
use crate::recurrent::InputGradient;

impl Network {
    /// For one number of each row, its derivative with respect to every input of that row: `out` is (B, T, F), row after row.
    ///
    /// `slopes` is given the raw outputs (B, outputs), without dropout, and writes the derivative of each row's number with respect to
    /// them. By the backward pass of training, carried one product further: dx = Σ over directions of dz·Wᵀ. The gradients of
    /// the last [`Network::train_batch`] stay as they are.
    ///
    /// ```
    /// use senti_engine::{Architecture, Batch, Cell, Network, Options, Simd};
    ///
    /// let shape = Architecture { steps: 4, features: 2, cell: Cell::Lstm, bidirectional: true, units: vec![8], dropout: 0.0, outputs: 1 };
    /// let mut network = Network::new(shape, Options { seed: 1, threads: 1, simd: Simd::detect(), max_batch: 3 });
    /// let batch = Batch::new(3, 4, 2, 1);
    /// let mut gradients = vec![0.0; 3 * 4 * 2];
    /// network.input_gradients(&batch, &mut |_outputs, slopes| slopes.fill(1.0), &mut gradients);
    /// assert!(gradients.iter().any(|slope| *slope != 0.0));
    /// ```
    ///
    /// # Panics
    /// When the batch has another shape than the network or more rows than it was made for, or `out` has not B · T · F places.
    pub fn input_gradients(
        &mut self,
        batch: &Batch,
        slopes: &mut dyn FnMut(&[f32], &mut [f32]),
        out: &mut [f32],
    ) {
        self.check_batch(batch);
        let (steps, features) = (self.architecture.steps, self.architecture.features);
        assert_eq!(
            out.len(),
            batch.len() * steps * features,
            "room for the gradients of {} rows",
            batch.len()
        );
        self.forward(batch, true, None);
        let n_outputs = batch.len() * self.architecture.outputs;
        slopes(
            &self.top.outputs[..n_outputs],
            &mut self.top.d_outputs[..n_outputs],
        );
        self.descend(batch);

        let (first, simd) = (&self.layers[0], self.simd);
        let (shape, n) = (first.shape(), first.directions.len());
        // The tiles want whole registers: what stands behind the features (rows of the states' weights) is computed and left.
        let columns = features.next_multiple_of(GROUP);
        let per_direction = 4 * shape.units * columns;
        let mut transposed = Aligned::zeros(n * per_direction);
        for (direction, out) in transposed.chunks_exact_mut(per_direction).enumerate() {
            let weights = &self.weights[first.start + direction * shape.len()..][..shape.len()];
            lane::run(
                simd,
                Transpose {
                    shape,
                    weights,
                    first: 0,
                    columns,
                    out,
                },
            );
        }
        let per_block = rows_per_block(batch.len());
        let mut wide = Aligned::zeros(steps * batch.len() * columns);
        let block_len = per_block * steps * columns;
        self.team
            .each_chunk(&mut wide, block_len, |block, gradients| {
                // The kernel multiplies into its place: that is where a layer's dropout stands.
                gradients.fill(1.0);
                lane::run(
                    simd,
                    InputGradient {
                        directions: &first.directions,
                        traces: &first.traces[n * block..][..n],
                        weights: &transposed,
                        per_direction,
                        columns,
                        slopes: gradients,
                    },
                );
            });
        for (row, out) in out.chunks_exact_mut(steps * features).enumerate() {
            let first = row / per_block * per_block;
            let rows = per_block.min(batch.len() - first);
            for (step, out) in out.chunks_exact_mut(features).enumerate() {
                let at = (first * steps + step * rows + row - first) * columns;
                out.copy_from_slice(&wide[at..][..features]);
            }
        }
    }
}
