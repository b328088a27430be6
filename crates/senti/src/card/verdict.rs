//! From p values to words. In comes a model's card with adjusted p values; out goes what may be said of it, in a sentence that a reader
//! without statistics understands. Nothing here computes a score.

use crate::backtest::Truth;

use super::build::Adjusted;
use super::{ModelCard, Part, SIGNIFICANCE, Shown, Verdict, Word};

/// Before anything is said.
pub(super) fn none() -> Verdict {
    Verdict {
        word: Word::NotJudged,
        title: title(Word::NotJudged).to_owned(),
        sentence: String::new(),
        point: String::new(),
        up_to: None,
        better: Vec::new(),
        worse: Vec::new(),
    }
}

fn title(word: Word) -> &'static str {
    match word {
        Word::BeatsNaive => "beats naive",
        Word::Inconclusive => "inconclusive",
        Word::NoBetter => "no better",
        Word::NotJudged => "not judged",
    }
}

/// `1, 3 and 7`.
pub(super) fn and(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A percentage with its sign taken off: `1.7 %`.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share.abs())
}

/// Word for a step of the table, in the plural.
fn unit(step: i64) -> &'static str {
    match step {
        86_400_000 => "days",
        3_600_000 => "hours",
        60_000 => "minutes",
        604_800_000 => "weeks",
        _ => "steps",
    }
}

/// `1, 3 and 7 days ahead, and over all 30 days together`.
fn places(truth: &Truth, rows: &[&Shown]) -> String {
    let unit = unit(truth.step);
    let steps: Vec<_> = rows
        .iter()
        .filter(|row| row.step.is_some())
        .map(|row| row.name.as_str())
        .collect();
    let all = rows.iter().any(|row| row.step.is_none());
    let together = format!("over all {} {unit} together", truth.horizon);
    let ahead = match steps[..] {
        ["1"] => format!("1 {} ahead", unit.trim_end_matches('s')),
        _ => format!("{} {unit} ahead", and(&steps)),
    };
    match (steps.is_empty(), all) {
        (true, _) => together,
        (false, false) => ahead,
        (false, true) => format!("{ahead} and {together}"),
    }
}

fn significant(p: Option<f64>) -> bool {
    p.is_some_and(|p| p < SIGNIFICANCE)
}

