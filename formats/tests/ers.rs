//! Evidence records against the golden files, foreign records, rasn as a second reader, and hostile bytes.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cartulaire_formats::bounds::EVIDENCE_RECORD_BYTES_MAX;
use cartulaire_formats::cms::HashAlgorithm;
use cartulaire_formats::der::{self, DerError, ObjectIdentifier, Tag};
use cartulaire_formats::ers::{
    AtsPosition, DataObject, EvidenceError, EvidenceRecord, EvidenceTree, LeafIndex, NewArchiveTimeStamp, RecordError,
    Shape, TreeDigest, audit_record, encode_record, encode_renewed_record, hash_tree_renewal_digest, leaf_value,
    reduced_hashtree, time_stamp_renewal_digest,
};
use cartulaire_formats::hash::{Blind, Sha256Digest, Sha512Digest};
use cartulaire_formats::tsp::{
    AlgorithmPolicy, Check, CheckError, MessageImprint, NotApplicable, Outcome, QualifiedStatus, TokenError, Trust,
    TrustAnchors,
};
use cartulaire_formats::x509::certificates_from_pem;
use proptest::prelude::*;

mod authority;

use authority::Authority;

fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const FIRST: AtsPosition = AtsPosition { chain: 0, time_stamp: 0 };
const RENEWED: AtsPosition = AtsPosition { chain: 0, time_stamp: 1 };
const REBUILT: AtsPosition = AtsPosition { chain: 1, time_stamp: 0 };

fn verify_bytes(record: &[u8], objects: &[DataObject]) -> Result<Shape, EvidenceError> {
    let record = EvidenceRecord::parse(record).expect("a record");
    record.verify_sequence(objects).map(|evidence| evidence.shape())
}

fn verify(record: &str, objects: &[&str]) -> Result<Shape, EvidenceError> {
    let objects: Vec<DataObject> = objects.iter().map(|name| DataObject::of(&vector(name))).collect();
    verify_bytes(&vector(record), &objects)
}

#[test]
fn good_golden_records_verify_and_tell_their_shape() {
    let binary = Shape::default();
    let orphans = |orphans| Shape { n_ary: false, orphans };
    let n_ary = Shape { n_ary: true, orphans: 0 };
    for (record, objects, shape) in [
        ("v1_d1.ers", &["d1.bin"][..], binary),
        ("v1_d2.ers", &["d2.bin"], binary),
        ("v1_d3.ers", &["d3.bin"], binary),
        ("v2_d1.ers", &["d1.bin"], orphans(1)),
        ("v2_d3.ers", &["d3.bin"], orphans(1)),
        ("v4_d1.ers", &["d1.bin"], n_ary),
        ("v4b_d1.ers", &["d1.bin"], orphans(2)),
        ("v5_group12.ers", &["d1.bin", "d2.bin"], binary),
        ("v6_d1.ers", &["d1.bin"], binary),
        ("v7_d1.ers", &["d1.bin"], binary),
        ("r1_tsrenew_d1.ers", &["d1.bin"], binary),
        ("r1b_tsrenew_notree_d1.ers", &["d1.bin"], binary),
        ("r2_htrenew_d1.ers", &["d1.bin"], binary),
        ("r4_UNSORTED_d1.ers", &["d1.bin"], binary),
        ("x3_nullparams.ers", &["d1.bin"], binary),
        ("x4_noalg.ers", &["d1.bin"], binary),
        ("o0.ers", &["o0.bin"], binary),
        ("o1.ers", &["o1.bin"], binary),
        ("o2.ers", &["o2.bin"], binary),
        ("o3.ers", &["o3.bin"], binary),
        ("o4.ers", &["o4.bin"], binary),
        ("b1.ers", &["d1.bin"], binary),
        ("b2.ers", &["d2.bin"], binary),
        ("b3.ers", &["d3.bin"], binary),
        ("b4.ers", &["chk.bin"], binary),
    ] {
        assert_eq!(verify(record, objects), Ok(shape), "{record}");
    }
}

