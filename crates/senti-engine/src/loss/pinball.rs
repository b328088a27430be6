//! Quantiles that cannot cross, and their pinball loss.

use crate::lane::{Kernel, Lane};
use crate::math::{sigmoid, softplus};

/// A head of Q quantiles for each target that can never cross, and its pinball loss.
///
/// Of the raw outputs z of one target, the middle one is the median (times [`Pinball::with_location_rate`], 1 by default); going
/// outwards, each quantile lies softplus(z) beyond its neighbour. The loss is the mean over rows, targets and levels of max(τ·e, (τ - 1)·e), e = target - quantile.
///
/// ```
/// let pinball = senti_engine::Pinball::new(&[0.1, 0.5, 0.9]);
/// let raw = pinball.raw_for(&[-1.0, 0.0, 2.0]);
/// let mut quantiles = [0.0; 3];
/// pinball.quantiles(&raw, &mut quantiles);
/// assert!((quantiles[2] - 2.0).abs() < 1e-6);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct Pinball {
    levels: Vec<f32>,
    location_rate: f32,
}

impl Pinball {
    /// `raw_for` widens gaps between quantiles that are smaller than this: softplus has no inverse at 0.
    pub const MIN_GAP: f64 = 1e-6;

    /// Levels between 0 and 1, rising, an odd number of them with 0.5 in the middle.
    ///
    /// # Panics
    /// When the levels are anything else.
    pub fn new(levels: &[f32]) -> Pinball {
        assert!(
            levels.len() % 2 == 1 && levels[levels.len() / 2] == 0.5,
            "0.5 must be in the middle of an odd number of levels, not {levels:?}"
        );
        assert!(
            levels.len() <= MAX_LEVELS,
            "at most {MAX_LEVELS} levels, not {}",
            levels.len()
        );
        assert!(
            levels.windows(2).all(|pair| pair[0] < pair[1]),
            "levels must rise: {levels:?}"
        );
        assert!(
            levels.iter().all(|&level| 0.0 < level && level < 1.0),
            "levels must lie between 0 and 1: {levels:?}"
        );
        Pinball {
            levels: levels.to_vec(),
            location_rate: 1.0,
        }
    }

    /// Makes the median `rate` times its raw output, so that it learns `rate` times as fast as the widths: where there is much
    /// more to know about the spread than about the direction, a small rate keeps the median near its start.
    ///
    /// # Panics
    /// When the rate is not positive.
    #[must_use]
    pub fn with_location_rate(self, rate: f32) -> Pinball {
        assert!(rate > 0.0, "the rate must be positive, not {rate}");
        Pinball {
            location_rate: rate,
            ..self
        }
    }

    /// How much of its raw output the median takes.
    pub fn location_rate(&self) -> f32 {
        self.location_rate
    }

    /// The Q levels.
    pub fn levels(&self) -> &[f32] {
        &self.levels
    }

    /// Raw outputs (n, Q) to rising quantiles (n, Q).
    pub fn quantiles(&self, raw: &[f32], out: &mut [f32]) {
        let q = self.levels.len();
        assert_eq!(
            (raw.len() % q, raw.len()),
            (0, out.len()),
            "raw outputs for {q} levels"
        );
        for (raw, out) in raw.chunks_exact(q).zip(out.chunks_exact_mut(q)) {
            let middle = q / 2;
            out[middle] = self.location_rate * raw[middle];
            for above in middle + 1..q {
                out[above] = out[above - 1] + softplus_one(raw[above]);
            }
            for below in (0..middle).rev() {
                out[below] = out[below + 1] - softplus_one(raw[below]);
            }
        }
    }

    /// From the derivative of some number with respect to the quantiles (n, Q), that with respect to the raw outputs (n, Q): a raw
    /// output moves its own quantile and all beyond it.
    pub fn raw_slopes(&self, raw: &[f32], quantile_slopes: &[f32], out: &mut [f32]) {
        let q = self.levels.len();
        assert_eq!(
            (raw.len() % q, raw.len(), raw.len()),
            (0, quantile_slopes.len(), out.len()),
            "raw outputs for {q} levels"
        );
        let middle = q / 2;
        let rows = raw.chunks_exact(q).zip(quantile_slopes.chunks_exact(q));
        for ((raw, slopes), out) in rows.zip(out.chunks_exact_mut(q)) {
            // softplus' = sigmoid, in f64 as `quantiles`
            let gap_slope = |k: usize| 1.0 / (1.0 + (-f64::from(raw[k])).exp());
            let (mut up, mut down) = (0.0, 0.0);
            for above in (middle + 1..q).rev() {
                up += f64::from(slopes[above]);
                out[above] = (up * gap_slope(above)) as f32;
            }
            for below in 0..middle {
                down += f64::from(slopes[below]);
                out[below] = (-down * gap_slope(below)) as f32;
            }
            let all = up + down + f64::from(slopes[middle]);
            out[middle] = (f64::from(self.location_rate) * all) as f32;
        }
    }

