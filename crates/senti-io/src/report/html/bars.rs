//! Lying bars with whiskers: how much features matter.
//!
//! In come names and values; out goes a `figure`, longest names cut, every bar a place to point at.

use super::chart::push_hit;
use super::page::{Importance, ImportanceRow};
use super::text::{NOTHING, table};
use crate::plots::axis::{Axis, grouped};
use crate::plots::font::{self, Weight};
use crate::plots::panel::{SMALL, cut};
use crate::plots::scene::{Anchor, Scene, Stroke, Style, paint};
use crate::plots::{escape, inline};

/// Most bars drawn; the table below holds the rest.
const BARS: usize = 25;

/// The figure; nothing where no value is a number.
pub(super) fn importance(importance: &Importance) -> String {
    let shown: Vec<_> = importance
        .rows
        .iter()
        .filter(|row| row.value.is_finite())
        .take(BARS)
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    let more = match importance.rows.len() - shown.len() {
        0 => String::new(),
        more => format!(" {more} more are in the table."),
    };
    let whiskers = if shown.iter().any(|row| row.interval.is_some()) {
        " Whiskers are intervals."
    } else {
        ""
    };
    let mut out = format!(
        "<figure class=\"chart\">\n<figcaption><strong>{}</strong> {}.{whiskers}{more}</figcaption>\n",
        escape(&importance.title),
        escape(&importance.unit)
    );
    for (width, class, row) in [(920.0, "wide", 24.0), (380.0, "narrow", 38.0)] {
        let height = 34.0 + row * shown.len() as f64;
        let mut scene = Scene::new(width, height, &importance.title);
        let over = draw(&mut scene, importance, &shown, row);
        out += &inline(&scene, class, &over);
    }
    let head = ["feature", "value", "low", "high"].map(String::from);
    let rows: Vec<_> = importance
        .rows
        .iter()
        .map(|row| {
            let [low, high] = match finite(row.interval) {
                Some((low, high)) => [told(low), told(high)],
                None => [NOTHING.into(), NOTHING.into()],
            };
            vec![row.name.clone(), told(row.value), low, high]
        })
        .collect();
    out += &format!(
        "<details class=\"numbers\"><summary>The numbers</summary>{}</details>\n</figure>\n",
        table(&importance.unit, &head, &rows)
    );
    out
}

/// Rows this high; names stand beside their bars where there is room, above them on a phone.
fn draw(
    scene: &mut Scene,
    importance: &Importance,
    shown: &[&ImportanceRow],
    row_height: f64,
) -> String {
    let (width, height) = (scene.width, scene.height);
    let beside = width > 600.0;
    let most = if beside { 280.0 } else { width * 0.8 };
    let names: Vec<_> = shown
        .iter()
        .map(|row| cut(&row.name, Weight::Regular, SMALL, most))
        .collect();
    let widest = names
        .iter()
        .map(|name| font::width(Weight::Regular, name, SMALL))
        .fold(0.0, f64::max);
    let values = shown.iter().flat_map(|row| {
        let (low, high) = finite(row.interval).unwrap_or((row.value, row.value));
        [row.value, low, high]
    });
    let ticks = if beside { 7 } else { 4 };
    let axis = Axis::linear(values.chain([0.0]), 0.03, ticks, "");
    // The reader's font may be wider than ours.
    let left = if beside { 1.16 * widest + 14.0 } else { 14.0 };
    let right = width - 14.0;
    let x_of = |value: f64| left + axis.place(value) * (right - left);
    let bottom = height - 24.0;
    for tick in &axis.ticks {
        let x = x_of(tick.value);
        scene.line(&[(x, 4.0), (x, bottom)], Stroke::new(paint::GRID, 1.0));
        let style = Style::new(SMALL, paint::MUTED).anchor(Anchor::Middle);
        scene.text((x, bottom + 17.0), &tick.label, style);
    }
    let zero = x_of(0.0);
    let mut over = String::new();
    for (index, (row, name)) in shown.iter().zip(&names).enumerate() {
        let top = 6.0 + row_height * index as f64;
        let middle = top + row_height - 12.0;
        let style = Style::new(SMALL, paint::INK);
        if beside {
            let at = (left - 8.0, middle + SMALL * 0.36);
            scene.text(at, name, style.anchor(Anchor::End));
        } else {
            scene.text((2.0, top + 11.0), name, style);
        }
        let end = x_of(row.value);
        scene.rect(
            (zero.min(end), middle - 7.0),
            (zero.max(end).max(zero.min(end) + 0.5), middle + 7.0),
            paint::BLUE,
            0.75,
        );
        let mut lines = vec![row.name.clone(), told(row.value)];
        if let Some((low, high)) = finite(row.interval) {
            let (from, to) = (x_of(low), x_of(high));
            let stroke = Stroke::new(paint::INK, 1.4);
            scene.line(&[(from, middle), (to, middle)], stroke);
            for x in [from, to] {
                scene.line(&[(x, middle - 4.0), (x, middle + 4.0)], stroke);
            }
            lines.push(format!("{} to {}", told(low), told(high)));
        }
        lines.push(importance.unit.clone());
        push_hit(
            &mut over,
            (0.0, top),
            (width, top + row_height),
            end,
            &[(middle, paint::BLUE)],
            &lines,
        );
    }
    scene.line(
        &[(zero, 4.0), (zero, bottom)],
        Stroke::new(paint::AXIS, 1.0),
    );
    // The cursor of a lying bar is its dot alone.
    over.replace("class=\"hit\"", "class=\"hit\" data-flat=\"1\"")
}

fn finite(interval: Option<(f64, f64)>) -> Option<(f64, f64)> {
    interval.filter(|(low, high)| low.is_finite() && high.is_finite())
}

/// Three digits that count.
fn told(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.into();
    }
    let size = value.abs();
    let decimals = match size {
        0.0 => 0.0,
        _ => (2.0 - size.log10().floor()).clamp(0.0, 12.0),
    };
    grouped(value, decimals as usize)
}
