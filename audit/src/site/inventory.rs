//! What lies in the site, by its names alone: how many commits and seals there should be, and what nobody knows.

use std::collections::BTreeSet;

use cartulaire_formats::hash::Sha256Digest;
use cartulaire_formats::layout::{self, CommitNumber, DIRECT_CONTAINERS};
use cartulaire_formats::note::VerifierKey;
use cartulaire_formats::tiles::{TILE_LEVELS, parse_tile_number};
use cartulaire_formats::x509::certificates_from_pem;

use super::Examination;
use crate::bounds::{SITE_DEPTH_MAX, SMALL_FILE_BYTES_MAX, TILE_WIDTH};
use crate::finding::{Fault, Place};
use crate::source::{ChildKind, walk};

/// What the names tell.
pub(super) struct Inventory {
    /// One more than the highest commit number.
    pub commits: u64,
    /// One more than the highest seal number.
    pub seals: u64,
    /// Every direct container.
    pub containers: BTreeSet<String>,
}

/// Lists everything but the log's tiles, whose number only the commits tell.
pub(super) fn take(exam: &mut Examination<'_>) -> Inventory {
    let mut inventory = Inventory { commits: 0, seals: 0, containers: BTreeSet::new() };
    let top = exam.source.children("").unwrap_or_default();
    for child in top {
        match (child.name.as_str(), child.kind) {
            ("log" | "keys", ChildKind::Folder) => {}
            // A writer's lock and drafts: no object's name starts with a dot.
            (name, ChildKind::File | ChildKind::Folder) if name.starts_with('.') => {}
            // What buckets were probed with: nothing trusts it.
            ("canaries", ChildKind::Folder) => {}
            ("commits" | "seals" | "containers", ChildKind::Folder) => {
                visit(exam, &child.name, &mut |name| inventory.know(name));
            }
            (name, ChildKind::Folder) => visit(exam, name, &mut |_| false),
            ("CARTULAIRE.txt", ChildKind::File) => {}
            (name, ChildKind::File) => exam.findings.add(Fault::Unknown, Place::object(name)),
            (name, ChildKind::Special) => exam.findings.add(Fault::NotRegular, Place::object(name)),
        }
    }
    inventory
}

/// Asks `know` about every file below `folder`; what it does not know is a finding.
fn visit(exam: &mut Examination<'_>, folder: &str, know: &mut dyn FnMut(&str) -> bool) {
    let findings = &mut exam.findings;
    let walked = walk(exam.source, folder, SITE_DEPTH_MAX, &mut |name, kind| match kind {
        ChildKind::File if know(name) => {}
        ChildKind::File => findings.add(Fault::Unknown, Place::object(name)),
        _ => findings.add(Fault::NotRegular, Place::object(name)),
    });
    if let Err(error) = walked {
        findings.explain(Fault::Unreadable, Place::object(folder), &error);
    }
}

impl Inventory {
    fn know(&mut self, name: &str) -> bool {
        if let Some(number) = commit_number(name) {
            self.commits = self.commits.max(number + 1);
        } else if let Some(number) = seal_number(name) {
            self.seals = self.seals.max(number + 1);
        } else if name.starts_with(DIRECT_CONTAINERS) && name.ends_with(".tar") {
            self.containers.insert(name.to_owned());
        } else {
            return false;
        }
        true
    }
}

fn commit_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("commits/")?.strip_suffix(".tar")?;
    let number = parse_tile_number(number).ok()?;
    (layout::commit(CommitNumber(number)).as_str() == name).then_some(number)
}

fn seal_number(name: &str) -> Option<u64> {
    let (number, part) = name.strip_prefix("seals/")?.rsplit_once('/')?;
    let parts = ["checkpoint", "leaves-sha256", "leaves-sha512", "token-sha256.tst", "token-sha512.tst"];
    parts.contains(&part).then(|| parse_tile_number(number).ok())?
}

/// Names every tile that a log of `size` entries does not have.
pub(super) fn refuse_strange_tiles(exam: &mut Examination<'_>, size: u64) {
    visit(exam, "log", &mut |name| is_tile_of(name, size));
}

fn is_tile_of(name: &str, size: u64) -> bool {
    let Some((level, number)) = name.strip_prefix("log/tile/").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let height = match level {
        "entries" => Some(0),
        level => level.parse::<u32>().ok().filter(|l| *l < u32::from(TILE_LEVELS) && l.to_string() == level),
    };
    let span = height.and_then(|height| (TILE_WIDTH as u64).checked_pow(height + 1));
    let end = parse_tile_number(number).ok().and_then(|n| n.checked_add(1)?.checked_mul(span?));
    end.is_some_and(|end| end <= size)
}

/// Keys and certificates at rest prove nothing; but they must be what their names say.
pub(super) fn examine_keys(exam: &mut Examination<'_>) {
    let mut names = Vec::new();
    visit(exam, "keys", &mut |name| {
        let known = name.starts_with("keys/log/") || name.starts_with("keys/tsa/");
        if known {
            names.push(name.to_owned());
        }
        known
    });
    for name in names {
        let Some(bytes) = exam.object(&name, SMALL_FILE_BYTES_MAX, None) else { continue };
        if name.starts_with("keys/log/") {
            let sound = exam.key.as_ref().is_none_or(|key| is_key_file(&name, &bytes, key));
            if !sound {
                exam.findings.add(Fault::LogKeyDiffers, Place::object(name));
            }
        } else if !is_certificate_file(&name, &bytes) {
            exam.findings.add(Fault::CertificateMisnamed, Place::object(name));
        }
    }
}

fn is_key_file(name: &str, bytes: &[u8], key: &VerifierKey) -> bool {
    let id = u32::from_be_bytes(key.id().0);
    let vkey = key.to_string();
    if name == layout::log_vkey(id).as_str() {
        return bytes.strip_suffix(b"\n").unwrap_or(bytes) == vkey.as_bytes();
    }
    name == layout::log_pem(id).as_str() && bytes == key.to_pem().as_bytes()
}

fn is_certificate_file(name: &str, bytes: &[u8]) -> bool {
    let certificates = std::str::from_utf8(bytes).ok().and_then(|text| certificates_from_pem(text).ok());
    match certificates.as_deref() {
        Some([der]) => layout::authority_certificate(&Sha256Digest::of(der)).as_str() == name,
        _ => false,
    }
}
