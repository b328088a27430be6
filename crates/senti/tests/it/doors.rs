//! The whole path: what goes in, what comes out, and what may not leak, drift or get lost on the way.

use senti::artifact::{Artifact, Manifest, State};
use senti::doors::{fit, forecast};
use senti::forecast::Forecast;
use senti::observe::{Event, Next};
use senti::plan::{LEVELS, Loss, Plan, Target};
use senti::{ErrorKind, Outcome, Table, Time};

use crate::market::{DAY, machine, plan, provenance, rows, small, table};

fn run(table: &Table, plan: &Plan, threads: usize) -> Outcome {
    fit(
        table,
        plan,
        &provenance(),
        machine(threads),
        None,
        &mut |_| Next::Continue,
    )
    .unwrap()
}

/// Everything that an artifact says, as text: two that agree here agree in every bit.
fn bits(artifact: &Artifact) -> String {
    format!(
        "{}{:?}",
        serde_json::to_string(&artifact.manifest).unwrap(),
        artifact.tensors
    )
}

#[track_caller]
fn check_forecast(forecast: &Forecast, table: &Table, horizon: usize) {
    assert_eq!(forecast.origin, *table.time().last().unwrap());
    assert_eq!(forecast.last_close, *table.close().last().unwrap());
    assert_eq!(forecast.rows.len(), horizon);
    for (ahead, row) in forecast.rows.iter().enumerate() {
        assert_eq!(row.step, ahead + 1);
        assert_eq!(
            row.time,
            forecast.origin + (ahead as Time + 1) * DAY,
            "dated from the next step on"
        );
        assert_eq!(row.quantiles.len(), LEVELS.len());
        assert!(row.quantiles.is_sorted(), "{:?}", row.quantiles);
        assert!(
            row.quantiles
                .iter()
                .chain([&row.point])
                .all(|price| price.is_finite() && *price > 0.0)
        );
    }
}

#[test]
fn every_recipe_forecasts_exactly_the_horizon_from_the_next_step_on() {
    let table = table(rows(300, 1));
    for model_type in ["lstm", "basic"] {
        for target in [Target::LogReturn, Target::Price] {
            for loss in [Loss::Pinball, Loss::Mse, Loss::Mae, Loss::Huber] {
                let plan = senti::plan::Draft {
                    target,
                    loss,
                    epochs: 1,
                    ..small(model_type)
                }
                .check()
                .unwrap();
                let outcome = run(&table, &plan, 1);
                check_forecast(&outcome.forecast, &table, 5);
                let scores = &outcome.artifact.manifest.evaluation;
                assert_eq!(
                    scores.model.windows,
                    outcome.artifact.manifest.sizes.test_windows
                );
                assert_eq!(scores.naive.windows, scores.model.windows);
                assert!(scores.model.overall["mae"].unwrap() > 0.0);
            }
        }
    }
}

#[test]
fn an_artifact_alone_forecasts_the_same_bits() {
    let table = table(rows(300, 2));
    for model_type in ["lstm", "basic", "trees"] {
        let outcome = run(&table, &plan(model_type), 2);
        let text = serde_json::to_string(&outcome.artifact.manifest).unwrap();
        let manifest: Manifest = serde_json::from_str(&text).unwrap();
        let artifact = Artifact {
            manifest,
            tensors: outcome.artifact.tensors.clone(),
        };
        assert_eq!(
            forecast(&artifact, &table, machine(1)).unwrap(),
            outcome.forecast
        );
    }
}

#[test]
fn threads_change_no_bit() {
    let table = table(rows(260, 3));
    for model_type in ["lstm", "basic", "trees"] {
        let one = run(&table, &plan(model_type), 1);
        let three = run(&table, &plan(model_type), 3);
        assert_eq!(bits(&one.artifact), bits(&three.artifact));
        assert_eq!(one.forecast, three.forecast);
    }
}

#[test]
fn another_seed_gives_another_network() {
    let table = table(rows(260, 3));
    let other = senti::plan::Draft {
        seed: 43,
        ..small("lstm")
    }
    .check()
    .unwrap();
    assert_ne!(
        run(&table, &plan("lstm"), 1).artifact.tensors,
        run(&table, &other, 1).artifact.tensors
    );
}

