//! Keras: whole models and weights, of Keras 2 and 3, as `.h5`, `.weights.h5` and `.keras`.
//!
//! In come an archive or an HDF5 file; out go the layers in the engine's names. Where the file describes the model, everything that would change
//! an output is looked at (activations, directions, what is merged how, what follows what) and refused by name when it is not the original's;
//! where it holds weights alone, Keras's defaults are assumed and that is noted. Only layers that change nothing while forecasting may stand
//! between.
//!
//! Two layouts: since Keras 3 `layers/bidirectional_1/forward_layer/cell/vars/0`, numbered by class; before, and in every whole-model `.h5`, a group
//! a layer with the attributes `layer_names` and `weight_names`, whose order is what counts.

use std::collections::HashMap;

use senti::{Error, Result};
use serde_json::Value;

use super::archive::Archive;
use super::hdf5::Hdf5;
use super::network::{Array, Dense, Direction, Parsed, is_lstm, one_way, tensors};

/// Parts of a `.keras` archive.
const CONFIG: &str = "config.json";
const METADATA: &str = "metadata.json";
const WEIGHTS: &str = "model.weights.h5";

/// Layers that change nothing while forecasting.
const IDLE: &[&str] = &[
    "InputLayer",
    "Dropout",
    "SpatialDropout1D",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
];

/// Most layers of a description that are looked at.
const LAYERS: usize = 100;

const SHAPE: &str = "only the original's shape can be taken over: `Bidirectional(LSTM(…))` layers, `Dropout` between them, one `Dense` at the end";

/// A layer with weights, as a description names it.
struct Described {
    name: String,
    kind: Kind,
    /// Group of its weights in the layout of Keras 3.
    group: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Recurrent,
    Dense,
}

/// What a description says.
struct Description {
    layers: Vec<Described>,
    steps: Option<usize>,
}

/// Is this an archive of Keras?
pub(super) fn is_archive(names: &[String]) -> bool {
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    has(CONFIG) && has(WEIGHTS)
}

/// A `.keras` file.
pub(super) fn archive(mut archive: Archive<'_>) -> Result<Parsed> {
    let config = json(CONFIG, &archive.read(CONFIG)?)?;
    let has_metadata = archive.names().iter().any(|name| name == METADATA);
    let version = match has_metadata {
        true => json(METADATA, &archive.read(METADATA)?)?["keras_version"]
            .as_str()
            .map(str::to_owned),
        false => None,
    };
    let file = Hdf5::open(archive.read(WEIGHTS)?)?;
    let description = describe(&config)?;
    let mut layers = Vec::new();
    let mut dense = None;
    for layer in &description.layers {
        let group = format!("layers/{}", layer.group);
        match layer.kind {
            Kind::Recurrent => layers.push(recurrent_by_place(&file, &group, &layer.name)?),
            Kind::Dense => dense = Some(dense_by_place(&file, &group, &layer.name)?),
        }
    }
    Ok(Parsed {
        format: named_version(version, ".keras"),
        tensors: tensors(layers, dense.ok_or_else(no_dense)?),
        steps: description.steps,
        ..Parsed::default()
    })
}

/// An HDF5 file of any of the layouts.
pub(super) fn hdf5(file: &Hdf5) -> Result<Parsed> {
    if file.has("layers") {
        return weights_by_place(file);
    }
    let base = match file.has("model_weights") {
        true => "model_weights",
        false => "/",
    };
    let Some(names) = file.texts(base, "layer_names")? else {
        return Err(Error::data(
            "the HDF5 file is not Keras's: it has neither a group `layers` nor an attribute `layer_names`",
        ));
    };
    let version = match file.text("/", "keras_version")? {
        Some(version) => Some(version),
        None => file.text(base, "keras_version")?,
    };
    let description = match file.text("/", "model_config")? {
        Some(text) => Some(describe(&json("model_config", text.as_bytes())?)?),
        None => None,
    };
    let mut with_weights = Vec::new();
    for name in names {
        let group = format!("{}/{name}", base.trim_end_matches('/'));
        let weights = file.texts(&group, "weight_names")?.unwrap_or_default();
        if !weights.is_empty() {
            with_weights.push((name, group, weights));
        }
        if with_weights.len() > LAYERS {
            return Err(too_many());
        }
    }
    let kinds: Vec<Kind> = match &description {
        Some(description) => {
            let described: Vec<&str> = description.layers.iter().map(|l| l.name.as_str()).collect();
            let found: Vec<&str> = with_weights
                .iter()
                .map(|(name, ..)| name.as_str())
                .collect();
            if described != found {
                return Err(Error::data(format!(
                    "the file describes the layers {} and holds weights of {}",
                    described.join(", "),
                    found.join(", ")
                )));
            }
            description.layers.iter().map(|layer| layer.kind).collect()
        }
        None => {
            let kinds = with_weights
                .iter()
                .map(|(name, _, weights)| kind_of(name, weights));
            let kinds = kinds.collect::<Result<Vec<_>>>()?;
            let names: Vec<&str> = with_weights
                .iter()
                .map(|(name, ..)| name.as_str())
                .collect();
            in_order(&names, &kinds)?;
            kinds
        }
    };
    let mut layers = Vec::new();
    let mut dense = None;
    for ((name, group, weights), kind) in with_weights.iter().zip(kinds) {
        let mut arrays = Vec::new();
        for weight in weights.iter().take(8) {
            arrays.push(file.array(&format!("{group}/{weight}"))?);
        }
        match kind {
            Kind::Recurrent => layers.push(directions(name, arrays)?),
            Kind::Dense => dense = Some(dense_of(name, arrays)?),
        }
    }
    let notes = match &description {
        Some(_) => Vec::new(),
        None => vec![assumed()],
    };
    Ok(Parsed {
        format: named_version(version, ".h5"),
        tensors: tensors(layers, dense.ok_or_else(no_dense)?),
        steps: description.and_then(|description| description.steps),
        notes,
        ..Parsed::default()
    })
}

