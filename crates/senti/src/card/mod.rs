//! The report card: how good every model of a backtest is, what can be said about it and what cannot.
//!
//! In comes a [`crate::backtest::Backtest`]; out goes a [`ReportCard`], which says everything twice: in numbers and in a sentence. Its
//! JSON has the names of the fields. A value that does not exist (a horizon with too few origins, a forecast that never moves) is
//! `None`, never a number that looks like one. Nothing here makes a forecast.
//!
//! Units: names ending in `_log` are in log price relative to the last close (0.01 is about 1 %), in `_price` in units of the target,
//! shares lie in 0 to 1. Skill is `1 - loss / loss of the reference`, so 0.02 is 2 % better. All `t` are positive where the model has
//! the smaller loss.

mod alarm;
mod build;
mod ledger;
mod trading;
mod verdict;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::backtest::Backtest;
use crate::table::Time;

/// Name of the track that verdicts are about: last close with the quantiles of all past moves.
pub const NAIVE: &str = "naive";

/// Name of the harder reference: volatility-scaled quantiles mixed with those of the last 730 moves.
pub const YARDSTICK: &str = "har_730";

/// Adjusted p values below this are called significant.
pub const SIGNIFICANCE: f64 = 0.05;

/// Non-overlapping origins from which on a horizon is judged. Simulated random walks, daily origins and 30 steps: see the tests.
pub const ENOUGH_ORIGINS: f64 = 20.0;

/// What a card is to show.
#[derive(Clone, Debug, PartialEq)]
pub struct CardOptions {
    /// Steps ahead to show, those beyond H left out; none for 1, 3, 7, 14, 30 and H.
    pub horizons: Option<Vec<usize>>,
    /// Configurations tried on these origins before this one was shown, this one included: at least 1.
    pub tried: usize,
    /// Models that contain the last close as a special case, to be tested by Clark–West too.
    pub nested: Vec<String>,
    /// Bootstrap samples of each confidence set; 0 for no sets.
    pub repetitions: usize,
    /// Trade on the forecasts, too.
    pub trading: Option<TradingOptions>,
    /// Seed of resampling and of random entries.
    pub seed: u64,
}

impl Default for CardOptions {
    fn default() -> Self {
        Self {
            horizons: None,
            tried: 1,
            nested: ["lstm", "basic", "drift", "ar"].map(str::to_owned).to_vec(),
            repetitions: 1000,
            trading: None,
            seed: 0,
        }
    }
}

/// How to trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TradingOptions {
    /// Fee of a change of position from flat to long, as a share of its value.
    pub fee: f64,
    /// What such a change loses between the price seen and the price got, as a share.
    pub slippage: f64,
    /// Go short where the forecast is down; otherwise stay out.
    pub short: bool,
}

impl ReportCard {
    /// The card of a backtest.
    ///
    /// # Errors
    /// Without origins, where a track does not have a forecast for every origin and step, or where a price is not a number. Quantiles
    /// at or below zero have no logarithm: they count as a billionth of the last close, and a warning says so.
    pub fn of(backtest: &Backtest, options: &CardOptions) -> Result<Self> {
        build::card(backtest, options)
    }
}

/// Everything that is said about a backtest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportCard {
    /// Name of the target column.
    pub target: String,
    /// Milliseconds of a step of the table.
    pub step: i64,
    /// Steps ahead (H).
    pub horizon: usize,
    /// Rows from one origin to the next.
    pub stride: usize,
    /// Origins.
    pub n_origins: usize,
    /// First origin's candle.
    pub first_origin: Option<Time>,
    /// Last origin's candle.
    pub last_origin: Option<Time>,
    /// Mean absolute one-step move before the first origin: the unit of MASE and RMSSE.
    pub mean_move: f64,
    /// Quantile levels.
    pub levels: Vec<f64>,
    /// The rows of every model's `horizons`, in that order.
    pub horizons: Vec<Shown>,
    /// The reference that verdicts are about (`naive`), where the backtest has it.
    pub naive: Option<String>,
    /// The harder, volatility-scaled reference (`har_730`), where the backtest has it.
    pub yardstick: Option<String>,
    /// One card a model, in the order of the backtest's tracks.
    pub models: Vec<ModelCard>,
    /// One set for each of `horizons` in which at least two models have quantiles.
    pub confidence_sets: Vec<ConfidenceSet>,
    /// How many configurations were tried, and what that means.
    pub tried: Tried,
    /// Level that adjusted p values are compared with: 0.05.
    pub significance: f64,
    /// What a reader must know before believing anything: few origins, one weekday only, a missing reference.
    pub warnings: Vec<String>,
}

