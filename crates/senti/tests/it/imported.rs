//! Weights that another program trained: they stay as they are, and everything around them is learned as `fit` learns it.

use senti::artifact::{Tensor, Values};
use senti::doors::{fit, fit_imported, forecast};
use senti::imported::{Imported, Origin};
use senti::observe::Next;
use senti::plan::{Draft, Loss, Plan, Target};
use senti::{ErrorKind, Outcome, Result, Table};

use crate::market::{machine, provenance, rows, small, table};

fn origin() -> Origin {
    Origin {
        format: "made up".into(),
        file: "weights.pt".into(),
        sha256: "ab".repeat(32),
    }
}

fn import(table: &Table, plan: &Plan, imported: &Imported) -> Result<Outcome> {
    let mut go_on = |_: senti::observe::Event<'_>| Next::Continue;
    fit_imported(
        table,
        plan,
        imported,
        &provenance(),
        machine(1),
        None,
        &mut go_on,
    )
}

fn trained(table: &Table, plan: &Plan) -> Outcome {
    let mut go_on = |_: senti::observe::Event<'_>| Next::Continue;
    fit(table, plan, &provenance(), machine(1), None, &mut go_on).unwrap()
}

fn plan(target: Target, loss: Loss, epochs: usize) -> Plan {
    let draft = Draft {
        target,
        loss,
        epochs,
        ..small("lstm")
    };
    draft.check().unwrap()
}

/// A network that `fit` trained, taken out of its artifact and imported again with the same rows and choices, must come out as the same model:
/// nothing of it may be learned otherwise than by `fit`.
#[track_caller]
fn check_same_model(target: Target, loss: Loss) {
    let table = table(rows(300, 1));
    let plan = plan(target, loss, 2);
    let first = trained(&table, &plan);
    let imported = Imported::new(origin(), first.artifact.tensors.clone()).unwrap();
    let unchanged = Draft {
        epochs: 0,
        ..plan.draft()
    };
    let again = import(&table, &unchanged.check().unwrap(), &imported).unwrap();
    let (old, new) = (&first.artifact.manifest, &again.artifact.manifest);
    assert_eq!(
        again.artifact.tensors, first.artifact.tensors,
        "bit for bit"
    );
    assert_eq!(new.model, old.model, "scales, residuals, what is believed");
    assert_eq!(new.preparation, old.preparation);
    assert_eq!(new.calibration, old.calibration);
    assert_eq!(new.evaluation, old.evaluation);
    assert_eq!(again.forecast, first.forecast);
    assert!(new.history.is_empty());
    assert_eq!(new.best_epoch, 0);
    assert_eq!(new.imported, Some(origin()));
    assert_eq!(old.imported, None);
    // and it comes back from its artifact
    let later = forecast(&again.artifact, &table, machine(1)).unwrap();
    assert_eq!(later, again.forecast);
}

#[test]
fn a_network_of_returns_and_quantiles_is_kept_whole() {
    check_same_model(Target::LogReturn, Loss::Pinball);
}

#[test]
fn a_network_of_prices_is_kept_whole() {
    check_same_model(Target::Price, Loss::Mse);
}

#[test]
fn a_network_of_returns_is_kept_whole() {
    check_same_model(Target::LogReturn, Loss::Huber);
}

/// Fine-tuning: what was given is epoch 0, output layer and all, and the first update starts there.
#[test]
fn training_goes_on_from_what_was_given() {
    let table = table(rows(300, 1));
    let plan = plan(Target::Price, Loss::Mse, 3);
    let first = trained(&table, &plan);
    let history = &first.artifact.manifest.history;
    let best = first.artifact.manifest.best_epoch;
    assert!(best > 0, "so that the weights are not the untrained ones");
    let imported = Imported::new(origin(), first.artifact.tensors.clone()).unwrap();
    let again = import(&table, &plan, &imported).unwrap().artifact;
    let loss = again.manifest.untrained_loss.unwrap();
    let wanted = history[best - 1].valid_loss;
    assert!((loss - wanted).abs() <= 1e-12 * wanted, "{loss} {wanted}");
    assert_eq!(again.manifest.history.len(), 3);
    assert_eq!(again.manifest.imported, Some(origin()));
}

#[test]
fn a_checkpoint_of_other_weights_is_not_taken_up() {
    let table = table(rows(300, 1));
    let plan = plan(Target::LogReturn, Loss::Mse, 2);
    let tensors = trained(&table, &plan).artifact.tensors;
    let imported = Imported::new(origin(), tensors.clone()).unwrap();
    let mut state = None;
    let mut keep = |event: senti::observe::Event<'_>| {
        if let senti::observe::Event::Epoch { state: now, .. } = event {
            state.get_or_insert_with(now);
        }
        Next::Continue
    };
    let (about, on) = (provenance(), machine(1));
    let whole = fit_imported(&table, &plan, &imported, &about, on, None, &mut keep).unwrap();
    let state = state.unwrap();
    let mut go_on = |_: senti::observe::Event<'_>| Next::Continue;
    // of the same weights it goes on, to the same end
    let resume = Some(&state);
    let again = fit_imported(&table, &plan, &imported, &about, on, resume, &mut go_on).unwrap();
    assert_eq!(again.artifact.tensors, whole.artifact.tensors);
    assert_eq!(
        again.artifact.manifest.history,
        whole.artifact.manifest.history
    );
    let other = Origin {
        sha256: "cd".repeat(32),
        ..origin()
    };
    let other = Imported::new(other, tensors).unwrap();
    let refused = fit_imported(&table, &plan, &other, &about, on, resume, &mut go_on).unwrap_err();
    assert!(
        refused.to_string().contains("weights to start from"),
        "{refused}"
    );
    let refused = fit(&table, &plan, &about, on, resume, &mut go_on).unwrap_err();
    assert!(
        refused.to_string().contains("weights to start from"),
        "{refused}"
    );
}

