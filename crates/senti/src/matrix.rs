//! The feature matrix: one row a row of the table, one column a feature.
//!
//! In come finished columns; out go rows. Nothing here knows what a feature means, and nothing here scales: values are `f64` in the
//! units of the feature, NaN where a feature is not known yet.

/// Features of every row, row-major, NaN where a feature is not known yet (warm-up, leading blanks).
///
/// ```
/// use senti::matrix::Matrix;
/// let mut matrix = Matrix::unknown(3, 2);
/// matrix.set_column(0, &[1.0, 2.0, 3.0]);
/// matrix.set_column(1, &[f64::NAN, 20.0, 30.0]);
/// assert_eq!(matrix.row(2), [3.0, 30.0]);
/// assert!(!matrix.is_known(0) && matrix.is_known(1));
/// ```
#[derive(Clone, Debug)]
pub struct Matrix {
    n_rows: usize,
    n_columns: usize,
    /// (n_rows, n_columns)
    values: Vec<f64>,
}

impl Matrix {
    /// A matrix in which nothing is known yet.
    pub fn unknown(n_rows: usize, n_columns: usize) -> Self {
        Self {
            n_rows,
            n_columns,
            values: vec![f64::NAN; n_rows * n_columns],
        }
    }

    /// From values row after row; what is left behind the last whole row is cut off.
    pub fn from_rows(n_columns: usize, mut values: Vec<f64>) -> Self {
        let n_rows = values.len().checked_div(n_columns).unwrap_or(0);
        values.truncate(n_rows * n_columns);
        Self {
            n_rows,
            n_columns,
            values,
        }
    }

    /// Rows, as many as the table has.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Features.
    pub fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// All features of a row.
    pub fn row(&self, row: usize) -> &[f64] {
        &self.values[row * self.n_columns..][..self.n_columns]
    }

    /// One feature of one row.
    pub fn value(&self, row: usize, column: usize) -> f64 {
        self.row(row)[column]
    }

    /// Whether every feature of the row is known.
    pub fn is_known(&self, row: usize) -> bool {
        self.row(row).iter().all(|value| !value.is_nan())
    }

    /// All values, row after row.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Writes a feature.
    ///
    /// # Panics
    /// Where there is no such column, or `values` has not one value a row.
    pub fn set_column(&mut self, column: usize, values: &[f64]) {
        assert!(column < self.n_columns, "column {column} does not exist");
        assert_eq!(values.len(), self.n_rows, "one value a row");
        for (row, &value) in self.values.chunks_exact_mut(self.n_columns).zip(values) {
            row[column] = value;
        }
    }
}
