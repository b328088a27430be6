//! What `backtest --output DIR` leaves behind: every forecast, the folds, the report card.
//!
//! In come a backtest and its card; out go the files of the table [`BACKTEST_OUTPUTS`], all of them complete before the first takes
//! its place. Names and columns are a public interface.

use std::fs;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use senti::Result;
use senti::backtest::Backtest;
use senti::card::ReportCard;

use super::figures::{Dates, number};
use super::html::{Facts, Tested, of_backtest, render};
use super::tables::predictions_head;
use crate::atomic::{Stage, failed};

/// What there is to write about.
#[derive(Clone, Copy)]
pub struct Judged<'a> {
    /// The forecasts and what came true.
    pub backtest: &'a Backtest,
    /// What is to be said of them.
    pub card: &'a ReportCard,
    /// Data and configuration, for the page: [`Facts::of_data`], [`Facts::of_settings`].
    pub facts: &'a [Facts],
}

/// A row of [`BACKTEST_OUTPUTS`].
pub struct BacktestOutput {
    /// File name.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// Writes it.
    write: fn(&Judged<'_>, &mut dyn Write) -> std::io::Result<()>,
}

/// Every file that a backtest leaves.
pub const BACKTEST_OUTPUTS: &[BacktestOutput] = &[
    BacktestOutput {
        name: "report.html",
        about: "everything on one page, the verdicts first: opens from disk, without network",
        write: page,
    },
    BacktestOutput {
        name: "backtest.csv",
        about: "every forecast of every model: origin, step, date, what came true, point, 19 quantiles; prices",
        write: forecasts,
    },
    BacktestOutput {
        name: "folds.csv",
        about: "what each training of the walk learned from, and how it went",
        write: folds,
    },
    BacktestOutput {
        name: "report_card.json",
        about: "scores, tests, verdicts and alarms of every model by horizon",
        write: card,
    },
];

/// Writes everything that a backtest leaves in `dir` and returns the paths, sorted.
pub fn write_backtest(dir: &Path, judged: &Judged<'_>) -> Result<Vec<PathBuf>> {
    let stage = Stage::create(dir)?;
    for output in BACKTEST_OUTPUTS {
        let path = stage.path().join(output.name);
        let written = fs::File::create(&path).and_then(|file| {
            let mut file = BufWriter::with_capacity(1 << 20, file);
            (output.write)(judged, &mut file)?;
            file.flush()
        });
        written.map_err(|cause| failed("write", &dir.join(output.name), cause))?;
    }
    stage.spread(dir)
}

fn page(judged: &Judged<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let page = of_backtest(&Tested {
        backtest: judged.backtest,
        card: judged.card,
        importance: &[],
        facts: judged.facts,
    });
    out.write_all(render(&page).as_bytes())
}

fn forecasts(judged: &Judged<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    let (truth, levels) = (&judged.backtest.truth, &judged.backtest.levels);
    out.write_all(b"model,")?;
    out.write_all(&predictions_head(levels))?;
    let dates = Dates::of(truth.step, truth.origins.first().copied().unwrap_or(0));
    let mut line = Vec::new();
    for track in &judged.backtest.tracks {
        for (origin, &time) in truth.origins.iter().enumerate() {
            let quantiles = track.predictions.quantiles(origin);
            let start = format!("{},{}", track.model, dates.text(time));
            for (step, point) in track.predictions.point(origin).iter().enumerate() {
                line.clear();
                line.extend(start.as_bytes());
                line.extend(format!(",{},", step + 1).as_bytes());
                dates.push(&mut line, truth.times[origin * truth.horizon + step]);
                // What came true is copied, not rounded: shortest text that reads back as the same number.
                line.extend(format!(",{},", truth.actual(origin)[step]).as_bytes());
                number(&mut line, *point);
                for price in &quantiles[step * levels.len()..][..levels.len()] {
                    line.push(b',');
                    number(&mut line, *price);
                }
                line.push(b'\n');
                out.write_all(&line)?;
            }
        }
    }
    Ok(())
}

fn folds(judged: &Judged<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    out.write_all(
        b"model,fold,first_origin,last_origin,origins,known_until,train_windows,valid_windows,calibration_windows,features,epochs,best_epoch,untrained_loss,valid_loss\n",
    )?;
    let truth = &judged.backtest.truth;
    let dates = Dates::of(truth.step, truth.origins.first().copied().unwrap_or(0));
    let loss = |loss: Option<f64>| loss.map(|loss| loss.to_string()).unwrap_or_default();
    for fold in &judged.backtest.folds {
        let sizes = &fold.sizes;
        writeln!(
            out,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{}",
            fold.model,
            fold.fold,
            dates.text(fold.first_origin),
            dates.text(fold.last_origin),
            fold.origins,
            dates.text(fold.known_until),
            sizes.train_windows,
            sizes.valid_windows,
            sizes.calibration_windows,
            sizes.features,
            fold.epochs,
            fold.best_epoch,
            loss(fold.untrained_loss),
            loss(fold.valid_loss),
        )?;
    }
    Ok(())
}

fn card(judged: &Judged<'_>, out: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, judged.card)
        .map_err(|cause| std::io::Error::new(ErrorKind::InvalidData, cause))?;
    out.write_all(b"\n")
}
