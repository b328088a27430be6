//! What a test part says of a model, in a sentence: better than the naive forecast or not. Whether that is more than luck is another
//! question, which a single test part cannot answer.
//!
//! In comes an [`Evaluation`]; out goes a [`Verdict`]. Nothing is computed but shares and differences.

use senti::evaluation::Evaluation;
use senti::metrics::Scores;

/// Differences up to this many percent are called equal.
const EQUAL: f64 = 0.5;

/// Points by which the 90 % interval may be off before it is told.
const OFF: f64 = 10.0;

/// What the two errors, of the point and of the distribution, come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Both, or one and the other no worse, are better than naive's.
    Better,
    /// They do not agree, or are equal.
    Unclear,
    /// No better than naive.
    NoBetter,
    /// The naive forecast made no error.
    Nothing,
}

/// A verdict on one test part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What it comes to.
    pub said: Said,
    /// In a sentence, in lower case and without a full stop.
    pub sentence: String,
}

/// Did the model beat the naive forecast on this test part? No word on whether that was luck.
pub fn verdict(evaluation: &Evaluation) -> Verdict {
    let change = |name: &str| {
        let (model, naive) = (
            overall(&evaluation.model, name)?,
            overall(&evaluation.naive, name)?,
        );
        (naive > 0.0).then(|| 100.0 * (model / naive - 1.0))
    };
    let (Some(mae), Some(crps)) = (change("mae"), change("crps")) else {
        return Verdict {
            said: Said::Nothing,
            sentence: "the naive forecast made no error on this test part, so nothing can be said against it".into(),
        };
    };
    let told = |change: f64| match change {
        // What is printed as 0.0 % is no difference.
        _ if change.abs() < 0.05 => "equal to naive's".to_owned(),
        _ if change < 0.0 => format!("{:.1} % lower than naive's", -change),
        _ => format!("{change:.1} % higher than naive's"),
    };
    let sign = |change: f64| match change {
        _ if change < -EQUAL => -1,
        _ if change > EQUAL => 1,
        _ => 0,
    };
    let (said, verdict) = match (sign(mae), sign(crps)) {
        (-1, -1) => (Said::Better, "the model beat the naive forecast on this test part".to_owned()),
        (1, 1) => (Said::NoBetter, "the model did not beat the naive forecast on this test part".to_owned()),
        (0, 0) => (Said::Unclear, format!(
            "the model and the naive forecast are equal on this test part, within {EQUAL} %"
        )),
        (-1, 0) => (Said::Better, "on this test part the model's point forecast was better than naive's, its distribution no better".to_owned()),
        (0, -1) => (Said::Better, "on this test part the model's distribution was better than naive's, its point forecast no better".to_owned()),
        (0, 1) | (1, 0) => (Said::NoBetter, "the model did not beat the naive forecast on this test part".to_owned()),
        _ => (Said::Unclear, "on this test part the two scores do not agree whether the model is better than the naive forecast".to_owned()),
    };
    let covered = overall(&evaluation.model, "coverage_90").map(|share| 100.0 * share);
    let covered = covered.filter(|covered| (covered - 90.0).abs() > OFF);
    let covered = covered.map_or(String::new(), |covered| {
        format!("; its 90 % interval covered {covered:.1} % of what came true")
    });
    Verdict {
        said,
        sentence: format!(
            "{verdict}: its mean absolute error is {}, its CRPS {}{covered} (one test part; whether that is more than luck is not tested)",
            told(mae),
            told(crps)
        ),
    }
}

/// The score of this name over all steps.
fn overall(scores: &Scores, name: &str) -> Option<f64> {
    scores.overall.get(name).copied().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(mae: f64, crps: f64) -> Scores {
        let map = |mae, crps| {
            [
                ("mae".to_owned(), Some(mae)),
                ("crps".to_owned(), Some(crps)),
            ]
        };
        Scores {
            windows: 1,
            overall: map(mae, crps).into(),
            steps: vec![map(mae, crps).into()],
        }
    }

    #[track_caller]
    fn check(mae: f64, crps: f64, wanted: &str) {
        let evaluation = Evaluation {
            model: scores(mae, crps),
            naive: scores(10.0, 10.0),
        };
        let found = verdict(&evaluation).sentence;
        assert!(found.starts_with(wanted), "{found}");
    }

    #[test]
    fn the_verdict_claims_no_more_than_the_scores() {
        check(
            9.0,
            9.5,
            "the model beat the naive forecast on this test part: its mean absolute error is 10.0 % lower than naive's, its CRPS 5.0 % lower than naive's (one",
        );
        check(
            10.0,
            10.0,
            "the model and the naive forecast are equal on this test part, within 0.5 %: its mean absolute error is equal to naive's, its CRPS equal to naive's (one",
        );
        check(9.96, 10.04, "the model and the naive forecast are equal");
        check(11.0, 10.1, "the model did not beat the naive forecast");
        check(11.0, 10.0, "the model did not beat the naive forecast");
        check(9.0, 11.0, "on this test part the two scores do not agree");
        check(
            9.0,
            9.99,
            "on this test part the model's point forecast was better",
        );
        check(
            10.0,
            9.0,
            "on this test part the model's distribution was better",
        );
    }

    #[test]
    fn an_interval_that_is_far_off_is_told() {
        let told = |coverage: f64| {
            let mut model = scores(9.0, 9.0);
            model.overall.insert("coverage_90".into(), Some(coverage));
            verdict(&Evaluation {
                model,
                naive: scores(10.0, 10.0),
            })
            .sentence
        };
        assert!(told(0.7).contains("; its 90 % interval covered 70.0 % of what came true ("));
        assert!(!told(0.85).contains("interval"));
    }
}
