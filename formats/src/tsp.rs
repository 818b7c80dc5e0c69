//! Time-stamps: requests, responses, tokens, the fifteen checks that give a token its value, and the issuing half of a
//! development authority.
//!
//! # What a token proves, and when
//! A token proves that its imprint existed at its time *if* all of [`Check`] hold. [`verify_response`] applies them to
//! a fresh answer and stops at the first that fails; [`audit_token`] applies them to a token at rest, at any later
//! time, and reports on each. A [`VerifiedToken`] cannot be made in any other way than by running them.
//!
//! # Kinds of attack that the checks answer
//! An answer replayed from an earlier request (5), a token for other bytes (4), an authority that lies about the time
//! (6), a second signer or attribute slipped in beside the right one (2, 7), a certificate swapped under a signature
//! that holds (8, 9), a key certified for something else (11), an expired or revoked unit (12, 13), a hash or
//! signature algorithm that has since been broken (14).
//!
//! Deliberately absent: HTTP, clocks, nonce generation, OCSP (revocation comes from lists), trusted-list XML.

mod algorithms;
mod check;
mod examine;
mod issue;
mod path;
mod request;
mod response;
mod token;
mod verify;

pub use algorithms::{Algorithm, AlgorithmPolicy, AlgorithmRule};
pub use check::{Check, CheckError, NotApplicable, Outcome};
pub use issue::{IssueError, TokenSigner, TokenTerms, issue, reject};
pub use path::{TrustAnchorError, TrustAnchors};
pub use request::{Nonce, NonceError, RequestError, TimeStampRequest};
pub use response::{FailInfo, PkiStatus, ResponseError, ResponseStatus, TimeStampResponse};
pub use token::{
    Accuracy, AccuracyError, ImprintField, MessageImprint, TimeStampToken, TokenError, TstInfo,
};
pub use verify::{
    AuditContext, AuditReport, CheckReport, IngestContext, IngestFailure, QualifiedService,
    QualifiedStatus, Trust, VerifiedToken, audit_token, verify_response,
};
