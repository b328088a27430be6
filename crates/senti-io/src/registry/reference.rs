//! How a registered model is called: by model type or registered name, and by version, alias or stage.
//!
//! In comes a word as a person types it (`lstm`, `lstm/3`, `lstm@champion`, `lstm/Production`, `models:/sentiai_model_lstm@champion`),
//! out goes a [`Reference`], or an error that says what is wrong with it. Nothing is looked up here: whether there is such a model is
//! for a registry to say.

use senti::{Error, Result};
use serde::{Deserialize, Serialize};

/// Start of the name of a model in an MLflow registry, as MLflow spells it.
pub const SCHEME: &str = "models:/";

const SPELLINGS: &str = "`lstm` (the newest), `lstm/3`, `lstm@champion`, `lstm/Production`; in an MLflow registry `models:/sentiai_model_lstm@champion`";

/// How far a version has come, in MLflow's words.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Stage {
    /// Nothing was said of it.
    #[default]
    None,
    /// Being tried.
    Staging,
    /// In use.
    Production,
    /// No longer in use.
    Archived,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 4] = [Self::None, Self::Staging, Self::Production, Self::Archived];

    /// As MLflow spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Staging => "Staging",
            Self::Production => "Production",
            Self::Archived => "Archived",
        }
    }

    /// Reads a stage; capitals make no difference, as in MLflow.
    pub fn parse(text: &str) -> Option<Self> {
        let alike = |stage: &Self| stage.name().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(alike)
    }

    /// Is nothing said of it?
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Which version of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with the highest number.
    Newest,
    /// The one of this number.
    Version(u32),
    /// The one that this alias points at.
    Alias(String),
    /// The newest one in this stage.
    Stage(Stage),
}

impl From<Option<u32>> for Which {
    fn from(version: Option<u32>) -> Self {
        version.map_or(Self::Newest, Self::Version)
    }
}

/// A registered model as it is called.
///
/// ```
/// use senti_io::registry::{Reference, Which};
/// let champion = Reference::parse("models:/sentiai_model_lstm@champion")?;
/// assert_eq!(champion.name, "sentiai_model_lstm");
/// assert_eq!(champion.which, Which::Alias("champion".into()));
/// assert!(champion.in_mlflow);
/// assert_eq!(Reference::parse("lstm/3")?.which, Which::Version(3));
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The registered name, or the model type.
    pub name: String,
    /// Which of its versions.
    pub which: Which,
    /// Does it begin with `models:/`, and so stand in an MLflow registry?
    pub in_mlflow: bool,
}

impl Reference {
    /// Of a model type and a version, the newest by default.
    pub fn of(model_type: &str, version: Option<u32>) -> Self {
        Self {
            name: model_type.into(),
            which: version.into(),
            in_mlflow: false,
        }
    }

    /// Reads any of the spellings.
    pub fn parse(word: &str) -> Result<Self> {
        let refuse = |what: String| Error::input(what).hint(format!("wanted one of {SPELLINGS}"));
        let in_mlflow = word.starts_with(SCHEME);
        let body = word.strip_prefix(SCHEME).unwrap_or(word);
        if body.contains("://") || (!in_mlflow && word.starts_with("models:")) {
            return Err(refuse(format!("`{word}` names no model")));
        }
        if let Some((name, alias)) = body.split_once('@') {
            check_name(word, name)?;
            check_alias(alias).map_err(|error| error.within(format!("`{word}` names no model")))?;
            return Ok(Self {
                name: name.into(),
                which: Which::Alias(alias.into()),
                in_mlflow,
            });
        }
        let Some((name, which)) = body.split_once('/') else {
            check_name(word, body)?;
            if in_mlflow {
                // Without a version this is how MLflow calls a logged model (`models:/m-…`).
                return Err(Error::input(format!(
                    "`{word}` names no version, wanted one like `{word}/3`, `{word}@champion` or `{word}/latest`"
                )));
            }
            return Ok(Self {
                name: body.into(),
                which: Which::Newest,
                in_mlflow,
            });
        };
        check_name(word, name)?;
        let which = match (version(which), Stage::parse(which)) {
            (Some(number), _) => Which::Version(number),
            (_, Some(stage)) => Which::Stage(stage),
            _ if which.eq_ignore_ascii_case("latest") => Which::Newest,
            _ => {
                return Err(refuse(format!(
                    "`{word}` has the version `{which}`, wanted a whole number from 1, a stage ({}) or latest",
                    Stage::ALL.map(Stage::name).join(", ")
                )));
            }
        };
        Ok(Self {
            name: name.into(),
            which,
            in_mlflow,
        })
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.in_mlflow { SCHEME } else { "" })?;
        f.write_str(&self.name)?;
        match &self.which {
            Which::Newest if self.in_mlflow => f.write_str("/latest"),
            Which::Newest => Ok(()),
            Which::Version(number) => write!(f, "/{number}"),
            Which::Alias(alias) => write!(f, "@{alias}"),
            Which::Stage(stage) => write!(f, "/{stage}"),
        }
    }
}

/// `01` and `+1` may be a slip of the hand: a version is named as it is listed.
fn version(text: &str) -> Option<u32> {
    let number = text.parse().ok()?;
    (number > 0 && u32::to_string(&number) == text).then_some(number)
}

