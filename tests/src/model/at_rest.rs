//! What a site's bytes say, derived from them alone: neither the engine nor its index is asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use cartulaire_formats::checkpoint::SignedCheckpoint;
use cartulaire_formats::commit::Commit;
use cartulaire_formats::container;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::{JournalEntry, TenantId, leaf_hash};
use cartulaire_formats::layout::{self, CommitNumber, EvidenceAlgorithm, SealNumber};
use cartulaire_formats::merkle::{self, LeafHash, Nodes, RootHash, TreeSize};
use cartulaire_formats::note::VerifierKey;
use cartulaire_formats::tiles::{self, TILE_WIDTH, TreeEdge};

use super::Violation;
use crate::sim::Image;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Journal, trailers, checkpoints, tiles.
    Chains,
    /// The bytes of every object as well.
    Bytes,
}

/// A site's journal and log.
#[derive(Debug, Clone, Default)]
pub struct AtRest {
    /// Every entry, in order.
    pub entries: Vec<JournalEntry>,
    /// Their leaf hashes.
    pub leaves: Vec<LeafHash>,
    /// Size and root of every seal's checkpoint, in order.
    pub checkpoints: Vec<(TreeSize, RootHash)>,
    /// Direct containers that commits name.
    pub containers: BTreeSet<String>,
    lines: Vec<Vec<u8>>,
}

impl AtRest {
    /// Derives it all, and checks every chain, root and signature on the way.
    ///
    /// # Errors
    /// The first [`Violation`] met.
    pub fn derive(image: &Image, key: &VerifierKey, depth: Depth) -> Result<Self, Violation> {
        let mut site = Self::default();
        site.follow_commits(image, depth)?;
        site.follow_seals(image, key)?;
        site.check_tiles(image)?;
        Ok(site)
    }

    fn follow_commits(&mut self, image: &Image, depth: Depth) -> Result<(), Violation> {
        let commits = image.keys().filter(|name| name.as_str().starts_with("commits/")).count();
        let mut previous = None;
        let mut chains: HashMap<TenantId, LeafHash> = HashMap::new();
        for number in (0..commits as u64).map(CommitNumber) {
            let bytes = image.get(&layout::commit(number)).ok_or(Violation::CommitGap(number))?;
            let commit = Commit::parse(bytes).map_err(|error| Violation::Commit(number, error))?;
            let trailer = &commit.trailer;
            let continues = trailer.previous == previous && trailer.first.0 == self.entries.len() as u64;
            if !continues || trailer.commit != number {
                return Err(Violation::CommitChain(number));
            }
            previous = Some(commit.trailer_digest);
            self.check_objects(image, &commit, bytes, depth)?;
            self.containers.extend(trailer.containers.iter().map(|direct| direct.container.clone()));
            for (entry, line) in commit.entries {
                let leaf = leaf_hash(&line);
                let in_time = self.entries.last().is_none_or(|last| last.time <= entry.time);
                if entry.prev != chains.insert(entry.tenant.clone(), leaf) || !in_time {
                    return Err(Violation::TenantChain(entry.seq));
                }
                self.entries.push(entry);
                self.leaves.push(leaf);
                self.lines.push(line);
            }
        }
        Ok(())
    }

    /// Nothing is eliminated yet: every commitment has its opening, every opening its object, once a tenant.
    fn check_objects(&self, image: &Image, commit: &Commit, bytes: &Bytes, depth: Depth) -> Result<(), Violation> {
        let commitments: usize = commit.entries.iter().map(|(entry, _)| entry.commitments.len()).sum();
        if commit.openings.len() != commitments {
            return Err(Violation::Openings(commit.trailer.commit));
        }
        for object in commit.objects.iter().filter(|_| depth == Depth::Bytes) {
            let end = object.offset + object.size;
            let content = &bytes[object.offset as usize..end as usize];
            if Sha256Digest::of(content) != object.sha256 {
                return Err(Violation::ObjectBytes(commit.trailer.commit));
            }
        }
        for direct in &commit.trailer.containers {
            let missing = || Violation::Container(direct.container.clone());
            let name = direct.container.parse().map_err(|_| missing())?;
            let container = image.get(&name).ok_or_else(missing)?;
            if depth == Depth::Bytes {
                check_container(container).ok_or_else(missing)?;
            }
        }
        Ok(())
    }

