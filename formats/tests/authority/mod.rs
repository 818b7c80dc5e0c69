//! A time-stamping authority for tests: fixed keys, the project's own builders, and knobs to break each rule.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::convert::Infallible;
use std::num::NonZeroU64;

use cartulaire_formats::cms::HashAlgorithm;
use cartulaire_formats::der::{self, ObjectIdentifier, Tag, octet_string, sequence, set_of, tlv};
use cartulaire_formats::tsp::{
    Accuracy, AlgorithmPolicy, MessageImprint, Nonce, TimeStampRequest, TimeStampResponse, TokenSigner, TokenTerms,
    Trust, TrustAnchors, issue,
};
use cartulaire_formats::x509::{
    Certificate, CertificateKind, DistinguishedName, NewCertificate, NewRevocationList, RevocationReason,
    RevokedSerial, SerialNumber,
};
use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};

pub fn instant(text: &str) -> Timestamp {
    text.parse().expect("an instant")
}

pub fn pem_contents(text: &str, label: &str) -> Vec<u8> {
    use base64::Engine as _;
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let body = text.split(&begin).nth(1).and_then(|rest| rest.split(&end).next()).expect("a PEM block");
    let body: String = body.split_whitespace().collect();
    base64::engine::general_purpose::STANDARD.decode(body).expect("base64")
}

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).expect("a scalar")
}

pub fn public(key: &SigningKey) -> [u8; 65] {
    key.verifying_key().to_sec1_point(false).as_bytes().try_into().expect("an uncompressed point")
}

