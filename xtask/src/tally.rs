//! What passed and what failed.
//!
//! In come steps and the lines of test binaries; out goes the closing line.

use std::fmt;
use std::process::ExitCode;

/// Counts, and the names of what failed.
#[derive(Debug, Default)]
pub struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
    failures: Vec<String>,
    reasons: Vec<String>,
}

impl Tally {
    /// A step of our own.
    pub fn check(&mut self, name: &str, good: bool) {
        match good {
            true => self.passed += 1,
            false => {
                self.failed += 1;
                self.failures.push(name.to_owned());
            }
        }
    }

    /// Something that could not be looked at here, and why; said now and in the closing lines.
    pub fn skip(&mut self, what: String) {
        println!("skipped: {what}");
        self.skipped += 1;
        self.reasons.push(what);
    }

    /// A line of a test binary: `test result: ok. 3 passed; 0 failed; 1 ignored; …`, or `test name ... FAILED`.
    pub fn read(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("test ")
            && let Some(name) = rest.strip_suffix(" ... FAILED")
        {
            self.failures.push(name.to_owned());
        }
        let Some(rest) = line.strip_prefix("test result: ") else {
            return;
        };
        for part in rest.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(count), Some(word), None) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Ok(count) = count.parse::<usize>() else {
                continue;
            };
            match word {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.skipped += count,
                _ => {}
            }
        }
    }

    /// How many so far.
    pub fn failed(&self) -> usize {
        self.failed
    }

    /// Success when something passed and nothing failed: no test at all is a mistake, too.
    pub fn code(&self) -> ExitCode {
        match self.failed == 0 && self.passed > 0 {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.failures {
            writeln!(f, "failed: {name}")?;
        }
        for reason in &self.reasons {
            writeln!(f, "skipped: {reason}")?;
        }
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_test_binaries_are_summed_up() {
        let mut tally = Tally::default();
        tally.check("formatting", true);
        tally.read("test a ... ok");
        tally.read("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s");
        assert_eq!(tally.to_string(), "4 passed, 0 failed, 1 skipped");
        tally.skip("MLflow 3: no Python".to_owned());
        tally.read("test b::c ... FAILED");
        tally.read("test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s");
        assert_eq!(
            tally.to_string(),
            "failed: b::c\nskipped: MLflow 3: no Python\n5 passed, 1 failed, 2 skipped"
        );
        assert_eq!(
            format!("{:?}", tally.code()),
            format!("{:?}", ExitCode::FAILURE)
        );
    }

    #[test]
    fn nothing_run_is_no_success() {
        let code = Tally::default().code();
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    }
}
