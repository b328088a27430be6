//! The subject: a pipeline and a table, with what every check needs to know of them, made once.
//!
//! In come a pipeline, a table and the options; out go the sampled origins, what was learned, and what altered rows moved at each of
//! them. Nothing here judges.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use senti_engine::random::{Purpose, Stream};

use super::alter::Alteration;
use super::pipeline::{Pipeline, Run, window};
use super::{Evidence, Options};
use crate::join::Side;
use crate::matrix::Matrix;
use crate::prepare::Preparation;
use crate::table::Table;
use crate::trained::Ground;
use crate::{Error, Result};

/// Origins in a row whose features are looked at.
const WEEK: usize = 7;

/// A pipeline and a table.
pub struct Subject<'a> {
    pub pipeline: &'a dyn Pipeline,
    /// The audited rows.
    pub table: Cow<'a, Table>,
    /// All rows.
    pub whole: &'a Table,
    /// The series that were joined to it.
    pub sides: &'a [Side],
    pub ground: Ground,
    pub preparation: Preparation,
    /// The model that was trained through the door.
    pub run: Arc<Run>,
    /// Origins of any windows.
    pub anywhere: Vec<usize>,
    /// Origins of the test part.
    pub tested: Vec<usize>,
    pub seed: u64,
    moved: OnceLock<Vec<Moved>>,
}

/// What altered rows behind an origin moved at it or before.
pub struct Moved {
    pub features: Option<Evidence>,
    pub inputs: Option<Evidence>,
    pub forecast: Option<Evidence>,
}

impl<'a> Subject<'a> {
    pub fn new(
        pipeline: &'a dyn Pipeline,
        table: &'a Table,
        whole: &'a Table,
        sides: &'a [Side],
        options: &Options,
    ) -> Result<Self> {
        let table = pipeline.table(table)?;
        let ground = pipeline.ground(&table, &pipeline.setting().plan)?;
        let preparation = pipeline.preparation(&ground, &pipeline.setting().plan)?;
        let run = Arc::new(pipeline.run(&table)?);
        let stream = Stream::new(options.seed, Purpose::Bootstrap);
        let windows = ground.windows(&table, &pipeline.setting().plan);
        let all = windows.origins().clone();
        let mut anywhere: Vec<usize> = spread(all.len(), options.origins, stream.part(2))
            .into_iter()
            .map(|position| all.row(position))
            .collect();
        // the small model may have other features, which begin later
        let manifest = &run.artifact.manifest;
        let matrix = pipeline.matrix(&manifest.features, &table)?;
        anywhere.retain(|&origin| window(&manifest.plan, &table, &matrix, origin).is_ok());
        let tested = spread(run.tested.len(), options.origins, stream.part(3))
            .into_iter()
            .filter_map(|position| {
                table
                    .time()
                    .binary_search(&run.tested[position].origin)
                    .ok()
            })
            .collect();
        Ok(Self {
            pipeline,
            table,
            whole,
            sides,
            ground,
            preparation,
            run,
            anywhere,
            tested,
            seed: options.seed,
            moved: OnceLock::new(),
        })
    }

    /// Few origins of each kind, two and one: enough to catch a leak that is known to be there.
    pub fn few(&self) -> [Vec<usize>; 2] {
        let ends = |origins: &[usize]| match origins {
            [] => Vec::new(),
            [only] => vec![*only],
            origins => vec![origins[0], origins[origins.len() / 2]],
        };
        let first = self.tested.first().copied();
        [ends(&self.anywhere), first.into_iter().collect()]
    }

    /// Another pipeline on the same rows, at fewer origins. The model is the one that was trained already.
    pub fn with(&'a self, pipeline: &'a dyn Pipeline, few: &[Vec<usize>; 2]) -> Result<Self> {
        let table = pipeline.table(&self.table)?;
        let plan = &pipeline.setting().plan;
        let ground = pipeline.ground(&table, plan)?;
        let preparation = pipeline.preparation(&ground, plan)?;
        let [anywhere, tested] = few.clone();
        Ok(Self {
            pipeline,
            table,
            whole: self.whole,
            sides: self.sides,
            ground,
            preparation,
            run: self.run.clone(),
            anywhere,
            tested,
            seed: self.seed,
            moved: OnceLock::new(),
        })
    }

