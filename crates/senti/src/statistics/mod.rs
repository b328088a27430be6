//! Tests and intervals: is a difference, a coverage, a hit rate or a Sharpe ratio more than luck?
//!
//! In come slices of losses, hits or returns, one value an origin in order; out go statistics and p values. Every function carries its
//! source. Nothing here knows a model, a price or a date, and a value that does not exist is `None`.

pub mod comparison;
pub mod coverage;
pub mod direction;
pub mod distribution;
pub mod many;
pub mod sharpe;
