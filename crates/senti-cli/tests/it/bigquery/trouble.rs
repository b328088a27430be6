//! Trouble between here and BigQuery: errors, cuts, limits, a wish to stop; and local copies, which avoid some of it.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::server::PROJECT;
use super::{Setting, check_same};
use crate::proxy::{Proxy, Trouble};

/// Pages of a table, and of a query.
const PAGE: &str = "/tables/raw/data";
const RESULTS: &str = "/queries/";
const JOBS: &str = "POST /bigquery/v2/projects/test-proj/jobs";

fn troubled(dataset: &'static str) -> Option<(Setting, Proxy)> {
    let mut setting = Setting::new(dataset)?;
    let proxy = Proxy::to(setting.emulator.port);
    setting.port = proxy.port;
    Some((setting, proxy))
}

fn json_answer(status: u16, body: &Value) -> Trouble {
    let headers = vec![("Content-Type", "application/json".to_owned())];
    Trouble::Answer(status, headers, body.to_string())
}

/// An error as BigQuery gives it: <https://cloud.google.com/bigquery/docs/error-messages>.
fn error(status: u16, reason: &str, message: &str) -> Trouble {
    let detail = json!({"domain": "global", "reason": reason, "message": message});
    json_answer(
        status,
        &json!({"error": {"code": status, "message": message, "errors": [detail]}}),
    )
}

#[test]
fn trouble_between_pages_that_passes_is_got_over() {
    let Some((setting, proxy)) = troubled("passing") else {
        return;
    };
    let wanted = setting.of_file();
    for trouble in [
        Trouble::status(500),
        Trouble::retry_after(429, "0"),
        Trouble::CutAnswer,
        Trouble::LoseAnswer,
        error(403, "rateLimitExceeded", "Exceeded rate limits"),
        error(503, "backendError", "Try again"),
    ] {
        proxy.heal();
        proxy.forget();
        proxy.rule(PAGE, 2, 1, trouble.clone());
        let (found, _) = setting.forecast(&["--bq_page_rows", "100", "--bq_cache", "off"]);
        check_same(&found, &wanted);
        assert_eq!(proxy.count(PAGE), 5, "{trouble:?}");
    }
    // the answer to a job's start is lost: it is not started twice under two names
    proxy.heal();
    proxy.forget();
    proxy.rule(JOBS, 1, 1, Trouble::LoseAnswer);
    let (found, _) = setting.forecast(&["--query", "SELECT * FROM raw"]);
    check_same(&found, &wanted);
    let ids: Vec<String> = proxy
        .seen()
        .iter()
        .filter(|seen| seen.method == "POST")
        .map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap())
        .map(|job| job["jobReference"]["jobId"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.len(), 3, "dry run, lost, again");
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[1], ids[2]);
}

