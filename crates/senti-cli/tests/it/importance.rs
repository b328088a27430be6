//! `importance`: from a saved model to table, JSON and pictures; the same bytes again; stopped, and refused.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Desk, Done, check_golden, prices};

const QUICK: &[&str] = &["--repeats", "2", "--origins", "30"];

fn measured(desk: &Desk, arguments: &[&str]) -> Done {
    let done = desk.run(&[&["importance"], arguments, QUICK].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    done
}

#[test]
fn the_newest_lstm_is_explained_with_files_and_pictures() {
    let desk = Desk::trained();
    let done = measured(&desk, &[]);
    let head = "lstm/1 on 30 of ";
    assert!(done.out.starts_with(head), "{}", done.out);
    for wanted in [
        "skill lost in % of the CRPS",
        "all steps",
        "90 % interval",
        "completeness of the width",
        "the forest (100 trees",
    ] {
        assert!(done.out.contains(wanted), "{wanted} in {}", done.out);
    }
    // a network of which nothing is believed has no days to draw
    let earned = !done.out.contains("no column matters");
    for name in ["importance", "importance_days", "importance_features"] {
        for ending in ["csv", "svg", "png"] {
            let drawn = earned || name != "importance_days" || ending == "csv";
            let path = desk.path(&format!("senti-output/{name}.{ending}"));
            assert_eq!(path.is_file(), drawn, "{}", path.display());
        }
    }
    assert!(desk.path("senti-output/importance.html").is_file());
    assert!(desk.path("senti-output/importance.json").is_file());
    assert!(
        done.err.contains("files in senti-output: importance.csv"),
        "{}",
        done.err
    );
}

#[test]
fn stdout_is_the_document_and_threads_change_no_byte() {
    let desk = Desk::trained();
    let json = [
        "lstm/1",
        "--format",
        "json",
        "--output",
        "told",
        "--no_plot",
    ];
    let one = measured(&desk, &[&json[..], &["--threads", "1"]].concat());
    let value: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!(value["model"], "lstm/1");
    assert_eq!(value["choices"]["repeats"], 2);
    let steps = value["permutation"]["groups"][0]["lost"]
        .as_array()
        .unwrap();
    let steps: Vec<Option<u64>> = steps.iter().map(|lost| lost["step"].as_u64()).collect();
    assert_eq!(steps, [Some(1), Some(3), None]);
    let file = std::fs::read_to_string(desk.path("told/importance.json")).unwrap();
    assert_eq!(file, one.out);
    let three = measured(&desk, &[&json[..], &["--threads", "3"]].concat());
    assert_eq!(three.out, one.out);
    let other = measured(&desk, &[&json[..], &["--seed", "7"]].concat());
    assert_ne!(other.out, one.out);
    assert!(
        !desk.path("told/importance.png").exists(),
        "no plots were wanted"
    );
}

/// Groups, as asked: of one kind, or every column alone.
#[test]
fn groups_are_those_that_were_asked_for() {
    let desk = Desk::trained();
    let group = |group_by: &str| -> Vec<String> {
        let arguments = ["--format", "json", "--no_plot", "--group_by", group_by];
        let value: Value = serde_json::from_str(&measured(&desk, &arguments).out).unwrap();
        let groups = value["permutation"]["groups"].as_array().unwrap();
        let mut names: Vec<String> = (groups.iter())
            .map(|group| group["group"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    let kinds = [
        "calendar",
        "candles (expected moves)",
        "momentum",
        "returns",
        "trend",
        "volatility",
        "volume",
    ];
    assert_eq!(group("kind"), kinds);
    assert!(group("none").contains(&"log_return_1".to_owned()));
    assert!(group("correlation").len() < group("none").len());
}

/// A file that has grown: its new rows are held out, too, and it is said.
#[test]
fn newer_rows_are_measured_as_well() {
    let desk = Desk::trained();
    desk.file("prices.csv", &prices(500));
    let done = measured(&desk, &["--no_plot"]);
    assert!(
        done.err.contains("not exactly those of the training"),
        "{}",
        done.err
    );
    let last = done.out.lines().next().unwrap();
    // 500 days from 2020-01-01; the last three are ahead of the last origin.
    assert!(last.ends_with("to 2021-05-11"), "{last}");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let desk = Desk::trained();
    let before = desk.tree(".");
    for (name, line) in [
        ("importance_model_missing", "importance lstm/7"),
        ("importance_flag_of_train", "importance --epochs 3"),
    ] {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        check_golden(name, &arguments, &desk, &desk.run(&arguments));
    }
    assert!(desk.tree(".") == before, "something was written");
    desk.file("prices.csv", &prices(300));
    let arguments = ["importance", "lstm"];
    check_golden(
        "importance_rows_too_old",
        &arguments,
        &desk,
        &desk.run(&arguments),
    );
}

/// Rows that lie where an output would go are not replaced.
#[test]
fn an_output_never_replaces_the_input() {
    let desk = Desk::trained();
    std::fs::create_dir(desk.path("told")).unwrap();
    desk.file("told/importance.csv", &prices(400));
    let before = desk.tree(".");
    let data = ["--data_path", "told/importance.csv", "--output", "told"];
    let done = desk.run(&[&["importance"], &data[..]].concat());
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(done.err.contains("would replace the input"), "{}", done.err);
    assert!(desk.tree(".") == before, "something was written");
    measured(&desk, &[&data[..3], &["elsewhere", "--no_plot"]].concat());
}

#[test]
fn ctrl_c_stops_it_and_nothing_is_written() {
    let desk = Desk::trained();
    let before = desk.tree(".");
    let mut command = desk.command(&["importance", "--repeats", "10000"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("shuffling, ")));
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert_eq!(rest.last().unwrap(), "stopped: nothing was written");
    assert!(desk.tree(".") == before, "something was written");
}
