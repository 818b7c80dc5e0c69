//! The archive that a corpus is deposited in: a real directory, the real clock, and authorities of our own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_engine::admit::{Presented, PresentedFile, Rejection};
use cartulaire_engine::archive::{Archive, Ports, Writers};
use cartulaire_engine::attest::Authorities;
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_engine::receive::Received;
use cartulaire_engine::sites::{Site, Sites};
use cartulaire_engine::store::{LocalStore, OpenError};
use cartulaire_engine::system::{SystemClock, SystemEntropy};
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::journal::{EventType, Outcome, TenantId};

use crate::rig::{KEY_SEED, ORIGIN, tenant};
use crate::sim::{SimAuthority, SimSigner};

/// Why a corpus cannot be deposited at all.
#[derive(Debug)]
pub enum CorpusError {
    /// A file or folder.
    Io(std::io::Error),
    /// That line of the index is not one of the corpus's form.
    Index(usize),
    /// The directory of the archive.
    Site(OpenError),
    /// The engine.
    Engine(Fault),
}

impl std::fmt::Display for CorpusError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Index(line) => write!(f, "INDEX.tsv, line {line}: not family, file, size and sha256"),
            Self::Site(error) => error.fmt(f),
            Self::Engine(fault) => fault.fmt(f),
        }
    }
}

impl From<std::io::Error> for CorpusError {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<OpenError> for CorpusError {
    fn from(error: OpenError) -> Self {
        Self::Site(error)
    }
}

impl From<Fault> for CorpusError {
    fn from(fault: Fault) -> Self {
        Self::Engine(fault)
    }
}

/// An archive with one tenant and one authority.
pub struct CorpusArchive {
    archive: Arc<Archive>,
    writers: Writers,
    authority: Arc<SimAuthority>,
    tenant: TenantId,
}

impl CorpusArchive {
    /// A new archive on an empty store, its index beside it in `folder`.
    ///
    /// # Errors
    /// [`CorpusError::Engine`].
    pub fn open(folder: &Path, store: LocalStore) -> Result<Self, CorpusError> {
        let authority = Arc::new(SimAuthority::new("corpus", 1, Arc::new(SystemClock)));
        let ports = Ports {
            sites: Sites::new(Site { name: "corpus".into(), store: Arc::new(store) }, Vec::new()),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            signer: Arc::new(SimSigner::new(ORIGIN, KEY_SEED)),
            authorities: Authorities { sha256: vec![authority.configured()], sha512: Vec::new() },
        };
        let (archive, mut writers) = Archive::open(ports, &folder.join("index"), &mut |_| ())?;
        let mut event = Event::of_service(EventType::TenantCreated, "tenant:corpus", Outcome::Success);
        event.tenant = tenant("corpus");
        event.details = vec![Bytes::from_static(b"{}")];
        writers.committer.commit(vec![Submission::Event(event)])?;
        Ok(Self { archive, writers, authority, tenant: tenant("corpus") })
    }

    /// Its readers' side.
    #[must_use]
    pub fn archive(&self) -> &Arc<Archive> {
        &self.archive
    }

    /// Its only tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The root certificate of its authority, as DER.
    #[must_use]
    pub fn root(&self) -> &[u8] {
        self.authority.root()
    }

    /// Deposits one document and waits until it is durable.
    ///
    /// # Errors
    /// Those of admission and commit.
    pub fn deposit(
        &mut self,
        transfer: &str,
        title: &str,
        name: &str,
        received: Received,
    ) -> Result<Result<ArchiveId, Rejection>, Fault> {
        let file = PresentedFile {
            name: name.into(),
            media_type: "application/octet-stream".into(),
            declared_sha256: None,
            declared_sha512: None,
            declared_size: None,
            received,
        };
        let admitted = self.archive.admit(Presented {
            tenant: self.tenant.clone(),
            agent: "operator".into(),
            transfer: transfer.into(),
            title: title.into(),
            metadata: BTreeMap::new(),
            files: vec![file],
            manifest: None,
        })?;
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let results = self.writers.committer.commit(vec![Submission::Deposit(Box::new(admitted))])?;
        match results.first() {
            Some(Committed::Deposit(deposit)) => Ok(Ok(deposit.descriptor.archive)),
            Some(Committed::Replayed(id) | Committed::Conflict(id)) => Ok(Ok(*id)),
            _ => unreachable!("a deposit is answered as one"),
        }
    }

    /// Seals everything and gets a token over it.
    ///
    /// # Errors
    /// Those of sealing, attesting and commit.
    pub fn seal_and_attest(&mut self) -> Result<(), Fault> {
        self.writers.sealer.seal()?;
        for (seal, algorithm) in self.archive.index().unattested(usize::MAX)? {
            let event = self.writers.attester.attest(seal, algorithm)?;
            self.writers.committer.commit(vec![Submission::Event(event)])?;
        }
        Ok(())
    }
}
