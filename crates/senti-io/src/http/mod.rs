//! HTTP: what every party on the network is asked through.
//!
//! In comes a [`Call`]; out goes the [`Answer`], whatever its status, or the [`Trouble`] that kept it away. Here are the rules that hold
//! for all of them: how long is waited, what is tried again and when, how large an answer may be, whose certificates are believed, and
//! that no secret is ever shown. What an answer means is the business of whoever asked.
//!
//! A call is tried again when the connection breaks and on the statuses 408, 429, 500, 502, 503 and 504, after `backoff · 2^n` seconds
//! and a random share of `jitter` more, or after what the server's `Retry-After` asks for. One that must not happen twice
//! ([`Call::once`]) is tried again only where it cannot have happened: it was never sent, or it was refused with 429 or 503.

pub mod address;
mod pace;
mod trust;

use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use senti::{Error, ErrorKind};
use ureq::http::{Method, Request};
use ureq::{Agent, Body, Timeout};

pub use self::address::Address;
pub use self::pace::Pace;
pub use self::trust::Trust;

/// How patient a client is.
///
/// | name | default | purpose |
/// | --- | --- | --- |
/// | `connect` | 5 s | until there is a connection |
/// | `answer` | 120 s | for one try, from the first byte sent to the last received; four times as long for whole files |
/// | `tries` | 5 | of one call, the first included |
/// | `backoff`, `jitter` | 0.5 s, 0.5 s | before the second try; doubled before each one after it |
/// | `longest_wait` | 60 s | a server that wants a longer pause is given up |
/// | `most_bytes` | 64 MiB | of an answer that is held in memory |
#[derive(Clone, Debug)]
pub struct Limits {
    /// Until there is a connection.
    pub connect: Duration,
    /// For one try.
    pub answer: Duration,
    /// Tries of one call, at least 1.
    pub tries: u32,
    /// Seconds before the second try.
    pub backoff: f64,
    /// Seconds of which a random share is added.
    pub jitter: f64,
    /// Longest pause that a server may ask for.
    pub longest_wait: Duration,
    /// Largest answer that is held in memory.
    pub most_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(120),
            tries: 5,
            backoff: 0.5,
            jitter: 0.5,
            longest_wait: Duration::from_secs(60),
            most_bytes: 64 << 20,
        }
    }
}

/// What is sent along.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Nothing.
    Nothing,
    /// A JSON document.
    Json(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
    /// The bytes of a file, read while they are sent.
    File(&'a Path),
}

/// A question.
#[derive(Clone, Debug)]
pub struct Call<'a> {
    method: Method,
    url: String,
    headers: Vec<(&'a str, String)>,
    content: Content<'a>,
    once: bool,
    stay: bool,
    most: Option<u64>,
}

impl<'a> Call<'a> {
    /// With the method of this name, `GET`.
    fn new(method: Method, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            content: Content::Nothing,
            once: false,
            stay: false,
            most: None,
        }
    }

    /// Asks for something.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::GET, url)
    }

    /// Posts something.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new(Method::POST, url)
    }

    /// Puts something in its place.
    pub fn put(url: impl Into<String>) -> Self {
        Self::new(Method::PUT, url)
    }

    /// Changes something.
    pub fn patch(url: impl Into<String>) -> Self {
        Self::new(Method::PATCH, url)
    }

    /// Deletes something.
    pub fn delete(url: impl Into<String>) -> Self {
        Self::new(Method::DELETE, url)
    }

    /// With this header.
    #[must_use]
    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With this content.
    #[must_use]
    pub fn content(mut self, content: Content<'a>) -> Self {
        self.content = content;
        self
    }

    /// It is for this server only: a redirection is not followed, since a header that holds a key would go along.
    #[must_use]
    pub fn stay(mut self) -> Self {
        self.stay = true;
        self
    }

    /// A download of more bytes is refused.
    #[must_use]
    pub fn most(mut self, bytes: u64) -> Self {
        self.most = Some(bytes);
        self
    }

    /// It must not happen twice.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

/// What came back, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status, 200.
    pub status: u16,
    /// Media type without its parameters, `application/json`; empty where none was given.
    pub media_type: String,
    /// Where else to ask, of a redirection that was not followed.
    pub location: Option<String>,
    /// Seconds that the server wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The content.
    pub body: Vec<u8>,
}

impl Answer {
    /// Was it done?
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The content as text, as far as it is one.
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.body)
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub struct Trouble {
    kind: Kind,
    /// Address without secrets.
    whom: String,
}