/// A horizon of the tables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// `1`, `7`, … or `all`.
    pub name: String,
    /// Steps ahead; none for `all`, the mean over all steps within an origin.
    pub step: Option<usize>,
    /// Lags by which losses of neighbouring origins overlap: `ceil(step / stride) - 1`, of the last step for `all`.
    pub lags: usize,
    /// Origins whose outcomes do not overlap: `n · stride / step`, at most n.
    pub n_independent: f64,
    /// Are there enough of them for a verdict?
    pub judged: bool,
}

/// One model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Its name.
    pub model: String,
    /// Is it `naive` or the yardstick?
    pub role: Part,
    /// What is said of it.
    pub verdict: Verdict,
    /// One for each of the card's `horizons`.
    pub horizons: Vec<HorizonCard>,
    /// One for every step ahead, for curves: (H).
    pub steps: Vec<StepCard>,
    /// Results too good to be true.
    pub alarms: Vec<Alarm>,
    /// Is the point forecast the last price, shifted?
    pub copycat: Copycat,
    /// What trading on it would have brought, where asked for.
    pub trading: Option<Trading>,
}

/// What a model is in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The reference of the verdicts.
    Naive,
    /// The harder reference.
    Yardstick,
    /// Under test.
    Model,
}

/// The verdict's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Better than naive at one of the horizons at least, after correcting for everything that was tested.
    BeatsNaive,
    /// Neither shown to be better nor unlikely to be.
    Inconclusive,
    /// Not better: worse on average over the judged horizons, or significantly worse at one and better at none.
    NoBetter,
    /// It is the reference, or there is none: nothing is judged.
    NotJudged,
}

/// What is said of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// The word as text: `beats naive`, `inconclusive`, `no better`, `not judged`.
    pub title: String,
    /// In a sentence, about the distribution (CRPS).
    pub sentence: String,
    /// In a sentence, about the point forecast: is it better than the last close?
    pub point: String,
    /// Steps ahead up to which every judged horizon is beaten, from the shortest on.
    pub up_to: Option<usize>,
    /// Names of the horizons at which naive is beaten.
    pub better: Vec<String>,
    /// Names of the horizons at which naive is better.
    pub worse: Vec<String>,
}

/// One model at one horizon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HorizonCard {
    /// `1`, `7`, … or `all`.
    pub name: String,
    /// Steps ahead; none for `all`.
    pub step: Option<usize>,
    /// Origins scored.
    pub n: usize,
    /// Scores of the point forecast.
    pub point: PointScores,
    /// Scores of the quantiles; none of a model without.
    pub distribution: Option<DistributionScores>,
    /// Up or down; none where the point never moves from the last close.
    pub direction: Option<Direction>,
    /// CRPS against `naive`; none for naive itself.
    pub against_naive: Option<Skill>,
    /// CRPS against the yardstick; none for the yardstick itself.
    pub against_yardstick: Option<Skill>,
}

/// Scores of a point forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PointScores {
    /// Mean `|actual - point|`.
    pub mae_price: f64,
    /// Root of the mean `(actual - point)²`.
    pub rmse_price: f64,
    /// Mean `100 |actual - point| / actual`, in percent.
    pub mape: f64,
    /// `mae_price / mean_move` (Hyndman and Koehler 2006); none where the price never moved.
    pub mase: Option<f64>,
    /// `rmse_price / mean_move`; none where the price never moved.
    pub rmsse: Option<f64>,
    /// Mean `|ln(point / actual)|`.
    pub mae_log: f64,
    /// Root of the mean `ln(point / actual)²`.
    pub rmse_log: f64,
    /// `mae_log` over that of the last close; below 1 is better.
    pub relative_mae: Option<f64>,
    /// `mae_price` over that of the last close; below 1 is better.
    pub relative_mae_price: Option<f64>,
    /// `1 - sum ln(point / actual)² / sum ln(last close / actual)²`: out-of-sample R² of log returns.
    pub r2_out_of_sample: Option<f64>,
    /// Diebold–Mariano of `|ln(point / actual)|` against the last close's.
    pub against_last_close: Test,
    /// Clark–West against the last close, of models that contain it as a special case.
    pub clark_west: Option<Test>,
}

