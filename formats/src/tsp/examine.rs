//! The fifteen checks themselves, each on its own, over one token that could be read.

use jiff::{SignedDuration, Timestamp};

use super::path::{Standing, check_purpose, find_path, standing};
use super::{Algorithm, Check, CheckError, MessageImprint, Nonce, NotApplicable, Trust, TstInfo};
use crate::bounds::GEN_TIME_RESOLUTION_SECONDS;
use crate::cms::{
    AlgorithmIdentifier, Attribute, HashAlgorithm, SignedAttributes, SignedData, SignerIdentifier, SignerInfo,
};
use crate::der::{DerError, ObjectIdentifier, Reader, Tag, Tlv};
use crate::hash::Sha256Digest;
use crate::x509::{Certificate, PublicKey, SignatureScheme};

/// What the time of a token is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) enum TimeRule {
    /// A fresh answer: when the request was sent, when the answer came, and how far clocks may differ.
    Fresh { sent: Timestamp, received: Timestamp, window: SignedDuration, clock_tolerance: SignedDuration },
    /// A token at rest: when it is known to have existed.
    AtRest { known_at: Timestamp },
}

/// One token under examination. Checks run in any order; 13 to 15 use the path that 12 found.
pub(super) struct Examination<'a> {
    pub(super) trust: &'a Trust<'a>,
    pub(super) tst_info: &'a TstInfo,
    pub(super) signed_data: SignedData<'a>,
    pub(super) imprint: MessageImprint,
    pub(super) nonce: Option<&'a Nonce>,
    pub(super) policy_asked: Option<&'a ObjectIdentifier>,
    pub(super) time_rule: TimeRule,
    pub(super) known_at: Timestamp,
    pub(super) path: Option<Vec<Vec<u8>>>,
}

/// A check made, or the reason why not.
type Examined = Result<Result<(), NotApplicable>, CheckError>;

const MADE: Examined = Ok(Ok(()));

fn depends_on(check: Check) -> Examined {
    Ok(Err(NotApplicable::DependsOn(check)))
}

impl<'a> Examination<'a> {
    /// Makes one check of those that a bare token has, 2 to 15.
    pub(super) fn make(&mut self, check: Check) -> Examined {
        match check {
            Check::Granted => Ok(Err(NotApplicable::NoResponse)),
            Check::Structure => self.structure(),
            Check::Policy => self.policy(),
            Check::Imprint => self.imprint(),
            Check::Nonce => self.nonce(),
            Check::Time => self.time(),
            Check::SignedAttributes => self.signed_attributes(),
            Check::SigningCertificate => self.signing_certificate(),
            Check::SignerIdentifier => self.signer_identifier(),
            Check::Signature => self.signature(),
            Check::CertificatePurpose => self.with_signer(|_, signer| check_purpose(signer)),
            Check::Path => self.path(),
            Check::Revocation => self.revocation(),
            Check::Algorithms => self.algorithms(),
            Check::Qualified => self.qualified(),
        }
    }

    fn structure(&self) -> Examined {
        match self.signed_data.signers.len() {
            1 => MADE,
            found => Err(CheckError::SignerCount { found }),
        }
    }

    fn policy(&self) -> Examined {
        let TstInfo { version, policy, .. } = self.tst_info;
        if *version != 1 {
            return Err(CheckError::Version { found: *version });
        }
        if self.trust.policies.is_some_and(|accepted| !accepted.contains(policy)) {
            return Err(CheckError::PolicyNotAccepted { found: policy.clone() });
        }
        if self.policy_asked.is_some_and(|asked| asked != policy) {
            return Err(CheckError::PolicyDiffers { found: policy.clone() });
        }
        MADE
    }

    fn imprint(&self) -> Examined {
        let found = &self.tst_info.imprint;
        let expected = self.imprint.algorithm();
        if found.algorithm != expected.object_identifier() || !found.parameters_absent {
            return Err(CheckError::ImprintAlgorithm { expected, found: found.algorithm.clone() });
        }
        if found.digest.len() != expected.digest_len() {
            return Err(CheckError::ImprintLength { expected: expected.digest_len(), found: found.digest.len() });
        }
        if found.digest == self.imprint.digest() { MADE } else { Err(CheckError::ImprintDiffers) }
    }

