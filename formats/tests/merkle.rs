//! The Merkle tree against its recursive definition (RFC 6962 §2.1), against `tlog_tiles`, and against tampering.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::HashMap;
use std::convert::Infallible;

use cartulaire_formats::merkle::*;

fn leaves(count: u64) -> Vec<LeafHash> {
    (0..count).map(|i| leaf_hash(format!("entry {i}\n").as_bytes())).collect()
}

fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

/// MTH of RFC 6962 §2.1, word for word.
fn mth(leaves: &[LeafHash]) -> NodeHash {
    match leaves {
        [] => NodeHash(empty_root().0),
        [leaf] => (*leaf).into(),
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&mth(left), &mth(right))
        }
    }
}

/// PATH of RFC 6962 §2.1.1.
fn path(m: usize, leaves: &[LeafHash]) -> Vec<NodeHash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut below, sibling) = if m < k { (path(m, left), mth(right)) } else { (path(m - k, right), mth(left)) };
    below.push(sibling);
    below
}

/// SUBPROOF of RFC 6962 §2.1.2.
fn subproof(m: usize, leaves: &[LeafHash], whole: bool) -> Vec<NodeHash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![mth(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut below, sibling) =
        if m <= k { (subproof(m, left, whole), mth(right)) } else { (subproof(m - k, right, false), mth(left)) };
    below.push(sibling);
    below
}

/// Nodes straight from the leaves, refusing whatever is not a complete subtree inside `limit`.
struct Recursive<'a> {
    leaves: &'a [LeafHash],
    limit: u64,
    /// Complete subtrees never change, so each is computed once.
    known: HashMap<(u32, u64), NodeHash>,
}

impl<'a> Recursive<'a> {
    fn new(leaves: &'a [LeafHash], limit: u64) -> Self {
        Self { leaves, limit, known: HashMap::new() }
    }
}

impl Nodes for Recursive<'_> {
    type Error = Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<NodeHash, Infallible> {
        let (start, end) = (index << level, (index + 1) << level);
        assert!(end <= self.limit, "asked [{start}, {end}) of a log of {}", self.limit);
        let hash = || mth(&self.leaves[start as usize..end as usize]);
        Ok(*self.known.entry((level, index)).or_insert_with(hash))
    }
}

#[test]
fn roots_follow_the_recursive_definition() {
    let all = leaves(300);
    for size in 0..=all.len() {
        let expected = RootHash(mth(&all[..size]).0);
        assert_eq!(root_of(&all[..size]), expected, "size {size}");
        let mut nodes = Recursive::new(&all, size as u64);
        assert_eq!(root(&mut nodes, TreeSize(size as u64)), Ok(expected), "size {size}");
    }
}

#[test]
fn every_inclusion_proof_to_size_300() {
    let all = leaves(300);
    let mut nodes = Recursive::new(&all, 0);
    for size in 1..=all.len() {
        let root = RootHash(mth(&all[..size]).0);
        nodes.limit = size as u64;
        for index in 0..size {
            let (at, of) = (LeafIndex(index as u64), TreeSize(size as u64));
            let proof = inclusion_proof(&mut nodes, at, of).unwrap();
            // The recursive path is slow: every index of small trees, a sample of the large ones.
            if size <= 80 || index % 37 == 0 {
                assert_eq!(proof.path(), path(index, &all[..size]), "{index} of {size}");
            }
            assert_eq!(proof.verify(&all[index], &root), Ok(()), "{index} of {size}");
        }
    }
}