#[test]
fn trouble_between_pages_that_stays_is_told() {
    let Some((setting, proxy)) = troubled("staying") else {
        return;
    };
    let arguments = ["--bq_page_rows", "100", "--bq_cache", "off"];
    let check = |trouble: Trouble, words: &[&str]| {
        proxy.heal();
        proxy.rule(PAGE, 1, usize::MAX, trouble);
        let done = setting.refused(1, &arguments, words);
        assert!(
            done.err
                .contains("cannot read the table `test-proj.staying.raw`"),
            "{}",
            done.err
        );
        assert!(
            !done.err.contains("wrote") && done.out.is_empty(),
            "{}{}",
            done.out,
            done.err
        );
    };
    check(
        Trouble::status(401),
        &["does not accept the credentials (401)", "gcloud auth"],
    );
    check(
        error(
            403,
            "accessDenied",
            "Access Denied: Table x: User does not have permission",
        ),
        &[
            "access denied",
            "roles/bigquery.dataViewer",
            "User does not have permission",
        ],
    );
    check(
        error(403, "quotaExceeded", "Quota exceeded: x"),
        &["a quota of `test-proj` is used up"],
    );
    check(
        error(404, "notFound", "Not found: Table x"),
        &["does not find it"],
    );
    check(Trouble::status(403), &["forbids it (403)"]);
    check(Trouble::status(404), &["does not find it"]);
    check(Trouble::retry_after(429, "600"), &["busy or failing (429)"]);
    check(
        Trouble::status(500),
        &["busy or failing (500)", "try again"],
    );
    check(
        json_answer(200, &json!([1, 2])),
        &["not with BigQuery's JSON", "[1,2]"],
    );
    check(
        Trouble::Answer(
            200,
            vec![("Content-Type", "text/html".into())],
            "<html>log in\u{1b}[31m".into(),
        ),
        &["not with BigQuery's JSON", "<html>log in"],
    );
    check(
        json_answer(200, &json!({"rows": []})),
        &["says no number of rows"],
    );
    check(
        json_answer(
            200,
            &json!({"totalRows": "400", "rows": [{"f": [{"v": "x"}]}]}),
        ),
        &["row 101 has 1 cells"],
    );
    check(
        json_answer(200, &json!({"totalRows": "400"})),
        &["100 rows came, 400 were announced"],
    );
    check(
        json_answer(200, &json!({"totalRows": "400", "pageToken": "1"})),
        &["the pages do not end"],
    );
    check(
        json_answer(200, &json!({"totalRows": "401", "rows": []})),
        &["changes from page to page"],
    );
    proxy.heal();
    proxy.refuse();
    setting.refused(1, &arguments, &["nobody answers at"]);
}

#[test]
fn a_query_that_would_read_too_much_is_not_run() {
    let Some((setting, proxy)) = troubled("too_much") else {
        return;
    };
    // as documented: the emulator always says 0 bytes
    let plan = |bytes: u64| {
        let query = json!({"statementType": "SELECT", "totalBytesProcessed": bytes.to_string()});
        let reference = json!({"projectId": PROJECT, "jobId": "x", "location": "US"});
        json_answer(
            200,
            &json!({"jobReference": reference, "status": {"state": "DONE"}, "statistics": {"query": query}}),
        )
    };
    proxy.rule(JOBS, 0, 1, plan(20 << 30));
    let query = ["--query", "SELECT * FROM raw"];
    setting.refused(
        1,
        &query,
        &[
            "the query reads 20 GiB",
            "at most 10 GiB may be billed",
            "--max_bytes_billed",
        ],
    );
    assert_eq!(proxy.count(JOBS), 1);
    proxy.heal();
    proxy.forget();
    proxy.rule(JOBS, 0, 1, plan(20 << 30));
    let (_, told) = setting.forecast(&[&query[..], &["--max_bytes_billed", "32GiB"]].concat());
    assert!(
        told.contains("reads 20 GiB; at most 32 GiB may be billed"),
        "{told}"
    );
    let seen = proxy.seen();
    let job = seen
        .iter()
        .filter(|seen| seen.method == "POST")
        .nth(1)
        .unwrap();
    let job: Value = serde_json::from_slice(&job.body).unwrap();
    let configuration = &job["configuration"];
    assert_eq!(
        configuration["query"]["maximumBytesBilled"],
        (32_u64 << 30).to_string()
    );
    assert_eq!(configuration["query"]["useLegacySql"], false);
    assert_eq!(configuration["dryRun"], false);
    // the limit is BigQuery's, too
    proxy.heal();
    let failed = json!({"reason": "bytesBilledLimitExceeded", "message": "Query exceeded limit for bytes billed: 1"});
    let body = json!({"jobReference": {"projectId": PROJECT, "jobId": "x"}, "status": {"state": "DONE", "errorResult": failed}});
    proxy.rule(JOBS, 1, 1, json_answer(200, &body));
    setting.refused(
        1,
        &query,
        &["it would bill more than is allowed", "--max_bytes_billed"],
    );
    // what the emulator says with status 200
    proxy.heal();
    let failed = json!([{"reason": "invalidQuery", "message": "Unrecognized name: x at [1:8]"}]);
    let body =
        json!({"jobComplete": true, "schema": {"fields": []}, "errors": failed, "totalRows": "0"});
    proxy.rule(RESULTS, 0, 1, json_answer(200, &body));
    setting.refused(1, &query, &["the query is wrong at line 1, column 8"]);
}