    fn follow_seals(&mut self, image: &Image, key: &VerifierKey) -> Result<(), Violation> {
        let is_checkpoint = |name: &str| name.starts_with("seals/") && name.ends_with("/checkpoint");
        let seals = image.keys().filter(|name| is_checkpoint(name.as_str())).count();
        for seal in (0..seals as u64).map(SealNumber) {
            let note = image.get(&layout::checkpoint(seal)).ok_or(Violation::SealGap(seal))?;
            let signed = SignedCheckpoint::open(note, key, &[]).map_err(|_| Violation::Checkpoint(seal))?;
            let (size, root) = (signed.checkpoint().size(), signed.checkpoint().root());
            let covered = usize::try_from(size.0).ok().and_then(|size| self.leaves.get(..size));
            if covered.map(merkle::root_of) != Some(root) {
                return Err(Violation::Checkpoint(seal));
            }
            if let Some((old_size, old_root)) = self.checkpoints.last() {
                consistent(&self.leaves, (*old_size, *old_root), (size, root)).ok_or(Violation::Inconsistent(seal))?;
            }
            let leaves = image.get(&layout::evidence_leaves(seal, EvidenceAlgorithm::Sha256));
            let first = Sha256Digest::of(signed.text().as_bytes());
            if leaves.is_none_or(|leaves| !leaves.starts_with(&first.0)) {
                return Err(Violation::EvidenceLeaves(seal));
            }
            self.checkpoints.push((size, root));
        }
        Ok(())
    }

    /// What the last checkpoint reaches is published; what an interrupted seal left beyond it is right too.
    fn check_tiles(&self, image: &Image) -> Result<(), Violation> {
        let sealed = self.checkpoints.last().map_or(0, |(size, _)| size.0);
        let mut derived: BTreeMap<_, (u64, Vec<u8>)> = BTreeMap::new();
        let mut edge = TreeEdge::empty();
        for leaf in &self.leaves {
            for tile in edge.append(*leaf) {
                derived.insert(layout::tile(tile.level, tile.number), (edge.size().0, tile.to_bytes()));
            }
        }
        for (number, lines) in (0..).zip(self.lines.chunks_exact(TILE_WIDTH)) {
            let bundle = tiles::encode_bundle(lines).expect("entries as long as entries may be");
            derived.insert(layout::entry_bundle(number), ((number + 1) * TILE_WIDTH as u64, bundle));
        }
        let published = image.iter().filter(|(name, _)| name.as_str().starts_with("log/tile/"));
        for (name, bytes) in published {
            if derived.get(name).is_none_or(|(_, expected)| expected != bytes) {
                return Err(Violation::Tile(name.to_string()));
            }
        }
        let due = derived.iter().filter(|(_, (size, _))| *size <= sealed);
        match due.map(|(name, _)| name).find(|name| !image.contains_key(name)) {
            Some(missing) => Err(Violation::Tile(missing.to_string())),
            None => Ok(()),
        }
    }
}

/// A direct container holds one object, named by its digest.
fn check_container(bytes: &[u8]) -> Option<()> {
    let members: Result<Vec<_>, _> = container::members(bytes).collect();
    let [member] = &members.ok()?[..] else { return None };
    let (_, digest) = member.name.split_once('/')?;
    (digest.parse::<Sha256Digest>().ok()? == Sha256Digest::of(member.data)).then_some(())
}

/// Proves by RFC 9162 §2.1.4 that the newer log begins with the older.
fn consistent(leaves: &[LeafHash], old: (TreeSize, RootHash), new: (TreeSize, RootHash)) -> Option<()> {
    let proof = merkle::consistency_proof(&mut Leaves(leaves), old.0, new.0).ok()?;
    proof.verify(&old.1, &new.1).ok()
}

/// Complete subtrees, from the leaves.
struct Leaves<'a>(&'a [LeafHash]);

impl Nodes for Leaves<'_> {
    type Error = ();

    fn node(&mut self, level: u32, index: u64) -> Result<merkle::NodeHash, ()> {
        let width = 1_u64 << level;
        let range = (index * width) as usize..((index + 1) * width) as usize;
        self.0.get(range).map(|leaves| merkle::NodeHash(merkle::root_of(leaves).0)).ok_or(())
    }
}