    /// All sampled origins.
    pub fn origins(&self) -> Vec<usize> {
        let mut all = [&self.anywhere[..], &self.tested].concat();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// A row's time as text.
    pub fn date(&self, row: usize) -> String {
        self.table.calendar().format(self.table.time()[row])
    }

    pub fn threads(&self) -> usize {
        self.pipeline.setting().machine.threads
    }

    /// Alters the rows behind every origin in every way and tells what moved.
    pub fn moved(&self) -> Result<&[Moved]> {
        if let Some(moved) = self.moved.get() {
            return Ok(moved);
        }
        let base: Vec<(Vec<f32>, Vec<u64>)> = each(self.threads(), &self.anywhere, |&origin| {
            let pipeline = self.pipeline;
            let (table, matrix) = (&*self.table, &self.ground.matrix);
            Ok((
                pipeline.inputs(table, matrix, &self.preparation, origin)?,
                bits(&pipeline.predict(&self.run, table, origin)?),
            ))
        })?;
        let mut cases = Vec::new();
        for (position, &origin) in self.anywhere.iter().enumerate() {
            cases.extend(Alteration::ALL.map(|way| (origin, way, Some(position))));
            // what looks ahead on some days only: a week of origins, of which the features alone are looked at
            let week = (origin + 1..origin + WEEK).filter(|&row| row + 1 < self.table.n_rows());
            cases.extend(week.map(|row| (row, Alteration::Alter, None)));
        }
        let moved = each(self.threads(), &cases, |&(origin, alteration, position)| {
            let base = position.map(|position| &base[position]);
            self.alter(origin, alteration, base)
        })?;
        Ok(self.moved.get_or_init(|| moved))
    }

    fn alter(
        &self,
        origin: usize,
        alteration: Alteration,
        base: Option<&(Vec<f32>, Vec<u64>)>,
    ) -> Result<Moved> {
        let altered = alteration.apply(&self.table, origin + 1, self.seed);
        let matrix = self.pipeline.matrix(&self.ground.features, &altered)?;
        let at = |evidence: Evidence| Evidence {
            alteration: Some(alteration.name().into()),
            origin: Some(self.date(origin)),
            ..evidence
        };
        let features = self.first_difference(&matrix, origin).map(at);
        let Some((inputs, forecast)) = base else {
            return Ok(Moved {
                features,
                inputs: None,
                forecast: None,
            });
        };
        let found = self
            .pipeline
            .inputs(&altered, &matrix, &self.preparation, origin)?;
        let inputs = self.input_difference(inputs, &found, origin).map(at);
        let found = bits(&self.pipeline.predict(&self.run, &altered, origin)?);
        let forecast = (found != *forecast).then(|| {
            at(Evidence {
                found: "the forecast is another one".into(),
                ..Evidence::default()
            })
        });
        Ok(Moved {
            features,
            inputs,
            forecast,
        })
    }

    /// The first feature that differs from the unaltered one, up to the origin.
    fn first_difference(&self, matrix: &Matrix, origin: usize) -> Option<Evidence> {
        for row in 0..=origin {
            let pairs = self.ground.matrix.row(row).iter().zip(matrix.row(row));
            for (column, (&before, &after)) in pairs.enumerate() {
                if !same(before, after) {
                    return Some(Evidence {
                        row: Some(self.date(row)),
                        column: Some(self.feature(column)),
                        found: format!("was {before}, became {after}"),
                        ..Evidence::default()
                    });
                }
            }
        }
        None
    }

    /// The first prepared input that differs in its bits.
    pub fn input_difference(
        &self,
        before: &[f32],
        after: &[f32],
        origin: usize,
    ) -> Option<Evidence> {
        let width = self.ground.features.len().max(1);
        let unequal = |(a, b): (&f32, &f32)| a.to_bits() != b.to_bits();
        let first = before.iter().zip(after).position(unequal);
        let place = first.or((before.len() != after.len()).then_some(0))?;
        let steps = before.len() / width;
        let row = (origin + 1 + place / width).saturating_sub(steps);
        let told = |values: &[f32]| match values.get(place) {
            Some(value) => value.to_string(),
            None => "absent".into(),
        };
        Some(Evidence {
            row: Some(self.date(row)),
            column: Some(self.feature(place % width)),
            found: format!("was {}, became {}", told(before), told(after)),
            ..Evidence::default()
        })
    }

    /// Name of a feature.
    pub fn feature(&self, column: usize) -> String {
        let names = self.ground.features.names();
        names
            .get(column)
            .map_or(String::new(), |name| (*name).into())
    }
}

/// Bits of a forecast.
fn bits(predictions: &crate::forecast::Predictions) -> Vec<u64> {
    let prices = predictions.point.iter().chain(&predictions.quantiles);
    prices.map(|price| price.to_bits()).collect()
}

/// The same bits, or both not known.
pub fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Positions spread over `len`, one at random in each of `n` equal stretches.
fn spread(len: usize, n: usize, stream: Stream) -> Vec<usize> {
    let mut random = stream.at(0);
    let n = n.min(len);
    let mut positions: Vec<usize> = (0..n)
        .map(|stretch| {
            let place = (stretch as f64 + random.uniform()) / n as f64;
            ((place * len as f64) as usize).min(len - 1)
        })
        .collect();
    positions.dedup();
    positions
}

/// Does something with every item, on several threads; results stay in order.
pub fn each<T: Sync, R: Send>(
    threads: usize,
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<R>)>> = Mutex::new(Vec::with_capacity(items.len()));
    let worker = || {
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(position) else {
                return;
            };
            let result = work(item);
            if let Ok(mut done) = done.lock() {
                done.push((position, result));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.min(items.len()) {
            scope.spawn(worker);
        }
        worker();
    });
    let mut done = done
        .into_inner()
        .map_err(|_| Error::internal("a thread of the audit has panicked"))?;
    done.sort_by_key(|(position, _)| *position);
    done.into_iter().map(|(_, result)| result).collect()
}
