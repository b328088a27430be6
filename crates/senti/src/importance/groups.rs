//! Columns that are shuffled together.
//!
//! Of two columns that say nearly the same, neither seems to matter when it is shuffled alone: the model reads the other one. So they go
//! together. In come the columns and the rows that the windows look at; out go [`Group`]s that hold every column once.

use serde::{Deserialize, Serialize};

use crate::matrix::Matrix;

/// Columns whose mean |Spearman's rho| is above this are of one group.
pub const ALIKE: f64 = 0.7;

/// Which columns are shuffled together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// Those that are alike: average linkage of 1 - |rho| (Spearman, on the rows that the windows look at), cut at 1 - [`ALIKE`].
    Correlation,
    /// Those that speak of the same thing: `returns`, `volatility`, …
    Kind,
    /// Every column alone.
    None,
}

impl GroupBy {
    /// All of them.
    pub const ALL: [GroupBy; 3] = [GroupBy::Correlation, GroupBy::Kind, GroupBy::None];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            GroupBy::Correlation => "correlation",
            GroupBy::Kind => "kind",
            GroupBy::None => "none",
        }
    }
}

/// Columns that are shuffled together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The kind, the column, or the column that is most like the others with their number: `log_atr_14 +3`.
    pub name: String,
    /// Columns of the matrix, rising; none for the candles that expected moves are made of, see [`CANDLES`].
    pub columns: Vec<usize>,
}

/// Name of the group of the recent candles, from which models of returns know the volatility without any column.
pub const CANDLES: &str = "candles (expected moves)";

/// The groups, in the order of their first columns. `names` and `kinds` are of the columns of `matrix`.
pub fn groups(
    group_by: GroupBy,
    names: &[&str],
    kinds: &[&str],
    matrix: &Matrix,
    rows: &[usize],
) -> Vec<Group> {
    let alone = || (0..names.len()).map(|column| vec![column]);
    match group_by {
        GroupBy::None => alone()
            .map(|columns| Group {
                name: names[columns[0]].to_owned(),
                columns,
            })
            .collect(),
        GroupBy::Kind => {
            let mut groups: Vec<Group> = Vec::new();
            for (column, kind) in kinds.iter().enumerate() {
                match groups.iter_mut().find(|group| group.name == *kind) {
                    Some(group) => group.columns.push(column),
                    None => groups.push(Group {
                        name: (*kind).to_owned(),
                        columns: vec![column],
                    }),
                }
            }
            groups
        }
        GroupBy::Correlation => {
            let rho = spearman(matrix, rows);
            linked(&rho, 1.0 - ALIKE)
                .into_iter()
                .map(|columns| Group {
                    name: named(names, &columns, &rho),
                    columns,
                })
                .collect()
        }
    }
}

/// The column that is most like the others, and how many those are.
fn named(names: &[&str], columns: &[usize], rho: &[Vec<f64>]) -> String {
    let likeness = |column: usize| columns.iter().map(|&k| rho[column][k].abs()).sum::<f64>();
    let mut most = columns[0];
    for &column in columns {
        if likeness(column) > likeness(most) {
            most = column;
        }
    }
    match columns.len() {
        1 => names[most].to_owned(),
        n => format!("{} +{}", names[most], n - 1),
    }
}

/// Spearman's rank correlation of every pair of columns on these rows: Pearson's of the ranks, ties by their mean rank. 0 for a column
/// that does not vary there.
pub fn spearman(matrix: &Matrix, rows: &[usize]) -> Vec<Vec<f64>> {
    let ranks: Vec<Vec<f64>> = (0..matrix.n_columns())
        .map(|column| {
            let values: Vec<f64> = rows.iter().map(|&row| matrix.value(row, column)).collect();
            centred_ranks(&values)
        })
        .collect();
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let norms: Vec<f64> = ranks
        .iter()
        .map(|rank| product(rank, rank).sqrt())
        .collect();
    let rho = |i: usize, j: usize| match norms[i] * norms[j] {
        norm if norm > 0.0 => product(&ranks[i], &ranks[j]) / norm,
        _ => 0.0,
    };
    (0..ranks.len())
        .map(|i| (0..ranks.len()).map(|j| rho(i, j)).collect())
        .collect()
}

/// Ranks less their mean.
fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let middle = (values.len() as f64 - 1.0) / 2.0;
    let mut ranks = vec![0.0; values.len()];
    let mut below = 0;
    for tied in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = below as f64 + (tied.len() as f64 - 1.0) / 2.0;
        for &row in tied {
            ranks[row] = rank - middle;
        }
        below += tied.len();
    }
    ranks
}

/// Average linkage (UPGMA, Sokal and Michener 1958) of the distances 1 - |rho|: the nearest two groups are joined while their mean
/// distance is at most `cut`. Groups are in the order of their first columns.
pub fn linked(rho: &[Vec<f64>], cut: f64) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = (0..rho.len()).map(|column| vec![column]).collect();
    let mut distance: Vec<Vec<f64>> = rho
        .iter()
        .map(|row| row.iter().map(|rho| 1.0 - rho.abs()).collect())
        .collect();
    loop {
        let mut nearest: Option<(usize, usize)> = None;
        for i in 0..groups.len() {
            for j in i + 1..groups.len() {
                if nearest.is_none_or(|(a, b)| distance[i][j] < distance[a][b]) {
                    nearest = Some((i, j));
                }
            }
        }
        let Some((i, j)) = nearest.filter(|&(i, j)| distance[i][j] <= cut) else {
            break;
        };
        let (n_i, n_j) = (groups[i].len() as f64, groups[j].len() as f64);
        let mean = |row: &Vec<f64>| (n_i * row[i] + n_j * row[j]) / (n_i + n_j);
        let means: Vec<f64> = distance.iter().map(mean).collect();
        for (row, mean) in distance.iter_mut().zip(&means) {
            row[i] = *mean;
        }
        distance[i] = means;
        let joined = groups.remove(j);
        groups[i].extend(joined);
        distance.remove(j);
        for row in &mut distance {
            row.remove(j);
        }
    }
    for group in &mut groups {
        group.sort_unstable();
    }
    groups.sort();
    groups
}