pub(super) fn verdict(
    truth: &Truth,
    shown: &[Shown],
    model: &ModelCard,
    crps: &Adjusted,
    close: &Adjusted,
    has_naive: bool,
    still: bool,
) -> Verdict {
    let point = point(truth, shown, model, close, still);
    let not_judged = |sentence: String| Verdict {
        sentence,
        point: point.clone(),
        ..none()
    };
    if model.role == Part::Naive {
        return not_judged("it is what the others are compared with".into());
    }
    if !has_naive {
        return not_judged("there is no naive forecast to compare it with".into());
    }
    if model
        .horizons
        .iter()
        .all(|horizon| horizon.distribution.is_none())
    {
        return not_judged("it has no quantiles to compare with naive's".into());
    }
    let judged: Vec<usize> = (0..shown.len())
        .filter(|&row| crps.better[row].is_some())
        .collect();
    let skill = |row: usize| {
        model.horizons[row]
            .against_naive
            .as_ref()
            .and_then(|skill| skill.skill)
    };
    if judged.is_empty() {
        let most = shown
            .iter()
            .map(|row| row.n_independent)
            .fold(0.0, f64::max);
        return Verdict {
            word: Word::Inconclusive,
            title: title(Word::Inconclusive).into(),
            sentence: format!(
                "{} origins, of which {most:.0} do not overlap, are too few to tell it from naive",
                truth.len()
            ),
            point,
            ..none()
        };
    }
    let rows = |of: &[Option<f64>]| -> Vec<&Shown> {
        shown
            .iter()
            .enumerate()
            .filter(|&(row, _)| significant(of[row]))
            .map(|(_, row)| row)
            .collect()
    };
    let (better, worse) = (rows(&crps.better), rows(&crps.worse));
    let skills: Vec<f64> = judged.iter().filter_map(|&row| skill(row)).collect();
    let mean = skills.iter().sum::<f64>() / skills.len().max(1) as f64;
    let word = if !better.is_empty() {
        Word::BeatsNaive
    } else if !worse.is_empty() || mean <= 0.0 {
        Word::NoBetter
    } else {
        Word::Inconclusive
    };
    let up_to = judged
        .iter()
        .filter_map(|&row| shown[row].step.map(|step| (row, step)))
        .take_while(|&(row, _)| significant(crps.better[row]))
        .last()
        .map(|(_, step)| step);

    let size = |row: &Shown| -> f64 {
        let place = shown.iter().position(|other| other == row);
        place.and_then(skill).unwrap_or(0.0)
    };
    let range = |rows: &[&Shown]| -> String {
        let sizes: Vec<f64> = rows.iter().map(|row| size(row).abs()).collect();
        let low = sizes.iter().copied().fold(f64::INFINITY, f64::min);
        let high = sizes.iter().copied().fold(0.0, f64::max);
        let (low, high) = (percent(low), percent(high));
        if low == high {
            high
        } else {
            format!("{} to {high}", low.trim_end_matches(" %"))
        }
    };
    let smallest = judged
        .iter()
        .filter_map(|&row| crps.better[row])
        .fold(1.0, f64::min);
    let but_worse = if worse.is_empty() {
        String::new()
    } else {
        format!(
            "; {} it is worse, by {}",
            places(truth, &worse),
            range(&worse)
        )
    };
    let looked_at: Vec<&Shown> = judged.iter().map(|&row| &shown[row]).collect();
    let sentence = match word {
        Word::BeatsNaive => {
            let rest: Vec<_> = judged
                .iter()
                .map(|&row| &shown[row])
                .filter(|row| !better.contains(row) && !worse.contains(row))
                .collect();
            let rest = if rest.is_empty() {
                String::new()
            } else {
                format!("; {} luck explains the difference", places(truth, &rest))
            };
            format!(
                "its distribution is better than naive's {} (CRPS lower by {}){rest}{but_worse}",
                places(truth, &better),
                range(&better)
            )
        }
        Word::NoBetter if !worse.is_empty() => format!(
            "its distribution is worse than naive's {} (CRPS higher by {}) and better nowhere",
            places(truth, &worse),
            range(&worse)
        ),
        Word::NoBetter if skills.iter().all(|&skill| skill == 0.0) => {
            "its distribution is naive's".into()
        }
        Word::NoBetter => format!(
            "its CRPS is {} above naive's in the mean of {}, and significantly below it nowhere",
            percent(mean),
            places(truth, &looked_at)
        ),
        _ => format!(
            "its CRPS is {} below naive's in the mean of {}, which luck explains (smallest p after correction {smallest:.2})",
            percent(mean),
            places(truth, &looked_at)
        ),
    };
    let names = |rows: &[&Shown]| rows.iter().map(|row| row.name.clone()).collect();
    Verdict {
        word,
        title: title(word).into(),
        sentence,
        point,
        up_to,
        better: names(&better),
        worse: names(&worse),
    }
}

/// Is the point forecast better than the last close?
fn point(
    truth: &Truth,
    shown: &[Shown],
    model: &ModelCard,
    close: &Adjusted,
    still: bool,
) -> String {
    if still {
        return "its point forecast is the last close".into();
    }
    // what is not judged is not told either, but where nothing is
    let judged = shown.iter().any(|row| row.judged);
    let ratios: Vec<f64> = shown
        .iter()
        .zip(&model.horizons)
        .filter(|(row, _)| row.judged || !judged)
        .filter_map(|(_, horizon)| horizon.point.relative_mae)
        .collect();
    let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ratios.iter().copied().fold(0.0, f64::max);
    if ratios.is_empty() {
        return "the price never moved: there is nothing to forecast".into();
    }
    let range = if high - low < 5e-4 {
        format!("{high:.3}")
    } else {
        format!("{low:.3} to {high:.3}")
    };
    let rows = |of: &[Option<f64>]| -> Vec<&Shown> {
        shown
            .iter()
            .enumerate()
            .filter(|&(row, _)| significant(of[row]))
            .map(|(_, row)| row)
            .collect()
    };
    let (better, worse) = (rows(&close.better), rows(&close.worse));
    match (better.is_empty(), worse.is_empty()) {
        (true, true) if close.better.iter().all(Option::is_none) => {
            format!("its mean error is {range} times the last close's; not judged")
        }
        (true, true) => format!(
            "as a point forecast it cannot be told from the last close: its mean error is {range} times as large"
        ),
        (false, true) => format!(
            "its point forecast is better than the last close {} (mean error {range} times as large)",
            places(truth, &better)
        ),
        (true, false) => format!(
            "its point forecast is worse than the last close {} (mean error {range} times as large)",
            places(truth, &worse)
        ),
        (false, false) => format!(
            "its point forecast is better than the last close {} and worse {} (mean error {range} times as large)",
            places(truth, &better),
            places(truth, &worse)
        ),
    }
}
