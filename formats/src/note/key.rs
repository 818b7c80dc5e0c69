//! Names and public keys of signers.

use std::fmt;
use std::str::FromStr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::bounds::KEY_NAME_BYTES_MAX;

/// A key or key name that signed-note does not allow, or that cannot verify.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The name is empty.
    #[error("a key name is not empty")]
    NameEmpty,
    /// The name is longer than [`KEY_NAME_BYTES_MAX`].
    #[error("a key name has at most {KEY_NAME_BYTES_MAX} bytes, found {bytes}")]
    NameTooLong {
        /// Its length.
        bytes: usize,
    },
    /// The name has a Unicode space, a control character or a `+`.
    #[error("a key name has no space, control character or plus sign: offset {offset}")]
    NameCharacter {
        /// Byte offset of the first such character.
        offset: usize,
    },
    /// The text is not `name+id+key`.
    #[error("a verifier key is of the form name+id+key")]
    Form,
    /// The identifier is not eight lowercase hexadecimal characters.
    #[error("a key identifier is eight lowercase hexadecimal characters")]
    IdForm,
    /// The key is not canonical base64.
    #[error("the public key is not base64")]
    KeyBase64,
    /// The key has another length than a type byte and 32 bytes.
    #[error("the public key has {found} bytes, expected 33 with its type")]
    KeyLength {
        /// Bytes found, type byte included.
        found: usize,
    },
    /// The type byte is neither 0x01 (Ed25519) nor 0x04 (cosignature/v1).
    #[error("signature type {found:#04x} is not supported")]
    UnknownType {
        /// The type byte.
        found: u8,
    },
    /// The 32 bytes are no point of the curve, or one of small order, under which anything can be made to verify.
    #[error("the public key is not a usable Ed25519 key")]
    Point,
    /// The identifier is not the digest of name, type and key.
    #[error("the key identifier is {found}, but name and key give {expected}")]
    IdMismatch {
        /// The identifier computed.
        expected: KeyId,
        /// The identifier written.
        found: KeyId,
    },
}

/// Name of a key: usually a URL without scheme, for example `archives.example/sae1`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// Checks a name: not empty, no Unicode space, no control character, no `+`.
    ///
    /// # Errors
    /// [`KeyError::NameEmpty`], [`KeyError::NameTooLong`] and [`KeyError::NameCharacter`].
    ///
    /// # Standard
    /// C2SP signed-note, "Format".
    pub fn new(name: impl Into<String>) -> Result<Self, KeyError> {
        let name = name.into();
        if name.is_empty() {
            return Err(KeyError::NameEmpty);
        }
        if name.len() > KEY_NAME_BYTES_MAX {
            return Err(KeyError::NameTooLong { bytes: name.len() });
        }
        match name.find(|c: char| c == '+' || c < ' ' || c.is_whitespace()) {
            Some(offset) => Err(KeyError::NameCharacter { offset }),
            None => Ok(Self(name)),
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Four bytes that tell one key of a name from another; an identifier, not a security property.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// What a key signs, with its type byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum KeyKind {
    /// The text of a note.
    Ed25519 = 0x01,
    /// A witness's statement that it saw a checkpoint at a time and found it consistent with all before.
    CosignatureV1 = 0x04,
}

/// Identifier of a key: first four bytes of `SHA-256(name ‖ 0x0A ‖ type ‖ public key)`.
///
/// # Standard
/// C2SP signed-note, "Signatures".
#[must_use]
pub fn key_id(name: &KeyName, kind: KeyKind, public_key: &[u8; 32]) -> KeyId {
    let hasher = Sha256::new().chain_update(name.as_str()).chain_update([b'\n', kind as u8]);
    let digest: [u8; 32] = hasher.chain_update(public_key).finalize().into();
    KeyId([digest[0], digest[1], digest[2], digest[3]])
}

/// A named public key, written `name+id+base64(type ‖ public key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: KeyId,
    kind: KeyKind,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Names a public key (RFC 8032, 32 bytes).
    ///
    /// # Errors
    /// [`KeyError::Point`].
    pub fn new(name: KeyName, kind: KeyKind, public_key: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(public_key).map_err(|_| KeyError::Point)?;
        if key.is_weak() {
            return Err(KeyError::Point);
        }
        let id = key_id(&name, kind, public_key);
        Ok(Self { name, id, kind, key })
    }

    /// Name of the key.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Identifier of the key.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key signs.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The 32 bytes of RFC 8032.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The key in the form that openssl reads, see [`public_key_pem`].
    #[must_use]
    pub fn to_pem(&self) -> String {
        public_key_pem(&self.public_key())
    }

    /// Verifies a bare signature over a bare message, refusing malleable and small-order cases.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut typed = vec![self.kind as u8];
        typed.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, self.id, BASE64_STANDARD.encode(typed))
    }
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
        let (id, key) = rest.split_once('+').ok_or(KeyError::Form)?;
        let name = KeyName::new(name)?;
        let found = parse_id(id).ok_or(KeyError::IdForm)?;
        let typed = BASE64_STANDARD.decode(key).map_err(|_| KeyError::KeyBase64)?;
        let length = KeyError::KeyLength { found: typed.len() };
        let (&kind, key) = typed.split_first().ok_or(length)?;
        let kind = match kind {
            0x01 => KeyKind::Ed25519,
            0x04 => KeyKind::CosignatureV1,
            found => return Err(KeyError::UnknownType { found }),
        };
        let verifier = Self::new(name, kind, key.try_into().map_err(|_| length)?)?;
        if verifier.id != found {
            return Err(KeyError::IdMismatch { expected: verifier.id, found });
        }
        Ok(verifier)
    }
}

fn parse_id(text: &str) -> Option<KeyId> {
    let mut id = [0; 4];
    hex::decode_to_slice(text, &mut id).ok()?;
    (hex::encode(id) == text).then_some(KeyId(id))
}

/// An Ed25519 public key as SubjectPublicKeyInfo in PEM, for `openssl pkeyutl -verify -pubin -rawin`.
///
/// # Standard
/// RFC 8410 §4 (key), RFC 7468 §13 (text).
#[must_use]
pub fn public_key_pem(public_key: &[u8; 32]) -> String {
    // SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }: only the key itself ever varies.
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(public_key);
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", BASE64_STANDARD.encode(der))
}
