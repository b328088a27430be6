//! How a backtest walks: which origins, in which folds, with which models. Checked once against a table, before anything is learned.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::Truth;
use crate::doors::target_name;
use crate::features::{FeatureOptions, FeatureSet};
use crate::models;
use crate::plan::{Plan, Target};
use crate::rivals;
use crate::split::{Held, least_windows};
use crate::table::{Role, Table, Time};
use crate::windows::{Origins, Windows};
use crate::{Error, Result};

/// The yardsticks: in every backtest whose data allow them, asked for or not, because the report card measures against them.
pub const YARDSTICKS: [&str; 2] = ["naive", "har_730"];

/// The choices of a backtest beside the plan.
///
/// | name | default | purpose | range |
/// | --- | --- | --- | --- |
/// | `models` | `lstm`, `basic` | rows of [`models::MODELS`] and [`rivals::RIVALS`]; the [`YARDSTICKS`] come by themselves | |
/// | `start` | none | time of the first origin; without one, the last `origins` | |
/// | `origins` | 365 | number of origins, where `start` is not given | ≥ 1 |
/// | `step` | 1 | rows from one origin to the next | ≥ 1 |
/// | `refit_every` | 91 | rows until everything is learned anew | ≥ 1 |
/// | `train_window` | none | rows of history that may be learned from; none: all | |
/// | `warm` | false | start each training from the weights of the one before | |
/// | `embargo` | 1 | newest rows before a fold's first origin whose closes no label may be | ≥ 0 |
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the table above is the documentation")]
pub struct Walk {
    pub models: Vec<String>,
    pub start: Option<Time>,
    pub origins: usize,
    pub step: usize,
    pub refit_every: usize,
    pub train_window: Option<usize>,
    pub warm: bool,
    pub embargo: usize,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            models: ["lstm", "basic"].map(str::to_owned).to_vec(),
            start: None,
            origins: 365,
            step: 1,
            refit_every: 91,
            train_window: None,
            warm: false,
            embargo: 1,
        }
    }
}

/// Every name that `models` may hold.
pub fn names() -> Vec<&'static str> {
    let trained = models::MODELS.iter().filter(|model| model.trains);
    trained
        .map(|model| model.name)
        .chain(rivals::RIVALS.iter().map(|rival| rival.name))
        .collect()
}

/// Origins that share what was learned.
#[derive(Clone, Debug, PartialEq)]
pub struct Fold {
    /// Rows that may be learned from.
    pub history: Range<usize>,
    /// Positions of its origins among all.
    pub origins: Range<usize>,
}

/// A walk laid out on a table.
#[derive(Clone)]
pub struct Layout {
    /// The origins, with what came true.
    pub truth: Truth,
    /// The folds, in time.
    pub folds: Vec<Fold>,
    /// Models that are trained in every fold.
    pub trained: Vec<String>,
    /// Rivals that walk by themselves.
    pub rivals: Vec<&'static rivals::RivalRow>,
    /// Every track in the order that was asked for; yardsticks nobody asked for last.
    pub order: Vec<String>,
    /// What a reader should know: origins that see one weekday only.
    pub notes: Vec<String>,
}

impl Layout {
    /// Lays a walk out on a table.
    pub fn new(table: &Table, plan: &Plan, walk: &Walk) -> Result<Self> {
        check(walk)?;
        let (whole, warm_up) = usable(table, plan, walk)?;
        let mut layout = Self {
            truth: truth(table, plan, walk, &whole)?,
            folds: Vec::new(),
            trained: Vec::new(),
            rivals: Vec::new(),
            order: Vec::new(),
            notes: Vec::new(),
        };
        layout.choose(table, walk)?;
        layout.folds = folds(&layout.truth.rows, walk);
        if !layout.trained.is_empty() {
            layout.enough(table, plan, walk, warm_up)?;
        }
        let week = table.calendar().rows_of_a_week();
        if walk.step > 1 && week > 1 && walk.step.is_multiple_of(week) {
            layout.notes.push(format!(
                "`step` is {}, a multiple of the {week} rows of a week: every origin is the same weekday, and weekdays differ (Bitcoin's Sundays are calmer by a third); take a step that is no multiple of {week}",
                walk.step
            ));
        }
        Ok(layout)
    }

