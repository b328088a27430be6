//! Dialects: the same candles as different people write them are the same table.

use std::io::Write;

use senti::table::TableOptions;
use senti::{Error, Result, Role};
use senti_io::sources::{Reading, Request, SOURCES, read};

/// Reads bytes as a file.
pub fn read_bytes(bytes: &[u8], change: impl FnOnce(&mut Request)) -> Result<Reading> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file.flush().unwrap();
    let mut request = Request {
        path: Some(file.path().into()),
        ..Request::default()
    };
    change(&mut request);
    read(&request)
}

pub fn read_text(text: &str) -> Result<Reading> {
    read_bytes(text.as_bytes(), |_| {})
}

#[track_caller]
pub fn must(text: &str) -> Reading {
    read_text(text).unwrap_or_else(|error| panic!("{error}\nhint: {:?}\n{text}", error.hint_text()))
}

/// Four days of Bitcoin in January 2020 as every dialect below writes them: day, open, high, low, close, volume.
const CANDLES: [(i64, [f64; 5]); 4] = [
    (18_273, [8184.5, 8186.25, 8045.0, 8110.125, 610_660.0]),
    (18_274, [8110.5, 8880.75, 8105.5, 8827.5, 1_380_000.0]),
    (18_275, [8825.25, 8890.0, 8657.5, 8807.25, 1_010_500.0]),
    (18_276, [8812.5, 8846.5, 8612.25, 8723.5, 995_000.0]),
];

/// The file reads as [`CANDLES`], with this separator and this decimal sign.
#[track_caller]
fn check_dialect(text: &str, delimiter: char, decimal: char) -> Reading {
    check_bytes(text.as_bytes(), delimiter, decimal)
}

#[track_caller]
fn check_bytes(bytes: &[u8], delimiter: char, decimal: char) -> Reading {
    let reading = read_bytes(bytes, |_| {})
        .unwrap_or_else(|error| panic!("{error}\nhint: {:?}", error.hint_text()));
    let days: Vec<i64> = reading
        .table
        .time()
        .iter()
        .map(|time| time / 86_400_000)
        .collect();
    assert_eq!(days, CANDLES.map(|(day, _)| day), "days");
    for (i, role) in [Role::Open, Role::High, Role::Low, Role::Close, Role::Volume]
        .into_iter()
        .enumerate()
    {
        let column = reading
            .table
            .role(role)
            .unwrap_or_else(|| panic!("no {}", role.name()));
        assert_eq!(
            column.values,
            CANDLES.map(|(_, values)| values[i]),
            "{}",
            role.name()
        );
    }
    assert_eq!(reading.dialect.delimiter, Some(delimiter));
    assert_eq!(reading.dialect.decimal, Some(decimal));
    reading
}

const PLAIN: &str = "date,open,high,low,close,volume
2020-01-12,8184.5,8186.25,8045.0,8110.125,610660
2020-01-13,8110.5,8880.75,8105.5,8827.5,1380000
2020-01-14,8825.25,8890,8657.5,8807.25,1010500
2020-01-15,8812.5,8846.5,8612.25,8723.5,995000
";

#[test]
fn plain_commas() {
    let reading = check_dialect(PLAIN, ',', '.');
    assert_eq!(reading.dialect.time_format, "year-month-day");
    assert_eq!(reading.dialect.header_lines, 1);
    assert!(
        reading
            .summary()
            .starts_with("read 4 rows 2020-01-12 … 2020-01-15, step day, comma CSV"),
        "{}",
        reading.summary()
    );
}

#[test]
fn other_separators_and_line_ends() {
    check_dialect(&PLAIN.replace(',', ";"), ';', '.');
    check_dialect(&PLAIN.replace(',', "\t"), '\t', '.');
    check_dialect(&PLAIN.replace(',', "|"), '|', '.');
    check_dialect(&PLAIN.replace('\n', "\r\n"), ',', '.');
    check_dialect(&PLAIN.replace('\n', "\r"), ',', '.');
    check_dialect(PLAIN.trim_end(), ',', '.');
    check_dialect(&PLAIN.replace('\n', "\n\n"), ',', '.');
    check_dialect(&PLAIN.replace('\n', ",\n"), ',', '.');
    check_dialect(&PLAIN.replace(',', ", "), ',', '.');
}

