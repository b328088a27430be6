//! What trading on forecasts would have brought: a secondary translation, never the verdict.
//!
//! In come a track and its options; out go money, Sharpe ratio and drawdown after costs, beside buying and holding and beside random
//! entries with the same exposure. A forecast made after a candle's close is traded at the next close: no price is used that was not
//! there to be had.

use senti_engine::random::{Generator, Purpose, Stream};

use crate::backtest::{Backtest, Track};
use crate::statistics::sharpe::{Moments, deflated, minimum_track_record, probabilistic};

use super::{CardOptions, Returns, Trading, TradingOptions};

/// Random entries to compare with.
const ENTRIES: usize = 500;
const YEAR: f64 = 365.25 * 86_400_000.0;

/// None below three periods, or where a point forecast is all there is and none of them moves.
pub(super) fn trading(
    backtest: &Backtest,
    track: &Track,
    trade: &TradingOptions,
    options: &CardOptions,
) -> Option<Trading> {
    let truth = &backtest.truth;
    let (n, horizon) = (truth.len(), truth.horizon);
    if n < 4 {
        return None;
    }
    // Bought one candle late and held until one candle behind the next origin: that candle's forecast decides, or the last there is.
    let exit = (truth.stride + 1).min(horizon) - 1;
    let median = backtest
        .levels
        .iter()
        .position(|level| (level - 0.5).abs() < 1e-9);
    let said = |origin: usize| match median.filter(|_| track.predictions.n_levels > 0) {
        Some(place) => {
            track.predictions.quantiles(origin)[exit * track.predictions.n_levels + place]
        }
        None => track.predictions.point(origin)[exit],
    };
    let position = |origin: usize| {
        let (said, last) = (said(origin), truth.last_close[origin]);
        if said > last {
            1.0
        } else if said < last && trade.short {
            -1.0
        } else {
            0.0
        }
    };
    let entry = |origin: usize| truth.actual(origin)[0];
    let periods = n - 1;
    let market: Vec<f64> = (0..periods)
        .map(|origin| entry(origin + 1) / entry(origin) - 1.0)
        .collect();
    let positions: Vec<f64> = (0..periods).map(position).collect();
    let times: Vec<_> = (1..n).map(|origin| truth.times[origin * horizon]).collect();
    let span = (truth.origins[n - 1] - truth.origins[0]) as f64 / YEAR;
    let periods_per_year = periods as f64 / span;
    let cost = trade.fee + trade.slippage;

    let mine = returns(&market, &positions, cost);
    let hold = returns(&market, &vec![1.0; periods], cost);
    let stream = Stream::new(options.seed, Purpose::Bootstrap).part(1);
    let mut random = Vec::with_capacity(ENTRIES);
    for entry in 0..ENTRIES {
        let shuffled = shuffle(&positions, &mut stream.at(entry as u64));
        random.push(summary(
            &returns(&market, &shuffled, cost),
            &shuffled,
            periods_per_year,
        ));
    }
    let model = summary(&mine, &positions, periods_per_year);
    let held = summary(&hold, &vec![1.0; periods], periods_per_year);
    // Half of what is equal counts: a model that is always in the market is as good as its random entries, not worse than all.
    let below = |entry: &Returns| match entry.sharpe.partial_cmp(&model.sharpe) {
        Some(std::cmp::Ordering::Less) => 1.0,
        Some(std::cmp::Ordering::Equal) => 0.5,
        _ => 0.0,
    };
    let better_than_random = random.iter().map(below).sum::<f64>() / ENTRIES as f64;
    let moments = Moments::of(&mine);
    // Sharpe ratios of strategies without skill vary by that of an estimate.
    let variance = 1.0 / (periods - 1) as f64;
    let deflated_sharpe = moments
        .as_ref()
        .map(|moments| deflated(moments, options.tried.max(1), variance));
    let sentence = sentence(
        &model,
        &held,
        better_than_random,
        deflated_sharpe,
        options.tried.max(1),
    );
    Some(Trading {
        cost,
        short: trade.short,
        periods,
        periods_per_year,
        random: medians(&random),
        model,
        buy_and_hold: held,
        better_than_random,
        probabilistic_sharpe: moments.as_ref().map(|moments| probabilistic(moments, 0.0)),
        deflated_sharpe,
        minimum_track_record: moments
            .as_ref()
            .and_then(|moments| minimum_track_record(moments, 0.0, 0.95)),
        equity: equity(&mine),
        equity_buy_and_hold: equity(&hold),
        times,
        sentence,
    })
}

