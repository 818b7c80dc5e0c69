//! Object identifiers.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// An OBJECT IDENTIFIER, held as its contents octets (X.690 §8.19).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectIdentifier(Cow<'static, [u8]>);

/// Text that is no object identifier in dotted form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ObjectIdentifierError {
    /// An arc that is not a decimal number without leading zeros below 2^32.
    #[error("an arc is not a number")]
    Arc,
    /// Fewer than two arcs, a first above 2, or a second above 39 below a first of 0 or 1.
    #[error("the first two arcs are out of range")]
    Root,
}

macro_rules! object_identifiers {
    ($($(#[$doc:meta])* $name:ident = $bytes:expr;)*) => {
        impl ObjectIdentifier {
            $($(#[$doc])* pub const $name: Self = Self(Cow::Borrowed(&$bytes));)*
        }
    };
}

object_identifiers! {
    /// id-signedData (RFC 5652 §5.1).
    SIGNED_DATA = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
    /// id-ct-TSTInfo (RFC 3161 §2.4.2).
    TST_INFO = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 1, 4];
    /// id-contentType (RFC 5652 §11.1).
    CONTENT_TYPE = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3];
    /// id-messageDigest (RFC 5652 §11.2).
    MESSAGE_DIGEST = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 4];
    /// id-aa-signingCertificateV2 (RFC 5035 §3).
    SIGNING_CERTIFICATE_V2 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 16, 2, 47];
    /// id-sha256.
    SHA256 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    /// id-sha384.
    SHA384 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
    /// id-sha512.
    SHA512 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
    /// rsaEncryption (RFC 8017).
    RSA_ENCRYPTION = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    /// id-mgf1.
    MGF1 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
    /// id-RSASSA-PSS.
    RSA_PSS = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    /// sha256WithRSAEncryption.
    RSA_SHA256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    /// sha384WithRSAEncryption.
    RSA_SHA384 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
    /// sha512WithRSAEncryption.
    RSA_SHA512 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];
    /// id-ecPublicKey (RFC 5480).
    EC_PUBLIC_KEY = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    /// secp256r1.
    P256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    /// secp384r1.
    P384 = [0x2b, 0x81, 4, 0, 34];
    /// ecdsa-with-SHA256.
    ECDSA_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    /// ecdsa-with-SHA384.
    ECDSA_SHA384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    /// ecdsa-with-SHA512.
    ECDSA_SHA512 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];
    /// id-kp-timeStamping (RFC 3161 §2.3).
    TIME_STAMPING = [0x2b, 6, 1, 5, 5, 7, 3, 8];
    /// id-ce-subjectKeyIdentifier (RFC 5280 §4.2.1.2).
    SUBJECT_KEY_IDENTIFIER = [0x55, 0x1d, 14];
    /// id-ce-keyUsage (RFC 5280 §4.2.1.3).
    KEY_USAGE = [0x55, 0x1d, 15];
    /// id-ce-basicConstraints (RFC 5280 §4.2.1.9).
    BASIC_CONSTRAINTS = [0x55, 0x1d, 19];
    /// id-ce-cRLNumber (RFC 5280 §5.2.3).
    CRL_NUMBER = [0x55, 0x1d, 20];
    /// id-ce-cRLReasons (RFC 5280 §5.3.1).
    CRL_REASON = [0x55, 0x1d, 21];
    /// id-ce-issuingDistributionPoint (RFC 5280 §5.2.5).
    ISSUING_DISTRIBUTION_POINT = [0x55, 0x1d, 28];
    /// id-ce-authorityKeyIdentifier (RFC 5280 §4.2.1.1).
    AUTHORITY_KEY_IDENTIFIER = [0x55, 0x1d, 35];
    /// id-ce-extKeyUsage (RFC 5280 §4.2.1.12).
    EXTENDED_KEY_USAGE = [0x55, 0x1d, 37];
    /// id-at-countryName.
    COUNTRY_NAME = [0x55, 4, 6];
    /// id-at-organizationName.
    ORGANIZATION_NAME = [0x55, 4, 10];
    /// id-at-commonName.
    COMMON_NAME = [0x55, 4, 3];
}

