//! The registry: what is saved comes back, numbers are given once, and nothing altered is believed.

use std::fs;
use std::path::Path;
use std::process::Command;

use senti::ErrorKind;
use senti::artifact::{Tensor, Values};
use senti_io::registry::Registry;

use crate::trained::artifact;

const NOW: i64 = 1_764_000_000_123;

fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path().join("models"));
    (dir, registry)
}

#[test]
fn saves_and_loads() {
    let (_dir, registry) = registry();
    let artifact = artifact();
    let entry = registry.save(&artifact, "basic", NOW).unwrap();
    assert_eq!(
        (entry.name.as_str(), entry.version, entry.created),
        ("sentiai_model", 1, Some(NOW))
    );
    assert_eq!(entry.path, registry.root().join("sentiai_model/1"));
    let lstm = registry.save(&artifact, "lstm", NOW).unwrap();
    assert_eq!(
        (lstm.name.as_str(), lstm.version),
        ("sentiai_model_lstm", 1)
    );
    assert_eq!(registry.save(&artifact, "basic", NOW).unwrap().version, 2);

    let (found, loaded) = registry.load_entry("basic", None).unwrap();
    assert_eq!((found.version, found.created), (2, Some(NOW)));
    assert_eq!(loaded.tensors, artifact.tensors);
    assert_eq!(
        serde_json::to_value(&loaded.manifest).unwrap(),
        serde_json::to_value(&artifact.manifest).unwrap()
    );
    assert_eq!(registry.load_entry("basic", Some(1)).unwrap().0.version, 1);

    let listed = registry.list().unwrap();
    let numbers: Vec<_> = listed
        .iter()
        .map(|listed| (listed.entry.model_type.as_str(), listed.entry.version))
        .collect();
    assert_eq!(numbers, [("basic", 1), ("basic", 2), ("lstm", 1)]);
    assert!(listed.iter().all(|listed| listed.manifest.is_ok()));
}

#[test]
fn the_same_artifact_has_the_same_bytes() {
    let (_dir, registry) = registry();
    let one = registry.save(&artifact(), "basic", NOW).unwrap();
    let other = registry.save(&artifact(), "basic", NOW + 5).unwrap();
    for name in ["artifact.json", "weights.safetensors", "SHA256SUMS"] {
        assert!(
            fs::read(one.path.join(name)).unwrap() == fs::read(other.path.join(name)).unwrap(),
            "{name}"
        );
    }
}

#[test]
fn numbers_are_given_once() {
    let (_dir, registry) = registry();
    for _ in 0..3 {
        registry.save(&artifact(), "basic", NOW).unwrap();
    }
    let deleted = registry.delete("basic", 3).unwrap();
    assert!(!deleted.path.exists());
    assert_eq!(registry.load_entry("basic", None).unwrap().0.version, 2);
    assert_eq!(registry.save(&artifact(), "basic", NOW).unwrap().version, 4);
    registry.delete("basic", 1).unwrap();
    assert_eq!(registry.save(&artifact(), "basic", NOW).unwrap().version, 5);
    for version in [2, 4, 5] {
        registry.delete("basic", version).unwrap();
    }
    assert_eq!(registry.list().unwrap().len(), 0);
    assert_eq!(registry.save(&artifact(), "basic", NOW).unwrap().version, 6);
    let error = registry.delete("basic", 5).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`sentiai_model` has no version 5, there is 6"
    );
}

#[test]
fn many_savers_at_once_share_the_numbers() {
    let (_dir, registry) = registry();
    let mut versions: Vec<u32> = std::thread::scope(|scope| {
        let savers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let save = |_| registry.save(&artifact(), "lstm", NOW).unwrap().version;
                    (0..5).map(save).collect::<Vec<_>>()
                })
            })
            .collect();
        savers
            .into_iter()
            .flat_map(|saver| saver.join().unwrap())
            .collect()
    });
    versions.sort_unstable();
    assert_eq!(versions, (1..=40).collect::<Vec<_>>());
    assert!(
        registry
            .list()
            .unwrap()
            .iter()
            .all(|listed| listed.manifest.is_ok())
    );
}

/// The same with processes: this test starts itself.
#[test]
fn many_processes_at_once_share_the_numbers() {
    const ROOT: &str = "SENTI_TEST_REGISTRY";
    if let Some(root) = std::env::var_os(ROOT) {
        let registry = Registry::open(Path::new(&root));
        (0..4).for_each(|_| drop(registry.save(&artifact(), "lstm", NOW).unwrap()));
        return;
    }
    let (_dir, registry) = registry();
    let children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "registry::many_processes_at_once_share_the_numbers",
                ])
                .env(ROOT, registry.root())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let versions: Vec<_> = registry
        .list()
        .unwrap()
        .iter()
        .map(|listed| listed.entry.version)
        .collect();
    assert_eq!(versions, (1..=12).collect::<Vec<_>>());
}

