//! Evidence records (RFC 4998 §4.3), in the one shape that our archive gives them: one chain, one time-stamp, and a
//! path of single values that begins with the object's digest and its blind.
//!
//! A record of another shape may be sound for others; from us it is a forgery or an error, so it is refused here.

use cartulaire_formats::cms::HashAlgorithm;
use cartulaire_formats::der::ObjectIdentifier;
use cartulaire_formats::ers::EvidenceRecord;
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use cartulaire_formats::layout::EvidenceAlgorithm;
use cartulaire_formats::tsp::{MessageImprint, TimeStampToken};

use crate::finding::{Fault, Findings, Place};

/// What a record must begin with.
#[derive(Debug, Clone)]
pub(crate) struct Expected<'a> {
    pub algorithm: EvidenceAlgorithm,
    /// The object's digest.
    pub digest: Vec<u8>,
    /// The object's blind in that tree; the checkpoint has none.
    pub blind: Option<Vec<u8>>,
    /// The token in the file beside.
    pub token: &'a [u8],
}

/// The hash of an evidence tree, as CMS names it.
pub(crate) fn hash_algorithm(algorithm: EvidenceAlgorithm) -> HashAlgorithm {
    match algorithm {
        EvidenceAlgorithm::Sha256 => HashAlgorithm::Sha256,
        EvidenceAlgorithm::Sha512 => HashAlgorithm::Sha512,
    }
}

/// Hashes in an evidence tree's algorithm.
pub(crate) fn digest(algorithm: EvidenceAlgorithm, bytes: &[u8]) -> Vec<u8> {
    match algorithm {
        EvidenceAlgorithm::Sha256 => Sha256Digest::of(bytes).0.to_vec(),
        EvidenceAlgorithm::Sha512 => Sha512Digest::of(bytes).0.to_vec(),
    }
}

/// An inner node: the hash of two values, the smaller first.
pub(crate) fn node(algorithm: EvidenceAlgorithm, a: &[u8], b: &[u8]) -> Vec<u8> {
    digest(algorithm, &if a <= b { [a, b].concat() } else { [b, a].concat() })
}

/// The root of a tree over `leaves`, level by level; an odd node goes up unchanged. No leaves have no root.
pub(crate) fn tree_root(algorithm: EvidenceAlgorithm, leaves: &[u8]) -> Option<Vec<u8>> {
    let length = algorithm.digest_len();
    let mut level: Vec<Vec<u8>> = leaves.chunks(length).map(<[u8]>::to_vec).collect();
    while level.len() > 1 {
        let above = level.chunks(2).map(|pair| match pair {
            [a, b] => node(algorithm, a, b),
            alone => alone[0].clone(),
        });
        level = above.collect();
    }
    level.pop().filter(|root| root.len() == length)
}

/// Follows a record from its object to its token; returns the imprint if every step holds.
pub(crate) fn verify(
    bytes: &[u8],
    expected: &Expected<'_>,
    place: &Place,
    findings: &mut Findings,
) -> Option<MessageImprint> {
    let record = match EvidenceRecord::parse(bytes) {
        Ok(record) => record,
        Err(error) => {
            findings.explain(Fault::RecordForm, place.clone(), &error);
            return None;
        }
    };
    match follow(&record, expected) {
        Ok(imprint) => Some(imprint),
        Err(fault) => {
            findings.add(fault, place.clone());
            None
        }
    }
}

fn follow(record: &EvidenceRecord<'_>, expected: &Expected<'_>) -> Result<MessageImprint, Fault> {
    let algorithm = expected.algorithm;
    let (path, token) = only_path(record, algorithm).ok_or(Fault::RecordShape)?;
    let mut path = path.into_iter();
    if path.next() != Some(expected.digest.as_slice()) {
        return Err(Fault::RecordObject);
    }
    let mut root = expected.digest.clone();
    if let Some(blind) = &expected.blind {
        if path.next() != Some(blind.as_slice()) {
            return Err(Fault::RecordBlind);
        }
        root = node(algorithm, &root, blind);
    }
    for sibling in path {
        root = node(algorithm, &root, sibling);
    }
    if token != expected.token {
        return Err(Fault::RecordToken);
    }
    let imprint = MessageImprint::new(hash_algorithm(algorithm), &root).ok_or(Fault::RecordPath)?;
    let token = TimeStampToken::parse(token).map_err(|_| Fault::RecordForm)?;
    if token.tst_info().imprint.message_imprint() == Some(imprint) { Ok(imprint) } else { Err(Fault::RecordPath) }
}

/// The path and the token of a record that has one chain, one time-stamp, one algorithm and one value in every list.
fn only_path<'a>(record: &EvidenceRecord<'a>, algorithm: EvidenceAlgorithm) -> Option<(Vec<&'a [u8]>, &'a [u8])> {
    let hash = hash_algorithm(algorithm);
    let [chain] = record.chains.as_slice() else { return None };
    let [stamp] = chain.time_stamps.as_slice() else { return None };
    let [listed] = record.digest_algorithms.as_slice() else { return None };
    let plain = !record.has_crypto_infos && !record.has_encryption_info && !stamp.has_attributes;
    let is_ours = |oid: &ObjectIdentifier| *oid == hash.object_identifier();
    let own = stamp.digest_algorithm.as_ref().is_none_or(is_ours);
    if !plain || !own || !is_ours(listed) {
        return None;
    }
    let lists = stamp.reduced_hashtree.as_ref()?;
    let only = |list: &Vec<&'a [u8]>| match list.as_slice() {
        [value] if value.len() == algorithm.digest_len() => Some(*value),
        _ => None,
    };
    Some((lists.iter().map(only).collect::<Option<_>>()?, stamp.token))
}
