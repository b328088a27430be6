//! The page of a backtest: the verdicts of its report card first, then everything that they rest on.

use std::borrow::Cow;

use senti::backtest::Backtest;
use senti::card::{HorizonCard, ModelCard, Part, ReportCard, Shown, Skill, Test, Word};
use senti::forecast::{Forecast, ForecastRow};
use senti::observe::Chunk;

use super::page::{
    Cell, Facts, Grid, Horizon, Importance, Judgement, Model, Newest, Page, Spread, Step, Tone,
};
use super::sections::span;
use super::text::{NOTHING, money, or_dash, p_value, percent, ratio, sentence, signed_percent};
use crate::plots::axis::{grouped, price};
use crate::plots::{Sample, day, reach};

/// Most horizons whose quantiles are drawn.
const DRAWN: usize = 3;

/// What a page of a backtest is made from.
#[derive(Clone, Copy)]
pub struct Tested<'a> {
    /// The forecasts and what came true.
    pub backtest: &'a Backtest,
    /// What is said about them.
    pub card: &'a ReportCard,
    /// How much features matter, where that was measured.
    pub importance: &'a [Importance],
    /// Data and configuration, under as many headings as there is to say.
    pub facts: &'a [Facts],
}

/// What there is to say of a backtest.
pub fn of_backtest<'a>(tested: &Tested<'a>) -> Page<'a> {
    let (backtest, card) = (tested.backtest, tested.card);
    let step = card.step;
    let about = card
        .models
        .iter()
        .position(|model| model.role == Part::Model);
    let period = match (card.first_origin, card.last_origin) {
        (Some(first), Some(last)) => format!(", {}", span(first, last, step)),
        _ => String::new(),
    };
    let origins = format!("{} origins{period}", grouped(card.n_origins as f64, 0));
    let mut facts = vec![Facts {
        title: "Backtest".into(),
        rows: vec![
            ("target".into(), card.target.clone()),
            ("origins".into(), origins.clone()),
            (
                "from one origin to the next".into(),
                reach(card.stride, step),
            ),
            (
                "forecast".into(),
                format!("{} ahead", reach(card.horizon, step)),
            ),
            ("mean one-step move before".into(), money(card.mean_move)),
        ],
    }];
    facts.extend(tested.facts.iter().cloned());
    Page {
        title: format!("{}: backtest of {}", card.target, names(card)),
        about: format!("{origins}; {} ahead.", reach(card.horizon, step)),
        target: card.target.clone(),
        step,
        models: card
            .models
            .iter()
            .map(|model| Model {
                name: model.model.clone(),
                naive: model.role == Part::Naive,
            })
            .collect(),
        about_model: about,
        verdicts: judgements(card),
        warnings: card
            .warnings
            .iter()
            .chain(&backtest.notes)
            .map(|text| sentence(text))
            .collect(),
        newest: about.and_then(|about| newest(tested, &card.models[about])),
        measured_on: format!(
            "{origins}, the same for every model. Skill is how much lower a model's CRPS is; ▲ and ▼ mark what is significantly better or worse than naive at {} after Holm's correction for everything that was tested; ◆ marks the best of a column. Prices are in the unit of the data.",
            percent(card.significance)
        ),
        overview: overview(card),
        horizons: horizons(card),
        curves: card.models.iter().map(|model| curve(model, card)).collect(),
        spreads: spreads(card),
        over_time: about
            .and_then(|about| sample(backtest, &card.models[about].model))
            .map(Cow::Owned),
        importance: tested.importance.to_vec(),
        folds: folds(backtest),
        trading: card
            .models
            .iter()
            .filter_map(|model| Some((model.model.clone(), model.trading.as_ref()?)))
            .collect(),
        facts,
        tried: vec![
            sentence(&card.tried.sentence),
            format!(
                "Configurations: {}. Comparisons with naive: {}.",
                grouped(card.tried.configurations as f64, 0),
                grouped(card.tried.comparisons as f64, 0)
            ),
        ],
        ..Page::default()
    }
}

