//! Checkpoints of C2SP tlog-checkpoint: what the log signs of its tree.
//!
//! [`Checkpoint`] is the text and nothing more; anybody can write one. [`SignedCheckpoint`] exists only if the log's own
//! key signed that text and no known witness's signature fails.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::bounds::TREE_SIZE_MAX;
use crate::hash::RootHash;
use crate::merkle::TreeSize;
use crate::note::{KeyError, KeyKind, KeyName, Note, NoteError, SignError, SignatureLine, SignedBy};
use crate::note::{VerifierKey, VerifyError};

/// A text that is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointTextError {
    /// The text does not end in a newline.
    #[error("a checkpoint ends in a newline")]
    NotTerminated,
    /// Fewer than three lines.
    #[error("a checkpoint has at least three lines, found {found}")]
    TooFewLines {
        /// Lines found.
        found: usize,
    },
    /// A line is empty.
    #[error("line {line} of the checkpoint is empty")]
    EmptyLine {
        /// Zero-based line.
        line: usize,
    },
    /// The origin is no key name.
    #[error("the origin: {0}")]
    Origin(KeyError),
    /// The size is not a decimal without leading zeros, at most 2^63 − 1.
    #[error("the tree size is not a decimal number up to 2^63 - 1 without leading zeros")]
    Size,
    /// The root is not canonical base64 of 32 bytes.
    #[error("the root hash is not base64 of 32 bytes")]
    Root,
}

/// A log's origin, size and root: three lines of text, untrusted by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: KeyName,
    size: TreeSize,
    root: RootHash,
    extensions: Vec<String>,
}

impl Checkpoint {
    /// States size and root of the log named `origin`, without extension lines.
    ///
    /// # Panics
    /// If `size` is above [`TREE_SIZE_MAX`], which no log of ours reaches.
    #[must_use]
    pub fn new(origin: KeyName, size: TreeSize, root: RootHash) -> Self {
        assert!(size.0 <= TREE_SIZE_MAX, "a log ends at 2^63 - 1 entries");
        Self { origin, size, root, extensions: Vec::new() }
    }

    /// The log's name, also the name of its key.
    #[must_use]
    pub fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// Entries in the log.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Root of the log.
    #[must_use]
    pub fn root(&self) -> RootHash {
        self.root
    }

    /// Further lines of a foreign log, opaque; ours has none.
    #[must_use]
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }

    /// Signs this checkpoint with the log's key.
    ///
    /// The caller has made sure that it is consistent with all that this key has signed before, and that this stays known
    /// after a crash: two checkpoints that are not consistent end the log's credit for ever.
    /// - `key`: type Ed25519, of the origin's name.
    /// - `sign`: returns the Ed25519 signature of exactly the bytes it is given; called once.
    ///
    /// # Errors
    /// [`CheckpointError::OriginMismatch`] and [`CheckpointError::Sign`].
    pub fn sign(
        self,
        key: &VerifierKey,
        sign: impl FnOnce(&[u8]) -> [u8; 64],
    ) -> Result<SignedCheckpoint, CheckpointError> {
        self.check_origin(key)?;
        let note = Note::sign(self.to_string(), key, sign).map_err(CheckpointError::Sign)?;
        Ok(SignedCheckpoint { checkpoint: self, note, cosignatures: Vec::new() })
    }

    fn check_origin(&self, key: &VerifierKey) -> Result<(), CheckpointError> {
        if self.origin == *key.name() {
            return Ok(());
        }
        Err(CheckpointError::OriginMismatch { origin: self.origin.clone(), key: key.name().clone() })
    }
}

impl fmt::Display for Checkpoint {
    /// Writes the text that is signed, last newline included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.size, BASE64_STANDARD.encode(self.root.0))?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointTextError;

    /// Parses the text of a checkpoint.
    ///
    /// # Standard
    /// C2SP tlog-checkpoint, "Note text"; its advice on origins (no space, no plus) is a rule here.
    fn from_str(text: &str) -> Result<Self, CheckpointTextError> {
        let body = text.strip_suffix('\n').ok_or(CheckpointTextError::NotTerminated)?;
        let lines: Vec<&str> = body.split('\n').collect();
        if let Some(line) = lines.iter().position(|line| line.is_empty()) {
            return Err(CheckpointTextError::EmptyLine { line });
        }
        let [origin, size, root, extensions @ ..] = lines.as_slice() else {
            return Err(CheckpointTextError::TooFewLines { found: lines.len() });
        };
        Ok(Self {
            origin: KeyName::new(*origin).map_err(CheckpointTextError::Origin)?,
            size: decimal(size).map(TreeSize).ok_or(CheckpointTextError::Size)?,
            root: root_from_base64(root).ok_or(CheckpointTextError::Root)?,
            extensions: extensions.iter().map(ToString::to_string).collect(),
        })
    }
}

