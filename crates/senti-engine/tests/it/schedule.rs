//! Early stopping and reduction on plateaus against what Keras's callbacks did (`goldens/schedules.py`).

use senti_engine::schedule::{CosineDecay, EarlyStopping, ReduceOnPlateau, Verdict};
use serde_json::Value;

#[test]
fn keras_callbacks() {
    let golden: Value = serde_json::from_str(include_str!("../goldens/schedules.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    for case in cases {
        let number = |key: &str| case[key].as_f64().unwrap();
        let losses = case["losses"]
            .as_array()
            .unwrap()
            .iter()
            .map(|loss| loss.as_f64().unwrap_or(f64::NAN));
        let mut stopping = EarlyStopping::new(number("patience") as u32, number("min_delta"));
        let mut plateau = ReduceOnPlateau {
            factor: number("factor") as f32,
            patience: number("plateau_patience") as u32,
            cooldown: number("cooldown") as u32,
            ..ReduceOnPlateau::default()
        };
        let (mut stopped, mut rate) = (None, 0.01f32);
        for (epoch, loss) in losses.enumerate() {
            let verdict = stopping.observe(loss);
            assert_eq!(
                verdict == Verdict::Best,
                stopping.best_epoch == Some(epoch as u32)
            );
            if verdict == Verdict::Stop && stopped.is_none() {
                stopped = Some(epoch as u64);
            }
            assert_eq!(
                stopping.best,
                case["best"][epoch].as_f64().unwrap_or(f64::INFINITY),
                "epoch {epoch} of {case}"
            );
            rate = plateau.observe(loss, rate);
            let wanted = case["learning_rates"][epoch].as_f64().unwrap();
            assert!(
                (f64::from(rate) / wanted - 1.0).abs() < 1e-6,
                "epoch {epoch}: rate {rate} of {case}"
            );
        }
        assert_eq!(stopped, case["stopped"].as_u64(), "{case}");
    }
    // The lists reach both ends of every branch.
    assert!(
        cases.iter().any(|case| case["stopped"].is_null())
            && cases.iter().any(|case| !case["stopped"].is_null())
    );
    assert!(cases.iter().any(|case| {
        case["learning_rates"]
            .as_array()
            .unwrap()
            .iter()
            .any(|rate| rate.as_f64().unwrap() < 1.01e-4)
    }));
}

#[test]
fn keras_cosine_decay() {
    let golden: Value = serde_json::from_str(include_str!("../goldens/schedules.json")).unwrap();
    for curve in golden["curves"].as_array().unwrap() {
        let number = |key: &str| curve[key].as_f64().unwrap();
        let decay = CosineDecay {
            initial_learning_rate: number("initial_learning_rate"),
            decay_steps: number("decay_steps") as u64,
            alpha: number("alpha"),
            warmup_steps: number("warmup_steps") as u64,
            warmup_target: curve["warmup_target"].as_f64(),
        };
        for (step, wanted) in curve["rates"].as_array().unwrap().iter().enumerate() {
            let (found, wanted) = (decay.learning_rate(step as u64), wanted.as_f64().unwrap());
            // Keras computes in single precision.
            assert!(
                (found - wanted).abs() < 1e-6 * decay.learning_rate(0).max(0.2),
                "step {step} of {curve}: {found}"
            );
        }
    }
}
