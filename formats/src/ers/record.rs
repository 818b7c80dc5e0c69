//! EvidenceRecord and what it holds (RFC 4998 §3 and §4.1): read as slices, written byte for byte.

use super::{ReducedHashtree, TreeDigest};
use crate::bounds::{
    ARCHIVE_TIME_STAMPS_MAX, EVIDENCE_RECORD_BYTES_MAX, PARTIAL_HASHTREE_VALUES_MAX,
    REDUCED_HASHTREE_LISTS_MAX,
};
use crate::cms::{AlgorithmIdentifier, HashAlgorithm};
use crate::der::{self, DerError, ObjectIdentifier, Reader, Tag, Tlv, octet_string, sequence, tlv};

/// Bytes that are no evidence record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More bytes than [`EVIDENCE_RECORD_BYTES_MAX`].
    #[error("record of {size} bytes, more than {EVIDENCE_RECORD_BYTES_MAX}")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
    },
    /// The encoding is wrong.
    #[error(transparent)]
    Der(#[from] DerError),
    /// A version other than 1.
    #[error("record version {found}, not 1")]
    Version {
        /// The version found.
        found: u32,
    },
    /// A sequence without a chain, or a chain without a time-stamp.
    #[error("no archive time-stamp at offset {offset}")]
    Empty {
        /// Where it should be.
        offset: usize,
    },
    /// A reduced hash tree without lists, or a list without values.
    #[error("empty hash list at offset {offset}")]
    EmptyList {
        /// Where it is.
        offset: usize,
    },
    /// More archive time-stamps than [`ARCHIVE_TIME_STAMPS_MAX`] in all.
    #[error("more than {ARCHIVE_TIME_STAMPS_MAX} archive time-stamps")]
    TooManyTimeStamps,
}

/// An evidence record as slices of its bytes. Nothing is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRecord<'a> {
    /// The hash functions listed for the whole record.
    pub digest_algorithms: Vec<ObjectIdentifier>,
    /// Whether cryptoInfos are there, which nothing protects.
    pub has_crypto_infos: bool,
    /// Whether encryptionInfo is there: the objects stamped are then encrypted ones.
    pub has_encryption_info: bool,
    /// The chains, oldest first.
    pub chains: Vec<ArchiveTimeStampChain<'a>>,
    sequence: &'a [u8],
}

/// Archive time-stamps over one hash function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveTimeStampChain<'a> {
    /// The whole element, which hash-tree renewal hashes.
    pub raw: &'a [u8],
    /// The time-stamps, oldest first.
    pub time_stamps: Vec<ArchiveTimeStamp<'a>>,
}

/// One time-stamp with the path that leads to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveTimeStamp<'a> {
    /// Hash function of the path; absent, the token's imprint tells.
    pub digest_algorithm: Option<ObjectIdentifier>,
    /// Whether attributes are there.
    pub has_attributes: bool,
    /// The lists of the reduced hash tree.
    pub reduced_hashtree: Option<Vec<Vec<&'a [u8]>>>,
    /// The token as stored, one whole ContentInfo: what a renewal hashes.
    pub token: &'a [u8],
}

impl<'a> EvidenceRecord<'a> {
    /// Reads a record in DER.
    ///
    /// # Errors
    /// [`RecordError`].
    ///
    /// # Standard
    /// RFC 4998 §3.1, §4.1, §5.1.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        if bytes.len() > EVIDENCE_RECORD_BYTES_MAX {
            return Err(RecordError::TooLarge { size: bytes.len() });
        }
        let mut reader = Reader::single(bytes, Tag::SEQUENCE)?.reader();
        let version = reader.expect(Tag::INTEGER)?.unsigned()?;
        if version != 1 {
            return Err(RecordError::Version { found: version });
        }
        let algorithms = reader.sequence()?.all(ARCHIVE_TIME_STAMPS_MAX)?;
        let algorithms = algorithms
            .iter()
            .map(|a| AlgorithmIdentifier::read(a.reader()).map(|a| a.algorithm));
        let digest_algorithms = algorithms.collect::<Result<_, _>>()?;
        let has_crypto_infos = reader.optional(Tag::context(0))?.is_some();
        let has_encryption_info = reader.optional(Tag::context(1))?.is_some();
        let sequence = reader.expect(Tag::SEQUENCE)?;
        reader.finish()?;
        let chains = read_chains(&sequence)?;
        Ok(Self {
            digest_algorithms,
            has_crypto_infos,
            has_encryption_info,
            chains,
            sequence: sequence.raw,
        })
    }

    /// The archiveTimeStampSequence as stored, one whole element: what a hash-tree renewal of this record hashes.
    #[must_use]
    pub fn sequence(&self) -> &'a [u8] {
        self.sequence
    }

    /// The sequence as it was when only its first `chains` existed.
    #[must_use]
    pub fn sequence_before(&self, chains: usize) -> Vec<u8> {
        let earlier: Vec<&[u8]> = self
            .chains
            .iter()
            .take(chains)
            .map(|chain| chain.raw)
            .collect();
        sequence(&earlier)
    }
}

