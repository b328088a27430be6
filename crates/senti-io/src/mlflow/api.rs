//! The calls of MLflow's REST interface that tracking and registry are made of, and what their answers mean.
//!
//! In come names and values; out goes what the server said, or a [`Refusal`]. Nothing is kept here and nothing is decided: when to
//! call, and what to do about a refusal, is the business of tracking and registry. Shapes of requests and answers are those of
//! <https://mlflow.org/docs/latest/rest-api.html>; what a server of 3.17 and of 2.22 really does was tried.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use senti::{Error, Result};
use serde_json::{Value, json};

use super::connection::Connection;
use crate::http::address::{encode, encode_path, query};
use crate::http::{Answer, Call, Content, Http, Trouble};

/// Most of each kind in one `log-batch`, and of all together.
pub const BATCH: Batch = Batch {
    metrics: 1000,
    params: 100,
    tags: 100,
    all: 1000,
    bytes: 900_000,
};

/// Pages of a list beyond which nobody means it; one holds up to a thousand items.
const MOST_PAGES: usize = 1_000;
/// Folders within folders of artifacts beyond which nobody means it.
const MOST_LEVELS: usize = 16;

/// Limits of one `log-batch`.
#[derive(Clone, Copy, Debug)]
pub struct Batch {
    /// Metrics.
    pub metrics: usize,
    /// Parameters.
    pub params: usize,
    /// Tags.
    pub tags: usize,
    /// All together.
    pub all: usize,
    /// Bytes of the request; a server takes 1 MB.
    pub bytes: usize,
}

/// Why a call was not done.
#[derive(Debug)]
pub enum Refusal {
    /// The server said no.
    Said {
        /// What was asked, `runs/create`.
        what: String,
        /// Address of the server, without secrets.
        whom: String,
        /// Status, 404.
        status: u16,
        /// MLflow's word for it, `RESOURCE_DOES_NOT_EXIST`; empty where the answer was not MLflow's.
        code: String,
        /// What the server says about it, without secrets.
        message: String,
    },
    /// There is no answer.
    Silent(Trouble),
}

/// What came of a call.
pub type Answered<T> = Result<T, Refusal>;

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Self {
        Self::Silent(trouble)
    }
}

impl Refusal {
    /// What was asked for is not there. A server that does not know the call at all says 404, too.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Said { status: 404, .. })
    }

    /// It is there already.
    pub fn is_there_already(&self) -> bool {
        matches!(self, Self::Said { code, .. } if code == "RESOURCE_ALREADY_EXISTS")
    }

    /// The same call may be done later: the server is away, busy or failing. Any other refusal stays.
    pub fn passes(&self) -> bool {
        match self {
            Self::Silent(_) => true,
            Self::Said { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
        }
    }

    /// Who asks is not known, or may not.
    pub fn is_forbidden(&self) -> bool {
        matches!(
            self,
            Self::Said {
                status: 401 | 403,
                ..
            }
        )
    }

    /// The end of the time given, or the user's wish.
    pub fn is_stopped(&self) -> bool {
        matches!(self, Self::Silent(trouble) if trouble.is_stopped())
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (what, whom, status, code, message) = match refusal {
            Refusal::Silent(trouble) => return trouble.into(),
            Refusal::Said {
                what,
                whom,
                status,
                code,
                message,
            } => (what, whom, status, code, message),
        };
        let word = if code.is_empty() {
            format!("status {status}")
        } else {
            format!("status {status}, {code}")
        };
        let why = if message.is_empty() {
            String::new()
        } else {
            format!(": {message}")
        };
        let sentence = match status {
            200..=299 => format!("MLflow at `{whom}` answers `{what}` oddly{why}"),
            _ => format!("MLflow at `{whom}` refuses `{what}` ({word}){why}"),
        };
        match status {
            401 => Error::remote(sentence).hint("set `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`"),
            403 if message.contains("Invalid Host header") => Error::remote(sentence)
                .hint("the server does not know itself by this name: start it with `mlflow server --allowed-hosts NAME`"),
            403 => Error::remote(sentence).hint("ask whoever keeps the server for the permission"),
            300..=399 => Error::remote(sentence).hint("give the address that the server redirects to, with `https://` if that is it"),
            429 | 503 => Error::remote(sentence).hint("the server is busy: try again later"),
            500..=599 => Error::remote(sentence).hint("look at the server's log, or try again later"),
            404 if code.is_empty() => Error::remote(sentence).hint("is this the address of an MLflow server?"),
            404 => Error::input(sentence),
            _ => Error::remote(sentence),
        }
    }
}

