//! Other numeric columns (sentiment, another asset, a rate) in a form that keeps its meaning when the level wanders.
//!
//! In come the values of a column on the training rows; out goes a [`Form`], learned once and stored, and later the column in that
//! form for any table. Only training rows decide.

use serde::{Deserialize, Serialize};

/// Persistence a step from which on a column counts as wandering: half of a shock is still there after 34 steps.
const WANDERS: f64 = 0.98;

/// The second lag at which persistence is looked at: noise on top of a wandering level (the volume of an index) hides it at lag 1.
const FAR: usize = 10;

/// 5 % point of `n (1 - rho)` under a random walk (Dickey and Fuller 1979, regression with a constant, large samples): a short
/// random walk has a sample autocorrelation well below 1, 66 months of a price index for instance about 0.93.
const DICKEY_FULLER: f64 = 14.1;

/// A value may later fall to this share of the smallest one seen in training before its logarithm is held.
const FLOOR: f64 = 1e-3;

/// How a column enters the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "form", rename_all = "snake_case")]
pub enum Form {
    /// As it is: it returns to where it was.
    Level,
    /// `x[t] - x[t-1]`: it wanders and can be zero or negative.
    Change,
    /// `ln(x[t] / x[t-1])`: it wanders and is positive.
    LogChange {
        /// Values below this count as this: a rate that was positive throughout the training may cross zero later.
        floor: f64,
    },
}

impl Form {
    /// Name, as it stands behind the column's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Level => "level",
            Self::Change => "change",
            Self::LogChange { .. } => "log_change",
        }
    }

    /// The form for a column with these values on the training rows (NaN where not known), and the persistence that decided: the larger of
    /// the autocorrelation at lag 1 and the tenth root of that at lag 10; none where nothing varies.
    ///
    /// Repeated values are one value: a stock index carried over the weekend has not stood still, it has not been traded.
    pub fn learn(training: impl Iterator<Item = f64>) -> (Self, Option<f64>) {
        let mut moved: Vec<f64> = training.filter(|value| value.is_finite()).collect();
        let lowest = moved.iter().copied().fold(f64::INFINITY, f64::min);
        moved.dedup();
        let near = autocorrelation(&moved, 1);
        let far = autocorrelation(&moved, FAR).unwrap_or(0.0).max(0.0);
        let persistence = near.map(|near| near.max(far.powf(1.0 / FAR as f64)));
        let returns = match (near, persistence) {
            (Some(near), Some(persistence)) => {
                persistence < WANDERS && moved.len() as f64 * (1.0 - near) > DICKEY_FULLER
            }
            _ => true,
        };
        let form = if returns {
            Self::Level
        } else if lowest > 0.0 {
            Self::LogChange {
                floor: lowest * FLOOR,
            }
        } else {
            Self::Change
        };
        (form, persistence)
    }

    /// The column in this form; NaN where it or what it is compared with is not known.
    pub fn fill(self, values: &[f64], out: &mut [f64]) {
        match self {
            Self::Level => out.copy_from_slice(values),
            Self::Change => {
                out.fill(f64::NAN);
                for t in 1..values.len() {
                    out[t] = values[t] - values[t - 1];
                }
            }
            Self::LogChange { floor } => {
                out.fill(f64::NAN);
                // `max` would turn a NaN into the floor.
                let held = |value: f64| if value < floor { floor } else { value };
                for t in 1..values.len() {
                    out[t] = (held(values[t]) / held(values[t - 1])).ln();
                }
            }
        }
    }
}

/// Sample autocorrelation, `sum (x[t] - m)(x[t-lag] - m) / sum (x[t] - m)^2`; none where nothing varies.
fn autocorrelation(values: &[f64], lag: usize) -> Option<f64> {
    let n = values.len() as f64;
    // Scaled by the largest, so that squares of huge values stay finite.
    let scale = values
        .iter()
        .fold(0.0_f64, |top, value| top.max(value.abs()));
    let scaled = |value: f64| value / scale;
    let centre = values.iter().map(|&value| scaled(value)).sum::<f64>() / n;
    let centred = |value: f64| scaled(value) - centre;
    let total: f64 = values.iter().map(|&value| centred(value).powi(2)).sum();
    let lagged: f64 = values
        .windows(lag + 1)
        .map(|span| centred(span[0]) * centred(span[lag]))
        .sum();
    (total > 0.0).then(|| lagged / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autocorrelation_by_hand() {
        // m = 3, deviations -2 1 -1 2 0, squares 10; lag 1: -2 -1 -2 0; lag 2: 2 2 0.
        let values = [1.0, 4.0, 2.0, 5.0, 3.0];
        let near = autocorrelation(&values, 1).expect("varies");
        let far = autocorrelation(&values, 2).expect("varies");
        assert!((near + 0.5).abs() < 1e-15, "{near}");
        assert!((far - 0.4).abs() < 1e-15, "{far}");
        assert_eq!(autocorrelation(&[2.0, 2.0], 1), None);
        assert_eq!(autocorrelation(&[], 1), None);
    }
}
