//! Instruction sets and chunks: which trainings give the same bits, how far the others are apart, and that a forecast has no neighbours.

use senti::artifact::Values;
use senti::comparison::{Part, compare, same_bits};
use senti::doors::{fit, forecast};
use senti::models::CHUNK;
use senti::observe::{Event, Next};
use senti::plan::{Loss, Plan, Target};
use senti::{Machine, Outcome, Table};
use senti_engine::Simd;

use crate::market::{plan, provenance, rows, small, table};

fn run(table: &Table, plan: &Plan, simd: Simd) -> Outcome {
    let machine = Machine { threads: 2, simd };
    let go_on = &mut |_: Event<'_>| Next::Continue;
    fit(table, plan, &provenance(), machine, None, go_on).unwrap()
}

fn parts(saved: &Outcome, again: &Outcome) -> Vec<Part> {
    compare(&saved.artifact, Ok(&saved.forecast), again).unwrap()
}

fn named(parts: &[Part], fits: impl Fn(&Part) -> bool) -> Vec<&str> {
    let parts = parts.iter().filter(|part| fits(part));
    parts.map(|part| part.name.as_str()).collect()
}

/// A whole training with every set of this machine, against its widest one.
#[test]
fn sets_that_fuse_give_the_same_bits_and_plain_is_close() {
    let table = table(rows(300, 3));
    let sets: Vec<Simd> = (Simd::ALL.into_iter()).filter(Simd::is_supported).collect();
    for (model_type, target, loss) in [
        ("lstm", Target::LogReturn, Loss::Pinball),
        ("lstm", Target::Price, Loss::Mse),
        ("basic", Target::LogReturn, Loss::Pinball),
    ] {
        let draft = senti::plan::Draft {
            target,
            loss,
            ..small(model_type)
        };
        let plan = draft.check().unwrap();
        let widest = run(&table, &plan, sets[0]);
        if target == Target::Price {
            assert!(
                widest.artifact.manifest.best_epoch > 0,
                "weights that were learned"
            );
        }
        for simd in &sets {
            let other = run(&table, &plan, *simd);
            assert_eq!(other.artifact.manifest.simd, simd.name());
            let parts = parts(&widest, &other);
            let wrong = match same_bits(sets[0].name(), simd.name()) {
                true => named(&parts, |part| !part.is_same()),
                false => named(&parts, |part| !part.is_close()),
            };
            assert!(wrong.is_empty(), "{model_type} {}: {wrong:?}", simd.name());
            // The set is used: what rounds otherwise leaves other bits somewhere.
            let same = parts.iter().all(Part::is_same);
            assert_eq!(
                same,
                same_bits(sets[0].name(), simd.name()),
                "{model_type} {}",
                simd.name()
            );
        }
    }
}

/// Another training is not close: the tolerance can tell.
#[test]
fn the_tolerance_does_not_hold_for_another_seed() {
    let table = table(rows(300, 3));
    // the original's recipe: forecasts of returns start as the past moves, which no seed changes
    let of_seed = |seed| senti::plan::Draft {
        seed,
        loss: senti::plan::Loss::Mse,
        target: senti::plan::Target::Price,
        ..small("lstm")
    };
    let (one, two) = (of_seed(42).check().unwrap(), of_seed(43).check().unwrap());
    let simd = Simd::detect();
    let parts = parts(&run(&table, &one, simd), &run(&table, &two, simd));
    let far = named(&parts, |part| !part.is_close());
    for name in ["bidirectional/forward/kernel", "dense/kernel", "forecast"] {
        assert!(far.contains(&name), "{name} {far:?}");
    }
}

