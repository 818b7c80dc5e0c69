//! A commit being put together in memory. Dropping a draft leaves nothing changed.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use cartulaire_formats::aip::{AipDescriptor, ArchiveId};
use cartulaire_formats::commit::{
    self, Commit, DirectObject, JOURNAL, OPENINGS, ObjectMember, Opening, TRAILER, Trailer,
};
use cartulaire_formats::container;
use cartulaire_formats::hash::{Blind, Commitment, Sha256Digest};
use cartulaire_formats::journal::{self, EventType, JournalEntry, Outcome, TenantId};
use cartulaire_formats::layout::{CommitNumber, SequenceNumber};
use cartulaire_formats::merkle::LeafHash;
use cartulaire_formats::time::Timestamp;

use super::{Committed, CommittedDeposit, Event};
use crate::admit::{Admitted, AdmittedContent, AdmittedObject};
use crate::archive::Archive;
use crate::fault::Fault;
use crate::index::{CommitHead, CommitRecord, IndexError, ObjectPlace};

pub(super) struct Draft<'a> {
    archive: &'a Arc<Archive>,
    number: CommitNumber,
    previous: Option<Sha256Digest>,
    first: SequenceNumber,
    time: Timestamp,
    chains: &'a HashMap<TenantId, LeafHash>,
    before: &'a Brought,
    new: Brought,
    entries: Vec<(JournalEntry, Vec<u8>)>,
    openings: Vec<Opening>,
    objects: Vec<ObjectMember>,
    members: Vec<Commitment>,
    containers: Vec<DirectObject>,
    direct_sizes: HashMap<String, u64>,
    orphans: Vec<String>,
    descriptors: HashMap<SequenceNumber, AipDescriptor>,
    details: HashMap<SequenceNumber, Vec<u8>>,
    tar: Tar,
}

/// What a commit brings that the next one must know, though the index may not follow it yet.
#[derive(Default)]
pub(super) struct Brought {
    pub(super) chains: HashMap<TenantId, LeafHash>,
    objects: HashMap<(TenantId, Sha256Digest), Blind>,
    transfers: HashMap<(TenantId, String), (ArchiveId, Sha256Digest)>,
}

/// A container as a list of parts, so that objects are written from where they lie.
struct Tar {
    parts: Vec<Bytes>,
    offset: u64,
    mtime: u64,
}

impl Tar {
    /// Appends a member and returns the offset of its content.
    fn member(&mut self, name: &str, content: Bytes) -> u64 {
        let size = content.len() as u64;
        let head = container::member_head(name, size, self.mtime);
        let head = head.expect("tenant and digest make a member's name, and an inline object is small");
        self.push(Bytes::copy_from_slice(&head));
        let offset = self.offset;
        self.push(content);
        self.push(Bytes::from_static(&container::END[..container::padding(size)]));
        offset
    }

