//! One bidirectional LSTM layer by cuDNN (the RNN API of version 8 and later).
//!
//! In and out: views of memory on the card, time-major. One cuDNN network for each layer, because the dropout between layers is ours.
//! Initial states are zero. Always in cuDNN's training mode, so that a forecast comes from the same kernels as the training, and in
//! true f32 (`CUDNN_FMA_MATH`): the default would round products to TF32.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use cudarc::cudnn::sys::{self, cudnnDataType_t::CUDNN_DATA_FLOAT};
use cudarc::driver::{CudaSlice, CudaView, CudaViewMut};

use crate::cuda::descriptor::{DataDescriptor, DropoutDescriptor, RnnDescriptor, TensorDescriptor};
use crate::cuda::device::Device;
use crate::cuda::error::{CudaError, Refusal};
use crate::cuda::places::Gates;

/// A macro of cuDNN's headers that the bindings lack: batches whose rows have different lengths are padded (ours have one length).
const CUDNN_RNN_PADDED_IO_ENABLED: u32 = 1;

/// The layer as cuDNN knows it, and how many rows it is set up for.
pub(crate) struct Rnn {
    rnn: RnnDescriptor,
    /// No dropout; cuDNN wants to see it all the same.
    _dropout: DropoutDescriptor,
    /// x (T, B, inputs) and y (T, B, 2U).
    inputs: DataDescriptor,
    outputs: DataDescriptor,
    /// h and c (2, B, U).
    states: TensorDescriptor,
    steps: usize,
    width: usize,
    units: usize,
    rows: usize,
    weight_bytes: usize,
    /// What the layer needs for the present number of rows.
    pub workspace_bytes: usize,
    pub reserve_bytes: usize,
}

/// The memory of one pass through the layer, beside its weights.
pub(crate) struct Pass<'a> {
    /// x (T, B, inputs)
    pub inputs: CudaView<'a, f32>,
    pub weights: CudaView<'a, f32>,
    pub workspace: &'a mut CudaSlice<u8>,
    /// What forward leaves for backward.
    pub reserve: &'a mut CudaSlice<u8>,
}

impl Rnn {
    pub fn new(
        device: &Device,
        steps: usize,
        width: usize,
        units: usize,
    ) -> Result<Rnn, CudaError> {
        let (rnn, dropout) = (RnnDescriptor::new()?, DropoutDescriptor::new()?);
        // SAFETY: without dropout there are no random states, so that none need be given.
        unsafe { sys::cudnnSetDropoutDescriptor(dropout.0, device.cudnn.0, 0.0, null_mut(), 0, 0) }
            .result()
            .or_refused("set up an LSTM layer")?;
        // SAFETY: all descriptors are alive; the RNN keeps that of the dropout, which lives as long.
        unsafe {
            sys::cudnnSetRNNDescriptor_v8(
                rnn.0,
                sys::cudnnRNNAlgo_t::CUDNN_RNN_ALGO_STANDARD,
                sys::cudnnRNNMode_t::CUDNN_LSTM,
                sys::cudnnRNNBiasMode_t::CUDNN_RNN_SINGLE_INP_BIAS,
                sys::cudnnDirectionMode_t::CUDNN_BIDIRECTIONAL,
                sys::cudnnRNNInputMode_t::CUDNN_LINEAR_INPUT,
                CUDNN_DATA_FLOAT,
                CUDNN_DATA_FLOAT,
                sys::cudnnMathType_t::CUDNN_FMA_MATH,
                int(width),
                int(units),
                // The projection's size; that of the states means none.
                int(units),
                1,
                dropout.0,
                CUDNN_RNN_PADDED_IO_ENABLED,
            )
        }
        .result()
        .or_refused("set up an LSTM layer")?;
        let mut weight_bytes = 0;
        // SAFETY: writes one number.
        unsafe { sys::cudnnGetRNNWeightSpaceSize(device.cudnn.0, rnn.0, &mut weight_bytes) }
            .result()
            .or_refused("tell the size of a layer")?;
        Ok(Rnn {
            rnn,
            _dropout: dropout,
            inputs: DataDescriptor::new()?,
            outputs: DataDescriptor::new()?,
            states: TensorDescriptor::new()?,
            steps,
            width,
            units,
            rows: 0,
            weight_bytes,
            workspace_bytes: 0,
            reserve_bytes: 0,
        })
    }

    /// Floats of all weights of the layer.
    pub fn weights_len(&self) -> usize {
        self.weight_bytes.div_ceil(size_of::<f32>())
    }

