//! Gradient-boosted trees for all quantile levels at once.
//!
//! In: rows of f features, a target, and for each row the quantiles to begin with. Out: trees of one fixed depth, whose leaves hold a
//! correction for every level. Each tree splits where the shares of targets below a low, a middle and a high quantile differ most (the
//! sum of three χ² statistics, in whole counts, so that no order of summation matters); a leaf's correction is the quantile of what
//! is left in it, times the learning rate (Friedman 2001, sections 4.3 and 5). Trees are added as long as they help rows that are held out.
//!
//! One thread, no instruction set: the same arguments give the same bits on any machine.

use crate::random::{Purpose, Stream};

/// Bins of a feature, at most.
const BINS: usize = 64;

/// Levels that decide splits: those nearest to these.
const DECIDING: [f64; 3] = [0.1, 0.5, 0.9];

/// Rows to learn from or to stop by.
#[derive(Clone, Debug, Default)]
pub struct Rows {
    /// Features: (n, f), finite.
    pub features: Vec<f32>,
    /// Targets: (n).
    pub target: Vec<f32>,
    /// Quantiles before any tree, rising: (n, Q).
    pub begin: Vec<f32>,
    /// Runs of all rows, in order.
    pub runs: Vec<Run>,
}

/// Rows side by side of which neighbours tell nearly the same, as moves of many steps do that begin one step apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Rows of the run.
    pub len: usize,
    /// Every so many-th row is news. Each tree is grown on those, from a random one on; a row's loss counts one part in this many.
    pub spacing: usize,
}

/// How to grow.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// Quantile levels, rising (Q).
    pub levels: Vec<f64>,
    /// Splits above each leaf: a tree has 2^depth leaves.
    pub depth: usize,
    /// Share of a leaf's correction that is taken.
    pub learning_rate: f32,
    /// Trees, at most.
    pub trees: usize,
    /// Trees without gain on the held-out rows before it ends.
    pub patience: usize,
    /// Share of the rows drawn that a leaf needs, at least.
    pub least: f64,
    /// Sum of three χ² that a split needs, at least.
    pub significance: f64,
    /// Of the draws.
    pub seed: u64,
}

/// Trees of one depth.
#[derive(Clone, Debug, PartialEq)]
pub struct Forest {
    /// Features of a row (f).
    pub n_features: usize,
    /// Quantile levels (Q).
    pub n_levels: usize,
    /// Splits above each leaf.
    pub depth: usize,
    /// Feature of each split, the root first, then its children from left to right: (trees, 2^depth - 1).
    pub split: Vec<u32>,
    /// A row goes left where its feature is at most this, the largest number where there is no split: (trees, 2^depth - 1).
    pub threshold: Vec<f32>,
    /// Corrections: (trees, 2^depth, Q).
    pub leaf: Vec<f32>,
}

impl Forest {
    fn new(n_features: usize, n_levels: usize, depth: usize) -> Forest {
        Forest {
            n_features,
            n_levels,
            depth,
            split: Vec::new(),
            threshold: Vec::new(),
            leaf: Vec::new(),
        }
    }

    fn nodes(&self) -> usize {
        (1 << self.depth) - 1
    }

    /// Number of trees.
    pub fn len(&self) -> usize {
        self.split.len() / self.nodes()
    }

    /// No trees.
    pub fn is_empty(&self) -> bool {
        self.split.is_empty()
    }

    /// Do the lengths fit each other, and the splits the features?
    pub fn is_sound(&self) -> bool {
        (1..=16).contains(&self.depth)
            && self.split.len().is_multiple_of(self.nodes())
            && self.threshold.len() == self.split.len()
            && self.leaf.len() == self.len() * (self.nodes() + 1) * self.n_levels
            && (self.split.iter()).all(|&feature| (feature as usize) < self.n_features)
            && self.threshold.iter().all(|threshold| threshold.is_finite())
            && self.leaf.iter().all(|value| value.is_finite())
    }

    /// The leaf of a row in one tree.
    fn find(&self, tree: usize, row: &[f32]) -> usize {
        let nodes = self.nodes();
        let mut node = 0;
        for _ in 0..self.depth {
            let at = tree * nodes + node;
            let right = row[self.split[at] as usize] > self.threshold[at];
            node = 2 * node + 1 + usize::from(right);
        }
        node - nodes
    }

    /// Adds the corrections of one tree to the quantiles of a row: (Q).
    fn add(&self, tree: usize, row: &[f32], quantiles: &mut [f32]) {
        let leaf = tree * (self.nodes() + 1) + self.find(tree, row);
        let corrections = &self.leaf[leaf * self.n_levels..][..self.n_levels];
        for (quantile, correction) in quantiles.iter_mut().zip(corrections) {
            *quantile += correction;
        }
    }

