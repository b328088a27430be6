//! Indicators on plain slices: one unbroken run of candles in, one value a row out.
//!
//! Every function fills all of `out`, NaN before its warm-up, and looks backwards only. Inputs are finite, prices positive; the
//! caller cuts a series where that ends. Rolling statistics are computed anew for each window rather than by running sums: a value
//! then depends on its window alone, bit for bit, and cannot drift over a million rows.
//!
//! Exponential averages remember everything. The weight of what lies `n` rows back fades as `(1 - alpha)^n`: after 250 rows the
//! start of the history weighs 4e-9 in MACD (period 26), 9e-9 in RSI and ATR (Wilder, period 14), 2e-7 in the volatility with
//! lambda 0.94. A forecast from fewer rows than that differs from one with the full history in those digits.

/// `ln(x[t] / x[t - lag])`; warm-up `lag`.
pub fn log_change(values: &[f64], lag: usize, out: &mut [f64]) {
    out.fill(f64::NAN);
    for t in lag..values.len() {
        out[t] = (values[t] / values[t - lag]).ln();
    }
}

/// Mean of the last `window` values; warm-up `window - 1`.
pub fn rolling_mean(values: &[f64], window: usize, out: &mut [f64]) {
    out.fill(f64::NAN);
    for (end, past) in (window - 1..).zip(values.windows(window)) {
        out[end] = mean(past);
    }
}

/// Standard deviation of the last `window` values; warm-up `window - 1`.
///
/// `lost_degrees` is what is taken from the divisor: 1 as pandas' `rolling().std()`, 0 as TA-Lib's STDDEV and BBANDS.
pub fn rolling_std(values: &[f64], window: usize, lost_degrees: usize, out: &mut [f64]) {
    out.fill(f64::NAN);
    for (end, past) in (window - 1..).zip(values.windows(window)) {
        let centre = mean(past);
        let squares: f64 = past.iter().map(|value| (value - centre).powi(2)).sum();
        out[end] = (squares / (window - lost_degrees) as f64).sqrt();
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Exponentially weighted mean with normalised weights `decay^k`; NaN for the first `min_periods - 1` values.
///
/// pandas' `ewm(alpha=1 - decay, adjust=True, min_periods=...)`: no seed has to be chosen, the first value only fades.
pub fn weighted_mean(values: &[f64], decay: f64, min_periods: usize, out: &mut [f64]) {
    out.fill(f64::NAN);
    let (mut total, mut weight) = (0.0, 0.0);
    for (t, value) in values.iter().enumerate() {
        total = decay * total + value;
        weight = decay * weight + 1.0;
        if t + 1 >= min_periods {
            out[t] = total / weight;
        }
    }
}

/// Exponential moving average seeded with the plain mean of the first `period` values, as TA-Lib; warm-up `period - 1`.
pub fn ema(values: &[f64], period: usize, out: &mut [f64]) {
    out.fill(f64::NAN);
    if values.len() < period {
        return;
    }
    let alpha = 2.0 / (period + 1) as f64;
    let mut average = mean(&values[..period]);
    out[period - 1] = average;
    for t in period..values.len() {
        average += alpha * (values[t] - average);
        out[t] = average;
    }
}

/// MACD line and its signal line in units of the price, as TA-Lib; warm-up `slow - 1` and `slow + signal_period - 2`.
///
/// Both averages start on the same row: the fast one is seeded with the `fast` values that end where the slow one's seed ends.
pub fn macd(
    close: &[f64],
    (fast, slow, signal_period): (usize, usize, usize),
    line: &mut [f64],
    signal: &mut [f64],
) {
    line.fill(f64::NAN);
    signal.fill(f64::NAN);
    if close.len() < slow {
        return;
    }
    // The signal's buffer holds the slow average until the line is known.
    let late = slow - fast;
    ema(&close[late..], fast, &mut line[late..]);
    ema(close, slow, signal);
    for (fast, slow) in line.iter_mut().zip(signal.iter()) {
        *fast -= slow;
    }
    ema(&line[slow - 1..], signal_period, &mut signal[slow - 1..]);
}

/// Relative strength index after Wilder (1978), 0 to 100, as TA-Lib; warm-up `period`.
///
/// 50 where the price has never moved, which TA-Lib calls 0: no move is neither strength nor weakness.
pub fn rsi(close: &[f64], period: usize, out: &mut [f64]) {
    out.fill(f64::NAN);
    if close.len() <= period {
        return;
    }
    let n = period as f64;
    let (mut gain, mut loss) = (0.0, 0.0);
    for t in 1..close.len() {
        let change = close[t] - close[t - 1];
        let (up, down) = (change.max(0.0), (-change).max(0.0));
        if t <= period {
            gain += up / n;
            loss += down / n;
        } else {
            gain = (gain * (n - 1.0) + up) / n;
            loss = (loss * (n - 1.0) + down) / n;
        }
        if t >= period {
            let both = gain + loss;
            out[t] = if both > 0.0 {
                100.0 * (gain / both)
            } else {
                50.0
            };
        }
    }
}

/// Average true range after Wilder (1978) in units of the price, as TA-Lib; warm-up `period`.
pub fn atr(high: &[f64], low: &[f64], close: &[f64], period: usize, out: &mut [f64]) {
    out.fill(f64::NAN);
    if close.len() <= period {
        return;
    }
    let n = period as f64;
    let mut average = 0.0;
    for t in 1..close.len() {
        let before = close[t - 1];
        let range = high[t].max(before) - low[t].min(before);
        if t <= period {
            average += range / n;
        } else {
            average = (average * (n - 1.0) + range) / n;
        }
        if t >= period {
            out[t] = average;
        }
    }
}

/// Place of the close between the Bollinger bands: 0 at the lower, 1 at the upper, outside beyond; warm-up `period - 1`.
///
/// Bands are the mean ± `width` biased standard deviations, as TA-Lib's BBANDS. 0.5 where the window is flat and has no bands.
pub fn bollinger_position(close: &[f64], period: usize, width: f64, out: &mut [f64]) {
    out.fill(f64::NAN);
    for (end, past) in (period - 1..).zip(close.windows(period)) {
        // Compared exactly: the mean of equal numbers may miss them by a rounding, which the division would blow up.
        if past.iter().all(|price| *price == past[0]) {
            out[end] = 0.5;
            continue;
        }
        let centre = mean(past);
        let squares: f64 = past.iter().map(|price| (price - centre).powi(2)).sum();
        let half = width * (squares / period as f64).sqrt();
        out[end] = 0.5 + (close[end] - centre) / (2.0 * half);
    }
}

/// Volatility of one candle from its range: `ln(H/L) / sqrt(4 ln 2)` (Parkinson 1980).
pub fn parkinson(high: &[f64], low: &[f64], out: &mut [f64]) {
    let scale = (4.0 * std::f64::consts::LN_2).sqrt();
    for (out, (high, low)) in out.iter_mut().zip(high.iter().zip(low)) {
        *out = (high / low).ln().max(0.0) / scale;
    }
}

/// Volatility of one candle: `sqrt(ln(H/L)^2 / 2 - (2 ln 2 - 1) ln(C/O)^2)` (Garman and Klass 1980).
pub fn garman_klass(open: &[f64], high: &[f64], low: &[f64], close: &[f64], out: &mut [f64]) {
    for t in 0..close.len() {
        let range = (high[t] / low[t]).ln();
        let body = (close[t] / open[t]).ln();
        let variance = 0.5 * range * range - (2.0 * std::f64::consts::LN_2 - 1.0) * body * body;
        out[t] = variance.max(0.0).sqrt();
    }
}
