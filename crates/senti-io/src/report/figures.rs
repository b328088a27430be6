//! Numbers and dates as text, quickly: a long test part has millions of lines.

use senti::table::Time;

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Digits of a forecast price: more than it deserves, fewer than a file of a gigabyte needs.
const DIGITS: i32 = 9;

/// Appends a number with nine significant digits, trailing zeros left out. Rounding never turns a rising pair into a falling one.
pub fn number(out: &mut Vec<u8>, value: f64) {
    let size = value.abs();
    if !(1e-9..1e15).contains(&size) {
        // Zero, the absurd and the not finite: rare, so the standard way.
        out.extend(value.to_string().as_bytes());
        return;
    }
    // Digits before the point, from the binary exponent (1233 / 4096 is the logarithm of 2): right or one too few.
    let exponent = (size.to_bits() >> 52) as i32 - 1023;
    let mut whole = ((exponent * 1233) >> 12) + 1;
    let limit = 10u64.pow(DIGITS as u32);
    let mut scaled = scale(size, DIGITS - whole);
    if scaled >= limit {
        whole += 1;
        scaled = scale(size, DIGITS - whole);
    }
    if value < 0.0 {
        out.push(b'-');
    }
    let mut digits = [b'0'; DIGITS as usize];
    let mut rest = scaled;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let used = digits
        .iter()
        .rposition(|digit| *digit != b'0')
        .map_or(1, |last| last + 1);
    if whole <= 0 {
        out.extend(b"0.");
        out.extend(std::iter::repeat_n(b'0', (-whole) as usize));
        out.extend(&digits[..used]);
        return;
    }
    let whole = whole as usize;
    let shown = whole.min(digits.len());
    out.extend(&digits[..shown]);
    out.extend(std::iter::repeat_n(b'0', whole - shown));
    if used > shown {
        out.push(b'.');
        out.extend(&digits[shown..used]);
    }
}

/// `value * 10^power`, rounded. Powers up to 22 are exact, so that the result rises with the value.
fn scale(value: f64, power: i32) -> u64 {
    const POWERS: [f64; 23] = [
        1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
        1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
    ];
    let size = POWERS[power.unsigned_abs() as usize];
    let scaled = if power >= 0 {
        value * size
    } else {
        value / size
    };
    // Positive, so this is `round`, which is a call on older machines.
    (scaled + 0.5) as u64
}

/// How the times of a series are written: dates where its candles are whole days, else instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dates {
    Day,
    Instant,
}

impl Dates {
    pub(crate) fn of(step: i64, origin: Time) -> Self {
        if step % DAY == 0 && origin % DAY == 0 {
            Self::Day
        } else {
            Self::Instant
        }
    }

    /// Appends `2024-02-29` or `2024-02-29T13:00:00Z`.
    pub(crate) fn push(self, out: &mut Vec<u8>, time: Time) {
        let (year, month, day) = civil(time.div_euclid(DAY));
        if (0..=9999).contains(&year) {
            pad(out, year as u64, 4);
        } else {
            out.extend(year.to_string().as_bytes());
        }
        out.push(b'-');
        pad(out, month, 2);
        out.push(b'-');
        pad(out, day, 2);
        if self == Self::Day {
            return;
        }
        let rest = time.rem_euclid(DAY) as u64;
        for (mark, value) in [
            (b'T', rest / 3_600_000),
            (b':', rest / 60_000 % 60),
            (b':', rest / 1000 % 60),
        ] {
            out.push(mark);
            pad(out, value, 2);
        }
        if !rest.is_multiple_of(1000) {
            out.push(b'.');
            pad(out, rest % 1000, 3);
        }
        out.push(b'Z');
    }

    pub(crate) fn text(self, time: Time) -> String {
        let mut out = Vec::new();
        self.push(&mut out, time);
        String::from_utf8(out).expect("dates are ASCII")
    }
}

/// The date of a candle, as the output files write it: `2024-02-29` for daily steps, RFC 3339 in UTC below.
pub fn date(time: Time, step: i64) -> String {
    Dates::of(step, time).text(time)
}

fn pad(out: &mut Vec<u8>, value: u64, width: u32) {
    for place in (0..width).rev() {
        out.push(b'0' + (value / 10u64.pow(place) % 10) as u8);
    }
}

/// Day number since 1970-01-01 to year, month, day (proleptic Gregorian): "days from civil" by Howard Hinnant, read backwards.
fn civil(day: i64) -> (i64, u64, u64) {
    // Years begin in March, so that the leap day is the last; eras of 400 years have 146 097 days.
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month as u64, date as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: f64) -> String {
        let mut out = Vec::new();
        number(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    /// Expected by hand.
    #[test]
    fn nine_digits() {
        for (value, wanted) in [
            (67_123.456_789_4, "67123.4568"),
            (100.0, "100"),
            (0.1, "0.1"),
            (9.999_999_999_9, "10"),
            (999_999_999.7, "1000000000"),
            (123_456_789_012.0, "123456789000"),
            (0.000_001_234_567_891_2, "0.00000123456789"),
            (0.099_999_999_99, "0.1"),
            (-2.5, "-2.5"),
            (0.0, "0"),
            (1e-9, "0.000000001"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(text(value), wanted);
        }
    }

    /// The standard library's scientific format is the other implementation: both within half a unit of the ninth digit.
    #[test]
    fn agrees_with_the_standard_library_and_keeps_order() {
        let mut value = 1.000_000_000_1e-9;
        let mut before = 0.0;
        while value < 9e14 {
            let ours: f64 = text(value).parse().unwrap();
            let theirs: f64 = format!("{value:.8e}").parse().unwrap();
            assert!(
                (ours / theirs - 1.0).abs() < 1.01e-8,
                "{value}: {ours} {theirs}"
            );
            assert!(
                (ours / value - 1.0).abs() <= 0.5e-8 * (1.0 + 1e-6),
                "{value}"
            );
            assert!(ours >= before, "{value}");
            before = ours;
            value *= 1.000_913_7;
        }
    }

    /// jiff is the other implementation.
    #[test]
    fn dates_agree_with_jiff() {
        let mut time = -62_135_596_800_000i64;
        while time < 253_402_300_799_000 {
            let wanted = jiff::Timestamp::from_millisecond(time).unwrap().to_string();
            assert_eq!(Dates::Instant.text(time), wanted);
            assert_eq!(Dates::Day.text(time), wanted[..10]);
            time += 86_400_000 * 97 + 3_723_000;
        }
        assert_eq!(date(1_709_164_800_000, DAY), "2024-02-29");
        assert_eq!(date(1_709_164_800_000, 3_600_000), "2024-02-29T00:00:00Z");
        assert_eq!(
            date(1_709_164_800_000 + 60_000, DAY),
            "2024-02-29T00:01:00Z"
        );
    }
}
