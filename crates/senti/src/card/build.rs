//! From a backtest to its card: ledgers, then tests one by one, then corrections over the table, then words.

use std::array;

use crate::backtest::{Backtest, Truth};
use crate::statistics::comparison::{
    cautious_test, clark_west, diebold_mariano, giacomini_white, lags,
};
use crate::statistics::coverage::{christoffersen, kupiec, uniformity, wilson};
use crate::statistics::direction::pesaran_timmermann;
use crate::statistics::many::{StationaryBootstrap, Statistic, holm, model_confidence_set};
use crate::{Error, Result};

use super::ledger::{Interval, Ledger, by_origin, intervals, log_ratio};
use super::{
    CardOptions, Conditional, ConfidenceSet, Direction, ENOUGH_ORIGINS, HorizonCard, Member,
    ModelCard, NAIVE, Part, Pit, ReportCard, SIGNIFICANCE, Shown, Skill, Test, Tried, YARDSTICK,
    alarm, trading, verdict,
};

/// Of confidence sets.
const CONFIDENCE: f64 = 0.90;

/// A test that could not be made.
pub(super) fn no_test() -> Test {
    Test {
        t: None,
        p: None,
        p_better: None,
        p_worse: None,
        p_better_cautious: None,
        p_holm_horizon: None,
        p_holm: None,
    }
}

/// What the verdict needs of a test: p values against better and worse, none where the horizon is not judged.
#[derive(Clone, Copy, Debug, Default)]
struct Cautious {
    better: Option<f64>,
    worse: Option<f64>,
}

/// p values of a model at the shown horizons, after Holm over the table.
#[derive(Clone, Debug, Default)]
pub(super) struct Adjusted {
    pub better: Vec<Option<f64>>,
    pub worse: Vec<Option<f64>>,
}

/// What every model is looked at beside.
struct Beside<'a> {
    intervals: &'a [Interval],
    /// `|ln(last close / actual)|`: (n, H).
    still: &'a [f64],
    naive: Option<&'a Ledger<'a>>,
    yardstick: Option<&'a Ledger<'a>>,
}

pub(super) fn card(backtest: &Backtest, options: &CardOptions) -> Result<ReportCard> {
    let truth = &backtest.truth;
    check(truth)?;
    let shown = shown(truth, options);
    let intervals = intervals(&backtest.levels);
    let ledgers = backtest
        .tracks
        .iter()
        .map(|track| Ledger::of(backtest, track, &intervals))
        .collect::<Result<Vec<_>>>()?;
    let named = |name: &str| ledgers.iter().find(|ledger| ledger.track.model == name);
    let naive = named(NAIVE).filter(|ledger| ledger.has_quantiles());
    let yardstick = named(YARDSTICK).filter(|ledger| ledger.has_quantiles());

    let still: Vec<f64> = truth
        .actual
        .chunks_exact(truth.horizon)
        .zip(&truth.last_close)
        .flat_map(|(row, &last)| row.iter().map(move |&actual| log_ratio(actual, last).abs()))
        .collect();
    let beside = Beside {
        intervals: &intervals,
        still: &still,
        naive,
        yardstick,
    };

    let mut against_naive = Vec::new();
    let mut against_close = Vec::new();
    let mut models = Vec::new();
    for ledger in &ledgers {
        let mut horizons = Vec::new();
        let (mut of_naive, mut of_close) = (Vec::new(), Vec::new());
        for row in &shown {
            let (horizon, crps, close) = horizon_card(backtest, options, ledger, row, &beside);
            horizons.push(horizon);
            of_naive.push(crps);
            of_close.push(close);
        }
        against_naive.push(of_naive);
        against_close.push(of_close);
        let naive_crps = |step: usize| naive.map(|naive| naive.steps[step].crps());
        models.push(ModelCard {
            model: ledger.track.model.clone(),
            role: match &*ledger.track.model {
                NAIVE => Part::Naive,
                YARDSTICK => Part::Yardstick,
                _ => Part::Model,
            },
            verdict: verdict::none(),
            horizons,
            steps: ledger
                .steps
                .iter()
                .enumerate()
                .map(|(step, sums)| {
                    sums.step(
                        step + 1,
                        ledger.has_quantiles(),
                        &intervals,
                        naive_crps(step),
                    )
                })
                .collect(),
            alarms: Vec::new(),
            copycat: alarm::copycat(truth, ledger.track),
            trading: match &options.trading {
                Some(trade) => trading::trading(backtest, ledger.track, trade, options),
                None => None,
            },
        });
    }

    holm_by_horizon(&mut models);
    let crps = adjust(&against_naive, options.tried);
    let close = adjust(&against_close, options.tried);
    for (model, ((crps, close), ledger)) in
        models.iter_mut().zip(crps.iter().zip(&close).zip(&ledgers))
    {
        for (place, horizon) in model.horizons.iter_mut().enumerate() {
            horizon.point.against_last_close.p_holm = close.better[place];
            if let Some(skill) = &mut horizon.against_naive {
                skill.diebold_mariano.p_holm = crps.better[place];
            }
        }
        let still = ledger.all.moved == 0;
        model.verdict = verdict::verdict(truth, &shown, model, crps, close, naive.is_some(), still);
        alarm::settle(truth, model, close, &shown);
        model.alarms = alarm::alarms(&shown, model);
    }
    let comparisons = against_naive
        .iter()
        .flatten()
        .filter(|p| p.better.is_some())
        .count();
    Ok(ReportCard {
        target: truth.target.clone(),
        step: truth.step,
        horizon: truth.horizon,
        stride: truth.stride,
        n_origins: truth.len(),
        first_origin: truth.origins.first().copied(),
        last_origin: truth.origins.last().copied(),
        mean_move: backtest.mean_move,
        levels: backtest.levels.clone(),
        confidence_sets: confidence_sets(&ledgers, &shown, truth.horizon, options),
        warnings: warnings(
            backtest,
            &shown,
            &ledgers,
            naive.is_some(),
            yardstick.is_some(),
        ),
        horizons: shown,
        naive: naive.map(|ledger| ledger.track.model.clone()),
        yardstick: yardstick.map(|ledger| ledger.track.model.clone()),
        models,
        tried: tried(options.tried, comparisons),
        significance: SIGNIFICANCE,
    })
}

