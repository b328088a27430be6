//! Pictures, drawn by ourselves: a scene of lines, areas and words, written as SVG and as PNG with a font of our own.

mod sample;

use senti::Result;

use crate::report::Results;

pub use sample::Sample;

/// A picture.
pub struct Scene {}

impl Scene {
    /// As SVG.
    pub fn to_svg(&self) -> String {
        String::new()
    }

    /// As PNG.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// Recent prices and the forecast fan.
pub fn forecast(_: &Results<'_>) -> Option<Scene> {
    None
}
/// Moves and errors on the test part.
pub fn predictions(_: &Results<'_>) -> Option<Scene> {
    None
}
/// Error and coverage by step.
pub fn error_by_step(_: &Results<'_>) -> Option<Scene> {
    None
}
/// Losses by epoch.
pub fn history(_: &Results<'_>) -> Option<Scene> {
    None
}
