//! Files and pictures of what a model looks at, from a real model and from nasty numbers.

use std::fs;
use std::path::Path;

use senti::Machine;
use senti::importance::forest::Forest;
use senti::importance::gradients::{Attributed, Completeness, Gradients, Number};
use senti::importance::groups::{Group, GroupBy};
use senti::importance::permutation::{Cost, Lost, Shuffled};
use senti::importance::{Choices, Importance, Measured, Named, importance};
use senti::observe::Next;
use senti_io::report::{IMPORTANCE, ImportanceOutput, write_importance};
use serde_json::Value;

use crate::plots::{check_pictures, gallery};
use crate::trained::{DAY, START, market, noise, train};

const PICTURES: [&str; 3] = ["importance", "importance_days", "importance_features"];

/// An importance of `n` features over `days` days, all of its numbers times `scale`.
fn made(n: usize, days: usize, horizon: usize, scale: f64) -> Importance {
    let mut noise = noise(5);
    let mut number = move || scale * noise();
    let told = senti::importance::permutation::told(horizon);
    let named = |feature: usize| match feature {
        0 => "a name, with \"quotes\" and much too long to stand beside a bar: level".to_owned(),
        _ => format!("feature_{feature}"),
    };
    let groups = (0..n).map(|column| Cost {
        group: Group {
            name: named(column),
            columns: vec![column],
        },
        lost: told
            .iter()
            .map(|&step| Some(step))
            .chain([None])
            .map(|step| {
                let mean = number();
                Lost {
                    step,
                    mean,
                    low: mean - scale,
                    high: mean + 0.5 * scale,
                    std: 0.1 * scale,
                }
            })
            .collect(),
    });
    let groups = groups.collect();
    let attributed = |which: Number, factor: f64| {
        let days: Vec<Vec<f64>> = (0..days)
            .map(|day| {
                (0..n)
                    .map(|k| factor * scale * ((day * n + k) % 17) as f64)
                    .collect()
            })
            .collect();
        Attributed {
            number: which,
            features: (0..n)
                .map(|k| days.iter().map(|day| day[k]).sum())
                .collect(),
            signed: days.clone(),
            days,
            baseline: 0.1,
            mean_move: 0.02,
            completeness: Completeness {
                mean: 1e-6,
                largest: 1e-5,
            },
        }
    };
    Importance {
        measured: Measured {
            windows: 300,
            held_out: 1_000,
            first_origin: START,
            last_origin: START + 999 * DAY,
            step: DAY,
            input_seq_length: days,
            forecast_horizon: horizon,
        },
        choices: Choices {
            group_by: GroupBy::None,
            ..Choices::default()
        },
        features: (0..n)
            .map(|feature| Named {
                name: named(feature),
                kind: "series".into(),
                help: "made up".into(),
            })
            .collect(),
        permutation: Shuffled {
            loss: vec![0.01; told.len() + 1],
            block: 3,
            groups,
        },
        gradients: Some(Gradients {
            nodes: 64,
            unit: "log return".into(),
            numbers: vec![
                attributed(Number::Median, 1e-6),
                attributed(Number::Width, 1.0),
            ],
        }),
        forest: Some(Forest {
            trees: 100,
            rows: 2_000,
            features: (1..=n)
                .map(|k| 2.0 * k as f64 / (n * (n + 1)) as f64)
                .collect(),
            held_out_r2: -0.12,
            held_out: 1_000,
        }),
    }
}

fn lines(dir: &Path, name: &str) -> Vec<String> {
    let text = fs::read_to_string(dir.join(name)).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn ordinary_and_nasty_importances_are_drawn() {
    for (name, found) in [
        ("importance_ordinary", made(22, 30, 30, 0.3)),
        ("importance_many", made(70, 200, 30, 40.0)),
        ("importance_one", made(1, 1, 1, 1.0)),
        ("importance_nothing", made(5, 10, 3, 0.0)),
    ] {
        let dir = gallery(name);
        write_importance(&dir, "lstm/1", &found, false).unwrap();
        // where nothing moves a forecast there are no days to draw
        let nothing = found.gradients.iter().all(|gradients| {
            let numbers = gradients.numbers.iter();
            numbers
                .flat_map(|number| &number.features)
                .all(|x| *x == 0.0)
        });
        let drawn = PICTURES
            .into_iter()
            .filter(|picture| !(nothing && picture.contains("days")));
        check_pictures(&dir, &drawn.collect::<Vec<_>>());
    }
}

#[test]
fn files_hold_every_number_once() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let found = made(4, 10, 7, 1.0);
    let written = write_importance(dir, "lstm/3", &found, true).unwrap();
    let names = [
        "importance.csv",
        "importance.html",
        "importance.json",
        "importance_days.csv",
        "importance_features.csv",
    ];
    assert_eq!(written, names.map(|name| dir.join(name)));

    let shuffled = lines(dir, "importance.csv");
    assert_eq!(shuffled[0], "group,features,step,skill_lost,low,high,std");
    assert_eq!(shuffled.len(), 1 + 4 * 4, "steps 1, 3, 7 and all");
    assert!(shuffled[1].starts_with("\"a name, with \"\"quotes\"\" and"));
    assert!(shuffled[16].starts_with("feature_3,feature_3,all,"));
    let days = lines(dir, "importance_days.csv");
    assert_eq!(days.len(), 1 + 2 * 4 * 10);
    assert!(days[1].contains(",9,"), "the oldest day first: {}", days[1]);
    assert_eq!(lines(dir, "importance_features.csv").len(), 5);

    let text = fs::read_to_string(dir.join("importance.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["model"], "lstm/3");
    assert_eq!(json["measured"]["first_origin"], "2023-01-01");
    let first = &json["permutation"]["groups"][1];
    assert_eq!(first["features"][0], "feature_1");
    assert_eq!(
        first["lost"][3]["mean"].as_f64(),
        Some(found.permutation.groups[1].lost[3].mean)
    );
}

/// Without gradients there is no map, and one of an earlier run goes.
#[test]
fn a_folder_tells_of_one_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    write_importance(dir, "lstm/1", &made(3, 4, 2, 1.0), false).unwrap();
    let all: Vec<String> = IMPORTANCE
        .iter()
        .flat_map(ImportanceOutput::files)
        .collect();
    assert!(all.iter().all(|name| dir.join(name).is_file()));
    fs::write(dir.join("mine.txt"), "mine").unwrap();

    let trained = train(market(400, DAY, 30_000.0, 0.01), 4, dir);
    let machine = Machine {
        threads: 1,
        simd: senti_engine::Simd::detect(),
    };
    let choices = Choices {
        repeats: 1,
        origins: 20,
        ..Choices::default()
    };
    let artifact = &trained.outcome.artifact;
    let found = importance(artifact, &trained.table, machine, choices, &mut |_| {
        Next::Continue
    })
    .unwrap();
    assert!(found.gradients.is_none());
    let written = write_importance(dir, "basic/1", &found, false).unwrap();
    for name in &all {
        let path = dir.join(name);
        let days = name.starts_with("importance_days");
        assert_eq!(path.is_file(), !days, "{name}");
        assert_eq!(written.contains(&path), !days, "{name}");
    }
    check_pictures(dir, &["importance", "importance_features"]);
    assert!(dir.join("mine.txt").is_file());
}
