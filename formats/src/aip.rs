//! The AIP descriptor: what an archive is made of, in canonical JSON (`docs/format.md` §3).
//!
//! The descriptor is itself an object: stored, blinded, committed to and sealed like the files it describes. It may hold
//! personal data (titles, file names), which is why the journal carries only a commitment to it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::hash::{Blake3Digest, Sha256Digest, Sha512Digest};
use crate::jcs;
use crate::journal::TenantId;
use crate::time::Timestamp;

/// The version that this code writes.
pub const VERSION: u32 = 1;

/// An archive's identifier: a UUID version 7, lowercase with hyphens (RFC 9562 §5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveId(pub [u8; 16]);

/// The text is not an archive's identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an archive identifier is a lowercase UUID such as 0195f2b0-6c1e-7abc-8def-0123456789ab")]
pub struct NotAnArchiveId;

impl ArchiveId {
    /// Makes an identifier that sorts by time.
    ///
    /// - `random`: 10 bytes; 6 of their bits give way to version and variant.
    #[must_use]
    pub fn new(time: Timestamp, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&time.unix_millis().to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        bytes[6] = 0x70 | (bytes[6] & 0x0f);
        bytes[8] = 0x80 | (bytes[8] & 0x3f);
        Self(bytes)
    }
}

impl fmt::Display for ArchiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = hex::encode(self.0);
        write!(f, "{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
    }
}

impl FromStr for ArchiveId {
    type Err = NotAnArchiveId;

    fn from_str(text: &str) -> Result<Self, NotAnArchiveId> {
        let mut bytes = [0; 16];
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        hex::decode_to_slice(&digits, &mut bytes).map_err(|_| NotAnArchiveId)?;
        let id = Self(bytes);
        (id.to_string() == text).then_some(id).ok_or(NotAnArchiveId)
    }
}

impl TryFrom<String> for ArchiveId {
    type Error = NotAnArchiveId;

    fn try_from(text: String) -> Result<Self, NotAnArchiveId> {
        text.parse()
    }
}

impl From<ArchiveId> for String {
    fn from(id: ArchiveId) -> Self {
        id.to_string()
    }
}

/// What part a file plays in its archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileRole {
    /// A document that was deposited.
    Content,
    /// The description of the deposit, kept to the byte as received.
    Manifest,
}

/// One file of an archive. Fields in the order of their names: serialising yields canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DescribedFile {
    /// The working digest.
    pub blake3: Blake3Digest,
    /// Media type as declared by the depositor (RFC 6838), not verified.
    pub media_type: String,
    /// File name as declared, without folders.
    pub name: String,
    /// What part it plays.
    pub role: FileRole,
    /// The address.
    pub sha256: Sha256Digest,
    /// Present where it was computed at reception.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha512: Option<Sha512Digest>,
    /// Length in bytes.
    pub size: u64,
}

/// What an archive is made of. Fields in the order of their names: serialising yields canonical JSON.
#[doc(alias = "paquet archivé")]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AipDescriptor {
    /// The archive's identifier.
    pub archive: ArchiveId,
    /// Who deposited: `key:<id>` or `operator`.
    pub depositor: String,
    /// Its files, in the order of the deposit; the manifest, if any, last.
    pub files: Vec<DescribedFile>,
    /// Descriptive metadata as declared.
    pub metadata: BTreeMap<String, String>,
    /// When the last byte was received, by the service's clock.
    pub received: Timestamp,
    /// Whose archive it is.
    pub tenant: TenantId,
    /// Title as declared.
    pub title: String,
    /// The depositor's own identifier of this transfer: the key of idempotency.
    pub transfer: String,
    /// [`VERSION`].
    pub v: u32,
}

/// Why bytes are not a descriptor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DescriptorError {
    /// Not canonical JSON.
    #[error("not canonical JSON: {0}")]
    Form(#[from] jcs::JcsError),
    /// Canonical JSON of another shape.
    #[error("not an AIP descriptor: a field is missing, unknown or of the wrong kind")]
    Shape,
    /// A version that this code does not know.
    #[error("unknown AIP descriptor version {0}")]
    Version(u32),
}

impl AipDescriptor {
    /// The descriptor's bytes, as stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a descriptor's maps have text keys and its writer is memory")
    }

    /// Reads a descriptor's bytes.
    ///
    /// # Errors
    /// [`DescriptorError`]; the bytes must be exactly what [`AipDescriptor::encode`] gives.
    pub fn parse(bytes: &[u8]) -> Result<Self, DescriptorError> {
        let descriptor: Self = jcs::from_canonical(bytes)?.ok_or(DescriptorError::Shape)?;
        if descriptor.v != VERSION {
            return Err(DescriptorError::Version(descriptor.v));
        }
        Ok(descriptor)
    }
}