/// Zeros of these shapes.
fn zeros(features: usize, units: &[usize], outputs: usize) -> Vec<Tensor> {
    let tensor = |name: String, shape: Vec<usize>| Tensor {
        name,
        values: Values::F32(vec![0.0; shape.iter().product()]),
        shape,
    };
    let mut tensors = Vec::new();
    let mut width = features;
    for (layer, &units) in units.iter().enumerate() {
        for direction in ["forward", "backward"] {
            let name =
                |part: &str| format!("{}/{direction}/{part}", senti::imported::layer_name(layer));
            tensors.push(tensor(name("kernel"), vec![width, 4 * units]));
            tensors.push(tensor(name("recurrent_kernel"), vec![units, 4 * units]));
            tensors.push(tensor(name("bias"), vec![4 * units]));
        }
        width = 2 * units;
    }
    tensors.push(tensor("dense/kernel".into(), vec![width, outputs]));
    tensors.push(tensor("dense/bias".into(), vec![outputs]));
    tensors
}

#[test]
fn what_does_not_fit_is_told_with_what_would() {
    let table = table(rows(300, 1));
    let plan = plan(Target::LogReturn, Loss::Mse, 1);
    let horizon = plan.forecast_horizon;
    let units = plan.units.clone();
    let refused = |features, units: &[usize], outputs| {
        let imported = Imported::new(origin(), zeros(features, units, outputs)).unwrap();
        let error = import(&table, &plan, &imported).unwrap_err();
        format!("{error} | {}", error.hint_text().unwrap_or_default())
    };
    let text = refused(3, &[7], horizon);
    assert!(text.contains("7 units, the plan's"), "{text}");
    assert!(text.contains("`--units 7`"), "{text}");
    let text = refused(3, &units, 38);
    assert!(text.contains("38 outputs"), "{text}");
    assert!(
        text.contains("`--loss pinball --forecast_horizon 2`"),
        "{text}"
    );
    let text = refused(3, &units, horizon);
    assert!(text.contains("reads 3 columns a step"), "{text}");
    assert!(text.contains("log_return_1, log_return_3"), "{text}");
    assert!(text.contains("docs/weights.md"), "{text}");
    let basic = Draft {
        units,
        ..small("basic")
    };
    let imported = Imported::new(origin(), zeros(3, &basic.units, horizon)).unwrap();
    let error = imported.fits_plan(&basic.check().unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Plan);
}

#[track_caller]
fn check_tensors(change: impl Fn(&mut Vec<Tensor>), wanted: &str) {
    let mut tensors = zeros(3, &[2, 4], 5);
    change(&mut tensors);
    let error = Imported::new(origin(), tensors).unwrap_err().to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn tensors_must_make_one_network() {
    let shuffled: Vec<Tensor> = zeros(3, &[2, 4], 5).into_iter().rev().collect();
    let imported = Imported::new(origin(), shuffled).unwrap();
    assert_eq!(
        imported.tensors(),
        zeros(3, &[2, 4], 5),
        "any order will do"
    );
    check_tensors(Vec::clear, "0 bidirectional LSTM layers");
    check_tensors(|t| drop(t.pop()), "no tensor `dense/bias`");
    check_tensors(
        |t| drop(t.remove(3)),
        "0 tensors `bidirectional/backward/kernel`",
    );
    check_tensors(
        |t| t.push(t[0].clone()),
        "2 tensors `bidirectional/forward/kernel`",
    );
    check_tensors(|t| t[0].shape = vec![24], "2 axes");
    check_tensors(
        |t| t[0].shape = vec![4, 6],
        "shape [4, 6], the other layers want [4, 8]",
    );
    let few = |t: &mut Vec<Tensor>| t[6].values = Values::F32(vec![0.0; 5]);
    check_tensors(few, "has 5 values, its shape wants 64");
    check_tensors(|t| t[1].values = Values::F32(vec![f32::NAN; 16]), "is NaN");
    check_tensors(
        |t| t[1].values = Values::F64(vec![0.0; 16]),
        "double precision",
    );
    let spare = |t: &mut Vec<Tensor>| {
        let mut spare = t[0].clone();
        spare.name = "gru/kernel".into();
        t.push(spare);
    };
    check_tensors(spare, "no place for tensor `gru/kernel`");
}
