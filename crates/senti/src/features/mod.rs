//! Features: what a model is told of every row.
//!
//! In comes a [`Table`]; out goes a [`Matrix`] with one column a feature. [`FeatureSet::learn`] looks at the training rows and decides
//! which features exist and in what form other columns enter; [`FeatureSet::compute`] then makes them for any table with the same
//! columns. A row depends on itself and on earlier rows of its own segment, never on later ones, and nothing here scales.

pub mod catalog;
pub mod indicators;
pub mod series;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use catalog::{FEATURES, Feature, Inputs};
pub use series::Form;

use crate::matrix::Matrix;
use crate::table::{Column, Role};
use crate::{Error, Result, Table};

/// What may be chosen about features.
///
/// | name | default | purpose |
/// | --- | --- | --- |
/// | `levels` | false | adds prices, volume and every other column as they are, for `--target price` |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureOptions {
    /// Adds the raw columns.
    pub levels: bool,
}

/// A feature that could have been and is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// Where a raw column is found in a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// By what it means, whatever it is called.
    Role(Role),
    /// By its name.
    Name(String),
}

/// One column of the matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Made {
    /// A row of [`FEATURES`].
    Candles { feature: String },
    /// A raw column in a form.
    Column {
        name: String,
        source: Source,
        #[serde(flatten)]
        form: Form,
        persistence: Option<f64>,
    },
}

/// How one column of the matrix is made, for whoever makes it elsewhere.
#[derive(Clone, Copy, Debug)]
pub enum Recipe<'a> {
    /// A row of [`FEATURES`].
    Candles(&'static Feature),
    /// A raw column in a form.
    Column {
        /// Which column.
        source: &'a Source,
        /// In what form.
        form: Form,
    },
}

/// The features of a model, learned from training rows.
///
/// ```
/// use senti::features::{FeatureOptions, FeatureSet};
/// use senti::table::{Column, Role, Rows, Table, TableOptions};
/// let wave = |row: i64| 100.0 + (row as f64 * 0.7).sin() + 0.01 * row as f64;
/// let values = (0..60).map(wave).collect();
/// let close = Column { name: "close".into(), role: Role::Close, values };
/// let rows = Rows { time: (0..60).map(|day| day * 86_400_000).collect(), line: vec![], columns: vec![close] };
/// let (table, _) = Table::from_rows(rows, &TableOptions::default())?;
/// let features = FeatureSet::learn(&table, 0..40, &FeatureOptions::default())?;
/// let matrix = features.compute(&table)?;
/// assert_eq!(features.names()[0], "log_return_1");
/// assert_eq!(matrix.value(50, 0), (wave(50) / wave(49)).ln());
/// assert!(!matrix.is_known(features.warm_up() - 1) && matrix.is_known(features.warm_up()));
/// # Ok::<(), senti::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureSet {
    made: Vec<Made>,
    dropped: Vec<Dropped>,
}

impl FeatureSet {
    /// Decides which features this table has and in what form its other columns enter, by its training rows alone.
    ///
    /// A feature that is empty or constant there, or the same as an earlier one, is dropped and named.
    pub fn learn(
        table: &Table,
        train_rows: Range<usize>,
        options: &FeatureOptions,
    ) -> Result<Self> {
        if train_rows.is_empty() || train_rows.end > table.n_rows() {
            return Err(Error::internal(format!(
                "training rows {} to {} of a table with {} rows",
                train_rows.start,
                train_rows.end,
                table.n_rows()
            )));
        }
        let mut set = Self {
            made: Vec::new(),
            dropped: Vec::new(),
        };
        let mut seen = BTreeMap::new();
        let mut values = vec![f64::NAN; table.n_rows()];
        for made in candidates(table, train_rows.clone(), options) {
            made.fill(table, &mut values)?;
            let training = &values[train_rows.clone()];
            let verdict = judge(training, made.is_pure_number()).and_then(|digest| {
                match seen.insert(digest, made.name().to_owned()) {
                    Some(earlier) => {
                        let reason = format!("the same as `{earlier}` on the training rows");
                        seen.insert(digest, earlier);
                        Err(reason)
                    }
                    None => Ok(()),
                }
            });
            match verdict {
                Ok(()) => set.made.push(made),
                Err(reason) => set.dropped.push(Dropped {
                    name: made.name().to_owned(),
                    reason,
                }),
            }
        }
        if set.made.iter().all(|made| made.group() == "calendar") {
            return Err(Error::data(format!(
                "the {} training rows have no feature that varies: nothing moves but the calendar",
                train_rows.len()
            ))
            .hint("give a longer file, or one whose price changes"));
        }
        Ok(set)
    }

