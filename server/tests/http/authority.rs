//! A time-stamp authority with real keys, certificates and signatures.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cartulaire_engine::attest::{Authorities, Authority};
use cartulaire_engine::ports::{AuthorityError, Clock as _, TimeStampAuthority};
use cartulaire_engine::system::SystemClock;
use cartulaire_formats::tsp::{TimeStampRequest, TokenSigner, TokenTerms, TrustAnchors, issue};
use cartulaire_formats::x509::{CertificateKind, DistinguishedName, NewCertificate, SerialNumber};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};

struct TestAuthority {
    root: Vec<u8>,
    unit: Vec<u8>,
    serial: AtomicU64,
}

/// One authority, for the SHA-256 tree.
pub fn authorities() -> Authorities {
    let (root, unit) = (certificate("Racine", &key(1)), certificate("Horodatage", &key(2)));
    let anchors = Arc::new(TrustAnchors::new([&root]).unwrap());
    let port = Arc::new(TestAuthority { root, unit, serial: AtomicU64::new(1) });
    let authority = Authority { port, anchors, policies: Vec::new(), qualified: false };
    Authorities { sha256: vec![authority], sha512: Vec::new() }
}

impl TimeStampAuthority for TestAuthority {
    fn name(&self) -> &str {
        "essai"
    }

    fn ask(&self, request: &[u8]) -> Result<Vec<u8>, AuthorityError> {
        let request = TimeStampRequest::parse(request).unwrap();
        let serial = self.serial.fetch_add(1, Ordering::SeqCst).to_be_bytes();
        let terms = TokenTerms {
            policy: "1.3.6.1.4.1.99999.1".parse().unwrap(),
            serial: SerialNumber::from_magnitude(&serial).unwrap(),
            gen_time: SystemClock.now().to_string().parse().unwrap(),
            accuracy: None,
        };
        let signer = TokenSigner { certificate: &self.unit, issuers: &[&self.root] };
        Ok(issue(&request, &terms, &signer, sign(&key(2))).unwrap())
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_slice(&[seed; 32]).unwrap()
}

fn sign(key: &SigningKey) -> impl Fn(&[u8]) -> Result<Vec<u8>, Infallible> {
    |message| {
        let signature: Signature = key.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

fn certificate(name: &str, subject_key: &SigningKey) -> Vec<u8> {
    let named = |name| DistinguishedName::new("FR", "Autorité d'essai", name).unwrap();
    let public = |key: &SigningKey| key.verifying_key().to_sec1_point(false).as_bytes().try_into().unwrap();
    let kind = if name == "Racine" { CertificateKind::Root } else { CertificateKind::TimeStampingUnit };
    let built = NewCertificate {
        serial: &SerialNumber::from_magnitude(name.as_bytes()).unwrap(),
        issuer: &named("Racine"),
        issuer_key: &public(&key(1)),
        subject: &named(name),
        public_key: &public(subject_key),
        not_before: "2020-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2120-01-01T00:00:00Z".parse().unwrap(),
        kind,
    }
    .build(sign(&key(1)));
    built.unwrap()
}
