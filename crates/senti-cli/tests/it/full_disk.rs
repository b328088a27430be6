//! A disk that takes no more, for real: a limit on file sizes that every Unix has, and a small file system that is full.

#![cfg(unix)]

use std::fs;
use std::io::Write as _;
use std::process::Command;

use crate::run::{Desk, Done};
use crate::training::{CHECKPOINT, PREVIOUS, TRAIN, check_undisturbed, interrupted};

fn resume() -> Vec<&'static str> {
    [TRAIN, &["--checkpoint_every", "1 epoch", "--resume"]].concat()
}

/// Runs the binary below a shell script, as `"$@"`.
fn below(desk: &Desk, shell: &[&str], script: &str) -> Done {
    let mut command = Command::new(shell[0]);
    command
        .args(&shell[1..])
        .args(["sh", "-c", script, "sh", env!("CARGO_BIN_EXE_senti-ai")])
        .args(resume())
        .current_dir(desk.path("."));
    desk.done(command.output().unwrap())
}

fn checkpoints(desk: &Desk) -> [Vec<u8>; 2] {
    [CHECKPOINT, PREVIOUS].map(|name| fs::read(desk.path(name)).unwrap())
}

#[track_caller]
fn check_error(done: &Done, why: &str, hint: &str) {
    let sentence = format!("error: cannot write `{CHECKPOINT}`: {why}\n");
    let hint = format!(
        "hint: {hint}; then run the same command with `--resume`: the training up to its last checkpoint is kept\n"
    );
    assert!(done.err.contains(&sentence), "{}", done.err);
    assert!(done.err.contains(&hint), "{}", done.err);
}

/// No file may be longer than 4 KiB, and a checkpoint is.
#[test]
fn a_checkpoint_that_cannot_be_written_leaves_the_one_before() {
    let desk = interrupted();
    let before = checkpoints(&desk);
    assert!(before[0].len() > 10_000);
    // The signal would end the program; ignored, the call fails as on a full disk.
    let done = below(&desk, &["env"], "trap '' XFSZ; ulimit -f 8; exec \"$@\"");
    assert_eq!(done.code, Some(1), "{}", done.err);
    check_error(
        &done,
        "the file is larger than the system allows",
        "raise the limit on file sizes or give another folder",
    );
    assert!(checkpoints(&desk) == before, "a checkpoint was touched");
    assert!(!desk.path("senti-models").exists());

    let done = desk.run(&resume());
    assert_eq!(done.code, Some(0), "{}", done.err);
    check_undisturbed(&desk, "behind a limit on file sizes");
}

/// A file system of its own in a name space of its own, where the machine lets us; else the reason.
fn private_mounts() -> Result<&'static [&'static str], String> {
    let folder = tempfile::tempdir().unwrap();
    let mut why = String::new();
    for shell in [&["unshare", "-m"][..], &["unshare", "-rm"][..]] {
        let mount = Command::new(shell[0])
            .args(&shell[1..])
            .args(["mount", "-t", "tmpfs", "-o", "size=64k", "disk"])
            .arg(folder.path())
            .output();
        match mount {
            Ok(mount) if mount.status.success() => return Ok(shell),
            Ok(mount) => why = String::from_utf8_lossy(&mount.stderr).trim().to_owned(),
            Err(error) => why = format!("unshare: {error}"),
        }
    }
    Err(why)
}

/// 4 MiB with 8 KiB left: a checkpoint begins to be written and does not end.
#[test]
fn a_full_disk_leaves_the_checkpoint_and_room_lets_it_go_on() {
    let shell = match private_mounts() {
        Ok(shell) => shell,
        Err(why) => {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: no small file system can be mounted here ({why})"
            );
            return;
        }
    };
    let desk = interrupted();
    let before = checkpoints(&desk);
    let script = r#"
        set -e
        mkdir disk before final
        mount -t tmpfs -o size=4m disk disk
        cp senti-output/checkpoint* disk/
        rm -r senti-output
        ln -s disk senti-output
        head -c 8192 /dev/zero > disk/room
        head -c 9000000 /dev/zero > disk/filler 2>/dev/null || true
        rm disk/room
        code=0
        "$@" || code=$?
        cp disk/checkpoint* before/
        ls -A disk > before/names
        echo "code $code" >&2
        rm disk/filler
        "$@" 2>&1 || echo "second code $?" >&2
        cp disk/* final/
    "#;
    let done = below(&desk, shell, script);
    assert_eq!(done.code, Some(0), "{}\n{}", done.out, done.err);
    check_error(
        &done,
        "the disk is full",
        "free some space or give another folder",
    );
    assert!(done.err.ends_with("\ncode 1\n"), "{}", done.err);
    let names = fs::read_to_string(desk.path("before/names")).unwrap();
    assert!(!names.contains(".senti-"), "{names}");
    let kept = [
        "before/checkpoint.senti",
        "before/checkpoint.senti.previous",
    ];
    let kept = kept.map(|name| fs::read(desk.path(name)).unwrap());
    assert!(kept == before, "a checkpoint was touched");

    fs::remove_file(desk.path("senti-output")).unwrap();
    fs::rename(desk.path("final"), desk.path("senti-output")).unwrap();
    check_undisturbed(&desk, "behind a full disk");
}
