//! Seals: each checkpoint against the recomputed log, each evidence tree against the openings, each token over its root.

use std::collections::{BTreeMap, BTreeSet};

use cartulaire_formats::checkpoint::{Checkpoint, SignedCheckpoint};
use cartulaire_formats::commit::Opening;
use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::journal::JournalEntry;
use cartulaire_formats::layout::{self, EvidenceAlgorithm, SealNumber};
use cartulaire_formats::note::Note;
use cartulaire_formats::tsp::{MessageImprint, TimeStampToken};

use super::Examination;
use super::log::MerkleStack;
use crate::bounds::{LEAVES_BYTES_MAX, SMALL_FILE_BYTES_MAX};
use crate::bundle::{is_after, open_checkpoint};
use crate::finding::{Fault, Place};
use crate::record;
use crate::token;

/// What an evidence tree holds for one commitment: its opening, or nothing where that is lost.
pub(super) type EvidenceItem = Option<Opening>;

const ALGORITHMS: [EvidenceAlgorithm; 2] = [EvidenceAlgorithm::Sha256, EvidenceAlgorithm::Sha512];

/// The root of the seal before, in one algorithm.
#[derive(Clone, PartialEq, Eq)]
enum PreviousRoot {
    /// There was no such tree: the leaf is H("").
    None,
    Known(Vec<u8>),
    /// It could not be recomputed.
    Unknown,
}

/// What is known of a seal's entries when its evidence trees are judged.
#[derive(Clone, Copy)]
struct Tree {
    /// Whether the openings of all of them were read.
    whole: bool,
    /// Time of the youngest, in milliseconds since 1970; the least of all if they are not the sealed ones.
    youngest_millis: i64,
}

/// The seals still to come, and what the last one left.
pub(super) struct Seals {
    count: u64,
    next: SealNumber,
    upcoming: Option<SignedCheckpoint>,
    /// Entries that the last seal at rest covers, as it says itself.
    pub sealed: u64,
    last_size: u64,
    items: Vec<EvidenceItem>,
    /// From this entry on, `items` has all of them.
    items_from: u64,
    /// First entry that the upcoming seal covers, unless the seal before could not be opened.
    start: Option<u64>,
    youngest_millis: i64,
    previous: BTreeMap<EvidenceAlgorithm, PreviousRoot>,
    pending: BTreeSet<(SealNumber, EvidenceAlgorithm)>,
}

impl Seals {
    pub(super) fn new(exam: &mut Examination<'_>, count: u64) -> Self {
        let sealed = count.checked_sub(1).map_or(0, |last| claimed_size(exam, SealNumber(last)));
        let mut seals = Self {
            count,
            next: SealNumber(0),
            upcoming: None,
            sealed,
            last_size: 0,
            items: Vec::new(),
            items_from: 0,
            start: Some(0),
            youngest_millis: 0,
            previous: ALGORITHMS.map(|a| (a, PreviousRoot::None)).into(),
            pending: BTreeSet::new(),
        };
        seals.advance(exam);
        seals
    }

    /// Opens the next checkpoint that can be opened.
    fn advance(&mut self, exam: &mut Examination<'_>) {
        self.upcoming = None;
        while self.upcoming.is_none() && self.next.0 < self.count {
            let name = layout::checkpoint(self.next).to_string();
            let bytes = exam.object(&name, SMALL_FILE_BYTES_MAX, Some(Fault::CheckpointMissing));
            if let (Some(bytes), Some(key)) = (bytes, exam.key.clone()) {
                self.upcoming = open_checkpoint(&bytes, &key, &Place::object(&name), &mut exam.findings);
            }
            if self.upcoming.is_none() {
                self.forget_roots();
                self.start = None;
                self.next = self.next.next();
            }
        }
    }

    /// Entries are missing up to an unknown one: no evidence tree is known until [`Self::resume`].
    pub(super) fn lose(&mut self) {
        self.items_from = u64::MAX;
    }

    /// Entries are known again from `size` on.
    pub(super) fn resume(&mut self, size: u64) {
        self.items_from = size;
    }

    fn forget_roots(&mut self) {
        self.previous = ALGORITHMS.map(|a| (a, PreviousRoot::Unknown)).into();
    }

    /// Takes what the evidence trees hold for one entry.
    pub(super) fn take(&mut self, items: impl IntoIterator<Item = EvidenceItem>, millis: i64) {
        self.items.extend(items);
        self.youngest_millis = self.youngest_millis.max(millis);
    }