/// The models under test, as a sentence lists them.
fn names(card: &ReportCard) -> String {
    let names: Vec<_> = card
        .models
        .iter()
        .filter(|model| model.role == Part::Model)
        .map(|model| model.model.as_str())
        .collect();
    match names.as_slice() {
        [] => "the references".into(),
        [one] => (*one).into(),
        [first, second] => format!("{first} and {second}"),
        [first, rest @ ..] => format!("{first} and {} others", rest.len()),
    }
}

/// Models under test first, in the order of the card.
fn judgements(card: &ReportCard) -> Vec<Judgement> {
    let mut models: Vec<_> = card.models.iter().collect();
    models.sort_by_key(|model| model.role != Part::Model);
    models
        .into_iter()
        .filter(|model| model.role == Part::Model || model.verdict.word != Word::NotJudged)
        .map(|model| judgement(model, card))
        .collect()
}

fn judgement(model: &ModelCard, card: &ReportCard) -> Judgement {
    let verdict = &model.verdict;
    let mut tone = match verdict.word {
        Word::BeatsNaive => Tone::Beats,
        Word::Inconclusive => Tone::Unclear,
        Word::NoBetter => Tone::NoBetter,
        Word::NotJudged => Tone::Silent,
    };
    let mut word = format!("{}: {}", model.model, verdict.title);
    if let (Word::BeatsNaive, Some(steps)) = (verdict.word, verdict.up_to) {
        word += &format!(" up to {} ahead", reach(steps, card.step));
    }
    let mut sentences = vec![verdict.sentence.clone(), verdict.point.clone()];
    if !model.alarms.is_empty() {
        tone = Tone::Alarm;
        word += "; too good to be true";
    }
    sentences.extend(model.alarms.iter().map(|alarm| alarm.sentence.clone()));
    if model.copycat.shifted {
        sentences.push(model.copycat.sentence.clone());
    }
    sentences.retain(|sentence| !sentence.is_empty());
    Judgement {
        tone,
        word,
        sentences: sentences.into_iter().map(|text| sentence(&text)).collect(),
    }
}

fn newest(tested: &Tested<'_>, model: &ModelCard) -> Option<Newest> {
    let (truth, levels) = (&tested.backtest.truth, &tested.backtest.levels);
    let track = tested
        .backtest
        .tracks
        .iter()
        .find(|track| track.model == model.model)?;
    let last = truth.len().checked_sub(1)?;
    let horizon = truth.horizon;
    let times = truth.times.get(last * horizon..)?.get(..horizon)?;
    let (points, quantiles) = (
        track.predictions.point(last),
        track.predictions.quantiles(last),
    );
    let rows = times
        .iter()
        .enumerate()
        .map(|(row, &time)| ForecastRow {
            step: row + 1,
            time,
            point: points[row],
            quantiles: quantiles
                .chunks_exact(levels.len().max(1))
                .nth(row)
                .map_or(Vec::new(), <[f64]>::to_vec),
        })
        .collect();
    let all = model.horizons.iter().find(|horizon| horizon.step.is_none());
    let held = all
        .and_then(|all| all.distribution.as_ref())
        .and_then(|scores| {
            let interval = scores.intervals.iter().find(|i| near(i.nominal, 0.9));
            interval.map(|interval| interval.coverage)
        });
    Some(Newest {
        forecast: Forecast {
            target: truth.target.clone(),
            origin: truth.origins[last],
            last_close: truth.last_close[last],
            step: truth.step,
            levels: levels.clone(),
            rows,
        },
        past: truth
            .origins
            .iter()
            .copied()
            .zip(truth.last_close.iter().copied())
            .collect(),
        came: times
            .iter()
            .copied()
            .zip(truth.actual(last).iter().copied())
            .collect(),
        held,
    })
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < 1e-9
}

/// Errors over time, a block of origins at a time.
fn sample(backtest: &Backtest, model: &str) -> Option<Sample> {
    let truth = &backtest.truth;
    let track = backtest.tracks.iter().find(|track| track.model == model)?;
    let mut sample = Sample::default();
    sample.add(&Chunk {
        origins: &truth.origins,
        times: &truth.times,
        last_close: &truth.last_close,
        actual: &truth.actual,
        predictions: &track.predictions,
        levels: &backtest.levels,
        step: truth.step,
    });
    Some(sample)
}