/// An MLflow server. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    http: Http,
    connection: Connection,
}

impl Api {
    /// To this server. Nothing is asked yet.
    pub fn new(connection: Connection) -> Result<Self> {
        let http = connection.http()?;
        Ok(Self { http, connection })
    }

    /// The same, which gives up when `stop` says so.
    #[must_use]
    pub fn stopping(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.http = self.http.stopping(stop);
        self
    }

    /// The same, which gives up at this moment.
    #[must_use]
    pub fn until(mut self, moment: Instant) -> Self {
        self.http = self.http.until(moment);
        self
    }

    /// The same with so many tries of each call.
    #[must_use]
    pub fn trying(mut self, tries: u32) -> Self {
        self.http = self.http.limited(|limits| limits.tries = tries);
        self
    }

    /// The server's address, without secrets.
    pub fn base(&self) -> &str {
        self.connection.base()
    }

    /// A text without this connection's secrets.
    pub fn redact(&self, text: &str) -> String {
        self.http.redact(text)
    }

    /// `GET /api/2.0/mlflow/<what>`.
    pub fn get(&self, what: &str, pairs: &[(&str, &str)]) -> Answered<Value> {
        let url = format!("{}/api/2.0/mlflow/{what}{}", self.base(), query(pairs));
        self.ask(what, Call::get(url))
    }

    /// `POST /api/2.0/mlflow/<what>`, of something that does no harm when it is done twice.
    pub fn post(&self, what: &str, body: &Value) -> Answered<Value> {
        let (url, bytes) = (self.at(what), body.to_string());
        self.ask(
            what,
            Call::post(url).content(Content::Json(bytes.as_bytes())),
        )
    }

    /// The same of something that must not happen twice: it is not repeated where it may have happened.
    pub fn post_once(&self, what: &str, body: &Value) -> Answered<Value> {
        let (url, bytes) = (self.at(what), body.to_string());
        self.ask(
            what,
            Call::post(url)
                .content(Content::Json(bytes.as_bytes()))
                .once(),
        )
    }

    /// `PATCH /api/2.0/mlflow/<what>`.
    pub fn patch(&self, what: &str, body: &Value) -> Answered<Value> {
        let (url, bytes) = (self.at(what), body.to_string());
        self.ask(
            what,
            Call::patch(url).content(Content::Json(bytes.as_bytes())),
        )
    }

    /// `DELETE /api/2.0/mlflow/<what>`.
    pub fn delete(&self, what: &str, body: &Value) -> Answered<Value> {
        let (url, bytes) = (self.at(what), body.to_string());
        self.ask(
            what,
            Call::delete(url).content(Content::Json(bytes.as_bytes())),
        )
    }

    /// Every item of a list that comes in pages: `items` is its field in the answer. `body` has no `page_token`.
    pub fn all(&self, what: &str, body: &Value, items: &str) -> Answered<Vec<Value>> {
        let (mut body, mut found, mut pages) = (body.clone(), Vec::new(), 0);
        loop {
            let mut page = self.post(what, &body)?;
            if let Some(Value::Array(list)) = page.get_mut(items).map(Value::take) {
                found.extend(list);
            }
            match next_page(&page) {
                Some(token) => {
                    pages += 1;
                    self.ends(what, pages, body.get("page_token"), &token)?;
                    body["page_token"] = json!(token);
                }
                None => return Ok(found),
            }
        }
    }

