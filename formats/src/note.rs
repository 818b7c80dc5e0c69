//! Signed notes of C2SP signed-note: parsed, signed, verified; verifier keys; cosignatures of C2SP tlog-cosignature.
//!
//! Owns the note's form and its Ed25519 signatures. What a note's text says is another module's ([`crate::checkpoint`]).
//! Private keys never come here: signing goes through a closure, and what it returns is verified before it is kept.
//!
//! The text of a note means nothing until [`Note::verify`] has named a key that signed it.

mod key;

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::bounds::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX};
pub use key::{KeyError, KeyId, KeyKind, KeyName, VerifierKey, key_id, public_key_pem};

/// Bytes that are no signed note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("a note has at most {NOTE_BYTES_MAX} bytes, found {bytes}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at offset {offset}")]
    Utf8 {
        /// Byte offset of the first wrong byte.
        offset: usize,
    },
    /// An ASCII control character other than a newline.
    #[error("control character at offset {offset}")]
    Control {
        /// Byte offset of the first one.
        offset: usize,
    },
    /// A text to sign does not end in a newline.
    #[error("the text of a note ends in a newline")]
    TextEnd,
    /// No blank line separates a text from signatures.
    #[error("no blank line between text and signatures")]
    NoBlankLine,
    /// No signature line follows the blank line.
    #[error("a note has at least one signature")]
    NoSignature,
    /// The last signature line does not end in a newline.
    #[error("the last signature line ends in a newline")]
    NotTerminated,
    /// More than [`NOTE_SIGNATURES_MAX`] signature lines.
    #[error("a note has at most {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// A signature line is not `— name base64` with at least five bytes.
    #[error("signature line {line} is malformed")]
    SignatureForm {
        /// Zero-based position among the signature lines.
        line: usize,
    },
    /// A signature line's key name breaks a rule.
    #[error("signature line {line}: {error}")]
    SignatureName {
        /// Zero-based position among the signature lines.
        line: usize,
        /// The rule.
        error: KeyError,
    },
}

/// One line of signature, verified or not: `— name base64(id ‖ signature)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureLine {
    name: KeyName,
    id: KeyId,
    signature: Vec<u8>,
}

/// Em dash and space: how every signature line begins.
const SIGNATURE_MARK: &str = "\u{2014} ";

impl SignatureLine {
    /// Reads one line without its newline.
    ///
    /// # Errors
    /// [`NoteError::SignatureForm`] and [`NoteError::SignatureName`], for line 0.
    pub fn parse(line: &str) -> Result<Self, NoteError> {
        Self::parse_at(0, line)
    }

    fn parse_at(line: usize, text: &str) -> Result<Self, NoteError> {
        let malformed = NoteError::SignatureForm { line };
        let (name, blob) = text.strip_prefix(SIGNATURE_MARK).and_then(|rest| rest.split_once(' ')).ok_or(malformed)?;
        let name = KeyName::new(name).map_err(|error| NoteError::SignatureName { line, error })?;
        let blob = BASE64_STANDARD.decode(blob).map_err(|_| malformed)?;
        match blob.split_first_chunk::<4>() {
            Some((id, signature)) if !signature.is_empty() => {
                Ok(Self { name, id: KeyId(*id), signature: signature.to_vec() })
            }
            _ => Err(malformed),
        }
    }

    /// Name of the key that claims to have signed.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Identifier of the key that claims to have signed.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// The signature's bytes after the identifier; for cosignature/v1 they begin with the time.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Verifies this line as `key`'s signature of `text`.
    ///
    /// # Errors
    /// [`VerifyError::NoKnownKey`] if the line claims another key, [`VerifyError::BadSignature`] if it does not verify.
    pub fn verify(&self, key: &VerifierKey, text: &str) -> Result<SignedBy, VerifyError> {
        if *key.name() != self.name || key.id() != self.id {
            return Err(VerifyError::NoKnownKey);
        }
        let bad = || VerifyError::BadSignature { name: self.name.clone(), id: self.id };
        let (time, message, signature) = match key.kind() {
            KeyKind::Ed25519 => (None, text.as_bytes().to_vec(), self.signature.as_slice()),
            KeyKind::CosignatureV1 => {
                let (time, signature) = self.signature.split_first_chunk::<8>().ok_or_else(bad)?;
                let time = u64::from_be_bytes(*time);
                (Some(time), cosignature_message(time, text), signature)
            }
        };
        let signature = signature.try_into().map_err(|_| bad())?;
        if key.verifies(&message, signature) { Ok(SignedBy { key: key.clone(), time }) } else { Err(bad()) }
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [&self.id.0, self.signature.as_slice()].concat();
        write!(f, "{SIGNATURE_MARK}{} {}", self.name, BASE64_STANDARD.encode(blob))
    }
}

