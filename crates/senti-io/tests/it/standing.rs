//! Aliases and stages of the local registry, and models that are brought from one registry into another.

use std::fs;
use std::path::Path;
use std::process::Command;

use senti::ErrorKind;
use senti_io::registry::{Backend, Promotion, Reference, Registry, Stage, bring};

use crate::trained::artifact;

const NOW: i64 = 1_764_000_000_123;

/// With three versions of `basic`.
fn registry() -> (tempfile::TempDir, Registry) {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path().join("models"));
    for _ in 0..3 {
        registry.save(&artifact(), "basic", NOW).unwrap();
    }
    (dir, registry)
}

fn at(word: &str) -> Reference {
    Reference::parse(word).unwrap()
}

fn alias(alias: &str) -> Promotion {
    Promotion::Alias(alias.into())
}

fn stage(stage: Stage, archive: bool) -> Promotion {
    Promotion::Stage { stage, archive }
}

#[track_caller]
fn check(registry: &Registry, word: &str, version: u32) {
    assert_eq!(registry.find(&at(word)).unwrap().version, version, "{word}");
    assert_eq!(
        Backend::load(registry, &at(word)).unwrap().0.version,
        version
    );
}

#[track_caller]
fn refused(registry: &Registry, word: &str, sentence: &str, hint: &str) {
    let error = registry.find(&at(word)).unwrap_err();
    let root = registry.root().to_string_lossy().into_owned();
    assert_eq!(error.to_string().replace(&root, "ROOT"), sentence);
    assert_eq!(error.hint_text(), Some(hint));
    assert_eq!(error.kind(), ErrorKind::Input);
}

#[test]
fn an_alias_points_at_one_version_and_moves() {
    let (_dir, registry) = registry();
    check(&registry, "basic", 3);
    refused(
        &registry,
        "basic@champion",
        "`sentiai_model` has no alias `champion`",
        "give it to a version: `senti-ai models promote basic/3 --alias champion`",
    );
    let promoted = registry
        .promote(&at("basic/1"), &alias("champion"))
        .unwrap();
    assert_eq!(
        (promoted.version, promoted.aliases),
        (1, vec!["champion".to_owned()])
    );
    check(&registry, "basic@champion", 1);
    // By its registered name, too, and through another alias.
    check(&registry, "sentiai_model@champion", 1);
    registry
        .promote(&at("basic/2"), &alias("challenger"))
        .unwrap();
    let both = registry
        .promote(&at("basic@challenger"), &alias("champion"))
        .unwrap();
    assert_eq!(both.aliases, ["challenger", "champion"]);
    check(&registry, "basic@champion", 2);
    refused(
        &registry,
        "basic@best",
        "`sentiai_model` has no alias `best`",
        "there is `challenger` (version 2), `champion` (version 2)",
    );
    let error = registry.promote(&at("basic/1"), &alias("v7")).unwrap_err();
    assert!(error.to_string().contains("`v7` is reserved"), "{error}");
    // Of another model type nothing was said.
    registry.save(&artifact(), "lstm", NOW).unwrap();
    assert!(registry.find(&at("lstm@champion")).is_err());
}

#[test]
fn stages_are_those_of_mlflow() {
    let (_dir, registry) = registry();
    check(&registry, "basic/none", 3);
    registry
        .promote(&at("basic/1"), &stage(Stage::Production, false))
        .unwrap();
    registry
        .promote(&at("basic/2"), &stage(Stage::Production, false))
        .unwrap();
    // The newest of them, and the other is still there.
    check(&registry, "basic/Production", 2);
    assert_eq!(
        registry.find(&at("basic/1")).unwrap().stage,
        Stage::Production
    );
    let third = registry
        .promote(&at("basic/3"), &stage(Stage::Production, true))
        .unwrap();
    assert_eq!(third.stage, Stage::Production);
    check(&registry, "basic/production", 3);
    check(&registry, "basic/Archived", 2);
    registry
        .promote(&at("basic/3"), &stage(Stage::None, false))
        .unwrap();
    refused(
        &registry,
        "basic/Staging",
        "`sentiai_model` has no version in stage Staging",
        "put one there: `senti-ai models promote basic/3 --stage Staging`",
    );
    // MLflow refuses the same with 400: "Archived" is not an active stage.
    let error = registry
        .promote(&at("basic/1"), &stage(Stage::Archived, true))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("stage Archived cannot be archived"),
        "{error}"
    );
}

