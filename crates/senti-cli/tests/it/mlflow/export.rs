//! `senti-ai models export-mlflow`: what real MLflow of both lines sees in the file, and that nothing is ever changed or half written.

use std::collections::BTreeMap;
use std::path::Path;

use senti_io::mlflow::record::{
    Dataset, Experiment, RunRecord, Status, metric, param, run_id, tag,
};
use senti_io::mlflow::store::{Store, Version};
use serde_json::{Value, json};

use super::alike;
use super::server::{Environment, LINES, Options, Server, environment};
use crate::run::{Desk, SMALL, check_golden};

const EXPORT: &[&str] = &["models", "export-mlflow", "models.db"];

/// The environments of all lines that are installed.
fn environments() -> impl Iterator<Item = Environment> {
    LINES.into_iter().filter_map(environment)
}

/// A copy of a store that a line of MLflow may change, as its client and `mlflow ui --backend-store-uri` take it.
fn copied(store: &Path, folder: &Path) -> String {
    let copy = folder.join("copy.db");
    std::fs::copy(store, &copy).unwrap();
    format!("sqlite:///{}", copy.display())
}

fn run(desk: &Desk, line: &[&str]) -> String {
    let done = desk.run(line);
    assert_eq!(done.code, Some(0), "{line:?}: {}", done.err);
    done.out
}

/// What `history.csv` says of a column: epoch and number.
fn column(history: &str, name: &str) -> BTreeMap<i64, f64> {
    let mut lines = history.lines();
    let place = lines
        .next()
        .unwrap()
        .split(',')
        .position(|column| column == name)
        .unwrap();
    lines
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            (cells[0].parse().unwrap(), cells[place].parse().unwrap())
        })
        .collect()
}

fn points(run: &Value, key: &str) -> BTreeMap<i64, f64> {
    let points = run["history"][key].as_array().unwrap();
    points
        .iter()
        .map(|point| {
            (
                point["step"].as_i64().unwrap(),
                point["value"].as_f64().unwrap(),
            )
        })
        .collect()
}

