//! PyTorch: state dicts by `torch.save` (a zip with a pickle) and by `safetensors`.
//!
//! In come bytes; out go the layers in the engine's names. Names are PyTorch's: `….weight_ih_l0`, `…_l0_reverse` and so on of one stacked
//! `nn.LSTM` or of several, and `….weight`, `….bias` of one `nn.Linear`. Nothing in a pickle is run (`pickle.rs`).
//!
//! PyTorch's weights are (4U, inputs) with gates input, forget, cell, output: the transpose of Keras's, in the same order. Its two biases are added.

use std::collections::{BTreeMap, HashMap, HashSet};

use senti::{Error, Result};

use super::archive::Archive;
use super::network::{Array, Dense, Direction, Parsed, is_lstm, one_way, tensors};
use super::pickle::{Node, Pickle};

/// What files before PyTorch 1.6 begin with: a pickle of their magic number.
pub(super) const OLD: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// Most bytes of a pickle; the numbers lie outside it.
const PICKLE: usize = 64 << 20;
/// Most layers that are looked at.
const LAYERS: usize = 64;

const HINT: &str = "save the weights alone: `torch.save(model.state_dict(), FILE)`";

/// Is this an archive by `torch.save`?
pub(super) fn is_archive(names: &[String]) -> bool {
    names.iter().any(|name| is_pickle(name))
}

/// `data.pkl` in the one folder of the archive, whatever that is called.
fn is_pickle(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(_, name)| name == "data.pkl")
}

/// A state dict by `torch.save`, or a checkpoint with one in it.
pub(super) fn archive(mut archive: Archive<'_>) -> Result<Parsed> {
    let names = archive.names();
    let pickle = names.iter().find(|name| is_pickle(name));
    let pickle = pickle.cloned().unwrap_or_default();
    let folder = pickle.trim_end_matches("data.pkl").to_owned();
    if names
        .iter()
        .any(|name| *name == format!("{folder}constants.pkl"))
    {
        return Err(
            Error::unsupported("the file is a TorchScript program, wanted a state dict").hint(HINT),
        );
    }
    let order = format!("{folder}byteorder");
    if names.contains(&order) && archive.read(&order)?.trim_ascii() != b"little" {
        return Err(Error::unsupported(
            "the file was written by a big-endian machine, wanted little-endian",
        ));
    }
    let bytes = archive.read(&pickle)?;
    if bytes.len() > PICKLE {
        return Err(Error::data(format!(
            "the file's pickle has {} MiB, wanted at most {}",
            bytes.len() >> 20,
            PICKLE >> 20
        )));
    }
    let pickle = Pickle::read(&bytes).map_err(|why| {
        Error::data(format!("the file's pickle cannot be read: {why}")).hint(HINT)
    })?;
    let dict = state_dict(&pickle)?;
    let mut storages = Storages {
        archive,
        folder,
        kept: HashMap::new(),
    };
    // Twice in the pickle is the same array; a copy of each is bounded by its storage, all copies by this.
    let mut left = storages.archive_bound();
    let mut arrays = Vec::new();
    for (key, value) in dict {
        let Some(name) = pickle.text(*key) else {
            continue;
        };
        if let Some(tensor) = TensorRecord::of(&pickle, *value) {
            let array = storages.array(name, &tensor)?;
            let size = array.values.len() * size_of::<f32>();
            left = left.checked_sub(size).ok_or_else(|| {
                Error::data("the file names more numbers than it holds, many times over")
            })?;
            arrays.push((name.to_owned(), array));
        }
    }
    named("PyTorch (torch.save)", arrays)
}

