//! Scores of a model on windows it never saw, always beside the naive forecast on the same windows.

use serde::{Deserialize, Serialize};

use crate::metrics::Scores;

/// Model and naive on the test part, in original units.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The model.
    pub model: Scores,
    /// Last close, with quantiles from the training part's moves.
    pub naive: Scores,
}
