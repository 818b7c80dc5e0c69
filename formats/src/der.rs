//! Strict DER (X.690 §10): a zero-copy cursor, a writer, and the normalisation of tokens that are only BER.
//!
//! Whatever was signed or hashed is handed out as the slice that was received, never decoded and encoded again. The
//! cursor accepts definite, minimal lengths and one-octet tags, which is all that certificates and tokens use; every
//! error names the offset where the rule breaks.
//!
//! Decoders into owned values (rasn and others) are second readers in the tests only: they sort sets when they encode
//! again, so that a proof checked over their output would be a proof of other bytes than those at rest.

mod normalise;
mod oid;
mod time;
mod write;

use crate::bounds::DER_DEPTH_MAX;

pub use normalise::{NormaliseError, normalise_token};
pub use oid::{ObjectIdentifier, ObjectIdentifierError};
pub use time::{generalized_time, read_generalized_time, read_x509_time, x509_time};
pub use write::{bit_string, boolean, integer, null, octet_string, sequence, set_of, tlv};

/// The identifier octet of an element.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tag(pub u8);

impl std::fmt::Debug for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

impl Tag {
    /// BOOLEAN.
    pub const BOOLEAN: Self = Self(0x01);
    /// INTEGER.
    pub const INTEGER: Self = Self(0x02);
    /// BIT STRING.
    pub const BIT_STRING: Self = Self(0x03);
    /// OCTET STRING, primitive.
    pub const OCTET_STRING: Self = Self(0x04);
    /// NULL.
    pub const NULL: Self = Self(0x05);
    /// OBJECT IDENTIFIER.
    pub const OBJECT_IDENTIFIER: Self = Self(0x06);
    /// ENUMERATED.
    pub const ENUMERATED: Self = Self(0x0a);
    /// UTF8String.
    pub const UTF8_STRING: Self = Self(0x0c);
    /// PrintableString.
    pub const PRINTABLE_STRING: Self = Self(0x13);
    /// UTCTime.
    pub const UTC_TIME: Self = Self(0x17);
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: Self = Self(0x18);
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: Self = Self(0x30);
    /// SET and SET OF.
    pub const SET: Self = Self(0x31);

    /// Context-specific tag `number` (0 to 30), constructed.
    #[must_use]
    pub const fn context(number: u8) -> Self {
        Self(0xa0 | number)
    }

    /// Context-specific tag `number` (0 to 30), primitive.
    #[must_use]
    pub const fn context_primitive(number: u8) -> Self {
        Self(0x80 | number)
    }

    const fn is_constructed(self) -> bool {
        self.0 & 0x20 != 0
    }
}

