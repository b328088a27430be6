//! Alterations: what the audit does to the rows behind an origin.
//!
//! In come a table and a row; out goes a table whose rows before it are untouched, and whose rows from it on are others. Prices stay
//! possible prices, so that nothing refuses them: an altered future must be one that could have happened.

use senti_engine::random::{Purpose, Stream};

use crate::table::{Column, Role, Table};

/// What is done to every row from some row on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// Moves are turned round and enlarged, volumes tripled, other columns mirrored.
    Alter,
    /// Candles and the rows of other columns are put into another order.
    Scramble,
    /// The rows are gone.
    Delete,
    /// Other columns lose their values, prices are altered: a price cannot be blank.
    Blank,
}

impl Alteration {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Alter, Self::Scramble, Self::Delete, Self::Blank];
    /// Those that leave every row complete, so that the same windows exist afterwards.
    pub const WHOLE: [Self; 2] = [Self::Alter, Self::Scramble];

    /// As in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alter => "altered",
            Self::Scramble => "scrambled",
            Self::Delete => "deleted",
            Self::Blank => "blanked",
        }
    }

    /// The table with other rows from `row` on; `seed` draws the order of a scramble.
    pub fn apply(self, table: &Table, row: usize, seed: u64) -> Table {
        match self {
            Self::Delete => table.until(row),
            Self::Alter => table.altered(|columns| {
                recast(columns, row, |rows| rows.map(turned).collect());
                other(columns, row, |value| -2.0 * value - 1.0);
            }),
            Self::Blank => table.altered(|columns| {
                recast(columns, row, |rows| rows.map(turned).collect());
                other(columns, row, |_| f64::NAN);
            }),
            Self::Scramble => scrambled(table, row, seed),
        }
    }
}

/// The same candles and the same rows of other columns in another order from `row` on; one order for each.
pub fn scrambled(table: &Table, row: usize, seed: u64) -> Table {
    let stream = Stream::new(seed, Purpose::Bootstrap);
    let n_rows = table.n_rows().saturating_sub(row);
    let order = |part: u16| {
        let mut order = vec![0_u32; n_rows];
        stream.part(part).permutation(row as u64, &mut order);
        order
    };
    table.altered(|columns| {
        let candles = order(0);
        recast(columns, row, |rows| {
            let rows: Vec<Candle> = rows.map(|(_, candle)| candle).collect();
            candles.iter().map(|&from| rows[from as usize]).collect()
        });
        let rest = order(1);
        for column in columns
            .iter_mut()
            .filter(|column| column.role == Role::Series)
        {
            let values = column.values[row..].to_vec();
            for (place, &from) in column.values[row..].iter_mut().zip(&rest) {
                *place = values[from as usize];
            }
        }
    })
}

/// A candle as a move from the close before, with open, high and low about its own close; logarithms, and the volume.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Candle {
    step: f64,
    open: f64,
    high: f64,
    low: f64,
    volume: f64,
}

/// Turned round: what rose falls, further. A little is added, so that a candle that did not move does.
fn turned((place, candle): (usize, Candle)) -> Candle {
    let nudge = if place.is_multiple_of(2) {
        0.01
    } else {
        -0.008
    };
    let (high, low) = (
        (-candle.low * 1.3 + 0.002).min(0.7),
        (-candle.high * 1.3 - 0.002).max(-0.7),
    );
    Candle {
        step: (-1.7 * candle.step + nudge).clamp(-1.0, 1.0),
        open: (-candle.open).clamp(low, high),
        high,
        low,
        volume: candle.volume * 3.0 + 1.0,
    }
}

/// How far altered prices may wander from the last untouched close, in logarithms: prices stay prices over a million rows.
const REACH: f64 = 6.0;

