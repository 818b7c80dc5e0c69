//! Verifying a record: that each path leads from what it must cover to what its token stamps, and that tokens hold.

use jiff::Timestamp;

use super::{ArchiveTimeStamp, EvidenceRecord, hash_tree_renewal_digest, time_stamp_renewal_digest};
use crate::cms::HashAlgorithm;
use crate::der::{NormaliseError, ObjectIdentifier, normalise_token};
use crate::tsp::{AuditContext, AuditReport, MessageImprint, TimeStampToken, TokenError, Trust, audit_token};

/// Digests of one archived object, by every algorithm that a record may need.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DataObject {
    digests: Vec<MessageImprint>,
}

impl DataObject {
    /// Hashes the object's bytes with every accepted algorithm.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest = |algorithm: HashAlgorithm| MessageImprint::new(algorithm, &algorithm.digest(&[bytes]));
        Self { digests: HashAlgorithm::ALL.into_iter().filter_map(digest).collect() }
    }

    /// Takes digests already computed.
    #[must_use]
    pub fn from_digests(digests: Vec<MessageImprint>) -> Self {
        Self { digests }
    }

    fn digest(&self, algorithm: HashAlgorithm) -> Option<&[u8]> {
        self.digests.iter().find(|digest| digest.algorithm() == algorithm).map(MessageImprint::digest)
    }
}

/// Place of a time-stamp in a record, both from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtsPosition {
    /// The chain.
    pub chain: usize,
    /// The time-stamp in its chain.
    pub time_stamp: usize,
}

impl std::fmt::Display for AtsPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "chain {}, time-stamp {}", self.chain, self.time_stamp)
    }
}

/// The rule that a record breaks, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// No object to verify for.
    #[error("no data object")]
    NoObject,
    /// A token that cannot be read.
    #[error("{at}: unreadable token: {error}")]
    Token {
        /// Where.
        at: AtsPosition,
        /// Why, read as strict DER.
        error: TokenError,
        /// Why it cannot be normalised either.
        normalise: Option<NormaliseError>,
    },
    /// A hash function that is not accepted.
    #[error("{at}: hash algorithm {algorithm} is not supported")]
    AlgorithmNotSupported {
        /// Where.
        at: AtsPosition,
        /// Which.
        algorithm: ObjectIdentifier,
    },
    /// A hash function that the record's own list does not have.
    #[error("{at}: {algorithm} is not in the record's list")]
    AlgorithmNotListed {
        /// Where.
        at: AtsPosition,
        /// Which.
        algorithm: HashAlgorithm,
    },
    /// Two hash functions in one chain.
    #[error("{at}: {found} in a chain of {expected}")]
    ChainAlgorithm {
        /// Where.
        at: AtsPosition,
        /// The chain's.
        expected: HashAlgorithm,
        /// The time-stamp's.
        found: HashAlgorithm,
    },
    /// The token's imprint has another hash function than the path.
    #[error("{at}: imprint algorithm {found} over a path of {expected}")]
    ImprintAlgorithm {
        /// Where.
        at: AtsPosition,
        /// The path's.
        expected: HashAlgorithm,
        /// The imprint's.
        found: ObjectIdentifier,
    },
    /// A value in a list whose length is not the hash function's.
    #[error("{at}: hash value of {found} bytes, not {expected}")]
    HashLength {
        /// Where.
        at: AtsPosition,
        /// Bytes that the hash has.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The caller has no digest of the object by this algorithm.
    #[error("{at}: no {algorithm} digest of object {object} was given")]
    DigestNotGiven {
        /// Where.
        at: AtsPosition,
        /// Which object, from 0.
        object: usize,
        /// Which algorithm.
        algorithm: HashAlgorithm,
    },
    /// The first list does not have the object's digest.
    #[error("{at}: the first list does not have the digest of object {object}")]
    ObjectNotCovered {
        /// Where.
        at: AtsPosition,
        /// Which object, from 0.
        object: usize,
    },
    /// The first list does not have the digest of the token to be renewed.
    #[error("{at}: the first list does not have the digest of the previous token")]
    TokenNotCovered {
        /// Where.
        at: AtsPosition,
    },
    /// The first list does not have the digest of object and earlier sequence.
    #[error("{at}: the first list does not have the digest of object {object} and the sequence before")]
    SequenceNotCovered {
        /// Where.
        at: AtsPosition,
        /// Which object, from 0.
        object: usize,
    },
    /// No reduced hash tree, which suits one value only, over several.
    #[error("{at}: no reduced hash tree over {objects} objects")]
    TreeAbsent {
        /// Where.
        at: AtsPosition,
        /// How many objects.
        objects: usize,
    },
    /// The path leads elsewhere than to what the token stamps.
    #[error("{at}: the path does not lead to the stamped digest")]
    ImprintDiffers {
        /// Where.
        at: AtsPosition,
    },
    /// A time-stamp earlier than the one before.
    #[error("{at}: {found} is before {previous}, the time of the one before")]
    TimeNotAscending {
        /// Where.
        at: AtsPosition,
        /// The time before.
        previous: Timestamp,
        /// Its own time.
        found: Timestamp,
    },
}