#[test]
fn every_consistency_proof_below_size_200() {
    let all = leaves(200);
    let roots: Vec<RootHash> = (0..=200).map(|size| RootHash(mth(&all[..size]).0)).collect();
    let mut nodes = Recursive::new(&all, 0);
    for new in 0..200 {
        nodes.limit = new as u64;
        for old in 0..=new {
            let proof = consistency_proof(&mut nodes, TreeSize(old as u64), TreeSize(new as u64)).unwrap();
            if old > 0 {
                assert_eq!(proof.path(), subproof(old, &all[..new], true), "{old} to {new}");
            }
            assert_eq!(proof.verify(&roots[old], &roots[new]), Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn any_changed_hash_breaks_the_proof() {
    let all = leaves(70);
    let root = root_of(&all);
    for index in 0..70 {
        let mut nodes = Recursive::new(&all, 70);
        let (at, of) = (LeafIndex(index), TreeSize(70));
        let proof = inclusion_proof(&mut nodes, at, of).unwrap();
        let leaf = all[index as usize];
        for position in 0..proof.path().len() {
            let mut path = proof.path().to_vec();
            path[position].0[31] ^= 1;
            let changed = InclusionProof::new(at, of, path).unwrap();
            let expected = InclusionError::RootMismatch { expected: root, found: changed.root(&leaf) };
            assert_eq!(changed.verify(&leaf, &root), Err(expected));
        }
        let other = all[(index as usize + 1) % 70];
        let expected = InclusionError::RootMismatch { expected: root, found: proof.root(&other) };
        assert_eq!(proof.verify(&other, &root), Err(expected));
    }
}

#[test]
fn a_proof_of_the_wrong_shape_is_refused_before_any_hash() {
    let (hash, big) = (NodeHash([7; 32]), TreeSize(1 << 63));
    let of = |index, size, count| InclusionProof::new(LeafIndex(index), size, vec![hash; count]);
    assert_eq!(of(0, big, 63), Err(InclusionError::SizeTooLarge { size: big }));
    let outside = InclusionError::IndexOutsideTree { index: LeafIndex(3), size: TreeSize(3) };
    assert_eq!(of(3, TreeSize(3), 2), Err(outside));
    assert_eq!(of(0, TreeSize(0), 0).map_err(|e| e.to_string()), Err("entry 0 is not in a log of 0 entries".into()));
    assert_eq!(of(2, TreeSize(3), 2), Err(InclusionError::PathLength { expected: 1, found: 2 }));
    assert_eq!(of(0, TreeSize(3), 1), Err(InclusionError::PathLength { expected: 2, found: 1 }));
    assert!(of(0, TreeSize((1 << 63) - 1), 63).is_ok());

    let from = |old, new, count| ConsistencyProof::new(TreeSize(old), TreeSize(new), vec![hash; count]);
    assert_eq!(from(1, 1 << 63, 63), Err(ConsistencyError::SizeTooLarge { size: big }));
    let reversed = ConsistencyError::SizesReversed { old: TreeSize(4), new: TreeSize(3) };
    assert_eq!(from(4, 3, 0), Err(reversed));
    assert_eq!(from(3, 3, 1), Err(ConsistencyError::PathLength { expected: 0, found: 1 }));
    assert_eq!(from(0, 3, 1), Err(ConsistencyError::PathLength { expected: 0, found: 1 }));
    assert_eq!(from(3, 4, 2), Err(ConsistencyError::PathLength { expected: 3, found: 2 }));
    assert!(from((1 << 62) + 1, (1 << 63) - 1, 64).is_ok());
}

#[test]
fn a_rewritten_log_is_not_consistent() {
    let all = leaves(10);
    let (old, new) = (root_of(&all[..6]), root_of(&all));
    let mut nodes = Recursive::new(&all, 10);
    let proof = consistency_proof(&mut nodes, TreeSize(6), TreeSize(10)).unwrap();
    let forged = RootHash([9; 32]);
    assert_eq!(proof.verify(&forged, &new), Err(ConsistencyError::OldRootMismatch { expected: forged, found: old }));
    assert_eq!(proof.verify(&old, &forged), Err(ConsistencyError::NewRootMismatch { expected: forged, found: new }));

    let same = ConsistencyProof::new(TreeSize(6), TreeSize(6), vec![]).unwrap();
    assert_eq!(same.verify(&forged, &old), Err(ConsistencyError::OldRootMismatch { expected: forged, found: old }));
    let from_empty = ConsistencyProof::new(TreeSize(0), TreeSize(6), vec![]).unwrap();
    assert_eq!(from_empty.verify(&empty_root(), &old), Ok(()));
    assert_eq!(
        from_empty.verify(&forged, &old),
        Err(ConsistencyError::OldRootMismatch { expected: forged, found: empty_root() })
    );
}

#[test]
fn a_proof_outside_the_log_is_not_made() {
    let all = leaves(3);
    let mut nodes = Recursive::new(&all, 3);
    let (index, size, big) = (LeafIndex(3), TreeSize(3), TreeSize(1 << 63));
    assert_eq!(inclusion_proof(&mut nodes, index, size), Err(ProveError::IndexOutsideTree { index, size }));
    assert_eq!(inclusion_proof(&mut nodes, index, big), Err(ProveError::SizeTooLarge { size: big }));
    let (old, new) = (TreeSize(3), TreeSize(2));
    assert_eq!(consistency_proof(&mut nodes, old, new), Err(ProveError::SizesReversed { old, new }));
    assert_eq!(consistency_proof(&mut nodes, old, big), Err(ProveError::SizeTooLarge { size: big }));
    assert_eq!(root(&mut nodes, big), Err(ProveError::SizeTooLarge { size: big }));
}

#[test]
fn a_failing_source_is_reported() {
    struct Broken;
    impl Nodes for Broken {
        type Error = (u32, u64);
        fn node(&mut self, level: u32, index: u64) -> Result<NodeHash, (u32, u64)> {
            Err((level, index))
        }
    }
    assert_eq!(root(&mut Broken, TreeSize(5)), Err(ProveError::Nodes((0, 4))));
}

#[test]
fn the_worked_example_of_three_entries() {
    let all = [leaf_hash(b"alpha\n"), leaf_hash(b"bravo\n"), leaf_hash(b"charlie\n")];
    let mut nodes = Recursive::new(&all, 3);
    let proof = inclusion_proof(&mut nodes, LeafIndex(0), TreeSize(3)).unwrap();
    let expected: Vec<NodeHash> = [
        "f79320450d21e5a7eb4f4b9eb9a3fa20963a2d03ed91ee134f2f4346f7fc3d8f",
        "9bcb08baf911a83d6e582f0878a0d3fad3d1a864574be4af9182ecfdaf628f14",
    ]
    .map(|hex| hex.parse().unwrap())
    .into();
    assert_eq!(proof.path(), expected);
    let root = root_of(&all);
    assert_eq!(root.to_string(), "c3daef934e1ca779812846af4ab75926194a941d6af81ed808306a4900f6aac2");
    assert_eq!(proof.verify(&all[0], &root), Ok(()));
}

mod against_tlog_tiles {
    //! The crate `tlog_tiles` as a second opinion: its proofs verify here and ours there.

    use super::*;
    use tlog_tiles::tlog::{self, Hash, HashReader};

    struct Stored(Vec<Hash>);

    impl HashReader for Stored {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
            Ok(indexes.iter().map(|&i| self.0[i as usize]).collect())
        }
    }

    fn theirs(path: &[NodeHash]) -> Vec<Hash> {
        path.iter().map(|hash| Hash(hash.0)).collect()
    }

    #[test]
    fn roots_and_proofs_agree() {
        let mut stored = Stored(Vec::new());
        let mut all = Vec::new();
        for n in 0..130u64 {
            let entry = format!("entry {n}\n");
            let new = tlog::stored_hashes(n, entry.as_bytes(), &stored).unwrap();
            stored.0.extend(new);
            all.push(leaf_hash(entry.as_bytes()));
            let size = n + 1;
            let root = root_of(&all);
            assert_eq!(tlog::tree_hash(size, &stored).unwrap().0, root.0, "size {size}");

            let mut nodes = Recursive::new(&all, size);
            for index in [0, n / 3, n / 2, n] {
                let ours = inclusion_proof(&mut nodes, LeafIndex(index), TreeSize(size)).unwrap();
                let path = theirs(ours.path());
                assert_eq!(tlog::prove_record(size, index, &stored).unwrap(), path);
                tlog::check_record(&path, size, Hash(root.0), index, Hash(all[index as usize].0)).unwrap();
            }
            for old in [1, size / 3, size / 2, size].into_iter().filter(|&old| old > 0) {
                let ours = consistency_proof(&mut nodes, TreeSize(old), TreeSize(size)).unwrap();
                let path = theirs(ours.path());
                assert_eq!(tlog::prove_tree(size, old, &stored).unwrap(), path);
                let old_root = Hash(root_of(&all[..old as usize]).0);
                tlog::check_tree(&path, size, Hash(root.0), old, old_root).unwrap();
            }
        }
    }
}
