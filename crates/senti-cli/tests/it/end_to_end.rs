//! The main job: train, predict, models, inspect. Numbers are the path's to test; here it is who gets what, and where.

use serde_json::Value;

use crate::run::{Desk, Done, SMALL, prices};

#[track_caller]
fn json(done: &Done) -> Value {
    assert_eq!(done.code, Some(0), "{}", done.err);
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}\n{}", done.out))
}

#[test]
fn train_gives_one_json_document_and_its_files() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    let done = desk.run(
        &[
            &["train", "--data_path", "prices.csv", "--format", "json"],
            SMALL,
        ]
        .concat(),
    );
    let document = json(&done);
    assert_eq!(document["model"]["version"], 1);
    assert_eq!(document["plan"]["units"], serde_json::json!([4]));
    for of in ["model", "naive"] {
        assert_eq!(
            document["scores"][of]["windows"],
            document["sizes"]["test_windows"]
        );
        assert!(document["scores"][of]["overall"]["mae"].as_f64() > Some(0.0));
        assert_eq!(
            document["scores"][of]["steps"].as_array().map(Vec::len),
            Some(3)
        );
    }
    // 400 days from 2020-01-01 end on 2021-02-03.
    assert_eq!(document["forecast"]["origin"], "2021-02-03");
    let dates = document["forecast"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["date"].as_str().unwrap());
    assert_eq!(
        dates.collect::<Vec<_>>(),
        ["2021-02-04", "2021-02-05", "2021-02-06"]
    );
    let files = document["files"].as_array().unwrap();
    for file in files {
        assert!(desk.path(file.as_str().unwrap()).is_file(), "{file}");
    }
    for name in [
        "forecast.csv",
        "metrics.json",
        "report.html",
        "predictions.csv",
        "history.csv",
        "forecast.png",
        "history.svg",
    ] {
        assert!(
            files
                .iter()
                .any(|file| file.as_str().unwrap().ends_with(name)),
            "{name}"
        );
    }
    let head = |name: &str| {
        let text = std::fs::read_to_string(desk.path("senti-output").join(name)).unwrap();
        text.lines().next().unwrap().to_owned()
    };
    assert!(head("forecast.csv").starts_with("origin,step,date,point,q0.05,q0.10,"));
    assert!(head("predictions.csv").starts_with("origin,step,date,actual,point,q0.05,"));
    assert_eq!(
        head("history.csv"),
        "epoch,train_loss,valid_loss,learning_rate,seconds"
    );
}

#[test]
fn train_tells_people_what_they_want_to_know() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    let done = desk.run(
        &[
            &[
                "train",
                "--data_path",
                "prices.csv",
                "--no_plot",
                "--model_type",
                "basic",
            ],
            SMALL,
        ]
        .concat(),
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    for wanted in [
        "scores on the test part: ",
        "naive",
        "direction_base_rate",
        "forecast of `close` from 2021-02-03",
        "model basic/1: ",
    ] {
        assert!(done.out.contains(wanted), "{wanted}\n{}", done.out);
    }
    assert!(
        done.err.starts_with(
            "data: local `prices.csv`, a path was given by `--data_path`\nread 400 rows"
        ),
        "{}",
        done.err
    );
    assert!(!desk.path("senti-output/forecast.png").exists());
}

/// Plain lines, one an epoch, when nobody watches a terminal.
#[test]
fn progress_is_plain_in_a_pipe_and_silent_when_quiet() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    let train = [&["train", "--data_path", "prices.csv", "--no_plot"], SMALL].concat();
    let done = desk.run(&train);
    for epoch in ["epoch 1/2  train_loss ", "epoch 2/2  train_loss "] {
        assert_eq!(
            done.err
                .lines()
                .filter(|line| line.starts_with(epoch))
                .count(),
            1,
            "{}",
            done.err
        );
    }
    let done = desk.run(&[&train[..], &["--quiet"]].concat());
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
    assert!(done.out.contains("model lstm/2: "));
}

#[test]
fn threads_change_no_byte() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    for threads in ["1", "2"] {
        let place = ["--threads", threads, "--output", threads];
        let done = desk.run(
            &[
                &["train", "--data_path", "prices.csv", "--no_plot"],
                SMALL,
                &place,
            ]
            .concat(),
        );
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap();
    assert!(read("1/predictions.csv") == read("2/predictions.csv"));
}

