//! What a page is made of: plain values, gathered from a training ([`super::of_training`]) or a backtest ([`super::of_backtest`]).
//!
//! A part that is empty leaves no trace on the page. Texts are as users wrote them: whoever draws a page escapes them.

use std::borrow::Cow;

use senti::artifact::Manifest;
use senti::card::Trading;
use senti::forecast::Forecast;
use senti::table::{Table, Time};
use serde::Serialize;
use serde_json::Value;

use crate::plots::axis::grouped;
use crate::plots::{Sample, reach};
use crate::report::date;

/// Everything that a page says, in its order.
#[derive(Default)]
pub struct Page<'a> {
    /// Heading.
    pub title: String,
    /// A line below the heading.
    pub about: String,
    /// Name of the target column.
    pub target: String,
    /// Milliseconds of a step.
    pub step: i64,
    /// Every model in the order of tables.
    pub models: Vec<Model>,
    /// Position of the model that the page is about.
    pub about_model: Option<usize>,
    /// The verdicts; the first is the page's own.
    pub verdicts: Vec<Judgement>,
    /// What a reader must know before believing anything.
    pub warnings: Vec<String>,
    /// The newest forecast.
    pub newest: Option<Newest>,
    /// On what the scores were measured, in a sentence.
    pub measured_on: String,
    /// Tables that hold all horizons.
    pub overview: Vec<Grid>,
    /// Tables of single horizons.
    pub horizons: Vec<Horizon>,
    /// Scores by step: one a model, in the order of `models`.
    pub curves: Vec<Vec<Step>>,
    /// Where outcomes fell between the quantiles.
    pub spreads: Vec<Spread>,
    /// Errors over time, of the model that the page is about.
    pub over_time: Option<Cow<'a, Sample>>,
    /// How much features matter.
    pub importance: Vec<Importance>,
    /// The training.
    pub training: Option<&'a Manifest>,
    /// What each training of a walk learned from, and how it went.
    pub folds: Option<Grid>,
    /// What trading would have brought, by model.
    pub trading: Vec<(String, &'a Trading)>,
    /// Data and configuration.
    pub facts: Vec<Facts>,
    /// What was tried, sentence by sentence.
    pub tried: Vec<String>,
}

/// A model of the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Model {
    /// Its name.
    pub name: String,
    /// Is it the naive forecast?
    pub naive: bool,
}

/// What a verdict comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Shown to be better than naive.
    Beats,
    /// Nothing is shown.
    Unclear,
    /// No better than naive.
    NoBetter,
    /// Too good to be true, or not a forecast at all.
    Alarm,
    /// Nothing was judged.
    Silent,
}

/// What is said of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What it comes to.
    pub tone: Tone,
    /// In a few words.
    pub word: String,
    /// In sentences, each a paragraph.
    pub sentences: Vec<String>,
}

/// A forecast to draw.
pub struct Newest {
    /// The forecast.
    pub forecast: Forecast,
    /// Prices before it: time and price, rising in time.
    pub past: Vec<(Time, f64)>,
    /// What came, where it is known: time and price.
    pub came: Vec<(Time, f64)>,
    /// Share of prices that the 90 % band held where that was measured.
    pub held: Option<f64>,
}

/// A table of scores, models down the side mostly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    /// What it shows.
    pub caption: String,
    /// Head of the first column: what the rows are.
    pub of: String,
    /// Heads of the columns behind it, each with what it means.
    pub head: Vec<(String, String)>,
    /// A row's name, a model's mostly, and its cells.
    pub rows: Vec<(String, Vec<Cell>)>,
}

/// A cell of a [`Grid`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// The lower, the better; none where it does not compete.
    pub rank: Option<f64>,
    /// Significantly better (`true`) or worse (`false`) than naive.
    pub sure: Option<bool>,
}

/// Tables of one horizon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Horizon {
    /// `7 days ahead`, `all steps`.
    pub name: String,
    /// What to know of it.
    pub note: String,
    /// Its tables.
    pub grids: Vec<Grid>,
}

/// A model's scores at one step, for curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Steps ahead.
    pub step: usize,
    /// CRPS divided by naive's.
    pub relative_crps: Option<f64>,
    /// Mean absolute error divided by the last close's.
    pub relative_mae: Option<f64>,
    /// Mean absolute error in units of the target.
    pub mae: Option<f64>,
    /// Share of prices within the central interval of 50, 80 and 90 %.
    pub coverage: [Option<f64>; 3],
}

/// Where a model's outcomes fell at one horizon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// Position of the model among the page's.
    pub model: usize,
    /// `7 days ahead`.
    pub horizon: String,
    /// Level and the share of outcomes at or below its quantile.
    pub below: Vec<(f64, f64)>,
    /// Edges of the bins of the PIT histogram, from 0 to 1.
    pub edges: Vec<f64>,
    /// Share of outcomes in each bin.
    pub shares: Vec<f64>,
    /// p value of the test that the histogram is flat.
    pub p: Option<f64>,
}

/// How much features matter, by one method at one horizon.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Importance {
    /// What was measured and how: `permutation importance, 7 days ahead`.
    pub title: String,
    /// What a value means, with its unit: `rise of the CRPS in percent when the feature is shuffled`.
    pub unit: String,
    /// The features, most important first.
    pub rows: Vec<ImportanceRow>,
}

/// One feature of [`Importance`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportanceRow {
    /// Its name.
    pub name: String,
    /// How much it matters.
    pub value: f64,
    /// Ends of the value's interval, where there is one.
    pub interval: Option<(f64, f64)>,
}

/// Names and values under one heading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Heading.
    pub title: String,
    /// Name and value.
    pub rows: Vec<(String, String)>,
}

impl Facts {
    /// Where data came from, what they are, and their digest (SHA-256 in hexadecimal).
    pub fn of_data(source: &str, digest: &str, table: &Table) -> Self {
        let times = table.time();
        let step = table.calendar().step();
        let mut rows = vec![
            ("source".to_owned(), source.to_owned()),
            ("rows".to_owned(), grouped(times.len() as f64, 0)),
        ];
        for (name, time) in [("first row", times.first()), ("last row", times.last())] {
            if let Some(time) = time {
                rows.push((name.to_owned(), date(*time, step)));
            }
        }
        rows.push(("step".to_owned(), reach(1, step)));
        rows.push(("SHA-256 of the rows".to_owned(), digest.to_owned()));
        Self {
            title: "Data".into(),
            rows,
        }
    }

    /// The fields of a record of settings (a plan, a walk), by name; what is not set is left out.
    pub fn of_settings(title: &str, settings: &impl Serialize) -> Self {
        let told = |value: Value| match value {
            Value::String(text) => text,
            Value::Array(values) => {
                let plain = |value: Value| match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                values.into_iter().map(plain).collect::<Vec<_>>().join(", ")
            }
            other => other.to_string(),
        };
        let rows = match serde_json::to_value(settings) {
            Ok(Value::Object(fields)) => fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, told(value)))
                .collect(),
            _ => Vec::new(),
        };
        Self {
            title: title.into(),
            rows,
        }
    }
}
