//! Sharpe ratios, and how much of one is luck. In come returns of periods; out go ratios of a period (not of a year) and probabilities.

use std::f64::consts::E;

use super::distribution::{normal_above, normal_quantile};

/// Mean, spread and shape of returns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Periods.
    pub n: usize,
    /// Mean over standard deviation (n - 1), of a period.
    pub sharpe: f64,
    /// Third standardised moment (divided by n); 0 of a normal distribution.
    pub skewness: f64,
    /// Fourth standardised moment (divided by n); 3 of a normal distribution.
    pub kurtosis: f64,
}

impl Moments {
    /// Of returns; none of fewer than three, or where they do not vary.
    pub fn of(returns: &[f64]) -> Option<Self> {
        let n = returns.len() as f64;
        let mean = returns.iter().sum::<f64>() / n;
        let moment = |power| returns.iter().map(|r| (r - mean).powi(power)).sum::<f64>() / n;
        let variance = moment(2);
        if returns.len() < 3 || variance <= 1e-30 || variance.is_nan() {
            return None;
        }
        Some(Self {
            n: returns.len(),
            sharpe: mean / (variance * n / (n - 1.0)).sqrt(),
            skewness: moment(3) / variance.powf(1.5),
            kurtosis: moment(4) / variance.powi(2),
        })
    }

    /// `1 - skewness · SR + (kurtosis - 1) / 4 · SR²`: the variance of an estimated Sharpe ratio, times n - 1 (Mertens 2002).
    fn spread(&self) -> f64 {
        let variance =
            1.0 - self.skewness * self.sharpe + (self.kurtosis - 1.0) / 4.0 * self.sharpe.powi(2);
        variance.max(1e-12)
    }
}

/// Probability that the true Sharpe ratio is above `benchmark` (Bailey and López de Prado 2012): `Φ((SR - benchmark) sqrt(n - 1) / sqrt(1 - γ₃ SR + (γ₄ - 1) / 4 SR²))`.
///
/// ```
/// use senti::statistics::sharpe::{Moments, probabilistic};
/// // The paper's hedge fund of 24 months: 0.982 if returns were normal, 0.913 with their skewness and kurtosis.
/// let fund = Moments { n: 24, sharpe: 0.458, skewness: -2.448, kurtosis: 10.164 };
/// assert!((probabilistic(&fund, 0.0) - 0.913).abs() < 5e-4);
/// assert!((probabilistic(&Moments { skewness: 0.0, kurtosis: 3.0, ..fund }, 0.0) - 0.982).abs() < 5e-4);
/// ```
pub fn probabilistic(moments: &Moments, benchmark: f64) -> f64 {
    let z =
        (moments.sharpe - benchmark) * ((moments.n - 1) as f64).sqrt() / moments.spread().sqrt();
    normal_above(-z)
}

/// Sharpe ratio that the best of `trials` strategies without any skill is expected to show, where their ratios vary with `variance`
/// (Bailey and López de Prado 2014): `sqrt(V) ((1 - γ) Φ⁻¹(1 - 1/N) + γ Φ⁻¹(1 - 1/(N e)))`, γ being Euler's constant; 0 for one trial.
pub fn expected_best(trials: usize, variance: f64) -> f64 {
    const EULER: f64 = 0.577_215_664_901_532_9;
    if trials < 2 {
        return 0.0;
    }
    let n = trials as f64;
    variance.sqrt()
        * ((1.0 - EULER) * normal_quantile(1.0 - 1.0 / n)
            + EULER * normal_quantile(1.0 - 1.0 / (n * E)))
}

/// Probability that the true Sharpe ratio is above what the best of `trials` strategies without skill shows (2014): the deflated
/// Sharpe ratio. `variance` is that of the trials' Sharpe ratios; `1 / (n - 1)` is that of strategies without skill.
///
/// ```
/// use senti::statistics::sharpe::{Moments, deflated};
/// // The paper's example: 2.5 a year over 1250 days of 250 a year, 100 trials whose yearly ratios vary by 1/2.
/// let found = Moments { n: 1250, sharpe: 2.5 / 250f64.sqrt(), skewness: -3.0, kurtosis: 10.0 };
/// assert!((deflated(&found, 100, 0.5 / 250.0) - 0.9004).abs() < 5e-5);
/// ```
pub fn deflated(moments: &Moments, trials: usize, variance: f64) -> f64 {
    probabilistic(moments, expected_best(trials, variance))
}

/// Periods that it takes to tell this Sharpe ratio from `benchmark` with this confidence (Bailey and López de Prado 2012):
/// `1 + (1 - γ₃ SR + (γ₄ - 1) / 4 SR²) (Φ⁻¹(confidence) / (SR - benchmark))²`; none where it is not above it.
pub fn minimum_track_record(moments: &Moments, benchmark: f64, confidence: f64) -> Option<f64> {
    let above = moments.sharpe - benchmark;
    (above > 0.0).then(|| 1.0 + moments.spread() * (normal_quantile(confidence) / above).powi(2))
}
