//! MLflow, spoken from Rust: what is said of a run, how it is kept until it has arrived, and the sending.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `record.rs` | a run as plain data, and the limits of a server |
//! | `describe.rs` | what is said of a training, a backtest, a fold |
//! | `store.rs` | a new store in a file, for people without a server |
//! | `export.rs` | everything of a local registry into such a store |
//! | `journal.rs` | a run on disk, line by line, until a server has it |
//!
//! Nothing here prints, and nothing looks at the clock: times come in.

pub mod describe;
pub mod export;
pub mod record;
#[cfg(feature = "mlflow_export")]
pub mod store;
