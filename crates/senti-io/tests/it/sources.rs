//! Sources: what files people have, and what becomes of them.

use senti_io::sources::{Request, read};

#[test]
fn the_sample_has_its_gap() {
    let reading = read(&Request::default()).unwrap();
    println!("{}", reading.summary());
    assert_eq!(reading.found.gaps.len(), 1);
    assert_eq!(reading.found.gaps[0].missing, 12);
}
