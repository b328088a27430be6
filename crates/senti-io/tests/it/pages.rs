//! Pages to look at: of a training with everything on it, and of a backtest whose card is made up.

use senti::backtest::{Backtest, FoldRecord, Track, Truth};
use senti::card::{
    Alarm, Conditional, ConfidenceSet, Copycat, Direction, DistributionScores, HorizonCard,
    IntervalScores, LevelScores, Member, ModelCard, Part, Pit, PointScores, ReportCard, Returns,
    Shown, Skill, StepCard, Test, Trading, Tried, Verdict, Word,
};
use senti::forecast::Predictions;
use senti::observe::Sizes;
use senti::plan::LEVELS;
use senti::table::Time;
use senti_io::report::html::{Facts, Importance, ImportanceRow, Tested, of_backtest, render};

use crate::trained::{DAY, market, noise};

/// Steps ahead of the backtest.
const HORIZON: usize = 30;

/// A backtest with its card.
pub struct Walked {
    pub backtest: Backtest,
    pub card: ReportCard,
}

impl Walked {
    /// The page, with two pictures of importance.
    pub fn page(&self) -> String {
        let row = |index: usize| ImportanceRow {
            name: format!("feature_with_a_long_name_{index}"),
            value: 4.0 / (index as f64 + 1.0) - 0.4,
            interval: Some((
                3.0 / (index as f64 + 1.0) - 0.5,
                5.0 / (index as f64 + 1.0) - 0.3,
            )),
        };
        let importance = ["1 day ahead", "30 days ahead"].map(|horizon| Importance {
            title: format!("Permutation importance, {horizon}"),
            unit: "rise of the CRPS in percent when the feature is shuffled".into(),
            rows: (0..12).map(row).collect(),
        });
        let facts = [Facts {
            title: "Data".into(),
            rows: vec![
                ("source".into(), "random walk".into()),
                ("SHA-256 of the rows".into(), "ab".repeat(32)),
            ],
        }];
        render(&of_backtest(&Tested {
            backtest: &self.backtest,
            card: &self.card,
            importance: &importance,
            facts: &facts,
        }))
    }
}

/// Of these models; the first is `naive`, the second the yardstick. Numbers are drawn, not measured: they test the page alone.
pub fn walked(names: &[&str]) -> Walked {
    let table = market(900, DAY, 30_000.0, 0.01);
    let (n, first) = (240, 600);
    let rows: Vec<_> = (first..first + n).collect();
    let close = table.close();
    let ahead = |row: usize| (1..=HORIZON).map(move |step| row + step);
    let truth = Truth {
        target: "close".into(),
        step: DAY,
        stride: 1,
        horizon: HORIZON,
        origins: rows.iter().map(|row| table.time()[*row]).collect(),
        last_close: rows.iter().map(|row| close[*row]).collect(),
        times: rows
            .iter()
            .flat_map(|row| ahead(*row))
            .map(|row| table.time()[row])
            .collect(),
        actual: rows
            .iter()
            .flat_map(|row| ahead(*row))
            .map(|row| close[row])
            .collect(),
        rows: rows.clone(),
    };
    let tracks = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let mut predictions = Predictions::new(n, HORIZON, LEVELS.len());
            for (cell, point) in predictions.point.iter_mut().enumerate() {
                let last = truth.last_close[cell / HORIZON];
                let spread = 0.02 * ((cell % HORIZON + 1) as f64).sqrt();
                *point = last * (0.002 * index as f64).exp();
                for (level, q) in LEVELS.iter().enumerate() {
                    predictions.quantiles[cell * LEVELS.len() + level] =
                        *point * (spread * 2.0 * (q - 0.5)).exp();
                }
            }
            Track {
                model: (*name).into(),
                predictions,
            }
        })
        .collect();
    let card = card(names, &truth);
    let origins = truth.origins.clone();
    Walked {
        backtest: Backtest {
            truth,
            levels: LEVELS.to_vec(),
            tracks,
            mean_move: 250.0,
            folds: (0..3).map(|fold| fold_record(fold, &origins)).collect(),
            notes: vec!["the last 30 origins have no outcome yet and are left out".into()],
        },
        card,
    }
}

fn fold_record(fold: usize, origins: &[Time]) -> FoldRecord {
    let (first, last) = (80 * fold, 80 * fold + 79);
    FoldRecord {
        model: "lstm".into(),
        fold,
        first_origin: origins[first],
        last_origin: origins[last],
        origins: 80,
        known_until: origins[first] - DAY,
        sizes: Sizes {
            train_windows: 1_234 + first,
            valid_windows: 100,
            calibration_windows: 100,
            test_windows: 80,
            features: 9,
            rows: 1_600,
            matrix_bytes: 115_200,
        },
        epochs: 7,
        best_epoch: 0,
        untrained_loss: Some(0.0212),
        valid_loss: None,
    }
}

