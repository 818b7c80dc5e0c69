//! Auditing a whole site (`docs/format.md` §1 to §7): everything that can be re-derived is, in one pass over the commits.
//!
//! Commits are read in order, one at a time. Their entries grow the audit's own Merkle stack; whenever it reaches the
//! size of the next seal, that seal is settled: signature, root, evidence leaves, tokens. What the caller knows from
//! elsewhere, checkpoints and receipts, is compared as the stack passes it: that is how a rollback is seen, which no
//! site can show by itself.
//!
//! Memory: one commit, the current seal's leaves, and about 50 bytes an object to tell where each was found.
//!
//! Deliberately absent: the index (never asked), repairs, and any trust in keys or certificates found in the site.

mod commits;
mod inventory;
mod known;
mod log;
mod objects;
mod seals;

use cartulaire_formats::commit::{Commit, JOURNAL};
use cartulaire_formats::journal::{EventType, JournalEntry};
use cartulaire_formats::layout::{self, CommitNumber};
use cartulaire_formats::note::VerifierKey;

use crate::bounds::COMMIT_BYTES_MAX;
use crate::finding::{Claim, Fault, Findings, Place};
use crate::report::{Facts, Limit, LogFact, Report, Subject};
use crate::source::{Source, read_whole};
use crate::trust::Trust;

/// What the caller knows of this archive from elsewhere, each with a label for the report.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Checkpoints seen before, as signed notes.
    pub checkpoints: Vec<(String, Vec<u8>)>,
    /// Receipts given before, as signed notes.
    pub receipts: Vec<(String, Vec<u8>)>,
}

/// How far an audit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Commits done.
    pub done: u64,
    /// Commits in all.
    pub of: u64,
}

/// Whether a folder looks like a site rather than a bundle.
#[must_use]
pub fn is_site(source: &dyn Source) -> bool {
    source.children("").is_ok_and(|children| children.iter().any(|c| matches!(c.name.as_str(), "commits" | "seals")))
}

/// Audits a site.
///
/// - `progress`: called after every commit.
#[must_use]
pub fn audit(source: &dyn Source, trust: &Trust, known: &Known, progress: &mut dyn FnMut(Progress)) -> Report {
    let mut exam = Examination { source, trust, findings: Findings::default(), facts: Facts::default(), key: None };
    let inventory = inventory::take(&mut exam);
    exam.key = log_key(&mut exam);
    inventory::examine_keys(&mut exam);
    let known_state = known::Watch::new(&mut exam, known);
    let seals = seals::Seals::new(&mut exam, inventory.seals);
    let mut walk = commits::Walk::new(seals, known_state);
    for number in (0..inventory.commits).map(CommitNumber) {
        walk.commit(&mut exam, number);
        progress(Progress { done: number.0 + 1, of: inventory.commits });
    }
    walk.finish(&mut exam, &inventory);
    report(exam, known)
}

fn report(exam: Examination<'_>, known: &Known) -> Report {
    let anything_known = !known.checkpoints.is_empty() || !known.receipts.is_empty();
    let examined = Claim::ALL.iter().copied().filter(|claim| *claim != Claim::Word || anything_known);
    let examined: Vec<Claim> = examined.collect();
    let mut limits = vec![Limit::Truth, Limit::Author, Limit::Before, Limit::Declared, Limit::Qualified];
    limits.push(Limit::Revocation);
    limits.extend((!anything_known).then_some(Limit::Rollback));
    limits.extend(exam.trust.log_key.is_none().then_some(Limit::LogKey));
    limits.extend(exam.trust.anchors.is_none().then_some(Limit::TrustRoot));
    Report::new(Subject::Site, exam.findings, &examined, exam.facts, limits)
}

/// What is known of a site while it is examined.
struct Examination<'a> {
    source: &'a dyn Source,
    trust: &'a Trust,
    findings: Findings,
    facts: Facts,
    /// The log's key: the caller's, else the one found.
    key: Option<VerifierKey>,
}

impl Examination<'_> {
    /// Reads an object whole; `None` with `absent` as finding if it is not there.
    fn object(&mut self, name: &str, max: u64, absent: Option<Fault>) -> Option<Vec<u8>> {
        use crate::source::SourceError;
        match read_whole(self.source, name, max) {
            Ok(bytes) => return Some(bytes),
            Err(SourceError::Missing) => {
                if let Some(fault) = absent {
                    self.findings.add(fault, Place::object(name));
                }
            }
            Err(error) => self.findings.explain(Fault::Unreadable, Place::object(name), &error),
        }
        None
    }

    fn exists(&self, name: &str) -> bool {
        !matches!(self.source.size(name), Ok(None))
    }
}

/// The caller's key, else the one that entry 0 names; the latter authenticates nothing.
fn log_key(exam: &mut Examination<'_>) -> Option<VerifierKey> {
    let name = layout::commit(CommitNumber(0)).to_string();
    let place = Place::member(&name, JOURNAL).at(1);
    let first = read_whole(exam.source, &name, COMMIT_BYTES_MAX).ok().and_then(|bytes| Commit::parse(&bytes).ok());
    let found = first.as_ref().and_then(|commit| commit.entries.first()).and_then(|(entry, _)| named_key(entry));
    if first.is_some() && found.is_none() {
        exam.findings.add(Fault::FirstEntry, place.clone());
    }
    let given = exam.trust.log_key.clone();
    match (&given, &found) {
        (None, _) => exam.findings.add(Fault::LogKeyNotGiven, place),
        (Some(given), Some(found)) if given != found => exam.findings.add(Fault::LogKeyDiffers, place),
        _ => {}
    }
    let key = given.or(found)?;
    let (origin, given) = (key.name().to_string(), exam.trust.log_key.is_some());
    exam.facts.log = Some(LogFact { origin, key: key.to_string(), key_given: given, size: 0 });
    Some(key)
}

fn named_key(entry: &JournalEntry) -> Option<VerifierKey> {
    let key: VerifierKey = entry.facts.get("log_key")?.parse().ok()?;
    let origin = entry.facts.get("origin")?;
    (entry.event == EventType::ServiceCreated && key.name().as_str() == origin).then_some(key)
}
