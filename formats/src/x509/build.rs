//! Certificates and revocation lists of the embedded development authority: P-256, version 3, strict DER.
//!
//! The private key stays with the caller: every builder takes a closure that signs the octets it is given with ECDSA
//! P-256 and SHA-256, and returns the signature as DER. An Ed25519 or RSA authority is a real one, outside.

use jiff::Timestamp;
use sha2::Digest as _;

use super::{KeyUsage, RevocationReason};
use crate::bounds::SERIAL_OCTETS_MAX;
use crate::der::{
    self, ObjectIdentifier, Tag, bit_string, boolean, octet_string, sequence, set_of, tlv,
    x509_time,
};

/// A serial number: a positive INTEGER of at most [`SERIAL_OCTETS_MAX`] octets.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SerialNumber(Vec<u8>);

/// A number that is no serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SerialError {
    /// Zero or negative.
    #[error("serial number is not positive")]
    NotPositive,
    /// More than [`SERIAL_OCTETS_MAX`] octets.
    #[error("serial number longer than {SERIAL_OCTETS_MAX} octets")]
    TooLong,
}

impl SerialNumber {
    /// Takes the contents of an INTEGER in its shortest form.
    ///
    /// # Errors
    /// [`SerialError`].
    pub fn from_contents(contents: &[u8]) -> Result<Self, SerialError> {
        match contents {
            [] | [0] => Err(SerialError::NotPositive),
            [first, ..] if first & 0x80 != 0 => Err(SerialError::NotPositive),
            _ if contents.len() > SERIAL_OCTETS_MAX => Err(SerialError::TooLong),
            _ => Ok(Self(contents.to_vec())),
        }
    }

    /// Takes a magnitude, big-endian, with or without leading zeros.
    ///
    /// # Errors
    /// [`SerialError`].
    pub fn from_magnitude(magnitude: &[u8]) -> Result<Self, SerialError> {
        let element = der::integer(magnitude);
        let contents = der::Reader::new(&element)
            .read()
            .map_err(|_| SerialError::TooLong)?
            .contents;
        Self::from_contents(contents)
    }

    /// The contents of its INTEGER.
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        &self.0
    }

    fn to_der(&self) -> Vec<u8> {
        tlv(Tag::INTEGER, &self.0)
    }
}

impl std::fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// A distinguished name, one whole element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DistinguishedName(Vec<u8>);

/// A part that X.520 does not allow in a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A country that is not two capital letters (ISO 3166-1).
    #[error("country is not two capital letters")]
    Country,
    /// An empty organisation or common name, or one longer than the 64 characters of X.520.
    #[error("organisation or common name not of 1 to 64 characters")]
    Length,
}

impl DistinguishedName {
    /// Country, organisation and common name, in this order.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn new(country: &str, organization: &str, common_name: &str) -> Result<Self, NameError> {
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(NameError::Country);
        }
        if [organization, common_name]
            .iter()
            .any(|part| !(1..=64).contains(&part.chars().count()))
        {
            return Err(NameError::Length);
        }
        let part = |id: ObjectIdentifier, tag, text: &str| {
            let pair = sequence(&[&id.to_der(), &tlv(tag, text.as_bytes())]);
            set_of(Tag::SET, vec![pair])
        };
        Ok(Self(sequence(&[
            &part(
                ObjectIdentifier::COUNTRY_NAME,
                Tag::PRINTABLE_STRING,
                country,
            ),
            &part(
                ObjectIdentifier::ORGANIZATION_NAME,
                Tag::UTF8_STRING,
                organization,
            ),
            &part(ObjectIdentifier::COMMON_NAME, Tag::UTF8_STRING, common_name),
        ])))
    }

    /// Takes a name read from a certificate, one whole element.
    #[must_use]
    pub fn from_der(element: &[u8]) -> Self {
        Self(element.to_vec())
    }

    /// The whole element.
    #[must_use]
    pub fn as_der(&self) -> &[u8] {
        &self.0
    }
}

