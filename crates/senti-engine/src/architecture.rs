//! The shape of a network: what its tensors are called and how large they are.

/// Bidirectional LSTM layers, each followed by dropout, then a linear dense layer.
///
/// All layers but the last return their sequence of states, the last the final state of each direction, concatenated
/// forward|backward as Keras does.
///
/// ```
/// use senti_engine::Architecture;
/// let net = Architecture { steps: 30, features: 16, units: vec![128, 64], dropout: 0.2, outputs: 30 };
/// assert_eq!(net.n_parameters(), 148_480 + 164_352 + 3_870);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Architecture {
    /// T, the steps of a window.
    pub steps: usize,
    /// F, the features of a step.
    pub features: usize,
    /// U of each layer, for one direction.
    pub units: Vec<usize>,
    /// Share of the activations that is dropped after each layer while training, 0 ≤ dropout < 1.
    pub dropout: f32,
    /// Outputs of the dense layer.
    pub outputs: usize,
}

/// Name and shape of one tensor.
pub(crate) struct Slot {
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

    /// Number of inputs that layer `layer` reads at each step.
    pub(crate) fn width_into(&self, layer: usize) -> usize {
        if layer == 0 {
            self.features
        } else {
            2 * self.units[layer - 1]
        }
    }

    /// Inputs of the dense layer.
    pub(crate) fn width_into_dense(&self) -> usize {
        self.width_into(self.units.len())
    }

    /// All tensors, in order, as Keras names them.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        let mut slots = Vec::new();
        for (layer, &units) in self.units.iter().enumerate() {
            let layer_name = if layer == 0 {
                "bidirectional".to_owned()
            } else {
                format!("bidirectional_{layer}")
            };
            for direction in DIRECTIONS {
                let mut add = |part: &str, shape: Vec<usize>| {
                    slots.push(Slot {
                        name: format!("{layer_name}/{direction}/{part}"),
                        shape,
                    })
                };
                add("kernel", vec![self.width_into(layer), 4 * units]);
                add("recurrent_kernel", vec![units, 4 * units]);
                add("bias", vec![4 * units]);
            }
        }
        slots.push(Slot {
            name: "dense/kernel".to_owned(),
            shape: vec![self.width_into_dense(), self.outputs],
        });
        slots.push(Slot {
            name: "dense/bias".to_owned(),
            shape: vec![self.outputs],
        });
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