    /// Adds the corrections of all trees to the quantiles of a row (Q) and puts them in order.
    ///
    /// # Panics
    /// When the row has not f features, or there are not Q quantiles.
    pub fn predict(&self, row: &[f32], quantiles: &mut [f32]) {
        assert_eq!(row.len(), self.n_features, "features of the row");
        assert_eq!(quantiles.len(), self.n_levels, "quantiles of the row");
        for tree in 0..self.len() {
            self.add(tree, row, quantiles);
        }
        quantiles.sort_unstable_by(f32::total_cmp);
    }

    fn truncate(&mut self, trees: usize) {
        let nodes = self.nodes();
        self.split.truncate(trees * nodes);
        self.threshold.truncate(trees * nodes);
        self.leaf.truncate(trees * (nodes + 1) * self.n_levels);
    }
}

/// Features in bins: a row's bin is the number of thresholds below its value.
struct Binned {
    /// (f, n)
    codes: Vec<u8>,
    /// Thresholds of each feature, rising.
    thresholds: Vec<Vec<f32>>,
}

impl Binned {
    /// Cuts each feature at its quantiles; equal values stay together.
    fn new(features: &[f32], n_features: usize) -> Binned {
        let n = features.len() / n_features;
        let mut codes = vec![0; features.len()];
        let mut thresholds = Vec::with_capacity(n_features);
        let mut sorted = Vec::with_capacity(n);
        for (feature, codes) in codes.chunks_exact_mut(n).enumerate() {
            let values = || features.iter().skip(feature).step_by(n_features).copied();
            sorted.clear();
            sorted.extend(values());
            sorted.sort_unstable_by(f32::total_cmp);
            let highest = sorted[n - 1];
            let mut cuts: Vec<f32> = (1..BINS).map(|bin| sorted[bin * (n - 1) / BINS]).collect();
            cuts.dedup();
            // nothing lies above the highest value
            cuts.retain(|&cut| cut < highest);
            for (code, value) in codes.iter_mut().zip(values()) {
                *code = cuts.partition_point(|&cut| cut < value) as u8;
            }
            thresholds.push(cuts);
        }
        Binned { codes, thresholds }
    }

    fn column(&self, feature: usize, n: usize) -> &[u8] {
        &self.codes[feature * n..][..n]
    }
}

/// Rows, and those of them below each deciding quantile.
type Count = [u32; 4];

fn plus(a: &mut Count, b: &Count) {
    a.iter_mut().zip(b).for_each(|(a, b)| *a += b);
}

/// Counts of a node by feature and bin: (f, BINS).
struct Histogram(Vec<Count>);

impl Histogram {
    fn count(binned: &Binned, n: usize, rows: &[u32], marks: &[Count]) -> Histogram {
        let mut counts = vec![[0; 4]; binned.thresholds.len() * BINS];
        for (feature, counts) in counts.chunks_exact_mut(BINS).enumerate() {
            let codes = binned.column(feature, n);
            for &row in rows {
                plus(
                    &mut counts[codes[row as usize] as usize],
                    &marks[row as usize],
                );
            }
        }
        Histogram(counts)
    }

    /// What is left when the rows of a child are taken away.
    fn less(&self, child: &Histogram) -> Histogram {
        let difference = |(a, b): (&Count, &Count)| std::array::from_fn(|k| a[k] - b[k]);
        Histogram(self.0.iter().zip(&child.0).map(difference).collect())
    }
}

/// The best split of a node: feature, bin of the last row on the left, χ².
#[derive(Clone, Copy)]
struct Split {
    feature: usize,
    bin: usize,
    chi2: f64,
}

/// Σ over the deciding levels of (below - level · rows)² / (rows · level · (1 - level)).
fn surprise(count: &Count, levels: &[f64; 3]) -> f64 {
    let rows = f64::from(count[0]);
    let one = |(below, level): (&u32, &f64)| {
        (f64::from(*below) - level * rows).powi(2) / (rows * level * (1.0 - level))
    };
    count[1..].iter().zip(levels).map(one).sum()
}

fn best_split(
    histogram: &Histogram,
    binned: &Binned,
    levels: &[f64; 3],
    least: u32,
) -> Option<Split> {
    let mut best: Option<Split> = None;
    for (feature, counts) in histogram.0.chunks_exact(BINS).enumerate() {
        let mut total = [0; 4];
        counts.iter().for_each(|count| plus(&mut total, count));
        if total[0] < 2 * least {
            return None;
        }
        let whole = surprise(&total, levels);
        let mut left = [0; 4];
        for (bin, count) in counts
            .iter()
            .enumerate()
            .take(binned.thresholds[feature].len())
        {
            plus(&mut left, count);
            let right: Count = std::array::from_fn(|k| total[k] - left[k]);
            if left[0] < least || right[0] < least {
                continue;
            }
            let chi2 = surprise(&left, levels) + surprise(&right, levels) - whole;
            if best.is_none_or(|best| chi2 > best.chi2) {
                best = Some(Split { feature, bin, chi2 });
            }
        }
    }
    best
}