    fn nonce(&self) -> Examined {
        match (self.nonce, &self.tst_info.nonce) {
            (None, _) => Ok(Err(NotApplicable::NoNonceSent)),
            (Some(_), None) => Err(CheckError::NonceAbsent),
            (Some(sent), Some(found)) if sent == found => MADE,
            (Some(_), Some(_)) => Err(CheckError::NonceDiffers),
        }
    }

    fn time(&self) -> Examined {
        let gen_time = self.tst_info.gen_time;
        let slack = self.tst_info.time_slack();
        match self.time_rule {
            TimeRule::Fresh { sent, received, window, clock_tolerance } => {
                if gen_time.duration_since(received).abs() > window + slack {
                    return Err(CheckError::OutsideWindow { gen_time, local: received });
                }
                if sent.duration_since(gen_time) > slack + clock_tolerance {
                    return Err(CheckError::BeforeRequest { gen_time, sent });
                }
            }
            TimeRule::AtRest { known_at } => {
                if gen_time.duration_since(known_at) > slack {
                    return Err(CheckError::FromTheFuture { gen_time, known: known_at });
                }
            }
        }
        MADE
    }

    fn signed_attributes(&self) -> Examined {
        let Some(signer) = self.only_signer() else {
            return depends_on(Check::Structure);
        };
        let attributes = signer.signed_attributes.as_ref().ok_or(CheckError::SignedAttributesAbsent)?;
        for (index, attribute) in attributes.attributes.iter().enumerate() {
            let same = |earlier: &Attribute<'_>| earlier.attribute_type == attribute.attribute_type;
            if attributes.attributes[..index].iter().any(same) {
                return Err(CheckError::DuplicateAttribute { attribute: attribute.attribute_type.clone() });
            }
        }
        let content_type = single_value(attributes, ObjectIdentifier::CONTENT_TYPE)?;
        if content_type.raw != ObjectIdentifier::TST_INFO.to_der() {
            return Err(CheckError::ContentTypeDiffers);
        }
        let hash = signer
            .digest_algorithm
            .hash_algorithm()
            .ok_or_else(|| CheckError::DigestAlgorithm { found: signer.digest_algorithm.algorithm.clone() })?;
        let digest = single_value(attributes, ObjectIdentifier::MESSAGE_DIGEST)?;
        let expected = hash.digest(&[self.signed_data.content]);
        let holds = digest.tag == Tag::OCTET_STRING && digest.contents == expected;
        if holds { MADE } else { Err(CheckError::MessageDigestDiffers) }
    }

    fn signing_certificate(&self) -> Examined {
        let Some(signer) = self.only_signer() else {
            return depends_on(Check::Structure);
        };
        let Some(attributes) = &signer.signed_attributes else {
            return depends_on(Check::SignedAttributes);
        };
        let named = NamedCertificate::read(attributes)?;
        // Without a certificate that the identifier selects, the hash may still name one.
        let certificate = self.selected_certificate().or_else(|| {
            let all = self.certificates();
            all.into_iter().find(|certificate| named.hash.digest(&[certificate]) == named.digest)
        });
        let Some(certificate) = certificate else {
            return depends_on(Check::SignerIdentifier);
        };
        if named.hash.digest(&[certificate]) != named.digest {
            return Err(CheckError::CertificateHashDiffers);
        }
        let certificate = Certificate::parse(certificate).map_err(CheckError::Certificate)?;
        match named.issuer_serial {
            Some((issuer, serial)) if (issuer, serial) != (certificate.issuer, certificate.serial) => {
                Err(CheckError::IssuerSerialDiffers)
            }
            _ => MADE,
        }
    }

    fn signer_identifier(&self) -> Examined {
        if self.only_signer().is_none() {
            return depends_on(Check::Structure);
        }
        let selected = self.selected_certificate().ok_or(CheckError::SignerCertificateAbsent)?;
        Certificate::parse(selected).map_err(CheckError::Certificate)?;
        MADE
    }

    fn signature(&self) -> Examined {
        self.with_signer(|examination, certificate| {
            let Some(signer) = examination.only_signer() else {
                return Ok(());
            };
            let attributes = signer.signed_attributes.as_ref().ok_or(CheckError::SignedAttributesAbsent)?;
            let scheme = SignatureScheme::from_cms(&signer.signature_algorithm, &signer.digest_algorithm);
            let key = PublicKey::parse(certificate.public_key_info).map_err(CheckError::Signature)?;
            let signed = attributes.signed_octets();
            let verified = scheme.and_then(|scheme| key.verify(scheme, &signed, signer.signature));
            verified.map_err(CheckError::Signature)
        })
    }

