//! Adam (Kingma & Ba, 2015) and AdamW (Loshchilov & Hutter, 2019): settings, and one step over all parameters.

use crate::lane::{Kernel, Lane};

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
    /// Keeps the quotient finite; must be positive.
    pub epsilon: f32,
    /// Where epsilon enters.
    pub convention: Convention,
    /// AdamW where it is not 0: before each step every weight shrinks by learning rate · weight_decay, as in Keras and PyTorch.
    pub weight_decay: f32,
}

impl Default for Adam {
    fn default() -> Adam {
        Adam {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-7,
            convention: Convention::Keras,
            weight_decay: 0.0,
        }
    }
}

/// Factors of one step, the same for all parameters: p = kept · p - rate · m / (scale · √v + epsilon).
#[derive(Clone, Copy, Debug)]
pub(crate) struct AdamStep {
    pub beta_1: f32,
    pub beta_2: f32,
    pub rate: f32,
    pub scale: f32,
    pub epsilon: f32,
    pub kept: f32,
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
            kept: (1.0 - f64::from(learning_rate) * f64::from(self.weight_decay)) as f32,
        }
    }
}

/// One step; all slices have the same length, a multiple of 16.
pub(crate) struct Update<'a> {
    pub step: AdamStep,
    pub weights: &'a mut [f32],
    pub gradients: &'a [f32],
    pub means: &'a mut [f32],
    pub squares: &'a mut [f32],
}

impl Kernel for Update<'_> {
    type Output = ();
    #[inline(always)]
    fn run<L: Lane>(self) {
        let AdamStep {
            beta_1,
            beta_2,
            rate,
            scale,
            epsilon,
            kept,
        } = self.step;
        let (new_1, new_2) = (L::splat(1.0 - beta_1), L::splat(1.0 - beta_2));
        let (rate, scale, epsilon) = (L::splat(-rate), L::splat(scale), L::splat(epsilon));
        let kept = L::splat(kept);
        let moments = self
            .means
            .chunks_exact_mut(L::LANES)
            .zip(self.squares.chunks_exact_mut(L::LANES));
        let values = self
            .weights
            .chunks_exact_mut(L::LANES)
            .zip(self.gradients.chunks_exact(L::LANES));
        for ((weights, gradients), (means, squares)) in values.zip(moments) {
            let g = L::load(gradients);
            let (m, v) = (L::load(means), L::load(squares));
            let m = (g - m).mul_add(new_1, m);
            let v = (g * g - v).mul_add(new_2, v);
            let step = rate * m / scale.mul_add(v.sqrt(), epsilon);
            m.store(means);
            v.store(squares);
            L::load(weights).mul_add(kept, step).store(weights);
        }
    }
}
