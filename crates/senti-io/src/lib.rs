//! Everything of Senti AI that opens a file or a socket, or draws.

pub mod atomic;
pub mod checkpoint;
pub mod plots;
pub mod registry;
pub mod report;
pub mod weights;