/// A rule of DER that some bytes break, and the offset in the bytes given to the first cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// The bytes end inside an element.
    #[error("element truncated at offset {offset}")]
    Truncated {
        /// Where the element begins.
        offset: usize,
    },
    /// A tag number above 30, which no structure read here has.
    #[error("tag number above 30 at offset {offset}")]
    HighTagNumber {
        /// Where the element begins.
        offset: usize,
    },
    /// An indefinite length: BER, forbidden in DER.
    #[error("indefinite length (BER, not DER) at offset {offset}")]
    IndefiniteLength {
        /// Where the element begins.
        offset: usize,
    },
    /// A length in more octets than it needs: BER, forbidden in DER.
    #[error("length not in its shortest form (BER, not DER) at offset {offset}")]
    LengthNotMinimal {
        /// Where the element begins.
        offset: usize,
    },
    /// Another element than the structure asks for.
    #[error("expected tag {expected:?}, found {found:?} at offset {offset}")]
    UnexpectedTag {
        /// Where the element begins.
        offset: usize,
        /// What the structure asks for.
        expected: Tag,
        /// What is there.
        found: Tag,
    },
    /// The structure ends where an element must be.
    #[error("expected tag {expected:?}, found the end at offset {offset}")]
    Missing {
        /// Where the element should begin.
        offset: usize,
        /// What the structure asks for.
        expected: Tag,
    },
    /// Bytes after the last element that the structure has.
    #[error("bytes left over at offset {offset}")]
    TrailingBytes {
        /// The first of them.
        offset: usize,
    },
    /// Deeper nesting than [`DER_DEPTH_MAX`].
    #[error("nested deeper than {DER_DEPTH_MAX} levels at offset {offset}")]
    TooDeep {
        /// Where the element begins.
        offset: usize,
    },
    /// More elements than the structure's named limit.
    #[error("more than {limit} elements at offset {offset}")]
    TooMany {
        /// Where the first element too many begins.
        offset: usize,
        /// The limit.
        limit: usize,
    },
    /// A BOOLEAN that is neither 0x00 nor 0xFF.
    #[error("boolean neither 00 nor FF at offset {offset}")]
    Boolean {
        /// Where the element begins.
        offset: usize,
    },
    /// A default value written out, which DER leaves out.
    #[error("default value encoded at offset {offset}")]
    DefaultEncoded {
        /// Where the element begins.
        offset: usize,
    },
    /// An INTEGER without octets or with a superfluous leading octet.
    #[error("integer not in its shortest form at offset {offset}")]
    Integer {
        /// Where the element begins.
        offset: usize,
    },
    /// An INTEGER outside the range that the standard sets.
    #[error("integer out of range at offset {offset}")]
    IntegerRange {
        /// Where the element begins.
        offset: usize,
    },
    /// A BIT STRING with a wrong count of unused bits, or unused bits that are not zero.
    #[error("malformed bit string at offset {offset}")]
    BitString {
        /// Where the element begins.
        offset: usize,
    },
    /// An OBJECT IDENTIFIER with a truncated or padded arc.
    #[error("malformed object identifier at offset {offset}")]
    ObjectIdentifier {
        /// Where the element begins.
        offset: usize,
    },
    /// A time that is not `YYMMDDhhmmssZ` or `YYYYMMDDhhmmss[.f…]Z`, or names no instant.
    #[error("malformed time at offset {offset}")]
    Time {
        /// Where the element begins.
        offset: usize,
    },
    /// Text that is not UTF-8.
    #[error("text is not UTF-8 at offset {offset}")]
    Text {
        /// Where the element begins.
        offset: usize,
    },
}

/// One element: its tag and the slices that hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// Its tag.
    pub tag: Tag,
    /// Tag, length and contents, as received.
    pub raw: &'a [u8],
    /// The contents alone.
    pub contents: &'a [u8],
    /// Where `raw` begins in the outermost bytes.
    pub offset: usize,
}

