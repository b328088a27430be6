//! The CSV outputs: `forecast.csv`, `history.csv`, and the lines of `predictions.csv`.

use senti::Result;
use senti::observe::Chunk;

use super::Results;
use super::figures::{Dates, number};

/// `,q0.05,q0.10,…` for these levels.
fn push_levels(out: &mut Vec<u8>, levels: &[f64]) {
    for level in levels {
        out.extend(format!(",q{level:.2}").as_bytes());
    }
    out.push(b'\n');
}

pub(super) fn forecast(results: &Results<'_>) -> Result<Option<Vec<u8>>> {
    let forecast = results.forecast;
    let dates = Dates::of(forecast.step, forecast.origin);
    let mut out = b"origin,step,date,point".to_vec();
    push_levels(&mut out, &forecast.levels);
    let origin = dates.text(forecast.origin);
    for row in &forecast.rows {
        out.extend(format!("{origin},{},", row.step).as_bytes());
        dates.push(&mut out, row.time);
        out.push(b',');
        number(&mut out, row.point);
        for price in &row.quantiles {
            out.push(b',');
            number(&mut out, *price);
        }
        out.push(b'\n');
    }
    Ok(Some(out))
}

/// A learning rate as people set it: single precision does not make 0.0010000000474974513 of 0.001.
pub(crate) fn rate(value: f64) -> String {
    (value as f32).to_string()
}

/// Seconds stay empty for epochs of an earlier, interrupted run: nobody timed them here.
pub(super) fn history(results: &Results<'_>) -> Result<Option<Vec<u8>>> {
    let Some(training) = results.training else {
        return Ok(None);
    };
    let mut out = b"epoch,train_loss,valid_loss,learning_rate,seconds\n".to_vec();
    for record in &training.artifact.manifest.history {
        let seconds = training
            .recorder
            .seconds(record.epoch)
            .map(|seconds| format!("{seconds:.3}"))
            .unwrap_or_default();
        out.extend(
            format!(
                "{},{},{},{},{seconds}\n",
                record.epoch,
                record.train_loss,
                record.valid_loss,
                rate(record.learning_rate)
            )
            .as_bytes(),
        );
    }
    Ok(Some(out))
}

/// First line of `predictions.csv`.
pub(super) fn predictions_head(levels: &[f64]) -> Vec<u8> {
    let mut out = b"origin,step,date,actual,point".to_vec();
    push_levels(&mut out, levels);
    out
}

/// About how long `predictions.csv` becomes, to warn of gigabytes before they are written: 280 bytes a line, which holds two dates, two
/// prices and 19 quantiles.
pub fn predictions_bytes(windows: usize, horizon: usize) -> u64 {
    const LINE: u64 = 280;
    (windows as u64)
        .saturating_mul(horizon as u64)
        .saturating_mul(LINE)
}

/// The lines of a window.
pub(super) fn push_window(out: &mut Vec<u8>, dates: Dates, chunk: &Chunk<'_>, window: usize) {
    let predictions = chunk.predictions;
    let (horizon, n_levels) = (predictions.horizon, predictions.n_levels);
    let mut origin = Vec::with_capacity(24);
    dates.push(&mut origin, chunk.origins[window]);
    let quantiles = predictions.quantiles(window);
    for (step, point) in predictions.point(window).iter().enumerate() {
        out.extend(&origin);
        out.push(b',');
        out.extend((step + 1).to_string().as_bytes());
        out.push(b',');
        dates.push(out, chunk.times[window * horizon + step]);
        out.push(b',');
        // What came true is copied, not rounded: shortest text that reads back as the same number.
        out.extend(chunk.actual[window * horizon + step].to_string().as_bytes());
        out.push(b',');
        number(out, *point);
        for price in &quantiles[step * n_levels..][..n_levels] {
            out.push(b',');
            number(out, *price);
        }
        out.push(b'\n');
    }
}
