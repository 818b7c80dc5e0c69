//! The answer to a deposit.

use cartulaire_formats::note::Note;
use cartulaire_formats::receipt::Receipt;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::problem::{Problem, ProblemKind};
use super::super::proofs::ProofSummary;

/// The answer to a deposit.
#[derive(Debug, Serialize, ToSchema)]
pub struct DepositAnswer {
    /// The archive's identifier.
    #[schema(format = "uuid")]
    pub archive: String,
    /// Whose archive it is.
    pub tenant: String,
    /// The depositor's identifier of the transfer.
    pub transfer: String,
    /// The journal entry's place.
    pub seq: u64,
    /// The commit that made it durable.
    pub commit: u64,
    /// When it was committed.
    #[schema(format = "date-time")]
    pub time: String,
    /// SHA-256 of the archive's descriptor, in hex.
    pub descriptor_sha256: String,
    /// Leaf hash of the journal entry, in hex.
    pub entry: String,
    /// The log's origin.
    pub log: String,
    /// Every file as received, the description last.
    pub files: Vec<ReceivedFile>,
    /// The signed receipt (docs/format.md §8): what all the above is read from. Keep this.
    pub receipt: String,
    /// How far the proof is, if `Prefer: wait` asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofSummary>,
}

/// A file as received.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceivedFile {
    /// Name as declared.
    pub name: String,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
    /// Length in bytes.
    pub size: u64,
}

impl DepositAnswer {
    /// Reads the answer off a signed receipt.
    pub(super) fn new(note: String) -> Result<Self, Problem> {
        let receipt = Note::parse(note.as_bytes()).ok().and_then(|note| Receipt::parse(note.text()).ok());
        let receipt = receipt.ok_or(ProblemKind::Internal)?;
        let file = |file: cartulaire_formats::receipt::ReceivedFile| ReceivedFile {
            name: file.name,
            sha256: file.sha256.to_string(),
            size: file.size,
        };
        Ok(Self {
            archive: receipt.archive.to_string(),
            tenant: receipt.tenant.to_string(),
            transfer: receipt.transfer,
            seq: receipt.seq.0,
            commit: receipt.commit.0,
            time: receipt.time.to_string(),
            descriptor_sha256: receipt.descriptor.to_string(),
            entry: receipt.entry.to_string(),
            log: receipt.log,
            files: receipt.files.into_iter().map(file).collect(),
            receipt: note,
            proof: None,
        })
    }
}
