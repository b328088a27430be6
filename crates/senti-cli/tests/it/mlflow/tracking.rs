//! Tracking, from the outside: the real binary logs to real servers, and Python's own client says what arrived. Troubles are made by a proxy
//! before the real server. What a server must show is compared with what the command itself left on disk.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use senti_io::mlflow::journal::{Entry, Head, Journal, Line};
use senti_io::mlflow::record::{Experiment, Metric, Status, metric, param, run_id, tag};
use senti_io::mlflow::sender::Sender;
use senti_io::mlflow::{Api, Connection};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::server::{ADMIN, Options, Server, environment};
use crate::proxy::{Proxy, Trouble};
use crate::run::{Desk, Done, prices};

/// A small training of three epochs, none of which stops early.
const TRAIN: &[&str] = &[
    "train",
    "--data_path",
    "prices.csv",
    "--input_seq_length",
    "8",
    "--forecast_horizon",
    "3",
    "--units",
    "4",
    "--epochs",
    "3",
    "--batch_size",
    "64",
];

/// Servers on a busy machine are slow, those that ask for passwords above all: what should arrive gets its time.
const PATIENT: (&str, &str) = ("SENTI_TRACKING_WAIT", "120");

const BACKTEST: &[&str] = &[
    "backtest",
    "--data_path",
    "prices.csv",
    "--models",
    "basic,lstm,drift",
    "--origins",
    "40",
    "--refit_every",
    "20",
    "--input_seq_length",
    "8",
    "--forecast_horizon",
    "3",
    "--units",
    "4",
    "--epochs",
    "2",
    "--no_plot",
];

fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    desk
}

fn milliseconds() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64
}

#[track_caller]
fn done(desk: &Desk, arguments: &[&str]) -> Done {
    let mut command = desk.command(arguments);
    command.env(PATIENT.0, PATIENT.1);
    let done = desk.done(command.output().unwrap());
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
    done
}

/// The only run of an experiment.
#[track_caller]
fn only(server: &Server, experiment: &str) -> Value {
    let runs = server.witness(&["runs", experiment]);
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 1, "{runs:#?}");
    runs[0].clone()
}

/// The values of a metric, by its steps: each step once.
#[track_caller]
fn points(run: &Value, metric: &str) -> BTreeMap<i64, Value> {
    let history = run["history"][metric].as_array();
    let history = history.unwrap_or_else(|| panic!("no `{metric}` in {run:#}"));
    let mut points = BTreeMap::new();
    for point in history {
        let step = point["step"].as_i64().unwrap();
        let before = points.insert(step, point["value"].clone());
        assert!(before.is_none(), "step {step} of {metric} is there twice");
    }
    points
}

/// A column of `history.csv` as the command wrote it, by epoch.
fn history(desk: &Desk, column: &str) -> BTreeMap<i64, Value> {
    let text = std::fs::read_to_string(desk.path("senti-output/history.csv")).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let place = |name: &str| head.iter().position(|other| *other == name).unwrap();
    let (epoch, column) = (place("epoch"), place(column));
    lines
        .map(|line| {
            let value: f64 = line[column].parse().unwrap();
            (line[epoch].parse().unwrap(), json!(value))
        })
        .collect()
}

fn digest(path: &Path) -> Value {
    let bytes = std::fs::read(path).unwrap();
    let digest = Sha256::digest(&bytes);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    json!({ "bytes": bytes.len(), "sha256": digest })
}

/// Everything that a training left on disk is on the server, byte for byte and number for number.
#[track_caller]
fn check_training(desk: &Desk, run: &Value) {
    assert_eq!(run["status"], "FINISHED");
    for column in ["train_loss", "valid_loss", "learning_rate"] {
        let mut found = points(run, column);
        found.remove(&0);
        assert_eq!(found, history(desk, column), "{column}");
    }
    let text = std::fs::read_to_string(desk.path("senti-output/metrics.json")).unwrap();
    let metrics: Value = serde_json::from_str(&text).unwrap();
    for (of, prefix) in [("model", ""), ("naive", "naive_")] {
        for name in ["mae", "rmse", "crps", "coverage_90"] {
            let overall = &metrics[of]["overall"][name];
            assert!(overall.is_number(), "{metrics:#}");
            assert_eq!(
                &run["metrics"][format!("{prefix}{name}")],
                overall,
                "{name}"
            );
            for step in [1, 3] {
                let key = format!("h0{step}/{prefix}{name}");
                assert_eq!(
                    run["metrics"][&key],
                    metrics[of]["steps"][step - 1][name],
                    "{key}"
                );
            }
            let curve: Vec<Value> = points(run, &format!("by_step/{prefix}{name}"))
                .into_values()
                .collect();
            let steps = metrics[of]["steps"].as_array().unwrap();
            let wanted: Vec<Value> = steps.iter().map(|step| step[name].clone()).collect();
            assert_eq!(curve, wanted, "{name}");
        }
    }
    let mut files = 0;
    for entry in std::fs::read_dir(desk.path("senti-output"))
        .unwrap()
        .flatten()
    {
        let name = entry.file_name().into_string().unwrap();
        let picture = name.ends_with(".svg") || name.ends_with(".png");
        let place = if picture {
            format!("plots/{name}")
        } else {
            name
        };
        assert_eq!(run["artifacts"][&place], digest(&entry.path()), "{place}");
        files += 1;
    }
    assert!(files >= 6, "{files} files");
    assert_eq!(
        run["artifacts"].as_object().unwrap().len(),
        files + 1,
        "and config.json"
    );
}

