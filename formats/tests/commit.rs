//! A commit by hand, and every way in which one is not sound.

#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

use cartulaire_formats::commit::{self, Commit, CommitError, DirectObject, ObjectMember, Opening, Trailer};
use cartulaire_formats::container::{self, ContainerError, END, Fault};
use cartulaire_formats::hash::{Blind, Commitment, Sha256Digest};
use cartulaire_formats::journal::{EntryError, EventType, JournalEntry, Outcome, TenantId, VERSION};
use cartulaire_formats::layout::{CommitNumber, SequenceNumber};
use cartulaire_formats::time::Timestamp;

/// The parts of a commit, each to be spoilt before it is put together.
struct Parts {
    members: Vec<(String, Vec<u8>)>,
    openings: String,
    journal: Vec<u8>,
    trailer: Trailer,
}

fn time() -> Timestamp {
    "2026-11-24T01:02:03.456Z".parse().unwrap()
}

fn tenant(id: &str) -> TenantId {
    id.parse().unwrap()
}

fn opening(seq: u64, content: &[u8], blind: u8) -> Opening {
    let seq = SequenceNumber(seq);
    Opening { seq, sha256: Sha256Digest::of(content), blind: Blind([blind; 32]), sha512: None }
}

fn entry(seq: u64, id: &str, commitments: Vec<Commitment>) -> JournalEntry {
    JournalEntry {
        agent: "operator".into(),
        commitments,
        facts: [("rule".to_owned(), "none".to_owned())].into(),
        outcome: Outcome::Success,
        prev: None,
        seq: SequenceNumber(seq),
        subject: "archive:x".into(),
        tenant: tenant(id),
        time: time(),
        event: EventType::Deposit,
        v: VERSION,
    }
}

/// Two tenants deposit the same bytes; one of them another object too, and one in a container of its own.
fn sound() -> Parts {
    let openings = [opening(7, b"alpha", 1), opening(7, b"bravo", 2), opening(8, b"alpha", 3), opening(8, b"large", 4)];
    let commitments = openings.map(|o| o.commitment());
    let entries = [entry(7, "brest", commitments[..2].to_vec()), entry(8, "morlaix", commitments[2..].to_vec())];
    let mut journal = Vec::new();
    for entry in &entries {
        journal.extend(entry.encode().unwrap());
        journal.push(b'\n');
    }
    let member =
        |id: &str, content: &[u8]| (commit::object_member(&tenant(id), &Sha256Digest::of(content)), content.to_vec());
    let mut text = String::new();
    openings.iter().for_each(|o| o.encode(&mut text));
    Parts {
        members: vec![member("brest", b"alpha"), member("brest", b"bravo"), member("morlaix", b"alpha")],
        openings: text,
        trailer: Trailer {
            commit: CommitNumber(3),
            containers: vec![DirectObject {
                commitment: commitments[3],
                container: "containers/direct/d/x.tar".into(),
            }],
            entries: 2,
            first: SequenceNumber(7),
            journal: Sha256Digest::of(&journal),
            members: commitments[..3].to_vec(),
            previous: Some(Sha256Digest([9; 32])),
            time: time(),
            v: commit::VERSION,
        },
        journal,
    }
}

impl Parts {
    /// Puts a journal in and makes the trailer name it.
    fn with_journal(mut self, journal: Vec<u8>) -> Self {
        self.trailer.journal = Sha256Digest::of(&journal);
        self.journal = journal;
        self
    }

    fn tar(&self) -> Vec<u8> {
        let mut members: Vec<(&str, Vec<u8>)> = self.members.iter().map(|(n, c)| (n.as_str(), c.clone())).collect();
        members.push((commit::OPENINGS, self.openings.clone().into()));
        members.push((commit::JOURNAL, self.journal.clone()));
        members.push((commit::TRAILER, self.trailer.encode()));
        tar(&members)
    }

    fn error(&self) -> CommitError {
        Commit::parse(&self.tar()).unwrap_err()
    }
}

fn tar(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in members {
        bytes.extend(container::member_head(name, content.len() as u64, 1).unwrap());
        bytes.extend(content);
        bytes.resize(bytes.len() + container::padding(content.len() as u64), 0);
    }
    bytes.extend(END);
    bytes
}

#[test]
fn a_sound_commit_is_read_whole() {
    let parts = sound();
    let bytes = parts.tar();
    let read = Commit::parse(&bytes).unwrap();
    assert_eq!(read.trailer, parts.trailer);
    assert_eq!(read.trailer_digest, Sha256Digest::of(&parts.trailer.encode()));
    let lines: Vec<u8> = read.entries.iter().flat_map(|(_, line)| [&line[..], b"\n"].concat()).collect();
    assert_eq!(lines, parts.journal);
    let bravo = Sha256Digest::of(b"bravo");
    let member = ObjectMember { tenant: tenant("brest"), sha256: bravo, offset: 1536, size: 5 };
    assert_eq!(read.object(&tenant("brest"), &bravo), Some(&member));
    assert_eq!(read.object(&tenant("morlaix"), &bravo), None);
    assert_eq!(&bytes[1536..1541], b"bravo");
    let of_eight: Vec<Opening> = read.openings_of(SequenceNumber(8)).copied().collect();
    assert_eq!(of_eight, [opening(8, b"alpha", 3), opening(8, b"large", 4)]);
}

