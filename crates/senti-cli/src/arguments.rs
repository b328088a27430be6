//! The command line as typed: which command, its flags as texts, its other words.
//!
//! In come the arguments; out goes a [`Typed`], or help, or a usage error with a near suggestion. Values are not looked into here: that
//! happens once for flags, environment and files alike, in `settings.rs`.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use senti::Error;

use crate::failure::{Outcome, usage};
use crate::options::{Kind, OPTIONS, Opt, Verb, find};
use crate::{export, suggestion};

/// What `models` should do.
#[derive(Clone, Debug, PartialEq)]
pub enum Shelf {
    /// Every version.
    List,
    /// One of them, as `lstm` (the newest), `lstm/3` or `lstm@champion`.
    Show(String),
    /// Give one an alias or a stage.
    Promote(String),
    /// Remove one, as `lstm/3`.
    Delete(String),
    /// Register one on a server; without a word send everything that could not be sent, runs and models; else the run whose number begins so.
    Push(Option<String>),
    /// Bring one from a server.
    Pull(String),
    /// All of them into a new MLflow store of this name.
    ExportMlflow(String),
}

/// A command with its words.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Learn a model.
    Train,
    /// Forecast with a saved one.
    Predict,
    /// Walk forward with several models and judge them.
    Backtest,
    /// Say what the reader recognises in this file.
    Inspect(String),
    /// Look after the registry.
    Models(Shelf),
    /// Repeat the training of this model and compare.
    Verify(String),
    /// Prove that nothing uses the future.
    Audit,
    /// Say what this model, or the newest, looks at.
    Importance(Option<String>),
    /// Write this model in a form that other programs read.
    Export {
        /// The model.
        model: String,
        /// The form, a name of [`crate::export::FORMATS`].
        format: String,
        /// Where to.
        output: String,
    },
    /// Make a model of this file of weights.
    Import(String),
    /// Bring this series from the network into a file.
    Fetch(String),
    /// Score these news or posts.
    Sentiment(String),
}

impl Task {
    /// Whose options apply.
    pub fn verb(&self) -> Verb {
        match self {
            Task::Train => Verb::Train,
            Task::Predict => Verb::Predict,
            Task::Backtest => Verb::Backtest,
            Task::Inspect(_) => Verb::Inspect,
            Task::Models(Shelf::List | Shelf::Show(_)) => Verb::Models,
            Task::Models(Shelf::Promote(_)) => Verb::Promote,
            Task::Models(Shelf::Delete(_)) => Verb::Delete,
            Task::Models(Shelf::Push(_)) => Verb::Push,
            Task::Models(Shelf::Pull(_)) => Verb::Pull,
            Task::Models(Shelf::ExportMlflow(_)) => Verb::ExportMlflow,
            Task::Verify(_) => Verb::Verify,
            Task::Audit => Verb::Audit,
            Task::Importance(_) => Verb::Importance,
            Task::Export { .. } => Verb::Export,
            Task::Import(_) => Verb::Import,
            Task::Fetch(_) => Verb::Fetch,
            Task::Sentiment(_) => Verb::Sentiment,
        }
    }
}

/// A command line that clap understands.
#[derive(Clone, Debug, PartialEq)]
pub struct Typed {
    /// The command.
    pub task: Task,
    /// Its flags: name and text as typed.
    pub flags: BTreeMap<&'static str, String>,
}

