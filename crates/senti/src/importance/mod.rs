//! What a trained model looks at, measured on windows that it never saw.
//!
//! In come an artifact, a table and choices; out goes an [`Importance`]. Three looks, none of which trains the model again:
//!
//! * [`permutation`]: how much worse the forecasts become when a group of columns is shuffled between windows;
//! * [`gradients`]: how the forecasts are made up of features and days, by integrated gradients through the network;
//! * [`forest`]: the ranking of a random forest, which knows nothing of the model and is here for comparison only.
//!
//! Nothing here says that a feature causes anything, and nothing looks ahead: windows are those of the test part and behind it.

pub mod forest;
pub mod gradients;
pub mod groups;
pub mod permutation;

use serde::{Deserialize, Serialize};

use self::forest::Forest;
use self::gradients::Gradients;
use self::groups::{Group, GroupBy};
use self::permutation::Shuffled;
use crate::artifact::{Artifact, Manifest, PartRecord};
use crate::doors::{Machine, same_step};
use crate::matrix::Matrix;
use crate::models;
use crate::observe::Observer;
use crate::plan::Target;
use crate::windows::{Labelled, Windows};
use crate::{Error, Result, Table, Time};

/// Steps ahead that are told one by one, where the horizon reaches them; the last step is always told.
pub const STEPS: [usize; 5] = [1, 3, 7, 14, 30];

/// What may be chosen.
///
/// | name | default | purpose | range |
/// | --- | --- | --- | --- |
/// | `repeats` | 10 | shuffles of every group | ≥ 1 |
/// | `origins` | 300 | windows to measure on, at most; evenly spread over the held-out ones | ≥ 2 |
/// | `group_by` | `correlation` | which columns are shuffled together | |
/// | `seed` | 42 | of shuffles, of the intervals and of the forest | |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table above is the documentation")]
pub struct Choices {
    pub repeats: usize,
    pub origins: usize,
    pub group_by: GroupBy,
    pub seed: u64,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            repeats: 10,
            origins: 300,
            group_by: GroupBy::Correlation,
            seed: 42,
        }
    }
}

/// The windows that everything was measured on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// How many.
    pub windows: usize,
    /// How many there were to choose from.
    pub held_out: usize,
    /// First origin.
    pub first_origin: Time,
    /// Last origin.
    pub last_origin: Time,
    /// Milliseconds of a step.
    pub step: i64,
    /// Past steps of a window (T).
    pub input_seq_length: usize,
    /// Steps ahead (H).
    pub forecast_horizon: usize,
}

/// A feature of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// Its name, as in the artifact.
    pub name: String,
    /// What it speaks of: `returns`, `volatility`, …
    pub kind: String,
    /// Its formula.
    pub help: String,
}

/// What the model looks at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Importance {
    /// The windows.
    pub measured: Measured,
    /// What was chosen.
    pub choices: Choices,
    /// The features, in the order of the model's inputs.
    pub features: Vec<Named>,
    /// What shuffling costs.
    pub permutation: Shuffled,
    /// What the forecasts are made of; none for a model that is no network.
    pub gradients: Option<Gradients>,
    /// The forest's ranking; none where the rows of the training are not in the table.
    pub forest: Option<Forest>,
}