#[derive(Debug)]
enum Kind {
    Address(String),
    Host,
    Refused,
    Slow(&'static str),
    Certificate(String),
    Broken(String),
    Large(u64),
    File(std::io::Error, String),
    Stopped,
    Writing(std::io::Error),
}

impl Trouble {
    /// Nobody is there: asking again soon is of no use.
    pub fn is_refused(&self) -> bool {
        matches!(
            self.kind,
            Kind::Host | Kind::Refused | Kind::Certificate(_) | Kind::Address(_)
        )
    }

    /// The user asked to stop, or the time given was over.
    pub fn is_stopped(&self) -> bool {
        matches!(self.kind, Kind::Stopped)
    }

    /// Can nothing have been sent?
    fn is_unsent(&self) -> bool {
        matches!(self.kind, Kind::Host | Kind::Refused)
            || matches!(self.kind, Kind::Slow("connection"))
    }

    fn passes(&self) -> bool {
        matches!(self.kind, Kind::Slow(_) | Kind::Broken(_))
    }
}

impl From<Trouble> for Error {
    fn from(trouble: Trouble) -> Self {
        let whom = &trouble.whom;
        match trouble.kind {
            Kind::Address(why) => Error::input(format!("`{whom}` is no address: {why}"))
                .hint("give one like `http://127.0.0.1:5000`"),
            Kind::Host => Error::remote(format!("the host of `{whom}` is not known"))
                .hint("look for a slip in the address, or at the network"),
            Kind::Refused => Error::remote(format!("nobody answers at `{whom}`"))
                .hint("is the server running, and is this its port?"),
            Kind::Slow(what) => Error::remote(format!("`{whom}` took too long: no {what} in time"))
                .hint("try again, or look at the server"),
            Kind::Certificate(why) => {
                Error::remote(format!("the certificate of `{whom}` is not trusted: {why}"))
            }
            Kind::Broken(why) => {
                Error::remote(format!("the connection to `{whom}` broke: {why}")).hint("try again")
            }
            Kind::Large(most) => Error::remote(format!(
                "`{whom}` answers with more than {}",
                senti::memory::size(most)
            ))
            .hint("look whether this is the right address"),
            Kind::File(cause, path) => {
                Error::input(format!("cannot read `{path}` to send it")).because(cause)
            }
            Kind::Writing(cause) => {
                Error::remote(format!("what comes from `{whom}` cannot be written")).because(cause)
            }
            Kind::Stopped => {
                Error::new(ErrorKind::Interrupted, format!("no more time for `{whom}`"))
            }
        }
    }
}

type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// A client. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Http {
    agent: Agent,
    limits: Limits,
    stop: Stop,
    until: Option<Instant>,
    pace: Option<Arc<Pace>>,
    secrets: Arc<Vec<String>>,
}

impl Http {
    /// With these limits and this trust. `secrets` are never shown: they are blotted out of everything that is said.
    pub fn new(limits: Limits, trust: &Trust, secrets: Vec<String>) -> senti::Result<Self> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("senti-ai/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(limits.connect))
            .timeout_resolve(Some(limits.connect))
            .tls_config(trust.config()?)
            .build();
        Ok(Self {
            agent: config.new_agent(),
            limits,
            stop: Arc::new(|| false),
            until: None,
            pace: None,
            secrets: Arc::new(secrets.into_iter().filter(|s| !s.is_empty()).collect()),
        })
    }

    /// The same client, which gives up when `stop` says so, before a try and while it waits for one.
    #[must_use]
    pub fn stopping(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.stop = Arc::new(stop);
        self
    }

    /// The same client, which gives up at this moment.
    #[must_use]
    pub fn until(mut self, moment: Instant) -> Self {
        self.until = Some(moment);
        self
    }

    /// The same client, which keeps to this pace; so do its clones, together.
    #[must_use]
    pub fn paced(mut self, pace: Pace) -> Self {
        self.pace = Some(Arc::new(pace));
        self
    }