/// The dict whose values are tensors: the root, or one of its values.
fn state_dict(pickle: &Pickle) -> Result<&[(usize, usize)]> {
    let Node::Dict(root) = &pickle.nodes[pickle.root] else {
        let what = match pickle.call(pickle.root) {
            Some((name, _)) => format!("a Python object (`{name}`)"),
            None => "no dict".into(),
        };
        return Err(
            Error::unsupported(format!("the file holds {what}, wanted a state dict")).hint(HINT),
        );
    };
    let has_tensors = |dict: &[(usize, usize)]| {
        let mut entries = dict.iter();
        entries.any(|(key, value)| {
            pickle.text(*key).is_some() && TensorRecord::of(pickle, *value).is_some()
        })
    };
    if has_tensors(root) {
        return Ok(root);
    }
    let within: Vec<(&str, &Vec<(usize, usize)>)> = root
        .iter()
        .filter_map(|(key, value)| match &pickle.nodes[*value] {
            Node::Dict(dict) if has_tensors(dict) => Some((pickle.text(*key)?, dict)),
            _ => None,
        })
        .collect();
    match within[..] {
        [(_, dict)] => Ok(dict),
        [] => Err(Error::data("the file holds no tensors that could be weights").hint(HINT)),
        _ => {
            let names: Vec<String> = within.iter().map(|(name, _)| format!("`{name}`")).collect();
            Err(Error::input(format!(
                "the file holds several state dicts, {}: which is meant is not known",
                names.join(", ")
            ))
            .hint("save one of them alone: `torch.save(torch.load(FILE)[NAME], OTHER)`"))
        }
    }
}

/// A call of `_rebuild_tensor_v2`, read.
struct TensorRecord {
    /// `FloatStorage` and the like.
    class: String,
    /// Name of the part of the archive.
    key: String,
    offset: usize,
    shape: Vec<usize>,
    strides: Vec<usize>,
}

impl TensorRecord {
    fn of(pickle: &Pickle, place: usize) -> Option<Self> {
        let (name, arguments) = pickle.call(place)?;
        let arguments = pickle.list(arguments)?;
        let arguments = match name {
            "torch._utils._rebuild_tensor_v2" => arguments,
            "torch._utils._rebuild_parameter" => {
                let (name, inner) = pickle.call(*arguments.first()?)?;
                if name != "torch._utils._rebuild_tensor_v2" {
                    return None;
                }
                pickle.list(inner)?
            }
            _ => return None,
        };
        let [storage, offset, shape, strides, ..] = arguments else {
            return None;
        };
        let Node::Outside(identity) = pickle.nodes[*storage] else {
            return None;
        };
        let [kind, class, key, ..] = pickle.list(identity)? else {
            return None;
        };
        if pickle.text(*kind)? != "storage" {
            return None;
        }
        let Node::Name(class) = &pickle.nodes[*class] else {
            return None;
        };
        let counts = |place: usize| -> Option<Vec<usize>> {
            let items = pickle.list(place)?;
            items.iter().map(|item| pickle.count(*item)).collect()
        };
        Some(Self {
            class: class.rsplit('.').next().unwrap_or_default().to_owned(),
            key: pickle.text(*key)?.to_owned(),
            offset: pickle.count(*offset)?,
            shape: counts(*shape)?,
            strides: counts(*strides)?,
        })
    }
}

/// The parts of the archive that hold numbers, each read once: tensors may share one.
struct Storages<'a> {
    archive: Archive<'a>,
    folder: String,
    kept: HashMap<String, Vec<u8>>,
}

impl Storages<'_> {
    fn archive_bound(&self) -> usize {
        self.archive.left()
    }

    fn array(&mut self, name: &str, tensor: &TensorRecord) -> Result<Array> {
        let width = match tensor.class.as_str() {
            "FloatStorage" => size_of::<f32>(),
            "DoubleStorage" => size_of::<f64>(),
            other => {
                return Err(Error::unsupported(format!(
                    "tensor `{name}` is a `{other}`, wanted single or double precision"
                ))
                .hint("save it in single precision: `model.float().state_dict()`"));
            }
        };
        if !self.kept.contains_key(&tensor.key) {
            let bytes = self
                .archive
                .read(&format!("{}data/{}", self.folder, tensor.key))?;
            self.kept.insert(tensor.key.clone(), bytes);
        }
        let bytes = &self.kept[&tensor.key];
        let beyond = || {
            Error::data(format!(
                "tensor `{name}` reaches beyond the numbers that the file holds"
            ))
        };
        let held = bytes.len() / width;
        let mut count = 1_usize;
        let mut last = tensor.offset;
        if tensor.shape.len() != tensor.strides.len() || tensor.shape.len() > 8 {
            return Err(beyond());
        }
        for (&length, &stride) in tensor.shape.iter().zip(&tensor.strides) {
            count = count.checked_mul(length).ok_or_else(beyond)?;
            let reach = length.saturating_sub(1).checked_mul(stride);
            last = reach
                .and_then(|reach| last.checked_add(reach))
                .ok_or_else(beyond)?;
        }
        // numbers that stand for many by a stride of 0 are no weights
        if count > held || (count > 0 && last >= held) {
            return Err(beyond());
        }
        let mut values = Vec::with_capacity(count);
        let mut index = vec![0; tensor.shape.len()];
        for _ in 0..count {
            let steps = index
                .iter()
                .zip(&tensor.strides)
                .map(|(at, stride)| at * stride);
            let at = (tensor.offset + steps.sum::<usize>()) * width;
            let number = &bytes[at..at + width];
            values.push(match number.try_into() {
                Ok(single) => f32::from_le_bytes(single),
                Err(_) => f64::from_le_bytes(number.try_into().map_err(|_| beyond())?) as f32,
            });
            for axis in (0..index.len()).rev() {
                index[axis] += 1;
                if index[axis] < tensor.shape[axis] {
                    break;
                }
                index[axis] = 0;
            }
        }
        Ok(Array {
            shape: tensor.shape.clone(),
            values,
        })
    }
}

