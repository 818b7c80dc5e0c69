//! The hash tree of one period: built once over all leaves, then cut down to one path an object.

use sha2::Digest as _;

use crate::cms::HashAlgorithm;
use crate::hash::{Blind, Sha256Digest, Sha512Digest};
use crate::tsp::MessageImprint;

/// A digest that evidence trees are made of.
pub trait TreeDigest: Copy + Ord + std::fmt::Debug + Send + Sync + 'static {
    /// The hash function.
    const ALGORITHM: HashAlgorithm;

    /// Hashes two digests, the smaller first (RFC 4998 §4.2: binary ascending order).
    #[must_use]
    fn combine(a: &Self, b: &Self) -> Self;

    /// The raw bytes.
    fn bytes(&self) -> &[u8];

    /// The sibling that blinds an object in trees of this digest.
    #[must_use]
    fn from_blind(blind: &Blind) -> Self;

    /// The digest as what a time-stamp is asked for.
    #[must_use]
    fn imprint(self) -> MessageImprint;
}

macro_rules! tree_digest {
    ($digest:ident, $hasher:ty, $variant:ident, |$blind:ident| $from_blind:expr) => {
        impl TreeDigest for $digest {
            const ALGORITHM: HashAlgorithm = HashAlgorithm::$variant;

            fn combine(a: &Self, b: &Self) -> Self {
                let (first, second) = if a <= b { (a, b) } else { (b, a) };
                let mut hasher = <$hasher>::new();
                hasher.update(first.as_bytes());
                hasher.update(second.as_bytes());
                Self(hasher.finalize().into())
            }

            fn bytes(&self) -> &[u8] {
                self.as_bytes()
            }

            fn from_blind($blind: &Blind) -> Self {
                $from_blind
            }

            fn imprint(self) -> MessageImprint {
                MessageImprint::$variant(self)
            }
        }
    };
}

tree_digest!(Sha256Digest, sha2::Sha256, Sha256, |blind| Sha256Digest(
    blind.0
));
tree_digest!(Sha512Digest, sha2::Sha512, Sha512, |blind| blind
    .for_sha512());

/// Whether an object of this size could be the two (or more) children of some node, hashed again.
///
/// - `size`: bytes of the object.
#[must_use]
pub fn could_pass_for_a_node(size: u64, algorithm: HashAlgorithm) -> bool {
    let digest = algorithm.digest_len() as u64;
    size >= 2 * digest && size.is_multiple_of(digest)
}

/// The leaf of a blinded object: its digest and its blind, combined as one more pair of the tree.
#[must_use]
pub fn leaf_value<D: TreeDigest>(digest: &D, blind: &D) -> D {
    D::combine(digest, blind)
}

/// Place of a leaf in its tree, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(pub usize);

/// Why no tree or path can be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// No leaf at all.
    #[error("an evidence tree needs at least one leaf")]
    Empty,
    /// The tree has no such leaf.
    #[error("leaf {index} of a tree with {leaves}")]
    NoSuchLeaf {
        /// The index asked for.
        index: usize,
        /// Leaves in the tree.
        leaves: usize,
    },
    /// The leaf is not made of this digest and this blind.
    #[error("leaf {index} is not made of this digest and blind")]
    LeafDiffers {
        /// The index asked for.
        index: usize,
    },
}

/// A binary hash tree, all levels kept so that cutting out a path costs a look-up a level.
///
/// Memory: two digests a leaf. Cost to build: one hash a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceTree<D> {
    levels: Vec<Vec<D>>,
}

impl<D: TreeDigest> EvidenceTree<D> {
    /// Builds the tree over leaf values in the order given: [`leaf_value`]s, or bare digests for what needs no blind.
    ///
    /// A node left without a sibling at the end of a level is taken to the next level unchanged.
    ///
    /// # Errors
    /// [`TreeError::Empty`].
    ///
    /// # Standard
    /// RFC 4998 §4.2.1.
    pub fn from_leaf_values(leaves: Vec<D>) -> Result<Self, TreeError> {
        if leaves.is_empty() {
            return Err(TreeError::Empty);
        }
        let mut levels = vec![leaves];
        while let Some(level) = levels.last().filter(|level| level.len() > 1) {
            let parent = |pair: &[D]| match pair {
                [left, right] => D::combine(left, right),
                // `chunks(2)` yields at most one shorter chunk, the last, of one.
                _ => pair[0],
            };
            let parents = level.chunks(2).map(parent).collect();
            levels.push(parents);
        }
        Ok(Self { levels })
    }

    /// All levels: the leaves first, the root alone last.
    #[must_use]
    pub fn levels(&self) -> &[Vec<D>] {
        &self.levels
    }

    /// How many leaves.
    #[must_use]
    pub fn leaf_count(&self) -> usize {
        self.levels[0].len()
    }

    /// The root: what is stamped.
    #[must_use]
    pub fn root(&self) -> D {
        self.levels[self.levels.len() - 1][0]
    }

