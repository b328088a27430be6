//! stub
use crate::{Error, Result};
/// A row of the table of models.
pub struct Model {
    /// Name as the user types it.
    pub name: &'static str,
    /// One line for the help.
    pub help: &'static str,
}
/// Every model.
pub const MODELS: &[Model] = &[
    Model {
        name: "lstm",
        help: "bidirectional LSTM",
    },
    Model {
        name: "basic",
        help: "ridge regression on the flattened window",
    },
];
/// The model of this name.
pub fn find(name: &str) -> Result<&'static Model> {
    MODELS
        .iter()
        .find(|m| m.name == name)
        .ok_or_else(|| Error::input(format!("`{name}` is no model")))
}
