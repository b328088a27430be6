//! SIGKILL to the real binary at fifty random moments: the training that is resumed ends with the bytes of an undisturbed one.

use std::fmt::Write as _;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::run::Desk;
use crate::training::{CHECKPOINT, PREVIOUS, TRAIN, check_undisturbed, desk, outcome, undisturbed};

const KILLS: usize = 50;

/// Another one: `SENTI_KILL_SEED=7 cargo test -p senti-cli killed`.
const SEED: u64 = 20_260_101;

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After this time, wherever the run is then.
    After(Duration),
    /// While a checkpoint is on its way to the disk.
    Checkpoint,
    /// While the model is on its way into the registry.
    Registry,
    /// While the files of the output folder are made.
    Output,
}

impl Moment {
    fn draw(turn: usize, longest: Duration, random: &mut impl FnMut() -> f64) -> Self {
        match turn % 5 {
            0 | 1 => Self::After(longest.mul_f64(random())),
            // Reading, preparing, the first batches: there is no checkpoint yet.
            2 => Self::After(longest.mul_f64(0.15 * random())),
            3 => Self::Checkpoint,
            _ if (turn / 5).is_multiple_of(2) => Self::Registry,
            _ => Self::Output,
        }
    }

    /// Has it come for the process with this number, started then?
    fn is_now(self, desk: &Desk, process: u32, start: Instant) -> bool {
        // What an earlier one has left does not count.
        let own = format!(".senti-{process}-");
        match self {
            Self::After(time) => start.elapsed() >= time,
            Self::Checkpoint => hidden(&desk.path("senti-output"), &own, ".tmp").is_some(),
            Self::Registry => {
                let folder = desk.path("senti-models/sentiai_model_lstm");
                hidden(&folder, &own, ".stage").is_some()
            }
            Self::Output => hidden(&desk.path("senti-output"), &own, ".stage")
                .is_some_and(|stage| stage.join("forecast.csv").exists()),
        }
    }
}

/// A hidden file or folder whose name begins and ends so.
fn hidden(folder: &Path, start: &str, end: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let fits = |entry: &DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with(start) && name.ends_with(end)
    };
    entries.into_iter().find(fits).map(|entry| entry.path())
}

/// Waits for the moment and kills; false when the run ended before.
fn kill_at(child: &mut Child, moment: Moment, desk: &Desk) -> bool {
    let start = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if moment.is_now(desk, child.id(), start) {
            child.kill().unwrap();
            return child.wait().unwrap().code().is_none();
        }
        std::thread::sleep(Duration::from_micros(20));
    }
    false
}

/// The command that goes on with what is there, if anything is left to do.
fn next(desk: &Desk) -> Option<Vec<&'static str>> {
    let mut line = [TRAIN, &["--checkpoint_every", "5ms"]].concat();
    if desk.path(CHECKPOINT).exists() || desk.path(PREVIOUS).exists() {
        line.push("--resume");
    } else if desk.path("senti-models/sentiai_model_lstm/1").exists() {
        // Killed behind its last deed.
        return None;
    }
    Some(line)
}

#[cfg(unix)]
#[test]
fn killed_at_fifty_moments_and_resumed_equals_undisturbed() {
    let seed = std::env::var("SENTI_KILL_SEED").ok();
    let seed = seed.map_or(SEED, |seed| seed.parse().unwrap());
    // Steele, Lea and Flood 2014: SplitMix64.
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    };
    undisturbed();
    let timed = desk();
    let start = Instant::now();
    assert_eq!(timed.run(&next(&timed).unwrap()).code, Some(0));
    let longest = start.elapsed();

    let (mut kills, mut turn) = (0, 0);
    while kills < KILLS {
        let desk = desk();
        let mut story = format!("seed {seed}, a whole run takes {longest:?}");
        while let Some(line) = next(&desk) {
            let resumes = line.contains(&"--resume");
            if kills == KILLS {
                let done = desk.run(&line);
                assert_eq!(done.code, Some(0), "{story}\n{}", done.err);
                break;
            }
            let moment = Moment::draw(turn, longest, &mut random);
            turn += 1;
            write!(story, "\nkill {kills}: {moment:?}, resumed {resumes}").unwrap();
            let log = std::fs::File::create(desk.path("stderr.txt")).unwrap();
            let mut command = desk.command(&line);
            let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
            if kill_at(&mut child, moment, &desk) {
                kills += 1;
                continue;
            }
            // It ended before the moment came: the next one is for the next training.
            let err = std::fs::read_to_string(desk.path("stderr.txt")).unwrap();
            let code = child.wait().unwrap().code();
            assert_eq!(code, Some(0), "{story}\n{err}");
            break;
        }
        // Nothing is left behind, neither in the folders of the results nor beside them.
        check_undisturbed(&desk, &story);
        assert_eq!(hidden(&desk.path("."), ".senti-", ""), None, "{story}");
    }
}

/// An epoch that lasts is kept in its middle, and goes on from there.
#[cfg(unix)]
#[test]
fn a_long_epoch_is_kept_in_its_middle() {
    let long = &["--epochs", "1", "--batch_size", "1", "--units", "32"];
    let train: Vec<&str> = [&TRAIN[..TRAIN.len() - 4], long].concat();
    let desk = desk();
    let log = std::fs::File::create(desk.path("stderr.txt")).unwrap();
    let mut command = desk.command(&[&train[..], &["--checkpoint_every", "1ms"]].concat());
    let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    while !desk.path(CHECKPOINT).exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        std::thread::sleep(Duration::from_micros(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let err = std::fs::read_to_string(desk.path("stderr.txt")).unwrap();
    assert!(!err.contains("epoch 1/1"), "{err}");

    let resumed = desk.run(&[&train[..], &["--resume"]].concat());
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    let told = "resuming after 0 epochs from `senti-output/checkpoint.senti`";
    assert!(resumed.err.contains(told), "{}", resumed.err);
    let other = crate::training::desk();
    assert_eq!(other.run(&train).code, Some(0));
    std::fs::remove_file(desk.path("stderr.txt")).unwrap();
    assert!(outcome(&desk) == outcome(&other));
}

/// `never` is taken at its word, and so are epochs and hours.
#[cfg(unix)]
#[test]
fn checkpoints_come_as_often_as_they_are_asked_for() {
    let long: Vec<&str> = [&TRAIN[..TRAIN.len() - 2], &["--epochs", "1000000"]].concat();
    for (every, wanted) in [("never", false), ("15 epochs", true), ("1h", false)] {
        let desk = desk();
        let log = std::fs::File::create(desk.path("stderr.txt")).unwrap();
        let mut command = desk.command(&[&long[..], &["--checkpoint_every", every]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let err = || std::fs::read_to_string(desk.path("stderr.txt")).unwrap();
        while !err().contains("\nepoch 16/") {
            assert_eq!(child.try_wait().unwrap(), None, "{}", err());
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(desk.path(CHECKPOINT).exists(), wanted, "{every}");
    }
}