impl ObjectIdentifier {
    /// Takes contents octets: arcs in base 128, none padded, the last one complete.
    #[must_use]
    pub fn from_contents(contents: &[u8]) -> Option<Self> {
        let complete = contents.last().is_some_and(|last| last & 0x80 == 0);
        let mut starts_arc = true;
        let padded = contents.iter().any(|&octet| {
            let padding = starts_arc && octet == 0x80;
            starts_arc = octet & 0x80 == 0;
            padding
        });
        (complete && !padded).then(|| Self(Cow::Owned(contents.to_vec())))
    }

    /// The contents octets.
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        &self.0
    }

    /// The whole element.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        super::tlv(super::Tag::OBJECT_IDENTIFIER, &self.0)
    }
}

impl fmt::Display for ObjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut arc: u128 = 0;
        let mut first = true;
        for &octet in self.0.iter() {
            // Arcs beyond 128 bits (UUID arcs have 128) lose their top bits in print only, never in comparison.
            arc = arc << 7 | u128::from(octet & 0x7f);
            if octet & 0x80 != 0 {
                continue;
            }
            if first {
                let root = (arc / 40).min(2);
                write!(f, "{root}.{}", arc - root * 40)?;
            } else {
                write!(f, ".{arc}")?;
            }
            (first, arc) = (false, 0);
        }
        Ok(())
    }
}

impl fmt::Debug for ObjectIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectIdentifier({self})")
    }
}

impl FromStr for ObjectIdentifier {
    type Err = ObjectIdentifierError;

    fn from_str(text: &str) -> Result<Self, ObjectIdentifierError> {
        let arcs: Vec<u64> = text.split('.').map(parse_arc).collect::<Result<_, _>>()?;
        let [root, second, rest @ ..] = arcs.as_slice() else {
            return Err(ObjectIdentifierError::Root);
        };
        if *root > 2 || (*root < 2 && *second > 39) {
            return Err(ObjectIdentifierError::Root);
        }
        let mut contents = Vec::new();
        push_arc(&mut contents, root * 40 + second);
        rest.iter().for_each(|&arc| push_arc(&mut contents, arc));
        Ok(Self(Cow::Owned(contents)))
    }
}

fn parse_arc(text: &str) -> Result<u64, ObjectIdentifierError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (text == "0" || !text.starts_with('0'));
    let value: Option<u32> = if canonical { text.parse().ok() } else { None };
    value.map(u64::from).ok_or(ObjectIdentifierError::Arc)
}

fn push_arc(contents: &mut Vec<u8>, arc: u64) {
    let groups = (1..)
        .find(|&n| n * 7 >= 64 || arc >> (n * 7) == 0)
        .unwrap_or(10);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        contents.push((arc >> (group * 7)) as u8 & 0x7f | more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_form_and_octets_agree() {
        for (text, known) in [
            ("1.2.840.113549.1.9.16.1.4", ObjectIdentifier::TST_INFO),
            ("2.16.840.1.101.3.4.2.1", ObjectIdentifier::SHA256),
            ("1.3.6.1.5.5.7.3.8", ObjectIdentifier::TIME_STAMPING),
            (
                "1.2.840.113549.1.9.16.2.47",
                ObjectIdentifier::SIGNING_CERTIFICATE_V2,
            ),
            ("1.3.132.0.34", ObjectIdentifier::P384),
        ] {
            assert_eq!(known.to_string(), text);
            assert_eq!(text.parse(), Ok(known));
        }
        assert_eq!(
            "2.999.3".parse::<ObjectIdentifier>().map(|o| o.to_string()),
            Ok("2.999.3".into())
        );
    }

    #[test]
    fn wrong_text_and_octets_are_refused() {
        for text in ["", "1", "3.1", "1.40"] {
            let expected = if text.is_empty() {
                ObjectIdentifierError::Arc
            } else {
                ObjectIdentifierError::Root
            };
            assert_eq!(text.parse::<ObjectIdentifier>(), Err(expected), "{text:?}");
        }
        for text in ["1.2.03", "1.2.x", "1.2.4294967296", "1..2"] {
            assert_eq!(
                text.parse::<ObjectIdentifier>(),
                Err(ObjectIdentifierError::Arc),
                "{text:?}"
            );
        }
        for contents in [&[][..], &[0x2a, 0x80], &[0x2a, 0x80, 0x01], &[0x2a, 0x86]] {
            assert_eq!(
                ObjectIdentifier::from_contents(contents),
                None,
                "{contents:?}"
            );
        }
    }
}
