//! Checks 12 and 13: the certification path, and what revocation lists say of it.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, KeyUsage as PathPurpose, anchor_from_trusted_cert};

use super::{CheckError, NotApplicable};
use crate::der::ObjectIdentifier;
use crate::x509::{Certificate, KeyUsage, PATH_ALGORITHMS, PublicKey, RevocationList, X509Error};

/// Roots that the verifier trusts, obtained from elsewhere than the evidence itself.
#[derive(Debug, Clone, Default)]
pub struct TrustAnchors {
    certificates: Vec<CertificateDer<'static>>,
}

/// A certificate that cannot be a trust anchor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustAnchorError {
    /// It cannot be read.
    #[error(transparent)]
    Certificate(#[from] X509Error),
    /// The path builder does not take it.
    #[error("not a trust anchor: {0}")]
    Anchor(webpki::Error),
}

impl TrustAnchors {
    /// Takes certificates as DER.
    ///
    /// # Errors
    /// [`TrustAnchorError`] for the first that cannot be one.
    pub fn new<C: AsRef<[u8]>>(certificates: impl IntoIterator<Item = C>) -> Result<Self, TrustAnchorError> {
        let mut taken = Vec::new();
        for certificate in certificates {
            let certificate = CertificateDer::from(certificate.as_ref().to_vec());
            Certificate::parse(&certificate)?;
            anchor_from_trusted_cert(&certificate).map_err(TrustAnchorError::Anchor)?;
            taken.push(certificate);
        }
        Ok(Self { certificates: taken })
    }

    fn anchors(&self) -> Vec<TrustAnchor<'_>> {
        self.certificates.iter().filter_map(|certificate| anchor_from_trusted_cert(certificate).ok()).collect()
    }
}

/// Finds a path from `signer` over `intermediates` to an anchor, all valid at `at`.
///
/// Returns the certificates of the path as DER, the signer's first and the anchor's last.
pub(super) fn find_path(
    signer: &[u8],
    intermediates: &[&[u8]],
    anchors: &TrustAnchors,
    at: Timestamp,
) -> Result<Vec<Vec<u8>>, CheckError> {
    let time = u64::try_from(at.as_second()).map_err(|_| CheckError::NotYetValid { at })?;
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time));
    let signer_der = CertificateDer::from(signer);
    let end_entity = EndEntityCert::try_from(&signer_der).map_err(CheckError::PathInvalid)?;
    let intermediates: Vec<CertificateDer<'_>> =
        intermediates.iter().map(|certificate| CertificateDer::from(*certificate)).collect();
    let trusted = anchors.anchors();
    // Issuers may leave the purpose out; the signer's own was demanded by check 11.
    let purpose = PathPurpose::required_if_present(TIME_STAMPING);
    let path = end_entity
        .verify_for_usage(PATH_ALGORITHMS, &trusted, &intermediates, time, purpose, None, None)
        .map_err(|error| path_error(error, at))?;
    let mut certificates = vec![signer.to_vec()];
    certificates.extend(path.intermediate_certificates().map(|certificate| certificate.der().to_vec()));
    let anchor = trusted.iter().position(|candidate| std::ptr::eq(candidate, path.anchor()));
    let anchor = anchor.and_then(|index| anchors.certificates.get(index)).ok_or(CheckError::NoPath)?;
    certificates.push(anchor.to_vec());
    Ok(certificates)
}

/// id-kp-timeStamping, contents octets.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

fn path_error(error: webpki::Error, at: Timestamp) -> CheckError {
    match error {
        webpki::Error::CertExpired { .. } => CheckError::Expired { at },
        webpki::Error::CertNotValidYet { .. } => CheckError::NotYetValid { at },
        webpki::Error::UnknownIssuer => CheckError::NoPath,
        other => CheckError::PathInvalid(other),
    }
}

/// What the lists at hand say of a whole path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Lists made at or after the token's time spare every certificate.
    Settled,
    /// Something is missing.
    Open(NotApplicable),
}