/// A server of each line on the file of a real registry: runs, epochs, scores, data, versions and files are what the registry and the files of
/// the training say.
#[test]
fn a_server_shows_what_the_registry_holds() {
    let desk = Desk::trained();
    let history = std::fs::read_to_string(desk.path("senti-output/history.csv")).unwrap();
    let scores: Value =
        serde_json::from_slice(&std::fs::read(desk.path("senti-output/metrics.json")).unwrap())
            .unwrap();
    let basic = [
        "train",
        "--data_path",
        "prices.csv",
        "--no_plot",
        "--model_type",
        "basic",
        "--quiet",
    ];
    run(&desk, &[&basic, &SMALL[..4]].concat());
    run(&desk, &[&basic, &SMALL[..4], &["--seed", "2"]].concat());
    run(&desk, &["models", "promote", "lstm/1"]);
    run(
        &desk,
        &["models", "promote", "basic/1", "--alias", "old-one"],
    );
    run(
        &desk,
        &["models", "promote", "basic/2", "--stage", "Production"],
    );
    let before = desk.tree("senti-models");
    run(
        &desk,
        &[EXPORT, &["--experiment_name", "Bitcoin 'daily'"]].concat(),
    );
    assert!(
        desk.tree("senti-models") == before,
        "the registry was changed"
    );
    let forecasts = ["lstm", "basic"].map(|model_type| {
        let line = [
            "predict",
            "--data_path",
            "prices.csv",
            "--no_plot",
            "--format",
            "json",
            "--model_type",
            model_type,
        ];
        serde_json::from_str::<Value>(&run(&desk, &line)).unwrap()
    });
    let prices = desk.path("prices.csv").display().to_string();
    let shown: Value = serde_json::from_str(&run(
        &desk,
        &["models", "show", "lstm/1", "--format", "json"],
    ))
    .unwrap();

    for environment in environments() {
        let options = Options {
            store: Some(desk.path("models.db")),
            ..Options::default()
        };
        let server = Server::start(&environment, options);
        let (lstm, basic) = (
            "models:/sentiai_model_lstm@champion",
            "models:/sentiai_model/Production",
        );
        let asked = [
            &[
                "runs",
                "Bitcoin 'daily'",
                "+",
                "models",
                "+",
                "files",
                lstm,
                "+",
            ][..],
            &[
                "predict",
                lstm,
                &prices,
                "+",
                "predict",
                basic,
                &prices,
                "+",
                "experiments",
            ],
        ];
        let seen = server.witness(&asked.concat());
        let runs = seen[0].as_array().unwrap();
        assert_eq!(runs.len(), 3, "{runs:?}");
        let lstm = runs
            .iter()
            .find(|run| run["tags"]["senti.model"] == "lstm/1")
            .unwrap();
        assert_eq!(lstm["status"], "FINISHED");
        assert_eq!(lstm["start_time"], shown["entry"]["created"]);
        assert_eq!(lstm["tags"]["mlflow.source.type"], "LOCAL");
        for (key, wanted) in [
            ("epochs", "2"),
            ("forecast_horizon", "3"),
            ("units", "4"),
            ("model_type", "lstm"),
        ] {
            assert_eq!(lstm["params"][key], wanted, "{key}");
        }
        for name in ["train_loss", "valid_loss", "learning_rate"] {
            let mut told = points(lstm, name);
            // Epoch 0 is the untrained model, which the file does not know.
            told.remove(&0);
            assert_eq!(told, column(&history, name), "{name}");
        }
        for (key, wanted) in [
            ("mae", &scores["model"]["overall"]["mae"]),
            ("naive_mae", &scores["naive"]["overall"]["mae"]),
            ("h03/mae", &scores["model"]["steps"][2]["mae"]),
        ] {
            assert!(wanted.is_number(), "{key}: {scores}");
            assert_eq!(&lstm["metrics"][key], wanted, "{key}");
        }
        let data = &lstm["inputs"][0];
        assert_eq!(data["name"], "prices.csv");
        assert_eq!(data["tags"]["mlflow.data.context"], "training");
        let digest = shown["data"]["digest"].as_str().unwrap();
        assert!(
            digest.starts_with(data["digest"].as_str().unwrap()),
            "{data}"
        );
        assert_eq!(lstm["tags"]["senti.data.sha256"], digest);

        let models = &seen[1];
        let names: Vec<_> = models.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, ["sentiai_model", "sentiai_model_lstm"]);
        let versions = models["sentiai_model"]["versions"].as_object().unwrap();
        assert_eq!(versions.keys().cloned().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(
            models["sentiai_model_lstm"]["aliases"],
            json!({"champion": "1"})
        );
        assert_eq!(models["sentiai_model"]["aliases"], json!({"old-one": "1"}));
        assert_eq!(
            (&versions["1"]["stage"], &versions["2"]["stage"]),
            (&json!("None"), &json!("Production"))
        );
        let version = &models["sentiai_model_lstm"]["versions"]["1"];
        assert_eq!(version["run_id"], lstm["run_id"]);
        assert_eq!(version["status"], "READY");
        let verdict = version["description"].as_str().unwrap();
        assert!(
            verdict.starts_with("**") && verdict.contains("| mae |"),
            "{verdict}"
        );

        // The files of the registry, byte for byte, through the registry of MLflow and through the run.
        let files = &seen[2];
        for file in shown["files"].as_array().unwrap() {
            let name = file["name"].as_str().unwrap();
            assert_eq!(
                files[format!("senti/{name}")]["sha256"],
                file["sha256"],
                "{name}"
            );
            assert_eq!(
                lstm["artifacts"][format!("model/senti/{name}")]["sha256"],
                file["sha256"],
                "{name}"
            );
        }
        let experiments = seen[5].as_array().unwrap();
        let ours = experiments
            .iter()
            .find(|seen| seen["name"] == "Bitcoin 'daily'")
            .unwrap();
        assert_eq!(
            ours["tags"]["mlflow.experimentKind"],
            "custom_model_development"
        );
        assert_eq!(experiments.len(), 2);
        // Python forecasts what `predict` does, from the very same rows.
        for (python, ours) in [(&seen[3], &forecasts[0]), (&seen[4], &forecasts[1])] {
            alike(python, ours);
        }
    }
}