/// Stops after every batch, writes the state down, reads it back and goes on.
#[test]
fn interrupted_at_every_batch_and_resumed_equals_undisturbed() {
    let table = table(rows(260, 4));
    let plan = plan("lstm");
    let undisturbed = run(&table, &plan, 1);
    let mut left: Option<State> = None;
    let mut stops = 0;
    let resumed = loop {
        let mut state = None;
        let mut observe = |event: Event<'_>| match event {
            Event::Batch { .. } => Next::Stop,
            Event::Interrupted { state: of } => {
                state = Some(of());
                Next::Continue
            }
            _ => Next::Continue,
        };
        match fit(
            &table,
            &plan,
            &provenance(),
            machine(1),
            left.as_ref(),
            &mut observe,
        ) {
            Ok(outcome) => break outcome,
            Err(error) => assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}"),
        }
        stops += 1;
        let mut state = state.expect("an interrupted run leaves a state");
        let text = serde_json::to_string(&state.manifest).unwrap();
        state.manifest = serde_json::from_str(&text).unwrap();
        left = Some(state);
    };
    assert!(stops >= 9, "{stops}");
    assert_eq!(bits(&resumed.artifact), bits(&undisturbed.artifact));
    assert_eq!(resumed.forecast, undisturbed.forecast);
}

/// Takes the state behind every batch and every epoch without stopping: nothing moves, and each of them leads to the same end.
#[test]
fn states_taken_in_passing_change_nothing() {
    let table = table(rows(260, 4));
    let plan = plan("lstm");
    let undisturbed = run(&table, &plan, 1);
    let mut states = Vec::new();
    let mut lasts = Vec::new();
    let mut observe = |event: Event<'_>| {
        match event {
            Event::Batch { state, .. } => states.push(state()),
            Event::Epoch { state, last, .. } => {
                states.push(state());
                lasts.push(last);
            }
            _ => {}
        }
        Next::Continue
    };
    let (source, machine) = (provenance(), machine(1));
    let watched = fit(&table, &plan, &source, machine, None, &mut observe).unwrap();
    assert_eq!(bits(&watched.artifact), bits(&undisturbed.artifact));
    // Only the last epoch says that it is the last.
    assert_eq!(lasts.iter().position(|&last| last), Some(lasts.len() - 1));
    for state in states.iter().rev().step_by(3) {
        let go_on = &mut |_: Event<'_>| Next::Continue;
        let resumed = fit(&table, &plan, &source, machine, Some(state), go_on).unwrap();
        assert_eq!(bits(&resumed.artifact), bits(&undisturbed.artifact));
    }
}

#[test]
fn a_checkpoint_of_other_data_or_another_plan_is_refused() {
    let table = table(rows(260, 4));
    let mut state = None;
    let mut observe = |event: Event<'_>| match event {
        Event::Epoch { state: of, .. } => {
            state = Some(of());
            Next::Stop
        }
        _ => Next::Continue,
    };
    fit(
        &table,
        &plan("lstm"),
        &provenance(),
        machine(1),
        None,
        &mut observe,
    )
    .unwrap_err();
    let state = state.unwrap();
    let check = |plan: &Plan, digest: &str, wanted: &str| {
        let provenance = senti::Provenance {
            digest: digest.into(),
            ..provenance()
        };
        let error = fit(
            &table,
            plan,
            &provenance,
            machine(1),
            Some(&state),
            &mut |_| Next::Continue,
        )
        .unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    check(
        &plan("lstm"),
        &"1".repeat(64),
        "the data are not those of the interrupted training",
    );
    let other = senti::plan::Draft {
        dropout: 0.5,
        ..small("lstm")
    }
    .check()
    .unwrap();
    check(&other, &"0".repeat(64), "`dropout` is 0.2, now it is 0.5");
    // the number of epochs may differ: with one epoch the run is over and ends with what it has
    let fewer = senti::plan::Draft {
        epochs: 1,
        ..small("lstm")
    }
    .check()
    .unwrap();
    let resumed = fit(
        &table,
        &fewer,
        &provenance(),
        machine(1),
        Some(&state),
        &mut |_| Next::Continue,
    )
    .unwrap();
    assert_eq!(
        bits(&resumed.artifact),
        bits(&run(&table, &fewer, 1).artifact)
    );
}

