//! The registry of an MLflow server, as the settings name it.
//!
//! In come settings; out goes a [`MlflowRegistry`], or a usage error that says what to name. Nobody is asked here. A model that is called
//! `models:/…` is there, any other in the folder of saved models, unless `--remote` is given.

use senti::Error;
use senti_io::mlflow::Api;
use senti_io::registry::{Backend, Cache, Experiment, MlflowRegistry, Reference};

use crate::failure::{Outcome, usage};
use crate::options::Verb;
use crate::settings::{Origin, Settings};
use crate::{connect, places, say};

/// The server of `--registry_uri`, else of `--tracking_uri`.
pub fn registry(settings: &Settings) -> Outcome<MlflowRegistry> {
    let named = ["registry_uri", "tracking_uri"]
        .into_iter()
        .find_map(|name| {
            let known = settings.has(name);
            let uri = known.then(|| settings.text(name)).flatten()?;
            let told = match &settings.get(name).origin {
                Origin::Flag => format!("--{name}"),
                origin => format!("{name} ({origin})"),
            };
            Some((uri.to_owned(), told))
        });
    let Some((uri, told)) = named else {
        let error = Error::input("no MLflow server is named");
        return Err(usage(error.hint(
            "give its address with `--registry_uri http://HOST:PORT`, `MLFLOW_REGISTRY_URI` or `MLFLOW_TRACKING_URI`; a model of the local registry is called without `models:/`, like `lstm@champion`",
        )));
    };
    at(settings, &uri, &told)
}

/// The server at this address; `told` says where the address stands.
pub fn at(settings: &Settings, uri: &str, told: &str) -> Outcome<MlflowRegistry> {
    let connection = connect::open(settings, uri, told).map_err(usage)?;
    let mut api = Api::new(connection).map_err(usage)?;
    if matches!(settings.verb(), Verb::Train | Verb::Import) {
        // The model is saved and waits: nobody should wait for a failing server with it.
        api = api.trying(2);
    }
    let text = |name: &str| settings.has(name).then(|| settings.text(name)).flatten();
    let experiment = match (text("experiment_id"), text("experiment_name")) {
        (Some(id), _) => Experiment::Numbered(id.into()),
        (None, name) => Experiment::Named(name.unwrap_or("Default").into()),
    };
    let folder = places::cache().unwrap_or_else(|| std::env::temp_dir().join("senti-ai"));
    let base = text("model_name").unwrap_or(senti_io::registry::BASE);
    let registry = MlflowRegistry::new(api, base, experiment, Cache::at(folder))?;
    let offline = settings.has("offline") && settings.switch("offline");
    Ok(registry.offline(offline))
}

/// Is this model on a server?
pub fn is_meant(which: &Reference, settings: &Settings) -> bool {
    which.in_mlflow || (settings.has("remote") && settings.switch("remote"))
}

/// Says what the registry has to say beside its results.
pub fn tell(registry: &dyn Backend) {
    for note in registry.notes() {
        say::note(&note);
    }
}
