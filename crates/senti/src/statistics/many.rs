//! Many comparisons at once: what may still be believed of the best of them.
//!
//! In come p values, or the losses of several models on the same origins; out go adjusted p values, and a set of models. Resampling is
//! seeded: the same losses and seed give the same set.

use senti_engine::random::{Purpose, Stream};

/// Holm's step-down adjustment (1979): p values that may be compared with the level as if each were alone; NaN stays NaN and does
/// not count.
///
/// ```
/// let adjusted = senti::statistics::many::holm(&[0.01, 0.04, 0.03]);
/// assert!(adjusted.iter().zip([0.03, 0.06, 0.06]).all(|(a, b)| (a - b).abs() < 1e-15));
/// ```
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).filter(|&i| !p[i].is_nan()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![f64::NAN; p.len()];
    let mut highest = 0.0f64;
    for (rank, &i) in order.iter().enumerate() {
        highest = highest.max(((order.len() - rank) as f64 * p[i]).min(1.0));
        adjusted[i] = highest;
    }
    adjusted
}

/// Which statistic decides whether the models of a set are equally good, and which of them leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statistic {
    /// The largest t of a model against the mean of all: T_max.
    Max,
    /// The largest t of a pair: T_R.
    Range,
}

/// A model in the order in which it left the set, and its p value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Left {
    /// Position of the model among the losses.
    pub model: usize,
    /// p value: the model is in every set whose confidence is above 1 - p.
    pub p: f64,
}

/// Model confidence set (Hansen, Lunde and Nason 2011): every model with its p value, worst first.
///
/// `losses` is (n, k), one row an origin. `resample` fills (n) positions for each of `repetitions` bootstrap samples. Models that tie
/// for the worst leave together under [`Statistic::Max`].
///
/// # Panics
/// Where the losses are not k an origin, or there are none.
pub fn model_confidence_set(
    losses: &[f64],
    k: usize,
    statistic: Statistic,
    repetitions: usize,
    resample: &mut dyn FnMut(usize, &mut [u32]),
) -> Vec<Left> {
    assert!(
        k > 0 && !losses.is_empty(),
        "a set needs a model and an origin"
    );
    assert_eq!(losses.len() % k, 0, "(n, k)");
    let n = losses.len() / k;
    let mean_of = |rows: &mut dyn Iterator<Item = usize>, into: &mut [f64]| {
        into.fill(0.0);
        for row in rows {
            for (sum, loss) in into.iter_mut().zip(&losses[row * k..][..k]) {
                *sum += loss;
            }
        }
        into.iter_mut().for_each(|sum| *sum /= n as f64);
    };
    let mut mean = vec![0.0; k];
    mean_of(&mut (0..n), &mut mean);
    // deviations of resampled means from the mean: (repetitions, k)
    let mut deviation = vec![0.0; repetitions * k];
    let mut positions = vec![0; n];
    for (repetition, into) in deviation.chunks_exact_mut(k).enumerate() {
        resample(repetition, &mut positions);
        mean_of(&mut positions.iter().map(|&row| row as usize), into);
        into.iter_mut()
            .zip(&mean)
            .for_each(|(value, mean)| *value -= mean);
    }
    let mut included: Vec<usize> = (0..k).collect();
    let mut left = Vec::with_capacity(k);
    let mut p = 0.0f64;
    while included.len() > 1 {
        let (t, worst, simulated) = match statistic {
            Statistic::Max => against_mean(&mean, &deviation, k, &included),
            Statistic::Range => against_each_other(&mean, &deviation, k, &included),
        };
        if worst.len() == included.len() {
            // all alike: none is worse than another
            break;
        }
        let above = simulated.iter().filter(|&&value| t < value).count();
        p = p.max(above as f64 / repetitions as f64);
        left.extend(worst.iter().map(|&model| Left { model, p }));
        included.retain(|model| !worst.contains(model));
    }
    left.extend(included.iter().map(|&model| Left { model, p: 1.0 }));
    left
}

