//! `senti-ai fetch`, and commands that read a series, against a server that answers as the parties do.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::replay::{DAY, Deed, Replay, Said};
use crate::run::{Desk, Done, SMALL, check_golden};

const SERIES: &str = "binance:BTCUSDT:1d";
/// Days since the market of these tests opened, today not counted.
const DAYS: i64 = 420;

fn server() -> Replay {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = i64::try_from(now.as_secs()).unwrap();
    Replay::new(now, now.div_euclid(DAY) * DAY - DAYS * DAY)
}

/// With this server in the place of two parties, and a cache of its own.
fn command(desk: &Desk, replay: &Replay, arguments: &[&str]) -> Command {
    let mut command = desk.command(arguments);
    command
        .env("SENTI_BINANCE_URL", &replay.address)
        .env("SENTI_COINBASE_URL", &replay.address)
        .env("XDG_CACHE_HOME", desk.path("cache"));
    command
}

fn run(desk: &Desk, replay: &Replay, arguments: &[&str]) -> Done {
    desk.done(command(desk, replay, arguments).output().unwrap())
}

#[track_caller]
fn must(desk: &Desk, replay: &Replay, arguments: &[&str]) -> Done {
    let done = run(desk, replay, arguments);
    assert_eq!(done.code, Some(0), "{}", done.err);
    done
}

fn document(done: &Done) -> serde_json::Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {}", done.out))
}

#[test]
fn a_file_is_made_and_goes_on() {
    let (desk, replay) = (Desk::new(), server());
    let done = must(&desk, &replay, &["fetch", SERIES]);
    let text = std::fs::read_to_string(desk.path("binance_BTCUSDT_1d.csv")).unwrap();
    assert_eq!(text.lines().count() as i64, 1 + DAYS);
    assert!(text.starts_with("date,open,high,low,close,volume\n"));
    assert!(
        done.out.contains("`close`, known when its candle is over"),
        "{}",
        done.out
    );
    assert!(
        done.err
            .contains("1 candle is not finished yet and is left out"),
        "{}",
        done.err
    );

    let again = must(&desk, &replay, &["fetch", SERIES, "--format", "json"]);
    let again = document(&again);
    assert_eq!((&again["new"], &again["rows"]), (&0.into(), &DAYS.into()));
    // what is in the file reads like any other
    must(&desk, &replay, &["inspect", "binance_BTCUSDT_1d.csv"]);
    // a folder, and a span
    let line = [
        "fetch",
        SERIES,
        "--output",
        "data",
        "--from",
        "2020-01-01",
        "--format",
        "json",
    ];
    let done = must(&desk, &replay, &line);
    assert_eq!(document(&done)["rows"], DAYS);
    assert!(desk.path("data/binance_BTCUSDT_1d.csv").exists());
    assert!(desk.tree("cache").is_empty());
}

#[test]
fn what_a_server_does_wrong_is_told() {
    let (desk, replay) = (Desk::new(), server());
    let told = r#"{"code":0,"msg":"Service unavailable from a restricted location"}"#;
    replay.does(|_, _, _| Deed::Say(Said::text("451 Unavailable", "application/json", told)));
    let line = ["fetch", SERIES];
    let done = run(&desk, &replay, &line);
    check_golden("fetch_blocked", &line, &desk, &done);
    assert_eq!(done.code, Some(1));

    replay.behaves();
    let line = ["fetch", "binance:BTCXYZ"];
    let done = run(&desk, &replay, &line);
    check_golden("fetch_unknown_symbol", &line, &desk, &done);
    assert_eq!(done.code, Some(1));
    assert!(desk.tree(".").is_empty());
}

#[test]
fn a_dead_server_costs_no_row() {
    let (desk, replay) = (Desk::new(), server());
    replay.does(|n, _, _| if n < 1 { Deed::Answer } else { Deed::Die });
    let line = [
        "fetch",
        "coinbase:BTC-USD:1d",
        "--output",
        "a.csv",
        "--from",
        "2023-01-01",
    ];
    // the first page of 300 days lies before the opening of the market
    let failed = run(&desk, &replay, &line);
    assert_eq!(failed.code, Some(1), "{}", failed.err);
    let replay = server();
    replay.does(|_, asked, _| match asked.contains("granularity=86400") {
        true => Deed::Answer,
        false => Deed::Die,
    });
    let done = must(&desk, &replay, &[&line[..], &["--format", "json"]].concat());
    assert_eq!(document(&done)["rows"], DAYS);
}

#[test]
fn a_second_source_is_compared() {
    let (desk, replay) = (Desk::new(), server());
    let check = "coinbase:BTC-USD:1d";
    let line = ["fetch", SERIES, "--check", check, "--format", "json"];
    let done = must(&desk, &replay, &line);
    let found = &document(&done)["check"];
    assert_eq!(
        (&found["common"], &found["median_difference"]),
        (&DAYS.into(), &0.0.into())
    );

    // the exchange tells another story
    let (desk, replay) = (Desk::new(), server());
    replay.does(|_, asked, said| {
        if !asked.starts_with("/products") {
            return Deed::Answer;
        }
        let mut rows: Vec<serde_json::Value> = serde_json::from_str(&said.body).unwrap();
        if let Some(row) = rows.get_mut(5) {
            for i in 1..5 {
                row[i] = (row[i].as_f64().unwrap() * 2.0).into();
            }
        }
        Deed::Say(Said::json(&rows.into()))
    });
    let done = run(&desk, &replay, &["fetch", SERIES, "--check", check]);
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(
        done.err.contains("by more than 5 %, the first on "),
        "{}",
        done.err
    );
    assert!(desk.path("binance_BTCUSDT_1d.csv").exists());
}

