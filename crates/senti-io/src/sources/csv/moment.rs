//! One cell as a moment: unix times of any unit, ISO, European, American and month-name dates, times of day, zones.
//!
//! In comes the text of a cell; out goes what it says, or why it is no time. Nothing here knows the rows around it.

const DAY: i64 = 86_400_000;

/// Why a cell is no time.
pub(in crate::sources) struct Refusal {
    pub reason: String,
    pub hint: &'static str,
}

pub(super) fn refuse<T>(reason: impl Into<String>, hint: &'static str) -> Result<T, Refusal> {
    Err(Refusal {
        reason: reason.into(),
        hint,
    })
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
    YearFirst,
    DayFirst,
    MonthFirst,
    MonthName,
    Compact,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Kind::Seconds => "unix seconds",
            Kind::Milliseconds => "unix milliseconds",
            Kind::Microseconds => "unix microseconds",
            Kind::Nanoseconds => "unix nanoseconds",
            Kind::YearFirst => "year-month-day",
            Kind::DayFirst => "day/month/year",
            Kind::MonthFirst => "month/day/year",
            Kind::MonthName => "month name",
            Kind::Compact => "yyyymmdd",
        }
    }

    pub fn is_unix(self) -> bool {
        matches!(
            self,
            Kind::Seconds | Kind::Milliseconds | Kind::Microseconds | Kind::Nanoseconds
        )
    }
}

/// One cell, read.
pub(super) struct Moment {
    /// Milliseconds on the clock of its zone.
    pub local: i64,
    /// Minutes east of UTC.
    pub zone: Option<i32>,
    pub kind: Kind,
    /// Day and month could change places.
    pub is_ambiguous: bool,
}

pub(super) fn moment(text: &str, day_first: bool) -> Result<Moment, Refusal> {
    let text = text.trim().trim_matches('"').trim();
    if let Some(moment) = iso(text.as_bytes()) {
        return Ok(moment);
    }
    if text.is_empty() {
        return refuse("blank", "every row needs a time");
    }
    if text.starts_with('#') {
        return refuse(
            "a spreadsheet's error or too narrow column; its value is lost",
            "export the file again from its source",
        );
    }
    let n_digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[n_digits..];
    if n_digits > 0
        && (rest.is_empty()
            || (rest.starts_with('.')
                && n_digits >= 5
                && rest[1..].bytes().all(|b| b.is_ascii_digit())))
    {
        return digits(&text[..n_digits], rest);
    }
    let scientific = text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'e' | b'E' | b'+'))
        && text.contains(['e', 'E']);
    if scientific {
        return refuse(
            "a number in scientific notation, whose last digits are lost",
            "a spreadsheet shortened the times; export the file again from its source",
        );
    }
    if text.len() > 80 {
        return refuse("not a time", "");
    }
    words(text, day_first)
}

