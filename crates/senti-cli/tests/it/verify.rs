//! The same bits again: trainings with any number of threads, and `verify`, which finds whatever was altered.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use senti_engine::Simd;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::run::{Desk, Done, SMALL, check_golden, prices};

const MODEL: &str = "senti-models/sentiai_model_lstm/1";

/// The line of the table for this part.
#[track_caller]
fn line<'d>(done: &'d Done, part: &str) -> &'d str {
    let mut lines = done.out.lines();
    lines
        .find(|line| line.starts_with(part))
        .unwrap_or_else(|| panic!("no {part} in {}", done.out))
}

/// Exit code, the last line of stdout, and no file touched.
#[track_caller]
fn check(desk: &Desk, arguments: &[&str], code: i32, verdict: &str) -> Done {
    check_with(desk, arguments, &[], code, verdict)
}

#[track_caller]
fn check_with(
    desk: &Desk,
    arguments: &[&str],
    environment: &[(&str, &str)],
    code: i32,
    verdict: &str,
) -> Done {
    let before = desk.tree(".");
    let mut command = desk.command(&[&["verify"], arguments].concat());
    let done = desk.done(command.envs(environment.iter().copied()).output().unwrap());
    assert_eq!(done.code, Some(code), "{}{}", done.out, done.err);
    let last = done.out.lines().last().unwrap_or_default();
    assert!(last.contains(verdict), "{last}\n{}", done.err);
    assert!(desk.tree(".") == before, "something was written");
    done
}

/// Changes a file of the model and its checksum with it.
fn alter(desk: &Desk, file: &str, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let sum = |bytes: &[u8]| -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let path = desk.path(MODEL).join(file);
    let old = std::fs::read(&path).unwrap();
    let new = change(old.clone());
    assert!(old != new, "nothing was altered");
    std::fs::write(&path, &new).unwrap();
    let sums = desk.path(MODEL).join("SHA256SUMS");
    let text = std::fs::read_to_string(&sums).unwrap();
    std::fs::write(&sums, text.replace(&sum(&old), &sum(&new))).unwrap();
}

