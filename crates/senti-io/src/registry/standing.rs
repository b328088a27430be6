//! Aliases and stages of a name in the local registry: one small file beside its versions.
//!
//! In comes the folder of a name; out go who is `champion` and which version is in production. The file is replaced whole, by writers
//! that hold the registry's lock; where there is none, nothing was ever said. It holds nothing that a model needs: without it every
//! version still loads by its number.
//!
//! ```text
//! <root>/sentiai_model_lstm/aliases.json    {"aliases": {"champion": 3}, "stages": {"3": "Production"}}
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use senti::{Error, Result};
use serde::{Deserialize, Serialize};

use super::reference::Stage;
use crate::atomic::{self, failed};

/// Name of the file.
pub const FILE: &str = "aliases.json";

/// What is said of the versions of a name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The version that each alias points at.
    #[serde(default)]
    pub aliases: BTreeMap<String, u32>,
    /// Stages of the versions that have one.
    #[serde(default)]
    pub stages: BTreeMap<u32, Stage>,
}

impl Standing {
    /// Reads the file of a name.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(|cause| failed("read", &path, cause))?,
        };
        serde_json::from_str(&text).map_err(|cause| {
            Error::data(format!("`{}` does not say aliases and stages", path.display()))
                .hint("mend it, or delete it and promote anew; the models themselves are untouched and load by their numbers")
                .because(cause)
        })
    }

    /// Replaces the file. The caller holds the registry's lock.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let mut bytes = serde_json::to_vec_pretty(self)
            .map_err(|cause| Error::internal("aliases cannot be written").because(cause))?;
        bytes.push(b'\n');
        atomic::write_file(&folder.join(FILE), &bytes)
    }

    /// Aliases of a version, sorted.
    pub fn aliases_of(&self, version: u32) -> Vec<String> {
        let of = self.aliases.iter().filter(|(_, at)| **at == version);
        of.map(|(alias, _)| alias.clone()).collect()
    }

    /// Stage of a version.
    pub fn stage_of(&self, version: u32) -> Stage {
        self.stages.get(&version).copied().unwrap_or_default()
    }

    /// Says nothing more of a version.
    pub fn forget(&mut self, version: u32) {
        self.aliases.retain(|_, at| *at != version);
        self.stages.remove(&version);
    }

    /// Puts a version into a stage; with `archive`, those that were in it are archived.
    pub fn stage(&mut self, version: u32, stage: Stage, archive: bool) {
        if archive {
            for (other, at) in &mut self.stages {
                if *other != version && *at == stage {
                    *at = Stage::Archived;
                }
            }
        }
        match stage {
            Stage::None => self.stages.remove(&version),
            stage => self.stages.insert(version, stage),
        };
    }
}
