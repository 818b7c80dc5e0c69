//! Sealing: what was committed since the last seal becomes part of the Merkle log and of an evidence tree.
//!
//! Creating `seals/<n>/checkpoint`, if absent, makes the seal. Tiles and leaves follow from the commits and that
//! checkpoint alone, so whatever a crash leaves unwritten is derived again, byte for byte, when the archive is opened.

use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::checkpoint::Checkpoint;
use cartulaire_formats::commit::Opening;
use cartulaire_formats::journal::leaf_hash;
use cartulaire_formats::layout::{self, EvidenceAlgorithm, SealNumber};
use cartulaire_formats::merkle::{RootHash, TreeSize};
use cartulaire_formats::note::Note;
use cartulaire_formats::tiles::{self, FullTile, TreeEdge};

use crate::archive::{Archive, PendingCommit};
use crate::bounds::IDLE_SEAL_MILLIS_MAX;
use crate::evidence::{self, EvidenceDigest};
use crate::fault::Fault;
use crate::index::{SealHead, SealRecord};
use crate::recover::lines_since_bundle;

/// A seal at rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sealed {
    /// Its number.
    pub seal: SealNumber,
    /// The log's size: entries below it are sealed.
    pub size: TreeSize,
    /// The log's root.
    pub root: RootHash,
}

/// The one writer of seals.
pub struct Sealer {
    archive: Arc<Archive>,
    edge: TreeEdge,
    head: Option<SealHead>,
    /// Lines since the last full entry bundle; read back by the first seal after opening, so that opening stays fast.
    lines: Option<Vec<Vec<u8>>>,
    poisoned: bool,
}

/// A log grown by some commits, not at rest yet.
pub(crate) struct Grown {
    edge: TreeEdge,
    tiles: Vec<FullTile>,
    bundles: Vec<(u64, Vec<u8>)>,
    lines: Vec<Vec<u8>>,
    openings: Vec<Opening>,
}

impl Sealer {
    pub(crate) fn new(archive: Arc<Archive>) -> Result<Self, Fault> {
        let head = archive.index().seal_head()?;
        let edge = (*archive.edge()).clone();
        Ok(Self { archive, edge, head, lines: None, poisoned: false })
    }

    /// Whether a seal is due: something was committed that calls for one, or a day has almost gone by since the oldest
    /// unsealed entry.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let pending = self.archive.pending();
        let now = self.archive.clock().now().unix_millis();
        let old = |commit: &PendingCommit| now - commit.time.unix_millis() >= IDLE_SEAL_MILLIS_MAX;
        pending.iter().any(|commit| commit.wakes) || pending.front().is_some_and(|commit| old(commit))
    }

    /// Seals everything that is committed and not sealed; nothing to seal gives `None`.
    ///
    /// On return the checkpoint, the leaves and the full tiles survive power loss on every required site.
    ///
    /// # Errors
    /// - [`Fault::Retry`]: no seal was made; deposits are not concerned.
    /// - [`Fault::Poisoned`]: unknown whether the seal was made; open the archive again.
    /// - [`Fault::Damaged`]: a tile at rest is not what the journal makes it; no seal was made, and none will be.
    pub fn seal(&mut self) -> Result<Option<Sealed>, Fault> {
        if self.poisoned {
            return Err(Fault::Poisoned);
        }
        let commits: Vec<Arc<PendingCommit>> = self.archive.pending().iter().cloned().collect();
        if commits.is_empty() {
            return Ok(None);
        }
        let lines = match self.lines.take() {
            Some(lines) => lines,
            None => lines_since_bundle(&self.archive, self.edge.size().0)?,
        };
        let grown = grow(&self.edge, lines, &commits);
        let sealed = self.write(grown).map_err(|fault| self.fail(fault))?;
        self.archive.pending().drain(..commits.len());
        Ok(Some(sealed))
    }

    fn fail(&mut self, fault: Fault) -> Fault {
        self.poisoned |= !matches!(fault, Fault::Retry(_));
        fault
    }

    fn write(&mut self, grown: Grown) -> Result<Sealed, Fault> {
        let seal = self.head.as_ref().map_or(SealNumber(0), |head| head.seal.next());
        let checkpoint = Checkpoint::new(self.archive.key().name().clone(), grown.edge.size(), grown.edge.root());
        let text = checkpoint.to_string();
        let signature = self.archive.signer().sign(text.as_bytes())?;
        let note = Note::sign(text.clone(), self.archive.key(), |_| signature);
        let note = note.expect("a checkpoint's text is a note's text").to_string();
        write_tiles(&self.archive, &grown)?;
        // Full tiles are at rest; they say nothing until a checkpoint reaches them.
        self.archive.sites().create(&layout::checkpoint(seal), &[Bytes::from(note)])?;
        // The seal is made: from here on no other checkpoint of that number can be, and giving up is for recovery.
        let head = write_leaves(&self.archive, seal, &text, self.archive.has_sha512_tree(), self.head.as_ref(), &grown);
        let head = head.map_err(|_| Fault::Poisoned)?;
        let size = grown.edge.size();
        self.archive.index().apply_seal(&SealRecord { head: head.clone(), size: size.0 })?;
        self.archive.publish_edge(grown.edge.clone());
        self.head = Some(head);
        self.lines = Some(grown.lines);
        self.edge = grown.edge;
        Ok(Sealed { seal, size, root: self.edge.root() })
    }
}