#[test]
fn altered_bytes_are_refused_by_name() {
    let (_dir, registry) = registry();
    let entry = registry.save(&artifact(), "basic", NOW).unwrap();
    for name in ["artifact.json", "weights.safetensors"] {
        let path = entry.path.join(name);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut altered = whole.clone();
            altered[at] ^= 1;
            fs::write(&path, altered).unwrap();
            let error = registry.load("basic", None).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Data);
            assert!(
                error
                    .to_string()
                    .contains(&format!("{name}` was altered: its SHA-256 is ")),
                "{error}"
            );
            assert!(registry.show("basic", None).is_err());
        }
        fs::write(&path, &whole).unwrap();
    }
    registry.load("basic", None).unwrap();
    let sums = entry.path.join("SHA256SUMS");
    let text = fs::read_to_string(&sums).unwrap();
    fs::write(&sums, text.lines().next().unwrap()).unwrap();
    let error = registry.load("basic", None).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("SHA256SUMS` has no checksum of `weights.safetensors`"),
        "{error}"
    );
    fs::remove_file(&sums).unwrap();
    let error = registry.load("basic", None).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("SHA256SUMS`: no such file or folder"),
        "{error}"
    );
    // Listed all the same, with the reason.
    assert!(registry.list().unwrap()[0].manifest.is_err());
}

/// `sha256sum` of coreutils is the other implementation.
#[test]
fn checksums_agree_with_coreutils() {
    let (_dir, registry) = registry();
    let entry = registry.save(&artifact(), "basic", NOW).unwrap();
    match Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&entry.path)
        .output()
    {
        Ok(output) => assert!(output.status.success(), "{output:?}"),
        Err(error) => println!("skipped: no sha256sum: {error}"),
    }
}

/// Sums over what was written, so that the checksum fits and the format is what is wrong.
#[test]
fn a_later_format_is_named() {
    use sha2::{Digest, Sha256};
    let (_dir, registry) = registry();
    let entry = registry.save(&artifact(), "basic", NOW).unwrap();
    let path = entry.path.join("artifact.json");
    let old = fs::read_to_string(&path).unwrap();
    let new =
        old.replacen("\"format\": 2", "\"format\": 99", 1)
            .replacen("\"0.1.0\"", "\"7.0.0\"", 1);
    let sum = |text: &str| {
        Sha256::digest(text)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let sums = fs::read_to_string(entry.path.join("SHA256SUMS")).unwrap();
    fs::write(&path, &new).unwrap();
    fs::write(
        entry.path.join("SHA256SUMS"),
        sums.replace(&sum(&old), &sum(&new)),
    )
    .unwrap();
    let error = registry.load("basic", None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error
            .to_string()
            .ends_with("artifact.json` has format 99, wanted 2"),
        "{error}"
    );
    assert!(error.hint_text().unwrap().contains("7.0.0"));
}

#[test]
fn what_is_not_there_is_said_and_nothing_is_made() {
    let (dir, registry) = registry();
    let check = |error: senti::Error, sentence: &str, hint: &str| {
        assert_eq!(error.kind(), ErrorKind::Input);
        assert_eq!(
            error
                .to_string()
                .replace(&*dir.path().to_string_lossy(), "DIR"),
            sentence
        );
        assert_eq!(error.hint_text(), Some(hint));
    };
    check(
        registry.load("lstm", None).unwrap_err(),
        "no model `sentiai_model_lstm` in registry `DIR/models`",
        "train one first: `senti-ai train --model_type lstm`",
    );
    assert_eq!(registry.list().unwrap().len(), 0);
    assert!(!registry.root().exists());
    registry.save(&artifact(), "basic", NOW).unwrap();
    check(
        registry.load("lstm", Some(2)).unwrap_err(),
        "no model `sentiai_model_lstm` in registry `DIR/models`",
        "there is a model of type basic",
    );
    for model_type in ["../etc", "", ".x", "a/b", "ä"] {
        let error = registry.save(&artifact(), model_type, NOW).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("model_type is `{model_type}`, wanted ")),
            "{error}"
        );
    }
    assert!(Registry::named(dir.path(), "a/b").is_err());
    let named = Registry::named(dir.path().join("models"), "mine").unwrap();
    assert_eq!(
        named.save(&artifact(), "lstm", NOW).unwrap().name,
        "mine_lstm"
    );
    assert_eq!(
        (named.list().unwrap().len(), registry.list().unwrap().len()),
        (1, 1)
    );
}

