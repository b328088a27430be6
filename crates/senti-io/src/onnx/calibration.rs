//! Calibration in the graph, as [`senti::calibrate::Calibration::apply`] does it.
//!
//! In come prices; out go prices of the same shapes, moved towards the last close and widened. A calibration that changes nothing leaves
//! nothing in the graph.

use senti::calibrate::Calibration;
use senti::plan::LEVELS;

use super::Told;
use super::graph::{Graph, Value};

/// Corrects point (batch, H) and quantiles (batch, H, Q); no quantile crosses another.
pub fn build(
    g: &mut Graph,
    calibration: &Calibration,
    last_close: &Value,
    told: Told,
    horizon: usize,
) -> Told {
    if calibration.is_none() {
        return told;
    }
    g.within("calibration", |g| {
        let was = g.unsqueeze("point_was", &told.point, 2);
        let shares: Vec<f64> = (0..horizon).map(|step| calibration.share(step)).collect();
        let point = match shares.iter().all(|share| *share == 1.0) {
            true => was.clone(),
            false => {
                let whole: Vec<bool> = shares.iter().map(|share| *share >= 1.0).collect();
                let whole = g.truths("is_believed", &[horizon, 1], &whole);
                let shares = g.doubles("shares", &[horizon, 1], &shares);
                let ratio = g.both("Div", "move", &was, last_close);
                let ratio = g.both("Pow", "believed_move", &ratio, &shares);
                let moved = g.both("Mul", "moved_point", last_close, &ratio);
                g.choose("point", &whole, &was, &moved)
            }
        };
        let shift = g.both("Div", "shift", &point, &was);
        let (levels, pairs) = (LEVELS.len(), LEVELS.len() / 2);
        let median = g.slice("median_was", &told.quantiles, 2, pairs, pairs + 1);
        let is_point = g.compare("Equal", "median_is_point", &median, &was);
        let shifted = g.both("Mul", "shifted_median", &median, &shift);
        let median = g.choose("median", &is_point, &point, &shifted);

        let factors = |order: &dyn Fn(usize) -> usize| -> Vec<f64> {
            let pair = |step: usize| (0..pairs).map(move |pair| (step, pair));
            let cells = (0..horizon).flat_map(pair);
            cells
                .map(|(step, pair)| calibration.factor(step, order(pair)))
                .collect()
        };
        // below, the outermost pair stands first; above, it stands last
        let below = factors(&|pair| pair);
        let above = factors(&|pair| pairs - 1 - pair);
        let mut side = |label: &str, start: usize, factors: &[f64], low: bool| {
            g.within(label, |g| {
                let prices = g.slice("was", &told.quantiles, 2, start, start + pairs);
                let prices = g.both("Mul", "shifted", &prices, &shift);
                let ratio = g.both("Div", "distance", &prices, &median);
                let factors = g.doubles("factors", &[horizon, pairs], factors);
                let ratio = g.both("Pow", "widened", &ratio, &factors);
                let moved = g.both("Mul", "moved", &median, &ratio);
                // no price comes nearer to the median than its inner neighbours, nor crosses it
                let all = g.concat("with_median", &[&moved, &median], 2);
                let inner: Vec<i64> = (0..pairs)
                    .flat_map(|pair| (0..=pairs).map(move |other| (pair, other)))
                    .map(|(pair, other)| {
                        let is_inner = if low { other >= pair } else { other <= pair };
                        (if is_inner { other } else { pairs }) as i64
                    })
                    .collect();
                let inner = g.wholes("inner_neighbours", &[pairs, pairs + 1], &inner);
                let all = g.gather("neighbours", &all, 2, &inner);
                let op = if low { "ReduceMin" } else { "ReduceMax" };
                g.reduce(op, "in_order", &all, 3)
            })
        };
        let below = side("below", 0, &below, true);
        let above = side("above", levels - pairs, &above, false);
        Told {
            point: g.squeeze("point_by_step", &point, 2),
            quantiles: g.concat("quantiles", &[&below, &median, &above], 2),
        }
    })
}
