//! What leaves the program: data on stdout, everything else on stderr.
//!
//! In come finished texts; nothing else in this crate writes. A reader that closed the pipe is no error and no panic.

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
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
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
        stderr(line);
    }
}

/// A drawn error; never silenced. Colour only for a terminal that wants it.
pub fn error(text: &str) {
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
