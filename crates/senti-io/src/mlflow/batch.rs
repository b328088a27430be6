//! Lines of a journal as requests: as few as a server allows.
//!
//! In come lines; out go [`Step`]s in the same order, each with the byte of the journal up to which a server has everything once the
//! step is done. Nothing is sent here.

use senti::table::Time;
use serde::Serialize;

use super::api::BATCH;
use super::journal::{Entry, Line, Placed};
use super::record::{ArtifactFile, Dataset, Metric, Pair, Status};

/// Parameters, metrics and tags of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Batch {
    /// Metrics.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<Metric>,
    /// Parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<Pair>,
    /// Tags.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Pair>,
}

impl Batch {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.metrics.len() + self.params.len() + self.tags.len()
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Two halves, to find out which one a server refuses.
    pub fn halves(&self) -> [Self; 2] {
        fn half<T: Clone>(of: &[T], middle: &mut usize) -> (Vec<T>, Vec<T>) {
            let at = (*middle).min(of.len());
            *middle -= at;
            (of[..at].to_vec(), of[at..].to_vec())
        }
        let mut middle = self.len() / 2;
        let (first_metrics, metrics) = half(&self.metrics, &mut middle);
        let (first_params, params) = half(&self.params, &mut middle);
        let (first_tags, tags) = half(&self.tags, &mut middle);
        [
            Self {
                metrics: first_metrics,
                params: first_params,
                tags: first_tags,
            },
            Self {
                metrics,
                params,
                tags,
            },
        ]
    }

    /// The name of what is in it, when that is one thing.
    pub fn only(&self) -> Option<String> {
        let metric = self
            .metrics
            .first()
            .map(|metric| format!("metric `{}`", metric.key));
        let param = self
            .params
            .first()
            .map(|param| format!("parameter `{}`", param.key));
        let tag = self.tags.first().map(|tag| format!("tag `{}`", tag.key));
        (self.len() == 1)
            .then(|| metric.or(param).or(tag))
            .flatten()
    }
}

/// What to do next for a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Our number of the run.
    pub run: String,
    /// What.
    pub deed: Deed,
    /// How far the journal is sent when it is done; none within a line.
    pub end: Option<u64>,
}

/// A request, or a few.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Make the run, or find it.
    Begin {
        /// Its name.
        name: String,
        /// Our number of the run above it.
        parent: Option<String>,
        /// MLflow's number of a run to go on with.
        attach: Option<String>,
        /// Its first tags.
        tags: Vec<Pair>,
        /// When it began.
        start: Time,
    },
    /// Parameters, metrics and tags.
    Log(Batch),
    /// Data.
    Input(Dataset),
    /// A file of the journal's folder.
    Upload(ArtifactFile, u64),
    /// At work, or at work again.
    Resume,
    /// It ended.
    End(Status, Time),
}

/// Turns lines into steps.
pub fn steps(lines: &[Placed]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for Placed { line, end } in lines {
        let Line { run, time, entry } = line;
        let (metrics, params, tags): (&[Metric], &[Pair], &[Pair]) = match entry {
            Entry::Metrics { metrics } => (metrics, &[], &[]),
            Entry::Params { params } => (&[], params, &[]),
            Entry::Tags { tags } => (&[], &[], tags),
            other => {
                steps.push(Step {
                    run: run.clone(),
                    deed: deed(other, *time),
                    end: Some(*end),
                });
                continue;
            }
        };
        // what fits goes along with what was before it
        let mut filling = Filling::after(steps.pop(), run, &mut steps);
        for metric in metrics {
            let place = filling.room(Some(metric), 1, 0, 0);
            place.metrics.push(metric.clone());
        }
        for param in params {
            let place = filling.room(Some(param), 0, 1, 0);
            place.params.push(param.clone());
        }
        for tag in tags {
            let place = filling.room(Some(tag), 0, 0, 1);
            // the last word counts, and a server wants no name twice
            place.tags.retain(|other| other.key != tag.key);
            place.tags.push(tag.clone());
        }
        filling.close(*end);
    }
    steps
}

fn deed(entry: &Entry, time: Time) -> Deed {
    match entry.clone() {
        Entry::Begin {
            name,
            parent,
            attach,
            tags,
        } => Deed::Begin {
            name,
            parent,
            attach,
            tags,
            start: time,
        },
        Entry::Input { input } => Deed::Input(input),
        Entry::File { file, bytes } => Deed::Upload(file, bytes),
        Entry::Resume => Deed::Resume,
        Entry::End { status } => Deed::End(status, time),
        Entry::Tags { tags } => Deed::Log(Batch {
            tags,
            ..Batch::default()
        }),
        Entry::Params { params } => Deed::Log(Batch {
            params,
            ..Batch::default()
        }),
        Entry::Metrics { metrics } => Deed::Log(Batch {
            metrics,
            ..Batch::default()
        }),
    }
}

/// The batch that is being filled.
struct Filling<'a> {
    steps: &'a mut Vec<Step>,
    run: &'a str,
    batch: Batch,
    bytes: usize,
}

