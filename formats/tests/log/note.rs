use std::process::Command;

use cartulaire_formats::bounds::{KEY_NAME_BYTES_MAX, NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
use cartulaire_formats::note::*;
use proptest::prelude::*;

use super::{EXAMPLE, LOG_VKEY, TIME, WITNESS_VKEY, key, log_key, signer, witness_key};

const TEXT: &str = "a text\n\nof two paragraphs: été\n";

fn signed() -> Note {
    Note::sign(TEXT.into(), &log_key(), signer(1)).unwrap()
}

#[test]
fn the_worked_example_is_made_and_verified() {
    assert_eq!(LOG_VKEY.parse(), Ok(log_key()));
    assert_eq!(WITNESS_VKEY.parse(), Ok(witness_key()));
    assert_eq!((log_key().to_string(), witness_key().to_string()), (LOG_VKEY.into(), WITNESS_VKEY.into()));

    let text = EXAMPLE.split_once("\n\n").unwrap().0.to_owned() + "\n";
    let mut made = Note::sign(text.clone(), &log_key(), signer(1)).unwrap();
    made.add(cosignature_line(&text, &witness_key(), TIME, signer(2)).unwrap()).unwrap();
    assert_eq!(made.to_string(), EXAMPLE);

    let note = Note::parse(EXAMPLE.as_bytes()).unwrap();
    assert_eq!(note, made);
    let by = |key, time| SignedBy { key, time };
    let both = vec![by(log_key(), None), by(witness_key(), Some(TIME))];
    assert_eq!(note.verify(&[witness_key(), log_key()]), Ok(both));
    assert_eq!(note.verify(&[witness_key()]), Ok(vec![by(witness_key(), Some(TIME))]));
}

#[test]
fn the_example_of_the_standard_is_read() {
    // C2SP signed-note, its poem: four lines of text, one of them blank.
    let poem = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n";
    let line = "— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=";
    let note = Note::parse(format!("{poem}\n{line}\n").as_bytes()).unwrap();
    assert_eq!(note.text(), poem);
    assert_eq!(note.signatures(), [SignatureLine::parse(line).unwrap()]);
    assert_eq!(note.signatures()[0].name().as_str(), "quasimodo.example/salvatore");
    assert_eq!(note.signatures()[0].id(), KeyId([0x36, 0x7b, 0xa0, 0x4b]));
    assert_eq!(note.signatures()[0].signature().len(), 64);
}

#[test]
fn keys_that_are_none_are_refused() {
    let long = "x".repeat(KEY_NAME_BYTES_MAX + 1);
    let names = [
        ("", KeyError::NameEmpty),
        (long.as_str(), KeyError::NameTooLong { bytes: long.len() }),
        ("a b", KeyError::NameCharacter { offset: 1 }),
        ("a\u{2003}b", KeyError::NameCharacter { offset: 1 }),
        ("é+", KeyError::NameCharacter { offset: 2 }),
        ("a\n", KeyError::NameCharacter { offset: 1 }),
        ("\u{1}", KeyError::NameCharacter { offset: 0 }),
    ];
    for (name, error) in names {
        assert_eq!(KeyName::new(name), Err(error), "{name}");
    }

    let vkey = |id: &str, key: &str| format!("archives.example/sae1+{id}+{key}").parse::<VerifierKey>();
    let (id, good) = ("e3df7895", "AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c");
    assert_eq!(vkey(id, good), Ok(log_key()));
    assert_eq!("name".parse::<VerifierKey>(), Err(KeyError::Form));
    assert_eq!("name+e3df7895".parse::<VerifierKey>(), Err(KeyError::Form));
    assert_eq!(format!("+{id}+{good}").parse::<VerifierKey>(), Err(KeyError::NameEmpty));
    for form in ["E3DF7895", "e3df789", "e3df78950", "", "e3df789g", "+3df7895"] {
        assert_eq!(vkey(form, good), Err(KeyError::IdForm), "{form}");
    }
    for base64 in ["*", &good[..43], "AQ", "AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c\n", "AYqI+more"] {
        assert_eq!(vkey(id, base64), Err(KeyError::KeyBase64), "{base64}");
    }
    assert_eq!(vkey(id, ""), Err(KeyError::KeyLength { found: 0 }));
    assert_eq!(vkey(id, "AQEB"), Err(KeyError::KeyLength { found: 3 }));
    assert_eq!(vkey(id, "AooA"), Err(KeyError::UnknownType { found: 2 }));
    let found = KeyId([0xe3, 0xdf, 0x78, 0x96]);
    assert_eq!(vkey("e3df7896", good), Err(KeyError::IdMismatch { expected: log_key().id(), found }));

    let name = || KeyName::new("n").unwrap();
    // y = 1 is the neutral element, y = 2 is on no point: RFC 8032 §5.1.3.
    let (mut neutral, mut no_point) = ([0; 32], [0; 32]);
    (neutral[0], no_point[0]) = (1, 2);
    assert_eq!(VerifierKey::new(name(), KeyKind::Ed25519, &neutral), Err(KeyError::Point));
    assert_eq!(VerifierKey::new(name(), KeyKind::Ed25519, &no_point), Err(KeyError::Point));
}

#[test]
fn one_key_has_another_identifier_for_each_kind_and_name() {
    let ids = [
        key("a", KeyKind::Ed25519, 1).id(),
        key("a", KeyKind::CosignatureV1, 1).id(),
        key("b", KeyKind::Ed25519, 1).id(),
        key("a", KeyKind::Ed25519, 2).id(),
    ];
    let distinct: std::collections::BTreeSet<KeyId> = ids.into();
    assert_eq!(distinct.len(), 4);
    assert_eq!(key("a", KeyKind::Ed25519, 1).kind(), KeyKind::Ed25519);
}

#[test]
fn bytes_that_are_no_note_are_refused() {
    let line = signed().signatures()[0].to_string();
    let refused: [(Vec<u8>, NoteError); 17] = [
        (vec![b'x'; NOTE_BYTES_MAX + 1], NoteError::TooLong { bytes: NOTE_BYTES_MAX + 1 }),
        (b"a\xff\n".to_vec(), NoteError::Utf8 { offset: 1 }),
        (format!("a\tb\n\n{line}\n").into(), NoteError::Control { offset: 1 }),
        (format!("a\r\n\n{line}\n").into(), NoteError::Control { offset: 1 }),
        (b"".to_vec(), NoteError::NoBlankLine),
        (format!("a\n{line}\n").into(), NoteError::NoBlankLine),
        (b"a\n\n".to_vec(), NoteError::NoSignature),
        (format!("a\n\n{line}\n\n").into(), NoteError::NoSignature),
        (format!("a\n\n{line}").into(), NoteError::NotTerminated),
        (format!("a\n\n{line}\n-- x AAAAAAA=\n").into(), NoteError::SignatureForm { line: 1 }),
        (format!("a\n\n{line}\n—x AAAAAAA=\n").into(), NoteError::SignatureForm { line: 1 }),
        (format!("a\n\n{line} \n").into(), NoteError::SignatureForm { line: 0 }),
        (b"a\n\n\xe2\x80\x94 x\n".to_vec(), NoteError::SignatureForm { line: 0 }),
        (b"a\n\n\xe2\x80\x94 x AAAAAA==\n".to_vec(), NoteError::SignatureForm { line: 0 }),
        (b"a\n\n\xe2\x80\x94 x AAAAAAB=\n".to_vec(), NoteError::SignatureForm { line: 0 }),
        (b"a\n\n\xe2\x80\x94 x+y AAAAAAA=\n".to_vec(), name_error(KeyError::NameCharacter { offset: 1 })),
        (b"a\n\n\xe2\x80\x94  AAAAAAA=\n".to_vec(), name_error(KeyError::NameEmpty)),
    ];
    for (bytes, error) in refused {
        assert_eq!(Note::parse(&bytes), Err(error), "{}", bytes[..bytes.len().min(80)].escape_ascii());
    }
}

fn name_error(error: KeyError) -> NoteError {
    NoteError::SignatureName { line: 0, error }
}

#[test]
fn the_number_of_signatures_is_bounded() {
    let line = signed().signatures()[0].clone();
    let note = |count| format!("{TEXT}\n{}", format!("{line}\n").repeat(count));
    let full = Note::parse(note(NOTE_SIGNATURES_MAX).as_bytes()).unwrap();
    assert_eq!(full.verify(&[log_key()]).map(|signed| signed.len()), Ok(NOTE_SIGNATURES_MAX));
    assert_eq!(Note::parse(note(NOTE_SIGNATURES_MAX + 1).as_bytes()), Err(NoteError::TooManySignatures));
    let mut more = full.clone();
    assert_eq!(more.add(line.clone()), Err(NoteError::TooManySignatures));
    assert_eq!(more, full);

    let wide = "x".repeat(NOTE_BYTES_MAX - 150) + "\n";
    let mut wide = Note::sign(wide, &log_key(), signer(1)).unwrap();
    let (before, bytes) = (wide.clone(), wide.to_string().len() + line.to_string().len() + 1);
    assert_eq!(wide.add(line), Err(NoteError::TooLong { bytes }));
    assert_eq!(wide, before);
}

#[test]
fn signatures_that_cannot_be_made() {
    let sign =
        |text: &str, key: VerifierKey, seed| Note::sign(text.into(), &key, signer(seed)).map_err(|e| e.to_string());
    let said = |error: SignError| Err(error.to_string());
    assert_eq!(sign("no newline", log_key(), 1), said(SignError::Note(NoteError::TextEnd)));
    assert_eq!(sign("", log_key(), 1), said(SignError::Note(NoteError::TextEnd)));
    assert_eq!(sign("a\tb\n", log_key(), 1), said(SignError::Note(NoteError::Control { offset: 1 })));
    assert_eq!(sign("a\n", witness_key(), 2), said(SignError::WrongKind));
    assert_eq!(cosignature_line("a\n", &log_key(), 0, signer(1)), Err(SignError::WrongKind));
    assert_eq!(sign("a\n", log_key(), 2), said(SignError::DoesNotVerify));
    assert_eq!(cosignature_line("a\n", &witness_key(), 0, signer(1)), Err(SignError::DoesNotVerify));
}

#[test]
fn notes_that_are_not_to_be_trusted() {
    let note = signed();
    let bad = |key: VerifierKey| Err(VerifyError::BadSignature { name: key.name().clone(), id: key.id() });
    assert_eq!(note.verify(&[]), Err(VerifyError::NoKnownKey));
    assert_eq!(note.verify(&[key("archives.example/sae1", KeyKind::Ed25519, 3)]), Err(VerifyError::NoKnownKey));
    assert_eq!(note.verify(&[key("other", KeyKind::Ed25519, 1)]), Err(VerifyError::NoKnownKey));
    let altered = note.to_string().replace("two", "six");
    assert_eq!(Note::parse(altered.as_bytes()).unwrap().verify(&[log_key()]), bad(log_key()));

    // The witness's time is signed too: moving it by a second breaks the cosignature.
    let mut line = cosignature_line(TEXT, &witness_key(), TIME, signer(2)).unwrap().to_string();
    let position = line.rfind("ABq3wJA").unwrap();
    line.replace_range(position..position + 7, "ABq3wJB");
    let line = SignatureLine::parse(&line).unwrap();
    assert_eq!(line.signature()[..8], (TIME + 1).to_be_bytes());
    let mut moved = note.clone();
    moved.add(line).unwrap();
    assert_eq!(moved.verify(&[log_key(), witness_key()]), bad(witness_key()));
    assert_eq!(moved.verify(&[log_key()]), Ok(vec![SignedBy { key: log_key(), time: None }]));

    // A blob too short for its kind is a bad signature, not a panic.
    for key in [log_key(), witness_key()] {
        let id = base64_of(&[&key.id().0[..], b"short"].concat());
        let short = format!("{TEXT}\n— {} {id}\n", key.name());
        assert_eq!(Note::parse(short.as_bytes()).unwrap().verify(std::slice::from_ref(&key)), bad(key));
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::prelude::{BASE64_STANDARD, Engine as _};
    BASE64_STANDARD.encode(bytes)
}

#[test]
fn a_key_known_twice_is_one_key() {
    let once = vec![SignedBy { key: log_key(), time: None }];
    assert_eq!(signed().verify(&[log_key(), log_key()]), Ok(once));
}

#[test]
fn two_keys_of_one_name_and_identifier_are_ambiguous() {
    // Two seeds found by search whose keys share the four bytes of their identifier.
    let twin = |number: u64| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_be_bytes());
        ed25519_dalek::SigningKey::from_bytes(&seed)
    };
    let name = KeyName::new("twins.example").unwrap();
    let known =
        |number| VerifierKey::new(name.clone(), KeyKind::Ed25519, &twin(number).verifying_key().to_bytes()).unwrap();
    let (first, second, id) = (known(52_634), known(156_688), KeyId([0x09, 0xe8, 0xfa, 0x80]));
    assert_eq!((first.id(), second.id()), (id, id));
    let sign = |message: &[u8]| ed25519_dalek::Signer::sign(&twin(52_634), message).to_bytes();
    let note = Note::sign(TEXT.into(), &first, sign).unwrap();
    assert_eq!(note.verify(&[first, second.clone()]), Err(VerifyError::AmbiguousKeys { name: name.clone(), id }));
    assert_eq!(note.verify(&[second]), Err(VerifyError::BadSignature { name, id }));
}

