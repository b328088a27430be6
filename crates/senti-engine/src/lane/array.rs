//! [`Lane`] without intrinsics: four floats, which compile to whatever every machine of the target has (SSE2, NEON).

use std::ops::{Add, Div, Mul, Sub};

use super::Lane;

/// Four floats. `FUSED` only where the target always has a fused multiply-add: elsewhere `f32::mul_add` is a call into libm.
#[derive(Clone, Copy)]
pub(crate) struct Array<const FUSED: bool>([f32; 4]);

impl<const FUSED: bool> Array<FUSED> {
    #[inline(always)]
    fn zip(mut self, other: Self, each: impl Fn(f32, f32) -> f32) -> Self {
        for lane in 0..4 {
            self.0[lane] = each(self.0[lane], other.0[lane]);
        }
        self
    }

    #[inline(always)]
    fn map(mut self, each: impl Fn(f32) -> f32) -> Self {
        for lane in 0..4 {
            self.0[lane] = each(self.0[lane]);
        }
        self
    }
}

impl<const FUSED: bool> Add for Array<FUSED> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(other, |a, b| a + b)
    }
}

impl<const FUSED: bool> Sub for Array<FUSED> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(other, |a, b| a - b)
    }
}

impl<const FUSED: bool> Mul for Array<FUSED> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(other, |a, b| a * b)
    }
}

impl<const FUSED: bool> Div for Array<FUSED> {
    type Output = Self;
    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(other, |a, b| a / b)
    }
}

impl<const FUSED: bool> Lane for Array<FUSED> {
    const LANES: usize = 4;
    const GATE_ROWS: usize = if FUSED { 6 } else { 2 };
    const ROWS: usize = 6;
    const REGISTERS: usize = if FUSED { 4 } else { 2 };

    #[inline(always)]
    fn load(from: &[f32]) -> Self {
        Self([from[0], from[1], from[2], from[3]])
    }

    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[..4].copy_from_slice(&self.0);
    }

    #[inline(always)]
    unsafe fn load_from(from: *const f32) -> Self {
        // SAFETY: the caller promises four floats; an array of them needs no larger alignment.
        Self(unsafe { from.cast::<[f32; 4]>().read() })
    }

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; 4])
    }

    #[inline(always)]
    fn mul_add(mut self, factor: Self, summand: Self) -> Self {
        for lane in 0..4 {
            let (a, b, c) = (self.0[lane], factor.0[lane], summand.0[lane]);
            self.0[lane] = if FUSED { a.mul_add(b, c) } else { a * b + c };
        }
        self
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        self.map(f32::sqrt)
    }

    #[inline(always)]
    fn clamp(self, low: f32, high: f32) -> Self {
        self.map(|x| x.clamp(low, high))
    }

    #[inline(always)]
    fn round(self) -> Self {
        if FUSED {
            return self.map(f32::round_ties_even);
        }
        // Without SSE4.1 that is a call into libm. Beyond 2²³ every float is whole; the numbers here are small.
        const MAGIC: f32 = 12_582_912.0; // 1.5 · 2²³
        self.map(|x| (x + MAGIC) - MAGIC)
    }

    #[inline(always)]
    fn exp2(self) -> Self {
        // A NaN becomes 0 here, and stays NaN in the factor that this one is multiplied with.
        self.map(|x| f32::from_bits(((x as i32 + 127) << 23) as u32))
    }
}
