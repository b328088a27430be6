//! Everything that opens a file or a socket, or draws: sources, registry, MLflow, export, report.

pub mod sources;