    fn push(&mut self, part: Bytes) {
        self.offset += part.len() as u64;
        if !part.is_empty() {
            self.parts.push(part);
        }
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        archive: &'a Arc<Archive>,
        head: Option<&CommitHead>,
        chains: &'a HashMap<TenantId, LeafHash>,
        before: &'a Brought,
        time: Timestamp,
    ) -> Self {
        Self {
            archive,
            number: head.map_or(CommitNumber(0), |h| h.commit.next()),
            previous: head.map(|h| h.trailer),
            first: head.map_or(SequenceNumber(0), |h| h.next),
            time,
            chains,
            before,
            new: Brought::default(),
            entries: Vec::new(),
            openings: Vec::new(),
            objects: Vec::new(),
            members: Vec::new(),
            containers: Vec::new(),
            direct_sizes: HashMap::new(),
            orphans: Vec::new(),
            descriptors: HashMap::new(),
            details: HashMap::new(),
            tar: Tar { parts: Vec::new(), offset: 0, mtime: container::mtime(time) },
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn deposit(&mut self, admitted: Admitted) -> Result<Committed, Fault> {
        let Admitted { descriptor, fingerprint, objects } = admitted;
        if let Some((archive, before)) = self.transfer(&descriptor)? {
            self.forget(objects);
            let same = before == fingerprint;
            return Ok(if same { Committed::Replayed(archive) } else { Committed::Conflict(archive) });
        }
        let seq = self.next();
        let descriptor_digest = objects[0].digests.sha256;
        let commitments = self.objects(&descriptor.tenant, seq, objects)?;
        let event = Event {
            tenant: descriptor.tenant.clone(),
            agent: descriptor.depositor.clone(),
            subject: format!("archive:{}", descriptor.archive),
            event: EventType::Deposit,
            outcome: Outcome::Success,
            facts: Default::default(),
            details: Vec::new(),
        };
        let (entry, leaf) = self.entry(event, commitments)?;
        let key = (descriptor.tenant.clone(), descriptor.transfer.clone());
        self.new.transfers.insert(key, (descriptor.archive, fingerprint));
        self.descriptors.insert(seq, descriptor.clone());
        let commit = self.number;
        Ok(Committed::Deposit(Box::new(CommittedDeposit { descriptor, descriptor_digest, entry, leaf, commit })))
    }

    pub(super) fn event(&mut self, event: Event) -> Result<Committed, Fault> {
        let seq = self.next();
        let objects = event.details.iter().map(|d| self.archive.inline_object(d.clone())).collect();
        if let Some(first) = event.details.first() {
            self.details.insert(seq, first.to_vec());
        }
        let tenant = event.tenant.clone();
        let commitments = self.objects(&tenant, seq, objects)?;
        self.entry(event, commitments)?;
        Ok(Committed::Event(seq))
    }

    fn next(&self) -> SequenceNumber {
        SequenceNumber(self.first.0 + self.entries.len() as u64)
    }

    fn transfer(&self, descriptor: &AipDescriptor) -> Result<Option<(ArchiveId, Sha256Digest)>, IndexError> {
        let key = (descriptor.tenant.clone(), descriptor.transfer.clone());
        if let Some(found) = self.new.transfers.get(&key).or_else(|| self.before.transfers.get(&key)) {
            return Ok(Some(*found));
        }
        let row = self.archive.index().transfer(&descriptor.tenant, &descriptor.transfer)?;
        Ok(row.map(|row| (row.archive, row.fingerprint)))
    }

    fn entry(&mut self, event: Event, commitments: Vec<Commitment>) -> Result<(JournalEntry, LeafHash), Fault> {
        let prev = match self.new.chains.get(&event.tenant).or_else(|| self.chains.get(&event.tenant)) {
            Some(leaf) => Some(*leaf),
            None => self.archive.index().tenant(&event.tenant)?.and_then(|row| row.last),
        };
        let entry = JournalEntry {
            agent: event.agent,
            commitments,
            facts: event.facts,
            outcome: event.outcome,
            prev,
            seq: self.next(),
            subject: event.subject,
            tenant: event.tenant,
            time: self.time,
            event: event.event,
            v: journal::VERSION,
        };
        let line = entry.encode().expect("admission and the callers of events keep entries within their length");
        let leaf = journal::leaf_hash(&line);
        self.new.chains.insert(entry.tenant.clone(), leaf);
        self.entries.push((entry.clone(), line));
        Ok((entry, leaf))
    }

    fn objects(
        &mut self,
        tenant: &TenantId,
        seq: SequenceNumber,
        objects: Vec<AdmittedObject>,
    ) -> Result<Vec<Commitment>, Fault> {
        let mut commitments = Vec::with_capacity(objects.len());
        for object in objects {
            let digests = object.digests;
            let blind = self.object(tenant, object)?;
            let opening = Opening { seq, sha256: digests.sha256, blind, sha512: digests.sha512 };
            commitments.push(opening.commitment());
            self.openings.push(opening);
        }
        Ok(commitments)
    }

    /// Stores an object unless its tenant has it; returns the blind that stands for it.
    fn object(&mut self, tenant: &TenantId, object: AdmittedObject) -> Result<Blind, Fault> {
        let sha256 = object.digests.sha256;
        let key = (tenant.clone(), sha256);
        if let Some(blind) = self.new.objects.get(&key).or_else(|| self.before.objects.get(&key)).copied() {
            self.forget([object]);
            return Ok(blind);
        }
        if let Some(row) = self.archive.index().object(tenant, &sha256)? {
            let is_own = |container: &str| matches!(&row.place, ObjectPlace::Direct { container: c } if c == container);
            if !matches!(&object.content, AdmittedContent::Direct { container } if is_own(container)) {
                self.forget([object]);
            }
            return Ok(row.blind);
        }
        let commitment = Commitment::new(&object.blind, &sha256);
        match object.content {
            AdmittedContent::Inline(content) => {
                let size = content.len() as u64;
                let offset = self.tar.member(&commit::object_member(tenant, &sha256), content);
                self.objects.push(ObjectMember { tenant: tenant.clone(), sha256, offset, size });
                self.members.push(commitment);
            }
            AdmittedContent::Direct { container } => {
                self.direct_sizes.insert(container.clone(), object.digests.size);
                self.containers.push(DirectObject { commitment, container });
            }
            AdmittedContent::Known => unreachable!("an object that the index knew at admission is in it still"),
        }
        self.new.objects.insert(key, object.blind);
        Ok(object.blind)
    }

    fn forget(&mut self, objects: impl IntoIterator<Item = AdmittedObject>) {
        for object in objects {
            if let AdmittedContent::Direct { container } = object.content {
                self.orphans.push(container);
            }
        }
    }

    /// The containers that nothing refers to.
    pub(super) fn take_orphans(&mut self) -> Vec<String> {
        std::mem::take(&mut self.orphans)
    }

    /// The record to apply, the container's parts, and what the next commit must know.
    pub(super) fn finish(mut self) -> (CommitRecord, Vec<Bytes>, Brought) {
        let mut openings = String::with_capacity(self.openings.len() * 288);
        self.openings.iter().for_each(|opening| opening.encode(&mut openings));
        let mut journal = Vec::with_capacity(self.entries.iter().map(|(_, line)| line.len() + 1).sum());
        for (_, line) in &self.entries {
            journal.extend_from_slice(line);
            journal.push(b'\n');
        }
        let trailer = Trailer {
            commit: self.number,
            containers: self.containers,
            entries: self.entries.len() as u64,
            first: self.first,
            journal: Sha256Digest::of(&journal),
            members: self.members,
            previous: self.previous,
            time: self.time,
            v: commit::VERSION,
        };
        let trailer_bytes = trailer.encode();
        let trailer_digest = Sha256Digest::of(&trailer_bytes);
        self.tar.member(OPENINGS, Bytes::from(openings));
        self.tar.member(JOURNAL, Bytes::from(journal));
        self.tar.member(TRAILER, Bytes::from(trailer_bytes));
        self.tar.push(Bytes::from_static(&container::END));
        let commit =
            Commit { trailer, trailer_digest, entries: self.entries, openings: self.openings, objects: self.objects };
        let record = CommitRecord {
            commit,
            descriptors: self.descriptors,
            details: self.details,
            direct_sizes: self.direct_sizes,
        };
        (record, self.tar.parts, self.new)
    }
}
