use cartulaire_formats::bounds::{TLOG_PROOF_BYTES_MAX, TLOG_PROOF_EXTRA_BYTES_MAX};
use cartulaire_formats::checkpoint::*;
use cartulaire_formats::merkle::*;
use cartulaire_formats::note::*;
use cartulaire_formats::tiles::TreeEdge;
use cartulaire_formats::tlog_proof::*;
use proptest::prelude::*;

use super::{EXAMPLE, key, log_key, signer, witness_key};

const ENTRIES: [&[u8]; 3] = [b"alpha\n", b"bravo\n", b"charlie\n"];

struct Edge(TreeEdge);

impl Nodes for Edge {
    type Error = std::convert::Infallible;

    fn node(&mut self, level: u32, index: u64) -> Result<NodeHash, Self::Error> {
        Ok(self.0.node(level, index).expect("a small log lies in its edge"))
    }
}

fn edge(entries: usize) -> Edge {
    let mut edge = TreeEdge::empty();
    for entry in 0..entries {
        edge.append(leaf_hash(ENTRIES[entry % 3]));
    }
    Edge(edge)
}

fn example(index: u64, extra: Option<&[u8]>) -> TlogProof {
    let checkpoint = SignedCheckpoint::open(EXAMPLE.as_bytes(), &log_key(), &[]).unwrap();
    let proof = inclusion_proof(&mut edge(3), LeafIndex(index), TreeSize(3)).unwrap();
    TlogProof::new(&proof, &checkpoint, extra.map(Vec::from)).unwrap()
}

#[test]
fn the_worked_example_is_this_text() {
    let expected = format!(
        "c2sp.org/tlog-proof@v1\nindex 0\n95MgRQ0h5afrT0ueuaP6IJY6LQPtke4TTy9DRvf8PY8=\n\
         m8sIuvkRqD1uWC8IeKDT+tPRqGRXS+SvkYLs/a9ijxQ=\n\n{EXAMPLE}"
    );
    let proof = example(0, None);
    assert_eq!(proof.to_string(), expected);
    assert_eq!(TlogProof::parse(expected.as_bytes()), Ok(proof.clone()));
    assert_eq!((proof.extra(), proof.index(), proof.path().len()), (None, LeafIndex(0), 2));
    assert_eq!(proof.checkpoint().to_string(), EXAMPLE);

    let opened = SignedCheckpoint::open(EXAMPLE.as_bytes(), &log_key(), &[witness_key()]).unwrap();
    assert_eq!(proof.verify(&leaf_hash(b"alpha\n"), &log_key(), &[witness_key()]), Ok(opened));
}

#[test]
fn every_entry_is_proven_and_no_other() {
    for (index, entry) in (0u64..).zip(ENTRIES) {
        let text = example(index, Some(b"extra")).to_string();
        let proof = TlogProof::parse(text.as_bytes()).unwrap();
        assert_eq!(proof.extra(), Some(&b"extra"[..]));
        assert!(proof.verify(&leaf_hash(entry), &log_key(), &[]).is_ok());
        let other = leaf_hash(ENTRIES[(index as usize + 1) % 3]);
        let refused = proof.verify(&other, &log_key(), &[]);
        assert!(matches!(refused, Err(TlogProofError::Inclusion(InclusionError::RootMismatch { .. }))));
    }
}

#[test]
fn a_log_of_one_entry_has_an_empty_path() {
    let log = edge(1);
    let checkpoint = Checkpoint::new(log_key().name().clone(), TreeSize(1), log.0.root());
    let signed = checkpoint.sign(&log_key(), signer(1)).unwrap();
    let proof = InclusionProof::new(LeafIndex(0), TreeSize(1), vec![]).unwrap();
    let text = TlogProof::new(&proof, &signed, None).unwrap().to_string();
    assert_eq!(text, format!("c2sp.org/tlog-proof@v1\nindex 0\n\n{}", signed.note()));
    let parsed = TlogProof::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.verify(&leaf_hash(b"alpha\n"), &log_key(), &[]), Ok(signed));
}

