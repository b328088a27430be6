//! The path of Senti AI: table → features → windows → model → forecast → evaluation.
//! No files, sockets, clock or printing.

pub mod artifact;
pub mod calendar;
pub mod calibrate;
pub mod doors;
pub mod error;
pub mod evaluation;
pub mod features;
pub mod forecast;
pub mod matrix;
pub mod metrics;
pub mod models;
pub mod observe;
pub mod plan;
pub mod prepare;
pub mod quantiles;
pub mod split;
pub mod table;
pub mod windows;

pub use doors::{Machine, Outcome, Provenance};
pub use error::{Error, ErrorKind, Result};
pub use table::{Column, Role, Table, Time};