#[test]
fn bad_golden_records_fail_by_the_rule_that_they_break() {
    let (sha256, sha512) = (HashAlgorithm::Sha256, HashAlgorithm::Sha512);
    for (record, object, error) in [
        ("v8_bad_unsorted_d1.ers", "d1.bin", EvidenceError::ImprintDiffers { at: FIRST }),
        ("v9_bad_rfc6962_d1.ers", "d1.bin", EvidenceError::ObjectNotCovered { at: FIRST, object: 0 }),
        ("r4_SORTED_d1.ers", "d1.bin", EvidenceError::SequenceNotCovered { at: REBUILT, object: 0 }),
        (
            "x1_chain_alg_mismatch.ers",
            "d1.bin",
            EvidenceError::ChainAlgorithm { at: RENEWED, expected: sha256, found: sha512 },
        ),
        ("x2_alg_not_listed.ers", "d1.bin", EvidenceError::AlgorithmNotListed { at: REBUILT, algorithm: sha512 }),
        ("v1_d1.ers", "d2.bin", EvidenceError::ObjectNotCovered { at: FIRST, object: 0 }),
    ] {
        assert_eq!(verify(record, &[object]), Err(error), "{record}");
    }
}

/// In `r3_*` the document's digest is the smaller one, so that sorted and unsorted hashing agree; in `r4_*` it is not.
#[test]
fn sorted_renewals_are_told_apart_where_the_order_matters() {
    for (record, object, agree) in [
        ("r3_htrenew_SORTED_d1.ers", "d1.bin", true),
        ("r3_htrenew_SORTED_d2.ers", "d2.bin", true),
        ("r4_SORTED_d1.ers", "d1.bin", false),
    ] {
        let (bytes, object_bytes) = (vector(record), vector(object));
        let parsed = EvidenceRecord::parse(&bytes).expect("a record");
        let document = HashAlgorithm::Sha512.digest(&[&object_bytes]);
        let earlier = HashAlgorithm::Sha512.digest(&[&parsed.sequence_before(1)]);
        assert_eq!(document < earlier, agree, "{record}");
        assert_eq!(verify(record, &[object]).is_ok(), agree, "{record}");
    }
}

/// proof.md §5.2, to the byte.
#[test]
fn the_worked_example_is_reproduced() {
    let digests = ["d1.bin", "d2.bin", "d3.bin"].map(|name| Sha256Digest::of(&vector(name)));
    let tree = EvidenceTree::from_leaf_values(digests.to_vec()).expect("leaves");
    let inner = "f9daa164d91b556f29c67568157bb4ad64266d3d86ce41b15323a8ca6cd7585b".parse();
    let root = "f1efe9620ad95755a084a70530ba1e809ee153ec9d72cc79994835c9a9f13ee0".parse();
    let (inner, root): (Sha256Digest, Sha256Digest) = (inner.expect("hex"), root.expect("hex"));
    let expected = vec![digests.to_vec(), vec![inner, digests[2]], vec![root]];
    assert_eq!(tree.levels(), expected);

    let token = vector("root.tst");
    for (index, record) in ["v1_d1.ers", "v1_d2.ers", "v1_d3.ers"].into_iter().enumerate() {
        let path = reduced_hashtree(&tree, LeafIndex(index), digests[index], None).expect("a leaf");
        assert_eq!(encode_record(&path, &token), vector(record), "{record}");
    }
    let prefix = hex::decode(
        "30820ce9020101300d300b060960864801650304020130820cd330820ccf30820ccba00b0609608648016503040201a26c30220420",
    );
    assert!(vector("v1_d1.ers").starts_with(&prefix.expect("hex")));
}

/// Every record of the project's own shape comes out of the encoder byte for byte, renewals too.
#[test]
fn encoding_what_was_read_gives_the_same_bytes() {
    for name in [
        "v1_d1.ers",
        "o0.ers",
        "o4.ers",
        "b1.ers",
        "b2.ers",
        "b3.ers",
        "b4.ers",
        "r1_tsrenew_d1.ers",
        "r1b_tsrenew_notree_d1.ers",
        "r2_htrenew_d1.ers",
        "r4_UNSORTED_d1.ers",
    ] {
        let bytes = vector(name);
        let record = EvidenceRecord::parse(&bytes).expect("a record");
        let chains: Vec<Vec<NewArchiveTimeStamp<'_>>> =
            record.chains.iter().map(|chain| chain.time_stamps.iter().map(rewritten).collect()).collect();
        assert_eq!(encode_renewed_record(&chains), bytes, "{name}");
    }
}

