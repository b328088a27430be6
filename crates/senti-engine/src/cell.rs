//! The equations of one unit at one step, forward and backward: from its four sums to its output, and from the output's gradient to
//! those of the sums.
//!
//! In: registers of 16 or fewer units. Out: the same. What is summed (W·x + U·h₋ + b), and where anything lies, is the business of
//! [`crate::recurrent`].

use crate::lane::Lane;
use crate::math::{sigmoid, tanh};

/// One step of a unit.
pub(crate) struct Step<L> {
    /// What backward needs, in place of the sums.
    pub gates: [L; 4],
    /// What the next step gets beside the output: an LSTM's c, a GRU's h.
    pub memory: L,
    /// The memory as it is shown: an LSTM's tanh(c), a GRU's h.
    pub shown: L,
    /// h
    pub output: L,
}

/// The equations of a cell.
pub(crate) trait Equations {
    /// One step from its four sums and the memory of the step before (0 at the first).
    fn forward<L: Lane>(sums: [L; 4], before: L) -> Step<L>;

    /// Gradients of the four sums, and of the memory before, from those of h and of the memory; gates and shown memory are what
    /// forward gave.
    fn backward<L: Lane>(
        gates: [L; 4],
        shown: L,
        before: L,
        d_output: L,
        d_memory: L,
    ) -> ([L; 4], L);
}

/// `i = σ(zᵢ)   f = σ(z_f)   g = tanh(z_c)   o = σ(zₒ)        c = f·c₋ + i·g        h = o·tanh(c)`
pub(crate) struct Lstm;

impl Equations for Lstm {
    #[inline(always)]
    fn forward<L: Lane>(sums: [L; 4], before: L) -> Step<L> {
        let [i, f, g, o] = sums;
        let (i, f, g, o) = (sigmoid(i), sigmoid(f), tanh(g), sigmoid(o));
        let c = f.mul_add(before, i * g);
        let shown = tanh(c);
        Step {
            gates: [i, f, g, o],
            memory: c,
            shown,
            output: o * shown,
        }
    }

    #[inline(always)]
    fn backward<L: Lane>(
        [i, f, g, o]: [L; 4],
        shown: L,
        before: L,
        d_output: L,
        d_memory: L,
    ) -> ([L; 4], L) {
        let one = L::splat(1.0);
        let d_c = d_output * o * (one - shown * shown) + d_memory;
        let (d_i, d_f, d_g, d_o) = (d_c * g, d_c * before, d_c * i, d_output * shown);
        let d_sums = [
            d_i * i * (one - i),
            d_f * f * (one - f),
            d_g * (one - g * g),
            d_o * o * (one - o),
        ];
        (d_sums, d_c * f)
    }
}

/// `z = σ(z_z)   r = σ(z_r)   n = tanh(z_x + r·z_h)        h = z·h₋ + (1 - z)·n`
///
/// The candidate n has two sums, z_x from the inputs and z_h from the states: the reset gate stands between them.
pub(crate) struct Gru;

impl Equations for Gru {
    #[inline(always)]
    fn forward<L: Lane>(sums: [L; 4], before: L) -> Step<L> {
        let [z, r, from_inputs, from_states] = sums;
        let (z, r) = (sigmoid(z), sigmoid(r));
        let n = tanh(r.mul_add(from_states, from_inputs));
        let h = z.mul_add(before - n, n);
        Step {
            gates: [z, r, n, from_states],
            memory: h,
            shown: h,
            output: h,
        }
    }

    #[inline(always)]
    fn backward<L: Lane>(
        [z, r, n, from_states]: [L; 4],
        _shown: L,
        before: L,
        d_output: L,
        d_memory: L,
    ) -> ([L; 4], L) {
        let one = L::splat(1.0);
        let d_h = d_output + d_memory;
        let (d_z, d_n) = (d_h * (before - n), d_h * (one - z));
        let d_from_inputs = d_n * (one - n * n);
        let d_r = d_from_inputs * from_states;
        let d_sums = [
            d_z * z * (one - z),
            d_r * r * (one - r),
            d_from_inputs,
            d_from_inputs * r,
        ];
        (d_sums, d_h * z)
    }
}
