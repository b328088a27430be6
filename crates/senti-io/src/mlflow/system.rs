//! Processor, memory, disk and network of this machine, under the names that MLflow's own client gives them.
//!
//! In comes nothing but what `/proc` says (Linux; elsewhere there is nothing); out go metrics between two looks.

use std::path::Path;

use senti::table::Time;

use super::record::{Metric, metric};

/// A look at the machine. Counters run since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Look {
    /// Ticks of all processors at work.
    busy: u64,
    /// Ticks of all processors.
    ticks: u64,
    /// Memory in use, bytes.
    memory: f64,
    /// Memory that there is, bytes.
    memory_total: f64,
    /// Bytes received, the loopback left out.
    received: u64,
    /// Bytes sent.
    sent: u64,
}

impl Look {
    /// A look now; nothing where there is no `/proc`.
    pub fn now() -> Option<Self> {
        Self::at(Path::new("/proc"))
    }

    fn at(proc: &Path) -> Option<Self> {
        let read = |name: &str| std::fs::read_to_string(proc.join(name)).ok();
        let (busy, ticks) = processors(&read("stat")?)?;
        let (memory, memory_total) = memory(&read("meminfo")?)?;
        let (received, sent) = read("net/dev").map_or((0, 0), |text| network(&text));
        Some(Self {
            busy,
            ticks,
            memory,
            memory_total,
            received,
            sent,
        })
    }

    /// What happened from an earlier look, the first of all, to this one. Network counts from the first look on, as MLflow has it.
    pub fn metrics(&self, before: &Self, first: &Self, time: Time, step: usize) -> Vec<Metric> {
        let ticks = self.ticks.saturating_sub(before.ticks).max(1) as f64;
        let share = 100.0 * self.busy.saturating_sub(before.busy) as f64 / ticks;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        [
            ("cpu_utilization_percentage", share),
            ("system_memory_usage_megabytes", self.memory / 1e6),
            (
                "system_memory_usage_percentage",
                100.0 * self.memory / self.memory_total.max(1.0),
            ),
            (
                "network_receive_megabytes",
                megabytes(self.received.saturating_sub(first.received)),
            ),
            (
                "network_transmit_megabytes",
                megabytes(self.sent.saturating_sub(first.sent)),
            ),
        ]
        .map(|(name, value)| metric(&format!("system/{name}"), value, time, step))
        .into()
    }
}

/// Of `/proc/stat` (proc(5)): user, nice, system, idle, iowait, irq, softirq, steal; guests are counted in user already.
fn processors(text: &str) -> Option<(u64, u64)> {
    let line = text.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<u64> = line
        .split_whitespace()
        .skip(1)
        .take(8)
        .map_while(|word| word.parse().ok())
        .collect();
    let all: u64 = ticks.iter().sum();
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    (ticks.len() >= 5).then_some((all - idle, all))
}

/// Of `/proc/meminfo`: what is not available is in use, as psutil has it.
fn memory(text: &str) -> Option<(f64, f64)> {
    let kilobytes = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let (total, available) = (kilobytes("MemTotal:")?, kilobytes("MemAvailable:")?);
    Some((1024.0 * (total - available), 1024.0 * total))
}

/// Of `/proc/net/dev`: bytes received and sent.
fn network(text: &str) -> (u64, u64) {
    let mut sums = (0u64, 0u64);
    for (name, counters) in text.lines().filter_map(|line| line.split_once(':')) {
        let counters: Vec<u64> = counters
            .split_whitespace()
            .map_while(|word| word.parse().ok())
            .collect();
        if let (false, Some(received), Some(sent)) =
            (name.trim() == "lo", counters.first(), counters.get(8))
        {
            sums = (sums.0 + received, sums.1 + sent);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as proc(5) shows them; the sums by hand.
    #[test]
    fn proc_is_read_as_its_manual_says() {
        assert_eq!(
            processors("cpu  100 10 50 800 40 0 5 1 7 0\ncpu0 1 1 1 1 1 1 1 1\n"),
            Some((166, 1006))
        );
        assert_eq!(processors("intr 1\n"), None);
        let text = "MemTotal:       1000 kB\nMemFree:  10 kB\nMemAvailable:    250 kB\n";
        assert_eq!(memory(text), Some((750.0 * 1024.0, 1000.0 * 1024.0)));
        let text = "Inter-| Receive\n face |bytes\n    lo: 9 0 0 0 0 0 0 0 9 0\n  eth0: 1000 1 0 0 0 0 0 0 2000 1 0\n eth1: 1 0 0 0 0 0 0 0 2 0\n";
        assert_eq!(network(text), (1001, 2002));
    }

    #[test]
    fn shares_are_of_the_time_between_two_looks() {
        let before = Look {
            busy: 100,
            ticks: 1000,
            ..Look::default()
        };
        let now = Look {
            busy: 150,
            ticks: 1200,
            memory: 5e8,
            memory_total: 1e9,
            received: 3_000_000,
            sent: 0,
        };
        let metrics = now.metrics(&before, &before, 7, 1);
        let value = |name: &str| metrics.iter().find(|m| m.key == name).map(|m| m.value);
        assert_eq!(value("system/cpu_utilization_percentage"), Some(25.0));
        assert_eq!(value("system/system_memory_usage_percentage"), Some(50.0));
        assert_eq!(value("system/network_receive_megabytes"), Some(3.0));
        assert!(metrics.iter().all(|m| (m.timestamp, m.step) == (7, 1)));
    }
}
