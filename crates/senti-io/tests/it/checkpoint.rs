//! Checkpoints come back as they were; what is torn or altered is recognised and the one before it is used.

use std::fs;

use senti::ErrorKind;
use senti::artifact::{FORMAT, State, StateManifest, Tensor, Values};
use senti::observe::EpochRecord;
use senti::plan::Draft;
use senti_io::checkpoint::{load, previous, remove, save};

/// A state after some epochs.
pub fn state(epochs_done: usize) -> State {
    State {
        manifest: StateManifest {
            format: FORMAT,
            code_version: "0.1.0".into(),
            simd: "avx2".into(),
            plan: Draft::default().check().unwrap(),
            digest: "ab".repeat(32),
            epochs_done,
            progress: serde_json::json!({"best": 0.1 + 0.2, "wait": 3, "random": u64::MAX}),
            history: (1..=epochs_done)
                .map(|epoch| EpochRecord {
                    epoch,
                    train_loss: 1.0 / 3.0,
                    valid_loss: 0.1,
                    learning_rate: 1e-3,
                })
                .collect(),
        },
        tensors: vec![
            Tensor {
                name: "z".into(),
                shape: vec![2, 2],
                values: Values::F32(vec![1.5, -0.0, f32::MIN_POSITIVE, f32::NAN]),
            },
            Tensor {
                name: "a".into(),
                shape: vec![3],
                values: Values::F64(vec![0.1, f64::INFINITY, -1e300]),
            },
            Tensor {
                name: "empty".into(),
                shape: vec![0, 5],
                values: Values::F32(Vec::new()),
            },
            Tensor {
                name: "scalar".into(),
                shape: Vec::new(),
                values: Values::F64(vec![7.0]),
            },
        ],
    }
}

/// Bits, so that NaN equals itself and 0 differs from -0.
#[track_caller]
fn check_same(one: &[Tensor], other: &[Tensor]) {
    let bits = |tensor: &Tensor| match &tensor.values {
        Values::F32(values) => values
            .iter()
            .map(|v| u64::from(v.to_bits()))
            .collect::<Vec<_>>(),
        Values::F64(values) => values.iter().map(|v| v.to_bits()).collect(),
    };
    assert_eq!(one.len(), other.len());
    for (one, other) in one.iter().zip(other) {
        assert_eq!((&one.name, &one.shape), (&other.name, &other.shape));
        assert_eq!(bits(one), bits(other));
        let kind = |tensor: &Tensor| matches!(tensor.values, Values::F32(_));
        assert_eq!(kind(one), kind(other));
    }
}

#[test]
fn comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new folder/run.checkpoint");
    save(&path, &state(2)).unwrap();
    let loaded = load(&path).unwrap();
    assert_eq!(loaded.note, None);
    assert_eq!(loaded.state.manifest, state(2).manifest);
    check_same(&loaded.state.tensors, &state(2).tensors);
    let first = fs::read(&path).unwrap();
    save(&path, &state(2)).unwrap();
    assert_eq!(
        fs::read(&path).unwrap(),
        first,
        "the same state has the same bytes"
    );
}

#[test]
fn the_one_before_is_kept_and_used_when_the_newest_is_torn() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    for epoch in 1..=3 {
        save(&path, &state(epoch)).unwrap();
    }
    assert_eq!(load(&path).unwrap().state.manifest.epochs_done, 3);
    let whole = fs::read(&path).unwrap();

    for cut in [0, 5, 11, 19, 40, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).unwrap();
        let loaded = load(&path).unwrap();
        assert_eq!(loaded.state.manifest.epochs_done, 2);
        let note = loaded.note.unwrap();
        assert!(note.contains("run.checkpoint` is damaged: "), "{note}");
        assert!(
            note.ends_with("; the checkpoint before it is used instead"),
            "{note}"
        );
    }
    // Every byte counts; those of the magic and the format have names of their own.
    for at in (0..whole.len()).step_by(37) {
        let mut altered = whole.clone();
        altered[at] ^= 0x40;
        fs::write(&path, &altered).unwrap();
        let loaded = load(&path).unwrap();
        assert!(loaded.note.is_some(), "byte {at}");
        assert_eq!(loaded.state.manifest.epochs_done, 2);
    }
    // A newest that is gone altogether (a crash of another program) has one before it, too.
    fs::remove_file(&path).unwrap();
    assert_eq!(load(&path).unwrap().state.manifest.epochs_done, 2);

    fs::write(previous(&path), "SENTICKP").unwrap();
    fs::write(&path, &whole[..50]).unwrap();
    let error = load(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().contains("checkpoint `"), "{error}");
    assert!(error.hint_text().unwrap().contains("--resume"));
    remove(&path).unwrap();
    remove(&path).unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn foreign_and_later_files_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    let error = load(&path).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot read checkpoint `"),
        "{error}"
    );
    assert!(
        error.to_string().ends_with("`: no such file or folder"),
        "{error}"
    );

    fs::write(&path, "date,close\n2024-01-01,1\n").unwrap();
    let error = load(&path).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("is not a checkpoint of senti-ai"),
        "{error}"
    );

    save(&path, &state(1)).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 9;
    fs::write(&path, bytes).unwrap();
    remove(&previous(&path)).unwrap();
    let error = load(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(
        error.to_string().ends_with("has format 9, wanted 1"),
        "{error}"
    );
}

/// JSON has no NaN: what could not be read back is refused, and the checkpoint before stays.
#[test]
fn a_loss_that_is_no_number_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    save(&path, &state(1)).unwrap();
    let mut broken = state(2);
    broken.manifest.history[1].valid_loss = f64::NAN;
    assert_eq!(
        save(&path, &broken).unwrap_err().kind(),
        ErrorKind::Internal
    );
    assert_eq!(load(&path).unwrap().state.manifest.epochs_done, 1);
}