    fn path(&mut self) -> Examined {
        let Some(signer) = self.selected_certificate() else {
            return depends_on(Check::SignerIdentifier);
        };
        let others: Vec<&[u8]> = self.certificates().into_iter().filter(|other| *other != signer).collect();
        let path = find_path(signer, &others, self.trust.anchors, self.tst_info.gen_time)?;
        self.path = Some(path);
        // A token cut to the second may be known to exist within the same second.
        let later = self.known_at.max(self.tst_info.gen_time);
        find_path(signer, &others, self.trust.anchors, later)?;
        MADE
    }

    fn revocation(&self) -> Examined {
        let Some(path) = &self.path else {
            return depends_on(Check::Path);
        };
        let embedded = self.signed_data.revocation_lists.iter().copied();
        let supplied = self.trust.revocation_lists.iter().map(Vec::as_slice);
        let lists: Vec<&[u8]> = embedded.chain(supplied).collect();
        match standing(path, &lists, self.tst_info.gen_time, self.known_at)? {
            Standing::Settled => MADE,
            Standing::Open(reason) => Ok(Err(reason)),
        }
    }

    fn algorithms(&self) -> Examined {
        let Some(signer) = self.only_signer() else {
            return depends_on(Check::Structure);
        };
        let mut used: Vec<(Algorithm, usize)> = vec![hash_used(self.imprint.algorithm())];
        if let Some(certificate) = self.selected_certificate() {
            let certificate = Certificate::parse(certificate).map_err(CheckError::Certificate)?;
            let scheme = SignatureScheme::from_cms(&signer.signature_algorithm, &signer.digest_algorithm);
            used.extend(scheme_used(scheme.map_err(CheckError::Signature)?, &certificate)?);
        }
        for pair in self.path.iter().flat_map(|path| path.windows(2)) {
            let subject = Certificate::parse(&pair[0]).map_err(CheckError::Certificate)?;
            let issuer = Certificate::parse(&pair[1]).map_err(CheckError::Certificate)?;
            let scheme = SignatureScheme::from_certificate(&subject.signature_algorithm);
            used.extend(scheme_used(scheme.map_err(CheckError::Signature)?, &issuer)?);
        }
        for at in [self.tst_info.gen_time, self.known_at] {
            for &(algorithm, bits) in &used {
                self.trust.algorithms.check(algorithm, bits, at)?;
            }
        }
        MADE
    }

    fn qualified(&self) -> Examined {
        let Some(services) = self.trust.trusted_list else {
            return Ok(Err(NotApplicable::NoTrustedList));
        };
        let Some(path) = &self.path else {
            return depends_on(Check::Path);
        };
        let at = self.tst_info.gen_time;
        let digests: Vec<Sha256Digest> = path.iter().map(|certificate| Sha256Digest::of(certificate)).collect();
        let granted = services.iter().any(|service| {
            let valid = service.granted_from <= at && service.withdrawn_at.is_none_or(|end| at < end);
            valid && digests.contains(&service.certificate)
        });
        if granted { MADE } else { Err(CheckError::NotQualified) }
    }

    fn only_signer(&self) -> Option<&SignerInfo<'a>> {
        match self.signed_data.signers.as_slice() {
            [signer] => Some(signer),
            _ => None,
        }
    }

    fn certificates(&self) -> Vec<&'a [u8]> {
        let embedded = self.signed_data.certificates.iter().copied();
        embedded.chain(self.trust.certificates.iter().map(Vec::as_slice)).collect()
    }

    /// The certificate that the signer's identifier selects.
    fn selected_certificate(&self) -> Option<&'a [u8]> {
        let identifier = self.only_signer()?.identifier;
        self.certificates().into_iter().find(|raw| {
            Certificate::parse(raw).is_ok_and(|certificate| match identifier {
                SignerIdentifier::IssuerAndSerial { issuer, serial } => {
                    (certificate.issuer, certificate.serial) == (issuer, serial)
                }
                SignerIdentifier::SubjectKeyIdentifier(identifier) => {
                    certificate.subject_key_identifier() == Ok(Some(identifier))
                }
            })
        })
    }

    fn with_signer(&self, check: impl FnOnce(&Self, &Certificate<'_>) -> Result<(), CheckError>) -> Examined {
        let Some(selected) = self.selected_certificate() else {
            return depends_on(Check::SignerIdentifier);
        };
        let certificate = Certificate::parse(selected).map_err(CheckError::Certificate)?;
        check(self, &certificate).map(Ok)
    }
}

