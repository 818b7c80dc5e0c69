//! Named attacks on sites and bundles: each must be found, as what it is and where it is.
//!
//! In the table stands the finding that matters; `attacks.golden` has every finding of every attack, so that what else
//! an attack stirs up is known too. `UPDATE_GOLDENS=1` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod forge;

use std::collections::BTreeSet;
use std::io::Cursor;
use std::path::Path;

use cartulaire_audit::source::{Child, ChildKind, Directory, Source, SourceError};
use cartulaire_audit::{Fault, Report, Severity, Trust, Verdict, bundle, site};
use cartulaire_formats::bundle as names;
use cartulaire_formats::commit::{JOURNAL, OPENINGS, TRAILER, Trailer};
use cartulaire_formats::hash::{Blake3Digest, Blind, Sha256Digest};
use cartulaire_formats::journal::{EventType, JournalEntry};
use cartulaire_formats::layout::{EvidenceAlgorithm::Sha256, SequenceNumber};
use cartulaire_formats::tsp::MessageImprint;
use cartulaire_formats::{ers, jcs};
use forge::{Authority, Files, LogKey, ORIGIN, Plan, World, bag, now, tar, untar};
use zip::write::SimpleFileOptions;

// ---- the stage ----

fn write(root: &Path, files: &Files) {
    for (name, bytes) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

/// What an auditor of the honest service trusts, whoever made the files.
fn trust() -> Trust {
    let honest = Plan::default();
    Trust { anchors: Some(honest.authority.anchors()), log_key: Some(honest.log_key.public), ..Trust::none(now()) }
}

/// An attack on a site: what the service did wrong, what was done to its files, what the auditor brings.
struct Site {
    plan: Plan,
    tamper: fn(&World, &mut Files),
    trust: fn(&mut Trust),
    known: fn(&World) -> site::Known,
}

impl Default for Site {
    fn default() -> Self {
        Self { plan: Plan::default(), tamper: |_, _| {}, trust: |_| {}, known: |_| site::Known::default() }
    }
}

impl Site {
    fn audit(self) -> Report {
        let world = World::build(self.plan);
        let (mut files, mut trust) = (world.files.clone(), trust());
        (self.tamper)(&world, &mut files);
        (self.trust)(&mut trust);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files);
        let known = (self.known)(&world);
        site::audit(&Directory::new(folder.path()), &trust, &known, &mut |_| {})
    }
}

fn tampered(tamper: fn(&World, &mut Files)) -> Report {
    Site { tamper, ..Site::default() }.audit()
}

fn served(plan: Plan) -> Report {
    Site { plan, ..Site::default() }.audit()
}

fn brought(trust: fn(&mut Trust)) -> Report {
    Site { trust, ..Site::default() }.audit()
}

/// An attack on a bundle: what the service did wrong, what was packed, what was done to the bag, what the expert brings.
struct Bundle {
    plan: Plan,
    payload: fn(&World, &mut Files),
    files: fn(&mut Files),
    trust: fn(&mut Trust),
}

impl Default for Bundle {
    fn default() -> Self {
        Self { plan: Plan::default(), payload: |_, _| {}, files: |_| {}, trust: |_| {} }
    }
}

impl Bundle {
    fn verify(self) -> Report {
        let world = World::build(self.plan);
        let (mut payload, mut trust) = (world.payload(), trust());
        (self.payload)(&world, &mut payload);
        let mut files = bag(payload);
        (self.files)(&mut files);
        (self.trust)(&mut trust);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &files);
        bundle::verify(&Directory::new(folder.path()), None, &trust)
    }
}

/// The attacker packs the bag anew, so that its manifests are right.
fn packed(payload: fn(&World, &mut Files)) -> Report {
    Bundle { payload, ..Bundle::default() }.verify()
}

/// The attacker does not touch the manifests.
fn unpacked(files: fn(&mut Files)) -> Report {
    Bundle { files, ..Bundle::default() }.verify()
}

fn zipped(top: &str, extra: &[(&str, &[u8])], patch: fn(&mut Vec<u8>)) -> Report {
    let world = World::build(Plan::default());
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let mut put = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut zip, bytes).unwrap();
    };
    bag(world.payload()).iter().for_each(|(name, bytes)| put(&format!("{top}/{name}"), bytes));
    extra.iter().for_each(|(name, bytes)| put(name, bytes));
    let mut bytes = zip.finish().unwrap().into_inner();
    patch(&mut bytes);
    bundle::verify_zip(Cursor::new(bytes), &trust())
}

const ARCHIVE: &str = "01a20ada-2c0a-7000-8000-000000000000";

// ---- the tools ----

fn flip(files: &mut Files, name: &str) {
    let bytes = files.get_mut(name).expect("the attack aims at a file that is there");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

fn swap(files: &mut Files, a: &str, b: &str) {
    let (one, two) = (files[a].clone(), files[b].clone());
    files.insert(a.into(), two);
    files.insert(b.into(), one);
}

fn replace(files: &mut Files, name: &str, from: &str, to: &str) {
    let text = String::from_utf8(files[name].clone()).unwrap();
    assert!(text.contains(from), "the attack aims at a text that is there");
    files.insert(name.into(), text.replacen(from, to, 1).into_bytes());
}

fn retar(files: &mut Files, name: &str, edit: impl FnOnce(&mut Vec<(String, Vec<u8>)>)) {
    let mut members = untar(&files[name]);
    edit(&mut members);
    files.insert(name.into(), tar(&members));
}

fn member<'a>(members: &'a mut [(String, Vec<u8>)], name: &str) -> &'a mut Vec<u8> {
    &mut members.iter_mut().find(|(n, _)| n == name).unwrap().1
}

fn retrailer(members: &mut [(String, Vec<u8>)], edit: impl FnOnce(&mut Trailer)) {
    let journal = Sha256Digest::of(member(members, JOURNAL));
    let mut trailer: Trailer = jcs::from_canonical(member(members, TRAILER)).unwrap().unwrap();
    trailer.journal = journal;
    edit(&mut trailer);
    *member(members, TRAILER) = trailer.encode();
}

fn rejournal(members: &mut [(String, Vec<u8>)], edit: impl Fn(&mut JournalEntry)) {
    let journal = member(members, JOURNAL);
    let lines = journal.strip_suffix(b"\n").unwrap().split(|b| *b == b'\n');
    let edited = lines.flat_map(|line| {
        let mut entry = JournalEntry::parse(line).unwrap();
        edit(&mut entry);
        [entry.encode().unwrap(), b"\n".to_vec()].concat()
    });
    *journal = edited.collect();
}

/// Of content that the tenant has from an earlier commit: no object here needs this opening.
fn drop_second_opening(members: &mut [(String, Vec<u8>)]) {
    let openings = member(members, OPENINGS);
    let mut lines: Vec<&[u8]> = openings.split_inclusive(|b| *b == b'\n').collect();
    lines.remove(1);
    *openings = lines.concat();
}

