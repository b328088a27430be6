//! What training has earned: believed where windows that training did not see agree, and not at all where they do not.
//!
//! A sign in a column tells whether the next candle will be lively or calm. Past candles know nothing of it, so only the network can.

use senti::Column;
use senti::artifact::{FORMAT, StateManifest};
use senti::models::Start;
use senti::observe::Next;
use senti::plan::{Draft, Plan};
use senti::split::Held;
use senti::table::Rows;
use senti::trained::{Ground, Lesson, train};
use senti::{Role, Table};
use senti_engine::random::{Purpose, Stream};

use crate::market::{DAY, machine, table};

const N: usize = 1_200;

/// Closes whose moves are five times larger behind a positive sign; from row `turned` on, behind a negative one.
fn signs(turned: usize) -> Table {
    let mut random = Stream::new(5, Purpose::Ensemble).at(3);
    let (mut close, mut lively) = (10_000.0_f64, false);
    let (mut closes, mut signs) = (Vec::new(), Vec::new());
    for row in 0..N {
        close *= (if lively { 0.03 } else { 0.006 } * random.normal()).exp();
        let positive = random.uniform() < 0.5;
        // never twice the same number: a column of repeated values would count as not traded
        let size = 1.0 + 0.1 * random.uniform();
        signs.push(if positive { size } else { -size });
        closes.push(close);
        lively = positive == (row < turned);
    }
    let column = |name: &str, role, values| Column {
        name: name.into(),
        role,
        values,
    };
    table(Rows {
        time: (0..N as i64).map(|day| day * DAY).collect(),
        line: Vec::new(),
        columns: vec![
            column("close", Role::Close, closes),
            column("sign", Role::Series, signs),
        ],
    })
}

fn plan() -> Plan {
    let draft = Draft {
        input_seq_length: 3,
        forecast_horizon: 2,
        units: vec![8],
        learning_rate: 0.01,
        epochs: 12,
        ..Draft::default()
    };
    draft.check().expect("a valid plan")
}

/// Best epoch, share of each step, calibration windows.
fn shares(table: &Table) -> (usize, Vec<f64>, usize) {
    let plan = plan();
    let mut go_on = |_: senti::observe::Event<'_>| Next::Continue;
    let ground = Ground::prepare(table, &plan, Held::Nothing, &mut go_on).expect("enough rows");
    let lesson = Lesson {
        table,
        plan: &plan,
        ground: &ground,
        machine: machine(1),
        resume: None,
        start: Start::Fresh,
        state: &StateManifest {
            format: FORMAT,
            code_version: "test".into(),
            simd: String::new(),
            plan: plan.clone(),
            digest: String::new(),
            imported: None,
            epochs_done: 0,
            progress: serde_json::Value::Null,
            history: Vec::new(),
        },
    };
    let trained = train(&lesson, &mut go_on).expect("a training");
    let shares = serde_json::from_value(trained.fitted.record()["base"]["shares"].clone());
    (
        trained.best_epoch,
        shares.expect("a number a step"),
        ground.parts.calibration.len(),
    )
}

#[test]
fn what_held_windows_confirm_is_believed() {
    let (best_epoch, shares, windows) = shares(&signs(N));
    assert!(best_epoch > 0, "training found the sign");
    // one step ahead all windows are independent; the share is drawn to nothing as if 20 more had said so
    let most = windows as f64 / (windows as f64 + 20.0);
    assert!(
        shares[0] <= most && shares[0] > 0.75 * most,
        "{} of at most {most}",
        shares[0]
    );
    // two steps ahead the windows overlap, and only one of two moves is foretold
    let most = windows as f64 / (windows as f64 + 40.0);
    assert!(shares[1] <= most && shares[1] > 0.0, "{}", shares[1]);
}

#[test]
fn what_held_windows_deny_is_not() {
    let whole = signs(N);
    let ground = Ground::prepare(&whole, &plan(), Held::Nothing, &mut |_| Next::Continue);
    let parts = ground.expect("enough rows").parts;
    let held = parts.calibration.first().expect("calibration windows");
    let (best_epoch, shares, _) = shares(&signs(held));
    assert!(best_epoch > 0, "training found the sign");
    assert_eq!(shares, [0.0, 0.0], "and now the sign is wrong");
}
