//! The report card: its numbers against an outside script, its words on markets whose truth is known.

use senti::backtest::{Backtest, Track, Truth};
use senti::card::{CardOptions, NAIVE, ReportCard, TradingOptions, Word};
use senti::forecast::Predictions;
use senti::quantiles::linear;
use senti_engine::random::{Purpose, Stream};
use serde_json::Value;

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
    /// Narrows them by a little, always: small gains most of the time, a large loss now and then.
    Narrow,
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
                    Habit::Narrow => 0.97 * quantile,
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
        folds: Vec::new(),
        notes: Vec::new(),
    }
}

const FEW_LEVELS: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

fn without_sets() -> CardOptions {
    CardOptions {
        repetitions: 0,
        ..CardOptions::default()
    }
}

/// Is the verdict on the model "beats naive"?
fn beats(backtest: &Backtest) -> bool {
    let card = ReportCard::of(backtest, &without_sets()).unwrap();
    card.models[1].verdict.word == Word::BeatsNaive
}

#[test]
#[ignore = "minutes: prints how often noise is believed, with and without the cautious test"]
fn calibration() {
    use senti::statistics::many::holm;
    for market in [Market::Storms, Market::Walk] {
        for habit in [Habit::Narrow] {
            for n in [200, 420, 620, 1100] {
                let (mut cautious, mut plain) = (0, 0);
                for seed in 0..200 {
                    let backtest = simulate(seed, market, habit, n, 30, &FEW_LEVELS);
                    let card = ReportCard::of(&backtest, &without_sets()).unwrap();
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

/// The backtest behind `goldens/card.json`.
fn golden_backtest(golden: &Value) -> Backtest {
    let list = |value: &Value| -> Vec<f64> {
        value
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect()
    };
    let last_close = list(&golden["last_close"]);
    let (n, horizon) = (last_close.len(), 4);
    let z = list(&golden["z"]);
    let close_of = |cell: usize| last_close[cell / horizon];
    let still: Vec<f64> = (0..n * horizon).map(close_of).collect();
    let track = |model: &str, point: Vec<f64>, centre: &dyn Fn(usize) -> f64| {
        let scale = list(&golden["scale"][model]);
        let quantiles = (0..n * horizon)
            .flat_map(|cell| z.iter().map(move |z| (cell, *z)))
            .map(|(cell, z)| close_of(cell) * (centre(cell) + scale[cell] * z).exp())
            .collect();
        Track {
            model: model.into(),
            predictions: Predictions {
                horizon,
                n_levels: z.len(),
                point,
                quantiles,
            },
        }
    };
    let centre = list(&golden["centre"]);
    let tracks = vec![
        track("naive", still.clone(), &|_| 0.0),
        track("har_730", still, &|_| 0.0),
        track("model", list(&golden["point"]), &|cell| centre[cell]),
    ];
    Backtest {
        truth: Truth {
            target: "close".into(),
            step: DAY,
            stride: 1,
            horizon,
            rows: (0..n).collect(),
            origins: (0..n as i64).map(|day| day * DAY).collect(),
            times: (0..n as i64)
                .flat_map(|day| (1..=4).map(move |step| (day + step) * DAY))
                .collect(),
            actual: list(&golden["actual"]),
            last_close,
        },
        levels: list(&golden["levels"]),
        tracks,
        mean_move: golden["mean_move"].as_f64().unwrap(),
        folds: Vec::new(),
        notes: Vec::new(),
    }
}

/// Every number of `theirs` has its like in `ours`, to ten digits (sums of hundreds of terms, and logarithms of their exponentials).
#[track_caller]
fn check_same(ours: &Value, theirs: &Value, path: &str) {
    match theirs {
        Value::Number(theirs) => {
            let (ours, theirs) = (ours.as_f64(), theirs.as_f64().unwrap());
            let near =
                ours.is_some_and(|ours| (ours - theirs).abs() <= 1e-9 * theirs.abs().max(1e-3));
            assert!(near, "{path}: {ours:?} is not {theirs}");
        }
        Value::Object(members) => {
            for (name, theirs) in members {
                check_same(&ours[name], theirs, &format!("{path}.{name}"));
            }
        }
        Value::Array(list) => {
            assert_eq!(ours.as_array().map(Vec::len), Some(list.len()), "{path}");
            for (place, theirs) in list.iter().enumerate() {
                check_same(&ours[place], theirs, &format!("{path}[{place}]"));
            }
        }
        theirs => assert_eq!(ours, theirs, "{path}"),
    }
}

#[test]
fn numbers_agree_with_an_outside_script() {
    let golden: Value = serde_json::from_str(include_str!("../goldens/card.json")).unwrap();
    let card = ReportCard::of(
        &golden_backtest(&golden),
        &CardOptions {
            nested: vec!["model".into()],
            ..CardOptions::default()
        },
    )
    .unwrap();
    let names: Vec<_> = card.horizons.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["1", "3", "4", "all"]);
    assert_eq!(card.models.len(), 3);
    for model in &card.models {
        let theirs = golden["models"][&model.model].as_array().unwrap();
        for (ours, theirs) in model.horizons.iter().zip(theirs) {
            let place = format!("{} at {}", model.model, ours.name);
            let mut ours = serde_json::to_value(ours).unwrap();
            // the script's names for lists of levels, and for what stands elsewhere
            let levels = ours["distribution"]["levels"].as_array().unwrap().clone();
            for name in ["pinball_log", "pinball_price", "share_below"] {
                let column = levels.iter().map(|level| level[name].clone()).collect();
                ours["distribution"][name] = Value::Array(column);
            }
            ours["distribution"]["pit_p"] = ours["distribution"]["pit"]["p"].clone();
            ours["distribution"]["pit"] = ours["distribution"]["pit"]["shares"].clone();
            ours["against_last_close"] = ours["point"]["against_last_close"].clone();
            ours["clark_west"] = ours["point"]["clark_west"].clone();
            check_same(&ours, theirs, &place);
            // a level of our own cards stands where theirs does
            assert_eq!(
                ours["direction"].is_null(),
                theirs.get("direction").is_none(),
                "{place}"
            );
            assert_eq!(
                ours["clark_west"].is_null(),
                theirs.get("clark_west").is_none(),
                "{place}"
            );
        }
    }
}

#[test]
fn a_card_survives_its_json() {
    let backtest = simulate(1, Market::Walk, Habit::Mixed, 120, 9, &FEW_LEVELS);
    let trading = TradingOptions {
        fee: 0.001,
        slippage: 0.0005,
        short: true,
    };
    let options = CardOptions {
        trading: Some(trading),
        tried: 7,
        ..CardOptions::default()
    };
    let card = ReportCard::of(&backtest, &options).unwrap();
    let text = serde_json::to_string(&card).unwrap();
    assert_eq!(serde_json::from_str::<ReportCard>(&text).unwrap(), card);
    assert_eq!(
        ReportCard::of(&backtest, &options).unwrap(),
        card,
        "the same backtest, the same card"
    );
}

#[test]
fn little_or_nothing_still_makes_a_card() {
    let trading = Some(TradingOptions {
        fee: 0.001,
        slippage: 0.0,
        short: true,
    });
    let options = CardOptions {
        trading,
        repetitions: 20,
        ..CardOptions::default()
    };
    let check = |backtest: &Backtest, place: &str| {
        let card = ReportCard::of(backtest, &options).unwrap();
        // a value that is no number would come back as an error
        let text = serde_json::to_string(&card).unwrap();
        assert_eq!(
            serde_json::from_str::<ReportCard>(&text).unwrap(),
            card,
            "{place}"
        );
        card
    };
    for n in [1, 2, 3, 4, 5, 24] {
        for horizon in [1, 2, 30] {
            let place = format!("{n} origins of {horizon}");
            check(
                &simulate(1, Market::Walk, Habit::Shifted, n, horizon, &FEW_LEVELS),
                &place,
            );
        }
    }
    let mut backtest = simulate(1, Market::Walk, Habit::Mixed, 60, 2, &FEW_LEVELS);
    let truth = &mut backtest.truth;
    truth.last_close.fill(5.0);
    truth.actual.fill(5.0);
    for track in &mut backtest.tracks {
        track.predictions.point.fill(5.0);
        track.predictions.quantiles.fill(5.0);
    }
    backtest.mean_move = 0.0;
    let card = check(&backtest, "a price that never moves");
    let model = &card.models[1];
    assert_eq!(model.horizons[0].point.mase, None);
    assert_eq!(model.horizons[0].point.relative_mae, None);
    assert_eq!(
        model.horizons[0].against_naive.as_ref().unwrap().skill,
        None
    );
    assert_eq!(model.verdict.word, Word::NoBetter);
}

#[test]
fn without_references_there_is_no_verdict() {
    let mut backtest = simulate(1, Market::Walk, Habit::Mixed, 60, 3, &FEW_LEVELS);
    backtest.tracks.remove(0);
    let card = ReportCard::of(&backtest, &CardOptions::default()).unwrap();
    assert_eq!(card.models[0].verdict.word, Word::NotJudged);
    assert_eq!(card.naive, None);
    assert!(
        card.warnings
            .iter()
            .any(|warning| warning.contains("`naive`")),
        "{:?}",
        card.warnings
    );
    assert!(
        card.models[0]
            .horizons
            .iter()
            .all(|horizon| horizon.against_naive.is_none())
    );
}

#[test]
fn points_without_quantiles_are_scored() {
    let mut backtest = simulate(1, Market::Planted, Habit::Knowing, 200, 3, &FEW_LEVELS);
    let predictions = &mut backtest.tracks[1].predictions;
    predictions.n_levels = 0;
    predictions.quantiles.clear();
    let card = ReportCard::of(&backtest, &CardOptions::default()).unwrap();
    let model = &card.models[1];
    assert_eq!(model.verdict.word, Word::NotJudged);
    assert!(
        model
            .horizons
            .iter()
            .all(|horizon| horizon.distribution.is_none())
    );
    assert!(
        model
            .verdict
            .point
            .starts_with("its point forecast is better"),
        "{}",
        model.verdict.point
    );
    assert!(card.confidence_sets.is_empty());
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let good = simulate(1, Market::Walk, Habit::Mixed, 30, 3, &FEW_LEVELS);
    let refused = |change: &dyn Fn(&mut Backtest)| {
        let mut backtest = good.clone();
        change(&mut backtest);
        ReportCard::of(&backtest, &CardOptions::default())
            .unwrap_err()
            .to_string()
    };
    let bad = refused(&|backtest| backtest.tracks[1].predictions.point[4] = f64::NAN);
    assert_eq!(
        bad,
        "`model` forecasts NaN from origin 2 at step 2, wanted a number"
    );
    assert!(
        refused(&|backtest| backtest.truth.last_close[3] = 0.0).contains("wanted one above zero")
    );
    assert!(
        refused(&|backtest| {
            backtest.tracks[0].predictions.point.pop();
        })
        .contains("`naive`")
    );
    assert!(refused(&|backtest| backtest.truth = Truth::default()).contains("0 origins"));
}

#[test]
fn quantiles_below_zero_count_as_next_to_nothing() {
    let mut backtest = simulate(1, Market::Walk, Habit::Mixed, 30, 3, &FEW_LEVELS);
    backtest.tracks[1].predictions.quantiles[0] = -1.0;
    let card = ReportCard::of(&backtest, &CardOptions::default()).unwrap();
    assert!(
        card.warnings
            .iter()
            .any(|warning| warning.contains("`model` forecasts 1 quantiles at or below zero")),
        "{:?}",
        card.warnings
    );
    assert!(
        card.models[1].horizons[0]
            .distribution
            .as_ref()
            .unwrap()
            .crps_log
            .is_finite()
    );
}

#[test]
fn few_origins_are_inconclusive() {
    let backtest = simulate(1, Market::Planted, Habit::Knowing, 15, 3, &FEW_LEVELS);
    let card = ReportCard::of(&backtest, &CardOptions::default()).unwrap();
    let verdict = &card.models[1].verdict;
    assert_eq!(verdict.word, Word::Inconclusive);
    assert!(verdict.sentence.contains("too few"), "{}", verdict.sentence);
}

#[test]
fn configurations_tried_cost_certainty() {
    let backtest = simulate(3, Market::Planted, Habit::Knowing, 90, 1, &FEW_LEVELS);
    let p = |tried| {
        let card = ReportCard::of(
            &backtest,
            &CardOptions {
                tried,
                ..CardOptions::default()
            },
        )
        .unwrap();
        card.models[1].horizons[0]
            .against_naive
            .as_ref()
            .unwrap()
            .diebold_mariano
            .p_holm
            .unwrap()
    };
    assert!((p(40) - (40.0 * p(1)).min(1.0)).abs() < 1e-12);
    assert!(p(1) > 0.0);
}

#[test]
fn a_shifted_price_is_called_one() {
    let mut backtest = simulate(5, Market::Walk, Habit::Mixed, 300, 1, &FEW_LEVELS);
    let sentence = |backtest: &Backtest| {
        let card = ReportCard::of(backtest, &CardOptions::default()).unwrap();
        let copycat = &card.models[1].copycat;
        (copycat.shifted, copycat.sentence.clone())
    };
    // naive by its own words
    let (shifted, said) = sentence(&backtest);
    assert!(shifted && said.contains("as it says"), "{said}");
    let last = backtest.truth.last_close.clone();
    let points = |backtest: &mut Backtest, of: &dyn Fn(usize) -> f64| {
        for (origin, point) in backtest.tracks[1].predictions.point.iter_mut().enumerate() {
            *point = of(origin);
        }
    };
    // near the last close
    points(&mut backtest, &|origin| last[origin] * 1.0005);
    let (shifted, said) = sentence(&backtest);
    assert!(shifted && said.contains("of a typical move"), "{said}");
    // far from it and still moving with it
    points(&mut backtest, &|origin| last[origin] * 1.04);
    let (shifted, said) = sentence(&backtest);
    assert!(
        shifted && said.contains("moves with the last close (correlation 1.00)"),
        "{said}"
    );
    // knows half of the coming move
    let actual = backtest.truth.actual.clone();
    points(&mut backtest, &|origin| {
        (last[origin] * actual[origin]).sqrt()
    });
    let (shifted, said) = sentence(&backtest);
    assert!(!shifted, "{said}");
}

#[test]
fn leaks_raise_alarms_and_honest_noise_none() {
    let mut leak = simulate(2, Market::Planted, Habit::Knowing, 700, 3, &FEW_LEVELS);
    leak.tracks[0].model = "har_730".into();
    let alarms = |backtest: &Backtest| -> Vec<String> {
        let card = ReportCard::of(backtest, &CardOptions::default()).unwrap();
        card.models[1]
            .alarms
            .iter()
            .map(|alarm| format!("{} {}", alarm.what, alarm.horizon))
            .collect()
    };
    assert_eq!(
        alarms(&leak),
        [
            "mae 1",
            "r2 1",
            "direction 1",
            "skill 1",
            "skill 3",
            "skill all"
        ]
    );
    let mut honest = simulate(2, Market::Walk, Habit::Shifted, 700, 3, &FEW_LEVELS);
    honest.tracks[0].model = "har_730".into();
    assert!(alarms(&honest).is_empty());
}

#[test]
fn noise_around_naive_rarely_beats_it() {
    // 200 markets, daily origins, 30 steps. Markets without memory for all habits; with spells of calm and storm for those that do
    // not bet on calm (narrow intervals do, and are believed in a tenth of such markets: `calibration` below).
    let habits = [
        (Market::Walk, Habit::Narrow),
        (Market::Walk, Habit::Scaled),
        (Market::Walk, Habit::Rolling),
        (Market::Storms, Habit::Shifted),
        (Market::Storms, Habit::Mixed),
    ];
    let origins = [200, 240, 300, 400, 500, 700, 1000, 1500];
    let beating = (0..200).filter(|&seed| {
        let (market, habit) = habits[seed as usize % 5];
        beats(&simulate(
            seed,
            market,
            habit,
            origins[seed as usize / 5 % 8],
            30,
            &FEW_LEVELS,
        ))
    });
    let share = beating.count() as f64 / 200.0;
    println!("noise beats naive in {share} of the runs");
    assert!(share <= 0.05, "{share}");
}

#[test]
fn a_planted_pattern_beats_naive() {
    let origins = [200, 240, 300, 400, 500, 700, 1000, 1500];
    let beating = (0..200).filter(|&seed| {
        let n = origins[seed as usize % 8];
        beats(&simulate(
            seed,
            Market::Planted,
            Habit::Knowing,
            n,
            10,
            &FEW_LEVELS,
        ))
    });
    let share = beating.count() as f64 / 200.0;
    println!("a pattern beats naive in {share} of the runs");
    assert!(share >= 0.95, "{share}");
}

/// Five origins whose next closes are 100, 110, 121, 108.9 and 108.9, and a forecast of two steps that says up, down, up, up.
fn four_periods() -> Backtest {
    let next = [100.0, 110.0, 121.0, 108.9, 108.9];
    let said = [1.0, -1.0, 1.0, 1.0, 1.0];
    let last = [100.0, 100.0, 110.0, 121.0, 108.9];
    let points: Vec<f64> = last
        .iter()
        .zip(said)
        .flat_map(|(last, said)| [*last, last + said])
        .collect();
    Backtest {
        truth: Truth {
            target: "close".into(),
            step: DAY,
            stride: 1,
            horizon: 2,
            rows: (0..5).collect(),
            origins: (0..5).map(|day| day * DAY).collect(),
            last_close: last.to_vec(),
            times: (0..5)
                .flat_map(|day| [(day + 1) * DAY, (day + 2) * DAY])
                .collect(),
            actual: next.iter().flat_map(|&next| [next, next]).collect(),
        },
        levels: vec![0.5],
        tracks: vec![Track {
            model: "model".into(),
            predictions: Predictions {
                horizon: 2,
                n_levels: 1,
                quantiles: points.clone(),
                point: points,
            },
        }],
        mean_move: 1.0,
        folds: Vec::new(),
        notes: Vec::new(),
    }
}

#[test]
fn trades_are_made_a_candle_late_and_paid_for() {
    let card = |short| {
        let trading = Some(TradingOptions {
            fee: 0.006,
            slippage: 0.004,
            short,
        });
        let card = ReportCard::of(
            &four_periods(),
            &CardOptions {
                trading,
                ..CardOptions::default()
            },
        )
        .unwrap();
        card.models[0].trading.clone().unwrap()
    };
    let near =
        |ours: f64, theirs: f64| assert!((ours - theirs).abs() < 1e-12, "{ours} is not {theirs}");
    // By hand: long +10 %, out +10 %, long -10 %, long 0 %; in, out, in and out again at the end cost 1 % each.
    let flat = card(false);
    near(flat.model.money, 1.1 * 0.99 * 0.99 * (0.9 * 0.99) * 0.99);
    near(flat.buy_and_hold.money, 1.1 * 0.99 * 1.1 * 0.9 * 0.99);
    near(flat.model.exposure, 0.75);
    near(flat.random.exposure, 0.75);
    assert_eq!(
        (flat.periods, flat.model.trades, flat.random.trades),
        (4, 3, 3)
    );
    near(flat.model.drawdown, 1.0 - 0.99 * (0.9 * 0.99) * 0.99);
    near(flat.periods_per_year, 365.25);
    assert_eq!(flat.times, [2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY]);
    let returns = [1.1 * 0.99 - 1.0, -0.01, 0.9 * 0.99 - 1.0, -0.01];
    let mean = returns.iter().sum::<f64>() / 4.0;
    let deviation = (returns.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / 3.0).sqrt();
    near(
        flat.model.sharpe.unwrap(),
        mean / deviation * 365.25f64.sqrt(),
    );
    // Turned round, a change costs twice: long, short, long, long.
    let short = card(true);
    near(
        short.model.money,
        1.1 * 0.99 * (0.9 * 0.98) * (0.9 * 0.98) * 0.99,
    );
    near(short.model.exposure, 1.0);
}

#[test]
fn always_in_the_market_is_buying_and_holding() {
    let mut backtest = four_periods();
    backtest.tracks[0]
        .predictions
        .quantiles
        .iter_mut()
        .for_each(|price| *price += 5.0);
    let trading = Some(TradingOptions {
        fee: 0.001,
        slippage: 0.0,
        short: false,
    });
    let card = ReportCard::of(
        &backtest,
        &CardOptions {
            trading,
            ..CardOptions::default()
        },
    )
    .unwrap();
    let found = card.models[0].trading.as_ref().unwrap();
    assert_eq!(found.model, found.buy_and_hold);
    assert_eq!(found.better_than_random, 0.5);
    assert!(
        found.sentence.contains("this is buying and holding"),
        "{}",
        found.sentence
    );
}

#[test]
fn the_confidence_set_keeps_the_good_and_drops_the_bad() {
    let mut backtest = simulate(4, Market::Planted, Habit::Knowing, 300, 1, &FEW_LEVELS);
    let mut twin = backtest.tracks[1].clone();
    twin.model = "twin".into();
    backtest.tracks.push(twin);
    let card = ReportCard::of(&backtest, &CardOptions::default()).unwrap();
    let set = &card.confidence_sets[0];
    let found: Vec<_> = set
        .members
        .iter()
        .map(|member| (member.model.as_str(), member.included))
        .collect();
    assert_eq!(found, [("naive", false), ("model", true), ("twin", true)]);
}
