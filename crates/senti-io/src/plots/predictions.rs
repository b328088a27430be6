//! The test part: forecast moves against actual moves, and errors beside the naive forecast's over time.
//!
//! Two price lines over each other look alike even when the forecast is yesterday's price. Here such a forecast is a flat row of dots
//! at zero in the panels above, and its error lies on the naive line in the panel below.

use super::axis::{Axis, grouped};
use super::panel::{Mark, Panel, Room, heading, legend, legend_width};
use super::sample::{Moves, Sample, Stretch};
use super::scene::{Point, Scene, Stroke, paint};
use super::{SIZE, reach};
use crate::report::Results;

/// Errors that differ by less than this share of the largest are drawn as one: nobody could see two lines.
const EQUAL: f64 = 1e-3;

/// Draws it; `None` where no test window was seen.
pub fn predictions(results: &Results<'_>) -> Option<Scene> {
    let training = results.training?;
    let sample = training.recorder.sample();
    if sample.windows() == 0 {
        return None;
    }
    let title = format!(
        "Test part: what the model forecast and what came, {} windows",
        grouped(sample.windows() as f64, 0)
    );
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let mut reading = "Above: moves from the last known close. A copy of that close is a flat row of dots at zero, skill leans them along the diagonal.".to_string();
    if sample.horizon() > 1 {
        reading.push_str(" Windows overlap.");
    }
    let top = heading(&mut scene, &title, &reading);
    let naive = Stroke::new(paint::ORANGE, 1.4).dashed();
    let rows = [
        (Mark::Dot(paint::BLUE), "a test window"),
        (Mark::Line(naive), "no skill: forecast = last close"),
        (
            Mark::Line(Stroke::new(paint::AXIS, 1.4)),
            "perfect: forecast = actual",
        ),
    ];
    legend(&mut scene, (24.0, top + 2.0), &rows);

    let moves = sample.moves();
    let gap = 26.0;
    let panels = moves.len() as f64;
    let width = (SIZE.0 - 48.0 - (panels - 1.0) * gap) / panels;
    for (index, moves) in moves.iter().enumerate() {
        let left = 24.0 + index as f64 * (width + gap);
        let room = Room {
            left,
            top: top + 22.0,
            right: left + width,
            bottom: 340.0,
        };
        scatter(&mut scene, room, moves, sample.step());
    }
    let room = Room {
        left: 24.0,
        top: 358.0,
        right: SIZE.0 - 24.0,
        bottom: SIZE.1 - 10.0,
    };
    errors(&mut scene, room, sample);
    Some(scene)
}

fn scatter(scene: &mut Scene, room: Room, moves: &Moves, step: i64) {
    let percent: Vec<Point> = moves
        .pairs
        .iter()
        .map(|(actual, forecast)| (100.0 * actual, 100.0 * forecast))
        .collect();
    let most = percent
        .iter()
        .flat_map(|(x, y)| [x.abs(), y.abs()])
        .filter(|size| size.is_finite())
        .fold(0.0, f64::max);
    // Both axes have the same range, so that the diagonal means what it says.
    let most = if most > 0.0 { most * 1.06 } else { 1.0 };
    let axis = || Axis::between(-most, most, 4, " %");
    let skill = match moves.correlation() {
        Some(r) => format!("correlation {}", grouped(r, 2)),
        None => "never differs".into(),
    };
    let ahead = reach(moves.step, step);
    let panel = Panel::draw(
        scene,
        room,
        axis(),
        axis(),
        "actual move",
        &format!("forecast move, {ahead} ahead: {skill}"),
    );
    let line = |from: Point, to: Point| [panel.place(from), panel.place(to)];
    scene.line(
        &line((-most, -most), (most, most)),
        Stroke::new(paint::AXIS, 1.4),
    );
    scene.dots(panel.places(&percent), 2.1, paint::BLUE, 0.4);
    scene.line(
        &line((-most, 0.0), (most, 0.0)),
        Stroke::new(paint::ORANGE, 1.4).dashed(),
    );
}

