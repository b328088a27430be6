//! `senti-ai audit`: proves on the user's own rows and choices that nothing uses the future, or says what does.
//!
//! In come settings; out goes a report, as text or JSON, and `audit.json` only where a folder is given. Exit code 0: nothing was found;
//! 1: a leak was, or one that was planted was not. No model is saved.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Instant;

use senti::Error;
use senti::audit::{Audit, CHECKS, Check, Evidence, Options, PLANTED, audit_joined};
use senti::observe::{Event, Next};
use senti_io::report::write_audit;

use crate::failure::Outcome;
use crate::grid::Grid;
use crate::interrupt::Stage;
use crate::options::Verb;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::{interrupt, machine, places, say, source, train};

/// Audits.
pub fn run(settings: &Settings) -> Outcome {
    let plan = train::plan(settings)?;
    let machine = machine::machine(settings)?;
    let request = source::request(settings)?;
    let folder = settings.path("output");
    if let Some(folder) = &folder {
        places::spare_input(&request, folder, Verb::Audit, true)?;
    }
    interrupt::listen()?;
    let reading = source::read(&request)?;
    let whole = |name| settings.whole(name).unwrap_or_default();
    let options = Options {
        origins: usize::try_from(whole("origins")).unwrap_or(usize::MAX),
        seed: whole("seed"),
    };
    let start = Instant::now();
    // A bar for a terminal; a line for each half anywhere else.
    let mut bar = std::io::stderr().is_terminal().then(|| Progress::new(1));
    let mut observe = |event: Event<'_>| {
        interrupt::stage(Stage::Working);
        match (&mut bar, &event) {
            (Some(bar), _) => bar.see(&event, start.elapsed()),
            (None, Event::Working { done: 0, what, .. }) if *what == CHECKS[0].name => {
                say::note(&format!("{} to pass", say::count(CHECKS.len(), "check")));
            }
            (None, Event::Working { done, .. }) if *done == CHECKS.len() => {
                let planted = say::count(PLANTED.len(), "planted leak");
                say::note(&format!("{planted} to catch"));
            }
            _ => {}
        }
        match interrupt::wanted() {
            true => Next::Stop,
            false => Next::Continue,
        }
    };
    let found = audit_joined(
        &reading.table,
        &reading.sides,
        &plan,
        machine,
        &options,
        &mut observe,
    );
    if let Some(bar) = &mut bar {
        bar.clear();
    }
    interrupt::stage(Stage::Starting);
    let found = found?;
    let files: Vec<PathBuf> = match &folder {
        Some(folder) => {
            interrupt::stage(Stage::Telling);
            write_audit(folder, &found)?
        }
        None => Vec::new(),
    };
    let document = serde_json::to_value(&found)
        .map_err(|error| Error::internal("an audit cannot be written as JSON").because(error))?;
    say::result(settings.json(), || document, || text(&found))?;
    if !files.is_empty() {
        say::note(train::written(&files).trim_end());
    }
    match found.clean {
        true => Ok(()),
        false => Err(Error::data(sentence(&found)).hint(hint(&found)).into()),
    }
}

/// The checks, the planted leaks, the places, and the verdict.
fn text(found: &Audit) -> String {
    let mut checks = Grid::new(&["check", "result", "what was looked at"]);
    for check in &found.checks {
        let result = match check.passed {
            true => "passed",
            false => "FAILED",
        };
        checks.row([check.name.clone(), result.into(), check.detail.clone()]);
    }
    let mut planted = Grid::new(&["planted leak", "caught by", "what it does"]);
    for (plant, row) in found.planted.iter().zip(PLANTED) {
        let by = plant.by.as_ref().map(|check| check.name.clone());
        let by = by.unwrap_or_else(|| "NOTHING".into());
        planted.row([plant.name.clone(), by, row.help.into()]);
    }
    let mut text = format!("{}\n{}\n", checks.left(), planted.left());
    for assumption in &found.assumed {
        text += &format!("assumed: {assumption}\n");
    }
    text += "\n";
    for check in found.checks.iter().filter(|check| !check.passed) {
        text += &format!("{}\n", place(check));
    }
    text + &format!("{}\n", sentence(found))
}

