//! Do intervals hold what they promise? In come hits or shares, out go p values and confidence intervals.

use super::comparison::ChiSquared;
use super::distribution::normal_quantile;

/// Kupiec's likelihood-ratio test (1995) that misses come with probability `rate`: one degree of freedom. None without cases.
///
/// `-2 ln((1 - rate)^hits rate^misses / ((1 - m)^hits m^misses))`, `m = misses / n`.
pub fn kupiec(misses: usize, n: usize, rate: f64) -> Option<ChiSquared> {
    if n == 0 {
        return None;
    }
    let (missed, all) = (misses as f64, n as f64);
    let found = missed / all;
    // 0 ln 0 = 0
    let part = |count: f64, found: f64, wanted: f64| {
        if count == 0.0 {
            0.0
        } else {
            count * (found / wanted).ln()
        }
    };
    let statistic = 2.0 * (part(missed, found, rate) + part(all - missed, 1.0 - found, 1.0 - rate));
    Some(ChiSquared::new(statistic, 1.0))
}

/// Christoffersen's likelihood-ratio test (1998) that a miss is as likely after a miss as after a hit: one degree of freedom.
///
/// `2 Σ n_ab ln(n_ab n / (n_a· n_·b))` over the table of neighbours. None where misses or hits are too few to have neighbours of both kinds.
pub fn christoffersen(missed: &[bool]) -> Option<ChiSquared> {
    let mut table = [[0.0f64; 2]; 2];
    for pair in missed.windows(2) {
        table[usize::from(pair[0])][usize::from(pair[1])] += 1.0;
    }
    let row = [table[0][0] + table[0][1], table[1][0] + table[1][1]];
    let column = [table[0][0] + table[1][0], table[0][1] + table[1][1]];
    if row.iter().chain(&column).any(|&count| count == 0.0) {
        return None;
    }
    let all = row[0] + row[1];
    let mut statistic = 0.0;
    for a in 0..2 {
        for b in 0..2 {
            let count = table[a][b];
            if count > 0.0 {
                statistic += 2.0 * count * (count * all / (row[a] * column[b])).ln();
            }
        }
    }
    Some(ChiSquared::new(statistic.max(0.0), 1.0))
}

/// Wilson's score interval (1927) of a share seen in `n` independent cases; `n` may be a fraction where cases overlap.
///
/// ```
/// // statsmodels.stats.proportion.proportion_confint(15, 20, method='wilson')
/// let (low, high) = senti::statistics::coverage::wilson(0.75, 20.0, 0.95);
/// assert!((low - 0.531_299).abs() < 1e-6 && (high - 0.888_138).abs() < 1e-6);
/// ```
pub fn wilson(share: f64, n: f64, confidence: f64) -> (f64, f64) {
    if n <= 0.0 {
        return (0.0, 1.0);
    }
    let z = normal_quantile(0.5 + confidence / 2.0);
    let square = z * z / n;
    let centre = (share + square / 2.0) / (1.0 + square);
    let half = z / (1.0 + square) * (share * (1.0 - share) / n + square / (4.0 * n)).sqrt();
    ((centre - half).max(0.0), (centre + half).min(1.0))
}

/// Pearson's chi-squared test that outcomes fall between neighbouring quantiles as often as promised, of shares seen in `n`
/// independent cases.
///
/// Neighbouring bins are joined until each expects five cases, as the approximation wants (Cochran 1954); none where fewer than three
/// bins remain.
///
/// # Panics
/// Where there is not one share a bin.
pub fn uniformity(shares: &[f64], promised: &[f64], n: f64) -> Option<ChiSquared> {
    assert_eq!(shares.len(), promised.len(), "one share a bin");
    const ENOUGH: f64 = 5.0;
    let mut bins: Vec<(f64, f64)> = Vec::new();
    let mut open = (0.0, 0.0);
    for (&share, &wanted) in shares.iter().zip(promised) {
        open = (open.0 + share * n, open.1 + wanted * n);
        // Twenty times a twentieth of n may be short of n by rounding.
        if open.1 >= ENOUGH * (1.0 - 1e-9) {
            bins.push(open);
            open = (0.0, 0.0);
        }
    }
    if let Some(last) = bins.last_mut() {
        *last = (last.0 + open.0, last.1 + open.1);
    }
    if bins.len() < 3 {
        return None;
    }
    let statistic = bins
        .iter()
        .map(|(seen, wanted)| (seen - wanted).powi(2) / wanted)
        .sum();
    Some(ChiSquared::new(statistic, (bins.len() - 1) as f64))
}
