//! Proofs of C2SP tlog-proof: one file that shows, offline, that an entry is in a log.
//!
//! Owns the text: version line, optional extra data, index, inclusion path, checkpoint. A parsed proof proves nothing
//! until [`TlogProof::verify`] has been given the entry and the log's key.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::bounds::{INCLUSION_PATH_MAX, TLOG_PROOF_BYTES_MAX, TLOG_PROOF_EXTRA_BYTES_MAX};
use crate::checkpoint::{CheckpointError, SignedCheckpoint, decimal};
use crate::hash::{LeafHash, NodeHash};
use crate::merkle::{InclusionError, InclusionProof, LeafIndex};
use crate::note::{Note, NoteError, VerifierKey};

/// First line of every proof.
pub const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Usual ending of a proof's file name.
pub const EXTENSION: &str = "tlog-proof";

/// Bytes that are no proof, or a proof of something else.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Longer than [`TLOG_PROOF_BYTES_MAX`].
    #[error("a proof has at most {TLOG_PROOF_BYTES_MAX} bytes, found {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The lines before the checkpoint are not UTF-8.
    #[error("not UTF-8 at offset {offset}")]
    Utf8 {
        /// Byte offset of the first wrong byte.
        offset: usize,
    },
    /// The first line is not [`HEADER`].
    #[error("the proof does not begin with {HEADER}")]
    Header,
    /// No blank line separates the path from the checkpoint.
    #[error("no blank line before the checkpoint")]
    NoBlankLine,
    /// The extra data is not canonical base64.
    #[error("the extra data is not base64")]
    Extra,
    /// More extra data than [`TLOG_PROOF_EXTRA_BYTES_MAX`].
    #[error("{bytes} bytes of extra data, at most {TLOG_PROOF_EXTRA_BYTES_MAX}")]
    ExtraTooLong {
        /// Its length, decoded.
        bytes: usize,
    },
    /// No `index` line, or not a decimal up to 2^63 − 1 without leading zeros.
    #[error("no index line with a decimal number without leading zeros")]
    Index,
    /// A hash is not canonical base64 of 32 bytes.
    #[error("hash {position} of the path is not base64 of 32 bytes")]
    Hash {
        /// Zero-based position in the path.
        position: usize,
    },
    /// More hashes than [`INCLUSION_PATH_MAX`].
    #[error("more than {INCLUSION_PATH_MAX} hashes in the path")]
    PathTooLong,
    /// What follows the blank line is not a signed note.
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The checkpoint is not one of this log.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The path does not join the entry and the checkpoint.
    #[error(transparent)]
    Inclusion(#[from] InclusionError),
}

/// A proof as read, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: LeafIndex,
    path: Vec<NodeHash>,
    checkpoint: Note,
}

impl TlogProof {
    /// Joins an inclusion proof and the checkpoint of the same size.
    ///
    /// - `extra`: opaque data, at most [`TLOG_PROOF_EXTRA_BYTES_MAX`] bytes, which the proof does not authenticate.
    ///
    /// # Errors
    /// [`TlogProofError::ExtraTooLong`].
    ///
    /// # Panics
    /// If the checkpoint is of another size than the inclusion proof.
    pub fn new(
        proof: &InclusionProof,
        checkpoint: &SignedCheckpoint,
        extra: Option<Vec<u8>>,
    ) -> Result<Self, TlogProofError> {
        assert_eq!(proof.size(), checkpoint.checkpoint().size(), "the checkpoint is the one proven against");
        check_extra(extra.as_deref())?;
        let (path, checkpoint) = (proof.path().to_vec(), checkpoint.note().clone());
        Ok(Self { extra, index: proof.index(), path, checkpoint })
    }

    /// Reads a proof.
    ///
    /// - `bytes`: at most [`TLOG_PROOF_BYTES_MAX`].
    ///
    /// # Errors
    /// All of [`TlogProofError`] but [`TlogProofError::Checkpoint`] and [`TlogProofError::Inclusion`].
    ///
    /// # Standard
    /// C2SP tlog-proof, "Format".
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|error| TlogProofError::Utf8 { offset: error.valid_up_to() })?;
        let lines = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix('\n')).ok_or(TlogProofError::Header)?;
        let (lines, note) = lines.split_once("\n\n").ok_or(TlogProofError::NoBlankLine)?;
        let mut lines = lines.split('\n').peekable();
        let extra = lines.next_if(|line| line.starts_with("extra ")).map(parse_extra).transpose()?;
        let index = lines.next().and_then(|line| decimal(line.strip_prefix("index ")?)).ok_or(TlogProofError::Index)?;
        let path = parse_path(lines)?;
        Ok(Self { extra, index: LeafIndex(index), path, checkpoint: Note::parse(note.as_bytes())? })
    }

    /// Opaque data that came with the proof and that nothing authenticates.
    #[must_use]
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Position that the proof claims for the entry.
    #[must_use]
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// The hashes, leaf's sibling first.
    #[must_use]
    pub fn path(&self) -> &[NodeHash] {
        &self.path
    }

    /// The checkpoint's note, not verified.
    #[must_use]
    pub fn checkpoint(&self) -> &Note {
        &self.checkpoint
    }

    /// Verifies that the log of key `log` holds `leaf` at [`Self::index`].
    ///
    /// - `witnesses`: known witnesses' keys, perhaps none; whether those that signed are enough is the caller's policy.
    /// - Returns the checkpoint that proves it.
    ///
    /// # Errors
    /// [`TlogProofError::Checkpoint`] and [`TlogProofError::Inclusion`].
    pub fn verify(
        &self,
        leaf: &LeafHash,
        log: &VerifierKey,
        witnesses: &[VerifierKey],
    ) -> Result<SignedCheckpoint, TlogProofError> {
        let signed = SignedCheckpoint::verify(self.checkpoint.clone(), log, witnesses)?;
        let checkpoint = signed.checkpoint();
        let proof = InclusionProof::new(self.index, checkpoint.size(), self.path.clone())?;
        proof.verify(leaf, &checkpoint.root())?;
        Ok(signed)
    }
}

impl fmt::Display for TlogProof {
    /// Writes the proof as it is stored and sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", BASE64_STANDARD.encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", BASE64_STANDARD.encode(hash.0)))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

fn parse_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    let base64 = line.strip_prefix("extra ").ok_or(TlogProofError::Extra)?;
    let extra = BASE64_STANDARD.decode(base64).map_err(|_| TlogProofError::Extra)?;
    check_extra(Some(&extra)).map(|()| extra)
}

fn check_extra(extra: Option<&[u8]>) -> Result<(), TlogProofError> {
    match extra.map(<[u8]>::len) {
        Some(bytes) if bytes > TLOG_PROOF_EXTRA_BYTES_MAX => Err(TlogProofError::ExtraTooLong { bytes }),
        _ => Ok(()),
    }
}

fn parse_path<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<NodeHash>, TlogProofError> {
    let mut path = Vec::new();
    for (position, line) in lines.enumerate() {
        if position == INCLUSION_PATH_MAX {
            return Err(TlogProofError::PathTooLong);
        }
        let hash = BASE64_STANDARD.decode(line).ok().and_then(|bytes| NodeHash::from_slice(&bytes));
        path.push(hash.ok_or(TlogProofError::Hash { position })?);
    }
    Ok(path)
}
