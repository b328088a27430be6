//! The shape of a network: what its tensors are called and how large they are.

/// The equations of a recurrent layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Cell {
    /// Long short-term memory (Hochreiter & Schmidhuber 1997, with forget gates), as Keras's `LSTM` and PyTorch's.
    #[default]
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014), as Keras's `GRU` with `reset_after=True` (its default) and PyTorch's.
    Gru,
}

impl Cell {
    /// Gates of a unit, as Keras counts them.
    fn gates(self) -> usize {
        match self {
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// As Keras calls a layer.
    fn name(self) -> &'static str {
        match self {
            Cell::Lstm => "lstm",
            Cell::Gru => "gru",
        }
    }
}

/// Recurrent layers, each followed by dropout, then a linear dense layer.
///
/// All layers but the last return their sequence of states, the last the final state of each direction, concatenated
/// forward|backward as Keras does.
///
/// ```
/// use senti_engine::{Architecture, Cell};
/// let net = Architecture { steps: 30, features: 16, cell: Cell::Lstm, bidirectional: true, units: vec![128, 64], dropout: 0.2, outputs: 30 };
/// assert_eq!(net.n_parameters(), 148_480 + 164_352 + 3_870);
/// let net = Architecture { cell: Cell::Gru, bidirectional: false, units: vec![8], outputs: 1, ..net };
/// assert_eq!(net.n_parameters(), 3 * 8 * (16 + 8 + 2) + 9);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Architecture {
    /// T, the steps of a window.
    pub steps: usize,
    /// F, the features of a step.
    pub features: usize,
    /// The equations of every layer.
    pub cell: Cell,
    /// Whether every layer also reads its steps backwards, with weights of their own.
    pub bidirectional: bool,
    /// U of each layer, for one direction.
    pub units: Vec<usize>,
    /// Share of the activations that is dropped after each layer while training, 0 ≤ dropout < 1.
    pub dropout: f32,
    /// Outputs of the dense layer.
    pub outputs: usize,
}

/// Which of the parameters of a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Kernel,
    Recurrent,
    Bias,
}

/// What a tensor holds, its name and shape.
pub(crate) struct Slot {
    /// Number of the layer; the dense layer comes last.
    pub layer: usize,
    pub direction: usize,
    pub part: Part,
    pub name: String,
    pub shape: Vec<usize>,
}

/// Name of the part of a bidirectional layer that runs forwards or backwards in time.
pub(crate) const DIRECTIONS: [&str; 2] = ["forward", "backward"];

impl Architecture {
    /// Number of trained numbers.
    pub fn n_parameters(&self) -> usize {
        self.slots()
            .iter()
            .map(|slot| slot.shape.iter().product::<usize>())
            .sum()
    }

    /// Directions in which a layer reads: 1 or 2.
    pub(crate) fn n_directions(&self) -> usize {
        1 + usize::from(self.bidirectional)
    }

    /// Number of inputs that layer `layer` reads at each step.
    pub(crate) fn width_into(&self, layer: usize) -> usize {
        if layer == 0 {
            self.features
        } else {
            self.n_directions() * self.units[layer - 1]
        }
    }

    /// Inputs of the dense layer.
    pub(crate) fn width_into_dense(&self) -> usize {
        self.width_into(self.units.len())
    }

    /// Name of one direction of a layer, as Keras makes it.
    fn name_of(&self, layer: usize, direction: usize) -> String {
        let number = |name: &str| match layer {
            0 => name.to_owned(),
            _ => format!("{name}_{layer}"),
        };
        match self.bidirectional {
            true => format!("{}/{}", number("bidirectional"), DIRECTIONS[direction]),
            false => number(self.cell.name()),
        }
    }

    /// All tensors, in order, as Keras names them.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (layer, &units) in self.units.iter().enumerate() {
            let width = self.cell.gates() * units;
            for direction in 0..self.n_directions() {
                let layer_name = self.name_of(layer, direction);
                let mut add = |part: Part, name: &str, shape: Vec<usize>| {
                    slots.push(Slot {
                        layer,
                        direction,
                        part,
                        name: format!("{layer_name}/{name}"),
                        shape,
                    })
                };
                add(Part::Kernel, "kernel", vec![self.width_into(layer), width]);
                add(Part::Recurrent, "recurrent_kernel", vec![units, width]);
                let bias = match self.cell {
                    Cell::Lstm => vec![width],
                    Cell::Gru => vec![2, width],
                };
                add(Part::Bias, "bias", bias);
            }
        }
        let shapes = [
            (
                Part::Kernel,
                "kernel",
                vec![self.width_into_dense(), self.outputs],
            ),
            (Part::Bias, "bias", vec![self.outputs]),
        ];
        slots.extend(shapes.map(|(part, name, shape)| Slot {
            layer: self.units.len(),
            direction: 0,
            part,
            name: format!("dense/{name}"),
            shape,
        }));
        slots
    }

    /// # Panics
    /// When a size is zero or the dropout is no share.
    pub(crate) fn check(&self) {
        assert!(
            self.steps > 0 && self.features > 0 && self.outputs > 0,
            "a network needs steps, features and outputs: {self:?}"
        );
        assert!(
            !self.units.is_empty() && self.units.iter().all(|&units| units > 0),
            "a network needs layers with units: {self:?}"
        );
        assert!(
            (0.0..1.0).contains(&self.dropout),
            "dropout must be at least 0 and below 1: {self:?}"
        );
    }
}
