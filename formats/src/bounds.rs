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

// ---- DER, CMS, time-stamps and evidence records -------------------------------------------------------------------

/// Largest time-stamp token or response, in bytes: a token with its whole path and CRLs is 3 to 30 KiB.
pub const TOKEN_BYTES_MAX: usize = 64 * 1024;

/// Largest time-stamp request, in bytes: imprint, policy and nonce take under 200, extensions are refused.
pub const TIME_STAMP_REQUEST_BYTES_MAX: usize = 4 * 1024;

/// Deepest nesting of DER that is walked; certificates reach 12, so hostile nesting ends long before the stack does.
pub const DER_DEPTH_MAX: usize = 32;

/// Most certificates, revocation lists or signers read from one token: a path has 2 to 5.
pub const CMS_SET_MEMBERS_MAX: usize = 32;

/// Most extensions in one certificate or revocation list: real ones have about ten.
pub const X509_EXTENSIONS_MAX: usize = 64;

/// Longest INTEGER serial number, in octets (RFC 5280 §4.1.2.2; RFC 3161 §2.4.2 allows 160 bits too).
pub const SERIAL_OCTETS_MAX: usize = 20;

/// Longest nonce accepted, in octets: RFC 3161 sets none, clients send 8 to 64.
pub const NONCE_OCTETS_MAX: usize = 128;

/// Largest evidence record, in bytes: one token a renewal, one renewal a year for two centuries, at 30 KiB each.
pub const EVIDENCE_RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most archive time-stamps in one record, over all chains: one a year for ten centuries.
pub const ARCHIVE_TIME_STAMPS_MAX: usize = 1024;

/// Most lists in a reduced hash tree: a binary tree of 2^62 leaves needs 64.
pub const REDUCED_HASHTREE_LISTS_MAX: usize = 64;

/// Most hash values in one list: foreign records group a whole delivery's objects in one.
pub const PARTIAL_HASHTREE_VALUES_MAX: usize = 65_536;

/// Smallest RSA modulus whose signatures are considered at all, in bits (SOG-IS: anything less is broken today).
pub const RSA_MODULUS_BITS_MIN: usize = 2048;

/// What a token's time may lack against the request's when it has whole seconds only: it was cut, not rounded up.
pub const GEN_TIME_RESOLUTION_SECONDS: i64 = 1;

/// Longest name of a ZIP entry, in bytes: its length field has 16 bits.
pub const ZIP_NAME_BYTES_MAX: usize = 65_535;
