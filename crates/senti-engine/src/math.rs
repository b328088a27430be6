//! Sigmoid, tanh and softplus of a register.
//!
//! Errors, tested over the whole range: sigmoid 2e-7 relative, tanh and softplus 4e-7; below -87, sigmoid and softplus stay at 1.6e-38.
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

/// ln(1 + eˣ) = max(x, 0) + ln(1 + e⁻ˡˣˡ).
#[inline(always)]
pub(crate) fn softplus<L: Lane>(x: L) -> L {
    let (scale, rest) = exp_parts(x.clamp(-87.0, 0.0) - x.clamp(0.0, 87.0));
    let e = rest.mul_add(scale, scale);
    // ln(1 + e) = 2·artanh(s) = 2·(s + s³/3 + s⁵/5 + …) with s = e / (2 + e) ≤ ⅓: the first term left out is 2e-9.
    let s = e / (e + L::splat(2.0));
    let square = s * s;
    let mut sum = L::splat(2.0 / 15.0);
    for divisor in [13.0, 11.0, 9.0, 7.0, 5.0, 3.0, 1.0] {
        sum = sum.mul_add(square, L::splat(2.0 / divisor));
    }
    sum.mul_add(s, x.clamp(0.0, f32::INFINITY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lane::{Kernel, run};
    use crate::simd::Simd;

    struct All<'a>(&'a [f32; 16]);

    impl Kernel for All<'_> {
        type Output = [[f32; 16]; 3];
        #[inline(always)]
        fn run<L: Lane>(self) -> [[f32; 16]; 3] {
            let mut out = [[0.0; 16]; 3];
            for at in (0..16).step_by(L::LANES) {
                let x = L::load(&self.0[at..]);
                sigmoid(x).store(&mut out[0][at..]);
                tanh(x).store(&mut out[1][at..]);
                softplus(x).store(&mut out[2][at..]);
            }
            out
        }
    }

    fn supported() -> impl Iterator<Item = Simd> {
        Simd::ALL.into_iter().filter(Simd::is_supported)
    }

    /// Every 97th float of all there are, NaN and subnormals included.
    #[test]
    fn error_bounds_hold_over_all_floats() {
        for simd in supported() {
            let (mut worst_sigmoid, mut worst_tanh, mut worst_softplus) = (0.0f64, 0.0f64, 0.0f64);
            for block in (0..=u32::MAX).step_by(97 * 16) {
                let xs: [f32; 16] = std::array::from_fn(|lane| {
                    f32::from_bits(block.wrapping_add(97 * lane as u32))
                });
                let [sigmoids, tanhs, softpluses] = run(simd, All(&xs));
                for lane in 0..16 {
                    let x = f64::from(xs[lane]);
                    if x.is_nan() {
                        assert!(
                            sigmoids[lane].is_nan()
                                && tanhs[lane].is_nan()
                                && softpluses[lane].is_nan(),
                            "{}: NaN was hidden",
                            simd.name()
                        );
                        continue;
                    }
                    let wanted = 1.0 / (1.0 + (-x).exp());
                    let error = (f64::from(sigmoids[lane]) - wanted).abs();
                    worst_sigmoid = worst_sigmoid.max(if x >= -87.0 {
                        error / wanted
                    } else {
                        error / 1e-31
                    });
                    let wanted = x.max(0.0) + (-x.abs()).exp().ln_1p();
                    let found = f64::from(softpluses[lane]);
                    if wanted.is_infinite() {
                        assert_eq!(found, wanted);
                    } else {
                        let scale = if x >= -87.0 { wanted } else { 1e-31 };
                        worst_softplus = worst_softplus.max((found - wanted).abs() / scale);
                    }
                    let wanted = x.tanh();
                    let error = (f64::from(tanhs[lane]) - wanted).abs();
                    // Half of the smallest subnormal may be lost when x is one.
                    worst_tanh = worst_tanh.max(if wanted == 0.0 {
                        error
                    } else {
                        (error - 1e-45).max(0.0) / wanted.abs()
                    });
                }
            }
            assert!(
                worst_sigmoid < 2e-7,
                "{}: sigmoid {worst_sigmoid:e}",
                simd.name()
            );
            assert!(
                worst_softplus < 4e-7,
                "{}: softplus {worst_softplus:e}",
                simd.name()
            );
            assert!(worst_tanh < 4e-7, "{}: tanh {worst_tanh:e}", simd.name());
        }
    }

    #[test]
    fn saturation_and_zero_are_exact() {
        let xs = [
            f32::INFINITY,
            f32::NEG_INFINITY,
            0.0,
            100.0,
            -100.0,
            9.1,
            -9.1,
            1e-30,
            f32::MAX,
            f32::MIN,
            17.4,
            20.0,
            88.0,
            -0.0,
            1e-40,
            -1e-40,
        ];
        for simd in supported() {
            let [sigmoids, tanhs, softpluses] = run(simd, All(&xs));
            assert_eq!(
                (softpluses[0], softpluses[3], softpluses[8]),
                (f32::INFINITY, 100.0, f32::MAX)
            );
            assert!(
                softpluses[1] < 2e-38 && softpluses[9] < 2e-38,
                "{softpluses:?}"
            );
            assert_eq!(
                (sigmoids[0], sigmoids[2], sigmoids[3], sigmoids[8]),
                (1.0, 0.5, 1.0, 1.0),
                "{}",
                simd.name()
            );
            assert!(
                sigmoids[1] < 2e-38 && sigmoids[4] < 2e-38 && sigmoids[9] < 2e-38,
                "{sigmoids:?}"
            );
            assert_eq!(
                (
                    tanhs[0], tanhs[1], tanhs[2], tanhs[5], tanhs[6], tanhs[8], tanhs[9]
                ),
                (1.0, -1.0, 0.0, 1.0, -1.0, 1.0, -1.0),
                "{}",
                simd.name()
            );
        }
    }
}
