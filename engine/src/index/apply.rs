//! The only writers of the index: what a commit and a seal mean for it.

use std::collections::HashMap;

use cartulaire_formats::aip::{AipDescriptor, ArchiveId};
use cartulaire_formats::commit::Commit;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::{EventType, JournalEntry, Outcome, TenantId, leaf_hash};
use cartulaire_formats::layout::{CommitNumber, EvidenceAlgorithm, SealNumber, SequenceNumber};
use rocksdb::WriteBatch;

use super::rows::{ArchiveRow, CommitHead, Key, ObjectPlace, ObjectRow, Row, SealHead, TenantRow, TransferRow};
use super::{Index, IndexError};
use crate::admit::fingerprint;

/// A commit with what its entries' first objects say: everything that the index follows.
pub struct CommitRecord {
    /// The commit.
    pub commit: Commit,
    /// Descriptors of its deposits, by entry.
    pub descriptors: HashMap<SequenceNumber, AipDescriptor>,
    /// Detail objects of its administrative events, by entry.
    pub details: HashMap<SequenceNumber, Vec<u8>>,
    /// Sizes of the objects that lie in direct containers, by container name.
    pub direct_sizes: HashMap<String, u64>,
}

/// A seal as the index follows it.
pub struct SealRecord {
    /// The seal with its roots and the log's edge.
    pub head: SealHead,
    /// The log's size.
    pub size: u64,
}

impl Index {
    /// Makes the index follow one more commit, atomically.
    ///
    /// # Errors
    /// [`IndexError`]: the index is as before; the commit itself stands.
    ///
    /// # Panics
    /// If the commit is not the next one.
    pub fn apply_commit(&self, record: &CommitRecord) -> Result<(), IndexError> {
        let head = self.commit_head()?;
        let expected = head.map_or(CommitNumber(0), |h| h.commit.next());
        let trailer = &record.commit.trailer;
        assert_eq!(trailer.commit, expected, "commits are applied in order, each once");
        let mut applying = Applying { index: self, batch: WriteBatch::default(), tenants: HashMap::new() };
        applying.objects(&record.commit, &record.direct_sizes)?;
        for (entry, line) in &record.commit.entries {
            applying.entry(record, entry, line)?;
        }
        applying.finish(&record.commit)
    }

    /// Makes the index follow one more seal, atomically.
    ///
    /// # Errors
    /// [`IndexError`]: the index is as before; the seal itself stands.
    ///
    /// # Panics
    /// If the seal is not the next one.
    pub fn apply_seal(&self, record: &SealRecord) -> Result<(), IndexError> {
        let expected = self.seal_head()?.map_or(SealNumber(0), |h| h.seal.next());
        let seal = record.head.seal;
        assert_eq!(seal, expected, "seals are applied in order, each once");
        let mut batch = WriteBatch::default();
        batch.put(Key::seal_head().as_bytes(), record.head.encode());
        batch.put(Key::seal_size(seal).as_bytes(), record.size.encode());
        batch.put(Key::sealed_size(record.size).as_bytes(), seal.encode());
        let sha256 = (EvidenceAlgorithm::Sha256, &record.head.root_sha256.0[..]);
        let sha512 = record.head.root_sha512.as_ref().map(|root| (EvidenceAlgorithm::Sha512, &root.0[..]));
        for (algorithm, root) in [sha256].into_iter().chain(sha512) {
            // A rebuild follows the whole journal first, and may know the token already.
            if !self.is_attested(seal, algorithm)? {
                batch.put(Key::unattested(seal, algorithm).as_bytes(), root);
            }
        }
        Ok(self.db.write(batch)?)
    }
}

struct Applying<'a> {
    index: &'a Index,
    batch: WriteBatch,
    tenants: HashMap<TenantId, TenantRow>,
}

