//! A time-stamp authority that is honest until it is told to be down, slow of mind or a liar.

use std::convert::Infallible;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cartulaire_engine::attest::Authority;
use cartulaire_engine::ports::{AuthorityError, Clock, TimeStampAuthority};
use cartulaire_formats::tsp::{
    FailInfo, MessageImprint, Nonce, TimeStampRequest, TokenSigner, TokenTerms, TrustAnchors, issue, reject,
};
use cartulaire_formats::x509::{CertificateKind, DistinguishedName, NewCertificate, SerialNumber};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};

/// What an authority does wrong. None of its answers may ever be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthorityFault {
    /// No connection, or none in time.
    Down,
    /// HTTP 503.
    Busy,
    /// An answer without end.
    TooLong,
    /// A well-formed refusal.
    Rejection,
    /// Bytes that are no DER.
    Garbage,
    /// The first half of a sound answer.
    Truncated,
    /// A sound answer with one bit turned over in its signature.
    FlippedBit,
    /// A token for another request.
    WrongNonce,
    /// A token for other bytes.
    WrongImprint,
    /// A time to come, a day ahead.
    Future,
    /// A time gone by, a day ago: a token made beforehand.
    Past,
    /// A unit whose certificate has expired.
    Expired,
    /// A unit of the right name under another root.
    Stranger,
}

impl AuthorityFault {
    /// Every one of them.
    pub const ALL: [Self; 13] = [
        Self::Down,
        Self::Busy,
        Self::TooLong,
        Self::Rejection,
        Self::Garbage,
        Self::Truncated,
        Self::FlippedBit,
        Self::WrongNonce,
        Self::WrongImprint,
        Self::Future,
        Self::Past,
        Self::Expired,
        Self::Stranger,
    ];
}

const DAY_MILLIS: i64 = 24 * 3_600 * 1_000;

/// [`TimeStampAuthority`] with real keys, certificates and signatures, all from a fixed seed.
pub struct SimAuthority {
    name: String,
    clock: Arc<dyn Clock>,
    root: Vec<u8>,
    unit: Unit,
    expired: Unit,
    stranger: Unit,
    serial: AtomicU64,
    fault: Mutex<Option<AuthorityFault>>,
}

struct Unit {
    key: SigningKey,
    certificate: Vec<u8>,
}

impl SimAuthority {
    /// - `seed`: 1 to 60; the same seed gives the same keys.
    /// - `clock`: the true time.
    #[must_use]
    pub fn new(name: &str, seed: u8, clock: Arc<dyn Clock>) -> Self {
        let root_key = key(seed);
        let root = certificate(&root_key, None, "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z");
        let unit = |key_seed: u8, root: &SigningKey, until: &str| {
            let key = key(key_seed);
            let certificate = certificate(&key, Some(root), "2021-01-01T00:00:00Z", until);
            Unit { key, certificate }
        };
        Self {
            name: name.to_owned(),
            clock,
            unit: unit(seed + 60, &root_key, "2110-01-01T00:00:00Z"),
            expired: unit(seed + 120, &root_key, "2022-01-01T00:00:00Z"),
            stranger: unit(seed + 60, &key(seed + 180), "2110-01-01T00:00:00Z"),
            root,
            serial: AtomicU64::new(1),
            fault: Mutex::new(None),
        }
    }

    /// Goes wrong from now on, or is honest again (`None`).
    pub fn set_fault(&self, fault: Option<AuthorityFault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Its root's certificate, as DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        &self.root
    }

    /// The authority as an engine is told of it.
    #[must_use]
    pub fn configured(self: &Arc<Self>) -> Authority {
        let anchors = TrustAnchors::new([&self.root]).expect("a root of our own making");
        Authority { port: self.clone(), anchors: Arc::new(anchors), policies: Vec::new(), qualified: false }
    }

    fn answer(&self, request: &TimeStampRequest, unit: &Unit, ahead_millis: i64) -> Vec<u8> {
        let millis = self.clock.now().unix_millis() + ahead_millis;
        let serial = self.serial.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let terms = TokenTerms {
            policy: "1.3.6.1.4.1.99999.1".parse().expect("an identifier"),
            serial: SerialNumber::from_magnitude(&serial).expect("counted from one"),
            gen_time: jiff::Timestamp::from_millisecond(millis).expect("within the years of a clock"),
            accuracy: None,
        };
        let signer = TokenSigner { certificate: &unit.certificate, issuers: &[&self.root] };
        issue(request, &terms, &signer, sign(&unit.key)).expect("the request names no policy")
    }

