//! The audit: re-derives every claim from the bytes at rest and trusts nothing that the engine says.
//!
//! It imports `cartulaire-formats` alone: what wrote the archive and what judges it share the layout of the bytes and
//! nothing else, so that an error in the one cannot vouch for itself.
//!
//! - [`bundle::verify`] judges a proof bundle, for a court's expert with no more than the bundle and two public keys.
//! - [`site::audit`] judges a whole site, for an archivist on a machine of her own.
//!
//! Both return a [`Report`]: verdicts on [`Claim`]s, [`Finding`]s with their places, facts, and what is *not* proven.
//! Broken input is not an error: the audit goes on after every finding.
//!
//! Deliberately absent: any writing, any network, any clock (the caller says what time it is), any index.

pub mod bounds;
pub mod bundle;
mod finding;
mod record;
mod report;
pub mod site;
pub mod source;
mod token;
mod trust;

pub use finding::{Claim, Fault, Finding, Findings, Place, Severity};
pub use report::{
    ClaimVerdict, Counts, DepositFact, DocumentFact, Facts, Language, Limit, LogFact, Report, SCHEMA, Subject,
    TimeStampFact, Verdict,
};
pub use trust::Trust;
