//! Every rule of admission, broken and just kept: the rejection names the rule and the place.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::BTreeMap;

use cartulaire_engine::admit::{Presented, PresentedFile, Rejection, Rule};
use cartulaire_engine::bounds::{
    DEPOSIT_FILES_MAX, FILE_NAME_BYTES_MAX, INLINE_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, METADATA_BYTES_MAX,
    METADATA_ENTRIES_MAX, METADATA_NAME_BYTES_MAX, TITLE_BYTES_MAX, TRANSFER_BYTES_MAX,
};
use cartulaire_engine::receive::Reception;
use cartulaire_formats::hash::{Digests, MultiHasher, Sha256Digest, Sha512Digest};
use cartulaire_formats::journal::TenantId;
use cartulaire_tests::rig::{Rig, World, receive, tenant};

/// The rig, and the world that its index lies in.
struct Bench(World, Rig);

impl Bench {
    fn new(seed: u64) -> Self {
        let world = World::new(seed);
        let mut rig = world.open().unwrap();
        rig.create_tenant("kerlouan").unwrap();
        Self(world, rig)
    }

    /// Judges an admissible deposit after a change to it.
    fn judge(&self, change: impl FnOnce(&mut Presented)) -> Result<(), (Rule, String)> {
        let mut presented = Presented {
            tenant: tenant("kerlouan"),
            agent: "key:test".into(),
            transfer: "T-1".into(),
            title: "Délibération".into(),
            metadata: BTreeMap::new(),
            files: vec![self.file("acte.txt")],
            manifest: Some(self.file("manifest.json")),
        };
        change(&mut presented);
        match self.1.archive.admit(presented).unwrap() {
            Ok(_) => Ok(()),
            Err(Rejection { rule, place }) => Err((rule, place)),
        }
    }

    fn file(&self, name: &str) -> PresentedFile {
        receive(&self.1.archive, name, b"bytes").unwrap()
    }

    fn is_file_name(&self, name: &str) -> bool {
        match self.judge(|p| p.files[0].name = name.into()) {
            Ok(()) => true,
            Err(rejection) => {
                assert_eq!(rejection, (Rule::FileName, "files[0].name".into()), "{name:?}");
                false
            }
        }
    }
}

fn broken(rule: Rule, place: &str) -> Result<(), (Rule, String)> {
    Err((rule, place.into()))
}

#[test]
fn every_rule_is_broken_at_its_place() {
    let bench = Bench::new(41);
    let judge = |change: fn(&mut Presented)| bench.judge(change);
    assert_eq!(judge(|_| ()), Ok(()));
    let found = [
        judge(|p| p.tenant = tenant("nobody")),
        judge(|p| p.tenant = TenantId::service()),
        judge(|p| p.transfer = String::new()),
        judge(|p| p.transfer = "T\u{2028}1".into()),
        judge(|p| p.title = "a\nb".into()),
        judge(|p| p.files.clear()),
        judge(|p| p.files[0].name = "a/b".into()),
        judge(|p| p.manifest.as_mut().unwrap().name = "..".into()),
        judge(|p| p.manifest.as_mut().unwrap().name = "ACTE.TXT".into()),
        judge(|p| p.files[0].media_type = "pdf".into()),
        judge(|p| _ = p.metadata.insert("a\tb".into(), String::new())),
        judge(|p| p.files[0].declared_size = Some(4)),
        judge(|p| p.files[0].declared_sha256 = Some(Sha256Digest([0; 32]))),
        judge(|p| p.files[0].declared_sha512 = Some(Sha512Digest([0; 64]))),
        judge(|p| p.manifest.as_mut().unwrap().declared_size = Some(6)),
    ];
    let expected = [
        broken(Rule::TenantUnknown, "tenant"),
        broken(Rule::TenantUnknown, "tenant"),
        broken(Rule::TransferIdentifier, "transfer"),
        broken(Rule::TransferIdentifier, "transfer"),
        broken(Rule::Title, "title"),
        broken(Rule::FileCount, "files"),
        broken(Rule::FileName, "files[0].name"),
        broken(Rule::FileName, "manifest.name"),
        broken(Rule::FileNameTwice, "manifest.name"),
        broken(Rule::MediaType, "files[0].media_type"),
        broken(Rule::Metadata, "metadata[0]"),
        broken(Rule::Size, "files[0].size"),
        broken(Rule::Sha256, "files[0].sha256"),
        broken(Rule::Sha512, "files[0].sha512"),
        broken(Rule::Size, "manifest.size"),
    ];
    assert_eq!(found, expected);
    let seen: Vec<_> = found.iter().map(|f| f.as_ref().unwrap_err().0).collect();
    assert!(Rule::ALL.iter().all(|rule| seen.contains(rule)), "a rule that no test breaks");
}

