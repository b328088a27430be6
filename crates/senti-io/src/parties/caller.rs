//! Asking a party: its address, its key, its pace, and what its refusals mean.
//!
//! In comes a path with its query; out goes a JSON document or a text, or an error that says what was refused and what can be done. A key
//! comes from a variable that the caller looks up, and is in no error.

use std::time::Duration;

use senti::{Error, Result, Time};
use serde_json::Value;

use super::{Party, Series};
use crate::http::address::{query, without_secrets};
use crate::http::{Address, Answer, Call, Http, Limits, Pace, Trust};

/// Somebody who may ask one party. Clones keep to its pace together.
#[derive(Clone)]
pub struct Caller {
    party: &'static Party,
    http: Http,
    base: String,
    key: Option<String>,
}

/// What a party said: 200, or a refusal that has a document.
pub(super) struct Said {
    pub status: u16,
    pub value: Value,
}

impl Caller {
    /// For this party. `variable` looks up the variables that its row names.
    pub fn new(
        party: &'static Party,
        limits: Limits,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self> {
        let said = |name: &str| variable(name).filter(|text| !text.trim().is_empty());
        let key = party.key_variable.and_then(said);
        let key = key.map(|key| key.trim().to_owned());
        let base = match said(party.url_variable) {
            None => party.base.to_owned(),
            Some(text) => Address::parse(&text)
                .map_err(|error| {
                    let shown = party.url_variable;
                    error.within(format!("`{shown}` cannot be used"))
                })?
                .base()
                .to_owned(),
        };
        let http = Http::new(limits, &Trust::default(), key.iter().cloned().collect())?;
        Ok(Self {
            party,
            http: http.paced(Pace::new(party.calls_per_second)),
            base,
            key,
        })
    }

    /// The same caller, which gives up when `stop` says so.
    #[must_use]
    pub fn stopping(mut self, stop: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        self.http = self.http.stopping(stop);
        self
    }

    /// The address that is asked; not the party's own where a variable gives another.
    pub fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Asks another server of the same party, unless a variable gives an address.
    pub(super) fn at(mut self, base: &str) -> Self {
        if self.base == self.party.base {
            self.base = base.to_owned();
        }
        self
    }

    /// A document. What came with 200, 400, 404 or 422 is for the party to read; any other refusal is an error.
    pub(super) fn json(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Said> {
        let mut tried = 0;
        loop {
            tried += 1;
            let answer = self.answer(path, pairs, headers)?;
            match serde_json::from_slice(&answer.body) {
                Ok(value) => {
                    let status = answer.status;
                    return Ok(Said { status, value });
                }
                // cut off on its way, perhaps: once more, since it costs little
                Err(error) if error.is_eof() && answer.is_success() && tried < 2 => {}
                Err(error) if error.is_eof() && answer.is_success() => {
                    let n = answer.body.len();
                    let title = self.party.title;
                    return Err(Error::remote(format!(
                        "{title}'s answer breaks off after {n} bytes"
                    ))
                    .hint("try again; what was fetched so far is kept"));
                }
                Err(_) => return Err(self.no_document(&answer)),
            }
        }
    }

    /// A text, CSV for instance; the status is 200 or 404.
    pub(super) fn text(&self, path: &str, pairs: &[(&str, &str)]) -> Result<(u16, String)> {
        let answer = self.answer(path, pairs, &[])?;
        if answer.is_success() && looks_like_page(&answer) {
            return Err(self.no_document(&answer));
        }
        Ok((answer.status, answer.text().into_owned()))
    }

    fn answer(
        &self,
        path: &str,
        pairs: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Answer> {
        let url = format!("{}{path}{}", self.base, query(pairs));
        let mut call = Call::get(url);
        if self.key.is_some() {
            call = call.stay();
        }
        for (name, value) in headers {
            call = call.header(name, *value);
        }
        let answer = self.http.send(&call)?;
        match answer.status {
            200 | 400 | 404 | 422 => Ok(answer),
            _ => Err(self.refusal(&answer)),
        }
    }

    /// What a refusal means, and what can be done.
    fn refusal(&self, answer: &Answer) -> Error {
        let Party {
            title, limit, name, ..
        } = self.party;
        let later = match answer.retry_after {
            Some(wait) => format!("try again in {}", duration(wait)),
            None => "try again in some minutes".to_owned(),
        };
        let status = answer.status;
        let words = self.words(answer);
        match status {
            451 => {
                let elsewhere = match *name {
                    "binance" => {
                        "set `SENTI_BINANCE_URL=https://data-api.binance.vision`, Binance's address for market data alone, or take `coinbase:BTC-USD:1d` or `kraken:XBTUSD:1d`"
                    }
                    _ => "take the series from another party; `docs/fetch.md` lists them",
                };
                Error::remote(format!(
                    "{title} does not serve the place that this machine is in (HTTP 451){words}"
                ))
                .hint(elsewhere)
            }
            418 if *name == "binance" => Error::remote(format!(
                "{title} has banned this machine's address for asking too often (HTTP 418){words}"
            ))
            .hint(format!(
                "{later}, and let nothing else ask {title} until then"
            )),
            418 | 403 | 401 => {
                let hint = match (self.party.key_variable, &self.key) {
                    (Some(variable), Some(_)) => {
                        format!("look at the key in `{variable}`")
                    }
                    (Some(variable), None) => {
                        format!("it may want a key: set `{variable}`")
                    }
                    _ => "it may not serve programs from this address; wait, or take the series from another party".to_owned(),
                };
                Error::remote(format!("{title} refuses to answer (HTTP {status}){words}"))
                    .hint(hint)
            }
            429 => Error::remote(format!(
                "{title} was asked too often (HTTP 429){words}; it allows {limit}"
            ))
            .hint(format!("{later}; what was fetched so far is kept")),
            300..=399 => Error::remote(format!(
                "{title} sends us elsewhere (HTTP {status}): {}",
                without_secrets(answer.location.as_deref().unwrap_or("nowhere"))
            ))
            .hint(format!(
                "its address may have changed: give the new one with `{}`",
                self.party.url_variable
            )),
            500..=599 => Error::remote(format!("{title} is out of order (HTTP {status}){words}"))
                .hint("try again later; what was fetched so far is kept"),
            _ => Error::remote(format!("{title} answers with HTTP {status}{words}")),
        }
    }

    /// An answer that is no document where one was wanted.
    fn no_document(&self, answer: &Answer) -> Error {
        let title = self.party.title;
        let status = match answer.status {
            200 => String::new(),
            status => format!(" (HTTP {status})"),
        };
        let words = self.words(answer);
        match looks_like_page(answer) {
            true => Error::remote(format!(
                "{title} answers with a web page instead of data{status}{words}"
            ))
            .hint(format!(
                "a proxy, a login or a firewall may stand in between; `{}` gives another address",
                self.party.url_variable
            )),
            false => Error::remote(format!(
                "{title}'s answer is no JSON document{status}{words}"
            ))
            .hint(format!(
                "look whether `{}` is the address of {title}",
                without_secrets(&self.base)
            )),
        }
    }

    /// What a refusal says, for a sentence: its message, or the title of its page.
    fn words(&self, answer: &Answer) -> String {
        let text = answer.text();
        let value: Option<Value> = serde_json::from_str(&text).ok();
        let message = value.as_ref().and_then(message).map(str::to_owned);
        let found = message.or_else(|| page_title(&text));
        let found = found.map(|found| self.http.redact(&found));
        found.map_or(String::new(), |found| format!(": `{}`", shortened(&found)))
    }

    /// The party knows no such symbol.
    pub(super) fn unknown(&self, series: &Series, said: &str) -> Error {
        let said = match said {
            "" => String::new(),
            said => format!(": `{}`", shortened(&self.http.redact(said))),
        };
        Error::input(format!(
            "{} knows no `{}`{said}",
            self.party.title, series.symbol
        ))
        .hint(format!(
            "wanted {}, as in `{}`",
            self.party.symbols, self.party.example
        ))
    }

    /// The party refused for a reason of its own.
    pub(super) fn refused(&self, said: &str) -> Error {
        let said = shortened(&self.http.redact(said));
        Error::remote(format!("{} refuses: `{said}`", self.party.title))
    }

    /// The answer is not of the shape that the documentation promises.
    pub(super) fn odd(&self, what: &str) -> Error {
        Error::remote(format!(
            "{}'s answer is not of the expected form: {what}",
            self.party.title
        ))
        .hint("its interface may have changed; please report it")
    }
}

/// The sentence in a document that refuses.
pub(super) fn message(value: &Value) -> Option<&str> {
    let names = ["msg", "message", "error_message", "error", "status"];
    names.iter().find_map(|name| match value.get(name)? {
        Value::String(text) => Some(text.as_str()),
        Value::Object(_) => message(value.get(name)?),
        _ => None,
    })
}

fn looks_like_page(answer: &Answer) -> bool {
    let start: Vec<u8> = (answer.body.iter().copied())
        .skip_while(|byte| byte.is_ascii_whitespace())
        .take(1)
        .collect();
    answer.media_type == "text/html" || start == b"<"
}

fn page_title(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let start = lower.find("<title")?;
    let start = start + lower[start..].find('>')? + 1;
    let end = start + lower[start..].find("</title")?;
    let title = text[start..end].split_whitespace().collect::<Vec<_>>();
    (!title.is_empty()).then(|| title.join(" "))
}

fn shortened(text: &str) -> String {
    let text = crate::sources::printable(text);
    match text.chars().count() {
        0..=160 => text,
        _ => text.chars().take(157).chain("...".chars()).collect(),
    }
}

fn duration(wait: Duration) -> String {
    match wait.as_secs() {
        0..120 => format!("{} s", wait.as_secs()),
        120..7200 => format!("{} min", wait.as_secs().div_ceil(60)),
        seconds => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// A number, or a text that is one.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

/// A whole number, or a text or a float that is one.
pub(super) fn whole(value: &Value) -> Option<Time> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .or_else(|| {
        let float = number(value)?;
        (float.fract() == 0.0 && float.abs() < LARGEST as f64).then_some(float as i64)
    })
    .filter(|whole| whole.abs() < LARGEST)
}

/// No time is larger, and a thousand times as much still is a number of milliseconds.
const LARGEST: i64 = 9_000_000_000_000_000;
