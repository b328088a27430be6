//! All parameters of a network on the card, their gradients and Adam's moments: norm, clipping, update.
//!
//! They lie in one piece, so that each of these is one kernel; what lies between the layers is zero and stays zero.

use cudarc::driver::CudaSlice;

use crate::adam::Adam;
use crate::cuda::device::Device;
use crate::cuda::error::CudaError;
use crate::cuda::kernels::N_SUMS;

/// All parameters: the layers' as cuDNN wants them, then the dense layer's as Keras has them.
pub(crate) struct Parameters {
    pub weights: CudaSlice<f32>,
    pub gradients: CudaSlice<f32>,
    pub means: CudaSlice<f32>,
    pub squares: CudaSlice<f32>,
    pub iterations: u64,
    /// Partial sums of the gradients' norm.
    sums: CudaSlice<f64>,
    host_sums: Vec<f64>,
}

impl Parameters {
    /// `len` of them, all zero.
    pub fn new(device: &Device, len: usize) -> Result<Parameters, CudaError> {
        Ok(Parameters {
            weights: device.zeros(len)?,
            gradients: device.zeros(len)?,
            means: device.zeros(len)?,
            squares: device.zeros(len)?,
            iterations: 0,
            sums: device.zeros(N_SUMS)?,
            host_sums: vec![0.0; N_SUMS],
        })
    }

    /// Euclidean norm of all gradients.
    pub fn gradient_norm(&mut self, device: &Device) -> Result<f64, CudaError> {
        device.enter()?;
        device
            .kernels
            .sums_of_squares(&mut self.sums, &self.gradients)?;
        device.fetch(&self.sums, &mut self.host_sums)?;
        Ok(self.host_sums.iter().sum::<f64>().sqrt())
    }

    /// Scales the gradients down to a norm of at most `max_norm`.
    pub fn clip(&mut self, device: &Device, max_norm: f32) -> Result<(), CudaError> {
        let norm = self.gradient_norm(device)? as f32;
        if norm > max_norm {
            device.kernels.scale(&mut self.gradients, max_norm / norm)?;
        }
        Ok(())
    }

    /// One step of Adam.
    pub fn update(
        &mut self,
        device: &Device,
        adam: &Adam,
        learning_rate: f32,
    ) -> Result<(), CudaError> {
        device.enter()?;
        self.iterations += 1;
        let step = adam.step(learning_rate, self.iterations);
        let moments = [&mut self.means, &mut self.squares];
        device
            .kernels
            .adam(step, &mut self.weights, &self.gradients, moments)
    }
}
