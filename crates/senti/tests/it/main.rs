//! Integration tests of the path.

mod doors;
mod market;
mod models;
