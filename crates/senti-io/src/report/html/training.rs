//! The page of a training: the newest forecast, and scores of one test part.

use std::borrow::Cow;
use std::collections::BTreeMap;

use senti::artifact::Manifest;
use senti::imported::FLATTERED;
use senti::metrics::{Better, METRICS, Metric, Scores};
use senti::table::Time;

use super::page::{Cell, Facts, Grid, Horizon, Judgement, Model, Newest, Page, Step, Tone};
use super::sections::span;
use super::text::{NOTHING, figure, sentence, signed_percent};
use crate::plots::axis::grouped;
use crate::plots::{day, reach};
use crate::report::verdict::{Said, Verdict, verdict};
use crate::report::{Results, Training, date};

/// Horizons of the tables, where the forecast reaches them; the last step is always there.
const STEPS: [usize; 4] = [1, 7, 14, 30];

/// Metrics of the tables, with what people call them; the others are in `metrics.json`.
const TABLES: [(&str, &[(&str, &str)]); 3] = [
    (
        "The distribution",
        &[
            ("crps", "CRPS"),
            ("winkler_90", "Winkler, 90 %"),
            ("coverage_50", "in 50 %"),
            ("coverage_80", "in 80 %"),
            ("coverage_90", "in 90 %"),
            ("coverage_95", "in 95 %"),
            ("width_80", "width of 80 %"),
            ("width_90", "width of 90 %"),
        ],
    ),
    (
        "The point forecast",
        &[
            ("mae", "MAE"),
            ("rmse", "RMSE"),
            ("mape", "MAPE"),
            ("mase", "MASE"),
        ],
    ),
    (
        "Up or down",
        &[
            ("direction_accuracy", "right side"),
            ("direction_n", "forecasts that move"),
            ("direction_base_rate", "prices that rose"),
        ],
    ),
];

/// What there is to say of a training; `None` for a forecast alone.
pub fn of_training<'a>(results: &Results<'a>) -> Option<Page<'a>> {
    let training = results.training?;
    let manifest = &training.artifact.manifest;
    let evaluation = &manifest.evaluation;
    let (data, plan) = (&manifest.data, &manifest.plan);
    let step = data.step;
    let name = plan.model_type.clone();
    let target = manifest.target_column.clone();
    let test = manifest.split.iter().find(|part| part.part == "test");
    let measured_on = test.map_or(String::new(), |part| {
        format!(
            "Measured on the test part, which the model never saw: {} windows, from {}. Every value is in the unit of the data unless it says otherwise; ◆ marks the better one.",
            grouped(part.windows as f64, 0),
            span(part.first_origin, part.last_origin, step)
        )
    });
    let held = evaluation.model.overall.get("coverage_90").copied();
    Some(Page {
        title: format!(
            "{target}: forecast for the next {} after {}",
            reach(plan.forecast_horizon, step).trim_start_matches("1 "),
            day(results.forecast.origin, step)
        ),
        about: format!(
            "{}, trained on {} rows of {}, {}.",
            training.entry.map_or(name.clone(), |entry| {
                format!("{} version {}", entry.model_type, entry.version)
            }),
            grouped(data.rows as f64, 0),
            data.source,
            span(data.first, data.last, step)
        ),
        target,
        step,
        models: vec![
            Model {
                name: name.clone(),
                naive: false,
            },
            Model {
                name: "naive".into(),
                naive: true,
            },
        ],
        about_model: Some(0),
        verdicts: vec![judgement(verdict(evaluation))],
        warnings: vec![
            "This is one test part. Whether a difference is more than luck was not tested here: that takes a backtest.".into(),
            "The naive forecast is the last close, with the moves of the past as its quantiles.".into(),
        ],
        newest: Some(Newest {
            forecast: results.forecast.clone(),
            past: past(results),
            came: Vec::new(),
            held: held.flatten(),
        }),
        measured_on,
        overview: overview(&name, &evaluation.model, &evaluation.naive, step),
        horizons: horizons(&name, &evaluation.model, &evaluation.naive, step),
        curves: vec![
            curve(&evaluation.model, &evaluation.naive),
            curve(&evaluation.naive, &evaluation.naive),
        ],
        over_time: Some(Cow::Borrowed(training.recorder.sample())),
        training: Some(manifest),
        facts: facts(&training),
        tried: tried(manifest),
        ..Page::default()
    })
}

