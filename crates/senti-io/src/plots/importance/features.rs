//! Feature by feature: integrated gradients beside the ranking of a random forest.

use senti::importance::Importance;
use senti::importance::gradients::Number;

use super::super::SIZE;
use super::super::axis::grouped;
use super::super::panel::heading;
use super::super::scene::{Color, Scene, paint};
use super::{Bar, Rows, bars, left_out, names, on_windows};

/// Draws it; `None` where there is neither.
pub fn features(found: &Importance) -> Option<Scene> {
    let mut panels: Vec<(Vec<f64>, Color, &str)> = Vec::new();
    for attributed in found.gradients.iter().flat_map(|all| &all.numbers) {
        let (color, title) = match attributed.number {
            Number::Median => (paint::GREEN, "gradients: share of the median"),
            Number::Width => (paint::BLUE, "gradients: share of the width"),
        };
        let all: f64 = attributed.features.iter().sum();
        if all == 0.0 {
            // nothing was earned: there are no shares of it
            continue;
        }
        let share = |value: &f64| 100.0 * value / all;
        panels.push((
            attributed.features.iter().map(share).collect(),
            color,
            title,
        ));
    }
    if let Some(forest) = &found.forest {
        let shares = forest.features.iter().map(|share| 100.0 * share);
        panels.push((
            shares.collect(),
            paint::ORANGE,
            "forest: share of the impurity",
        ));
    }
    let mut order: Vec<usize> = (0..found.features.len()).collect();
    // By the last number of the forecast, its width, where there is one; else by the forest.
    let explained = panels.len() - usize::from(found.forest.is_some());
    let (first, _, _) = panels.get(explained.saturating_sub(1))?;
    order.sort_by(|&a, &b| first[b].total_cmp(&first[a]));

    let title = format!("Feature by feature on {}", on_windows(found));
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let mut reading = String::new();
    if explained > 0 {
        reading += "Gradients: the feature's share of all attributions. ";
    }
    if let Some(forest) = &found.forest {
        reading += &format!(
            "Forest: for comparison; biased, knows nothing of the model, R² {} on held-out windows.",
            grouped(forest.held_out_r2, 2)
        );
    }
    let top = heading(&mut scene, &title, &reading);
    let rows = Rows::between(top + 26.0, SIZE.1 - 34.0, order.len());
    let labels: Vec<&str> = (order.iter())
        .map(|&feature| found.features[feature].name.as_str())
        .collect();
    let left = names(&mut scene, rows, 24.0, &labels);
    let gap = 34.0;
    let n = panels.len() as f64;
    let width = (SIZE.0 - 30.0 - left - gap * (n - 1.0)) / n;
    for (index, (shares, color, title)) in panels.iter().enumerate() {
        let at = left + index as f64 * (width + gap);
        let lengths: Vec<Bar> = order
            .iter()
            .map(|&feature| Bar {
                length: shares[feature],
                interval: None,
            })
            .collect();
        bars(
            &mut scene,
            rows,
            (at, at + width),
            &lengths,
            *color,
            " %",
            title,
        );
    }
    left_out(&mut scene, order.len());
    Some(scene)
}
