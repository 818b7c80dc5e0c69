//! Time-stamp tokens: the fifteen checks at the token's own time, and again at the time of the audit.

use cartulaire_formats::der::{Reader, Tag};
use cartulaire_formats::tsp::{
    AuditContext, AuditReport, Check, CheckError, MessageImprint, Outcome, TimeStampToken, Trust as TokenTrust,
    TrustAnchors, audit_token,
};
use cartulaire_formats::x509::Certificate;
use jiff::Timestamp;

use crate::finding::{Fault, Findings, Place};
use crate::report::TimeStampFact;
use crate::trust::Trust;

/// A token that stamps what it should, by a path to a root or, where none was given, by an unauthenticated key.
#[derive(Debug, Clone)]
pub(crate) struct Stamp {
    pub gen_time: Timestamp,
    pub fact: TimeStampFact,
    /// Whether revocation lists younger than the token spare its whole path.
    pub revocation_settled: bool,
}

/// Verifies a token over `imprint`; what fails becomes a finding at `place`.
pub(crate) fn verify(
    bytes: &[u8],
    imprint: MessageImprint,
    trust: &Trust,
    place: &Place,
    findings: &mut Findings,
) -> Option<Stamp> {
    let nobody = TrustAnchors::default();
    let context = |known_at| AuditContext { trust: token_trust(trust, &nobody), imprint, known_at };
    let then = audit_token(bytes, &context(None));
    if failures(&then, trust, Fault::TokenCheck, place, findings) {
        return None;
    }
    let now = audit_token(bytes, &context(Some(trust.now)));
    failures(&now, trust, Fault::TokenAged, place, findings);
    if matches!(now.outcome(Check::Time), Outcome::Failed(_)) {
        return None;
    }
    if trust.anchors.is_none() {
        findings.add_once(Fault::TrustNotGiven, place.clone());
    }
    let token = TimeStampToken::parse(bytes).ok()?;
    let gen_time = token.tst_info().gen_time;
    let fact = TimeStampFact {
        token: place.object.clone(),
        time: gen_time.to_string(),
        authority: signer_name(&then, &token),
        trusted: then.verified().is_some(),
    };
    let revocation_settled = *then.outcome(Check::Revocation) == Outcome::Passed;
    Some(Stamp { gen_time, fact, revocation_settled })
}

fn token_trust<'a>(trust: &'a Trust, nobody: &'a TrustAnchors) -> TokenTrust<'a> {
    TokenTrust {
        anchors: trust.anchors.as_ref().unwrap_or(nobody),
        certificates: &[],
        revocation_lists: &trust.revocation_lists,
        policies: None,
        algorithms: &trust.algorithms,
        trusted_list: None,
    }
}

/// Reports what fails; without roots, that no path leads to one is the reservation that the caller makes.
fn failures(report: &AuditReport, trust: &Trust, fault: Fault, place: &Place, findings: &mut Findings) -> bool {
    let mut failed = false;
    for (check, error) in report.failures() {
        if check == Check::Qualified || (trust.anchors.is_none() && *error == CheckError::NoPath) {
            continue;
        }
        let place = Place { member: Some(check.name().to_owned()), ..place.clone() };
        // A token from the future did not age: its authority lies.
        let fault = if check == Check::Time { Fault::TokenCheck } else { fault };
        findings.explain(fault, place, error);
        failed = true;
    }
    failed
}

/// The name in the signer's certificate: of the verified path, else of the first certificate in the token.
fn signer_name(report: &AuditReport, token: &TimeStampToken) -> String {
    let certificates = token.certificates().unwrap_or_default();
    let of_path = report.verified().and_then(|verified| verified.path().first()).map(Vec::as_slice);
    let der = of_path.or_else(|| certificates.into_iter().find(|c| is_end_entity(c)));
    der.and_then(|der| Certificate::parse(der).ok()).map(|c| distinguished_name(c.subject)).unwrap_or_default()
}

fn is_end_entity(der: &[u8]) -> bool {
    Certificate::parse(der).is_ok_and(|certificate| certificate.is_authority() == Ok(false))
}

/// 2.5.4.3, common name.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// 2.5.4.10, organization.
const ORGANIZATION: &[u8] = &[0x55, 4, 10];

/// Common name and organization of a distinguished name, for people; `""` where it has none that is text.
fn distinguished_name(name: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut collect = || -> Option<()> {
        let mut sets = Reader::single(name, Tag::SEQUENCE).ok()?.reader();
        while !sets.is_empty() {
            let mut set = sets.expect(Tag::SET).ok()?.reader();
            let mut attribute = set.sequence().ok()?;
            let kind = attribute.expect(Tag::OBJECT_IDENTIFIER).ok()?;
            let value = attribute.read().ok()?;
            if [COMMON_NAME, ORGANIZATION].contains(&kind.contents) {
                parts.push(value.text().ok()?.to_owned());
            }
        }
        Some(())
    };
    collect();
    parts.reverse();
    parts.join(", ")
}
