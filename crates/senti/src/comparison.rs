//! Two trainings of the same plan on the same data, compared part by part.
//!
//! In come a saved artifact with its forecast and the outcome of a repeated training; out goes a [`Part`] for every tensor, everything
//! learned, and the forecast: how many numbers differ, and the largest difference. What follows from that is for the caller to say.

use serde::Serialize;
use serde_json::Value;

use crate::artifact::{Artifact, Manifest, Tensor, Values};
use crate::doors::Outcome;
use crate::forecast::Forecast;
use crate::{Error, Result};

/// Share of the largest value of a tensor by which its values may differ between instruction sets that round differently.
///
/// A fused multiply-add rounds once where `plain` rounds twice: one step of a training differs by some 1e-7 of a weight. Measured over
/// ten whole trainings, nine keep weights that differ by up to 2e-6, and forecasts by up to 6e-7 of a price; these bounds leave room for a hundred
/// times as much. A long training of a wide network may amplify any last bit without bound (a learning rate one bit larger does the
/// same to it, in one instruction set): then nothing is promised between sets, and the difference is told.
pub const WEIGHTS: f64 = 1e-3;
/// Share of a price by which forecasts may differ.
pub const PRICES: f64 = 1e-4;
/// Share of itself (or of 1, for what is smaller) by which anything else may differ: one price more inside an interval must not count.
pub const LEARNED: f64 = 1e-2;

/// Instruction sets that round at the same places, so that each gives the bits of the others.
const FUSED: &[&str] = &["avx512", "avx2"];

/// Do these two instruction sets, by name, give the same bits?
///
/// NEON rounds like AVX, but comes with another system's logarithm: nobody has compared them here, so nothing is promised.
pub fn same_bits(one: &str, other: &str) -> bool {
    one == other || (FUSED.contains(&one) && FUSED.contains(&other))
}

/// What a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Weights.
    Tensor,
    /// A field of the manifest.
    Record,
    /// Epochs behind the one that was kept: nothing came of them, so between instruction sets that round differently they do not count.
    Behind,
    /// The forecast from the last row.
    Forecast,
}

/// Two numbers that are not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Where: the index in a tensor, the path in a record.
    pub at: String,
    /// What was saved.
    pub saved: f64,
    /// What the repeated training gave.
    pub again: f64,
    /// Their distance as a share of what the part is measured by.
    pub share: f64,
}

/// A part of an artifact, compared with the one of a repeated training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Part {
    /// Name of a tensor, a field of the manifest, or `forecast`.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Numbers that both have.
    pub values: usize,
    /// Those of them whose bits differ.
    pub differing: usize,
    /// The largest of the differences.
    pub largest: Option<Difference>,
    /// What differs and is no number: a shape, a text, a missing entry.
    pub other: Option<String>,
}

impl Part {
    fn new(name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            values: 0,
            differing: 0,
            largest: None,
            other: None,
        }
    }

    /// The same, bit for bit?
    pub fn is_same(&self) -> bool {
        self.differing == 0 && self.other.is_none()
    }

    /// Within the tolerance between instruction sets that round differently?
    pub fn is_close(&self) -> bool {
        let most = match self.kind {
            Kind::Behind => return true,
            Kind::Tensor => WEIGHTS,
            Kind::Record => LEARNED,
            Kind::Forecast => PRICES,
        };
        let near = |largest: &Difference| largest.share <= most;
        self.other.is_none() && self.largest.as_ref().is_none_or(near)
    }

    /// One number of both, in units of `scale`.
    fn number(&mut self, at: impl Fn() -> String, saved: f64, again: f64, scale: f64) {
        self.values += 1;
        if saved.to_bits() == again.to_bits() {
            return;
        }
        self.differing += 1;
        // no number is far from every number
        let share = (saved - again).abs() / scale;
        let share = if share.is_nan() { f64::INFINITY } else { share };
        if (self.largest.as_ref()).is_none_or(|largest| share > largest.share) {
            self.largest = Some(Difference {
                at: at(),
                saved,
                again,
                share,
            });
        }
    }

    fn other(&mut self, text: impl FnOnce() -> String) {
        self.other.get_or_insert_with(text);
    }
}

/// What is no result of a training: what it was asked for, and by whom.
const GIVEN: &[&str] = &["format", "code_version", "simd", "plan"];
/// The same of the record of the data, whose digest was compared before.
const GIVEN_DATA: &[&str] = &["source", "read_with"];

/// Compares everything that a training gives. `forecast` is what the saved model says of the same rows, or why it says nothing.
pub fn compare(
    saved: &Artifact,
    forecast: Result<&Forecast, &Error>,
    again: &Outcome,
) -> Result<Vec<Part>> {
    let mut parts = tensors(&saved.tensors, &again.artifact.tensors);
    let (mut old, mut new) = (
        learned(&saved.manifest)?,
        learned(&again.artifact.manifest)?,
    );
    let behind = |map: &mut serde_json::Map<String, Value>, kept: usize| {
        let history = map.get_mut("history").and_then(Value::as_array_mut);
        history.map_or(Vec::new(), |epochs| {
            epochs.split_off(kept.min(epochs.len()))
        })
    };
    let (old_behind, new_behind) = (
        behind(&mut old, saved.manifest.best_epoch),
        behind(&mut new, saved.manifest.best_epoch),
    );
    let names = old
        .keys()
        .chain(new.keys().filter(|name| !old.contains_key(*name)));
    for name in names {
        let mut part = Part::new(name, Kind::Record);
        let value =
            |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or_default();
        walk("", &value(&old), &value(&new), &mut part);
        parts.push(part);
    }
    let mut part = Part::new("history behind best_epoch", Kind::Behind);
    walk("", &old_behind.into(), &new_behind.into(), &mut part);
    parts.push(part);
    parts.push(forecasts(forecast, &again.forecast));
    Ok(parts)
}