/// `YYYY-MM-DD`, with `-`, `/` or `.`, perhaps a time of day and a zone: by far the most frequent form.
fn iso(text: &[u8]) -> Option<Moment> {
    let two = |at: usize| match text.get(at..at + 2)? {
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(i64::from((a - b'0') * 10 + (b - b'0'))),
        _ => None,
    };
    if text.len() < 10 || !matches!(text[4], b'-' | b'/' | b'.') || text[4] != text[7] {
        return None;
    }
    let date = days(two(0)? * 100 + two(2)?, two(5)?, two(8)?)? * DAY;
    let moment = |time, zone| {
        Some(Moment {
            local: date + time,
            zone,
            kind: Kind::YearFirst,
            is_ambiguous: false,
        })
    };
    if text.len() == 10 {
        return moment(0, None);
    }
    if !matches!(text[10], b'T' | b' ') || text.get(13) != Some(&b':') {
        return None;
    }
    let (hour, minute) = (two(11)?, two(14)?);
    let (second, rest) = if text.get(16) == Some(&b':') {
        (two(17)?, &text[19..])
    } else {
        (0, &text[16..])
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut time = ((hour * 60 + minute) * 60 + second) * 1000;
    let mut rest = rest;
    if let [b'.', fraction @ ..] = rest {
        let n_digits = fraction
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let digits = fraction[..n_digits].iter().chain(b"000").take(3);
        time += digits.fold(0, |value, digit| value * 10 + i64::from(digit - b'0'));
        rest = &fraction[n_digits..];
        if n_digits == 0 {
            return None;
        }
    }
    match rest {
        [] => moment(time, None),
        b"Z" | b"+00:00" | b"+00" | b" UTC" => moment(time, Some(0)),
        _ => None,
    }
}

/// Unix times and compact dates.
fn digits(whole: &str, fraction: &str) -> Result<Moment, Refusal> {
    let part = |range: std::ops::Range<usize>| whole[range].parse::<i64>().unwrap_or(0);
    let moment = |local, kind| {
        Ok(Moment {
            local,
            zone: None,
            kind,
            is_ambiguous: false,
        })
    };
    let is_year = || (1900..2100).contains(&part(0..4));
    if fraction.is_empty() && matches!(whole.len(), 8 | 12 | 14) && is_year() {
        let date = days(part(0..4), part(4..6), part(6..8));
        let time = if whole.len() == 8 {
            Some(0)
        } else {
            digits_of_day(&whole[8..])
        };
        if let (Some(date), Some(time)) = (date, time) {
            return moment(date * DAY + time, Kind::Compact);
        }
    }
    let Ok(value) = whole.parse::<i64>() else {
        return refuse(
            "too large for a unix time",
            "give unix seconds or milliseconds",
        );
    };
    let (per_second, kind) = match value {
        100_000_000..100_000_000_000 => (1, Kind::Seconds),
        100_000_000_000..100_000_000_000_000 => (1_000, Kind::Milliseconds),
        100_000_000_000_000..100_000_000_000_000_000 => (1_000_000, Kind::Microseconds),
        100_000_000_000_000_000.. => (1_000_000_000, Kind::Nanoseconds),
        20_000..80_000 => {
            return refuse(
                "a spreadsheet's serial number of a date",
                "format the column as a date (2020-01-14) and export again",
            );
        }
        _ => {
            return refuse(
                "too small for a unix time",
                "give unix seconds or milliseconds, or dates",
            );
        }
    };
    let local = if per_second == 1 {
        let thousandths: String = fraction
            .trim_start_matches('.')
            .chars()
            .chain("000".chars())
            .take(3)
            .collect();
        value * 1000 + thousandths.parse::<i64>().unwrap_or(0)
    } else {
        value.div_euclid(per_second / 1000)
    };
    moment(local, kind)
}

/// `hhmm` or `hhmmss` as milliseconds of the day.
pub(super) fn digits_of_day(text: &str) -> Option<i64> {
    let part = |at: usize| {
        text.get(at..at + 2)
            .map_or(Some(0), |two| two.parse::<i64>().ok())
    };
    let (hour, minute, second) = (part(0)?, part(2)?, part(4)?);
    (hour < 24 && minute < 60 && second < 60).then_some(((hour * 60 + minute) * 60 + second) * 1000)
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number { value: i64, n_digits: usize },
    Word(String),
    Mark(char),
}

pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(12);
    let mut glue = false;
    for letter in text.chars() {
        match (letter, tokens.last_mut()) {
            (c, last) if c.is_ascii_digit() => {
                let digit = i64::from(c as u8 - b'0');
                match last {
                    // Eighteen digits fit; more are no part of a date.
                    Some(Token::Number { value, n_digits }) if glue && *n_digits < 18 => {
                        *value = *value * 10 + digit;
                        *n_digits += 1;
                    }
                    _ => tokens.push(Token::Number {
                        value: digit,
                        n_digits: 1,
                    }),
                }
            }
            (c, last) if c.is_alphabetic() => match last {
                Some(Token::Word(word)) if glue => word.extend(c.to_lowercase()),
                _ => tokens.push(Token::Word(c.to_lowercase().collect())),
            },
            (c, _) if c.is_whitespace() => {}
            (c, _) => tokens.push(Token::Mark(c)),
        }
        glue = !letter.is_whitespace();
    }
    tokens
}

