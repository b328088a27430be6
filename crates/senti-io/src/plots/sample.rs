//! What the picture of the test part is drawn from, in a memory whose size does not depend on the number of windows.
//!
//! In come chunks of forecast windows in order; out go some windows for the scatter (thinned out evenly) and mean errors over stretches
//! of time (exact). Steps 1, 7 and the last are kept; errors are means over all steps.

use senti::observe::Chunk;
use senti::table::Time;

/// Most windows kept for the scatter.
const WINDOWS: usize = 1500;
/// Most stretches of time.
const STRETCHES: usize = 240;

/// Moves of one step ahead, relative to the last known close.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moves {
    /// 1 is the candle after the origin.
    pub step: usize,
    /// Actual and forecast move of some windows, as shares of the last known close.
    pub pairs: Vec<(f64, f64)>,
    sums: Sums,
}

impl Moves {
    /// Correlation of forecast with actual move over all windows; none where one of them never changes.
    pub fn correlation(&self) -> Option<f64> {
        self.sums.correlation()
    }
}

/// Running sums of a correlation, about running means (Welford), so that nothing cancels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Sums {
    n: f64,
    mean: (f64, f64),
    squares: (f64, f64),
    product: f64,
}

impl Sums {
    fn add(&mut self, (x, y): (f64, f64)) {
        self.n += 1.0;
        let before = (x - self.mean.0, y - self.mean.1);
        self.mean.0 += before.0 / self.n;
        self.mean.1 += before.1 / self.n;
        self.squares.0 += before.0 * (x - self.mean.0);
        self.squares.1 += before.1 * (y - self.mean.1);
        self.product += before.0 * (y - self.mean.1);
    }

    fn correlation(&self) -> Option<f64> {
        // moves that differ by less than a billionth differ by rounding
        let differs = |squares: f64| squares > 1e-18 * self.n;
        let size = (self.squares.0 * self.squares.1).sqrt();
        (self.n > 2.0 && differs(self.squares.0) && differs(self.squares.1))
            .then(|| self.product / size)
    }
}

/// Mean absolute errors of the windows of a stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    /// First origin.
    pub first: Time,
    /// Last origin.
    pub last: Time,
    windows: f64,
    model: f64,
    naive: f64,
}

impl Stretch {
    /// Mean of |actual - forecast| over windows and steps, as a share of the last known close.
    pub fn model(&self) -> f64 {
        self.model / self.windows
    }

    /// The same when the last known close is the forecast.
    pub fn naive(&self) -> f64 {
        self.naive / self.windows
    }
}

/// A record of the test part.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    moves: Vec<Moves>,
    stretches: Vec<Stretch>,
    horizon: usize,
    step: i64,
    windows: usize,
    /// Every how many windows one is kept for the scatter.
    every: usize,
    /// Windows of a full stretch.
    length: usize,
}

impl Sample {
    /// Takes note of a chunk.
    pub fn add(&mut self, chunk: &Chunk<'_>) {
        let horizon = chunk.predictions.horizon;
        if self.windows == 0 {
            let mut steps = vec![1, 7.min(horizon), horizon];
            steps.dedup();
            self.moves = steps
                .into_iter()
                .map(|step| Moves {
                    step,
                    ..Moves::default()
                })
                .collect();
            (self.horizon, self.step, self.every, self.length) = (horizon, chunk.step, 1, 1);
        }
        for (window, (&origin, &close)) in chunk.origins.iter().zip(chunk.last_close).enumerate() {
            let actual = &chunk.actual[window * horizon..][..horizon];
            self.add_window(origin, close, actual, chunk.predictions.point(window));
        }
    }

    fn add_window(&mut self, origin: Time, close: f64, actual: &[f64], point: &[f64]) {
        let keep = self.windows.is_multiple_of(self.every);
        for moves in &mut self.moves {
            let at = moves.step - 1;
            let pair = (actual[at] / close - 1.0, point[at] / close - 1.0);
            moves.sums.add(pair);
            if keep {
                moves.pairs.push(pair);
            }
        }
        if self.moves.first().is_some_and(|m| m.pairs.len() > WINDOWS) {
            self.every *= 2;
            for moves in &mut self.moves {
                halve(&mut moves.pairs);
            }
        }

        let mean = |error: f64| error / (close * actual.len() as f64);
        let model: f64 = actual.iter().zip(point).map(|(a, p)| (a - p).abs()).sum();
        let naive: f64 = actual.iter().map(|a| (a - close).abs()).sum();
        if self.windows.is_multiple_of(self.length) {
            if self.stretches.len() == STRETCHES {
                self.join_stretches();
            }
            // After joining, the last one may have room again.
            if self.windows.is_multiple_of(self.length) {
                self.stretches.push(Stretch {
                    first: origin,
                    ..Stretch::default()
                });
            }
        }
        if let Some(stretch) = self.stretches.last_mut() {
            stretch.last = origin;
            stretch.windows += 1.0;
            stretch.model += mean(model);
            stretch.naive += mean(naive);
        }
        self.windows += 1;
    }

