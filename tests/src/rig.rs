//! A real engine over simulated ports: what simulation, fault table and scenarios drive, on one thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_engine::admit::{Admitted, Presented, PresentedFile, Rejection};
use cartulaire_engine::archive::{Archive, Ports, Progress, Writers};
use cartulaire_engine::attest::Authorities;
use cartulaire_engine::commit::{Committed, Event, Submission};
use cartulaire_engine::fault::Fault;
use cartulaire_engine::ports::{Clock, Store};
use cartulaire_engine::receive::Reception;
use cartulaire_engine::sites::{Site, Sites};
use cartulaire_formats::journal::{EventType, Outcome, TenantId};
use cartulaire_formats::time::Timestamp;

use crate::sim::{SimAuthority, SimClock, SimEntropy, SimSigner, SimStore};

/// The log of every rig.
pub const ORIGIN: &str = "archives.example/simulated";

/// The seed of the rig's log key.
pub const KEY_SEED: [u8; 32] = [7; 32];

/// The world around an engine: what survives its crashes.
pub struct World {
    /// The deciding site.
    pub store: SimStore,
    /// The required copies.
    pub copies: Vec<SimStore>,
    /// The engine's clock.
    pub clock: Arc<SimClock>,
    /// The true time, which the authorities know.
    pub truth: Arc<SimClock>,
    /// The randomness.
    pub entropy: Arc<SimEntropy>,
    /// Who time-stamps the SHA-256 trees, in the order in which they are asked.
    pub stampers: Vec<Arc<SimAuthority>>,
    /// Who time-stamps the SHA-512 trees.
    pub stampers_sha512: Vec<Arc<SimAuthority>>,
    /// Where the index lies; a follower that may be deleted at any time.
    pub index: tempfile::TempDir,
}

/// An engine that runs in a world.
pub struct Rig {
    /// Its readers' side.
    pub archive: Arc<Archive>,
    /// Its writers.
    pub writers: Writers,
}

/// A file of a deposit: name and content.
pub type File<'a> = (&'a str, &'a [u8]);

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let now = "2026-11-24T08:00:00.000Z".parse::<Timestamp>().expect("a time as the archive writes it");
        let truth = Arc::new(SimClock::new(now));
        let stamper = |name, seed| Arc::new(SimAuthority::new(name, seed, truth.clone() as Arc<dyn Clock>));
        Self {
            store: SimStore::new(seed),
            copies: Vec::new(),
            clock: Arc::new(SimClock::new(now)),
            entropy: Arc::new(SimEntropy::new(seed ^ 0xe47)),
            stampers: vec![stamper("armor", 1), stamper("argoat", 2)],
            stampers_sha512: vec![stamper("iroise", 3)],
            truth,
            index: index_folder(),
        }
    }

    /// The same with that many required copies.
    #[must_use]
    pub fn with_copies(seed: u64, copies: u64) -> Self {
        let stores = (1..=copies).map(|i| SimStore::new(seed ^ (i << 32)));
        Self { copies: stores.collect(), ..Self::new(seed) }
    }

    /// Every site, the deciding one first.
    pub fn sites(&self) -> impl Iterator<Item = &SimStore> {
        std::iter::once(&self.store).chain(&self.copies)
    }

    /// The power fails everywhere at once. No engine may be open.
    pub fn crash(&mut self) {
        self.store = self.store.crash();
        self.copies.iter_mut().for_each(|copy| *copy = copy.crash());
    }

    /// The process is killed. No engine may be open.
    pub fn kill(&mut self) {
        self.store = self.store.kill();
        self.copies.iter_mut().for_each(|copy| *copy = copy.kill());
    }

    /// Opens the engine on the world as it is.
    ///
    /// # Errors
    /// Those of [`Archive::open`].
    pub fn open(&self) -> Result<Rig, Fault> {
        self.open_watched(&mut |_| ())
    }

    /// The same, telling how far it has come.
    ///
    /// # Errors
    /// Those of [`Archive::open`].
    pub fn open_watched(&self, progress: &mut dyn FnMut(Progress)) -> Result<Rig, Fault> {
        let (archive, writers) = Archive::open(self.ports(Arc::new(self.store.clone())), self.index.path(), progress)?;
        Ok(Rig { archive, writers })
    }

    /// The world's ports, with another way to the deciding site.
    #[must_use]
    pub fn ports(&self, deciding: Arc<dyn Store>) -> Ports {
        let site = |name: &str, store: Arc<dyn Store>| Site { name: name.into(), store };
        let copy = |store: &SimStore| -> Arc<dyn Store> { Arc::new(store.clone()) };
        let copies = self.copies.iter().enumerate().map(|(i, store)| site(&format!("copy-{i}"), copy(store)));
        let configured = |stampers: &[Arc<SimAuthority>]| stampers.iter().map(SimAuthority::configured).collect();
        let authorities = Authorities { sha256: configured(&self.stampers), sha512: configured(&self.stampers_sha512) };
        Ports {
            sites: Sites::new(site("deciding", deciding), copies.collect()),
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            signer: Arc::new(SimSigner::new(ORIGIN, KEY_SEED)),
            authorities,
        }
    }

    /// Time goes by, for everybody.
    pub fn pass(&self, millis: i64) {
        self.clock.step(millis);
        self.truth.step(millis);
    }

    /// Forgets the index, as after `cartulaire rebuild`. No engine may be open.
    pub fn drop_index(&mut self) {
        self.index = index_folder();
    }
}

