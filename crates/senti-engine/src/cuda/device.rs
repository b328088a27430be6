//! The card: driver, stream, cuBLAS, cuDNN and the compiled kernels, or a clear reason why there is none.
//!
//! All work goes through the context's default stream, so it is done in the order in which it was asked for.

use std::sync::Arc;

use cudarc::cublas::CudaBlas;
use cudarc::driver::{CudaContext, CudaSlice, CudaStream, CudaView, CudaViewMut, DevicePtr};
use cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use cudarc::{cublas, cudnn, driver, nvrtc};

use crate::cuda::error::{CudaError, Refusal};
use crate::cuda::kernels::Kernels;

/// Oldest cuDNN: that of the bindings. Since 8.9.1 the lengths of sequences need no copy on the card.
const CUDNN_WANTED: usize = 90_000;

/// Which card; the environment variable `CUDA_VISIBLE_DEVICES` of the driver makes another one the first.
const ORDINAL: usize = 0;

/// A card that is ready to work.
pub(crate) struct Device {
    pub kernels: Kernels,
    pub blas: CudaBlas,
    pub cudnn: Cudnn,
    pub stream: Arc<CudaStream>,
}

/// A handle of cuDNN that works in the stream.
pub(crate) struct Cudnn(pub cudnn::sys::cudnnHandle_t);

// SAFETY: a handle may be used by any thread, but by one at a time and with its context current. It is owned by one network, which is
// not `Sync`, and whose methods bind the context to the calling thread.
unsafe impl Send for Cudnn {}

impl Drop for Cudnn {
    fn drop(&mut self) {
        // Nothing can be done about a handle that does not want to go.
        // SAFETY: made by `create_handle`, destroyed once.
        let _ = unsafe { cudnn::result::destroy_handle(self.0) };
    }
}

impl Device {
    pub fn new() -> Result<Device, CudaError> {
        check_libraries()?;
        let context = CudaContext::new(ORDINAL).or_refused("start")?;
        let stream = context.default_stream();
        let kernels = Kernels::new(&context, &stream)?;
        let blas = CudaBlas::new(stream.clone()).or_refused("start cuBLAS")?;
        let found = cudnn::result::get_version();
        if found < CUDNN_WANTED {
            return Err(CudaError::Version {
                found,
                wanted: CUDNN_WANTED,
            });
        }
        let cudnn = Cudnn(cudnn::result::create_handle().or_refused("start cuDNN")?);
        // SAFETY: handle and stream are alive, and belong to the same context.
        unsafe { cudnn::result::set_stream(cudnn.0, stream.cu_stream().cast()) }
            .or_refused("let cuDNN work in its stream")?;
        Ok(Device {
            kernels,
            blas,
            cudnn,
            stream,
        })
    }

    /// Makes the calling thread one that may talk to the card.
    pub fn enter(&self) -> Result<(), CudaError> {
        self.stream
            .context()
            .bind_to_thread()
            .or_refused("answer a new thread")
    }

    pub fn zeros<T: DeviceRepr + ValidAsZeroBits>(
        &self,
        len: usize,
    ) -> Result<CudaSlice<T>, CudaError> {
        self.stream
            .alloc_zeros(len)
            .or_refused("have memory for this network")
    }

    /// Makes a buffer at least this long; what it held is lost when it grows.
    pub fn grow(&self, buffer: &mut CudaSlice<u8>, len: usize) -> Result<(), CudaError> {
        if buffer.len() < len {
            *buffer = self.zeros(len)?;
        }
        Ok(())
    }

    pub fn clear(&self, values: &mut CudaSlice<f32>) -> Result<(), CudaError> {
        self.stream
            .memset_zeros(values)
            .or_refused("clear its memory")
    }

    /// Copies `values` to the beginning of `to`.
    pub fn send(&self, values: &[f32], to: &mut CudaSlice<f32>) -> Result<(), CudaError> {
        self.stream
            .memcpy_htod(values, to)
            .or_refused("take numbers")
    }

    /// Fills `to` from the beginning of `values`, once all work is done.
    pub fn fetch<T: DeviceRepr>(
        &self,
        values: &CudaSlice<T>,
        to: &mut [T],
    ) -> Result<(), CudaError> {
        self.stream
            .memcpy_dtoh(&values.slice(..to.len()), to)
            .or_refused("give back numbers")?;
        self.stream.synchronize().or_refused("finish its work")
    }

    /// All of `values`.
    pub fn fetch_all(&self, values: &CudaSlice<f32>) -> Result<Vec<f32>, CudaError> {
        let mut out = vec![0.0; values.len()];
        self.fetch(values, &mut out)?;
        Ok(out)
    }

    /// Where a part of the memory lies. There is one stream, so nothing has to be waited for.
    pub fn address<T>(&self, values: &CudaView<'_, T>) -> *const std::ffi::c_void {
        values.device_ptr(&self.stream).0 as *const std::ffi::c_void
    }

    pub fn address_mut<T>(&self, values: &mut CudaViewMut<'_, T>) -> *mut std::ffi::c_void {
        self.address(&values.as_view()).cast_mut()
    }
}

/// All libraries must be there before the first of them is called: `cudarc` panics when one is not.
fn check_libraries() -> Result<(), CudaError> {
    const TOOLKIT: &str = "install the CUDA 12 toolkit, and put its libraries where the loader looks (LD_LIBRARY_PATH)";
    // SAFETY: loading runs the initialisers of NVIDIA's libraries, which make no demands on the process.
    let libraries = unsafe {
        [
            (
                driver::sys::is_culib_present(),
                "NVIDIA driver (libcuda)",
                "install the driver of the card",
            ),
            (
                nvrtc::sys::is_culib_present(),
                "CUDA compiler (libnvrtc)",
                TOOLKIT,
            ),
            (
                cublas::sys::is_culib_present(),
                "cuBLAS (libcublas)",
                TOOLKIT,
            ),
            (
                cudnn::sys::is_culib_present(),
                "cuDNN (libcudnn)",
                "install cuDNN 9 for CUDA 12, and put its libraries where the loader looks (LD_LIBRARY_PATH)",
            ),
        ]
    };
    match libraries.into_iter().find(|(is_there, ..)| !is_there) {
        Some((_, library, advice)) => Err(CudaError::Missing { library, advice }),
        None => Ok(()),
    }
}
