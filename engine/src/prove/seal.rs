//! A seal as evidence: its checkpoint, the log's edge at its size, its evidence trees and their tokens.

use std::sync::{Arc, OnceLock};

use cartulaire_formats::bounds::TOKEN_BYTES_MAX;
use cartulaire_formats::checkpoint::SignedCheckpoint;
use cartulaire_formats::ers::{self, EvidenceTree, LeafIndex, TreeDigest};
use cartulaire_formats::hash::{Blind, Sha256Digest, Sha512Digest};
use cartulaire_formats::journal::{EventType, JournalEntry, Outcome};
use cartulaire_formats::layout::{self, EvidenceAlgorithm, SealNumber};
use cartulaire_formats::merkle::TreeSize;
use cartulaire_formats::tiles::TreeEdge;
use cartulaire_formats::tsp::MessageImprint;

use super::at_rest::{self, first_sound};
use super::token::StampedToken;
use crate::archive::Archive;
use crate::bounds::{CHECKPOINT_BYTES_MAX, LEAVES_BYTES_MAX};
use crate::fault::{Damage, DamageKind, Fault};

/// Everything of a seal that proofs need, checked.
pub(crate) struct SealEvidence {
    pub seal: SealNumber,
    pub checkpoint: SignedCheckpoint,
    /// The log's edge at the checkpoint's size; its root is the checkpoint's.
    pub edge: TreeEdge,
    /// The SHA-256 tree, and the SHA-512 tree if there is one.
    pub trees: Vec<SealTree>,
}

/// One evidence tree; its first leaf is the checkpoint's text.
pub(crate) struct SealTree {
    pub algorithm: EvidenceAlgorithm,
    tree: Tree,
    token: OnceLock<StampedToken>,
}

enum Tree {
    Sha256(Sought<Sha256Digest>),
    Sha512(Sought<Sha512Digest>),
}

/// A tree with its leaves' positions in the order of their values.
struct Sought<D> {
    tree: EvidenceTree<D>,
    by_value: Vec<u32>,
}

impl<D: TreeDigest> Sought<D> {
    fn new(leaves: Vec<D>) -> Option<Self> {
        let mut by_value: Vec<u32> = (0..u32::try_from(leaves.len()).ok()?).collect();
        // Stable: of equal leaves the first is found, so that a record is the same every time.
        by_value.sort_by_key(|&position| leaves[position as usize]);
        Some(Self { tree: EvidenceTree::from_leaf_values(leaves).ok()?, by_value })
    }

    /// The way of a digest and its blind to the root, if they make a leaf of this tree.
    fn record(&self, digest: D, blind: Option<D>, token: &[u8]) -> Option<Vec<u8>> {
        let leaf = blind.map_or(digest, |blind| ers::leaf_value(&digest, &blind));
        let leaves = &self.tree.levels()[0];
        let found = self.by_value.partition_point(|&position| leaves[position as usize] < leaf);
        let index = LeafIndex(*self.by_value.get(found)? as usize);
        let path = ers::reduced_hashtree(&self.tree, index, digest, blind).ok()?;
        Some(ers::encode_record(&path, token))
    }

    fn holds(&self, digest: D, blind: D) -> bool {
        let leaf = ers::leaf_value(&digest, &blind);
        let leaves = &self.tree.levels()[0];
        self.by_value.binary_search_by_key(&leaf, |&position| leaves[position as usize]).is_ok()
    }
}

impl SealTree {
    /// The token, if it is at rest and journaled.
    pub fn token(&self) -> Option<&StampedToken> {
        self.token.get()
    }

    fn imprint(&self) -> MessageImprint {
        match &self.tree {
            Tree::Sha256(sought) => sought.tree.root().imprint(),
            Tree::Sha512(sought) => sought.tree.root().imprint(),
        }
    }

    /// Whether a leaf is made of this object and blind; an object without a SHA-512 has none in that tree.
    pub fn holds(&self, sha256: &Sha256Digest, sha512: Option<&Sha512Digest>, blind: &Blind) -> bool {
        match &self.tree {
            Tree::Sha256(sought) => sought.holds(*sha256, TreeDigest::from_blind(blind)),
            Tree::Sha512(sought) => sha512.is_some_and(|d| sought.holds(*d, TreeDigest::from_blind(blind))),
        }
    }

    /// The evidence record of an object, if the tree has it and its token.
    pub fn record(&self, sha256: &Sha256Digest, sha512: Option<&Sha512Digest>, blind: &Blind) -> Option<Vec<u8>> {
        let token = self.token()?.bytes();
        match &self.tree {
            Tree::Sha256(sought) => sought.record(*sha256, Some(TreeDigest::from_blind(blind)), token),
            Tree::Sha512(sought) => sought.record(*sha512?, Some(TreeDigest::from_blind(blind)), token),
        }
    }

    /// The evidence record of the checkpoint's text.
    pub fn checkpoint_record(&self, text: &str) -> Option<Vec<u8>> {
        let token = self.token()?.bytes();
        match &self.tree {
            Tree::Sha256(sought) => sought.record(Sha256Digest::of(text.as_bytes()), None, token),
            Tree::Sha512(sought) => sought.record(Sha512Digest::of(text.as_bytes()), None, token),
        }
    }
}

/// A seal's evidence, with the tokens that are at rest and journaled by now.
pub(super) fn evidence(archive: &Archive, seal: SealNumber, size: TreeSize) -> Result<Arc<SealEvidence>, Fault> {
    let found = archive.proofs().seals.of(seal, || load(archive, seal, size).map(Some))?;
    let found = found.ok_or_else(|| missing(layout::checkpoint(seal)))?;
    for tree in found.trees.iter().filter(|tree| tree.token().is_none()) {
        if let Some(token) = read_token(archive, seal, tree)? {
            // Another thread may have been first, with the same token.
            let _ = tree.token.set(token);
        }
    }
    Ok(found)
}

