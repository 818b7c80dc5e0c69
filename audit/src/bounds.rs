//! Every limit of the audit, with its reason.

/// Bytes read at once from a large object: large enough for a disk or a bucket, small enough to keep several.
pub const CHUNK_BYTES: u64 = 1 << 20;

/// Files of a bundle: two records and a blind for each of 65,536 objects, and room for the rest.
pub const BUNDLE_FILES_MAX: usize = 1 << 18;

/// Depth of a bundle's folders: `data/preuve/objets/000/record-sha256.ers` has four above it.
pub const BUNDLE_DEPTH_MAX: usize = 8;

/// Depth of a site's folders: a seal's number has at most seven groups of three digits under `seals/`.
pub const SITE_DEPTH_MAX: usize = 16;

/// Bytes of one proof file of a bundle that is read whole: the longest is the journal extract; documents are streamed.
pub const PROOF_FILE_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a manifest: 262,144 files with a SHA-512 and a name of a hundred bytes.
pub const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a commit's container, which is read whole: 4,096 entries of 65,535 bytes are 256 MiB, their openings far less,
/// and the committer stops taking objects at some tens of MiB.
pub const COMMIT_BYTES_MAX: u64 = 512 << 20;

/// Bytes of a seal's evidence leaves: a day's worth at 150 commitments a second, in SHA-512.
pub const LEAVES_BYTES_MAX: u64 = 1 << 30;

/// Bytes of a key, a certificate, a checkpoint or a token file.
pub const SMALL_FILE_BYTES_MAX: u64 = 1 << 20;

/// Findings of one fault kept whole; those beyond are counted. A destroyed archive would otherwise fill the memory with
/// its ruins, and one fault that is everywhere would hide another that is in one place.
pub const FINDINGS_KEPT_MAX: usize = 1_000;

/// Entries of a full tile and of a full entry bundle (C2SP tlog-tiles).
pub const TILE_WIDTH: usize = 256;

/// Bytes of a full entry bundle: 256 entries of 65,535 bytes, each behind two bytes of length.
pub const ENTRY_BUNDLE_BYTES_MAX: u64 = 256 * (65_535 + 2);
