//! Every limit of this crate, each with its reason.

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

/// Longest nonce accepted in a request, in octets: RFC 3161 sets none, clients send 8 to 20.
pub const NONCE_OCTETS_MAX: usize = 32;

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
