//! Objects: their bytes against their names, their descriptors against both, wherever they lie.

use std::collections::HashMap;

use cartulaire_formats::aip::AipDescriptor;
use cartulaire_formats::bounds::JSON_BYTES_MAX;
use cartulaire_formats::commit::{Commit, DirectObject, JOURNAL, Opening, object_member};
use cartulaire_formats::container::Scanner;
use cartulaire_formats::hash::{Commitment, Digests, MultiHasher, Sha256Digest};
use cartulaire_formats::journal::{EventType, JournalEntry, Outcome, TenantId};

use super::Examination;
use crate::finding::{Fault, Place};
use crate::source::{SourceError, stream};

/// What was found of an object: a fingerprint of size and BLAKE3, or that its loss was reported already.
///
/// The bytes themselves were held against the full SHA-256; eight bytes are enough to catch a descriptor that disagrees.
#[derive(Clone, Copy)]
enum Trace {
    Found(u64),
    Lost,
}

/// Every object seen so far, by its commitment.
#[derive(Default)]
pub(super) struct Objects {
    traces: HashMap<Commitment, Trace>,
    /// Direct containers that a commit named.
    pub containers: std::collections::BTreeSet<String>,
}

/// A commit being examined: its parts, its bytes, its name.
pub(super) struct Opened<'a> {
    pub name: &'a str,
    pub bytes: &'a [u8],
    pub commit: &'a Commit,
}

fn fingerprint(size: u64, blake3: &[u8; 32]) -> u64 {
    let digest = Sha256Digest::of(&[size.to_be_bytes().as_slice(), blake3].concat());
    let mut first = [0; 8];
    first.copy_from_slice(&digest.0[..8]);
    u64::from_be_bytes(first)
}

impl Objects {
    /// Hashes the objects that a commit brings, then judges what its entries say of them and of earlier ones.
    pub(super) fn examine(&mut self, exam: &mut Examination<'_>, opened: &Opened<'_>) {
        self.members(exam, opened);
        for direct in &opened.commit.trailer.containers {
            self.direct(exam, opened, direct);
        }
        for (entry, _) in &opened.commit.entries {
            self.openings(exam, opened, entry);
            if entry.event == EventType::Deposit && entry.outcome == Outcome::Success {
                self.deposit(exam, opened, entry);
            }
        }
    }

    fn members(&mut self, exam: &mut Examination<'_>, opened: &Opened<'_>) {
        let commit = opened.commit;
        let addresses = addresses(commit);
        let commitments: HashMap<(&TenantId, Sha256Digest), Commitment> =
            addresses.iter().map(|(commitment, (tenant, sha256))| ((tenant, *sha256), *commitment)).collect();
        let mut present = std::collections::HashSet::new();
        for object in &commit.objects {
            let bytes = &opened.bytes[object.offset as usize..(object.offset + object.size) as usize];
            let digests = hash(bytes);
            exam.facts.counts.objects += 1;
            exam.facts.counts.bytes += object.size;
            let Some(&commitment) = commitments.get(&(&object.tenant, object.sha256)) else { continue };
            present.insert(commitment);
            self.found(exam, commitment, &object.sha256, &digests, || {
                Place::member(opened.name, object_member(&object.tenant, &object.sha256))
            });
        }
        for commitment in commit.trailer.members.iter().filter(|c| !present.contains(*c)) {
            let member = addresses.get(commitment).map(|(tenant, sha256)| object_member(tenant, sha256));
            let member = member.unwrap_or_else(|| commitment.to_string());
            exam.findings.add(Fault::ObjectMissing, Place::member(opened.name, member));
            self.traces.insert(*commitment, Trace::Lost);
        }
    }

    fn found(
        &mut self,
        exam: &mut Examination<'_>,
        commitment: Commitment,
        address: &Sha256Digest,
        digests: &Digests,
        place: impl FnOnce() -> Place,
    ) {
        let trace = if digests.sha256 == *address {
            Trace::Found(fingerprint(digests.size, &digests.blake3.0))
        } else {
            exam.findings.add(Fault::ObjectDiffers, place());
            Trace::Lost
        };
        self.traces.insert(commitment, trace);
    }

    /// A large object in a container of its own: streamed, whatever its size.
    fn direct(&mut self, exam: &mut Examination<'_>, opened: &Opened<'_>, direct: &DirectObject) {
        self.containers.insert(direct.container.clone());
        self.traces.insert(direct.commitment, Trace::Lost);
        let name = direct.container.as_str();
        let Ok(Some(length)) = exam.source.size(name) else {
            return exam.findings.add(Fault::ContainerMissing, Place::object(name));
        };
        let address = addresses(opened.commit).remove(&direct.commitment);
        let heads = Scanner::new(length, |offset, bytes| exam.source.read(name, offset..offset + bytes as u64));
        let heads: Result<Vec<_>, _> = heads.collect();
        let head = match heads.as_deref() {
            Ok([only]) => only,
            Ok(_) => return exam.findings.add(Fault::ContainerForm, Place::object(name)),
            Err(error) => return exam.findings.explain(Fault::ContainerForm, Place::object(name), error),
        };
        // Without its opening nothing says what it should be; that the opening is missing has its own finding.
        let Some((tenant, sha256)) = address else { return };
        let place = Place::member(name, &head.name);
        if head.name != object_member(&tenant, &sha256) {
            return exam.findings.add(Fault::ObjectDiffers, place);
        }
        match hash_range(exam, name, head.data_offset, head.size) {
            Ok(digests) => self.found(exam, direct.commitment, &sha256, &digests, || place),
            Err(error) => exam.findings.explain(Fault::Unreadable, place, &error),
        }
    }

