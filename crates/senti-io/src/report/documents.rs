//! The JSON outputs: `forecast.json` and `metrics.json`.

use std::collections::BTreeMap;

use senti::imported::FLATTERED;
use senti::metrics::{METRICS, Scores, Unit};
use senti::{Error, Result};
use serde_json::{Value, json};

use super::Results;
use super::figures::Dates;

fn bytes(value: &Value) -> Result<Option<Vec<u8>>> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|cause| Error::internal("a result cannot be written as JSON").because(cause))?;
    bytes.push(b'\n');
    Ok(Some(bytes))
}

pub(super) fn forecast(results: &Results<'_>) -> Result<Option<Vec<u8>>> {
    bytes(&forecast_value(results.forecast))
}

/// A forecast as JSON, with dates as people write them; the same in `forecast.json` and on the command line.
pub fn forecast_value(forecast: &senti::forecast::Forecast) -> Value {
    let dates = Dates::of(forecast.step, forecast.origin);
    let rows: Vec<_> = forecast
        .rows
        .iter()
        .map(|row| {
            json!({
                "step": row.step,
                "date": dates.text(row.time),
                "point": row.point,
                "quantiles": row.quantiles,
            })
        })
        .collect();
    json!({
        "target": forecast.target,
        "origin": dates.text(forecast.origin),
        "last_close": forecast.last_close,
        "step_seconds": forecast.step as f64 / 1000.0,
        "levels": forecast.levels,
        "rows": rows,
    })
}

/// Scores as JSON, counts as whole numbers; the same in `metrics.json` and on the command line.
pub fn scores_value(scores: &Scores) -> Value {
    let map = |scores: &BTreeMap<String, Option<f64>>| -> Value {
        let value = |(name, value): (&String, &Option<f64>)| {
            let metric = METRICS.iter().find(|metric| metric.name == name);
            let count = metric.is_some_and(|metric| metric.unit == Unit::Count);
            let value = match value {
                Some(value) if count => json!(*value as u64),
                value => json!(value),
            };
            (name.clone(), value)
        };
        scores.iter().map(value).collect()
    };
    json!({
        "windows": scores.windows,
        "overall": map(&scores.overall),
        "steps": scores.steps.iter().map(map).collect::<Vec<_>>(),
    })
}

pub(super) fn metrics(results: &Results<'_>) -> Result<Option<Vec<u8>>> {
    let Some(training) = results.training else {
        return Ok(None);
    };
    let manifest = &training.artifact.manifest;
    let data = &manifest.data;
    let dates = Dates::of(data.step, data.first);
    let split: Vec<_> = manifest
        .split
        .iter()
        .map(|part| {
            json!({
                "part": part.part,
                "windows": part.windows,
                "first_origin": dates.text(part.first_origin),
                "last_origin": dates.text(part.last_origin),
            })
        })
        .collect();
    // `price` is the unit of the target column, whatever that is.
    let units: serde_json::Map<_, _> = METRICS
        .iter()
        .map(|metric| (metric.name.to_string(), json!(metric.unit)))
        .collect();
    let sizes = &manifest.sizes;
    let mut document = json!({
        "model_type": manifest.plan.model_type,
        "target_column": manifest.target_column,
        "measured_on": "test",
        "units": units,
        "train_windows": sizes.train_windows,
        "valid_windows": sizes.valid_windows,
        "calibration_windows": sizes.calibration_windows,
        "test_windows": sizes.test_windows,
        "model": scores_value(&manifest.evaluation.model),
        "naive": scores_value(&manifest.evaluation.naive),
        "split": split,
        "features": sizes.features,
        "rows": sizes.rows,
        "matrix_bytes": sizes.matrix_bytes,
        "data": {
            "source": data.source,
            "digest": data.digest,
            "rows": data.rows,
            "first": dates.text(data.first),
            "last": dates.text(data.last),
            "step_seconds": data.step as f64 / 1000.0,
            "columns": data.columns,
        },
        "plan": manifest.plan,
        "epochs": manifest.history.len(),
        "best_epoch": manifest.best_epoch,
        "untrained_loss": manifest.untrained_loss,
        "code_version": manifest.code_version,
        "simd": manifest.simd,
        "artifact": training.entry.map(|entry| json!({
            "name": entry.name,
            "version": entry.version,
            "path": entry.path,
        })),
    });
    if let Some(from) = &manifest.imported {
        document["imported"] = json!(from);
        document["caution"] = json!(FLATTERED);
    }
    bytes(&document)
}