    /// Refuses folds whose history cannot be learned from, and names the option that leaves so little.
    fn enough(&self, table: &Table, plan: &Plan, walk: &Walk, warm_up: usize) -> Result<()> {
        let least =
            least_windows(plan, Held::Nothing) + plan.input_seq_length + plan.forecast_horizon - 1
                + warm_up;
        let Some(fold) = self.folds.iter().find(|fold| fold.history.len() < least) else {
            return Ok(());
        };
        let found = fold.history.len();
        let origin = table
            .calendar()
            .format(self.truth.origins[fold.origins.start]);
        let before = self.truth.rows[fold.origins.start] + 1;
        let hint = match () {
            () if walk.train_window.is_some_and(|rows| rows < least) => {
                "raise `--train_window`, or leave it out"
            }
            () if before >= least => "lower `--embargo`",
            () => {
                "begin later with `--start`, ask for fewer `--origins` or a smaller `--step`, give more rows, or lower `--input_seq_length` or `--forecast_horizon`"
            }
        };
        Err(Error::plan(format!(
            "{found} rows of history before the origin {origin} are too few to learn from, wanted at least {least}"
        ))
        .hint(hint))
    }

    /// Sorts the names into models and rivals.
    fn choose(&mut self, table: &Table, walk: &Walk) -> Result<()> {
        let ranges = has_range(table);
        let asked = walk.models.iter().map(|name| (name.as_str(), true));
        for (name, asked) in asked.chain(YARDSTICKS.map(|name| (name, false))) {
            if self.order.iter().any(|other| other == name) {
                continue;
            }
            if let Some(rival) = rivals::RIVALS.iter().find(|rival| rival.name == name) {
                if rival.needs_range && !ranges {
                    if asked {
                        self.notes.push(format!(
                            "`{name}` is left out: it needs columns for open, high and low"
                        ));
                    }
                    continue;
                }
                self.rivals.push(rival);
            } else {
                models::find(name)?;
                self.trained.push(name.to_owned());
            }
            self.order.push(name.to_owned());
        }
        Ok(())
    }
}

/// Does the table have open, high and low?
fn has_range(table: &Table) -> bool {
    let roles = [Role::Open, Role::High, Role::Low];
    roles.into_iter().all(|role| table.role(role).is_some())
}

/// Checks every range and every name.
pub fn check(walk: &Walk) -> Result<()> {
    for (name, value) in [
        ("origins", walk.origins),
        ("step", walk.step),
        ("refit_every", walk.refit_every),
    ] {
        if value == 0 {
            return Err(Error::plan(format!("`{name}` is 0, wanted at least 1")));
        }
    }
    if walk.models.is_empty() {
        return Err(Error::plan("no model is named, wanted at least one")
            .hint(format!("`--models` takes {}", names().join(", "))));
    }
    for name in &walk.models {
        if !names().contains(&name.as_str()) {
            return Err(Error::plan(format!("there is no model `{name}`"))
                .hint(format!("`--models` takes {}", names().join(", "))));
        }
    }
    Ok(())
}

/// Origins whose windows are complete and whose labels exist, in one unbroken run of candles. Which features there are decides on it,
/// and is learned on the rows before the first origin that was asked for; each fold learns it anew.
fn usable(table: &Table, plan: &Plan, walk: &Walk) -> Result<(Origins, usize)> {
    let rows = table.n_rows();
    let first = match walk.start {
        Some(start) => table.time().partition_point(|&time| time < start),
        None => rows.saturating_sub(walk.origins.saturating_mul(walk.step) + plan.forecast_horizon),
    };
    let options = FeatureOptions {
        levels: plan.target == Target::Price,
    };
    // with too few rows before it, `enough` says so; forms decide nothing here but which rows are whole
    let least = (plan.input_seq_length + plan.forecast_horizon + 200).min(rows);
    let features = FeatureSet::learn(table, 0..first.clamp(least, rows), &options)?;
    let matrix = features.compute(table)?;
    let windows = Windows::new(table, &matrix, plan.input_seq_length, plan.forecast_horizon);
    Ok((windows.origins().clone(), features.warm_up()))
}

