//! What train and predict leave in DIR: columns and bytes as promised, whole or not at all.

use std::fs;
use std::path::Path;

use senti::forecast::{Forecast, ForecastRow, Predictions};
use senti::observe::{Chunk, EpochRecord, Event};
use senti_io::registry::Registry;
use senti_io::report::{
    Make, OUTPUTS, Recorder, predictions_bytes, write_forecast, write_training,
};
use serde_json::Value;

use crate::trained::{DAY, START, market, train};

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn read(dir: &Path, name: &str) -> String {
    fs::read_to_string(dir.join(name)).unwrap()
}

fn forecast(step: i64) -> Forecast {
    Forecast {
        target: "BTC_Close".into(),
        origin: START,
        last_close: 16_500.0,
        step,
        levels: vec![0.05, 0.5, 0.95],
        rows: vec![
            ForecastRow {
                step: 1,
                time: START + step,
                point: 16_510.123_456_78,
                quantiles: vec![16_000.0, 16_510.123_456_78, 17_000.5],
            },
            ForecastRow {
                step: 2,
                time: START + 2 * step,
                point: 0.000_012_345,
                quantiles: vec![1.0, 1.0, 123_456_789.123],
            },
        ],
    }
}

/// Expected by hand.
#[test]
fn forecast_csv() {
    let dir = tempfile::tempdir().unwrap();
    let table = market(100, DAY, 1.0, 0.01);
    write_forecast(dir.path(), &forecast(DAY), &table, None, true).unwrap();
    assert_eq!(
        read(dir.path(), "forecast.csv"),
        "origin,step,date,point,q0.05,q0.50,q0.95\n\
         2023-01-01,1,2023-01-02,16510.1235,16000,16510.1235,17000.5\n\
         2023-01-01,2,2023-01-03,0.000012345,1,1,123456789\n"
    );
    write_forecast(dir.path(), &forecast(60_000), &table, None, true).unwrap();
    assert_eq!(
        read(dir.path(), "forecast.csv").lines().nth(1).unwrap(),
        "2023-01-01T00:00:00Z,1,2023-01-01T00:01:00Z,16510.1235,16000,16510.1235,17000.5"
    );
    let json: Value = serde_json::from_str(&read(dir.path(), "forecast.json")).unwrap();
    assert_eq!(json["origin"], "2023-01-01T00:00:00Z");
    assert_eq!(json["rows"][0]["point"], 16_510.123_456_78);
    assert_eq!(json["levels"], serde_json::json!([0.05, 0.5, 0.95]));
    assert_eq!(json["step_seconds"], 60.0);
    assert_eq!(names(dir.path()), ["forecast.csv", "forecast.json"]);
}