/// A folder for an index: in memory where the system has such a place: the index is never synced and may be lost, so a disk adds only time.
#[must_use]
pub fn index_folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

/// The tenant's identifier; it must be one.
#[must_use]
pub fn tenant(id: &str) -> TenantId {
    id.parse().expect("a tenant's identifier")
}

/// Receives and admits a deposit, from any thread, with each file changed before it is judged.
///
/// # Errors
/// Those of reception and admission.
pub fn admit(
    archive: &Arc<Archive>,
    id: &str,
    transfer: &str,
    files: &[File<'_>],
    change: impl Fn(&mut PresentedFile),
) -> Result<Result<Admitted, Rejection>, Fault> {
    let mut presented = Vec::new();
    for (name, content) in files {
        let mut file = receive(archive, name, content)?;
        change(&mut file);
        presented.push(file);
    }
    archive.admit(Presented {
        tenant: tenant(id),
        agent: "key:test".into(),
        transfer: transfer.into(),
        title: format!("Transfer {transfer}"),
        metadata: BTreeMap::new(),
        files: presented,
        manifest: None,
    })
}

/// Receives a file in pieces.
///
/// # Errors
/// Those of reception.
pub fn receive(archive: &Arc<Archive>, name: &str, content: &[u8]) -> Result<PresentedFile, Fault> {
    let mut reception = Reception::new(Arc::clone(archive), false);
    content.chunks(100_000).try_for_each(|chunk| reception.write(chunk)).map_err(Fault::before_commit)?;
    Ok(PresentedFile {
        name: name.into(),
        media_type: "application/octet-stream".into(),
        declared_sha256: None,
        declared_sha512: None,
        declared_size: None,
        received: reception.finish().map_err(Fault::before_commit)?,
    })
}

impl Rig {
    /// Creates a tenant.
    ///
    /// # Errors
    /// Those of a commit.
    pub fn create_tenant(&mut self, id: &str) -> Result<(), Fault> {
        let event = Event {
            tenant: tenant(id),
            agent: "operator".into(),
            subject: format!("tenant:{id}"),
            event: EventType::TenantCreated,
            outcome: Outcome::Success,
            facts: BTreeMap::new(),
            details: vec![Bytes::from(format!("{{\"id\":\"{id}\"}}"))],
        };
        self.writers.committer.commit(vec![Submission::Event(event)]).map(|_| ())
    }

    /// Receives and admits a deposit, without committing it.
    ///
    /// # Errors
    /// Those of reception and admission.
    pub fn admit(&self, id: &str, transfer: &str, files: &[File<'_>]) -> Result<Result<Admitted, Rejection>, Fault> {
        self.present(id, transfer, files, |_| ())
    }

    /// The same, with each file changed before it is judged.
    ///
    /// # Errors
    /// Those of reception and admission.
    pub fn present(
        &self,
        id: &str,
        transfer: &str,
        files: &[File<'_>],
        change: impl Fn(&mut PresentedFile),
    ) -> Result<Result<Admitted, Rejection>, Fault> {
        admit(&self.archive, id, transfer, files, change)
    }

    /// Asks for a token over the oldest evidence tree that has none, and journals what came of it; `false` if all have.
    ///
    /// # Errors
    /// Those of the attester and of a commit.
    pub fn attest(&mut self) -> Result<bool, Fault> {
        let Some((seal, algorithm)) = self.archive.index().unattested(1)?.first().copied() else { return Ok(false) };
        let outcome = self.writers.attester.attest(seal, algorithm);
        let refusals = self.writers.attester.take_events().into_iter();
        for event in refusals.map(Ok).chain([outcome]) {
            self.writers.committer.commit(vec![Submission::Event(event?)])?;
        }
        Ok(true)
    }

    /// Deposits files and waits for the commit.
    ///
    /// # Errors
    /// Those of reception, admission and commit.
    ///
    /// # Panics
    /// If the deposit is rejected: rigs deposit what is admissible.
    pub fn deposit(&mut self, id: &str, transfer: &str, files: &[File<'_>]) -> Result<Committed, Fault> {
        let admitted = self.admit(id, transfer, files)?.expect("an admissible deposit");
        let mut results = self.writers.committer.commit(vec![Submission::Deposit(Box::new(admitted))])?;
        Ok(results.pop().expect("one result for one submission"))
    }
}
