//! X.509 certificates and revocation lists as evidence needs them: slices of the bytes that were signed.
//!
//! Reading judges nothing but form. Paths are validated by `rustls-webpki` in [`crate::tsp`]; the builder at the end
//! makes the embedded development authority's own certificates and nothing else.

mod build;
mod crl;
mod pem;
mod signature;

use jiff::Timestamp;

use crate::bounds::X509_EXTENSIONS_MAX;
use crate::cms::AlgorithmIdentifier;
use crate::der::{DerError, ObjectIdentifier, Reader, Tag, Tlv, read_x509_time};

pub use build::{
    CertificateKind, DistinguishedName, NameError, NewCertificate, NewRevocationList, RevokedSerial, SerialError,
    SerialNumber,
};
pub use crl::{Revocation, RevocationList, RevocationReason};
pub use pem::{PemError, certificate_to_pem, certificates_from_pem};
pub(crate) use signature::PATH_ALGORITHMS;
pub use signature::{PublicKey, SignatureError, SignatureFamily, SignatureScheme};

/// A certificate that breaks a rule of its form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum X509Error {
    /// The encoding is wrong.
    #[error(transparent)]
    Der(#[from] DerError),
    /// A version other than 3, without which there are no extensions to bind a key to time-stamping.
    #[error("certificate is not version 3")]
    Version,
    /// The same extension twice (RFC 5280 §4.2 allows one).
    #[error("an extension occurs twice")]
    DuplicateExtension,
}

/// A certificate (RFC 5280 §4.1) as slices of its DER.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The whole certificate, which `certHash` hashes.
    pub raw: &'a [u8],
    /// The octets that its issuer signed.
    pub signed_octets: &'a [u8],
    /// Contents of the serial number's INTEGER.
    pub serial: &'a [u8],
    /// The issuer's name, one whole element.
    pub issuer: &'a [u8],
    /// First instant of validity.
    pub not_before: Timestamp,
    /// Last instant of validity.
    pub not_after: Timestamp,
    /// The subject's name, one whole element.
    pub subject: &'a [u8],
    /// SubjectPublicKeyInfo, one whole element.
    pub public_key_info: &'a [u8],
    /// The extensions, in the order found.
    pub extensions: Vec<Extension<'a>>,
    /// Algorithm of the issuer's signature.
    pub signature_algorithm: AlgorithmIdentifier<'a>,
    /// The issuer's signature.
    pub signature: &'a [u8],
}

/// One extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Which.
    pub id: ObjectIdentifier,
    /// Whether a reader that does not know it must refuse.
    pub critical: bool,
    /// Contents of its OCTET STRING.
    pub value: &'a [u8],
}

/// Bits of the key usage extension (RFC 5280 §4.2.1.3), the first as the highest bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyUsage(pub u16);

impl KeyUsage {
    /// digitalSignature (0).
    pub const DIGITAL_SIGNATURE: u16 = 0x8000;
    /// nonRepudiation, also called contentCommitment (1).
    pub const NON_REPUDIATION: u16 = 0x4000;
    /// keyCertSign (5).
    pub const CERTIFICATE_SIGN: u16 = 0x0400;
    /// cRLSign (6).
    pub const CRL_SIGN: u16 = 0x0200;
}

