//! Signatures of certificates, revocation lists and tokens, over RustCrypto: no C code in a verifier.
//!
//! ECDSA on P-256 and P-384, RSA PKCS#1 v1.5 and PSS from [`RSA_MODULUS_BITS_MIN`] bits on, each with SHA-256, SHA-384
//! or SHA-512. Whether an algorithm is still good enough at some date is policy, judged elsewhere.

use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::pkcs1::DecodeRsaPublicKey as _;
use rustls_pki_types::{
    AlgorithmIdentifier as PathAlgorithmIdentifier, InvalidSignature,
    SignatureVerificationAlgorithm, alg_id,
};

use crate::bounds::RSA_MODULUS_BITS_MIN;
use crate::cms::{AlgorithmIdentifier, HashAlgorithm};
use crate::der::{DerError, ObjectIdentifier, Reader, Tag};

/// Why a signature cannot be accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The key or its wrapping is malformed.
    #[error("malformed public key: {0}")]
    Key(#[from] DerError),
    /// The key's numbers are no key: a point off its curve, an even modulus, a strange exponent.
    #[error("the public key's numbers are no key")]
    KeyValue,
    /// A kind of key or curve other than P-256, P-384 and RSA.
    #[error("unsupported kind of public key")]
    KeyAlgorithm,
    /// An RSA modulus below [`RSA_MODULUS_BITS_MIN`] bits.
    #[error("RSA key of {bits} bits, fewer than {RSA_MODULUS_BITS_MIN}")]
    KeyTooShort {
        /// Its length in bits.
        bits: usize,
    },
    /// A signature algorithm, or parameters of it, other than those above.
    #[error("unsupported signature algorithm")]
    Algorithm,
    /// The algorithm is not one for this kind of key.
    #[error("the signature algorithm does not fit the key")]
    KeyMismatch,
    /// Everything is sound but the signature does not hold.
    #[error("the signature does not hold")]
    Invalid,
}

/// How a message is turned into a signature, apart from the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignatureFamily {
    /// ECDSA (FIPS 186-5).
    Ecdsa,
    /// RSASSA-PKCS1-v1_5 (RFC 8017 §8.2).
    RsaPkcs1,
    /// RSASSA-PSS (RFC 8017 §8.1), MGF1 with the same hash, salt as long as the hash.
    RsaPss,
}

/// A family with its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureScheme {
    /// The family.
    pub family: SignatureFamily,
    /// The hash.
    pub hash: HashAlgorithm,
}

impl SignatureScheme {
    /// Reads the algorithm of a certificate's or list's signature.
    ///
    /// # Errors
    /// [`SignatureError::Algorithm`].
    pub fn from_certificate(identifier: &AlgorithmIdentifier<'_>) -> Result<Self, SignatureError> {
        use HashAlgorithm::{Sha256, Sha384, Sha512};
        use ObjectIdentifier as Oid;
        use SignatureFamily::{Ecdsa, RsaPkcs1};
        let known = [
            (Oid::ECDSA_SHA256, Ecdsa, Sha256),
            (Oid::ECDSA_SHA384, Ecdsa, Sha384),
            (Oid::ECDSA_SHA512, Ecdsa, Sha512),
            (Oid::RSA_SHA256, RsaPkcs1, Sha256),
            (Oid::RSA_SHA384, RsaPkcs1, Sha384),
            (Oid::RSA_SHA512, RsaPkcs1, Sha512),
        ];
        if identifier.algorithm == Oid::RSA_PSS {
            return Ok(Self {
                family: SignatureFamily::RsaPss,
                hash: pss_hash(identifier)?,
            });
        }
        let found = known
            .into_iter()
            .find(|(oid, ..)| *oid == identifier.algorithm);
        let (_, family, hash) = found.ok_or(SignatureError::Algorithm)?;
        if !identifier.has_no_parameters() {
            return Err(SignatureError::Algorithm);
        }
        Ok(Self { family, hash })
    }

    /// Reads the algorithm of a CMS signature, which may leave the hash to `digest_algorithm`.
    ///
    /// # Errors
    /// [`SignatureError::Algorithm`]; also when both name a hash and disagree.
    ///
    /// # Standard
    /// RFC 5652 §10.1.2; RFC 5754 §3.
    pub fn from_cms(
        signature: &AlgorithmIdentifier<'_>,
        digest: &AlgorithmIdentifier<'_>,
    ) -> Result<Self, SignatureError> {
        let hash = digest.hash_algorithm().ok_or(SignatureError::Algorithm)?;
        if signature.algorithm == ObjectIdentifier::RSA_ENCRYPTION && signature.has_no_parameters()
        {
            return Ok(Self {
                family: SignatureFamily::RsaPkcs1,
                hash,
            });
        }
        let scheme = Self::from_certificate(signature)?;
        if scheme.hash == hash {
            Ok(scheme)
        } else {
            Err(SignatureError::Algorithm)
        }
    }
}

