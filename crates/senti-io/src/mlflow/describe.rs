//! What is said of a training, a backtest and a fold in MLflow's words.
//!
//! In come plans, records, scores and report cards; out go the parts of a [`RunRecord`]. Names are those of our options, `metrics.json`
//! and `report_card.json`; nothing is computed. Metrics are named so:
//!
//! | key | what | step |
//! | --- | --- | --- |
//! | `train_loss`, `valid_loss`, `learning_rate` | of an epoch; `valid_loss` of epoch 0 is the untrained model's | epoch |
//! | `mae`, `crps`, … and `naive_mae`, … | of the test part, over all steps ahead; the naive forecast beside the model | 0 |
//! | `h01/mae`, `h01/naive_mae`, … | one step ahead alone: steps 1, 3, 7, 14, 30 and the last | 0 |
//! | `by_step/mae`, `by_step/naive_mae`, … | every step ahead (200 of them, evenly spread, where there are more), as a curve | step ahead |
//! | `lstm/h07/skill`, `lstm/all/crps_log`, … | of a backtest's report card: model, horizon, score | 0 |
//! | `lstm/by_step/skill`, … | the same for every step, as a curve | step ahead |

use std::fmt::Write as _;

use senti::artifact::{DataRecord, Manifest};
use senti::backtest::{FoldRecord, Walk};
use senti::card::{HorizonCard, ModelCard, Part, ReportCard};
use senti::evaluation::Evaluation;
use senti::metrics::Scores;
use senti::observe::{EpochRecord, Sizes};
use senti::plan::Plan;
use senti::table::Time;
use serde::Serialize;
use serde_json::{Value, json};

use super::record::{
    DATASET_NAME_LIMIT, DATASET_TEXT_LIMIT, DIGEST_LIMIT, Dataset, Experiment, Metric, Pair,
    RunRecord, Status, cut, metric, param, run_id, tag,
};
use crate::report::{date, verdict};

/// Steps ahead whose scores get a name of their own, where the horizon has them; the last one always does.
const SHOWN: [usize; 5] = [1, 3, 7, 14, 30];
/// Most points of a curve over the steps ahead: ten thousand steps of twenty scores would take minutes to send.
const CURVE: usize = 200;

/// Every choice of a plan, under the names of the options.
pub fn plan(plan: &Plan) -> Vec<Pair> {
    params(&plan.draft())
}

/// Every choice of a walk, under the names of the options; what was left open has no parameter.
pub fn walk(walk: &Walk) -> Vec<Pair> {
    let mut pairs = params(walk);
    if let (Some(start), Some(pair)) = (walk.start, pairs.iter_mut().find(|p| p.key == "start")) {
        pair.value = date(start, 1000);
    }
    pairs
}

/// Windows of each part, rows and features.
pub fn sizes(sizes: &Sizes) -> Vec<Pair> {
    params(sizes)
}

