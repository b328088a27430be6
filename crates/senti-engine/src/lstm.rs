//! One direction of an LSTM layer, on one block of rows: forward, backward, and the gradient of the inputs.
//!
//! With z = W·x + U·h₋ + b for each of the four gates:
//!
//! ```text
//! i = σ(zᵢ)   f = σ(z_f)   g = tanh(z_c)   o = σ(zₒ)        c = f·c₋ + i·g        h = o·tanh(c)
//! ```
//!
//! Rows are time-major: row t·B + b. Going backward in time (`reverse`), "before" is the later step.

use crate::aligned::Aligned;
use crate::dropout::Dropout;
use crate::lane::{Kernel, Lane};
use crate::math::{sigmoid, tanh};
use crate::panel::{GROUP, PANEL, Shape, transposed};
use crate::tile::{Left, Right, Tile, multiply, over_columns, over_gates};

/// Rows of numbers.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    pub values: &'a [f32],
    pub stride: usize,
}

impl<'a> Matrix<'a> {
    /// No columns.
    pub const EMPTY: Matrix<'static> = Matrix {
        values: &[],
        stride: 0,
    };

    /// As a left factor, from a row on.
    #[inline(always)]
    pub fn rows(self, first: usize) -> Left<'a> {
        Left {
            values: &self.values[first * self.stride..],
            row_stride: self.stride,
            k_stride: 1,
        }
    }

    /// Its transpose as a left factor: depth runs along the rows, from `first` on; `column` is the first row of the product.
    #[inline(always)]
    pub fn columns(self, first: usize, column: usize) -> Left<'a> {
        Left {
            values: &self.values[first * self.stride + column..],
            row_stride: 1,
            k_stride: self.stride,
        }
    }
}

/// Which direction of which layer: all that the kernels below need to know about it.
#[derive(Clone, Copy)]
pub(crate) struct Direction {
    pub shape: Shape,
    /// T
    pub steps: usize,
    /// Whether it reads the last step first.
    pub reverse: bool,
    /// Whether only its final state goes on to the layer above.
    pub is_last: bool,
}

impl Direction {
    /// The step that is computed as number `turn`.
    fn step(&self, turn: usize) -> usize {
        if self.reverse {
            self.steps - 1 - turn
        } else {
            turn
        }
    }

    /// Row stride of states: an odd number of cache lines, so that a column of them is spread over the whole first cache.
    pub fn stride(&self) -> usize {
        self.shape.units
            + if (self.shape.units / GROUP).is_multiple_of(2) {
                GROUP
            } else {
                0
            }
    }

    /// Rows that go on to the layer above.
    fn rows_out(&self, rows: usize) -> usize {
        if self.is_last {
            rows
        } else {
            self.steps * rows
        }
    }
}

/// What one direction remembers about one block of rows.
pub(crate) struct Trace {
    /// B of this block.
    pub rows: usize,
    /// i, f, g, o of each panel (panels, T·B, 64). Backward turns them into the gradients of z.
    pub gates: Aligned,
    /// c and tanh(c) (T·B, U); only c of the present step (B, U) while nothing has to be kept.
    cells: Aligned,
    tanh_cells: Aligned,
    /// h (T·B, stride)
    pub states: Aligned,
    /// h after dropout (T·B, stride), of the last layer only the final one (B, stride).
    dropped: Aligned,
    /// Factors of the dropout until the layer above multiplies the gradient of its input with them (T·B, U) or (B, U).
    pub slopes: Aligned,
    /// Gradient of c, carried from step to step (B, U).
    d_cells: Aligned,
}

impl Trace {
    pub fn new(direction: &Direction, rows: usize) -> Trace {
        let (units, all) = (direction.shape.units, direction.steps * rows);
        Trace {
            rows: 0,
            gates: Aligned::zeros(all * 4 * units),
            cells: Aligned::zeros(all * units),
            tanh_cells: Aligned::zeros(all * units),
            states: Aligned::zeros(all * direction.stride()),
            dropped: Aligned::zeros(direction.rows_out(rows) * direction.stride()),
            slopes: Aligned::zeros(direction.rows_out(rows) * units),
            d_cells: Aligned::zeros(rows * units),
        }
    }

