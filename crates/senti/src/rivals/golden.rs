//! Fits by statsmodels, statsforecast and arch (`tests/goldens/rivals_fits.py`), for the tests of this folder.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::residuals::Points;

#[derive(Deserialize)]
pub(super) struct Golden {
    pub(super) series: BTreeMap<String, Series>,
    pub(super) garch: Garch,
}

#[derive(Deserialize)]
pub(super) struct Series {
    pub(super) values: Vec<f64>,
    /// Without, with linear, with damped trend.
    pub(super) ets: Vec<Ets>,
    pub(super) theta: Theta,
    pub(super) ar: Ar,
    pub(super) drift: Vec<f64>,
    pub(super) seasonal_naive: Vec<f64>,
    pub(super) moving_average: Vec<f64>,
}

#[derive(Deserialize)]
pub(super) struct Ets {
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) phi: f64,
    pub(super) level: f64,
    pub(super) slope: f64,
    pub(super) squares: f64,
    pub(super) aicc: f64,
    pub(super) forecast: Vec<f64>,
}

#[derive(Deserialize)]
pub(super) struct Theta {
    pub(super) alpha: f64,
    pub(super) slope: f64,
    pub(super) forecast: Vec<f64>,
}

#[derive(Deserialize)]
pub(super) struct Ar {
    pub(super) order: usize,
    pub(super) forecast: Vec<f64>,
}

#[derive(Deserialize)]
pub(super) struct Garch {
    pub(super) returns: Vec<f64>,
    pub(super) omega: f64,
    pub(super) alpha: f64,
    pub(super) beta: f64,
    pub(super) freedom: f64,
    pub(super) log_likelihood: f64,
    /// Expected variances of the next steps.
    pub(super) variances: Vec<f64>,
}

pub(super) fn read() -> Golden {
    serde_json::from_str(include_str!("../../tests/goldens/rivals_fits.json"))
        .expect("a golden file")
}

#[track_caller]
pub(super) fn near(found: f64, wanted: f64, tolerance: f64, what: &str) {
    assert!(
        (found - wanted).abs() <= tolerance,
        "{what}: {found} instead of {wanted}"
    );
}

/// Shows a series to a forecaster and compares what it says at the end with another's forecasts, which are log prices.
#[track_caller]
pub(super) fn compare(
    mut points: impl Points,
    values: &[f64],
    wanted: &[f64],
    tolerance: f64,
    what: &str,
) {
    values.iter().for_each(|&value| points.see(value));
    let mut found = vec![0.0; wanted.len()];
    assert!(points.points(&mut found), "{what}");
    let last = values[values.len() - 1];
    for (step, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        near(
            last + found,
            *wanted,
            tolerance,
            &format!("{what}, step {step}"),
        );
    }
}
