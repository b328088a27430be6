//! Winsorisation and scaling in the graph.
//!
//! In come features (batch, rows, F) in their own units; out come what a network sees, in single precision, as
//! [`senti::prepare::Preparation::apply`] makes it.

use senti::prepare::{Preparation, Scale};

use super::graph::{Graph, Value};
use super::proto::Kind;

/// Draws in, centres, scales and narrows: (batch, rows, F).
pub fn build(g: &mut Graph, preparation: &Preparation, features: &Value) -> Value {
    g.within("preparation", |g| {
        let mut numbers = |label: &str, of: fn(&Scale) -> f64| {
            let values: Vec<f64> = preparation.columns().iter().map(of).collect();
            g.doubles(label, &[values.len()], &values)
        };
        let low = numbers("low", |scale| scale.bounds().0);
        let high = numbers("high", |scale| scale.bounds().1);
        let centre = numbers("centre", Scale::centre);
        // a product, as in training, not a quotient
        let factor = numbers("factor", |scale| 1.0 / scale.scale());
        let value = g.both("Max", "not_below", features, &low);
        let value = g.both("Min", "not_above", &value, &high);
        let value = g.both("Sub", "centred", &value, &centre);
        let value = g.both("Mul", "scaled", &value, &factor);
        g.cast("narrow", &value, Kind::Single)
    })
}
