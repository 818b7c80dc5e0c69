//! The bag (RFC 8493): everything in it is listed with its digests, everything listed is in it.

use std::collections::{BTreeMap, BTreeSet};

use cartulaire_formats::bundle::{
    BAG_INFO, BAGIT, BAGIT_TEXT, MANIFEST_SHA256, MANIFEST_SHA512, README, TAG_MANIFEST_SHA256, VERIFIER,
};
use cartulaire_formats::hash::{Digests, MultiHasher};

use super::Examination;
use crate::bounds::{BUNDLE_DEPTH_MAX, BUNDLE_FILES_MAX, MANIFEST_BYTES_MAX};
use crate::finding::{Fault, Findings, Place};
use crate::source::{ChildKind, SourceError, is_safe_name, read_whole, stream};

/// Hashes every file once and compares with the manifests.
pub(super) fn examine(exam: &mut Examination<'_>) {
    let names = list(exam);
    for name in names {
        match hash(exam, &name) {
            Ok(digests) => {
                exam.facts.counts.objects += 1;
                exam.facts.counts.bytes += digests.size;
                exam.digests.insert(name, digests);
            }
            Err(error) => exam.findings.explain(Fault::Unreadable, Place::object(name), &error),
        }
    }
    declaration(exam);
    let is_payload = |name: &str| name.starts_with("data/");
    let payload = [(MANIFEST_SHA256, Column::Sha256), (MANIFEST_SHA512, Column::Sha512)];
    let tags = [(TAG_MANIFEST_SHA256, Column::Sha256)];
    compare(exam, &payload, &is_payload);
    compare(exam, &tags, &|name| !is_payload(name) && name != TAG_MANIFEST_SHA256);
    let own = [BAGIT, BAG_INFO, MANIFEST_SHA256, MANIFEST_SHA512, TAG_MANIFEST_SHA256, README, VERIFIER];
    for name in own {
        exam.expected.insert(name.to_owned());
        // Those that a manifest lists were looked for there.
        if !exam.found(name) && !is_payload(name) {
            exam.miss(name);
        }
    }
}

fn list(exam: &mut Examination<'_>) -> Vec<String> {
    let (mut names, mut folded) = (Vec::new(), BTreeSet::new());
    let findings = &mut exam.findings;
    let walked = crate::source::walk(exam.source, "", BUNDLE_DEPTH_MAX, &mut |name, kind| {
        if names.len() == BUNDLE_FILES_MAX {
            return;
        }
        if kind != ChildKind::File {
            findings.add(Fault::NotRegular, Place::object(name));
        } else if !is_safe_name(name) {
            findings.add(Fault::UnsafeName, Place::object(name));
        } else if !folded.insert(name.to_lowercase()) {
            findings.add(Fault::DuplicateName, Place::object(name));
        } else {
            names.push(name.to_owned());
        }
    });
    if names.len() == BUNDLE_FILES_MAX {
        findings.add(Fault::TooManyFiles, Place::object(""));
        // Nothing in a heap of this size is a bundle: hashing it would only cost the reader's time.
        names.clear();
    }
    if let Err(error) = walked {
        findings.explain(Fault::Unreadable, Place::object(""), &error);
    }
    names
}

fn hash(exam: &Examination<'_>, name: &str) -> Result<Digests, SourceError> {
    let size = exam.source.size(name)?.ok_or(SourceError::Missing)?;
    let mut hasher = MultiHasher::new(true);
    stream(exam.source, name, 0..size, |chunk| hasher.update(chunk))?;
    Ok(hasher.finish())
}

fn declaration(exam: &mut Examination<'_>) {
    if exam.found(BAGIT) && exam.file(BAGIT).is_some_and(|text| text != BAGIT_TEXT.as_bytes()) {
        exam.findings.add(Fault::BagForm, Place::object(BAGIT));
    }
    if !exam.found(BAG_INFO) {
        return;
    }
    let text = exam.file(BAG_INFO).unwrap_or_default();
    let payload = exam.digests.iter().filter(|(name, _)| name.starts_with("data/"));
    let (bytes, files) = payload.fold((0, 0), |(bytes, files), (_, d)| (bytes + d.size, files + 1));
    let oxum = format!("Payload-Oxum: {bytes}.{files}");
    let told = String::from_utf8_lossy(&text).lines().all(|line| !line.starts_with("Payload-Oxum:") || line == oxum);
    if std::str::from_utf8(&text).is_err() || !told {
        exam.findings.add(Fault::BagForm, Place::object(BAG_INFO));
    }
}

#[derive(Clone, Copy)]
enum Column {
    Sha256,
    Sha512,
}

impl Column {
    fn of(self, digests: &Digests) -> Option<String> {
        match self {
            Self::Sha256 => Some(digests.sha256.to_string()),
            Self::Sha512 => digests.sha512.map(|d| d.to_string()),
        }
    }

    fn characters(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

/// Compares the files of one part of the bag with its manifests; each file has at most one finding of each kind.
fn compare(exam: &mut Examination<'_>, manifests: &[(&str, Column)], covers: &dyn Fn(&str) -> bool) {
    let (mut missing, mut unlisted, mut differ) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
    for &(manifest, column) in manifests {
        let Some(listed) = read_manifest(exam, manifest, column) else { continue };
        for (name, digest) in &listed {
            match exam.digests.get(name).filter(|_| covers(name)) {
                None => drop(missing.insert(name.clone())),
                Some(found) if column.of(found).as_ref() != Some(digest) => {
                    differ.entry(name.clone()).or_insert(manifest);
                }
                Some(_) => {}
            }
        }
        let files = exam.digests.keys().filter(|name| covers(name) && !listed.contains_key(*name));
        unlisted.extend(files.cloned());
    }
    missing.iter().for_each(|name| exam.miss(name));
    unlisted.into_iter().for_each(|name| exam.findings.add(Fault::FileNotListed, Place::object(name)));
    for (name, manifest) in differ {
        exam.findings.explain(Fault::FileDigest, Place::object(name), &manifest);
    }
}

fn read_manifest(exam: &mut Examination<'_>, manifest: &str, column: Column) -> Option<BTreeMap<String, String>> {
    if !exam.found(manifest) {
        return None;
    }
    let text = match read_whole(exam.source, manifest, MANIFEST_BYTES_MAX) {
        Ok(text) => text,
        Err(error) => {
            exam.findings.explain(Fault::Unreadable, Place::object(manifest), &error);
            return None;
        }
    };
    Some(parse_manifest(&text, manifest, column, &mut exam.findings))
}

fn parse_manifest(text: &[u8], manifest: &str, column: Column, findings: &mut Findings) -> BTreeMap<String, String> {
    let mut listed = BTreeMap::new();
    for (index, line) in text.split_inclusive(|b| *b == b'\n').enumerate() {
        let entry = parse_line(line, column);
        let new = entry.is_some_and(|(name, digest)| listed.insert(name, digest).is_none());
        if !new {
            findings.add(Fault::ManifestForm, Place::object(manifest).at(index as u64 + 1));
        }
    }
    listed
}

/// `<hex>  <path>` LF, where `%`, CR and LF in a path are percent-encoded (RFC 8493 §2.1.3).
fn parse_line(line: &[u8], column: Column) -> Option<(String, String)> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (digest, path) = line.split_once("  ")?;
    let hex = digest.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let path = path.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%");
    (hex && digest.len() == column.characters() && is_safe_name(&path)).then(|| (path, digest.to_owned()))
}
