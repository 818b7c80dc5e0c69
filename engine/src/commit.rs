//! Group commit: whatever arrived while the last sync ran becomes one container, made durable by one creation.
//!
//! The sequence is draft → create → apply → answer. A draft changes nothing; creating `commits/<n>.tar` on the deciding
//! site is the only commit point; applying makes the index follow, by the same code as recovery; only then are the
//! depositors answered. A fault before the commit point leaves everything as it was; a fault at it poisons the
//! committer, which refuses everything from then on until the archive is opened again.

mod draft;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::aip::{AipDescriptor, ArchiveId};
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::{EventType, JournalEntry, Outcome, TenantId};
use cartulaire_formats::layout::{self, CommitNumber, SequenceNumber};
use cartulaire_formats::merkle::LeafHash;
use cartulaire_formats::time::Timestamp;

use crate::admit::Admitted;
use crate::archive::{Archive, PendingCommit};
use crate::bounds::CLOCK_STEP_MILLIS_MAX;
use crate::fault::Fault;
use crate::index::{CommitHead, CommitRecord};
use draft::Draft;

/// Something to be journaled, durably and in order.
pub enum Submission {
    /// A deposit that passed admission.
    Deposit(Box<Admitted>),
    /// Any other event.
    Event(Event),
}

impl Submission {
    /// Bytes of objects that the submission brings into its commit.
    #[must_use]
    pub fn inline_bytes(&self) -> usize {
        match self {
            Self::Deposit(admitted) => admitted.inline_bytes(),
            Self::Event(event) => event.details.iter().map(Bytes::len).sum(),
        }
    }
}

/// An event that is no deposit.
#[derive(Debug, Clone)]
pub struct Event {
    /// Whose journal.
    pub tenant: TenantId,
    /// Who: `key:<id>`, `service` or `operator`.
    pub agent: String,
    /// What about: `archive:<id>`, `key:<id>`, `tenant:<id>`, `seal:<n>` or `journal`.
    pub subject: String,
    /// What happened.
    pub event: EventType,
    /// How it ended.
    pub outcome: Outcome,
    /// Facts without personal data.
    pub facts: BTreeMap<String, String>,
    /// Detail objects, which may hold personal data: stored and committed to like any object.
    pub details: Vec<Bytes>,
}

