//! Folds of an interrupted backtest: what was kept comes back bit for bit, what is torn is learned anew, and nothing of another
//! backtest is taken for one's own.

use std::fs;
use std::path::Path;

use senti::backtest::{Backtest, FoldForecast, Walk, backtest};
use senti::doors::Machine;
use senti::observe::{Event, Next};
use senti::plan::{Draft, Plan};
use senti::{ErrorKind, Result, Table};
use senti_io::folds::Folds;

use crate::trained::{DAY, market};

fn plan() -> Plan {
    let draft = Draft {
        input_seq_length: 6,
        forecast_horizon: 3,
        units: vec![4],
        epochs: 2,
        ..Draft::default()
    };
    draft.check().unwrap()
}

fn walk(warm: bool) -> Walk {
    Walk {
        models: ["lstm", "basic"].map(str::to_owned).to_vec(),
        origins: 30,
        refit_every: 10,
        warm,
        ..Walk::default()
    }
}

fn folds(output: &Path, warm: bool) -> Folds {
    Folds::of(output, &plan(), &walk(warm), "digest", "avx2", "0.1.0").unwrap()
}

/// Walks, keeping folds on disk, and stops behind this many; how many were learned, and the result.
fn go(table: &Table, kept: &Folds, warm: bool, stop_after: usize) -> (usize, Result<Backtest>) {
    let machine = Machine {
        threads: 1,
        simd: senti_engine::Simd::detect(),
    };
    let mut learned = 0;
    let result = backtest(
        table,
        &plan(),
        &walk(warm),
        machine,
        kept.read(),
        &mut |event| {
            if let Event::Fold(fold) = event {
                kept.keep(fold).unwrap();
                learned += 1;
            }
            match learned < stop_after {
                true => Next::Continue,
                false => Next::Stop,
            }
        },
    );
    (learned, result)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn an_interrupted_backtest_goes_on_from_disk() {
    let table = market(260, DAY, 30_000.0, 0.01);
    for warm in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let undisturbed = folds(&dir.path().join("whole"), warm);
        let (all, whole) = go(&table, &undisturbed, warm, usize::MAX);
        let whole = whole.unwrap();
        assert_eq!(all, 6);

        let kept = folds(&dir.path().join("stopped"), warm);
        assert!(kept.read().is_empty(), "nothing yet, not even a folder");
        let mut learned = 0;
        for _ in 0..3 {
            let (more, stopped) = go(&table, &kept, warm, 1);
            learned += more;
            assert_eq!(kept.read().len(), learned);
            match stopped {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
                // what was in work may still be finished, even the rest of the walk
                Ok(_) => assert_eq!(learned, all),
            }
        }
        assert!(learned >= 3);
        let (more, resumed) = go(&table, &kept, warm, usize::MAX);
        assert_eq!(resumed.unwrap(), whole, "warm {warm}");
        assert_eq!(learned + more, all, "no fold is learned twice");

        let bytes = |folds: &Folds| -> Vec<Vec<u8>> {
            let names = names(folds.folder());
            names
                .iter()
                .map(|name| fs::read(folds.folder().join(name)).unwrap())
                .collect()
        };
        assert_eq!(names(kept.folder()), names(undisturbed.folder()));
        assert!(bytes(&kept) == bytes(&undisturbed), "the same files");

        kept.remove().unwrap();
        assert!(!kept.folder().exists());
        kept.remove().expect("nothing to remove is no error");
    }
}

/// The folds of a whole walk, and where they lie.
fn kept(dir: &Path, warm: bool, table: &Table) -> (Folds, Backtest) {
    let kept = folds(dir, warm);
    let whole = go(table, &kept, warm, usize::MAX).1.unwrap();
    (kept, whole)
}