#[track_caller]
fn check_nothing_waits(desk: &Desk) {
    let waiting: Vec<_> = desk
        .tree("senti-models/.mlflow")
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    assert!(waiting.is_empty(), "{waiting:?}");
}

#[test]
fn a_training_is_what_python_sees() {
    for server in Server::all() {
        let desk = desk();
        let before = milliseconds();
        let experiment = "tracking: a training";
        let url = server.url();
        let options = [
            "--tracking_uri",
            &url,
            "--experiment_name",
            experiment,
            "--run_name",
            "first “run”",
        ];
        let mut command = desk.command(&[TRAIN, &options].concat());
        command.env("USER", "somebody").env(PATIENT.0, PATIENT.1);
        let done = desk.done(command.output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.err);
        let after = milliseconds();

        let run = only(server, experiment);
        check_training(&desk, &run);
        check_nothing_waits(&desk);
        assert_eq!(run["name"], "first “run”");
        let place = format!(
            "{url}/#/experiments/{}/runs/{}",
            run["experiment_id"].as_str().unwrap(),
            run["run_id"].as_str().unwrap()
        );
        assert!(done.err.contains(&place), "{}", done.err);
        let time = |value: &Value| value.as_i64().unwrap();
        assert!(before <= time(&run["start_time"]) && time(&run["end_time"]) <= after);
        let mut last = time(&run["start_time"]);
        for point in run["history"]["train_loss"].as_array().unwrap() {
            assert!(
                last <= time(&point["timestamp"])
                    && time(&point["timestamp"]) <= time(&run["end_time"])
            );
            last = time(&point["timestamp"]);
        }
        for (name, value) in [
            ("units", "4"),
            ("epochs", "3"),
            ("input_seq_length", "8"),
            ("forecast_horizon", "3"),
            ("learning_rate", "0.001"),
            ("model_type", "lstm"),
            ("seed", "42"),
        ] {
            assert_eq!(run["params"][name], value, "{name}");
        }
        assert!(run["params"]["train_windows"].is_string(), "{run:#}");
        let tags = &run["tags"];
        for (name, value) in [
            ("mlflow.user", "somebody"),
            ("mlflow.source.name", "senti-ai train"),
            ("mlflow.source.type", "LOCAL"),
            ("senti.model", "lstm/1"),
            ("senti.data.source", "prices.csv"),
        ] {
            assert_eq!(tags[name], value, "{name}");
        }
        let note = tags["mlflow.note.content"].as_str().unwrap();
        assert!(note.contains("naive") && note.contains("| mae |"), "{note}");
        let input = &run["inputs"][0];
        let whole = tags["senti.data.sha256"].as_str().unwrap();
        assert_eq!(
            (whole.len(), &whole[..32]),
            (64, input["digest"].as_str().unwrap())
        );
        assert_eq!(input["name"], "prices.csv");
        assert_eq!(input["tags"]["mlflow.data.context"], "training");
        let profile: Value = serde_json::from_str(input["profile"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&profile["num_rows"], &profile["first"]),
            (&json!(400), &json!("2020-01-01"))
        );
        let schema: Value = serde_json::from_str(input["schema"].as_str().unwrap()).unwrap();
        assert_eq!(schema["mlflow_colspec"][1]["name"], "open");
    }
}

/// Tracking changes no bit, and without an address there is nothing of it.
#[test]
fn a_model_is_the_same_with_and_without() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let (plain, tracked) = (desk(), desk());
    done(&plain, TRAIN);
    assert!(!plain.path("senti-models/.mlflow").exists());
    let url = server.url();
    done(
        &tracked,
        &[
            TRAIN,
            &[
                "--tracking_uri",
                &url,
                "--experiment_name",
                "tracking: bits",
                "--log_system_metrics",
            ],
        ]
        .concat(),
    );
    for file in ["weights.safetensors", "artifact.json"] {
        let read = |desk: &Desk| {
            std::fs::read(desk.path("senti-models/sentiai_model_lstm/1").join(file)).unwrap()
        };
        assert!(read(&plain) == read(&tracked), "{file}");
    }
    let run = only(server, "tracking: bits");
    if cfg!(target_os = "linux") {
        let share = points(&run, "system/cpu_utilization_percentage");
        assert!(
            share
                .values()
                .all(|value| (0.0..=100.0).contains(&value.as_f64().unwrap()))
        );
        assert!(
            run["metrics"]["system/system_memory_usage_megabytes"]
                .as_f64()
                .unwrap()
                > 1.0
        );
    }
}

