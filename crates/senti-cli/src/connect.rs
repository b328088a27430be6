//! Where the MLflow server is that was named, and who asks it.
//!
//! In come settings; out goes a [`Connection`], or a usage error that says what to do: before anything is read or learned. The variables are
//! those of MLflow's Python client, from the environment or `.env`.

use senti::Result;
use senti_io::mlflow::Connection;

use crate::failure::{Outcome, usage};
use crate::settings::{Origin, Settings};

/// The server of `--tracking_uri`; none where none was named.
pub fn tracking(settings: &Settings) -> Outcome<Option<Connection>> {
    let Some(uri) = settings.text("tracking_uri") else {
        return Ok(None);
    };
    let named = match &settings.get("tracking_uri").origin {
        Origin::Flag => "--tracking_uri".to_owned(),
        origin => format!("tracking_uri ({origin})"),
    };
    open(settings, uri, &named).map(Some).map_err(usage)
}

/// The server at this address; `named` is where the address stands, for errors.
pub fn open(settings: &Settings, uri: &str, named: &str) -> Result<Connection> {
    let home = std::env::home_dir();
    let variable = |name: &str| settings.variable(name);
    Connection::open(uri, named, &variable, home.as_deref())
}
