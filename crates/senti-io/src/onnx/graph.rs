//! A small builder of ONNX graphs: operators, constants, and names that a person can read.
//!
//! In come operators in the order in which they are computed; out goes a [`proto::Graph`]. Values know the type of their numbers, so
//! that two types never meet by mistake; shapes are the checker's business. Opset 17. Nothing here knows what is computed.

use std::collections::HashMap;

use super::proto::{
    self, Attribute, AttributeKind, Dimension, Kind, Length, Node, Shape, TensorType, Type,
    ValueInfo,
};

/// Something computed, or a constant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    name: String,
    kind: Kind,
}

/// Names of the axis of windows.
pub const BATCH: &str = "batch";

/// A graph being built.
#[derive(Default)]
pub struct Graph {
    graph: proto::Graph,
    /// Where in the computation we are: the start of every name.
    scope: Vec<String>,
    /// How often a name was asked for.
    taken: HashMap<String, usize>,
    /// Single numbers, by kind and bits, so that each is kept once.
    numbers: HashMap<(Kind, u64), Value>,
    /// Short lists of whole numbers (axes, shapes), the same.
    lists: HashMap<Vec<i64>, Value>,
}

fn whole(name: &str, value: i64) -> Attribute {
    Attribute {
        name: name.into(),
        i: Some(value),
        kind: AttributeKind::Int as i32,
        ..Attribute::default()
    }
}

fn wholes(name: &str, values: &[i64]) -> Attribute {
    Attribute {
        name: name.into(),
        ints: values.to_vec(),
        kind: AttributeKind::Ints as i32,
        ..Attribute::default()
    }
}

fn text(name: &str, value: &str) -> Attribute {
    Attribute {
        name: name.into(),
        s: Some(value.into()),
        kind: AttributeKind::Text as i32,
        ..Attribute::default()
    }
}

/// An axis of an input or output.
#[derive(Clone, Copy)]
pub enum Axis {
    /// As many windows as are given.
    Batch,
    /// Always so long.
    Fixed(usize),
}

impl Graph {
    /// Does something with names that start with one more word.
    pub fn within<T>(&mut self, word: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        self.scope.push(word.to_owned());
        let done = work(self);
        self.scope.pop();
        done
    }

