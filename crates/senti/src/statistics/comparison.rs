//! Two forecasts, one loss each an origin: is one of them better?
//!
//! In come two slices of losses in the order of the origins and how many lags their differences overlap by; out go a statistic and a
//! p value. A positive statistic says that the second is better.

use std::f64::consts::{PI, SQRT_2};

use super::distribution::{chi_squared_above, normal_above, student_two_sided};

/// Lags by which the outcomes of origins `stride` rows apart overlap, `step` steps ahead: `ceil(step / stride) - 1`.
pub fn lags(step: usize, stride: usize) -> usize {
    step.div_ceil(stride.max(1)).saturating_sub(1)
}

/// How autocovariances are weighted in a long-run variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// All alike: what theory asks for h-step errors (Diebold and Mariano 1995).
    Rectangular,
    /// Falling to zero behind the last lag; never negative (Newey and West 1987).
    Bartlett,
}

/// A statistic, with the p value of "no difference" and that against "the second is better".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Positive where the second has the smaller loss; infinite where it is smaller by always the same.
    pub t: f64,
    /// Two-sided p value.
    pub p: f64,
    /// Kernel that the variance came from; none where there was none to estimate.
    pub kernel: Option<Kernel>,
}

impl Comparison {
    /// p value against "the second is better": small where it is.
    pub fn p_second_better(&self) -> f64 {
        one_sided(self.t, self.p)
    }

    /// p value against "the first is better".
    pub fn p_first_better(&self) -> f64 {
        one_sided(-self.t, self.p)
    }
}

fn one_sided(t: f64, p: f64) -> f64 {
    if t > 0.0 { p / 2.0 } else { 1.0 - p / 2.0 }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Long-run variance of deviations from their mean: the variance and twice the autocovariances up to `lags`, each divided by n.
fn long_run_variance(centred: &[f64], lags: usize, kernel: Kernel) -> f64 {
    let n = centred.len() as f64;
    let covariance = |lag: usize| -> f64 {
        let pairs = centred[lag..].iter().zip(centred);
        pairs.map(|(now, before)| now * before).sum::<f64>() / n
    };
    let weight = |lag: usize| match kernel {
        Kernel::Rectangular => 1.0,
        Kernel::Bartlett => 1.0 - lag as f64 / (lags + 1) as f64,
    };
    let rest: f64 = (1..=lags).map(|lag| weight(lag) * covariance(lag)).sum();
    covariance(0) + 2.0 * rest
}

/// Diebold and Mariano's test (1995) with the correction of Harvey, Leybourne and Newbold (1997).
///
/// With `d = first - second` and its mean `m`: `t = m / sqrt(V / n) · sqrt((n + 1 - 2k + k (k - 1) / n) / n)`, `k = lags + 1`, where V
/// is the long-run variance with the rectangular kernel, or Bartlett's where that is not positive. p values: Student's t with n - 1
/// degrees of freedom. None below three origins. Losses that differ by a constant have no variance: t is 0 or infinite.
///
/// ```
/// use senti::statistics::comparison::diebold_mariano;
/// let test = diebold_mariano(&[1.0, 2.0, 3.0, 4.0, 5.0], &[0.0; 5], 0).unwrap();
/// assert!((test.t - 3.0 / (2.5f64 / 5.0).sqrt()).abs() < 1e-12, "without lags it is the t test");
/// assert!((test.p - 0.013_235_6).abs() < 1e-6); // scipy.stats.ttest_1samp
/// ```
///
/// # Panics
/// Where the slices differ in length.
pub fn diebold_mariano(first: &[f64], second: &[f64], lags: usize) -> Option<Comparison> {
    let mut difference = differences(first, second)?;
    let centre = mean(&difference);
    difference.iter_mut().for_each(|value| *value -= centre);
    if let Some(certain) = without_variance(centre, &difference) {
        return Some(certain);
    }
    let n = difference.len() as f64;
    let lags = lags.min(difference.len() - 2);
    let mut kernel = Kernel::Rectangular;
    let mut variance = long_run_variance(&difference, lags, kernel);
    if variance <= 0.0 {
        kernel = Kernel::Bartlett;
        variance = long_run_variance(&difference, lags, kernel);
    }
    let k = (lags + 1) as f64;
    let correction = ((n + 1.0 - 2.0 * k + k * (k - 1.0) / n) / n)
        .max(1e-9)
        .sqrt();
    let t = centre / (variance / n).sqrt() * correction;
    Some(Comparison {
        t,
        p: student_two_sided(t, n - 1.0),
        kernel: Some(kernel),
    })
}

/// What [`cautious_test`] finds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cautious {
    /// Positive where the second has the smaller loss.
    pub t: f64,
    /// Degrees of freedom: cosines.
    pub cosines: usize,
    /// Of the means of blocks that do not overlap; negative where the second gains a little most of the time and loses much now and then.
    pub skewness: f64,
    /// p value against "the second is better": small where it is.
    pub p_second_better: f64,
    /// p value against "the first is better".
    pub p_first_better: f64,
}

