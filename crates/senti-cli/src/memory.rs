//! The memory that a run may take: `--memory`, and the refusal of what does not fit.
//!
//! In come a text such as `2GiB` and the sizes of a job; out goes an error that says what it would take and what to lower. How much a
//! job takes is [`senti::memory`]'s to say.

use senti::memory::{Needs, Sizes, needs, size};
use senti::plan::Plan;
use senti::{Error, Result};

use crate::settings::Settings;

/// What a text must look like.
pub const WANTED: &str = "a size of at least 32MiB, such as 2GiB or 500MB";

/// What the program takes without any data: its code, tables and buffers, the time zone and the texts of the report.
const PROGRAM: u64 = 16 << 20;
/// What each thread takes.
const THREAD: u64 = 512 << 10;
/// What the pictures take while they are drawn.
const PICTURES: u64 = 16 << 20;

/// Less does not hold the program and a row.
const LEAST: u64 = 32 << 20;

/// Reads a size; `None` where it is something else.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    let unit = match &text[end..] {
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "mib" | "m" => f64::from(1 << 20),
        "gib" | "g" => f64::from(1 << 30),
        "tib" | "t" => 1024.0 * f64::from(1 << 30),
        _ => return None,
    };
    let bytes = text[..end].trim().parse::<f64>().ok()? * unit;
    (bytes >= LEAST as f64 && bytes < 1e18).then_some(bytes as u64)
}

/// What a run may take, and what it takes apart from its data.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    most: u64,
    fixed: u64,
}

impl Budget {
    /// As the settings say; none where nothing is said.
    pub fn of(settings: &Settings, threads: usize) -> Option<Self> {
        let most = settings.text("memory").and_then(parse)?;
        let pictures = if settings.switch("no_plot") {
            0
        } else {
            PICTURES
        };
        let fixed = PROGRAM + pictures + THREAD * threads as u64;
        Some(Self { most, fixed })
    }

    /// What reading may take.
    pub fn for_reading(&self) -> u64 {
        self.most.saturating_sub(self.fixed)
    }

    /// Refuses a training that would take more.
    pub fn check(&self, sizes: &Sizes, plan: &Plan) -> Result<()> {
        let needs = needs(sizes, plan)?;
        let wanted = needs.total().saturating_add(self.fixed);
        if wanted <= self.most {
            return Ok(());
        }
        let Needs {
            table,
            matrix,
            work,
        } = needs;
        let Sizes {
            rows,
            columns,
            features,
            ..
        } = sizes;
        let sentence = format!(
            "this training would take {}, `--memory` allows {}: {} for {rows} rows of {columns} columns, {} for their {features} features, {} for the model at work, {} for the program",
            size(wanted),
            size(self.most),
            size(table),
            size(matrix),
            size(work),
            size(self.fixed),
        );
        let lower = match (plan.model_type.as_str(), work > table + matrix) {
            ("lstm", true) => "lower `--units`, `--batch_size` or `--input_seq_length`",
            (_, true) => "lower `--input_seq_length` or `--forecast_horizon`",
            (_, false) => "give a file with fewer rows or columns",
        };
        // A little more than what was found to be too much.
        let enough = size(wanted + wanted / 50).replace(' ', "");
        Err(Error::plan(sentence).hint(format!("{lower}, or give `--memory {enough}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_bytes() {
        for (text, wanted) in [
            ("2GiB", Some(2 << 30)),
            ("500MB", Some(500_000_000)),
            ("1.5 GiB", Some(3 << 29)),
            ("64m", Some(64 << 20)),
            ("1TB", Some(1_000_000_000_000)),
            ("1GiB ", Some(1 << 30)),
            ("1000", None),
            ("1MiB", None),
            ("-1GiB", None),
            ("NaNGiB", None),
            ("infGiB", None),
            ("1e30 TiB", None),
            ("2 GiBs", None),
            ("", None),
        ] {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }
}
