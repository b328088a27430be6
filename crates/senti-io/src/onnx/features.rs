//! Features in the graph: a translation of each row of [`senti::features::FEATURES`], and of the forms of other columns.
//!
//! In come rows without gaps; out go features of the last rows, oldest first: (batch, rows, F), in double precision and in their own
//! units. Values that look back over a window of rows gather it; averages that remember everything are a product with the matrix of
//! their weights, which are those of TA-Lib's seeding. Flat candles and candles without volume are treated as in
//! `senti/src/features/`: the names of the constants and of the rules are from there.

use std::f64::consts::{LN_2, TAU};

use senti::artifact::Manifest;
use senti::features::catalog::STILL;
use senti::features::{Form, Recipe};
use senti::table::Role;
use senti::{Error, Result};

use super::graph::{Graph, Value};
use super::rows::{Rows, divide, look_up};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Rows of MACD that its signal still feels: behind them a weight is 0.8^240, which is 6e-24.
const SIGNAL: usize = 240;

/// Makes a feature of the last rows: (batch, rows, 1).
type Translate = fn(&mut Maker<'_>, &mut Graph) -> Result<Value>;

/// Every feature from candles, by its name in [`senti::features::FEATURES`].
const TRANSLATIONS: &[(&str, Translate)] = &[
    ("log_return_1", |m, g| m.log_return(g, 1)),
    ("log_return_3", |m, g| m.log_return(g, 3)),
    ("log_return_7", |m, g| m.log_return(g, 7)),
    ("log_return_14", |m, g| m.log_return(g, 14)),
    ("log_return_30", |m, g| m.log_return(g, 30)),
    ("close_location", |m, g| m.close_location(g)),
    ("log_parkinson", |m, g| m.log_parkinson(g)),
    ("log_garman_klass", |m, g| m.log_garman_klass(g)),
    ("log_volatility_7", |m, g| m.log_volatility(g, 7)),
    ("log_volatility_30", |m, g| m.log_volatility(g, 30)),
    ("log_volatility_ewma", |m, g| m.log_volatility_ewma(g)),
    ("log_atr_14", |m, g| m.log_atr(g)),
    ("close_to_ma7", |m, g| m.close_to_mean(g, 7)),
    ("close_to_ma30", |m, g| m.close_to_mean(g, 30)),
    ("macd", |m, g| m.macd(g, false)),
    ("macd_histogram", |m, g| m.macd(g, true)),
    ("rsi_14", |m, g| m.rsi(g)),
    ("bollinger_position", |m, g| m.bollinger_position(g)),
    ("volume_change", |m, g| m.volume_change(g)),
    ("volume_to_ma30", |m, g| m.volume_to_mean(g)),
    ("weekday_sin", |m, g| m.weekday(g, f64::sin)),
    ("weekday_cos", |m, g| m.weekday(g, f64::cos)),
    ("hour_sin", |m, g| m.hour(g, f64::sin)),
    ("hour_cos", |m, g| m.hour(g, f64::cos)),
];

/// All features of the model, of the last `take` rows: (batch, take, F).
pub fn build(g: &mut Graph, rows: &mut Rows, manifest: &Manifest, take: usize) -> Result<Value> {
    let names = manifest.features.names();
    let recipes = manifest.features.recipes()?;
    let mut maker = Maker { rows, take };
    g.within("features", |g| {
        let mut made = Vec::new();
        for (name, recipe) in names.iter().zip(&recipes) {
            made.push(g.within(name, |g| match recipe {
                Recipe::Candles(feature) => translation(feature.name)?(&mut maker, g),
                Recipe::Column { source, form } => {
                    let column = maker.rows.column(g, source)?;
                    Ok(maker.form(g, &column, *form))
                }
            })?);
        }
        Ok(g.concat("matrix", &made.iter().collect::<Vec<_>>(), 2))
    })
}

fn translation(name: &str) -> Result<Translate> {
    let found = TRANSLATIONS.iter().find(|(known, _)| *known == name);
    found
        .map(|(_, translate)| *translate)
        .ok_or_else(|| Error::unsupported(format!("feature `{name}` has no translation to ONNX")))
}

/// Weights of the average `a[t] = a[t-1] + alpha (x[t] - a[t-1])` of each of the last `take` of `n` rows, where its first value, at row
/// `seeded`, is the plain mean of the rows from `first` on.
struct Smoothing {
    first: usize,
    seeded: usize,
    alpha: f64,
    n: usize,
    take: usize,
}

impl Smoothing {
    /// (take, n)
    fn weights(&self, g: &mut Graph, label: &str) -> Value {
        let seed = 1.0 / (self.seeded + 1 - self.first) as f64;
        let shares: Vec<f64> = (0..self.n)
            .map(|row| match row {
                row if row < self.first => 0.0,
                row if row <= self.seeded => seed,
                _ => self.alpha,
            })
            .collect();
        let since: Vec<f64> = (0..self.n).map(|row| row.max(self.seeded) as f64).collect();
        decaying(g, label, &shares, &since, 1.0 - self.alpha, self.take)
    }
}

/// `share[row] · decay^(t − since[row])` for the last `take` rows t, 0 where `since` lies ahead: (take, n). Computed in the graph, so
/// that the file holds two rows of it and not a matrix.
fn decaying(
    g: &mut Graph,
    label: &str,
    shares: &[f64],
    since: &[f64],
    decay: f64,
    take: usize,
) -> Value {
    let n = shares.len();
    g.within(label, |g| {
        let ends: Vec<f64> = (n - take..n).map(|row| row as f64).collect();
        let ends = g.doubles("ends", &[take, 1], &ends);
        let since = g.doubles("since", &[1, n], since);
        let shares = g.doubles("shares", &[1, n], shares);
        let age = g.both("Sub", "age", &ends, &since);
        let begun = g.compare_with("GreaterOrEqual", "has_begun", &age, 0.0);
        let age = g.with("Max", "age_from_then", &age, 0.0);
        let decay = g.number(decay);
        let faded = g.both("Pow", "faded", &decay, &age);
        let weighed = g.both("Mul", "weighed", &shares, &faded);
        let none = g.number(0.0);
        g.choose("weights", &begun, &weighed, &none)
    })
}

/// Row numbers of the `width` rows up to each of `take` rows, the first of which has `start` rows before it: (take, width).
pub fn spans(g: &mut Graph, label: &str, start: usize, take: usize, width: usize) -> Value {
    let first: Vec<i64> = (start + 1 - width..start + 1 - width + take)
        .map(|row| row as i64)
        .collect();
    let offsets: Vec<i64> = (0..width as i64).collect();
    let first = g.wholes(&format!("{label}_first"), &[take, 1], &first);
    let offsets = g.wholes(&format!("{label}_offsets"), &[1, width], &offsets);
    g.both("Add", label, &first, &offsets)
}

/// `Max(value, STILL)`, in logarithms.
fn logarithm(g: &mut Graph, volatility: &Value) -> Value {
    let still = g.with("Max", "at_least_still", volatility, STILL);
    g.of("Log", "log", &still)
}

struct Maker<'a> {
    rows: &'a mut Rows,
    /// Rows wanted.
    take: usize,
}

