//! The sections of a page, in its order. Each is a function of the page and empty where the page has nothing for it.

use std::fmt::Write;

use senti::card::{Returns, Trading};
use senti::plan::Loss;
use senti::table::Time;

use super::bars;
use super::chart::{Across, Band, Bar, Chart, Level, Line, Size, Told, Up, look, naive_look};
use super::page::{Facts, Grid, Judgement, Newest, Page, Spread, Step, Tone};
use super::text::{
    NOTHING, capital, money, or_dash, p_value, percent, ratio, sentence, table, table_head,
};
use crate::plots::axis::{grouped, price};
use crate::plots::scene::{Point, Stroke, paint};
use crate::plots::{Stretch, day, escape, reach};
use crate::report::rate;

/// Most models that a chart can tell apart.
const DRAWN: usize = 7;

/// Most verdicts that are spelled out at once, the page's own aside.
const SPELLED: usize = 3;

/// A section; one without body does not appear.
pub(super) struct Section {
    pub id: &'static str,
    pub title: &'static str,
    pub body: String,
}

pub(super) fn all(page: &Page<'_>) -> Vec<Section> {
    let section = |id, title, body| Section { id, title, body };
    vec![
        section("verdict", "Verdict", verdict(page)),
        section(
            "forecast",
            match &page.newest {
                Some(newest) if !newest.came.is_empty() => {
                    "The last forecast whose outcome is known"
                }
                _ => "Newest forecast",
            },
            forecast(page),
        ),
        section("card", "Report card", card(page)),
        section("steps", "Errors by step", steps(page)),
        section("calibration", "Calibration", calibration(page)),
        section("importance", "Feature importance", importance(page)),
        section("trading", "If one had traded on it", trading(page)),
        section("training", "Training", training(page)),
        section("data", "Data and configuration", facts(page)),
        section("tried", "What was tried", list(&page.tried)),
    ]
}

/// A chart with nothing in it yet.
fn blank<'c>(title: String, reading: &str, size: Size) -> Chart<'c> {
    Chart {
        title,
        reading: reading.into(),
        x: Across::Counts,
        x_title: "steps ahead".into(),
        y: Up::Around(Vec::new(), ""),
        y_title: String::new(),
        bands: Vec::new(),
        lines: Vec::new(),
        levels: Vec::new(),
        bars: Vec::new(),
        uprights: Vec::new(),
        place: Box::new(|x| grouped(x, 0)),
        told: Box::new(money),
        unit: String::new(),
        size,
    }
}

fn paragraph(text: &str) -> String {
    match text.is_empty() {
        true => String::new(),
        false => format!("<p>{}</p>\n", escape(text)),
    }
}

fn list(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let lines: String = lines
        .iter()
        .map(|line| format!("<li>{}</li>\n", escape(line)))
        .collect();
    format!("<ul class=\"plain\">\n{lines}</ul>\n")
}

fn verdict(page: &Page<'_>) -> String {
    let mut out = String::new();
    let Some((own, others)) = page.verdicts.split_first() else {
        return list(&page.warnings);
    };
    push_judgement(&mut out, own, true);
    // An alarm is never folded away.
    let (loud, quiet): (Vec<_>, Vec<_>) = others
        .iter()
        .partition(|judgement| others.len() <= SPELLED || judgement.tone == Tone::Alarm);
    loud.iter()
        .for_each(|judgement| push_judgement(&mut out, judgement, false));
    if !quiet.is_empty() {
        out.push_str("<h3>The other models</h3>\n<ul class=\"words\">");
        for judgement in &quiet {
            let (class, mark) = signs(judgement.tone);
            let _ = write!(
                out,
                "<li class=\"{class}\"><span aria-hidden=\"true\">{mark} </span>{}</li>",
                escape(&judgement.word)
            );
        }
        out.push_str("</ul>\n<details class=\"horizon\"><summary>In sentences</summary>\n");
        quiet
            .iter()
            .for_each(|judgement| push_judgement(&mut out, judgement, false));
        out.push_str("</details>\n");
    }
    if !page.warnings.is_empty() {
        out.push_str("<h3>Before you believe it</h3>\n");
    }
    out + &list(&page.warnings)
}

/// Class and mark of a verdict.
fn signs(tone: Tone) -> (&'static str, &'static str) {
    match tone {
        Tone::Beats => ("beats", "✓"),
        Tone::Unclear => ("unclear", "?"),
        Tone::NoBetter => ("worse", "✗"),
        Tone::Alarm => ("alarm", "!"),
        Tone::Silent => ("silent", "·"),
    }
}