#[test]
fn a_backtest_is_a_run_with_one_below_it_for_each_fold() {
    for server in Server::all() {
        let desk = desk();
        let url = server.url();
        let experiment = "tracking: a backtest";
        done(
            &desk,
            &[
                BACKTEST,
                &["--tracking_uri", &url, "--experiment_name", experiment],
            ]
            .concat(),
        );
        check_nothing_waits(&desk);
        let runs = server.witness(&["runs", experiment]);
        let runs = runs.as_array().unwrap();
        // two models that train, two folds each
        assert_eq!(runs.len(), 5, "{runs:#?}");
        let parent = runs
            .iter()
            .find(|run| run["name"].as_str().unwrap().starts_with("backtest-h3-"))
            .unwrap();
        let children: Vec<&Value> = runs
            .iter()
            .filter(|run| run["run_id"] != parent["run_id"])
            .collect();
        let mut below: Vec<&str> = parent["children"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| id.as_str().unwrap())
            .collect();
        let mut ids: Vec<&str> = children
            .iter()
            .map(|run| run["run_id"].as_str().unwrap())
            .collect();
        below.sort_unstable();
        ids.sort_unstable();
        assert_eq!(below, ids);
        assert!(runs.iter().all(|run| run["status"] == "FINISHED"));
        assert_eq!(parent["params"]["refit_every"], "20");
        assert_eq!(parent["params"]["models"], "basic,lstm,drift");
        assert!(parent["params"].get("model_type").is_none());

        let card = std::fs::read_to_string(desk.path("senti-output/report_card.json")).unwrap();
        let card: Value = serde_json::from_str(&card).unwrap();
        for model in card["models"].as_array().unwrap() {
            let name = model["model"].as_str().unwrap();
            for row in model["horizons"].as_array().unwrap() {
                let place = row["step"]
                    .as_u64()
                    .map_or("all".to_owned(), |step| format!("h{step:02}"));
                let found = &parent["metrics"][format!("{name}/{place}/mae_price")];
                assert_eq!(found, &row["point"]["mae_price"], "{name} {place}");
                let found = &parent["metrics"][format!("{name}/{place}/crps_log")];
                assert_eq!(found, &row["distribution"]["crps_log"], "{name} {place}");
            }
        }
        // the mean over equally long folds is the score of the whole
        let folds = std::fs::read_to_string(desk.path("senti-output/folds.csv")).unwrap();
        let origins: Vec<f64> = folds
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(4).unwrap().parse().unwrap())
            .collect();
        assert_eq!(origins, [20.0; 4]);
        for model in ["basic", "lstm"] {
            let of_model: Vec<&&Value> = children
                .iter()
                .filter(|run| run["params"]["model_type"] == model)
                .collect();
            assert_eq!(of_model.len(), 2);
            let mean = of_model
                .iter()
                .map(|run| run["metrics"]["mae"].as_f64().unwrap())
                .sum::<f64>()
                / 2.0;
            let whole = parent["metrics"][format!("{model}/all/mae_price")]
                .as_f64()
                .unwrap();
            assert!((mean / whole - 1.0).abs() < 1e-9, "{mean} {whole}");
            assert!(
                of_model
                    .iter()
                    .all(|run| run["metrics"]["naive_mae"].is_number())
            );
        }
        assert_eq!(
            parent["artifacts"]["backtest.csv"],
            digest(&desk.path("senti-output/backtest.csv"))
        );
    }
}

/// Nobody there: the model is saved, no time is lost, and what was kept is sent later, with the times of then.
#[test]
fn what_nobody_took_is_sent_later() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let proxy = Proxy::before(server);
    proxy.refuse();
    let desk = desk();
    let experiment = "tracking: later";
    let url = proxy.url();
    let start = Instant::now();
    let trained = done(
        &desk,
        &[
            TRAIN,
            &["--tracking_uri", &url, "--experiment_name", experiment],
        ]
        .concat(),
    );
    let took = start.elapsed();
    let plain = {
        let desk = self::desk();
        let start = Instant::now();
        done(&desk, TRAIN);
        start.elapsed()
    };
    assert!(
        took < plain + Duration::from_secs(5),
        "{took:?} with, {plain:?} without"
    );
    assert!(
        trained
            .err
            .contains("MLflow does not have all of run `lstm-h3-"),
        "{}",
        trained.err
    );
    assert!(
        trained.err.contains("`senti-ai models push` sends it"),
        "{}",
        trained.err
    );
    let ended = milliseconds();
    // the output folder is written anew, by another split, before anything is sent
    let first = digest(&desk.path("senti-output/predictions.csv"));
    done(&desk, &[TRAIN, &["--test_share", "0.2"]].concat());
    assert_ne!(first, digest(&desk.path("senti-output/predictions.csv")));

    let refused = desk.run(&["models", "push"]);
    assert_eq!(refused.code, Some(1), "{}", refused.out);
    assert!(
        refused.err.contains("error: 1 run not sent\ncause: "),
        "{}",
        refused.err
    );

    proxy.heal();
    // the answer to the first making of the run is lost: it is found again, not made twice
    proxy.rule("runs/create", 0, 1, Trouble::LoseAnswer);
    let lost = desk.run(&["models", "push"]);
    assert_eq!(lost.code, Some(1), "{}", lost.out);
    let pushed = done(&desk, &["models", "push"]);
    assert!(pushed.out.starts_with("sent lstm-h3-"), "{}", pushed.out);
    check_nothing_waits(&desk);
    let run = only(server, experiment);
    assert!(run["end_time"].as_i64().unwrap() <= ended);
    assert!(run["history"]["mae"][0]["timestamp"].as_i64().unwrap() <= ended);
    assert_eq!(run["artifacts"]["predictions.csv"], first);
    assert_eq!(points(&run, "train_loss").len(), 3);
    let again = done(&desk, &["models", "push"]);
    assert!(again.err.contains("nothing waits"), "{}", again.err);
}

