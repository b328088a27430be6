//! Integration tests of the path, one module a noun.

mod calendar;
mod features;
mod features_table;
mod metrics;
mod prepare;
mod table;
