//! The Merkle tree of RFC 6962: hashes, roots, inclusion and consistency proofs, made and verified.
//!
//! Owns the arithmetic alone. Where nodes come from is the business of a [`Nodes`] (see [`crate::tiles`]), and proofs are
//! built from nothing but complete subtrees inside the proven size, so a log that has grown meanwhile proves the same.
//!
//! A proof's shape is checked when it is made ([`InclusionProof::new`], [`ConsistencyProof::new`]): the length of a path
//! follows from index and sizes, so a path too long or too short never reaches a hash.

mod prove;

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::bounds::TREE_SIZE_MAX;
pub use crate::hash::{LeafHash, NodeHash, RootHash};
pub use prove::{Nodes, ProveError, consistency_proof, inclusion_proof, root};

/// Number of entries in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreeSize(pub u64);

/// Zero-based position of an entry in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeafIndex(pub u64);

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<LeafHash> for NodeHash {
    fn from(leaf: LeafHash) -> Self {
        Self(leaf.0)
    }
}

/// Hashes one entry as a leaf: `SHA-256(0x00 ‖ entry)`.
///
/// # Standard
/// RFC 6962 §2.1.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> LeafHash {
    LeafHash(Sha256::new().chain_update([0]).chain_update(entry).finalize().into())
}

/// Hashes two sibling subtrees: `SHA-256(0x01 ‖ left ‖ right)`.
///
/// # Standard
/// RFC 6962 §2.1.
#[must_use]
pub fn node_hash(left: &NodeHash, right: &NodeHash) -> NodeHash {
    let hasher = Sha256::new().chain_update([1]).chain_update(left.0);
    NodeHash(hasher.chain_update(right.0).finalize().into())
}

/// Root of the empty log: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> RootHash {
    RootHash(Sha256::digest(b"").into())
}

/// Root of a log given all its leaves, in one pass and logarithmic memory.
#[must_use]
pub fn root_of(leaves: &[LeafHash]) -> RootHash {
    // A stack of complete subtrees, largest first: their sizes are the binary digits of the leaves pushed so far.
    let mut stack: Vec<NodeHash> = Vec::new();
    for (index, leaf) in leaves.iter().enumerate() {
        let mut node = NodeHash::from(*leaf);
        for _ in 0..index.trailing_ones() {
            let left = stack.pop().expect("a one bit of the index is a subtree on the stack");
            node = node_hash(&left, &node);
        }
        stack.push(node);
    }
    let fold = stack.into_iter().rev().reduce(|right, left| node_hash(&left, &right));
    fold.map_or_else(empty_root, |node| RootHash(node.0))
}

/// Root of a complete subtree given its `2^k` nodes of one level.
///
/// # Panics
/// If the number of nodes is not a power of two.
#[must_use]
pub fn complete_root(nodes: &[NodeHash]) -> NodeHash {
    assert!(nodes.len().is_power_of_two(), "a complete subtree has a power of two of nodes");
    let mut layer = nodes.to_vec();
    while layer.len() > 1 {
        layer = parents(&layer);
    }
    layer[0]
}

/// Parents of consecutive nodes of one level; a last node without sibling has none yet.
#[must_use]
pub fn parents(layer: &[NodeHash]) -> Vec<NodeHash> {
    layer.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect()
}

// ---- Proofs, verified ----

/// An inclusion proof that cannot be, or that does not lead to the root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InclusionError {
    /// The tree is larger than [`TREE_SIZE_MAX`].
    #[error("tree size {size} is above 2^63 - 1")]
    SizeTooLarge {
        /// The size claimed.
        size: TreeSize,
    },
    /// The index is not below the size.
    #[error("entry {index} is not in a log of {size} entries")]
    IndexOutsideTree {
        /// The index claimed.
        index: LeafIndex,
        /// The size claimed.
        size: TreeSize,
    },
    /// The path has another length than the index and the size ask for.
    #[error("inclusion path of {found} hashes, expected {expected}")]
    PathLength {
        /// Hashes needed.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// The path leads to another root.
    #[error("inclusion path leads to root {found}, expected {expected}")]
    RootMismatch {
        /// The root to prove against.
        expected: RootHash,
        /// The root that the path leads to.
        found: RootHash,
    },
}

/// A path from a leaf to the root of a log, of the one right length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    index: LeafIndex,
    size: TreeSize,
    path: Vec<NodeHash>,
}

