//! Proofs and bundles of a real archive, judged by `sha256sum`, `openssl` and a POSIX shell.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "prove/rig.rs"]
mod rig;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use cartulaire_engine::fault::{Damage, DamageKind, Fault};
use cartulaire_engine::prove::{BundleError, Stage, Standing};
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use cartulaire_formats::layout::{self, EvidenceAlgorithm, SealNumber};
use cartulaire_formats::tlog_proof::TlogProof;
use rig::{Rig, file, tenant, text, tools, verify};

fn contract() -> Vec<rig::File> {
    vec![file("contrat.pdf", "%PDF-1.7 contrat"), file("annexe é.txt", "annexe"), file("vide.txt", "")]
}

#[test]
fn a_proof_goes_from_committed_to_attested_and_never_changes_again() {
    let mut rig = Rig::new(true);
    let archive = rig.deposit("T-1", &contract(), Some(b"{}"));
    let stage = |rig: &Rig| (rig.proof(&archive).stage(), rig.proof(&archive).seal());
    assert_eq!(stage(&rig), (Stage::Committed, None));
    let seal = rig.seal();
    assert_eq!(stage(&rig), (Stage::Sealed, Some(seal)));
    rig.attest(seal, EvidenceAlgorithm::Sha256);
    let mut out = Vec::new();
    let refused = rig.archive.write_bundle(&rig.proof(&archive), &mut out);
    assert!(matches!(refused, Err(BundleError::NotAttested)));
    assert_eq!((out.len(), stage(&rig)), (0, (Stage::Sealed, Some(seal))));
    rig.attest(seal, EvidenceAlgorithm::Sha512);
    assert_eq!(stage(&rig), (Stage::Attested, Some(seal)));

    let before = rig.zip(&archive);
    rig.read_event(&archive);
    for n in 0..300 {
        rig.deposit(&format!("later-{n}"), &[file("a.txt", "later")], None);
    }
    rig.seal_and_attest();
    assert_eq!(rig.zip(&archive), before, "later seals change nothing");
    let rig = rig.rebuilt();
    assert_eq!(rig.zip(&archive), before, "nor does a new index");

    let proof = rig.proof(&archive);
    let token = proof.token(EvidenceAlgorithm::Sha256).unwrap();
    assert_eq!((token.standing(), token.authority()), (Standing::Development, "Horodatage d'essai, Essai"));
    let leaf = cartulaire_formats::journal::leaf_hash(proof.line());
    let tlog_proof = TlogProof::parse(proof.tlog_proof().unwrap().as_bytes()).unwrap();
    let checkpoint = tlog_proof.verify(&leaf, rig.archive.key(), &[]).unwrap();
    assert_eq!(Some(checkpoint.text()), proof.checkpoint_text());
}

#[test]
fn nobody_elses_archive_is_proven() {
    let mut rig = Rig::new(false);
    let archive = rig.deposit("T-1", &contract(), None);
    assert!(rig.archive.proof(&"other".parse().unwrap(), &archive).unwrap().is_none());
    let unknown = "0195f2b0-6c1e-7abc-8def-0123456789ab".parse().unwrap();
    assert!(rig.archive.proof(&tenant(), &unknown).unwrap().is_none());
}

#[test]
fn the_zip_and_the_folder_hold_the_same_files_and_other_readers_accept_them() {
    let mut rig = Rig::new(true);
    let archive = rig.deposit("T-1", &contract(), Some(b"{}"));
    rig.seal_and_attest();
    let bytes = rig.zip(&archive);
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
    let mut zipped = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let name = entry.name().unwrap().strip_prefix(&format!("{archive}/")).unwrap().to_owned();
        zipped.insert(name, content);
    }
    let folder = rig.bundle(&archive);
    assert_eq!(zipped, files(&folder));
    let names: Vec<&String> = zipped.keys().collect();
    assert_eq!(names, EXPECTED_FILES, "docs/format.md §9");
    if tools() {
        let check =
            Command::new("sha256sum").args(["-c", "--quiet", "manifest-sha256.txt"]).current_dir(&folder).output();
        assert_eq!(text(check.unwrap()), (Some(0), String::new()));
        let path = rig.folder.path().join("b.zip");
        fs::write(&path, &bytes).unwrap();
        let python = "import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).testzip())";
        let check = Command::new("python3").args(["-c", python]).arg(&path).output();
        assert_eq!(text(check.unwrap()), (Some(0), "None\n".into()));
    }
}

