//! The distributions that p values are read from. In come statistics, out go probabilities, to about 14 digits (`statrs`; the
//! incomplete beta and gamma functions behind them are a specification that somebody else keeps).

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

/// Two-sided p value of Student's t with `degrees` degrees of freedom: the probability of a value further from 0 than `t`.
///
/// ```
/// // scipy.stats.t.sf(2.228139, 10) * 2
/// assert!((senti::statistics::distribution::student_two_sided(2.228139, 10.0) - 0.05).abs() < 1e-7);
/// ```
pub fn student_two_sided(t: f64, degrees: f64) -> f64 {
    if t.is_infinite() {
        return 0.0;
    }
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::NAN, |law| 2.0 * law.sf(t.abs()))
}

/// Probability that chi-squared with `degrees` degrees of freedom is above `statistic`.
pub fn chi_squared_above(statistic: f64, degrees: f64) -> f64 {
    if statistic <= 0.0 {
        return 1.0;
    }
    ChiSquared::new(degrees).map_or(f64::NAN, |law| law.sf(statistic))
}

/// Probability that a standard normal is above `z`.
pub fn normal_above(z: f64) -> f64 {
    Normal::standard().sf(z)
}

/// Value that a standard normal stays below with this probability.
pub fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}
