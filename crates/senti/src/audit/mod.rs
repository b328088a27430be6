//! The audit: does anything use the future? Asked of the user's own rows and choices, through the functions that train and forecast.
//!
//! In come a table, a plan and a seed; out goes an [`Audit`]: checks passed or failed, each with what moved and where, and leaks planted on
//! purpose, each of which must be caught for the audit to mean anything. Nothing is kept, nothing is written, and no model that
//! is audited is used for anything else.

pub mod alter;
mod checks;
pub mod pipeline;
mod planted;
mod subject;

use serde::{Deserialize, Serialize};

pub use checks::CHECKS;
pub use planted::PLANTED;

use self::pipeline::{Clean, Pipeline, Setting};
use self::subject::Subject;
use crate::doors::Machine;
use crate::join::Side;
use crate::observe::{Event, Next, Observer, interrupted};
use crate::plan::Plan;
use crate::table::Table;
use crate::{Error, Result};

/// Rows that are audited, at most: the newest. What looks ahead in a million rows looks ahead in these.
const ROWS: usize = 5_000;

/// What may be chosen about an audit.
///
/// | name | default | purpose | range |
/// | --- | --- | --- | --- |
/// | `origins` | 8 | sampled origins behind which rows are altered | at least 1 |
/// | `seed` | 42 | draws the origins and the order of scrambles | |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Sampled origins.
    pub origins: usize,
    /// Of every random stream.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            origins: 8,
            seed: 42,
        }
    }
}

/// The first thing that moved, or does not fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was done to the rows behind the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alteration: Option<String>,
    /// Time of the origin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Time of the row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// Feature or column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// What was found there, in words.
    pub found: String,
}

/// What a check came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Name of a row of [`CHECKS`].
    pub name: String,
    /// Nothing was found.
    pub passed: bool,
    /// What was looked at, or what is wrong, in a sentence.
    pub detail: String,
    /// Where, for a check that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// What became of a leak that was planted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plant {
    /// Name of a row of [`PLANTED`].
    pub name: String,
    /// Did a check fail?
    pub caught: bool,
    /// The check that failed, with what it said; empty for a leak that was not caught.
    pub by: Option<Check>,
}

/// An audit. Field names are a public interface (`senti-ai audit --format json`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Every check passed and every planted leak was caught.
    pub clean: bool,
    /// Rows of the table, and how many of them, the newest, were audited.
    pub rows: usize,
    /// Rows looked at.
    pub rows_audited: usize,
    /// Time of the first of them.
    pub first: String,
    /// Time of the last.
    pub last: String,
    /// Features of a row.
    pub features: usize,
    /// Origins behind which rows were altered.
    pub origins: Vec<String>,
    /// What the verdict rests on and cannot be seen in the data.
    pub assumed: Vec<String>,
    /// In the order of [`CHECKS`].
    pub checks: Vec<Check>,
    /// In the order of [`PLANTED`].
    pub planted: Vec<Plant>,
}

/// Audits the product's own path on this table with this plan.
///
/// The observer is told of every check and planted leak ([`Event::Working`]) and may stop the audit between two of them.
pub fn audit(
    table: &Table,
    plan: &Plan,
    machine: Machine,
    options: &Options,
    observe: &mut Observer<'_>,
) -> Result<Audit> {
    audit_joined(table, &[], plan, machine, options, observe)
}

/// The same for a table that has columns from these sides, which are looked at as well.
pub fn audit_joined(
    table: &Table,
    sides: &[Side],
    plan: &Plan,
    machine: Machine,
    options: &Options,
    observe: &mut Observer<'_>,
) -> Result<Audit> {
    if options.origins == 0 {
        return Err(Error::plan("`origins` is 0, wanted at least 1"));
    }
    let window = plan.input_seq_length + plan.forecast_horizon;
    let cut = table.since(table.n_rows().saturating_sub(ROWS.max(12 * window)));
    let of = CHECKS.len() + PLANTED.len();
    let mut go_on =
        |what: &'static str, done: usize| match observe(Event::Working { what, done, of }) {
            Next::Continue => Ok(()),
            Next::Stop => Err(interrupted("auditing")),
        };
    go_on("preparing", 0)?;
    let setting = setting(&cut, plan, machine)?;
    let clean = Clean(setting.clone());
    let subject = Subject::new(&clean, &cut, table, sides, options)?;
    let mut checks = Vec::new();
    for (done, row) in CHECKS.iter().enumerate() {
        go_on(row.name, done)?;
        checks.push(row.check(&subject)?);
    }
    let few = subject.few();
    let mut planted = Vec::new();
    for (done, row) in PLANTED.iter().enumerate() {
        go_on(row.name, CHECKS.len() + done)?;
        planted.push(row.plant(&setting, &subject, &few)?);
    }
    let time = |row: usize| subject.date(row);
    Ok(Audit {
        clean: checks.iter().all(|check| check.passed) && planted.iter().all(|plant| plant.caught),
        rows: table.n_rows(),
        rows_audited: cut.n_rows(),
        first: time(0),
        last: time(cut.n_rows() - 1),
        features: subject.ground.features.len(),
        origins: subject.origins().into_iter().map(time).collect(),
        assumed: assumed(&subject, table),
        checks,
        planted,
    })
}

/// Audits another pipeline with every check; for tests that plant a leak of their own.
pub fn examine(pipeline: &dyn Pipeline, table: &Table, options: &Options) -> Result<Vec<Check>> {
    let subject = Subject::new(pipeline, table, table, &[], options)?;
    CHECKS.iter().map(|row| row.check(&subject)).collect()
}

/// Plans for this table: how small the audited model must be depends on the number of features.
pub fn setting(table: &Table, plan: &Plan, machine: Machine) -> Result<Setting> {
    let guess = Setting::new(plan, 1, machine)?;
    let features = Clean(guess).ground(table, plan)?.features.len();
    Setting::new(plan, features, machine)
}

fn assumed(subject: &Subject<'_>, table: &Table) -> Vec<String> {
    let setting = subject.pipeline.setting();
    let mut assumed = vec![
        "the values of a row are known when its candle closes, one step behind its time; forecasts start there. A column that is published \
         later must be shifted by whoever makes the table, or come from a file of its own with `--join`"
            .to_owned(),
    ];
    let told = subject.sides.iter().map(Side::words);
    assumed.extend(told.filter(|words| !words.is_empty()).map(str::to_owned));
    let small = &setting.small;
    assumed.push(match small.model_type.as_str() {
        "lstm" => format!(
            "whether a network looks ahead does not depend on its size: audited is one of {} units on {} past steps, trained for 1 epoch",
            small.units[0],
            small.input_seq_length
        ),
        _ => format!(
            "whether a regression looks ahead does not depend on its size: audited is one on {} past steps",
            small.input_seq_length
        ),
    });
    if subject.table.n_rows() < table.n_rows() {
        assumed.push(format!(
            "what looks ahead does so everywhere: audited are the newest {} of {} rows",
            subject.table.n_rows(),
            table.n_rows()
        ));
    }
    assumed
}