const C0: &str = "commits/000.tar";
const C1: &str = "commits/001.tar";
const C2: &str = "commits/002.tar";
const C3: &str = "commits/003.tar";
const C4: &str = "commits/004.tar";
const DIRECT: &str = "containers/direct/2026-11-24/00112233445566778899aabbccddeeff.tar";
const ACT: &str = "data/piece/acte.pdf";
const ANNEX: &str = "data/piece/annexe.bin";

fn other_key() -> LogKey {
    LogKey::new(9, ORIGIN)
}

/// The same log, forked: the reading of the first archive is another.
fn fork() -> World {
    World::build(Plan { entry: |e| rename_reader(e), ..Plan::default() })
}

fn rename_reader(entry: &mut JournalEntry) {
    if entry.event == EventType::Read {
        entry.agent = "key:autre".into();
    }
}

fn checkpoint_of(world: &World, seal: usize) -> Vec<u8> {
    world.seals[seal].checkpoint.note().to_string().into_bytes()
}

fn receipt_of(world: &World, deposit: usize) -> Vec<u8> {
    world.plan.log_key.sign(world.receipt(deposit).text()).into_bytes()
}

fn knows_checkpoint(world: &World) -> site::Known {
    site::Known { checkpoints: vec![("connu".into(), checkpoint_of(world, 2))], ..site::Known::default() }
}

fn knows_receipt(world: &World) -> site::Known {
    site::Known { receipts: vec![("accusé".into(), receipt_of(world, 1))], ..site::Known::default() }
}

/// An old backup restored: commits 0 and 1 and the first seal are all there is.
fn roll_back(_: &World, files: &mut Files) {
    let old = |name: &str| [C0, C1].contains(&name) || name.starts_with("seals/000") || name.starts_with("keys/");
    files.retain(|name, _| old(name));
}

// ---- the attacks ----

type Attack = (&'static str, fn() -> Report, Fault, &'static str);

