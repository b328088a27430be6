//! Ridge regression with many outputs, from sums that are gathered block by block.
//!
//! In: rows of p regressors and h targets. Out: coefficients and intercepts as scikit-learn's `Ridge` (the intercept is not
//! penalised). Only sums are kept: O(p² + p·h) memory for any number of rows. All in f64.

use crate::simd::Simd;

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
    simd: Simd,
    /// The first row: subtracted from every row, so that a large mean costs no digits.
    origin: Vec<f64>,
    /// Sums of x and y, after the origin was subtracted: (p + h).
    sums: Vec<f64>,
    /// Sums of [x, y]·[x, y] (width, width), of which only the upper triangle is valid.
    products: Vec<f64>,
    /// Rows that wait for their block to be full: panels of `PANEL` columns (panels, `BLOCK`, `PANEL`), the rest zero.
    waiting: Vec<f64>,
    n_waiting: usize,
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

/// Rows that are summed at once.
const BLOCK: usize = 64;

/// Columns of a panel: 16 · 64 · 8 bytes = 8 KiB, so that two panels stay in the first cache.
const PANEL: usize = 16;

impl Gram {
    /// No rows yet, for p regressors and h targets; sums with the machine's widest instruction set.
    pub fn new(p: usize, h: usize) -> Gram {
        Gram::with_simd(p, h, Simd::detect())
    }

    /// The same with a given instruction set: the last digits of the sums depend on whether it fuses.
    ///
    /// # Panics
    /// When p or h is zero, or this machine does not have the instruction set.
    pub fn with_simd(p: usize, h: usize, simd: Simd) -> Gram {
        assert!(
            p > 0 && h > 0,
            "a regression needs regressors and targets, not {p} and {h}"
        );
        assert!(simd.is_supported(), "this machine has no {}", simd.name());
        let width = (p + h).next_multiple_of(PANEL);
        Gram {
            p,
            h,
            n: 0,
            simd,
            origin: Vec::new(),
            sums: vec![0.0; p + h],
            products: vec![0.0; width * width],
            waiting: vec![0.0; BLOCK * width],
            n_waiting: 0,
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
        for (column, (value, origin)) in x.iter().chain(y).zip(&self.origin).enumerate() {
            let place = (column / PANEL * BLOCK + self.n_waiting) * PANEL + column % PANEL;
            self.waiting[place] = value - origin;
            self.sums[column] += value - origin;
        }
        self.n_waiting += 1;
        if self.n_waiting == BLOCK {
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

    /// Adds the products of the rows that wait.
    fn sum_up(&mut self) {
        let rows = std::mem::take(&mut self.n_waiting);
        match self.simd {
            // SAFETY: the constructor asked whether the machine has the features.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { add_products_avx512(&self.waiting, rows, &mut self.products) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { add_products_avx2(&self.waiting, rows, &mut self.products) },
            Simd::Neon => add_products::<true, 4, 8>(&self.waiting, rows, &mut self.products),
            _ => add_products::<false, 4, 4>(&self.waiting, rows, &mut self.products),
        }
    }

    /// Minimises Σ(y - x·coefficients - intercept)² + alpha·Σcoefficients², by Cholesky decomposition.
    pub fn solve(&self, alpha: f64) -> Result<Ridge, Singular> {
        let mut all = self.clone();
        all.sum_up();
        let (p, h, n) = (self.p, self.h, self.n.max(1) as f64);
        let width = (p + h).next_multiple_of(PANEL);
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

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn add_products_avx512(waiting: &[f64], rows: usize, products: &mut [f64]) {
    add_products::<true, 8, 16>(waiting, rows, products);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn add_products_avx2(waiting: &[f64], rows: usize, products: &mut [f64]) {
    add_products::<true, 4, 8>(waiting, rows, products);
}

/// products += waitingᵀ · waiting, for the pairs of panels on and above the diagonal, in tiles of R × C sums that stay in registers.
#[inline(always)]
fn add_products<const FUSED: bool, const R: usize, const C: usize>(
    waiting: &[f64],
    rows: usize,
    products: &mut [f64],
) {
    let width = waiting.len() / BLOCK;
    let panels = || waiting.chunks_exact(BLOCK * PANEL).enumerate();
    for (left_panel, left) in panels() {
        for (right_panel, right) in panels().skip(left_panel) {
            for row in (0..PANEL).step_by(R) {
                for column in (0..PANEL).step_by(C) {
                    let mut sums = [[0.0f64; C]; R];
                    let pairs = left.chunks_exact(PANEL).zip(right.chunks_exact(PANEL));
                    for (left, right) in pairs.take(rows) {
                        let (left, right) = (&left[row..row + R], &right[column..column + C]);
                        for (sums, left) in sums.iter_mut().zip(left) {
                            for (sum, right) in sums.iter_mut().zip(right) {
                                *sum = if FUSED {
                                    left.mul_add(*right, *sum)
                                } else {
                                    left * right + *sum
                                };
                            }
                        }
                    }
                    let first = (left_panel * PANEL + row) * width + right_panel * PANEL + column;
                    for (row, sums) in sums.iter().enumerate() {
                        let products = &mut products[first + row * width..][..C];
                        products
                            .iter_mut()
                            .zip(sums)
                            .for_each(|(total, sum)| *total += sum);
                    }
                }
            }
        }
    }
}

/// Eight sums side by side: one alone would wait for itself.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks(8), b.chunks(8));
    for (a, b) in a.zip(b) {
        sums.iter_mut()
            .zip(a.iter().zip(b))
            .for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum()
}

fn subtract(from: &mut [f64], factor: f64, values: &[f64]) {
    from.iter_mut()
        .zip(values)
        .for_each(|(from, value)| *from -= factor * value);
}