#[test]
fn semicolon_with_decimal_comma() {
    check_dialect(&PLAIN.replace(',', ";").replace('.', ","), ';', ',');
    check_dialect(&PLAIN.replace(',', "\t").replace('.', ","), '\t', ',');
}

#[test]
fn german_words_dates_and_thousands() {
    let text = "Datum;Erster;Hoch;Tief;Schlusskurs;Volumen
15.01.2020;8.812,5;8.846,5;8.612,25;8.723,5;995.000
14.01.2020;8.825,25;8.890,00;8.657,5;8.807,25;1.010.500
13.01.2020;8.110,5;8.880,75;8.105,5;8.827,5;1.380.000
12.01.2020;8.184,5;8.186,25;8.045,0;8.110,125;610.660
";
    let reading = check_dialect(text, ';', ',');
    assert_eq!(reading.dialect.order, "newest first");
    assert_eq!(reading.dialect.time_format, "day/month/year");
}

#[test]
fn thousands_of_every_kind() {
    let quoted = "date,open,high,low,close,volume
2020-01-12,\"8,184.5\",\"8,186.25\",\"8,045.0\",\"8,110.125\",\"610,660\"
2020-01-13,\"8,110.5\",\"8,880.75\",\"8,105.5\",\"8,827.5\",\"1,380,000\"
2020-01-14,\"8,825.25\",\"8,890\",\"8,657.5\",\"8,807.25\",\"1,010,500\"
2020-01-15,\"8,812.5\",\"8,846.5\",\"8,612.25\",\"8,723.5\",\"995,000\"
";
    check_dialect(quoted, ',', '.');
    for thousands in ["'", "’", " ", "\u{a0}", "\u{202f}"] {
        // A comma inside quotes is a thousands sign, one outside separates.
        let mut inside = false;
        let swapped: String = quoted
            .chars()
            .map(|c| {
                inside ^= c == '"';
                if c == ',' && inside {
                    thousands.to_owned()
                } else {
                    c.to_string()
                }
            })
            .collect();
        check_dialect(&swapped, ',', '.');
        check_dialect(
            &swapped.replace('"', "").replace(',', ";").replace('.', ","),
            ';',
            ',',
        );
    }
}

#[test]
fn investing_com() {
    let text = "\u{feff}\"Date\",\"Price\",\"Open\",\"High\",\"Low\",\"Vol.\",\"Change %\"
\"Jan 15, 2020\",\"8,723.5\",\"8,812.5\",\"8,846.5\",\"8,612.25\",\"995.00K\",\"-0.95%\"
\"Jan 14, 2020\",\"8,807.25\",\"8,825.25\",\"8,890.0\",\"8,657.5\",\"1010.5K\",\"-0.23%\"
\"Jan 13, 2020\",\"8,827.5\",\"8,110.5\",\"8,880.75\",\"8,105.5\",\"1.38M\",\"8.84%\"
\"Jan 12, 2020\",\"8,110.125\",\"8,184.5\",\"8,186.25\",\"8,045.0\",\"610.66K\",\"-0.90%\"
";
    let reading = check_dialect(text, ',', '.');
    assert_eq!(
        reading.table.column("Change %").unwrap().values,
        [-0.90, 8.84, -0.23, -0.95]
    );
    assert_eq!(reading.dialect.encoding, "utf-8 with byte-order mark");
}

#[test]
fn money_signs_and_units() {
    let text = "Date,Close/Last,Volume,Open,High,Low
01/15/2020,$8723.5,0.995M,$8812.5,$8846.5,$8612.25
01/14/2020,$8807.25,1.0105M,$8825.25,$8890,$8657.5
01/13/2020,$8827.5,0.00138B,$8110.5,$8880.75,$8105.5
01/12/2020,$8110.125,610.66K,$8184.5,$8186.25,$8045.0
";
    assert_eq!(
        check_dialect(text, ',', '.').dialect.time_format,
        "month/day/year"
    );
}

