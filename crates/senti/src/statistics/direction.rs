//! Do signs know something? In come forecast and true directions, out goes a p value.

use super::distribution::normal_above;

/// Pesaran and Timmermann's test (1992) that forecast and true directions are independent: (statistic, one-sided p value).
///
/// With P the share of hits, x and y the shares of rises forecast and seen, `P* = x y + (1 - x)(1 - y)`:
/// `S = (P - P*) / sqrt(V(P) - V(P*))`, `V(P) = P* (1 - P*) / n`,
/// `V(P*) = ((2y - 1)² x (1 - x) + (2x - 1)² y (1 - y)) / n + 4 x y (1 - x)(1 - y) / n²`; standard normal where they are independent.
/// None where one of them always says the same.
///
/// # Panics
/// Where the slices differ in length.
pub fn pesaran_timmermann(said: &[bool], came: &[bool]) -> Option<(f64, f64)> {
    assert_eq!(said.len(), came.len(), "two directions an origin");
    let n = said.len() as f64;
    let share = |of: &dyn Fn(usize) -> bool| (0..said.len()).filter(|&i| of(i)).count() as f64 / n;
    let hits = share(&|i| said[i] == came[i]);
    let (x, y) = (share(&|i| said[i]), share(&|i| came[i]));
    let by_chance = x * y + (1.0 - x) * (1.0 - y);
    let (of_x, of_y) = (x * (1.0 - x), y * (1.0 - y));
    let of_hits = by_chance * (1.0 - by_chance) / n;
    let of_chance = ((2.0 * y - 1.0).powi(2) * of_x + (2.0 * x - 1.0).powi(2) * of_y) / n
        + 4.0 * of_x * of_y / (n * n);
    let variance = of_hits - of_chance;
    // One that always says the same leaves nothing but rounding, or an empty sample NaN.
    if variance <= 1e-12 || variance.is_nan() {
        return None;
    }
    let statistic = (hits - by_chance) / variance.sqrt();
    Some((statistic, normal_above(statistic)))
}
