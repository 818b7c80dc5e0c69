//! The two ways to run the checks: at ingest, stopping at the first failure; at audit, reporting on all.

use jiff::{SignedDuration, Timestamp};

use super::examine::{Examination, TimeRule};
use super::{
    AlgorithmPolicy, Check, CheckError, MessageImprint, NotApplicable, Outcome, TimeStampRequest,
    TimeStampResponse, TimeStampToken, TokenError, TrustAnchors,
};
use crate::cms::SignedData;
use crate::der::{ObjectIdentifier, normalise_token};
use crate::hash::Sha256Digest;

/// What the verifier trusts and has at hand, whatever the token.
#[derive(Debug, Clone, Copy)]
pub struct Trust<'a> {
    /// Roots.
    pub anchors: &'a TrustAnchors,
    /// Certificates beside those in the token, as DER.
    pub certificates: &'a [Vec<u8>],
    /// Revocation lists beside those in the token, as DER.
    pub revocation_lists: &'a [Vec<u8>],
    /// Policies accepted; `None` accepts any, for records that others made.
    pub policies: Option<&'a [ObjectIdentifier]>,
    /// Algorithms accepted, over time.
    pub algorithms: &'a AlgorithmPolicy,
    /// Qualified services of the national trusted lists, if they are at hand.
    pub trusted_list: Option<&'a [QualifiedService]>,
}

/// A qualified time-stamping service (`…/Svctype/TSA/QTST`) of a trusted list and when it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualifiedService {
    /// SHA-256 of the certificate that identifies the service: the unit's own or its issuer's.
    pub certificate: Sha256Digest,
    /// First instant of the status `granted`.
    pub granted_from: Timestamp,
    /// First instant at which it is no longer granted.
    pub withdrawn_at: Option<Timestamp>,
}

/// Whether the token is a qualified one in the sense of eIDAS, article 42.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QualifiedStatus {
    /// The service was granted at the token's time.
    Qualified,
    /// It was not.
    NotQualified,
    /// Nobody can say: no trusted list was given, or no path was found.
    Unknown,
}

/// What is known about a fresh answer.
#[derive(Debug, Clone, Copy)]
pub struct IngestContext<'a> {
    /// Trust.
    pub trust: Trust<'a>,
    /// The request that was sent.
    pub request: &'a TimeStampRequest,
    /// Local time when it was sent.
    pub sent_at: Timestamp,
    /// Local time when the answer came.
    pub received_at: Timestamp,
    /// How far the token's time may be from `received_at`, beside its own accuracy.
    pub window: SignedDuration,
    /// How far the local clock may be ahead.
    pub clock_tolerance: SignedDuration,
}

/// What is known about a token at rest.
#[derive(Debug, Clone, Copy)]
pub struct AuditContext<'a> {
    /// Trust.
    pub trust: Trust<'a>,
    /// The digest that it must stamp.
    pub imprint: MessageImprint,
    /// A time at which the token is otherwise known to have existed: of the time-stamp that renews it, or now.
    ///
    /// Path and algorithms are judged at this time too, and a later revocation of any reason leaves the token whole.
    /// `None` judges at the token's own time only, as `openssl ts -verify -attime` with that time does.
    pub known_at: Option<Timestamp>,
}

/// A token on which all checks ran and none of 1 to 14 failed.
///
/// Qualification (15) is a quality, not a condition: ask [`VerifiedToken::qualified`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedToken {
    token: TimeStampToken,
    path: Vec<Vec<u8>>,
    qualified: QualifiedStatus,
    not_applicable: Vec<(Check, NotApplicable)>,
}

impl VerifiedToken {
    /// The token, in strict DER if it came from [`verify_response`].
    #[must_use]
    pub fn token(&self) -> &TimeStampToken {
        &self.token
    }

    /// The time that it proves.
    #[must_use]
    pub fn gen_time(&self) -> Timestamp {
        self.token.tst_info().gen_time
    }

    /// The certificates of the path as DER, the signer's first and the anchor's last.
    #[must_use]
    pub fn path(&self) -> &[Vec<u8>] {
        &self.path
    }

    /// Whether it is a qualified time-stamp.
    #[must_use]
    pub fn qualified(&self) -> QualifiedStatus {
        self.qualified
    }

    /// The checks that were not made, and why: say them wherever the token is shown.
    #[must_use]
    pub fn not_applicable(&self) -> &[(Check, NotApplicable)] {
        &self.not_applicable
    }
}

/// The first check that a fresh answer fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("check {}, {}: {error}", check.number(), check.name())]
pub struct IngestFailure {
    /// Which.
    pub check: Check,
    /// The rule broken.
    #[source]
    pub error: CheckError,
}

/// The result of one check in an audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckReport {
    /// Which.
    pub check: Check,
    /// Its result.
    pub outcome: Outcome,
}

/// All fifteen results, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditReport {
    checks: Vec<CheckReport>,
    verified: Option<VerifiedToken>,
}

impl AuditReport {
    /// Every check, in order.
    #[must_use]
    pub fn checks(&self) -> &[CheckReport] {
        &self.checks
    }

    /// The result of one check.
    #[must_use]
    pub fn outcome(&self, check: Check) -> &Outcome {
        // `checks` holds all of `Check::ALL` in order.
        &self.checks[usize::from(check.number()) - 1].outcome
    }

    /// The token, if none of checks 1 to 14 failed.
    #[must_use]
    pub fn verified(&self) -> Option<&VerifiedToken> {
        self.verified.as_ref()
    }

    /// The checks that failed, with their rules.
    pub fn failures(&self) -> impl Iterator<Item = (Check, &CheckError)> {
        self.checks
            .iter()
            .filter_map(|report| match &report.outcome {
                Outcome::Failed(error) => Some((report.check, error)),
                _ => None,
            })
    }
}