#[test]
fn an_address_comments_and_a_footer_line_of_the_header() {
    let text = format!("https://www.CryptoDataDownload.com\n# made by hand\n{PLAIN}# end\n");
    let reading = check_dialect(&text, ',', '.');
    assert_eq!(
        (reading.dialect.skipped_lines, reading.dialect.header_lines),
        (3, 1)
    );
    check_dialect(&PLAIN.replace("date,", "# date,"), ',', '.');
    check_dialect(
        &PLAIN
            .replace("volume\n", "volume\n---|---|---|---|---|---\n")
            .replace(',', "|"),
        '|',
        '.',
    );
    let twice = format!("{PLAIN}{}", PLAIN.lines().next().unwrap());
    assert!(
        check_dialect(&twice, ',', '.')
            .found
            .warnings
            .iter()
            .any(|w| w.contains("header"))
    );
}

#[test]
fn several_header_lines() {
    let rows: String = PLAIN
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    let one = format!(
        "Price,Open,High,Low,Close,Volume\nTicker,{0},{0},{0},{0},{0}\nDate,,,,,\n{rows}",
        "BTC-USD"
    );
    let reading = check_dialect(&one, ',', '.');
    assert_eq!(reading.dialect.header_lines, 3);
    assert_eq!(
        (
            reading.dialect.time_column.as_str(),
            reading.table.role(Role::Close).unwrap().name.as_str()
        ),
        ("Date", "Close")
    );

    let two = "Price,Close,Close,High,High,Low,Low
Ticker,BTC-USD,^IXIC,BTC-USD,^IXIC,BTC-USD,^IXIC
Date,,,,,,
2020-01-13,8827.5,9273,8880.75,9274,8105.5,9193
2020-01-14,8807.25,9251,8890,9298,8657.5,9231
2020-01-15,8723.5,9258,8846.5,9298,8612.25,9231
";
    let reading = must(two);
    assert_eq!(
        reading.table.role(Role::Close).unwrap().name,
        "Close_BTC-USD"
    );
    assert_eq!(reading.table.role(Role::High).unwrap().name, "High_BTC-USD");
    assert_eq!(
        reading.table.column("Close_^IXIC").unwrap().role,
        Role::Series
    );
}

#[test]
fn no_header_in_the_order_of_each_exchange() {
    let rows: String = PLAIN
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(check_dialect(&rows, ',', '.').dialect.header_lines, 0);
    // Binance: 12 columns; Bitfinex: close before high; Kraken: trades at the end; MetaTrader: a column of times of day.
    let cells: Vec<Vec<&str>> = rows.lines().map(|line| line.split(',').collect()).collect();
    let render =
        |write: fn(&[&str]) -> String| cells.iter().map(|row| write(row)).collect::<String>();
    let binance = render(|c| {
        let ms: i64 = senti::calendar::parse_time(c[0]).unwrap();
        format!(
            "{ms},{},{},{},{},{},{},1.5,10,2.5,3.5,0\n",
            c[1],
            c[2],
            c[3],
            c[4],
            c[5],
            ms + 86_399_999
        )
    });
    let reading = check_dialect(&binance, ',', '.');
    assert_eq!(reading.dialect.time_format, "unix milliseconds");
    let dropped: Vec<&str> = reading
        .found
        .dropped
        .iter()
        .map(|dropped| dropped.column.as_str())
        .collect();
    assert_eq!(dropped, ["close_time", "ignore"]);
    check_dialect(
        &render(|c| format!("{},{},{},{},{},{}\n", c[0], c[1], c[4], c[2], c[3], c[5])),
        ',',
        '.',
    );
    check_dialect(
        &render(|c| format!("{},{},{},{},{},{}\n", c[0], c[3], c[2], c[1], c[4], c[5])),
        ',',
        '.',
    );
    check_dialect(
        &render(|c| format!("{},{},{},{},{},{},17\n", c[0], c[1], c[2], c[3], c[4], c[5])),
        ',',
        '.',
    );
    check_dialect(
        &render(|c| {
            format!(
                "{},00:00,{},{},{},{},{}\n",
                c[0].replace('-', "."),
                c[1],
                c[2],
                c[3],
                c[4],
                c[5]
            )
        }),
        ',',
        '.',
    );
}

#[test]
fn metatrader() {
    let text = PLAIN
        .replace(',', "\t")
        .replace(
            "date\topen\thigh\tlow\tclose\tvolume",
            "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>",
        )
        .replace("-01-12", ".01.12\t00:00:00")
        .replace("-01-13", ".01.13\t00:00:00")
        .replace("-01-14", ".01.14\t00:00:00")
        .replace("-01-15", ".01.15\t00:00:00");
    assert_eq!(
        check_dialect(&text, '\t', '.').dialect.time_column,
        "<DATE> <TIME>"
    );
}