    /// What the layer above reads.
    pub fn output(&self, direction: &Direction, after_dropout: bool) -> Matrix<'_> {
        let stride = direction.stride();
        let values = if after_dropout {
            &self.dropped[..]
        } else if direction.is_last {
            &self.states[direction.step(direction.steps - 1) * self.rows * stride..]
        } else {
            &self.states[..]
        };
        Matrix { values, stride }
    }

    /// The gradients of the dropped outputs, or the dropout's factors before they are known.
    pub fn slopes_mut(&mut self, direction: &Direction) -> &mut [f32] {
        &mut self.slopes[..direction.rows_out(self.rows) * direction.shape.units]
    }
}

/// h of all steps.
pub(crate) struct Forward<'a> {
    pub direction: Direction,
    /// Panels of this direction.
    pub weights: &'a [f32],
    /// x in two parts (T·B, inputs).
    pub inputs: [Matrix<'a>; 2],
    pub trace: &'a mut Trace,
    pub rows: usize,
    /// Whether backward will follow.
    pub keep: bool,
    /// The dropout and the first group of random numbers of this block.
    pub dropout: Option<(Dropout, usize)>,
}

impl Kernel for Forward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(mut self) {
        let Direction { shape, steps, .. } = self.direction;
        self.trace.rows = self.rows;
        if self.keep {
            let factors = self.trace.slopes_mut(&self.direction);
            match self.dropout {
                Some((dropout, first_group)) => dropout.fill(factors, first_group),
                None => factors.fill(1.0),
            }
        }
        // With few rows, W·x of all steps at once makes fuller tiles. The sums are the same to the last bit. With many
        // it costs more than it saves: 7 % of an epoch of the reference work, for writing and reading all sums once more.
        let ahead = self.rows < 6;
        for panel in 0..if ahead { shape.panels } else { 0 } {
            for lane in (0..GROUP).step_by(L::LANES) {
                over_gates::<L>(
                    steps * self.rows,
                    lane,
                    &mut InputTile {
                        layer: &mut self,
                        panel,
                    },
                );
            }
        }
        for turn in 0..steps {
            let step = self.direction.step(turn);
            let before = (turn > 0).then(|| self.direction.step(turn - 1));
            for panel in 0..shape.panels {
                for lane in (0..GROUP).step_by(L::LANES) {
                    over_gates::<L>(
                        self.rows,
                        lane,
                        &mut StateTile {
                            layer: &mut self,
                            panel,
                            step,
                            before,
                            ahead,
                        },
                    );
                }
            }
        }
    }
}

impl Forward<'_> {
    /// W·x + b for R rows and the four gates of the units of one register.
    #[inline(always)]
    fn input_sums<L: Lane, const R: usize, const V: usize>(
        &self,
        panel: usize,
        at: usize,
        lane: usize,
    ) -> [[L; V]; R] {
        let shape = self.direction.shape;
        let panel = &self.weights[panel * shape.panel_len()..][..shape.panel_len()];
        let mut bias = [L::splat(0.0); V];
        for (gate, bias) in bias.iter_mut().enumerate() {
            *bias = L::load(&panel[(shape.depth() - 1) * PANEL + gate * GROUP + lane..]);
        }
        let mut z = [bias; R];
        let mut first = 0;
        for (input, width) in self.inputs.into_iter().zip(shape.inputs) {
            let weights = Right {
                values: &panel[first * PANEL + lane..],
                stride: PANEL,
                gap: GROUP,
            };
            z = multiply(z, input.rows(at), weights, width);
            first += width;
        }
        z
    }
}

/// W·x + b of all steps, left where the gates will be.
struct InputTile<'a, 'b> {
    layer: &'b mut Forward<'a>,
    panel: usize,
}

impl Tile for InputTile<'_, '_> {
    #[inline(always)]
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, lane: usize) {
        let z = self.layer.input_sums::<L, R, V>(self.panel, row, lane);
        let first = self.panel * self.layer.direction.steps * self.layer.rows + row;
        for (r, z) in z.into_iter().enumerate() {
            for (gate, z) in z.into_iter().enumerate() {
                z.store(&mut self.layer.trace.gates[(first + r) * PANEL + gate * GROUP + lane..]);
            }
        }
    }
}

/// One step: the gates of R rows and the units of one register, straight from the sums.
struct StateTile<'a, 'b> {
    layer: &'b mut Forward<'a>,
    panel: usize,
    step: usize,
    before: Option<usize>,
    /// Whether W·x + b is known already.
    ahead: bool,
}

