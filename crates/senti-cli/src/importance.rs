//! `senti-ai importance [MODEL]`: what a saved model looks at, on windows that it never saw.
//!
//! In come a model and settings; out go a table, and files where a folder is given. The rows are those of the record, or others that are
//! given; the windows are those of the model's test part and behind it. Nothing is trained and nothing is saved.

use std::time::Instant;

use senti::importance::groups::GroupBy;
use senti::importance::permutation::{COVERAGE, Cost};
use senti::importance::{Choices, Importance, importance};
use senti::observe::{Event, Next};
use senti::{Error, ErrorKind};
use senti_io::report::{date, importance_value, write_importance};

use crate::failure::{Outcome, usage};
use crate::grid::Grid;
use crate::interrupt::Stage;
use crate::options::Verb;
use crate::progress::Progress;
use crate::settings::Settings;
use crate::verify::Saved;
use crate::{interrupt, machine, places, say, source, train, verify};

/// Features that the table shows; the rest is in the files.
const SHOWN: usize = 10;

/// Measures and tells.
pub fn run(word: Option<&str>, mut settings: Settings) -> Outcome {
    let machine = machine::machine(&settings)?;
    let saved = verify::find(word.unwrap_or("lstm"), &settings)?;
    source::recall(&mut settings, &saved.artifact.manifest).map_err(usage)?;
    let choices = choices(&settings);
    let no_plot = settings.switch("no_plot");
    let request = source::request(&settings)?;
    if let Some(folder) = settings.path("output") {
        places::spare_input(&request, &folder, Verb::Importance, no_plot)?;
    }
    interrupt::listen()?;
    let reading = source::open(&request)?;
    let data = &saved.artifact.manifest.data;
    if reading.digest != data.digest {
        say::note(&format!(
            "note: the rows are not exactly those of the training of {}: windows from its test part on are taken",
            saved.name
        ));
    }
    let start = Instant::now();
    let mut progress = Progress::new(0);
    let mut observe = |event: Event<'_>| {
        interrupt::stage(Stage::Working);
        progress.see(&event, start.elapsed());
        match interrupt::wanted() {
            true => Next::Stop,
            false => Next::Continue,
        }
    };
    let found = importance(
        &saved.artifact,
        &reading.table,
        machine,
        choices,
        &mut observe,
    );
    progress.clear();
    let stopped = || Error::new(ErrorKind::Interrupted, "nothing was written");
    let found = match found {
        Ok(found) if !interrupt::wanted() => found,
        Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
        _ => return Err(stopped().into()),
    };
    interrupt::stage(Stage::Telling);
    let files = match settings.path("output") {
        Some(folder) => write_importance(&folder, &saved.name, &found, no_plot)?,
        None => Vec::new(),
    };
    say::result(
        settings.json(),
        || importance_value(&saved.name, &found),
        || text(&saved, &found),
    )?;
    if !files.is_empty() {
        say::note(train::written(&files).trim_end());
    }
    Ok(())
}

fn choices(settings: &Settings) -> Choices {
    let default = Choices::default();
    let whole = |name: &str, default: usize| {
        let value = settings.whole(name).and_then(|n| usize::try_from(n).ok());
        value.unwrap_or(default)
    };
    let named = settings.text("group_by").unwrap_or_default();
    let mut all = GroupBy::ALL.into_iter();
    Choices {
        repeats: whole("repeats", default.repeats),
        origins: whole("origins", default.origins),
        group_by: all
            .find(|group_by| group_by.name() == named)
            .unwrap_or(default.group_by),
        seed: settings.whole("seed").unwrap_or(default.seed),
    }
}

fn text(saved: &Saved, found: &Importance) -> String {
    let measured = &found.measured;
    let day = |time| date(time, measured.step);
    let mut text = format!(
        "{} on {} of {} held-out windows, origins {} to {}\n\n",
        saved.name,
        measured.windows,
        measured.held_out,
        day(measured.first_origin),
        day(measured.last_origin)
    );
    let columns = |group: &&Cost| !group.group.columns.is_empty();
    let mut costs = found.permutation.groups.iter().filter(columns);
    if costs.all(|cost| cost.lost.iter().all(|lost| lost.mean.abs() < 1e-9)) {
        text += "no column matters: training earned nothing that is believed, so the forecast is its starting distribution, which knows the recent candles alone\n\n";
    }
    text += &shuffled(found);
    text += &features(found);
    text
}

/// Two digits behind the point, and no `-0.00`.
fn percent(value: f64) -> String {
    let text = format!("{value:.2}");
    match text.as_str() {
        "-0.00" => "0.00".to_owned(),
        _ => text,
    }
}

