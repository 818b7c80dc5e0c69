//! The log: its key, the checkpoint, the inclusion of every entry about the archive; and the receipt.

use cartulaire_formats::bundle::{
    CHECKPOINT, CHECKPOINT_BODY, JOURNAL_EXTRACT, JOURNAL_PROOFS, LOG_KEY_PEM, LOG_PROOF, POLICY, RECEIPT,
};
use cartulaire_formats::checkpoint::{CheckpointError, SignedCheckpoint};
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::jcs;
use cartulaire_formats::journal::{JournalEntry, leaf_hash};
use cartulaire_formats::layout::SequenceNumber;
use cartulaire_formats::merkle::{InclusionProof, LeafIndex, NodeHash};
use cartulaire_formats::note::{Note, VerifierKey};
use cartulaire_formats::receipt::{Receipt, ReceivedFile};
use cartulaire_formats::time::Timestamp;
use cartulaire_formats::tlog_proof::TlogProof;
use serde::Deserialize;

use super::Examination;
use super::deposit::Deposit;
use crate::finding::{Fault, Findings, Place};
use crate::report::LogFact;

/// What the bundle shows of the log.
pub(super) struct Log {
    pub key: Option<VerifierKey>,
    /// Time of the youngest entry shown.
    pub youngest: Option<Timestamp>,
}

pub(super) fn examine(exam: &mut Examination<'_>, deposit: &Deposit) -> Log {
    let key = log_key(exam);
    let bytes = exam.file(CHECKPOINT);
    let checkpoint = match (&bytes, &key) {
        (Some(bytes), Some(key)) => open_checkpoint(bytes, key, &Place::object(CHECKPOINT), &mut exam.findings),
        _ => None,
    };
    examine_proof(exam, deposit, bytes.as_deref(), checkpoint.as_ref());
    let youngest = examine_extract(exam, deposit, checkpoint.as_ref());
    if let (Some(key), Some(signed)) = (&key, &checkpoint) {
        exam.facts.log = Some(LogFact {
            origin: signed.checkpoint().origin().to_string(),
            key: key.to_string(),
            key_given: exam.trust.log_key.is_some(),
            size: signed.checkpoint().size().0,
        });
    }
    Log { key, youngest }
}

/// The key given, else the one found, which authenticates nothing.
fn log_key(exam: &mut Examination<'_>) -> Option<VerifierKey> {
    let found = exam.file(POLICY).and_then(|text| {
        let key = parse_policy(&text);
        if key.is_none() {
            exam.findings.add(Fault::PolicyForm, Place::object(POLICY));
        }
        key
    });
    let given = exam.trust.log_key.clone();
    match (&given, &found) {
        (None, _) => exam.findings.add(Fault::LogKeyNotGiven, Place::object(POLICY)),
        (Some(given), Some(found)) if given != found => {
            exam.findings.add(Fault::LogKeyDiffers, Place::object(POLICY));
        }
        _ => {}
    }
    let key = given.or(found);
    let pem = exam.file(LOG_KEY_PEM);
    if let (Some(key), Some(pem)) = (&key, pem)
        && key.to_pem().as_bytes() != pem
    {
        exam.findings.add(Fault::LogKeyDiffers, Place::object(LOG_KEY_PEM));
    }
    key
}

fn parse_policy(text: &[u8]) -> Option<VerifierKey> {
    let line = std::str::from_utf8(text).ok()?.strip_suffix("\nquorum none\n")?;
    line.strip_prefix("log ")?.parse().ok()
}

/// Opens a signed checkpoint; what is wrong with it becomes a finding at `place`.
pub(crate) fn open_checkpoint(
    bytes: &[u8],
    key: &VerifierKey,
    place: &Place,
    findings: &mut Findings,
) -> Option<SignedCheckpoint> {
    match SignedCheckpoint::open(bytes, key, &[]) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) => {
            let fault = match error {
                CheckpointError::Note(_) | CheckpointError::Text(_) => Fault::CheckpointForm,
                _ => Fault::CheckpointSignature,
            };
            findings.explain(fault, place.clone(), &error);
            None
        }
    }
}