/// Every window is in the file, with what came true and what was forecast, in order.
#[test]
fn a_training_leaves_everything() {
    let dir = tempfile::tempdir().unwrap();
    let run = train(market(600, DAY, 30_000.0, 0.01), 5, dir.path());
    let registry = Registry::open(dir.path().join("models"));
    let entry = registry.save(&run.outcome.artifact, "basic", 0).unwrap();
    let manifest = run.outcome.artifact.manifest.clone();
    let paths = write_training(
        dir.path(),
        &run.outcome,
        &run.table,
        run.recorder,
        Some(&entry),
        false,
    )
    .unwrap();
    assert_eq!(
        names(dir.path()),
        [
            "error_by_step.png",
            "error_by_step.svg",
            "forecast.csv",
            "forecast.json",
            "forecast.png",
            "forecast.svg",
            "history.csv",
            "metrics.json",
            "models",
            "predictions.csv",
            "predictions.png",
            "predictions.svg",
            "report.html",
        ]
    );
    assert_eq!(paths.len(), 12);
    assert!(paths.iter().all(|path| path.is_file()));

    let table = &run.table;
    let text = read(dir.path(), "predictions.csv");
    let mut lines = text.lines();
    let levels: String = (1..=19)
        .map(|level| format!(",q{:.2}", f64::from(level) * 0.05))
        .collect();
    assert_eq!(
        lines.next().unwrap(),
        format!("origin,step,date,actual,point{levels}")
    );
    let mut windows = 0;
    let mut absolute = 0.0;
    for (line, text) in lines.enumerate() {
        let cells: Vec<_> = text.split(',').collect();
        assert_eq!(cells.len(), 24);
        let step: usize = cells[1].parse().unwrap();
        assert_eq!(step, line % 5 + 1);
        windows += usize::from(step == 1);
        let row = |date: &str| {
            let time = format!("{date}T00:00:00Z")
                .parse::<jiff::Timestamp>()
                .unwrap()
                .as_millisecond();
            ((time - START) / DAY) as usize
        };
        assert_eq!(row(cells[2]), row(cells[0]) + step);
        let numbers: Vec<f64> = cells[3..]
            .iter()
            .map(|cell| cell.parse().unwrap())
            .collect();
        assert_eq!(
            numbers[0],
            table.close()[row(cells[2])],
            "actual is the table's, bit by bit"
        );
        assert!(numbers[2..].is_sorted(), "quantiles rise");
        absolute += (numbers[0] - numbers[1]).abs();
    }
    assert_eq!(windows, manifest.sizes.test_windows);
    let told = predictions_bytes(windows, 5) as f64;
    assert!((0.6..1.1).contains(&(text.len() as f64 / told)), "{told}");

    let metrics: Value = serde_json::from_str(&read(dir.path(), "metrics.json")).unwrap();
    assert_eq!(metrics["test_windows"], windows);
    assert_eq!(metrics["train_windows"], manifest.sizes.train_windows);
    assert_eq!(metrics["model"]["steps"].as_array().unwrap().len(), 5);
    assert_eq!(metrics["artifact"]["path"], entry.path.to_str().unwrap());
    assert_eq!(metrics["units"]["mape"], "percent");
    assert_eq!(metrics["best_epoch"], 0);
    assert!(metrics["untrained_loss"].is_null());
    assert_eq!(metrics["rows"], 600);
    assert_eq!(
        metrics["matrix_bytes"],
        600 * 8 * manifest.sizes.features as u64
    );
    for of in ["model", "naive"] {
        assert!(metrics[of]["overall"]["direction_n"].is_u64(), "{of}");
        assert!(metrics[of]["steps"][4]["direction_n"].is_u64(), "{of}");
    }
    assert_eq!(metrics["data"]["first"], "2023-01-01");
    // The error of the file's lines is the error of the scores: nine digits are enough.
    let mae = metrics["model"]["overall"]["mae"].as_f64().unwrap();
    assert!((absolute / (5 * windows) as f64 / mae - 1.0).abs() < 1e-6);
    assert!(metrics["naive"]["overall"]["mae"].as_f64().unwrap() > 0.0);
    assert_eq!(
        read(dir.path(), "history.csv"),
        "epoch,train_loss,valid_loss,learning_rate,seconds\n"
    );
}

/// Seconds are those between events; an epoch of an earlier run has none.
#[test]
fn history_csv() {
    let dir = tempfile::tempdir().unwrap();
    let mut run = train(market(400, DAY, 30_000.0, 0.01), 3, dir.path());
    let record = |epoch: usize, rate: f64| EpochRecord {
        epoch,
        train_loss: 0.5 / epoch as f64,
        valid_loss: 0.25,
        learning_rate: rate,
    };
    let sizes = run.outcome.artifact.manifest.sizes.clone();
    let records = [
        record(1, 1e-3),
        record(2, f64::from(1e-3f32)),
        record(3, 2e-4),
    ];
    run.recorder
        .see(
            &Event::Prepared {
                sizes: &sizes,
                notes: &[],
            },
            10.0,
        )
        .unwrap();
    for (record, seconds) in records[1..].iter().zip([11.5, 14.0]) {
        let state = || crate::checkpoint::state(1);
        let event = Event::Epoch {
            record: *record,
            best: true,
            epochs: 3,
            last: record.epoch == 3,
            state: &state,
        };
        run.recorder.see(&event, seconds).unwrap();
    }
    run.outcome.artifact.manifest.history = records.to_vec();
    write_training(
        dir.path(),
        &run.outcome,
        &run.table,
        run.recorder,
        None,
        true,
    )
    .unwrap();
    assert_eq!(
        read(dir.path(), "history.csv"),
        "epoch,train_loss,valid_loss,learning_rate,seconds\n\
         1,0.5,0.25,0.001,\n\
         2,0.25,0.25,0.001,1.500\n\
         3,0.16666666666666666,0.25,0.0002,2.500\n"
    );
    assert!(
        !names(dir.path())
            .iter()
            .any(|name| name.ends_with(".png") || name.ends_with(".svg"))
    );
}

