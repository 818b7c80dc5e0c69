//! What somebody outside remembers of an archive: every receipt, every checkpoint, every refusal.
//!
//! The model is held against the engine (it must find, receipt and give back everything that was ever answered, and
//! nothing else) and against the bytes at rest (every chain holds, every log begins with all the logs before it).

mod at_rest;
mod audited;

use std::collections::{BTreeMap, BTreeSet};

use cartulaire_engine::archive::Archive;
use cartulaire_engine::commit::Committed;
use cartulaire_engine::fault::Fault;
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::commit::CommitError;
use cartulaire_formats::journal::EventType;
use cartulaire_formats::layout::{CommitNumber, ObjectName, SealNumber, SequenceNumber};
use cartulaire_formats::receipt::Receipt;

pub use at_rest::{AtRest, Depth};

use crate::rig::{Rig, World, tenant};
use crate::sim::{Image, SimStore};

const DAY_MILLIS: i64 = 24 * 3_600 * 1_000;

/// A file's name and content.
pub type OwnedFile = (String, Vec<u8>);

/// A promise broken.
#[derive(Debug)]
pub enum Violation {
    /// An acknowledged deposit is not there any more.
    Lost(String),
    /// Its receipt is not the bytes that were given.
    Receipt(String),
    /// Its files are not the bytes that were deposited.
    Content(String),
    /// A deposit that was refused, or never made, is visible.
    Visible(String),
    /// A deposit that was answered as new, replayed or in conflict is not that.
    Answer(String),
    /// The engine cannot read what it must.
    Engine(Fault),
    /// A commit between others is missing.
    CommitGap(CommitNumber),
    /// A commit is not sound.
    Commit(CommitNumber, CommitError),
    /// A commit does not continue the one before.
    CommitChain(CommitNumber),
    /// A commit has commitments without openings.
    Openings(CommitNumber),
    /// An object's bytes are not what its name says.
    ObjectBytes(CommitNumber),
    /// A container that a commit names is missing or not what it says.
    Container(String),
    /// A container that no commit names was left behind.
    Orphan(String),
    /// An entry does not continue its tenant's chain, or goes back in time.
    TenantChain(SequenceNumber),
    /// A seal between others is missing.
    SealGap(SealNumber),
    /// A checkpoint is not this log's over its entries.
    Checkpoint(SealNumber),
    /// A checkpoint does not follow from the one before.
    Inconsistent(SealNumber),
    /// A seal has no evidence leaves, or they are another's.
    EvidenceLeaves(SealNumber),
    /// A tile or entry bundle is missing or wrong.
    Tile(String),
    /// The audit found this.
    Audit(String),
    /// There is no complete proof, for that reason.
    NotProven(String, String),
    /// A required copy has not what the deciding site has.
    Copy(String),
}

/// What is known of a transfer.
#[derive(Debug, Clone)]
enum Transfer {
    /// Answered: archive, receipt, files.
    Kept(Box<Kept>),
    /// Refused, with nothing changed.
    Refused,
    /// The outcome of its commit was unknown.
    Doubtful(Vec<OwnedFile>),
}

#[derive(Debug, Clone)]
struct Kept {
    archive: ArchiveId,
    receipt: String,
    files: Vec<OwnedFile>,
}

/// Everything that was ever answered.
#[derive(Debug, Clone, Default)]
pub struct Model {
    tenants: BTreeSet<String>,
    transfers: BTreeMap<(String, String), Transfer>,
    site: AtRest,
    rounds: usize,
}

/// How many of the receipts one check asks the engine for, in turn; an opening asks for all of them.
const RECEIPTS_ASKED: usize = 8;

impl Model {
    /// A tenant was created.
    pub fn tenant(&mut self, id: &str) {
        self.tenants.insert(id.to_owned());
    }