impl Maker<'_> {
    /// The last rows of a column, `before` rows earlier.
    fn last(&self, g: &mut Graph, label: &str, column: &Value, before: usize) -> Value {
        self.rows.last(g, label, column, self.take, before)
    }

    fn close(&mut self, g: &mut Graph) -> Result<Value> {
        self.rows.role(g, Role::Close)
    }

    /// The last rows of the column with this role.
    fn now(&mut self, g: &mut Graph, role: Role) -> Result<Value> {
        let column = self.rows.role(g, role)?;
        Ok(self.last(g, role.name(), &column, 0))
    }

    /// The `width` rows of a column up to each wanted one: (batch, take, width, 1).
    fn windows(&self, g: &mut Graph, column: &Value, width: usize) -> Value {
        let at = spans(g, "window_rows", self.rows.n - self.take, self.take, width);
        g.gather("windows", column, 1, &at)
    }

    /// ln(x[t] / x[t - lag]) of all rows that have one: (batch, N - lag, 1).
    fn all_returns(&mut self, g: &mut Graph) -> Result<Value> {
        let close = self.close(g)?;
        let n = self.rows.n;
        let later = g.slice("later", &close, 1, 1, n);
        let earlier = g.slice("earlier", &close, 1, 0, n - 1);
        let ratio = g.both("Div", "ratio", &later, &earlier);
        Ok(g.of("Log", "returns", &ratio))
    }

    fn log_return(&mut self, g: &mut Graph, lag: usize) -> Result<Value> {
        let close = self.close(g)?;
        let now = self.last(g, "close", &close, 0);
        let then = self.last(g, "then", &close, lag);
        let ratio = g.both("Div", "ratio", &now, &then);
        Ok(g.of("Log", "log", &ratio))
    }

    fn close_location(&mut self, g: &mut Graph) -> Result<Value> {
        let (high, low) = (self.now(g, Role::High)?, self.now(g, Role::Low)?);
        let close = self.now(g, Role::Close)?;
        let range = g.both("Sub", "range", &high, &low);
        let above = g.both("Sub", "above", &close, &low);
        let place = g.both("Div", "place", &above, &range);
        let moved = g.compare_with("Greater", "has_range", &range, 0.0);
        let half = g.number(0.5);
        Ok(g.choose("location", &moved, &place, &half))
    }

    fn log_parkinson(&mut self, g: &mut Graph) -> Result<Value> {
        let (high, low) = (self.now(g, Role::High)?, self.now(g, Role::Low)?);
        let ratio = g.both("Div", "ratio", &high, &low);
        let range = g.of("Log", "range", &ratio);
        let range = g.with("Max", "not_negative", &range, 0.0);
        let volatility = g.with("Div", "volatility", &range, (4.0 * LN_2).sqrt());
        Ok(logarithm(g, &volatility))
    }

    fn log_garman_klass(&mut self, g: &mut Graph) -> Result<Value> {
        let (high, low) = (self.now(g, Role::High)?, self.now(g, Role::Low)?);
        let (open, close) = (self.now(g, Role::Open)?, self.now(g, Role::Close)?);
        let variance = garman_klass(g, [&open, &high, &low, &close]);
        let volatility = g.of("Sqrt", "volatility", &variance);
        Ok(logarithm(g, &volatility))
    }

    fn log_volatility(&mut self, g: &mut Graph, window: usize) -> Result<Value> {
        let returns = self.all_returns(g)?;
        // the return of row t stands at t - 1
        let start = self.rows.n - self.take - 1;
        let at = spans(g, "window_rows", start, self.take, window);
        let windows = g.gather("windows", &returns, 1, &at);
        let squares = squared_deviations(g, &windows);
        let variance = g.with("Div", "variance", &squares, (window - 1) as f64);
        let deviation = g.of("Sqrt", "deviation", &variance);
        Ok(logarithm(g, &deviation))
    }

    fn log_volatility_ewma(&mut self, g: &mut Graph) -> Result<Value> {
        const DECAY: f64 = 0.94;
        let returns = self.all_returns(g)?;
        let squares = g.both("Mul", "squares", &returns, &returns);
        let n = self.rows.n - 1;
        let since: Vec<f64> = (0..n).map(|row| row as f64).collect();
        let weights = decaying(g, "weights", &vec![1.0; n], &since, DECAY, self.take);
        let total = g.both("MatMul", "total", &weights, &squares);
        let mut sum = 0.0;
        let sums: Vec<f64> = (0..n)
            .map(|_| {
                sum = DECAY * sum + 1.0;
                sum
            })
            .collect();
        let sums = g.doubles("sum_of_weights", &[self.take, 1], &sums[n - self.take..]);
        let variance = g.both("Div", "variance", &total, &sums);
        let volatility = g.of("Sqrt", "volatility", &variance);
        Ok(logarithm(g, &volatility))
    }

    fn log_atr(&mut self, g: &mut Graph) -> Result<Value> {
        let n = self.rows.n;
        let [high, low] = [Role::High, Role::Low].map(|role| self.rows.role(g, role));
        let close = self.close(g)?;
        let high = g.slice("high", &high?, 1, 1, n);
        let low = g.slice("low", &low?, 1, 1, n);
        let before = g.slice("close_before", &close, 1, 0, n - 1);
        let top = g.both("Max", "top", &high, &before);
        let bottom = g.both("Min", "bottom", &low, &before);
        let range = g.both("Sub", "true_range", &top, &bottom);
        let average = self.wilder(g, "average", &range);
        let now = self.last(g, "close", &close, 0);
        let share = g.both("Div", "per_close", &average, &now);
        Ok(logarithm(g, &share))
    }

    /// Wilder's average over 14 of a value that rows have from the second on: (batch, N - 1, 1).
    fn wilder(&self, g: &mut Graph, label: &str, values: &Value) -> Value {
        const PERIOD: usize = 14;
        let smoothing = Smoothing {
            first: 0,
            seeded: PERIOD - 1,
            alpha: 1.0 / PERIOD as f64,
            n: self.rows.n - 1,
            take: self.take,
        };
        let weights = smoothing.weights(g, &format!("weights_of_{label}"));
        g.both("MatMul", label, &weights, values)
    }

    fn close_to_mean(&mut self, g: &mut Graph, window: usize) -> Result<Value> {
        let close = self.close(g)?;
        let windows = self.windows(g, &close, window);
        let mean = g.reduce("ReduceMean", "mean", &windows, 2);
        let now = self.last(g, "close", &close, 0);
        let ratio = g.both("Div", "ratio", &now, &mean);
        Ok(g.of("Log", "log", &ratio))
    }

    fn macd(&mut self, g: &mut Graph, histogram: bool) -> Result<Value> {
        const FAST: usize = 12;
        const SLOW: usize = 26;
        const OVER: usize = 9;
        let n = self.rows.n;
        let alpha = |period: usize| 2.0 / (period + 1) as f64;
        // the signal looks at the line of earlier rows as well
        let begin = match histogram {
            true => (SLOW - 1).max((n - self.take).saturating_sub(SIGNAL)),
            false => n - self.take,
        };
        let average = |first: usize, period: usize| Smoothing {
            first,
            seeded: SLOW - 1,
            alpha: alpha(period),
            n,
            take: n - begin,
        };
        // both start on the same row
        let fast = average(SLOW - FAST, FAST).weights(g, "weights_of_fast");
        let slow = average(0, SLOW).weights(g, "weights_of_slow");
        let weights = g.both("Sub", "weights_of_line", &fast, &slow);
        let close = self.close(g)?;
        let line = g.both("MatMul", "line", &weights, &close);
        let now = self.last(g, "close", &close, 0);
        if !histogram {
            return Ok(g.both("Div", "per_close", &line, &now));
        }
        let signal = Smoothing {
            first: 0,
            seeded: OVER - 1,
            alpha: alpha(OVER),
            n: n - begin,
            take: self.take,
        };
        let weights = signal.weights(g, "weights_of_signal");
        let signal = g.both("MatMul", "signal", &weights, &line);
        let line = g.slice("line_now", &line, 1, n - begin - self.take, n - begin);
        let difference = g.both("Sub", "histogram", &line, &signal);
        Ok(g.both("Div", "per_close", &difference, &now))
    }

    fn rsi(&mut self, g: &mut Graph) -> Result<Value> {
        let close = self.close(g)?;
        let n = self.rows.n;
        let later = g.slice("later", &close, 1, 1, n);
        let earlier = g.slice("earlier", &close, 1, 0, n - 1);
        let up = g.both("Sub", "change", &later, &earlier);
        let down = g.both("Sub", "change_down", &earlier, &later);
        let up = g.with("Max", "up", &up, 0.0);
        let down = g.with("Max", "down", &down, 0.0);
        let gain = self.wilder(g, "gain", &up);
        let loss = self.wilder(g, "loss", &down);
        let both = g.both("Add", "gain_and_loss", &gain, &loss);
        let share = g.both("Div", "share", &gain, &both);
        let strength = g.with("Mul", "strength", &share, 100.0);
        let moved = g.compare_with("Greater", "has_moved", &both, 0.0);
        let half = g.number(50.0);
        Ok(g.choose("rsi", &moved, &strength, &half))
    }

    fn bollinger_position(&mut self, g: &mut Graph) -> Result<Value> {
        const PERIOD: usize = 20;
        const WIDTH: f64 = 2.0;
        let close = self.close(g)?;
        let windows = self.windows(g, &close, PERIOD);
        let highest = g.reduce("ReduceMax", "highest", &windows, 2);
        let lowest = g.reduce("ReduceMin", "lowest", &windows, 2);
        let flat = g.compare("Equal", "is_flat", &highest, &lowest);
        let centre = g.reduce("ReduceMean", "centre", &windows, 2);
        let squares = squared_deviations(g, &windows);
        let variance = g.with("Div", "variance", &squares, PERIOD as f64);
        let deviation = g.of("Sqrt", "deviation", &variance);
        let half = g.with("Mul", "half_band", &deviation, WIDTH);
        let band = g.with("Mul", "band", &half, 2.0);
        let now = self.last(g, "close", &close, 0);
        let above = g.both("Sub", "above_centre", &now, &centre);
        let share = g.both("Div", "share_of_band", &above, &band);
        let place = g.with("Add", "place", &share, 0.5);
        let middle = g.number(0.5);
        Ok(g.choose("position", &flat, &middle, &place))
    }

    fn volume_change(&mut self, g: &mut Graph) -> Result<Value> {
        let volume = self.rows.role(g, Role::Volume)?;
        let now = self.last(g, "volume", &volume, 0);
        let then = self.last(g, "then", &volume, 1);
        let ratio = g.both("Div", "ratio", &now, &then);
        let change = g.of("Log", "log", &ratio);
        let fewer = g.both("Min", "smaller", &now, &then);
        let still = g.compare_with("Equal", "is_without_trades", &fewer, 0.0);
        let none = g.number(0.0);
        Ok(g.choose("change", &still, &none, &change))
    }

    fn volume_to_mean(&mut self, g: &mut Graph) -> Result<Value> {
        let volume = self.rows.role(g, Role::Volume)?;
        let windows = self.windows(g, &volume, 30);
        let mean = g.reduce("ReduceMean", "mean", &windows, 2);
        let now = self.last(g, "volume", &volume, 0);
        let ratio = g.both("Div", "ratio", &now, &mean);
        let still = g.compare_with("Equal", "is_without_trades", &mean, 0.0);
        let usual = g.number(1.0);
        let ratio = g.choose("ratio_or_usual", &still, &usual, &ratio);
        let more = g.with("Add", "one_and_ratio", &ratio, 1.0);
        Ok(g.of("Log", "log", &more))
    }

    fn weekday(&mut self, g: &mut Graph, wave: fn(f64) -> f64) -> Result<Value> {
        let times = self.rows.times(g);
        let times = self.last(g, "time", &times, 0);
        let (day, _) = divide(g, "day", &times, DAY);
        // 1970-01-01 was a Thursday, three days after a Monday
        let day = g.with("Add", "days_since_a_monday", &day, 3.0);
        let (_, weekday) = divide(g, "week", &day, 7);
        let waves: Vec<f64> = (0..7)
            .map(|day| wave(TAU * (f64::from(day) / 7.0)))
            .collect();
        Ok(look_up(g, "wave", &waves, &weekday))
    }

    /// Candles open at few times of the day: the greatest common divisor of step and day apart.
    fn hour(&mut self, g: &mut Graph, wave: fn(f64) -> f64) -> Result<Value> {
        let (step, phase) = (self.rows.week().step(), self.rows.week().phase());
        let apart = common_divisor(step, DAY);
        let first = phase.rem_euclid(apart);
        let waves: Vec<f64> = (0..DAY / apart)
            .map(|slot| wave(TAU * ((first + slot * apart) as f64 / DAY as f64)))
            .collect();
        let times = self.rows.times(g);
        let times = self.last(g, "time", &times, 0);
        let (_, of_day) = divide(g, "day", &times, DAY);
        let (slot, _) = divide(g, "slot_of_day", &of_day, apart);
        Ok(look_up(g, "wave", &waves, &slot))
    }

    /// Another column, or a raw one.
    fn form(&self, g: &mut Graph, column: &Value, form: Form) -> Value {
        let now = self.last(g, "now", column, 0);
        match form {
            Form::Level => now,
            Form::Change => {
                let then = self.last(g, "then", column, 1);
                g.both("Sub", "change", &now, &then)
            }
            Form::LogChange { floor } => {
                let then = self.last(g, "then", column, 1);
                let now = g.with("Max", "now_held", &now, floor);
                let then = g.with("Max", "then_held", &then, floor);
                let ratio = g.both("Div", "ratio", &now, &then);
                g.of("Log", "log_change", &ratio)
            }
        }
    }
}

