//! Pictures of ordinary and of nasty data: well-formed SVG, PNG of the right size, the same bytes each time.
//!
//! They are left in `target/tmp/gallery` to be looked at.

use std::fs;
use std::path::{Path, PathBuf};

use senti::artifact::Artifact;
use senti::forecast::{Forecast, ForecastRow, Predictions};
use senti::observe::{Chunk, Event};
use senti::plan::LEVELS;
use senti::{Outcome, Table};
use senti_io::report::{Recorder, write_forecast, write_training};

use crate::trained::{DAY, Run, START, history, market, table, train};

const MINUTE: i64 = 60_000;

pub fn gallery(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("gallery")
        .join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// Every element that opens closes, in order; attributes are quoted; nothing is left over.
#[track_caller]
fn check_svg(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1000\" height=\"560\"")
    );
    assert!(
        !text.contains("NaN") && !text.contains("inf"),
        "{}: a number is missing",
        path.display()
    );
    assert!(!text.contains("<text"), "words are outlines");
    let mut open = Vec::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>').expect("a tag ends");
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        let name = tag
            .trim_start_matches('/')
            .split([' ', '/'])
            .next()
            .unwrap();
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(name);
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(
        text.len() < 400_000,
        "{}: {} bytes",
        path.display(),
        text.len()
    );
}

/// Signature, header and size of a PNG, by its specification.
#[track_caller]
fn check_png(path: &Path) {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    assert_eq!((number(16), number(20)), (2000, 1120));
    assert_eq!(&bytes[bytes.len() - 8..bytes.len() - 4], b"IEND");
    assert!(
        bytes.len() > 10_000 && bytes.len() < 1_500_000,
        "{} bytes",
        bytes.len()
    );
}

#[track_caller]
pub fn check_pictures(dir: &Path, names: &[&str]) {
    for name in names {
        check_svg(&dir.join(format!("{name}.svg")));
        check_png(&dir.join(format!("{name}.png")));
    }
}

const ALL: [&str; 4] = ["forecast", "predictions", "error_by_step", "history"];

/// Trains for real; the history of epochs, which the basic model lacks, is lent to it.
fn check_training(name: &str, table: Table, horizon: usize, epochs: usize) {
    let dir = gallery(name);
    let Run {
        table,
        outcome,
        recorder,
    } = train(table, horizon, &dir);
    let outcome = lend_history(outcome, epochs);
    write_training(&dir, &outcome, &table, recorder, None, false).unwrap();
    check_pictures(&dir, &ALL);
}

fn lend_history(outcome: Outcome, epochs: usize) -> Outcome {
    let Outcome {
        artifact: Artifact {
            mut manifest,
            tensors,
        },
        forecast,
    } = outcome;
    (manifest.history, manifest.best_epoch) = history(epochs);
    manifest.untrained_loss = Some(0.0437);
    Outcome {
        artifact: Artifact { manifest, tensors },
        forecast,
    }
}

#[test]
fn a_daily_market() {
    check_training("daily", market(1500, DAY, 30_000.0, 0.012), 30, 48);
}

#[test]
fn a_minute_market_of_tiny_prices() {
    check_training("minutes_tiny", market(6000, MINUTE, 1e-6, 0.002), 15, 7);
}

#[test]
fn one_step_ahead_and_one_epoch() {
    check_training("one", market(300, DAY, 1e6, 0.02), 1, 1);
}

/// No epoch comes below the untrained model: it is drawn and marked as the one that was kept.
#[test]
fn no_epoch_that_improves() {
    let dir = gallery("untrained_kept");
    let run = train(market(1200, DAY, 30_000.0, 0.012), 7, &dir);
    let mut outcome = lend_history(run.outcome, 16);
    let manifest = &mut outcome.artifact.manifest;
    let losses: Vec<f64> = (1..=16)
        .map(|epoch| 0.4712 + 0.0004 * f64::from(epoch))
        .collect();
    for (record, loss) in manifest.history.iter_mut().zip(losses) {
        record.valid_loss = loss;
        record.train_loss = 0.95 - loss;
    }
    manifest.best_epoch = 0;
    manifest.untrained_loss = Some(0.4699);
    write_training(&dir, &outcome, &run.table, run.recorder, None, false).unwrap();
    check_pictures(&dir, &ALL);
    let title = fs::read_to_string(dir.join("history.svg")).unwrap();
    assert!(title.contains("loss over 16 epochs"));
}

