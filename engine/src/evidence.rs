//! The leaves of a seal's evidence trees (`docs/format.md` §7).

use cartulaire_formats::commit::Opening;
use cartulaire_formats::hash::{Sha256Digest, Sha512Digest};
use cartulaire_formats::layout::EvidenceAlgorithm;

/// The leaves of one tree, one after the other.
pub(crate) struct EvidenceLeaves {
    algorithm: EvidenceAlgorithm,
    bytes: Vec<u8>,
}

impl EvidenceLeaves {
    /// The leaves of a SHA-256 tree: the checkpoint, the previous root, every object with its blind.
    pub(crate) fn sha256(checkpoint: &str, previous: Option<Sha256Digest>, openings: &[Opening]) -> Self {
        let previous = previous.unwrap_or_else(|| Sha256Digest::of(b""));
        let mut bytes = Vec::with_capacity((openings.len() + 2) * 32);
        bytes.extend_from_slice(&Sha256Digest::of(checkpoint.as_bytes()).0);
        bytes.extend_from_slice(&previous.0);
        for opening in openings {
            bytes.extend_from_slice(&Sha256Digest::of(&sorted(&opening.sha256.0, &opening.blind.0)).0);
        }
        Self { algorithm: EvidenceAlgorithm::Sha256, bytes }
    }

    /// The leaves of a SHA-512 tree; objects without a recorded SHA-512 have none.
    pub(crate) fn sha512(checkpoint: &str, previous: Option<Sha512Digest>, openings: &[Opening]) -> Self {
        let previous = previous.unwrap_or_else(|| Sha512Digest::of(b""));
        let mut bytes = Vec::with_capacity((openings.len() + 2) * 64);
        bytes.extend_from_slice(&Sha512Digest::of(checkpoint.as_bytes()).0);
        bytes.extend_from_slice(&previous.0);
        for opening in openings {
            let Some(sha512) = opening.sha512 else { continue };
            bytes.extend_from_slice(&Sha512Digest::of(&sorted(&sha512.0, &opening.blind.for_sha512().0)).0);
        }
        Self { algorithm: EvidenceAlgorithm::Sha512, bytes }
    }

    /// Leaves as they lie at rest.
    pub(crate) fn from_bytes(algorithm: EvidenceAlgorithm, bytes: Vec<u8>) -> Option<Self> {
        let whole = !bytes.is_empty() && bytes.len().is_multiple_of(algorithm.digest_len());
        whole.then_some(Self { algorithm, bytes })
    }

    pub(crate) fn algorithm(&self) -> EvidenceAlgorithm {
        self.algorithm
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Two values of one length, the smaller first.
fn sorted(a: &[u8], b: &[u8]) -> Vec<u8> {
    if a <= b { [a, b].concat() } else { [b, a].concat() }
}

/// The root of an evidence tree: what the authority time-stamps.
pub(crate) fn root(leaves: &EvidenceLeaves) -> Vec<u8> {
    let digest: fn(&[u8]) -> Vec<u8> = match leaves.algorithm {
        EvidenceAlgorithm::Sha256 => |bytes| Sha256Digest::of(bytes).0.to_vec(),
        EvidenceAlgorithm::Sha512 => |bytes| Sha512Digest::of(bytes).0.to_vec(),
    };
    let mut level: Vec<Vec<u8>> = leaves.bytes.chunks(leaves.algorithm.digest_len()).map(<[u8]>::to_vec).collect();
    while level.len() > 1 {
        let pair = |pair: &[Vec<u8>]| match pair {
            [a, b] => digest(&sorted(a, b)),
            [odd] => odd.clone(),
            _ => unreachable!("pairs have one or two members"),
        };
        level = level.chunks(2).map(pair).collect();
    }
    level.swap_remove(0)
}
