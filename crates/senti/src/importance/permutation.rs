//! Permutation importance: how much worse forecasts of held-out windows become when the model is shown another window's columns.
//!
//! In come windows, a model that has learned, groups of columns and orders; out goes what each group's shuffling costs, with intervals.
//! The loss is the CRPS in log units, twice the mean pinball loss over the levels, of the forecast as it is given out (calibrated).
//! A group's columns of a whole window go together, so that days stay in order and only the tie to the other columns, to the last close
//! and to what came is cut. What remains of a column in others (correlations within windows) counts for those.

use senti_engine::random::{Purpose, Stream};
use serde::{Deserialize, Serialize};

use super::groups::Group;
use super::{STEPS, shuffle};
use crate::calibrate::Calibration;
use crate::forecast::Predictions;
use crate::metrics::crps;
use crate::models::{CHUNK, Fitted};
use crate::observe::{Event, Next, Observer, interrupted};
use crate::plan::LEVELS;
use crate::prepare::Preparation;
use crate::windows::{Labelled, Window};
use crate::{Error, Result, quantiles};

/// Coverage of the intervals.
pub const COVERAGE: f64 = 0.9;

/// Samples of the windows that an interval is made from.
const SAMPLES: usize = 1_000;

/// What shuffling costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shuffled {
    /// CRPS of the untouched forecasts in log units, by step told, and over all steps: as in [`Cost::lost`].
    pub loss: Vec<f64>,
    /// Windows in a block of the intervals.
    pub block: usize,
    /// The groups, the most costly first.
    pub groups: Vec<Cost>,
}

/// What shuffling a group costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Its columns.
    pub group: Group,
    /// By step told, then over all steps.
    pub lost: Vec<Lost>,
}

impl Cost {
    /// Over all steps.
    pub fn overall(&self) -> &Lost {
        &self.lost[self.lost.len() - 1]
    }
}

/// Skill lost: by how many percent the CRPS of the shuffled forecasts is above that of the untouched ones, which are the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    /// Step ahead; none for the mean over all steps.
    pub step: Option<usize>,
    /// Mean over the shuffles.
    pub mean: f64,
    /// Lower end of its interval, which tells how it would differ on other windows ([`COVERAGE`], circular block bootstrap).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Standard deviation over the shuffles (divided by their number, as scikit-learn's `importances_std`).
    pub std: f64,
}

/// Steps that are told one by one: those of [`STEPS`] within the horizon, and the last.
pub fn told(horizon: usize) -> Vec<usize> {
    let mut steps: Vec<usize> = STEPS.into_iter().filter(|&step| step < horizon).collect();
    steps.push(horizon);
    steps
}

/// Orders of `n` windows, one a repetition, and the same for every group, as scikit-learn does: differences between groups are then not
/// those of their luck.
pub fn orders(seed: u64, repeats: usize, n: usize) -> Vec<Vec<u32>> {
    let stream = Stream::new(seed, Purpose::Bootstrap).part(1);
    (0..repeats as u64)
        .map(|repeat| {
            let mut order = vec![0; n];
            stream.permutation(repeat, &mut order);
            order
        })
        .collect()
}