fn examine_proof(
    exam: &mut Examination<'_>,
    deposit: &Deposit,
    checkpoint_bytes: Option<&[u8]>,
    checkpoint: Option<&SignedCheckpoint>,
) {
    let body = exam.file(CHECKPOINT_BODY);
    if let (Some(body), Some(signed)) = (&body, checkpoint)
        && body != signed.text().as_bytes()
    {
        exam.findings.add(Fault::CheckpointCopies, Place::object(CHECKPOINT_BODY));
    }
    let Some(bytes) = exam.file(LOG_PROOF) else { return };
    let place = Place::object(LOG_PROOF);
    let proof = match TlogProof::parse(&bytes) {
        Ok(proof) if proof.extra().is_none() => proof,
        Ok(_) => return exam.findings.add(Fault::ProofForm, place),
        Err(error) => return exam.findings.explain(Fault::ProofForm, place, &error),
    };
    if checkpoint_bytes.is_some_and(|bytes| bytes != proof.checkpoint().to_string().as_bytes()) {
        exam.findings.add(Fault::CheckpointCopies, place.clone());
    }
    let (Some(entry), Some(leaf), Some(signed)) = (&deposit.entry, &deposit.leaf, checkpoint) else { return };
    if entry.seq.0 != proof.index().0 || !included(leaf, entry.seq, proof.path(), signed) {
        exam.findings.add(Fault::ProofFails, place);
    }
}