const EXPECTED_FILES: [&str; 42] = [
    "bag-info.txt",
    "bagit.txt",
    "data/LISEZMOI.txt",
    "data/piece/annexe é.txt",
    "data/piece/contrat.pdf",
    "data/piece/versement.json",
    "data/piece/vide.txt",
    "data/pki/log.pub.pem",
    "data/pki/tsa-sha256.pem",
    "data/pki/tsa-sha512.pem",
    "data/preuve/checkpoint-body.txt",
    "data/preuve/checkpoint-sha256.ers",
    "data/preuve/checkpoint-sha512.ers",
    "data/preuve/checkpoint.txt",
    "data/preuve/descriptor.json",
    "data/preuve/journal-extract.jsonl",
    "data/preuve/journal-extract.proofs.jsonl",
    "data/preuve/leaf.txt",
    "data/preuve/objets/000/blind.hex",
    "data/preuve/objets/000/record-sha256.ers",
    "data/preuve/objets/000/record-sha512.ers",
    "data/preuve/objets/001/blind.hex",
    "data/preuve/objets/001/record-sha256.ers",
    "data/preuve/objets/001/record-sha512.ers",
    "data/preuve/objets/002/blind.hex",
    "data/preuve/objets/002/record-sha256.ers",
    "data/preuve/objets/002/record-sha512.ers",
    "data/preuve/objets/003/blind.hex",
    "data/preuve/objets/003/record-sha256.ers",
    "data/preuve/objets/003/record-sha512.ers",
    "data/preuve/objets/004/blind.hex",
    "data/preuve/objets/004/record-sha256.ers",
    "data/preuve/objets/004/record-sha512.ers",
    "data/preuve/piece.tlog-proof",
    "data/preuve/policy.txt",
    "data/preuve/receipt.txt",
    "data/preuve/token-sha256.tst",
    "data/preuve/token-sha512.tst",
    "data/verifier.sh",
    "manifest-sha256.txt",
    "manifest-sha512.txt",
    "tagmanifest-sha256.txt",
];

/// Every file under a folder, by its path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

#[test]
fn verifier_sh_accepts_every_kind_of_document() {
    if !tools() {
        return;
    }
    let mut rig = Rig::new(true);
    for n in 0..256 {
        rig.deposit(&format!("before-{n}"), &[file("a.txt", format!("{n}"))], None);
    }
    rig.seal_and_attest();
    let odd = vec![
        file("-rf", "leading dash"),
        file("l'acte n° 3 (é).pdf", "quote, accent, parentheses"),
        file("a  b   c", "spaces"),
        file("100 % $HOME `id` ;&#!~=[x]{y}", "shell"),
        file("vide", ""),
        file("64", vec![0x41; 64]),
        file("$(touch pwned)", "command"),
    ];
    let many: Vec<rig::File> = (0..40).map(|n| file(&format!("pièce {n}.txt"), format!("contenu {n}"))).collect();
    let large = vec![file("gros.bin", vec![7; 5_000_001]), file("petit.txt", "petit")];
    let same = vec![file("a.txt", "same"), file("b.txt", "same")];
    let cases = [("odd", odd), ("many", many), ("large", large), ("same", same)];
    let archives = cases.map(|(transfer, files)| (rig.deposit(transfer, &files, Some(b"{\"v\":1}")), files));
    rig.read_event(&archives[0].0);
    rig.seal_and_attest();
    let trust = rig.trust();
    for (archive, files) in &archives {
        let bundle = rig.bundle(archive);
        let (code, said) = verify(&bundle, &trust);
        assert_eq!((code, said.contains("ECHEC")), (Some(0), false), "{said}");
        assert!(said.contains("NON QUALIFIÉ") && !said.contains("ATTENTION"), "{said}");
        for (name, content) in files {
            assert_eq!(fs::read(bundle.join("data/piece").join(name)).unwrap(), *content);
        }
        assert!(!bundle.join("pwned").exists());
        let (code, said) = verify(&bundle, &[]);
        assert_eq!((code, said.matches("ATTENTION").count()), (Some(0), 2), "{said}");
        let wrong_root = [rig.folder.path().join("other.pem"), trust[1].clone()];
        let other = cartulaire_formats::x509::certificate_to_pem(&rig.authorities[1].root);
        fs::write(&wrong_root[0], other).unwrap();
        let (code, said) = verify(&bundle, &wrong_root);
        assert_eq!((code, said.matches("ECHEC  horodatage").count()), (Some(1), 1), "{said}");
    }
}

