//! MLflow, spoken from Rust: what is said of a run, how it is kept until it has arrived, and the sending.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `record.rs` | a run as plain data, and the limits of a server |
//! | `describe.rs` | what is said of a training, a backtest, a fold |
//! | `journal.rs` | a run on disk, line by line, until a server has it |
//!
//! Nothing here prints, and nothing looks at the clock: times come in.

pub mod batch;
pub mod describe;
pub mod journal;
pub mod record;