fn read_chains<'a>(element: &Tlv<'a>) -> Result<Vec<ArchiveTimeStampChain<'a>>, RecordError> {
    let mut chains = Vec::new();
    let mut budget = ARCHIVE_TIME_STAMPS_MAX;
    for chain in element.reader().all(ARCHIVE_TIME_STAMPS_MAX)? {
        if chain.tag != Tag::SEQUENCE {
            return Err(unexpected(&chain).into());
        }
        let time_stamps = chain.reader().all(ARCHIVE_TIME_STAMPS_MAX)?;
        budget = budget
            .checked_sub(time_stamps.len())
            .ok_or(RecordError::TooManyTimeStamps)?;
        let time_stamps = time_stamps
            .iter()
            .map(ArchiveTimeStamp::read)
            .collect::<Result<Vec<_>, _>>()?;
        if time_stamps.is_empty() {
            return Err(RecordError::Empty {
                offset: chain.offset,
            });
        }
        chains.push(ArchiveTimeStampChain {
            raw: chain.raw,
            time_stamps,
        });
    }
    if chains.is_empty() {
        Err(RecordError::Empty {
            offset: element.offset,
        })
    } else {
        Ok(chains)
    }
}

fn unexpected(element: &Tlv<'_>) -> DerError {
    DerError::UnexpectedTag {
        offset: element.offset,
        expected: Tag::SEQUENCE,
        found: element.tag,
    }
}

impl<'a> ArchiveTimeStamp<'a> {
    fn read(element: &Tlv<'a>) -> Result<Self, RecordError> {
        if element.tag != Tag::SEQUENCE {
            return Err(unexpected(element).into());
        }
        let mut reader = element.reader();
        let algorithm = reader.optional(Tag::context(0))?;
        let algorithm = algorithm
            .map(|a| AlgorithmIdentifier::read(a.reader()))
            .transpose()?;
        let has_attributes = reader.optional(Tag::context(1))?.is_some();
        let reduced_hashtree = reader
            .optional(Tag::context(2))?
            .as_ref()
            .map(read_lists)
            .transpose()?;
        let token = reader.expect(Tag::SEQUENCE)?.raw;
        reader.finish()?;
        let digest_algorithm = algorithm.map(|a| a.algorithm);
        Ok(Self {
            digest_algorithm,
            has_attributes,
            reduced_hashtree,
            token,
        })
    }
}

fn read_lists<'a>(element: &Tlv<'a>) -> Result<Vec<Vec<&'a [u8]>>, RecordError> {
    let lists = element.reader().all(REDUCED_HASHTREE_LISTS_MAX)?;
    if lists.is_empty() {
        return Err(RecordError::EmptyList {
            offset: element.offset,
        });
    }
    lists.iter().map(read_values).collect()
}

fn read_values<'a>(list: &Tlv<'a>) -> Result<Vec<&'a [u8]>, RecordError> {
    if list.tag != Tag::SEQUENCE {
        return Err(unexpected(list).into());
    }
    let values = list.reader().all(PARTIAL_HASHTREE_VALUES_MAX)?;
    if values.is_empty() {
        return Err(RecordError::EmptyList {
            offset: list.offset,
        });
    }
    let value = |value: &Tlv<'a>| Reader::single(value.raw, Tag::OCTET_STRING).map(|v| v.contents);
    Ok(values.iter().map(value).collect::<Result<_, _>>()?)
}

