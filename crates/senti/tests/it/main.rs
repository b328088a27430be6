//! Integration tests of the path, one binary.

mod features;
mod metrics;
mod prepare;