/// How far a record is from the shape that every validator takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Shape {
    /// Whether a list after the first has several values, which some validators combine in another way.
    pub n_ary: bool,
    /// Values in first lists that are none of the objects': strict validators warn or refuse.
    pub orphans: usize,
}

/// A time-stamp whose path holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredTimeStamp {
    /// Where.
    pub at: AtsPosition,
    /// What it stamps.
    pub imprint: MessageImprint,
    /// When.
    pub gen_time: Timestamp,
    /// The token, in strict DER if it was stored in BER.
    pub token: TimeStampToken,
}

/// A record whose paths all hold; whether the tokens do is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequenceEvidence {
    time_stamps: Vec<CoveredTimeStamp>,
    shape: Shape,
}

impl SequenceEvidence {
    /// The time-stamps, oldest first.
    #[must_use]
    pub fn time_stamps(&self) -> &[CoveredTimeStamp] {
        &self.time_stamps
    }

    /// The record's shape.
    #[must_use]
    pub fn shape(&self) -> Shape {
        self.shape
    }
}

impl EvidenceRecord<'_> {
    /// Verifies the path of the first time-stamp alone: that these objects existed when it was made.
    ///
    /// # Errors
    /// [`EvidenceError`].
    ///
    /// # Standard
    /// RFC 4998 §4.3.
    pub fn verify_first(&self, objects: &[DataObject]) -> Result<CoveredTimeStamp, EvidenceError> {
        let at = AtsPosition { chain: 0, time_stamp: 0 };
        let time_stamp = &self.chains[0].time_stamps[0];
        self.verify_time_stamp(at, time_stamp, objects, &mut Shape::default())
    }

    /// Verifies every path, through all renewals, for all objects of the record's group.
    ///
    /// # Errors
    /// [`EvidenceError`]: the first rule broken, oldest time-stamp first.
    ///
    /// # Standard
    /// RFC 4998 §4.3 and §5.3; the hash of a hash-tree renewal as at [`hash_tree_renewal_digest`].
    pub fn verify_sequence(&self, objects: &[DataObject]) -> Result<SequenceEvidence, EvidenceError> {
        let mut shape = Shape::default();
        let mut time_stamps: Vec<CoveredTimeStamp> = Vec::new();
        for (chain, stamps) in self.chains.iter().enumerate() {
            for (index, time_stamp) in stamps.time_stamps.iter().enumerate() {
                let at = AtsPosition { chain, time_stamp: index };
                let covered = self.verify_time_stamp(at, time_stamp, objects, &mut shape)?;
                // Equal times stand: authorities that cut to the second give them to a renewal within it.
                if let Some(previous) = time_stamps.last().filter(|p| p.gen_time > covered.gen_time) {
                    let (previous, found) = (previous.gen_time, covered.gen_time);
                    return Err(EvidenceError::TimeNotAscending { at, previous, found });
                }
                time_stamps.push(covered);
            }
        }
        Ok(SequenceEvidence { time_stamps, shape })
    }

    fn verify_time_stamp(
        &self,
        at: AtsPosition,
        time_stamp: &ArchiveTimeStamp<'_>,
        objects: &[DataObject],
        shape: &mut Shape,
    ) -> Result<CoveredTimeStamp, EvidenceError> {
        let token = read_token(at, time_stamp.token)?;
        let algorithm = self.algorithm(at, time_stamp, &token)?;
        let required = self.required(at, algorithm, objects)?;
        let root = root(at, algorithm, time_stamp, &required, shape)?;
        let field = &token.tst_info().imprint;
        if field.algorithm != algorithm.object_identifier() {
            let found = field.algorithm.clone();
            return Err(EvidenceError::ImprintAlgorithm { at, expected: algorithm, found });
        }
        let imprint = field.message_imprint().filter(|imprint| imprint.digest() == root);
        let imprint = imprint.ok_or(EvidenceError::ImprintDiffers { at })?;
        Ok(CoveredTimeStamp { at, imprint, gen_time: token.tst_info().gen_time, token })
    }

    /// The hash function of a path: named, listed, and one for the whole chain.
    fn algorithm(
        &self,
        at: AtsPosition,
        time_stamp: &ArchiveTimeStamp<'_>,
        token: &TimeStampToken,
    ) -> Result<HashAlgorithm, EvidenceError> {
        let named = time_stamp.digest_algorithm.as_ref();
        let named = named.unwrap_or(&token.tst_info().imprint.algorithm);
        let algorithm = HashAlgorithm::from_object_identifier(named)
            .ok_or_else(|| EvidenceError::AlgorithmNotSupported { at, algorithm: named.clone() })?;
        if !self.digest_algorithms.contains(named) {
            return Err(EvidenceError::AlgorithmNotListed { at, algorithm });
        }
        match self.chain_algorithm(at.chain)? {
            Some(expected) if expected != algorithm => {
                Err(EvidenceError::ChainAlgorithm { at, expected, found: algorithm })
            }
            _ => Ok(algorithm),
        }
    }

    /// The hash function of a chain's first time-stamp, by its own word or by its token's.
    fn chain_algorithm(&self, chain: usize) -> Result<Option<HashAlgorithm>, EvidenceError> {
        let first = &self.chains[chain].time_stamps[0];
        if let Some(named) = &first.digest_algorithm {
            return Ok(HashAlgorithm::from_object_identifier(named));
        }
        let token = read_token(AtsPosition { chain, time_stamp: 0 }, first.token)?;
        Ok(HashAlgorithm::from_object_identifier(&token.tst_info().imprint.algorithm))
    }

    /// What the first list must have, with the error that says what is missing.
    fn required(
        &self,
        at: AtsPosition,
        algorithm: HashAlgorithm,
        objects: &[DataObject],
    ) -> Result<Vec<(Vec<u8>, EvidenceError)>, EvidenceError> {
        if let Some(previous) = at.time_stamp.checked_sub(1) {
            let token = self.chains[at.chain].time_stamps[previous].token;
            let digest = time_stamp_renewal_digest(algorithm, token);
            return Ok(vec![(digest, EvidenceError::TokenNotCovered { at })]);
        }
        if objects.is_empty() {
            return Err(EvidenceError::NoObject);
        }
        let earlier = self.sequence_before(at.chain);
        let value = |(object, data): (usize, &DataObject)| {
            let missing = EvidenceError::DigestNotGiven { at, object, algorithm };
            let digest = data.digest(algorithm).ok_or(missing)?;
            Ok(if at.chain == 0 {
                (digest.to_vec(), EvidenceError::ObjectNotCovered { at, object })
            } else {
                let digest = hash_tree_renewal_digest(algorithm, digest, &earlier);
                (digest, EvidenceError::SequenceNotCovered { at, object })
            })
        };
        objects.iter().enumerate().map(value).collect()
    }
}

