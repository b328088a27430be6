//! The backtest: nothing ahead of an origin matters, no bit depends on threads or interruptions, and the walk is the one asked for.

use senti::backtest::walk::names;
use senti::backtest::{Backtest, FoldForecast, Layout, Truth, Walk, backtest};
use senti::observe::{Event, Next};
use senti::plan::{Draft, Plan};
use senti::table::Rows;
use senti::{Error, ErrorKind, Role, Table, Time};

use crate::market::{DAY, machine, plan, rows, small, table};

/// Row of the first origin: the rivals need 424 candles.
const FIRST: usize = 440;
const N: usize = 520;

fn walk(models: &[&str]) -> Walk {
    Walk {
        models: models.iter().map(|name| (*name).to_owned()).collect(),
        start: Some(FIRST as Time * DAY),
        refit_every: 30,
        ..Walk::default()
    }
}

/// Two epochs are enough to have learned something.
fn quick() -> Plan {
    let draft = Draft {
        units: vec![6],
        epochs: 2,
        ..small("lstm")
    };
    draft.check().expect("a valid plan")
}

/// A whole walk, with its folds as they came.
fn walked(table: &Table, walk: &Walk, threads: usize) -> (Backtest, Vec<FoldForecast>) {
    let mut folds = Vec::new();
    let done = backtest(
        table,
        &quick(),
        walk,
        machine(threads),
        Vec::new(),
        &mut |event| {
            if let Event::Fold(fold) = event {
                folds.push(fold.clone());
            }
            Next::Continue
        },
    );
    folds.sort_by_key(|fold| (fold.record.model.clone(), fold.record.fold));
    (done.expect("a backtest"), folds)
}

/// The rows with the candles behind `row` replaced by those of another market, which go on from the same close.
fn rewritten(rows: &Rows, row: usize, upto: usize) -> Rows {
    let mut other = rows.clone();
    let foreign = crate::market::rows(rows.time.len(), 99);
    let close = |of: &Rows| of.columns[3].values[row];
    let factor = close(rows) / close(&foreign);
    for (column, foreign) in other.columns.iter_mut().zip(&foreign.columns) {
        let factor = if column.role.is_price() { factor } else { 1.0 };
        for at in row + 1..upto {
            column.values[at] = foreign.values[at] * factor;
        }
    }
    other
}

/// Every forecast from the first `n` origins has the same bits.
#[track_caller]
fn check_same_until(one: &Backtest, other: &Backtest, n: usize) {
    assert_eq!(one.tracks.len(), other.tracks.len());
    for (one, other) in one.tracks.iter().zip(&other.tracks) {
        assert_eq!(one.model, other.model);
        for origin in 0..n {
            assert_eq!(
                one.predictions.point(origin),
                other.predictions.point(origin),
                "{} at origin {origin}",
                one.model
            );
            assert_eq!(
                one.predictions.quantiles(origin),
                other.predictions.quantiles(origin),
                "{} at origin {origin}",
                one.model
            );
        }
    }
}

#[test]
fn rows_behind_an_origin_change_no_forecast_from_it() {
    let known = rows(N, 21);
    // in the middle of the second fold of three
    let position = 42;
    let row = FIRST + position;
    let everyone = walk(&names());
    let (one, folds) = walked(&table(known.clone()), &everyone, 2);
    assert_eq!(one.tracks.len(), names().len());
    assert_eq!(one.truth.rows[position], row);

    let (other, others) = walked(&table(rewritten(&known, row, N)), &everyone, 2);
    check_same_until(&one, &other, position + 1);
    for (fold, other) in folds.iter().zip(&others) {
        if fold.record.known_until <= row as Time * DAY {
            assert_eq!(fold.record, other.record, "learned before the change");
        }
    }
    assert_eq!(
        others
            .iter()
            .filter(|fold| fold.record.known_until <= row as Time * DAY)
            .count(),
        2 * senti::models::MODELS
            .iter()
            .filter(|model| model.trains)
            .count(),
        "two folds of every trained model"
    );
    // the change is no small one: the very next origin sees it
    for (one, other) in one.tracks.iter().zip(&other.tracks) {
        assert_ne!(
            one.predictions.quantiles(position + 1),
            other.predictions.quantiles(position + 1),
            "{}",
            one.model
        );
    }
}