fn record(desk: &Desk) -> Value {
    let bytes = std::fs::read(desk.path(MODEL).join("artifact.json")).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn alter_record(desk: &Desk, change: impl FnOnce(&mut Value)) {
    alter(desk, "artifact.json", |bytes| {
        let mut record: Value = serde_json::from_slice(&bytes).unwrap();
        change(&mut record);
        serde_json::to_vec_pretty(&record).unwrap()
    });
}

/// A recipe whose epochs are kept: on a random walk, the moves of the past are hard to beat.
const LEARNS: &[&str] = &["--target", "price", "--loss", "mse"];

/// Trains on `prices.csv` in a new folder.
fn trained(arguments: &[&str], environment: &[(&str, &str)]) -> Desk {
    let desk = Desk::new();
    desk.file("prices.csv", &prices(400));
    let train = ["train", "--data_path", "prices.csv", "--no_plot", "--quiet"];
    let mut command = desk.command(&[&train, SMALL, LEARNS, arguments].concat());
    let done = desk.done(command.envs(environment.iter().copied()).output().unwrap());
    assert_eq!(done.code, Some(0), "{}", done.err);
    desk
}

/// Everything of a model but the time at which it was saved.
fn files(desk: &Desk, name: &str) -> Vec<Vec<u8>> {
    let files = ["artifact.json", "weights.safetensors", "SHA256SUMS"];
    let folder = desk.path("senti-models").join(name).join("1");
    files
        .map(|file| std::fs::read(folder.join(file)).unwrap())
        .to_vec()
}

#[test]
fn threads_and_runs_leave_the_same_bytes() {
    for (model_type, name) in [("lstm", "sentiai_model_lstm"), ("basic", "sentiai_model")] {
        let first = files(&trained(&["--model_type", model_type], &[]), name);
        for threads in ["1", "2", "3", "1"] {
            let desk = trained(&["--model_type", model_type, "--threads", threads], &[]);
            assert!(
                files(&desk, name) == first,
                "{model_type} with {threads} threads"
            );
        }
    }
}

#[test]
fn a_training_is_repeated_with_any_number_of_threads() {
    let desk = trained(&[], &[]);
    for threads in ["1", "2", "3"] {
        let done = check(
            &desk,
            &["lstm", "--threads", threads],
            0,
            "lstm/1 is identical to its repetition: ",
        );
        for part in ["dense/kernel", "evaluation", "history", "forecast"] {
            assert!(line(&done, part).ends_with("  yes"), "{}", done.out);
        }
        assert!(done.err.contains("epoch 2/2  train_loss "), "{}", done.err);
    }
    check(&desk, &["lstm/1", "--quiet"], 0, "lstm/1 is identical");
    check(&desk, &[MODEL], 0, "is identical");
    let basic = trained(&["--model_type", "basic"], &[]);
    check(
        &basic,
        &["basic", "--threads", "2"],
        0,
        "basic/1 is identical",
    );
}

#[test]
fn a_program_reads_the_same_verdict() {
    let desk = trained(&[], &[]);
    let done = desk.run(&["verify", "lstm", "--format", "json"]);
    let document: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(document["verdict"], "identical");
    assert_eq!(document["tolerance"], Value::Null);
    let best = record(&desk)["best_epoch"].clone();
    assert!(
        best.as_u64() > Some(0),
        "these tests want weights that were learned"
    );
    let parts = document["parts"].as_array().unwrap();
    let forecast = parts
        .iter()
        .find(|part| part["name"] == "forecast")
        .unwrap();
    // 3 steps of a point and 19 quantiles
    assert_eq!(
        (&forecast["values"], &forecast["differing"]),
        (&json!(60), &json!(0))
    );
}

/// Columns, gaps and place are those of the training, whatever the environment says now.
#[test]
fn the_rows_are_read_as_they_were() {
    let text = prices(400);
    // a gap of five days, which is filled only where it is allowed to be
    let lines = text.lines().enumerate();
    let holes = lines.filter(|(row, _)| !(100..105).contains(row));
    let text: Vec<&str> = holes.map(|(_, line)| line).collect();
    let desk = Desk::new();
    desk.file("prices.csv", &(text.join("\n") + "\n"));
    let said = [
        "--target_column",
        "low",
        "--volume_column",
        "volume",
        "--max_fill",
        "9",
    ];
    let train = ["train", "--data_path", "prices.csv", "--no_plot"];
    let done = desk.run(&[&train, SMALL, LEARNS, &said].concat());
    assert_eq!(done.code, Some(0), "{}", done.err);
    let environment = [
        ("DATA_PATH", "other.csv"),
        ("SENTI_TARGET_COLUMN", "close"),
        ("SENTI_MAX_FILL", "0"),
    ];
    let done = check_with(&desk, &["lstm"], &environment, 0, "identical");
    assert!(
        done.err.starts_with(
            "data: local `prices.csv`, asked for by `data_source` (the model's record)\n"
        ),
        "{}",
        done.err
    );
    // the file may be elsewhere now
    std::fs::rename(desk.path("prices.csv"), desk.path("moved.csv")).unwrap();
    check(&desk, &["lstm", "--data_path", "moved.csv"], 0, "identical");
}

/// A model that is older than the record of its reading.
#[test]
fn an_older_model_is_read_by_its_columns() {
    let desk = trained(&[], &[]);
    alter_record(&desk, |record| {
        record["data"].as_object_mut().unwrap().remove("read_with");
    });
    check(&desk, &["lstm"], 0, "identical");
}

#[test]
fn rows_that_came_later_are_left_out() {
    let desk = trained(&[], &[]);
    desk.file("prices.csv", &prices(420));
    let done = check(&desk, &["lstm"], 0, "identical");
    assert!(
        done.err
            .contains("note: 20 rows behind 2021-02-03, the last one of the training, left out\n"),
        "{}",
        done.err
    );
}

#[test]
fn a_flipped_bit_of_a_weight_is_found() {
    let desk = trained(&[], &[]);
    // the lowest bit of the last value of the file
    alter(&desk, "weights.safetensors", |mut bytes| {
        let place = bytes.len() - 4;
        bytes[place] ^= 1;
        bytes
    });
    let done = check(&desk, &["lstm"], 1, "lstm/1 is not what its record gives: ");
    let found: Vec<&str> = done
        .out
        .lines()
        .filter(|line| line.contains("  no, 1 differ  "))
        .collect();
    assert!(!found.is_empty(), "{}", done.out);
    let tensors = found
        .iter()
        .filter(|line| line.contains('/') && line.contains(" at ["));
    assert_eq!(tensors.count(), 1, "{}", done.out);
    assert!(
        done.err
            .contains("\nerror: lstm/1 is not what its record gives: "),
        "{}",
        done.err
    );
    assert!(
        done.err
            .contains("\nhint: the model or its record was altered"),
        "{}",
        done.err
    );
}

#[test]
fn an_altered_record_is_found() {
    let seed = trained(&[], &[]);
    alter_record(&seed, |record| record["plan"]["seed"] = json!(43));
    let done = check(&seed, &["lstm"], 1, "is not what its record gives");
    assert!(
        line(&done, "dense/kernel").contains("  no, "),
        "{}",
        done.out
    );

    let units = trained(&[], &[]);
    alter_record(&units, |record| record["plan"]["units"] = json!([5]));
    let done = check(&units, &["lstm"], 1, "is not what its record gives");
    assert!(
        line(&done, "dense/kernel").contains("shape ["),
        "{}",
        done.out
    );
    assert!(
        line(&done, "forecast").contains("the saved model makes none: "),
        "{}",
        done.out
    );

    let score = trained(&[], &[]);
    alter_record(&score, |record| {
        record["evaluation"]["model"]["overall"]["mae"] = json!(1.0)
    });
    let done = check(&score, &["lstm"], 1, "1 of ");
    assert!(
        line(&done, "evaluation").contains(" at /model/overall/mae: 1 saved, "),
        "{}",
        done.out
    );

    // Another version of the program explains a difference, and is none by itself.
    let version = trained(&[], &[]);
    alter_record(&version, |record| record["code_version"] = json!("0.0.1"));
    let done = check(&version, &["lstm"], 0, "identical");
    assert!(
        done.err
            .starts_with("note: lstm/1 was trained by senti-ai 0.0.1, this is "),
        "{}",
        done.err
    );
    alter_record(&version, |record| record["plan"]["seed"] = json!(43));
    let done = check(&version, &["lstm"], 1, "is not what its record gives");
    assert!(
        done.err
            .contains("\nhint: another version may compute something else"),
        "{}",
        done.err
    );
}

#[test]
fn other_data_are_not_trained_on() {
    let desk = trained(&[], &[]);
    let text = prices(400);
    let lines: Vec<&str> = text.lines().collect();
    let mut cells: Vec<&str> = lines[200].split(',').collect();
    cells[5] = "1.5";
    let (old, new) = (lines[200].to_owned(), cells.join(","));
    desk.file("prices.csv", &text.replace(&old, &new));
    let done = check(&desk, &["lstm"], 1, "");
    assert_eq!(done.out, "");
    assert!(!done.err.contains("epoch"), "{}", done.err);
    let record = record(&desk);
    let wanted = format!(", wanted {}\n", record["data"]["digest"].as_str().unwrap());
    let error = "\nerror: the data are not those of lstm/1: their SHA-256 is ";
    assert!(
        done.err.contains(error) && done.err.contains(&wanted),
        "{}",
        done.err
    );
}

/// Every set of this machine, forced by the environment, is recorded; a training is repeated with its own set.
#[test]
fn the_instruction_set_can_be_forced() {
    let sets: Vec<Simd> = (Simd::ALL.into_iter()).filter(Simd::is_supported).collect();
    let weights = |desk: &Desk| files(desk, "sentiai_model_lstm")[1].clone();
    let plain = weights(&trained(&[], &[("SENTI_SIMD", "plain")]));
    for simd in sets {
        let name = simd.name();
        let desk = trained(&[], &[("SENTI_SIMD", name)]);
        assert_eq!(record(&desk)["simd"], name);
        // Forcing does something: sets that fuse leave other last bits.
        let fuses = simd != Simd::Plain;
        assert_eq!(weights(&desk) != plain, fuses, "{name}");
        let done = check(&desk, &["lstm"], 0, "identical");
        assert!(
            done.err.contains(&format!(" with {name}\n")),
            "{}",
            done.err
        );
        if fuses {
            if Simd::Avx2.is_supported() {
                check(&desk, &["lstm", "--simd", "avx2"], 0, "identical");
            }
            let verdict = format!("within the tolerance between {name} and plain");
            let done = check_with(&desk, &["lstm"], &[("SENTI_SIMD", "plain")], 0, &verdict);
            assert!(
                done.err.starts_with(&format!(
                    "note: lstm/1 was trained with {name}, another set is asked for"
                )),
                "{}",
                done.err
            );
            // what is beyond the tolerance is found between sets, too
            alter_record(&desk, |record| {
                record["evaluation"]["model"]["overall"]["mae"] = json!(1.0)
            });
            check(
                &desk,
                &["lstm", "--simd", "plain"],
                1,
                "is not what its record gives",
            );
        }
        let predict = ["predict", "--data_path", "prices.csv", "--simd", name];
        assert_eq!(desk.run(&predict).code, Some(0));
    }
}

#[test]
fn a_set_that_is_not_here_is_refused_with_those_that_are() {
    let Some(missing) = Simd::ALL.into_iter().find(|simd| !simd.is_supported()) else {
        return;
    };
    let here = Simd::ALL.into_iter().filter(Simd::is_supported);
    let here: Vec<&str> = here.map(|simd| simd.name()).collect();
    let desk = trained(&[], &[]);
    for line in [
        &["train"][..],
        &["predict", "--data_path", "prices.csv"],
        &["verify", "lstm"],
    ] {
        let mut command = desk.command(line);
        let done = desk.done(command.env("SENTI_SIMD", missing.name()).output().unwrap());
        assert_eq!(
            (done.code, done.out.as_str()),
            (Some(2), ""),
            "{}",
            done.err
        );
        let wanted = format!(
            "error: `simd` is `{}` (environment SENTI_SIMD), which this machine does not have, wanted auto or {}\nhint: ",
            missing.name(),
            here.join(" or ")
        );
        assert!(done.err.starts_with(&wanted), "{}", done.err);
    }
    // A model from a machine with that set is repeated with what is here.
    alter_record(&desk, |record| record["simd"] = json!(missing.name()));
    let done = check(&desk, &["lstm"], 0, "identical");
    let wanted = format!(
        "note: lstm/1 was trained with {}, which this machine does not have: ",
        missing.name()
    );
    assert!(done.err.starts_with(&wanted), "{}", done.err);
}

#[cfg(unix)]
#[test]
fn an_interrupted_verification_leaves_nothing() {
    let desk = trained(&[], &[]);
    alter_record(&desk, |record| {
        record["plan"]["epochs"] = json!(1_000_000);
        record["plan"]["patience"] = json!(1_000_000);
    });
    let before = desk.tree(".");
    let mut command = desk.command(&["verify", "lstm"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("epoch 3/")));
    let id = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    let rest: Vec<String> = lines.collect();
    let done = desk.done(child.wait_with_output().unwrap());
    assert_eq!((done.code, done.out.as_str()), (Some(130), ""), "{rest:?}");
    let last = "stopped: before anything was compared; nothing was written";
    assert_eq!(rest.last().map(String::as_str), Some(last));
    assert!(desk.tree(".") == before);
}

#[test]
fn slips_are_told() {
    let check = |name: &str, line: &str| {
        let desk = trained(&[], &[]);
        let before = desk.tree(".");
        let arguments: Vec<&str> = line.split_whitespace().collect();
        if name == "verify_data_gone" {
            std::fs::remove_file(desk.path("prices.csv")).unwrap();
        }
        let done = desk.run(&arguments);
        check_golden(name, &arguments, &desk, &done);
        assert!(matches!(done.code, Some(1 | 2)), "{done:?}");
        assert!(name == "verify_data_gone" || desk.tree(".") == before);
    };
    check("verify_without_model", "verify");
    check("verify_type_slip", "verify lstn");
    check("verify_model_missing", "verify basic");
    check("verify_version_missing", "verify lstm/9");
    check(
        "verify_folder_missing",
        "verify ./senti-models/sentiai_model_lstm/9",
    );
    check("verify_data_gone", "verify lstm");
    check("verify_data_missing", "verify lstm --data_path nowhere.csv");
    check("verify_set_slip", "verify lstm --simd avx3");
    check("verify_flag_of_train", "verify lstm --epochs 3");
}
