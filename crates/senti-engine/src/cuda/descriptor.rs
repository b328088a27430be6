//! cuDNN's descriptors, each with an owner.

use std::ptr::null_mut;

use cudarc::cudnn::sys;

use crate::cuda::error::{CudaError, Refusal};

/// A descriptor that is destroyed with its owner.
macro_rules! descriptor {
    ($name:ident, $raw:ident, $create:ident, $destroy:ident) => {
        /// A descriptor of cuDNN.
        pub(crate) struct $name(pub sys::$raw);

        impl $name {
            pub fn new() -> Result<$name, CudaError> {
                let mut raw = null_mut();
                // SAFETY: writes the new descriptor to `raw`.
                unsafe { sys::$create(&mut raw) }
                    .result()
                    .or_refused("make a descriptor")?;
                Ok($name(raw))
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: made by `new`, destroyed once.
                let _ = unsafe { sys::$destroy(self.0) };
            }
        }

        // SAFETY: a descriptor is plain memory of the process, owned here and used by one thread at a time.
        unsafe impl Send for $name {}
    };
}

descriptor!(
    RnnDescriptor,
    cudnnRNNDescriptor_t,
    cudnnCreateRNNDescriptor,
    cudnnDestroyRNNDescriptor
);
descriptor!(
    DropoutDescriptor,
    cudnnDropoutDescriptor_t,
    cudnnCreateDropoutDescriptor,
    cudnnDestroyDropoutDescriptor
);
descriptor!(
    DataDescriptor,
    cudnnRNNDataDescriptor_t,
    cudnnCreateRNNDataDescriptor,
    cudnnDestroyRNNDataDescriptor
);
descriptor!(
    TensorDescriptor,
    cudnnTensorDescriptor_t,
    cudnnCreateTensorDescriptor,
    cudnnDestroyTensorDescriptor
);