/// A run whose every text is hostile and whose numbers are none.
fn strange(now: i64) -> RunRecord {
    let hostile = "'); DROP TABLE runs; -- \"q\" `b` \\ %41 ñ 漢字 🚀\nnext\tline";
    let day = 86_400_000;
    RunRecord {
        id: run_id(&["strange"]),
        experiment: Experiment {
            name: Some(hostile.into()),
            id: None,
        },
        name: hostile.into(),
        parent: None,
        start: now,
        end: Some(now + day),
        status: Status::Failed,
        tags: vec![tag("hostile", hostile), tag("long", "x".repeat(9_000)), tag("empty", ""), tag("mlflow.user", "ñandú")],
        params: vec![param("hostile", hostile), param("long", "é".repeat(9_000)), param("empty", "")],
        metrics: vec![
            metric("odd", 1.0, now, 1),
            metric("odd", f64::NAN, now + 1, 2),
            metric("odd", f64::NAN, now + 1, 2),
            metric("high", f64::INFINITY, now, 0),
            metric("low", f64::NEG_INFINITY, now, 0),
            metric("tiny", 5e-324, now, 0),
            metric("late", 2.0, now + 5, 9),
            metric("late", 3.0, now + 9, 4),
        ],
        inputs: vec![Dataset {
            name: hostile.into(),
            digest: "0123456789abcdef".into(),
            source_type: "local".into(),
            source: json!({ "uri": hostile }).to_string(),
            schema: json!({ "mlflow_colspec": [{ "type": "double", "name": hostile, "required": true }] }).to_string(),
            profile: json!({ "num_rows": 7 }).to_string(),
            context: "training".into(),
        }],
        artifacts: Vec::new(),
    }
}

