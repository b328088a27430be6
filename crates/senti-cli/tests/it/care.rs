//! What belongs to the user stays: input files, unfinished trainings, saved models.

use crate::run::{Desk, SMALL, prices};

const TRAIN: &[&str] = &["train", "--no_plot", "--data_path"];

#[test]
fn an_output_never_replaces_the_input() {
    let desk = Desk::trained();
    std::fs::create_dir(desk.path("in")).unwrap();
    for name in ["history.csv", "in/forecast.csv"] {
        desk.file(name, &prices(400));
    }
    let check = |line: &[&str], wanted: &str| {
        let before = desk.tree(".");
        let done = desk.run(line);
        assert_eq!(done.code, Some(1), "{}", done.err);
        assert!(
            done.err.contains(wanted) && done.err.contains("\nhint: "),
            "{}",
            done.err
        );
        assert!(desk.tree(".") == before, "something was touched");
    };
    check(
        &[TRAIN, &["history.csv", "--output", "."]].concat(),
        "error: the output `./history.csv` would replace the input `history.csv`\n",
    );
    check(
        &[
            "predict",
            "--data_path",
            "in/../in/forecast.csv",
            "--output",
            "in",
        ],
        "error: the output `in/forecast.csv` would replace the input `in/../in/forecast.csv`\n",
    );
    // `predict` writes no history.
    let line = [
        "predict",
        "--data_path",
        "history.csv",
        "--output",
        ".",
        "--no_plot",
    ];
    let done = desk.run(&line);
    assert_eq!(done.code, Some(0), "{}", done.err);
}

#[cfg(target_os = "linux")]
#[test]
fn a_registry_that_cannot_be_written_is_found_before_training() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    // Not even root makes a file there.
    let done = desk.run(&[TRAIN, &["prices.csv", "--registry", "/proc/models"]].concat());
    assert_eq!(done.code, Some(1));
    let wanted = "error: the registry `/proc/models` cannot be written\n";
    assert!(done.err.contains(wanted), "{}", done.err);
    assert!(!done.err.contains("read 400 rows") && !done.err.contains("room"));
}

#[test]
fn a_target_that_contradicts_the_model_is_refused() {
    let desk = Desk::trained();
    let line = [
        "predict",
        "--data_path",
        "prices.csv",
        "--target_column",
        "open",
    ];
    let done = desk.run(&line);
    assert_eq!(done.code, Some(2));
    let wanted =
        "error: `--target_column` is `open` (flag), but the model lstm/1 forecasts `close`\nhint: ";
    assert!(done.err.contains(wanted), "{}", done.err);
    let same = desk.run(&[
        "predict",
        "--data_path",
        "prices.csv",
        "--target_column",
        "close",
    ]);
    assert_eq!(same.code, Some(0), "{}", same.err);
}

#[test]
fn predict_tells_what_its_model_is_worth() {
    let desk = Desk::trained();
    desk.file("past.csv", &prices(300))
        .file("fresh.csv", &prices(420));
    let inside = "note: the model was trained and tested on rows to 2021-02-03: this forecast is not of the future for it\n";
    for (file, seen) in [("past.csv", true), ("fresh.csv", false)] {
        let done = desk.run(&["predict", "--data_path", file, "--format", "json"]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        assert_eq!(done.err.contains(inside), seen, "{}", done.err);
        assert!(
            done.err.contains("\nits test: mean absolute error "),
            "{}",
            done.err
        );
        assert!(
            done.err.contains("a forecast starts there, not today\n"),
            "{}",
            done.err
        );
        let document: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let model = &document["model"];
        assert_eq!(model["has_seen_the_future"], seen);
        for name in ["mae", "crps", "coverage_90"] {
            assert!(model["scores"]["model"][name].is_f64(), "{document}");
        }
    }
}

#[test]
fn models_are_named_as_they_are_listed() {
    let desk = Desk::trained();
    for word in ["lstm/01", "lstm/+1", "lstm/0"] {
        let done = desk.run(&["models", "delete", word]);
        assert_eq!(done.code, Some(2), "{word}");
    }
    let done = desk.run(&["models", "show", "lstm/1"]);
    for wanted in [
        "\ntarget ",
        "\nloss ",
        "\nunits ",
        "\nseed ",
        "\nbest_epoch ",
    ] {
        assert!(done.out.contains(wanted), "{wanted}\n{}", done.out);
    }
    let listed = desk.run(&["models", "list", "--format", "json"]).out;
    assert!(
        listed.contains("\"mae\"") && !listed.contains("\"steps\""),
        "{listed}"
    );
    assert!(!listed.contains("\"direction_n\": null") && !listed.contains(".0\n"));
}

/// Files that cannot be written cost no second version.
#[test]
fn a_model_is_saved_once_even_if_its_files_were_not_written() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    // A folder where a file should stand cannot be replaced.
    std::fs::create_dir_all(desk.path("senti-output/metrics.json/full")).unwrap();
    let train = [TRAIN, &["prices.csv"], SMALL].concat();
    let again = [&train[..], &["--resume"]].concat();
    for line in [&train, &again] {
        let done = desk.run(line);
        assert_eq!(done.code, Some(1), "{}", done.err);
        let wanted = "error: the model is saved as lstm/1, but its files cannot be written\n";
        assert!(done.err.contains(wanted), "{}", done.err);
        assert!(done.err.contains("`--resume`"), "{}", done.err);
    }
    std::fs::remove_dir_all(desk.path("senti-output/metrics.json")).unwrap();
    let done = desk.run(&again);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(done.out.contains("\nmodel lstm/1: "), "{}", done.out);
    assert!(!desk.path("senti-output/checkpoint.senti").exists());
}

#[test]
fn env_files_tell_slips() {
    let desk = Desk::new();
    desk.file(".env", "LSTM_MAX_EPOCH=3\n");
    let done = desk.run(&["train", "--show_config"]);
    assert_eq!(
        done.err,
        "note: `.env` sets `LSTM_MAX_EPOCH`, which no option reads; did you mean `LSTM_MAX_EPOCHS`?\n"
    );
}

#[test]
fn names_do_nothing_to_the_terminal() {
    let desk = Desk::new();
    let done = desk.run(&["train", "--data_path", "a\u{1b}[2J\nerror: b.csv"]);
    assert_eq!(done.code, Some(1));
    assert!(!done.err.contains('\u{1b}'), "{}", done.err);
    assert!(
        done.err.contains("a\\u001b[2J\\nerror: b.csv"),
        "{}",
        done.err
    );
    let errors = done.err.lines().filter(|line| line.starts_with("error: "));
    assert_eq!(errors.count(), 1, "{}", done.err);
}