    /// Every commitment is opened, and what it opens to was found somewhere.
    fn openings(&mut self, exam: &mut Examination<'_>, opened: &Opened<'_>, entry: &JournalEntry) {
        let mut openings = opened.commit.openings_of(entry.seq).peekable();
        for commitment in &entry.commitments {
            let Some(opening) = openings.next_if(|o| o.commitment() == *commitment) else {
                let place = Place::member(opened.name, JOURNAL).at(line_of(opened.commit, entry));
                exam.findings.add(Fault::OpeningMissing, place);
                continue;
            };
            if !self.traces.contains_key(commitment) {
                let member = object_member(&entry.tenant, &opening.sha256);
                exam.findings.add(Fault::ObjectMissing, Place::member(opened.name, member));
                self.traces.insert(*commitment, Trace::Lost);
            }
        }
    }

    fn deposit(&self, exam: &mut Examination<'_>, opened: &Opened<'_>, entry: &JournalEntry) {
        let openings: Vec<&Opening> = opened.commit.openings_of(entry.seq).collect();
        let Some(own) = openings.first().filter(|o| Some(o.commitment()) == entry.commitments.first().copied()) else {
            return;
        };
        let place = Place::member(opened.name, object_member(&entry.tenant, &own.sha256));
        let Some(bytes) = descriptor_bytes(exam, opened, &entry.tenant, own) else { return };
        // What is not what it is called was reported; nothing it says counts.
        if Sha256Digest::of(&bytes) != own.sha256 {
            return;
        }
        let descriptor = match AipDescriptor::parse(&bytes) {
            Ok(descriptor) => descriptor,
            Err(error) => return exam.findings.explain(Fault::DescriptorForm, place, &error),
        };
        if !matches(&descriptor, entry, &openings) {
            return exam.findings.add(Fault::DescriptorDiffers, place);
        }
        self.fixity(exam, &descriptor, &openings, &place);
    }

    fn fixity(&self, exam: &mut Examination<'_>, descriptor: &AipDescriptor, openings: &[&Opening], place: &Place) {
        for (position, file) in descriptor.files.iter().enumerate() {
            let opening = openings.iter().find(|o| o.sha256 == file.sha256);
            let trace = opening.and_then(|o| self.traces.get(&o.commitment()));
            let Some(Trace::Found(found)) = trace else { continue };
            let sha512_agrees = opening.is_none_or(|o| o.sha512.is_none() || o.sha512 == file.sha512);
            if *found != fingerprint(file.size, &file.blake3.0) || !sha512_agrees {
                exam.findings.add(Fault::FixityDiffers, place.clone().at(position as u64));
            }
        }
    }
}

/// The line of an entry in its commit's journal, from 1.
fn line_of(commit: &Commit, entry: &JournalEntry) -> u64 {
    entry.seq.0 - commit.trailer.first.0 + 1
}

fn tenant_of<'a>(commit: &'a Commit, opening: &Opening) -> Option<&'a TenantId> {
    let index = opening.seq.0.checked_sub(commit.trailer.first.0)?;
    commit.entries.get(index as usize).map(|(entry, _)| &entry.tenant)
}

fn addresses(commit: &Commit) -> HashMap<Commitment, (TenantId, Sha256Digest)> {
    let address = |o: &Opening| Some((o.commitment(), (tenant_of(commit, o)?.clone(), o.sha256)));
    commit.openings.iter().filter_map(address).collect()
}

/// Whether a descriptor tells of the same archive and the same objects as its entry. Openings may be missing.
fn matches(descriptor: &AipDescriptor, entry: &JournalEntry, openings: &[&Opening]) -> bool {
    let same_archive = entry.subject == format!("archive:{}", descriptor.archive) && entry.tenant == descriptor.tenant;
    let mut files = descriptor.files.iter();
    let in_order = openings.iter().skip(1).all(|o| files.any(|file| file.sha256 == o.sha256));
    same_archive && in_order && entry.commitments.len() == descriptor.files.len() + 1
}

fn descriptor_bytes(
    exam: &mut Examination<'_>,
    opened: &Opened<'_>,
    tenant: &TenantId,
    own: &Opening,
) -> Option<Vec<u8>> {
    if let Some(object) = opened.commit.object(tenant, &own.sha256) {
        return Some(opened.bytes[object.offset as usize..(object.offset + object.size) as usize].to_vec());
    }
    let direct = opened.commit.trailer.containers.iter().find(|d| d.commitment == own.commitment())?;
    let name = direct.container.as_str();
    let length = exam.source.size(name).ok().flatten()?;
    let read = |offset, bytes| exam.source.read(name, offset..offset + bytes as u64);
    let head = Scanner::new(length, read).next()?.ok()?;
    let fits = head.size <= JSON_BYTES_MAX as u64;
    fits.then(|| exam.source.read(name, head.data_offset..head.data_offset + head.size).ok())?
}

fn hash(bytes: &[u8]) -> Digests {
    let mut hasher = MultiHasher::new(false);
    hasher.update(bytes);
    hasher.finish()
}

fn hash_range(exam: &mut Examination<'_>, name: &str, start: u64, size: u64) -> Result<Digests, SourceError> {
    let mut hasher = MultiHasher::new(false);
    stream(exam.source, name, start..start + size, |chunk| hasher.update(chunk))?;
    exam.facts.counts.objects += 1;
    exam.facts.counts.bytes += size;
    Ok(hasher.finish())
}
