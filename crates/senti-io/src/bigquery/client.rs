//! The calls of BigQuery's REST interface, and what a refusal means.
//!
//! In come paths, queries and documents; out goes what BigQuery said, or a [`Refusal`], which becomes an [`Error`] that a person can act
//! on. Shapes: <https://cloud.google.com/bigquery/docs/reference/rest>, reasons: <https://cloud.google.com/bigquery/docs/error-messages>.
//! An emulator is asked without credentials; credentials are sent to Google, by https, and to nobody else.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use senti::{Error, ErrorKind, Result};
use serde_json::Value;

use super::credentials::{self, Credentials, Scope};
use crate::http::address::{encode, query};
use crate::http::{Address, Call, Content, Http, Limits, Trouble, Trust};
use crate::watch::Watch;

/// Where BigQuery is.
const GOOGLE: &str = "https://bigquery.googleapis.com";

/// Tries of a call that BigQuery puts off with 403 and one of [`PASSING`]; other statuses are the business of [`crate::http`].
const TRIES: u32 = 4;

/// Reasons that pass.
const PASSING: &[&str] = &[
    "rateLimitExceeded",
    "jobRateLimitExceeded",
    "backendError",
    "internalError",
    "jobBackendError",
    "jobInternalError",
];

/// Somebody who can be asked.
#[derive(Clone)]
pub struct Client {
    http: Http,
    base: String,
    /// `BigQuery`, or the emulator with its address.
    pub(super) whom: String,
    credentials: Credentials,
    pub(super) project: String,
    pub(super) watch: Watch,
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Refusal {
    /// BigQuery said no.
    Said {
        /// Status, 404; 200 where a job failed.
        status: u16,
        /// `notFound`; empty where the answer was not BigQuery's.
        reason: String,
        /// In its words, on one line.
        message: String,
    },
    /// There is no answer.
    Silent(Trouble),
    /// It never came to asking.
    Unasked(Error),
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Silent(trouble)
    }
}

impl Refusal {
    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Said { status: 404, .. })
            || matches!(self, Self::Said { reason, .. } if reason == "notFound")
    }

    /// The job of this name is there already: an earlier try has arrived.
    pub(super) fn is_there_already(&self) -> bool {
        matches!(self, Self::Said { status: 409, .. })
    }

    /// The same may be asked again later.
    pub(super) fn passes(&self) -> bool {
        matches!(self, Self::Said { reason, .. } if PASSING.contains(&reason.as_str()))
    }
}

type Answered<T> = std::result::Result<T, Refusal>;

impl Client {
    /// Asks Google, or the emulator at this address. `project` is the one that jobs run in.
    pub fn open(
        project: &str,
        emulator: Option<&str>,
        scope: Scope,
        watch: &Watch,
    ) -> Result<Self> {
        let limits = Limits {
            // pages of results may be large
            most_bytes: 256 << 20,
            ..Limits::default()
        };
        let stop = watch.clone();
        let http =
            Http::new(limits, &Trust::default(), Vec::new())?.stopping(move || stop.stopped());
        let (base, whom, credentials) = match emulator {
            Some(text) => {
                let text = text.trim();
                let address = match text.contains("://") {
                    true => Address::parse(text),
                    false => Address::parse(&format!("http://{text}")),
                };
                let address = address.map_err(|error| {
                    error.within("`BIGQUERY_EMULATOR_HOST` (`--bq_emulator`) cannot be used")
                })?;
                let base = address.base().to_owned();
                let whom = format!("the BigQuery emulator at `{base}`");
                (base, whom, Credentials::Nobody)
            }
            None => {
                let whom = "BigQuery".to_owned();
                (GOOGLE.to_owned(), whom, Credentials::find(scope)?)
            }
        };
        Ok(Self {
            http,
            base,
            whom,
            credentials,
            project: project.to_owned(),
            watch: watch.clone(),
        })
    }