/// Whether the log of a checkpoint has `line` at `seq`.
fn included(line: &[u8], seq: SequenceNumber, path: &[NodeHash], signed: &SignedCheckpoint) -> bool {
    let checkpoint = signed.checkpoint();
    InclusionProof::new(LeafIndex(seq.0), checkpoint.size(), path.to_vec())
        .and_then(|proof| proof.verify(&leaf_hash(line), &checkpoint.root()))
        .is_ok()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryProof {
    proof: Vec<NodeHash>,
    seq: SequenceNumber,
}

/// The lines of a file that ends with a line feed or is empty, numbered from 1.
fn numbered(bytes: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    bytes.strip_suffix(b"\n").into_iter().flat_map(|body| body.split(|b| *b == b'\n')).zip(1..).map(|(l, n)| (n, l))
}

/// Every event of the archive's life: in order, about it, in the log.
fn examine_extract(
    exam: &mut Examination<'_>,
    deposit: &Deposit,
    checkpoint: Option<&SignedCheckpoint>,
) -> Option<Timestamp> {
    let extract = exam.file(JOURNAL_EXTRACT)?;
    let proofs = exam.file(JOURNAL_PROOFS)?;
    let mut proofs = numbered(&proofs);
    let mut previous: Option<(JournalEntry, &[u8])> = None;
    let (mut has_deposit, mut youngest) = (false, None);
    for (number, line) in numbered(&extract) {
        has_deposit |= Some(line) == deposit.leaf.as_deref();
        let proof = proofs.next();
        let place = Place::object(JOURNAL_EXTRACT).at(number);
        let entry = match JournalEntry::parse(line) {
            Ok(entry) => entry,
            Err(error) => {
                exam.findings.explain(Fault::EntryForm, place, &error);
                continue;
            }
        };
        check_entry(&mut exam.findings, &entry, deposit, previous.as_ref(), &place);
        if let (Some(signed), Some((number, proof))) = (checkpoint, proof) {
            check_proof(&mut exam.findings, &entry, line, proof, signed, number);
        } else if checkpoint.is_some() {
            exam.findings.add(Fault::ProofForm, Place::object(JOURNAL_PROOFS).at(number));
        }
        youngest = youngest.max(Some(entry.time));
        exam.facts.counts.entries += 1;
        previous = Some((entry, line));
    }
    if let Some((number, _)) = proofs.next() {
        exam.findings.add(Fault::ProofForm, Place::object(JOURNAL_PROOFS).at(number));
    }
    if deposit.leaf.is_some() && !has_deposit {
        exam.findings.add(Fault::ExtractLacksDeposit, Place::object(JOURNAL_EXTRACT));
    }
    youngest
}

fn check_entry(
    findings: &mut Findings,
    entry: &JournalEntry,
    deposit: &Deposit,
    previous: Option<&(JournalEntry, &[u8])>,
    place: &Place,
) {
    let about = |subject: &str, tenant| entry.subject == subject && entry.tenant == tenant;
    if deposit.entry.as_ref().is_some_and(|own| !about(&own.subject, own.tenant.clone())) {
        findings.add(Fault::OtherSubject, place.clone());
    }
    let Some((before, line)) = previous else { return };
    if entry.seq <= before.seq {
        findings.add(Fault::EntryOrder, place.clone());
    }
    if entry.time < before.time {
        findings.add(Fault::TimeBackwards, place.clone());
    }
    // Of one tenant, entries with consecutive numbers have none between them, so the one must name the other.
    let adjacent = entry.seq == before.seq.next() && entry.tenant == before.tenant;
    if adjacent && entry.prev != Some(leaf_hash(line)) {
        findings.add(Fault::EntryChain, place.clone());
    }
}

fn check_proof(
    findings: &mut Findings,
    entry: &JournalEntry,
    line: &[u8],
    proof: &[u8],
    signed: &SignedCheckpoint,
    number: u64,
) {
    let place = Place::object(JOURNAL_PROOFS).at(number);
    let Ok(Some(proof)) = jcs::from_canonical::<EntryProof>(proof) else {
        return findings.add(Fault::ProofForm, place);
    };
    if proof.seq != entry.seq || !included(line, entry.seq, &proof.proof, signed) {
        findings.add(Fault::ProofFails, place);
    }
}

/// The receipt is the key's word, and it says what was just re-derived.
pub(super) fn examine_receipt(exam: &mut Examination<'_>, deposit: &Deposit, log: &Log) {
    let Some(bytes) = exam.file(RECEIPT) else { return };
    let Some(key) = &log.key else { return };
    let Some(receipt) = open_receipt(&bytes, key, &Place::object(RECEIPT), &mut exam.findings) else { return };
    let (Some(descriptor), Some(entry), Some(leaf)) = (&deposit.descriptor, &deposit.entry, &deposit.leaf) else {
        return;
    };
    let files = descriptor.files.iter();
    let files = files.map(|f| ReceivedFile { name: f.name.clone(), sha256: f.sha256, size: f.size });
    let expected = Receipt {
        archive: descriptor.archive,
        // The bundle does not show commits; the number is the service's own.
        commit: receipt.commit,
        descriptor: Sha256Digest::of(&descriptor.encode()),
        entry: leaf_hash(leaf),
        files: files.collect(),
        log: key.name().to_string(),
        seq: entry.seq,
        tenant: descriptor.tenant.clone(),
        time: entry.time,
        transfer: descriptor.transfer.clone(),
    };
    if receipt != expected {
        exam.findings.add(Fault::ReceiptDiffers, Place::object(RECEIPT));
    }
}

/// Opens a receipt; what is wrong with it becomes a finding at `place`.
pub(crate) fn open_receipt(bytes: &[u8], key: &VerifierKey, place: &Place, findings: &mut Findings) -> Option<Receipt> {
    let note = match Note::parse(bytes) {
        Ok(note) => note,
        Err(error) => {
            findings.explain(Fault::ReceiptForm, place.clone(), &error);
            return None;
        }
    };
    if let Err(error) = note.verify(std::slice::from_ref(key)) {
        findings.explain(Fault::ReceiptSignature, place.clone(), &error);
        return None;
    }
    match Receipt::parse(note.text()) {
        Ok(receipt) => Some(receipt),
        Err(error) => {
            findings.explain(Fault::ReceiptForm, place.clone(), &error);
            None
        }
    }
}
