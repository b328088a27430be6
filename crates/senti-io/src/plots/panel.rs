//! A panel: a frame with two axes that data are drawn into.
//!
//! In come two [`Axis`] and the room on the paper; out goes a [`Panel`] that turns values into places. Labels of the vertical axis
//! stand to the left, its title above it, upright: nobody has to turn the head.

use super::axis::Axis;
use super::font::{self, Weight};
use super::scene::{Anchor, Color, Point, Scene, Stroke, Style, paint};

/// Size of labels.
pub(crate) const SMALL: f64 = 12.0;
const TITLE: f64 = 17.0;

/// Room on the paper.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// A frame with axes.
pub(crate) struct Panel {
    /// Where the data stand.
    pub frame: Room,
    x: Axis,
    y: Axis,
}

impl Panel {
    /// Draws grid, ticks and titles into the room; what is left is the frame.
    pub fn draw(
        scene: &mut Scene,
        room: Room,
        x: Axis,
        y: Axis,
        x_title: &str,
        y_title: &str,
    ) -> Self {
        let widest = y
            .ticks
            .iter()
            .map(|tick| font::width(Weight::Regular, &tick.label, SMALL))
            .fold(0.0, f64::max);
        let two_lines = x.ticks.iter().any(|tick| tick.below.is_some());
        let title_height = if x_title.is_empty() { 0.0 } else { 19.0 };
        let frame = Room {
            left: room.left + widest + 10.0,
            top: room.top + 22.0,
            right: room.right,
            bottom: room.bottom - 22.0 - if two_lines { 15.0 } else { 0.0 } - title_height,
        };
        let panel = Self { frame, x, y };
        let label = Style::new(SMALL, paint::MUTED);

        for tick in &panel.y.ticks {
            let y = panel.y_of(tick.value);
            scene.line(
                &[(frame.left, y), (frame.right, y)],
                Stroke::new(paint::GRID, 1.0),
            );
            scene.text(
                (frame.left - 8.0, y + SMALL * 0.36),
                &tick.label,
                label.anchor(Anchor::End),
            );
        }
        let mut free = f64::NEG_INFINITY;
        for tick in &panel.x.ticks {
            let x = panel.x_of(tick.value);
            let half = font::width(Weight::Regular, &tick.label, SMALL) / 2.0;
            // Labels never touch each other.
            if x - half < free {
                continue;
            }
            free = x + half + 8.0;
            scene.line(
                &[(x, frame.bottom), (x, frame.bottom + 4.0)],
                Stroke::new(paint::AXIS, 1.0),
            );
            let middle = label.anchor(Anchor::Middle);
            scene.text((x, frame.bottom + 17.0), &tick.label, middle);
            if let Some(below) = &tick.below {
                scene.text((x, frame.bottom + 32.0), below, middle.bold());
            }
        }
        scene.line(
            &[(frame.left, frame.bottom), (frame.right, frame.bottom)],
            Stroke::new(paint::AXIS, 1.0),
        );
        scene.text(
            (room.left, room.top + 8.0),
            y_title,
            Style::new(SMALL, paint::INK).bold(),
        );
        scene.text(
            ((frame.left + frame.right) / 2.0, room.bottom - 3.0),
            x_title,
            label.anchor(Anchor::Middle),
        );
        panel
    }

    pub fn x_of(&self, value: f64) -> f64 {
        self.frame.left + self.x.place(value) * (self.frame.right - self.frame.left)
    }

    pub fn y_of(&self, value: f64) -> f64 {
        self.frame.bottom - self.y.place(value) * (self.frame.bottom - self.frame.top)
    }

    pub fn place(&self, (x, y): Point) -> Point {
        (self.x_of(x), self.y_of(y))
    }

    pub fn places<'p>(&self, points: impl IntoIterator<Item = &'p Point>) -> Vec<Point> {
        points.into_iter().map(|point| self.place(*point)).collect()
    }

    /// A line across the frame at this value of y.
    pub fn level(&self, scene: &mut Scene, value: f64, stroke: Stroke) {
        let y = self.y_of(value);
        scene.line(&[(self.frame.left, y), (self.frame.right, y)], stroke);
    }
}

/// Title and a line below it that tells how to read the picture; returns where the room below begins.
pub(crate) fn heading(scene: &mut Scene, title: &str, reading: &str) -> f64 {
    let left = 24.0;
    let room = scene.width - 2.0 * left;
    scene.text(
        (left, 34.0),
        &cut(title, Weight::Bold, TITLE, room),
        Style::new(TITLE, paint::INK).bold(),
    );
    scene.text(
        (left, 54.0),
        &cut(reading, Weight::Regular, 13.0, room),
        Style::new(13.0, paint::MUTED),
    );
    78.0
}

/// Text that fits into `room`, with an ellipsis where it had to be cut.
pub(crate) fn cut(text: &str, weight: Weight, size: f64, room: f64) -> String {
    if font::width(weight, text, size) <= room {
        return text.into();
    }
    let mut out: String = text.into();
    while !out.is_empty() && font::width(weight, &out, size) + size > room {
        out.pop();
    }
    out.push('…');
    out
}

/// How a row of the legend is marked.
#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Line(Stroke),
    Area(Color, f64),
    Dot(Color),
}

/// A legend in one line, beginning at a place.
pub(crate) fn legend(scene: &mut Scene, (mut x, y): Point, rows: &[(Mark, &str)]) {
    for (mark, text) in rows {
        match mark {
            Mark::Line(stroke) => scene.line(&[(x, y - 4.0), (x + 22.0, y - 4.0)], *stroke),
            Mark::Area(color, opacity) => {
                scene.rect((x, y - 10.0), (x + 22.0, y + 2.0), *color, *opacity);
            }
            Mark::Dot(color) => scene.dots(vec![(x + 11.0, y - 4.0)], 4.0, *color, 1.0),
        }
        scene.text((x + 28.0, y), text, Style::new(SMALL, paint::INK));
        x += 28.0 + font::width(Weight::Regular, text, SMALL) + 20.0;
    }
}

/// Room that [`legend`] takes.
pub(crate) fn legend_width(rows: &[(Mark, &str)]) -> f64 {
    let row = |(_, text): &(Mark, &str)| 28.0 + font::width(Weight::Regular, text, SMALL) + 20.0;
    rows.iter().map(row).sum::<f64>() - 20.0
}

/// Moves labels apart that would overlap, keeping their order and staying between `top` and `bottom`. Places of baselines.
pub(crate) fn spread(wanted: &mut [f64], gap: f64, top: f64, bottom: f64) {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let mut least = top;
    for &index in &order {
        wanted[index] = wanted[index].max(least);
        least = wanted[index] + gap;
    }
    let mut most = bottom;
    for &index in order.iter().rev() {
        wanted[index] = wanted[index].min(most);
        most = wanted[index] - gap;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_move_apart() {
        let mut places = [50.0, 51.0, 10.0, 99.0];
        spread(&mut places, 10.0, 0.0, 95.0);
        assert_eq!(places, [50.0, 60.0, 10.0, 95.0]);
        let mut places = [90.0, 91.0, 92.0];
        spread(&mut places, 10.0, 0.0, 95.0);
        assert_eq!(places, [75.0, 85.0, 95.0]);
    }

    #[test]
    fn long_titles_are_cut() {
        assert_eq!(cut("short", Weight::Bold, 17.0, 900.0), "short");
        let long = cut(&"x".repeat(500), Weight::Bold, 17.0, 900.0);
        assert!(long.ends_with('…') && font::width(Weight::Bold, &long, 17.0) <= 905.0);
    }
}