const ATTACKS: &[Attack] = &[
    // objects and openings of a site
    (
        "site: a byte of an object changed",
        || tampered(|_, f| retar(f, C1, |m| m[1].1[0] ^= 1)),
        Fault::ObjectDiffers,
        "commits/001.tar › mairie/bcc76bb17425309fab912299a88e16428311c633a8873ff004d4cce592af3a23",
    ),
    (
        "site: an object truncated",
        || tampered(|_, f| retar(f, C1, |m| m[1].1.truncate(10))),
        Fault::ObjectDiffers,
        "commits/001.tar › mairie/bcc76bb17425309fab912299a88e16428311c633a8873ff004d4cce592af3a23",
    ),
    (
        "site: two objects swapped",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| {
                    let x = m[1].1.clone();
                    m[1].1 = m[2].1.clone();
                    m[2].1 = x;
                })
            })
        },
        Fault::ObjectDiffers,
        "commits/001.tar › mairie/ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb",
    ),
    (
        "site: an object dropped",
        || tampered(|_, f| retar(f, C1, |m| drop(m.remove(1)))),
        Fault::ObjectMissing,
        "commits/001.tar › mairie/bcc76bb17425309fab912299a88e16428311c633a8873ff004d4cce592af3a23",
    ),
    (
        "site: an object dropped with its line in the trailer",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| {
                    m.remove(1);
                    retrailer(m, |t| {
                        t.members.remove(1);
                    });
                })
            })
        },
        Fault::ObjectMissing,
        "commits/001.tar › mairie/bcc76bb17425309fab912299a88e16428311c633a8873ff004d4cce592af3a23",
    ),
    (
        "site: objects reordered",
        || tampered(|_, f| retar(f, C1, |m| m.swap(1, 2))),
        Fault::CommitForm,
        "commits/001.tar › bcc76bb17425309fab912299a88e16428311c633a8873ff004d4cce592af3a23",
    ),
    (
        "site: an object added",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| m.insert(0, (format!("mairie/{}", Sha256Digest::of(b"x")), b"x".to_vec())))
            })
        },
        Fault::CommitForm,
        "commits/001.tar › 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881",
    ),
    (
        "site: an object duplicated",
        || tampered(|_, f| retar(f, C1, |m| m.insert(0, m[0].clone()))),
        Fault::CommitForm,
        "commits/001.tar:1536",
    ),
    (
        "site: an object moved to another tenant",
        || tampered(|_, f| retar(f, C1, |m| m[1].0 = m[1].0.replace("mairie", "region"))),
        Fault::CommitForm,
        "commits/001.tar › bcc76bb17425309fab912299a88e16428311c633a8873ff004d4cce592af3a23",
    ),
    (
        "site: a blind changed",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| {
                    let o = member(m, OPENINGS);
                    let at = o.len() - 140;
                    o[at] = if o[at] == b'0' { b'1' } else { b'0' };
                })
            })
        },
        Fault::CommitForm,
        "commits/001.tar › openings.txt:3",
    ),
    (
        "site: an opening dropped",
        || tampered(|_, f| retar(f, C2, |m| drop_second_opening(m))),
        Fault::OpeningMissing,
        "commits/002.tar › journal.jsonl:3",
    ),
    (
        "site: openings reordered",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| {
                    let o = member(m, OPENINGS);
                    let mut lines: Vec<Vec<u8>> = o.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                    lines.swap(1, 2);
                    *o = lines.concat();
                })
            })
        },
        Fault::CommitForm,
        "commits/001.tar › openings.txt:3",
    ),
    // descriptors
    (
        "site: the service writes a descriptor with another BLAKE3",
        || served(Plan { descriptor: |d| d.files[0].blake3 = Blake3Digest([1; 32]), ..Plan::default() }),
        Fault::FixityDiffers,
        "commits/001.tar › mairie/692c2e41b50014cf9f3a939ff51da9594b09e1aa525ac7102ce455c19880ab23:0",
    ),
    (
        "site: the service writes a descriptor with another size",
        || served(Plan { descriptor: |d| d.files[0].size += 1, ..Plan::default() }),
        Fault::FixityDiffers,
        "commits/001.tar › mairie/89f6a2d6da3c52248370bc9905e9f6d922be6c422582dbf3b21217d095d770d0:0",
    ),
    (
        "site: the service writes a descriptor of a version unknown",
        || served(Plan { descriptor: |d| d.v = 2, ..Plan::default() }),
        Fault::DescriptorForm,
        "commits/001.tar › mairie/206761cdc8c313334cbd9174e7946a2d4b0116e27150816a12a1318440bafa98",
    ),
    (
        "site: the service journals a deposit under another archive",
        || {
            served(Plan {
                entry: |e| {
                    if e.event == EventType::Deposit {
                        e.subject = "archive:autre".into();
                    }
                },
                ..Plan::default()
            })
        },
        Fault::DescriptorDiffers,
        "commits/001.tar › mairie/5bc49ef4425c2c4e83043dddc371a7a5fa99a27c2e1a1936008b46d0cf75d213",
    ),
    // direct containers
    (
        "site: a byte of a large object changed",
        || tampered(|_, f| flip(f, DIRECT)),
        Fault::ObjectDiffers,
        "containers/direct/2026-11-24/00112233445566778899aabbccddeeff.tar › mairie/48c187767dddb44e5b7af78dabdec2b14f0f983e86e1fe695c65bc6a2a3cb42f",
    ),
    ("site: a direct container dropped", || tampered(|_, f| drop(f.remove(DIRECT))), Fault::ContainerMissing, DIRECT),
    (
        "site: a direct container truncated",
        || tampered(|_, f| f.get_mut(DIRECT).unwrap().truncate(2_000)),
        Fault::ContainerForm,
        DIRECT,
    ),
    (
        "site: a direct container with a second member",
        || {
            tampered(|_, f| {
                let b = f.get_mut(DIRECT).unwrap();
                b.truncate(b.len() - 1024);
                b.extend(tar(&[("x".into(), vec![])]));
            })
        },
        Fault::ContainerForm,
        DIRECT,
    ),
    (
        "site: a direct container added",
        || tampered(|_, f| drop(f.insert("containers/direct/2026-11-25/orphan.tar".into(), tar(&[])))),
        Fault::ContainerOrphan,
        "containers/direct/2026-11-25/orphan.tar",
    ),
    // commits and journal
    (
        "site: a commit truncated",
        || {
            tampered(|_, f| {
                let b = f.get_mut(C3).unwrap();
                let n = b.len();
                b.truncate(n / 2);
            })
        },
        Fault::CommitForm,
        "commits/003.tar:38656",
    ),
    (
        "site: bytes after a commit's end",
        || tampered(|_, f| f.get_mut(C3).unwrap().extend([0; 512])),
        Fault::CommitForm,
        "commits/003.tar:77312",
    ),
    (
        "site: a journal line edited",
        || tampered(|_, f| retar(f, C1, |m| rejournal(m, |e| e.agent = "key:autre".into()))),
        Fault::CommitForm,
        "commits/001.tar › journal.jsonl",
    ),
    (
        "site: a journal line and its digest edited",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| {
                    rejournal(m, |e| e.agent = "key:autre".into());
                    retrailer(m, |_| {});
                })
            })
        },
        Fault::CommitChain,
        "commits/002.tar › trailer.json",
    ),
    (
        "site: a journal entry removed",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| {
                    let j = member(m, JOURNAL);
                    let end = j.iter().position(|b| *b == b'\n').unwrap() + 1;
                    j.truncate(end);
                    retrailer(m, |t| t.entries -= 1);
                })
            })
        },
        Fault::EntryOrder,
        "commits/002.tar › trailer.json",
    ),
    (
        "site: a journal entry removed, the rest renumbered",
        || {
            tampered(|_, f| {
                retar(f, C1, |m| {
                    let j = member(m, JOURNAL);
                    let end = j.iter().position(|b| *b == b'\n').unwrap() + 1;
                    j.truncate(end);
                    retrailer(m, |t| t.entries -= 1);
                });
                for c in [C2, C3, C4] {
                    retar(f, c, |m| renumber_down(m));
                }
            })
        },
        Fault::RootDiffers,
        "seals/001/checkpoint",
    ),
    (
        "site: the journal replaced by a fork, unsealed",
        || {
            tampered(|_, f| {
                for c in [C1, C2, C3, C4] {
                    let forked = fork().files[c].clone();
                    f.insert(c.into(), forked);
                }
            })
        },
        Fault::RootDiffers,
        "seals/000/checkpoint",
    ),
    (
        "site: the trailer names another predecessor",
        || tampered(|_, f| retar(f, C2, |m| retrailer(m, |t| t.previous = Some(Sha256Digest([0; 32]))))),
        Fault::CommitChain,
        "commits/002.tar › trailer.json",
    ),
    (
        "site: the trailer has another number",
        || tampered(|_, f| retar(f, C4, |m| retrailer(m, |t| t.commit.0 = 9))),
        Fault::CommitChain,
        "commits/004.tar › trailer.json",
    ),
    (
        "site: the last commit skips numbers",
        || {
            tampered(|_, f| {
                retar(f, C4, |m| {
                    rejournal(m, |e| e.seq = SequenceNumber(e.seq.0 + 5));
                    retrailer(m, |t| t.first.0 += 5);
                })
            })
        },
        Fault::EntryOrder,
        "commits/004.tar › trailer.json",
    ),
    ("site: a commit dropped", || tampered(|_, f| drop(f.remove(C2))), Fault::CommitMissing, C2),
    (
        "site: the last commits dropped",
        || tampered(|_, f| f.retain(|n, _| n != C3 && n != C4)),
        Fault::EntriesMissing,
        "seals/002/checkpoint",
    ),
    (
        "site: a commit replaced by the one before",
        || {
            tampered(|_, f| {
                let old = f[C1].clone();
                f.insert(C2.into(), old);
            })
        },
        Fault::CommitChain,
        "commits/002.tar › trailer.json",
    ),
    (
        "site: two commits swapped",
        || tampered(|_, f| swap(f, C2, C3)),
        Fault::CommitChain,
        "commits/002.tar › trailer.json",
    ),
    (
        "site: the first commit is no creation",
        || {
            served(Plan {
                entry: |e| {
                    if e.event == EventType::ServiceCreated {
                        e.event = EventType::ServiceStarted;
                    }
                },
                ..Plan::default()
            })
        },
        Fault::FirstEntry,
        "commits/000.tar › journal.jsonl:1",
    ),
    (
        "site: the service sets its clock back",
        || {
            served(Plan {
                entry: |e| {
                    if e.seq.0 == 2 {
                        e.time = e.time.checked_add_millis(-1_000).unwrap();
                    }
                },
                ..Plan::default()
            })
        },
        Fault::TimeBackwards,
        "commits/001.tar › journal.jsonl:2",
    ),
    (
        "site: the service breaks a tenant's chain",
        || {
            served(Plan {
                entry: |e| {
                    if e.seq.0 == 2 {
                        e.prev = None;
                    }
                },
                ..Plan::default()
            })
        },
        Fault::EntryChain,
        "commits/001.tar › journal.jsonl:2",
    ),
    (
        "site: the service attests a seal that is not",
        || {
            served(Plan {
                entry: |e| {
                    if let Some(s) = e.facts.get_mut("seal") {
                        *s = "77".into();
                    }
                },
                ..Plan::default()
            })
        },
        Fault::AttestationForm,
        "commits/002.tar › journal.jsonl:1",
    ),
    (
        "site: the service attests another time",
        || {
            served(Plan {
                entry: |e| {
                    if let Some(t) = e.facts.get_mut("time") {
                        *t = "2020-01-01T00:00:00.000Z".into();
                    }
                },
                ..Plan::default()
            })
        },
        Fault::AttestationForm,
        "commits/002.tar › journal.jsonl:1",
    ),
    // the log
    ("site: a tile edited", || tampered(|_, f| flip(f, "log/tile/0/000")), Fault::TileDiffers, "log/tile/0/000"),
    (
        "site: a tile dropped",
        || tampered(|_, f| drop(f.remove("log/tile/0/000"))),
        Fault::TileMissing,
        "log/tile/0/000",
    ),
    (
        "site: an entry bundle edited",
        || tampered(|_, f| flip(f, "log/tile/entries/000")),
        Fault::TileDiffers,
        "log/tile/entries/000",
    ),
    (
        "site: an entry bundle dropped",
        || tampered(|_, f| drop(f.remove("log/tile/entries/000"))),
        Fault::TileMissing,
        "log/tile/entries/000",
    ),
    (
        "site: a tile of entries that are not",
        || tampered(|_, f| drop(f.insert("log/tile/0/001".into(), vec![0; 8192]))),
        Fault::Unknown,
        "log/tile/0/001",
    ),
    (
        "site: a checkpoint's size edited",
        || tampered(|_, f| replace(f, "seals/001/checkpoint", "\n7\n", "\n6\n")),
        Fault::CheckpointSignature,
        "seals/001/checkpoint",
    ),
    (
        "site: a checkpoint signed anew by another key",
        || {
            tampered(|w, f| {
                drop(f.insert(
                    "seals/001/checkpoint".into(),
                    other_key().sign(w.seals[1].checkpoint.text().into()).into_bytes(),
                ))
            })
        },
        Fault::CheckpointSignature,
        "seals/001/checkpoint",
    ),
    (
        "site: a checkpoint overwritten with zeros",
        || tampered(|_, f| f.get_mut("seals/001/checkpoint").unwrap().fill(0)),
        Fault::CheckpointForm,
        "seals/001/checkpoint",
    ),
    (
        "site: a checkpoint dropped",
        || tampered(|_, f| drop(f.remove("seals/001/checkpoint"))),
        Fault::CheckpointMissing,
        "seals/001/checkpoint",
    ),
    (
        "site: a checkpoint replaced by an older one",
        || tampered(|w, f| drop(f.insert("seals/002/checkpoint".into(), checkpoint_of(w, 0)))),
        Fault::CheckpointShrinks,
        "seals/002/checkpoint",
    ),
    (
        "site: a checkpoint of a fork, signed by the log",
        || tampered(|_, f| drop(f.insert("seals/001/checkpoint".into(), checkpoint_of(&fork(), 1)))),
        Fault::RootDiffers,
        "seals/001/checkpoint",
    ),
    (
        "site: a checkpoint above entries that are lost",
        || tampered(|_, f| drop(f.remove(C0))),
        Fault::RootUnknown,
        "seals/000/checkpoint",
    ),
    // evidence
    (
        "site: an evidence leaf edited",
        || tampered(|_, f| flip(f, "seals/000/leaves-sha256")),
        Fault::LeavesDiffer,
        "seals/000/leaves-sha256:2",
    ),
    (
        "site: evidence leaves truncated",
        || tampered(|_, f| f.get_mut("seals/000/leaves-sha512").unwrap().truncate(256)),
        Fault::LeavesDiffer,
        "seals/000/leaves-sha512:4",
    ),
    (
        "site: evidence leaves dropped",
        || tampered(|_, f| drop(f.remove("seals/000/leaves-sha256"))),
        Fault::LeavesMissing,
        "seals/000/leaves-sha256",
    ),
    (
        "site: evidence leaves of two seals swapped",
        || tampered(|_, f| swap(f, "seals/000/leaves-sha256", "seals/001/leaves-sha256")),
        Fault::LeavesDiffer,
        "seals/000/leaves-sha256:0",
    ),
    (
        "site: a byte of a token changed",
        || tampered(|_, f| flip(f, "seals/000/token-sha256.tst")),
        Fault::TokenReplaced,
        "seals/000/token-sha256.tst",
    ),
    (
        "site: a token dropped",
        || tampered(|_, f| drop(f.remove("seals/000/token-sha256.tst"))),
        Fault::TokenMissing,
        "seals/000/token-sha256.tst",
    ),
    (
        "site: a token replaced by an older one",
        || {
            tampered(|_, f| {
                let old = f["seals/000/token-sha256.tst"].clone();
                f.insert("seals/001/token-sha256.tst".into(), old);
            })
        },
        Fault::TokenCheck,
        "seals/001/token-sha256.tst › imprint",
    ),
    (
        "site: a token had anew from the same authority",
        || {
            tampered(|w, f| {
                let imprint = imprint_of(&w.seals[0].token256);
                f.insert("seals/000/token-sha256.tst".into(), w.plan.authority.stamp(imprint, 1_795_600_000_000));
            })
        },
        Fault::TokenReplaced,
        "seals/000/token-sha256.tst",
    ),
    (
        "site: a token had from another authority",
        || {
            tampered(|w, f| {
                let imprint = imprint_of(&w.seals[0].token256);
                f.insert(
                    "seals/000/token-sha256.tst".into(),
                    Authority::new(51, "2036-01-01T00:00:00Z").stamp(imprint, 1_795_478_402_000),
                );
            })
        },
        Fault::TokenCheck,
        "seals/000/token-sha256.tst › path",
    ),
    (
        "site: the last seal has no token yet",
        || served(Plan { third_token: false, ..Plan::default() }),
        Fault::TokenPending,
        "seals/002/token-sha256.tst",
    ),
    (
        "site: the service's clock is ahead",
        || served(Plan { authority_behind: 60_000, ..Plan::default() }),
        Fault::ClockAhead,
        "seals/000/token-sha256.tst",
    ),
    (
        "site: the authority's certificate has expired",
        || brought(|t| t.now = "2040-01-01T00:00:00Z".parse().unwrap()),
        Fault::TokenAged,
        "seals/000/token-sha256.tst › path",
    ),
    // keys, strangers, what the auditor brings
    (
        "site: a token from the future",
        || brought(|t| t.now = "2026-11-01T00:00:00Z".parse().unwrap()),
        Fault::TokenCheck,
        "seals/000/token-sha256.tst › time",
    ),
    (
        "site: the log's key at rest replaced",
        || {
            tampered(|_, f| {
                let name = f.keys().find(|n| n.ends_with(".vkey")).unwrap().clone();
                f.insert(name, other_key().public.to_string().into_bytes());
            })
        },
        Fault::LogKeyDiffers,
        "keys/log/e3df7895.vkey",
    ),
    (
        "site: an authority's certificate replaced",
        || {
            tampered(|_, f| {
                let name = f.keys().find(|n| n.starts_with("keys/tsa")).unwrap().clone();
                f.insert(name, Authority::new(51, "2036-01-01T00:00:00Z").root_pem().into_bytes());
            })
        },
        Fault::CertificateMisnamed,
        "keys/tsa/e64ad4255b117bc6d9bfb278a6bd1da83281f7088f9dc72c6c942f6aafcde91f.pem",
    ),
    (
        "site: an object that nobody knows",
        || tampered(|_, f| drop(f.insert("seals/000/notes.txt".into(), vec![]))),
        Fault::Unknown,
        "seals/000/notes.txt",
    ),
    (
        "site: a checkpoint blown up",
        || tampered(|_, f| f.get_mut("seals/001/checkpoint").unwrap().resize(2 << 20, b'x')),
        Fault::Unreadable,
        "seals/001/checkpoint",
    ),
    (
        "site: no log key given",
        || brought(|t| t.log_key = None),
        Fault::LogKeyNotGiven,
        "commits/000.tar › journal.jsonl:1",
    ),
    (
        "site: another log key given",
        || brought(|t| t.log_key = Some(other_key().public)),
        Fault::LogKeyDiffers,
        "commits/000.tar › journal.jsonl:1",
    ),
    ("site: no trust root given", || brought(|t| t.anchors = None), Fault::TrustNotGiven, "seals/000/token-sha256.tst"),
    (
        "site: another trust root given",
        || brought(|t| t.anchors = Some(Authority::new(51, "2036-01-01T00:00:00Z").anchors())),
        Fault::TokenCheck,
        "seals/000/token-sha256.tst › path",
    ),
    // rollback and fork, seen only by who knows better
    (
        "site: rolled back, a checkpoint is known",
        || Site { tamper: roll_back, known: knows_checkpoint, ..Site::default() }.audit(),
        Fault::KnownBroken,
        "connu",
    ),
    (
        "site: rolled back, a receipt is known",
        || Site { tamper: roll_back, known: knows_receipt, ..Site::default() }.audit(),
        Fault::ReceiptBroken,
        "accusé",
    ),
    (
        "site: forked and signed anew, a checkpoint is known",
        || {
            Site {
                plan: Plan { entry: rename_reader, ..Plan::default() },
                known: |_| knows_checkpoint(&World::build(Plan::default())),
                ..Site::default()
            }
            .audit()
        },
        Fault::KnownBroken,
        "connu",
    ),
    (
        "site: forked and signed anew, a receipt is known",
        || {
            Site {
                plan: Plan { entry: |e| e.agent = "autre".into(), ..Plan::default() },
                known: |_| knows_receipt(&World::build(Plan::default())),
                ..Site::default()
            }
            .audit()
        },
        Fault::ReceiptBroken,
        "accusé",
    ),
    (
        "site: the checkpoint brought is of another key",
        || {
            Site {
                known: |w| site::Known {
                    checkpoints: vec![(
                        "connu".into(),
                        other_key().sign(w.seals[2].checkpoint.text().into()).into_bytes(),
                    )],
                    ..site::Known::default()
                },
                ..Site::default()
            }
            .audit()
        },
        Fault::KnownForeign,
        "connu",
    ),
    (
        "site: the receipt brought is forged",
        || {
            Site {
                known: |w| site::Known {
                    receipts: vec![("accusé".into(), other_key().sign(w.receipt(0).text()).into_bytes())],
                    ..site::Known::default()
                },
                ..Site::default()
            }
            .audit()
        },
        Fault::ReceiptSignature,
        "accusé",
    ),
    // the bag
    ("bundle: a byte of a document changed", || unpacked(|f| flip(f, ACT)), Fault::FileDigest, ACT),
    (
        "bundle: a byte of a document changed, manifests made anew",
        || packed(|_, f| flip(f, ACT)),
        Fault::DocumentDiffers,
        ACT,
    ),
    (
        "bundle: a document truncated",
        || packed(|_, f| f.get_mut(ACT).unwrap().truncate(10)),
        Fault::CommitmentDiffers,
        "data/piece/acte.pdf:1",
    ),
    (
        "bundle: two documents swapped",
        || packed(|_, f| swap(f, ACT, ANNEX)),
        Fault::CommitmentDiffers,
        "data/piece/annexe.bin:2",
    ),
    ("bundle: a document dropped", || unpacked(|f| drop(f.remove(ANNEX))), Fault::FileMissing, ANNEX),
    (
        "bundle: a document dropped, manifests made anew",
        || packed(|_, f| drop(f.remove(ANNEX))),
        Fault::FileMissing,
        ANNEX,
    ),
    (
        "bundle: a file slipped in",
        || unpacked(|f| drop(f.insert("data/piece/avenant.pdf".into(), vec![1]))),
        Fault::FileNotListed,
        "data/piece/avenant.pdf",
    ),
    (
        "bundle: a file slipped in, manifests made anew",
        || packed(|_, f| drop(f.insert("data/piece/avenant.pdf".into(), vec![1]))),
        Fault::FileUnexpected,
        "data/piece/avenant.pdf",
    ),
    (
        "bundle: a manifest line edited",
        || {
            unpacked(|f| {
                let m = f.get_mut(names::MANIFEST_SHA256).unwrap();
                m[0] = b'Z';
            })
        },
        Fault::ManifestForm,
        "manifest-sha256.txt:1",
    ),
    (
        "bundle: a manifest points outside",
        || {
            unpacked(|f| {
                f.get_mut(names::MANIFEST_SHA256)
                    .unwrap()
                    .extend(format!("{}  ../../etc/passwd\n", "0".repeat(64)).bytes())
            })
        },
        Fault::ManifestForm,
        "manifest-sha256.txt:30",
    ),
    (
        "bundle: a manifest dropped",
        || unpacked(|f| drop(f.remove(names::MANIFEST_SHA512))),
        Fault::FileMissing,
        names::MANIFEST_SHA512,
    ),
    (
        "bundle: another BagIt declaration",
        || unpacked(|f| drop(f.insert(names::BAGIT.into(), b"BagIt-Version: 0.97\n".to_vec()))),
        Fault::BagForm,
        names::BAGIT,
    ),
    // descriptor, leaf, blinds
    (
        "bundle: the descriptor's title edited",
        || packed(|_, f| replace(f, names::DESCRIPTOR, "Délibération", "Délibérations")),
        Fault::CommitmentDiffers,
        "data/preuve/descriptor.json:0",
    ),
    (
        "bundle: the descriptor is no JSON",
        || packed(|_, f| drop(f.insert(names::DESCRIPTOR.into(), b"{".to_vec()))),
        Fault::DescriptorForm,
        names::DESCRIPTOR,
    ),
    (
        "bundle: a document's name leaves the folder",
        || {
            Bundle {
                plan: Plan { descriptor: |d| d.files[0].name = "../acte.pdf".into(), ..Plan::default() },
                ..Bundle::default()
            }
            .verify()
        },
        Fault::UnsafeName,
        "data/preuve/descriptor.json:0",
    ),
    (
        "bundle: two documents of one name",
        || {
            Bundle {
                plan: Plan {
                    descriptor: |d| {
                        if d.files.len() == 2 {
                            d.files[1].name = d.files[0].name.clone();
                        }
                    },
                    ..Plan::default()
                },
                ..Bundle::default()
            }
            .verify()
        },
        Fault::DuplicateName,
        "data/preuve/descriptor.json:1",
    ),
    (
        "bundle: a wrong blind",
        || packed(|_, f| drop(f.insert(names::blind(1), format!("{}\n", Blind([3; 32])).into_bytes()))),
        Fault::CommitmentDiffers,
        "data/piece/acte.pdf:1",
    ),
    (
        "bundle: a blind cut short",
        || packed(|_, f| drop(f.insert(names::blind(1), b"ab\n".to_vec()))),
        Fault::BlindForm,
        "data/preuve/objets/001/blind.hex",
    ),
    (
        "bundle: the leaf edited",
        || packed(|_, f| replace(f, names::LEAF, "\"agent\":\"service\"", "\"agent\":\"serviee\"")),
        Fault::ProofFails,
        names::LOG_PROOF,
    ),
    (
        "bundle: the leaf is no entry",
        || packed(|_, f| f.get_mut(names::LEAF).unwrap().push(b'\n')),
        Fault::EntryForm,
        names::LEAF,
    ),
    (
        "bundle: the leaf forged for another document",
        || {
            packed(|w, f| {
                let mut d = w.deposits[0].descriptor.clone();
                d.title = "Faux".into();
                let mut e = JournalEntry::parse(&f[names::LEAF]).unwrap();
                e.commitments[0] = cartulaire_formats::hash::Commitment::new(
                    &w.deposits[0].openings[0].blind,
                    &Sha256Digest::of(&d.encode()),
                );
                f.insert(names::DESCRIPTOR.into(), d.encode());
                f.insert(names::LEAF.into(), e.encode().unwrap());
            })
        },
        Fault::ProofFails,
        names::LOG_PROOF,
    ),
    (
        "bundle: the leaf is a reading",
        || packed(|w, f| drop(f.insert(names::LEAF.into(), w.lines[2].clone()))),
        Fault::NotADeposit,
        names::LEAF,
    ),
    (
        "bundle: the leaf is another archive's deposit",
        || packed(|w, f| drop(f.insert(names::LEAF.into(), w.lines[w.deposits[1].seq as usize].clone()))),
        Fault::OtherSubject,
        names::LEAF,
    ),
    (
        "bundle: the service journals one commitment too few",
        || {
            Bundle {
                plan: Plan {
                    entry: |e| {
                        e.commitments.pop();
                    },
                    ..Plan::default()
                },
                ..Bundle::default()
            }
            .verify()
        },
        Fault::CommitmentCount,
        names::LEAF,
    ),
    ("bundle: a document as long as a node", || packed(|_, _| {}), Fault::NodeLength, ANNEX),
    // log
    (
        "bundle: a hash of the inclusion proof changed",
        || {
            packed(|_, f| {
                let text = String::from_utf8(f[names::LOG_PROOF].clone()).unwrap();
                let hash = text.lines().nth(2).unwrap().to_owned();
                let other = format!("A{}", &hash[1..]);
                replace(f, names::LOG_PROOF, &hash, &if other == hash { format!("B{}", &hash[1..]) } else { other });
            })
        },
        Fault::ProofFails,
        names::LOG_PROOF,
    ),
    (
        "bundle: the inclusion proof of another entry",
        || packed(|_, f| replace(f, names::LOG_PROOF, "index 1", "index 2")),
        Fault::ProofFails,
        names::LOG_PROOF,
    ),
    (
        "bundle: the inclusion proof cut short",
        || packed(|_, f| f.get_mut(names::LOG_PROOF).unwrap().truncate(30)),
        Fault::ProofForm,
        names::LOG_PROOF,
    ),
    (
        "bundle: a checkpoint of another size, signed",
        || packed(|w, f| drop(f.insert(names::CHECKPOINT.into(), checkpoint_of(w, 1)))),
        Fault::CheckpointCopies,
        names::LOG_PROOF,
    ),
    (
        "bundle: the checkpoint signed anew by another key",
        || {
            packed(|w, f| {
                drop(f.insert(
                    names::CHECKPOINT.into(),
                    other_key().sign(w.seals[0].checkpoint.text().into()).into_bytes(),
                ))
            })
        },
        Fault::CheckpointSignature,
        names::CHECKPOINT,
    ),
    (
        "bundle: the checkpoint is no note",
        || packed(|_, f| drop(f.insert(names::CHECKPOINT.into(), b"bonjour".to_vec()))),
        Fault::CheckpointForm,
        names::CHECKPOINT,
    ),
    (
        "bundle: the policy names another key",
        || {
            packed(|_, f| {
                drop(f.insert(names::POLICY.into(), format!("log {}\nquorum none\n", other_key().public).into_bytes()))
            })
        },
        Fault::LogKeyDiffers,
        names::POLICY,
    ),
    (
        "bundle: the policy is malformed",
        || packed(|_, f| replace(f, names::POLICY, "quorum none", "quorum any")),
        Fault::PolicyForm,
        names::POLICY,
    ),
    (
        "bundle: made whole by another log, the key is given",
        || Bundle { plan: Plan { log_key: LogKey::new(9, ORIGIN), ..Plan::default() }, ..Bundle::default() }.verify(),
        Fault::LogKeyDiffers,
        names::POLICY,
    ),
    (
        "bundle: made whole by another log, no key is given",
        || {
            Bundle {
                plan: Plan { log_key: LogKey::new(9, ORIGIN), ..Plan::default() },
                trust: |t| t.log_key = None,
                ..Bundle::default()
            }
            .verify()
        },
        Fault::LogKeyNotGiven,
        names::POLICY,
    ),
    // journal extract
    (
        "bundle: the extract without the deposit",
        || {
            packed(|_, f| {
                for n in [names::JOURNAL_EXTRACT, names::JOURNAL_PROOFS] {
                    let b = f.get_mut(n).unwrap();
                    let end = b.iter().position(|b| *b == b'\n').unwrap() + 1;
                    b.drain(..end);
                }
            })
        },
        Fault::ExtractLacksDeposit,
        names::JOURNAL_EXTRACT,
    ),
    (
        "bundle: an event of the extract edited",
        || {
            packed(|_, f| {
                let text = String::from_utf8(f[names::JOURNAL_EXTRACT].clone()).unwrap();
                f.insert(
                    names::JOURNAL_EXTRACT.into(),
                    text.replace("\"type\":\"read\"", "\"type\":\"list\"").into_bytes(),
                );
            })
        },
        Fault::ProofFails,
        "data/preuve/journal-extract.proofs.jsonl:2",
    ),
    (
        "bundle: the extract reordered",
        || {
            packed(|_, f| {
                for n in [names::JOURNAL_EXTRACT, names::JOURNAL_PROOFS] {
                    let b = f.get_mut(n).unwrap();
                    let mut l: Vec<Vec<u8>> = b.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                    l.reverse();
                    *b = l.concat();
                }
            })
        },
        Fault::EntryOrder,
        "data/preuve/journal-extract.jsonl:2",
    ),
    (
        "bundle: proofs of the extract dropped",
        || packed(|_, f| f.get_mut(names::JOURNAL_PROOFS).unwrap().clear()),
        Fault::ProofForm,
        "data/preuve/journal-extract.proofs.jsonl:1",
    ),
    // evidence
    (
        "bundle: records of two documents swapped",
        || packed(|_, f| swap(f, &names::record(1, Sha256), &names::record(2, Sha256))),
        Fault::RecordObject,
        "data/preuve/objets/001/record-sha256.ers",
    ),
    (
        "bundle: a record cut short",
        || packed(|_, f| f.get_mut(&names::record(1, Sha256)).unwrap().truncate(40)),
        Fault::RecordForm,
        "data/preuve/objets/001/record-sha256.ers",
    ),
    (
        "bundle: a record with another blind",
        || {
            packed(|w, f| {
                let o = w.deposits[0].openings[1];
                let blind = Sha256Digest([5; 32]);
                let t = ers::EvidenceTree::from_leaf_values(vec![ers::leaf_value(&o.sha256, &blind)]).unwrap();
                let path = ers::reduced_hashtree(&t, ers::LeafIndex(0), o.sha256, Some(blind)).unwrap();
                f.insert(names::record(1, Sha256), ers::encode_record(&path, &w.seals[0].token256));
            })
        },
        Fault::RecordBlind,
        "data/preuve/objets/001/record-sha256.ers",
    ),
    (
        "bundle: a record that leads elsewhere",
        || {
            packed(|w, f| {
                let o = w.deposits[0].openings[1];
                let blind = Sha256Digest(o.blind.0);
                let t = ers::EvidenceTree::from_leaf_values(vec![ers::leaf_value(&o.sha256, &blind)]).unwrap();
                let path = ers::reduced_hashtree(&t, ers::LeafIndex(0), o.sha256, Some(blind)).unwrap();
                f.insert(names::record(1, Sha256), ers::encode_record(&path, &w.seals[0].token256));
            })
        },
        Fault::RecordPath,
        "data/preuve/objets/001/record-sha256.ers",
    ),
    (
        "bundle: a record renewed behind our back",
        || {
            packed(|w, f| {
                let t = |token| ers::NewArchiveTimeStamp {
                    algorithm: cartulaire_formats::cms::HashAlgorithm::Sha256,
                    path: vec![&w.deposits[0].openings[1].sha256.0],
                    token,
                };
                f.insert(
                    names::record(1, Sha256),
                    ers::encode_renewed_record(&[vec![t(&w.seals[0].token256), t(&w.seals[1].token256)]]),
                );
            })
        },
        Fault::RecordShape,
        "data/preuve/objets/001/record-sha256.ers",
    ),
    (
        "bundle: the token replaced by a younger one",
        || packed(|w, f| drop(f.insert(names::token(Sha256), w.seals[1].token256.clone()))),
        Fault::RecordToken,
        "data/preuve/objets/001/record-sha256.ers",
    ),
    (
        "bundle: the token had from another authority, records made anew",
        || {
            Bundle {
                plan: Plan { authority: Authority::new(51, "2036-01-01T00:00:00Z"), ..Plan::default() },
                ..Bundle::default()
            }
            .verify()
        },
        Fault::TokenCheck,
        "data/preuve/token-sha256.tst › path",
    ),
    (
        "bundle: a byte of the token changed",
        || packed(|_, f| flip(f, &names::token(Sha256))),
        Fault::RecordToken,
        "data/preuve/checkpoint-sha256.ers",
    ),
    (
        "bundle: certificates of another authority",
        || {
            packed(|_, f| {
                drop(f.insert(
                    names::token_certificates(Sha256),
                    Authority::new(51, "2036-01-01T00:00:00Z").root_pem().into_bytes(),
                ))
            })
        },
        Fault::CertificatesDiffer,
        "data/pki/tsa-sha256.pem",
    ),
    (
        "bundle: no trust root given",
        || Bundle { trust: |t| t.anchors = None, ..Bundle::default() }.verify(),
        Fault::TrustNotGiven,
        "data/preuve/token-sha256.tst",
    ),
    (
        "bundle: the service's clock is ahead",
        || Bundle { plan: Plan { authority_behind: 60_000, ..Plan::default() }, ..Bundle::default() }.verify(),
        Fault::ClockAhead,
        "data/preuve/token-sha256.tst",
    ),
    // receipt
    (
        "bundle: another archive's receipt",
        || packed(|w, f| drop(f.insert(names::RECEIPT.into(), receipt_of(w, 1)))),
        Fault::ReceiptDiffers,
        names::RECEIPT,
    ),
    (
        "bundle: a receipt signed by another key",
        || packed(|w, f| drop(f.insert(names::RECEIPT.into(), other_key().sign(w.receipt(0).text()).into_bytes()))),
        Fault::ReceiptSignature,
        names::RECEIPT,
    ),
    (
        "bundle: a checkpoint passed off as the receipt",
        || packed(|w, f| drop(f.insert(names::RECEIPT.into(), checkpoint_of(w, 0)))),
        Fault::ReceiptForm,
        names::RECEIPT,
    ),
    // the ZIP
    ("zip: truncated", || zipped(ARCHIVE, &[], |b| b.truncate(b.len() / 2)), Fault::ZipUnreadable, ""),
    ("zip: bytes before it", || zipped(ARCHIVE, &[], |b| drop(b.splice(..0, *b"#!/bin/sh"))), Fault::ZipHidden, ""),
    (
        "zip: a local header that names another file",
        || zipped(ARCHIVE, &[], |b| b[30 + ARCHIVE.len() + 1] ^= 1),
        Fault::ZipHidden,
        "01a20ada-2c0a-7000-8000-000000000000/bag-info.txt",
    ),
    (
        "zip: a name that climbs out",
        || zipped(ARCHIVE, &[("01a20ada-2c0a-7000-8000-000000000000/../../x", b"x")], |_| {}),
        Fault::UnsafeName,
        "",
    ),
    (
        "zip: two files of one name but for case",
        || zipped(ARCHIVE, &[("01a20ada-2c0a-7000-8000-000000000000/BAGIT.txt", b"x")], |_| {}),
        Fault::DuplicateName,
        "01a20ada-2c0a-7000-8000-000000000000/BAGIT.txt",
    ),
    (
        "zip: an encrypted entry",
        || {
            zipped(ARCHIVE, &[], |b| {
                let at = b.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
                b[at + 8] |= 1;
            })
        },
        Fault::ZipEntry,
        "01a20ada-2c0a-7000-8000-000000000000/bag-info.txt",
    ),
    ("zip: a second top folder", || zipped(ARCHIVE, &[("autre/x", b"x")], |_| {}), Fault::TopFolder, ""),
    (
        "zip: another archive's name",
        || zipped("01a20ada-0000-7000-8000-000000000000", &[], |_| {}),
        Fault::TopFolder,
        "01a20ada-0000-7000-8000-000000000000",
    ),
    // what a file system can do
    ("site: an object replaced by a link", linked_site, Fault::NotRegular, "seals/000/checkpoint"),
    ("bundle: a document replaced by a link", linked_bundle, Fault::NotRegular, ACT),
    ("bundle: more files than can be", crowded, Fault::TooManyFiles, ""),
];

