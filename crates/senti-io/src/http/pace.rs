//! How often a party lets itself be asked.
//!
//! In comes the moment at which somebody wants to ask; out goes how long to wait first. Moments are handed out in order, one `gap` after
//! the other, so that all who share a pace keep to it together. Nothing sleeps here.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most so many calls a second.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    free: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most this many calls a second: more than 0.
    pub fn new(calls_per_second: f64) -> Self {
        let gap = 1.0 / calls_per_second.max(1e-3);
        Self {
            gap: Duration::from_secs_f64(gap),
            free: Mutex::new(None),
        }
    }

    /// Takes the next free moment; how long it is until then.
    pub(super) fn reserve(&self, now: Instant) -> Duration {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = free.map_or(now, |free| free.max(now));
        *free = Some(mine + self.gap);
        mine - now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_handed_out_one_gap_after_the_other() {
        let (pace, now) = (Pace::new(4.0), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(pace.reserve(now), ms(0));
        assert_eq!(pace.reserve(now), ms(250));
        assert_eq!(pace.reserve(now + ms(100)), ms(400));
        // what was not used is not saved up
        assert_eq!(pace.reserve(now + ms(2000)), ms(0));
        assert_eq!(pace.reserve(now + ms(2000)), ms(250));
    }
}
