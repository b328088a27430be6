//! The unconditional distribution: quantiles of past moves, all of them or the latest ones. `naive` is the one to beat.

use super::past::{FEWEST, Past, START};
use super::sample::Sample;
use super::{Candle, Outlook, Rival, Setting};

/// Where the point forecast stands.
#[derive(Clone, Copy)]
enum Point {
    LastClose,
    Median,
}

struct Empirical {
    past: Past,
    /// Finished moves of each step: (H).
    moves: Vec<Sample>,
    point: Point,
}

fn make(setting: &Setting, window: Option<usize>, point: Point) -> Box<dyn Rival> {
    Box::new(Empirical {
        past: Past::new(setting.horizon),
        moves: vec![Sample::new(window); setting.horizon],
        point,
    })
}

/// All past moves; the point is the last close.
pub(super) fn naive(setting: &Setting) -> Box<dyn Rival> {
    make(setting, None, Point::LastClose)
}

/// The latest 365 moves; the point is their median.
pub(super) fn naive_365(setting: &Setting) -> Box<dyn Rival> {
    make(setting, Some(365), Point::Median)
}

/// The latest 730 moves; the point is their median.
pub(super) fn naive_730(setting: &Setting) -> Box<dyn Rival> {
    make(setting, Some(730), Point::Median)
}

impl Rival for Empirical {
    fn see(&mut self, candle: &Candle) {
        self.past.see(candle);
        for finished in self.past.finished(START) {
            self.moves[finished.step].push(finished.log_return);
        }
    }

    fn forecast(&mut self, outlook: &mut Outlook<'_>) -> bool {
        if !enough(&self.moves) {
            return false;
        }
        for (step, moves) in self.moves.iter().enumerate() {
            let quantiles = &mut outlook.quantiles[step * outlook.levels.len()..];
            moves.quantiles(outlook.levels, |level, value| quantiles[level] = value);
            outlook.point[step] = match self.point {
                Point::LastClose => 0.0,
                Point::Median => moves.median(),
            };
        }
        true
    }
}

/// Does every step have moves enough for quantiles?
pub(super) fn enough(samples: &[Sample]) -> bool {
    samples.iter().all(|sample| sample.len() >= FEWEST)
}