fn horizon_name(shown: &Shown, step: i64) -> String {
    match shown.step {
        Some(steps) => format!("{} ahead", reach(steps, step)),
        None => "all steps".into(),
    }
}

/// Skill against the references at all horizons.
fn overview(card: &ReportCard) -> Vec<Grid> {
    let head: Vec<_> = card
        .horizons
        .iter()
        .map(|shown| {
            let about = format!(
                "{} origins do not overlap{}",
                count(shown.n_independent),
                if shown.judged {
                    ""
                } else {
                    ": too few for a verdict"
                }
            );
            (horizon_name(shown, card.step), about)
        })
        .collect();
    let mut grids = Vec::new();
    if let Some(naive) = &card.naive {
        grids.push(Grid {
            caption: format!("Skill against {naive}, by CRPS: a plus is better, a minus worse"),
            of: "model".into(),
            head: head.clone(),
            rows: rows(card, |model, horizon| {
                let mut cell = skill_cell(horizon.against_naive.as_ref());
                cell.sure = match &model.verdict {
                    verdict if verdict.better.contains(&horizon.name) => Some(true),
                    verdict if verdict.worse.contains(&horizon.name) => Some(false),
                    _ => None,
                };
                cell
            }),
        });
    }
    if let Some(yardstick) = &card.yardstick {
        grids.push(Grid {
            caption: format!(
                "Skill against {yardstick}, which knows the volatility: the harder test"
            ),
            of: "model".into(),
            head: head.clone(),
            rows: rows(card, |_, horizon| {
                skill_cell(horizon.against_yardstick.as_ref())
            }),
        });
    }
    grids.push(Grid {
        caption: "Mean absolute error of the point forecast, divided by the last close's: below 1 is better".into(),
        of: "model".into(),
        head,
        rows: rows(card, |_, horizon| {
            lowest(horizon.point.relative_mae, ratio)
        }),
    });
    grids
}

/// A row a model with a cell a horizon; models that are the reference itself have nothing but dashes and are left out.
fn rows(
    card: &ReportCard,
    cell: impl Fn(&ModelCard, &HorizonCard) -> Cell,
) -> Vec<(String, Vec<Cell>)> {
    card.models
        .iter()
        .map(|model| {
            let cells = model.horizons.iter().map(|horizon| cell(model, horizon));
            (model.model.clone(), cells.collect::<Vec<_>>())
        })
        .filter(|(_, cells)| cells.iter().any(|cell| cell.text != NOTHING))
        .collect()
}

fn skill_cell(skill: Option<&Skill>) -> Cell {
    let skill = skill.and_then(|skill| skill.skill);
    Cell {
        text: or_dash(skill, signed_percent),
        rank: skill.map(|skill| -skill),
        sure: None,
    }
}

/// The lower, the better.
fn lowest(value: Option<f64>, form: impl Fn(f64) -> String) -> Cell {
    Cell {
        text: or_dash(value, form),
        rank: value,
        sure: None,
    }
}

/// It describes and does not compete.
fn plain(value: Option<f64>, form: impl Fn(f64) -> String) -> Cell {
    Cell {
        text: or_dash(value, form),
        ..Cell::default()
    }
}

fn tested(test: Option<&Test>, p: impl Fn(&Test) -> Option<f64>) -> Cell {
    plain(test.and_then(p), p_value)
}

fn horizons(card: &ReportCard) -> Vec<Horizon> {
    card.horizons
        .iter()
        .enumerate()
        .map(|(place, shown)| Horizon {
            name: horizon_name(shown, card.step),
            note: note(card, place, shown),
            grids: vec![
                distribution(card, place, shown),
                intervals(card, place),
                point(card, place),
                direction(card, place),
            ],
        })
        .collect()
}

fn count(n: f64) -> String {
    or_dash(Some(n), |n| grouped(n, 0))
}

