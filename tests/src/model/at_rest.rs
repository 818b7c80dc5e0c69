//! What a site's bytes say, derived from them alone: neither the engine nor its index is asked.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
use cartulaire_formats::checkpoint::SignedCheckpoint;
use cartulaire_formats::commit::Commit;
use cartulaire_formats::container;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::{JournalEntry, TenantId, leaf_hash};
use cartulaire_formats::layout::{self, CommitNumber, EvidenceAlgorithm, ObjectName, SealNumber};
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

/// A site's journal and log, as far as they were followed.
///
/// Following again costs what is new: an object that was derived before must still be there, with the same bytes.
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
    commits: Vec<Bytes>,
    notes: Vec<Bytes>,
    previous: Option<Sha256Digest>,
    chains: HashMap<TenantId, LeafHash>,
    edge: TreeEdge,
    /// Lines since the last full entry bundle.
    lines: Vec<Vec<u8>>,
    /// Full tiles and entry bundles, with the size of the log that completed each.
    tiles: BTreeMap<ObjectName, (u64, Vec<u8>)>,
}

impl AtRest {
    /// Derives everything, and checks every chain, root and signature on the way.
    ///
    /// # Errors
    /// The first [`Violation`] met.
    pub fn derive(image: &Image, key: &VerifierKey, depth: Depth) -> Result<Self, Violation> {
        let mut site = Self::default();
        site.follow(image, key, depth)?;
        Ok(site)
    }

    /// Goes on from where it was.
    ///
    /// # Errors
    /// The first [`Violation`] met; the value is then of no more use.
    pub fn follow(&mut self, image: &Image, key: &VerifierKey, depth: Depth) -> Result<(), Violation> {
        self.follow_commits(image, depth)?;
        self.follow_seals(image, key)?;
        self.check_tiles(image)
    }

    /// Entries that the last checkpoint covers.
    #[must_use]
    pub fn sealed(&self) -> u64 {
        self.checkpoints.last().map_or(0, |(size, _)| size.0)
    }

    /// Every checkpoint seen, as a signed note.
    #[must_use]
    pub fn notes(&self) -> &[Bytes] {
        &self.notes
    }

    /// Whether the object is a tile or bundle that no checkpoint reaches yet: what an interrupted seal leaves.
    #[must_use]
    pub fn is_ahead_of_seal(&self, name: &ObjectName) -> bool {
        self.tiles.get(name).is_some_and(|(size, _)| *size > self.sealed())
    }

    fn follow_commits(&mut self, image: &Image, depth: Depth) -> Result<(), Violation> {
        let commits = image.keys().filter(|name| name.as_str().starts_with("commits/")).count();
        for number in (0..commits.max(self.commits.len()) as u64).map(CommitNumber) {
            let bytes = image.get(&layout::commit(number)).ok_or(Violation::CommitGap(number))?;
            match self.commits.get(number.0 as usize) {
                Some(known) if known == bytes => {}
                Some(_) => return Err(Violation::CommitChain(number)),
                None => self.follow_commit(image, number, bytes, depth)?,
            }
        }
        Ok(())
    }

    fn follow_commit(
        &mut self,
        image: &Image,
        number: CommitNumber,
        bytes: &Bytes,
        depth: Depth,
    ) -> Result<(), Violation> {
        let commit = Commit::parse(bytes).map_err(|error| Violation::Commit(number, error))?;
        let trailer = &commit.trailer;
        let continues = trailer.previous == self.previous && trailer.first.0 == self.entries.len() as u64;
        if !continues || trailer.commit != number {
            return Err(Violation::CommitChain(number));
        }
        self.previous = Some(commit.trailer_digest);
        check_objects(image, &commit, bytes, depth)?;
        self.containers.extend(trailer.containers.iter().map(|direct| direct.container.clone()));
        for (entry, line) in commit.entries {
            self.follow_entry(entry, line)?;
        }
        self.commits.push(bytes.clone());
        Ok(())
    }