fn check(truth: &Truth) -> Result<()> {
    let (n, horizon) = (truth.len(), truth.horizon);
    if n == 0 || horizon == 0 {
        return Err(Error::data(format!(
            "{n} origins of {horizon} steps cannot be judged, wanted one of each at least"
        )));
    }
    let lengths = [truth.origins.len(), truth.last_close.len()];
    if lengths != [n, n] || truth.actual.len() != n * horizon || truth.times.len() != n * horizon {
        return Err(Error::internal(
            "a backtest's origins and outcomes do not belong together",
        ));
    }
    let prices = truth.last_close.iter().chain(&truth.actual);
    if let Some(bad) = prices
        .into_iter()
        .find(|price| !(price.is_finite() && **price > 0.0))
    {
        return Err(Error::data(format!(
            "a price is {bad}, wanted one above zero"
        )));
    }
    Ok(())
}

fn shown(truth: &Truth, options: &CardOptions) -> Vec<Shown> {
    let horizon = truth.horizon;
    let usual = || vec![1, 3, 7, 14, 30, horizon];
    let mut steps = options.horizons.clone().unwrap_or_else(usual);
    steps.retain(|&step| (1..=horizon).contains(&step));
    if steps.is_empty() {
        steps.push(horizon);
    }
    steps.sort_unstable();
    steps.dedup();
    let mut rows: Vec<_> = steps.into_iter().map(Some).collect();
    if horizon > 1 {
        rows.push(None);
    }
    rows.into_iter()
        .map(|step| {
            let last = step.unwrap_or(horizon);
            let n_independent = truth.len() as f64 * (truth.stride as f64 / last as f64).min(1.0);
            Shown {
                name: step.map_or_else(|| "all".to_owned(), |step| step.to_string()),
                step,
                lags: lags(last, truth.stride),
                n_independent,
                judged: n_independent >= ENOUGH_ORIGINS,
            }
        })
        .collect()
}

/// Diebold–Mariano and its cautious sister; positive where the second is better.
fn compare(reference: &[f64], model: &[f64], row: &Shown) -> (Test, Cautious) {
    let Some(found) = diebold_mariano(reference, model, row.lags) else {
        return (no_test(), Cautious::default());
    };
    let careful = cautious_test(reference, model, row.lags);
    let cautious = match careful.filter(|_| row.judged) {
        None => Cautious::default(),
        Some(careful) => Cautious {
            better: Some(found.p_second_better().max(careful.p_second_better)),
            worse: Some(found.p_first_better().max(careful.p_first_better)),
        },
    };
    let test = Test {
        // JSON has no infinity; p says it.
        t: Some(found.t).filter(|t| t.is_finite()),
        p: Some(found.p),
        p_better: Some(found.p_second_better()),
        p_worse: Some(found.p_first_better()),
        p_better_cautious: careful.map(|careful| careful.p_second_better),
        p_holm_horizon: None,
        p_holm: None,
    };
    (test, cautious)
}

