//! Tests of the engine, one module for each thing.

mod allocation;
mod bits;
mod cases;
mod goldens;
mod gradients;
mod initialise;
mod losses;
mod random;
mod reference;
mod ridge;
mod schedule;