fn renumber_down(members: &mut [(String, Vec<u8>)]) {
    rejournal(members, |e| e.seq = SequenceNumber(e.seq.0 - 1));
    let openings = String::from_utf8(member(members, OPENINGS).clone()).unwrap();
    let lowered = openings.lines().map(|line| {
        let (seq, rest) = line.split_once(' ').unwrap();
        format!("{} {rest}\n", seq.parse::<u64>().unwrap() - 1)
    });
    *member(members, OPENINGS) = lowered.collect::<String>().into_bytes();
    retrailer(members, |t| t.first.0 -= 1);
}

fn imprint_of(token: &[u8]) -> MessageImprint {
    let token = cartulaire_formats::tsp::TimeStampToken::parse(token).unwrap();
    token.tst_info().imprint.message_imprint().unwrap()
}

fn link(root: &Path, name: &str) {
    let path = root.join(name);
    let aside = root.join(".aside");
    std::fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(aside, path).unwrap();
}

fn linked_site() -> Report {
    let world = World::build(Plan::default());
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &world.files);
    link(folder.path(), "seals/000/checkpoint");
    std::fs::create_dir(folder.path().join(".drafts")).unwrap();
    site::audit(&Directory::new(folder.path()), &trust(), &site::Known::default(), &mut |_| {})
}

