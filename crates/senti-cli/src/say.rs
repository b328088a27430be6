//! What leaves the program: data on stdout, everything else on stderr.
//!
//! In come finished texts; nothing else in this crate writes. A reader that closed the pipe is no error and no panic.

use std::borrow::Cow;
use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use senti::{Error, Result};
use serde_json::Value;

use crate::failure::{Failure, Outcome};

static QUIET: AtomicBool = AtomicBool::new(false);

/// From now on only errors are said.
pub fn be_quiet() {
    QUIET.store(true, Relaxed);
}

/// Is only the result wanted?
pub fn quiet() -> bool {
    QUIET.load(Relaxed)
}

/// Data for stdout. A closed pipe (`| head`) ends the text, not the program.
pub fn data(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let written = out
        .write_all(harmless(text).as_bytes())
        .and_then(|()| out.flush());
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Error::remote("cannot write the result to stdout").because(error))
        }
        _ => Ok(()),
    }
}

/// The result of a command in the form that is wanted: a pretty JSON document or a text.
pub fn result(
    as_json: bool,
    json: impl FnOnce() -> Value,
    text: impl FnOnce() -> String,
) -> Outcome {
    let text = match as_json {
        true => format!("{:#}\n", json()),
        false => text(),
    };
    data(&text).map_err(Failure::from)
}

/// A line for the person at the terminal.
pub fn note(line: &str) {
    if !quiet() {
        always(line);
    }
}

/// A line that must be known even where only errors are wanted.
pub fn always(line: &str) {
    // One line: a name with a line break in it must not look like a line of ours.
    stderr(&harmless(line).replace('\n', "\\n"));
}

/// `1 epoch`, `2 epochs`.
pub fn count(n: usize, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// Names come from files and arguments, and may hold what makes a terminal do things. It is spelled out, as JSON does, so that a
/// JSON document stays one. New lines are ours.
fn harmless(text: &str) -> Cow<'_, str> {
    // Beside the control characters, those that turn the direction of writing around.
    let harmful = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let spell = |c: char| match harmful(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    };
    Cow::Owned(text.chars().map(spell).collect())
}

/// A drawn error; never silenced. Colour only for a terminal that wants it.
pub fn error(text: &str) {
    let text = &*harmless(text);
    if !colour(std::io::stderr().is_terminal()) {
        return stderr(text);
    }
    let paint = |line: &str| match line.split_once(": ") {
        Some(("hint", rest)) => format!("\x1b[36mhint:\x1b[0m {rest}"),
        Some((word @ ("error" | "cause" | "stopped"), rest)) => {
            format!("\x1b[31m{word}:\x1b[0m {rest}")
        }
        _ => line.to_owned(),
    };
    stderr(&text.lines().map(paint).collect::<Vec<_>>().join("\n"));
}

/// `NO_COLOR` with any text in it, and a dumb terminal, switch colour off.
pub fn colour(terminal: bool) -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    terminal && !no_colour && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn stderr(line: &str) {
    // Nobody can be told when stderr itself is gone.
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        for (text, wanted) in [
            ("a b\nµ", "a b\nµ"),
            ("a\u{1b}[31mb\r\u{7}", "a\\u001b[31mb\\u000d\\u0007"),
            ("\u{9b}2J \u{202e}vsc", "\\u009b2J \\u202evsc"),
        ] {
            assert_eq!(harmless(text), wanted);
        }
    }

    #[test]
    fn one_is_one() {
        assert_eq!(
            [count(1, "epoch"), count(0, "epoch")],
            ["1 epoch", "0 epochs"]
        );
    }
}