/// The four arrays of one direction of a layer.
#[derive(Default)]
struct Parts {
    input: Option<Array>,
    recurrent: Option<Array>,
    input_bias: Option<Array>,
    recurrent_bias: Option<Array>,
}

/// One `nn.LSTM`.
#[derive(Default)]
struct Module {
    name: String,
    layers: BTreeMap<usize, [Parts; 2]>,
}

/// A layer, ready.
struct Layer {
    inputs: usize,
    outputs: usize,
    directions: [Direction; 2],
}

/// The network of arrays by PyTorch's names.
pub(super) fn named(format: &str, arrays: Vec<(String, Array)>) -> Result<Parsed> {
    let mut modules: Vec<Module> = Vec::new();
    let mut rest: Vec<(String, Array)> = Vec::new();
    let mut seen = HashSet::new();
    for (name, array) in arrays {
        if !seen.insert(name.clone()) {
            return Err(Error::data(format!("the file has two tensors `{name}`")));
        }
        let (module, part) = name.rsplit_once('.').unwrap_or(("", &name));
        let Some((part, layer, backward)) = place(part) else {
            rest.push((name, array));
            continue;
        };
        if part == "weight_hr" {
            return Err(Error::unsupported(format!(
                "`{name}` projects the state of an LSTM (`proj_size`), wanted none"
            )));
        }
        let at = modules.iter().position(|known| known.name == module);
        let at = at.unwrap_or_else(|| {
            modules.push(Module {
                name: module.to_owned(),
                ..Module::default()
            });
            modules.len() - 1
        });
        let parts = &mut modules[at].layers.entry(layer).or_default()[usize::from(backward)];
        match part {
            "weight_ih" => parts.input = Some(array),
            "weight_hh" => parts.recurrent = Some(array),
            "bias_ih" => parts.input_bias = Some(array),
            _ => parts.recurrent_bias = Some(array),
        }
    }
    if modules.is_empty() {
        let names: Vec<&str> = rest.iter().take(6).map(|(name, _)| name.as_str()).collect();
        return Err(Error::data(format!(
            "the file has no LSTM: no tensor is named `….weight_ih_l0`; there is {}",
            match names.is_empty() {
                true => "none at all".to_owned(),
                false => names.join(", "),
            }
        )));
    }
    let mut stacks = Vec::new();
    for module in modules {
        stacks.push(module.layers()?);
    }
    let dense = linear(rest)?;
    let mut notes = vec![
        "note: the dense layer is taken to read the last state of both directions (`h_n[-2]` and `h_n[-1]`, beside each other); a model that takes `output[:, -1]` instead is another one".to_owned(),
    ];
    let inputs = dense.kernel.shape[0];
    let order = chained(&stacks, inputs)?;
    if !order.is_sorted() {
        notes.push("note: the LSTM layers are put in the only order that their shapes allow, which is not that of their names".to_owned());
    }
    let mut stacks: Vec<Option<Vec<Layer>>> = stacks.into_iter().map(Some).collect();
    let layers = order
        .into_iter()
        .filter_map(|at| stacks[at].take())
        .flatten();
    Ok(Parsed {
        format: format.into(),
        tensors: tensors(layers.map(|layer| layer.directions).collect(), dense),
        notes,
        ..Parsed::default()
    })
}

