//! The path of Senti AI: table → features → windows → model → forecast → evaluation.
//!
//! In come rows that somebody else has read; out come artifacts, forecasts and scores. No files, sockets, clock or printing: time,
//! randomness and thread count are arguments, and the same table, plan and seed give the same bits.
//!
//! The whole path:
//!
//! ```
//! use senti::doors::{fit, forecast};
//! use senti::observe::Next;
//! use senti::plan::Draft;
//! use senti::table::{Column, Role, Rows, Table, TableOptions};
//! use senti::{Machine, Provenance};
//!
//! // 200 days of a price that wanders
//! let close: Vec<f64> = (0..200).map(|day| 100.0 + (f64::from(day * day) / 7.0).sin() * 5.0 + f64::from(day) / 10.0).collect();
//! let rows = Rows {
//!     time: (0..200).map(|day| day * 86_400_000).collect(),
//!     line: vec![],
//!     columns: vec![Column { name: "close".into(), role: Role::Close, values: close }],
//! };
//! let (table, found) = Table::from_rows(rows, &TableOptions::default())?;
//! assert_eq!(found.rows, 200);
//!
//! let plan = Draft { forecast_horizon: 3, units: vec![8, 4], epochs: 2, ..Draft::default() }.check()?;
//! let provenance = Provenance { source: "made up".into(), digest: "0".into(), code_version: "example".into(), ..Provenance::default() };
//! let machine = Machine { threads: 1, simd: senti_engine::Simd::detect() };
//! let outcome = fit(&table, &plan, &provenance, machine, None, &mut |_event| Next::Continue)?;
//! assert!(outcome.artifact.manifest.evaluation.naive.overall["mae"].is_some(), "scores stand beside the naive forecast's");
//!
//! // an artifact alone is enough to forecast from fresh rows
//! let again = forecast(&outcome.artifact, &table, machine)?;
//! assert_eq!(again, outcome.forecast);
//! assert_eq!(again.rows.len(), 3);
//! assert_eq!(again.rows[0].time, 200 * 86_400_000, "the first day after the last known one");
//! # Ok::<(), senti::Error>(())
//! ```

pub mod artifact;
pub mod audit;
pub mod backtest;
pub mod calendar;
pub mod calibrate;
pub mod card;
pub mod comparison;
pub mod doors;
pub mod error;
pub mod evaluation;
pub mod features;
pub mod forecast;
pub mod importance;
pub mod imported;
pub mod join;
pub mod matrix;
pub mod memory;
pub mod metrics;
pub mod models;
pub mod observe;
pub mod plan;
pub mod prepare;
pub mod quantiles;
pub mod rivals;
pub mod sentiment;
pub mod split;
pub mod statistics;
pub mod table;
pub mod trained;
pub mod volatility;
pub mod windows;

pub use doors::{Machine, Outcome, Provenance};
pub use error::{Error, ErrorKind, Result};
pub use table::{Column, Role, Table, Time};
