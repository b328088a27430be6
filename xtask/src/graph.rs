//! The rooms: which crate may call which, and where unsafe code may stand.
//!
//! In comes `cargo metadata`; out go the faults. The faces never call each other, and nothing calls downwards (STYLE, "The rooms").

use std::path::Path;

use serde_json::Value;

/// Crates from the bottom up; a crate may depend on those of lower rooms only.
const ROOMS: &[(&str, usize)] = &[
    ("senti-engine", 0),
    ("senti", 1),
    ("senti-io", 2),
    ("senti-cli", 3),
    ("senti-py", 3),
];

/// Crates that are no part of the product: they may call whatever they like.
const WORKSHOP: &[&str] = &["xtask", "senti-bench"];

fn room(name: &str) -> Option<usize> {
    ROOMS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, room)| *room)
}

/// What breaks a rule; empty when all is well.
pub fn faults(metadata: &Value, root: &Path) -> Vec<String> {
    let mut faults = calls(metadata);
    for (name, _) in ROOMS.iter().filter(|(name, _)| *name != "senti-engine") {
        unsafe_code(&root.join("crates").join(name), &mut faults);
    }
    faults
}

fn calls(metadata: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let packages = metadata["packages"].as_array().into_iter().flatten();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(from) = room(name) else {
            if !WORKSHOP.contains(&name) {
                faults.push(format!(
                    "`{name}` stands in no room: add it to xtask/src/graph.rs"
                ));
            }
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let other = dependency["name"].as_str().unwrap_or_default();
            if room(other).is_some_and(|to| to >= from) {
                faults.push(format!(
                    "`{name}` depends on `{other}`: calls go from the faces to the engine only"
                ));
            }
        }
    }
    faults
}

/// Unsafe code outside the engine, comments aside.
fn unsafe_code(folder: &Path, faults: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            unsafe_code(&path, faults);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for (row, line) in text.lines().enumerate() {
                let code = line.split("//").next().unwrap_or_default();
                if ["unsafe {", "unsafe fn", "unsafe impl"]
                    .iter()
                    .any(|word| code.contains(word))
                {
                    faults.push(format!(
                        "{}:{}: unsafe code outside the engine",
                        path.display(),
                        row + 1
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(from: &str, to: &str, wanted: usize) {
        let metadata = json!({"packages": [{"name": from, "dependencies": [{"name": to}]}]});
        assert_eq!(calls(&metadata).len(), wanted, "{from} on {to}");
    }

    #[test]
    fn calls_go_one_way_only() {
        check("senti-cli", "senti-io", 0);
        check("senti", "senti-engine", 0);
        check("senti", "serde", 0);
        check("senti", "senti-io", 1);
        check("senti-engine", "senti", 1);
        check("senti-cli", "senti-py", 1);
        check("senti-misc", "serde", 1);
    }
}
