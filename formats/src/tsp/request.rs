//! TimeStampReq: what is asked of an authority (RFC 3161 §2.4.1).

use super::{FailInfo, MessageImprint};
use crate::bounds::{NONCE_OCTETS_MAX, TIME_STAMP_REQUEST_BYTES_MAX};
use crate::cms::AlgorithmIdentifier;
use crate::der::{self, DerError, ObjectIdentifier, Reader, Tag};

/// A nonce: the contents of an INTEGER in its shortest form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Vec<u8>);

/// An INTEGER that is no acceptable nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// More than [`NONCE_OCTETS_MAX`] octets.
    #[error("nonce longer than {NONCE_OCTETS_MAX} octets")]
    TooLong,
}

impl Nonce {
    /// Makes a positive nonce of at most 64 bits from a random number.
    #[must_use]
    pub fn new(random: std::num::NonZeroU64) -> Self {
        let element = der::integer(&random.get().to_be_bytes());
        // Tag and length take one octet each: the contents have at most nine.
        Self(element[2..].to_vec())
    }

    /// Takes the contents of an INTEGER, as another client made it.
    ///
    /// # Errors
    /// [`NonceError::TooLong`].
    pub fn from_contents(contents: &[u8]) -> Result<Self, NonceError> {
        if contents.len() > NONCE_OCTETS_MAX {
            Err(NonceError::TooLong)
        } else {
            Ok(Self(contents.to_vec()))
        }
    }

    /// The contents of the INTEGER.
    #[must_use]
    pub fn contents(&self) -> &[u8] {
        &self.0
    }
}

/// A request for one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampRequest {
    /// The digest to be stamped.
    pub imprint: MessageImprint,
    /// The policy asked for, or the authority's own choice.
    pub policy: Option<ObjectIdentifier>,
    /// What ties the answer to this request.
    pub nonce: Option<Nonce>,
    /// Whether the token shall hold its certificates.
    pub certificates_wanted: bool,
}

/// A request that no token can be issued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// More bytes than [`TIME_STAMP_REQUEST_BYTES_MAX`].
    #[error("request of {size} bytes, more than {TIME_STAMP_REQUEST_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The encoding is wrong.
    #[error(transparent)]
    Der(#[from] DerError),
    /// A version other than 1.
    #[error("request version {found}, not 1")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A hash function other than SHA-256, SHA-384 and SHA-512.
    #[error("unsupported hash algorithm")]
    Algorithm,
    /// An imprint whose length is not the hash function's.
    #[error("imprint of {found} bytes where the hash has {expected}")]
    ImprintLength {
        /// Bytes that the hash has.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The nonce is unacceptable.
    #[error(transparent)]
    Nonce(#[from] NonceError),
    /// Extensions, of which this implementation knows none.
    #[error("request has extensions")]
    Extensions,
}

impl RequestError {
    /// What a responder says of it.
    #[must_use]
    pub const fn fail_info(&self) -> FailInfo {
        match self {
            Self::TooLarge { .. } | Self::Version { .. } | Self::Nonce(_) => FailInfo::BadRequest,
            Self::Der(_) | Self::ImprintLength { .. } => FailInfo::BadDataFormat,
            Self::Algorithm => FailInfo::BadAlg,
            Self::Extensions => FailInfo::UnacceptedExtension,
        }
    }
}

impl TimeStampRequest {
    /// The request that this archive sends: nonce present, certificates wanted.
    #[must_use]
    pub fn new(imprint: MessageImprint, policy: Option<ObjectIdentifier>, nonce: Nonce) -> Self {
        Self {
            imprint,
            policy,
            nonce: Some(nonce),
            certificates_wanted: true,
        }
    }

    /// Encodes the request as DER, for a body of type `application/timestamp-query`.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let policy = self
            .policy
            .as_ref()
            .map(ObjectIdentifier::to_der)
            .unwrap_or_default();
        let nonce = self
            .nonce
            .as_ref()
            .map(|n| der::tlv(Tag::INTEGER, n.contents()))
            .unwrap_or_default();
        let certificates = if self.certificates_wanted {
            der::boolean(true)
        } else {
            Vec::new()
        };
        der::sequence(&[
            &der::integer(&[1]),
            &self.imprint.to_der(),
            &policy,
            &nonce,
            &certificates,
        ])
    }

    /// Reads a request, for a responder.
    ///
    /// # Errors
    /// [`RequestError`]; [`RequestError::fail_info`] names what to answer.
    pub fn parse(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > TIME_STAMP_REQUEST_BYTES_MAX {
            return Err(RequestError::TooLarge { size: bytes.len() });
        }
        let mut reader = Reader::single(bytes, Tag::SEQUENCE)?.reader();
        let version = reader.expect(Tag::INTEGER)?.unsigned()?;
        if version != 1 {
            return Err(RequestError::Version { found: version });
        }
        let imprint = read_imprint(reader.sequence()?)?;
        let policy = reader.optional(Tag::OBJECT_IDENTIFIER)?;
        let policy = policy.map(|oid| oid.object_identifier()).transpose()?;
        let nonce = match reader.optional(Tag::INTEGER)? {
            Some(nonce) => Some(Nonce::from_contents(nonce.integer()?)?),
            None => None,
        };
        // Some clients write the default out; a request is not signed, so nothing hangs on it.
        let certificates_wanted = reader
            .optional(Tag::BOOLEAN)?
            .map_or(Ok(false), |flag| flag.boolean())?;
        if reader.optional(Tag::context(0))?.is_some() {
            return Err(RequestError::Extensions);
        }
        reader.finish()?;
        Ok(Self {
            imprint,
            policy,
            nonce,
            certificates_wanted,
        })
    }
}

fn read_imprint(mut reader: Reader<'_>) -> Result<MessageImprint, RequestError> {
    let algorithm = AlgorithmIdentifier::read(reader.sequence()?)?;
    let digest = reader.expect(Tag::OCTET_STRING)?.contents;
    reader.finish()?;
    let algorithm = algorithm.hash_algorithm().ok_or(RequestError::Algorithm)?;
    let (expected, found) = (algorithm.digest_len(), digest.len());
    MessageImprint::new(algorithm, digest).ok_or(RequestError::ImprintLength { expected, found })
}