/// Every kind of trouble costs a bounded time and no model; afterwards everything arrives once.
#[test]
fn troubles_cost_no_model() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let troubles: &[(&str, Trouble)] = &[
        ("401", Trouble::status(401)),
        ("403", Trouble::error(403, "PERMISSION_DENIED", "no")),
        ("500", Trouble::status(500)),
        ("429", Trouble::retry_after(429, "30")),
        ("slow", Trouble::Delay(Duration::from_secs(30))),
        ("cut request", Trouble::CutRequest),
        ("cut answer", Trouble::CutAnswer),
        ("lost answer", Trouble::LoseAnswer),
        (
            "no mlflow",
            Trouble::Answer(
                200,
                vec![("Content-Type", "text/html".into())],
                "<html>hello</html>".into(),
            ),
        ),
    ];
    for (name, trouble) in troubles {
        let proxy = Proxy::before(server);
        proxy.always(trouble.clone());
        let desk = desk();
        let experiment = format!("tracking: trouble {name}");
        let url = proxy.url();
        let options = [
            "--tracking_uri",
            &url,
            "--experiment_name",
            &experiment,
            "--tracking_wait",
            "2",
            "--no_plot",
        ];
        let start = Instant::now();
        let trained = done(&desk, &[TRAIN, &options].concat());
        let took = start.elapsed();
        assert!(took < Duration::from_secs(20), "{name}: {took:?}");
        assert!(
            desk.path("senti-models/sentiai_model_lstm/1/artifact.json")
                .exists()
        );
        assert!(
            trained.err.contains("MLflow does not have all of run"),
            "{name}: {}",
            trained.err
        );
        proxy.heal();
        done(&desk, &["models", "push"]);
        let run = only(server, &experiment);
        check_training(&desk, &run);
        check_nothing_waits(&desk);
    }
}

/// A server that wants a pause gets it, and then everything, while the command still runs.
#[test]
fn a_pause_that_is_asked_for_is_kept() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let proxy = Proxy::before(server);
    proxy.rule("runs/log-batch", 0, 2, Trouble::retry_after(429, "2"));
    proxy.rule("mlflow-artifacts", 1, 1, Trouble::retry_after(503, "1"));
    let desk = desk();
    let experiment = "tracking: a pause";
    let url = proxy.url();
    let start = Instant::now();
    done(
        &desk,
        &[
            TRAIN,
            &[
                "--tracking_uri",
                &url,
                "--experiment_name",
                experiment,
                "--no_plot",
                "--tracking_wait",
                "60",
            ],
        ]
        .concat(),
    );
    assert!(start.elapsed() > Duration::from_secs(5));
    check_training(&desk, &only(server, experiment));
    check_nothing_waits(&desk);
}

/// A training that goes on for long, started in the background; `lines` are those of its stderr.
fn begin(
    desk: &Desk,
    arguments: &[&str],
) -> (std::process::Child, impl Iterator<Item = String> + use<>) {
    let mut command = desk.command(arguments);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    (child, lines)
}

/// Enough epochs for something to happen meanwhile.
const LONG: &[&str] = &[
    "train",
    "--data_path",
    "prices.csv",
    "--input_seq_length",
    "8",
    "--forecast_horizon",
    "3",
    "--units",
    "16",
    "--epochs",
    "400",
    "--patience",
    "1000",
    "--no_plot",
];

#[test]
fn a_server_that_dies_on_the_way_gets_the_rest_later() {
    let Some(environment) = environment(3).or_else(|| environment(2)) else {
        return;
    };
    let server = Server::start(&environment, Options::default());
    let desk = desk();
    let (url, experiment) = (server.url(), "tracking: a death");
    let options = ["--tracking_uri", &url, "--experiment_name", experiment];
    let (mut child, mut lines) = begin(&desk, &[LONG, &options].concat());
    assert!(lines.any(|line| line.starts_with("epoch 60/")));
    server.kill();
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(0), "{rest:?}");
    let ended = milliseconds();
    assert!(
        rest.iter()
            .any(|line| line.contains("`senti-ai models push` sends it")),
        "{rest:?}"
    );
    server.restart();
    done(&desk, &["models", "push"]);
    let run = only(&server, experiment);
    check_training(&desk, &run);
    assert_eq!(points(&run, "train_loss").len(), 400);
    assert!(run["end_time"].as_i64().unwrap() <= ended);
    for point in run["history"]["valid_loss"].as_array().unwrap() {
        assert!(point["timestamp"].as_i64().unwrap() <= ended);
    }
    check_nothing_waits(&desk);
}

