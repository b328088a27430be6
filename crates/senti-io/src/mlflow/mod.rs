//! MLflow: its tracking and its registry, by REST, without Python.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `connection.rs` | where the server is and who asks |
//! | `api.rs` | the calls and what their answers mean |
//! | `record.rs` | a run as plain data, and the limits of a server |
//! | `describe.rs` | what is said of a training, a backtest, a fold |
//! | `git.rs`, `system.rs` | what the folder and the machine say beside it |
//! | `store.rs` | a new store in a file, for people without a server |
//! | `export.rs` | everything of a local registry into such a store |
//! | `journal.rs` | a run on disk, line by line, until a server has it |
//! | `batch.rs` | lines as requests, as few as a server allows |
//! | `sender.rs` | sends a journal, from where it was left |
//! | `courier.rs` | the thread that does so while a command works |
//!
//! Nothing here prints. The clock is looked at for timeouts, not for what is said: times of runs and metrics come in.

pub mod api;
pub mod batch;
pub mod connection;
pub mod courier;
pub mod describe;
pub mod export;
pub mod git;
pub mod journal;
pub mod record;
pub mod sender;
#[cfg(feature = "mlflow_export")]
pub mod store;
pub mod system;

pub use api::{Api, Refusal};
pub use connection::Connection;