#[test]
fn predict_needs_the_registry_and_rows_only() {
    let desk = Desk::trained();
    std::fs::remove_dir_all(desk.path("senti-output")).unwrap();
    desk.file("fresh.csv", &prices(420));
    let before = desk.tree(".").len();
    let done = desk.run(&["predict", "--data_path", "fresh.csv", "--format", "json"]);
    let document = json(&done);
    assert_eq!(document["model"]["model_type"], "lstm");
    assert_eq!(
        document["forecast"]["rows"].as_array().map(Vec::len),
        Some(3)
    );
    assert_eq!(document["forecast"]["rows"][0]["date"], "2021-02-24");
    assert_eq!(
        desk.tree(".").len(),
        before,
        "nothing is written without --output"
    );

    let done = desk.run(&[
        "predict",
        "--data_path",
        "fresh.csv",
        "--output",
        "forecast",
        "--no_plot",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert_eq!(
        done.out.lines().count(),
        4,
        "a heading and three steps\n{}",
        done.out
    );
    assert!(desk.path("forecast/forecast.csv").is_file());
}

/// The same rows and model give the same forecast in train and predict.
#[test]
fn predict_repeats_what_train_said() {
    let desk = Desk::trained();
    let done = desk.run(&[
        "predict",
        "--data_path",
        "prices.csv",
        "--output",
        "again",
        "--no_plot",
    ]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    assert_eq!(
        read("again/forecast.csv"),
        read("senti-output/forecast.csv")
    );
}

#[test]
fn the_target_column_of_the_model_counts() {
    let desk = Desk::new();
    let renamed = prices(400)
        .replacen("close", "settle", 1)
        .replacen("open", "close", 1);
    desk.file("prices.csv", &renamed);
    let done = desk.run(
        &[
            &[
                "train",
                "--data_path",
                "prices.csv",
                "--target_column",
                "settle",
                "--no_plot",
                "--quiet",
            ],
            SMALL,
        ]
        .concat(),
    );
    assert_eq!(done.code, Some(0), "{}", done.err);
    let forecast = json(&desk.run(&["predict", "--data_path", "prices.csv", "--format", "json"]));
    assert_eq!(forecast["forecast"]["target"], "settle");
}

#[test]
fn lengths_that_contradict_the_model_are_refused() {
    let desk = Desk::trained();
    let check = |name: &str, variable: Option<&str>, wanted: &str| {
        let mut command = match variable {
            Some(variable) => {
                let mut command = desk.command(&["predict", "--data_path", "prices.csv"]);
                command.env(variable, "30");
                command
            }
            None => desk.command(&[
                "predict",
                "--data_path",
                "prices.csv",
                &format!("--{name}"),
                "30",
            ]),
        };
        let done = desk.done(command.output().unwrap());
        assert_eq!((done.code, done.out.as_str()), (Some(2), ""));
        assert!(done.err.contains(wanted), "{}", done.err);
    };
    check(
        "input_seq_length",
        None,
        "error: `--input_seq_length` is 30 (flag), but the model lstm/1 was trained with 8\n",
    );
    check(
        "forecast_horizon",
        None,
        "error: `--forecast_horizon` is 30 (flag), but the model lstm/1 was trained with 3\n",
    );
    let told = "error: `forecast_horizon` is 30 (environment LSTM_FORECAST_HORIZON), but the model lstm/1 was trained with 3\n";
    check("", Some("LSTM_FORECAST_HORIZON"), told);
    let same = desk.run(&[
        "predict",
        "--data_path",
        "prices.csv",
        "--forecast_horizon",
        "3",
    ]);
    assert_eq!(same.code, Some(0), "{}", same.err);
}

#[test]
fn models_are_listed_shown_and_deleted() {
    let desk = Desk::trained();
    let listed = json(&desk.run(&["models", "list", "--format", "json"]));
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    assert_eq!(listed[0]["entry"]["model_type"], "lstm");
    let text = desk.run(&["models", "list"]).out;
    assert!(
        text.contains("lstm/1  ") && text.contains("prices.csv"),
        "{text}"
    );
    let shown = json(&desk.run(&["models", "show", "lstm", "--format", "json"]));
    assert_eq!(shown["data"]["rows"], 400);
    assert!(
        desk.run(&["models", "show", "lstm/1"])
            .out
            .contains("scores on the test part")
    );

    let done = desk.run(&["models", "delete", "lstm/1"]);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.starts_with("deleted lstm/1 "));
    assert_eq!(
        json(&desk.run(&["models", "list", "--format", "json"])),
        serde_json::json!([])
    );
    let done = desk.run(&["models", "show", "lstm/1"]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.starts_with("error: no model "), "{}", done.err);
}

#[test]
fn inspect_says_what_was_recognised() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(50));
    let document = json(&desk.run(&["inspect", "prices.csv", "--format", "json"]));
    for (name, wanted) in [
        ("rows", "50"),
        ("first", "\"2020-01-01\""),
        ("last", "\"2020-02-19\""),
        ("step", "\"day\""),
        ("filled", "0"),
        ("duplicates_dropped", "0"),
        ("gaps", "[]"),
        ("warnings", "[]"),
    ] {
        assert_eq!(document[name].to_string(), wanted, "{name}");
    }
    assert_eq!(
        document["columns"][3],
        serde_json::json!({"name": "close", "role": "close"})
    );
    assert!(document["dialect"].is_object());
    let text = desk.run(&["inspect", "prices.csv"]).out;
    assert!(text.contains("\nrows                50\n"), "{text}");
    assert!(desk.tree(".").len() == 1, "inspect writes nothing");
}
