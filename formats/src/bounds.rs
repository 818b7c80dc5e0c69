//! Every limit of the formats, with its reason.

// ---- journal, descriptor, commit ----------------------------------------------------------------------------------

/// Longest journal entry in bytes: an entry is a leaf of the log, and C2SP tlog-tiles frames entries with 16-bit lengths.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Longest tenant identifier: `<tenant>/<sha256>` fits in the 100 bytes of a tar member's name.
pub const TENANT_ID_CHARS_MAX: usize = 32;

/// Most entries of a commit: keeps its journal, trailer and openings together under 64 MiB in the worst case.
pub const COMMIT_ENTRIES_MAX: usize = 4_096;

// ---- Merkle log, notes, JSON, containers ----

/// Largest tree size: the C2SP ecosystem keeps sizes in signed 64-bit integers, and no shift below 2^63 overflows.
pub const TREE_SIZE_MAX: u64 = i64::MAX as u64;

/// Hashes in an inclusion path: the depth of the largest tree.
pub const INCLUSION_PATH_MAX: usize = 63;

/// Hashes in a consistency path: an inclusion path and the node that it starts from.
pub const CONSISTENCY_PATH_MAX: usize = 64;

/// Expanded tiles that [`crate::tiles::TileNodes`] keeps: 16 KiB each, 1 MiB in all; a proof at any size needs at most 16.
pub const TILES_CACHED_MAX: usize = 64;

/// Bytes of a signed note: room for a hundred post-quantum signatures of 5 kB in base64.
pub const NOTE_BYTES_MAX: usize = 1 << 20;

/// Signature lines of a note: C2SP asks for 16 at least, its Go implementation stops at 100.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// Bytes of a key name or checkpoint origin: a schema-less URL, twice the length of a DNS name.
pub const KEY_NAME_BYTES_MAX: usize = 512;

/// Bytes of the opaque `extra` of a tlog-proof: far above a VRF proof, far below a body limit.
pub const TLOG_PROOF_EXTRA_BYTES_MAX: usize = 64 << 10;

/// Bytes of a tlog-proof: its header, its path, its extra in base64 and its note.
pub const TLOG_PROOF_BYTES_MAX: usize = (8 << 10) + TLOG_PROOF_EXTRA_BYTES_MAX * 2 + NOTE_BYTES_MAX;

/// Nesting of arrays and objects in JSON: the parser recurses, and no description of an archive is deeper.
pub const JSON_DEPTH_MAX: usize = 64;

/// Bytes of one JSON text: a descriptor of 65,536 objects at 256 bytes each.
pub const JSON_BYTES_MAX: usize = 16 << 20;

/// Largest integer of canonical JSON, 2^53 − 1: above it a double, hence RFC 8785, no longer tells neighbours apart.
pub const JSON_INTEGER_MAX: i64 = (1 << 53) - 1;

/// Bytes of a container member's name: the field of the ustar header, so that no name needs a pax record.
pub const MEMBER_NAME_BYTES_MAX: usize = 100;

/// First size that the eleven octal digits of a ustar header cannot say: 8 GiB.
pub const USTAR_SIZE_LIMIT: u64 = 1 << 33;

/// Largest member: half of what a signed 64-bit offset can address, so that sums of offsets never overflow.
pub const MEMBER_SIZE_MAX: u64 = 1 << 62;

/// Members of one container: bounds the set of names that refuses duplicates to about 40 MiB.
pub const CONTAINER_MEMBERS_MAX: usize = 1 << 18;

// The 8 KiB for header and path hold the longest path: 44 characters of base64 and a newline a hash.
const _: () = assert!(INCLUSION_PATH_MAX * 45 + 128 < 8 << 10);
