//! Scores and forecasts as a person reads them.
//!
//! In come an [`Evaluation`] or a [`Forecast`]; out go tables and a plain sentence. Nothing is computed but shares and differences.

use senti::evaluation::Evaluation;
use senti::forecast::Forecast;
use senti::metrics::{METRICS, Scores, Unit};
use senti_io::report::date;
use serde_json::{Value, json};

use crate::grid::Grid;

/// The scores of the compact table; `metrics.json` has them all.
const SHOWN: &[&str] = &[
    "mae",
    "rmse",
    "mape",
    "mase",
    "crps",
    "direction_accuracy",
    "direction_base_rate",
    "coverage_90",
];

/// Steps of the compact table, where the horizon has them.
const STEPS: &[usize] = &[1, 7, 14, 30];

/// Levels of the forecast table.
const FAN: &[(f64, &str)] = &[
    (0.05, "5 %"),
    (0.25, "25 %"),
    (0.75, "75 %"),
    (0.95, "95 %"),
];

/// Model beside naive, overall and at some steps.
pub fn table(evaluation: &Evaluation) -> String {
    let steps: Vec<usize> = (STEPS.iter().copied())
        .filter(|step| *step <= evaluation.model.steps.len())
        .collect();
    let mut headings = vec!["score".to_owned(), "of".to_owned(), "all steps".to_owned()];
    headings.extend(steps.iter().map(|step| format!("step {step}")));
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut grid = Grid::new(&headings);
    for metric in METRICS.iter().filter(|metric| SHOWN.contains(&metric.name)) {
        for (of, scores) in [("model", &evaluation.model), ("naive", &evaluation.naive)] {
            // What the prices did is the same for both.
            if metric.name == "direction_base_rate" && of == "naive" {
                continue;
            }
            let cell = |map: &std::collections::BTreeMap<String, Option<f64>>| {
                let value = map.get(metric.name).copied().flatten();
                value.map_or("-".to_owned(), |value| figure(value, metric.unit))
            };
            let name = if of == "model" { metric.name } else { "" };
            let of = if metric.name == "direction_base_rate" {
                "prices"
            } else {
                of
            };
            let mut row = vec![name.to_owned(), of.to_owned(), cell(&scores.overall)];
            row.extend(steps.iter().map(|step| cell(&scores.steps[step - 1])));
            grid.row(row);
        }
    }
    grid.numbers(2)
}

/// The score of this name over all steps.
fn overall(scores: &Scores, name: &str) -> Option<f64> {
    scores.overall.get(name).copied().flatten()
}

/// Did the model beat the naive forecast on this test part? No word on whether that was luck.
pub fn verdict(evaluation: &Evaluation) -> String {
    senti_io::report::verdict(evaluation).sentence
}

/// The few scores that tell what a model is worth, in a line.
pub fn brief(evaluation: &Evaluation, target: &str) -> String {
    let told = |scores: &Scores, name: &str| {
        let unit = METRICS.iter().find(|metric| metric.name == name);
        let value = overall(scores, name).zip(unit);
        value.map_or("-".to_owned(), |(value, metric)| figure(value, metric.unit))
    };
    let pair = |name: &str| {
        format!(
            "{} (naive {})",
            told(&evaluation.model, name),
            told(&evaluation.naive, name)
        )
    };
    format!(
        "its test: mean absolute error {}, CRPS {} in units of `{target}`; its 90 % interval covered {}",
        pair("mae"),
        pair("crps"),
        told(&evaluation.model, "coverage_90")
    )
}

/// The same for a program.
pub fn brief_json(evaluation: &Evaluation) -> Value {
    let of = |scores: &Scores| {
        let names = ["mae", "crps", "coverage_90"];
        let values = names.map(|name| (name.to_owned(), json!(overall(scores, name))));
        Value::Object(values.into_iter().collect())
    };
    json!({ "measured_on": "test", "model": of(&evaluation.model), "naive": of(&evaluation.naive) })
}

/// Every step of a forecast.
pub fn forecast(forecast: &Forecast) -> String {
    let fan: Vec<(usize, &str)> = (FAN.iter())
        .filter_map(|(level, name)| {
            let place = forecast
                .levels
                .iter()
                .position(|other| (other - level).abs() < 1e-9);
            place.map(|place| (place, *name))
        })
        .collect();
    let mut headings = vec!["step", "date", "point", "move"];
    headings.extend(fan.iter().map(|(_, name)| *name));
    let mut grid = Grid::new(&headings);
    for row in &forecast.rows {
        let change = 100.0 * (row.point / forecast.last_close - 1.0);
        let mut cells = vec![
            row.step.to_string(),
            date(row.time, forecast.step),
            price(row.point),
            format!("{change:+.1} %"),
        ];
        cells.extend(fan.iter().map(|(place, _)| price(row.quantiles[*place])));
        grid.row(cells);
    }
    grid.numbers(0)
}

/// What a forecast starts from, for the line above the table.
pub fn origin(forecast: &Forecast) -> String {
    format!(
        "forecast of `{}` from {}, close {}",
        forecast.target,
        date(forecast.origin, forecast.step),
        price(forecast.last_close)
    )
}

fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => format!("{:.1} %", 100.0 * value),
        Unit::Percent => format!("{value:.2} %"),
        Unit::Ratio => format!("{value:.3}"),
        Unit::Count => format!("{value:.0}"),
        Unit::Price | Unit::PriceSquared => price(value),
    }
}

/// Six digits at least, cents at most: 67123.46, 0.00012346.
pub fn price(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        _ if size >= 100.0 || size == 0.0 => 2,
        _ if size >= 1.0 => 4,
        _ => (5.0 - size.log10().floor()).min(18.0) as usize,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_keep_their_digits() {
        for (value, wanted) in [
            (67123.456, "67123.46"),
            (12.34567, "12.3457"),
            (0.000123456, "0.000123456"),
            (0.0, "0.00"),
        ] {
            assert_eq!(price(value), wanted);
        }
    }
}