/// Where a check failed, in a line.
fn place(check: &Check) -> String {
    let Evidence {
        alteration,
        origin,
        row,
        column,
        found,
    } = check.evidence.clone().unwrap_or_default();
    let mut words = Vec::new();
    if let Some(column) = column {
        words.push(format!("`{column}`"));
    }
    if let Some(row) = row {
        words.push(format!("in the row {row}"));
    }
    match (origin, alteration) {
        (Some(origin), Some(alteration)) => {
            words.push(format!("with the rows behind {origin} {alteration}"));
        }
        (Some(origin), None) => words.push(format!("at the origin {origin}")),
        _ => {}
    }
    let at = match words.is_empty() {
        true => String::new(),
        false => format!(" ({})", words.join(" ")),
    };
    format!("{}: {}{at}: {found}", check.name, check.detail)
}

fn sentence(found: &Audit) -> String {
    let failed: Vec<&str> = found
        .checks
        .iter()
        .filter(|check| !check.passed)
        .map(|check| check.name.as_str())
        .collect();
    let missed: Vec<&str> = found
        .planted
        .iter()
        .filter(|plant| !plant.caught)
        .map(|plant| plant.name.as_str())
        .collect();
    let (checks, plants) = (found.checks.len(), found.planted.len());
    let caught = format!("{} of {plants} planted leaks caught", plants - missed.len());
    match (failed.is_empty(), missed.is_empty()) {
        (true, true) => {
            format!("nothing uses the future: {checks} of {checks} checks passed, {caught}")
        }
        (true, false) => format!(
            "no check failed, but the audit is blind here: {caught}, not {}",
            missed.join(", ")
        ),
        _ => format!(
            "{} of {checks} checks failed: {}; {caught}",
            failed.len(),
            failed.join(", ")
        ),
    }
}

fn hint(found: &Audit) -> &'static str {
    let failed = |name: &str| {
        let mut failed = found.checks.iter().filter(|check| !check.passed);
        failed.any(|check| check.name == name)
    };
    match () {
        () if failed("publication") => {
            "move the column down by its publication lag, or leave it out; one that rightly leads the target by so much cannot be told from one that is dated early"
        }
        () if failed("timestamps") => "`senti-ai inspect FILE` shows what is recognised",
        () if found.checks.iter().all(|check| check.passed) => {
            "give more rows, or lower `--forecast_horizon`"
        }
        () => "this is our mistake, please report it with `--format json`",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(passed: bool, caught: bool) -> Audit {
        let check = Check {
            name: "features".into(),
            passed,
            detail: "a feature looks ahead".into(),
            evidence: Some(Evidence {
                alteration: Some("altered".into()),
                origin: Some("2020-01-05".into()),
                row: Some("2020-01-04".into()),
                column: Some("mood:level".into()),
                found: "was 1, became 2".into(),
            }),
        };
        Audit {
            clean: passed && caught,
            rows: 10,
            rows_audited: 10,
            first: "2020-01-01".into(),
            last: "2020-01-10".into(),
            features: 1,
            origins: Vec::new(),
            assumed: Vec::new(),
            planted: vec![senti::audit::Plant {
                name: "no_gap".into(),
                caught,
                by: caught.then(|| check.clone()),
            }],
            checks: vec![check],
        }
    }

    #[test]
    fn a_leak_is_named_with_its_place() {
        assert_eq!(
            place(&found(false, true).checks[0]),
            "features: a feature looks ahead (`mood:level` in the row 2020-01-04 with the rows behind 2020-01-05 altered): was 1, became 2"
        );
    }

    #[test]
    fn verdicts_do_not_claim_what_was_not_seen() {
        for (passed, caught, wanted) in [
            (
                true,
                true,
                "nothing uses the future: 1 of 1 checks passed, 1 of 1 planted leaks caught",
            ),
            (
                true,
                false,
                "no check failed, but the audit is blind here: 0 of 1 planted leaks caught, not no_gap",
            ),
            (
                false,
                true,
                "1 of 1 checks failed: features; 1 of 1 planted leaks caught",
            ),
        ] {
            assert_eq!(sentence(&found(passed, caught)), wanted);
        }
    }
}
