//! The network in the graph: `LSTM` nodes and a dense layer in single precision, then its answer as prices in double.
//!
//! In come rows and the parts of the model; out go prices before calibration. Keras's gates stand in the order i, f, c, o, those of ONNX
//! in i, o, f, c; Keras's kernels are (inputs, 4U), those of ONNX (4U, inputs).

use senti::artifact::Manifest;
use senti::models::{Head, LstmParts};
use senti::plan::LEVELS;
use senti::{Error, Result};

use super::graph::{Graph, Value};
use super::proto::Kind;
use super::rows::Rows;
use super::{Told, features, preparation, target};

/// Where ONNX's gates stand in Keras's order.
const GATES: [usize; 4] = [0, 3, 1, 2];

/// The whole model.
pub fn build(
    g: &mut Graph,
    rows: &mut Rows,
    manifest: &Manifest,
    parts: &LstmParts,
) -> Result<Told> {
    let matrix = features::build(g, rows, manifest, rows.past)?;
    let narrow = preparation::build(g, &manifest.preparation, &matrix);
    let raw = g.within("network", |g| network(g, parts, &narrow, manifest))?;
    let last_close = rows.last_close(g)?;
    g.within("head", |g| {
        let horizon = rows.horizon;
        match &parts.head {
            Head::Point(residuals) => {
                let wide = g.cast("wide", &raw, Kind::Double);
                let point = g.unsqueeze("encoded", &wide, 2);
                let units = target::units(g, rows, &parts.target, false)?;
                Ok(target::around(
                    g,
                    &parts.target,
                    &units,
                    &last_close,
                    &point,
                    residuals,
                ))
            }
            Head::Quantiles {
                location_rate,
                base,
                lately,
            } => {
                let wide = g.cast("wide", &raw, Kind::Double);
                let encoded = quantiles(g, &wide, *location_rate, horizon);
                let encoded = match base {
                    Some(base) => blend(g, &encoded, base),
                    None => encoded,
                };
                let units = target::units(g, rows, &parts.target, *lately)?;
                let quantiles = target::decode(g, &parts.target, &units, &last_close, &encoded);
                let middle = LEVELS.len() / 2;
                let median = g.slice("median_price", &quantiles, 2, middle, middle + 1);
                Ok(Told {
                    point: g.squeeze("point", &median, 2),
                    quantiles,
                })
            }
        }
    })
}

/// Outputs of the dense layer: (batch, outputs).
fn network(
    g: &mut Graph,
    parts: &LstmParts,
    features: &Value,
    manifest: &Manifest,
) -> Result<Value> {
    let tensor = |name: &str| {
        let found = parts.weights.iter().find(|tensor| tensor.name == name);
        found.ok_or_else(|| Error::data(format!("the artifact has no tensor `{name}`")))
    };
    let mut states = g.transpose("steps_first", features, &[1, 0, 2]);
    let mut inputs = manifest.features.len();
    let layers = parts.units.len();
    for (layer, &units) in parts.units.iter().enumerate() {
        let word = match layer {
            0 => "bidirectional".to_owned(),
            number => format!("bidirectional_{number}"),
        };
        let (mut w, mut r, mut b) = (Vec::new(), Vec::new(), Vec::new());
        for direction in ["forward", "backward"] {
            let kernel = &tensor(&format!("{word}/{direction}/kernel"))?.values;
            let recurrent = &tensor(&format!("{word}/{direction}/recurrent_kernel"))?.values;
            let bias = &tensor(&format!("{word}/{direction}/bias"))?.values;
            turn(kernel, inputs, units, &mut w);
            turn(recurrent, units, units, &mut r);
            turn(bias, 1, units, &mut b);
            // Keras has one bias, ONNX a second one for the states
            b.resize(b.len() + 4 * units, 0.0);
        }
        let last = layer + 1 == layers;
        states = g.within(&word, |g| {
            let w = g.singles("W", &[2, 4 * units, inputs], &w);
            let r = g.singles("R", &[2, 4 * units, units], &r);
            let b = g.singles("B", &[2, 8 * units], &b);
            let made = g.lstm("states", [&states, &w, &r, &b], units, last);
            let both = 2 * units as i64;
            match last {
                // (2, batch, U): forward and backward side by side
                true => {
                    let made = g.transpose("windows_first", &made, &[1, 0, 2]);
                    g.reshape("both", &made, &[0, both])
                }
                // (T, 2, batch, U)
                false => {
                    let made = g.transpose("directions_last", &made, &[0, 2, 1, 3]);
                    g.reshape("both", &made, &[0, 0, both])
                }
            }
        });
        inputs = 2 * units;
    }
    g.within("dense", |g| {
        let (kernel, bias) = (tensor("dense/kernel")?, tensor("dense/bias")?);
        let outputs = bias.values.len();
        let kernel = g.singles("kernel", &[inputs, outputs], &kernel.values);
        let bias = g.singles("bias", &[outputs], &bias.values);
        let product = g.both("MatMul", "product", &states, &kernel);
        Ok(g.both("Add", "outputs", &product, &bias))
    })
}

