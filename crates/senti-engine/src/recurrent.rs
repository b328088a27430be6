//! One direction of a recurrent layer, on one block of rows: forward, backward, and the gradient of the inputs.
//!
//! Four sums z = W·x + U·h₋ + b for each unit, then the equations of its cell (`cell.rs`), straight from the registers. `h₋` and `c₋` are
//! those of the step before, 0 at the first.
//!
//! Rows are time-major: row t·B + b. Going backward in time (`reverse`), "before" is the later step.

use std::marker::PhantomData;

use crate::aligned::Aligned;
use crate::architecture::Cell;
use crate::cell::{Equations, Gru, Lstm, Step};
use crate::dropout::Dropout;
use crate::lane::{Kernel, Lane};
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
    pub cell: Cell,
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
    /// The gates of each panel (panels, T·B, 64). Backward turns them into the gradients of z.
    pub gates: Aligned,
    /// The memory of each unit, and as it is shown (T·B, U); only that of the present step (B, U) while nothing has to be kept.
    memories: Aligned,
    shown: Aligned,
    /// h (T·B, stride)
    pub states: Aligned,
    /// h after dropout (T·B, stride), of the last layer only the final one (B, stride).
    dropped: Aligned,
    /// Factors of the dropout until the layer above multiplies the gradient of its input with them (T·B, U) or (B, U).
    pub slopes: Aligned,
    /// Gradient of the memory, carried from step to step (B, U).
    d_memories: Aligned,
}

impl Trace {
    pub fn new(direction: &Direction, rows: usize) -> Trace {
        let (units, all) = (direction.shape.units, direction.steps * rows);
        Trace {
            rows: 0,
            gates: Aligned::zeros(all * 4 * units),
            memories: Aligned::zeros(all * units),
            shown: Aligned::zeros(all * units),
            states: Aligned::zeros(all * direction.stride()),
            dropped: Aligned::zeros(direction.rows_out(rows) * direction.stride()),
            slopes: Aligned::zeros(direction.rows_out(rows) * units),
            d_memories: Aligned::zeros(rows * units),
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
    fn run<L: Lane>(self) {
        match self.direction.cell {
            Cell::Lstm => self.steps::<L, Lstm>(),
            Cell::Gru => self.steps::<L, Gru>(),
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn steps<L: Lane, E: Equations>(mut self) {
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
                            equations: PhantomData::<E>,
                        },
                    );
                }
            }
        }
    }

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
struct StateTile<'a, 'b, E> {
    layer: &'b mut Forward<'a>,
    panel: usize,
    step: usize,
    before: Option<usize>,
    /// Whether W·x + b is known already.
    ahead: bool,
    equations: PhantomData<E>,
}

impl<E: Equations> Tile for StateTile<'_, '_, E> {
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
            // While nothing is kept, one memory of each row is enough.
            let memory_at = |step: usize| if keep { step * rows } else { 0 } + row + r;
            let before = match self.before {
                Some(before) => L::load(&trace.memories[memory_at(before) * shape.units + unit..]),
                None => L::splat(0.0),
            };
            let sums = [z[0], z[1], z[2], z[3]];
            let Step {
                gates,
                memory,
                shown,
                output: h,
            } = E::forward(sums, before);

            memory.store(&mut trace.memories[memory_at(self.step) * shape.units + unit..]);
            h.store(&mut trace.states[at * stride + unit..]);
            if keep {
                for (gate, value) in gates.into_iter().enumerate() {
                    value.store(&mut trace.gates[(first + r) * PANEL + gate * GROUP + lane..]);
                }
                shown.store(&mut trace.shown[at * shape.units + unit..]);
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
    fn run<L: Lane>(self) {
        match self.direction.cell {
            Cell::Lstm => self.steps::<L, Lstm>(),
            Cell::Gru => self.steps::<L, Gru>(),
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn steps<L: Lane, E: Equations>(mut self) {
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
                    equations: PhantomData::<E>,
                },
            );
        }
    }
}

/// One step back: the gradients of h of R rows and V registers of units, and straight from them those of the sums.
struct GateTile<'a, 'b, E> {
    layer: &'b mut Backward<'a>,
    step: usize,
    after: Option<usize>,
    before: Option<usize>,
    equations: PhantomData<E>,
}

impl<E: Equations> Tile for GateTile<'_, '_, E> {
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
                let kept = [
                    L::load(gates),
                    L::load(&gates[GROUP..]),
                    L::load(&gates[2 * GROUP..]),
                    L::load(&gates[3 * GROUP..]),
                ];
                let shown = L::load(&trace.shown[at * units + unit..]);
                let before = match self.before {
                    Some(before) => {
                        L::load(&trace.memories[(before * rows + row + r) * units + unit..])
                    }
                    None => L::splat(0.0),
                };
                let d_memory = &mut trace.d_memories[(row + r) * units + unit..];
                let carried = match self.after {
                    Some(_) => L::load(d_memory),
                    None => L::splat(0.0),
                };
                let (d_sums, carried) = E::backward(kept, shown, before, d_h, carried);
                carried.store(d_memory);
                for (sum, d_sum) in d_sums.into_iter().enumerate() {
                    d_sum.store(&mut gates[sum * GROUP..]);
                }
            }
        }
    }
}

/// Gradient of one part of a layer's input, multiplied with the dropout's factors that `slopes` holds.
pub(crate) struct InputGradient<'a> {
    /// All directions of the layer, after backward.
    pub directions: &'a [Direction],
    pub traces: &'a [Trace],
    /// Wᵀ of this part (4U, inputs), for each direction `per_direction` behind the one before.
    pub weights: &'a [f32],
    pub per_direction: usize,
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
        for (index, (direction, trace)) in self.directions.iter().zip(self.traces).enumerate() {
            let Direction { shape, steps, .. } = *direction;
            let weights = &self.weights[index * self.per_direction..];
            for panel in 0..shape.panels {
                let d_z = Matrix {
                    values: &trace.gates,
                    stride: PANEL,
                };
                let weights = transposed::<L>(
                    weights,
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
