//! Exported models before those who will use them: ONNX's checker, ONNX Runtime, MLflow. Their numbers are those of `predict`.
//!
//! Needs the Python environments that `cargo xtask test` makes; where one is missing its tests say so and pass.

#![allow(clippy::print_stdout, reason = "a test that is skipped says why")]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::run::Desk;

/// Everything is double precision but the network. There, sums of some hundred products and the engine's sigmoid and tanh (4e-7) differ
/// in the last digits of single precision; prices that are learned as they are feel that as they are.
const TOLERANCE: f64 = 2e-6;

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Python with what MLflow's `line` needs: where the variable says, or in the workspace.
fn python(line: u32) -> Option<PathBuf> {
    let variable = format!("SENTI_MLFLOW{line}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folder = std::env::var_os(&variable).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| root.join(format!(".venv-mlflow{line}")));
    let python = folder.join("bin/python");
    if python.is_file() {
        return Some(python);
    }
    let required = std::env::var("SENTI_REQUIRE_MLFLOW");
    let required = required.is_ok_and(|text| !matches!(text.as_str(), "" | "0"));
    let why = format!("no Python in `{}`", folder.display());
    assert!(!required, "MLflow {line} is required: {why}");
    println!("skipped: no MLflow {line}: {why}; `cargo xtask test` installs it");
    None
}

/// Candles to learn from.
#[derive(Clone, Copy)]
struct Market {
    rows: usize,
    /// Seconds.
    step: i64,
    /// Seconds behind the full step at which candles open.
    phase: i64,
    columns: &'static [&'static str],
    weekdays_only: bool,
    /// Every so many-th row is not there.
    hole: usize,
    /// Stretches in which nothing moves, and single candles without trades.
    still: bool,
    /// Blank cells in every column but the close, and a last column that starts late.
    blanks: bool,
}

const CANDLES: &[&str] = &["open", "high", "low", "close", "volume"];

const DAILY: Market = Market {
    rows: 1_300,
    step: DAY,
    phase: 0,
    columns: CANDLES,
    weekdays_only: false,
    hole: usize::MAX,
    still: false,
    blanks: false,
};

/// The lines of a CSV file, the header first. Moves come from a linear congruential generator (Knuth's MMIX constants) and a wave, so
/// that there is something to learn.
fn lines(market: &Market) -> Vec<String> {
    let mut state = 11u64;
    let mut draw = move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1u32 << 24) - 0.5
    };
    let mut lines = vec![format!("date,{}", market.columns.join(","))];
    let (mut close, mut mood, mut rate) = (10_000.0f64, 50.0f64, 3.0f64);
    // 2015-01-05, a Monday
    let mut time = 1_420_416_000 + market.phase;
    let mut number = 0usize;
    while lines.len() <= market.rows {
        let stamp = jiff::Timestamp::from_second(time).unwrap();
        time += market.step;
        // 1970-01-01 was a Thursday
        let day = (stamp.as_second().div_euclid(DAY) + 3).rem_euclid(7);
        if market.weekdays_only && day >= 5 {
            continue;
        }
        number += 1;
        let still = market.still && (number % 400 < 33 || number.is_multiple_of(29));
        let open = close;
        if !still {
            close =
                (close * (0.02 * draw()).exp() + 150.0 * (number as f64 * 0.37).sin()).max(100.0);
        }
        let wick = if still { 0.0 } else { 0.004 * (draw() + 0.5) };
        mood += 0.2 * (50.0 - mood) + 6.0 * draw();
        rate += 0.05 * draw();
        if number.is_multiple_of(market.hole) {
            continue;
        }
        let mut line = match market.step < DAY {
            true => stamp.to_string(),
            false => stamp.to_string()[..10].to_owned(),
        };
        for column in market.columns {
            let value = match *column {
                "open" => open,
                "high" => open.max(close) * (1.0 + wick),
                "low" => open.min(close) * (1.0 - wick),
                "close" => close,
                "volume" if still => 0.0,
                "volume" => 1_000.0 * (1.0 + draw()),
                "mood" => mood,
                _ => rate,
            };
            let last = market.columns.last() == Some(column);
            let late = last && lines.len() < market.rows / 4;
            // the whole candle but its close, or one of the others
            let turn = match *column {
                "close" => usize::MAX,
                "open" | "high" | "low" => 1,
                other => other.len(),
            };
            let lost = number % 23 == turn;
            match market.blanks && (late || lost) {
                true => line.push(','),
                false => write!(line, ",{value:.4}").unwrap(),
            }
        }
        lines.push(line);
    }
    lines
}

