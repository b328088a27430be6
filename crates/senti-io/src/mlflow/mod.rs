//! MLflow: its tracking and its registry, by REST, without Python.
//!
//! [`connection`] says where the server is and who asks; [`api`] holds the calls and what their answers mean.

pub mod api;
pub mod connection;

pub use api::{Api, Refusal};
pub use connection::Connection;
