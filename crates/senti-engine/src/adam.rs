//! Adam's settings (Kingma & Ba, 2015).

/// Where epsilon enters: the two conventions differ by up to 6e-4 relative in the first step.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Convention {
    /// Added to √v before the bias correction.
    #[default]
    Keras,
    /// Added to √v̂ after the bias correction.
    PyTorch,
}

/// Settings of Adam; the default is that of Keras 3.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Adam {
    /// Decay of the mean of the gradients.
    pub beta_1: f32,
    /// Decay of the mean of their squares.
    pub beta_2: f32,
    /// Keeps the quotient finite.
    pub epsilon: f32,
    /// Where epsilon enters.
    pub convention: Convention,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
            convention: Convention::Keras,
        }
    }
}

/// Factors of one step, the same for all parameters: p -= rate · m / (scale · √v + epsilon).
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub beta_1: f32,
    pub beta_2: f32,
    pub rate: f32,
    pub scale: f32,
    pub epsilon: f32,
}

impl Adam {
    /// The factors of step `iteration`, counted from 1.
    pub(crate) fn step(&self, learning_rate: f32, iteration: u64) -> AdamStep {
        let power = iteration.min(i32::MAX as u64) as i32;
        let correction_1 = 1.0 - f64::from(self.beta_1).powi(power);
        let correction_2 = (1.0 - f64::from(self.beta_2).powi(power)).sqrt();
        let rate = f64::from(learning_rate) / correction_1;
        let (rate, scale) = match self.convention {
            Convention::Keras => (rate * correction_2, 1.0),
            Convention::PyTorch => (rate, 1.0 / correction_2),
        };
        AdamStep {
            beta_1: self.beta_1,
            beta_2: self.beta_2,
            rate: rate as f32,
            scale: scale as f32,
            epsilon: self.epsilon,
        }
    }
}