/// A signature that verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedBy {
    /// The key, as the caller knows it.
    pub key: VerifierKey,
    /// When a witness says it saw the checkpoint, in seconds since the Unix epoch; `None` for a plain signature.
    pub time: Option<u64>,
}

/// What a cosignature/v1 signs: a header line, the time line and the whole text of the checkpoint.
///
/// - `time`: seconds since the Unix epoch.
///
/// # Standard
/// C2SP tlog-cosignature, "Format", cosignature/v1.
#[must_use]
pub fn cosignature_message(time: u64, text: &str) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}

/// A signature that cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The text or the whole would be no note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The key signs something else: plain signatures need type 0x01, cosignatures type 0x04.
    #[error("the key is not of the type that this signature needs")]
    WrongKind,
    /// The signer's answer does not verify under the public key; nothing was added.
    #[error("the signer's signature does not verify under the public key")]
    DoesNotVerify,
}

/// A note that cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Two different known keys share name and identifier, so that a signature names neither.
    #[error("two known keys are both called {name}+{id}")]
    AmbiguousKeys {
        /// Their name.
        name: KeyName,
        /// Their identifier.
        id: KeyId,
    },
    /// A signature claims a known key and does not verify: the note was altered or forged.
    #[error("the signature of {name}+{id} does not verify")]
    BadSignature {
        /// The key's name.
        name: KeyName,
        /// The key's identifier.
        id: KeyId,
    },
    /// No signature is of a known key.
    #[error("no signature is of a known key")]
    NoKnownKey,
}

