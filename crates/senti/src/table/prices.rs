//! What prices must be: positive, inside their candle, and within reach of their neighbours.
//!
//! In come the columns in rising order of time; out goes an error that names the place, the column, the value and the reason, or
//! warnings. Nothing is changed here.

use super::{Column, Role, Time};
use crate::calendar::Calendar;
use crate::error::{Error, Result};

/// Open and close may leave the range of their candle by this share before they are refused: exchanges round, and so do publishers.
const ROUNDING: f64 = 1e-3;
/// A close this many times away from both neighbours is a slip (a lost decimal point is 10 times; no flash crash closes at a fifth).
const SPIKE: f64 = 5.0;
/// A single open, high or low this many times away from its own close and the one before. Real flash crashes have reached 8.
const WICK: f64 = 9.5;
/// A lasting move of this factor in one step: other units, or a split.
const JUMP: f64 = 20.0;
/// A run of up to this many rows that jumps away by [`SPIKE`] and back is a slip as well.
const RUN: usize = 10;
/// No unit of money makes prices smaller or larger than these.
const PRICES: std::ops::RangeInclusive<f64> = 1e-12..=1e15;
/// Rows further apart than this many steps may differ by anything.
const NEAR: i64 = 31;

/// Refuses impossible prices and volumes; returns warnings about odd ones.
pub(super) fn check(
    time: &[Time],
    columns: &[Column],
    calendar: &Calendar,
    place: impl Fn(usize) -> String,
) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    signs(columns, &place)?;
    warnings.extend(ranges(columns, &place)?);
    warnings.extend(jumps(time, columns, calendar, &place)?);
    Ok(warnings)
}

fn find(columns: &[Column], role: Role) -> Option<&Column> {
    columns.iter().find(|column| column.role == role)
}

/// Prices are above zero, volumes not below, and nothing is infinite.
pub(super) fn signs(columns: &[Column], place: &impl Fn(usize) -> String) -> Result<()> {
    for column in columns {
        let bad = |value: &f64| match column.role {
            role if role.is_price() => *value <= 0.0 || value.is_infinite(),
            Role::Volume => *value < 0.0 || value.is_infinite(),
            _ => value.is_infinite(),
        };
        let Some(row) = column.values.iter().position(bad) else {
            continue;
        };
        let value = column.values[row];
        let wanted = match column.role {
            _ if value.is_infinite() => "a finite number",
            Role::Volume => "a volume of zero or more",
            _ => "a price above zero",
        };
        return Err(Error::data(format!(
            "{}, column `{}`: {} is not {wanted}",
            place(row),
            column.name,
            plain(value)
        ))
        .hint("correct or delete the row; a price that is not known is written as an empty cell"));
    }
    for column in columns.iter().filter(|column| column.role.is_price()) {
        let absurd = |value: &f64| !value.is_nan() && !PRICES.contains(value);
        if let Some(row) = column.values.iter().position(absurd) {
            return Err(Error::data(format!(
                "{}, column `{}`: {} is absurd as a price; it must lie between {:e} and {:e}",
                place(row),
                column.name,
                plain(column.values[row]),
                PRICES.start(),
                PRICES.end()
            ))
            .hint("correct the row; if every row is like it, check the column and its unit"));
        }
    }
    Ok(())
}

/// A number for a sentence: not hundreds of digits.
pub(super) fn plain(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-9..1e15).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

/// `3.1415`, or in scientific form.
fn times(ratio: f64) -> String {
    if (1e-3..1e9).contains(&ratio) {
        format!("{ratio:.4}")
    } else {
        format!("{ratio:.3e}")
    }
}

/// `low <= open, close <= high`, within rounding.
fn ranges(columns: &[Column], place: &impl Fn(usize) -> String) -> Result<Option<String>> {
    let (high, low) = (find(columns, Role::High), find(columns, Role::Low));
    if let (Some(high), Some(low)) = (high, low)
        && let Some(row) = (0..high.values.len()).find(|&row| high.values[row] < low.values[row])
    {
        return Err(Error::data(format!(
            "{}: `{}` is {}, below `{}`, which is {}",
            place(row),
            high.name,
            plain(high.values[row]),
            low.name,
            plain(low.values[row])
        ))
        .hint("the columns may be swapped, or the row damaged"));
    }
    let mut n_outside = 0;
    for inner in columns
        .iter()
        .filter(|column| matches!(column.role, Role::Open | Role::Close))
    {
        for (bound, sign) in [(high, 1.0), (low, -1.0)] {
            let Some(bound) = bound else { continue };
            for (row, (value, limit)) in inner.values.iter().zip(&bound.values).enumerate() {
                let outside = sign * (value - limit) / limit;
                if outside > ROUNDING {
                    let side = if sign > 0.0 { "above" } else { "below" };
                    return Err(Error::data(format!(
                        "{}: `{}` is {}, {side} `{}`, which is {}",
                        place(row),
                        inner.name,
                        plain(*value),
                        bound.name,
                        plain(*limit)
                    ))
                    .hint(
                        "the columns may be swapped or adjusted differently, or the row damaged",
                    ));
                }
                n_outside += usize::from(outside > 1e-9);
            }
        }
    }
    Ok(match n_outside {
        0 => None,
        1 => Some(
            "1 opening or closing price lies outside [low, high] by less than 0.1 % (rounding)"
                .to_owned(),
        ),
        n => Some(format!(
            "{n} opening or closing prices lie outside [low, high] by less than 0.1 % (rounding)"
        )),
    })
}