/// Part, layer and direction of `weight_ih_l0_reverse`.
fn place(name: &str) -> Option<(&str, usize, bool)> {
    let (name, backward) = match name.strip_suffix("_reverse") {
        Some(name) => (name, true),
        None => (name, false),
    };
    let (part, layer) = name.rsplit_once("_l")?;
    let known = ["weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr"];
    let layer = layer.parse().ok().filter(|layer| *layer < LAYERS)?;
    known.contains(&part).then_some((part, layer, backward))
}

impl Module {
    fn layers(self) -> Result<Vec<Layer>> {
        let Self { name, layers } = self;
        let called = |layer: usize| match name.is_empty() {
            true => format!("weight_hh_l{layer}"),
            false => format!("{name}.weight_hh_l{layer}"),
        };
        let mut made = Vec::new();
        for (expected, (layer, [forward, backward])) in layers.into_iter().enumerate() {
            if layer != expected {
                return Err(Error::data(format!(
                    "the file has no `{}`",
                    called(expected)
                )));
            }
            if backward.recurrent.is_none() && backward.input.is_none() {
                return Err(one_way(&called(layer)));
            }
            let forward = forward.direction(&called(layer))?;
            let backward = backward.direction(&format!("{}_reverse", called(layer)))?;
            made.push(Layer {
                inputs: forward.kernel.shape[0],
                outputs: 2 * forward.recurrent.shape[0],
                directions: [forward, backward],
            });
        }
        Ok(made)
    }
}

impl Parts {
    fn direction(self, name: &str) -> Result<Direction> {
        let (Some(input), Some(recurrent)) = (self.input, self.recurrent) else {
            return Err(Error::data(format!(
                "the file has `{name}` or its `weight_ih` only, wanted both"
            )));
        };
        let ([width, units], [_, _]) = (&recurrent.shape[..], &input.shape[..]) else {
            return Err(Error::data(format!("`{name}` is no matrix")));
        };
        is_lstm(name, *units, *width)?;
        let bias = match (self.input_bias, self.recurrent_bias) {
            (Some(mut input), Some(recurrent)) if input.shape == recurrent.shape => {
                let pairs = input.values.iter_mut().zip(&recurrent.values);
                pairs.for_each(|(sum, more)| *sum += more);
                Some(input)
            }
            (None, None) => None,
            _ => {
                return Err(Error::data(format!(
                    "the two biases beside `{name}` do not fit each other"
                )));
            }
        };
        Ok(Direction {
            kernel: input.transposed(),
            recurrent: recurrent.transposed(),
            bias,
        })
    }
}

/// What is left beside the LSTM must be one linear layer.
fn linear(rest: Vec<(String, Array)>) -> Result<Dense> {
    let is_matrix = |(name, array): &(String, Array)| {
        name.rsplit('.').next() == Some("weight") && array.shape.len() == 2
    };
    let matrices: Vec<&(String, Array)> = rest.iter().filter(|entry| is_matrix(entry)).collect();
    let [(name, weight)] = matrices[..] else {
        let names: Vec<String> = matrices
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        return Err(Error::unsupported(match names.is_empty() {
            true => "the file has no linear layer behind its LSTM, wanted one".to_owned(),
            false => format!(
                "the file has {} linear layers, {}, wanted one",
                names.len(),
                names.join(", ")
            ),
        })
        .hint(
            "only bidirectional LSTM layers with one linear layer behind them can be taken over",
        ));
    };
    let bias_name = format!("{}bias", name.trim_end_matches("weight"));
    let bias = rest.iter().find(|(name, _)| *name == bias_name);
    let strange = rest
        .iter()
        .find(|(other, _)| other != name && *other != bias_name);
    if let Some((strange, _)) = strange {
        return Err(Error::unsupported(format!(
            "the file has `{strange}`, for which the network has no place"
        ))
        .hint(
            "only bidirectional LSTM layers with one linear layer behind them can be taken over",
        ));
    }
    Ok(Dense {
        kernel: weight.transposed(),
        bias: bias.map(|(_, bias)| bias.clone()),
    })
}