#[test]
fn what_is_declared_rightly_is_admitted() {
    let bench = Bench::new(42);
    let mut hasher = MultiHasher::new(true);
    hasher.update(b"bytes");
    let Digests { sha256, sha512, size, .. } = hasher.finish();
    let declare = |p: &mut Presented| {
        let file = &mut p.files[0];
        (file.declared_sha256, file.declared_sha512, file.declared_size) = (Some(sha256), sha512, Some(size));
    };
    assert_eq!(bench.judge(declare), Ok(()));
}

#[test]
fn every_length_is_kept_to_the_byte() {
    let bench = Bench::new(43);
    let text = |length: usize| "x".repeat(length);
    let metadata = |count: usize, name: usize, value: usize| -> BTreeMap<_, _> {
        (0..count).map(|i| (format!("{i:0name$}"), text(value))).collect()
    };
    let value = METADATA_BYTES_MAX - 1;
    let pairs = [
        (bench.judge(|p| p.transfer = text(TRANSFER_BYTES_MAX)), Ok(())),
        (bench.judge(|p| p.transfer = text(TRANSFER_BYTES_MAX + 1)), broken(Rule::TransferIdentifier, "transfer")),
        (bench.judge(|p| p.title = String::new()), Ok(())),
        (bench.judge(|p| p.title = text(TITLE_BYTES_MAX)), Ok(())),
        (bench.judge(|p| p.title = text(TITLE_BYTES_MAX + 1)), broken(Rule::Title, "title")),
        (bench.judge(|p| p.metadata = metadata(METADATA_ENTRIES_MAX, 3, 1)), Ok(())),
        (bench.judge(|p| p.metadata = metadata(METADATA_ENTRIES_MAX + 1, 3, 1)), broken(Rule::Metadata, "metadata")),
        (bench.judge(|p| p.metadata = metadata(1, 1, value)), Ok(())),
        (bench.judge(|p| p.metadata = metadata(1, 1, value + 1)), broken(Rule::Metadata, "metadata")),
        (bench.judge(|p| p.metadata = metadata(2, METADATA_NAME_BYTES_MAX, 0)), Ok(())),
        (
            bench.judge(|p| p.metadata = metadata(2, METADATA_NAME_BYTES_MAX + 1, 0)),
            broken(Rule::Metadata, "metadata[0]"),
        ),
        (bench.judge(|p| p.files[0].media_type = format!("a/{}", text(MEDIA_TYPE_BYTES_MAX - 2))), Ok(())),
        (
            bench.judge(|p| p.files[0].media_type = format!("a/{}", text(MEDIA_TYPE_BYTES_MAX - 1))),
            broken(Rule::MediaType, "files[0].media_type"),
        ),
    ];
    for (at, (found, expected)) in pairs.into_iter().enumerate() {
        assert_eq!(found, expected, "pair {at}");
    }
    let files = |count: usize| (0..count).map(|i| bench.file(&format!("{i}.txt"))).collect::<Vec<_>>();
    let (most, too_many) = (files(DEPOSIT_FILES_MAX), files(DEPOSIT_FILES_MAX + 1));
    assert_eq!(bench.judge(|p| p.files = most), Ok(()));
    assert_eq!(bench.judge(|p| p.files = too_many), broken(Rule::FileCount, "files"));
}

#[test]
fn a_value_may_have_lines_and_no_other_control_characters() {
    let bench = Bench::new(44);
    let judge = |value: &str| {
        let value = value.to_owned();
        bench.judge(|p| p.metadata = BTreeMap::from([("a".into(), "fine".into()), ("b".into(), value)]))
    };
    assert_eq!(judge("one\r\ntwo\tthree"), Ok(()));
    for bad in ["\0", "a\u{1b}[31m", "\u{7f}", "\u{85}"] {
        assert_eq!(judge(bad), broken(Rule::Metadata, "metadata[1]"), "{bad:?}");
    }
}

#[test]
fn odd_names_that_are_names_are_taken() {
    let bench = Bench::new(45);
    let longest = "é".repeat(FILE_NAME_BYTES_MAX / 2);
    let names = [
        "a",
        ".profile",
        "a..b",
        "été 2026.pdf",
        "Conseil.txt",
        "CONTRAT",
        "com10.txt",
        "com",
        "lpt",
        "nul-part.txt",
        "console.log",
        "-rf",
        "~",
        "#",
        "%2e%2e",
        "文書.pdf",
        "a b",
        "'",
        "🏛",
        "e\u{301}.txt",
        &longest,
    ];
    let refused: Vec<_> = names.into_iter().filter(|name| !bench.is_file_name(name)).collect();
    assert_eq!(refused, Vec::<&str>::new());
}