/// Measures what a model looks at, on the windows of its test part and behind it.
///
/// The same artifact, table, choices and instruction set give the same bits, whatever the threads.
///
/// ```
/// use senti::importance::{Choices, importance};
/// use senti::observe::Next;
/// use senti::plan::Draft;
/// use senti::table::{Column, Role, Rows, Table, TableOptions};
/// use senti::{Machine, Provenance, doors};
///
/// // a price that goes up and down every ten days
/// let close = (0..300).map(|day| 100.0 + (std::f64::consts::TAU * f64::from(day) / 20.0).sin()).collect();
/// let rows = Rows {
///     time: (0..300).map(|day| day * 86_400_000).collect(),
///     line: vec![],
///     columns: vec![Column { name: "close".into(), role: Role::Close, values: close }],
/// };
/// let (table, _) = Table::from_rows(rows, &TableOptions::default())?;
/// let plan = Draft { model_type: "basic".into(), input_seq_length: 5, forecast_horizon: 3, ..Draft::default() }.check()?;
/// let machine = Machine { threads: 1, simd: senti_engine::Simd::detect() };
/// let outcome = doors::fit(&table, &plan, &Provenance::default(), machine, None, &mut |_| Next::Continue)?;
///
/// let choices = Choices { repeats: 2, ..Choices::default() };
/// let found = importance(&outcome.artifact, &table, machine, choices, &mut |_| Next::Continue)?;
/// let first = &found.permutation.groups[0];
/// assert!(first.overall().mean > 10.0, "the path of the price is all there is to know");
/// assert!(!first.group.name.starts_with("weekday"));
/// # Ok::<(), senti::Error>(())
/// ```
pub fn importance(
    artifact: &Artifact,
    table: &Table,
    machine: Machine,
    choices: Choices,
    observe: &mut Observer<'_>,
) -> Result<Importance> {
    let manifest = &artifact.manifest;
    manifest.check()?;
    let step = same_step(manifest, table)?;
    let plan = &manifest.plan;
    if choices.repeats == 0 {
        return Err(Error::plan("`repeats` is 0, wanted at least 1"));
    }
    let matrix = manifest.features.compute(table)?;
    let all = Windows::new(table, &matrix, plan.input_seq_length, plan.forecast_horizon);
    let (held, first) = held_out(manifest, &all, choices.origins)?;
    let first_origin = held[0].window().time();
    let last_origin = held[held.len() - 1].window().time();

    let names = manifest.features.names();
    let rows = looked_at(&held, plan.input_seq_length);
    let mut groups = groups::groups(
        choices.group_by,
        &names,
        &manifest.features.groups(),
        &matrix,
        &rows,
    );
    if plan.target == Target::LogReturn {
        groups.push(Group {
            name: groups::CANDLES.to_owned(),
            columns: Vec::new(),
        });
    }
    let mut fitted = (models::find(&plan.model_type)?.load)(manifest, &artifact.tensors, machine)?;
    let orders = permutation::orders(choices.seed, choices.repeats, held.len());
    let permutation = permutation::measure(
        &held,
        fitted.as_mut(),
        &manifest.preparation,
        &manifest.calibration,
        &groups,
        &orders,
        choices.seed,
        observe,
    )?;
    let gradients = match models::open(manifest, &artifact.tensors, machine)? {
        Some(opened) => Some(gradients::measure(
            opened,
            &held,
            &manifest.preparation,
            observe,
        )?),
        None => None,
    };
    let forest = forest::measure(manifest, &all, first, choices.seed, observe)?;
    let described = manifest
        .features
        .groups()
        .into_iter()
        .zip(manifest.features.help());
    Ok(Importance {
        measured: Measured {
            windows: held.len(),
            held_out: all.len() - first,
            first_origin,
            last_origin,
            step,
            input_seq_length: plan.input_seq_length,
            forecast_horizon: plan.forecast_horizon,
        },
        choices,
        features: names
            .into_iter()
            .zip(described)
            .map(|(name, (kind, help))| Named {
                name: name.to_owned(),
                kind: kind.to_owned(),
                help,
            })
            .collect(),
        permutation,
        gradients,
        forest,
    })
}

/// The recorded part of this name.
fn part<'m>(manifest: &'m Manifest, name: &str) -> Result<&'m PartRecord> {
    let parts = &mut manifest.split.iter();
    parts
        .find(|record| record.part == name)
        .ok_or_else(|| Error::data(format!("the artifact does not tell its {name} part")))
}

/// Windows from the recorded test part on, at most `most`, evenly spread; and the position of the first of all of them.
fn held_out<'a>(
    manifest: &Manifest,
    all: &Windows<'a>,
    most: usize,
) -> Result<(Vec<Labelled<'a>>, usize)> {
    if most < 2 {
        return Err(Error::plan(format!(
            "`origins` is {most}, wanted at least 2"
        )));
    }
    let test = part(manifest, "test")?;
    // Times rise, and so do origins.
    let early = all
        .iter()
        .take_while(|labelled| labelled.window().time() < test.first_origin)
        .count();
    let found = all.len() - early;
    if found < 2 {
        return Err(Error::data(format!(
            "{found} windows are from the model's test part or newer, wanted at least 2"
        ))
        .hint(format!(
            "the test part begins at {}: give rows that reach at least {} steps past it",
            crate::calendar::format_time(test.first_origin, manifest.data.step),
            manifest.plan.forecast_horizon + 1
        )));
    }
    let taken = found.min(most.max(2));
    let held = (0..taken).map(|k| all.get(early + k * (found - 1) / (taken - 1)));
    Ok((held.collect(), early))
}

/// Rows that these windows look at, each once.
fn looked_at(held: &[Labelled<'_>], steps: usize) -> Vec<usize> {
    let mut rows = Vec::new();
    for labelled in held {
        let origin = labelled.window().origin();
        let next = rows.last().map_or(0, |last| last + 1);
        rows.extend(next.max(origin + 1 - steps)..=origin);
    }
    rows
}

/// Values of one group's columns on other windows: what a shuffled window is made of.
///
/// Window `k` of the chunk gets its own past, but with the columns of `group` from the window at `order[k]`, path and all.
fn shuffle(
    held: &[Labelled<'_>],
    chunk: std::ops::Range<usize>,
    steps: usize,
    group: &Group,
    order: &[u32],
) -> Matrix {
    let width = held[0].window().past().next().map_or(0, <[f64]>::len);
    let mut values = Vec::with_capacity(chunk.len() * steps * width);
    for window in chunk {
        let own = held[window].window().past();
        let other = held[order[window] as usize].window().past();
        for (own, other) in own.zip(other) {
            let start = values.len();
            values.extend_from_slice(own);
            for &column in &group.columns {
                values[start + column] = other[column];
            }
        }
    }
    Matrix::from_rows(width, values)
}