/// A process that is killed leaves a run that is ended by `models push`, and `--resume` goes on with the same one, each epoch once.
#[test]
fn a_killed_training_goes_on_in_the_same_run() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let proxy = Proxy::before(server);
    let desk = desk();
    let (url, experiment) = (proxy.url(), "tracking: a killed training");
    let options = [
        "--tracking_uri",
        &url,
        "--experiment_name",
        experiment,
        "--checkpoint_every",
        "7epochs",
    ];
    let (mut child, mut lines) = begin(&desk, &[LONG, &options].concat());
    assert!(lines.any(|line| line.starts_with("epoch 40/")));
    // what it says from now on stays on disk
    proxy.refuse();
    assert!(lines.any(|line| line.starts_with("epoch 60/")));
    child.kill().unwrap();
    child.wait().unwrap();
    proxy.heal();

    let pushed = done(&desk, &["models", "push"]);
    assert!(pushed.out.contains("kept for `--resume`"), "{}", pushed.out);
    let run = only(server, experiment);
    assert_eq!(run["status"], "KILLED");
    let known = points(&run, "train_loss").len();
    assert!(known >= 60, "{known}");
    let id = run["run_id"].clone();

    let resumed = done(&desk, &[LONG, &options, &["--resume"]].concat());
    assert!(
        resumed.err.contains("MLflow: going on with run"),
        "{}",
        resumed.err
    );
    let run = only(server, experiment);
    assert_eq!(run["run_id"], id);
    check_training(&desk, &run);
    assert_eq!(points(&run, "train_loss").len(), 400);
    check_nothing_waits(&desk);
}

/// Basic authentication: by variables, by the address, by the file; a wrong password costs no model. No secret is anywhere.
#[test]
fn no_secret_is_anywhere() {
    let Some(environment) = environment(3).or_else(|| environment(2)) else {
        return;
    };
    let server = Server::start(
        &environment,
        Options {
            auth: true,
            ..Options::default()
        },
    );
    let (name, word) = ADMIN;
    let (url, address) = (server.url(), format!("127.0.0.1:{}", server.port));
    let encoded = word.replace(' ', "%20");
    let with = format!("http://{name}:{encoded}@{address}");
    let wrong = format!("http://{name}:wr0ngSecret@{address}");
    let mut said = String::new();
    let desk = desk();
    let mut train = |experiment: &str, uri: &str, set: &[(&str, &str)], more: &[&str]| {
        let options = ["--experiment_name", experiment, "--no_plot"];
        let mut command = desk.command(&[TRAIN, &options, more].concat());
        command
            .env("MLFLOW_TRACKING_URI", uri)
            .env(PATIENT.0, PATIENT.1)
            .envs(set.iter().copied());
        let done = desk.done(command.output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.err);
        said += &(done.out.clone() + &done.err);
        done
    };
    // Python's client asks for each metric by itself, and a server that hashes passwords takes its time: it is asked whether the run is there
    let there = |done: &Done| {
        let id = done.err.split("/runs/").nth(1).unwrap_or_default();
        let id: String = id.chars().take(32).collect();
        assert_eq!(
            server.witness(&["children", &id]),
            json!([]),
            "{}",
            done.err
        );
    };
    let dotenv = format!("MLFLOW_TRACKING_USERNAME={name}\nMLFLOW_TRACKING_PASSWORD='{word}'\n");
    desk.file(".env", &dotenv);
    there(&train("tracking: by variables", &url, &[], &[]));
    std::fs::remove_file(desk.path(".env")).unwrap();
    there(&train("tracking: by address", &with, &[], &[]));
    std::fs::create_dir_all(desk.path("home/.mlflow")).unwrap();
    let text =
        format!("[mlflow]\nmlflow_tracking_username = {name}\nmlflow_tracking_password = {word}\n");
    desk.file("home/.mlflow/credentials", &text);
    let home = desk.path("home").display().to_string();
    there(&train("tracking: by file", &url, &[("HOME", &home)], &[]));
    check_nothing_waits(&desk);

    let refused = train("tracking: refused", &wrong, &[], &[]);
    assert!(refused.err.contains("status 401"), "{}", refused.err);
    let token = [("MLFLOW_TRACKING_TOKEN", "t0kenSecret")];
    train("tracking: refused", &url, &token, &[]);
    let config = train("tracking: refused", &wrong, &token, &["--show_config"]);
    assert!(config.out.contains(&url), "{}", config.out);
    let mut push = desk.command(&["models", "push"]);
    push.env("MLFLOW_TRACKING_URI", &wrong);
    let push = desk.done(push.output().unwrap());
    assert_eq!(push.code, Some(1), "{}", push.out);
    said += &(push.out + &push.err);

    std::fs::remove_file(desk.path("home/.mlflow/credentials")).unwrap();
    let secrets = [word, encoded.as_str(), "wr0ngSecret", "t0kenSecret"];
    let basic = |password: &str| base64(&format!("{name}:{password}"));
    let secrets = secrets
        .map(str::to_owned)
        .into_iter()
        .chain([basic(word), basic("wr0ngSecret")]);
    for secret in secrets {
        assert!(!said.contains(&secret), "{secret} in {said}");
        for (path, bytes) in desk.tree(".") {
            let found = bytes
                .windows(secret.len())
                .any(|window| window == secret.as_bytes());
            assert!(!found, "{secret} in {}", path.display());
        }
    }
    // with the right password, what was refused arrives
    let mut push = desk.command(&["models", "push", "--format", "json"]);
    push.env("MLFLOW_TRACKING_URI", &with);
    let push = desk.done(push.output().unwrap());
    assert_eq!(push.code, Some(0), "{}", push.err);
    let pushed: Value = serde_json::from_str(&push.out).unwrap();
    assert_eq!(pushed.as_array().unwrap().len(), 2);
    assert!(
        pushed
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["state"] == "sent")
    );
    check_nothing_waits(&desk);
}