/// Rewrites the candles from `row` on.
fn recast(
    columns: &mut [Column],
    row: usize,
    change: impl FnOnce(&mut dyn Iterator<Item = (usize, Candle)>) -> Vec<Candle>,
) {
    let place = |role: Role| columns.iter().position(|column| column.role == role);
    let [open, high, low, volume] = [Role::Open, Role::High, Role::Low, Role::Volume].map(place);
    let Some(close) = place(Role::Close) else {
        return;
    };
    let n_rows = columns[close].values.len();
    if row >= n_rows {
        return;
    }
    let candles = {
        let closes = &columns[close].values;
        let about = |column: Option<usize>, t: usize| {
            column.map_or(0.0, |column| (columns[column].values[t] / closes[t]).ln())
        };
        let mut rows = (row..n_rows).map(|t| Candle {
            step: (closes[t] / closes[t.saturating_sub(1)]).ln(),
            open: about(open, t),
            high: about(high, t),
            low: about(low, t),
            volume: volume.map_or(0.0, |volume| columns[volume].values[t]),
        });
        change(&mut rows.by_ref().enumerate())
    };
    let first = columns[close].values[row.saturating_sub(1)];
    let mut path = 0.0_f64;
    for (t, candle) in (row..n_rows).zip(candles) {
        path += candle.step;
        if path.abs() > REACH {
            path -= 2.0 * candle.step;
        }
        let price = first * path.exp();
        columns[close].values[t] = price;
        for (column, about) in [(open, candle.open), (high, candle.high), (low, candle.low)] {
            if let Some(column) = column {
                columns[column].values[t] = price * about.exp();
            }
        }
        if let Some(volume) = volume {
            columns[volume].values[t] = candle.volume;
        }
    }
}

/// Rewrites the other columns from `row` on.
fn other(columns: &mut [Column], row: usize, change: impl Fn(f64) -> f64) {
    for column in columns
        .iter_mut()
        .filter(|column| column.role == Role::Series)
    {
        let n_rows = column.values.len();
        for value in &mut column.values[row.min(n_rows)..] {
            *value = change(*value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::{Rows, TableOptions};

    fn table() -> Table {
        let wave = |row: i64, phase: f64| 100.0 + 10.0 * (row as f64 * 0.7 + phase).sin();
        let close: Vec<f64> = (0..40).map(|row| wave(row, 0.0)).collect();
        let columns = [
            ("open", Role::Open, close.clone()),
            ("high", Role::High, close.iter().map(|x| x * 1.01).collect()),
            ("low", Role::Low, close.iter().map(|x| x / 1.02).collect()),
            ("close", Role::Close, close),
            ("volume", Role::Volume, (0..40).map(f64::from).collect()),
            (
                "mood",
                Role::Series,
                (0..40).map(|row| wave(row, 1.0)).collect(),
            ),
        ];
        let rows = Rows {
            time: (0..40).map(|day| day * 86_400_000).collect(),
            line: Vec::new(),
            columns: columns
                .map(|(name, role, values)| Column {
                    name: name.into(),
                    role,
                    values,
                })
                .into(),
        };
        Table::from_rows(rows, &TableOptions::default())
            .expect("a valid table")
            .0
    }

    #[test]
    fn rows_before_stay_and_every_row_behind_is_another_possible_one() {
        let table = table();
        for alteration in Alteration::ALL {
            let other = alteration.apply(&table, 25, 7);
            for (column, altered) in table.columns().iter().zip(other.columns()) {
                assert_eq!(column.values[..25], altered.values[..25], "{}", column.name);
                if alteration == Alteration::Delete {
                    assert_eq!(altered.values.len(), 25);
                    continue;
                }
                assert_ne!(column.values[25..], altered.values[25..], "{}", column.name);
                let is_blank = altered.values[25..].iter().all(|value| value.is_nan());
                assert_eq!(
                    is_blank,
                    alteration == Alteration::Blank && column.role == Role::Series
                );
            }
            // valid prices: the reader takes them
            let rows = Rows {
                time: other.time().to_vec(),
                line: Vec::new(),
                columns: other.columns().to_vec(),
            };
            Table::from_rows(rows, &TableOptions::default()).expect("possible rows");
        }
    }

    #[test]
    fn a_scramble_keeps_the_candles() {
        let table = table();
        let other = scrambled(&table, 10, 3);
        let shapes = |table: &Table| {
            let (high, close) = (table.role(Role::High), table.close());
            let high = &high.expect("there is one").values;
            let mut shapes: Vec<i64> = (10..40)
                .map(|t| ((close[t] / close[t - 1]).ln() * 1e9).round() as i64)
                .collect();
            shapes.sort_unstable();
            let ratio = high[20] / close[20];
            (shapes, (ratio * 1e9).round() as i64)
        };
        assert_eq!(shapes(&table), shapes(&other));
        assert!((table.close()[39] / other.close()[39] - 1.0).abs() < 1e-9);
    }
}
