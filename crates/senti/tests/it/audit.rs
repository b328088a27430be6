//! The audit: silent on the product's own path, loud on every leak, whatever the data are.

use std::borrow::Cow;

use senti::audit::pipeline::{Clean, Label, Pipeline, Run, Setting, Taught};
use senti::audit::{Audit, CHECKS, Options, PLANTED, audit, audit_joined, examine, setting};
use senti::evaluation::Evaluation;
use senti::features::FeatureSet;
use senti::forecast::Forecast;
use senti::join::{Side, join};
use senti::matrix::Matrix;
use senti::observe::{Event, Next};
use senti::plan::{Draft, Plan, Target};
use senti::table::Rows;
use senti::trained::Ground;
use senti::windows::Windows;
use senti::{Column, ErrorKind, Result, Role, Table};

use crate::market::{DAY, machine, plan, rows, small, table};

const FEW: Options = Options {
    origins: 3,
    seed: 7,
};

fn audited(table: &Table, plan: &Plan) -> Audit {
    audit(table, plan, machine(2), &FEW, &mut |_| Next::Continue).unwrap()
}

#[track_caller]
fn check_clean(audit: &Audit) {
    for check in &audit.checks {
        assert!(check.passed, "{check:?}");
        assert!(check.evidence.is_none() && !check.detail.is_empty());
    }
    for plant in &audit.planted {
        assert!(plant.caught, "{} was not caught", plant.name);
        let by = plant.by.as_ref().unwrap();
        assert!(!by.passed && by.evidence.is_some(), "{plant:?}");
    }
    assert!(audit.clean);
    assert_eq!(audit.checks.len(), CHECKS.len());
    assert_eq!(audit.planted.len(), PLANTED.len());
}

#[test]
fn no_false_alarm_and_no_leak_missed() {
    let table = table(rows(420, 1));
    for model_type in ["lstm", "basic"] {
        for target in [Target::LogReturn, Target::Price] {
            let draft = Draft {
                target,
                ..small(model_type)
            };
            check_clean(&audited(&table, &draft.check().unwrap()));
        }
    }
}

/// Gaps, hours, a price alone, a market that closes at weekends, a column that begins late, few rows.
#[test]
fn no_false_alarm_on_odd_tables() {
    let basic = plan("basic");
    let check = |name: &str, rows: Rows| {
        let audit = audited(&table(rows), &basic);
        let failed: Vec<_> = audit.checks.iter().filter(|check| !check.passed).collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
        let missed: Vec<_> = audit.planted.iter().filter(|plant| !plant.caught).collect();
        assert!(missed.is_empty(), "{name}: {missed:?}");
    };
    let mut gap = rows(500, 2);
    gap.time[430..]
        .iter_mut()
        .for_each(|time| *time += 60 * DAY);
    check("a long gap in the test part", gap);
    let mut hours = rows(400, 3);
    hours.time.iter_mut().for_each(|time| *time /= 24);
    check("hours", hours);
    let mut alone = rows(400, 4);
    alone.columns.retain(|column| column.role == Role::Close);
    check("a price alone", alone);
    let mut closed = rows(600, 5);
    let open: Vec<bool> = (0..600).map(|day| !matches!(day % 7, 2 | 3)).collect();
    let keep = |row: usize| open[row];
    closed.time = (0..600)
        .filter(|&row| keep(row))
        .map(|row| row as i64 * DAY)
        .collect();
    for column in &mut closed.columns {
        let values = column.values.iter().enumerate();
        column.values = values
            .filter(|(row, _)| keep(*row))
            .map(|(_, &value)| value)
            .collect();
    }
    check("closed at weekends", closed);
    let mut late = rows(400, 6);
    late.columns.last_mut().unwrap().values[..60].fill(f64::NAN);
    check("a column that begins late", late);
    check("few rows", rows(120, 7));
}

/// The flaws of the original program (its numbers in the notes on forecasting), each with the leak that plants it.
#[test]
fn every_flaw_of_the_original_is_planted_and_caught() {
    let audit = audited(&table(rows(420, 1)), &plan("lstm"));
    for (flaw, names) in [
        (
            "target and test winsorised on all rows",
            &["winsorised_truth"][..],
        ),
        (
            "scaler and caps fitted again at prediction",
            &["scaler_refitted"],
        ),
        (
            "future mislabelled by a horizon",
            &["forecast_a_horizon_late"],
        ),
        (
            "direction of step 0 always right",
            &["first_step_always_right"],
        ),
        (
            "importance, and a baseline, of same-day features",
            &["same_day_feature"],
        ),
        (
            "a seeded random walk served as the forecast",
            &["forecast_from_nowhere"],
        ),
        (
            "model and baseline scored in different units",
            &["naive_in_other_units"],
        ),
        ("naive anchored once", &["naive_held"]),
        (
            "folds whose windows hold their own labels",
            &["window_over_labels", "label_in_inputs"],
        ),
        (
            "folds scaled with later rows, and no gap",
            &["scaler_on_everything", "no_gap"],
        ),
        ("the close is no input", &["close_left_out"]),
    ] {
        for name in names {
            let plant = audit.planted.iter().find(|plant| plant.name == *name);
            assert!(plant.is_some_and(|plant| plant.caught), "{flaw}: {name}");
        }
    }
}

