//! The deposit: documents, descriptor and blinds against the commitments of its journal entry.

use std::collections::BTreeSet;

use cartulaire_formats::aip::{AipDescriptor, DescribedFile};
use cartulaire_formats::bundle::{self, DESCRIPTOR, LEAF};
use cartulaire_formats::hash::{Blind, Commitment, Digests};
use cartulaire_formats::journal::{EventType, JournalEntry, Outcome};

use super::Examination;
use crate::finding::{Fault, Place};
use crate::report::{DepositFact, DocumentFact};
use crate::source::is_safe_name;

/// An object of the deposit: the descriptor first, then its files.
pub(super) struct Object {
    /// Its file in the bundle.
    pub name: String,
    /// Digests of the bytes found; none if they are missing.
    pub digests: Option<Digests>,
    /// Its blind, if it can be read.
    pub blind: Option<Blind>,
    /// Whether the second evidence tree has a leaf for it.
    pub in_sha512_tree: bool,
}

/// What the bundle says of the deposit, as far as it can be read.
pub(super) struct Deposit {
    pub descriptor: Option<AipDescriptor>,
    pub entry: Option<JournalEntry>,
    /// The entry's bytes: the leaf of the log.
    pub leaf: Option<Vec<u8>>,
    pub objects: Vec<Object>,
}

pub(super) fn examine(exam: &mut Examination<'_>, top: Option<&str>) -> Deposit {
    let descriptor = read_descriptor(exam, top);
    let leaf = exam.file(LEAF);
    let entry = leaf.as_deref().and_then(|line| read_entry(exam, line, descriptor.as_ref()));
    let mut objects = vec![object(exam, 0, DESCRIPTOR.to_owned(), true)];
    for (index, file) in descriptor.iter().flat_map(|d| d.files.iter().enumerate()) {
        examine_document(exam, file);
        objects.push(object(exam, index + 1, bundle::document(&file.name), file.sha512.is_some()));
    }
    if let Some(entry) = &entry {
        check_commitments(exam, entry, &objects, descriptor.is_some());
    }
    if let Some(descriptor) = &descriptor {
        exam.facts.deposit = Some(fact(descriptor, entry.as_ref()));
    }
    Deposit { descriptor, entry, leaf, objects }
}

fn read_descriptor(exam: &mut Examination<'_>, top: Option<&str>) -> Option<AipDescriptor> {
    let bytes = exam.file(DESCRIPTOR)?;
    let descriptor = match AipDescriptor::parse(&bytes) {
        Ok(descriptor) => descriptor,
        Err(error) => {
            exam.findings.explain(Fault::DescriptorForm, Place::object(DESCRIPTOR), &error);
            return None;
        }
    };
    if let Some(top) = top.filter(|top| **top != descriptor.archive.to_string()) {
        exam.findings.add(Fault::TopFolder, Place::object(top));
    }
    let mut names = BTreeSet::new();
    for (index, file) in descriptor.files.iter().enumerate() {
        let place = Place::object(DESCRIPTOR).at(index as u64);
        if !is_safe_name(&file.name) || file.name.contains('/') {
            exam.findings.add(Fault::UnsafeName, place);
        } else if !names.insert(&file.name) {
            exam.findings.add(Fault::DuplicateName, place);
        }
    }
    Some(descriptor)
}

fn read_entry(exam: &mut Examination<'_>, line: &[u8], descriptor: Option<&AipDescriptor>) -> Option<JournalEntry> {
    let place = Place::object(LEAF);
    let entry = match JournalEntry::parse(line) {
        Ok(entry) => entry,
        Err(error) => {
            exam.findings.explain(Fault::EntryForm, place, &error);
            return None;
        }
    };
    if entry.event != EventType::Deposit || entry.outcome != Outcome::Success {
        exam.findings.add(Fault::NotADeposit, place.clone());
    }
    let about = |d: &AipDescriptor| entry.subject == format!("archive:{}", d.archive) && entry.tenant == d.tenant;
    if descriptor.is_some_and(|descriptor| !about(descriptor)) {
        exam.findings.add(Fault::OtherSubject, place);
    }
    Some(entry)
}

fn examine_document(exam: &mut Examination<'_>, file: &DescribedFile) {
    let name = bundle::document(&file.name);
    exam.expected.insert(name.clone());
    let Some(found) = exam.digests.get(&name) else {
        return exam.miss(&name);
    };
    let rules = [
        ("size", found.size == file.size),
        ("sha256", found.sha256 == file.sha256),
        ("blake3", found.blake3 == file.blake3),
        ("sha512", file.sha512.is_none() || file.sha512 == found.sha512),
    ];
    let fact = DocumentFact { name: file.name.clone(), sha256: found.sha256.to_string(), size: found.size };
    exam.facts.documents.push(fact);
    let broken: Vec<&str> = rules.iter().filter(|(_, holds)| !holds).map(|(rule, _)| *rule).collect();
    if !broken.is_empty() {
        exam.findings.explain(Fault::DocumentDiffers, Place::object(name), &broken.join(", "));
    }
}

fn object(exam: &mut Examination<'_>, position: usize, name: String, in_sha512_tree: bool) -> Object {
    let blind_name = bundle::blind(position);
    let blind = exam.file(&blind_name).and_then(|text| {
        let blind = std::str::from_utf8(&text).ok().and_then(|t| t.strip_suffix('\n')).and_then(|t| t.parse().ok());
        if blind.is_none() {
            exam.findings.add(Fault::BlindForm, Place::object(&blind_name));
        }
        blind
    });
    let digests = exam.digests.get(&name).copied();
    Object { name, digests, blind, in_sha512_tree }
}

/// Every object opens its commitment, and there are no others.
fn check_commitments(exam: &mut Examination<'_>, entry: &JournalEntry, objects: &[Object], all_known: bool) {
    if all_known && entry.commitments.len() != objects.len() {
        exam.findings.add(Fault::CommitmentCount, Place::object(LEAF));
    }
    for (position, (object, commitment)) in objects.iter().zip(&entry.commitments).enumerate() {
        let (Some(digests), Some(blind)) = (&object.digests, &object.blind) else { continue };
        if Commitment::new(blind, &digests.sha256) != *commitment {
            let place = Place::object(&object.name).at(position as u64);
            exam.findings.add(Fault::CommitmentDiffers, place);
        }
    }
}

fn fact(descriptor: &AipDescriptor, entry: Option<&JournalEntry>) -> DepositFact {
    DepositFact {
        archive: descriptor.archive.to_string(),
        tenant: descriptor.tenant.to_string(),
        title: descriptor.title.clone(),
        depositor: descriptor.depositor.clone(),
        transfer: descriptor.transfer.clone(),
        received: descriptor.received.to_string(),
        committed: entry.map(|entry| entry.time.to_string()),
        entry: entry.map(|entry| entry.seq.0),
    }
}