/// Rows behind the last origin are its labels: without their series, with other prices, or hardly moving.
#[test]
fn labels_are_looked_at_by_nobody() {
    let horizon = quick().forecast_horizon;
    let last = FIRST + 12;
    let mut known = rows(last + 1 + horizon, 22);
    let everyone = walk(&names());
    let (one, folds) = walked(&table(known.clone()), &everyone, 2);
    assert_eq!(one.truth.rows.last(), Some(&last));
    for column in &mut known.columns {
        for row in last + 1..=last + horizon {
            match column.role {
                Role::Series => column.values[row] = f64::NAN,
                _ => column.values[row] = column.values[last] * 1.01,
            }
        }
    }
    let (other, others) = walked(&table(known), &everyone, 2);
    assert_ne!(one.truth.actual, other.truth.actual);
    check_same_until(&one, &other, one.truth.len());
    assert_eq!(folds, others);
}

/// The rows of the embargo, the first origin among them, are inputs of forecasts and nothing else.
#[test]
fn nothing_is_learned_from_the_embargo() {
    let known = rows(N, 23);
    let guarded = Walk {
        embargo: 6,
        // it alone keeps weights
        warm: true,
        ..walk(&["lstm", "basic"])
    };
    let market = table(known.clone());
    let layout = Layout::new(&market, &quick(), &guarded).expect("a layout");
    let (one, folds) = walked(&market, &guarded, 2);
    assert_eq!(layout.folds.len(), 3);
    for (number, fold) in layout.folds.iter().enumerate() {
        let first = layout.truth.rows[fold.origins.start];
        assert_eq!(fold.history, 0..first + 1 - 6);
        let changed = rewritten(&known, fold.history.end - 1, first + 1);
        let (other, others) = walked(&table(changed), &guarded, 2);
        for (fold, other) in folds.iter().zip(&others) {
            if fold.record.fold == number {
                assert_eq!(fold.record, other.record);
                assert!(!fold.weights.is_empty());
                assert!(fold.weights == other.weights, "the weights differ");
                assert_ne!(fold.predictions, other.predictions, "they are inputs");
            }
        }
        // the origins of the fold before that lie in the embargo see it, too
        check_same_until(&one, &other, fold.origins.start.saturating_sub(5));
    }
}

/// An embargo is what learning some rows earlier is: weights, intervals and whatever else.
#[test]
fn an_embargo_is_an_earlier_history() {
    let market = table(rows(N, 23));
    let at = |first: usize, embargo: usize| {
        let walk = Walk {
            start: Some(first as Time * DAY),
            refit_every: N,
            embargo,
            ..walk(&["lstm", "basic"])
        };
        walked(&market, &walk, 1).0
    };
    let (guarded, earlier, rash) = (at(FIRST, 6), at(FIRST - 6, 0), at(FIRST, 0));
    for (model, track) in guarded.tracks[..2].iter().enumerate() {
        for origin in 0..track.predictions.len() {
            let of =
                |walk: &Backtest, origin| walk.tracks[model].predictions.quantiles(origin).to_vec();
            assert_eq!(of(&guarded, origin), of(&earlier, origin + 6));
            assert_ne!(
                of(&guarded, origin),
                of(&rash, origin),
                "six rows more are seen"
            );
        }
    }
}

#[test]
fn threads_change_no_bit() {
    let market = table(rows(N, 24));
    for warm in [false, true] {
        let walk = Walk {
            warm,
            ..walk(&["lstm", "basic", "ewma"])
        };
        let (one, folds) = walked(&market, &walk, 1);
        assert_eq!(folds.len(), 6);
        for threads in [2, 3] {
            let (other, others) = walked(&market, &walk, threads);
            assert_eq!(one, other, "{threads} threads");
            assert_eq!(folds, others, "{threads} threads");
        }
    }
}

