//! The settings of a run: every option of a command with its value and where that came from.
//!
//! In come flags, environment, a `.env` file and a TOML file; out come [`Settings`], whose values are all of the right kind and range.
//! Nothing here knows what the values are for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use senti::{Error, Result};
use senti_io::mlflow::connection::VARIABLES;

use crate::env_file;
use crate::options::{FLAGS_ONLY, OPTIONS, Opt, Value, Verb, find};
use crate::{live, suggestion};

/// The file that is read from the working directory when no other is named.
pub const FILE: &str = "senti-ai.toml";

/// Where a value came from.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    /// The command line.
    Flag,
    /// An environment variable.
    Environment(&'static str),
    /// A line of the `.env` file.
    EnvFile(&'static str),
    /// A key of this TOML file.
    File(String),
    /// The record of a model.
    Model,
    /// Nobody said anything.
    Default,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Flag => f.write_str("flag"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::EnvFile(name) => write!(f, ".env {name}"),
            Origin::File(file) => f.write_str(file),
            Origin::Model => f.write_str("the model's record"),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// A value (none: nothing was said and there is no default) and its origin.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// The value.
    pub value: Option<Value>,
    /// Who said so.
    pub origin: Origin,
}

/// All options of a command.
#[derive(Debug)]
pub struct Settings {
    verb: Verb,
    values: BTreeMap<&'static str, Setting>,
    /// What a careful reader of the files should be told.
    pub notes: Vec<String>,
    variables: Variables,
}

/// Variables that are no option: who asks an MLflow server, and how patiently. They may be secrets, so they are never shown.
#[derive(Default)]
struct Variables(BTreeMap<&'static str, String>);

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} variables", self.0.len())
    }
}

/// What the settings are made from, so that tests need no real environment.
pub struct Surroundings<'a> {
    /// Flags as typed: name and text.
    pub flags: &'a BTreeMap<&'static str, String>,
    /// An environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The working directory: `.env` and `senti-ai.toml` are looked for here.
    pub folder: &'a Path,
}

impl Settings {
    /// Flag before environment before `.env` before file before default.
    pub fn gather(verb: Verb, around: &Surroundings<'_>) -> Result<Self> {
        let known = || {
            let options = OPTIONS.iter().flat_map(|option| option.env.iter().copied());
            options.chain(live::variables())
        };
        let (dotenv, notes) = env_file::read(&around.folder.join(".env"), known)?;
        let mut settings = Self {
            verb,
            values: BTreeMap::new(),
            notes,
            variables: Variables::default(),
        };
        for &name in VARIABLES {
            let set = (around.environment)(name).filter(|text| !text.trim().is_empty());
            if let Some(text) = set.or_else(|| dotenv.get(name).cloned()) {
                settings.variables.0.insert(name, text);
            }
        }
        let rows = || OPTIONS.iter().filter(|option| option.serves(verb));
        // The file is itself an option, so the others wait until it is read.
        let nothing = (String::new(), toml::Table::new());
        for option in rows().filter(|option| option.name == "config") {
            settings.resolve(option, around, &dotenv, &nothing)?;
        }
        let file = configuration(settings.text("config"), around.folder)?;
        for option in rows().filter(|option| option.name != "config") {
            settings.resolve(option, around, &dotenv, &file)?;
        }
        Ok(settings)
    }

