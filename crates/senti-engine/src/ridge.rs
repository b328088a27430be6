//! Ridge regression with many outputs, from sums that are gathered block by block.
//!
//! In: rows of p regressors and h targets. Out: coefficients and intercepts as scikit-learn's `Ridge` (the intercept is not
//! penalised). Only sums are kept: O(p² + p·h) memory for any number of rows.

/// Sums of products of centred regressors and targets.
///
/// ```
/// let mut gram = senti_engine::ridge::Gram::new(1, 1);
/// for x in [0.0, 1.0, 2.0] {
///     gram.add_row(&[x], &[3.0 * x + 1.0]);
/// }
/// let fit = gram.solve(0.0).unwrap();
/// assert!((fit.coefficients[0] - 3.0).abs() < 1e-12 && (fit.intercept[0] - 1.0).abs() < 1e-12);
/// ```
#[derive(Clone, Debug)]
pub struct Gram {
    p: usize,
    h: usize,
    n: u64,
    /// The first row: subtracted from every row, so that a large mean costs no digits.
    origin: Vec<f64>,
    /// Sums of x and y, after the origin was subtracted: (p + h).
    sums: Vec<f64>,
    /// Sums of x·[x, y] (p, p + h); of the x part only the upper triangle is valid.
    products: Vec<f64>,
    /// Rows that wait for their block to be full (at most `BLOCK`, p + h).
    waiting: Vec<f64>,
}

/// Answers of [`Gram::solve`].
#[derive(Clone, PartialEq, Debug)]
pub struct Ridge {
    /// (p, h)
    pub coefficients: Vec<f64>,
    /// (h)
    pub intercept: Vec<f64>,
}

/// The regressors are linearly dependent and `alpha` is too small to help.
#[derive(Clone, PartialEq, Debug)]
pub struct Singular {
    /// The regressor at which it was noticed.
    pub column: usize,
}

impl std::fmt::Display for Singular {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "regressor {} depends linearly on those before it, or is not finite",
            self.column
        )
    }
}

impl std::error::Error for Singular {}

/// Rows that are summed at once: they stay in the second cache.
const BLOCK: usize = 64;

impl Gram {
    /// No rows yet, for p regressors and h targets.
    pub fn new(p: usize, h: usize) -> Gram {
        let width = p + h;
        Gram {
            p,
            h,
            n: 0,
            origin: Vec::new(),
            sums: vec![0.0; width],
            products: vec![0.0; p * width],
            waiting: Vec::with_capacity(BLOCK * width),
        }
    }

    /// Rows added so far.
    pub fn n_rows(&self) -> u64 {
        self.n
    }

    /// Adds one row: p regressors, h targets.
    pub fn add_row(&mut self, x: &[f64], y: &[f64]) {
        assert_eq!(
            (x.len(), y.len()),
            (self.p, self.h),
            "regressors and targets of a row"
        );
        if self.n == 0 {
            self.origin = x.iter().chain(y).copied().collect();
        }
        self.n += 1;
        self.waiting.extend(
            x.iter()
                .chain(y)
                .zip(&self.origin)
                .map(|(value, origin)| value - origin),
        );
        if self.waiting.len() == BLOCK * (self.p + self.h) {
            self.sum_up();
        }
    }

    /// Adds many rows: x (n, p), y (n, h).
    pub fn add_rows(&mut self, x: &[f64], y: &[f64]) {
        assert_eq!(
            x.len() * self.h,
            y.len() * self.p,
            "regressors and targets of the same rows"
        );
        for (x, y) in x.chunks_exact(self.p).zip(y.chunks_exact(self.h)) {
            self.add_row(x, y);
        }
    }

    fn sum_up(&mut self) {
        let width = self.p + self.h;
        for row in self.waiting.chunks_exact(width) {
            self.sums
                .iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += value);
        }
        for (k, products) in self.products.chunks_exact_mut(width).enumerate() {
            for row in self.waiting.chunks_exact(width) {
                products[k..]
                    .iter_mut()
                    .zip(&row[k..])
                    .for_each(|(sum, value)| *sum += row[k] * value);
            }
        }
        self.waiting.clear();
    }

    /// Minimises Σ(y - x·coefficients - intercept)² + alpha·Σcoefficients², by Cholesky decomposition.
    pub fn solve(&self, alpha: f64) -> Result<Ridge, Singular> {
        let mut all = self.clone();
        all.sum_up();
        let (p, h, width, n) = (self.p, self.h, self.p + self.h, self.n.max(1) as f64);
        let mean = |k: usize| all.sums[k] / n;
        let centred = |row: usize, column: usize| {
            all.products[row * width + column] - all.sums[row] * mean(column)
        };
        // Lower triangle L of X'X + alpha, row by row.
        let mut lower = vec![0.0; p * p];
        for row in 0..p {
            let (done, current) = lower.split_at_mut(row * p);
            for column in 0..=row {
                let above = if column < row {
                    &done[column * p..][..column]
                } else {
                    &[]
                };
                let sum = centred(column, row);
                current[column] = if column < row {
                    (sum - dot(&current[..column], above)) / done[column * p + column]
                } else {
                    let pivot = sum + alpha - dot(&current[..column], &current[..column]);
                    if pivot.is_nan() || pivot <= 1e-13 * (sum + alpha) {
                        return Err(Singular { column });
                    }
                    pivot.sqrt()
                };
            }
        }
        // L·L'·coefficients = X'y, all targets at once so that the inner loops run along them.
        let mut coefficients: Vec<f64> = (0..p)
            .flat_map(|row| (0..h).map(move |k| (row, k)))
            .map(|(row, k)| centred(row, p + k))
            .collect();
        for row in 0..p {
            let (done, current) = coefficients.split_at_mut(row * h);
            for column in 0..row {
                subtract(
                    &mut current[..h],
                    lower[row * p + column],
                    &done[column * h..][..h],
                );
            }
            current[..h]
                .iter_mut()
                .for_each(|value| *value /= lower[row * p + row]);
        }
        for row in (0..p).rev() {
            let (current, done) = coefficients.split_at_mut((row + 1) * h);
            for column in row + 1..p {
                subtract(
                    &mut current[row * h..],
                    lower[column * p + row],
                    &done[(column - row - 1) * h..][..h],
                );
            }
            current[row * h..]
                .iter_mut()
                .for_each(|value| *value /= lower[row * p + row]);
        }
        let origin = |k: usize| all.origin.get(k).copied().unwrap_or(0.0);
        let intercept = (0..h).map(|k| {
            let explained: f64 = (0..p)
                .map(|row| (mean(row) + origin(row)) * coefficients[row * h + k])
                .sum();
            mean(p + k) + origin(p + k) - explained
        });
        Ok(Ridge {
            intercept: intercept.collect(),
            coefficients,
        })
    }
}

impl Ridge {
    /// Answers for one row of regressors.
    pub fn predict(&self, x: &[f64], out: &mut [f64]) {
        out.copy_from_slice(&self.intercept);
        for (x, coefficients) in x
            .iter()
            .zip(self.coefficients.chunks_exact(self.intercept.len()))
        {
            out.iter_mut()
                .zip(coefficients)
                .for_each(|(out, coefficient)| *out += x * coefficient);
        }
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn subtract(from: &mut [f64], factor: f64, values: &[f64]) {
    from.iter_mut()
        .zip(values)
        .for_each(|(from, value)| *from -= factor * value);
}