/// Appends the entries of some commits to a log.
///
/// - `lines`: those since the last full entry bundle.
pub(crate) fn grow(edge: &TreeEdge, lines: Vec<Vec<u8>>, commits: &[Arc<PendingCommit>]) -> Grown {
    let mut grown = Grown { edge: edge.clone(), tiles: Vec::new(), bundles: Vec::new(), lines, openings: Vec::new() };
    for commit in commits {
        assert_eq!(commit.first, grown.edge.size().0, "commits are sealed in order, each once");
        for line in &commit.lines {
            grown.tiles.extend(grown.edge.append(leaf_hash(line)));
            grown.lines.push(line.clone());
            if grown.lines.len() == tiles::TILE_WIDTH {
                let number = grown.edge.size().0 / tiles::TILE_WIDTH as u64 - 1;
                let bundle = tiles::encode_bundle(&grown.lines).expect("an entry is at most 65,535 bytes");
                grown.bundles.push((number, bundle));
                grown.lines.clear();
            }
        }
        grown.openings.extend_from_slice(&commit.openings);
    }
    grown
}

impl Grown {
    pub(crate) fn edge(&self) -> &TreeEdge {
        &self.edge
    }

    pub(crate) fn into_edge_and_lines(self) -> (TreeEdge, Vec<Vec<u8>>) {
        (self.edge, self.lines)
    }
}

pub(crate) fn write_tiles(archive: &Archive, grown: &Grown) -> Result<(), Fault> {
    for tile in &grown.tiles {
        let name = layout::tile(tile.level, tile.number);
        archive.sites().create_derived(&name, &[Bytes::from(tile.to_bytes())])?;
    }
    for (number, bundle) in &grown.bundles {
        let name = layout::entry_bundle(*number);
        archive.sites().create_derived(&name, &[Bytes::from(bundle.clone())])?;
    }
    Ok(())
}

/// Writes the leaves of every evidence tree of a seal and returns its head.
pub(crate) fn write_leaves(
    archive: &Archive,
    seal: SealNumber,
    checkpoint_text: &str,
    has_sha512_tree: bool,
    previous: Option<&SealHead>,
    grown: &Grown,
) -> Result<SealHead, Fault> {
    // The SHA-512 tree first: leaves of SHA-256 at rest say that the seal has all its trees, whatever is configured now.
    let mut root_sha512 = None;
    if has_sha512_tree {
        let before = previous.and_then(|head| head.root_sha512);
        let sha512 = evidence::leaves(checkpoint_text, before, &grown.openings);
        root_sha512 = Some(write_tree(archive, seal, EvidenceAlgorithm::Sha512, sha512)?);
    }
    let sha256 = evidence::leaves(checkpoint_text, previous.map(|head| head.root_sha256), &grown.openings);
    let root_sha256 = write_tree(archive, seal, EvidenceAlgorithm::Sha256, sha256)?;
    Ok(SealHead { seal, root_sha256, root_sha512, edge: grown.edge.encode() })
}

/// Makes the leaves of one tree durable and returns its root.
fn write_tree<D: EvidenceDigest>(
    archive: &Archive,
    seal: SealNumber,
    algorithm: EvidenceAlgorithm,
    leaves: Vec<D>,
) -> Result<D, Fault> {
    let name = layout::evidence_leaves(seal, algorithm);
    archive.sites().create_derived(&name, &[evidence::encode(&leaves)])?;
    Ok(evidence::tree(leaves).root())
}