impl InclusionProof {
    /// Takes a path, leaf's sibling first, and checks that its length fits.
    ///
    /// # Errors
    /// [`InclusionError::SizeTooLarge`], [`InclusionError::IndexOutsideTree`] and [`InclusionError::PathLength`].
    pub fn new(index: LeafIndex, size: TreeSize, path: Vec<NodeHash>) -> Result<Self, InclusionError> {
        if size.0 > TREE_SIZE_MAX {
            return Err(InclusionError::SizeTooLarge { size });
        }
        if index.0 >= size.0 {
            return Err(InclusionError::IndexOutsideTree { index, size });
        }
        let (expected, found) = (sibling_count(index.0, size.0 - 1), path.len());
        if found != expected {
            return Err(InclusionError::PathLength { expected, found });
        }
        Ok(Self { index, size, path })
    }

    /// Position of the proven entry.
    #[must_use]
    pub fn index(&self) -> LeafIndex {
        self.index
    }

    /// Size of the log that the proof is about.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// The hashes, leaf's sibling first, at most [`crate::bounds::INCLUSION_PATH_MAX`].
    #[must_use]
    pub fn path(&self) -> &[NodeHash] {
        &self.path
    }

    /// The root that the path leads to from `leaf`.
    ///
    /// # Standard
    /// RFC 9162 §2.1.3.2, steps 2 to 4; steps 1 and 5 (lengths) were checked by [`Self::new`].
    #[must_use]
    pub fn root(&self, leaf: &LeafHash) -> RootHash {
        let mut hash = NodeHash::from(*leaf);
        climb(self.index.0, self.size.0 - 1, &self.path, |sibling, side| match side {
            Side::Left => hash = node_hash(sibling, &hash),
            Side::Right => hash = node_hash(&hash, sibling),
        });
        RootHash(hash.0)
    }

    /// Verifies that `leaf` is in the log whose root is `root`.
    ///
    /// # Errors
    /// [`InclusionError::RootMismatch`] alone.
    ///
    /// # Standard
    /// RFC 9162 §2.1.3.2.
    pub fn verify(&self, leaf: &LeafHash, root: &RootHash) -> Result<(), InclusionError> {
        let (expected, found) = (*root, self.root(leaf));
        if expected == found { Ok(()) } else { Err(InclusionError::RootMismatch { expected, found }) }
    }
}

/// A consistency proof that cannot be, or that does not join the two roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConsistencyError {
    /// The new tree is larger than [`TREE_SIZE_MAX`].
    #[error("tree size {size} is above 2^63 - 1")]
    SizeTooLarge {
        /// The size claimed.
        size: TreeSize,
    },
    /// The log has shrunk.
    #[error("the new size {new} is below the old size {old}")]
    SizesReversed {
        /// The old size.
        old: TreeSize,
        /// The new size.
        new: TreeSize,
    },
    /// The path has another length than the sizes ask for.
    #[error("consistency path of {found} hashes, expected {expected}")]
    PathLength {
        /// Hashes needed.
        expected: usize,
        /// Hashes given.
        found: usize,
    },
    /// The path does not lead to the old root.
    #[error("consistency path leads to old root {found}, expected {expected}")]
    OldRootMismatch {
        /// The old root to prove against.
        expected: RootHash,
        /// The old root that the path leads to.
        found: RootHash,
    },
    /// The path does not lead to the new root.
    #[error("consistency path leads to new root {found}, expected {expected}")]
    NewRootMismatch {
        /// The new root to prove against.
        expected: RootHash,
        /// The new root that the path leads to.
        found: RootHash,
    },
}

/// A proof that a log only grew, with a path of the one right length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    old: TreeSize,
    new: TreeSize,
    path: Vec<NodeHash>,
}

impl ConsistencyProof {
    /// Takes a path and checks that its length fits; it is empty when the old log is empty or nothing was added.
    ///
    /// # Errors
    /// [`ConsistencyError::SizeTooLarge`], [`ConsistencyError::SizesReversed`] and [`ConsistencyError::PathLength`].
    pub fn new(old: TreeSize, new: TreeSize, path: Vec<NodeHash>) -> Result<Self, ConsistencyError> {
        if new.0 > TREE_SIZE_MAX {
            return Err(ConsistencyError::SizeTooLarge { size: new });
        }
        if old > new {
            return Err(ConsistencyError::SizesReversed { old, new });
        }
        let (expected, found) = (Self::path_len(old.0, new.0), path.len());
        if found != expected {
            return Err(ConsistencyError::PathLength { expected, found });
        }
        Ok(Self { old, new, path })
    }