/// A training that is given up leaves what stood there, and nothing of its own.
#[test]
fn old_results_stay_until_the_new_are_complete() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("predictions.csv"), "old").unwrap();
    fs::write(dir.path().join("mine.txt"), "mine").unwrap();
    let run = train(market(400, DAY, 30_000.0, 0.01), 3, dir.path());
    assert_eq!(read(dir.path(), "predictions.csv"), "old");
    drop(run.recorder);
    assert_eq!(names(dir.path()), ["mine.txt", "predictions.csv"]);

    let run = train(market(400, DAY, 30_000.0, 0.01), 3, dir.path());
    fs::create_dir(dir.path().join("metrics.json")).unwrap();
    let error = write_training(
        dir.path(),
        &run.outcome,
        &run.table,
        run.recorder,
        None,
        true,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("metrics.json`: it is a folder, wanted a file"),
        "{error}"
    );
    assert_eq!(read(dir.path(), "predictions.csv"), "old");
    assert_eq!(
        names(dir.path()),
        ["metrics.json", "mine.txt", "predictions.csv"]
    );
}

/// A folder tells of one run: what the last run of a kind did not write is gone, what is not ours or of another kind stays.
#[test]
fn nothing_of_an_earlier_run_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let table = market(400, DAY, 30_000.0, 0.01);
    let full = train(table.clone(), 3, dir.path());
    write_training(
        dir.path(),
        &full.outcome,
        &table,
        full.recorder,
        None,
        false,
    )
    .unwrap();
    for name in ["history.png", "history.svg", "mine.png"] {
        fs::write(dir.path().join(name), "earlier").unwrap();
    }
    write_forecast(dir.path(), &full.outcome.forecast, &table, None, true).unwrap();
    let after_predict = names(dir.path());
    for (name, there) in [
        ("forecast.png", false),
        ("forecast.svg", false),
        ("forecast.csv", true),
        ("predictions.png", true),
        ("history.png", true),
        ("metrics.json", true),
    ] {
        assert_eq!(after_predict.iter().any(|n| n == name), there, "{name}");
    }
    let bare = train(table.clone(), 3, dir.path());
    write_training(dir.path(), &bare.outcome, &table, bare.recorder, None, true).unwrap();
    assert_eq!(
        names(dir.path()),
        [
            "forecast.csv",
            "forecast.json",
            "history.csv",
            "metrics.json",
            "mine.png",
            "predictions.csv",
            "report.html"
        ]
    );
}

/// Chunks of whatever size give the same lines.
#[test]
fn predictions_csv() {
    let dir = tempfile::tempdir().unwrap();
    let run = train(
        market(400, DAY, 30_000.0, 0.01),
        2,
        &dir.path().join("other"),
    );
    let mut recorder = Recorder::new(dir.path()).unwrap();
    for (origin, close) in [(START, 100.0), (START + DAY, 101.5)] {
        let mut predictions = Predictions::new(1, 2, 2);
        predictions.point = vec![100.123_456_789, 99.0];
        predictions.quantiles = vec![99.999_999_999, 100.5, 1.0, 1.0 / 3.0 + 1.0];
        recorder
            .see(
                &Event::Tested(Chunk {
                    origins: &[origin],
                    times: &[origin + DAY, origin + 2 * DAY],
                    last_close: &[close],
                    actual: &[101.5, 1e-7],
                    predictions: &predictions,
                    levels: &[0.05, 0.95],
                    step: DAY,
                }),
                0.0,
            )
            .unwrap();
    }
    write_training(dir.path(), &run.outcome, &run.table, recorder, None, true).unwrap();
    assert_eq!(
        read(dir.path(), "predictions.csv"),
        "origin,step,date,actual,point,q0.05,q0.95\n\
         2023-01-01,1,2023-01-02,101.5,100.123457,100,100.5\n\
         2023-01-01,2,2023-01-03,0.0000001,99,1,1.33333333\n\
         2023-01-02,1,2023-01-03,101.5,100.123457,100,100.5\n\
         2023-01-02,2,2023-01-04,0.0000001,99,1,1.33333333\n"
    );
}

#[test]
fn the_table_of_outputs_is_sound() {
    let mut seen: Vec<_> = OUTPUTS.iter().map(|output| output.name).collect();
    for output in OUTPUTS {
        let picture = matches!(output.make, Make::Plot(_));
        assert_eq!(output.name.contains('.'), !picture, "{}", output.name);
        assert!(!output.about.is_empty() && !output.about.ends_with('.'));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), OUTPUTS.len());
}