/// Prices up to the forecast's origin, as many as a page can want: a table may have millions.
fn past(results: &Results<'_>) -> Vec<(Time, f64)> {
    let (table, forecast) = (results.table, results.forecast);
    let prices = table
        .column(&forecast.target)
        .map_or_else(|| table.close(), |column| &column.values);
    let end = table
        .time()
        .partition_point(|time| *time <= forecast.origin);
    let start = end.saturating_sub(5 * forecast.rows.len() + 21);
    (start..end)
        .map(|row| (table.time()[row], prices[row]))
        .collect()
}

fn judgement(verdict: Verdict) -> Judgement {
    let (tone, word) = match verdict.said {
        // One test part shows nothing for sure, so a better score is no victory yet.
        Said::Better => (
            Tone::Unclear,
            "Better on this test part, not tested for luck",
        ),
        Said::Unclear => (Tone::Unclear, "No clear difference from naive"),
        Said::NoBetter => (Tone::NoBetter, "No better than naive"),
        Said::Nothing => (Tone::Silent, "Nothing to compare with"),
    };
    Judgement {
        tone,
        word: word.into(),
        sentences: vec![sentence(&verdict.sentence)],
    }
}

type Map = BTreeMap<String, Option<f64>>;

fn value(scores: &Map, name: &str) -> Option<f64> {
    let value = scores.get(name).copied().flatten();
    value.filter(|value| value.is_finite())
}

fn shown(n_steps: usize) -> Vec<usize> {
    let mut steps: Vec<_> = STEPS
        .into_iter()
        .chain([n_steps])
        .filter(|step| (1..=n_steps).contains(step))
        .collect();
    steps.sort_unstable();
    steps.dedup();
    steps
}

/// How much lower than naive's the model's errors are, at all horizons.
fn overview(name: &str, model: &Scores, naive: &Scores, step: i64) -> Vec<Grid> {
    let steps = shown(model.steps.len());
    let mut head = vec![(
        "all steps".to_owned(),
        "mean over all steps ahead".to_owned(),
    )];
    head.extend(steps.iter().map(|steps| {
        (
            format!("{} ahead", reach(*steps, step)),
            "at this step alone".to_owned(),
        )
    }));
    let row = |metric: &str| -> Vec<Cell> {
        let cell = |model: &Map, naive: &Map| Cell {
            text: ratio(value(model, metric), value(naive, metric))
                .map_or(NOTHING.into(), |ratio| signed_percent(ratio - 1.0)),
            ..Cell::default()
        };
        let mut cells = vec![cell(&model.overall, &naive.overall)];
        for &step in &steps {
            if let (Some(model), Some(naive)) =
                (model.steps.get(step - 1), naive.steps.get(step - 1))
            {
                cells.push(cell(model, naive));
            }
        }
        cells
    };
    vec![Grid {
        caption: format!("Errors of {name} against naive's: a minus is better, a plus worse"),
        of: "error".into(),
        head,
        rows: vec![
            ("CRPS (distribution)".into(), row("crps")),
            ("MAE (point forecast)".into(), row("mae")),
        ],
    }]
}

fn ratio(model: Option<f64>, naive: Option<f64>) -> Option<f64> {
    let (model, naive) = (model?, naive?);
    (naive > 0.0).then(|| model / naive)
}

fn horizons(name: &str, model: &Scores, naive: &Scores, step: i64) -> Vec<Horizon> {
    let one = |title: String, model: &Map, naive: &Map| Horizon {
        name: title,
        note: String::new(),
        grids: TABLES
            .iter()
            .map(|(caption, columns)| {
                let metrics: Vec<_> = columns
                    .iter()
                    .filter_map(|(key, label)| {
                        let metric = METRICS.iter().find(|metric| metric.name == *key)?;
                        Some((metric, *label))
                    })
                    .collect();
                let row = |scores: &Map| {
                    metrics
                        .iter()
                        .map(|(metric, _)| cell(metric, value(scores, metric.name)))
                        .collect()
                };
                Grid {
                    caption: (*caption).into(),
                    of: "model".into(),
                    head: metrics
                        .iter()
                        .map(|(metric, label)| ((*label).to_owned(), metric.help.to_owned()))
                        .collect(),
                    rows: vec![(name.into(), row(model)), ("naive".into(), row(naive))],
                }
            })
            .collect(),
    };
    let mut out = vec![one("all steps".into(), &model.overall, &naive.overall)];
    for steps in shown(model.steps.len()) {
        if let (Some(model), Some(naive)) = (model.steps.get(steps - 1), naive.steps.get(steps - 1))
        {
            out.push(one(format!("{} ahead", reach(steps, step)), model, naive));
        }
    }
    out
}

