//! Bytes to values and back: one module per standard, shared by the engine that writes the archive and the audit that
//! judges it.
//!
//! Pure by construction: no I/O, no clock, no randomness, no async, no unsafe. Whatever a reader of the archive must
//! know to re-derive a proof without us is here and is described to the byte in `docs/format.md`.
//!
//! | module | standard |
//! |---|---|
//! | [`hash`] | FIPS 180-4 (SHA-2), BLAKE3, and the commitments of `docs/format.md` §2 |
//! | [`jcs`] | RFC 8785, canonical JSON |
//! | [`merkle`] | RFC 6962 §2.1, RFC 9162 §2.1 |
//! | [`note`], [`checkpoint`], [`tiles`], [`tlog_proof`] | C2SP signed-note, tlog-checkpoint, tlog-tiles, tlog-proof |
//! | [`der`], [`cms`], [`x509`], [`tsp`] | X.690, RFC 5652, RFC 5280, RFC 3161 and RFC 5816 |
//! | [`ers`] | RFC 4998 |
//! | [`container`] | POSIX.1-2001 pax interchange format |
//! | [`zip`] | PKWARE APPNOTE 6.3.10, stored entries, written only |
//! | [`layout`], [`journal`], [`aip`], [`commit`], [`receipt`], [`bundle`] | the archive's own, `docs/format.md` |

pub mod aip;
pub mod bounds;
pub mod bundle;
pub mod checkpoint;
pub mod cms;
pub mod commit;
pub mod container;
pub mod der;
pub mod ers;
pub mod hash;
pub mod jcs;
pub mod journal;
pub mod layout;
pub mod merkle;
pub mod note;
pub mod receipt;
pub mod tiles;
pub mod time;
pub mod tlog_proof;
pub mod tsp;
pub mod x509;
pub mod zip;