/// Weights alone, in the layout of Keras 3: what they are is told by what the groups hold.
fn weights_by_place(file: &Hdf5) -> Result<Parsed> {
    let mut found = Vec::new();
    for name in file.groups("layers")? {
        let group = format!("layers/{name}");
        let has = |within: &str| file.has(&format!("{group}/{within}"));
        if has("forward_layer") {
            found.push((name, group, Kind::Recurrent));
        } else if has("cell") {
            return Err(one_way(&name));
        } else if has("vars") && !file.arrays(&format!("{group}/vars"))?.is_empty() {
            if name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') != "dense" {
                return Err(strange(&name, "of another kind"));
            }
            found.push((name, group, Kind::Dense));
        }
        if found.len() > LAYERS {
            return Err(too_many());
        }
    }
    // groups lie sorted by name, and their numbers by class: bidirectional before dense
    let names: Vec<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    let kinds: Vec<Kind> = found.iter().map(|(.., kind)| *kind).collect();
    in_order(&names, &kinds)?;
    let mut layers = Vec::new();
    let mut dense = None;
    for (name, group, kind) in &found {
        match kind {
            Kind::Recurrent => layers.push(recurrent_by_place(file, group, name)?),
            Kind::Dense => dense = Some(dense_by_place(file, group, name)?),
        }
    }
    Ok(Parsed {
        format: "Keras 3 (.weights.h5)".into(),
        tensors: tensors(layers, dense.ok_or_else(no_dense)?),
        notes: vec![assumed()],
        ..Parsed::default()
    })
}

fn recurrent_by_place(file: &Hdf5, group: &str, name: &str) -> Result<[Direction; 2]> {
    let direction = |which: &str| -> Result<Direction> {
        direction(name, by_place(file, &format!("{group}/{which}/cell/vars"))?)
    };
    Ok([direction("forward_layer")?, direction("backward_layer")?])
}

fn dense_by_place(file: &Hdf5, group: &str, name: &str) -> Result<Dense> {
    dense_of(name, by_place(file, &format!("{group}/vars"))?)
}

/// The arrays of a group that are called 0, 1, 2.
fn by_place(file: &Hdf5, group: &str) -> Result<Vec<Array>> {
    let names = file.arrays(group)?;
    let arrays = names.iter().take(8);
    arrays
        .map(|name| file.array(&format!("{group}/{name}")))
        .collect()
}

/// Six arrays, or four where there are no biases: the forward ones first.
fn directions(name: &str, mut arrays: Vec<Array>) -> Result<[Direction; 2]> {
    if arrays.len() != 4 && arrays.len() != 6 {
        return Err(strange(name, &format!("with {} arrays", arrays.len())));
    }
    let backward = arrays.split_off(arrays.len() / 2);
    Ok([direction(name, arrays)?, direction(name, backward)?])
}

fn direction(name: &str, arrays: Vec<Array>) -> Result<Direction> {
    let n = arrays.len();
    let mut arrays = arrays.into_iter();
    let (Some(kernel), Some(recurrent), true) = (arrays.next(), arrays.next(), n <= 3) else {
        return Err(strange(name, &format!("with {n} arrays a direction")));
    };
    let [units, width] = recurrent.shape[..] else {
        return Err(strange(name, "whose recurrent kernel is no matrix"));
    };
    is_lstm(name, units, width)?;
    Ok(Direction {
        kernel,
        recurrent,
        bias: arrays.next(),
    })
}

