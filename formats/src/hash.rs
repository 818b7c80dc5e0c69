//! Digests as distinct types, so that a SHA-256 never stands where a BLAKE3 is meant.
//!
//! Every digest prints and parses as lowercase hexadecimal, in text and in JSON.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// A hexadecimal digest that does not have the one accepted spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The text has another length than the digest's.
    #[error("expected {expected} hexadecimal characters, found {found}")]
    Length {
        /// Characters that the digest has.
        expected: usize,
        /// Characters that the text has.
        found: usize,
    },
    /// A character other than `0-9` and `a-f`.
    #[error("not a lowercase hexadecimal character at offset {offset}")]
    Character {
        /// Byte offset of the first wrong character.
        offset: usize,
    },
}

macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The raw bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Takes raw bytes of exactly the right length.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = DigestError;

            fn from_str(text: &str) -> Result<Self, DigestError> {
                let mut bytes = [0; $len];
                decode_hex(text, &mut bytes)?;
                Ok(Self(bytes))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&hex::encode(self.0))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

digest!(
    /// SHA-256 of some bytes: an object's address, and what courts and openssl check.
    Sha256Digest,
    32
);
digest!(
    /// SHA-512 of some bytes: the second evidence tree's digest.
    Sha512Digest,
    64
);
digest!(
    /// BLAKE3 of some bytes: the working digest of reads and scrubs, never the sole one in evidence.
    Blake3Digest,
    32
);
digest!(
    /// The random value that hides an object's digest in journal and evidence trees, erased with the object.
    Blind,
    32
);
digest!(
    /// `SHA-256("cartulaire-commitment/v1\n" ‖ blind ‖ SHA-256(object))`: what the journal says of an object.
    Commitment,
    32
);

digest!(
    /// RFC 6962 leaf hash, `SHA-256(0x00 ‖ entry)`: made by [`crate::merkle::leaf_hash`].
    LeafHash,
    32
);
digest!(
    /// RFC 6962 hash of a complete subtree: a leaf hash, or `SHA-256(0x01 ‖ left ‖ right)`.
    NodeHash,
    32
);
digest!(
    /// RFC 6962 Merkle tree hash of a whole log of some size: what a checkpoint signs.
    RootHash,
    32
);

fn decode_hex(text: &str, out: &mut [u8]) -> Result<(), DigestError> {
    let expected = out.len() * 2;
    let uppercase_or_other = |b: &u8| !matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if let Some(offset) = text.bytes().position(|b| uppercase_or_other(&b)) {
        return Err(DigestError::Character { offset });
    }
    hex::decode_to_slice(text, out).map_err(|_| DigestError::Length { expected, found: text.len() })
}

impl Sha256Digest {
    /// Hashes `bytes` at once.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl Sha512Digest {
    /// Hashes `bytes` at once.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha512::digest(bytes).into())
    }
}

impl Blake3Digest {
    /// Hashes `bytes` at once.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::hash(bytes).into())
    }
}

/// First line of what a [`Commitment`] hashes: its domain separation.
pub const COMMITMENT_DOMAIN: &[u8] = b"cartulaire-commitment/v1\n";

/// First line of what [`Blind::for_sha512`] hashes.
pub const BLIND_SHA512_DOMAIN: &[u8] = b"cartulaire-blind-sha512/v1\n";

impl Commitment {
    /// Commits to an object without disclosing its digest (hiding as long as `blind` is secret, binding always).
    #[must_use]
    pub fn new(blind: &Blind, digest: &Sha256Digest) -> Self {
        let mut hasher = sha2::Sha256::new();
        hasher.update(COMMITMENT_DOMAIN);
        hasher.update(blind.0);
        hasher.update(digest.0);
        Self(hasher.finalize().into())
    }
}

impl Blind {
    /// The 64-byte sibling that blinds the same object in the SHA-512 evidence tree.
    #[must_use]
    pub fn for_sha512(&self) -> Sha512Digest {
        let mut hasher = sha2::Sha512::new();
        hasher.update(BLIND_SHA512_DOMAIN);
        hasher.update(self.0);
        Sha512Digest(hasher.finalize().into())
    }
}

/// BLAKE3 over a stream alone: what checks a long read.
#[derive(Default)]
pub struct Blake3Hasher(blake3::Hasher);

impl Blake3Hasher {
    /// Takes the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes taken.
    #[must_use]
    pub fn finish(&self) -> Blake3Digest {
        Blake3Digest(self.0.finalize().into())
    }
}

/// Digests of one object, computed in one pass over its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digests {
    /// The address.
    pub sha256: Sha256Digest,
    /// The working digest.
    pub blake3: Blake3Digest,
    /// Present when a declared digest or a second evidence tree asks for it.
    pub sha512: Option<Sha512Digest>,
    /// Length in bytes.
    pub size: u64,
}

/// Hashes a stream once with every algorithm that is asked for.
#[derive(Clone)]
pub struct MultiHasher {
    sha256: sha2::Sha256,
    blake3: blake3::Hasher,
    sha512: Option<sha2::Sha512>,
    size: u64,
}

impl MultiHasher {
    /// SHA-256 and BLAKE3 always; SHA-512, which costs more than both together, where asked for.
    #[must_use]
    pub fn new(with_sha512: bool) -> Self {
        Self {
            sha256: sha2::Sha256::new(),
            blake3: blake3::Hasher::new(),
            sha512: with_sha512.then(sha2::Sha512::new),
            size: 0,
        }
    }

    /// Takes the next bytes of the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.blake3.update(bytes);
        if let Some(sha512) = &mut self.sha512 {
            sha512.update(bytes);
        }
        self.size += bytes.len() as u64;
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The digests of all bytes taken.
    #[must_use]
    pub fn finish(self) -> Digests {
        Digests {
            sha256: Sha256Digest(self.sha256.finalize().into()),
            blake3: Blake3Digest(self.blake3.finalize().into()),
            sha512: self.sha512.map(|h| Sha512Digest(h.finalize().into())),
            size: self.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_has_one_spelling() {
        let digest = Sha256Digest::of(b"alpha\n");
        assert_eq!(digest.to_string(), "b6a98d9ce9a2d9149288fa3df42d377c3e42737afdcdaf714e33c0a100b51060");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!("B6".parse::<Sha256Digest>(), Err(DigestError::Character { offset: 0 }));
        assert_eq!("b6".parse::<Sha256Digest>(), Err(DigestError::Length { expected: 64, found: 2 }));
    }

    #[test]
    fn one_pass_equals_separate_passes() {
        let bytes: Vec<u8> = (0..100_000u32).map(|i| i as u8).collect();
        let mut hasher = MultiHasher::new(true);
        bytes.chunks(777).for_each(|chunk| hasher.update(chunk));
        let expected = Digests {
            sha256: Sha256Digest::of(&bytes),
            blake3: Blake3Digest::of(&bytes),
            sha512: Some(Sha512Digest::of(&bytes)),
            size: 100_000,
        };
        assert_eq!(hasher.finish(), expected);
    }
}
