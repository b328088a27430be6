//! Checkpoints come back as they were; what is torn or altered is recognised and the one before it is used.

use std::fs;

use proptest::prelude::*;
use senti::ErrorKind;
use senti::artifact::{FORMAT, State, StateManifest, Tensor, Values};
use senti::observe::EpochRecord;
use senti::plan::Draft;
use senti_io::checkpoint::{exists, load, previous, remove, replace_damaged, save};

/// A state after some epochs.
pub fn state(epochs_done: usize) -> State {
    State {
        manifest: StateManifest {
            format: FORMAT,
            code_version: "0.1.0".into(),
            simd: "avx2".into(),
            plan: Draft::default().check().unwrap(),
            digest: "ab".repeat(32),
            imported: None,
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

/// What can happen to a file of this length: cut off, a bit turned, bytes lost or put in, a stretch of zeros as a power cut leaves.
#[derive(Clone, Debug)]
enum Damage {
    Cut(prop::sample::Index),
    Bit(prop::sample::Index, u8),
    Lost(prop::sample::Index),
    Added(prop::sample::Index, u8),
    Zeros(prop::sample::Index, prop::sample::Index),
}

fn damages() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        place().prop_map(Damage::Cut),
        (place(), 0..8u8).prop_map(|(at, bit)| Damage::Bit(at, bit)),
        place().prop_map(Damage::Lost),
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Added(at, byte)),
        (place(), place()).prop_map(|(from, to)| Damage::Zeros(from, to)),
    ]
}

fn damaged(whole: &[u8], damage: &Damage) -> Vec<u8> {
    let (mut bytes, n) = (whole.to_vec(), whole.len());
    match damage {
        Damage::Cut(at) => bytes.truncate(at.index(n)),
        Damage::Bit(at, bit) => bytes[at.index(n)] ^= 1 << bit,
        Damage::Lost(at) => drop(bytes.remove(at.index(n))),
        Damage::Added(at, byte) => bytes.insert(at.index(n + 1), *byte),
        Damage::Zeros(from, to) => {
            let (from, to) = (from.index(n), to.index(n));
            bytes[from.min(to)..=from.max(to)].fill(0);
        }
    }
    bytes
}

proptest! {
    #[test]
    fn every_damage_is_recognised_and_named(newest in damages(), older in damages()) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.checkpoint");
        save(&path, &state(1)).unwrap();
        save(&path, &state(2)).unwrap();
        let (whole, before) = (fs::read(&path).unwrap(), fs::read(previous(&path)).unwrap());

        let torn = damaged(&whole, &newest);
        prop_assume!(torn != whole);
        fs::write(&path, &torn).unwrap();
        let loaded = load(&path).unwrap();
        prop_assert_eq!(loaded.state.manifest, state(1).manifest);
        let note = loaded.note.unwrap();
        prop_assert!(note.contains("run.checkpoint` "), "{}", note);

        let torn = damaged(&before, &older);
        prop_assume!(torn != before);
        fs::write(previous(&path), &torn).unwrap();
        let error = load(&path).unwrap_err();
        prop_assert!(error.to_string().contains("run.checkpoint` "), "{}", error);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        prop_assert!(cause.contains("run.checkpoint.previous` "), "{}", cause);
    }
}

/// After a damaged one, the one before it is all there is: it stays until a new one stands beside it.
#[test]
fn a_damaged_checkpoint_never_takes_the_place_of_the_one_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.checkpoint");
    save(&path, &state(1)).unwrap();
    save(&path, &state(2)).unwrap();
    let before = fs::read(previous(&path)).unwrap();
    fs::write(&path, "torn").unwrap();
    replace_damaged(&path, &state(3)).unwrap();
    assert_eq!(load(&path).unwrap().state.manifest.epochs_done, 3);
    assert_eq!(fs::read(previous(&path)).unwrap(), before);
    fs::remove_file(&path).unwrap();
    assert!(exists(&path));
    remove(&path).unwrap();
    assert!(!exists(&path));
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
        error.to_string().ends_with("has format 9, wanted 2"),
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
