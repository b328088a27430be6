//! The ONNX file and the MLflow package as they are written: sound in themselves, the same every time, and free of the user's rows.
//!
//! What others compute with them is told by `senti-cli`'s tests, which ask ONNX Runtime and MLflow.

use std::collections::HashSet;
use std::path::Path;
use std::sync::OnceLock;

use prost::Message;
use senti::artifact::Artifact;
use senti::doors::{Machine, Provenance, fit};
use senti::observe::Next;
use senti::plan::Draft;
use senti::table::{Column, Role, Rows, Table, TableOptions};
use senti_io::onnx::package::{self, About};
use senti_io::onnx::proto::Length;
use senti_io::onnx::{IR_VERSION, OPSET, describe, export, model, proto};
use senti_io::registry::load_folder;

use crate::trained::{DAY, START, noise};

/// Candles of weekdays, or of every day, and a mood.
fn table(weekdays_only: bool) -> Table {
    let mut noise = noise(3);
    let mut close = 31_234.5_f64;
    let mut values: [Vec<f64>; 6] = Default::default();
    let mut time = Vec::new();
    // 2023-01-01 is a Sunday
    for day in (0..800).filter(|day| !weekdays_only || !matches!(day % 7, 0 | 6)) {
        let open = close;
        close *= (0.02 * noise()).exp();
        let (high, low) = (open.max(close) * 1.003, open.min(close) * 0.998);
        time.push(START + day * DAY);
        let row = [open, high, low, close, 900.0 + 100.0 * noise(), noise()];
        for (column, value) in values.iter_mut().zip(row) {
            column.push(value);
        }
    }
    let names = ["open", "high", "low", "close", "volume", "mood"];
    let roles = [
        Role::Open,
        Role::High,
        Role::Low,
        Role::Close,
        Role::Volume,
        Role::Series,
    ];
    let columns = names.into_iter().zip(roles).zip(values);
    let columns = columns.map(|((name, role), values)| Column {
        name: name.into(),
        role,
        values,
    });
    let rows = Rows {
        time,
        line: Vec::new(),
        columns: columns.collect(),
    };
    let table = Table::from_rows(rows, &TableOptions::default());
    table.expect("a valid market").0
}

fn trained(model_type: &str, weekdays_only: bool) -> Artifact {
    let plan = Draft {
        model_type: model_type.into(),
        input_seq_length: 6,
        forecast_horizon: 3,
        units: vec![4, 3],
        epochs: 2,
        ..Draft::default()
    };
    let provenance = Provenance {
        source: "/home/somebody/secret.csv".into(),
        digest: "ab".repeat(32),
        code_version: "0.1.0".into(),
        ..Provenance::default()
    };
    let machine = Machine {
        threads: 1,
        simd: senti_engine::Simd::detect(),
    };
    let plan = plan.check().expect("a valid plan");
    let outcome = fit(
        &table(weekdays_only),
        &plan,
        &provenance,
        machine,
        None,
        &mut |_event| Next::Continue,
    );
    outcome.expect("a model").artifact
}

fn artifacts() -> &'static [Artifact] {
    static MADE: OnceLock<Vec<Artifact>> = OnceLock::new();
    MADE.get_or_init(|| {
        vec![
            trained("lstm", false),
            trained("basic", true),
            trained("trees", true),
        ]
    })
}

fn about() -> About {
    About {
        artifact_path: "mlflow-artifacts:/1/models/m-1/artifacts".into(),
        run_id: Some("0123456789abcdef0123456789abcdef".into()),
        model_id: Some("m-1".into()),
        model_uuid: "fedcba9876543210fedcba9876543210".into(),
        created: 1_700_000_000_123,
    }
}

fn shape(info: &proto::ValueInfo) -> Vec<i64> {
    let tensor = info
        .r#type
        .as_ref()
        .and_then(|kind| kind.tensor_type.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref()).unwrap();
    let length = |value: &Option<Length>| match value {
        Some(Length::Fixed(length)) => *length,
        Some(Length::Any(name)) => {
            assert_eq!(name, "batch");
            -1
        }
        None => panic!("an axis without a length"),
    };
    shape.dim.iter().map(|dim| length(&dim.value)).collect()
}

#[test]
fn a_graph_is_sound_in_itself() {
    for artifact in artifacts() {
        let bytes = export(artifact).unwrap();
        let model = proto::Model::decode(&bytes[..]).unwrap();
        assert_eq!(model.ir_version, IR_VERSION);
        assert_eq!(model.opset_import[0].version, OPSET);
        let graph = model.graph.unwrap();
        let rows = describe(artifact).unwrap().rows as i64;
        assert_eq!(shape(&graph.input[0]), [-1, rows, 7]);
        let outputs: Vec<_> = (graph.output.iter())
            .map(|output| (output.name.as_str(), shape(output)))
            .collect();
        assert_eq!(
            outputs,
            [
                ("point", vec![-1, 3]),
                ("quantiles", vec![-1, 3, 19]),
                ("time", vec![-1, 3])
            ]
        );
        // every name is given once, before it is used, and every constant is used
        let mut known: HashSet<&str> = graph.input.iter().map(|i| &i.name[..]).collect();
        let mut constants = HashSet::new();
        for tensor in &graph.initializer {
            assert!(known.insert(&tensor.name), "{} twice", tensor.name);
            constants.insert(&tensor.name[..]);
            let numbers: i64 = tensor.dims.iter().product();
            let size = match tensor.data_type {
                1 => 4,
                9 => 1,
                _ => 8,
            };
            assert_eq!(
                tensor.raw_data.len() as i64,
                numbers * size,
                "{}",
                tensor.name
            );
        }
        let mut used = HashSet::new();
        for node in &graph.node {
            for input in &node.input {
                assert!(known.contains(&input[..]), "{}: {input}", node.name);
                used.insert(&input[..]);
            }
            for output in node.output.iter().filter(|output| !output.is_empty()) {
                assert!(known.insert(output), "{output} twice");
            }
        }
        let idle: Vec<_> = constants.difference(&used).collect();
        assert!(idle.is_empty(), "{idle:?}");
        assert!(
            known.contains("features/rsi_14/gain"),
            "names say what is computed"
        );
    }
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    for artifact in artifacts() {
        assert!(export(artifact).unwrap() == export(artifact).unwrap());
    }
}

