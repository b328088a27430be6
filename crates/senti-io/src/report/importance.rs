//! What `importance --output DIR` leaves behind.
//!
//! In comes an [`Importance`] under the name of its model; out go the files of the table [`IMPORTANCE`], all or none, in place of an
//! earlier run's. Names and columns are a public interface.

use std::path::{Path, PathBuf};

use senti::Result;
use senti::importance::Importance;
use senti::importance::gradients::Number;
use senti::importance::permutation::COVERAGE;
use serde_json::{Value, json};

use super::figures::{date, number};
use super::html;
use super::remove_files;
use crate::atomic::Stage;
use crate::plots::{self, Scene};

/// How an output comes about.
#[derive(Clone, Copy)]
pub enum MakeImportance {
    /// A file written in one go; `None` where there is nothing to say.
    File(fn(&str, &Importance) -> Option<Vec<u8>>),
    /// A picture, as `<name>.svg` and `<name>.png`; `None` where there is nothing to draw.
    Plot(fn(&Importance) -> Option<Scene>),
}

/// A row of [`IMPORTANCE`].
#[derive(Clone, Copy)]
pub struct ImportanceOutput {
    /// File name; without ending for a picture.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// How it is made.
    pub make: MakeImportance,
}

impl ImportanceOutput {
    /// Names of its files.
    pub fn files(&self) -> Vec<String> {
        match self.make {
            MakeImportance::File(_) => vec![self.name.into()],
            MakeImportance::Plot(_) => ["svg", "png"]
                .map(|ending| format!("{}.{ending}", self.name))
                .into(),
        }
    }
}

/// Everything that is written.
pub const IMPORTANCE: &[ImportanceOutput] = &[
    ImportanceOutput {
        name: "importance.html",
        about: "what the model looks at, on one page that opens from disk",
        make: MakeImportance::File(page),
    },
    ImportanceOutput {
        name: "importance.json",
        about: "everything, unrounded",
        make: MakeImportance::File(|model, found| {
            let mut bytes = format!("{:#}", importance_value(model, found)).into_bytes();
            bytes.push(b'\n');
            Some(bytes)
        }),
    },
    ImportanceOutput {
        name: "importance.csv",
        about: "skill lost by group and step: mean, interval, standard deviation over the shuffles",
        make: MakeImportance::File(|_, found| Some(shuffled(found))),
    },
    ImportanceOutput {
        name: "importance_features.csv",
        about: "feature by feature: attributions by integrated gradients and the forest's share",
        make: MakeImportance::File(|_, found| Some(features(found))),
    },
    ImportanceOutput {
        name: "importance_days.csv",
        about: "attributions by feature and day of the window",
        make: MakeImportance::File(|_, found| days(found)),
    },
    ImportanceOutput {
        name: "importance",
        about: "skill lost by group, with intervals, and by step",
        make: MakeImportance::Plot(|found| Some(plots::shuffled(found))),
    },
    ImportanceOutput {
        name: "importance_features",
        about: "shares of the attributions and of the forest, feature by feature",
        make: MakeImportance::Plot(plots::features),
    },
    ImportanceOutput {
        name: "importance_days",
        about: "heat map of the attributions by feature and day",
        make: MakeImportance::Plot(plots::days),
    },
];

/// Writes everything into `dir` and returns the paths, sorted.
pub fn write_importance(
    dir: &Path,
    model: &str,
    found: &Importance,
    no_plot: bool,
) -> Result<Vec<PathBuf>> {
    let stage = Stage::create(dir)?;
    for output in IMPORTANCE {
        match output.make {
            MakeImportance::File(make) => {
                if let Some(bytes) = make(model, found) {
                    stage.write(output.name, &bytes, dir)?;
                }
            }
            MakeImportance::Plot(_) if no_plot => {}
            MakeImportance::Plot(make) => {
                if let Some(scene) = make(found) {
                    let name = output.name;
                    stage.write(&format!("{name}.svg"), scene.to_svg().as_bytes(), dir)?;
                    stage.write(&format!("{name}.png"), &scene.to_png()?, dir)?;
                }
            }
        }
    }
    let written = stage.spread(dir)?;
    let ours = IMPORTANCE.iter().flat_map(ImportanceOutput::files);
    remove_files(dir, ours, &written)?;
    Ok(written)
}

/// Everything as JSON, with dates as people write them and groups by the names of their features; the same in `importance.json` and on
/// the command line.
pub fn importance_value(model: &str, found: &Importance) -> Value {
    let measured = &found.measured;
    let names = |columns: &[usize]| -> Vec<&str> {
        let columns = columns.iter();
        columns
            .map(|&column| found.features[column].name.as_str())
            .collect()
    };
    let groups = found.permutation.groups.iter().map(|cost| {
        json!({
            "group": cost.group.name,
            "features": names(&cost.group.columns),
            "lost": cost.lost,
        })
    });
    json!({
        "model": model,
        "measured": {
            "windows": measured.windows,
            "held_out": measured.held_out,
            "first_origin": date(measured.first_origin, measured.step),
            "last_origin": date(measured.last_origin, measured.step),
            "step_seconds": measured.step as f64 / 1000.0,
            "input_seq_length": measured.input_seq_length,
            "forecast_horizon": measured.forecast_horizon,
        },
        "choices": found.choices,
        "features": found.features,
        "permutation": {
            "unit": "% of the untouched CRPS",
            "coverage": COVERAGE,
            "block": found.permutation.block,
            "crps_log": found.permutation.loss,
            "groups": groups.collect::<Vec<_>>(),
        },
        "gradients": found.gradients,
        "forest": found.forest,
    })
}