fn note(card: &ReportCard, place: usize, shown: &Shown) -> String {
    let n = card
        .models
        .iter()
        .filter_map(|model| model.horizons.get(place))
        .map(|horizon| horizon.n)
        .max()
        .unwrap_or(0);
    let judged = match shown.judged {
        true => "",
        false => "; that is too few for a verdict",
    };
    format!(
        "{} origins, worth about {} that do not overlap{judged}.",
        grouped(n as f64, 0),
        count(shown.n_independent)
    )
}

fn grid(
    card: &ReportCard,
    place: usize,
    caption: &str,
    head: &[(&str, &str)],
    cells: impl Fn(&ModelCard, &HorizonCard) -> Vec<Cell>,
) -> Grid {
    Grid {
        caption: caption.into(),
        of: "model".into(),
        head: head
            .iter()
            .map(|(name, about)| ((*name).to_owned(), (*about).to_owned()))
            .collect(),
        rows: card
            .models
            .iter()
            .filter_map(|model| {
                let horizon = model.horizons.get(place)?;
                Some((model.model.clone(), cells(model, horizon)))
            })
            .collect(),
    }
}

fn distribution(card: &ReportCard, place: usize, shown: &Shown) -> Grid {
    let set = card
        .confidence_sets
        .iter()
        .find(|set| set.name == shown.name);
    let head = [
        (
            "CRPS",
            "twice the mean pinball loss over the levels, in prices",
        ),
        (
            "CRPS, log",
            "the same in log price: about a share of the price",
        ),
        ("skill against naive", "1 - CRPS / naive's, in log price"),
        (
            "p",
            "Diebold and Mariano's test with Harvey, Leybourne and Newbold's correction, two-sided",
        ),
        (
            "p better, Holm",
            "what the verdict looks at: p value that the model is better, cautious where few origins do not overlap, after Holm over all models and judged horizons, times the configurations tried",
        ),
        ("p, conditional", "Giacomini and White's test"),
        (
            "skill against yardstick",
            "1 - CRPS / that of the volatility-scaled reference",
        ),
        (
            "p, yardstick",
            "Diebold and Mariano's test against it, two-sided",
        ),
        (
            "in the confidence set",
            "Hansen, Lunde and Nason's model confidence set: is it among those of which none can be told to be worse than the best?",
        ),
    ];
    grid(card, place, "The distribution", &head, |model, horizon| {
        let scores = horizon.distribution.as_ref();
        let naive = horizon.against_naive.as_ref();
        let yardstick = horizon.against_yardstick.as_ref();
        let test = naive.map(|skill| &skill.diebold_mariano);
        let conditional = naive.and_then(|skill| skill.giacomini_white.as_ref());
        let member = set.and_then(|set| set.members.iter().find(|m| m.model == model.model));
        vec![
            lowest(scores.map(|scores| scores.crps_price), money),
            lowest(scores.map(|scores| scores.crps_log), |crps| {
                format!("{} %", grouped(100.0 * crps, 3))
            }),
            Cell {
                sure: match &model.verdict {
                    verdict if verdict.better.contains(&horizon.name) => Some(true),
                    verdict if verdict.worse.contains(&horizon.name) => Some(false),
                    _ => None,
                },
                ..skill_cell(naive)
            },
            tested(test, |test| test.p),
            tested(test, |test| test.p_holm),
            plain(conditional.map(|test| test.p), p_value),
            skill_cell(yardstick),
            tested(yardstick.map(|skill| &skill.diebold_mariano), |test| test.p),
            Cell {
                text: member
                    .map_or(NOTHING, |member| match member.included {
                        true => "yes",
                        false => "no",
                    })
                    .into(),
                ..Cell::default()
            },
        ]
    })
}

