//! Exponential smoothing of the log price: `ets` (simple, linear and damped trend, chosen by AICc) and `theta`.
//!
//! Additive errors in innovations form (Hyndman, Koehler, Ord, Snyder 2008), with `e = x[t] - level - phi slope`:
//! `level = level + phi slope + alpha e`, `slope = phi slope + beta e`. The first level and slope are those with the least squares for
//! given parameters, solved exactly (errors are linear in them); alpha, beta, phi are searched.

use super::estimation::{FIRST, LATEST, Latest, Schedule, between, free, minimise};
use super::least_squares::solve;
use super::residuals::{Points, Residuals};
use super::{Rival, Setting};

/// Bounds as statsmodels and R's forecast have them.
const ALPHA: (f64, f64) = (1e-4, 0.9999);
const PHI: (f64, f64) = (0.8, 0.98);

/// Which of the three models.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trend {
    None,
    Linear,
    Damped,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Parameters {
    alpha: f64,
    beta: f64,
    phi: f64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct State {
    level: f64,
    slope: f64,
}

impl State {
    /// Takes the next value in, and returns its error.
    fn update(&mut self, parameters: &Parameters, value: f64) -> f64 {
        let slope = parameters.phi * self.slope;
        let error = value - self.level - slope;
        self.level += slope + parameters.alpha * error;
        self.slope = slope + parameters.beta * error;
        error
    }
}

/// A model estimated.
#[derive(Clone, Copy, Debug)]
struct Smoothing {
    parameters: Parameters,
    /// Before the first value.
    first: State,
    squares: f64,
}

impl Trend {
    /// Parameters from free numbers.
    fn parameters(self, free: &[f64]) -> Parameters {
        let alpha = between(ALPHA.0, ALPHA.1, free[0]);
        let slope = |free: f64| between(1e-4, alpha.max(2e-4), free);
        match self {
            Self::None => Parameters {
                alpha,
                beta: 0.0,
                phi: 0.0,
            },
            Self::Linear => Parameters {
                alpha,
                beta: slope(free[1]),
                phi: 1.0,
            },
            Self::Damped => Parameters {
                alpha,
                beta: slope(free[1]),
                phi: between(PHI.0, PHI.1, free[2]),
            },
        }
    }

    /// Numbers estimated: parameters, first states, and the variance of errors.
    fn size(self) -> usize {
        match self {
            Self::None => 3,
            Self::Linear => 5,
            Self::Damped => 6,
        }
    }

    /// The first state with the least sum of squared errors, and that sum.
    fn first(self, parameters: &Parameters, values: &[f64]) -> (State, f64) {
        // errors of the values from a zero state, and how each first state lessens them
        let mut plain = State::default();
        let mut level = State {
            level: 1.0,
            slope: 0.0,
        };
        let mut slope = State {
            level: 0.0,
            slope: 1.0,
        };
        let (mut ll, mut ls, mut ss, mut le, mut se, mut ee) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
        let origin = values[0];
        for value in values {
            let e = plain.update(parameters, value - origin);
            let l = -level.update(parameters, 0.0);
            let s = -slope.update(parameters, 0.0);
            ll += l * l;
            ls += l * s;
            ss += s * s;
            le += l * e;
            se += s * e;
            ee += e * e;
        }
        let mut best = [le, se];
        let solved = self != Self::None && solve(&mut [ll, ls, ls, ss], &mut best);
        if !solved {
            best = [le / ll, 0.0];
        }
        let squares = (ee - best[0] * le - best[1] * se).max(0.0);
        let state = State {
            level: origin + best[0],
            slope: best[1],
        };
        (state, squares)
    }

    fn fit(self, values: &[f64]) -> Smoothing {
        let start = |alpha| free(ALPHA.0, ALPHA.1, alpha);
        // prices want hardly any smoothing, other series some
        let squares = |free: &[f64]| self.first(&self.parameters(free), values).1;
        let candidates = [0.95, 0.5].map(|alpha| [start(alpha), -4.0, 0.0]);
        let dimensions = match self {
            Self::None => 1,
            Self::Linear => 2,
            Self::Damped => 3,
        };
        let mut best = candidates[0];
        if squares(&candidates[1]) < squares(&best) {
            best = candidates[1];
        }
        minimise(&mut best[..dimensions], squares);
        let parameters = self.parameters(&best);
        let (first, squares) = self.first(&parameters, values);
        Smoothing {
            parameters,
            first,
            squares,
        }
    }

    /// Akaike's criterion with the correction for small samples.
    fn criterion(self, squares: f64, n: usize) -> f64 {
        let (n, k) = (n as f64, self.size() as f64);
        n * (squares / n).max(f64::MIN_POSITIVE).ln() + 2.0 * k * n / (n - k - 1.0)
    }
}

impl Smoothing {
    /// The state behind the last of the values.
    fn run(&self, values: &[f64]) -> State {
        let mut state = self.first;
        for &value in values {
            state.update(&self.parameters, value);
        }
        state
    }
}

/// The best of the three models.
fn choose(values: &[f64]) -> Smoothing {
    let fits = [Trend::None, Trend::Linear, Trend::Damped].map(|trend| {
        let fit = trend.fit(values);
        (trend.criterion(fit.squares, values.len()), fit)
    });
    let best = fits.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    best.expect("there are three").1
}

struct Ets {
    schedule: Schedule,
    latest: Latest,
    fit: Option<(Parameters, State)>,
    last: f64,
}

/// Exponential smoothing, estimated anew every 91 candles on the latest 2,000.
pub(super) fn ets(setting: &Setting) -> Box<dyn Rival> {
    let ets = Ets {
        schedule: Schedule::new(FIRST),
        latest: Latest::default(),
        fit: None,
        last: 0.0,
    };
    Residuals::rival(ets, setting.horizon)
}

impl Points for Ets {
    fn see(&mut self, log_price: f64) {
        self.last = log_price;
        self.latest.push(log_price);
        if self.schedule.is_due() {
            let smoothing = choose(self.latest.values());
            let state = smoothing.run(self.latest.values());
            self.fit = Some((smoothing.parameters, state));
        } else if let Some((parameters, state)) = &mut self.fit {
            state.update(parameters, log_price);
        }
    }

    fn points(&mut self, out: &mut [f64]) -> bool {
        let Some((parameters, state)) = &self.fit else {
            return false;
        };
        let (mut level, mut slope) = (state.level, state.slope);
        for point in out {
            slope *= parameters.phi;
            level += slope;
            *point = level - self.last;
        }
        true
    }
}

/// Forecast of the theta method with theta = 2, `h` counted from 1: simple smoothing, plus half the slope of the straight line through
/// all n values times `h - 1 + 1/alpha - (1-alpha)^n/alpha` (Hyndman and Billah 2003).
fn theta_point(level: f64, slope: f64, alpha: f64, n: usize, h: usize) -> f64 {
    let reach = (h - 1) as f64 + (1.0 - (1.0 - alpha).powi(n as i32)) / alpha;
    level + 0.5 * slope * reach
}

/// Slope of the least-squares line through values at 0, 1, 2, …
#[derive(Clone, Copy, Debug, Default)]
struct Slope {
    n: f64,
    values: f64,
    products: f64,
}

impl Slope {
    fn push(&mut self, value: f64) {
        self.products += self.n * value;
        self.values += value;
        self.n += 1.0;
    }

    fn get(&self) -> f64 {
        let n = self.n;
        12.0 * (self.products - self.values * (n - 1.0) / 2.0) / (n * (n * n - 1.0))
    }
}

struct Theta {
    schedule: Schedule,
    latest: Latest,
    slope: Slope,
    fit: Option<(Parameters, State)>,
    last: f64,
}

/// The theta method, smoothing estimated anew every 91 candles on the latest 2,000, the line on all of them.
pub(super) fn theta(setting: &Setting) -> Box<dyn Rival> {
    let theta = Theta {
        schedule: Schedule::new(FIRST),
        latest: Latest::default(),
        slope: Slope::default(),
        fit: None,
        last: 0.0,
    };
    Residuals::rival(theta, setting.horizon)
}

impl Points for Theta {
    fn see(&mut self, log_price: f64) {
        self.last = log_price;
        self.latest.push(log_price);
        self.slope.push(log_price);
        if self.schedule.is_due() {
            let smoothing = Trend::None.fit(self.latest.values());
            let state = smoothing.run(self.latest.values());
            self.fit = Some((smoothing.parameters, state));
        } else if let Some((parameters, state)) = &mut self.fit {
            state.update(parameters, log_price);
        }
    }

    fn points(&mut self, out: &mut [f64]) -> bool {
        let Some((parameters, state)) = &self.fit else {
            return false;
        };
        let slope = self.slope.get();
        // smoothing began anew with the latest rows; further back its weights are nothing
        let n = (self.slope.n as usize).min(LATEST);
        for (step, point) in out.iter_mut().enumerate() {
            *point = theta_point(state.level, slope, parameters.alpha, n, step + 1) - self.last;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::golden::{compare, near, read};

    const TRENDS: [Trend; 3] = [Trend::None, Trend::Linear, Trend::Damped];

    #[test]
    fn statsmodels_has_the_same_errors_for_given_parameters() {
        for (name, series) in read().series {
            for (trend, wanted) in TRENDS.into_iter().zip(&series.ets) {
                let parameters = Parameters {
                    alpha: wanted.alpha,
                    beta: wanted.beta,
                    phi: wanted.phi,
                };
                let (first, squares) = trend.first(&parameters, &series.values);
                let what = format!("{name} {trend:?}");
                // theirs is searched, ours solved: never more, and hardly less
                assert!(squares <= wanted.squares * (1.0 + 1e-12), "{what}");
                near(squares, wanted.squares, 1e-7 * wanted.squares, &what);
                near(first.level, wanted.level, 1e-4, &what);
                near(first.slope, wanted.slope, 1e-4, &what);
            }
        }
    }

    #[test]
    fn fits_are_as_good_as_those_of_statsmodels() {
        for (name, series) in read().series {
            let n = series.values.len();
            for (trend, wanted) in TRENDS.into_iter().zip(&series.ets) {
                let fit = trend.fit(&series.values);
                let what = format!("{name} {trend:?}");
                near(fit.squares, wanted.squares, 1e-5 * wanted.squares, &what);
                // their criterion has the constant of the normal density
                let constant = n as f64 * ((2.0 * std::f64::consts::PI).ln() + 1.0);
                let criterion = trend.criterion(fit.squares, n) + constant;
                near(criterion, wanted.aicc, 2e-3, &what);
                let state = fit.run(&series.values);
                let (mut level, mut slope) = (state.level, state.slope);
                for wanted in &wanted.forecast {
                    slope *= fit.parameters.phi;
                    level += slope;
                    // a hundredth of the series' noise
                    near(level, *wanted, 5e-4, &what);
                }
            }
        }
    }

    #[test]
    fn ets_forecasts_by_the_model_with_the_least_criterion() {
        for (name, series) in read().series {
            let best = series
                .ets
                .iter()
                .min_by(|a, b| a.aicc.total_cmp(&b.aicc))
                .unwrap();
            let ets = Ets {
                schedule: Schedule::new(series.values.len()),
                latest: Latest::default(),
                fit: None,
                last: 0.0,
            };
            compare(ets, &series.values, &best.forecast, 5e-4, &name);
        }
    }

    #[test]
    fn theta_is_that_of_statsmodels() {
        for (name, series) in read().series {
            let mut slope = Slope::default();
            series.values.iter().for_each(|&value| slope.push(value));
            near(slope.get(), series.theta.slope, 1e-12, &name);
            // their smoothing begins at the first value
            let alpha = series.theta.alpha;
            let smoothing = Smoothing {
                parameters: Parameters {
                    alpha,
                    beta: 0.0,
                    phi: 0.0,
                },
                first: State {
                    level: series.values[0],
                    slope: 0.0,
                },
                squares: 0.0,
            };
            let level = smoothing.run(&series.values).level;
            let n = series.values.len();
            for (step, wanted) in series.theta.forecast.iter().enumerate() {
                let found = theta_point(level, slope.get(), alpha, n, step + 1);
                near(found, *wanted, 1e-12, &name);
            }
            let theta = Theta {
                schedule: Schedule::new(n),
                latest: Latest::default(),
                slope: Slope::default(),
                fit: None,
                last: 0.0,
            };
            // with our alpha and first level instead of theirs: a tenth of the noise
            compare(theta, &series.values, &series.theta.forecast, 5e-3, &name);
        }
    }
}
