//! A clock that only the test moves.

use std::sync::atomic::{AtomicI64, Ordering};

use cartulaire_engine::ports::Clock;
use cartulaire_formats::time::Timestamp;

/// [`Clock`] that stands still until it is told to go on, and can be set back.
#[derive(Debug)]
pub struct SimClock(AtomicI64);

impl SimClock {
    /// A clock that shows `now`.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.unix_millis()))
    }

    /// Goes on, or with a negative number steps back.
    ///
    /// - `millis`: milliseconds; the result lies within the years that [`Timestamp`] can hold.
    pub fn step(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    /// Jumps to any time, later or earlier.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.unix_millis(), Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(self.0.load(Ordering::SeqCst)).expect("tests keep the clock within its years")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

    use super::*;

    #[test]
    fn it_stands_steps_and_jumps_both_ways() {
        let at = |seconds| Timestamp::from_unix_seconds(seconds).unwrap();
        let clock = SimClock::new(at(1_800_000_000));
        let mut seen = vec![clock.now(), clock.now()];
        clock.step(2_000);
        seen.push(clock.now());
        clock.step(-5_000);
        seen.push(clock.now());
        clock.set(at(1_000_000_000));
        seen.push(clock.now());
        let expected = [1_800_000_000, 1_800_000_000, 1_800_000_002, 1_799_999_997, 1_000_000_000];
        assert_eq!(seen, expected.map(at));
    }
}
