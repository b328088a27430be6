//! Models of the local registry that are to be registered on a server, and could not be yet.
//!
//! In comes a version whose registration failed; out go those that wait, for whoever pushes later. A small file beside the version says
//! so; it goes when the version is registered or deleted. It holds the address of the server without user and password.
//!
//! ```text
//! <root>/sentiai_model_lstm/register_3.json    {"server": "http://127.0.0.1:5000", "since": 1764000000123}
//! ```

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use senti::table::Time;
use senti::{Error, Result};
use serde::{Deserialize, Serialize};

use super::{Entry, Registry};
use crate::atomic::{self, failed};

/// A version that waits to be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The version.
    pub entry: Entry,
    /// The server that it was meant for, without secrets.
    pub server: String,
    /// Since when, in milliseconds since 1970.
    pub since: Time,
}

#[derive(Serialize, Deserialize)]
struct Note {
    server: String,
    since: Time,
}

fn note(entry: &Entry) -> Option<PathBuf> {
    let name = format!("register_{}.json", entry.version);
    Some(entry.path.parent()?.join(name))
}

impl Registry {
    /// Notes that a version is to be registered on this server.
    pub fn wait(&self, entry: &Entry, server: &str, since: Time) -> Result<()> {
        let path = note(entry).ok_or_else(|| Error::internal("a version without a folder"))?;
        let note = Note {
            server: server.into(),
            since,
        };
        let mut text = serde_json::to_vec(&note)
            .map_err(|cause| Error::internal("a note is no JSON").because(cause))?;
        text.push(b'\n');
        atomic::write_file(&path, &text)
    }

    /// The versions that wait, by name and number.
    pub fn waiting(&self) -> Result<Vec<Waiting>> {
        let mut waiting = Vec::new();
        for listed in self.list()? {
            let Some(path) = note(&listed.entry) else {
                continue;
            };
            let text = match fs::read(&path) {
                Err(cause) if cause.kind() == ErrorKind::NotFound => continue,
                text => text.map_err(|cause| failed("read", &path, cause))?,
            };
            // Whatever it says, the version was to be registered.
            let note = serde_json::from_slice(&text).unwrap_or(Note {
                server: String::new(),
                since: 0,
            });
            waiting.push(Waiting {
                entry: listed.entry,
                server: note.server,
                since: note.since,
            });
        }
        Ok(waiting)
    }

    /// Forgets that a version waited.
    pub fn no_longer_waits(&self, entry: &Entry) {
        if let Some(path) = note(entry) {
            let _ = fs::remove_file(path);
        }
    }
}
