//! Integration tests of the path, one module a noun.

mod calendar;
mod table;