/// The fields of a struct as parameters: lists as on the command line, separated by commas.
fn params(of: &impl Serialize) -> Vec<Pair> {
    let value = serde_json::to_value(of).unwrap_or_default();
    let fields = value.as_object().into_iter().flatten();
    let known = fields.filter(|(_, value)| !value.is_null());
    known.map(|(key, value)| param(key, plain(value))).collect()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The validation loss of the untrained model: epoch 0.
pub fn untrained(valid_loss: f64, time: Time) -> Vec<Metric> {
    vec![metric("valid_loss", valid_loss, time, 0)]
}

/// Losses and learning rate of an epoch.
pub fn epoch(record: &EpochRecord, time: Time) -> Vec<Metric> {
    [
        ("train_loss", record.train_loss),
        ("valid_loss", record.valid_loss),
        ("learning_rate", record.learning_rate),
    ]
    .map(|(key, value)| metric(key, value, time, record.epoch))
    .into()
}

/// Scores of the test part, model and naive: overall, at some steps ahead, and as curves over all of them.
pub fn evaluation(evaluation: &Evaluation, time: Time) -> Vec<Metric> {
    let mut metrics = scores(&evaluation.model, "", time);
    metrics.extend(scores(&evaluation.naive, "naive_", time));
    metrics
}

/// Scores of one forecaster, their names behind this prefix. A score without a value is left out.
pub fn scores(scores: &Scores, prefix: &str, time: Time) -> Vec<Metric> {
    let horizon = scores.steps.len();
    let mut metrics = Vec::new();
    let mut add = |map: &std::collections::BTreeMap<String, Option<f64>>, place: &str, step| {
        let known = map
            .iter()
            .filter_map(|(name, value)| Some((name, (*value)?)));
        metrics.extend(
            known.map(|(name, value)| metric(&format!("{place}{prefix}{name}"), value, time, step)),
        );
    };
    add(&scores.overall, "", 0);
    for step in shown(horizon) {
        add(
            &scores.steps[step - 1],
            &format!("{}/", at(step, horizon)),
            0,
        );
    }
    for step in curve(horizon) {
        add(&scores.steps[step - 1], "by_step/", step);
    }
    metrics
}

/// `h01`: as many digits as the longest horizon has, two at least, so that names sort like numbers.
fn at(step: usize, horizon: usize) -> String {
    let digits = horizon.to_string().len().max(2);
    format!("h{step:0digits$}")
}

/// Steps with names of their own.
fn shown(horizon: usize) -> Vec<usize> {
    let mut steps: Vec<usize> = SHOWN.into_iter().filter(|step| *step < horizon).collect();
    steps.extend((horizon > 0).then_some(horizon));
    steps
}

/// Steps of a curve: all of them, or [`CURVE`], the first and the last among them.
fn curve(horizon: usize) -> Vec<usize> {
    match horizon {
        0..=CURVE => (1..=horizon).collect(),
        _ => (0..CURVE)
            .map(|place| 1 + place * (horizon - 1) / (CURVE - 1))
            .collect(),
    }
}

/// The table that was looked at. The digest is the beginning of the whole one, which stands in the tag `senti.data.sha256`.
pub fn dataset(data: &DataRecord, context: &str) -> Dataset {
    let source_type = data.read_with.get("data_source").cloned();
    let source_type = source_type.unwrap_or_else(|| "local".into());
    let columns = data.columns.iter().map(|column| {
        json!({ "type": "double", "name": cut(column.name.clone(), 250), "required": true })
    });
    let time = json!({ "type": "datetime", "name": "time", "required": true });
    let columns: Vec<Value> = std::iter::once(time).chain(columns).collect();
    let n_columns = columns.len();
    // a server refuses a schema that is too long, and half a list is no JSON
    let mut schema = json!({ "mlflow_colspec": columns }).to_string();
    if schema.len() > DATASET_TEXT_LIMIT {
        schema = json!({ "senti": format!("{n_columns} columns, too many to list") }).to_string();
    }
    let name = match source_type.as_str() {
        "local" => data.source.rsplit(['/', '\\']).next().unwrap_or_default(),
        other => other,
    };
    Dataset {
        name: cut(name.to_owned(), DATASET_NAME_LIMIT),
        digest: data.digest.chars().take(DIGEST_LIMIT - 4).collect(),
        source: json!({ "uri": cut(data.source.clone(), 10_000) }).to_string(),
        source_type,
        schema,
        profile: json!({
            "num_rows": data.rows,
            "num_elements": data.rows * n_columns,
            "first": date(data.first, data.step),
            "last": date(data.last, data.step),
            "step_milliseconds": data.step,
        })
        .to_string(),
        context: context.to_owned(),
    }
}

/// Tags of any run of ours: its number, the program, the data.
pub fn tags(
    id: &str,
    command: &str,
    code_version: &str,
    simd: &str,
    data: &DataRecord,
) -> Vec<Pair> {
    vec![
        tag("senti.run_id", id),
        tag("senti.command", command),
        tag("senti.code_version", code_version),
        tag("senti.simd", simd),
        tag("senti.data.source", data.source.clone()),
        tag("senti.data.sha256", data.digest.clone()),
        tag("mlflow.source.name", format!("senti-ai {command}")),
        tag("mlflow.source.type", "LOCAL"),
    ]
}

/// Tags that a training has when it is done; `model` is its name in the local registry, `lstm/3`.
pub fn trained(manifest: &Manifest, model: Option<&str>) -> Vec<Pair> {
    let mut tags = vec![
        tag("senti.model_type", manifest.plan.model_type.clone()),
        tag("senti.target_column", manifest.target_column.clone()),
        tag("senti.verdict", verdict(&manifest.evaluation).sentence),
        tag("mlflow.note.content", training_note(manifest, model)),
    ];
    if !manifest.history.is_empty() {
        tags.push(tag("senti.best_epoch", manifest.best_epoch.to_string()));
        tags.push(tag("senti.epochs_done", manifest.history.len().to_string()));
    }
    tags.extend(model.map(|model| tag("senti.model", model)));
    tags
}

/// A training in a few lines of markdown, the verdict first.
pub fn training_note(manifest: &Manifest, model: Option<&str>) -> String {
    let (data, plan) = (&manifest.data, &manifest.plan);
    let mut note = format!(
        "**{}**\n\n",
        sentence(&verdict(&manifest.evaluation).sentence)
    );
    let _ = writeln!(
        note,
        "{} that forecasts `{}` {} steps ahead from {} past, trained on {} rows of {} ({} to {}).\n",
        plan.model_type,
        escaped(&manifest.target_column),
        plan.forecast_horizon,
        plan.input_seq_length,
        data.rows,
        escaped(&data.source),
        date(data.first, data.step),
        date(data.last, data.step),
    );
    note += "| score on the test part | model | naive |\n| --- | ---: | ---: |\n";
    let cell = |scores: &Scores, name: &str| {
        let value = scores.overall.get(name).copied().flatten();
        value.map_or("-".to_owned(), |value| format!("{value:.6}"))
    };
    for name in ["mae", "rmse", "mape", "mase", "crps", "coverage_90"] {
        let (model, naive) = (&manifest.evaluation.model, &manifest.evaluation.naive);
        let _ = writeln!(
            note,
            "| {name} | {} | {} |",
            cell(model, name),
            cell(naive, name)
        );
    }
    match manifest.best_epoch {
        _ if manifest.history.is_empty() => {}
        0 => {
            note += "\nNo epoch was better on the validation part than the untrained model, which is kept.\n"
        }
        best => {
            let _ = writeln!(
                note,
                "\nWeights of epoch {best} of {} are kept.",
                manifest.history.len()
            );
        }
    }
    if let Some(model) = model {
        let _ = writeln!(
            note,
            "\nSaved as `{}` in the local registry.",
            escaped(model)
        );
    }
    note
}

/// A sentence of ours as it begins and ends on a page.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// A name of somebody else's in a line of markdown.
fn escaped(text: &str) -> String {
    let plain = |c: char| match c {
        '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '\\' | '#' => format!("\\{c}"),
        c if c.is_control() => " ".into(),
        c => c.into(),
    };
    text.chars().map(plain).collect()
}

/// A whole training from what its model keeps, for those who were not there: every epoch has the time `created`.
pub fn of_model(manifest: &Manifest, model: &str, created: Time) -> RunRecord {
    let digest = manifest.data.digest.as_str();
    let all = serde_json::to_string(&manifest.plan).unwrap_or_default();
    let id = run_id(&[digest, &all, model, &created.to_string()]);
    let mut params = plan(&manifest.plan);
    params.extend(sizes(&manifest.sizes));
    let mut metrics: Vec<Metric> = Vec::new();
    metrics.extend(
        manifest
            .untrained_loss
            .into_iter()
            .flat_map(|loss| untrained(loss, created)),
    );
    metrics.extend(
        manifest
            .history
            .iter()
            .flat_map(|record| epoch(record, created)),
    );
    metrics.extend(evaluation(&manifest.evaluation, created));
    let mut tags = tags(
        &id,
        "train",
        &manifest.code_version,
        &manifest.simd,
        &manifest.data,
    );
    tags.extend(trained(manifest, Some(model)));
    RunRecord {
        name: run_name(
            &manifest.plan.model_type,
            manifest.plan.forecast_horizon,
            &id,
        ),
        id,
        experiment: Experiment::default(),
        parent: None,
        start: created,
        end: Some(created),
        status: Status::Finished,
        tags,
        params,
        metrics,
        inputs: vec![dataset(&manifest.data, "training")],
        artifacts: Vec::new(),
    }
}

/// `lstm-h30-1a2b3c`: what, how far, which.
pub fn run_name(what: &str, horizon: usize, id: &str) -> String {
    format!("{what}-h{horizon}-{}", &id[..id.len().min(6)])
}

/// Parameters of a fold's run.
pub fn fold_params(fold: &FoldRecord, step: i64) -> Vec<Pair> {
    let mut pairs = vec![
        param("model_type", fold.model.clone()),
        param("fold", fold.fold.to_string()),
        param("first_origin", date(fold.first_origin, step)),
        param("last_origin", date(fold.last_origin, step)),
        param("origins", fold.origins.to_string()),
        param("known_until", date(fold.known_until, step)),
    ];
    pairs.extend(sizes(&fold.sizes));
    pairs
}

/// What the training of a fold tells: losses and epochs; a model without epochs has none.
pub fn fold_metrics(fold: &FoldRecord, time: Time) -> Vec<Metric> {
    let epochs = (fold.epochs > 0).then_some(fold.epochs as f64);
    let best = (fold.epochs > 0).then_some(fold.best_epoch as f64);
    let known = [
        ("epochs", epochs),
        ("best_epoch", best),
        ("untrained_loss", fold.untrained_loss),
        ("valid_loss", fold.valid_loss),
    ];
    let known = known
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    known
        .map(|(key, value)| metric(key, value, time, 0))
        .collect()
}

/// The report card of a backtest as metrics.
pub fn card(card: &ReportCard, time: Time) -> Vec<Metric> {
    card.models
        .iter()
        .flat_map(|model| of_model_card(model, card.horizon, time))
        .collect()
}

fn of_model_card(model: &ModelCard, horizon: usize, time: Time) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for row in &model.horizons {
        let place = row.step.map_or("all".to_owned(), |step| at(step, horizon));
        let known = horizon_scores(row).into_iter();
        metrics.extend(known.filter_map(|(name, value)| {
            Some(metric(
                &format!("{}/{place}/{name}", model.model),
                value?,
                time,
                0,
            ))
        }));
    }
    for step in curve(model.steps.len()) {
        let row = &model.steps[step - 1];
        let known = [
            ("mae_price", Some(row.mae_price)),
            ("relative_mae", row.relative_mae),
            ("crps_log", row.crps_log),
            ("skill", row.skill),
            ("coverage_80", row.coverage_80),
            ("coverage_90", row.coverage_90),
            ("direction", row.direction),
        ];
        metrics.extend(known.into_iter().filter_map(|(name, value)| {
            let key = format!("{}/by_step/{name}", model.model);
            Some(metric(&key, value?, time, row.step))
        }));
    }
    metrics
}

