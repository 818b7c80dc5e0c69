//! The chain of commits: each follows the one before, each entry follows the one before.

use std::collections::HashMap;

use cartulaire_formats::commit::{Commit, CommitError, JOURNAL, OPENINGS, TRAILER, Trailer};
use cartulaire_formats::container;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::jcs;
use cartulaire_formats::journal::{EventType, JournalEntry, TenantId, leaf_hash};
use cartulaire_formats::layout::{self, CommitNumber};
use cartulaire_formats::merkle::LeafHash;
use cartulaire_formats::time::Timestamp;

use super::Examination;
use super::inventory::{self, Inventory};
use super::known::Watch;
use super::log::MerkleStack;
use super::objects::{Objects, Opened};
use super::seals::{EvidenceItem, Seals};
use crate::bounds::COMMIT_BYTES_MAX;
use crate::finding::{Fault, Place};

/// What the next commit must name as its predecessor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Previous {
    None,
    Trailer(Sha256Digest),
    /// The predecessor is missing or unreadable.
    Unknown,
}

/// The state carried from commit to commit.
pub(super) struct Walk {
    previous: Previous,
    log: MerkleStack,
    /// Leaf hash of each tenant's last entry.
    heads: HashMap<TenantId, LeafHash>,
    last_time: Option<Timestamp>,
    /// Whether entries are missing, so that a tenant's last one may be unknown.
    has_gap: bool,
    objects: Objects,
    seals: Seals,
    watch: Watch,
}

impl Walk {
    pub(super) fn new(seals: Seals, watch: Watch) -> Self {
        Self {
            previous: Previous::None,
            log: MerkleStack::default(),
            heads: HashMap::new(),
            last_time: None,
            has_gap: false,
            objects: Objects::default(),
            seals,
            watch,
        }
    }

    pub(super) fn commit(&mut self, exam: &mut Examination<'_>, number: CommitNumber) {
        let name = layout::commit(number).to_string();
        let Some(bytes) = exam.object(&name, COMMIT_BYTES_MAX, Some(Fault::CommitMissing)) else {
            return self.lose();
        };
        exam.facts.counts.commits += 1;
        match Commit::parse(&bytes) {
            Ok(commit) => self.sound(exam, number, &Opened { name: &name, bytes: &bytes, commit: &commit }),
            Err(error) => {
                exam.findings.explain(Fault::CommitForm, place_of(&name, &error), &error);
                self.salvage(exam, number, &name, &bytes);
            }
        }
    }

    fn lose(&mut self) {
        self.previous = Previous::Unknown;
        self.has_gap = true;
        self.heads.clear();
        self.seals.lose();
    }

    fn sound(&mut self, exam: &mut Examination<'_>, number: CommitNumber, opened: &Opened<'_>) {
        let trailer = &opened.commit.trailer;
        let follows = match self.previous {
            Previous::None => trailer.previous.is_none(),
            Previous::Trailer(digest) => trailer.previous == Some(digest),
            Previous::Unknown => true,
        };
        if !follows || trailer.commit != number {
            exam.findings.add(Fault::CommitChain, Place::member(opened.name, TRAILER));
        }
        let after_loss =
            std::mem::replace(&mut self.previous, Previous::Trailer(opened.commit.trailer_digest)) == Previous::Unknown;
        if trailer.first.0 != self.log.size() || after_loss {
            if !after_loss {
                exam.findings.add(Fault::EntryOrder, Place::member(opened.name, TRAILER));
            }
            self.log.skip_to(trailer.first.0);
            self.seals.resume(trailer.first.0);
            self.seals.settle(exam, &self.log);
        }
        self.objects.examine(exam, opened);
        for (index, (entry, line)) in opened.commit.entries.iter().enumerate() {
            let place = Place::member(opened.name, JOURNAL).at(index as u64 + 1);
            let mut openings = opened.commit.openings_of(entry.seq).copied().peekable();
            let items = entry.commitments.iter().map(|c| openings.next_if(|o| o.commitment() == *c));
            self.entry(exam, number, entry, line, items.collect(), &place);
        }
    }

