//! An autoregression of the log price with a constant, by ordinary least squares on all candles; its order (1 to 8) by AIC.
//!
//! Estimated in the form `r[t] = c + rho x[t-1] + gamma_1 r[t-1] + … + gamma_(p-1) r[t-p+1]`, which is the same model as `x[t] = c +
//! phi_1 x[t-1] + … + phi_p x[t-p]` and better conditioned, since neighbouring log prices are nearly equal. Sums of products grow
//! candle by candle, so an estimation costs the same at any length.

use super::estimation::{FIRST, Schedule};
use super::least_squares::solve;
use super::residuals::{Points, Residuals};
use super::{Rival, Setting};

/// Longest order.
const ORDERS: usize = 8;
/// Inputs of the longest: a constant, the level, and one return less than the order.
const INPUTS: usize = ORDERS + 1;

struct Autoregression {
    schedule: Schedule,
    /// The latest log prices, the newest first.
    recent: [f64; ORDERS + 1],
    /// Equations counted.
    n: usize,
    seen: usize,
    squares: [f64; INPUTS * INPUTS],
    products: [f64; INPUTS],
    label: f64,
    /// Constant, level, returns: as many as the order asks for.
    coefficients: Vec<f64>,
}

/// The autoregression, estimated anew every 91 candles.
pub(super) fn ar(setting: &Setting) -> Box<dyn Rival> {
    Residuals::rival(Autoregression::new(), setting.horizon)
}

impl Autoregression {
    fn new() -> Self {
        Self {
            schedule: Schedule::new(FIRST),
            recent: [0.0; ORDERS + 1],
            n: 0,
            seen: 0,
            squares: [0.0; INPUTS * INPUTS],
            products: [0.0; INPUTS],
            label: 0.0,
            coefficients: Vec::new(),
        }
    }

    /// Inputs of the equation whose newest known log price is `recent[0]`.
    fn inputs(recent: &[f64]) -> [f64; INPUTS] {
        let mut inputs = [1.0; INPUTS];
        inputs[1] = recent[0];
        for lag in 0..ORDERS - 1 {
            inputs[2 + lag] = recent[lag] - recent[lag + 1];
        }
        inputs
    }

    /// Estimates every order on the same equations and keeps the one with the least AIC.
    fn estimate(&mut self) {
        let mut best = f64::INFINITY;
        for order in 1..=ORDERS {
            let k = order + 1;
            let mut squares: Vec<f64> = (0..k)
                .flat_map(|row| self.squares[row * INPUTS..][..k].iter().copied())
                .collect();
            let mut x = self.products[..k].to_vec();
            if !solve(&mut squares, &mut x) {
                continue;
            }
            let explained: f64 = x.iter().zip(&self.products).map(|(x, p)| x * p).sum();
            let n = self.n as f64;
            let variance = ((self.label - explained) / n).max(f64::MIN_POSITIVE);
            let criterion = n * variance.ln() + 2.0 * k as f64;
            if criterion < best {
                best = criterion;
                self.coefficients = x;
            }
        }
    }
}

impl Points for Autoregression {
    fn see(&mut self, log_price: f64) {
        if self.seen >= ORDERS {
            let inputs = Self::inputs(&self.recent);
            let label = log_price - self.recent[0];
            for a in 0..INPUTS {
                self.products[a] += inputs[a] * label;
                for b in 0..INPUTS {
                    self.squares[a * INPUTS + b] += inputs[a] * inputs[b];
                }
            }
            self.label += label * label;
            self.n += 1;
        }
        self.recent.rotate_right(1);
        self.recent[0] = log_price;
        self.seen += 1;
        if self.schedule.is_due() {
            self.estimate();
        }
    }

    fn points(&mut self, out: &mut [f64]) -> bool {
        if self.coefficients.is_empty() {
            return false;
        }
        let mut recent = self.recent;
        for point in out {
            let inputs = Self::inputs(&recent);
            let terms = self.coefficients.iter().zip(inputs);
            let next = recent[0] + terms.map(|(c, x)| c * x).sum::<f64>();
            recent.rotate_right(1);
            recent[0] = next;
            *point = next - self.recent[0];
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::golden::{compare, read};

    #[test]
    fn statsmodels_chooses_and_forecasts_the_same() {
        for (name, series) in read().series {
            // both solve the normal equations or their like: the levels' condition, about 1e4, squared, of 1e-16
            let mut ar = Autoregression::new();
            series.values.iter().for_each(|&value| ar.see(value));
            assert_eq!(ar.coefficients.len(), series.ar.order + 1, "{name}");
            let fresh = Autoregression::new();
            compare(fresh, &series.values, &series.ar.forecast, 1e-8, &name);
        }
    }
}