/// Takes an authority's answer: normalises its token to strict DER and applies every check.
///
/// - `response`: the body of type `application/timestamp-reply`.
/// - Returns the token as it shall be stored; from then on its bytes are never encoded again.
///
/// # Errors
/// [`IngestFailure`]: the first check that fails. Nothing of the answer may be used.
///
/// # Standard
/// RFC 3161 §2.2 and §2.4.2; RFC 5816 §2.2.1.
pub fn verify_response(
    response: &[u8],
    context: &IngestContext<'_>,
) -> Result<VerifiedToken, IngestFailure> {
    let fail = |check: Check| move |error: CheckError| IngestFailure { check, error };
    let granted = granted_token(response).map_err(fail(Check::Granted))?;
    let token = normalise_token(granted).map_err(|e| fail(Check::Structure)(e.into()))?;
    let token = TimeStampToken::parse(&token).map_err(|e| fail(Check::Structure)(e.into()))?;
    let request = context.request;
    let time_rule = TimeRule::Fresh {
        sent: context.sent_at,
        received: context.received_at,
        window: context.window,
        clock_tolerance: context.clock_tolerance,
    };
    let mut examination = examination(
        &token,
        &context.trust,
        request.imprint,
        time_rule,
        context.received_at,
    )
    .map_err(|e| fail(Check::Structure)(e.into()))?;
    examination.nonce = request.nonce.as_ref();
    examination.policy_asked = request.policy.as_ref();

    let mut not_applicable = Vec::new();
    let mut qualified = QualifiedStatus::Qualified;
    for check in Check::ALL.into_iter().skip(1) {
        match examination.make(check) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => {
                not_applicable.push((check, reason));
                if check == Check::Qualified {
                    qualified = QualifiedStatus::Unknown;
                }
            }
            Err(_) if check == Check::Qualified => qualified = QualifiedStatus::NotQualified,
            Err(error) => return Err(IngestFailure { check, error }),
        }
    }
    let path = examination.path.take().unwrap_or_default();
    Ok(VerifiedToken {
        token,
        path,
        qualified,
        not_applicable,
    })
}

fn granted_token(response: &[u8]) -> Result<&[u8], CheckError> {
    let response = TimeStampResponse::parse(response)?;
    if !response.status.is_granted() {
        return Err(CheckError::NotGranted {
            status: response.status.status,
        });
    }
    response.token.ok_or(CheckError::TokenAbsent)
}

/// Applies every check to a token at rest and reports on each.
///
/// # Standard
/// RFC 3161 §2.4.2; RFC 4998 §4.3 and §5.3 (validity at the time of the next time-stamp).
#[must_use]
pub fn audit_token(token: &[u8], context: &AuditContext<'_>) -> AuditReport {
    let token = match TimeStampToken::parse(token) {
        Ok(token) => token,
        Err(error) => return unreadable(error),
    };
    let known_at = context.known_at.unwrap_or(token.tst_info().gen_time);
    let time_rule = TimeRule::AtRest { known_at };
    let mut examination =
        match examination(&token, &context.trust, context.imprint, time_rule, known_at) {
            Ok(examination) => examination,
            Err(error) => return unreadable(error),
        };
    let checks: Vec<CheckReport> = Check::ALL
        .into_iter()
        .map(|check| {
            let outcome = match examination.make(check) {
                Ok(Ok(())) => Outcome::Passed,
                Ok(Err(reason)) => Outcome::NotApplicable(reason),
                Err(error) => Outcome::Failed(error),
            };
            CheckReport { check, outcome }
        })
        .collect();
    let path = examination.path.take();
    let verified = verified(token, path, &checks);
    AuditReport { checks, verified }
}

fn verified(
    token: TimeStampToken,
    path: Option<Vec<Vec<u8>>>,
    checks: &[CheckReport],
) -> Option<VerifiedToken> {
    let mut not_applicable = Vec::new();
    let mut qualified = QualifiedStatus::Unknown;
    for CheckReport { check, outcome } in checks {
        match (check, outcome) {
            (Check::Qualified, Outcome::Passed) => qualified = QualifiedStatus::Qualified,
            (Check::Qualified, Outcome::Failed(_)) => qualified = QualifiedStatus::NotQualified,
            (_, Outcome::Failed(_)) => return None,
            (check, Outcome::NotApplicable(reason)) => not_applicable.push((*check, *reason)),
            (_, Outcome::Passed) => {}
        }
    }
    Some(VerifiedToken {
        token,
        path: path?,
        qualified,
        not_applicable,
    })
}

fn examination<'a>(
    token: &'a TimeStampToken,
    trust: &'a Trust<'a>,
    imprint: MessageImprint,
    time_rule: TimeRule,
    known_at: Timestamp,
) -> Result<Examination<'a>, TokenError> {
    Ok(Examination {
        trust,
        tst_info: token.tst_info(),
        signed_data: SignedData::parse(token.as_bytes())?,
        imprint,
        nonce: None,
        policy_asked: None,
        time_rule,
        known_at,
        path: None,
    })
}

fn unreadable(error: TokenError) -> AuditReport {
    let report = |check| {
        let outcome = match check {
            Check::Granted => Outcome::NotApplicable(NotApplicable::NoResponse),
            Check::Structure => Outcome::Failed(error.into()),
            _ => Outcome::NotApplicable(NotApplicable::DependsOn(Check::Structure)),
        };
        CheckReport { check, outcome }
    };
    AuditReport {
        checks: Check::ALL.into_iter().map(report).collect(),
        verified: None,
    }
}
