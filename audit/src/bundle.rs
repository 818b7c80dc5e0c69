//! Verifying a proof bundle (`docs/format.md` §9): every claim is re-derived from its bytes.
//!
//! The chain of the argument, each step of which has its findings:
//!
//! 1. the bag is whole: every file listed with both digests, none besides ([`bag`]);
//! 2. the documents are those of the descriptor, and descriptor and documents are those of the deposit's journal entry,
//!    through commitments that nobody can open to anything else ([`deposit`]);
//! 3. the entry is in the log whose checkpoint the log's key signed ([`log`]);
//! 4. every object and the checkpoint itself lead to one digest that an authority stamped ([`evidence`]);
//! 5. the receipt says the same ([`log`]).
//!
//! An evidence record alone never convinces: RFC 4998 does not tell an object from the node above two others.

mod bag;
mod deposit;
mod evidence;
mod log;

use std::collections::{BTreeMap, BTreeSet};

use cartulaire_formats::hash::Digests;

use crate::bounds::PROOF_FILE_BYTES_MAX;
use crate::finding::{Claim, Fault, Findings, Place};
use crate::report::{Facts, Limit, Report, Subject};
use crate::source::{ReadSeek, Source, Zip, ZipFault, read_whole};
use crate::trust::Trust;
pub(crate) use evidence::is_after;
pub(crate) use log::{open_checkpoint, open_receipt};

/// Verifies a bundle in a ZIP.
///
/// Memory is bounded whatever the documents' size.
#[must_use]
pub fn verify_zip(reader: impl ReadSeek + 'static, trust: &Trust) -> Report {
    match Zip::open(reader) {
        Ok(zip) => verify(&zip, Some(zip.top()), trust),
        Err(fault) => unreadable(&fault),
    }
}

/// Verifies an unpacked bundle.
///
/// - `top`: name of the folder that it must have, the archive's identifier; `None` where the folder was named by others.
#[must_use]
pub fn verify(source: &dyn Source, top: Option<&str>, trust: &Trust) -> Report {
    let mut exam = Examination {
        source,
        trust,
        findings: Findings::default(),
        facts: Facts::default(),
        digests: BTreeMap::new(),
        expected: BTreeSet::new(),
        missing: BTreeSet::new(),
    };
    bag::examine(&mut exam);
    let deposit = deposit::examine(&mut exam, top);
    let log = log::examine(&mut exam, &deposit);
    let revocation_settled = evidence::examine(&mut exam, &deposit, &log);
    log::examine_receipt(&mut exam, &deposit, &log);
    exam.refuse_strangers();
    let not_proven = limits(trust, revocation_settled);
    Report::new(Subject::Bundle, exam.findings, Claim::ALL, exam.facts, not_proven)
}

fn limits(trust: &Trust, revocation_settled: bool) -> Vec<Limit> {
    let always =
        [Limit::Truth, Limit::Author, Limit::Before, Limit::Declared, Limit::Extract, Limit::Later, Limit::Qualified];
    let mut limits = always.to_vec();
    limits.extend((!revocation_settled).then_some(Limit::Revocation));
    limits.extend(trust.log_key.is_none().then_some(Limit::LogKey));
    limits.extend(trust.anchors.is_none().then_some(Limit::TrustRoot));
    limits
}

fn unreadable(fault: &ZipFault) -> Report {
    let (what, name) = match fault {
        ZipFault::Read(_) => (Fault::Unreadable, ""),
        ZipFault::Unreadable => (Fault::ZipUnreadable, ""),
        ZipFault::TooManyEntries { .. } => (Fault::TooManyFiles, ""),
        ZipFault::Name { .. } => (Fault::UnsafeName, ""),
        ZipFault::Duplicate { name } => (Fault::DuplicateName, name.as_str()),
        ZipFault::Entry { name } => (Fault::ZipEntry, name.as_str()),
        ZipFault::Hidden { name } => (Fault::ZipHidden, name.as_str()),
        ZipFault::TopFolder => (Fault::TopFolder, ""),
    };
    let mut findings = Findings::default();
    findings.explain(what, Place::object(name), fault);
    Report::new(Subject::Bundle, findings, &[], Facts::default(), limits_of_unread())
}

fn limits_of_unread() -> Vec<Limit> {
    vec![Limit::Truth, Limit::Author, Limit::Before]
}

/// What is known of a bundle while it is examined.
struct Examination<'a> {
    source: &'a dyn Source,
    trust: &'a Trust,
    findings: Findings,
    facts: Facts,
    /// Digests of every file found, by its name.
    digests: BTreeMap<String, Digests>,
    /// Names that a bundle of this archive has.
    expected: BTreeSet<String>,
    /// Names already reported as missing.
    missing: BTreeSet<String>,
}

impl Examination<'_> {
    /// Reads a proof file that the bundle must have; its absence is a finding.
    fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        self.expected.insert(name.to_owned());
        if !self.digests.contains_key(name) {
            self.miss(name);
            return None;
        }
        match read_whole(self.source, name, PROOF_FILE_BYTES_MAX) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                self.findings.explain(Fault::Unreadable, Place::object(name), &error);
                None
            }
        }
    }

    /// Reports a file as missing, once.
    fn miss(&mut self, name: &str) {
        if self.missing.insert(name.to_owned()) {
            self.findings.add(Fault::FileMissing, Place::object(name));
        }
    }

    fn found(&self, name: &str) -> bool {
        self.digests.contains_key(name)
    }

    /// Names every file that a bundle of this archive does not have.
    fn refuse_strangers(&mut self) {
        for name in self.digests.keys().filter(|name| !self.expected.contains(*name)) {
            self.findings.add(Fault::FileUnexpected, Place::object(name));
        }
    }
}