#[test]
fn the_same_question_gets_the_same_answer() {
    let (table, plan) = (table(rows(300, 8)), plan("lstm"));
    let of = |threads: usize, seed: u64| {
        let options = Options { seed, ..FEW };
        let found = audit(&table, &plan, machine(threads), &options, &mut |_| {
            Next::Continue
        });
        serde_json::to_string(&found.unwrap()).unwrap()
    };
    let first = of(1, 7);
    assert_eq!(first, of(3, 7), "threads change nothing");
    assert_ne!(first, of(1, 8), "other origins");
    let read: Audit = serde_json::from_str(&first).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), first);
}

/// What is audited is what `train` does: the step-by-step path ends with the weights of the door, bit for bit.
#[test]
fn the_audited_path_is_the_doors() {
    let table = table(rows(300, 9));
    for model_type in ["lstm", "basic"] {
        let setting = setting(&table, &plan(model_type), machine(1)).unwrap();
        let clean = Clean(setting.clone());
        let run = clean.run(&table).unwrap();
        let taught = clean.teach(&table, &setting.small).unwrap();
        let manifest = &run.artifact.manifest;
        assert_eq!(taught.tensors, run.artifact.tensors);
        assert_eq!(taught.preparation, manifest.preparation);
        assert_eq!(taught.calibration, manifest.calibration);
        assert_eq!(taught.features, manifest.features);
        for (window, tested) in run.tested.iter().enumerate() {
            assert_eq!(taught.predictions.point(window), tested.point);
        }
    }
}

/// Leaks that are not planted by the audit itself: it must find them, too.
struct Leaky {
    setting: Setting,
    leak: Leak,
}

#[derive(Clone, Copy, PartialEq)]
enum Leak {
    None,
    /// The last feature is taken from the row ahead, on one row in five.
    SometimesAhead,
    /// Features are smoothed by a running mean that was reversed once too often.
    ReversedSmoothing,
    /// Prices above the third quartile and 1.5 interquartile ranges of everything are cut there: the original's rule.
    Capped,
    /// Forms are learned on all rows.
    FormsOfEverything,
    /// The forecast is of the right prices, a step late.
    StepLate,
    /// The parts are in the wrong order.
    TestFirst,
    /// Errors are of half the windows.
    HalfScored,
    /// Futures begin at the origin itself.
    LabelsADayEarly,
}

impl Leaky {
    fn spoil(&self, table: &Table, matrix: &mut Matrix) {
        let (n_rows, last) = (matrix.n_rows(), matrix.n_columns() - 1);
        let values: Vec<f64> = (0..n_rows).map(|row| matrix.value(row, last)).collect();
        let spoiled: Vec<f64> = match self.leak {
            Leak::SometimesAhead => (0..n_rows)
                .map(|row| {
                    let ahead = table.time()[row] / DAY % 5 == 0;
                    values[(row + usize::from(ahead)).min(n_rows - 1)]
                })
                .collect(),
            Leak::ReversedSmoothing => {
                let mut kept = 0.0;
                let mut smooth = values.clone();
                for value in smooth.iter_mut().rev() {
                    if !value.is_nan() {
                        kept = 0.5 * kept + 0.5 * *value;
                        *value = kept;
                    }
                }
                smooth
            }
            _ => return,
        };
        matrix.set_column(last, &spoiled);
    }
}

impl Pipeline for Leaky {
    fn setting(&self) -> &Setting {
        &self.setting
    }

    fn ground(&self, table: &Table, plan: &Plan) -> Result<Ground> {
        let clean = Clean(self.setting.clone());
        let mut ground = clean.ground(table, plan)?;
        if self.leak == Leak::FormsOfEverything {
            let rows = 0..table.n_rows();
            ground.features = FeatureSet::learn(table, rows, &Default::default())?;
            ground.matrix = ground.features.compute(table)?;
        }
        if self.leak == Leak::TestFirst {
            std::mem::swap(&mut ground.parts.calibration, &mut ground.parts.test);
        }
        self.spoil(table, &mut ground.matrix);
        Ok(ground)
    }

    fn matrix(&self, features: &FeatureSet, table: &Table) -> Result<Matrix> {
        let mut matrix = features.compute(table)?;
        self.spoil(table, &mut matrix);
        Ok(matrix)
    }

