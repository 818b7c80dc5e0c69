//! Private keys in files: made once, at `init`, and refused where anybody else may read them.
//!
//! A key is a PEM file of PKCS#8 (RFC 5958), as `openssl genpkey` writes it, so it can be made, read and replaced
//! without us: Ed25519 (RFC 8410) for the log, ECDSA P-256 for the embedded development authority.
//!
//! Invariant: a private key is never logged, never printed and never at rest in a file that its group or the world may
//! read; in memory it is wiped when dropped. API keys are not here: only their digests are kept, in the journal.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cartulaire_engine::ports::{Entropy, SignError, Signer};
use ed25519_dalek::{Signer as _, SigningKey};
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use zeroize::Zeroizing;

/// The log's key in the secrets folder.
pub const LOG_KEY: &str = "log.key.pem";
/// The key of the development authority's root.
pub const DEVELOPMENT_CA_KEY: &str = "development-ca.key.pem";
/// The key of the development authority's time-stamping unit.
pub const DEVELOPMENT_TSU_KEY: &str = "development-tsu.key.pem";

/// What PEM calls PKCS#8 (RFC 7468 §10).
const PRIVATE: &str = "PRIVATE KEY";

/// Largest key file in bytes: a P-256 key takes 250, and whatever comes from elsewhere has no business being longer.
const KEY_FILE_BYTES_MAX: u64 = 16 << 10;

/// Bits of a file's mode that let its group or the world do anything with it.
const OTHERS: u32 = 0o077;

/// PKCS#8 of an Ed25519 key up to its 32 bytes (RFC 8410 §7: version 0, the algorithm, an OCTET STRING in one).
const ED25519_PREFIX: [u8; 16] = [0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 34, 4, 32];

/// SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 §4).
const ED25519_PUBLIC_PREFIX: [u8; 12] = [0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 33, 0];

/// Why a key cannot be used. French: operators read it, and it ends with what to do.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such file, or the system refuses it.
    #[error("{} : clé privée illisible ({source}).\n  « cartulaire init DOSSIER » la crée ; sinon remettez la copie que vous en avez gardée.", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Its group or the world may read it.
    #[error("{} : clé privée lisible par d’autres (droits {mode:04o}), refusée.\n  Écrivez : chmod 600 {}", .path.display(), .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not the key that it must be.
    #[error("{} : ce n’est pas une clé privée {kind} en PEM (PKCS#8).\n  Forme attendue : celle de « openssl genpkey -algorithm {algorithm} ».", .path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The kind of key.
        kind: &'static str,
        /// What openssl calls it.
        algorithm: &'static str,
    },
    /// A key is never overwritten.
    #[error("{} : une clé existe déjà ; elle n’est jamais écrasée.", .0.display())]
    Exists(PathBuf),
    /// The system refuses to write it.
    #[error("{} : impossible d’écrire la clé ({source}).", .path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// The log's key: signs checkpoints and receipts.
pub struct LogKey {
    name: String,
    key: SigningKey,
}

impl LogKey {
    /// Draws a new key and writes it to a file that only its owner may read, durably.
    ///
    /// # Errors
    /// [`SecretError::Exists`], [`SecretError::Unwritable`].
    pub fn make(path: &Path, name: &str, entropy: &dyn Entropy) -> Result<Self, SecretError> {
        let mut seed = Zeroizing::new([0; 32]);
        entropy.fill(&mut *seed);
        let der = Zeroizing::new([&ED25519_PREFIX[..], &*seed].concat());
        write_key(path, &der)?;
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    /// Reads the key from its file.
    ///
    /// - `name`: the log's origin.
    ///
    /// # Errors
    /// [`SecretError`], save `Exists` and `Unwritable`.
    pub fn open(path: &Path, name: &str) -> Result<Self, SecretError> {
        let der = read_key(path).and_then(|der| der.ok_or_else(|| not_ed25519(path)))?;
        let seed = der.strip_prefix(&ED25519_PREFIX).and_then(|seed| seed.try_into().ok());
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.ok_or_else(|| not_ed25519(path))?);
        Ok(Self { name: name.to_owned(), key: SigningKey::from_bytes(&seed) })
    }

    /// The public key as PEM (`SubjectPublicKeyInfo`), for openssl.
    #[must_use]
    pub fn public_pem(&self) -> String {
        let der = [&ED25519_PUBLIC_PREFIX[..], &self.public_key()].concat();
        pem("PUBLIC KEY", &der)
    }
}

impl Signer for LogKey {
    fn name(&self) -> &str {
        &self.name
    }

    fn public_key(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        self.key.try_sign(message).map(|signature| signature.to_bytes()).map_err(|_| SignError)
    }
}

impl fmt::Debug for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogKey({})", self.name)
    }
}

/// Draws a P-256 key and writes it to a file that only its owner may read, durably.
///
/// # Errors
/// [`SecretError::Exists`], [`SecretError::Unwritable`].
pub fn make_p256(path: &Path, entropy: &dyn Entropy) -> Result<p256::SecretKey, SecretError> {
    let key = loop {
        let mut scalar = Zeroizing::new([0; 32]);
        entropy.fill(&mut *scalar);
        // Zero and what is not below the order are no keys: two draws in 2^32.
        if let Ok(key) = p256::SecretKey::from_slice(&*scalar) {
            break key;
        }
    };
    let der = key.to_pkcs8_der().map_err(|_| not_p256(path))?;
    write_key(path, der.as_bytes()).map(|()| key)
}

