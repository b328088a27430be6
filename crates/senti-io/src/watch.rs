//! Whoever waits for a long reading: what it is told meanwhile, and how it says that it is enough.

use std::sync::Arc;

type Tell = Arc<dyn Fn(&str) + Send + Sync>;
type Stop = Arc<dyn Fn() -> bool + Send + Sync>;

/// Ears and a wish. The default listens to nothing and never stops.
#[derive(Clone, Default)]
pub struct Watch {
    tell: Option<Tell>,
    stop: Option<Stop>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Watch")
    }
}

impl Watch {
    /// Lines for the user go to `tell`; `stop` says when to give up.
    pub fn new(
        tell: impl Fn(&str) + Send + Sync + 'static,
        stop: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            tell: Some(Arc::new(tell)),
            stop: Some(Arc::new(stop)),
        }
    }

    /// A line for the user.
    pub fn tell(&self, line: &str) {
        if let Some(tell) = &self.tell {
            tell(line);
        }
    }

    /// Has somebody asked to stop?
    pub fn stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop())
    }
}
