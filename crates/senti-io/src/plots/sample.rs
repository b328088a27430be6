//! What the picture of the test part needs, with bounded memory.
use senti::observe::Chunk;

/// A thinned record of the test windows.
#[derive(Clone, Debug, Default)]
pub struct Sample {}

impl Sample {
    /// Takes note of a chunk.
    pub fn add(&mut self, _chunk: &Chunk<'_>) {}
}
