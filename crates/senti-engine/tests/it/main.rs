//! Tests of the engine, one module for each thing.

// A test may fail by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

mod allocation;
mod bits;
mod boosting;
mod cases;
mod goldens;
mod gradients;
mod initialise;
mod inputs;
mod losses;
mod random;
mod reference;
mod ridge;
mod schedule;
mod team;
