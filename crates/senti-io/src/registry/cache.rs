//! Copies of models that were fetched from a server, so that each is fetched once.
//!
//! In come a model's [`Origin`] and its files; out go the files again, when they are the very same. A copy appears whole or not at all and
//! is compared with its checksums whenever it is used: a torn or altered one is as good as none. What aliases meant last is remembered,
//! to be told where nobody answers; it is never taken for the present.
//!
//! ```text
//! <root>/models/<host>-<digest of the address>/<name>/3/                  the three files of a model
//!                                                       origin.json       where they came from
//!                                                     last_known.json     {"@champion": 3}
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use senti::Result;
use senti::table::Time;
use serde::{Deserialize, Serialize};

use super::Files;
use super::local::{self, ARTIFACT, SUMS, WEIGHTS};
use crate::atomic::{self, Stage, failed};
use crate::http::address::encode;

const ORIGIN: &str = "origin.json";
const LAST_KNOWN: &str = "last_known.json";

/// Where a copy came from. A server may be set up anew and count from 1 again: the number alone does not tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Address of the server, without secrets.
    pub server: String,
    /// Registered name.
    pub name: String,
    /// Number.
    pub version: u32,
    /// When it was registered.
    pub created: Option<Time>,
    /// Where the server says that its files are.
    pub source: String,
    /// Its model type, as far as the server tells.
    pub model_type: String,
    /// [`Files::digest`], as far as the server tells.
    pub sha256: Option<String>,
}

/// What is in the cache.
#[derive(Debug)]
pub enum Kept {
    /// Nothing, or a copy of something else.
    No,
    /// The files.
    Whole(Files),
    /// A copy that is not what it was.
    Damaged(senti::Error),
}

/// A folder of copies.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// In this folder. Nothing is read or made before it is needed.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of a name.
    fn name(&self, server: &str, name: &str) -> PathBuf {
        let host = server.split_once("://").map_or(server, |(_, rest)| rest);
        let host: String = encode(host.split('/').next().unwrap_or_default());
        let key = &local::sha256(server.as_bytes())[..12];
        let mut name = encode(name);
        if name.len() > 200 || name.starts_with('.') {
            name = local::sha256(name.as_bytes());
        }
        self.root
            .join("models")
            .join(format!("{host:.100}-{key}"))
            .join(name)
    }

    /// The folder that a version has here, or would have.
    pub fn folder(&self, server: &str, name: &str, version: u32) -> PathBuf {
        self.name(server, name).join(version.to_string())
    }

    /// Where the copy of this version came from, if there is one.
    pub fn origin(&self, server: &str, name: &str, version: u32) -> Option<Origin> {
        let path = self.folder(server, name, version).join(ORIGIN);
        let origin: Origin = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        (origin.server == server && origin.name == name && origin.version == version)
            .then_some(origin)
    }

    /// The copy of exactly this.
    pub fn get(&self, origin: &Origin) -> Kept {
        let folder = self.folder(&origin.server, &origin.name, origin.version);
        match self.origin(&origin.server, &origin.name, origin.version) {
            Some(kept) if kept == *origin => {}
            // A folder without a readable word of where it came from was torn by something other than us.
            None if folder.exists() => {
                let error = senti::Error::data(format!(
                    "`{}` does not say where it came from",
                    folder.display()
                ));
                return Kept::Damaged(error);
            }
            _ => return Kept::No,
        }
        let read = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).map_err(|cause| failed("read", &path, cause))
        };
        let files = (|| {
            let files = Files::checked(
                read(ARTIFACT)?,
                read(WEIGHTS)?,
                read(SUMS)?,
                &folder.display().to_string(),
            )?;
            match &origin.sha256 {
                Some(wanted) if *wanted != files.digest() => Err(senti::Error::data(format!(
                    "`{}` was altered: its SHA-256 is {}, wanted {wanted}",
                    folder.join(SUMS).display(),
                    files.digest()
                ))),
                _ => Ok(files),
            }
        })();
        match files {
            Ok(files) => Kept::Whole(files),
            Err(error) => Kept::Damaged(error),
        }
    }

    /// Keeps a copy, in place of whatever stands there.
    pub fn put(&self, origin: &Origin, files: &Files) -> Result<()> {
        let parent = self.name(&origin.server, &origin.name);
        let folder = parent.join(origin.version.to_string());
        let stage = Stage::create(&parent)?;
        for (name, bytes) in files.each() {
            stage.write(name, bytes, &folder)?;
        }
        let text = serde_json::to_vec_pretty(origin)
            .map_err(|cause| senti::Error::internal("an origin is no JSON").because(cause))?;
        stage.write(ORIGIN, &text, &folder)?;
        // Where another process puts the same, one of them is too late, and both are right.
        for _ in 0..3 {
            remove(&parent, &folder)?;
            if stage.publish(&folder)? {
                break;
            }
        }
        Ok(())
    }

    /// Forgets a version.
    pub fn forget(&self, server: &str, name: &str, version: u32) -> Result<()> {
        let parent = self.name(server, name);
        match parent.is_dir() {
            true => remove(&parent, &parent.join(version.to_string())),
            false => Ok(()),
        }
    }

    /// The version that `word` (`@champion`, `/latest`) meant when it was last asked for.
    pub fn last_known(&self, server: &str, name: &str, word: &str) -> Option<u32> {
        self.words(server, name).get(word).copied()
    }

    /// Remembers it. What cannot be remembered is no harm.
    pub fn remember(&self, server: &str, name: &str, word: &str, version: u32) {
        let mut words = self.words(server, name);
        if words.insert(word.to_owned(), version) == Some(version) {
            return;
        }
        let folder = self.name(server, name);
        if let (Ok(text), Ok(())) = (serde_json::to_vec(&words), atomic::make_folder(&folder)) {
            let _ = atomic::write_file(&folder.join(LAST_KNOWN), &text);
        }
    }

    fn words(&self, server: &str, name: &str) -> BTreeMap<String, u32> {
        let text = fs::read(self.name(server, name).join(LAST_KNOWN));
        let words = text
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        words.unwrap_or_default()
    }
}

