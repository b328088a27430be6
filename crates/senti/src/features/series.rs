//! Other numeric columns (sentiment, another asset, a rate) in a form that keeps its meaning when the level wanders.
//!
//! In come the values of a column on the training rows; out goes a [`Form`], learned once and stored, and later the column in that
//! form for any table. Only training rows decide.

use serde::{Deserialize, Serialize};

/// Autocorrelation from which on a column counts as wandering, however long it is.
const WANDERS: f64 = 0.98;

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

    /// The form for a column with these values on the training rows (NaN where not known), and the autocorrelation that decided.
    ///
    /// Repeated values are one value: a stock index carried over the weekend has not stood still, it has not been traded.
    pub fn learn(training: impl Iterator<Item = f64>) -> (Self, Option<f64>) {
        let mut moved: Vec<f64> = training.filter(|value| value.is_finite()).collect();
        let lowest = moved.iter().copied().fold(f64::INFINITY, f64::min);
        moved.dedup();
        let rho = autocorrelation(&moved);
        let returns =
            rho.is_none_or(|rho| rho < WANDERS && moved.len() as f64 * (1.0 - rho) > DICKEY_FULLER);
        let form = if returns {
            Self::Level
        } else if lowest > 0.0 {
            Self::LogChange {
                floor: lowest * FLOOR,
            }
        } else {
            Self::Change
        };
        (form, rho)
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

/// Sample autocorrelation at lag 1, `sum (x[t] - m)(x[t-1] - m) / sum (x[t] - m)^2`; none where nothing varies.
fn autocorrelation(values: &[f64]) -> Option<f64> {
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
        .windows(2)
        .map(|pair| centred(pair[0]) * centred(pair[1]))
        .sum();
    (total > 0.0).then(|| lagged / total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn autocorrelation_by_hand() {
        // m = 3, deviations -2 1 -1 2 0: lagged sum -2 -1 -2 0, total 10.
        let rho = autocorrelation(&[1.0, 4.0, 2.0, 5.0, 3.0]).expect("varies");
        assert!((rho + 0.5).abs() < 1e-15, "{rho}");
        assert_eq!(autocorrelation(&[2.0, 2.0]), None);
        assert_eq!(autocorrelation(&[]), None);
    }
}
