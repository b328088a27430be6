//! Preparation: winsorisation and robust scaling of features, learned from training rows and stored.
//!
//! In comes a [`Matrix`] and which of its rows are for training; out goes a [`Preparation`] that narrows any row for a network. It is
//! never fitted again at prediction, and it never touches the truth that a forecast is compared with.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;
use crate::{Error, Result, quantiles};

/// Winsor bounds and scale of every feature.
///
/// As the original: values beyond `q1 - 1.5 IQR` and `q3 + 1.5 IQR` are drawn in to those bounds, then the median is taken away and the
/// rest divided by the interquartile range of what was drawn in (scikit-learn's `RobustScaler`; NumPy's linear quantiles). A row with a
/// feature that is not known is skipped: no window holds it.
///
/// Where the quartiles coincide, on features that mostly have one value (a dummy, counts that are nearly always 0), that rule would
/// leave nothing but that value. There the bounds come from the values that differ from the median, within those seen and widened to
/// hold it, and the scale is the distance of the bounds, so that the feature keeps its meaning and lies within 1 of its median. For a
/// dummy of 0 and 1 and for a constant that is scikit-learn's scale of 1.
///
/// ```
/// use senti::{matrix::Matrix, prepare::Preparation};
/// let mut matrix = Matrix::unknown(5, 1);
/// matrix.set_column(0, &[1.0, 2.0, 3.0, 4.0, 1000.0]);
/// let preparation = Preparation::fit(&matrix, vec![0..5])?;
/// let mut scaled = [0.0_f32];
/// preparation.apply(matrix.row(4), &mut scaled);
/// // Drawn in to 4 + 1.5 * 2, less the median 3, divided by 4 - 2.
/// assert_eq!(scaled, [2.0]);
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preparation {
    columns: Vec<Scale>,
}

/// Bounds, median and scale of one feature, in its units.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Scale {
    low: f64,
    high: f64,
    centre: f64,
    scale: f64,
    /// `1 / scale`: a product is what the gather loop can afford.
    factor: f64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Stored {
    low: f64,
    high: f64,
    centre: f64,
    scale: f64,
}

impl From<Scale> for Stored {
    fn from(scale: Scale) -> Self {
        Self {
            low: scale.low,
            high: scale.high,
            centre: scale.centre,
            scale: scale.scale,
        }
    }
}

impl TryFrom<Stored> for Scale {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Self, String> {
        let Stored {
            low,
            high,
            centre,
            scale,
        } = stored;
        let finite = [low, high, centre, scale].iter().all(|x| x.is_finite());
        if !(finite && low <= high && scale > 0.0) {
            return Err(format!(
                "bounds {low} to {high} around {centre} with scale {scale}, wanted ordered bounds and a positive scale"
            ));
        }
        Ok(Self {
            low,
            high,
            centre,
            scale,
            factor: 1.0 / scale,
        })
    }
}

impl Scale {
    /// Lower and upper winsor bound.
    pub fn bounds(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Median of the winsorised training rows.
    pub fn centre(&self) -> f64 {
        self.centre
    }

    /// What values are divided by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    fn fit(values: &mut [f64]) -> Result<Self, String> {
        quantiles::sort(values);
        let (mut low, mut high) = fences(values);
        let mut flat = false;
        if low == high {
            let median = quantiles::linear(values, 0.5);
            let others: Vec<f64> = values.iter().copied().filter(|&x| x != median).collect();
            if !others.is_empty() {
                let (below, above) = fences(&others);
                (low, high) = (
                    below.max(values[0]).min(median),
                    above.min(values[values.len() - 1]).max(median),
                );
                flat = true;
            }
        }
        for value in values.iter_mut() {
            *value = drawn_in(*value, low, high);
        }
        let centre = quantiles::linear(values, 0.5);
        let spread = quantiles::linear(values, 0.75) - quantiles::linear(values, 0.25);
        let scale = if spread > 0.0 {
            spread
        } else if flat {
            high - low
        } else {
            1.0
        };
        Self::try_from(Stored {
            low,
            high,
            centre,
            scale,
        })
    }
}

/// `q1 - 1.5 IQR` and `q3 + 1.5 IQR` of a sorted sample (Tukey 1977).
fn fences(sorted: &[f64]) -> (f64, f64) {
    let first = quantiles::linear(sorted, 0.25);
    let third = quantiles::linear(sorted, 0.75);
    let reach = 1.5 * (third - first);
    (first - reach, third + reach)
}

/// Keeps NaN, which `f64::max` would turn into a bound.
fn drawn_in(value: f64, low: f64, high: f64) -> f64 {
    if value < low {
        low
    } else if value > high {
        high
    } else {
        value
    }
}

impl Preparation {
    /// Learns bounds and scales from these rows of the matrix; a row that is named twice counts twice.
    pub fn fit(matrix: &Matrix, rows: impl IntoIterator<Item = Range<usize>>) -> Result<Self> {
        // Runs of known rows: a few pairs, not a list of millions.
        let mut runs: Vec<Range<usize>> = Vec::new();
        for row in rows.into_iter().flatten() {
            if !matrix.is_known(row) {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == row => run.end += 1,
                _ => runs.push(row..row + 1),
            }
        }
        if runs.is_empty() {
            return Err(Error::data(
                "no training row has a value for every feature, wanted at least 1",
            )
            .hint("give a longer file, or leave out a column that starts late"));
        }
        let mut values = Vec::with_capacity(runs.iter().map(Range::len).sum());
        let mut columns = Vec::with_capacity(matrix.n_columns());
        for column in 0..matrix.n_columns() {
            values.clear();
            let rows = runs.iter().cloned().flatten();
            values.extend(rows.map(|row| matrix.value(row, column)));
            columns.push(Scale::fit(&mut values).map_err(|reason| {
                Error::data(format!("feature {column} cannot be scaled")).because(reason)
            })?);
        }
        Ok(Self { columns })
    }

    /// Bounds and scale of every feature, in the order of the matrix's columns.
    pub fn columns(&self) -> &[Scale] {
        &self.columns
    }

    /// Takes the winsor bounds of a feature away and keeps its scale.
    ///
    /// For raw prices: a level that grew since the training would be drawn in to the highest price of that time.
    pub fn unbind(&mut self, column: usize) {
        self.columns[column].low = f64::MIN;
        self.columns[column].high = f64::MAX;
    }

    /// Draws in, centres, scales and narrows a row; a value that is not known stays NaN.
    ///
    /// # Panics
    /// Where `row` or `out` have not one value a feature.
    #[inline]
    pub fn apply(&self, row: &[f64], out: &mut [f32]) {
        assert_eq!(row.len(), self.columns.len(), "one value a feature");
        assert_eq!(out.len(), self.columns.len(), "one place a feature");
        for ((out, &value), scale) in out.iter_mut().zip(row).zip(&self.columns) {
            let value = drawn_in(value, scale.low, scale.high);
            *out = ((value - scale.centre) * scale.factor) as f32;
        }
    }
}
