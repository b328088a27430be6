//! Small systems of linear equations: normal equations of a handful of coefficients.

/// Solves `matrix · x = right` in place, by elimination with row pivots; `right` becomes `x`. False where the matrix is singular (the
/// contents are then of no use).
///
/// `matrix` is (n, n), row after row, with n the length of `right`.
pub(super) fn solve(matrix: &mut [f64], right: &mut [f64]) -> bool {
    let n = right.len();
    for column in 0..n {
        let size = |row: usize| matrix[row * n + column].abs();
        let pivot = (column..n)
            .max_by(|&a, &b| size(a).total_cmp(&size(b)))
            .unwrap_or(column);
        // a column of zeros up to rounding: nothing determines this coefficient
        if !size(pivot).is_finite() || size(pivot) < f64::MIN_POSITIVE {
            return false;
        }
        if pivot != column {
            for k in 0..n {
                matrix.swap(pivot * n + k, column * n + k);
            }
            right.swap(pivot, column);
        }
        for row in (0..n).filter(|&row| row != column) {
            let factor = matrix[row * n + column] / matrix[column * n + column];
            for k in column..n {
                matrix[row * n + k] -= factor * matrix[column * n + k];
            }
            right[row] -= factor * right[column];
        }
    }
    for row in 0..n {
        right[row] /= matrix[row * n + row];
    }
    right.iter().all(|x| x.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_unknowns_by_hand() {
        // x = 1, y = -2, z = 3; the first pivot is zero
        let mut matrix = [0.0, 2.0, 1.0, 1.0, 1.0, 1.0, 2.0, -1.0, 3.0];
        let mut right = [-1.0, 2.0, 13.0];
        assert!(solve(&mut matrix, &mut right));
        for (found, wanted) in right.iter().zip([1.0, -2.0, 3.0]) {
            assert!((found - wanted).abs() < 1e-14);
        }
        assert!(!solve(&mut [1.0, 2.0, 2.0, 4.0], &mut [1.0, 2.0]));
    }
}
