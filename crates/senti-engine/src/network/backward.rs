//! Gradients of a batch: down through the layers, then those of all weights, each panel by one thread.

use std::sync::atomic::{AtomicBool, Ordering};

use super::forward::inputs_of;
use super::{Layer, Network, Top};
use crate::batch::{Batch, rows_per_block};
use crate::dense;
use crate::gradient;
use crate::lane;
use crate::panel::{PANEL, Transpose};
use crate::recurrent::{self, Matrix};

impl Network {
    /// Gradients of all weights; whether all of them are finite.
    pub(super) fn backward(&mut self, batch: &Batch, after_dropout: bool) -> bool {
        self.descend(batch);
        self.weight_gradients(batch, after_dropout)
    }

    /// Down through the layers: the gradients of all gates' sums, where the gates were.
    pub(super) fn descend(&mut self, batch: &Batch) {
        self.transpose();
        let (simd, team, per_block) = (self.simd, &self.team, rows_per_block(batch.len()));
        let n_blocks = batch.len().div_ceil(per_block);
        let rows_of = |block: usize| per_block.min(batch.len() - block * per_block);

        let Top {
            shape,
            transposed,
            d_wide_outputs,
            d_outputs,
            ..
        } = &mut self.top;
        let (shape, wide, width) = (*shape, shape.panels * PANEL, self.architecture.outputs);
        for (wide, d_outputs) in d_wide_outputs
            .chunks_exact_mut(wide)
            .zip(d_outputs.chunks_exact(width))
            .take(batch.len())
        {
            wide[..width].copy_from_slice(d_outputs);
        }
        let d_outputs = |block: usize| Matrix {
            values: &d_wide_outputs[block * per_block * wide..],
            stride: wide,
        };
        let top = self.layers.len() - 1;
        let Layer {
            directions, traces, ..
        } = &mut self.layers[top];
        let n = directions.len();
        team.each(&mut traces[..n * n_blocks], |index, trace| {
            let (block, half, columns) = (index / n, index % n, shape.inputs[0]);
            let (weights, slopes) = (
                &transposed[half * wide * columns..][..wide * columns],
                trace.slopes_mut(&directions[half]),
            );
            lane::run(
                simd,
                dense::InputGradient {
                    d_outputs: d_outputs(block),
                    weights,
                    rows: rows_of(block),
                    columns,
                    slopes,
                },
            );
        });

        for layer in (0..=top).rev() {
            let (below, rest) = self.layers.split_at_mut(layer);
            let this = &mut rest[0];
            let (directions, shape, per_direction) =
                (&this.directions, this.shape(), this.transposed_len());
            let recurrent_len = 4 * shape.units * shape.units;
            let transposed = &this.transposed;
            team.each(&mut this.traces[..n * n_blocks], |index, trace| {
                let recurrent = &transposed[index % n * per_direction..][..recurrent_len];
                lane::run(
                    simd,
                    recurrent::Backward {
                        direction: directions[index % n],
                        recurrent,
                        trace,
                    },
                );
            });
            let Some(below) = below.last_mut() else {
                continue;
            };
            let (lower, traces) = (&below.directions, &this.traces);
            team.each(&mut below.traces[..n * n_blocks], |index, trace| {
                let (block, half) = (index / n, index % n);
                let columns = shape.inputs[half];
                let kernel = recurrent_len + half * 4 * shape.units * shape.inputs[0];
                let traces = &traces[n * block..][..n];
                let slopes = trace.slopes_mut(&lower[half]);
                lane::run(
                    simd,
                    recurrent::InputGradient {
                        directions,
                        traces,
                        weights: &transposed[kernel..],
                        per_direction,
                        columns,
                        slopes,
                    },
                );
            });
        }
    }