#[test]
fn what_an_alias_points_at_is_deleted_only_by_force_and_takes_it_along() {
    let (_dir, registry) = registry();
    registry
        .promote(&at("basic/2"), &alias("champion"))
        .unwrap();
    registry.promote(&at("basic/2"), &alias("b")).unwrap();
    registry
        .promote(&at("basic/2"), &stage(Stage::Staging, false))
        .unwrap();
    let error = Backend::delete(&registry, &at("basic/2"), false).unwrap_err();
    assert_eq!(error.to_string(), "`b`, `champion` point at basic/2");
    assert!(error.hint_text().unwrap().contains("--force"));
    check(&registry, "basic@champion", 2);
    let gone = Backend::delete(&registry, &at("basic/2"), true).unwrap();
    assert_eq!(gone.aliases, ["b", "champion"]);
    for word in ["basic@champion", "basic@b", "basic/Staging", "basic/2"] {
        assert!(registry.find(&at(word)).is_err(), "{word}");
    }
    // Without an alias nothing is asked for, and the number is not given again.
    Backend::delete(&registry, &at("basic/3"), false).unwrap();
    assert_eq!(registry.save(&artifact(), "basic", NOW).unwrap().version, 4);
    assert!(registry.find(&at("basic/4")).unwrap().aliases.is_empty());
    // The older way to delete takes aliases along, too.
    registry
        .promote(&at("basic/4"), &alias("champion"))
        .unwrap();
    registry.delete("basic", 4).unwrap();
    assert!(registry.find(&at("basic@champion")).is_err());
}

/// Registries that are older than aliases have no such file; nothing makes it but a promotion.
#[test]
fn a_registry_without_the_file_is_as_good_as_ever() {
    let (_dir, registry) = registry();
    let file = registry.root().join("sentiai_model/aliases.json");
    check(&registry, "basic", 3);
    check(&registry, "basic/latest", 3);
    Backend::delete(&registry, &at("basic/3"), false).unwrap();
    assert!(registry.find(&at("basic@champion")).is_err());
    assert!(!file.exists());
    registry.promote(&at("basic"), &alias("champion")).unwrap();
    assert!(file.is_file());
    let text = fs::read_to_string(&file).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        value,
        serde_json::json!({ "aliases": { "champion": 2 }, "stages": {} })
    );
}

/// A version that vanished without its aliases (killed in between, or by hand): the alias points at nothing, and says so.
#[test]
fn an_alias_of_a_version_that_is_gone_is_none() {
    let (_dir, registry) = registry();
    registry
        .promote(&at("basic/3"), &alias("champion"))
        .unwrap();
    registry
        .promote(&at("basic/3"), &stage(Stage::Production, false))
        .unwrap();
    fs::remove_dir_all(registry.root().join("sentiai_model/3")).unwrap();
    assert!(registry.find(&at("basic@champion")).is_err());
    assert!(registry.find(&at("basic/Production")).is_err());
    check(&registry, "basic", 2);
    registry
        .promote(&at("basic/1"), &alias("champion"))
        .unwrap();
    check(&registry, "basic@champion", 1);
}

/// A damaged file hides no model; what depends on it is told, and nothing is overwritten.
#[test]
fn a_damaged_file_is_told_and_left_as_it_is() {
    let (_dir, registry) = registry();
    let file = registry.root().join("sentiai_model/aliases.json");
    fs::write(&file, "{\"aliases\": {\"champ").unwrap();
    check(&registry, "basic", 3);
    check(&registry, "basic/1", 1);
    assert_eq!(registry.list().unwrap().len(), 3);
    for error in [
        registry.find(&at("basic@champion")).unwrap_err(),
        registry.find(&at("basic/Staging")).unwrap_err(),
        registry
            .promote(&at("basic/1"), &alias("champion"))
            .unwrap_err(),
        Backend::delete(&registry, &at("basic/1"), true).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Data);
        assert!(
            error
                .to_string()
                .ends_with("aliases.json` does not say aliases and stages")
        );
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "{\"aliases\": {\"champ");
    check(&registry, "basic/1", 1);
}

/// A writer that was killed leaves the old file or the new one, and a hidden one that the next writer removes.
#[test]
fn a_torn_write_leaves_the_old_names() {
    let (_dir, registry) = registry();
    registry
        .promote(&at("basic/1"), &alias("champion"))
        .unwrap();
    let torn = registry.root().join("sentiai_model/.senti-99999999-0.tmp");
    fs::write(&torn, "{\"aliases\": {\"cha").unwrap();
    check(&registry, "basic@champion", 1);
    registry
        .promote(&at("basic/2"), &alias("champion"))
        .unwrap();
    check(&registry, "basic@champion", 2);
    registry.save(&artifact(), "basic", NOW).unwrap();
    assert!(!torn.exists());
}

