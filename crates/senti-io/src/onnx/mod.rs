//! A model as one ONNX file: the raw last rows in original units go in, prices come out. Everything between is in the graph.
//!
//! In comes an [`Artifact`]; out go bytes that ONNX Runtime (1.15 or newer) and anything else that knows opset 17 reads. The graph says
//! what [`senti::doors::forecast`] says of the same rows: short gaps are filled, features made, prepared and shown to the model, its
//! answer turned into prices and calibrated. A graph cannot refuse: where `forecast` would, and across a long gap, every price is NaN.
//!
//! | file | what it translates |
//! | --- | --- |
//! | `rows.rs` | the table: times on the calendar, gaps filled, impossible values found |
//! | `features.rs` | `senti/src/features/` |
//! | `preparation.rs` | `senti/src/prepare.rs` |
//! | `volatility.rs` | `senti/src/volatility.rs` |
//! | `target.rs` | `senti/src/models/target.rs` |
//! | `lstm.rs`, `basic.rs`, `trees.rs` | the models of those names |
//! | `calibration.rs` | `senti/src/calibrate.rs` |
//! | `graph.rs`, `proto.rs` | nothing of ours: a builder of graphs, the file format |
//! | `package.rs` | the folder that MLflow keeps a model in |
//!
//! Numbers are computed in double precision as ours are, but for the network, which is single precision here as there. Averages that
//! remember everything are products with the matrix of their weights: on a fixed number of rows that is the same.

mod basic;
mod calibration;
mod features;
mod graph;
mod lstm;
pub mod package;
mod preparation;
pub mod proto;
mod rows;
mod target;
mod trees;
mod volatility;

use prost::Message;
use senti::artifact::{Artifact, ColumnRecord, Manifest};
use senti::calendar::step_name;
use senti::doors::FADE;
use senti::models::{Parts, take_apart};
use senti::plan::LEVELS;
use senti::table::Time;
use senti::{Error, Result};
use serde_json::{Value, json};

use self::graph::{Axis, Graph};
use self::proto::Kind;
use self::rows::{Rows, Week};

/// The set of operators.
pub const OPSET: i64 = 17;
/// The version of the file format.
pub const IR_VERSION: i64 = 8;
/// Most numbers of a matrix of weights, rows of the window by past steps: 512 MiB while it is computed with.
const MOST: usize = 1 << 26;

/// What an exported model takes and gives, beside its numbers.
pub struct Described {
    /// `lstm`, `basic` or `trees`.
    pub model_type: String,
    /// Rows of a window (N).
    pub rows: usize,
    /// Columns of a window behind the time, in order.
    pub columns: Vec<ColumnRecord>,
    /// Steps ahead (H).
    pub horizon: usize,
    /// What is forecast.
    pub target_column: String,
    past: usize,
    max_fill: usize,
    week: Week,
    last: Time,
    code_version: String,
    digest: String,
}

/// Says what the exported model of this artifact takes and gives.
pub fn describe(artifact: &Artifact) -> Result<Described> {
    let manifest = &artifact.manifest;
    manifest.check()?;
    let (plan, data) = (&manifest.plan, &manifest.data);
    let needed = plan.input_seq_length + manifest.features.warm_up();
    // as many as `forecast` looks at; where the training had fewer, all of them
    let rows = (needed + FADE).min(data.rows).max(needed).max(2);
    if rows * plan.input_seq_length > MOST {
        return Err(Error::unsupported(format!(
            "`input_seq_length` is {}, and a window of {rows} rows with so many past steps is too much for an ONNX graph",
            plan.input_seq_length
        ))
        .hint("export a model with fewer past steps"));
    }
    let week = Week::new(&data.calendar()?, data.step)?;
    let asked = data.read_with.get("max_fill");
    Ok(Described {
        model_type: plan.model_type.clone(),
        rows,
        columns: data.columns.clone(),
        horizon: plan.forecast_horizon,
        target_column: manifest.target_column.clone(),
        past: plan.input_seq_length,
        max_fill: asked
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| senti::table::default_fill(data.step)),
        week,
        last: data.last,
        code_version: manifest.code_version.clone(),
        digest: data.digest.clone(),
    })
}

impl Described {
    /// What a program wants to know, by name: in the file's metadata, and in that of an MLflow package.
    pub fn properties(&self) -> Vec<(&'static str, Value)> {
        let columns = self.columns.iter();
        let names: Vec<&str> = columns.clone().map(|column| &column.name[..]).collect();
        let roles: Vec<&str> = columns.map(|column| column.role.name()).collect();
        vec![
            ("model_type", json!(self.model_type)),
            ("target_column", json!(self.target_column)),
            ("rows", json!(self.rows)),
            ("columns", json!(names)),
            ("roles", json!(roles)),
            ("input_seq_length", json!(self.past)),
            ("forecast_horizon", json!(self.horizon)),
            ("levels", json!(LEVELS)),
            ("step_ms", json!(self.week.step())),
            ("code_version", json!(self.code_version)),
            ("trained_to_ms", json!(self.last)),
            ("data_sha256", json!(self.digest)),
        ]
    }

