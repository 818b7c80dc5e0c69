use cartulaire_formats::checkpoint::*;
use cartulaire_formats::hash::RootHash;
use cartulaire_formats::merkle::TreeSize;
use cartulaire_formats::note::*;
use proptest::prelude::*;

use super::{EXAMPLE, TIME, key, log_key, signer, witness_key};

fn example() -> Checkpoint {
    let root = "c3daef934e1ca779812846af4ab75926194a941d6af81ed808306a4900f6aac2".parse().unwrap();
    Checkpoint::new(KeyName::new("archives.example/sae1").unwrap(), TreeSize(3), root)
}

#[test]
fn the_worked_example_is_made_and_opened() {
    let mut signed = example().sign(&log_key(), signer(1)).unwrap();
    let line = cosignature_line(signed.text(), &witness_key(), TIME, signer(2)).unwrap();
    signed.add_cosignature(line, &witness_key()).unwrap();
    assert_eq!(signed.note().to_string(), EXAMPLE);

    let opened = SignedCheckpoint::open(EXAMPLE.as_bytes(), &log_key(), &[witness_key()]).unwrap();
    assert_eq!(opened, signed);
    assert_eq!(*opened.checkpoint(), example());
    assert_eq!(opened.cosignatures(), [Cosignature { key: witness_key(), time: TIME }]);
    assert_eq!(opened.text(), "archives.example/sae1\n3\nw9rvk04cp3mBKEavSrdZJhlKlB1q+B7YCDBqSQD2qsI=\n");
    let without = SignedCheckpoint::open(EXAMPLE.as_bytes(), &log_key(), &[]).unwrap();
    assert_eq!(without.cosignatures(), []);
}

#[test]
fn extension_lines_are_read_and_kept() {
    let text = format!("{}more 1\nmore 2\n", example());
    let read: Checkpoint = text.parse().unwrap();
    assert_eq!(read.extensions(), ["more 1", "more 2"]);
    assert_eq!((read.origin(), read.size(), read.root()), (example().origin(), example().size(), example().root()));
    assert_eq!(read.to_string(), text);
    assert_eq!(example().extensions(), [""; 0]);
}

#[test]
fn texts_that_are_no_checkpoint_are_refused() {
    use CheckpointTextError::*;
    let root = "w9rvk04cp3mBKEavSrdZJhlKlB1q+B7YCDBqSQD2qsI=";
    let refused = [
        ("".to_owned(), NotTerminated),
        (format!("a\n3\n{root}"), NotTerminated),
        ("\n".to_owned(), EmptyLine { line: 0 }),
        ("a\n3\n".to_owned(), TooFewLines { found: 2 }),
        (format!("a\n3\n{root}\n\n"), EmptyLine { line: 3 }),
        (format!("a\n3\n{root}\nx\n\ny\n"), EmptyLine { line: 4 }),
        (format!("a b\n3\n{root}\n"), Origin(KeyError::NameCharacter { offset: 1 })),
        (format!("a\n03\n{root}\n"), Size),
        (format!("a\n+3\n{root}\n"), Size),
        (format!("a\n-3\n{root}\n"), Size),
        (format!("a\n 3\n{root}\n"), Size),
        (format!("a\n9223372036854775808\n{root}\n"), Size),
        (format!("a\n3\n{}\n", &root[..43]), Root),
        (format!("a\n3\n{root} \n"), Root),
        ("a\n3\nw9rv\n".to_owned(), Root),
        // The last character's spare bits are set: another spelling of the same 32 bytes.
        (format!("a\n3\n{}\n", root.replace("qsI=", "qsJ=")), Root),
    ];
    for (text, error) in refused {
        assert_eq!(text.parse::<Checkpoint>(), Err(error), "{text:?}");
    }
    let largest: Checkpoint = format!("a\n9223372036854775807\n{root}\n").parse().unwrap();
    assert_eq!(largest.size(), TreeSize(i64::MAX as u64));
}

