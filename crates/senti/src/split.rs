//! The split in time: train, validation, calibration, test, separated so that no label of one part reaches into the next.
//!
//! In come the origins of all labelled windows; out go the origins of each part. Between the last origin of a part and the first of
//! the next lie `horizon` rows: the last label of the earlier part is known before the first origin of the later one.

use crate::plan::Plan;
use crate::windows::Origins;
use crate::{Error, Result};

/// Origins of each part, in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// Weights, statistics, features' forms are learned here.
    pub train: Origins,
    /// Early stopping and the choice of a penalty.
    pub valid: Origins,
    /// Widths of the intervals.
    pub calibration: Origins,
    /// Touched once; empty where nothing is held back.
    pub test: Origins,
}

/// Fewest windows to learn from.
const LEAST_TRAIN: usize = 16;
/// Fewest windows in any other part.
const LEAST_HELD: usize = 2;

/// Is a test part held back?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Yes: a model is trained and judged at once.
    Test,
    /// No: all rows are history, and what comes after them judges. A fold of a backtest.
    Nothing,
}

/// Windows of validation, calibration and test, when `windows` unbroken ones are enough to leave some for training.
fn counts(windows: usize, plan: &Plan, held: Held) -> Option<[usize; 3]> {
    let gaps = if held == Held::Test { 3 } else { 2 };
    let usable = windows.checked_sub(gaps * plan.forecast_horizon)?;
    let count = |share: f64| ((share * usable as f64 + 1e-9) as usize).max(LEAST_HELD);
    let test = match held {
        Held::Test => count(plan.test_share),
        Held::Nothing => 0,
    };
    let counts = [count(plan.valid_share), count(plan.calibration_share), test];
    (counts.iter().sum::<usize>() + LEAST_TRAIN <= usable).then_some(counts)
}

/// Fewest unbroken windows that can be split.
pub fn least_windows(plan: &Plan, held: Held) -> usize {
    (1..)
        .find(|&windows| counts(windows, plan, held).is_some())
        .unwrap_or(usize::MAX)
}

/// Splits labelled windows by the plan's shares.
pub fn split(origins: &Origins, plan: &Plan, held: Held) -> Result<Split> {
    let (past, ahead) = (plan.input_seq_length, plan.forecast_horizon);
    let too_few = || {
        let least = (origins.len() + 1..).find(|&windows| counts(windows, plan, held).is_some());
        let parts = match held {
            Held::Test => "train, validation, calibration and test",
            Held::Nothing => "train, validation and calibration",
        };
        Error::plan(format!(
            "{} windows of {past} past and {ahead} ahead cannot be split into {parts} with {ahead} rows between them, wanted at least {}",
            origins.len(),
            least.unwrap_or(usize::MAX)
        ))
        .hint("give more rows, or lower `--input_seq_length` or `--forecast_horizon`")
    };
    let [valid, calibration, test] = counts(origins.len(), plan, held).ok_or_else(too_few)?;
    // from the end of time backwards: the test part is the latest
    let mut end = origins.len();
    let mut cut = |windows: usize| {
        let start = end.checked_sub(windows).filter(|&start| start > 0)?;
        let rows = origins.row(start)..origins.row(end - 1) + 1;
        // the last label of the part before is known one row before this part's first origin
        end = origins.within(0..rows.start.saturating_sub(ahead)).len();
        (end > 0).then(|| origins.within(rows))
    };
    let test = match held {
        Held::Test => cut(test).ok_or_else(too_few)?,
        Held::Nothing => Origins::default(),
    };
    let calibration = cut(calibration).ok_or_else(too_few)?;
    let valid = cut(valid).ok_or_else(too_few)?;
    let train = origins.within(0..origins.row(end - 1) + 1);
    Ok(Split {
        train,
        valid,
        calibration,
        test,
    })
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "a single run is a run")]
mod tests {
    use super::*;
    use crate::plan::Draft;

    fn check(origins: &Origins, horizon: usize) -> Split {
        let plan = Draft {
            forecast_horizon: horizon,
            ..Draft::default()
        }
        .check()
        .unwrap();
        let parts = split(origins, &plan, Held::Test).unwrap();
        for (before, after) in [
            (&parts.train, &parts.valid),
            (&parts.valid, &parts.calibration),
            (&parts.calibration, &parts.test),
        ] {
            let last_label = before.last().unwrap() + horizon;
            assert!(
                last_label < after.first().unwrap(),
                "label at {last_label} reaches {:?}",
                after.first()
            );
        }
        assert_eq!(parts.test.last(), origins.last());
        parts
    }

    #[test]
    fn labels_never_reach_the_next_part() {
        let parts = check(&Origins::new([0..1090]), 30);
        assert_eq!(
            (
                parts.train.len(),
                parts.valid.len(),
                parts.calibration.len(),
                parts.test.len()
            ),
            (650, 100, 100, 150)
        );
        assert_eq!(
            parts.valid.first().unwrap() - parts.train.last().unwrap(),
            31
        );
        check(&Origins::new([30..400, 500..505, 700..1500]), 7);
        check(&Origins::new([0..26]), 1);
        check(&Origins::new([0..113]), 30);
    }

    #[test]
    fn without_a_test_part_the_newest_windows_calibrate() {
        let plan = Draft::default().check().unwrap();
        let parts = split(&Origins::new([0..1060]), &plan, Held::Nothing).unwrap();
        let lengths = [&parts.train, &parts.valid, &parts.calibration].map(Origins::len);
        assert_eq!((lengths, parts.test.len()), ([800, 100, 100], 0));
        assert_eq!(parts.calibration.last(), Some(1059));
        assert_eq!(
            parts.calibration.first().unwrap() - parts.valid.last().unwrap(),
            31
        );
    }

    #[test]
    fn too_few_windows_are_named() {
        let plan = Draft::default().check().unwrap();
        let error = split(&Origins::new([0..112]), &plan, Held::Test).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("112 windows of 30 past and 30 ahead cannot be split"),
            "{error}"
        );
        assert!(
            error.to_string().ends_with("wanted at least 113"),
            "{error}"
        );
    }
}