fn rewritten<'a>(stamp: &cartulaire_formats::ers::ArchiveTimeStamp<'a>) -> NewArchiveTimeStamp<'a> {
    let algorithm = stamp.digest_algorithm.as_ref().and_then(HashAlgorithm::from_object_identifier);
    let lists = stamp.reduced_hashtree.clone().unwrap_or_default();
    let path = lists.into_iter().map(|list| list[0]).collect();
    NewArchiveTimeStamp { algorithm: algorithm.expect("SHA-2"), path, token: stamp.token }
}

#[test]
fn blinded_records_of_both_algorithms_verify_with_their_tokens() {
    blinded_record_verifies::<Sha256Digest>(Sha256Digest::of);
    blinded_record_verifies::<Sha512Digest>(Sha512Digest::of);
}

fn blinded_record_verifies<D: TreeDigest>(hash: fn(&[u8]) -> D) {
    let authority = Authority::new();
    let objects: Vec<Vec<u8>> = (0..7u8).map(|n| vec![n; 100]).collect();
    let blind = |n: usize| D::from_blind(&Blind([n as u8 + 1; 32]));
    let leaves = objects.iter().enumerate().map(|(n, o)| leaf_value(&hash(o), &blind(n))).collect();
    let tree = EvidenceTree::from_leaf_values(leaves).expect("leaves");
    let token = authority.token(tree.root().imprint(), "2026-01-01T00:00:00Z");
    let anchors = authority.anchors();
    let policy = AlgorithmPolicy::ets_119_312();
    let trust = authority.trust(&anchors, &policy);
    for (n, object) in objects.iter().enumerate() {
        let path = reduced_hashtree(&tree, LeafIndex(n), hash(object), Some(blind(n)));
        let bytes = encode_record(&path.expect("a leaf"), &token);
        let record = EvidenceRecord::parse(&bytes).expect("a record");
        let now = "2026-06-01T00:00:00Z".parse().expect("an instant");
        let report = audit_record(&record, &[DataObject::of(object)], &trust, now).expect("covered");
        assert_eq!(report.evidence.shape(), Shape::default());
        assert_eq!(report.proven_since(), Some("2026-01-01T00:00:00Z".parse().expect("an instant")));
    }
}

/// A record that lives through a time-stamp renewal and a hash-tree renewal.
#[test]
fn renewed_records_verify_and_every_broken_renewal_is_named() {
    let authority = Authority::new();
    let object = b"act no. 12".to_vec();
    let (sha256, sha512) = (HashAlgorithm::Sha256, HashAlgorithm::Sha512);
    let stamp =
        |algorithm, digest: &[u8], at| authority.token(MessageImprint::new(algorithm, digest).expect("a digest"), at);
    let digest = sha256.digest(&[&object]);
    let first = stamp(sha256, &digest, "2026-01-01T00:00:00Z");
    let renewal = time_stamp_renewal_digest(sha256, &first);
    let second = stamp(sha256, &renewal, "2027-01-01T00:00:00Z");
    let direct = |algorithm, token| NewArchiveTimeStamp { algorithm, path: Vec::new(), token };
    let chain = vec![direct(sha256, &first[..]), direct(sha256, &second[..])];
    let renewed = encode_renewed_record(std::slice::from_ref(&chain));
    let sequence = EvidenceRecord::parse(&renewed).expect("a record").sequence().to_vec();
    let digest512 = sha512.digest(&[&object]);
    let rebuilt = hash_tree_renewal_digest(sha512, &digest512, &sequence);
    let third = stamp(sha512, &rebuilt, "2028-01-01T00:00:00Z");
    let whole = encode_renewed_record(&[chain.clone(), vec![direct(sha512, &third[..])]]);
    let data = [DataObject::of(&object)];

    let anchors = authority.anchors();
    let policy = AlgorithmPolicy::ets_119_312();
    let trust = authority.trust(&anchors, &policy);
    let record = EvidenceRecord::parse(&whole).expect("a record");
    let now = "2029-06-01T00:00:00Z".parse().expect("an instant");
    let report = audit_record(&record, &data, &trust, now).expect("covered");
    let times = report.evidence.time_stamps().iter().map(|t| t.gen_time.to_string());
    let expected = ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z", "2028-01-01T00:00:00Z"];
    assert_eq!(times.collect::<Vec<_>>(), expected);
    assert_eq!(report.proven_since(), Some("2026-01-01T00:00:00Z".parse().expect("an instant")));
    let qualified = report.tokens.iter().map(|t| t.verified().map(|v| v.qualified()));
    assert!(qualified.eq([Some(QualifiedStatus::Unknown); 3]));

    let tree = |algorithm, value, token| NewArchiveTimeStamp { algorithm, path: vec![value], token };
    let other = sha256.digest(&[b"other"]);
    let not_covered = encode_renewed_record(&[vec![direct(sha256, &first[..]), tree(sha256, &other, &second[..])]]);
    assert_eq!(verify_bytes(&not_covered, &data), Err(EvidenceError::TokenNotCovered { at: RENEWED }));
    let swapped = encode_renewed_record(&[vec![direct(sha256, &second[..])]]);
    assert_eq!(verify_bytes(&swapped, &data), Err(EvidenceError::ImprintDiffers { at: FIRST }));
    let backwards = stamp(sha256, &renewal, "2025-06-01T00:00:00Z");
    let backwards = encode_renewed_record(&[vec![direct(sha256, &first[..]), direct(sha256, &backwards)]]);
    let error = EvidenceError::TimeNotAscending {
        at: RENEWED,
        previous: "2026-01-01T00:00:00Z".parse().expect("an instant"),
        found: "2025-06-01T00:00:00Z".parse().expect("an instant"),
    };
    assert_eq!(verify_bytes(&backwards, &data), Err(error));
}

