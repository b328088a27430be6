//! MLflow, spoken from Rust by REST: what is said of a run, how it is kept until it has arrived, and the sending.
//!
//! | file | what it owns |
//! | --- | --- |
//! | `connection.rs` | where the server is and who asks |
//! | `api.rs` | the calls, and what their answers mean |
//! | `record.rs` | a run as plain data, and the limits of a server |
//! | `describe.rs` | what is said of a training, a backtest, a fold |
//! | `journal.rs` | a run on disk, line by line, until a server has it |
//!
//! Nothing here prints, and nothing looks at the clock: times come in.

pub mod api;
pub mod connection;
pub mod describe;
pub mod record;

pub use api::{Api, Refusal};
pub use connection::Connection;
