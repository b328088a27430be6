//! A model as MLflow keeps one: a folder that `mlflow.pyfunc.load_model` and `mlflow models serve` take, and that we take back.
//!
//! In come an artifact and what is known of the place that the package will have; out go paths within the package and bytes. Nothing
//! here opens a file, and no row of the training data gets in: the example is a made-up random walk.
//!
//! ```text
//! MLmodel                      flavours (onnx, python_function), signature, what the model is
//! model.onnx                   the model: a window of rows in, prices out
//! requirements.txt             what Python needs for it; conda.yaml and python_env.yaml say the same
//! input_example.json           a made-up window, and as a request: serving_input_example.json
//! senti/artifact.json …        the model's own files, byte for byte: the same model comes back from them
//! ```

use std::fmt::Write as _;
use std::path::Path;

use senti::artifact::Artifact;
use senti::plan::LEVELS;
use senti::table::{Role, Time};
use senti::{Error, Result};
use senti_engine::random::{Purpose, Stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Described, describe, export};
use crate::atomic::Stage;
use crate::registry;

/// Folder of the model's own files within the package.
pub const OWN: &str = "senti";

/// Version of Python that the package names; MLflow 2.9 to 3 run on it.
const PYTHON: &str = "3.11.7";
/// The first release of ONNX with the operators and the format of our file.
const ONNX: &str = "1.12.0";
/// What Python needs. ONNX Runtime 1.15 is the oldest that the file was tried with.
const REQUIREMENTS: [&str; 4] = [
    "mlflow>=2.9",
    "numpy",
    "onnx>=1.12,<2",
    "onnxruntime>=1.15,<2",
];

/// What is known of the place that a package will have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Path within the run (`model`), or the artifact URI of a logged model.
    pub artifact_path: String,
    /// The run that it belongs to.
    pub run_id: Option<String>,
    /// `m-…`, for a logged model of MLflow 3.
    pub model_id: Option<String>,
    /// 32 hexadecimal digits, new for every package.
    pub model_uuid: String,
    /// When it is made.
    pub created: Time,
}

