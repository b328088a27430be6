//! One conformance suite for every model that can be trained.

use senti::artifact::Values;
use senti::doors::fit;
use senti::models::MODELS;
use senti::observe::{Event, Next};
use senti::plan::{Draft, LEVELS};
use senti::{Outcome, Table, quantiles};

use senti_engine::random::{Purpose, Stream};

use crate::market::{DAY, machine, plan, provenance, rows, small, table};

fn run(table: &Table, draft: Draft) -> senti::Result<Outcome> {
    fit(
        table,
        &draft.check()?,
        &provenance(),
        machine(1),
        None,
        &mut |_| Next::Continue,
    )
}

fn trainable() -> impl Iterator<Item = &'static str> {
    MODELS
        .iter()
        .filter(|model| model.trains)
        .map(|model| model.name)
}

#[test]
fn prices_1024_times_as_high_give_forecasts_1024_times_as_high() {
    let mut scaled = rows(260, 1);
    for column in scaled
        .columns
        .iter_mut()
        .filter(|column| !matches!(&*column.name, "volume" | "mood"))
    {
        column.values.iter_mut().for_each(|price| *price *= 1024.0);
    }
    for model in trainable() {
        let plain = run(&table(rows(260, 1)), small(model)).unwrap().forecast;
        let scaled = run(&table(scaled.clone()), small(model)).unwrap().forecast;
        for (plain, scaled) in plain.rows.iter().zip(&scaled.rows) {
            assert!(
                (scaled.point / plain.point / 1024.0 - 1.0).abs() < 1e-9,
                "{model}: {plain:?} {scaled:?}"
            );
        }
    }
}

#[test]
fn a_price_that_never_moves_is_refused_and_one_that_hardly_moves_is_forecast_to_stay() {
    let with_prices = |price: fn(usize) -> f64| {
        let mut still = rows(260, 1);
        for column in still
            .columns
            .iter_mut()
            .filter(|column| !matches!(&*column.name, "volume" | "mood"))
        {
            (0..260).for_each(|row| column.values[row] = price(row));
        }
        table(still)
    };
    for model in trainable() {
        let error = run(&with_prices(|_| 100.0), small(model)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`close` is 100 in every row, so there is nothing to learn"
        );
        let hardly = with_prices(|row| if row == 100 { 100.5 } else { 100.0 });
        for row in run(&hardly, small(model)).unwrap().forecast.rows {
            assert!((row.point - 100.0).abs() < 1.0, "{model}: {row:?}");
        }
    }
}

#[test]
fn blank_beginnings_of_a_column_cost_windows_not_the_run() {
    let mut late = rows(300, 2);
    late.columns.last_mut().unwrap().values[..60].fill(f64::NAN);
    for model in trainable() {
        let outcome = run(&table(late.clone()), small(model)).unwrap();
        assert!(
            outcome
                .artifact
                .manifest
                .features
                .names()
                .iter()
                .any(|name| name.contains("mood")),
            "{model}"
        );
        let whole = run(&table(rows(300, 2)), small(model)).unwrap();
        let windows = |outcome: &Outcome| outcome.artifact.manifest.sizes.train_windows;
        assert!(windows(&outcome) < windows(&whole));
    }
}