/// The plain table with its dates written by `write` (year, month, day, day since 1970).
fn dated(write: impl Fn(i64) -> String) -> String {
    let rows = PLAIN
        .lines()
        .skip(1)
        .zip(18_273..)
        .map(|(line, day)| format!("{}{}\n", write(day), &line[10..]));
    std::iter::once("date,open,high,low,close,volume\n".to_owned())
        .chain(rows)
        .collect()
}

#[test]
fn dates_of_every_kind() {
    let of_day = |day: i64| day - 18_273 + 12;
    for (write, format) in [
        (
            (&|d| format!("\"Jan {}, 2020\"", of_day(d))) as &dyn Fn(i64) -> String,
            "month name",
        ),
        (&|d| format!("{} Jan 2020", of_day(d)), "month name"),
        (&|d| format!("{}-Jan-20", of_day(d)), "month name"),
        (&|d| format!("{}. Januar 2020", of_day(d)), "month name"),
        (
            &|d| format!("\"Sunday, January {}, 2020\"", of_day(d)),
            "month name",
        ),
        (&|d| format!("2020/01/{}", of_day(d)), "year-month-day"),
        (&|d| format!("2020.1.{}", of_day(d)), "year-month-day"),
        (&|d| format!("202001{}", of_day(d)), "yyyymmdd"),
        (&|d| format!("202001{}000000", of_day(d)), "yyyymmdd"),
        (&|d| format!("202001{}T000000Z", of_day(d)), "yyyymmdd"),
        (&|d| format!("1/{}/2020", of_day(d)), "month/day/year"),
        (&|d| format!("01/{}/20", of_day(d)), "month/day/year"),
        (&|d| format!("{}/1/2020 00:00", of_day(d)), "day/month/year"),
        (&|d| format!("{}-01-2020", of_day(d)), "day/month/year"),
        (
            &|d| format!("1/{}/2020 12:00:00 AM", of_day(d)),
            "month/day/year",
        ),
        (
            &|d| format!("2020-01-{} 12-AM", of_day(d)),
            "year-month-day",
        ),
        (
            &|d| format!("2020-01-{} 00:00:00 UTC", of_day(d)),
            "year-month-day",
        ),
        (
            &|d| format!("2020-01-{}T00:00:00.000000Z", of_day(d)),
            "year-month-day",
        ),
        (
            &|d| format!("2020-01-{} 00:00:00+00:00", of_day(d)),
            "year-month-day",
        ),
        (
            &|d| format!("2020-01-{} 05:30:00+05:30", of_day(d)),
            "year-month-day",
        ),
        (
            &|d| format!("2020-01-{}T02:00:00+0200", of_day(d)),
            "year-month-day",
        ),
        (
            &|d| format!("2020-01-{} 00:00:00 +0000 UTC", of_day(d)),
            "year-month-day",
        ),
        (
            &|d| format!("Sun Jan {} 2020 01:00:00 GMT+0100 (CET)", of_day(d)),
            "month name",
        ),
        (&|d| format!("{}", d * 86_400), "unix seconds"),
        (&|d| format!("{}.0", d * 86_400), "unix seconds"),
        (&|d| format!("{}", d * 86_400_000), "unix milliseconds"),
        (&|d| format!("{}", d * 86_400_000_000), "unix microseconds"),
        (
            &|d| format!("{}", d * 86_400_000_000_000),
            "unix nanoseconds",
        ),
    ] {
        let text = dated(write);
        println!("{}", text.lines().nth(1).unwrap());
        assert_eq!(check_dialect(&text, ',', '.').dialect.time_format, format);
    }
}

/// Twelve rows whose dates could be read both ways.
fn twelve(write: impl Fn(i64) -> String) -> Reading {
    let rows: String = (1..=12)
        .map(|i| format!("{},{}\n", write(i), 100 + i))
        .collect();
    must(&format!("date,close\n{rows}"))
}