    /// Gradients of all weights from those of the sums; whether all of them are finite.
    fn weight_gradients(&mut self, batch: &Batch, after_dropout: bool) -> bool {
        let (simd, team, per_block) = (self.simd, &self.team, rows_per_block(batch.len()));
        let n_blocks = batch.len().div_ceil(per_block);
        let rows_of = |block: usize| per_block.min(batch.len() - block * per_block);
        let (n, top) = (self.architecture.n_directions(), self.layers.len() - 1);
        let finite = AtomicBool::new(true);
        for layer in 0..=top {
            let Layer {
                directions,
                start,
                traces,
                ..
            } = &self.layers[layer];
            let shape = directions[0].shape;
            let below = layer.checked_sub(1).map(|below| &self.layers[below]);
            team.each_chunk(
                &mut self.gradients[*start..][..n * shape.len()],
                shape.panel_len(),
                |index, gradient| {
                    let (direction, panel) = (index / shape.panels, index % shape.panels);
                    gradient.fill(0.0);
                    for block in 0..n_blocks {
                        let inputs = inputs_of(below, batch, block, per_block, after_dropout);
                        let (trace, direction) =
                            (&traces[n * block + direction], directions[direction]);
                        lane::run(
                            simd,
                            gradient::WeightGradient {
                                direction,
                                panel,
                                inputs,
                                trace,
                                gradient,
                            },
                        );
                    }
                    finite.fetch_and(is_finite(gradient), Ordering::Relaxed);
                },
            );
        }
        let Top {
            shape,
            start,
            d_wide_outputs,
            ..
        } = &self.top;
        let (shape, wide) = (*shape, shape.panels * PANEL);
        team.each_chunk(
            &mut self.gradients[*start..][..shape.len()],
            shape.panel_len(),
            |panel, gradient| {
                gradient.fill(0.0);
                for block in 0..n_blocks {
                    let d_outputs = Matrix {
                        values: &d_wide_outputs[block * per_block * wide + panel * PANEL..],
                        stride: wide,
                    };
                    let inputs = self.layers[top].outputs(block, after_dropout);
                    lane::run(
                        simd,
                        dense::WeightGradient {
                            shape,
                            inputs,
                            d_outputs,
                            rows: rows_of(block),
                            gradient,
                        },
                    );
                }
                finite.fetch_and(is_finite(gradient), Ordering::Relaxed);
            },
        );
        finite.into_inner()
    }

    /// Brings the transposed copies of the weights up to date.
    fn transpose(&mut self) {
        if std::mem::replace(&mut self.is_transposed, true) {
            return;
        }
        let simd = self.simd;
        for layer in &mut self.layers {
            let (shape, start, len) = (layer.shape(), layer.start, layer.transposed_len());
            self.team
                .each_chunk(&mut layer.transposed, len, |direction, out| {
                    let weights = &self.weights[start + direction * shape.len()..][..shape.len()];
                    let (recurrent, mut out) = out.split_at_mut(4 * shape.units * shape.units);
                    lane::run(
                        simd,
                        Transpose {
                            shape,
                            weights,
                            first: shape.first_state(),
                            columns: shape.units,
                            out: recurrent,
                        },
                    );
                    let mut first = 0;
                    for columns in shape.inputs {
                        // Nothing is left for the first layer: nobody asks for the gradient of the data.
                        let (kernel, rest) =
                            out.split_at_mut(out.len().min(4 * shape.units * columns));
                        lane::run(
                            simd,
                            Transpose {
                                shape,
                                weights,
                                first,
                                columns,
                                out: kernel,
                            },
                        );
                        (out, first) = (rest, first + columns);
                    }
                });
        }
        let Top {
            shape,
            start,
            transposed,
            ..
        } = &mut self.top;
        let (shape, weights, half_len) = (
            *shape,
            &self.weights[*start..][..shape.len()],
            transposed.len() / self.architecture.n_directions(),
        );
        for (half, out) in transposed.chunks_exact_mut(half_len).enumerate() {
            lane::run(
                simd,
                Transpose {
                    shape,
                    weights,
                    first: half * shape.inputs[0],
                    columns: shape.inputs[0],
                    out,
                },
            );
        }
    }
}

/// A number times 0 is 0, unless it is not finite.
fn is_finite(values: &[f32]) -> bool {
    let mut sums = [0.0f32; 16];
    for values in values.chunks_exact(16) {
        sums.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += value * 0.0);
    }
    sums == [0.0; 16]
}
