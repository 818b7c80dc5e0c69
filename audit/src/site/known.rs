//! What the caller knows from elsewhere: the site must contain it and extend it, or it was rolled back or forked.

use std::collections::BTreeMap;

use cartulaire_formats::checkpoint::SignedCheckpoint;
use cartulaire_formats::layout::CommitNumber;
use cartulaire_formats::merkle::LeafHash;
use cartulaire_formats::receipt::Receipt;

use super::{Examination, Known};
use crate::bundle::open_receipt;
use crate::finding::{Fault, Place};

/// Roots and entries that must come by.
#[derive(Default)]
pub(super) struct Watch {
    roots: BTreeMap<u64, Vec<(String, [u8; 32])>>,
    entries: BTreeMap<u64, Vec<(String, Receipt)>>,
}

impl Watch {
    pub(super) fn new(exam: &mut Examination<'_>, known: &Known) -> Self {
        let mut watch = Self::default();
        let Some(key) = exam.key.clone() else { return watch };
        for (label, bytes) in &known.checkpoints {
            match SignedCheckpoint::open(bytes, &key, &[]) {
                Ok(signed) => {
                    let (size, root) = (signed.checkpoint().size().0, signed.checkpoint().root().0);
                    watch.roots.entry(size).or_default().push((label.clone(), root));
                }
                Err(error) => exam.findings.explain(Fault::KnownForeign, Place::object(label), &error),
            }
        }
        for (label, bytes) in &known.receipts {
            if let Some(receipt) = open_receipt(bytes, &key, &Place::object(label), &mut exam.findings) {
                watch.entries.entry(receipt.seq.0).or_default().push((label.clone(), receipt));
            }
        }
        watch
    }

    /// The log has `size` entries and, unless some are missing, this root.
    pub(super) fn root(&mut self, exam: &mut Examination<'_>, size: u64, root: impl FnOnce() -> Option<[u8; 32]>) {
        let Some(watched) = self.roots.remove(&size) else { return };
        let root = root();
        for (label, known) in watched {
            if root != Some(known) {
                exam.findings.add(Fault::KnownBroken, Place::object(label));
            }
        }
    }

    /// Entry `seq` has this leaf hash and is in this commit.
    pub(super) fn entry(&mut self, exam: &mut Examination<'_>, seq: u64, leaf: LeafHash, commit: CommitNumber) {
        for (label, receipt) in self.entries.remove(&seq).into_iter().flatten() {
            if receipt.entry != leaf || receipt.commit != commit {
                exam.findings.add(Fault::ReceiptBroken, Place::object(label));
            }
        }
    }

    /// What has not come by never will.
    pub(super) fn finish(self, exam: &mut Examination<'_>) {
        for (label, _) in self.roots.into_values().flatten() {
            exam.findings.add(Fault::KnownBroken, Place::object(label));
        }
        for (label, _) in self.entries.into_values().flatten() {
            exam.findings.add(Fault::ReceiptBroken, Place::object(label));
        }
    }
}
