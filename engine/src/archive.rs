//! One archive, open: what its readers and its writers share.
//!
//! Readers use [`Archive`] from any thread. Writing is done by exactly one [`Committer`], one [`Sealer`] and one
//! [`Attester`], which [`Archive::open`] hands out after recovery.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cartulaire_formats::commit::{Commit, Opening};
use cartulaire_formats::journal::EventType;
use cartulaire_formats::layout::CommitNumber;
use cartulaire_formats::note::{KeyKind, KeyName, VerifierKey};
use cartulaire_formats::tiles::TreeEdge;
use cartulaire_formats::time::Timestamp;

use crate::attest::{Attester, Authorities};
use crate::commit::Committer;
use crate::fault::Fault;
use crate::index::Index;
use crate::ports::{Clock, Entropy, Signer};
use crate::prove::ProofCache;
use crate::recover;
use crate::seal::Sealer;
use crate::sites::Sites;

/// The engine's connections to the world.
pub struct Ports {
    /// Where the objects lie.
    pub sites: Sites,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Unpredictable bytes.
    pub entropy: Arc<dyn Entropy>,
    /// The log's key.
    pub signer: Arc<dyn Signer>,
    /// Who time-stamps the evidence trees: the SHA-256 tree always, the SHA-512 tree if configured.
    pub authorities: Authorities,
}

/// The only writers of an archive.
pub struct Writers {
    /// Makes deposits and events durable.
    pub committer: Committer,
    /// Seals what was committed.
    pub sealer: Sealer,
    /// Obtains time-stamp tokens over the seals.
    pub attester: Attester,
}

/// How far a recovery or a rebuild has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// That commit was applied to the index.
    Commit(CommitNumber),
    /// That seal was applied to the index.
    Seal(cartulaire_formats::layout::SealNumber),
}

/// One archive, open.
pub struct Archive {
    sites: Arc<Sites>,
    index: Index,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    signer: Arc<dyn Signer>,
    key: VerifierKey,
    has_sha512_tree: bool,
    pending: Mutex<VecDeque<Arc<PendingCommit>>>,
    edge: RwLock<Arc<TreeEdge>>,
    proofs: ProofCache,
}

/// What the sealer needs of a commit that is not sealed yet.
pub(crate) struct PendingCommit {
    /// Lines of the entries, and the number of the first.
    pub first: u64,
    pub lines: Vec<Vec<u8>>,
    pub openings: Vec<Opening>,
    /// Whether a seal is due for it: what sealing itself journals can wait for the next.
    pub wakes: bool,
    pub time: Timestamp,
}

impl PendingCommit {
    pub(crate) fn new(commit: Commit) -> Self {
        let own = |event| matches!(event, EventType::SealAttested | EventType::AttestFailed);
        Self {
            first: commit.trailer.first.0,
            wakes: commit.entries.iter().any(|(entry, _)| !own(entry.event)),
            lines: commit.entries.into_iter().map(|(_, line)| line).collect(),
            openings: commit.openings,
            time: commit.trailer.time,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.first + self.lines.len() as u64
    }
}

impl Archive {
    /// Opens an archive, new or old, by recovering whatever the store holds beyond the index.
    ///
    /// An empty store becomes a new archive: its public key and its first commit are written. On return the index
    /// follows every commit and seal, every required copy is complete, and nothing half-done is left.
    ///
    /// - `folder`: where the index lies.
    /// - `progress`: called after each commit and seal that the index had not followed.
    ///
    /// # Errors
    /// [`Fault::Damaged`] names the object that is missing, altered or rolled back; nothing was changed.
    /// [`Fault::Retry`] if a required site cannot be reached.
    pub fn open(
        ports: Ports,
        folder: &Path,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(Arc<Self>, Writers), Fault> {
        let name = KeyName::new(ports.signer.name()).map_err(|_| Fault::from(crate::ports::SignError))?;
        let key = VerifierKey::new(name, KeyKind::Ed25519, &ports.signer.public_key());
        let archive = Arc::new(Self {
            index: Index::open(folder)?,
            sites: Arc::new(ports.sites),
            clock: ports.clock,
            entropy: ports.entropy,
            signer: ports.signer,
            key: key.map_err(|_| Fault::from(crate::ports::SignError))?,
            has_sha512_tree: !ports.authorities.sha512.is_empty(),
            pending: Mutex::default(),
            edge: RwLock::new(Arc::new(TreeEdge::empty())),
            proofs: ProofCache::default(),
        });
        recover::recover(&archive, progress)?;
        let mut writers = Writers {
            committer: Committer::new(Arc::clone(&archive))?,
            sealer: Sealer::new(Arc::clone(&archive))?,
            attester: Attester::new(Arc::clone(&archive), ports.authorities),
        };
        recover::begin(&archive, &mut writers.committer)?;
        recover::sweep_containers(&archive)?;
        Ok((archive, writers))
    }

    /// Where the objects lie.
    #[must_use]
    pub fn sites(&self) -> &Arc<Sites> {
        &self.sites
    }

    /// The index, for listing and counting; never for evidence.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The log's public key.
    #[must_use]
    pub fn key(&self) -> &VerifierKey {
        &self.key
    }

    /// The present, by the archive's clock.
    #[must_use]
    pub fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Unpredictable bytes.
    #[must_use]
    pub fn entropy(&self) -> &dyn Entropy {
        &*self.entropy
    }

    pub(crate) fn signer(&self) -> &dyn Signer {
        &*self.signer
    }

    /// Whether a second evidence tree is kept, so that receptions must compute SHA-512.
    #[must_use]
    pub fn has_sha512_tree(&self) -> bool {
        self.has_sha512_tree
    }

    /// What proofs keep between them.
    pub(crate) fn proofs(&self) -> &ProofCache {
        &self.proofs
    }

    /// The log's right edge as of the last seal.
    pub(crate) fn edge(&self) -> Arc<TreeEdge> {
        Arc::clone(&self.edge.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn publish_edge(&self, edge: TreeEdge) {
        *self.edge.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(edge);
    }

    pub(crate) fn push_pending(&self, commit: PendingCommit) {
        self.pending().push_back(Arc::new(commit));
    }

    /// The commits that no seal covers yet, oldest first.
    pub(crate) fn pending(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<PendingCommit>>> {
        // A panic while the queue was held cannot leave it half-changed: every change is one push or one drain.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