/// A difference in its standard deviations; none at all is none, however it varies.
fn standardised(difference: f64, deviation: f64) -> f64 {
    if difference == 0.0 {
        0.0
    } else {
        difference / deviation
    }
}

fn against_mean(
    mean: &[f64],
    deviation: &[f64],
    k: usize,
    included: &[usize],
) -> (f64, Vec<usize>, Vec<f64>) {
    let all = included.len() as f64;
    let centred = |row: &[f64]| -> Vec<f64> {
        let centre = included.iter().map(|&model| row[model]).sum::<f64>() / all;
        included.iter().map(|&model| row[model] - centre).collect()
    };
    let rows: Vec<Vec<f64>> = deviation.chunks_exact(k).map(centred).collect();
    let mut spread = vec![0.0; included.len()];
    for row in &rows {
        spread
            .iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += value * value);
    }
    spread
        .iter_mut()
        .for_each(|sum| *sum = (*sum / rows.len() as f64).sqrt());
    let largest = |row: &[f64]| {
        let values = row
            .iter()
            .zip(&spread)
            .map(|(&value, &spread)| standardised(value, spread));
        values.fold(f64::NEG_INFINITY, f64::max)
    };
    let found = centred(mean);
    let t = largest(&found);
    let worst = (0..included.len())
        .filter(|&i| standardised(found[i], spread[i]) == t)
        .map(|i| included[i])
        .collect();
    (t, worst, rows.iter().map(|row| largest(row)).collect())
}

fn against_each_other(
    mean: &[f64],
    deviation: &[f64],
    k: usize,
    included: &[usize],
) -> (f64, Vec<usize>, Vec<f64>) {
    let pairs: Vec<(usize, usize)> = included
        .iter()
        .enumerate()
        .flat_map(|(i, &a)| included[i + 1..].iter().map(move |&b| (a, b)))
        .collect();
    let repetitions = deviation.len() / k;
    let spread: Vec<f64> = pairs
        .iter()
        .map(|&(a, b)| {
            let squares = deviation
                .chunks_exact(k)
                .map(|row| (row[a] - row[b]).powi(2));
            (squares.sum::<f64>() / repetitions as f64).sqrt()
        })
        .collect();
    let largest = |row: &[f64]| {
        let values = pairs.iter().zip(&spread);
        values
            .map(|(&(a, b), &spread)| standardised(row[a] - row[b], spread).abs())
            .fold(0.0, f64::max)
    };
    let t = largest(mean);
    let worst = pairs
        .iter()
        .zip(&spread)
        .find(|&(&(a, b), &spread)| standardised(mean[a] - mean[b], spread).abs() == t)
        .map(|(&(a, b), _)| if mean[a] > mean[b] { a } else { b });
    // no pair differs: all of them are the worst
    let worst = if t == 0.0 {
        included.to_vec()
    } else {
        worst.into_iter().collect()
    };
    (t, worst, deviation.chunks_exact(k).map(largest).collect())
}

/// The stationary bootstrap of Politis and Romano (1994): blocks from random starts, round the end, of geometric length with this mean.
#[derive(Clone, Copy, Debug)]
pub struct StationaryBootstrap {
    stream: Stream,
    next_block: f64,
}

impl StationaryBootstrap {
    /// Blocks of `mean_length` on average, at least 1.
    pub fn new(seed: u64, mean_length: f64) -> Self {
        Self {
            stream: Stream::new(seed, Purpose::Bootstrap),
            next_block: 1.0 / mean_length.max(1.0),
        }
    }

    /// Fills the positions of sample number `index`, whatever was drawn before.
    pub fn fill(&self, index: usize, positions: &mut [u32]) {
        let n = positions.len() as u32;
        if n == 0 {
            return;
        }
        let mut generator = self.stream.at(index as u64);
        let mut position = 0;
        for (i, place) in positions.iter_mut().enumerate() {
            position = if i == 0 || generator.uniform() < self.next_block {
                generator.below(n)
            } else {
                (position + 1) % n
            };
            *place = position;
        }
    }
}
