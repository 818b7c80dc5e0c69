//! Counters, and their exposition as Prometheus text (version 0.0.4).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Grows by `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// What it stands at.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that rises and falls.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    fn rise(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn fall(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// One more for as long as the hold lives.
    #[must_use]
    pub fn hold(&self) -> Hold<'_> {
        self.rise();
        Hold(self)
    }

    /// What it stands at.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// See [`Gauge::hold`].
pub struct Hold<'a>(&'a Gauge);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.0.fall();
    }
}

/// Upper bounds of the histogram's buckets, in microseconds: from a fast disk's sync to a site that hangs.
const BUCKETS_US: [u64; 12] =
    [500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000, 30_000_000];

/// How long something takes.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration.
    pub fn observe(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        if let Some(at) = BUCKETS_US.iter().position(|bound| micros <= *bound) {
            self.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str) {
        let mut below = 0;
        for (bound, bucket) in BUCKETS_US.iter().zip(&self.buckets) {
            below += bucket.load(Ordering::Relaxed);
            line(out, name, &format!("_bucket{{le=\"{}\"}}", *bound as f64 / 1e6), below);
        }
        let count = self.count.load(Ordering::Relaxed);
        line(out, name, "_bucket{le=\"+Inf\"}", count);
        line(out, name, "_sum", self.sum_us.load(Ordering::Relaxed) as f64 / 1e6);
        line(out, name, "_count", count);
    }
}

/// What has been counted since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Deposits made durable.
    pub deposits: Counter,
    /// Deposits answered with an earlier receipt.
    pub replays: Counter,
    /// Deposits refused by a rule.
    pub rejections: Counter,
    /// Bytes of the files deposited.
    pub bytes: Counter,
    /// Requests without a valid key.
    pub unknown_keys: Counter,
    /// From handing over to durable.
    pub commits: Histogram,
    /// What waits for the committer.
    pub queue: Gauge,
    /// Connections open.
    pub connections: Gauge,
    requests: Mutex<BTreeMap<(String, u16), u64>>,
}

/// What is not counted but read off the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Readings {
    /// Entries committed and not sealed.
    pub unsealed: u64,
    /// Seals that lack a token.
    pub unattested: u64,
    /// Whether writing has stopped.
    pub poisoned: bool,
}

impl Metrics {
    /// Counts a request by its route's template and its status.
    pub fn request(&self, route: &str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((route.to_owned(), status)).or_default() += 1;
    }

    /// Everything as Prometheus text.
    #[must_use]
    pub fn exposition(&self, readings: Readings) -> String {
        let mut out = String::new();
        let counters = [
            ("cartulaire_deposits_total", "Deposits made durable.", &self.deposits),
            ("cartulaire_replays_total", "Deposits answered with an earlier receipt.", &self.replays),
            ("cartulaire_rejections_total", "Deposits refused by a rule.", &self.rejections),
            ("cartulaire_deposited_bytes_total", "Bytes of the files deposited.", &self.bytes),
            ("cartulaire_unknown_keys_total", "Requests without a valid key.", &self.unknown_keys),
        ];
        for (name, help, counter) in counters {
            head(&mut out, name, help, "counter");
            line(&mut out, name, "", counter.value());
        }
        let gauges = [
            ("cartulaire_queue", "Submissions that wait for the committer.", self.queue.value()),
            ("cartulaire_connections", "Connections open.", self.connections.value()),
            ("cartulaire_unsealed_entries", "Entries committed and not sealed.", readings.unsealed),
            ("cartulaire_unattested_seals", "Seals that lack a time-stamp token.", readings.unattested),
            ("cartulaire_poisoned", "1 if writing has stopped until a restart.", u64::from(readings.poisoned)),
        ];
        for (name, help, value) in gauges {
            head(&mut out, name, help, "gauge");
            line(&mut out, name, "", value);
        }
        head(&mut out, "cartulaire_commit_seconds", "From handing over to durable.", "histogram");
        self.commits.write(&mut out, "cartulaire_commit_seconds");
        self.write_requests(&mut out);
        out
    }

    fn write_requests(&self, out: &mut String) {
        head(out, "cartulaire_http_requests_total", "Requests by route and status.", "counter");
        for ((route, status), count) in &*self.requests.lock().unwrap_or_else(PoisonError::into_inner) {
            let labels = format!("{{route=\"{route}\",status=\"{status}\"}}");
            line(out, "cartulaire_http_requests_total", &labels, count);
        }
    }
}

fn head(out: &mut String, name: &str, help: &str, kind: &str) {
    let written = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    written.expect("writing to a string cannot fail");
}

fn line(out: &mut String, name: &str, rest: &str, value: impl std::fmt::Display) {
    writeln!(out, "{name}{rest} {value}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exposition_is_prometheus_text() {
        let metrics = Metrics::default();
        metrics.deposits.add(2);
        let _queued = metrics.queue.hold();
        metrics.commits.observe(Duration::from_micros(700));
        metrics.commits.observe(Duration::from_secs(60));
        metrics.request("/v1/tenants", 200);
        let text = metrics.exposition(Readings { unsealed: 3, unattested: 1, poisoned: true });
        let samples: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
        let expected = [
            "cartulaire_deposits_total 2",
            "cartulaire_replays_total 0",
            "cartulaire_rejections_total 0",
            "cartulaire_deposited_bytes_total 0",
            "cartulaire_unknown_keys_total 0",
            "cartulaire_queue 1",
            "cartulaire_connections 0",
            "cartulaire_unsealed_entries 3",
            "cartulaire_unattested_seals 1",
            "cartulaire_poisoned 1",
            "cartulaire_commit_seconds_bucket{le=\"0.0005\"} 0",
            "cartulaire_commit_seconds_bucket{le=\"0.001\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"0.0025\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"0.005\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"0.01\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"0.025\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"0.05\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"0.1\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"0.25\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"1\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"5\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"30\"} 1",
            "cartulaire_commit_seconds_bucket{le=\"+Inf\"} 2",
            "cartulaire_commit_seconds_sum 60.0007",
            "cartulaire_commit_seconds_count 2",
            "cartulaire_http_requests_total{route=\"/v1/tenants\",status=\"200\"} 1",
        ];
        assert_eq!(samples, expected);
        assert_eq!(text.lines().filter(|l| l.starts_with("# TYPE")).count(), 12);
    }
}
