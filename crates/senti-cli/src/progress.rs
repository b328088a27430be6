//! The progress of a training: a bar on a terminal, one plain line an epoch anywhere else.
//!
//! In come events and the time since the start; out go lines on stderr. It changes nothing and stops nothing.

use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use senti::observe::{EpochRecord, Event};

use crate::say;

/// Redraws a second.
const RATE: u8 = 10;

/// What is known so far.
pub struct Progress {
    bar: Option<ProgressBar>,
    epochs: usize,
    /// What the model of epoch 0 is called.
    start: &'static str,
    /// Epochs seen in this run, which a resumed one begins later with.
    seen: u32,
    began: Duration,
    first: Option<Duration>,
    /// Windows of this epoch that were done in this run.
    windows: f64,
    /// Batches of this epoch that an earlier run has done.
    before: Option<usize>,
    working: Option<&'static str>,
    last: Option<EpochRecord>,
    best: Option<EpochRecord>,
}

impl Progress {
    /// At most this many epochs lie ahead.
    pub fn new(epochs: usize) -> Self {
        let bar = (std::io::stderr().is_terminal() && !say::quiet()).then(|| {
            let target = ProgressDrawTarget::stderr_with_hz(RATE);
            // Two lines, so that a terminal of 80 columns shows everything.
            let template = "{prefix} [{bar:30}] {msg}";
            let style = ProgressStyle::with_template(template).expect("the template is a constant");
            ProgressBar::with_draw_target(None, target).with_style(style.progress_chars("=> "))
        });
        Self {
            bar,
            epochs,
            start: "untrained",
            seen: 0,
            began: Duration::ZERO,
            first: None,
            windows: 0.0,
            before: None,
            working: None,
            last: None,
            best: None,
        }
    }

    /// The same from weights that were given.
    pub fn given(self) -> Self {
        Self {
            start: "the given weights",
            ..self
        }
    }

    /// Takes note of an event, `now` after the start.
    pub fn see(&mut self, event: &Event<'_>, now: Duration) {
        match event {
            Event::Prepared { .. } => self.began = now,
            Event::Untrained { valid_loss } => {
                if self.bar.is_none() {
                    say::note(&format!(
                        "epoch 0/{} ({})  valid_loss {valid_loss:.6}",
                        self.epochs, self.start
                    ));
                }
            }
            Event::Working { what, done, of } => {
                let Some(bar) = &self.bar else {
                    // One line for each kind of work.
                    if self.working.replace(what) != Some(*what) {
                        say::note(&format!("{what}, {}", say::count(*of, "window")));
                    }
                    return;
                };
                bar.set_length(*of as u64);
                bar.set_prefix(*what);
                bar.set_position(*done as u64);
                bar.set_message("");
            }
            Event::Batch {
                epoch,
                batch,
                batches,
                windows,
                loss,
                ..
            } => {
                self.first.get_or_insert(now);
                // A resumed run begins in the middle of an epoch: only what was done here counts.
                let before = *self.before.get_or_insert(batch.saturating_sub(1));
                let share = (batch - before) as f64 / (*batches).max(1) as f64;
                self.windows = *windows as f64 * share;
                let Some(bar) = &self.bar else { return };
                bar.set_length(*batches as u64);
                bar.set_prefix(format!("epoch {epoch}/{}", self.epochs));
                bar.set_position(*batch as u64);
                let speed = speed(self.windows, now.saturating_sub(self.began));
                let pace: Vec<String> = std::iter::once(speed)
                    .chain(self.left(*epoch, now))
                    .collect();
                let mut parts = vec![format!("train_loss {loss:.5}")];
                if let Some(last) = self.last {
                    // Until an epoch is better than the untrained model there is no best one.
                    let best = self
                        .best
                        .map(|best| format!(" (best {:.5})", best.valid_loss));
                    parts.push(format!(
                        "valid_loss {:.5}{}",
                        last.valid_loss,
                        best.unwrap_or_default()
                    ));
                    parts.push(rate(last));
                }
                bar.set_message(format!("{}\n  {}", pace.join("  "), parts.join("  ")));
            }
            Event::Epoch {
                record,
                best,
                epochs,
                ..
            } => {
                self.epochs = *epochs;
                self.seen += 1;
                if *best {
                    self.best = Some(*record);
                }
                self.last = Some(*record);
                if self.bar.is_none() {
                    let mut parts = vec![
                        format!("epoch {}/{epochs}", record.epoch),
                        format!("train_loss {:.6}", record.train_loss),
                        format!(
                            "valid_loss {:.6}{}",
                            record.valid_loss,
                            if *best { " (best)" } else { "" }
                        ),
                        rate(*record),
                        speed(self.windows, now.saturating_sub(self.began)),
                    ];
                    parts.extend(self.left(record.epoch + 1, now));
                    say::note(&parts.join("  "));
                }
                self.began = now;
                self.before = None;
            }
            // a backtest has a bar of its own
            Event::Tested(_) | Event::Sized { .. } | Event::Walking { .. } | Event::Fold(_) => {}
            Event::Interrupted { .. } | Event::Finished(_) => self.clear(),
        }
    }

    /// Takes the bar away before something else is said.
    pub fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Time until the last epoch; early stopping may well end sooner.
    fn left(&self, epoch: usize, now: Duration) -> Option<String> {
        let first = self.first.filter(|_| self.seen > 0)?;
        let rest = (self.epochs + 1).saturating_sub(epoch) as u32;
        let seconds = (now.saturating_sub(first) / self.seen * rest).as_secs();
        (rest > 0).then(|| format!("at most {}:{:02} left", seconds / 60, seconds % 60))
    }
}

fn speed(windows: f64, time: Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds > 0.0 {
        true => format!("{:.0} windows/s", windows / seconds),
        false => "- windows/s".into(),
    }
}

/// The engine works in single precision, so more digits than that has would only show its rounding.
fn rate(record: EpochRecord) -> String {
    format!("learning_rate {}", record.learning_rate as f32)
}
