//! Properties: no bytes make the reader panic, and whatever a dialect writes is read back exactly.

use proptest::prelude::*;

use super::sources::{must, read_bytes, read_text};

/// How a file is written.
#[derive(Clone, Debug)]
struct Dialect {
    delimiter: char,
    decimal_comma: bool,
    thousands: bool,
    quoted: bool,
    newest_first: bool,
    crlf: bool,
    date: u8,
}

fn dialects() -> impl Strategy<Value = Dialect> {
    let delimiter = prop::sample::select(vec![',', ';', '\t', '|']);
    (
        delimiter,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        0_u8..6,
    )
        .prop_map(
            |(delimiter, decimal_comma, thousands, quoted, newest_first, crlf, date)| Dialect {
                delimiter,
                decimal_comma,
                thousands,
                quoted,
                newest_first,
                crlf,
                date,
            },
        )
}

impl Dialect {
    /// Hundredths as a number with two decimals.
    fn number(&self, hundredths: u64) -> String {
        let (point, mark) = if self.decimal_comma {
            (',', '.')
        } else {
            ('.', ',')
        };
        let whole = (hundredths / 100).to_string();
        let mut text = String::new();
        for (i, digit) in whole.chars().enumerate() {
            if self.thousands && i > 0 && (whole.len() - i).is_multiple_of(3) {
                text.push(mark);
            }
            text.push(digit);
        }
        format!("{text}{point}{:02}", hundredths % 100)
    }

    fn date(&self, day: i64) -> String {
        let iso = senti::calendar::format_time(day * 86_400_000, 86_400_000);
        let (y, m, d) = (&iso[..4], &iso[5..7], &iso[8..]);
        match self.date {
            0 => iso,
            1 => format!("{m}/{d}/{y}"),
            2 => format!("{d}.{m}.{y}"),
            3 => format!("{}", day * 86_400),
            4 => format!("{}", day * 86_400_000),
            _ => format!("{iso}T00:00:00Z"),
        }
    }

    fn write(&self, first_day: i64, rows: &[[u64; 5]]) -> String {
        let cell = |text: String| {
            if self.quoted || text.contains(self.delimiter) {
                format!("\"{text}\"")
            } else {
                text
            }
        };
        let mut lines: Vec<String> = rows
            .iter()
            .zip(first_day..)
            .map(|(row, day)| {
                let cells = std::iter::once(cell(self.date(day)))
                    .chain(row.iter().map(|value| cell(self.number(*value))));
                cells.collect::<Vec<_>>().join(&self.delimiter.to_string())
            })
            .collect();
        if self.newest_first {
            lines.reverse();
        }
        let header = ["date", "open", "high", "low", "close", "volume"]
            .map(|name| cell(name.to_owned()))
            .join(&self.delimiter.to_string());
        lines.insert(0, header);
        lines.join(if self.crlf { "\r\n" } else { "\n" })
    }
}

/// Candles in hundredths: a walk, with its low below and its high above.
fn candles() -> impl Strategy<Value = Vec<[u64; 5]>> {
    prop::collection::vec(
        (0_u64..2000, 0_u64..500, 0_u64..500, 0_u64..100_000_000),
        14..60,
    )
    .prop_map(|steps| {
        let mut close = 800_000_u64;
        steps
            .into_iter()
            .map(|(step, up, down, volume)| {
                let open = close;
                close = close + step - 1000;
                [
                    open,
                    open.max(close) + up,
                    open.min(close) - down,
                    close,
                    volume,
                ]
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read(dialect in dialects(), rows in candles(), first_day in 11_000_i64..20_000) {
        let text = dialect.write(first_day, &rows);
        let reading = must(&text);
        prop_assert_eq!(reading.table.time()[0], first_day * 86_400_000, "{}", text);
        prop_assert_eq!(reading.table.n_rows(), rows.len());
        for (i, column) in reading.table.columns().iter().enumerate() {
            // Hundredths over a hundred is the float nearest to the decimal, as parsing it is.
            let wanted: Vec<f64> = rows.iter().map(|row| row[i] as f64 / 100.0).collect();
            prop_assert_eq!(&column.values, &wanted, "{}", text);
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = read_bytes(&bytes, |_| {});
    }

    #[test]
    fn no_text_of_a_table_panics(text in "(date|time|close|open|2024-01-0[1-9]|[0-9.,eE+-]{1,12}|nan|#REF!|\"|\"\"|é|K|%|Jan 1[0-9], 20|[,;\t|\n\r ]){0,120}") {
        let _ = read_text(&text);
    }

    #[test]
    fn no_damaged_table_panics(dialect in dialects(), rows in candles(), at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = dialect.write(18_000, &rows).into_bytes();
        let i = at.index(bytes.len());
        bytes[i] = with;
        let _ = read_bytes(&bytes, |_| {});
        let _ = read_bytes(&bytes[..cut.index(bytes.len())], |_| {});
    }

    #[test]
    fn no_damaged_compression_panics(gzip in any::<bool>(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let magic: &[u8] = if gzip { &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0] } else { &[0x28, 0xb5, 0x2f, 0xfd] };
        let _ = read_bytes(&[magic, &bytes].concat(), |_| {});
    }
}
