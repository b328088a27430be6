//! Our own kernels (`kernels.cu`): compiled for the card when a network is made, and started with checked lengths.

use std::sync::Arc;

use cudarc::driver::{
    CudaContext, CudaFunction, CudaSlice, CudaStream, CudaView, CudaViewMut, LaunchArgs,
    LaunchConfig, PushKernelArg,
};
use cudarc::nvrtc::compile_ptx;

use crate::adam::AdamStep;
use crate::cuda::error::{CudaError, Refusal};

const SOURCE: &str = include_str!("kernels.cu");

const BLOCKS: u32 = 128;
const THREADS: u32 = 256;

/// The same grid for every kernel: they walk over however many elements there are.
const GRID: LaunchConfig = LaunchConfig {
    grid_dim: (BLOCKS, 1, 1),
    block_dim: (THREADS, 1, 1),
    shared_mem_bytes: 0,
};

/// Sums that [`Kernels::sums_of_squares`] leaves: one for each thread.
pub(crate) const N_SUMS: usize = (BLOCKS * THREADS) as usize;

/// The compiled kernels and the stream they run in.
pub(crate) struct Kernels {
    product: CudaFunction,
    multiply: CudaFunction,
    scale: CudaFunction,
    take_final: CudaFunction,
    give_final: CudaFunction,
    repeat: CudaFunction,
    sum_rows: CudaFunction,
    sums_of_squares: CudaFunction,
    adam: CudaFunction,
    stream: Arc<CudaStream>,
}

/// Steps, rows and units of the states of one layer.
#[derive(Clone, Copy)]
pub(crate) struct States {
    pub steps: usize,
    pub rows: usize,
    pub units: usize,
}

impl Kernels {
    pub fn new(context: &Arc<CudaContext>, stream: &Arc<CudaStream>) -> Result<Kernels, CudaError> {
        let compiled = compile_ptx(SOURCE).or_refused("get its kernels compiled")?;
        let module = context
            .load_module(compiled)
            .or_refused("load the kernels")?;
        let function = |name| module.load_function(name).or_refused("find a kernel");
        Ok(Kernels {
            product: function("product")?,
            multiply: function("multiply")?,
            scale: function("scale")?,
            take_final: function("take_final")?,
            give_final: function("give_final")?,
            repeat: function("repeat")?,
            sum_rows: function("sum_rows")?,
            sums_of_squares: function("sums_of_squares")?,
            adam: function("adam")?,
            stream: stream.clone(),
        })
    }

    /// out = a · b
    pub fn product(
        &self,
        out: &mut CudaViewMut<'_, f32>,
        a: &CudaView<'_, f32>,
        b: &CudaView<'_, f32>,
    ) -> Result<(), CudaError> {
        let n = out.len();
        assert_eq!((a.len(), b.len()), (n, n), "factors of a product");
        let mut call = self.stream.launch_builder(&self.product);
        call.arg(out).arg(a).arg(b).arg(&n);
        // SAFETY: arguments as in `kernels.cu`; all three have n elements.
        unsafe { start(call) }
    }

    /// values ·= factors
    pub fn multiply(
        &self,
        values: &mut CudaViewMut<'_, f32>,
        factors: &CudaView<'_, f32>,
    ) -> Result<(), CudaError> {
        let n = values.len();
        assert_eq!(factors.len(), n, "factors");
        let mut call = self.stream.launch_builder(&self.multiply);
        call.arg(values).arg(factors).arg(&n);
        // SAFETY: arguments as in `kernels.cu`; both have n elements.
        unsafe { start(call) }
    }

    /// values ·= factor
    pub fn scale(&self, values: &mut CudaSlice<f32>, factor: f32) -> Result<(), CudaError> {
        let n = values.len();
        let mut call = self.stream.launch_builder(&self.scale);
        call.arg(values).arg(&factor).arg(&n);
        // SAFETY: arguments as in `kernels.cu`; there are n elements.
        unsafe { start(call) }
    }

    /// The final state of each direction (B, 2U), out of all states (T, B, 2U).
    pub fn take_final(
        &self,
        out: &mut CudaViewMut<'_, f32>,
        states: &CudaView<'_, f32>,
        shape: States,
    ) -> Result<(), CudaError> {
        let States { steps, rows, units } = shape;
        let n = 2 * rows * units;
        assert_eq!((out.len(), states.len()), (n, steps * n), "final states");
        let mut call = self.stream.launch_builder(&self.take_final);
        call.arg(out).arg(states).arg(&steps).arg(&rows).arg(&units);
        // SAFETY: arguments as in `kernels.cu`, of the lengths that were checked.
        unsafe { start(call) }
    }

