//! The naive forecast: the last close, with the quantiles of past h-step moves around it. What every other model must beat.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::target::{empirical, sample};
use super::{Fitted, Job, Learned, read_record};
use crate::Result;
use crate::artifact::{Manifest, Tensor};
use crate::doors::Machine;
use crate::forecast::Predictions;
use crate::observe::Observer;
use crate::plan::LEVELS;
use crate::prepare::Preparation;
use crate::windows::{Window, Windows};

#[derive(Serialize, Deserialize)]
pub(super) struct Naive {
    /// Quantiles of the cumulative log return: (H, Q).
    quantiles: Vec<f64>,
}

impl Naive {
    /// Takes the quantiles of the windows' log returns.
    pub(super) fn learn(windows: &Windows<'_>) -> Self {
        let returns = sample(windows, |_, last_close, close| (close / last_close).ln());
        Self {
            quantiles: empirical(returns, &LEVELS),
        }
    }
}

/// Learns from the training windows.
pub(super) fn fit(job: &Job<'_>, _observe: &mut Observer<'_>) -> Result<Learned> {
    Ok(Learned {
        fitted: Box::new(Naive::learn(&job.train)),
        history: Vec::new(),
        best_epoch: 0,
        untrained_loss: None,
    })
}

pub(super) fn load(
    manifest: &Manifest,
    _tensors: &[Tensor],
    _machine: Machine,
) -> Result<Box<dyn Fitted>> {
    let naive: Naive = read_record(manifest, "naive")?;
    Ok(Box::new(naive))
}

impl Fitted for Naive {
    fn predict(
        &mut self,
        windows: &[Window<'_>],
        _preparation: &Preparation,
        out: &mut Predictions,
    ) -> Result<()> {
        for (n, window) in windows.iter().enumerate() {
            let last_close = window.last_close();
            out.point[n * out.horizon..][..out.horizon].fill(last_close);
            let prices = &mut out.quantiles[n * self.quantiles.len()..][..self.quantiles.len()];
            for (price, quantile) in prices.iter_mut().zip(&self.quantiles) {
                *price = last_close * quantile.exp();
            }
        }
        Ok(())
    }

    fn record(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    fn tensors(&self) -> Vec<Tensor> {
        Vec::new()
    }
}
