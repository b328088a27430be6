//! Sentiment: how news and posts sound, and what a day of them sounds like.
//!
//! In come posts with their time, author and text; out go a score for each ([`Scorer`]) and features for each day ([`mod@daily`]), made for a
//! join: a day is known at its end. Nothing here opens a file, and no model is learned: the words are in [`lexicon`].

pub mod daily;
pub mod lexicon;
mod score;

pub use daily::{Counted, Day, Options, Post, daily};
pub use score::{Scorer, Tone};