    /// Does something with names that start anew.
    pub fn at_root<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let scope = std::mem::take(&mut self.scope);
        let done = work(self);
        self.scope = scope;
        done
    }

    /// A name that nothing else has.
    fn name(&mut self, label: &str) -> String {
        let mut name = self.scope.join("/");
        if !name.is_empty() {
            name.push('/');
        }
        name += label;
        let times = self.taken.entry(name.clone()).or_default();
        *times += 1;
        match *times {
            1 => name,
            // a word with a number of its own may look like this one
            times => {
                let again = format!("{name}.{times}");
                self.taken.insert(again.clone(), 1);
                again
            }
        }
    }

    fn info(name: &str, kind: Kind, axes: &[Axis], doc: &str) -> ValueInfo {
        let dim = axes.iter().map(|axis| Dimension {
            value: Some(match axis {
                Axis::Batch => Length::Any(BATCH.into()),
                Axis::Fixed(length) => Length::Fixed(*length as i64),
            }),
        });
        ValueInfo {
            name: name.into(),
            r#type: Some(Type {
                tensor_type: Some(TensorType {
                    elem_type: kind as i32,
                    shape: Some(Shape { dim: dim.collect() }),
                }),
            }),
            doc_string: doc.into(),
        }
    }

    /// An input of this name.
    pub fn input(&mut self, name: &str, kind: Kind, axes: &[Axis], doc: &str) -> Value {
        self.taken.insert(name.into(), 1);
        self.graph.input.push(Self::info(name, kind, axes, doc));
        Value {
            name: name.into(),
            kind,
        }
    }

    /// Gives a value out under this name.
    pub fn output(&mut self, name: &str, value: &Value, axes: &[Axis], doc: &str) {
        debug_assert!(!self.taken.contains_key(name), "{name} is taken");
        self.taken.insert(name.into(), 1);
        self.graph.node.push(Node {
            input: vec![value.name.clone()],
            output: vec![name.into()],
            name: format!("outputs/{name}"),
            op_type: "Identity".into(),
            attribute: Vec::new(),
        });
        self.graph
            .output
            .push(Self::info(name, value.kind, axes, doc));
    }

    /// The finished graph.
    pub fn finish(mut self, name: &str, doc: &str) -> proto::Graph {
        self.graph.name = name.into();
        self.graph.doc_string = doc.into();
        self.graph
    }

    fn constant(&mut self, label: &str, kind: Kind, shape: &[usize], raw_data: Vec<u8>) -> Value {
        let name = self.name(label);
        self.graph.initializer.push(proto::Tensor {
            dims: shape.iter().map(|&length| length as i64).collect(),
            data_type: kind as i32,
            name: name.clone(),
            raw_data,
        });
        Value { name, kind }
    }

    /// Double precision numbers of this shape.
    pub fn doubles(&mut self, label: &str, shape: &[usize], values: &[f64]) -> Value {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len(), "{label}");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(label, Kind::Double, shape, bytes.collect())
    }

    /// Single precision numbers of this shape.
    pub fn singles(&mut self, label: &str, shape: &[usize], values: &[f32]) -> Value {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len(), "{label}");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(label, Kind::Single, shape, bytes.collect())
    }

    /// Whole numbers of this shape.
    pub fn wholes(&mut self, label: &str, shape: &[usize], values: &[i64]) -> Value {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len(), "{label}");
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        self.constant(label, Kind::Whole, shape, bytes.collect())
    }

    /// Truths of this shape.
    pub fn truths(&mut self, label: &str, shape: &[usize], values: &[bool]) -> Value {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len(), "{label}");
        let bytes = values.iter().map(|&value| u8::from(value));
        self.constant(label, Kind::Truth, shape, bytes.collect())
    }

    /// One double precision number, kept once.
    pub fn number(&mut self, value: f64) -> Value {
        let key = (Kind::Double, value.to_bits());
        if let Some(known) = self.numbers.get(&key) {
            return known.clone();
        }
        let made = self.at_root(|g| g.doubles(&format!("numbers/{value}"), &[], &[value]));
        self.numbers.insert(key, made.clone());
        made
    }

    /// One whole number, kept once.
    pub fn whole(&mut self, value: i64) -> Value {
        let key = (Kind::Whole, value as u64);
        if let Some(known) = self.numbers.get(&key) {
            return known.clone();
        }
        let made = self.at_root(|g| g.wholes(&format!("wholes/{value}"), &[], &[value]));
        self.numbers.insert(key, made.clone());
        made
    }

    /// A short list of whole numbers, kept once.
    fn list(&mut self, values: &[i64]) -> Value {
        if let Some(known) = self.lists.get(values) {
            return known.clone();
        }
        let words: Vec<String> = values.iter().map(i64::to_string).collect();
        let label = format!("lists/{}", words.join(","));
        let made = self.at_root(|g| g.wholes(&label, &[values.len()], values));
        self.lists.insert(values.to_vec(), made.clone());
        made
    }

    fn node(
        &mut self,
        op: &str,
        label: &str,
        inputs: &[&Value],
        kind: Kind,
        attribute: Vec<Attribute>,
    ) -> Value {
        let name = self.name(label);
        self.graph.node.push(Node {
            input: inputs.iter().map(|value| value.name.clone()).collect(),
            output: vec![name.clone()],
            name: name.clone(),
            op_type: op.into(),
            attribute,
        });
        Value { name, kind }
    }

    /// An operator of one value that keeps the type: `Log`, `Exp`, `Sqrt`, `Abs`, `Neg`, `Floor`.
    pub fn of(&mut self, op: &str, label: &str, value: &Value) -> Value {
        self.node(op, label, &[value], value.kind, Vec::new())
    }

    /// An operator of two values of one type that keeps it: `Add`, `Sub`, `Mul`, `Div`, `Max`, `Min`, `Pow`, `And`, `MatMul`.
    pub fn both(&mut self, op: &str, label: &str, a: &Value, b: &Value) -> Value {
        debug_assert_eq!(a.kind, b.kind, "{op} {label}");
        self.node(op, label, &[a, b], a.kind, Vec::new())
    }

    /// The same with a double precision number.
    pub fn with(&mut self, op: &str, label: &str, a: &Value, b: f64) -> Value {
        let b = self.number(b);
        self.both(op, label, a, &b)
    }

    /// A comparison: `Greater`, `GreaterOrEqual`, `Less`, `LessOrEqual`, `Equal`.
    pub fn compare(&mut self, op: &str, label: &str, a: &Value, b: &Value) -> Value {
        debug_assert_eq!(a.kind, b.kind, "{op} {label}");
        self.node(op, label, &[a, b], Kind::Truth, Vec::new())
    }

    /// The same with a double precision number.
    pub fn compare_with(&mut self, op: &str, label: &str, a: &Value, b: f64) -> Value {
        let b = self.number(b);
        self.compare(op, label, a, &b)
    }

    /// `yes` where it is true, else `no`.
    pub fn choose(&mut self, label: &str, truth: &Value, yes: &Value, no: &Value) -> Value {
        debug_assert_eq!((truth.kind, yes.kind), (Kind::Truth, no.kind), "{label}");
        self.node("Where", label, &[truth, yes, no], yes.kind, Vec::new())
    }

    /// Drawn in to `low ..= high`.
    pub fn clip(&mut self, label: &str, value: &Value, low: f64, high: f64) -> Value {
        let (low, high) = (self.number(low), self.number(high));
        self.node("Clip", label, &[value, &low, &high], value.kind, Vec::new())
    }

    /// As another type.
    pub fn cast(&mut self, label: &str, value: &Value, kind: Kind) -> Value {
        self.node(
            "Cast",
            label,
            &[value],
            kind,
            vec![whole("to", kind as i64)],
        )
    }

    /// Positions `start .. end` of an axis.
    pub fn slice(
        &mut self,
        label: &str,
        value: &Value,
        axis: usize,
        start: usize,
        end: usize,
    ) -> Value {
        debug_assert!(start < end, "{label}: {start} to {end}");
        let [start, end, axis] = [start, end, axis].map(|at| self.list(&[at as i64]));
        self.node(
            "Slice",
            label,
            &[value, &start, &end, &axis],
            value.kind,
            Vec::new(),
        )
    }

    /// The positions of an axis that `at` names: its axes take the place of that one.
    pub fn gather(&mut self, label: &str, value: &Value, axis: usize, at: &Value) -> Value {
        debug_assert_eq!(at.kind, Kind::Whole, "{label}");
        let axis = vec![whole("axis", axis as i64)];
        self.node("Gather", label, &[value, at], value.kind, axis)
    }

    /// For every element of `at` that position along an axis.
    pub fn gather_elements(
        &mut self,
        label: &str,
        value: &Value,
        axis: usize,
        at: &Value,
    ) -> Value {
        debug_assert_eq!(at.kind, Kind::Whole, "{label}");
        let axis = vec![whole("axis", axis as i64)];
        self.node("GatherElements", label, &[value, at], value.kind, axis)
    }

    /// Adds every element of `more` to the one of `value` at that position along an axis.
    pub fn scatter_add(
        &mut self,
        label: &str,
        value: &Value,
        axis: usize,
        at: &Value,
        more: &Value,
    ) -> Value {
        let attributes = vec![whole("axis", axis as i64), text("reduction", "add")];
        self.node(
            "ScatterElements",
            label,
            &[value, at, more],
            value.kind,
            attributes,
        )
    }

    /// Side by side along an axis.
    pub fn concat(&mut self, label: &str, values: &[&Value], axis: usize) -> Value {
        let kind = values.first().map_or(Kind::Undefined, |value| value.kind);
        debug_assert!(values.iter().all(|value| value.kind == kind), "{label}");
        self.node(
            "Concat",
            label,
            values,
            kind,
            vec![whole("axis", axis as i64)],
        )
    }

    /// `ReduceMax`, `ReduceMin` or `ReduceMean` over an axis, which vanishes.
    pub fn reduce(&mut self, op: &str, label: &str, value: &Value, axis: usize) -> Value {
        let attributes = vec![wholes("axes", &[axis as i64]), whole("keepdims", 0)];
        self.node(op, label, &[value], value.kind, attributes)
    }

    /// Sum over an axis, which vanishes.
    pub fn sum(&mut self, label: &str, value: &Value, axis: usize) -> Value {
        let axes = self.list(&[axis as i64]);
        let attributes = vec![whole("keepdims", 0)];
        self.node("ReduceSum", label, &[value, &axes], value.kind, attributes)
    }

    /// Running sum along an axis, from its end where `reverse`.
    pub fn running_sum(&mut self, label: &str, value: &Value, axis: usize, reverse: bool) -> Value {
        let axis = self.whole(axis as i64);
        let attributes = vec![whole("reverse", i64::from(reverse))];
        self.node("CumSum", label, &[value, &axis], value.kind, attributes)
    }

    /// Axes in another order.
    pub fn transpose(&mut self, label: &str, value: &Value, order: &[i64]) -> Value {
        self.node(
            "Transpose",
            label,
            &[value],
            value.kind,
            vec![wholes("perm", order)],
        )
    }

    /// Another shape for the same numbers; 0 keeps the length of an axis, -1 takes what is left.
    pub fn reshape(&mut self, label: &str, value: &Value, shape: &[i64]) -> Value {
        let shape = self.list(shape);
        self.node("Reshape", label, &[value, &shape], value.kind, Vec::new())
    }

    /// Without an axis of length 1.
    pub fn squeeze(&mut self, label: &str, value: &Value, axis: usize) -> Value {
        let axis = self.list(&[axis as i64]);
        self.node("Squeeze", label, &[value, &axis], value.kind, Vec::new())
    }

    /// With an axis of length 1 more.
    pub fn unsqueeze(&mut self, label: &str, value: &Value, axis: usize) -> Value {
        let axis = self.list(&[axis as i64]);
        self.node("Unsqueeze", label, &[value, &axis], value.kind, Vec::new())
    }

    /// The last axis, of this length, in rising order.
    pub fn sort(&mut self, label: &str, value: &Value, length: usize) -> Value {
        let k = self.list(&[length as i64]);
        let attributes = vec![whole("axis", -1), whole("largest", 0), whole("sorted", 1)];
        let sorted = self.node("TopK", label, &[value, &k], value.kind, attributes);
        let places = self.name("places");
        if let Some(node) = self.graph.node.last_mut() {
            node.output.push(places);
        }
        sorted
    }

    /// A bidirectional LSTM over `inputs` (T, batch, F): all states (T, 2, batch, U), or where only the `last` are wanted, the final
    /// ones of both directions (2, batch, U). Weights in ONNX's layout: W (2, 4U, F), R (2, 4U, U), B (2, 8U).
    pub fn lstm(
        &mut self,
        label: &str,
        [inputs, w, r, b]: [&Value; 4],
        units: usize,
        last: bool,
    ) -> Value {
        let attributes = vec![
            text("direction", "bidirectional"),
            whole("hidden_size", units as i64),
        ];
        let made = self.node("LSTM", label, &[inputs, w, r, b], inputs.kind, attributes);
        if let (true, Some(node)) = (last, self.graph.node.last_mut()) {
            node.output.insert(0, String::new());
        }
        made
    }
}
