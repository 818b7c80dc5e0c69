//! Turning a received token into strict DER, once, before anything hashes it.
//!
//! What the authority signed (TSTInfo, signed attributes, certificates, revocation lists) is copied octet by octet;
//! only the wrapping around it, which no signature covers, is written anew: definite and minimal lengths, one
//! primitive OCTET STRING, members of each SET OF in order. OpenSSL's authority leaves `certificates` unsorted and
//! some others answer in BER, which strict readers refuse.

use super::{DerError, ObjectIdentifier, Reader, Tag, octet_string, sequence, set_of, tlv};
use crate::bounds::{CMS_SET_MEMBERS_MAX, TOKEN_BYTES_MAX};

/// Why a token cannot be brought to strict DER without touching what was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NormaliseError {
    /// More bytes than [`TOKEN_BYTES_MAX`].
    #[error("token of {size} bytes, more than {TOKEN_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The ContentInfo does not hold SignedData.
    #[error("not a SignedData")]
    NotSignedData,
    /// The wrapping is not even BER.
    #[error("malformed wrapping: {0}")]
    Wrapping(DerError),
    /// A part that is signed, or that a signature names, is not DER: rewriting it would break the signature.
    #[error("a signed part is not DER: {0}")]
    SignedPart(DerError),
}

/// Rewrites a token (`ContentInfo` with `SignedData`) as strict DER; strict DER comes back unchanged.
///
/// Idempotent: `normalise_token(normalise_token(t)) == normalise_token(t)`. Every signature that held still holds.
///
/// # Errors
/// [`NormaliseError`]; nothing is repaired that a signature covers.
///
/// # Standard
/// X.690 §10 and §11.6 (DER); RFC 5652 §5.1 (SignedData), §5.4 (signed attributes are signed as DER).
pub fn normalise_token(token: &[u8]) -> Result<Vec<u8>, NormaliseError> {
    if token.len() > TOKEN_BYTES_MAX {
        return Err(NormaliseError::TooLarge { size: token.len() });
    }
    let mut cursor = Cursor {
        bytes: token,
        at: 0,
    };
    let content_info = cursor.enter(Tag::SEQUENCE)?;
    let content_type = cursor.verbatim(Some(Tag::OBJECT_IDENTIFIER))?;
    if content_type != ObjectIdentifier::SIGNED_DATA.to_der() {
        return Err(NormaliseError::NotSignedData);
    }
    let explicit = cursor.enter(Tag::context(0))?;
    let signed_data = signed_data(&mut cursor)?;
    cursor.leave(explicit)?;
    cursor.leave(content_info)?;
    if cursor.at != token.len() {
        return Err(NormaliseError::Wrapping(DerError::TrailingBytes {
            offset: cursor.at,
        }));
    }
    Ok(sequence(&[
        content_type,
        &tlv(Tag::context(0), &signed_data),
    ]))
}