    /// For a last word after the user has asked to stop: a few seconds, one try.
    pub(super) fn farewell(&self) -> Self {
        let until = Instant::now() + Duration::from_secs(5);
        let http = self.http.clone().stopping(|| false).until(until);
        Self {
            http: http.limited(|limits| limits.tries = 1),
            watch: Watch::default(),
            ..self.clone()
        }
    }

    /// Asks for something below `projects/`.
    pub(super) fn get(&self, path: &str, pairs: &[(&str, &str)]) -> Answered<Value> {
        let url = format!("{}/bigquery/v2/projects/{path}{}", self.base, query(pairs));
        self.ask(&Call::get(url))
    }

    /// Posts a document below `projects/`. What is posted says itself which it is, so that a second arrival does nothing.
    pub(super) fn post(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        document: &Value,
    ) -> Answered<Value> {
        let url = format!("{}/bigquery/v2/projects/{path}{}", self.base, query(pairs));
        let bytes = document.to_string();
        self.ask(&Call::post(url).content(Content::Json(bytes.as_bytes())))
    }

    /// Uploads a job and its rows in one go.
    pub(super) fn upload(&self, job: &Value, rows: &[u8]) -> Answered<Value> {
        const EDGE: &str = "senti-ai-9c1f6d0e27b84a53";
        let url = format!(
            "{}/upload/bigquery/v2/projects/{}/jobs?uploadType=multipart",
            self.base,
            encode(&self.project)
        );
        let mut body = format!(
            "--{EDGE}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{job}\r\n--{EDGE}\r\nContent-Type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(rows);
        body.extend_from_slice(format!("\r\n--{EDGE}--\r\n").as_bytes());
        let call = Call::post(url)
            .header(
                "content-type",
                format!("multipart/related; boundary={EDGE}"),
            )
            .content(Content::Bytes(&body));
        self.ask(&call)
    }

    fn ask(&self, call: &Call<'_>) -> Answered<Value> {
        let mut tried = 0;
        loop {
            tried += 1;
            match self.ask_once(call) {
                Err(refusal) if refusal.passes() && tried < TRIES && !self.watch.stopped() => {
                    self.sleep(Duration::from_millis(500 << tried));
                }
                answered => return answered,
            }
        }
    }

    fn ask_once(&self, call: &Call<'_>) -> Answered<Value> {
        let headers = self.credentials.headers().map_err(Refusal::Unasked)?;
        if !headers.is_empty() && self.base != GOOGLE {
            let error = Error::internal("credentials were about to be sent to somebody else");
            return Err(Refusal::Unasked(error));
        }
        let mut call = call.clone();
        for (name, value) in &headers {
            call = call.header(name, value);
        }
        let answer = self.http.send(&call)?;
        let document: Option<Value> = serde_json::from_slice(&answer.body).ok();
        match document {
            Some(document) if answer.is_success() && document.is_object() => Ok(document),
            Some(document) if !answer.is_success() && document["error"].is_object() => {
                let error = &document["error"];
                let first = &error["errors"][0];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let message = match error["message"].as_str() {
                    Some(message) => message.to_owned(),
                    None => text(&first["message"]),
                };
                Err(Refusal::Said {
                    status: answer.status,
                    reason: text(&first["reason"]),
                    message: one_line(&message),
                })
            }
            _ => {
                let text = answer.text();
                let start: String = text.chars().take(80).collect();
                let what = match answer.is_success() {
                    true => "not with BigQuery's JSON",
                    false => "not in BigQuery's words",
                };
                Err(Refusal::Said {
                    status: answer.status,
                    reason: String::new(),
                    message: format!("it answers {what}: `{}`", one_line(&start)),
                })
            }
        }
    }

    /// Sleeps, but not through a wish to stop.
    pub(super) fn sleep(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end && !self.watch.stopped() {
            std::thread::sleep(Duration::from_millis(50).min(pause));
        }
    }

    /// A name for a job that no other job has.
    pub(super) fn new_job(&self) -> String {
        // the state is drawn anew each time; nothing that is computed depends on it
        let part = |n: u64| RandomState::new().hash_one((n, std::process::id()));
        format!("senti_{:016x}{:016x}", part(1), part(2))
    }

    /// A refusal for people. `what` was to be done: `read the table …`.
    pub(super) fn explain(&self, refusal: Refusal, what: &str) -> Error {
        let (status, reason, message) = match refusal {
            Refusal::Silent(trouble) => {
                return Error::from(trouble).within(format!("cannot {what}"));
            }
            Refusal::Unasked(error) => return error.within(format!("cannot {what}")),
            Refusal::Said {
                status,
                reason,
                message,
            } => (status, reason, message),
        };
        let whom = &self.whom;
        let project = &self.project;
        let said = |kind: ErrorKind, sentence: String, hint: String| {
            Error::new(kind, sentence)
                .because(message.clone())
                .hint(hint)
        };
        match reason.as_str() {
            "notFound" => said(
                ErrorKind::Input,
                format!("cannot {what}: {whom} does not find it"),
                "look for a slip in project, data set or table; elsewhere than in the US and the EU, `--bq_location` may be needed".into(),
            ),
            "accessDenied" => said(
                ErrorKind::Input,
                format!("cannot {what}: access denied"),
                format!("reading wants the role `roles/bigquery.dataViewer` on the table and, for queries, `roles/bigquery.jobUser` on `{project}`; writing wants `roles/bigquery.dataEditor`"),
            ),
            "invalidQuery" | "invalid" if place(&message).is_some() => {
                let (line, column) = place(&message).unwrap_or_default();
                said(
                    ErrorKind::Input,
                    format!("cannot {what}: the query is wrong at line {line}, column {column}"),
                    "correct `--query`; it is written in GoogleSQL".into(),
                )
            }
            "invalidQuery" => said(
                ErrorKind::Input,
                format!("cannot {what}: the query is wrong"),
                "correct `--query`; it is written in GoogleSQL".into(),
            ),
            "bytesBilledLimitExceeded" => said(
                ErrorKind::Plan,
                format!("cannot {what}: it would bill more than is allowed"),
                "read fewer columns or days, or raise `--max_bytes_billed`".into(),
            ),
            "quotaExceeded" => said(
                ErrorKind::Remote,
                format!("cannot {what}: a quota of `{project}` is used up"),
                "wait until it is renewed, or ask for more in the console of Google Cloud".into(),
            ),
            "billingNotEnabled" => said(
                ErrorKind::Input,
                format!("cannot {what}: `{project}` has no billing"),
                "enable it in the console of Google Cloud, or give another `--gcp_project`".into(),
            ),
            "stopped" => said(
                ErrorKind::Remote,
                format!("cannot {what}: the job was cancelled"),
                "try again".into(),
            ),
            "responseTooLarge" => said(
                ErrorKind::Plan,
                format!("cannot {what}: the result is too large"),
                "select fewer columns or rows".into(),
            ),
            _ if status == 401 => said(
                ErrorKind::Input,
                format!("cannot {what}: {whom} does not accept the credentials (401)"),
                credentials::HINT.into(),
            ),
            _ if status == 403 => said(
                ErrorKind::Input,
                format!("cannot {what}: {whom} forbids it (403)"),
                "look at the roles of whoever asks, and whether the BigQuery API is enabled in the project".into(),
            ),
            _ if status == 404 => said(
                ErrorKind::Input,
                format!("cannot {what}: {whom} does not find it"),
                "look for a slip in project, data set or table".into(),
            ),
            _ if status == 429 || status >= 500 || PASSING.contains(&reason.as_str()) => said(
                ErrorKind::Remote,
                format!("cannot {what}: {whom} is busy or failing ({status}{})", named(&reason)),
                "try again in a while".into(),
            ),
            _ => said(
                ErrorKind::Remote,
                format!("cannot {what}: {whom} refuses it ({status}{})", named(&reason)),
                "its words stand in the cause".into(),
            ),
        }
    }
}

fn named(reason: &str) -> String {
    match reason.is_empty() {
        true => String::new(),
        false => format!(", {reason}"),
    }
}

/// Failure of a job that has ended, if it has failed; also what an emulator says with status 200.
pub(super) fn failure(document: &Value) -> Option<Refusal> {
    let error = match &document["status"]["errorResult"] {
        Value::Null
            if document["schema"]["fields"]
                .as_array()
                .is_none_or(Vec::is_empty) =>
        {
            // a finished query without columns, and errors beside it
            document["errors"].get(0)?
        }
        Value::Null => return None,
        error => error,
    };
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    Some(Refusal::Said {
        status: 200,
        reason: text("reason").to_owned(),
        message: one_line(text("message")),
    })
}

/// Line and column that a message names, as `[3:17]` or `Line 3, Col: 17`.
fn place(message: &str) -> Option<(u32, u32)> {
    let pair = |text: &str, between: &str, end: &str| {
        let (line, rest) = text.split_once(between)?;
        let stop = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (column, after) = rest.split_at(stop);
        let found = (line.parse().ok()?, column.parse().ok()?);
        after.starts_with(end).then_some(found)
    };
    let bracket = message
        .match_indices('[')
        .find_map(|(at, _)| pair(&message[at + 1..], ":", "]"));
    let words = || {
        let at = message.find("Line ")?;
        pair(&message[at + 5..], ", Col: ", "")
    };
    bracket.or_else(words)
}

/// A message of somebody else on one line, without what a terminal would obey.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            // an escape sequence, to its last letter
            '\u{1b}' => drop(letters.find(|c| c.is_ascii_alphabetic())),
            c if c.is_control() || c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            c => out.push(c),
        }
    }
    let out = out.trim();
    match out.char_indices().nth(400) {
        Some((at, _)) => format!("{}…", &out[..at]),
        None => out.to_owned(),
    }
}