fn horizon_scores(row: &HorizonCard) -> Vec<(&'static str, Option<f64>)> {
    let distribution = row.distribution.as_ref();
    let covered = |nominal: f64| {
        let intervals = &distribution?.intervals;
        let found = intervals
            .iter()
            .find(|interval| (interval.nominal - nominal).abs() < 1e-9);
        found.map(|interval| interval.coverage)
    };
    let naive = row.against_naive.as_ref();
    let yardstick = row.against_yardstick.as_ref();
    vec![
        ("mae_price", Some(row.point.mae_price)),
        ("rmse_price", Some(row.point.rmse_price)),
        ("mase", row.point.mase),
        ("relative_mae", row.point.relative_mae),
        ("r2_out_of_sample", row.point.r2_out_of_sample),
        ("crps_log", distribution.map(|scores| scores.crps_log)),
        ("crps_price", distribution.map(|scores| scores.crps_price)),
        ("coverage_80", covered(0.8)),
        ("coverage_90", covered(0.9)),
        ("skill", naive.and_then(|skill| skill.skill)),
        (
            "p_holm",
            naive.and_then(|skill| skill.diebold_mariano.p_holm),
        ),
        ("skill_yardstick", yardstick.and_then(|skill| skill.skill)),
        (
            "direction_accuracy",
            row.direction.as_ref().map(|direction| direction.accuracy),
        ),
    ]
}