    /// The same of a list that is asked for by `GET`.
    pub fn all_of(&self, what: &str, pairs: &[(&str, &str)], items: &str) -> Answered<Vec<Value>> {
        let (mut token, mut found, mut pages) = (None::<String>, Vec::new(), 0);
        loop {
            let mut pairs = pairs.to_vec();
            if let Some(token) = &token {
                pairs.push(("page_token", token));
            }
            let mut page = self.get(what, &pairs)?;
            if let Some(Value::Array(list)) = page.get_mut(items).map(Value::take) {
                found.extend(list);
            }
            let Some(next) = next_page(&page) else {
                return Ok(found);
            };
            pages += 1;
            self.ends(what, pages, token.map(Value::from).as_ref(), &next)?;
            token = Some(next);
        }
    }

    /// Refuses a list that would not end: its next page is the same one again, or there are more than anybody means.
    fn ends(&self, what: &str, pages: usize, token: Option<&Value>, next: &str) -> Answered<()> {
        match token.and_then(Value::as_str) == Some(next) || pages > MOST_PAGES {
            false => Ok(()),
            true => Err(self.odd_answer(what, format!("its pages do not end ({pages} so far)"))),
        }
    }

    /// A refusal of ours: the answer cannot be meant.
    pub(crate) fn odd_answer(&self, what: &str, message: String) -> Refusal {
        Refusal::Said {
            what: what.to_owned(),
            whom: self.base().to_owned(),
            status: 200,
            code: String::new(),
            message,
        }
    }

    /// Version of the server, `3.17.2`; the call that tells whether anybody is there.
    pub fn version(&self) -> Answered<String> {
        let answer = self
            .http
            .send(&self.signed(Call::get(format!("{}/version", self.base()))))?;
        match answer.is_success() {
            true => Ok(answer.text().trim().to_owned()),
            false => Err(self.refused("version", &answer)),
        }
    }

    /// The experiment of this name, made where it is not there; its number.
    pub fn experiment(&self, name: &str) -> Result<String> {
        let found = |api: &Self| api.get("experiments/get-by-name", &[("experiment_name", name)]);
        let answer = match found(self) {
            Err(refusal) if refusal.is_absent() && is_mlflows(&refusal) => {
                match self.post("experiments/create", &json!({ "name": name })) {
                    Ok(made) => {
                        return text_of(&made, "/experiment_id")
                            .ok_or_else(|| odd("experiments/create"));
                    }
                    // somebody was faster
                    Err(refusal) if refusal.is_there_already() => found(self)?,
                    Err(refusal) => return Err(refusal.into()),
                }
            }
            answer => answer?,
        };
        if text_of(&answer, "/experiment/lifecycle_stage").as_deref() == Some("deleted") {
            return Err(Error::input(format!("experiment `{name}` of `{}` is deleted", self.base()))
                .hint("restore it in MLflow (`mlflow experiments restore`), or give another `--experiment_name`"));
        }
        text_of(&answer, "/experiment/experiment_id").ok_or_else(|| odd("experiments/get-by-name"))
    }

    /// Puts a file among the artifacts, in place of an older one.
    pub fn upload(&self, root: &Root, path: &str, content: Content<'_>) -> Result<()> {
        match root {
            Root::Proxied(prefix) => Ok(self.put(prefix, path, content)?),
            Root::Here(folder) => write_here(&folder.join(path), content),
            Root::Elsewhere(uri) => Err(elsewhere(uri)),
        }
    }

    /// Puts a file among the artifacts that the server passes on: `prefix` is that of [`Root::Proxied`].
    pub fn put(&self, prefix: &str, path: &str, content: Content<'_>) -> Answered<()> {
        let url = self.artifact_url(prefix, path);
        let answer = self
            .http
            .send(&self.signed(Call::put(url).content(content)))?;
        match answer.is_success() {
            true => Ok(()),
            false => Err(self.refused(&format!("artifact {path}"), &answer)),
        }
    }