/// RFC 4648, section 4.
fn base64(text: &str) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for chunk in text.as_bytes().chunks(3) {
        let byte = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for n in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * n) & 63) as usize] as char;
            encoded.push(if n <= chunk.len() { letter } else { '=' });
        }
    }
    encoded
}

/// A run that was begun elsewhere is gone on with, as Python's client does it.
#[test]
fn a_run_of_somebody_else_is_taken_up() {
    for server in Server::all() {
        let script = "import mlflow, sys\nmlflow.set_tracking_uri(sys.argv[1])\nmlflow.set_experiment('tracking: taken up')\n\
                      run = mlflow.MlflowClient().create_run(mlflow.get_experiment_by_name('tracking: taken up').experiment_id, run_name='theirs')\n\
                      print(run.info.run_id)\n";
        let desk = desk();
        desk.file("begin.py", script);
        let url = server.url();
        let begun = server.environment.python(desk.path("begin.py"), &[&url]);
        let id = String::from_utf8(begun.stdout)
            .unwrap()
            .lines()
            .last()
            .unwrap()
            .to_owned();
        let mut command = desk.command(&[TRAIN, &["--no_plot"]].concat());
        command
            .env("MLFLOW_TRACKING_URI", &url)
            .env("MLFLOW_RUN_ID", &id)
            .env(PATIENT.0, PATIENT.1);
        let done = desk.done(command.output().unwrap());
        assert_eq!(done.code, Some(0), "{}", done.err);
        let run = only(server, "tracking: taken up");
        assert_eq!(
            (&run["run_id"], &run["name"]),
            (&json!(id), &json!("theirs"))
        );
        check_training(&desk, &run);
    }
}