/// A name that can be one: what MLflow forbids (`/`, `:`) and what could leave a folder is refused here.
fn check_name(word: &str, name: &str) -> Result<()> {
    let odd = |c: char| c == ':' || c == '/' || c == '\\' || c.is_control();
    if name.is_empty() || name.starts_with('.') || name.len() > 256 || name.contains(odd) {
        let sentence = match name.is_empty() {
            true => format!("`{word}` names no model type"),
            false => format!("`{word}` names no model: `{name}` is no name"),
        };
        return Err(Error::input(sentence).hint(format!("wanted one of {SPELLINGS}")));
    }
    Ok(())
}

/// An alias as MLflow allows it: up to 255 letters, digits, `_` and `-`, neither `latest` nor `v3`.
///
/// MLflow's letters are Python's `\w`, Unicode included.
pub fn check_alias(alias: &str) -> Result<()> {
    let wanted = "up to 255 letters, digits, `_` or `-`";
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    if alias.is_empty() || alias.chars().count() > 255 || !alias.chars().all(fits) {
        return Err(Error::input(format!(
            "the alias is `{alias}`, wanted {wanted}"
        )));
    }
    let number = alias.strip_prefix(['v', 'V']);
    let like_a_version =
        number.is_some_and(|rest| !rest.is_empty() && rest.chars().all(|c| c.is_ascii_digit()));
    if alias.eq_ignore_ascii_case("latest") || like_a_version {
        return Err(Error::input(format!(
            "the alias `{alias}` is reserved: MLflow means a version by it"
        ))
        .hint("take another one, like `champion`"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, name: &str, which: Which, in_mlflow: bool) {
        let wanted = Reference {
            name: name.into(),
            which,
            in_mlflow,
        };
        assert_eq!(Reference::parse(word).unwrap(), wanted, "{word}");
    }

    #[test]
    fn every_spelling_is_understood() {
        let alias = |alias: &str| Which::Alias(alias.into());
        check("lstm", "lstm", Which::Newest, false);
        check("lstm/latest", "lstm", Which::Newest, false);
        check("lstm/3", "lstm", Which::Version(3), false);
        check("lstm@champion", "lstm", alias("champion"), false);
        check(
            "lstm/Production",
            "lstm",
            Which::Stage(Stage::Production),
            false,
        );
        check("lstm/none", "lstm", Which::Stage(Stage::None), false);
        let name = "sentiai_model_lstm";
        check(
            "models:/sentiai_model_lstm@champion",
            name,
            alias("champion"),
            true,
        );
        check(
            "models:/sentiai_model_lstm/3",
            name,
            Which::Version(3),
            true,
        );
        check(
            "models:/sentiai_model_lstm/staging",
            name,
            Which::Stage(Stage::Staging),
            true,
        );
        check(
            "models:/sentiai_model_lstm/LATEST",
            name,
            Which::Newest,
            true,
        );
        check(
            "models:/my model é/1",
            "my model é",
            Which::Version(1),
            true,
        );
    }

    #[test]
    fn what_was_read_is_spelled_as_it_can_be_read_again() {
        for word in [
            "lstm",
            "lstm/3",
            "lstm@a-b",
            "lstm/Archived",
            "models:/a/latest",
            "models:/a@b",
        ] {
            assert_eq!(Reference::parse(word).unwrap().to_string(), word);
        }
    }

    #[test]
    fn slips_are_told() {
        for (word, sentence) in [
            (
                "lstm/x",
                "`lstm/x` has the version `x`, wanted a whole number from 1, a stage (None, Staging, Production, Archived) or latest",
            ),
            ("lstm/", "`lstm/` has the version ``, wanted"),
            ("lstm/01", "`lstm/01` has the version `01`, wanted"),
            ("lstm/0", "`lstm/0` has the version `0`, wanted"),
            ("lstm/+1", "`lstm/+1` has the version `+1`, wanted"),
            ("lstm/1/2", "`lstm/1/2` has the version `1/2`, wanted"),
            ("/3", "`/3` names no model type"),
            ("@champion", "`@champion` names no model type"),
            ("", "`` names no model type"),
            ("models:/", "`models:/` names no model type"),
            ("models:/a", "`models:/a` names no version, wanted one like"),
            ("models:a/1", "`models:a/1` names no model"),
            (
                "models://host/a/1",
                "`models://host/a/1` names no model type",
            ),
            ("../etc/1", "`../etc/1` names no model: `..` is no name"),
            ("lstm@", "`lstm@` names no model"),
            ("lstm@latest", "`lstm@latest` names no model"),
            ("lstm@v3", "`lstm@v3` names no model"),
            ("lstm@a/b", "`lstm@a/b` names no model"),
        ] {
            let error = Reference::parse(word).unwrap_err();
            assert!(error.to_string().starts_with(sentence), "{word}: {error}");
        }
    }

    /// The rules are those of mlflow/utils/validation.py, read in 2.22 and 3.17.
    #[test]
    fn aliases_are_those_that_mlflow_takes() {
        for alias in ["champion", "v", "v3x", "a-b_c9", "größer", &"a".repeat(255)] {
            check_alias(alias).unwrap();
        }
        for alias in ["", "a b", "a.b", "Latest", "V12", &"a".repeat(256)] {
            assert!(check_alias(alias).is_err(), "{alias}");
        }
    }
}