fn linked_bundle() -> Report {
    let world = World::build(Plan::default());
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &bag(world.payload()));
    link(folder.path(), ACT);
    bundle::verify(&Directory::new(folder.path()), None, &trust())
}

/// A folder with more names than anybody could have packed.
struct Crowd;

impl Source for Crowd {
    fn size(&self, _: &str) -> Result<Option<u64>, SourceError> {
        Ok(Some(0))
    }

    fn read(&self, _: &str, _: std::ops::Range<u64>) -> Result<Vec<u8>, SourceError> {
        Ok(Vec::new())
    }

    fn children(&self, _: &str) -> Result<Vec<Child>, SourceError> {
        Ok((0..=1 << 18).map(|n| Child { name: format!("{n}"), kind: ChildKind::File }).collect())
    }
}

fn crowded() -> Report {
    bundle::verify(&Crowd, None, &Trust::none(now()))
}

// ---- the judgement ----

fn listing(report: &Report) -> Vec<String> {
    report.findings.iter().map(|f| format!("{} {}", f.fault, f.place)).collect()
}

/// The same finding at many lines of one member is written once, with its number.
fn grouped(found: &[String]) -> String {
    let stem = |line: &str| line.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let of_lines = |line: &str| line.contains(".jsonl:");
    let groups = found.chunk_by(|a, b| of_lines(a) && of_lines(b) && stem(a) == stem(b));
    groups
        .map(|group| match group {
            [only] => format!("    {only}\n"),
            many => format!("    {} … ×{}\n", many[0], many.len()),
        })
        .collect()
}

