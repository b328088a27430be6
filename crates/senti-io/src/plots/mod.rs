//! Pictures, drawn by ourselves: a scene of lines, areas and words, written as SVG and as PNG with a font of our own.
//!
//! In come results; out go scenes. Each picture is a file of its own and a row of [`crate::report::OUTPUTS`]; none opens a file. Ours
//! instead of a library's because a picture takes a few milliseconds so, needs no font on the machine, and the page of the service
//! can show the same SVG.

pub(crate) mod axis;
mod error_by_step;
pub(crate) mod font;
mod forecast;
mod history;
mod importance;
mod inline;
pub(crate) mod panel;
mod predictions;
mod raster;
mod sample;
pub(crate) mod scene;
mod svg;

pub use error_by_step::error_by_step;
pub use forecast::forecast;
pub use history::history;
pub use importance::{days, features, shuffled};
pub(crate) use inline::{inline, swatch};
pub use predictions::predictions;
pub use sample::{Moves, Sample, Stretch};
pub use scene::Scene;
pub(crate) use svg::escape;

/// Size of every picture.
const SIZE: (f64, f64) = (1000.0, 560.0);

/// `30 days`, `1 hour`, `5 steps`: how far `n` steps of this many milliseconds reach, in words.
pub(crate) fn reach(n: usize, step: i64) -> String {
    let unit = match step {
        60_000 => "minute",
        3_600_000 => "hour",
        86_400_000 => "day",
        604_800_000 => "week",
        _ => "step",
    };
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {unit}{ending}", axis::grouped(n as f64, 0))
}

/// `20 Feb 2026`, with the time of day where steps are shorter than a day.
pub(crate) fn day(time: senti::table::Time, step: i64) -> String {
    let Ok(stamp) = jiff::Timestamp::from_millisecond(time) else {
        return String::new();
    };
    let form = if step % 86_400_000 == 0 {
        "%-d %b %Y"
    } else {
        "%-d %b %Y %H:%M"
    };
    stamp.strftime(form).to_string()
}
