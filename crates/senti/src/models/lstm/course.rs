//! Where a training stands between two batches: its place in the epoch, the small machines that stop and slow it, its history and the
//! best weights. With the network's own state that is all a resumed run needs, and it can be written down.

use senti_engine::Engine;
use senti_engine::schedule::{EarlyStopping, ReduceOnPlateau};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{narrow, widen};
use crate::artifact::{State, Tensor};
use crate::models::Job;
use crate::observe::EpochRecord;
use crate::plan::Plan;
use crate::{Error, Result};

/// Name in front of the best weights' in a state.
const BEST: &str = "best/";

/// The loop between two batches.
#[derive(Serialize, Deserialize)]
pub(super) struct Course {
    /// Epoch in work, counted from 1.
    pub epoch: usize,
    /// First batch of it that is not done.
    pub batch: usize,
    /// Sum of the losses of its windows so far.
    pub loss_sum: f64,
    pub learning_rate: f32,
    #[serde(with = "StoppingFields")]
    pub stopping: EarlyStopping,
    #[serde(with = "PlateauFields")]
    pub plateau: ReduceOnPlateau,
    /// Validation loss of the untrained network.
    pub untrained_loss: f64,
    /// Patience is spent.
    pub stopped: bool,
    #[serde(skip)]
    pub history: Vec<EpochRecord>,
    /// Weights of the best epoch.
    #[serde(skip)]
    pub best: Vec<senti_engine::Tensor>,
}

/// [`EarlyStopping`] as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(remote = "EarlyStopping")]
struct StoppingFields {
    patience: u32,
    min_delta: f64,
    best: f64,
    best_epoch: Option<u32>,
    wait: u32,
    epochs: u32,
}

/// [`ReduceOnPlateau`] as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(remote = "ReduceOnPlateau")]
struct PlateauFields {
    factor: f32,
    patience: u32,
    floor: f32,
    min_delta: f64,
    cooldown: u32,
    cooldown_left: u32,
    best: f64,
    wait: u32,
}

impl Course {
    /// A training about to begin, with the untrained network as its epoch 0.
    pub fn new(plan: &Plan, untrained_loss: f64, network: &dyn Engine) -> Self {
        let mut course = Self {
            epoch: 1,
            batch: 0,
            loss_sum: 0.0,
            learning_rate: plan.learning_rate as f32,
            stopping: EarlyStopping::new(plan.patience as u32, 0.0),
            plateau: ReduceOnPlateau::default(),
            untrained_loss,
            stopped: false,
            history: Vec::new(),
            best: network.weights(),
        };
        course.stopping.observe(untrained_loss);
        course.plateau.observe(untrained_loss, course.learning_rate);
        course
    }

    /// Epoch of the best weights; 0 is the untrained network.
    pub fn best_epoch(&self) -> usize {
        self.stopping.best_epoch.unwrap_or(0) as usize
    }

    /// All that a resumed run needs.
    pub fn state(&self, job: &Job<'_>, network: &dyn Engine) -> State {
        let mut manifest = job.state.clone();
        manifest.epochs_done = self.history.len();
        manifest.progress = serde_json::to_value(self).unwrap_or(Value::Null);
        manifest.history.clone_from(&self.history);
        let mut tensors: Vec<Tensor> = network.state().into_iter().map(widen).collect();
        tensors.extend(self.best.iter().cloned().map(|mut tensor| {
            tensor.name.insert_str(0, BEST);
            widen(tensor)
        }));
        State { manifest, tensors }
    }

    /// Takes up where a state was left.
    pub fn resume(state: &State, network: &mut dyn Engine) -> Result<Self> {
        let unreadable =
            || Error::data("the checkpoint cannot be taken up").hint("train without `--resume`");
        let mut course: Self = serde_json::from_value(state.manifest.progress.clone())
            .map_err(|cause| unreadable().because(cause))?;
        course.history.clone_from(&state.manifest.history);
        let mut current = Vec::new();
        for tensor in &state.tensors {
            let mut tensor = narrow(tensor)?;
            match tensor.name.strip_prefix(BEST).map(str::to_owned) {
                Some(name) => {
                    tensor.name = name;
                    course.best.push(tensor);
                }
                None => current.push(tensor),
            }
        }
        network
            .set_state(&current)
            .map_err(|cause| unreadable().because(cause))?;
        Ok(course)
    }
}
