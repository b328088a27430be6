//! The dense layer on top: outputs from the final states, linear; forward and backward.

use crate::gradient::{CHUNK, add_input_products, add_sums};
use crate::lane::{Kernel, Lane};
use crate::panel::{PANEL, Shape, transposed};
use crate::recurrent::{Matrix, multiply_into};
use crate::tile::{Right, Tile, multiply, over_columns};

/// Outputs of one block of rows.
pub(crate) struct Forward<'a> {
    pub shape: Shape,
    pub weights: &'a [f32],
    pub inputs: [Matrix<'a>; 2],
    pub rows: usize,
    /// (B, 64 · panels)
    pub outputs: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(mut self) {
        let (rows, columns) = (self.rows, self.shape.panels * PANEL);
        over_columns::<L>(rows, columns, &mut self);
    }
}

impl Tile for Forward<'_> {
    #[inline(always)]
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, column: usize) {
        let Shape { inputs, panels, .. } = self.shape;
        let panel = &self.weights[column / PANEL * self.shape.panel_len() + column % PANEL..];
        let mut bias = [L::splat(0.0); V];
        for (v, bias) in bias.iter_mut().enumerate() {
            *bias = L::load(&panel[(self.shape.depth() - 1) * PANEL + v * L::LANES..]);
        }
        let mut sums = [bias; R];
        let mut first = 0;
        for (input, width) in self.inputs.into_iter().zip(inputs) {
            sums = multiply(
                sums,
                input.rows(row),
                Right {
                    values: &panel[first * PANEL..],
                    stride: PANEL,
                    gap: L::LANES,
                },
                width,
            );
            first += width;
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                sum.store(&mut self.outputs[(row + r) * panels * PANEL + column + v * L::LANES..]);
            }
        }
    }
}

/// Gradient of one half of the inputs, multiplied with the dropout's factors that `slopes` holds.
pub(crate) struct InputGradient<'a> {
    /// Gradient of the outputs (B, 64 · panels).
    pub d_outputs: Matrix<'a>,
    /// Kernelᵀ of this half (64 · panels, U).
    pub weights: &'a [f32],
    pub rows: usize,
    pub columns: usize,
    /// (B, U)
    pub slopes: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(mut self) {
        let (rows, columns) = (self.rows, self.columns);
        over_columns::<L>(rows, columns, &mut self);
    }
}

impl Tile for InputGradient<'_> {
    #[inline(always)]
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, column: usize) {
        let depth = self.d_outputs.stride;
        let mut sums = [[L::splat(0.0); V]; R];
        sums = multiply(
            sums,
            self.d_outputs.rows(row),
            transposed::<L>(self.weights, depth, self.columns, 0, column),
            depth,
        );
        multiply_into(sums, self.slopes, self.columns, row, column);
    }
}

/// Adds the gradient of one panel's weights that comes from one block of rows.
pub(crate) struct WeightGradient<'a> {
    pub shape: Shape,
    pub inputs: [Matrix<'a>; 2],
    /// Gradient of the outputs of this panel: 64 columns.
    pub d_outputs: Matrix<'a>,
    pub rows: usize,
    /// (depth, 64)
    pub gradient: &'a mut [f32],
}

impl Kernel for WeightGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(self) {
        let (inputs, bias) = self.gradient.split_at_mut(self.shape.first_state() * PANEL);
        for chunk in (0..self.rows).step_by(CHUNK) {
            let chunk = chunk..self.rows.min(chunk + CHUNK);
            add_input_products::<L>(
                self.inputs,
                self.shape.inputs,
                self.d_outputs,
                chunk.clone(),
                inputs,
            );
            add_sums::<L>(self.d_outputs, chunk, bias);
        }
    }
}