#[test]
fn openssl_verifies_with_the_pem_key() {
    if Command::new("openssl").arg("version").output().is_err() {
        eprintln!("SKIPPED: no `openssl` on this machine, so no foreign tool judged our signature");
        return;
    }
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("note-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let note = signed();
    std::fs::write(directory.join("key.pem"), log_key().to_pem()).unwrap();
    std::fs::write(directory.join("text"), note.text()).unwrap();
    std::fs::write(directory.join("signature"), note.signatures()[0].signature()).unwrap();
    let output = Command::new("openssl")
        .current_dir(&directory)
        .args(["pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "text", "-sigfile", "signature"])
        .output()
        .unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Signature Verified Successfully\n");
}

#[test]
fn the_pem_of_a_key_is_this_text() {
    let expected = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAiojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\n-----END PUBLIC KEY-----\n";
    assert_eq!(log_key().to_pem(), expected);
    assert_eq!(public_key_pem(&log_key().public_key()), expected);
}

mod against_signed_note {
    use super::*;
    use signed_note::{StandardVerifier, VerifierList};

    #[test]
    fn it_verifies_ours() {
        let theirs = signed_note::Note::from_bytes(signed().to_string().as_bytes()).unwrap();
        let verifier = StandardVerifier::new(LOG_VKEY).unwrap();
        let (verified, unverified) = theirs.verify(&VerifierList::new(vec![Box::new(verifier)])).unwrap();
        assert_eq!((verified.len(), unverified.len()), (1, 0));
    }

    #[test]
    fn we_verify_its_own() {
        let secret =
            "PRIVATE+KEY+archives.example/sae1+e3df7895+".to_owned() + &base64_of(&[&[1u8][..], &[1; 32]].concat());
        let signer = signed_note::StandardSigner::new(&secret).unwrap();
        let mut theirs = signed_note::Note::new(TEXT.as_bytes(), &[]).unwrap();
        theirs.add_sigs(&[&signer]).unwrap();
        let ours = Note::parse(&theirs.to_bytes()).unwrap();
        assert_eq!(ours, signed());
        assert_eq!(ours.verify(&[log_key()]), Ok(vec![SignedBy { key: log_key(), time: None }]));
    }

    proptest! {
        #[test]
        fn both_read_the_same_notes(bytes in note_like()) {
            let ours = Note::parse(bytes.as_bytes());
            let theirs = signed_note::Note::from_bytes(bytes.as_bytes());
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?} {:?}", ours, theirs.err());
        }
    }

    fn note_like() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\n".to_owned()),
            Just("\n\n".to_owned()),
            Just("text".to_owned()),
            Just("— ".to_owned()),
            Just("x+y ".to_owned()),
            Just("— name AAAAAAA=\n".to_owned()),
            Just("— name AAAAAA==\n".to_owned()),
            Just("é\u{2003}".to_owned()),
            Just("\t".to_owned()),
        ];
        prop::collection::vec(piece, 0..9).prop_map(|pieces| pieces.concat())
    }
}

proptest! {
    #[test]
    fn a_signed_text_comes_back(text in "[^\u{0}-\u{1f}]{0,40}(\n[^\u{0}-\u{1f}]{0,9}){0,4}") {
        let note = Note::sign(text + "\n", &log_key(), signer(1)).unwrap();
        let back = Note::parse(note.to_string().as_bytes());
        prop_assert_eq!(back.as_ref(), Ok(&note));
        prop_assert!(back.unwrap().verify(&[log_key()]).is_ok());
    }

    #[test]
    fn no_text_panics_a_key(text in "[a+0-9/=A-Z]{0,80}") {
        let _ = text.parse::<VerifierKey>();
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Note::parse(&bytes);
    }
}
