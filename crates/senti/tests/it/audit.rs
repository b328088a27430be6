//! The audit: silent on the product's own path, loud on every leak, whatever the data are.

use std::borrow::Cow;
use std::collections::BTreeSet;

use senti::audit::pipeline::{Clean, Label, Pipeline, Run, Setting};
use senti::audit::{Audit, CHECKS, Options, PLANTED, audit, examine, setting};
use senti::observe::{Event, Next};
use senti::plan::{Draft, Plan, Target};
use senti::table::Rows;
use senti::windows::Windows;
use senti::{ErrorKind, Table};

use crate::market::{machine, plan, rows, small, table};

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

#[test]
fn debug_shuffled() {
    let table = table(rows(420, 1));
    for model_type in ["lstm", "basic"] {
        let plan = plan(model_type);
        let setting = setting(&table, &plan, machine(2)).unwrap();
        for row in PLANTED {
            let p = row.pipeline(&setting);
            let checks = examine(&*p, &table, &FEW).unwrap();
            for c in checks.iter().filter(|c| !c.passed || c.name == "shuffled") {
                println!(
                    "{} {} {} {} {:?}",
                    row.name, c.name, c.passed, c.detail, c.evidence
                );
            }
        }
    }
}
