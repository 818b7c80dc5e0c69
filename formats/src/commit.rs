//! A commit's container: objects, openings, journal, trailer (`docs/format.md` §5).
//!
//! The chain of commits runs over journal and trailer alone. Objects and openings are bound to the journal by
//! commitments, so that erasing them after a lawful elimination breaks no chain.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use crate::bounds::COMMIT_ENTRIES_MAX;
use crate::container::{self, ContainerError, Member};
use crate::hash::{Blind, Commitment, Sha256Digest, Sha512Digest};
use crate::jcs;
use crate::journal::{EntryError, JournalEntry, TenantId};
use crate::layout::{CommitNumber, ObjectName, SequenceNumber};
use crate::time::Timestamp;

/// The version that this code writes.
pub const VERSION: u32 = 1;
/// Member with the openings.
pub const OPENINGS: &str = "openings.txt";
/// Member with the journal entries, one a line.
pub const JOURNAL: &str = "journal.jsonl";
/// Last member.
pub const TRAILER: &str = "trailer.json";

/// What opens one commitment of one entry: the object's digests and its blind. Erased with the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The entry that carries the commitment.
    pub seq: SequenceNumber,
    /// The object's address.
    pub sha256: Sha256Digest,
    /// The object's blind.
    pub blind: Blind,
    /// Present when a second evidence tree was configured.
    pub sha512: Option<Sha512Digest>,
}

impl Opening {
    /// The commitment that this opens.
    #[must_use]
    pub fn commitment(&self) -> Commitment {
        Commitment::new(&self.blind, &self.sha256)
    }

    /// Appends the opening's line: `seq sha256 blind sha512`, `-` where there is no SHA-512.
    pub fn encode(&self, out: &mut String) {
        write!(out, "{} {} {} ", self.seq, self.sha256, self.blind).expect("a String takes all");
        match &self.sha512 {
            Some(sha512) => writeln!(out, "{sha512}"),
            None => writeln!(out, "-"),
        }
        .expect("a String takes all");
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split(' ');
        let mut field = || fields.next();
        let (seq, sha256, blind, sha512) = (field()?, field()?, field()?, field()?);
        let opening = Self {
            seq: SequenceNumber(seq.parse().ok()?),
            sha256: sha256.parse().ok()?,
            blind: blind.parse().ok()?,
            sha512: if sha512 == "-" { None } else { Some(sha512.parse().ok()?) },
        };
        let mut again = String::new();
        opening.encode(&mut again);
        (again.trim_end_matches('\n') == line).then_some(opening)
    }
}

/// A large object that lies in a container of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectObject {
    /// The object's commitment.
    pub commitment: Commitment,
    /// The container's name.
    pub container: String,
}

/// The end of a commit: what binds it to its journal and to the commit before. Fields in the order of their names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trailer {
    /// This commit's number.
    pub commit: CommitNumber,
    /// Large objects committed here that lie in containers of their own.
    pub containers: Vec<DirectObject>,
    /// How many journal entries the commit has.
    pub entries: u64,
    /// Sequence number of the first of them.
    pub first: SequenceNumber,
    /// SHA-256 of `journal.jsonl`.
    pub journal: Sha256Digest,
    /// Commitments to the object members, in their order.
    pub members: Vec<Commitment>,
    /// SHA-256 of the previous commit's `trailer.json`; none for commit 0.
    pub previous: Option<Sha256Digest>,
    /// When, by the service's clock.
    pub time: Timestamp,
    /// [`VERSION`].
    pub v: u32,
}

impl Trailer {
    /// The trailer's bytes, as stored.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a trailer has no maps and its writer is memory")
    }
}

/// The name of an object's member: `<tenant>/<sha256>`. Two tenants never share an object, even of the same content.
#[must_use]
pub fn object_member(tenant: &TenantId, sha256: &Sha256Digest) -> String {
    format!("{tenant}/{sha256}")
}

fn parse_object_member(name: &str) -> Option<(TenantId, Sha256Digest)> {
    let (tenant, sha256) = name.split_once('/')?;
    Some((tenant.parse().ok()?, sha256.parse().ok()?))
}

/// Where an object's bytes lie in the container that was parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectMember {
    /// Whose object it is, from the member's name.
    pub tenant: TenantId,
    /// The object's address, from the member's name.
    pub sha256: Sha256Digest,
    /// Offset of its first byte in the container.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
}