fn card(names: &[&str], truth: &Truth) -> ReportCard {
    let shown = [Some(1), Some(3), Some(7), Some(14), Some(30), None];
    let horizons: Vec<_> = shown
        .iter()
        .map(|step| Shown {
            name: step.map_or("all".into(), |step: usize| step.to_string()),
            step: *step,
            lags: step.unwrap_or(HORIZON) - 1,
            n_independent: 240.0 / step.unwrap_or(HORIZON) as f64,
            judged: step.is_some_and(|step| step <= 7),
        })
        .collect();
    let models: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(index, name)| model(index, name, names, &horizons, truth))
        .collect();
    let confidence_sets = horizons
        .iter()
        .map(|shown| ConfidenceSet {
            name: shown.name.clone(),
            confidence: 0.9,
            members: names
                .iter()
                .enumerate()
                .map(|(index, name)| Member {
                    model: (*name).into(),
                    p: index as f64 / names.len() as f64,
                    included: index > 0,
                })
                .collect(),
        })
        .collect();
    ReportCard {
        target: "close".into(),
        step: DAY,
        horizon: HORIZON,
        stride: 1,
        n_origins: truth.len(),
        first_origin: truth.origins.first().copied(),
        last_origin: truth.origins.last().copied(),
        mean_move: 250.0,
        levels: LEVELS.to_vec(),
        horizons,
        naive: Some(names[0].into()),
        yardstick: Some(names[1].into()),
        models,
        confidence_sets,
        tried: Tried {
            configurations: 12,
            comparisons: 9,
            sentence: "12 configurations were tried, so one in twelve is the best by luck alone"
                .into(),
        },
        significance: 0.05,
        warnings: vec!["240 origins 30 steps ahead are worth 8 that do not overlap".into()],
    }
}

fn test(t: f64) -> Test {
    let p = (-t.abs()).exp();
    Test {
        t: Some(t),
        p: Some(p),
        p_better: Some(p / 2.0),
        p_better_cautious: Some(p / 2.0),
        p_worse: Some(1.0 - p / 2.0),
        p_holm_horizon: Some((3.0 * p).min(1.0)),
        p_holm: Some((9.0 * p).min(1.0)),
    }
}

fn model(index: usize, name: &str, names: &[&str], horizons: &[Shown], truth: &Truth) -> ModelCard {
    let mut draw = noise(11 + index as u64);
    let lead = index as f64 - 1.0;
    let skill = |step: usize, wiggle: f64| 0.012 * lead - 0.0009 * step as f64 + 0.004 * wiggle;
    let role = match index {
        0 => Part::Naive,
        1 => Part::Yardstick,
        _ => Part::Model,
    };
    let cards = horizons
        .iter()
        .map(|shown| horizon(index, shown, names, skill(shown.step.unwrap_or(15), draw())))
        .collect();
    let steps = (1..=HORIZON)
        .map(|step| {
            let skill = if index == 0 { 0.0 } else { skill(step, draw()) };
            StepCard {
                step,
                mae_price: 250.0 * (step as f64).sqrt() * (1.0 - skill / 3.0),
                mae_log: 0.01 * (step as f64).sqrt(),
                relative_mae: Some(1.0 - skill / 3.0),
                crps_log: Some(0.007 * (step as f64).sqrt() * (1.0 - skill)),
                skill: Some(skill),
                coverage_50: Some(0.5 + 0.03 * draw()),
                coverage_80: Some(0.8 + 0.03 * draw()),
                // A hole in a line.
                coverage_90: (step != 9 || index != 2)
                    .then(|| 0.9 + 0.02 * draw() + 0.001 * step as f64),
                direction: None,
            }
        })
        .collect();
    let (word, title) = match index {
        0 => (Word::NotJudged, "not judged"),
        1 => (Word::Inconclusive, "inconclusive"),
        2 => (Word::BeatsNaive, "beats naive"),
        _ => (Word::NoBetter, "no better"),
    };
    let returns = |money: f64| Returns {
        money,
        sharpe: Some(money),
        drawdown: 0.21,
        exposure: 0.6,
        trades: 31,
    };
    ModelCard {
        model: name.into(),
        role,
        verdict: Verdict {
            word,
            title: title.into(),
            sentence: format!("the distribution of {name} was {title} over 240 origins"),
            point: "its point forecast is no better than the last close".into(),
            up_to: (index == 2).then_some(7),
            better: if index == 2 {
                vec!["1".into(), "3".into(), "7".into()]
            } else {
                Vec::new()
            },
            worse: if index == 3 {
                vec!["7".into()]
            } else {
                Vec::new()
            },
        },
        horizons: cards,
        steps,
        alarms: match index {
            4 => vec![Alarm {
                what: "skill".into(),
                horizon: "1".into(),
                value: 0.09,
                limit: 0.06,
                sentence: "a skill of 9.0 % at 1 day ahead is likelier a leak than skill".into(),
            }],
            _ => Vec::new(),
        },
        copycat: Copycat {
            shifted: index == 3,
            correlation_actual: Some(0.98),
            correlation_last: Some(1.0),
            distance: Some(0.0),
            sentence: "its one-step forecast is the last price, shifted".into(),
        },
        trading: (index == 2).then(|| {
            let times: Vec<_> = truth.origins.iter().map(|time| time + DAY).collect();
            let walk = |size: f64| {
                let mut money = 1.0;
                let mut draw = noise(5);
                times
                    .iter()
                    .map(|_| {
                        money *= 1.0 + size * draw();
                        money
                    })
                    .collect::<Vec<f64>>()
            };
            Trading {
                cost: 0.0015,
                short: false,
                periods: times.len(),
                periods_per_year: 365.0,
                model: returns(1.12),
                buy_and_hold: returns(1.2),
                random: returns(1.1),
                better_than_random: 0.55,
                probabilistic_sharpe: Some(0.7),
                deflated_sharpe: Some(0.2),
                minimum_track_record: None,
                equity: walk(0.02),
                equity_buy_and_hold: walk(0.03),
                times,
                sentence: "trading on it brought less than buying and holding".into(),
            }
        }),
    }
}