fn push_judgement(out: &mut String, judgement: &Judgement, first: bool) {
    let (class, mark) = signs(judgement.tone);
    let first = if first { " first" } else { "" };
    let _ = writeln!(
        out,
        "<div class=\"verdict {class}{first}\"><span class=\"word\"><span aria-hidden=\"true\">{mark} </span>{}</span>",
        escape(&judgement.word)
    );
    for sentence in &judgement.sentences {
        out.push_str(&paragraph(sentence));
    }
    out.push_str("</div>\n");
}

fn forecast(page: &Page<'_>) -> String {
    let Some(newest) = &page.newest else {
        return String::new();
    };
    let forecast = &newest.forecast;
    let Some(last) = forecast.rows.last() else {
        return String::new();
    };
    let origin = (forecast.origin as f64, forecast.last_close);
    let mut past = recent(newest);
    if past.last() != Some(&origin) {
        past.push(origin);
    }
    let line = |value: &dyn Fn(usize) -> f64| -> Vec<Point> {
        let ahead =
            (0..forecast.rows.len()).map(|row| (forecast.rows[row].time as f64, value(row)));
        std::iter::once(origin).chain(ahead).collect()
    };
    let level = |wanted: f64| {
        let place = forecast
            .levels
            .iter()
            .position(|level| (level - wanted).abs() < 1e-9)?;
        let whole = |row: &senti::forecast::ForecastRow| row.quantiles.len() > place;
        forecast.rows.iter().all(whole).then_some(place)
    };
    let bands = [
        (0.05, 0.95, "90 % band", 0.16),
        (0.10, 0.90, "80 % band", 0.18),
        (0.25, 0.75, "50 % band", 0.26),
    ]
    .into_iter()
    .filter_map(|(low, high, name, opacity)| {
        let (low, high) = (level(low)?, level(high)?);
        Some(Band {
            name: name.into(),
            low: line(&|row| forecast.rows[row].quantiles[low]),
            high: line(&|row| forecast.rows[row].quantiles[high]),
            color: paint::BLUE,
            opacity,
        })
    })
    .collect::<Vec<_>>();
    let median = level(0.5).is_some_and(|at| {
        let same = |row: &senti::forecast::ForecastRow| {
            (row.point - row.quantiles[at]).abs() <= 1e-9 * row.point.abs()
        };
        forecast.rows.iter().all(same)
    });
    let name = if median { "median" } else { "point forecast" };
    let reading = match (bands.is_empty(), newest.held) {
        (true, _) => "A forecast without quantiles tells nothing of its own error.".to_owned(),
        (false, Some(share)) => format!(
            "Bands as the model claims; where it was measured the 90 % band held {} of prices. The dashed line is the last close.",
            percent(share)
        ),
        (false, None) => "Bands as the model claims; how far they hold was not measured here. The dashed line is the last close.".to_owned(),
    };
    let step = forecast.step;
    let unit = format!("{}, in the unit of the data", page.target);
    let mut lines = vec![Line {
        name: name.into(),
        points: line(&|row| forecast.rows[row].point),
        stroke: Stroke::new(paint::BLUE, 2.2),
        dots: false,
    }];
    if !newest.came.is_empty() {
        let came = newest
            .came
            .iter()
            .map(|(time, price)| (*time as f64, *price));
        lines.push(Line {
            name: "what came".into(),
            points: std::iter::once(origin).chain(came).collect(),
            stroke: Stroke::new(paint::ORANGE, 1.8),
            dots: false,
        });
    }
    lines.push(Line {
        name: format!("{} so far", page.target),
        points: past,
        stroke: Stroke::new(paint::INK, 1.6),
        dots: false,
    });
    let origin_time = forecast.origin;
    let chart = Chart {
        x: Across::Time(step),
        x_title: "opening time of the candle (UTC)".into(),
        y_title: unit.clone(),
        bands,
        lines,
        levels: vec![Level {
            name: format!(
                "last close {}",
                price(forecast.last_close, forecast.last_close)
            ),
            value: forecast.last_close,
            stroke: Stroke::new(paint::MUTED, 1.2).dashed(),
        }],
        uprights: vec![(origin.0, Stroke::new(paint::AXIS, 1.0))],
        place: Box::new(move |x| {
            let time = x as Time;
            let ahead = (time - origin_time) / step.max(1);
            match ahead {
                1.. => format!("{}, {} ahead", day(time, step), reach(ahead as usize, step)),
                _ => day(time, step),
            }
        }),
        unit: unit.clone(),
        ..blank(
            format!(
                "{} after {}",
                reach(forecast.rows.len(), step),
                day(forecast.origin, step)
            ),
            &reading,
            Size::Full,
        )
    };
    let end = match (level(0.05), level(0.95)) {
        (Some(low), Some(high)) => format!(
            "Last close {} on {}. {} later, on {}: {} {}, and nine times in ten between {} and {} if the band holds.",
            money(forecast.last_close),
            day(forecast.origin, step),
            capital(&reach(forecast.rows.len(), step)),
            day(last.time, step),
            name,
            money(last.point),
            money(last.quantiles[low]),
            money(last.quantiles[high]),
        ),
        _ => format!(
            "Last close {} on {}. {} later, on {}: {} {}.",
            money(forecast.last_close),
            day(forecast.origin, step),
            capital(&reach(forecast.rows.len(), step)),
            day(last.time, step),
            name,
            money(last.point),
        ),
    };
    paragraph(&end) + &chart.figure()
}

