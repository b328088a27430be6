//! `senti-ai models push`: sends the runs that an MLflow server could not be told while they happened.
//!
//! In come settings; out go lines (or JSON) that say what became of every journal of the registry. Repeating it does no harm: it goes on
//! where the last one stopped, and finds runs that are there already. A run that was killed is ended as such, with the time of its last
//! word; where its work can still be resumed, its journal stays and `--resume` goes on with the same run.

use std::path::Path;

use senti::{Error, ErrorKind, Result};
use senti_io::http::address::without_secrets;
use senti_io::mlflow::journal::{self, Journal, Summary};
use senti_io::mlflow::record::Status;
use senti_io::mlflow::sender::{Halt, Sender};
use senti_io::mlflow::{Api, Connection};
use serde_json::{Value, json};

use crate::failure::Outcome;
use crate::settings::{Origin, Settings};
use crate::{connect, exchange, models, say};

/// What became of a journal, or of a model that waited to be registered.
pub struct Pushed {
    /// Number of the run, or the model: `lstm/3`.
    pub id: String,
    /// Its name.
    pub name: String,
    /// How it went.
    pub state: State,
    /// Page of the run, or the registered model.
    pub place: Option<String>,
    /// What the server would not take.
    pub refused: Vec<String>,
}

/// How it went.
pub enum State {
    /// The server has everything; the journal is gone.
    Sent,
    /// The server has everything; the journal stays for `--resume`.
    Kept,
    /// Somebody is at work on it.
    Busy,
    /// Something is left.
    Left(Error),
}

/// Sends all journals below this registry, or the one whose number begins so.
pub fn run(registry: &Path, only: Option<&str>, settings: &Settings) -> Outcome {
    let root = journal::root(registry);
    let mut folders = journal::folders(&root)?;
    if let Some(only) = only {
        folders.retain(|folder| number(folder).starts_with(only));
        if folders.is_empty() {
            let sentence = format!("no run `{only}` waits in `{}`", root.display());
            return Err(Error::input(sentence)
                .hint("`senti-ai models push` sends all that wait")
                .into());
        }
    }
    let mut pushed: Vec<Pushed> = folders
        .iter()
        .map(|folder| push(folder, settings))
        .collect();
    if only.is_none() {
        // Behind the runs, so that models are linked to theirs.
        pushed.extend(exchange::push_waiting(&models::local(settings), settings)?);
    }
    let left = pushed
        .iter()
        .filter(|one| matches!(one.state, State::Left(_)));
    let left = left.count();
    if settings.json() {
        let lines = pushed.iter().map(document).collect();
        say::result(true, || Value::Array(lines), String::new)?;
    } else if pushed.is_empty() {
        say::note(&format!("nothing waits in `{}`", root.display()));
    } else {
        let text: String = pushed.iter().map(line).collect();
        say::data(&text)?;
    }
    for one in &pushed {
        for refused in &one.refused {
            say::always(&format!("note: MLflow, run `{}`: {refused}", one.name));
        }
    }
    let causes = pushed.into_iter().filter_map(|one| match one.state {
        State::Left(error) => Some(error),
        _ => None,
    });
    match causes.last() {
        None => Ok(()),
        Some(error) => {
            let hint = error.hint_text().map(str::to_owned);
            let sentence = format!("{} not sent", say::count(left, "run"));
            let whole = Error::new(ErrorKind::Remote, sentence).because(error);
            let hint =
                hint.unwrap_or_else(|| "it is kept; run `senti-ai models push` again".into());
            Err(whole.hint(hint).into())
        }
    }
}

/// Is this the beginning of the number of a run that waits?
pub fn is_run(registry: &Path, word: &str) -> bool {
    let hexadecimal = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let folders = journal::folders(&journal::root(registry));
    hexadecimal
        && folders.is_ok_and(|folders| {
            let mut folders = folders.iter();
            folders.any(|folder| number(folder).starts_with(word))
        })
}

fn number(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

fn push(folder: &Path, settings: &Settings) -> Pushed {
    let mut pushed = Pushed {
        id: number(folder),
        name: number(folder),
        state: State::Busy,
        place: None,
        refused: Vec::new(),
    };
    if let Err(error) = send(folder, settings, &mut pushed) {
        pushed.state = State::Left(error);
    }
    pushed
}

fn send(folder: &Path, settings: &Settings, pushed: &mut Pushed) -> Result<()> {
    let Some(journal) = Journal::open(folder)? else {
        return Ok(());
    };
    let summary = journal::summary(folder)?;
    pushed.name = summary.name.clone();
    let api = Api::new(connection(settings, &summary.head.tracking_uri)?)?;
    let mut sender = Sender::new(api, folder, summary.head.clone(), false);
    let mut done = sender.pass();
    // a run that could not say how it ended was killed
    if done.is_ok() && summary.status.is_none() {
        done = sender.bury(summary.last);
    }
    pushed.place = sender.place();
    pushed.refused = sender.sent().refused.clone();
    match done {
        Ok(()) if is_resumable(&summary) => pushed.state = State::Kept,
        Ok(()) => {
            journal.remove()?;
            pushed.state = State::Sent;
        }
        Err(Halt::Later(error) | Halt::Never(error)) => pushed.state = State::Left(error),
    }
    Ok(())
}

/// Can the work still be gone on with? It was stopped, and something of it was kept.
fn is_resumable(summary: &Summary) -> bool {
    let stopped = matches!(summary.status, None | Some(Status::Killed));
    stopped && (summary.steps.contains_key("train_loss") || !summary.children.is_empty())
}

/// The server of a journal: the one that it was written for, with the user and password of the present address where that is the same,
/// unless a flag names another one.
fn connection(settings: &Settings, uri: &str) -> Result<Connection> {
    let setting = settings.get("tracking_uri");
    let given = settings.text("tracking_uri");
    let same = |given: &&str| without_secrets(given.trim_end_matches('/')) == uri;
    match (&setting.origin, given) {
        (Origin::Flag, Some(given)) => connect::open(settings, given, "--tracking_uri"),
        (_, given) => {
            let address = given.filter(same).unwrap_or(uri);
            connect::open(settings, address, "the journal's tracking_uri")
        }
    }
}

fn line(one: &Pushed) -> String {
    let place = one
        .place
        .as_deref()
        .map_or(String::new(), |place| format!(": {place}"));
    match &one.state {
        State::Sent => format!("sent {}{place}\n", one.name),
        State::Kept => format!("sent {}, kept for `--resume`{place}\n", one.name),
        State::Busy => format!("left {}: another process is at work on it\n", one.name),
        State::Left(error) => format!("not sent {}: {error}\n", one.name),
    }
}

fn document(one: &Pushed) -> Value {
    let (state, error) = match &one.state {
        State::Sent => ("sent", None),
        State::Kept => ("kept", None),
        State::Busy => ("busy", None),
        State::Left(error) => ("left", Some(error.to_string())),
    };
    json!({
        "id": one.id, "name": one.name, "state": state, "place": one.place,
        "refused": one.refused, "error": error,
    })
}