    /// Writes an artifact of at most `most` bytes to where `fresh` says; its bytes.
    pub fn download<W: Write>(
        &self,
        root: &Root,
        path: &str,
        most: u64,
        mut fresh: impl FnMut() -> std::io::Result<W>,
    ) -> Result<u64> {
        match root {
            Root::Proxied(prefix) => {
                let url = self.artifact_url(prefix, path);
                let (answer, written) = self
                    .http
                    .download(&self.signed(Call::get(url)).most(most), fresh)
                    .map_err(Error::from)?;
                match answer.is_success() {
                    true => Ok(written),
                    false => Err(self.refused(&format!("artifact {path}"), &answer).into()),
                }
            }
            Root::Here(folder) => {
                let path = folder.join(path);
                let copied = std::fs::File::open(&path)
                    .and_then(|mut file| std::io::copy(&mut file, &mut fresh()?));
                copied.map_err(|cause| {
                    Error::remote(format!("cannot copy `{}`", path.display())).because(cause)
                })
            }
            Root::Elsewhere(uri) => Err(elsewhere(uri)),
        }
    }

    /// Where artifacts lie, by an `artifact_uri` of an answer. A folder of this machine is believed of a server on this machine only: another
    /// one must not choose what is read and written here.
    pub fn root(&self, uri: &str) -> Root {
        match Root::of(uri) {
            Root::Here(_) if !crate::http::address::is_here(self.base()) => {
                Root::Elsewhere(uri.to_owned())
            }
            root => root,
        }
    }

    /// Every file under a folder of the artifacts, with its bytes where the server tells: paths as [`Api::download`] wants them.
    pub fn files(&self, root: &Root, folder: &str) -> Result<Vec<(String, Option<u64>)>> {
        let (mut files, mut folders) = (Vec::new(), vec![folder.trim_matches('/').to_owned()]);
        let mut looked = 0;
        while let Some(folder) = folders.pop() {
            looked += 1;
            if files.len() + folders.len() + looked > 10_000
                || folder.split('/').count() > MOST_LEVELS
            {
                return Err(Error::remote(format!(
                    "`{}` holds more than 10000 artifacts, or more than {MOST_LEVELS} folders within each other",
                    self.base()
                )));
            }
            for (name, is_folder, bytes) in self.within(root, &folder)? {
                let path = if folder.is_empty() {
                    name
                } else {
                    format!("{folder}/{name}")
                };
                match is_folder {
                    true => folders.push(path),
                    false => files.push((path, bytes)),
                }
            }
        }
        files.sort();
        Ok(files)
    }

    /// Names within one folder: (name, is a folder, bytes).
    fn within(&self, root: &Root, folder: &str) -> Result<Vec<(String, bool, Option<u64>)>> {
        match root {
            Root::Proxied(prefix) => {
                let path = format!("{prefix}/{folder}");
                let path = path.trim_matches('/');
                let url = format!(
                    "{}/api/2.0/mlflow-artifacts/artifacts?path={}",
                    self.base(),
                    encode(path)
                );
                let answer = self.ask("artifacts", Call::get(url))?;
                let list = answer.get("files").and_then(Value::as_array);
                let file = |file: &Value| {
                    let name = file.get("path")?.as_str()?;
                    // a server could name anything: a name is one segment, and no way up
                    let name = name
                        .rsplit('/')
                        .next()
                        .filter(|name| !matches!(*name, "" | "." | "..") && !name.contains('\\'))?;
                    let is_folder = file.get("is_dir").and_then(Value::as_bool).unwrap_or(false);
                    Some((
                        name.to_owned(),
                        is_folder,
                        file.get("file_size").and_then(number_of),
                    ))
                };
                Ok(list.into_iter().flatten().filter_map(file).collect())
            }
            Root::Here(place) => {
                let place = place.join(folder);
                let failed = |cause| {
                    Error::remote(format!("cannot read `{}`", place.display())).because(cause)
                };
                let mut names = Vec::new();
                for entry in std::fs::read_dir(&place).map_err(failed)? {
                    let entry = entry.map_err(failed)?;
                    let about = entry.metadata().map_err(failed)?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    names.push((name, about.is_dir(), Some(about.len())));
                }
                Ok(names)
            }
            Root::Elsewhere(uri) => Err(elsewhere(uri)),
        }
    }