/// Dates of any other form.
fn words(text: &str, day_first: bool) -> Result<Moment, Refusal> {
    const HINT: &str = "write times as 2020-01-14, 2020-01-14T15:00:00Z, or unix seconds";
    let tokens = tokens(text);
    let is_time = |i: usize| {
        matches!(tokens[i], Token::Number { .. }) && tokens.get(i + 1) == Some(&Token::Mark(':'))
    };
    let is_half_day = |i: usize| {
        // 01-PM, 1 PM
        matches!(tokens[i], Token::Number { .. })
            && tokens[i + 1..]
                .iter()
                .find(|token| **token != Token::Mark('-'))
                .is_some_and(|token| matches!(token, Token::Word(w) if w == "am" || w == "pm"))
    };
    let is_compact = |i: usize| {
        let digits = |i: usize, n: &[usize]| matches!(tokens.get(i), Some(Token::Number { n_digits, .. }) if n.contains(n_digits));
        i > 0 && digits(0, &[8]) && digits(i, &[4, 6])
    };
    let at = (0..tokens.len())
        .find(|&i| is_time(i) || is_half_day(i) || is_compact(i))
        .unwrap_or(tokens.len());
    let (date, rest) = tokens.split_at(at);
    let numbers_and_names: Vec<&Token> = date
        .iter()
        .filter(|token| match token {
            Token::Mark(mark) => !matches!(mark, '-' | '/' | '.' | ',' | '(' | ')'),
            Token::Word(word) => {
                !matches!(word.as_str(), "t" | "年" | "月" | "日") && !is_weekday(word)
            }
            Token::Number { .. } => true,
        })
        .collect();
    let year = |value: i64, n_digits: usize| match n_digits {
        4 => Some(value),
        2 => Some(if value < 70 {
            2000 + value
        } else {
            1900 + value
        }),
        _ => None,
    };
    let n = |token: &Token| {
        if let Token::Number { value, n_digits } = token {
            Some((*value, *n_digits))
        } else {
            None
        }
    };
    let named = |token: &Token| {
        if let Token::Word(word) = token {
            month(word)
        } else {
            None
        }
    };
    let mut is_ambiguous = false;
    let read = match numbers_and_names[..] {
        [a] => match n(a) {
            Some((value, 8)) => days(value / 10_000, value / 100 % 100, value % 100)
                .map(|days| (days, Kind::Compact)),
            _ => None,
        },
        [a, b, c] => match (n(a), named(a), n(b), named(b), n(c)) {
            (Some((y, 4)), _, Some((m, 1..=2)), _, Some((d, 1..=2))) => {
                days(y, m, d).map(|days| (days, Kind::YearFirst))
            }
            (Some((a, 1..=2)), _, Some((b, 1..=2)), _, Some((y, y_digits))) => year(y, y_digits)
                .and_then(|y| {
                    is_ambiguous = a <= 12 && b <= 12;
                    let day_first = if is_ambiguous { day_first } else { a > 12 };
                    let (day, month) = if day_first { (a, b) } else { (b, a) };
                    days(y, month, day).map(|days| {
                        (
                            days,
                            if day_first {
                                Kind::DayFirst
                            } else {
                                Kind::MonthFirst
                            },
                        )
                    })
                }),
            (Some((d, 1..=2)), _, _, Some(m), Some((y, y_digits)))
            | (_, Some(m), Some((d, 1..=2)), _, Some((y, y_digits))) => year(y, y_digits)
                .and_then(|y| days(y, m, d))
                .map(|days| (days, Kind::MonthName)),
            (Some((y, 4)), _, _, Some(m), Some((d, 1..=2))) => {
                days(y, m, d).map(|days| (days, Kind::MonthName))
            }
            _ => None,
        },
        [a, b]
            if named(a).is_some() || named(b).is_some() || (n(a).is_some() && n(b).is_some()) =>
        {
            return refuse(
                "a date without its day or year",
                "a spreadsheet may have changed it; export the file again, or give full dates",
            );
        }
        _ => None,
    };
    let Some((days, kind)) = read else {
        return refuse("not a time", HINT);
    };
    let (time, zone) = if rest.is_empty() {
        (0, None)
    } else if let Some(found) = clock_time(rest) {
        found
    } else {
        return refuse(
            "not a time",
            "give zones as Z, UTC or +02:00, and write times as 2020-01-14T15:00:00Z",
        );
    };
    Ok(Moment {
        local: days * DAY + time,
        zone,
        kind,
        is_ambiguous,
    })
}