    fn entry(
        &mut self,
        exam: &mut Examination<'_>,
        number: CommitNumber,
        entry: &JournalEntry,
        line: &[u8],
        items: Vec<EvidenceItem>,
        place: &Place,
    ) {
        let leaf = leaf_hash(line);
        exam.facts.counts.entries += 1;
        if self.last_time.is_some_and(|last| entry.time < last) {
            exam.findings.add(Fault::TimeBackwards, place.clone());
        }
        self.last_time = self.last_time.max(Some(entry.time));
        let head = self.heads.insert(entry.tenant.clone(), leaf);
        let unknown = head.is_none() && self.has_gap;
        if entry.prev != head && !unknown {
            exam.findings.add(Fault::EntryChain, place.clone());
        }
        if entry.event == EventType::SealAttested {
            self.seals.attested(exam, entry, place);
        }
        self.watch.root(exam, self.log.size(), || self.log.root());
        self.watch.entry(exam, self.log.size(), leaf, number);
        self.seals.take(items, entry.time.unix_millis());
        self.log.push(exam, line, self.seals.sealed);
        self.seals.settle(exam, &self.log);
    }

    /// Goes on from the journal and the trailer of a commit that is otherwise broken, as far as they can be read.
    fn salvage(&mut self, exam: &mut Examination<'_>, number: CommitNumber, name: &str, bytes: &[u8]) {
        let members: Vec<_> = container::members(bytes).map_while(Result::ok).collect();
        let data = |name: &str| members.iter().find(|m| m.name == name).map(|m| m.data);
        let trailer = data(TRAILER).map(Sha256Digest::of);
        // What lies in containers of their own stays unexamined, but it is no orphan.
        let parsed = data(TRAILER).and_then(|trailer| jcs::from_canonical::<Trailer>(trailer).ok().flatten());
        let containers = parsed.into_iter().flat_map(|trailer| trailer.containers);
        self.objects.containers.extend(containers.map(|direct| direct.container));
        let Some(journal) = data(JOURNAL).and_then(|j| j.strip_suffix(b"\n")) else { return self.lose() };
        for (index, line) in journal.split(|b| *b == b'\n').enumerate() {
            let Ok(entry) = JournalEntry::parse(line) else { return self.lose() };
            let place = Place::member(name, JOURNAL).at(index as u64 + 1);
            let items = vec![None; entry.commitments.len()];
            self.entry(exam, number, &entry, line, items, &place);
        }
        self.previous = trailer.map_or(Previous::Unknown, Previous::Trailer);
    }

    pub(super) fn finish(mut self, exam: &mut Examination<'_>, inventory: &Inventory) {
        self.watch.root(exam, self.log.size(), || self.log.root());
        self.watch.finish(exam);
        self.seals.finish(exam, &self.log);
        for orphan in inventory.containers.difference(&self.objects.containers) {
            exam.findings.add(Fault::ContainerOrphan, Place::object(orphan));
        }
        inventory::refuse_strange_tiles(exam, self.log.size());
    }
}

/// The member and line where a commit breaks its form.
fn place_of(name: &str, error: &CommitError) -> Place {
    match error {
        CommitError::Container(error) => Place::object(name).at(error.offset),
        CommitError::Member { offset } => Place::object(name).at(*offset),
        CommitError::Absent(member) => Place::member(name, *member),
        CommitError::Trailer | CommitError::Version(_) => Place::member(name, TRAILER),
        CommitError::JournalDigest => Place::member(name, JOURNAL),
        CommitError::Entry { line, .. } | CommitError::Sequence { line } => {
            Place::member(name, JOURNAL).at(*line as u64)
        }
        CommitError::Opening { line } | CommitError::Unmatched { line } => {
            Place::member(name, OPENINGS).at(*line as u64)
        }
        CommitError::Uncommitted(sha256) | CommitError::Order(sha256) => Place::member(name, sha256.to_string()),
        #[allow(unreachable_patterns, reason = "a rule that is added to the format is at least placed in its commit")]
        _ => Place::object(name),
    }
}
