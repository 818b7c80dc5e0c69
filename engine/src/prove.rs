//! Proving: what anybody needs to check that an archive was deposited, and when, without us.
//!
//! A [`Proof`] is assembled from the bytes at rest alone, always with the seal that covers the deposit's entry, so it is
//! the same for ever. Every piece is verified against the others while it is assembled: a proof that does not hold
//! cannot leave, whatever happened at rest. The index is asked only where things lie.
//!
//! Deliberately not here: whether an authority deserves trust. That is for the reader, with a root of his own.

mod at_rest;
mod bag;
mod bundle;
mod cache;
mod readme;
mod seal;
mod token;

use std::sync::Arc;

use cartulaire_formats::aip::{AipDescriptor, ArchiveId};
use cartulaire_formats::commit::{Commit, Opening};
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::{EventType, JournalEntry, Outcome, TenantId, leaf_hash};
use cartulaire_formats::layout::{self, CommitNumber, EvidenceAlgorithm, SealNumber, SequenceNumber};
use cartulaire_formats::merkle::{self, InclusionProof, LeafIndex, TreeSize};
use cartulaire_formats::tiles::{TileNodes, TileNodesError};
use cartulaire_formats::tlog_proof::TlogProof;

use crate::archive::Archive;
use crate::fault::{Damage, DamageKind, Fault};
use crate::index::IndexError;

pub use bundle::BundleError;
pub(crate) use cache::ProofCache;
use seal::{SealEvidence, SealTree};
pub use token::{StampedToken, Standing};

/// How far the proof of an archive has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Durable, and answered for by a receipt.
    Committed,
    /// In the signed log; a token is still awaited.
    Sealed,
    /// Time-stamped in every evidence tree of its seal, and that is journaled: the proof is complete and will not change.
    Attested,
}

/// The proof of one archive, as far as it has come; each of its pieces agrees with the others.
pub struct Proof {
    descriptor: AipDescriptor,
    descriptor_bytes: Vec<u8>,
    commit: CommitNumber,
    entry: JournalEntry,
    line: Vec<u8>,
    openings: Vec<Opening>,
    sealed: Option<SealedEntry>,
}

/// The deposit's entry in the log, and the evidence of the seal that covers it.
struct SealedEntry {
    evidence: Arc<SealEvidence>,
    inclusion: InclusionProof,
}

impl Archive {
    /// Assembles the proof of an archive; `None` if the tenant has no archive of that identifier.
    ///
    /// - Cost once its seal and commit are in memory: one small read and a few dozen hashes.
    ///
    /// # Errors
    /// [`Fault::Damaged`] names the object at rest that is missing, altered, or contradicts the others.
    ///
    /// # Standard
    /// RFC 4998 §4.3, RFC 6962 §2.1.1: what is assembled is what these verify.
    pub fn proof(&self, tenant: &TenantId, archive: &ArchiveId) -> Result<Option<Proof>, Fault> {
        let Some(found) = self.find(tenant, archive)? else { return Ok(None) };
        let commit = at_rest::commit(self, found.row.commit)?;
        let mut proof = deposit(&commit, found.row.seq, found.descriptor)?;
        if proof.descriptor.tenant != *tenant || proof.descriptor.archive != *archive {
            return Err(IndexError::Malformed.into());
        }
        if let Some((seal, size)) = self.index().seal_of(found.row.seq)? {
            let evidence = seal::evidence(self, seal, TreeSize(size))?;
            proof.sealed = Some(self.sealed(&proof, evidence)?);
        }
        Ok(Some(proof))
    }

    fn sealed(&self, proof: &Proof, evidence: Arc<SealEvidence>) -> Result<SealedEntry, Fault> {
        let inclusion = self.inclusion(&evidence, proof.entry.seq, &proof.line)?;
        for tree in &evidence.trees {
            let held = |o: &Opening| tree.holds(&o.sha256, o.sha512.as_ref(), &o.blind);
            let due = |o: &&Opening| tree.algorithm == EvidenceAlgorithm::Sha256 || o.sha512.is_some();
            if !proof.openings.iter().filter(due).all(held) {
                let name = layout::evidence_leaves(evidence.seal, tree.algorithm);
                return Err(Damage::new(name, DamageKind::Evidence).into());
            }
        }
        Ok(SealedEntry { evidence, inclusion })
    }

    /// Where an entry stands in the log of a seal, verified against the seal's signed root.
    fn inclusion(&self, evidence: &SealEvidence, seq: SequenceNumber, line: &[u8]) -> Result<InclusionProof, Fault> {
        let size = evidence.edge.size();
        let read = |level, number| at_rest::full_tile(self, &evidence.edge, level, number);
        let mut nodes = TileNodes::new(&evidence.edge, read);
        let wrong = || Fault::from(Damage::new(layout::checkpoint(evidence.seal), DamageKind::Checkpoint));
        let inclusion = merkle::inclusion_proof(&mut nodes, LeafIndex(seq.0), size).map_err(|error| match error {
            merkle::ProveError::Nodes(TileNodesError::Read(fault)) => fault,
            _ => wrong(),
        })?;
        let root = evidence.checkpoint.checkpoint().root();
        inclusion.verify(&leaf_hash(line), &root).map_err(|_| wrong())?;
        Ok(inclusion)
    }
}