#[test]
fn interrupted_and_resumed_equals_undisturbed() {
    let market = table(rows(N, 25));
    for warm in [false, true] {
        let walk = Walk {
            warm,
            ..walk(&["lstm", "basic"])
        };
        let (whole, folds) = walked(&market, &walk, 1);
        for stop_after in 1..folds.len() {
            let mut kept = Vec::new();
            let stopped = backtest(
                &market,
                &quick(),
                &walk,
                machine(1),
                Vec::new(),
                &mut |event| {
                    if let Event::Fold(fold) = event {
                        kept.push(fold.clone());
                    }
                    match kept.len() < stop_after {
                        true => Next::Continue,
                        false => Next::Stop,
                    }
                },
            );
            // what was in work may still have been finished, even the rest of the walk
            assert!(kept.len() >= stop_after);
            match stopped {
                Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted),
                Ok(_) => assert_eq!(kept.len(), folds.len()),
            }
            let mut learned = 0;
            let resumed = backtest(
                &market,
                &quick(),
                &walk,
                machine(1),
                kept.clone(),
                &mut |event| {
                    learned += usize::from(matches!(event, Event::Fold(_)));
                    Next::Continue
                },
            );
            assert_eq!(
                resumed.expect("it goes on"),
                whole,
                "after {stop_after} folds"
            );
            assert_eq!(
                learned,
                folds.len() - kept.len(),
                "no fold is learned twice"
            );
        }
    }
}

/// A fold that was lost is learned anew, and the ones around it stay: each starts from the fold before it, whoever learned that.
#[test]
fn a_lost_fold_is_learned_anew() {
    let market = table(rows(N, 26));
    for warm in [false, true] {
        let walk = Walk {
            warm,
            refit_every: 20,
            ..walk(&["lstm"])
        };
        let (whole, folds) = walked(&market, &walk, 1);
        assert_eq!(folds.len(), 4);
        for kept in [&[1][..], &[0, 2], &[3], &[1, 2], &[0, 3]] {
            let done = kept
                .iter()
                .map(|&fold: &usize| folds[fold].clone())
                .collect();
            let again = backtest(&market, &quick(), &walk, machine(2), done, &mut |_| {
                Next::Continue
            });
            assert_eq!(
                again.expect("a backtest"),
                whole,
                "kept {kept:?}, warm {warm}"
            );
        }
    }
}

/// Warm folds start from weights, but their untrained network is the distribution of past moves as in a cold one: training can only earn.
#[test]
fn warm_folds_start_as_the_distribution_too() {
    let market = table(rows(N, 27));
    let cold = walked(&market, &walk(&["lstm"]), 1).1;
    let warm = Walk {
        warm: true,
        ..walk(&["lstm"])
    };
    let warm = walked(&market, &warm, 1).1;
    for (cold, warm) in cold.iter().zip(&warm) {
        assert_eq!(cold.record.untrained_loss, warm.record.untrained_loss);
    }
    assert_eq!(cold[0].predictions, warm[0].predictions);
    assert_ne!(
        cold[2].predictions, warm[2].predictions,
        "its weights are not fresh ones"
    );
}

#[test]
fn other_prices_of_the_same_market_give_the_same_folds() {
    let market = rows(N, 28);
    let mut scaled = market.clone();
    for column in &mut scaled.columns {
        if column.role.is_price() {
            column.values.iter_mut().for_each(|price| *price *= 1024.0);
        }
    }
    let walk = walk(&["lstm", "basic", "naive"]);
    let (one, folds) = walked(&table(market), &walk, 2);
    let (other, others) = walked(&table(scaled), &walk, 2);
    for (fold, other) in folds.iter().zip(&others) {
        assert_eq!(fold.record, other.record);
    }
    for (one, other) in one.tracks[..3].iter().zip(&other.tracks) {
        // the rivals take logarithms of prices, which round: 1e-16 of a logarithm of about 20, added up a few times
        let tolerance = if one.model == "naive" { 1e-13 } else { 0.0 };
        let quantiles = one
            .predictions
            .quantiles
            .iter()
            .zip(&other.predictions.quantiles);
        for (price, other) in quantiles {
            assert!(
                (price * 1024.0 - other).abs() <= tolerance * other,
                "{}",
                one.model
            );
        }
    }
}

fn layout(table: &Table, walk: &Walk) -> Result<Layout, Error> {
    Layout::new(table, &plan("lstm"), walk)
}