#[test]
fn what_an_elimination_removed_may_be_missing() {
    let mut parts = sound();
    parts.members.remove(1);
    parts.openings =
        parts.openings.lines().enumerate().filter(|(i, _)| *i != 1).map(|(_, l)| format!("{l}\n")).collect();
    let read = Commit::parse(&parts.tar()).unwrap();
    assert_eq!((read.objects.len(), read.openings.len()), (2, 3));
}

#[test]
fn members_must_be_those_of_a_commit_in_their_order() {
    let whole = sound();
    let trailer = (commit::TRAILER, whole.trailer.encode());
    let journal = (commit::JOURNAL, whole.journal.clone());
    let openings = (commit::OPENINGS, Vec::new());
    let absent = |members: &[(&str, Vec<u8>)]| Commit::parse(&tar(members)).unwrap_err();
    assert_eq!(absent(&[journal.clone(), trailer.clone()]), CommitError::Absent(commit::OPENINGS));
    assert_eq!(absent(&[openings.clone(), trailer.clone()]), CommitError::Absent(commit::JOURNAL));
    assert_eq!(absent(&[openings.clone(), journal.clone()]), CommitError::Absent(commit::TRAILER));
    let second = 512 + trailer.1.len().next_multiple_of(512) as u64 + 512;
    assert_eq!(absent(&[trailer, journal]), CommitError::Member { offset: second });
    assert_eq!(absent(&[("brest/readme", vec![])]), CommitError::Member { offset: 512 });
    let cut = &whole.tar()[..700];
    let truncated = ContainerError { offset: 700, fault: Fault::Truncated };
    assert_eq!(Commit::parse(cut).unwrap_err(), CommitError::Container(truncated));
}

#[test]
fn the_trailer_must_name_what_is_there() {
    let mut parts = sound();
    parts.trailer.v = 2;
    assert_eq!(parts.error(), CommitError::Version(2));
    let mut parts = sound();
    parts.trailer.containers[0].container = "../x".into();
    assert_eq!(parts.error(), CommitError::Trailer);
    let mut parts = sound();
    parts.journal.pop();
    assert_eq!(parts.error(), CommitError::JournalDigest);
    let mut parts = sound();
    parts.trailer.members.swap(0, 1);
    assert_eq!(parts.error(), CommitError::Order(Sha256Digest::of(b"bravo")));
    let mut parts = sound();
    parts.trailer.members.remove(2);
    assert_eq!(parts.error(), CommitError::Uncommitted(Sha256Digest::of(b"alpha")));
    let mut parts = sound();
    let stranger = (commit::object_member(&tenant("brest"), &Sha256Digest::of(b"zulu")), b"zulu".to_vec());
    parts.members.push(stranger);
    assert_eq!(parts.error(), CommitError::Uncommitted(Sha256Digest::of(b"zulu")));
}

#[test]
fn the_journal_must_be_consecutive_entries() {
    let journal = sound().journal;
    let second = journal.iter().position(|b| *b == b'\n').unwrap() + 1;
    let swapped = [&journal[second..], &journal[..second]].concat();
    assert_eq!(sound().with_journal(swapped).error(), CommitError::Sequence { line: 1 });
    assert_eq!(sound().with_journal(journal[..second].to_vec()).error(), CommitError::Sequence { line: 2 });
    let unended = journal[..journal.len() - 1].to_vec();
    assert_eq!(sound().with_journal(unended).error(), CommitError::Sequence { line: 0 });
    let shapeless = CommitError::Entry { line: 1, error: EntryError::Shape };
    assert_eq!(sound().with_journal(b"{}\n".to_vec()).error(), shapeless);
}

#[test]
fn openings_must_open_their_entries_commitments() {
    let mut parts = sound();
    parts.openings = parts.openings.replacen(" -\n", " -", 4);
    assert_eq!(parts.error(), CommitError::Opening { line: 0 });
    let mut parts = sound();
    parts.openings.insert(0, '0');
    assert_eq!(parts.error(), CommitError::Opening { line: 1 });
    let mut parts = sound();
    let lines: Vec<&str> = parts.openings.lines().collect();
    parts.openings = format!("{}\n{}\n", lines[1], lines[0]);
    assert_eq!(parts.error(), CommitError::Unmatched { line: 2 });
    let mut parts = sound();
    parts.openings.clear();
    opening(7, b"alpha", 9).encode(&mut parts.openings);
    assert_eq!(parts.error(), CommitError::Unmatched { line: 1 });
}

#[test]
fn entries_have_one_form() {
    let good = entry(7, "brest", vec![]);
    let line = good.encode().unwrap();
    assert_eq!(JournalEntry::parse(&line), Ok(good.clone()));
    assert_eq!(cartulaire_formats::jcs::to_canonical(&good).unwrap(), line, "field order is canonical order");
    let mut later = good.clone();
    later.v = 2;
    assert_eq!(JournalEntry::parse(&later.encode().unwrap()), Err(EntryError::Version(2)));
    let mut long = good;
    long.facts.insert("x".into(), "y".repeat(70_000));
    let length = serde_json::to_vec(&long).unwrap().len();
    assert_eq!(long.encode(), Err(EntryError::TooLong(length)));
    assert!(matches!(JournalEntry::parse(&[&line[..], b" "].concat()), Err(EntryError::Form(_))));
}
