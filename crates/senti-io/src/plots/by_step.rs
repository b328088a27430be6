//! The models of a backtest by step ahead: CRPS beside the naive forecast's, and coverage of the 90 % interval.

use senti::card::{ModelCard, Part, ReportCard, StepCard};

use super::axis::Axis;
use super::panel::{Mark, Panel, Room, heading, legend};
use super::scene::{Color, Point, Scene, Stroke, paint};
use super::{SIZE, reach};

/// Colours of the models, in the order of the card; more models than colours are left to the page and the tables.
const COLORS: [Color; 5] = [
    paint::BLUE,
    paint::GREEN,
    paint::PURPLE,
    paint::OCHRE,
    paint::INK,
];

/// Draws it; `None` without quantiles.
pub fn by_step(card: &ReportCard) -> Option<Scene> {
    let models: Vec<(&ModelCard, Color)> = card
        .models
        .iter()
        .filter(|model| model.role != Part::Naive)
        .zip(COLORS)
        .collect();
    let ahead = reach(card.horizon, card.step);
    let title = format!("Backtest: the models beside the naive forecast, by step, {ahead} ahead");
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let top = heading(
        &mut scene,
        &title,
        "Left: below 1 a model's distribution is better than that of the naive forecast. Right: an honest interval lies on the dashed line.",
    );
    let ratio = |step: &StepCard| step.skill.map(|skill| 1.0 - skill);
    let covered = |step: &StepCard| step.coverage_90.map(|share| 100.0 * share);
    let drawn = draw(
        &mut scene,
        (24.0, 500.0, top),
        &models,
        &ratio,
        |values| Axis::linear(values.chain([0.96, 1.04]), 0.06, 6, ""),
        "CRPS of the model / CRPS of the naive forecast",
        1.0,
    );
    draw(
        &mut scene,
        (530.0, SIZE.0 - 16.0, top),
        &models,
        &covered,
        |values| {
            let lowest = values.filter(|y| y.is_finite()).fold(80.0, f64::min);
            Axis::between((lowest - 4.0).max(0.0), 100.0, 6, " %")
        },
        "prices inside the 90 % interval",
        90.0,
    );
    let mut rows: Vec<_> = models
        .iter()
        .map(|(model, color)| (Mark::Line(Stroke::new(*color, 2.0)), model.model.as_str()))
        .collect();
    rows.push((
        Mark::Line(Stroke::new(paint::ORANGE, 1.6).dashed()),
        "naive / promised",
    ));
    legend(&mut scene, (24.0, top + 2.0), &rows);
    drawn.then_some(scene)
}

/// Draws one panel; `false` where there is nothing to draw.
fn draw(
    scene: &mut Scene,
    (left, right, top): (f64, f64, f64),
    models: &[(&ModelCard, Color)],
    of: &dyn Fn(&StepCard) -> Option<f64>,
    axis: impl FnOnce(&mut dyn Iterator<Item = f64>) -> Axis,
    name: &str,
    level: f64,
) -> bool {
    let lines: Vec<(Color, Vec<Point>)> = models
        .iter()
        .map(|(model, color)| {
            let points = model.steps.iter();
            let points = points.map(|step| (step.step as f64, of(step).unwrap_or(f64::NAN)));
            (*color, points.collect())
        })
        .collect();
    let mut values = lines
        .iter()
        .flat_map(|(_, points): &(Color, Vec<Point>)| points.iter().map(|(_, y)| *y));
    let steps = models.first().map_or(1, |(model, _)| model.steps.len());
    let room = Room {
        left,
        top: top + 22.0,
        right,
        bottom: SIZE.1 - 12.0,
    };
    let y = axis(&mut values);
    let panel = Panel::draw(
        scene,
        room,
        Axis::counts(1, steps, 7),
        y,
        "steps ahead",
        name,
    );
    panel.level(scene, level, Stroke::new(paint::ORANGE, 1.6).dashed());
    for (color, points) in &lines {
        let places = panel.places(points);
        scene.line(&places, Stroke::new(*color, 2.0));
        if points.len() <= 60 {
            scene.dots(places, 2.4, *color, 1.0);
        }
    }
    lines
        .iter()
        .any(|(_, points)| points.iter().any(|(_, y)| y.is_finite()))
}