/// A commit whose form, journal and commitments were checked; its objects' bytes were not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The trailer.
    pub trailer: Trailer,
    /// SHA-256 of the trailer's bytes: what the next commit names.
    pub trailer_digest: Sha256Digest,
    /// The entries with their lines, in order.
    pub entries: Vec<(JournalEntry, Vec<u8>)>,
    /// The openings that are still there, in the order of the entries' commitments.
    pub openings: Vec<Opening>,
    /// The object members that are still there, in order.
    pub objects: Vec<ObjectMember>,
}

/// Why bytes are not a sound commit. Each variant names one rule of `docs/format.md` §5.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Not a container.
    #[error("not a container: {0}")]
    Container(#[from] ContainerError),
    /// A member that a commit does not have, or in the wrong place.
    #[error("unexpected member at offset {offset}")]
    Member {
        /// Offset of the member's content in the container.
        offset: u64,
    },
    /// Journal, openings or trailer is missing.
    #[error("the commit has no {0}")]
    Absent(&'static str),
    /// The trailer is not canonical JSON of the right shape.
    #[error("the trailer is not canonical JSON of the right shape")]
    Trailer,
    /// The trailer has a version that this code does not know.
    #[error("unknown trailer version {0}")]
    Version(u32),
    /// The journal's bytes are not those that the trailer names.
    #[error("the journal's digest is not the one in the trailer")]
    JournalDigest,
    /// A line of the journal is not an entry.
    #[error("journal line {line}: {error}")]
    Entry {
        /// Line number from 1.
        line: usize,
        /// The rule broken.
        error: EntryError,
    },
    /// The entries are not consecutive from the trailer's first, or not as many as it says.
    #[error("the journal's sequence numbers are not those that the trailer announces, line {line}")]
    Sequence {
        /// Line number from 1.
        line: usize,
    },
    /// A line of the openings is malformed.
    #[error("openings line {line} is malformed")]
    Opening {
        /// Line number from 1.
        line: usize,
    },
    /// An opening opens no commitment of its entry, or they are out of order.
    #[error("openings line {line} opens no commitment of its entry")]
    Unmatched {
        /// Line number from 1.
        line: usize,
    },
    /// An object member has no opening that the trailer's commitments know.
    #[error("object member {0} is not one that the trailer commits to")]
    Uncommitted(Sha256Digest),
    /// Two object members of one name, or not in the trailer's order.
    #[error("object member {0} is out of order")]
    Order(Sha256Digest),
}

struct Sections<'a> {
    objects: Vec<ObjectMember>,
    openings: &'a [u8],
    journal: &'a [u8],
    trailer: &'a [u8],
}

impl Commit {
    /// Reads a commit and checks everything in it but its objects' bytes and its place in the chain.
    ///
    /// Members and openings that a lawful elimination removed may be missing; what is there must be committed to.
    ///
    /// # Errors
    /// [`CommitError`], naming the rule broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, CommitError> {
        let sections = split(bytes)?;
        let trailer = parse_trailer(sections.trailer)?;
        if Sha256Digest::of(sections.journal) != trailer.journal {
            return Err(CommitError::JournalDigest);
        }
        let entries = parse_journal(sections.journal, &trailer)?;
        let openings = parse_openings(sections.openings, &entries)?;
        check_members(&sections.objects, &openings, &entries, &trailer)?;
        let trailer_digest = Sha256Digest::of(sections.trailer);
        Ok(Self { trailer, trailer_digest, entries, openings, objects: sections.objects })
    }

    /// The openings of one entry, in the order of its commitments.
    pub fn openings_of(&self, seq: SequenceNumber) -> impl Iterator<Item = &Opening> {
        let start = self.openings.partition_point(|o| o.seq < seq);
        self.openings[start..].iter().take_while(move |o| o.seq == seq)
    }

    /// The object member of that address, if it is in this commit.
    #[must_use]
    pub fn object(&self, tenant: &TenantId, sha256: &Sha256Digest) -> Option<&ObjectMember> {
        self.objects.iter().find(|o| o.sha256 == *sha256 && o.tenant == *tenant)
    }
}

