//! Bad input gives one clear sentence and a hint, exit code 1 or 2, no backtrace, and leaves the registry as it was.

use std::fmt::Write as _;
use std::process::Stdio;

use crate::run::{Desk, Done, check_golden, prices};

/// What every failure has in common.
#[track_caller]
fn check_failure(desk: &Desk, before: &[(std::path::PathBuf, Vec<u8>)], done: &Done) {
    assert!(matches!(done.code, Some(1 | 2)), "{done:?}");
    assert_eq!(done.out, "");
    assert_eq!(
        done.err
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count(),
        1,
        "{}",
        done.err
    );
    assert!(done.err.contains("\nhint: "), "{}", done.err);
    for word in ["panicked", "backtrace", "our mistake", "src/"] {
        assert!(!done.err.contains(word), "{}", done.err);
    }
    assert!(
        desk.tree("senti-models") == before,
        "the registry was touched"
    );
}

/// Runs a line beside a trained model and `data.csv`, and compares it with its golden text.
#[track_caller]
fn check(name: &str, data: &[u8], line: &str) {
    let desk = Desk::trained();
    std::fs::write(desk.path("data.csv"), data).unwrap();
    let before = desk.tree("senti-models");
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let done = desk.run(&arguments);
    check_golden(name, &arguments, &desk, &done);
    check_failure(&desk, &before, &done);
}

const TRAIN: &str = "train --data_path data.csv";
const PREDICT: &str = "predict --data_path data.csv";

/// `prices(rows)` with a change of every line but the first.
fn changed(rows: usize, change: impl Fn(&[&str]) -> String) -> Vec<u8> {
    let text = prices(rows);
    let mut lines = text.lines();
    let mut out = format!("{}\n", lines.next().unwrap());
    for line in lines {
        let cells: Vec<&str> = line.split(',').collect();
        writeln!(out, "{}", change(&cells)).unwrap();
    }
    out.into_bytes()
}

#[test]
fn files_without_enough_rows() {
    check("data_empty", b"", TRAIN);
    check("data_empty_inspect", b"", "inspect data.csv");
    check(
        "data_header_only",
        b"date,open,high,low,close,volume\n",
        TRAIN,
    );
    check("data_one_row", prices(1).as_bytes(), TRAIN);
    check("data_few_rows", prices(41).as_bytes(), TRAIN);
    check("data_few_rows_predict", prices(6).as_bytes(), PREDICT);
}

#[test]
fn columns_without_sense() {
    let close_blank = changed(300, |cells| {
        format!(
            "{},{},{},{},,{}",
            cells[0], cells[1], cells[2], cells[3], cells[5]
        )
    });
    check("data_close_blank", &close_blank, TRAIN);
    let constant = changed(300, |cells| format!("{},100,100,100,100,5", cells[0]));
    check("data_constant", &constant, TRAIN);
    let negative = changed(300, |cells| format!("{},1,1,1,-1,5", cells[0]));
    check("data_negative", &negative, TRAIN);
    check(
        "data_target_missing",
        prices(300).as_bytes(),
        "train --data_path data.csv --target_column clsoe",
    );
}

#[test]
fn files_that_are_no_table() {
    check(
        "data_binary",
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x02\x00",
        TRAIN,
    );
    check(
        "data_not_utf8",
        b"date,close\n2020-01-01,\xff\xfe\xfd\n2020-01-02,1\n",
        TRAIN,
    );
    check(
        "data_prose",
        b"Dear Sir or Madam,\nplease find no prices here.\n",
        TRAIN,
    );
}

#[test]
fn paths_that_cannot_be_read() {
    check("path_missing", b"", "train --data_path nowhere.csv");
    check("path_folder", b"", "train --data_path senti-models");
    check("path_missing_inspect", b"", "inspect nowhere.csv");
    // Opens, and fails when it is read, even for root.
    #[cfg(target_os = "linux")]
    check("path_unreadable", b"", "train --data_path /proc/self/mem");
}

#[test]
fn sources_and_models_that_are_not_there() {
    check("bigquery", b"", "train --data_source bigquery");
    check(
        "model_missing",
        prices(300).as_bytes(),
        "predict --data_path data.csv --model_type basic",
    );
    check(
        "version_missing",
        prices(300).as_bytes(),
        "predict --data_path data.csv --version 9",
    );
    check(
        "registry_is_file",
        prices(300).as_bytes(),
        "predict --data_path data.csv --registry data.csv",
    );
    check(
        "registry_is_file_train",
        prices(400).as_bytes(),
        "train --data_path data.csv --registry data.csv",
    );
    check(
        "output_is_file",
        prices(400).as_bytes(),
        "train --data_path data.csv --output data.csv",
    );
    check(
        "horizon_beyond_rows",
        prices(400).as_bytes(),
        "train --data_path data.csv --forecast_horizon 5000",
    );
}

#[test]
fn walks_that_the_rows_do_not_allow() {
    check(
        "backtest_start_late",
        prices(300).as_bytes(),
        "backtest --data_path data.csv --start 2099-01-01",
    );
    check(
        "backtest_few_rows",
        prices(100).as_bytes(),
        "backtest --data_path data.csv --models basic --origins 20 --forecast_horizon 10",
    );
}

/// A weight that was altered on disk is noticed.
#[test]
fn a_damaged_model_is_refused() {
    let desk = Desk::trained();
    let weights = desk.path("senti-models/sentiai_model_lstm/1/weights.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let before = desk.tree("senti-models");
    let done = desk.run(&["predict", "--data_path", "prices.csv"]);
    check_failure(&desk, &before, &done);
    assert!(
        done.err.contains("was altered: its SHA-256 is "),
        "{}",
        done.err
    );
}

/// A full disk, as the kernel tells it to any user: files may not grow beyond a limit, and the signal for that is ignored.
#[cfg(unix)]
#[test]
fn a_full_disk_is_told() {
    let desk = Desk::trained();
    let before = desk.tree("senti-models");
    let train = desk.command(&[
        "train",
        "--data_path",
        "prices.csv",
        "--no_plot",
        "--input_seq_length",
        "8",
        "--forecast_horizon",
        "3",
        "--units",
        "4",
        "--epochs",
        "2",
    ]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$@\"", "sh"])
        .arg(train.get_program())
        .args(train.get_args());
    shell
        .current_dir(desk.path("."))
        .env_clear()
        .stdin(Stdio::null());
    let done = desk.done(shell.output().unwrap());
    check_failure(&desk, &before, &done);
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains("\nerror: cannot write `senti-output/"),
        "{}",
        done.err
    );
}