/// 32 hexadecimal digits of a model packed at this time.
pub fn uuid(artifact: &Artifact, now: u128) -> String {
    let mut hasher = Sha256::new();
    hasher.update(artifact.manifest.data.digest.as_bytes());
    hasher.update(now.to_le_bytes());
    hasher.update(std::process::id().to_le_bytes());
    let digits = hasher.finalize();
    digits[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Every file of the package: path within it and bytes.
pub fn files(artifact: &Artifact, about: &About) -> Result<Vec<(String, Vec<u8>)>> {
    let described = describe(artifact)?;
    let example = json!({ "window": [window(&described)] });
    let request = json!({ "inputs": example });
    let own = registry::files(artifact)?;
    let text = |path: &str, text: String| (path.to_owned(), text.into_bytes());
    let mut files = vec![
        text("MLmodel", recipe(&described, about)?),
        ("model.onnx".to_owned(), export(artifact)?),
        text("requirements.txt", REQUIREMENTS.join("\n") + "\n"),
        text("python_env.yaml", python_env()),
        text("conda.yaml", conda()),
        text("input_example.json", example.to_string()),
        text("serving_input_example.json", request.to_string()),
    ];
    for (name, bytes) in own {
        files.push((format!("{OWN}/{name}"), bytes));
    }
    Ok(files)
}

/// Writes the files of a package as a folder that must not be there yet, whole or not at all.
pub fn write(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<()> {
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let taken = || {
        Error::input(format!("`{}` is there already", folder.display()))
            .hint("give a folder that is not there yet")
    };
    if folder.exists() {
        return Err(taken());
    }
    let stage = Stage::create(parent)?;
    for (path, bytes) in files {
        stage.write(path, bytes, folder)?;
    }
    match stage.publish(folder)? {
        true => Ok(()),
        false => Err(taken()),
    }
}

/// A text for YAML: a string of JSON is one of YAML.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// The file `MLmodel`. Values that are not plain words are JSON, which YAML holds.
fn recipe(described: &Described, about: &About) -> Result<String> {
    let created = jiff::Timestamp::from_millisecond(about.created)
        .map_err(|cause| {
            Error::internal(format!("{} ms is not a time", about.created)).because(cause)
        })?
        .strftime("%Y-%m-%d %H:%M:%S.%6f");
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    line(format!("artifact_path: {}", quoted(&about.artifact_path)));
    line("flavors:".into());
    line("  onnx:".into());
    line("    code: null".into());
    line("    data: model.onnx".into());
    line(format!("    onnx_version: {ONNX}"));
    line("    providers:".into());
    line("    - CPUExecutionProvider".into());
    line("  python_function:".into());
    line("    data: model.onnx".into());
    line("    env:".into());
    line("      conda: conda.yaml".into());
    line("      virtualenv: python_env.yaml".into());
    line("    loader_module: mlflow.onnx".into());
    line(format!("    python_version: {PYTHON}"));
    line("metadata:".into());
    for (name, value) in described.properties() {
        let value = match value {
            Value::String(text) => text,
            value => value.to_string(),
        };
        line(format!("  senti.{name}: {}", quoted(&value)));
    }
    if let Some(model_id) = &about.model_id {
        line(format!("model_id: {}", quoted(model_id)));
    }
    line(format!("model_uuid: {}", quoted(&about.model_uuid)));
    if let Some(run_id) = &about.run_id {
        line(format!("run_id: {}", quoted(run_id)));
    }
    line("saved_input_example_info:".into());
    line("  artifact_path: input_example.json".into());
    line("  serving_input_path: serving_input_example.json".into());
    line("  type: ndarray".into());
    line("signature:".into());
    let tensor = |name: &str, shape: Value| json!({ "type": "tensor", "name": name, "tensor-spec": { "dtype": "float64", "shape": shape } });
    let (rows, width) = (described.rows, 1 + described.columns.len());
    let inputs = json!([tensor("window", json!([-1, rows, width]))]);
    let horizon = described.horizon;
    let outputs = json!([
        tensor("point", json!([-1, horizon])),
        tensor("quantiles", json!([-1, horizon, LEVELS.len()])),
        tensor("time", json!([-1, horizon])),
    ]);
    line(format!("  inputs: {}", quoted(&inputs.to_string())));
    line(format!("  outputs: {}", quoted(&outputs.to_string())));
    line("  params: null".into());
    line(format!(
        "utc_time_created: {}",
        quoted(&created.to_string())
    ));
    Ok(text)
}

fn python_env() -> String {
    format!(
        "python: {PYTHON}\nbuild_dependencies:\n- pip\n- setuptools\n- wheel\ndependencies:\n- -r requirements.txt\n"
    )
}

fn conda() -> String {
    let mut text =
        format!("channels:\n- conda-forge\ndependencies:\n- python={PYTHON}\n- pip\n- pip:\n");
    for requirement in REQUIREMENTS {
        let _ = writeln!(text, "  - {requirement}");
    }
    text.push_str("name: mlflow-env\n");
    text
}

/// A window that never was: a random walk around 100 with a wick on either side of each candle, to six digits. It ends where the
/// training data do, on their calendar; nothing else of them is in it.
fn window(described: &Described) -> Vec<Vec<f64>> {
    let short = |value: f64| (value * 1e6).round() / 1e6;
    let mut draws = Stream::new(0, Purpose::Bootstrap).at(0);
    let mut draw = move || f64::from(draws.below(2_000_001)) / 1e6 - 1.0;
    let mut close = 100.0_f64;
    let times = described.times();
    let rows = times.iter().map(|&time| {
        let open = close;
        close *= (0.02 * draw()).exp();
        let high = open.max(close) * (1.0 + 0.005 * draw().abs());
        let low = open.min(close) * (1.0 - 0.005 * draw().abs());
        let series = draw();
        let value = |role: Role| match role {
            Role::Open => open,
            Role::High => high,
            Role::Low => low,
            Role::Close => close,
            Role::Volume => 1_000.0 * (1.0 + 0.5 * series),
            Role::Series => 50.0 + 10.0 * series,
        };
        let columns = described.columns.iter();
        let values = columns.map(|column| short(value(column.role)));
        std::iter::once(time as f64).chain(values).collect()
    });
    rows.collect()
}