/// Asks the lists about every certificate of `path` below the anchor.
///
/// - `gen_time`: the token's time.
/// - `known_at`: a time at which the token is otherwise known to have existed.
pub(super) fn standing(
    path: &[Vec<u8>],
    lists: &[&[u8]],
    gen_time: Timestamp,
    known_at: Timestamp,
) -> Result<Standing, CheckError> {
    let lists = lists.iter().map(|list| RevocationList::parse(list)).collect::<Result<Vec<_>, _>>();
    let lists = lists.map_err(CheckError::RevocationList)?;
    let mut standing = Standing::Settled;
    for pair in path.windows(2) {
        let subject = Certificate::parse(&pair[0]).map_err(CheckError::Certificate)?;
        let issuer = Certificate::parse(&pair[1]).map_err(CheckError::Certificate)?;
        match standing_of(&subject, &issuer, &lists, gen_time, known_at)? {
            Standing::Settled => {}
            // A missing list weighs more than an early one.
            Standing::Open(NotApplicable::NoRevocationData) => {
                standing = Standing::Open(NotApplicable::NoRevocationData);
            }
            open if standing == Standing::Settled => standing = open,
            Standing::Open(_) => {}
        }
    }
    Ok(standing)
}

fn standing_of(
    subject: &Certificate<'_>,
    issuer: &Certificate<'_>,
    lists: &[RevocationList<'_>],
    gen_time: Timestamp,
    known_at: Timestamp,
) -> Result<Standing, CheckError> {
    let is_authority = subject.is_authority().map_err(|e| CheckError::Certificate(e.into()))?;
    let mut latest: Option<Timestamp> = None;
    let mut bad_signature = None;
    for list in lists.iter().filter(|list| list.issuer == issuer.subject && list.covers(is_authority)) {
        if list.next_update.is_some_and(|next| next < gen_time) {
            continue;
        }
        if let Err(error) = verify_list(list, issuer)? {
            bad_signature = Some(error);
            continue;
        }
        if let Some(revocation) = list.revocation_of(subject.serial).map_err(CheckError::RevocationList)? {
            let spared = revocation.reason.is_some_and(|reason| reason.spares_earlier_tokens());
            let earlier = if spared { gen_time.min(known_at) } else { known_at };
            if earlier >= revocation.at {
                return Err(CheckError::Revoked { at: revocation.at, reason: revocation.reason });
            }
        }
        latest = latest.max(Some(list.this_update));
    }
    match (latest, bad_signature) {
        (Some(latest), _) if latest >= gen_time => Ok(Standing::Settled),
        (Some(_), _) => Ok(Standing::Open(NotApplicable::RevocationDataTooEarly)),
        (None, Some(error)) => Err(CheckError::RevocationListSignature(error)),
        (None, None) => Ok(Standing::Open(NotApplicable::NoRevocationData)),
    }
}

/// Checks a list's signature, and that its issuer may sign lists at all.
fn verify_list(
    list: &RevocationList<'_>,
    issuer: &Certificate<'_>,
) -> Result<Result<(), crate::x509::SignatureError>, CheckError> {
    let usage = issuer.key_usage().map_err(|e| CheckError::Certificate(e.into()))?;
    if usage.is_some_and(|KeyUsage(bits)| bits & KeyUsage::CRL_SIGN == 0) {
        return Ok(Err(crate::x509::SignatureError::KeyMismatch));
    }
    let key = PublicKey::parse(issuer.public_key_info).map_err(CheckError::Signature)?;
    Ok(list.verify(&key))
}

/// Check 11: what the signer's certificate is for.
pub(super) fn check_purpose(certificate: &Certificate<'_>) -> Result<(), CheckError> {
    let malformed = |error: crate::der::DerError| CheckError::Certificate(error.into());
    let usage = certificate.extended_key_usage().map_err(malformed)?;
    let (critical, purposes) = usage.ok_or(CheckError::ExtendedKeyUsageAbsent)?;
    if !purposes.contains(&ObjectIdentifier::TIME_STAMPING) {
        return Err(CheckError::NotForTimeStamping);
    }
    if purposes.len() != 1 {
        return Err(CheckError::ExtendedKeyUsageNotExclusive { found: purposes.len() });
    }
    if !critical {
        return Err(CheckError::ExtendedKeyUsageNotCritical);
    }
    let signatures = KeyUsage::DIGITAL_SIGNATURE | KeyUsage::NON_REPUDIATION;
    let usage = certificate.key_usage().map_err(malformed)?;
    let foreign = usage.filter(|KeyUsage(bits)| bits & signatures == 0 || bits & !signatures != 0);
    if let Some(KeyUsage(bits)) = foreign {
        return Err(CheckError::KeyUsage { bits });
    }
    if certificate.is_authority().map_err(malformed)? { Err(CheckError::IsAuthority) } else { Ok(()) }
}