/// Reads the arguments, the program's name first. `None`: help or version was asked for and printed.
pub fn read(arguments: impl IntoIterator<Item = OsString>) -> Outcome<Option<Typed>> {
    let mut command = command();
    let arguments = one_spelling(arguments);
    let matches = match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => matches,
        Err(error) => return refuse(&command, &error),
    };
    let (name, inner) = matches.subcommand().expect("clap wants a command");
    let (task, inner) = match name {
        "train" => (Task::Train, inner),
        "predict" => (Task::Predict, inner),
        "backtest" => (Task::Backtest, inner),
        "inspect" => (Task::Inspect(word(inner, "file")), inner),
        "verify" => (Task::Verify(word(inner, "model")), inner),
        "audit" => (Task::Audit, inner),
        "import" => (Task::Import(word(inner, "file")), inner),
        "fetch" => (Task::Fetch(word(inner, "series")), inner),
        "sentiment" => (Task::Sentiment(word(inner, "file")), inner),
        "importance" => {
            let model = inner.get_one::<String>("model").cloned();
            (Task::Importance(model), inner)
        }
        "export" => {
            let [model, format, output] = ["model", "format", "output"].map(|id| word(inner, id));
            let task = Task::Export {
                model,
                format,
                output,
            };
            (task, inner)
        }
        _ => {
            let (name, inner) = inner.subcommand().expect("clap wants a command");
            let shelf = match name {
                "list" => Shelf::List,
                "show" => Shelf::Show(word(inner, "model")),
                "promote" => Shelf::Promote(word(inner, "model")),
                "push" => Shelf::Push(inner.get_one::<String>("model").cloned()),
                "pull" => Shelf::Pull(word(inner, "model")),
                "export-mlflow" => Shelf::ExportMlflow(word(inner, "store")),
                _ => Shelf::Delete(word(inner, "model")),
            };
            (Task::Models(shelf), inner)
        }
    };
    let verb = task.verb();
    let rows = OPTIONS.iter().filter(|option| option.serves(verb));
    let flags = rows.filter_map(|option| {
        let text = match option.kind {
            Kind::Switch => inner.get_flag(option.name).then(|| "true".to_owned()),
            Kind::Several(_) => inner.get_many::<String>(option.name).map(|texts| {
                let texts: Vec<&str> = texts.map(String::as_str).collect();
                texts.join(";")
            }),
            _ => inner.get_one::<String>(option.name).cloned(),
        };
        Some((option.name, text?))
    });
    let flags = flags.collect();
    Ok(Some(Typed { task, flags }))
}

/// Long flags in one spelling: `--input-seq_length` is meant as well as `--input_seq_length`. What is no option stays as typed.
fn one_spelling(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = false;
    let spell = |argument: OsString| {
        let text = argument.to_str().unwrap_or_default();
        words |= text == "--";
        let Some(flag) = text.strip_prefix("--").filter(|_| !words) else {
            return argument;
        };
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, format!("={value}")),
            None => (flag, String::new()),
        };
        match find(&name.replace('-', "_")) {
            Some(option) => format!("--{}{value}", option.name).into(),
            None => argument,
        }
    };
    arguments.into_iter().map(spell).collect()
}

fn word(matches: &ArgMatches, id: &str) -> String {
    matches
        .get_one::<String>(id)
        .cloned()
        .expect("clap wants it")
}