/// Mean loss of rows whose runs count by their spacing.
fn loss(rows: &Rows, quantiles: &[f32], levels: &[f64]) -> f64 {
    let (mut first, mut sum, mut weights) = (0, 0.0, 0.0);
    for run in rows.runs.iter().filter(|run| run.len > 0) {
        let part = first..first + run.len;
        let weight = run.len as f64 / run.spacing as f64;
        let quantiles = &quantiles[part.start * levels.len()..part.end * levels.len()];
        sum += weight * pinball(&rows.target[part], quantiles, levels);
        weights += weight;
        first += run.len;
    }
    sum / weights
}

/// Mean pinball loss over rows and levels, of quantiles (n, Q).
pub fn pinball(target: &[f32], quantiles: &[f32], levels: &[f64]) -> f64 {
    let mut sum = 0.0;
    for (&target, quantiles) in target.iter().zip(quantiles.chunks_exact(levels.len())) {
        for (&quantile, &level) in quantiles.iter().zip(levels) {
            let error = f64::from(target) - f64::from(quantile);
            sum += (level * error).max((level - 1.0) * error);
        }
    }
    sum / (target.len() * levels.len()) as f64
}

/// Grows trees on `train` until `valid` gains nothing more; `go_on` is asked before each tree, with the number of trees so far, and
/// ends the growth by saying false (none is returned then).
///
/// ```
/// use senti_engine::boosting::{Growth, Rows, Run, grow};
/// // the feature tells how wide the target is spread
/// let rows = |n: usize| Rows {
///     features: (0..n).map(|i| (i % 2) as f32).collect(),
///     target: (0..n).map(|i| (i % 7) as f32 * (1 + i % 2) as f32).collect(),
///     begin: [1.0, 9.0].repeat(n),
///     runs: vec![Run { len: n, spacing: 1 }],
/// };
/// let growth = Growth { levels: vec![0.1, 0.9], depth: 1, learning_rate: 0.5, trees: 50, patience: 10, least: 0.1, significance: 5.0, seed: 1 };
/// let forest = grow(&rows(1400), &rows(700), 1, &growth, |_| true).unwrap();
/// let mut quantiles = [1.0, 9.0];
/// forest.predict(&[0.0], &mut quantiles);
/// assert!((quantiles[0] - 0.0).abs() < 0.1 && (quantiles[1] - 6.0).abs() < 0.1, "{quantiles:?}");
/// ```
///
/// # Panics
/// When lengths do not fit each other, or there are no rows.
pub fn grow(
    train: &Rows,
    valid: &Rows,
    n_features: usize,
    growth: &Growth,
    mut go_on: impl FnMut(usize) -> bool,
) -> Option<Forest> {
    let (n, q) = (train.target.len(), growth.levels.len());
    for rows in [train, valid] {
        let n = rows.target.len();
        assert!(n > 0, "trees grow on rows");
        assert_eq!(rows.features.len(), n * n_features, "features of the rows");
        assert_eq!(rows.begin.len(), n * q, "first quantiles of the rows");
        let in_runs: usize = rows.runs.iter().map(|run| run.len).sum();
        assert_eq!(in_runs, n, "rows of the runs");
        let spaced = rows.runs.iter().all(|run| run.spacing > 0);
        assert!(spaced, "a run takes every first row at least");
    }
    assert!(
        (1..=8).contains(&growth.depth),
        "a tree of 1 to 8 splits above a leaf"
    );
    let binned = Binned::new(&train.features, n_features);
    let deciding = DECIDING.map(|level| nearest(&growth.levels, level));
    let levels = deciding.map(|at| growth.levels[at]);
    // quantiles so far: (Q, n), and of the held-out rows (n, Q)
    let mut now: Vec<Vec<f32>> = (0..q)
        .map(|level| train.begin.iter().skip(level).step_by(q).copied().collect())
        .collect();
    let mut held = valid.begin.clone();
    let draws = Stream::new(growth.seed, Purpose::Bootstrap);
    let mut forest = Forest::new(n_features, q, growth.depth);
    let (mut best_loss, mut best_trees) = (loss(valid, &held, &growth.levels), 0);
    let mut marks = vec![[0; 4]; n];
    let mut leaf_of = vec![0_u8; n];
    while forest.len() < growth.trees && forest.len() < best_trees + growth.patience {
        if !go_on(forest.len()) {
            return None;
        }
        let tree = forest.len();
        let mut draw = draws.at(tree as u64);
        let (mut rows, mut end) = (Vec::new(), 0);
        for run in train.runs.iter().filter(|run| run.len > 0) {
            let phase = draw.below(run.spacing.min(run.len) as u32);
            rows.extend((end as u32 + phase..(end + run.len) as u32).step_by(run.spacing));
            end += run.len;
        }
        for &row in &rows {
            let row = row as usize;
            let below = deciding.map(|level| u32::from(train.target[row] < now[level][row]));
            marks[row] = [1, below[0], below[1], below[2]];
        }
        let parts = split_rows(&mut forest, &binned, rows, &marks, &levels, growth);
        correct(&mut forest, &parts, &train.target, &now, growth);
        // every row moves, drawn or not
        for (row, leaf) in leaf_of.iter_mut().enumerate() {
            let features = &train.features[row * n_features..][..n_features];
            *leaf = forest.find(tree, features) as u8;
        }
        let leaves = &forest.leaf[tree * (forest.nodes() + 1) * q..];
        for (level, now) in now.iter_mut().enumerate() {
            for (now, &leaf) in now.iter_mut().zip(&leaf_of) {
                *now += leaves[leaf as usize * q + level];
            }
        }
        for (row, held) in held.chunks_exact_mut(q).enumerate() {
            forest.add(
                tree,
                &valid.features[row * n_features..][..n_features],
                held,
            );
        }
        let now = loss(valid, &held, &growth.levels);
        if now < best_loss {
            (best_loss, best_trees) = (now, forest.len());
        }
    }
    forest.truncate(best_trees);
    Some(forest)
}