/// Changing everything after a row of the test part moves nothing that was learned, and no forecast made before it.
#[test]
fn what_comes_later_moves_nothing_before() {
    let past = 280;
    let original = rows(300, 5);
    for model_type in ["lstm", "basic", "trees"] {
        for target in [Target::LogReturn, Target::Price] {
            if (model_type, target) == ("trees", Target::Price) {
                continue; // refused: trees know log returns only
            }
            let plan = senti::plan::Draft {
                target,
                ..small(model_type)
            }
            .check()
            .unwrap();
            let mut changed = original.clone();
            for column in &mut changed.columns {
                for (row, value) in column.values.iter_mut().enumerate().skip(past) {
                    *value *= if column.name == "mood" {
                        (row % 3) as f64
                    } else {
                        1.5
                    };
                }
            }
            let (before, after) = (
                tested(&table(original.clone()), &plan),
                tested(&table(changed), &plan),
            );
            let learned = |outcome: &Outcome| {
                let manifest = &outcome.artifact.manifest;
                format!(
                    "{:?}{:?}{:?}{:?}{:?}{}",
                    manifest.features,
                    manifest.preparation,
                    manifest.calibration,
                    manifest.history,
                    outcome.artifact.tensors,
                    manifest.model
                )
            };
            assert_eq!(learned(&before.0), learned(&after.0));
            let earlier = |forecasts: &[(Time, String)]| {
                forecasts
                    .iter()
                    .filter(|(origin, _)| *origin < past as Time * DAY)
                    .cloned()
                    .collect::<Vec<_>>()
            };
            assert!(
                earlier(&before.1).len() >= 10,
                "some test windows lie before the change"
            );
            assert_eq!(earlier(&before.1), earlier(&after.1));
            assert_ne!(before.1, after.1, "and the change is seen afterwards");
        }
    }
}

fn tested(table: &Table, plan: &Plan) -> (Outcome, Vec<(Time, String)>) {
    let mut forecasts = Vec::new();
    let mut observe = |event: Event<'_>| {
        if let Event::Tested(chunk) = event {
            for (row, &origin) in chunk.origins.iter().enumerate() {
                let predictions = chunk.predictions;
                forecasts.push((
                    origin,
                    format!(
                        "{:?}{:?}",
                        predictions.point(row),
                        predictions.quantiles(row)
                    ),
                ));
            }
        }
        Next::Continue
    };
    let outcome = fit(table, plan, &provenance(), machine(1), None, &mut observe).unwrap();
    (outcome, forecasts)
}

/// Forecasts of cut-off tables are those that the evaluation made at that origin, up to the fading of exponential features.
#[test]
fn the_future_is_dated_and_forecast_from_the_last_row_not_from_a_horizon_before() {
    let full = table(rows(300, 6));
    let (outcome, forecasts) = tested(&full, &plan("lstm"));
    let (origin, wanted) = &forecasts[0];
    let row = full.time().iter().position(|time| time == origin).unwrap();
    let cut = full.until(row + 1);
    let found = forecast(&outcome.artifact, &cut, machine(1)).unwrap();
    check_forecast(&found, &cut, 5);
    let points: Vec<f64> = found.rows.iter().map(|row| row.point).collect();
    assert!(
        wanted.starts_with(&format!("{points:?}")),
        "{wanted} {points:?}"
    );
}

#[test]
fn too_few_rows_are_named() {
    let check = |n: usize, wanted: &str| {
        let error = fit(
            &table(rows(n, 1)),
            &plan("lstm"),
            &provenance(),
            machine(1),
            None,
            &mut |_| Next::Continue,
        )
        .unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
        assert!(error.hint_text().is_some());
    };
    check(12, "12 rows cannot make a window of 8 past and 5 ahead");
    check(
        30,
        "cannot be split into train, validation, calibration and test",
    );
}