fn errors(scene: &mut Scene, room: Room, sample: &Sample) {
    let (stretches, step) = (sample.stretches(), sample.step());
    let (Some(first), Some(last)) = (stretches.first(), stretches.last()) else {
        return;
    };
    let errors = stretches.iter().flat_map(|s| [s.model(), s.naive()]);
    let ahead = reach(sample.horizon(), step);
    let what = if sample.horizon() == 1 {
        format!("|error| {ahead} ahead")
    } else {
        format!("mean |error| up to {ahead} ahead")
    };
    let means = match sample.stretch_windows() {
        1 => String::new(),
        windows => format!("; means over {windows} windows"),
    };
    let panel = Panel::draw(
        scene,
        room,
        Axis::time(first.first, last.last, 9, step),
        Axis::linear(
            errors.map(|error| 100.0 * error).chain([0.0]),
            0.04,
            4,
            " %",
        ),
        "time of the forecast (UTC)",
        &format!("{what}, % of the last close{means}"),
    );
    let largest = stretches.iter().fold(0.0, |most, s| s.naive().max(most));
    let differ = stretches
        .iter()
        .fold(0.0, |most, s| (s.model() - s.naive()).abs().max(most));
    let equal = differ <= EQUAL * largest;
    for run in unbroken(stretches, step) {
        let places = |error: fn(&Stretch) -> f64| {
            let place = |s: &Stretch| ((s.first as f64 + s.last as f64) / 2.0, 100.0 * error(s));
            panel.places(&run.iter().map(place).collect::<Vec<Point>>())
        };
        let (model, naive) = (places(Stretch::model), places(Stretch::naive));
        for (fill, model, naive) in pieces(&model, &naive) {
            scene.band(&model, &naive, fill, 0.28);
        }
        if equal {
            // One line in both colours.
            scene.line(&model, Stroke::new(paint::BLUE, 1.8));
            scene.line(&naive, Stroke::new(paint::ORANGE, 1.8).dashed());
        } else {
            scene.line(&naive, Stroke::new(paint::ORANGE, 1.4));
            scene.line(&model, Stroke::new(paint::BLUE, 1.8));
        }
        if run.len() == 1 {
            scene.dots(naive, 3.0, paint::ORANGE, 1.0);
            scene.dots(model, 3.0, paint::BLUE, 1.0);
        }
    }
    let rows = if equal {
        vec![(
            Mark::Line(Stroke::new(paint::ORANGE, 1.8).dashed()),
            if differ <= 1e-9 * largest {
                "model equals naive"
            } else {
                "model and naive: no difference to see"
            },
        )]
    } else {
        vec![
            (Mark::Line(Stroke::new(paint::BLUE, 1.8)), "model"),
            (Mark::Line(Stroke::new(paint::ORANGE, 1.4)), "naive"),
            (Mark::Area(paint::BLUE, 0.28), "model closer"),
            (Mark::Area(paint::ORANGE, 0.28), "naive closer"),
        ]
    };
    let left = room.right - legend_width(&rows);
    legend(scene, (left, room.top + 8.0), &rows);
}

/// Runs of stretches without a hole between them: where there were no windows, no line is drawn. Weekends are no hole.
fn unbroken(stretches: &[Stretch], step: i64) -> impl Iterator<Item = &[Stretch]> {
    let longest = stretches
        .iter()
        .map(|s| s.last - s.first)
        .max()
        .unwrap_or(0);
    let hole = (7 * step).max(longest / 2);
    stretches.chunk_by(move |before, after| after.first - before.last <= hole)
}

/// Cuts the area between two lines where they cross; each piece gets the colour of the lower error (the larger y on paper).
fn pieces(model: &[Point], naive: &[Point]) -> Vec<(super::scene::Color, Vec<Point>, Vec<Point>)> {
    let mut out = Vec::new();
    let color = |difference: f64| {
        if difference >= 0.0 {
            paint::BLUE
        } else {
            paint::ORANGE
        }
    };
    let mut open: (Vec<Point>, Vec<Point>) = (Vec::new(), Vec::new());
    let mut before: Option<(Point, f64)> = None;
    for (m, n) in model.iter().zip(naive) {
        let difference = m.1 - n.1;
        if let Some((m0, was)) = before
            && was * difference < 0.0
        {
            let share = was / (was - difference);
            let cross = (m0.0 + share * (m.0 - m0.0), m0.1 + share * (m.1 - m0.1));
            open.0.push(cross);
            open.1.push(cross);
            out.push((color(was), open.0, open.1));
            open = (vec![cross], vec![cross]);
        }
        open.0.push(*m);
        open.1.push(*n);
        let sign = if difference == 0.0 {
            before.map_or(0.0, |(_, was)| was)
        } else {
            difference
        };
        before = Some((*m, sign));
    }
    if let Some((_, was)) = before {
        out.push((color(was), open.0, open.1));
    }
    out
}
