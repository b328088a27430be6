//! [`Lane`] with AVX2 and FMA: 8 floats, 16 registers.
//!
//! SAFETY of every block here: lanes are used only below `lane::run`, which asked for the instruction set; pointers come from
//! slices whose length was just checked, or from callers who promise it.

use std::arch::x86_64::*;

use super::{Lane, operators};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256);

operators! { Avx2:
    Add add = _mm256_add_ps;
    Sub sub = _mm256_sub_ps;
    Mul mul = _mm256_mul_ps;
    Div div = _mm256_div_ps;
}

impl Lane for Avx2 {
    const LANES: usize = 8;
    const GATE_ROWS: usize = 3;
    const ROWS: usize = 6;
    const REGISTERS: usize = 2;

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        Self(unsafe { _mm256_loadu_ps(from[..8].as_ptr()) })
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        unsafe { _mm256_storeu_ps(to[..8].as_mut_ptr(), self.0) }
    }

    #[inline(always)]
    unsafe fn load_from(from: *const f32) -> Self {
        Self(unsafe { _mm256_loadu_ps(from) })
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(unsafe { _mm256_set1_ps(value) })
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, summand: Self) -> Self {
        Self(unsafe { _mm256_fmadd_ps(self.0, factor.0, summand.0) })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(unsafe { _mm256_sqrt_ps(self.0) })
    }

    #[inline(always)]
    fn clamp(self, low: f32, high: f32) -> Self {
        // When one operand is NaN, min and max return the second: `self` must stand there.
        Self(unsafe {
            _mm256_min_ps(
                _mm256_set1_ps(high),
                _mm256_max_ps(_mm256_set1_ps(low), self.0),
            )
        })
    }

    #[inline(always)]
    fn round(self) -> Self {
        Self(unsafe {
            _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(self.0)
        })
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        // The biased exponent, moved to its place in the float.
        Self(unsafe {
            let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(self.0), _mm256_set1_epi32(127));
            _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
        })
    }
}