#[test]
fn the_step_decides_between_day_and_month() {
    // As month/day these would be one month apart.
    let reading = twelve(|i| format!("{i:02}/02/2024"));
    assert_eq!(
        (reading.found.first.as_str(), reading.found.last.as_str()),
        ("2024-02-01", "2024-02-12")
    );
    assert!(
        reading
            .found
            .warnings
            .iter()
            .any(|w| w.contains("day/month/year")),
        "{:?}",
        reading.found.warnings
    );
    let reading = twelve(|i| format!("02/{i:02}/2024"));
    assert_eq!(
        (reading.found.first.as_str(), reading.found.last.as_str()),
        ("2024-02-01", "2024-02-12")
    );
}

#[test]
fn a_late_row_decides_between_day_and_month() {
    // 12 days of minutes do not tell; the thirteenth does, far behind the head.
    let mut text = "time,close\n".to_owned();
    for day in 1..=13 {
        for minute in 0..1440 {
            text.push_str(&format!(
                "{day:02}/01/2024 {:02}:{:02},{}\n",
                minute / 60,
                minute % 60,
                100 + minute % 7
            ));
        }
    }
    assert!(text.len() > 256 * 1024);
    let reading = must(&text);
    assert_eq!(
        (reading.found.rows, reading.found.first.as_str()),
        (13 * 1440, "2024-01-01T00:00:00Z")
    );
    assert_eq!(
        (reading.found.last.as_str(), reading.found.gaps.len()),
        ("2024-01-13T23:59:00Z", 0)
    );
}

#[test]
fn midnights_of_a_zone_that_changes_are_dates() {
    // New York, around the change of clocks on Sunday 2024-03-10.
    let days = [
        ("04", 5),
        ("05", 5),
        ("06", 5),
        ("07", 5),
        ("08", 5),
        ("11", 4),
        ("12", 4),
        ("13", 4),
        ("14", 4),
        ("15", 4),
        ("18", 4),
    ];
    let rows: String = days
        .iter()
        .map(|(day, zone)| format!("2024-03-{day} 00:00:00-0{zone}:00,170.5\n"))
        .collect();
    let reading = must(&format!("Date,Close\n{rows}"));
    assert_eq!(
        (reading.found.first.as_str(), reading.found.last.as_str()),
        ("2024-03-04", "2024-03-18")
    );
    assert!(reading.found.gaps.is_empty());
}

#[test]
fn compressed_and_sixteen_bit() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(PLAIN.as_bytes()).unwrap();
    let gzip = gzip.finish().unwrap();
    let reading = check_bytes(&gzip, ',', '.');
    assert_eq!(reading.dialect.compression.as_deref(), Some("gzip"));
    // Two members one after the other are one file.
    let (head, tail) = PLAIN.split_at(100);
    let parts = [head, tail].map(|part| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(part.as_bytes()).unwrap();
        gzip.finish().unwrap()
    });
    check_bytes(&parts.concat(), ',', '.');

    let zstd = |text: &str| {
        ruzstd::encoding::compress_to_vec(
            text.as_bytes(),
            ruzstd::encoding::CompressionLevel::Fastest,
        )
    };
    assert_eq!(
        check_bytes(&zstd(PLAIN), ',', '.')
            .dialect
            .compression
            .as_deref(),
        Some("zstd")
    );
    check_bytes(&[zstd(head), zstd(tail)].concat(), ',', '.');

    let little: Vec<u8> = "\u{feff}"
        .encode_utf16()
        .chain(PLAIN.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    assert_eq!(check_bytes(&little, ',', '.').dialect.encoding, "utf-16le");
    let big: Vec<u8> = little
        .chunks(2)
        .flat_map(|pair| [pair[1], pair[0]])
        .collect();
    assert_eq!(check_bytes(&big, ',', '.').dialect.encoding, "utf-16be");
}

#[test]
fn dialects_of_the_same_data_have_the_same_digest() {
    let digest = must(PLAIN).digest;
    assert_eq!(
        must(&PLAIN.replace(',', ";").replace('.', ",")).digest,
        digest
    );
    let newest_first: Vec<&str> = PLAIN
        .lines()
        .take(1)
        .chain(PLAIN.lines().skip(1).collect::<Vec<_>>().into_iter().rev())
        .collect();
    assert_eq!(must(&newest_first.join("\n")).digest, digest);
    assert_ne!(must(&PLAIN.replace("8110.125", "8110.126")).digest, digest);
    assert_ne!(must(&PLAIN.replace("volume", "amount")).digest, digest);
    assert_eq!(digest.len(), 64);
}

