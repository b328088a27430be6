//! Pictures of what a model looks at: a row for each feature or group, the most important above.
//!
//! In comes an [`Importance`]; out go scenes. Each picture is a file of its own; here is what they share: rows of names with bars.

mod days;
mod features;
mod shuffled;

pub use days::days;
pub use features::features;
pub use shuffled::shuffled;

use senti::importance::Importance;

use super::axis::Axis;
use super::font::{self, Weight};
use super::panel::{SMALL, cut};
use super::scene::{Anchor, Color, Scene, Stroke, Style, paint};

/// Rows that a picture has room for; the rest is in the files.
const MOST_ROWS: usize = 24;

/// The widest that names may be.
const NAMES: f64 = 190.0;

/// Rows of a picture between two heights.
#[derive(Clone, Copy)]
struct Rows {
    top: f64,
    height: f64,
    n: usize,
}

impl Rows {
    /// `n` rows (at most [`MOST_ROWS`]) between these heights, none higher than a finger.
    fn between(top: f64, bottom: f64, n: usize) -> Self {
        let n = n.clamp(1, MOST_ROWS);
        let height = whole_dots(((bottom - top) / n as f64).min(34.0));
        Self {
            top: whole_dots(top),
            height,
            n,
        }
    }

    /// Upper edge of a row.
    fn edge(self, row: usize) -> f64 {
        self.top + self.height * row as f64
    }

    /// Middle of a row.
    fn middle(self, row: usize) -> f64 {
        self.edge(row) + self.height / 2.0
    }

    fn bottom(self) -> f64 {
        self.edge(self.n)
    }
}

/// Down to whole dots of the PNG, which has two for a pixel: edges are sharp so, and the file is smaller.
fn whole_dots(length: f64) -> f64 {
    (2.0 * length).floor() / 2.0
}

/// Size of words that fits into the rows.
fn size_of(rows: Rows) -> f64 {
    SMALL.min(rows.height - 4.0).max(8.0)
}

/// Writes names to the left of the rows, beginning at `left`, and returns where what they name may begin.
fn names(scene: &mut Scene, rows: Rows, left: f64, names: &[&str]) -> f64 {
    let size = size_of(rows);
    let names: Vec<String> = (names.iter().take(rows.n))
        .map(|name| cut(name, Weight::Regular, size, NAMES))
        .collect();
    let widths = names
        .iter()
        .map(|name| font::width(Weight::Regular, name, size));
    let widest = widths.fold(0.0, f64::max);
    let style = Style::new(size, paint::INK).anchor(Anchor::End);
    for (row, name) in names.iter().enumerate() {
        scene.text((left + widest, rows.middle(row) + size * 0.36), name, style);
    }
    left + widest + 8.0
}

/// A bar, and the interval of its length where it has one.
#[derive(Clone, Copy)]
struct Bar {
    length: f64,
    interval: Option<(f64, f64)>,
}

/// Draws bars into the rows between two places, with an axis below and a title above.
fn bars(
    scene: &mut Scene,
    rows: Rows,
    (left, right): (f64, f64),
    bars: &[Bar],
    color: Color,
    ending: &str,
    title: &str,
) {
    let bars = &bars[..bars.len().min(rows.n)];
    let reach = bars.iter().flat_map(|bar| {
        let (low, high) = bar.interval.unwrap_or((bar.length, bar.length));
        [bar.length, low, high]
    });
    let reach: Vec<f64> = reach.chain([0.0]).collect();
    let axis = match reach.iter().any(|&length| length != 0.0) {
        true => Axis::linear(reach, 0.04, 4, ending),
        // Nothing at all still has a scale.
        false => Axis::between(0.0, 1.0, 2, ending),
    };
    let x = |value: f64| left + axis.place(value).clamp(0.0, 1.0) * (right - left);
    let label = Style::new(SMALL, paint::MUTED).anchor(Anchor::Middle);
    for tick in &axis.ticks {
        let x = x(tick.value);
        scene.line(
            &[(x, rows.top), (x, rows.bottom())],
            Stroke::new(paint::GRID, 1.0),
        );
        let half = font::width(Weight::Regular, &tick.label, SMALL) / 2.0;
        if x - half > left - 16.0 && x + half < right + 14.0 {
            scene.text((x, rows.bottom() + 17.0), &tick.label, label);
        }
    }
    let thick = (rows.height * 0.62).min(16.0);
    for (row, bar) in bars.iter().enumerate() {
        let middle = rows.middle(row);
        let (from, to) = (x(bar.length.min(0.0)), x(bar.length.max(0.0)));
        scene.rect(
            (from, middle - thick / 2.0),
            (to, middle + thick / 2.0),
            color,
            0.85,
        );
        if let Some((low, high)) = bar.interval {
            let stroke = Stroke::new(paint::INK, 1.2);
            scene.line(&[(x(low), middle), (x(high), middle)], stroke);
            for end in [low, high] {
                scene.line(&[(x(end), middle - 3.0), (x(end), middle + 3.0)], stroke);
            }
        }
    }
    let zero = x(0.0);
    scene.line(
        &[(zero, rows.top), (zero, rows.bottom())],
        Stroke::new(paint::AXIS, 1.0),
    );
    scene.text(
        (left, rows.top - 10.0),
        title,
        Style::new(SMALL, paint::INK).bold(),
    );
}

/// Says below the names what the picture has no room for.
fn left_out(scene: &mut Scene, all: usize) {
    if let Some(n @ 1..) = all.checked_sub(MOST_ROWS) {
        let style = Style::new(SMALL, paint::MUTED);
        let text = format!("{n} more in the CSV");
        scene.text((24.0, super::SIZE.1 - 4.0), &text, style);
    }
}

/// On how many windows it was measured.
fn on_windows(found: &Importance) -> String {
    let measured = &found.measured;
    format!(
        "{} held-out windows, {} to {}",
        super::axis::grouped(measured.windows as f64, 0),
        super::day(measured.first_origin, measured.step),
        super::day(measured.last_origin, measured.step)
    )
}
