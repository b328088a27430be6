//! The expected moves in the graph, as [`senti::volatility::Volatility`] computes them.
//!
//! In come candles; out go the spread of every step ahead and, where asked for, the factor by which what matured lately widens it:
//! (batch, H) each. Regressors are made for all origins at once, the last of which is the window's own.

use senti::table::Role;
use senti::volatility::{FIRST, K, LATELY, MONTH, RANGE, REACH, STILL, Volatility};
use senti::{Error, Result};

use super::features::{garman_klass, spans};
use super::graph::{Graph, Value};
use super::rows::{Rows, divide, look_up};

/// What is computed of the last rows of a window.
struct Candles {
    /// Rows looked at (R); the first of them is only what the second is compared with.
    n: usize,
    /// (batch, R, 1)
    close: Value,
    /// ½ ln of the variance without its season, of the rows from `MONTH` on: (batch, R - MONTH, 1).
    log_volatility: Value,
    /// With the close before, of the rows from 1 on: (batch, R - 1, 1).
    high: Value,
    low: Value,
    /// Factor of variance of every row; none where there are no seasons: (batch, R, 1).
    season: Option<Value>,
}

/// Spread, and the factor of what matured lately.
pub fn build(
    g: &mut Graph,
    rows: &mut Rows,
    volatility: &Volatility,
    lately: bool,
) -> Result<(Value, Option<Value>)> {
    let horizon = volatility.horizon();
    let wanted = match lately {
        true => LATELY.0 + horizon + REACH + 1,
        false => REACH + 1,
    };
    let n = wanted.min(rows.n);
    if n <= REACH {
        return Err(Error::unsupported(format!(
            "the model was trained on {} rows, and expected moves need {}",
            rows.n,
            REACH + 1
        )));
    }
    g.within("volatility", |g| {
        let candles = Candles::new(g, rows, volatility, n)?;
        // the oldest origin that any step looks at; without the rows before it a regressor is not trusted
        let first = match lately {
            true => FIRST.max((n + 1).saturating_sub(LATELY.0 + 1 + horizon)),
            false => n - 1,
        };
        let origins = n - first;
        let x = g.within("regressors", |g| candles.regressors(g, first));
        let coefficients = volatility.coefficients();
        let across: Vec<f64> = (0..K)
            .flat_map(|k| coefficients.iter().map(move |step| step[k]))
            .collect();
        let across = g.doubles("coefficients", &[K, horizon], &across);
        let log = g.both("MatMul", "log_of_each", &x, &across);
        let log = g.clip("log_within", &log, -30.0, 5.0);
        // of a candle without its season: (batch, origins, H)
        let each = g.of("Exp", "each", &log);
        let own = g.slice("each_now", &each, 1, origins - 1, origins);
        let own = g.squeeze("each_of_step", &own, 1);
        let ahead = g.within("ahead", |g| {
            let times = rows.times_ahead(g);
            let factors = match season(g, volatility, &times) {
                Some(season) => g.squeeze("season_of_step", &season, 2),
                None => g.doubles("steps", &[1, horizon], &vec![1.0; horizon]),
            };
            let sum = g.running_sum("sum", &factors, 1, false);
            g.of("Sqrt", "root", &sum)
        });
        let spread = g.both("Mul", "spread", &ahead, &own);
        if !lately {
            return Ok((spread, None));
        }
        let factor = g.within("lately", |g| candles.lately(g, volatility, first, &each));
        Ok((spread, Some(factor)))
    })
}

/// Factors of variance at these times; none where there are no seasons.
fn season(g: &mut Graph, volatility: &Volatility, times: &Value) -> Option<Value> {
    let mut product: Option<Value> = None;
    for (unit, factors) in volatility.seasons() {
        let (count, _) = divide(g, "season_unit", times, unit);
        let (_, class) = divide(g, "season_turn", &count, factors.len() as i64);
        let factor = look_up(g, "season_factor", factors, &class);
        product = Some(match product {
            Some(before) => g.both("Mul", "season", &before, &factor),
            None => factor,
        });
    }
    product
}