/// A manifest that JSON cannot hold is refused before anything is written.
#[test]
fn what_could_not_be_loaded_is_not_registered() {
    let (_dir, registry) = registry();
    let mut artifact = artifact();
    artifact.manifest.history = crate::trained::history(3).0;
    artifact.manifest.history[1].train_loss = f64::NAN;
    assert_eq!(
        registry.save(&artifact, "basic", NOW).unwrap_err().kind(),
        ErrorKind::Internal
    );
    assert!(!registry.root().exists());
    artifact.manifest.history.clear();
    artifact.tensors = vec![Tensor {
        name: "w".into(),
        shape: vec![3],
        values: Values::F32(vec![1.0]),
    }];
    assert_eq!(
        registry.save(&artifact, "basic", NOW).unwrap_err().kind(),
        ErrorKind::Internal
    );
    assert!(!registry.root().exists());
}

/// A checksum that holds is no proof: the values are looked at, too.
#[test]
fn weights_that_are_no_numbers_are_refused_by_name() {
    let (_dir, registry) = registry();
    let mut artifact = artifact();
    let tensor = |last: f32| Tensor {
        name: "head.weight".into(),
        shape: vec![2],
        values: Values::F32(vec![1.0, last]),
    };
    artifact.tensors = vec![tensor(f32::NAN)];
    let error = registry.save(&artifact, "basic", NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model cannot be kept: value 1 of tensor `head.weight` is NaN, wanted a finite number"
    );
    artifact.tensors = vec![tensor(4.0)];
    let entry = registry.save(&artifact, "basic", NOW).unwrap();

    // 4.0 becomes infinite, and the checksums are made anew.
    let path = entry.path.join("weights.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let sums = Command::new("sha256sum")
        .args(["artifact.json", "weights.safetensors"])
        .current_dir(&entry.path)
        .output();
    let Ok(sums) = sums else {
        println!("skipped: no sha256sum");
        return;
    };
    fs::write(entry.path.join("SHA256SUMS"), sums.stdout).unwrap();
    for error in [
        registry.load("basic", None).unwrap_err(),
        registry.show("basic", None).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(
            error.to_string().ends_with(
                "weights.safetensors` cannot be used: value 1 of tensor `head.weight` is inf, wanted a finite number"
            ),
            "{error}"
        );
    }
}

/// Python's `safetensors` reads the weights: names, shapes, types and values.
#[test]
fn python_reads_the_weights() {
    let Some(python) = python() else {
        return;
    };
    let (_dir, registry) = registry();
    let mut artifact = artifact();
    artifact.tensors = vec![
        Tensor {
            name: "lstm.weight_ih_l0".into(),
            shape: vec![2, 3],
            values: Values::F32(vec![0.5, -1.0, 2.0, 3.5, 1e-20, -7.25]),
        },
        Tensor {
            name: "coefficients".into(),
            shape: vec![2],
            values: Values::F64(vec![0.1, 1e300]),
        },
    ];
    let entry = registry.save(&artifact, "basic", NOW).unwrap();
    let script = "
import sys
from safetensors.numpy import load_file
t = load_file(sys.argv[1])
for name in sorted(t):
    print(name, t[name].dtype, t[name].shape, [float(x) for x in t[name].ravel()])
";
    let output = Command::new(python)
        .args(["-c", script])
        .arg(entry.path.join("weights.safetensors"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "coefficients float64 (2,) [0.1, 1e+300]\n\
         lstm.weight_ih_l0 float32 (2, 3) [0.5, -1.0, 2.0, 3.5, 9.999999682655225e-21, -7.25]\n"
    );
}

/// A Python with `safetensors` and `numpy`: the system's, or one under `target/` that the first run makes.
fn python() -> Option<String> {
    let able = |python: &str| {
        let done = Command::new(python)
            .args(["-c", "import numpy, safetensors"])
            .output();
        done.is_ok_and(|output| output.status.success())
    };
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("safetensors-venv");
    let own_python = own.join("bin/python").to_string_lossy().into_owned();
    if let Some(python) = ["python3", &own_python]
        .into_iter()
        .find(|python| able(python))
    {
        return Some(python.into());
    }
    let made = Command::new("python3")
        .args(["-m", "venv"])
        .arg(&own)
        .output();
    if made.is_ok_and(|output| output.status.success()) {
        let _ = Command::new(&own_python)
            .args(["-m", "pip", "-q", "install", "safetensors==0.8.0", "numpy"])
            .output();
    }
    if able(&own_python) {
        return Some(own_python);
    }
    println!("skipped: no Python with safetensors and numpy");
    None
}