    /// Settles every seal that the log has reached.
    pub(super) fn settle(&mut self, exam: &mut Examination<'_>, log: &MerkleStack) {
        while let Some(signed) = self.upcoming.take_if(|signed| signed.checkpoint().size().0 <= log.size()) {
            let place = Place::object(layout::checkpoint(self.next).as_str());
            let (size, root) = (signed.checkpoint().size().0, signed.checkpoint().root().0);
            let reached = size == log.size();
            let own = log.root().filter(|_| reached);
            match own {
                _ if size < self.last_size => exam.findings.add(Fault::CheckpointShrinks, place),
                Some(own) if own == root => {}
                Some(_) => exam.findings.add(Fault::RootDiffers, place),
                None => exam.findings.add(Fault::RootUnknown, place),
            }
            let tree = Tree {
                whole: reached && self.start.is_some_and(|start| start >= self.items_from),
                // Only where the entries are the right ones do their times say anything of this seal.
                youngest_millis: if own == Some(root) { self.youngest_millis } else { i64::MIN },
            };
            self.evidence(exam, &signed, tree);
            self.close(exam, size);
        }
    }

    fn close(&mut self, exam: &mut Examination<'_>, size: u64) {
        exam.facts.counts.seals += 1;
        self.last_size = self.last_size.max(size);
        self.start = Some(size);
        if let Some(log) = &mut exam.facts.log {
            log.size = self.last_size;
        }
        self.items.clear();
        self.next = self.next.next();
        self.advance(exam);
    }

    fn evidence(&mut self, exam: &mut Examination<'_>, signed: &SignedCheckpoint, tree: Tree) {
        for algorithm in ALGORITHMS {
            let names = (layout::evidence_leaves(self.next, algorithm), layout::token(self.next, algorithm));
            let (leaves, token) = (names.0.to_string(), names.1.to_string());
            let optional = algorithm == EvidenceAlgorithm::Sha512;
            if optional && !exam.exists(&leaves) && !exam.exists(&token) {
                self.previous.insert(algorithm, PreviousRoot::None);
                continue;
            }
            let root = self.tree(exam, signed.text(), algorithm, &leaves, tree.whole);
            self.token(exam, (algorithm, &token), root.as_deref(), tree.youngest_millis);
            let root = root.map_or(PreviousRoot::Unknown, PreviousRoot::Known);
            self.previous.insert(algorithm, root);
        }
    }

    /// Compares the leaves at rest with those of the openings; returns the root of what can be relied on.
    fn tree(
        &self,
        exam: &mut Examination<'_>,
        text: &str,
        algorithm: EvidenceAlgorithm,
        name: &str,
        whole: bool,
    ) -> Option<Vec<u8>> {
        let found = exam.object(name, LEAVES_BYTES_MAX, Some(Fault::LeavesMissing));
        let expected = if whole { self.leaves(text, algorithm) } else { None };
        let complete = expected.as_ref().and_then(|leaves| leaves.iter().cloned().collect::<Option<Vec<_>>>());
        if let (Some(found), Some(expected)) = (&found, &expected)
            && let Some(position) = first_difference(found, expected, algorithm.digest_len())
        {
            exam.findings.add(Fault::LeavesDiffer, Place::object(name).at(position));
        }
        match (complete, found) {
            (Some(leaves), _) => record::tree_root(algorithm, &leaves.concat()),
            (None, Some(found)) => record::tree_root(algorithm, &found),
            (None, None) => None,
        }
    }

    /// The leaves as the openings give them, `None` where one is not known; none at all where even their number is not.
    fn leaves(&self, text: &str, algorithm: EvidenceAlgorithm) -> Option<Vec<Option<Vec<u8>>>> {
        let lost = self.items.iter().any(Option::is_none);
        if lost && algorithm == EvidenceAlgorithm::Sha512 {
            return None;
        }
        let previous = match self.previous.get(&algorithm) {
            None | Some(PreviousRoot::None) => Some(record::digest(algorithm, b"")),
            Some(PreviousRoot::Known(root)) => Some(root.clone()),
            Some(PreviousRoot::Unknown) => None,
        };
        let mut leaves = vec![Some(record::digest(algorithm, text.as_bytes())), previous];
        for item in &self.items {
            match (item, algorithm) {
                (None, _) => leaves.push(None),
                (Some(o), EvidenceAlgorithm::Sha256) => {
                    leaves.push(Some(record::node(algorithm, &o.sha256.0, &o.blind.0)));
                }
                (Some(o), EvidenceAlgorithm::Sha512) => {
                    leaves.extend(o.sha512.map(|d| Some(record::node(algorithm, &d.0, &o.blind.for_sha512().0))));
                }
            }
        }
        Some(leaves)
    }