/// A one-sided test of the mean difference that keeps its size where few origins do not overlap and where differences are skewed. The
/// test of Diebold and Mariano then says "better" too often: narrow intervals win by a little until they lose by much.
///
/// * The variance is the equal-weighted cosine estimate (Lazarus, Lewis, Stock and Watson 2018, section 3): with `B` cosines,
///   `V = (1 / B) Σ_j (sqrt(2 / n) Σ_i d_i cos(π j (i + 1/2) / n))²`, `t = sqrt(n) m / sqrt(V)`, Student's t with B degrees of freedom;
///   `B = min(0.4 n^(2/3), n / (1.5 (lags + 1)), max(n / 50, 4))`, so that no cosine is shorter than three overlaps or, from 200 origins
///   on, a hundred origins: calm and storm come in spells that outlast any overlap. None below four cosines.
/// * Skewness `g` of the N means of blocks (adjusted Fisher–Pearson) is taken out by Hall's transformation (1992, JRSS B); a block is
///   half the shortest cosine's length, n / (2 B), or lags + 1 where that is longer:
///   `t + g t² / (3 sqrt(N)) + g² t³ / (27 N) + g / (6 sqrt(N))`, for each side only where that makes it less sure.
///
/// Losses that differ by a constant are certain, as in [`diebold_mariano`].
///
/// # Panics
/// Where the slices differ in length.
pub fn cautious_test(first: &[f64], second: &[f64], lags: usize) -> Option<Cautious> {
    let difference = differences(first, second)?;
    let centre = mean(&difference);
    let centred: Vec<f64> = difference.iter().map(|value| value - centre).collect();
    let n = difference.len() as f64;
    let most = (0.4 * n.powf(2.0 / 3.0)).min(n / (1.5 * (lags + 1) as f64));
    let cosines = most.min((n / 50.0).max(4.0)) as usize;
    if cosines < 4 {
        return None;
    }
    let length = (lags + 1).max(difference.len() / (2 * cosines));
    let blocks: Vec<f64> = centred.chunks_exact(length).map(mean).collect();
    if let Some(certain) = without_variance(centre, &centred) {
        return Some(Cautious {
            t: certain.t,
            cosines,
            skewness: 0.0,
            p_second_better: certain.p_second_better(),
            p_first_better: certain.p_first_better(),
        });
    }
    let mut variance = 0.0;
    for j in 1..=cosines {
        let wave = |i: usize| (PI * j as f64 * (i as f64 + 0.5) / n).cos();
        let weighted = centred.iter().enumerate().map(|(i, d)| d * wave(i));
        variance += (SQRT_2 / n.sqrt() * weighted.sum::<f64>()).powi(2) / cosines as f64;
    }
    let t = n.sqrt() * centre / variance.sqrt();
    let skewness = skewness(&blocks);
    let count = blocks.len() as f64;
    let p_above = |t: f64, skewness: f64| {
        let g = skewness.min(0.0);
        let straight = t
            + g * t * t / (3.0 * count.sqrt())
            + g * g * t.powi(3) / (27.0 * count)
            + g / (6.0 * count.sqrt());
        let one_sided = |t: f64| one_sided(t, student_two_sided(t, cosines as f64));
        one_sided(t).max(one_sided(straight))
    };
    Some(Cautious {
        t,
        cosines,
        skewness,
        p_second_better: p_above(t, skewness),
        p_first_better: p_above(-t, -skewness),
    })
}

/// Adjusted Fisher–Pearson skewness; 0 where nothing varies.
fn skewness(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let centre = mean(values);
    let moment = |power| {
        values
            .iter()
            .map(|value| (value - centre).powi(power))
            .sum::<f64>()
            / n
    };
    let skewness = moment(3) / moment(2).powf(1.5) * (n * (n - 1.0)).sqrt() / (n - 2.0);
    if skewness.is_finite() { skewness } else { 0.0 }
}

fn differences(first: &[f64], second: &[f64]) -> Option<Vec<f64>> {
    assert_eq!(first.len(), second.len(), "two losses an origin");
    let difference: Vec<_> = first.iter().zip(second).map(|(a, b)| a - b).collect();
    (difference.len() >= 3).then_some(difference)
}

