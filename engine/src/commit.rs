//! Group commit: whatever arrived while the last sync ran becomes one container, made durable by one creation.
//!
//! The sequence is draft → prepare → publish → apply → answer. A draft changes nothing; preparing brings its bytes to the
//! deciding site under no name; publishing `commits/<n>.tar` there is the only commit point; applying makes the index
//! follow, by the same code as recovery; only then are the depositors answered. A fault before the commit point leaves
//! everything as it was; a fault at it poisons the committer, which refuses everything from then on until the archive is
//! opened again.

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
use crate::sites::PreparedObject;
use draft::{Brought, Draft};

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
///
/// [`Committer::stage`] brings a commit's bytes to the deciding site under no name; [`Staged::publish`] gives the name,
/// which commits. One commit may be staged while the one before is being published; [`Committer::commit`] does both.
pub struct Committer {
    archive: Arc<Archive>,
    /// Where the chain stands once everything staged is published.
    head: Option<CommitHead>,
    chains: HashMap<TenantId, LeafHash>,
    /// What the last staged commit brings, which the index may not follow yet.
    last: Brought,
    clock_is_behind: bool,
    poisoned: bool,
}

/// A commit whose bytes are durable at the deciding site under no name: not committed. Dropping it leaves nothing.
pub struct Staged {
    results: Vec<Committed>,
    work: Option<Box<Work>>,
}

struct Work {
    prepared: PreparedObject,
    record: CommitRecord,
    orphans: Vec<String>,
}

impl Committer {
    /// Takes over where the index stands; only [`crate::archive`] makes one, after recovery.
    pub(crate) fn new(archive: Arc<Archive>) -> Result<Self, Fault> {
        let head = archive.index().commit_head()?;
        let (chains, last) = Default::default();
        Ok(Self { archive, head, chains, last, clock_is_behind: false, poisoned: false })
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
        let staged = self.stage(batch)?;
        let outcome = staged.publish(&self.archive);
        self.settle(outcome.as_ref().err())?;
        outcome
    }

    /// Drafts a commit of a batch and brings its bytes to the deciding site, under no name.
    ///
    /// The commit before may still be on its way to being published; nothing of this one counts before it is too.
    ///
    /// # Errors
    /// As [`Committer::commit`].
    pub fn stage(&mut self, batch: Vec<Submission>) -> Result<Staged, Fault> {
        if self.poisoned {
            return Err(Fault::Poisoned);
        }
        let (time, stepped) = self.time();
        let mut draft = Draft::new(&self.archive, self.head.as_ref(), &self.chains, &self.last, time);
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
            // What came for a transfer that is known has no commit to wait for.
            sweep(&self.archive, &draft.into_orphans());
            return Ok(Staged { results, work: None });
        }
        let (record, parts, orphans, brought) = draft.finish();
        let name = layout::commit(record.commit.trailer.commit);
        let prepared = self.archive.sites().prepare(&name, parts);
        // Whatever happened, nothing has a name yet: this draft may be dropped.
        let prepared = prepared.map_err(|error| self.fail(error.into()))?;
        self.advance(&record, brought);
        self.clock_is_behind |= stepped.is_some();
        Ok(Staged { results, work: Some(Box::new(Work { prepared, record, orphans })) })
    }

    /// Takes note of how publishing the staged commits ended.
    ///
    /// # Errors
    /// [`Fault::Poisoned`] if the committer had to stop.
    pub fn settle(&mut self, fault: Option<&Fault>) -> Result<(), Fault> {
        match fault {
            None => Ok(()),
            // Nothing was committed: whatever was staged is void, and the chain stands where the index says.
            Some(Fault::Retry(_)) => {
                self.head = self.archive.index().commit_head()?;
                self.chains.clear();
                self.last = Brought::default();
                Ok(())
            }
            Some(_) => {
                self.poisoned = true;
                Err(Fault::Poisoned)
            }
        }
    }

    /// Whether the committer has stopped.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    fn fail(&mut self, fault: Fault) -> Fault {
        self.poisoned |= !matches!(fault, Fault::Retry(_));
        fault
    }

    fn advance(&mut self, record: &CommitRecord, brought: Brought) {
        let trailer = &record.commit.trailer;
        self.head = Some(CommitHead {
            commit: trailer.commit,
            trailer: record.commit.trailer_digest,
            next: SequenceNumber(trailer.first.0 + trailer.entries),
            time: trailer.time,
        });
        self.chains.extend(brought.chains.iter().map(|(tenant, leaf)| (tenant.clone(), *leaf)));
        self.last = brought;
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
}

impl Staged {
    /// Commits: gives the staged bytes their name, makes the index follow, and tells what became of each submission.
    ///
    /// # Errors
    /// As [`Committer::commit`]; to be told to [`Committer::settle`].
    pub fn publish(self, archive: &Archive) -> Result<Vec<Committed>, Fault> {
        let Some(work) = self.work else { return Ok(self.results) };
        let Work { prepared, record, orphans } = *work;
        prepared.publish(archive.sites())?;
        // The commit is durable on every required site; from here on it stands, whatever fails.
        archive.index().apply_commit(&record)?;
        archive.push_pending(PendingCommit::new(record.commit));
        sweep(archive, &orphans);
        Ok(self.results)
    }
}

/// Containers that lost the race for the same content; what is left of them the next opening sweeps.
fn sweep(archive: &Archive, orphans: &[String]) {
    for name in orphans.iter().filter_map(|name| name.parse().ok()) {
        if let Err(error) = archive.sites().delete(&name) {
            tracing::warn!(container = %name, %error, "an orphan container could not be deleted yet");
        }
    }
}
