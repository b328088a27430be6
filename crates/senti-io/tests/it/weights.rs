//! Weights of other frameworks: what Keras and PyTorch answered to the same inputs, files that must be refused, and damaged ones.
//!
//! The files are made by `tests/goldens/weights/make.py`, which prints its versions into `outputs.json`.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::{Path, PathBuf};

use senti::artifact::{Artifact, Tensor, Values};
use senti::imported::Imported;
use senti_engine::{Architecture, Batch, Cell, Network, Options, Simd};
use senti_io::weights::export;
use senti_io::weights::import::{Import, read};
use serde::Deserialize;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::trained::{artifact, noise};

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
    assert_eq!(found.imported.origin().sha256.len(), 64);
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
        ("gru.keras", "is a bidirectional `GRU`, wanted LSTM"),
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
        ("huge.h5", "which is more than the file can hold"),
        ("ring.pt", "holds no tensors"),
        (
            "expanded.pt",
            "reaches beyond the numbers that the file holds",
        ),
        ("two_dicts.pt", "holds several state dicts, `ema`, `model`"),
        (
            "half.pt",
            "is a `HalfStorage`, wanted single or double precision",
        ),
        (
            "half.safetensors",
            "is F16, wanted single or double precision",
        ),
    ] {
        check_refused(name, wanted);
    }
    assert!(
        !Path::new("/tmp/senti-was-here").exists(),
        "nothing in a pickle is run"
    );
}

#[test]
fn what_is_no_file_of_weights_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let check = |name: &str, bytes: &[u8], wanted: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = told(&read(&path).unwrap_err());
        assert!(error.contains(wanted), "{name}: {error}");
    };
    check("empty.h5", b"", "it is empty");
    check(
        "prices.pt",
        b"date,close\n2020-01-01,1\n",
        "none of the files that hold weights",
    );
    check(
        "cut.keras",
        b"PK\x03\x04",
        "the archive is damaged or cut off",
    );
    check(
        "cut.h5",
        b"\x89HDF\r\n\x1a\n",
        "the HDF5 file is damaged or cut off",
    );
    check(
        "cut.safetensors",
        b"\xff\xff\0\0\0\0\0\0{",
        "the safetensors file is damaged or cut off",
    );
    let error = told(&read(&dir.path().join("none.h5")).unwrap_err());
    assert!(error.contains("none.h5"), "{error}");
    std::fs::write(dir.path().join("saved_model.pb"), b"").unwrap();
    let error = told(&read(dir.path()).unwrap_err());
    assert!(
        error.contains("a SavedModel is no file of weights"),
        "{error}"
    );
}

/// The parts of an archive.
fn parts(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
    let part = |at| {
        let mut part = archive.by_index(at).unwrap();
        let mut content = Vec::new();
        part.read_to_end(&mut content).unwrap();
        (part.name().unwrap().into_owned(), content)
    };
    (0..ZipArchive::new(Cursor::new(bytes)).unwrap().len())
        .map(part)
        .collect()
}

fn archive(parts: &[(String, Vec<u8>)], method: CompressionMethod) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in parts {
        writer.start_file(name.as_str(), options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn an_archive_that_unpacks_to_a_mountain_is_refused() {
    let zeros = vec![0; 64 << 20];
    let bomb = |name: &str, others: &[&str]| {
        let others = others
            .iter()
            .map(|other| ((*other).to_owned(), b"{}".to_vec()));
        let mut parts: Vec<_> = others.collect();
        parts.push((name.to_owned(), zeros.clone()));
        archive(&parts, CompressionMethod::Deflated)
    };
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("bomb.pt", bomb("bomb/data.pkl", &[])),
        ("bomb.keras", bomb("model.weights.h5", &["config.json"])),
        ("bomb2.keras", bomb("config.json", &["model.weights.h5"])),
    ] {
        assert!(bytes.len() < 1 << 20, "{} bytes", bytes.len());
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = told(&read(&path).unwrap_err());
        assert!(error.contains("unpacks to more than"), "{name}: {error}");
    }
}

/// A few bytes of it changed, or its end cut off.
fn damage(bytes: &mut Vec<u8>, noise: &mut impl FnMut() -> f64) {
    let mut below = |n: usize| ((noise() + 1.0) / 2.0 * n as f64) as usize % n.max(1);
    if bytes.is_empty() {
        return;
    }
    match below(5) {
        0 => bytes.truncate(below(bytes.len())),
        n => {
            for _ in 0..n * n {
                let at = below(bytes.len());
                bytes[at] = match below(3) {
                    0 => 0xff,
                    1 => bytes[at] ^ (1 << below(8)),
                    _ => below(256) as u8,
                };
            }
        }
    }
}

/// Whatever is done to a file, it is read or refused: no panic, no endless loop, and what is taken over is finite.
#[test]
fn damaged_files_are_read_or_refused() {
    let mut noise = noise(11);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged");
    let (mut read_over, mut refused) = (0, 0);
    for folder in [folder(), folder().join("refused")] {
        for file in std::fs::read_dir(folder).unwrap().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if !file.path().is_file() || name.ends_with(".py") || name.ends_with(".json") {
                continue;
            }
            let whole = std::fs::read(file.path()).unwrap();
            for turn in 0..80 {
                let mut bytes = whole.clone();
                if turn % 2 == 0 && whole.starts_with(b"PK") {
                    // checksums would hide what lies within
                    let mut parts = parts(&whole);
                    let at = ((noise() + 1.0) / 2.0 * parts.len() as f64) as usize % parts.len();
                    let named = parts
                        .iter()
                        .position(|(name, _)| name.ends_with("data.pkl"));
                    let at = if turn % 4 == 0 {
                        named.unwrap_or(at)
                    } else {
                        at
                    };
                    damage(&mut parts[at].1, &mut noise);
                    bytes = archive(&parts, CompressionMethod::Stored);
                } else {
                    damage(&mut bytes, &mut noise);
                }
                std::fs::write(&path, &bytes).unwrap();
                match read(&path) {
                    Ok(found) => {
                        let finite =
                            found
                                .imported
                                .tensors()
                                .iter()
                                .all(|tensor| match &tensor.values {
                                    Values::F32(values) => {
                                        values.iter().all(|value| value.is_finite())
                                    }
                                    Values::F64(_) => false,
                                });
                        assert!(finite, "{name}");
                        read_over += 1;
                    }
                    Err(_) => refused += 1,
                }
            }
        }
    }
    assert!(read_over > 100 && refused > 1_000, "{read_over} {refused}");
}

