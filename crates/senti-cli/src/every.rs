//! How often a training is kept: a time, a number of epochs, or never.
//!
//! In comes a text such as `30s` or `5 epochs`; out goes an [`Every`]. No clock is read here.

use std::time::Duration;

use crate::settings::Settings;

/// What a text must look like.
pub const WANTED: &str = "a time (30s, 5min), a number of epochs (5epochs), or never (then only Ctrl-C keeps a training)";

/// Longest time: a year.
const LONGEST: f64 = 366.0 * 86_400.0;

/// How often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Every {
    /// Only when a training is told to stop.
    Never,
    /// Behind each epoch whose number is a multiple of this.
    Epochs(usize),
    /// After this time, in the middle of an epoch too.
    Pause(Duration),
}

impl Every {
    /// As the settings say.
    pub fn of(settings: &Settings) -> Self {
        let said = settings.text("checkpoint_every").and_then(Self::parse);
        said.unwrap_or(Self::Never)
    }

    /// Reads a text; `None` where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if ["never", "0"].contains(&text.as_str()) {
            return Some(Self::Never);
        }
        let end = text.find(|c: char| c.is_ascii_alphabetic())?;
        let (number, unit) = (text[..end].trim(), &text[end..]);
        if ["epoch", "epochs"].contains(&unit) {
            let epochs = number.parse().ok().filter(|&epochs| epochs > 0);
            return epochs.map(Self::Epochs);
        }
        let unit = match unit {
            "ms" => 1e-3,
            "s" | "sec" | "second" | "seconds" => 1.0,
            "min" | "minute" | "minutes" => 60.0,
            "h" | "hour" | "hours" => 3_600.0,
            _ => return None,
        };
        let seconds = number.parse::<f64>().ok()? * unit;
        let fits = seconds > 0.0 && seconds <= LONGEST;
        fits.then(|| Self::Pause(Duration::from_secs_f64(seconds)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_times_or_epochs() {
        let seconds = |n| Some(Every::Pause(Duration::from_secs(n)));
        for (text, wanted) in [
            ("never", Some(Every::Never)),
            ("0", Some(Every::Never)),
            ("30s", seconds(30)),
            ("1.5 min", seconds(90)),
            ("2 hours", seconds(7_200)),
            ("20ms", Some(Every::Pause(Duration::from_millis(20)))),
            ("5epochs", Some(Every::Epochs(5))),
            ("1 Epoch", Some(Every::Epochs(1))),
            ("30", None),
            ("0s", None),
            ("-3s", None),
            ("1.5 epochs", None),
            ("0 epochs", None),
            ("NaNs", None),
            ("infs", None),
            ("1e300h", None),
            ("3 days", None),
            ("s", None),
            ("", None),
        ] {
            assert_eq!(Every::parse(text), wanted, "{text}");
        }
    }
}