    /// The gradient of [`Kernels::take_final`]: zero but for the final states.
    pub fn give_final(
        &self,
        d_states: &mut CudaViewMut<'_, f32>,
        d_final: &CudaView<'_, f32>,
        shape: States,
    ) -> Result<(), CudaError> {
        let States { steps, rows, units } = shape;
        let n = 2 * rows * units;
        let lengths = (d_states.len(), d_final.len());
        assert_eq!(lengths, (steps * n, n), "gradients of final states");
        let mut call = self.stream.launch_builder(&self.give_final);
        call.arg(d_states).arg(d_final);
        call.arg(&steps).arg(&rows).arg(&units);
        // SAFETY: arguments as in `kernels.cu`, of the lengths that were checked.
        unsafe { start(call) }
    }

    /// Every row of `out` (rows, width) becomes `bias`.
    pub fn repeat(
        &self,
        out: &mut CudaViewMut<'_, f32>,
        bias: &CudaView<'_, f32>,
    ) -> Result<(), CudaError> {
        let width = bias.len();
        let rows = out.len() / width;
        let mut call = self.stream.launch_builder(&self.repeat);
        call.arg(out).arg(bias).arg(&rows).arg(&width);
        // SAFETY: arguments as in `kernels.cu`; rows · width is at most the length of `out`.
        unsafe { start(call) }
    }

    /// Sums of the columns of `values` (rows, width).
    pub fn sum_rows(
        &self,
        out: &mut CudaViewMut<'_, f32>,
        values: &CudaView<'_, f32>,
    ) -> Result<(), CudaError> {
        let width = out.len();
        let rows = values.len() / width;
        let mut call = self.stream.launch_builder(&self.sum_rows);
        call.arg(out).arg(values).arg(&rows).arg(&width);
        // SAFETY: arguments as in `kernels.cu`; rows · width is at most the length of `values`.
        unsafe { start(call) }
    }

    /// [`N_SUMS`] sums that together are the sum of all squares.
    pub fn sums_of_squares(
        &self,
        sums: &mut CudaSlice<f64>,
        values: &CudaSlice<f32>,
    ) -> Result<(), CudaError> {
        let n = values.len();
        assert_eq!(sums.len(), N_SUMS, "sums of squares");
        let mut call = self.stream.launch_builder(&self.sums_of_squares);
        call.arg(sums).arg(values).arg(&n);
        // SAFETY: arguments as in `kernels.cu`; a sum for each thread of the grid, and n values.
        unsafe { start(call) }
    }

    /// One step of Adam.
    pub fn adam(
        &self,
        step: AdamStep,
        weights: &mut CudaSlice<f32>,
        gradients: &CudaSlice<f32>,
        [means, squares]: [&mut CudaSlice<f32>; 2],
    ) -> Result<(), CudaError> {
        let n = weights.len();
        let lengths = [gradients.len(), means.len(), squares.len()];
        assert_eq!(lengths, [n; 3], "gradients and moments");
        let mut call = self.stream.launch_builder(&self.adam);
        call.arg(weights).arg(gradients).arg(means).arg(squares);
        call.arg(&step.beta_1).arg(&step.beta_2);
        call.arg(&step.rate).arg(&step.scale).arg(&step.epsilon);
        call.arg(&step.kept);
        call.arg(&n);
        // SAFETY: arguments as in `kernels.cu`; all four have n elements.
        unsafe { start(call) }
    }
}

/// # Safety
/// The arguments must be those of the kernel, and no longer than the memory they point to.
unsafe fn start(mut call: LaunchArgs<'_>) -> Result<(), CudaError> {
    // SAFETY: promised by the caller; every kernel works with any grid.
    unsafe { call.launch(GRID) }
        .map(|_| ())
        .or_refused("start a kernel")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The compiler needs no card, so this runs wherever its library is.
    #[test]
    fn the_kernels_compile() {
        // SAFETY: loading runs the initialisers of NVIDIA's library, which make no demands on the process.
        if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
            println!("skipped: no CUDA compiler");
            return;
        }
        let compiled = compile_ptx(SOURCE).unwrap().to_src();
        for name in [
            "product",
            "multiply",
            "scale",
            "take_final",
            "give_final",
            "repeat",
            "sum_rows",
            "sums_of_squares",
            "adam",
        ] {
            assert!(compiled.contains(&format!(".entry {name}(")), "{name}");
        }
    }
}