/// A model that says the last close has the error of the naive forecast: the picture says so instead of hiding a line.
#[test]
fn a_model_that_equals_naive() {
    let dir = gallery("naive");
    let other = gallery("naive_training");
    let run = train(market(400, DAY, 30_000.0, 0.012), 5, &other);
    let mut recorder = Recorder::new(&dir).unwrap();
    let table = &run.table;
    for row in 100..380 {
        let mut predictions = Predictions::new(1, 5, 0);
        predictions.point.fill(table.close()[row]);
        recorder
            .see(
                &Event::Tested(Chunk {
                    origins: &table.time()[row..=row],
                    times: &table.time()[row + 1..=row + 5],
                    last_close: &table.close()[row..=row],
                    actual: &table.close()[row + 1..=row + 5],
                    predictions: &predictions,
                    levels: &[],
                    step: DAY,
                }),
                0.0,
            )
            .unwrap();
    }
    write_training(&dir, &run.outcome, table, recorder, None, false).unwrap();
    check_pictures(&dir, &["predictions"]);
}

#[test]
fn ten_thousand_epochs() {
    check_training("long", market(20_000, 3_600_000, 50.0, 0.004), 48, 10_000);
}

/// A fan that widens with the root of the step around the last close.
fn fan(table: &Table, horizon: usize, size: f64) -> Forecast {
    let last = table.n_rows() - 1;
    let (origin, last_close) = (table.time()[last], table.close()[last]);
    let step = table.calendar().step();
    let rows = (1..=horizon)
        .map(|ahead| {
            let wide = size * (ahead as f64).sqrt();
            let quantiles: Vec<f64> = LEVELS
                .iter()
                .map(|level| last_close * (1.0 + wide * (2.0 * level - 1.0)))
                .collect();
            ForecastRow {
                step: ahead,
                time: origin + ahead as i64 * step,
                point: quantiles[9],
                quantiles,
            }
        })
        .collect();
    Forecast {
        target: "close".into(),
        origin,
        last_close,
        step,
        levels: LEVELS.to_vec(),
        rows,
    }
}

#[track_caller]
fn check_forecast(name: &str, table: &Table, forecast: &Forecast) {
    let dir = gallery(name);
    write_forecast(&dir, forecast, table, None, false).unwrap();
    check_pictures(&dir, &["forecast"]);
}

/// Hours, one step ahead, with the coverage that the model's test part showed.
#[test]
fn one_step_ahead_with_scores() {
    let dir = gallery("one_scored");
    let run = train(market(500, 3_600_000, 67_000.0, 0.004), 1, &dir);
    let evaluation = &run.outcome.artifact.manifest.evaluation;
    write_forecast(
        &dir,
        &run.outcome.forecast,
        &run.table,
        Some(evaluation),
        false,
    )
    .unwrap();
    check_pictures(&dir, &["forecast"]);
}

#[test]
fn constant_prices() {
    let table = table(vec![5.0; 100], DAY);
    check_forecast("constant", &table, &fan(&table, 30, 0.0));
}

#[test]
fn ten_thousand_steps() {
    let table = market(60_000, MINUTE, 1e6, 0.001);
    check_forecast("steps_10000", &table, &fan(&table, 10_000, 0.002));
}

#[test]
fn one_row_of_past() {
    let mut forecast = fan(&table(vec![67_000.0; 40], DAY), 1, 0.03);
    let table = market(40, DAY, 67_000.0, 0.02);
    forecast.origin = START;
    forecast.rows[0].time = START + DAY;
    check_forecast("one_row", &table, &forecast);
}

/// No quantiles, and a name that XML and the font do not like.
#[test]
fn a_point_forecast_with_a_strange_name() {
    let table = market(100, DAY, 100.0, 0.02);
    let mut forecast = fan(&table, 30, 0.03);
    forecast.target = "<b>\"Kurs\" & 価格\u{7}</b>".into();
    forecast.levels.clear();
    forecast
        .rows
        .iter_mut()
        .for_each(|row| row.quantiles.clear());
    check_forecast("strange", &table, &forecast);
}

#[test]
fn the_same_picture_has_the_same_bytes() {
    let table = market(200, DAY, 67_000.0, 0.02);
    let forecast = fan(&table, 30, 0.03);
    let [one, other] = ["same_1", "same_2"].map(|name| {
        let dir = gallery(name);
        write_forecast(&dir, &forecast, &table, None, false).unwrap();
        [
            "forecast.png",
            "forecast.svg",
            "forecast.csv",
            "forecast.json",
        ]
        .map(|file| fs::read(dir.join(file)).unwrap())
    });
    assert!(one == other);
}
