//! Which algorithms are accepted at which time: data, so that a signed policy file can replace it.

use jiff::Timestamp;

use super::CheckError;
use crate::cms::HashAlgorithm;
use crate::x509::SignatureFamily;

/// Something whose strength is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// A hash function; its length is the digest's.
    Hash(HashAlgorithm),
    /// A signature family; its length is the modulus's or the field's.
    Signature(SignatureFamily),
}

/// From which length on, and until when, an algorithm is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AlgorithmRule {
    /// Which.
    pub algorithm: Algorithm,
    /// The shortest length in bits that the rule covers.
    pub bits_min: usize,
    /// First instant at which it is no longer accepted, or none.
    pub until: Option<Timestamp>,
}

/// The algorithms accepted, over time. What no rule covers is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlgorithmPolicy {
    rules: Vec<AlgorithmRule>,
}

impl AlgorithmPolicy {
    /// Takes rules in any order; of several that cover an algorithm the most lenient holds.
    #[must_use]
    pub fn new(rules: Vec<AlgorithmRule>) -> Self {
        Self { rules }
    }

    /// The rules that this archive starts from.
    ///
    /// SHA-2, ECDSA from 256 bits and RSA-PSS from 3000 bits have no end; RSA PKCS#1 v1.5, and shorter RSA of both
    /// kinds, end on 2029-01-01. Shorter PSS keys have no date of their own in our source: they get the earlier one.
    ///
    /// # Standard
    /// ETSI TS 119 312 v1.5.1, as the default policy of EU DSS 6.4 states it.
    #[must_use]
    pub fn ets_119_312() -> Self {
        /// 2029-01-01T00:00:00Z in seconds since 1970.
        const YEAR_2029: i64 = 1_861_920_000;
        let end = Timestamp::from_second(YEAR_2029).expect("a second in 2029 is an instant");
        let hash = |hash: HashAlgorithm| AlgorithmRule {
            algorithm: Algorithm::Hash(hash),
            bits_min: hash.digest_len() * 8,
            until: None,
        };
        let signature = |family, bits_min, until| AlgorithmRule {
            algorithm: Algorithm::Signature(family),
            bits_min,
            until,
        };
        let mut rules: Vec<AlgorithmRule> = HashAlgorithm::ALL.into_iter().map(hash).collect();
        rules.push(signature(SignatureFamily::Ecdsa, 256, None));
        rules.push(signature(SignatureFamily::RsaPss, 3000, None));
        rules.push(signature(SignatureFamily::RsaPss, 2048, Some(end)));
        rules.push(signature(SignatureFamily::RsaPkcs1, 2048, Some(end)));
        Self::new(rules)
    }

    /// Judges one algorithm of a length in bits at one time.
    ///
    /// # Errors
    /// [`CheckError::AlgorithmNotAccepted`], [`CheckError::AlgorithmExpired`].
    pub fn check(
        &self,
        algorithm: Algorithm,
        bits: usize,
        at: Timestamp,
    ) -> Result<(), CheckError> {
        let covering = self
            .rules
            .iter()
            .filter(|rule| rule.algorithm == algorithm && bits >= rule.bits_min);
        let ends: Vec<Option<Timestamp>> = covering.map(|rule| rule.until).collect();
        if ends.iter().any(|end| end.is_none_or(|end| at < end)) {
            return Ok(());
        }
        match ends.into_iter().flatten().max() {
            Some(until) => Err(CheckError::AlgorithmExpired {
                algorithm,
                bits,
                until,
                at,
            }),
            None => Err(CheckError::AlgorithmNotAccepted { algorithm, bits }),
        }
    }
}
