//! The one public error of the product: a kind that tells the reader what can be done, a sentence, a cause, perhaps a hint.
//!
//! Modules keep small private errors of their own and turn them into this one. Each face draws it in one place.

use std::fmt;

/// Result of everything that can fail in front of a user.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the reader of an error can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, a file name, a setting: give another one.
    Input,
    /// The data themselves: look at the named row and column.
    Data,
    /// The plan contradicts itself or the data: change an option.
    Plan,
    /// Another machine or the operating system failed: try again, or look there.
    Remote,
    /// A part that does not exist (yet).
    Unsupported,
    /// The user asked to stop. Nothing is wrong.
    Interrupted,
    /// Our own mistake.
    Internal,
}

/// A kind, a sentence in lower case without a full stop, a cause, perhaps a hint.
///
/// ```
/// use senti::{Error, ErrorKind};
/// let error = Error::plan("41 rows cannot make a window of 30 past and 30 ahead")
///     .hint("give at least 60 rows, or lower `--input_seq_length`");
/// assert_eq!(error.kind(), ErrorKind::Plan);
/// assert_eq!(error.to_string(), "41 rows cannot make a window of 30 past and 30 ahead");
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    sentence: String,
    hint: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of this kind with this sentence.
    pub fn new(kind: ErrorKind, sentence: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            sentence: sentence.into(),
            hint: None,
            cause: None,
        }))
    }

    /// An argument or setting is wrong.
    pub fn input(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::Input, sentence)
    }

    /// The data are wrong.
    pub fn data(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, sentence)
    }

    /// The plan contradicts itself or the data.
    pub fn plan(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::Plan, sentence)
    }

    /// Another machine or the operating system failed.
    pub fn remote(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::Remote, sentence)
    }

    /// A missing part.
    pub fn unsupported(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, sentence)
    }

    /// Our own mistake.
    pub fn internal(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, sentence)
    }

    /// Adds what the reader can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Chains the cause; it is drawn behind the sentence, never pasted into it.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// The same error as the cause of a sentence that says where it happened; kind and hint stay.
    #[must_use]
    pub fn within(mut self, sentence: impl Into<String>) -> Self {
        let (kind, hint) = (self.0.kind, self.0.hint.take());
        let outer = Self::new(kind, sentence).because(self);
        match hint {
            Some(hint) => outer.hint(hint),
            None => outer,
        }
    }

    /// What can be done about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The hint, where there is one.
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.sentence)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
