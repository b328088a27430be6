//! Integration tests of the path, one module a noun.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod audit;
mod backtest;
mod calendar;
mod card;
mod doors;
mod earned;
mod features;
mod features_table;
mod importance;
mod imported;
mod join;
mod market;
mod metrics;
mod models;
mod prepare;
mod rivals;
mod sentiment;
mod sets;
mod statistics;
mod table;
mod volatility;
