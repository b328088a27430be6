//! Made-up candles for the tests of the path: a random walk with moving volatility, exactly repeatable.

use senti::plan::{Draft, Plan};
use senti::table::{Rows, TableOptions};
use senti::{Column, Machine, Provenance, Role, Table, Time};
use senti_engine::Simd;
use senti_engine::random::{Purpose, Stream};

pub const DAY: Time = 86_400_000;

/// Daily candles with a slow sentiment beside them.
pub fn rows(n: usize, seed: u64) -> Rows {
    let mut random = Stream::new(seed, Purpose::Ensemble).at(7);
    let (mut price, mut sigma, mut mood) = (10_000.0_f64, 0.03_f64, 50.0_f64);
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); 6];
    for _ in 0..n {
        sigma = (0.9 * sigma.ln() + 0.1 * 0.03_f64.ln() + 0.1 * random.normal()).exp();
        let open = price;
        price *= (sigma * random.normal()).exp();
        let reach = 1.0 + sigma * random.uniform();
        mood = (0.9 * mood + 5.0 + 4.0 * random.normal()).clamp(0.0, 100.0);
        let volume = 1_000.0 * (0.3 * random.normal()).exp();
        for (column, value) in columns.iter_mut().zip([
            open,
            open.max(price) * reach,
            open.min(price) / reach,
            price,
            volume,
            mood,
        ]) {
            column.push(value);
        }
    }
    let names = [
        ("open", Role::Open),
        ("high", Role::High),
        ("low", Role::Low),
        ("close", Role::Close),
        ("volume", Role::Volume),
        ("mood", Role::Series),
    ];
    Rows {
        time: (0..n as i64).map(|day| day * DAY).collect(),
        line: Vec::new(),
        columns: names
            .into_iter()
            .zip(columns)
            .map(|((name, role), values)| Column {
                name: name.into(),
                role,
                values,
            })
            .collect(),
    }
}

pub fn table(rows: Rows) -> Table {
    Table::from_rows(rows, &TableOptions::default()).unwrap().0
}

/// A plan that trains in a blink.
pub fn small(model_type: &str) -> Draft {
    Draft {
        model_type: model_type.into(),
        input_seq_length: 8,
        forecast_horizon: 5,
        units: vec![8, 4],
        epochs: 3,
        ..Draft::default()
    }
}

pub fn plan(model_type: &str) -> Plan {
    small(model_type).check().unwrap()
}

pub fn machine(threads: usize) -> Machine {
    Machine {
        threads,
        simd: Simd::detect(),
    }
}

pub fn provenance() -> Provenance {
    Provenance {
        source: "made up".into(),
        digest: "0".repeat(64),
        code_version: "test".into(),
        ..Provenance::default()
    }
}