#[test]
fn each_remaining_rule_of_evidence_has_its_error() {
    let authority = Authority::new();
    let (sha256, sha512) = (HashAlgorithm::Sha256, HashAlgorithm::Sha512);
    let digest = sha256.digest(&[b"x"]);
    let token = authority.token(MessageImprint::new(sha256, &digest).expect("a digest"), "2026-01-01T00:00:00Z");
    let data = DataObject::of(b"x");
    let record = |algorithm, path: Vec<&[u8]>| {
        let token = &token;
        encode_renewed_record(&[vec![NewArchiveTimeStamp { algorithm, path, token }]])
    };
    let direct = record(sha256, Vec::new());
    assert_eq!(verify_bytes(&direct, &[]), Err(EvidenceError::NoObject));
    let absent = EvidenceError::TreeAbsent { at: FIRST, objects: 2 };
    assert_eq!(verify_bytes(&direct, &[data.clone(), data.clone()]), Err(absent));
    let only_512 = MessageImprint::new(sha512, &sha512.digest(&[b"x"])).expect("a digest");
    let given = DataObject::from_digests(vec![only_512]);
    let not_given = EvidenceError::DigestNotGiven { at: FIRST, object: 0, algorithm: sha256 };
    assert_eq!(verify_bytes(&direct, &[given]), Err(not_given));
    let short = EvidenceError::HashLength { at: FIRST, expected: 32, found: 31 };
    assert_eq!(verify_bytes(&record(sha256, vec![&digest, &[0; 31]]), std::slice::from_ref(&data)), Err(short));
    let algorithm = EvidenceError::ImprintAlgorithm { at: FIRST, expected: sha512, found: ObjectIdentifier::SHA256 };
    assert_eq!(verify_bytes(&record(sha512, Vec::new()), std::slice::from_ref(&data)), Err(algorithm));

    let mut sha1 = direct.clone();
    for at in 0..sha1.len() - 9 {
        // SHA-256's identifier becomes SHA-224's wherever it stands outside the token.
        if at < 60 && sha1[at..].starts_with(&[0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]) {
            sha1[at + 8] = 4;
        }
    }
    let unsupported = "2.16.840.1.101.3.4.2.4".parse().expect("an identifier");
    let error = EvidenceError::AlgorithmNotSupported { at: FIRST, algorithm: unsupported };
    assert_eq!(verify_bytes(&sha1, std::slice::from_ref(&data)), Err(error));

    let no_token = der::sequence(&[&ObjectIdentifier::TST_INFO.to_der(), &der::tlv(Tag::context(0), &der::null())]);
    let path = vec![&digest[..]];
    let broken = encode_renewed_record(&[vec![NewArchiveTimeStamp { algorithm: sha256, path, token: &no_token }]]);
    let error = EvidenceError::Token {
        at: FIRST,
        error: TokenError::Cms(cartulaire_formats::cms::CmsError::NotSignedData),
        normalise: Some(der::NormaliseError::NotSignedData),
    };
    assert_eq!(verify_bytes(&broken, &[data]), Err(error));
}

