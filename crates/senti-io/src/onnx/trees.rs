//! The forest in the graph, as `senti/src/models/trees.rs` and [`senti_engine::boosting::Forest`] compute it.
//!
//! In come rows and the parts of the model; out go prices before calibration. Every split of every tree is asked at once, in single
//! precision as in training; three lookups then find each tree's leaf, and the leaves' corrections are summed in double precision.

use senti::Result;
use senti::artifact::Manifest;
use senti::models::TreesParts;
use senti::plan::LEVELS;
use senti::table::Role;

use super::graph::{Graph, Value};
use super::proto::Kind;
use super::rows::{Rows, divide};
use super::{Told, features, preparation};

const DAY: i64 = 86_400_000;
const WEEK: usize = 7;

/// The whole model.
pub fn build(
    g: &mut Graph,
    rows: &mut Rows,
    manifest: &Manifest,
    parts: &TreesParts,
) -> Result<Told> {
    let matrix = features::build(g, rows, manifest, 1)?;
    let narrow = preparation::build(g, &manifest.preparation, &matrix);
    let last_close = rows.last_close(g)?;
    g.within("trees", |g| {
        let (horizon, levels) = (rows.horizon, LEVELS.len());
        let volatility = volatility(g, rows, parts)?;
        let times = rows.times(g);
        let time = rows.last(g, "time", &times, 1, 0);
        let (day, _) = divide(g, "day", &time, DAY);
        let (_, weekday) = divide(g, "week", &day, WEEK as i64);
        let weekday = g.reshape("weekday", &weekday, &[-1]);
        let weekday = g.cast("weekday_whole", &weekday, Kind::Whole);
        let looks = looks(g, parts, &narrow, &volatility, &weekday, horizon);

        let begin: Vec<f64> = parts
            .quantiles
            .iter()
            .map(|&q| f64::from(q as f32))
            .collect();
        let begin = g.doubles("begin", &[1, horizon, levels], &begin);
        let quantiles = match parts.forest.is_empty() {
            true => begin,
            false => {
                let corrections = corrections(g, parts, &looks);
                g.both("Add", "corrected", &begin, &corrections)
            }
        };
        let quantiles = g.sort("sorted", &quantiles, levels);

        let reach = g.doubles("reach_by_weekday", &[WEEK, horizon, 1], &parts.reach);
        let reach = g.gather("reach", &reach, 0, &weekday);
        let scale = g.both("Mul", "scale", &volatility, &reach);
        let moved = g.both("Mul", "log_returns", &quantiles, &scale);
        let factor = g.of("Exp", "moves", &moved);
        let prices = g.both("Mul", "prices", &last_close, &factor);
        let middle = levels / 2;
        let median = g.slice("median", &prices, 2, middle, middle + 1);
        Ok(Told {
            point: g.squeeze("point", &median, 2),
            quantiles: prices,
        })
    })
}

/// Standard deviation of a step at this window: (batch, 1, 1).
fn volatility(g: &mut Graph, rows: &mut Rows, parts: &TreesParts) -> Result<Value> {
    let usual = (1.0 - parts.own) * parts.variance;
    let past = rows.past;
    if past < 2 {
        let variance = parts.own * parts.variance + usual;
        return Ok(g.doubles("volatility", &[1, 1, 1], &[variance.sqrt()]));
    }
    let close = rows.role(g, Role::Close)?;
    let later = rows.last(g, "later", &close, past - 1, 0);
    let earlier = rows.last(g, "earlier", &close, past - 1, 1);
    let ratio = g.both("Div", "ratio", &later, &earlier);
    let change = g.of("Log", "returns", &ratio);
    let squares = g.both("Mul", "squares", &change, &change);
    let mut weights = vec![1.0; past - 1];
    for row in (0..past - 2).rev() {
        weights[row] = weights[row + 1] * parts.decay;
    }
    let sum: f64 = weights.iter().sum();
    let weights = g.doubles("weights", &[1, past - 1], &weights);
    let own = g.both("MatMul", "weighed", &weights, &squares);
    let own = g.with("Div", "own_variance", &own, sum);
    let own = g.with("Mul", "own_part", &own, parts.own);
    let variance = g.with("Add", "variance", &own, usual);
    Ok(g.of("Sqrt", "volatility", &variance))
}

