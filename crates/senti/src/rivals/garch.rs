//! Quantiles of past moves in units of the volatility that a GARCH(1,1) foresaw for them, times the one it foresees now.
//!
//! `variance[t+1] = omega + alpha r[t]^2 + beta variance[t]` with Student's t errors (Bollerslev 1986, 1987), mean zero, by maximum
//! likelihood. The variance of a move of h steps is the sum of the h expected ones. Quantiles come from the standardised moves
//! themselves, as in filtered historical simulation (Barone-Adesi 1999), without simulating.

use super::empirical::enough;
use super::estimation::{Latest, Schedule, between, free, minimise};
use super::past::{Issued, Past, START};
use super::sample::Sample;
use super::{Candle, Outlook, Rival, Setting};

/// Candles before the first estimation: with fewer the likelihood of four parameters is flat.
const FIRST: usize = 250;
/// alpha + beta, at most: beyond it there is no mean variance to return to.
const PERSISTENCE: f64 = 0.9999;
/// Degrees of freedom.
const FREEDOM: (f64, f64) = (2.05, 500.0);
/// Returns that the first variance is taken from, and their weights: as the Python package `arch` does.
const BACKCAST: usize = 75;
const BACKCAST_DECAY: f64 = 0.94;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Parameters {
    omega: f64,
    alpha: f64,
    beta: f64,
    freedom: f64,
}

impl Parameters {
    /// From free numbers, for returns of unit size.
    fn from_free(free: &[f64]) -> Self {
        let persistence = between(0.0, PERSISTENCE, free[1]);
        let alpha = persistence * between(0.0, 1.0, free[2]);
        Self {
            omega: free[0].exp(),
            alpha,
            beta: persistence - alpha,
            freedom: between(FREEDOM.0, FREEDOM.1, free[3]),
        }
    }

    fn next(&self, variance: f64, log_return: f64) -> f64 {
        self.omega + self.alpha * log_return * log_return + self.beta * variance
    }

    /// Sum of the expected variances of the next 1, 2, … steps, to a visitor.
    fn sums(&self, next: f64, horizon: usize) -> impl Iterator<Item = f64> + use<> {
        let persistence = self.alpha + self.beta;
        let omega = self.omega;
        let (mut sum, mut variance) = (0.0, next);
        (0..horizon).map(move |_| {
            sum += variance;
            variance = omega + persistence * variance;
            sum
        })
    }
}

/// Variance before the first return: a weighted mean of the first squares.
fn backcast(returns: &[f64]) -> f64 {
    let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
    for r in returns.iter().take(BACKCAST) {
        sum += weight * r * r;
        weights += weight;
        weight *= BACKCAST_DECAY;
    }
    sum / weights
}

/// Log-likelihood of returns, and the variance expected behind the last of them.
fn log_likelihood(parameters: &Parameters, returns: &[f64]) -> (f64, f64) {
    let nu = parameters.freedom;
    let start = backcast(returns);
    let mut variance = parameters.omega + (parameters.alpha + parameters.beta) * start;
    let (mut logs, mut tails) = (0.0, 0.0);
    for r in returns {
        logs += variance.ln();
        tails += (1.0 + r * r / (variance * (nu - 2.0))).ln();
        variance = parameters.next(variance, *r);
    }
    let constant = ln_gamma((nu + 1.0) / 2.0)
        - ln_gamma(nu / 2.0)
        - 0.5 * (std::f64::consts::PI * (nu - 2.0)).ln();
    let sum = returns.len() as f64 * constant - 0.5 * logs - 0.5 * (nu + 1.0) * tails;
    (sum, variance)
}

/// Logarithm of the gamma function for x > 0: Stirling's series, taken where it is exact to the last digits.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 12.0 {
        shift += x.ln();
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    let series = 1.0 / 12.0
        - square
            * (1.0 / 360.0 - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0)));
    (x - 0.5) * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI).ln() + series / x - shift
}

/// The most likely parameters; none where the returns have no size.
fn fit(returns: &[f64], near: Option<&Parameters>) -> Option<Parameters> {
    let size = (returns.iter().map(|r| r * r).sum::<f64>() / returns.len() as f64).sqrt();
    if !(size > 0.0 && size.is_finite()) {
        return None;
    }
    let unit: Vec<f64> = returns.iter().map(|r| r / size).collect();
    let cost = |x: &[f64]| -log_likelihood(&Parameters::from_free(x), &unit).0;
    // (alpha + beta, alpha's share of it), and what was found last time
    let mut starts: Vec<[f64; 4]> = [(0.98, 0.1), (0.9, 0.2)]
        .map(|(persistence, share): (f64, f64)| {
            [
                (1.0 - persistence).ln(),
                free(0.0, PERSISTENCE, persistence),
                free(0.0, 1.0, share),
                free(FREEDOM.0, FREEDOM.1, 4.5),
            ]
        })
        .to_vec();
    if let Some(near) = near {
        let inside = |low: f64, high: f64, value: f64| {
            let margin = 1e-6 * (high - low);
            free(low, high, value.clamp(low + margin, high - margin))
        };
        let persistence = near.alpha + near.beta;
        starts.push([
            (near.omega / (size * size)).max(f64::MIN_POSITIVE).ln(),
            inside(0.0, PERSISTENCE, persistence),
            inside(0.0, 1.0, near.alpha / persistence.max(f64::MIN_POSITIVE)),
            inside(FREEDOM.0, FREEDOM.1, near.freedom),
        ]);
    }
    let mut best = starts
        .into_iter()
        .min_by(|a, b| cost(a).total_cmp(&cost(b)))?;
    minimise(&mut best, cost);
    let mut parameters = Parameters::from_free(&best);
    parameters.omega *= size * size;
    Some(parameters)
}

