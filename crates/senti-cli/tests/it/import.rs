//! `import` and `train --weights`: what becomes of weights that Keras trained, and what is said where they do not fit.
//!
//! `fixtures/original.keras` is made by `original.py` beside it. That networks answer alike is tested in `senti-io`.

use serde_json::Value;

use crate::run::{Desk, Done, check_golden, prices};

/// A desk with prices and a Keras file.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    let fixture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/it/fixtures/original.keras"
    );
    std::fs::copy(fixture, desk.path("original.keras")).unwrap();
    desk
}

fn run(desk: &Desk, line: &str) -> Done {
    desk.run(&line.split_whitespace().collect::<Vec<_>>())
}

#[track_caller]
fn check(desk: &Desk, name: &str, line: &str, code: i32) {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let done = desk.run(&arguments);
    check_golden(name, &arguments, desk, &done);
    assert_eq!(done.code, Some(code), "{line}");
}

const IMPORT: &str = "import original.keras --data_path prices.csv --no_plot";

#[test]
fn a_keras_file_becomes_a_model_that_forecasts() {
    let desk = desk();
    let done = run(&desk, IMPORT);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("bidirectional LSTM of 4,3 units"),
        "{}",
        done.err
    );
    assert!(
        done.err.contains("epoch 0/0 (the given weights)"),
        "{}",
        done.err
    );
    assert!(
        done.out
            .starts_with("weights of `original.keras` (Keras 3.15.1 (.keras)), nothing trained\n"),
        "{}",
        done.out
    );
    assert!(
        done.out.contains("the scores may be flattered"),
        "{}",
        done.out
    );
    let later = run(
        &desk,
        "predict --data_path prices.csv --output later --no_plot",
    );
    assert_eq!(later.code, Some(0), "{}", later.err);
    // the forecast that the import ended with
    let read = |name: &str| std::fs::read_to_string(desk.path(name)).unwrap();
    assert_eq!(
        read("later/forecast.csv"),
        read("senti-output/forecast.csv")
    );
    let metrics: Value = serde_json::from_str(&read("senti-output/metrics.json")).unwrap();
    assert_eq!(metrics["imported"]["file"], "original.keras");
    assert_eq!(metrics["plan"]["units"], serde_json::json!([4, 3]));
    assert_eq!(metrics["plan"]["epochs"], 0);
    assert!(
        metrics["caution"]
            .as_str()
            .is_some_and(|text| text.contains("flattered"))
    );
    assert!(read("senti-output/report.html").contains("may be flattered"));
    let shown = run(&desk, "models show lstm");
    assert!(shown.out.contains("weights from"), "{}", shown.out);
    check(&desk, "verify_imported", "verify lstm", 1);
}

#[test]
fn an_import_is_one_document_of_json() {
    let desk = desk();
    let done = run(&desk, &format!("{IMPORT} --format json"));
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        document["model"]["imported"]["format"],
        "Keras 3.15.1 (.keras)"
    );
    assert_eq!(document["model"]["epochs"], 0);
    assert_eq!(document["plan"]["input_seq_length"], 8, "as the file says");
    assert_eq!(document["plan"]["forecast_horizon"], 3, "an output a step");
    assert_eq!(document["plan"]["target"], "price");
    assert_eq!(document["plan"]["loss"], "mse");
}

#[test]
fn training_may_go_on_from_a_file() {
    let desk = desk();
    let line = "train --weights original.keras --data_path prices.csv --no_plot --target price --loss mse --input_seq_length 8 --forecast_horizon 3 --epochs 2 --format json";
    let done = run(&desk, line);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(document["model"]["epochs"], 2);
    assert_eq!(
        document["plan"]["units"],
        serde_json::json!([4, 3]),
        "the file's"
    );
    assert_eq!(document["model"]["imported"]["file"], "original.keras");
}

/// An interrupted training that lies in the output folder is none of an import's business.
#[test]
fn an_import_leaves_an_unfinished_training_alone() {
    let desk = desk();
    std::fs::create_dir(desk.path("senti-output")).unwrap();
    desk.file("senti-output/checkpoint.senti", "of another training");
    let done = run(&desk, IMPORT);
    assert_eq!(done.code, Some(0), "{}", done.err);
    let kept = std::fs::read_to_string(desk.path("senti-output/checkpoint.senti")).unwrap();
    assert_eq!(kept, "of another training");
    assert!(!done.err.contains("resume"), "{}", done.err);
}

#[test]
fn what_does_not_fit_is_said() {
    let desk = desk();
    desk.file("note.h5", "not weights");
    check(
        &desk,
        "import_no_weights",
        "import note.h5 --data_path prices.csv",
        1,
    );
    check(
        &desk,
        "import_missing",
        "import none.h5 --data_path prices.csv",
        1,
    );
    check(
        &desk,
        "import_features",
        &format!("{IMPORT} --target log_return"),
        1,
    );
    check(
        &desk,
        "import_outputs",
        &format!("{IMPORT} --forecast_horizon 5"),
        1,
    );
    check(
        &desk,
        "import_units",
        "train --weights original.keras --units 8 --data_path prices.csv",
        1,
    );
    check(&desk, "import_without_file", "import", 2);
}
