//! Weights that another program trained: what network they are, where they came from, and whether they fit a plan.
//!
//! In come tensors under the engine's names, whatever they were called before; out goes an [`Imported`], whose tensors make one network, or a
//! sentence that says what does not fit. No file is opened here and nothing is trained.

use serde::{Deserialize, Serialize};

use crate::artifact::{Tensor, Values};
use crate::features::FeatureSet;
use crate::plan::{LEVELS, Loss, Plan};
use crate::{Error, Result};

/// Most layers, as in a plan.
const LAYERS: usize = 8;
/// Gates of a unit.
const GATES: usize = 4;

/// What must be said beside the scores of imported weights.
pub const FLATTERED: &str =
    "the scores may be flattered: it is not known which rows the imported weights were trained on";

/// Where weights came from; kept in the artifact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What wrote the file, as `Keras 3 (.keras)`.
    pub format: String,
    /// The file, as it was named.
    pub file: String,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
}

/// Bidirectional LSTM layers and a dense one, with weights.
///
/// ```
/// use senti::artifact::{Tensor, Values};
/// use senti::imported::{Imported, Origin};
/// let zeros = |name: &str, shape: &[usize]| Tensor { name: name.into(), shape: shape.to_vec(), values: Values::F32(vec![0.0; shape.iter().product()]) };
/// let mut tensors = Vec::new();
/// for direction in ["forward", "backward"] {
///     tensors.push(zeros(&format!("bidirectional/{direction}/kernel"), &[5, 4 * 2]));
///     tensors.push(zeros(&format!("bidirectional/{direction}/recurrent_kernel"), &[2, 4 * 2]));
///     tensors.push(zeros(&format!("bidirectional/{direction}/bias"), &[4 * 2]));
/// }
/// tensors.push(zeros("dense/kernel", &[2 * 2, 7]));
/// tensors.push(zeros("dense/bias", &[7]));
/// let origin = Origin { format: "by hand".into(), file: "none".into(), sha256: String::new() };
/// let imported = Imported::new(origin, tensors)?;
/// assert_eq!((imported.features(), imported.units(), imported.outputs()), (5, &[2][..], 7));
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Imported {
    origin: Origin,
    features: usize,
    units: Vec<usize>,
    outputs: usize,
    tensors: Vec<Tensor>,
}

impl Imported {
    /// Takes tensors in single precision by the engine's names (`docs/weights.md`), in any order: every one of a network and no other, of shapes
    /// that fit each other, finite.
    pub fn new(origin: Origin, tensors: Vec<Tensor>) -> Result<Self> {
        let layers = (0..=LAYERS).take_while(|&layer| {
            let prefix = format!("{}/", layer_name(layer));
            tensors
                .iter()
                .any(|tensor| tensor.name.starts_with(&prefix))
        });
        let layers = layers.count();
        if layers == 0 || layers > LAYERS {
            return Err(Error::data(format!(
                "the weights have {layers} bidirectional LSTM layers, wanted 1 to {LAYERS}"
            )));
        }
        let shape = |name: &str, axes: usize| {
            let found = tensors.iter().find(|tensor| tensor.name == name);
            let tensor =
                found.ok_or_else(|| Error::data(format!("the weights have no tensor `{name}`")))?;
            if tensor.shape.len() != axes || tensor.shape.contains(&0) {
                return Err(Error::data(format!(
                    "tensor `{name}` has shape {:?}, wanted {axes} axes that are not empty",
                    tensor.shape
                )));
            }
            Ok(tensor.shape.as_slice())
        };
        let mut units = Vec::new();
        for layer in 0..layers {
            let name = format!("{}/forward/recurrent_kernel", layer_name(layer));
            units.push(shape(&name, 2)?[0]);
        }
        let features = shape(&format!("{}/forward/kernel", layer_name(0)), 2)?[0];
        let outputs = shape("dense/bias", 1)?[0];
        let mut wanted = Vec::new();
        let mut width = features;
        for (layer, &units) in units.iter().enumerate() {
            for direction in ["forward", "backward"] {
                let name = |part: &str| format!("{}/{direction}/{part}", layer_name(layer));
                let gates = GATES * units;
                wanted.push((name("kernel"), vec![width, gates]));
                wanted.push((name("recurrent_kernel"), vec![units, gates]));
                wanted.push((name("bias"), vec![gates]));
            }
            width = 2 * units;
        }
        wanted.push(("dense/kernel".into(), vec![width, outputs]));
        wanted.push(("dense/bias".into(), vec![outputs]));
        for tensor in &tensors {
            if !wanted.iter().any(|(name, _)| *name == tensor.name) {
                return Err(Error::data(format!(
                    "the network has no place for tensor `{}`",
                    tensor.name
                )));
            }
        }
        let mut ordered = Vec::with_capacity(wanted.len());
        for (name, shape) in wanted {
            let alike: Vec<&Tensor> = tensors.iter().filter(|t| t.name == name).collect();
            let [tensor] = alike[..] else {
                return Err(Error::data(format!(
                    "the weights have {} tensors `{name}`, wanted one",
                    alike.len()
                )));
            };
            fits(tensor, &shape)?;
            ordered.push(tensor.clone());
        }
        Ok(Self {
            origin,
            features,
            units,
            outputs,
            tensors: ordered,
        })
    }