impl Event {
    /// An event of the service itself, in its own journal.
    #[must_use]
    pub fn of_service(event: EventType, subject: &str, outcome: Outcome) -> Self {
        Self {
            tenant: TenantId::service(),
            agent: "service".into(),
            subject: subject.into(),
            event,
            outcome,
            facts: BTreeMap::new(),
            details: Vec::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with_fact(mut self, name: &str, value: impl ToString) -> Self {
        self.facts.insert(name.into(), value.to_string());
        self
    }
}

/// What became of a submission.
#[derive(Debug, Clone)]
pub enum Committed {
    /// The deposit is durable.
    Deposit(Box<CommittedDeposit>),
    /// The same bytes were deposited under this transfer identifier before: this archive.
    Replayed(ArchiveId),
    /// Other bytes were deposited under this transfer identifier before: this archive. Nothing was written.
    Conflict(ArchiveId),
    /// The event is durable.
    Event(SequenceNumber),
}

/// A durable deposit.
#[derive(Debug, Clone)]
pub struct CommittedDeposit {
    /// Its descriptor.
    pub descriptor: AipDescriptor,
    /// Address of the descriptor.
    pub descriptor_digest: Sha256Digest,
    /// Its journal entry.
    pub entry: JournalEntry,
    /// That entry's leaf hash.
    pub leaf: LeafHash,
    /// Its commit.
    pub commit: CommitNumber,
}

/// The one writer of commits.
pub struct Committer {
    archive: Arc<Archive>,
    head: Option<CommitHead>,
    chains: HashMap<TenantId, LeafHash>,
    clock_is_behind: bool,
    poisoned: bool,
}

impl Committer {
    /// Takes over where the index stands; only [`crate::archive`] makes one, after recovery.
    pub(crate) fn new(archive: Arc<Archive>) -> Result<Self, Fault> {
        let head = archive.index().commit_head()?;
        Ok(Self { archive, head, chains: HashMap::new(), clock_is_behind: false, poisoned: false })
    }

    /// Makes a batch durable on every required site, in order.
    ///
    /// On return every deposit and event of the batch survives power loss.
    ///
    /// - `batch`: at most [`COMMIT_SUBMISSIONS_MAX`](crate::bounds::COMMIT_SUBMISSIONS_MAX).
    /// - Returns one [`Committed`] for each, in input order.
    /// - Cost: one container and one creation per site, whatever the length.
    ///
    /// # Errors
    /// - [`Fault::Retry`]: nothing was written.
    /// - [`Fault::Poisoned`]: durability unknown; every later call answers the same. Open the archive again.
    pub fn commit(&mut self, batch: Vec<Submission>) -> Result<Vec<Committed>, Fault> {
        if self.poisoned {
            return Err(Fault::Poisoned);
        }
        let (time, stepped) = self.time();
        let mut draft = Draft::new(&self.archive, self.head.as_ref(), &self.chains, time);
        if let Some(millis) = stepped {
            let event = Event::of_service(EventType::ClockAnomaly, "journal", Outcome::Success);
            draft.event(event.with_fact("behind_ms", millis))?;
        }
        let mut results = Vec::with_capacity(batch.len());
        for submission in batch {
            results.push(match submission {
                Submission::Deposit(admitted) => draft.deposit(*admitted)?,
                Submission::Event(event) => draft.event(event)?,
            });
        }
        if draft.is_empty() {
            return Ok(results);
        }
        let (record, parts, orphans) = draft.finish();
        // Nothing is written yet; the draft may be dropped.
        let name = layout::commit(record.commit.trailer.commit);
        if let Err(error) = self.archive.sites().create(&name, &parts) {
            return Err(self.fail(error.into()));
        }
        // The commit is durable on every required site; from here on it stands, whatever fails.
        self.apply(record).map_err(|fault| self.fail(fault))?;
        self.clock_is_behind |= stepped.is_some();
        self.sweep(&orphans);
        Ok(results)
    }

    /// Whether the committer has stopped.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn fail(&mut self, fault: Fault) -> Fault {
        match fault {
            Fault::Retry(retry) => Fault::Retry(retry),
            _ => {
                self.poisoned = true;
                Fault::Poisoned
            }
        }
    }

    fn apply(&mut self, record: CommitRecord) -> Result<(), Fault> {
        self.archive.index().apply_commit(&record)?;
        let trailer = &record.commit.trailer;
        self.head = Some(CommitHead {
            commit: trailer.commit,
            trailer: record.commit.trailer_digest,
            next: SequenceNumber(trailer.first.0 + trailer.entries),
            time: trailer.time,
        });
        for (entry, line) in &record.commit.entries {
            self.chains.insert(entry.tenant.clone(), cartulaire_formats::journal::leaf_hash(line));
        }
        self.archive.push_pending(PendingCommit::new(record.commit));
        Ok(())
    }

    /// Never before the last entry; says by how many milliseconds the clock is behind when that is first noticed.
    fn time(&mut self) -> (Timestamp, Option<i64>) {
        let now = self.archive.clock().now();
        let Some(last) = self.head.map(|h| h.time) else { return (now, None) };
        let behind = last.unix_millis() - now.unix_millis();
        if behind <= 0 {
            self.clock_is_behind = false;
            return (now, None);
        }
        let anomaly = behind > CLOCK_STEP_MILLIS_MAX && !self.clock_is_behind;
        (last, anomaly.then_some(behind))
    }

    /// Containers that lost the race for the same content; what is left of them the next opening sweeps.
    fn sweep(&self, orphans: &[String]) {
        for name in orphans.iter().filter_map(|name| name.parse().ok()) {
            if let Err(error) = self.archive.sites().delete(&name) {
                tracing::warn!(container = %name, %error, "an orphan container could not be deleted yet");
            }
        }
    }
}
