//! Evidence records (RFC 4998): one time-stamp for many objects, renewable for centuries.
//!
//! [`EvidenceTree`] combines the digests of a period into the root that an authority stamps; [`reduced_hashtree`] cuts
//! out what one object needs; [`encode_record`] wraps that and the token. A record is a pure function of these, so it
//! need not be stored, and deriving it twice gives the same bytes, which a later hash-tree renewal relies on.
//!
//! # Shape
//! Validators disagree about the standard's corners. What this module writes is the one shape that all of them accept:
//! a binary tree, and exactly one value in every list of the path. What it reads may be n-ary or hold unrelated
//! values beside the object's; [`Shape`] says so, and the caller may refuse.
//!
//! # No domain separation
//! RFC 4998 hashes objects and inner nodes alike, so the two children of any node, taken as a file, have a valid record.
//! Refuse objects for which [`could_pass_for_a_node`], or wrap them; the log's own leaves settle any dispute.

mod record;
mod tree;
mod verify;

pub use record::{
    ArchiveTimeStamp, ArchiveTimeStampChain, EvidenceRecord, NewArchiveTimeStamp, RecordError,
    encode_record, encode_renewed_record, hash_tree_renewal_digest, time_stamp_renewal_digest,
};
pub use tree::{
    EvidenceTree, LeafIndex, ReducedHashtree, TreeDigest, TreeError, could_pass_for_a_node,
    leaf_value, reduced_hashtree,
};
pub use verify::{
    AtsPosition, CoveredTimeStamp, DataObject, EvidenceError, RecordReport, SequenceEvidence,
    Shape, audit_record,
};
