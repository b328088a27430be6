//! What is refused: with the line, the column, the value, the reason and a hint.

use std::io::Write;

use senti::{Error, ErrorKind};

use super::sources::{read_bytes, read_text};

#[track_caller]
fn refused(bytes: &[u8]) -> Error {
    match read_bytes(bytes, |_| {}) {
        Ok(reading) => panic!(
            "was read: {}\n{:?}",
            reading.summary(),
            reading.found.warnings
        ),
        Err(error) => error,
    }
}

/// The error says all of these.
#[track_caller]
fn check_refused(text: &str, parts: &[&str]) -> Error {
    let error = refused(text.as_bytes());
    for part in parts {
        assert!(
            error.to_string().contains(part),
            "`{part}` is not in: {error}"
        );
    }
    assert!(error.hint_text().is_some(), "no hint: {error}");
    error
}

/// Eight good days with line 6 replaced.
#[track_caller]
fn check_line_6(line: &str, parts: &[&str]) {
    let mut lines: Vec<String> = vec!["date,open,high,low,close,volume".to_owned()];
    lines.extend((1..=8).map(|day| {
        format!(
            "2024-01-{day:02},{0}.5,{0}.75,{0}.25,{0}.5,1000",
            42_000 + day
        )
    }));
    lines[5] = line.to_owned();
    check_refused(&lines.join("\n"), &[&["line 6"], parts].concat());
}

#[test]
fn files_without_a_table() {
    check_refused("", &["the file is empty"]);
    check_refused("  \n\n", &["the file is empty"]);
    check_refused("date,close\n", &["a header and no rows"]);
    check_refused("date,close\n2024-01-01,42000\n", &["1 row is too few"]);
    check_refused("2024-01-01,42000\n", &["1 row is too few"]);
    check_refused("hello\nworld\n", &["one column", "hello"]);
    check_refused(
        "<!DOCTYPE html>\n<html><body>Sign in</body></html>",
        &["web page"],
    );
    check_refused("[{\"date\": \"2024-01-01\", \"close\": 1}]", &["JSON"]);
    check_refused("PK\u{3}\u{4}xl/worksheets", &["spreadsheet (.xlsx)"]);
    check_refused("a,b\n1,2\n\0\0\0\n", &["byte 9 is zero"]);
    check_refused("open,close\n1,2\n3,4\n5,6\n", &["holds times"]);
    check_refused(
        "date,apples,pears\n2024-01-01,1,2\n2024-01-02,1,2\n",
        &["`apples`, `pears`", "closing price"],
    );
    check_refused(
        "date,symbol\n2024-01-01,A\n2024-01-02,B\n",
        &["no column holds numbers"],
    );
}

#[test]
fn text_of_another_encoding() {
    let error = refused(b"date,close\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3 \x80\n");
    assert!(
        error
            .to_string()
            .contains("line 4, column 2: the text is not UTF-8"),
        "{error}"
    );
}