impl<'a> Tlv<'a> {
    /// A cursor over the contents.
    #[must_use]
    pub fn reader(&self) -> Reader<'a> {
        Reader { rest: self.contents, offset: self.contents_offset() }
    }

    fn contents_offset(&self) -> usize {
        self.offset + self.raw.len() - self.contents.len()
    }

    /// The contents as an OBJECT IDENTIFIER.
    ///
    /// # Errors
    /// [`DerError::ObjectIdentifier`].
    pub fn object_identifier(&self) -> Result<ObjectIdentifier, DerError> {
        ObjectIdentifier::from_contents(self.contents).ok_or(DerError::ObjectIdentifier { offset: self.offset })
    }

    /// The contents as an INTEGER in its shortest form: two's complement, big-endian.
    ///
    /// # Errors
    /// [`DerError::Integer`].
    pub fn integer(&self) -> Result<&'a [u8], DerError> {
        let superfluous = match self.contents {
            [] => true,
            [0, next, ..] => next & 0x80 == 0,
            [0xff, next, ..] => next & 0x80 != 0,
            _ => false,
        };
        if superfluous { Err(DerError::Integer { offset: self.offset }) } else { Ok(self.contents) }
    }

    /// The contents as a small unsigned INTEGER or ENUMERATED.
    ///
    /// # Errors
    /// [`DerError::Integer`], [`DerError::IntegerRange`].
    pub fn unsigned(&self) -> Result<u32, DerError> {
        let contents = self.integer()?;
        let digits = contents.strip_prefix(&[0]).unwrap_or(contents);
        if contents[0] & 0x80 != 0 || digits.len() > 4 {
            return Err(DerError::IntegerRange { offset: self.offset });
        }
        Ok(digits.iter().fold(0, |value, &octet| value << 8 | u32::from(octet)))
    }

    /// The contents as a BOOLEAN.
    ///
    /// # Errors
    /// [`DerError::Boolean`].
    pub fn boolean(&self) -> Result<bool, DerError> {
        match self.contents {
            [0x00] => Ok(false),
            [0xff] => Ok(true),
            _ => Err(DerError::Boolean { offset: self.offset }),
        }
    }

    /// The contents as a BIT STRING: the octets and how many bits of the last are unused (0 to 7).
    ///
    /// # Errors
    /// [`DerError::BitString`].
    pub fn bit_string(&self) -> Result<(&'a [u8], u8), DerError> {
        let error = DerError::BitString { offset: self.offset };
        let (&unused, octets) = self.contents.split_first().ok_or(error)?;
        let last = octets.last().copied().unwrap_or(0);
        let sound = unused == 0 || (unused < 8 && !octets.is_empty() && last & ((1 << unused) - 1) == 0);
        if sound { Ok((octets, unused)) } else { Err(error) }
    }

    /// The contents as a BIT STRING of whole octets: a key or a signature.
    ///
    /// # Errors
    /// [`DerError::BitString`].
    pub fn bit_string_octets(&self) -> Result<&'a [u8], DerError> {
        match self.bit_string()? {
            (octets, 0) => Ok(octets),
            _ => Err(DerError::BitString { offset: self.offset }),
        }
    }

    /// The contents as UTF-8 text.
    ///
    /// # Errors
    /// [`DerError::Text`].
    pub fn text(&self) -> Result<&'a str, DerError> {
        std::str::from_utf8(self.contents).map_err(|_| DerError::Text { offset: self.offset })
    }

    /// Checks that every element below this one has the form that DER asks for, to [`DER_DEPTH_MAX`] levels.
    ///
    /// # Errors
    /// The first rule broken, depth first.
    pub fn check_nested(&self) -> Result<(), DerError> {
        check_nested(self, DER_DEPTH_MAX)
    }
}

fn check_nested(element: &Tlv<'_>, levels_left: usize) -> Result<(), DerError> {
    if !element.tag.is_constructed() {
        return Ok(());
    }
    if levels_left == 0 {
        return Err(DerError::TooDeep { offset: element.offset });
    }
    let mut reader = element.reader();
    while !reader.is_empty() {
        check_nested(&reader.read()?, levels_left - 1)?;
    }
    Ok(())
}

