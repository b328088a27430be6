//! A proxy before a real server that makes trouble when told so.
//!
//! In come requests; out go the real server's answers, or the trouble of the first [`Rule`] that fits: an error status, a delay, a cut. It is no
//! stand-in: whatever is not troubled is answered by the server, and troubles that come after the deed have really done it. Each connection
//! carries one request. Requests are counted and remembered.

#![allow(dead_code, reason = "some troubles wait for a test that needs them")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::mlflow::server::Server;
use crate::python::free_port;

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// This status with these headers and this body; the server never hears of the request.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// The request is held back for so long, then served as usual.
    Delay(Duration),
    /// The request is served; its answer comes with its whole head, half of its body, and an end.
    CutAnswer,
    /// The request is served; the connection ends without a byte of an answer.
    LoseAnswer,
    /// The connection ends as soon as the request's head is there; the server never hears of it.
    CutRequest,
    /// The request is served; its answer trickles, one byte after each pause.
    Trickle(Duration),
}

impl Trouble {
    /// A bare error as gateways give it: a page, not JSON.
    pub fn status(status: u16) -> Self {
        let page = format!(
            "<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n"
        );
        Self::Answer(status, vec![("Content-Type", "text/html".into())], page)
    }

    /// An error as MLflow gives it.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "error_code": code, "message": message }).to_string();
        Self::Answer(
            status,
            vec![("Content-Type", "application/json".into())],
            body,
        )
    }

    /// 429 or 503 that say when to come again.
    pub fn retry_after(status: u16, seconds: &str) -> Self {
        Self::Answer(
            status,
            vec![("Retry-After", seconds.into())],
            "slow down\n".into(),
        )
    }
}

/// When it goes wrong.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Only requests whose `METHOD /path?query` holds this text; empty: all.
    pub holds: String,
    /// So many of them pass unharmed first.
    pub after: usize,
    /// So many of them are hit.
    pub times: usize,
    /// By this.
    pub trouble: Trouble,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `POST`
    pub method: String,
    /// `/api/2.0/mlflow/runs/create`, with its query.
    pub path: String,
    /// Its headers as they came.
    pub headers: String,
    /// Its body, chunks joined.
    pub body: Vec<u8>,
    /// Status that was answered; `None` where the connection was cut before.
    pub status: Option<u16>,
}

impl Seen {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

#[derive(Debug, Default)]
struct State {
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    open: AtomicUsize,
    stop: AtomicBool,
}

/// A proxy on a port of its own.
#[derive(Debug)]
pub struct Proxy {
    /// Its port on 127.0.0.1.
    pub port: u16,
    upstream: u16,
    state: Arc<State>,
    listener: Mutex<Option<JoinHandle<()>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Proxy {
    /// Starts before an MLflow server. No trouble yet.
    pub fn before(server: &Server) -> Self {
        Self::to(server.port)
    }

    /// Starts before whatever listens on this port of 127.0.0.1. No trouble yet.
    pub fn to(upstream: u16) -> Self {
        let proxy = Self {
            port: free_port(),
            upstream,
            state: Arc::default(),
            listener: Mutex::new(None),
        };
        proxy.listen();
        proxy
    }

    /// Base of its addresses.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// This trouble for each request from now on.
    pub fn always(&self, trouble: Trouble) {
        self.rule("", 0, usize::MAX, trouble);
    }

    /// This trouble for the next so many requests.
    pub fn next(&self, times: usize, trouble: Trouble) {
        self.rule("", 0, times, trouble);
    }

    /// This trouble for so many requests that hold this text, after so many of them passed. The first rule that fits is the one that acts.
    pub fn rule(&self, holds: &str, after: usize, times: usize, trouble: Trouble) {
        locked(&self.state.rules).push(Rule {
            holds: holds.into(),
            after,
            times,
            trouble,
        });
    }

    /// No more trouble; listens again where it refused.
    pub fn heal(&self) {
        locked(&self.state.rules).clear();
        if locked(&self.listener).is_none() {
            self.listen();
        }
    }

    /// Connections are refused until [`Proxy::heal`].
    pub fn refuse(&self) {
        if let Some(thread) = locked(&self.listener).take() {
            self.state.stop.store(true, Ordering::SeqCst);
            // Wakes the thread, which then drops its listener.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
            let _ = thread.join();
            self.state.stop.store(false, Ordering::SeqCst);
        }
    }

    /// Every request that came, in the order of their answers.
    pub fn seen(&self) -> Vec<Seen> {
        locked(&self.state.seen).clone()
    }

    /// How many requests came whose `METHOD /path?query` holds this text.
    pub fn count(&self, holds: &str) -> usize {
        let seen = locked(&self.state.seen);
        seen.iter()
            .filter(|seen| seen.line().contains(holds))
            .count()
    }

    /// Forgets the requests that came.
    pub fn forget(&self) {
        locked(&self.state.seen).clear();
    }

    /// Requests being served at this moment.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    fn listen(&self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let (state, upstream) = (Arc::clone(&self.state), self.upstream);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if state.stop.load(Ordering::SeqCst) {
                    return;
                }
                let (Ok(stream), state) = (stream, Arc::clone(&state)) else {
                    continue;
                };
                std::thread::spawn(move || {
                    state.open.fetch_add(1, Ordering::SeqCst);
                    // A client that goes away in the middle is no matter of ours.
                    let _ = serve(&stream, upstream, &state);
                    let _ = stream.shutdown(Shutdown::Both);
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        *locked(&self.listener) = Some(thread);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse();
    }
}

impl State {
    /// The trouble for this request, counted.
    fn trouble(&self, seen: &Seen) -> Option<Trouble> {
        let line = seen.line();
        let mut rules = locked(&self.rules);
        let fits = |rule: &&mut Rule| rule.times > 0 && line.contains(&rule.holds);
        let rule = rules.iter_mut().find(fits)?;
        if rule.after > 0 {
            rule.after -= 1;
            return None;
        }
        if rule.times != usize::MAX {
            rule.times -= 1;
        }
        Some(rule.trouble.clone())
    }