/// Shows the model every group from other windows, in each of the orders.
#[allow(
    clippy::too_many_arguments,
    reason = "each is one thing, and the tests give some of them by hand"
)]
pub fn measure(
    held: &[Labelled<'_>],
    fitted: &mut dyn Fitted,
    preparation: &Preparation,
    calibration: &Calibration,
    groups: &[Group],
    orders: &[Vec<u32>],
    seed: u64,
    observe: &mut Observer<'_>,
) -> Result<Shuffled> {
    let n = held.len();
    let horizon = held[0].future().len();
    let told = told(horizon);
    let mut done = 0;
    let mut losses = |group: Option<(&Group, &[u32])>| -> Result<Vec<f64>> {
        let mut losses = Vec::with_capacity(n * (told.len() + 1));
        for start in (0..n).step_by(CHUNK) {
            let end = (start + CHUNK).min(n);
            let news = Event::Working {
                what: "shuffling",
                done,
                of: n * (1 + groups.len() * orders.len()),
            };
            if observe(news) == Next::Stop {
                return Err(interrupted("shuffling the columns"));
            }
            window_losses(
                &held[start..end],
                fitted,
                preparation,
                calibration,
                group.map(|(group, order)| (held, start, group, order)),
                &told,
                &mut losses,
            )?;
            done += end - start;
        }
        Ok(losses)
    };

    let width = told.len() + 1;
    let base = losses(None)?;
    let loss = means(&base, width);
    if !loss.iter().all(|&loss| loss > 0.0) {
        return Err(Error::data(
            "the model makes no error on the held-out windows, so none can be lost",
        ));
    }
    let first = held[0].window().origin();
    let last = held[n - 1].window().origin();
    let spacing = (last - first) as f64 / (n - 1) as f64;
    // Windows whose futures overlap are drawn together.
    let block = ((horizon as f64 / spacing).ceil() as usize).clamp(1, n.div_ceil(2));
    let samples = samples(seed, n, block);
    let mut costs = Vec::with_capacity(groups.len());
    for group in groups {
        let mut mean_losses = vec![0.0; base.len()];
        let mut by_repeat = vec![Vec::with_capacity(orders.len()); width];
        for order in orders {
            let shuffled = losses(Some((group, order)))?;
            for (column, loss_now) in means(&shuffled, width).into_iter().enumerate() {
                by_repeat[column].push(100.0 * (loss_now / loss[column] - 1.0));
            }
            for (mean, loss) in mean_losses.iter_mut().zip(&shuffled) {
                *mean += loss / orders.len() as f64;
            }
        }
        let lost = (0..width).map(|column| {
            let pick = |losses: &[f64]| -> Vec<f64> {
                losses.iter().skip(column).step_by(width).copied().collect()
            };
            let (low, high) = interval(&pick(&base), &pick(&mean_losses), &samples);
            let (mean, std) = mean_and_std(&by_repeat[column]);
            Lost {
                step: told.get(column).copied(),
                mean,
                low,
                high,
                std,
            }
        });
        costs.push(Cost {
            group: group.clone(),
            lost: lost.collect(),
        });
    }
    costs.sort_by(|a, b| b.overall().mean.total_cmp(&a.overall().mean));
    Ok(Shuffled {
        loss,
        block,
        groups: costs,
    })
}

/// Losses of some windows, one row a window: the steps told, then the mean over all steps.
fn window_losses(
    held: &[Labelled<'_>],
    fitted: &mut dyn Fitted,
    preparation: &Preparation,
    calibration: &Calibration,
    shuffled: Option<(&[Labelled<'_>], usize, &Group, &[u32])>,
    told: &[usize],
    out: &mut Vec<f64>,
) -> Result<()> {
    let horizon = held[0].future().len();
    let mut windows: Vec<Window<'_>> = held.iter().map(Labelled::window).collect();
    let matrix;
    if let Some((all, start, group, order)) = shuffled {
        if group.columns.is_empty() {
            for (row, window) in windows.iter_mut().enumerate() {
                *window = window.with_candles_of(&all[order[start + row] as usize].window());
            }
        }
        let steps = windows[0].past().len();
        matrix = shuffle(all, start..start + held.len(), steps, group, order);
        for (row, window) in windows.iter_mut().enumerate() {
            *window = window.with_past(&matrix, (row + 1) * steps - 1);
        }
    }
    let mut predictions = Predictions::new(windows.len(), horizon, LEVELS.len());
    fitted.predict(&windows, preparation, &mut predictions)?;
    let last_close: Vec<f64> = windows.iter().map(Window::last_close).collect();
    calibration.apply(&last_close, &mut predictions);
    let mut by_step = vec![0.0; horizon];
    let mut logs = [0.0; LEVELS.len()];
    for (row, labelled) in held.iter().enumerate() {
        let quantiles = predictions.quantiles(row).chunks_exact(LEVELS.len());
        for (step, (quantiles, actual)) in quantiles.zip(labelled.future()).enumerate() {
            for (log, price) in logs.iter_mut().zip(quantiles) {
                *log = price.ln();
            }
            by_step[step] = crps(actual.ln(), &logs, &LEVELS).unwrap_or(f64::NAN);
        }
        out.extend(told.iter().map(|step| by_step[step - 1]));
        out.push(by_step.iter().sum::<f64>() / horizon as f64);
    }
    Ok(())
}

/// Means of the columns.
fn means(losses: &[f64], width: usize) -> Vec<f64> {
    let n = (losses.len() / width) as f64;
    (0..width)
        .map(|column| losses.iter().skip(column).step_by(width).sum::<f64>() / n)
        .collect()
}

fn mean_and_std(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values
        .iter()
        .map(|value| (value - mean).powi(2))
        .sum::<f64>()
        / n;
    (mean, square.sqrt())
}

/// How often each of `n` windows is drawn, in each sample: circular blocks of `block` windows (Politis and Romano 1992).
fn samples(seed: u64, n: usize, block: usize) -> Vec<Vec<u32>> {
    let stream = Stream::new(seed, Purpose::Bootstrap).part(2);
    (0..SAMPLES as u64)
        .map(|sample| {
            let mut generator = stream.at(sample);
            let mut drawn = vec![0; n];
            let mut left = n;
            while left > 0 {
                let first = generator.below(n as u32) as usize;
                let taken = block.min(left);
                (0..taken).for_each(|k| drawn[(first + k) % n] += 1);
                left -= taken;
            }
            drawn
        })
        .collect()
}

/// Central interval of the percentage by which the mean of `shuffled` is above that of `base`, over samples of the windows.
fn interval(base: &[f64], shuffled: &[f64], samples: &[Vec<u32>]) -> (f64, f64) {
    let mut found: Vec<f64> = samples
        .iter()
        .map(|drawn| {
            let sum = |losses: &[f64]| -> f64 {
                let terms = losses.iter().zip(drawn);
                terms.map(|(loss, &times)| loss * f64::from(times)).sum()
            };
            100.0 * (sum(shuffled) / sum(base) - 1.0)
        })
        .collect();
    quantiles::sort(&mut found);
    let tail = (1.0 - COVERAGE) / 2.0;
    (
        quantiles::linear(&found, tail),
        quantiles::linear(&found, 1.0 - tail),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_steps_end_with_the_last() {
        assert_eq!(told(30), [1, 3, 7, 14, 30]);
        assert_eq!(told(5), [1, 3, 5]);
        assert_eq!(told(1), [1]);
        assert_eq!(told(60), [1, 3, 7, 14, 30, 60]);
    }

    #[test]
    fn a_loss_that_is_always_a_tenth_higher_has_no_width() {
        let base: Vec<f64> = (1..50).map(f64::from).collect();
        let shuffled: Vec<f64> = base.iter().map(|loss| 1.1 * loss).collect();
        let (low, high) = interval(&base, &shuffled, &samples(1, base.len(), 5));
        assert!((low - 10.0).abs() < 1e-9 && (high - 10.0).abs() < 1e-9);
    }

    /// Of independent windows the interval is the textbook's: mean ± 1.645 standard errors.
    #[test]
    fn the_interval_of_independent_windows_is_the_normal_one() {
        let n = 400;
        let mut random = Stream::new(1, Purpose::Search).at(0);
        let base = vec![1.0; n];
        let shuffled: Vec<f64> = (0..n).map(|_| 1.05 + 0.3 * random.normal()).collect();
        let (mean, std) = mean_and_std(&shuffled);
        let wanted = 1.6449 * 100.0 * std / (n as f64).sqrt();
        let (low, high) = interval(&base, &shuffled, &samples(7, n, 1));
        let middle = 100.0 * (mean - 1.0);
        // The quantile of 1,000 samples is off by 5 % of its distance from the middle (standard error), three of them are allowed.
        assert!(((middle - low) / wanted - 1.0).abs() < 0.15, "{low}");
        assert!(((high - middle) / wanted - 1.0).abs() < 0.15, "{high}");
    }

    /// Windows that repeat their neighbours know less than their number says.
    #[test]
    fn blocks_widen_the_interval_of_windows_that_hang_together() {
        let n = 400;
        let mut random = Stream::new(1, Purpose::Search).at(0);
        let base = vec![1.0; n];
        let twenty: Vec<f64> = (0..n / 20).map(|_| 1.05 + 0.3 * random.normal()).collect();
        let shuffled: Vec<f64> = (0..n).map(|k| twenty[k / 20]).collect();
        let width = |block| {
            let (low, high) = interval(&base, &shuffled, &samples(7, n, block));
            high - low
        };
        // √20 with blocks that fit; circular blocks that cut the runs lose some of it.
        assert!(width(20) > 3.0 * width(1), "{} {}", width(20), width(1));
    }
}