/// A test of two forecasts, by origins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// Statistic; positive where the model is better. None where it has no value (no difference at all, or too few origins).
    pub t: Option<f64>,
    /// Two-sided p value.
    pub p: Option<f64>,
    /// p value against "the model is better".
    pub p_better: Option<f64>,
    /// p value against "the model is worse".
    pub p_worse: Option<f64>,
    /// p value against "the model is better" of a test that keeps its size where few origins do not overlap and differences are skewed
    /// ([`crate::statistics::comparison::cautious_test`]).
    pub p_better_cautious: Option<f64>,
    /// `p` after Holm over all models at this horizon.
    pub p_holm_horizon: Option<f64>,
    /// The larger of `p_better` and `p_better_cautious` after Holm over all models and judged horizons, times the configurations tried:
    /// what the verdict compares with [`SIGNIFICANCE`]. None where the horizon is not judged.
    pub p_holm: Option<f64>,
}

/// CRPS beside a reference's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skill {
    /// Name of the reference.
    pub against: String,
    /// Its `crps_log`.
    pub reference_crps_log: f64,
    /// `1 - crps_log / reference_crps_log`.
    pub skill: Option<f64>,
    /// Diebold–Mariano with Harvey, Leybourne and Newbold's correction.
    pub diebold_mariano: Test,
    /// Giacomini–White's conditional test: statistic and p value of "whichever was better lately does not help to tell which will be".
    pub giacomini_white: Option<Conditional>,
}

/// A conditional test: chi-squared with two degrees of freedom.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conditional {
    /// Statistic.
    pub statistic: f64,
    /// p value.
    pub p: f64,
}

/// Scores of quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DistributionScores {
    /// Twice the mean pinball loss over the levels.
    pub crps_log: f64,
    /// The same in prices.
    pub crps_price: f64,
    /// Pinball loss and share below, one a level.
    pub levels: Vec<LevelScores>,
    /// Central intervals whose ends are among the levels: of 50, 80, 90 and 95 %.
    pub intervals: Vec<IntervalScores>,
    /// Where outcomes fell between the quantiles.
    pub pit: Pit,
}

/// One quantile level.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelScores {
    /// The level, which is also the nominal share below.
    pub level: f64,
    /// Mean pinball loss.
    pub pinball_log: f64,
    /// The same in prices.
    pub pinball_price: f64,
    /// Share of outcomes at or below the quantile.
    pub share_below: f64,
}

/// One central interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IntervalScores {
    /// Nominal coverage.
    pub nominal: f64,
    /// Share of outcomes inside, ends included.
    pub coverage: f64,
    /// Lower end of coverage's 95 % confidence interval (Wilson, at `n_independent`).
    pub coverage_low: f64,
    /// Its upper end.
    pub coverage_high: f64,
    /// Mean width.
    pub width_log: f64,
    /// Mean width.
    pub width_price: f64,
    /// Width and `2 / (1 - nominal)` times the distance outside (Winkler 1972).
    pub winkler_log: f64,
    /// The same in prices.
    pub winkler_price: f64,
    /// p value of Kupiec's test that the coverage is as promised, on every ceil(step / stride)-th origin; none for `all`.
    pub kupiec_p: Option<f64>,
    /// p value of Christoffersen's test that misses do not come in clusters, on the same origins.
    pub christoffersen_p: Option<f64>,
}

/// Histogram of the probability integral transform: the share of outcomes between neighbouring quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pit {
    /// Edges of the bins: 0, the levels, 1: (Q + 2).
    pub edges: Vec<f64>,
    /// Share of outcomes in each bin; `edges[i + 1] - edges[i]` is what an honest forecast has: (Q + 1).
    pub shares: Vec<f64>,
    /// p value of Pearson's chi-squared test of those shares, scaled to `n_independent`; none where that is too small for the bins.
    pub p: Option<f64>,
}

/// Up or down from the last close.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Direction {
    /// Origins (cells of `all`) whose point moves from the last close by more than a millionth.
    pub n: usize,
    /// Share of them on the right side.
    pub accuracy: f64,
    /// Lower end of its 95 % confidence interval (Wilson) at the number of origins that do not overlap.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Share of all outcomes above the last close.
    pub up: f64,
    /// What always saying the more frequent side would have got.
    pub base_rate: f64,
    /// p value of Pesaran and Timmermann's test that the signs know something, one-sided, on every ceil(step / stride)-th origin.
    pub pesaran_timmermann_p: Option<f64>,
}