/// Appends (inputs, 4U) in Keras's order as (4U, inputs) in that of ONNX.
fn turn(kernel: &[f32], inputs: usize, units: usize, out: &mut Vec<f32>) {
    for gate in GATES {
        for unit in 0..units {
            let column = gate * units + unit;
            out.extend((0..inputs).map(|row| kernel[row * 4 * units + column]));
        }
    }
}

/// Raw outputs (batch, H · Q) to rising quantiles (batch, H, Q): the middle one is the median, each other one lies softplus(z) beyond
/// its neighbour.
fn quantiles(g: &mut Graph, raw: &Value, location_rate: f64, horizon: usize) -> Value {
    let (levels, middle) = (LEVELS.len(), LEVELS.len() / 2);
    let raw = g.reshape("by_step", raw, &[0, horizon as i64, levels as i64]);
    let median = g.slice("raw_median", &raw, 2, middle, middle + 1);
    let median = g.with("Mul", "median", &median, location_rate);
    let below = g.slice("raw_below", &raw, 2, 0, middle);
    let below = softplus(g, "gaps_below", &below);
    let below = g.running_sum("distances_below", &below, 2, true);
    let below = g.both("Sub", "below", &median, &below);
    let above = g.slice("raw_above", &raw, 2, middle + 1, levels);
    let above = softplus(g, "gaps_above", &above);
    let above = g.running_sum("distances_above", &above, 2, false);
    let above = g.both("Add", "above", &median, &above);
    g.concat("quantiles_of_network", &[&below, &median, &above], 2)
}

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|): ONNX Runtime has `Softplus` in single precision only.
fn softplus(g: &mut Graph, label: &str, x: &Value) -> Value {
    g.within(label, |g| {
        let positive = g.with("Max", "positive", x, 0.0);
        let size = g.of("Abs", "size", x);
        let size = g.of("Neg", "minus_size", &size);
        let faded = g.of("Exp", "faded", &size);
        let more = g.with("Add", "one_more", &faded, 1.0);
        let rest = g.of("Log", "rest", &more);
        g.both("Add", "softplus", &positive, &rest)
    })
}

/// What is believed of the network: `now + share · (quantile − start)`, in order.
fn blend(g: &mut Graph, quantiles: &Value, [start, now, shares]: &[Vec<f64>; 3]) -> Value {
    let (horizon, levels) = (shares.len(), LEVELS.len());
    let start = g.doubles("start", &[horizon, levels], start);
    let now = g.doubles("now", &[horizon, levels], now);
    let shares = g.doubles("shares", &[horizon, 1], shares);
    let earned = g.both("Sub", "earned", quantiles, &start);
    let believed = g.both("Mul", "believed", &earned, &shares);
    let mixed = g.both("Add", "mixed", &now, &believed);
    g.sort("sorted", &mixed, levels)
}
