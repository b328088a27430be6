//! Ctrl-C: the first one asks a training to stop after its batch, the second one ends the program at once.
//!
//! Nothing comes in but signals; out goes [`wanted`]. Outside a training nothing is caught: the program just ends.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use senti::{Error, Result};

use crate::{failure, say};

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

/// From now on signals are counted.
pub fn listen() -> Result<()> {
    let caught = ctrlc::set_handler(|| match SIGNALS.fetch_add(1, SeqCst) {
        0 => say::note("stopping after this batch; press Ctrl-C again to stop at once"),
        _ => std::process::exit(failure::INTERRUPTED.into()),
    });
    caught.map_err(|error| Error::remote("cannot listen for Ctrl-C").because(error))
}

/// Has somebody asked to stop?
pub fn wanted() -> bool {
    SIGNALS.load(SeqCst) > 0
}