impl Candles {
    fn new(g: &mut Graph, rows: &mut Rows, volatility: &Volatility, n: usize) -> Result<Self> {
        let close = rows.role(g, Role::Close)?;
        let close = rows.last(g, "close", &close, n, 0);
        let before = g.slice("close_before", &close, 1, 0, n - 1);
        let now = g.slice("close_now", &close, 1, 1, n);
        let mut price = |g: &mut Graph, role: Role| -> Result<Option<Value>> {
            if !rows.has(role) {
                return Ok(None);
            }
            let column = rows.role(g, role)?;
            Ok(Some(rows.last(g, role.name(), &column, n - 1, 0)))
        };
        let open = price(g, Role::Open)?;
        let high = price(g, Role::High)?;
        let low = price(g, Role::Low)?;
        let variance = match (&open, &high, &low) {
            (Some(open), Some(high), Some(low)) => garman_klass(g, [open, high, low, &now]),
            _ => {
                let ratio = g.both("Div", "ratio", &now, &before);
                let change = g.of("Log", "change", &ratio);
                g.both("Mul", "variance", &change, &change)
            }
        };
        let times = rows.times(g);
        let times = rows.last(g, "times", &times, n, 0);
        let season = season(g, volatility, &times);
        // the first row has no variance of its own, so that row t stands at t - 1
        let at = spans(g, "month_rows", MONTH - 1, n - MONTH, MONTH);
        let month = g.gather("months", &variance, 1, &at);
        let month = g.reduce("ReduceMean", "month", &month, 2);
        let least = g.with("Mul", "share_of_month", &month, STILL);
        let least = g.with("Add", "least", &least, 1e-12);
        let variance = g.slice("variance_now", &variance, 1, MONTH - 1, n - 1);
        let variance = g.both("Max", "variance_at_least", &variance, &least);
        let variance = match &season {
            Some(season) => {
                let season = g.slice("season_now", season, 1, MONTH, n);
                g.both("Div", "variance_without_season", &variance, &season)
            }
            None => variance,
        };
        let log = g.of("Log", "log_variance", &variance);
        let log_volatility = g.with("Mul", "log_volatility", &log, 0.5);
        let high = high.unwrap_or_else(|| now.clone());
        let low = low.unwrap_or_else(|| now.clone());
        Ok(Self {
            n,
            high: g.both("Max", "high_with_gap", &high, &before),
            low: g.both("Min", "low_with_gap", &low, &before),
            close,
            log_volatility,
            season,
        })
    }

    /// Regressors of the origins from row `first` on: (batch, R - first, K).
    fn regressors(&self, g: &mut Graph, first: usize) -> Value {
        let origins = self.n - first;
        let mean = |g: &mut Graph, width: usize| {
            let label = format!("mean_{width}");
            let at = spans(g, &format!("{label}_rows"), first - MONTH, origins, width);
            let windows = g.gather(&format!("{label}_windows"), &self.log_volatility, 1, &at);
            g.reduce("ReduceMean", &label, &windows, 2)
        };
        let week = mean(g, 5);
        let month = mean(g, 22);
        let unit = g.of("Exp", "unit", &month);
        let range = |g: &mut Graph, width: usize| {
            let label = format!("range_{width}");
            g.within(&label, |g| {
                let at = spans(g, "rows", first - 1, origins, width);
                let high = g.gather("highs", &self.high, 1, &at);
                let high = g.reduce("ReduceMax", "high", &high, 2);
                let low = g.gather("lows", &self.low, 1, &at);
                let low = g.reduce("ReduceMin", "low", &low, 2);
                let ratio = g.both("Div", "ratio", &high, &low);
                let range = g.of("Log", "range", &ratio);
                let root = (width as f64).sqrt();
                let least = g.with("Mul", "least", &unit, STILL * root);
                let range = g.both("Max", "range_at_least", &range, &least);
                let range = g.with("Div", "per_candle", &range, RANGE * root);
                let log = g.of("Log", "log", &range);
                g.both("Sub", "beside_month", &log, &month)
            })
        };
        let ranges = [5, 22, 66].map(|width| range(g, width));
        let now = g.slice("close_now", &self.close, 1, first, self.n);
        let then = g.slice("close_then", &self.close, 1, first - 5, self.n - 5);
        let ratio = g.both("Div", "ratio", &now, &then);
        let change = g.of("Log", "change", &ratio);
        let scale = g.with("Mul", "root_of_week", &unit, 5.0_f64.sqrt());
        let change = g.both("Div", "change_in_units", &change, &scale);
        let change = g.clip("change_within", &change, -3.0, 3.0);
        let end = self.n - MONTH;
        let own = g.slice("own", &self.log_volatility, 1, first - MONTH, end);
        let none = g.both("Sub", "none", &own, &own);
        let one = g.with("Add", "one", &none, 1.0);
        let [near, middle, far] = &ranges;
        g.concat(
            "x",
            &[&one, &own, &week, &month, near, middle, far, &change],
            2,
        )
    }

