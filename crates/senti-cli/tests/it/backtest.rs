//! `backtest` from the outside: a table for a person, files for everybody else, and a run that Ctrl-C only delays.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::run::{Desk, prices};

const SMALL: &[&str] = &[
    "backtest",
    "--data_path",
    "prices.csv",
    "--models",
    "lstm,naive",
    "--input_seq_length",
    "6",
    "--forecast_horizon",
    "3",
    "--units",
    "4",
    "--epochs",
    "2",
    "--origins",
    "40",
    "--refit_every",
    "20",
    "--threads",
    "2",
];

const FILES: [&str; 6] = [
    "backtest.csv",
    "backtest.png",
    "backtest.svg",
    "folds.csv",
    "report.html",
    "report_card.json",
];

fn desk(rows: usize) -> Desk {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(rows));
    desk
}

fn read(desk: &Desk, name: &str) -> String {
    std::fs::read_to_string(desk.path("senti-output").join(name)).unwrap()
}

/// Folders of unfinished backtests.
fn unfinished(desk: &Desk) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(desk.path("senti-output"))
        .into_iter()
        .flatten();
    let names = entries.map(|entry| entry.unwrap().path());
    names
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("unfinished-")
        })
        .collect()
}

#[test]
fn a_person_reads_verdicts_and_a_table() {
    let desk = desk(480);
    let done = desk.run(SMALL);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.out
            .starts_with("40 origins from 2021-03-13 to 2021-04-21, 3 steps ahead, of `close`\n\n"),
        "{}",
        done.out
    );
    for model in ["lstm", "naive", "har_730"] {
        let lines: Vec<&str> = done.out.lines().collect();
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with(&format!("{model}: "))),
            "{}",
            done.out
        );
        let figures =
            |line: &&str| line.split_whitespace().any(|cell| cell == model) && line.contains(" %");
        assert!(lines.iter().any(figures), "{}", done.out);
    }
    let head = done
        .out
        .lines()
        .find(|line| line.trim_start().starts_with("h "))
        .unwrap();
    let columns: Vec<&str> = head.split_whitespace().collect();
    assert_eq!(columns[..4], ["h", "model", "MAE", "rMAE"], "{head}");
    for file in FILES {
        assert!(done.out.contains(file), "{}", done.out);
    }
    assert!(
        done.out.contains("\nlearned anew in 2 folds\n"),
        "{}",
        done.out
    );

    // two models named, and the yardstick: 40 origins, 3 steps
    let table = read(&desk, "backtest.csv");
    let mut lines = table.lines();
    assert_eq!(
        lines.next(),
        Some(
            "model,origin,step,date,actual,point,q0.05,q0.10,q0.15,q0.20,q0.25,q0.30,q0.35,q0.40,q0.45,q0.50,q0.55,q0.60,q0.65,q0.70,q0.75,q0.80,q0.85,q0.90,q0.95"
        )
    );
    assert_eq!(lines.clone().count(), 3 * 40 * 3);
    let closes: Vec<(String, String)> = prices(480)
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>())
        .map(|cells| (cells[0].clone(), cells[4].clone()))
        .collect();
    for (place, line) in lines.enumerate() {
        let cells: Vec<&str> = line.split(',').collect();
        let (origin, step) = (437 + place / 3 % 40, place % 3 + 1);
        assert_eq!(cells[0], ["lstm", "naive", "har_730"][place / 120]);
        assert_eq!(cells[1], closes[origin].0, "{line}");
        assert_eq!(cells[2], step.to_string());
        assert_eq!(cells[3], closes[origin + step].0, "{line}");
        let number = |text: &str| text.parse::<f64>().unwrap();
        assert_eq!(number(cells[4]), number(&closes[origin + step].1), "{line}");
        let quantiles: Vec<f64> = cells[6..].iter().map(|cell| number(cell)).collect();
        assert_eq!(quantiles.len(), 19);
        assert!(quantiles.is_sorted() && quantiles[0] > 0.0, "{line}");
    }
    let folds = read(&desk, "folds.csv");
    let folds: Vec<Vec<&str>> = folds
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    assert_eq!(folds.len(), 3);
    // an embargo of one row: the close of the first origin is not learned from
    assert_eq!(
        folds[1][..6],
        ["lstm", "0", "2021-03-13", "2021-04-01", "20", "2021-03-12"]
    );
    assert_eq!(
        folds[2][..6],
        ["lstm", "1", "2021-04-02", "2021-04-21", "20", "2021-04-01"]
    );
    assert!(unfinished(&desk).is_empty());
}

