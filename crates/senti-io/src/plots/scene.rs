//! A picture as a list of lines, areas, dots and words, in units of a pixel at simple size, y downwards.
//!
//! In come shapes; out go SVG (`svg.rs`) and PNG (`raster.rs`) of the same look. Nothing here knows what the shapes mean.

use senti::Result;

use super::font::{self, Weight};
use super::{raster, svg};

/// A place.
pub(crate) type Point = (f64, f64);

/// Red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Color(pub u8, pub u8, pub u8);

/// Paint of the pictures. The strong colours are from Okabe and Ito's palette, which colour-blind people can tell apart.
pub(crate) mod paint {
    use super::Color;

    pub const PAPER: Color = Color(255, 255, 255);
    pub const INK: Color = Color(31, 41, 51);
    pub const MUTED: Color = Color(97, 110, 124);
    pub const GRID: Color = Color(230, 233, 237);
    pub const AXIS: Color = Color(160, 168, 178);
    /// The model.
    pub const BLUE: Color = Color(0, 114, 178);
    /// The naive forecast.
    pub const ORANGE: Color = Color(213, 94, 0);
    pub const GREEN: Color = Color(0, 128, 98);
    /// Further models of a page.
    pub const PURPLE: Color = Color(152, 63, 128);
    pub const OCHRE: Color = Color(138, 105, 0);

    /// What a page calls them: the name of a class, so that a dark page can paint them otherwise.
    pub const NAMES: [(Color, &str); 10] = [
        (PAPER, "paper"),
        (INK, "ink"),
        (MUTED, "muted"),
        (GRID, "grid"),
        (AXIS, "axis"),
        (BLUE, "blue"),
        (ORANGE, "orange"),
        (GREEN, "green"),
        (PURPLE, "purple"),
        (OCHRE, "ochre"),
    ];
}

/// Where the text stands relative to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// Look of a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    pub size: f64,
    pub weight: Weight,
    pub color: Color,
    pub anchor: Anchor,
}

impl Style {
    pub fn new(size: f64, color: Color) -> Self {
        Self {
            size,
            weight: Weight::Regular,
            color,
            anchor: Anchor::Start,
        }
    }

    pub fn bold(self) -> Self {
        Self {
            weight: Weight::Bold,
            ..self
        }
    }

    pub fn anchor(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }
}

/// Look of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub color: Color,
    pub width: f64,
    /// Lengths of dash and gap.
    pub dash: Option<(f64, f64)>,
}

impl Stroke {
    pub fn new(color: Color, width: f64) -> Self {
        Self {
            color,
            width,
            dash: None,
        }
    }