/// Takes a folder out of sight at once, whole.
fn remove(parent: &Path, folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    let away = Stage::create(parent)?;
    match fs::rename(folder, away.path().join("old")) {
        Err(cause) if folder.exists() => Err(failed("replace", folder, cause)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(mark: &str) -> Files {
        let (artifact, weights) = (format!("{{{mark}}}").into_bytes(), vec![1, 2, 3]);
        let sums = format!(
            "{}  {ARTIFACT}\n{}  {WEIGHTS}\n",
            local::sha256(&artifact),
            local::sha256(&weights)
        );
        Files::checked(artifact, weights, sums.into_bytes(), "test").unwrap()
    }

    fn origin() -> Origin {
        Origin {
            server: "http://127.0.0.1:5000".into(),
            name: "sentiai_model_lstm".into(),
            version: 3,
            created: Some(5),
            source: "models:/m-1".into(),
            model_type: "lstm".into(),
            sha256: None,
        }
    }

    #[test]
    fn a_copy_is_of_what_it_was_kept_for_and_of_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache"));
        assert!(matches!(cache.get(&origin()), Kept::No));
        cache.put(&origin(), &files("a")).unwrap();
        assert!(matches!(cache.get(&origin()), Kept::Whole(kept) if kept == files("a")));
        // another server, another name, a server set up anew
        for other in [
            Origin {
                server: "http://127.0.0.1:5001".into(),
                ..origin()
            },
            Origin {
                name: "sentiai_model".into(),
                ..origin()
            },
            Origin {
                created: Some(6),
                ..origin()
            },
            Origin {
                source: "models:/m-2".into(),
                ..origin()
            },
        ] {
            assert!(matches!(cache.get(&other), Kept::No), "{other:?}");
        }
        let anew = Origin {
            created: Some(6),
            ..origin()
        };
        cache.put(&anew, &files("b")).unwrap();
        assert!(matches!(cache.get(&anew), Kept::Whole(kept) if kept == files("b")));
        assert!(matches!(cache.get(&origin()), Kept::No));
        cache.forget(&anew.server, &anew.name, 3).unwrap();
        assert!(matches!(cache.get(&anew), Kept::No));
        // nothing half made is left
        let left: Vec<_> = fs::read_dir(cache.name(&anew.server, &anew.name))
            .unwrap()
            .flatten()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    #[test]
    fn a_torn_or_altered_copy_is_recognised() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let folder = cache.folder(&origin().server, &origin().name, 3);
        for name in [ARTIFACT, WEIGHTS, SUMS, ORIGIN] {
            for act in ["remove", "cut", "alter"] {
                cache.put(&origin(), &files("a")).unwrap();
                let path = folder.join(name);
                let mut bytes = fs::read(&path).unwrap();
                match act {
                    "remove" => fs::remove_file(&path).unwrap(),
                    "cut" => fs::write(&path, &bytes[..1]).unwrap(),
                    _ => {
                        bytes[0] ^= 1;
                        fs::write(&path, bytes).unwrap();
                    }
                }
                assert!(
                    matches!(cache.get(&origin()), Kept::Damaged(_)),
                    "{act} {name}: {:?}",
                    cache.get(&origin())
                );
            }
        }
        // Altered together with its checksums: the digest that the server told says so.
        let told = Origin {
            sha256: Some(files("a").digest()),
            ..origin()
        };
        cache.put(&told, &files("b")).unwrap();
        assert!(matches!(cache.get(&told), Kept::Damaged(_)));
        cache.put(&told, &files("a")).unwrap();
        assert!(matches!(cache.get(&told), Kept::Whole(_)));
    }

    #[test]
    fn odd_names_stay_inside() {
        let cache = Cache::at("/c");
        for name in ["..", "a/b", "ä ö", &"ü".repeat(256)] {
            let folder = cache.folder("https://host/prefix", name, 1);
            let rest = folder.strip_prefix("/c/models").unwrap();
            assert_eq!(rest.components().count(), 3, "{folder:?}");
            assert!(rest.components().all(|part| part.as_os_str().len() <= 255));
            assert!(!folder.to_string_lossy().contains("/../"));
        }
    }

    #[test]
    fn what_an_alias_meant_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        assert_eq!(cache.last_known("http://h", "n", "@champion"), None);
        cache.remember("http://h", "n", "@champion", 3);
        cache.remember("http://h", "n", "/latest", 4);
        cache.remember("http://h", "n", "@champion", 5);
        assert_eq!(cache.last_known("http://h", "n", "@champion"), Some(5));
        assert_eq!(cache.last_known("http://h", "n", "/latest"), Some(4));
        assert_eq!(cache.last_known("http://other", "n", "@champion"), None);
    }
}
