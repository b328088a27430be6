//! The thread that brings a journal to its server while the command works.
//!
//! In come rings of a bell: there are new lines. About once a second what is new is sent; a server that is away or failing is asked again
//! after a while, ever more seldom. Whoever rings never waits. At the end the courier gets a bounded time; what it could not deliver stays
//! in the journal.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use senti::{Error, Result};

use super::api::Api;
use super::sender::{Halt, Sender};

/// Between two passes while there is work.
const PACE: Duration = Duration::from_secs(1);
/// Before a server that was away is asked again; doubled each time up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(3);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What became of a journal.
#[derive(Debug, Default)]
pub struct Report {
    /// The server has everything.
    pub complete: bool,
    /// Why it has not.
    pub trouble: Option<Error>,
    /// What it refused.
    pub refused: Vec<String>,
    /// Page of the command's run, once it is there.
    pub place: Option<String>,
}

#[derive(Default)]
struct State {
    /// There are lines that the thread has not seen.
    news: bool,
    /// Nothing more will come, and nothing is tried after this moment.
    closing: Option<Instant>,
    /// The thread has ended.
    ended: bool,
    trouble: Option<Error>,
    complete: bool,
    refused: Vec<String>,
    place: Option<String>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    bell: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        self.state().news = true;
        self.bell.notify_all();
    }
}

/// Rings for a courier.
pub struct Bell(Arc<Shared>);

impl Bell {
    /// There are new lines.
    pub fn ring(&self) {
        self.0.ring();
    }
}

/// A courier at work.
pub struct Courier {
    shared: Arc<Shared>,
}

impl Courier {
    /// Sets out. `api` is how the sender of this journal talks.
    pub fn start(api: &Api, sender: impl FnOnce(Api) -> Sender + Send + 'static) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let watch = Arc::clone(&shared);
        // a pause that a server asked for ends with the time that is given
        let api = api.clone().stopping(move || {
            let closing = watch.state().closing;
            closing.is_some_and(|moment| Instant::now() >= moment)
        });
        let (of_thread, talk) = (Arc::clone(&shared), api.clone());
        let thread = std::thread::Builder::new().name("mlflow".into());
        let started = thread.spawn(move || {
            let ended = Ended(&of_thread);
            deliver(&of_thread, &talk, sender(api));
            drop(ended);
        });
        started
            .map_err(|cause| Error::remote("cannot start the tracking thread").because(cause))?;
        Ok(Self { shared })
    }

    /// There are new lines.
    pub fn ring(&self) {
        self.shared.ring();
    }

    /// A bell for another thread that writes lines.
    pub fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.shared))
    }

    /// What keeps it from delivering at the moment, in a sentence.
    pub fn trouble(&self) -> Option<String> {
        let state = self.shared.state();
        state.trouble.as_ref().map(ToString::to_string)
    }

    /// Waits until everything is delivered, but no longer than this, nor after `stop` says so.
    pub fn finish(self, wait: Duration, stop: &dyn Fn() -> bool) -> Report {
        let end = Instant::now() + wait;
        let mut state = self.shared.state();
        (state.closing, state.news) = (Some(end), true);
        self.shared.bell.notify_all();
        while !state.ended && !stop() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let tick = left.min(Duration::from_millis(50));
            let waited = self.shared.bell.wait_timeout(state, tick);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        if !state.ended {
            state.closing = Some(Instant::now());
            let seconds = wait.as_secs_f64();
            state.trouble.get_or_insert_with(|| match stop() {
                true => Error::remote("the sending was stopped"),
                false => Error::remote(format!("the server needs longer than {seconds} s")),
            });
        }
        Report {
            complete: state.complete && state.ended,
            trouble: state.trouble.take(),
            refused: std::mem::take(&mut state.refused),
            place: state.place.take(),
        }
    }
}

/// Tells that the thread has ended, however that came.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.state().ended = true;
        self.0.bell.notify_all();
    }
}

fn deliver(shared: &Shared, api: &Api, mut sender: Sender) {
    let mut pause = FIRST_PAUSE;
    loop {
        // sleeps until there is something to do
        let mut state = shared.state();
        while !state.news && state.closing.is_none() {
            state = shared
                .bell
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let closing = state.closing;
        state.news = false;
        drop(state);

        if let Some(moment) = closing {
            sender.through(api.clone().until(moment));
        }
        let result = sender.pass();
        let mut state = shared.state();
        state.refused = sender.sent().refused.clone();
        state.place = sender.place();
        let wait = match result {
            Ok(()) => {
                (state.trouble, pause) = (None, FIRST_PAUSE);
                // the last lines may have come during the pass
                if closing.is_some() {
                    state.complete = true;
                    return;
                }
                PACE
            }
            Err(Halt::Never(error)) => {
                state.trouble = Some(error);
                return;
            }
            Err(Halt::Later(error)) => {
                // the reason from before the end says more than "no more time"
                let stopped = error.kind() == senti::ErrorKind::Interrupted;
                if !stopped || state.trouble.is_none() {
                    state.trouble = Some(error);
                }
                if closing.is_some() {
                    return;
                }
                state.news = true;
                let now = pause;
                pause = (2 * pause).min(LONGEST_PAUSE);
                now
            }
        };
        // new lines wait for the next pass; only the end cuts the pause short
        let end = Instant::now() + wait;
        while state.closing.is_none() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = shared.bell.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
