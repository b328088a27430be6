//! A torn or altered checkpoint is recognised and named, and the one before it is used: the end is the same. The many kinds of damage to
//! one file are tested where files are read, in `senti-io`.

use std::fs;

use crate::run::Desk;
use crate::training::{CHECKPOINT, PREVIOUS, TRAIN, check_undisturbed, interrupted};

fn resume() -> Vec<&'static str> {
    [TRAIN, &["--checkpoint_every", "1 epoch", "--resume"]].concat()
}

/// Damages the newest checkpoint and resumes; `said` stands on stderr, behind the name of the file.
#[track_caller]
fn check(damage: impl Fn(&mut Vec<u8>), said: &str) {
    let desk = interrupted();
    let mut bytes = fs::read(desk.path(CHECKPOINT)).unwrap();
    damage(&mut bytes);
    fs::write(desk.path(CHECKPOINT), bytes).unwrap();
    let done = desk.run(&resume());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let wanted =
        format!("note: checkpoint `{CHECKPOINT}` {said}; the checkpoint before it is used instead");
    assert!(done.err.contains(&wanted), "{wanted}\n{}", done.err);
    check_undisturbed(&desk, said);
}

#[test]
fn the_one_before_a_damaged_checkpoint_is_used() {
    check(Vec::clear, "is damaged: it ends after 0 bytes");
    let altered = "is damaged: its checksum does not fit, it was cut off or altered";
    check(|bytes| bytes.truncate(bytes.len() / 2), altered);
    check(|bytes| *bytes.last_mut().unwrap() ^= 1, altered);
    check(
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
        },
        altered,
    );
    check(|bytes| bytes[8] = 9, "has format 9, wanted 2");
}

#[test]
fn the_one_before_a_missing_checkpoint_is_used() {
    let desk = interrupted();
    fs::remove_file(desk.path(CHECKPOINT)).unwrap();
    let done = desk.run(&resume());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let wanted = format!("note: cannot read checkpoint `{CHECKPOINT}`: no such file or folder;");
    assert!(done.err.contains(&wanted), "{}", done.err);
    check_undisturbed(&desk, "the newest is gone");
}

/// Both are whole, so the older one is taken up where the newer is wanted: epochs are done again, and the end is the same.
#[test]
fn checkpoints_that_were_swapped_lead_to_the_same_end() {
    let desk = interrupted();
    let (newest, older) = (desk.path(CHECKPOINT), desk.path(PREVIOUS));
    let (one, other) = (fs::read(&newest).unwrap(), fs::read(&older).unwrap());
    assert!(one != other);
    fs::write(newest, other).unwrap();
    fs::write(older, one).unwrap();
    let done = desk.run(&resume());
    assert_eq!(done.code, Some(0), "{}", done.err);
    check_undisturbed(&desk, "swapped");
}

#[test]
fn two_damaged_checkpoints_are_an_error_that_names_both() {
    let desk = interrupted();
    for name in [CHECKPOINT, PREVIOUS] {
        let mut bytes = fs::read(desk.path(name)).unwrap();
        bytes.truncate(1_000);
        fs::write(desk.path(name), bytes).unwrap();
    }
    let visible = |desk: &Desk| {
        let files = desk.tree("senti-output").into_iter();
        let hidden = |name: &std::path::Path| name.to_string_lossy().contains(".senti-");
        files.filter(|(name, _)| !hidden(name)).collect::<Vec<_>>()
    };
    let before = visible(&desk);
    let done = desk.run(&resume());
    assert_eq!(done.code, Some(1), "{}", done.err);
    let torn = "is damaged: its checksum does not fit, it was cut off or altered";
    let wanted = format!(
        "error: checkpoint `{CHECKPOINT}` {torn}, and the checkpoint before it is of no use either\ncause: checkpoint `{PREVIOUS}` {torn}\nhint: train anew without `--resume`\n"
    );
    assert!(done.err.ends_with(&wanted), "{wanted}\n{}", done.err);
    assert!(visible(&desk) == before, "something was touched");

    // Training anew keeps them, whatever they are, out of the way.
    let done = desk.run(TRAIN);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.contains("checkpoint.senti.set-aside"),
        "{}",
        done.err
    );
    for ending in ["", ".previous"] {
        let aside = format!("senti-output/checkpoint.senti.set-aside{ending}");
        fs::remove_file(desk.path(&aside)).unwrap();
    }
    check_undisturbed(&desk, "anew");
}