/// An artifact with a network of 6 features in it, drawn.
fn drawn() -> Artifact {
    let mut noise = noise(5);
    let mut artifact = artifact();
    let mut tensors = Vec::new();
    let mut add = |name: String, shape: Vec<usize>| {
        let values = (0..shape.iter().product()).map(|_| 0.7 * noise() as f32);
        let values = Values::F32(values.collect());
        tensors.push(Tensor {
            name,
            shape,
            values,
        });
    };
    for (layer, inputs, units) in [("bidirectional", 6, 4), ("bidirectional_1", 8, 3)] {
        for direction in ["forward", "backward"] {
            add(
                format!("{layer}/{direction}/kernel"),
                vec![inputs, 4 * units],
            );
            add(
                format!("{layer}/{direction}/recurrent_kernel"),
                vec![units, 4 * units],
            );
            add(format!("{layer}/{direction}/bias"), vec![4 * units]);
        }
    }
    add("dense/kernel".into(), vec![6, 5]);
    add("dense/bias".into(), vec![5]);
    artifact.tensors = tensors;
    artifact
}

#[derive(Deserialize)]
struct Answers {
    answers: BTreeMap<String, Numbers>,
}

/// The page tells a stranger every feature, in the order of the matrix.
#[test]
fn the_page_lists_the_features_in_their_order() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/weights.md");
    let page = std::fs::read_to_string(page).unwrap();
    let places = senti::features::FEATURES.iter().map(|feature| {
        let name = format!("`{}`", feature.name);
        page.find(&name).unwrap_or_else(|| panic!("no {name}"))
    });
    assert!(places.collect::<Vec<_>>().is_sorted());
}

/// The two programs of `docs/weights.md` were run on this file by `load.py`.
#[test]
fn other_frameworks_load_what_is_exported() {
    let path = folder().join("exported/weights.safetensors");
    if std::env::var_os("SENTI_BLESS").is_some() {
        std::fs::create_dir_all(folder().join("exported")).unwrap();
        std::fs::write(&path, export(&drawn()).unwrap()).unwrap();
    }
    let found = read(&path).unwrap();
    assert_eq!(
        found.imported.tensors(),
        drawn().tensors,
        "as `drawn` made it"
    );
    let inputs = goldens().inputs;
    let ours = answer(&found.imported, &inputs.values, &inputs.shape);
    let text = std::fs::read_to_string(folder().join("exported/answers.json")).unwrap();
    let answers: Answers = serde_json::from_str(&text).unwrap();
    for framework in ["torch", "keras"] {
        let theirs = &answers.answers[framework];
        assert_eq!(theirs.shape, [4, 5]);
        check_close(framework, &ours, &theirs.values);
    }
}

#[test]
fn an_exported_file_says_what_it_is() {
    let artifact = drawn();
    let bytes = export(&artifact).unwrap();
    assert_eq!(
        bytes,
        export(&artifact).unwrap(),
        "the same bytes each time"
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    std::fs::write(&path, &bytes).unwrap();
    let found = read(&path).unwrap();
    assert_eq!(found.imported.tensors(), artifact.tensors);
    assert_eq!(found.plan.as_ref(), Some(&artifact.manifest.plan));
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let metadata = header.metadata().clone().unwrap();
    assert_eq!(metadata["format"], "senti-ai weights 1");
    let features: Vec<String> = serde_json::from_str(&metadata["features"]).unwrap();
    assert_eq!(features, artifact.manifest.features.names());
    for name in ["preparation", "model", "calibration", "tensors"] {
        let read: serde_json::Value = serde_json::from_str(&metadata[name]).unwrap();
        assert!(!read.is_null(), "{name}");
    }
    // a model of another kind is exported too, and is no network
    let basic = crate::trained::artifact();
    std::fs::write(&path, export(&basic).unwrap()).unwrap();
    let error = told(&read(&path).unwrap_err());
    assert!(error.contains("no LSTM"), "{error}");
    // numbers that are none would be a trap
    let mut broken = drawn();
    broken.tensors[0].values = Values::F32(vec![f32::NAN; 96]);
    let error = told(&export(&broken).unwrap_err());
    assert!(error.contains("is NaN, wanted a finite number"), "{error}");
}