/// The order in which every stack of layers reads what the one before gives and the last gives what the dense layer reads: that of the file where
/// it fits, else the only one that does.
fn chained(stacks: &[Vec<Layer>], dense_inputs: usize) -> Result<Vec<usize>> {
    let ends: Vec<(usize, usize)> = stacks
        .iter()
        .filter_map(|layers| Some((layers.first()?.inputs, layers.last()?.outputs)))
        .collect();
    let fits = |order: &[usize]| {
        let pairs = order.windows(2);
        pairs
            .into_iter()
            .all(|pair| ends[pair[0]].1 == ends[pair[1]].0)
            && order
                .last()
                .is_some_and(|&last| ends[last].1 == dense_inputs)
    };
    let written: Vec<usize> = (0..ends.len()).collect();
    if fits(&written) {
        return Ok(written);
    }
    // At most 8 layers can be taken over, so all orders of that many are few enough to be tried.
    let mut found = Vec::new();
    if ends.len() <= 8 {
        let mut order = Vec::new();
        orders(
            ends.len(),
            &mut order,
            &|order| {
                let pair = order.last_chunk::<2>();
                pair.is_none_or(|[before, after]| ends[*before].1 == ends[*after].0)
            },
            &mut |order| {
                if fits(order) {
                    found.push(order.to_vec());
                }
                found.len() < 2
            },
        );
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => Err(Error::data(
            "the LSTM layers and the linear layer do not fit each other: no order of them makes a network",
        )),
        _ => Err(Error::data(
            "the LSTM layers could follow each other in more than one order, and the names do not tell which",
        )
        .hint("name them in their order, as `lstm1`, `lstm2`")),
    }
}

/// Every order of `0..n` whose beginnings are all `possible`, until `see` has seen enough.
fn orders(
    n: usize,
    order: &mut Vec<usize>,
    possible: &dyn Fn(&[usize]) -> bool,
    see: &mut dyn FnMut(&[usize]) -> bool,
) -> bool {
    if order.len() == n {
        return see(order);
    }
    for next in 0..n {
        if order.contains(&next) {
            continue;
        }
        order.push(next);
        let go_on = !possible(order) || orders(n, order, possible, see);
        order.pop();
        if !go_on {
            return false;
        }
    }
    true
}

/// Tensors of a safetensors file whose names are PyTorch's.
pub(super) fn safetensors(mut tensors: Vec<(String, Array)>) -> Result<Parsed> {
    // such a file knows no order; people count
    tensors.sort_by_key(|(name, _)| counted(name));
    named("PyTorch (safetensors)", tensors)
}

