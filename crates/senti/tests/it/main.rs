//! Integration tests of the path, one module a noun.

mod calendar;
mod doors;
mod market;
mod models;
mod table;
