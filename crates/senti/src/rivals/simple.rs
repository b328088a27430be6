//! Points without estimation: drift, the last season, the mean of a week.

use std::collections::VecDeque;

use super::residuals::{Points, Residuals};
use super::{Rival, Setting};

/// Candles of the moving average.
const WINDOW: usize = 7;

/// Random walk with drift: the mean log return so far, times h.
#[derive(Default)]
struct Drift {
    rows: usize,
    log_price: f64,
}

/// The random walk with drift.
pub(super) fn drift(setting: &Setting) -> Box<dyn Rival> {
    Residuals::rival(Drift::default(), setting.horizon)
}

impl Points for Drift {
    fn see(&mut self, log_price: f64) {
        self.log_price = log_price;
        self.rows += 1;
    }

    fn points(&mut self, out: &mut [f64]) -> bool {
        if self.rows < 2 {
            return false;
        }
        // the first log price is 0: this is the mean of all returns
        let mean = self.log_price / (self.rows - 1) as f64;
        for (step, point) in out.iter_mut().enumerate() {
            *point = mean * (step + 1) as f64;
        }
        true
    }
}

/// The latest log prices, oldest first.
struct Recent {
    wanted: usize,
    log_prices: VecDeque<f64>,
}

impl Recent {
    fn new(wanted: usize) -> Self {
        Self {
            wanted,
            log_prices: VecDeque::with_capacity(wanted + 1),
        }
    }

    fn push(&mut self, log_price: f64) {
        self.log_prices.push_back(log_price);
        if self.log_prices.len() > self.wanted {
            self.log_prices.pop_front();
        }
    }

    /// All that are wanted, as log returns from the latest one.
    fn relative(&self) -> Option<impl Iterator<Item = f64> + '_> {
        let latest = *self.log_prices.back()?;
        (self.log_prices.len() == self.wanted)
            .then(|| self.log_prices.iter().map(move |x| x - latest))
    }
}

struct SeasonalNaive(Recent);

/// The price of the same place in the last season.
pub(super) fn seasonal_naive(setting: &Setting) -> Box<dyn Rival> {
    let season = setting.season.max(1);
    Residuals::rival(SeasonalNaive(Recent::new(season)), setting.horizon)
}

impl Points for SeasonalNaive {
    fn see(&mut self, log_price: f64) {
        self.0.push(log_price);
    }

    fn points(&mut self, out: &mut [f64]) -> bool {
        let Some(season) = self.0.relative() else {
            return false;
        };
        let season: Vec<f64> = season.collect();
        for (point, value) in out.iter_mut().zip(season.iter().cycle()) {
            *point = *value;
        }
        true
    }
}

struct MovingAverage(Recent);

/// The mean of the latest seven closes.
pub(super) fn moving_average(setting: &Setting) -> Box<dyn Rival> {
    Residuals::rival(MovingAverage(Recent::new(WINDOW)), setting.horizon)
}

impl Points for MovingAverage {
    fn see(&mut self, log_price: f64) {
        self.0.push(log_price);
    }

    fn points(&mut self, out: &mut [f64]) -> bool {
        let Some(window) = self.0.relative() else {
            return false;
        };
        // of prices, not of their logs: what everybody means by the name
        out.fill((window.map(f64::exp).sum::<f64>() / WINDOW as f64).ln());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rivals::golden::{compare, read};

    #[test]
    fn statsforecast_says_the_same() {
        for (name, series) in read().series {
            let values = &series.values;
            // sums of 191 numbers of order 1
            compare(Drift::default(), values, &series.drift, 1e-12, &name);
            let seasonal = SeasonalNaive(Recent::new(7));
            compare(seasonal, values, &series.seasonal_naive, 1e-12, &name);
            let average = MovingAverage(Recent::new(WINDOW));
            // statsforecast computes this one in single precision
            compare(average, values, &series.moving_average, 1e-6, &name);
        }
    }
}
