//! The `.env` file: environment variables kept in a file, below the real ones.
//!
//! In comes a path; out go the assignments. Lines are `NAME=value`, `export NAME=value`, comments or empty; anything else belongs to
//! another program (such files are shared) and is passed over. No value is expanded.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use senti::{Error, Result};

/// The assignments of a file; none where there is no file.
pub fn read(path: &Path) -> Result<BTreeMap<String, String>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(parse(&String::from_utf8_lossy(&bytes))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
        // A folder of this name (a virtual environment) is no file of ours.
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(BTreeMap::new()),
        Err(error) => Err(Error::input("cannot read `.env`").because(error)),
    }
}

fn parse(text: &str) -> BTreeMap<String, String> {
    let lines = text.trim_start_matches('\u{feff}').lines();
    lines.filter_map(assignment).collect()
}

fn assignment(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let name = name.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(rest) = value.strip_prefix(quote)
            && let Some((inner, _)) = rest.split_once(quote)
        {
            return Some((name.to_owned(), inner.to_owned()));
        }
    }
    // A comment behind an unquoted value needs a blank before it; `a#b` is a value.
    let value = match value.find(" #") {
        Some(at) => value[..at].trim_end(),
        None if value.starts_with('#') => "",
        None => value,
    };
    Some((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, wanted: Option<(&str, &str)>) {
        let wanted = wanted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(assignment(line), wanted, "{line}");
    }

    #[test]
    fn lines_of_an_env_file() {
        check("LSTM_MAX_EPOCHS=7", Some(("LSTM_MAX_EPOCHS", "7")));
        check("export A = 7 # seven", Some(("A", "7")));
        check("A=\"b # c\" # d", Some(("A", "b # c")));
        check("A='b=c'", Some(("A", "b=c")));
        check("A=b#c", Some(("A", "b#c")));
        check("A=", Some(("A", "")));
        check("A= # nothing", Some(("A", "")));
        check("# A=7", None);
        check("", None);
        check("some text", None);
        check("a b=c", None);
    }

    #[test]
    fn a_byte_order_mark_and_windows_lines_are_no_part_of_a_name() {
        let read = parse("\u{feff}A=1\r\nB=2\r\n");
        assert_eq!(read.get("A").map(String::as_str), Some("1"));
        assert_eq!(read.get("B").map(String::as_str), Some("2"));
    }
}