    /// Notes what a deposit was answered, after checking that it may be so.
    ///
    /// # Errors
    /// [`Violation::Answer`] if a replay or conflict is none, [`Violation::Engine`] if no receipt could be signed.
    pub fn answered(
        &mut self,
        archive: &Archive,
        key: (&str, &str),
        files: Vec<OwnedFile>,
        answer: &Result<Committed, Fault>,
    ) -> Result<(), Violation> {
        let key = (key.0.to_owned(), key.1.to_owned());
        let before = self.transfers.get(&key);
        let kept = match before {
            Some(Transfer::Kept(kept)) => Some(kept),
            _ => None,
        };
        let wrong = || Err(Violation::Answer(key.1.clone()));
        let now = match answer {
            Ok(Committed::Deposit(deposit)) if kept.is_none() => {
                let receipt = archive.receipt(deposit).map_err(Violation::Engine)?;
                Transfer::Kept(Box::new(Kept { archive: deposit.descriptor.archive, receipt, files }))
            }
            Ok(Committed::Replayed(id)) => match kept {
                Some(kept) if kept.archive == *id && kept.files == files => return Ok(()),
                _ => return wrong(),
            },
            Ok(Committed::Conflict(id)) => match kept {
                Some(kept) if kept.archive == *id && kept.files != files => return Ok(()),
                _ => return wrong(),
            },
            Ok(_) => return wrong(),
            Err(_) if kept.is_some() => return Ok(()),
            Err(Fault::Retry(_)) => Transfer::Refused,
            Err(_) => Transfer::Doubtful(files),
        };
        self.transfers.insert(key, now);
        Ok(())
    }

    /// A deposit was refused: nothing of it may ever be seen.
    pub fn refused(&mut self, tenant: &str, transfer: &str) {
        self.transfers.entry((tenant.to_owned(), transfer.to_owned())).or_insert(Transfer::Refused);
    }

    /// How many receipts were given.
    #[must_use]
    pub fn receipts(&self) -> usize {
        self.transfers.values().filter(|t| matches!(t, Transfer::Kept(_))).count()
    }

    /// The transfers that have a receipt, with their files.
    pub fn kept(&self) -> impl Iterator<Item = (&str, &str, &[OwnedFile])> {
        self.transfers.iter().filter_map(|((tenant, transfer), state)| match state {
            Transfer::Kept(kept) => Some((tenant.as_str(), transfer.as_str(), &kept.files[..])),
            _ => None,
        })
    }

    /// After an opening, what was in doubt is either whole or absent; from now on it stays so.
    ///
    /// # Errors
    /// [`Violation::Engine`].
    pub fn settle(&mut self, rig: &Rig) -> Result<(), Violation> {
        let in_doubt = self.transfers.iter_mut().filter_map(|(key, state)| match state {
            Transfer::Doubtful(files) => Some((key, std::mem::take(files), state)),
            _ => None,
        });
        for ((owner, transfer), files, state) in in_doubt {
            let owner = tenant(owner);
            let row = rig.archive.index().transfer(&owner, transfer).map_err(|e| Violation::Engine(e.into()))?;
            *state = match row {
                None => Transfer::Refused,
                Some(row) => {
                    let receipt = rig.archive.receipt_of(&owner, &row.archive).map_err(Violation::Engine)?;
                    let receipt = receipt.ok_or_else(|| Violation::Lost(transfer.clone()))?;
                    Transfer::Kept(Box::new(Kept { archive: row.archive, receipt, files }))
                }
            };
        }
        Ok(())
    }

    /// Holds the engine and the bytes at rest to everything that was ever answered.
    ///
    /// - `opened`: the archive was just opened, so that nothing half-done may be left.
    ///
    /// # Errors
    /// The first [`Violation`] met.
    pub fn check(&mut self, world: &World, rig: &Rig, opened: bool, depth: Depth) -> Result<(), Violation> {
        self.rounds += 1;
        self.check_engine(rig, opened, depth)?;
        let image = world.store.live();
        self.site.follow(&image, rig.archive.key(), depth)?;
        self.check_journal()?;
        if opened {
            self.check_swept(&image)?;
            self.check_copies(world)?;
        }
        Ok(())
    }

    /// The journal and the log, as they were at the last check.
    #[must_use]
    pub fn site(&self) -> &AtRest {
        &self.site
    }

    fn check_engine(&self, rig: &Rig, all: bool, depth: Depth) -> Result<(), Violation> {
        let mut known: BTreeMap<&str, BTreeSet<ArchiveId>> = BTreeMap::new();
        let first = self.rounds * RECEIPTS_ASKED % self.transfers.len().max(1);
        for (at, ((owner, transfer), state)) in self.transfers.iter().enumerate() {
            let Transfer::Kept(kept) = state else { continue };
            known.entry(owner).or_default().insert(kept.archive);
            if all || depth == Depth::Bytes || (first..first + RECEIPTS_ASKED).contains(&at) {
                check_kept(rig, owner, transfer, kept, depth)?;
            }
        }
        for owner in &self.tenants {
            let listed = rig.archive.index().archives(&tenant(owner), None, usize::MAX);
            let listed = listed.map_err(|e| Violation::Engine(e.into()))?;
            let listed: BTreeSet<_> = listed.into_iter().map(|(id, _)| id).collect();
            let known = known.remove(owner.as_str()).unwrap_or_default();
            if let Some(unknown) = listed.symmetric_difference(&known).next() {
                return Err(Violation::Visible(unknown.to_string()));
            }
        }
        Ok(())
    }