/// What can be said of losses that differ by always the same.
fn without_variance(centre: f64, centred: &[f64]) -> Option<Comparison> {
    // Losses of log prices are some 1e-2; their sums carry an error of 1e-16.
    const NOTHING: f64 = 1e-15;
    if centred.iter().any(|value| value.abs() >= NOTHING) {
        return None;
    }
    let equal = centre.abs() < NOTHING;
    Some(Comparison {
        t: if equal {
            0.0
        } else {
            f64::INFINITY.copysign(centre)
        },
        p: if equal { 1.0 } else { 0.0 },
        kernel: None,
    })
}

/// A statistic that is chi-squared where there is nothing to find.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChiSquared {
    /// Statistic.
    pub statistic: f64,
    /// Degrees of freedom.
    pub degrees: f64,
    /// Probability of a larger one.
    pub p: f64,
}

impl ChiSquared {
    pub(super) fn new(statistic: f64, degrees: f64) -> Self {
        Self {
            statistic,
            degrees,
            p: chi_squared_above(statistic, degrees),
        }
    }
}

/// Giacomini and White's test of equal conditional predictive ability (2006), instruments 1 and the last known difference.
///
/// With `d = first - second`, `k = lags + 1` and `z_i = (d_i, d_{i-k} d_i)` over the origins whose difference k origins ago was known:
/// without lags n times the uncentred R² of 1 on z; with lags `n z̄' Ω⁻¹ z̄`, Ω being Bartlett's long-run covariance of z around its mean
/// (their Matlab code). Two degrees of freedom. None below 20 origins, or where z does not vary in two directions.
///
/// # Panics
/// Where the slices differ in length.
pub fn giacomini_white(first: &[f64], second: &[f64], lags: usize) -> Option<ChiSquared> {
    let difference = differences(first, second)?;
    let k = lags + 1;
    if difference.len() < k + 20 {
        return None;
    }
    let z: [Vec<f64>; 2] = [
        difference[k..].to_vec(),
        difference[k..]
            .iter()
            .zip(&difference)
            .map(|(now, before)| now * before)
            .collect(),
    ];
    let n = z[0].len() as f64;
    let centre = [mean(&z[0]), mean(&z[1])];
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / n;
    // (2, 2), symmetric: second moments about 0 without lags, the long-run covariance with them
    let mut omega = [0.0; 3];
    let pairs = [(0, 0), (0, 1), (1, 1)];
    if lags == 0 {
        for (value, (a, b)) in omega.iter_mut().zip(pairs) {
            *value = product(&z[a], &z[b]);
        }
    } else {
        let centred: Vec<Vec<f64>> = (0..2)
            .map(|a| z[a].iter().map(|value| value - centre[a]).collect())
            .collect();
        for (value, (a, b)) in omega.iter_mut().zip(pairs) {
            *value = product(&centred[a], &centred[b]);
            for lag in 1..=lags.min(centred[0].len() - 1) {
                let both = product(&centred[a][lag..], &centred[b])
                    + product(&centred[b][lag..], &centred[a]);
                *value += (1.0 - lag as f64 / k as f64) * both;
            }
        }
    }
    let determinant = omega[0] * omega[2] - omega[1] * omega[1];
    // Rounding leaves some 1e-16 of the product of a singular matrix.
    if determinant <= 1e-12 * omega[0] * omega[2] || determinant.is_nan() {
        return None;
    }
    let [a, b] = centre;
    let form = (omega[2] * a * a - 2.0 * omega[1] * a * b + omega[0] * b * b) / determinant;
    Some(ChiSquared::new(n * form, 2.0))
}

/// Clark and West's test (2007) of a model against one that it contains, by mean squared errors adjusted for the noise of what it
/// estimates in vain.
///
/// `f = (actual - small)² - ((actual - large)² - (small - large)²)`; t is its mean over the root of Bartlett's long-run variance
/// through n. p is one-sided, from the normal distribution: small where the large model is better. (t, p); none below three origins or
/// where f does not vary.
///
/// # Panics
/// Where the slices differ in length.
pub fn clark_west(actual: &[f64], small: &[f64], large: &[f64], lags: usize) -> Option<(f64, f64)> {
    assert_eq!(actual.len(), small.len(), "a forecast an origin");
    assert_eq!(actual.len(), large.len(), "a forecast an origin");
    if actual.len() < 3 {
        return None;
    }
    let mut adjusted: Vec<f64> = actual
        .iter()
        .zip(small)
        .zip(large)
        .map(|((y, a), b)| (y - a).powi(2) - ((y - b).powi(2) - (a - b).powi(2)))
        .collect();
    let centre = mean(&adjusted);
    adjusted.iter_mut().for_each(|value| *value -= centre);
    let lags = lags.min(adjusted.len() - 2);
    let variance = long_run_variance(&adjusted, lags, Kernel::Bartlett);
    if variance <= 0.0 || variance.is_nan() {
        return None;
    }
    let t = centre / (variance / adjusted.len() as f64).sqrt();
    Some((t, normal_above(t)))
}