#[test]
fn ctrl_c_cancels_the_query() {
    let Some((setting, proxy)) = troubled("stopping") else {
        return;
    };
    proxy.rule(
        RESULTS,
        0,
        usize::MAX,
        json_answer(200, &json!({"jobComplete": false, "jobReference": {}})),
    );
    let mut command = setting.command(&["predict", "--query", "SELECT * FROM raw"]);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while proxy.count(RESULTS) < 3 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            proxy.seen()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let done = setting.desk.done(child.wait_with_output().unwrap());
    assert_eq!(done.code, Some(130), "{}", done.err);
    assert!(
        done.err.contains("the query was cancelled in BigQuery"),
        "{}",
        done.err
    );
    let seen = proxy.seen();
    let cancelled = seen
        .iter()
        .find(|seen| seen.path.contains("/cancel"))
        .unwrap();
    let job: Value = serde_json::from_slice(
        &seen
            .iter()
            .filter(|seen| seen.method == "POST")
            .nth(1)
            .unwrap()
            .body,
    )
    .unwrap();
    let id = job["jobReference"]["jobId"].as_str().unwrap();
    assert_eq!(cancelled.method, "POST");
    assert!(
        cancelled.path.contains(&format!("/jobs/{id}/cancel")),
        "{}",
        cancelled.path
    );
    assert_eq!(cancelled.status, Some(200));
}

