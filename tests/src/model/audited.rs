//! The audit's word on a site in memory. It shares no code with the engine, nor with this model.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::ops::Range;

use cartulaire_audit::source::{Child, ChildKind, Source, SourceError};
use cartulaire_audit::{Fault, Finding, Report, Severity, Trust, bundle, site};
use cartulaire_engine::ports::Clock as _;
use cartulaire_formats::layout::{self, EvidenceAlgorithm, SealNumber};
use cartulaire_formats::note::VerifierKey;
use cartulaire_formats::tsp::TrustAnchors;

use super::{Model, Transfer, Violation};
use crate::rig::{Rig, World, tenant};
use crate::sim::Image;

const SHA256: EvidenceAlgorithm = EvidenceAlgorithm::Sha256;

/// A site's objects as files.
struct Files<'a>(BTreeMap<&'a str, &'a [u8]>);

impl<'a> Files<'a> {
    fn new(image: &'a Image) -> Self {
        Self(image.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect())
    }
}

impl Source for Files<'_> {
    fn size(&self, name: &str) -> Result<Option<u64>, SourceError> {
        Ok(self.0.get(name).map(|bytes| bytes.len() as u64))
    }

    fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>, SourceError> {
        let bytes = self.0.get(name).ok_or(SourceError::Missing)?;
        let range = range.start as usize..range.end as usize;
        bytes.get(range).map(<[u8]>::to_vec).ok_or(SourceError::Short)
    }

    fn children(&self, folder: &str) -> Result<Vec<Child>, SourceError> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let mut children: BTreeMap<&str, ChildKind> = BTreeMap::new();
        for rest in self.0.keys().filter_map(|name| name.strip_prefix(&prefix)) {
            let (leaf, kind) = rest.split_once('/').map_or((rest, ChildKind::File), |(f, _)| (f, ChildKind::Folder));
            children.insert(leaf, kind);
        }
        Ok(children.into_iter().map(|(name, kind)| Child { name: name.to_owned(), kind }).collect())
    }
}

/// What an archivist brings along: the log's key, the authorities' roots, the true time.
fn trust(world: &World, key: &VerifierKey) -> Trust {
    let stampers = world.stampers.iter().chain(&world.stampers_sha512);
    let now = jiff::Timestamp::from_millisecond(world.truth.now().unix_millis());
    Trust {
        anchors: Some(TrustAnchors::new(stampers.map(|stamper| stamper.root())).expect("roots of our own making")),
        log_key: Some(key.clone()),
        ..Trust::none(now.expect("within the years of a clock"))
    }
}

fn accept(what: &str, report: &Report, is_excused: impl Fn(&Finding) -> bool) -> Result<(), Violation> {
    let failures = report.findings.iter().filter(|f| f.severity == Severity::Failure && !is_excused(f));
    let failures: Vec<_> = failures.collect();
    if failures.is_empty() { Ok(()) } else { Err(Violation::Audit(format!("{what}: {failures:?}"))) }
}

impl Model {
    /// Has the audit judge a site's bytes, knowing every receipt and every checkpoint that was ever seen.
    ///
    /// # Errors
    /// [`Violation::Audit`] with the audit's findings.
    pub fn audit(&self, world: &World, image: &Image, key: &VerifierKey) -> Result<(), Violation> {
        let mut known = site::Known::default();
        for ((_, transfer), state) in &self.transfers {
            if let Transfer::Kept(kept) = state {
                known.receipts.push((transfer.clone(), kept.receipt.clone().into_bytes()));
            }
        }
        let notes = self.site.notes().iter().enumerate();
        known.checkpoints.extend(notes.map(|(seal, note)| (seal.to_string(), note.to_vec())));
        let report = site::audit(&Files::new(image), &trust(world, key), &known, &mut |_| ());
        // A crash may have come between the last seal's checkpoint and its leaves, which the next opening derives.
        let seals = image.keys().filter(|name| name.as_str().ends_with("/checkpoint")).count() as u64;
        let last = seals.checked_sub(1).map(SealNumber);
        let derivable = |finding: &Finding| {
            let is_of_last = |seal| finding.place.object == layout::evidence_leaves(seal, SHA256).as_str();
            finding.fault == Fault::LeavesMissing && last.is_some_and(is_of_last)
        };
        accept("site", &report, derivable)
    }

    /// Has the audit judge the proof bundles of at most `limit` archives, the same way as a court's expert.
    ///
    /// # Errors
    /// [`Violation::Audit`], or [`Violation::NotProven`] if there is no complete proof.
    pub fn prove(&self, world: &World, rig: &Rig, limit: usize) -> Result<(), Violation> {
        let trust = trust(world, rig.archive.key());
        let kept = self.transfers.iter().filter_map(|((owner, transfer), state)| match state {
            Transfer::Kept(kept) => Some((owner, transfer, kept)),
            _ => None,
        });
        for (owner, transfer, kept) in kept.take(limit) {
            let proof = rig.archive.proof(&tenant(owner), &kept.archive).map_err(Violation::Engine)?;
            let proof = proof.ok_or_else(|| Violation::Lost(transfer.clone()))?;
            let mut zip = Vec::new();
            let written = rig.archive.write_bundle(&proof, &mut zip);
            written.map_err(|error| Violation::NotProven(transfer.clone(), error.to_string()))?;
            accept(transfer, &bundle::verify_zip(Cursor::new(zip), &trust), |_| false)?;
        }
        Ok(())
    }
}
