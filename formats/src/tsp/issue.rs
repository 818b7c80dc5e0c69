//! The issuing half of a development authority: pure, the key and the clock stay with the caller.
//!
//! Tokens follow the strictest profile known (BSI TR-ESOR-ERS 1.3, Basis-ERS-Profil): SignedData version 3, the whole
//! path with its root, one signer by issuer and serial number, SigningCertificateV2, no unsigned attributes.

use jiff::Timestamp;

use super::{Accuracy, FailInfo, TimeStampRequest};
use crate::cms::HashAlgorithm;
use crate::der::{self, ObjectIdentifier, Tag, octet_string, sequence, set_of, tlv};
use crate::x509::{Certificate, SerialNumber, X509Error};

/// What the authority says in a token, beside the request's own parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTerms {
    /// Its policy.
    pub policy: ObjectIdentifier,
    /// The token's serial number, unique at this authority.
    pub serial: SerialNumber,
    /// The time.
    pub gen_time: Timestamp,
    /// How exact the time is.
    pub accuracy: Option<Accuracy>,
}

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub struct TokenSigner<'a> {
    /// The unit's certificate, as DER.
    pub certificate: &'a [u8],
    /// The rest of the path to the root and the root itself, as DER.
    pub issuers: &'a [&'a [u8]],
}

/// Why no token was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError<E> {
    /// The unit's certificate cannot be read.
    #[error("the unit's certificate: {0}")]
    Certificate(X509Error),
    /// The request asks for another policy: answer [`FailInfo::UnacceptedPolicy`].
    #[error("the request asks for another policy")]
    Policy,
    /// The key did not sign.
    #[error("the key did not sign")]
    Sign(E),
}

/// Issues a token and wraps it in a granted response, strict DER throughout.
///
/// - `sign`: takes the octets to be signed; returns ECDSA P-256 with SHA-256 as DER.
/// - The same input and signature give the same bytes.
///
/// # Errors
/// [`IssueError`].
///
/// # Standard
/// RFC 3161 §2.4.2; RFC 5816 §2; RFC 5652 §5.
pub fn issue<E>(
    request: &TimeStampRequest,
    terms: &TokenTerms,
    signer: &TokenSigner<'_>,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Vec<u8>, IssueError<E>> {
    if request
        .policy
        .as_ref()
        .is_some_and(|asked| *asked != terms.policy)
    {
        return Err(IssueError::Policy);
    }
    let certificate = Certificate::parse(signer.certificate).map_err(IssueError::Certificate)?;
    let tst_info = tst_info(request, terms);
    let attributes = signed_attributes(&tst_info, &certificate);
    let signature = sign(&set_of(Tag::SET, attributes.clone())).map_err(IssueError::Sign)?;
    let signer_info = sequence(&[
        &der::integer(&[1]),
        &sequence(&[certificate.issuer, &tlv(Tag::INTEGER, certificate.serial)]),
        &HashAlgorithm::Sha256.to_der(),
        &set_of(Tag::context(0), attributes),
        &sequence(&[&ObjectIdentifier::ECDSA_SHA256.to_der()]),
        &octet_string(&signature),
    ]);
    let certificates = if request.certificates_wanted {
        let mut path = vec![signer.certificate];
        path.extend_from_slice(signer.issuers);
        set_of(Tag::context(0), path)
    } else {
        Vec::new()
    };
    let content = tlv(Tag::context(0), &octet_string(&tst_info));
    let signed_data = sequence(&[
        &der::integer(&[3]),
        &set_of(Tag::SET, vec![HashAlgorithm::Sha256.to_der()]),
        &sequence(&[&ObjectIdentifier::TST_INFO.to_der(), &content]),
        &certificates,
        &set_of(Tag::SET, vec![signer_info]),
    ]);
    let token = sequence(&[
        &ObjectIdentifier::SIGNED_DATA.to_der(),
        &tlv(Tag::context(0), &signed_data),
    ]);
    Ok(sequence(&[&sequence(&[&der::integer(&[0])]), &token]))
}

/// A response that refuses, with the reason and words for a person.
///
/// # Standard
/// RFC 3161 §2.4.2.
#[must_use]
pub fn reject(reason: FailInfo, words: &str) -> Vec<u8> {
    let text = sequence(&[&tlv(Tag::UTF8_STRING, words.as_bytes())]);
    sequence(&[&sequence(&[&der::integer(&[2]), &text, &reason.to_der()])])
}

fn tst_info(request: &TimeStampRequest, terms: &TokenTerms) -> Vec<u8> {
    let accuracy = terms.accuracy.map(Accuracy::to_der).unwrap_or_default();
    let nonce = request
        .nonce
        .as_ref()
        .map(|nonce| tlv(Tag::INTEGER, nonce.contents()))
        .unwrap_or_default();
    sequence(&[
        &der::integer(&[1]),
        &terms.policy.to_der(),
        &request.imprint.to_der(),
        &tlv(Tag::INTEGER, terms.serial.contents()),
        &der::generalized_time(terms.gen_time),
        &accuracy,
        &nonce,
    ])
}

fn signed_attributes(tst_info: &[u8], certificate: &Certificate<'_>) -> Vec<Vec<u8>> {
    let attribute = |id: ObjectIdentifier, value: Vec<u8>| {
        sequence(&[&id.to_der(), &set_of(Tag::SET, vec![value])])
    };
    let digest = octet_string(&HashAlgorithm::Sha256.digest(&[tst_info]));
    let directory_name = tlv(Tag::context(4), certificate.issuer);
    let issuer_serial = sequence(&[
        &sequence(&[&directory_name]),
        &tlv(Tag::INTEGER, certificate.serial),
    ]);
    // SHA-256 is the default hash of ESSCertIDv2, which DER leaves out.
    let certificate_hash = octet_string(&HashAlgorithm::Sha256.digest(&[certificate.raw]));
    let named = sequence(&[&sequence(&[&sequence(&[
        &certificate_hash,
        &issuer_serial,
    ])])]);
    vec![
        attribute(
            ObjectIdentifier::CONTENT_TYPE,
            ObjectIdentifier::TST_INFO.to_der(),
        ),
        attribute(ObjectIdentifier::MESSAGE_DIGEST, digest),
        attribute(ObjectIdentifier::SIGNING_CERTIFICATE_V2, named),
    ]
}