    fn at(&self, what: &str) -> String {
        format!("{}/api/2.0/mlflow/{what}", self.base())
    }

    fn artifact_url(&self, prefix: &str, path: &str) -> String {
        let path = encode_path(&format!("{prefix}/{path}"));
        format!("{}/api/2.0/mlflow-artifacts/artifacts/{path}", self.base())
    }

    fn signed<'c>(&self, call: Call<'c>) -> Call<'c> {
        // where to ask, and as whom, is the user's to say: no redirection is followed
        self.connection
            .headers()
            .fold(call.stay(), |call, (name, value)| call.header(name, value))
    }

    fn ask(&self, what: &str, call: Call<'_>) -> Answered<Value> {
        let answer = self.http.send(&self.signed(call))?;
        if !answer.is_success() {
            return Err(self.refused(what, &answer));
        }
        if answer.body.is_empty() {
            return Ok(json!({}));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            let excerpt = self.excerpt(&answer);
            self.odd_answer(what, format!("the answer is no JSON: {excerpt}"))
        })
    }

    /// What the server says about a call that it did not do.
    fn refused(&self, what: &str, answer: &Answer) -> Refusal {
        let document = serde_json::from_slice::<Value>(&answer.body).ok();
        let word = |name: &str| {
            let value = document.as_ref()?.get(name)?;
            value.as_str().map(str::to_owned)
        };
        let message = match (word("message"), &answer.location) {
            (Some(message), _) => self.short(&message),
            (None, Some(place)) => format!(
                "it redirects to `{}`",
                crate::http::address::without_secrets(place)
            ),
            (None, None) => self.excerpt(answer),
        };
        Refusal::Said {
            what: what.to_owned(),
            whom: self.base().to_owned(),
            status: answer.status,
            code: word("error_code").unwrap_or_default(),
            message,
        }
    }

    /// The beginning of an answer that is not MLflow's, in one line.
    fn excerpt(&self, answer: &Answer) -> String {
        match answer.media_type.contains("html") {
            true => "an HTML page".to_owned(),
            false => self.short(&answer.text()),
        }
    }

    fn short(&self, text: &str) -> String {
        let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let line: String = line.chars().filter(|c| !c.is_control()).collect();
        let mut short: String = self.redact(&line).chars().take(300).collect();
        if short.len() < line.len() && line.chars().count() > 300 {
            short.push('…');
        }
        short
    }
}

/// Was it MLflow that said so, and not something else at that address?
fn is_mlflows(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Said { code, .. } if !code.is_empty())
}

/// Where artifacts lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// With the server, which passes them on: the path after `mlflow-artifacts:/`.
    Proxied(String),
    /// In a folder of this machine.
    Here(PathBuf),
    /// Somewhere that this program cannot write to: `s3://…`.
    Elsewhere(String),
}