#[test]
fn the_metadata_say_what_goes_in() {
    let model = model(&artifacts()[1]).unwrap();
    let value = |key: &str| {
        let entry = model.metadata_props.iter().find(|entry| entry.key == key);
        entry.map_or("none", |entry| &entry.value[..])
    };
    assert_eq!(value("senti.model_type"), "basic");
    assert_eq!(value("senti.target_column"), "close");
    assert_eq!(
        value("senti.columns"),
        r#"["open","high","low","close","volume","mood"]"#
    );
    assert_eq!(value("senti.step_ms"), "86400000");
    // a training of fewer rows than a forecast looks at has no more to give
    let rows = artifacts()[1].manifest.data.rows;
    assert_eq!(value("senti.rows"), rows.to_string());
    assert!(
        model
            .doc_string
            .contains("open, high, low, close, volume, mood")
    );
}

/// A model keeps which slots of the week are open. Before it did, only a series without a hole says enough.
#[test]
fn the_calendar_of_older_models_must_be_proven() {
    let [lstm, basic, _] = artifacts() else {
        panic!("three models")
    };
    let without = |artifact: &Artifact| {
        let mut older = artifact.clone();
        older.manifest.data.calendar = None;
        let text = serde_json::to_string(&older.manifest).unwrap();
        assert!(!text.contains("\"calendar\":{"));
        older.manifest = serde_json::from_str(&text).unwrap();
        older
    };
    assert!(export(&without(lstm)).unwrap() == export(lstm).unwrap());
    let error = export(&without(basic)).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("did not record which slots of the week are open"),
        "{error}"
    );
    assert_eq!(error.hint_text(), Some("train it again"));
}

#[test]
fn a_damaged_calendar_is_refused() {
    let mut text = serde_json::to_value(&artifacts()[1].manifest).unwrap();
    text["data"]["calendar"]["open"][0]["end"] = 99.into();
    let damaged = Artifact {
        manifest: serde_json::from_value(text).unwrap(),
        tensors: artifacts()[1].tensors.clone(),
    };
    let error = export(&damaged).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the artifact's calendar has slots beyond the week"
    );
}

#[test]
fn a_package_holds_the_model_and_nothing_of_the_rows() {
    let artifact = &artifacts()[0];
    let files = package::files(artifact, &about()).unwrap();
    let paths: Vec<&str> = files.iter().map(|(path, _)| &path[..]).collect();
    assert_eq!(
        paths,
        [
            "MLmodel",
            "model.onnx",
            "requirements.txt",
            "python_env.yaml",
            "conda.yaml",
            "input_example.json",
            "serving_input_example.json",
            "senti/artifact.json",
            "senti/weights.safetensors",
            "senti/SHA256SUMS",
        ]
    );
    let text = |name: &str| {
        let file = files.iter().find(|(path, _)| path == name);
        String::from_utf8(file.unwrap().1.clone()).unwrap()
    };
    let recipe = text("MLmodel");
    for line in [
        "artifact_path: \"mlflow-artifacts:/1/models/m-1/artifacts\"",
        "run_id: \"0123456789abcdef0123456789abcdef\"",
        "model_id: \"m-1\"",
        "model_uuid: \"fedcba9876543210fedcba9876543210\"",
        "utc_time_created: \"2023-11-14 22:13:20.123000\"",
        "    loader_module: mlflow.onnx",
        "  senti.model_type: \"lstm\"",
    ] {
        assert!(
            recipe.lines().any(|found| found == line),
            "{line}\n{recipe}"
        );
    }
    assert!(!recipe.contains("secret.csv"), "{recipe}");
    // a walk around 100: the user's prices are around 30,000
    let example: serde_json::Value = serde_json::from_str(&text("input_example.json")).unwrap();
    let window = example["window"][0].as_array().unwrap();
    assert_eq!(window.len(), describe(artifact).unwrap().rows);
    let last = artifact.manifest.data.last as f64;
    assert_eq!(window[window.len() - 1][0].as_f64(), Some(last));
    for row in window {
        let close = row[4].as_f64().unwrap();
        assert!((20.0..500.0).contains(&close), "{close}");
    }
    let request: serde_json::Value =
        serde_json::from_str(&text("serving_input_example.json")).unwrap();
    assert_eq!(request["inputs"], example);
}

#[test]
fn the_same_model_comes_back_from_a_package() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("made/package");
    for artifact in artifacts() {
        let files = package::files(artifact, &about()).unwrap();
        package::write(&place, &files).unwrap();
        for (path, bytes) in &files {
            assert!(std::fs::read(place.join(path)).unwrap() == *bytes, "{path}");
        }
        let back = load_folder(&place.join(package::OWN)).unwrap();
        assert_eq!(
            serde_json::to_string(&back.manifest).unwrap(),
            serde_json::to_string(&artifact.manifest).unwrap()
        );
        assert_eq!(back.tensors, artifact.tensors);

        let error = package::write(&place, &files).unwrap_err();
        assert!(error.to_string().ends_with("is there already"), "{error}");
        assert_eq!(left_behind(folder.path()), 0);
        std::fs::remove_dir_all(&place).unwrap();
    }
}

fn left_behind(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder.join("made")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != "package").count()
}