impl Tile for StateTile<'_, '_> {
    #[inline(always)]
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, lane: usize) {
        let Forward {
            direction,
            rows,
            keep,
            dropout,
            ..
        } = *self.layer;
        let (shape, stride) = (direction.shape, direction.stride());
        let first = self.panel * direction.steps * rows + self.step * rows + row;

        let mut z = [[L::splat(0.0); V]; R];
        if self.ahead {
            for (r, z) in z.iter_mut().enumerate() {
                for (gate, z) in z.iter_mut().enumerate() {
                    *z = L::load(
                        &self.layer.trace.gates[(first + r) * PANEL + gate * GROUP + lane..],
                    );
                }
            }
        } else {
            z = self
                .layer
                .input_sums::<L, R, V>(self.panel, self.step * rows + row, lane);
        }
        if let Some(before) = self.before {
            let recurrent = self.panel * shape.panel_len() + shape.first_state() * PANEL + lane;
            let weights = Right {
                values: &self.layer.weights[recurrent..],
                stride: PANEL,
                gap: GROUP,
            };
            let states = Matrix {
                values: &self.layer.trace.states,
                stride,
            };
            z = multiply(z, states.rows(before * rows + row), weights, shape.units);
        }

        let trace = &mut *self.layer.trace;
        let unit = self.panel * GROUP + lane;
        for (r, z) in z.into_iter().enumerate() {
            let at = self.step * rows + row + r;
            let (cell, cell_before) = match self.before {
                Some(before) if keep => (at, Some(before * rows + row + r)),
                None if keep => (at, None),
                before => (row + r, before.map(|_| row + r)),
            };
            let (i, f, g, o) = (sigmoid(z[0]), sigmoid(z[1]), tanh(z[2]), sigmoid(z[3]));
            let mut c = i * g;
            if let Some(before) = cell_before {
                c = f.mul_add(L::load(&trace.cells[before * shape.units + unit..]), c);
            }
            let tanh_c = tanh(c);
            let h = o * tanh_c;

            c.store(&mut trace.cells[cell * shape.units + unit..]);
            h.store(&mut trace.states[at * stride + unit..]);
            if keep {
                for (gate, value) in [i, f, g, o].into_iter().enumerate() {
                    value.store(&mut trace.gates[(first + r) * PANEL + gate * GROUP + lane..]);
                }
                tanh_c.store(&mut trace.tanh_cells[at * shape.units + unit..]);
            }
            // Of the last layer, only the final state goes on.
            let is_final = self.step == direction.step(direction.steps - 1);
            if dropout.is_some() && (!direction.is_last || is_final) {
                let out = if direction.is_last { row + r } else { at };
                let factor = L::load(&trace.slopes[out * shape.units + unit..]);
                (h * factor).store(&mut trace.dropped[out * stride + unit..]);
            }
        }
    }
}

/// Gradients of z of all steps, in place of the gates; `slopes` must hold the gradients of h that come from above.
pub(crate) struct Backward<'a> {
    pub direction: Direction,
    /// Uᵀ (4U, U)
    pub recurrent: &'a [f32],
    pub trace: &'a mut Trace,
}

impl Kernel for Backward<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(mut self) {
        for turn in (0..self.direction.steps).rev() {
            let is_final = turn + 1 == self.direction.steps;
            let step = self.direction.step(turn);
            let after = (!is_final).then(|| self.direction.step(turn + 1));
            let before = (turn > 0).then(|| self.direction.step(turn - 1));
            let (rows, units) = (self.trace.rows, self.direction.shape.units);
            over_columns::<L>(
                rows,
                units,
                &mut GateTile {
                    layer: &mut self,
                    step,
                    after,
                    before,
                },
            );
        }
    }
}

/// One step back: the gradients of h of R rows and V registers of units, and straight from them those of the gates.
struct GateTile<'a, 'b> {
    layer: &'b mut Backward<'a>,
    step: usize,
    after: Option<usize>,
    before: Option<usize>,
}