#[test]
fn strange_texts_and_numbers_come_through() {
    let now = 1_700_000_000_000;
    // Places, too: what a shell or an address would take for something else.
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("a b'c#d?e%20f/ünï \"q\"");
    let file = place.join("ex port.db");
    let record = strange(now);
    let child = RunRecord {
        id: run_id(&["child"]),
        parent: Some(record.id.clone()),
        name: "child".into(),
        inputs: record.inputs.clone(),
        ..strange(now)
    };
    let mut store = Store::create(&file, now).unwrap();
    let bytes = vec![
        (String::from("model/folder/a b.txt"), b"hello".to_vec()),
        (String::from("model/empty"), Vec::new()),
    ];
    store.run(&record, &bytes).unwrap();
    store.run(&child, &[]).unwrap();
    let version = Version {
        name: "odd_model".into(),
        version: 7,
        run: record.id.clone(),
        folder: "model".into(),
        created: now,
        description: "d".repeat(6_000),
        stage: "Production".into(),
        aliases: vec!["champion".into(), "früh".into()],
        tags: vec![tag("hostile", record.name.clone())],
    };
    store.version(&version).unwrap();
    let about = vec![tag("about", record.name.clone())];
    store.describe("odd_model", &record.name, &about).unwrap();
    store.finish().unwrap();

    for environment in environments() {
        let folder = tempfile::tempdir().unwrap();
        let uri = copied(&file, folder.path());
        let hostile = record.name.as_str();
        let (model, files) = (
            ["model", "odd_model"],
            ["files", "models:/odd_model@champion"],
        );
        let asked = [&["runs", hostile, "+"][..], &model, &["+"], &files].concat();
        let answers = environment.witness(&uri, &asked);
        let runs = answers[0].as_array().unwrap();
        assert_eq!(runs.len(), 2);
        let seen = runs.iter().find(|run| run["name"] == hostile).unwrap();
        assert_eq!(seen["run_id"], record.id.as_str());
        assert_eq!(seen["children"], json!([child.id]));
        assert_eq!(
            (&seen["status"], &seen["start_time"], &seen["end_time"]),
            (&json!("FAILED"), &json!(now), &json!(now + 86_400_000))
        );
        for pair in &record.params {
            assert_eq!(
                seen["params"][&pair.key],
                pair.value.as_str(),
                "{}",
                pair.key
            );
        }
        for pair in &record.tags {
            assert_eq!(seen["tags"][&pair.key], pair.value.as_str(), "{}", pair.key);
        }
        // Two points, of which one is no number; the newest is the one with the highest step, as in MLflow itself.
        let odd: Vec<_> = seen["history"]["odd"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| point["value"].clone())
            .collect();
        assert_eq!(odd, [json!(1.0), json!("NaN")]);
        assert_eq!(seen["metrics"]["odd"], "NaN");
        assert_eq!(seen["metrics"]["late"], 2.0);
        assert_eq!(seen["metrics"]["high"], f64::MAX);
        assert_eq!(seen["metrics"]["low"], f64::MIN);
        assert_eq!(seen["metrics"]["tiny"], 5e-324);
        assert_eq!(seen["inputs"][0]["name"], hostile);
        assert_eq!(
            seen["inputs"][0]["schema"],
            record.inputs[0].schema.as_str()
        );
        // printf hello | sha256sum
        let sum = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(
            seen["artifacts"]["model/folder/a b.txt"],
            json!({"bytes": 5, "sha256": sum})
        );
        assert_eq!(
            seen["listed"],
            json!({"model/folder/a b.txt": 5, "model/empty": 0})
        );

        let model = &answers[1];
        assert_eq!(model["description"], hostile);
        assert_eq!(model["tags"]["about"], hostile);
        assert_eq!(model["aliases"], json!({"champion": "7", "früh": "7"}));
        let version = &model["versions"]["7"];
        assert_eq!(version["stage"], "Production");
        assert_eq!(version["tags"]["hostile"], hostile);
        let description = version["description"].as_str().unwrap();
        assert_eq!(description.chars().count(), 5_000);
        assert!(
            description.ends_with("[cut, 6000 characters]"),
            "{description}"
        );
        let files = &answers[2];
        assert_eq!(files["folder/a b.txt"]["sha256"], sum);
    }
}

/// Many versions, and one that is damaged: it is named and left out.
#[test]
fn many_models_come_through_and_a_damaged_one_is_named() {
    let desk = Desk::trained();
    let folder = "senti-models/sentiai_model_lstm";
    for number in 2..=40 {
        let (from, to) = (
            desk.path(&format!("{folder}/1")),
            desk.path(&format!("{folder}/{number}")),
        );
        std::fs::create_dir(&to).unwrap();
        for file in std::fs::read_dir(from).unwrap().flatten() {
            std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let damaged = desk.path(&format!("{folder}/20/weights.safetensors"));
    let mut bytes = std::fs::read(&damaged).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&damaged, bytes).unwrap();
    forget_calendar(&desk.path(&format!("{folder}/30")));
    let done = desk.run(EXPORT);
    assert_eq!(done.code, Some(0), "{}", done.err);
    assert!(
        done.err.starts_with("warning: lstm/20 is left out: ") && done.err.contains("was altered"),
        "{}",
        done.err
    );
    let told: Vec<&str> = done.err.lines().collect();
    assert_eq!(told.len(), 2, "{}", done.err);
    assert!(
        told[1]
            .starts_with("warning: lstm/30 has no package that Python loads, only its own files: ")
            && told[1].contains("which slots of the week are open"),
        "{}",
        done.err
    );
    assert!(
        done.out.starts_with("exported 39 models to models.db"),
        "{}",
        done.out
    );
    for environment in environments() {
        let folder = tempfile::tempdir().unwrap();
        let uri = copied(&desk.path("models.db"), folder.path());
        let model = environment.witness(&uri, &["model", "sentiai_model_lstm"]);
        let versions = model["versions"].as_object().unwrap();
        assert_eq!(versions.len(), 39);
        assert!(versions.contains_key("40") && !versions.contains_key("20"));
        let files = environment.witness(&uri, &["files", "models:/sentiai_model_lstm/30"]);
        let names: Vec<_> = files.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            [
                "senti/SHA256SUMS",
                "senti/artifact.json",
                "senti/weights.safetensors"
            ]
        );
    }
}