/// The check that must name a file once the manifests agree with its altered content.
const GUARDS: [(&str, &str); 13] = [
    ("data/piece/contrat.pdf", "documents : empreintes"),
    ("data/preuve/descriptor.json", "engagements"),
    ("data/preuve/leaf.txt", "inscription :"),
    ("data/preuve/piece.tlog-proof", "preuve d'inscription"),
    ("data/preuve/checkpoint.txt", "point de contrôle"),
    ("data/preuve/checkpoint-body.txt", "point de contrôle"),
    ("data/preuve/receipt.txt", "accusé"),
    ("data/preuve/journal-extract.jsonl", "extrait"),
    ("data/preuve/journal-extract.proofs.jsonl", "extrait"),
    ("data/preuve/objets/000/blind.hex", "engagements"),
    ("data/preuve/objets/001/record-sha256.ers", "enregistrements"),
    ("data/preuve/checkpoint-sha256.ers", "enregistrements"),
    ("data/preuve/token-sha256.tst", "horodatage"),
];

#[test]
fn verifier_sh_refuses_a_bundle_with_one_byte_changed_anywhere() {
    if !tools() {
        return;
    }
    let mut rig = Rig::new(false);
    rig.deposit("T-0", &[file("autre.txt", "autre")], None);
    let archive = rig.deposit("T-1", &contract(), None);
    rig.seal_and_attest();
    let trust = rig.trust();
    let bundle = rig.bundle(&archive);
    for (name, content) in files(&bundle) {
        if content.is_empty() {
            continue;
        }
        let path = bundle.join(&name);
        // Of the script itself, a byte of a comment: a script that was tampered with may do anything.
        let at = if name == "data/verifier.sh" { 20 } else { content.len() / 2 };
        fs::write(&path, flipped(&content, at)).unwrap();
        let (code, said) = verify(&bundle, &trust);
        let named = said.lines().any(|line| line.contains(&name));
        assert_eq!((code, named), (Some(1), true), "{name}: {said}");
        fs::write(&path, &content).unwrap();
    }
    fs::write(bundle.join("data/piece/ajout.txt"), "ajout").unwrap();
    let (code, said) = verify(&bundle, &trust);
    assert_eq!((code, said.contains("data/piece/ajout.txt")), (Some(1), true), "{said}");
    fs::remove_file(bundle.join("data/piece/ajout.txt")).unwrap();
    assert_eq!(verify(&bundle, &trust).0, Some(0));
}