/// A number that BigQuery writes as text.
pub(super) fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_queries_are_found_in_messages() {
        // the first as BigQuery writes it, the second as bqemulator does
        assert_eq!(
            place("Syntax error: Unexpected identifier \"SELEC\" at [1:7]"),
            Some((1, 7))
        );
        assert_eq!(
            place("Required keyword missing. Line 2, Col: 12.  SELEC"),
            Some((2, 12))
        );
        assert_eq!(place("Not found: [dataset] at Line x"), None);
    }

    #[test]
    fn messages_of_others_are_tamed() {
        assert_eq!(one_line("a\n  b\u{1b}[4mFROM\u{1b}[0m ds"), "a bFROM ds");
        assert!(one_line(&"x".repeat(1000)).ends_with('…'));
    }

    #[test]
    fn an_emulator_gets_no_credentials() {
        let watch = Watch::default();
        let client =
            Client::open("p-1", Some("127.0.0.1:9050"), Scope::Jobs, &watch).expect("a client");
        assert_eq!(client.base, "http://127.0.0.1:9050");
        assert!(matches!(client.credentials, Credentials::Nobody));
    }

    #[test]
    fn a_failed_job_is_a_refusal_and_a_warning_beside_columns_is_none() {
        let failed = serde_json::json!({"status": {"errorResult": {"reason": "invalidQuery", "message": "x at [1:2]"}}});
        assert!(
            matches!(failure(&failed), Some(Refusal::Said { reason, .. }) if reason == "invalidQuery")
        );
        let quiet = serde_json::json!({"jobComplete": true, "errors": [{"reason": "invalidQuery", "message": "x"}], "schema": {"fields": []}});
        assert!(failure(&quiet).is_some());
        let fine = serde_json::json!({"jobComplete": true, "errors": [{"reason": "x"}], "schema": {"fields": [{"name": "a"}]}});
        assert!(failure(&fine).is_none());
        assert!(failure(&serde_json::json!({"status": {"state": "DONE"}})).is_none());
    }
}
