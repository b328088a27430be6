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
    assert!(
        told.ends_with("no model was saved, the training with its best weights so far is kept in `senti-output/checkpoint.senti`"),
        "{told}"
    );
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
    check(
        &[],
        "error: the data are not those of the interrupted training",
    );
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

/// Another run in the same folder sets an unfinished training aside, and `--resume` finds the one that fits.
#[test]
fn an_unfinished_training_survives_other_runs() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(600));
    let epochs = (interrupted(&desk) + 2).to_string();
    let kept = std::fs::read(desk.path("senti-output/checkpoint.senti")).unwrap();
    let read = |name: &str| std::fs::read(desk.path(name)).unwrap();

    let basic = desk.run(&[TRAIN, &["--model_type", "basic"]].concat());
    assert_eq!(basic.code, Some(0), "{}", basic.err);
    assert!(read("senti-output/checkpoint.senti") == kept);

    let other = desk.run(&[TRAIN, &["--epochs", "2", "--seed", "43", "--quiet"]].concat());
    assert_eq!(other.code, Some(0), "{}", other.err);
    assert!(
        other
            .err
            .contains("is set aside as `senti-output/checkpoint.senti.set-aside`"),
        "{}",
        other.err
    );
    assert!(!desk.path("senti-output/checkpoint.senti").exists());
    assert!(read("senti-output/checkpoint.senti.set-aside") == kept);

    let resumed = desk.run(&[TRAIN, &["--epochs", &epochs, "--resume"]].concat());
    assert_eq!(resumed.code, Some(0), "{}", resumed.err);
    assert!(
        resumed
            .err
            .contains(" from `senti-output/checkpoint.senti.set-aside`\n"),
        "{}",
        resumed.err
    );
    assert!(
        !desk
            .path("senti-output/checkpoint.senti.set-aside")
            .exists()
    );
}

/// A signal while nothing can stop in order ends the program at once, with the same code.
#[cfg(target_os = "linux")]
#[test]
fn reading_stops_at_once() {
    let desk = Desk::new();
    let fifo = Command::new("mkfifo").arg(desk.path("slow.csv")).status();
    assert!(fifo.unwrap().success());
    let mut child = desk
        .command(&["train", "--data_path", "slow.csv"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Time to begin; without a handler the code would be none.
    std::thread::sleep(std::time::Duration::from_millis(500));
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(kill.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
