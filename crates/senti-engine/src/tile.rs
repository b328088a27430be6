//! The one product behind everything: a few rows times a few registers of columns, summed in registers.
//!
//! C[R × V] += A · B. Every element of C is one sum along the depth, in order, whatever the tile's size: where the rows are cut
//! never changes a bit.

use crate::lane::Lane;

/// Left factor: element (row, k) is at `row * row_stride + k * k_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub values: &'a [f32],
    pub row_stride: usize,
    pub k_stride: usize,
}

/// Right factor: register v of row k is at `k * stride + v * gap`.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    pub values: &'a [f32],
    pub stride: usize,
    pub gap: usize,
}

/// sums + left · right, along `depth`.
///
/// The sums come and go by value: written through a reference, some of them were stored to memory in every round of the loop.
#[inline(always)]
pub(crate) fn multiply<L: Lane, const R: usize, const V: usize>(
    mut sums: [[L; V]; R],
    left: Left<'_>,
    right: Right<'_>,
    depth: usize,
) -> [[L; V]; R] {
    if depth == 0 {
        return sums;
    }
    assert!(
        (R - 1) * left.row_stride + (depth - 1) * left.k_stride < left.values.len(),
        "the left factor is too short"
    );
    assert!(
        (depth - 1) * right.stride + (V - 1) * right.gap + L::LANES <= right.values.len(),
        "the right factor is too short"
    );
    let (a, b) = (left.values.as_ptr(), right.values.as_ptr());
    for k in 0..depth {
        // SAFETY: the largest k, row and v stay inside, the assertions above say so.
        let factor =
            |row: usize| L::splat(unsafe { *a.add(row * left.row_stride + k * left.k_stride) });
        // SAFETY: as above.
        let column = |v: usize| unsafe { L::load_from(b.add(k * right.stride + v * right.gap)) };
        // The smaller side waits in registers while the other one passes by, one at a time.
        if V <= R {
            let mut columns = [L::splat(0.0); V];
            for (v, value) in columns.iter_mut().enumerate() {
                *value = column(v);
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = factor(row);
                for (sum, column) in sums.iter_mut().zip(columns) {
                    *sum = factor.mul_add(column, *sum);
                }
            }
        } else {
            let mut factors = [L::splat(0.0); R];
            for (row, value) in factors.iter_mut().enumerate() {
                *value = factor(row);
            }
            for v in 0..V {
                let column = column(v);
                for (sums, factor) in sums.iter_mut().zip(factors) {
                    sums[v] = factor.mul_add(column, sums[v]);
                }
            }
        }
    }
    sums
}

/// What to do with each tile of a matrix.
pub(crate) trait Tile {
    /// R rows from `row` on, V registers from `column` on. Implementations are `#[inline(always)]`.
    fn tile<L: Lane, const R: usize, const V: usize>(&mut self, row: usize, column: usize);
}

/// Cuts `rows` into tiles as equal as possible, four registers wide: one for each gate.
#[inline(always)]
pub(crate) fn over_gates<L: Lane>(rows: usize, column: usize, work: &mut impl Tile) {
    over_rows::<L, 4>(rows, column, L::GATE_ROWS, work);
}

/// Cuts `rows` × `columns` (a multiple of 16) into tiles.
#[inline(always)]
pub(crate) fn over_columns<L: Lane>(rows: usize, columns: usize, work: &mut impl Tile) {
    let mut column = 0;
    while column < columns {
        let left = (columns - column) / L::LANES;
        if left >= 4 && L::REGISTERS == 4 {
            over_rows::<L, 4>(rows, column, L::ROWS, work);
            column += 4 * L::LANES;
        } else if left >= 2 {
            over_rows::<L, 2>(rows, column, L::ROWS, work);
            column += 2 * L::LANES;
        } else {
            over_rows::<L, 1>(rows, column, L::ROWS, work);
            column += L::LANES;
        }
    }
}

/// `most` is a constant, so that only tiles of that height and below are compiled.
#[inline(always)]
fn over_rows<L: Lane, const V: usize>(
    rows: usize,
    column: usize,
    most: usize,
    work: &mut impl Tile,
) {
    let tiles = rows.div_ceil(most);
    for tile in 0..tiles {
        let (first, end) = (tile * rows / tiles, (tile + 1) * rows / tiles);
        match end - first {
            6 if most >= 6 => work.tile::<L, 6, V>(first, column),
            5 if most >= 5 => work.tile::<L, 5, V>(first, column),
            4 if most >= 4 => work.tile::<L, 4, V>(first, column),
            3 if most >= 3 => work.tile::<L, 3, V>(first, column),
            2 => work.tile::<L, 2, V>(first, column),
            _ => work.tile::<L, 1, V>(first, column),
        }
    }
}
