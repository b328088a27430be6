//! Ctrl-C: a real SIGINT to the real binary, and a resumed run that ends like an undisturbed one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::run::{Desk, prices};

const TRAIN: &[&str] = &[
    "train",
    "--data_path",
    "prices.csv",
    "--no_plot",
    "--format",
    "json",
    "--input_seq_length",
    "8",
    "--forecast_horizon",
    "3",
    "--units",
    "8",
    "--patience",
    "1000000",
    "--batch_size",
    "32",
];

/// Starts a training that would last for hours, interrupts it behind its third epoch, and gives the whole epochs it had done.
fn interrupted(desk: &Desk) -> u64 {
    let mut command = desk.command(&[TRAIN, &["--epochs", "1000000"]].concat());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("epoch 3/")));
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    let count = rest.len();
    assert_eq!(
        rest[count - 1],
        "hint: run the same command with `--resume` to go on"
    );
    let told = rest[count - 2].strip_prefix("stopped: after ").unwrap();
    told.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn interrupted_and_resumed_equals_undisturbed() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(600));
    let epochs = interrupted(&desk);
    assert!(
        !desk
            .path("senti-models")
            .join("sentiai_model_lstm")
            .exists(),
        "an interrupted run registers nothing"
    );
    let more = (epochs + 3).to_string();

    let resumed = desk.run(&[TRAIN, &["--epochs", &more, "--resume"]].concat());
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert!(
        !desk.path("senti-output/checkpoint.senti").exists(),
        "a finished run leaves no checkpoint"
    );

    let other = Desk::new();
    other.file("prices.csv", &prices(600));
    let undisturbed = other.run(&[TRAIN, &["--epochs", &more]].concat());
    assert_eq!(undisturbed.code, Some(0), "{}", undisturbed.err);
    let read = |desk: &Desk, name: &str| std::fs::read(desk.path(name)).unwrap();
    for file in [
        "senti-output/predictions.csv",
        "senti-output/forecast.csv",
        "senti-models/sentiai_model_lstm/1/weights.safetensors",
    ] {
        assert!(read(&desk, file) == read(&other, file), "{file} differs");
    }
}

/// Another plan or other data cannot go on with a checkpoint.
#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(600));
    interrupted(&desk);
    let check = |extra: &[&str], wanted: &str| {
        let done = desk.run(&[TRAIN, &["--resume"], extra].concat());
        assert_eq!(done.code, Some(1), "{}", done.err);
        let error = done
            .err
            .lines()
            .find(|line| line.starts_with("error: "))
            .unwrap();
        assert!(error.starts_with(wanted), "{error}");
    };
    check(
        &["--seed", "43"],
        "error: the checkpoint's `seed` is 42, now it is 43",
    );
    desk.file("prices.csv", &prices(601));
    check(&[], "error: the checkpoint's data digest is ");
    assert!(
        !desk
            .path("senti-models")
            .join("sentiai_model_lstm")
            .exists()
    );
}

#[test]
fn nothing_to_resume_is_told() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(100));
    let done = desk.run(&[TRAIN, &["--resume"]].concat());
    assert_eq!(done.code, Some(1));
    assert!(
        done.err
            .contains("error: there is no training to resume in `senti-output`\nhint: "),
        "{}",
        done.err
    );
}