/// Slips and changes of unit.
fn jumps(
    time: &[Time],
    columns: &[Column],
    calendar: &Calendar,
    place: &impl Fn(usize) -> String,
) -> Result<Vec<String>> {
    let Some(column) = find(columns, Role::Close) else {
        return Ok(Vec::new());
    };
    let close = &column.values;
    let n = close.len();
    let ratio = |a: f64, b: f64| if a > b { a / b } else { b / a };
    let near = |row: usize| time[row] - time[row - 1] <= NEAR * calendar.step();
    let mut warnings = Vec::new();
    for row in 0..n {
        let before = (row > 0 && near(row)).then(|| close[row - 1]);
        let after = (row + 1 < n && near(row + 1)).then(|| close[row + 1]);
        let value = close[row];
        let slip = match (before, after) {
            (Some(a), Some(b)) => {
                ratio(value, a) > SPIKE && ratio(value, b) > SPIKE && (value > a) == (value > b)
            }
            // At either end one neighbour must do, and it must be clearer.
            (Some(a), None) | (None, Some(a)) => n > 2 && ratio(value, a) > WICK,
            (None, None) => false,
        };
        if slip {
            let neighbour = before.or(after).unwrap_or(value);
            return Err(Error::data(format!(
                "{}, column `{}`: {} is {} times its neighbour {}",
                place(row),
                column.name,
                plain(value),
                times(value / neighbour),
                plain(neighbour)
            ))
            .hint("a decimal point or a digit may be missing, or a spreadsheet changed the number; correct or delete the row"));
        }
        let Some(before) = before else { continue };
        if ratio(value, before) > SPIKE
            && let Some(back) = (row + 1..n.min(row + 1 + RUN))
                .take_while(|&back| near(back))
                .find(|&back| ratio(close[back], close[back - 1]) > SPIKE)
            && (close[back] > close[back - 1]) != (value > before)
            && ratio(close[back], before) < SPIKE
        {
            return Err(Error::data(format!(
                "{} to {}, column `{}`: {} and the rows up to there are about {} times what is before and behind them ({}, {})",
                place(row),
                place(back - 1),
                column.name,
                plain(value),
                times(value / before),
                plain(before),
                plain(close[back])
            ))
            .hint("a decimal point or a digit may be missing, or the rows are in another unit; correct or delete them"));
        }
        if ratio(value, before) > JUMP {
            return Err(Error::data(format!(
                "{}, column `{}`: the price moves from {} to {} in one step and stays there",
                place(row),
                column.name,
                plain(before),
                plain(value)
            ))
            .hint("the file may mix units (dollars and cents, thousands) or assets, or hold a split; bring all rows to one unit"));
        }
        if ratio(value, before) > SPIKE {
            warnings.push(format!(
                "{}: `{}` moves from {} to {} in one step",
                place(row),
                column.name,
                plain(before),
                plain(value)
            ));
        }
    }
    for other in columns
        .iter()
        .filter(|other| matches!(other.role, Role::Open | Role::High | Role::Low))
    {
        let far = |row: &usize| {
            let (value, own) = (other.values[*row], close[*row]);
            ratio(value, own) > WICK && ratio(value, close[row.saturating_sub(1)]) > WICK
        };
        if let Some(row) = (0..n).find(far) {
            return Err(Error::data(format!(
                "{}, column `{}`: {} is {} times the close of {}",
                place(row),
                other.name,
                plain(other.values[row]),
                times(other.values[row] / close[row]),
                plain(close[row])
            ))
            .hint("a decimal point or a digit may be missing, or a spreadsheet changed the number; correct or delete the row"));
        }
    }
    Ok(warnings)
}
