//! Everything in a local registry as a new MLflow store.
//!
//! In come a registry, the name of a file that does not exist, and the present time; out go that file and the folder of its artifacts
//! (`store.rs`): a run for each model with its parameters, epochs, scores and data, the registered versions with their aliases and stages, and
//! their packages, which Python loads. The registry is only read. A model that cannot be read is named and left out; it does not keep the
//! others back.

use std::path::{Path, PathBuf};

use senti::table::Time;
use senti::{Error, Result};

use crate::registry::{Entry, Registry};

/// How things are called in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// Start of the registered names: `basic` is called so, `lstm` `<base>_lstm`.
    pub base: &'a str,
    /// Experiment that the runs belong to; MLflow's `Default` when none.
    pub experiment: Option<&'a str>,
}

/// What was exported.
#[derive(Debug)]
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// The folder of the artifacts, which the file names by its absolute path.
    pub artifacts: PathBuf,
    /// The models in it, by name and number.
    pub models: Vec<Entry>,
    /// Those of them that have no package for Python, only their own files, and why.
    pub unpacked: Vec<(Entry, Error)>,
    /// Models that could not be read, and why.
    pub left_out: Vec<(Entry, Error)>,
}

/// Writes every readable model of a registry to a new store.
///
/// # Errors
///
/// `Input` where the file or the folder of its artifacts exists, or where there is no model; `Data` where no model can be read;
/// `Unsupported` where the program was built without `mlflow_export`.
#[cfg(feature = "mlflow_export")]
pub fn export(registry: &Registry, file: &Path, names: &Names<'_>, now: Time) -> Result<Exported> {
    use super::store::Store;

    let listed = registry.list()?;
    if listed.is_empty() {
        let sentence = format!("no models in registry `{}`", registry.root().display());
        return Err(Error::input(sentence).hint("`senti-ai train` makes one"));
    }
    let mut store = Store::create(file, now)?;
    let (mut models, mut unpacked, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
    for entry in listed.into_iter().map(|listed| listed.entry) {
        // Whatever is wrong with a model shows before anything of it is in the store.
        let model = match read::model(registry, &entry, names, now) {
            Ok(model) => model,
            Err(error) => {
                left_out.push((entry, error));
                continue;
            }
        };
        store.run(&model.run, &model.files)?;
        store.version(&model.version)?;
        store.describe(&model.version.name, &model.about_name, &model.name_tags)?;
        unpacked.extend(model.unpacked.map(|error| (entry.clone(), error)));
        models.push(entry);
    }
    if models.is_empty() {
        let sentence = format!(
            "no model in registry `{}` can be read",
            registry.root().display()
        );
        let error = Error::data(sentence).hint("`senti-ai models list` says why");
        return Err(match left_out.into_iter().next() {
            Some((_, cause)) => error.because(cause),
            None => error,
        });
    }
    let written = store.finish()?;
    Ok(Exported {
        file: written.file,
        artifacts: written.artifacts,
        models,
        unpacked,
        left_out,
    })
}

/// Says that this build cannot.
#[cfg(not(feature = "mlflow_export"))]
pub fn export(_: &Registry, _: &Path, _: &Names<'_>, _: Time) -> Result<Exported> {
    Err(
        Error::unsupported("this program was built without writing MLflow stores")
            .hint("build with the feature `mlflow_export`, or push the models to a server: `senti-ai models push`"),
    )
}

#[cfg(feature = "mlflow_export")]
mod read {
    use senti::table::Time;
    use senti::{Error, Result};
    use serde_json::json;

    use super::super::describe;
    use super::super::record::{Experiment, Pair, RunRecord, tag};
    use super::super::store::Version;
    use super::Names;
    use crate::registry::{self, Backend, Entry, Registry, SHA256, package};

    /// Folder of the package within a run, as MLflow's own clients call it.
    const FOLDER: &str = "model";

    /// A model in MLflow's words.
    pub struct Model {
        pub run: RunRecord,
        pub version: Version,
        pub files: Vec<(String, Vec<u8>)>,
        /// Why there is no package for Python around its files.
        pub unpacked: Option<Error>,
        pub about_name: String,
        pub name_tags: Vec<Pair>,
    }

    /// Reads a model, every file compared with its checksum.
    pub fn model(
        registry: &Registry,
        entry: &Entry,
        names: &Names<'_>,
        now: Time,
    ) -> Result<Model> {
        let files = Backend::files(registry, entry)?;
        let artifact = files.artifact(&entry.path.display().to_string())?;
        let manifest = &artifact.manifest;
        let called = entry.called();
        let created = entry.created.unwrap_or(now);
        let digest = files.digest();
        let mut run = describe::of_model(manifest, &called, created);
        run.experiment = Experiment {
            name: names.experiment.map(str::to_owned),
            id: None,
        };
        run.tags.push(tag(SHA256, digest.clone()));

        let wrapping = package::Wrapping {
            artifact_path: FOLDER,
            run_id: &run.id,
            model_id: None,
            created,
        };
        let (packed, unpacked) = match package::files(&files, &artifact, &wrapping) {
            Ok(packed) => {
                // What the run's page of MLflow 2 reads: this run has a model.
                let history = json!([{
                    "run_id": run.id,
                    "artifact_path": FOLDER,
                    "utc_time_created": package::python_time(created)?,
                    "model_uuid": &digest[..32],
                    "flavors": {
                        "onnx": { "data": "model.onnx" },
                        "python_function": { "loader_module": "mlflow.onnx", "data": "model.onnx" },
                    },
                }]);
                run.tags
                    .push(tag("mlflow.log-model.history", history.to_string()));
                (packed, None)
            }
            Err(error) => {
                let own = files
                    .each()
                    .map(|(name, bytes)| (format!("senti/{name}"), bytes.to_vec()));
                (own.into(), Some(error))
            }
        };
        let place = |(path, bytes)| (format!("{FOLDER}/{path}"), bytes);
        let tags = registry::version_tags(manifest, &digest);
        let version = Version {
            name: Registry::named(registry.root(), names.base)?.name(&entry.model_type)?,
            version: entry.version,
            run: run.id.clone(),
            folder: FOLDER.into(),
            created,
            description: describe::training_note(manifest, None),
            stage: entry.stage.name().into(),
            aliases: entry.aliases.clone(),
            tags: tags
                .into_iter()
                .map(|(key, value)| tag(key, value))
                .collect(),
        };
        Ok(Model {
            files: packed.into_iter().map(place).collect(),
            unpacked,
            about_name: registry::about_name(&entry.model_type),
            name_tags: vec![tag("senti.model_type", entry.model_type.clone())],
            run,
            version,
        })
    }
}