impl Tile for GateTile<'_, '_> {
    #[inline(always)]
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, column: usize) {
        let Direction {
            shape,
            steps,
            is_last,
            ..
        } = self.layer.direction;
        let (rows, units) = (self.layer.trace.rows, shape.units);
        let trace = &mut *self.layer.trace;

        let mut d_h = [[L::splat(0.0); V]; R];
        if let Some(after) = self.after {
            for panel in 0..shape.panels {
                let d_z = Matrix {
                    values: &trace.gates,
                    stride: PANEL,
                };
                let recurrent = transposed::<L>(
                    self.layer.recurrent,
                    4 * units,
                    units,
                    panel * PANEL,
                    column,
                );
                d_h = multiply(
                    d_h,
                    d_z.rows((panel * steps + after) * rows + row),
                    recurrent,
                    PANEL,
                );
            }
        }

        let one = L::splat(1.0);
        for (r, d_h) in d_h.into_iter().enumerate() {
            let at = self.step * rows + row + r;
            for (v, mut d_h) in d_h.into_iter().enumerate() {
                let unit = column + v * L::LANES;
                if !is_last {
                    d_h = d_h + L::load(&trace.slopes[at * units + unit..]);
                } else if self.after.is_none() {
                    d_h = d_h + L::load(&trace.slopes[(row + r) * units + unit..]);
                }
                let gates =
                    &mut trace.gates[(unit / GROUP * steps * rows + at) * PANEL + unit % GROUP..];
                let (i, f) = (L::load(gates), L::load(&gates[GROUP..]));
                let (g, o) = (L::load(&gates[2 * GROUP..]), L::load(&gates[3 * GROUP..]));
                let tanh_c = L::load(&trace.tanh_cells[at * units + unit..]);

                let mut d_c = d_h * o * (one - tanh_c * tanh_c);
                if self.after.is_some() {
                    d_c = d_c + L::load(&trace.d_cells[(row + r) * units + unit..]);
                }
                (d_c * f).store(&mut trace.d_cells[(row + r) * units + unit..]);
                let d_f = match self.before {
                    Some(before) => {
                        d_c * L::load(&trace.cells[(before * rows + row + r) * units + unit..])
                    }
                    None => L::splat(0.0),
                };
                let (d_i, d_g, d_o) = (d_c * g, d_c * i, d_h * tanh_c);

                (d_i * i * (one - i)).store(gates);
                (d_f * f * (one - f)).store(&mut gates[GROUP..]);
                (d_g * (one - g * g)).store(&mut gates[2 * GROUP..]);
                (d_o * o * (one - o)).store(&mut gates[3 * GROUP..]);
            }
        }
    }
}

/// Gradient of one part of a layer's input, multiplied with the dropout's factors that `slopes` holds.
pub(crate) struct InputGradient<'a> {
    /// Both directions of the layer, after backward.
    pub directions: [Direction; 2],
    pub traces: [&'a Trace; 2],
    /// Wᵀ of this part (4U, inputs), of both directions.
    pub weights: [&'a [f32]; 2],
    pub columns: usize,
    /// (T·B, inputs)
    pub slopes: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(mut self) {
        let (rows, columns) = (self.directions[0].steps * self.traces[0].rows, self.columns);
        over_columns::<L>(rows, columns, &mut self);
    }
}

impl Tile for InputGradient<'_> {
    #[inline(always)]
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, column: usize) {
        let mut sums = [[L::splat(0.0); V]; R];
        for direction in 0..2 {
            let (Direction { shape, steps, .. }, trace) =
                (self.directions[direction], self.traces[direction]);
            for panel in 0..shape.panels {
                let d_z = Matrix {
                    values: &trace.gates,
                    stride: PANEL,
                };
                let weights = transposed::<L>(
                    self.weights[direction],
                    4 * shape.units,
                    self.columns,
                    panel * PANEL,
                    column,
                );
                sums = multiply(
                    sums,
                    d_z.rows(panel * steps * trace.rows + row),
                    weights,
                    PANEL,
                );
            }
        }
        multiply_into(sums, self.slopes, self.columns, row, column);
    }
}

/// slopes ·= sums, for one tile.
#[inline(always)]
pub(crate) fn multiply_into<L: Lane, const R: usize, const V: usize>(
    sums: [[L; V]; R],
    slopes: &mut [f32],
    stride: usize,
    row: usize,
    column: usize,
) {
    for (r, sums) in sums.into_iter().enumerate() {
        for (v, sum) in sums.into_iter().enumerate() {
            let slopes = &mut slopes[(row + r) * stride + column + v * L::LANES..];
            (L::load(slopes) * sum).store(slopes);
        }
    }
}