#[test]
fn the_untrained_network_is_the_empirical_distribution() {
    // a learning rate that moves nothing beyond the last bits
    let draft = Draft {
        learning_rate: 1e-30,
        epochs: 1,
        dropout: 0.0,
        ..small("lstm")
    };
    // too few windows to learn a volatility from: moves are in units of a constant
    let table = table(rows(230, 9));
    let mut first = None;
    let mut observe = |event: Event<'_>| {
        if let (Event::Tested(chunk), None) = (event, &first) {
            first = Some((
                chunk.origins[0],
                chunk.last_close[0],
                chunk.predictions.quantiles(0).to_vec(),
            ));
        }
        Next::Continue
    };
    let outcome = fit(
        &table,
        &draft.check().unwrap(),
        &provenance(),
        machine(1),
        None,
        &mut observe,
    )
    .unwrap();
    let (_, last_close, found) = first.unwrap();
    let split = &outcome.artifact.manifest.split;
    let row = |time| table.time().iter().position(|&t| t == time).unwrap();
    // every move that is known when the calibration part ends
    let (start, end) = (row(split[0].first_origin), row(split[2].last_origin));
    for step in 0..5 {
        let mut moves: Vec<f64> = (start..=end)
            .map(|origin| (table.close()[origin + step + 1] / table.close()[origin]).ln())
            .collect();
        moves.sort_by(f64::total_cmp);
        let plain = |at: f64| quantiles::linear(&moves, at);
        for (level, &at) in LEVELS.iter().enumerate() {
            // a quarter of the way to its own mirror image
            let wanted = 0.75 * plain(at) + 0.125 * (plain(at) - plain(1.0 - at));
            let found = (found[step * LEVELS.len() + level] / last_close).ln();
            assert!(
                (found - wanted).abs() < 1e-4 * wanted.abs().max(1e-2),
                "{step} {at} {found} {wanted}"
            );
        }
    }
}

#[test]
fn unknown_models_are_named() {
    let error = Draft {
        model_type: "arima".into(),
        ..Draft::default()
    }
    .check()
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`model_type` is `arima`, wanted `lstm` or `basic` or `trees`"
    );
    assert_eq!(plan("basic").model_type, "basic");
}

#[test]
fn weights_are_finite_numbers_as_a_file_of_them_wants() {
    for model in trainable() {
        let hardly = table(rows(260, 1)); // trees find next to nothing in a random walk
        for tensor in run(&hardly, small(model)).unwrap().artifact.tensors {
            let finite = match &tensor.values {
                Values::F32(values) => values.iter().all(|x| x.is_finite()),
                Values::F64(values) => values.iter().all(|x| x.is_finite()),
            };
            assert!(finite, "{model}: {}", tensor.name);
        }
    }
}

#[test]
fn trees_refuse_prices_as_their_target() {
    let draft = Draft {
        target: senti::plan::Target::Price,
        ..small("trees")
    };
    let error = run(&table(rows(260, 1)), draft).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`trees` learns log returns only, and `target` is `price`"
    );
}

#[test]
fn trees_find_the_calm_of_a_weekday() {
    // Sundays move a fifth as much as other days: the candle after a Saturday's origin
    let mut calm = rows(1500, 11);
    let mut generator = Stream::new(1, Purpose::Search).at(0);
    let mut price = 100.0_f64;
    for row in 0..1500 {
        let is_sunday = calm.time[row].div_euclid(DAY).rem_euclid(7) == 3;
        let sigma = if is_sunday { 0.004 } else { 0.02 };
        let open = price;
        price *= (sigma * generator.normal()).exp();
        for column in &mut calm.columns {
            match &*column.name {
                "open" => column.values[row] = open,
                "high" => column.values[row] = open.max(price) * 1.001,
                "low" => column.values[row] = open.min(price) / 1.001,
                "close" => column.values[row] = price,
                _ => {}
            }
        }
    }
    let table = table(calm);
    let mut widths = [(0.0, 0); 2];
    let draft = small("trees");
    fit(
        &table,
        &draft.check().unwrap(),
        &provenance(),
        machine(1),
        None,
        &mut |event| {
            if let Event::Tested(chunk) = event {
                for n in 0..chunk.origins.len() {
                    let first = &chunk.predictions.quantiles(n)[..LEVELS.len()];
                    let width = (first[LEVELS.len() - 1] / first[0]).ln();
                    let day = chunk.origins[n].div_euclid(DAY).rem_euclid(7);
                    let at = &mut widths[usize::from(day == 2)];
                    *at = (at.0 + width, at.1 + 1);
                }
            }
            Next::Continue
        },
    )
    .unwrap();
    let [other, sunday] = widths.map(|(sum, n)| sum / f64::from(n));
    // true widths are 1 to 5; growth stops before the last of it
    assert!(sunday < 0.5 * other, "{sunday} {other}");
}