    /// Where they came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// F, the columns of a step that the network reads.
    pub fn features(&self) -> usize {
        self.features
    }

    /// U of every layer, for one direction.
    pub fn units(&self) -> &[usize] {
        &self.units
    }

    /// Outputs of the dense layer.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The weights, in the engine's order.
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// Steps that the network would forecast with this loss, where its outputs can be divided so.
    pub fn horizon(&self, loss: Loss) -> Option<usize> {
        let per_step = per_step(loss);
        (self.outputs.is_multiple_of(per_step)).then_some(self.outputs / per_step)
    }

    /// Does the plan make this network, but for its features?
    pub fn fits_plan(&self, plan: &Plan) -> Result<()> {
        if plan.model_type != "lstm" {
            return Err(Error::plan(format!(
                "weights of an LSTM are no model of type `{}`",
                plan.model_type
            ))
            .hint("leave `--model_type` out, or give `lstm`"));
        }
        if plan.units != self.units {
            return Err(Error::plan(format!(
                "the file's layers have {} units, the plan's {}",
                list(&self.units),
                list(&plan.units)
            ))
            .hint(format!("give `--units {}`", list(&self.units))));
        }
        let wanted = plan.forecast_horizon * per_step(plan.loss);
        if self.outputs != wanted {
            let outputs = self.outputs;
            let loss = plan.loss_name();
            let mut ways = vec![format!("`--loss mse --forecast_horizon {outputs}`")];
            if let Some(horizon) = self.horizon(Loss::Pinball) {
                ways.push(format!(
                    "`--loss pinball --forecast_horizon {horizon}`, if these are {} quantiles a step",
                    LEVELS.len()
                ));
            }
            return Err(Error::plan(format!(
                "the file's network has {outputs} outputs, `--loss {loss}` with {} steps ahead wants {wanted}",
                plan.forecast_horizon
            ))
            .hint(format!("give {}", ways.join(" or "))));
        }
        Ok(())
    }

    /// Do the features that the plan makes of a table number those that the network reads?
    pub fn fits_features(&self, features: &FeatureSet) -> Result<()> {
        if features.len() == self.features {
            return Ok(());
        }
        Err(Error::data(format!(
            "the file's network reads {} columns a step, of this table {} features are made: {}",
            self.features,
            features.len(),
            features.names().join(", ")
        ))
        .hint("a network can only be taken over that was trained on these features in this order, prepared as `docs/weights.md` tells; other columns or another `--target` make other features"))
    }
}

/// As Keras numbers layers.
pub fn layer_name(layer: usize) -> String {
    match layer {
        0 => "bidirectional".into(),
        _ => format!("bidirectional_{layer}"),
    }
}

fn per_step(loss: Loss) -> usize {
    match loss {
        Loss::Pinball => LEVELS.len(),
        Loss::Mse | Loss::Mae | Loss::Huber => 1,
    }
}

fn list(units: &[usize]) -> String {
    let texts: Vec<String> = units.iter().map(usize::to_string).collect();
    texts.join(",")
}

fn fits(tensor: &Tensor, shape: &[usize]) -> Result<()> {
    let name = &tensor.name;
    if tensor.shape != shape {
        return Err(Error::data(format!(
            "tensor `{name}` has shape {:?}, the other layers want {shape:?}",
            tensor.shape
        )));
    }
    let Values::F32(values) = &tensor.values else {
        return Err(Error::data(format!(
            "tensor `{name}` is double precision, wanted single"
        )));
    };
    let wanted: usize = shape.iter().product();
    if values.len() != wanted {
        return Err(Error::data(format!(
            "tensor `{name}` has {} values, its shape wants {wanted}",
            values.len()
        )));
    }
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::data(format!(
            "value {at} of tensor `{name}` is {}, wanted a finite number",
            values[at]
        ))),
        None => Ok(()),
    }
}