/// Is everything of the truth what the table says?
#[track_caller]
fn check_truth(truth: &Truth, table: &Table) {
    for (origin, &row) in truth.rows.iter().enumerate() {
        assert_eq!(truth.origins[origin], table.time()[row]);
        assert_eq!(truth.last_close[origin], table.close()[row]);
        assert_eq!(
            truth.actual(origin),
            &table.close()[row + 1..=row + truth.horizon]
        );
        assert_eq!(
            truth.times[origin * truth.horizon..][..truth.horizon],
            table.time()[row + 1..=row + truth.horizon]
        );
    }
}

#[test]
fn origins_are_those_asked_for() {
    let market = table(rows(300, 31));
    let newest = Walk {
        origins: 40,
        ..walk(&["basic"])
    };
    // five rows are ahead of the last origin, 294
    let check = |walk: Walk, wanted: Vec<usize>| {
        let layout = layout(&market, &walk).expect("a layout");
        assert_eq!(layout.truth.rows, wanted);
        assert_eq!(layout.truth.stride, walk.step);
        check_truth(&layout.truth, &market);
        // every origin in one fold, in order
        let mut next = 0;
        for fold in &layout.folds {
            assert_eq!(fold.origins.start, next);
            next = fold.origins.end;
            let rows = &layout.truth.rows[fold.origins.clone()];
            assert!(rows[rows.len() - 1] - rows[0] < walk.refit_every);
            assert_eq!(fold.history.end, rows[0] + 1 - walk.embargo);
            assert_eq!(
                fold.history.len(),
                walk.train_window
                    .unwrap_or(usize::MAX)
                    .min(fold.history.end)
            );
        }
        assert_eq!(next, wanted.len());
        layout.folds.len()
    };
    let last = Walk {
        start: None,
        ..newest.clone()
    };
    assert_eq!(check(last.clone(), (255..295).collect()), 2);
    let by_three = Walk {
        step: 3,
        train_window: Some(100),
        refit_every: 10,
        ..last
    };
    // 177, 180 … 294: four origins in ten rows
    assert_eq!(check(by_three, (177..295).step_by(3).collect()), 10);
    let from = Walk {
        start: Some(250 * DAY),
        step: 2,
        embargo: 0,
        ..newest.clone()
    };
    assert_eq!(check(from.clone(), (250..295).step_by(2).collect()), 2);
    // between two rows: the next one
    let between = Walk {
        start: Some(250 * DAY - DAY / 2),
        ..from.clone()
    };
    assert_eq!(check(between, (250..295).step_by(2).collect()), 2);
    let one = Walk {
        start: Some(294 * DAY),
        ..from
    };
    assert_eq!(check(one, vec![294]), 1);
}

#[test]
fn no_origin_has_a_long_gap_in_its_window_or_its_labels() {
    // days 150 to 199 are missing: rows 0 to 149 and 150 to 249
    let whole = rows(300, 32);
    let kept = |row: usize| !(150..200).contains(&row);
    let cut = Rows {
        time: (0..300)
            .filter(|&row| kept(row))
            .map(|row| whole.time[row])
            .collect(),
        line: Vec::new(),
        columns: whole
            .columns
            .iter()
            .map(|column| senti::Column {
                values: (0..300)
                    .filter(|&row| kept(row))
                    .map(|row| column.values[row])
                    .collect(),
                ..column.clone()
            })
            .collect(),
    };
    let market = table(cut);
    assert_eq!(market.segments(), [0..150, 150..250]);
    let from = Walk {
        start: Some(100 * DAY),
        ..walk(&["basic"])
    };
    let layout = layout(&market, &from).expect("a layout");
    // behind the gap features warm up again, then come eight past rows; five are ahead of every origin
    let again = layout.truth.rows[145 - 100];
    assert!(again >= 157, "{again}");
    let wanted: Vec<usize> = (100..145).chain(again..245).collect();
    assert_eq!(layout.truth.rows, wanted);
    check_truth(&layout.truth, &market);

    // a start without enough rows ahead of it begins at the next row that has them, however long the step
    let late = Walk {
        start: Some(147 * DAY),
        step: 500,
        ..from.clone()
    };
    let layout = Layout::new(&market, &plan("lstm"), &late).expect("a layout");
    assert_eq!(layout.truth.rows, [again]);
    let newest = Walk {
        start: None,
        step: 20,
        origins: 7,
        ..from
    };
    let layout = Layout::new(&market, &plan("lstm"), &newest).expect("a layout");
    let wanted: Vec<usize> = (64..245)
        .step_by(20)
        .filter(|row| !(145..again).contains(row))
        .collect();
    assert_eq!(layout.truth.rows, wanted[wanted.len().saturating_sub(7)..]);
}

