//! The dense layer by cuBLAS: forward, backward.
//!
//! Our matrices are row-major, cuBLAS's column-major: it sees the transpose of each, with the row's length as leading dimension. So
//! C = A · B is asked for as Cᵀ = Bᵀ · Aᵀ. Plain f32: cuBLAS rounds to TF32 only where it is told to.

use cudarc::cublas::sys::cublasOperation_t::{self, CUBLAS_OP_N, CUBLAS_OP_T};
use cudarc::cublas::{Gemm, GemmConfig};
use cudarc::driver::{CudaView, CudaViewMut};

use crate::cuda::device::Device;
use crate::cuda::error::{CudaError, Refusal};
use crate::cuda::rnn::int;

/// Sizes of the layer and its batch.
#[derive(Clone, Copy)]
pub(crate) struct Dense {
    pub rows: usize,
    pub inputs: usize,
    pub outputs: usize,
}

/// C (rows, columns) = C · `keep` + A · B along `depth`, all row-major; either factor may be given as its transpose.
struct Product {
    rows: usize,
    columns: usize,
    depth: usize,
    /// Whether A is stored as (depth, rows), and B as (columns, depth).
    is_transposed: [bool; 2],
    keep: f32,
}

impl Product {
    fn run(
        &self,
        device: &Device,
        a: &CudaView<'_, f32>,
        b: &CudaView<'_, f32>,
        c: &mut CudaViewMut<'_, f32>,
    ) -> Result<(), CudaError> {
        let Product {
            rows,
            columns,
            depth,
            is_transposed: [a_is_transposed, b_is_transposed],
            keep,
        } = *self;
        assert_eq!(
            (a.len(), b.len(), c.len()),
            (rows * depth, depth * columns, rows * columns),
            "sizes of a product"
        );
        let operation = |is_transposed: bool| -> cublasOperation_t {
            if is_transposed {
                CUBLAS_OP_T
            } else {
                CUBLAS_OP_N
            }
        };
        let config = GemmConfig {
            transa: operation(b_is_transposed),
            transb: operation(a_is_transposed),
            m: int(columns),
            n: int(rows),
            k: int(depth),
            alpha: 1.0,
            lda: int(if b_is_transposed { depth } else { columns }),
            ldb: int(if a_is_transposed { rows } else { depth }),
            beta: keep,
            ldc: int(columns),
        };
        // SAFETY: the lengths were checked against the sizes.
        unsafe { device.blas.gemm(config, b, a, c) }.or_refused("multiply")
    }
}

impl Dense {
    /// Where the bias begins, behind the kernel (inputs, outputs).
    pub fn kernel_len(&self) -> usize {
        self.inputs * self.outputs
    }

    /// outputs (B, outputs) = inputs (B, inputs) · kernel + bias
    pub fn forward(
        &self,
        device: &Device,
        weights: &CudaView<'_, f32>,
        inputs: &CudaView<'_, f32>,
        outputs: &mut CudaViewMut<'_, f32>,
    ) -> Result<(), CudaError> {
        let (kernel, bias) = weights.split_at(self.kernel_len());
        device.kernels.repeat(outputs, &bias)?;
        let product = Product {
            rows: self.rows,
            columns: self.outputs,
            depth: self.inputs,
            is_transposed: [false, false],
            keep: 1.0,
        };
        product.run(device, inputs, &kernel, outputs)
    }

    /// Gradients of kernel and bias, and of the inputs: dK = Xᵀ · dY, db = Σ dY, dX = dY · Kᵀ.
    pub fn backward(
        &self,
        device: &Device,
        weights: &CudaView<'_, f32>,
        [inputs, d_outputs]: [&CudaView<'_, f32>; 2],
        d_inputs: &mut CudaViewMut<'_, f32>,
        gradients: &mut CudaViewMut<'_, f32>,
    ) -> Result<(), CudaError> {
        let (kernel, _) = weights.split_at(self.kernel_len());
        let (mut d_kernel, mut d_bias) = gradients.split_at_mut(self.kernel_len());
        let product = Product {
            rows: self.inputs,
            columns: self.outputs,
            depth: self.rows,
            is_transposed: [true, false],
            keep: 0.0,
        };
        product.run(device, inputs, d_outputs, &mut d_kernel)?;
        device.kernels.sum_rows(&mut d_bias, d_outputs)?;
        let product = Product {
            rows: self.rows,
            columns: self.inputs,
            depth: self.outputs,
            is_transposed: [false, true],
            keep: 0.0,
        };
        product.run(device, d_outputs, &kernel, d_inputs)
    }
}