#[test]
fn a_torn_or_foreign_file_is_learned_anew() {
    let table = market(260, DAY, 30_000.0, 0.01);
    for warm in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (kept, whole) = kept(dir.path(), warm, &table);
        let files = names(kept.folder());
        assert_eq!(
            files,
            [
                "basic-00000.fold",
                "basic-00001.fold",
                "basic-00002.fold",
                "lstm-00000.fold",
                "lstm-00001.fold",
                "lstm-00002.fold"
            ]
        );
        let spoil = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
            let path = kept.folder().join(name);
            let mut bytes = fs::read(&path).unwrap();
            change(&mut bytes);
            fs::write(path, bytes).unwrap();
        };
        // the first of a chain: the others were learned from it, and stay
        spoil("lstm-00000.fold", &|bytes| bytes.truncate(bytes.len() / 2));
        spoil("basic-00001.fold", &|bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        spoil("basic-00002.fold", &|bytes| {
            bytes[..8].copy_from_slice(b"SENTICKP")
        });
        fs::write(kept.folder().join("notes.txt"), "no fold").unwrap();
        fs::write(kept.folder().join("empty.fold"), "").unwrap();
        let left: Vec<(String, usize)> = (kept.read().into_iter())
            .map(|fold| (fold.record.model, fold.record.fold))
            .collect();
        assert_eq!(
            left,
            [("basic".into(), 0), ("lstm".into(), 1), ("lstm".into(), 2)]
        );
        let (learned, again) = go(&table, &kept, warm, usize::MAX);
        assert_eq!(again.unwrap(), whole, "warm {warm}");
        assert_eq!(learned, 3);
    }
}

/// Every byte counts: wherever a fold is cut or a bit turns, it is not taken.
#[test]
fn no_damage_goes_unnoticed() {
    let table = market(260, DAY, 30_000.0, 0.01);
    let dir = tempfile::tempdir().unwrap();
    let (all, _) = kept(dir.path(), true, &table);
    let path = all.folder().join("lstm-00001.fold");
    let whole = fs::read(&path).unwrap();
    let known: Vec<FoldForecast> = all.read();
    let found = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        all.read()
    };
    let stride = whole.len() / 40;
    for place in (0..whole.len()).step_by(stride) {
        assert_eq!(found(&whole[..place]).len(), 5, "cut at {place}");
        let mut bytes = whole.clone();
        bytes[place] ^= 4;
        assert_eq!(found(&bytes).len(), 5, "a bit at {place}");
    }
    assert_eq!(found(&whole), known);
}

#[test]
fn another_backtest_has_another_folder() {
    let output = Path::new("out");
    let this = folds(output, false).folder().to_owned();
    assert_eq!(this, folds(output, false).folder(), "the same for the same");
    let of = |plan: &Plan, walk: &Walk, digest: &str, simd: &str, version: &str| {
        let folds = Folds::of(output, plan, walk, digest, simd, version).unwrap();
        folds.folder().to_owned()
    };
    let (plan, walk) = (plan(), walk(false));
    let seed = Draft {
        seed: 43,
        ..plan.draft()
    }
    .check()
    .unwrap();
    let others = [
        of(&seed, &walk, "digest", "avx2", "0.1.0"),
        of(
            &plan,
            &Walk {
                warm: true,
                ..walk.clone()
            },
            "digest",
            "avx2",
            "0.1.0",
        ),
        of(
            &plan,
            &Walk {
                embargo: 2,
                ..walk.clone()
            },
            "digest",
            "avx2",
            "0.1.0",
        ),
        of(
            &plan,
            &Walk {
                start: Some(0),
                ..walk.clone()
            },
            "digest",
            "avx2",
            "0.1.0",
        ),
        of(&plan, &walk, "other data", "avx2", "0.1.0"),
        of(&plan, &walk, "digest", "plain", "0.1.0"),
        of(&plan, &walk, "digest", "avx2", "0.2.0"),
    ];
    for (place, other) in others.iter().enumerate() {
        assert_ne!(*other, this);
        assert!(!others[..place].contains(other));
    }
    assert!(others.iter().all(|other| other.parent() == Some(output)));
}