#[test]
fn steps_of_whole_weeks_are_warned_of() {
    let days = table(rows(300, 33));
    let warned = |table: &Table, step: usize| {
        let walk = Walk {
            start: None,
            origins: 10,
            step,
            ..walk(&["basic"])
        };
        let notes = layout(table, &walk).expect("a layout").notes;
        assert!(
            notes
                .iter()
                .all(|note| note.starts_with(&format!("`step` is {step}, a multiple of the ")))
        );
        !notes.is_empty()
    };
    for (step, wanted) in [(1, false), (6, false), (7, true), (8, false), (14, true)] {
        assert_eq!(warned(&days, step), wanted, "a step of {step} days");
    }
    let mut hourly = rows(300, 33);
    hourly.time.iter_mut().for_each(|time| *time /= 24);
    let hours = table(hourly);
    for (step, wanted) in [(7, false), (168, true)] {
        assert_eq!(warned(&hours, step), wanted, "a step of {step} hours");
    }
}

#[track_caller]
fn check_refused(table: &Table, walk: &Walk, kind: ErrorKind, sentence: &str) {
    let error = layout(table, walk).map(|_| ()).expect_err(sentence);
    assert_eq!(
        (error.kind(), error.to_string()),
        (kind, sentence.to_owned())
    );
}

#[test]
fn what_cannot_be_walked_is_said() {
    let market = table(rows(300, 34));
    let fine = walk(&["basic"]);
    let with = |change: fn(&mut Walk)| {
        let mut walk = Walk {
            start: None,
            ..fine.clone()
        };
        change(&mut walk);
        walk
    };
    let check = |change: fn(&mut Walk), sentence: &str| {
        check_refused(&market, &with(change), ErrorKind::Plan, sentence);
    };
    check(|walk| walk.step = 0, "`step` is 0, wanted at least 1");
    check(|walk| walk.origins = 0, "`origins` is 0, wanted at least 1");
    check(
        |walk| walk.refit_every = 0,
        "`refit_every` is 0, wanted at least 1",
    );
    check(
        |walk| walk.models.clear(),
        "no model is named, wanted at least one",
    );
    check(
        |walk| walk.models.push("lstn".into()),
        "there is no model `lstn`",
    );
    check(
        |walk| walk.start = Some(295 * DAY),
        "`start` is 1970-10-23, behind the last origin 1970-10-22 that has 5 rows ahead",
    );
    check_refused(
        &table(rows(12, 34)),
        &with(|_| ()),
        ErrorKind::Data,
        "12 rows cannot make a window of 8 past and 5 ahead",
    );
    let unknown = with(|walk| walk.models.push("lstn".into()));
    let hint = layout(&market, &unknown)
        .map(|_| ())
        .expect_err("no such model");
    let hint = hint.hint_text().map(str::to_owned).unwrap_or_default();
    assert!(names().iter().all(|name| hint.contains(name)), "{hint}");
}

/// A history that is too short is refused before anything is learned; the error says where, and which option leaves so little.
#[test]
fn a_fold_with_too_few_rows_says_which() {
    let market = table(rows(200, 35));
    for (start, window, embargo, found, hint) in [
        (45, None, 1, 45, "begin later with `--start`"),
        (180, Some(20), 1, 20, "raise `--train_window`"),
        (180, None, 150, 31, "lower `--embargo`"),
    ] {
        let walk = Walk {
            start: Some(start * DAY),
            train_window: window,
            embargo,
            ..walk(&["basic"])
        };
        let go_on = &mut |_: senti::observe::Event<'_>| Next::Continue;
        let error = backtest(&market, &quick(), &walk, machine(2), Vec::new(), go_on);
        let error = error.expect_err("too few rows");
        let date = error.to_string();
        assert!(
            date.starts_with(&format!("{found} rows of history before the origin ")),
            "{date}"
        );
        assert!(
            date.contains(" are too few to learn from, wanted at least "),
            "{date}"
        );
        assert_eq!(error.kind(), ErrorKind::Plan);
        let told = error.hint_text().unwrap_or_default();
        assert!(told.starts_with(hint), "{told}");
    }
}