    fn resolve(
        &mut self,
        option: &'static Opt,
        around: &Surroundings<'_>,
        dotenv: &BTreeMap<String, String>,
        (file_name, file): &(String, toml::Table),
    ) -> Result<()> {
        // An empty variable means "not set", as most programs have it.
        let said = |text: &String| !text.trim().is_empty();
        let flag = || Some((around.flags.get(option.name)?.clone(), Origin::Flag));
        let environment = || {
            option.env.iter().find_map(|name| {
                let text = (around.environment)(name).filter(said)?;
                Some((text, Origin::Environment(name)))
            })
        };
        let env_file = || {
            option.env.iter().find_map(|name| {
                let text = dotenv.get(*name).filter(|text| said(text))?;
                Some((text.clone(), Origin::EnvFile(name)))
            })
        };
        let key = || {
            let value = file.get(option.name)?;
            let text = match option.kind {
                crate::options::Kind::Several(_) => several(value),
                _ => toml_text(value),
            };
            Some((text, Origin::File(file_name.clone())))
        };
        let found = flag().or_else(environment).or_else(env_file).or_else(key);
        let setting = match found {
            Some((text, origin)) => {
                let value = Some(read(option, &text, &origin)?);
                Setting { value, origin }
            }
            None => {
                let value = option.default_for(self.verb);
                let value = value.and_then(|text| option.parse(text));
                let value = value.or(matches!(option.kind, crate::options::Kind::Switch)
                    .then_some(Value::Switch(false)));
                Setting {
                    value,
                    origin: Origin::Default,
                }
            }
        };
        self.values.insert(option.name, setting);
        Ok(())
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name).value {
            Some(Value::Number(value)) => Some(value),
            _ => None,
        }
    }

    /// A variable of [`VARIABLES`]: from the environment, else from `.env`.
    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.0.get(name).cloned()
    }

    /// The command that they are for.
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// Does the command have this option?
    pub fn has(&self, name: &str) -> bool {
        self.values.contains_key(name)
    }

    /// The setting of this option; only names of the table, only those of the command.
    pub fn get(&self, name: &str) -> &Setting {
        (self.values.get(name))
            .unwrap_or_else(|| panic!("`{}` has no option `{name}` in OPTIONS", self.verb.name()))
    }

    /// What a model's record says takes the place of everything but a flag; where it says nothing, the default holds.
    pub fn recall(&mut self, name: &'static str, text: Option<&str>) -> Result<()> {
        let Some(option) = find(name).filter(|_| self.get(name).origin != Origin::Flag) else {
            return Ok(());
        };
        let origin = match text {
            Some(_) => Origin::Model,
            None => Origin::Default,
        };
        let text = text.or(option.default_for(self.verb));
        let value = text.map(|text| read(option, text, &origin)).transpose()?;
        self.values.insert(name, Setting { value, origin });
        Ok(())
    }

    /// A [`crate::options::Kind::Switch`].
    pub fn switch(&self, name: &str) -> bool {
        matches!(self.get(name).value, Some(Value::Switch(true)))
    }

    /// A [`crate::options::Kind::Whole`].
    pub fn whole(&self, name: &str) -> Option<u64> {
        match self.get(name).value {
            Some(Value::Whole(value)) => Some(value),
            _ => None,
        }
    }

    /// A text, a choice or a path.
    pub fn text(&self, name: &str) -> Option<&str> {
        match &self.get(name).value {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A [`crate::options::Kind::Path`].
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// Is the result wanted as JSON?
    pub fn json(&self) -> bool {
        self.text("format") == Some("json")
    }

    /// Every option in the order of the table.
    pub fn rows(&self) -> impl Iterator<Item = (&'static Opt, &Setting)> {
        OPTIONS
            .iter()
            .filter_map(|option| Some((option, self.values.get(option.name)?)))
    }
}

fn read(option: &Opt, text: &str, origin: &Origin) -> Result<Value> {
    option.parse(text).ok_or_else(|| {
        let dashes = if *origin == Origin::Flag { "--" } else { "" };
        let error = Error::input(format!(
            "`{dashes}{}` is `{text}` ({origin}), wanted {}",
            option.name,
            option.wanted()
        ));
        // What is wanted stands in the sentence; a hint that repeats it would be no help.
        let near = match option.kind {
            crate::options::Kind::Choice(names) | crate::options::Kind::Source(names) => {
                suggestion::nearest(text, names().into_iter())
            }
            _ => None,
        };
        match (near, option.default) {
            (Some(near), _) => error.hint(format!("did you mean `{near}`?")),
            (None, Some(default)) => error.hint(format!("leave it out for the default, {default}")),
            (None, None) => error.hint("`senti-ai help COMMAND` says what an option is for"),
        }
    })
}

fn toml_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => text.clone(),
        toml::Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(toml_text).collect();
            texts.join(",")
        }
        other => other.to_string(),
    }
}

/// Texts, or tables of `file` and further keys, one after the other: `FILE,key=value;…`.
fn several(value: &toml::Value) -> String {
    match value {
        toml::Value::Array(values) => {
            let texts: Vec<String> = values.iter().map(several).collect();
            texts.join(";")
        }
        toml::Value::Table(table) => {
            let file = table.get("file").map(toml_text).unwrap_or_default();
            let others = table.iter().filter(|(key, _)| *key != "file");
            others.fold(file, |text, (key, value)| {
                let value = match value {
                    toml::Value::Array(values) => {
                        let texts: Vec<String> = values.iter().map(toml_text).collect();
                        texts.join("+")
                    }
                    other => toml_text(other),
                };
                format!("{text},{key}={value}")
            })
        }
        other => toml_text(other),
    }
}

/// The keys of the configuration file and what it is called; nothing where none was named and none is there.
fn configuration(named: Option<&str>, folder: &Path) -> Result<(String, toml::Table)> {
    let path = folder.join(named.unwrap_or(FILE));
    let name = named.unwrap_or(FILE).to_owned();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => {
            return Ok((name, toml::Table::new()));
        }
        Err(error) => {
            let sentence = format!("cannot read the configuration file `{name}`");
            return Err(Error::input(sentence)
                .hint("name a file that can be read, or leave `--config` out")
                .because(error));
        }
    };
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .map(|span| 1 + text[..span.start].matches('\n').count());
        let place = line.map_or(String::new(), |line| format!(", line {line}"));
        let message = error.message().trim().replace('\n', " ");
        Error::input(format!("`{name}`{place}: {message}"))
            .hint("a line is `name = value`; texts stand in quotes")
    })?;
    let known = || {
        let names = OPTIONS.iter().map(|option| option.name);
        names.filter(|name| !FLAGS_ONLY.contains(name))
    };
    let mut keys = toml::Table::new();
    for (key, value) in table {
        // Dashes are as good as underscores, as they are in flags.
        let option = find(&key.replace('-', "_"));
        let Some(option) = option.filter(|option| !FLAGS_ONLY.contains(&option.name)) else {
            let error = Error::input(format!("`{name}` has the unknown key `{key}`"));
            return Err(match suggestion::nearest(&key, known()) {
                Some(near) => error.hint(format!(
                    "did you mean `{near}`? `senti-ai train --help` lists the names"
                )),
                None => error.hint("`senti-ai train --help` lists the names"),
            });
        };
        if keys.insert(option.name.to_owned(), value).is_some() {
            let sentence = format!("`{name}` has the key `{}` in two spellings", option.name);
            return Err(Error::input(sentence).hint("give it once"));
        }
    }
    Ok((name, keys))
}
