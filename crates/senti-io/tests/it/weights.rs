//! Weights of other frameworks: what Keras and PyTorch answered to the same inputs, files that must be refused, and damaged ones.
//!
//! The files are made by `tests/goldens/weights/make.py`, which prints its versions into `outputs.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use senti::artifact::Values;
use senti::imported::Imported;
use senti_engine::{Architecture, Batch, Cell, Network, Options, Simd};
use senti_io::weights::import::{Import, read};
use serde::Deserialize;

#[derive(Deserialize)]
struct Goldens {
    inputs: Numbers,
    files: BTreeMap<String, Numbers>,
}

#[derive(Deserialize)]
struct Numbers {
    shape: Vec<usize>,
    values: Vec<f32>,
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/weights")
}

fn goldens() -> Goldens {
    let text = std::fs::read_to_string(folder().join("outputs.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// What our network answers to inputs (rows, steps, features): (rows, outputs).
pub fn answer(imported: &Imported, inputs: &[f32], shape: &[usize]) -> Vec<f32> {
    let [rows, steps, features] = shape[..] else {
        panic!("inputs of shape {shape:?}")
    };
    assert_eq!(features, imported.features());
    let architecture = Architecture {
        steps,
        features,
        cell: Cell::Lstm,
        bidirectional: true,
        units: imported.units().to_vec(),
        dropout: 0.0,
        outputs: imported.outputs(),
    };
    let options = Options {
        seed: 1,
        threads: 1,
        simd: Simd::detect(),
        max_batch: rows,
    };
    let tensors = imported.tensors().iter().map(|tensor| {
        let Values::F32(values) = &tensor.values else {
            panic!("single precision")
        };
        senti_engine::Tensor {
            name: tensor.name.clone(),
            shape: tensor.shape.clone(),
            values: values.clone(),
        }
    });
    let tensors: Vec<_> = tensors.collect();
    let mut network = Network::with_weights(architecture, options, &tensors).unwrap();
    let mut batch = Batch::new(rows, steps, features, 1);
    batch.resize(rows);
    for row in 0..rows {
        for step in 0..steps {
            let at = (row * steps + step) * features;
            batch
                .input_mut(step, row)
                .copy_from_slice(&inputs[at..at + features]);
        }
    }
    let mut out = vec![0.0; rows * imported.outputs()];
    network.predict(&batch, &mut out);
    out
}

/// Largest difference from what another framework answered.
#[track_caller]
pub fn check_close(name: &str, found: &[f32], wanted: &[f32]) {
    assert_eq!(found.len(), wanted.len(), "{name}");
    for (found, wanted) in found.iter().zip(wanted) {
        // 14 steps of f32 sums of some ten terms of order one
        assert!((found - wanted).abs() <= 1e-5, "{name}: {found} {wanted}");
    }
}

fn import(name: &str) -> Import {
    read(&folder().join(name)).unwrap_or_else(|error| panic!("{name}: {}", told(&error)))
}

/// Error, causes and hint in a line.
fn told(error: &senti::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text + &format!(" [{}]", error.hint_text().unwrap_or_default())
}

#[test]
fn the_networks_of_other_frameworks_answer_alike() {
    let goldens = goldens();
    let Numbers { shape, values } = &goldens.inputs;
    // every file of the folder is looked at
    let files = std::fs::read_dir(folder()).unwrap().flatten();
    let files = files.filter(|file| file.path().is_file());
    let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
    let made = |name: &String| !name.ends_with(".py") && !name.ends_with(".json");
    let mut names: Vec<String> = names.filter(made).collect();
    names.sort();
    let told: Vec<&String> = goldens.files.keys().collect();
    assert_eq!(names.iter().collect::<Vec<_>>(), told);
    for (name, wanted) in &goldens.files {
        let found = answer(&import(name).imported, values, shape);
        assert_eq!(wanted.shape, [shape[0], found.len() / shape[0]], "{name}");
        check_close(name, &found, &wanted.values);
    }
}

#[test]
fn what_a_file_says_of_itself_is_told() {
    let found = import("keras3.keras");
    assert_eq!(found.imported.origin().format, "Keras 3.15.1 (.keras)");
    assert_eq!(found.imported.units(), [4, 3]);
    assert_eq!(found.steps, Some(7));
    assert!(found.notes.is_empty());
    let found = import("keras2.h5");
    assert_eq!(found.imported.origin().format, "Keras 2.21.0 (.h5)");
    assert_eq!(found.steps, Some(7));
    // what stands in no file is assumed, and that is said
    for name in ["keras3.weights.h5", "keras2_weights.h5"] {
        let found = import(name);
        assert_eq!(found.steps, None);
        assert!(found.notes[0].contains("Keras's defaults"), "{name}");
    }
    let found = import("torch.pt");
    assert!(found.notes[0].contains("output[:, -1]"));
    let sha = "sha256sum of the file";
    assert_eq!(found.imported.origin().sha256.len(), 64, "{sha}");
}

#[track_caller]
fn check_refused(name: &str, wanted: &str) {
    let error = match read(&folder().join("refused").join(name)) {
        Ok(_) => panic!("{name} is taken over"),
        Err(error) => told(&error),
    };
    assert!(error.contains(wanted), "{name}: {error}");
    assert!(error.contains(name), "names the file: {error}");
    assert!(!error.ends_with("[]"), "says what to do: {error}");
}

#[test]
fn other_networks_are_refused_by_name() {
    for (name, wanted) in [
        (
            "gru.keras",
            "layer `bidirectional` is a bidirectional `GRU`, wanted LSTM",
        ),
        ("gru.weights.h5", "`bidirectional` is a GRU, wanted an LSTM"),
        ("gru.pt", "`weight_hh_l0` is a GRU, wanted an LSTM"),
        (
            "one_way.keras",
            "reads in one direction, wanted a bidirectional LSTM",
        ),
        (
            "one_way.h5",
            "reads in one direction, wanted a bidirectional LSTM",
        ),
        (
            "one_way.pt",
            "reads in one direction, wanted a bidirectional LSTM",
        ),
        ("relu.keras", "has activation `relu`, wanted `tanh`"),
        ("summed.keras", "has merge_mode `sum`, wanted `concat`"),
        ("normalised.keras", "of class `LayerNormalization`"),
        ("normalised.pt", "the file has `1."),
        ("two_dense.keras", "has activation `relu`, wanted `linear`"),
        ("branches.keras", "reads "),
        (
            "no_dense.pt",
            "the file has no linear layer behind its LSTM",
        ),
        ("projected.pt", "`weight_hr_l0` projects the state"),
        ("script.pt", "TorchScript"),
        (
            "whole_module.pt",
            "holds a Python object (`torch.nn.modules.container.Sequential`)",
        ),
        ("before_1_6.pt", "before PyTorch 1.6"),
        ("lists.pt", "holds no tensors"),
        ("hostile.pt", "holds no tensors"),
        ("other.zip", "neither Keras's"),
    ] {
        check_refused(name, wanted);
    }
    assert!(
        !Path::new("/tmp/senti-was-here").exists(),
        "nothing in a pickle is run"
    );
}
