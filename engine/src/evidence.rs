//! The leaves of a seal's evidence trees (`docs/format.md` §7).

use bytes::Bytes;
use cartulaire_formats::commit::Opening;
use cartulaire_formats::ers::{EvidenceTree, TreeDigest, leaf_value};
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};

/// A hash that evidence trees are made with, and what an opening says in it.
pub(crate) trait EvidenceDigest: TreeDigest {
    /// The digest of some bytes.
    fn of(bytes: &[u8]) -> Self;

    /// The object's digest, if it was recorded.
    fn of_object(opening: &Opening) -> Option<Self>;

    /// Takes raw bytes of the right length.
    fn from_slice(bytes: &[u8]) -> Option<Self>;
}

impl EvidenceDigest for Sha256Digest {
    fn of(bytes: &[u8]) -> Self {
        Self::of(bytes)
    }

    fn of_object(opening: &Opening) -> Option<Self> {
        Some(opening.sha256)
    }

    fn from_slice(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes)
    }
}

impl EvidenceDigest for Sha512Digest {
    fn of(bytes: &[u8]) -> Self {
        Self::of(bytes)
    }

    fn of_object(opening: &Opening) -> Option<Self> {
        opening.sha512
    }

    fn from_slice(bytes: &[u8]) -> Option<Self> {
        Self::from_slice(bytes)
    }
}

/// The leaves of a tree in their order: the checkpoint's text, the previous root, every object with its blind.
pub(crate) fn leaves<D: EvidenceDigest>(checkpoint: &str, previous: Option<D>, openings: &[Opening]) -> Vec<D> {
    let mut leaves = Vec::with_capacity(openings.len() + 2);
    leaves.push(D::of(checkpoint.as_bytes()));
    leaves.push(previous.unwrap_or_else(|| D::of(b"")));
    for opening in openings {
        if let Some(digest) = D::of_object(opening) {
            leaves.push(leaf_value(&digest, &D::from_blind(&opening.blind)));
        }
    }
    leaves
}

/// Leaves as they lie at rest: one after the other.
pub(crate) fn encode<D: EvidenceDigest>(leaves: &[D]) -> Bytes {
    leaves.iter().flat_map(|leaf| leaf.bytes().iter().copied()).collect()
}

/// Leaves as read from rest; `None` unless they are whole and at least two.
pub(crate) fn decode<D: EvidenceDigest>(bytes: &[u8]) -> Option<Vec<D>> {
    let length = D::ALGORITHM.digest_len();
    let whole = bytes.len() >= 2 * length && bytes.len().is_multiple_of(length);
    let leaves = whole.then(|| bytes.chunks(length).map(D::from_slice).collect::<Option<Vec<D>>>());
    leaves.flatten()
}

/// The tree over leaves, of which there are always at least two.
pub(crate) fn tree<D: EvidenceDigest>(leaves: Vec<D>) -> EvidenceTree<D> {
    EvidenceTree::from_leaf_values(leaves).expect("a seal has the checkpoint's leaf and the previous root's")
}