#[test]
fn the_target_column_brings_its_own_candles() {
    let text = "date,BTC_Close,BTC_High,NASDAQ_Close,NASDAQ_High,BTC_Close_MA30
2020-01-13,8827.5,8880.75,9273,9274,1
2020-01-14,8807.25,8890,9251,9298,2
2020-01-15,8723.5,8846.5,9258,9298,3
";
    let close = |target: Option<&str>| {
        read_bytes(text.as_bytes(), |request| {
            request.target_column = target.map(str::to_owned)
        })
        .map(|reading| {
            [Role::Close, Role::High]
                .map(|role| reading.table.role(role).map(|column| column.name.clone()))
        })
    };
    assert_eq!(
        close(None).unwrap(),
        [Some("BTC_Close".to_owned()), Some("BTC_High".to_owned())]
    );
    assert_eq!(
        close(Some("NASDAQ_Close")).unwrap(),
        [
            Some("NASDAQ_Close".to_owned()),
            Some("NASDAQ_High".to_owned())
        ]
    );
    assert_eq!(
        close(Some("BTC_Close_MA30")).unwrap(),
        [Some("BTC_Close_MA30".to_owned()), None]
    );
    let error: Error = close(Some("NASDAQ_Clos")).unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean `NASDAQ_Close`?"));
}

#[test]
fn given_roles_win() {
    let reading = read_bytes(PLAIN.as_bytes(), |request| {
        request.roles = vec![(Role::Series, "volume".to_owned())]
    })
    .unwrap();
    assert!(reading.table.role(Role::Volume).is_none());
    assert_eq!(reading.table.column("volume").unwrap().role, Role::Series);
}

#[test]
fn words_beside_numbers_are_left_out_and_named() {
    let numbered: String = PLAIN
        .lines()
        .zip(["", "0", "1", "2", "3"])
        .map(|(line, i)| format!("{i},{line}\n"))
        .collect();
    let dropped = check_dialect(&numbered, ',', '.').found.dropped;
    assert_eq!(dropped[0].reason, "it only numbers the rows");
    let text = PLAIN
        .replace('\n', ",BTCUSD\n")
        .replacen(",BTCUSD", ",symbol", 1);
    let dropped = check_dialect(&text, ',', '.').found.dropped;
    assert_eq!(
        (dropped[0].column.as_str(), dropped[0].reason.as_str()),
        ("symbol", "not numbers (`BTCUSD`)")
    );
}

#[test]
fn the_unfinished_candle_is_left_out() {
    let now = senti::calendar::parse_time("2020-01-15T12:00:00Z").unwrap();
    let options = TableOptions {
        now: Some(now),
        ..TableOptions::default()
    };
    let reading = read_bytes(PLAIN.as_bytes(), |request| request.table = options).unwrap();
    assert_eq!(
        (
            reading.found.rows,
            reading.found.unfinished_dropped,
            reading.found.last.as_str()
        ),
        (3, 1, "2020-01-14")
    );
}

#[test]
fn the_sample_shows_its_gap_and_its_age() {
    let now = Some(senti::calendar::parse_time("2020-02-17").unwrap());
    let reading = read(&Request {
        table: TableOptions {
            now,
            ..TableOptions::default()
        },
        ..Request::default()
    })
    .unwrap();
    // Counted in pandas from the source file: 1865 rows, 12 days missing between these two.
    assert_eq!((reading.found.rows, reading.found.gaps.len()), (1865, 1));
    let gap = &reading.found.gaps[0];
    assert_eq!(
        (
            gap.after.as_str(),
            gap.before.as_str(),
            gap.missing,
            gap.filled
        ),
        ("2019-03-19", "2019-04-01", 12, false)
    );
    assert_eq!(reading.table.segments().len(), 2);
    assert!(
        reading
            .found
            .warnings
            .iter()
            .any(|w| w.contains("31 days ago")),
        "{:?}",
        reading.found.warnings
    );
}

