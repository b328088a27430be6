//! How parameters lie in memory: panels of 64 columns, the way the tiles read them.
//!
//! A panel of a recurrent layer has the four sums of 16 units as columns (an LSTM's 16 i, 16 f, 16 c, 16 o; a GRU's 16 z, 16 r and its
//! candidate's 16 from inputs and 16 from states) and as rows what they are multiplied with: inputs, states, and 1 for the bias. Widths are padded to multiples of 16; the padding is zero and stays zero. The optimiser
//! works on this layout directly; only loading, saving and the transposed copies for `backward` convert it.

use crate::architecture::{Architecture, Cell, Part, Slot};
use crate::lane::{Kernel, Lane};
use crate::tile::Right;

/// Columns of a panel, and its row stride.
pub(crate) const PANEL: usize = 64;

/// Units of a panel: one for each lane of the widest register.
pub(crate) const GROUP: usize = 16;

/// Sizes of a matrix of panels; all padded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Shape {
    /// Widths of the two matrices that the input consists of; the second may be empty.
    pub inputs: [usize; 2],
    /// Recurrent inputs: U, or 0 for the dense layer.
    pub units: usize,
    /// Columns / 64.
    pub panels: usize,
}

impl Shape {
    /// Rows of a panel: inputs, states, bias.
    pub fn depth(&self) -> usize {
        self.inputs[0] + self.inputs[1] + self.units + 1
    }

    /// Floats of a panel.
    pub fn panel_len(&self) -> usize {
        self.depth() * PANEL
    }

    /// Floats of all panels.
    pub fn len(&self) -> usize {
        self.panels * self.panel_len()
    }

    /// Row of a panel at which the states begin.
    pub fn first_state(&self) -> usize {
        self.inputs[0] + self.inputs[1]
    }
}

/// Where each parameter lies.
pub(crate) struct Layout {
    /// Shape of one direction of each layer, and where the layer begins; its two directions follow each other.
    pub layers: Vec<(Shape, usize)>,
    /// Shape of the dense layer, and where it begins.
    pub dense: (Shape, usize),
    /// Floats in all.
    pub len: usize,
}

fn padded(width: usize) -> usize {
    width.next_multiple_of(GROUP)
}

impl Layout {
    pub fn new(architecture: &Architecture) -> Layout {
        let (mut layers, mut len, mut inputs) = (Vec::new(), 0, [architecture.features, 0]);
        let n_directions = architecture.n_directions();
        for &units in &architecture.units {
            let shape = Shape {
                inputs,
                units: padded(units),
                panels: padded(units) / GROUP,
            };
            layers.push((shape, len));
            len += n_directions * shape.len();
            inputs = [shape.units, (n_directions - 1) * shape.units];
        }
        let dense = Shape {
            inputs,
            units: 0,
            panels: architecture.outputs.div_ceil(PANEL),
        };
        Layout {
            layers,
            dense: (dense, len),
            len: len + dense.len(),
        }
    }

    /// Where element (row, column) of a tensor lies (a bias of one row has row 0 only).
    pub fn place(
        &self,
        architecture: &Architecture,
        slot: &Slot,
        row: usize,
        column: usize,
    ) -> Place {
        let (shape, start) = *self.layers.get(slot.layer).unwrap_or(&self.dense);
        let panel_row = match (slot.part, slot.layer) {
            (Part::Kernel, 0) => row,
            // The states of the layer below: each half is padded.
            (Part::Kernel, layer) => {
                let below = architecture.units[layer - 1];
                row / below * shape.inputs[0] + row % below
            }
            (Part::Recurrent, _) => shape.first_state() + row,
            (Part::Bias, _) => shape.depth() - 1,
        };
        let at = |panel: usize, panel_column: usize| {
            start
                + slot.direction * shape.len()
                + panel * shape.panel_len()
                + panel_row * PANEL
                + panel_column
        };
        let Some(&units) = architecture.units.get(slot.layer) else {
            return Place::Own(at(column / PANEL, column % PANEL));
        };
        let (gate, unit) = (column / units, column % units);
        let at = |sum: usize| at(unit / GROUP, sum * GROUP + unit % GROUP);
        match (architecture.cell, slot.part, row, gate) {
            (Cell::Lstm, ..) | (Cell::Gru, Part::Kernel, ..) | (Cell::Gru, Part::Bias, 0, _) => {
                Place::Own(at(gate))
            }
            // The candidate's inputs and states are two sums, for the reset gate comes between them.
            (Cell::Gru, _, _, 2) => Place::Own(at(3)),
            (Cell::Gru, Part::Recurrent, ..) => Place::Own(at(gate)),
            (Cell::Gru, Part::Bias, ..) => Place::Shared(at(gate)),
        }
    }
}

/// Where a parameter lies.
pub(crate) enum Place {
    /// At a place of its own.
    Own(usize),
    /// Together with the one that came before it: only their sum counts (a GRU's two biases of a gate).
    Shared(usize),
}

/// Transposes rows `first..first + columns` of all panels of `weights`, for products with the gates' gradients.
///
/// Out come blocks of 64 columns (the last may have 16, 32 or 48), each with a row for every column of every panel.
pub(crate) struct Transpose<'a> {
    pub shape: Shape,
    pub weights: &'a [f32],
    pub first: usize,
    pub columns: usize,
    pub out: &'a mut [f32],
}

impl Kernel for Transpose<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(self) {
        let depth = self.shape.panels * PANEL;
        for (block, out) in self.out.chunks_mut(depth * PANEL).enumerate() {
            let width = PANEL.min(self.columns - block * PANEL);
            for (panel, out) in out.chunks_exact_mut(PANEL * width).enumerate() {
                let from = &self.weights
                    [panel * self.shape.panel_len() + (self.first + block * PANEL) * PANEL..]
                    [..width * PANEL];
                // 16 × 16 at a time: both sides of it stay in the first cache.
                for (column, out) in out.chunks_exact_mut(GROUP * width).enumerate() {
                    for (row, from) in from.chunks_exact(GROUP * PANEL).enumerate() {
                        for k in 0..GROUP {
                            let out: &mut [f32; GROUP] = (&mut out[k * width + row * GROUP..]
                                [..GROUP])
                                .try_into()
                                .expect("16 were taken");
                            for (lane, out) in out.iter_mut().enumerate() {
                                *out = from[lane * PANEL + column * GROUP + k];
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Columns from `column` on, rows from `row` on, of a matrix that [`Transpose`] wrote.
#[inline(always)]
pub(crate) fn transposed<L: Lane>(
    packed: &[f32],
    depth: usize,
    columns: usize,
    row: usize,
    column: usize,
) -> Right<'_> {
    let block = column / PANEL;
    let width = PANEL.min(columns - block * PANEL);
    Right {
        values: &packed[block * PANEL * depth + row * width + column % PANEL..],
        stride: width,
        gap: L::LANES,
    }
}
