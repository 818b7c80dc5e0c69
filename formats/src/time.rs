//! Points in time as the archive writes them: milliseconds since the Unix epoch, shown as RFC 3339 in UTC.
//!
//! One point has one text, `2026-11-24T01:02:03.456Z`, always 24 characters: texts sort like times, and canonical JSON
//! stays canonical. Nothing here reads a clock.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, civil};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time between 1970 and 9999, in whole milliseconds of UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A time that the archive does not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Before 1970 or after 9999.
    #[error("time outside 1970 to 9999")]
    OutOfRange,
    /// The text does not have 24 characters.
    #[error("a time has 24 characters, found {found} bytes")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// A character that the form `YYYY-MM-DDThh:mm:ss.mmmZ` does not have there.
    #[error("not of the form YYYY-MM-DDThh:mm:ss.mmmZ at offset {offset}")]
    Form {
        /// Byte offset of the first wrong character.
        offset: usize,
    },
    /// The form is right but the calendar or the clock has no such time (31 February, 24:00, a leap second).
    #[error("no such date or time of day")]
    NoSuchTime,
}

const EPOCH: civil::DateTime = civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// What each character of the text must be: `0` any digit, else itself.
const FORM: &[u8; 24] = b"0000-00-00T00:00:00.000Z";

impl Timestamp {
    /// 1970-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(0);
    /// 9999-12-31T23:59:59.999Z, the last time that four digits of a year can say.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// Takes milliseconds since the Unix epoch.
    ///
    /// # Errors
    /// [`TimestampError::OutOfRange`].
    pub fn from_unix_millis(millis: i64) -> Result<Self, TimestampError> {
        let time = Self(millis);
        if (Self::MIN..=Self::MAX).contains(&time) { Ok(time) } else { Err(TimestampError::OutOfRange) }
    }

    /// Takes whole seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`TimestampError::OutOfRange`].
    pub fn from_unix_seconds(seconds: i64) -> Result<Self, TimestampError> {
        seconds.checked_mul(1000).ok_or(TimestampError::OutOfRange).and_then(Self::from_unix_millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn unix_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub fn unix_seconds(self) -> i64 {
        self.0 / 1000
    }

    /// This time later by `millis`, or `None` where that leaves the range.
    #[must_use]
    pub fn checked_add_millis(self, millis: i64) -> Option<Self> {
        self.0.checked_add(millis).and_then(|sum| Self::from_unix_millis(sum).ok())
    }

    /// The day in UTC: `YYYY-MM-DD`.
    #[must_use]
    pub fn date(self) -> String {
        self.civil().date().to_string()
    }

    fn civil(self) -> civil::DateTime {
        // Civil arithmetic is UTC here; jiff's own instants end a day before 9999 does.
        EPOCH.checked_add(SignedDuration::from_millis(self.0)).expect("1970 to 9999 is inside the civil calendar")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.civil();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )?;
        write!(f, ".{:03}Z", self.0 % 1000)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Timestamp({self})")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Parses the one text of a time.
    ///
    /// # Standard
    /// RFC 3339 §5.6, narrowed to UTC written `Z`, capital letters and three digits of a second.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let bytes: &[u8; 24] = text.as_bytes().try_into().map_err(|_| TimestampError::Length { found: text.len() })?;
        let fits = |(byte, form): (&u8, &u8)| {
            if *form == b'0' { byte.is_ascii_digit() } else { byte == form }
        };
        if let Some(offset) = bytes.iter().zip(FORM).position(|pair| !fits(pair)) {
            return Err(TimestampError::Form { offset });
        }
        let number = |from: usize, to: usize| bytes[from..to].iter().fold(0i16, |n, b| n * 10 + i16::from(b - b'0'));
        let two = |from: usize| number(from, from + 2) as i8;
        let date_time = civil::DateTime::new(number(0, 4), two(5), two(8), two(11), two(14), two(17), 0)
            .map_err(|_| TimestampError::NoSuchTime)?;
        Self::from_unix_seconds(date_time.duration_since(EPOCH).as_secs())
            .map(|whole| Self(whole.0 + i64::from(number(20, 23))))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_times() {
        let known = [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_793_000_000_456, "2026-10-26T07:33:20.456Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ];
        for (millis, text) in known {
            let time = Timestamp::from_unix_millis(millis).unwrap();
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
            assert_eq!(serde_json::to_string(&time).unwrap(), format!("\"{text}\""));
            assert_eq!(serde_json::from_str::<Timestamp>(&format!("\"{text}\"")).unwrap(), time);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let refused = [
            ("2026-11-24T01:02:03Z", TimestampError::Length { found: 20 }),
            ("2026-11-24T01:02:03.456+00:00", TimestampError::Length { found: 29 }),
            ("2026-11-24t01:02:03.456Z", TimestampError::Form { offset: 10 }),
            ("2026-11-24T01:02:03.456z", TimestampError::Form { offset: 23 }),
            ("+026-11-24T01:02:03.456Z", TimestampError::Form { offset: 0 }),
            ("2026-11-24T01:02:03.45éZ", TimestampError::Length { found: 25 }),
            ("2025-02-29T00:00:00.000Z", TimestampError::NoSuchTime),
            ("2016-12-31T23:59:60.000Z", TimestampError::NoSuchTime),
            ("2026-11-24T24:00:00.000Z", TimestampError::NoSuchTime),
            ("1969-12-31T23:59:59.999Z", TimestampError::OutOfRange),
        ];
        for (text, error) in refused {
            assert_eq!(text.parse::<Timestamp>(), Err(error), "{text}");
        }
    }

    #[test]
    fn the_range_is_closed_on_both_sides() {
        assert_eq!(Timestamp::from_unix_millis(-1), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::from_unix_millis(253_402_300_800_000), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::from_unix_seconds(i64::MAX), Err(TimestampError::OutOfRange));
        assert_eq!(Timestamp::from_unix_seconds(1).map(Timestamp::unix_millis), Ok(1000));
        assert_eq!(Timestamp::MAX.checked_add_millis(1), None);
        assert_eq!(Timestamp::MIN.checked_add_millis(1999).map(Timestamp::unix_seconds), Some(1));
    }

    proptest! {
        #[test]
        fn text_and_time_are_one_to_one(a in 0..=Timestamp::MAX.0, b in 0..=Timestamp::MAX.0) {
            let (a, b) = (Timestamp(a), Timestamp(b));
            prop_assert_eq!(a.to_string().parse(), Ok(a));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
