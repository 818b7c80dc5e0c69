//! The two time types of ASN.1, as RFC 3161 and RFC 5280 restrict them: always UTC, always with seconds.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

use super::{DerError, Tag, Tlv, tlv};

/// First year that RFC 5280 §4.1.2.5 writes as GeneralizedTime in certificates.
const GENERALIZED_FROM_YEAR: i16 = 2050;

/// Reads a GeneralizedTime `YYYYMMDDhhmmss[.f…]Z`, the fraction without trailing zeros, to the nanosecond.
///
/// # Errors
/// [`DerError::UnexpectedTag`], [`DerError::Time`].
pub fn read_generalized_time(element: &Tlv<'_>) -> Result<Timestamp, DerError> {
    if element.tag != Tag::GENERALIZED_TIME {
        let Tlv { offset, tag: found, .. } = *element;
        return Err(DerError::UnexpectedTag { offset, expected: Tag::GENERALIZED_TIME, found });
    }
    let error = DerError::Time { offset: element.offset };
    let (year, rest) = element.contents.split_at_checked(4).ok_or(error)?;
    instant(digits(year).ok_or(error)?, rest, true).ok_or(error)
}

/// Reads a `Time` of X.509: UTCTime for 1950 to 2049, GeneralizedTime without a fraction otherwise.
///
/// # Errors
/// [`DerError::UnexpectedTag`], [`DerError::Time`].
pub fn read_x509_time(element: &Tlv<'_>) -> Result<Timestamp, DerError> {
    let Tlv { offset, tag: found, contents, .. } = *element;
    let error = DerError::Time { offset };
    let digits_of_year = match found {
        Tag::UTC_TIME => 2,
        Tag::GENERALIZED_TIME => 4,
        _ => {
            return Err(DerError::UnexpectedTag { offset, expected: Tag::UTC_TIME, found });
        }
    };
    let (year, rest) = contents.split_at_checked(digits_of_year).ok_or(error)?;
    let year = digits(year).ok_or(error)?;
    let century = match (found, year) {
        (Tag::UTC_TIME, 50..) => 1900,
        (Tag::UTC_TIME, _) => 2000,
        _ => 0,
    };
    instant(century + year, rest, false).ok_or(error)
}

fn instant(year: u32, rest: &[u8], fraction_allowed: bool) -> Option<Timestamp> {
    let (fields, rest) = rest.split_at_checked(10)?;
    let field = |at: usize| digits(&fields[at..at + 2]).and_then(|value| i8::try_from(value).ok());
    let nanoseconds = match rest.strip_suffix(b"Z")? {
        [] => 0,
        [b'.', fraction @ ..] if fraction_allowed => nanoseconds(fraction)?,
        _ => return None,
    };
    let year = i16::try_from(year).ok()?;
    let civil = DateTime::new(year, field(0)?, field(2)?, field(4)?, field(6)?, field(8)?, nanoseconds).ok()?;
    Offset::UTC.to_timestamp(civil).ok()
}

fn nanoseconds(fraction: &[u8]) -> Option<i32> {
    if fraction.is_empty() || fraction.len() > 9 || fraction.ends_with(b"0") {
        return None;
    }
    let scale = 10i32.pow(9 - fraction.len() as u32);
    i32::try_from(digits(fraction)?).ok().map(|value| value * scale)
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0u32, |value, octet| {
        let digit = octet.is_ascii_digit().then(|| u32::from(octet - b'0'))?;
        Some(value * 10 + digit)
    })
}

/// Writes a GeneralizedTime, with the fraction that the instant has and no trailing zero.
#[must_use]
pub fn generalized_time(at: Timestamp) -> Vec<u8> {
    let civil = Offset::UTC.to_datetime(at);
    let mut text = format!("{:04}{}", civil.year(), month_to_second(&civil));
    if civil.subsec_nanosecond() != 0 {
        let fraction = format!(".{:09}", civil.subsec_nanosecond());
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    tlv(Tag::GENERALIZED_TIME, text.as_bytes())
}

/// Writes a `Time` of X.509, cut to the second.
#[must_use]
pub fn x509_time(at: Timestamp) -> Vec<u8> {
    let civil = Offset::UTC.to_datetime(at);
    let rest = month_to_second(&civil);
    if (1950..GENERALIZED_FROM_YEAR).contains(&civil.year()) {
        tlv(Tag::UTC_TIME, format!("{:02}{rest}Z", civil.year() % 100).as_bytes())
    } else {
        tlv(Tag::GENERALIZED_TIME, format!("{:04}{rest}Z", civil.year()).as_bytes())
    }
}

fn month_to_second(civil: &DateTime) -> String {
    let (month, day) = (civil.month(), civil.day());
    let (hour, minute, second) = (civil.hour(), civil.minute(), civil.second());
    format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::Reader;

    fn generalized(text: &str) -> Result<Timestamp, DerError> {
        let element = tlv(Tag::GENERALIZED_TIME, text.as_bytes());
        read_generalized_time(&Reader::new(&element).read()?)
    }

    #[test]
    fn generalized_times_have_one_spelling() {
        for text in ["20261124012506Z", "20261124012506.5Z", "20261124012506.000000001Z"] {
            let at = generalized(text).expect("well formed");
            assert_eq!(generalized_time(at), tlv(Tag::GENERALIZED_TIME, text.as_bytes()));
        }
        for text in [
            "",
            "2026",
            "20261124012506",
            "20261124012506.Z",
            "20261124012506.50Z",
            "20261124012506+0100",
            "20261324012506Z",
            "20260230012506Z",
            "20261124012560Z",
            "2026112401250xZ",
            "20261124012506.0000000001Z",
        ] {
            assert_eq!(generalized(text), Err(DerError::Time { offset: 0 }), "{text:?}");
        }
    }

    #[test]
    fn x509_times_change_type_in_2050() {
        for (text, expected) in [
            ("2049-12-31T23:59:59Z", b"\x17\x0d491231235959Z".as_slice()),
            ("2050-01-01T00:00:00Z", b"\x18\x0f20500101000000Z"),
            ("1950-01-01T00:00:00Z", b"\x17\x0d500101000000Z"),
        ] {
            let at: Timestamp = text.parse().expect("an instant");
            assert_eq!(x509_time(at), expected);
            assert_eq!(read_x509_time(&Reader::new(expected).read().expect("DER")), Ok(at));
        }
        let integer = [2, 1, 0];
        let element = Reader::new(&integer).read().expect("DER");
        let wrong = |expected| DerError::UnexpectedTag { offset: 0, expected, found: Tag::INTEGER };
        assert_eq!(read_x509_time(&element), Err(wrong(Tag::UTC_TIME)));
        assert_eq!(read_generalized_time(&element), Err(wrong(Tag::GENERALIZED_TIME)));
    }
}
