//! Certificate revocation lists (RFC 5280 §5), complete and direct ones.

use jiff::Timestamp;

use super::{Extension, PublicKey, SignatureError, SignatureScheme, X509Error, read_extension_list, read_extensions};
use crate::cms::AlgorithmIdentifier;
use crate::der::{DerError, ObjectIdentifier, Reader, Tag, read_x509_time};

/// Why a certificate was revoked (RFC 5280 §5.3.1), as the number in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RevocationReason(pub u32);

impl RevocationReason {
    /// keyCompromise: whoever has the key could have made any token, with any date.
    pub const KEY_COMPROMISE: Self = Self(1);

    /// Whether tokens made before the revocation keep their value.
    ///
    /// # Standard
    /// RFC 3161 §4 (1): unspecified, affiliationChanged, superseded and cessationOfOperation.
    #[must_use]
    pub const fn spares_earlier_tokens(self) -> bool {
        matches!(self.0, 0 | 3 | 4 | 5)
    }
}

/// An entry of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub at: Timestamp,
    /// Why, where the list says so.
    pub reason: Option<RevocationReason>,
}

/// A revocation list as slices of its DER.
#[derive(Debug, Clone)]
pub struct RevocationList<'a> {
    signed_octets: &'a [u8],
    signature_algorithm: AlgorithmIdentifier<'a>,
    signature: &'a [u8],
    /// The issuer's name, one whole element.
    pub issuer: &'a [u8],
    /// When it was made.
    pub this_update: Timestamp,
    /// When the next one is due; later than that it says nothing of new revocations.
    pub next_update: Option<Timestamp>,
    entries: Option<Reader<'a>>,
    extensions: Vec<Extension<'a>>,
}

impl<'a> RevocationList<'a> {
    /// Reads one list.
    ///
    /// # Errors
    /// [`X509Error`].
    pub fn parse(raw: &'a [u8]) -> Result<Self, X509Error> {
        let mut outer = Reader::single(raw, Tag::SEQUENCE)?.reader();
        let signed = outer.expect(Tag::SEQUENCE)?;
        let signature_algorithm = AlgorithmIdentifier::read(outer.sequence()?)?;
        let signature = outer.expect(Tag::BIT_STRING)?.bit_string_octets()?;
        outer.finish()?;

        let mut reader = signed.reader();
        reader.optional(Tag::INTEGER)?;
        reader.expect(Tag::SEQUENCE)?;
        let issuer = reader.expect(Tag::SEQUENCE)?.raw;
        let this_update = read_x509_time(&reader.read()?)?;
        let next_update = match reader.optional(Tag::UTC_TIME)? {
            Some(time) => Some(time),
            None => reader.optional(Tag::GENERALIZED_TIME)?,
        };
        let next_update = next_update.as_ref().map(read_x509_time).transpose()?;
        let entries = reader.optional(Tag::SEQUENCE)?.map(|entries| entries.reader());
        let extensions = read_extensions(reader.optional(Tag::context(0))?)?;
        reader.finish()?;
        Ok(Self {
            signed_octets: signed.raw,
            signature_algorithm,
            signature,
            issuer,
            this_update,
            next_update,
            entries,
            extensions,
        })
    }

    /// Checks the issuer's signature.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, issuer: &PublicKey) -> Result<(), SignatureError> {
        let scheme = SignatureScheme::from_certificate(&self.signature_algorithm)?;
        issuer.verify(scheme, self.signed_octets, self.signature)
    }

    /// Whether the list can speak of certificates of this kind: complete, direct, for all reasons.
    ///
    /// Delta lists, indirect lists, lists for some reasons only and unknown critical extensions cannot.
    #[must_use]
    pub fn covers(&self, authority_certificate: bool) -> bool {
        self.extensions.iter().all(|extension| match &extension.id {
            id if *id == ObjectIdentifier::ISSUING_DISTRIBUTION_POINT => {
                distribution_point_covers(extension.value, authority_certificate).unwrap_or(false)
            }
            _ => !extension.critical,
        })
    }

    /// The entry for a serial number, given as the contents of its INTEGER.
    ///
    /// # Errors
    /// [`X509Error`] if an entry up to it is malformed.
    pub fn revocation_of(&self, serial: &[u8]) -> Result<Option<Revocation>, X509Error> {
        let Some(mut entries) = self.entries.clone() else {
            return Ok(None);
        };
        while !entries.is_empty() {
            let mut entry = entries.sequence()?;
            let found = entry.expect(Tag::INTEGER)?.integer()?;
            let at = read_x509_time(&entry.read()?)?;
            let extensions = entry.optional(Tag::SEQUENCE)?;
            entry.finish()?;
            if found == serial {
                let reason = extensions.map(|e| reason(e.reader())).transpose()?.flatten();
                return Ok(Some(Revocation { at, reason }));
            }
        }
        Ok(None)
    }
}

fn reason(extensions: Reader<'_>) -> Result<Option<RevocationReason>, X509Error> {
    let extensions = read_extension_list(extensions)?;
    let reason = extensions.iter().find(|e| e.id == ObjectIdentifier::CRL_REASON);
    let read = |e: &Extension<'_>| Reader::single(e.value, Tag::ENUMERATED)?.unsigned();
    Ok(reason.map(read).transpose()?.map(RevocationReason))
}

fn distribution_point_covers(value: &[u8], authority_certificate: bool) -> Result<bool, DerError> {
    let mut reader = Reader::single(value, Tag::SEQUENCE)?.reader();
    reader.optional(Tag::context(0))?;
    let mut flag = |number| {
        let flag = reader.optional(Tag::context_primitive(number))?;
        Ok::<_, DerError>(flag.is_some_and(|flag| number == 3 || flag.contents != [0]))
    };
    let (users_only, authorities_only) = (flag(1)?, flag(2)?);
    let (some_reasons, indirect, attributes_only) = (flag(3)?, flag(4)?, flag(5)?);
    let kind_covered = if authority_certificate { !users_only } else { !authorities_only };
    Ok(kind_covered && !some_reasons && !indirect && !attributes_only)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::{sequence, tlv};

    #[test]
    fn lists_of_limited_scope_say_nothing_beyond_it() {
        let scope = |number: u8, value: &[u8]| sequence(&[&tlv(Tag::context_primitive(number), value)]);
        let covers = |value: &[u8]| [false, true].map(|ca| distribution_point_covers(value, ca));
        assert_eq!(covers(&sequence(&[])), [Ok(true), Ok(true)]);
        assert_eq!(covers(&scope(1, &[0xff])), [Ok(true), Ok(false)], "user certificates only");
        assert_eq!(covers(&scope(2, &[0xff])), [Ok(false), Ok(true)], "authorities' certificates only");
        assert_eq!(covers(&scope(3, &[1, 2])), [Ok(false), Ok(false)], "some reasons only");
        assert_eq!(covers(&scope(4, &[0xff])), [Ok(false), Ok(false)], "indirect");
        assert_eq!(covers(&scope(5, &[0xff])), [Ok(false), Ok(false)], "attribute certificates only");
    }

    #[test]
    fn reasons_follow_rfc_3161() {
        let sparing: Vec<u32> = (0..=10).filter(|&n| RevocationReason(n).spares_earlier_tokens()).collect();
        assert_eq!(sparing, [0, 3, 4, 5]);
    }
}