/// What the trees see of every step ahead, in single precision: (batch, H, F + 4).
fn looks(
    g: &mut Graph,
    parts: &TreesParts,
    features: &Value,
    volatility: &Value,
    weekday: &Value,
    horizon: usize,
) -> Value {
    g.within("looks", |g| {
        let relative = g.with("Div", "relative", volatility, parts.variance.sqrt());
        let relative = g.of("Log", "log_relative", &relative);
        let relative = g.cast("narrow", &relative, Kind::Single);
        // step and weekdays of the first and of this candle ahead, by the weekday of the origin
        let ahead: Vec<f32> = (parts.weekdays.chunks_exact(horizon))
            .flat_map(|days| {
                let row = |(step, &day): (usize, &u8)| [step as f32, days[0].into(), day.into()];
                days.iter().enumerate().flat_map(row).collect::<Vec<_>>()
            })
            .collect();
        let ahead = g.singles("ahead_by_weekday", &[WEEK, horizon, 3], &ahead);
        let ahead = g.gather("ahead", &ahead, 0, weekday);
        // the same for every step: a column of zeros makes as many rows of it
        let step = g.slice("a_number_by_step", &ahead, 2, 0, 1);
        let none = g.both("Sub", "none_by_step", &step, &step);
        let features = g.both("Add", "features_by_step", &none, features);
        let relative = g.both("Add", "relative_by_step", &none, &relative);
        g.concat("looks", &[&features, &relative, &ahead], 2)
    })
}

/// Sum of the corrections of all trees: (batch, H, Q).
fn corrections(g: &mut Graph, parts: &TreesParts, looks: &Value) -> Value {
    let forest = &parts.forest;
    let (trees, leaves, levels) = (forest.len(), 1_usize << forest.depth, forest.n_levels);
    g.within("forest", |g| {
        let splits: Vec<i64> = forest.split.iter().map(|&split| split.into()).collect();
        let splits = g.wholes("splits", &[trees, leaves - 1], &splits);
        let thresholds = g.singles("thresholds", &[trees, leaves - 1], &forest.threshold);
        let values = g.gather("values", looks, 2, &splits);
        let right = g.compare("Greater", "goes_right", &values, &thresholds);
        // (batch, H, trees, splits)
        let right = g.cast("right", &right, Kind::Whole);
        let (one, two) = (g.whole(1), g.whole(2));
        // down from the root, split 0: the children of split n are 2n + 1 and 2n + 2
        let mut node = g.slice("turn_1", &right, 3, 0, 1);
        node = g.both("Add", "node_1", &node, &one);
        for depth in 1..forest.depth {
            let turn = g.gather_elements(&format!("turn_{}", depth + 1), &right, 3, &node);
            let child = g.both("Mul", &format!("doubled_{}", depth + 1), &node, &two);
            let child = g.both("Add", &format!("left_{}", depth + 1), &child, &one);
            node = g.both("Add", &format!("node_{}", depth + 1), &child, &turn);
        }
        let node = g.squeeze("node", &node, 3);
        // leaf n of a tree is node n + leaves - 1; those of all trees stand in one table
        let first: Vec<i64> = (0..trees)
            .map(|tree| (tree * leaves) as i64 - (leaves as i64 - 1))
            .collect();
        let first = g.wholes("first_leaves", &[trees], &first);
        let leaf = g.both("Add", "leaf", &node, &first);
        let table: Vec<f64> = forest.leaf.iter().map(|&leaf| f64::from(leaf)).collect();
        let table = g.doubles("leaves", &[trees * leaves, levels], &table);
        let each = g.gather("corrections_of_trees", &table, 0, &leaf);
        g.sum("corrections", &each, 2)
    })
}