/// The deposit as its commit holds it, if entry, openings and descriptor agree.
fn deposit(commit: &Commit, seq: SequenceNumber, descriptor: AipDescriptor) -> Result<Proof, Fault> {
    let disagree = || Fault::from(Damage::new(layout::commit(commit.trailer.commit), DamageKind::Entry));
    let (entry, line) = at_rest::entry(commit, seq)?;
    let openings: Vec<Opening> = commit.openings_of(seq).copied().collect();
    let descriptor_bytes = descriptor.encode();
    let is_deposit = entry.event == EventType::Deposit && entry.outcome == Outcome::Success;
    let is_its_own = entry.tenant == descriptor.tenant && entry.subject == subject(&descriptor.archive);
    let described = descriptor.files.iter().map(|file| file.sha256);
    let objects = std::iter::once(Sha256Digest::of(&descriptor_bytes)).chain(described);
    let opened = objects.eq(openings.iter().map(|opening| opening.sha256));
    let committed = openings.iter().map(Opening::commitment).eq(entry.commitments.iter().copied());
    if !(is_deposit && is_its_own && opened && committed) {
        return Err(disagree());
    }
    let (entry, line) = (entry.clone(), line.to_vec());
    Ok(Proof { descriptor, descriptor_bytes, commit: commit.trailer.commit, entry, line, openings, sealed: None })
}

/// What journal entries call an archive.
fn subject(archive: &ArchiveId) -> String {
    format!("archive:{archive}")
}

impl Proof {
    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        match &self.sealed {
            None => Stage::Committed,
            Some(sealed) if sealed.evidence.trees.iter().all(|tree| tree.token().is_some()) => Stage::Attested,
            Some(_) => Stage::Sealed,
        }
    }

    /// What the archive is made of.
    #[must_use]
    pub fn descriptor(&self) -> &AipDescriptor {
        &self.descriptor
    }

    /// The commit that made the deposit durable.
    #[must_use]
    pub fn commit(&self) -> CommitNumber {
        self.commit
    }

    /// The deposit's journal entry.
    #[must_use]
    pub fn entry(&self) -> &JournalEntry {
        &self.entry
    }

    /// The entry's line, without its line feed: the leaf of the log.
    #[must_use]
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The descriptor's opening, then one for each file in the descriptor's order.
    #[must_use]
    pub fn openings(&self) -> &[Opening] {
        &self.openings
    }

    /// The seal that covers the deposit, once it is made.
    #[must_use]
    pub fn seal(&self) -> Option<SealNumber> {
        self.sealed.as_ref().map(|sealed| sealed.evidence.seal)
    }

    /// The log's size at that seal.
    #[must_use]
    pub fn tree_size(&self) -> Option<TreeSize> {
        self.sealed.as_ref().map(|sealed| sealed.evidence.edge.size())
    }

    /// Where the entry stands in the log, verified against the checkpoint.
    #[must_use]
    pub fn inclusion(&self) -> Option<&InclusionProof> {
        self.sealed.as_ref().map(|sealed| &sealed.inclusion)
    }

    /// The checkpoint's text, without signatures: what the evidence trees cover.
    #[must_use]
    pub fn checkpoint_text(&self) -> Option<&str> {
        self.sealed.as_ref().map(|sealed| sealed.evidence.checkpoint.text())
    }

    /// The signed checkpoint, as at rest.
    #[must_use]
    pub fn checkpoint(&self) -> Option<String> {
        self.sealed.as_ref().map(|sealed| sealed.evidence.checkpoint.note().to_string())
    }

    /// The inclusion of the entry in the log and the signed checkpoint, as one C2SP tlog-proof.
    #[must_use]
    pub fn tlog_proof(&self) -> Option<String> {
        let sealed = self.sealed.as_ref()?;
        let proof = TlogProof::new(&sealed.inclusion, &sealed.evidence.checkpoint, None);
        Some(proof.expect("there is no extra data to be too long").to_string())
    }

    /// The evidence trees of the seal: SHA-256, then SHA-512 if there is one; none before the seal.
    pub fn algorithms(&self) -> impl Iterator<Item = EvidenceAlgorithm> {
        self.trees().iter().map(|tree| tree.algorithm)
    }

    /// The time-stamp token over an evidence tree, once it is at rest and journaled.
    #[must_use]
    pub fn token(&self, algorithm: EvidenceAlgorithm) -> Option<&StampedToken> {
        self.tree(algorithm)?.token()
    }

    /// The RFC 4998 evidence record of the object at a position: 0 is the descriptor, then the files in order.
    ///
    /// `None` before the token, and in the SHA-512 tree for an object received before there was one.
    #[must_use]
    pub fn evidence_record(&self, position: usize, algorithm: EvidenceAlgorithm) -> Option<Vec<u8>> {
        let opening = self.openings.get(position)?;
        self.tree(algorithm)?.record(&opening.sha256, opening.sha512.as_ref(), &opening.blind)
    }

    /// The RFC 4998 evidence record of [`Self::checkpoint_text`], once the token is there.
    #[must_use]
    pub fn checkpoint_record(&self, algorithm: EvidenceAlgorithm) -> Option<Vec<u8>> {
        self.tree(algorithm)?.checkpoint_record(self.checkpoint_text()?)
    }

    fn trees(&self) -> &[SealTree] {
        self.sealed.as_ref().map_or(&[], |sealed| &sealed.evidence.trees)
    }

    fn tree(&self, algorithm: EvidenceAlgorithm) -> Option<&SealTree> {
        self.trees().iter().find(|tree| tree.algorithm == algorithm)
    }
}