struct Garch {
    schedule: Schedule,
    past: Past,
    returns: Latest,
    /// Parameters, and the variance expected of the next return.
    fit: Option<(Parameters, f64)>,
    /// Volatility of the move to each step as issued at each recent candle: (H), empty while unknown.
    issued: Issued<Vec<f64>>,
    scaled: Vec<Sample>,
}

/// GARCH(1,1) with t errors, estimated anew every 91 candles on the latest 2,000; the point is the median.
pub(super) fn garch(setting: &Setting) -> Box<dyn Rival> {
    Box::new(Garch {
        schedule: Schedule::new(FIRST),
        past: Past::new(setting.horizon),
        returns: Latest::default(),
        fit: None,
        issued: Issued::default(),
        scaled: vec![Sample::new(None); setting.horizon],
    })
}

impl Rival for Garch {
    fn see(&mut self, candle: &Candle) {
        self.past.see(candle);
        let horizon = self.scaled.len();
        let log_return = self.past.log_return();
        if let Some(log_return) = log_return {
            self.returns.push(log_return);
            if let Some((parameters, next)) = &mut self.fit {
                *next = parameters.next(*next, log_return);
            }
        }
        if self.schedule.is_due() {
            let near = self.fit.as_ref().map(|(parameters, _)| parameters);
            if let Some(parameters) = fit(self.returns.values(), near) {
                let (_, next) = log_likelihood(&parameters, self.returns.values());
                self.fit = Some((parameters, next));
            }
        }
        let issued = match &self.fit {
            Some((parameters, next)) => parameters.sums(*next, horizon).map(f64::sqrt).collect(),
            None => Vec::new(),
        };
        self.issued.push(issued, candle.after_gap, horizon);
        for finished in self.past.finished(START) {
            let issued = self.issued.ago(finished.step + 1);
            if let Some(volatility) = issued.and_then(|issued| issued.get(finished.step)) {
                self.scaled[finished.step].push(finished.log_return / volatility);
            }
        }
    }

    fn forecast(&mut self, outlook: &mut Outlook<'_>) -> bool {
        let issued = self.issued.ago(0).filter(|issued| !issued.is_empty());
        let Some(issued) = issued.filter(|_| enough(&self.scaled)) else {
            return false;
        };
        for (step, (scaled, volatility)) in self.scaled.iter().zip(issued).enumerate() {
            let quantiles = &mut outlook.quantiles[step * outlook.levels.len()..];
            scaled.quantiles(outlook.levels, |level, value| {
                quantiles[level] = value * volatility;
            });
            outlook.point[step] = scaled.median() * volatility;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::golden::{near, read};

    #[test]
    fn ln_gamma_by_known_values() {
        // factorials, and the square root of pi
        for (x, wanted) in [
            (1.0, 0.0),
            (2.0, 0.0),
            (7.0, 720.0_f64.ln()),
            (21.0, 2_432_902_008_176_640_000.0_f64.ln()),
            (0.5, 0.5 * std::f64::consts::PI.ln()),
        ] {
            near(
                ln_gamma(x),
                wanted,
                1e-13 * f64::max(1.0, wanted),
                "ln_gamma",
            );
        }
    }

    #[test]
    fn arch_has_the_same_likelihood_and_no_better_fit() {
        let golden = read().garch;
        let theirs = Parameters {
            omega: golden.omega,
            alpha: golden.alpha,
            beta: golden.beta,
            freedom: golden.freedom,
        };
        let (likelihood, next) = log_likelihood(&theirs, &golden.returns);
        near(likelihood, golden.log_likelihood, 1e-7, "log-likelihood");
        let wanted = golden.variances.iter().scan(0.0, |sum, variance| {
            *sum += variance;
            Some(*sum)
        });
        for (found, wanted) in theirs.sums(next, golden.variances.len()).zip(wanted) {
            near(found, wanted, 1e-9 * wanted, "variance of a move");
        }

        let ours = fit(&golden.returns, None).unwrap();
        let (best, _) = log_likelihood(&ours, &golden.returns);
        assert!(best >= likelihood - 1e-4, "{best} {likelihood}");
        // where the likelihood is flat to 1e-4, parameters agree to a thousandth of themselves or so
        near(ours.alpha, theirs.alpha, 1e-3, "alpha");
        near(ours.beta, theirs.beta, 1e-3, "beta");
        near(ours.freedom, theirs.freedom, 2e-2, "degrees of freedom");
        near(ours.omega, theirs.omega, 1e-2 * theirs.omega, "omega");
        let again = fit(&golden.returns, Some(&ours)).unwrap();
        near(
            log_likelihood(&again, &golden.returns).0,
            best,
            1e-4,
            "again",
        );
    }

    #[test]
    fn returns_without_size_have_no_fit() {
        assert_eq!(fit(&[0.0; 300], None), None);
    }
}