fn intervals(card: &ReportCard, place: usize) -> Grid {
    let head = [
        (
            "in 50 %",
            "share of prices within the central 50 % interval",
        ),
        (
            "in 80 %",
            "share of prices within the central 80 % interval",
        ),
        (
            "in 90 %",
            "share of prices within the central 90 % interval, with its 95 % confidence interval",
        ),
        (
            "in 95 %",
            "share of prices within the central 95 % interval",
        ),
        (
            "width of 90 %",
            "mean width of the central 90 % interval, in prices",
        ),
        (
            "Winkler, 90 %",
            "width, and 20 times the distance of prices outside, in prices",
        ),
        (
            "p, coverage",
            "Kupiec's test that the 90 % interval covers what it promises",
        ),
        (
            "p, clusters",
            "Christoffersen's test that misses of the 90 % interval do not come in clusters",
        ),
        (
            "p, flat PIT",
            "chi-squared test that the PIT histogram is flat",
        ),
    ];
    grid(card, place, "The intervals", &head, |_, horizon| {
        let scores = horizon.distribution.as_ref();
        let interval = |nominal: f64| {
            scores.and_then(|scores| scores.intervals.iter().find(|i| near(i.nominal, nominal)))
        };
        let coverage = |nominal: f64| {
            let share = interval(nominal).map(|interval| interval.coverage);
            Cell {
                text: or_dash(share, percent),
                rank: share.map(|share| (share - nominal).abs()),
                sure: None,
            }
        };
        let ninety = interval(0.9);
        let mut wide = coverage(0.9);
        if let Some(interval) = ninety {
            wide.text += &format!(
                " ({} to {})",
                or_dash(Some(interval.coverage_low), |share| grouped(
                    100.0 * share,
                    1
                )),
                or_dash(Some(interval.coverage_high), |share| grouped(
                    100.0 * share,
                    1
                ))
            );
        }
        vec![
            coverage(0.5),
            coverage(0.8),
            wide,
            coverage(0.95),
            plain(ninety.map(|interval| interval.width_price), money),
            lowest(ninety.map(|interval| interval.winkler_price), money),
            plain(ninety.and_then(|interval| interval.kupiec_p), p_value),
            plain(
                ninety.and_then(|interval| interval.christoffersen_p),
                p_value,
            ),
            plain(scores.and_then(|scores| scores.pit.p), p_value),
        ]
    })
}

fn point(card: &ReportCard, place: usize) -> Grid {
    let head = [
        ("MAE", "mean absolute error, in prices"),
        (
            "relative MAE",
            "mean absolute error in log price, divided by the last close's",
        ),
        ("RMSE", "root of the mean squared error, in prices"),
        ("MAPE", "mean absolute error in percent of the price"),
        ("MASE", "MAE / mean one-step move before the first origin"),
        ("RMSSE", "RMSE / mean one-step move before the first origin"),
        ("R² out of sample", "of log returns, against the last close"),
        (
            "p",
            "Diebold and Mariano's test of the absolute error against the last close, two-sided",
        ),
        (
            "p, nested",
            "Clark and West's test, for models that contain the last close as a special case",
        ),
    ];
    grid(card, place, "The point forecast", &head, |_, horizon| {
        let scores = &horizon.point;
        vec![
            lowest(Some(scores.mae_price), money),
            lowest(scores.relative_mae, ratio),
            lowest(Some(scores.rmse_price), money),
            lowest(Some(scores.mape), |mape| format!("{} %", grouped(mape, 2))),
            lowest(scores.mase, ratio),
            lowest(scores.rmsse, ratio),
            Cell {
                rank: scores.r2_out_of_sample.map(|r2| -r2),
                ..plain(scores.r2_out_of_sample, |r2| grouped(r2, 4))
            },
            tested(Some(&scores.against_last_close), |test| test.p),
            tested(scores.clark_west.as_ref(), |test| test.p_better),
        ]
    })
}

fn direction(card: &ReportCard, place: usize) -> Grid {
    let head = [
        (
            "right side",
            "share of forecasts on the right side of the last close, with its 95 % confidence interval",
        ),
        (
            "base rate",
            "what always saying the more frequent side would have got",
        ),
        ("prices that rose", "share of prices above the last close"),
        (
            "forecasts that move",
            "forecasts that differ from the last close",
        ),
        (
            "p",
            "Pesaran and Timmermann's test that the signs know something, one-sided",
        ),
    ];
    grid(card, place, "Up or down", &head, |_, horizon| {
        let Some(direction) = &horizon.direction else {
            return vec![plain(None, percent); head.len()];
        };
        vec![
            Cell {
                text: format!(
                    "{} ({} to {})",
                    percent(direction.accuracy),
                    or_dash(Some(direction.low), |share| grouped(100.0 * share, 1)),
                    or_dash(Some(direction.high), |share| grouped(100.0 * share, 1))
                ),
                rank: Some(-direction.accuracy),
                sure: None,
            },
            plain(Some(direction.base_rate), percent),
            plain(Some(direction.up), percent),
            plain(Some(direction.n as f64), |n| grouped(n, 0)),
            plain(direction.pesaran_timmermann_p, p_value),
        ]
    })
}

