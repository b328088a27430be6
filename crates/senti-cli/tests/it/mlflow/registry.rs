//! The registry of real MLflow servers from the outside: models go there and come back byte for byte, Python's own client sees them, its
//! pyfunc forecasts the same numbers, and troubles (a proxy's, a cache's, a person's) are told and mended.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::alike;
use super::server::{ADMIN, Options, Server, environment, free_port};
use crate::proxy::{Proxy, Trouble};
use crate::run::{Desk, Done, SMALL, prices};

/// A desk that speaks to a server, under a name that no other test takes.
struct Side {
    desk: Desk,
    url: String,
    name: &'static str,
    more: Vec<(&'static str, String)>,
}

impl Side {
    fn new(desk: Desk, url: impl Into<String>, name: &'static str) -> Self {
        Self {
            desk,
            url: url.into(),
            name,
            more: vec![
                ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0.02".into()),
                ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0.01".into()),
            ],
        }
    }

    /// An empty desk that speaks to the same server under the same name.
    fn other(&self) -> Self {
        let desk = Desk::new();
        std::fs::copy(self.desk.path("prices.csv"), desk.path("prices.csv")).unwrap();
        Self::new(desk, self.url.clone(), self.name)
    }

    fn with(mut self, name: &'static str, value: &str) -> Self {
        self.more.push((name, value.into()));
        self
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.desk.command(arguments);
        command
            .env("MLFLOW_REGISTRY_URI", &self.url)
            .env("MLFLOW_MODEL_NAME", self.name)
            .env("MLFLOW_EXPERIMENT_NAME", self.name)
            .env("XDG_CACHE_HOME", self.desk.path("cache").canonical())
            .env("HOME", self.desk.path("home"));
        command.envs(self.more.iter().map(|(name, value)| (name, value)));
        command
    }

    fn run(&self, line: &str) -> Done {
        let arguments: Vec<&str> = line.split(' ').collect();
        let output = self.command(&arguments).output().unwrap();
        self.desk.done(output)
    }

    /// Runs a command that must do.
    #[track_caller]
    fn ok(&self, line: &str) -> Done {
        let done = self.run(line);
        assert_eq!(done.code, Some(0), "{line}\n{}\n{}", done.out, done.err);
        done
    }

    /// Runs a command that must fail with this code; its stderr.
    #[track_caller]
    fn fails(&self, line: &str, code: i32) -> String {
        let done = self.run(line);
        assert_eq!(done.code, Some(code), "{line}\n{}\n{}", done.out, done.err);
        assert_eq!(done.out, "", "{line}");
        done.err
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        let done = self.ok(&format!("{line} --format json"));
        serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}\n{}", done.out))
    }

    /// `<name>_lstm`
    fn lstm(&self) -> String {
        format!("{}_lstm", self.name)
    }

    /// The folder that holds copies of versions of `lstm`.
    fn copies(&self) -> PathBuf {
        let models = self.desk.path("cache/senti-ai/models");
        let host = std::fs::read_dir(models).unwrap().next().unwrap().unwrap();
        host.path().join(self.lstm())
    }
}

