//! A run as plain data: what MLflow is told, in MLflow's own words, and the limits within which it listens.
//!
//! In come texts and numbers of any length and kind; out go values that every server since 2.9 takes as they are. What is too long is cut
//! here, visibly, because a server cuts in silence; what is no number is a word, because JSON has none. Nothing here opens a file or a
//! socket, and no secret belongs into a record.

use std::path::PathBuf;

use senti::table::Time;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Most characters of a parameter's value; a server keeps that many and says nothing of the rest.
pub const PARAM_LIMIT: usize = 6_000;
/// Most characters of a tag's value: 8000 in MLflow 2.9 and later, 5000 before.
pub const TAG_LIMIT: usize = 5_000;
/// Most characters of the name of a parameter, a tag or a metric.
pub const KEY_LIMIT: usize = 250;
/// Most characters of a data set's name.
pub const DATASET_NAME_LIMIT: usize = 500;
/// Most characters of a data set's digest.
pub const DIGEST_LIMIT: usize = 36;
/// Most bytes of the other texts of a data set: the width of the narrowest column (`TEXT` in MySQL).
pub const DATASET_TEXT_LIMIT: usize = 65_535;

/// A name and a text: a parameter or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Its name.
    pub key: String,
    /// Its text.
    pub value: String,
}

/// A parameter: a value longer than [`PARAM_LIMIT`] is cut, and says so.
pub fn param(key: &str, value: impl Into<String>) -> Pair {
    Pair {
        key: legal_key(key),
        value: cut(value.into(), PARAM_LIMIT),
    }
}

/// A tag: a value longer than [`TAG_LIMIT`] is cut, and says so.
pub fn tag(key: &str, value: impl Into<String>) -> Pair {
    Pair {
        key: legal_key(key),
        value: cut(value.into(), TAG_LIMIT),
    }
}

/// A number at a time and a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub key: String,
    /// The number; what is not finite goes over the wire as a word.
    #[serde(with = "spoken")]
    pub value: f64,
    /// When it was measured, in milliseconds since 1970.
    pub timestamp: Time,
    /// Which epoch, or which step ahead.
    pub step: i64,
}

/// A metric.
pub fn metric(key: &str, value: f64, timestamp: Time, step: usize) -> Metric {
    Metric {
        key: legal_key(key),
        value,
        // a server refuses times before 1970
        timestamp: timestamp.max(0),
        step: i64::try_from(step).unwrap_or(i64::MAX),
    }
}

/// Data that a run looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// A short name.
    pub name: String,
    /// A prefix of the SHA-256: at most [`DIGEST_LIMIT`] characters.
    pub digest: String,
    /// What kind of place it is from: `local`, `sample`, `bigquery`.
    pub source_type: String,
    /// Where that is, as a text of JSON.
    pub source: String,
    /// Its columns, as a text of JSON in MLflow's form.
    pub schema: String,
    /// Its size, as a text of JSON.
    pub profile: String,
    /// What it was used for: `training`, `evaluation`.
    pub context: String,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// At work.
    Running,
    /// Done.
    Finished,
    /// Ended by an error.
    Failed,
    /// Ended from outside.
    Killed,
}

impl Status {
    /// As MLflow spells it.
    pub fn name(self) -> &'static str {
        match self {
            Status::Running => "RUNNING",
            Status::Finished => "FINISHED",
            Status::Failed => "FAILED",
            Status::Killed => "KILLED",
        }
    }
}

/// A file of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArtifactFile {
    /// Its place within the run, parts separated by `/`.
    pub path: String,
    /// Where it is on this machine.
    pub file: PathBuf,
}

/// The experiment that a run belongs to: `id` where it is known, else the name, else MLflow's `Default`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Experiment {
    /// Its name; made where it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its number; wins over the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// Everything that is said of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Ours, 32 hexadecimal digits: [`run_id`]. It becomes the tag `senti.run_id`; MLflow gives another one.
    pub id: String,
    /// Where it belongs.
    pub experiment: Experiment,
    /// Its name.
    pub name: String,
    /// Our number of the run above it.
    pub parent: Option<String>,
    /// When it began.
    pub start: Time,
    /// When it ended.
    pub end: Option<Time>,
    /// How far it is.
    pub status: Status,
    /// Its tags.
    pub tags: Vec<Pair>,
    /// Its parameters.
    pub params: Vec<Pair>,
    /// Its metrics.
    pub metrics: Vec<Metric>,
    /// Its data.
    pub inputs: Vec<Dataset>,
    /// Its files.
    pub artifacts: Vec<ArtifactFile>,
}

