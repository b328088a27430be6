//! Rivals: against numpy and pandas (`goldens/rivals.py`), and what must hold for every row of the table.

use std::collections::BTreeMap;

use senti::rivals::{Candle, Outlook, RIVALS, RivalRow, Setting, find, walk};
use senti::table::{Rows, TableOptions};
use senti::{Column, Role, Table};
use serde::Deserialize;

use crate::market::{DAY, rows, table};

const SETTING: Setting = Setting {
    horizon: 5,
    season: 7,
};

#[derive(Deserialize)]
struct Golden {
    horizon: usize,
    levels: Vec<f64>,
    open: Vec<f64>,
    high: Vec<f64>,
    low: Vec<f64>,
    close: Vec<f64>,
    rivals: BTreeMap<String, Expected>,
}

#[derive(Deserialize)]
struct Expected {
    origins: Vec<usize>,
    /// One row an origin: (H, Q).
    quantiles: Vec<Vec<f64>>,
}

impl Golden {
    fn read() -> Self {
        serde_json::from_str(include_str!("../goldens/rivals.json")).expect("a golden file")
    }

    fn table(&self) -> Table {
        let columns = [
            ("open", Role::Open, &self.open),
            ("high", Role::High, &self.high),
            ("low", Role::Low, &self.low),
            ("close", Role::Close, &self.close),
        ];
        let column = |(name, role, values): (&str, Role, &Vec<f64>)| Column {
            name: name.into(),
            role,
            values: values.clone(),
        };
        table(Rows {
            time: (0..self.close.len() as i64).map(|day| day * DAY).collect(),
            line: Vec::new(),
            columns: columns.into_iter().map(column).collect(),
        })
    }
}

/// Quantiles and points of one rival at some origins, as log returns from the last close.
fn log_returns(
    table: &Table,
    row: &RivalRow,
    levels: &[f64],
    origins: &[usize],
) -> Vec<(Vec<f64>, Vec<f64>)> {
    let predictions = walk(table, row, &SETTING, levels, origins)
        .unwrap()
        .predictions;
    let from = |close: f64, prices: &[f64]| prices.iter().map(|p| (p / close).ln()).collect();
    origins
        .iter()
        .enumerate()
        .map(|(n, &origin)| {
            let close = table.close()[origin];
            (
                from(close, predictions.quantiles(n)),
                from(close, predictions.point(n)),
            )
        })
        .collect()
}

#[track_caller]
fn close_to(found: &[f64], wanted: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        assert!(
            (found - wanted).abs() <= tolerance,
            "{what}, number {at}: {found} instead of {wanted}"
        );
    }
}

#[test]
fn scaled_and_plain_quantiles_agree_with_numpy() {
    let golden = Golden::read();
    assert_eq!(golden.horizon, SETTING.horizon);
    let table = golden.table();
    for (name, expected) in &golden.rivals {
        let found = log_returns(
            &table,
            find(name).unwrap(),
            &golden.levels,
            &expected.origins,
        );
        for ((found, point), (wanted, origin)) in found
            .iter()
            .zip(expected.quantiles.iter().zip(&expected.origins))
        {
            // log returns of order 0.1 by other orders of summation; the regressions of HAR lose four digits
            close_to(found, wanted, 1e-11, &format!("{name} at {origin}"));
            let median = |step: usize| match &**name {
                "naive" => 0.0,
                _ => wanted[step * golden.levels.len() + 9],
            };
            let medians: Vec<f64> = (0..SETTING.horizon).map(median).collect();
            close_to(
                point,
                &medians,
                1e-11,
                &format!("point of {name} at {origin}"),
            );
        }
    }
}

/// Enough rows for every rival.
const MANY: usize = 700;
const LEVELS: [f64; 5] = [0.05, 0.25, 0.5, 0.75, 0.95];

fn prices(rows: &mut Rows) -> impl Iterator<Item = &mut Column> {
    rows.columns
        .iter_mut()
        .filter(|column| column.role.is_price())
}

#[test]
fn prices_1024_times_as_high_give_the_same_log_returns() {
    let mut higher = rows(MANY, 3);
    for column in prices(&mut higher) {
        column.values.iter_mut().for_each(|price| *price *= 1024.0);
    }
    let (plain, higher) = (table(rows(MANY, 3)), table(higher));
    for row in RIVALS {
        let origins = [500, MANY - 1];
        let plain = log_returns(&plain, row, &LEVELS, &origins);
        for (plain, higher) in plain
            .iter()
            .zip(log_returns(&higher, row, &LEVELS, &origins))
        {
            close_to(&higher.0, &plain.0, 1e-12, row.name);
            close_to(&higher.1, &plain.1, 1e-12, row.name);
        }
    }
}

#[test]
fn candles_behind_an_origin_change_nothing_before_it() {
    let origins: Vec<usize> = (480..600).collect();
    let mut altered = rows(MANY, 4);
    for column in prices(&mut altered) {
        for (at, price) in column.values[600..].iter_mut().enumerate() {
            *price *= 1.0 + 0.5 * (at as f64).sin();
        }
    }
    let (start, end) = (table(rows(MANY, 4)).until(600), table(rows(MANY, 4)));
    // only what a rival reads is altered, so that the candles stay possible ones
    for row in RIVALS {
        let of = |table: &Table| {
            walk(table, row, &SETTING, &LEVELS, &origins)
                .unwrap()
                .predictions
        };
        let plain = of(&end);
        assert_eq!(plain, of(&start), "{}", row.name);
        let mut altered = altered.clone();
        if !row.needs_range {
            altered.columns.retain(|column| column.name == "close");
        }
        assert_eq!(plain, of(&table(altered)), "{}", row.name);
        let alone = |origin| {
            walk(&end, row, &SETTING, &LEVELS, &[origin])
                .unwrap()
                .predictions
        };
        assert_eq!(
            plain.quantiles(119),
            alone(599).quantiles(0),
            "{}: what it is asked before changes what it says",
            row.name
        );
    }
}

