//! Error relative to the naive forecast, and coverage of the intervals, by step ahead.

use std::collections::BTreeMap;

use super::axis::Axis;
use super::panel::{Mark, Panel, Room, SMALL, heading, legend, spread};
use super::scene::{Color, Point, Scene, Stroke, Style, paint};
use super::{SIZE, reach};
use crate::report::Results;

type Step = BTreeMap<String, Option<f64>>;

/// Draws it; `None` without scores by step.
pub fn error_by_step(results: &Results<'_>) -> Option<Scene> {
    let manifest = &results.training?.artifact.manifest;
    let (model, naive) = (
        &manifest.evaluation.model.steps,
        &manifest.evaluation.naive.steps,
    );
    if model.is_empty() || model.len() != naive.len() {
        return None;
    }
    let ahead = reach(model.len(), manifest.data.step);
    let title = format!("Test part: the model beside the naive forecast, by step, {ahead} ahead");
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let top = heading(
        &mut scene,
        &title,
        "Left: below 1 the model is better than the naive forecast (last close, with past moves as its quantiles). Right: a good interval lies on its dashed line.",
    );
    ratios(&mut scene, top, model, naive);
    coverage(&mut scene, top, model);
    Some(scene)
}

/// Values of a metric by step; holes where it has none.
fn series(steps: &[Step], name: &str) -> Vec<Point> {
    steps
        .iter()
        .enumerate()
        .map(|(step, scores)| {
            let value = scores.get(name).copied().flatten().unwrap_or(f64::NAN);
            ((step + 1) as f64, value)
        })
        .collect()
}

/// Draws a series; `above` of them follow, and a lone step stays visible under theirs.
fn draw_series(scene: &mut Scene, panel: &Panel, points: &[Point], color: Color, above: usize) {
    let places = panel.places(points);
    scene.line(&places, Stroke::new(color, 2.0));
    // Single steps are marked where there is room for it.
    match points.len() {
        1 => scene.dots(places, 4.0 + 2.5 * above as f64, color, 1.0),
        0..=60 => scene.dots(places, 2.8, color, 1.0),
        _ => {}
    }
}

fn ratios(scene: &mut Scene, top: f64, model: &[Step], naive: &[Step]) {
    let shown: Vec<_> = [("crps", "CRPS", paint::BLUE), ("mae", "MAE", paint::GREEN)]
        .into_iter()
        .filter_map(|(name, label, color)| {
            let points: Vec<Point> = series(model, name)
                .into_iter()
                .zip(series(naive, name))
                .map(|((step, model), (_, naive))| {
                    (step, if naive > 0.0 { model / naive } else { f64::NAN })
                })
                .collect();
            points
                .iter()
                .any(|(_, y)| y.is_finite())
                .then_some((label, color, points))
        })
        .collect();
    let values = shown
        .iter()
        .flat_map(|(_, _, points)| points.iter().map(|(_, y)| *y));
    // At least 4 % on both sides of 1, so that a hair's breadth does not look like a victory.
    let y = Axis::linear(values.chain([0.96, 1.04]), 0.06, 6, "");
    let room = Room {
        left: 24.0,
        top: top + 22.0,
        right: 560.0,
        bottom: SIZE.1 - 12.0,
    };
    let panel = Panel::draw(
        scene,
        room,
        Axis::counts(1, model.len(), 7),
        y,
        "steps ahead",
        "error of the model / error of the naive forecast",
    );
    panel.level(scene, 1.0, Stroke::new(paint::ORANGE, 1.6).dashed());
    for (index, (_, color, points)) in shown.iter().enumerate() {
        draw_series(scene, &panel, points, *color, shown.len() - 1 - index);
    }
    let mut rows: Vec<_> = shown
        .iter()
        .map(|(label, color, _)| (Mark::Line(Stroke::new(*color, 2.0)), *label))
        .collect();
    rows.push((
        Mark::Line(Stroke::new(paint::ORANGE, 1.6).dashed()),
        "no better than naive",
    ));
    legend(scene, (24.0, top + 2.0), &rows);
    if shown.is_empty() {
        let style = Style::new(SMALL, paint::MUTED);
        let at = (panel.frame.left + 14.0, panel.y_of(1.0) - 8.0);
        scene.text(
            at,
            "the naive forecast made no error: there is nothing to compare with",
            style,
        );
    }
}

fn coverage(scene: &mut Scene, top: f64, model: &[Step]) {
    let shown: Vec<_> = [
        ("coverage_90", 90.0, paint::BLUE),
        ("coverage_80", 80.0, paint::GREEN),
        ("coverage_50", 50.0, paint::ORANGE),
    ]
    .into_iter()
    .map(|(name, nominal, color)| {
        let points: Vec<Point> = series(model, name)
            .into_iter()
            .map(|(step, share)| (step, 100.0 * share))
            .collect();
        (nominal, color, points)
    })
    .filter(|(_, _, points)| points.iter().any(|(_, y)| y.is_finite()))
    .collect();
    if shown.is_empty() {
        return;
    }
    let values = shown
        .iter()
        .flat_map(|(_, _, points)| points.iter().map(|(_, y)| *y));
    let lowest = values.filter(|y| y.is_finite()).fold(40.0, f64::min);
    let room = Room {
        left: 600.0,
        top: top + 22.0,
        right: SIZE.0 - 52.0,
        bottom: SIZE.1 - 12.0,
    };
    let panel = Panel::draw(
        scene,
        room,
        Axis::counts(1, model.len(), 5),
        Axis::between((lowest - 4.0).max(0.0), 100.0, 6, " %"),
        "steps ahead",
        "windows whose price fell into the interval",
    );
    let mut baselines = Vec::new();
    for (index, (nominal, color, points)) in shown.iter().enumerate() {
        panel.level(scene, *nominal, Stroke::new(*color, 1.2).dashed());
        draw_series(scene, &panel, points, *color, shown.len() - 1 - index);
        baselines.push(panel.y_of(*nominal) + SMALL * 0.36);
    }
    spread(
        &mut baselines,
        15.0,
        panel.frame.top + 8.0,
        panel.frame.bottom,
    );
    for ((nominal, color, _), y) in shown.iter().zip(baselines) {
        let style = Style::new(SMALL, *color).bold();
        scene.text((panel.frame.right + 6.0, y), &format!("{nominal} %"), style);
    }
    let rows = [
        (Mark::Line(Stroke::new(paint::MUTED, 2.0)), "measured"),
        (
            Mark::Line(Stroke::new(paint::MUTED, 1.2).dashed()),
            "promised",
        ),
    ];
    legend(scene, (600.0, top + 2.0), &rows);
}
