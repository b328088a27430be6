//! Where a setting comes from: flag, environment, `.env`, file, default, in this order.

use serde_json::Value;

use crate::run::{Desk, check_golden};

/// The value of `epochs` and its origin, with one more voice in each line.
#[test]
fn flag_before_environment_before_env_file_before_toml_before_default() {
    let desk = Desk::new();
    let check = |arguments: &[&str], environment: Option<&str>, wanted: (u64, &str)| {
        let mut command =
            desk.command(&[&["train", "--show_config", "--format", "json"], arguments].concat());
        if let Some(text) = environment {
            command.env("LSTM_MAX_EPOCHS", text);
        }
        let done = desk.done(command.output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.err);
        let document: Value = serde_json::from_str(&done.out).unwrap();
        let epochs = &document["epochs"];
        assert_eq!(
            (epochs["value"].as_u64(), epochs["from"].as_str()),
            (Some(wanted.0), Some(wanted.1))
        );
    };
    check(&[], None, (100, "default"));
    desk.file("senti-ai.toml", "epochs = 4\n");
    check(&[], None, (4, "senti-ai.toml"));
    desk.file("other.toml", "epochs = 5\n");
    check(&["--config", "other.toml"], None, (5, "other.toml"));
    desk.file(".env", "LSTM_MAX_EPOCHS=3\n");
    check(&[], None, (3, ".env LSTM_MAX_EPOCHS"));
    check(&[], Some("2"), (2, "environment LSTM_MAX_EPOCHS"));
    check(&[], Some(""), (3, ".env LSTM_MAX_EPOCHS"));
    check(&["--epochs", "1"], Some("2"), (1, "flag"));
}

/// Every variable that the original reads.
#[test]
fn the_originals_environment_is_understood() {
    for (variable, text, name) in [
        ("LSTM_INPUT_SEQ_LENGTH", "9", "input_seq_length"),
        ("LSTM_FORECAST_HORIZON", "9", "forecast_horizon"),
        ("LSTM_MAX_EPOCHS", "9", "epochs"),
        ("LSTM_BATCH_SIZE", "9", "batch_size"),
        ("LSTM_LEARNING_RATE", "0.25", "learning_rate"),
        ("LSTM_EARLY_STOPPING_PATIENCE", "9", "patience"),
        ("DATA_SOURCE", "local", "data_source"),
        ("DATA_PATH", "a.csv", "data_path"),
        ("MODEL_TYPE", "basic", "model_type"),
        ("RANDOM_SEED", "9", "seed"),
        ("GCP_PROJECT", "p", "gcp_project"),
        ("GOOGLE_CLOUD_PROJECT", "p", "gcp_project"),
        ("BQ_DATASET", "d", "bq_dataset"),
    ] {
        let desk = Desk::new();
        let mut command = desk.command(&["train", "--show_config", "--format", "json"]);
        let done = desk.done(command.env(variable, text).output().unwrap());
        let document: Value = serde_json::from_str(&done.out).unwrap();
        let value = &document[name]["value"];
        let value = value.as_str().map_or(value.to_string(), str::to_owned);
        assert_eq!(value, text, "{variable}");
        assert_eq!(document[name]["from"], format!("environment {variable}"));
    }
}

/// A golden run of `train` (or what the line says) with this file beside it.
#[track_caller]
fn check(name: &str, file: (&str, &str), line: &str) {
    let desk = Desk::new();
    desk.file(file.0, file.1);
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let done = desk.run(&arguments);
    check_golden(name, &arguments, &desk, &done);
}

#[test]
fn configuration_files_are_read_strictly() {
    let full = "# all kinds\nunits = [16, 8]\ndropout = 0.1\ndata_path = \"a.csv\"\nno_plot = true\nepochs = 7\n";
    check("toml_full", ("senti-ai.toml", full), "train --show_config");
    check(
        "toml_unknown_key",
        ("senti-ai.toml", "epoch = 7\n"),
        "train",
    );
    check(
        "toml_kebab_key",
        ("senti-ai.toml", "data-path = \"a.csv\"\n"),
        "train",
    );
    check(
        "toml_syntax",
        ("senti-ai.toml", "seed = 1\nepochs = = 7\n"),
        "train",
    );
    check(
        "toml_value",
        ("senti-ai.toml", "epochs = \"many\"\n"),
        "train",
    );
    check(
        "toml_missing",
        ("other.toml", ""),
        "train --config another.toml",
    );
    check(
        "env_file_value",
        (".env", "LSTM_LEARNING_RATE=fast\n"),
        "train",
    );
}

/// A file shared by all commands may hold options that only another command has.
#[test]
fn options_of_other_commands_may_stand_in_the_file() {
    let desk = Desk::new();
    desk.file("senti-ai.toml", "epochs = 7\nversion = 2\n");
    for command in ["train", "predict"] {
        let done = desk.run(&[command, "--show_config"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
    }
}

/// Which source is taken, and why, when none is asked for.
#[test]
fn a_source_is_found() {
    let check = |environment: &[(&str, &str)], wanted: &str| {
        let desk = Desk::new();
        let mut command = desk.command(&["predict"]);
        let done = desk.done(command.envs(environment.iter().copied()).output().unwrap());
        assert_eq!(done.err.lines().next(), Some(wanted));
        assert_eq!(done.code, Some(1));
    };
    check(
        &[],
        "data: sample, no `data_path` and no BigQuery data set are given",
    );
    check(
        &[("GCP_PROJECT", "p")],
        "data: sample, no `data_path` and no BigQuery data set are given",
    );
    check(
        &[("GCP_PROJECT", "p"), ("BQ_DATASET", "d")],
        "data: bigquery, `gcp_project` and `bq_dataset` are configured",
    );
    check(
        &[("DATA_PATH", "a.csv")],
        "data: local `a.csv`, a path was given by `data_path` (environment DATA_PATH)",
    );
    check(
        &[("DATA_PATH", "a.csv"), ("DATA_SOURCE", "sample")],
        "data: sample, asked for by `data_source` (environment DATA_SOURCE)",
    );
}
