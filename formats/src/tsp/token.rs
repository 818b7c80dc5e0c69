//! TimeStampToken and the TSTInfo inside it (RFC 3161 §2.4.2).

use jiff::{SignedDuration, Timestamp};

use super::Nonce;
use crate::bounds::{SERIAL_OCTETS_MAX, TOKEN_BYTES_MAX};
use crate::cms::{AlgorithmIdentifier, CmsError, HashAlgorithm, SignedData};
use crate::der::{self, DerError, ObjectIdentifier, Reader, Tag, read_generalized_time};
use crate::hash::{Sha256Digest, Sha512Digest};

/// A digest to be stamped, its length already right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageImprint {
    /// By SHA-256.
    Sha256(Sha256Digest),
    /// By SHA-384, which foreign tokens use.
    Sha384([u8; 48]),
    /// By SHA-512.
    Sha512(Sha512Digest),
}

impl MessageImprint {
    /// Takes a digest of exactly the algorithm's length.
    #[must_use]
    pub fn new(algorithm: HashAlgorithm, digest: &[u8]) -> Option<Self> {
        match algorithm {
            HashAlgorithm::Sha256 => Sha256Digest::from_slice(digest).map(Self::Sha256),
            HashAlgorithm::Sha384 => digest.try_into().ok().map(Self::Sha384),
            HashAlgorithm::Sha512 => Sha512Digest::from_slice(digest).map(Self::Sha512),
        }
    }

    /// The hash function.
    #[must_use]
    pub const fn algorithm(&self) -> HashAlgorithm {
        match self {
            Self::Sha256(_) => HashAlgorithm::Sha256,
            Self::Sha384(_) => HashAlgorithm::Sha384,
            Self::Sha512(_) => HashAlgorithm::Sha512,
        }
    }

    /// The digest.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        match self {
            Self::Sha256(digest) => digest.as_bytes(),
            Self::Sha384(digest) => digest,
            Self::Sha512(digest) => digest.as_bytes(),
        }
    }

    pub(super) fn to_der(self) -> Vec<u8> {
        der::sequence(&[
            &self.algorithm().to_der(),
            &der::octet_string(self.digest()),
        ])
    }
}

/// The imprint in a token, as found: any algorithm, any length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImprintField {
    /// The hash function named.
    pub algorithm: ObjectIdentifier,
    /// Whether its parameters are absent or NULL, as they must be for SHA-2.
    pub parameters_absent: bool,
    /// The digest.
    pub digest: Vec<u8>,
}

/// How far the authority's clock may be off: whole milliseconds and microseconds add to the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accuracy {
    seconds: u32,
    millis: u16,
    micros: u16,
}

/// Parts that the standard does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccuracyError {
    /// Milliseconds or microseconds above 999.
    #[error("milliseconds or microseconds above 999")]
    Range,
}

impl Accuracy {
    /// Seconds, milliseconds (0 to 999) and microseconds (0 to 999).
    ///
    /// # Errors
    /// [`AccuracyError::Range`].
    pub const fn new(seconds: u32, millis: u16, micros: u16) -> Result<Self, AccuracyError> {
        if millis > 999 || micros > 999 {
            return Err(AccuracyError::Range);
        }
        Ok(Self {
            seconds,
            millis,
            micros,
        })
    }

    /// The sum of its parts.
    #[must_use]
    pub fn duration(&self) -> SignedDuration {
        let micros = i64::from(self.millis) * 1000 + i64::from(self.micros);
        SignedDuration::from_secs(i64::from(self.seconds)) + SignedDuration::from_micros(micros)
    }

    pub(super) fn to_der(self) -> Vec<u8> {
        let part = |tag: Tag, value: u32| {
            if value == 0 {
                return Vec::new();
            }
            let mut element = der::integer(&value.to_be_bytes());
            element[0] = tag.0;
            element
        };
        der::sequence(&[
            &part(Tag::INTEGER, self.seconds),
            &part(Tag::context_primitive(0), u32::from(self.millis)),
            &part(Tag::context_primitive(1), u32::from(self.micros)),
        ])
    }

    fn read(mut reader: Reader<'_>) -> Result<Self, DerError> {
        let mut part = |tag, max: u32| match reader.optional(tag)? {
            None => Ok(0),
            Some(value) => match value.unsigned()? {
                number if number <= max => Ok(number),
                _ => Err(DerError::IntegerRange {
                    offset: value.offset,
                }),
            },
        };
        let seconds = part(Tag::INTEGER, u32::MAX)?;
        let millis = part(Tag::context_primitive(0), 999)? as u16;
        let micros = part(Tag::context_primitive(1), 999)? as u16;
        reader.finish()?;
        Ok(Self {
            seconds,
            millis,
            micros,
        })
    }
}

