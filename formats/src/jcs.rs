//! Canonical JSON of RFC 8785, and strict reading of ordinary JSON.
//!
//! Owns the JSON that the archive may sign or hash: one text for one value. Numbers are integers within ±(2^53 − 1) and
//! nothing else. RFC 8785 writes every number as an IEEE double, so a fraction or a larger integer would be changed in
//! silence on its way through one; what the archive counts and measures are integers, and any other number a depositor
//! has to say is said in a string. Hence every value that a parser here returns has a canonical form.
//!
//! Reading never repairs: duplicate names, lone surrogates and trailing bytes are errors with their byte offset.

mod read;
mod write;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bounds::{JSON_BYTES_MAX, JSON_DEPTH_MAX, JSON_INTEGER_MAX};

/// A text that is not the JSON asked for, or a value that has no canonical form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JcsError {
    /// Longer than [`JSON_BYTES_MAX`].
    #[error("JSON text of {bytes} bytes, at most {JSON_BYTES_MAX} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Arrays and objects nested deeper than [`JSON_DEPTH_MAX`].
    #[error("JSON nested deeper than {JSON_DEPTH_MAX} at offset {offset}")]
    TooDeep {
        /// Byte offset of the bracket that goes too deep; 0 for a value that was never text.
        offset: usize,
    },
    /// Not UTF-8.
    #[error("not UTF-8 at offset {offset}")]
    Utf8 {
        /// Byte offset of the first wrong byte.
        offset: usize,
    },
    /// A byte that JSON's grammar does not allow there, a byte order mark for example.
    #[error("not JSON at offset {offset}")]
    Syntax {
        /// Byte offset of the first wrong byte.
        offset: usize,
    },
    /// The text ends inside a value.
    #[error("JSON text ends early, at offset {offset}")]
    Truncated {
        /// Length of the text.
        offset: usize,
    },
    /// Something other than white space follows the value.
    #[error("bytes after the JSON value at offset {offset}")]
    Trailing {
        /// Byte offset of the first such byte.
        offset: usize,
    },
    /// Two members of one object have the same name.
    #[error("duplicate name in an object at offset {offset}")]
    DuplicateName {
        /// Byte offset of the second name; 0 for a value that was never text.
        offset: usize,
    },
    /// An escape of half a surrogate pair, which no UTF-8 can say.
    #[error("lone surrogate at offset {offset}")]
    LoneSurrogate {
        /// Byte offset of the escape.
        offset: usize,
    },
    /// A control character that JSON wants escaped.
    #[error("unescaped control character at offset {offset}")]
    ControlCharacter {
        /// Byte offset of the character.
        offset: usize,
    },
    /// A number with a fraction or an exponent, or a minus zero: say it in a string.
    #[error("a number that is not an integer at offset {offset}: write it as a string")]
    NotInteger {
        /// Byte offset of the number; 0 for a value that was never text.
        offset: usize,
    },
    /// An integer beyond ±(2^53 − 1): say it in a string.
    #[error("an integer beyond 2^53 - 1 at offset {offset}: write it as a string")]
    IntegerTooLarge {
        /// Byte offset of the number; 0 for a value that was never text.
        offset: usize,
    },
    /// JSON, but not in its one canonical text.
    #[error("JSON that is not canonical (RFC 8785) at offset {offset}")]
    NotCanonical {
        /// Byte offset where the canonical text first differs.
        offset: usize,
    },
    /// A type that JSON cannot say: a map with names that are not strings, bytes outside an array, a custom failure.
    #[error("a value that JSON cannot say")]
    Unserializable,
}

/// Writes a value in its one canonical text.
///
/// - Names are sorted by UTF-16 code units, nothing is escaped that need not be, no white space.
///
/// # Errors
/// [`JcsError::NotInteger`] for every floating-point number, NaN and whole ones too; [`JcsError::IntegerTooLarge`],
/// [`JcsError::DuplicateName`], [`JcsError::TooDeep`], [`JcsError::TooLarge`], [`JcsError::Unserializable`].
///
/// # Standard
/// RFC 8785 §3.2, narrowed to integers.
pub fn to_canonical<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, JcsError> {
    let value = value.serialize(write::Tree { depth: 0 }).map_err(|error| error.0)?;
    write::canonical(&value)
}

/// Reads a text that must be canonical, into a value.
///
/// - `bytes`: at most [`JSON_BYTES_MAX`].
///
/// # Errors
/// Those of [`parse_strict`], and [`JcsError::NotCanonical`].
///
/// # Standard
/// RFC 8785 §3.2.
pub fn parse_canonical(bytes: &[u8]) -> Result<Value, JcsError> {
    let value = parse_strict(bytes)?;
    let canonical = write::canonical(&value)?;
    if canonical == bytes {
        return Ok(value);
    }
    let differs = canonical.iter().zip(bytes).position(|(ours, theirs)| ours != theirs);
    Err(JcsError::NotCanonical { offset: differs.unwrap_or(canonical.len().min(bytes.len())) })
}

/// Reads a text that must be canonical, into a type.
///
/// - Returns `None` where the text is canonical JSON but not of this type. A type that must refuse unknown members says
///   so itself (`deny_unknown_fields`).
///
/// # Errors
/// Those of [`parse_canonical`].
pub fn from_canonical<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<T>, JcsError> {
    parse_canonical(bytes).map(|value| T::deserialize(value).ok())
}

/// Reads ordinary JSON: members in any order, white space where JSON allows it.
///
/// - `bytes`: at most [`JSON_BYTES_MAX`], nested at most [`JSON_DEPTH_MAX`] deep.
/// - The value returned has a canonical form.
///
/// # Errors
/// All of [`JcsError`] but [`JcsError::NotCanonical`] and [`JcsError::Unserializable`], with the offset in `bytes`.
///
/// # Standard
/// RFC 8259, and of RFC 7493 (I-JSON) §2: no duplicate names, no lone surrogates, integers that a double can hold.
pub fn parse_strict(bytes: &[u8]) -> Result<Value, JcsError> {
    if bytes.len() > JSON_BYTES_MAX {
        return Err(JcsError::TooLarge { bytes: bytes.len() });
    }
    let text = std::str::from_utf8(bytes).map_err(|error| JcsError::Utf8 { offset: error.valid_up_to() })?;
    read::parse(text)
}

fn integer_fits(magnitude: u64) -> bool {
    magnitude <= JSON_INTEGER_MAX.unsigned_abs()
}