/// Names and values at the limits and beyond, and numbers that are none: nothing stops the rest, and what is cut says so.
#[test]
fn limits_are_kept() {
    for server in Server::all() {
        let folder = tempfile::tempdir().unwrap();
        let experiment = format!("tracking: {}", "ü".repeat(490));
        assert_eq!(experiment.chars().count(), 500);
        let url = server.url();
        let head = Head {
            format: 0,
            id: run_id(&["limits"]),
            key: "limits".into(),
            command: "train".into(),
            tracking_uri: url.clone(),
            experiment: Experiment {
                name: Some(experiment.clone()),
                id: None,
            },
        };
        let mut journal = Journal::create(folder.path(), head.clone()).unwrap();
        let mut say = |time: i64, entry: Entry| {
            let run = head.id.clone();
            journal.append(&Line { run, time, entry }).unwrap();
        };
        let begin = Entry::Begin {
            name: "n".repeat(250),
            parent: None,
            attach: None,
            tags: vec![tag("long", "é".repeat(9_000))],
        };
        say(1_000_000_000_000, begin);
        let mut params: Vec<_> = (0..250).map(|n| param(&format!("p{n}"), "")).collect();
        params.push(param("whole", "é".repeat(6_000)));
        params.push(param("cut", "é".repeat(6_001)));
        params.push(param(&"k".repeat(300), "1"));
        say(2, Entry::Params { params });
        let mut metrics: Vec<_> = (0..2_500)
            .map(|n| metric("many", f64::from(n) / 3.0, 5, n as usize))
            .collect();
        metrics.push(metric("mae (h=5) %", 1.0, 5, 0));
        metrics.push(metric("../up//and/./down", 2.0, 5, 0));
        metrics.push(metric("nan", f64::NAN, 5, 7));
        metrics.push(metric("most", f64::INFINITY, 5, 7));
        metrics.push(metric("least", f64::NEG_INFINITY, 5, 7));
        metrics.push(metric("tiny", 5e-324, -5, 7));
        // one that no server takes, past our own rules
        metrics.push(Metric {
            key: "no/../name?".into(),
            value: 3.0,
            timestamp: 5,
            step: 0,
        });
        metrics.push(metric("last", 0.1, 5, 0));
        say(3, Entry::Metrics { metrics });
        say(
            1_000_000_005_000,
            Entry::End {
                status: Status::Failed,
            },
        );

        let connection = Connection::open(&url, "url", &|_| None, None).unwrap();
        let api = Api::new(connection).unwrap();
        let mut sender = Sender::new(api.clone(), journal.folder(), head.clone(), true);
        sender
            .pass()
            .unwrap_or_else(|halt| panic!("{}", halt.error()));
        let refused = &sender.sent().refused;
        assert_eq!(refused.len(), 1, "{refused:?}");
        assert!(
            refused[0].starts_with("metric `no/../name?` is refused: "),
            "{refused:?}"
        );
        // everything once more, as if no answer had come
        std::fs::remove_file(journal.folder().join("sent.json")).unwrap();
        let mut sender = Sender::new(api, journal.folder(), head.clone(), false);
        sender
            .pass()
            .unwrap_or_else(|halt| panic!("{}", halt.error()));

        let run = only(server, &experiment);
        assert_eq!(run["status"], "FAILED");
        assert_eq!(
            (&run["start_time"], &run["end_time"]),
            (&json!(1_000_000_000_000_i64), &json!(1_000_000_005_000_i64))
        );
        let length = |value: &Value| value.as_str().unwrap().chars().count();
        let cut = run["params"]["cut"].as_str().unwrap();
        assert!(
            cut.ends_with(" … [cut, 6001 characters]") && cut.chars().count() == 6_000,
            "{cut}"
        );
        assert_eq!(length(&run["params"]["whole"]), 6_000);
        assert!(
            run["tags"]["long"]
                .as_str()
                .unwrap()
                .ends_with(" … [cut, 9000 characters]")
        );
        assert_eq!(run["params"]["p249"], "");
        assert_eq!(run["params"].as_object().unwrap().len(), 253);
        let many = points(&run, "many");
        assert_eq!((many.len(), &many[&2_000]), (2_500, &json!(2_000.0 / 3.0)));
        assert_eq!(run["metrics"]["mae _h_5_ p"], 1.0);
        assert_eq!(run["metrics"]["up/and/down"], 2.0);
        assert_eq!(run["metrics"]["nan"], "NaN");
        // SQLite keeps the largest number instead
        assert!(run["metrics"]["most"] == "Infinity" || run["metrics"]["most"] == json!(f64::MAX));
        assert!(
            run["metrics"]["least"] == "-Infinity" || run["metrics"]["least"] == json!(f64::MIN)
        );
        assert_eq!(run["metrics"]["tiny"], 5e-324);
        assert_eq!(run["metrics"]["last"], 0.1);
        assert_eq!(run["metrics"].as_object().unwrap().len(), 8);
    }
}

/// Files of an experiment that keeps them elsewhere: in a folder of this machine they are written there, otherwise it is said.
#[test]
fn files_go_where_the_server_says_or_it_is_told() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let desk = desk();
    let url = server.url();
    let here = desk.path("elsewhere").display().to_string();
    for (name, location) in [
        ("tracking: here", format!("file://{here}")),
        ("tracking: s3", "s3://bucket/x".into()),
    ] {
        let script = "import mlflow, sys\nmlflow.set_tracking_uri(sys.argv[1])\nmlflow.MlflowClient().create_experiment(sys.argv[2], artifact_location=sys.argv[3])\n";
        desk.file("make.py", script);
        let made = server
            .environment
            .python(desk.path("make.py"), &[&url, name, &location]);
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }
    std::fs::create_dir(desk.path("elsewhere")).unwrap();
    let options = |name| {
        [
            TRAIN,
            &[
                "--no_plot",
                "--tracking_uri",
                &url,
                "--experiment_name",
                name,
            ],
        ]
        .concat()
    };
    done(&desk, &options("tracking: here"));
    let run = only(server, "tracking: here");
    check_training(&desk, &run);
    assert!(
        run["artifact_uri"]
            .as_str()
            .unwrap()
            .contains("/elsewhere/"),
        "{run:#}"
    );

    let told = done(&desk, &options("tracking: s3"));
    assert!(
        told.err
            .contains("files are not logged: the experiment keeps them at `s3://bucket/x/"),
        "{}",
        told.err
    );
    check_nothing_waits(&desk);
}

fn interrupt(child: &std::process::Child) {
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
}

