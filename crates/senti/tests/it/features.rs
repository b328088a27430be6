//! Features against pandas and TA-Lib (`goldens/features.py`).

use std::collections::BTreeMap;

use senti::features::{FEATURES, Inputs, indicators};
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    candles: Candles,
    features: BTreeMap<String, Vec<Option<f64>>>,
    ema_12: Vec<Option<f64>>,
    macd_signal: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct Candles {
    time: Vec<i64>,
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    volume: Vec<f64>,
}

impl Candles {
    fn inputs(&self) -> Inputs<'_> {
        Inputs {
            time: &self.time,
            open: &self.open,
            high: &self.high,
            low: &self.low,
            close: &self.close,
            volume: &self.volume,
        }
    }
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../goldens/features.json")).expect("a golden file")
}

/// Agreement to 1e-9 of the value (of 1 where it is small), and NaN on the same rows.
#[track_caller]
fn check_column(name: &str, found: &[f64], wanted: &[Option<f64>]) {
    assert_eq!(found.len(), wanted.len());
    for (row, (&found, wanted)) in found.iter().zip(wanted).enumerate() {
        match wanted {
            None => assert!(found.is_nan(), "{name}, row {row}: {found}, wanted unknown"),
            Some(wanted) => assert!(
                (found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0),
                "{name}, row {row}: {found}, wanted {wanted}"
            ),
        }
    }
}

#[test]
fn every_feature_agrees_with_pandas_or_ta_lib() {
    let golden = golden();
    let mut out = vec![0.0; golden.candles.close.len()];
    assert_eq!(golden.features.len(), FEATURES.len());
    for feature in FEATURES {
        (feature.fill)(&golden.candles.inputs(), &mut out);
        check_column(feature.name, &out, &golden.features[feature.name]);
    }
}

#[test]
fn warm_up_is_what_the_table_says() {
    let golden = golden();
    for feature in FEATURES {
        let wanted = &golden.features[feature.name];
        let unknown = wanted.iter().take_while(|value| value.is_none()).count();
        assert_eq!(feature.warm_up, unknown, "{}", feature.name);
    }
}

#[test]
fn moving_averages_agree_with_ta_lib() {
    let golden = golden();
    let close = &golden.candles.close;
    let (mut line, mut signal) = (vec![0.0; close.len()], vec![0.0; close.len()]);
    indicators::ema(close, 12, &mut line);
    check_column("ema", &line, &golden.ema_12);
    indicators::macd(close, (12, 26, 9), &mut line, &mut signal);
    check_column("macd signal", &signal, &golden.macd_signal);
}

#[test]
fn short_runs_are_unknown_not_a_panic() {
    let golden = golden();
    for n in 0..40 {
        let whole = golden.candles.inputs();
        let inputs = Inputs {
            time: &whole.time[..n],
            open: &whole.open[..n],
            high: &whole.high[..n],
            low: &whole.low[..n],
            close: &whole.close[..n],
            volume: &whole.volume[..n],
        };
        for feature in FEATURES {
            let mut out = vec![0.0; n];
            (feature.fill)(&inputs, &mut out);
            check_column(feature.name, &out, &golden.features[feature.name][..n]);
        }
    }
}

#[track_caller]
fn check_finite(inputs: &Inputs<'_>) {
    let mut out = vec![0.0; inputs.close.len()];
    for feature in FEATURES {
        (feature.fill)(inputs, &mut out);
        for (row, value) in out.iter().enumerate() {
            let known = row >= feature.warm_up;
            assert_eq!(value.is_finite(), known, "{} {row} {value}", feature.name);
        }
    }
}

#[test]
fn a_flat_price_without_trades_is_finite() {
    let (time, price, volume) = ((0..80).collect::<Vec<i64>>(), vec![0.1; 80], vec![0.0; 80]);
    check_finite(&Inputs {
        time: &time,
        open: &price,
        high: &price,
        low: &price,
        close: &price,
        volume: &volume,
    });
}

#[track_caller]
fn check_units(factor: f64) {
    let mut candles = golden().candles;
    let volume_factor = factor.recip();
    let before = golden();
    for column in [
        &mut candles.open,
        &mut candles.high,
        &mut candles.low,
        &mut candles.close,
    ] {
        column.iter_mut().for_each(|price| *price *= factor);
    }
    candles
        .volume
        .iter_mut()
        .for_each(|volume| *volume *= volume_factor);
    check_finite(&candles.inputs());
    let (mut found, mut wanted) = (vec![0.0; 100], vec![0.0; 100]);
    for feature in FEATURES {
        (feature.fill)(&candles.inputs(), &mut found);
        (feature.fill)(&before.candles.inputs(), &mut wanted);
        for (row, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            assert_eq!(
                found.to_bits(),
                wanted.to_bits(),
                "{} {row}: {found}, wanted {wanted}",
                feature.name
            );
        }
    }
}

#[test]
fn a_huge_price_gives_the_same_bits() {
    check_units(2.0_f64.powi(60));
}

#[test]
fn a_tiny_price_gives_the_same_bits() {
    check_units(2.0_f64.powi(-60));
}