/// This test starts itself: no promotion of one process is lost to another's.
#[test]
fn many_processes_promote_at_once() {
    const ROOT: &str = "SENTI_TEST_PROMOTE";
    if let Some(given) = std::env::var_os(ROOT) {
        let (root, mark) = given.to_str().unwrap().rsplit_once('#').unwrap();
        let registry = Registry::open(Path::new(root));
        for turn in 0..8 {
            let version = 1 + turn % 3;
            let which = at(&format!("basic/{version}"));
            registry
                .promote(&which, &alias(&format!("p{mark}-{turn}")))
                .unwrap();
            registry.promote(&which, &alias("champion")).unwrap();
        }
        return;
    }
    let (_dir, registry) = registry();
    let children: Vec<_> = (0..3)
        .map(|mark| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "standing::many_processes_promote_at_once"])
                .env(ROOT, format!("{}#{mark}", registry.root().display()))
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    for mark in 0..3 {
        for turn in 0..8 {
            check(&registry, &format!("basic@p{mark}-{turn}"), 1 + turn % 3);
        }
    }
    // The last word of each of them was about version 2.
    check(&registry, "basic@champion", 2);
}

#[test]
fn what_is_not_there_is_not_promoted_and_nothing_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let registry = Registry::open(dir.path().join("models"));
    assert!(registry.promote(&at("lstm"), &alias("champion")).is_err());
    assert!(Backend::delete(&registry, &at("lstm/1"), true).is_err());
    assert!(!registry.root().exists());
}

/// From one registry into another, byte for byte, once.
#[test]
fn a_model_is_brought_byte_for_byte_and_once() {
    let (dir, from) = registry();
    let mut other = artifact();
    other.manifest.code_version = "9.9.9".into();
    from.save(&other, "basic", NOW).unwrap();
    let to = Registry::open(dir.path().join("others"));
    let brought = bring(&from, &at("basic/4"), &to, NOW + 1).unwrap();
    assert!(!brought.was_there);
    assert_eq!((brought.from.version, brought.to.version), (4, 1));
    for name in ["artifact.json", "weights.safetensors", "SHA256SUMS"] {
        assert!(
            fs::read(brought.from.path.join(name)).unwrap()
                == fs::read(brought.to.path.join(name)).unwrap(),
            "{name}"
        );
    }
    let again = bring(&from, &at("basic"), &to, NOW + 2).unwrap();
    assert!(again.was_there);
    assert_eq!(again.to.version, 1);
    assert_eq!(again.to.created, Some(NOW + 1));
    // Another model is another version; the three of `registry()` are the very same.
    assert_eq!(
        bring(&from, &at("basic/1"), &to, NOW).unwrap().to.version,
        2
    );
    assert!(bring(&from, &at("basic/2"), &to, NOW).unwrap().was_there);
    // A damaged copy is not the same: the model is brought anew beside it.
    let path = to.root().join("sentiai_model/2/weights.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(
        bring(&from, &at("basic/1"), &to, NOW).unwrap().to.version,
        3
    );
    // And nothing damaged is brought.
    let error = bring(&to, &at("basic/2"), &from, NOW).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Data);
    assert_eq!(Registry::list(&from).unwrap().len(), 4);
}

#[test]
fn a_list_and_a_closer_look_say_the_names() {
    let (_dir, registry) = registry();
    registry
        .promote(&at("basic/2"), &alias("champion"))
        .unwrap();
    registry
        .promote(&at("basic/2"), &stage(Stage::Staging, false))
        .unwrap();
    let rows = Backend::list(&registry).unwrap();
    let named: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.entry.version,
                row.entry.aliases.join(","),
                row.entry.stage,
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            (1, String::new(), Stage::None),
            (2, "champion".into(), Stage::Staging),
            (3, String::new(), Stage::None)
        ]
    );
    assert!(rows.iter().all(|row| row.facts.is_ok()));
    let shown = Backend::show(&registry, &at("basic@champion")).unwrap();
    assert_eq!((shown.entry.version, shown.files.len()), (2, 2));
    // Both ways of looking say the same.
    let other = registry.show("basic", Some(2)).unwrap();
    assert_eq!((shown.entry, shown.files), (other.entry, other.files));
}