/// Rows of the origins, and what came true after them.
fn truth(table: &Table, plan: &Plan, walk: &Walk, whole: &Origins) -> Result<Truth> {
    let (past, ahead, rows) = (plan.input_seq_length, plan.forecast_horizon, table.n_rows());
    let fits = |row: usize| !whole.within(row..row + 1).is_empty();
    let show = |row: usize| table.calendar().format(table.time()[row]);
    let last = whole.last().ok_or_else(|| {
        Error::data(format!(
            "{rows} rows cannot make a window of {past} past and {ahead} ahead"
        ))
        .hint("give more rows, or lower `--input_seq_length` or `--forecast_horizon`")
    })?;
    let chosen: Vec<usize> = match walk.start {
        Some(start) => {
            let first = table.time().partition_point(|&time| time < start);
            if first > last {
                return Err(Error::plan(format!(
                    "`start` is {}, behind the last origin {} that has {ahead} rows ahead",
                    table.calendar().format(start),
                    show(last)
                ))
                .hint("give an earlier start, or lower `--forecast_horizon`"));
            }
            // from the first that fits: a start in a gap would leave none where the step is long
            (first..=last)
                .skip_while(|&row| !fits(row))
                .step_by(walk.step)
                .filter(|&row| fits(row))
                .collect()
        }
        None => {
            let mut rows: Vec<usize> = (0..=last)
                .rev()
                .step_by(walk.step)
                .filter(|&row| fits(row))
                .take(walk.origins)
                .collect();
            rows.reverse();
            rows
        }
    };
    let (mut times, mut actual) = (Vec::new(), Vec::new());
    for &row in &chosen {
        times.extend_from_slice(&table.time()[row + 1..][..ahead]);
        actual.extend_from_slice(&table.close()[row + 1..][..ahead]);
    }
    Ok(Truth {
        target: target_name(table).to_owned(),
        step: table.calendar().step(),
        stride: walk.step,
        horizon: ahead,
        origins: chosen.iter().map(|&row| table.time()[row]).collect(),
        last_close: chosen.iter().map(|&row| table.close()[row]).collect(),
        rows: chosen,
        times,
        actual,
    })
}

/// Origins of `refit_every` rows each, with the history before the first of them.
fn folds(origins: &[usize], walk: &Walk) -> Vec<Fold> {
    let mut folds: Vec<Fold> = Vec::new();
    let mut next_refit = 0;
    for (position, &row) in origins.iter().enumerate() {
        match folds.last_mut() {
            Some(fold) if row < next_refit => fold.origins.end = position + 1,
            _ => {
                next_refit = row + walk.refit_every;
                let end = (row + 1).saturating_sub(walk.embargo);
                let start = walk.train_window.map_or(0, |rows| end.saturating_sub(rows));
                folds.push(Fold {
                    history: start..end,
                    origins: position..position + 1,
                });
            }
        }
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fold_learns_from_what_was_known_before_its_first_origin() {
        let walk = Walk {
            refit_every: 10,
            embargo: 2,
            ..Walk::default()
        };
        let origins: Vec<usize> = (100..125).collect();
        let folds = folds(&origins, &walk);
        let ends: Vec<_> = folds
            .iter()
            .map(|fold| (fold.history.end, fold.origins.clone()))
            .collect();
        assert_eq!(ends, [(99, 0..10), (109, 10..20), (119, 20..25)]);
    }

    #[test]
    fn a_rolling_window_forgets() {
        let walk = Walk {
            refit_every: 7,
            step: 3,
            embargo: 0,
            train_window: Some(50),
            ..Walk::default()
        };
        let folds = folds(&[100, 103, 106, 109], &walk);
        assert_eq!(
            folds,
            [
                Fold {
                    history: 51..101,
                    origins: 0..3
                },
                Fold {
                    history: 60..110,
                    origins: 3..4
                }
            ]
        );
    }
}
