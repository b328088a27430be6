//! Parquet as pandas, polars, Spark and others write it is the same table as the CSV of it.

use std::path::PathBuf;

use senti_io::sources::{Reading, Request, read};

/// Files made by `fixtures/make_parquet.py`.
fn fixture(name: &str) -> Reading {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/it/fixtures")
        .join(name);
    read(&Request {
        path: Some(path),
        ..Request::default()
    })
    .unwrap()
}

#[track_caller]
fn check_same(name: &str) -> Reading {
    let (csv, parquet) = (fixture("table.csv"), fixture(name));
    assert_eq!(parquet.table.columns(), csv.table.columns());
    assert_eq!(parquet.digest, csv.digest);
    assert_eq!(parquet.dialect.format, "parquet");
    parquet
}

#[test]
fn pandas_with_an_index() {
    assert_eq!(
        check_same("pandas_snappy.parquet")
            .dialect
            .compression
            .as_deref(),
        Some("snappy")
    );
}

#[test]
#[cfg(feature = "parquet_zstd")]
fn microseconds_and_zstd_in_several_row_groups() {
    assert_eq!(
        check_same("micro_zstd.parquet")
            .dialect
            .compression
            .as_deref(),
        Some("zstd")
    );
}

#[test]
fn dates_decimals_and_words() {
    let reading = check_same("date_decimal_gzip.parquet");
    assert_eq!(reading.found.dropped[0].column, "symbol");
}

#[test]
fn old_times_newest_first() {
    assert_eq!(
        check_same("int96_lz4.parquet").dialect.order,
        "newest first"
    );
}

#[test]
fn unix_times_and_numbers_as_text() {
    assert_eq!(
        check_same("unix_text_v2.parquet").dialect.time_format,
        "unix milliseconds"
    );
}

#[test]
fn damaged_files_are_refused_and_never_panic() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/fixtures/pandas_snappy.parquet");
    let bytes = std::fs::read(path).unwrap();
    for end in (4..bytes.len()).step_by(97) {
        assert!(super::sources::read_bytes(&bytes[..end], |_| {}).is_err());
    }
    for at in (4..bytes.len()).step_by(13) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        // A changed value may still read; it must not panic.
        let _ = super::sources::read_bytes(&damaged, |_| {});
    }
}