/// What a backtest's run is tagged with when it is judged: a verdict a model, and the note.
pub fn judged(card: &ReportCard) -> Vec<Pair> {
    let models = card.models.iter().filter(|model| model.role == Part::Model);
    let mut tags: Vec<Pair> = models
        .map(|model| {
            tag(
                &format!("senti.verdict.{}", model.model),
                model.verdict.title.clone(),
            )
        })
        .collect();
    tags.push(tag("senti.target_column", card.target.clone()));
    tags.push(tag("mlflow.note.content", backtest_note(card)));
    tags
}

/// A backtest in a few lines of markdown, the verdicts first.
pub fn backtest_note(card: &ReportCard) -> String {
    let mut note = String::new();
    for model in card.models.iter().filter(|model| model.role == Part::Model) {
        let verdict = &model.verdict;
        let _ = writeln!(
            note,
            "**{}: {}.** {} {}\n",
            escaped(&model.model),
            verdict.title,
            sentence(verdict.sentence.trim_end_matches('.')),
            sentence(verdict.point.trim_end_matches('.')),
        );
        for alarm in &model.alarms {
            let _ = writeln!(
                note,
                "* Alarm: {}",
                sentence(alarm.sentence.trim_end_matches('.'))
            );
        }
    }
    let period = match (card.first_origin, card.last_origin) {
        (Some(first), Some(last)) => {
            format!(", {} to {}", date(first, card.step), date(last, card.step))
        }
        _ => String::new(),
    };
    let _ = writeln!(
        note,
        "{} origins{period}, {} steps ahead, `{}`.",
        card.n_origins,
        card.horizon,
        escaped(&card.target)
    );
    for warning in &card.warnings {
        let _ = writeln!(note, "\n> {}", sentence(warning.trim_end_matches('.')));
    }
    note
}
