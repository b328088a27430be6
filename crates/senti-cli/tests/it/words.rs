//! Commands, flags and help: what is typed wrongly is named, with a near suggestion, and nothing is touched.

use std::process::Stdio;

use crate::run::{Desk, check_golden};

#[track_caller]
fn check(name: &str, line: &str, code: i32) {
    let desk = Desk::new();
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let done = desk.run(&arguments);
    check_golden(name, &arguments, &desk, &done);
    assert_eq!(done.code, Some(code), "{line}");
    assert!(desk.tree(".").is_empty(), "{line} left files behind");
}

#[test]
fn help_and_version_are_data() {
    check("help", "help", 0);
    check("help_train", "train --help", 0);
    check("help_predict", "help predict", 0);
    check("help_backtest", "backtest --help", 0);
    check("help_models", "models --help", 0);
    check("help_models_show", "models show --help", 0);
    check("help_models_promote", "models promote --help", 0);
    check("help_models_delete", "models delete --help", 0);
    check("help_models_push", "models push --help", 0);
    check("help_models_pull", "models pull --help", 0);
    check("help_export_mlflow", "models export-mlflow --help", 0);
    check("help_verify", "verify --help", 0);
    check("help_audit", "audit --help", 0);
    check("help_importance", "importance --help", 0);
    check("help_export", "export --help", 0);
    check("help_import", "import --help", 0);
    check("help_fetch", "fetch --help", 0);
    check("help_sentiment", "sentiment --help", 0);
    check("version", "--version", 0);
}

#[test]
fn slips_get_a_near_suggestion() {
    check("no_command", "", 2);
    check("unknown_command", "trian", 2);
    check("unknown_flag", "train --epoch 3", 2);
    check("unknown_flag_far", "train --frobnicate", 2);
    check("unknown_flag_kebab", "train --input-seq-lenght 9", 2);
    check("flag_of_another_command", "predict --epochs 3", 2);
    check("flag_twice", "train --epochs 3 --epochs 4", 2);
    check("flag_without_value", "train --epochs", 2);
    check("switch_with_value", "train --no_plot=3", 2);
    check("word_too_many", "train prices.csv", 2);
    check("inspect_without_file", "inspect", 2);
    check("models_without_word", "models", 2);
    check("models_unknown_word", "models lsit", 2);
    check("models_push_unknown", "models push abc", 1);
    check("export_without_output", "export lstm", 2);
    check(
        "export_format_slip",
        "export lstm --format onxn --output a",
        2,
    );
}

#[test]
fn values_out_of_range_say_what_is_wanted() {
    check("horizon_0", "train --forecast_horizon 0", 2);
    check(
        "length_huge",
        "train --input_seq_length 99999999999999999999",
        2,
    );
    check("epochs_word", "train --epochs ten", 2);
    check("epochs_negative", "train --epochs -3", 2);
    check("dropout_1", "train --dropout 1", 2);
    check("rate_nan", "train --learning_rate nan", 2);
    check("repeats_0", "importance --repeats 0", 2);
    check("group_by_slip", "importance --group_by correlaton", 2);
    check("units_list", "train --units 128,,64", 2);
    check("model_type_slip", "train --model_type lstn", 2);
    check("source_slip", "train --data_source lokal", 2);
    check("shares", "train --valid_share 0.4 --test_share 0.5", 2);
    check("local_without_path", "train --data_source local", 2);
    check(
        "path_with_sample",
        "train --data_source sample --data_path a.csv",
        2,
    );
    check("models_version", "models show lstm/x", 2);
    check("models_delete_all", "models delete lstm", 2);
}

/// What names a model or a registry that cannot be.
#[test]
fn models_that_cannot_be_meant_are_told() {
    check("model_without_version", "predict --model models:/a", 2);
    check(
        "model_twice",
        "predict --model lstm@champion --version 3",
        2,
    );
    check("remote_without_server", "predict --model models:/a/1", 2);
    check("pull_without_server", "models pull lstm", 2);
    check("register_without_server", "train --register", 2);
    check(
        "pull_from_folder",
        "models pull lstm --registry_uri ./mlruns",
        2,
    );
    check(
        "promote_reserved",
        "models promote lstm/1 --alias latest",
        2,
    );
    check(
        "promote_stage_slip",
        "models promote lstm/1 --stage Prod",
        2,
    );
    check(
        "promote_archive_alone",
        "models promote lstm/1 --archive_existing_versions",
        2,
    );
    check("promote_missing", "models promote lstm/1", 1);
    check(
        "push_from_server",
        "models push models:/a/1 --registry_uri http://127.0.0.1:9",
        2,
    );
    check("delete_alias", "models delete lstm@champion", 2);
}

/// MLflow's own stores are opened by its server, not by us: told before anything is read.
#[test]
fn addresses_that_are_no_server_say_what_to_do() {
    check("tracking_folder", "train --tracking_uri ./mlruns", 2);
    check(
        "tracking_sqlite",
        "backtest --tracking_uri sqlite:///mlflow.db",
        2,
    );
    check("tracking_wait_minus", "train --tracking_wait -1", 2);
}

#[test]
fn series_that_are_none_say_what_is_wanted() {
    check("fetch_slip", "fetch binnance:BTCUSDT:1d", 2);
    check("fetch_interval", "fetch binance:BTCUSDT:1y", 2);
    check("fetch_without_series", "fetch", 2);
    check("fetch_output", "fetch fear_greed --output index.csv.gz", 2);
    check(
        "fetch_span",
        "fetch fear_greed --from 2024-01-02 --until 2024-01-01",
        2,
    );
    check(
        "fetch_check_interval",
        "fetch binance:BTCUSDT:1d --check coinbase:BTC-USD:1h",
        2,
    );
    check("series_slip", "train --data_source coinbsae:BTC-USD", 2);
    check("series_symbol", "train --data_source coinbase:", 2);
    check(
        "from_without_series",
        "train --data_source sample --from 2024-01-01",
        2,
    );
}

#[test]
fn walks_that_are_none_say_what_is_wanted() {
    check("backtest_models_slip", "backtest --models nonsense", 2);
    check("backtest_step_0", "backtest --step 0", 2);
    check("backtest_start_word", "backtest --start soon", 2);
}

/// `| head`: the reader goes away before anything is written.
#[test]
fn a_closed_pipe_is_no_error() {
    for line in [&["train", "--help"][..], &["train", "--show_config"]] {
        let desk = Desk::new();
        let mut command = desk.command(line);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let done = desk.done(child.wait_with_output().unwrap());
        assert_eq!((done.code, done.err.as_str()), (Some(0), ""), "{line:?}");
    }
}

/// Colour is for terminals; nothing piped holds an escape.
#[test]
fn piped_output_has_no_colour() {
    let desk = Desk::new();
    for line in [&["train", "--help"][..], &["trian"]] {
        let done = desk.run(line);
        assert!(!(done.out + &done.err).contains('\u{1b}'), "{line:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_is_told() {
    let desk = Desk::new();
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = desk.command(&["train", "--show_config"]);
    let done = desk.done(command.stdout(full).output().unwrap());
    assert_eq!(done.code, Some(1));
    assert!(
        done.err
            .starts_with("error: cannot write the result to stdout\ncause: "),
        "{}",
        done.err
    );
}
