//! What is too good to be true, and what is only the last price, shifted. In come a model's scores; out go alarms and a sentence.
//!
//! The limits were measured on daily Bitcoin: honest forecasts of it stay below them by far. A result beyond one is likelier a leak
//! than skill until an audit says otherwise.

use crate::backtest::{Track, Truth};
use crate::quantiles::{linear, sort};

use super::build::Adjusted;
use super::ledger::log_ratio;
use super::{Alarm, Copycat, ModelCard, Part, SIGNIFICANCE, Shown};

/// One-step mean absolute error, below the last close's by this share, where a one-sided test does not explain it by luck.
const MAE: f64 = 0.01;
/// One-step out-of-sample R² of log returns.
const R2: f64 = 0.02;
/// Share of right directions, in at least [`DIRECTIONS`] cases that do not overlap.
const DIRECTION: f64 = 0.56;
const DIRECTIONS: f64 = 500.0;
/// CRPS skill against volatility-scaled quantiles.
const SKILL: f64 = 0.06;
/// Yearly Sharpe ratio after costs.
const SHARPE: f64 = 2.5;
/// Periods below which a Sharpe ratio is anything.
const PERIODS: usize = 100;

pub(super) fn alarms(shown: &[Shown], model: &ModelCard) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    let mut raise = |what: &str, horizon: &str, value: f64, limit: f64, said: String| {
        alarms.push(Alarm {
            what: what.into(),
            horizon: horizon.into(),
            value,
            limit,
            sentence: format!(
                "{said}: too good to be true, a leak is likelier than skill until an audit passes"
            ),
        });
    };
    // Where outcomes overlap so much that few are left, chance alone passes these limits: an alarm there would cry wolf.
    for (row, horizon) in shown
        .iter()
        .zip(&model.horizons)
        .filter(|(row, _)| row.judged)
    {
        let name = &*row.name;
        if row.step == Some(1) {
            // few origins miss by a percent by chance
            let luck = horizon.point.against_last_close.p_better;
            let more = luck.is_some_and(|p| p < SIGNIFICANCE);
            if let Some(ratio) = horizon
                .point
                .relative_mae
                .filter(|&ratio| more && ratio < 1.0 - MAE)
            {
                let said = format!(
                    "its one-step error is {:.1} % below the last close's",
                    100.0 * (1.0 - ratio)
                );
                raise("mae", name, 1.0 - ratio, MAE, said);
            }
            if let Some(r2) = horizon.point.r2_out_of_sample.filter(|&r2| r2 > R2) {
                let said = format!(
                    "it explains {:.1} % of the variance of one-step returns",
                    100.0 * r2
                );
                raise("r2", name, r2, R2, said);
            }
        }
        if let Some(direction) = &horizon.direction {
            let cases = row.n_independent * direction.n as f64 / horizon.n as f64;
            if row.step.is_some() && direction.accuracy > DIRECTION && cases >= DIRECTIONS {
                let said = format!(
                    "{:.1} % of its directions are right at horizon {name}",
                    100.0 * direction.accuracy
                );
                raise("direction", name, direction.accuracy, DIRECTION, said);
            }
        }
        let skill = horizon
            .against_yardstick
            .as_ref()
            .and_then(|skill| skill.skill);
        if let Some(skill) = skill.filter(|&skill| skill > SKILL && model.role == Part::Model) {
            let said = format!(
                "its CRPS is {:.1} % below that of volatility-scaled quantiles at horizon {name}",
                100.0 * skill
            );
            raise("skill", name, skill, SKILL, said);
        }
    }
    if let Some(trading) = model
        .trading
        .as_ref()
        .filter(|trading| trading.periods >= PERIODS)
    {
        // A rally makes everybody rich: being in the market is no alarm.
        let held = trading.buy_and_hold.sharpe.unwrap_or(0.0);
        if let Some(sharpe) = trading
            .model
            .sharpe
            .filter(|&sharpe| sharpe > SHARPE && sharpe > held)
        {
            raise(
                "sharpe",
                "1",
                sharpe,
                SHARPE,
                format!("its yearly Sharpe ratio is {sharpe:.1} after costs"),
            );
        }
    }
    alarms
}