/// Prices before the origin: over four times as many steps as the forecast has.
fn recent(newest: &Newest) -> Vec<Point> {
    let forecast = &newest.forecast;
    let horizon = forecast.rows.len();
    let rows = (4 * horizon).max(20).min(5 * horizon);
    let ahead = forecast
        .rows
        .last()
        .map_or(0, |last| last.time - forecast.origin);
    let before = newest
        .past
        .iter()
        // A hole in the data must not push the forecast to the edge.
        .filter(|(time, _)| *time <= forecast.origin && forecast.origin - time <= 5 * ahead);
    let points: Vec<Point> = before.map(|(time, price)| (*time as f64, *price)).collect();
    points[points.len().saturating_sub(rows + 1)..].to_vec()
}

fn card(page: &Page<'_>) -> String {
    let mut out: String = page.overview.iter().map(grid).collect();
    let mut open = " open";
    for horizon in &page.horizons {
        let grids: String = horizon.grids.iter().map(grid).collect();
        if grids.is_empty() {
            continue;
        }
        let _ = write!(
            out,
            "<details class=\"horizon\"{open}><summary>{}</summary>\n{}{grids}</details>\n",
            escape(&capital(&horizon.name)),
            paragraph(&horizon.note)
        );
        open = "";
    }
    match out.is_empty() {
        true => out,
        false => paragraph(&page.measured_on) + &out,
    }
}

