//! Journal entries: one line of canonical JSON each, the leaves of the Merkle log (`docs/format.md` §4).
//!
//! An entry holds no personal data and no raw digest of a deposited object, only [`Commitment`]s; it can therefore be
//! kept for ever and shown to anybody.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::bounds::{ENTRY_BYTES_MAX, TENANT_ID_CHARS_MAX};
use crate::hash::Commitment;
use crate::jcs;
use crate::layout::SequenceNumber;
use crate::merkle::{self, LeafHash};
use crate::time::Timestamp;

/// The version that this code writes.
pub const VERSION: u32 = 1;

/// One public entity's closed space: 1 to 32 characters of `a-z`, `0-9`, `-`, not starting with `-`.
#[doc(alias = "service versant")]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

/// The text is not a tenant's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a tenant identifier has 1 to 32 characters of a-z, 0-9 and '-', and does not start with '-'")]
pub struct NotATenantId;

impl TenantId {
    /// The tenant whose journal records what the service itself does.
    #[must_use]
    pub fn service() -> Self {
        Self("service".into())
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the service's own journal, where nobody deposits.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.0 == "service"
    }
}

impl FromStr for TenantId {
    type Err = NotATenantId;

    fn from_str(text: &str) -> Result<Self, NotATenantId> {
        let plain = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
        let sound =
            (1..=TENANT_ID_CHARS_MAX).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain);
        sound.then(|| Self(text.to_owned())).ok_or(NotATenantId)
    }
}

impl TryFrom<String> for TenantId {
    type Error = NotATenantId;

    fn try_from(text: String) -> Result<Self, NotATenantId> {
        text.parse()
    }
}

impl From<TenantId> for String {
    fn from(id: TenantId) -> Self {
        id.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventType {
    /// The archive was made: entry 0 of every journal.
    ServiceCreated,
    /// A process opened the archive for writing.
    ServiceStarted,
    /// The clock stepped by more than the tolerance.
    ClockAnomaly,
    /// A tenant was created.
    TenantCreated,
    /// An API key was created.
    KeyCreated,
    /// An API key was revoked.
    KeyRevoked,
    /// A known key asked for what its roles do not allow.
    AccessDenied,
    /// A time-stamp token was obtained over a seal's evidence root.
    SealAttested,
    /// An authority refused, failed or answered something unverifiable.
    AttestFailed,
    /// An archive was deposited (versement).
    Deposit,
    /// A deposit was refused.
    DepositRejected,
    /// An object's content was read.
    Read,
    /// An archive's technical metadata were read.
    MetadataRead,
    /// An archive's integrity was checked on demand.
    Check,
    /// The journal was read.
    JournalRead,
    /// Archives were listed.
    List,
    /// Archives were counted.
    Count,
    /// A receipt was issued again.
    ReceiptIssued,
    /// A proof was issued.
    ProofIssued,
    /// A proof bundle was issued.
    BundleIssued,
    /// A destruction was asked for and refused.
    DestroyRefused,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As asked.
    Success,
    /// Refused by a rule; nothing changed.
    Refused,
    /// Attempted and failed.
    Failure,
}

/// One event of an archive's or the service's life.
///
/// The order of the fields is the order of their names, so that serialising yields canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// Who did it: `key:<id>`, `service`, or `operator` at the command line.
    pub agent: String,
    /// The objects concerned; of a deposit, its descriptor first, then its files in order.
    pub commitments: Vec<Commitment>,
    /// Facts without personal data, by name.
    pub facts: BTreeMap<String, String>,
    /// How it ended.
    pub outcome: Outcome,
    /// Leaf hash of the same tenant's previous entry: the tenant's own chain.
    pub prev: Option<LeafHash>,
    /// Place in the journal, and index in the Merkle log.
    pub seq: SequenceNumber,
    /// What it is about: `archive:<id>`, `key:<id>`, `tenant:<id>`, `seal:<n>` or `journal`.
    pub subject: String,
    /// Whose journal it is in.
    pub tenant: TenantId,
    /// When, by the service's clock, never before the previous entry's.
    pub time: Timestamp,
    /// What happened.
    #[serde(rename = "type")]
    pub event: EventType,
    /// [`VERSION`].
    pub v: u32,
}

/// Why bytes are not a journal entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// More than [`ENTRY_BYTES_MAX`] bytes.
    #[error("a journal entry has at most {ENTRY_BYTES_MAX} bytes, this one {0}")]
    TooLong(usize),
    /// Not canonical JSON.
    #[error("not canonical JSON: {0}")]
    Form(#[from] jcs::JcsError),
    /// Canonical JSON of another shape.
    #[error("not a journal entry: a field is missing, unknown or of the wrong kind")]
    Shape,
    /// A version that this code does not know.
    #[error("unknown journal entry version {0}")]
    Version(u32),
}

impl JournalEntry {
    /// The entry as its one line, without the line feed.
    ///
    /// # Errors
    /// [`EntryError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        let line = serde_json::to_vec(self).map_err(|_| EntryError::Shape)?;
        if line.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong(line.len()));
        }
        Ok(line)
    }

    /// Reads one line, without its line feed.
    ///
    /// # Errors
    /// [`EntryError`]; the bytes must be exactly what [`JournalEntry::encode`] gives.
    pub fn parse(line: &[u8]) -> Result<Self, EntryError> {
        if line.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLong(line.len()));
        }
        let entry: Self = jcs::from_canonical(line)?.ok_or(EntryError::Shape)?;
        if entry.v != VERSION {
            return Err(EntryError::Version(entry.v));
        }
        Ok(entry)
    }
}

/// Leaf hash of an entry's line (RFC 6962 §2.1).
#[must_use]
pub fn leaf_hash(line: &[u8]) -> LeafHash {
    merkle::leaf_hash(line)
}