fn split(bytes: &[u8]) -> Result<Sections<'_>, CommitError> {
    let mut objects = Vec::new();
    let mut named: [Option<&[u8]>; 3] = [None; 3];
    for member in container::members(bytes) {
        let Member { name, offset, data } = member?;
        let slot = [OPENINGS, JOURNAL, TRAILER].iter().position(|n| *n == name);
        let in_order = |slot: usize| named[slot..].iter().all(Option::is_none);
        match slot {
            Some(slot) if in_order(slot) => named[slot] = Some(data),
            None if in_order(0) => {
                let (tenant, sha256) = parse_object_member(name).ok_or(CommitError::Member { offset })?;
                objects.push(ObjectMember { tenant, sha256, offset, size: data.len() as u64 });
            }
            _ => return Err(CommitError::Member { offset }),
        }
    }
    let [openings, journal, trailer] = named;
    Ok(Sections {
        objects,
        openings: openings.ok_or(CommitError::Absent(OPENINGS))?,
        journal: journal.ok_or(CommitError::Absent(JOURNAL))?,
        trailer: trailer.ok_or(CommitError::Absent(TRAILER))?,
    })
}

fn parse_trailer(bytes: &[u8]) -> Result<Trailer, CommitError> {
    let parsed = jcs::from_canonical::<Trailer>(bytes).map_err(|_| CommitError::Trailer)?;
    let trailer = parsed.ok_or(CommitError::Trailer)?;
    if trailer.v != VERSION {
        return Err(CommitError::Version(trailer.v));
    }
    let names_sound = trailer.containers.iter().all(|c| c.container.parse::<ObjectName>().is_ok());
    if !names_sound || trailer.entries > COMMIT_ENTRIES_MAX as u64 {
        return Err(CommitError::Trailer);
    }
    Ok(trailer)
}

/// Lines without their line feeds; the text must end with one unless it is empty.
fn lines(bytes: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let body = match bytes {
        [] => None,
        [body @ .., b'\n'] => Some(body),
        _ => return None,
    };
    Some(body.into_iter().flat_map(|body| body.split(|b| *b == b'\n')))
}

fn parse_journal(bytes: &[u8], trailer: &Trailer) -> Result<Vec<(JournalEntry, Vec<u8>)>, CommitError> {
    let mut entries = Vec::new();
    let all = lines(bytes).ok_or(CommitError::Sequence { line: 0 })?;
    for (index, text) in all.enumerate() {
        let line = index + 1;
        let entry = JournalEntry::parse(text).map_err(|error| CommitError::Entry { line, error })?;
        if Some(entry.seq.0) != trailer.first.0.checked_add(index as u64) {
            return Err(CommitError::Sequence { line });
        }
        entries.push((entry, text.to_vec()));
    }
    if entries.len() as u64 != trailer.entries {
        return Err(CommitError::Sequence { line: entries.len() + 1 });
    }
    Ok(entries)
}

/// Openings follow the commitments' order; those of eliminated objects may be missing.
fn parse_openings(bytes: &[u8], entries: &[(JournalEntry, Vec<u8>)]) -> Result<Vec<Opening>, CommitError> {
    let mut expected = entries.iter().flat_map(|(e, _)| e.commitments.iter().map(move |c| (e.seq, *c)));
    let mut openings = Vec::new();
    let all = lines(bytes).ok_or(CommitError::Opening { line: 0 })?;
    for (index, text) in all.enumerate() {
        let line = index + 1;
        let text = std::str::from_utf8(text).map_err(|_| CommitError::Opening { line })?;
        let opening = Opening::parse(text).ok_or(CommitError::Opening { line })?;
        let found = (opening.seq, opening.commitment());
        if !expected.any(|e| e == found) {
            return Err(CommitError::Unmatched { line });
        }
        openings.push(opening);
    }
    Ok(openings)
}

fn check_members(
    objects: &[ObjectMember],
    openings: &[Opening],
    entries: &[(JournalEntry, Vec<u8>)],
    trailer: &Trailer,
) -> Result<(), CommitError> {
    let tenant_of = |seq: SequenceNumber| &entries[(seq.0 - trailer.first.0) as usize].0.tenant;
    let opened = openings.iter().map(|o| ((tenant_of(o.seq), o.sha256), o.commitment()));
    let by_address: std::collections::HashMap<_, _> = opened.collect();
    let mut committed = trailer.members.iter();
    for object in objects {
        let commitment = by_address.get(&(&object.tenant, object.sha256));
        let commitment = commitment.ok_or(CommitError::Uncommitted(object.sha256))?;
        if !committed.any(|m| m == commitment) {
            let known = trailer.members.contains(commitment);
            return Err(if known {
                CommitError::Order(object.sha256)
            } else {
                CommitError::Uncommitted(object.sha256)
            });
        }
    }
    Ok(())
}