    fn path_len(old: u64, new: u64) -> usize {
        if old == 0 || old == new {
            return 0;
        }
        let start = StartNode::of(old);
        usize::from(!old.is_power_of_two()) + sibling_count(start.index, (new - 1) >> start.level)
    }

    /// Size of the older log.
    #[must_use]
    pub fn old(&self) -> TreeSize {
        self.old
    }

    /// Size of the newer log.
    #[must_use]
    pub fn new_size(&self) -> TreeSize {
        self.new
    }

    /// The hashes, at most [`crate::bounds::CONSISTENCY_PATH_MAX`].
    #[must_use]
    pub fn path(&self) -> &[NodeHash] {
        &self.path
    }

    /// Verifies that the log of `new_root` begins with the log of `old_root`.
    ///
    /// # Errors
    /// [`ConsistencyError::OldRootMismatch`] or [`ConsistencyError::NewRootMismatch`].
    ///
    /// # Standard
    /// RFC 9162 §2.1.4.2, steps 2 to 7. The RFC leaves an empty old log out; here it is a prefix of every log, and its
    /// root must be the empty root.
    pub fn verify(&self, old_root: &RootHash, new_root: &RootHash) -> Result<(), ConsistencyError> {
        let (old_found, new_found) = match (self.old.0, self.old == self.new) {
            (_, true) => (*new_root, *new_root),
            (0, false) => (empty_root(), *new_root),
            (_, false) => self.roots(old_root),
        };
        if old_found != *old_root {
            return Err(ConsistencyError::OldRootMismatch { expected: *old_root, found: old_found });
        }
        if new_found != *new_root {
            return Err(ConsistencyError::NewRootMismatch { expected: *new_root, found: new_found });
        }
        Ok(())
    }

    fn roots(&self, old_root: &RootHash) -> (RootHash, RootHash) {
        // The root of a log of 2^k entries is itself the node to start from, so the path leaves it out.
        let (first, rest) = match self.path.split_first() {
            Some((first, rest)) if !self.old.0.is_power_of_two() => (*first, rest),
            _ => (NodeHash(old_root.0), self.path.as_slice()),
        };
        let (mut old, mut new) = (first, first);
        let start = StartNode::of(self.old.0);
        climb(start.index, (self.new.0 - 1) >> start.level, rest, |sibling, side| match side {
            Side::Left => {
                old = node_hash(sibling, &old);
                new = node_hash(sibling, &new);
            }
            Side::Right => new = node_hash(&new, sibling),
        });
        (RootHash(old.0), RootHash(new.0))
    }
}

/// The last complete subtree of a log of some size: where a consistency path starts.
struct StartNode {
    level: u32,
    index: u64,
}

impl StartNode {
    fn of(size: u64) -> Self {
        let level = size.trailing_zeros();
        Self { level, index: (size >> level) - 1 }
    }
}

enum Side {
    Left,
    Right,
}

/// Siblings met between node `index` and the root, where `last` is the index of the last node of the same level.
fn sibling_count(index: u64, last: u64) -> usize {
    // Above the level where the ways of `index` and `last` join, only left siblings remain: the one bits of the index.
    let below = u64::BITS - (index ^ last).leading_zeros();
    let above = index.checked_shr(below).unwrap_or(0).count_ones();
    (below + above) as usize
}

/// Walks from node `index` of a level whose last node is `last` up to the root, telling each sibling's side.
fn climb(mut index: u64, mut last: u64, path: &[NodeHash], mut step: impl FnMut(&NodeHash, Side)) {
    for sibling in path {
        if index & 1 == 1 || index == last {
            step(sibling, Side::Left);
            // A node without right sibling is its own parent until it becomes a right child.
            while index & 1 == 0 && index != 0 {
                index >>= 1;
                last >>= 1;
            }
        } else {
            step(sibling, Side::Right);
        }
        index >>= 1;
        last >>= 1;
    }
    assert_eq!(last, 0, "the length of the path was checked when the proof was made");
}
