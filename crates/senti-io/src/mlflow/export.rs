//! Everything in a local registry as a new MLflow store.
//!
//! In come a registry, the name of a file that does not exist, and the present time; out go that file and the folder of its artifacts
//! (`store.rs`): a run for each model with its parameters, epochs, scores and data, the registered versions, and their files. The registry is only
//! read. A model that cannot be read is named and left out; it does not keep the others back.

use std::path::{Path, PathBuf};

use senti::table::Time;
use senti::{Error, Result};

use crate::registry::{Entry, Registry};

/// What was exported.
#[derive(Debug)]
pub struct Exported {
    /// The file.
    pub file: PathBuf,
    /// The folder of the artifacts, which the file names by its absolute path.
    pub artifacts: PathBuf,
    /// The models in it, by name and number.
    pub models: Vec<Entry>,
    /// Models that could not be read, and why.
    pub left_out: Vec<(Entry, Error)>,
}

/// Writes every readable model of a registry to a new store. Runs belong to `experiment`, else to MLflow's `Default`.
///
/// # Errors
///
/// `Input` where the file or the folder of its artifacts exists, or where there is no model; `Data` where no model can be read;
/// `Unsupported` where the program was built without `mlflow_export`.
#[cfg(feature = "mlflow_export")]
pub fn export(
    registry: &Registry,
    file: &Path,
    experiment: Option<&str>,
    now: Time,
) -> Result<Exported> {
    use super::store::Store;

    let listed = registry.list()?;
    if listed.is_empty() {
        let sentence = format!("no models in registry `{}`", registry.root().display());
        return Err(Error::input(sentence).hint("`senti-ai train` makes one"));
    }
    let mut store = Store::create(file, now)?;
    let (mut models, mut left_out) = (Vec::new(), Vec::new());
    for entry in listed.into_iter().map(|listed| listed.entry) {
        // Whatever is wrong with a model shows before anything of it is in the store.
        match read::model(registry, &entry, experiment, now) {
            Ok(model) => {
                store.run(&model.run, &model.files)?;
                store.version(&model.version)?;
                store.describe(&entry.name, &model.about_name, &[])?;
                models.push(entry);
            }
            Err(error) => left_out.push((entry, error)),
        }
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
        left_out,
    })
}

/// Says that this build cannot.
#[cfg(not(feature = "mlflow_export"))]
pub fn export(_: &Registry, _: &Path, _: Option<&str>, _: Time) -> Result<Exported> {
    Err(
        Error::unsupported("this program was built without writing MLflow stores")
            .hint("build with the feature `mlflow_export`, or push the models to a server: `senti-ai models push`"),
    )
}

#[cfg(feature = "mlflow_export")]
mod read {
    use senti::Result;
    use senti::table::Time;

    use super::super::describe;
    use super::super::record::{Experiment, RunRecord, tag};
    use super::super::store::Version;
    use crate::registry::{Entry, Registry};

    /// Folder of the package within a run, as MLflow's own clients call it.
    const FOLDER: &str = "model";

    /// A model in MLflow's words.
    pub struct Model {
        pub run: RunRecord,
        pub version: Version,
        pub files: Vec<(String, Vec<u8>)>,
        pub about_name: String,
    }

    /// Reads a model, every file compared with its checksum.
    pub fn model(
        registry: &Registry,
        entry: &Entry,
        experiment: Option<&str>,
        now: Time,
    ) -> Result<Model> {
        let (entry, artifact) = registry.load_entry(&entry.model_type, Some(entry.version))?;
        let manifest = &artifact.manifest;
        let called = format!("{}/{}", entry.model_type, entry.version);
        let created = entry.created.unwrap_or(now);
        let mut run = describe::of_model(manifest, &called, created);
        run.experiment = Experiment {
            name: experiment.map(str::to_owned),
            id: None,
        };
        let own = own_files(&entry)?;
        let digest = own
            .iter()
            .find(|(name, _)| *name == "SHA256SUMS")
            .map(|(_, bytes)| sha256(bytes))
            .unwrap_or_default();
        run.tags.push(tag("senti.sha256", digest.clone()));
        let files = own
            .into_iter()
            .map(|(name, bytes)| (format!("{FOLDER}/senti/{name}"), bytes));
        let files = files.collect();
        let tags = vec![
            tag("senti.sha256", digest),
            tag("senti.model_type", entry.model_type.clone()),
            tag("senti.code_version", manifest.code_version.clone()),
            tag("senti.run_id", run.id.clone()),
        ];
        let version = Version {
            name: entry.name.clone(),
            version: entry.version,
            run: run.id.clone(),
            folder: FOLDER.into(),
            created,
            description: describe::training_note(manifest, Some(&called)),
            stage: "None".into(),
            aliases: Vec::new(),
            tags,
        };
        let about_name = format!(
            "Forecasts of `{}` by senti-ai's model type `{}`.",
            manifest.target_column, entry.model_type
        );
        Ok(Model {
            run,
            version,
            files,
            about_name,
        })
    }

    fn own_files(entry: &Entry) -> Result<Vec<(&'static str, Vec<u8>)>> {
        let read = |name| {
            let path = entry.path.join(name);
            let bytes = std::fs::read(&path)
                .map_err(|cause| crate::atomic::failed("read", &path, cause))?;
            Ok((name, bytes))
        };
        ["artifact.json", "weights.safetensors", "SHA256SUMS"]
            .into_iter()
            .map(read)
            .collect()
    }

    fn sha256(bytes: &[u8]) -> String {
        use sha2::{Digest, Sha256};
        Sha256::digest(bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}
