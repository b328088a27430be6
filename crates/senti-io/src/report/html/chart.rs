//! Charts of a page: lines, bands and bars over one axis, drawn for the width of a desk and of a phone, with a place to point at for
//! every value and a table of the same numbers.
//!
//! In come values; out goes a `figure`. Everything stays visible without the script: places to point at carry their text as `title`.

use std::fmt::Write;

use super::text::{NOTHING, table};
use crate::plots::axis::Axis;
use crate::plots::panel::{Panel, Room};
use crate::plots::scene::{Color, Point, Scene, Stroke, paint};
use crate::plots::{escape, inline, swatch};

/// Most places to point at; more are thinned out evenly, as nobody could hit a single one.
const PLACES: usize = 400;
/// Most rows of the table of numbers.
const ROWS: usize = 200;

/// Colours of further models; the first is the model that the page is about. Orange belongs to the naive forecast.
const COLORS: [Color; 4] = [paint::BLUE, paint::GREEN, paint::PURPLE, paint::OCHRE];

/// Look of the n-th model: colours first, then dashes.
pub(super) fn look(index: usize) -> Stroke {
    let stroke = Stroke::new(COLORS[index % COLORS.len()], 2.0);
    match index / COLORS.len() {
        0 => stroke,
        1 => stroke.dashed(),
        _ => Stroke {
            dash: Some((1.5, 3.0)),
            ..stroke
        },
    }
}

/// The naive forecast's look.
pub(super) fn naive_look() -> Stroke {
    Stroke::new(paint::ORANGE, 1.8)
}

/// What stands along the bottom.
pub(super) enum Across {
    /// Milliseconds, of candles of this step.
    Time(i64),
    /// Whole numbers: steps ahead, epochs.
    Counts,
    /// 0 to 100 %.
    Percent,
}

/// What stands along the side.
pub(super) enum Up {
    /// Around the data and these values, with this ending on the labels.
    Around(Vec<f64>, &'static str),
    /// Between these values.
    Between(f64, f64, &'static str),
    /// Positive data over several powers of ten.
    Logarithmic,
}

/// A line; a value that is not finite is a hole.
pub(super) struct Line {
    pub name: String,
    pub points: Vec<Point>,
    pub stroke: Stroke,
    /// Single points are marked.
    pub dots: bool,
}

/// An area between two lines over the same places.
pub(super) struct Band {
    pub name: String,
    pub low: Vec<Point>,
    pub high: Vec<Point>,
    pub color: Color,
    pub opacity: f64,
}

/// A line across the whole chart; one without a name is in no legend.
pub(super) struct Level {
    pub name: String,
    pub value: f64,
    pub stroke: Stroke,
}

/// A bar from 0 to its value, with what is told of it, line by line.
pub(super) struct Bar {
    pub from: f64,
    pub to: f64,
    pub value: f64,
    pub told: Vec<String>,
}

/// How much room a chart gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Size {
    /// The width of the page; on a phone another drawing takes its place.
    Full,
    /// Half of it.
    Half,
}

/// How a number is written.
pub(super) type Told<'c> = Box<dyn Fn(f64) -> String + 'c>;

/// A chart.
pub(super) struct Chart<'c> {
    pub title: String,
    /// How to read it.
    pub reading: String,
    pub x: Across,
    pub x_title: String,
    pub y: Up,
    pub y_title: String,
    pub bands: Vec<Band>,
    pub lines: Vec<Line>,
    pub levels: Vec<Level>,
    pub bars: Vec<Bar>,
    /// Lines from top to bottom.
    pub uprights: Vec<(f64, Stroke)>,
    /// What a place along the bottom is called.
    pub place: Told<'c>,
    /// A value with its unit.
    pub told: Told<'c>,
    /// Unit of the values, where `told` does not write it.
    pub unit: String,
    pub size: Size,
}

