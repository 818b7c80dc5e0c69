//! The receipt: the service's signed word that a deposit is committed (`docs/format.md` §8).
//!
//! A C2SP signed note whose text is two lines: [`HEADER`] and the receipt in canonical JSON. The header keeps it from
//! ever being taken for a checkpoint, whose first line is the log's origin.

use serde::{Deserialize, Serialize};

use crate::aip::ArchiveId;
use crate::hash::Sha256Digest;
use crate::jcs;
use crate::journal::TenantId;
use crate::layout::{CommitNumber, SequenceNumber};
use crate::merkle::LeafHash;
use crate::time::Timestamp;

/// First line of every receipt.
pub const HEADER: &str = "cartulaire-receipt/v1";

/// A file as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceivedFile {
    /// File name as declared.
    pub name: String,
    /// Digest of the bytes as received.
    pub sha256: Sha256Digest,
    /// Length in bytes.
    pub size: u64,
}

/// What the service answers for. Fields in the order of their names: serialising yields canonical JSON.
#[doc(alias = "accusé de dépôt")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The archive's identifier.
    pub archive: ArchiveId,
    /// The commit that made it durable.
    pub commit: CommitNumber,
    /// Digest of the AIP descriptor.
    pub descriptor: Sha256Digest,
    /// Leaf hash of the journal entry.
    pub entry: LeafHash,
    /// Every file, as received.
    pub files: Vec<ReceivedFile>,
    /// The log's origin.
    pub log: String,
    /// The journal entry's place.
    pub seq: SequenceNumber,
    /// Whose archive it is.
    pub tenant: TenantId,
    /// When it was committed, by the service's clock.
    pub time: Timestamp,
    /// The depositor's own identifier of the transfer.
    pub transfer: String,
}

/// Why a note's text is not a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The first line is another.
    #[error("the first line is not {HEADER:?}")]
    Header,
    /// The second line is not a receipt in canonical JSON, or there are more lines.
    #[error("the second line is not a receipt in canonical JSON")]
    Body,
}

impl Receipt {
    /// The text to sign, ending in a line feed.
    #[must_use]
    pub fn text(&self) -> String {
        let body = serde_json::to_string(self).expect("a receipt has no maps and its writer is memory");
        format!("{HEADER}\n{body}\n")
    }

    /// Reads a note's text.
    ///
    /// # Errors
    /// [`ReceiptError`].
    pub fn parse(text: &str) -> Result<Self, ReceiptError> {
        let (header, body) = text.split_once('\n').ok_or(ReceiptError::Header)?;
        if header != HEADER {
            return Err(ReceiptError::Header);
        }
        let body = body.strip_suffix('\n').ok_or(ReceiptError::Body)?;
        jcs::from_canonical(body.as_bytes()).ok().flatten().ok_or(ReceiptError::Body)
    }
}
