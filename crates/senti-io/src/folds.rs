//! Folds of a backtest in work: each is kept as soon as it is learned, so that an interrupted backtest goes on where it stopped.
//!
//! In come finished folds; out go files in a folder whose name tells the backtest they belong to, and on the next run of the same
//! backtest the folds again. A file that is not whole is left out: its fold is learned anew.

use std::fs;
use std::path::{Path, PathBuf};

use senti::backtest::{FoldForecast, FoldRecord, Walk};
use senti::plan::Plan;
use senti::{Error, Result};
use sha2::{Digest, Sha256};

use crate::atomic::failed;
use crate::sealed;

const KIND: &[u8; 8] = b"SENTIFLD";
/// Start of the folder's name.
const NAME: &str = "unfinished-backtest-";

/// The folder of one backtest's folds.
#[derive(Debug)]
pub struct Folds {
    folder: PathBuf,
}

impl Folds {
    /// Those of the backtest of this plan and walk on these data (by their digest), by this version on this instruction set.
    pub fn of(
        output: &Path,
        plan: &Plan,
        walk: &Walk,
        digest: &str,
        simd: &str,
        code_version: &str,
    ) -> Result<Self> {
        let all = serde_json::to_vec(&(plan.draft(), walk, digest, simd, code_version));
        let all = all.map_err(|cause| Error::internal("a walk is no JSON").because(cause))?;
        let key: String = Sha256::digest(all)[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Self {
            folder: output.join(format!("{NAME}{key}")),
        })
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folds that were kept and are whole.
    pub fn read(&self) -> Vec<FoldForecast> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let fold = |path: &PathBuf| {
            let (record, tensors) = sealed::read::<FoldRecord>(path, KIND).ok()?;
            FoldForecast::from_tensors(record, tensors).ok()
        };
        paths.iter().filter_map(fold).collect()
    }

    /// Keeps a fold.
    pub fn keep(&self, fold: &FoldForecast) -> Result<()> {
        let name = format!("{}-{:05}.fold", fold.record.model, fold.record.fold);
        let path = self.folder.join(name);
        sealed::pending(&path, KIND, &fold.record, &fold.tensors())?.commit()
    }

    /// The backtest is done: its folds go.
    pub fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(failed("delete", &self.folder, cause))
            }
            _ => Ok(()),
        }
    }
}