fn horizon_card(
    backtest: &Backtest,
    options: &CardOptions,
    ledger: &Ledger<'_>,
    row: &Shown,
    beside: &Beside<'_>,
) -> (HorizonCard, Cautious, Cautious) {
    let &Beside {
        intervals,
        still,
        naive,
        yardstick,
    } = beside;
    let truth = &backtest.truth;
    let horizon = truth.horizon;
    let model = &*ledger.track.model;
    let sums = ledger.sums(row.step);

    let mut point = sums.point(backtest.mean_move);
    let errors = by_origin(&ledger.absolute_log, horizon, row.step);
    let (test, of_close) = compare(&by_origin(still, horizon, row.step), &errors, row);
    point.against_last_close = test;
    if let Some(step) = row
        .step
        .filter(|_| options.nested.iter().any(|name| name == model))
    {
        point.clark_west = against_still(truth, ledger, step, row.lags);
    }

    let mut of_naive = Cautious::default();
    let skill_against = |reference: Option<&Ledger<'_>>, name: &str| -> Option<(Skill, Cautious)> {
        let reference = reference.filter(|_| ledger.has_quantiles() && model != name)?;
        let mine = by_origin(&ledger.crps_log, horizon, row.step);
        let theirs = by_origin(&reference.crps_log, horizon, row.step);
        let (diebold_mariano, cautious) = compare(&theirs, &mine, row);
        let reference_crps_log = reference.sums(row.step).crps();
        let skill = Skill {
            against: name.to_owned(),
            reference_crps_log,
            skill: (reference_crps_log > 0.0).then(|| 1.0 - sums.crps() / reference_crps_log),
            diebold_mariano,
            giacomini_white: giacomini_white(&theirs, &mine, row.lags).map(|test| Conditional {
                statistic: test.statistic,
                p: test.p,
            }),
        };
        Some((skill, cautious))
    };
    let against_naive = skill_against(naive, NAIVE).map(|(skill, cautious)| {
        of_naive = cautious;
        skill
    });
    let against_yardstick = skill_against(yardstick, YARDSTICK).map(|(skill, _)| skill);

    let card = HorizonCard {
        name: row.name.clone(),
        step: row.step,
        n: truth.len(),
        point,
        distribution: ledger
            .has_quantiles()
            .then(|| distribution(backtest, ledger, row, intervals)),
        direction: direction(truth, ledger, row),
        against_naive,
        against_yardstick,
    };
    // The model without quantiles and the reference itself are compared with nothing.
    if model == NAIVE {
        return (card, Cautious::default(), Cautious::default());
    }
    (card, of_naive, of_close)
}

/// Clark–West of the point's log return against none at all.
fn against_still(truth: &Truth, ledger: &Ledger<'_>, step: usize, lags: usize) -> Option<Test> {
    let of = |prices: &[f64]| -> Vec<f64> {
        let rows = prices.chunks_exact(truth.horizon).zip(&truth.last_close);
        rows.map(|(row, &last)| log_ratio(row[step - 1], last))
            .collect()
    };
    let (came, said) = (of(&truth.actual), of(&ledger.track.predictions.point));
    let (t, p_better) = clark_west(&came, &vec![0.0; came.len()], &said, lags)?;
    Some(Test {
        t: Some(t),
        p_better: Some(p_better),
        p_worse: Some(1.0 - p_better),
        ..no_test()
    })
}

