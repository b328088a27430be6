//! Tests of the engine, one module for each thing.

mod random;