/// Reads a P-256 key from its file.
///
/// # Errors
/// [`SecretError`], save `Exists` and `Unwritable`.
pub fn open_p256(path: &Path) -> Result<p256::SecretKey, SecretError> {
    let der = read_key(path)?.ok_or_else(|| not_p256(path))?;
    p256::SecretKey::from_pkcs8_der(&der).map_err(|_| not_p256(path))
}

/// Bytes as PEM under a label (RFC 7468).
#[must_use]
pub fn pem(label: &str, der: &[u8]) -> String {
    let encoded = Zeroizing::new(STANDARD.encode(der));
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(64));
        text.extend([line, "\n"]);
        rest = tail;
    }
    text + &format!("-----END {label}-----\n")
}

fn not_ed25519(path: &Path) -> SecretError {
    SecretError::Malformed { path: path.to_owned(), kind: "Ed25519", algorithm: "ed25519" }
}

fn not_p256(path: &Path) -> SecretError {
    let algorithm = "EC -pkeyopt ec_paramgen_curve:P-256";
    SecretError::Malformed { path: path.to_owned(), kind: "ECDSA P-256", algorithm }
}

/// The DER of a key file; `None` if it holds no PEM private key.
fn read_key(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { path: path.to_owned(), source };
    let file = File::open(path).map_err(unreadable)?;
    // The mode of what was opened, not of what the path may name a moment later.
    let mode = file.metadata().map_err(unreadable)?.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(SecretError::Exposed { path: path.to_owned(), mode });
    }
    let mut text = Zeroizing::new(String::new());
    match file.take(KEY_FILE_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) => Ok(decode(&text)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(unreadable(error)),
    }
}

fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let inside = text.trim().strip_prefix("-----BEGIN ")?.strip_prefix(PRIVATE)?.strip_suffix("-----")?;
    let body = inside.strip_prefix("-----")?.strip_suffix(PRIVATE)?.strip_suffix("-----END ")?;
    let packed: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    STANDARD.decode(packed.as_bytes()).ok().map(Zeroizing::new)
}

fn write_key(path: &Path, der: &[u8]) -> Result<(), SecretError> {
    let text = Zeroizing::new(pem(PRIVATE, der));
    write_durably(path, text.as_bytes(), 0o600).map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => SecretError::Exists(path.to_owned()),
        _ => SecretError::Unwritable { path: path.to_owned(), source },
    })
}

/// Writes a new file of that mode, synced with its folder; an existing file is an error.
pub(crate) fn write_durably(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use cartulaire_engine::system::SystemEntropy;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_log_key_written_is_the_key_read() {
        let folder = folder();
        let path = folder.path().join(LOG_KEY);
        let made = LogKey::make(&path, "log.example", &SystemEntropy).unwrap();
        let read = LogKey::open(&path, "log.example").unwrap();
        assert_eq!(read.public_key(), made.public_key());
        assert_eq!(read.sign(b"x"), made.sign(b"x"));
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        assert!(matches!(LogKey::make(&path, "log.example", &SystemEntropy), Err(SecretError::Exists(p)) if p == path));
    }

    #[test]
    fn an_authority_key_written_is_the_key_read() {
        let folder = folder();
        let path = folder.path().join(DEVELOPMENT_CA_KEY);
        let made = make_p256(&path, &SystemEntropy).unwrap();
        assert_eq!(open_p256(&path).unwrap().to_bytes(), made.to_bytes());
    }

    /// RFC 8410 §10.3, its first private key, and §10.1, the public key that belongs to it.
    #[test]
    fn the_standard_s_own_key_reads() {
        let folder = folder();
        let path = folder.path().join("key.pem");
        let der = STANDARD.decode("MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC").unwrap();
        write_durably(&path, pem(PRIVATE, &der).as_bytes(), 0o600).unwrap();
        let public = "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=";
        let expected = format!("-----BEGIN PUBLIC KEY-----\n{public}\n-----END PUBLIC KEY-----\n");
        assert_eq!(LogKey::open(&path, "x").unwrap().public_pem(), expected);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = folder();
        let path = folder.path().join(LOG_KEY);
        LogKey::make(&path, "x", &SystemEntropy).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            let error = LogKey::open(&path, "x").unwrap_err();
            let expected = format!(
                "{p} : clé privée lisible par d’autres (droits {mode:04o}), refusée.\n  Écrivez : chmod 600 {p}",
                p = path.display()
            );
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let folder = folder();
        let (short, other) = (pem(PRIVATE, &[0]), pem("EC PRIVATE KEY", &[0]));
        let garbage = [b"".as_slice(), b"hello", short.as_bytes(), other.as_bytes(), b"\xff"];
        for (i, bytes) in garbage.into_iter().enumerate() {
            let path = folder.path().join(i.to_string());
            write_durably(&path, bytes, 0o600).unwrap();
            assert!(matches!(LogKey::open(&path, "x"), Err(SecretError::Malformed { kind: "Ed25519", .. })), "{i}");
            assert!(matches!(open_p256(&path), Err(SecretError::Malformed { kind: "ECDSA P-256", .. })), "{i}");
        }
        let absent = folder.path().join("absent");
        assert!(matches!(LogKey::open(&absent, "x"), Err(SecretError::Unreadable { .. })));
        let nowhere = folder.path().join("none/key.pem");
        assert!(matches!(LogKey::make(&nowhere, "x", &SystemEntropy), Err(SecretError::Unwritable { .. })));
    }
}