fn distribution(
    backtest: &Backtest,
    ledger: &Ledger<'_>,
    row: &Shown,
    intervals: &[Interval],
) -> super::DistributionScores {
    let (truth, predictions) = (&backtest.truth, &ledger.track.predictions);
    let sums = ledger.sums(row.step);
    let mut scores = sums.distribution(&backtest.levels, intervals);
    for (scores, interval) in scores.intervals.iter_mut().zip(intervals) {
        (scores.coverage_low, scores.coverage_high) =
            wilson(scores.coverage, row.n_independent, 0.95);
        let Some(step) = row.step else { continue };
        let missed: Vec<bool> = (0..truth.len())
            .step_by(row.lags + 1)
            .map(|origin| {
                let quantiles = &predictions.quantiles(origin)[(step - 1) * predictions.n_levels..];
                let actual = truth.actual(origin)[step - 1];
                !(quantiles[interval.low] <= actual && actual <= quantiles[interval.high])
            })
            .collect();
        let misses = missed.iter().filter(|&&missed| missed).count();
        scores.kupiec_p = kupiec(misses, missed.len(), 1.0 - interval.nominal).map(|test| test.p);
        scores.christoffersen_p = christoffersen(&missed).map(|test| test.p);
    }
    let mut edges = vec![0.0];
    edges.extend(&backtest.levels);
    edges.push(1.0);
    let promised: Vec<f64> = edges.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let shares: Vec<f64> = sums
        .bins
        .iter()
        .map(|&count| count as f64 / sums.cells as f64)
        .collect();
    scores.pit = Pit {
        p: uniformity(&shares, &promised, row.n_independent).map(|test| test.p),
        edges,
        shares,
    };
    scores
}

fn direction(truth: &Truth, ledger: &Ledger<'_>, row: &Shown) -> Option<Direction> {
    let sums = ledger.sums(row.step);
    if sums.moved == 0 {
        return None;
    }
    let accuracy = sums.right as f64 / sums.moved as f64;
    let up = sums.up as f64 / sums.cells as f64;
    let share_moved = sums.moved as f64 / sums.cells as f64;
    let (low, high) = wilson(accuracy, row.n_independent * share_moved, 0.95);
    let pesaran_timmermann_p = row.step.and_then(|step| {
        let (said, came): (Vec<_>, Vec<_>) = (0..truth.len())
            .step_by(row.lags + 1)
            .filter_map(|origin| {
                let last = truth.last_close[origin];
                let point = ledger.track.predictions.point(origin)[step - 1];
                let moved = (point / last - 1.0).abs() > 1e-6;
                moved.then(|| (point > last, truth.actual(origin)[step - 1] > last))
            })
            .unzip();
        pesaran_timmermann(&said, &came).map(|(_, p)| p)
    });
    Some(Direction {
        n: sums.moved,
        accuracy,
        low,
        high,
        up,
        base_rate: up.max(1.0 - up),
        pesaran_timmermann_p,
    })
}

/// The tests of a horizon that are corrected together.
fn tests(horizon: &mut HorizonCard, role: Part) -> [Option<&mut Test>; 3] {
    [
        (role != Part::Naive).then_some(&mut horizon.point.against_last_close),
        horizon
            .against_naive
            .as_mut()
            .map(|skill| &mut skill.diebold_mariano),
        horizon
            .against_yardstick
            .as_mut()
            .map(|skill| &mut skill.diebold_mariano),
    ]
}

fn holm_by_horizon(models: &mut [ModelCard]) {
    let rows = models.first().map_or(0, |model| model.horizons.len());
    for row in 0..rows {
        let mut found: [Vec<f64>; 3] = array::from_fn(|_| Vec::new());
        for model in models.iter_mut() {
            for (of, test) in found
                .iter_mut()
                .zip(tests(&mut model.horizons[row], model.role))
            {
                of.push(test.and_then(|test| test.p).unwrap_or(f64::NAN));
            }
        }
        let adjusted = found.map(|p| holm(&p));
        for (place, model) in models.iter_mut().enumerate() {
            for (of, test) in adjusted
                .iter()
                .zip(tests(&mut model.horizons[row], model.role))
            {
                if let Some(test) = test {
                    test.p_holm_horizon = Some(of[place]).filter(|p| !p.is_nan());
                }
            }
        }
    }
}

/// Holm over all models and horizons, times the configurations tried.
fn adjust(found: &[Vec<Cautious>], tried: usize) -> Vec<Adjusted> {
    let over_table = |of: &dyn Fn(&Cautious) -> Option<f64>, times: f64| -> Vec<Vec<Option<f64>>> {
        let flat: Vec<f64> = found
            .iter()
            .flatten()
            .map(|p| of(p).unwrap_or(f64::NAN))
            .collect();
        let adjusted = holm(&flat);
        let width = found.first().map_or(1, |row| row.len().max(1));
        adjusted
            .chunks(width)
            .map(|row| {
                row.iter()
                    .map(|p| (!p.is_nan()).then(|| (p * times).min(1.0)))
                    .collect()
            })
            .collect()
    };
    let better = over_table(&|p| p.better, tried.max(1) as f64);
    let worse = over_table(&|p| p.worse, 1.0);
    better
        .into_iter()
        .zip(worse)
        .map(|(better, worse)| Adjusted { better, worse })
        .collect()
}