#[test]
fn each_rule_of_the_form_has_its_error() {
    let parse = |bytes: &[u8]| EvidenceRecord::parse(bytes).map(drop);
    let size = EVIDENCE_RECORD_BYTES_MAX + 1;
    assert_eq!(parse(&vec![0; size]), Err(RecordError::TooLarge { size }));
    let algorithms = der::sequence(&[&HashAlgorithm::Sha256.to_der()]);
    let record = |version: u8, sequence: &[u8]| der::sequence(&[&der::integer(&[version]), &algorithms, sequence]);
    let empty = der::sequence(&[]);
    assert_eq!(parse(&record(2, &empty)), Err(RecordError::Version { found: 2 }));
    assert_eq!(parse(&record(1, &empty)), Err(RecordError::Empty { offset: 20 }));
    assert_eq!(parse(&record(1, &der::sequence(&[&empty]))), Err(RecordError::Empty { offset: 22 }));
    let tree = |contents: &[u8]| {
        let stamp = der::sequence(&[&der::tlv(Tag::context(2), contents), &empty]);
        record(1, &der::sequence(&[&der::sequence(&[&stamp])]))
    };
    assert_eq!(parse(&tree(&[])), Err(RecordError::EmptyList { offset: 26 }));
    assert_eq!(parse(&tree(&empty)), Err(RecordError::EmptyList { offset: 28 }));
    let wrong = DerError::UnexpectedTag { offset: 28, expected: Tag::SEQUENCE, found: Tag::NULL };
    assert_eq!(parse(&tree(&der::null())), Err(RecordError::Der(wrong)));
    let stamp = der::sequence(&[&empty]);
    let half = der::sequence(&[&stamp.repeat(600)]);
    assert_eq!(parse(&record(1, &der::sequence(&[&half, &half]))), Err(RecordError::TooManyTimeStamps));
}

#[test]
fn the_golden_records_hold_with_their_root_and_revocation_list() {
    let root = String::from_utf8(vector("ca.pem")).expect("text");
    let anchors = TrustAnchors::new(certificates_from_pem(&root).expect("PEM")).expect("anchors");
    let pem = String::from_utf8(vector("ca.crl")).expect("text");
    let lists = [authority::pem_contents(&pem, "X509 CRL")];
    let algorithms = AlgorithmPolicy::ets_119_312();
    let trust = Trust {
        anchors: &anchors,
        certificates: &[],
        revocation_lists: &lists,
        policies: None,
        algorithms: &algorithms,
        trusted_list: None,
    };
    let now = "2026-12-01T00:00:00Z".parse().expect("an instant");
    // The list was made between these tokens: it settles the earlier ones only.
    let early = Outcome::NotApplicable(NotApplicable::RevocationDataTooEarly);
    for (name, object, revocation) in [
        ("r2_htrenew_d1.ers", "d1.bin", Outcome::Passed),
        ("o4.ers", "o4.bin", early.clone()),
        ("b4.ers", "chk.bin", early),
    ] {
        let bytes = vector(name);
        let record = EvidenceRecord::parse(&bytes).expect("a record");
        let report = audit_record(&record, &[DataObject::of(&vector(object))], &trust, now).expect("covered");
        for token in &report.tokens {
            assert_eq!(token.failures().collect::<Vec<_>>(), [], "{name}");
            assert_eq!(token.outcome(Check::Revocation), &revocation, "{name}");
        }
        assert!(report.proven_since().is_some(), "{name}");
    }
    let bytes = vector("b4.ers");
    let record = EvidenceRecord::parse(&bytes).expect("a record");
    let no_anchor = TrustAnchors::default();
    let untrusting = Trust { anchors: &no_anchor, ..trust };
    let report = audit_record(&record, &[DataObject::of(&vector("chk.bin"))], &untrusting, now).expect("covered");
    assert_eq!(report.proven_since(), None);
    assert_eq!(report.tokens[0].outcome(Check::Path), &Outcome::Failed(CheckError::NoPath));
}

