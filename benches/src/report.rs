//! Times by name, and what they say: medians and minima, ratios and shares, beside the goals.

use std::collections::BTreeMap;

/// What must be reached, and what is aimed at.
pub struct Goal(pub f64, pub f64);

/// Every time measured, by name.
#[derive(Default)]
pub struct Timings(BTreeMap<String, Vec<f64>>);

impl Timings {
    pub fn add(&mut self, name: &str, value: f64) {
        self.0.entry(name.to_owned()).or_default().push(value);
    }

    fn sorted(&self, name: &str) -> Option<Vec<f64>> {
        let mut values = self.0.get(name)?.clone();
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(values)
    }

    pub fn median(&self, name: &str) -> Option<f64> {
        self.sorted(name).map(|values| values[values.len() / 2])
    }

    fn least(&self, name: &str) -> Option<f64> {
        self.sorted(name).map(|values| values[0])
    }

    /// A line for everybody who did `what`.
    pub fn list(&self, what: &str, show: impl Fn(f64) -> String) {
        for name in self.0.keys() {
            let who = name
                .strip_prefix(what)
                .and_then(|rest| rest.strip_prefix(' '));
            if let (Some(who), Some(median), Some(least)) =
                (who, self.median(name), self.least(name))
            {
                println!("  {who:<24} median {}   best {}", show(median), show(least));
            }
        }
    }

    /// Peaks, in GFLOP/s: the highest is the best.
    pub fn rates(&self, names: &[&str]) {
        for name in names {
            if let (Some(median), Some(values)) = (self.median(name), self.sorted(name)) {
                let best = values[values.len() - 1];
                println!(
                    "  {name:<24} median {:6.0} GFLOP/s   best {:6.0} GFLOP/s",
                    median / 1e9,
                    best / 1e9
                );
            }
        }
    }

    /// How many times longer `slow` takes than `fast`: of the medians, and of the best.
    pub fn ratio(&self, what: &str, slow: &str, fast: &str, goal: Goal) {
        if let (Some(slow_median), Some(fast_median)) = (self.median(slow), self.median(fast))
            && let (Some(slow_best), Some(fast_best)) = (self.least(slow), self.least(fast))
        {
            let (median, best) = (slow_median / fast_median, slow_best / fast_best);
            let show = |value: f64| format!("{value:.2} x");
            line(what, median, best, goal, show);
        }
    }

    /// The same without a goal.
    pub fn plain_ratio(&self, what: &str, slow: &str, fast: &str) {
        if let (Some(slow_median), Some(fast_median)) = (self.median(slow), self.median(fast))
            && let (Some(slow_best), Some(fast_best)) = (self.least(slow), self.least(fast))
        {
            println!(
                "  {what}: {:.2} x of the medians, {:.2} x of the best",
                slow_median / fast_median,
                slow_best / fast_best
            );
        }
    }

    /// The share of the highest peak seen that `operations` in the time of `name` are.
    pub fn share(&self, what: &str, name: &str, peak: &str, operations: f64, goal: Goal) {
        if let (Some(median), Some(best)) = (self.median(name), self.least(name))
            && let Some(peaks) = self.sorted(peak)
        {
            let highest = peaks[peaks.len() - 1];
            let (median, best) = (operations / median / highest, operations / best / highest);
            line(what, median, best, goal, |value| {
                format!("{:.0} %", 100.0 * value)
            });
        }
    }
}

fn line(what: &str, median: f64, best: f64, Goal(must, aim): Goal, show: impl Fn(f64) -> String) {
    let verdict = match median {
        value if value >= aim => "aim met",
        value if value >= must => "met",
        _ => "missed",
    };
    println!(
        "{what:<48}{:>9}{:>9}{:>8}{:>8}  {verdict}",
        show(median),
        show(best),
        show(must),
        show(aim)
    );
}