/// A text with at least one signature, none of them verified yet.
///
/// Parsing keeps every byte: [`fmt::Display`] writes exactly what was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// Reads a note.
    ///
    /// - `bytes`: at most [`NOTE_BYTES_MAX`], with at most [`NOTE_SIGNATURES_MAX`] signatures.
    ///
    /// # Errors
    /// One variant of [`NoteError`] for each rule.
    ///
    /// # Standard
    /// C2SP signed-note, "Format".
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        let note = check_characters(bytes)?;
        // The last blank line ends the text, which may have blank lines of its own.
        let (before, lines) = note.rsplit_once("\n\n").ok_or(NoteError::NoBlankLine)?;
        let text = format!("{before}\n");
        if lines.is_empty() {
            return Err(NoteError::NoSignature);
        }
        let lines = lines.strip_suffix('\n').ok_or(NoteError::NotTerminated)?;
        if lines.split('\n').count() > NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        let lines = lines.split('\n').enumerate();
        let signatures = lines.map(|(line, text)| SignatureLine::parse_at(line, text)).collect::<Result<_, _>>()?;
        Ok(Self { text, signatures })
    }

    /// Makes a note of `text` with one plain Ed25519 signature.
    ///
    /// - `text`: not empty, ends in a newline, no other control character.
    /// - `sign`: returns the Ed25519 signature of exactly the bytes it is given; called once.
    ///
    /// # Errors
    /// All of [`SignError`].
    pub fn sign(text: String, key: &VerifierKey, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> Result<Self, SignError> {
        let line = signature_line(&text, key, sign)?;
        let mut note = Self { text, signatures: Vec::new() };
        note.add(line)?;
        Ok(note)
    }

    /// Makes a note of `text` with a plain Ed25519 signature that its own signer just made.
    ///
    /// Unlike [`Note::sign`] this does not verify the signature, which costs twice what making it did: for receipts, of
    /// which there are thousands a second. A signature made wrong shows at the first reader, and nothing else rests on it.
    ///
    /// # Errors
    /// [`SignError::Note`] and [`SignError::WrongKind`].
    pub fn of_signed(text: String, key: &VerifierKey, signature: [u8; 64]) -> Result<Self, SignError> {
        check_characters(text.as_bytes())?;
        check_text(&text)?;
        if key.kind() != KeyKind::Ed25519 {
            return Err(SignError::WrongKind);
        }
        let line = SignatureLine { name: key.name().clone(), id: key.id(), signature: signature.to_vec() };
        Ok(Self { text, signatures: vec![line] })
    }

    /// Adds a signature line, a witness's answer for example, without verifying it.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`] and [`NoteError::TooLong`]; the note is then as before.
    pub fn add(&mut self, line: SignatureLine) -> Result<(), NoteError> {
        if self.signatures.len() == NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(line);
        let bytes = self.to_string().len();
        if bytes > NOTE_BYTES_MAX {
            self.signatures.pop();
            return Err(NoteError::TooLong { bytes });
        }
        Ok(())
    }

    /// The signed text, last newline included. Untrusted until [`Self::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines, in order, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// Verifies every signature that claims a known key, and ignores all others.
    ///
    /// - Returns at least one [`SignedBy`], in the order of the lines; a key that signed twice stands there twice, so a
    ///   quorum must count distinct keys.
    ///
    /// # Errors
    /// All of [`VerifyError`].
    ///
    /// # Standard
    /// C2SP signed-note, "Signatures": of its two choices for a known key that fails, rejection of the whole note.
    pub fn verify(&self, known: &[VerifierKey]) -> Result<Vec<SignedBy>, VerifyError> {
        let mut signed = Vec::new();
        for line in &self.signatures {
            let mut keys = known.iter().filter(|key| *key.name() == line.name && key.id() == line.id);
            let Some(key) = keys.next() else { continue };
            if keys.any(|other| other != key) {
                return Err(VerifyError::AmbiguousKeys { name: line.name.clone(), id: line.id });
            }
            signed.push(line.verify(key, &self.text)?);
        }
        if signed.is_empty() { Err(VerifyError::NoKnownKey) } else { Ok(signed) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Makes a plain Ed25519 signature line for `text`.
///
/// - `sign`: returns the Ed25519 signature of exactly the bytes it is given; called once.
///
/// # Errors
/// All of [`SignError`]; [`SignError::DoesNotVerify`] guards against a signer of another key and against faults.
pub fn signature_line(
    text: &str,
    key: &VerifierKey,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<SignatureLine, SignError> {
    make_line(text, key, KeyKind::Ed25519, None, sign)
}

/// Makes a cosignature/v1 line for the text of a checkpoint.
///
/// - `time`: when the witness saw the checkpoint, in seconds since the Unix epoch.
/// - `sign`: returns the Ed25519 signature of exactly the bytes it is given; called once.
///
/// # Errors
/// All of [`SignError`].
///
/// # Standard
/// C2SP tlog-cosignature, cosignature/v1.
pub fn cosignature_line(
    text: &str,
    key: &VerifierKey,
    time: u64,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<SignatureLine, SignError> {
    make_line(text, key, KeyKind::CosignatureV1, Some(time), sign)
}

fn make_line(
    text: &str,
    key: &VerifierKey,
    kind: KeyKind,
    time: Option<u64>,
    sign: impl FnOnce(&[u8]) -> [u8; 64],
) -> Result<SignatureLine, SignError> {
    check_characters(text.as_bytes())?;
    check_text(text)?;
    if key.kind() != kind {
        return Err(SignError::WrongKind);
    }
    let message = time.map_or_else(|| text.as_bytes().to_vec(), |time| cosignature_message(time, text));
    let bare = sign(&message);
    if !key.verifies(&message, &bare) {
        return Err(SignError::DoesNotVerify);
    }
    let mut signature = time.map_or_else(Vec::new, |time| time.to_be_bytes().to_vec());
    signature.extend_from_slice(&bare);
    Ok(SignatureLine { name: key.name().clone(), id: key.id(), signature })
}

fn check_characters(bytes: &[u8]) -> Result<&str, NoteError> {
    if bytes.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLong { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| NoteError::Utf8 { offset: error.valid_up_to() })?;
    match bytes.iter().position(|&b| b < 0x20 && b != b'\n') {
        Some(offset) => Err(NoteError::Control { offset }),
        None => Ok(text),
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.ends_with('\n') { Ok(()) } else { Err(NoteError::TextEnd) }
}