fn signed_data(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, NormaliseError> {
    let frame = cursor.enter(Tag::SEQUENCE)?;
    let mut parts = vec![cursor.verbatim(Some(Tag::INTEGER))?.to_vec()];
    parts.push(cursor.set(Tag::SET, |c| {
        c.verbatim(Some(Tag::SEQUENCE)).map(<[u8]>::to_vec)
    })?);
    parts.push(encapsulated_content(cursor)?);
    for number in [0, 1] {
        if cursor.next_is(Tag::context(number)) {
            parts.push(cursor.set(Tag::context(number), |c| {
                c.verbatim(None).map(<[u8]>::to_vec)
            })?);
        }
    }
    parts.push(cursor.set(Tag::SET, signer_info)?);
    cursor.leave(frame)?;
    Ok(tlv(Tag::SEQUENCE, &parts.concat()))
}

fn encapsulated_content(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, NormaliseError> {
    let frame = cursor.enter(Tag::SEQUENCE)?;
    let content_type = cursor.verbatim(Some(Tag::OBJECT_IDENTIFIER))?;
    let explicit = cursor.enter(Tag::context(0))?;
    let content = cursor.octets()?;
    cursor.leave(explicit)?;
    cursor.leave(frame)?;
    Ok(sequence(&[
        content_type,
        &tlv(Tag::context(0), &octet_string(&content)),
    ]))
}

fn signer_info(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, NormaliseError> {
    let frame = cursor.enter(Tag::SEQUENCE)?;
    let version = cursor.verbatim(Some(Tag::INTEGER))?;
    let signer_identifier = cursor.verbatim(None)?;
    let digest_algorithm = cursor.verbatim(Some(Tag::SEQUENCE))?;
    let has_attributes = cursor.next_is(Tag::context(0));
    let signed_attributes = if has_attributes {
        cursor.verbatim(None)?
    } else {
        &[]
    };
    let signature_algorithm = cursor.verbatim(Some(Tag::SEQUENCE))?;
    let signature = octet_string(&cursor.octets()?);
    let unsigned = if cursor.next_is(Tag::context(1)) {
        cursor.set(Tag::context(1), |c| {
            c.verbatim(Some(Tag::SEQUENCE)).map(<[u8]>::to_vec)
        })?
    } else {
        Vec::new()
    };
    cursor.leave(frame)?;
    let head = [
        version,
        signer_identifier,
        digest_algorithm,
        signed_attributes,
        signature_algorithm,
    ];
    Ok(tlv(
        Tag::SEQUENCE,
        &[&head.concat()[..], &signature, &unsigned].concat(),
    ))
}

/// A position in BER; the walk follows the fixed structure above, so nothing recurses.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// An element entered: where it ends, or nothing if an end-of-contents marker ends it.
struct Frame {
    end: Option<usize>,
}

impl<'a> Cursor<'a> {
    fn wrapping<T>(error: DerError) -> Result<T, NormaliseError> {
        Err(NormaliseError::Wrapping(error))
    }

    fn next_is(&self, tag: Tag) -> bool {
        self.bytes.get(self.at) == Some(&tag.0)
    }

    fn expect(&self, expected: Tag) -> Result<(), NormaliseError> {
        let offset = self.at;
        match self.bytes.get(offset) {
            None => Self::wrapping(DerError::Missing { offset, expected }),
            Some(&found) if Tag(found) != expected => Self::wrapping(DerError::UnexpectedTag {
                offset,
                expected,
                found: Tag(found),
            }),
            Some(_) => Ok(()),
        }
    }

    /// Reads a BER header: any definite length up to four octets, or none for indefinite.
    fn header(&mut self) -> Result<Option<usize>, NormaliseError> {
        let offset = self.at;
        let truncated = NormaliseError::Wrapping(DerError::Truncated { offset });
        let first = *self.bytes.get(offset + 1).ok_or(truncated)?;
        self.at += 2;
        let length = match first {
            0..=0x7f => usize::from(first),
            0x80 => return Ok(None),
            0x81..=0x84 => {
                let count = usize::from(first & 0x7f);
                let octets = self.bytes.get(self.at..self.at + count).ok_or(truncated)?;
                self.at += count;
                octets
                    .iter()
                    .fold(0usize, |value, &octet| value << 8 | usize::from(octet))
            }
            _ => return Err(truncated),
        };
        let end = self
            .at
            .checked_add(length)
            .filter(|&end| end <= self.bytes.len());
        end.map(Some).ok_or(truncated)
    }

    fn enter(&mut self, tag: Tag) -> Result<Frame, NormaliseError> {
        self.expect(tag)?;
        Ok(Frame {
            end: self.header()?,
        })
    }

    fn at_end(&self, frame: &Frame) -> bool {
        match frame.end {
            Some(end) => self.at >= end,
            None => self.at >= self.bytes.len() || self.bytes[self.at..].starts_with(&[0, 0]),
        }
    }

    fn leave(&mut self, frame: Frame) -> Result<(), NormaliseError> {
        let offset = self.at;
        match frame.end {
            Some(end) if offset == end => Ok(()),
            Some(end) if offset < end => Self::wrapping(DerError::TrailingBytes { offset }),
            Some(_) => Self::wrapping(DerError::Truncated { offset }),
            None if self.bytes[offset..].starts_with(&[0, 0]) => {
                self.at += 2;
                Ok(())
            }
            None if offset >= self.bytes.len() => Self::wrapping(DerError::Truncated { offset }),
            None => Self::wrapping(DerError::TrailingBytes { offset }),
        }
    }

    /// Copies an element that must already be DER throughout.
    fn verbatim(&mut self, expected: Option<Tag>) -> Result<&'a [u8], NormaliseError> {
        if let Some(tag) = expected {
            self.expect(tag)?;
        }
        let signed_part = |error: DerError| NormaliseError::SignedPart(shift(error, self.at));
        let element = Reader::new(&self.bytes[self.at..])
            .read()
            .map_err(signed_part)?;
        element.check_nested().map_err(signed_part)?;
        self.at += element.raw.len();
        Ok(element.raw)
    }

    /// Reads an OCTET STRING, primitive or cut into primitive segments.
    fn octets(&mut self) -> Result<Vec<u8>, NormaliseError> {
        const SEGMENTED: Tag = Tag(0x24);
        if !self.next_is(SEGMENTED) {
            return self.segment().map(<[u8]>::to_vec);
        }
        let frame = self.enter(SEGMENTED)?;
        let mut octets = Vec::new();
        while !self.at_end(&frame) {
            octets.extend_from_slice(self.segment()?);
        }
        self.leave(frame)?;
        Ok(octets)
    }

    fn segment(&mut self) -> Result<&'a [u8], NormaliseError> {
        let offset = self.at;
        self.expect(Tag::OCTET_STRING)?;
        let Some(end) = self.header()? else {
            return Self::wrapping(DerError::IndefiniteLength { offset });
        };
        let octets = &self.bytes[self.at..end];
        self.at = end;
        Ok(octets)
    }

    fn set(
        &mut self,
        tag: Tag,
        member: impl Fn(&mut Self) -> Result<Vec<u8>, NormaliseError>,
    ) -> Result<Vec<u8>, NormaliseError> {
        let frame = self.enter(tag)?;
        let mut members = Vec::new();
        while !self.at_end(&frame) {
            if members.len() == CMS_SET_MEMBERS_MAX {
                let limit = CMS_SET_MEMBERS_MAX;
                return Self::wrapping(DerError::TooMany {
                    offset: self.at,
                    limit,
                });
            }
            members.push(member(self)?);
        }
        self.leave(frame)?;
        Ok(set_of(tag, members))
    }
}

/// Moves an error's offset from the slice that was read to the whole token.
fn shift(mut error: DerError, by: usize) -> DerError {
    use DerError as E;
    match &mut error {
        E::Truncated { offset }
        | E::HighTagNumber { offset }
        | E::IndefiniteLength { offset }
        | E::LengthNotMinimal { offset }
        | E::UnexpectedTag { offset, .. }
        | E::Missing { offset, .. }
        | E::TrailingBytes { offset }
        | E::TooDeep { offset }
        | E::TooMany { offset, .. }
        | E::Boolean { offset }
        | E::DefaultEncoded { offset }
        | E::Integer { offset }
        | E::IntegerRange { offset }
        | E::BitString { offset }
        | E::ObjectIdentifier { offset }
        | E::Time { offset }
        | E::Text { offset } => *offset += by,
    }
    error
}