impl TstInfo {
    /// How far the time may be off by its own account: its accuracy, or the second that it was cut to.
    fn time_slack(&self) -> SignedDuration {
        let whole_seconds = self.gen_time.subsec_nanosecond() == 0;
        let resolution = SignedDuration::from_secs(if whole_seconds { GEN_TIME_RESOLUTION_SECONDS } else { 0 });
        self.accuracy.map_or(SignedDuration::ZERO, |accuracy| accuracy.duration()).max(resolution)
    }
}

fn hash_used(hash: HashAlgorithm) -> (Algorithm, usize) {
    (Algorithm::Hash(hash), hash.digest_len() * 8)
}

fn scheme_used(scheme: SignatureScheme, signer: &Certificate<'_>) -> Result<[(Algorithm, usize); 2], CheckError> {
    let key = PublicKey::parse(signer.public_key_info).map_err(CheckError::Signature)?;
    Ok([hash_used(scheme.hash), (Algorithm::Signature(scheme.family), key.bits())])
}

fn single_value<'v>(attributes: &'v SignedAttributes<'_>, attribute: ObjectIdentifier) -> Result<Tlv<'v>, CheckError> {
    let Some(found) = attributes.of_type(&attribute).next() else {
        return Err(CheckError::AttributeAbsent { attribute });
    };
    match found.values.as_slice() {
        [value] => Ok(*value),
        values => Err(CheckError::AttributeValues { attribute, found: values.len() }),
    }
}

/// The first ESSCertIDv2 of the SigningCertificateV2 attribute.
struct NamedCertificate<'a> {
    hash: HashAlgorithm,
    digest: &'a [u8],
    issuer_serial: Option<(&'a [u8], &'a [u8])>,
}

impl<'a> NamedCertificate<'a> {
    fn read(attributes: &'a SignedAttributes<'_>) -> Result<Self, CheckError> {
        let attribute = ObjectIdentifier::SIGNING_CERTIFICATE_V2;
        let value = single_value(attributes, attribute.clone())?;
        let malformed = |error| CheckError::AttributeMalformed { attribute: attribute.clone(), error };
        let (algorithm, digest, issuer_serial) = Self::parts(value).map_err(malformed)?;
        let hash = match &algorithm {
            None => HashAlgorithm::Sha256,
            Some(named) => named
                .hash_algorithm()
                .ok_or_else(|| CheckError::CertificateHashAlgorithm { found: named.algorithm.clone() })?,
        };
        Ok(Self { hash, digest, issuer_serial })
    }

    #[expect(clippy::type_complexity, reason = "three parts of one structure, taken apart by the only caller")]
    fn parts(
        value: Tlv<'a>,
    ) -> Result<(Option<AlgorithmIdentifier<'a>>, &'a [u8], Option<(&'a [u8], &'a [u8])>), DerError> {
        let mut certificates = Reader::single(value.raw, Tag::SEQUENCE)?.reader().sequence()?;
        let mut first = certificates.sequence()?;
        let algorithm = first.optional(Tag::SEQUENCE)?.map(|a| AlgorithmIdentifier::read(a.reader())).transpose()?;
        let digest = first.expect(Tag::OCTET_STRING)?.contents;
        let issuer_serial = first.optional(Tag::SEQUENCE)?.map(|pair| issuer_serial(pair.reader())).transpose()?;
        first.finish()?;
        Ok((algorithm, digest, issuer_serial))
    }
}

/// Reads IssuerSerial with a directoryName as its one general name.
fn issuer_serial(mut pair: Reader<'_>) -> Result<(&[u8], &[u8]), DerError> {
    let mut names = pair.sequence()?;
    let mut directory_name = names.expect(Tag::context(4))?.reader();
    let issuer = directory_name.expect(Tag::SEQUENCE)?.raw;
    directory_name.finish()?;
    names.finish()?;
    let serial = pair.expect(Tag::INTEGER)?.integer()?;
    pair.finish()?;
    Ok((issuer, serial))
}