/// What a certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateKind {
    /// A self-signed root: issues certificates and revocation lists, no authority below it.
    Root,
    /// A time-stamping unit: signs tokens and nothing else (RFC 3161 §2.3).
    TimeStampingUnit,
}

/// A certificate to be made.
#[derive(Debug, Clone)]
pub struct NewCertificate<'a> {
    /// Its serial number, unique at its issuer.
    pub serial: &'a SerialNumber,
    /// Who issues it; for a root the same as `subject`.
    pub issuer: &'a DistinguishedName,
    /// The issuer's public key, SEC 1 uncompressed (65 bytes); for a root the same as `public_key`.
    pub issuer_key: &'a [u8; 65],
    /// Whose key it certifies.
    pub subject: &'a DistinguishedName,
    /// The key certified: P-256, SEC 1 uncompressed.
    pub public_key: &'a [u8; 65],
    /// First instant of validity, cut to the second.
    pub not_before: Timestamp,
    /// Last instant of validity, cut to the second.
    pub not_after: Timestamp,
    /// What it is for.
    pub kind: CertificateKind,
}

impl NewCertificate<'_> {
    /// Builds the certificate; the same input and signature give the same bytes.
    ///
    /// # Errors
    /// Whatever `sign` says.
    ///
    /// # Standard
    /// RFC 5280 §4.1 and §4.2; RFC 3161 §2.3 (critical, exclusive extended key usage).
    pub fn build<E>(&self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let version = tlv(Tag::context(0), &der::integer(&[2]));
        let validity = sequence(&[&x509_time(self.not_before), &x509_time(self.not_after)]);
        let to_sign = sequence(&[
            &version,
            &self.serial.to_der(),
            &ecdsa_sha256(),
            self.issuer.as_der(),
            &validity,
            self.subject.as_der(),
            &public_key_info(self.public_key),
            &tlv(Tag::context(3), &sequence(&[&self.extensions().concat()])),
        ]);
        signed(&to_sign, sign)
    }

    fn extensions(&self) -> Vec<Vec<u8>> {
        let authority_key = tlv(Tag::context_primitive(0), &key_identifier(self.issuer_key));
        let mut extensions = match self.kind {
            CertificateKind::Root => vec![
                extension(
                    ObjectIdentifier::BASIC_CONSTRAINTS,
                    true,
                    &sequence(&[&boolean(true), &der::integer(&[0])]),
                ),
                extension(
                    ObjectIdentifier::KEY_USAGE,
                    true,
                    &key_usage(KeyUsage(KeyUsage::CERTIFICATE_SIGN | KeyUsage::CRL_SIGN)),
                ),
            ],
            CertificateKind::TimeStampingUnit => vec![
                extension(ObjectIdentifier::BASIC_CONSTRAINTS, true, &sequence(&[])),
                extension(
                    ObjectIdentifier::KEY_USAGE,
                    true,
                    &key_usage(KeyUsage(KeyUsage::DIGITAL_SIGNATURE)),
                ),
                extension(
                    ObjectIdentifier::EXTENDED_KEY_USAGE,
                    true,
                    &sequence(&[&ObjectIdentifier::TIME_STAMPING.to_der()]),
                ),
            ],
        };
        let subject_key = octet_string(&key_identifier(self.public_key));
        extensions.push(extension(
            ObjectIdentifier::SUBJECT_KEY_IDENTIFIER,
            false,
            &subject_key,
        ));
        let authority_key = sequence(&[&authority_key]);
        extensions.push(extension(
            ObjectIdentifier::AUTHORITY_KEY_IDENTIFIER,
            false,
            &authority_key,
        ));
        extensions
    }
}

/// One entry of a revocation list to be made.
#[derive(Debug, Clone)]
pub struct RevokedSerial {
    /// The certificate's serial number.
    pub serial: SerialNumber,
    /// Since when.
    pub at: Timestamp,
    /// Why, if it is said.
    pub reason: Option<RevocationReason>,
}