/// A table of scores; the best of a column is marked, unless all are alike.
fn grid(grid: &Grid) -> String {
    // A column in which nobody has a value tells nothing.
    let shown: Vec<usize> = (0..grid.head.len())
        .filter(|&column| {
            let cells = grid.rows.iter().filter_map(|(_, cells)| cells.get(column));
            cells.into_iter().any(|cell| cell.text != NOTHING)
        })
        .collect();
    if shown.is_empty() {
        return String::new();
    }
    let best: Vec<Option<&str>> = shown.iter().map(|column| best(grid, *column)).collect();
    let mut out = table_head(&grid.caption);
    let _ = write!(out, "<th scope=\"col\">{}</th>", escape(&grid.of));
    for &column in &shown {
        let (name, about) = &grid.head[column];
        let _ = write!(
            out,
            "<th scope=\"col\" title=\"{}\">{}</th>",
            escape(about),
            escape(name)
        );
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (name, cells) in &grid.rows {
        let _ = write!(out, "<tr><th scope=\"row\">{}</th>", escape(name));
        for (&column, best) in shown.iter().zip(&best) {
            let Some(cell) = cells.get(column) else {
                let _ = write!(out, "<td>{NOTHING}</td>");
                continue;
            };
            let text = escape(&cell.text);
            let text = match cell.sure {
                Some(true) => format!("<span class=\"sure better\">{text} ▲</span>"),
                Some(false) => format!("<span class=\"sure worse\">{text} ▼</span>"),
                None => text,
            };
            let is_best = cell.rank.is_some() && *best == Some(cell.text.as_str());
            let class = if is_best { " class=\"best\"" } else { "" };
            let _ = write!(out, "<td{class}>{text}</td>");
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
    out
}

/// What the best cell of a column says; none where there is no choice, or no difference to be seen.
fn best(grid: &Grid, column: usize) -> Option<&str> {
    let ranked: Vec<_> = grid
        .rows
        .iter()
        .filter_map(|(_, cells)| {
            let cell = cells.get(column)?;
            let rank = cell.rank.filter(|rank| rank.is_finite())?;
            Some((rank, cell.text.as_str()))
        })
        .collect();
    let (_, best) = ranked.iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
    ranked.iter().any(|(_, text)| text != best).then_some(*best)
}

/// Which models are drawn, in this order: the one that the page is about, then those with the best distributions; naive is one of them.
fn drawn(page: &Page<'_>) -> Vec<usize> {
    let mean = |index: usize| {
        let curve = page.curves.get(index).map_or(&[][..], Vec::as_slice);
        let ratios: Vec<f64> = curve
            .iter()
            .filter_map(|step| step.relative_crps.or(step.relative_mae))
            .filter(|ratio| ratio.is_finite())
            .collect();
        match ratios.len() {
            0 => f64::INFINITY,
            n => ratios.iter().sum::<f64>() / n as f64,
        }
    };
    let mut order: Vec<usize> = (0..page.models.len()).collect();
    if order.len() > DRAWN {
        order.sort_by(|a, b| mean(*a).total_cmp(&mean(*b)));
    }
    order.sort_by_key(|index| Some(*index) != page.about_model);
    let (mut others, naive): (Vec<_>, Vec<_>) = order
        .into_iter()
        .partition(|index| !page.models[*index].naive);
    others.truncate(DRAWN - 1);
    others.extend(naive);
    others
}

/// Says that some models are missing from a chart.
fn left_out(page: &Page<'_>) -> String {
    match page.models.len().saturating_sub(drawn(page).len()) {
        0 => String::new(),
        _ => format!(
            " Drawn: the best of {} models by CRPS; the others are in the report card.",
            page.models.len()
        ),
    }
}

/// One line a drawn model that has values, naive's in its own colour.
fn by_model(page: &Page<'_>, value: impl Fn(&Step) -> Option<f64>, naive: bool) -> Vec<Line> {
    let mut lines = Vec::new();
    for index in drawn(page) {
        let (model, Some(curve)) = (&page.models[index], page.curves.get(index)) else {
            continue;
        };
        if model.naive && !naive {
            continue;
        }
        let points = series(curve, &value);
        if points.iter().any(|(_, y)| y.is_finite()) {
            lines.push(Line {
                name: model.name.clone(),
                points,
                stroke: stroke_of(page, index),
                dots: true,
            });
        }
    }
    lines
}

/// Naive has its own look, the others theirs in the order in which they are drawn.
fn stroke_of(page: &Page<'_>, index: usize) -> Stroke {
    if page.models[index].naive {
        return naive_look();
    }
    let drawn = drawn(page);
    let place = drawn.iter().position(|other| *other == index);
    look(place.unwrap_or(drawn.len()))
}

fn series(steps: &[Step], value: impl Fn(&Step) -> Option<f64>) -> Vec<Point> {
    steps
        .iter()
        .map(|step| (step.step as f64, value(step).unwrap_or(f64::NAN)))
        .collect()
}

fn ahead<'c>(step: i64) -> Told<'c> {
    Box::new(move |x| format!("{} ahead", reach(x as usize, step)))
}

fn steps(page: &Page<'_>) -> String {
    let left_out = left_out(page);
    let naive = || Level {
        name: "no better than naive".into(),
        value: 1.0,
        stroke: naive_look().dashed(),
    };
    // At least 4 % on both sides of 1, so that a hair's breadth does not look like a victory.
    let around = || Up::Around(vec![0.96, 1.04], "");
    let relative =
        |title: &str, reading: &str, of: &'static str, than: &'static str, lines| Chart {
            y: around(),
            y_title: format!("{of} of the model / {of} of {than}"),
            lines,
            levels: vec![naive()],
            place: ahead(page.step),
            told: Box::new(move |value| format!("{} × {of} of {than}", ratio(value))),
            ..blank(title.into(), &format!("{reading}{left_out}"), Size::Half)
        };
    let crps = relative(
        "Error of the distribution",
        "CRPS beside that of the naive forecast; below 1 the model is better.",
        "CRPS",
        "naive",
        by_model(page, |step| step.relative_crps, false),
    );
    let mae = relative(
        "Error of the point forecast",
        "Mean absolute error beside that of the last close; below 1 the model is better.",
        "MAE",
        "the last close",
        by_model(page, |step| step.relative_mae, false),
    );
    let prices = Chart {
        y: Up::Around(vec![0.0], ""),
        y_title: format!("mean |error|, in units of {}", page.target),
        lines: by_model(page, |step| step.mae, true),
        place: ahead(page.step),
        unit: format!("{}, in the unit of the data", page.target),
        ..blank(
            "In prices".into(),
            "Mean distance of the point forecast from the price that came.",
            Size::Half,
        )
    };
    let pair = crps.figure() + &mae.figure() + &prices.figure() + &over_time(page);
    match pair.is_empty() {
        true => pair,
        false => format!("<div class=\"pair\">\n{pair}</div>\n"),
    }
}

fn over_time(page: &Page<'_>) -> String {
    let Some(sample) = page
        .over_time
        .as_ref()
        .filter(|sample| sample.windows() > 1)
    else {
        return String::new();
    };
    let stretches = sample.stretches();
    let line = |name: &str, error: fn(&Stretch) -> f64, stroke| Line {
        name: name.into(),
        points: stretches
            .iter()
            .map(|s| {
                let middle = s.first + (s.last - s.first) / 2;
                (middle as f64, 100.0 * error(s))
            })
            .collect(),
        stroke,
        dots: false,
    };
    let about = page.about_model.and_then(|about| page.models.get(about));
    let about = about.map_or("model", |model| model.name.as_str());
    let step = page.step;
    let windows = match sample.stretch_windows() {
        1 => String::new(),
        windows => format!("; means over {windows} windows"),
    };
    Chart {
        x: Across::Time(step),
        x_title: "time of the forecast (UTC)".into(),
        y: Up::Around(vec![0.0], " %"),
        y_title: "mean |error|, % of the last close".into(),
        lines: vec![
            line(about, Stretch::model, look(0)),
            line("last close", Stretch::naive, naive_look()),
        ],
        place: Box::new(move |x| day(x as Time, step)),
        told: Box::new(|value| format!("{} % of the last close", grouped(value, 2))),
        ..blank(
            "Over time".into(),
            &format!(
                "Mean error up to {} ahead{windows}. Where the lines lie on each other, the forecast is the last close.",
                reach(sample.horizon(), step)
            ),
            Size::Half,
        )
    }
    .figure()
}

fn calibration(page: &Page<'_>) -> String {
    let about = page.about_model;
    let mut out = String::new();
    if let Some((index, steps)) = about.and_then(|index| Some((index, page.curves.get(index)?))) {
        let name = &page.models[index].name;
        let nominal = [
            (2, 90.0, paint::BLUE),
            (1, 80.0, paint::GREEN),
            (0, 50.0, paint::OCHRE),
        ];
        let lines: Vec<_> = nominal
            .iter()
            .map(|&(place, share, color)| Line {
                name: format!("{share} % interval"),
                points: series(steps, |step| {
                    step.coverage[place].map(|share| 100.0 * share)
                }),
                stroke: Stroke::new(color, 2.0),
                dots: true,
            })
            .filter(|line| line.points.iter().any(|(_, y)| y.is_finite()))
            .collect();
        let levels = nominal
            .iter()
            .filter(|(_, share, _)| lines.iter().any(|l| l.name.starts_with(&share.to_string())))
            .map(|&(_, value, color)| Level {
                name: String::new(),
                value,
                stroke: Stroke::new(color, 1.2).dashed(),
            })
            .collect();
        let chart = coverage_chart(
            page,
            format!("Coverage of {name}"),
            "Share of prices that fell into the interval; an honest interval lies on its dashed line.",
            lines,
            levels,
        );
        out += &chart.figure();
    }
    let lines = by_model(
        page,
        |step| step.coverage[2].map(|share| 100.0 * share),
        true,
    );
    if lines.len() > 1 {
        let promised = Level {
            name: "promised".into(),
            value: 90.0,
            stroke: Stroke::new(paint::MUTED, 1.2).dashed(),
        };
        let chart = coverage_chart(
            page,
            "The 90 % interval, by model".into(),
            "Above the dashed line it is too wide, below it too narrow.",
            lines,
            vec![promised],
        );
        out += &chart.figure();
    }
    out += &reliability(page);
    for spread in page.spreads.iter().filter(|s| Some(s.model) == about) {
        out += &histogram(page, spread);
    }
    match out.is_empty() {
        true => out,
        false => format!("<div class=\"pair\">\n{out}</div>\n"),
    }
}

fn coverage_chart<'c>(
    page: &Page<'_>,
    title: String,
    reading: &str,
    lines: Vec<Line>,
    levels: Vec<Level>,
) -> Chart<'c> {
    let ys = lines
        .iter()
        .flat_map(|line| line.points.iter().map(|(_, y)| *y));
    let promised = levels.iter().map(|level: &Level| level.value);
    let lowest = ys
        .chain(promised)
        .filter(|y| y.is_finite())
        .fold(86.0, f64::min);
    Chart {
        y: Up::Between((lowest - 4.0).max(0.0), 100.0, " %"),
        y_title: "prices inside the interval".into(),
        lines,
        levels,
        place: ahead(page.step),
        told: Box::new(|value| format!("{} % of prices", grouped(value, 1))),
        ..blank(title, reading, Size::Half)
    }
}

/// Share of outcomes below each quantile against what the quantile promises: a line a model, a chart a horizon.
fn reliability(page: &Page<'_>) -> String {
    let mut horizons: Vec<&str> = Vec::new();
    for spread in &page.spreads {
        if !horizons.contains(&spread.horizon.as_str()) {
            horizons.push(&spread.horizon);
        }
    }
    let about = page.about_model.and_then(|about| page.models.get(about));
    let about = about.map(|model| model.name.as_str());
    let mut out = String::new();
    for horizon in horizons {
        let mut lines: Vec<_> = page
            .spreads
            .iter()
            .filter(|spread| spread.horizon == horizon && !spread.below.is_empty())
            .map(|spread| Line {
                name: page.models[spread.model].name.clone(),
                points: spread
                    .below
                    .iter()
                    .map(|(level, share)| (100.0 * level, 100.0 * (share - level)))
                    .collect(),
                stroke: stroke_of(page, spread.model),
                dots: true,
            })
            .collect();
        if lines.is_empty() {
            continue;
        }
        lines.sort_by_key(|line| Some(line.name.as_str()) != about);
        let chart = Chart {
            x: Across::Percent,
            x_title: "level of the quantile".into(),
            y: Up::Around(vec![-5.0, 5.0], ""),
            y_title: "prices at or below it, minus promised, points".into(),
            lines,
            levels: vec![Level {
                name: "honest".into(),
                value: 0.0,
                stroke: Stroke::new(paint::INK, 1.2).dashed(),
            }],
            place: Box::new(|x| format!("{} % quantile", grouped(x, 0))),
            told: Box::new(|value| {
                let plus = if value > 0.0 { "+" } else { "" };
                format!("{plus}{} points of prices below it", grouped(value, 1))
            }),
            ..blank(
                format!("Promised and kept, {horizon}"),
                "At 0 a quantile keeps what it promises; above, too many prices fell below it.",
                Size::Half,
            )
        };
        out += &chart.figure();
    }
    out
}

fn histogram(page: &Page<'_>, spread: &Spread) -> String {
    let bars: Vec<_> = spread
        .edges
        .windows(2)
        .zip(&spread.shares)
        .map(|(edges, &share)| {
            let wanted = edges[1] - edges[0];
            let bin = format!(
                "between the {} % and {} % quantile",
                grouped(100.0 * edges[0], 0),
                grouped(100.0 * edges[1], 0)
            );
            Bar {
                from: 100.0 * edges[0],
                to: 100.0 * edges[1],
                value: share / wanted,
                told: vec![
                    bin,
                    format!("{} of prices", percent(share)),
                    format!("{} promised", percent(wanted)),
                ],
            }
        })
        .collect();
    let highest = bars
        .iter()
        .map(|bar| bar.value)
        .filter(|value| value.is_finite())
        .fold(1.5, f64::max);
    let p = match spread.p {
        Some(p) => format!(" Test of flatness: p\u{a0}=\u{a0}{}.", p_value(p)),
        None => String::new(),
    };
    Chart {
        x: Across::Percent,
        x_title: "place of the price among the quantiles (PIT)".into(),
        y: Up::Between(0.0, 1.06 * highest, " ×"),
        y_title: "prices in the bin / promised".into(),
        bars,
        levels: vec![Level {
            name: "honest".into(),
            value: 1.0,
            stroke: Stroke::new(paint::INK, 1.2).dashed(),
        }],
        told: Box::new(|value| format!("{} ×", grouped(value, 2))),
        ..blank(
            format!("PIT of {}, {}", page.models[spread.model].name, spread.horizon),
            &format!("Flat is honest; a hill is too wide, a valley too narrow, a slope off to one side.{p}"),
            Size::Half,
        )
    }
    .figure()
}

fn importance(page: &Page<'_>) -> String {
    page.importance.iter().map(bars::importance).collect()
}

fn trading(page: &Page<'_>) -> String {
    let mut out = String::new();
    for (model, trading) in &page.trading {
        out += &paragraph(&sentence(&trading.sentence));
        out += &equity(page, model, trading);
        let head = [
            "",
            "money at the end, of 1",
            "Sharpe ratio, yearly",
            "largest fall",
            "time invested",
            "trades",
        ];
        let row = |name: &str, returns: &Returns| {
            vec![
                name.to_owned(),
                ratio(returns.money),
                or_dash(returns.sharpe, |sharpe| grouped(sharpe, 2)),
                percent(returns.drawdown),
                percent(returns.exposure),
                grouped(returns.trades as f64, 0),
            ]
        };
        out += &paragraph(&format!(
            "{} periods, each position taken one candle after the forecast; a change costs {}{}. Better than {} of random entries with the same exposure. The probability that its Sharpe ratio is truly above 0 is {}, deflated for what was tried {}.",
            grouped(trading.periods as f64, 0),
            percent_fine(trading.cost),
            if trading.short {
                ", short positions too"
            } else {
                ""
            },
            percent(trading.better_than_random),
            or_dash(trading.probabilistic_sharpe, percent),
            or_dash(trading.deflated_sharpe, percent)
        ));
        let caption = format!("{model} beside doing nothing clever, after costs");
        let rows = [
            row(model, &trading.model),
            row("buy and hold", &trading.buy_and_hold),
            row("random entries (median)", &trading.random),
        ];
        out += &table(&caption, &head.map(String::from), &rows);
    }
    out
}

/// Costs are fractions of a percent.
fn percent_fine(share: f64) -> String {
    or_dash(Some(share), |share| {
        format!("{} %", grouped(100.0 * share, 2))
    })
}

fn equity(page: &Page<'_>, model: &str, trading: &Trading) -> String {
    let line = |name: &str, money: &[f64], stroke| Line {
        name: name.into(),
        points: trading
            .times
            .iter()
            .zip(money)
            .map(|(time, money)| (*time as f64, *money))
            .collect(),
        stroke,
        dots: false,
    };
    let step = page.step;
    Chart {
        x: Across::Time(step),
        x_title: "end of the period (UTC)".into(),
        y_title: "money, of 1 at the start".into(),
        lines: vec![
            line(model, &trading.equity, look(0)),
            line("buy and hold", &trading.equity_buy_and_hold, naive_look()),
        ],
        place: Box::new(move |x| day(x as Time, step)),
        told: Box::new(|value| format!("{} of 1", grouped(value, 3))),
        ..blank(
            format!("Money of {model}"),
            "After costs. A rally makes every long position look clever: compare with buying and holding.",
            Size::Full,
        )
    }
    .figure()
}

fn training(page: &Page<'_>) -> String {
    let folds = page.folds.as_ref().map(grid).unwrap_or_default();
    let folds = match folds.is_empty() {
        true => folds,
        false => {
            format!("<details class=\"horizon\"><summary>The folds</summary>\n{folds}</details>\n")
        }
    };
    history(page) + &folds
}

fn history(page: &Page<'_>) -> String {
    let Some(manifest) = page.training else {
        return String::new();
    };
    let history = &manifest.history;
    if history.is_empty() {
        return String::new();
    }
    let untrained = manifest.untrained_loss.filter(|loss| loss.is_finite());
    let mut valid: Vec<Point> = history
        .iter()
        .map(|record| (record.epoch as f64, record.valid_loss))
        .collect();
    if let Some(loss) = untrained {
        valid.insert(0, (0.0, loss));
    }
    let train: Vec<Point> = history
        .iter()
        .map(|record| (record.epoch as f64, record.train_loss))
        .collect();
    let kept = valid
        .iter()
        .find(|(epoch, _)| *epoch == manifest.best_epoch as f64)
        .copied();
    let losses = || {
        let all = valid.iter().chain(&train).map(|(_, loss)| *loss);
        all.filter(|loss| loss.is_finite())
    };
    let lowest = losses().fold(f64::INFINITY, f64::min);
    let highest = losses().fold(f64::NEG_INFINITY, f64::max);
    // A first epoch far above the rest would flatten everything that follows.
    let logarithmic = lowest > 0.0 && highest > 10.0 * lowest;
    let loss = match manifest.plan.loss {
        Loss::Pinball => "pinball loss",
        Loss::Mse => "mean squared error",
        Loss::Mae => "mean absolute error",
        Loss::Huber => "Huber loss",
    };
    let mut lines = Vec::new();
    if let Some(kept) = kept {
        lines.push(Line {
            name: match manifest.best_epoch {
                0 if manifest.imported.is_some() => "kept: the imported weights".into(),
                0 => "kept: the untrained model".into(),
                epoch => format!("kept: epoch {epoch}"),
            },
            points: vec![kept],
            stroke: Stroke::new(paint::GREEN, 2.0),
            dots: true,
        });
    }
    let line = |name: &str, points, color| Line {
        name: name.into(),
        points,
        stroke: Stroke::new(color, 2.0),
        dots: true,
    };
    lines.push(line("validation", valid, paint::BLUE));
    lines.push(line("training", train, paint::MUTED));
    let drops: Vec<_> = history
        .windows(2)
        .filter(|pair| pair[1].learning_rate < pair[0].learning_rate)
        .collect();
    let imported = manifest.imported.is_some();
    let mut reading = match (manifest.best_epoch, untrained) {
        (0, Some(_)) if imported => {
            "No epoch's validation loss came below the imported weights', which were kept."
        }
        (0, Some(_)) => {
            "No epoch's validation loss came below the untrained model's, whose weights were kept."
        }
        _ => "The weights of the epoch with the lowest validation loss were kept.",
    }
    .to_owned();
    if manifest.plan.dropout > 0.0 {
        reading.push_str(" Training losses include dropout, so they may lie above.");
    }
    if !drops.is_empty() {
        let rates: Vec<_> = drops
            .iter()
            .take(6)
            .map(|pair| rate(pair[1].learning_rate))
            .collect();
        let _ = write!(
            reading,
            " At the dashed lines the learning rate drops, to {}.",
            rates.join(", ")
        );
    }
    let mut levels = Vec::new();
    if let Some(loss) = untrained {
        levels.push(Level {
            name: if imported { "imported" } else { "untrained" }.into(),
            value: loss,
            stroke: Stroke {
                dash: Some((2.0, 3.0)),
                ..Stroke::new(paint::BLUE, 1.2)
            },
        });
    }
    Chart {
        x_title: match untrained {
            Some(_) if imported => "epoch (0 is the imported network)".into(),
            Some(_) => "epoch (0 is the untrained model)".into(),
            None => "epoch".into(),
        },
        y: match logarithmic {
            true => Up::Logarithmic,
            false => Up::Around(Vec::new(), ""),
        },
        y_title: match logarithmic {
            true => format!("{loss} of the scaled target, logarithmic"),
            false => format!("{loss} of the scaled target"),
        },
        lines,
        levels,
        uprights: drops
            .iter()
            .map(|pair| {
                let stroke = Stroke::new(paint::ORANGE, 1.2).dashed();
                (pair[1].epoch as f64 - 0.5, stroke)
            })
            .collect(),
        place: Box::new(|x| match x {
            0.0 if imported => "imported".into(),
            0.0 => "untrained".into(),
            _ => format!("epoch {}", grouped(x, 0)),
        }),
        told: Box::new(|value| price(value, value)),
        unit: format!("{loss} of the scaled target"),
        ..blank(
            format!(
                "Loss over {} epoch{}",
                grouped(history.len() as f64, 0),
                if history.len() == 1 { "" } else { "s" }
            ),
            &reading,
            Size::Full,
        )
    }
    .figure()
}

fn facts(page: &Page<'_>) -> String {
    let tables: String = page.facts.iter().map(facts_table).collect();
    match tables.is_empty() {
        true => tables,
        false => format!("<div class=\"pair\">\n{tables}</div>\n"),
    }
}

fn facts_table(facts: &Facts) -> String {
    if facts.rows.is_empty() {
        return String::new();
    }
    let rows: String = facts
        .rows
        .iter()
        .map(|(name, value)| {
            format!(
                "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
                escape(name),
                escape(value)
            )
        })
        .collect();
    format!(
        "<div><h3>{title}</h3>\n<table class=\"facts\" aria-label=\"{title}\"><tbody>\n{rows}</tbody></table></div>\n",
        title = escape(&facts.title)
    )
}

/// First and last moment of something, in words.
pub(super) fn span(first: Time, last: Time, step: i64) -> String {
    format!("{} to {}", day(first, step), day(last, step))
}