pub fn sign(key: &SigningKey) -> impl Fn(&[u8]) -> Result<Vec<u8>, Infallible> {
    |message| {
        let signature: Signature = key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

pub fn serial(number: u8) -> SerialNumber {
    SerialNumber::from_magnitude(&[number]).expect("positive")
}

pub struct Authority {
    pub root_key: SigningKey,
    pub unit_key: SigningKey,
    pub root_name: DistinguishedName,
    pub root: Vec<u8>,
    pub unit: Vec<u8>,
}

pub const POLICY: &str = "1.3.6.1.4.1.99999.1";

impl Authority {
    pub fn new() -> Self {
        Self::valid("2025-01-01T00:00:00Z", "2035-01-01T00:00:00Z")
    }

    /// An authority whose unit's certificate is valid between two instants.
    pub fn valid(not_before: &str, not_after: &str) -> Self {
        let (root_key, unit_key) = (key(1), key(2));
        let root_name = DistinguishedName::new("FR", "Archives d'essai", "Racine").expect("a name");
        let unit_name = DistinguishedName::new("FR", "Archives d'essai", "Horodatage").expect("a name");
        let root = NewCertificate {
            serial: &serial(1),
            issuer: &root_name,
            issuer_key: &public(&root_key),
            subject: &root_name,
            public_key: &public(&root_key),
            not_before: instant("2020-01-01T00:00:00Z"),
            not_after: instant("2060-01-01T00:00:00Z"),
            kind: CertificateKind::Root,
        }
        .build(sign(&root_key))
        .expect("infallible");
        let unit = NewCertificate {
            serial: &serial(2),
            issuer: &root_name,
            issuer_key: &public(&root_key),
            subject: &unit_name,
            public_key: &public(&unit_key),
            not_before: instant(not_before),
            not_after: instant(not_after),
            kind: CertificateKind::TimeStampingUnit,
        }
        .build(sign(&root_key))
        .expect("infallible");
        Self { root_key, unit_key, root_name, root, unit }
    }

    pub fn anchors(&self) -> TrustAnchors {
        TrustAnchors::new([&self.root]).expect("a root")
    }

    pub fn trust<'a>(&self, anchors: &'a TrustAnchors, algorithms: &'a AlgorithmPolicy) -> Trust<'a> {
        Trust { anchors, certificates: &[], revocation_lists: &[], policies: None, algorithms, trusted_list: None }
    }

    pub fn request(&self, imprint: MessageImprint) -> TimeStampRequest {
        let nonce = Nonce::new(NonZeroU64::new(0xfedc_ba98_7654_3210).expect("not zero"));
        TimeStampRequest::new(imprint, None, nonce)
    }

    pub fn response(&self, request: &TimeStampRequest, at: &str) -> Vec<u8> {
        let terms = TokenTerms {
            policy: POLICY.parse().expect("an identifier"),
            serial: serial(77),
            gen_time: instant(at),
            accuracy: Some(Accuracy::new(1, 500, 0).expect("in range")),
        };
        let signer = TokenSigner { certificate: &self.unit, issuers: &[&self.root] };
        issue(request, &terms, &signer, sign(&self.unit_key)).expect("issued")
    }

    pub fn token(&self, imprint: MessageImprint, at: &str) -> Vec<u8> {
        let response = self.response(&self.request(imprint), at);
        TimeStampResponse::parse(&response).expect("a response").token.expect("a token").to_vec()
    }

    pub fn revocation_list(&self, this_update: &str, revoked: &[(u8, &str, Option<u32>)]) -> Vec<u8> {
        let revoked: Vec<RevokedSerial> = revoked
            .iter()
            .map(|&(number, at, reason)| RevokedSerial {
                serial: serial(number),
                at: instant(at),
                reason: reason.map(RevocationReason),
            })
            .collect();
        NewRevocationList {
            number: 5,
            issuer: &self.root_name,
            issuer_key: &public(&self.root_key),
            this_update: instant(this_update),
            next_update: instant("2040-01-01T00:00:00Z"),
            revoked: &revoked,
        }
        .build(sign(&self.root_key))
        .expect("infallible")
    }

    /// A unit certificate with extensions of the test's own making.
    pub fn unit_with(&self, extensions: &[Vec<u8>]) -> Vec<u8> {
        let unit = Certificate::parse(&self.unit).expect("a certificate");
        let validity = sequence(&[&der::x509_time(unit.not_before), &der::x509_time(unit.not_after)]);
        let ecdsa = sequence(&[&ObjectIdentifier::ECDSA_SHA256.to_der()]);
        let to_sign = sequence(&[
            &tlv(Tag::context(0), &der::integer(&[2])),
            &tlv(Tag::INTEGER, unit.serial),
            &ecdsa,
            unit.issuer,
            &validity,
            unit.subject,
            unit.public_key_info,
            &tlv(Tag::context(3), &sequence(&[&extensions.concat()])),
        ]);
        let Ok(signature) = sign(&self.root_key)(&to_sign);
        sequence(&[&to_sign, &ecdsa, &der::bit_string(&signature, 0)])
    }
}

pub fn extension(id: ObjectIdentifier, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { der::boolean(true) } else { Vec::new() };
    sequence(&[&id.to_der(), &critical, &octet_string(value)])
}

pub fn attribute(id: ObjectIdentifier, values: Vec<Vec<u8>>) -> Vec<u8> {
    sequence(&[&id.to_der(), &set_of(Tag::SET, values)])
}

/// A token put together by hand: change a field, and exactly one rule breaks.
#[derive(Clone)]
pub struct Forgery {
    pub content_type: ObjectIdentifier,
    pub version: u8,
    pub imprint: Vec<u8>,
    pub gen_time: Vec<u8>,
    pub nonce: Option<Vec<u8>>,
    pub content_type_attribute: Vec<Vec<u8>>,
    pub message_digest: Option<Vec<u8>>,
    pub certificate_hash: Option<Vec<u8>>,
    pub more_attributes: Vec<Vec<u8>>,
    pub attributes_present: bool,
    pub digest_algorithm: Vec<u8>,
    pub signature_algorithm: Vec<u8>,
    pub signer_serial: Vec<u8>,
    pub certificates: Vec<Vec<u8>>,
    pub revocation_lists: Vec<Vec<u8>>,
    pub signers: usize,
    pub signer_key: SigningKey,
}

impl Forgery {
    pub fn new(authority: &Authority, imprint: &MessageImprint, at: &str) -> Self {
        Self::by(authority, &authority.unit, imprint, at)
    }

    pub fn by(authority: &Authority, unit: &[u8], imprint: &MessageImprint, at: &str) -> Self {
        let hash = HashAlgorithm::Sha256.digest(&[unit]);
        Self {
            content_type: ObjectIdentifier::TST_INFO,
            version: 1,
            imprint: sequence(&[&imprint.algorithm().to_der(), &octet_string(imprint.digest())]),
            gen_time: der::generalized_time(instant(at)),
            nonce: Some(der::integer(&0xfedc_ba98_7654_3210u64.to_be_bytes())),
            content_type_attribute: vec![ObjectIdentifier::TST_INFO.to_der()],
            message_digest: None,
            certificate_hash: Some(sequence(&[&sequence(&[&sequence(&[&octet_string(&hash)])])])),
            more_attributes: Vec::new(),
            attributes_present: true,
            digest_algorithm: HashAlgorithm::Sha256.to_der(),
            signature_algorithm: sequence(&[&ObjectIdentifier::ECDSA_SHA256.to_der()]),
            signer_serial: vec![2],
            certificates: vec![unit.to_vec(), authority.root.clone()],
            revocation_lists: Vec::new(),
            signers: 1,
            signer_key: authority.unit_key.clone(),
        }
    }

    pub fn tst_info(&self) -> Vec<u8> {
        let policy: ObjectIdentifier = POLICY.parse().expect("an identifier");
        sequence(&[
            &der::integer(&[self.version]),
            &policy.to_der(),
            &self.imprint,
            &der::integer(&[9]),
            &self.gen_time,
            self.nonce.as_deref().unwrap_or_default(),
        ])
    }

    pub fn token(&self) -> Vec<u8> {
        let tst_info = self.tst_info();
        let digest = self.message_digest.clone();
        let digest = digest.unwrap_or_else(|| octet_string(&HashAlgorithm::Sha256.digest(&[&tst_info])));
        let mut attributes = vec![
            attribute(ObjectIdentifier::CONTENT_TYPE, self.content_type_attribute.clone()),
            attribute(ObjectIdentifier::MESSAGE_DIGEST, vec![digest]),
        ];
        let named = self.certificate_hash.clone();
        attributes.extend(named.map(|value| attribute(ObjectIdentifier::SIGNING_CERTIFICATE_V2, vec![value])));
        attributes.extend(self.more_attributes.clone());
        let Ok(signature) = sign(&self.signer_key)(&set_of(Tag::SET, attributes.clone()));
        let unit = self.certificates.iter().find_map(|c| Certificate::parse(c).ok()).expect("a certificate");
        let signed = if self.attributes_present { set_of(Tag::context(0), attributes) } else { Vec::new() };
        let signer = sequence(&[
            &der::integer(&[1]),
            &sequence(&[unit.issuer, &tlv(Tag::INTEGER, &self.signer_serial)]),
            &self.digest_algorithm,
            &signed,
            &self.signature_algorithm,
            &octet_string(&signature),
        ]);
        let lists = self.revocation_lists.clone();
        let lists = if lists.is_empty() { Vec::new() } else { set_of(Tag::context(1), lists) };
        let content = tlv(Tag::context(0), &octet_string(&tst_info));
        let signed_data = sequence(&[
            &der::integer(&[3]),
            &set_of(Tag::SET, vec![HashAlgorithm::Sha256.to_der()]),
            &sequence(&[&self.content_type.to_der(), &content]),
            &set_of(Tag::context(0), self.certificates.clone()),
            &lists,
            &set_of(Tag::SET, vec![signer; self.signers]),
        ]);
        sequence(&[&ObjectIdentifier::SIGNED_DATA.to_der(), &tlv(Tag::context(0), &signed_data)])
    }

    pub fn response(&self) -> Vec<u8> {
        sequence(&[&sequence(&[&der::integer(&[0])]), &self.token()])
    }
}