    /// The siblings on the way from a leaf to the root, lowest first; levels where it has none are left out.
    ///
    /// # Errors
    /// [`TreeError::NoSuchLeaf`].
    pub fn siblings(&self, index: LeafIndex) -> Result<Vec<D>, TreeError> {
        let LeafIndex(mut at) = index;
        if at >= self.leaf_count() {
            return Err(TreeError::NoSuchLeaf {
                index: at,
                leaves: self.leaf_count(),
            });
        }
        let mut siblings = Vec::with_capacity(self.levels.len());
        for level in &self.levels {
            siblings.extend(level.get(at ^ 1));
            at /= 2;
        }
        Ok(siblings)
    }
}

/// One object's way to the root: its digest, its blind, then one sibling a level. Each becomes a list of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReducedHashtree<D> {
    path: Vec<D>,
}

impl<D: TreeDigest> ReducedHashtree<D> {
    /// The values, the object's own digest first.
    #[must_use]
    pub fn path(&self) -> &[D] {
        &self.path
    }

    /// The root that they lead to.
    #[must_use]
    pub fn root(&self) -> D {
        let mut path = self.path.iter();
        // The constructor puts the object's digest first.
        let first = path
            .next()
            .copied()
            .expect("a path begins with its object's digest");
        path.fold(first, |below, sibling| D::combine(&below, sibling))
    }
}

/// Cuts the path of one object out of the tree.
///
/// - `digest`: of the object; `blind`: its sibling in the leaf, `None` for a bare leaf.
///
/// # Errors
/// [`TreeError::NoSuchLeaf`]; [`TreeError::LeafDiffers`] if digest and blind do not make that leaf, so that a record is
/// never written that would not verify.
///
/// # Standard
/// RFC 4998 §4.2.2, in the shape described at [`crate::ers`].
pub fn reduced_hashtree<D: TreeDigest>(
    tree: &EvidenceTree<D>,
    index: LeafIndex,
    digest: D,
    blind: Option<D>,
) -> Result<ReducedHashtree<D>, TreeError> {
    let siblings = tree.siblings(index)?;
    let leaf = blind.map_or(digest, |blind| leaf_value(&digest, &blind));
    if tree.levels[0][index.0] != leaf {
        return Err(TreeError::LeafDiffers { index: index.0 });
    }
    let path = std::iter::once(digest)
        .chain(blind)
        .chain(siblings)
        .collect();
    Ok(ReducedHashtree { path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(number: usize) -> Sha256Digest {
        Sha256Digest::of(&number.to_be_bytes())
    }

    #[test]
    fn every_path_of_every_small_tree_leads_to_the_root() {
        for leaves in 1..=33 {
            let blind = |n: usize| Sha256Digest::of(&[n as u8]);
            let values = (0..leaves)
                .map(|n| leaf_value(&leaf(n), &blind(n)))
                .collect();
            let tree = EvidenceTree::from_leaf_values(values).expect("leaves");
            for n in 0..leaves {
                let path = reduced_hashtree(&tree, LeafIndex(n), leaf(n), Some(blind(n)));
                assert_eq!(
                    path.map(|p| p.root()),
                    Ok(tree.root()),
                    "leaf {n} of {leaves}"
                );
            }
        }
    }

    #[test]
    fn the_last_node_without_sibling_moves_up_unchanged() {
        let tree = EvidenceTree::from_leaf_values((0..5).map(leaf).collect()).expect("leaves");
        let pair = |a, b| Sha256Digest::combine(&a, &b);
        let (left, right) = (pair(leaf(0), leaf(1)), pair(leaf(2), leaf(3)));
        let expected = vec![
            (0..5).map(leaf).collect(),
            vec![left, right, leaf(4)],
            vec![pair(left, right), leaf(4)],
            vec![pair(pair(left, right), leaf(4))],
        ];
        assert_eq!(tree.levels(), expected);
        assert_eq!(tree.siblings(LeafIndex(4)), Ok(vec![pair(left, right)]));
    }

    #[test]
    fn each_rule_has_its_error() {
        let none = EvidenceTree::<Sha512Digest>::from_leaf_values(Vec::new());
        assert_eq!(none, Err(TreeError::Empty));
        let tree = EvidenceTree::from_leaf_values(vec![leaf(0)]).expect("a leaf");
        assert_eq!(
            tree.siblings(LeafIndex(1)),
            Err(TreeError::NoSuchLeaf {
                index: 1,
                leaves: 1
            })
        );
        let other = reduced_hashtree(&tree, LeafIndex(0), leaf(1), None);
        assert_eq!(other, Err(TreeError::LeafDiffers { index: 0 }));
    }

    #[test]
    fn sizes_of_nodes_are_suspicious() {
        let suspicious: Vec<u64> = (0..200)
            .filter(|&s| could_pass_for_a_node(s, HashAlgorithm::Sha256))
            .collect();
        assert_eq!(suspicious, [64, 96, 128, 160, 192]);
    }
}