#[test]
fn bytes_that_are_no_proof_are_refused() {
    use TlogProofError::*;
    let good = example(0, Some(b"x")).to_string();
    let hash = "95MgRQ0h5afrT0ueuaP6IJY6LQPtke4TTy9DRvf8PY8=\n";
    let long_extra = "A".repeat(4 * (TLOG_PROOF_EXTRA_BYTES_MAX / 3 + 1));
    let extra_bytes = 3 * (TLOG_PROOF_EXTRA_BYTES_MAX / 3 + 1);
    let refused: [(Vec<u8>, TlogProofError); 17] = [
        (vec![b'x'; TLOG_PROOF_BYTES_MAX + 1], TooLong { bytes: TLOG_PROOF_BYTES_MAX + 1 }),
        (b"c2sp.org/\xff".to_vec(), Utf8 { offset: 9 }),
        (b"".to_vec(), Header),
        (good.replace("@v1", "@v2").into(), Header),
        (good.replace("@v1", "@v1 ").into(), Header),
        (good.replace("\n\n", "\n").into(), NoBlankLine),
        (good.replace("extra eA==", "extra eB==").into(), Extra),
        (good.replace("extra eA==", &format!("extra {long_extra}")).into(), ExtraTooLong { bytes: extra_bytes }),
        (good.replace("extra eA==", "extra").into(), Index),
        (good.replace("extra eA==", "extra eA==\nextra eA==").into(), Index),
        (good.replace("index 0", "index 00").into(), Index),
        (good.replace("index 0", "index 9223372036854775808").into(), Index),
        (good.replace("index 0\n", "").into(), Index),
        (good.replace(hash, &hash.replace('=', "")).into(), Hash { position: 0 }),
        (good.replace("jxQ=\n", "jxR=\n").into(), Hash { position: 1 }),
        (good.replace(hash, &hash.repeat(63)).into(), PathTooLong),
        (good.replace("\n\n—", "\n—").into(), Note(NoteError::NoBlankLine)),
    ];
    for (bytes, error) in refused {
        assert_eq!(TlogProof::parse(&bytes), Err(error), "{}", bytes[..bytes.len().min(90)].escape_ascii());
    }
}

#[test]
fn proofs_of_something_else_are_refused() {
    let leaf = leaf_hash(b"alpha\n");
    let parse = |text: String| TlogProof::parse(text.as_bytes()).unwrap();
    let good = example(0, None);
    let stranger = key("archives.example/sae1", KeyKind::Ed25519, 9);
    let unknown = TlogProofError::Checkpoint(CheckpointError::Verify(VerifyError::NoKnownKey));
    assert_eq!(good.verify(&leaf, &stranger, &[]), Err(unknown));
    let beyond = parse(good.to_string().replace("index 0", "index 3"));
    let outside = InclusionError::IndexOutsideTree { index: LeafIndex(3), size: TreeSize(3) };
    assert_eq!(beyond.verify(&leaf, &log_key(), &[]), Err(TlogProofError::Inclusion(outside)));
    let shifted = parse(good.to_string().replace("index 0", "index 2"));
    let length = InclusionError::PathLength { expected: 1, found: 2 };
    assert_eq!(shifted.verify(&leaf, &log_key(), &[]), Err(TlogProofError::Inclusion(length)));
}

#[test]
fn extra_data_is_bounded() {
    let checkpoint = SignedCheckpoint::open(EXAMPLE.as_bytes(), &log_key(), &[]).unwrap();
    let proof = inclusion_proof(&mut edge(3), LeafIndex(0), TreeSize(3)).unwrap();
    let made = |bytes: usize| TlogProof::new(&proof, &checkpoint, Some(vec![0; bytes]));
    let bytes = TLOG_PROOF_EXTRA_BYTES_MAX + 1;
    assert_eq!(made(bytes), Err(TlogProofError::ExtraTooLong { bytes }));
    let largest = made(bytes - 1).unwrap();
    assert_eq!(TlogProof::parse(largest.to_string().as_bytes()), Ok(largest));
}

proptest! {
    #[test]
    fn proofs_come_back(size in 1usize..200, index in 0usize..200, extra in prop::option::of(prop::collection::vec(any::<u8>(), 0..40))) {
        let (index, mut log) = (LeafIndex((index % size) as u64), edge(size));
        let checkpoint = Checkpoint::new(log_key().name().clone(), TreeSize(size as u64), log.0.root());
        let signed = checkpoint.sign(&log_key(), signer(1)).unwrap();
        let path = inclusion_proof(&mut log, index, TreeSize(size as u64)).unwrap();
        let proof = TlogProof::new(&path, &signed, extra).unwrap();
        prop_assert_eq!(TlogProof::parse(proof.to_string().as_bytes()), Ok(proof.clone()));
        let leaf = leaf_hash(ENTRIES[index.0 as usize % 3]);
        prop_assert_eq!(proof.verify(&leaf, &log_key(), &[]), Ok(signed));
    }

    #[test]
    fn no_text_panics(tail in "[\nA=a-z 0-9—]{0,60}") {
        let _ = TlogProof::parse(format!("{HEADER}\nindex {tail}").as_bytes());
    }
}