/// Sum of the squared deviations of windows (batch, rows, width, 1) from their means: (batch, rows, 1).
fn squared_deviations(g: &mut Graph, windows: &Value) -> Value {
    let centre = g.reduce("ReduceMean", "means", windows, 2);
    let centre = g.unsqueeze("means_by_row", &centre, 2);
    let deviations = g.both("Sub", "deviations", windows, &centre);
    let squares = g.both("Mul", "squares", &deviations, &deviations);
    g.sum("sum_of_squares", &squares, 2)
}

/// Variance of a candle, `ln(H/L)² / 2 − (2 ln 2 − 1) ln(C/O)²`, not below 0 (Garman and Klass 1980).
pub fn garman_klass(g: &mut Graph, [open, high, low, close]: [&Value; 4]) -> Value {
    let range = g.both("Div", "high_per_low", high, low);
    let range = g.of("Log", "range", &range);
    let body = g.both("Div", "close_per_open", close, open);
    let body = g.of("Log", "body", &body);
    let range = g.both("Mul", "range_squared", &range, &range);
    let range = g.with("Mul", "range_part", &range, 0.5);
    let body = g.both("Mul", "body_squared", &body, &body);
    let body = g.with("Mul", "body_part", &body, 2.0 * LN_2 - 1.0);
    let variance = g.both("Sub", "raw_variance", &range, &body);
    g.with("Max", "variance", &variance, 0.0)
}

fn common_divisor(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use senti::features::FEATURES;

    use super::TRANSLATIONS;

    #[test]
    fn every_feature_has_a_translation() {
        let known: Vec<&str> = TRANSLATIONS.iter().map(|(name, _)| *name).collect();
        let wanted: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        assert_eq!(known, wanted);
    }
}
