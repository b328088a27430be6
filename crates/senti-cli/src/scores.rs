//! Scores and forecasts as a person reads them.
//!
//! In come an [`Evaluation`] or a [`Forecast`]; out go tables and a plain sentence. Nothing is computed but shares and differences.

use senti::evaluation::Evaluation;
use senti::forecast::Forecast;
use senti::metrics::{METRICS, Unit};
use senti_io::report::date;

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

/// Did the model beat the naive forecast on this test part? No word on whether that was luck.
pub fn verdict(evaluation: &Evaluation) -> String {
    let change = |name: &str| {
        let value = |map: &std::collections::BTreeMap<String, Option<f64>>| {
            map.get(name).copied().flatten()
        };
        let (model, naive) = (
            value(&evaluation.model.overall)?,
            value(&evaluation.naive.overall)?,
        );
        (naive > 0.0).then(|| 100.0 * (model / naive - 1.0))
    };
    let (Some(mae), Some(crps)) = (change("mae"), change("crps")) else {
        return "the naive forecast made no error on this test part, so nothing can be said against it".into();
    };
    let told = |change: f64| match change < 0.0 {
        true => format!("{:.1} % lower", -change),
        false => format!("{change:.1} % higher"),
    };
    let told = format!(
        "its mean absolute error is {}, its CRPS {}",
        told(mae),
        told(crps)
    );
    let verdict = match (mae < 0.0, crps < 0.0) {
        (true, true) => "the model beat the naive forecast on this test part",
        (false, false) => "the model did not beat the naive forecast on this test part",
        _ => {
            "on this test part the model is neither clearly better nor clearly worse than the naive forecast"
        }
    };
    format!(
        "{verdict}: {told} than naive's (one test part; whether that is more than luck is not tested)"
    )
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
    use senti::metrics::Scores;

    fn scores(mae: f64, crps: f64) -> Scores {
        let map = |mae, crps| {
            [
                ("mae".to_owned(), Some(mae)),
                ("crps".to_owned(), Some(crps)),
            ]
        };
        Scores {
            windows: 1,
            overall: map(mae, crps).into(),
            steps: vec![map(mae, crps).into()],
        }
    }

    #[track_caller]
    fn check(mae: f64, crps: f64, wanted: &str) {
        let evaluation = Evaluation {
            model: scores(mae, crps),
            naive: scores(10.0, 10.0),
        };
        let found = verdict(&evaluation);
        assert!(found.starts_with(wanted), "{found}");
    }

    #[test]
    fn the_verdict_claims_no_more_than_the_scores() {
        check(
            9.0,
            9.5,
            "the model beat the naive forecast on this test part: its mean absolute error is 10.0 % lower, its CRPS 5.0 % lower",
        );
        check(11.0, 10.0, "the model did not beat the naive forecast");
        check(9.0, 11.0, "on this test part the model is neither");
    }

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
