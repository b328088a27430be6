//! `--memory`: what does not fit is refused before training starts, and what fits stays below it, measured from outside.

use std::fmt::Write as _;
use std::process::Stdio;
use std::time::Duration;

use crate::run::{Desk, prices};

const TRAIN: &[&str] = &[
    "train",
    "--data_path",
    "prices.csv",
    "--no_plot",
    "--epochs",
    "1",
    "--threads",
    "2",
];

/// What a run would take, as its refusal says it: in MiB.
fn wanted(desk: &Desk, shape: &[&str]) -> f64 {
    let done = desk.run(&[TRAIN, shape, &["--memory", "32MiB"]].concat());
    assert_eq!(done.code, Some(1), "{}", done.err);
    assert!(!done.err.contains("epoch 0/"), "{}", done.err);
    let told = done.err.split("error: this training would take ").nth(1);
    let told = told.unwrap_or_else(|| panic!("{}", done.err));
    assert!(told.starts_with(|c: char| c.is_ascii_digit()));
    for word in [
        " MiB, `--memory` allows 32 MiB: ",
        "features",
        "\nhint: ",
        "or give `--memory ",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
    told.split(' ').next().unwrap().parse().unwrap()
}

/// Peak resident memory in MiB of a run that must succeed. Debug builds have more code; a page of it counts only when it is used.
#[cfg(target_os = "linux")]
fn peak(desk: &Desk, line: &[&str]) -> f64 {
    let log = std::fs::File::create(desk.path("stderr.txt")).unwrap();
    let mut command = desk.command(line);
    let mut child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut kib = 0.0_f64;
    let code = loop {
        if let Some(code) = child.try_wait().unwrap() {
            break code;
        }
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let found = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        kib = kib.max(found.unwrap_or(0.0));
        std::thread::sleep(Duration::from_millis(1));
    };
    let err = std::fs::read_to_string(desk.path("stderr.txt")).unwrap();
    assert!(code.success(), "{line:?}\n{err}");
    assert!(kib > 0.0);
    kib / 1024.0
}

#[cfg(target_os = "linux")]
#[test]
fn what_fits_stays_below_and_the_rest_is_refused() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(1_500));
    let shapes: &[&[&str]] = &[
        &["--units", "128,64", "--batch_size", "64"],
        &[
            "--units",
            "16",
            "--input_seq_length",
            "120",
            "--batch_size",
            "256",
        ],
        &[
            "--units",
            "160,160",
            "--loss",
            "mse",
            "--forecast_horizon",
            "60",
        ],
        &["--model_type", "basic", "--input_seq_length", "60"],
    ];
    for shape in shapes {
        let wanted = wanted(&desk, shape);
        // What is told is rounded.
        let memory = format!("{}MiB", wanted.ceil() + 1.0);
        let peak = peak(&desk, &[TRAIN, shape, &["--memory", &memory]].concat());
        assert!(
            peak < wanted,
            "{shape:?}: told {wanted} MiB, took {peak:.1} MiB"
        );
        // Nor is a training refused that would easily fit.
        assert!(
            wanted < 1.6 * peak + 16.0,
            "{shape:?}: told {wanted} MiB, took {peak:.1} MiB"
        );
    }
}

/// A state that is taken up stays beside the network, and is counted.
#[cfg(target_os = "linux")]
#[test]
fn a_resumed_training_stays_below_as_well() {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(1_500));
    let shape: &[&str] = &["--units", "128,64", "--checkpoint_every", "1ms"];
    let anew = wanted(&desk, shape);
    let mut command = desk.command(&[TRAIN, shape].concat());
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while !desk.path("senti-output/checkpoint.senti").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        std::thread::sleep(Duration::from_micros(100));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let shape = [shape, &["--resume"]].concat();
    let told = wanted(&desk, &shape);
    assert!(told > anew, "{told} MiB resumed, {anew} MiB anew");
    let memory = format!("{}MiB", told.ceil() + 1.0);
    let peak = peak(&desk, &[TRAIN, &shape, &["--memory", &memory]].concat());
    assert!(peak < told, "told {told} MiB, took {peak:.1} MiB");
}

/// 500 000 rows of five columns are 24 MB: more than is left beside the program.
#[test]
fn a_table_that_is_too_large_is_refused_while_it_is_read() {
    let desk = Desk::new();
    let mut text = String::from("time,open,high,low,close,volume\n");
    for row in 0..500_000_u64 {
        let close = 100 + row % 7;
        writeln!(
            text,
            "{},{close},{close},{close},{close},1",
            1_300_000_020 + 60 * row
        )
        .unwrap();
    }
    desk.file("prices.csv", &text);
    let done = desk.run(&[TRAIN, &["--memory", "32MiB"]].concat());
    assert_eq!(done.code, Some(1), "{}", done.err);
    let told = done.err.split("error: prices.csv: ").nth(1).unwrap();
    assert!(
        told.contains(" rows of 5 columns take 15 MiB, `--memory` leaves 15 MiB for them\nhint: "),
        "{told}"
    );
    // Where the next thousands would not fit, reading ends.
    let rows: usize = told.split(' ').next().unwrap().parse().unwrap();
    assert!(rows < 500_000, "{told}");
}