    /// The factor that what matured lately widens quantiles by: (batch, H). `each` is (batch, R - first, H), of the origins from row
    /// `first` on.
    fn lately(&self, g: &mut Graph, volatility: &Volatility, first: usize, each: &Value) -> Value {
        let (n, horizon) = (self.n, volatility.horizon());
        let origins = n - 1 - first;
        if origins == 0 {
            return g.doubles("level", &[1, horizon], volatility.level());
        }
        // is the move from an origin to a step ahead known, and one of the newest?
        let counts_for =
            |origin: usize, step: usize| origin + step < n - 1 && origin + step + 2 + LATELY.0 > n;
        let known: Vec<bool> = (first..n - 1)
            .flat_map(|origin| (0..horizon).map(move |step| counts_for(origin, step)))
            .collect();
        let counts: Vec<f64> = (0..horizon)
            .map(|step| (first..n - 1).filter(|&o| counts_for(o, step)).count() as f64)
            .collect();
        let known = g.truths("is_known", &[origins, horizon], &known);
        let begin: Vec<i64> = (first..n - 1).map(|row| row as i64).collect();
        let begin = g.wholes("origins", &[origins, 1], &begin);
        let steps: Vec<i64> = (1..=horizon as i64).collect();
        let steps = g.wholes("steps", &[1, horizon], &steps);
        let at = g.both("Add", "rows_ahead", &begin, &steps);
        let last = g.whole(n as i64 - 1);
        // what has not happened is not counted, whatever stands there
        let at = g.both("Min", "rows_within", &at, &last);
        let close = g.squeeze("closes", &self.close, 2);
        let ahead = g.gather("closes_ahead", &close, 1, &at);
        let own = g.slice("closes_of_origins", &self.close, 1, first, n - 1);
        let ratio = g.both("Div", "ratio", &ahead, &own);
        let moved = g.of("Log", "moves", &ratio);
        let moved = g.of("Abs", "sizes", &moved);
        let expected = g.slice("expected_of_each", each, 1, 0, origins);
        let factors = match &self.season {
            Some(season) => {
                let season = g.squeeze("seasons", season, 2);
                g.gather("seasons_ahead", &season, 1, &at)
            }
            None => g.doubles("steps_each", &[1, 1, horizon], &vec![1.0; horizon]),
        };
        let sum = g.running_sum("variance_ahead", &factors, 2, false);
        let root = g.of("Sqrt", "root_ahead", &sum);
        let spread = g.both("Mul", "spread", &root, &expected);
        let share = g.both("Div", "size_per_spread", &moved, &spread);
        let none = g.number(0.0);
        let share = g.choose("known_ones", &known, &share, &none);
        let sum = g.sum("sum", &share, 1);
        let level = volatility.level();
        let cells = || counts.iter().enumerate();
        let usual: Vec<f64> = cells()
            .map(|(step, count)| count.max(1.0) * volatility.typical()[step])
            .collect();
        let weights: Vec<f64> = cells()
            .map(|(step, count)| count / (step + 1) as f64)
            .map(|independent| independent / (independent + LATELY.1))
            .collect();
        let usual = g.doubles("usual_sum", &[horizon], &usual);
        let weights = g.doubles("weights", &[horizon], &weights);
        let level = g.doubles("level", &[horizon], level);
        let mean = g.both("Div", "mean", &sum, &usual);
        let power = g.both("Pow", "power", &mean, &weights);
        let factor = g.both("Mul", "level_by_power", &level, &power);
        let moved = g.compare_with("Greater", "has_moved", &mean, 0.0);
        g.choose("factor", &moved, &factor, &level)
    }
}