/// Distance from the last close, in typical moves, below which a forecast is the last close.
const NEAR: f64 = 0.2;
/// Correlation of changes above which a forecast moves with the last close.
const TOGETHER: f64 = 0.9;

/// Measures how a one-step forecast follows the last close; [`settle`] says what it means.
pub(super) fn copycat(truth: &Truth, track: &Track) -> Copycat {
    let horizon = truth.horizon;
    let at_first =
        |prices: &[f64]| -> Vec<f64> { prices.chunks_exact(horizon).map(|row| row[0]).collect() };
    let (said, came) = (at_first(&track.predictions.point), at_first(&truth.actual));
    let changes = |prices: &[f64]| -> Vec<f64> {
        prices
            .windows(2)
            .map(|pair| log_ratio(pair[1], pair[0].abs().max(f64::MIN_POSITIVE)))
            .collect()
    };
    let of_forecast = changes(&said);
    let away = |prices: &[f64]| -> f64 {
        let pairs = prices.iter().zip(&truth.last_close);
        let mut moves: Vec<f64> = pairs
            .map(|(&price, &last)| log_ratio(price, last).abs())
            .collect();
        sort(&mut moves);
        linear(&moves, 0.5)
    };
    let typical = away(&came);
    Copycat {
        shifted: false,
        correlation_actual: correlation(&of_forecast, &changes(&came)),
        correlation_last: correlation(&of_forecast, &changes(&truth.last_close)),
        distance: (typical > 0.0).then(|| away(&said) / typical),
        sentence: String::new(),
    }
}

/// Decides whether a forecast is the last price, shifted: it follows the last close rather than what came, nearly or in its changes, and is not
/// shown to be better than it.
pub(super) fn settle(truth: &Truth, model: &mut ModelCard, close: &Adjusted, shown: &[Shown]) {
    let first = shown.iter().position(|row| row.step == Some(1));
    let better = first
        .and_then(|row| close.better[row])
        .is_some_and(|p| p < SIGNIFICANCE);
    let still = model
        .horizons
        .iter()
        .all(|horizon| horizon.direction.is_none());
    let copycat = &mut model.copycat;
    let (actual, last) = (copycat.correlation_actual, copycat.correlation_last);
    let follows = actual.zip(last).is_some_and(|(actual, last)| last > actual);
    let near = copycat.distance.is_some_and(|distance| distance <= NEAR);
    let together = last.is_some_and(|last| last >= TOGETHER);
    copycat.shifted = follows && (near || together) && !better && truth.len() >= 10;
    copycat.sentence = if !copycat.shifted {
        "its point forecast is not just the last price".into()
    } else if still {
        "its point forecast is the last close, as it says; only its intervals can be better or worse".into()
    } else if near {
        format!(
            "its point forecast is the last close within {:.0} % of a typical move: a chart of it looks right one step late, and it tells no more than the last close",
            100.0 * copycat.distance.unwrap_or(0.0)
        )
    } else {
        format!(
            "its point forecast is the last price, shifted: from origin to origin it moves with the last close (correlation {:.2}), not with the price that comes ({:.2})",
            last.unwrap_or(0.0),
            actual.unwrap_or(0.0)
        )
    };
}

/// Pearson's correlation; none where one does not vary.
fn correlation(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (of_a, of_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut both, mut var_a, mut var_b) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        both += (a - of_a) * (b - of_b);
        var_a += (a - of_a).powi(2);
        var_b += (b - of_b).powi(2);
    }
    let value = both / (var_a * var_b).sqrt();
    value.is_finite().then_some(value)
}