/// The hash of PSS parameters, if all of them follow it: RFC 4055 §3.1 with MGF1, equal hash, equal salt length.
fn pss_hash(identifier: &AlgorithmIdentifier<'_>) -> Result<HashAlgorithm, SignatureError> {
    let unsupported = SignatureError::Algorithm;
    let parameters = identifier.parameters.ok_or(unsupported)?;
    let read = || -> Result<Option<HashAlgorithm>, DerError> {
        let mut reader = Reader::single(parameters.raw, Tag::SEQUENCE)?.reader();
        let mut hash = reader.expect(Tag::context(0))?.reader();
        let hash = AlgorithmIdentifier::read(hash.sequence()?)?.hash_algorithm();
        let mut mask = reader.expect(Tag::context(1))?.reader();
        let mask = AlgorithmIdentifier::read(mask.sequence()?)?;
        let mask_hash = match mask.parameters {
            Some(p) => AlgorithmIdentifier::read(p.reader())?.hash_algorithm(),
            None => None,
        };
        let salt = reader.expect(Tag::context(2))?;
        let salt = Reader::single(salt.contents, Tag::INTEGER)?.unsigned()? as usize;
        reader.finish()?;
        let mask_fits = mask.algorithm == ObjectIdentifier::MGF1 && mask_hash == hash;
        Ok(hash.filter(|hash| mask_fits && salt == hash.digest_len()))
    };
    read().ok().flatten().ok_or(unsupported)
}

/// A public key of a supported kind, its numbers checked.
#[derive(Debug, Clone)]
pub enum PublicKey {
    /// ECDSA on P-256.
    P256(p256::ecdsa::VerifyingKey),
    /// ECDSA on P-384.
    P384(p384::ecdsa::VerifyingKey),
    /// RSA, and the length of its modulus in bits.
    Rsa(Box<rsa::PublicKey>, usize),
}

#[derive(Debug, Clone, Copy)]
enum KeyKind {
    P256,
    P384,
    Rsa,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo, one whole element.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn parse(public_key_info: &[u8]) -> Result<Self, SignatureError> {
        let mut reader = Reader::single(public_key_info, Tag::SEQUENCE)?.reader();
        let identifier = AlgorithmIdentifier::read(reader.sequence()?)?;
        let bits = reader.expect(Tag::BIT_STRING)?.bit_string_octets()?;
        reader.finish()?;
        Self::from_bits(key_kind(&identifier)?, bits)
    }

    fn from_bits(kind: KeyKind, bits: &[u8]) -> Result<Self, SignatureError> {
        let wrong = |_| SignatureError::KeyValue;
        match kind {
            KeyKind::P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(bits)
                .map(Self::P256)
                .map_err(wrong),
            KeyKind::P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(bits)
                .map(Self::P384)
                .map_err(wrong),
            KeyKind::Rsa => {
                let modulus_bits = rsa_modulus_bits(bits)?;
                if modulus_bits < RSA_MODULUS_BITS_MIN {
                    return Err(SignatureError::KeyTooShort { bits: modulus_bits });
                }
                let key =
                    rsa::PublicKey::from_pkcs1_der(bits).map_err(|_| SignatureError::KeyValue)?;
                Ok(Self::Rsa(Box::new(key), modulus_bits))
            }
        }
    }

    /// Length in bits that algorithm policies speak of: the modulus or the curve's field.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::P256(_) => 256,
            Self::P384(_) => 384,
            Self::Rsa(_, bits) => *bits,
        }
    }

    /// Checks `signature` over `message`.
    ///
    /// # Errors
    /// [`SignatureError::KeyMismatch`], [`SignatureError::Invalid`].
    pub fn verify(
        &self,
        scheme: SignatureScheme,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let digest = || scheme.hash.digest(&[message]);
        let holds = match (self, scheme.family) {
            (Self::P256(key), SignatureFamily::Ecdsa) => {
                p256::ecdsa::Signature::from_der(signature)
                    .is_ok_and(|signature| key.verify_prehash(&digest(), &signature).is_ok())
            }
            (Self::P384(key), SignatureFamily::Ecdsa) => {
                p384::ecdsa::Signature::from_der(signature)
                    .is_ok_and(|signature| key.verify_prehash(&digest(), &signature).is_ok())
            }
            (Self::Rsa(key, _), SignatureFamily::RsaPkcs1 | SignatureFamily::RsaPss) => {
                verify_rsa(key, scheme, &digest(), signature)
            }
            _ => return Err(SignatureError::KeyMismatch),
        };
        if holds {
            Ok(())
        } else {
            Err(SignatureError::Invalid)
        }
    }
}

