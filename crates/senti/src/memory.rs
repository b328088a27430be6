//! How much memory a job will take, from sizes alone and before anything of those sizes is made.
//!
//! In come rows, columns, features and a plan; out go bytes, by what takes them. The numbers are a little more than what is measured, so
//! that a job that fits does fit; a test of the command line compares the two. Nothing here measures.

use crate::models::{self, CHUNK};
use crate::plan::{LEVELS, Plan};
use crate::{Result, calibrate};

const NUMBER: u64 = size_of::<f64>() as u64;

/// Share by which an allocator's holes and rounded sizes exceed what was asked for: one part in this many.
const HOLES: u64 = 20;

/// What a training looks like before it begins.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// Rows of the table.
    pub rows: usize,
    /// Its columns without the times.
    pub columns: usize,
    /// Columns of the feature matrix.
    pub features: usize,
    /// Does it go on from a checkpoint, which stays in memory?
    pub resumes: bool,
}

/// Bytes at the peak, by what takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Times and columns as they were read.
    pub table: u64,
    /// The feature matrix.
    pub matrix: u64,
    /// The model with all that it needs to learn, and what comes and goes beside it.
    pub work: u64,
}

impl Needs {
    /// All of it.
    pub fn total(&self) -> u64 {
        let sum = self
            .table
            .saturating_add(self.matrix)
            .saturating_add(self.work);
        sum.saturating_add(sum / HOLES)
    }
}

/// What a training needs at its peak.
///
/// ```
/// use senti::{memory, plan::Draft};
/// let sizes = memory::Sizes { rows: 1_000_000, columns: 5, features: 24, resumes: false };
/// let needs = memory::needs(&sizes, &Draft::default().check()?)?;
/// assert_eq!((needs.table, needs.matrix), (48_000_000, 192_000_000));
/// # Ok::<(), senti::Error>(())
/// ```
pub fn needs(sizes: &Sizes, plan: &Plan) -> Result<Needs> {
    let [rows, columns, features] = [sizes.rows, sizes.columns, sizes.features].map(wide);
    let table = product(&[rows, columns + 1, NUMBER]);
    let matrix = product(&[rows, features, NUMBER]);
    // While features are made: one of them, and what it is made from. While they are scaled, and while batches are drawn: less.
    let preparing = product(&[rows, 3 * NUMBER]);
    let model = (models::find(&plan.model_type)?.memory)(plan, sizes);
    let horizon = wide(plan.forecast_horizon);
    // Forecasts of a chunk by the model and its naive rival, and what came true; scores of the calibration part.
    let cells = product(&[wide(CHUNK), horizon, NUMBER]);
    let telling = cells.saturating_mul(2 * (wide(LEVELS.len()) + 2));
    let held = (sizes.rows as f64 * plan.calibration_share) as usize;
    let calibrating = calibrate::bytes(plan.forecast_horizon, held);
    let order = product(&[rows, size_of::<u32>() as u64]);
    let learning = [order, model, telling, calibrating]
        .into_iter()
        .fold(0, u64::saturating_add);
    Ok(Needs {
        table,
        matrix,
        work: learning.max(preparing),
    })
}

/// What reading a table of so many rows takes at its peak: the table, the lines it came from, and a column that is put in order.
pub fn reading(rows: usize, columns: usize) -> u64 {
    let row = (wide(columns) + 1) * NUMBER + size_of::<u32>() as u64;
    product(&[wide(rows), row])
}

/// Bytes as people read them: `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    match value {
        value if value < 9.95 => format!("{value:.1} {}", units[unit]),
        value => format!("{value:.0} {}", units[unit]),
    }
}

pub(crate) fn wide(n: usize) -> u64 {
    n as u64
}

/// More than there is, rather than too little by overflow.
pub(crate) fn product(factors: &[u64]) -> u64 {
    factors
        .iter()
        .fold(1, |product: u64, &factor| product.saturating_mul(factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_as_people_read_them() {
        for (bytes, wanted) in [
            (0, "0.0 KiB"),
            (1536, "1.5 KiB"),
            (512 << 20, "512 MiB"),
            (1023 << 20, "1.0 GiB"),
            (3 << 39, "1.5 TiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(size(bytes), wanted);
        }
    }

    #[test]
    fn nothing_overflows() {
        assert_eq!(reading(usize::MAX, usize::MAX / 16), u64::MAX);
    }
}