    fn join_stretches(&mut self) {
        self.length *= 2;
        self.stretches = self
            .stretches
            .chunks(2)
            .map(|pair| Stretch {
                first: pair[0].first,
                last: pair[pair.len() - 1].last,
                windows: pair.iter().map(|stretch| stretch.windows).sum(),
                model: pair.iter().map(|stretch| stretch.model).sum(),
                naive: pair.iter().map(|stretch| stretch.naive).sum(),
            })
            .collect();
    }

    /// Moves at steps 1, 7 and the last; fewer where the horizon is shorter.
    pub fn moves(&self) -> &[Moves] {
        &self.moves
    }

    /// Errors over time.
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// Windows of a stretch; the last one may have fewer.
    pub fn stretch_windows(&self) -> usize {
        self.length
    }

    /// Windows seen.
    pub fn windows(&self) -> usize {
        self.windows
    }

    /// Steps ahead.
    pub fn horizon(&self) -> usize {
        self.horizon
    }

    /// Milliseconds of a step.
    pub fn step(&self) -> i64 {
        self.step
    }
}

/// Keeps every other value.
fn halve<T: Copy>(values: &mut Vec<T>) {
    let mut index = 0;
    values.retain(|_| {
        index += 1;
        index % 2 == 1
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use senti::forecast::Predictions;

    fn fill(n: usize, horizon: usize, chunk: usize) -> Sample {
        let mut sample = Sample::default();
        for start in (0..n).step_by(chunk) {
            let n = chunk.min(n - start);
            let origins: Vec<_> = (start..start + n).map(|i| i as Time * 1000).collect();
            let mut predictions = Predictions::new(n, horizon, 0);
            predictions.point.fill(101.0);
            // Every other window rises by 2, the others fall by 2.
            let actual: Vec<_> = (0..n * horizon)
                .map(|i| {
                    if (start + i / horizon).is_multiple_of(2) {
                        102.0
                    } else {
                        98.0
                    }
                })
                .collect();
            sample.add(&Chunk {
                origins: &origins,
                times: &vec![0; n * horizon],
                last_close: &vec![100.0; n],
                actual: &actual,
                predictions: &predictions,
                levels: &[],
                step: 1000,
            });
        }
        sample
    }

    #[test]
    fn memory_is_bounded_and_means_are_exact() {
        let sample = fill(100_000, 9, 256);
        assert_eq!(sample.windows(), 100_000);
        assert_eq!(
            sample.moves().iter().map(|m| m.step).collect::<Vec<_>>(),
            [1, 7, 9]
        );
        assert!((700..=WINDOWS).contains(&sample.moves()[0].pairs.len()));
        assert!((100..=STRETCHES).contains(&sample.stretches().len()));
        let total: f64 = sample.stretches().iter().map(|s| s.windows).sum();
        assert_eq!(total, 100_000.0);
        // |2 - 1| and |-2 - 1| in turn: 2 % on average; the naive forecast is off by 2 % each time.
        for stretch in sample.stretches() {
            assert!((stretch.model() - 0.02).abs() < 1e-12);
            assert!((stretch.naive() - 0.02).abs() < 1e-12);
        }
        assert!(
            sample
                .stretches()
                .windows(2)
                .all(|s| s[0].last < s[1].first)
        );
        assert_eq!(sample.stretches().last().unwrap().last, 99_999_000);
    }

    #[test]
    fn the_size_of_chunks_changes_nothing() {
        let (one, other) = (fill(5_000, 7, 64), fill(5_000, 7, 999));
        assert_eq!(one.moves(), other.moves());
        assert_eq!(one.stretches(), other.stretches());
        assert_eq!(fill(3, 1, 3).moves().len(), 1);
    }

    /// By hand: x = 1, 2, 3, 4 and y = 1, 3, 2, 4 have a correlation of 4 / 5.
    #[test]
    fn correlation() {
        let mut sums = Sums::default();
        for pair in [(1.0, 1.0), (2.0, 3.0), (3.0, 2.0), (4.0, 4.0)] {
            sums.add(pair);
        }
        assert!((sums.correlation().unwrap() - 0.8).abs() < 1e-15);
        let mut flat = Sums::default();
        (0..9).for_each(|i| flat.add((f64::from(i), 0.5)));
        assert_eq!(flat.correlation(), None);
    }
}