fn confidence_sets(
    ledgers: &[Ledger<'_>],
    shown: &[Shown],
    horizon: usize,
    options: &CardOptions,
) -> Vec<ConfidenceSet> {
    let with_quantiles: Vec<_> = ledgers
        .iter()
        .filter(|ledger| ledger.has_quantiles())
        .collect();
    let k = with_quantiles.len();
    if k < 2 || options.repetitions == 0 {
        return Vec::new();
    }
    let mut sets = Vec::new();
    for row in shown.iter().filter(|row| row.judged) {
        let columns: Vec<Vec<f64>> = with_quantiles
            .iter()
            .map(|ledger| by_origin(&ledger.crps_log, horizon, row.step))
            .collect();
        let n = columns[0].len();
        let losses: Vec<f64> = (0..n)
            .flat_map(|origin| columns.iter().map(move |column| column[origin]))
            .collect();
        // Blocks must hold the overlap of neighbouring outcomes; n^(1/3) is the usual length without any.
        let length = ((row.lags + 1) as f64).max((n as f64).cbrt());
        let bootstrap = StationaryBootstrap::new(options.seed, length);
        let left = model_confidence_set(
            &losses,
            k,
            Statistic::Max,
            options.repetitions,
            &mut |sample, into| bootstrap.fill(sample, into),
        );
        sets.push(ConfidenceSet {
            name: row.name.clone(),
            confidence: CONFIDENCE,
            members: left
                .iter()
                .map(|left| Member {
                    model: with_quantiles[left.model].track.model.clone(),
                    p: left.p,
                    included: left.p > 1.0 - CONFIDENCE,
                })
                .collect(),
        });
    }
    sets
}

fn tried(configurations: usize, comparisons: usize) -> Tried {
    let configurations = configurations.max(1);
    let table = match comparisons {
        0 => "nothing was compared with naive".to_owned(),
        1 => "one comparison with naive".to_owned(),
        n => format!("{n} comparisons with naive, corrected together (Holm)"),
    };
    let sentence = if configurations == 1 {
        format!(
            "{table}; one configuration was tried, by what we were told: any other that was looked at on these origins makes the p values too small"
        )
    } else {
        format!(
            "{table}; {configurations} configurations were tried on these origins, of which the best without any skill has a one in {:.0} chance to look significant alone: its p values count {configurations} times",
            1.0 / (1.0 - (1.0 - SIGNIFICANCE).powf(configurations as f64))
        )
    };
    Tried {
        configurations,
        comparisons,
        sentence,
    }
}

fn warnings(
    backtest: &Backtest,
    shown: &[Shown],
    ledgers: &[Ledger<'_>],
    naive: bool,
    yardstick: bool,
) -> Vec<String> {
    const DAY: i64 = 86_400_000;
    let truth = &backtest.truth;
    let mut warnings = Vec::new();
    if !naive {
        warnings.push(format!(
            "no model is called `{NAIVE}`: there is no skill and no verdict"
        ));
    }
    if !yardstick {
        warnings.push(format!(
            "no model is called `{YARDSTICK}`: skill against volatility-scaled quantiles is missing"
        ));
    }
    let silent: Vec<_> = shown.iter().filter(|row| !row.judged).collect();
    if let Some(worst) = silent
        .iter()
        .min_by(|a, b| a.n_independent.total_cmp(&b.n_independent))
    {
        let names: Vec<_> = silent.iter().map(|row| row.name.as_str()).collect();
        warnings.push(format!(
            "not judged at {}: outcomes overlap, and {} origins are down to {:.1} that do not; wanted {ENOUGH_ORIGINS}",
            verdict::and(&names),
            truth.len(),
            worst.n_independent
        ));
    }
    let weekday = |time: &i64| time.div_euclid(DAY).rem_euclid(7);
    let mut days = truth.origins.iter().map(weekday);
    let first = days.next();
    if truth.step == DAY
        && truth.len() > 1
        && truth.stride > 1
        && days.all(|day| Some(day) == first)
    {
        warnings.push("all origins fall on one day of the week: each step ahead is judged on one weekday only".to_owned());
    }
    for ledger in ledgers.iter().filter(|ledger| ledger.without_logarithm > 0) {
        warnings.push(format!(
            "`{}` forecasts {} quantiles at or below zero; they count as a billionth of the last close",
            ledger.track.model, ledger.without_logarithm
        ));
    }
    warnings
}
