//! `audit` from the outside: silent on honest rows, exit code 1 and a named place on a column that knows tomorrow.

use serde_json::Value;

use crate::run::{Desk, Done, check_golden, prices};

const QUICK: &[&str] = &[
    "--data_path",
    "prices.csv",
    "--model_type",
    "basic",
    "--input_seq_length",
    "8",
    "--forecast_horizon",
    "3",
    "--origins",
    "3",
    "--quiet",
];

fn audit(desk: &Desk, more: &[&str]) -> Done {
    desk.run(&[&["audit"], QUICK, more].concat())
}

/// Daily candles and a column that holds the close of the row so many rows later.
fn with_column(rows: usize, ahead: usize) -> String {
    let text = prices(rows + ahead);
    let lines: Vec<&str> = text.lines().collect();
    let close = |line: &str| line.split(',').nth(4).unwrap().to_owned();
    let mut out = format!("{},index\n", lines[0]);
    for row in 1..=rows {
        out += &format!("{},{}\n", lines[row], close(lines[row + ahead]));
    }
    out
}

/// The document without what a machine's arithmetic may write differently: the numbers that evidence shows.
fn document(done: &Done) -> Value {
    fn mask(value: &mut Value) {
        match value {
            Value::Object(entries) => {
                for (name, value) in entries {
                    match name.as_str() {
                        "found" => *value = Value::String("[NUMBERS]".into()),
                        _ => mask(value),
                    }
                }
            }
            Value::Array(entries) => entries.iter_mut().for_each(mask),
            _ => {}
        }
    }
    let mut document: Value = serde_json::from_str(&done.out).unwrap();
    mask(&mut document);
    document
}

#[test]
fn honest_rows_pass_and_nothing_is_written() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(300));
    let before = desk.tree(".");
    let done = audit(&desk, &[]);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
    let last = done.out.lines().last().unwrap();
    assert!(last.starts_with("nothing uses the future: "), "{last}");
    assert_eq!(done.err, "");
    assert!(desk.tree(".") == before, "something was written");
    check_golden("audit", &[&["audit"], QUICK].concat(), &desk, &done);
}

#[test]
fn the_document_is_public() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(300));
    let done = audit(&desk, &["--format", "json", "--output", "out"]);
    let written = std::fs::read_to_string(desk.path("out/audit.json")).unwrap();
    assert_eq!(written, done.out, "the file is what stdout says");
    let masked = Done {
        out: format!("{:#}\n", document(&done)),
        ..done
    };
    let arguments = [&["audit"], QUICK, &["--format", "json", "--output", "out"]].concat();
    check_golden("audit_json", &arguments, &desk, &masked);
}

#[test]
fn a_column_that_knows_tomorrow_fails_and_is_named() {
    let desk = Desk::new();
    desk.file("prices.csv", &with_column(300, 1));
    let done = audit(&desk, &["--format", "json"]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(found["clean"], false);
    let checks = found["checks"].as_array().unwrap();
    let failed: Vec<&Value> = checks.iter().filter(|c| c["passed"] == false).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!(failed[0]["name"], "publication");
    assert_eq!(failed[0]["evidence"]["column"], "index");
    assert!(
        done.err
            .starts_with("error: 1 of 17 checks failed: publication"),
        "{}",
        done.err
    );
    assert!(
        done.err.contains("hint: move the column down"),
        "{}",
        done.err
    );

    // the same column in its own row is the close once more, and no leak
    desk.file("prices.csv", &with_column(300, 0));
    let done = audit(&desk, &[]);
    assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
}

#[test]
fn the_input_is_not_replaced() {
    let desk = Desk::new();
    desk.file("audit.json", &prices(100));
    let done = desk.run(&["audit", "--data_path", "audit.json", "--output", "."]);
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("would replace the input"), "{}", done.err);
}