    /// An opening sweeps the containers of the last days that no commit names.
    fn check_swept(&self, image: &Image) -> Result<(), Violation> {
        let last = self.site.entries.last().map(|entry| entry.time);
        let since = last.and_then(|time| time.checked_add_millis(-2 * DAY_MILLIS));
        let since = since.map_or_else(String::new, |time| format!("containers/direct/{}", time.date()));
        let recent = image.keys().map(|name| name.as_str());
        let mut recent = recent.filter(|name| name.starts_with("containers/") && **name >= *since);
        match recent.find(|name| !self.site.containers.contains(*name)) {
            Some(orphan) => Err(Violation::Orphan(orphan.to_owned())),
            None => Ok(()),
        }
    }

    /// A copy has everything but what no checkpoint reaches yet, what an attester has not come to use, and the orphans
    /// that are left to time.
    fn check_copies(&self, world: &World) -> Result<(), Violation> {
        let decided = world.store.live();
        let counts = |name: &ObjectName| {
            let is_orphan = name.as_str().starts_with("containers/") && !self.site.containers.contains(name.as_str());
            let is_for_attester = name.as_str().starts_with("keys/tsa/") || name.as_str().ends_with(".tst");
            !is_orphan && !is_for_attester && !self.site.is_ahead_of_seal(name)
        };
        for copied in world.copies.iter().map(SimStore::live) {
            let differs = decided.iter().filter(|(name, bytes)| copied.get(name) != Some(bytes)).map(|(name, _)| name);
            let unknown = copied.keys().filter(|name| !decided.contains_key(name));
            if let Some(name) = differs.chain(unknown).find(|name| counts(name)) {
                return Err(Violation::Copy(name.to_string()));
            }
        }
        Ok(())
    }

    /// The journal's deposits are those that have receipts, each at the place that its receipt names.
    fn check_journal(&self) -> Result<(), Violation> {
        let deposits = self.site.entries.iter().filter(|entry| entry.event == EventType::Deposit);
        let mut journaled: BTreeSet<_> = deposits.map(|entry| entry.subject.clone()).collect();
        for ((_, transfer), state) in &self.transfers {
            let Transfer::Kept(kept) = state else { continue };
            let text = kept.receipt.split_once("\n\n").map_or("", |(text, _)| text);
            let receipt = Receipt::parse(&format!("{text}\n")).map_err(|_| Violation::Receipt(transfer.clone()))?;
            let leaf = self.site.leaves.get(receipt.seq.0 as usize);
            if leaf != Some(&receipt.entry) || !journaled.remove(&format!("archive:{}", kept.archive)) {
                return Err(Violation::Lost(transfer.clone()));
            }
        }
        journaled.pop_first().map_or(Ok(()), |subject| Err(Violation::Visible(subject)))
    }
}

fn check_kept(rig: &Rig, owner: &str, transfer: &str, kept: &Kept, depth: Depth) -> Result<(), Violation> {
    let owner = tenant(owner);
    let receipt = rig.archive.receipt_of(&owner, &kept.archive).map_err(Violation::Engine)?;
    match receipt {
        None => return Err(Violation::Lost(transfer.to_owned())),
        Some(receipt) if receipt != kept.receipt => return Err(Violation::Receipt(transfer.to_owned())),
        Some(_) => {}
    }
    let found = rig.archive.find(&owner, &kept.archive).map_err(Violation::Engine)?;
    let found = found.ok_or_else(|| Violation::Lost(transfer.to_owned()))?;
    let described = found.descriptor.files.iter().zip(&kept.files);
    let same_names =
        described.clone().all(|(file, (name, content))| file.name == *name && file.size == content.len() as u64);
    if !same_names || found.descriptor.files.len() != kept.files.len() {
        return Err(Violation::Content(transfer.to_owned()));
    }
    for (file, (_, content)) in described.filter(|_| depth == Depth::Bytes) {
        let mut read = Vec::with_capacity(content.len());
        let reader = rig.archive.open_file(&owner, file).map_err(Violation::Engine)?;
        let take = |piece: bytes::Bytes| {
            read.extend_from_slice(&piece);
            true
        };
        reader.stream(&file.blake3, take).map_err(Violation::Engine)?;
        if read != *content {
            return Err(Violation::Content(transfer.to_owned()));
        }
    }
    Ok(())
}
