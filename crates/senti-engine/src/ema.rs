//! The moving average of a network's weights, which often forecasts better than the last of them.

use crate::network::Network;
use crate::tensor::{Tensor, TensorError};

/// Exponential moving average of the weights: average = momentum · average + (1 - momentum) · weights after each step, and the weights
/// themselves after the first, as Keras (`use_ema`, `ema_momentum`) and PyTorch (`get_ema_multi_avg_fn`) have it.
///
/// ```
/// use senti_engine::{Architecture, Cell, Ema, Network, Options, Simd};
/// let net = Architecture { steps: 2, features: 1, cell: Cell::Lstm, bidirectional: true, units: vec![4], dropout: 0.0, outputs: 1 };
/// let mut network = Network::new(net, Options { seed: 1, threads: 1, simd: Simd::detect(), max_batch: 1 });
/// let (mut ema, trained) = (Ema::new(0.9), network.weights());
/// ema.observe(&network); // after every step
/// ema.swap(&mut network); // now the network forecasts with the average
/// assert_eq!(network.weights(), trained);
/// ```
#[derive(Clone, Debug)]
pub struct Ema {
    momentum: f32,
    /// In the network's layout; empty before the first step.
    values: Vec<f32>,
}

impl Ema {
    /// Nothing averaged yet.
    ///
    /// # Panics
    /// When the momentum is not at least 0 and below 1.
    pub fn new(momentum: f32) -> Ema {
        assert!(
            (0.0..1.0).contains(&momentum),
            "the momentum must be at least 0 and below 1, not {momentum}"
        );
        Ema {
            momentum,
            values: Vec::new(),
        }
    }

    /// Takes in the weights after a step.
    pub fn observe(&mut self, network: &Network) {
        if self.values.is_empty() {
            self.values.extend_from_slice(&network.weights);
            return;
        }
        let fresh = 1.0 - self.momentum;
        for (average, weight) in self.values.iter_mut().zip(&network.weights[..]) {
            *average = self.momentum * *average + fresh * weight;
        }
    }

    /// Exchanges average and weights: once to use the average, once more to go on training. Nothing happens before the first step.
    pub fn swap(&mut self, network: &mut Network) {
        if !self.values.is_empty() {
            self.values.swap_with_slice(&mut network.weights);
            network.is_transposed = false;
        }
    }

    /// The average, in the names and shapes of the network's weights; none before the first step.
    pub fn weights(&self, network: &Network) -> Vec<Tensor> {
        match self.values.is_empty() {
            true => Vec::new(),
            false => network.tensors_of(&self.values, false),
        }
    }

    /// Takes up an average that [`Ema::weights`] gave.
    pub fn set_weights(
        &mut self,
        network: &Network,
        tensors: &[Tensor],
    ) -> Result<(), TensorError> {
        self.values = match tensors.is_empty() {
            true => Vec::new(),
            false => network.laid_out(tensors, "")?,
        };
        Ok(())
    }
}
