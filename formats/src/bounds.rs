//! Every limit of the formats, with its reason.

// ---- journal, descriptor, commit ----------------------------------------------------------------------------------

/// Longest journal entry in bytes: an entry is a leaf of the log, and C2SP tlog-tiles frames entries with 16-bit lengths.
pub const ENTRY_BYTES_MAX: usize = 65_535;

/// Longest tenant identifier: `<tenant>/<sha256>` fits in the 100 bytes of a tar member's name.
pub const TENANT_ID_CHARS_MAX: usize = 32;

/// Most entries of a commit: keeps its journal, trailer and openings together under 64 MiB in the worst case.
pub const COMMIT_ENTRIES_MAX: usize = 4_096;