#[test]
fn json_is_whole_and_says_the_same() {
    let desk = desk(480);
    let done = desk.run(&[SMALL, &["--format", "json", "--output", "here"]].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let said: Value = serde_json::from_str(&done.out).unwrap();
    let card: Value =
        serde_json::from_str(&std::fs::read_to_string(desk.path("here/report_card.json")).unwrap())
            .unwrap();
    assert_eq!(said["report_card"], card);
    assert_eq!(said["walk"]["origins"], 40);
    assert_eq!(said["plan"]["units"], serde_json::json!([4]));
    assert_eq!(said["folds"].as_array().map(Vec::len), Some(2));
    let names: Vec<&str> = (card["models"].as_array().unwrap().iter())
        .map(|model| model["model"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["lstm", "naive", "har_730"]);
    let files: Vec<&str> = (said["files"].as_array().unwrap().iter())
        .map(|file| file.as_str().unwrap())
        .collect();
    assert_eq!(files, FILES.map(|name| format!("here/{name}")));
}

/// SIGINT in the middle, then the same command: the same files as without.
#[test]
fn interrupted_and_given_again_equals_undisturbed() {
    let long: &[&str] = &[
        SMALL,
        &[
            "--epochs",
            "25",
            "--patience",
            "25",
            "--units",
            "8",
            "--refit_every",
            "4",
            "--threads",
            "1",
        ],
    ]
    .concat();
    // flags are given once
    let mut arguments: Vec<&str> = Vec::new();
    for pair in long[1..].chunks(2) {
        match arguments.iter().position(|name| *name == pair[0]) {
            Some(place) => arguments[place + 1] = pair[1],
            None => arguments.extend(pair),
        }
    }
    arguments.insert(0, "backtest");

    let disturbed = desk(480);
    let mut child = disturbed
        .command(&arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    // the first fold is kept by then, the second about to be
    assert!(lines.any(|line| line.starts_with("2 of 10 folds")));
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let folders = unfinished(&disturbed);
    assert_eq!(folders.len(), 1);
    let kept = std::fs::read_dir(&folders[0]).unwrap().count();
    assert!((1..10).contains(&kept), "{kept}");
    let kept_as = match kept {
        1 => "1 fold is".to_owned(),
        n => format!("{n} folds are"),
    };
    let folder = folders[0].file_name().unwrap().to_str().unwrap();
    assert_eq!(
        rest[rest.len() - 2..],
        [
            format!("stopped: {kept_as} kept in `senti-output/{folder}`"),
            "hint: run the same command again to go on".to_owned()
        ]
    );
    for file in FILES {
        assert!(
            !disturbed.path("senti-output").join(file).exists(),
            "nothing half done"
        );
    }

    let again = disturbed.run(&arguments);
    assert_eq!(again.code, Some(0), "{}", again.err);
    assert!(
        again
            .err
            .contains("this very backtest was interrupted before: "),
        "{}",
        again.err
    );
    assert!(
        unfinished(&disturbed).is_empty(),
        "a finished backtest keeps no folds"
    );

    let other = desk(480);
    let undisturbed = other.run(&arguments);
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.err);
    assert_eq!(undisturbed.out, again.out);
    for file in FILES {
        let bytes = |desk: &Desk| std::fs::read(desk.path("senti-output").join(file)).unwrap();
        assert!(bytes(&disturbed) == bytes(&other), "{file} differs");
    }
}
