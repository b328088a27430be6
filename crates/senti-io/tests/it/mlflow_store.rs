//! A new MLflow store appears whole, with the folder of its artifacts, or not at all. What MLflow sees in one is tested in `senti-cli`.

use std::fs;
use std::path::Path;

use senti::ErrorKind;
use senti_io::mlflow::export::{Names, export};
use senti_io::mlflow::record::{Experiment, RunRecord, Status, metric, run_id};
use senti_io::mlflow::store::{Store, Version};
use senti_io::registry::Registry;

use crate::atomic::{Disk, names};
use crate::trained::artifact;

fn record(name: &str) -> RunRecord {
    RunRecord {
        id: run_id(&[name]),
        experiment: Experiment::default(),
        name: name.into(),
        parent: None,
        start: 1,
        end: Some(2),
        status: Status::Finished,
        tags: Vec::new(),
        params: Vec::new(),
        metrics: vec![metric("mae", 0.5, 2, 0)],
        inputs: Vec::new(),
        artifacts: Vec::new(),
    }
}

fn filled(file: &Path) -> Store {
    let mut store = Store::create(file, 3).unwrap();
    let files = [("model/a".to_owned(), b"hello".to_vec())];
    store.run(&record("one"), &files).unwrap();
    store
}

#[test]
fn it_is_there_when_it_is_finished_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("new/folder/models.db");
    drop(filled(&file));
    let folder = file.parent().unwrap();
    assert_eq!(names(folder), Vec::<String>::new());
    let store = filled(&file);
    assert!(!file.exists());
    let written = store.finish().unwrap();
    assert_eq!(names(folder), ["models.db", "models.db.artifacts"]);
    assert_eq!(
        (written.file, written.artifacts),
        (file.clone(), folder.join("models.db.artifacts"))
    );
    // The first 16 bytes of every SQLite database (https://sqlite.org/fileformat.html, 1.3).
    assert!(fs::read(&file).unwrap().starts_with(b"SQLite format 3\0"));
    let artifact = folder.join(format!(
        "models.db.artifacts/0/{}/artifacts/model/a",
        run_id(&["one"])
    ));
    assert_eq!(fs::read(artifact).unwrap(), b"hello");
}

/// Somebody who was faster keeps his, whichever of the two places he took.
#[test]
fn somebody_who_is_faster_wins() {
    for taken in ["models.db", "models.db.artifacts"] {
        let dir = tempfile::tempdir().unwrap();
        let store = filled(&dir.path().join("models.db"));
        fs::write(dir.path().join(taken), "theirs").unwrap();
        let error = store.finish().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        assert!(error.to_string().contains(taken), "{error}");
        assert_eq!(names(dir.path()), [taken]);
        assert_eq!(fs::read(dir.path().join(taken)).unwrap(), b"theirs");
    }
}

/// A link that leads nowhere is not written through.
#[cfg(unix)]
#[test]
fn a_link_is_something_that_exists() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("nowhere", dir.path().join("models.db")).unwrap();
    let error = Store::create(&dir.path().join("models.db"), 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input);
    assert_eq!(names(dir.path()), ["models.db"]);
}

#[test]
fn a_version_wants_its_run() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = filled(&dir.path().join("models.db"));
    let version = |run: &str| Version {
        name: "m".into(),
        version: 1,
        run: run.into(),
        folder: "model".into(),
        created: 1,
        description: String::new(),
        stage: "None".into(),
        aliases: Vec::new(),
        tags: Vec::new(),
    };
    store.version(&version(&run_id(&["one"]))).unwrap();
    let error = store.version(&version(&run_id(&["two"]))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

/// However much room there is, as long as it is too little: nothing stays, and the error names the place.
#[test]
fn a_full_disk_leaves_nothing() {
    let models = tempfile::tempdir().unwrap();
    let registry = Registry::open(models.path());
    for _ in 0..3 {
        registry.save(&artifact(), "basic", 0).unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for step in 1..200 {
        // Everything takes about a megabyte.
        let Some(disk) = Disk::mount(dir.path(), &format!("size={}k", 32 * step)) else {
            return;
        };
        let called = Names {
            base: "m",
            experiment: None,
        };
        match export(&registry, &dir.path().join("models.db"), &called, 5) {
            Ok(done) => {
                assert_eq!(done.models.len(), 3);
                assert_eq!(names(dir.path()), ["models.db", "models.db.artifacts"]);
                assert!(refused > 10, "{refused}");
                return;
            }
            Err(error) => {
                refused += 1;
                assert_eq!(error.kind(), ErrorKind::Remote, "{error}");
                assert!(
                    error.to_string().ends_with("`: the disk is full"),
                    "{error}"
                );
                assert!(!error.to_string().contains("/.senti"), "{error}");
                assert_eq!(names(dir.path()), Vec::<String>::new(), "{step} steps");
            }
        }
        drop(disk);
    }
    panic!("it never fits");
}