/// Our number of a run: the first 32 hexadecimal digits of the SHA-256 of what tells it from others (digest of the data, plan, start,
/// process). Nothing is random, so nothing random is asked for.
pub fn run_id(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // lengths keep `ab`, `c` and `a`, `bc` apart
        hash.update(part.len().to_le_bytes());
        hash.update(part.as_bytes());
    }
    let digits: String = hash.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    digits
}

/// A text of at most so many characters. One that is longer ends with how long it was.
pub fn cut(text: String, limit: usize) -> String {
    let length = text.chars().count();
    if length <= limit {
        return text;
    }
    let mark = format!(" … [cut, {length} characters]");
    let kept = limit.saturating_sub(mark.chars().count());
    text.chars().take(kept).chain(mark.chars()).collect()
}

/// The nearest name that MLflow takes: letters and digits of ASCII and `_ - . space : /`, a path that is its own shortest form, at most
/// [`KEY_LIMIT`] characters. Anything else becomes `_`.
pub fn legal_key(key: &str) -> String {
    let letter = |c: char| match c {
        c if c.is_ascii_alphanumeric() || "_-. :/".contains(c) => c,
        '%' => 'p',
        _ => '_',
    };
    let legal: String = key.chars().map(letter).collect();
    let parts = legal.split('/');
    let parts: Vec<&str> = parts
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .collect();
    let mut legal = parts.join("/");
    if legal.len() > KEY_LIMIT {
        // what tells long names apart is often their end
        let mark = &run_id(&[key])[..8];
        legal.truncate(KEY_LIMIT - 9);
        legal = format!("{}_{mark}", legal.trim_end_matches('/'));
    }
    match legal.is_empty() {
        true => "_".into(),
        false => legal,
    }
}

/// Numbers as a server reads them: a bare `NaN` would be stored as 0, `null` refused, but the words of protobuf's JSON are understood.
mod spoken {
    use super::*;

    pub fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if *value == f64::INFINITY => serializer.serialize_str("Infinity"),
            value if *value == f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            value => serializer.serialize_f64(*value),
        }
    }

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Spoken {
        Number(f64),
        Word(String),
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        match Spoken::deserialize(deserializer)? {
            Spoken::Number(value) => Ok(value),
            Spoken::Word(word) => match word.as_str() {
                "NaN" => Ok(f64::NAN),
                "Infinity" => Ok(f64::INFINITY),
                "-Infinity" => Ok(f64::NEG_INFINITY),
                _ => Err(D::Error::custom(format!("`{word}` is no number"))),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MLflow's own rule (`mlflow/utils/validation.py` of 2.22 and 3.17): these characters, and `posixpath.normpath` changes nothing.
    #[test]
    fn names_are_those_that_mlflow_takes() {
        for (key, wanted) in [
            ("mae", "mae"),
            ("h01/mae", "h01/mae"),
            ("a b:c.d-e_f", "a b:c.d-e_f"),
            ("mae%", "maep"),
            ("mae (h=5)", "mae _h_5_"),
            ("../x", "x"),
            ("/a//b/./c/", "a/b/c"),
            ("größe", "gr__e"),
            ("", "_"),
            ("..", "_"),
        ] {
            assert_eq!(legal_key(key), wanted, "{key}");
        }
        let (one, other) = (
            legal_key(&("x".repeat(300) + "1")),
            legal_key(&("x".repeat(300) + "2")),
        );
        assert_eq!((one.len(), other.len()), (KEY_LIMIT, KEY_LIMIT));
        assert_ne!(one, other);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("a".repeat(6000), 6000), "a".repeat(6000));
        let long = cut("é".repeat(6001), 6000);
        assert_eq!(long.chars().count(), 6000);
        assert!(long.ends_with(" … [cut, 6001 characters]"), "{long}");
    }

    /// The words are protobuf's (JSON mapping of `double`).
    #[test]
    fn what_is_no_number_is_a_word() {
        for (value, wanted) in [
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"Infinity\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
            (0.1, "0.1"),
            (-2.5, "-2.5"),
        ] {
            let text = serde_json::to_string(&metric("m", value, 5, 2)).unwrap();
            assert_eq!(
                text,
                format!("{{\"key\":\"m\",\"value\":{wanted},\"timestamp\":5,\"step\":2}}")
            );
            let back: Metric = serde_json::from_str(&text).unwrap();
            assert_eq!(back.value.to_bits(), value.to_bits());
        }
        assert!(
            serde_json::from_str::<Metric>(r#"{"key":"m","value":"x","timestamp":0,"step":0}"#)
                .is_err()
        );
    }

    #[test]
    fn numbers_of_runs_tell_their_parts_apart() {
        assert_eq!(run_id(&["a", "b"]).len(), 32);
        assert_ne!(run_id(&["ab", "c"]), run_id(&["a", "bc"]));
    }
}
