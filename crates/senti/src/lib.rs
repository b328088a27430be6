//! The path of Senti AI: table → features → windows → model → forecast → evaluation.
//! No files, sockets, clock or printing.

pub mod calendar;
pub mod error;
pub mod table;

pub use error::{Error, ErrorKind, Result};
pub use table::{Column, Role, Table, Time};