#[test]
fn fresh_rows_must_fit_the_model() {
    let outcome = run(&table(rows(300, 8)), &plan("lstm"), 1);
    let check = |rows, wanted: &str| {
        let error = forecast(&outcome.artifact, &table(rows), machine(1)).unwrap_err();
        assert!(error.to_string().contains(wanted), "{error}");
    };
    check(
        rows(20, 8),
        "20 rows without a long gap are too few to forecast from",
    );
    let mut hourly = rows(300, 8);
    hourly.time.iter_mut().for_each(|time| *time /= 24);
    check(hourly, "a step of these rows is `hour`, of the model `day`");
    let mut without = rows(300, 8);
    without.columns.pop();
    check(without, "mood");
}

/// Every long list of an artifact, one entry shorter: refused with a sentence, never a panic or a price.
#[test]
fn an_artifact_whose_parts_do_not_fit_is_refused() {
    let table = table(rows(260, 4));
    for model_type in ["lstm", "basic", "trees"] {
        let outcome = run(&table, &plan(model_type), 1);
        let manifest = serde_json::to_value(&outcome.artifact.manifest).unwrap();
        let mut paths = Vec::new();
        for root in ["calibration", "preparation", "model", "features"] {
            lists(&manifest[root], &format!("/{root}"), &mut paths);
        }
        assert!(paths.len() >= 6, "{paths:?}");
        for path in paths.iter().filter(|path| !path.contains("dropped")) {
            let mut changed = manifest.clone();
            changed
                .pointer_mut(path)
                .unwrap()
                .as_array_mut()
                .unwrap()
                .pop();
            let Ok(manifest) = serde_json::from_value::<Manifest>(changed) else {
                continue;
            };
            let artifact = Artifact {
                manifest,
                tensors: outcome.artifact.tensors.clone(),
            };
            assert!(forecast(&artifact, &table, machine(1)).is_err(), "{path}");
        }
        for (path, value) in [
            ("/calibration/shares/0", 1e308),
            ("/calibration/factors/4", -5.0),
            ("/model/target/scale/0", -1.0),
            ("/model/target/centre/1", 1e308),
            ("/plan/dropout", 0.999_999_999),
        ] {
            let mut changed = manifest.clone();
            let Some(slot) = changed.pointer_mut(path) else {
                assert_eq!(model_type, "trees", "{path}");
                continue;
            };
            *slot = value.into();
            let Ok(manifest) = serde_json::from_value::<Manifest>(changed) else {
                continue;
            };
            let artifact = Artifact {
                manifest,
                tensors: outcome.artifact.tensors.clone(),
            };
            assert!(forecast(&artifact, &table, machine(1)).is_err(), "{path}");
        }
    }
}

/// Paths of all lists in a document.
fn lists(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(entries) if entries.is_empty() => {}
        serde_json::Value::Array(_) => found.push(path.to_owned()),
        serde_json::Value::Object(entries) => {
            for (name, value) in entries {
                lists(value, &format!("{path}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn a_job_stops_wherever_it_is() {
    let table = table(rows(260, 4));
    for model_type in ["lstm", "basic", "trees"] {
        for stage in ["fitting", "calibrating", "tested"] {
            let mut seen = false;
            let mut observe = |event: Event<'_>| {
                let here = match event {
                    Event::Working { what, .. } => what == stage,
                    Event::Tested(_) => stage == "tested",
                    _ => false,
                };
                seen |= here;
                if here { Next::Stop } else { Next::Continue }
            };
            let plan = plan(model_type);
            let result = fit(&table, &plan, &provenance(), machine(1), None, &mut observe);
            if seen {
                assert_eq!(result.unwrap_err().kind(), ErrorKind::Interrupted);
            } else {
                assert_eq!((model_type, stage), ("lstm", "fitting"));
            }
        }
    }
}

#[test]
fn a_last_segment_too_short_to_forecast_from_is_found_before_training() {
    let mut broken = rows(300, 4);
    for time in &mut broken.time[292..] {
        *time += 60 * DAY;
    }
    let mut trained = false;
    let mut observe = |event: Event<'_>| {
        trained |= matches!(event, Event::Prepared { .. } | Event::Batch { .. });
        Next::Continue
    };
    let error = fit(
        &table(broken),
        &plan("lstm"),
        &provenance(),
        machine(1),
        None,
        &mut observe,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("8 rows without a long gap are too few to forecast from, wanted"),
        "{error}"
    );
    assert!(!trained);
}
