//! A register of floats, the same for every instruction set; and the only door into code compiled for one.
//!
//! Everything above this module is written once, generic over [`Lane`], and `#[inline(always)]`, so that it is compiled again
//! inside each of the entries below, with that instruction set's registers.
//!
//! All lanes but the plain one fuse the multiplication and the addition, and every operation is the one of IEEE 754: AVX-512, AVX2
//! and NEON give the same bits.

mod array;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;

use std::ops::{Add, Div, Mul, Sub};

use crate::simd::Simd;

/// A register of [`Lane::LANES`] floats.
///
/// SAFETY of all implementations: their methods use instructions that the machine may lack. They are called only below [`run`],
/// which has asked.
pub(crate) trait Lane:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// Floats in a register: a divisor of 16.
    const LANES: usize;
    /// Rows of the largest tile of gates: four sums a row, and a factor for each row, stay in registers.
    const GATE_ROWS: usize;
    /// Rows and registers a row (2 or 4) of the largest tile of any other product.
    const ROWS: usize;
    /// See [`Lane::ROWS`].
    const REGISTERS: usize;

    /// The first floats of a slice.
    fn load(from: &[f32]) -> Self;
    /// Writes the first floats of a slice.
    fn store(self, to: &mut [f32]);
    /// The floats at `from`.
    ///
    /// # Safety
    /// `LANES` floats can be read there.
    unsafe fn load_from(from: *const f32) -> Self;
    /// The same float in every lane.
    fn splat(value: f32) -> Self;
    /// self · factor + summand.
    fn mul_add(self, factor: Self, summand: Self) -> Self;
    /// Square root.
    fn sqrt(self) -> Self;
    /// Limited to low … high; NaN stays NaN, so that an exploded training shows.
    fn clamp(self, low: f32, high: f32) -> Self;
    /// The nearest whole number, even if halfway.
    fn round(self) -> Self;
    /// 2 to the power of a whole number from -126 to 127.
    fn exp2(self) -> Self;
}

/// Work that is generic over the register.
pub(crate) trait Kernel {
    /// What it gives back.
    type Output;
    /// Does it. Implementations are `#[inline(always)]`.
    fn run<L: Lane>(self) -> Self::Output;
}

/// Runs a kernel with the registers of an instruction set.
pub(crate) fn run<K: Kernel>(simd: Simd, kernel: K) -> K::Output {
    assert!(simd.is_supported(), "this machine has no {}", simd.name());
    match simd {
        // SAFETY: the machine has the features, the line above asked.
        #[cfg(target_arch = "x86_64")]
        Simd::Avx512 => unsafe { run_avx512(kernel) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => unsafe { run_avx2(kernel) },
        // NEON is part of every aarch64: four fused floats compile to it.
        Simd::Neon => kernel.run::<array::Array<true>>(),
        _ => kernel.run::<array::Array<false>>(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx512dq,avx2,fma")]
fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<avx512::Avx512>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run::<avx2::Avx2>()
}

/// The four operators of a lane, from a function for each.
macro_rules! operators {
    ($lane:ty: $($operator:ident $name:ident = $function:expr;)*) => {$(
        impl std::ops::$operator for $lane {
            type Output = Self;
            #[inline(always)]
            fn $name(self, other: Self) -> Self {
                // SAFETY: lanes are used only below `lane::run`, which asked for the instruction set.
                Self(unsafe { $function(self.0, other.0) })
            }
        }
    )*};
}
#[cfg(target_arch = "x86_64")]
use operators;