/// The whole command line, from the table of options.
fn command() -> Command {
    let model = |help: &'static str| {
        Arg::new("model")
            .value_name("MODEL")
            .required(true)
            .help(help)
    };
    let file = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .help("File to look at: CSV in any dialect, gzip, zstd or Parquet; or a series as binance:BTCUSDT:1d");
    let series = Arg::new("series")
        .value_name("SERIES")
        .required(true)
        .help("What to fetch: binance:BTCUSDT:1d, yahoo:^IXIC, fred:CPIAUCSL, fear_greed … (docs/fetch.md)");
    let weights = Arg::new("file")
        .value_name("FILE")
        .required(true)
        .help("Weights: Keras (.keras, .h5, .weights.h5), a PyTorch state dict (.pt, .pth) or .safetensors");
    let store = Arg::new("store")
        .value_name("FILE.db")
        .required(true)
        .help("SQLite file to make; the models' files go beside it, into FILE.db.artifacts");
    let shelf =
        |name: &'static str, about: &'static str, verb: Verb| options(bare(name, about), verb);
    bare(
        "senti-ai",
        "Forecasts the Bitcoin price with a bidirectional LSTM and says honestly how good the forecast is.",
    )
    .version(env!("CARGO_PKG_VERSION"))
    .subcommand_required(true)
    .arg_required_else_help(true)
    .subcommand_value_name("COMMAND")
    .subcommand_help_heading("Commands")
    .after_help(
        "Every option can also be set by its environment variable, in a .env file or in senti-ai.toml;\n\
         `senti-ai train --show_config` prints each value and where it came from.\n\
         Exit codes: 0 done, 1 your input or data, 2 usage or unexpected, 130 interrupted.",
    )
    .subcommand(options(
        bare("train", "Train a model, score it on data it never saw, save it and forecast")
            .visible_alias("train_lstm")
            .alias("train-lstm"),
        Verb::Train,
    ))
    .subcommand(options(
        bare("predict", "Forecast with a saved model and fresh rows")
            .visible_alias("predict_lstm")
            .alias("predict-lstm"),
        Verb::Predict,
    ))
    .subcommand(options(
        bare("backtest", "Walk forward with several models, learning everything anew on the way, and judge them"),
        Verb::Backtest,
    ))
    .subcommand(options(
        bare("inspect", "Say what is recognised in a data file").arg(file),
        Verb::Inspect,
    ))
    .subcommand(options(
        bare("fetch", "Bring candles or another series from the network into a file, and look them over").arg(series),
        Verb::Fetch,
    ))
    .subcommand(options(
        bare("verify", "Repeat the training of a saved model from its record and compare everything")
            .arg(model("`lstm` (the newest), `lstm/3`, or the folder of a model")),
        Verb::Verify,
    ))
    .subcommand(options(
        bare("audit", "Prove on your data and choices that nothing uses the future"),
        Verb::Audit,
    ))
    .subcommand(options(
        bare("importance", "Say what a saved model looks at, measured on data it never saw").arg(
            model("`lstm` (the newest, when left out), `lstm/3`, or the folder of a model")
                .required(false),
        ),
        Verb::Importance,
    ))
    .subcommand(export::arguments(options(
        bare("export", "Write a saved model in a form that other programs read")
            .arg(model("`lstm` (the newest), `lstm/3`, or the folder of a model")),
        Verb::Export,
    )))
    .subcommand(options(
        bare("import", "Make a model of weights that Keras or PyTorch trained")
            .arg(weights)
            .after_help(
                "Features, preparation, calibration and scores are learned from your rows as `train` does; the network's weights are the file's and\n\
                 nothing is trained. The network is taken to see our features in our order, prepared by our scaling: docs/weights.md lists them.\n\
                 A file that does not say how it was trained is taken to forecast prices with a point loss (--target price --loss mse), a step an output.",
            ),
        Verb::Import,
    ))
    .subcommand(options(
        bare("sentiment", "Score dated news or posts and turn them into daily features for --join").arg(
            Arg::new("file")
                .value_name("FILE")
                .required(true)
                .help("News or posts: CSV or JSON lines, with a time and a title or text each"),
        ),
        Verb::Sentiment,
    ))
    .subcommand(
        bare("models", "List, show, promote, delete, push, pull or export saved models")
            .subcommand_required(true)
            .arg_required_else_help(true)
            .subcommand(shelf("list", "List the saved models", Verb::Models))
            .subcommand(
                shelf("show", "Show one model: data, plan, scores", Verb::Models)
                    .arg(model("`lstm` (the newest), `lstm/3`, `lstm@champion`, `lstm/Production` or `models:/NAME…`")),
            )
            .subcommand(
                shelf("promote", "Give a model an alias, `champion` unless another is named, or a stage", Verb::Promote)
                    .arg(model("Which: `lstm/3`, `lstm` (the newest), `lstm@challenger`, `models:/NAME/3`")),
            )
            .subcommand(
                shelf("delete", "Delete one version of a model", Verb::Delete)
                    .arg(model("Which: `lstm/3`, `models:/NAME/3`")),
            )
            .subcommand(
                shelf("push", "Register a saved model in the MLflow registry, or send everything that could not be sent", Verb::Push).arg(
                    model("Which: `lstm/3`, `lstm` (the newest), `lstm@champion`, or the number of a run (folder in DIR/.mlflow); when left out, every run and model that could not be sent before")
                        .required(false),
                ),
            )
            .subcommand(
                shelf("pull", "Bring a model of the MLflow registry into the folder of saved models", Verb::Pull)
                    .arg(model("Which: `lstm@champion`, `lstm/3`, `models:/NAME@champion`")),
            )
            .subcommand(
                shelf("export-mlflow", "Write all models into a new store that `mlflow ui` opens", Verb::ExportMlflow)
                    .alias("export_mlflow")
                    .arg(store),
            ),
    )
}

