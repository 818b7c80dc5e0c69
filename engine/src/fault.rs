//! What can go wrong below a caller, in the classes that a caller can act on.

use crate::index::IndexError;
use crate::ports::{CreateError, ReadError, SignError};

/// Why the engine could not do what it was asked, through no fault of the caller.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Nothing changed; the same call may succeed later.
    #[error("not now: {0}; nothing changed, try again later")]
    Retry(Retry),
    /// It is unknown whether the last write took effect. The writer stops; opening the archive again recovers.
    #[error("the outcome of a write is unknown; the writer has stopped, and recovers when it is started again")]
    Poisoned,
    /// The bytes at rest are not what they must be. Nothing changed.
    #[error("damage at rest: {0}")]
    Damaged(#[from] Damage),
    /// The index failed; the bytes at rest are not concerned.
    #[error(transparent)]
    Index(#[from] IndexError),
}

impl Fault {
    /// The class of this fault, for another thread that only acts on it: to be retried, or else the writer's end.
    #[must_use]
    pub(crate) fn class(&self) -> Self {
        match self {
            Self::Retry(retry) => Self::Retry(*retry),
            _ => Self::Poisoned,
        }
    }
}

/// Why to try again later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Retry {
    /// A required site has no room.
    #[error("a required site is full")]
    Full,
    /// A required site cannot be reached.
    #[error("a required site cannot be reached")]
    Unreachable,
    /// Too many submissions wait already.
    #[error("too many submissions are waiting")]
    Busy,
    /// The signing key cannot be used.
    #[error("the signing key cannot be used")]
    Signer,
    /// No time-stamp authority gave a sound token.
    #[error("no time-stamp authority gave a sound token")]
    Authority,
}

/// What is wrong at rest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {kind}")]
pub struct Damage {
    /// The object's name in the site.
    pub object: String,
    /// What is wrong with it.
    pub kind: DamageKind,
}

/// What is wrong with an object at rest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DamageKind {
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It cannot be read on any site.
    #[error("cannot be read: {0}")]
    Unreadable(ReadError),
    /// It is not a sound commit.
    #[error("is not a sound commit: {0}")]
    Commit(cartulaire_formats::commit::CommitError),
    /// Its place in the chain is wrong.
    #[error("does not continue the chain of commits")]
    Chain,
    /// Its content does not have the digest that it must.
    #[error("does not have the digest that it must")]
    Digest,
    /// It is not what its name says.
    #[error("is malformed")]
    Malformed,
    /// The checkpoint's signature or root is not right.
    #[error("is not this log's checkpoint over its entries")]
    Checkpoint,
    /// It is not the evidence of its seal.
    #[error("is not the evidence of its seal: an object, the checkpoint or the root is not the one covered")]
    Evidence,
    /// The token's own signature does not hold, or it stamps something else.
    #[error("is not a time-stamp of its evidence root")]
    Token,
    /// A journal entry and what lies beside it disagree.
    #[error("does not hold what its journal entry says")]
    Entry,
    /// The archive was begun with another log key than the configured one.
    #[error("says that this log has another key: configure the one that it was begun with")]
    LogKey,
    /// The store ends before what the index knows: an older copy was put in its place.
    #[error(
        "the store has been rolled back: the index knows later commits; restore the store, or run `cartulaire rebuild --accept-rollback` if the loss is understood"
    )]
    RolledBack,
}

impl From<Retry> for Fault {
    fn from(retry: Retry) -> Self {
        Self::Retry(retry)
    }
}

impl From<SignError> for Fault {
    fn from(_: SignError) -> Self {
        Self::Retry(Retry::Signer)
    }
}

impl Fault {
    /// What an error means while an object is written that no commit names yet: whatever became of it, nobody will ask
    /// for it, so trying again under another name is safe.
    #[must_use]
    pub fn before_commit(error: CreateError) -> Self {
        match error {
            CreateError::Full => Self::Retry(Retry::Full),
            CreateError::Exists | CreateError::Unreachable | CreateError::Unknown => Self::Retry(Retry::Unreachable),
        }
    }
}

impl From<CreateError> for Fault {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Full => Self::Retry(Retry::Full),
            CreateError::Unreachable => Self::Retry(Retry::Unreachable),
            // Somebody else made the object, or nobody knows: either way this writer must not go on.
            CreateError::Exists | CreateError::Unknown => Self::Poisoned,
        }
    }
}

impl Damage {
    pub(crate) fn new(object: impl ToString, kind: DamageKind) -> Self {
        Self { object: object.to_string(), kind }
    }
}

/// Reads of objects that must be there.
pub(crate) fn must_read<T>(object: impl ToString, result: Result<T, ReadError>) -> Result<T, Fault> {
    result.map_err(|error| match error {
        ReadError::Unreachable => Fault::Retry(Retry::Unreachable),
        ReadError::Missing => Damage::new(object, DamageKind::Missing).into(),
        error => Damage::new(object, DamageKind::Unreadable(error)).into(),
    })
}