fn flipped(content: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = content.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[test]
fn verifier_sh_does_not_rely_on_the_manifests_alone() {
    if !tools() {
        return;
    }
    let mut rig = Rig::new(false);
    rig.deposit("T-0", &[file("autre.txt", "autre")], None);
    let archive = rig.deposit("T-1", &contract(), None);
    rig.seal_and_attest();
    let trust = rig.trust();
    let bundle = rig.bundle(&archive);
    for (name, check) in GUARDS {
        let path = bundle.join(name);
        let content = fs::read(&path).unwrap();
        for at in [0, content.len() / 3, content.len() / 2, content.len() - 2] {
            fs::write(&path, flipped(&content, at)).unwrap();
            rebag(&bundle);
            let (code, said) = verify(&bundle, &trust);
            assert_eq!((code, said.contains("ECHEC  manifest")), (Some(1), false), "{name} {at}: {said}");
            if at == content.len() / 2 {
                let named = said.lines().any(|line| line.starts_with("ECHEC") && line.contains(check));
                assert!(named, "{name} {at}: {said}");
            }
        }
        fs::write(&path, &content).unwrap();
    }
    rebag(&bundle);
    let (code, said) = verify(&bundle, &trust);
    assert_eq!(code, Some(0), "the bag is made again as it was: {said}");
}

/// Makes the manifests agree with the files, as a forger would.
fn rebag(bundle: &Path) {
    let all = files(bundle);
    let manifest = |digest: &dyn Fn(&[u8]) -> String| -> String {
        let payload = all.iter().filter(|(name, _)| name.starts_with("data/"));
        payload.map(|(name, content)| format!("{}  {name}\n", digest(content))).collect()
    };
    let sha256 = manifest(&|content| Sha256Digest::of(content).to_string());
    let sha512 = manifest(&|content| Sha512Digest::of(content).to_string());
    fs::write(bundle.join("manifest-sha256.txt"), sha256).unwrap();
    fs::write(bundle.join("manifest-sha512.txt"), sha512).unwrap();
    let tags = ["bagit.txt", "bag-info.txt", "manifest-sha256.txt", "manifest-sha512.txt"];
    let line = |name: &str| format!("{}  {name}\n", Sha256Digest::of(&fs::read(bundle.join(name)).unwrap()));
    fs::write(bundle.join("tagmanifest-sha256.txt"), tags.map(line).concat()).unwrap();
}

#[test]
fn the_readme_says_who_when_and_that_the_authority_is_not_qualified() {
    let mut rig = Rig::new(true);
    let archive = rig.deposit("T-1", &contract(), None);
    rig.seal_and_attest();
    let readme = fs::read_to_string(rig.bundle(&archive).join("data/LISEZMOI.txt")).unwrap();
    let proof = rig.proof(&archive);
    let root = proof.token(EvidenceAlgorithm::Sha256).unwrap().root().unwrap();
    let key = rig.archive.key().to_string();
    let expected = [
        archive.to_string(),
        root.to_string(),
        key,
        "NON QUALIFIÉ".into(),
        "NOT QUALIFIED".into(),
        "sha256sum 'data/piece/annexe é.txt'".into(),
        "Délibération « T-1 » {size}".into(),
        proof.token(EvidenceAlgorithm::Sha512).unwrap().gen_time().to_string(),
    ];
    let missing: Vec<&String> = expected.iter().filter(|text| !readme.contains(*text)).collect();
    assert_eq!((missing, readme.contains("{archive}")), (Vec::<&String>::new(), false), "{readme}");
}

/// Opens a rig's archive, alters one object at rest and returns what proving then says.
fn damaged(name: &layout::ObjectName, alter: impl Fn(Vec<u8>) -> Vec<u8>) -> Damage {
    let mut rig = Rig::new(false);
    let archive = rig.deposit("T-1", &contract(), None);
    for n in 0..300 {
        rig.deposit(&format!("T-1-{n}"), &[file("a.txt", format!("{n}"))], None);
    }
    rig.seal_and_attest();
    let path: PathBuf = rig.folder.path().join("site").join(name.as_str());
    let bytes = alter(fs::read(&path).unwrap());
    fs::remove_file(&path).unwrap();
    if !bytes.is_empty() {
        fs::write(&path, bytes).unwrap();
    }
    match rig.archive.proof(&tenant(), &archive) {
        Err(Fault::Damaged(damage)) => damage,
        other => panic!("{name}: {:?}", other.map(|proof| proof.map(|p| p.stage()))),
    }
}

#[test]
fn a_wrong_proof_never_leaves_and_the_object_at_fault_is_named() {
    let seal = SealNumber(0);
    let leaves = layout::evidence_leaves(seal, EvidenceAlgorithm::Sha256);
    let token = layout::token(seal, EvidenceAlgorithm::Sha256);
    let cases = [
        (layout::checkpoint(seal), 100, DamageKind::Checkpoint),
        (leaves.clone(), 5, DamageKind::Evidence),
        (leaves.clone(), 40, DamageKind::Token),
        (token.clone(), 200, DamageKind::Digest),
        (layout::tile(0, 0), 77, DamageKind::Digest),
    ];
    for (name, at, kind) in cases {
        let damage = damaged(&name, |bytes| flipped(&bytes, at));
        let object = if kind == DamageKind::Token { token.to_string() } else { name.to_string() };
        assert_eq!(damage, Damage { object, kind }, "{name} at {at}");
    }
    let gone = damaged(&leaves, |_| Vec::new());
    assert_eq!(gone, Damage { object: leaves.to_string(), kind: DamageKind::Missing });
}
