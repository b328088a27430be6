//! Quantiles of past moves in units of the volatility at their origins, times today's: volatility by exponential weights.

use super::empirical::enough;
use super::past::{Issued, Past, START};
use super::sample::Sample;
use super::{Candle, Outlook, Rival, Setting};

/// What a day's variance keeps of the day before (RiskMetrics 1996, daily data).
const DECAY: f64 = 0.94;

/// `variance[t] = 0.94 variance[t-1] + 0.06 r[t]^2`, begun with the variance of the first sixty returns.
#[derive(Default)]
struct Variance {
    /// The first returns, until there are enough of them.
    first: Vec<f64>,
    now: Option<f64>,
}

impl Variance {
    fn update(&mut self, log_return: f64) {
        if let Some(now) = &mut self.now {
            *now = DECAY * *now + (1.0 - DECAY) * log_return * log_return;
            return;
        }
        self.first.push(log_return);
        if self.first.len() == START {
            let n = START as f64;
            let mean = self.first.iter().sum::<f64>() / n;
            let begin = self.first.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / n;
            let step = |now: f64, r: &f64| DECAY * now + (1.0 - DECAY) * r * r;
            self.now = Some(self.first.iter().fold(begin, step));
            self.first = Vec::new();
        }
    }
}

struct Ewma {
    past: Past,
    variance: Variance,
    /// Variance of a step as known at each recent candle; NaN while unknown.
    issued: Issued<f64>,
    /// Finished moves of each step, over their volatility as issued: (H).
    scaled: Vec<Sample>,
}

/// All past moves; the point is the median.
pub(super) fn make(setting: &Setting) -> Box<dyn Rival> {
    Box::new(Ewma {
        past: Past::new(setting.horizon),
        variance: Variance::default(),
        issued: Issued::default(),
        scaled: vec![Sample::new(None); setting.horizon],
    })
}

/// Volatility of a move of `step + 1` steps.
fn over(variance: f64, step: usize) -> f64 {
    (variance * (step + 1) as f64).sqrt()
}

impl Rival for Ewma {
    fn see(&mut self, candle: &Candle) {
        self.past.see(candle);
        if let Some(log_return) = self.past.log_return() {
            self.variance.update(log_return);
        }
        let variance = self.variance.now.unwrap_or(f64::NAN);
        self.issued
            .push(variance, candle.after_gap, self.scaled.len());
        for finished in self.past.finished(START) {
            if let Some(&variance) = self.issued.ago(finished.step + 1) {
                let scaled = finished.log_return / over(variance, finished.step);
                self.scaled[finished.step].push(scaled);
            }
        }
    }

    fn forecast(&mut self, outlook: &mut Outlook<'_>) -> bool {
        let Some(variance) = self.variance.now.filter(|_| enough(&self.scaled)) else {
            return false;
        };
        for (step, scaled) in self.scaled.iter().enumerate() {
            let volatility = over(variance, step);
            let quantiles = &mut outlook.quantiles[step * outlook.levels.len()..];
            scaled.quantiles(outlook.levels, |level, value| {
                quantiles[level] = value * volatility;
            });
            outlook.point[step] = scaled.median() * volatility;
        }
        true
    }
}