/// A desk with a model that no other test has: the very same model has one run on a server, whatever it is registered as.
fn trained(seed: &str) -> Desk {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    let train = [
        "train",
        "--data_path",
        "prices.csv",
        "--no_plot",
        "--seed",
        seed,
    ];
    let done = desk.run(&[&train[..], SMALL].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    desk
}

trait Canonical {
    fn canonical(self) -> PathBuf;
}

impl Canonical for PathBuf {
    /// `XDG_CACHE_HOME` must be absolute, and a desk's path may lead through a link.
    fn canonical(self) -> PathBuf {
        std::fs::create_dir_all(&self).unwrap();
        self.canonicalize().unwrap()
    }
}

/// What a folder of a registry's version holds: its three files.
fn three(desk: &Desk, version: &str) -> Vec<Vec<u8>> {
    ["artifact.json", "weights.safetensors", "SHA256SUMS"]
        .map(|name| {
            let path = desk.path(&format!("senti-models/sentiai_model_lstm/{version}/{name}"));
            std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .into()
}

const PREDICT: &str = "predict --data_path prices.csv";

#[test]
fn a_model_goes_there_and_comes_back_byte_for_byte() {
    for server in Server::all() {
        let here = Side::new(trained("1"), server.url(), "there-and-back");
        let uri = format!("models:/{}/1", here.lstm());
        assert_eq!(
            here.ok("models push lstm").out,
            format!("pushed lstm/1 as {uri}\n")
        );
        // The very same model is registered once.
        assert_eq!(
            here.ok("models push lstm/1").out,
            format!("lstm/1 is there already, as {uri}\n")
        );

        // What Python sees.
        let seen = server.witness(&["model", &here.lstm()]);
        assert_eq!(seen["versions"].as_object().unwrap().len(), 1);
        assert_eq!(seen["tags"]["senti.model_type"], "lstm");
        assert!(seen["description"].as_str().unwrap().contains("senti-ai"));
        let version = &seen["versions"]["1"];
        assert_eq!(
            (&version["status"], &version["stage"]),
            (&json!("READY"), &json!("None"))
        );
        let tags = &version["tags"];
        let sums = std::fs::read(
            here.desk
                .path("senti-models/sentiai_model_lstm/1/SHA256SUMS"),
        );
        assert_eq!(tags["senti.sha256"], hex(&sums.unwrap()));
        let shown = here.json("models show lstm");
        assert_eq!(tags["senti.data.sha256"], shown["data"]["digest"]);
        assert_eq!(tags["senti.data.source"], shown["data"]["source"]);
        assert_eq!(tags["senti.code_version"], shown["code_version"]);
        let mae = &shown["scores"]["model"]["overall"]["mae"];
        assert_eq!(tags["senti.mae"], mae.to_string());
        assert!(version["description"].as_str().unwrap().starts_with("**"));

        // The run that it came from, and on MLflow 3 the logged model between the two.
        let run = server.witness(&["run", version["run_id"].as_str().unwrap()]);
        assert_eq!(run["status"], "FINISHED");
        assert_eq!(run["params"]["units"], "4");
        assert_eq!(&run["metrics"]["mae"], mae);
        assert_eq!(run["inputs"].as_array().unwrap().len(), 1);
        assert_eq!(run["tags"]["senti.sha256"], tags["senti.sha256"]);
        let logged = server.witness(&["logged-models", here.name]);
        let logged = logged.as_array().unwrap();
        let paths: Vec<&String> = match server.environment.line {
            3 => {
                assert_eq!(logged.len(), 1);
                let logged = &logged[0];
                assert_eq!(logged["status"], "READY");
                assert_eq!(logged["source_run_id"], run["run_id"]);
                assert_eq!(run["outputs"], json!([logged["model_id"]]));
                let id = logged["model_id"].as_str().unwrap();
                assert_eq!(version["source"], format!("models:/{id}"));
                let link: Value =
                    serde_json::from_str(logged["tags"]["mlflow.modelVersions"].as_str().unwrap())
                        .unwrap();
                assert_eq!(link, json!([{ "name": here.lstm(), "version": 1 }]));
                assert_eq!(logged["params"]["units"], "4");
                let metrics = logged["metrics"].as_array().unwrap();
                let found = metrics
                    .iter()
                    .find(|metric| metric["key"] == "mae")
                    .unwrap();
                assert_eq!(&found["value"], mae);
                logged["files"].as_object().unwrap().keys().collect()
            }
            _ => {
                assert!(logged.is_empty());
                let history = run["tags"]["mlflow.log-model.history"].as_str().unwrap();
                let history: Value = serde_json::from_str(history).unwrap();
                assert_eq!(history[0]["artifact_path"], "model");
                assert_eq!(history.as_array().unwrap().len(), 1);
                run["artifacts"].as_object().unwrap().keys().collect()
            }
        };
        let ends = [
            "MLmodel",
            "model.onnx",
            "senti/artifact.json",
            "senti/SHA256SUMS",
        ];
        for end in ends {
            assert!(
                paths.iter().any(|path| path.ends_with(end)),
                "{end} in {paths:?}"
            );
        }

        // Promoted, and pulled on a clean desk.
        let champion = format!("models:/{}@champion", here.lstm());
        assert_eq!(
            here.ok(&format!("models promote {uri}")).out,
            format!("`champion` is {uri} now\n")
        );
        here.ok("models promote lstm/1 --remote --stage Production --archive_existing_versions");
        let seen = server.witness(&["model", &here.lstm()]);
        assert_eq!(seen["aliases"], json!({ "champion": "1" }));
        assert_eq!(seen["versions"]["1"]["stage"], "Production");
        let clean = here.other();
        assert_eq!(
            clean.ok("models pull lstm@champion").out,
            format!("pulled {uri} as lstm/1\n")
        );
        assert_eq!(
            clean.ok("models pull lstm/Production").out,
            format!("{uri} is there already, as lstm/1\n")
        );
        assert!(three(&clean.desk, "1") == three(&here.desk, "1"));
        assert_eq!(clean.ok(PREDICT).out, here.ok(PREDICT).out);

        // From the registry itself, which registers nothing anywhere.
        let cached = here.other();
        for word in [
            &champion,
            &uri,
            &format!("models:/{}/production", here.lstm()),
        ] {
            let done = cached.ok(&format!("{PREDICT} --model {word}"));
            assert_eq!(done.out, here.ok(PREDICT).out);
            assert!(done.err.contains(&uri), "{}", done.err);
        }
        assert!(!cached.desk.path("senti-models").exists());
        let told = cached.json(&format!("{PREDICT} --model {champion}"));
        assert_eq!(told["model"]["uri"], uri);
        let seen = server.witness(&["model", &here.lstm()]);
        assert_eq!(seen["versions"].as_object().unwrap().len(), 1);

        // Listed and shown.
        let list = cached.ok("models list --remote").out;
        assert!(
            list.contains("champion, Production") && list.contains(&uri),
            "{list}"
        );
        let rows = cached.json("models list --remote");
        assert_eq!(rows[0]["entry"]["aliases"], json!(["champion"]));
        assert_eq!(rows[0]["facts"]["mae"], *mae);
        assert_eq!(rows[0]["facts"]["rows"], shown["data"]["rows"]);
        let remote = cached.json(&format!("models show {champion}"));
        for same in ["plan", "data", "scores", "files", "split"] {
            assert_eq!(remote[same], shown[same], "{same}");
        }

        // Deleting what an alias points at wants more than a word.
        let error = here.fails(&format!("models delete {champion}"), 2);
        assert!(error.contains("names no version"), "{error}");
        let error = here.fails(&format!("models delete {uri}"), 1);
        assert!(
            error.contains("`champion` points at") && error.contains("--force"),
            "{error}"
        );
        here.ok(&format!("models delete {uri} --force"));
        assert_eq!(
            server.witness(&["model", &here.lstm()])["versions"],
            json!({})
        );
        assert_eq!(here.ok("models list --remote").out, "");
        // The copy of a version that was deleted on the server is no longer taken.
        let error = cached.fails(&format!("{PREDICT} --model {uri}"), 1);
        assert!(error.contains("no model `there-and-back_lstm`"), "{error}");
        // And the local one is still there.
        here.ok(PREDICT);
    }
}

/// SHA-256 by the `sha2` crate, which is not what wrote it.
fn hex(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The last rows of `prices.csv` as a model's window: milliseconds, then its columns.
fn window(side: &Side, metadata: &Value) -> Vec<Vec<f64>> {
    let said = |key: &str| -> Value {
        let text = metadata[key]
            .as_str()
            .unwrap_or_else(|| panic!("{key} in {metadata}"));
        serde_json::from_str(text).unwrap()
    };
    let (rows, columns) = (said("senti.rows"), said("senti.columns"));
    let text = std::fs::read_to_string(side.desk.path("prices.csv")).unwrap();
    let mut lines = text.lines();
    let head: Vec<&str> = lines.next().unwrap().split(',').collect();
    let lines: Vec<&str> = lines.collect();
    let n = rows.as_u64().unwrap() as usize;
    let last = &lines[lines.len() - n..];
    let row = |line: &&str| {
        let cells: Vec<&str> = line.split(',').collect();
        let time: jiff::Timestamp = format!("{}T00:00:00Z", cells[0]).parse().unwrap();
        let columns = columns.as_array().unwrap().iter();
        let values = columns.map(|column| {
            let place = head.iter().position(|name| column == name).unwrap();
            cells[place].parse().unwrap()
        });
        std::iter::once(time.as_millisecond() as f64)
            .chain(values)
            .collect()
    };
    last.iter().map(row).collect()
}

/// `mlflow.pyfunc.load_model("models:/…@champion").predict(window)` on both lines, and on 3.x `mlflow models serve`.
#[test]
fn python_forecasts_the_same_from_the_registry() {
    for server in Server::all() {
        let here = Side::new(Desk::trained(), server.url(), "pyfunc");
        here.ok("models push lstm");
        let champion = format!("models:/{}@champion", here.lstm());
        here.ok("models promote lstm --remote");
        let metadata = &server.witness(&["flavors", &champion])["metadata"];
        let window = json!({ "window": [window(&here, metadata)] });
        here.desk.file("window.json", &window.to_string());
        let path = here.desk.path("window.json").canonicalize().unwrap();
        let said = server.witness(&["predict", &champion, &path.to_string_lossy()]);
        let ours = here.json(PREDICT);
        alike(&said, &ours);
        if server.environment.line == 3 {
            let served = Served::start(server, &champion);
            alike(
                &served.ask(&json!({ "inputs": window }))["predictions"],
                &ours,
            );
        }
    }
}

/// `mlflow models serve`, killed when it is dropped.
struct Served {
    child: Child,
    port: u16,
    _home: tempfile::TempDir,
}

impl Served {
    fn start(server: &Server, uri: &str) -> Self {
        use std::os::unix::process::CommandExt;
        let home = tempfile::tempdir().unwrap();
        let port = free_port();
        let log = std::fs::File::create(home.path().join("log")).unwrap();
        let mut command = server.environment.command("python", home.path());
        command
            .args([
                "-m",
                "mlflow",
                "models",
                "serve",
                "-m",
                uri,
                "--env-manager",
                "local",
            ])
            .args(["-h", "127.0.0.1", "-p", &port.to_string()])
            .env("MLFLOW_TRACKING_URI", server.url())
            .current_dir(home.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0);
        let mut served = Self {
            child: command.spawn().unwrap(),
            port,
            _home: home,
        };
        let begun = Instant::now();
        while served.request("GET /ping HTTP/1.1\r\n", "").is_none() {
            let ended = served.child.try_wait().unwrap().is_some();
            let log = std::fs::read_to_string(served._home.path().join("log"));
            assert!(
                !ended && begun.elapsed() < Duration::from_secs(120),
                "mlflow models serve does not answer: {log:?}"
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        served
    }

    fn request(&self, first: &str, body: &str) -> Option<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).ok()?;
        let length = body.len();
        let text = format!(
            "{first}Host: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }

    fn ask(&self, body: &Value) -> Value {
        let answer = self.request("POST /invocations HTTP/1.1\r\n", &body.to_string());
        serde_json::from_str(&answer.expect("an answer with status 200")).unwrap()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The whole group: it starts workers of its own.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// Whichever request is the one whose answer is lost (done, but unheard), pushing again ends with one version, one run, one logged model.
#[test]
fn a_push_that_was_interrupted_anywhere_is_mended_by_pushing_again() {
    for server in Server::all() {
        let proxy = Proxy::before(server);
        let name = "interrupted";
        // No second try within one push: what is mended is mended by the next one.
        let here =
            Side::new(trained("2"), proxy.url(), name).with("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");
        let mut pushes = 0;
        loop {
            // The next push gets one request further than the last one.
            proxy.heal();
            proxy.rule("", pushes, usize::MAX, Trouble::LoseAnswer);
            let done = here.run("models push lstm");
            if done.code == Some(0) {
                break;
            }
            assert!(
                done.err.contains("lstm/1 cannot be registered"),
                "{}",
                done.err
            );
            pushes += 1;
            assert!(pushes < 100, "{}", done.err);
        }
        assert!(pushes > 5, "only {pushes} requests");
        proxy.heal();
        let done = here.ok("models push lstm");
        assert!(done.out.contains("is there already"), "{}", done.out);
        let seen = server.witness(&["model", &here.lstm()]);
        assert_eq!(seen["versions"].as_object().unwrap().len(), 1, "{seen}");
        let runs = server.witness(&["runs", name]);
        assert_eq!(runs.as_array().unwrap().len(), 1);
        assert_eq!(runs[0]["status"], "FINISHED");
        // Nothing was told twice.
        let mae = &runs[0]["history"]["mae"];
        assert_eq!(mae.as_array().unwrap().len(), 1, "{mae}");
        let logged = server.witness(&["logged-models", name]);
        let logged = logged.as_array().unwrap();
        assert_eq!(logged.len(), usize::from(server.environment.line == 3));
        for logged in logged {
            assert_eq!(logged["status"], "READY");
            let links = logged["tags"]["mlflow.modelVersions"].as_str().unwrap();
            assert_eq!(
                serde_json::from_str::<Value>(links)
                    .unwrap()
                    .as_array()
                    .unwrap()
                    .len(),
                1
            );
        }
        let clean = here.other();
        clean.ok("models pull lstm");
        assert!(three(&clean.desk, "1") == three(&here.desk, "1"));
    }
}

#[test]
fn a_copy_is_fetched_once_and_serves_where_nobody_answers() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let proxy = Proxy::before(server);
    let here = Side::new(Desk::trained(), proxy.url(), "copies");
    here.ok("models push lstm");
    here.ok("models promote lstm --remote");
    let reader = here.other();
    let (uri, champion) = (
        format!("models:/{}/1", here.lstm()),
        format!("models:/{}@champion", here.lstm()),
    );
    let wanted = here.ok(PREDICT).out;
    let predict = |word: &str| format!("{PREDICT} --model {word}");
    let fetched = || proxy.count("artifacts/senti/") + proxy.count("model/senti/");

    proxy.forget();
    assert_eq!(reader.ok(&predict(&champion)).out, wanted);
    assert_eq!(fetched(), 3);
    assert_eq!(reader.ok(&predict(&champion)).out, wanted);
    assert_eq!(reader.ok(&predict(&uri)).out, wanted);
    assert_eq!(fetched(), 3, "fetched again");

    // Nobody answers: the number still works, and says so; an alias may mean another version by now.
    proxy.refuse();
    let done = reader.ok(&predict(&uri));
    assert_eq!(done.out, wanted);
    assert!(done.err.contains("in the cache is used"), "{}", done.err);
    let error = reader.fails(&predict(&champion), 1);
    assert!(
        error.contains(&format!("`{champion}` cannot be looked up")),
        "{error}"
    );
    assert!(
        error.contains("when it was last asked for, it was version 1"),
        "{error}"
    );
    let done = reader.ok(&format!("{} --offline", predict(&champion)));
    assert_eq!(done.out, wanted);
    assert!(done.err.contains("nobody was asked"), "{}", done.err);
    // What was never fetched cannot be had.
    let error = here.other().fails(&predict(&uri), 1);
    assert!(error.contains("nobody answers at"), "{error}");
    let error = here
        .other()
        .fails(&format!("{} --offline", predict(&uri)), 1);
    assert!(error.contains("there is no copy of"), "{error}");
    let error = reader.fails(
        &format!(
            "{} --offline",
            predict(&format!("models:/{}/2", here.lstm()))
        ),
        1,
    );
    assert!(error.contains("there is no copy of"), "{error}");

    // Torn, altered, or altered together with its checksums: recognised, told, and fetched again.
    proxy.heal();
    let copy = reader.copies().join("1");
    for (name, act) in [
        ("weights.safetensors", "cut"),
        ("weights.safetensors", "alter"),
        ("artifact.json", "remove"),
        ("SHA256SUMS", "alter"),
        ("origin.json", "cut"),
    ] {
        let path = copy.join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        match act {
            "remove" => std::fs::remove_file(&path).unwrap(),
            "cut" => std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap(),
            _ => {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
                std::fs::write(&path, bytes).unwrap();
            }
        }
        if name != "origin.json" {
            let error = reader.fails(&format!("{} --offline", predict(&uri)), 1);
            assert!(
                error.contains("the copy in the cache is damaged"),
                "{error}"
            );
        }
        let before = fetched();
        let done = reader.ok(&predict(&uri));
        assert_eq!(done.out, wanted);
        assert!(
            done.err.contains("it is fetched again"),
            "{name}: {}",
            done.err
        );
        assert_eq!(fetched(), before + 3);
        let done = reader.ok(&predict(&uri));
        assert!(!done.err.contains("fetched again"), "{}", done.err);
    }

    // What comes is looked at as well: other bytes, half of them, an error page.
    std::fs::remove_dir_all(&copy).unwrap();
    let bad = |trouble: Trouble, told: &str| {
        proxy.rule("senti/weights.safetensors", 0, usize::MAX, trouble);
        let error = reader.fails(&predict(&uri), 1);
        assert!(error.contains(told), "{error}");
        assert!(!copy.exists(), "kept");
        proxy.heal();
    };
    let weights = three(&here.desk, "1").swap_remove(1);
    bad(
        Trouble::Answer(200, Vec::new(), "x".repeat(weights.len())),
        "is damaged",
    );
    bad(
        Trouble::Answer(200, Vec::new(), "x".into()),
        "came with 1 bytes, wanted",
    );
    bad(Trouble::CutAnswer, "cannot be fetched");
    bad(Trouble::status(500), "status 500");
    // A trouble that passes is not even told.
    proxy.rule("senti/weights.safetensors", 0, 1, Trouble::CutAnswer);
    assert_eq!(reader.ok(&predict(&uri)).out, wanted);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    for server in Server::all() {
        let here = Side::new(Desk::trained(), server.url(), "absent");
        let name = here.lstm();
        let fails = |word: &str| here.fails(&format!("{PREDICT} --model {word}"), 1);
        let error = fails(&format!("models:/{name}@champion"));
        assert!(
            error.contains("no model `absent_lstm` in the MLflow registry"),
            "{error}"
        );
        assert!(error.contains("models list --remote"), "{error}");
        here.ok("models push lstm");
        let error = fails(&format!("models:/{name}@champion"));
        assert!(
            error.contains("`absent_lstm` has no alias `champion`"),
            "{error}"
        );
        assert!(
            error.contains("models promote models:/absent_lstm/N"),
            "{error}"
        );
        here.ok("models promote lstm --remote --alias challenger");
        let error = fails(&format!("models:/{name}@champion"));
        assert!(
            error.contains("there is `challenger` (version 1)"),
            "{error}"
        );
        let error = fails(&format!("models:/{name}/7"));
        assert!(
            error.contains("has no version 7") && error.contains("there is 1"),
            "{error}"
        );
        let error = fails(&format!("models:/{name}/Staging"));
        assert!(error.contains("no version in stage Staging"), "{error}");
        let error = here.fails("models promote lstm/7 --remote", 1);
        assert!(error.contains("has no version 7"), "{error}");
        let error = here.fails("models pull basic", 1);
        assert!(error.contains("no model `absent`"), "{error}");
        let error = here.fails("models push lstm/7", 1);
        assert!(
            error.contains("no model lstm/7 in `senti-models`, there is 1"),
            "{error}"
        );
    }
}

/// A model that another program registered.
#[test]
fn what_is_not_ours_is_told() {
    for server in Server::all() {
        let here = Side::new(Desk::trained(), server.url(), "foreign");
        let script = "
import mlflow
from mlflow import MlflowClient
mlflow.set_experiment('foreign')
client = MlflowClient()
with mlflow.start_run() as run:
    mlflow.log_text('flavors: {}', 'model/MLmodel')
client.create_registered_model('foreign_lstm')
client.create_model_version('foreign_lstm', run.info.artifact_uri + '/model', run.info.run_id)
";
        let home = tempfile::tempdir().unwrap();
        let mut command = server.environment.command("python", home.path());
        let output = command
            .args(["-c", script])
            .env("MLFLOW_TRACKING_URI", server.url())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let error = here.fails(&format!("{PREDICT} --model models:/foreign_lstm/1"), 1);
        assert!(
            error.contains("`models:/foreign_lstm/1` is no model of senti-ai: its package has no folder `senti/`"),
            "{error}"
        );
        let error = here.fails("models pull lstm", 1);
        assert!(error.contains("is no model of senti-ai"), "{error}");
        let list = here.ok("models list --remote").out;
        assert!(
            list.contains("unreadable: it was registered by another program"),
            "{list}"
        );
        // Ours becomes the next version beside it.
        let done = here.ok("models push lstm");
        assert_eq!(done.out, "pushed lstm/1 as models:/foreign_lstm/2\n");
    }
}

/// A registration that fails costs no model: it waits, and a push brings it, linked to the run that tracked the training.
#[test]
fn a_training_is_registered_now_or_later() {
    for server in Server::all() {
        let proxy = Proxy::before(server);
        let desk = Desk::new();
        desk.file("prices.csv", &prices(400));
        let here = Side::new(desk, proxy.url(), "train-register");
        let here = here.with("MLFLOW_TRACKING_URI", &proxy.url());
        let train = format!(
            "train --data_path prices.csv --no_plot --register {}",
            SMALL.join(" ")
        );
        proxy.refuse();
        let done = here.ok(&train);
        assert!(
            done.err
                .contains("`senti-ai models push` registers it later"),
            "{}",
            done.err
        );
        assert!(done.out.contains("model lstm/1"), "{}", done.out);
        assert!(
            here.desk
                .path("senti-models/sentiai_model_lstm/register_1.json")
                .is_file()
        );
        let error = here.fails_with_output("models push", 1);
        assert!(error.contains("not sent"), "{error}");
        proxy.heal();
        let done = here.ok("models push");
        assert!(
            done.out
                .contains("sent lstm/1: models:/train-register_lstm/1"),
            "{}",
            done.out
        );
        assert!(
            !here
                .desk
                .path("senti-models/sentiai_model_lstm/register_1.json")
                .exists()
        );
        here.ok("models push");
        // Now at once, a second model of another seed.
        let document = here.json(&format!("{train} --seed 7"));
        assert_eq!(document["registered"]["done"], true);
        let uri = "models:/train-register_lstm/2";
        assert_eq!(document["registered"]["entry"]["uri"], uri);
        // Each version comes from the run of its training, and no other run was made.
        let runs = server.witness(&["runs", here.name]);
        assert_eq!(runs.as_array().unwrap().len(), 2);
        let seen = server.witness(&["model", &here.lstm()]);
        for version in ["1", "2"] {
            let version = &seen["versions"][version];
            let run = server.witness(&["run", version["run_id"].as_str().unwrap()]);
            assert_eq!(run["tags"]["senti.sha256"], version["tags"]["senti.sha256"]);
            assert!(run["tags"].get("senti.pushed").is_none());
            assert_eq!(run["status"], "FINISHED");
        }
        assert_ne!(
            seen["versions"]["1"]["run_id"],
            seen["versions"]["2"]["run_id"]
        );
    }
}

impl Side {
    /// As [`Side::fails`], of a command that tells what it did of several things.
    #[track_caller]
    fn fails_with_output(&self, line: &str, code: i32) -> String {
        let done = self.run(line);
        assert_eq!(done.code, Some(code), "{line}\n{}\n{}", done.out, done.err);
        done.out + &done.err
    }
}

#[test]
fn who_may_not_is_told_and_no_secret_is() {
    let Some(environment) = environment(3) else {
        return;
    };
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let server = Server::start(&environment, options);
    let wrong = "a-wrong-password-of-tests";
    let sides = [
        Side::new(Desk::trained(), server.url(), "auth"),
        Side::new(Desk::trained(), server.url(), "auth")
            .with("MLFLOW_TRACKING_USERNAME", ADMIN.0)
            .with("MLFLOW_TRACKING_PASSWORD", wrong),
    ];
    for side in &sides {
        for line in [
            "models push lstm",
            "models list --remote",
            "models pull lstm",
        ] {
            let error = side.fails(line, 1);
            assert!(error.contains("status 401"), "{error}");
            assert!(error.contains("MLFLOW_TRACKING_USERNAME"), "{error}");
            assert!(!error.contains(wrong), "{error}");
        }
    }
    let right = Side::new(Desk::trained(), server.url(), "auth")
        .with("MLFLOW_TRACKING_USERNAME", ADMIN.0)
        .with("MLFLOW_TRACKING_PASSWORD", ADMIN.1);
    right.ok("models push lstm");
    let done = right.ok(&format!("{PREDICT} --model models:/auth_lstm/1"));
    assert!(!done.err.contains("sentinel"), "{}", done.err);
    // In the address, as some have it.
    let inside = server.url().replace(
        "http://",
        "http://admin:sentinel%20of%20a%20long%20password@",
    );
    let inside = Side::new(Desk::trained(), inside, "auth");
    let done = inside.ok("models pull lstm");
    assert!(done.out.contains("there already"), "{}", done.out);
    for side in [&right, &inside, &sides[1]] {
        for (path, bytes) in side.desk.tree(".") {
            let text = String::from_utf8_lossy(&bytes);
            for secret in ["sentinel of", "sentinel%20of", wrong] {
                assert!(!text.contains(secret), "{}", path.display());
            }
        }
    }
    // A copy is no way around: who may not look does not get it.
    let locked = Side::new(right.desk.copy(), server.url(), "auth");
    let error = locked.fails(&format!("{PREDICT} --model models:/auth_lstm/1"), 1);
    assert!(error.contains("status 401"), "{error}");
}