/// Returns after costs: each change of position costs its size, the one into the first and out of the last period, too.
fn returns(market: &[f64], positions: &[f64], cost: f64) -> Vec<f64> {
    let mut before = 0.0f64;
    let last = positions.len() - 1;
    let mut all = Vec::with_capacity(positions.len());
    for (period, (&moved, &position)) in market.iter().zip(positions).enumerate() {
        let mut paid = (position - before).abs();
        if period == last {
            paid += position.abs();
        }
        all.push((1.0 + position * moved) * (1.0 - cost * paid) - 1.0);
        before = position;
    }
    all
}

/// Money after each period, of 1 at the start; gone is gone.
fn equity(returns: &[f64]) -> Vec<f64> {
    let mut money = 1.0f64;
    returns
        .iter()
        .map(|&value| {
            money = (money * (1.0 + value)).max(0.0);
            money
        })
        .collect()
}

fn summary(returns: &[f64], positions: &[f64], periods_per_year: f64) -> Returns {
    let (mut peak, mut drawdown) = (1.0f64, 0.0f64);
    let equity = equity(returns);
    for &money in &equity {
        peak = peak.max(money);
        drawdown = drawdown.max(1.0 - money / peak);
    }
    let changes = positions
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count();
    Returns {
        money: equity.last().copied().unwrap_or(1.0),
        sharpe: Moments::of(returns).map(|moments| moments.sharpe * periods_per_year.sqrt()),
        drawdown,
        exposure: positions
            .iter()
            .filter(|&&position| position != 0.0)
            .count() as f64
            / positions.len() as f64,
        trades: changes + usize::from(positions[0] != 0.0),
    }
}

/// The same exposure and the same changes at other times: the lengths of stays in a position are shuffled among those in the same
/// position, and everything is turned by a random number of periods.
fn shuffle(positions: &[f64], generator: &mut Generator) -> Vec<f64> {
    let mut stays: Vec<(f64, usize)> = Vec::new();
    for &position in positions {
        match stays.last_mut() {
            Some((of, length)) if *of == position => *length += 1,
            _ => stays.push((position, 1)),
        }
    }
    for kind in [-1.0, 0.0, 1.0] {
        let of_kind: Vec<usize> = (0..stays.len())
            .filter(|&stay| stays[stay].0 == kind)
            .collect();
        for last in (1..of_kind.len()).rev() {
            let other = generator.below(last as u32 + 1) as usize;
            let length = stays[of_kind[last]].1;
            stays[of_kind[last]].1 = stays[of_kind[other]].1;
            stays[of_kind[other]].1 = length;
        }
    }
    let mut shuffled: Vec<f64> = stays
        .iter()
        .flat_map(|&(position, length)| std::iter::repeat_n(position, length))
        .collect();
    let turn = generator.below(positions.len() as u32) as usize;
    shuffled.rotate_left(turn);
    shuffled
}

fn medians(entries: &[Returns]) -> Returns {
    let median = |of: &dyn Fn(&Returns) -> f64| {
        let mut values: Vec<f64> = entries.iter().map(of).collect();
        crate::quantiles::sort(&mut values);
        crate::quantiles::linear(&values, 0.5)
    };
    let some = entries.iter().all(|entry| entry.sharpe.is_some());
    Returns {
        money: median(&|entry| entry.money),
        sharpe: some.then(|| median(&|entry| entry.sharpe.unwrap_or(0.0))),
        drawdown: median(&|entry| entry.drawdown),
        exposure: median(&|entry| entry.exposure),
        trades: median(&|entry| entry.trades as f64).round() as usize,
    }
}

fn sentence(
    model: &Returns,
    hold: &Returns,
    better: f64,
    deflated: Option<f64>,
    tried: usize,
) -> String {
    let Some(sharpe) = model.sharpe else {
        return "it never takes a position".into();
    };
    let lucky = if tried == 1 {
        "0".to_owned()
    } else {
        format!("what the best of {tried} configurations without skill shows")
    };
    let same = if model.exposure == 1.0 && model.trades == 1 {
        "it is always in the market: this is buying and holding".to_owned()
    } else {
        format!(
            "better than {:.0} % of random entries with the same exposure",
            100.0 * better
        )
    };
    format!(
        "1 became {:.2} after costs, {:.2} by buying and holding (Sharpe {sharpe:.2} and {:.2} a year, worst fall {:.0} and {:.0} %); {same}; its Sharpe ratio lies above {lucky} with a probability of {:.0} %",
        model.money,
        hold.money,
        hold.sharpe.unwrap_or(0.0),
        100.0 * model.drawdown,
        100.0 * hold.drawdown,
        100.0 * deflated.unwrap_or(0.0)
    )
}