    /// The same client with other patience; connections take as long as before.
    #[must_use]
    pub fn limited(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    /// A text without the secrets that this client knows.
    pub fn redact(&self, text: &str) -> String {
        let blot = |text: String, secret: &String| text.replace(secret.as_str(), "***");
        self.secrets.iter().fold(text.to_owned(), blot)
    }

    /// Asks, and holds the answer in memory.
    pub fn send(&self, call: &Call<'_>) -> Result<Answer, Trouble> {
        let (mut answer, body) = self.persist(call, |status, mut body| {
            let mut bytes = Vec::new();
            let _ = status;
            let most = self.limits.most_bytes;
            let read = body.as_reader().take(most + 1).read_to_end(&mut bytes);
            read.map_err(|cause| broken(&cause))?;
            match bytes.len() as u64 > most {
                true => Err(Kind::Large(most)),
                false => Ok(bytes),
            }
        })?;
        answer.body = body;
        Ok(answer)
    }

    /// Asks, and writes the content of a successful answer away as it comes; the bytes written. `fresh` makes an empty place for each
    /// try. The content of any other answer is in it.
    pub fn download<W: Write>(
        &self,
        call: &Call<'_>,
        mut fresh: impl FnMut() -> std::io::Result<W>,
    ) -> Result<(Answer, u64), Trouble> {
        let most = self.limits.most_bytes;
        let (mut answer, (body, written)) = self.persist(call, |status, mut body| {
            let mut reader = body.as_reader();
            if !(200..300).contains(&status) {
                let mut bytes = Vec::new();
                let read = reader.take(most).read_to_end(&mut bytes);
                read.map_err(|cause| broken(&cause))?;
                return Ok((bytes, 0));
            }
            let mut place = fresh().map_err(Kind::Writing)?;
            let mut buffer = vec![0; 1 << 16];
            let mut written = 0;
            loop {
                let n = reader.read(&mut buffer).map_err(|cause| broken(&cause))?;
                if n == 0 {
                    break;
                }
                place.write_all(&buffer[..n]).map_err(Kind::Writing)?;
                written += n as u64;
                if let Some(most) = call.most.filter(|most| written > *most) {
                    return Err(Kind::Large(most));
                }
                if (self.stop)() {
                    return Err(Kind::Stopped);
                }
            }
            place.flush().map_err(Kind::Writing)?;
            Ok((Vec::new(), written))
        })?;
        answer.body = body;
        Ok((answer, written))
    }

    /// Tries until there is an answer worth having, or no hope.
    fn persist<T>(
        &self,
        call: &Call<'_>,
        mut read: impl FnMut(u16, Body) -> Result<T, Kind>,
    ) -> Result<(Answer, T), Trouble> {
        let whom = self.redact(&address::without_secrets(&call.url));
        let trouble = |kind| Trouble {
            kind,
            whom: whom.clone(),
        };
        let mut tried = 0;
        loop {
            if let Some(pace) = &self.pace {
                let wait = pace.reserve(Instant::now());
                self.sleep(self.left().map_or(wait, |left| left.min(wait)));
            }
            if (self.stop)() || self.left() == Some(Duration::ZERO) {
                return Err(trouble(Kind::Stopped));
            }
            tried += 1;
            let found = self.attempt(call, &mut read);
            let more = tried < self.limits.tries.max(1);
            let asked = match &found {
                Ok((answer, _)) if more && again(answer.status, call.once) => answer.retry_after,
                Err(kind) if more => {
                    let found = trouble(self.clean(kind));
                    // nobody there: whoever has time tries later
                    if found.is_refused() || !found.passes() || call.once && !found.is_unsent() {
                        return Err(found);
                    }
                    None
                }
                Ok(_) => return found.map_err(trouble),
                Err(kind) => return Err(trouble(self.clean(kind))),
            };
            let pause = asked.unwrap_or_else(|| self.pause(tried));
            // a server that wants more time than there is gets no other try
            if pause > self.limits.longest_wait || self.left().is_some_and(|left| left < pause) {
                return found.map_err(|kind| trouble(self.clean(&kind)));
            }
            self.sleep(pause);
        }
    }

    fn attempt<T>(
        &self,
        call: &Call<'_>,
        read: &mut impl FnMut(u16, Body) -> Result<T, Kind>,
    ) -> Result<(Answer, T), Kind> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(&call.url);
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if matches!(call.content, Content::Json(_)) {
            request = request.header("content-type", "application/json");
        }
        // a redirected post would become a question: only questions follow
        let follows = call.method == Method::GET && !call.stay;
        let redirects = if follows { 5 } else { 0 };
        let whole_file = matches!(call.content, Content::File(_));
        let longest = self.limits.answer * if whole_file { 4 } else { 1 };
        let longest = self.left().map_or(longest, |left| left.min(longest));
        let agent = &self.agent;
        macro_rules! sent {
            ($content:expr) => {{
                let request = request
                    .body($content)
                    .map_err(|why| Kind::Address(why.to_string()))?;
                let mut request = agent
                    .configure_request(request)
                    .timeout_global(Some(longest))
                    .max_redirects(redirects);
                if address::is_here(&call.url) {
                    request = request.proxy(None);
                }
                agent.run(request.build())
            }};
        }
        let sent = match call.content {
            Content::Nothing if call.method == Method::GET => sent!(()),
            Content::Nothing => sent!(&[][..]),
            Content::Json(bytes) | Content::Bytes(bytes) => sent!(bytes),
            Content::File(path) => {
                let file = std::fs::File::open(path);
                let file = file.map_err(|why| Kind::File(why, path.display().to_string()))?;
                sent!(file)
            }
        };
        let response = sent.map_err(|error| kind(&error))?;
        let status = response.status().as_u16();
        let header = |name: &str| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let media_type = header("content-type").unwrap_or_default();
        let seconds = header("retry-after").and_then(|text| text.trim().parse::<f64>().ok());
        let seconds = seconds.filter(|seconds| (0.0..1e9).contains(seconds));
        let answer = Answer {
            status,
            media_type: media_type
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_lowercase(),
            location: header("location"),
            retry_after: seconds.map(Duration::from_secs_f64),
            body: Vec::new(),
        };
        let body = read(status, response.into_body())?;
        Ok((answer, body))
    }

