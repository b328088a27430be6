//! The command line and real MLflow: servers of both lines of versions, Python's own client as the witness, a proxy that makes trouble.
//!
//! Needs the Python environments that `cargo xtask test` makes; where one is missing its tests say so and pass (`server.rs`).

#![allow(
    dead_code,
    reason = "parts of the harness wait for a test that needs them"
)]

mod export;
mod harness;
mod registry;
pub mod server;
mod tracking;

use serde_json::Value;

/// Forecasts of Python (`point`, `quantiles`) beside those of `predict --format json`, to 1e-5 relative.
#[track_caller]
fn alike(python: &Value, ours: &Value) {
    let rows = ours["forecast"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    let near = |of: &Value, wanted: &Value| {
        let (of, wanted) = (of.as_f64().unwrap(), wanted.as_f64().unwrap());
        assert!(
            (of - wanted).abs() <= 1e-5 * wanted.abs(),
            "{of}, wanted {wanted}"
        );
    };
    for (step, row) in rows.iter().enumerate() {
        near(&python["point"][0][step], &row["point"]);
        let quantiles = row["quantiles"].as_array().unwrap();
        assert_eq!(quantiles.len(), 19);
        for (level, wanted) in quantiles.iter().enumerate() {
            near(&python["quantiles"][0][step][level], wanted);
        }
    }
}
