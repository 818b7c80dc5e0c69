//! The audit's own Merkle log: a stack of the complete subtrees, and the tiles that fill up on the way.
//!
//! The engine keeps the right edge as partial tiles; here the tree is the binary counter of its size, so that an error
//! in the one way is not an error in the other.

use cartulaire_formats::layout;
use cartulaire_formats::merkle::leaf_hash;
use sha2::{Digest as _, Sha256};

use super::Examination;
use crate::bounds::{ENTRY_BUNDLE_BYTES_MAX, SMALL_FILE_BYTES_MAX, TILE_WIDTH};
use crate::finding::{Fault, Place};

type Hash = [u8; 32];

/// The log as recomputed from the commits.
#[derive(Default)]
pub(super) struct MerkleStack {
    size: u64,
    /// Complete subtrees from left to right: their leaves, a power of two, and their roots.
    peaks: Vec<(u64, Hash)>,
    /// Hashes of the tile that is filling up, by level.
    filling: Vec<Vec<Hash>>,
    /// The entry bundle that is filling up, framed.
    bundle: Vec<u8>,
    /// Whether entries are missing, so that nothing above them can be recomputed.
    has_gap: bool,
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// RFC 6962 §2.1, by its recursive definition, over a power of two of nodes.
fn complete(nodes: &[Hash]) -> Hash {
    match nodes {
        [only] => *only,
        nodes => {
            let (left, right) = nodes.split_at(nodes.len() / 2);
            node(&complete(left), &complete(right))
        }
    }
}

impl MerkleStack {
    /// Entries so far, those missing included.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// The root, unless entries are missing.
    pub(super) fn root(&self) -> Option<Hash> {
        if self.has_gap {
            return None;
        }
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        let last = peaks.next().unwrap_or_else(|| Sha256::digest([]).into());
        Some(peaks.fold(last, |right, left| node(&left, &right)))
    }

    /// Passes over entries that are missing, up to `size`.
    pub(super) fn skip_to(&mut self, size: u64) {
        self.has_gap = true;
        self.size = self.size.max(size);
    }

    /// Appends an entry; tiles that it fills are compared with those at rest.
    ///
    /// - `sealed`: entries that the last seal covers; tiles below that must be there.
    pub(super) fn push(&mut self, exam: &mut Examination<'_>, line: &[u8], sealed: u64) {
        let leaf = leaf_hash(line).0;
        self.size += 1;
        let (mut size, mut hash) = (1, leaf);
        while let Some((_, left)) = self.peaks.pop_if(|(leaves, _)| *leaves == size) {
            (size, hash) = (size * 2, node(&left, &hash));
        }
        self.peaks.push((size, hash));
        if !self.has_gap {
            self.fill(exam, line, leaf, self.size <= sealed);
        }
    }

    fn fill(&mut self, exam: &mut Examination<'_>, line: &[u8], leaf: Hash, required: bool) {
        let length = u16::try_from(line.len()).expect("an entry that parsed has at most 65,535 bytes");
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(line);
        if self.size.is_multiple_of(TILE_WIDTH as u64) {
            let name = layout::entry_bundle(self.size / TILE_WIDTH as u64 - 1).to_string();
            let bundle = std::mem::take(&mut self.bundle);
            compare(exam, &name, &bundle, ENTRY_BUNDLE_BYTES_MAX, required);
        }
        let (mut hash, mut span) = (leaf, 1);
        for level in 0.. {
            if self.filling.len() == level {
                self.filling.push(Vec::with_capacity(TILE_WIDTH));
            }
            self.filling[level].push(hash);
            if self.filling[level].len() < TILE_WIDTH {
                return;
            }
            let tile = std::mem::take(&mut self.filling[level]);
            span *= TILE_WIDTH as u64;
            let number = self.size / span - 1;
            let level = u8::try_from(level).expect("a log of 2^64 entries has eight levels of tiles");
            compare(exam, layout::tile(level, number).as_str(), tile.as_flattened(), SMALL_FILE_BYTES_MAX, required);
            hash = complete(&tile);
        }
    }
}

fn compare(exam: &mut Examination<'_>, name: &str, expected: &[u8], max: u64, required: bool) {
    let found = exam.object(name, max, required.then_some(Fault::TileMissing));
    if found.is_some_and(|found| found != expected) {
        exam.findings.add(Fault::TileDiffers, Place::object(name));
    }
}

#[cfg(test)]
mod tests {
    use cartulaire_formats::hash::LeafHash;
    use cartulaire_formats::merkle::root_of;

    use super::*;

    #[test]
    fn the_stack_has_the_root_of_every_small_log() {
        let source = crate::source::Directory::new("/nonexistent");
        let trust = crate::Trust::none(jiff::Timestamp::UNIX_EPOCH);
        let (findings, facts) = Default::default();
        let mut exam = Examination { source: &source, trust: &trust, findings, facts, key: None };
        let (mut stack, mut leaves) = (MerkleStack::default(), Vec::<LeafHash>::new());
        for number in 0..600u64 {
            assert_eq!(stack.root(), Some(root_of(&leaves).0), "{number} leaves");
            let line = number.to_be_bytes();
            stack.push(&mut exam, &line, 512);
            leaves.push(leaf_hash(&line));
        }
        let missing: Vec<&str> = exam.findings.all().iter().map(|f| f.place.object.as_str()).collect();
        assert_eq!(missing, ["log/tile/entries/000", "log/tile/0/000", "log/tile/entries/001", "log/tile/0/001"]);
        stack.skip_to(700);
        assert_eq!((stack.root(), stack.size()), (None, 700));
    }
}