fn horizon(index: usize, shown: &Shown, names: &[&str], skill: f64) -> HorizonCard {
    let wide = (shown.step.unwrap_or(15) as f64).sqrt();
    let against = |name: &str, skill: f64| Skill {
        against: name.into(),
        reference_crps_log: 0.007 * wide,
        skill: Some(skill),
        diebold_mariano: test(120.0 * skill),
        giacomini_white: shown.judged.then_some(Conditional {
            statistic: 4.0,
            p: 0.135,
        }),
    };
    let interval = |nominal: f64| IntervalScores {
        nominal,
        coverage: nominal + 0.01 * index as f64 - 0.01,
        coverage_low: nominal - 0.03,
        coverage_high: nominal + 0.03,
        width_log: 0.03 * wide,
        width_price: 900.0 * wide,
        winkler_log: 0.05 * wide,
        winkler_price: 1400.0 * wide * (1.0 - skill),
        kupiec_p: shown.judged.then_some(0.31),
        christoffersen_p: None,
    };
    let mut edges = vec![0.0];
    edges.extend(LEVELS);
    edges.push(1.0);
    let shares = (0..=LEVELS.len())
        .map(|bin| 0.05 + 0.012 * ((bin as f64 - 9.5).abs() / 9.5 - 0.5))
        .collect();
    HorizonCard {
        name: shown.name.clone(),
        step: shown.step,
        n: 240,
        point: PointScores {
            mae_price: 250.0 * wide,
            rmse_price: 330.0 * wide,
            mape: 1.1 * wide,
            mase: Some(wide),
            rmsse: None,
            mae_log: 0.01 * wide,
            rmse_log: 0.013 * wide,
            relative_mae: Some(1.0 - skill / 3.0),
            relative_mae_price: Some(1.0),
            r2_out_of_sample: Some(skill / 4.0),
            against_last_close: test(20.0 * skill),
            clark_west: None,
        },
        distribution: Some(DistributionScores {
            crps_log: 0.007 * wide * (1.0 - skill),
            crps_price: 180.0 * wide * (1.0 - skill),
            levels: LEVELS
                .iter()
                .map(|&level| LevelScores {
                    level,
                    pinball_log: 0.003,
                    pinball_price: 90.0,
                    share_below: (level + 0.06 * level * (1.0 - level) * (index as f64 - 1.0))
                        .min(1.0),
                })
                .collect(),
            intervals: [0.5, 0.8, 0.9].map(interval).into(),
            pit: Pit {
                edges,
                shares,
                p: shown.judged.then_some(0.04),
            },
        }),
        direction: (index > 1).then_some(Direction {
            n: 240,
            accuracy: 0.53,
            low: 0.46,
            high: 0.6,
            up: 0.52,
            base_rate: 0.52,
            pesaran_timmermann_p: Some(0.4),
        }),
        against_naive: (index != 0).then(|| against(names[0], skill)),
        against_yardstick: (index != 1).then(|| against(names[1], skill - 0.01)),
    }
}