    fn token(
        &mut self,
        exam: &mut Examination<'_>,
        (algorithm, name): (EvidenceAlgorithm, &str),
        root: Option<&[u8]>,
        youngest_millis: i64,
    ) {
        if !exam.exists(name) {
            self.pending.insert((self.next, algorithm));
            return;
        }
        let Some(bytes) = exam.object(name, SMALL_FILE_BYTES_MAX, None) else { return };
        let imprint = root.and_then(|root| MessageImprint::new(record::hash_algorithm(algorithm), root));
        // Where the tree is lost, its own finding says so; nothing can be said of the token.
        let Some(imprint) = imprint else { return };
        let place = Place::object(name);
        if let Some(stamp) = token::verify(&bytes, imprint, exam.trust, &place, &mut exam.findings) {
            exam.facts.counts.tokens += 1;
            if is_after(youngest_millis, stamp.gen_time) {
                exam.findings.add(Fault::ClockAhead, place);
            }
            exam.facts.time_stamps = vec![stamp.fact];
        }
    }

    /// Compares what a `seal-attested` entry says with the token at rest.
    pub(super) fn attested(&mut self, exam: &mut Examination<'_>, entry: &JournalEntry, place: &Place) {
        let Some(attestation) = Attestation::read(entry).filter(|a| a.seal < self.next) else {
            return exam.findings.add(Fault::AttestationForm, place.clone());
        };
        self.pending.remove(&(attestation.seal, attestation.algorithm));
        let name = layout::token(attestation.seal, attestation.algorithm).to_string();
        let Some(bytes) = exam.object(&name, SMALL_FILE_BYTES_MAX, Some(Fault::TokenMissing)) else { return };
        if Sha256Digest::of(&bytes) != attestation.token {
            return exam.findings.add(Fault::TokenReplaced, Place::object(name));
        }
        let gen_time = TimeStampToken::parse(&bytes).map(|token| token.tst_info().gen_time.as_millisecond());
        if gen_time.is_ok_and(|gen_time| gen_time != attestation.time_millis) {
            exam.findings.add(Fault::AttestationForm, place.clone());
        }
    }

    /// Seals that the log never reached, and those without a token.
    pub(super) fn finish(mut self, exam: &mut Examination<'_>, log: &MerkleStack) {
        while let Some(signed) = self.upcoming.take() {
            exam.findings.add(Fault::EntriesMissing, Place::object(layout::checkpoint(self.next).as_str()));
            self.forget_roots();
            self.close(exam, signed.checkpoint().size().0);
        }
        for (seal, algorithm) in self.pending {
            exam.findings.add(Fault::TokenPending, Place::object(layout::token(seal, algorithm).as_str()));
        }
        if log.size() > self.last_size {
            exam.findings.add(Fault::Unsealed, Place::object("commits").at(self.last_size));
        }
    }
}

/// Place of the first leaf that is not the one expected, or of the first too many or too few.
fn first_difference(found: &[u8], expected: &[Option<Vec<u8>>], length: usize) -> Option<u64> {
    let mut found = found.chunks(length);
    for (position, leaf) in expected.iter().enumerate() {
        let same = found.next().is_some_and(|f| f.len() == length && leaf.as_ref().is_none_or(|leaf| leaf == f));
        if !same {
            return Some(position as u64);
        }
    }
    found.next().map(|_| expected.len() as u64)
}

/// The size in a checkpoint, unverified: tells which tiles to look for, nothing else.
fn claimed_size(exam: &Examination<'_>, seal: SealNumber) -> u64 {
    let bytes = crate::source::read_whole(exam.source, layout::checkpoint(seal).as_str(), SMALL_FILE_BYTES_MAX);
    let note = bytes.ok().and_then(|bytes| Note::parse(&bytes).ok());
    note.and_then(|note| note.text().parse::<Checkpoint>().ok()).map_or(0, |checkpoint| checkpoint.size().0)
}

/// The facts of a `seal-attested` entry.
struct Attestation {
    seal: SealNumber,
    algorithm: EvidenceAlgorithm,
    token: Sha256Digest,
    time_millis: i64,
}

impl Attestation {
    fn read(entry: &JournalEntry) -> Option<Self> {
        let fact = |name: &str| entry.facts.get(name).map(String::as_str);
        let algorithm = ALGORITHMS.into_iter().find(|a| fact("algorithm") == Some(a.as_str()))?;
        Some(Self {
            seal: SealNumber(fact("seal")?.parse().ok()?),
            algorithm,
            token: fact("token")?.parse().ok()?,
            time_millis: fact("time")?.parse::<jiff::Timestamp>().ok()?.as_millisecond(),
        })
    }
}
