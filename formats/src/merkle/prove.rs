//! Proofs made from complete subtrees.

use super::{ConsistencyProof, InclusionProof, LeafIndex, StartNode, TreeSize, empty_root, node_hash};
use crate::bounds::{CONSISTENCY_PATH_MAX, INCLUSION_PATH_MAX, TREE_SIZE_MAX};
use crate::hash::{NodeHash, RootHash};

/// A source of complete subtrees' hashes.
pub trait Nodes {
    /// Why a node could not be had.
    type Error;

    /// The hash of the complete subtree over entries `[index · 2^level, (index + 1) · 2^level)`.
    ///
    /// # Errors
    /// The source's own; a source that does not reach so far must say so, never guess.
    fn node(&mut self, level: u32, index: u64) -> Result<NodeHash, Self::Error>;
}

/// A proof that could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E> {
    /// The tree is larger than [`TREE_SIZE_MAX`].
    #[error("tree size {size} is above 2^63 - 1")]
    SizeTooLarge {
        /// The size asked for.
        size: TreeSize,
    },
    /// The index is not below the size.
    #[error("entry {index} is not in a log of {size} entries")]
    IndexOutsideTree {
        /// The index asked for.
        index: LeafIndex,
        /// The size asked for.
        size: TreeSize,
    },
    /// The old size is above the new one.
    #[error("the new size {new} is below the old size {old}")]
    SizesReversed {
        /// The old size asked for.
        old: TreeSize,
        /// The new size asked for.
        new: TreeSize,
    },
    /// The source of nodes failed.
    #[error(transparent)]
    Nodes(#[from] E),
}

/// Root of the log of `size` entries.
///
/// - Asks at most 63 nodes, all complete subtrees inside `size`.
///
/// # Errors
/// [`ProveError::SizeTooLarge`], and the source's own.
pub fn root<N: Nodes>(nodes: &mut N, size: TreeSize) -> Result<RootHash, ProveError<N::Error>> {
    check_size(size)?;
    let edge = right_edge(nodes, size.0, u64::BITS)?;
    Ok(edge.map_or_else(empty_root, |node| RootHash(node.0)))
}

/// Proves that entry `index` is in the log of `size` entries.
///
/// - Asks only complete subtrees inside `size`, at most 126 of them.
///
/// # Errors
/// [`ProveError::SizeTooLarge`], [`ProveError::IndexOutsideTree`], and the source's own.
///
/// # Standard
/// RFC 9162 §2.1.3.1.
pub fn inclusion_proof<N: Nodes>(
    nodes: &mut N,
    index: LeafIndex,
    size: TreeSize,
) -> Result<InclusionProof, ProveError<N::Error>> {
    check_size(size)?;
    if index.0 >= size.0 {
        return Err(ProveError::IndexOutsideTree { index, size });
    }
    let mut path = Vec::with_capacity(INCLUSION_PATH_MAX);
    siblings(nodes, StartNode { level: 0, index: index.0 }, size.0, &mut path)?;
    Ok(InclusionProof::new(index, size, path).expect("a path has one hash for each sibling"))
}

/// Proves that the log of `new` entries begins with the log of `old` entries.
///
/// - Asks only complete subtrees inside `new`, at most 127 of them; none if `old` is 0 or `new`.
///
/// # Errors
/// [`ProveError::SizeTooLarge`], [`ProveError::SizesReversed`], and the source's own.
///
/// # Standard
/// RFC 9162 §2.1.4.1.
pub fn consistency_proof<N: Nodes>(
    nodes: &mut N,
    old: TreeSize,
    new: TreeSize,
) -> Result<ConsistencyProof, ProveError<N::Error>> {
    check_size(new)?;
    if old > new {
        return Err(ProveError::SizesReversed { old, new });
    }
    let mut path = Vec::with_capacity(CONSISTENCY_PATH_MAX);
    if old.0 != 0 && old != new {
        let start = StartNode::of(old.0);
        if !old.0.is_power_of_two() {
            path.push(nodes.node(start.level, start.index)?);
        }
        siblings(nodes, start, new.0, &mut path)?;
    }
    Ok(ConsistencyProof::new(old, new, path).expect("a path has one hash for each sibling"))
}

fn check_size<E>(size: TreeSize) -> Result<(), ProveError<E>> {
    if size.0 > TREE_SIZE_MAX { Err(ProveError::SizeTooLarge { size }) } else { Ok(()) }
}

/// Pushes the siblings met from `start` up to the root of a log of `size` entries.
fn siblings<N: Nodes>(nodes: &mut N, start: StartNode, size: u64, path: &mut Vec<NodeHash>) -> Result<(), N::Error> {
    let StartNode { mut level, mut index } = start;
    // Sizes stay below 2^63, so `1 << level` ends the loop at level 63 at the latest and nothing overflows.
    while 1 << level < size {
        let sibling = index ^ 1;
        if (sibling + 1) << level <= size {
            path.push(nodes.node(level, sibling)?);
        } else if sibling << level < size {
            // The one sibling that the log's end cuts: everything right of it is below its level.
            let cut = right_edge(nodes, size, level)?;
            path.push(cut.expect("the cut sibling holds at least one entry"));
        }
        index >>= 1;
        level += 1;
    }
    Ok(())
}

/// Hash of the last `size mod 2^level` entries, folded from the complete subtrees that the binary digits of `size` name.
fn right_edge<N: Nodes>(nodes: &mut N, size: u64, level: u32) -> Result<Option<NodeHash>, N::Error> {
    let mut edge: Option<NodeHash> = None;
    for bit in (0..level.min(u64::BITS)).filter(|bit| size >> bit & 1 == 1) {
        let left = nodes.node(bit, (size >> bit) - 1)?;
        edge = Some(edge.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(edge)
}
