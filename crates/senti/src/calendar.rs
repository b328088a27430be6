//! The calendar of a series: its step and which slots of the week are open (all of them for a coin, five days for a stock).
//!
//! In come the times of the rows; out goes what the next time is and how many candles are missing between two.

use serde::{Deserialize, Serialize};

/// Step and open slots of a week, learned from the times of the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Milliseconds from one slot to the next.
    step: i64,
    /// Time of any slot modulo the step.
    phase: i64,
    /// One entry a slot of the week, from Thursday 1970-01-01 plus phase on; empty where every slot is open.
    open: Vec<bool>,
}