impl<'a> Filling<'a> {
    /// Goes on with the step before where that is a batch of the same run.
    fn after(last: Option<Step>, run: &'a str, steps: &'a mut Vec<Step>) -> Self {
        let batch = match last {
            Some(Step {
                deed: Deed::Log(batch),
                run: of,
                ..
            }) if of == run => batch,
            other => {
                steps.extend(other);
                Batch::default()
            }
        };
        let bytes = size(&batch);
        Self {
            steps,
            run,
            batch,
            bytes,
        }
    }

    /// The batch, with room for one more of this size.
    fn room(
        &mut self,
        one: Option<&impl Serialize>,
        metrics: usize,
        params: usize,
        tags: usize,
    ) -> &mut Batch {
        let more = one.map_or(0, size) + 1;
        let (batch, n) = (&self.batch, self.batch.len());
        let full = batch.metrics.len() + metrics > BATCH.metrics
            || batch.params.len() + params > BATCH.params
            || batch.tags.len() + tags > BATCH.tags
            || n + 1 > BATCH.all
            || (n > 0 && self.bytes + more > BATCH.bytes);
        if full {
            let batch = std::mem::take(&mut self.batch);
            self.push(batch, None);
            self.bytes = 0;
        }
        self.bytes += more;
        &mut self.batch
    }

    fn push(&mut self, batch: Batch, end: Option<u64>) {
        self.steps.push(Step {
            run: self.run.to_owned(),
            deed: Deed::Log(batch),
            end,
        });
    }

    fn close(mut self, end: u64) {
        let batch = std::mem::take(&mut self.batch);
        self.push(batch, Some(end));
    }
}

/// Bytes as JSON.
fn size(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mlflow::record::{metric, param, tag};

    fn placed(entries: Vec<(&str, Entry)>) -> Vec<Placed> {
        let line = |(n, (run, entry)): (usize, (&str, Entry))| Placed {
            line: Line {
                run: run.into(),
                time: 1,
                entry,
            },
            end: 10 * (n as u64 + 1),
        };
        entries.into_iter().enumerate().map(line).collect()
    }

    fn metrics(n: usize) -> Entry {
        Entry::Metrics {
            metrics: (0..n).map(|n| metric("m", 0.5, 1, n)).collect(),
        }
    }

    fn sizes(steps: &[Step]) -> Vec<(usize, Option<u64>)> {
        let size = |step: &Step| match &step.deed {
            Deed::Log(batch) => (batch.len(), step.end),
            _ => (0, step.end),
        };
        steps.iter().map(size).collect()
    }

    /// The limits are the server's (`mlflow/utils/validation.py`): 1000 metrics, 100 parameters, 100 tags, 1000 in all.
    #[test]
    fn batches_keep_to_the_limits() {
        let many = placed(vec![
            ("a", metrics(600)),
            ("a", metrics(600)),
            ("a", metrics(2)),
        ]);
        assert_eq!(sizes(&steps(&many)), [(1000, None), (202, Some(30))]);
        let pairs = |n: usize| (0..n).map(|n| param(&format!("p{n}"), "1")).collect();
        let params = placed(vec![
            ("a", Entry::Params { params: pairs(150) }),
            ("a", metrics(980)),
        ]);
        assert_eq!(
            sizes(&steps(&params)),
            [(100, None), (1000, None), (30, Some(20))]
        );
        let tags = (0..101).map(|n| tag(&format!("t{n}"), "1")).collect();
        assert_eq!(
            sizes(&steps(&placed(vec![("a", Entry::Tags { tags })]))),
            [(100, None), (1, Some(10))]
        );
        // a million bytes
        let long = (0..90)
            .map(|n| param(&format!("p{n}"), "é".repeat(6000)))
            .collect();
        let long = steps(&placed(vec![("a", Entry::Params { params: long })]));
        assert!(
            long.len() == 2
                && long.iter().all(|step| match &step.deed {
                    Deed::Log(batch) => size(batch) < 1_000_000,
                    _ => false,
                })
        );
    }

    #[test]
    fn runs_and_other_deeds_are_kept_in_order() {
        let end = Entry::End {
            status: Status::Finished,
        };
        let lines = placed(vec![
            ("a", metrics(1)),
            ("b", metrics(2)),
            ("a", metrics(3)),
            ("a", metrics(4)),
            ("a", end),
            ("a", metrics(5)),
        ]);
        assert_eq!(
            sizes(&steps(&lines)),
            [
                (1, Some(10)),
                (2, Some(20)),
                (7, Some(40)),
                (0, Some(50)),
                (5, Some(60))
            ]
        );
    }

    #[test]
    fn halves_are_the_whole() {
        let batch = Batch {
            metrics: vec![metric("m", 1.0, 1, 1)],
            params: vec![param("p", "1"), param("q", "1")],
            tags: vec![tag("t", "1")],
        };
        let [first, second] = batch.halves();
        assert_eq!((first.len(), second.len()), (2, 2));
        assert_eq!(
            (first.metrics.len(), first.params.len(), second.params.len()),
            (1, 1, 1)
        );
        let [one, _] = first.halves();
        assert_eq!(one.only().as_deref(), Some("metric `m`"));
    }
}