    pub fn dashed(self) -> Self {
        Self {
            dash: Some((5.0, 4.0)),
            ..self
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Item {
    Area {
        points: Vec<Point>,
        fill: Color,
        opacity: f64,
    },
    Line {
        points: Vec<Point>,
        stroke: Stroke,
    },
    Dots {
        points: Vec<Point>,
        radius: f64,
        fill: Color,
        opacity: f64,
    },
    Text {
        /// Left end of the baseline.
        at: Point,
        text: String,
        style: Style,
    },
}

/// A picture.
#[derive(Clone, Debug)]
pub struct Scene {
    pub(crate) width: f64,
    pub(crate) height: f64,
    /// What it shows, for those who cannot see it.
    pub(crate) title: String,
    pub(crate) items: Vec<Item>,
}

impl Scene {
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        Self {
            width,
            height,
            title: title.into(),
            items: Vec::new(),
        }
    }

    /// The picture as SVG. Words are outlines: no font is needed to show it.
    pub fn to_svg(&self) -> String {
        svg::write(self)
    }

    /// The picture as PNG, two dots a pixel.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        raster::png(self, 2.0)
    }

    pub(crate) fn text(&mut self, (x, y): Point, text: &str, style: Style) {
        let width = font::width(style.weight, text, style.size);
        let left = match style.anchor {
            Anchor::Start => x,
            Anchor::Middle => x - width / 2.0,
            Anchor::End => x - width,
        };
        self.items.push(Item::Text {
            at: (left, y),
            text: text.into(),
            style,
        });
    }

    /// A line through the points; it is broken where one is not finite.
    pub(crate) fn line(&mut self, points: &[Point], stroke: Stroke) {
        for run in points.split(|(x, y)| !(x.is_finite() && y.is_finite())) {
            if run.len() > 1 {
                let points = thin(run);
                self.items.push(Item::Line { points, stroke });
            }
        }
    }

    /// The area between two lines over the same x.
    pub(crate) fn band(&mut self, low: &[Point], high: &[Point], fill: Color, opacity: f64) {
        let mut points = thin(high);
        points.extend(thin(low).into_iter().rev());
        let finite = points.iter().all(|(x, y)| x.is_finite() && y.is_finite());
        if finite && points.len() > 2 {
            self.items.push(Item::Area {
                points,
                fill,
                opacity,
            });
        }
    }

    pub(crate) fn rect(&mut self, low: Point, high: Point, fill: Color, opacity: f64) {
        let points = vec![low, (high.0, low.1), high, (low.0, high.1)];
        self.items.push(Item::Area {
            points,
            fill,
            opacity,
        });
    }

    pub(crate) fn dots(&mut self, points: Vec<Point>, radius: f64, fill: Color, opacity: f64) {
        let points = points
            .into_iter()
            .filter(|(x, y)| x.is_finite() && y.is_finite())
            .collect();
        self.items.push(Item::Dots {
            points,
            radius,
            fill,
            opacity,
        });
    }
}

/// Thins out a line whose points lie closer than the eye sees: of those in a column half a pixel wide, the first, lowest, highest
/// and last stay, so that no spike is lost.
fn thin(points: &[Point]) -> Vec<Point> {
    let columns = |point: &Point| (point.0 * 2.0).floor();
    let span = match (points.first(), points.last()) {
        (Some(first), Some(last)) => (columns(last) - columns(first)).abs() + 1.0,
        _ => return Vec::new(),
    };
    if (points.len() as f64) < 4.0 * span {
        return points.to_vec();
    }
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| columns(a) == columns(b)) {
        let extreme = |sign: f64| {
            (0..column.len()).max_by(|a, b| (sign * column[*a].1).total_cmp(&(sign * column[*b].1)))
        };
        let mut picks = [
            0,
            extreme(1.0).unwrap_or(0),
            extreme(-1.0).unwrap_or(0),
            column.len() - 1,
        ];
        picks.sort_unstable();
        let mut before = None;
        for pick in picks {
            if before != Some(pick) {
                kept.push(column[pick]);
            }
            before = Some(pick);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_ends_and_spikes() {
        let mut points: Vec<_> = (0..10_000).map(|i| (f64::from(i) / 100.0, 5.0)).collect();
        points[5_003].1 = 90.0;
        points[7_777].1 = -3.0;
        let kept = thin(&points);
        assert!(kept.len() <= 4 * 201, "{}", kept.len());
        assert_eq!(kept.first(), points.first());
        assert_eq!(kept.last(), points.last());
        assert!(kept.contains(&points[5_003]) && kept.contains(&points[7_777]));
        assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
        let sparse: Vec<_> = (0..50).map(|i| (f64::from(i), 5.0)).collect();
        assert_eq!(thin(&sparse), sparse);
    }

    #[test]
    fn a_line_breaks_at_a_hole() {
        let mut scene = Scene::new(10.0, 10.0, "");
        let points = [
            (0.0, 1.0),
            (1.0, 1.0),
            (2.0, f64::NAN),
            (3.0, 1.0),
            (4.0, 1.0),
        ];
        scene.line(&points, Stroke::new(paint::INK, 1.0));
        assert_eq!(scene.items.len(), 2);
    }
}
