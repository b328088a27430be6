//! Addresses of servers: taken apart, put together, shown without secrets.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use senti::{Error, Result};
use ureq::http::Uri;

/// The address of a server, `https://host:port/prefix`, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    base: String,
    user: Option<(String, String)>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Address").field(&self.base).finish()
    }
}

impl Address {
    /// Takes an address of http or https apart; user and password in it are kept aside and never shown.
    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |why: &str| {
            let shown = without_secrets(text);
            Error::input(format!("`{shown}` is no address of a server: {why}"))
                .hint("give one like `http://127.0.0.1:5000`")
        };
        let trimmed = text.trim().trim_end_matches('/');
        let uri: Uri = trimmed.parse().map_err(|_| refuse("it cannot be read"))?;
        let scheme = uri.scheme_str().unwrap_or_default().to_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(refuse("it does not begin with `http://` or `https://`"));
        }
        if uri.query().is_some() || trimmed.contains('#') {
            return Err(refuse("it has a `?` or `#`"));
        }
        let host = uri.host().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| refuse("it names no host"))?;
        let port = uri.port().map_or(String::new(), |port| format!(":{port}"));
        let path = uri.path().trim_end_matches('/');
        let whole = uri.authority().map_or("", |authority| authority.as_str());
        let user = whole.rsplit_once('@').map(|(user, _)| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (decode(name), decode(password))
        });
        Ok(Self {
            base: format!("{scheme}://{host}{port}{path}"),
            user,
        })
    }

    /// Without a slash at its end, and without user and password.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// User and password that the address held.
    pub fn user(&self) -> Option<&(String, String)> {
        self.user.as_ref()
    }
}

/// All but the letters that RFC 3986 leaves as they are.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A segment of a path, or a name or value of a query, as it may stand in an address.
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A path of segments, each encoded; empty ones are left out.
pub fn encode_path(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(encode).collect::<Vec<_>>().join("/")
}

/// A query, with its question mark; empty where there is nothing to ask.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{}={}", encode(name), encode(value));
    match pairs.is_empty() {
        true => String::new(),
        false => format!("?{}", pairs.iter().map(pair).collect::<Vec<_>>().join("&")),
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// An address as it may be shown: no user, no password, no query.
pub fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        // no scheme, but perhaps `user:password@host`
        return url
            .rsplit_once('@')
            .map_or(url, |(_, rest)| rest)
            .to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Is it this machine? No proxy is asked for it.
pub fn is_here(url: &str) -> bool {
    let Some(host) = url
        .parse::<Uri>()
        .ok()
        .and_then(|uri| uri.host().map(str::to_owned))
    else {
        return false;
    };
    let bare = host.trim_matches(['[', ']']);
    bare == "localhost"
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_kept_without_its_secrets() {
        let address = Address::parse("https://me:p%40ss@host:5000/prefix/").expect("an address");
        assert_eq!(address.base(), "https://host:5000/prefix");
        assert_eq!(address.user(), Some(&("me".to_owned(), "p@ss".to_owned())));
        assert!(!format!("{address:?}").contains("p@ss"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_showing_a_password() {
        for text in [
            "",
            "host",
            "ftp://me:secret@host",
            "http://",
            "http://me:secret@host?x=1",
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn names_are_encoded_as_rfc_3986_says() {
        assert_eq!(encode("a b/ü%"), "a%20b%2F%C3%BC%25");
        assert_eq!(encode_path("/plots//a b.svg"), "plots/a%20b.svg");
        assert_eq!(
            query(&[("run_id", "a&b"), ("path", "")]),
            "?run_id=a%26b&path="
        );
        assert_eq!(decode("a%20b%zz%"), "a b%zz%");
    }

    #[test]
    fn only_this_machine_is_here() {
        assert!(
            is_here("http://127.0.0.1:5000/x")
                && is_here("http://localhost")
                && is_here("http://[::1]:8")
        );
        assert!(!is_here("http://localhost.evil.com") && !is_here("http://10.0.0.1"));
    }
}
