//! `--join` from the outside: trained, forecast, verified and audited with other series, and the record that makes it repeatable.

use serde_json::Value;

use crate::run::{Desk, Done, SMALL, check_golden, prices};

/// Candles of 400 days from 2020-01-01 on, a stock index of weekdays and a month's prices.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    let day = |day: i64| {
        jiff::Timestamp::from_second(1_577_836_800 + 86_400 * day)
            .unwrap()
            .to_string()[..10]
            .to_owned()
    };
    let mut index = String::from("date,close\n");
    // 2020-01-01 was a Wednesday
    for n in (-30..400).filter(|n: &i64| !matches!((n + 2).rem_euclid(7), 5 | 6)) {
        index += &format!(
            "{},{}\n",
            day(n),
            9000 + (n * n * 37 + n * 11).rem_euclid(503)
        );
    }
    desk.file("nasdaq.csv", &index);
    let mut months = String::from("date,cpi\n");
    for (year, month) in [(2019, 10), (2019, 11), (2019, 12)]
        .into_iter()
        .chain((1..13).map(|month| (2020, month)))
    {
        months += &format!("{year}-{month:02}-01,{}\n", 250 + (month * 7) % 5);
    }
    desk.file("cpi.csv", &months);
    desk
}

const DATA: &[&str] = &["--data_path", "prices.csv"];
const JOINS: &[&str] = &["--join", "nasdaq.csv", "--join", "cpi.csv,lag=45d"];

fn run(desk: &Desk, command: &[&str], more: &[&[&str]]) -> Done {
    let done = desk.run(&[command, &more.concat()].concat());
    assert_eq!(
        done.code,
        Some(0),
        "{command:?}\n{}\n{}",
        done.out,
        done.err
    );
    done
}

#[test]
fn a_model_is_trained_forecast_and_verified_with_what_was_joined() {
    let desk = desk();
    let trained = run(&desk, &["train", "--no_plot"], &[DATA, SMALL, JOINS]);
    assert!(
        trained.err.contains("joined `nasdaq_close` `nasdaq_age`: 308 rows (day), known 16h15m after their time in America/New_York, us_stocks"),
        "{}",
        trained.err
    );
    assert!(
        trained
            .err
            .contains("joined `cpi` `cpi_age`: 15 rows (month), known 45d after"),
        "{}",
        trained.err
    );
    // nothing is said: the model's own
    let told = ["predict", "--format", "json"];
    let forecast = run(&desk, &told, &[DATA]);
    assert!(
        forecast
            .err
            .contains("joined is what the model was trained with"),
        "{}",
        forecast.err
    );
    let digest = |done: &Done| {
        let document: Value = serde_json::from_str(&done.out).unwrap();
        document["data"]["digest"].as_str().unwrap().to_owned()
    };
    // the same file under another path is read as the model's was
    std::fs::rename(desk.path("cpi.csv"), desk.path("new.csv")).unwrap();
    let moved = ["--join", "nasdaq.csv", "--join", "new.csv,name=cpi"];
    assert_eq!(
        digest(&run(&desk, &told, &[DATA, &moved])),
        digest(&forecast)
    );
    let done = desk.run(&[&told, DATA, &["--join", "nasdaq.csv"]].concat());
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains("the table has no column `cpi`"),
        "{}",
        done.err
    );
    std::fs::rename(desk.path("new.csv"), desk.path("cpi.csv")).unwrap();
    let verified = run(&desk, &["verify", "lstm"], &[]);
    assert!(verified.out.contains("identical"), "{}", verified.out);
}

#[test]
fn inspect_says_when_values_are_known() {
    let desk = desk();
    let done = run(
        &desk,
        &["inspect", "prices.csv", "--format", "json"],
        &[JOINS],
    );
    let document: Value = serde_json::from_str(&done.out).unwrap();
    let joined = &document["joined"];
    assert_eq!(joined[0]["zone"], "America/New_York");
    assert_eq!(
        joined[0]["join"],
        "nasdaq.csv,name=nasdaq,columns=close,lag=16h15m,zone=America/New_York,frequency=day,age=nasdaq_age"
    );
    assert_eq!(joined[1]["lag"], "45d");
    // the keys of a file are the flag's
    desk.file(
        "senti-ai.toml",
        "[[join]]\nfile = \"nasdaq.csv\"\n\n[[join]]\nfile = \"cpi.csv\"\nlag = \"45d\"\n",
    );
    let by_file = run(&desk, &["inspect", "prices.csv", "--format", "json"], &[]);
    assert_eq!(by_file.out, done.out);
    desk.file(
        "senti-ai.toml",
        "join = [\"nasdaq.csv\", \"cpi.csv,lag=45d\"]\n",
    );
    let by_texts = run(&desk, &["inspect", "prices.csv", "--format", "json"], &[]);
    assert_eq!(by_texts.out, done.out);
}

#[test]
fn an_audit_looks_at_what_was_joined() {
    let desk = desk();
    let quick = [
        "--model_type",
        "basic",
        "--input_seq_length",
        "8",
        "--forecast_horizon",
        "3",
        "--origins",
        "3",
        "--format",
        "json",
        "--quiet",
    ];
    let done = run(&desk, &["audit"], &[DATA, &quick, JOINS]);
    let document: Value = serde_json::from_str(&done.out).unwrap();
    let checks = document["checks"].as_array().unwrap();
    let check = checks
        .iter()
        .find(|check| check["name"] == "joins")
        .unwrap();
    assert_eq!(
        check["detail"],
        "4 columns of 2 joined files; with a probe that is published 5 rows late joined 6 times with other later publications, earlier rows the same"
    );
    let planted = document["planted"].as_array().unwrap();
    let late = planted
        .iter()
        .find(|plant| plant["name"] == "late_published")
        .unwrap();
    assert_eq!(late["by"]["name"], "joins");
    assert!(
        document["assumed"].to_string().contains("`cpi`"),
        "{}",
        document["assumed"]
    );
}

#[test]
fn joins_that_cannot_be_are_refused() {
    let desk = desk();
    for (name, line) in [
        ("join_missing", &["--join", "nasdak.csv"][..]),
        ("join_key_slip", &["--join", "nasdaq.csv,lagg=1d"]),
        ("join_lag_word", &["--join", "nasdaq.csv,lag=soon"]),
        (
            "join_twice",
            &["--join", "nasdaq.csv", "--join", "nasdaq.csv"],
        ),
    ] {
        let line = [&["inspect", "prices.csv"], line].concat();
        check_golden(name, &line, &desk, &desk.run(&line));
    }
    // an output never takes the place of a joined file
    std::fs::create_dir(desk.path("out")).unwrap();
    std::fs::rename(desk.path("cpi.csv"), desk.path("out/forecast.csv")).unwrap();
    let line = [
        &["train", "--output", "out", "--join", "out/forecast.csv"],
        DATA,
        SMALL,
    ]
    .concat();
    let done = desk.run(&line);
    assert_eq!(done.code, Some(1));
    assert!(
        done.err
            .contains("would replace the input `out/forecast.csv`"),
        "{}",
        done.err
    );
}