    /// The same trouble, without secrets.
    fn clean(&self, kind: &Kind) -> Kind {
        let copy = |error: &std::io::Error| {
            std::io::Error::new(error.kind(), self.redact(&error.to_string()))
        };
        match kind {
            Kind::Address(why) => Kind::Address(self.redact(why)),
            Kind::Certificate(why) => Kind::Certificate(self.redact(why)),
            Kind::Broken(why) => Kind::Broken(self.redact(why)),
            Kind::File(cause, path) => Kind::File(copy(cause), path.clone()),
            Kind::Writing(cause) => Kind::Writing(copy(cause)),
            Kind::Host => Kind::Host,
            Kind::Refused => Kind::Refused,
            Kind::Slow(what) => Kind::Slow(what),
            Kind::Large(most) => Kind::Large(*most),
            Kind::Stopped => Kind::Stopped,
        }
    }

    fn left(&self) -> Option<Duration> {
        self.until
            .map(|moment| moment.saturating_duration_since(Instant::now()))
    }

    fn pause(&self, tried: u32) -> Duration {
        let doubled = self.limits.backoff * f64::from(1_u32 << (tried - 1).min(16));
        // no bit of a model depends on it: any source of chance will do
        let chance = RandomState::new().hash_one(tried) as f64 / u64::MAX as f64;
        let pause = doubled.min(self.limits.longest_wait.as_secs_f64());
        Duration::from_secs_f64((pause + chance * self.limits.jitter).max(0.0))
            .min(self.limits.longest_wait)
    }

    fn sleep(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while Instant::now() < end && !(self.stop)() {
            let left = end.saturating_duration_since(Instant::now());
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// Is another try worth it after this status?
fn again(status: u16, once: bool) -> bool {
    match once {
        true => matches!(status, 429 | 503),
        false => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
    }
}

fn broken(cause: &std::io::Error) -> Kind {
    // timeouts come wrapped
    let inner = cause
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<ureq::Error>());
    match inner {
        Some(error) => kind(error),
        None => Kind::Broken(cause.to_string()),
    }
}

fn kind(error: &ureq::Error) -> Kind {
    use ureq::Error as E;
    match error {
        E::BadUri(why) => Kind::Address(why.clone()),
        E::Http(why) => Kind::Address(why.to_string()),
        E::HostNotFound => Kind::Host,
        E::ConnectionFailed => Kind::Refused,
        E::Timeout(Timeout::Connect | Timeout::Resolve) => Kind::Slow("connection"),
        E::Timeout(_) => Kind::Slow("answer"),
        E::Tls(why) => Kind::Certificate((*why).to_owned()),
        E::Rustls(why) => Kind::Certificate(why.to_string()),
        E::Io(why) => match why.kind() {
            std::io::ErrorKind::ConnectionRefused => Kind::Refused,
            std::io::ErrorKind::TimedOut => Kind::Slow("answer"),
            // rustls tells of certificates through io errors
            _ if why.to_string().contains("certificate") => Kind::Certificate(why.to_string()),
            _ => Kind::Broken(why.to_string()),
        },
        other => Kind::Broken(other.to_string()),
    }
}

#[cfg(test)]
mod tests;
