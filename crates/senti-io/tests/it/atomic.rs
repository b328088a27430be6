//! Files and folders appear whole or not at all: full disks, missing rights, leftovers of the dead, real file systems only.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use senti::ErrorKind;
use senti_io::atomic::{Pending, Stage, remove_leftovers, write_file};
use senti_io::checkpoint;
use senti_io::registry::Registry;
use senti_io::report::write_training;

use crate::checkpoint::state;
use crate::trained::{DAY, Run, artifact, market, table, train};

pub fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_replaces_the_one_before_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.txt");
    write_file(&path, b"old").unwrap();
    let mut pending = Pending::create(&path).unwrap();
    pending.write_all(b"new").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    pending.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    drop(Pending::create(&path).unwrap());
    assert_eq!(names(dir.path()), ["a.txt"]);
}

#[test]
fn a_new_file_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.txt");
    for (bytes, first) in [(b"mine", true), (b"late", false)] {
        let mut pending = Pending::create(&path).unwrap();
        pending.write_all(bytes).unwrap();
        assert_eq!(pending.commit_new().unwrap(), first);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert_eq!(names(dir.path()), ["a.txt"]);
    }
}

#[test]
fn a_stage_never_overwrites() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("1");
    let stage = Stage::create(dir.path()).unwrap();
    stage.write("x", b"mine", &target).unwrap();
    assert!(stage.publish(&target).unwrap());
    drop(stage);
    let stage = Stage::create(dir.path()).unwrap();
    stage.write("x", b"other", &target).unwrap();
    assert!(!stage.publish(&target).unwrap());
    drop(stage);
    assert_eq!(fs::read(target.join("x")).unwrap(), b"mine");
    assert_eq!(names(dir.path()), ["1"]);
}

#[test]
fn a_stage_spreads_when_complete_and_vanishes_when_dropped() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("kept"), "old").unwrap();
    fs::write(dir.path().join("x"), "old").unwrap();
    let stage = Stage::create(dir.path()).unwrap();
    stage.write("x", b"new", dir.path()).unwrap();
    drop(stage);
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"old");
    let stage = Stage::create(dir.path()).unwrap();
    stage.write("x", b"new", dir.path()).unwrap();
    stage.write("y", b"new", dir.path()).unwrap();
    let places = stage.spread(dir.path()).unwrap();
    assert_eq!(places, [dir.path().join("x"), dir.path().join("y")]);
    assert_eq!(names(dir.path()), ["kept", "x", "y"]);
    assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"new");
}

/// A folder in the way of the last file: the first is not replaced either.
#[test]
fn nothing_spreads_when_one_file_cannot() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "old").unwrap();
    fs::create_dir(dir.path().join("b")).unwrap();
    let stage = Stage::create(dir.path()).unwrap();
    stage.write("a", b"new", dir.path()).unwrap();
    stage.write("b", b"new", dir.path()).unwrap();
    let error = stage.spread(dir.path()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("b`: it is a folder, wanted a file"),
        "{error}"
    );
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"old");
    assert_eq!(names(dir.path()), ["a", "b"]);
}

/// A process that dies leaves its hidden files unlocked: the next writer removes them, and nothing that is at work or not ours.
#[test]
fn leftovers_of_the_dead_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        ".senti-999-0.tmp",
        ".senti-999-1.lock",
        ".senti-note",
        ".other.tmp",
        "kept.tmp",
    ] {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    fs::create_dir(dir.path().join(".senti-999-1.stage")).unwrap();
    fs::write(dir.path().join(".senti-999-1.stage/half"), "x").unwrap();
    let alive = Stage::create(dir.path()).unwrap();
    let writing = Pending::create(&dir.path().join("file")).unwrap();
    let before = names(dir.path());
    assert_eq!(
        before.iter().filter(|name| name.contains("999")).count(),
        0,
        "{before:?}"
    );
    assert_eq!(remove_leftovers(dir.path()), Vec::<PathBuf>::new());
    assert_eq!(names(dir.path()), before);
    assert!(alive.path().is_dir());
    drop((alive, writing));
    assert_eq!(names(dir.path()), [".other.tmp", ".senti-note", "kept.tmp"]);
}

#[test]
fn errors_name_the_place_and_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let check = |path: PathBuf, wanted: &str| {
        let error = write_file(&path, b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        let shown = error
            .to_string()
            .replace(&*dir.path().to_string_lossy(), "DIR");
        assert_eq!(shown, wanted);
    };
    check(
        dir.path().into(),
        "cannot write `DIR`: it is a folder, wanted a file",
    );
    check(
        file.join("below"),
        "cannot make folder `DIR/file`: a file of that name exists",
    );
    check(
        file.join("far/below"),
        "cannot make folder `DIR/file/far`: a part of the path is a file, wanted a folder",
    );
}