    /// Sets the layer up for batches of this many rows.
    pub fn set_rows(&mut self, device: &Device, rows: usize) -> Result<(), CudaError> {
        if self.rows == rows {
            return Ok(());
        }
        let lengths = vec![int(self.steps); rows];
        for (descriptor, width) in [(&self.inputs, self.width), (&self.outputs, 2 * self.units)] {
            // SAFETY: cuDNN copies the `rows` lengths; there is no padding to be filled.
            unsafe {
                sys::cudnnSetRNNDataDescriptor(
                    descriptor.0,
                    CUDNN_DATA_FLOAT,
                    sys::cudnnRNNDataLayout_t::CUDNN_RNN_DATA_LAYOUT_SEQ_MAJOR_UNPACKED,
                    int(self.steps),
                    int(rows),
                    int(width),
                    lengths.as_ptr(),
                    null_mut(),
                )
            }
            .result()
            .or_refused("set up a batch")?;
        }
        let sizes = [2, int(rows), int(self.units)];
        let strides = [sizes[1] * sizes[2], sizes[2], 1];
        // SAFETY: three sizes and three strides are read.
        unsafe {
            sys::cudnnSetTensorNdDescriptor(
                self.states.0,
                CUDNN_DATA_FLOAT,
                3,
                sizes.as_ptr(),
                strides.as_ptr(),
            )
        }
        .result()
        .or_refused("set up a batch")?;
        // SAFETY: writes two numbers.
        unsafe {
            sys::cudnnGetRNNTempSpaceSizes(
                device.cudnn.0,
                self.rnn.0,
                sys::cudnnForwardMode_t::CUDNN_FWD_MODE_TRAINING,
                self.inputs.0,
                &mut self.workspace_bytes,
                &mut self.reserve_bytes,
            )
        }
        .result()
        .or_refused("tell the memory for a batch")?;
        self.rows = rows;
        Ok(())
    }

    /// y (T, B, 2U), the states of both directions at every step.
    pub fn forward(
        &self,
        device: &Device,
        pass: &mut Pass<'_>,
        outputs: &mut CudaViewMut<'_, f32>,
    ) -> Result<(), CudaError> {
        self.check(pass, outputs.len());
        // SAFETY: the memory has the sizes that the descriptors tell (checked); initial states of null are zero, final ones are not
        // wanted. Since cuDNN 8.9.1 the lengths are taken from the descriptors, and their copy must be null.
        unsafe {
            sys::cudnnRNNForward(
                device.cudnn.0,
                self.rnn.0,
                sys::cudnnForwardMode_t::CUDNN_FWD_MODE_TRAINING,
                null(),
                self.inputs.0,
                device.address(&pass.inputs),
                self.outputs.0,
                device.address_mut(outputs),
                self.states.0,
                null(),
                null_mut(),
                self.states.0,
                null(),
                null_mut(),
                self.weight_bytes,
                device.address(&pass.weights),
                self.workspace_bytes,
                device.address_mut(&mut pass.workspace.as_view_mut()),
                self.reserve_bytes,
                device.address_mut(&mut pass.reserve.as_view_mut()),
            )
        }
        .result()
        .or_refused("run an LSTM layer")
    }

