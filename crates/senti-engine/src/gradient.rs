//! Gradients of weights: products of what went in with the gradients of what came out, along all rows.
//!
//! In: the inputs and states of a block of rows, and the gradients of z that [`crate::recurrent::Backward`] left. Out: one panel's gradient
//! grows by that block's part. A panel has one owner, who takes the blocks in order.

use crate::architecture::Cell;
use crate::lane::{Kernel, Lane};
use crate::panel::{GROUP, PANEL};
use crate::recurrent::{Direction, Matrix, Trace};
use crate::tile::{Right, Tile, multiply, over_columns};

/// Adds the gradient of one panel's weights that comes from one block of rows.
pub(crate) struct WeightGradient<'a> {
    pub direction: Direction,
    pub panel: usize,
    pub inputs: [Matrix<'a>; 2],
    pub trace: &'a Trace,
    /// (depth, 64)
    pub gradient: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(self) {
        let Direction {
            shape,
            steps,
            reverse,
            ..
        } = self.direction;
        let (rows, all) = (self.trace.rows, steps * self.trace.rows);
        let d_z = Matrix {
            values: &self.trace.gates[self.panel * all * PANEL..][..all * PANEL],
            stride: PANEL,
        };
        let (inputs, rest) = self.gradient.split_at_mut(shape.first_state() * PANEL);
        let (recurrent, bias) = rest.split_at_mut(shape.units * PANEL);
        let states = Matrix {
            values: &self.trace.states,
            stride: self.direction.stride(),
        };
        // The gradients of z that have a state before them, and the first of those states.
        let (first, end, state) = if reverse {
            (0, all - rows, rows)
        } else {
            (rows, all, 0)
        };
        for chunk in (0..all).step_by(CHUNK) {
            let chunk = chunk..all.min(chunk + CHUNK);
            add_input_products::<L>(self.inputs, shape.inputs, d_z, chunk.clone(), inputs);
            let (from, to) = (chunk.start.max(first), chunk.end.min(end));
            if from < to {
                add_products::<L>(
                    states,
                    from - first + state,
                    d_z,
                    from,
                    to - from,
                    recurrent,
                );
            }
            add_sums::<L>(d_z, chunk, bias);
        }
        if self.direction.cell == Cell::Gru {
            // The candidate's sum of states has no inputs, that of inputs no states: those weights are 0 and stay so.
            clear(inputs, 3);
            clear(recurrent, 2);
        }
    }
}

/// Zeroes one sum of each row.
fn clear(rows: &mut [f32], sum: usize) {
    for row in rows.chunks_exact_mut(PANEL) {
        row[sum * GROUP..][..GROUP].fill(0.0);
    }
}

/// Rows of z's gradients that are multiplied at once: 16 KiB, half of a first cache.
pub(crate) const CHUNK: usize = 64;

/// gradient += inputsᵀ · slopes for a chunk of rows; `gradient` has a row of 64 for each column of the inputs.
#[inline(always)]
pub(crate) fn add_input_products<L: Lane>(
    inputs: [Matrix<'_>; 2],
    widths: [usize; 2],
    slopes: Matrix<'_>,
    chunk: std::ops::Range<usize>,
    gradient: &mut [f32],
) {
    let (first, second) = gradient.split_at_mut(widths[0] * PANEL);
    for (input, gradient) in inputs.into_iter().zip([first, second]) {
        if !gradient.is_empty() {
            add_products::<L>(
                input,
                chunk.start,
                slopes,
                chunk.start,
                chunk.len(),
                gradient,
            );
        }
    }
}

/// gradient += leftᵀ · slopes, along `depth` rows from `left_row` and `row` on.
#[inline(always)]
fn add_products<L: Lane>(
    left: Matrix<'_>,
    left_row: usize,
    slopes: Matrix<'_>,
    row: usize,
    depth: usize,
    gradient: &mut [f32],
) {
    let rows = gradient.len() / PANEL;
    over_columns::<L>(
        rows,
        PANEL,
        &mut ProductTile {
            left,
            left_row,
            slopes,
            row,
            depth,
            gradient,
        },
    );
}

struct ProductTile<'a> {
    left: Matrix<'a>,
    left_row: usize,
    slopes: Matrix<'a>,
    row: usize,
    depth: usize,
    gradient: &'a mut [f32],
}

impl Tile for ProductTile<'_> {
    #[inline(always)]
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, column: usize) {
        let gradient = &mut self.gradient[row * PANEL + column..];
        let mut sums = [[L::splat(0.0); V]; R];
        for (r, sums) in sums.iter_mut().enumerate() {
            for (v, sum) in sums.iter_mut().enumerate() {
                *sum = L::load(&gradient[r * PANEL + v * L::LANES..]);
            }
        }
        let right = Right {
            values: &self.slopes.values[self.row * self.slopes.stride + column..],
            stride: self.slopes.stride,
            gap: L::LANES,
        };
        sums = multiply(
            sums,
            self.left.columns(self.left_row, row),
            right,
            self.depth,
        );
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                sum.store(&mut gradient[r * PANEL + v * L::LANES..]);
            }
        }
    }
}

/// bias += sum of a chunk of slopes.
#[inline(always)]
pub(crate) fn add_sums<L: Lane>(
    slopes: Matrix<'_>,
    chunk: std::ops::Range<usize>,
    bias: &mut [f32],
) {
    for column in (0..PANEL).step_by(L::LANES) {
        let mut sum = L::load(&bias[column..]);
        for row in chunk.clone() {
            sum = sum + L::load(&slopes.values[row * slopes.stride + column..]);
        }
        sum.store(&mut bias[column..]);
    }
}