/// What the authority signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TstInfo {
    /// 1 in a sound token.
    pub version: u32,
    /// The policy it was issued under.
    pub policy: ObjectIdentifier,
    /// The digest stamped.
    pub imprint: ImprintField,
    /// Contents of the serial number's INTEGER, at most [`SERIAL_OCTETS_MAX`] octets and a sign octet.
    pub serial: Vec<u8>,
    /// The time.
    pub gen_time: Timestamp,
    /// How exact the time is, if the authority says so.
    pub accuracy: Option<Accuracy>,
    /// Whether tokens of this unit are ordered by their times.
    pub ordering: bool,
    /// The nonce of the request.
    pub nonce: Option<Nonce>,
}

impl TstInfo {
    /// Reads a TSTInfo.
    ///
    /// # Errors
    /// [`DerError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, DerError> {
        let mut reader = Reader::single(bytes, Tag::SEQUENCE)?.reader();
        let version = reader.expect(Tag::INTEGER)?.unsigned()?;
        let policy = reader.expect(Tag::OBJECT_IDENTIFIER)?.object_identifier()?;
        let imprint = ImprintField::read(reader.sequence()?)?;
        let serial = reader.expect(Tag::INTEGER)?;
        if serial.contents.len() > SERIAL_OCTETS_MAX + 1 {
            return Err(DerError::IntegerRange {
                offset: serial.offset,
            });
        }
        let serial = serial.integer()?.to_vec();
        let gen_time = read_generalized_time(&reader.read()?)?;
        let accuracy = reader
            .optional(Tag::SEQUENCE)?
            .map(|a| Accuracy::read(a.reader()))
            .transpose()?;
        let ordering = reader
            .optional(Tag::BOOLEAN)?
            .map_or(Ok(false), |flag| flag.boolean())?;
        let nonce = match reader.optional(Tag::INTEGER)? {
            Some(nonce) => {
                let range = DerError::IntegerRange {
                    offset: nonce.offset,
                };
                Some(Nonce::from_contents(nonce.integer()?).map_err(|_| range)?)
            }
            None => None,
        };
        reader.optional(Tag::context(0))?;
        reader.optional(Tag::context(1))?;
        reader.finish()?;
        Ok(Self {
            version,
            policy,
            imprint,
            serial,
            gen_time,
            accuracy,
            ordering,
            nonce,
        })
    }
}

impl ImprintField {
    fn read(mut reader: Reader<'_>) -> Result<Self, DerError> {
        let algorithm = AlgorithmIdentifier::read(reader.sequence()?)?;
        let digest = reader.expect(Tag::OCTET_STRING)?.contents.to_vec();
        reader.finish()?;
        let parameters_absent = algorithm.has_no_parameters();
        Ok(Self {
            algorithm: algorithm.algorithm,
            parameters_absent,
            digest,
        })
    }

    /// The imprint, if its algorithm is an accepted one and its length is that algorithm's.
    #[must_use]
    pub fn message_imprint(&self) -> Option<MessageImprint> {
        let algorithm = HashAlgorithm::from_object_identifier(&self.algorithm)?;
        MessageImprint::new(algorithm, &self.digest).filter(|_| self.parameters_absent)
    }
}

/// Bytes that are no time-stamp token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// More bytes than [`TOKEN_BYTES_MAX`].
    #[error("token of {size} bytes, more than {TOKEN_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The SignedData is malformed.
    #[error(transparent)]
    Cms(#[from] CmsError),
    /// The content is not a TSTInfo by its type.
    #[error("content is not TSTInfo")]
    NotTstInfo,
    /// The TSTInfo is malformed.
    #[error("TSTInfo: {0}")]
    TstInfo(DerError),
}

/// A token that can be read: its bytes as they are at rest, and what they say. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampToken {
    bytes: Vec<u8>,
    tst_info: TstInfo,
}

impl TimeStampToken {
    /// Reads a token (`ContentInfo`) and keeps its bytes.
    ///
    /// # Errors
    /// [`TokenError`]; a token in BER is one of [`DerError`], to be normalised first.
    pub fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        if bytes.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::TooLarge { size: bytes.len() });
        }
        let signed_data = SignedData::parse(bytes)?;
        if signed_data.content_type != ObjectIdentifier::TST_INFO {
            return Err(TokenError::NotTstInfo);
        }
        let tst_info = TstInfo::parse(signed_data.content).map_err(TokenError::TstInfo)?;
        Ok(Self {
            bytes: bytes.to_vec(),
            tst_info,
        })
    }

    /// The whole ContentInfo, as received.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the authority signed.
    #[must_use]
    pub fn tst_info(&self) -> &TstInfo {
        &self.tst_info
    }

    /// The certificates inside, each whole, in the order found.
    ///
    /// # Errors
    /// [`CmsError`]: never for a value of this type, whose bytes were read once already.
    pub fn certificates(&self) -> Result<Vec<&[u8]>, CmsError> {
        Ok(SignedData::parse(&self.bytes)?.certificates)
    }
}