/// Makes a model look like one of an older version, which recorded no calendar, and whose rows prove none.
fn forget_calendar(model: &Path) {
    use sha2::{Digest, Sha256};
    let path = model.join("artifact.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let data = manifest["data"].as_object_mut().unwrap();
    data.remove("calendar").unwrap();
    data["rows"] = json!(data["rows"].as_u64().unwrap() - 5);
    std::fs::write(&path, manifest.to_string()).unwrap();
    let lines = ["artifact.json", "weights.safetensors"].map(|name| {
        let digest = Sha256::digest(std::fs::read(model.join(name)).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{hex}  {name}\n")
    });
    std::fs::write(model.join("SHA256SUMS"), lines.concat()).unwrap();
}

/// What exists stays as it is, byte for byte, and a refusal leaves nothing.
#[test]
fn nothing_that_exists_is_touched() {
    let desk = Desk::trained();
    let before = desk.tree(".");
    let check = |name: &str, line: &[&str], code: i32| {
        let done = desk.run(line);
        check_golden(name, line, &desk, &done);
        assert_eq!(done.code, Some(code));
    };
    desk.file("models.db", "mine");
    check("export_mlflow_exists", EXPORT, 1);
    std::fs::rename(desk.path("models.db"), desk.path("models.db.artifacts")).unwrap();
    check("export_mlflow_artifacts_exist", EXPORT, 1);
    assert_eq!(
        std::fs::read(desk.path("models.db.artifacts")).unwrap(),
        b"mine"
    );
    std::fs::remove_file(desk.path("models.db.artifacts")).unwrap();
    check(
        "export_mlflow_uri",
        &["models", "export-mlflow", "sqlite:///models.db"],
        2,
    );
    check(
        "export_mlflow_no_name",
        &["models", "export-mlflow", "senti-models/.."],
        1,
    );
    check(
        "export_mlflow_below_file",
        &["models", "export-mlflow", "prices.csv/models.db"],
        1,
    );
    check(
        "export_mlflow_no_models",
        &[
            "models",
            "export-mlflow",
            "models.db",
            "--registry",
            "elsewhere",
        ],
        1,
    );
    assert!(desk.tree(".") == before, "something was left");
    check("export_mlflow", EXPORT, 0);
    check("export_mlflow_twice", EXPORT, 1);
}

/// The tables are those that MLflow 2.22 makes today; the head of the file says with which versions they were made.
#[test]
fn the_tables_are_mlflows_own() {
    let Some(environment) = environment(2) else {
        return;
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../senti-io/src/mlflow/store");
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("schema.sql");
    let output = environment.python(here.join("schema.py"), &[made.to_str().unwrap()]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Some constraints and indices come in another order each time: MLflow's migrations keep them in sets.
    let tables = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("--"));
        let mut lines: Vec<_> = lines
            .map(|line| line.trim_end_matches([' ', ',']))
            .map(str::to_owned)
            .collect();
        lines.sort();
        lines
    };
    assert_eq!(tables(&made), tables(&here.join("schema.sql")));
}
