//! Losses by epoch, with the drops of the learning rate and the epoch that was kept.

use super::SIZE;
use super::axis::{Axis, grouped};
use super::font::{self, Weight};
use super::panel::{Mark, Panel, Room, SMALL, heading, legend};
use super::scene::{Point, Scene, Stroke, Style, paint};
use crate::report::{Results, rate};

/// Draws it; `None` for a model that is not trained by epochs.
pub fn history(results: &Results<'_>) -> Option<Scene> {
    let manifest = &results.training?.artifact.manifest;
    let history = &manifest.history;
    let (first, last) = (history.first()?, history.last()?);

    let best = history
        .iter()
        .find(|record| record.epoch == manifest.best_epoch);
    let epochs = grouped(history.len() as f64, 0);
    let plural = if history.len() == 1 { "" } else { "s" };
    let title = format!("Training: loss over {epochs} epoch{plural}");
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let top = heading(
        &mut scene,
        &title,
        "The weights of the epoch with the lowest validation loss are kept. Training losses include dropout, so they may lie above.",
    );
    let (train, valid) = (paint::MUTED, paint::BLUE);
    let mut rows = vec![
        (Mark::Line(Stroke::new(train, 1.8)), "training"),
        (Mark::Line(Stroke::new(valid, 2.0)), "validation"),
    ];
    if history
        .windows(2)
        .any(|pair| pair[1].learning_rate < pair[0].learning_rate)
    {
        let drop = Mark::Line(Stroke::new(paint::ORANGE, 1.2).dashed());
        rows.push((drop, "learning rate drops"));
    }
    legend(&mut scene, (24.0, top + 2.0), &rows);

    let line = |loss: fn(&senti::observe::EpochRecord) -> f64| -> Vec<Point> {
        history
            .iter()
            .map(|record| (record.epoch as f64, loss(record)))
            .collect()
    };
    let (train_line, valid_line) = (line(|r| r.train_loss), line(|r| r.valid_loss));
    let losses: Vec<f64> = train_line
        .iter()
        .chain(&valid_line)
        .map(|(_, loss)| *loss)
        .filter(|loss| loss.is_finite())
        .collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = losses.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // A first epoch far above the rest would flatten everything that follows.
    let (y, kind) = if lowest > 0.0 && highest > 10.0 * lowest {
        (Axis::logarithmic(losses, ""), ", logarithmic")
    } else {
        (Axis::linear(losses, 0.07, 6, ""), "")
    };
    let room = Room {
        left: 24.0,
        top: top + 22.0,
        right: SIZE.0 - 24.0,
        bottom: SIZE.1 - 12.0,
    };
    let panel = Panel::draw(
        &mut scene,
        room,
        Axis::counts(first.epoch, last.epoch, 10),
        y,
        "epoch",
        &format!("loss{kind}"),
    );

    let mut free = f64::NEG_INFINITY;
    for pair in history.windows(2) {
        if pair[1].learning_rate < pair[0].learning_rate {
            let x = panel.x_of(pair[1].epoch as f64 - 0.5);
            scene.line(
                &[(x, panel.frame.top), (x, panel.frame.bottom)],
                Stroke::new(paint::ORANGE, 1.2).dashed(),
            );
            let text = rate(pair[1].learning_rate);
            let width = font::width(Weight::Regular, &text, SMALL);
            if x > free {
                scene.rect(
                    (x + 2.0, panel.frame.top),
                    (x + width + 8.0, panel.frame.top + 17.0),
                    paint::PAPER,
                    0.85,
                );
                scene.text(
                    (x + 5.0, panel.frame.top + 12.0),
                    &text,
                    Style::new(SMALL, paint::ORANGE),
                );
                free = x + width + 12.0;
            }
        }
    }
    for (points, color, width) in [(&train_line, train, 1.8), (&valid_line, valid, 2.0)] {
        let places = panel.places(points);
        scene.line(&places, Stroke::new(color, width));
        if points.len() <= 40 {
            scene.dots(places, 2.6, color, 1.0);
        }
    }
    if let Some(best) = best.filter(|best| best.valid_loss.is_finite()) {
        let (x, y) = panel.place((best.epoch as f64, best.valid_loss));
        scene.dots(vec![(x, y)], 5.5, valid, 1.0);
        let text = format!(
            "kept: epoch {}, {:.5}",
            grouped(best.epoch as f64, 0),
            best.valid_loss
        );
        let width = font::width(Weight::Bold, &text, SMALL);
        let left = (x - width / 2.0).clamp(panel.frame.left + 4.0, panel.frame.right - width - 4.0);
        // Below the dot or above it, where fewer points of the lines are in the way.
        let busy = |baseline: f64| {
            let inside = |point: &Point| {
                let (x, y) = panel.place(*point);
                (left - 4.0..=left + width + 4.0).contains(&x)
                    && (baseline - 14.0..=baseline + 6.0).contains(&y)
            };
            [&train_line, &valid_line]
                .into_iter()
                .flat_map(|line| between(line))
                .filter(inside)
                .count()
        };
        let (below, above) = (y + 24.0, y - 14.0);
        let baseline = if below + 6.0 < panel.frame.bottom && busy(below) <= busy(above) {
            below
        } else {
            above
        };
        scene.text((left, baseline), &text, Style::new(SMALL, valid).bold());
    }
    Some(scene)
}

/// Points along a line, some of them between its own.
fn between(line: &[Point]) -> impl Iterator<Item = Point> {
    line.windows(2).flat_map(|pair| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        (0..=8).map(move |part| {
            let share = f64::from(part) / 8.0;
            (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        })
    })
}