#[test]
fn yardsticks_come_along_where_they_can() {
    let candles = rows(N, 36);
    let mut closes = candles.clone();
    closes.columns.retain(|column| column.role == Role::Close);
    let order = |rows: &Rows, models: &[&str]| {
        let layout = layout(&table(rows.clone()), &walk(models)).expect("a layout");
        (layout.order, layout.notes)
    };
    let named =
        |names: &[&str]| -> Vec<String> { names.iter().map(|name| (*name).into()).collect() };
    assert_eq!(
        order(&candles, &["har_730", "lstm", "lstm"]),
        (named(&["har_730", "lstm", "naive"]), Vec::new())
    );
    assert_eq!(
        order(&closes, &["lstm"]),
        (named(&["lstm", "naive"]), Vec::new())
    );
    assert_eq!(
        order(&closes, &["har", "lstm"]),
        (
            named(&["lstm", "naive"]),
            vec!["`har` is left out: it needs columns for open, high and low".to_owned()]
        )
    );

    // too few candles for a yardstick that nobody asked for are a note; for one that was asked for, an error
    let young = table(rows(200, 36));
    let of = |models: &[&str]| {
        let walk = Walk {
            start: None,
            origins: 5,
            ..walk(models)
        };
        backtest(&young, &quick(), &walk, machine(1), Vec::new(), &mut |_| {
            Next::Continue
        })
    };
    let without = of(&["basic"]).expect("the card does without");
    let tracks: Vec<&str> = without
        .tracks
        .iter()
        .map(|track| track.model.as_str())
        .collect();
    assert_eq!(tracks, ["basic", "naive"]);
    assert_eq!(without.notes.len(), 1);
    assert!(
        without.notes[0].starts_with("no `har_730` to measure against: "),
        "{:?}",
        without.notes
    );
    assert!(of(&["basic", "har_730"]).is_err());
}

/// By hand: two origins of two steps; the second fold is the second origin alone.
#[test]
fn scores_of_a_fold_are_those_of_its_origins() {
    use senti::backtest::{Backtest, FoldRecord, Track, Truth};
    use senti::forecast::Predictions;
    use senti::observe::Sizes;

    let predictions = Predictions {
        horizon: 2,
        n_levels: 1,
        point: vec![11.0, 12.0, 20.0, 20.0],
        quantiles: vec![11.0, 12.0, 20.0, 20.0],
    };
    let backtest = Backtest {
        truth: Truth {
            target: "close".into(),
            step: 10,
            stride: 1,
            horizon: 2,
            rows: vec![5, 6],
            origins: vec![50, 60],
            last_close: vec![10.0, 20.0],
            times: vec![60, 70, 70, 80],
            actual: vec![12.0, 12.0, 23.0, 27.0],
        },
        levels: vec![0.5],
        tracks: vec![Track {
            model: "naive".into(),
            predictions,
        }],
        mean_move: 2.0,
        folds: Vec::new(),
        notes: Vec::new(),
    };
    let fold = |first_origin, last_origin| FoldRecord {
        model: "naive".into(),
        fold: 0,
        first_origin,
        last_origin,
        origins: 1,
        known_until: 0,
        sizes: Sizes {
            train_windows: 1,
            valid_windows: 1,
            calibration_windows: 1,
            test_windows: 0,
            features: 1,
            rows: 1,
            matrix_bytes: 8,
        },
        epochs: 0,
        best_epoch: 0,
        untrained_loss: None,
        valid_loss: None,
    };
    assert_eq!(backtest.origins_of(&fold(50, 50)), 0..1);
    assert_eq!(backtest.origins_of(&fold(60, 60)), 1..2);
    let scores = backtest.scores("naive", 1..2).unwrap();
    // |23 - 20| and |27 - 20|
    assert_eq!(scores.overall["mae"], Some(5.0));
    assert_eq!(scores.overall["mase"], Some(2.5));
    assert_eq!(scores.steps[0]["mae"], Some(3.0));
    assert_eq!(
        backtest.scores("naive", 0..2).unwrap().overall["mae"],
        Some(2.75)
    );
    assert!(backtest.scores("lstm", 0..1).is_none());
}