fn verify_rsa(
    key: &rsa::PublicKey,
    scheme: SignatureScheme,
    digest: &[u8],
    signature: &[u8],
) -> bool {
    use HashAlgorithm::{Sha256, Sha384, Sha512};
    let pss = scheme.family == SignatureFamily::RsaPss;
    let result = match (pss, scheme.hash) {
        (false, Sha256) => key.pkcs1v15_verify_prehash::<sha2::Sha256>(digest, signature),
        (false, Sha384) => key.pkcs1v15_verify_prehash::<sha2::Sha384>(digest, signature),
        (false, Sha512) => key.pkcs1v15_verify_prehash::<sha2::Sha512>(digest, signature),
        (true, Sha256) => key.pss_verify_prehash::<sha2::Sha256>(digest, signature),
        (true, Sha384) => key.pss_verify_prehash::<sha2::Sha384>(digest, signature),
        (true, Sha512) => key.pss_verify_prehash::<sha2::Sha512>(digest, signature),
    };
    result.is_ok()
}

fn key_kind(identifier: &AlgorithmIdentifier<'_>) -> Result<KeyKind, SignatureError> {
    if identifier.algorithm == ObjectIdentifier::RSA_ENCRYPTION {
        return Ok(KeyKind::Rsa);
    }
    let curve = identifier
        .parameters
        .filter(|_| identifier.algorithm == ObjectIdentifier::EC_PUBLIC_KEY);
    let curve = curve
        .filter(|p| p.tag == Tag::OBJECT_IDENTIFIER)
        .ok_or(SignatureError::KeyAlgorithm)?;
    match curve.object_identifier()? {
        curve if curve == ObjectIdentifier::P256 => Ok(KeyKind::P256),
        curve if curve == ObjectIdentifier::P384 => Ok(KeyKind::P384),
        _ => Err(SignatureError::KeyAlgorithm),
    }
}

fn rsa_modulus_bits(key: &[u8]) -> Result<usize, DerError> {
    let mut reader = Reader::single(key, Tag::SEQUENCE)?.reader();
    let modulus = reader.expect(Tag::INTEGER)?.integer()?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let leading = modulus
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    Ok(modulus.len() * 8 - leading)
}

/// One pair of key and signature algorithms for `rustls-webpki`.
#[derive(Debug)]
pub(crate) struct PathAlgorithm {
    kind: KeyKind,
    scheme: SignatureScheme,
    key_identifier: PathAlgorithmIdentifier,
    signature_identifier: PathAlgorithmIdentifier,
}

impl SignatureVerificationAlgorithm for PathAlgorithm {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let key = PublicKey::from_bits(self.kind, public_key).map_err(|_| InvalidSignature)?;
        key.verify(self.scheme, message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> PathAlgorithmIdentifier {
        self.key_identifier
    }

    fn signature_alg_id(&self) -> PathAlgorithmIdentifier {
        self.signature_identifier
    }
}

macro_rules! path_algorithms {
    ($($kind:ident $family:ident $hash:ident $key:ident $signature:ident;)*) => {
        /// Every algorithm accepted in a certification path.
        pub(crate) const PATH_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[$(
            &PathAlgorithm {
                kind: KeyKind::$kind,
                scheme: SignatureScheme { family: SignatureFamily::$family, hash: HashAlgorithm::$hash },
                key_identifier: alg_id::$key,
                signature_identifier: alg_id::$signature,
            },
        )*];
    };
}

path_algorithms! {
    P256 Ecdsa Sha256 ECDSA_P256 ECDSA_SHA256;
    P256 Ecdsa Sha384 ECDSA_P256 ECDSA_SHA384;
    P256 Ecdsa Sha512 ECDSA_P256 ECDSA_SHA512;
    P384 Ecdsa Sha256 ECDSA_P384 ECDSA_SHA256;
    P384 Ecdsa Sha384 ECDSA_P384 ECDSA_SHA384;
    P384 Ecdsa Sha512 ECDSA_P384 ECDSA_SHA512;
    Rsa RsaPkcs1 Sha256 RSA_ENCRYPTION RSA_PKCS1_SHA256;
    Rsa RsaPkcs1 Sha384 RSA_ENCRYPTION RSA_PKCS1_SHA384;
    Rsa RsaPkcs1 Sha512 RSA_ENCRYPTION RSA_PKCS1_SHA512;
    Rsa RsaPss Sha256 RSA_ENCRYPTION RSA_PSS_SHA256;
    Rsa RsaPss Sha384 RSA_ENCRYPTION RSA_PSS_SHA384;
    Rsa RsaPss Sha512 RSA_ENCRYPTION RSA_PSS_SHA512;
}
