//! The places that a run writes to, looked at before anything is read: nobody's data are replaced, and no training is lost to a folder
//! that cannot be written.
//!
//! In come folders; out goes an error that names what is in the way. Nothing stays behind.

use std::path::{Path, PathBuf};

use senti::{Error, Result};
use senti_io::atomic::{Pending, remove_leftovers};
use senti_io::registry::Registry;
use senti_io::report::{
    AUDIT, BACKTEST_OUTPUTS, IMPORTANCE, ImportanceOutput, Make, MakeImportance, OUTPUTS,
};
use senti_io::sources::Request;

use crate::options::Verb;
use crate::unfinished::CHECKPOINT;

/// Where the system wants what can be had again: models, rows and tables that were fetched.
pub fn cache() -> Option<PathBuf> {
    let below = if cfg!(windows) {
        ("LOCALAPPDATA", "")
    } else if cfg!(target_os = "macos") {
        ("HOME", "Library/Caches")
    } else {
        ("HOME", ".cache")
    };
    cache_of(&|name| std::env::var_os(name).map(PathBuf::from), below)
}

fn cache_of(
    folder: &dyn Fn(&str) -> Option<PathBuf>,
    (home, rest): (&str, &str),
) -> Option<PathBuf> {
    // the specification of base directories says: a relative one is to be ignored
    let said = |name: &str| folder(name).filter(|folder| folder.is_absolute());
    let cache = said("XDG_CACHE_HOME").or_else(|| Some(said(home)?.join(rest)))?;
    Some(cache.join("senti-ai"))
}

/// Refuses a folder in which an output would take the place of a file that is read.
pub fn spare_input(request: &Request, output: &Path, verb: Verb, no_plot: bool) -> Result<()> {
    let local = request.source.as_deref() == Some("local");
    let path = request.path.as_ref().filter(|_| local);
    let joined = request.joins.iter().map(|join| &join.path);
    for path in path.into_iter().chain(joined) {
        // What is not there cannot be replaced; reading says so better.
        let Ok(input) = path.canonicalize() else {
            continue;
        };
        for name in written(verb, no_plot) {
            let place = output.join(&name);
            if place.canonicalize().is_ok_and(|place| place == input) {
                return Err(Error::input(format!(
                    "the output `{}` would replace the input `{}`",
                    place.display(),
                    path.display()
                ))
                .hint("give another folder with `--output DIR`"));
            }
        }
    }
    Ok(())
}

/// Names of the files that a command puts into its output folder.
fn written(verb: Verb, no_plot: bool) -> Vec<String> {
    if verb == Verb::Audit {
        return vec![AUDIT.to_owned()];
    }
    let mut names = Vec::new();
    if verb == Verb::Backtest {
        return BACKTEST_OUTPUTS
            .iter()
            .flat_map(|output| output.files(no_plot))
            .collect();
    }
    if verb == Verb::Importance {
        let made = (IMPORTANCE.iter())
            .filter(|output| !(no_plot && matches!(output.make, MakeImportance::Plot(_))));
        return made.flat_map(ImportanceOutput::files).collect();
    }
    for output in OUTPUTS {
        if verb == Verb::Predict && !output.predict {
            continue;
        }
        match output.make {
            Make::Plot(_) if no_plot => {}
            Make::Plot(_) => {
                names.extend(["svg", "png"].map(|ending| format!("{}.{ending}", output.name)));
            }
            _ => names.push(output.name.to_owned()),
        }
    }
    if matches!(verb, Verb::Train | Verb::Import) {
        names.push(CHECKPOINT.to_owned());
        names.push(format!("{CHECKPOINT}.previous"));
    }
    names
}

/// Can a model of this type be saved? Told now rather than when the training is done.
pub fn writable(registry: &Registry, model_type: &str) -> Result<()> {
    let root = registry.root();
    if root.exists() && !root.is_dir() {
        let sentence = format!(
            "the registry `{}` is a file, wanted a folder",
            root.display()
        );
        return Err(Error::input(sentence).hint("give another `--registry DIR`"));
    }
    // The nearest folder that exists: what is missing is made when there is something to save.
    let model = root.join(registry.name(model_type)?);
    let here = Path::new(".");
    let near = (model.ancestors())
        .map(|folder| match folder.as_os_str().is_empty() {
            true => here,
            false => folder,
        })
        .find(|folder| folder.is_dir());
    let near = near.unwrap_or(here);
    // Of a run that was killed just here.
    remove_leftovers(near);
    let probe = near.join("senti-ai.probe");
    // Made under a hidden name, and gone when it is dropped.
    Pending::create(&probe).map(drop).map_err(|error| {
        let sentence = format!("the registry `{}` cannot be written", root.display());
        Error::new(error.kind(), sentence)
            .hint("give another `--registry DIR`, or the right to write there")
            .because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://specifications.freedesktop.org/basedir-spec/latest/>: a relative path is to be ignored.
    #[test]
    fn copies_are_kept_where_the_system_wants_them() {
        let check = |xdg: Option<&str>, home: Option<&str>, wanted: Option<&str>| {
            let folder = |name: &str| match name {
                "XDG_CACHE_HOME" => xdg.map(PathBuf::from),
                "HOME" => home.map(PathBuf::from),
                _ => None,
            };
            let found = cache_of(&folder, ("HOME", ".cache"));
            assert_eq!(found, wanted.map(PathBuf::from));
        };
        check(Some("/x"), Some("/home/me"), Some("/x/senti-ai"));
        for relative in [None, Some("x"), Some("")] {
            check(relative, Some("/home/me"), Some("/home/me/.cache/senti-ai"));
        }
        check(None, None, None);
    }
}
