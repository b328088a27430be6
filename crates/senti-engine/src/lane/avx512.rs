//! [`Lane`] with AVX-512: 16 floats, 32 registers.
//!
//! SAFETY of every block here: lanes are used only below `lane::run`, which asked for the instruction set; pointers come from
//! slices whose length was just checked, or from callers who promise it.

use std::arch::x86_64::*;

use super::{Lane, operators};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

operators! { Avx512:
    Add add = _mm512_add_ps;
    Sub sub = _mm512_sub_ps;
    Mul mul = _mm512_mul_ps;
    Div div = _mm512_div_ps;
}

impl Lane for Avx512 {
    const LANES: usize = 16;
    const GATE_ROWS: usize = 6;
    const ROWS: usize = 6;
    const REGISTERS: usize = 4;

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        Self(unsafe { _mm512_loadu_ps(from[..16].as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        unsafe { _mm512_storeu_ps(to[..16].as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    unsafe fn load_from(from: *const f32) -> Self {
        Self(unsafe { _mm512_loadu_ps(from) })
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, summand: Self) -> Self {
        Self(unsafe { _mm512_fmadd_ps(self.0, factor.0, summand.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm512_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn clamp(self, low: f32, high: f32) -> Self {
        // When one operand is NaN, min and max return the second: `self` must stand there.
        Self(unsafe {
            _mm512_min_ps(
                _mm512_set1_ps(high),
                _mm512_max_ps(_mm512_set1_ps(low), self.0),
            )
        })
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(unsafe {
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0)
        })
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        Self(unsafe { _mm512_scalef_ps(_mm512_set1_ps(1.0), self.0) })
    }
}
