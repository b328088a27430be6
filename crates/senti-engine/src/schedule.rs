//! When to stop and when to slow down: two state machines, fed with one validation loss an epoch, and a curve.
//!
//! They follow Keras 3 (`EarlyStopping`, `ReduceLROnPlateau`, mode "min"; `CosineDecay`). All state is in public fields, so a checkpoint
//! can hold it. A loss that is NaN never counts as an improvement.

/// Stops after `patience` epochs without an improvement of more than `min_delta`.
#[derive(Clone, PartialEq, Debug)]
pub struct EarlyStopping {
    /// Epochs without improvement before stopping.
    pub patience: u32,
    /// Improvements smaller than this do not count.
    pub min_delta: f64,
    /// Lowest loss so far.
    pub best: f64,
    /// Epoch of the lowest loss, counted from 0; `None` before the first improvement.
    pub best_epoch: Option<u32>,
    /// Epochs since the lowest loss.
    pub wait: u32,
    /// Epochs seen.
    pub epochs: u32,
}

/// What to do after an epoch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The lowest loss so far: keep these weights.
    Best,
    /// No improvement, but patience is left.
    Wait,
    /// Patience is spent.
    Stop,
}

impl EarlyStopping {
    /// Nothing seen yet.
    pub fn new(patience: u32, min_delta: f64) -> EarlyStopping {
        EarlyStopping {
            patience,
            min_delta: min_delta.abs(),
            best: f64::INFINITY,
            best_epoch: None,
            wait: 0,
            epochs: 0,
        }
    }

    /// Takes the loss of the next epoch.
    pub fn observe(&mut self, loss: f64) -> Verdict {
        let epoch = self.epochs;
        self.epochs += 1;
        self.wait += 1;
        if loss < self.best - self.min_delta {
            self.best = loss;
            self.best_epoch = Some(epoch);
            self.wait = 0;
            Verdict::Best
        } else if self.wait >= self.patience && epoch > 0 {
            Verdict::Stop
        } else {
            Verdict::Wait
        }
    }
}

/// Multiplies the learning rate by `factor` after `patience` epochs without improvement, down to `floor`.
#[derive(Clone, PartialEq, Debug)]
pub struct ReduceOnPlateau {
    /// What the learning rate is multiplied with.
    pub factor: f32,
    /// Epochs without improvement before it is.
    pub patience: u32,
    /// Lowest learning rate.
    pub floor: f32,
    /// Improvements smaller than this do not count.
    pub min_delta: f64,
    /// Epochs after a reduction in which nothing is counted.
    pub cooldown: u32,
    /// Epochs of the cooldown that are left.
    pub cooldown_left: u32,
    /// Lowest loss so far.
    pub best: f64,
    /// Epochs since the lowest loss or the last reduction.
    pub wait: u32,
}

impl Default for ReduceOnPlateau {
    fn default() -> ReduceOnPlateau {
        ReduceOnPlateau {
            factor: 0.2,
            patience: 5,
            floor: 1e-4,
            min_delta: 1e-4,
            cooldown: 0,
            cooldown_left: 0,
            best: f64::INFINITY,
            wait: 0,
        }
    }
}

impl ReduceOnPlateau {
    /// Takes the loss of the next epoch and the learning rate it ran with; returns the one for the epoch after it.
    pub fn observe(&mut self, loss: f64, learning_rate: f32) -> f32 {
        if self.cooldown_left > 0 {
            self.cooldown_left -= 1;
            self.wait = 0;
        }
        if loss < self.best - self.min_delta {
            self.best = loss;
            self.wait = 0;
        } else if self.cooldown_left == 0 {
            self.wait += 1;
            if self.wait >= self.patience && learning_rate > self.floor {
                self.cooldown_left = self.cooldown;
                self.wait = 0;
                return (learning_rate * self.factor).max(self.floor);
            }
        }
        learning_rate
    }
}

/// Falls along half a cosine from `initial_learning_rate` to `alpha` times it, after a straight rise to `warmup_target` where there is one.
///
/// Without warm-up it is PyTorch's `CosineAnnealingLR` with `T_max` = `decay_steps` and `eta_min` = `alpha` · `initial_learning_rate`.
#[derive(Clone, PartialEq, Debug)]
pub struct CosineDecay {
    /// Where it starts.
    pub initial_learning_rate: f64,
    /// Steps of the fall.
    pub decay_steps: u64,
    /// Share of the highest rate that is left in the end.
    pub alpha: f64,
    /// Steps of the rise.
    pub warmup_steps: u64,
    /// Where the rise ends; none to begin with the fall.
    pub warmup_target: Option<f64>,
}

impl CosineDecay {
    /// Learning rate of step `step`, counted from 0.
    pub fn learning_rate(&self, step: u64) -> f64 {
        let initial = self.initial_learning_rate;
        let (top, step) = match self.warmup_target {
            Some(target) if step < self.warmup_steps => {
                let done = step as f64 / self.warmup_steps as f64;
                return initial + (target - initial) * done;
            }
            Some(target) => (target, step - self.warmup_steps),
            None => (initial, step),
        };
        let done = step.min(self.decay_steps) as f64 / self.decay_steps.max(1) as f64;
        let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
        top * ((1.0 - self.alpha) * cosine + self.alpha)
    }
}
