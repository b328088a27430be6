//! Ctrl-C: what can stop in order is asked to, everything else ends at once; a second one always ends the program at once.
//!
//! In come signals and the stage of the work; out goes [`wanted`]. Files appear whole or not at all, so ending at once harms nothing.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};

use senti::{Error, Result};

use crate::{failure, say};

static SIGNALS: AtomicUsize = AtomicUsize::new(0);
static STAGE: AtomicU8 = AtomicU8::new(Stage::Starting as u8);

/// What is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Reading and preparing: nothing to lose.
    Starting,
    /// Batches go by, each of which can be the last.
    Batches,
    /// Something else that asks now and then whether to stop.
    Working,
    /// The model is being saved.
    Saving,
    /// The model is saved, its files are being written.
    Writing,
    /// A forecast is made, its files are being written.
    Telling,
    /// The model is saved and being registered on a server.
    Registering,
    /// Everything is done; a server is being told of it.
    Sending,
}

/// Tells what is going on from now on.
pub fn stage(stage: Stage) {
    STAGE.store(stage as u8, SeqCst);
}

/// From now on signals are caught.
pub fn listen() -> Result<()> {
    let caught = ctrlc::set_handler(|| {
        let again = SIGNALS.fetch_add(1, SeqCst) > 0;
        let is = |stage: Stage| STAGE.load(SeqCst) == stage as u8;
        let told = match again {
            true => "stopped: at once",
            false if is(Stage::Batches) => {
                return say::note("stopping after this batch; press Ctrl-C again to stop at once");
            }
            false if is(Stage::Working) => {
                return say::note("stopping; press Ctrl-C again to stop at once");
            }
            false if is(Stage::Sending) => {
                return say::note("not waiting for MLflow any longer");
            }
            false if is(Stage::Saving) => {
                "stopped: while the model was being saved\nhint: `senti-ai models list` shows whether it was"
            }
            false if is(Stage::Writing) => {
                "stopped: the model is saved, its files may be missing\nhint: `senti-ai models list` shows it"
            }
            false if is(Stage::Telling) => "stopped: files of the forecast may be missing",
            false if is(Stage::Registering) => {
                "stopped: the model is saved, but perhaps not registered\nhint: `senti-ai models push` registers it"
            }
            false => "stopped: nothing was written",
        };
        say::error(told);
        std::process::exit(failure::INTERRUPTED.into());
    });
    caught.map_err(|error| Error::remote("cannot listen for Ctrl-C").because(error))
}

/// Has somebody asked to stop?
pub fn wanted() -> bool {
    SIGNALS.load(SeqCst) > 0
}
