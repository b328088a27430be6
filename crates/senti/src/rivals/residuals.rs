//! From a path of points to quantiles: a forecaster of points is given the quantiles of its own past errors, step by step.
//!
//! In come candles; the forecaster sees a log price without the jumps across long gaps. An error is always that of the point that was
//! issued at the time, so a poor estimation shows in the width of what follows, and a bias moves the quantiles (not the point).

use super::empirical::enough;
use super::past::{Issued, Past, START};
use super::sample::Sample;
use super::{Candle, Outlook, Rival};

/// A forecaster of points.
pub(super) trait Points {
    /// The log price of the next candle. It begins at 0, and stands still across a long gap.
    fn see(&mut self, log_price: f64);

    /// Cumulative log returns to each step ahead: (H). False, and nothing written, where it knows too little.
    fn points(&mut self, out: &mut [f64]) -> bool;
}

pub(super) struct Residuals<P> {
    points: P,
    past: Past,
    log_price: f64,
    /// Points issued at each recent candle: (H), empty where there were none.
    issued: Issued<Vec<f64>>,
    errors: Vec<Sample>,
}

impl<P: Points + 'static> Residuals<P> {
    pub(super) fn rival(points: P, horizon: usize) -> Box<dyn Rival> {
        Box::new(Self {
            points,
            past: Past::new(horizon),
            log_price: 0.0,
            issued: Issued::default(),
            errors: vec![Sample::new(None); horizon],
        })
    }
}

impl<P: Points> Rival for Residuals<P> {
    fn see(&mut self, candle: &Candle) {
        self.past.see(candle);
        self.log_price += self.past.log_return().unwrap_or(0.0);
        self.points.see(self.log_price);
        let mut points = vec![0.0; self.errors.len()];
        if !self.points.points(&mut points) {
            points.clear();
        }
        self.issued
            .push(points, candle.after_gap, self.errors.len());
        for finished in self.past.finished(START) {
            let issued = self.issued.ago(finished.step + 1);
            if let Some(point) = issued.and_then(|points| points.get(finished.step)) {
                self.errors[finished.step].push(finished.log_return - point);
            }
        }
    }

    fn forecast(&mut self, outlook: &mut Outlook<'_>) -> bool {
        let Some(points) = self.issued.ago(0).filter(|points| !points.is_empty()) else {
            return false;
        };
        if !enough(&self.errors) {
            return false;
        }
        outlook.point.copy_from_slice(points);
        for (step, errors) in self.errors.iter().enumerate() {
            let quantiles = &mut outlook.quantiles[step * outlook.levels.len()..];
            errors.quantiles(outlook.levels, |level, error| {
                quantiles[level] = points[step] + error;
            });
        }
        true
    }
}