fn bare(name: &'static str, about: &'static str) -> Command {
    Command::new(name).about(about).max_term_width(110)
}

/// Adds the options of a command, grouped by task. Both spellings are real; help shows the original's underscores.
fn options(mut command: Command, verb: Verb) -> Command {
    for option in OPTIONS.iter().filter(|option| option.serves(verb)) {
        let mut notes = Vec::new();
        match option.default_for(verb) {
            Some(text) => notes.push(format!("default: {text}")),
            None if !option.unset.is_empty() => notes.push(format!("default: {}", option.unset)),
            None => {}
        }
        if let Some(name) = option.env.first() {
            notes.push(format!("env: {name}"));
        }
        let notes = match notes.is_empty() {
            true => String::new(),
            false => format!(" [{}]", notes.join(", ")),
        };
        let arg = Arg::new(option.name)
            .long(option.name)
            .help_heading(option.group)
            .help(format!("{}{notes}", option.purpose));
        let kebab = option.name.replace('_', "-");
        let arg = match kebab == option.name {
            true => arg,
            false => arg.alias(kebab),
        };
        command = command.arg(match option.kind {
            Kind::Switch => arg.action(ArgAction::SetTrue),
            Kind::Several(_) => arg
                .value_name(option.value_name())
                .action(ArgAction::Append),
            _ => arg
                .value_name(option.value_name())
                .allow_negative_numbers(true),
        });
    }
    command
}

/// Help and version go to stdout; everything else becomes one sentence and a hint.
fn refuse(command: &Command, error: &clap::Error) -> Outcome<Option<Typed>> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let argument = || text(ContextKind::InvalidArg).unwrap_or_default();
    let flag = |text: &str| {
        let name = text.split([' ', '=']).next().unwrap_or_default();
        name.to_owned()
    };
    let near_command = |error: Error, typed: &str| {
        let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        let shelves = [
            "list",
            "show",
            "promote",
            "delete",
            "push",
            "pull",
            "export-mlflow",
        ];
        // the very word of a shelf was typed where a command stands
        if shelves.contains(&typed) && !names.contains(&typed) {
            return error.hint(format!("`senti-ai models {typed}` does that"));
        }
        let names = names.into_iter().filter(|name| *name != "help");
        suggestion::hint(error, typed, names.chain(shelves))
    };
    Err(usage(match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A reader that closed the pipe has seen enough.
            let _ = error.print();
            return Ok(None);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Error::input("a command is missing").hint(
                match error.to_string().contains("senti-ai models") {
                    true => {
                        "`models list`, `models show MODEL`; `senti-ai models --help` lists all"
                    }
                    false => {
                        "`senti-ai train` trains on the embedded sample; `senti-ai help` lists all"
                    }
                },
            )
        }
        ErrorKind::InvalidSubcommand => {
            let typed = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            near_command(Error::input(format!("`{typed}` is no command")), &typed)
        }
        ErrorKind::UnknownArgument if argument().starts_with('-') => unknown(&flag(&argument())),
        ErrorKind::UnknownArgument => {
            Error::input(format!("`{}` is one word too many", argument()))
                .hint("options begin with `--`; `senti-ai help COMMAND` lists them")
        }
        ErrorKind::ArgumentConflict => {
            Error::input(format!("`{}` is given twice", flag(&argument()))).hint("give it once")
        }
        ErrorKind::MissingRequiredArgument => {
            let what = match argument() {
                option if option.starts_with("--") => format!("`{}`", flag(&option)),
                word => word.replace(['<', '>'], "`"),
            };
            Error::input(format!("{what} is missing"))
                .hint("`senti-ai help COMMAND` shows what a command wants")
        }
        ErrorKind::InvalidValue | ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => {
            let name = flag(&argument());
            let option = OPTIONS
                .iter()
                .find(|option| format!("--{}", option.name) == name);
            let wanted = option.map_or("a value".into(), Opt::wanted);
            Error::input(format!("`{name}` has no value, wanted {wanted}"))
        }
        ErrorKind::TooManyValues => {
            let name = flag(&argument());
            Error::input(format!("`{name}` takes no value")).hint(format!("give `{name}` alone"))
        }
        ErrorKind::InvalidUtf8 => Error::input("an argument is not UTF-8"),
        _ => Error::input(error.kind().as_str().unwrap_or("the command line is wrong")),
    }))
}