#[test]
fn every_source_answers() {
    for source in SOURCES {
        let reading = (source.read)(&Request::default());
        match source.name {
            "sample" => assert!(reading.is_ok()),
            _ => assert!(
                reading.unwrap_err().hint_text().is_some(),
                "{}",
                source.name
            ),
        }
    }
    let error = read(&Request {
        source: Some("locale".to_owned()),
        ..Request::default()
    })
    .unwrap_err();
    assert_eq!(error.hint_text(), Some("did you mean `local`?"));
}

#[test]
fn what_was_found_has_its_public_names_in_json() {
    let reading = read(&Request::default()).unwrap();
    let found = serde_json::to_value(&reading.found).unwrap();
    assert_eq!(
        (
            &found["rows"],
            &found["filled"],
            &found["duplicates_dropped"]
        ),
        (&1865.into(), &0.into(), &0.into())
    );
    assert_eq!(
        (&found["first"], &found["last"], &found["step"]),
        (&"2014-11-28".into(), &"2020-01-17".into(), &"day".into())
    );
    assert_eq!(
        found["gaps"][0],
        serde_json::json!({"after": "2019-03-19", "before": "2019-04-01", "missing": 12, "filled": false})
    );
    let dialect = serde_json::to_value(&reading.dialect).unwrap();
    assert_eq!(
        dialect["columns"][3],
        serde_json::json!({"name": "close", "role": "close"})
    );
    assert_eq!(
        (&dialect["delimiter"], &dialect["compression"]),
        (&",".into(), &"gzip".into())
    );
}

#[test]
fn thousands_or_fractions() {
    let check = |text: &str, close: f64, said: &str| {
        let reading = must(text);
        assert_eq!(reading.table.close()[0], close, "{text}");
        let warnings = &reading.found.warnings;
        let is_said = warnings.iter().any(|warning| warning.contains(said));
        assert!(is_said && warnings.len() == 1, "{warnings:?}");
    };
    let comma = "date;close\n2020-01-01;10,000\n2020-01-02;9,562\n2020-01-03;9,870\n";
    check(comma, 10_000.0, "it was read as a sign of thousands: 10000");
    check(
        &comma.replace(',', "."),
        10_000.0,
        "a sign of thousands: 10000",
    );
    let point = comma.replace(',', ".").replace(';', ",");
    check(&point, 10.0, "it was read as a decimal sign: 10.000");
    // One cell of another shape decides.
    let decided = must(&comma.replace("9,870", "9,87"));
    assert_eq!(decided.table.close()[0], 10.0);
    assert!(decided.found.warnings.is_empty());
}

#[test]
fn columns_of_text_that_show_late() {
    let mut text = "date,close,a,b,c\n".to_owned();
    for day in 0..3000 {
        let date = senti::calendar::format_time(day * 86_400_000, 86_400_000);
        let words = if day == 2900 { "red,blue,1" } else { ",,2" };
        text += &format!("{date},{},{words}\n", 100 + day % 7);
    }
    let reading = must(&text);
    let dropped: Vec<&str> = reading
        .found
        .dropped
        .iter()
        .map(|dropped| dropped.column.as_str())
        .collect();
    assert_eq!(dropped.len(), 2, "{dropped:?}");
    assert!(dropped.contains(&"a") && dropped.contains(&"b"));
    assert_eq!(reading.table.column("c").unwrap().values[2900], 1.0);
}

#[test]
fn many_columns_of_one_name() {
    let row = |cell: &str| vec![cell; 20_000].join(",");
    let text = format!(
        "date,close,{}\n2024-01-01,1,{}\n2024-01-02,2,{}\n2024-01-03,3,{}\n",
        row("x"),
        row("1"),
        row("2"),
        row("4")
    );
    let reading = must(&text);
    assert_eq!(reading.table.columns().len(), 20_001);
    let said = |part: &str| {
        reading
            .found
            .warnings
            .iter()
            .any(|warning| warning.contains(part))
    };
    assert!(said("`x.5`") && said("19994 more repeated column names"));
}

#[test]
fn hours_are_no_dates() {
    let reading = must(
        "time,close\n2024-01-01T00:00:00Z,1\n2024-01-01T01:00:00Z,2\n2024-01-01T02:00:00Z,3\n",
    );
    assert!(
        reading.summary().contains("ISO 8601 times in `time`"),
        "{}",
        reading.summary()
    );
}