#[test]
fn checkpoints_that_are_not_this_logs_are_refused() {
    let open = |text: &str, log: &VerifierKey, witnesses: &[VerifierKey]| {
        SignedCheckpoint::open(text.as_bytes(), log, witnesses)
    };
    assert_eq!(open("a\n", &log_key(), &[]), Err(CheckpointError::Note(NoteError::NoBlankLine)));
    let stranger = key("archives.example/sae1", KeyKind::Ed25519, 9);
    assert_eq!(open(EXAMPLE, &stranger, &[]), Err(CheckpointError::Verify(VerifyError::NoKnownKey)));
    assert_eq!(open(EXAMPLE, &stranger, &[witness_key()]), Err(CheckpointError::NotSignedByLog));
    assert_eq!(open(EXAMPLE, &witness_key(), &[]), Err(CheckpointError::KeyKind));
    assert_eq!(open(EXAMPLE, &log_key(), &[log_key()]), Err(CheckpointError::KeyKind));
    let bad = VerifyError::BadSignature { name: log_key().name().clone(), id: log_key().id() };
    assert_eq!(open(&EXAMPLE.replace("\n3\n", "\n4\n"), &log_key(), &[]), Err(CheckpointError::Verify(bad)));

    let other_text = Note::sign("not a checkpoint\n".into(), &log_key(), signer(1)).unwrap().to_string();
    let few = CheckpointError::Text(CheckpointTextError::TooFewLines { found: 1 });
    assert_eq!(open(&other_text, &log_key(), &[]), Err(few));

    let foreign = Checkpoint::new(KeyName::new("other.example").unwrap(), TreeSize(0), RootHash([0; 32]));
    let note = Note::sign(foreign.to_string(), &log_key(), signer(1)).unwrap().to_string();
    let mismatch = CheckpointError::OriginMismatch { origin: foreign.origin().clone(), key: log_key().name().clone() };
    assert_eq!(open(&note, &log_key(), &[]), Err(mismatch.clone()));
    assert_eq!(foreign.sign(&log_key(), signer(1)), Err(mismatch));
    assert_eq!(example().sign(&log_key(), signer(2)), Err(CheckpointError::Sign(SignError::DoesNotVerify)));
}

#[test]
fn only_the_witnesss_own_cosignature_is_added() {
    let mut signed = example().sign(&log_key(), signer(1)).unwrap();
    let before = signed.clone();
    let line = |text: &str| cosignature_line(text, &witness_key(), TIME, signer(2)).unwrap();
    let bad = VerifyError::BadSignature { name: witness_key().name().clone(), id: witness_key().id() };
    assert_eq!(signed.add_cosignature(line("other\n"), &witness_key()), Err(CheckpointError::Verify(bad)));
    let stranger = key("voisine.example/temoin1", KeyKind::CosignatureV1, 9);
    let unknown = Err(CheckpointError::Verify(VerifyError::NoKnownKey));
    assert_eq!(signed.add_cosignature(line(before.text()), &stranger), unknown);
    assert_eq!(signed.add_cosignature(line(before.text()), &log_key()), Err(CheckpointError::KeyKind));
    assert_eq!(signed, before);
}

#[test]
fn tlog_tiles_reads_ours() {
    let text = example().to_string();
    let theirs = tlog_tiles::Checkpoint::from_bytes(text.as_bytes()).unwrap();
    assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), ("archives.example/sae1", 3, example().root().0));
    assert_eq!(theirs.to_bytes(), text.as_bytes());
}

proptest! {
    #[test]
    fn a_checkpoint_comes_back(name in "[a-z./0-9é]{1,20}", size in 0..=i64::MAX as u64, root: [u8; 32]) {
        let checkpoint = Checkpoint::new(KeyName::new(name).unwrap(), TreeSize(size), RootHash(root));
        prop_assert_eq!(checkpoint.to_string().parse(), Ok(checkpoint));
    }

    #[test]
    fn a_parsed_text_is_written_the_same(text in "[a ]{1,2}\n[0-9]{1,3}\n(w9rvk04cp3mBKEavSrdZJhlKlB1q\\+B7YCDBqSQD2qs[A-Z]=)\n(x?\n)?") {
        if let Ok(checkpoint) = text.parse::<Checkpoint>() {
            prop_assert_eq!(checkpoint.to_string(), text);
        }
    }
}
