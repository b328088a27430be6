//! What `senti-ai inspect` shows of a reading: as text for people, as JSON for programs.

use std::fmt;

use senti::table::Found;
use serde::Serialize;

use super::{ColumnRole, Dialect, Reading};

/// A reading without its values. In JSON the fields of [`Found`] (`rows`, `first`, `last`, `step`, `gaps`, `filled`,
/// `duplicates_dropped`, `warnings`, …) stand beside `origin`, `digest`, `dialect` and `columns`; these names are a public interface.
#[derive(Clone, Debug, Serialize)]
pub struct Inspection<'a> {
    /// The source in words.
    pub origin: &'a str,
    /// SHA-256 of times, names and values.
    pub digest: &'a str,
    /// What was recognised.
    pub dialect: &'a Dialect,
    /// The columns of the table and their roles.
    pub columns: &'a [ColumnRole],
    /// What was found.
    #[serde(flatten)]
    pub found: &'a Found,
}

/// Gaps that are listed in the text; JSON has them all.
const LISTED: usize = 10;

impl<'a> Inspection<'a> {
    pub(super) fn new(reading: &'a Reading) -> Self {
        let Reading {
            found,
            dialect,
            origin,
            digest,
            ..
        } = reading;
        Self {
            origin,
            digest,
            dialect,
            columns: &dialect.columns,
            found,
        }
    }
}

impl fmt::Display for Inspection<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found {
            rows,
            first,
            last,
            step,
            gaps,
            filled,
            segments,
            ..
        } = self.found;
        let week = if self.found.continuous {
            "open all week"
        } else {
            "closed for part of the week"
        };
        writeln!(f, "{}", self.origin)?;
        writeln!(f, "  dialect   {}", self.dialect)?;
        writeln!(f, "  rows      {rows}, {first} … {last}")?;
        writeln!(f, "  step      {step}, {week}")?;
        let n_long = gaps.iter().filter(|gap| !gap.filled).count();
        writeln!(
            f,
            "  gaps      {} ({filled} rows filled, {n_long} too long to fill, {segments} {})",
            gaps.len(),
            if *segments == 1 {
                "segment"
            } else {
                "segments"
            }
        )?;
        // Long gaps matter most.
        let long_first = gaps
            .iter()
            .filter(|gap| !gap.filled)
            .chain(gaps.iter().filter(|gap| gap.filled));
        for gap in long_first.take(LISTED) {
            let what = if gap.filled {
                "filled"
            } else {
                "splits the series"
            };
            writeln!(
                f,
                "            {} … {}: {} missing, {what}",
                gap.after, gap.before, gap.missing
            )?;
        }
        if gaps.len() > LISTED {
            writeln!(f, "            … and {} more", gaps.len() - LISTED)?;
        }
        writeln!(
            f,
            "  left out  {} duplicates, {} unfinished candles, {} rows without a close",
            self.found.duplicates_dropped, self.found.unfinished_dropped, self.found.blank_dropped
        )?;
        let width = self
            .columns
            .iter()
            .map(|column| column.name.chars().count())
            .max()
            .unwrap_or(0);
        for (i, column) in self.columns.iter().enumerate() {
            let label = if i == 0 { "columns" } else { "" };
            writeln!(
                f,
                "  {label:<9} {:<width$}  {}",
                column.name,
                column.role.name()
            )?;
        }
        for (i, dropped) in self.found.dropped.iter().enumerate() {
            let label = if i == 0 { "dropped" } else { "" };
            writeln!(f, "  {label:<9} {}: {}", dropped.column, dropped.reason)?;
        }
        for warning in &self.found.warnings {
            writeln!(f, "  warning   {warning}")?;
        }
        write!(f, "  digest    {}", self.digest)
    }
}