    fn labels(&self, table: &Table, windows: &Windows<'_>) -> Vec<Label> {
        let mut labels = Clean(self.setting.clone()).labels(table, windows);
        let mut sorted = table.close().to_vec();
        sorted.sort_by(f64::total_cmp);
        let quartile = |q: f64| senti::quantiles::linear(&sorted, q);
        let cap = quartile(0.75) + 1.5 * (quartile(0.75) - quartile(0.25));
        for label in &mut labels {
            match self.leak {
                Leak::Capped => label
                    .prices
                    .iter_mut()
                    .for_each(|price| *price = price.min(cap)),
                Leak::LabelsADayEarly => {
                    let rows = label.origin..label.origin + label.prices.len();
                    label.prices.copy_from_slice(&table.close()[rows.clone()]);
                    label.times.copy_from_slice(&table.time()[rows]);
                }
                _ => {}
            }
        }
        labels
    }

    fn forecast(&self, run: &Run, table: &Table) -> Result<Forecast> {
        let mut forecast = Clean(self.setting.clone()).forecast(run, table)?;
        if self.leak == Leak::StepLate {
            for row in &mut forecast.rows {
                row.time = table.calendar().after(row.time, 1);
            }
        }
        Ok(forecast)
    }

    fn scores(&self, run: &Run, table: &Table) -> Evaluation {
        let mut scores = Clean(self.setting.clone()).scores(run, table);
        if self.leak == Leak::HalfScored {
            let half = &run.tested[..run.tested.len() / 2];
            let errors = half
                .iter()
                .map(|tested| (tested.actual[0] - tested.point[0]).abs());
            let mae = errors.sum::<f64>() / half.len() as f64;
            scores.model.steps[0].insert("mae".into(), Some(mae));
        }
        scores
    }

    fn teach(&self, table: &Table, plan: &Plan) -> Result<Taught> {
        // whatever is learned, the checks of the path must see these leaks by themselves
        Clean(self.setting.clone()).teach(table, plan)
    }
}

#[test]
fn leaks_of_other_kinds_are_found_and_named() {
    // a price that grew tenfold at the end, as the original's data had it, and a column whose form depends on the rows it is learned on
    let mut grown = rows(420, 1);
    for column in grown
        .columns
        .iter_mut()
        .filter(|column| column.role.is_price())
    {
        for (row, value) in column.values.iter_mut().enumerate().skip(330) {
            *value *= (0.03 * (row - 330) as f64).exp();
        }
    }
    let mut drift = 0.0;
    let mood = grown.columns.last_mut().unwrap();
    for (row, value) in mood.values.iter_mut().enumerate() {
        drift += if row >= 330 { 40.0 } else { 0.0 };
        *value += drift;
    }
    let table = table(grown);
    let setting = setting(&table, &plan("basic"), machine(2)).unwrap();
    for (leak, wanted) in [
        (Leak::None, &[][..]),
        (Leak::SometimesAhead, &["features"][..]),
        (Leak::ReversedSmoothing, &["features", "inputs"]),
        (Leak::Capped, &["labels"]),
        (Leak::FormsOfEverything, &["preparation"]),
        (Leak::StepLate, &["dates"]),
        (Leak::TestFirst, &["parts"]),
        (Leak::HalfScored, &["scores"]),
        (Leak::LabelsADayEarly, &["labels"]),
    ] {
        let leaky = Leaky {
            setting: setting.clone(),
            leak,
        };
        let checks = examine(&leaky, &table, &FEW).unwrap();
        let failed: Vec<&str> = checks
            .iter()
            .filter(|check| !check.passed)
            .map(|check| check.name.as_str())
            .collect();
        match wanted {
            [] => assert!(failed.is_empty(), "false alarm: {failed:?}"),
            wanted => assert!(
                wanted.iter().all(|name| failed.contains(name)),
                "wanted {wanted:?}, failed {failed:?}"
            ),
        }
    }
}

#[test]
fn evidence_names_check_column_origin_and_row() {
    let table = table(rows(420, 1));
    let setting = setting(&table, &plan("basic"), machine(2)).unwrap();
    let row = PLANTED
        .iter()
        .find(|row| row.name == "same_day_feature")
        .unwrap();
    let checks = examine(&*row.pipeline(&setting), &table, &FEW).unwrap();
    let features = checks
        .iter()
        .find(|check| check.name == "features")
        .unwrap();
    let evidence = features.evidence.clone().unwrap();
    assert_eq!(evidence.column.as_deref(), Some("log_return_1"));
    assert_eq!(evidence.alteration.as_deref(), Some("altered"));
    // it looks one row ahead: the first row that moves is the origin itself
    assert!(evidence.row.is_some() && evidence.row == evidence.origin);
}

