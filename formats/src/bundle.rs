//! The names in a proof bundle: a BagIt bag (RFC 8493), as a folder or a ZIP (`docs/format.md` §9).

use crate::layout::EvidenceAlgorithm;

/// `bagit.txt`: what makes the folder a bag.
pub const BAGIT: &str = "bagit.txt";
/// What `bagit.txt` says.
pub const BAGIT_TEXT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
/// Who made the bag, from what.
pub const BAG_INFO: &str = "bag-info.txt";
/// SHA-256 of every payload file.
pub const MANIFEST_SHA256: &str = "manifest-sha256.txt";
/// SHA-512 of every payload file.
pub const MANIFEST_SHA512: &str = "manifest-sha512.txt";
/// SHA-256 of every tag file but itself.
pub const TAG_MANIFEST_SHA256: &str = "tagmanifest-sha256.txt";

/// What to read first, French then English.
pub const README: &str = "data/LISEZMOI.txt";
/// The check with openssl and shell tools alone.
pub const VERIFIER: &str = "data/verifier.sh";
/// Folder of the documents, under their own names.
pub const DOCUMENTS: &str = "data/piece";
/// The AIP descriptor.
pub const DESCRIPTOR: &str = "data/preuve/descriptor.json";
/// The journal entry of the deposit: the leaf of the log, without line feed.
pub const LEAF: &str = "data/preuve/leaf.txt";
/// The leaf's inclusion in the log, as a C2SP tlog-proof.
pub const LOG_PROOF: &str = "data/preuve/piece.tlog-proof";
/// The log's verifier key and the witnesses' quorum, as a C2SP tlog-policy.
pub const POLICY: &str = "data/preuve/policy.txt";
/// The signed receipt of the deposit.
pub const RECEIPT: &str = "data/preuve/receipt.txt";
/// The signed checkpoint.
pub const CHECKPOINT: &str = "data/preuve/checkpoint.txt";
/// The checkpoint's text alone: the data object of its own evidence record.
pub const CHECKPOINT_BODY: &str = "data/preuve/checkpoint-body.txt";
/// Every journal entry about the archive that the checkpoint covers, one a line.
pub const JOURNAL_EXTRACT: &str = "data/preuve/journal-extract.jsonl";
/// The inclusion proof of each of those entries, one a line: `{"proof":["<hex>",…],"seq":<n>}`.
pub const JOURNAL_PROOFS: &str = "data/preuve/journal-extract.proofs.jsonl";
/// The log's public key as PEM.
pub const LOG_KEY_PEM: &str = "data/pki/log.pub.pem";

/// The policy of the embedded development authority's tokens, by which every reader knows them as not qualified: in the
/// arc that RFC 5612 sets aside for examples, so that no real policy can be meant.
pub const DEVELOPMENT_POLICY: &str = "1.3.6.1.4.1.32473.1";

/// A path as BagIt manifests spell it: the percent sign and line ends are percent-encoded, nothing else.
///
/// # Standard
/// RFC 8493 §2.1.3.
#[must_use]
pub fn manifest_path(path: &str) -> String {
    path.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The token over the evidence root.
#[must_use]
pub fn token(algorithm: EvidenceAlgorithm) -> String {
    format!("data/preuve/token-{algorithm}.tst")
}

/// The evidence record of the checkpoint's text.
#[must_use]
pub fn checkpoint_record(algorithm: EvidenceAlgorithm) -> String {
    format!("data/preuve/checkpoint-{algorithm}.ers")
}

/// The certificates that the token carries, in its order.
#[must_use]
pub fn token_certificates(algorithm: EvidenceAlgorithm) -> String {
    format!("data/pki/tsa-{algorithm}.pem")
}

/// The blind of the entry's commitment number `position`, in hexadecimal: 0 is the descriptor, then the files in order.
#[must_use]
pub fn blind(position: usize) -> String {
    format!("data/preuve/objets/{position:03}/blind.hex")
}

/// The evidence record of the object at that position.
#[must_use]
pub fn record(position: usize, algorithm: EvidenceAlgorithm) -> String {
    format!("data/preuve/objets/{position:03}/record-{algorithm}.ers")
}

/// A file's path in the bundle, from its name.
#[must_use]
pub fn document(name: &str) -> String {
    format!("{DOCUMENTS}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_encode_what_rfc_8493_says_and_nothing_else() {
        let path = document("100 % d'été\n.pdf");
        assert_eq!(manifest_path(&path), "data/piece/100 %25 d'été%0A.pdf");
    }
}
