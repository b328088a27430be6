//! Files and pictures on a real disk, from models really trained.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod atomic;
mod checkpoint;
mod plots;
mod registry;
mod report;
mod trained;
