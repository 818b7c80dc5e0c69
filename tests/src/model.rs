//! What somebody outside remembers of an archive: every receipt, every checkpoint, every refusal.
//!
//! The model is held against the engine (it must find, receipt and give back everything that was ever answered, and
//! nothing else) and against the bytes at rest (every chain holds, every log begins with all the logs before it).

mod at_rest;

use std::collections::{BTreeMap, BTreeSet};

use cartulaire_engine::archive::Archive;
use cartulaire_engine::commit::Committed;
use cartulaire_engine::fault::Fault;
use cartulaire_formats::aip::ArchiveId;
use cartulaire_formats::commit::CommitError;
use cartulaire_formats::journal::EventType;
use cartulaire_formats::layout::{CommitNumber, SealNumber, SequenceNumber};
use cartulaire_formats::merkle::{RootHash, TreeSize};
use cartulaire_formats::receipt::Receipt;

pub use at_rest::{AtRest, Depth};

use crate::rig::{Rig, World, tenant};

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
    /// A checkpoint that was seen is not there any more.
    CheckpointGone(SealNumber),
    /// A seal has no evidence leaves, or they are another's.
    EvidenceLeaves(SealNumber),
    /// A tile or entry bundle is missing or wrong.
    Tile(String),
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
    checkpoints: Vec<(TreeSize, RootHash)>,
}

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
        self.check_engine(rig, depth)?;
        let image = world.store.live();
        let site = AtRest::derive(&image, rig.archive.key(), depth)?;
        self.check_journal(&site)?;
        for (seal, seen) in self.checkpoints.iter().enumerate() {
            if site.checkpoints.get(seal) != Some(seen) {
                return Err(Violation::CheckpointGone(SealNumber(seal as u64)));
            }
        }
        self.checkpoints.clone_from(&site.checkpoints);
        if opened {
            let left = image.keys().map(|n| n.as_str()).filter(|n| n.starts_with("containers/"));
            if let Some(orphan) = left.into_iter().find(|name| !site.containers.contains(*name)) {
                return Err(Violation::Orphan(orphan.to_owned()));
            }
            check_copies(world)?;
        }
        Ok(())
    }

    fn check_engine(&self, rig: &Rig, depth: Depth) -> Result<(), Violation> {
        let mut known: BTreeMap<&str, BTreeSet<ArchiveId>> = BTreeMap::new();
        for ((owner, transfer), state) in &self.transfers {
            if let Transfer::Kept(kept) = state {
                known.entry(owner).or_default().insert(kept.archive);
                check_kept(rig, owner, transfer, kept, depth)?;
            }
        }
        for owner in &self.tenants {
            let listed = rig.archive.index().archives(&tenant(owner), None, usize::MAX);
            let listed: BTreeSet<_> = listed.map_err(|e| Violation::Engine(e.into()))?.into_iter().map(|a| a.0).collect();
            let known = known.remove(owner.as_str()).unwrap_or_default();
            if let Some(unknown) = listed.symmetric_difference(&known).next() {
                return Err(Violation::Visible(unknown.to_string()));
            }
        }
        Ok(())
    }

    /// The journal's deposits are those that have receipts, each at the place that its receipt names.
    fn check_journal(&self, site: &AtRest) -> Result<(), Violation> {
        let deposits = site.entries.iter().filter(|entry| entry.event == EventType::Deposit);
        let mut journaled: BTreeSet<_> = deposits.map(|entry| entry.subject.clone()).collect();
        for ((_, transfer), state) in &self.transfers {
            let Transfer::Kept(kept) = state else { continue };
            let text = kept.receipt.split_once("\n\n").map_or("", |(text, _)| text);
            let receipt = Receipt::parse(&format!("{text}\n")).map_err(|_| Violation::Receipt(transfer.clone()))?;
            let leaf = site.leaves.get(receipt.seq.0 as usize);
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
    let same_names = described.clone().all(|(file, (name, content))| {
        file.name == *name && file.size == content.len() as u64
    });
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

fn check_copies(world: &World) -> Result<(), Violation> {
    let decided = world.store.live();
    for copy in &world.copies {
        let copied = copy.live();
        let differs = decided.iter().find(|(name, bytes)| copied.get(name) != Some(bytes));
        if let Some(name) = differs.map(|(name, _)| name).or(copied.keys().find(|n| !decided.contains_key(n))) {
            return Err(Violation::Copy(name.to_string()));
        }
    }
    Ok(())
}