fn read_token(at: AtsPosition, stored: &[u8]) -> Result<TimeStampToken, EvidenceError> {
    let error = match TimeStampToken::parse(stored) {
        Ok(token) => return Ok(token),
        Err(error) => error,
    };
    // Old records hold BER inside; it is read normalised, while renewals hash what is stored.
    let normalised =
        normalise_token(stored).map_err(|normalise| EvidenceError::Token { at, error, normalise: Some(normalise) })?;
    TimeStampToken::parse(&normalised).map_err(|error| EvidenceError::Token { at, error, normalise: None })
}

/// Walks the lists up to the root.
fn root(
    at: AtsPosition,
    algorithm: HashAlgorithm,
    time_stamp: &ArchiveTimeStamp<'_>,
    required: &[(Vec<u8>, EvidenceError)],
    shape: &mut Shape,
) -> Result<Vec<u8>, EvidenceError> {
    let Some(lists) = &time_stamp.reduced_hashtree else {
        return match required {
            [(only, _)] => Ok(only.clone()),
            several => Err(EvidenceError::TreeAbsent { at, objects: several.len() }),
        };
    };
    let expected = algorithm.digest_len();
    if let Some(value) = lists.iter().flatten().find(|value| value.len() != expected) {
        return Err(EvidenceError::HashLength { at, expected, found: value.len() });
    }
    let first = &lists[0];
    if let Some((_, missing)) = required.iter().find(|(value, _)| !first.contains(&value.as_slice())) {
        return Err(missing.clone());
    }
    shape.n_ary |= lists[1..].iter().any(|list| list.len() > 1);
    shape.orphans += first.iter().filter(|value| !required.iter().any(|(r, _)| r == **value)).count();
    Ok(lists.iter().fold(Vec::new(), |below, list| combine(algorithm, below, list)))
}

