//! A cell as a number: decimal points and commas, thousands, K/M/B, percent, currencies.
//!
//! In comes the text of one cell and the decimal sign of its file; out goes a number, a blank, or why it is neither.

/// What a cell is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::sources) enum Cell {
    Blank,
    Number(f64),
    Bad(&'static str),
}

/// Words for "no value".
const BLANKS: &[&str] = &[
    "", "-", "--", "---", "–", "—", ".", "?", "na", "n/a", "#n/a", "nan", "-nan", "null", "none",
    "nil", "nat", "<na>", "missing", "\\n",
];

/// Signs and words of money, before or behind a number.
const MONEY: &[&str] = &[
    "us$", "usdt", "usdc", "usd", "eur", "gbp", "jpy", "chf", "btc", "xbt", "$", "€", "£", "¥",
    "₿", "₹", "₩",
];

const DAMAGED: &str = "a spreadsheet's error or too narrow column; its value is lost";

/// Reads a number.
pub(in crate::sources) fn number(text: &str, decimal: u8) -> Cell {
    // Nearly every cell of nearly every file: digits, perhaps one point.
    let plain =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E');
    if decimal == b'.'
        && !text.is_empty()
        && text.bytes().all(|byte| plain(&byte))
        && let Ok(value) = text.parse::<f64>()
    {
        return if value.is_finite() {
            Cell::Number(value)
        } else {
            Cell::Bad("too large a number")
        };
    }
    decorated(text.trim(), decimal)
}

fn decorated(text: &str, decimal: u8) -> Cell {
    if text.len() > 100 {
        return Cell::Bad("not a number");
    }
    let lower = text.to_lowercase();
    if BLANKS.contains(&lower.as_str()) {
        return Cell::Blank;
    }
    if lower.starts_with('#') {
        return Cell::Bad(DAMAGED);
    }
    if matches!(
        lower.trim_start_matches(['+', '-']),
        "inf" | "infinity" | "∞"
    ) {
        return Cell::Bad("not a finite number");
    }
    let mut rest = lower.as_str();
    let mut sign = 1.0;
    loop {
        rest = rest.trim();
        if let Some(after) = rest.strip_prefix(['-', '−', '\u{2013}']) {
            if sign < 0.0 {
                return Cell::Bad("not a number");
            }
            sign = -1.0;
            rest = after;
        } else if let Some(after) = rest
            .strip_prefix('+')
            .or_else(|| MONEY.iter().find_map(|money| rest.strip_prefix(money)))
        {
            rest = after;
        } else if let Some(before) = rest
            .strip_suffix('%')
            .or_else(|| MONEY.iter().find_map(|money| rest.strip_suffix(money)))
        {
            rest = before;
        } else {
            break;
        }
    }
    let units = [
        ("bn", 1e9),
        ("mrd", 1e9),
        ("mio", 1e6),
        ("mn", 1e6),
        ("tn", 1e12),
        ("k", 1e3),
        ("m", 1e6),
        ("b", 1e9),
        ("t", 1e12),
    ];
    let mut unit = 1.0;
    if let Some((before, factor)) = units
        .iter()
        .find_map(|(name, factor)| rest.strip_suffix(name).map(|before| (before, factor)))
    {
        unit = *factor;
        rest = before.trim_end();
    }
    let Some(clean) = ungrouped(rest, decimal) else {
        let has_month = lower
            .split(|c: char| !c.is_alphabetic())
            .any(|word| super::moment::month(word).is_some());
        return Cell::Bad(match () {
            () if has_month && lower.len() <= 12 => {
                "a date where a number should be; a spreadsheet may have changed it"
            }
            () if decimal == b',' => "not a number with decimal comma",
            () => "not a number",
        });
    };
    match clean.parse::<f64>() {
        Ok(value) if (value * unit).is_finite() => Cell::Number(sign * scaled(value, unit, &clean)),
        _ => Cell::Bad("not a number"),
    }
}