/// An option that this command does not have: another command's, or a slip.
fn unknown(typed: &str) -> Error {
    let name = typed.trim_start_matches('-').replace('-', "_");
    if let Some(option) = find(&name) {
        let verbs: Vec<String> = option
            .verbs
            .iter()
            .map(|verb| format!("`{}`", verb.name()))
            .collect();
        return Error::input(format!("this command has no option `{typed}`")).hint(format!(
            "`--{}` belongs to {}",
            option.name,
            verbs.join(", ")
        ));
    }
    let error = Error::input(format!("there is no option `{typed}`"));
    match suggestion::nearest(&name, OPTIONS.iter().map(|option| option.name)) {
        Some(name) => error.hint(format!("did you mean `--{name}`?")),
        None => error.hint("`senti-ai help COMMAND` lists the options of a command"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(line: &[&str]) -> Typed {
        let line = std::iter::once("senti-ai").chain(line.iter().copied());
        let read = read(line.map(OsString::from));
        read.unwrap_or_else(|failure| panic!("{failure}")).unwrap()
    }

    /// Underscores are the original's, dashes are habit: both are real for every option of every command.
    #[test]
    fn both_spellings_of_every_option_are_understood() {
        let words: &[(&[&str], Verb)] = &[
            (&["train"], Verb::Train),
            (&["predict"], Verb::Predict),
            (&["backtest"], Verb::Backtest),
            (&["inspect", "a.csv"], Verb::Inspect),
            (&["models", "list"], Verb::Models),
            (&["models", "promote", "lstm"], Verb::Promote),
            (&["models", "delete", "lstm/1"], Verb::Delete),
            (&["models", "push"], Verb::Push),
            (&["models", "pull", "lstm"], Verb::Pull),
            (&["models", "export-mlflow", "a.db"], Verb::ExportMlflow),
            (&["verify", "lstm"], Verb::Verify),
            (&["audit"], Verb::Audit),
            (&["importance", "lstm"], Verb::Importance),
            (&["export", "lstm", "--output", "a.onnx"], Verb::Export),
            (&["import", "a.h5"], Verb::Import),
            (&["fetch", "fear_greed"], Verb::Fetch),
            (&["sentiment", "a.csv"], Verb::Sentiment),
        ];
        for (words, verb) in words {
            for option in OPTIONS.iter().filter(|option| option.serves(*verb)) {
                let under = format!("--{}", option.name);
                let dashed = format!("--{}", option.name.replace('_', "-"));
                let value: &[&str] = match option.kind {
                    Kind::Switch => &[],
                    _ => &["7"],
                };
                let line = |flag: &str| typed(&[words, &[flag][..], value].concat());
                assert_eq!(line(&under), line(&dashed));
                assert_eq!(line(&under).flags.len(), 1, "{under}");
            }
        }
    }

    #[test]
    fn spellings_may_be_mixed() {
        let flags = typed(&["train", "--input-seq_length", "9", "--data_path=a-b_c.csv"]).flags;
        assert_eq!(flags["input_seq_length"], "9");
        assert_eq!(flags["data_path"], "a-b_c.csv");
    }

    #[test]
    fn the_originals_commands_are_aliases() {
        assert_eq!(typed(&["train_lstm"]), typed(&["train"]));
        assert_eq!(typed(&["predict-lstm"]), typed(&["predict"]));
    }

    #[test]
    fn values_may_stand_behind_an_equals_sign_and_be_negative() {
        let flags = typed(&["train", "--epochs=-3", "--data-path", "a b.csv"]).flags;
        assert_eq!(flags["epochs"], "-3");
        assert_eq!(flags["data_path"], "a b.csv");
    }
}