fn dense_of(name: &str, arrays: Vec<Array>) -> Result<Dense> {
    let n = arrays.len();
    let mut arrays = arrays.into_iter();
    match (arrays.next(), n) {
        (Some(kernel), 1 | 2) if kernel.shape.len() == 2 => Ok(Dense {
            kernel,
            bias: arrays.next(),
        }),
        _ => Err(strange(name, &format!("with {n} arrays"))),
    }
}

/// What a layer of a file without a description is.
fn kind_of(name: &str, weights: &[String]) -> Result<Kind> {
    let backward = weights.iter().any(|weight| weight.contains("backward"));
    let recurrent = weights
        .iter()
        .any(|weight| weight.contains("recurrent_kernel"));
    match (backward, recurrent, weights.len()) {
        (true, true, _) => Ok(Kind::Recurrent),
        (false, true, _) => Err(one_way(name)),
        (false, false, 1 | 2) if weights[0].contains("kernel") => Ok(Kind::Dense),
        _ => Err(strange(name, "of another kind")),
    }
}

/// Recurrent layers first, then one dense layer.
fn in_order(names: &[&str], kinds: &[Kind]) -> Result<()> {
    let recurrent = kinds
        .iter()
        .take_while(|kind| **kind == Kind::Recurrent)
        .count();
    match (recurrent, kinds.len() - recurrent) {
        (1.., 1) => Ok(()),
        (1.., 0) => Err(no_dense()),
        (0, _) => Err(Error::unsupported(format!(
            "the model has no bidirectional LSTM before its other layers: {}",
            names.join(", ")
        ))
        .hint(SHAPE)),
        _ => Err(Error::unsupported(format!(
            "behind its first dense layer the model has more layers: {}",
            names[recurrent + 1..].join(", ")
        ))
        .hint(SHAPE)),
    }
}

/// Reads the description of a model, and refuses what would change its outputs.
fn describe(config: &Value) -> Result<Description> {
    let class = config["class_name"].as_str().unwrap_or_default();
    // old descriptions of a Sequential are the bare list
    let inner = &config["config"];
    let listed = inner["layers"].as_array().or_else(|| inner.as_array());
    let Some(listed) = listed else {
        return Err(Error::unsupported(format!(
            "the file describes a `{class}`, wanted a Sequential or functional model"
        ))
        .hint(SHAPE));
    };
    if listed.len() > LAYERS {
        return Err(too_many());
    }
    let is_sequential = class == "Sequential";
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut layers: Vec<Described> = Vec::new();
    let mut returns = Vec::new();
    let mut before: Option<&str> = None;
    let mut steps = None;
    for layer in listed {
        let class = layer["class_name"].as_str().unwrap_or_default();
        let inner = &layer["config"];
        let name = inner["name"].as_str().or(layer["name"].as_str());
        let name = name.unwrap_or_default();
        // Keras 3 numbers groups by class; a Sequential's input is no layer there
        let stem = snake(class);
        let count = counts.entry(stem.clone()).or_default();
        let group = match *count {
            0 => stem,
            n => format!("{stem}_{n}"),
        };
        if !(is_sequential && class == "InputLayer") {
            *count += 1;
        }
        for key in ["batch_shape", "batch_input_shape"] {
            let length = inner[key][1].as_u64();
            steps = steps.or(length.and_then(|length| usize::try_from(length).ok()));
        }
        if !is_sequential {
            follows(layer, name, before)?;
        }
        before = Some(name);
        let kind = match class {
            "Bidirectional" => {
                returns.push(bidirectional(name, inner)?);
                Kind::Recurrent
            }
            "Dense" => {
                let activation = function(&inner["activation"]);
                if !matches!(activation, "linear" | "") {
                    return Err(not_ours(name, "activation", activation, "linear"));
                }
                Kind::Dense
            }
            "LSTM" | "GRU" | "SimpleRNN" => return Err(one_way(name)),
            class if IDLE.contains(&class) => continue,
            class => return Err(strange(name, &format!("of class `{class}`"))),
        };
        layers.push(Described {
            name: name.to_owned(),
            kind,
            group,
        });
    }
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    let kinds: Vec<Kind> = layers.iter().map(|layer| layer.kind).collect();
    in_order(&names, &kinds)?;
    for (at, sequences) in returns.iter().enumerate() {
        let wanted = at + 1 < returns.len();
        if *sequences != wanted {
            return Err(not_ours(
                names[at],
                "return_sequences",
                &sequences.to_string(),
                &wanted.to_string(),
            ));
        }
    }
    if !is_sequential {
        let mut ends = Vec::new();
        origins(&inner["output_layers"], &mut ends);
        // Keras 3 writes a single output without a list around it
        if let Some(end) = inner["output_layers"][0].as_str() {
            ends.push(end);
        }
        if ends.is_empty() || ends.iter().any(|end| Some(*end) != before) {
            return Err(Error::unsupported(
                "the model's output is not that of its last layer, or it has several",
            )
            .hint(SHAPE));
        }
    }
    Ok(Description { layers, steps })
}