/// The move of the next row, with noise: known a row early it is a leak in the data; in its own row it is not.
#[test]
fn a_column_that_is_dated_early_is_found() {
    let with = |lag: usize| {
        let mut rows = rows(420, 1);
        let close = rows.columns[3].values.clone();
        let n = close.len();
        let values = (0..n).map(|row| {
            let at = |row: usize| (close[row % n] / close[(row + n - 1) % n]).ln();
            // a third of the variance: what the NASDAQ's day shares with a coin's
            at(row + 1 - lag) + 1.4 * at(row * 211 + 97)
        });
        let values = values.collect();
        rows.columns.push(Column {
            name: "index".into(),
            role: Role::Series,
            values,
        });
        let found = audited(&table(rows), &plan("basic"));
        found
            .checks
            .into_iter()
            .find(|check| check.name == "publication")
            .unwrap()
    };
    assert!(with(1).passed, "{:?}", with(1));
    let early = with(0);
    assert!(!early.passed);
    assert_eq!(early.evidence.unwrap().column.as_deref(), Some("index"));
}

/// A series about every fifth day, published so many days later: hashed values, nothing that helps.
fn index(table: &Table, late: i64) -> Side {
    let time: Vec<i64> = table.time().iter().copied().step_by(5).collect();
    let known = time.iter().map(|time| time + late * DAY).collect();
    let value = |row: usize| ((row * 7919 + 13) % 101) as f64;
    let values = (0..time.len()).map(value).collect();
    let side = Side::new("index_age", time, known, vec![("index".into(), values)]).unwrap();
    side.told(format!("`index` is known {late} days late"))
}

#[test]
fn a_joined_value_may_not_stand_before_its_publication() {
    let table = table(rows(420, 1));
    let published = index(&table, 12);
    let audited = |joined: &Table| {
        let sides = [published.clone()];
        audit_joined(
            joined,
            &sides,
            &plan("basic"),
            machine(2),
            &FEW,
            &mut |_| Next::Continue,
        )
    };
    let honest = audited(&join(&table, std::slice::from_ref(&published)).unwrap()).unwrap();
    check_clean(&honest);
    assert!(
        honest
            .assumed
            .contains(&"`index` is known 12 days late".to_owned())
    );
    let plant = honest
        .planted
        .iter()
        .find(|plant| plant.name == "late_published");
    assert_eq!(plant.unwrap().by.as_ref().unwrap().name, "joins");
    // the same series at the days that it is about
    let early = join(&table, &[index(&table, 0)]).unwrap();
    let found = audited(&early).unwrap();
    let check = found
        .checks
        .iter()
        .find(|check| check.name == "joins")
        .unwrap();
    assert!(!check.passed && !found.clean);
    assert_eq!(
        check.evidence.clone().unwrap().column.as_deref(),
        Some("index")
    );
}

#[test]
fn what_cannot_be_audited_is_named() {
    let plan = plan("basic");
    let none = Options { origins: 0, ..FEW };
    let long = table(rows(300, 1));
    let error = audit(&long, &plan, machine(1), &none, &mut |_| Next::Continue).unwrap_err();
    assert_eq!(error.to_string(), "`origins` is 0, wanted at least 1");
    let short = table(rows(30, 1));
    let error = audit(&short, &plan, machine(1), &FEW, &mut |_| Next::Continue).unwrap_err();
    assert!(error.to_string().contains("cannot be split"), "{error}");
    let mut seen = Vec::new();
    let mut stop = |event: Event<'_>| {
        if let Event::Working { what, .. } = event {
            seen.push(what);
        }
        match seen.len() {
            3 => Next::Stop,
            _ => Next::Continue,
        }
    };
    let error = audit(&long, &plan, machine(1), &FEW, &mut stop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(seen, ["preparing", "timestamps", "table"]);
}

/// A long table is audited on its newest rows, and says so.
#[test]
fn of_many_rows_the_newest_are_audited() {
    let mut minutes = rows(5_400, 3);
    minutes.time.iter_mut().for_each(|time| *time /= 1_440);
    let table = table(minutes);
    let found = audited(&table, &plan("basic"));
    check_clean(&found);
    assert_eq!((found.rows, found.rows_audited), (5_400, 5_000));
    assert!(
        found
            .assumed
            .iter()
            .any(|text| text.contains("newest 5000 of 5400 rows"))
    );
    let whole: Cow<'_, Table> = Clean(setting(&table, &plan("basic"), machine(1)).unwrap())
        .table(&table)
        .map(|table| Cow::Owned(table.into_owned()))
        .unwrap();
    assert_eq!(
        whole.n_rows(),
        5_400,
        "the clean path sees the table as it is"
    );
}