    fn remember(&self, mut seen: Seen, status: Option<u16>) {
        seen.status = status;
        locked(&self.seen).push(seen);
    }
}

fn serve(stream: &TcpStream, upstream: u16, state: &State) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(());
    }
    let mut words = first.split_whitespace();
    let mut word = || words.next().unwrap_or_default().to_owned();
    let mut seen = Seen {
        method: word(),
        path: word(),
        headers: head(&mut reader)?,
        body: Vec::new(),
        status: None,
    };
    let trouble = state.trouble(&seen);
    if let Some(Trouble::CutRequest) = trouble {
        state.remember(seen, None);
        return Ok(());
    }
    if header(&seen.headers, "expect").is_some() {
        (&*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    seen.body = body(&mut reader, &seen.headers)?;
    match &trouble {
        Some(Trouble::Answer(status, headers, text)) => {
            let mut answer = format!(
                "HTTP/1.1 {status} Trouble\r\nConnection: close\r\nContent-Length: {}\r\n",
                text.len()
            );
            for (name, value) in headers {
                answer += &format!("{name}: {value}\r\n");
            }
            let answer = format!("{answer}\r\n{text}");
            state.remember(seen, Some(*status));
            return (&*stream).write_all(answer.as_bytes());
        }
        Some(Trouble::Delay(time)) => std::thread::sleep(*time),
        _ => {}
    }
    let (head, text) = match forward(&seen, upstream) {
        Ok(answer) => answer,
        // As any gateway says it when the server behind it is gone.
        Err(why) => {
            let text = format!("{why}\n");
            (
                format!(
                    "HTTP/1.1 502 Bad Gateway\r\nContent-Length: {}\r\n",
                    text.len()
                ),
                text.into_bytes(),
            )
        }
    };
    let status = head
        .split_whitespace()
        .nth(1)
        .and_then(|word| word.parse().ok());
    let head = format!("{head}Connection: close\r\n\r\n");
    let mut out = stream;
    match trouble {
        Some(Trouble::LoseAnswer) => state.remember(seen, None),
        Some(Trouble::CutAnswer) => {
            state.remember(seen, status);
            out.write_all(head.as_bytes())?;
            out.write_all(&text[..text.len() / 2])?;
        }
        Some(Trouble::Trickle(pause)) => {
            state.remember(seen, status);
            out.write_all(head.as_bytes())?;
            for byte in text {
                std::thread::sleep(pause);
                out.write_all(&[byte])?;
            }
        }
        _ => {
            state.remember(seen, status);
            out.write_all(head.as_bytes())?;
            out.write_all(&text)?;
        }
    }
    out.flush()
}

/// Header lines up to the empty one.
fn head(reader: &mut impl BufRead) -> std::io::Result<String> {
    let mut head = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            return Ok(head);
        }
        head += &line;
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = head.lines().filter_map(|line| line.split_once(':'));
    let found = pairs.find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.trim())
}

/// A body by its length or in chunks (RFC 9112, section 7.1).
fn body(reader: &mut impl BufRead, head: &str) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if header(head, "transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(std::io::Error::other)?;
            reader.by_ref().take(size).read_to_end(&mut bytes)?;
            line.clear();
            reader.read_line(&mut line)?;
            if size == 0 {
                return Ok(bytes);
            }
        }
    }
    let length = header(head, "content-length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    reader.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Asks the real server; the answer's head without its last line and without what speaks of the connection, and its body, chunks joined.
fn forward(seen: &Seen, upstream: u16) -> std::io::Result<(String, Vec<u8>)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream))?;
    let own = [
        "connection",
        "host",
        "content-length",
        "transfer-encoding",
        "expect",
        "keep-alive",
    ];
    let kept = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !own.iter().any(|own| name.eq_ignore_ascii_case(own))
    };
    let mut request = format!("{} {} HTTP/1.1\r\n", seen.method, seen.path);
    for line in seen.headers.lines().filter(kept) {
        request += &format!("{line}\r\n");
    }
    request += &format!(
        "Host: 127.0.0.1:{upstream}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        seen.body.len()
    );
    stream.write_all(request.as_bytes())?;
    stream.write_all(&seen.body)?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Err(std::io::Error::other(
            "the server went away without an answer",
        ));
    }
    let answer = head(&mut reader)?;
    let mut bytes = Vec::new();
    let chunked = header(&answer, "transfer-encoding").is_some();
    match (chunked, header(&answer, "content-length")) {
        _ if seen.method == "HEAD" => {}
        (true, _) | (false, Some(_)) => bytes = body(&mut reader, &answer)?,
        (false, None) => {
            reader.read_to_end(&mut bytes)?;
        }
    }
    let mut head = first;
    for line in answer.lines().filter(kept) {
        head += &format!("{line}\r\n");
    }
    head += &format!("Content-Length: {}\r\n", bytes.len());
    Ok((head, bytes))
}