/// Hashes a list's values and the value from below in ascending order; a value alone stays as it is.
fn combine(algorithm: HashAlgorithm, below: Vec<u8>, list: &[&[u8]]) -> Vec<u8> {
    let mut values: Vec<&[u8]> = list.to_vec();
    if !below.is_empty() {
        values.push(&below);
    }
    if let [only] = values[..] {
        return only.to_vec();
    }
    values.sort_unstable();
    algorithm.digest(&values)
}

/// What a record proves, with the report on each of its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordReport {
    /// The paths.
    pub evidence: SequenceEvidence,
    /// One report a time-stamp, oldest first.
    pub tokens: Vec<AuditReport>,
}

impl RecordReport {
    /// Since when the objects are proven to exist, if every token holds.
    #[must_use]
    pub fn proven_since(&self) -> Option<Timestamp> {
        let all_hold = self.tokens.iter().all(|report| report.verified().is_some());
        self.evidence.time_stamps.first().filter(|_| all_hold).map(|first| first.gen_time)
    }
}

/// Verifies paths and tokens of a whole record.
///
/// Each token is judged at the time of the next one, the last at `now`.
///
/// # Errors
/// [`EvidenceError`] if a path does not hold; tokens that do not are in the report.
///
/// # Standard
/// RFC 4998 §5.3.
pub fn audit_record(
    record: &EvidenceRecord<'_>,
    objects: &[DataObject],
    trust: &Trust<'_>,
    now: Timestamp,
) -> Result<RecordReport, EvidenceError> {
    let evidence = record.verify_sequence(objects)?;
    let later = evidence.time_stamps.iter().skip(1).map(|next| next.gen_time).chain([now]);
    let tokens = evidence.time_stamps.iter().zip(later).map(|(covered, known_at)| {
        let context = AuditContext { trust: *trust, imprint: covered.imprint, known_at: Some(known_at) };
        audit_token(covered.token.as_bytes(), &context)
    });
    let tokens = tokens.collect();
    Ok(RecordReport { evidence, tokens })
}
