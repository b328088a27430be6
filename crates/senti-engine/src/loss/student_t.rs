//! Student's t distribution: negative log likelihood and its derivatives, in f64.
//!
//! With e = target - loc, ν degrees of freedom, scale s and q = e² / (ν·s²):
//!
//! ```text
//! loss = ln Γ(ν/2) - ln Γ((ν+1)/2) + ½·ln(ν·π) + ln s + ½·(ν+1)·ln(1 + q)
//! ```

use std::f64::consts::PI;

/// Outputs for each target: location, raw scale, raw degrees of freedom.
pub(super) const OUTPUTS: usize = 3;

/// Mean over all targets; with `gradient`, also its derivative with respect to every output.
pub(super) fn evaluate(raw: &[f32], targets: &[f32], mut gradient: Option<&mut [f32]>) -> f64 {
    let n = targets.len() as f64;
    let mut sum = 0.0;
    for (index, (raw, &target)) in raw.chunks_exact(OUTPUTS).zip(targets).enumerate() {
        let [loc, raw_scale, raw_df] = [raw[0], raw[1], raw[2]].map(f64::from);
        let (scale, df) = (softplus(raw_scale), 2.0 + softplus(raw_df));
        let e = f64::from(target) - loc;
        let q = e / scale * (e / scale) / df;
        let log = q.ln_1p();
        sum += ln_gamma(df / 2.0) - ln_gamma((df + 1.0) / 2.0)
            + 0.5 * (df * PI).ln()
            + scale.ln()
            + 0.5 * (df + 1.0) * log;
        if let Some(gradient) = gradient.as_deref_mut() {
            // The share of e² in ν·s² + e², by which far outliers stop pulling.
            let share = q / (1.0 + q);
            let d_loc = -(df + 1.0) * e / (df * scale * scale + e * e);
            let d_scale = (1.0 - (df + 1.0) * share) / scale;
            let d_df = 0.5
                * (digamma(df / 2.0) - digamma((df + 1.0) / 2.0) + 1.0 / df + log
                    - (df + 1.0) / df * share);
            let slopes = [d_loc, d_scale * sigmoid(raw_scale), d_df * sigmoid(raw_df)];
            for (out, slope) in gradient[index * OUTPUTS..].iter_mut().zip(slopes) {
                *out = (slope / n) as f32;
            }
        }
    }
    sum / n
}

/// ln(1 + eˣ)
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// Its derivative.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Where Stirling's series, as far as it is used here, has errors below 1e-14.
const LARGE: f64 = 12.0;

/// ln Γ(x) for x > 0: Stirling's series, with Γ(x + 1) = x·Γ(x) below 12 (Abramowitz & Stegun 6.1.41, 6.1.15).
fn ln_gamma(mut x: f64) -> f64 {
    let mut product = 1.0;
    while x < LARGE {
        product *= x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = (1.0 / 12.0
        - square
            * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))))
        / x;
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * PI).ln() + series - product.ln()
}

/// Derivative of ln Γ (Abramowitz & Stegun 6.3.18, 6.3.5).
fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < LARGE {
        sum += 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = square
        * (1.0 / 12.0
            - square
                * (1.0 / 120.0 - square * (1.0 / 252.0 - square * (1.0 / 240.0 - square / 132.0))));
    x.ln() - 0.5 / x - series - sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Γ(½) = √π, Γ(1) = 1, Γ(5) = 24, Γ(20.5) by the duplication formula; ψ(1) = -γ, ψ(½) = -γ - 2 ln 2, ψ(10) = H₉ - γ.
    #[test]
    fn known_values_of_the_gamma_function() {
        const EULER: f64 = 0.577_215_664_901_532_9;
        let check = |found: f64, wanted: f64| {
            let error = (found - wanted).abs();
            assert!(
                error < 1e-13 * wanted.abs().max(1.0),
                "{found}, wanted {wanted}"
            );
        };
        check(ln_gamma(0.5), PI.sqrt().ln());
        check(ln_gamma(1.0), 0.0);
        check(ln_gamma(5.0), 24f64.ln());
        let factorials = |n: u32| (1..=n).map(|k| f64::from(k).ln()).sum::<f64>();
        // Γ(n + ½) = (2n)! √π / (4ⁿ n!)
        check(
            ln_gamma(20.5),
            factorials(40) + PI.sqrt().ln() - 20.0 * 4f64.ln() - factorials(20),
        );
        check(digamma(1.0), -EULER);
        check(digamma(0.5), -EULER - 2.0 * 2f64.ln());
        check(
            digamma(10.0),
            (1..10).map(|k| 1.0 / f64::from(k)).sum::<f64>() - EULER,
        );
    }
}