    /// Times of a window that ends where the training data do.
    fn times(&self) -> Vec<Time> {
        let last = self.week.position(self.last);
        let positions = (0..self.rows as i64).map(|row| last + 1 + row - self.rows as i64);
        positions.map(|position| self.week.time(position)).collect()
    }

    /// How to use the file, for people who open it.
    fn doc(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|column| &column.name[..]).collect();
        format!(
            "Forecasts `{}` {} steps of one {} ahead (senti-ai {}, {}).\n\
             Input `window`, float64 (batch, {}, {}): the last {} closed candles, oldest first, in original units. Column 0 is the opening \
             time in milliseconds since 1970-01-01 UTC, then: {}.\n\
             Gaps of up to {} missing rows are filled as senti-ai does: the rows are simply not there.\n\
             Outputs, float64: `point` (batch, {}), `quantiles` (batch, {}, {}) at the levels 0.05, 0.10 … 0.95, `time` (batch, {}), the \
             opening time of the candle whose close is forecast.\n\
             Prices are NaN where the window cannot be used: blank cells, prices that are not positive, times that do not rise, are off \
             the calendar of the training, or leave a longer gap.",
            self.target_column,
            self.horizon,
            step_name(self.week.step()),
            self.code_version,
            self.model_type,
            self.rows,
            1 + names.len(),
            self.rows,
            names.join(", "),
            self.max_fill,
            self.horizon,
            self.horizon,
            LEVELS.len(),
            self.horizon,
        )
    }
}

/// The model as the bytes of an ONNX file.
pub fn export(artifact: &Artifact) -> Result<Vec<u8>> {
    Ok(model(artifact)?.encode_to_vec())
}

/// The model as a message.
pub fn model(artifact: &Artifact) -> Result<proto::Model> {
    let described = describe(artifact)?;
    let manifest = &artifact.manifest;
    let metadata = described.properties().into_iter().map(|(name, value)| {
        let value = match value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        proto::Entry {
            key: format!("senti.{name}"),
            value,
        }
    });
    Ok(proto::Model {
        ir_version: IR_VERSION,
        producer_name: "senti-ai".into(),
        producer_version: manifest.code_version.clone(),
        doc_string: described.doc(),
        graph: Some(graph(&described, manifest, artifact)?),
        opset_import: vec![proto::OperatorSet {
            domain: String::new(),
            version: OPSET,
        }],
        metadata_props: metadata.collect(),
    })
}

fn graph(described: &Described, manifest: &Manifest, artifact: &Artifact) -> Result<proto::Graph> {
    let (horizon, levels) = (described.horizon, LEVELS.len());
    let mut graph = Graph::default();
    let g = &mut graph;
    let width = 1 + described.columns.len();
    let axes = [Axis::Batch, Axis::Fixed(described.rows), Axis::Fixed(width)];
    let doc = "the last closed candles, oldest first, in original units; column 0 is the opening time in milliseconds since 1970 UTC";
    let window = g.input("window", Kind::Double, &axes, doc);
    let parts = take_apart(manifest, &artifact.tensors)?;
    let mut rows = g.within("rows", |g| Rows::new(g, described, &window));
    let told = match &parts {
        Parts::Lstm(parts) => lstm::build(g, &mut rows, manifest, parts)?,
        Parts::Basic(parts) => basic::build(g, &mut rows, manifest, parts)?,
        Parts::Trees(parts) => trees::build(g, &mut rows, manifest, parts)?,
    };
    let last_close = rows.last_close(g)?;
    let told = calibration::build(g, &manifest.calibration, &last_close, told, horizon);
    let told = rows.hide_unsound(g, told);
    let axes = [Axis::Batch, Axis::Fixed(horizon), Axis::Fixed(levels)];
    let doc = "point forecast of the close of each step ahead, in original units";
    g.output("point", &told.point, &axes[..2], doc);
    let doc = "quantiles of the close of each step ahead, in original units, at the levels of the metadata";
    g.output("quantiles", &told.quantiles, &axes, doc);
    let doc = "opening time of the candle of each step ahead, in milliseconds since 1970 UTC";
    let ahead = rows.times_ahead(g);
    let time = g.squeeze("times_ahead", &ahead, 2);
    g.output("time", &time, &axes[..2], doc);
    Ok(graph.finish(
        &format!("senti-ai {}", described.model_type),
        &described.doc(),
    ))
}

/// Prices, as a graph computes them.
struct Told {
    /// (batch, H)
    point: graph::Value,
    /// (batch, H, Q)
    quantiles: graph::Value,
}