struct Case {
    name: &'static str,
    market: Market,
    options: &'static str,
}

/// Models of every kind, each on something that the graph must treat in its own way.
fn cases() -> Vec<Case> {
    let case = |name, market, options| Case {
        name,
        market,
        options,
    };
    let hourly = Market {
        step: HOUR,
        phase: 1_800,
        hole: 53,
        ..DAILY
    };
    let weekdays = Market {
        weekdays_only: true,
        hole: 37,
        ..DAILY
    };
    let still = Market {
        still: true,
        ..DAILY
    };
    let more = Market {
        columns: &["rate", "open", "high", "low", "close", "mood", "volume"],
        ..DAILY
    };
    let blanks = Market {
        columns: &["open", "high", "low", "close", "volume", "mood", "rate"],
        blanks: true,
        hole: 41,
        ..DAILY
    };
    let close_only = Market {
        columns: &["close"],
        ..DAILY
    };
    let short = Market { rows: 420, ..DAILY };
    // too few to learn what moves are expected
    let hardly_any = Market { rows: 235, ..DAILY };
    let five_hours = Market {
        step: 5 * HOUR,
        ..DAILY
    };
    let office_hours = Market {
        step: HOUR,
        weekdays_only: true,
        rows: 2_000,
        ..DAILY
    };
    vec![
        case("daily lstm", DAILY, "lstm --units 8,4 --epochs 4"),
        case(
            "prices by mse",
            still,
            "lstm --units 8 --epochs 6 --target price --loss mse",
        ),
        case(
            "quantiles of prices",
            weekdays,
            "lstm --units 6 --epochs 4 --target price",
        ),
        case(
            "returns by huber",
            hourly,
            "lstm --units 8 --epochs 4 --loss huber",
        ),
        case("hourly lstm", hourly, "lstm --units 8 --epochs 4"),
        case("weekdays lstm", weekdays, "lstm --units 8 --epochs 4"),
        case("few rows", short, "lstm --units 4 --epochs 4"),
        case(
            "hardly any rows",
            hardly_any,
            "lstm --units 5,4,3 --epochs 3",
        ),
        case("basic with more columns", more, "basic"),
        case("basic with blank cells", blanks, "basic"),
        case("basic on prices", more, "basic --target price"),
        case("basic with still candles", still, "basic"),
        case("basic on closes", close_only, "basic"),
        case("basic on weekdays", weekdays, "basic"),
        case("five hours", five_hours, "basic"),
        case("trees", still, "trees"),
        case("trees on weekdays", weekdays, "trees"),
        case("office hours trees", office_hours, "trees"),
        case(
            "one row",
            close_only,
            "trees --input_seq_length 1 --forecast_horizon 2",
        ),
    ]
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[track_caller]
fn ok(desk: &Desk, line: &[&str]) -> String {
    let done = desk.run(line);
    assert_eq!(done.code, Some(0), "{line:?}: {}", done.err);
    done.out
}

/// Trains a model in a registry of its own and exports it; gives the rows of a window.
fn exported(desk: &Desk, number: usize, case: &Case) -> usize {
    let (data, registry) = (format!("{number}.csv"), format!("models-{number}"));
    desk.file(&data, &(lines(&case.market).join("\n") + "\n"));
    let options = words(case.options);
    let mut train = words("train --no_plot --quiet --output out --data_path");
    train.extend([&data, "--registry", &registry, "--model_type"]);
    train.extend(&options);
    if !case.options.contains("--input_seq_length") {
        train.extend(words("--input_seq_length 8 --forecast_horizon 4"));
    }
    ok(desk, &train);
    let (file, folder) = (format!("{number}.onnx"), format!("package-{number}"));
    let export = |format: &str, output: &str| {
        let line = [
            "export",
            options[0],
            "--registry",
            &registry,
            "--format",
            format,
        ];
        ok(desk, &[&line[..], &["--output", output]].concat())
    };
    let told = export("onnx", &file);
    export("mlflow", &folder);
    let (_, rest) = told.split_once("the last ").unwrap();
    rest.split_once(' ').unwrap().0.parse().unwrap()
}

/// Windows to ask about: the last rows, and where there are enough, the same some rows earlier.
fn windows(desk: &Desk, number: usize, case: &Case, rows: usize) -> Vec<String> {
    let lines = lines(&case.market);
    let behind = [0, 5]
        .into_iter()
        .filter(|behind| lines.len() > rows + behind);
    let names = behind.map(|behind| {
        let end = lines.len() - behind;
        let name = format!("{number}-{behind}.csv");
        let part = [&lines[..1], &lines[end - rows..end]].concat();
        desk.file(&name, &(part.join("\n") + "\n"));
        name
    });
    names.collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values
        .map(|value| value.as_f64().unwrap_or(f64::NAN))
        .collect()
}

/// Point, quantiles and times in milliseconds that `predict` gives.
fn predicted(desk: &Desk, number: usize, model_type: &str, window: &str) -> [Vec<f64>; 3] {
    let registry = format!("models-{number}");
    let line = ["predict", "--format", "json", "--model_type", model_type];
    let line = [&line[..], &["--registry", &registry, "--data_path", window]].concat();
    let document: Value = serde_json::from_str(&ok(desk, &line)).unwrap();
    let rows = document["forecast"]["rows"].as_array().unwrap();
    let points: Vec<f64> = rows
        .iter()
        .map(|row| row["point"].as_f64().unwrap())
        .collect();
    let last = document["forecast"]["last_close"].as_f64().unwrap();
    // else it would be no test of the model
    assert!(
        points.iter().all(|point| (point / last - 1.0).abs() > 1e-7),
        "{window}: {points:?}"
    );
    let time = |row: &Value| {
        let text = row["date"].as_str().unwrap();
        let text = if text.len() == 10 {
            format!("{text}T00:00:00Z")
        } else {
            text.to_owned()
        };
        text.parse::<jiff::Timestamp>().unwrap().as_millisecond() as f64
    };
    [
        points,
        rows.iter()
            .flat_map(|row| numbers(&row["quantiles"]))
            .collect(),
        rows.iter().map(time).collect(),
    ]
}

/// Asks Python.
fn asked(python: &Path, desk: &Desk, cases: &Value) -> Value {
    desk.file("cases.json", &cases.to_string());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/onnx.py");
    let output = Command::new(python)
        .arg(script)
        .arg("cases.json")
        .current_dir(desk.path("."))
        .env_remove("PYTHONPATH")
        .env("NO_PROXY", "127.0.0.1,localhost")
        .output()
        .unwrap();
    let done = desk.done(output);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let document: Value = serde_json::from_str(&done.out).unwrap();
    println!("{}", document["versions"]);
    document
}

#[test]
fn every_model_says_elsewhere_what_predict_says() {
    let Some(python) = python(3) else { return };
    let desk = Desk::new();
    let cases = cases();
    let mut asking = Vec::new();
    let mut wanted = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let rows = exported(&desk, number, case);
        let windows = windows(&desk, number, case, rows);
        let model_type = words(case.options)[0];
        let told: Vec<_> = windows
            .iter()
            .map(|window| predicted(&desk, number, model_type, window))
            .collect();
        wanted.push(told);
        asking.push(json!({
            "name": case.name,
            "model": format!("{number}.onnx"),
            "package": format!("package-{number}"),
            "serve": number == 0,
            "windows": windows,
        }));
    }
    let document = asked(&python, &desk, &json!(asking));
    for (case, wanted) in cases.iter().zip(&wanted) {
        let found = &document["cases"][case.name];
        let mut worst = 0.0_f64;
        for (way, told) in found["ways"].as_object().unwrap() {
            assert_eq!(told.as_array().unwrap().len(), wanted.len());
            for (told, wanted) in told.as_array().unwrap().iter().zip(wanted) {
                let [points, quantiles, times] = wanted;
                assert_eq!(&numbers(&told["time"]), times, "{}: {way}", case.name);
                for (name, wanted) in [("point", points), ("quantiles", quantiles)] {
                    let found = numbers(&told[name]);
                    assert_eq!(found.len(), wanted.len(), "{}: {way}, {name}", case.name);
                    for (found, wanted) in found.iter().zip(wanted) {
                        let off = (found / wanted - 1.0).abs();
                        assert!(
                            off < TOLERANCE,
                            "{}: {way}, {name}: {found}, wanted {wanted}",
                            case.name
                        );
                        worst = worst.max(off);
                    }
                }
            }
        }
        let example = numbers(&found["example"]["point"]);
        assert!(
            example.iter().all(|price| *price > 0.0),
            "{}: {example:?}",
            case.name
        );
        let ways = found["ways"].as_object().unwrap().len();
        assert_eq!(ways, if case.name == cases[0].name { 5 } else { 4 });
        println!(
            "{}: {worst:.1e} off at most, {} bytes, {} nodes, {:.1} ms a window",
            case.name,
            found["bytes"],
            found["nodes"],
            1e3 * found["seconds"].as_f64().unwrap()
        );
    }
}