    /// The matrix for any table with the columns that the features need.
    ///
    /// Beside the matrix it needs room for one or two columns.
    pub fn compute(&self, table: &Table) -> Result<Matrix> {
        let mut matrix = Matrix::unknown(table.n_rows(), self.made.len());
        let mut values = vec![f64::NAN; table.n_rows()];
        for (column, made) in self.made.iter().enumerate() {
            made.fill(table, &mut values)?;
            matrix.set_column(column, &values);
        }
        Ok(matrix)
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.made.len()
    }

    /// No features.
    pub fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Names in the order of the matrix's columns; a raw column's is `column:form`.
    pub fn names(&self) -> Vec<&str> {
        self.made.iter().map(Made::name).collect()
    }

    /// How each feature is made, in the order of the matrix's columns.
    pub fn recipes(&self) -> Result<Vec<Recipe<'_>>> {
        self.made.iter().map(Made::recipe).collect()
    }

    /// What each feature is, in the order of the matrix's columns.
    pub fn help(&self) -> Vec<String> {
        self.made.iter().map(Made::help).collect()
    }

    /// What each feature speaks of, in the order of the matrix's columns: a group of [`FEATURES`], `series` for another column in the
    /// form that was learned, `level` for one that is there because of [`FeatureOptions::levels`].
    pub fn groups(&self) -> Vec<&'static str> {
        self.made.iter().map(Made::group).collect()
    }

    /// Rows at the start of every segment on which not all features are known; leading blanks of a column come on top.
    pub fn warm_up(&self) -> usize {
        self.made.iter().map(Made::warm_up).max().unwrap_or(0)
    }

    /// Features that could have been, and why they are not.
    pub fn dropped(&self) -> &[Dropped] {
        &self.dropped
    }
}

/// Everything this table could have, in the order of the matrix's columns.
fn candidates(table: &Table, train_rows: Range<usize>, options: &FeatureOptions) -> Vec<Made> {
    // The smallest distance is the step: a table's times are on its calendar.
    let step = table.time()[train_rows.clone()]
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .min();
    let intraday = step.is_some_and(|step| step < catalog::DAY);
    let mut made: Vec<Made> = FEATURES
        .iter()
        .filter(|feature| feature.needs.iter().all(|&role| table.role(role).is_some()))
        .filter(|feature| intraday || !feature.intraday)
        .map(|feature| Made::Candles {
            feature: feature.name.to_owned(),
        })
        .collect();
    let other = |column: &&Column| column.role == Role::Series;
    for column in table.columns().iter().filter(other) {
        let training = column.values[train_rows.clone()].iter().copied();
        let (form, persistence) = Form::learn(training);
        made.push(Made::column(column, form, persistence));
    }
    if options.levels {
        for column in table.columns() {
            let level = Made::column(column, Form::Level, None);
            if !made.iter().any(|other| other.name() == level.name()) {
                made.push(level);
            }
        }
    }
    made
}

