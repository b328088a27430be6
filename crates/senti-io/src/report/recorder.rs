//! The recorder: what a training tells while it runs, kept for the report.
//!
//! In come events and the wall clock; `predictions.csv` goes to disk line by line, the seconds of the epochs and a [`Sample`] of the
//! test windows stay in memory, whose size does not depend on the number of windows.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use senti::Result;
use senti::observe::{Chunk, Event};

use super::figures::Dates;
use super::tables;
use crate::atomic::{Stage, failed};
use crate::plots::Sample;

const PREDICTIONS: &str = "predictions.csv";

/// Feed it every event; give it to [`super::write_training`] in the end. Dropped before, it leaves nothing behind.
///
/// ```no_run
/// use senti_io::report::Recorder;
/// # fn example(event: &senti::observe::Event<'_>) -> senti::Result<()> {
/// let start = std::time::Instant::now();
/// let mut recorder = Recorder::new("senti-output".as_ref())?;
/// // in the observer
/// recorder.see(event, start.elapsed().as_secs_f64())?;
/// # Ok(()) }
/// ```
pub struct Recorder {
    dir: PathBuf,
    stage: Option<Stage>,
    predictions: Option<BufWriter<File>>,
    lines: Vec<u8>,
    /// Wall clock when the last epoch ended.
    mark: f64,
    seconds: BTreeMap<usize, f64>,
    sample: Sample,
}

impl Recorder {
    /// Results will stand in `dir`, which is made when missing.
    pub fn new(dir: &Path) -> Result<Self> {
        Ok(Self {
            dir: dir.to_path_buf(),
            stage: Some(Stage::create(dir)?),
            predictions: None,
            lines: Vec::new(),
            mark: 0.0,
            seconds: BTreeMap::new(),
            sample: Sample::default(),
        })
    }

    /// Takes note of an event; `seconds` is the wall clock since any fixed moment. An error means that the disk does not take
    /// the predictions, and the training should stop.
    pub fn see(&mut self, event: &Event<'_>, seconds: f64) -> Result<()> {
        match event {
            Event::Prepared { .. } => self.mark = seconds,
            Event::Epoch { record, .. } => {
                self.seconds.insert(record.epoch, seconds - self.mark);
                self.mark = seconds;
            }
            Event::Tested(chunk) => self.tested(chunk)?,
            _ => {}
        }
        Ok(())
    }

    /// Wall-clock seconds of an epoch, where it was seen.
    pub fn seconds(&self, epoch: usize) -> Option<f64> {
        self.seconds.get(&epoch).copied()
    }

    /// What the picture of the test part is drawn from.
    pub fn sample(&self) -> &Sample {
        &self.sample
    }

    fn tested(&mut self, chunk: &Chunk<'_>) -> Result<()> {
        self.sample.add(chunk);
        let Some(first) = chunk.origins.first() else {
            return Ok(());
        };
        let shown = self.dir.join(PREDICTIONS);
        let wrong = |cause| failed("write", &shown, cause);
        if self.predictions.is_none()
            && let Some(stage) = &self.stage
        {
            let file = File::create(stage.path().join(PREDICTIONS)).map_err(wrong)?;
            let mut file = BufWriter::with_capacity(1 << 20, file);
            file.write_all(&tables::predictions_head(chunk.levels))
                .map_err(wrong)?;
            self.predictions = Some(file);
        }
        let Some(file) = &mut self.predictions else {
            return Ok(());
        };
        let dates = Dates::of(chunk.step, *first);
        for window in 0..chunk.origins.len() {
            self.lines.clear();
            tables::push_window(&mut self.lines, dates, chunk, window);
            file.write_all(&self.lines).map_err(wrong)?;
        }
        Ok(())
    }

    /// Ends `predictions.csv` and hands over the folder it lies in.
    pub(super) fn finish(&mut self) -> Result<Option<Stage>> {
        if let Some(file) = self.predictions.take() {
            let wrong = |cause| failed("write", &self.dir.join(PREDICTIONS), cause);
            file.into_inner()
                .map_err(|error| wrong(error.into_error()))?;
        }
        Ok(self.stage.take())
    }
}
