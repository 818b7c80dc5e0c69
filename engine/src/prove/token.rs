//! A time-stamp token as proofs show it.

use bytes::Bytes;
use cartulaire_formats::bundle::DEVELOPMENT_POLICY;
use cartulaire_formats::der::{Reader, Tag, Tlv};
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::time::Timestamp;
use cartulaire_formats::tsp::{
    AlgorithmPolicy, AuditContext, Check, MessageImprint, Outcome, TimeStampToken, Trust, TrustAnchors, audit_token,
};
use cartulaire_formats::x509::Certificate;

use crate::fault::DamageKind;

/// What this service can say of an authority's standing. None of it makes a qualified time-stamp: only the European
/// trusted list does, and the reader looks it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The embedded development authority: not qualified, and worth nothing to a third party.
    Development,
    /// An outside authority of which nothing is said.
    Unestablished,
    /// An outside authority that the operator declared qualified when the token was obtained.
    DeclaredQualified,
}

/// A token over an evidence root, as at rest: its imprint and its own signature were checked, its root was not.
#[derive(Debug, Clone)]
pub struct StampedToken {
    bytes: Bytes,
    gen_time: Timestamp,
    policy: String,
    authority: String,
    certificates: Vec<Vec<u8>>,
    standing: Standing,
}

/// The checks that a token at rest passes whatever root its reader trusts.
const OWN_CHECKS: [Check; 6] = [
    Check::Structure,
    Check::Imprint,
    Check::SignedAttributes,
    Check::SigningCertificate,
    Check::SignerIdentifier,
    Check::Signature,
];

impl StampedToken {
    /// - `declared_qualified`: what the journal says that the operator declared.
    pub(super) fn check(bytes: &[u8], imprint: MessageImprint, declared_qualified: bool) -> Result<Self, DamageKind> {
        let token = TimeStampToken::parse(bytes).map_err(|_| DamageKind::Malformed)?;
        let certificates = token.certificates().map_err(|_| DamageKind::Malformed)?;
        let certificates: Vec<Vec<u8>> = certificates.into_iter().map(<[u8]>::to_vec).collect();
        // Which roots to trust is the reader's to say; here the token only has to hold together.
        let anchors = TrustAnchors::new(&certificates).map_err(|_| DamageKind::Malformed)?;
        let trust = Trust {
            anchors: &anchors,
            certificates: &[],
            revocation_lists: &[],
            policies: None,
            algorithms: &AlgorithmPolicy::ets_119_312(),
            trusted_list: None,
        };
        let report = audit_token(bytes, &AuditContext { trust, imprint, known_at: None });
        if OWN_CHECKS.iter().any(|check| matches!(report.outcome(*check), Outcome::Failed(_))) {
            return Err(DamageKind::Token);
        }
        let info = token.tst_info();
        Ok(Self {
            gen_time: Timestamp::from_unix_millis(info.gen_time.as_millisecond()).map_err(|_| DamageKind::Malformed)?,
            standing: standing(&info.policy.to_string(), declared_qualified),
            policy: info.policy.to_string(),
            authority: authority(&certificates),
            bytes: Bytes::copy_from_slice(bytes),
            certificates,
        })
    }

    /// The token's bytes: a CMS ContentInfo in strict DER.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The time that it proves, in whole milliseconds.
    #[must_use]
    pub fn gen_time(&self) -> Timestamp {
        self.gen_time
    }

    /// The authority's policy, dotted.
    #[must_use]
    pub fn policy(&self) -> &str {
        &self.policy
    }

    /// Common name and organisation of the certificate that signed, as it says of itself.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What this service can say of the authority's standing.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The certificates that the token carries, as DER, in its order.
    #[must_use]
    pub fn certificates(&self) -> &[Vec<u8>] {
        &self.certificates
    }

    /// SHA-256 of the root certificate that the token carries: what a reader compares with the authority's own list.
    #[must_use]
    pub fn root(&self) -> Option<Sha256Digest> {
        let is_root = |der: &&Vec<u8>| Certificate::parse(der).is_ok_and(|c| c.subject == c.issuer);
        self.certificates.iter().find(is_root).map(|der| Sha256Digest::of(der))
    }
}

/// The development authority is known by its policy, whatever anybody declares of it.
fn standing(policy: &str, declared_qualified: bool) -> Standing {
    match (policy == DEVELOPMENT_POLICY, declared_qualified) {
        (true, _) => Standing::Development,
        (false, false) => Standing::Unestablished,
        (false, true) => Standing::DeclaredQualified,
    }
}

/// The name in the certificate that is nobody's issuer here: the signer's.
fn authority(certificates: &[Vec<u8>]) -> String {
    let parsed: Vec<Certificate<'_>> = certificates.iter().filter_map(|der| Certificate::parse(der).ok()).collect();
    let issues = |name: &[u8]| parsed.iter().any(|other| other.issuer == name);
    let signer = parsed.iter().find(|c| !issues(c.subject)).or_else(|| parsed.first());
    signer.map_or_else(String::new, |c| name_text(c.subject))
}

/// id-at-commonName and id-at-organizationName (X.520), the parts of a name that a person reads.
const NAME_PARTS: [&[u8]; 2] = [&[0x55, 4, 3], &[0x55, 4, 10]];

/// `CN, O` of a name; whatever is not UTF-8 or ASCII is left out.
fn name_text(name: &[u8]) -> String {
    let parts = NAME_PARTS.iter().filter_map(|id| name_part(name, id));
    let line = parts.collect::<Vec<_>>().join(", ");
    line.chars().filter(|c| !c.is_control()).collect()
}

fn name_part(name: &[u8], id: &[u8]) -> Option<String> {
    let mut sets = Reader::single(name, Tag::SEQUENCE).ok()?.reader();
    while let Ok(set) = sets.read() {
        let mut pairs = set.reader();
        while let Ok(pair) = pairs.read() {
            let mut fields = pair.reader();
            let (key, value): (Tlv<'_>, Tlv<'_>) = (fields.read().ok()?, fields.read().ok()?);
            if key.contents == id {
                return std::str::from_utf8(value.contents).ok().map(str::to_owned);
            }
        }
    }
    None
}
