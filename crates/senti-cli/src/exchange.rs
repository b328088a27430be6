//! `senti-ai models push` and `pull`, and `train --register`: models between the local registry and that of an MLflow server.
//!
//! In come settings and a word; out goes a line or a JSON document that says what is where. What could not be registered waits in the
//! local registry until a push brings it; pushing or pulling the very same model twice changes nothing.

use senti::{Error, Result};
use senti_io::registry::{
    Backend, Brought, Entry, MlflowRegistry, Reference, Registry, Waiting, bring,
};
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::interrupt::Stage;
use crate::models::{self, reference};
use crate::push::{Pushed, State};
use crate::settings::Settings;
use crate::{interrupt, remote, say, source};

/// Registers one model.
pub fn push(word: &str, settings: &Settings) -> Outcome {
    let here = models::local(settings);
    let brought = push_one(word, &here, settings)?;
    let document = || json!({ "pushed": brought });
    say::result(settings.json(), document, || line(&brought, "pushed"))
}

fn push_one(word: &str, here: &Registry, settings: &Settings) -> Outcome<Brought> {
    let which = reference(word)?;
    if which.in_mlflow {
        let error = Error::input(format!("`{word}` is on a server already"));
        let hint =
            "name a model of the local registry, like `lstm/3`; `senti-ai models list` shows them";
        return Err(crate::failure::usage(error.hint(hint)));
    }
    let found = here.find(&which);
    let entry = found.map_err(|error| models::explained(error, here, &which))?;
    let there = remote::registry(settings)?;
    Ok(bring_to(here, &entry, &there)?)
}

/// Registers everything that waits for it; says what became of each.
pub fn push_waiting(here: &Registry, settings: &Settings) -> Result<Vec<Pushed>> {
    let push = |waits: Waiting| {
        // The server that is named now, else the one that it was meant for.
        let named = ["registry_uri", "tracking_uri"];
        let there = match named.iter().any(|name| settings.text(name).is_some()) {
            true => remote::registry(settings),
            false => remote::at(settings, &waits.server, "the server that it was meant for"),
        };
        let done = there
            .map_err(Failure::into_error)
            .and_then(|there| bring_to(here, &waits.entry, &there));
        let (state, place) = match done {
            Ok(brought) => (State::Sent, brought.to.uri),
            Err(error) => (State::Left(error), None),
        };
        Pushed {
            id: waits.entry.called(),
            name: waits.entry.called(),
            state,
            place,
            refused: Vec::new(),
        }
    };
    Ok(here.waiting()?.into_iter().map(push).collect())
}

/// Registers a version; it waits no longer.
fn bring_to(here: &Registry, entry: &Entry, there: &MlflowRegistry) -> Result<Brought> {
    let which = Reference::of(&entry.model_type, Some(entry.version));
    let alone = here.exchange()?;
    let brought = bring(here, &which, there, source::now());
    drop(alone);
    remote::tell(there);
    let brought = brought
        .map_err(|error| error.within(format!("{} cannot be registered", entry.called())))?;
    here.no_longer_waits(entry);
    Ok(brought)
}

/// Brings a model of the server into the local registry.
pub fn pull(word: &str, settings: &Settings) -> Outcome {
    let which = reference(word)?;
    let there = remote::registry(settings)?;
    let here = models::local(settings);
    let alone = here.exchange()?;
    let brought = bring(&there, &which, &here, source::now());
    drop(alone);
    remote::tell(&there);
    let brought = brought?;
    let document = || json!({ "pulled": brought });
    say::result(settings.json(), document, || line(&brought, "pulled"))
}

fn line(brought: &Brought, did: &str) -> String {
    let (from, to) = (brought.from.called(), brought.to.called());
    match brought.was_there {
        true => format!("{from} is there already, as {to}\n"),
        false => format!("{did} {from} as {to}\n"),
    }
}

/// What came of a registration that was asked for with a training.
pub enum Registered {
    /// It is on the server.
    Done(Box<Brought>),
    /// It waits, for this reason.
    Waits(String),
}

impl Registered {
    /// For people.
    pub fn text(&self) -> String {
        match self {
            Self::Done(brought) => format!("registered as {}\n", brought.to.called()),
            Self::Waits(_) => String::new(),
        }
    }

    /// For programs.
    pub fn json(&self) -> Value {
        match self {
            Self::Done(brought) => json!({ "done": true, "entry": brought.to }),
            Self::Waits(why) => json!({ "done": false, "why": why }),
        }
    }
}

/// Registers the model of a training. A server that is away costs no model: it is saved, and waits.
pub fn register(entry: &Entry, there: &MlflowRegistry, settings: &Settings) -> Outcome<Registered> {
    let here = models::local(settings);
    interrupt::stage(Stage::Registering);
    // Noted before it is tried: however this ends, a push brings it.
    here.wait(entry, there.server(), source::now())?;
    match bring_to(&here, entry, there) {
        Ok(brought) => Ok(Registered::Done(Box::new(brought))),
        Err(error) => {
            let mut why = vec![error.to_string()];
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                why.push(error.to_string());
                cause = error.source();
            }
            let why = why.join(": ");
            say::note(&format!(
                "note: {why}; the model is saved, and `senti-ai models push` registers it later"
            ));
            Ok(Registered::Waits(why))
        }
    }
}
