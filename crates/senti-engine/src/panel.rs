//! How parameters lie in memory: panels of 64 columns, the way the tiles read them.
//!
//! A panel of an LSTM has the four gates of 16 units as columns (16 i, 16 f, 16 c, 16 o) and as rows what they are multiplied
//! with: inputs, states, and 1 for the bias. Widths are padded to multiples of 16; the padding is zero and stays zero. The optimiser
//! works on this layout directly; only loading, saving and the transposed copies for `backward` convert it.

use crate::architecture::Architecture;
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
        for &units in &architecture.units {
            let shape = Shape {
                inputs,
                units: padded(units),
                panels: padded(units) / GROUP,
            };
            layers.push((shape, len));
            len += 2 * shape.len();
            inputs = [shape.units; 2];
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

    /// Where element (row, column) of the architecture's slot `slot` lies (a bias has row 0 only).
    pub fn position(
        &self,
        architecture: &Architecture,
        slot: usize,
        row: usize,
        column: usize,
    ) -> usize {
        let layer = slot / 6;
        // Row of the concatenated states of the layer below, of which each half is padded.
        let input = |row: usize| {
            if layer == 0 {
                row
            } else {
                row / architecture.units[layer - 1] * self.shape(layer).inputs[0]
                    + row % architecture.units[layer - 1]
            }
        };
        if layer == self.layers.len() {
            let (shape, start) = self.dense;
            let row = if slot.is_multiple_of(6) {
                input(row)
            } else {
                shape.depth() - 1
            };
            return start + column / PANEL * shape.panel_len() + row * PANEL + column % PANEL;
        }
        let (shape, start) = self.layers[layer];
        let row = match slot % 3 {
            0 => input(row),
            1 => shape.first_state() + row,
            _ => shape.depth() - 1,
        };
        let (direction, units) = (slot % 6 / 3, architecture.units[layer]);
        let (gate, unit) = (column / units, column % units);
        start
            + direction * shape.len()
            + unit / GROUP * shape.panel_len()
            + row * PANEL
            + gate * GROUP
            + unit % GROUP
    }

    fn shape(&self, layer: usize) -> Shape {
        if layer == self.layers.len() {
            self.dense.0
        } else {
            self.layers[layer].0
        }
    }
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
