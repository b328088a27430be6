//! Integrated gradients by feature and by day of the window: heat maps of the median and of the width.

use senti::importance::Importance;
use senti::importance::gradients::{Attributed, Gradients, Number};

use super::super::SIZE;
use super::super::axis::grouped;
use super::super::font::{self, Weight};
use super::super::panel::{SMALL, heading};
use super::super::scene::{Anchor, Color, Scene, Stroke, Style, paint};
use super::{Rows, left_out, names, on_windows, whole_dots};

/// Columns that a map has room for; more days are put together.
const MOST_DAYS: usize = 60;

/// Draws it; `None` for a model that is no network, and for a network that moves no forecast.
pub fn days(found: &Importance) -> Option<Scene> {
    let gradients = found.gradients.as_ref()?;
    let moves = |attributed: &Attributed| attributed.features.iter().any(|value| *value != 0.0);
    if !gradients.numbers.iter().any(moves) {
        return None;
    }
    let title = format!("Integrated gradients on {}", on_windows(found));
    let mut scene = Scene::new(SIZE.0, SIZE.1, &title);
    let reading = format!(
        "The darker, the more that feature and day moved the forecast away from a median window's: mean |attribution|, in {}.",
        gradients.unit
    );
    let top = heading(&mut scene, &title, &reading);
    let order = order(gradients);
    let rows = Rows::between(top + 26.0, SIZE.1 - 66.0, order.len());
    let labels: Vec<&str> = (order.iter())
        .map(|&feature| found.features[feature].name.as_str())
        .collect();
    let left = names(&mut scene, rows, 24.0, &labels);
    let maps = gradients.numbers.len() as f64;
    let gap = 30.0;
    let width = (SIZE.0 - 24.0 - left - gap * (maps - 1.0)) / maps;
    for (index, attributed) in gradients.numbers.iter().enumerate() {
        let at = left + index as f64 * (width + gap);
        map(&mut scene, rows, (at, at + width), attributed, &order);
    }
    left_out(&mut scene, order.len());
    Some(scene)
}

/// Features by their share in all numbers, the largest first.
fn order(gradients: &Gradients) -> Vec<usize> {
    let n = gradients
        .numbers
        .first()
        .map_or(0, |first| first.features.len());
    let mut shares = vec![0.0; n];
    for attributed in &gradients.numbers {
        let all: f64 = attributed.features.iter().sum();
        for (share, value) in shares.iter_mut().zip(&attributed.features) {
            *share += if all > 0.0 { value / all } else { 0.0 };
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]));
    order
}

fn map(
    scene: &mut Scene,
    rows: Rows,
    (left, right): (f64, f64),
    attributed: &Attributed,
    order: &[usize],
) {
    let (color, title) = match attributed.number {
        Number::Median => (paint::GREEN, "the median"),
        Number::Width => (paint::BLUE, "the width of the 90 % interval"),
    };
    let days = attributed.days.len();
    let together = days.div_ceil(MOST_DAYS);
    let columns = days.div_ceil(together);
    // Counted from the newest day, so that a column that is not full is the oldest.
    let value = |feature: usize, column: usize| -> f64 {
        let newest = days - (columns - 1 - column) * together;
        let days = &attributed.days[newest.saturating_sub(together)..newest];
        days.iter().map(|day| day[feature]).sum()
    };
    let shown = &order[..order.len().min(rows.n)];
    let cells = shown
        .iter()
        .flat_map(|&feature| (0..columns).map(move |column| value(feature, column)));
    let most = cells.fold(0.0, f64::max);
    let (left, width) = (
        whole_dots(left),
        whole_dots((right - left) / columns as f64).max(0.5),
    );
    let right = left + width * columns as f64;
    let air = if width > 6.0 { 0.5 } else { 0.0 };
    for (row, &feature) in shown.iter().enumerate() {
        for column in 0..columns {
            let share = if most > 0.0 {
                value(feature, column) / most
            } else {
                0.0
            };
            let x = left + width * column as f64;
            scene.rect(
                (x + air, rows.edge(row) + air),
                (x + width - air, rows.edge(row + 1) - air),
                color,
                0.03 + 0.97 * share,
            );
        }
    }
    let label = Style::new(SMALL, paint::MUTED).anchor(Anchor::Middle);
    let every = [1, 2, 5, 10, 20, 50]
        .into_iter()
        .find(|every| columns / every <= 8)
        .unwrap_or(100);
    for back in (0..columns).step_by(every) {
        let x = left + width * ((columns - 1 - back) as f64 + 0.5);
        let text = (back * together).to_string();
        scene.text((x, rows.bottom() + 16.0), &text, label);
    }
    scene.text(
        ((left + right) / 2.0, rows.bottom() + 34.0),
        "steps before the last known candle",
        label,
    );
    scene.text(
        (left, rows.top - 10.0),
        title,
        Style::new(SMALL, paint::INK).bold(),
    );
    scale(scene, (right, rows.bottom() + 50.0), color, most);
}

/// What the colours mean, ending at a place.
fn scale(scene: &mut Scene, (right, y): (f64, f64), color: Color, most: f64) {
    let label = Style::new(SMALL, paint::MUTED).anchor(Anchor::End);
    let text = format!("{most:.1e}");
    scene.text((right, y + 6.0), &text, label);
    let (width, parts) = (90.0, 15);
    let left = right - font::width(Weight::Regular, &text, SMALL) - 6.0 - width;
    let part = width / f64::from(parts);
    for k in 0..parts {
        let x = left + part * f64::from(k);
        let share = (f64::from(k) + 0.5) / f64::from(parts);
        scene.rect(
            (x, y - 4.0),
            (x + part, y + 6.0),
            color,
            0.03 + 0.97 * share,
        );
    }
    scene.line(
        &[(left, y + 6.0), (left + width, y + 6.0)],
        Stroke::new(paint::AXIS, 1.0),
    );
    scene.text((left - 6.0, y + 6.0), &grouped(0.0, 0), label);
}
