//! Encoded values become prices in the graph, as [`senti::models::target::Target`] makes them.
//!
//! In come encoded values (batch, H, any); out go prices of the same shape.

use senti::Result;
use senti::models::target::Target;
use senti::plan;

use super::Told;
use super::graph::{Graph, Value};
use super::rows::Rows;
use super::volatility;

/// Unit of every step at this window: (batch, H, 1), or (1, H, 1) where it is always the same. `lately` widens it by what matured.
pub fn units(g: &mut Graph, rows: &mut Rows, target: &Target, lately: bool) -> Result<Value> {
    let Some(learned) = target.volatility() else {
        return Ok(g.doubles("units", &[1, target.horizon(), 1], target.scale()));
    };
    let (spread, factor) = g.at_root(|g| volatility::build(g, rows, learned, lately))?;
    let units = match factor {
        Some(factor) => g.both("Mul", "units", &spread, &factor),
        None => spread,
    };
    Ok(g.unsqueeze("units_by_step", &units, 2))
}

/// Prices behind encoded values (batch, H, any): always positive.
pub fn decode(
    g: &mut Graph,
    target: &Target,
    units: &Value,
    last_close: &Value,
    encoded: &Value,
) -> Value {
    let value = g.both("Mul", "in_units", encoded, units);
    let value = match target.centre().iter().all(|centre| *centre == 0.0) {
        true => value,
        false => {
            let centre = g.doubles("centre", &[target.horizon(), 1], target.centre());
            g.both("Add", "centred", &value, &centre)
        }
    };
    match target.kind() {
        plan::Target::LogReturn => {
            let factor = g.of("Exp", "move", &value);
            g.both("Mul", "price", last_close, &factor)
        }
        plan::Target::Price => {
            let least = g.with("Mul", "least_price", last_close, 1e-6);
            g.both("Max", "price", &value, &least)
        }
    }
}

/// Prices from an encoded point (batch, H, 1) and what is added to it for each quantile: (H, Q).
pub fn around(
    g: &mut Graph,
    target: &Target,
    units: &Value,
    last_close: &Value,
    point: &Value,
    residuals: &[f64],
) -> Told {
    let horizon = target.horizon();
    let shape = [horizon, residuals.len() / horizon];
    let residuals = g.doubles("residuals", &shape, residuals);
    let encoded = g.both("Add", "encoded_quantiles", point, &residuals);
    let quantiles = g.within("quantiles", |g| {
        decode(g, target, units, last_close, &encoded)
    });
    let point = g.within("point", |g| decode(g, target, units, last_close, point));
    Told {
        point: g.squeeze("point_by_step", &point, 2),
        quantiles,
    }
}
