//! The report card: its numbers against an outside script, its words on markets whose truth is known.

use senti::backtest::{Backtest, Track, Truth};
use senti::card::{CardOptions, NAIVE, ReportCard, Word};
use senti::forecast::Predictions;
use senti::quantiles::linear;
use senti_engine::random::{Purpose, Stream};

const DAY: i64 = 86_400_000;

/// What the price does.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Market {
    /// Normal returns without memory.
    Walk,
    /// The same with spells of calm and storm (GARCH).
    Storms,
    /// Returns with a part that a model may know.
    Planted,
}

/// What a model does with the quantiles of naive.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Habit {
    /// Scales them by a slow noise.
    Scaled,
    /// Shifts them by a slow noise.
    Shifted,
    /// Takes the last 250 moves only.
    Rolling,
    /// Mixes those of the last 250 moves with naive's.
    Mixed,
    /// Shifts them by what it knows of the coming move.
    Knowing,
}

/// A market of `history + n + horizon` days, naive's forecasts and a model's from the last n origins that have outcomes.
fn simulate(
    seed: u64,
    market: Market,
    habit: Habit,
    n: usize,
    horizon: usize,
    levels: &[f64],
) -> Backtest {
    let history = 800;
    let stream = Stream::new(seed, Purpose::Search);
    let (mut noise, mut habit_noise) = (stream.at(0), stream.at(1));
    let rows = history + n + horizon;
    let mut price = vec![0.0f64];
    let mut known = vec![0.0; rows];
    let mut variance = 1.0f64;
    for known in known.iter_mut().skip(1) {
        let mut shock = noise.normal();
        if market == Market::Storms {
            shock *= variance.sqrt();
            variance = 0.03 + 0.1 * shock * shock + 0.87 * variance;
        }
        if market == Market::Planted {
            *known = 0.7 * noise.normal();
            shock += *known;
        }
        price.push(price[price.len() - 1] + 0.02 * shock);
    }
    let q = levels.len();
    let mut naive = Predictions::new(n, horizon, q);
    let mut model = Predictions::new(n, horizon, q);
    let mut truth = Truth {
        target: "close".into(),
        step: DAY,
        stride: 1,
        horizon,
        rows: (history..history + n).collect(),
        origins: (history..history + n).map(|row| row as i64 * DAY).collect(),
        last_close: (history..history + n).map(|row| price[row].exp()).collect(),
        times: Vec::new(),
        actual: Vec::new(),
    };
    // slow noise, the same for all steps of an origin
    let mut slow = vec![0.0f64];
    for _ in 1..n {
        slow.push(0.97 * slow[slow.len() - 1] + 0.24 * habit_noise.normal());
    }
    for origin in 0..n {
        for step in 1..=horizon {
            truth.times.push((history + origin + step) as i64 * DAY);
            truth.actual.push(price[history + origin + step].exp());
        }
    }
    for step in 1..=horizon {
        let mut past: Vec<f64> = Vec::new();
        let mut recent: Vec<f64> = Vec::new();
        let insert = |into: &mut Vec<f64>, value: f64| {
            let place = into.partition_point(|&other| other < value);
            into.insert(place, value);
        };
        for row in 0..history + n {
            if row >= step {
                let moved = price[row] - price[row - step];
                insert(&mut past, moved);
                insert(&mut recent, moved);
                if row >= step + 250 {
                    let gone = price[row - 250] - price[row - 250 - step];
                    let place = recent.partition_point(|&other| other < gone);
                    recent.remove(place);
                }
            }
            let Some(origin) = row.checked_sub(history) else {
                continue;
            };
            let close = price[row].exp();
            let cell = origin * horizon + step - 1;
            naive.point[cell] = close;
            let spread = 0.02 * (step as f64).sqrt();
            let ahead: f64 = (1..=step).map(|day| known[row + day]).sum();
            for (place, &level) in levels.iter().enumerate() {
                let quantile = linear(&past, level);
                naive.quantiles[cell * q + place] = close * quantile.exp();
                let mine = match habit {
                    Habit::Scaled => quantile * (0.08 * slow[origin]).exp(),
                    Habit::Shifted => quantile + 0.08 * spread * slow[origin],
                    Habit::Rolling => linear(&recent, level),
                    Habit::Mixed => 0.5 * quantile + 0.5 * linear(&recent, level),
                    Habit::Knowing => quantile / (1.0f64 + 0.49).sqrt() + 0.02 * ahead,
                };
                model.quantiles[cell * q + place] = close * mine.exp();
            }
            model.point[cell] = match habit {
                Habit::Shifted => close * (0.08 * spread * slow[origin]).exp(),
                Habit::Knowing => close * (0.02 * ahead).exp(),
                _ => close,
            };
        }
    }
    Backtest {
        truth,
        levels: levels.to_vec(),
        tracks: vec![
            Track {
                model: NAIVE.into(),
                predictions: naive,
            },
            Track {
                model: "model".into(),
                predictions: model,
            },
        ],
        mean_move: 1.0,
    }
}

const FEW_LEVELS: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

/// Share of runs whose verdict is "beats naive".
fn share_beating(runs: u64, market: Market, habit: Habit, origins: &dyn Fn(u64) -> usize) -> f64 {
    let beating = (0..runs).filter(|&seed| {
        let backtest = simulate(seed, market, habit, origins(seed), 30, &FEW_LEVELS);
        let card = ReportCard::of(&backtest, &CardOptions::default()).unwrap();
        card.models[1].verdict.word == Word::BeatsNaive
    });
    beating.count() as f64 / runs as f64
}

#[test]
#[ignore = "minutes: the table behind ENOUGH_ORIGINS"]
fn calibration() {
    use senti::statistics::many::holm;
    for market in [Market::Walk, Market::Storms] {
        for habit in [Habit::Scaled, Habit::Shifted, Habit::Rolling] {
            for n in [200, 450, 700, 1500] {
                let (mut cautious, mut plain) = (0, 0);
                for seed in 0..200 {
                    let backtest = simulate(seed, market, habit, n, 30, &FEW_LEVELS);
                    let card = ReportCard::of(&backtest, &CardOptions::default()).unwrap();
                    let model = &card.models[1];
                    cautious += usize::from(model.verdict.word == Word::BeatsNaive);
                    let p: Vec<f64> = card
                        .horizons
                        .iter()
                        .zip(&model.horizons)
                        .filter(|(row, _)| row.judged)
                        .map(|(_, horizon)| {
                            horizon
                                .against_naive
                                .as_ref()
                                .unwrap()
                                .diebold_mariano
                                .p_better
                                .unwrap()
                        })
                        .collect();
                    plain += usize::from(holm(&p).iter().any(|&p| p < 0.05));
                }
                println!(
                    "{market:?} {habit:?} {n}: {:.3} (without caution {:.3})",
                    f64::from(cautious as u32) / 200.0,
                    f64::from(plain as u32) / 200.0
                );
            }
        }
    }
}