/// `15:00`, `15:00:00.123`, `3:00 PM`, `03-PM`, `150000`, and a zone behind it.
pub(super) fn clock_time(tokens: &[Token]) -> Option<(i64, Option<i32>)> {
    let mut tokens = tokens.iter().peekable();
    let Some(Token::Number {
        value: mut hour,
        n_digits,
    }) = tokens.next().cloned()
    else {
        return None;
    };
    let (mut minute, mut second, mut thousandths) = (0, 0, 0);
    if n_digits > 2 {
        let time = digits_of_day(&format!("{hour:0n_digits$}"))?;
        (hour, minute, second) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    } else if tokens
        .next_if(|token| **token == Token::Mark(':'))
        .is_some()
    {
        let Some(Token::Number { value, .. }) = tokens.next() else {
            return None;
        };
        minute = *value;
        if tokens
            .next_if(|token| **token == Token::Mark(':'))
            .is_some()
        {
            let Some(Token::Number { value, .. }) = tokens.next() else {
                return None;
            };
            second = *value;
            if tokens
                .next_if(|token| matches!(token, Token::Mark('.' | ',')))
                .is_some()
            {
                let Some(Token::Number { value, n_digits }) = tokens.next() else {
                    return None;
                };
                thousandths = (*value as f64 / 10_f64.powi(*n_digits as i32) * 1000.0) as i64;
            }
        }
    }
    let is_half =
        |token: &Token| matches!(token, Token::Word(word) if word == "am" || word == "pm");
    if tokens.peek() == Some(&&Token::Mark('-')) && tokens.clone().nth(1).is_some_and(is_half) {
        tokens.next();
    }
    if let Some(Token::Word(half)) = tokens.next_if(|token| is_half(token)) {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if half == "pm" { 12 } else { 0 };
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let is_zero = tokens.next_if(|token| matches!(token, Token::Word(word) if matches!(word.as_str(), "z" | "utc" | "gmt"))).is_some();
    let mut zone = is_zero.then_some(0);
    if let Some(Token::Mark(sign)) =
        tokens.next_if(|token| matches!(token, Token::Mark('+' | '-' | '−')))
    {
        let Some(Token::Number { value, n_digits }) = tokens.next() else {
            return None;
        };
        let minutes = match n_digits {
            1 | 2
                if tokens
                    .next_if(|token| **token == Token::Mark(':'))
                    .is_some() =>
            {
                match tokens.next() {
                    Some(Token::Number {
                        value: minutes,
                        n_digits: 2,
                    }) => value * 60 + minutes,
                    _ => return None,
                }
            }
            1 | 2 => value * 60,
            4 => value / 100 * 60 + value % 100,
            _ => return None,
        };
        if minutes > 18 * 60 {
            return None;
        }
        zone = Some(if *sign == '+' {
            minutes as i32
        } else {
            -minutes as i32
        });
    }
    tokens.next_if(|token| zone.is_some() && matches!(token, Token::Word(word) if word == "utc"));
    // JavaScript names the zone once more: GMT+0100 (Central European Standard Time).
    let is_named = tokens.peek() == Some(&&Token::Mark('(')) && zone.is_some();
    (tokens.peek().is_none() || is_named).then_some((
        ((hour * 60 + minute) * 60 + second) * 1000 + thousandths,
        zone,
    ))
}

fn is_weekday(word: &str) -> bool {
    let full = [
        "monday",
        "tuesday",
        "wednesday",
        "thursday",
        "friday",
        "saturday",
        "sunday",
    ];
    word.len() >= 3
        && (full.iter().any(|day| day.starts_with(word))
            || matches!(word, "tues" | "thur" | "thurs"))
}

/// The month with this name, in English, German, French, Spanish or Italian, short or long.
pub(super) fn month(word: &str) -> Option<i64> {
    const NAMES: [&[&str]; 12] = [
        &["january", "januar", "janvier", "enero", "gennaio", "jänner"],
        &[
            "february", "februar", "février", "fevrier", "febrero", "febbraio",
        ],
        &["march", "märz", "mrz", "mars", "marzo"],
        &["april", "avril", "abril", "aprile"],
        &["may", "mai", "mayo", "maggio", "mag"],
        &["june", "juni", "juin", "junio", "giugno"],
        &["july", "juli", "juillet", "julio", "luglio"],
        &["august", "août", "aout", "agosto"],
        &["september", "septembre", "septiembre", "settembre", "sept"],
        &["october", "oktober", "octobre", "octubre", "ottobre"],
        &["november", "novembre", "noviembre"],
        &[
            "december",
            "dezember",
            "décembre",
            "decembre",
            "diciembre",
            "dicembre",
        ],
    ];
    if word.chars().count() < 3 {
        return None;
    }
    // `jui` and `mar` begin two months in one language or another; the English or shorter one stands first.
    NAMES
        .iter()
        .position(|names| names.iter().any(|name| name.starts_with(word)))
        .map(|i| i as i64 + 1)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; `None` where it is no date.
pub(super) fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let n_days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap),
        _ => return None,
    };
    if !(1..=9999).contains(&year) || !(1..=n_days).contains(&day) {
        return None;
    }
    // Years begin in March, so that the leap day is the last one.
    let y = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(y * 365 + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + day_of_year - 719_468)
}

/// The date of a day, as year, month and day.
pub(super) fn civil(days: i64) -> (i64, u8, u8) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (
        year_of_era + era * 400 + i64::from(month <= 2),
        month as u8,
        day as u8,
    )
}