/// A name as people sort it: runs of digits as numbers.
fn counted(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let digits = rest[text..].find(|c: char| !c.is_ascii_digit());
        let end = digits.map_or(rest.len(), |digits| text + digits);
        parts.push((
            rest[..text].to_owned(),
            rest[text..end].parse().unwrap_or(0),
        ));
        rest = &rest[end..];
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(shape: &[usize]) -> Array {
        let count: usize = shape.iter().product();
        Array {
            shape: shape.to_vec(),
            values: (0..count).map(|at| at as f32).collect(),
        }
    }

    /// One layer of an `nn.LSTM`.
    fn layer(module: &str, number: usize, inputs: usize, units: usize) -> Vec<(String, Array)> {
        let ends = [format!("l{number}"), format!("l{number}_reverse")];
        let parts = |end: &String| {
            let name = |part: &str| format!("{module}{part}_{end}");
            [
                (name("weight_ih"), array(&[4 * units, inputs])),
                (name("weight_hh"), array(&[4 * units, units])),
                (name("bias_ih"), array(&[4 * units])),
                (name("bias_hh"), array(&[4 * units])),
            ]
        };
        ends.iter().flat_map(parts).collect()
    }

    fn linear(inputs: usize, outputs: usize) -> Vec<(String, Array)> {
        vec![
            ("head.weight".into(), array(&[outputs, inputs])),
            ("head.bias".into(), array(&[outputs])),
        ]
    }

    fn units(parsed: &Parsed) -> Vec<usize> {
        let kernels = parsed.tensors.iter();
        let kernels = kernels.filter(|t| t.name.ends_with("forward/recurrent_kernel"));
        kernels.map(|tensor| tensor.shape[0]).collect()
    }

    #[track_caller]
    fn check(arrays: &[Vec<(String, Array)>], wanted: Result<&[usize], &str>) {
        match (named("test", arrays.concat()), wanted) {
            (Ok(parsed), Ok(wanted)) => assert_eq!(units(&parsed), wanted),
            (Err(error), Err(wanted)) => assert!(error.to_string().contains(wanted), "{error}"),
            (Ok(parsed), Err(wanted)) => panic!("{:?} instead of {wanted}", units(&parsed)),
            (Err(error), Ok(wanted)) => panic!("{error} instead of {wanted:?}"),
        }
    }

    #[test]
    fn layers_follow_each_other_as_their_shapes_allow() {
        let (first, second) = (layer("a.", 0, 6, 4), layer("b.", 0, 8, 3));
        check(&[first.clone(), second.clone(), linear(6, 5)], Ok(&[4, 3]));
        // names that lie the other way round
        check(&[second.clone(), first.clone(), linear(6, 5)], Ok(&[4, 3]));
        let parsed = named("test", [second, first.clone(), linear(6, 5)].concat()).unwrap();
        assert!(
            parsed.notes[1].contains("the only order"),
            "{:?}",
            parsed.notes
        );
        // stacked, without a name
        check(
            &[layer("", 0, 6, 3), layer("", 1, 6, 3), linear(6, 2)],
            Ok(&[3, 3]),
        );
        // what fits nowhere
        let none = Err("no order of them makes a network");
        check(&[first.clone(), layer("b.", 0, 7, 3), linear(6, 5)], none);
        check(&[first.clone(), linear(7, 5)], none);
        // a network of equal widths whose first layer comes last: two orders, and no way to tell
        let (equal, other) = (layer("c.", 0, 8, 4), layer("d.", 0, 8, 4));
        check(
            &[equal, other, first, linear(8, 5)],
            Err("in more than one order"),
        );
    }

    #[test]
    fn what_is_missing_or_too_much_is_named() {
        let whole = || [layer("lstm.", 0, 6, 4), linear(8, 5)].concat();
        let without = |name: &str| {
            let mut arrays = whole();
            arrays.retain(|(other, _)| other != name);
            arrays
        };
        check(&[without("lstm.weight_ih_l0")], Err("wanted both"));
        check(
            &[without("lstm.bias_hh_l0_reverse")],
            Err("the two biases beside"),
        );
        check(&[without("head.bias")], Ok(&[4]));
        check(&[without("head.weight")], Err("no linear layer"));
        check(
            &[layer("lstm.", 1, 6, 4), linear(8, 5)],
            Err("has no `lstm.weight_hh_l0`"),
        );
        check(
            &[whole(), vec![("norm.weight".into(), array(&[8]))]],
            Err("`norm.weight`"),
        );
        check(
            &[whole(), vec![("more.weight".into(), array(&[5, 5]))]],
            Err("2 linear layers"),
        );
        check(
            &[whole(), vec![("head.bias".into(), array(&[5]))]],
            Err("two tensors `head.bias`"),
        );
        let no_matrix = vec![("lstm.weight_hh_l0".into(), array(&[16]))];
        let mut arrays = without("lstm.weight_hh_l0");
        arrays.extend(no_matrix);
        check(&[arrays], Err("is no matrix"));
        check(&[Vec::new()], Err("there is none at all"));
    }

    /// PyTorch's rows are Keras's columns, and its two biases are one there.
    #[test]
    fn weights_are_transposed_and_biases_added() {
        let parsed = named("test", [layer("", 0, 2, 1), linear(2, 1)].concat()).unwrap();
        let values = |name: &str| {
            let tensor = parsed.tensors.iter().find(|tensor| tensor.name == name);
            match &tensor.expect("a tensor").values {
                senti::artifact::Values::F32(values) => values.clone(),
                senti::artifact::Values::F64(_) => panic!("single precision"),
            }
        };
        // (4, 2) of 0 to 7 by rows
        let transposed = [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0];
        assert_eq!(values("bidirectional/forward/kernel"), transposed);
        assert_eq!(values("bidirectional/backward/bias"), [0.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn names_are_sorted_as_people_count() {
        let mut names = ["lstm10.w", "lstm2.w", "dense.w", "lstm2.b"];
        names.sort_by_key(|name| counted(name));
        assert_eq!(names, ["dense.w", "lstm2.b", "lstm2.w", "lstm10.w"]);
    }
}
