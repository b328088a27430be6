//! For comparison: the ranking of a random forest, as the original program made it, without its same-day flaw.
//!
//! In come the windows of the training part; out goes how much each feature of the origin's row lowers the squared error of trees that
//! forecast the move of the next step. The original fitted the close on other columns of the same day, which is no forecast. This one
//! says nothing of the model, and it is biased: impurity is counted on the rows that the trees were grown on, so that features with many
//! different values get a share though they know nothing (Strobl et al. 2007). [`Forest::held_out_r2`] says how much of it is real.

use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::part;
use crate::artifact::Manifest;
use crate::observe::{Event, Next, Observer, interrupted};
use crate::windows::{Labelled, Windows};
use crate::{Error, Result};

/// Trees, as scikit-learn's and the original's default.
pub const TREES: usize = 100;

/// Trees that are grown between two looks at the observer.
const AT_ONCE: usize = 10;

/// Most rows that a forest is grown on, or asked for; more are thinned out evenly.
const MOST_ROWS: usize = 5_000;

/// Fewest rows that make a ranking worth its name.
const FEWEST_ROWS: usize = 50;

/// The ranking of a forest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// Trees.
    pub trees: usize,
    /// Rows that they were grown on: origins of the training part.
    pub rows: usize,
    /// Share of the impurity that each feature took away; together 1 (0 where no tree found a split).
    pub features: Vec<f64>,
    /// 1 - Σ(y - forecast)² / Σy² of the next step's log return on held-out windows: against "no move". Not above 0, the forest has
    /// learned nothing that lasts, and its ranking is of noise.
    pub held_out_r2: f64,
    /// Windows that it was found on: all held-out ones, or as many as a forest is grown on. A few hundred are too few where single
    /// moves are large: on 300 hours of Bitcoin it was 0.19, on 8,587 of the same year -0.12.
    pub held_out: usize,
}

/// What [`grow`] gives.
pub struct Grown {
    /// Shares of the features, together 1.
    pub features: Vec<f64>,
    /// Forecasts for the rows that were asked for.
    pub predicted: Vec<f64>,
}

/// Grows a forest on rows of features and forecasts `ask`. Every tree sees a bootstrap sample of the rows and all features at every
/// split, down to single rows, as scikit-learn's `RandomForestRegressor` does by default. `go_on` is told how many trees there are.
pub fn grow(
    rows: &[Vec<f64>],
    target: &Vec<f64>,
    ask: &[Vec<f64>],
    seed: u64,
    go_on: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<Grown> {
    let failed = |cause: smartcore::error::Failed| {
        Error::internal("the random forest could not be grown").because(cause)
    };
    let n_features = rows.first().map_or(0, Vec::len);
    let matrix = |rows: &[Vec<f64>]| DenseMatrix::from_2d_vec(&rows.to_vec()).map_err(failed);
    let (grown_on, asked) = (matrix(rows)?, matrix(ask)?);
    let mut features = vec![0.0; n_features];
    let mut predicted = vec![0.0; ask.len()];
    // A few trees at a time, so that Ctrl-C is heard; means of means of equally many trees are means.
    let parts = TREES / AT_ONCE;
    for part in 0..parts {
        go_on(part * AT_ONCE)?;
        let parameters = RandomForestRegressorParameters::default()
            .with_n_trees(AT_ONCE)
            .with_m(n_features)
            .with_min_samples_leaf(1)
            .with_min_samples_split(2)
            .with_seed(seed.wrapping_mul(parts as u64).wrapping_add(part as u64));
        let forest = RandomForestRegressor::fit(&grown_on, target, parameters).map_err(failed)?;
        let shares = forest.compute_feature_importances().map_err(failed)?;
        for (sum, share) in features.iter_mut().zip(shares) {
            *sum += share;
        }
        let values = forest.predict(&asked).map_err(failed)?;
        for (sum, value) in predicted.iter_mut().zip(values) {
            *sum += value / parts as f64;
        }
    }
    let all: f64 = features.iter().sum();
    if all > 0.0 {
        features.iter_mut().for_each(|share| *share /= all);
    }
    Ok(Grown {
        features,
        predicted,
    })
}

/// Grows a forest on the training part, to be tried on the windows from position `held_out` on; none where its rows are not in the table.
pub(super) fn measure(
    manifest: &Manifest,
    all: &Windows<'_>,
    held_out: usize,
    seed: u64,
    observe: &mut Observer<'_>,
) -> Result<Option<Forest>> {
    let train = part(manifest, "train")?;
    let span = train.first_origin..=train.last_origin;
    let origins: Vec<Labelled<'_>> = all
        .iter()
        .filter(|labelled| span.contains(&labelled.window().time()))
        .collect();
    if origins.len() < FEWEST_ROWS {
        return Ok(None);
    }
    let stride = |n: usize| n.div_ceil(MOST_ROWS).max(1);
    let apart = stride(origins.len());
    let origins: Vec<Labelled<'_>> = origins.into_iter().step_by(apart).collect();
    let held = (held_out..all.len()).step_by(stride(all.len() - held_out));
    let held: Vec<Labelled<'_>> = held.map(|position| all.get(position)).collect();
    let features = |labelled: &Labelled<'_>| {
        let past = labelled.window().past();
        past.last().map(<[f64]>::to_vec).unwrap_or_default()
    };
    let next =
        |labelled: &Labelled<'_>| (labelled.future()[0] / labelled.window().last_close()).ln();
    let rows: Vec<Vec<f64>> = origins.iter().map(features).collect();
    let target: Vec<f64> = origins.iter().map(next).collect();
    let ask: Vec<Vec<f64>> = held.iter().map(features).collect();
    let mut go_on = |trees: usize| {
        let news = Event::Working {
            what: "growing a forest for comparison",
            done: trees * rows.len() / TREES,
            of: rows.len(),
        };
        match observe(news) {
            Next::Stop => Err(interrupted("growing the forest")),
            Next::Continue => Ok(()),
        }
    };
    let grown = grow(&rows, &target, &ask, seed, &mut go_on)?;
    let (mut missed, mut moved) = (0.0, 0.0);
    for (labelled, predicted) in held.iter().zip(&grown.predicted) {
        let actual = next(labelled);
        missed += (actual - predicted).powi(2);
        moved += actual.powi(2);
    }
    Ok(Some(Forest {
        trees: TREES,
        rows: rows.len(),
        features: grown.features,
        held_out_r2: if moved > 0.0 {
            1.0 - missed / moved
        } else {
            0.0
        },
        held_out: held.len(),
    }))
}