/// What each training learned from: a row a fold.
fn folds(backtest: &Backtest) -> Option<Grid> {
    let head = [
        ("origins", "first and last origin that it forecast"),
        ("known until", "newest row that it learned from"),
        (
            "training windows",
            "windows that its weights were learned from",
        ),
        ("epochs", "epochs trained"),
        (
            "kept",
            "epoch whose weights were kept; 0 is the untrained model",
        ),
        ("untrained loss", "validation loss of the untrained model"),
        ("loss", "validation loss of the kept epoch"),
    ];
    let step = backtest.truth.step;
    let rows: Vec<_> = backtest
        .folds
        .iter()
        .map(|fold| {
            let trained = fold.epochs > 0;
            let count = |n: usize| plain(Some(n as f64), |n| grouped(n, 0));
            let epoch = |n: usize| plain(trained.then_some(n as f64), |n| grouped(n, 0));
            let loss = |loss: Option<f64>| plain(loss, |loss| price(loss, loss));
            let text = |text: String| Cell {
                text,
                ..Cell::default()
            };
            let cells = vec![
                text(span(fold.first_origin, fold.last_origin, step)),
                text(day(fold.known_until, step)),
                count(fold.sizes.train_windows),
                epoch(fold.epochs),
                epoch(fold.best_epoch),
                loss(fold.untrained_loss),
                loss(fold.valid_loss),
            ];
            (format!("{} {}", fold.model, fold.fold + 1), cells)
        })
        .collect();
    (!rows.is_empty()).then(|| Grid {
        caption: "Each training of the walk, and what it learned from".into(),
        of: "model and fold".into(),
        head: head
            .iter()
            .map(|(name, about)| ((*name).to_owned(), (*about).to_owned()))
            .collect(),
        rows,
    })
}

fn curve(model: &ModelCard, card: &ReportCard) -> Vec<Step> {
    model
        .steps
        .iter()
        .map(|step| Step {
            step: step.step,
            relative_crps: card.naive.as_ref().and(step.skill).map(|skill| 1.0 - skill),
            relative_mae: step.relative_mae,
            mae: Some(step.mae_price),
            coverage: [step.coverage_50, step.coverage_80, step.coverage_90],
        })
        .collect()
}

/// Of the model that the page is about and of the references, at the first, a middle and the last horizon.
fn spreads(card: &ReportCard) -> Vec<Spread> {
    let single: Vec<_> = (0..card.horizons.len())
        .filter(|place| card.horizons[*place].step.is_some())
        .collect();
    let mut drawn: Vec<_> = match single.len() {
        0..=DRAWN => single,
        n => vec![single[0], single[n / 2], single[n - 1]],
    };
    drawn.dedup();
    let mut out = Vec::new();
    let first = card
        .models
        .iter()
        .position(|model| model.role == Part::Model);
    for place in drawn {
        let horizon = horizon_name(&card.horizons[place], card.step);
        for (index, model) in card.models.iter().enumerate() {
            if model.role == Part::Model && Some(index) != first {
                continue;
            }
            let scores = model
                .horizons
                .get(place)
                .and_then(|h| h.distribution.as_ref());
            let Some(scores) = scores else {
                continue;
            };
            out.push(Spread {
                model: index,
                horizon: horizon.clone(),
                below: scores
                    .levels
                    .iter()
                    .map(|level| (level.level, level.share_below))
                    .collect(),
                edges: scores.pit.edges.clone(),
                shares: scores.pit.shares.clone(),
                p: scores.pit.p,
            });
        }
    }
    out
}
