//! The models a user can choose from, and what each of them must do.
//!
//! In come windows (the past, and while training the future); out come prices: a point and a quantile for every step and level.
//! Before and after learning are two types: [`Model`] can only fit or load, [`Fitted`] can only predict.

use serde_json::Value;

use crate::artifact::{Manifest, State, StateManifest, Tensor};
use crate::doors::Machine;
use crate::forecast::Predictions;
use crate::memory::Sizes;
use crate::observe::{EpochRecord, Observer};
use crate::plan::Plan;
use crate::prepare::Preparation;
use crate::windows::{Window, Windows};
use crate::{Error, Result};

mod basic;
mod lstm;
mod naive;
pub mod target;
mod trees;

pub use basic::BasicParts;
pub use lstm::{Head, LstmParts};
pub use trees::TreesParts;

/// Windows that a model predicts at once, at most.
pub const CHUNK: usize = 128;

/// Brings a model back from an artifact's manifest and tensors.
pub type Load = fn(&Manifest, &[Tensor], Machine) -> Result<Box<dyn Fitted>>;

/// A row of [`MODELS`].
pub struct Model {
    /// Name as the user types it.
    pub name: &'static str,
    /// One line for the help.
    pub help: &'static str,
    /// Can the user train it? The naive forecast is only ever beside another model.
    pub trains: bool,
    /// Bytes that learning takes beside table, matrix and the order of the windows.
    pub memory: fn(&Plan, &Sizes) -> u64,
    /// Learns from windows.
    pub fit: fn(&Job<'_>, &mut Observer<'_>) -> Result<Learned>,
    /// Comes back from an artifact.
    pub load: Load,
}

/// Every model.
pub const MODELS: &[Model] = &[
    Model {
        name: "lstm",
        help: "bidirectional LSTM with a quantile head that starts as the distribution of past moves",
        trains: true,
        memory: lstm::memory::bytes,
        fit: lstm::fit,
        load: lstm::load,
    },
    Model {
        name: "basic",
        help: "ridge regression on the flattened window, one direct equation for each step ahead",
        trains: true,
        memory: basic::memory,
        fit: basic::fit,
        load: basic::load,
    },
    Model {
        name: "trees",
        help: "gradient-boosted quantile trees on the last row, starting as the distribution of past moves in units of volatility",
        trains: true,
        memory: trees::memory,
        fit: trees::fit,
        load: trees::load,
    },
    Model {
        name: "naive",
        help: "the last close, with the quantiles of past moves",
        trains: false,
        memory: |_, _| 0,
        fit: naive::fit,
        load: naive::load,
    },
];

/// The trainable model of this name.
pub fn find(name: &str) -> Result<&'static Model> {
    MODELS
        .iter()
        .find(|model| model.trains && model.name == name)
        .ok_or_else(|| {
            let names: Vec<_> = MODELS
                .iter()
                .filter(|model| model.trains)
                .map(|model| format!("`{}`", model.name))
                .collect();
            Error::input(format!(
                "`model_type` is `{name}`, wanted {}",
                names.join(" or ")
            ))
        })
}

/// The naive forecast, learned from the moves of these windows.
pub(crate) fn naive(known: &Windows<'_>) -> Box<dyn Fitted> {
    Box::new(naive::Naive::learn(known))
}

/// A network laid open: what an explanation by gradients needs.
pub struct Opened {
    /// The network, with its weights.
    pub network: senti_engine::Network,
    /// How its outputs become quantiles; none for a loss of points, whose outputs are the encoded forecasts themselves.
    pub head: Option<senti_engine::Pinball>,
    /// What an encoded value of each step is multiplied by to be in `unit`: (H).
    pub scale: Vec<f64>,
    /// Unit of what is explained.
    pub unit: &'static str,
}

/// The network of an artifact; none for a model that is no network.
pub fn open(manifest: &Manifest, tensors: &[Tensor], machine: Machine) -> Result<Option<Opened>> {
    match manifest.plan.model_type.as_str() {
        "lstm" => lstm::open(manifest, tensors, machine).map(Some),
        _ => Ok(None),
    }
}

