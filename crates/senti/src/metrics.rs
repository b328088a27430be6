//! stub
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
/// stub
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// windows scored
    pub windows: usize,
    /// over all cells
    pub overall: BTreeMap<String, Option<f64>>,
    /// one map a step
    pub steps: Vec<BTreeMap<String, Option<f64>>>,
}