fn cell(metric: &Metric, value: Option<f64>) -> Cell {
    let Some(value) = value else {
        return Cell {
            text: NOTHING.into(),
            ..Cell::default()
        };
    };
    Cell {
        text: figure(value, metric.unit),
        rank: match metric.better {
            Better::Lower => Some(value),
            Better::Higher => Some(-value),
            Better::Near(wanted) => Some((value - wanted).abs()),
            Better::Neither => None,
        },
        sure: None,
    }
}

fn curve(scores: &Scores, naive: &Scores) -> Vec<Step> {
    let steps = scores.steps.iter().zip(&naive.steps);
    steps
        .enumerate()
        .map(|(index, (scores, naive))| {
            let relative = |name: &str| ratio(value(scores, name), value(naive, name));
            Step {
                step: index + 1,
                relative_crps: relative("crps"),
                relative_mae: relative("mae"),
                mae: value(scores, "mae"),
                coverage: ["coverage_50", "coverage_80", "coverage_90"]
                    .map(|name| value(scores, name)),
            }
        })
        .collect()
}

fn facts(training: &Training<'_>) -> Vec<Facts> {
    let manifest = &training.artifact.manifest;
    let data = &manifest.data;
    let step = data.step;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let mut rows = vec![
        fact("source", data.source.clone()),
        fact("rows", grouped(data.rows as f64, 0)),
        fact("first row", date(data.first, step)),
        fact("last row", date(data.last, step)),
        fact("step", reach(1, step)),
        fact("target", manifest.target_column.clone()),
        fact(
            "columns",
            data.columns
                .iter()
                .map(|column| column.name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        ),
    ];
    rows.extend(
        data.read_with
            .iter()
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    rows.push(fact("SHA-256 of the rows", data.digest.clone()));
    let split = manifest
        .split
        .iter()
        .map(|part| {
            (
                part.part.clone(),
                format!(
                    "{} windows, origins {}",
                    grouped(part.windows as f64, 0),
                    span(part.first_origin, part.last_origin, step)
                ),
            )
        })
        .collect();
    let mut model = vec![
        fact("program", format!("senti-ai {}", manifest.code_version)),
        fact("instruction set", manifest.simd.clone()),
        fact("features", grouped(manifest.sizes.features as f64, 0)),
    ];
    if let Some(entry) = training.entry {
        model.push(fact(
            "model",
            format!("{}/{}", entry.model_type, entry.version),
        ));
        model.push(fact("kept in", entry.path.display().to_string()));
    }
    let group = |title: &str, rows| Facts {
        title: title.into(),
        rows,
    };
    vec![
        group("Data", rows),
        Facts::of_settings("Configuration", &manifest.plan),
        group("Parts", split),
        group("Model", model),
    ]
}

fn tried(manifest: &Manifest) -> Vec<String> {
    let mut lines = vec![
        "One configuration, trained once. The test part was touched once, at the end, and nothing was chosen on it.".to_owned(),
    ];
    if let Some(from) = &manifest.imported {
        lines.push(format!(
            "The weights came from `{}` ({}); {FLATTERED}.",
            from.file, from.format
        ));
        if manifest.history.is_empty() {
            lines[0] = "Nothing was trained: the network's weights are those of a file. The test part was touched once, at the end, and nothing was chosen on it here.".into();
        }
    }
    let epochs = manifest.history.len();
    if epochs > 0 {
        let plural = if epochs == 1 { "" } else { "s" };
        let kept = match manifest.best_epoch {
            0 if manifest.imported.is_some() => {
                "none was better on the validation part than the imported weights, which were kept"
                    .to_owned()
            }
            0 => "none was better on the validation part than the untrained model, which was kept"
                .to_owned(),
            best => format!(
                "the weights of epoch {best} were the best on the validation part and were kept"
            ),
        };
        lines.push(format!(
            "{} epoch{plural} of at most {}: {kept}.",
            grouped(epochs as f64, 0),
            grouped(manifest.plan.epochs as f64, 0)
        ));
    }
    lines.push("Trainings before this one are not counted here: whoever tries many settings and shows the best one must say how many.".into());
    lines
}
