//! Losses by epoch, the untrained model first, with the drops of the learning rate and the epoch that was kept.

use super::SIZE;
use senti::plan::Loss;

use super::axis::{Axis, grouped, price};
use super::font::{self, Weight};
use super::panel::{Mark, Panel, Room, SMALL, heading, legend};
use super::scene::{Point, Scene, Stroke, Style, paint};
use crate::report::{Results, rate};

/// Draws it; `None` for a model that is not trained by epochs.
pub fn history(results: &Results<'_>) -> Option<Scene> {
    let manifest = &results.training?.artifact.manifest;
    let history = &manifest.history;
    let (first, last) = (history.first()?, history.last()?);

    // The untrained model is epoch 0.
    let untrained = manifest.untrained_loss.filter(|loss| loss.is_finite());
    let best: Option<Point> = match manifest.best_epoch {
        0 => untrained.map(|loss| (0.0, loss)),
        epoch => history
            .iter()
            .find(|record| record.epoch == epoch && record.valid_loss.is_finite())
            .map(|record| (epoch as f64, record.valid_loss)),
    };
    let epochs = grouped(history.len() as f64, 0);
    let plural = if history.len() == 1 { "" } else { "s" };
    let title = format!("Training: loss over {epochs} epoch{plural}");
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let begun = match &manifest.imported {
        Some(_) => "imported",
        None => "untrained",
    };
    let mut reading = match (manifest.best_epoch, untrained) {
        (0, Some(_)) if manifest.imported.is_some() => {
            "No epoch's validation loss came below the imported weights', which were kept."
        }
        (0, Some(_)) => {
            "No epoch's validation loss came below the untrained model's, whose weights were kept."
        }
        _ => "The weights of the epoch with the lowest validation loss were kept.",
    }
    .to_string();
    if manifest.plan.dropout > 0.0 {
        reading.push_str(" Training losses include dropout, so they may lie above.");
    }
    let top = heading(&mut scene, &title, &reading);
    let (train, valid) = (paint::MUTED, paint::BLUE);
    let start = Stroke {
        dash: Some((2.0, 3.0)),
        ..Stroke::new(valid, 1.2)
    };
    let untrained_name = untrained.map(|loss| format!("{begun} {}", price(loss, loss)));
    let mut rows = vec![
        (Mark::Line(Stroke::new(train, 1.8)), "training"),
        (Mark::Line(Stroke::new(valid, 2.0)), "validation"),
    ];
    if let Some(name) = &untrained_name {
        rows.push((Mark::Line(start), name));
    }
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
    let (train_line, mut valid_line) = (line(|r| r.train_loss), line(|r| r.valid_loss));
    if let Some(loss) = untrained {
        valid_line.insert(0, (0.0, loss));
    }
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
        // With room below the lowest point for its label.
        (Axis::linear(losses, 0.1, 6, ""), "")
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
        Axis::counts(
            if untrained.is_some() { 0 } else { first.epoch },
            last.epoch,
            10,
        ),
        y,
        match (untrained, &manifest.imported) {
            (Some(_), Some(_)) => "epoch (0 is the imported network)",
            (Some(_), None) => "epoch (0 is the untrained model)",
            (None, _) => "epoch",
        },
        &format!(
            "{} of the scaled target{kind}",
            loss_name(manifest.plan.loss)
        ),
    );
    if let Some(loss) = untrained {
        panel.level(&mut scene, loss, start);
    }

    let mut drops = Vec::new();
    let mut free = f64::NEG_INFINITY;
    for pair in history.windows(2) {
        if pair[1].learning_rate < pair[0].learning_rate {
            let x = panel.x_of(pair[1].epoch as f64 - 0.5);
            let drop = vec![(x, panel.frame.top), (x, panel.frame.bottom)];
            scene.line(&drop, Stroke::new(paint::ORANGE, 1.2).dashed());
            drops.push(drop);
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
    if let Some(best) = best {
        let text = match untrained_name.filter(|_| manifest.best_epoch == 0) {
            Some(name) => format!("kept: {name}"),
            None => format!(
                "kept: epoch {}, {}",
                grouped(best.0, 0),
                price(best.1, best.1)
            ),
        };
        let at = panel.place(best);
        scene.dots(vec![at], 5.5, valid, 1.0);
        let mut lines = vec![panel.places(&train_line), panel.places(&valid_line)];
        if let Some(loss) = untrained {
            let y = panel.y_of(loss);
            lines.push(vec![(panel.frame.left, y), (panel.frame.right, y)]);
        }
        lines.extend(drops);
        kept(&mut scene, panel.frame, at, &text, &lines);
    }
    Some(scene)
}

/// What the axis says of the plan's loss.
fn loss_name(loss: Loss) -> &'static str {
    match loss {
        Loss::Pinball => "pinball loss",
        Loss::Mse => "mean squared error",
        Loss::Mae => "mean absolute error",
        Loss::Huber => "Huber loss",
    }
}

/// Writes the label of the kept epoch near its dot where the fewest lines run, on a piece of paper of its own.
fn kept(scene: &mut Scene, frame: Room, (x, y): Point, text: &str, lines: &[Vec<Point>]) {
    let width = font::width(Weight::Bold, text, SMALL);
    let corner = |baseline: f64, left: f64| {
        (
            (left - 4.0, baseline - 13.0),
            (left + width + 4.0, baseline + 5.0),
        )
    };
    let busy = |baseline: f64, left: f64| {
        let (low, high) = corner(baseline, left);
        let inside = |(x, y): &Point| {
            (low.0 - 2.0..=high.0 + 2.0).contains(x) && (low.1 - 2.0..=high.1 + 2.0).contains(y)
        };
        let crossed = lines.iter().flat_map(|line| between(line));
        // A point hidden is worse than a line crossed.
        let hidden = lines.iter().flatten().filter(|point| inside(point)).count();
        crossed.filter(inside).count() + 20 * hidden
    };
    // Below the dot and above it, near and farther; in its middle or to one side. The labels of the learning rate are at the top.
    let lefts = [x - width / 2.0, x - 8.0, x + 8.0 - width];
    let places = [24.0, -14.0, 40.0, -30.0, 56.0, -46.0, 80.0, -70.0]
        .into_iter()
        .flat_map(|down| lefts.map(|left| (y + down, left)))
        .map(|(baseline, left)| {
            let most = frame.right - width - 4.0;
            (baseline, left.min(most).max(frame.left + 4.0))
        })
        .filter(|(baseline, _)| (frame.top + 32.0..=frame.bottom - 6.0).contains(baseline));
    let Some((baseline, left)) = places.min_by_key(|(baseline, left)| busy(*baseline, *left))
    else {
        return;
    };
    let (low, high) = corner(baseline, left);
    scene.rect(low, high, paint::PAPER, 0.85);
    scene.text(
        (left, baseline),
        text,
        Style::new(SMALL, paint::BLUE).bold(),
    );
}

/// Points along a line, some of them between its own.
fn between(line: &[Point]) -> impl Iterator<Item = Point> {
    line.windows(2).flat_map(|pair| {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        // Every four pixels or so.
        let parts = ((x1 - x0).abs().max((y1 - y0).abs()) / 4.0).clamp(1.0, 1000.0) as u32;
        (0..=parts).map(move |part| {
            let share = f64::from(part) / f64::from(parts);
            (x0 + share * (x1 - x0), y0 + share * (y1 - y0))
        })
    })
}