#[test]
fn what_was_altered_is_named_with_its_place() {
    let table = table(rows(260, 4));
    let again = run(&table, &plan("lstm"), Simd::detect());
    let check = |alter: &dyn Fn(&mut Outcome), wanted: (&str, &str)| {
        let mut saved = run(&table, &plan("lstm"), Simd::detect());
        alter(&mut saved);
        let parts = parts(&saved, &again);
        assert_eq!(named(&parts, |part| !part.is_same()), [wanted.0]);
        let part = parts.iter().find(|part| !part.is_same()).unwrap();
        let at = part.largest.as_ref().map(|largest| largest.at.clone());
        assert_eq!(at.or(part.other.clone()).as_deref(), Some(wanted.1));
    };
    // a kernel of 8 gates' worth of units: (features, 32); value 33 stands in the second row
    let lowest_bit = |outcome: &mut Outcome| {
        let tensor = &mut outcome.artifact.tensors[0];
        assert_eq!(
            (tensor.name.as_str(), tensor.shape[1]),
            ("bidirectional/forward/kernel", 32)
        );
        let Values::F32(values) = &mut tensor.values else {
            panic!("weights are f32")
        };
        values[33] = f32::from_bits(values[33].to_bits() ^ 1);
    };
    check(&lowest_bit, ("bidirectional/forward/kernel", "[1, 1]"));
    let shape = |outcome: &mut Outcome| outcome.artifact.tensors[0].shape = vec![32, 1];
    let text = format!(
        "shape [32, 1] saved, {:?} again",
        again.artifact.tensors[0].shape
    );
    check(&shape, ("bidirectional/forward/kernel", &text));
    let best = |outcome: &mut Outcome| outcome.artifact.manifest.history[2].valid_loss += 1e-15;
    let name = match again.artifact.manifest.best_epoch {
        3 => "history",
        _ => "history behind best_epoch",
    };
    let place = 2 - match name {
        "history" => 0,
        _ => again.artifact.manifest.best_epoch,
    };
    check(&best, (name, &format!("/{place}/valid_loss")));
    let score = |outcome: &mut Outcome| {
        let mae = outcome
            .artifact
            .manifest
            .evaluation
            .model
            .overall
            .get_mut("mae")
            .unwrap();
        *mae = mae.map(|mae| mae * 0.5);
    };
    check(&score, ("evaluation", "/model/overall/mae"));
    let price = |outcome: &mut Outcome| outcome.forecast.rows[1].quantiles[0] -= 1.0;
    check(&price, ("forecast", "step 2, level 0.05"));
}

/// A window is forecast alone by `forecast`, in a chunk with others by the evaluation: the numbers are the same.
#[test]
fn the_last_origin_is_forecast_alone_as_among_others() {
    let full = table(rows(400, 6));
    for model_type in ["lstm", "basic"] {
        for simd in Simd::ALL.into_iter().filter(Simd::is_supported) {
            let machine = Machine { threads: 2, simd };
            let mut last = None;
            let mut chunks = Vec::new();
            let mut observe = |event: Event<'_>| {
                if let Event::Tested(chunk) = event {
                    let n = chunk.origins.len();
                    chunks.push(n);
                    let predictions = chunk.predictions;
                    last = Some((
                        chunk.origins[n - 1],
                        predictions.point(n - 1).to_vec(),
                        predictions.quantiles(n - 1).to_vec(),
                    ));
                }
                Next::Continue
            };
            let plan = plan(model_type);
            let outcome = fit(&full, &plan, &provenance(), machine, None, &mut observe).unwrap();
            let (origin, point, quantiles) = last.unwrap();
            assert!(chunks.iter().any(|n| (2..=CHUNK).contains(n)), "{chunks:?}");
            let row = full.time().iter().position(|time| *time == origin).unwrap();
            let alone = forecast(&outcome.artifact, &full.until(row + 1), machine).unwrap();
            let points: Vec<f64> = alone.rows.iter().map(|row| row.point).collect();
            let fan: Vec<f64> = alone
                .rows
                .iter()
                .flat_map(|row| row.quantiles.clone())
                .collect();
            assert_eq!(
                (points, fan),
                (point, quantiles),
                "{model_type} {}",
                simd.name()
            );
        }
    }
}