#[test]
fn names_that_are_none_somewhere_are_refused() {
    let bench = Bench::new(46);
    let too_long = "x".repeat(FILE_NAME_BYTES_MAX + 1);
    let names = [
        "",
        ".",
        "..",
        "...",
        "a/b",
        "/",
        "a\\b",
        "c:",
        "a*",
        "a?",
        "\"",
        "<",
        ">",
        "|",
        " a",
        "a ",
        "a.",
        "a\0",
        "a\nb",
        "a\u{7f}",
        "a\u{85}",
        "a\u{2028}b",
        "acte\u{202e}fdp.exe",
        "\u{2066}a",
        "a\u{200f}b",
        "a\u{200e}",
        "a\u{61c}",
        "CON",
        "con.txt",
        "Prn",
        "aux.tar.gz",
        "NUL",
        "nul .txt",
        "COM1",
        "com9.log",
        "LPT1.pdf",
        "com0",
        "COM¹",
        "lpt³.x",
        &too_long,
    ];
    let taken: Vec<_> = names.into_iter().filter(|name| bench.is_file_name(name)).collect();
    assert_eq!(taken, Vec::<&str>::new());
}

#[test]
fn two_names_that_are_one_somewhere_are_refused() {
    let bench = Bench::new(47);
    let judge = |one: &str, other: &str| {
        let files = vec![bench.file(one), bench.file(other)];
        bench.judge(|p| p.files = files)
    };
    assert_eq!(judge("a.txt", "b.txt"), Ok(()));
    for (one, other) in [
        ("a", "a"),
        ("a.TXT", "A.txt"),
        ("ÉTÉ", "été"),
        ("rue.txt ".trim(), "RUE.TXT"),
        ("Straße", "STRASSE"),
        ("Σας", "ΣΑΣ"),
    ] {
        assert_eq!(judge(one, other), broken(Rule::FileNameTwice, "files[1].name"), "{one} {other}");
    }
}

#[test]
fn media_types_are_judged_by_their_form() {
    let bench = Bench::new(48);
    let judge = |text: &str| bench.judge(|p| p.files[0].media_type = text.into());
    for good in ["text/plain", "text/plain; charset=utf-8", "application/vnd.a+xml", "a/b"] {
        assert_eq!(judge(good), Ok(()), "{good}");
    }
    for bad in
        ["", "text", "text/", "/plain", "te xt/plain", "text/plain/x", "text/plain;\n", "tëxt/plain", ";text/plain"]
    {
        assert_eq!(judge(bad), broken(Rule::MediaType, "files[0].media_type"), "{bad:?}");
    }
}

#[test]
fn every_length_around_the_inline_limit_is_hashed_and_read_back() {
    let Bench(world, mut rig) = Bench::new(49);
    let sizes = [0, 1, INLINE_BYTES_MAX - 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 3 * INLINE_BYTES_MAX + 511];
    let mut containers = Vec::new();
    for size in sizes {
        let content: Vec<u8> = (0..size).map(|i| (i * 31 / 7) as u8).collect();
        for piece in [1 << 10, 300_000, usize::MAX] {
            let mut reception = Reception::new(rig.archive.clone(), false);
            content.chunks(piece).for_each(|chunk| reception.write(chunk).unwrap());
            assert_eq!(reception.size(), size as u64);
            let mut hasher = MultiHasher::new(true);
            hasher.update(&content);
            assert!(reception.finish().unwrap().digests == hasher.finish(), "{size} bytes in pieces of {piece}");
        }
        let outcome = rig.deposit("kerlouan", &format!("T-{size}"), &[("a.bin", &content)]).unwrap();
        let cartulaire_engine::commit::Committed::Deposit(deposit) = outcome else { panic!("{outcome:?}") };
        let file = &deposit.descriptor.files[0];
        let reader = rig.archive.open_file(&tenant("kerlouan"), file).unwrap();
        let mut read = Vec::new();
        let take = |piece: bytes::Bytes| {
            read.extend_from_slice(&piece);
            true
        };
        reader.stream(&file.blake3, take).unwrap();
        assert!(read == content, "{size} bytes");
        containers.push(world.store.live().keys().filter(|name| name.as_str().starts_with("containers/")).count());
    }
    assert_eq!(containers, [0, 0, 0, 0, 1, 2]);
}