/// A cursor over consecutive DER elements.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`; offsets in errors count from here.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, offset: 0 }
    }

    /// Reads `bytes` as exactly one element with tag `expected`.
    ///
    /// # Errors
    /// Its own rule broken, or [`DerError::TrailingBytes`].
    pub fn single(bytes: &'a [u8], expected: Tag) -> Result<Tlv<'a>, DerError> {
        let mut reader = Self::new(bytes);
        let element = reader.expect(expected)?;
        reader.finish()?;
        Ok(element)
    }

    /// Whether every element was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Where the next element begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.offset
    }

    /// Reads the next element, whatever its tag.
    ///
    /// # Errors
    /// [`DerError::Truncated`], [`DerError::HighTagNumber`], [`DerError::IndefiniteLength`],
    /// [`DerError::LengthNotMinimal`].
    pub fn read(&mut self) -> Result<Tlv<'a>, DerError> {
        let (tag, header, length) = read_header(self.rest, self.offset)?;
        let end = header.checked_add(length).filter(|&end| end <= self.rest.len());
        let end = end.ok_or(DerError::Truncated { offset: self.offset })?;
        let (raw, rest) = self.rest.split_at(end);
        let element = Tlv { tag, raw, contents: &raw[header..], offset: self.offset };
        self.rest = rest;
        self.offset += end;
        Ok(element)
    }

    /// Reads the next element, which must have the tag `expected`.
    ///
    /// # Errors
    /// [`DerError::Missing`], [`DerError::UnexpectedTag`], or what [`Reader::read`] says.
    pub fn expect(&mut self, expected: Tag) -> Result<Tlv<'a>, DerError> {
        let offset = self.offset;
        match self.rest.first() {
            None => Err(DerError::Missing { offset, expected }),
            Some(&found) if Tag(found) != expected => {
                Err(DerError::UnexpectedTag { offset, expected, found: Tag(found) })
            }
            Some(_) => self.read(),
        }
    }

    /// Reads the next element if it has the tag `expected`, otherwise leaves it.
    ///
    /// # Errors
    /// What [`Reader::read`] says.
    pub fn optional(&mut self, expected: Tag) -> Result<Option<Tlv<'a>>, DerError> {
        if self.rest.first() == Some(&expected.0) { self.read().map(Some) } else { Ok(None) }
    }

    /// Enters the next element, a SEQUENCE.
    ///
    /// # Errors
    /// What [`Reader::expect`] says.
    pub fn sequence(&mut self) -> Result<Reader<'a>, DerError> {
        Ok(self.expect(Tag::SEQUENCE)?.reader())
    }

    /// Reads all elements left, at most `limit`.
    ///
    /// # Errors
    /// [`DerError::TooMany`], or what [`Reader::read`] says.
    pub fn all(mut self, limit: usize) -> Result<Vec<Tlv<'a>>, DerError> {
        let mut elements = Vec::new();
        while !self.is_empty() {
            if elements.len() == limit {
                return Err(DerError::TooMany { offset: self.offset, limit });
            }
            elements.push(self.read()?);
        }
        Ok(elements)
    }

    /// Ends the structure.
    ///
    /// # Errors
    /// [`DerError::TrailingBytes`] if elements are left.
    pub fn finish(&self) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(DerError::TrailingBytes { offset: self.offset }) }
    }
}