/// What is told of one place.
struct Place<'c> {
    x: f64,
    bands: Vec<(&'c Band, f64, f64)>,
    lines: Vec<(&'c Line, f64)>,
}

impl Chart<'_> {
    /// The figure; nothing where there is no value to show.
    pub fn figure(&self) -> String {
        let bars = self.whole_bars().next().is_some();
        let points = self.lines.iter().flat_map(|line| &line.points);
        if !bars
            && !points
                .into_iter()
                .any(|(x, y)| x.is_finite() && y.is_finite())
        {
            return String::new();
        }
        let class = match self.size {
            Size::Full => "chart",
            Size::Half => "chart half",
        };
        let mut out = format!(
            "<figure class=\"{class}\">\n<figcaption><strong>{}</strong> {}</figcaption>\n",
            escape(&self.title),
            escape(&self.reading)
        );
        self.legend(&mut out);
        match self.size {
            Size::Full => {
                out += &self.draw(920.0, 380.0, "wide");
                out += &self.draw(380.0, 320.0, "narrow");
            }
            Size::Half => out += &self.draw(440.0, 300.0, "only"),
        }
        out += &self.numbers();
        out.push_str("</figure>\n");
        out
    }

    /// Bars that have a height.
    fn whole_bars(&self) -> impl Iterator<Item = &Bar> {
        self.bars.iter().filter(|bar| bar.value.is_finite())
    }

    fn legend(&self, out: &mut String) {
        let mut rows = Vec::new();
        for line in &self.lines {
            rows.push((swatch(Some(line.stroke), None), &line.name));
        }
        // Inner bands are painted over the outer ones: the legend shows what the eye sees.
        let mut seen = 0.0;
        let mut bands = Vec::new();
        for band in &self.bands {
            seen = 1.0 - (1.0 - seen) * (1.0 - band.opacity);
            bands.push((swatch(None, Some((band.color, seen))), &band.name));
        }
        rows.extend(bands.into_iter().rev());
        for level in self.levels.iter().filter(|level| !level.name.is_empty()) {
            rows.push((swatch(Some(level.stroke), None), &level.name));
        }
        if rows.len() < 2 && self.bands.is_empty() && self.levels.is_empty() {
            return;
        }
        out.push_str("<ul class=\"legend\">");
        for (mark, name) in rows {
            let _ = write!(out, "<li>{mark}{}</li>", escape(name));
        }
        out.push_str("</ul>\n");
    }

    fn axes(&self, width: f64) -> (Axis, Axis) {
        let xs = || {
            let lines = self.lines.iter().flat_map(|line| &line.points);
            let bands = self.bands.iter().flat_map(|band| &band.high);
            lines.chain(bands).map(|(x, _)| *x)
        };
        let low = xs().fold(f64::INFINITY, f64::min);
        let high = xs().fold(f64::NEG_INFINITY, f64::max);
        let x = match self.x {
            Across::Time(step) => {
                let wanted = if width > 600.0 { 8 } else { 4 };
                Axis::time(low as i64, high as i64, wanted, step)
            }
            Across::Counts => {
                let wanted = if width > 600.0 { 12 } else { 6 };
                Axis::counts(low.max(0.0) as usize, high.max(0.0) as usize, wanted)
            }
            Across::Percent => Axis::between(0.0, 100.0, 5, " %"),
        };
        let ys = || {
            let lines = self.lines.iter().flat_map(|line| &line.points);
            let bands = self
                .bands
                .iter()
                .flat_map(|band| band.low.iter().chain(&band.high));
            let bars = self.bars.iter().map(|bar| bar.value);
            lines.chain(bands).map(|(_, y)| *y).chain(bars)
        };
        let y = match &self.y {
            Up::Around(with, ending) => {
                Axis::linear(ys().chain(with.iter().copied()), 0.06, 5, ending)
            }
            Up::Between(low, high, ending) => Axis::between(*low, *high, 5, ending),
            Up::Logarithmic => Axis::logarithmic(ys().filter(|y| *y > 0.0), ""),
        };
        (x, y)
    }

    fn draw(&self, width: f64, height: f64, class: &str) -> String {
        let mut scene = Scene::new(width, height, &self.title);
        let (x, y) = self.axes(width);
        // Half of the last label stands out to the right, in a font that may be wider than ours.
        let half = match self.x {
            Across::Percent => 26.0,
            Across::Time(_) | Across::Counts => 18.0,
        };
        let room = Room {
            left: 2.0,
            top: 4.0,
            right: width - half,
            bottom: height - 2.0,
        };
        let panel = Panel::draw(&mut scene, room, x, y, &self.x_title, &self.y_title);
        let frame = panel.frame;
        for bar in self.whole_bars() {
            let (left, right) = (panel.x_of(bar.from), panel.x_of(bar.to));
            let gap = ((right - left) * 0.06).min(1.0);
            scene.rect(
                (left + gap, panel.y_of(0.0)),
                (right - gap, panel.y_of(bar.value)),
                paint::BLUE,
                0.75,
            );
        }
        for band in &self.bands {
            let (low, high) = (panel.places(&band.low), panel.places(&band.high));
            scene.band(&low, &high, band.color, band.opacity);
        }
        for (x, stroke) in &self.uprights {
            let x = panel.x_of(*x);
            scene.line(&[(x, frame.top), (x, frame.bottom)], *stroke);
        }
        for level in &self.levels {
            panel.level(&mut scene, level.value, level.stroke);
        }
        // The first line is the most important one, so it is drawn last.
        for line in self.lines.iter().rev() {
            let places = panel.places(&line.points);
            scene.line(&places, line.stroke);
            let lone = places.len() == 1;
            if lone || line.dots && (places.len() as f64) < width / 12.0 {
                let radius = if lone { 4.0 } else { 2.6 };
                scene.dots(places, radius, line.stroke.color, 1.0);
            }
        }
        let over = if self.bars.is_empty() {
            self.hits(&panel)
        } else {
            self.bar_hits(&panel)
        };
        inline(&scene, class, &over)
    }

    /// Every place where a line has a value, from left to right.
    fn places(&self) -> Vec<Place<'_>> {
        let mut xs: Vec<f64> = self
            .lines
            .iter()
            .flat_map(|line| line.points.iter().map(|(x, _)| *x))
            .filter(|x| x.is_finite())
            .collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        let at = |points: &[Point], x: f64| {
            let place = points.partition_point(|(other, _)| *other < x);
            let found = points.get(place).filter(|(other, _)| *other == x);
            found.map(|(_, y)| *y).filter(|y| y.is_finite())
        };
        xs.into_iter()
            .map(|x| Place {
                x,
                bands: self
                    .bands
                    .iter()
                    .filter_map(|band| Some((band, at(&band.low, x)?, at(&band.high, x)?)))
                    .collect(),
                lines: self
                    .lines
                    .iter()
                    .filter_map(|line| Some((line, at(&line.points, x)?)))
                    .collect(),
            })
            .filter(|place| !place.lines.is_empty())
            .collect()
    }

    fn hits(&self, panel: &Panel) -> String {
        let places = self.places();
        let every = places.len().div_ceil(PLACES).max(1);
        let places: Vec<_> = places.iter().step_by(every).collect();
        let frame = panel.frame;
        let mut out = String::new();
        for (index, place) in places.iter().enumerate() {
            let x = panel.x_of(place.x);
            let before = index
                .checked_sub(1)
                .map(|index| panel.x_of(places[index].x));
            let after = places.get(index + 1).map(|place| panel.x_of(place.x));
            let left = before.map_or(frame.left, |before| (before + x) / 2.0);
            let right = after.map_or(frame.right, |after| (x + after) / 2.0);
            let mut told = vec![(self.place)(place.x)];
            let mut dots = Vec::new();
            for (line, y) in &place.lines {
                told.push(format!("{}: {}", line.name, (self.told)(*y)));
                dots.push((panel.y_of(*y), line.stroke.color));
            }
            for (band, low, high) in place.bands.iter().rev() {
                told.push(format!(
                    "{}: {} to {}",
                    band.name,
                    (self.told)(*low),
                    (self.told)(*high)
                ));
            }
            if !self.unit.is_empty() {
                told.push(self.unit.clone());
            }
            push_hit(
                &mut out,
                (left, frame.top),
                (right, frame.bottom),
                x,
                &dots,
                &told,
            );
        }
        out
    }

    fn bar_hits(&self, panel: &Panel) -> String {
        let mut out = String::new();
        for bar in self.whole_bars() {
            let (left, right) = (panel.x_of(bar.from), panel.x_of(bar.to));
            push_hit(
                &mut out,
                (left, panel.frame.top),
                (right, panel.frame.bottom),
                (left + right) / 2.0,
                &[(panel.y_of(bar.value), paint::BLUE)],
                &bar.told,
            );
        }
        out
    }

    /// The same as a table, for those who cannot see or point.
    fn numbers(&self) -> String {
        let mut head = vec![self.x_title.clone()];
        let mut rows: Vec<Vec<String>> = Vec::new();
        if self.bars.is_empty() {
            head.extend(self.lines.iter().map(|line| line.name.clone()));
            head.extend(self.bands.iter().rev().map(|band| band.name.clone()));
            let places = self.places();
            let every = places.len().div_ceil(ROWS).max(1);
            for place in places.iter().step_by(every) {
                let mut row = vec![(self.place)(place.x)];
                for line in &self.lines {
                    let found = place.lines.iter().find(|(l, _)| std::ptr::eq(*l, line));
                    row.push(found.map_or(NOTHING.into(), |(_, y)| (self.told)(*y)));
                }
                for band in self.bands.iter().rev() {
                    let found = place.bands.iter().find(|(b, ..)| std::ptr::eq(*b, band));
                    row.push(found.map_or(NOTHING.into(), |(_, low, high)| {
                        format!("{} to {}", (self.told)(*low), (self.told)(*high))
                    }));
                }
                rows.push(row);
            }
        } else {
            head.push(self.y_title.clone());
            for bar in self.whole_bars() {
                let place = bar.told.first().cloned().unwrap_or_default();
                rows.push(vec![place, (self.told)(bar.value)]);
            }
        }
        format!(
            "<details class=\"numbers\"><summary>The numbers</summary>{}</details>\n",
            table(&self.title, &head, &rows)
        )
    }
}

/// A place to point at, from corner to corner: where the cursor stands, the dots on it, and what is told, line by line.
pub(super) fn push_hit(
    out: &mut String,
    low: Point,
    high: Point,
    x: f64,
    dots: &[(f64, Color)],
    told: &[String],
) {
    let short = |value: f64| (value * 10.0).round() / 10.0;
    let dots: Vec<String> = dots
        .iter()
        .filter(|(y, _)| y.is_finite())
        .map(|(y, color)| {
            let name = paint::NAMES.iter().find(|(known, _)| known == color);
            format!("{},{}", short(*y), name.map_or("ink", |(_, name)| name))
        })
        .collect();
    let _ = writeln!(
        out,
        "<rect class=\"hit\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" data-x=\"{}\" data-dots=\"{}\"><title>{}</title></rect>",
        short(low.0),
        short(low.1),
        short((high.0 - low.0).max(0.1)),
        short((high.1 - low.1).max(0.1)),
        short(x),
        dots.join(" "),
        told.iter()
            .map(|line| escape(line))
            .collect::<Vec<_>>()
            .join("\n")
    );
}