#[test]
fn a_series_is_trained_on_verified_and_forecast() {
    let (desk, replay) = (Desk::new(), server());
    let train = ["train", "--data_source", SERIES, "--no_plot"];
    let done = must(&desk, &replay, &[&train[..], SMALL].concat());
    assert!(
        done.err
            .contains("data: binance:BTCUSDT:1d, asked for by `--data_source`"),
        "{}",
        done.err
    );
    assert!(
        done.err
            .contains(&format!("{DAYS} new rows, {DAYS} up to ")),
        "{}",
        done.err
    );
    let manifest = desk.tree("senti-models").into_iter();
    let manifest =
        manifest.filter(|(path, _)| path.extension().is_some_and(|ending| ending == "json"));
    let texts: Vec<String> = manifest
        .map(|(_, bytes)| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    assert!(texts.iter().any(
        |text| text.contains("\"data_source\": \"binance:BTCUSDT:1d\"")
            || text.contains("\"data_source\":\"binance:BTCUSDT:1d\"")
    ));
    assert_eq!(desk.tree("cache/senti-ai/data").len(), 1);

    must(&desk, &replay, &["verify", "lstm"]);
    let predict = [
        "predict",
        "--data_source",
        SERIES,
        "--format",
        "json",
        "--version",
        "1",
    ];
    let online = must(&desk, &replay, &predict);
    assert_eq!(document(&online)["data"]["source"], SERIES);

    // a beginning is part of the record
    let from = std::fs::read_to_string(desk.tree("cache")[0].0.clone()).unwrap();
    let from = from.lines().nth(100).unwrap()[..10].to_owned();
    must(
        &desk,
        &replay,
        &[&train[..], SMALL, &["--from", &from]].concat(),
    );
    let verified = must(&desk, &replay, &["verify", "lstm/2"]);
    assert!(verified.out.contains("identical") || verified.err.contains("identical"));
    let shown = must(&desk, &replay, &["models", "show", "lstm/2"]);
    assert!(shown.out.contains(&from), "{}", shown.out);

    // nobody answers: that is an error, and `--offline` is the way out
    replay.does(|_, _, _| Deed::Die);
    let failed = run(&desk, &replay, &predict);
    assert_eq!(failed.code, Some(1));
    assert!(
        failed
            .err
            .contains("cannot bring binance:BTCUSDT:1d up to date"),
        "{}",
        failed.err
    );
    assert!(failed.err.contains("hint: `--offline`"), "{}", failed.err);
    let offline = must(&desk, &replay, &[&predict[..], &["--offline"]].concat());
    assert_eq!(
        document(&offline)["forecast"],
        document(&online)["forecast"]
    );
    must(&desk, &replay, &["inspect", SERIES, "--offline"]);
    let other = run(&desk, &replay, &["inspect", "binance:ETHUSDT", "--offline"]);
    assert_eq!(other.code, Some(1));
    assert!(
        other
            .err
            .contains("there are no rows of binance:ETHUSDT:1d"),
        "{}",
        other.err
    );
}

/// Ctrl-C between pages: what has come is kept.
#[cfg(unix)]
#[test]
fn an_interrupted_fetch_keeps_its_rows() {
    let (desk, replay) = (Desk::new(), server());
    replay.does(|n, _, _| {
        if n > 0 {
            std::thread::sleep(std::time::Duration::from_millis(1500));
        }
        Deed::Answer
    });
    let line = ["fetch", "binance:BTCUSDT:1h", "--output", "a.csv"];
    let mut command = command(&desk, &replay, &line);
    let child = command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while replay.asked().is_empty() && begun.elapsed().as_secs() < 30 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    let done = desk.done(child.wait_with_output().unwrap());
    assert_eq!(done.code, Some(130), "{}", done.err);
    assert!(
        done.err
            .contains("stopped: stopped after 2000 new rows, which are kept in `a.csv`")
            || done
                .err
                .contains("stopped: stopped after 1000 new rows, which are kept in `a.csv`"),
        "{}",
        done.err
    );
    assert!(
        std::fs::read_to_string(desk.path("a.csv"))
            .unwrap()
            .lines()
            .count()
            >= 1001
    );
}

#[test]
fn a_server_in_the_env_file_is_used() {
    let (desk, replay) = (Desk::new(), server());
    desk.file(".env", &format!("SENTI_BINANCE_URL={}\n", replay.address));
    let done = desk.run(&["fetch", SERIES, "--quiet"]);
    assert_eq!((done.code, done.err.as_str()), (Some(0), ""));
}