    /// The raw outputs (n, Q) whose quantiles are these (n, Q); gaps below [`Pinball::MIN_GAP`] are widened to it.
    pub fn raw_for(&self, quantiles: &[f64]) -> Vec<f32> {
        let q = self.levels.len();
        assert_eq!(quantiles.len() % q, 0, "quantiles for {q} levels");
        let mut raw = Vec::with_capacity(quantiles.len());
        for quantiles in quantiles.chunks_exact(q) {
            raw.extend((0..q).map(|k| match k.cmp(&(q / 2)) {
                std::cmp::Ordering::Less => inverse_softplus(quantiles[k + 1] - quantiles[k]),
                std::cmp::Ordering::Equal => (quantiles[k] / f64::from(self.location_rate)) as f32,
                std::cmp::Ordering::Greater => inverse_softplus(quantiles[k] - quantiles[k - 1]),
            }));
        }
        raw
    }
}

/// Room for the numbers of one target.
const MAX_LEVELS: usize = 256;

/// Mean pinball loss of a batch and its derivative with respect to the raw outputs.
pub(super) struct PinballLoss<'a> {
    levels: &'a [f32],
    location_rate: f32,
    raw: &'a [f32],
    targets: &'a [f32],
    gradient: Option<&'a mut [f32]>,
}

impl<'a> PinballLoss<'a> {
    pub fn new(
        pinball: &'a Pinball,
        raw: &'a [f32],
        targets: &'a [f32],
        gradient: Option<&'a mut [f32]>,
    ) -> PinballLoss<'a> {
        PinballLoss {
            levels: &pinball.levels,
            location_rate: pinball.location_rate,
            raw,
            targets,
            gradient,
        }
    }
}

impl Kernel for PinballLoss<'_> {
    type Output = f64;
    #[inline(always)]
    fn run<L: Lane>(mut self) -> f64 {
        let q = self.levels.len();
        let middle = q / 2;
        let weight = (1.0 / self.raw.len() as f64) as f32;
        let mut sum = 0.0;
        let [mut z, mut gap, mut gap_slope, mut slope] = [[0.0f32; MAX_LEVELS]; 4];
        for (row, (raw, &target)) in self.raw.chunks_exact(q).zip(self.targets).enumerate() {
            z[..q].copy_from_slice(raw);
            for at in (0..q).step_by(L::LANES) {
                let z = L::load(&z[at..]);
                softplus(z).store(&mut gap[at..]);
                sigmoid(z).store(&mut gap_slope[at..]);
            }
            // Loss of one quantile and its derivative with respect to that quantile.
            let mut pinball = |k: usize, quantile: f32| {
                let (e, level) = (target - quantile, self.levels[k]);
                let slope = if e >= 0.0 { -level } else { 1.0 - level };
                sum += f64::from(-slope * e);
                slope
            };
            let median = self.location_rate * z[middle];
            slope[middle] = pinball(middle, median);
            let mut quantile = median;
            for above in middle + 1..q {
                quantile += gap[above];
                slope[above] = pinball(above, quantile);
            }
            quantile = median;
            for below in (0..middle).rev() {
                quantile -= gap[below];
                slope[below] = pinball(below, quantile);
            }
            // A raw output moves its own quantile and all beyond it: sums from the outside in.
            if let Some(gradient) = self.gradient.as_deref_mut() {
                let out = &mut gradient[row * q..][..q];
                let (mut up, mut down) = (0.0, 0.0);
                for above in (middle + 1..q).rev() {
                    up += slope[above];
                    out[above] = weight * up * gap_slope[above];
                }
                for below in 0..middle {
                    down += slope[below];
                    out[below] = -weight * down * gap_slope[below];
                }
                out[middle] = weight * self.location_rate * (up + down + slope[middle]);
            }
        }
        sum / self.raw.len() as f64
    }
}

/// ln(1 + eˣ), in f64: forecasts do not depend on the instruction set here.
fn softplus_one(x: f32) -> f32 {
    let x = f64::from(x);
    (x.max(0.0) + (-x.abs()).exp().ln_1p()) as f32
}

fn inverse_softplus(gap: f64) -> f32 {
    let gap = gap.max(Pinball::MIN_GAP);
    (gap + (-(-gap).exp_m1()).ln()) as f32
}
