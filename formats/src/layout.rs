//! The names of the objects at rest: the only place that spells them, shared by the engine that writes and the audit
//! that reads.
//!
//! Numbered objects use the numbering of C2SP tlog-tiles (`x001/x234/067`), so that no folder ever holds more than a
//! thousand of them.

use std::fmt;
use std::str::FromStr;

use crate::hash::Sha256Digest;
use crate::tiles;

/// The name of an object in a site: `/`-separated segments of `[A-Za-z0-9._-]`, none starting with a dot, 1 to
/// [`ObjectName::LEN_MAX`] bytes in all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName(String);

/// The text is not an object's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an object name: segments of letters, digits, '.', '_' and '-', none empty or starting with a dot, at most 200 bytes"
)]
pub struct NotAnObjectName;

impl ObjectName {
    /// Longest name, in bytes; short enough for every file system and object store.
    pub const LEN_MAX: usize = 200;

    fn new(text: String) -> Result<Self, NotAnObjectName> {
        let segment_ok = |s: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            !s.is_empty() && !s.starts_with('.') && s.bytes().all(plain)
        };
        if text.len() > Self::LEN_MAX || !text.split('/').all(segment_ok) {
            return Err(NotAnObjectName);
        }
        Ok(Self(text))
    }

    fn own(text: String) -> Self {
        Self::new(text).expect("the layout's own names obey its rule")
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for ObjectName {
    type Err = NotAnObjectName;

    fn from_str(text: &str) -> Result<Self, NotAnObjectName> {
        Self::new(text.to_owned())
    }
}

macro_rules! number {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The next one.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0 + 1)
            }

            /// The one before, unless this is the first.
            #[must_use]
            pub fn previous(self) -> Option<Self> {
                self.0.checked_sub(1).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A commit's number, from 0, without gaps.
    CommitNumber
);
number!(
    /// A seal's number, from 0, without gaps.
    SealNumber
);
number!(
    /// A journal entry's place in the whole journal, from 0, without gaps; also its index in the Merkle log.
    SequenceNumber
);

/// The hash of an evidence tree: one tree, one token, per algorithm and seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceAlgorithm {
    /// SHA-256, always.
    Sha256,
    /// SHA-512, the redundant second tree, with another authority.
    Sha512,
}

impl EvidenceAlgorithm {
    /// As names spell it: `sha256`, `sha512`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    /// Length of its digests in bytes.
    #[must_use]
    pub fn digest_len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for EvidenceAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What this folder is and how to read it, for whoever finds it without us.
#[must_use]
pub fn readme() -> ObjectName {
    ObjectName::own("CARTULAIRE.txt".into())
}

/// The log's public key as a C2SP verifier key.
#[must_use]
pub fn log_vkey(key_id: u32) -> ObjectName {
    ObjectName::own(format!("keys/log/{key_id:08x}.vkey"))
}

/// The log's public key as PEM (`SubjectPublicKeyInfo`), for openssl.
#[must_use]
pub fn log_pem(key_id: u32) -> ObjectName {
    ObjectName::own(format!("keys/log/{key_id:08x}.pem"))
}

/// A time-stamp authority's certificate, named by the SHA-256 of its DER.
#[must_use]
pub fn authority_certificate(digest: &Sha256Digest) -> ObjectName {
    ObjectName::own(format!("{AUTHORITY_CERTIFICATES}/{digest}.pem"))
}

/// Folder of every [`authority_certificate`].
pub const AUTHORITY_CERTIFICATES: &str = "keys/tsa";

/// A commit's container.
#[must_use]
pub fn commit(number: CommitNumber) -> ObjectName {
    ObjectName::own(format!("commits/{}.tar", tiles::tile_number(number.0)))
}

/// The container of one large object, written before the commit that refers to it.
///
/// - `day`: `YYYY-MM-DD`, the day of its reception; `id`: 32 lowercase hexadecimal characters.
#[must_use]
pub fn direct_container(day: &str, id: &str) -> ObjectName {
    ObjectName::own(format!("containers/direct/{day}/{id}.tar"))
}

/// Folder of every [`direct_container`].
pub const DIRECT_CONTAINERS: &str = "containers/direct";

/// A canary: what a site is probed with before it is trusted; deleted after, and of no meaning if it stays.
///
/// - `id`: 32 lowercase hexadecimal characters.
#[must_use]
pub fn canary(id: &str) -> ObjectName {
    ObjectName::own(format!("canaries/{id}"))
}

/// A full tile of the Merkle log: 256 hashes.
#[must_use]
pub fn tile(level: u8, number: u64) -> ObjectName {
    ObjectName::own(format!("log/tile/{level}/{}", tiles::tile_number(number)))
}

/// A full entry bundle of the Merkle log: 256 journal entries.
#[must_use]
pub fn entry_bundle(number: u64) -> ObjectName {
    ObjectName::own(format!("log/tile/entries/{}", tiles::tile_number(number)))
}

/// A seal's signed checkpoint: the object whose creation makes the seal.
#[must_use]
pub fn checkpoint(seal: SealNumber) -> ObjectName {
    ObjectName::own(format!("seals/{}/checkpoint", tiles::tile_number(seal.0)))
}

/// The leaves of a seal's evidence tree.
#[must_use]
pub fn evidence_leaves(seal: SealNumber, algorithm: EvidenceAlgorithm) -> ObjectName {
    ObjectName::own(format!("seals/{}/leaves-{algorithm}", tiles::tile_number(seal.0)))
}

/// The time-stamp token over the root of a seal's evidence tree.
#[must_use]
pub fn token(seal: SealNumber, algorithm: EvidenceAlgorithm) -> ObjectName {
    ObjectName::own(format!("seals/{}/token-{algorithm}.tst", tiles::tile_number(seal.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_as_documented() {
        let digest = Sha256Digest([0xab; 32]);
        let names = [
            commit(CommitNumber(0)),
            commit(CommitNumber(1_234_067)),
            direct_container("2026-11-24", "00112233445566778899aabbccddeeff"),
            canary("00112233445566778899aabbccddeeff"),
            tile(1, 256),
            entry_bundle(3),
            checkpoint(SealNumber(1000)),
            evidence_leaves(SealNumber(7), EvidenceAlgorithm::Sha512),
            token(SealNumber(7), EvidenceAlgorithm::Sha256),
            authority_certificate(&digest),
        ];
        let expected = [
            "commits/000.tar".to_owned(),
            "commits/x001/x234/067.tar".into(),
            "containers/direct/2026-11-24/00112233445566778899aabbccddeeff.tar".into(),
            "canaries/00112233445566778899aabbccddeeff".into(),
            "log/tile/1/256".into(),
            "log/tile/entries/003".into(),
            "seals/x001/000/checkpoint".into(),
            "seals/007/leaves-sha512".into(),
            "seals/007/token-sha256.tst".into(),
            format!("keys/tsa/{digest}.pem"),
        ];
        assert_eq!(names.map(|n| n.to_string()), expected);
    }

    #[test]
    fn no_name_leaves_the_site() {
        for bad in ["", "/", "a//b", "../a", "a/../b", "a/.b", ".", "a\\b", "a b", "é", &"a".repeat(201)] {
            assert_eq!(bad.parse::<ObjectName>(), Err(NotAnObjectName), "{bad:?}");
        }
    }
}
