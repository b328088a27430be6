//! Recent prices and the forecast fan.

use super::axis::{Axis, grouped, price};
use super::font::{self, Weight};
use super::panel::{Mark, Panel, Room, SMALL, heading, legend, spread};
use super::scene::{Anchor, Scene, Stroke, Style, paint};
use super::{SIZE, day, reach};
use crate::report::Results;

/// Lower and upper level of each band, its share and how strongly it is painted.
const BANDS: [(f64, f64, &str, f64); 3] = [
    (0.05, 0.95, "90 %", 0.16),
    (0.10, 0.90, "80 %", 0.18),
    (0.25, 0.75, "50 %", 0.26),
];

/// Draws it; `None` for a forecast without steps.
pub fn forecast(results: &Results<'_>) -> Option<Scene> {
    let forecast = results.forecast;
    let last = forecast.rows.last()?;
    let horizon = forecast.rows.len();

    let table = results.table;
    let prices = table
        .column(&forecast.target)
        .map_or_else(|| table.close(), |column| &column.values);
    let end = table
        .time()
        .partition_point(|time| *time <= forecast.origin);
    // Four times as much past as future, but enough to see something; the fan has a sixth of the width at least.
    let ahead = last.time - forecast.origin;
    let rows = (4 * horizon).max(20).min(5 * horizon);
    let start = (end.saturating_sub(rows + 1)..end.saturating_sub(2))
        .find(|row| forecast.origin - table.time()[*row] <= 5 * ahead)
        .unwrap_or(end.saturating_sub(2));
    let mut past: Vec<_> = (start..end)
        .map(|row| (table.time()[row] as f64, prices[row]))
        .collect();
    let origin = (forecast.origin as f64, forecast.last_close);
    if past.last() != Some(&origin) {
        past.push(origin);
    }

    // Every line of the fan begins at the last close: there the future is certain.
    let line = |value: &dyn Fn(usize) -> f64| -> Vec<(f64, f64)> {
        let ahead = (0..horizon).map(|row| (forecast.rows[row].time as f64, value(row)));
        std::iter::once(origin).chain(ahead).collect()
    };
    let level = |wanted: f64| {
        let at = forecast
            .levels
            .iter()
            .position(|level| (level - wanted).abs() < 1e-9)?;
        forecast
            .rows
            .iter()
            .all(|row| row.quantiles.len() > at)
            .then_some(at)
    };
    let quantile = |at: usize| line(&|row| forecast.rows[row].quantiles[at]);
    let bands: Vec<_> = BANDS
        .iter()
        .filter_map(|(low, high, share, opacity)| {
            Some((
                quantile(level(*low)?),
                quantile(level(*high)?),
                *share,
                *opacity,
            ))
        })
        .collect();
    let point = line(&|row| forecast.rows[row].point);
    let median = level(0.5).is_some_and(|at| {
        forecast
            .rows
            .iter()
            .all(|row| (row.point - row.quantiles[at]).abs() <= 1e-9 * row.point.abs())
    });
    let name = if median { "median" } else { "point forecast" };

    let title = format!(
        "{}: forecast for the next {} after {}",
        forecast.target,
        reach(horizon, forecast.step).trim_start_matches("1 "),
        day(forecast.origin, forecast.step)
    );
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let top = heading(&mut scene, &title, &reading(results, !bands.is_empty()));

    // Names and prices of the lines where they end, from the top down.
    let side = |wanted: f64, name: &str| {
        let price = last.quantiles[level(wanted)?];
        Some((name.to_string(), price, false))
    };
    let short = if median { "median" } else { "point" };
    let ends: Vec<(String, f64, bool)> = [
        side(0.95, "95 %"),
        side(0.75, "75 %"),
        Some((short.into(), last.point, true)),
        side(0.25, "25 %"),
        side(0.05, "5 %"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let widest = |texts: &mut dyn Iterator<Item = String>| {
        texts
            .map(|text| font::width(Weight::Bold, &text, SMALL))
            .fold(0.0, f64::max)
    };
    let shown = |value: f64| price(value, forecast.last_close);
    let names = widest(&mut ends.iter().map(|end| end.0.clone()));
    let prices = widest(&mut ends.iter().map(|end| shown(end.1)));

    let everything = past
        .iter()
        .chain(&point)
        .chain(
            bands
                .iter()
                .flat_map(|(low, high, ..)| low.iter().chain(high)),
        )
        .map(|(_, price)| *price);
    let room = Room {
        left: 24.0,
        top: top + 22.0,
        right: SIZE.0 - 24.0 - prices - 12.0 - names - 8.0,
        bottom: SIZE.1 - 12.0,
    };
    let panel = Panel::draw(
        &mut scene,
        room,
        Axis::time(past[0].0 as i64, last.time, 8, forecast.step),
        Axis::linear(everything, 0.05, 6, ""),
        "opening time of the candle (UTC)",
        &format!("{}, in the unit of the data", forecast.target),
    );

    for (low, high, _, opacity) in &bands {
        scene.band(
            &panel.places(low),
            &panel.places(high),
            paint::BLUE,
            *opacity,
        );
    }
    let (now, close) = panel.place(origin);
    scene.line(
        &[(now, close), (panel.frame.right, close)],
        Stroke::new(paint::MUTED, 1.2).dashed(),
    );
    scene.line(
        &[(now, panel.frame.top), (now, panel.frame.bottom)],
        Stroke::new(paint::AXIS, 1.0),
    );
    for (points, color, width) in [(&past, paint::INK, 1.6), (&point, paint::BLUE, 2.2)] {
        let places = panel.places(points);
        scene.line(&places, Stroke::new(color, width));
        // Single candles are marked where there are few.
        if past.len() + horizon <= 30 {
            scene.dots(places, 2.8, color, 1.0);
        }
    }
    scene.dots(vec![(now, close)], 4.5, paint::INK, 1.0);

    let text = format!("last close {}", shown(forecast.last_close));
    let width = font::width(Weight::Bold, &text, SMALL);
    let left = (now - 8.0 - width).max(panel.frame.left);
    scene.rect(
        (left - 3.0, panel.frame.top),
        (left + width + 3.0, panel.frame.top + 18.0),
        paint::PAPER,
        0.85,
    );
    scene.text(
        (left, panel.frame.top + 13.0),
        &text,
        Style::new(SMALL, paint::INK).bold(),
    );

    let mut baselines: Vec<f64> = ends
        .iter()
        .map(|(_, value, _)| panel.y_of(*value) + SMALL * 0.36)
        .collect();
    spread(
        &mut baselines,
        15.0,
        panel.frame.top + 10.0,
        panel.frame.bottom,
    );
    for ((name, value, strong), y) in ends.iter().zip(baselines) {
        let style = Style::new(SMALL, if *strong { paint::BLUE } else { paint::MUTED });
        let style = if *strong { style.bold() } else { style };
        let x = panel.frame.right + 8.0;
        scene.text((x, y), name, style);
        scene.text(
            (SIZE.0 - 24.0, y),
            &shown(*value),
            style.anchor(Anchor::End),
        );
    }

    let mut rows = vec![
        (Mark::Line(Stroke::new(paint::INK, 1.6)), "price so far"),
        (Mark::Line(Stroke::new(paint::BLUE, 2.2)), name),
    ];
    // Inner bands are painted over the outer ones: the legend shows what the eye sees.
    let mut seen = 0.0;
    let mut marks = Vec::new();
    for (_, _, share, opacity) in &bands {
        seen = 1.0 - (1.0 - seen) * (1.0 - opacity);
        marks.push((Mark::Area(paint::BLUE, seen), *share));
    }
    rows.extend(marks.into_iter().rev());
    legend(&mut scene, (24.0, top + 2.0), &rows);
    Some(scene)
}

/// What the bands are worth: they are the model's word, and the test part shows how far it held there.
fn reading(results: &Results<'_>, bands: bool) -> String {
    if !bands {
        return "A forecast without quantiles tells nothing of its own error; the dashed line is the last close.".into();
    }
    let held = results
        .evaluation
        .and_then(|evaluation| evaluation.model.overall.get("coverage_90").copied())
        .flatten();
    match held {
        Some(share) => format!(
            "Bands as the model claims; on the test part the 90 % band held {} % of prices. The dashed line is the last close.",
            grouped(100.0 * share, 0)
        ),
        None => "Bands as the model claims; how far they hold was not measured here. The dashed line is the last close.".into(),
    }
}