/// In a functional model: does this layer read the one before it, and nothing else?
fn follows(layer: &Value, name: &str, before: Option<&str>) -> Result<()> {
    let mut found = Vec::new();
    origins(&layer["inbound_nodes"], &mut found);
    if found == before.as_slice() {
        return Ok(());
    }
    let told = |names: &[&str]| match names.is_empty() {
        true => "nothing".to_owned(),
        false => names.join(", "),
    };
    Err(Error::unsupported(format!(
        "layer `{name}` reads {}, wanted {}",
        told(&found),
        told(before.as_slice())
    ))
    .hint(SHAPE))
}

/// Names of the layers that a description's nodes refer to: `["dense", 0, 0, …]` in Keras 2, `{"keras_history": ["dense", 0, 0]}` in Keras 3.
fn origins<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Array(items) => match &items[..] {
            [Value::String(name), Value::Number(_), Value::Number(_), ..] => found.push(name),
            _ => items.iter().for_each(|item| origins(item, found)),
        },
        Value::Object(map) => map.values().for_each(|item| origins(item, found)),
        _ => {}
    }
}

/// Looks at a `Bidirectional` layer; does it return whole sequences?
fn bidirectional(name: &str, config: &Value) -> Result<bool> {
    let merge = config["merge_mode"].as_str().unwrap_or("concat");
    if merge != "concat" {
        return Err(not_ours(name, "merge_mode", merge, "concat"));
    }
    let forward = lstm(name, &config["layer"], false)?;
    if config["backward_layer"].is_object() {
        let backward = lstm(name, &config["backward_layer"], true)?;
        if backward != forward {
            return Err(Error::unsupported(format!(
                "the two directions of layer `{name}` are not alike"
            ))
            .hint(SHAPE));
        }
    }
    Ok(forward)
}

fn lstm(name: &str, layer: &Value, backwards: bool) -> Result<bool> {
    let class = layer["class_name"].as_str().unwrap_or_default();
    if class != "LSTM" {
        return Err(Error::unsupported(format!(
            "layer `{name}` is a bidirectional `{class}`, wanted LSTM"
        ))
        .hint(SHAPE));
    }
    let config = &layer["config"];
    for (key, wanted) in [("activation", "tanh"), ("recurrent_activation", "sigmoid")] {
        let found = function(&config[key]);
        if found != wanted {
            return Err(not_ours(name, key, found, wanted));
        }
    }
    let switches = [
        ("go_backwards", backwards),
        ("stateful", false),
        ("return_state", false),
        ("time_major", false),
    ];
    for (key, wanted) in switches {
        let found = config[key].as_bool().unwrap_or(wanted);
        if found != wanted {
            return Err(not_ours(name, key, &found.to_string(), &wanted.to_string()));
        }
    }
    Ok(config["return_sequences"].as_bool().unwrap_or(false))
}

/// Name of an activation, which is a text or a described function.
fn function(value: &Value) -> &str {
    let text = value.as_str().or(value["config"].as_str());
    text.or(value["class_name"].as_str()).unwrap_or_default()
}

fn not_ours(layer: &str, what: &str, found: &str, wanted: &str) -> Error {
    Error::unsupported(format!(
        "layer `{layer}` has {what} `{found}`, wanted `{wanted}`"
    ))
    .hint(SHAPE)
}

fn strange(layer: &str, what: &str) -> Error {
    Error::unsupported(format!(
        "the network has no place for layer `{layer}` {what}"
    ))
    .hint(SHAPE)
}

fn no_dense() -> Error {
    Error::unsupported("the model has no dense layer at its end").hint(SHAPE)
}

fn too_many() -> Error {
    Error::unsupported(format!("the model has more than {LAYERS} layers")).hint(SHAPE)
}

fn assumed() -> String {
    "note: the file holds weights alone: Keras's defaults are taken to be its layers' (activations tanh and sigmoid, a linear dense layer)".into()
}

fn json(name: &str, bytes: &[u8]) -> Result<Value> {
    serde_json::from_slice(bytes)
        .map_err(|cause| Error::data(format!("the file's `{name}` is no JSON")).because(cause))
}

fn named_version(version: Option<String>, ending: &str) -> String {
    // only what a version may look like is repeated
    let plain = |text: &String| {
        text.len() < 20
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c))
    };
    match version.filter(plain) {
        Some(version) => format!("Keras {version} ({ending})"),
        None => format!("Keras ({ending})"),
    }
}

/// `TimeDistributed` to `time_distributed`, as Keras names groups.
fn snake(class: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    for letter in class.chars() {
        if letter.is_ascii_uppercase() && before.is_ascii_lowercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
        before = letter;
    }
    out
}