/// Reads a tag and a definite, minimal length; returns tag, header length and contents length in bytes.
fn read_header(bytes: &[u8], offset: usize) -> Result<(Tag, usize, usize), DerError> {
    let truncated = DerError::Truncated { offset };
    let [tag, first, ..] = *bytes else {
        return Err(truncated);
    };
    if tag & 0x1f == 0x1f {
        return Err(DerError::HighTagNumber { offset });
    }
    match first {
        0..=0x7f => Ok((Tag(tag), 2, usize::from(first))),
        0x80 => Err(DerError::IndefiniteLength { offset }),
        // Four length octets hold 4 GiB, beyond every limit of this crate.
        0x81..=0x84 => {
            let count = usize::from(first & 0x7f);
            let octets = bytes.get(2..2 + count).ok_or(truncated)?;
            let length = octets.iter().fold(0usize, |value, &octet| value << 8 | usize::from(octet));
            if octets[0] == 0 || length < 0x80 {
                return Err(DerError::LengthNotMinimal { offset });
            }
            Ok((Tag(tag), 2 + count, length))
        }
        _ => Err(truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Tlv<'_>, DerError> {
        Reader::new(bytes).read()
    }

    #[test]
    fn reads_short_and_long_lengths() {
        let long = tlv(Tag::OCTET_STRING, &[7; 300]);
        assert_eq!(long[..4], [0x04, 0x82, 0x01, 0x2c]);
        let expected = Tlv { tag: Tag::OCTET_STRING, raw: &long, contents: &[7; 300], offset: 0 };
        assert_eq!(read(&long), Ok(expected));
    }

    #[test]
    fn each_rule_of_the_header_has_its_error() {
        let offset = 0;
        assert_eq!(read(&[0x30]), Err(DerError::Truncated { offset }));
        assert_eq!(read(&[0x30, 0x01]), Err(DerError::Truncated { offset }));
        assert_eq!(read(&[0x30, 0x85, 1, 1, 1, 1, 1]), Err(DerError::Truncated { offset }));
        assert_eq!(read(&[0x1f, 0x81, 0x01, 0x00]), Err(DerError::HighTagNumber { offset }));
        assert_eq!(read(&[0x30, 0x80, 0x00, 0x00]), Err(DerError::IndefiniteLength { offset }));
        assert_eq!(read(&[0x30, 0x81, 0x01, 0x00]), Err(DerError::LengthNotMinimal { offset }));
    }

    #[test]
    fn each_rule_of_the_structure_has_its_error() {
        let bytes = [0x02, 0x01, 0x05, 0x05, 0x00];
        let trailing = DerError::TrailingBytes { offset: 3 };
        assert_eq!(Reader::single(&bytes, Tag::INTEGER), Err(trailing));
        let wrong = DerError::UnexpectedTag { offset: 0, expected: Tag::SEQUENCE, found: Tag::INTEGER };
        assert_eq!(Reader::single(&bytes, Tag::SEQUENCE), Err(wrong));
        let missing = DerError::Missing { offset: 0, expected: Tag::SEQUENCE };
        assert_eq!(Reader::single(&[], Tag::SEQUENCE), Err(missing));
        let too_many = DerError::TooMany { offset: 3, limit: 1 };
        assert_eq!(Reader::new(&bytes).all(1), Err(too_many));
    }

    #[test]
    fn each_rule_of_the_values_has_its_error() {
        let offset = 0;
        let integer = DerError::Integer { offset };
        for bytes in [&[2, 0][..], &[2, 2, 0, 0x7f], &[2, 2, 0xff, 0x80]] {
            assert_eq!(read(bytes).and_then(|e| e.integer().map(drop)), Err(integer));
        }
        let range = DerError::IntegerRange { offset };
        assert_eq!(read(&[2, 1, 0x80]).and_then(|e| e.unsigned()), Err(range));
        assert_eq!(read(&[2, 5, 1, 0, 0, 0, 0]).and_then(|e| e.unsigned()), Err(range));
        assert_eq!(read(&[2, 5, 0, 0x80, 0, 0, 1]).and_then(|e| e.unsigned()), Ok(0x8000_0001));
        assert_eq!(read(&[1, 1, 1]).and_then(|e| e.boolean()), Err(DerError::Boolean { offset }));
        let bits = DerError::BitString { offset };
        for bytes in [&[3, 0][..], &[3, 1, 1], &[3, 2, 8, 0], &[3, 2, 1, 1]] {
            assert_eq!(read(bytes).and_then(|e| e.bit_string().map(drop)), Err(bits));
        }
        assert_eq!(read(&[3, 2, 1, 2]).and_then(|e| e.bit_string_octets().map(drop)), Err(bits));
        let text = DerError::Text { offset };
        assert_eq!(read(&[0x0c, 1, 0xff]).and_then(|e| e.text().map(drop)), Err(text));
    }

    #[test]
    fn nesting_is_bounded() {
        let nest = |levels: usize| (0..levels).fold(null(), |inner, _| tlv(Tag::SEQUENCE, &inner));
        let sound = nest(DER_DEPTH_MAX);
        assert_eq!(read(&sound).and_then(|e| e.check_nested()), Ok(()));
        let deep = nest(DER_DEPTH_MAX + 1);
        let error = read(&deep).and_then(|e| e.check_nested());
        assert_eq!(error, Err(DerError::TooDeep { offset: 2 * DER_DEPTH_MAX }));
    }
}