/// `1.38M` is the number nearest to 1380000, not 1.38 times a million.
fn scaled(value: f64, unit: f64, clean: &str) -> f64 {
    if unit == 1.0 || clean.contains('e') {
        return value * unit;
    }
    format!("{clean}e{}", unit.log10().round())
        .parse()
        .unwrap_or(value * unit)
}

fn is_thousands(letter: char, decimal: u8) -> bool {
    match letter {
        '.' => decimal == b',',
        ',' => decimal == b'.',
        '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}' => true,
        _ => false,
    }
}

/// The number without its thousands signs and with a decimal point; `None` where they are not in groups.
fn ungrouped(text: &str, decimal: u8) -> Option<String> {
    let (mantissa, exponent) = match text.find('e') {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.rfind(decimal as char) {
        Some(at) => (&mantissa[..at], Some(&mantissa[at + 1..])),
        None => (mantissa, None),
    };
    let mut clean = String::with_capacity(text.len());
    let mut separator = None;
    let mut group = 0;
    for letter in whole.chars() {
        if letter.is_ascii_digit() {
            clean.push(letter);
            group += 1;
        } else if is_thousands(letter, decimal) && *separator.get_or_insert(letter) == letter {
            // Groups of two are Indian (12,34,567); the last always has three.
            let is_first = clean.len() == group;
            if group == 0 || group > 3 || (!is_first && group == 1) {
                return None;
            }
            group = 0;
        } else {
            return None;
        }
    }
    if separator.is_some() && group != 3 {
        return None;
    }
    if let Some(fraction) = fraction {
        if !fraction.bytes().all(|byte| byte.is_ascii_digit())
            || (clean.is_empty() && fraction.is_empty())
        {
            return None;
        }
        clean.push('.');
        clean.push_str(fraction);
    }
    if let Some(exponent) = exponent {
        if exponent.is_empty()
            || !exponent
                .trim_start_matches(['+', '-'])
                .bytes()
                .all(|byte| byte.is_ascii_digit())
        {
            return None;
        }
        clean.push('e');
        clean.push_str(exponent);
    }
    clean
        .starts_with(|letter: char| letter.is_ascii_digit() || letter == '.')
        .then_some(clean)
}

/// Whether a number was shortened as spreadsheets do it: `4.2E+04`, `1.23E+05`. Programs write `e`, or every digit.
pub(super) fn is_rounded(text: &str) -> bool {
    let Some((digits, exponent)) = text.split_once('E') else {
        return false;
    };
    exponent.starts_with('+') && digits.len() <= 4
}

/// What a cell says about the decimal sign of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hint {
    Point,
    Comma,
    /// One comma before three digits: thousands or a fraction.
    EitherComma,
    /// One point before three digits.
    EitherPoint,
    Nothing,
}

/// Looks for the decimal sign of one cell.
pub(super) fn hint(text: &str) -> Hint {
    if !text.contains(|c: char| c.is_ascii_digit()) {
        return Hint::Nothing;
    }
    let digits_behind = |at: usize| {
        text[at + 1..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count()
    };
    let leading_zero = |at: usize| text[..at].trim_start_matches(['-', '+', '$', '€', ' ']) == "0";
    match (
        text.rfind('.'),
        text.rfind(','),
        text.matches('.').count(),
        text.matches(',').count(),
    ) {
        (Some(point), Some(comma), ..) if point > comma => Hint::Point,
        (Some(_), Some(_), ..) => Hint::Comma,
        (Some(_), None, n, _) if n > 1 => Hint::Comma,
        (None, Some(_), _, n) if n > 1 => Hint::Point,
        (Some(at), None, ..) if digits_behind(at) != 3 || leading_zero(at) => Hint::Point,
        (Some(_), None, ..) => Hint::EitherPoint,
        (None, Some(at), ..) if digits_behind(at) != 3 || leading_zero(at) => Hint::Comma,
        (None, Some(_), ..) => Hint::EitherComma,
        (None, None, ..) => Hint::Nothing,
    }
}