#[test]
fn damaged_cells() {
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,abc,1000",
        &["column `close`", "`abc` is not a number"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,#REF!,1000",
        &["column `close`", "`#REF!`", "spreadsheet"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,05. Jan,1000",
        &["column `close`", "`05. Jan`", "date where a number"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,inf,1000",
        &["column `close`", "`inf`", "finite"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,\"42.005,5\",1000",
        &["column `close`", "`42.005,5` is not a number"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,1e999,1000",
        &["column `close`", "1e999"],
    );
    check_line_6(
        "#####,42005.5,42005.75,42005.25,42005.5,1000",
        &["column `date`", "`#####`", "spreadsheet"],
    );
    check_line_6(
        "Jan-00,42005.5,42005.75,42005.25,42005.5,1000",
        &["column `date`", "`Jan-00`", "without its day"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,4.20E+04,1000",
        &["column `close`", "`4.20E+04` has lost its last digits"],
    );
    check_line_6(
        "45296,42005.5,42005.75,42005.25,42005.5,1000",
        &["column `date`", "`45296`", "serial number"],
    );
    check_line_6(
        "1.70E+12,42005.5,42005.75,42005.25,42005.5,1000",
        &["column `date`", "`1.70E+12`", "scientific"],
    );
    check_line_6(
        ",42005.5,42005.75,42005.25,42005.5,1000",
        &["column `date`", "blank"],
    );
    check_line_6(
        "2024-02-30,42005.5,42005.75,42005.25,42005.5,1000",
        &["column `date`", "`2024-02-30` is not a time"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75",
        &["3 cells where 6 are wanted"],
    );
    check_line_6(
        "2024-01-05,42,005.5,42,005.75,42005.25,42005.5,1000",
        &["8 cells where 6 are wanted"],
    );
    check_line_6(
        "\"2024-01-05,42005.5,42005.75,42005.25,42005.5,1000",
        &["a quote opens and never closes"],
    );
}

#[test]
fn impossible_candles() {
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,0,1000",
        &["column `close`", "0 is not a price above zero"],
    );
    check_line_6(
        "2024-01-05,-42005.5,42005.75,42005.25,42005.5,1000",
        &["column `open`", "-42005.5"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.25,42005.75,42005.5,1000",
        &["`high` is 42005.25, below `low`, which is 42005.75"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,43005.5,1000",
        &["`close` is 43005.5, above `high`"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42005.25,42005.5,-1",
        &["column `volume`", "-1 is not a volume"],
    );
    check_line_6(
        "2024-01-05,420055,420057.5,420052.5,420055,1000",
        &["column `close`", "420055", "times its neighbour"],
    );
    check_line_6(
        "2024-01-05,42005.5,42005.75,42.00525,42005.5,1000",
        &["column `low`", "42.00525"],
    );
    check_line_6(
        "2024-01-04,42005.5,42005.75,42005.25,42005.5,1000",
        &[
            "line 5 and line 6 have the same time 2024-01-04",
            "42004.5 and 42005.5",
        ],
    );
}

#[test]
fn the_first_row_may_be_the_bad_one() {
    check_refused(
        "date,close\n#####,1\n2024-01-02,2\n2024-01-03,3\n",
        &["line 2, column `date`: `#####`"],
    );
    check_refused(
        "date,close\nfoo,1\nbar,2\n",
        &["line 2, column `date`: `foo` is not a time"],
    );
    check_refused(
        "date,close\n1.64E+12,1\n1.64E+12,2\n",
        &["line 2, column `date`", "scientific"],
    );
    check_refused(
        "date,close\n45292,1\n45293,2\n",
        &["line 2, column `date`", "serial number"],
    );
    check_refused(
        "date,close\n2024-01-01,x\n2024-01-02,y\n",
        &["line 2, column `close`: `x` is not a number"],
    );
}

#[test]
fn mixed_units() {
    let day = 86_400;
    let rows = |scale: fn(i64) -> i64| -> String {
        (0..6)
            .map(|i| format!("{},{}\n", scale(1_600_000_000 + i * day), 100 + i))
            .collect()
    };
    let seconds = rows(|t| t);
    let late: String = (6..9)
        .map(|i| format!("{},{}\n", (1_600_000_000 + i * day) * 1000, 100 + i))
        .collect();
    check_refused(
        &format!("unix,close\n{seconds}{late}"),
        &[
            "line 8, column `unix`",
            "unix milliseconds",
            "line 2 has unix seconds",
        ],
    );
    // Dollars, then cents.
    let prices: String = (1..=8)
        .map(|i| {
            format!(
                "2024-01-{i:02},{}\n",
                if i < 5 { 42_000 + i } else { 4_200_000 + i }
            )
        })
        .collect();
    check_refused(
        &format!("date,close\n{prices}"),
        &["line 6, column `close`", "from 42004 to 4200005"],
    );
    check_refused(
        "date,close\n13/01/2024,1\n14/01/2024,1\n01/15/2024,1\n",
        &["line 4", "month/day/year", "line 2 has day/month/year"],
    );
}

#[test]
fn many_assets_in_one_file() {
    let text = "date,symbol,close\n2024-01-01,BTC,42000\n2024-01-01,ETH,2300\n2024-01-02,BTC,42100\n2024-01-02,ETH,2310\n";
    let error = check_refused(text, &["line 2 and line 3 have the same time"]);
    assert!(error.hint_text().unwrap().contains("several assets"));
}

#[test]
fn a_truncated_or_damaged_gzip() {
    use std::io::Write;
    let text: String = (0..5000)
        .map(|i| format!("{},{}\n", 1_600_000_000 + i * 60, 100 + i % 7))
        .collect();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(format!("unix,close\n{text}").as_bytes())
        .unwrap();
    let bytes = gzip.finish().unwrap();
    let error = refused(&bytes[..bytes.len() / 2]);
    assert!(error.to_string().contains("ends in the middle"), "{error}");
    let mut damaged = bytes.clone();
    for byte in &mut damaged[bytes.len() / 2..bytes.len() / 2 + 64] {
        *byte = !*byte;
    }
    assert!(refused(&damaged).to_string().contains("damaged"));
    let zstd = ruzstd::encoding::compress_to_vec(
        text.as_bytes(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    assert_eq!(refused(&zstd[..zstd.len() / 2]).kind(), ErrorKind::Data);
}

#[test]
fn paths_that_are_no_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("btc_daily.csv"), "x").unwrap();
    let read = |name: &str| {
        let path = Some(folder.path().join(name));
        senti_io::sources::read(&senti_io::sources::Request {
            path,
            ..Default::default()
        })
        .unwrap_err()
    };
    let error = read("btc_dayly.csv");
    assert_eq!(error.kind(), ErrorKind::Input);
    assert!(error.to_string().contains("there is no file"), "{error}");
    assert!(
        error.hint_text().unwrap().contains("did you mean")
            && error.hint_text().unwrap().contains("btc_daily.csv")
    );
    assert!(
        read("no/such/folder.csv")
            .hint_text()
            .unwrap()
            .contains("there is no folder")
    );
    assert!(read("").to_string().contains("is a folder, not a file"));
}

#[test]
fn line_numbers_survive_quotes_over_lines_and_carriage_returns() {
    let text = "date,note,close\n2024-01-01,\"two\nlines\",1\n2024-01-02,b,2\n2024-01-03,c,x\n";
    check_refused(text, &["line 5, column `close`"]);
    check_refused(&text.replace('\n', "\r\n"), &["line 5, column `close`"]);
    check_refused(&text.replace('\n', "\r"), &["line 5, column `close`"]);
}

#[test]
fn a_quote_that_never_closes_does_not_swallow_the_file() {
    let rows: String = (0..100_000)
        .map(|i| format!("{},1.5,some more text\n", 1_600_000_000 + i * 60))
        .collect();
    let error = read_text(&format!("unix,close,note\n1599999940,1.5,\"open\n{rows}")).unwrap_err();
    assert!(
        error.to_string().contains("line 2: a quote opens"),
        "{error}"
    );
}

#[test]
fn dates_that_a_spreadsheet_turned_in_part() {
    // Days up to 12 as month/day, the others as day/month.
    let mut text = "date,close\n".to_owned();
    for month in 1..=6 {
        for day in 1..=28 {
            let (a, b) = if day <= 12 {
                (month, day)
            } else {
                (day, month)
            };
            text += &format!("{a:02}/{b:02}/2020,{}\n", 100 + day);
        }
    }
    check_refused(
        &text,
        &[
            "line 3, column `date`",
            "month/day/year",
            "day/month/year",
            "out of order",
        ],
    );
}

#[test]
fn control_characters_are_written_out() {
    let error = check_refused(
        "date,close\n2024-01-01,1\n2024-01-02,2\u{1b}[31m\n2024-01-03,3\n",
        &["line 3", "`2\\u{1b}[31m`"],
    );
    assert!(!error.to_string().contains(char::is_control), "{error}");
    let error = check_refused(
        "date,a\u{1b}[31m,\"b\nc\"\n2024-01-01,1,1\n2024-01-02,1,2\n",
        &["`a\\u{1b}[31m`", "`b\\nc`"],
    );
    assert!(!error.to_string().contains(char::is_control), "{error}");
}

#[test]
fn a_header_longer_than_what_is_looked_at() {
    let names: Vec<String> = (0..40_000).map(|i| format!("column{i}")).collect();
    let text = format!("date,close,{}\n2024-01-01,1\n", names.join(","));
    check_refused(&text, &["the first line is longer than 262144 bytes"]);
}

#[test]
fn something_behind_a_gzip_member() {
    let mut file = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    file.write_all(b"date,close\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n")
        .unwrap();
    let mut file = file.finish().unwrap();
    file.extend([0; 100_000]);
    assert_eq!(read_bytes(&file, |_| {}).unwrap().found.rows, 3);
    file.extend(b"more");
    let error = refused(&file);
    assert!(
        error
            .to_string()
            .contains("something else follows behind the compressed data"),
        "{error}"
    );
}

#[test]
fn thousands_without_quotes() {
    check_refused(
        "date,close\n2020-01-01,10,478\n2020-01-02,10,340\n2020-01-03,10,422\n",
        &["line 2: 3 cells, but the header names 2 columns"],
    );
}