impl<'a> Certificate<'a> {
    /// Reads one certificate, version 3.
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
        read_version(&mut reader)?;
        let serial = reader.expect(Tag::INTEGER)?.integer()?;
        reader.expect(Tag::SEQUENCE)?;
        let issuer = reader.expect(Tag::SEQUENCE)?.raw;
        let mut validity = reader.sequence()?;
        let not_before = read_x509_time(&validity.read()?)?;
        let not_after = read_x509_time(&validity.read()?)?;
        validity.finish()?;
        let subject = reader.expect(Tag::SEQUENCE)?.raw;
        let public_key_info = reader.expect(Tag::SEQUENCE)?.raw;
        reader.optional(Tag::context_primitive(1))?;
        reader.optional(Tag::context_primitive(2))?;
        let extensions = read_extensions(reader.optional(Tag::context(3))?)?;
        reader.finish()?;
        Ok(Self {
            raw,
            signed_octets: signed.raw,
            serial,
            issuer,
            not_before,
            not_after,
            subject,
            public_key_info,
            extensions,
            signature_algorithm,
            signature,
        })
    }

    /// The extension with this identifier.
    #[must_use]
    pub fn extension(&self, id: &ObjectIdentifier) -> Option<&Extension<'a>> {
        self.extensions.iter().find(|extension| extension.id == *id)
    }

    /// Whether basicConstraints makes this an authority's certificate.
    ///
    /// # Errors
    /// [`DerError`] if the extension is malformed.
    pub fn is_authority(&self) -> Result<bool, DerError> {
        let Some(extension) = self.extension(&ObjectIdentifier::BASIC_CONSTRAINTS) else {
            return Ok(false);
        };
        let mut reader = Reader::single(extension.value, Tag::SEQUENCE)?.reader();
        let authority = reader.optional(Tag::BOOLEAN)?.map_or(Ok(false), |value| value.boolean())?;
        Ok(authority)
    }

    /// The key usage bits, if the extension is there.
    ///
    /// # Errors
    /// [`DerError`] if the extension is malformed.
    pub fn key_usage(&self) -> Result<Option<KeyUsage>, DerError> {
        let Some(extension) = self.extension(&ObjectIdentifier::KEY_USAGE) else {
            return Ok(None);
        };
        let (octets, _) = Reader::single(extension.value, Tag::BIT_STRING)?.bit_string()?;
        let octet = |at: usize| u16::from(octets.get(at).copied().unwrap_or(0));
        Ok(Some(KeyUsage(octet(0) << 8 | octet(1))))
    }

    /// The purposes of the extended key usage extension and whether it is critical, if it is there.
    ///
    /// # Errors
    /// [`DerError`] if the extension is malformed.
    pub fn extended_key_usage(&self) -> Result<Option<(bool, Vec<ObjectIdentifier>)>, DerError> {
        let Some(extension) = self.extension(&ObjectIdentifier::EXTENDED_KEY_USAGE) else {
            return Ok(None);
        };
        let purposes = Reader::single(extension.value, Tag::SEQUENCE)?.reader();
        let purposes = purposes.all(X509_EXTENSIONS_MAX)?;
        let purposes = purposes.iter().map(Tlv::object_identifier).collect::<Result<_, _>>()?;
        Ok(Some((extension.critical, purposes)))
    }

    /// The subject key identifier's octets, if the extension is there.
    ///
    /// # Errors
    /// [`DerError`] if the extension is malformed.
    pub fn subject_key_identifier(&self) -> Result<Option<&'a [u8]>, DerError> {
        let extension = self.extension(&ObjectIdentifier::SUBJECT_KEY_IDENTIFIER);
        let read = |e: &Extension<'a>| Reader::single(e.value, Tag::OCTET_STRING).map(|v| v.contents);
        extension.map(read).transpose()
    }
}

fn read_version(reader: &mut Reader<'_>) -> Result<(), X509Error> {
    const V3: u32 = 2;
    let explicit = reader.optional(Tag::context(0))?.ok_or(X509Error::Version)?;
    let version = Reader::single(explicit.contents, Tag::INTEGER)?.unsigned()?;
    if version == V3 { Ok(()) } else { Err(X509Error::Version) }
}

/// Reads `[n] EXPLICIT Extensions`, if there.
fn read_extensions(explicit: Option<Tlv<'_>>) -> Result<Vec<Extension<'_>>, X509Error> {
    let Some(explicit) = explicit else {
        return Ok(Vec::new());
    };
    let list = Reader::single(explicit.contents, Tag::SEQUENCE)?.reader();
    read_extension_list(list)
}

fn read_extension_list(list: Reader<'_>) -> Result<Vec<Extension<'_>>, X509Error> {
    let mut extensions: Vec<Extension<'_>> = Vec::new();
    for element in list.all(X509_EXTENSIONS_MAX)? {
        let mut outer = Reader::new(element.raw);
        let mut reader = outer.sequence()?;
        let id = reader.expect(Tag::OBJECT_IDENTIFIER)?.object_identifier()?;
        let critical = reader.optional(Tag::BOOLEAN)?.map_or(Ok(false), |value| value.boolean())?;
        let value = reader.expect(Tag::OCTET_STRING)?.contents;
        reader.finish()?;
        if extensions.iter().any(|earlier| earlier.id == id) {
            return Err(X509Error::DuplicateExtension);
        }
        extensions.push(Extension { id, critical, value });
    }
    Ok(extensions)
}