#[test]
fn every_attack_is_named_and_placed() {
    let (mut golden, mut missed, mut seen) = (String::new(), Vec::new(), BTreeSet::new());
    for (name, attack, fault, place) in ATTACKS {
        let report = attack();
        let found = listing(&report);
        seen.extend(report.findings.iter().map(|f| f.fault));
        let expected = format!("{fault} {place}");
        if !found.contains(&expected) {
            missed.push(format!("{name}: expected {expected}, found {found:#?}"));
        }
        let harmless = fault.severity() == Severity::Note;
        assert_eq!(report.result == Verdict::Proven, harmless, "{name}: {found:#?}");
        golden += &format!("{name}: exit {}\n", report.exit_code());
        golden += &grouped(&found);
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    let unseen: Vec<_> = Fault::ALL.iter().filter(|fault| !seen.contains(*fault)).collect();
    assert_eq!(unseen, Vec::<&Fault>::new(), "every fault is found by some attack");
    compare_golden("attacks.golden", &golden);
}

#[test]
fn attacks_have_distinct_names() {
    let distinct: BTreeSet<&str> = ATTACKS.iter().map(|(name, ..)| *name).collect();
    assert_eq!(distinct.len(), ATTACKS.len());
    assert!(distinct.len() >= 45);
}

#[test]
fn an_honest_archive_is_proven() {
    assert_eq!(listing(&Site::default().audit()), ["unsealed commits:269"]);
    let known = |w: &World| site::Known { receipts: knows_receipt(w).receipts, ..knows_checkpoint(w) };
    assert_eq!(
        Site { known, ..Site::default() }.audit().verdicts.iter().filter(|v| v.verdict == Verdict::Proven).count(),
        6
    );
    assert_eq!(listing(&Bundle::default().verify()), ["node-length data/piece/annexe.bin"]);
    let zip = zipped(ARCHIVE, &[], |_| {});
    assert_eq!((listing(&zip), zip.exit_code()), (vec!["node-length data/piece/annexe.bin".to_owned()], 0));
}

#[test]
fn reports_are_golden() {
    let report = packed(|_, f| flip(f, ACT));
    compare_golden("report.json", &report.to_json());
    compare_golden("report.fr.txt", &report.to_text(cartulaire_audit::Language::French));
    compare_golden("report.en.txt", &report.to_text(cartulaire_audit::Language::English));
}

fn compare_golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), found, "{name}");
}
