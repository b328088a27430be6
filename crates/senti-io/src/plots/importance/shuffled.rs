//! What shuffling a group of columns costs: bars with intervals over all steps, and a table by step.

use senti::importance::Importance;
use senti::importance::permutation::{COVERAGE, Cost};

use super::super::SIZE;
use super::super::axis::grouped;
use super::super::panel::{SMALL, heading};
use super::super::scene::{Anchor, Scene, Stroke, Style, paint};
use super::{Bar, Rows, bars, left_out, names, on_windows, size_of};

/// Draws it.
pub fn shuffled(found: &Importance) -> Scene {
    let title = format!("Permutation importance on {}", on_windows(found));
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let costs = &found.permutation.groups;
    let reading = format!(
        "Rise of the CRPS when columns come from another window: mean of {}, line: {:.0} % interval over windows. Where it holds 0 it may be chance.",
        match found.choices.repeats {
            1 => "1 shuffle".to_owned(),
            n => format!("{n} shuffles"),
        },
        100.0 * COVERAGE
    );
    let top = heading(&mut scene, &title, &reading);
    let rows = Rows::between(top + 26.0, SIZE.1 - 34.0, costs.len());
    let labels: Vec<&str> = costs.iter().map(|cost| cost.group.name.as_str()).collect();
    let left = names(&mut scene, rows, 24.0, &labels);
    let lengths: Vec<Bar> = costs
        .iter()
        .map(|cost| Bar {
            length: cost.overall().mean,
            interval: Some((cost.overall().low, cost.overall().high)),
        })
        .collect();
    let told = costs.first().map_or(0, |cost| cost.lost.len() - 1);
    // As wide as its heading at least.
    let cell = (310.0 / told.max(1) as f64).max(62.0);
    let right = SIZE.0 - 24.0 - cell * told as f64 - 40.0;
    bars(
        &mut scene,
        rows,
        (left, right),
        &lengths,
        paint::BLUE,
        " %",
        "skill lost, mean over all steps ahead",
    );
    table(&mut scene, rows, right + 40.0, cell, costs);
    left_out(&mut scene, costs.len());
    scene
}

/// A cell for every group and step, the darker the more is lost.
fn table(scene: &mut Scene, rows: Rows, left: f64, cell: f64, costs: &[Cost]) {
    let shown = &costs[..costs.len().min(rows.n)];
    let by_step = |cost: &Cost| cost.lost[..cost.lost.len() - 1].to_vec();
    let most = shown
        .iter()
        .flat_map(by_step)
        .map(|lost| lost.mean.abs())
        .fold(0.0, f64::max);
    let decimals = if most < 2.0 { 2 } else { 1 };
    let size = size_of(rows);
    for (row, cost) in shown.iter().enumerate() {
        for (column, lost) in by_step(cost).into_iter().enumerate() {
            let at = left + cell * column as f64;
            // Below zero the shuffled forecasts are better: another colour.
            let color = if lost.mean < 0.0 {
                paint::ORANGE
            } else {
                paint::BLUE
            };
            let share = if most > 0.0 {
                lost.mean.abs() / most
            } else {
                0.0
            };
            scene.rect(
                (at + 1.0, rows.edge(row) + 1.0),
                (at + cell - 1.0, rows.edge(row + 1) - 1.0),
                color,
                0.04 + 0.56 * share,
            );
            let sure = lost.low > 0.0 || lost.high < 0.0;
            let style = Style::new(size, paint::INK).anchor(Anchor::Middle);
            scene.text(
                (at + cell / 2.0, rows.middle(row) + size * 0.36),
                &grouped(lost.mean, decimals),
                if sure { style.bold() } else { style },
            );
        }
    }
    let steps = shown.first().map(by_step).unwrap_or_default();
    let style = Style::new(SMALL, paint::MUTED).anchor(Anchor::Middle);
    for (column, lost) in steps.iter().enumerate() {
        let label = lost.step.map_or(String::new(), |step| step.to_string());
        let x = left + cell * (column as f64 + 0.5);
        scene.text((x, rows.bottom() + 17.0), &label, style);
    }
    scene.line(
        &[
            (left, rows.bottom()),
            (left + cell * steps.len() as f64, rows.bottom()),
        ],
        Stroke::new(paint::AXIS, 1.0),
    );
    scene.text(
        (left, rows.top - 10.0),
        "% lost, by steps ahead; bold: 0 is not in the interval",
        Style::new(SMALL, paint::INK).bold(),
    );
}