#[test]
fn ten_thousand_leaves_are_combined_in_milliseconds() {
    let leaves: Vec<Sha256Digest> = (0..10_000u32).map(|n| Sha256Digest::of(&n.to_be_bytes())).collect();
    let started = Instant::now();
    let tree = EvidenceTree::from_leaf_values(leaves).expect("leaves");
    let elapsed = started.elapsed();
    println!("10,000 leaves: {elapsed:?}");
    assert_eq!(tree.levels().len(), 15);
    // 50 ms is the aim in release; an unoptimised build on a busy machine gets ten times that.
    assert!(elapsed < Duration::from_millis(500), "{elapsed:?}");
}

/// The types of RFC 4998 derived by rasn: an independent decoder and encoder of the same bytes.
mod second_opinion {
    use rasn::prelude::*;
    use rasn_pkix::AlgorithmIdentifier;

    #[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
    pub struct EvidenceRecord {
        pub version: u64,
        pub digest_algorithms: SequenceOf<AlgorithmIdentifier>,
        #[rasn(tag(0))]
        pub crypto_infos: Option<SequenceOf<Any>>,
        #[rasn(tag(1))]
        pub encryption_info: Option<SequenceOf<Any>>,
        pub archive_time_stamp_sequence: SequenceOf<SequenceOf<ArchiveTimeStamp>>,
    }

    #[derive(AsnType, Clone, Debug, Decode, Encode, PartialEq, Eq, Hash)]
    pub struct ArchiveTimeStamp {
        #[rasn(tag(0))]
        pub digest_algorithm: Option<AlgorithmIdentifier>,
        #[rasn(tag(1))]
        pub attributes: Option<SetOf<Any>>,
        #[rasn(tag(2))]
        pub reduced_hashtree: Option<SequenceOf<SequenceOf<OctetString>>>,
        pub time_stamp: Any,
    }
}

#[test]
fn rasn_reads_the_same_values_and_writes_the_same_bytes() {
    for name in ["b1.ers", "o4.ers", "v5_group12.ers", "r2_htrenew_d1.ers", "r1b_tsrenew_notree_d1.ers", "x4_noalg.ers"]
    {
        let bytes = vector(name);
        let ours = EvidenceRecord::parse(&bytes).expect("a record");
        let theirs: second_opinion::EvidenceRecord = rasn::der::decode(&bytes).expect("rasn reads it");
        assert_eq!(rasn::der::encode(&theirs).expect("rasn writes it"), bytes, "{name}");
        let our_stamps = ours.chains.iter().flat_map(|chain| &chain.time_stamps).map(|stamp| {
            let lists = stamp.reduced_hashtree.clone().unwrap_or_default();
            let lists: Vec<Vec<Vec<u8>>> =
                lists.iter().map(|list| list.iter().map(|value| value.to_vec()).collect()).collect();
            (lists, stamp.token.to_vec())
        });
        let their_stamps = theirs.archive_time_stamp_sequence.iter().flatten().map(|stamp| {
            let lists = stamp.reduced_hashtree.clone().unwrap_or_default();
            let lists: Vec<Vec<Vec<u8>>> =
                lists.iter().map(|list| list.iter().map(|value| value.to_vec()).collect()).collect();
            (lists, stamp.time_stamp.as_bytes().to_vec())
        });
        assert_eq!(our_stamps.collect::<Vec<_>>(), their_stamps.collect::<Vec<_>>(), "{name}");
    }
}

fn foreign(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("CARTULAIRE_DATA").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"));
    let folder = root.join("evidence").join(folder);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no foreign records at {} (set CARTULAIRE_DATA)", folder.display());
    None
}