#[test]
fn what_has_not_changed_is_read_from_the_copy() {
    let Some((setting, proxy)) = troubled("copies") else {
        return;
    };
    let wanted = setting.of_file();
    let read = |arguments: &[&str]| {
        proxy.forget();
        let (found, told) = setting.forecast(arguments);
        check_same(&found, &wanted);
        (proxy.count(PAGE) + proxy.count(RESULTS), told)
    };
    assert_eq!(read(&[]).0, 1);
    let (pages, told) = read(&[]);
    assert_eq!(pages, 0);
    assert!(
        told.contains("unchanged in BigQuery: 400 rows are read from the local copy"),
        "{told}"
    );
    assert_eq!(read(&["--bq_cache", "renew"]).0, 1);
    assert_eq!(read(&["--bq_cache", "off"]).0, 1);
    // another version of the table: the same rows under the same name, made anew
    setting.emulator.witness(&[
        "sql",
        "CREATE OR REPLACE TABLE copies.raw AS SELECT * FROM copies.raw",
    ]);
    assert_eq!(read(&[]).0, 1);
    assert_eq!(read(&[]).0, 0);
    // rows that still stream in change no version
    let about = json!({"type": "TABLE", "etag": "x", "lastModifiedTime": "1", "streamingBuffer": {"estimatedRows": "1"},
        "schema": {"fields": [{"name": "date", "type": "DATE"}]}});
    proxy.rule(
        "GET /bigquery/v2/projects/test-proj/datasets/copies/tables/raw",
        0,
        1,
        json_answer(200, &about),
    );
    proxy.forget();
    let done = setting.run(&["predict"]);
    assert_eq!(proxy.count(PAGE), 1, "{}", done.err);
    proxy.heal();

    // a query, whose tables the dry run names (the emulator does not)
    let query = "SELECT date, open, high, low, close, volume FROM raw";
    let plan = |kind: &str| {
        let table = json!({"projectId": PROJECT, "datasetId": "copies", "tableId": "raw"});
        let query =
            json!({"statementType": kind, "totalBytesProcessed": "1", "referencedTables": [table]});
        json_answer(
            200,
            &json!({"jobReference": {"projectId": PROJECT, "jobId": "x", "location": "US"}, "statistics": {"query": query}}),
        )
    };
    for wanted in [1, 0, 0] {
        proxy.heal();
        proxy.rule(JOBS, 0, 1, plan("SELECT"));
        assert_eq!(read(&["--query", query]).0, wanted);
    }
    // one whose rows may differ each time is never read from a copy
    let query = format!("{query} WHERE date < CURRENT_DATE()");
    for _ in 0..2 {
        proxy.heal();
        proxy.rule(JOBS, 0, 1, plan("SELECT"));
        assert_eq!(read(&["--query", &query]).0, 1);
    }

    // without anybody to ask; a damaged copy is no copy
    proxy.heal();
    read(&["--bq_cache", "renew"]);
    proxy.refuse();
    setting.refused(1, &[], &["nobody answers"]);
    let (found, _) = setting.forecast(&["--bq_cache", "only"]);
    check_same(&found, &wanted);
    let (found, _) = setting.forecast(&["--bq_cache", "only", "--query", &query]);
    check_same(&found, &wanted);
    setting.refused(
        1,
        &["--bq_cache", "only", "--table", "other"],
        &["no copy of the BigQuery table test-proj.copies.other"],
    );
    for (path, bytes) in setting.desk.tree("cache/senti-ai/bigquery") {
        std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
    setting.refused(1, &["--bq_cache", "only"], &["is damaged"]);
    proxy.heal();
    let (pages, told) = read(&[]);
    assert_eq!(pages, 1);
    assert!(told.contains("is damaged; it is not used"), "{told}");
    assert_eq!(read(&[]).0, 0);
}

#[test]
fn a_failed_load_writes_nothing_and_says_so() {
    let Some((setting, proxy)) = troubled("failing_loads") else {
        return;
    };
    let upload = "POST /upload/";
    let write = ["--write", "bigquery:failing_loads.forecasts"];
    for (trouble, words) in [
        (
            error(403, "accessDenied", "Access Denied"),
            "roles/bigquery.dataEditor",
        ),
        (Trouble::status(500), "busy or failing (500)"),
    ] {
        proxy.heal();
        proxy.rule(upload, 0, usize::MAX, trouble);
        setting.refused(
            1,
            &write,
            &[
                "cannot write the forecast into `test-proj.failing_loads.forecasts`",
                words,
            ],
        );
    }
    let tables = setting.emulator.witness(&[
        "sql",
        "SELECT table_name FROM failing_loads.INFORMATION_SCHEMA.TABLES ORDER BY 1",
    ]);
    assert_eq!(tables, json!([{"table_name": "raw"}]));
    // trouble that passes is got over, by the same job
    proxy.heal();
    proxy.forget();
    proxy.rule(upload, 0, 1, Trouble::status(503));
    let (made, _) = setting.forecast(&write);
    assert_eq!(made["written"]["rows"], 3);
    let seen = proxy.seen();
    let ids: Vec<&str> = seen
        .iter()
        .filter(|seen| seen.path.starts_with("/upload/"))
        .map(|seen| {
            let text = std::str::from_utf8(&seen.body).unwrap();
            let at = text.find("\"jobId\":\"").unwrap() + 9;
            &text[at..at + 38]
        })
        .collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ids[0], ids[1]);
}

/// A key that opens nothing, as Python's cryptography makes it: it is found, and an emulator never sees anything of it.
#[test]
fn an_emulator_never_sees_credentials() {
    let Some((setting, proxy)) = troubled("credentials") else {
        return;
    };
    let path = setting.desk.path("key.json").display().to_string();
    setting.emulator.witness(&["key", &path]);
    let mut command = setting.command(&[
        "predict",
        "--write",
        "bigquery:credentials.out",
        "--query",
        "SELECT * FROM raw",
    ]);
    command.env("GOOGLE_APPLICATION_CREDENTIALS", &path);
    let done = setting.desk.done(command.output().unwrap());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let seen = proxy.seen();
    assert!(seen.len() > 4);
    for seen in seen {
        assert!(
            !seen.headers.to_lowercase().contains("authorization"),
            "{seen:?}"
        );
    }
    // the project of the key is taken where none is said
    let mut command = setting
        .desk
        .command(&["predict", "--table", "credentials.raw"]);
    command.env("GOOGLE_APPLICATION_CREDENTIALS", &path);
    command.env(
        "BIGQUERY_EMULATOR_HOST",
        format!("http://127.0.0.1:{}", proxy.port),
    );
    let done = setting.desk.done(command.output().unwrap());
    assert!(
        done.err.contains("key-proj.credentials.raw"),
        "{}",
        done.err
    );
}