/// A revocation list to be made.
#[derive(Debug, Clone)]
pub struct NewRevocationList<'a> {
    /// Its number, ascending at its issuer.
    pub number: u64,
    /// Who issues it.
    pub issuer: &'a DistinguishedName,
    /// The issuer's public key, SEC 1 uncompressed.
    pub issuer_key: &'a [u8; 65],
    /// When it is made.
    pub this_update: Timestamp,
    /// When the next one is due.
    pub next_update: Timestamp,
    /// The certificates revoked.
    pub revoked: &'a [RevokedSerial],
}

impl NewRevocationList<'_> {
    /// Builds the list, version 2.
    ///
    /// # Errors
    /// Whatever `sign` says.
    ///
    /// # Standard
    /// RFC 5280 §5.1 and §5.2.
    pub fn build<E>(&self, sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
        let entries: Vec<Vec<u8>> = self.revoked.iter().map(revoked_entry).collect();
        let entries = if entries.is_empty() {
            Vec::new()
        } else {
            sequence(&[&entries.concat()])
        };
        let authority_key = sequence(&[&tlv(
            Tag::context_primitive(0),
            &key_identifier(self.issuer_key),
        )]);
        let number = der::integer(&self.number.to_be_bytes());
        let extensions = sequence(&[
            &extension(
                ObjectIdentifier::AUTHORITY_KEY_IDENTIFIER,
                false,
                &authority_key,
            ),
            &extension(ObjectIdentifier::CRL_NUMBER, false, &number),
        ]);
        let to_sign = sequence(&[
            &der::integer(&[1]),
            &ecdsa_sha256(),
            self.issuer.as_der(),
            &x509_time(self.this_update),
            &x509_time(self.next_update),
            &entries,
            &tlv(Tag::context(0), &extensions),
        ]);
        signed(&to_sign, sign)
    }
}

fn revoked_entry(revoked: &RevokedSerial) -> Vec<u8> {
    let reason = revoked.reason.map(|RevocationReason(number)| {
        let value = tlv(Tag::ENUMERATED, &[number as u8]);
        sequence(&[&extension(ObjectIdentifier::CRL_REASON, false, &value)])
    });
    sequence(&[
        &revoked.serial.to_der(),
        &x509_time(revoked.at),
        &reason.unwrap_or_default(),
    ])
}

fn signed<E>(to_sign: &[u8], sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>) -> Result<Vec<u8>, E> {
    let signature = sign(to_sign)?;
    Ok(sequence(&[
        to_sign,
        &ecdsa_sha256(),
        &bit_string(&signature, 0),
    ]))
}

fn ecdsa_sha256() -> Vec<u8> {
    sequence(&[&ObjectIdentifier::ECDSA_SHA256.to_der()])
}

fn public_key_info(key: &[u8; 65]) -> Vec<u8> {
    let algorithm = [
        ObjectIdentifier::EC_PUBLIC_KEY.to_der(),
        ObjectIdentifier::P256.to_der(),
    ];
    sequence(&[&sequence(&[&algorithm.concat()]), &bit_string(key, 0)])
}

/// RFC 7093 §2 method 1: the leftmost 160 bits of SHA-256 over the key, since SHA-1 is no longer to be used.
fn key_identifier(key: &[u8; 65]) -> [u8; 20] {
    let mut identifier = [0; 20];
    identifier.copy_from_slice(&sha2::Sha256::digest(key)[..20]);
    identifier
}

fn key_usage(KeyUsage(bits): KeyUsage) -> Vec<u8> {
    let unused = bits.to_be_bytes()[0].trailing_zeros() as u8;
    bit_string(&bits.to_be_bytes()[..1], unused)
}

fn extension(id: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { boolean(true) } else { Vec::new() };
    sequence(&[&id.to_der(), &critical, &octet_string(value)])
}
