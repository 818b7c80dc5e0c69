//! What the verifier brings along: nothing of it comes from what is examined.

use cartulaire_formats::note::VerifierKey;
use cartulaire_formats::tsp::{AlgorithmPolicy, TrustAnchors};
use jiff::Timestamp;

/// What the verifier trusts and knows.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Roots of time-stamp authorities; `None` leaves every token unauthenticated, which is a reservation.
    pub anchors: Option<TrustAnchors>,
    /// The log's key; `None` takes the one found, which is a reservation.
    pub log_key: Option<VerifierKey>,
    /// Revocation lists, as DER.
    pub revocation_lists: Vec<Vec<u8>>,
    /// Algorithms accepted, over time.
    pub algorithms: AlgorithmPolicy,
    /// The time of the audit.
    pub now: Timestamp,
}

impl Trust {
    /// Trusts nobody yet, at a time.
    #[must_use]
    pub fn none(now: Timestamp) -> Self {
        Self {
            anchors: None,
            log_key: None,
            revocation_lists: Vec::new(),
            algorithms: AlgorithmPolicy::ets_119_312(),
            now,
        }
    }
}
