//! What training minimises: mean losses with their derivatives, beside each other.
//!
//! In: outputs and targets of a batch. Out: the mean loss, and its derivative with respect to every output.

mod pinball;
mod student_t;

use self::pinball::PinballLoss;
use crate::lane;
use crate::simd::Simd;

pub use self::pinball::Pinball;

/// A loss; every one is the mean over all rows and targets (and levels), as in Keras and PyTorch.
#[derive(Clone, PartialEq, Debug)]
pub enum Loss {
    /// (target - output)².
    Mse,
    /// |target - output|.
    Mae,
    /// Quadratic up to `delta`, linear beyond.
    Huber {
        /// Where the quadratic part ends.
        delta: f32,
    },
    /// Pinball loss of quantiles that cannot cross.
    Pinball(Pinball),
    /// Negative log likelihood of Student's t distribution, as PyTorch's `StudentT(df, loc, scale)`. Three outputs for each target:
    /// loc, and raw outputs of which scale = softplus(z) and df = 2 + softplus(z), so that the variance is finite.
    StudentT,
}

impl Loss {
    /// Outputs that the network has for each target.
    pub fn outputs_per_target(&self) -> usize {
        match self {
            Loss::Pinball(pinball) => pinball.levels().len(),
            Loss::StudentT => student_t::OUTPUTS,
            _ => 1,
        }
    }

    /// Mean loss of `outputs` against `targets`. With `gradient`, also writes its derivative with respect to each output.
    pub fn evaluate(&self, outputs: &[f32], targets: &[f32], gradient: Option<&mut [f32]>) -> f64 {
        self.evaluate_with(Simd::detect(), outputs, targets, gradient)
    }

    /// The same with a given instruction set.
    pub(crate) fn evaluate_with(
        &self,
        simd: Simd,
        outputs: &[f32],
        targets: &[f32],
        gradient: Option<&mut [f32]>,
    ) -> f64 {
        assert_eq!(
            outputs.len(),
            targets.len() * self.outputs_per_target(),
            "outputs for {} targets",
            targets.len()
        );
        match self {
            Loss::Mse => pointwise(outputs, targets, gradient, |e| (e * e, 2.0 * e)),
            Loss::Mae => pointwise(outputs, targets, gradient, |e| (e.abs(), sign(e))),
            Loss::Huber { delta } => pointwise(outputs, targets, gradient, |e| match e.abs() {
                size if size <= *delta => (0.5 * e * e, e),
                size => (delta * (size - 0.5 * delta), delta * sign(e)),
            }),
            Loss::Pinball(pinball) => {
                lane::run(simd, PinballLoss::new(pinball, outputs, targets, gradient))
            }
            Loss::StudentT => student_t::evaluate(outputs, targets, gradient),
        }
    }
}

/// Derivative of |e|: 0 at 0, as PyTorch and Keras; NaN stays NaN.
fn sign(e: f32) -> f32 {
    if e == 0.0 { 0.0 } else { e.signum() }
}

/// Mean of a loss of the error e = output - target; `each` gives the loss and its derivative.
fn pointwise(
    outputs: &[f32],
    targets: &[f32],
    gradient: Option<&mut [f32]>,
    each: impl Fn(f32) -> (f32, f32),
) -> f64 {
    let n = targets.len() as f64;
    let errors = outputs
        .iter()
        .zip(targets)
        .map(|(output, target)| each(output - target));
    let mut sum = 0.0;
    match gradient {
        None => errors.for_each(|(loss, _)| sum += f64::from(loss)),
        Some(gradient) => {
            let weight = (1.0 / n) as f32;
            for ((loss, slope), out) in errors.zip(gradient) {
                sum += f64::from(loss);
                *out = slope * weight;
            }
        }
    }
    sum / n
}
