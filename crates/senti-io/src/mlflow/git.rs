//! Which commit of which repository a folder is at, read from `.git` itself: no program is started.
//!
//! In comes a folder; out go tags by MLflow's convention, none where there is no repository or it is laid out in a way not known here. A
//! password in the address of the remote is left out. Whether files have changed since is not looked at.

use std::path::{Path, PathBuf};

use super::record::{Pair, tag};
use crate::http::address::without_secrets;

/// `mlflow.source.git.commit`, `.branch` and `.repoURL`, as far as they are known.
pub fn tags(folder: &Path) -> Vec<Pair> {
    let Some(repository) = folder.canonicalize().ok().and_then(|folder| find(&folder)) else {
        return Vec::new();
    };
    let Some(head) = read(&repository.join("HEAD")) else {
        return Vec::new();
    };
    // of a worktree, branches and configuration are those of the repository that it belongs to
    let common = read(&repository.join("commondir"));
    let common = common.map_or_else(|| repository.clone(), |path| repository.join(path));
    let reference = head.strip_prefix("ref: ");
    let commit = match reference {
        Some(reference) => commit_of(&common, reference),
        None => Some(head.clone()),
    };
    let commit =
        commit.filter(|text| text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit()));
    let Some(commit) = commit else {
        return Vec::new();
    };
    let branch = reference.and_then(|reference| reference.strip_prefix("refs/heads/"));
    let url = read(&common.join("config")).and_then(|text| origin(&text));
    let mut tags = vec![tag("mlflow.source.git.commit", commit)];
    tags.extend(branch.map(|branch| tag("mlflow.source.git.branch", branch)));
    tags.extend(url.map(|url| tag("mlflow.source.git.repoURL", url)));
    tags
}

/// The `.git` of this folder or of one above it.
fn find(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find_map(|folder| {
        let place = folder.join(".git");
        if place.is_dir() {
            return Some(place);
        }
        let text = read(&place)?;
        Some(folder.join(text.strip_prefix("gitdir: ")?))
    })
}

fn commit_of(common: &Path, reference: &str) -> Option<String> {
    // a name is a path below the repository, never out of it
    if reference.split('/').any(|part| part == "..") {
        return None;
    }
    read(&common.join(reference)).or_else(|| {
        let packed = read(&common.join("packed-refs"))?;
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        let found = lines.find(|(_, name)| *name == reference);
        found.map(|(commit, _)| commit.to_owned())
    })
}

/// Address of the remote `origin`.
fn origin(config: &str) -> Option<String> {
    let mut inside = false;
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[remote \"origin\"]";
        } else if let (true, Some((key, value))) = (inside, line.split_once('='))
            && key.trim() == "url"
        {
            let value = value.trim();
            // `git@host:path` names no password, and is no address with a scheme
            return Some(match value.contains("://") {
                true => without_secrets(value),
                false => value.to_owned(),
            });
        }
    }
    None
}

fn read(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

    #[track_caller]
    fn check(files: &[(&str, &str)], wanted: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let inner = folder.path().join("inner");
        std::fs::create_dir_all(&inner).unwrap();
        let found = tags(&inner);
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|tag| {
                (
                    tag.key.trim_start_matches("mlflow.source.git."),
                    tag.value.as_str(),
                )
            })
            .collect();
        assert_eq!(found, wanted);
    }

    /// The layouts are those of gitrepository-layout(5).
    #[test]
    fn commit_branch_and_address_without_its_password() {
        let line = format!("{COMMIT}\n");
        let config =
            "[core]\n\turl = no\n[remote \"origin\"]\n\turl = https://me:s3cret@host/a.git\n";
        check(
            &[
                (".git/HEAD", "ref: refs/heads/feature/x\n"),
                (".git/refs/heads/feature/x", &line),
                (".git/config", config),
            ],
            &[
                ("commit", COMMIT),
                ("branch", "feature/x"),
                ("repoURL", "https://host/a.git"),
            ],
        );
        let packed = format!("# pack-refs with: peeled\n{COMMIT} refs/heads/main\n");
        check(
            &[
                (".git/HEAD", "ref: refs/heads/main"),
                (".git/packed-refs", &packed),
            ],
            &[("commit", COMMIT), ("branch", "main")],
        );
        check(&[(".git/HEAD", &line)], &[("commit", COMMIT)]);
        check(&[(".git/HEAD", "ref: refs/heads/none")], &[]);
        check(&[(".git/HEAD", "ref: refs/../../../secret")], &[]);
        check(&[("a.txt", "")], &[]);
    }

    #[test]
    fn a_worktree_has_its_repository_elsewhere() {
        let line = format!("{COMMIT}\n");
        check(
            &[
                (".git", "gitdir: main/.git/worktrees/w\n"),
                ("main/.git/worktrees/w/HEAD", "ref: refs/heads/w\n"),
                ("main/.git/worktrees/w/commondir", "../..\n"),
                ("main/.git/refs/heads/w", &line),
            ],
            &[("commit", COMMIT), ("branch", "w")],
        );
    }
}
