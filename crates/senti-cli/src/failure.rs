//! How a command fails: an error and an exit code, drawn here and nowhere else.
//!
//! In comes a [`senti::Error`] of any kind, or one of a wrong command line; out go lines on stderr and the code of the process.

use std::error::Error as _;
use std::process::ExitCode;

use senti::{Error, ErrorKind};

use crate::say;

/// Done.
pub const DONE: u8 = 0;
/// Your input or data.
pub const DATA: u8 = 1;
/// Usage, or unexpected.
pub const USAGE: u8 = 2;
/// Stopped by Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// An error with its exit code.
#[derive(Debug)]
pub struct Failure {
    error: Error,
    code: u8,
}

/// Result of a command.
pub type Outcome<T = ()> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::Interrupted => INTERRUPTED,
            ErrorKind::Internal => USAGE,
            _ => DATA,
        };
        Self { error, code }
    }
}

/// The command line, the environment or a configuration file is wrong.
pub fn usage(error: Error) -> Failure {
    Failure { error, code: USAGE }
}

/// Adds a hint where there is none.
pub fn hinted(error: Error, hint: &str) -> Error {
    match error.hint_text() {
        Some(_) => error,
        None => error.hint(hint),
    }
}

impl Failure {
    /// The error without its exit code.
    pub fn into_error(self) -> Error {
        self.error
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// Writes `error:`, every `cause:` and the `hint:` to stderr and gives the exit code.
    pub fn report(&self) -> ExitCode {
        say::error(&self.to_string());
        ExitCode::from(self.code)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = match self.error.kind() {
            ErrorKind::Interrupted => "stopped",
            _ => "error",
        };
        // One line each: a name with a line break in it must not look like a line of ours.
        let line = |text: String| text.trim_end().replace('\n', "\\n");
        write!(f, "{word}: {}", line(self.error.to_string()))?;
        let mut cause = self.error.source();
        let mut inner_hint = None;
        while let Some(error) = cause {
            write!(f, "\ncause: {}", line(error.to_string()))?;
            if let Some(error) = error.downcast_ref::<Error>() {
                inner_hint = inner_hint.or(error.hint_text());
            }
            cause = error.source();
        }
        // The outer hint knows more of what the user wanted; the inner one is better than none.
        let ours = Some("this is our mistake; please report it");
        let ours = ours.filter(|_| self.error.kind() == ErrorKind::Internal);
        if let Some(hint) = ours.or(self.error.hint_text()).or(inner_hint) {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

/// From now on a panic is one line, with a backtrace only where `RUST_BACKTRACE` asks for one.
pub fn tame_panics() {
    let plain = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say::error(&mistake(panic));
        if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0") {
            plain(panic);
        }
    }));
}

/// Runs a command and gives the exit code; a panic in it is [`USAGE`].
pub fn guard(command: impl FnOnce() -> Outcome + std::panic::UnwindSafe) -> ExitCode {
    match std::panic::catch_unwind(command) {
        Ok(Ok(())) => ExitCode::from(DONE),
        Ok(Err(failure)) => failure.report(),
        Err(_) => ExitCode::from(USAGE),
    }
}

fn mistake(panic: &std::panic::PanicHookInfo<'_>) -> String {
    let what = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map_or(String::new(), |place| {
        format!(" at {}:{}", place.file(), place.line())
    });
    let what = what.replace('\n', " ");
    format!("error: this is our mistake, please report it: {what}{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: Error, text: &str, code: u8) {
        let failure = Failure::from(error);
        assert_eq!(failure.to_string(), text);
        assert_eq!(failure.code, code);
    }

    #[test]
    fn causes_are_chained_and_the_hint_comes_last() {
        let cause = Error::data("line 3 is short").because(std::io::Error::other("cut off"));
        check(
            Error::input("cannot read `a.csv`")
                .hint("give another file")
                .because(cause),
            "error: cannot read `a.csv`\ncause: line 3 is short\ncause: cut off\nhint: give another file",
            1,
        );
        check(
            Error::new(ErrorKind::Interrupted, "stopped after epoch 3"),
            "stopped: stopped after epoch 3",
            130,
        );
        check(
            Error::internal("no rows"),
            "error: no rows\nhint: this is our mistake; please report it",
            2,
        );
    }

    #[test]
    fn a_panic_is_unexpected_and_no_crash() {
        let code = guard(|| panic!("tested"));
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(USAGE)));
    }
}