#[test]
fn the_jump_across_a_long_gap_counts_for_nothing() {
    let with_gap = |factor: f64| {
        let mut rows = rows(MANY, 5);
        rows.time[550..]
            .iter_mut()
            .for_each(|time| *time += 100 * DAY);
        for column in prices(&mut rows) {
            column.values[550..].iter_mut().for_each(|p| *p *= factor);
        }
        table(rows)
    };
    let (plain, jumped) = (with_gap(1.0), with_gap(4.0));
    assert_eq!(jumped.segments(), [0..550, 550..MANY]);
    let origins = [549, 550, 551, 553, 557, 600, MANY - 1];
    for row in RIVALS {
        let plain = log_returns(&plain, row, &LEVELS, &origins);
        let jumped = log_returns(&jumped, row, &LEVELS, &origins);
        for ((plain, jumped), origin) in plain.iter().zip(&jumped).zip(origins) {
            let what = format!("{} at {origin}", row.name);
            close_to(&jumped.0, &plain.0, 1e-12, &what);
            close_to(&jumped.1, &plain.1, 1e-12, &what);
        }
    }
}

#[test]
fn quantiles_never_decrease_and_surround_what_happens() {
    let table = table(rows(2000, 6));
    let origins: Vec<usize> = (500..1995).collect();
    for row in RIVALS {
        let found = log_returns(&table, row, &LEVELS, &origins);
        let mut inside = [0; SETTING.horizon];
        for ((quantiles, _), &origin) in found.iter().zip(&origins) {
            for (step, quantiles) in quantiles.chunks_exact(LEVELS.len()).enumerate() {
                assert!(quantiles.is_sorted(), "{} {quantiles:?}", row.name);
                let came = (table.close()[origin + step + 1] / table.close()[origin]).ln();
                inside[step] += usize::from((quantiles[0]..=quantiles[4]).contains(&came));
            }
        }
        for inside in inside {
            // 1500 overlapping origins of moving volatility
            let share = inside as f64 / origins.len() as f64;
            assert!((share - 0.9).abs() < 0.04, "{}: {share}", row.name);
        }
    }
}

#[test]
fn too_few_candles_are_said_and_nothing_is_written() {
    let table = table(rows(MANY, 7));
    for row in RIVALS {
        let mut rival = (row.make)(&SETTING);
        let mut first = None;
        for at in 0..MANY {
            rival.see(&Candle {
                time: table.time()[at],
                open: table.role(Role::Open).unwrap().values[at],
                high: table.role(Role::High).unwrap().values[at],
                low: table.role(Role::Low).unwrap().values[at],
                close: table.close()[at],
                after_gap: false,
            });
            let ahead: Vec<i64> = (1..=5).map(|k| table.time()[at] + k * DAY).collect();
            let (mut point, mut quantiles) = ([7.0; 5], [7.0; 25]);
            let spoke = rival.forecast(&mut Outlook {
                ahead: &ahead,
                levels: &LEVELS,
                point: &mut point,
                quantiles: &mut quantiles,
            });
            let written = point != [7.0; 5] || quantiles != [7.0; 25];
            assert_eq!(spoke, written, "{} at {at}", row.name);
            assert!(
                spoke || first.is_none(),
                "{} falls silent at {at}",
                row.name
            );
            if spoke {
                first.get_or_insert(at);
            }
        }
        let first = first.unwrap();
        // the row of the first counted origin, five steps to come true, and nineteen more of them
        let origin = match row.name {
            "har" | "har_730" => 400,
            "garch" => 249,
            "ets" | "theta" | "ar" => 99,
            _ => 60,
        };
        assert_eq!(first, origin + 5 + 19, "{}", row.name);
        let error = walk(&table, row, &SETTING, &LEVELS, &[first - 1]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("`{}` has seen too few candles by 197", row.name)),
            "{error}"
        );
    }
}

#[test]
fn a_rival_that_reads_ranges_says_what_it_lacks() {
    let closes = |mut rows: Rows| {
        rows.columns.retain(|column| column.role == Role::Close);
        table(rows)
    };
    let har = find("har").unwrap();
    let error = walk(&closes(rows(MANY, 8)), har, &SETTING, &LEVELS, &[600]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`har` needs the open of every candle, and the table has no such column"
    );
    let naive = find("naive").unwrap();
    assert!(walk(&closes(rows(MANY, 8)), naive, &SETTING, &LEVELS, &[600]).is_ok());
}

#[test]
fn prices_that_never_move_break_nothing() {
    let mut still = rows(MANY, 9);
    for column in prices(&mut still) {
        column.values.fill(100.0);
    }
    let (still, _) = Table::from_rows(still, &TableOptions::default()).unwrap();
    for row in RIVALS {
        if let Ok(track) = walk(&still, row, &SETTING, &LEVELS, &[MANY - 1]) {
            let prices = track.predictions.quantiles.iter();
            let mut prices = prices.chain(&track.predictions.point);
            assert!(
                prices.all(|price| (price - 100.0).abs() < 1e-6),
                "{}",
                row.name
            );
        }
    }
}
