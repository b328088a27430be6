//! A small market and a model trained on it: what the tests keep and draw.

use std::path::Path;
use std::sync::OnceLock;

use senti::artifact::Artifact;
use senti::doors::{self, Machine, Outcome, Provenance};
use senti::observe::{EpochRecord, Event, Next};
use senti::plan::Draft;
use senti::table::{Column, Role, Rows, Table, TableOptions, Time};
use senti_io::report::Recorder;

pub const DAY: i64 = 86_400_000;
/// 2023-01-01.
pub const START: Time = 1_672_531_200_000;

/// Numbers between -1 and 1 that look random: a linear congruential generator (Knuth's MMIX constants).
pub fn noise(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// A random walk in `n` candles from `price` on, moving by about `size` a step.
pub fn market(n: usize, step: i64, price: f64, size: f64) -> Table {
    let mut noise = noise(7);
    let mut close = price;
    let values: Vec<f64> = (0..n)
        .map(|row| {
            if row > 0 {
                close *= (size * (noise() + noise() + noise())).exp();
            }
            close
        })
        .collect();
    table(values, step)
}

/// A table of these closes.
pub fn table(values: Vec<f64>, step: i64) -> Table {
    let rows = Rows {
        time: (0..values.len() as i64)
            .map(|row| START + row * step)
            .collect(),
        line: Vec::new(),
        columns: vec![Column {
            name: "close".into(),
            role: Role::Close,
            values,
        }],
    };
    Table::from_rows(rows, &TableOptions::default())
        .expect("a valid market")
        .0
}

/// What a training leaves.
pub struct Run {
    pub table: Table,
    pub outcome: Outcome,
    pub recorder: Recorder,
}

/// Trains the basic model; the recorder writes to `dir`.
pub fn train(table: Table, horizon: usize, dir: &Path) -> Run {
    let plan = Draft {
        model_type: "basic".into(),
        input_seq_length: 10,
        forecast_horizon: horizon,
        ..Draft::default()
    };
    let provenance = Provenance {
        source: "random walk".into(),
        digest: "00".repeat(32),
        code_version: "0.1.0".into(),
        ..Provenance::default()
    };
    let machine = Machine {
        threads: 1,
        simd: senti_engine::Simd::detect(),
    };
    let mut recorder = Recorder::new(dir).expect("a folder to write to");
    let outcome = doors::fit(
        &table,
        &plan.check().expect("a valid plan"),
        &provenance,
        machine,
        None,
        &mut |event: Event<'_>| {
            recorder.see(&event, 0.0).expect("room on the disk");
            Next::Continue
        },
    )
    .expect("a training");
    Run {
        table,
        outcome,
        recorder,
    }
}

/// An artifact, trained once for all tests.
pub fn artifact() -> Artifact {
    static ARTIFACT: OnceLock<Artifact> = OnceLock::new();
    ARTIFACT
        .get_or_init(|| {
            let dir = tempfile::tempdir().expect("a temporary folder");
            train(market(400, DAY, 30_000.0, 0.01), 4, dir.path())
                .outcome
                .artifact
        })
        .clone()
}

/// A history as an LSTM leaves it: falling losses, two drops of the learning rate, the best epoch before the end.
pub fn history(epochs: usize) -> (Vec<EpochRecord>, usize) {
    let mut noise = noise(3);
    let best = (epochs * 3).div_ceil(5);
    let records = (1..=epochs)
        .map(|epoch| {
            let share = epoch as f64 / epochs as f64;
            EpochRecord {
                epoch,
                train_loss: 0.02 + 0.03 * (-6.0 * share).exp() + 0.0003 * noise(),
                valid_loss: 0.021
                    + 0.02 * (-8.0 * share).exp()
                    + 0.004 * (share - 0.6).powi(2)
                    + 0.0002 * noise(),
                learning_rate: if share < 0.4 {
                    1e-3
                } else if share < 0.75 {
                    2e-4
                } else {
                    1e-4
                },
            }
        })
        .collect();
    (records, best)
}
