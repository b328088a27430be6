//! The harness itself: servers come and go, the witness sees what was written, the proxy makes the trouble it is told to make.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::{ADMIN, LINES, Options, Server, environment};
use crate::proxy::{Proxy, Trouble};

/// A request and its whole answer: status and body. `None` where the connection ends before a whole one.
fn ask(port: u16, method: &str, path: &str, headers: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, text) = answer.split_once("\r\n\r\n")?;
    let wanted = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    if wanted.is_some_and(|wanted| wanted != text.len()) {
        return None;
    }
    Some((
        head.split_whitespace().nth(1)?.parse().ok()?,
        text.to_owned(),
    ))
}

fn post(port: u16, call: &str, body: Value) -> Option<(u16, Value)> {
    let (status, text) = ask(
        port,
        "POST",
        &format!("/api/2.0/mlflow/{call}"),
        "",
        &body.to_string(),
    )?;
    Some((status, serde_json::from_str(&text).unwrap_or(Value::Null)))
}

fn experiment(port: u16, name: &str) -> String {
    let (status, answer) = post(port, "experiments/create", json!({ "name": name })).unwrap();
    assert_eq!(status, 200, "{answer}");
    answer["experiment_id"].as_str().unwrap().to_owned()
}

#[test]
fn the_witness_sees_what_was_written() {
    for server in Server::all() {
        let id = experiment(server.port, "harness");
        let create = json!({ "experiment_id": id, "run_name": "first", "start_time": 1_000 });
        let (_, run) = post(server.port, "runs/create", create).unwrap();
        let run_id = run["run"]["info"]["run_id"].as_str().unwrap();
        let metric = |step: i64, value: Value| json!({"key": "loss", "value": value, "timestamp": 2_000 + step, "step": step});
        let batch = json!({
            "run_id": run_id,
            "params": [{"key": "units", "value": "4"}],
            "metrics": [metric(1, json!(0.5)), metric(2, json!(0.25)), metric(3, json!("NaN"))],
            "tags": [{"key": "odd", "value": "“é” 'q' \"q\""}],
        });
        assert_eq!(post(server.port, "runs/log-batch", batch).unwrap().0, 200);
        let place = run["run"]["info"]["artifact_uri"].as_str().unwrap();
        let place = place.strip_prefix("mlflow-artifacts:/").unwrap();
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/{place}/folder/text.txt");
        assert_eq!(ask(server.port, "PUT", &path, "", "hello").unwrap().0, 200);

        let seen = server.witness(&["run", run_id]);
        assert_eq!(seen["name"], "first");
        assert_eq!(seen["params"], json!({"units": "4"}));
        assert_eq!(seen["tags"]["odd"], "“é” 'q' \"q\"");
        let steps: Vec<_> = seen["history"]["loss"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["value"].clone())
            .collect();
        assert_eq!(steps, [json!(0.5), json!(0.25), json!("NaN")]);
        // printf hello | sha256sum
        let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(
            seen["artifacts"],
            json!({"folder/text.txt": {"bytes": 5, "sha256": sum}})
        );
        assert_eq!(seen["listed"], json!({"folder/text.txt": 5}));
        let versions = server.witness(&["versions"]);
        let line = format!("{}.", server.environment.line);
        assert!(
            versions["mlflow"].as_str().unwrap().starts_with(&line),
            "{versions}"
        );
    }
}

/// The shared servers must not be killed: this one is the test's own, and asks for a name, too.
#[test]
fn a_killed_server_is_gone_and_comes_back_with_its_files() {
    let Some(environment) = environment(LINES[0]) else {
        return;
    };
    let options = Options {
        auth: true,
        ..Options::default()
    };
    let server = Server::start(&environment, options);
    let list = "/api/2.0/mlflow/experiments/get-by-name?experiment_name=kept";
    assert_eq!(ask(server.port, "GET", list, "", "").unwrap().0, 401);
    // base64 of `admin:sentinel of a long password`, by Python's base64.b64encode
    assert_eq!(ADMIN, ("admin", "sentinel of a long password"));
    let name = "Authorization: Basic YWRtaW46c2VudGluZWwgb2YgYSBsb25nIHBhc3N3b3Jk\r\n";
    let body = json!({ "name": "kept" }).to_string();
    let made = ask(
        server.port,
        "POST",
        "/api/2.0/mlflow/experiments/create",
        name,
        &body,
    )
    .unwrap();
    assert_eq!(made.0, 200, "{}", made.1);
    server.kill();
    assert_eq!(ask(server.port, "GET", "/health", "", ""), None);
    server.restart();
    assert_eq!(ask(server.port, "GET", list, name, "").unwrap().0, 200);
    let (port, folder) = (server.port, server.folder().to_owned());
    drop(server);
    assert_eq!(ask(port, "GET", "/health", "", ""), None);
    assert!(!folder.exists());
}

#[test]
fn the_proxy_makes_the_trouble_it_is_told_to() {
    let Some(server) = Server::all().next() else {
        return;
    };
    let proxy = Proxy::before(server);
    let id = experiment(proxy.port, "proxied");
    let health = || ask(proxy.port, "GET", "/health", "", "");
    assert_eq!(health().unwrap().0, 200);

    for status in [401, 403, 500, 503] {
        proxy.next(1, Trouble::status(status));
        assert_eq!(health().unwrap().0, status);
    }
    proxy.next(2, Trouble::retry_after(429, "1"));
    assert_eq!(
        [health(), health(), health()].map(|answer| answer.unwrap().0),
        [429, 429, 200]
    );
    proxy.next(1, Trouble::Delay(Duration::from_millis(300)));
    let start = Instant::now();
    assert_eq!(health().unwrap().0, 200);
    assert!(start.elapsed() >= Duration::from_millis(300));
    proxy.next(1, Trouble::Trickle(Duration::from_millis(50)));
    let start = Instant::now();
    assert_eq!(health().unwrap(), (200, "OK".to_owned()));
    assert!(start.elapsed() >= Duration::from_millis(100));

    // What is lost on its way back was done; what is cut on its way there was not.
    let set = |value: &str| {
        post(
            proxy.port,
            "experiments/set-experiment-tag",
            json!({"experiment_id": id, "key": "note", "value": value}),
        )
    };
    let note = || {
        let seen = server.witness(&["experiments"]);
        let mut all = seen.as_array().unwrap().iter();
        all.find(|seen| seen["id"] == json!(id)).unwrap()["tags"]["note"].clone()
    };
    proxy.rule(
        "POST /api/2.0/mlflow/experiments/set",
        1,
        1,
        Trouble::CutRequest,
    );
    assert_eq!(set("first").unwrap().0, 200);
    assert_eq!(set("cut"), None);
    assert_eq!(note(), "first");
    for (trouble, value) in [(Trouble::CutAnswer, "half"), (Trouble::LoseAnswer, "lost")] {
        proxy.next(1, trouble);
        assert_eq!(set(value), None);
        assert_eq!(note(), value);
    }
    proxy.refuse();
    assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port)).is_err());
    proxy.always(Trouble::status(500));
    proxy.heal();
    assert_eq!(health().unwrap().0, 200);

    assert_eq!(proxy.count("/experiments/set-experiment-tag"), 4);
    let seen = proxy.seen();
    let last = seen
        .iter()
        .rev()
        .find(|seen| seen.method == "POST")
        .unwrap();
    assert!(last.text().contains("\"lost\""), "{last:?}");
    assert_eq!(last.status, None);
}
