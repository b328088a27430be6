//! The `.env` file: environment variables kept in a file, below the real ones.
//!
//! In comes a path; out go the assignments, and notes for lines that may be slips. Lines are `NAME=value`, `export NAME=value`,
//! comments or empty; anything else is passed over, since such files are shared with other programs. No value is expanded, and none is
//! shown: it may be a secret.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use senti::{Error, Result};

use crate::suggestion;

/// Names that can only be meant for us, and for the original.
const OURS: [&str; 2] = ["LSTM_", "SENTI_"];

type Read = (BTreeMap<String, String>, Vec<String>);

/// The assignments of a file and what is odd in it; none where there is no file. `known` gives the names that an option has.
pub fn read<'a, I: Iterator<Item = &'a str>>(path: &Path, known: impl Fn() -> I) -> Result<Read> {
    let cannot = |error| Error::input("cannot read `.env`").because(error);
    match std::fs::metadata(path) {
        Ok(file) if file.is_file() => {}
        // A folder of this name may be a virtual environment; a pipe would keep us waiting.
        Ok(file) => {
            let what = if file.is_dir() {
                "a folder"
            } else {
                "no plain file"
            };
            let note = format!("`.env` is {what} and is passed over");
            return Ok((BTreeMap::new(), vec![note]));
        }
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Read::default()),
        Err(error) => return Err(cannot(error)),
    }
    let bytes = std::fs::read(path).map_err(cannot)?;
    Ok(parse(&String::from_utf8_lossy(&bytes), known))
}

fn parse<'a, I: Iterator<Item = &'a str>>(text: &str, known: impl Fn() -> I) -> Read {
    let mut read = Read::default();
    let mut odd = Vec::new();
    for (number, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        match assignment(line) {
            Some((name, value)) => {
                read.0.insert(name, value);
            }
            None if line.trim().is_empty() || line.trim().starts_with('#') => {}
            None => odd.push(number + 1),
        }
    }
    if let Some(first) = odd.first() {
        let more = match odd.len() - 1 {
            0 => String::new(),
            1 => " (and 1 more line)".to_owned(),
            n => format!(" (and {n} more lines)"),
        };
        read.1.push(format!(
            "line {first} of `.env`{more} is not `NAME=value` and is passed over"
        ));
    }
    for name in read.0.keys() {
        let ours = OURS.iter().any(|start| name.starts_with(start));
        if !ours || known().any(|known| known == name) {
            continue;
        }
        let near = suggestion::nearest(name, known());
        let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
        read.1
            .push(format!("`.env` sets `{name}`, which no option reads{near}"));
    }
    read
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
        let (read, notes) = parse("\u{feff}A=1\r\nB=2\r\n", std::iter::empty);
        assert_eq!(read.get("A").map(String::as_str), Some("1"));
        assert_eq!(read.get("B").map(String::as_str), Some("2"));
        assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn slips_are_told_and_values_are_not() {
        let known = || ["LSTM_MAX_EPOCHS", "SENTI_UNITS"].into_iter();
        let text = "# a\n\nLSTM_MAX_EPOCH=3\nsecret words\nOTHER=1\nSENTI_UNITS=8\nmore";
        assert_eq!(
            parse(text, known).1,
            [
                "line 4 of `.env` (and 1 more line) is not `NAME=value` and is passed over",
                "`.env` sets `LSTM_MAX_EPOCH`, which no option reads; did you mean `LSTM_MAX_EPOCHS`?",
            ]
        );
    }

    #[test]
    fn a_folder_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let (read, notes) = read(folder.path(), std::iter::empty).unwrap();
        assert!(read.is_empty());
        assert_eq!(notes, ["`.env` is a folder and is passed over"]);
    }
}