#[test]
fn foreign_records_verify_as_their_makers_say() {
    let Some(folder) = foreign("rfc4998-dss") else {
        return;
    };
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    let orphans = |orphans| Ok(Shape { n_ary: false, orphans });
    for (record, object, expected) in [
        ("BIN-1_ER.ers", "BIN-1.bin", orphans(1)),
        ("BIN-2_ER.ers", "BIN-2.bin", orphans(3)),
        ("BIN-4_ER.ers", "BIN-4.bin", orphans(4)),
        ("ER-2Chains3ATS.ers", "ER-2Chains3ATS1.bin", Ok(Shape { n_ary: true, orphans: 4 })),
        ("ER-2Chains3ATS.ers", "ER-2Chains3ATS2.bin", Ok(Shape { n_ary: true, orphans: 4 })),
        ("er-asn1-tst-renewal.ers", "ER-2Chains3ATS1.bin", orphans(4)),
        ("er-asn1-tst-renewal-invalid.ers", "ER-2Chains3ATS1.bin", Err(EvidenceError::TokenNotCovered { at: RENEWED })),
        ("BIN-1_ER.ers", "d-trust.tsr", Err(EvidenceError::ObjectNotCovered { at: FIRST, object: 0 })),
    ] {
        let outcome = verify_bytes(&read(record), &[DataObject::of(&read(object))]);
        assert_eq!(outcome, expected, "{record} over {object}");
    }
}

/// Records whose objects are not at hand: each first list is at least consistent with its token.
#[test]
fn every_foreign_record_can_be_read_and_leads_to_its_imprint() {
    let Some(folder) = foreign("rfc4998-dss") else {
        return;
    };
    let mut consistent = 0;
    let mut inconsistent = Vec::new();
    for entry in std::fs::read_dir(&folder).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        if !name.ends_with(".ers") && !name.ends_with(".er") {
            continue;
        }
        let bytes = std::fs::read(folder.join(&name)).expect("readable");
        let record = EvidenceRecord::parse(&bytes).unwrap_or_else(|e| panic!("{name}: {e}"));
        let stamp = &record.chains[0].time_stamps[0];
        let value = stamp.reduced_hashtree.as_ref().map_or(Vec::new(), |lists| lists[0][0].to_vec());
        let imprints = HashAlgorithm::ALL.into_iter().filter_map(|a| MessageImprint::new(a, &value)).collect();
        match record.verify_first(&[DataObject::from_digests(imprints)]) {
            Ok(_) => consistent += 1,
            Err(error) => inconsistent.push((name, error.to_string())),
        }
    }
    inconsistent.sort();
    let sha224 = "2.16.840.1.101.3.4.2.4".parse().expect("an identifier");
    let not_supported = EvidenceError::AlgorithmNotSupported { at: FIRST, algorithm: sha224 };
    let expected = [
        ("1_1_Renew_Unsorted.er", not_supported.clone()),
        ("1_2_Renew_Unsorted.er", not_supported),
        ("er-asn1-simple-invalid.ers", EvidenceError::ImprintDiffers { at: FIRST }),
    ];
    assert_eq!(inconsistent, expected.map(|(name, error)| (name.to_owned(), error.to_string())));
    assert_eq!(consistent, 16);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = EvidenceRecord::parse(&bytes);
    }

    #[test]
    fn a_changed_record_never_panics_and_never_proves_another_object(
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
    ) {
        let mut bytes = vector("r2_htrenew_d1.ers");
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(record) = EvidenceRecord::parse(&bytes) {
            let _ = record.verify_sequence(&[DataObject::of(&vector("d1.bin"))]);
            prop_assert!(record.verify_sequence(&[DataObject::of(&vector("d3.bin"))]).is_err());
        }
    }

    #[test]
    fn any_tree_gives_every_leaf_its_way_to_the_root(count in 1usize..200, seed in any::<u64>()) {
        let digest = |n: usize| Sha512Digest::of(&[seed.to_be_bytes(), (n as u64).to_be_bytes()].concat());
        let tree = EvidenceTree::from_leaf_values((0..count).map(digest).collect()).expect("leaves");
        let index = (seed % count as u64) as usize;
        let path = reduced_hashtree(&tree, LeafIndex(index), digest(index), None).expect("a leaf");
        prop_assert_eq!(path.root(), tree.root());
    }
}
