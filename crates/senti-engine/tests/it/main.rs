//! Tests of the engine, one module for each thing.

mod cases;
mod gradients;
mod random;
mod reference;
