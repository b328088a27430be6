//! Philox against Random123's known answers; permutations.

use senti_engine::random::{Purpose, Stream, philox4x32_10};

/// From Random123's `kat_vectors`, lines `philox4x32 10`.
#[test]
fn philox_known_answers() {
    let all = u32::MAX;
    assert_eq!(
        philox4x32_10([0, 0], [0; 4]),
        [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
    );
    assert_eq!(
        philox4x32_10([all, all], [all; 4]),
        [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
    );
    let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
    assert_eq!(
        philox4x32_10([0xa409_3822, 0x299f_31d0], pi),
        [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
    );
}

#[test]
fn permutations_hold_every_row_once_and_differ() {
    let stream = Stream::new(1, Purpose::Shuffling);
    let (mut first, mut second) = ([0; 100], [0; 100]);
    stream.permutation(0, &mut first);
    stream.permutation(1, &mut second);
    assert_ne!(first, second);
    stream.permutation(0, &mut second);
    assert_eq!(first, second);
    second.sort_unstable();
    assert!(
        second
            .iter()
            .enumerate()
            .all(|(at, &row)| at == row as usize)
    );
}