/// A small file system in memory, mounted for one test.
pub struct Disk(PathBuf);

impl Disk {
    /// `None`, with a word on why, where this user may not mount.
    pub fn mount(dir: &Path, options: &str) -> Option<Self> {
        let done = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir)
            .output();
        match done {
            Ok(output) if output.status.success() => Some(Self(dir.into())),
            Ok(output) => {
                println!(
                    "skipped: cannot mount: {}",
                    String::from_utf8_lossy(&output.stderr).trim()
                );
                None
            }
            Err(error) => {
                println!("skipped: cannot mount: {error}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let done = Command::new("mount")
            .args(["-o", options])
            .arg(&self.0)
            .status()
            .unwrap();
        assert!(done.success());
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let Some(_disk) = Disk::mount(dir.path(), "size=1m") else {
        return;
    };
    let registry = Registry::open(dir.path().join("models"));
    let artifact = artifact();
    registry.save(&artifact, "basic", 0).unwrap();
    let checkpoint_path = dir.path().join("run.checkpoint");
    let state = state(1);
    checkpoint::save(&checkpoint_path, &state).unwrap();
    // Fill the disk to the last byte.
    let mut filler = fs::File::create(dir.path().join("filler")).unwrap();
    while filler.write_all(&[1; 512]).is_ok() {}
    let before = (
        names(dir.path()),
        names(&dir.path().join("models/sentiai_model")),
    );

    for error in [
        write_file(&dir.path().join("note"), &[0; 100_000]).unwrap_err(),
        registry.save(&artifact, "basic", 0).map(drop).unwrap_err(),
        registry.save(&artifact, "lstm", 0).map(drop).unwrap_err(),
        checkpoint::save(&checkpoint_path, &state).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Remote);
        assert!(error.to_string().starts_with("cannot write `/"), "{error}");
        assert!(
            error.to_string().ends_with("`: the disk is full"),
            "{error}"
        );
        assert!(!error.to_string().contains("/.senti"), "{error}");
    }
    assert_eq!(
        (
            names(dir.path()),
            names(&dir.path().join("models/sentiai_model"))
        ),
        before
    );
    assert!(!dir.path().join("models/sentiai_model_lstm").exists());
    assert_eq!(
        registry.load("basic", None).unwrap().tensors,
        artifact.tensors
    );
    assert_eq!(
        checkpoint::load(&checkpoint_path).unwrap().state.manifest,
        state.manifest
    );
}

/// Results that do not fit leave nothing, and the error names the file.
#[test]
fn a_full_disk_takes_no_half_results() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let run = train(market(400, DAY, 100.0, 0.01), 3, elsewhere.path());
    let Some(_disk) = Disk::mount(dir.path(), "size=64k") else {
        return;
    };
    let Run {
        table,
        outcome,
        recorder,
    } = train(table(run.table.close().to_vec(), DAY), 3, dir.path());
    let error = write_training(dir.path(), &outcome, &table, recorder, None, false).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Remote);
    assert!(error.to_string().ends_with(": the disk is full"), "{error}");
    assert!(!error.to_string().contains(".senti"), "{error}");
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

/// A process that is killed in the middle: this test starts itself. The next writer cleans up behind it.
#[test]
fn a_killed_process_leaves_nothing_that_stays() {
    const DIR: &str = "SENTI_TEST_KILLED";
    if let Some(dir) = std::env::var_os(DIR) {
        let dir = Path::new(&dir);
        let stage = Stage::create(dir).unwrap();
        stage.write("half", b"x", dir).unwrap();
        let mut pending = Pending::create(&dir.join("file")).unwrap();
        pending.write_all(b"half").unwrap();
        std::process::abort();
    }
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "old").unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "atomic::a_killed_process_leaves_nothing_that_stays",
        ])
        .env(DIR, dir.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(!status.success());
    assert_eq!(
        names(dir.path()).len(),
        4,
        "a file, its half, a stage and its lock"
    );
    drop(Stage::create(dir.path()).unwrap());
    assert_eq!(names(dir.path()), ["file"]);
    assert_eq!(fs::read(dir.path().join("file")).unwrap(), b"old");
}

#[test]
fn a_read_only_disk_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mount(dir.path(), "size=2m") else {
        return;
    };
    let registry = Registry::open(dir.path());
    registry.save(&artifact(), "basic", 0).unwrap();
    disk.remount("remount,ro");
    registry.load("basic", None).unwrap();
    let error = registry.save(&artifact(), "basic", 0).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("`: the file system is read-only"),
        "{error}"
    );
    assert_eq!(registry.list().unwrap().len(), 1);
    disk.remount("remount,rw");
}
