//! The report as one HTML file: it opens from disk, fetches nothing, prints, and follows the reader's wish for a dark page.
//!
//! In comes a [`Page`]; out go bytes that depend on nothing else. Charts are inline SVG; a script of our own tells values where the
//! reader points, and the page is whole without it. The page's own policy (a hash of script and style) keeps any other script from
//! running, whatever a column is called. Nothing here computes a score.

mod backtest;
mod bars;
mod chart;
mod page;
mod sections;
mod text;
mod training;

use sha2::{Digest, Sha256};

use crate::plots::escape;

pub use backtest::{Tested, of_backtest};
pub use page::{
    Cell, Facts, Grid, Horizon, Importance, ImportanceRow, Judgement, Model, Newest, Page, Spread,
    Step, Tone,
};
pub use training::of_training;

const SCRIPT: &str = include_str!("script.js");
const STYLE: &str = include_str!("style.css");

/// The page as a file.
pub fn render(page: &Page<'_>) -> String {
    let sections: Vec<_> = sections::all(page)
        .into_iter()
        .filter(|section| !section.body.is_empty())
        .collect();
    let title = escape(&page.title);
    let mut out = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n<link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n",
        digest(STYLE),
        digest(SCRIPT)
    );
    out += &format!(
        "<header>\n<h1>{title}</h1>\n<p class=\"muted\">{}</p>\n</header>\n",
        escape(&page.about)
    );
    out.push_str("<nav aria-label=\"Sections\"><ul>");
    for section in &sections {
        out += &format!("<li><a href=\"#{}\">{}</a></li>", section.id, section.title);
    }
    out.push_str("</ul></nav>\n<main>\n");
    for section in &sections {
        out += &format!(
            "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n{}</section>\n",
            section.title,
            section.body,
            id = section.id
        );
    }
    out += &format!(
        "</main>\n<footer>Written by Senti AI {}. Nothing here is advice to buy or sell.</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        env!("CARGO_PKG_VERSION")
    );
    out
}

/// Names a text in a content security policy.
fn digest(text: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(text.as_bytes())))
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place <= chunk.len() {
                out.push(LETTERS[(word >> (18 - 6 * place) & 63) as usize] as char);
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vectors of RFC 4648, section 10.
    #[test]
    fn base64_of_the_rfc() {
        for (text, wanted) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), wanted);
        }
    }

    /// `printf 'alert(1)' | openssl dgst -sha256 -binary | base64`
    #[test]
    fn digests_are_those_of_browsers() {
        assert_eq!(
            digest("alert(1)"),
            "sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI="
        );
    }
}
