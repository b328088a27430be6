//! What a model looks at, against scikit-learn, Captum and SciPy (`goldens/importance.py`), and on models whose answer is known.

use std::sync::LazyLock;

use senti::artifact::{Artifact, Tensor};
use senti::calibrate::Calibration;
use senti::doors::fit;
use senti::forecast::Predictions;
use senti::importance::forest::grow;
use senti::importance::gradients::{Number, explain, gauss_legendre};
use senti::importance::groups::{Group, GroupBy, linked, spearman};
use senti::importance::{Choices, Importance, importance, permutation};
use senti::matrix::Matrix;
use senti::models::{Fitted, Opened};
use senti::observe::{Event, Next};
use senti::plan::{Draft, LEVELS, Loss};
use senti::prepare::Preparation;
use senti::table::{Rows, TableOptions};
use senti::windows::{Labelled, Window, Windows};
use senti::{Column, ErrorKind, Role, Table};
use senti_engine::{Architecture, Batch, Cell, Network, Options, Pinball, Simd};
use serde_json::Value;

use crate::market::{DAY, machine, provenance, rows, small, table};

static GOLDEN: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../goldens/importance.json")).expect("a golden file")
});

fn floats(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

fn lines(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().unwrap().iter().map(floats).collect()
}

fn matrix(value: &Value) -> Matrix {
    let rows = lines(value);
    Matrix::from_rows(rows[0].len(), rows.concat())
}

#[track_caller]
fn check_close(what: &str, found: f64, wanted: f64, tolerance: f64) {
    let error = (found - wanted).abs();
    assert!(
        error <= tolerance,
        "{what} is {found}, wanted {wanted}, off by {error:e}"
    );
}

#[test]
fn ranks_are_correlated_and_columns_linked_as_by_scipy() {
    let golden = &GOLDEN["groups"];
    let x = matrix(&golden["x"]);
    let rho = spearman(&x, &(0..x.n_rows()).collect::<Vec<_>>());
    for (i, wanted) in lines(&golden["rho"]).iter().enumerate() {
        for (j, &wanted) in wanted.iter().enumerate() {
            check_close(&format!("rho {i} {j}"), rho[i][j], wanted, 1e-12);
        }
    }
    let labels = floats(&golden["labels"]);
    let groups = linked(&rho, 0.3);
    let mut seen = 0;
    for group in &groups {
        // SciPy's label of a group is its own; what counts is who shares one.
        let label = labels[group[0]];
        let alike = (0..labels.len()).filter(|&column| labels[column] == label);
        assert_eq!(*group, alike.collect::<Vec<_>>());
        seen += group.len();
    }
    assert_eq!(seen, labels.len());
}

/// The golden file's model: place and width of the quantiles follow the whole window.
struct Linear {
    /// (H, T, F)
    place: Vec<Vec<Vec<f64>>>,
    /// (T, F)
    width: Vec<Vec<f64>>,
    spread: Vec<f64>,
    z: Vec<f64>,
}

impl Fitted for Linear {
    fn predict(
        &mut self,
        windows: &[Window<'_>],
        _: &Preparation,
        out: &mut Predictions,
    ) -> senti::Result<()> {
        for (row, window) in windows.iter().enumerate() {
            let product = |weights: &[Vec<f64>]| -> f64 {
                let days = window.past().zip(weights);
                days.map(|(x, weights)| x.iter().zip(weights).map(|(x, w)| x * w).sum::<f64>())
                    .sum()
            };
            let factor = product(&self.width).exp();
            for (step, place) in self.place.iter().enumerate() {
                let middle = product(place);
                let cell = row * out.horizon + step;
                for (k, z) in self.z.iter().enumerate() {
                    let log = middle + factor * self.spread[step] * z;
                    out.quantiles[cell * out.n_levels + k] = window.last_close() * log.exp();
                }
                out.point[cell] = out.quantiles[cell * out.n_levels + out.n_levels / 2];
            }
        }
        Ok(())
    }

    fn record(&self) -> Value {
        Value::Null
    }

    fn tensors(&self) -> Vec<Tensor> {
        Vec::new()
    }
}

/// A table with these closes alone.
fn closes(close: Vec<f64>) -> Table {
    let rows = Rows {
        time: (0..close.len() as i64).map(|day| day * DAY).collect(),
        line: Vec::new(),
        columns: vec![Column {
            name: "close".into(),
            role: Role::Close,
            values: close,
        }],
    };
    Table::from_rows(rows, &TableOptions::default()).unwrap().0
}

#[test]
fn shuffled_windows_lose_what_scikit_learn_says() {
    let golden = &GOLDEN["permutation"];
    let (table, x) = (closes(floats(&golden["close"])), matrix(&golden["matrix"]));
    let windows = Windows::new(&table, &x, 3, 2);
    let held: Vec<Labelled<'_>> = windows.iter().collect();
    let mut model = Linear {
        place: golden["place"]
            .as_array()
            .unwrap()
            .iter()
            .map(lines)
            .collect(),
        width: lines(&golden["width"]),
        spread: floats(&golden["spread"]),
        z: floats(&golden["z"]),
    };
    let orders: Vec<Vec<u32>> = lines(&golden["orders"])
        .into_iter()
        .map(|order| order.into_iter().map(|k| k as u32).collect())
        .collect();
    assert_eq!(orders[0].len(), held.len());
    let groups: Vec<Group> = (0..4)
        .map(|column| Group {
            name: column.to_string(),
            columns: vec![column],
        })
        .collect();
    let preparation = Preparation::fit(&x, std::iter::once(0..x.n_rows())).unwrap();
    let found = permutation::measure(
        &held,
        &mut model,
        &preparation,
        &Calibration::none(2, LEVELS.len()),
        &groups,
        &orders,
        1,
        &mut |_| Next::Continue,
    )
    .unwrap();
    for (place, name) in ["1", "2", "all"].into_iter().enumerate() {
        let wanted = golden["loss"][name].as_f64().unwrap();
        check_close("loss", found.loss[place], wanted, 1e-12);
        for cost in &found.groups {
            let (lost, column) = (&cost.lost[place], cost.group.columns[0]);
            let mean = floats(&golden["lost_mean"][name])[column];
            let std = floats(&golden["lost_std"][name])[column];
            // Of numbers of order 1 in %, sums of 40 in f64; the prices' logarithms add a few 1e-16 each.
            check_close(
                &format!("mean of {column} at {name}"),
                lost.mean,
                mean,
                1e-10,
            );
            check_close(&format!("std of {column} at {name}"), lost.std, std, 1e-10);
        }
    }
    let overall: Vec<f64> = found
        .groups
        .iter()
        .map(|cost| cost.overall().mean)
        .collect();
    assert!(overall.is_sorted_by(|a, b| a >= b), "most costly first");
}

#[test]
fn columns_of_a_group_are_shuffled_together() {
    let golden = &GOLDEN["permutation"];
    let (table, x) = (closes(floats(&golden["close"])), matrix(&golden["matrix"]));
    // Two columns that the model only ever takes apart: together they say nothing, shuffled together they cost nothing.
    let mut values = Vec::new();
    for row in 0..x.n_rows() {
        values.extend([x.value(row, 0), x.value(row, 0), x.value(row, 1)]);
    }
    let x = Matrix::from_rows(3, values);
    let windows = Windows::new(&table, &x, 3, 2);
    let held: Vec<Labelled<'_>> = windows.iter().collect();
    let mut model = Linear {
        place: vec![vec![vec![0.01, -0.01, 0.0]; 3]; 2],
        width: vec![vec![0.0; 3]; 3],
        spread: vec![0.02, 0.03],
        z: floats(&golden["z"]),
    };
    let group = |columns: &[usize]| Group {
        name: format!("{columns:?}"),
        columns: columns.to_vec(),
    };
    let groups = [group(&[0]), group(&[0, 1]), group(&[2])];
    let preparation = Preparation::fit(&x, std::iter::once(0..x.n_rows())).unwrap();
    let found = permutation::measure(
        &held,
        &mut model,
        &preparation,
        &Calibration::none(2, LEVELS.len()),
        &groups,
        &permutation::orders(5, 4, held.len()),
        1,
        &mut |_| Next::Continue,
    )
    .unwrap();
    let lost = |name: &str| {
        let cost = found.groups.iter().find(|cost| cost.group.name == name);
        *cost.unwrap().overall()
    };
    assert!(lost("[0]").mean > 5.0, "{:?}", lost("[0]"));
    assert!(lost("[0]").low > 0.0, "{:?}", lost("[0]"));
    for nothing in ["[0, 1]", "[2]"] {
        // 0.01 x - 0.01 x is 0 but for the order of sums
        assert!(lost(nothing).mean.abs() < 1e-9, "{:?}", lost(nothing));
    }
}

#[test]
fn nodes_are_those_of_numpy() {
    let golden = &GOLDEN["gradients"];
    let nodes = gauss_legendre(32);
    let (at, weight) = (floats(&golden["at"]), floats(&golden["weight"]));
    for ((found, at), weight) in nodes.iter().zip(at).zip(weight) {
        check_close("node", found.0, at, 1e-14);
        check_close("weight", found.1, weight, 1e-14);
    }
}

/// A number that is always there.
fn count(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

#[test]
fn integrated_gradients_are_captums() {
    let golden = &GOLDEN["gradients"];
    let levels: Vec<f32> = floats(&golden["levels"])
        .iter()
        .map(|&x| x as f32)
        .collect();
    let (rows, horizon) = (count(&golden["rows"]), count(&golden["horizon"]));
    let architecture = Architecture {
        steps: count(&golden["steps"]),
        features: count(&golden["features"]),
        cell: Cell::Lstm,
        bidirectional: true,
        units: golden["units"]
            .as_array()
            .unwrap()
            .iter()
            .map(count)
            .collect(),
        dropout: 0.2,
        outputs: horizon * levels.len(),
    };
    let x = floats(&golden["x"]);
    let mut batch = Batch::new(rows, architecture.steps, architecture.features, 1);
    for row in 0..rows {
        for step in 0..architecture.steps {
            let values = &x[(row * architecture.steps + step) * architecture.features..];
            let inputs = batch.input_mut(step, row).iter_mut();
            inputs
                .zip(values)
                .for_each(|(to, &value)| *to = value as f32);
        }
    }
    for simd in Simd::ALL.into_iter().filter(Simd::is_supported) {
        let options = Options {
            seed: 1,
            threads: 2,
            simd,
            max_batch: rows,
        };
        let mut network = Network::new(architecture.clone(), options);
        let mut weights = network.weights();
        for tensor in &mut weights {
            let values = floats(&golden["weights"][&tensor.name]);
            tensor.values = values.into_iter().map(|value| value as f32).collect();
        }
        network.set_weights(&weights).unwrap();
        let rate = golden["rate"].as_f64().unwrap() as f32;
        let mut opened = Opened {
            network,
            head: Some(Pinball::new(&levels).with_location_rate(rate)),
            scale: floats(&golden["scale"]),
            unit: "log return",
        };
        for number in [Number::Median, Number::Width] {
            let wanted = &golden[number.name()];
            let nodes = gauss_legendre(count(&golden["nodes"]));
            let found = explain(&mut opened, number, &batch, &nodes, &mut || Ok(())).unwrap();
            let attributions = floats(&wanted["attributions"]);
            let largest = attributions
                .iter()
                .fold(0.0_f64, |most, x| most.max(x.abs()));
            for (cell, (found, wanted)) in found.attributions.iter().zip(&attributions).enumerate()
            {
                // Single precision through six steps and two layers: a few 1e-7 of the largest.
                check_close(
                    &format!("{} {} cell {cell}", simd.name(), number.name()),
                    *found,
                    *wanted,
                    3e-6 * largest,
                );
            }
            for (row, wanted) in floats(&wanted["at_input"]).into_iter().enumerate() {
                check_close(
                    "number",
                    found.at_input[row],
                    wanted,
                    1e-6 * wanted.abs().max(0.1),
                );
            }
            let baseline = floats(&wanted["at_baseline"])[0];
            check_close(
                "baseline",
                found.at_baseline,
                baseline,
                1e-6 * baseline.abs().max(0.1),
            );
            let width = architecture.steps * architecture.features;
            for (row, attributions) in found.attributions.chunks_exact(width).enumerate() {
                let moved = found.at_input[row] - found.at_baseline;
                let sum = attributions.iter().sum::<f64>();
                check_close("completeness", sum, moved, 1e-5 * largest);
            }
        }
    }
}

#[test]
fn a_forest_ranks_as_scikit_learns() {
    let golden = &GOLDEN["forest"];
    let x = lines(&golden["x"]);
    let grown = grow(&x, &floats(&golden["y"]), &x[..5], 3, &mut |_| Ok(())).unwrap();
    let (mean, std) = (floats(&golden["mean"]), floats(&golden["std"]));
    for (feature, found) in grown.features.iter().enumerate() {
        // Another generator grows another forest: within five of the standard deviations that scikit-learn's own forests differ by.
        let what = format!("feature {feature}");
        check_close(&what, *found, mean[feature], 5.0 * std[feature]);
    }
    check_close("together", grown.features.iter().sum(), 1.0, 1e-12);
    let mut ranking: Vec<usize> = (0..mean.len()).collect();
    ranking.sort_by(|&a, &b| grown.features[b].total_cmp(&grown.features[a]));
    // The two of pure noise may stand in any order.
    let wanted = floats(&golden["ranking"]);
    for (place, &feature) in ranking.iter().take(4).enumerate() {
        assert_eq!(feature as f64, wanted[place], "place {place}");
    }
    for (predicted, y) in grown.predicted.iter().zip(floats(&golden["y"])) {
        check_close("a row it has seen", *predicted, y, 1.5);
    }
}

fn trained(draft: Draft, table: &Table) -> Artifact {
    let plan = draft.check().unwrap();
    fit(table, &plan, &provenance(), machine(1), None, &mut |_| {
        Next::Continue
    })
    .unwrap()
    .artifact
}

fn quick() -> Choices {
    Choices {
        repeats: 2,
        origins: 20,
        ..Choices::default()
    }
}

fn measured(artifact: &Artifact, table: &Table, threads: usize, choices: Choices) -> Importance {
    importance(artifact, table, machine(threads), choices, &mut |_| {
        Next::Continue
    })
    .unwrap()
}

/// Every column once, shapes, and the test part only.
#[track_caller]
fn check_whole(found: &Importance, artifact: &Artifact) {
    let manifest = &artifact.manifest;
    let n = manifest.features.len();
    let mut columns: Vec<usize> = Vec::new();
    for cost in &found.permutation.groups {
        columns.extend(&cost.group.columns);
        assert_eq!(cost.lost.len(), permutation::told(5).len() + 1);
        assert!(cost.overall().step.is_none());
        for lost in &cost.lost {
            assert!(lost.low <= lost.high && lost.std >= 0.0, "{lost:?}");
        }
    }
    columns.sort_unstable();
    assert_eq!(columns, (0..n).collect::<Vec<_>>());
    assert_eq!(found.features.len(), n);
    let test = manifest
        .split
        .iter()
        .find(|part| part.part == "test")
        .unwrap();
    assert!(found.measured.first_origin >= test.first_origin);
    assert!(found.measured.last_origin <= test.last_origin);
    assert_eq!(found.measured.held_out, test.windows);
    let forest = found.forest.as_ref().unwrap();
    assert_eq!(forest.features.len(), n);
    assert!(forest.held_out_r2 < 0.5, "nothing is that predictable");
}

#[test]
fn every_model_is_measured_on_windows_it_never_saw() {
    let table = table(rows(300, 1));
    for (model_type, loss) in [
        ("lstm", Loss::Pinball),
        ("lstm", Loss::Mse),
        ("basic", Loss::Pinball),
    ] {
        for group_by in GroupBy::ALL {
            let artifact = trained(
                Draft {
                    loss,
                    ..small(model_type)
                },
                &table,
            );
            let found = measured(
                &artifact,
                &table,
                1,
                Choices {
                    group_by,
                    ..quick()
                },
            );
            check_whole(&found, &artifact);
            match (&found.gradients, model_type, loss) {
                (Some(gradients), "lstm", Loss::Pinball) => assert_eq!(gradients.numbers.len(), 2),
                (Some(gradients), "lstm", _) => assert_eq!(gradients.numbers.len(), 1),
                (None, "basic", _) => {}
                _ => panic!("{model_type} {loss:?}"),
            }
            for attributed in found.gradients.iter().flat_map(|all| &all.numbers) {
                let shape = (attributed.days.len(), attributed.days[0].len());
                assert_eq!(shape, (8, found.features.len()));
                // A network that stayed untrained answers the same to everything: then nothing is attributed.
                assert!(
                    attributed.completeness.largest < 1e-3,
                    "{:?}",
                    attributed.completeness
                );
            }
        }
    }
}

#[test]
fn threads_change_no_bit_and_another_seed_other_shuffles() {
    let table = table(rows(300, 2));
    let artifact = trained(small("lstm"), &table);
    let one = measured(&artifact, &table, 1, quick());
    assert_eq!(one, measured(&artifact, &table, 3, quick()));
    let other = measured(&artifact, &table, 1, Choices { seed: 7, ..quick() });
    assert_eq!(one.permutation.loss, other.permutation.loss);
    assert_ne!(one.forest, other.forest);
}

/// A sentiment that is tomorrow's move, and a model that can see it: the one column that matters is found by each look.
#[test]
fn a_planted_feature_is_found_by_every_look() {
    let mut rows = rows(500, 3);
    let close = rows.columns[3].values.clone();
    // Yesterday's tale of today: the series on row t tells the move from t to t + 1, with noise.
    let mood = &mut rows.columns[5].values;
    for t in 0..mood.len() - 1 {
        mood[t] = 50.0 + 400.0 * (close[t + 1] / close[t]).ln();
    }
    let table = table(rows);
    let draft = Draft {
        forecast_horizon: 1,
        loss: Loss::Mse,
        epochs: 40,
        patience: 40,
        learning_rate: 0.01,
        dropout: 0.0,
        ..small("lstm")
    };
    for draft in [
        draft.clone(),
        Draft {
            model_type: "basic".into(),
            ..draft
        },
    ] {
        let artifact = trained(draft, &table);
        let choices = Choices {
            group_by: GroupBy::None,
            origins: 60,
            ..quick()
        };
        let found = measured(&artifact, &table, 1, choices);
        let first = &found.permutation.groups[0];
        assert!(first.group.name.starts_with("mood"), "{}", first.group.name);
        assert!(first.overall().low > 20.0, "{:?}", first.overall());
        let planted = first.group.columns[0];
        let most = |values: &[f64]| {
            (0..values.len())
                .max_by(|&a, &b| values[a].total_cmp(&values[b]))
                .unwrap()
        };
        let forest = found.forest.unwrap();
        assert_eq!(most(&forest.features), planted);
        assert!(forest.held_out_r2 > 0.5, "{}", forest.held_out_r2);
        for attributed in found.gradients.iter().flat_map(|all| &all.numbers) {
            assert_eq!(most(&attributed.features), planted);
            // and on the last day of the window
            let by_day: Vec<f64> = attributed.days.iter().map(|day| day[planted]).collect();
            assert_eq!(most(&by_day), by_day.len() - 1);
        }
    }
}

#[test]
fn newer_rows_are_held_out_as_well_and_too_few_are_refused() {
    let all = table(rows(400, 4));
    let artifact = trained(small("basic"), &all.until(300));
    let found = measured(&artifact, &all, 1, quick());
    assert_eq!(
        found.measured.held_out,
        artifact.manifest.sizes.test_windows + 100
    );
    assert_eq!(found.measured.windows, 20);
    let error = importance(&artifact, &all.until(200), machine(1), quick(), &mut |_| {
        Next::Continue
    })
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert!(error.to_string().starts_with("0 windows"), "{error}");
}

#[test]
fn every_look_can_be_stopped() {
    let table = table(rows(300, 5));
    let artifact = trained(small("lstm"), &table);
    let mut seen = Vec::new();
    for stop_at in ["shuffling", "explaining", "growing a forest for comparison"] {
        let mut observe = |event: Event<'_>| match event {
            Event::Working { what, done, of } => {
                assert!(done <= of, "{what}: {done} of {of}");
                if what == stop_at {
                    seen.push(what);
                    return Next::Stop;
                }
                Next::Continue
            }
            _ => Next::Continue,
        };
        let error = importance(&artifact, &table, machine(1), quick(), &mut observe).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Interrupted);
    }
    assert_eq!(seen.len(), 3);
}