fn missing(name: layout::ObjectName) -> Fault {
    Damage::new(name, DamageKind::Missing).into()
}

/// The token of a tree, once it is at rest and journaled: from then on the proof does not change any more.
fn read_token(archive: &Archive, seal: SealNumber, tree: &SealTree) -> Result<Option<StampedToken>, Fault> {
    let Some(journaled) = journaled_token(archive, seal, tree.algorithm)? else { return Ok(None) };
    let name = layout::token(seal, tree.algorithm);
    let digest = journaled.facts.get("token").and_then(|token| token.parse().ok());
    let qualified = journaled.facts.get("qualified").is_some_and(|qualified| qualified == "true");
    let check = |bytes: &[u8]| {
        if Some(Sha256Digest::of(bytes)) != digest {
            return Err(DamageKind::Digest);
        }
        StampedToken::check(bytes, tree.imprint(), qualified)
    };
    let token = first_sound(archive, &name, TOKEN_BYTES_MAX as u64, check)?;
    token.map(Some).ok_or_else(|| missing(name))
}

/// The first entry that says that a seal's tree has its token; there are more after a crash between token and entry.
fn journaled_token(
    archive: &Archive,
    seal: SealNumber,
    algorithm: EvidenceAlgorithm,
) -> Result<Option<JournalEntry>, Fault> {
    for (seq, number) in archive.index().entries_about(&format!("seal:{seal}"))? {
        let commit = at_rest::commit(archive, number)?;
        let (entry, _) = at_rest::entry(&commit, seq)?;
        let of_tree = entry.facts.get("algorithm").is_some_and(|name| name == algorithm.as_str());
        if entry.event == EventType::SealAttested && entry.outcome == Outcome::Success && of_tree {
            return Ok(Some(entry.clone()));
        }
    }
    Ok(None)
}

fn load(archive: &Archive, seal: SealNumber, size: TreeSize) -> Result<(SealEvidence, usize), Fault> {
    let name = layout::checkpoint(seal);
    let check = |bytes: &[u8]| {
        let signed = SignedCheckpoint::open(bytes, archive.key(), &[]).map_err(|_| DamageKind::Checkpoint)?;
        if signed.checkpoint().size() == size { Ok(signed) } else { Err(DamageKind::Checkpoint) }
    };
    let checkpoint = first_sound(archive, &name, CHECKPOINT_BYTES_MAX, check)?.ok_or_else(|| missing(name))?;
    let edge = sound_edge(archive, seal, &checkpoint)?;
    let mut trees = Vec::new();
    let mut weight = 0;
    for algorithm in [EvidenceAlgorithm::Sha256, EvidenceAlgorithm::Sha512] {
        let name = layout::evidence_leaves(seal, algorithm);
        let check = |bytes: &[u8]| Tree::read(algorithm, bytes, checkpoint.text()).map(|tree| (tree, bytes.len()));
        match first_sound(archive, &name, LEAVES_BYTES_MAX, check)? {
            Some((tree, bytes)) => {
                // Two digests a leaf, and its position.
                weight += 3 * bytes;
                trees.push(SealTree { algorithm, tree, token: OnceLock::new() });
            }
            None if algorithm == EvidenceAlgorithm::Sha256 => return Err(missing(name)),
            None => {}
        }
    }
    Ok((SealEvidence { seal, checkpoint, edge, trees }, weight))
}

/// The edge from the first site whose tiles give the checkpoint's root.
fn sound_edge(archive: &Archive, seal: SealNumber, checkpoint: &SignedCheckpoint) -> Result<TreeEdge, Fault> {
    let signed = checkpoint.checkpoint();
    let mut first_fault = None;
    for site in archive.sites().iter() {
        match at_rest::edge_at(archive, &*site.store, signed.size()) {
            Ok(edge) if edge.root() == signed.root() => return Ok(edge),
            Ok(_) => tracing::error!(site = site.name, %seal, "the log's tiles do not give the checkpoint's root"),
            Err(fault) => {
                first_fault.get_or_insert(fault);
            }
        }
    }
    Err(first_fault.unwrap_or_else(|| Damage::new(layout::checkpoint(seal), DamageKind::Checkpoint).into()))
}

impl Tree {
    /// Reads leaves, of which the first must be the checkpoint's text.
    fn read(algorithm: EvidenceAlgorithm, bytes: &[u8], checkpoint: &str) -> Result<Self, DamageKind> {
        let length = algorithm.digest_len();
        if !bytes.len().is_multiple_of(length) {
            return Err(DamageKind::Malformed);
        }
        let text = checkpoint.as_bytes();
        let tree = match algorithm {
            EvidenceAlgorithm::Sha256 => {
                let leaves: Vec<_> = bytes.chunks(length).filter_map(Sha256Digest::from_slice).collect();
                let begins = leaves.first() == Some(&Sha256Digest::of(text));
                begins.then(|| Sought::new(leaves)).flatten().map(Self::Sha256)
            }
            EvidenceAlgorithm::Sha512 => {
                let leaves: Vec<_> = bytes.chunks(length).filter_map(Sha512Digest::from_slice).collect();
                let begins = leaves.first() == Some(&Sha512Digest::of(text));
                begins.then(|| Sought::new(leaves)).flatten().map(Self::Sha512)
            }
        };
        tree.ok_or(DamageKind::Evidence)
    }
}
