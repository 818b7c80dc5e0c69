//! The five ports through which the engine meets the world.
//!
//! The real adapters are in [`crate::store`], [`crate::authority`] and the server; the simulated ones in `tests/`. An
//! adapter of [`Store`], real or simulated, passes the one conformance suite in `tests/`.

use std::ops::Range;

use bytes::Bytes;
use cartulaire_formats::layout::ObjectName;
use cartulaire_formats::time::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The present, UTC. It may step in either direction; the engine journals when it does.
    fn now(&self) -> Timestamp;
}

/// Where unpredictable bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills `out` with bytes that nobody can guess.
    fn fill(&self, out: &mut [u8]);
}

/// Who signs checkpoints and receipts: an Ed25519 key in a file or a hardware module.
pub trait Signer: Send + Sync {
    /// The key's name: the log's origin, a schema-less URL.
    fn name(&self) -> &str;

    /// The raw Ed25519 public key.
    fn public_key(&self) -> [u8; 32];

    /// Signs `message` (RFC 8032, pure Ed25519, deterministic).
    ///
    /// # Errors
    /// [`SignError`] when the key cannot be used now; nothing was signed.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError>;
}

/// The signing key cannot be used now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signing key cannot be used now")]
pub struct SignError;

/// Who gives RFC 3161 time-stamps.
pub trait TimeStampAuthority: Send + Sync {
    /// A short name for journal, logs and screens.
    fn name(&self) -> &str;

    /// Sends a DER `TimeStampReq`, returns the DER `TimeStampResp` as received, unverified.
    ///
    /// # Errors
    /// [`AuthorityError`]: no answer was had; asking again is harmless.
    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AuthorityError>;
}

/// A time-stamp authority gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// No connection, or none in time.
    #[error("the authority cannot be reached")]
    Unreachable,
    /// An HTTP status other than 200.
    #[error("the authority answered HTTP status {0}")]
    Status(u16),
    /// Content of another type than `application/timestamp-reply`.
    #[error("the authority's answer is not of type application/timestamp-reply")]
    ContentType,
    /// More than a time-stamp response can need.
    #[error("the authority's answer is too long")]
    TooLong,
}

/// One site: immutable objects, each created once and never modified.
///
/// Names never collide with one another as file and folder. Every method may be called from several threads at once.
pub trait Store: Send + Sync {
    /// Brings an object's bytes to the site under no name yet, so that publishing it has little left to do.
    ///
    /// The committer prepares one commit while the one before is being published. Dropping the preparation leaves
    /// nothing behind. Whether the name is free is judged by [`Prepared::publish`] alone.
    ///
    /// - `parts`: the object's bytes in order; written from where they lie, not copied together.
    ///
    /// # Errors
    /// See [`CreateError`]; never [`CreateError::Exists`].
    fn prepare(&self, name: &ObjectName, parts: &[Bytes]) -> Result<Box<dyn Prepared>, CreateError>;

    /// Creates an object from its parts, if the name is free.
    ///
    /// On return the object is whole and durable: contents, name and every folder above survive power loss. No reader
    /// ever sees a part of it. Of several concurrent creations of one name exactly one succeeds.
    ///
    /// # Errors
    /// See [`CreateError`]: only [`CreateError::Unknown`] leaves doubt.
    fn create(&self, name: &ObjectName, parts: &[Bytes]) -> Result<(), CreateError> {
        self.prepare(name, parts)?.publish()
    }

    /// Begins an object whose first `head_len` bytes will be known last.
    ///
    /// Memory stays bounded whatever its length. Dropping the staging leaves nothing behind. The name is asked for now
    /// because a bucket wants to know it before the first byte; whether it is free is judged when publishing.
    ///
    /// - `head_len`: at most [`HEAD_LEN_MAX`].
    ///
    /// # Errors
    /// See [`CreateError`]; never [`CreateError::Exists`].
    fn stage(&self, name: &ObjectName, head_len: usize) -> Result<Box<dyn Staging>, CreateError>;

    /// Reads exactly the bytes of `range` (offsets in bytes, end excluded).
    ///
    /// # Errors
    /// [`ReadError::Missing`] if there is no such object, [`ReadError::Short`] if it ends before `range.end`.
    fn read(&self, name: &ObjectName, range: Range<u64>) -> Result<Bytes, ReadError>;

    /// The object's length in bytes, or `None` if there is none of that name.
    ///
    /// # Errors
    /// [`ReadError::Unreachable`], [`ReadError::Failed`].
    fn size(&self, name: &ObjectName) -> Result<Option<u64>, ReadError>;

    /// What lies directly under a folder, sorted by path; empty if there is no such folder. `""` is the site's root.
    ///
    /// What has no [`ObjectName`] (drafts, locks, a file system's own folders) is left out.
    ///
    /// # Errors
    /// [`ReadError::Unreachable`], [`ReadError::Failed`].
    fn children(&self, folder: &str) -> Result<Vec<Child>, ReadError>;

    /// Deletes an object durably; deleting what is not there is no error.
    ///
    /// Only for objects that nothing refers to: orphans of a crash, containers that were written anew.
    ///
    /// # Errors
    /// See [`CreateError`]; never [`CreateError::Exists`] or [`CreateError::Full`].
    fn delete(&self, name: &ObjectName) -> Result<(), CreateError>;
}

/// Longest head of a [`Staging`], in bytes: a container's opening records are a few KiB, and a bucket holds the head's
/// whole part back in memory until the object is published.
pub const HEAD_LEN_MAX: usize = 1 << 20;

/// An object whose bytes are ready and whose name is not taken yet.
pub trait Prepared: Send {
    /// Gives the object its name, with the guarantees of [`Store::create`].
    ///
    /// # Errors
    /// See [`CreateError`].
    fn publish(self: Box<Self>) -> Result<(), CreateError>;
}

/// An object being written, seen by nobody until it is published.
pub trait Staging: Send {
    /// Appends bytes after the head.
    ///
    /// # Errors
    /// See [`CreateError`]; the staging is then of no more use.
    fn append(&mut self, bytes: Bytes) -> Result<(), CreateError>;

    /// Puts the head before what was appended and creates the object, with the guarantees of [`Store::create`].
    ///
    /// - `head`: exactly the `head_len` bytes announced to [`Store::stage`].
    ///
    /// # Errors
    /// See [`CreateError`].
    fn publish(self: Box<Self>, head: Bytes) -> Result<(), CreateError>;
}

/// What [`Store::children`] lists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Child {
    /// A folder, by its whole path without a final slash.
    Folder(String),
    /// An object and its length in bytes.
    Object(ObjectName, u64),
}

impl Child {
    /// The whole path, of a folder or an object alike.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::Folder(path) => path,
            Self::Object(name, _) => name.as_str(),
        }
    }
}

/// Why an object was not, or not surely, written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// There is an object of that name; nothing changed.
    #[error("an object of that name exists already")]
    Exists,
    /// The site has no room; nothing changed.
    #[error("the site is full")]
    Full,
    /// The site could not be reached or refused before anything was written; nothing changed.
    #[error("the site cannot be reached")]
    Unreachable,
    /// The outcome is unknown: the object may be there or not, durable or not.
    #[error("the outcome of the write is unknown")]
    Unknown,
}

/// Why an object could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// There is no such object.
    #[error("there is no such object")]
    Missing,
    /// The object ends before the bytes asked for.
    #[error("the object has only {size} bytes")]
    Short {
        /// Its length in bytes.
        size: u64,
    },
    /// The site could not be reached.
    #[error("the site cannot be reached")]
    Unreachable,
    /// The medium failed.
    #[error("the medium failed while reading")]
    Failed,
}