/// A model at one step ahead, for curves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepCard {
    /// Steps ahead.
    pub step: usize,
    /// Mean `|actual - point|`.
    pub mae_price: f64,
    /// Mean `|ln(point / actual)|`.
    pub mae_log: f64,
    /// `mae_log` over that of the last close.
    pub relative_mae: Option<f64>,
    /// Twice the mean pinball loss.
    pub crps_log: Option<f64>,
    /// `1 - crps_log / naive's`.
    pub skill: Option<f64>,
    /// Coverage of the central 50 % interval.
    pub coverage_50: Option<f64>,
    /// Of the central 80 %.
    pub coverage_80: Option<f64>,
    /// Of the central 90 %.
    pub coverage_90: Option<f64>,
    /// Share of right signs.
    pub direction: Option<f64>,
}

/// A result too good to be true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// What was looked at: `mae`, `r2`, `direction`, `skill`, `sharpe`.
    pub what: String,
    /// Name of the horizon.
    pub horizon: String,
    /// The value found.
    pub value: f64,
    /// The value from which on a leak is likelier than skill.
    pub limit: f64,
    /// In a sentence.
    pub sentence: String,
}

/// Is the point forecast the last price, shifted?
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Copycat {
    /// Is it?
    pub shifted: bool,
    /// Correlation, from origin to origin, of the change of the one-step forecast with the change of the price that came.
    pub correlation_actual: Option<f64>,
    /// The same with the change of the last close.
    pub correlation_last: Option<f64>,
    /// Median distance of the one-step forecast from the last close, in typical (median absolute) one-step moves.
    pub distance: Option<f64>,
    /// In a sentence.
    pub sentence: String,
}

/// How many configurations were tried.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tried {
    /// How many.
    pub configurations: usize,
    /// Comparisons with naive in the table: models × judged horizons.
    pub comparisons: usize,
    /// What it means, in a sentence.
    pub sentence: String,
}

/// The models of which none can be told to be worse than the best (Hansen, Lunde and Nason 2011), by CRPS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceSet {
    /// Name of the horizon.
    pub name: String,
    /// Share of cases in which the set holds the best model: 0.90.
    pub confidence: f64,
    /// Every model with quantiles, worst first.
    pub members: Vec<Member>,
}

/// A model in a [`ConfidenceSet`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub model: String,
    /// Its p value in the set.
    pub p: f64,
    /// Is it in the set?
    pub included: bool,
}

/// What trading on a model would have brought. Positions are taken one candle after the forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trading {
    /// Costs of a change of position from flat to long, as a share of its value: fee + slippage.
    pub cost: f64,
    /// Are there short positions?
    pub short: bool,
    /// Periods, one from each origin to the next.
    pub periods: usize,
    /// Periods of a year.
    pub periods_per_year: f64,
    /// The model.
    pub model: Returns,
    /// Bought before the first period and kept.
    pub buy_and_hold: Returns,
    /// Random entries with the same exposure and as many changes of position: the median.
    pub random: Returns,
    /// Share of the random entries whose Sharpe ratio is lower; equal ones count by half.
    pub better_than_random: f64,
    /// Probability that the true Sharpe ratio is above 0 (Bailey and López de Prado 2012).
    pub probabilistic_sharpe: Option<f64>,
    /// The same, deflated for the configurations tried (2014).
    pub deflated_sharpe: Option<f64>,
    /// Periods that it takes to tell this Sharpe ratio from 0 at 95 %; none where it is not above 0.
    pub minimum_track_record: Option<f64>,
    /// Money after each period, of 1 at the start: (periods).
    pub equity: Vec<f64>,
    /// The same of buying and holding: (periods).
    pub equity_buy_and_hold: Vec<f64>,
    /// Ends of the periods: (periods).
    pub times: Vec<Time>,
    /// In a sentence.
    pub sentence: String,
}

/// Returns of a strategy, after costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Returns {
    /// Money at the end, of 1 at the start.
    pub money: f64,
    /// Yearly Sharpe ratio; none where nothing ever moves.
    pub sharpe: Option<f64>,
    /// Largest fall from a peak, as a share of the peak.
    pub drawdown: f64,
    /// Share of periods with a position.
    pub exposure: f64,
    /// Changes of position.
    pub trades: usize,
}