fn nearest(levels: &[f64], wanted: f64) -> usize {
    let distance = |at: &usize| (levels[*at] - wanted).abs();
    (0..levels.len())
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
        .unwrap_or(0)
}

/// Adds the splits of one more tree and returns the rows of its leaves.
fn split_rows(
    forest: &mut Forest,
    binned: &Binned,
    rows: Vec<u32>,
    marks: &[Count],
    levels: &[f64; 3],
    growth: &Growth,
) -> Vec<Vec<u32>> {
    let n = marks.len();
    let least = ((rows.len() as f64 * growth.least).ceil() as u32).max(1);
    let histogram = Histogram::count(binned, n, &rows, marks);
    let mut level = vec![(rows, Some(histogram))];
    for depth in 0..growth.depth {
        let mut below = Vec::with_capacity(2 * level.len());
        for (rows, histogram) in level {
            let split = histogram
                .as_ref()
                .and_then(|histogram| best_split(histogram, binned, levels, least))
                .filter(|split| split.chi2 >= growth.significance);
            let (Some(split), Some(histogram)) = (split, histogram) else {
                forest.split.push(0);
                forest.threshold.push(f32::MAX);
                below.push((rows, None));
                below.push((Vec::new(), None));
                continue;
            };
            forest.split.push(split.feature as u32);
            forest
                .threshold
                .push(binned.thresholds[split.feature][split.bin]);
            let codes = binned.column(split.feature, n);
            let (left, right): (Vec<u32>, Vec<u32>) = rows
                .into_iter()
                .partition(|&row| codes[row as usize] as usize <= split.bin);
            if depth + 1 == growth.depth {
                below.push((left, None));
                below.push((right, None));
                continue;
            }
            let is_left = left.len() <= right.len();
            let small = if is_left { &left } else { &right };
            let small = Histogram::count(binned, n, small, marks);
            let large = histogram.less(&small);
            let (a, b) = if is_left {
                (small, large)
            } else {
                (large, small)
            };
            below.push((left, Some(a)));
            below.push((right, Some(b)));
        }
        level = below;
    }
    level.into_iter().map(|(rows, _)| rows).collect()
}

/// Adds the corrections of one more tree: quantiles of the rows of each leaf, by nearest rank, times the learning rate.
fn correct(
    forest: &mut Forest,
    parts: &[Vec<u32>],
    target: &[f32],
    now: &[Vec<f32>],
    growth: &Growth,
) {
    let mut left = Vec::new();
    for rows in parts {
        for (now, level) in now.iter().zip(&growth.levels) {
            if rows.is_empty() {
                forest.leaf.push(0.0);
                continue;
            }
            left.clear();
            left.extend(
                rows.iter()
                    .map(|&row| target[row as usize] - now[row as usize]),
            );
            let rank = (level * (left.len() - 1) as f64).round() as usize;
            let (_, quantile, _) = left.select_nth_unstable_by(rank, f32::total_cmp);
            forest.leaf.push(*quantile * growth.learning_rate);
        }
    }
}