impl Root {
    /// Reads an `artifact_uri` of an answer. A folder counts as one of this machine only where it is there, or the one that it would be
    /// made in.
    pub fn of(uri: &str) -> Self {
        if let Some(rest) = uri.strip_prefix("mlflow-artifacts:") {
            // `mlflow-artifacts://host:port/path` names the server once more
            let path = match rest.strip_prefix("//") {
                Some(rest) if !rest.starts_with('/') => {
                    rest.split_once('/').map_or("", |(_, path)| path)
                }
                _ => rest,
            };
            return Self::Proxied(path.trim_matches('/').to_owned());
        }
        let folder = match uri.split_once("://") {
            Some(("file", rest)) => rest.strip_prefix("localhost").unwrap_or(rest),
            Some(_) => return Self::Elsewhere(uri.to_owned()),
            None => uri.strip_prefix("file:").unwrap_or(uri),
        };
        let folder = PathBuf::from(folder);
        let there = folder.ancestors().take(4).any(Path::is_dir);
        match folder.is_absolute() && there {
            true => Self::Here(folder),
            false => Self::Elsewhere(uri.to_owned()),
        }
    }
}

fn elsewhere(uri: &str) -> Error {
    let shown = crate::http::address::without_secrets(uri);
    Error::unsupported(format!("the server keeps artifacts at `{shown}`, which this program cannot reach itself"))
        .hint("start the server with `--serve-artifacts` (its default) and an `--artifacts-destination`, and make the experiment anew: the server then passes artifacts on")
}

fn write_here(path: &Path, content: Content<'_>) -> Result<()> {
    if let Some(folder) = path.parent() {
        crate::atomic::make_folder(folder)?;
    }
    match content {
        Content::File(from) => {
            let bytes =
                std::fs::read(from).map_err(|cause| crate::atomic::failed("read", from, cause))?;
            crate::atomic::write_file(path, &bytes)
        }
        Content::Json(bytes) | Content::Bytes(bytes) => crate::atomic::write_file(path, bytes),
        Content::Nothing => crate::atomic::write_file(path, b""),
    }
}

/// A number as MLflow takes it: what JSON cannot hold goes as the word for it. A bare `NaN` would be stored as 0.
pub fn number(value: f64) -> Value {
    match value {
        value if value.is_nan() => json!("NaN"),
        f64::INFINITY => json!("Infinity"),
        f64::NEG_INFINITY => json!("-Infinity"),
        value => json!(value),
    }
}

/// The text at a place of an answer. Numbers of 64 bits may come as either.
pub fn text_of(answer: &Value, pointer: &str) -> Option<String> {
    match answer.pointer(pointer)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A whole number that may come as a text.
pub fn number_of(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// An answer without what it must hold.
pub fn odd(what: &str) -> Error {
    Error::remote(format!(
        "MLflow's answer to `{what}` lacks what it should hold"
    ))
    .hint("is this the address of an MLflow server?")
}

fn next_page(page: &Value) -> Option<String> {
    let token = page.get("next_page_token")?.as_str()?;
    (!token.is_empty()).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn artifacts_are_found_where_the_server_says() {
        let proxied = |uri: &str| match Root::of(uri) {
            Root::Proxied(path) => path,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            proxied("mlflow-artifacts:/2/abc/artifacts"),
            "2/abc/artifacts"
        );
        assert_eq!(
            proxied("mlflow-artifacts://host:5000/2/abc/artifacts"),
            "2/abc/artifacts"
        );
        assert_eq!(proxied("mlflow-artifacts:///2/abc"), "2/abc");
        let here = std::env::temp_dir().join("run");
        assert_eq!(
            Root::of(&format!("file://{}", here.display())),
            Root::Here(here.clone())
        );
        assert_eq!(Root::of(&here.display().to_string()), Root::Here(here));
        for uri in [
            "s3://bucket/x",
            "gs://b",
            "/no/such/place/at/all/on/this/machine",
            "mlruns/1",
        ] {
            assert!(matches!(Root::of(uri), Root::Elsewhere(_)), "{uri}");
        }
    }

    #[test]
    fn numbers_that_json_cannot_hold_go_as_words() {
        assert_eq!(number(f64::NAN), json!("NaN"));
        assert_eq!(number(f64::INFINITY), json!("Infinity"));
        assert_eq!(number(f64::NEG_INFINITY), json!("-Infinity"));
        assert_eq!(number(0.1), json!(0.1));
    }
}
