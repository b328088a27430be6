//! Quantiles of a sample, in the one definition that the whole product uses.
//!
//! In comes a sorted sample; out goes a value between two of its members. Nothing here sorts or skips.

/// Quantile by linear interpolation between order statistics: NumPy's default ("linear", type 7 of Hyndman and Fan 1996).
///
/// Interpolates from the nearer end as NumPy does, so that the result never leaves the two neighbours and agrees to the last bit.
///
/// ```
/// assert_eq!(senti::quantiles::linear(&[1.0, 2.0, 4.0, 8.0], 0.25), 1.75);
/// ```
///
/// # Panics
/// On an empty sample, or a level outside 0 to 1.
pub fn linear(sorted: &[f64], level: f64) -> f64 {
    assert!(!sorted.is_empty(), "a quantile needs a value");
    assert!((0.0..=1.0).contains(&level), "level {level} is not in 0..1");
    let position = level * (sorted.len() - 1) as f64;
    let below = position.floor();
    let share = position - below;
    let low = sorted[below as usize];
    let high = sorted[(below as usize + 1).min(sorted.len() - 1)];
    if share < 0.5 {
        low + (high - low) * share
    } else {
        high - (high - low) * (1.0 - share)
    }
}

/// Sorts a sample so that [`linear`] can read it.
pub fn sort(sample: &mut [f64]) {
    sample.sort_unstable_by(f64::total_cmp);
}