/// A digest of a feature's training values, or why it must be dropped.
fn judge(training: &[f64], is_pure_number: bool) -> Result<u64, String> {
    let known = training.iter().filter(|value| value.is_finite()).count();
    if known == 0 {
        return Err("empty on the training rows".to_owned());
    }
    if known * 2 < training.len() {
        // Windows need every feature: this one would cost more than half of them.
        let all = training.len();
        return Err(format!("known on {known} of {all} training rows only"));
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut digest = DefaultHasher::new();
    for &value in training {
        if value.is_finite() {
            low = low.min(value);
            high = high.max(value);
        }
        value.to_bits().hash(&mut digest);
    }
    // Roundings of an average over equal prices are no variation.
    let noise = if is_pure_number { 1e-12 } else { 0.0 };
    if high - low <= noise + 1e-9 * low.abs().max(high.abs()) {
        return Err(format!("constant on the training rows ({low})"));
    }
    Ok(digest.finish())
}

impl Made {
    fn column(column: &Column, form: Form, persistence: Option<f64>) -> Self {
        let source = match column.role {
            Role::Series => Source::Name(column.name.clone()),
            role => Source::Role(role),
        };
        Self::Column {
            name: format!("{}:{}", column.name, form.name()),
            source,
            form,
            persistence,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Candles { feature } => feature,
            Self::Column { name, .. } => name,
        }
    }

    fn group(&self) -> &'static str {
        match self {
            Self::Candles { feature } => find(feature).map_or("unknown", |feature| feature.group),
            Self::Column {
                form: Form::Level,
                persistence: None,
                ..
            } => "level",
            Self::Column { .. } => "series",
        }
    }

    fn help(&self) -> String {
        match self {
            Self::Candles { feature } => {
                find(feature).map_or_else(|_| String::new(), |feature| feature.help.to_owned())
            }
            Self::Column {
                form, persistence, ..
            } => {
                let what = match form {
                    Form::Level => "as it is",
                    Form::Change => "x[t] - x[t-1]",
                    Form::LogChange { .. } => "ln(x[t] / x[t-1])",
                };
                match persistence {
                    Some(persistence) => {
                        format!("{what} (persistence in training {persistence:.3})")
                    }
                    None => what.to_owned(),
                }
            }
        }
    }

    fn recipe(&self) -> Result<Recipe<'_>> {
        Ok(match self {
            Self::Candles { feature } => Recipe::Candles(find(feature)?),
            Self::Column { source, form, .. } => Recipe::Column {
                source,
                form: *form,
            },
        })
    }

    fn warm_up(&self) -> usize {
        match self {
            Self::Candles { feature } => find(feature).map_or(0, |feature| feature.warm_up),
            Self::Column {
                form: Form::Level, ..
            } => 0,
            Self::Column { .. } => 1,
        }
    }

    /// Free of units, so that 1e-12 is nothing.
    fn is_pure_number(&self) -> bool {
        match self {
            Self::Candles { .. } => true,
            Self::Column { form, .. } => matches!(form, Form::LogChange { .. }),
        }
    }

    /// Fills one value a row of the table.
    fn fill(&self, table: &Table, out: &mut [f64]) -> Result<()> {
        out.fill(f64::NAN);
        match self {
            Self::Candles { feature } => {
                let feature = find(feature)?;
                let candles = Candles::of(table, feature)?;
                for segment in table.segments() {
                    for run in candles.runs(segment.clone()) {
                        (feature.fill)(&candles.inputs(run.clone()), &mut out[run]);
                    }
                }
            }
            Self::Column {
                name, source, form, ..
            } => {
                let column = match source {
                    Source::Role(role) => table.role(*role),
                    Source::Name(name) => table.column(name),
                };
                let values = &column.ok_or_else(|| missing(source, name))?.values;
                for segment in table.segments() {
                    form.fill(&values[segment.clone()], &mut out[segment.clone()]);
                }
            }
        }
        Ok(())
    }
}

fn missing(source: &Source, feature: &str) -> Error {
    let column = match source {
        Source::Role(role) => format!("{role:?}").to_lowercase(),
        Source::Name(name) => name.clone(),
    };
    Error::data(format!(
        "the table has no column `{column}`, which the model's feature `{feature}` is made from"
    ))
    .hint("give the same columns as in training")
}

fn find(name: &str) -> Result<&'static Feature> {
    FEATURES
        .iter()
        .find(|feature| feature.name == name)
        .ok_or_else(|| {
            Error::unsupported(format!("feature `{name}` is not known to this version"))
                .hint("use the version that trained the model, or train again")
        })
}

/// The columns that a feature needs, found once.
struct Candles<'a> {
    time: &'a [i64],
    /// In the order of [`Inputs`]; none where the feature does not need it.
    columns: [Option<&'a [f64]>; 5],
}

const ROLES: [Role; 5] = [Role::Open, Role::High, Role::Low, Role::Close, Role::Volume];

impl<'a> Candles<'a> {
    fn of(table: &'a Table, feature: &Feature) -> Result<Self> {
        let mut columns = [None; 5];
        for (slot, role) in columns.iter_mut().zip(ROLES) {
            if feature.needs.contains(&role) {
                let column = table.role(role);
                let column = column.ok_or_else(|| missing(&Source::Role(role), feature.name))?;
                *slot = Some(column.values.as_slice());
            }
        }
        Ok(Self {
            time: table.time(),
            columns,
        })
    }

    /// Whether every needed number of the row is there and has a meaning.
    fn is_sound(&self, row: usize) -> bool {
        self.columns.iter().zip(ROLES).all(|(column, role)| {
            column.is_none_or(|values| {
                let value = values[row];
                value.is_finite() && (value > 0.0 || role == Role::Volume && value == 0.0)
            })
        })
    }

    /// Cuts a segment where a number is missing, so that indicators never meet one: the warm-up starts again behind it.
    fn runs(&self, segment: Range<usize>) -> Vec<Range<usize>> {
        let mut runs = Vec::new();
        let mut start = segment.start;
        for row in segment.clone() {
            if !self.is_sound(row) {
                if start < row {
                    runs.push(start..row);
                }
                start = row + 1;
            }
        }
        if start < segment.end {
            runs.push(start..segment.end);
        }
        runs
    }

    fn inputs(&self, run: Range<usize>) -> Inputs<'a> {
        let part = |slot: usize| self.columns[slot].map_or(&[][..], |values| &values[run.clone()]);
        Inputs {
            time: &self.time[run.clone()],
            open: part(0),
            high: part(1),
            low: part(2),
            close: part(3),
            volume: part(4),
        }
    }
}