fn learned(manifest: &Manifest) -> Result<serde_json::Map<String, Value>> {
    let value = serde_json::to_value(manifest).map_err(|cause| {
        Error::internal("the artifact cannot be written as JSON").because(cause)
    })?;
    let mut map = match value {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    map.retain(|name, _| !GIVEN.contains(&name.as_str()));
    if let Some(Value::Object(data)) = map.get_mut("data") {
        data.retain(|name, _| !GIVEN_DATA.contains(&name.as_str()));
    }
    Ok(map)
}

fn tensors(saved: &[Tensor], again: &[Tensor]) -> Vec<Part> {
    let find = |tensors: &'_ [Tensor], name: &str| tensors.iter().position(|t| t.name == name);
    let mut parts: Vec<Part> = (saved.iter())
        .map(|old| {
            let mut part = Part::new(&old.name, Kind::Tensor);
            match find(again, &old.name).map(|place| &again[place]) {
                None => part.other(|| "only the saved model has it".into()),
                Some(new) => tensor(old, new, &mut part),
            }
            part
        })
        .collect();
    for new in again.iter().filter(|new| find(saved, &new.name).is_none()) {
        let mut part = Part::new(&new.name, Kind::Tensor);
        part.other(|| "the saved model has none".into());
        parts.push(part);
    }
    parts
}

fn tensor(old: &Tensor, new: &Tensor, part: &mut Part) {
    if old.shape != new.shape {
        let (old, new) = (&old.shape, &new.shape);
        return part.other(|| format!("shape {old:?} saved, {new:?} again"));
    }
    let wide = |values: &Values| -> Vec<f64> {
        match values {
            Values::F32(values) => values.iter().map(|value| f64::from(*value)).collect(),
            Values::F64(values) => values.clone(),
        }
    };
    let same_precision = matches!(
        (&old.values, &new.values),
        (Values::F32(_), Values::F32(_)) | (Values::F64(_), Values::F64(_))
    );
    if !same_precision {
        return part.other(|| "another precision".into());
    }
    let (old_values, new_values) = (wide(&old.values), wide(&new.values));
    let scale = (old_values.iter().chain(&new_values)).fold(0.0f64, |most, x| most.max(x.abs()));
    for (place, (saved, again)) in old_values.iter().zip(&new_values).enumerate() {
        part.number(|| index(place, &old.shape), *saved, *again, scale);
    }
}

/// `[2, 3]`
fn index(mut place: usize, shape: &[usize]) -> String {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&length| {
            let at = place % length.max(1);
            place /= length.max(1);
            at
        })
        .collect();
    index.reverse();
    format!("{index:?}")
}

/// Everything in two documents, by their paths.
fn walk(path: &str, saved: &Value, again: &Value, part: &mut Part) {
    let here = || match path {
        "" => String::new(),
        path => format!(" at {path}"),
    };
    match (saved, again) {
        (Value::Object(old), Value::Object(new)) => {
            for name in new.keys().filter(|name| !old.contains_key(*name)) {
                part.other(|| format!("`{name}`{} is not in the saved model", here()));
            }
            for (name, old) in old {
                match new.get(name) {
                    Some(new) => walk(&format!("{path}/{name}"), old, new, part),
                    None => part.other(|| format!("`{name}`{} is only in the saved model", here())),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (place, (old, new)) in old.iter().zip(new).enumerate() {
                walk(&format!("{path}/{place}"), old, new, part);
            }
        }
        (Value::Array(old), Value::Array(new)) => {
            part.other(|| format!("{} entries{} saved, {} again", old.len(), here(), new.len()));
        }
        (Value::Number(old), Value::Number(new)) => {
            let wide = |number: &serde_json::Number| number.as_f64().unwrap_or(f64::NAN);
            let (old, new) = (wide(old), wide(new));
            part.number(
                || path.to_owned(),
                old,
                new,
                old.abs().max(new.abs()).max(1.0),
            );
        }
        (old, new) if old == new => {}
        (old, new) => part.other(|| format!("{old}{} saved, {new} again", here())),
    }
}

fn forecasts(saved: Result<&Forecast, &Error>, again: &Forecast) -> Part {
    let mut part = Part::new("forecast", Kind::Forecast);
    let saved = match saved {
        Ok(saved) => saved,
        Err(error) => {
            part.other(|| format!("the saved model makes none: {error}"));
            return part;
        }
    };
    let frame = |forecast: &Forecast| {
        let times: Vec<_> = forecast.rows.iter().map(|row| row.time).collect();
        (forecast.origin, times, forecast.levels.clone())
    };
    if frame(saved) != frame(again) {
        part.other(|| "other steps or levels".into());
        return part;
    }
    for (old, new) in saved.rows.iter().zip(&again.rows) {
        let pairs = std::iter::once((&old.point, &new.point))
            .chain(old.quantiles.iter().zip(&new.quantiles));
        for (place, (old_price, new_price)) in pairs.enumerate() {
            let at = || match place {
                0 => format!("step {}, point", old.step),
                _ => format!("step {}, level {}", old.step, again.levels[place - 1]),
            };
            part.number(
                at,
                *old_price,
                *new_price,
                old_price.abs().max(new_price.abs()),
            );
        }
    }
    part
}
