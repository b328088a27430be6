//! A small training that takes some hundred milliseconds, what it leaves behind, and how a run that was disturbed is compared with it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::run::{Desk, prices};

/// The command; `checkpoint_every` comes on top.
pub const TRAIN: &[&str] = &[
    "train",
    "--data_path",
    "prices.csv",
    "--no_plot",
    "--input_seq_length",
    "8",
    "--forecast_horizon",
    "3",
    "--patience",
    "1000",
    "--threads",
    "1",
    "--units",
    "8",
    "--epochs",
    "40",
];

/// The newest checkpoint.
pub const CHECKPOINT: &str = "senti-output/checkpoint.senti";
/// The one before it.
pub const PREVIOUS: &str = "senti-output/checkpoint.senti.previous";

/// A desk with the data on it.
pub fn desk() -> Desk {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(600));
    desk
}

/// Every file that a run leaves and must leave alike: all but the time of saving and the seconds of the epochs.
pub fn outcome(desk: &Desk) -> BTreeMap<String, Vec<u8>> {
    let root = desk.path("");
    let files = ["senti-output", "senti-models"]
        .iter()
        .flat_map(|folder| desk.tree(folder));
    let named = files.map(|(path, bytes)| {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        (name, bytes)
    });
    let kept = named.filter(|(name, _)| !name.ends_with("/created"));
    kept.map(|(name, bytes)| match name.ends_with("/history.csv") {
        true => (name, without_seconds(&bytes)),
        false => (name, bytes),
    })
    .collect()
}

/// `history.csv` without its last column.
fn without_seconds(bytes: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let lines = text
        .lines()
        .map(|line| line.rsplit_once(',').unwrap().0.to_owned() + "\n");
    lines.collect::<String>().into_bytes()
}

/// What a run leaves that nobody disturbs.
pub fn undisturbed() -> &'static BTreeMap<String, Vec<u8>> {
    static OUTCOME: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    OUTCOME.get_or_init(|| {
        let desk = desk();
        let done = desk.run(&[TRAIN, &["--checkpoint_every", "never"]].concat());
        assert_eq!(done.code, Some(0), "{}", done.err);
        let outcome = outcome(&desk);
        for name in [
            "senti-models/sentiai_model_lstm/1/weights.safetensors",
            "senti-models/sentiai_model_lstm/1/artifact.json",
            "senti-output/metrics.json",
            "senti-output/predictions.csv",
            "senti-output/forecast.csv",
            "senti-output/forecast.json",
        ] {
            assert!(
                outcome[name].len() > 100,
                "{name} is missing or nearly empty"
            );
        }
        outcome
    })
}

/// The files of an undisturbed run, byte for byte, and none beside them.
#[track_caller]
pub fn check_undisturbed(desk: &Desk, story: &str) {
    let (found, wanted) = (outcome(desk), undisturbed());
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(wanted), "{story}");
    for (name, bytes) in wanted {
        assert!(found[name] == *bytes, "{name} differs: {story}");
    }
}

/// Trains with a checkpoint behind every epoch, kills it, and leaves the newest checkpoint and another one before it.
pub fn interrupted() -> Desk {
    static INTERRUPTED: OnceLock<Desk> = OnceLock::new();
    let first = INTERRUPTED.get_or_init(|| {
        // For a moment, while a new one is on its way, both names are of one file: then once more.
        loop {
            let desk = desk();
            let mut child = desk
                .command(&[TRAIN, &["--checkpoint_every", "1 epoch"]].concat())
                .stdout(std::process::Stdio::null())
                .stderr(std::process::Stdio::null())
                .spawn()
                .unwrap();
            while !desk.path(PREVIOUS).exists() {
                assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
                std::thread::sleep(std::time::Duration::from_micros(200));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            let [newest, older] = [CHECKPOINT, PREVIOUS].map(|name| std::fs::read(desk.path(name)));
            if newest.unwrap() != older.unwrap() {
                return desk;
            }
        }
    });
    first.copy()
}