/// A name as a cell: in quotes where it holds what a CSV gives a meaning to.
fn cell(out: &mut Vec<u8>, name: &str) {
    match name.contains([',', '"', '\n', '\r']) {
        true => out.extend(format!("\"{}\"", name.replace('"', "\"\"")).bytes()),
        false => out.extend(name.bytes()),
    }
}

fn numbers(out: &mut Vec<u8>, values: &[f64]) {
    for value in values {
        out.push(b',');
        number(out, *value);
    }
}

/// A line for every group and step; `all` is the mean over all steps. A group's features are separated by spaces.
fn shuffled(found: &Importance) -> Vec<u8> {
    let mut out = b"group,features,step,skill_lost,low,high,std\n".to_vec();
    for cost in &found.permutation.groups {
        let features: Vec<&str> = (cost.group.columns.iter())
            .map(|&column| found.features[column].name.as_str())
            .collect();
        for lost in &cost.lost {
            cell(&mut out, &cost.group.name);
            out.push(b',');
            cell(&mut out, &features.join(" "));
            let step = lost.step.map_or("all".to_owned(), |step| step.to_string());
            out.extend(format!(",{step}").bytes());
            numbers(&mut out, &[lost.mean, lost.low, lost.high, lost.std]);
            out.push(b'\n');
        }
    }
    out
}

/// A line for every feature; what was not measured is left blank.
fn features(found: &Importance) -> Vec<u8> {
    let mut out = b"feature,kind,attribution_median,attribution_width,forest\n".to_vec();
    let attributed = |wanted: Number| {
        let mut all = found.gradients.iter().flat_map(|all| &all.numbers);
        all.find(|attributed| attributed.number == wanted)
    };
    let columns = [Number::Median, Number::Width].map(attributed);
    for (index, feature) in found.features.iter().enumerate() {
        cell(&mut out, &feature.name);
        out.push(b',');
        cell(&mut out, &feature.kind);
        let attributed = columns.map(|column| column.map(|column| column.features[index]));
        let forest = found.forest.as_ref().map(|forest| forest.features[index]);
        for value in attributed.into_iter().chain([forest]) {
            out.push(b',');
            if let Some(value) = value {
                number(&mut out, value);
            }
        }
        out.push(b'\n');
    }
    out
}

/// A line for every number of the forecast, feature and day; day 0 is the last known candle.
fn days(found: &Importance) -> Option<Vec<u8>> {
    let gradients = found.gradients.as_ref()?;
    let mut out = b"number,feature,steps_before,mean_absolute,mean\n".to_vec();
    for attributed in &gradients.numbers {
        let days = attributed.days.iter().zip(&attributed.signed);
        for (index, feature) in found.features.iter().enumerate() {
            for (day, (absolute, signed)) in days.clone().enumerate() {
                out.extend(format!("{},", attributed.number.name()).bytes());
                cell(&mut out, &feature.name);
                out.extend(format!(",{}", attributed.days.len() - 1 - day).bytes());
                numbers(&mut out, &[absolute[index], signed[index]]);
                out.push(b'\n');
            }
        }
    }
    Some(out)
}

/// The page: what shuffling costs over all steps and by step, and what the network's forecasts are made of.
fn page(model: &str, found: &Importance) -> Option<Vec<u8>> {
    let measured = &found.measured;
    let day = |time| date(time, measured.step);
    let groups = &found.permutation.groups;
    let columns = groups.first().map_or(0, |cost| cost.lost.len());
    // over all steps first, then step by step
    let order = (0..columns.min(1))
        .map(|_| columns - 1)
        .chain(0..columns.saturating_sub(1));
    let shuffled = order.map(|column| html::Importance {
        title: match groups[0].lost[column].step {
            None => "Shuffled, over all steps".to_owned(),
            Some(step) => format!("Shuffled, step {step}"),
        },
        unit: "rise of the CRPS in percent when the group is taken from another window".to_owned(),
        rows: groups
            .iter()
            .map(|cost| html::ImportanceRow {
                name: cost.group.name.clone(),
                value: cost.lost[column].mean,
                interval: Some((cost.lost[column].low, cost.lost[column].high)),
            })
            .collect(),
    });
    let explained = found.gradients.iter().flat_map(|gradients| {
        let moving = gradients.numbers.iter();
        let moving = moving.filter(|attributed| attributed.features.iter().any(|x| *x != 0.0));
        moving.map(|attributed| {
            let mut rows: Vec<_> = (attributed.features.iter().zip(&found.features))
                .map(|(&value, feature)| html::ImportanceRow {
                    name: feature.name.clone(),
                    value,
                    interval: None,
                })
                .collect();
            rows.sort_by(|a, b| b.value.total_cmp(&a.value));
            html::Importance {
                title: format!("Integrated gradients of the {}", attributed.number.name()),
                unit: format!(
                    "mean |attribution| over all steps and days, in {}",
                    gradients.unit
                ),
                rows,
            }
        })
    });
    let page = html::Page {
        title: format!("{model}: what it looks at"),
        about: format!(
            "{} of {} held-out windows, origins {} to {}; nothing here says that a feature causes anything",
            measured.windows,
            measured.held_out,
            day(measured.first_origin),
            day(measured.last_origin)
        ),
        step: measured.step,
        importance: shuffled.chain(explained).collect(),
        ..html::Page::default()
    };
    Some(html::render(&page).into_bytes())
}