/// A decimal up to 2^63 − 1 in its one spelling.
pub(crate) fn decimal(text: &str) -> Option<u64> {
    let value: u64 = text.parse().ok()?;
    (value <= TREE_SIZE_MAX && value.to_string() == text).then_some(value)
}

fn root_from_base64(text: &str) -> Option<RootHash> {
    RootHash::from_slice(&BASE64_STANDARD.decode(text).ok()?)
}

/// Bytes that are no checkpoint of this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a signed note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// A signature of a known key fails, or no key of the log or a witness signed.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// Witnesses signed, but not the log.
    #[error("the log's own key did not sign")]
    NotSignedByLog,
    /// The note's text is no checkpoint.
    #[error(transparent)]
    Text(#[from] CheckpointTextError),
    /// A checkpoint of another log: keys of ours sign only under our origin.
    #[error("the checkpoint is of {origin}, the key of {key}")]
    OriginMismatch {
        /// The checkpoint's origin.
        origin: KeyName,
        /// The key's name.
        key: KeyName,
    },
    /// A key given as the log's is a witness's, or the reverse.
    #[error("the log's key must be of type Ed25519, every witness's of type cosignature/v1")]
    KeyKind,
    /// The checkpoint could not be signed.
    #[error(transparent)]
    Sign(SignError),
}

/// A witness's statement, verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's key.
    pub key: VerifierKey,
    /// When it saw the checkpoint, in seconds since the Unix epoch, by its own clock.
    pub time: u64,
}

/// A checkpoint that the log's key signed, with the witnesses' cosignatures that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
    cosignatures: Vec<Cosignature>,
}

impl SignedCheckpoint {
    /// Parses and verifies a signed checkpoint.
    ///
    /// - `log`: the log's key, type Ed25519. `witnesses`: known witnesses' keys, type cosignature/v1, perhaps none.
    /// - Signatures of other keys are kept and ignored.
    ///
    /// # Errors
    /// All of [`CheckpointError`] but [`CheckpointError::Sign`].
    ///
    /// # Standard
    /// C2SP tlog-checkpoint; the log's key name must be the origin, which it recommends.
    pub fn open(bytes: &[u8], log: &VerifierKey, witnesses: &[VerifierKey]) -> Result<Self, CheckpointError> {
        Self::verify(Note::parse(bytes)?, log, witnesses)
    }

    /// Verifies a note already parsed, as [`Self::open`] does.
    ///
    /// # Errors
    /// Those of [`Self::open`] but [`CheckpointError::Note`].
    pub fn verify(note: Note, log: &VerifierKey, witnesses: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let witness_kind = |key: &VerifierKey| key.kind() == KeyKind::CosignatureV1;
        if witness_kind(log) || !witnesses.iter().all(witness_kind) {
            return Err(CheckpointError::KeyKind);
        }
        let known: Vec<VerifierKey> = std::iter::once(log).chain(witnesses).cloned().collect();
        let signed = note.verify(&known)?;
        if !signed.iter().any(|by| by.key == *log) {
            return Err(CheckpointError::NotSignedByLog);
        }
        let checkpoint: Checkpoint = note.text().parse()?;
        checkpoint.check_origin(log)?;
        let cosigned = |SignedBy { key, time }| time.map(|time| Cosignature { key, time });
        let cosignatures = signed.into_iter().filter_map(cosigned).collect();
        Ok(Self { checkpoint, note, cosignatures })
    }

    /// What the log signed.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note with all its signatures; its [`fmt::Display`] is what is stored and published.
    #[must_use]
    pub fn note(&self) -> &Note {
        &self.note
    }

    /// The text that is signed and that the evidence tree covers: origin, size, root, last newline included.
    #[must_use]
    pub fn text(&self) -> &str {
        self.note.text()
    }

    /// Known witnesses' cosignatures, in the order of their lines; a quorum counts distinct keys.
    #[must_use]
    pub fn cosignatures(&self) -> &[Cosignature] {
        &self.cosignatures
    }

    /// Adds a witness's answer, if it is that witness's cosignature of this checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::KeyKind`], [`CheckpointError::Verify`], [`CheckpointError::Note`]; the checkpoint is then as
    /// before.
    pub fn add_cosignature(&mut self, line: SignatureLine, witness: &VerifierKey) -> Result<(), CheckpointError> {
        if witness.kind() != KeyKind::CosignatureV1 {
            return Err(CheckpointError::KeyKind);
        }
        let signed = line.verify(witness, self.text())?;
        self.note.add(line)?;
        self.cosignatures.extend(signed.time.map(|time| Cosignature { key: signed.key, time }));
        Ok(())
    }
}