/// The package is read by the older line of MLflow, too.
#[test]
fn mlflow_2_reads_the_package() {
    let Some(python) = python(2) else { return };
    let desk = Desk::new();
    let case = &cases()[0];
    let rows = exported(&desk, 0, case);
    let windows = windows(&desk, 0, case, rows);
    let wanted = predicted(&desk, 0, "lstm", &windows[0]);
    let asking =
        json!([{ "name": "old", "model": "0.onnx", "package": "package-0", "windows": windows }]);
    let document = asked(&python, &desk, &asking);
    let told = &document["cases"]["old"]["ways"]["pyfunc"][0];
    for (found, wanted) in numbers(&told["quantiles"]).iter().zip(&wanted[1]) {
        assert!(
            (found / wanted - 1.0).abs() < TOLERANCE,
            "{found}, wanted {wanted}"
        );
    }
    let metadata = &document["cases"]["old"]["package_metadata"];
    assert_eq!(metadata["senti.rows"], rows.to_string());
}

/// A graph cannot refuse as `predict` does. It says nothing rather than something wrong.
#[test]
fn windows_that_cannot_be_used_give_no_prices() {
    let Some(python) = python(3) else { return };
    let desk = Desk::new();
    let case = Case {
        name: "weekdays",
        market: Market {
            weekdays_only: true,
            columns: &["open", "high", "low", "close", "volume", "mood"],
            ..DAILY
        },
        options: "basic",
    };
    let rows = exported(&desk, 0, &case);
    let lines = lines(&case.market);
    let good = [&lines[..1], &lines[lines.len() - rows..]].concat();
    let mut names = Vec::new();
    let mut spoil = |name: &str, change: &dyn Fn(&mut Vec<Vec<String>>)| {
        let mut cells: Vec<Vec<String>> = good
            .iter()
            .map(|line| line.split(',').map(str::to_owned).collect())
            .collect();
        change(&mut cells);
        let text: Vec<String> = cells.iter().map(|cells| cells.join(",")).collect();
        desk.file(&format!("{name}.csv"), &(text.join("\n") + "\n"));
        names.push(format!("{name}.csv"));
    };
    let last = rows;
    spoil("good", &|_| {});
    // behind the header: time, open, high, low, close, volume, mood
    spoil("blank close", &|cells| cells[20][4].clear());
    spoil("infinite mood", &|cells| cells[last][6] = "inf".into());
    spoil("no mood", &|cells| {
        cells[1..].iter_mut().for_each(|cells| cells[6].clear());
    });
    spoil("price of nothing", &|cells| cells[9][3] = "0".into());
    spoil("negative volume", &|cells| cells[last - 9][5] = "-1".into());
    spoil("saturday", &|cells| cells[last][0] = "2022-01-01".into());
    spoil("noon", &|cells| cells[last][0].push_str("T12:00:00Z"));
    let older = &lines[lines.len() - rows - 4..lines.len() - rows];
    spoil("long gap", &|cells| {
        cells.drain(600..604);
        let older = older.iter();
        let older = older.map(|line| line.split(',').map(str::to_owned).collect());
        cells.splice(1..1, older);
    });
    spoil("twice", &|cells| cells[5][0] = cells[4][0].clone());
    spoil("old blank mood", &|cells| cells[20][6].clear());
    let asking = json!([{ "name": "spoiled", "model": "0.onnx", "windows": names }]);
    let document = asked(&python, &desk, &asking);
    let told = document["cases"]["spoiled"]["ways"]["a batch"]
        .as_array()
        .unwrap();
    for (name, told) in names.iter().zip(told) {
        let is_good = ["good.csv", "old blank mood.csv"].contains(&&name[..]);
        for output in ["point", "quantiles"] {
            let values = numbers(&told[output]);
            assert!(
                values.iter().all(|price| price.is_nan() != is_good),
                "{name}: {values:?}"
            );
        }
    }
    assert_eq!(
        numbers(&told[0]["point"]),
        numbers(&told[names.len() - 1]["point"])
    );
}