    fn lie(&self, fault: AuthorityFault, request: &TimeStampRequest) -> Result<Vec<u8>, AuthorityError> {
        let honest = || self.answer(request, &self.unit, 0);
        Ok(match fault {
            AuthorityFault::Down => return Err(AuthorityError::Unreachable),
            AuthorityFault::Busy => return Err(AuthorityError::Status(503)),
            AuthorityFault::TooLong => return Err(AuthorityError::TooLong),
            AuthorityFault::Rejection => reject(FailInfo::SystemFailure, "not today"),
            AuthorityFault::Garbage => b"<html><body>It works!</body></html>".to_vec(),
            AuthorityFault::Truncated => {
                let mut answer = honest();
                answer.truncate(answer.len() / 2);
                answer
            }
            AuthorityFault::FlippedBit => {
                let mut answer = honest();
                *answer.last_mut().expect("an answer has bytes") ^= 1;
                answer
            }
            AuthorityFault::WrongNonce => {
                let nonce = NonZeroU64::new(0x0123_4567_89ab_cdef).expect("not zero");
                let other = TimeStampRequest::new(request.imprint, None, Nonce::new(nonce));
                self.answer(&other, &self.unit, 0)
            }
            AuthorityFault::WrongImprint => {
                let algorithm = request.imprint.algorithm();
                let digest = algorithm.digest(&[b"another document"]);
                let imprint = MessageImprint::new(algorithm, &digest).expect("a digest of that algorithm");
                let other = TimeStampRequest { imprint, ..request.clone() };
                self.answer(&other, &self.unit, 0)
            }
            AuthorityFault::Future => self.answer(request, &self.unit, DAY_MILLIS),
            AuthorityFault::Past => self.answer(request, &self.unit, -DAY_MILLIS),
            AuthorityFault::Expired => self.answer(request, &self.expired, 0),
            AuthorityFault::Stranger => self.answer(request, &self.stranger, 0),
        })
    }
}

impl TimeStampAuthority for SimAuthority {
    fn name(&self) -> &str {
        &self.name
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let Ok(request) = TimeStampRequest::parse(request) else {
            return Ok(reject(FailInfo::BadDataFormat, "not a request"));
        };
        let fault = *self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            None => Ok(self.answer(&request, &self.unit, 0)),
            Some(fault) => self.lie(fault, &request),
        }
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).expect("a scalar below the curve's order")
}

fn public(key: &SigningKey) -> [u8; 65] {
    key.verifying_key().to_sec1_point(false).as_bytes().try_into().expect("an uncompressed point")
}

/// Deterministic (RFC 6979): the same seed gives the same tokens.
fn sign(key: &SigningKey) -> impl Fn(&[u8]) -> Result<Vec<u8>, Infallible> {
    |message| {
        let signature: Signature = key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// A unit's certificate, or without an issuer a root's.
fn certificate(subject_key: &SigningKey, issuer: Option<&SigningKey>, from: &str, until: &str) -> Vec<u8> {
    let named = |name| DistinguishedName::new("FR", "Autorité simulée", name).expect("a short name");
    let issuer_key = issuer.unwrap_or(subject_key);
    let built = NewCertificate {
        // The root issues both: issuer and serial number name one certificate (RFC 5280 §4.1.2.2).
        serial: &SerialNumber::from_magnitude(&[if issuer.is_some() { 7 } else { 1 }]).expect("positive"),
        issuer: &named("Racine"),
        issuer_key: &public(issuer_key),
        subject: &named(if issuer.is_some() { "Horodatage" } else { "Racine" }),
        public_key: &public(subject_key),
        not_before: from.parse().expect("an instant"),
        not_after: until.parse().expect("an instant"),
        kind: if issuer.is_some() { CertificateKind::TimeStampingUnit } else { CertificateKind::Root },
    }
    .build(sign(issuer_key));
    built.expect("the key always signs")
}