/// An archive time-stamp to be written: always one value a list.
#[derive(Debug, Clone)]
pub struct NewArchiveTimeStamp<'a> {
    /// Hash function of the path and of the token's imprint.
    pub algorithm: HashAlgorithm,
    /// The path, the covered digest first; empty for a token that stamps that digest directly.
    pub path: Vec<&'a [u8]>,
    /// The token in strict DER.
    pub token: &'a [u8],
}

impl NewArchiveTimeStamp<'_> {
    fn to_der(&self) -> Vec<u8> {
        let algorithm = tlv(
            Tag::context(0),
            &self.algorithm.object_identifier().to_der(),
        );
        let lists: Vec<u8> = self
            .path
            .iter()
            .flat_map(|value| sequence(&[&octet_string(value)]))
            .collect();
        let tree = if lists.is_empty() {
            Vec::new()
        } else {
            tlv(Tag::context(2), &lists)
        };
        sequence(&[&algorithm, &tree, self.token])
    }
}

/// Encodes the record of one object, byte for byte the same for the same input.
///
/// - `token`: over the path's root, in strict DER.
///
/// # Standard
/// RFC 4998 §3.1 and §4.1, in the shape described at [`crate::ers`].
#[must_use]
pub fn encode_record<D: TreeDigest>(path: &ReducedHashtree<D>, token: &[u8]) -> Vec<u8> {
    let path = path.path().iter().map(TreeDigest::bytes).collect();
    encode_renewed_record(&[vec![NewArchiveTimeStamp {
        algorithm: D::ALGORITHM,
        path,
        token,
    }]])
}

/// Encodes a record with its renewals.
///
/// - `chains`: oldest first, each with its time-stamps, oldest first; a chain keeps one algorithm.
///
/// # Standard
/// RFC 4998 §5.1.
#[must_use]
pub fn encode_renewed_record(chains: &[Vec<NewArchiveTimeStamp<'_>>]) -> Vec<u8> {
    let mut algorithms: Vec<HashAlgorithm> = Vec::new();
    for time_stamp in chains.iter().flatten() {
        if !algorithms.contains(&time_stamp.algorithm) {
            algorithms.push(time_stamp.algorithm);
        }
    }
    let algorithms: Vec<u8> = algorithms
        .into_iter()
        .flat_map(HashAlgorithm::to_der)
        .collect();
    let chain = |time_stamps: &Vec<NewArchiveTimeStamp<'_>>| {
        let time_stamps: Vec<u8> = time_stamps
            .iter()
            .flat_map(NewArchiveTimeStamp::to_der)
            .collect();
        sequence(&[&time_stamps])
    };
    let chains: Vec<u8> = chains.iter().flat_map(chain).collect();
    sequence(&[
        &der::integer(&[1]),
        &sequence(&[&algorithms]),
        &sequence(&[&chains]),
    ])
}

/// What a time-stamp renewal covers: the digest of the token that it renews.
///
/// # Standard
/// RFC 4998 §5.2 (1).
#[must_use]
pub fn time_stamp_renewal_digest(algorithm: HashAlgorithm, token: &[u8]) -> Vec<u8> {
    algorithm.digest(&[token])
}

/// What a hash-tree renewal covers: the object's digest and that of the record's sequence so far, in this order.
///
/// Not sorted, against figure 4 of the standard: that is what existing validators compute.
///
/// - `object`: digest of the object by the new `algorithm`.
/// - `sequence`: the archiveTimeStampSequence so far, one whole element.
///
/// # Standard
/// RFC 4998 §5.2 (hash-tree renewal, step 4).
#[must_use]
pub fn hash_tree_renewal_digest(
    algorithm: HashAlgorithm,
    object: &[u8],
    sequence: &[u8],
) -> Vec<u8> {
    algorithm.digest(&[object, &algorithm.digest(&[sequence])])
}