impl Applying<'_> {
    fn tenant(&mut self, tenant: &TenantId) -> Result<&mut TenantRow, IndexError> {
        if !self.tenants.contains_key(tenant) {
            let row = self.index.tenant(tenant)?.unwrap_or_default();
            self.tenants.insert(tenant.clone(), row);
        }
        Ok(self.tenants.get_mut(tenant).expect("inserted above"))
    }

    fn objects(&mut self, commit: &Commit, direct_sizes: &HashMap<String, u64>) -> Result<(), IndexError> {
        let number = commit.trailer.commit;
        let tenant_of = |seq: SequenceNumber| &commit.entries[(seq.0 - commit.trailer.first.0) as usize].0.tenant;
        let opened = commit.openings.iter().map(|o| ((tenant_of(o.seq), o.sha256), o));
        let by_address: HashMap<_, _> = opened.collect();
        for object in &commit.objects {
            let Some(opening) = by_address.get(&(&object.tenant, object.sha256)) else { continue };
            let place = ObjectPlace::Commit { commit: number, offset: object.offset };
            let row = ObjectRow { blind: opening.blind, size: object.size, place };
            self.object(&object.tenant, &object.sha256, &row)?;
        }
        let by_commitment: HashMap<_, _> = commit.openings.iter().map(|o| (o.commitment(), o)).collect();
        for direct in &commit.trailer.containers {
            self.batch.put(Key::container(&direct.container).as_bytes(), []);
            let Some(opening) = by_commitment.get(&direct.commitment) else { continue };
            let size = direct_sizes.get(&direct.container).copied().unwrap_or(0);
            let place = ObjectPlace::Direct { container: direct.container.clone() };
            let tenant = tenant_of(opening.seq);
            self.object(tenant, &opening.sha256, &ObjectRow { blind: opening.blind, size, place })?;
        }
        Ok(())
    }

    fn object(&mut self, tenant: &TenantId, sha256: &Sha256Digest, row: &ObjectRow) -> Result<(), IndexError> {
        self.batch.put(Key::object(tenant, sha256).as_bytes(), row.encode());
        let counts = self.tenant(tenant)?;
        counts.objects += 1;
        counts.bytes += row.size;
        Ok(())
    }

    fn entry(&mut self, record: &CommitRecord, entry: &JournalEntry, line: &[u8]) -> Result<(), IndexError> {
        let commit = record.commit.trailer.commit.encode();
        let seq = entry.seq.0.to_be_bytes();
        self.batch.put(Key::journal(&entry.tenant).with(&seq).as_bytes(), &commit);
        self.batch.put(Key::subject(&entry.subject).with(&seq).as_bytes(), &commit);
        let row = self.tenant(&entry.tenant)?;
        row.last = Some(leaf_hash(line));
        row.entries += 1;
        match (entry.event, entry.outcome) {
            (EventType::Deposit, Outcome::Success) => self.deposit(record, entry),
            (EventType::TenantCreated | EventType::KeyCreated | EventType::KeyRevoked, Outcome::Success) => {
                if let Some(detail) = record.details.get(&entry.seq) {
                    self.batch.put(Key::detail(&entry.subject).as_bytes(), detail);
                }
                Ok(())
            }
            (EventType::SealAttested, Outcome::Success) => self.attested(entry),
            _ => Ok(()),
        }
    }

    fn attested(&mut self, entry: &JournalEntry) -> Result<(), IndexError> {
        let fact = |name: &str| entry.facts.get(name).map(String::as_str);
        let seal = fact("seal").and_then(|text| text.parse().ok()).ok_or(IndexError::Malformed)?;
        let algorithm = match fact("algorithm") {
            Some("sha256") => EvidenceAlgorithm::Sha256,
            Some("sha512") => EvidenceAlgorithm::Sha512,
            _ => return Err(IndexError::Malformed),
        };
        self.batch.put(Key::attested(SealNumber(seal), algorithm).as_bytes(), entry.seq.0.to_be_bytes());
        self.batch.delete(Key::unattested(SealNumber(seal), algorithm).as_bytes());
        Ok(())
    }

    fn deposit(&mut self, record: &CommitRecord, entry: &JournalEntry) -> Result<(), IndexError> {
        self.tenant(&entry.tenant)?.archives += 1;
        let Some(descriptor) = record.descriptors.get(&entry.seq) else { return Ok(()) };
        let opening = record.commit.openings_of(entry.seq).next().ok_or(IndexError::Malformed)?;
        let archive: ArchiveId = descriptor.archive;
        let commit = record.commit.trailer.commit;
        let row = ArchiveRow { seq: entry.seq, commit, descriptor: opening.sha256 };
        self.batch.put(Key::archive(&entry.tenant, &archive).as_bytes(), row.encode());
        let row = TransferRow { archive, fingerprint: fingerprint(descriptor) };
        self.batch.put(Key::transfer(&entry.tenant, &descriptor.transfer).as_bytes(), row.encode());
        Ok(())
    }

    fn finish(mut self, commit: &Commit) -> Result<(), IndexError> {
        let trailer = &commit.trailer;
        let head = CommitHead {
            commit: trailer.commit,
            trailer: commit.trailer_digest,
            next: SequenceNumber(trailer.first.0 + trailer.entries),
            time: trailer.time,
        };
        self.batch.put(Key::commit_head().as_bytes(), head.encode());
        self.batch.put(Key::first_entry(trailer.first).as_bytes(), trailer.commit.encode());
        for (tenant, row) in &self.tenants {
            self.batch.put(Key::tenant(tenant).as_bytes(), row.encode());
        }
        Ok(self.index.db.write(self.batch)?)
    }
}