    fn follow_entry(&mut self, entry: JournalEntry, line: Vec<u8>) -> Result<(), Violation> {
        let leaf = leaf_hash(&line);
        let in_time = self.entries.last().is_none_or(|last| last.time <= entry.time);
        if entry.prev != self.chains.insert(entry.tenant.clone(), leaf) || !in_time {
            return Err(Violation::TenantChain(entry.seq));
        }
        self.entries.push(entry);
        self.leaves.push(leaf);
        self.lines.push(line);
        for tile in self.edge.append(leaf) {
            let tile_at = layout::tile(tile.level, tile.number);
            self.tiles.insert(tile_at, (self.edge.size().0, tile.to_bytes()));
        }
        if self.lines.len() == TILE_WIDTH {
            let size = self.edge.size().0;
            let bundle = tiles::encode_bundle(&self.lines).expect("entries as long as entries may be");
            self.tiles.insert(layout::entry_bundle(size / TILE_WIDTH as u64 - 1), (size, bundle));
            self.lines.clear();
        }
        Ok(())
    }

    fn follow_seals(&mut self, image: &Image, key: &VerifierKey) -> Result<(), Violation> {
        let is_checkpoint = |name: &str| name.starts_with("seals/") && name.ends_with("/checkpoint");
        let seals = image.keys().filter(|name| is_checkpoint(name.as_str())).count();
        for seal in (0..seals.max(self.notes.len()) as u64).map(SealNumber) {
            let note = image.get(&layout::checkpoint(seal)).ok_or(Violation::SealGap(seal))?;
            match self.notes.get(seal.0 as usize) {
                Some(known) if known == note => {}
                Some(_) => return Err(Violation::Checkpoint(seal)),
                None => self.follow_seal(image, key, seal, note)?,
            }
        }
        Ok(())
    }

    fn follow_seal(
        &mut self,
        image: &Image,
        key: &VerifierKey,
        seal: SealNumber,
        note: &Bytes,
    ) -> Result<(), Violation> {
        let signed = SignedCheckpoint::open(note, key, &[]).map_err(|_| Violation::Checkpoint(seal))?;
        let (size, root) = (signed.checkpoint().size(), signed.checkpoint().root());
        let covered = usize::try_from(size.0).ok().and_then(|size| self.leaves.get(..size));
        if covered.map(merkle::root_of) != Some(root) {
            return Err(Violation::Checkpoint(seal));
        }
        if let Some((old_size, old_root)) = self.checkpoints.last() {
            consistent(&self.leaves, (*old_size, *old_root), (size, root)).ok_or(Violation::Inconsistent(seal))?;
        }
        let first = Sha256Digest::of(signed.text().as_bytes());
        let leaves = image.get(&layout::evidence_leaves(seal, EvidenceAlgorithm::Sha256));
        if leaves.is_none_or(|leaves| !leaves.starts_with(&first.0)) {
            return Err(Violation::EvidenceLeaves(seal));
        }
        self.checkpoints.push((size, root));
        self.notes.push(note.clone());
        Ok(())
    }

    /// What the last checkpoint reaches is published; what an interrupted seal left beyond it is right too.
    fn check_tiles(&self, image: &Image) -> Result<(), Violation> {
        let published = image.iter().filter(|(name, _)| name.as_str().starts_with("log/tile/"));
        for (name, bytes) in published {
            if self.tiles.get(name).is_none_or(|(_, expected)| expected != bytes) {
                return Err(Violation::Tile(name.to_string()));
            }
        }
        let due = self.tiles.iter().filter(|(_, (size, _))| *size <= self.sealed());
        match due.map(|(name, _)| name).find(|name| !image.contains_key(name)) {
            Some(missing) => Err(Violation::Tile(missing.to_string())),
            None => Ok(()),
        }
    }
}

/// Nothing is eliminated yet: every commitment has its opening, every opening its object, once a tenant.
fn check_objects(image: &Image, commit: &Commit, bytes: &Bytes, depth: Depth) -> Result<(), Violation> {
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
