//! Integration tests of everything that meets the outside world, one module a noun.

mod sources;
