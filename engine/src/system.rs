//! The real [`Clock`] and [`Entropy`]: the operating system's.

use std::time::{SystemTime, UNIX_EPOCH};

use cartulaire_formats::time::Timestamp;

use crate::ports::{Clock, Entropy};

/// The operating system's clock, UTC, to the millisecond.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    /// A clock set outside 1970 to 9999 shows the nearest end: the engine then sees a step and journals it.
    fn now(&self) -> Timestamp {
        nearest(SystemTime::now())
    }
}

fn nearest(time: SystemTime) -> Timestamp {
    let Ok(since) = time.duration_since(UNIX_EPOCH) else { return Timestamp::MIN };
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_unix_millis(millis).unwrap_or(Timestamp::MAX)
}

/// The operating system's random source (`getrandom(2)`).
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// If the system has no random source: blinds and keys that can be guessed are worse than no service.
    fn fill(&self, out: &mut [u8]) {
        getrandom::fill(out).expect("every system that this runs on has a random source once it has booted");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_clock_shows_the_system_time() {
        let millis = |time: SystemTime| i64::try_from(time.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
        let before = millis(SystemTime::now());
        let shown = SystemClock.now().unix_millis();
        assert!((before..=millis(SystemTime::now())).contains(&shown), "{shown}");
    }

    #[test]
    fn times_out_of_range_show_the_nearest_end() {
        let second = Duration::from_secs(1);
        assert_eq!(nearest(UNIX_EPOCH - second), Timestamp::MIN);
        assert_eq!(nearest(UNIX_EPOCH + second).unix_millis(), 1000);
        assert_eq!(nearest(UNIX_EPOCH + Duration::from_secs(253_402_300_800)), Timestamp::MAX);
    }

    #[test]
    fn entropy_fills_all_of_it_anew() {
        let mut draws = [[0_u8; 64]; 2];
        draws.iter_mut().for_each(|draw| SystemEntropy.fill(draw));
        assert_ne!(draws[0], draws[1]);
        assert!(draws.iter().all(|draw| draw[32..] != [0; 32]));
    }
}