    /// From the gradients of y those of x, and the weights' added to `gradients`; `pass` must be that of the last forward.
    pub fn backward(
        &self,
        device: &Device,
        pass: &mut Pass<'_>,
        [outputs, d_outputs]: [CudaView<'_, f32>; 2],
        d_inputs: &mut CudaViewMut<'_, f32>,
        gradients: &mut CudaViewMut<'_, f32>,
    ) -> Result<(), CudaError> {
        self.check(pass, outputs.len());
        let lengths = (d_outputs.len(), d_inputs.len(), gradients.len());
        let wanted = (outputs.len(), pass.inputs.len(), pass.weights.len());
        assert_eq!(lengths, wanted, "gradients of a layer");
        let workspace = device.address_mut(&mut pass.workspace.as_view_mut());
        let reserve = device.address_mut(&mut pass.reserve.as_view_mut());
        // SAFETY: as in `forward`; the reserve is what the forward pass left.
        unsafe {
            sys::cudnnRNNBackwardData_v8(
                device.cudnn.0,
                self.rnn.0,
                null(),
                self.outputs.0,
                device.address(&outputs),
                device.address(&d_outputs),
                self.inputs.0,
                device.address_mut(d_inputs),
                self.states.0,
                null(),
                null(),
                null_mut(),
                self.states.0,
                null(),
                null(),
                null_mut(),
                self.weight_bytes,
                device.address(&pass.weights),
                self.workspace_bytes,
                workspace,
                self.reserve_bytes,
                reserve,
            )
        }
        .result()
        .or_refused("run an LSTM layer backwards")?;
        // SAFETY: as above; it must follow the gradients of the data with the same reserve.
        unsafe {
            sys::cudnnRNNBackwardWeights_v8(
                device.cudnn.0,
                self.rnn.0,
                sys::cudnnWgradMode_t::CUDNN_WGRAD_MODE_ADD,
                null(),
                self.inputs.0,
                device.address(&pass.inputs),
                self.states.0,
                null(),
                self.outputs.0,
                device.address(&outputs),
                self.weight_bytes,
                device.address_mut(gradients),
                self.workspace_bytes,
                workspace,
                self.reserve_bytes,
                reserve,
            )
        }
        .result()
        .or_refused("find the gradients of a layer")
    }

    fn check(&self, pass: &Pass<'_>, outputs: usize) {
        let cells = self.steps * self.rows;
        assert_eq!(
            (pass.inputs.len(), outputs, pass.weights.len()),
            (
                cells * self.width,
                cells * 2 * self.units,
                self.weights_len()
            ),
            "memory of a layer"
        );
        assert!(
            pass.workspace.len() >= self.workspace_bytes
                && pass.reserve.len() >= self.reserve_bytes,
            "cuDNN's memory of a layer"
        );
    }

    /// Where the matrices and biases of both directions lie, counted from `weights`, which begins `start` floats behind the first
    /// parameter.
    pub fn gates(
        &self,
        device: &Device,
        weights: &CudaView<'_, f32>,
        start: usize,
    ) -> Result<[Gates; 2], CudaError> {
        let (matrix, vector) = (TensorDescriptor::new()?, TensorDescriptor::new()?);
        let base = device.address(weights);
        let mut directions = [Gates {
            inputs: [0; 4],
            states: [0; 4],
            biases: [0; 4],
        }; 2];
        for (direction, gates) in directions.iter_mut().enumerate() {
            // cuDNN counts the products with the inputs, for the gates i, f, c, o, then those with the states.
            for product in 0..8 {
                let (mut matrix_at, mut vector_at): (*mut c_void, *mut c_void) =
                    (null_mut(), null_mut());
                // SAFETY: writes into two live descriptors and two addresses; the weights are as long as cuDNN said.
                unsafe {
                    sys::cudnnGetRNNWeightParams(
                        device.cudnn.0,
                        self.rnn.0,
                        int(direction),
                        self.weight_bytes,
                        base,
                        int(product),
                        matrix.0,
                        &mut matrix_at,
                        vector.0,
                        &mut vector_at,
                    )
                }
                .result()
                .or_refused("tell where the weights of a layer are")?;
                let place = |what: &str, at: *mut c_void, sizes: &TensorDescriptor, wanted| {
                    place(base, at, sizes, wanted).map_err(|words| CudaError::Layout {
                        words: format!("{what} {product} of direction {direction}: {words}"),
                    })
                };
                let (gate, is_input) = (product % 4, product < 4);
                let width = if is_input { self.width } else { self.units };
                let at = start + place("matrix", matrix_at, &matrix, [self.units, width])?;
                if is_input {
                    gates.inputs[gate] = at;
                    gates.biases[gate] =
                        start + place("bias", vector_at, &vector, [self.units, 1])?;
                } else if vector_at.is_null() {
                    gates.states[gate] = at;
                } else {
                    return Err(CudaError::Layout {
                        words: format!("product {product} of direction {direction} has a bias"),
                    });
                }
            }
        }
        Ok(directions)
    }
}

/// Floats between `base` and `at`, where a matrix (1, rows, columns) must lie.
fn place(
    base: *const c_void,
    at: *mut c_void,
    descriptor: &TensorDescriptor,
    wanted: [usize; 2],
) -> Result<usize, String> {
    let offset = (at as usize)
        .checked_sub(base as usize)
        .filter(|_| !at.is_null())
        .ok_or_else(|| "is not there".to_owned())?;
    if offset % size_of::<f32>() != 0 {
        return Err(format!("begins at byte {offset}"));
    }
    let mut kind = CUDNN_DATA_FLOAT;
    let (mut n, mut sizes, mut strides) = (0, [0; 3], [0; 3]);
    // SAFETY: writes at most three sizes and three strides.
    unsafe {
        sys::cudnnGetTensorNdDescriptor(
            descriptor.0,
            3,
            &mut kind,
            &mut n,
            sizes.as_mut_ptr(),
            strides.as_mut_ptr(),
        )
    }
    .result()
    .map_err(|error| error.to_string())?;
    let found = (n, kind, sizes);
    if found == (3, CUDNN_DATA_FLOAT, [1, int(wanted[0]), int(wanted[1])]) {
        Ok(offset / size_of::<f32>())
    } else {
        Err(format!("is {found:?}, {wanted:?} is wanted"))
    }
}

/// cuDNN and cuBLAS count in 32 bits.
pub(crate) fn int(size: usize) -> i32 {
    size.try_into()
        .expect("no size of a network on a card goes beyond 2³¹")
}
