//! When a rival with parameters estimates them anew, from which rows, and by which search.

/// Candles before the first estimation of a few coefficients.
pub(super) const FIRST: usize = 100;
/// Candles between two estimations, at least.
const REFIT: usize = 91;
/// Estimations by search look at the latest rows only, so that their cost is bounded: five and a half years of days.
pub(super) const LATEST: usize = 2_000;

/// Counts candles and says when to estimate: after the first so many, then every 91, and in long tables more rarely (every fortieth of
/// what has been seen), so that the number of estimations grows with the logarithm of the rows.
#[derive(Clone, Debug)]
pub(super) struct Schedule {
    rows: usize,
    next: usize,
}

impl Schedule {
    pub(super) fn new(first: usize) -> Self {
        Self {
            rows: 0,
            next: first,
        }
    }

    /// A candle has closed: is it time?
    pub(super) fn is_due(&mut self) -> bool {
        self.rows += 1;
        let due = self.rows == self.next;
        if due {
            self.next += REFIT.max(self.rows / 40);
        }
        due
    }
}

/// The latest [`LATEST`] numbers in one slice.
#[derive(Clone, Debug, Default)]
pub(super) struct Latest(Vec<f64>);

impl Latest {
    pub(super) fn push(&mut self, value: f64) {
        // room for twice as many, so that moving them down is rare
        if self.0.len() == 2 * LATEST {
            self.0.drain(..LATEST);
        }
        self.0.push(value);
    }

    pub(super) fn values(&self) -> &[f64] {
        &self.0[self.0.len().saturating_sub(LATEST)..]
    }
}

/// A number between two bounds from any number, and back (the logistic function), so that a search needs no bounds.
pub(super) fn between(low: f64, high: f64, free: f64) -> f64 {
    low + (high - low) / (1.0 + (-free).exp())
}

/// The inverse of [`between`], for a value inside the bounds.
pub(super) fn free(low: f64, high: f64, value: f64) -> f64 {
    ((value - low) / (high - value)).ln()
}

/// Searches the least value of `cost` from `start` by the simplex of Nelder and Mead (1965), with its usual coefficients, twice (the
/// second time from a fresh simplex around what the first has found, which frees one that has collapsed). The best point stays in
/// `start`; returns its cost. Costs that are not finite count as the worst.
pub(super) fn minimise(start: &mut [f64], mut cost: impl FnMut(&[f64]) -> f64) -> f64 {
    let mut cost = |x: &[f64]| {
        let value = cost(x);
        if value.is_finite() { value } else { f64::MAX }
    };
    let mut best = f64::MAX;
    for size in [0.5, 0.2] {
        best = simplex(start, size, &mut cost);
    }
    best
}

/// Steps of one search, at most, for each dimension.
const STEPS: usize = 120;
/// Relative spread of the costs at which a search ends.
const SPREAD: f64 = 1e-11;

fn simplex(start: &mut [f64], size: f64, cost: &mut impl FnMut(&[f64]) -> f64) -> f64 {
    let n = start.len();
    let mut corners: Vec<(f64, Vec<f64>)> = (0..=n)
        .map(|corner| {
            let mut x = start.to_vec();
            if corner > 0 {
                x[corner - 1] += size;
            }
            (cost(&x), x)
        })
        .collect();
    for _ in 0..STEPS * n {
        corners.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (best, worst) = (corners[0].0, corners[n].0);
        if worst - best <= SPREAD * best.abs() {
            break;
        }
        let centre: Vec<f64> = (0..n)
            .map(|k| corners[..n].iter().map(|(_, x)| x[k]).sum::<f64>() / n as f64)
            .collect();
        // the worst corner, mirrored at the others' centre and moved `way` times as far
        let far = corners[n].1.clone();
        let mut moved = |way: f64| {
            let x: Vec<f64> = centre
                .iter()
                .zip(&far)
                .map(|(c, f)| c + way * (c - f))
                .collect();
            (cost(&x), x)
        };
        let mirrored = moved(1.0);
        let better = if mirrored.0 < best {
            let farther = moved(2.0);
            Some(if farther.0 < mirrored.0 {
                farther
            } else {
                mirrored
            })
        } else if mirrored.0 < corners[n - 1].0 {
            Some(mirrored)
        } else {
            let nearer = moved(if mirrored.0 < worst { 0.5 } else { -0.5 });
            (nearer.0 < worst.min(mirrored.0)).then_some(nearer)
        };
        if let Some(better) = better {
            corners[n] = better;
            continue;
        }
        let anchor = corners[0].1.clone();
        for (value, x) in &mut corners[1..] {
            x.iter_mut()
                .zip(&anchor)
                .for_each(|(x, a)| *x = 0.5 * (*x + a));
            *value = cost(x);
        }
    }
    let least = corners
        .into_iter()
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .expect("a simplex has corners");
    start.copy_from_slice(&least.1);
    least.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_valley_of_rosenbrock() {
        let mut x = [-1.2, 1.0];
        let least = minimise(&mut x, |x| {
            100.0 * (x[1] - x[0] * x[0]).powi(2) + (1.0 - x[0]).powi(2)
        });
        assert!(least < 1e-9, "{least}");
        assert!((x[0] - 1.0).abs() < 1e-4 && (x[1] - 1.0).abs() < 1e-4);
    }

    #[test]
    fn estimations_grow_with_the_logarithm_of_the_rows() {
        let dues = |rows: usize| {
            let mut schedule = Schedule::new(FIRST);
            (1..=rows).filter(|_| schedule.is_due()).collect::<Vec<_>>()
        };
        assert_eq!(dues(300), [100, 191, 282]);
        assert!(dues(1_000_000).len() < 300);
    }

    #[test]
    fn only_the_latest_are_kept() {
        let mut latest = Latest::default();
        (0..4_100).for_each(|x| latest.push(f64::from(x)));
        assert_eq!(latest.values().len(), LATEST);
        assert_eq!(
            (latest.values()[0], latest.values()[1_999]),
            (2_100.0, 4_099.0)
        );
    }
}
