//! A walk of one rival through a table: it is shown each candle once, and asked at the origins.

use super::{Candle, Outlook, RivalRow, Setting};
use crate::backtest::Track;
use crate::forecast::Predictions;
use crate::table::{Role, Table, Time};
use crate::{Error, Result};

/// Shows the candles of a table to a fresh rival, one after the other, and takes its forecast at each origin: prices, `close ·
/// exp(quantile)`. Candles behind the last origin are never read.
///
/// `origins` are rising rows of the table, `levels` rising quantile levels. The times ahead are the calendar's.
///
/// # Errors
/// Where the rival needs open, high and low and the table lacks them, or where it has seen too few candles at an origin.
pub fn walk(
    table: &Table,
    row: &RivalRow,
    setting: &Setting,
    levels: &[f64],
    origins: &[usize],
) -> Result<Track> {
    let (horizon, width) = (setting.horizon, levels.len());
    let mut predictions = Predictions::new(origins.len(), horizon, width);
    let track = |predictions| Track {
        model: row.name.to_owned(),
        predictions,
    };
    let Some(&last) = origins.last() else {
        return Ok(track(predictions));
    };
    if !origins.is_sorted_by(|a, b| a < b) || last >= table.n_rows() {
        return Err(Error::internal(format!(
            "origins do not rise below row {}",
            table.n_rows()
        )));
    }
    let prices = |role: Role| table.role(role).map(|column| column.values.as_slice());
    let range = [Role::Open, Role::High, Role::Low].map(prices);
    if row.needs_range {
        for (values, name) in range.iter().zip(["open", "high", "low"]) {
            let missing = match values {
                None => Some("the table has no such column".to_owned()),
                Some(values) => values[..=last]
                    .iter()
                    .position(|value| !value.is_finite())
                    .map(|row| {
                        format!(
                            "it is blank at {}",
                            table.calendar().format(table.time()[row])
                        )
                    }),
            };
            if let Some(missing) = missing {
                return Err(Error::data(format!(
                    "`{}` needs the {name} of every candle, and {missing}",
                    row.name
                )));
            }
        }
    }
    let mut rival = (row.make)(setting);
    let mut starts = table
        .segments()
        .iter()
        .map(|segment| segment.start)
        .skip(1)
        .peekable();
    let mut wanted = origins.iter().enumerate().peekable();
    let mut ahead: Vec<Time> = vec![0; horizon];
    for at in 0..=last {
        let price = |role: usize| range[role].map_or(f64::NAN, |values| values[at]);
        let candle = Candle {
            time: table.time()[at],
            open: price(0),
            high: price(1),
            low: price(2),
            close: table.close()[at],
            after_gap: starts.next_if_eq(&at).is_some(),
        };
        rival.see(&candle);
        let Some((n, _)) = wanted.next_if(|(_, origin)| **origin == at) else {
            continue;
        };
        for (k, time) in ahead.iter_mut().enumerate() {
            *time = table.calendar().after(candle.time, k + 1);
        }
        let point = &mut predictions.point[n * horizon..][..horizon];
        let quantiles = &mut predictions.quantiles[n * horizon * width..][..horizon * width];
        let mut outlook = Outlook {
            ahead: &ahead,
            levels,
            point,
            quantiles,
        };
        if !rival.forecast(&mut outlook) {
            return Err(Error::data(format!(
                "`{}` has seen too few candles by {} ({}) to forecast {horizon} ahead",
                row.name,
                table.calendar().format(candle.time),
                at + 1
            ))
            .hint("begin later, or forecast fewer steps ahead"));
        }
        for value in point.iter_mut().chain(quantiles) {
            *value = candle.close * value.exp();
        }
    }
    Ok(track(predictions))
}
