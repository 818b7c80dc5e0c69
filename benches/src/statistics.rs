//! Medians of rounds, percentiles of latencies.

use std::time::Duration;

/// What one round of a closed loop gave.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// Operations in a second.
    pub rate: f64,
    /// How long each took, sorted.
    pub latencies: Vec<Duration>,
    /// Processor time of the whole process for each, in microseconds: what a busy neighbour disturbs least.
    pub cpu_us: f64,
}

impl Round {
    /// - `took`: from the first operation's start to the last one's end.
    /// - `cpu`: processor time that the process used meanwhile.
    pub fn new(mut latencies: Vec<Duration>, took: Duration, cpu: Duration) -> Self {
        latencies.sort_unstable();
        let cpu_us = cpu.as_secs_f64() * 1e6 / latencies.len() as f64;
        Self { rate: latencies.len() as f64 / took.as_secs_f64(), latencies, cpu_us }
    }

    /// The latency, in milliseconds, that `percent` of the operations do not exceed.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        let rank = (self.latencies.len() as f64 * percent / 100.0).ceil() as usize;
        let at = rank.saturating_sub(1).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |l| l.as_secs_f64() * 1e3)
    }
}

/// Processor time that the process has used, to the hundredth of a second that the kernel counts in.
pub fn cpu_used() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in parentheses and may hold anything.
    let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// The median of some rounds, with the lowest and the highest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figure {
    /// The median.
    pub value: f64,
    /// The lowest.
    pub low: f64,
    /// The highest.
    pub high: f64,
}

impl Figure {
    /// - `values`: at least one.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let value = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Self { value, low: values[0], high: values[values.len() - 1] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_between_the_ends() {
        assert_eq!(Figure::of([3.0, 1.0, 2.0]), Figure { value: 2.0, low: 1.0, high: 3.0 });
        assert_eq!(Figure::of([4.0, 1.0]), Figure { value: 2.5, low: 1.0, high: 4.0 });
    }

    #[test]
    fn percentiles_are_of_the_nearest_rank() {
        let round =
            Round::new((1..=100).rev().map(Duration::from_millis).collect(), Duration::from_secs(2), Duration::ZERO);
        let found = [50.0, 99.0, 100.0].map(|p| round.percentile_ms(p));
        assert_eq!((round.rate, found), (50.0, [50.0, 99.0, 100.0]));
    }
}
