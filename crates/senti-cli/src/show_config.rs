//! `--show_config`: each value and where it came from.
//!
//! In come settings; out goes a table or a JSON document. Of an address no user and no password is shown.

use serde_json::{Map, json};

use crate::grid::Grid;
use crate::settings::Settings;

/// As a table.
pub fn text(settings: &Settings) -> String {
    let mut grid = Grid::new(&["option", "value", "from"]);
    for (option, setting) in settings.rows() {
        let value = match &setting.value {
            Some(value) => value.shown().to_string(),
            None => format!("({})", option.unset),
        };
        grid.row([option.name.to_owned(), value, setting.origin.to_string()]);
    }
    grid.left()
}

/// As JSON: `{"epochs": {"value": 100, "from": "default"}, …}`.
pub fn json(settings: &Settings) -> serde_json::Value {
    let entries = settings.rows().map(|(option, setting)| {
        let value = setting.value.as_ref().map(|value| value.shown().json());
        let entry = json!({ "value": value, "from": setting.origin.to_string() });
        (option.name.to_owned(), entry)
    });
    serde_json::Value::Object(entries.collect::<Map<_, _>>())
}