/// Groups, the most costly first.
fn shuffled(found: &Importance) -> String {
    let costs = &found.permutation.groups;
    let steps = costs.first().map_or(&[][..], |cost| &cost.lost[..]);
    let headings: Vec<String> = std::iter::once("group".to_owned())
        .chain(steps.iter().map(|lost| match lost.step {
            Some(step) => format!("step {step}"),
            None => "all steps".into(),
        }))
        .chain([format!("{:.0} % interval", 100.0 * COVERAGE)])
        .collect();
    let headings: Vec<&str> = headings.iter().map(String::as_str).collect();
    let mut grid = Grid::new(&headings);
    for cost in costs {
        let overall = cost.overall();
        let row = std::iter::once(cost.group.name.clone())
            .chain(cost.lost.iter().map(|lost| percent(lost.mean)))
            .chain([format!(
                "{} to {}",
                percent(overall.low),
                percent(overall.high)
            )]);
        grid.row(row);
    }
    let mut text = format!(
        "skill lost in % of the CRPS when a group's columns come from another window ({}, mean of {})\n{}",
        match found.choices.group_by {
            GroupBy::Correlation => "grouped where |rho| > 0.7",
            GroupBy::Kind => "grouped by kind",
            GroupBy::None => "every column alone",
        },
        say::count(found.choices.repeats, "shuffle"),
        grid.numbers(1)
    );
    let together = costs.iter().filter(|cost| cost.group.columns.len() > 1);
    let named = together.map(|cost| {
        let columns = cost.group.columns.iter();
        let names = columns.map(|&column| found.features[column].name.as_str());
        format!(
            "{}: {}\n",
            cost.group.name,
            names.collect::<Vec<_>>().join(", ")
        )
    });
    let named: String = named.collect();
    if !named.is_empty() {
        text += &format!("\ngroups\n{named}");
    }
    text
}

/// Features by their share of the attributions, or of the forest where there are none.
fn features(found: &Importance) -> String {
    let mut columns: Vec<(String, Vec<f64>)> = Vec::new();
    for attributed in found.gradients.iter().flat_map(|all| &all.numbers) {
        let all: f64 = attributed.features.iter().sum();
        let share = |value: &f64| if all > 0.0 { 100.0 * value / all } else { 0.0 };
        columns.push((
            format!("{} %", attributed.number.name()),
            attributed.features.iter().map(share).collect(),
        ));
    }
    let by = columns.len().saturating_sub(1);
    if let Some(forest) = &found.forest {
        let shares = forest.features.iter().map(|share| 100.0 * share);
        columns.push(("forest %".into(), shares.collect()));
    }
    let Some((_, first)) = columns.get(by) else {
        return String::new();
    };
    let mut order: Vec<usize> = (0..first.len()).collect();
    order.sort_by(|&a, &b| first[b].total_cmp(&first[a]));
    let headings: Vec<&str> = std::iter::once("feature")
        .chain(columns.iter().map(|(heading, _)| heading.as_str()))
        .collect();
    let mut grid = Grid::new(&headings);
    for &feature in order.iter().take(SHOWN) {
        let name = found.features[feature].name.clone();
        let shares = columns
            .iter()
            .map(|(_, shares)| format!("{:.1}", shares[feature]));
        grid.row(std::iter::once(name).chain(shares));
    }
    let numbers: Vec<&str> = (found.gradients.iter().flat_map(|all| &all.numbers))
        .map(|attributed| attributed.number.name())
        .collect();
    let title = match numbers.is_empty() {
        false => format!(
            "share of the attributions by integrated gradients, of the forecast's {}",
            numbers.join(" and ")
        ),
        true => "share of the impurity in a random forest".to_owned(),
    };
    let mut text = format!("\n{title}\n{}", grid.numbers(1));
    if order.len() > SHOWN {
        text += &format!("and {} more\n", order.len() - SHOWN);
    }
    for attributed in found.gradients.iter().flat_map(|all| &all.numbers) {
        text += &format!(
            "completeness of the {}: attributions miss the move from the median window by {:.1e} of its mean, {:.1e} at most\n",
            attributed.number.name(),
            attributed.completeness.mean,
            attributed.completeness.largest
        );
    }
    if let Some(forest) = &found.forest {
        text += &format!(
            "the forest ({} trees, {} training rows) knows nothing of the model and is biased towards features of many values; it forecasts the next step with an R² of {:.3} on {}{}\n",
            forest.trees,
            forest.rows,
            forest.held_out_r2,
            say::count(forest.held_out, "held-out window"),
            match forest.held_out_r2 > 0.0 {
                true => "",
                false => ": its ranking is of noise",
            }
        );
    }
    text
}
