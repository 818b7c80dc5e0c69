//! TimeStampResp: an authority's answer, granted or not (RFC 3161 §2.4.2).

use crate::bounds::TOKEN_BYTES_MAX;
use crate::der::{self, DerError, Reader, Tag};

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PkiStatus {
    /// granted (0).
    Granted,
    /// grantedWithMods (1).
    GrantedWithMods,
    /// rejection (2).
    Rejection,
    /// waiting (3).
    Waiting,
    /// revocationWarning (4).
    RevocationWarning,
    /// revocationNotification (5).
    RevocationNotification,
}

/// Why a request was refused; the number is the bit of PKIFailureInfo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailInfo {
    /// badAlg (0).
    BadAlg = 0,
    /// badRequest (2).
    BadRequest = 2,
    /// badDataFormat (5).
    BadDataFormat = 5,
    /// timeNotAvailable (14).
    TimeNotAvailable = 14,
    /// unacceptedPolicy (15).
    UnacceptedPolicy = 15,
    /// unacceptedExtension (16).
    UnacceptedExtension = 16,
    /// addInfoNotAvailable (17).
    AddInfoNotAvailable = 17,
    /// systemFailure (25).
    SystemFailure = 25,
}

impl FailInfo {
    /// All of them, in the order of their bits.
    pub const ALL: [Self; 8] = [
        Self::BadAlg,
        Self::BadRequest,
        Self::BadDataFormat,
        Self::TimeNotAvailable,
        Self::UnacceptedPolicy,
        Self::UnacceptedExtension,
        Self::AddInfoNotAvailable,
        Self::SystemFailure,
    ];

    /// The name in the standard.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadAlg => "badAlg",
            Self::BadRequest => "badRequest",
            Self::BadDataFormat => "badDataFormat",
            Self::TimeNotAvailable => "timeNotAvailable",
            Self::UnacceptedPolicy => "unacceptedPolicy",
            Self::UnacceptedExtension => "unacceptedExtension",
            Self::AddInfoNotAvailable => "addInfoNotAvailable",
            Self::SystemFailure => "systemFailure",
        }
    }

    pub(super) fn to_der(self) -> Vec<u8> {
        let bit = self as usize;
        let mut octets = vec![0; bit / 8 + 1];
        octets[bit / 8] = 0x80 >> (bit % 8);
        der::bit_string(&octets, 7 - (bit % 8) as u8)
    }
}

/// The status of an answer, with the authority's own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseStatus {
    /// What became of the request.
    pub status: PkiStatus,
    /// The authority's words, untrusted text, one string per line.
    pub text: Vec<String>,
    /// The reasons given for a refusal, those that the standard names.
    pub fail_info: Vec<FailInfo>,
}

/// An answer that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// More bytes than [`TOKEN_BYTES_MAX`].
    #[error("response of {size} bytes, more than {TOKEN_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The encoding is wrong.
    #[error(transparent)]
    Der(#[from] DerError),
    /// A status that the standard does not have.
    #[error("unknown status {found}")]
    Status {
        /// The number found.
        found: u32,
    },
}

/// An answer: its status, and the token as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeStampResponse<'a> {
    /// What became of the request.
    pub status: ResponseStatus,
    /// The token, perhaps BER and unsorted: normalise it before anything hashes it.
    pub token: Option<&'a [u8]>,
}

/// Most strings read from a status: an authority says one or two things.
const STATUS_STRINGS_MAX: usize = 16;

impl<'a> TimeStampResponse<'a> {
    /// Reads an answer; the token inside is not looked at.
    ///
    /// # Errors
    /// [`ResponseError`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ResponseError> {
        if bytes.len() > TOKEN_BYTES_MAX {
            return Err(ResponseError::TooLarge { size: bytes.len() });
        }
        let mut reader = Reader::single(bytes, Tag::SEQUENCE)?.reader();
        let status = ResponseStatus::read(reader.sequence()?)?;
        // Taken whole, not read as DER: a token in BER has an indefinite length here.
        let token = &bytes[reader.offset()..];
        Ok(Self {
            status,
            token: (!token.is_empty()).then_some(token),
        })
    }
}

impl ResponseStatus {
    fn read(mut reader: Reader<'_>) -> Result<Self, ResponseError> {
        let status = match reader.expect(Tag::INTEGER)?.unsigned()? {
            0 => PkiStatus::Granted,
            1 => PkiStatus::GrantedWithMods,
            2 => PkiStatus::Rejection,
            3 => PkiStatus::Waiting,
            4 => PkiStatus::RevocationWarning,
            5 => PkiStatus::RevocationNotification,
            found => return Err(ResponseError::Status { found }),
        };
        let mut text = Vec::new();
        if let Some(strings) = reader.optional(Tag::SEQUENCE)? {
            for string in strings.reader().all(STATUS_STRINGS_MAX)? {
                text.push(string.text()?.to_owned());
            }
        }
        let bits = reader
            .optional(Tag::BIT_STRING)?
            .map(|bits| bits.bit_string())
            .transpose()?;
        reader.finish()?;
        let octets = bits.map_or(&[][..], |(octets, _)| octets);
        let is_set = |info: &FailInfo| {
            let bit = *info as usize;
            octets
                .get(bit / 8)
                .is_some_and(|octet| octet & (0x80 >> (bit % 8)) != 0)
        };
        Ok(Self {
            status,
            text,
            fail_info: FailInfo::ALL.into_iter().filter(is_set).collect(),
        })
    }

    /// Whether a token must come with it.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        matches!(self.status, PkiStatus::Granted | PkiStatus::GrantedWithMods)
    }
}