/// Ctrl-C: the run is ended as killed at once, and `--resume` goes on with it though the server had everything.
#[test]
fn an_interrupted_training_goes_on_in_the_same_run() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let desk = desk();
    let (url, experiment) = (server.url(), "tracking: interrupted");
    let options = ["--tracking_uri", &url, "--experiment_name", experiment];
    let (mut child, mut lines) = begin(&desk, &[LONG, &options].concat());
    assert!(lines.any(|line| line.starts_with("epoch 40/")));
    interrupt(&child);
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    // a server on a busy machine may need longer than such a command waits
    done(&desk, &["models", "push"]);
    let run = only(server, experiment);
    assert_eq!(run["status"], "KILLED");
    done(&desk, &[LONG, &options, &["--resume"]].concat());
    let resumed = only(server, experiment);
    assert_eq!(
        (&run["run_id"], &run["start_time"]),
        (&resumed["run_id"], &resumed["start_time"])
    );
    check_training(&desk, &resumed);
    assert_eq!(points(&resumed, "train_loss").len(), 400);
    check_nothing_waits(&desk);
}

/// A training that nobody was told of is interrupted; the run of the resumed one has all its epochs.
#[test]
fn a_run_that_begins_with_a_resumed_training_has_its_epochs() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let desk = desk();
    let (mut child, mut lines) = begin(&desk, LONG);
    assert!(lines.any(|line| line.starts_with("epoch 40/")));
    interrupt(&child);
    drop(lines.collect::<Vec<_>>());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (url, experiment) = (server.url(), "tracking: resumed");
    let options = ["--tracking_uri", &url, "--experiment_name", experiment];
    done(&desk, &[LONG, &options, &["--resume"]].concat());
    let run = only(server, experiment);
    assert_eq!(points(&run, "train_loss").len(), 400);
    check_nothing_waits(&desk);
}

/// Ctrl-C while only the server is waited for: everything is done, so it is no failure; what is left is kept.
#[test]
fn waiting_for_the_server_can_be_cut_short() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let proxy = Proxy::before(server);
    proxy.always(Trouble::Delay(Duration::from_secs(60)));
    let desk = desk();
    let url = proxy.url();
    let options = [
        "--tracking_uri",
        &url,
        "--experiment_name",
        "tracking: cut short",
        "--tracking_wait",
        "600",
        "--no_plot",
    ];
    let mut command = desk.command(&[TRAIN, &options].concat());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    // the last line of the result: what follows is waiting
    assert!(lines.any(|line| line.starts_with("files in ")));
    std::thread::sleep(Duration::from_millis(500));
    let start = Instant::now();
    interrupt(&child);
    let done = desk.done(child.wait_with_output().unwrap());
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("not waiting for MLflow any longer"),
        "{}",
        done.err
    );
    assert!(done.err.contains("the sending was stopped"), "{}", done.err);
    assert!(!desk.tree("senti-models/.mlflow").is_empty());
}

/// The server has every word of a run whose process was killed, but not that it ended: it is told once, with the time of the last word.
#[test]
fn a_run_without_a_last_word_is_ended_as_killed() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let desk = Desk::new();
    let (url, experiment) = (server.url(), "tracking: no last word");
    let id = run_id(&["no last word"]);
    let head = Head {
        format: 0,
        id: id.clone(),
        key: "no last word".into(),
        command: "backtest".into(),
        tracking_uri: url.clone(),
        experiment: Experiment {
            name: Some(experiment.into()),
            id: None,
        },
    };
    let root = desk.path("senti-models/.mlflow");
    let mut journal = Journal::create(&root, head.clone()).unwrap();
    let mut say = |run: &str, time: i64, entry: Entry| {
        let run = run.to_owned();
        journal.append(&Line { run, time, entry }).unwrap();
    };
    let begin = |name: &str, parent: Option<&str>| Entry::Begin {
        name: name.into(),
        parent: parent.map(str::to_owned),
        attach: None,
        tags: Vec::new(),
    };
    say(&id, 1_000, begin("above", None));
    say("child", 2_000, begin("below", Some(&id)));
    let metrics = vec![metric("valid_loss", 0.5, 3_000, 0)];
    say("child", 3_000, Entry::Metrics { metrics });
    let connection = Connection::open(&url, "url", &|_| None, None).unwrap();
    let api = Api::new(connection).unwrap();
    let mut sender = Sender::new(api, journal.folder(), head, true);
    sender
        .pass()
        .unwrap_or_else(|halt| panic!("{}", halt.error()));
    // whoever has the journal is at work on it
    let busy = done(&desk, &["models", "push"]);
    assert!(busy.out.starts_with("left "), "{}", busy.out);
    let before = server.witness(&["runs", experiment]);
    assert!(
        before
            .as_array()
            .unwrap()
            .iter()
            .all(|run| run["status"] == "RUNNING")
    );
    drop(journal);

    for _ in 0..2 {
        let pushed = done(&desk, &["models", "push"]);
        assert!(
            pushed
                .out
                .starts_with("sent above, kept for `--resume`: http"),
            "{}",
            pushed.out
        );
        let runs = server.witness(&["runs", experiment]);
        let runs = runs.as_array().unwrap();
        assert_eq!(runs.len(), 2);
        for run in runs {
            assert_eq!(
                (&run["status"], &run["end_time"]),
                (&json!("KILLED"), &json!(3_000))
            );
        }
        assert_eq!(runs[0]["children"], json!([runs[1]["run_id"]]));
    }
}