/// Everything that a trained model computes a forecast with, for whoever computes it elsewhere: an export.
pub enum Parts {
    /// A network.
    Lstm(LstmParts),
    /// A ridge regression.
    Basic(BasicParts),
    /// A forest.
    Trees(TreesParts),
}

/// The parts of an artifact's model, checked as for a forecast.
pub fn take_apart(manifest: &Manifest, tensors: &[Tensor]) -> Result<Parts> {
    match manifest.plan.model_type.as_str() {
        "lstm" => lstm::take_apart(manifest, tensors).map(Parts::Lstm),
        "basic" => basic::take_apart(manifest, tensors).map(Parts::Basic),
        "trees" => trees::take_apart(manifest, tensors).map(Parts::Trees),
        other => Err(Error::unsupported(format!(
            "a model of type `{other}` cannot be taken apart"
        ))),
    }
}

/// The weights that a training starts from; only a network looks at them.
#[derive(Clone, Copy, Debug)]
pub enum Start<'a> {
    /// Fresh ones.
    Fresh,
    /// Those of an earlier training on other rows, where the shapes agree; the output layer starts anew.
    Warm(&'a [Tensor]),
    /// Exactly these, the output layer too: other shapes are an error. Epoch 0 is the network as it was given.
    Given(&'a [Tensor]),
}

/// What a model learns from.
pub struct Job<'a> {
    /// The choices.
    pub plan: &'a Plan,
    /// Threads and instruction set.
    pub machine: Machine,
    /// Winsorisation and scaling, learned on the training rows.
    pub preparation: &'a Preparation,
    /// Windows to learn from.
    pub train: Windows<'a>,
    /// Windows to stop by.
    pub valid: Windows<'a>,
    /// Where to go on.
    pub resume: Option<&'a State>,
    /// Weights to start from.
    pub start: Start<'a>,
    /// What a checkpoint says of itself; the model fills in its own part.
    pub state: &'a StateManifest,
}

/// What fitting gives.
pub struct Learned {
    /// The model, ready to predict.
    pub fitted: Box<dyn Fitted>,
    /// One record an epoch; empty for a model without epochs.
    pub history: Vec<EpochRecord>,
    /// Epoch whose weights were kept; 0 is the untrained model.
    pub best_epoch: usize,
    /// Validation loss of the untrained model; none for a model without epochs.
    pub untrained_loss: Option<f64>,
}

/// A model that has learned.
pub trait Fitted {
    /// Forecasts the windows (at most [`CHUNK`]) into `out`, which has room for them: prices, quantiles never decreasing.
    fn predict(
        &mut self,
        windows: &[Window<'_>],
        preparation: &Preparation,
        out: &mut Predictions,
    ) -> Result<()>;

    /// After training: learns what only `held` windows, which it did not learn from, can tell, and then whatever should be learned
    /// from every `known` move. `true` where its quantiles need no other calibration.
    fn settle(
        &mut self,
        held: &Windows<'_>,
        known: &Windows<'_>,
        preparation: &Preparation,
        observe: &mut Observer<'_>,
    ) -> Result<bool> {
        let _ = (held, known, preparation, observe);
        Ok(false)
    }

    /// What it keeps beside its tensors.
    fn record(&self) -> Value;

    /// Its weights.
    fn tensors(&self) -> Vec<Tensor>;
}

/// What a model of this name kept beside its tensors, for a model that is loaded.
fn read_record<T: serde::de::DeserializeOwned>(manifest: &Manifest, name: &str) -> Result<T> {
    T::deserialize(&manifest.model).map_err(|cause| {
        Error::data(format!(
            "the artifact's record of the {name} model cannot be read"
        ))
        .because(cause)
    })
}

/// The tensor of this name, for a model that is loaded.
fn find_tensor<'t>(tensors: &'t [Tensor], name: &str) -> Result<&'t Tensor> {
    tensors
        .iter()
        .find(|tensor| tensor.name == name)
        .ok_or_else(|| Error::data(format!("the artifact has no tensor `{name}`")))
}
